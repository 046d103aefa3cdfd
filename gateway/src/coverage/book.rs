//! The ledger's state: journal entries in, promises and counts out. Pure; the same blocks give the same book.

use super::balance::Counts;
use super::promise::{Promises, day_of, in_time_ms};
use crate::ingest::dictionary::PointKey;
use crate::ingest::record::{
    self, DamagedBody, DataHead, Entry, GapEntry, RawHead, Sample, Session,
};
use contract::{AgentId, Quality, SiteId};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is counted of a point and day. Absences are counted under their code, 64 and more.
pub mod kind {
    /// In time, with a value.
    pub const IN_TIME: u8 = 0;
    /// Late or historical, with a value.
    pub const LATE: u8 = 1;
    /// Of all readings, those where nothing was promised.
    pub const FREE: u8 = 2;
}

/// Point, day and kind.
pub type Place = (u32, i32, u8);

/// Numbers of a point's present day, apart from the map because most readings end here.
#[derive(Debug, Clone, Copy, Default)]
struct Today {
    day: i32,
    counts: [u64; 3],
}

/// See the module.
#[derive(Debug, Default)]
pub struct Book {
    promises: Vec<Option<Box<Promises>>>,
    of_agent: HashMap<(SiteId, AgentId), BTreeSet<u32>>,
    today: Vec<Today>,
    changes: Changes,
    /// The last block.
    pub through: u64,
    /// The time of the last entry, ms.
    pub as_of: i64,
}

/// What is not written down yet.
#[derive(Debug, Default)]
pub struct Changes {
    /// Points whose promises changed.
    pub promises: BTreeSet<u32>,
    /// Numbers to add.
    pub counts: HashMap<Place, u64>,
    /// Points with numbers in [`Today`].
    busy: Vec<u32>,
    /// Gap records.
    pub gaps: Vec<GapEntry>,
    /// What devices sent.
    pub raws: Vec<(RawHead, Vec<u8>)>,
    /// Bytes in `raws`.
    pub raw_bytes: usize,
}

fn at<T: Default + Clone>(list: &mut Vec<T>, place: u32) -> &mut T {
    let place = place as usize;
    if list.len() <= place {
        list.resize(place + 1, T::default());
    }
    &mut list[place]
}

impl Book {
    /// Takes back what was written down of a point.
    pub fn restore(&mut self, point: u32, promises: Promises, of: Option<(SiteId, AgentId)>) {
        *at(&mut self.promises, point) = Some(Box::new(promises));
        if let Some(agent) = of {
            self.of_agent.entry(agent).or_default().insert(point);
        }
    }

    /// What was promised of a point.
    pub fn promises(&self, point: u32) -> Option<&Promises> {
        self.promises.get(point as usize)?.as_deref()
    }

    /// Takes in a block. On damage what stands before it is in, and the block counts as done.
    pub fn take(&mut self, seq: u64, body: &[u8]) -> Result<(), DamagedBody> {
        self.through = seq;
        for entry in record::entries(body) {
            match entry? {
                Entry::Data(head, samples) => {
                    self.as_of = head.received_at.as_millis();
                    samples.for_each(|sample| self.reading(&head, &sample));
                }
                Entry::Tick(time) => self.as_of = time.as_millis(),
                Entry::Session(session) => self.session(&session),
                Entry::Gap(gap) => self.changes.gaps.push(gap),
                Entry::Raw(head, bytes) => {
                    self.changes.raw_bytes += bytes.len();
                    self.changes.raws.push((head, bytes.to_vec()));
                }
            }
        }
        Ok(())
    }

    fn session(&mut self, session: &Session) {
        let time = session.at.as_millis();
        self.as_of = time;
        if !session.is_online {
            // The promise stands: that nothing comes while an agent is away is what the ledger is for.
            return;
        }
        let agent = (session.site.clone(), session.agent.clone());
        if session.device.is_none() {
            for &point in self.of_agent.get(&agent).into_iter().flatten() {
                if let Some(Some(promises)) = self.promises.get_mut(point as usize) {
                    promises.end(time);
                    self.changes.promises.insert(point);
                }
            }
        }
        for &(PointKey(point), every) in &session.promises {
            let every = i64::try_from(every).unwrap_or(0);
            at(&mut self.promises, point)
                .get_or_insert_default()
                .promise(time, every);
            self.changes.promises.insert(point);
            self.of_agent
                .entry(agent.clone())
                .or_default()
                .insert(point);
        }
    }

