//! Readings wait here until the gateway has them.
//!
//! Promise: a record that [`Buffer::append`] stored survives a power cut, and stays until [`Buffer::release`]
//! is given the gateway's receipt for it. Its number in the stream is its block number in the journal. The
//! stream is named when the buffer file is made; a new file is a new stream.
//!
//! When full (or when the disk refuses): the newest records are refused, the state is logged as an error and
//! counted, and when there is room again each device gets one record of absences at the time of its first lost
//! poll, so that the gap can be seen. Not promised: that record after a crash while full.

use crate::{
    config::BufferConfig,
    metrics::Metrics,
    record::Record,
    salvage::{self, SalvageError},
    source::PointInfo,
};
use contract::{Absence, DeviceId, PointName, Quality, Reading, Timestamp};
use journal::{AppendError, Follower, Journal, Options, ReadError, Seq, Staged};
use ring::rand::{SecureRandom, SystemRandom};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Notify;

const STREAM: &str = "stream";
const BDSEQ: &str = "bdseq";
/// Cursor: one more than the last record that may have been sent, from an opening until the gateway was heard.
const FENCE: &str = "fence";
/// Begins the note with the last time that a device with a clock of its own has shown.
const SHOWN: &str = "shown/";
/// Begins the note with what is known of a point that a device itself brought up.
const POINT: &str = "point/";

/// The buffer. Clones share it.
#[derive(Clone)]
pub struct Buffer {
    journal: Journal,
    stream: Arc<Mutex<String>>,
    fence: u64,
    metrics: Arc<Metrics>,
    lost: Arc<Mutex<HashMap<DeviceId, Lost>>>,
    damage: Arc<Notify>,
    described: Arc<Mutex<HashMap<(DeviceId, PointName), PointInfo>>>,
}

struct Lost {
    since: Timestamp,
    polls: u64,
}

