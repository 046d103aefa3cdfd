//! How entries stand in the body of a journal block. Pure; the only code that knows these bytes.
//!
//! A body is entries one after another: `kind u8, length u32 LE, bytes`. An unknown kind is skipped by its
//! length, so an older gateway can read a newer journal.
//!
//! | kind | bytes |
//! |---|---|
//! | 1 data | `flags u8` (1 historical, 2 plain telemetry), `received_at i64`, `edge_at i64`, `sequence u64` (0 = none), `base i64`, `count u16`, then per reading: zigzag varint of the point number's difference to the previous one (first: to 0), zigzag varint of its time minus `base` in ms, `quality u8`, and `f64` LE unless the quality says missing |
//! | 2 tick | `at i64`: time passed; written when nothing else was, so that rules about silence can be replayed |
//! | 3 session | JSON of [`Session`] |
//! | 4 gap | JSON of [`GapEntry`]: readings of a device that will never come |
//! | 5 raw | `length u16`, that many bytes JSON of [`RawHead`], then what the device sent, byte for byte |
//!
//! All integers are little-endian, all times milliseconds since 1970.

use super::dictionary::PointKey;
use contract::{AgentId, DeviceId, Gap, Quality, SiteId, Timestamp};
use serde::{Deserialize, Serialize};

const DATA: u8 = 1;
const TICK: u8 = 2;
const SESSION: u8 = 3;
const GAP: u8 = 4;
const RAW: u8 = 5;
const HEADER: usize = 5;
const DATA_FIXED: usize = 1 + 8 * 4 + 2;

/// A reading as the journal keeps it. `value` is NaN exactly when the quality is missing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Which point.
    pub point: PointKey,
    /// Device time, ms since 1970.
    pub at_ms: i64,
    /// The value in the point's unit, NaN if missing.
    pub value: f64,
    /// The quality.
    pub quality: Quality,
}

/// The head of a data entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataHead {
    /// True if it was sent from the agent's buffer after an interruption.
    pub is_historical: bool,
    /// True if it came as plain JSON telemetry and not as Sparkplug.
    pub is_plain: bool,
    /// When the gateway received it.
    pub received_at: Timestamp,
    /// When the agent sent it (payload time).
    pub edge_at: Timestamp,
    /// The agent's record number; 0 if the sender does not number.
    pub sequence: u64,
}

/// A change of an agent's or device's session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// When the gateway learned of it.
    pub at: Timestamp,
    /// The site.
    pub site: SiteId,
    /// The agent.
    pub agent: AgentId,
    /// The device, for device births and deaths.
    pub device: Option<DeviceId>,
    /// Birth (true) or death (false).
    pub is_online: bool,
    /// In a birth of a device: its points with the longest time between two readings in ms that is promised from now on;
    /// 0 takes a promise back. Points that never had one are not named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub promises: Vec<(PointKey, u64)>,
}

/// Readings of a device that will never come, as the agent said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapEntry {
    /// When the gateway received it.
    pub received_at: Timestamp,
    /// The site.
    pub site: SiteId,
    /// The agent.
    pub agent: AgentId,
    /// The device.
    pub device: DeviceId,
    /// The agent's record number; 0 if the sender does not number.
    pub sequence: u64,
    /// What is missing, and why.
    pub gap: Gap,
}

/// The head of what a device sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawHead {
    /// Device time of the first reading of the same record; when the agent sent it if it has none.
    pub at: Timestamp,
    /// When the agent sent it.
    pub edge_at: Timestamp,
    /// When the gateway received it.
    pub received_at: Timestamp,
    /// The site.
    pub site: SiteId,
    /// The agent.
    pub agent: AgentId,
    /// The device.
    pub device: DeviceId,
    /// The agent's record number; 0 if the sender does not number.
    pub sequence: u64,
}

