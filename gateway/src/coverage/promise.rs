//! What was promised of a point, as slots in time, and which of them were filled. Pure, integers only.
//!
//! A birth promises the longest time between two readings, `every`. From then on each `every` is a slot, around an
//! instant that the first reading after the birth fixes, so that a reading is never near the edge of its slot and
//! nothing drifts however long it goes on. A slot is filled by any reading in it. Which day a reading counts for is
//! the day of its slot's instant, so that readings and slots of a day always balance.

use super::slots::Slots;
use serde::{Deserialize, Serialize};

/// A node birth ends the promises of an agent until the birth of the device renews them; within this time it is as if
/// they had never ended.
const RENEWED_WITHIN_MS: i64 = 600_000;
/// Site-local days, +08:00.
const ZONE_MS: i64 = 8 * 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// A reading is in time within this of its measurement, or twice the promise if that is longer.
const IN_TIME_MS: i64 = 60_000;

/// The day of a time, counted from 1970-01-01 in +08:00.
pub fn day_of(at_ms: i64) -> i32 {
    (at_ms.saturating_add(ZONE_MS)).div_euclid(DAY_MS) as i32
}

/// The first millisecond of a day.
pub fn day_begins(day: i32) -> i64 {
    i64::from(day) * DAY_MS - ZONE_MS
}

/// How long after its measurement a reading is still in time.
pub fn in_time_ms(every: i64) -> i64 {
    IN_TIME_MS.max(every.saturating_mul(2))
}

/// One promise from its birth to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    begins: i64,
    ends: Option<i64>,
    /// The longest time between two readings, ms.
    pub every: i64,
    /// An instant; fixed by the first reading.
    phase: Option<i64>,
    /// Which slots have a reading.
    pub filled: Slots,
}

impl Promise {
    fn new(begins: i64, every: i64) -> Self {
        Self {
            begins,
            ends: None,
            every,
            phase: None,
            filled: Slots::default(),
        }
    }

    fn origin(&self) -> i64 {
        self.phase.unwrap_or(self.begins)
    }

    /// The slot whose instant is nearest.
    pub fn slot(&self, at: i64) -> i64 {
        (at - self.origin() + self.every / 2).div_euclid(self.every)
    }

    fn instant(&self, slot: i64) -> i64 {
        self.origin() + slot * self.every
    }

    /// The first slot whose instant is not before `at`.
    fn first_from(&self, at: i64) -> i64 {
        (at - self.origin() + self.every - 1).div_euclid(self.every)
    }

    /// The slots that were due in `from..to`, half-open.
    pub fn due(&self, from: i64, to: i64) -> (i64, i64) {
        let from = from.max(self.begins);
        let to = self.ends.map_or(to, |ends| to.min(ends)).max(from);
        (self.first_from(from), self.first_from(to))
    }
}

/// All that was promised of one point.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promises {
    /// By the time they begin.
    pub all: Vec<Promise>,
    /// Set by a birth: the next live reading may show that the instants have moved.
    is_reborn: bool,
}

impl Promises {
    /// The promise that stands now.
    pub fn now(&self) -> Option<&Promise> {
        self.all.last().filter(|last| last.ends.is_none())
    }

    /// A birth promises `every` (0: nothing) from `at` on.
    pub fn promise(&mut self, at: i64, every: i64) {
        if every <= 0 {
            return self.end(at);
        }
        self.is_reborn = true;
        let begins = match self.all.last_mut() {
            Some(last) => {
                let is_gone = last.ends.is_some_and(|ends| at - ends > RENEWED_WITHIN_MS);
                if last.every == every && !is_gone {
                    last.ends = None;
                    return;
                }
                let begins = at.max(last.begins);
                last.ends = Some(last.ends.map_or(begins, |ends| ends.min(begins)));
                begins
            }
            None => at,
        };
        self.all.push(Promise::new(begins, every));
    }

    /// Nothing is promised any more from `at` on.
    pub fn end(&mut self, at: i64) {
        if let Some(last) = self.all.last_mut().filter(|last| last.ends.is_none()) {
            last.ends = Some(at.max(last.begins));
        }
    }

    /// Fills the slot of a reading: the day it counts for and what was promised; `None` where nothing was.
    pub fn fill(&mut self, at: i64, is_historical: bool) -> Option<(i32, i64)> {
        let place = self.all.iter().rposition(|p| p.begins <= at)?;
        if self.all[place].ends.is_some_and(|ends| at >= ends) {
            return None;
        }
        let is_last = place + 1 == self.all.len();
        if self.is_reborn && is_last && !is_historical {
            self.follow_phase(at);
        }
        let promise = if is_last {
            self.all.last_mut()?
        } else {
            &mut self.all[place]
        };
        promise.phase.get_or_insert(at);
        let slot = promise.slot(at);
        promise.filled.insert(slot);
        Some((day_of(promise.instant(slot)), promise.every))
    }

    /// After a restart polls are due at other instants: then the slots begin anew around this reading.
    fn follow_phase(&mut self, at: i64) {
        self.is_reborn = false;
        let Some(last) = self.all.last_mut() else {
            return;
        };
        let (every, begins) = (last.every, at - last.every / 2);
        let has_moved =
            last.phase.is_some() && (at - last.instant(last.slot(at))).abs() > every / 4;
        let is_newest = last
            .filled
            .last()
            .is_none_or(|slot| last.instant(slot) < begins);
        if has_moved && is_newest && begins > last.begins {
            last.ends = Some(begins);
            let mut next = Promise::new(begins, every);
            next.phase = Some(at);
            self.all.push(next);
        }
    }
}