/// Why the buffer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    /// The file.
    #[error(transparent)]
    Open(#[from] SalvageError),
    /// Its stream name could not be read.
    #[error("cannot read the buffer's stream")]
    Read(#[from] ReadError),
    /// Its stream name could not be written.
    #[error("cannot name the buffer's stream")]
    Write(#[from] AppendError),
    /// The system gave no randomness.
    #[error("the system gave no random numbers to name the buffer's stream")]
    Random,
}

impl Buffer {
    /// Opens the buffer, or makes it.
    pub async fn open(config: &BufferConfig, metrics: Arc<Metrics>) -> Result<Buffer, BufferError> {
        let options = Options {
            bytes_max: Some(config.bytes_max),
            is_checked: true,
            ..Options::small()
        };
        let opened = salvage::open(&config.path, options)?;
        metrics
            .buffers_damaged
            .add(u64::from(opened.salvaged.is_some()));
        let journal = opened.journal;
        let found = journal
            .notes(STREAM)?
            .into_iter()
            .find(|(key, _)| key == STREAM);
        let stream = match found.and_then(|(_, name)| String::from_utf8(name).ok()) {
            Some(name) => name,
            None => {
                let name = random_name()?;
                journal.set_note(STREAM, name.clone().into_bytes()).await?;
                name
            }
        };
        metrics.records_waiting.set(waiting(&journal));
        let fence = fence(&journal).await?;
        let described = journal
            .notes(POINT)?
            .into_iter()
            .filter_map(|(key, value)| {
                let (device, _) = key.strip_prefix(POINT)?.split_once('/')?;
                let info: PointInfo = serde_json::from_slice(&value).ok()?;
                Some(((DeviceId::new(device).ok()?, info.name.clone()), info))
            })
            .collect();
        Ok(Buffer {
            journal,
            stream: Arc::new(Mutex::new(stream)),
            fence,
            metrics,
            lost: Arc::default(),
            damage: Arc::default(),
            described: Arc::new(Mutex::new(described)),
        })
    }

    /// The name of the stream.
    pub fn stream(&self) -> String {
        self.stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Gives the stream a new name, in one step on disk: whatever still waits, and all that comes, is numbered in it.
    pub async fn begin_stream(&self) -> Result<String, BufferError> {
        let name = random_name()?;
        self.journal
            .set_note(STREAM, name.clone().into_bytes())
            .await?;
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = name.clone();
        Ok(name)
    }

    /// The last record that may have been sent before this file was opened (see `publish::fence`).
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Keeps the fence over a restart; `None` once the gateway has said that the next numbers are ours.
    pub async fn keep_fence(&self, at: Option<u64>) -> Result<(), AppendError> {
        let at = at.map_or(0, |at| at + 1);
        self.journal.set_cursor(FENCE, Seq(at)).await
    }

    /// The number of the newest record, 0 if there never was one.
    pub fn head(&self) -> u64 {
        self.journal.head().0.0
    }

    /// The number of the first record that waits (or would).
    pub fn first(&self) -> u64 {
        self.journal.first().0
    }

    /// The time of the last stored record of a device with a clock of its own: after a restart the same reading
    /// must not be taken twice.
    pub fn shown(&self, device: &DeviceId) -> Option<Timestamp> {
        let key = format!("{SHOWN}{device}");
        let notes = self.journal.notes(&key).inspect_err(
            |error| tracing::error!(%device, %error, "the device's last time cannot be read; a reading may come twice"),
        );
        let (_, value) = notes.ok()?.into_iter().find(|(found, _)| *found == key)?;
        Some(Timestamp::from_millis(i64::from_le_bytes(
            value.try_into().ok()?,
        )))
    }

    /// Keeps what is known of points that a device itself brings up, so that their unit is known when their records
    /// are sent, also after a restart. What is known already costs nothing.
    pub async fn describe(
        &self,
        device: &DeviceId,
        points: &[PointInfo],
    ) -> Result<(), AppendError> {
        for info in points {
            let key = (device.clone(), info.name.clone());
            if self.points().get(&key) == Some(info) {
                continue;
            }
            let json = serde_json::to_vec(info).expect("a point is always JSON");
            let note = format!("{POINT}{device}/{}", info.name);
            self.journal.set_note(&note, json).await?;
            self.points().insert(key, info.clone());
        }
        Ok(())
    }

    /// What is known of a point; only its name if nothing is.
    pub fn described(&self, device: &DeviceId, point: &PointName) -> PointInfo {
        let key = (device.clone(), point.clone());
        let found = self.points().get(&key).cloned();
        found.unwrap_or_else(|| PointInfo::unknown(point.clone()))
    }

    fn points(&self) -> std::sync::MutexGuard<'_, HashMap<(DeviceId, PointName), PointInfo>> {
        self.described
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a record; returns after fsync, or after it was counted as lost. `is_own` says that its time is the
    /// device's own.
    pub async fn append(&self, record: &Record, is_own: bool) {
        let lost = self.lost().remove(&record.device);
        let result = match &lost {
            Some(lost) => match self.store(&gap(record, lost), Vec::new()).await {
                Ok(()) => {
                    let polls = lost.polls;
                    tracing::warn!(device = %record.device, polls, since = %lost.since, "buffer stores again; these polls are lost");
                    self.store(record, shown(record, is_own)).await
                }
                Err(error) => return self.lose(record, Some(lost), &error),
            },
            None => self.store(record, shown(record, is_own)).await,
        };
        if let Err(error) = result {
            self.lose(record, None, &error);
        }
    }

    /// Stores a record whose sender keeps it until it is told that it is stored, with a note in the same transaction.
    /// A refusal is no loss: the sender sends again.
    pub async fn keep(
        &self,
        record: &Record,
        note: Option<(String, Vec<u8>)>,
    ) -> Result<(), AppendError> {
        let stored = self.store(record, note.into_iter().collect()).await;
        stored.inspect_err(|error| self.look(error))
    }

    /// A note that was stored with a record.
    pub fn note(&self, key: &str) -> Option<Vec<u8>> {
        let notes = self.journal.notes(key).inspect_err(
            |error| tracing::error!(key, %error, "a note of the buffer cannot be read; a message may be taken twice"),
        );
        let found = notes.ok()?.into_iter().find(|(found, _)| found == key);
        found.map(|(_, value)| value)
    }

    /// Bytes of the records that wait.
    pub fn bytes_used(&self) -> u64 {
        self.journal.bytes_used()
    }

    /// The time of the oldest record that waits.
    pub fn oldest(&self) -> Option<Timestamp> {
        let first = self.journal.read(self.journal.first(), 1).ok()?;
        first
            .first()
            .map(|block| Timestamp::from_millis(block.at_ms))
    }

    async fn store(
        &self,
        record: &Record,
        notes: Vec<(String, Vec<u8>)>,
    ) -> Result<(), AppendError> {
        let count = record.readings.len() as u64;
        let staged = Staged {
            at_ms: record.at.as_millis(),
            count,
            body: record.encode(),
            notes,
        };
        self.journal.append(staged).await?;
        self.metrics.readings_stored.add(count);
        self.metrics.records_waiting.set(waiting(&self.journal));
        Ok(())
    }

    fn lose(&self, record: &Record, before: Option<&Lost>, error: &AppendError) {
        let counter = match error {
            AppendError::Full { .. } => &self.metrics.records_lost_full,
            AppendError::Store(_) | AppendError::Closed => &self.metrics.records_lost_disk,
        };
        counter.add(1);
        self.look(error);
        let mut lost = self.lost();
        if lost.is_empty() && before.is_none() {
            tracing::error!(%error, "the buffer does not store: readings are lost from now on");
        }
        let (since, polls) = before.map_or((record.at, 0), |before| (before.since, before.polls));
        lost.insert(
            record.device.clone(),
            Lost {
                since,
                polls: polls + 1,
            },
        );
    }

    fn lost(&self) -> std::sync::MutexGuard<'_, HashMap<DeviceId, Lost>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every record from a number on, in order.
    pub fn follow(&self, from: u64) -> Follower {
        self.journal.follow(Seq(from.max(self.first())))
    }

    /// Lets go of every record up to `through`: the gateway has them.
    pub async fn release(&self, through: u64) -> Result<(), AppendError> {
        let trimmed = self.journal.trim(Seq(through)).await;
        trimmed.inspect_err(|error| self.look(error))?;
        self.metrics.records_waiting.set(waiting(&self.journal));
        Ok(())
    }

    fn look(&self, error: &AppendError) {
        if error.is_damage() {
            self.damage.notify_one();
        }
    }

    /// Returns once a page of the file turned out to be damaged: nothing is stored any more, or nothing let go of. The next
    /// opening makes a new file of what can be read.
    pub async fn damaged(&self) {
        self.damage.notified().await;
    }

    /// The number that ties this connection's death to its birth, 0 to 255, another one each time.
    pub async fn next_bdseq(&self) -> Result<u64, BufferError> {
        let next = self.journal.cursor(BDSEQ)?.0 + 1;
        self.journal.set_cursor(BDSEQ, Seq(next)).await?;
        Ok(next % 256)
    }

    /// Writes what is queued and lets go of the file.
    pub async fn close(self) {
        self.journal.close().await;
    }
}

fn shown(record: &Record, is_own: bool) -> Vec<(String, Vec<u8>)> {
    let note = || {
        let key = format!("{SHOWN}{}", record.device);
        (key, record.at.as_millis().to_le_bytes().to_vec())
    };
    is_own.then(note).into_iter().collect()
}

/// Records that were stored after an earlier opening and before the gateway was heard were never sent: then the fence
/// of that opening stands.
async fn fence(journal: &Journal) -> Result<u64, BufferError> {
    let kept = journal.cursor(FENCE)?.0;
    if kept > 0 {
        return Ok(kept - 1);
    }
    let head = journal.head().0;
    if let Err(error) = journal.set_cursor(FENCE, head.next()).await {
        tracing::error!(%error, "the fence of the stream cannot be kept; a restart before the gateway is heard may pass it");
    }
    Ok(head.0)
}

fn gap(record: &Record, lost: &Lost) -> Record {
    let absent = |reading: &Reading| {
        let quality = Quality::Missing(Absence::Unspecified);
        Reading::new(reading.point.clone(), lost.since, None, quality)
    };
    let readings = record.readings.iter().map(absent).collect();
    Record::of(record.device.clone(), lost.since, readings)
}

fn waiting(journal: &Journal) -> u64 {
    (journal.head().0.0 + 1).saturating_sub(journal.first().0)
}

fn random_name() -> Result<String, BufferError> {
    let mut bytes = [0u8; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| BufferError::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
