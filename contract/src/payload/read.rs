//! Reads any payload.

use super::{BYTES_MAX, FACTOR, METRICS_MAX, QUALITY, UNIT};
use crate::Timestamp;
use srad_types::payload::{
    DataType, Message as _, Metric as Wire, Payload, metric, property_value,
};

/// A payload that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Payload time.
    pub at: Option<Timestamp>,
    /// Sparkplug sequence number.
    pub seq: Option<u64>,
    /// The metrics in order.
    pub metrics: Vec<Metric>,
}

/// A metric that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Name, if sent.
    pub name: Option<String>,
    /// Alias, if sent.
    pub alias: Option<u64>,
    /// Its own time.
    pub at: Option<Timestamp>,
    /// Sent from a buffer.
    pub is_historical: bool,
    /// The value.
    pub value: Scalar,
    /// The unit property.
    pub unit: Option<String>,
    /// The factor property.
    pub factor: Option<String>,
    /// The quality property's code as it stands on the wire.
    pub quality_code: Option<u32>,
}

/// A value that was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// `is_null`, or no value at all.
    Null,
    /// A signed integer of any width.
    Signed(i64),
    /// An unsigned integer of any width, or a date.
    Unsigned(u64),
    /// A float or double.
    Real(f64),
    /// A Boolean.
    Bool(bool),
    /// A string, text or UUID.
    Text(String),
    /// Anything else.
    Other,
}

/// Why a payload cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Longer than [`BYTES_MAX`].
    #[error("payload of {0} bytes is longer than {BYTES_MAX}")]
    TooLong(usize),
    /// More metrics than [`METRICS_MAX`].
    #[error("payload has {0} metrics, more than {METRICS_MAX}")]
    TooMany(usize),
    /// Not protobuf of this shape.
    #[error("payload is not Sparkplug B")]
    Malformed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Reads any Sparkplug B payload.
pub fn decode(bytes: &[u8]) -> Result<Message, PayloadError> {
    if bytes.len() > BYTES_MAX {
        return Err(PayloadError::TooLong(bytes.len()));
    }
    let payload = Payload::decode(bytes).map_err(|error| PayloadError::Malformed(error.into()))?;
    if payload.metrics.len() > METRICS_MAX {
        return Err(PayloadError::TooMany(payload.metrics.len()));
    }
    Ok(Message {
        at: payload.timestamp.map(from_wire),
        seq: payload.seq,
        metrics: payload.metrics.into_iter().map(read).collect(),
    })
}

fn from_wire(ms: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn read(wire: Wire) -> Metric {
    let (mut unit, mut factor, mut quality_code) = (None, None, None);
    if let Some(set) = wire.properties {
        for (key, property) in set.keys.into_iter().zip(set.values) {
            match (key.as_str(), property.value) {
                (UNIT, Some(property_value::Value::StringValue(text))) => unit = Some(text),
                (FACTOR, Some(property_value::Value::StringValue(text))) => factor = Some(text),
                (QUALITY, Some(property_value::Value::IntValue(code))) => quality_code = Some(code),
                _ => {}
            }
        }
    }
    let datatype = wire.datatype.and_then(|code| DataType::try_from(code).ok());
    let value = if wire.is_null == Some(true) {
        None
    } else {
        wire.value
    };
    Metric {
        name: wire.name,
        alias: wire.alias,
        at: wire.timestamp.map(from_wire),
        is_historical: wire.is_historical == Some(true),
        value: scalar(datatype, value),
        unit,
        factor,
        quality_code,
    }
}

/// Sparkplug sends signed integers as the unsigned bits of their width.
fn scalar(datatype: Option<DataType>, value: Option<metric::Value>) -> Scalar {
    use metric::Value as V;
    match (datatype, value) {
        (_, None) => Scalar::Null,
        (Some(DataType::Int8), Some(V::IntValue(n))) => Scalar::Signed(i64::from(n as u8 as i8)),
        (Some(DataType::Int16), Some(V::IntValue(n))) => Scalar::Signed(i64::from(n as u16 as i16)),
        (Some(DataType::Int32), Some(V::IntValue(n))) => Scalar::Signed(i64::from(n as i32)),
        (Some(DataType::Int64), Some(V::LongValue(n))) => Scalar::Signed(n as i64),
        (_, Some(V::IntValue(n))) => Scalar::Unsigned(u64::from(n)),
        (_, Some(V::LongValue(n))) => Scalar::Unsigned(n),
        (_, Some(V::FloatValue(x))) => Scalar::Real(f64::from(x)),
        (_, Some(V::DoubleValue(x))) => Scalar::Real(x),
        (_, Some(V::BooleanValue(yes))) => Scalar::Bool(yes),
        (_, Some(V::StringValue(text))) => Scalar::Text(text),
        (_, Some(_)) => Scalar::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_and_giants_are_refused() {
        assert!(matches!(
            decode(&[0xFF; 40]),
            Err(PayloadError::Malformed(_))
        ));
        assert!(matches!(
            decode(&vec![0; BYTES_MAX + 1]),
            Err(PayloadError::TooLong(_))
        ));
        let mut state = 7u32;
        for length in 0..2_000 {
            let bytes: Vec<u8> = (0..length % 97)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            let _ = decode(&bytes);
        }
    }
}
