//! Follows the journal with the model, on a thread of its own so that rules never wait for it.
//!
//! A point that is bound to the model gives one sample an interval (its latest reading); all due samples of a
//! block are scored in one batch. Which sample is scored depends on the journal alone.

use super::{
    rule::Severity,
    store::{Signal, SignalError, Signals, Source},
};
use crate::{
    follow::{self, Following, RETRY},
    ingest::{
        dictionary::{Dictionary, PointKey},
        record::{self, Entry},
    },
    metrics::Metrics,
};
use contract::Timestamp;
use journal::Journal;
use models::{Availability, Due, Engine, Score, SeriesState};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

const NAME: &str = "model";
const SNAPSHOT_EVERY: Duration = Duration::from_secs(30);
/// Samples without a further signal after which a model's signal closes.
const QUIET_SAMPLES: u32 = 30;

/// Which points are scored, and how often.
#[derive(Debug, Clone)]
pub struct Binding {
    /// Names of points.
    pub points: HashSet<String>,
    /// ms between two samples of a point.
    pub interval_ms: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Watched {
    state: Vec<u8>,
    due_ms: i64,
    open: Option<Signal>,
    quiet: u32,
    #[serde(skip)]
    series: SeriesState,
}

/// Blocks of the journal become a model's signals. The thread of [`start`] feeds it; a bench may.
pub struct Scoring {
    engine: Engine,
    binding: Binding,
    dictionary: Dictionary,
    watched: BTreeMap<u32, Watched>,
    is_bound: Vec<bool>,
}

/// Starts following from the last snapshot. An engine that is unavailable follows nothing.
pub fn start(
    engine: Engine,
    binding: Binding,
    dictionary: Dictionary,
    journal: &Journal,
    signals: Signals,
    metrics: Arc<Metrics>,
) -> Result<Option<follow::Running>, SignalError> {
    if let Availability::Unavailable(reason) = engine.availability() {
        tracing::warn!(%reason, "scoring is unavailable");
        return Ok(None);
    }
    let mut scoring = Scoring::new(engine, binding, dictionary);
    let mut cursor = 0;
    if let Some((at, snapshot)) = signals.follower(NAME)? {
        match scoring.restore(&snapshot) {
            Some(()) => cursor = at,
            None => tracing::error!(
                "the snapshot of the model is unreadable; the journal is read again"
            ),
        }
    }
    let run = move |mut journal: Following| {
        let mut since = Instant::now();
        while let Some(next) = journal.wait() {
            if let Some(block) = next {
                let changes = scoring.take(block.seq.0, &block.body);
                if !write(&signals, &changes, &metrics, &journal) {
                    return;
                }
            }
            if since.elapsed() >= SNAPSHOT_EVERY && journal.seen() != journal.saved() {
                scoring.save(&signals, &journal);
                since = Instant::now();
            }
        }
        scoring.save(&signals, &journal);
    };
    let running = follow::start("the model", "scoring", journal, cursor, run);
    Ok(Some(running))
}

/// Writes changes, trying again for as long as the disk refuses. False if stopped meanwhile: the snapshot on disk
/// is then older than the block, and the block will be scored again.
fn write(signals: &Signals, changes: &[Signal], metrics: &Metrics, journal: &Following) -> bool {
    while !changes.is_empty() {
        match signals.apply(changes) {
            Ok(opened) => {
                metrics.detect_signals_opened_total.add(opened.len() as u64);
                return true;
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "a model's signals cannot be written; trying again");
                if journal.is_stopping() {
                    return false;
                }
                std::thread::sleep(RETRY);
            }
        }
    }
    true
}

impl Scoring {
    /// Nothing learned yet.
    pub fn new(engine: Engine, binding: Binding, dictionary: Dictionary) -> Self {
        Self {
            engine,
            binding,
            dictionary,
            watched: BTreeMap::new(),
            is_bound: Vec::new(),
        }
    }

