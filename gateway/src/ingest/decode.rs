//! Reads Sparkplug B payloads where they lie, without allocation, and writes the two commands we send.
//!
//! Promise: any bytes give metrics or [`Malformed`], never a panic. Only the fields the gateway uses are
//! looked at; others are skipped by their wire type. Numbers follow `sparkplug_b.proto` of Sparkplug B 3.0.

use contract::{
    Timestamp,
    receipt::{self, Receipt},
};
use std::io::Read as _;

const INFLATED_MAX: u64 = 8 << 20;

/// The bytes are not a protobuf message of this shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("payload is not Sparkplug B protobuf: {0}")]
pub struct Malformed(pub &'static str);

/// The value of a metric as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Value<'a> {
    /// No value field.
    #[default]
    None,
    /// `int_value`.
    Int(u32),
    /// `long_value`.
    Long(u64),
    /// `float_value`.
    Float(f32),
    /// `double_value`.
    Double(f64),
    /// `boolean_value`.
    Bool(bool),
    /// `string_value`.
    Text(&'a [u8]),
    /// `bytes_value`.
    Bytes(&'a [u8]),
    /// A data set, template or extension.
    Other,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Metric<'a> {
    /// Name, if sent.
    pub name: Option<&'a [u8]>,
    /// Alias, if sent.
    pub alias: Option<u64>,
    /// Time of the metric, ms since 1970.
    pub timestamp: Option<u64>,
    /// Sparkplug data type code, 0 if not sent.
    pub datatype: u32,
    /// Sent from a buffer.
    pub is_historical: bool,
    /// Said to be absent.
    pub is_null: bool,
    /// The bytes of the property set, if sent; see [`property`].
    pub properties: Option<&'a [u8]>,
    /// The value.
    pub value: Value<'a>,
}

/// The head of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head<'a> {
    /// Payload time, ms since 1970.
    pub timestamp: Option<u64>,
    /// Sparkplug sequence number 0..=255.
    pub seq: Option<u64>,
    /// What the payload says it is (`SPBV1.0_COMPRESSED` for compressed ones).
    pub uuid: Option<&'a [u8]>,
    /// The body of a compressed payload.
    pub body: Option<&'a [u8]>,
    /// How many metrics follow.
    pub metrics: usize,
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

enum Field<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    fn varint(&mut self) -> Result<u64, Malformed> {
        let rest = &self.bytes[self.at..];
        match rest.first() {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                return Ok(u64::from(byte));
            }
            _ => {}
        }
        let mut n = 0u64;
        for (i, &byte) in rest.iter().enumerate().take(10) {
            n |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.at += i + 1;
                return Ok(n);
            }
        }
        Err(Malformed("a number is cut off or too long"))
    }

    #[inline(always)]
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let end = self
            .at
            .checked_add(length)
            .ok_or(Malformed("a length overflows"))?;
        let taken = self
            .bytes
            .get(self.at..end)
            .ok_or(Malformed("a field is cut off"))?;
        self.at = end;
        Ok(taken)
    }

    /// The next field's number and content; `None` at the end.
    #[inline(always)]
    fn field(&mut self) -> Result<Option<(u64, Field<'a>)>, Malformed> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.take(8)?.try_into().expect("eight bytes")),
            2 => {
                let length =
                    usize::try_from(self.varint()?).map_err(|_| Malformed("a length overflows"))?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed32(self.take(4)?.try_into().expect("four bytes")),
            _ => return Err(Malformed("a wire type is unknown")),
        };
        Ok(Some((tag >> 3, field)))
    }
}

/// The head of `payload`; also checks that its fields hang together.
pub fn head(payload: &[u8]) -> Result<Head<'_>, Malformed> {
    let mut cursor = Cursor {
        bytes: payload,
        at: 0,
    };
    let mut head = Head::default();
    while let Some((number, field)) = cursor.field()? {
        match (number, field) {
            (2, Field::Bytes(_)) => head.metrics += 1,
            (1, Field::Varint(n)) => head.timestamp = Some(n),
            (3, Field::Varint(n)) => head.seq = Some(n),
            (4, Field::Bytes(text)) => head.uuid = Some(text),
            (5, Field::Bytes(bytes)) => head.body = Some(bytes),
            _ => {}
        }
    }
    Ok(head)
}

/// The metrics of `payload`, in order.
pub fn metrics(payload: &[u8]) -> Metrics<'_> {
    Metrics(Cursor {
        bytes: payload,
        at: 0,
    })
}

/// Iterator of [`metrics`].
pub struct Metrics<'a>(Cursor<'a>);

impl<'a> Iterator for Metrics<'a> {
    type Item = Result<Metric<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.0.field() {
                Ok(Some((2, Field::Bytes(bytes)))) => return Some(metric(bytes)),
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(malformed) => {
                    self.0.at = self.0.bytes.len();
                    return Some(Err(malformed));
                }
            }
        }
    }
}

