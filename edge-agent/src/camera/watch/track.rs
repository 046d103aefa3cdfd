//! Which person of this frame is which of the frame before: a number for as long as somebody is seen. Pure.
//!
//! Promise: one person is one track through occlusions shorter than [`Tracker::lost_after_ms`]; the order of the persons in a
//! frame changes nothing; numbers begin anew with each run. Known of a track is where it is and how it moves, nothing else: no
//! colour, no shape, no feature by which somebody could be found again. Not promised: that two who cross while one hides the
//! other keep their numbers.

use contract::vision::{Area, Person};
use std::cmp::Ordering;

/// A person must be as sure as this to begin a track; less sure ones go on with one.
const BEGINS: f32 = 0.6;
/// Two boxes are the same person if they overlap as much as this,
const OVERLAP: f32 = 0.15;
/// or if their centres are nearer than this share of their height, and more for each second without being seen,
const NEAR: f32 = 0.4;
/// walking at most so many heights a second,
const STRIDE: f32 = 0.5;
/// and in all no further than so many heights.
const REACH: f32 = 1.4;
/// and their heights differ by less than this factor.
const TALLER: f32 = 2.0;
/// Who was seen in fewer frames is soon forgotten: a second box around somebody comes and goes.
const KNOWN: u32 = 3;
/// Of two tracks the one that was seen later has a box; a second without being seen costs so much.
const AGES: f32 = 0.5;
/// How much of a new movement is believed at once.
const BELIEVED: f32 = 0.3;

/// Somebody who is seen again and again.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Its number in this run.
    pub id: u64,
    /// Where it was seen last.
    pub area: Area,
    /// When, milliseconds of a clock that never goes back.
    pub seen_ms: u64,
    /// Frames in which it was seen.
    pub frames: u32,
    /// Shares of the picture a second.
    velocity: [f32; 2],
}

impl Track {
    /// Where it would be at a time, if it goes on as it did, for at most a second.
    fn guess(&self, at_ms: u64) -> Area {
        let seconds = (at_ms.saturating_sub(self.seen_ms) as f32 / 1_000.0).min(1.0);
        let [dx, dy] = self.velocity.map(|v| v * seconds);
        let Area {
            left,
            top,
            right,
            bottom,
        } = self.area;
        Area {
            left: left + dx,
            top: top + dy,
            right: right + dx,
            bottom: bottom + dy,
        }
    }

    fn see(&mut self, area: Area, at_ms: u64) {
        let seconds = (at_ms.saturating_sub(self.seen_ms) as f32 / 1_000.0).max(0.02);
        let (before, now) = (centre(&self.area), centre(&area));
        for i in 0..2 {
            let moved = (now[i] - before[i]) / seconds;
            self.velocity[i] += BELIEVED * (moved - self.velocity[i]);
        }
        (self.area, self.seen_ms) = (area, at_ms);
        self.frames += 1;
    }
}

/// Gives numbers.
#[derive(Debug, Clone)]
pub struct Tracker {
    tracks: Vec<Track>,
    given: u64,
    lost_after_ms: u64,
}

impl Tracker {
    /// A track ends when it was not seen for so long.
    pub fn new(lost_after_ms: u64) -> Tracker {
        Tracker {
            tracks: Vec::new(),
            given: 0,
            lost_after_ms,
        }
    }

    /// How long a track lives without being seen.
    pub fn lost_after_ms(&self) -> u64 {
        self.lost_after_ms
    }

    /// Those that live.
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Takes in the persons of a frame: the number of each, in their order; nothing for one who is not sure enough to begin
    /// with.
    pub fn step(&mut self, at_ms: u64, persons: &[Person]) -> Vec<Option<u64>> {
        let lost = self.lost_after_ms;
        self.tracks.retain(|track| {
            let lost = match track.frames < KNOWN {
                true => lost / 4,
                false => lost,
            };
            at_ms.saturating_sub(track.seen_ms) <= lost
        });
        let mut pairs = Vec::new();
        for (t, track) in self.tracks.iter().enumerate() {
            for (p, person) in persons.iter().enumerate() {
                if let Some(cost) = cost(track, &person.area, at_ms) {
                    pairs.push((cost, t, p));
                }
            }
        }
        // The nearest pair first; what lies where decides between equals, never the order in the frame.
        pairs.sort_by(|(a, t, p), (b, u, q)| {
            let costs = a.total_cmp(b).then(t.cmp(u));
            costs.then_with(|| place(&persons[*p], &persons[*q]))
        });
        let mut ids = vec![None; persons.len()];
        let mut taken = vec![false; self.tracks.len()];
        for (_, t, p) in pairs {
            if !taken[t] && ids[p].is_none() {
                taken[t] = true;
                ids[p] = Some(self.tracks[t].id);
                self.tracks[t].see(persons[p].area, at_ms);
            }
        }
        let mut new: Vec<usize> = (0..persons.len())
            .filter(|p| ids[*p].is_none() && persons[*p].score >= BEGINS)
            .collect();
        new.sort_by(|p, q| place(&persons[*p], &persons[*q]));
        for p in new {
            self.given += 1;
            ids[p] = Some(self.given);
            self.tracks.push(Track {
                id: self.given,
                area: persons[p].area,
                seen_ms: at_ms,
                frames: 1,
                velocity: [0.0; 2],
            });
        }
        ids
    }
}

