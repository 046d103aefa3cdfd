//! How well persons keep their numbers.
//!
//! A visit is a stretch in which a person of the truth is in the picture, with absences of at most [`AWAY_MS`]. A person keeps its
//! track as long as the track's box covers it; else it gets the free one that covers it best (so do the CLEAR MOT measures,
//! Bernardin and Stiefelhagen 2008). A switch is another number than the last one of the visit: taken over from somebody else
//! who had it within [`AWAY_MS`], or after a time of not being found.

use super::scenes::{COVERS, share_of};
use contract::footage::Frame;
use simulators::camera::scene::SeenPerson;
use std::collections::{BTreeMap, BTreeSet};

/// Whoever is not in the picture for longer has left.
const AWAY_MS: u64 = 5_000;
/// A number of fewer frames counts for nothing.
const FRAMES_MIN: u32 = 3;

/// Of all scenes.
#[derive(Debug, Default)]
pub struct Followed {
    visits: Vec<Visit>,
    swaps: u64,
    /// Other numbers, by how long one had not been found: at most 1 s, 2 s, 3 s, 5 s, longer.
    changes: [u64; 5],
    /// Frames of persons in the truth, and of these with a track.
    frames: [u64; 2],
    /// Numbers that were of more than one person.
    tracks: [u64; 2],
}

#[derive(Debug, Default)]
struct Visit {
    last_ms: u64,
    numbers: BTreeMap<u64, u32>,
    /// The last number and when it was.
    now: Option<(u64, u64)>,
}

/// One scene.
pub struct Scene<'a> {
    all: &'a mut Followed,
    open: BTreeMap<usize, Visit>,
    /// Whose a number was last, and when; and all whose it ever was.
    owners: BTreeMap<u64, (usize, u64, BTreeSet<usize>)>,
}

impl Followed {
    /// A new scene: nobody came yet.
    pub fn scene(&mut self) -> Scene<'_> {
        Scene {
            all: self,
            open: BTreeMap::new(),
            owners: BTreeMap::new(),
        }
    }

    /// Says it.
    pub fn print(&self) {
        let numbers = |visit: &Visit| visit.numbers.values().filter(|n| **n >= FRAMES_MIN).count();
        let found: Vec<usize> = self.visits.iter().map(numbers).filter(|n| *n > 0).collect();
        let (all, sum) = (found.len() as f64, found.iter().sum::<usize>() as f64);
        let one = found.iter().filter(|n| **n == 1).count();
        println!(
            "visits: {} ({} with a track); tracks a visit {:.2}; visits with one track {one}; most {}",
            self.visits.len(),
            found.len(),
            sum / all,
            found.iter().max().unwrap_or(&0)
        );
        println!(
            "switches: {} taken over from another, {:?} after not being found for up to 1, 2, 3, 5 s, longer",
            self.swaps, self.changes
        );
        let [mixed, numbers] = self.tracks;
        let [all, with] = self.frames;
        println!(
            "numbers: {numbers}, {mixed} of them of more than one person; a track in {:.3} of {all} frames of persons",
            with as f64 / all as f64
        );
    }
}

impl Scene<'_> {
    /// Takes in who was where in a frame, and which numbers were given.
    pub fn see(&mut self, ms: u64, frame: &Frame, persons: &[SeenPerson]) {
        for person in persons {
            let visit = self.open.entry(person.number).or_insert_with(|| Visit {
                last_ms: ms,
                ..Visit::default()
            });
            if ms - visit.last_ms > AWAY_MS {
                self.all.visits.push(std::mem::take(visit));
            }
            visit.last_ms = ms;
        }
        self.all.frames[0] += persons.len() as u64;
        let mut pairs = Vec::new();
        for marked in &frame.boxes {
            let Some(track) = marked.track else { continue };
            for person in persons {
                let share = share_of(&marked.area, person);
                if share >= COVERS {
                    let before = self.open[&person.number].now;
                    let is_kept = before.is_some_and(|(before, _)| before == track);
                    pairs.push((is_kept, share, person.number, track));
                }
            }
        }
        // Who keeps a track first, then who is covered best.
        pairs.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)));
        let (mut with, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for (_, _, number, track) in pairs {
            if !with.contains(&number) && taken.insert(track) {
                with.insert(number);
                self.is(ms, number, track);
            }
        }
        self.all.frames[1] += with.len() as u64;
    }

    fn is(&mut self, ms: u64, number: usize, track: u64) {
        let owner = self.owners.entry(track);
        let owner = owner.or_insert((number, ms, BTreeSet::new()));
        let is_others = owner.0 != number && ms - owner.1 <= AWAY_MS;
        (owner.0, owner.1) = (number, ms);
        owner.2.insert(number);
        let visit = self.open.entry(number).or_default();
        *visit.numbers.entry(track).or_default() += 1;
        if let Some((before, at)) = visit.now.replace((track, ms))
            && before != track
        {
            if is_others {
                self.all.swaps += 1;
            } else {
                let away = [1_000, 2_000, 3_000, 5_000];
                let place = away.iter().position(|limit| ms - at <= *limit);
                self.all.changes[place.unwrap_or(4)] += 1;
            }
        }
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        self.all
            .visits
            .extend(std::mem::take(&mut self.open).into_values());
        let mixed = self.owners.values().filter(|owner| owner.2.len() > 1);
        self.all.tracks[0] += mixed.count() as u64;
        self.all.tracks[1] += self.owners.len() as u64;
    }
}
