//! Items become readings: which point, when, how far to be trusted (HJ 212-2017 Table 8 and C.16 to C.18). Pure.
//!
//! Point names: `a21026` is the real-time value; a period is part of the name (`a21026-Avg@hour`), so that minute, hour
//! and day never meet in one point; site information carries its analyser (`i13008:a21026`). A command without a rule
//! of its own has its number there (`a21026-Avg@2062`).

use super::complaint::{Code, Complaints, complain};
use super::data::{Data, Item, Suffix, number};
use super::factor::{self, Factor, Lookup};
use super::moment;
use super::segment::{Segment, short};
use std::borrow::Cow;

use contract::{Absence, Doubt, PointName, Quality, Reading, Timestamp};

/// How far the sender's clock may be off, and data may lie in the future.
const SKEW_MAX_MS: i64 = 5 * 60_000;

/// What is known besides the frame.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context {
    /// When it was received, by a clock that is trusted.
    pub received_at: Option<Timestamp>,
    /// The length said was wrong: with a check value of 256 values, no value of the frame is beyond doubt.
    pub is_length_wrong: bool,
}

/// A reading and what it is of.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The reading. Its time is the start of the period, the time of sampling, or DataTime.
    pub reading: Reading,
    /// Its unit; empty if unknown or none.
    pub unit: &'static str,
    /// Its factor code, if it is in the tables.
    pub factor: Option<&'static str>,
    /// The period, if it is of one.
    pub period: Option<Period>,
}

/// A period of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// `minute`, `hour`, `day`, `5min`.
    pub kind: &'static str,
    /// When it began.
    pub start: Timestamp,
    /// When it ended; `None` for minutes, whose number is set at the logger (MinInterval).
    pub end: Option<Timestamp>,
}

/// Site information that is no number: a log, a range, a serial number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Named as a point.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// Without the `//` around it.
    pub text: String,
}

/// What a message says of the world.
#[derive(Debug, Default)]
pub struct Said {
    /// Numbers, or their absence.
    pub measured: Vec<Measured>,
    /// Texts.
    pub remarks: Vec<Remark>,
}

/// What the items of a message say.
pub fn said(
    segment: &Segment<'_>,
    data: &Data<'_>,
    context: Context,
    complaints: &mut Complaints,
) -> Said {
    let mut said = Said::default();
    for (name, value) in &data.plain {
        let is_time = matches!(
            *name,
            "DataTime" | "BeginTime" | "EndTime" | "SystemTime" | "RestartTime"
        );
        if is_time && moment::read(value).is_none() {
            complain(
                complaints,
                Code::TimeForm,
                *name,
                format!("`{}` is no time", short(value)),
            );
        }
    }
    let qn = segment.qn.and_then(moment::read);
    let data_time = data.field("DataTime").and_then(moment::read);
    let is_skewed = is_skewed(qn, data_time, context.received_at, complaints);
    if data.items.is_empty() {
        return said;
    }
    if data.field("DataTime").is_none() {
        let what = "there is no DataTime; the readings take the time of QN, or of receipt";
        complain(complaints, Code::MissingDataTime, "DataTime", what);
    }
    let Some(at) = data_time.or(qn).or(context.received_at) else {
        for item in &data.items {
            code_of(item.factor, complaints);
        }
        return said;
    };
    let frame = Whole {
        at,
        period: period(segment.cn, at),
        place: place(segment.cn),
        doubt: match (context.is_length_wrong, is_skewed || data_time.is_none()) {
            (true, _) => Some(Doubt::Unspecified),
            (_, true) => Some(Doubt::UntrustedClock),
            _ => None,
        },
    };
    let values = data.items.iter().map(|item| item.values.len()).sum();
    said.measured.reserve(values);
    for item in &data.items {
        frame.item(item, &mut said, complaints);
    }
    said
}

/// What holds for all items of a message.
struct Whole {
    at: Timestamp,
    period: Option<Period>,
    place: Cow<'static, str>,
    doubt: Option<Doubt>,
}