/// From left to right, from above.
fn place(a: &Person, b: &Person) -> Ordering {
    let edges = |person: &Person| {
        let Area {
            left,
            top,
            right,
            bottom,
        } = person.area;
        [left, top, right, bottom, person.score]
    };
    let pairs = edges(a).into_iter().zip(edges(b));
    pairs
        .map(|(a, b)| a.total_cmp(&b))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// How unlike a box is what is expected of a track; nothing if it cannot be the same person.
fn cost(track: &Track, area: &Area, at_ms: u64) -> Option<f32> {
    let guess = track.guess(at_ms);
    let (high, other) = (guess.bottom - guess.top, area.bottom - area.top);
    if !(high > 0.0 && other > 0.0) || high.max(other) / high.min(other) > TALLER {
        return None;
    }
    let (a, b) = (centre(&guess), centre(area));
    let tall = high.max(other);
    let away = ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sqrt() / tall;
    let overlap = overlap(&guess, area);
    let seconds = at_ms.saturating_sub(track.seen_ms) as f32 / 1_000.0;
    let reach = (NEAR + STRIDE * seconds).min(REACH);
    let cost = 1.0 - overlap + (away / reach).min(1.0) + AGES * seconds;
    (overlap >= OVERLAP || away <= reach).then_some(cost)
}

fn centre(area: &Area) -> [f32; 2] {
    [
        (area.left + area.right) / 2.0,
        (area.top + area.bottom) / 2.0,
    ]
}

/// The share that two boxes have in common of what they cover together.
fn overlap(a: &Area, b: &Area) -> f32 {
    let wide = (a.right.min(b.right) - a.left.max(b.left)).max(0.0);
    let high = (a.bottom.min(b.bottom) - a.top.max(b.top)).max(0.0);
    let size = |area: &Area| (area.right - area.left) * (area.bottom - area.top);
    let common = wide * high;
    let all = size(a) + size(b) - common;
    match all > 0.0 {
        true => common / all,
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(x: f32, score: f32) -> Person {
        Person {
            area: Area {
                left: x - 0.04,
                top: 0.3,
                right: x + 0.04,
                bottom: 0.7,
            },
            score,
            verdicts: Vec::new(),
        }
    }

    #[test]
    fn two_who_pass_each_other_keep_their_numbers_and_a_short_absence_costs_none() {
        let mut tracker = Tracker::new(2_000);
        for n in 0..40u64 {
            // One walks right, one left; they meet in the middle, where one hides the other for a second.
            let x = 0.1 + 0.02 * n as f32;
            let mut persons = vec![person(x, 0.9)];
            if !(17..=22).contains(&n) {
                persons.push(person(1.0 - x, 0.9));
            }
            let ids = tracker.step(n * 200, &persons);
            assert_eq!(ids[0], Some(1), "frame {n}");
            if let Some(other) = ids.get(1) {
                assert_eq!(*other, Some(2), "frame {n}");
            }
        }
        assert_eq!(tracker.tracks().len(), 2);
    }

    #[test]
    fn who_was_away_for_long_is_another_and_an_unsure_one_begins_nothing() {
        let mut tracker = Tracker::new(2_000);
        assert_eq!(tracker.step(0, &[person(0.5, 0.59)]), [None]);
        assert_eq!(tracker.step(200, &[person(0.5, 0.6)]), [Some(1)]);
        assert_eq!(tracker.step(300, &[person(0.5, 0.35)]), [Some(1)]);
        assert_eq!(tracker.step(400, &[person(0.5, 0.35)]), [Some(1)]);
        assert_eq!(tracker.step(2_400, &[person(0.5, 0.9)]), [Some(1)]);
        assert_eq!(tracker.step(4_401, &[person(0.5, 0.9)]), [Some(2)]);
        assert_eq!(tracker.tracks().len(), 1);
    }

    #[test]
    fn a_second_box_around_somebody_takes_no_number_away() {
        let mut tracker = Tracker::new(3_000);
        for n in 0..50u64 {
            let mut persons = vec![person(0.5 + 0.002 * (n % 3) as f32, 0.9)];
            if n % 10 == 5 {
                persons.push(person(0.53, 0.7));
            }
            assert_eq!(tracker.step(n * 200, &persons)[0], Some(1), "frame {n}");
        }
        assert!(tracker.tracks().len() <= 2);
    }

    #[test]
    fn boxes_that_are_none_or_no_numbers_are_no_person_of_before() {
        let mut tracker = Tracker::new(2_000);
        tracker.step(0, &[person(0.5, 0.9)]);
        let mut bad = person(0.5, 0.9);
        bad.area.bottom = f32::NAN;
        let ids = tracker.step(200, &[bad, person(0.5, 0.9)]);
        assert_eq!(ids[1], Some(1));
        assert_ne!(ids[0], Some(1));
    }
}
