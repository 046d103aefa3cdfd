//! What is seen in one frame after the other becomes points of 0 and 1, and the reason why one became 1. Pure.
//!
//! Promise: the same frames give the same points and sightings, whatever the order of the persons in a frame; no point is 1
//! before its class has held for its dwell ([`Class::wants`]); one person gives one sighting for a zone and class while its track
//! lives and it has not ended, and a zone never more than persons of whom it was so at once ([`Crowd`]); whenever a point becomes
//! 1 it is told why; it stays 1 for [`Wants::rest_ms`](super::class::Wants::rest_ms) after the last reason for it ended, so that it
//! does not flutter. A shadow model gives points and no sightings. 0 means that nothing of the kind was seen in a picture in which
//! it could have been, no more.

mod crowd; // how many of a zone were told
mod drawn; // what is drawn over a frame
mod points; // what is told, and when

use super::{
    ballot::{Ballot, Raised, Vote},
    class::Class,
    config::{PartModel, WatchConfig, Zone},
    track::Tracker,
};
use contract::{
    Absence, PointName, Quality, Reading, Timestamp,
    footage::{self, Sighting},
    vision::{Area, ModelUsed, Person, Seen, Verdict},
};
use crowd::Crowd;
pub use points::PERSONS;
use points::Points;
use std::collections::{BTreeMap, BTreeSet};

/// A track ends when it was not seen for so long, if frames come often enough.
const LOST_MS: u64 = 3_000;
/// Whoever is outside a zone for so long has left it.
const LEFT_MS: u64 = 1_000;
/// How late the answer to a frame may come.
const LATE_MS: u64 = 700;
/// Nobody is counted who was seen in fewer frames, or not for so long.
const COUNTED: (u32, u64) = (3, 1_000);
/// Persons of a frame at most; the surest ones.
const PERSONS_MAX: usize = 64;
/// Sightings that wait for the next frame at most.
const WAITING_MAX: usize = 64;

/// Whose word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lens {
    Model,
    Shadow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    lens: Lens,
    class: Class,
    /// Number of the zone; nothing for the whole picture.
    zone: Option<usize>,
    /// Number of the track; nothing for the zone or the picture as a whole.
    track: Option<u64>,
}

/// What a frame changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Points that changed, with what they are now; those of `sightings` are not among them.
    pub changed: Vec<Reading>,
    /// Why a point is 1, with its reading; of one point one at most.
    pub sightings: Vec<(Reading, Sighting)>,
    /// What was seen, to be drawn.
    pub frame: footage::Frame,
}

/// Watches one camera.
#[derive(Debug, Clone)]
pub struct Watch {
    config: WatchConfig,
    tracker: Tracker,
    ballots: BTreeMap<Key, Ballot>,
    /// Of each class and zone; of no zone for the whole picture.
    crowds: BTreeMap<(Class, Option<usize>), Crowd>,
    points: Points,
    count: usize,
    last: Option<(u64, Timestamp)>,
    /// What is older than this has been lost sight of.
    gap_ms: u64,
    /// Within this time the next frame should have been looked at.
    next_ms: u64,
}

impl Watch {
    /// Nothing was seen yet; so many frames a second are looked at.
    pub fn new(config: WatchConfig, frames_per_s: f64) -> Watch {
        let step_ms = (1_000.0 / frames_per_s) as u64;
        let gap_ms = LOST_MS.max(3 * step_ms);
        let classes = config.classes();
        let lenses = classes.iter().flat_map(|class| {
            let shadow = config.model(*class).and_then(|model| model.shadow.as_ref());
            let shadow = shadow.map(|_| (Lens::Shadow, *class));
            std::iter::once((Lens::Model, *class)).chain(shadow)
        });
        Watch {
            points: Points::new(lenses),
            tracker: Tracker::new(gap_ms),
            ballots: BTreeMap::new(),
            crowds: BTreeMap::new(),
            count: 0,
            last: None,
            gap_ms,
            next_ms: 3 * step_ms / 2 + LATE_MS,
            config,
        }
    }

    /// The names of its points.
    pub fn names(&self) -> Vec<PointName> {
        self.points.names()
    }

    /// From the next frame on these models count.
    pub fn use_models(&mut self, parts: Vec<PartModel>) {
        self.config.parts = parts;
    }