/// One entry of a block.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry<'a> {
    /// Readings of one device (or node).
    Data(DataHead, Samples<'a>),
    /// Time passed.
    Tick(Timestamp),
    /// An agent or device came or went.
    Session(Session),
    /// Readings of a device will never come.
    Gap(GapEntry),
    /// What a device sent, byte for byte.
    Raw(RawHead, &'a [u8]),
}

/// Why a body cannot be read. It was written by this code and is covered by the hash chain, so this means a
/// defect or a journal of an unknown version, never a sender's mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("journal block body is damaged at byte {at}: {what}")]
pub struct DamagedBody {
    at: usize,
    what: &'static str,
}

/// Builds a body.
#[derive(Debug, Default)]
pub struct Encoder {
    body: Vec<u8>,
    readings: u64,
}

impl Encoder {
    /// An encoder with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            body: Vec::with_capacity(bytes),
            readings: 0,
        }
    }

    /// Appends a data entry. `samples` of one message; an empty slice writes nothing.
    pub fn data(&mut self, head: DataHead, samples: &[Sample]) {
        let Some(first) = samples.first() else { return };
        debug_assert!(samples.len() <= usize::from(u16::MAX));
        let start = self.begin(DATA);
        let flags = u8::from(head.is_historical) | u8::from(head.is_plain) << 1;
        let base = first.at_ms;
        self.body.push(flags);
        self.body
            .extend_from_slice(&head.received_at.as_millis().to_le_bytes());
        self.body
            .extend_from_slice(&head.edge_at.as_millis().to_le_bytes());
        self.body.extend_from_slice(&head.sequence.to_le_bytes());
        self.body.extend_from_slice(&base.to_le_bytes());
        self.body
            .extend_from_slice(&(samples.len() as u16).to_le_bytes());
        let mut previous = 0i64;
        for sample in samples {
            let point = i64::from(sample.point.0);
            put_varint(&mut self.body, zigzag(point - previous));
            previous = point;
            put_varint(&mut self.body, zigzag(sample.at_ms.wrapping_sub(base)));
            self.body.push(sample.quality.code());
            if !matches!(sample.quality, Quality::Missing(_)) {
                self.body.extend_from_slice(&sample.value.to_le_bytes());
            }
        }
        self.readings += samples.len() as u64;
        self.end(start);
    }

    /// Appends a tick.
    pub fn tick(&mut self, at: Timestamp) {
        let start = self.begin(TICK);
        self.body.extend_from_slice(&at.as_millis().to_le_bytes());
        self.end(start);
    }

    /// Appends a session change.
    pub fn session(&mut self, session: &Session) {
        let start = self.begin(SESSION);
        serde_json::to_writer(&mut self.body, session).expect("a session is always JSON");
        self.end(start);
    }

    /// Appends a gap record.
    pub fn gap(&mut self, gap: &GapEntry) {
        let start = self.begin(GAP);
        serde_json::to_writer(&mut self.body, gap).expect("a gap is always JSON");
        self.end(start);
    }

    /// Appends what a device sent.
    pub fn raw(&mut self, head: &RawHead, bytes: &[u8]) {
        let start = self.begin(RAW);
        let head = serde_json::to_vec(head).expect("a head is always JSON");
        let length = u16::try_from(head.len()).expect("names are at most 64 characters long");
        self.body.extend_from_slice(&length.to_le_bytes());
        self.body.extend_from_slice(&head);
        self.body.extend_from_slice(bytes);
        self.end(start);
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// True if nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Readings so far.
    pub fn readings(&self) -> u64 {
        self.readings
    }

    /// The body and the number of readings in it.
    pub fn finish(self) -> (Vec<u8>, u64) {
        (self.body, self.readings)
    }

    fn begin(&mut self, kind: u8) -> usize {
        self.body.push(kind);
        self.body.extend_from_slice(&[0; 4]);
        self.body.len()
    }

    fn end(&mut self, start: usize) {
        let length = (self.body.len() - start) as u32;
        self.body[start - 4..start].copy_from_slice(&length.to_le_bytes());
    }
}

