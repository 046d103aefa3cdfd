//! The points of a camera that is watched: what they are, when they are told, and why they became 1. Pure.

use super::{Lens, WAITING_MAX};
use crate::camera::watch::class::Class;
use contract::{PointName, Quality, Reading, Timestamp, footage::Sighting};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The point that says how many persons are there.
pub const PERSONS: &str = "see.persons";

#[derive(Debug, Clone)]
struct Point {
    name: PointName,
    is: Option<bool>,
    /// When one of its reasons held last.
    held_ms: Option<u64>,
    /// The frame of which it was said last.
    told: Option<Timestamp>,
}

/// Points that changed, and why points are 1, with their readings.
pub(super) type Told = (Vec<Reading>, Vec<(Reading, Sighting)>);

/// All points of a camera.
#[derive(Debug, Clone)]
pub(super) struct Points {
    points: BTreeMap<(Lens, Class), Point>,
    persons: Point,
    waiting: VecDeque<Sighting>,
}

impl Points {
    /// Of these classes, and of models on trial.
    pub fn new(of: impl Iterator<Item = (Lens, Class)>) -> Points {
        Points {
            points: of
                .map(|(lens, class)| ((lens, class), Point::of(lens, class)))
                .collect(),
            persons: Point::named(PERSONS),
            waiting: VecDeque::new(),
        }
    }

    /// Their names.
    pub fn names(&self) -> Vec<PointName> {
        let points = std::iter::once(&self.persons).chain(self.points.values());
        points.map(|point| point.name.clone()).collect()
    }

    /// True if there is one.
    pub fn has(&self, lens: Lens, class: Class) -> bool {
        self.points.contains_key(&(lens, class))
    }

    /// The name of one that is there.
    pub fn name(&self, class: Class) -> PointName {
        self.points[&(Lens::Model, class)].name.clone()
    }

    /// True while the point of a class is 1.
    pub fn is_one(&self, class: Class) -> bool {
        self.points[&(Lens::Model, class)].is == Some(true)
    }

    /// Keeps why something was raised until it is told.
    pub fn wait(&mut self, sighting: Sighting) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(sighting);
        }
    }

    /// The points that changed, and one sighting of each point at most: two would be two readings of one point and time.
    /// `raised`: those that have a reason now; `has_shadow`: if a model on trial tells a class.
    pub fn tell(
        &mut self,
        at: Timestamp,
        ms: u64,
        raised: &BTreeSet<(Lens, Class)>,
        has_shadow: impl Fn(Class) -> bool,
    ) -> Told {
        let (mut changed, mut sightings) = (Vec::new(), Vec::new());
        for (key, point) in &mut self.points {
            if key.0 == Lens::Shadow && !has_shadow(key.1) {
                point.is = None;
                continue;
            }
            if raised.contains(key) {
                point.held_ms = Some(ms);
            }
            let is = point
                .held_ms
                .is_some_and(|held| ms.saturating_sub(held) <= key.1.wants().rest_ms());
            let before = point.is.replace(is).unwrap_or(false);
            let value = Some(f64::from(u8::from(is)));
            let reading = Reading::new(point.name.clone(), at, value, Quality::Good);
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

    /// What the camera's regular record says: a point once of a frame, else an absence of `now`. `last`: the frame that was seen
    /// last, if anything can be told of it, and whether it is too old for a point that was told of it, or was not.
    pub fn readings(
        &mut self,
        now: Timestamp,
        last: Option<(Timestamp, [bool; 2])>,
        absent: Quality,
        count: usize,
    ) -> Vec<Reading> {
        let mut readings = Vec::new();
        let persons = std::iter::once(&mut self.persons).map(|point| (point, Some(count as f64)));
        let of_points = self.points.values_mut().map(|point| {
            let is = point.is.map(|is| f64::from(u8::from(is)));
            (point, is)
        });
        for (point, value) in persons.chain(of_points) {
            let said = last.zip(value).filter(|((at, is_old), _)| {
                let is_told = point.told == Some(*at);
                !is_old[usize::from(!is_told)]
            });
            let Some(((at, _), value)) = said else {
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