impl Whole {
    fn item(&self, item: &Item<'_>, said: &mut Said, complaints: &mut Complaints) {
        let (code, factor) = code_of(item.factor, complaints);
        let flag = item.value("Flag");
        let by_flag = flag.map_or(Quality::Good, |flag| quality(flag, item.factor, complaints));
        let quality = match (by_flag, self.doubt) {
            (Quality::Good, Some(doubt)) => Quality::Suspect(doubt),
            (quality, _) => quality,
        };
        let sampled = item.value("SampleTime").and_then(|digits| {
            let at = moment::read(digits);
            if at.is_none() {
                let what = format!("`{}` is no time", short(digits));
                complain(
                    complaints,
                    Code::TimeForm,
                    format!("{}-SampleTime", item.factor),
                    what,
                );
            }
            at
        });
        // What was sampled at eight is of eight, however often the logger repeats it.
        let at = if self.period.is_none() {
            sampled.unwrap_or(self.at)
        } else {
            self.at
        };
        for (suffix, text) in &item.values {
            if matches!(suffix, Suffix::Known("Flag" | "EFlag" | "SampleTime")) {
                continue;
            }
            let name = self.name(code, item.subject, *suffix);
            if is_text(code, *suffix, text) {
                let text = text.trim_matches('/').to_owned();
                said.remarks.push(Remark { name, at, text });
                continue;
            }
            let sent = || format!("{}-{}", item.factor, suffix.as_str());
            let (value, quality) = value(text, quality, sent, complaints);
            match PointName::new(name) {
                Ok(point) => said.measured.push(Measured {
                    reading: Reading::new(point, at, value, quality),
                    unit: unit(factor, *suffix),
                    factor: factor.map(|factor| factor.code),
                    period: self.period,
                }),
                Err(error) => complain(complaints, Code::PointName, sent(), error.to_string()),
            }
        }
    }

    fn name(&self, code: &str, subject: Option<&str>, suffix: Suffix<'_>) -> String {
        let mut name = String::with_capacity(32);
        name.push_str(code);
        if let Some(subject) = subject.filter(|_| code.starts_with('i')) {
            let known = factor::lookup(subject).factor();
            name.push(':');
            name.push_str(known.map_or(subject, |factor| factor.code));
        }
        let is_plain = matches!(suffix, Suffix::Known("Rtd" | "Data" | "Info"));
        if !is_plain || !self.place.is_empty() {
            name.push('-');
            name.push_str(suffix.as_str());
        }
        name.push_str(&self.place);
        name
    }
}

/// The code under which a factor's readings are kept.
fn code_of<'t>(sent: &'t str, complaints: &mut Complaints) -> (&'t str, Option<&'static Factor>) {
    let lookup = factor::lookup(sent);
    match lookup {
        Lookup::Found(_) => {}
        Lookup::Old(factor) => {
            let what = format!("code of 2005, read as {} {}", factor.code, factor.name.en);
            complain(complaints, Code::OldFactor, sent, what);
        }
        Lookup::WithoutLetter(factor) => {
            let what = format!("read as {} {}", factor.code, factor.name.en);
            complain(complaints, Code::FactorWithoutLetter, sent, what);
        }
        Lookup::Unmapped if factor::is_facility(sent) => {}
        Lookup::Unmapped => {
            let what = format!(
                "`{}` is in no table; kept as sent, without a unit",
                short(sent)
            );
            complain(complaints, Code::UnmappedFactor, short(sent), what);
        }
    }
    let factor = lookup.factor();
    (factor.map_or(sent, |factor| factor.code), factor)
}

/// What a data flag makes of a value (Table 8). Rules count `Good` only.
pub fn quality(flag: &str, factor: &str, complaints: &mut Complaints) -> Quality {
    let place = || format!("{factor}-Flag");
    let upper = match flag.as_bytes() {
        [letter] => letter.to_ascii_uppercase(),
        _ => 0,
    };
    if "NFMSDCTB".contains(char::from(upper)) && !flag.as_bytes().contains(&upper) {
        complain(
            complaints,
            Code::NameCase,
            place(),
            format!("written `{flag}`"),
        );
    }
    match upper {
        b'N' => Quality::Good,
        b'F' => Quality::Missing(Absence::Stopped),
        b'M' => Quality::Suspect(Doubt::Maintenance),
        b'S' => Quality::Suspect(Doubt::ManualEntry),
        b'D' => Quality::Suspect(Doubt::Fault),
        b'C' => Quality::Suspect(Doubt::Calibration),
        b'T' => Quality::Suspect(Doubt::OutOfRange),
        // What a logger shows while it cannot reach the analyser was not measured.
        b'B' => Quality::Missing(Absence::NoConnection),
        _ => {
            let what = format!("`{}` is not in Table 8; the value is doubted", short(flag));
            complain(complaints, Code::UnknownFlag, place(), what);
            Quality::Suspect(Doubt::Unspecified)
        }
    }
}

fn value(
    text: &str,
    quality: Quality,
    sent: impl Fn() -> String,
    complaints: &mut Complaints,
) -> (Option<f64>, Quality) {
    if let Some(value) = number(text) {
        return (Some(value), quality);
    }
    let absence = if text.is_empty() {
        complain(complaints, Code::EmptyValue, sent(), "no value");
        Absence::Unspecified
    } else {
        complain(
            complaints,
            Code::NonNumeric,
            sent(),
            format!("`{}` is no number", short(text)),
        );
        Absence::Unreadable
    };
    match quality {
        Quality::Missing(why) => (None, Quality::Missing(why)),
        _ => (None, Quality::Missing(absence)),
    }
}

