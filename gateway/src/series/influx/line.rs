//! Readings as InfluxDB line protocol. Pure.
//!
//! `reading,device=D,point=P,site=S value=1.5,quality=0i 1795000000000` (precision ms). An absence has no
//! `value` field; its quality says why. Unit and factor are no tags: they may change, and a series is a point.
//!
//! Nothing a device is called can become protocol: what line protocol cannot carry for certain (control
//! characters, backslashes) is refused, never cleaned up, since a cleaned name would be another series.

use super::super::embedded::FIRST_MISSING;
use std::fmt::Write;

/// Why a line cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A character that line protocol has no safe way for.
    #[error("{part} {text:?} contains {found:?}, which line protocol cannot carry")]
    Character {
        /// `measurement` or the tag.
        part: &'static str,
        /// The text.
        text: String,
        /// The character.
        found: char,
    },
    /// A measurement without a name.
    #[error("the measurement has no name")]
    NoMeasurement,
}

/// The part of a line that is the same for all readings of a point. Empty tags are left out, since InfluxDB
/// takes an empty tag for a missing one or refuses it.
pub fn series_key(measurement: &str, tags: &[(&'static str, &str)]) -> Result<String, LineError> {
    let mut key = String::new();
    if measurement.is_empty() {
        return Err(LineError::NoMeasurement);
    }
    escape(&mut key, "measurement", measurement, &[',', ' '])?;
    for (name, value) in tags.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(key, ",{name}=");
        escape(&mut key, name, value, &[',', ' ', '='])?;
    }
    Ok(key)
}

/// Appends a line. `value` is not looked at when the quality is an absence; a value that is no number makes the
/// line carry the quality only.
pub fn put_line(to: &mut String, series_key: &str, at_ms: i64, value: f64, quality: u8) {
    let has_value = quality < FIRST_MISSING && value.is_finite();
    let written = match has_value {
        true => writeln!(
            to,
            "{series_key} value={value:?},quality={quality}i {at_ms}"
        ),
        false => writeln!(to, "{series_key} quality={quality}i {at_ms}"),
    };
    written.expect("a string takes everything");
}

fn escape(
    to: &mut String,
    part: &'static str,
    text: &str,
    special: &[char],
) -> Result<(), LineError> {
    for c in text.chars() {
        if c.is_control() || c == '\\' || c == '\u{2028}' || c == '\u{2029}' {
            return Err(LineError::Character {
                part,
                text: text.to_owned(),
                found: c,
            });
        }
        if special.contains(&c) {
            to.push('\\');
        }
        to.push(c);
    }
    if text.starts_with('#') && part == "measurement" {
        return Err(LineError::Character {
            part,
            text: text.to_owned(),
            found: '#',
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(measurement: &str, tags: &[(&'static str, &str)], expected: Result<&str, char>) {
        let found = series_key(measurement, tags).map_err(|error| match error {
            LineError::Character { found, .. } => found,
            LineError::NoMeasurement => '?',
        });
        assert_eq!(found.as_deref().map_err(|c| *c), expected);
    }

    #[test]
    fn a_name_is_escaped_or_refused_and_never_becomes_protocol() {
        check(
            "reading",
            &[("site", "厂房 一号"), ("point", "a=b,c")],
            Ok("reading,site=厂房\\ 一号,point=a\\=b\\,c"),
        );
        check(
            "reading",
            &[("site", ""), ("point", "p\"q")],
            Ok("reading,point=p\"q"),
        );
        check("a b,c", &[], Ok("a\\ b\\,c"));
        check("", &[], Err('?'));
        check("#comment", &[], Err('#'));
        check("reading", &[("site", "x 1\nevil,a=b v=1 2")], Err('\n'));
        check("reading", &[("site", "x\revil")], Err('\r'));
        check("reading", &[("site", "C:\\")], Err('\\'));
        check("reading", &[("site", "nul\0")], Err('\0'));
        check("reading", &[("site", "next\u{85}line")], Err('\u{85}'));
    }

    #[test]
    fn a_line_has_a_value_only_if_there_is_one() {
        let mut lines = String::new();
        put_line(&mut lines, "r,point=p", -5, -18.25, 0);
        put_line(&mut lines, "r,point=p", 6, 3e300, 1);
        put_line(&mut lines, "r,point=p", 7, f64::NAN, 64);
        put_line(&mut lines, "r,point=p", 8, f64::INFINITY, 0);
        let expected = "r,point=p value=-18.25,quality=0i -5\nr,point=p value=3e300,quality=1i 6\n\
                        r,point=p quality=64i 7\nr,point=p quality=0i 8\n";
        assert_eq!(lines, expected);
    }
}
