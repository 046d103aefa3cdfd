//! Where time and values stand in the JSON that a device sends. Pure.
//!
//! Promise: any bytes give readings or a reason, never a panic; a value that is there and is no number is an absence
//! with a complaint; a point that is not in the message gives no reading, since a device may send a part of its points
//! at a time.

use crate::{calibrate, profile::UNITS, section::Section};
use contract::{Absence, PointName, Quality, Timestamp, problems::Problems};
use serde_json::Value;
use std::{collections::HashSet, str::FromStr};

/// A message above this is refused; a record keeps what was sent, up to this.
pub const BYTES_MAX: usize = 64 << 10;
/// Points of one device at most.
const POINTS_MAX: usize = 1_000;
/// The years 2000 to 2100: whatever is outside is a clock that was never set.
const PLAUSIBLE_MS: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

/// A quantity in a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its name.
    pub name: PointName,
    /// JSON pointer (RFC 6901) of the value.
    pub pointer: String,
    /// Unit symbol.
    pub unit: String,
    /// What one count is worth.
    pub scale: f64,
    /// Added after scaling.
    pub offset: f64,
    /// What the device can measure, in the unit.
    pub range: (f64, f64),
    /// Factor code, where there is one.
    pub factor: Option<String>,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds since 1970, fractions allowed.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// RFC 3339 text with a zone.
    Rfc3339,
}

impl FromStr for TimeUnit {
    type Err = String;

    fn from_str(text: &str) -> Result<TimeUnit, String> {
        match text {
            "s" => Ok(TimeUnit::Seconds),
            "ms" => Ok(TimeUnit::Milliseconds),
            "rfc3339" => Ok(TimeUnit::Rfc3339),
            _ => Err(format!("{text:?} is not one of s, ms, rfc3339")),
        }
    }
}

/// Where a message says its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// JSON pointer.
    pub pointer: String,
    /// How it is written.
    pub unit: TimeUnit,
}

/// What a kind of message means.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// The quantities, at least one.
    pub points: Vec<Point>,
    /// The time; without one the time of reception is that of the reading.
    pub clock: Option<Clock>,
}

/// What a message gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The time in the message, if the mapping names one.
    pub at: Option<Timestamp>,
    /// Place of the point in the mapping, value and quality.
    pub values: Vec<(usize, Option<f64>, Quality)>,
    /// Values that are no numbers, in words.
    pub complaints: Vec<String>,
}

/// Why a message gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Longer than [`BYTES_MAX`].
    #[error("it has {0} bytes, more than {BYTES_MAX}")]
    TooLong(usize),
    /// Not JSON.
    #[error("it is not JSON ({0})")]
    NotJson(String),
    /// Nothing at the pointer of the time.
    #[error("there is no time at {0:?}")]
    NoTime(String),
    /// What is there is not a time of the configured unit.
    #[error("{0} is not a time in the configured unit")]
    NotATime(String),
    /// The device's clock was never set.
    #[error("the time {0} is not possible: the device's clock is not set")]
    ImpossibleTime(Timestamp),
    /// None of the points is in it.
    #[error("none of the configured points is in it")]
    NoPoint,
}

impl Refused {
    /// The kind, for counting.
    pub fn reason(&self) -> &'static str {
        match self {
            Refused::TooLong(_) => "too long",
            Refused::NotJson(_) => "not JSON",
            Refused::NoTime(_) => "no time",
            Refused::NotATime(_) => "not a time",
            Refused::ImpossibleTime(_) => "impossible time",
            Refused::NoPoint => "no known point",
        }
    }
}

impl Mapping {
    /// Reads a message.
    pub fn take(&self, bytes: &[u8]) -> Result<Taken, Refused> {
        if bytes.len() > BYTES_MAX {
            return Err(Refused::TooLong(bytes.len()));
        }
        let root: Value =
            serde_json::from_slice(bytes).map_err(|error| Refused::NotJson(error.to_string()))?;
        let at = self.clock.as_ref().map(|clock| time(clock, &root));
        let at = at.transpose()?;
        let (mut values, mut complaints) = (Vec::new(), Vec::new());
        for (index, point) in self.points.iter().enumerate() {
            let Some(found) = root.pointer(&point.pointer) else {
                continue;
            };
            let (value, quality) = match number(found) {
                Some(raw) => calibrate::number(raw, point.scale, point.offset, point.range),
                None if found.is_null() => (None, Quality::Missing(Absence::Unspecified)),
                None => {
                    let shown: String = found.to_string().chars().take(40).collect();
                    complaints.push(format!("{}: {shown} is not a number", point.name));
                    (None, Quality::Missing(Absence::Unreadable))
                }
            };
            values.push((index, value, quality));
        }
        if values.is_empty() {
            return Err(Refused::NoPoint);
        }
        Ok(Taken {
            at,
            values,
            complaints,
        })
    }
}