    /// Takes in what these models saw in the frame of `at`, which came at `ms` of a clock that never goes back.
    pub fn see(&mut self, at: Timestamp, ms: u64, seen: &Seen, models: &[ModelUsed]) -> Step {
        let mut persons: Vec<Person> = seen
            .persons
            .iter()
            .filter(|person| is_area(&person.area) && person.score.is_finite())
            .cloned()
            .collect();
        persons.sort_by(|a, b| b.score.total_cmp(&a.score));
        persons.truncate(PERSONS_MAX);
        let ids = self.tracker.step(ms, &persons);
        self.last = Some((ms, at));
        let mut raised = Vec::new();
        for (zone, of) in self.config.zones.clone().iter().enumerate() {
            let seen = persons.iter().zip(&ids);
            let seen = seen.filter_map(|(person, id)| Some(((*id)?, person)));
            raised.extend(self.see_zone(at, ms, zone, of, seen.collect()));
        }
        raised.extend(self.see_picture(at, ms, seen, persons.is_empty()));
        let live: BTreeSet<u64> = self.tracker.tracks().iter().map(|t| t.id).collect();
        self.ballots
            .retain(|key, _| key.track.is_none_or(|track| live.contains(&track)));
        let (frames, within) = COUNTED;
        let counted =
            self.tracker.tracks().iter().filter(|track| {
                track.frames >= frames && ms.saturating_sub(track.seen_ms) <= within
            });
        self.count = counted.count();
        for (key, raised) in raised {
            self.wait(key, ms, raised, models);
        }
        self.see_crowds(ms);
        let of_ballots = self.ballots.iter();
        let is_raised = of_ballots.filter(|(_, ballot)| ballot.is_raised(ms));
        let is_raised = is_raised.map(|(key, _)| (key.lens, key.class)).collect();
        let parts = &self.config;
        let has_shadow = |class| parts.model(class).is_some_and(|part| part.shadow.is_some());
        let (changed, sightings) = self.points.tell(at, ms, &is_raised, has_shadow);
        Step {
            changed,
            sightings,
            frame: drawn::drawn(&self.config, at, &seen.picture, &persons, &ids),
        }
    }

    /// What the camera's regular record says of its points. A point is said once of a frame; an absence has this time.
    pub fn readings(
        &mut self,
        now: Timestamp,
        now_ms: u64,
        cannot: Option<Quality>,
    ) -> Vec<Reading> {
        let last = self.last.filter(|_| cannot.is_none()).map(|(ms, at)| {
            let age = now_ms.saturating_sub(ms);
            (at, [age > self.next_ms, age > self.gap_ms])
        });
        let absent = cannot.unwrap_or(Quality::Missing(Absence::NotLooked));
        self.points.readings(now, last, absent, self.count)
    }

    fn see_zone(
        &mut self,
        at: Timestamp,
        ms: u64,
        zone: usize,
        of: &Zone,
        seen: Vec<(u64, &Person)>,
    ) -> Vec<(Key, Raised)> {
        let is_allowed = of.hours.iter().any(|hours| hours.contains(at));
        let mut raised = Vec::new();
        for class in &of.watch {
            if let Some(least) = class.persons_min() {
                let there = seen.iter().map(|(_, person)| foot(&person.area));
                let there = there.filter(|foot| of.polygon.contains(*foot)).count();
                let vote = match there < least {
                    true => Vote::For,
                    false => Vote::Against,
                };
                let key = Key {
                    lens: Lens::Model,
                    class: *class,
                    zone: Some(zone),
                    track: None,
                };
                raised.extend(self.cast(key, at, ms, vote));
                continue;
            }
            for lens in [Lens::Model, Lens::Shadow] {
                if !self.points.has(lens, *class) {
                    continue;
                }
                let said_by = self.said_by(lens, *class);
                for (track, person) in &seen {
                    let key = Key {
                        lens,
                        class: *class,
                        zone: Some(zone),
                        track: Some(*track),
                    };
                    let is_there = of.polygon.contains(foot(&person.area));
                    if *class == Class::AfterHours && is_allowed {
                        self.leave(key, ms, 0);
                        continue;
                    }
                    let vote = match &said_by {
                        Some(model) => verdict(*class, model, &person.verdicts),
                        None => Vote::For,
                    };
                    match is_there {
                        true => raised.extend(self.cast(key, at, ms, vote)),
                        false => self.leave(key, ms, LEFT_MS),
                    }
                }
            }
        }
        raised
    }

