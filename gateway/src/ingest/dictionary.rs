//! Every point the gateway has ever heard of has a number, given once and never reused.
//!
//! The number is written to the journal's notes in the same transaction as the first block that uses it, so
//! a reader of the journal always finds the name of a number it meets.

use contract::{AgentId, DeviceId, PointName, SiteId};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, RwLock};

/// The number of a point in this gateway's journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PointKey(pub u32);

/// What is known of a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Where it is.
    pub site: SiteId,
    /// The agent that reports it; `None` for plain telemetry.
    pub agent: Option<AgentId>,
    /// The instrument.
    pub device: DeviceId,
    /// The quantity.
    pub name: PointName,
    /// Unit as announced in the birth (`℃`, `mg/m3`, `%LEL`, …); empty if not announced.
    pub unit: String,
    /// Factor code (HJ 212 table B, for example `a21026`); empty if not announced.
    pub factor: String,
    /// The longest time between two readings in ms, where the birth promised one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
}

/// The points by number and by name. Cheap to clone; all clones see the same points.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    inner: Arc<RwLock<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// A number without a point was given, and no block that uses it was ever written.
    points: Vec<Option<Arc<Point>>>,
    by_name: HashMap<(SiteId, DeviceId, PointName), PointKey>,
}

impl Dictionary {
    /// The point of a number.
    pub fn get(&self, key: PointKey) -> Option<Arc<Point>> {
        self.read().points.get(key.0 as usize).cloned().flatten()
    }

    /// The number of a named point, if it was ever heard of.
    pub fn find(&self, site: &SiteId, device: &DeviceId, name: &PointName) -> Option<PointKey> {
        self.read()
            .by_name
            .get(&(site.clone(), device.clone(), name.clone()))
            .copied()
    }

    /// Numbers run from 0 to this, exclusive.
    pub fn len(&self) -> usize {
        self.read().points.len()
    }

    /// True before the first point.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of `point` and whether it or its description is new (then it must be written down with
    /// the next block). The identity of a point is site, device and name; unit, factor, agent and promise may change.
    pub fn intern(&self, point: Point) -> (PointKey, bool) {
        let identity = (point.site.clone(), point.device.clone(), point.name.clone());
        let mut inner = self
            .inner
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(&key) = inner.by_name.get(&identity) {
            let slot = &mut inner.points[key.0 as usize];
            let changed = slot.as_deref() != Some(&point);
            if changed {
                *slot = Some(Arc::new(point));
            }
            return (key, changed);
        }
        let key = PointKey(u32::try_from(inner.points.len()).expect("fewer than 2^32 points"));
        inner.points.push(Some(Arc::new(point)));
        inner.by_name.insert(identity, key);
        (key, true)
    }

    /// Takes a point back under the number that the journal's note gives it.
    pub(super) fn restore(&self, key: PointKey, point: Point) {
        let identity = (point.site.clone(), point.device.clone(), point.name.clone());
        let mut inner = self
            .inner
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let place = key.0 as usize;
        if inner.points.len() <= place {
            inner.points.resize(place + 1, None);
        }
        inner.points[place] = Some(Arc::new(point));
        inner.by_name.insert(identity, key);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(name: &str) -> Point {
        Point {
            site: SiteId::new("s").unwrap(),
            agent: None,
            device: DeviceId::new("d").unwrap(),
            name: PointName::new(name).unwrap(),
            unit: String::new(),
            factor: String::new(),
            every_ms: None,
        }
    }

    #[test]
    fn a_number_whose_note_was_never_written_is_given_to_nobody_else() {
        let before = Dictionary::default();
        assert_eq!(before.intern(point("never sent")).0, PointKey(0));
        assert_eq!(before.intern(point("sent")).0, PointKey(1));
        let after = Dictionary::default();
        after.restore(PointKey(1), point("sent"));
        assert_eq!(after.get(PointKey(0)), None);
        assert_eq!(after.intern(point("sent")), (PointKey(1), false));
        assert_eq!(after.intern(point("never sent")), (PointKey(2), true));
    }
}
