//! What the gateway knows of one agent between its birth and its death: names, numbers, what was received.
//!
//! Pure: no clock, no I/O. The Sparkplug host side of one edge node: births define metrics, data is read by
//! alias or name, a gap in `seq` or data before birth asks for a rebirth (at most every five seconds), an
//! NDEATH counts only for the birth with its `bdSeq`. For agents that number their records it also says which
//! were already received, so that a record sent again is journaled once.

use super::beside::{Beside, Origin, Ours, is_ours};
use super::decode::{self, Head, Malformed, Metric, Value, property};
use super::dictionary::{Point, PointKey};
use super::metric::{Came, edge_time, sample, text_property, unknown_metric, whole};
use super::ranges::Ranges;
use super::record::{DataHead, Sample};
use super::refused::Reason;
use super::table::{Slot, Table};
use contract::{
    AgentId, DeviceId, PointName, SiteId, Timestamp,
    control::Report,
    payload::EVERY,
    receipt::{self, Receipt},
};

/// A rebirth is asked for at most this often.
pub const REBIRTH_EVERY_MS: i64 = 5_000;
/// Devices of one agent at most.
pub const DEVICES_MAX: usize = 10_000;
/// Streams remembered of one agent at most; the oldest is forgotten.
const STREAMS_MAX: usize = 16;
const YEAR_2000_MS: i64 = 946_684_800_000;
const DAY_MS: i64 = 86_400_000;

/// What is wrong with a part of a message, in words for the refused log.
pub type Fault = (Reason, String);

/// Tells a time that cannot be a measurement time. Nothing is ever rewritten.
#[inline]
pub fn check_time(at_ms: i64, now: Timestamp) -> Option<Reason> {
    if at_ms < YEAR_2000_MS {
        Some(Reason::TimeAncient)
    } else if at_ms > now.as_millis() + DAY_MS {
        Some(Reason::TimeAhead)
    } else {
        None
    }
}

#[derive(Debug)]
struct Stream {
    name: String,
    /// On disk.
    committed: Ranges,
    /// On disk or on the way there.
    staged: Ranges,
}

impl Stream {
    /// Notes the number of a record and those it gives up; false, and nothing is noted, if there is no room.
    fn stage(&mut self, sequence: u64, beside: &Beside<'_>) -> bool {
        let mut given_up = beside.given_up().peekable();
        if given_up.peek().is_none() {
            return self.staged.insert(sequence);
        }
        let mut staged = self.staged.clone();
        let fits = given_up.all(|(from, to)| staged.insert_range(from, to));
        let fits = fits && staged.insert(sequence);
        if fits {
            self.staged = staged;
        }
        fits
    }
}

/// What a data message turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// Journal the samples under this head. `numbered` is the stream's place if the record has a number.
    Journal {
        /// Head of the entry.
        head: DataHead,
        /// Which stream the record's number belongs to.
        numbered: Option<usize>,
    },
    /// The record is on disk or on the way; only the receipt is to be said again.
    Duplicate {
        /// Which stream.
        stream: usize,
    },
    /// Nothing of it can be used.
    Refused,
}

/// What a birth changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Birth {
    /// Head for the readings the birth carried, if they are to be journaled.
    pub head: DataHead,
    /// The stream the agent announced, if it did: it wants receipts.
    pub stream: Option<usize>,
}

/// The session of one agent.
#[derive(Debug)]
pub struct Node {
    /// Its site.
    pub site: SiteId,
    /// Its name.
    pub agent: AgentId,
    table: Table,
    devices: Vec<(DeviceId, Table)>,
    expected_seq: Option<u8>,
    bd_seq: Option<u64>,
    stream: Option<usize>,
    streams: Vec<Stream>,
    asked_at: Option<Timestamp>,
    /// When anything came from it last.
    heard_at: Option<Timestamp>,
    /// What it said last of itself, and when.
    status: Option<(Timestamp, serde_json::Value)>,
    /// What it said last of the orders it was given.
    reports: Vec<Report>,
}

impl Node {
    /// An agent that was not heard of since the gateway started; `streams` is what the journal knows of it.
    pub fn new(site: SiteId, agent: AgentId, streams: Vec<(String, Ranges)>) -> Self {
        let streams = streams
            .into_iter()
            .map(|(name, committed)| Stream {
                name,
                staged: committed.clone(),
                committed,
            })
            .collect();
        Self {
            site,
            agent,
            table: Table::default(),
            devices: Vec::new(),
            expected_seq: None,
            bd_seq: None,
            stream: None,
            streams,
            asked_at: None,
            heard_at: None,
            status: None,
            reports: Vec::new(),
        }
    }

    /// True between birth and death.
    pub fn is_online(&self) -> bool {
        self.table.is_online
    }

