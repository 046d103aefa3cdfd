//! Which person of this frame is which of the frame before: a number for as long as somebody is seen. Pure.
//!
//! Promise: one person is one track through occlusions shorter than [`Tracker::lost_after_ms`], and through longer ones (at most
//! [`HIDDEN_MS`]) while somebody else is seen where it was lost; the order of the persons in a frame changes nothing; numbers begin
//! anew with each run. Known of a track is where it is and how it moves, nothing else: no colour, no shape, no feature by which
//! somebody could be found again. Not promised: that two who stand in one place, one before the other, keep their numbers.
//!
//! How: each track goes on as it moved (head and height, since feet are hidden more often than heads), and of all ways to give the
//! boxes to the tracks the best one is taken ([`assign`]). Sure boxes come first, then unsure ones and those that lie over a surer
//! one, as ByteTrack does it (Zhang and others 2022), written anew. Tracks that are not known yet come after those that are.

use super::assign::assign;
use contract::vision::{Area, Person};
use std::cmp::Ordering;

/// A person must be as sure as this to begin a track; less sure ones go on with one.
const BEGINS: f32 = 0.6;
/// A box that has as much as this in common with a surer one may be a second box around the same person.
const SECOND: f32 = 0.35;
/// Who was seen in fewer frames is soon forgotten.
const KNOWN: u32 = 3;
/// Whoever was lost behind somebody is waited for so long.
pub const HIDDEN_MS: u64 = 10_000;
/// Behind somebody is whoever has as much as this in common with the box.
const BEHIND: f32 = 0.1;
/// How far from where it is expected a head usually is, in heights of the person: across, up and down; and more for each second
/// without being seen.
const ACROSS: [f32; 2] = [0.12, 0.3];
const UPWARDS: [f32; 2] = [0.08, 0.15];
/// How much its height usually differs (natural logarithm of the ratio), and more for each second.
const HEIGHT: [f32; 2] = [0.2, 0.1];
/// Three times as far in all is not the same person.
const REACH: f32 = 3.0;
/// Of two tracks the one that was seen later has a box; a second without being seen costs so much.
const AGES: f32 = 0.5;
/// How much of a new place, and of a new movement, is believed at [`USUAL_S`] after the last one.
const PLACE: f32 = 0.5;
const MOVEMENT: f32 = 0.2;
const USUAL_S: f32 = 0.2;
/// Nobody walks on for ever: unseen, a movement fades with this time.
const FADES_S: f32 = 1.5;
/// Width of a picture, as a share of its height: boxes are shares of both, and nobody says what the picture measures.
const WIDE: f32 = 16.0 / 9.0;

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
    /// The middle of the upper edge, smoothed.
    head: [f32; 2],
    /// Shares of the picture a second.
    velocity: [f32; 2],
    height: f32,
    /// True if somebody was seen where it was lost.
    is_hidden: bool,
}

impl Track {
    fn new(id: u64, area: Area, at_ms: u64) -> Track {
        Track {
            id,
            area,
            seen_ms: at_ms,
            frames: 1,
            head: head(&area),
            velocity: [0.0; 2],
            height: area.bottom - area.top,
            is_hidden: false,
        }
    }

    fn unseen_s(&self, at_ms: u64) -> f32 {
        at_ms.saturating_sub(self.seen_ms) as f32 / 1_000.0
    }

    fn is_known(&self) -> bool {
        self.frames >= KNOWN
    }

    /// Where its head would be at a time.
    fn guess(&self, at_ms: u64) -> [f32; 2] {
        let goes_on = FADES_S * (1.0 - (-self.unseen_s(at_ms) / FADES_S).exp());
        let [x, y] = self.head;
        [
            x + self.velocity[0] * goes_on,
            y + self.velocity[1] * goes_on,
        ]
    }

    /// Its last box, where it would be at a time.
    fn guessed_area(&self, at_ms: u64) -> Area {
        let (was, now) = (head(&self.area), self.guess(at_ms));
        let [dx, dy] = [now[0] - was[0], now[1] - was[1]];
        Area {
            left: self.area.left + dx,
            top: self.area.top + dy,
            right: self.area.right + dx,
            bottom: self.area.bottom + dy,
        }
    }

    fn see(&mut self, area: Area, at_ms: u64) {
        let seconds = self.unseen_s(at_ms);
        let (expected, now) = (self.guess(at_ms), head(&area));
        let place = 1.0 - (1.0 - PLACE).powf(seconds / USUAL_S);
        for i in 0..2 {
            let off = now[i] - expected[i];
            self.head[i] = expected[i] + place * off;
            self.velocity[i] += MOVEMENT * off / seconds.max(USUAL_S);
        }
        self.height += place * (area.bottom - area.top - self.height);
        (self.area, self.seen_ms) = (area, at_ms);
        self.frames += 1;
    }

