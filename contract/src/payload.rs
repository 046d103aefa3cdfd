//! Sparkplug B 3.0 payloads: the agent's births, data and deaths; the host's commands (`command`); a reader for all (`read`).
//!
//! Promise: what an encoder here writes, [`decode`] reads back; any bytes give a [`Message`] or a
//! [`PayloadError`], never a panic. Metrics of a device birth carry `is_null`: the birth says what there is,
//! only data says what was measured, so nothing is counted twice. Not promised: templates, data sets, arrays
//! (they are read as [`Scalar::Other`]).

mod command; // what a host asks of an agent
mod read; // any payload

pub use command::{
    Command, certificate_command, commands, configuration_command, order_command, rebirth_command,
    receipt_command, renew_command, wanted_command,
};
pub use read::{Message, Metric, PayloadError, Scalar, decode};

use crate::{
    Gap, PointName, Quality, Timestamp,
    control::{self, Report},
    receipt,
};
use srad_types::payload::{
    DataType, Message as _, Metric as Wire, Payload, PropertySet, PropertyValue, metric,
    property_value,
};

/// Name of the property that carries a point's unit in a device birth.
pub const UNIT: &str = "engUnit";
/// Name of the property that carries a point's factor code in a device birth.
pub const FACTOR: &str = "factor";
/// Name of the property that carries a reading's quality in data; absent means good.
pub const QUALITY: &str = "Quality";
/// Name of the property (UInt64, milliseconds) in a device birth with the longest time between two readings of the point,
/// where one is promised.
pub const EVERY: &str = "every";
/// A payload above this is refused unread.
pub const BYTES_MAX: usize = 1 << 20;
/// A payload with more metrics than this is refused.
pub const METRICS_MAX: usize = 10_000;

/// What a device birth says about one point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BirthPoint {
    /// Its name.
    pub name: PointName,
    /// The number that stands for it in data.
    pub alias: u64,
    /// Unit symbol.
    pub unit: String,
    /// Factor code, where there is one.
    pub factor: Option<String>,
    /// The longest time between two readings in milliseconds, where one is promised.
    pub every_ms: Option<u64>,
}

/// What a data message carries beside its readings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// What the device sent, byte for byte.
    pub raw: Option<&'a [u8]>,
    /// Readings of the device that will never come.
    pub gap: Option<&'a Gap>,
}

/// One reading in data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DataPoint {
    /// The number of the point in the birth.
    pub alias: u64,
    /// When it was measured.
    pub at: Timestamp,
    /// The value; `None` exactly when `quality` is missing.
    pub value: Option<f64>,
    /// How far it can be trusted.
    pub quality: Quality,
}

fn named(name: &str, datatype: DataType, value: metric::Value) -> Wire {
    let mut wire = Wire::new();
    wire.set_name(name.to_owned())
        .set_datatype(datatype)
        .set_value(value);
    wire
}

