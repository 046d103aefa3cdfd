//! Where readings come from. A source is one variant of [`Source`] and one folder or file beside this one; nothing
//! outside this folder knows more of it. To add one (OPC UA, BACnet, GB/T 26875): its part of the configuration, read
//! by its own `read(Section, …)`; what it will tell ([`Described`]); and `run`, which takes in what comes until it is
//! told to stop and gives it to the [`Sink`].
//!
//! Promise of every source: each record it takes is stored once; a reading has the time at which the device
//! measured, never a later one; a device that gives nothing becomes absences with a reason, never a repeated value.

pub mod broker; // an MQTT broker of the site
pub mod hj212; // what data loggers say
pub mod json; // devices that speak JSON, over MQTT and HTTP
pub mod modbus; // registers asked for by poll
pub mod sparkplug; // Sparkplug B edge nodes of the site

use crate::{
    buffer::Buffer, camera, control::Desk, footage::Footage, metrics::Metrics, record::Record,
    status::Board, stop::Stop, vision::Vision,
};
use contract::{DeviceId, Doubt, PointName, Quality, Timestamp};
use journal::AppendError;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, sync::Arc, time::Duration};

/// What is known of a point before its first reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointInfo {
    /// Its name.
    pub name: PointName,
    /// Unit symbol; empty if it is not known.
    pub unit: String,
    /// Factor code, where there is one.
    pub factor: Option<String>,
    /// The longest time between two readings, where one is promised.
    pub every: Option<Duration>,
}

impl PointInfo {
    /// Nothing but its name.
    pub fn unknown(name: PointName) -> PointInfo {
        PointInfo {
            name,
            unit: String::new(),
            factor: None,
            every: None,
        }
    }
}

/// A device and what it will tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub id: DeviceId,
    /// Its points, as far as they are known before it speaks.
    pub points: Vec<PointInfo>,
}

/// Where a source's records go.
#[derive(Clone)]
pub struct Sink {
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// What the agent's page shows.
    pub board: Board,
    /// Orders for devices.
    pub desk: Desk,
    /// Who looks at pictures.
    pub vision: Vision,
    /// Where sightings go, if pictures are kept.
    pub footage: Option<Footage>,
    buffer: Buffer,
}

impl Sink {
    /// Into this buffer; nobody looks at pictures unless [`Sink::with_vision`] says who.
    pub fn new(buffer: Buffer, metrics: Arc<Metrics>, board: Board, desk: Desk) -> Sink {
        Sink {
            metrics,
            board,
            desk,
            vision: Vision::off(),
            footage: None,
            buffer,
        }
    }

    /// With someone who looks at pictures.
    pub fn with_vision(self, vision: Vision) -> Sink {
        Sink { vision, ..self }
    }

    /// With pictures of what is seen, if they are kept.
    pub fn with_footage(self, footage: Option<Footage>) -> Sink {
        Sink { footage, ..self }
    }

    /// Stores a record; returns after fsync, or after its loss was counted. `is_own` says that its time is the device's
    /// own; the last such time is what [`Sink::shown`] gives after a restart.
    ///
    /// Readings taken while the clock is not trusted say so, as do those of a device whose own clock shows an impossible
    /// time. No time is changed.
    pub async fn store(&self, record: &Record, is_own: bool) {
        self.store_noted(record, is_own, None).await;
    }

    /// Like [`Sink::store`], with a note in the same transaction.
    pub async fn store_noted(
        &self,
        record: &Record,
        is_own: bool,
        note: Option<(String, Vec<u8>)>,
    ) {
        let is_trusted = self.buffer.time.is_trusted();
        let is_doubted = match is_own {
            true => is_impossible(record.at, is_trusted.then(Timestamp::now)),
            false => !is_trusted,
        };
        let record = doubted_if(is_doubted, record);
        self.buffer.append_noted(&record, is_own, note).await;
        self.board.stored(&record, Timestamp::now());
    }

    /// Stores a record whose sender keeps it until it is told, with a note in the same transaction; its time is the sender's
    /// own. On an error it is not stored and not counted as lost.
    pub async fn keep(
        &self,
        record: &Record,
        note: Option<(String, Vec<u8>)>,
    ) -> Result<(), AppendError> {
        let record = doubted_if(is_impossible(record.at, self.trusted_now()), record);
        self.buffer.keep(&record, note).await?;
        self.board.stored(&record, Timestamp::now());
        Ok(())
    }

    /// The time, if the agent's clock is trusted.
    pub fn trusted_now(&self) -> Option<Timestamp> {
        self.buffer.time.is_trusted().then(Timestamp::now)
    }

    /// A note that was stored with a record.
    pub fn note(&self, key: &str) -> Option<Vec<u8>> {
        self.buffer.note(key)
    }

    /// What a note said was done: from now on it says nothing.
    pub async fn note_done(&self, key: &str) -> Result<(), AppendError> {
        self.buffer.keep_note(key, Vec::new()).await
    }

    /// The values of all notes whose key begins so.
    pub fn notes(&self, begin: &str) -> Vec<Vec<u8>> {
        self.buffer.notes(begin)
    }