    /// The model, for comparing with it alone.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Looks at one block; gives the signals that opened, went on or closed.
    pub fn take(&mut self, seq: u64, body: &[u8]) -> Vec<Signal> {
        let mut due: Vec<(u32, i64, f64, Due)> = Vec::new();
        for entry in record::entries(body).flatten() {
            let Entry::Data(_, samples) = entry else {
                continue;
            };
            for sample in samples {
                if !self.is_bound(sample.point) {
                    continue;
                }
                let watched = self.watched.entry(sample.point.0).or_default();
                if sample.at_ms < watched.due_ms {
                    continue;
                }
                watched.due_ms = sample.at_ms - sample.at_ms.rem_euclid(self.binding.interval_ms)
                    + self.binding.interval_ms;
                let value = sample.quality.is_good().then_some(sample.value);
                if let Some(one) = watched.series.push(sample.at_ms, value) {
                    due.push((sample.point.0, sample.at_ms, sample.value, one));
                }
            }
        }
        let mut changes = Vec::new();
        for part in due.chunks(models::engine::BATCH) {
            let forecasts = match self.engine.forecast(part.iter().map(|(.., due)| due)) {
                Ok(forecasts) => forecasts,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a batch could not be scored"
                    );
                    continue;
                }
            };
            for ((key, at_ms, value, due), forecast) in part.iter().zip(forecasts) {
                let Some(watched) = self.watched.get_mut(key) else {
                    continue;
                };
                let score = watched.series.judge(due, forecast);
                changes.extend(self.episode(*key, seq, *at_ms, *value, score));
            }
        }
        changes
    }

    /// A model's episode: opens at the first signal, goes on while signals come, closes when it was quiet.
    fn episode(
        &mut self,
        key: u32,
        seq: u64,
        at_ms: i64,
        value: f64,
        score: Score,
    ) -> Option<Signal> {
        let point = self.dictionary.get(PointKey(key))?;
        let model = self.engine.model();
        let watched = self.watched.get_mut(&key)?;
        let at = Timestamp::from_millis(at_ms);
        if score.is_signal {
            watched.quiet = 0;
            let signal = watched.open.get_or_insert_with(|| Signal {
                id: Signal::identity(&model.name, &point, at),
                source: Source::Model {
                    name: model.name.clone(),
                    version: model.version,
                    sha256: model.sha256.clone(),
                },
                site: point.site.clone(),
                device: point.device.clone(),
                point: point.name.clone(),
                severity: Severity::I,
                escalated: None,
                opened_at: at,
                last_at: at,
                closed_at: None,
                measured: value,
                peak: value,
                limit: Some(score.expected),
                unit: point.unit.clone(),
                journal_seq: seq,
            });
            signal.last_at = at;
            signal.peak = value;
            signal.journal_seq = seq;
            return Some(signal.clone());
        }
        watched.open.as_ref()?;
        watched.quiet += 1;
        if watched.quiet < QUIET_SAMPLES {
            return None;
        }
        let mut signal = watched.open.take()?;
        signal.closed_at = Some(at);
        signal.journal_seq = seq;
        Some(signal)
    }

    fn is_bound(&mut self, key: PointKey) -> bool {
        while self.is_bound.len() <= key.0 as usize {
            let point = self.dictionary.get(PointKey(self.is_bound.len() as u32));
            self.is_bound
                .push(point.is_some_and(|p| self.binding.points.contains(p.name.as_str())));
        }
        self.is_bound[key.0 as usize]
    }

    fn save(&mut self, signals: &Signals, journal: &Following) {
        let cursor = journal.seen();
        for watched in self.watched.values_mut() {
            watched.state = watched.series.to_bytes();
        }
        let bytes = serde_json::to_vec(&self.watched).expect("a snapshot is always JSON");
        for watched in self.watched.values_mut() {
            watched.state = Vec::new();
        }
        match signals.set_follower(NAME, cursor, &bytes) {
            Ok(()) => journal.set_saved(cursor),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the state of the model cannot be written down"
            ),
        }
    }

    fn restore(&mut self, bytes: &[u8]) -> Option<()> {
        let mut watched: BTreeMap<u32, Watched> = serde_json::from_slice(bytes).ok()?;
        for one in watched.values_mut() {
            one.series = SeriesState::from_bytes(&std::mem::take(&mut one.state)).ok()?;
        }
        self.watched = watched;
        Some(())
    }
}