    fn see_picture(
        &mut self,
        at: Timestamp,
        ms: u64,
        seen: &Seen,
        is_empty: bool,
    ) -> Vec<(Key, Raised)> {
        let mut raised = Vec::new();
        for class in self.config.picture.clone() {
            for lens in [Lens::Model, Lens::Shadow] {
                let Some(model) = self.said_by(lens, class) else {
                    continue;
                };
                let vote = match verdict(class, &model, &seen.picture) {
                    Vote::For if class == Class::UnattendedFlame && !is_empty => Vote::Against,
                    vote => vote,
                };
                let key = Key {
                    lens,
                    class,
                    zone: None,
                    track: None,
                };
                raised.extend(self.cast(key, at, ms, vote));
            }
        }
        raised
    }

    fn said_by(&self, lens: Lens, class: Class) -> Option<String> {
        let model = self.config.model(class)?;
        match lens {
            Lens::Model => Some(model.model.clone()),
            Lens::Shadow => model.shadow.clone(),
        }
    }

    fn cast(&mut self, key: Key, at: Timestamp, ms: u64, vote: Vote) -> Option<(Key, Raised)> {
        let gap_ms = self.gap_ms;
        let ballot = self.ballots.entry(key);
        let ballot = ballot.or_insert_with(|| Ballot::new(key.class.wants(), gap_ms));
        ballot.cast(ms, at, vote).map(|raised| (key, raised))
    }

    fn leave(&mut self, key: Key, ms: u64, after_ms: u64) {
        if let Some(ballot) = self.ballots.get_mut(&key)
            && ballot
                .last_ms()
                .is_some_and(|last| ms.saturating_sub(last) >= after_ms)
        {
            ballot.leave();
        }
    }

    /// Keeps why something was raised until it is told, if it is more than was told.
    fn wait(&mut self, key: Key, ms: u64, raised: Raised, models: &[ModelUsed]) {
        if key.lens == Lens::Shadow {
            return;
        }
        let now = self.so_now(key.class, key.zone, ms);
        let crowd = self.crowds.entry((key.class, key.zone)).or_default();
        // Whenever a point becomes 1 it is told why.
        if !crowd.is_more(now) && self.points.is_one(key.class) {
            return;
        }
        let zone = key.zone.map(|zone| &self.config.zones[zone]);
        self.points.wait(Sighting {
            point: self.points.name(key.class),
            zone: zone.map(|zone| zone.name.clone()).unwrap_or_default(),
            began: raised.began,
            at: raised.began,
            track: key.track,
            frames: raised.frames,
            share: raised.share,
            models: models.to_vec(),
        });
    }

    fn see_crowds(&mut self, ms: u64) {
        let mut crowds = std::mem::take(&mut self.crowds);
        for ((class, zone), crowd) in &mut crowds {
            crowd.see(ms, self.so_now(*class, *zone, ms), class.wants().rest_ms());
        }
        crowds.retain(|_, crowd| !crowd.is_over());
        self.crowds = crowds;
    }

    /// Of how many it is so now, each seen within the last second; 1 for a zone or the picture as a whole.
    fn so_now(&self, class: Class, zone: Option<usize>, ms: u64) -> usize {
        let is_of = |key: &Key| (key.lens, key.class, key.zone) == (Lens::Model, class, zone);
        let is_seen = |ballot: &Ballot| {
            let last = ballot.last_ms();
            last.is_some_and(|last| ms.saturating_sub(last) <= LEFT_MS)
        };
        let ballots = self.ballots.iter();
        ballots
            .filter(|(key, ballot)| is_of(key) && ballot.is_raised(ms) && is_seen(ballot))
            .count()
    }
}

/// What a model's verdict says of a class: less sure than the class wants is not judged.
fn verdict(class: Class, model: &str, verdicts: &[Verdict]) -> Vote {
    let said = verdicts.iter().find(|verdict| verdict.model == model);
    match said.and_then(|said| Some((said.class.as_deref()?, said.score))) {
        Some((name, score)) if score >= class.wants().sure => match name == class.said_as() {
            true => Vote::For,
            false => Vote::Against,
        },
        // A score that is no number is none that suffices.
        _ => Vote::Unjudged,
    }
}

fn is_area(area: &Area) -> bool {
    let edges = [area.left, area.top, area.right, area.bottom];
    edges.iter().all(|edge| edge.is_finite()) && area.left < area.right && area.top < area.bottom
}

/// Where somebody stands: the middle of the lower edge, within the picture.
fn foot(area: &Area) -> [f32; 2] {
    let inside = |x: f32| x.clamp(0.0, 0.999);
    [inside((area.left + area.right) / 2.0), inside(area.bottom)]
}

#[cfg(test)]
mod tests;