    /// How unlike a box is what is expected of it; nothing if it cannot be the same person.
    fn cost(&self, area: &Area, at_ms: u64) -> Option<f32> {
        let (high, other) = (self.height, area.bottom - area.top);
        let (expected, now) = (self.guess(at_ms), head(area));
        let seconds = self.unseen_s(at_ms);
        let tall = high.max(other);
        let usual = |[at_once, each_s]: [f32; 2]| at_once + each_s * seconds;
        let across = (now[0] - expected[0]) * WIDE / tall / usual(ACROSS);
        let upwards = (now[1] - expected[1]) / tall / usual(UPWARDS);
        let height = (other / high).ln() / usual(HEIGHT);
        let away = (across.powi(2) + upwards.powi(2) + height.powi(2)).sqrt();
        let cost = away + AGES * seconds;
        // What is no number is no person.
        (high > 0.0 && other > 0.0 && cost < REACH).then_some(cost)
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
    /// with, or may be a second box around somebody.
    pub fn step(&mut self, at_ms: u64, persons: &[Person]) -> Vec<Option<u64>> {
        self.forget(at_ms);
        let (sure, rest) = sorted(persons);
        let mut ids = vec![None; persons.len()];
        for is_known in [true, false] {
            for boxes in [&sure, &rest] {
                self.give(at_ms, persons, boxes, is_known, &mut ids);
            }
        }
        for p in sure.iter().chain(&rest) {
            let area = persons[*p].area;
            let is_second = || {
                let with_number = persons.iter().zip(&ids).filter(|(_, id)| id.is_some());
                let mut shares = with_number.map(|(other, _)| overlap(&area, &other.area));
                shares.any(|share| share > SECOND)
            };
            if ids[*p].is_none() && persons[*p].score >= BEGINS && !is_second() {
                self.given += 1;
                ids[*p] = Some(self.given);
                self.tracks.push(Track::new(self.given, area, at_ms));
            }
        }
        self.hide(at_ms);
        ids
    }

    fn forget(&mut self, at_ms: u64) {
        let lost = self.lost_after_ms;
        self.tracks.retain(|track| {
            let lives = match (track.is_known(), track.is_hidden) {
                (false, _) => lost / 4,
                (true, false) => lost,
                (true, true) => lost.max(HIDDEN_MS),
            };
            at_ms.saturating_sub(track.seen_ms) <= lives
        });
    }

    /// Gives those of these boxes that have no number yet to the tracks that have no box yet.
    fn give(
        &mut self,
        at_ms: u64,
        persons: &[Person],
        boxes: &[usize],
        is_known: bool,
        ids: &mut [Option<u64>],
    ) {
        let boxes: Vec<usize> = boxes
            .iter()
            .copied()
            .filter(|p| ids[*p].is_none())
            .collect();
        let is_free =
            |track: &Track| track.is_known() == is_known && !ids.contains(&Some(track.id));
        let tracks: Vec<usize> = (0..self.tracks.len())
            .filter(|t| is_free(&self.tracks[*t]))
            .collect();
        let costs: Vec<Vec<Option<f32>>> = boxes
            .iter()
            .map(|p| {
                let cost = |t: &usize| self.tracks[*t].cost(&persons[*p].area, at_ms);
                tracks.iter().map(cost).collect()
            })
            .collect();
        let chosen = assign(boxes.len(), tracks.len(), REACH, |row, column| {
            costs[row][column]
        });
        for (p, t) in boxes.into_iter().zip(chosen) {
            let Some(t) = t else { continue };
            let track = &mut self.tracks[tracks[t]];
            track.see(persons[p].area, at_ms);
            ids[p] = Some(track.id);
        }
    }

    /// Whoever is not seen and was lost where somebody is seen now is behind.
    fn hide(&mut self, at_ms: u64) {
        let seen = self.tracks.iter().filter(|track| track.seen_ms == at_ms);
        let seen: Vec<Area> = seen.map(|track| track.area).collect();
        for track in &mut self.tracks {
            if track.seen_ms == at_ms {
                track.is_hidden = false;
            } else if !track.is_hidden {
                let guess = track.guessed_area(at_ms);
                track.is_hidden = seen.iter().any(|area| overlap(&guess, area) > BEHIND);
            }
        }
    }
}

/// The persons of a frame, the surest first: those of whom there is one box and a sure one, and the others.
fn sorted(persons: &[Person]) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..persons.len()).collect();
    order.sort_by(|p, q| {
        let (p, q) = (&persons[*p], &persons[*q]);
        q.score.total_cmp(&p.score).then_with(|| place(p, q))
    });
    let (mut sure, mut rest): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for p in order {
        let person = &persons[p];
        let lies_over = |q: &usize| overlap(&person.area, &persons[*q].area) > SECOND;
        match person.score >= BEGINS && !sure.iter().any(lies_over) {
            true => sure.push(p),
            false => rest.push(p),
        }
    }
    (sure, rest)
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
        [left, top, right, bottom]
    };
    let pairs = edges(a).into_iter().zip(edges(b));
    pairs
        .map(|(a, b)| a.total_cmp(&b))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// The middle of the upper edge.
fn head(area: &Area) -> [f32; 2] {
    [(area.left + area.right) / 2.0, area.top]
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