    /// When anything came from it last, since the gateway started.
    pub fn heard_at(&self) -> Option<Timestamp> {
        self.heard_at
    }

    /// What it said last of itself, and when that came.
    pub fn status(&self) -> Option<&(Timestamp, serde_json::Value)> {
        self.status.as_ref()
    }

    /// What it said last of the orders it was given.
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// The devices heard of, and whether each is online.
    pub fn devices(&self) -> impl Iterator<Item = (&DeviceId, bool)> {
        self.devices.iter().map(|(id, table)| (id, table.is_online))
    }

    /// Whose a message of `device` (or of the node itself) is.
    pub(super) fn origin(&self, device: Option<usize>) -> Origin {
        Origin {
            site: self.site.clone(),
            agent: self.agent.clone(),
            device: self.device_id(device),
        }
    }

    fn device_id(&self, device: Option<usize>) -> DeviceId {
        match device {
            Some(at) => self.devices[at].0.clone(),
            None => DeviceId::new(self.agent.as_str()).expect("an agent's name is a device's name"),
        }
    }

    /// The place of a device; `None` if there are too many.
    pub fn device(&mut self, device: &DeviceId) -> Option<usize> {
        if let Some(at) = self.devices.iter().position(|(id, _)| id == device) {
            return Some(at);
        }
        if self.devices.len() >= DEVICES_MAX {
            return None;
        }
        self.devices.push((device.clone(), Table::default()));
        Some(self.devices.len() - 1)
    }

    /// True if a rebirth should be asked for now; asking is remembered.
    pub fn may_ask_rebirth(&mut self, now: Timestamp) -> bool {
        let may = self
            .asked_at
            .is_none_or(|at| now.since(at) >= REBIRTH_EVERY_MS || at > now);
        if may {
            self.asked_at = Some(now);
        }
        may
    }

    /// Follows the payload's `seq`; false if something was lost before it.
    #[inline]
    fn follow_seq(&mut self, head: &Head<'_>) -> bool {
        let Some(seq) = head.seq else { return true };
        let seq = seq as u8;
        let is_next = self.expected_seq.is_none_or(|expected| expected == seq);
        self.expected_seq = Some(seq.wrapping_add(1));
        is_next
    }

    /// A birth of the node (`device` is `None`) or of a device. `intern` gives each point its number.
    #[allow(clippy::too_many_arguments)]
    pub fn birth(
        &mut self,
        device: Option<usize>,
        head: &Head<'_>,
        payload: &[u8],
        now: Timestamp,
        intern: &mut dyn FnMut(Point) -> PointKey,
        samples: &mut Vec<Sample>,
        faults: &mut Vec<Fault>,
    ) -> Result<Birth, Malformed> {
        let mut table = Table::default();
        table.is_online = true;
        let (mut stream, mut bd_seq, mut first) = (None, None, None);
        self.heard_at = Some(now);
        let device_id = self.device_id(device);
        let mut is_historical = false;
        for metric in decode::metrics(payload) {
            let metric = metric?;
            let name = metric.name.and_then(|name| std::str::from_utf8(name).ok());
            match name {
                Some(receipt::STREAM) => {
                    if let Value::Text(text) = metric.value {
                        stream = std::str::from_utf8(text).ok().map(str::to_owned);
                    }
                    table.set(&metric, Slot::Ignored);
                    continue;
                }
                Some(receipt::SEQUENCE) => {
                    table.set(&metric, Slot::Sequence);
                    continue;
                }
                Some(receipt::FIRST) => {
                    first = whole(metric.value);
                    table.set(&metric, Slot::Ignored);
                    continue;
                }
                Some(receipt::BDSEQ) => {
                    bd_seq = whole(metric.value);
                    table.set(&metric, Slot::Ignored);
                    continue;
                }
                Some(ours) if ours.starts_with(receipt::PREFIX) => {
                    let slot = Ours::named(ours).map_or(Slot::Ignored, Slot::Beside);
                    table.set(&metric, slot);
                    continue;
                }
                Some(control)
                    if control.starts_with("Node Control/")
                        || control.starts_with("Device Control/") =>
                {
                    table.set(&metric, Slot::Ignored);
                    continue;
                }
                _ => {}
            }
            if !decode::is_numeric(metric.datatype)
                || matches!(
                    metric.value,
                    Value::Text(_) | Value::Bytes(_) | Value::Other
                )
            {
                table.set(&metric, Slot::Ignored);
                continue;
            }
            let point = match name.map(PointName::new) {
                Some(Ok(point)) => point,
                Some(Err(error)) => {
                    faults.push((Reason::BadName, error.to_string()));
                    table.set(&metric, Slot::Ignored);
                    continue;
                }
                None => {
                    faults.push((
                        Reason::BadName,
                        "a metric of a birth has no readable name".into(),
                    ));
                    table.set(&metric, Slot::Ignored);
                    continue;
                }
            };
            let key = intern(Point {
                site: self.site.clone(),
                agent: Some(self.agent.clone()),
                device: device_id.clone(),
                name: point,
                unit: text_property(&metric, "engUnit"),
                factor: text_property(&metric, "factor"),
                every_ms: promised(&metric),
            });
            let slot = Slot::Point {
                key,
                datatype: metric.datatype,
            };
            table.set(&metric, slot);
            is_historical |= metric.is_historical;
            // A birth may announce a metric it has no value for yet; that is not an absence to journal.
            let has_value = metric.value != Value::None && !metric.is_null;
            if let Some(at_ms) = metric.timestamp.or(head.timestamp).filter(|_| has_value) {
                sample(
                    &metric,
                    key,
                    metric.datatype,
                    at_ms as i64,
                    Came {
                        now,
                        is_numbered: false,
                    },
                    samples,
                    faults,
                );
            }
        }
        match device {
            Some(at) => {
                self.devices[at].1 = table;
                if !self.follow_seq(head) {
                    faults.push((
                        Reason::NoBirth,
                        "a message was lost before this device birth".into(),
                    ));
                }
            }
            None => {
                if table.find(&sequence_metric()) == Slot::Unknown {
                    table.set(&sequence_metric(), Slot::Sequence);
                }
                self.table = table;
                self.bd_seq = bd_seq;
                self.expected_seq = head.seq.map(|seq| (seq as u8).wrapping_add(1));
                for (_, device) in &mut self.devices {
                    device.is_online = false;
                }
                self.stream = stream.map(|name| self.open_stream(name, first));
                self.asked_at = None;
            }
        }
        if self.stream.is_some() {
            // A numbered agent sends its readings as records; the birth only repeats them.
            samples.clear();
        }
        Ok(Birth {
            head: DataHead {
                is_historical,
                is_plain: false,
                received_at: now,
                edge_at: edge_time(head, now),
                sequence: 0,
            },
            stream: self.stream,
        })
    }

