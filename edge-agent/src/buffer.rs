//! Readings wait here until the gateway has them.
//!
//! Promise: a record that [`Buffer::append`] stored survives a power cut, and stays until [`Buffer::release`]
//! is given the gateway's receipt for it. Its number in the stream is its block number in the journal. The
//! stream is named when the buffer file is made; a new file is a new stream.
//!
//! When full it lets go of its oldest records, and when the disk refuses, of the new one. Either way what is missing is
//! gathered for each device ([`Missing`]) in notes that are written in the transaction in which the records go, and becomes
//! gap records ([`Buffer::say_missing`]) when the gateway listens: a crash neither loses nor doubles a gap. What the disk
//! refuses is only in RAM until it stores again; after a crash the time is said to be one in which the agent was off.

mod full; // room for new records, and what is missing then

use crate::{
    clock::Timekeeper,
    config::BufferConfig,
    giving_up::{self, GivenUp, Otherwise},
    metrics::Metrics,
    missing::Missing,
    publish::task::WINDOW,
    record::Record,
    salvage::{self, SalvageError},
    source::{Described, PointInfo},
};
use contract::{DeviceId, Gap, GapReason, PointName, Timestamp, status::BufferStatus};
use journal::{AppendError, Follower, Journal, Options, ReadError, Seq, Staged};
use ring::rand::{SecureRandom, SystemRandom};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{self, Notify};

const STREAM: &str = "stream";
const BDSEQ: &str = "bdseq";
/// Cursor: one more than the last record that may have been sent, from an opening until the gateway was heard.
const FENCE: &str = "fence";
/// Begins the note with the last time that a device with a clock of its own has shown.
const SHOWN: &str = "shown/";
/// Begins the note with what is known of a point that a device itself brought up.
const POINT: &str = "point/";
/// Begins the note with the time of a device's newest record, unless the clock was not trusted.
const LAST: &str = "last/";
/// Begins the note with what is missing of a device and not yet said.
const MISSING: &str = "missing/";
/// Part of its bytes by which it may be too full while its oldest records are under way: their receipts make room.
const SLACK: u64 = 16;

/// The buffer. Clones share it.
#[derive(Clone)]
pub struct Buffer {
    journal: Journal,
    stream: Arc<Mutex<String>>,
    fence: u64,
    metrics: Arc<Metrics>,
    /// The clocks.
    pub time: Arc<Timekeeper>,
    bytes_max: u64,
    /// What is missing, as the notes say it.
    kept: Arc<sync::Mutex<HashMap<DeviceId, Missing>>>,
    shared: Arc<Mutex<Shared>>,
    damage: Arc<Notify>,
    described: Arc<Mutex<HashMap<(DeviceId, PointName), PointInfo>>>,
}

