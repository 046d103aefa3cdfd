//! One poll of one device, as the bytes of a buffer block. Pure.
//!
//! `version u8 = 1, device (length u16, UTF-8), at i64, count u16`, then per reading `name (length u16, UTF-8),
//! quality u8` and `value f64` unless the quality says missing. Little-endian. Names and not numbers, so that a
//! changed configuration cannot give waiting records another meaning. All readings of a poll have its time.

use contract::{DeviceId, PointName, Quality, Reading, Timestamp};

const VERSION: u8 = 1;

/// One poll of one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Which device.
    pub device: DeviceId,
    /// When it was asked.
    pub at: Timestamp,
    /// What it said.
    pub readings: Vec<Reading>,
}

/// The bytes are not a record of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("buffer record cannot be read: {0}")]
pub struct DamagedRecord(&'static str);

impl Record {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(32 + self.readings.len() * 32);
        body.push(VERSION);
        put_text(&mut body, self.device.as_str());
        body.extend_from_slice(&self.at.as_millis().to_le_bytes());
        body.extend_from_slice(&(self.readings.len() as u16).to_le_bytes());
        for reading in &self.readings {
            put_text(&mut body, reading.point.as_str());
            body.push(reading.quality.code());
            if let Some(value) = reading.value {
                body.extend_from_slice(&value.to_le_bytes());
            }
        }
        body
    }

    /// The record in the bytes.
    pub fn decode(mut body: &[u8]) -> Result<Record, DamagedRecord> {
        let rest = &mut body;
        if take::<1>(rest)? != [VERSION] {
            return Err(DamagedRecord("unknown version"));
        }
        let device = DeviceId::new(text(rest)?).map_err(|_| DamagedRecord("device name"))?;
        let at = Timestamp::from_millis(i64::from_le_bytes(take(rest)?));
        let count = u16::from_le_bytes(take(rest)?);
        let mut readings = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let point = PointName::new(text(rest)?).map_err(|_| DamagedRecord("point name"))?;
            let [code] = take(rest)?;
            let quality = Quality::from_code(code);
            let value = match quality {
                Quality::Missing(_) => None,
                _ => Some(f64::from_le_bytes(take(rest)?)),
            };
            readings.push(Reading {
                point,
                at,
                value,
                quality,
            });
        }
        Ok(Record {
            device,
            at,
            readings,
        })
    }
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
    let (head, tail) = rest
        .split_at_checked(length)
        .ok_or(DamagedRecord("cut off"))?;
    *rest = tail;
    std::str::from_utf8(head).map_err(|_| DamagedRecord("name is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{Absence, Doubt};

    #[test]
    fn a_record_survives_and_a_cut_one_is_refused() {
        let at = Timestamp::from_millis(1_764_000_000_000);
        let reading = |name: &str, value, quality| {
            Reading::new(PointName::new(name).unwrap(), at, value, quality)
        };
        let record = Record {
            device: DeviceId::new("冷库").unwrap(),
            at,
            readings: vec![
                reading("温度", Some(-18.5), Quality::Good),
                reading("b", Some(1.0), Quality::Suspect(Doubt::OutOfRange)),
                reading("c", None, Quality::Missing(Absence::NoAnswer)),
            ],
        };
        let body = record.encode();
        assert_eq!(Record::decode(&body).unwrap(), record);
        for end in 0..body.len() {
            assert!(Record::decode(&body[..end]).is_err());
        }
    }
}
