//! Which readings are kept: a value that changed less than its deadband is not, until its heartbeat. Pure.
//!
//! Promise: between two kept readings of a point lies at most the longer of its heartbeat and its interval; a change of
//! quality (or of the reason of an absence) is always kept. Points without a deadband keep every reading.

use crate::profile::{Point, Sparing};
use contract::Reading;
use std::time::Duration;

/// What was kept last, for each point of a device.
#[derive(Debug)]
pub struct Kept {
    every: Duration,
    points: Vec<(Option<Sparing>, Option<Reading>)>,
}

impl Kept {
    /// Nothing was kept yet.
    pub fn new(points: &[Point], every: Duration) -> Kept {
        let points = points.iter().map(|point| (point.sparing, None)).collect();
        Kept { every, points }
    }

    /// Takes out the readings that need not be kept; they come in the order of the points.
    pub fn choose(&mut self, readings: Vec<Reading>) -> Vec<Reading> {
        let points = self.points.iter_mut().zip(readings);
        let chosen = points.filter_map(|((sparing, last), reading)| {
            let Some(sparing) = sparing else {
                return Some(reading);
            };
            let is_same = last
                .as_ref()
                .is_some_and(|last| is_same(sparing, self.every, last, &reading));
            (!is_same).then(|| {
                *last = Some(reading.clone());
                reading
            })
        });
        chosen.collect()
    }
}

fn is_same(sparing: &Sparing, every: Duration, last: &Reading, now: &Reading) -> bool {
    let next = now
        .at
        .since(last.at)
        .saturating_add(every.as_millis() as i64);
    let is_time = now.at < last.at || next > sparing.heartbeat.as_millis() as i64;
    let is_near = match (last.value, now.value) {
        (Some(last), Some(now)) => (now - last).abs() < sparing.deadband,
        (None, None) => true,
        _ => false,
    };
    is_near && !is_time && last.quality == now.quality
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;
    use contract::{Absence, Doubt, PointName, Quality, Timestamp, problems::Problems};

    #[test]
    fn a_small_change_waits_for_the_heartbeat_and_a_change_of_quality_does_not() {
        let text = "name=\"x\"\n[[point]]\nname=\"t\"\nfunction=\"holding\"\nregister=0\ntype=\"i16\"\nunit=\"℃\"\n\
                    range=[-40,60]\ndeadband=0.5\nheartbeat=\"60s\"\n";
        let points = profile::read("x", text, &mut Problems::new()).points;
        let mut kept = Kept::new(&points, Duration::from_secs(10));
        let good = |value| (Some(value), Quality::Good);
        let gone = |why| (None, Quality::Missing(why));
        for (second, (value, quality), expected) in [
            (0, good(20.0), true),
            (10, good(20.4), false),
            (20, good(19.6), false),
            (30, good(20.5), true),
            (40, good(20.1), false),
            (70, good(20.4), false),
            // The next would come 70 s after the last kept one.
            (90, good(20.4), true),
            (100, (Some(20.4), Quality::Suspect(Doubt::OutOfRange)), true),
            (110, gone(Absence::NoAnswer), true),
            (120, gone(Absence::NoAnswer), false),
            (130, gone(Absence::Busy), true),
            (140, good(20.4), true),
            // The clock was set back.
            (20, good(20.4), true),
            (30, good(20.4), false),
        ] {
            let at = Timestamp::from_millis(second * 1000);
            let reading = Reading::new(PointName::new("t").unwrap(), at, value, quality);
            let chosen = kept.choose(vec![reading]);
            assert_eq!(!chosen.is_empty(), expected, "at {second} s");
        }
    }

    #[test]
    fn points_without_a_deadband_keep_everything() {
        let text = "name=\"x\"\n[[point]]\nname=\"t\"\nfunction=\"holding\"\nregister=0\ntype=\"i16\"\nunit=\"℃\"\nrange=[0,1]\n";
        let points = profile::read("x", text, &mut Problems::new()).points;
        let mut kept = Kept::new(&points, Duration::from_secs(1));
        for second in 0..3 {
            let at = Timestamp::from_millis(second);
            let name = PointName::new("t").unwrap();
            let reading = Reading::new(name, at, Some(0.5), Quality::Good);
            assert_eq!(kept.choose(vec![reading]).len(), 1);
        }
    }
}