fn is_text(code: &str, suffix: Suffix<'_>, text: &str) -> bool {
    match suffix {
        Suffix::Known("SN") => true,
        // A calibration time is 14 digits and no number.
        Suffix::Known("Info") => code == "i13006" || number(text).is_none() && !text.is_empty(),
        _ => false,
    }
}

fn unit(factor: Option<&Factor>, suffix: Suffix<'_>) -> &'static str {
    match (suffix, factor) {
        (Suffix::Known("RT"), _) => "h",
        (Suffix::Known("Cou"), Some(factor)) => factor.amount,
        (Suffix::Known("RS" | "ValidNum") | Suffix::Other(_), _) | (_, None) => "",
        (_, Some(factor)) => factor.unit,
    }
}

/// DataTime of period data is the start of the period (1.12 of the reference; C.16 to C.18 of the standard).
fn period(cn: Option<&str>, start: Timestamp) -> Option<Period> {
    let (kind, length_min) = match cn? {
        "2051" => ("minute", None),
        "2061" => ("hour", Some(60)),
        "2031" | "2041" => ("day", Some(24 * 60)),
        "2111" => ("5min", None),
        _ => return None,
    };
    let end = length_min.map(|minutes: i64| start.plus_millis(minutes * 60_000));
    Some(Period { kind, start, end })
}

fn place(cn: Option<&str>) -> Cow<'static, str> {
    match cn {
        Some("2011" | "2021" | "3020") => "".into(),
        Some("2051") => "@minute".into(),
        Some("2061") => "@hour".into(),
        Some("2031" | "2041") => "@day".into(),
        Some("2111") => "@5min".into(),
        Some(other) => format!("@{other}").into(),
        None => "@unknown".into(),
    }
}

