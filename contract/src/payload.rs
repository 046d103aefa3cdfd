//! Sparkplug B 3.0 payloads: the agent's births, data and deaths, the host's commands, and a reader for all.
//!
//! Promise: what an encoder here writes, [`decode`] reads back; any bytes give a [`Message`] or a
//! [`PayloadError`], never a panic. Metrics of a device birth carry `is_null`: the birth says what there is,
//! only data says what was measured, so nothing is counted twice. Not promised: templates, data sets, arrays
//! (they are read as [`Scalar::Other`]).

use crate::{
    Gap, PointName, Quality, Timestamp,
    configuration::Desired,
    control::{self, Order, Report},
    receipt::{self, Receipt},
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

/// The NCMD that gives an agent an order for one of its devices.
pub fn order_command(at: Timestamp, order: &Order) -> Vec<u8> {
    let json = serde_json::to_string(order).expect("an order is always JSON");
    let value = metric::Value::StringValue(json);
    payload(
        at,
        None,
        vec![named(control::ORDER, DataType::String, value)],
    )
}

/// The NCMD that says "journaled through N".
pub fn receipt_command(at: Timestamp, receipt: &Receipt) -> Vec<u8> {
    let stream = metric::Value::StringValue(receipt.stream.clone());
    let through = metric::Value::LongValue(receipt.through);
    let highest = metric::Value::LongValue(receipt.highest);
    let mut metrics = vec![
        named(receipt::STREAM, DataType::String, stream),
        named(receipt::THROUGH, DataType::UInt64, through),
        named(receipt::HIGHEST, DataType::UInt64, highest),
    ];
    if !receipt.also.is_empty() {
        let also = metric::Value::StringValue(receipt::also_to_text(&receipt.also));
        metrics.push(named(receipt::ALSO, DataType::String, also));
    }
    payload(at, None, metrics)
}

/// The NCMD that asks for a new birth.
pub fn rebirth_command(at: Timestamp) -> Vec<u8> {
    let yes = metric::Value::BooleanValue(true);
    payload(
        at,
        None,
        vec![named(receipt::REBIRTH, DataType::Boolean, yes)],
    )
}

/// The NCMD that asks an agent to renew its certificate.
pub fn renew_command(at: Timestamp) -> Vec<u8> {
    let yes = metric::Value::BooleanValue(true);
    payload(
        at,
        None,
        vec![named(receipt::RENEW, DataType::Boolean, yes)],
    )
}

/// The NCMD that carries an agent's new certificate, PEM.
pub fn certificate_command(at: Timestamp, certificate: &str) -> Vec<u8> {
    let pem = metric::Value::StringValue(certificate.to_owned());
    payload(
        at,
        None,
        vec![named(receipt::CERTIFICATE, DataType::String, pem)],
    )
}

/// The NCMD that carries the configuration an agent is to run.
pub fn configuration_command(at: Timestamp, desired: &Desired) -> Vec<u8> {
    let json = serde_json::to_string(desired).expect("a configuration is always JSON");
    let text = metric::Value::StringValue(json);
    payload(
        at,
        None,
        vec![named(receipt::CONFIGURATION, DataType::String, text)],
    )
}

/// An NCMD that asks for sealed originals.
pub fn wanted_command(at: Timestamp, wanted: &[String]) -> Vec<u8> {
    let few = &wanted[..wanted.len().min(receipt::WANTED_MAX)];
    let json = serde_json::to_string(few).expect("texts are always JSON");
    let text = metric::Value::StringValue(json);
    payload(
        at,
        None,
        vec![named(receipt::WANTED, DataType::String, text)],
    )
}

/// What a host may ask of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Records are journaled.
    Receipt(Receipt),
    /// Send the births again.
    Rebirth,
    /// Ask for a new certificate.
    Renew,
    /// The new certificate, PEM.
    Certificate(String),
    /// A device is to do something.
    Order(Box<Order>),
    /// Run this.
    Configuration(Desired),
    /// Send these sealed originals, by SHA-256.
    Wanted(Vec<String>),
}