    /// Something that cannot be used: counted, and shown with its beginning. The log has it the first, second, fourth,
    /// eighth … time.
    pub fn refused(&self, who: &str, reason: &'static str, words: &str, sample: &[u8]) {
        self.metrics.refused.add(1);
        let count = self.board.refused(who, reason, words, sample);
        if count.is_power_of_two() {
            let sample = String::from_utf8_lossy(&sample[..sample.len().min(200)]);
            tracing::warn!(from = who, reason, words, count, %sample, "this cannot be used");
        }
    }

    /// The time of the last stored record of a device with a clock of its own.
    pub fn shown(&self, device: &DeviceId) -> Option<Timestamp> {
        self.buffer.shown(device)
    }

    /// Tells of points that are not in the configuration, before their first record is stored.
    pub async fn describe(&self, device: &DeviceId, points: &[PointInfo]) {
        let described = Described {
            id: device.clone(),
            points: points.to_vec(),
        };
        self.board.expect(&described, Timestamp::now());
        if let Err(error) = self.buffer.describe(device, points).await {
            tracing::error!(%device, %error, "the unit of a new point cannot be kept");
        }
    }
}

const YEAR_2000: Timestamp = Timestamp::from_millis(946_684_800_000);
const DAY_MS: i64 = 86_400_000;

fn is_impossible(at: Timestamp, now: Option<Timestamp>) -> bool {
    at < YEAR_2000 || now.is_some_and(|now| at.since(now) > DAY_MS)
}

/// Good readings become doubted ones, if its time is doubted; a doubt or an absence stays what it is.
fn doubted_if(is_doubted: bool, record: &Record) -> Cow<'_, Record> {
    if !is_doubted {
        return Cow::Borrowed(record);
    }
    let mut record = record.clone();
    for reading in &mut record.readings {
        if reading.quality.is_good() {
            reading.quality = Quality::Suspect(Doubt::UntrustedClock);
        }
    }
    Cow::Owned(record)
}

/// A source, as it was configured.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A bus of instruments that are asked for their registers.
    Modbus(modbus::Bus),
    /// A door for data loggers that speak HJ 212.
    Hj212(hj212::config::Door),
    /// Devices that publish JSON to a broker of the site.
    JsonMqtt(json::config::JsonMqtt),
    /// A device that is asked over HTTP and answers with JSON.
    JsonHttp(json::config::JsonHttp),
    /// Devices that post JSON.
    JsonIn(json::config::JsonIn),
    /// Sparkplug B edge nodes.
    Sparkplug(sparkplug::Sparkplug),
    /// A camera.
    Camera(camera::config::Camera),
}

impl Source {
    /// For the log.
    pub fn name(&self) -> String {
        match self {
            Source::Modbus(bus) => format!("Modbus {}", bus.name),
            Source::Hj212(door) => format!("HJ 212 on {}", door.listen),
            Source::JsonMqtt(source) => format!("JSON of {}", source.broker.name()),
            Source::JsonHttp(device) => format!("JSON of {}", device.url),
            Source::JsonIn(source) => format!("door {}", source.listen),
            Source::Sparkplug(source) => format!("Sparkplug of {}", source.broker.name()),
            Source::Camera(camera) => format!("camera {camera:?}"),
        }
    }

    /// Its name on the board, if it tells there whether its broker or door works.
    pub fn door(&self) -> Option<String> {
        match self {
            Source::Modbus(_) | Source::Hj212(_) => None,
            Source::Camera(camera) => Some(format!("camera {}", camera.id)),
            Source::JsonMqtt(source) => Some(source.broker.name()),
            Source::JsonHttp(device) => Some(device.url.to_string()),
            Source::JsonIn(source) => Some(format!("door {}", source.listen)),
            Source::Sparkplug(source) => Some(source.broker.name()),
        }
    }

    /// Its devices.
    pub fn devices(&self) -> Vec<Described> {
        match self {
            Source::Modbus(bus) => bus.described(),
            Source::Hj212(door) => door.stations.iter().map(|s| s.described()).collect(),
            Source::JsonMqtt(source) => {
                let speakers = source.topics.iter().flat_map(|topic| &topic.speakers);
                speakers.map(|speaker| speaker.described()).collect()
            }
            Source::JsonHttp(device) => vec![device.described()],
            Source::JsonIn(source) => {
                let devices = source.devices.iter();
                devices.map(|posting| posting.speaker.described()).collect()
            }
            Source::Sparkplug(_) => Vec::new(),
            Source::Camera(camera) => vec![camera.described()],
        }
    }

    /// Takes in what comes until told to stop.
    pub async fn run(self, sink: Sink, stop: Stop) {
        match self {
            Source::Modbus(bus) => modbus::bus::run(bus, sink, stop).await,
            Source::Hj212(door) => hj212::host::run(door, sink, stop).await,
            Source::JsonMqtt(source) => json::mqtt::run(source, sink, stop).await,
            Source::JsonHttp(device) => json::pull::run(device, sink, stop).await,
            Source::JsonIn(source) => json::push::run(source, sink, stop).await,
            Source::Sparkplug(source) => sparkplug::task::run(source, sink, stop).await,
            Source::Camera(camera) => camera::task::run(camera, sink, stop).await,
        }
    }
}
