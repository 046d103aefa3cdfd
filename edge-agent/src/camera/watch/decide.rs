//! What is seen in one frame after the other becomes points of 0 and 1, and the reason why one became 1. Pure.
//!
//! Promise: the same frames give the same points and sightings, whatever the order of the persons in a frame; no point is 1
//! before its class has held for its dwell ([`Class::wants`]); one person gives one sighting for a zone and class while its track lives
//! (a second one only after a minute of quiet); a point stays 1 for [`HOLD_MS`] after the last reason for it ended, so that
//! it does not flutter. A shadow model gives points and no sightings. 0 means that nothing of the kind was seen in a picture in
//! which it could have been, no more.

use super::{
    ballot::{Ballot, Raised, Vote},
    class::Class,
    config::{PartModel, WatchConfig, Zone},
    track::Tracker,
};
use contract::{
    Absence, PointName, Quality, Reading, Timestamp,
    footage::{self, Marked, Sighting},
    vision::{Area, ModelUsed, Person, Seen, Verdict},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The point that says how many persons are there.
pub const PERSONS: &str = "see.persons";
/// How long a point stays 1 after its last reason.
pub const HOLD_MS: u64 = 5_000;
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
    /// Number of the zone and of the track; nothing for the whole picture.
    who: Option<(usize, u64)>,
}

