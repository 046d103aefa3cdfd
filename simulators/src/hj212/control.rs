//! What a host asks of a logger, and how the logger takes it. Pure.

/// What becomes of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Control {
    /// They are carried out.
    Obeys,
    /// They are rejected: QnRtn=2.
    Refuses,
    /// They get no answer.
    Silent,
    /// They are accepted and carried out, and no result is ever said.
    Stuck,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// 1011.
    Clock,
    /// 1012: seconds since 1970.
    SetClock { second: i64 },
    /// 1061.
    Interval,
    /// 1062.
    SetInterval { real_time_s: i64 },
    /// 1063.
    Minutes,
    /// 1064.
    SetMinutes { minutes: i64 },
    /// 2011, 2051, 2061, 2031.
    Data {
        cn: String,
        from: String,
        to: String,
    },
    /// 3019.
    Identity { factor: String },
    /// 3020.
    Information { factor: String, info: String },
}

/// A request that was carried out, as it is in the truth file.
#[derive(serde::Serialize)]
pub struct Served<'a> {
    /// The command.
    pub served: &'a str,
    /// The segment.
    pub data: &'a str,
}

impl Asked {
    /// A request with these fields; `None` if it is none that a logger knows.
    pub fn read<'h>(cn: &str, field: impl Fn(&str) -> Option<&'h str>) -> Option<Asked> {
        let text = |name: &str| field(name).map(str::to_owned);
        let number = |name: &str| field(name)?.parse::<i64>().ok().filter(|n| *n > 0);
        Some(match cn {
            "1011" => Asked::Clock,
            "1012" => Asked::SetClock {
                second: second(field("SystemTime")?)?,
            },
            "1061" => Asked::Interval,
            "1062" => Asked::SetInterval {
                real_time_s: number("RtdInterval")?,
            },
            "1063" => Asked::Minutes,
            "1064" => Asked::SetMinutes {
                minutes: number("MinInterval")?,
            },
            "2011" | "2051" | "2061" | "2031" => Asked::Data {
                cn: cn.to_owned(),
                from: text("BeginTime").unwrap_or_default(),
                to: text("EndTime").unwrap_or_default(),
            },
            "3019" => Asked::Identity {
                factor: text("PolId")?,
            },
            "3020" => Asked::Information {
                factor: text("PolId")?,
                info: text("InfoId")?,
            },
            _ => return None,
        })
    }

    /// It asks for data of which there may be none.
    pub fn wants_data(&self) -> bool {
        matches!(self, Asked::Data { .. } | Asked::Information { .. })
    }
}

/// Seconds since 1970 of 14 digits of Beijing time.
fn second(digits: &str) -> Option<i64> {
    let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", digits).ok()?;
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    Some(time.to_zoned(zone).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_and_what_no_logger_knows_is_none() {
        let read = |cn: &str, fields: &'static [(&str, &str)]| {
            let found = |name: &str| fields.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
            Asked::read(cn, found)
        };
        let second = 1_785_542_400; // 2026-08-01T08:00:00+08:00
        let set = read("1012", &[("SystemTime", "20260801080000")]);
        assert_eq!(set, Some(Asked::SetClock { second }));
        let set = read("1062", &[("RtdInterval", "60")]);
        assert_eq!(set, Some(Asked::SetInterval { real_time_s: 60 }));
        assert_eq!(read("1062", &[("RtdInterval", "0")]), None);
        assert_eq!(read("1012", &[("SystemTime", "soon")]), None);
        assert_eq!(read("3011", &[("PolId", "a21026")]), None);
    }
}