#[inline]
fn metric(bytes: &[u8]) -> Result<Metric<'_>, Malformed> {
    let mut cursor = Cursor { bytes, at: 0 };
    let mut metric = Metric::default();
    while let Some((number, field)) = cursor.field()? {
        match (number, field) {
            (2, Field::Varint(n)) => metric.alias = Some(n),
            (3, Field::Varint(n)) => metric.timestamp = Some(n),
            (4, Field::Varint(n)) => metric.datatype = n as u32,
            (13, Field::Fixed64(b)) => metric.value = Value::Double(f64::from_le_bytes(b)),
            (12, Field::Fixed32(b)) => metric.value = Value::Float(f32::from_le_bytes(b)),
            (10, Field::Varint(n)) => metric.value = Value::Int(n as u32),
            (11, Field::Varint(n)) => metric.value = Value::Long(n),
            (14, Field::Varint(n)) => metric.value = Value::Bool(n != 0),
            (1, Field::Bytes(text)) => metric.name = Some(text),
            (5, Field::Varint(n)) => metric.is_historical = n != 0,
            (7, Field::Varint(n)) => metric.is_null = n != 0,
            (9, Field::Bytes(set)) => metric.properties = Some(set),
            (15, Field::Bytes(text)) => metric.value = Value::Text(text),
            (16, Field::Bytes(bytes)) => metric.value = Value::Bytes(bytes),
            (16..=19, _) => metric.value = Value::Other,
            _ => {}
        }
    }
    Ok(metric)
}

/// The value of the property `key` in a property set.
pub fn property<'a>(set: &'a [u8], key: &str) -> Option<Value<'a>> {
    let mut cursor = Cursor { bytes: set, at: 0 };
    let (mut keys, mut wanted, mut values) = (0usize, None, 0usize);
    let mut found = Vec::new();
    while let Ok(Some((number, field))) = cursor.field() {
        match (number, field) {
            (1, Field::Bytes(name)) => {
                if name == key.as_bytes() {
                    wanted = Some(keys);
                }
                keys += 1;
            }
            (2, Field::Bytes(value)) => {
                found.push(value);
                values += 1;
            }
            _ => {}
        }
    }
    let value = *found.get(wanted.filter(|at| *at < values)?)?;
    let mut cursor = Cursor {
        bytes: value,
        at: 0,
    };
    while let Ok(Some((number, field))) = cursor.field() {
        match (number, field) {
            (3, Field::Varint(n)) => return Some(Value::Int(n as u32)),
            (4, Field::Varint(n)) => return Some(Value::Long(n)),
            (5, Field::Fixed32(b)) => return Some(Value::Float(f32::from_le_bytes(b))),
            (6, Field::Fixed64(b)) => return Some(Value::Double(f64::from_le_bytes(b))),
            (7, Field::Varint(n)) => return Some(Value::Bool(n != 0)),
            (8, Field::Bytes(text)) => return Some(Value::Text(text)),
            _ => {}
        }
    }
    None
}

/// The number a value means under a Sparkplug data type, or `None` if it is not a number.
#[inline]
pub fn number(value: Value<'_>, datatype: u32) -> Option<f64> {
    Some(match (value, datatype) {
        (Value::Double(v), _) => v,
        (Value::Float(v), _) => f64::from(v),
        (Value::Bool(v), _) => f64::from(u8::from(v)),
        (Value::Int(v), 1) => f64::from(v as u8 as i8),
        (Value::Int(v), 2) => f64::from(v as u16 as i16),
        (Value::Int(v), 3) => f64::from(v as i32),
        (Value::Int(v), _) => f64::from(v),
        (Value::Long(v), 1..=4) => v as i64 as f64,
        (Value::Long(v), _) => v as f64,
        (Value::None | Value::Text(_) | Value::Bytes(_) | Value::Other, _) => return None,
    })
}

/// True for the data types whose values are numbers.
pub fn is_numeric(datatype: u32) -> bool {
    matches!(datatype, 0..=11)
}

/// Payload of the command that asks an edge node for a new birth.
pub fn rebirth_request(now: Timestamp) -> Vec<u8> {
    let mut metric = Vec::new();
    put_bytes(&mut metric, 1, receipt::REBIRTH.as_bytes());
    put_number(&mut metric, 3, now.as_millis() as u64);
    put_number(&mut metric, 4, 11);
    put_number(&mut metric, 14, 1);
    command(now, &[metric])
}

