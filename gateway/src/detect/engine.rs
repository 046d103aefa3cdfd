//! All rules at all points. Pure: a block goes in, signals come out.
//!
//! Most readings lie where no rule could be stirred by them; for these there is one comparison with the quiet
//! range of their point and nothing else. Time is that of readings and of journal entries.
//!
//! - A reading that was overtaken (back-fill) goes through a lane of its own, so that it neither moves what is
//!   known of the present nor is lost; one that is older than what its lane knows is counted and left.
//! - A reading from more than five minutes ahead of the gateway's clock is counted and left.
//! - Silence is not held against a point for the time in which the journal itself was silent.

pub use super::bind::Facts;
use super::{
    bind::{Backfill, Index, Instance},
    episode::{Told, Turn},
    lane::{Lane, Outcome, Ready, Seen},
    rule::{Measure, Rule},
    state::{DamagedState, In, Out},
    store::{Signal, Source},
};
use crate::ingest::{
    dictionary::{Dictionary, PointKey},
    record::{self, Entry, Sample},
};
use contract::{Quality, Timestamp};
use std::collections::BTreeSet;

const NEVER: i64 = i64::MIN;
/// Silence and blocks are looked at at most this often (journal time).
const LOOK_EVERY_MS: i64 = 1000;
/// How far a device's clock may be ahead.
const AHEAD_MS: i64 = 5 * 60_000;
/// A journal without an entry for so long was not being written.
const JOURNAL_SILENCE_MS: i64 = 60_000;
/// A back-fill that says nothing for so long is over.
const BACKFILL_MS: i64 = 10 * 60_000;
/// A block whose point fell silent is judged after this.
const BLOCK_GRACE_MS: i64 = 6 * 3_600_000;

/// What is kept of a point for every reading.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// A value strictly between stirs no rule. Empty while a rule of the point is at work.
    low: f64,
    high: f64,
    value: f64,
    at: i64,
    received: i64,
}

const FRESH: Slot = Slot {
    low: f64::NEG_INFINITY,
    high: f64::INFINITY,
    value: f64::NAN,
    at: NEVER,
    received: NEVER,
};

/// Readings that were left, by reason, since the journal began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// Older than what was known, twice over.
    pub late: u64,
    /// From a clock that is ahead.
    pub ahead: u64,
}

/// All rules at all points.
#[derive(Debug)]
pub struct Rules {
    index: Index,
    slots: Vec<Slot>,
    backfilling: BTreeSet<u32>,
    now: i64,
    looked: i64,
    /// When the journal was last taken up again after a silence of its own.
    resumed: i64,
    left: Left,
}

impl Rules {
    /// Rules to be bound to the points of `dictionary` as they appear. `time_scale` is 1 in earnest; training
    /// divides every time of a rule by it.
    pub fn new(rules: Vec<Rule>, facts: Facts, dictionary: Dictionary, time_scale: f64) -> Self {
        let ready = rules
            .into_iter()
            .map(|rule| Ready::new(rule, time_scale))
            .collect();
        Self {
            index: Index::new(ready, facts, dictionary),
            slots: Vec::new(),
            backfilling: BTreeSet::new(),
            now: NEVER,
            looked: NEVER,
            resumed: NEVER,
            left: Left::default(),
        }
    }

    /// Readings that were left, by reason.
    pub fn left(&self) -> Left {
        self.left
    }

    /// How many rules are at work at how many points.
    pub fn instances(&self) -> usize {
        self.index.instances.len()
    }

    /// Takes in a block; what it raised is added to `out`.
    pub fn take(
        &mut self,
        seq: u64,
        body: &[u8],
        out: &mut Vec<Signal>,
    ) -> Result<(), record::DamagedBody> {
        if self.index.is_behind() {
            self.bind();
        }
        for entry in record::entries(body) {
            match entry? {
                Entry::Data(head, samples) => {
                    let received = head.received_at.as_millis();
                    self.pass(seq, received, out);
                    for sample in samples {
                        self.reading(seq, received, &sample, out);
                    }
                }
                Entry::Tick(at) => self.pass(seq, at.as_millis(), out),
                Entry::Session(session) => self.pass(seq, session.at.as_millis(), out),
                Entry::Gap(gap) => self.pass(seq, gap.received_at.as_millis(), out),
                Entry::Raw(..) => {}
            }
        }
        Ok(())
    }