/// The entries of a body, in order.
pub fn entries(body: &[u8]) -> Entries<'_> {
    Entries { body, at: 0 }
}

/// Iterator of [`entries`].
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, DamagedBody>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = &self.body[self.at..];
            if rest.is_empty() {
                return None;
            }
            let at = self.at;
            let damaged = |what| DamagedBody { at, what };
            if rest.len() < HEADER {
                self.at = self.body.len();
                return Some(Err(damaged("the entry's head is cut off")));
            }
            let length = u32::from_le_bytes(rest[1..5].try_into().expect("four bytes")) as usize;
            let Some(bytes) = rest.get(HEADER..HEADER + length) else {
                self.at = self.body.len();
                return Some(Err(damaged("the entry is cut off")));
            };
            self.at += HEADER + length;
            return Some(match rest[0] {
                DATA => data(bytes).ok_or(damaged("the data head is cut off")),
                TICK => int(bytes, 0)
                    .map(|ms| Entry::Tick(Timestamp::from_millis(ms)))
                    .ok_or(damaged("the tick is cut off")),
                SESSION => serde_json::from_slice(bytes)
                    .map(Entry::Session)
                    .map_err(|_| damaged("the session is not JSON")),
                GAP => serde_json::from_slice(bytes)
                    .map(Entry::Gap)
                    .map_err(|_| damaged("the gap is not JSON")),
                RAW => raw(bytes).ok_or(damaged("the head of what a device sent is damaged")),
                _ => continue,
            });
        }
    }
}

fn int(bytes: &[u8], at: usize) -> Option<i64> {
    Some(i64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn data(bytes: &[u8]) -> Option<Entry<'_>> {
    let count = u16::from_le_bytes(bytes.get(33..35)?.try_into().ok()?);
    let head = DataHead {
        is_historical: bytes[0] & 1 != 0,
        is_plain: bytes[0] & 2 != 0,
        received_at: Timestamp::from_millis(int(bytes, 1)?),
        edge_at: Timestamp::from_millis(int(bytes, 9)?),
        sequence: int(bytes, 17)? as u64,
    };
    Some(Entry::Data(
        head,
        Samples {
            bytes: &bytes[DATA_FIXED..],
            base: int(bytes, 25)?,
            previous: 0,
            left: count,
        },
    ))
}

fn raw(bytes: &[u8]) -> Option<Entry<'_>> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (head, sent) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some(Entry::Raw(serde_json::from_slice(head).ok()?, sent))
}

/// The readings of a data entry. Ends early if the bytes are damaged; compare with [`Samples::remaining`].
#[derive(Debug, Clone, PartialEq)]
pub struct Samples<'a> {
    bytes: &'a [u8],
    base: i64,
    previous: i64,
    left: u16,
}

impl Samples<'_> {
    /// How many readings are still to come.
    pub fn remaining(&self) -> usize {
        usize::from(self.left)
    }
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    #[inline]
    fn next(&mut self) -> Option<Sample> {
        if self.left == 0 {
            return None;
        }
        let point = self
            .previous
            .wrapping_add(unzigzag(take_varint(&mut self.bytes)?));
        let at_ms = self
            .base
            .wrapping_add(unzigzag(take_varint(&mut self.bytes)?));
        let (&code, rest) = self.bytes.split_first()?;
        let quality = Quality::from_code(code);
        let value = if matches!(quality, Quality::Missing(_)) {
            self.bytes = rest;
            f64::NAN
        } else {
            let (value, rest) = rest.split_first_chunk::<8>()?;
            self.bytes = rest;
            f64::from_le_bytes(*value)
        };
        self.previous = point;
        self.left -= 1;
        Some(Sample {
            point: PointKey(u32::try_from(point).ok()?),
            at_ms,
            value,
            quality,
        })
    }
}

fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