/// A number, a Boolean as 0 or 1, or a text that is a number: many small devices quote theirs.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Value::String(text) => text.trim().parse().ok().filter(|x: &f64| x.is_finite()),
        _ => None,
    }
}

fn time(clock: &Clock, root: &Value) -> Result<Timestamp, Refused> {
    let found = root
        .pointer(&clock.pointer)
        .ok_or_else(|| Refused::NoTime(clock.pointer.clone()))?;
    let at = match clock.unit {
        TimeUnit::Rfc3339 => found.as_str().and_then(|text| text.parse().ok()),
        TimeUnit::Milliseconds => found
            .as_i64()
            .map(Timestamp::from_millis)
            .or_else(|| number(found).map(|ms| Timestamp::from_millis(ms.round() as i64))),
        TimeUnit::Seconds => {
            number(found).map(|s| Timestamp::from_millis((s * 1_000.0).round() as i64))
        }
    };
    let shown = || found.to_string().chars().take(40).collect();
    let at = at.ok_or_else(|| Refused::NotATime(shown()))?;
    if PLAUSIBLE_MS.contains(&at.as_millis()) {
        Ok(at)
    } else {
        Err(Refused::ImpossibleTime(at))
    }
}

/// Reads `[time]` and `[[point]]` of a table.
pub fn read(part: &mut Section, problems: &mut Problems) -> Option<Mapping> {
    let clock = match part.has("time") {
        true => Some(part.section("time", problems).and_then(|mut time| {
            let pointer = pointer(&mut time, problems);
            let unit = time.parsed("unit", "\"ms\" (or \"s\", \"rfc3339\")", problems);
            time.finish(problems);
            Some(Clock {
                pointer: pointer?,
                unit: unit?,
            })
        })),
        false => None,
    };
    let mut points = Vec::new();
    let mut names = HashSet::new();
    for mut table in part.sections("point", problems) {
        let place = table.place("name");
        if let Some(point) = point(&mut table, problems) {
            if !names.insert(point.name.clone()) {
                let what = format!("point {} is there twice", point.name);
                problems.add(place, what, "give each point its own name");
            }
            points.push(point);
        }
        table.finish(problems);
    }
    if points.len() > POINTS_MAX {
        let what = format!("{} points are more than {POINTS_MAX}", points.len());
        problems.add(part.place("point"), what, "split the device");
    }
    let clock = match clock {
        Some(clock) => Some(clock?),
        None => None,
    };
    Some(Mapping { points, clock })
}

fn point(part: &mut Section, problems: &mut Problems) -> Option<Point> {
    let name = part.parsed("name", "\"temperature\"", problems);
    let pointer = pointer(part, problems);
    let unit: Option<String> = part.parsed("unit", "\"℃\"", problems);
    let scale = part.number_or("scale", 1.0, problems);
    let offset = part.number_or("offset", 0.0, problems);
    let range = part.range("range", problems);
    let factor = part.text_if_there("factor", problems);
    if scale == 0.0 {
        let fix = "write what one count is worth, for example 0.1";
        problems.add(part.place("scale"), "0 makes every value 0", fix);
    }
    if let Some(unit) = unit.as_ref().filter(|unit| !UNITS.contains(&unit.as_str())) {
        let what = format!("unit {unit:?} is not known");
        let fix = format!("write one of {}", UNITS.join(" "));
        problems.add(part.place("unit"), what, fix);
    }
    Some(Point {
        name: name?,
        pointer: pointer?,
        unit: unit?,
        scale,
        offset,
        range: range?,
        factor,
    })
}