    fn bind(&mut self) {
        let known = self.slots.len();
        self.index.bind();
        self.slots.resize(self.index.by_point.len(), FRESH);
        for n in known..self.slots.len() {
            self.settle(n);
        }
    }

    #[inline]
    fn reading(&mut self, seq: u64, received: i64, sample: &Sample, out: &mut Vec<Signal>) {
        let n = sample.point.0 as usize;
        let Some(slot) = self.slots.get_mut(n) else {
            return;
        };
        let is_quiet = sample.value > slot.low && sample.value < slot.high;
        if is_quiet
            && sample.at_ms >= slot.at
            && sample.at_ms - received <= AHEAD_MS
            && sample.quality.is_good()
        {
            slot.value = sample.value;
            slot.at = sample.at_ms;
            slot.received = received;
            return;
        }
        self.stirring(seq, received, sample, out);
    }

    /// A reading that may stir a rule, or that is not as it should be.
    #[cold]
    fn stirring(&mut self, seq: u64, received: i64, sample: &Sample, out: &mut Vec<Signal>) {
        let n = sample.point.0 as usize;
        if matches!(sample.quality, Quality::Missing(_)) {
            return;
        }
        self.heard(seq, n, received, out);
        if !sample.quality.is_good() {
            return;
        }
        if sample.at_ms - received > AHEAD_MS {
            self.left.ahead += 1;
            return;
        }
        let is_overtaken = sample.at_ms < self.slots[n].at;
        if !is_overtaken {
            self.slots[n].value = sample.value;
            self.slots[n].at = sample.at_ms;
        }
        for k in 0..self.index.by_point[n].len() {
            let at = self.index.by_point[n][k];
            let instance = &self.index.instances[at as usize];
            let ready = &self.index.rules[instance.rule];
            if ready.rule.measure == Measure::Silence || sample.at_ms < instance.since_ms {
                continue;
            }
            let seen = self.seen(instance, ready, sample);
            let outcome = if is_overtaken {
                self.overtaken(at, seen, received)
            } else {
                let instance = &mut self.index.instances[at as usize];
                instance.lane.take(&self.index.rules[instance.rule], seen)
            };
            self.tell(at, seq, outcome, out);
        }
        self.settle(n);
    }

    fn rule(&self, at: u32) -> usize {
        self.index.instances[at as usize].rule
    }

    fn seen(&self, instance: &Instance, ready: &Ready, sample: &Sample) -> Seen {
        let beside = |key: Option<PointKey>| {
            let slot = self.slots.get(key?.0 as usize)?;
            ready.is_beside(slot.at, sample.at_ms).then_some(slot.value)
        };
        let is_on = match &ready.rule.only_while {
            None => true,
            Some(condition) => beside(instance.companion).is_some_and(|v| v > condition.above),
        };
        Seen {
            at: sample.at_ms,
            value: sample.value,
            is_awake: is_on && ready.works_at(sample.at_ms),
            oxygen: beside(instance.oxygen).unwrap_or(f64::NAN),
        }
    }

    fn overtaken(&mut self, at: u32, seen: Seen, received: i64) -> Option<Outcome> {
        let instance = &mut self.index.instances[at as usize];
        let ready = &self.index.rules[instance.rule];
        let backfill = instance.backfill.get_or_insert_with(|| {
            Box::new(Backfill {
                lane: Lane::new(ready),
                heard_ms: received,
            })
        });
        if seen.at < backfill.lane.last_at {
            self.left.late += 1;
            return None;
        }
        backfill.heard_ms = received;
        self.backfilling.insert(at);
        backfill.lane.take(ready, seen)
    }

    /// A point spoke: its silence, if it was one, is over.
    fn heard(&mut self, seq: u64, n: usize, received: i64, out: &mut Vec<Signal>) {
        if received <= self.slots[n].received {
            return;
        }
        self.slots[n].received = received;
        for k in 0..self.index.by_point[n].len() {
            let at = self.index.by_point[n][k];
            let instance = &mut self.index.instances[at as usize];
            let ready = &self.index.rules[instance.rule];
            if ready.rule.measure == Measure::Silence && instance.lane.episode.is_open() {
                let told = instance.lane.episode.end(received);
                self.tell(at, seq, Some((Turn::Closed, told)), out);
            }
        }
        self.settle(n);
    }

