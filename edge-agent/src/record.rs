//! What one device gave at one time, as the bytes of a buffer block. Pure.
//!
//! `version u8 = 2, device (length u16, UTF-8), at i64, count u16`, then per reading `name (length u16, UTF-8),
//! time i32 (ms after at), quality u8` and `value f64` unless the quality says missing; then `raw (length u32)` and
//! `gap (length u16, JSON; empty if there is none)`. Little-endian. Names and not numbers, so that a changed
//! configuration cannot give waiting records another meaning. Version 1 (older buffers) had neither times, raw nor gap.

use contract::{DeviceId, Gap, PointName, Quality, Reading, Timestamp};

const OLD: u8 = 1;
const VERSION: u8 = 2;

/// What one device gave at one time: the answers to a poll, a message it sent, or the word that readings will never
/// come.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Which device.
    pub device: DeviceId,
    /// When it was asked, or the time its message names.
    pub at: Timestamp,
    /// What it said. A time further than 24 days from `at` cannot be kept: begin another record.
    pub readings: Vec<Reading>,
    /// What it sent, byte for byte; empty for devices that only answer questions. 64 KiB at most.
    pub raw: Vec<u8>,
    /// Readings of it that will never come.
    pub gap: Option<Gap>,
}

/// The bytes are not a record of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("buffer record cannot be read: {0}")]
pub struct DamagedRecord(&'static str);

impl Record {
    /// The readings of one device, without what it sent.
    pub fn of(device: DeviceId, at: Timestamp, readings: Vec<Reading>) -> Record {
        Record {
            device,
            at,
            readings,
            raw: Vec::new(),
            gap: None,
        }
    }

    /// The word that readings of a device will never come.
    pub fn gap(device: DeviceId, at: Timestamp, gap: Gap) -> Record {
        Record {
            gap: Some(gap),
            ..Record::of(device, at, Vec::new())
        }
    }

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(48 + self.readings.len() * 32 + self.raw.len());
        body.push(VERSION);
        put_text(&mut body, self.device.as_str());
        body.extend_from_slice(&self.at.as_millis().to_le_bytes());
        body.extend_from_slice(&(self.readings.len() as u16).to_le_bytes());
        for reading in &self.readings {
            put_text(&mut body, reading.point.as_str());
            let after = reading.at.since(self.at) as i32;
            body.extend_from_slice(&after.to_le_bytes());
            body.push(reading.quality.code());
            if let Some(value) = reading.value {
                body.extend_from_slice(&value.to_le_bytes());
            }
        }
        body.extend_from_slice(&(self.raw.len() as u32).to_le_bytes());
        body.extend_from_slice(&self.raw);
        let gap = self.gap.as_ref();
        let gap = gap.map(|gap| serde_json::to_string(gap).expect("a gap is always JSON"));
        put_text(&mut body, gap.as_deref().unwrap_or(""));
        body
    }

    /// The record in the bytes.
    pub fn decode(mut body: &[u8]) -> Result<Record, DamagedRecord> {
        let rest = &mut body;
        let [version] = take(rest)?;
        if version != VERSION && version != OLD {
            return Err(DamagedRecord("unknown version"));
        }
        let device = DeviceId::new(text(rest)?).map_err(|_| DamagedRecord("device name"))?;
        let at = Timestamp::from_millis(i64::from_le_bytes(take(rest)?));
        let count = u16::from_le_bytes(take(rest)?);
        let mut readings = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            readings.push(reading(rest, version, at)?);
        }
        let mut record = Record::of(device, at, readings);
        if version == VERSION {
            let length = u32::from_le_bytes(take(rest)?) as usize;
            record.raw = bytes(rest, length)?.to_vec();
            record.gap = match text(rest)? {
                "" => None,
                json => Some(serde_json::from_str(json).map_err(|_| DamagedRecord("gap"))?),
            };
        }
        Ok(record)
    }
}

fn reading(rest: &mut &[u8], version: u8, at: Timestamp) -> Result<Reading, DamagedRecord> {
    let point = PointName::new(text(rest)?).map_err(|_| DamagedRecord("point name"))?;
    let after = match version {
        OLD => 0,
        _ => i64::from(i32::from_le_bytes(take(rest)?)),
    };
    let [code] = take(rest)?;
    let quality = Quality::from_code(code);
    let value = match quality {
        Quality::Missing(_) => None,
        _ => Some(f64::from_le_bytes(take(rest)?)),
    };
    let at = at.plus_millis(after);
    Ok(Reading {
        point,
        at,
        value,
        quality,
    })
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(&(text.len() as u16).to_le_bytes());
    body.extend_from_slice(text.as_bytes());
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], DamagedRecord> {
    let (head, tail) = rest
        .split_first_chunk::<N>()
        .ok_or(DamagedRecord("cut off"))?;
    *rest = tail;
    Ok(*head)
}

fn text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, DamagedRecord> {
    let length = usize::from(u16::from_le_bytes(take(rest)?));
    std::str::from_utf8(bytes(rest, length)?).map_err(|_| DamagedRecord("text is not UTF-8"))
}

fn bytes<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], DamagedRecord> {
    let (head, tail) = rest
        .split_at_checked(length)
        .ok_or(DamagedRecord("cut off"))?;
    *rest = tail;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{Absence, Doubt, GapReason};

    #[test]
    fn a_record_survives_and_a_cut_one_is_refused() {
        let at = Timestamp::from_millis(1_764_000_000_000);
        let reading = |name: &str, value, quality| {
            Reading::new(PointName::new(name).unwrap(), at, value, quality)
        };
        let mut late = reading("late", Some(2.0), Quality::Good);
        late.at = at.plus_millis(-3_600_000);
        let gap = Gap {
            from: at,
            to: at.plus_millis(5),
            readings: 3,
            reason: GapReason::BufferFull,
            records: Some((4, 9)),
        };
        let record = Record {
            device: DeviceId::new("冷库").unwrap(),
            at,
            readings: vec![
                reading("温度", Some(-18.5), Quality::Good),
                reading("b", Some(1.0), Quality::Suspect(Doubt::OutOfRange)),
                reading("c", None, Quality::Missing(Absence::NoAnswer)),
                late,
            ],
            raw: b"##0101QN=...".to_vec(),
            gap: Some(gap),
        };
        let body = record.encode();
        assert_eq!(Record::decode(&body).unwrap(), record);
        for end in 0..body.len() {
            assert!(Record::decode(&body[..end]).is_err());
        }
    }

    #[test]
    fn a_record_of_an_older_buffer_is_read() {
        let mut body = vec![1, 1, 0, b'd'];
        body.extend_from_slice(&7i64.to_le_bytes());
        body.extend_from_slice(&[1, 0, 1, 0, b'x', 0]);
        body.extend_from_slice(&1.5f64.to_le_bytes());
        let record = Record::decode(&body).unwrap();
        let at = Timestamp::from_millis(7);
        let reading = Reading::new(PointName::new("x").unwrap(), at, Some(1.5), Quality::Good);
        assert_eq!(
            record,
            Record::of(DeviceId::new("d").unwrap(), at, vec![reading])
        );
    }
}