fn pointer(part: &mut Section, problems: &mut Problems) -> Option<String> {
    let pointer: String = part.parsed("pointer", "\"/data/temperature\"", problems)?;
    let is_escaped = pointer
        .split('~')
        .skip(1)
        .all(|rest| rest.starts_with(['0', '1']));
    if pointer.starts_with('/') && is_escaped {
        return Some(pointer);
    }
    let fix = "write / before each name on the way to the value, for example \"/data/temperature\" (RFC 6901: ~1 is a / in a name, ~0 a ~)";
    problems.add(
        part.place("pointer"),
        format!("{pointer:?} is not a JSON pointer"),
        fix,
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Doubt;

    const TEXT: &str = "[[point]]\nname=\"t\"\npointer=\"/d/t\"\nunit=\"℃\"\nscale=0.1\nrange=[-40,60]\n\
        [[point]]\nname=\"door\"\npointer=\"/d/door\"\nunit=\"1\"\nrange=[0,1]\n";

    fn mapping(time: &str) -> Mapping {
        let mut problems = Problems::new();
        let text = format!("{TEXT}{time}");
        let mut part = Section::parse("m", &text, &mut problems).unwrap();
        let mapping = read(&mut part, &mut problems);
        part.finish(&mut problems);
        assert!(problems.is_empty(), "{problems}");
        mapping.unwrap()
    }

    #[test]
    fn values_become_readings_with_doubt_or_an_absence_with_its_reason() {
        let good = Quality::Good;
        let unreadable = Quality::Missing(Absence::Unreadable);
        for (text, expected) in [
            (r#"{"d":{"t":211}}"#, vec![(0, Some(21.1), good)]),
            (
                r#"{"d":{"t":" -180 ","door":true},"x":[]}"#,
                vec![(0, Some(-18.0), good), (1, Some(1.0), good)],
            ),
            (
                r#"{"d":{"t":700}}"#,
                vec![(0, Some(70.0), Quality::Suspect(Doubt::OutOfRange))],
            ),
            (
                r#"{"d":{"t":null}}"#,
                vec![(0, None, Quality::Missing(Absence::Unspecified))],
            ),
            (r#"{"d":{"t":"NaN"}}"#, vec![(0, None, unreadable)]),
            (r#"{"d":{"t":{"v":1}}}"#, vec![(0, None, unreadable)]),
        ] {
            let taken = mapping("").take(text.as_bytes()).unwrap();
            assert_eq!(taken.values, expected, "{text}");
            let is_complaint = expected.iter().any(|(_, _, q)| *q == unreadable);
            assert_eq!(!taken.complaints.is_empty(), is_complaint, "{text}");
        }
    }

    #[test]
    fn a_message_that_gives_nothing_says_why() {
        for (text, reason) in [
            ("", "not JSON"),
            ("{\"d\":", "not JSON"),
            ("\u{feff}{}", "not JSON"),
            ("[1]", "no time"),
            (r#"{"ts":"soon","d":{"t":1}}"#, "not a time"),
            (r#"{"ts":{},"d":{"t":1}}"#, "not a time"),
            (r#"{"ts":0,"d":{"t":1}}"#, "impossible time"),
            (r#"{"ts":1e300,"d":{"t":1}}"#, "impossible time"),
            (r#"{"ts":1795000000000}"#, "no known point"),
            (
                r#"{"ts":1795000000000,"d":{"T":1},"t":2}"#,
                "no known point",
            ),
        ] {
            let mapping = mapping("[time]\npointer=\"/ts\"\nunit=\"ms\"\n");
            let refused = mapping.take(text.as_bytes()).unwrap_err();
            assert_eq!(refused.reason(), reason, "{text}: {refused}");
        }
        let deep = "[".repeat(BYTES_MAX);
        assert_eq!(
            mapping("").take(deep.as_bytes()).unwrap_err().reason(),
            "not JSON"
        );
        let long = vec![b' '; BYTES_MAX + 1];
        assert_eq!(mapping("").take(&long).unwrap_err().reason(), "too long");
    }

    #[test]
    fn the_time_is_read_in_its_unit_and_never_made_up() {
        let at = |unit: &str, text: &str| {
            let mapping = mapping(&format!("[time]\npointer=\"/ts\"\nunit=\"{unit}\"\n"));
            let text = format!("{{\"ts\":{text},\"d\":{{\"t\":1}}}}");
            mapping.take(text.as_bytes()).unwrap().at
        };
        let expected = Some(Timestamp::from_millis(1_795_000_000_250));
        assert_eq!(at("ms", "1795000000250"), expected);
        assert_eq!(at("ms", "\"1795000000250\""), expected);
        assert_eq!(at("s", "1795000000.25"), expected);
        assert_eq!(at("rfc3339", "\"2026-11-18T19:06:40.250+08:00\""), expected);
        assert_eq!(mapping("").take(b"{\"d\":{\"t\":1}}").unwrap().at, None);
    }

    #[test]
    fn every_problem_of_a_mapping_is_found() {
        let text = "[time]\npointer=\"ts\"\nunit=\"min\"\n[[point]]\nname=\"a\"\npointer=\"a~2\"\nunit=\"C\"\nscale=0\n\
            range=[1,1]\n[[point]]\nname=\"b\"\nvalue=\"/b\"\n";
        let mut problems = Problems::new();
        let mut part = Section::parse("m", text, &mut problems).unwrap();
        read(&mut part, &mut problems);
        let text = problems.to_string();
        for place in [
            "time.pointer",
            "time.unit",
            "point[1].pointer",
            "point[1].unit",
            "point[1].scale",
            "point[1].range",
            "point[2].pointer",
            "point[2].unit",
            "point[2].range",
            "point[2].value",
        ] {
            assert!(text.contains(place), "no {place} in\n{text}");
        }
    }
}
