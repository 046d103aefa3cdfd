//! What a logger has to say, and when: real-time values, means of minutes, hours and days, site information, heartbeats.
//! Pure: the time of the site is an argument.

use crate::random::{Random, Wander};
use std::collections::BTreeMap;

/// Which standard the logger follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Standard {
    /// HJ/T 212-2005.
    #[value(name = "2005")]
    Y2005,
    /// HJ 212-2017.
    #[value(name = "2017")]
    Y2017,
    /// HJ 212-2025.
    #[value(name = "2025")]
    Y2025,
}

impl Standard {
    /// The version bits of Flag.
    pub fn bits(self) -> u8 {
        match self {
            Standard::Y2005 => 0,
            Standard::Y2017 => 4,
            Standard::Y2025 => 8,
        }
    }
}

/// How often what is sent, in seconds of the site.
#[derive(Debug, Clone, Copy)]
pub struct Intervals {
    /// 2011.
    pub real_time_s: i64,
    /// 2051.
    pub minute_s: i64,
    /// 9015, of 2025 only.
    pub heartbeat_s: i64,
    /// 3020 with the slope changed, once, so many seconds after the start; 0: never.
    pub slope_change_s: i64,
}

/// One thing to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Command.
    pub cn: &'static str,
    /// DataTime as 14 digits; empty for a heartbeat.
    pub data_time: String,
    /// The items, each of one factor; a split never cuts one.
    pub items: Vec<String>,
    /// Factor, suffix, value: what the items say.
    pub truth: Vec<(&'static str, &'static str, f64)>,
}

impl Message {
    /// The data area with the items of `range`.
    pub fn data(&self, range: std::ops::Range<usize>) -> String {
        let mut parts = Vec::new();
        if !self.data_time.is_empty() {
            parts.push(format!("DataTime={}", self.data_time));
        }
        parts.extend(self.items[range].iter().cloned());
        parts.join(";")
    }
}

/// A factor and its walk: mean, deviation, decimals.
struct Channel {
    code: &'static str,
    mean: f64,
    deviation: f64,
    decimals: i32,
    wander: Wander,
}

const GAS: [(&str, f64, f64, i32); 6] = [
    ("a21026", 18.0, 3.0, 2),
    ("a21002", 31.0, 4.0, 1),
    ("a34013", 4.0, 0.6, 1),
    ("a19001", 10.3, 0.4, 1),
    ("a01012", 96.0, 2.0, 1),
    ("a00000", 7.0, 0.3, 2),
];
const WATER: [(&str, f64, f64, i32); 4] = [
    ("w01018", 41.0, 5.0, 1),
    ("w21003", 1.9, 0.3, 2),
    ("w01001", 7.2, 0.2, 2),
    ("w00000", 16.0, 1.0, 1),
];

/// The values of one period so far.
#[derive(Debug, Clone, Default)]
struct Mean {
    start: i64,
    values: BTreeMap<&'static str, Vec<f64>>,
}

/// A logger's day.
pub struct Plan {
    standard: Standard,
    intervals: Intervals,
    random: Random,
    channels: Vec<Channel>,
    means: [Mean; 3],
    begun: i64,
    next: i64,
    heartbeat: i64,
    has_changed: bool,
    is_first: bool,
}

impl Plan {
    /// A gas logger (ST=31), or one of water (ST=32), that begins at `begun` (seconds since 1970).
    pub fn new(
        standard: Standard,
        intervals: Intervals,
        is_gas: bool,
        seed: u64,
        begun: i64,
    ) -> Self {
        let channel =
            |&(code, mean, deviation, decimals): &(&'static str, f64, f64, i32)| Channel {
                code,
                mean,
                deviation,
                decimals,
                wander: Wander::default(),
            };
        let channels = if is_gas {
            GAS.iter().map(channel).collect()
        } else {
            WATER.iter().map(channel).collect()
        };
        let mut plan = Plan {
            standard,
            intervals,
            random: Random::seeded(seed),
            channels,
            means: Default::default(),
            begun,
            next: begun - begun.rem_euclid(intervals.real_time_s) + intervals.real_time_s,
            heartbeat: begun + intervals.heartbeat_s,
            has_changed: false,
            is_first: true,
        };
        for (mean, length) in plan.means.iter_mut().zip(lengths(intervals)) {
            mean.start = period_start(begun, length);
        }
        plan
    }

    /// From now on it is sent so often.
    pub fn set_intervals(&mut self, intervals: Intervals) {
        self.intervals = intervals;
    }

    /// What is due by `now` (seconds since 1970), in the order of its time.
    pub fn due(&mut self, now: i64) -> Vec<Message> {
        let mut messages = Vec::new();
        if self.is_first {
            self.is_first = false;
            messages.push(self.information(self.begun, 1.0));
        }
        while self.next <= now {
            let at = self.next;
            self.next += self.intervals.real_time_s;
            self.close_periods(at, &mut messages);
            messages.push(self.real_time(at));
        }
        let change = self.intervals.slope_change_s;
        if change > 0 && !self.has_changed && now >= self.begun + change {
            self.has_changed = true;
            messages.push(self.information(now, 0.82));
        }
        if self.standard == Standard::Y2025 && now >= self.heartbeat {
            self.heartbeat = now + self.intervals.heartbeat_s;
            let (items, truth) = (Vec::new(), Vec::new());
            messages.push(Message {
                cn: "9015",
                data_time: String::new(),
                items,
                truth,
            });
        }
        messages
    }

