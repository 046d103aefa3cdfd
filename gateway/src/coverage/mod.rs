//! The coverage ledger 数据完整性台账: per point and day what was expected, what came, what did not and why.
//!
//! Promise: expected + extra = in time + late + missing + silent, exactly, for every point, device, agent and day;
//! the same journal gives the same ledger, whatever stops the process: numbers, promises, gap records and the cursor
//! are written in one transaction. What devices sent is kept beside it, for evidence.
//! Not promised: that a reading sent twice without a record number (plain JSON, other Sparkplug nodes) is counted
//! once; such a second one is extra, or where nothing was promised one more that was expected and came. The agent of
//! a point is the one that reported it last.
//!
//! Read in this order: `slots` (a set of numbers), `promise` (slots in time), `balance` (the arithmetic of a day),
//! `book` (the journal's entries go in), `store` (SQL), `task` (the thread that follows the journal).

pub mod balance;
pub mod book;
pub mod promise;
pub mod slots;
pub mod store;
mod task;

pub use balance::{Balance, Why};
pub use store::LedgerError;
pub use task::{Running, start};

use crate::ingest::dictionary::{Point, PointKey};
use crate::ingest::record::{GapEntry, RawHead};
use balance::{Counts, Stretch, balance};
use book::Book;
use contract::{DeviceId, SiteId, Timestamp};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Store;

/// Gap records of one site that are looked at for a balance, at most; the latest count.
const GAPS_MAX: usize = 10_000;

/// The ledger, for reading. Cheap to clone. Its functions block for as long as the disk takes.
#[derive(Debug, Clone)]
pub struct Coverage(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    book: Book,
    store: Store,
}

/// The balance of a point on a day.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its place in the list that was asked for.
    pub place: usize,
    /// The day, see [`promise::day_of`].
    pub day: i32,
    /// The balance.
    pub balance: Balance,
}

impl Coverage {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last block that was counted, and its time.
    pub fn progress(&self) -> (u64, Timestamp) {
        let inner = self.lock();
        (inner.book.through, Timestamp::from_millis(inner.book.as_of))
    }

    /// The balances of points on days, those of which nothing is known left out.
    pub fn balances(
        &self,
        points: &[(PointKey, Arc<Point>)],
        days: RangeInclusive<i32>,
    ) -> Result<Vec<Line>, LedgerError> {
        let inner = self.lock();
        let from = Timestamp::from_millis(promise::day_begins(*days.start()));
        let to = Timestamp::from_millis(promise::day_begins(*days.end() + 1));
        let mut gaps: HashMap<&SiteId, Vec<GapEntry>> = HashMap::new();
        let mut lines = Vec::new();
        for (place, (key, point)) in points.iter().enumerate() {
            let of_site = match gaps.entry(&point.site) {
                std::collections::hash_map::Entry::Occupied(found) => found.into_mut(),
                std::collections::hash_map::Entry::Vacant(free) => {
                    let mut found = inner.gaps(&point.site, from, to, GAPS_MAX)?;
                    // Where two say the same stretch, the one that came first has said why.
                    found.sort_by_key(|gap| gap.received_at);
                    free.insert(found)
                }
            };
            let of_device = of_site.iter().filter(|gap| gap.device == point.device);
            let stretches: Vec<Stretch> = of_device.map(stretch).collect();
            for day in days.clone() {
                let mut counts = Counts::default();
                inner.store.counts(key.0, day, &mut counts)?;
                inner.book.unwritten(key.0, day, &mut counts);
                let promises = inner.book.promises(key.0);
                let balance = balance(promises, &counts, &stretches, day, inner.book.as_of);
                if balance != Balance::default() {
                    lines.push(Line {
                        place,
                        day,
                        balance,
                    });
                }
            }
        }
        Ok(lines)
    }

    /// What is promised of a point now, ms.
    pub fn every(&self, point: PointKey) -> Option<i64> {
        let inner = self.lock();
        Some(inner.book.promises(point.0)?.now()?.every)
    }

    /// The gap records of a site that touch `from..=to`, the latest first, at most `limit`.
    pub fn gaps(
        &self,
        site: &SiteId,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<GapEntry>, LedgerError> {
        self.lock().gaps(site, from, to, limit)
    }

    /// What a device sent, byte for byte, for `from..to`, by time, at most `limit` messages.
    pub fn raws(
        &self,
        site: &SiteId,
        device: &DeviceId,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<(RawHead, Vec<u8>)>, LedgerError> {
        let mut inner = self.lock();
        let Inner { book, store } = &mut *inner;
        store.save(book)?;
        store.raws(site, device, from, to, limit)
    }
}

impl Inner {
    fn gaps(
        &self,
        site: &SiteId,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<GapEntry>, LedgerError> {
        let is_asked =
            |gap: &&GapEntry| gap.site == *site && gap.gap.to >= from && gap.gap.from <= to;
        let mut found: Vec<GapEntry> = self.book.gaps().iter().filter(is_asked).cloned().collect();
        found.extend(self.store.gaps(site, from, to, limit)?);
        found.sort_by_key(|gap| std::cmp::Reverse(gap.gap.to));
        found.truncate(limit);
        Ok(found)
    }
}

fn stretch(gap: &GapEntry) -> Stretch {
    Stretch {
        from: gap.gap.from.as_millis(),
        to: gap.gap.to.as_millis(),
        reason: gap.gap.reason,
    }
}
