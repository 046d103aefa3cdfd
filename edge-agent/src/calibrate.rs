//! A raw number becomes a reading: scaled, in its unit, doubted outside the measuring range. Pure.

use crate::{profile::Point, source::modbus::poll::Answer};
use contract::{Absence, Doubt, Quality, Reading, Timestamp};

/// The reading of a point from what the instrument said.
pub fn reading(point: &Point, answer: Answer, at: Timestamp) -> Reading {
    let (value, quality) = match answer {
        Err(absence) => (None, Quality::Missing(absence)),
        Ok(raw) => {
            let is_scaled = point.scale != 1.0 || point.offset != 0.0;
            let value = if is_scaled {
                tidy(raw * point.scale + point.offset)
            } else {
                raw
            };
            let quality = if !value.is_finite() {
                Quality::Missing(Absence::Unreadable)
            } else if value < point.range.0 || value > point.range.1 {
                Quality::Suspect(Doubt::OutOfRange)
            } else {
                Quality::Good
            };
            (Some(value), quality)
        }
    };
    Reading::new(point.name.clone(), at, value, quality)
}

/// 201 × 0.1 is 20.1 and not 20.100000000000001: a count times a decimal step has at most 12 digits that mean
/// something.
fn tidy(value: f64) -> f64 {
    const STEPS: f64 = 1e9;
    let rounded = (value * STEPS).round() / STEPS;
    if rounded.is_finite() && (rounded - value).abs() <= value.abs() * 1e-14 {
        rounded
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;
    use contract::problems::Problems;

    fn point() -> Point {
        let text = "name=\"x\"\n[[point]]\nname=\"t\"\nfunction=\"holding\"\nregister=0\ntype=\"i16\"\nscale=0.1\noffset=-1\nunit=\"℃\"\nrange=[-40,60]";
        profile::read("x", text, &mut Problems::new())
            .points
            .remove(0)
    }

    #[test]
    fn a_raw_number_becomes_a_reading_with_doubt_or_an_absence() {
        let at = Timestamp::from_millis(5);
        for (answer, value, quality) in [
            (Ok(211.0), Some(20.1), Quality::Good),
            (Ok(610.0), Some(60.0), Quality::Good),
            (Ok(611.0), Some(60.1), Quality::Suspect(Doubt::OutOfRange)),
            (Ok(-400.0), Some(-41.0), Quality::Suspect(Doubt::OutOfRange)),
            (Ok(f64::NAN), None, Quality::Missing(Absence::Unreadable)),
            (
                Ok(f64::INFINITY),
                None,
                Quality::Missing(Absence::Unreadable),
            ),
            (
                Err(Absence::NoAnswer),
                None,
                Quality::Missing(Absence::NoAnswer),
            ),
        ] {
            let reading = reading(&point(), answer, at);
            assert_eq!(
                (reading.value, reading.quality, reading.at),
                (value, quality, at),
                "{answer:?}"
            );
        }
    }
}