    fn open_stream(&mut self, name: String, first: Option<u64>) -> usize {
        let at = match self.streams.iter().position(|s| s.name == name) {
            Some(at) => at,
            None => {
                let stream = Stream {
                    name,
                    committed: Ranges::default(),
                    staged: Ranges::default(),
                };
                if self.streams.len() < STREAMS_MAX {
                    self.streams.push(stream);
                    self.streams.len() - 1
                } else {
                    self.streams.rotate_left(1);
                    self.streams[STREAMS_MAX - 1] = stream;
                    STREAMS_MAX - 1
                }
            }
        };
        // What the agent no longer holds was released by a receipt: it cannot be asked for again.
        if let Some(first) = first.filter(|first| *first > 1) {
            self.streams[at].committed.insert_range(1, first - 1);
            self.streams[at].staged.insert_range(1, first - 1);
        }
        at
    }

    /// A data message of the node or of a device. `samples` gets its readings, `beside` what else it carries.
    ///
    /// The flag of the answer is true when a rebirth is needed.
    #[allow(clippy::too_many_arguments)]
    pub fn data<'a>(
        &mut self,
        device: Option<usize>,
        head: &Head<'_>,
        payload: &'a [u8],
        now: Timestamp,
        beside: &mut Beside<'a>,
        samples: &mut Vec<Sample>,
        faults: &mut Vec<Fault>,
    ) -> Result<(Taken, bool), Malformed> {
        self.heard_at = Some(now);
        let is_born = self.table.is_online && device.is_none_or(|at| self.devices[at].1.is_online);
        if !is_born {
            self.expected_seq = None;
            faults.push((Reason::NoBirth, "data came before the birth".into()));
            return Ok((Taken::Refused, true));
        }
        let mut needs_rebirth = !self.follow_seq(head);
        let node = &self.table;
        let table = device.map_or(node, |at| &self.devices[at].1);
        let (mut sequence, mut is_historical, mut unknown) = (0u64, false, 0usize);
        for metric in decode::metrics(payload) {
            let metric = metric?;
            let mut slot = table.find(&metric);
            if slot == Slot::Unknown {
                slot = node.find(&metric);
            }
            if slot == Slot::Unknown && is_ours(&metric) {
                let name = metric.name.and_then(|name| std::str::from_utf8(name).ok());
                slot = name
                    .and_then(Ours::named)
                    .map_or(Slot::Ignored, Slot::Beside);
            }
            match slot {
                Slot::Point { key, datatype } => {
                    is_historical |= metric.is_historical;
                    match metric.timestamp.or(head.timestamp) {
                        Some(at_ms) => {
                            let is_numbered = sequence > 0;
                            let came = Came { now, is_numbered };
                            sample(&metric, key, datatype, at_ms as i64, came, samples, faults)
                        }
                        None => faults.push((
                            Reason::NoTime,
                            "neither metric nor payload has a time".into(),
                        )),
                    }
                }
                Slot::Sequence => sequence = whole(metric.value).unwrap_or(0),
                Slot::Beside(ours) => beside.take(ours, metric.value, faults),
                Slot::Ignored => {}
                Slot::Unknown => {
                    if unknown == 0 {
                        faults.push((Reason::UnknownMetric, unknown_metric(&metric)));
                    }
                    unknown += 1;
                }
            }
        }
        needs_rebirth |= unknown > 0;
        beside.check(sequence, now, faults);
        if let Some(status) = beside.status.take() {
            self.status = Some((now, status));
        }
        if let Some(reports) = beside.reports.take() {
            self.reports = reports;
        }
        let mut numbered = None;
        if sequence > 0 {
            let Some(at) = self.stream else {
                faults.push((
                    Reason::NoBirth,
                    "a numbered record came without OneDoor/Stream in the birth".into(),
                ));
                return Ok((Taken::Refused, true));
            };
            if self.streams[at].staged.contains(sequence) {
                return Ok((Taken::Duplicate { stream: at }, needs_rebirth));
            }
            // Without a receipt the record is sent again, after the rebirth, complete.
            if unknown > 0 || !self.streams[at].stage(sequence, beside) {
                return Ok((Taken::Refused, needs_rebirth));
            }
            numbered = Some(at);
        }
        let edge_at = edge_time(head, now);
        let head = DataHead {
            is_historical,
            is_plain: false,
            received_at: now,
            edge_at,
            sequence,
        };
        Ok((Taken::Journal { head, numbered }, needs_rebirth))
    }

    /// A death. True if something that was online is now offline.
    pub fn death(
        &mut self,
        device: Option<usize>,
        head: &Head<'_>,
        payload: &[u8],
        now: Timestamp,
    ) -> bool {
        self.heard_at = Some(now);
        if let Some(at) = device {
            self.follow_seq(head);
            return std::mem::take(&mut self.devices[at].1.is_online);
        }
        let bd_seq = decode::metrics(payload)
            .flatten()
            .find(|m| m.name == Some(receipt::BDSEQ.as_bytes()))
            .and_then(|m| whole(m.value));
        if bd_seq.is_some() && self.bd_seq.is_some() && bd_seq != self.bd_seq {
            return false;
        }
        self.lost()
    }

    /// The connection ended without a death. True if the agent was online.
    pub fn lost(&mut self) -> bool {
        self.expected_seq = None;
        for (_, device) in &mut self.devices {
            device.is_online = false;
        }
        std::mem::take(&mut self.table.is_online)
    }

    /// Key and value of the journal note that says what will have been received of a stream.
    pub fn note(&self, stream: usize) -> Option<(String, Vec<u8>)> {
        let stream = self.streams.get(stream)?;
        Some((
            format!("stream/{}/{}", self.agent, stream.name),
            stream.staged.to_text().into_bytes(),
        ))
    }

    /// The numbers staged so far are on disk.
    pub fn committed(&mut self, stream: usize, numbers: &Numbers) {
        if let Some(stream) = self.streams.get_mut(stream) {
            for &(from, to) in numbers {
                stream.committed.insert_range(from, to);
            }
        }
    }

    /// What was staged and not committed did not happen.
    pub fn failed(&mut self, stream: usize) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.staged = stream.committed.clone();
        }
    }

    /// What to say of a stream: the record through which it is on disk without a gap, some of what is on disk beyond, and
    /// the highest number heard of.
    pub fn receipt(&self, stream: usize) -> Option<Receipt> {
        let stream = self.streams.get(stream)?;
        Some(Receipt {
            stream: stream.name.clone(),
            through: stream.committed.through(),
            highest: stream.staged.highest(),
            also: receipt::few(stream.committed.beyond()),
        })
    }
}

/// Inclusive ranges of record numbers in the order they came.
pub type Numbers = Vec<(u64, u64)>;

/// The longest time between two readings that a birth promises, in ms.
fn promised(metric: &Metric<'_>) -> Option<u64> {
    const MAX_MS: u64 = 366 * DAY_MS as u64;
    let every = metric.properties.and_then(|set| property(set, EVERY));
    every.and_then(whole).filter(|ms| (1..=MAX_MS).contains(ms))
}

fn sequence_metric() -> Metric<'static> {
    Metric {
        alias: Some(receipt::SEQUENCE_ALIAS),
        name: Some(receipt::SEQUENCE.as_bytes()),
        ..Metric::default()
    }
}