#[derive(Default)]
struct Shared {
    /// What is missing and not in a note yet.
    loose: HashMap<DeviceId, Missing>,
    /// Devices that may have been due while the agent was off, until the clock is trusted.
    off: Vec<Described>,
    /// Times of their newest records when the buffer was opened.
    last: HashMap<DeviceId, Timestamp>,
    /// Numbers that were sent before and that the gateway has not spoken of since.
    doubtful: Vec<(u64, u64)>,
    /// Numbers that were sent on this connection and have no receipt yet.
    under_way: [(u64, u64); 2],
    is_full: bool,
    is_refused: bool,
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
            bytes_max: Some(config.bytes_max + config.bytes_max / SLACK),
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
        let last = last(&journal)?;
        let first = journal.first().0;
        let shared = Shared {
            doubtful: vec![
                (first, fence.min(first + WINDOW)),
                (fence.saturating_sub(WINDOW), fence),
            ],
            ..Shared::default()
        };
        Ok(Buffer {
            time: Arc::new(Timekeeper::new(last.values().max().copied())),
            bytes_max: config.bytes_max,
            kept: Arc::new(sync::Mutex::new(kept(&journal)?)),
            shared: Arc::new(Mutex::new(Shared { last, ..shared })),
            journal,
            stream: Arc::new(Mutex::new(stream)),
            fence,
            metrics,
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

    /// The devices of the configuration: what was due of them while the agent was off is missing, as soon as the clock can
    /// be trusted.
    pub fn expect(&self, devices: Vec<Described>) {
        self.shared().off = devices;
    }

    /// Stores a record; returns after fsync, or after it was counted as lost. `is_own` says that its time is the
    /// device's own. A record that is nothing but a gap grows into what is missing of its device.
    pub async fn append(&self, record: &Record, is_own: bool) {
        self.append_noted(record, is_own, None).await;
    }

    /// Like [`Buffer::append`], with a note in the same transaction; a record that is lost leaves none.
    pub async fn append_noted(
        &self,
        record: &Record,
        is_own: bool,
        note: Option<(String, Vec<u8>)>,
    ) {
        if let (Some(gap), true) = (&record.gap, record.readings.is_empty()) {
            return self.miss(&record.device, gap.clone());
        }
        if let Err(error) = self.put(record, is_own, note).await {
            self.refuse(record, &error);
        }
    }

    /// Stores a record whose sender keeps it until it is told that it is stored, with a note in the same transaction; its
    /// time is the sender's own. A refusal is no loss: the sender sends again.
    pub async fn keep(
        &self,
        record: &Record,
        note: Option<(String, Vec<u8>)>,
    ) -> Result<(), AppendError> {
        let stored = self.put(record, true, note).await;
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

    /// Keeps a note without a record; returns after fsync.
    pub async fn keep_note(&self, key: &str, note: Vec<u8>) -> Result<(), AppendError> {
        self.journal.set_note(key, note).await
    }

    /// The values of all notes whose key begins so.
    pub fn notes(&self, begin: &str) -> Vec<Vec<u8>> {
        let notes = self.journal.notes(begin).inspect_err(
            |error| tracing::error!(begin, %error, "notes of the buffer cannot be read; a message may be taken twice"),
        );
        notes.map_or_else(
            |_| Vec::new(),
            |notes| notes.into_iter().map(|(_, value)| value).collect(),
        )
    }

    async fn put(
        &self,
        record: &Record,
        is_own: bool,
        note: Option<(String, Vec<u8>)>,
    ) -> Result<(), AppendError> {
        let is_trusted = self.time.is_trusted();
        if is_trusted {
            self.was_off();
        }
        let mut staged = self.staged(record, is_own, is_trusted);
        staged.notes.extend(note);
        let is_loose = self.shared().loose.contains_key(&record.device);
        let stored = match is_loose || !self.has_room(staged.body.len()) {
            true => self.append_with_missing(record, staged).await,
            false => match self.write(Seq(0), staged.clone()).await {
                Err(AppendError::Full { .. }) => self.append_with_missing(record, staged).await,
                stored => stored,
            },
        };
        stored.inspect(|()| {
            self.metrics
                .readings_stored
                .add(record.readings.len() as u64);
        })
    }

    fn staged(&self, record: &Record, is_own: bool, is_trusted: bool) -> Staged {
        let note = |begin: &str, at: Timestamp| {
            let key = format!("{begin}{}", record.device);
            (key, at.as_millis().to_le_bytes().to_vec())
        };
        let asked_at = if is_own { Timestamp::now() } else { record.at };
        let last = is_trusted.then(|| note(LAST, asked_at));
        let shown = is_own.then(|| note(SHOWN, record.at));
        Staged {
            at_ms: record.at.as_millis(),
            count: record.readings.len() as u64,
            body: record.encode(),
            notes: shown.into_iter().chain(last).collect(),
        }
    }

    async fn write(&self, through: Seq, staged: Staged) -> Result<(), AppendError> {
        self.journal.append_over(through, staged).await?;
        self.metrics.records_waiting.set(waiting(&self.journal));
        self.shared().is_refused = false;
        Ok(())
    }

    fn refuse(&self, record: &Record, error: &AppendError) {
        self.metrics.records_lost_disk.add(1);
        self.metrics
            .readings_lost_disk
            .add(record.readings.len() as u64);
        self.look(error);
        if !std::mem::replace(&mut self.shared().is_refused, true) {
            tracing::error!(%error, "the buffer does not store: readings are lost from now on, and said as gaps when it does");
        }
        let gap = Gap {
            from: record.at,
            to: record.at,
            readings: record.readings.len() as u64,
            reason: GapReason::DiskRefused,
            records: None,
        };
        self.miss(&record.device, gap);
    }

    /// The connection broke: what was under way may have arrived.
    pub fn lose_sight(&self) {
        let mut shared = self.shared();
        let under_way = std::mem::take(&mut shared.under_way);
        let ranges = under_way.into_iter().filter(|(from, to)| from <= to);
        shared.doubtful.extend(ranges.filter(|(from, _)| *from > 0));
    }

    /// The gateway has said what it has.
    pub fn see_clearly(&self) {
        self.shared().doubtful.clear();
    }

    /// Records of these numbers, first and last, were sent and wait for their receipt.
    pub fn under_way(&self, ranges: [(u64, u64); 2]) {
        self.shared().under_way = ranges;
    }

    /// The oldest number that waits, or that was given up without a word to the gateway.
    pub async fn first_unsaid(&self) -> u64 {
        let kept = self.kept.lock().await;
        let unsaid = kept.values().filter_map(Missing::first_number).min();
        unsaid.unwrap_or(u64::MAX).min(self.first())
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is missing without a record that cannot be read back.
    pub fn damaged_record(&self, number: u64, otherwise: &Otherwise) -> Record {
        let GivenUp { device, gap, .. } = giving_up::damaged(&self.journal, Seq(number), otherwise);
        Record::gap(device, gap.from, gap)
    }

    /// How full it is.
    pub fn status(&self) -> BufferStatus {
        let oldest = self.journal.read(self.journal.first(), 1).ok();
        let oldest = oldest.and_then(|blocks| blocks.first().map(|block| block.at_ms));
        BufferStatus {
            waiting: waiting(&self.journal),
            bytes: self.journal.bytes_used(),
            bytes_max: self.bytes_max,
            oldest: oldest.map(Timestamp::from_millis),
        }
    }

    /// Every record from a number on, in order.
    pub fn follow(&self, from: u64) -> Follower {
        self.journal.follow(Seq(from.max(self.first())))
    }

    /// Lets go of every record up to `through`: the gateway has them.
    pub async fn release(&self, through: u64) -> Result<(), AppendError> {
        let trimmed = self.journal.trim(Seq(through)).await;
        trimmed.inspect_err(|error| self.look(error))?;
        self.shared().is_full = false;
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

impl Shared {
    fn may_be_there(&self, number: u64) -> bool {
        let mut all = self.under_way.iter().chain(&self.doubtful);
        all.any(|range| is_in(range, number))
    }
}

fn is_in((from, to): &(u64, u64), number: u64) -> bool {
    (*from..=*to).contains(&number)
}

fn note((device, missing): (&DeviceId, &Missing)) -> (String, Vec<u8>) {
    let json = match missing.is_empty() {
        true => Vec::new(),
        false => serde_json::to_vec(missing).expect("what is missing is always JSON"),
    };
    (format!("{MISSING}{device}"), json)
}

fn kept(journal: &Journal) -> Result<HashMap<DeviceId, Missing>, ReadError> {
    let notes = journal.notes(MISSING)?.into_iter();
    let read = |(key, json): (String, Vec<u8>)| {
        let device = DeviceId::new(key.strip_prefix(MISSING)?).ok()?;
        Some((device, serde_json::from_slice(&json).ok()?))
    };
    Ok(notes.filter_map(read).collect())
}

fn last(journal: &Journal) -> Result<HashMap<DeviceId, Timestamp>, ReadError> {
    let notes = journal.notes(LAST)?.into_iter();
    let read = |(key, value): (String, Vec<u8>)| {
        let device = DeviceId::new(key.strip_prefix(LAST)?).ok()?;
        let at = i64::from_le_bytes(value.try_into().ok()?);
        Some((device, Timestamp::from_millis(at)))
    };
    Ok(notes.filter_map(read).collect())
}

fn waiting(journal: &Journal) -> u64 {
    (journal.head().0.0 + 1).saturating_sub(journal.first().0)
}

fn random_name() -> Result<String, BufferError> {
    let mut bytes = [0u8; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| BufferError::Random)?;
    Ok(contract::hex::hex(&bytes))
}