    /// The quiet range of a point: where all its rules are quiet, if none is at work.
    fn settle(&mut self, n: usize) {
        let mut range = (f64::NEG_INFINITY, f64::INFINITY);
        for at in &self.index.by_point[n] {
            let instance = &self.index.instances[*at as usize];
            let quiet = self.index.rules[instance.rule].quiet_range();
            match quiet {
                Some((low, high)) if instance.lane.episode.is_idle() => {
                    range = (range.0.max(low), range.1.min(high));
                }
                _ => range = (f64::INFINITY, f64::NEG_INFINITY),
            }
        }
        (self.slots[n].low, self.slots[n].high) = range;
    }

    /// Time passed.
    fn pass(&mut self, seq: u64, at: i64, out: &mut Vec<Signal>) {
        if at <= self.now {
            return;
        }
        if self.now == NEVER || at - self.now > JOURNAL_SILENCE_MS {
            self.resumed = at;
        }
        self.now = at;
        if self.looked == NEVER || at - self.looked >= LOOK_EVERY_MS {
            self.looked = at;
            self.look(seq, out);
        }
    }

    fn look(&mut self, seq: u64, out: &mut Vec<Signal>) {
        for k in 0..self.index.silences.len() {
            let at = self.index.silences[k];
            let instance = &mut self.index.instances[at as usize];
            let n = instance.point.0 as usize;
            let (heard, ready) = (self.slots[n].received, &self.index.rules[instance.rule]);
            if heard == NEVER {
                continue;
            }
            let is_open = instance.lane.episode.is_open();
            let silent = self.now - heard.max(self.resumed);
            if !ready.works_at(self.now) || (!is_open && silent <= ready.silence_max_ms()) {
                continue;
            }
            let outcome = instance.lane.silence(ready, heard, self.now);
            self.tell(at, seq, outcome, out);
            if !is_open {
                self.settle(n);
            }
        }
        for k in 0..self.index.blocks.len() {
            let at = self.index.blocks[k];
            let instance = &mut self.index.instances[at as usize];
            let heard = self.slots[instance.point.0 as usize].received;
            if heard == NEVER || self.now - heard < BLOCK_GRACE_MS {
                continue;
            }
            let ready = &self.index.rules[instance.rule];
            let outcome = instance.lane.pass(ready, self.now, BLOCK_GRACE_MS);
            self.tell(at, seq, outcome, out);
        }
        self.end_backfills(seq, out);
    }

    fn end_backfills(&mut self, seq: u64, out: &mut Vec<Signal>) {
        let is_over = |at: &u32| {
            let backfill = self.index.instances[*at as usize].backfill.as_ref();
            backfill.is_none_or(|b| self.now - b.heard_ms > BACKFILL_MS)
        };
        let over: Vec<u32> = self.backfilling.iter().copied().filter(is_over).collect();
        for at in over {
            self.backfilling.remove(&at);
            let Some(mut backfill) = self.index.instances[at as usize].backfill.take() else {
                continue;
            };
            if backfill.lane.episode.is_open() {
                let told = backfill.lane.episode.end(backfill.lane.last_at);
                self.tell(at, seq, Some((Turn::Closed, told)), out);
            }
        }
    }

    fn tell(&self, at: u32, seq: u64, outcome: Option<Outcome>, out: &mut Vec<Signal>) {
        let Some((_, told)) = outcome else { return };
        let instance = &self.index.instances[at as usize];
        out.extend(self.signal(instance, seq, told));
    }