#[derive(Debug, Clone)]
struct Point {
    name: PointName,
    is: Option<bool>,
    /// When one of its reasons held last.
    held_ms: Option<u64>,
    /// The frame of which it was said last.
    told: Option<Timestamp>,
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
    points: BTreeMap<(Lens, Class), Point>,
    persons: Point,
    count: usize,
    waiting: VecDeque<Sighting>,
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
        let points = lenses.map(|(lens, class)| ((lens, class), Point::of(lens, class)));
        Watch {
            points: points.collect(),
            tracker: Tracker::new(gap_ms),
            ballots: BTreeMap::new(),
            persons: Point::named(PERSONS),
            count: 0,
            waiting: VecDeque::new(),
            last: None,
            gap_ms,
            next_ms: 3 * step_ms / 2 + LATE_MS,
            config,
        }
    }

    /// The names of its points.
    pub fn names(&self) -> Vec<PointName> {
        let points = std::iter::once(&self.persons).chain(self.points.values());
        points.map(|point| point.name.clone()).collect()
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
            .retain(|key, _| key.who.is_none_or(|(_, track)| live.contains(&track)));
        let (frames, within) = COUNTED;
        let counted =
            self.tracker.tracks().iter().filter(|track| {
                track.frames >= frames && ms.saturating_sub(track.seen_ms) <= within
            });
        self.count = counted.count();
        for (key, raised) in raised {
            self.wait(key, raised, models);
        }
        let (changed, sightings) = self.tell(at, ms);
        Step {
            changed,
            sightings,
            frame: self.drawn(at, seen, &persons, &ids),
        }
    }

    /// What the camera's regular record says of its points. A point is said once of a frame; an absence has this time.
    pub fn readings(
        &mut self,
        now: Timestamp,
        now_ms: u64,
        cannot: Option<Quality>,
    ) -> Vec<Reading> {
        let age = |ms: u64| now_ms.saturating_sub(ms);
        let last = self.last.filter(|_| cannot.is_none());
        let absent = cannot.unwrap_or(Quality::Missing(Absence::NotLooked));
        let mut readings = Vec::new();
        let count = self.count as f64;
        let persons = std::iter::once(&mut self.persons).map(|point| (point, Some(count)));
        let of_points = self.points.values_mut().map(|point| {
            let is = point.is.map(|is| f64::from(u8::from(is)));
            (point, is)
        });
        for (point, value) in persons.chain(of_points) {
            let said = last.zip(value).filter(|((ms, at), _)| {
                let is_new = point.told != Some(*at);
                age(*ms) <= if is_new { self.gap_ms } else { self.next_ms }
            });
            let Some(((_, at), value)) = said else {
                point.is = None;
                readings.push(Reading::new(point.name.clone(), now, None, absent));
                continue;
            };
            if point.told.replace(at) != Some(at) {
                let name = point.name.clone();
                readings.push(Reading::new(name, at, Some(value), Quality::Good));
            }
        }
        readings
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
            for lens in [Lens::Model, Lens::Shadow] {
                if !self.points.contains_key(&(lens, *class)) {
                    continue;
                }
                let said_by = self.said_by(lens, *class);
                for (track, person) in &seen {
                    let key = Key {
                        lens,
                        class: *class,
                        who: Some((zone, *track)),
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
                let who = None;
                raised.extend(self.cast(Key { lens, class, who }, at, ms, vote));
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
            ballot.leave(ms);
        }
    }

    /// Keeps why something was raised until it is told.
    fn wait(&mut self, key: Key, raised: Raised, models: &[ModelUsed]) {
        if key.lens == Lens::Shadow || self.waiting.len() >= WAITING_MAX {
            return;
        }
        let zone = key
            .who
            .map(|(zone, _)| self.config.zones[zone].name.clone());
        self.waiting.push_back(Sighting {
            point: self.points[&(key.lens, key.class)].name.clone(),
            zone: zone.unwrap_or_default(),
            began: raised.began,
            at: raised.began,
            track: key.who.map(|(_, track)| track),
            frames: raised.frames,
            share: raised.share,
            models: models.to_vec(),
        });
    }

    /// The points that changed, and one sighting of each point at most: two would be two readings of one point and time.
    fn tell(&mut self, at: Timestamp, ms: u64) -> (Vec<Reading>, Vec<(Reading, Sighting)>) {
        let raised: BTreeSet<(Lens, Class)> = self
            .ballots
            .iter()
            .filter(|(_, ballot)| ballot.is_raised())
            .map(|(key, _)| (key.lens, key.class))
            .collect();
        let (mut changed, mut sightings) = (Vec::new(), Vec::new());
        for (key, point) in &mut self.points {
            let has_model = |part: &PartModel| part.shadow.is_some();
            if key.0 == Lens::Shadow && !self.config.model(key.1).is_some_and(has_model) {
                point.is = None;
                continue;
            }
            if raised.contains(key) {
                point.held_ms = Some(ms);
            }
            let is = point
                .held_ms
                .is_some_and(|held| ms.saturating_sub(held) <= HOLD_MS);
            let before = point.is.replace(is).unwrap_or(false);
            let reading = Reading::new(
                point.name.clone(),
                at,
                Some(f64::from(u8::from(is))),
                Quality::Good,
            );
            let why = self.waiting.iter().position(|s| s.point == point.name);
            let why = why.filter(|_| is).and_then(|n| self.waiting.remove(n));
            if before != is || why.is_some() {
                point.told = Some(at);
            }
            match why {
                Some(sighting) => sightings.push((reading, Sighting { at, ..sighting })),
                None if before != is => changed.push(reading),
                None => {}
            }
        }
        // What waited for a point that is over is told no more.
        let points = &self.points;
        self.waiting.retain(|sighting| {
            let mut of = points.values().filter(|point| point.name == sighting.point);
            of.any(|point| point.is == Some(true))
        });
        (changed, sightings)
    }

    fn drawn(
        &self,
        at: Timestamp,
        seen: &Seen,
        persons: &[Person],
        ids: &[Option<u64>],
    ) -> footage::Frame {
        let counts = |verdict: &&Verdict| {
            let model = |part: &PartModel| part.model == verdict.model;
            self.config.parts.iter().any(model)
        };
        let classes = |verdicts: &[Verdict]| {
            let said = verdicts.iter().filter(counts);
            said.filter_map(|verdict| verdict.class.clone())
                .collect::<Vec<String>>()
        };
        let mut boxes: Vec<Marked> = persons
            .iter()
            .zip(ids)
            .map(|(person, track)| Marked {
                area: person.area,
                track: *track,
                classes: [vec!["person".to_owned()], classes(&person.verdicts)].concat(),
            })
            .collect();
        let picture: Vec<String> = classes(&seen.picture)
            .into_iter()
            .filter(|said| Class::ALL.iter().any(|class| class.said_as() == said))
            .collect();
        if !picture.is_empty() {
            boxes.push(Marked {
                area: Area {
                    left: 0.0,
                    top: 0.0,
                    right: 1.0,
                    bottom: 1.0,
                },
                track: None,
                classes: picture,
            });
        }
        footage::Frame { at, boxes }
    }
}

impl Point {
    fn named(name: &str) -> Point {
        Point {
            name: PointName::new(name).expect("points of watching are names"),
            is: None,
            held_ms: None,
            told: None,
        }
    }

    fn of(lens: Lens, class: Class) -> Point {
        let begin = match lens {
            Lens::Model => "see",
            Lens::Shadow => "shadow",
        };
        Point::named(&format!("{begin}.{}", class.name()))
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
