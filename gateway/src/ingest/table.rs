//! The metrics of a node or device, as its birth announced them: by alias and by name. Pure.

use super::beside::Ours;
use super::decode::Metric;
use super::dictionary::PointKey;
use std::collections::HashMap;

const ALIAS_DENSE_MAX: u64 = 65_536;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Slot {
    #[default]
    Unknown,
    Sequence,
    Ignored,
    Beside(Ours),
    Point {
        key: PointKey,
        datatype: u32,
    },
}

/// The metrics of a node or device, as its birth announced them.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub is_online: bool,
    dense: Vec<Slot>,
    sparse: HashMap<u64, Slot>,
    by_name: HashMap<Vec<u8>, Slot>,
}

impl Table {
    #[inline]
    pub fn find(&self, metric: &Metric<'_>) -> Slot {
        if let Some(alias) = metric.alias {
            if let Some(slot) = self.dense.get(alias as usize) {
                return *slot;
            }
            if let Some(slot) = self.sparse.get(&alias) {
                return *slot;
            }
        }
        metric
            .name
            .and_then(|name| self.by_name.get(name))
            .copied()
            .unwrap_or_default()
    }

    pub fn set(&mut self, metric: &Metric<'_>, slot: Slot) {
        if let Some(name) = metric.name {
            self.by_name.insert(name.to_vec(), slot);
        }
        match metric.alias {
            Some(alias) if alias < ALIAS_DENSE_MAX => {
                let at = alias as usize;
                if self.dense.len() <= at {
                    self.dense.resize(at + 1, Slot::Unknown);
                }
                self.dense[at] = slot;
            }
            Some(alias) => {
                self.sparse.insert(alias, slot);
            }
            None => {}
        }
    }
}