fn put_varint(to: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

#[inline]
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for (i, &byte) in bytes.iter().enumerate().take(10) {
        n |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *bytes = &bytes[i + 1..];
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{Absence, Doubt};

    #[test]
    fn entries_survive_the_round_trip_and_unknown_kinds_are_skipped() {
        let head = DataHead {
            is_historical: true,
            is_plain: false,
            received_at: Timestamp::from_millis(1_795_000_000_123),
            edge_at: Timestamp::from_millis(1_795_000_000_100),
            sequence: 77,
        };
        let sample = |point, at_ms, value, quality| Sample {
            point: PointKey(point),
            at_ms,
            value,
            quality,
        };
        let samples = [
            sample(1000, 1_795_000_000_000, -18.4, Quality::Good),
            sample(
                1001,
                1_795_000_000_000,
                3e300,
                Quality::Suspect(Doubt::OutOfRange),
            ),
            sample(3, i64::MIN, f64::NAN, Quality::Missing(Absence::NoAnswer)),
            sample(u32::MAX, 0, 0.0, Quality::Good),
        ];
        let session = Session {
            at: Timestamp::from_millis(5),
            site: SiteId::new("s").unwrap(),
            agent: AgentId::new("a").unwrap(),
            device: None,
            is_online: false,
            promises: vec![(PointKey(7), 60_000)],
        };
        let at = Timestamp::from_millis;
        let (site, agent) = (session.site.clone(), session.agent.clone());
        let device = DeviceId::new("d").unwrap();
        let gap = GapEntry {
            received_at: at(9),
            site: site.clone(),
            agent: agent.clone(),
            device: device.clone(),
            sequence: 8,
            gap: Gap {
                from: at(1),
                to: at(2),
                readings: 4,
                reason: contract::GapReason::BufferFull,
                records: Some((3, 7)),
            },
        };
        let sent = RawHead {
            at: at(1),
            edge_at: at(2),
            received_at: at(3),
            site,
            agent,
            device,
            sequence: 9,
        };
        let mut encoder = Encoder::default();
        encoder.data(head, &samples);
        encoder.body.extend_from_slice(&[200, 2, 0, 0, 0, 9, 9]);
        encoder.tick(Timestamp::from_millis(42));
        encoder.session(&session);
        encoder.gap(&gap);
        encoder.raw(&sent, b"##0101QN=\xff\r\n");
        let (body, readings) = encoder.finish();
        assert_eq!(readings, 4);

        let mut read = entries(&body);
        let Some(Ok(Entry::Data(read_head, read_samples))) = read.next() else {
            panic!("no data entry")
        };
        assert_eq!(read_head, head);
        let read_samples: Vec<_> = read_samples.collect();
        assert_eq!(read_samples.len(), 4);
        for (a, b) in read_samples.iter().zip(&samples) {
            assert_eq!(
                (a.point, a.at_ms, a.quality, a.value.to_bits()),
                (b.point, b.at_ms, b.quality, b.value.to_bits())
            );
        }
        assert_eq!(
            read.next(),
            Some(Ok(Entry::Tick(Timestamp::from_millis(42))))
        );
        assert_eq!(read.next(), Some(Ok(Entry::Session(session))));
        assert_eq!(read.next(), Some(Ok(Entry::Gap(gap))));
        let expected = Entry::Raw(sent, b"##0101QN=\xff\r\n");
        assert_eq!(read.next(), Some(Ok(expected)));
        assert_eq!(read.next(), None);
    }

    #[test]
    fn a_cut_body_is_an_error_and_never_a_panic() {
        let mut encoder = Encoder::default();
        let now = Timestamp::from_millis(1);
        let head = DataHead {
            is_historical: false,
            is_plain: true,
            received_at: now,
            edge_at: now,
            sequence: 0,
        };
        encoder.data(
            head,
            &[Sample {
                point: PointKey(1),
                at_ms: 1,
                value: 1.0,
                quality: Quality::Good,
            }],
        );
        let (body, _) = encoder.finish();
        for length in 1..body.len() {
            assert!(
                entries(&body[..length]).any(|e| e.is_err()),
                "cut at {length}"
            );
        }
    }
}
