//! Which rules look at which points, and how they find their companions. Pure.

use super::lane::{Lane, Ready};
use super::rule::Measure;
use crate::ingest::dictionary::{Dictionary, Point, PointKey};
use contract::{DeviceId, SiteId};
use std::{collections::HashMap, sync::Arc};

/// What is known of sites and devices before the first reading.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Kind of each registered device (`freezer`, `stack_monitor`, …).
    pub kinds: HashMap<(SiteId, DeviceId), String>,
    /// Since when what a camera sees may be judged, ms since 1970. No rule looks at a `see.` point of any other device.
    pub sees_since: HashMap<(SiteId, DeviceId), i64>,
}

/// What a camera sees of people and places is told in points that begin so; what it says of itself is not.
pub const SEES: &str = "see.";

/// A rule at a point.
#[derive(Debug)]
pub(super) struct Instance {
    pub rule: usize,
    pub point: PointKey,
    /// Readings from before this time are not judged.
    pub since_ms: i64,
    /// The point that must be above a level, and the oxygen point, once they are known.
    pub companion: Option<PointKey>,
    pub oxygen: Option<PointKey>,
    pub lane: Lane,
    /// Readings that arrive after later ones go through a lane of their own.
    pub backfill: Option<Box<Backfill>>,
}

/// The lane of readings that were overtaken.
#[derive(Debug)]
pub(super) struct Backfill {
    pub lane: Lane,
    /// When it last took in a reading, by the gateway's clock.
    pub heard_ms: i64,
}

/// Rules at points.
#[derive(Debug)]
pub(super) struct Index {
    pub rules: Vec<Ready>,
    pub instances: Vec<Instance>,
    /// Instances by point number.
    pub by_point: Vec<Vec<u32>>,
    /// Instances that need to be looked at as time passes.
    pub silences: Vec<u32>,
    pub blocks: Vec<u32>,
    facts: Facts,
    dictionary: Dictionary,
    points: Vec<Option<Arc<Point>>>,
    by_device: HashMap<(SiteId, DeviceId), Vec<PointKey>>,
}

impl Index {
    pub fn new(rules: Vec<Ready>, facts: Facts, dictionary: Dictionary) -> Self {
        Self {
            rules,
            instances: Vec::new(),
            by_point: Vec::new(),
            silences: Vec::new(),
            blocks: Vec::new(),
            facts,
            dictionary,
            points: Vec::new(),
            by_device: HashMap::new(),
        }
    }

    /// The point of a number, as it was when rules were bound to it.
    pub fn point(&self, key: PointKey) -> Option<&Arc<Point>> {
        self.points.get(key.0 as usize)?.as_ref()
    }

    /// True if there are points that no rule was offered yet.
    pub fn is_behind(&self) -> bool {
        self.by_point.len() < self.dictionary.len()
    }

    /// Offers the rules to points that appeared since the last time.
    pub fn bind(&mut self) {
        for n in self.by_point.len()..self.dictionary.len() {
            let key = PointKey(n as u32);
            let point = self.dictionary.get(key);
            self.by_point.push(Vec::new());
            self.points.push(point.clone());
            if let Some(point) = point {
                let place = (point.site.clone(), point.device.clone());
                self.by_device.entry(place).or_default().push(key);
                self.offer(key, &point);
                self.introduce(key, &point);
            }
        }
    }

    fn offer(&mut self, key: PointKey, point: &Point) {
        let place = (point.site.clone(), point.device.clone());
        let Some(kind) = self.facts.kinds.get(&place) else {
            return;
        };
        let since_ms = match point.name.as_str().starts_with(SEES) {
            true => match self.facts.sees_since.get(&place) {
                Some(since) => *since,
                None => return,
            },
            false => i64::MIN,
        };
        for (number, ready) in self.rules.iter().enumerate() {
            let rule = &ready.rule;
            let is_unit_fit = point.unit.is_empty()
                || rule.unit == point.unit
                || rule.measure == Measure::Silence;
            if rule.point != point.name.as_str() || !rule.devices.contains(kind) || !is_unit_fit {
                continue;
            }
            let find = |name: Option<&String>| {
                let name = name?;
                let beside = self.by_device.get(&place)?;
                beside.iter().copied().find(|k| {
                    self.points[k.0 as usize]
                        .as_ref()
                        .is_some_and(|p| p.name.as_str() == name)
                })
            };
            let at = self.instances.len() as u32;
            match rule.measure {
                Measure::Silence => self.silences.push(at),
                Measure::Block => self.blocks.push(at),
                _ => {}
            }
            self.by_point[key.0 as usize].push(at);
            self.instances.push(Instance {
                rule: number,
                point: key,
                since_ms,
                companion: find(rule.only_while.as_ref().map(|w| &w.point)),
                oxygen: find(rule.convert.as_ref().map(|c| &c.oxygen)),
                lane: Lane::new(ready),
                backfill: None,
            });
        }
    }

    /// Tells the rules of the same device that their companion has come.
    fn introduce(&mut self, key: PointKey, point: &Point) {
        let place = (point.site.clone(), point.device.clone());
        let beside = self.by_device.get(&place).cloned().unwrap_or_default();
        for at in beside.iter().flat_map(|k| &self.by_point[k.0 as usize]) {
            let instance = &mut self.instances[*at as usize];
            let rule = &self.rules[instance.rule].rule;
            if rule
                .only_while
                .as_ref()
                .is_some_and(|w| w.point == point.name.as_str())
            {
                instance.companion = Some(key);
            }
            if rule
                .convert
                .as_ref()
                .is_some_and(|c| c.oxygen == point.name.as_str())
            {
                instance.oxygen = Some(key);
            }
        }
    }
}