/// The commands in an NCMD. Metrics that are none of ours are left out.
pub fn commands(bytes: &[u8]) -> Result<Vec<Command>, PayloadError> {
    let message = decode(bytes)?;
    let mut commands = Vec::new();
    let (mut stream, mut through, mut highest, mut also) = (None, None, None, Vec::new());
    for metric in message.metrics {
        match (metric.name.as_deref(), metric.value) {
            (Some(receipt::REBIRTH), Scalar::Bool(true)) => commands.push(Command::Rebirth),
            (Some(receipt::RENEW), Scalar::Bool(true)) => commands.push(Command::Renew),
            (Some(receipt::CERTIFICATE), Scalar::Text(pem)) => {
                commands.push(Command::Certificate(pem));
            }
            (Some(control::ORDER), Scalar::Text(json)) => {
                let order = serde_json::from_str(&json);
                let order = order.map_err(|error| PayloadError::Malformed(error.into()))?;
                commands.push(Command::Order(Box::new(order)));
            }
            (Some(receipt::CONFIGURATION), Scalar::Text(text)) => {
                let desired = serde_json::from_str(&text);
                let desired = desired.map_err(|error| PayloadError::Malformed(error.into()))?;
                commands.push(Command::Configuration(desired));
            }
            (Some(receipt::WANTED), Scalar::Text(json)) => {
                let wanted = serde_json::from_str(&json);
                let wanted = wanted.map_err(|error| PayloadError::Malformed(error.into()))?;
                commands.push(Command::Wanted(wanted));
            }
            (Some(receipt::STREAM), Scalar::Text(text)) => stream = Some(text),
            (Some(receipt::THROUGH), Scalar::Unsigned(n)) => through = Some(n),
            (Some(receipt::ALSO), Scalar::Text(text)) => also = receipt::also_from_text(&text),
            (Some(receipt::HIGHEST), Scalar::Unsigned(n)) => highest = Some(n),
            _ => {}
        }
    }
    if let (Some(stream), Some(through)) = (stream, through) {
        commands.push(Command::Receipt(Receipt {
            stream,
            through,
            also,
            highest: highest.unwrap_or(through).max(through),
        }));
    }
    Ok(commands)
}

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
    fn commands_are_read_back_and_strangers_left_out() {
        let receipt = Receipt {
            stream: "s".into(),
            through: u64::MAX - 9,
            highest: u64::MAX,
            also: vec![(u64::MAX - 7, u64::MAX)],
        };
        let read = commands(&receipt_command(AT, &receipt)).unwrap();
        assert_eq!(read, [Command::Receipt(receipt)]);
        assert_eq!(commands(&rebirth_command(AT)).unwrap(), [Command::Rebirth]);
        assert_eq!(commands(&renew_command(AT)).unwrap(), [Command::Renew]);
        assert_eq!(
            commands(&certificate_command(AT, "pem")).unwrap(),
            [Command::Certificate("pem".into())]
        );
        let order = Order {
            id: "7".into(),
            device: crate::DeviceId::new("stack").unwrap(),
            action: control::Action::SetClock,
            expires_at: AT,
        };
        assert_eq!(
            commands(&order_command(AT, &order)).unwrap(),
            [Command::Order(Box::new(order))]
        );
        let desired = Desired {
            version: 7,
            text: "[[device]]".into(),
            files: [("devices/a.toml".to_owned(), "冷库".to_owned())].into(),
        };
        assert_eq!(
            commands(&configuration_command(AT, &desired)).unwrap(),
            [Command::Configuration(desired)]
        );
        let wanted = vec!["ab".repeat(32), "cd".repeat(32)];
        assert_eq!(
            commands(&wanted_command(AT, &wanted)).unwrap(),
            [Command::Wanted(wanted)]
        );
        assert_eq!(commands(&node_death(AT, 3)).unwrap(), []);
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