    fn signal(&self, instance: &Instance, seq: u64, told: Told) -> Option<Signal> {
        let rule = &self.index.rules[instance.rule].rule;
        let point = self.index.point(instance.point)?;
        let opened_at = Timestamp::from_millis(told.opened_at);
        let is_timed = matches!(rule.measure, Measure::Silence | Measure::Stuck);
        Some(Signal {
            id: Signal::identity(&rule.id, point, opened_at),
            source: Source::Rule {
                id: rule.id.clone(),
                version: rule.version,
            },
            site: point.site.clone(),
            device: point.device.clone(),
            point: point.name.clone(),
            severity: rule.severity,
            escalated: None,
            opened_at,
            last_at: Timestamp::from_millis(told.last_at),
            closed_at: told.closed_at.map(Timestamp::from_millis),
            measured: told.measured,
            peak: told.peak,
            limit: Some(rule.limit),
            unit: if is_timed {
                "min".into()
            } else {
                rule.unit.clone()
            },
            journal_seq: seq,
        })
    }

    /// All state as bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = Out::default();
        for time in [
            self.now,
            self.looked,
            self.resumed,
            self.left.late as i64,
            self.left.ahead as i64,
        ] {
            out.int(time);
        }
        out.short(self.index.rules.len() as u32);
        for ready in &self.index.rules {
            out.text(&name(ready));
        }
        out.short(self.slots.len() as u32);
        for (slot, instances) in self.slots.iter().zip(&self.index.by_point) {
            out.float(slot.value);
            out.int(slot.at);
            out.int(slot.received);
            out.short(instances.len() as u32);
            for at in instances {
                self.write_instance(&self.index.instances[*at as usize], &mut out);
            }
        }
        out.0
    }

    fn write_instance(&self, instance: &Instance, out: &mut Out) {
        out.short(instance.rule as u32);
        let mut state = Out::default();
        instance.lane.write(&mut state);
        state.short(u32::from(instance.backfill.is_some()));
        if let Some(backfill) = &instance.backfill {
            state.int(backfill.heard_ms);
            backfill.lane.write(&mut state);
        }
        out.bytes(&state.0);
    }

    /// Takes over the state of a snapshot. A rule that is new, or whose version changed, begins anew.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), DamagedState> {
        self.bind();
        let from = &mut In(bytes);
        self.now = from.int()?;
        self.looked = from.int()?;
        self.resumed = from.int()?;
        self.left = Left {
            late: from.int()? as u64,
            ahead: from.int()? as u64,
        };
        let names = (0..from.short()?)
            .map(|_| from.text())
            .collect::<Result<Vec<_>, _>>()?;
        let current: Vec<Option<usize>> = names
            .iter()
            .map(|known| {
                self.index
                    .rules
                    .iter()
                    .position(|ready| name(ready) == *known)
            })
            .collect();
        for n in 0..from.short()? as usize {
            let (value, at, received) = (from.float()?, from.int()?, from.int()?);
            if let Some(slot) = self.slots.get_mut(n) {
                *slot = Slot {
                    value,
                    at,
                    received,
                    ..*slot
                };
            }
            for _ in 0..from.short()? {
                let rule = current
                    .get(from.short()? as usize)
                    .copied()
                    .ok_or(DamagedState)?;
                let state = from.bytes()?;
                if let Some(rule) = rule {
                    self.read_instance(n, rule, &mut In(state))?;
                }
            }
            if n < self.slots.len() {
                self.settle(n);
            }
        }
        Ok(())
    }

    fn read_instance(
        &mut self,
        n: usize,
        rule: usize,
        from: &mut In<'_>,
    ) -> Result<(), DamagedState> {
        let Some(list) = self.index.by_point.get(n) else {
            return Ok(());
        };
        let Some(at) = list.iter().copied().find(|at| self.rule(*at) == rule) else {
            return Ok(());
        };
        let ready = &self.index.rules[rule];
        let lane = Lane::read(ready, from)?;
        let backfill = match from.short()? {
            0 => None,
            _ => {
                let heard_ms = from.int()?;
                Some(Box::new(Backfill {
                    lane: Lane::read(ready, from)?,
                    heard_ms,
                }))
            }
        };
        if backfill.is_some() {
            self.backfilling.insert(at);
        }
        let instance = &mut self.index.instances[at as usize];
        instance.lane = lane;
        instance.backfill = backfill;
        Ok(())
    }
}

fn name(ready: &Ready) -> String {
    format!("{}@{}", ready.rule.id, ready.rule.version)
}