fn is_skewed(
    qn: Option<Timestamp>,
    data_time: Option<Timestamp>,
    received_at: Option<Timestamp>,
    complaints: &mut Complaints,
) -> bool {
    let before = complaints.len();
    if let (Some(qn), Some(received)) = (qn, received_at)
        && qn.since(received).abs() > SKEW_MAX_MS
    {
        let what = format!("{} s from the time of receipt", qn.since(received) / 1000);
        complain(complaints, Code::ClockSkew, "QN", what);
    }
    if let (Some(at), Some(limit)) = (data_time, received_at.or(qn))
        && at.since(limit) > SKEW_MAX_MS
    {
        let than = if received_at.is_some() {
            "receipt"
        } else {
            "QN"
        };
        let what = format!("{} s later than {than}", at.since(limit) / 1000);
        complain(complaints, Code::ClockSkew, "DataTime", what);
    }
    complaints.len() > before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cn: &str, area: &str, context: Context) -> (Said, Vec<&'static str>) {
        let text = format!(
            "QN=20260801090000001;ST=31;CN={cn};PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&{area}&&"
        );
        let mut complaints = Vec::new();
        let segment = Segment::read(&text, &mut complaints);
        let data = Data::read(segment.data.unwrap(), &mut complaints);
        let said = said(&segment, &data, context, &mut complaints);
        (said, complaints.iter().map(|c| c.code.as_str()).collect())
    }

    fn shown(cn: &str, area: &str) -> Vec<String> {
        let (said, _) = read(cn, area, Context::default());
        let one = |m: &Measured| {
            let r = &m.reading;
            format!(
                "{} {} {:?} {:?} {}",
                r.point,
                moment::show(r.at),
                r.value,
                r.quality,
                m.unit
            )
        };
        said.measured.iter().map(one).collect()
    }

    #[test]
    fn each_period_has_points_and_a_time_of_its_own() {
        let area = "DataTime=20260801080000;a21026-Avg=18.0,a21026-Cou=1,a21026-Flag=N";
        for (cn, place) in [("2051", "minute"), ("2061", "hour"), ("2031", "day")] {
            assert_eq!(
                shown(cn, area),
                [
                    format!("a21026-Avg@{place} 2026-08-01T08:00:00+08:00 Some(18.0) Good mg/m³"),
                    format!("a21026-Cou@{place} 2026-08-01T08:00:00+08:00 Some(1.0) Good kg"),
                ]
            );
        }
        let hour = &read("2061", area, Context::default()).0.measured[0];
        let end = moment::read("20260801090000");
        assert_eq!(hour.period.map(|p| (p.kind, p.end)), Some(("hour", end)));
        assert_eq!(
            shown(
                "2011",
                "DataTime=20260801090000;02-Rtd=1,02-ZsRtd=2;SB1-RS=1"
            ),
            [
                "a21026 2026-08-01T09:00:00+08:00 Some(1.0) Good mg/m³",
                "a21026-ZsRtd 2026-08-01T09:00:00+08:00 Some(2.0) Good mg/m³",
                "SB1-RS 2026-08-01T09:00:00+08:00 Some(1.0) Good ",
            ]
        );
        assert_eq!(
            shown("2062", "DataTime=20260801090000;a21026-Rtd=1"),
            ["a21026-Rtd@2062 2026-08-01T09:00:00+08:00 Some(1.0) Good mg/m³"]
        );
    }

    #[test]
    fn only_a_normal_value_is_good() {
        for (flag, quality, has_value) in [
            ("N", "Good", true),
            ("F", "Missing(Stopped)", false),
            ("M", "Suspect(Maintenance)", true),
            ("S", "Suspect(ManualEntry)", true),
            ("D", "Suspect(Fault)", true),
            ("C", "Suspect(Calibration)", true),
            ("T", "Suspect(OutOfRange)", true),
            ("B", "Missing(NoConnection)", false),
            ("Q", "Suspect(Unspecified)", true),
            ("", "Suspect(Unspecified)", true),
        ] {
            let area = format!("DataTime=20260801090000;a21026-Rtd=1.5,a21026-Flag={flag}");
            let (said, _) = read("2011", &area, Context::default());
            let reading = &said.measured[0].reading;
            assert_eq!(format!("{:?}", reading.quality), quality, "{flag}");
            assert_eq!(reading.value.is_some(), has_value, "{flag}");
        }
        for (value, quality) in [("---", "Missing(Unreadable)"), ("", "Missing(Unspecified)")] {
            let area = format!("DataTime=20260801090000;a21026-Rtd={value},a21026-Flag=N");
            let (said, _) = read("2011", &area, Context::default());
            assert_eq!(format!("{:?}", said.measured[0].reading.quality), quality);
        }
    }

    #[test]
    fn site_information_names_its_analyser_and_texts_are_kept_apart() {
        let (said, codes) = read(
            "3020",
            "DataTime=20260801090000;PolId=a21026;i13001-Info=0-200;i13008-Info=0.82;i13006-Info=20260801080000;i11001-Info=//清洗;ok//",
            Context::default(),
        );
        assert_eq!(codes, Vec::<&str>::new());
        assert_eq!(said.measured.len(), 1);
        assert_eq!(said.measured[0].reading.point.as_str(), "i13008:a21026");
        let remarks: Vec<(&str, &str)> = said
            .remarks
            .iter()
            .map(|r| (r.name.as_str(), r.text.as_str()))
            .collect();
        assert_eq!(
            remarks,
            [
                ("i13001:a21026", "0-200"),
                ("i13006:a21026", "20260801080000"),
                ("i11001:a21026", "清洗;ok"),
            ]
        );
    }

    #[test]
    fn a_clock_or_a_length_that_is_wrong_leaves_no_good_reading() {
        let received = |text| Context {
            received_at: moment::read(text),
            is_length_wrong: false,
        };
        let area = "DataTime=20260801090000;a21026-Rtd=1,a21026-Flag=N";
        let quality = |area, context| read("2011", area, context).0.measured[0].reading.quality;
        assert_eq!(quality(area, received("20260801090500")), Quality::Good);
        for late in ["20260801090502", "20260801085459"] {
            assert_eq!(
                quality(area, received(late)),
                Quality::Suspect(Doubt::UntrustedClock),
                "{late}"
            );
        }
        let future = "DataTime=20260801090600;a21026-Rtd=1";
        assert_eq!(
            quality(future, Context::default()),
            Quality::Suspect(Doubt::UntrustedClock)
        );
        assert_eq!(
            quality("a21026-Rtd=1", Context::default()),
            Quality::Suspect(Doubt::UntrustedClock)
        );
        let wrong = Context {
            received_at: None,
            is_length_wrong: true,
        };
        assert_eq!(quality(area, wrong), Quality::Suspect(Doubt::Unspecified));
    }

    #[test]
    fn a_sampled_value_has_the_time_of_its_sample() {
        assert_eq!(
            shown(
                "2011",
                "DataTime=20260801090000;w01018-SampleTime=20260801080000,w01018-Rtd=41.7,w01018-Flag=N,w01018-EFlag=A01"
            ),
            ["w01018 2026-08-01T08:00:00+08:00 Some(41.7) Good mg/L"]
        );
    }
}
