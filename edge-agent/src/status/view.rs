//! What is shown of the agent: `/status.json`.

use super::{
    Board,
    words::{self, Words},
};
use crate::{
    buffer::Buffer,
    footage::{Footage, FootageView},
    metrics::Metrics,
};
use contract::{Quality, Timestamp, configuration::Report};
use serde::{Deserialize, Serialize};

/// Everything, at one time. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Site.
    pub site: String,
    /// Agent.
    pub agent: String,
    /// The machine's clock.
    pub now: Timestamp,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// What needs a person; empty if all is well.
    pub needs: Vec<Words>,
    /// The connection to the gateway.
    pub gateway: GatewayView,
    /// The configuration that the gateway sent, and what became of it.
    #[serde(default)]
    pub configuration: Report,
    /// What waits.
    pub buffer: BufferView,
    /// Brokers and doors of the sources.
    pub sources: Vec<LinkView>,
    /// Devices.
    pub devices: Vec<DeviceView>,
    /// Pictures of what was seen, if they are kept.
    #[serde(default)]
    pub footage: Option<FootageView>,
    /// What could not be used.
    pub refused: Vec<RefusedView>,
}

/// The connection to the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatewayView {
    /// `host:port`.
    pub address: String,
    /// Whether it stands.
    pub is_up: bool,
    /// Since when.
    pub since: Timestamp,
    /// Why it does not stand.
    pub error: Option<String>,
    /// The newest record of which the gateway said that it is stored.
    pub receipt_through: Option<u64>,
    /// When it said so.
    pub receipt_at: Option<Timestamp>,
}

/// What waits for the gateway's receipt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BufferView {
    /// Records.
    pub records_waiting: u64,
    /// Bytes of records.
    pub bytes: u64,
    /// Bytes it may hold.
    pub bytes_max: u64,
    /// Time of the oldest.
    pub oldest_at: Option<Timestamp>,
    /// Readings stored since the start.
    pub readings_stored: u64,
    /// Records lost since the start: buffer full, disk refusing, damaged.
    pub records_lost: u64,
}

/// A broker or door.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkView {
    /// Its name.
    pub name: String,
    /// Whether it works.
    pub is_up: bool,
    /// Since when.
    pub since: Timestamp,
    /// Why it does not.
    pub error: Option<String>,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceView {
    /// Its name.
    pub id: String,
    /// Whether it answers; `None`: not heard of yet.
    pub is_answering: Option<bool>,
    /// Since when.
    pub since: Timestamp,
    /// Why it does not answer.
    pub reason: Option<Words>,
    /// The longest time between two readings in ms, where one is promised.
    pub every_ms: Option<u64>,
    /// Its points.
    pub points: Vec<PointView>,
}

/// A point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointView {
    /// Its name.
    pub name: String,
    /// Unit symbol.
    pub unit: String,
    /// Time of the newest reading.
    pub at: Option<Timestamp>,
    /// Its value.
    pub value: Option<f64>,
    /// What is to be said of it; nothing if it is good.
    pub quality: Option<Words>,
}

/// Something that could not be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusedView {
    /// Who sent it.
    pub from: String,
    /// Why.
    pub reason: Words,
    /// How often since the start.
    pub count: u64,
    /// The last time.
    pub at: Timestamp,
    /// What was wrong the last time.
    pub words: String,
    /// Its beginning.
    pub sample: String,
}

/// Where the view is taken from.
#[derive(Clone)]
pub struct Sight {
    /// Site.
    pub site: String,
    /// Agent.
    pub agent: String,
    /// Bytes the buffer may hold.
    pub bytes_max: u64,
    /// The board.
    pub board: Board,
    /// The buffer.
    pub buffer: Buffer,
    /// The counters.
    pub metrics: std::sync::Arc<Metrics>,
    /// Pictures of what was seen.
    pub footage: Option<Footage>,
}

impl Sight {
    /// What is to be seen now.
    pub fn look(&self, now: Timestamp) -> Status {
        let lost = [
            &self.metrics.records_lost_full,
            &self.metrics.records_lost_disk,
            &self.metrics.records_damaged,
        ];
        let held = self.buffer.status();
        let buffer = BufferView {
            records_waiting: held.waiting,
            bytes: held.bytes,
            bytes_max: held.bytes_max,
            oldest_at: held.oldest,
            readings_stored: self.metrics.readings_stored.get(),
            records_lost: lost.iter().map(|count| count.get()).sum(),
        };
        let state = self.board.state();
        let devices = state.devices.iter().map(|(id, device)| DeviceView {
            id: id.to_string(),
            is_answering: device.state.map(|state| state.is_ok()),
            since: device.since,
            reason: device.state.and_then(Result::err).map(words::absence),
            every_ms: device.every.and_then(|e| u64::try_from(e.as_millis()).ok()),
            points: device.points.iter().map(point).collect(),
        });
        let sources = state.sources.iter().map(|(name, link)| LinkView {
            name: name.clone(),
            is_up: link.state.is_ok(),
            since: link.since,
            error: link.state.clone().err(),
        });
        let refused = state.refused.iter().map(|((from, reason), refused)| {
            let refused = refused.clone();
            RefusedView {
                from: from.clone(),
                reason: words::refusal(reason),
                count: refused.count,
                at: refused.at,
                words: refused.words,
                sample: refused.sample,
            }
        });
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            site: self.site.clone(),
            agent: self.agent.clone(),
            now,
            started_at: state.started_at,
            needs: Vec::new(),
            gateway: GatewayView {
                address: state.gateway_address.clone(),
                is_up: state.gateway.state.is_ok(),
                since: state.gateway.since,
                error: state.gateway.state.clone().err(),
                receipt_through: state.receipt.map(|(through, _)| through),
                receipt_at: state.receipt.map(|(_, at)| at),
            },
            configuration: state.configuration.clone(),
            buffer,
            sources: sources.collect(),
            devices: devices.collect(),
            footage: self.footage.as_ref().map(Footage::view),
            refused: refused.collect(),
        };
        status.needs = words::needs(&status);
        status
    }
}

fn point((name, point): (&contract::PointName, &super::Point)) -> PointView {
    let last = point.last;
    PointView {
        name: name.to_string(),
        unit: point.unit.clone(),
        at: last.map(|(at, ..)| at),
        value: last.and_then(|(_, value, _)| value),
        quality: last.and_then(|(.., quality)| match quality {
            Quality::Good => None,
            Quality::Suspect(doubt) => Some(words::doubt(doubt)),
            Quality::Missing(absence) => Some(words::absence(absence)),
        }),
    }
}
