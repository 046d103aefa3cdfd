//! What is said of the pictures of one occasion. Pure.

use super::{config::FootageConfig, spool::Want};
use crate::camera::clip::Hole;
use contract::{
    Timestamp,
    footage::{Detections, Frame, Part, Role},
};
use std::collections::BTreeMap;

/// Holes that a part names at most: a manifest must fit into one record.
const HOLES_MAX: usize = 100;

/// What was made.
#[derive(Debug, Default)]
pub struct Made {
    /// Times of the masked frames.
    pub times: Vec<Timestamp>,
    /// Files.
    pub parts: Vec<Part>,
}

/// Which frames become stills.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stills(Vec<(Role, Timestamp)>);

impl Stills {
    /// The frame that matters, one half-way to the beginning and one half-way to the end: of the masked frames the nearest.
    pub fn around(times: &[Timestamp], want: &Want, config: &FootageConfig) -> Stills {
        let half = |duration: std::time::Duration| duration.as_millis() as i64 / 2;
        let wished = [
            (Role::Before, want.at.plus_millis(-half(config.before))),
            (Role::Still, want.at),
            (Role::After, want.at.plus_millis(half(config.after))),
        ];
        let nearest = |at: Timestamp| times.iter().min_by_key(|time| time.since(at).abs());
        let stills = wished
            .into_iter()
            .filter_map(|(role, at)| Some((role, *nearest(at)?)));
        Stills(stills.collect())
    }

    /// The last one alone.
    pub fn last(times: &[Timestamp]) -> Stills {
        Stills(
            times
                .last()
                .map(|at| (Role::Still, *at))
                .into_iter()
                .collect(),
        )
    }

    /// What the frame of this time is.
    pub fn at(&self, at: Timestamp) -> Vec<Role> {
        let stills = self.0.iter().filter(|(_, time)| *time == at);
        stills.map(|(role, _)| *role).collect()
    }
}

/// Holes as a manifest names them. Of too many the last are said to be one, from the beginning of the first of them to the
/// end of the last.
pub fn few(holes: &[Hole]) -> Vec<(Timestamp, Timestamp)> {
    let named = holes.len().min(HOLES_MAX - 1);
    let mut few: Vec<(Timestamp, Timestamp)> =
        holes[..named].iter().map(|h| (h.from, h.to)).collect();
    if let (Some(first), Some(last)) = (holes.get(named), holes.last()) {
        few.push((first.from, last.to));
    }
    few
}

/// What was seen, by two who remember parts of it: each frame once, in order.
pub fn joined(before: Detections, after: Detections) -> Detections {
    let frames = before.frames.into_iter().chain(after.frames);
    let frames: BTreeMap<Timestamp, Frame> = frames.map(|frame| (frame.at, frame)).collect();
    Detections {
        zones: match after.zones.is_empty() {
            true => before.zones,
            false => after.zones,
        },
        frames: frames.into_values().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{DeviceId, footage::Occasion};
    use std::time::Duration;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn stills_are_of_frames_that_could_be_masked() {
        let config = FootageConfig {
            spool: "s".into(),
            bytes_max: 1,
            url: "https://g:1".parse().unwrap(),
            before: Duration::from_secs(10),
            after: Duration::from_secs(4),
            frames_per_s: 5.0,
            detectors: Vec::new(),
            bytes_per_s: 1,
            keep_originals: Duration::from_secs(1),
            originals_max: 1,
            custodians: None,
        };
        let want = Want {
            camera: DeviceId::new("c").unwrap(),
            ring: "r".into(),
            ffmpeg: "f".into(),
            occasion: Occasion::Overview,
            at: at(20_000),
            from: at(10_000),
            to: at(24_000),
            models: Vec::new(),
            seen: Detections::default(),
        };
        let times: Vec<Timestamp> = [10_000, 16_000, 19_800, 20_400, 22_100].map(at).into();
        let stills = Stills::around(&times, &want, &config);
        assert_eq!(stills.at(at(16_000)), [Role::Before]);
        assert_eq!(stills.at(at(19_800)), [Role::Still]);
        assert_eq!(stills.at(at(22_100)), [Role::After]);
        assert_eq!(stills.at(at(20_400)), []);
        let one = Stills::around(&times[..1], &want, &config);
        assert_eq!(one.at(at(10_000)).len(), 3);
        assert_eq!(Stills::around(&[], &want, &config), Stills::default());
        assert_eq!(Stills::last(&times).at(at(22_100)), [Role::Still]);
    }

    #[test]
    fn of_too_many_holes_none_is_forgotten() {
        let hole = |n: i64| Hole {
            from: at(n * 10),
            to: at(n * 10 + 5),
        };
        let all: Vec<Hole> = (0..250).map(hole).collect();
        assert_eq!(few(&all[..100]).len(), 100);
        let few = few(&all);
        assert_eq!(few.len(), 100);
        assert_eq!(
            (few[98], few[99]),
            ((at(980), at(985)), (at(990), at(2_495)))
        );
    }

    #[test]
    fn what_two_remember_is_joined_in_order_and_each_frame_once() {
        let frame = |ms| Frame {
            at: at(ms),
            boxes: Vec::new(),
        };
        let seen = |list: &[i64]| Detections {
            zones: Vec::new(),
            frames: list.iter().map(|ms| frame(*ms)).collect(),
        };
        let all = joined(seen(&[1, 2, 3]), seen(&[3, 4]));
        assert_eq!(all, seen(&[1, 2, 3, 4]));
    }
}
