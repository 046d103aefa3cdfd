//! What arrived at the tiny host, by device and point.

use crate::host::{Arrived, sequence_of, stream_of};
use contract::{
    Timestamp,
    payload::{Message, Scalar},
    topic::Kind,
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// One reading as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Of which stream, counted as they came.
    pub stream: usize,
    pub record: u64,
    pub device: String,
    pub point: String,
    pub at: Timestamp,
    pub value: Option<f64>,
    pub code: u32,
    /// Something travels beside the readings of its record.
    pub has_raw: bool,
}

/// Every reading, each record once, in the order of record numbers.
pub fn readings(arrived: &[Arrived]) -> Vec<Heard> {
    let mut names: HashMap<u64, String> = HashMap::new();
    let mut records: HashMap<(usize, u64), Vec<Heard>> = HashMap::new();
    let mut streams: Vec<Option<String>> = Vec::new();
    let mut stream = 0;
    for event in arrived {
        let Arrived::Message(topic, message) = event else {
            continue;
        };
        let device = topic.device.as_ref().map(ToString::to_string);
        match topic.kind {
            Kind::NodeBirth => {
                names.clear();
                let name = stream_of(message);
                let known = streams.iter().position(|known| *known == name);
                stream = known.unwrap_or(streams.len());
                if known.is_none() {
                    streams.push(name);
                }
            }
            Kind::DeviceBirth => {
                let aliases = message.metrics.iter();
                names.extend(aliases.filter_map(|m| Some((m.alias?, m.name.clone()?))));
            }
            Kind::DeviceData => {
                let record = sequence_of(message).unwrap();
                let mut readings = of_message(record, device.unwrap(), message, &names);
                readings.iter_mut().for_each(|heard| heard.stream = stream);
                records.insert((stream, record), readings);
            }
            _ => {}
        }
    }
    let mut all: Vec<Heard> = records.into_values().flatten().collect();
    all.sort_by_key(|heard| (heard.stream, heard.record));
    all
}

fn of_message(
    record: u64,
    device: String,
    message: &Message,
    names: &HashMap<u64, String>,
) -> Vec<Heard> {
    let has_raw = message
        .metrics
        .iter()
        .any(|m| m.name.as_deref() == Some("OneDoor/Raw"));
    let points = message.metrics.iter().filter_map(|metric| {
        let alias = metric.alias.filter(|alias| *alias != 0)?;
        Some(Heard {
            stream: 0,
            record,
            device: device.clone(),
            point: names[&alias].clone(),
            at: metric.at?,
            value: match metric.value {
                Scalar::Real(value) => Some(value),
                _ => None,
            },
            code: metric.quality_code.unwrap_or(0),
            has_raw,
        })
    });
    points.collect()
}

/// The readings of one device, with what they are.
pub fn of(arrived: &[Arrived], device: &str) -> Vec<Heard> {
    let mut all = readings(arrived);
    all.retain(|heard| heard.device == device);
    all
}

/// Writes a configuration with these sources, for a gateway on this port.
pub fn write_config(folder: &Path, gateway: u16, sources: &str) -> PathBuf {
    let text = format!(
        "site = \"s\"\nagent = \"a\"\n[buffer]\npath = \"buffer.db\"\n[gateway]\nhost = \"127.0.0.1\"\nport = {gateway}\n\
         receipt_timeout = \"1s\"\n{sources}"
    );
    let path = folder.join("agent.toml");
    std::fs::write(&path, text).unwrap();
    path
}
