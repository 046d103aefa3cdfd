//! The balance of a day: what was expected against what came and what did not. Pure.
//!
//! expected + extra = in time + late + missing + silent, always and exactly.

use super::promise::{Promises, day_begins, in_time_ms};
use super::slots::take_out;
use contract::{Absence, GapReason, Quality};
use std::collections::BTreeMap;

/// Why a reading is missing: an absence that the agent reported, or a gap record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Of an absence, by its code.
    Absence(u8),
    /// Of a gap record.
    Gap(GapReason),
}

impl Why {
    /// The word for it on the wire.
    pub fn word(self) -> String {
        let value = match self {
            Why::Absence(code) => match Quality::from_code(code) {
                Quality::Missing(absence) => serde_json::to_value(absence),
                _ => serde_json::to_value(Absence::Unspecified),
            },
            Why::Gap(reason) => serde_json::to_value(reason),
        };
        let value = value.unwrap_or_default();
        value.as_str().unwrap_or("unspecified").to_owned()
    }
}

/// What became of the readings of some points in some days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balance {
    /// Readings that were promised; where nothing was promised, as many as came.
    pub expected: u64,
    /// Came in time, with a value.
    pub in_time: u64,
    /// Came late or from the buffer, with a value.
    pub late: u64,
    /// Did not come, and somebody said why.
    pub missing: BTreeMap<Why, u64>,
    /// Did not come, and nobody has said anything. What still waits in the agent's buffer is among them.
    pub silent: u64,
    /// Came beyond what was promised.
    pub extra: u64,
}

impl Balance {
    /// Adds another.
    pub fn add(&mut self, other: &Balance) {
        self.expected += other.expected;
        self.in_time += other.in_time;
        self.late += other.late;
        self.silent += other.silent;
        self.extra += other.extra;
        for (why, n) in &other.missing {
            *self.missing.entry(*why).or_default() += n;
        }
    }

    /// All that is missing with a reason.
    pub fn missing_all(&self) -> u64 {
        self.missing.values().sum()
    }

    /// Whether both sides are the same.
    pub fn is_balanced(&self) -> bool {
        self.expected + self.extra == self.in_time + self.late + self.missing_all() + self.silent
    }

    /// The share of the expected readings that has a value, 0 to 1; `None` where nothing was expected.
    pub fn share(&self) -> Option<f64> {
        let without = self.missing_all() + self.silent;
        let covered = self.expected.saturating_sub(without);
        (self.expected > 0).then(|| covered as f64 / self.expected as f64)
    }
}

/// What came of one point on one day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// In time, with a value.
    pub in_time: u64,
    /// Late or historical, with a value.
    pub late: u64,
    /// Of all these and of the absences, those where nothing was promised.
    pub free: u64,
    /// Absences by code.
    pub absent: BTreeMap<u8, u64>,
}

/// A stretch that will never come.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// The first time, ms.
    pub from: i64,
    /// The last time, ms.
    pub to: i64,
    /// Why.
    pub reason: GapReason,
}

/// The balance of one point on one day, as far as `as_of`: a slot in which nothing came counts as silent only when its
/// reading would be late.
pub fn balance(
    promises: Option<&Promises>,
    counts: &Counts,
    gaps: &[Stretch],
    day: i32,
    as_of: i64,
) -> Balance {
    let mut found = Balance {
        expected: counts.free,
        in_time: counts.in_time,
        late: counts.late,
        ..Balance::default()
    };
    for (code, n) in &counts.absent {
        *found.missing.entry(Why::Absence(*code)).or_default() += n;
    }
    let came = found.in_time + found.late + found.missing_all();
    let mut covered = counts.free;
    let (from, to) = (day_begins(day), day_begins(day + 1));
    for promise in promises.into_iter().flat_map(|promises| &promises.all) {
        let (first, end) = promise.due(from, to);
        let filled = promise.filled.count(first, end);
        covered += filled;
        found.expected += filled;
        let (_, told) = promise.due(from, to.min(as_of - in_time_ms(promise.every) + 1));
        let mut empties = promise.filled.empties(first, told.min(end));
        for gap in gaps {
            let taken = take_out(
                &mut empties,
                promise.slot(gap.from),
                promise.slot(gap.to) + 1,
            );
            if taken > 0 {
                *found.missing.entry(Why::Gap(gap.reason)).or_default() += taken;
                found.expected += taken;
            }
        }
        let silent: u64 = empties.iter().map(|(a, b)| (b - a) as u64).sum();
        found.silent += silent;
        found.expected += silent;
    }
    found.extra = came.saturating_sub(covered);
    found
}