    fn real_time(&mut self, at: i64) -> Message {
        let step_s = self.intervals.real_time_s as f64;
        let (mut items, mut truth) = (Vec::new(), Vec::new());
        for channel in &mut self.channels {
            let walk = channel
                .wander
                .step(&mut self.random, step_s, 600.0, channel.deviation);
            let value = rounded((channel.mean + walk).max(0.0), channel.decimals);
            items.push(format!(
                "{0}-Rtd={1},{0}-Flag=N",
                channel.code,
                show(value, channel.decimals)
            ));
            truth.push((channel.code, "Rtd", value));
            for mean in &mut self.means {
                mean.values.entry(channel.code).or_default().push(value);
            }
        }
        Message {
            cn: "2011",
            data_time: digits(at),
            items,
            truth,
        }
    }

    /// Periods that are over at `at`; DataTime is their start.
    fn close_periods(&mut self, at: i64, messages: &mut Vec<Message>) {
        let lengths = lengths(self.intervals);
        for (n, cn) in ["2051", "2061", "2031"].into_iter().enumerate() {
            let start = period_start(at, lengths[n]);
            if start == self.means[n].start {
                continue;
            }
            let over = std::mem::replace(
                &mut self.means[n],
                Mean {
                    start,
                    ..Mean::default()
                },
            );
            if !over.values.is_empty() {
                messages.push(self.period(cn, &over));
            }
        }
    }

    fn period(&self, cn: &'static str, over: &Mean) -> Message {
        let (mut items, mut truth) = (Vec::new(), Vec::new());
        for channel in &self.channels {
            let Some(values) = over.values.get(channel.code) else {
                continue;
            };
            let decimals = channel.decimals;
            let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
            let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mean = rounded(values.iter().sum::<f64>() / values.len() as f64, decimals);
            let code = channel.code;
            items.push(format!(
                "{code}-Min={},{code}-Avg={},{code}-Max={},{code}-Flag=N",
                show(lowest, decimals),
                show(mean, decimals),
                show(highest, decimals)
            ));
            truth.extend([
                (code, "Min", lowest),
                (code, "Avg", mean),
                (code, "Max", highest),
            ]);
        }
        Message {
            cn,
            data_time: digits(over.start),
            items,
            truth,
        }
    }

    /// 3020: what decides how an analyser's signal becomes a value.
    fn information(&self, at: i64, slope: f64) -> Message {
        let code = self.channels[0].code;
        let items = vec![
            format!("PolId={code}"),
            "i13001-Info=0-200".into(),
            "i13007-Info=0.00".into(),
            format!("i13008-Info={slope:.2}"),
            "i11001-Info=//参数;已上传//".into(),
        ];
        let truth = vec![("i13007", "Info", 0.0), ("i13008", "Info", slope)];
        Message {
            cn: "3020",
            data_time: digits(at),
            items,
            truth,
        }
    }
}

fn lengths(intervals: Intervals) -> [i64; 3] {
    [intervals.minute_s, 3600, 86_400]
}

const BEIJING_S: i64 = 8 * 3600;

fn period_start(at: i64, length: i64) -> i64 {
    at - (at + BEIJING_S).rem_euclid(length)
}

fn rounded(value: f64, decimals: i32) -> f64 {
    show(value, decimals).parse().unwrap_or(value)
}

fn show(value: f64, decimals: i32) -> String {
    format!("{value:.*}", decimals as usize)
}

/// 14 digits of Beijing time.
pub fn digits(at: i64) -> String {
    let at = jiff::Timestamp::from_second(at).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8)))
        .strftime("%Y%m%d%H%M%S")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_sent_when_they_are_over_and_say_when_they_began() {
        let begun = 1_785_542_400; // 2026-08-01T08:00:00+08:00
        let intervals = Intervals {
            real_time_s: 60,
            minute_s: 600,
            heartbeat_s: 300,
            slope_change_s: 0,
        };
        let mut plan = Plan::new(Standard::Y2017, intervals, true, 1, begun);
        let messages = plan.due(begun + 3600);
        let of = |cn: &str| messages.iter().filter(|m| m.cn == cn).collect::<Vec<_>>();
        assert_eq!(of("2011").len(), 60);
        assert_eq!(of("2051").len(), 6);
        assert_eq!(of("2051")[1].data_time, "20260801081000");
        assert_eq!(of("2061").len(), 1);
        assert_eq!(of("2061")[0].data_time, "20260801080000");
        assert_eq!(of("3020").len(), 1);
        let hour = of("2061")[0]
            .truth
            .iter()
            .find(|t| t.0 == "a21026" && t.1 == "Avg")
            .unwrap()
            .2;
        let values: Vec<f64> = of("2011").iter().take(59).map(|m| m.truth[0].2).collect();
        assert!(
            (hour - values.iter().sum::<f64>() / 59.0).abs() < 0.006,
            "{hour}"
        );
    }
}