fn properties(
    list: impl IntoIterator<Item = (&'static str, DataType, property_value::Value)>,
) -> PropertySet {
    let mut set = PropertySet {
        keys: Vec::new(),
        values: Vec::new(),
    };
    for (key, datatype, value) in list {
        set.keys.push(key.to_owned());
        set.values.push(PropertyValue {
            r#type: Some(datatype as u32),
            is_null: None,
            value: Some(value),
        });
    }
    set
}

fn to_wire(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(0)
}

fn payload(at: Timestamp, seq: Option<u8>, metrics: Vec<Wire>) -> Vec<u8> {
    Payload {
        timestamp: Some(to_wire(at)),
        metrics,
        seq: seq.map(u64::from),
        uuid: None,
        body: None,
    }
    .encode_to_vec()
}

/// NBIRTH. Its `seq` is 0 by the standard; `first` is the oldest record number still held.
pub fn node_birth(at: Timestamp, bdseq: u64, stream: &str, first: u64) -> Vec<u8> {
    let mut sequence = Wire::new();
    sequence
        .set_name(receipt::SEQUENCE.to_owned())
        .set_alias(receipt::SEQUENCE_ALIAS)
        .set_datatype(DataType::UInt64)
        .set_null();
    let mut status = Wire::new();
    status
        .set_name(receipt::STATUS.to_owned())
        .set_datatype(DataType::String)
        .set_null();
    let mut reports = Wire::new();
    reports
        .set_name(control::CONTROL.to_owned())
        .set_datatype(DataType::String)
        .set_null();
    let mut metrics = vec![
        named(
            receipt::BDSEQ,
            DataType::UInt64,
            metric::Value::LongValue(bdseq),
        ),
        named(
            receipt::REBIRTH,
            DataType::Boolean,
            metric::Value::BooleanValue(false),
        ),
        named(
            receipt::STREAM,
            DataType::String,
            metric::Value::StringValue(stream.to_owned()),
        ),
        named(
            receipt::FIRST,
            DataType::UInt64,
            metric::Value::LongValue(first),
        ),
        sequence,
        status,
        reports,
    ];
    for wire in &mut metrics {
        wire.set_timestamp(to_wire(at));
    }
    payload(at, Some(0), metrics)
}

/// NDEATH: the will, and what is sent on an orderly stop.
pub fn node_death(at: Timestamp, bdseq: u64) -> Vec<u8> {
    let mut wire = named(
        receipt::BDSEQ,
        DataType::UInt64,
        metric::Value::LongValue(bdseq),
    );
    wire.set_timestamp(to_wire(at));
    payload(at, None, vec![wire])
}

/// DBIRTH.
pub fn device_birth<'a>(
    at: Timestamp,
    seq: u8,
    points: impl IntoIterator<Item = &'a BirthPoint>,
) -> Vec<u8> {
    let metrics = points.into_iter().map(|point| {
        let text = |text: &str| property_value::Value::StringValue(text.to_owned());
        let unit = (UNIT, DataType::String, text(&point.unit));
        let factor = point
            .factor
            .as_deref()
            .map(|f| (FACTOR, DataType::String, text(f)));
        let every = point.every_ms.map(|ms| {
            (
                EVERY,
                DataType::UInt64,
                property_value::Value::LongValue(ms),
            )
        });
        let mut wire = Wire::new();
        wire.set_name(point.name.as_str().to_owned())
            .set_alias(point.alias)
            .set_timestamp(to_wire(at))
            .set_datatype(DataType::Double)
            .set_null();
        wire.properties = Some(properties(std::iter::once(unit).chain(factor).chain(every)));
        wire
    });
    payload(at, Some(seq), metrics.collect())
}

/// DDEATH.
pub fn device_death(at: Timestamp, seq: u8) -> Vec<u8> {
    payload(at, Some(seq), Vec::new())
}

/// DDATA (or NDATA): one record of the stream.
pub fn data(
    at: Timestamp,
    seq: u8,
    sequence: u64,
    is_historical: bool,
    points: &[DataPoint],
    beside: Beside<'_>,
) -> Vec<u8> {
    let mut number = Wire::new();
    number
        .set_alias(receipt::SEQUENCE_ALIAS)
        .set_datatype(DataType::UInt64)
        .set_timestamp(to_wire(at))
        .set_value(metric::Value::LongValue(sequence));
    let mut metrics = Vec::with_capacity(points.len() + 1);
    metrics.push(number);
    for point in points {
        let mut wire = Wire::new();
        wire.set_alias(point.alias)
            .set_timestamp(to_wire(point.at))
            .set_datatype(DataType::Double);
        match point.value {
            Some(value) => wire.set_value(metric::Value::DoubleValue(value)),
            None => wire.set_null(),
        };
        if is_historical {
            wire.is_historical = Some(true);
        }
        if !point.quality.is_good() {
            let code = property_value::Value::IntValue(u32::from(point.quality.code()));
            wire.properties = Some(properties([(QUALITY, DataType::Int32, code)]));
        }
        metrics.push(wire);
    }
    if let Some(raw) = beside.raw {
        let bytes = metric::Value::BytesValue(raw.to_vec());
        metrics.push(named(receipt::RAW, DataType::Bytes, bytes));
    }
    if let Some(gap) = beside.gap {
        let text = serde_json::to_string(gap).expect("a gap is always JSON");
        let text = metric::Value::StringValue(text);
        metrics.push(named(receipt::GAP, DataType::String, text));
    }
    payload(at, Some(seq), metrics)
}