/// Payload of a receipt.
pub fn receipt_command(now: Timestamp, said: &Receipt) -> Vec<u8> {
    let mut name = Vec::new();
    put_bytes(&mut name, 1, receipt::STREAM.as_bytes());
    put_number(&mut name, 4, 12);
    put_bytes(&mut name, 15, said.stream.as_bytes());
    let number = |name: &str, n| {
        let mut number = Vec::new();
        put_bytes(&mut number, 1, name.as_bytes());
        put_number(&mut number, 4, 8);
        put_number(&mut number, 11, n);
        number
    };
    let through = number(receipt::THROUGH, said.through);
    let highest = number(receipt::HIGHEST, said.highest);
    if said.also.is_empty() {
        return command(now, &[name, through, highest]);
    }
    let mut also = Vec::new();
    put_bytes(&mut also, 1, receipt::ALSO.as_bytes());
    put_number(&mut also, 4, 12);
    put_bytes(&mut also, 15, receipt::also_to_text(&said.also).as_bytes());
    command(now, &[name, through, highest, also])
}

fn command(now: Timestamp, metrics: &[Vec<u8>]) -> Vec<u8> {
    let mut payload = Vec::new();
    put_number(&mut payload, 1, now.as_millis() as u64);
    for metric in metrics {
        put_bytes(&mut payload, 2, metric);
    }
    payload
}

/// The payload in the body of a compressed one.
pub fn inflate(body: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut inflated = Vec::new();
    let read = if body.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(body)
            .take(INFLATED_MAX)
            .read_to_end(&mut inflated)
    } else {
        flate2::read::ZlibDecoder::new(body)
            .take(INFLATED_MAX)
            .read_to_end(&mut inflated)
    };
    match read {
        Ok(_) if (inflated.len() as u64) < INFLATED_MAX => Ok(inflated),
        _ => Err(Malformed(
            "the compressed body cannot be inflated within its limit",
        )),
    }
}

fn put_varint(to: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

fn put_number(to: &mut Vec<u8>, field: u64, n: u64) {
    put_varint(to, field << 3);
    put_varint(to, n);
}

fn put_bytes(to: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(to, field << 3 | 2);
    put_varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use srad_types::payload::{Metric as SradMetric, Payload, metric};

    #[test]
    fn a_receipt_is_read_back_by_another_implementation() {
        use srad_types::payload::Message;
        let now = Timestamp::from_millis(1_795_000_000_000);
        let mut said = Receipt {
            stream: "流-1".into(),
            through: 300,
            highest: 310,
            also: vec![(302, 305), (310, 310)],
        };
        let payload = Payload::decode(&receipt_command(now, &said)[..]).unwrap();
        assert_eq!(payload.timestamp, Some(1_795_000_000_000));
        assert_eq!(
            payload.metrics[0].value,
            Some(metric::Value::StringValue("流-1".into()))
        );
        assert_eq!(
            payload.metrics[1].value,
            Some(metric::Value::LongValue(300))
        );
        assert_eq!(
            payload.metrics[2].value,
            Some(metric::Value::LongValue(310))
        );
        assert_eq!(
            payload.metrics[3].value,
            Some(metric::Value::StringValue("302-305,310-310".into()))
        );
        said.also.clear();
        let short = Payload::decode(&receipt_command(now, &said)[..]).unwrap();
        assert_eq!(short.metrics.len(), 3);
        let payload = Payload::decode(&rebirth_request(now)[..]).unwrap();
        assert_eq!(
            payload.metrics[0].value,
            Some(metric::Value::BooleanValue(true))
        );
    }

    #[test]
    fn metrics_of_another_implementation_are_read_and_cut_ones_refused() {
        use srad_types::payload::Message;
        let payload = Payload {
            timestamp: Some(9),
            seq: Some(255),
            metrics: vec![
                SradMetric {
                    name: Some("温度".into()),
                    alias: Some(300),
                    timestamp: Some(1_795_000_000_000),
                    datatype: Some(3),
                    is_historical: Some(true),
                    value: Some(metric::Value::IntValue((-5i32) as u32)),
                    ..SradMetric::default()
                },
                SradMetric {
                    alias: Some(0),
                    is_null: Some(true),
                    ..SradMetric::default()
                },
            ],
            ..Payload::default()
        };
        let bytes = payload.encode_to_vec();
        let read = head(&bytes).unwrap();
        assert_eq!(
            (read.timestamp, read.seq, read.metrics),
            (Some(9), Some(255), 2)
        );
        let all: Vec<_> = metrics(&bytes).map(|m| m.unwrap()).collect();
        assert_eq!(all[0].name, Some("温度".as_bytes()));
        assert_eq!((all[0].alias, all[0].is_historical), (Some(300), true));
        assert_eq!(number(all[0].value, all[0].datatype), Some(-5.0));
        assert!(all[1].is_null && all[1].alias == Some(0));
        for length in 1..bytes.len() {
            let _ = head(&bytes[..length]);
            let _ = metrics(&bytes[..length]).count();
        }
        assert!(head(&bytes[..bytes.len() - 1]).is_err());
    }
}