    #[inline]
    fn reading(&mut self, head: &DataHead, sample: &Sample) {
        let (point, time) = (sample.point.0, sample.at_ms);
        let promises = self
            .promises
            .get_mut(point as usize)
            .and_then(Option::as_mut);
        let filled = promises.and_then(|promises| {
            let filled = promises.fill(time, head.is_historical)?;
            self.changes.promises.insert(point);
            Some(filled)
        });
        let (day, every) = filled.unwrap_or_else(|| (day_of(time), 0));
        let is_late = head.is_historical
            || head.received_at.as_millis().saturating_sub(time) > in_time_ms(every);
        match sample.quality {
            Quality::Missing(absence) => self.count(point, day, absence as u8),
            _ if is_late => self.count(point, day, kind::LATE),
            _ => self.count(point, day, kind::IN_TIME),
        }
        if filled.is_none() {
            self.count(point, day, kind::FREE);
        }
    }

    #[inline]
    fn count(&mut self, point: u32, day: i32, kind: u8) {
        let today = at(&mut self.today, point);
        let is_empty = today.counts == [0; 3];
        if usize::from(kind) < today.counts.len() && (is_empty || today.day == day) {
            if is_empty {
                self.changes.busy.push(point);
            }
            today.day = day;
            today.counts[usize::from(kind)] += 1;
        } else {
            *self.changes.counts.entry((point, day, kind)).or_default() += 1;
        }
    }

    /// What came of a point on a day and is not written down yet.
    pub fn unwritten(&self, point: u32, day: i32, to: &mut Counts) {
        let today = self.today.get(point as usize).copied().unwrap_or_default();
        if today.day == day {
            for (kind, n) in today.counts.into_iter().enumerate() {
                add(to, kind as u8, n);
            }
        }
        let first = self.changes.counts.get(&(point, day, kind::IN_TIME));
        let others = (kind::LATE..=kind::FREE).chain(64..=79);
        add(to, kind::IN_TIME, first.copied().unwrap_or(0));
        for kind in others {
            add(
                to,
                kind,
                self.changes
                    .counts
                    .get(&(point, day, kind))
                    .copied()
                    .unwrap_or(0),
            );
        }
    }

    /// What is to be written down; call [`Book::written`] when it is.
    pub fn changes(&mut self) -> &Changes {
        for point in std::mem::take(&mut self.changes.busy) {
            let today = std::mem::take(&mut self.today[point as usize]);
            for (kind, n) in today.counts.into_iter().enumerate().filter(|(_, n)| *n > 0) {
                let place = (point, today.day, kind as u8);
                *self.changes.counts.entry(place).or_default() += n;
            }
        }
        &self.changes
    }

    /// Everything of [`Book::changes`] is on disk.
    pub fn written(&mut self) {
        self.changes = Changes::default();
    }

    /// Gap records that are not written down yet.
    pub fn gaps(&self) -> &[GapEntry] {
        &self.changes.gaps
    }

    /// Bytes of what devices sent that are not written down yet.
    pub fn raw_bytes(&self) -> usize {
        self.changes.raw_bytes
    }
}

/// Adds a number of one kind.
pub fn add(to: &mut Counts, kind: u8, n: u64) {
    if n == 0 {
        return;
    }
    match kind {
        kind::IN_TIME => to.in_time += n,
        kind::LATE => to.late += n,
        kind::FREE => to.free += n,
        code => *to.absent.entry(code).or_default() += n,
    }
}

impl Changes {
    /// The numbers in an order that is the same whenever they are.
    pub fn sorted(&self) -> BTreeMap<Place, u64> {
        self.counts.iter().map(|(place, n)| (*place, *n)).collect()
    }
}