/// NDATA with an agent's word of how it does, as JSON.
pub fn node_status(at: Timestamp, seq: u8, json: String) -> Vec<u8> {
    let value = metric::Value::StringValue(json);
    let mut wire = named(receipt::STATUS, DataType::String, value);
    wire.set_timestamp(to_wire(at));
    payload(at, Some(seq), vec![wire])
}

/// NDATA with what became of an agent's last orders, as JSON.
pub fn node_control(at: Timestamp, seq: u8, reports: &[Report]) -> Vec<u8> {
    let json = serde_json::to_string(reports).expect("a report is always JSON");
    let value = metric::Value::StringValue(json);
    let mut wire = named(control::CONTROL, DataType::String, value);
    wire.set_timestamp(to_wire(at));
    payload(at, Some(seq), vec![wire])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Absence, Doubt};

    const AT: Timestamp = Timestamp::from_millis(1_764_000_000_123);

    #[test]
    fn a_device_birth_tells_unit_and_factor_and_no_value() {
        let point = BirthPoint {
            name: PointName::new("so2").unwrap(),
            alias: 7,
            unit: "mg/m3".into(),
            factor: Some("a21026".into()),
            every_ms: Some(5_000),
        };
        let message = decode(&device_birth(AT, 1, [&point])).unwrap();
        assert_eq!((message.seq, message.at), (Some(1), Some(AT)));
        let metric = &message.metrics[0];
        assert_eq!(metric.name.as_deref(), Some("so2"));
        assert_eq!(metric.alias, Some(7));
        assert_eq!(metric.unit.as_deref(), Some("mg/m3"));
        assert_eq!(metric.factor.as_deref(), Some("a21026"));
        assert_eq!(metric.value, Scalar::Null);
    }

    #[test]
    fn data_carries_the_record_number_first_and_the_quality_of_each_reading() {
        let point = |alias, value, quality| DataPoint {
            alias,
            at: AT.plus_millis(-5),
            value,
            quality,
        };
        let points = [
            point(1, Some(3.5), Quality::Good),
            point(2, Some(99.0), Quality::Suspect(Doubt::OutOfRange)),
            point(3, None, Quality::Missing(Absence::NoAnswer)),
        ];
        let message = decode(&data(AT, 255, 41, true, &points, Beside::default())).unwrap();
        assert_eq!(message.seq, Some(255));
        let [number, good, doubt, gone] = &message.metrics[..] else {
            panic!("{message:?}")
        };
        assert_eq!(
            (number.alias, &number.value),
            (Some(0), &Scalar::Unsigned(41))
        );
        assert_eq!((&good.value, good.quality_code), (&Scalar::Real(3.5), None));
        assert_eq!(doubt.quality_code, Some(1));
        assert_eq!((&gone.value, gone.quality_code), (&Scalar::Null, Some(64)));
        assert!(good.is_historical && gone.is_historical && !number.is_historical);
        assert_eq!(good.at, Some(AT.plus_millis(-5)));
    }

    #[test]
    fn a_node_birth_names_the_stream_and_the_death_that_belongs_to_it() {
        let birth = decode(&node_birth(AT, 9, "stream-1", 7)).unwrap();
        let find = |message: &Message, name: &str| {
            let metric = message
                .metrics
                .iter()
                .find(|m| m.name.as_deref() == Some(name));
            metric.unwrap().value.clone()
        };
        assert_eq!(birth.seq, Some(0));
        assert_eq!(find(&birth, receipt::BDSEQ), Scalar::Unsigned(9));
        assert_eq!(
            find(&birth, receipt::STREAM),
            Scalar::Text("stream-1".into())
        );
        assert_eq!(find(&birth, receipt::FIRST), Scalar::Unsigned(7));
        let death = decode(&node_death(AT, 9)).unwrap();
        assert_eq!(
            (find(&death, receipt::BDSEQ), death.seq),
            (Scalar::Unsigned(9), None)
        );
    }
}
