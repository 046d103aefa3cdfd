//! The thread that follows the journal and is the only writer of the series store.

use super::chunk::Scratch;
use super::store::{Store, StoreError};
use super::{CURSOR, Options, Shared, State, cutoff};
use crate::chain;
use crate::metrics::Metrics;
use contract::Timestamp;
use journal::{Follower, Journal, Seq};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

const IDLE: Duration = Duration::from_millis(100);
const RETRY: Duration = Duration::from_secs(2);
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);

pub(super) struct Task {
    shared: Arc<Shared>,
    store: Store,
    options: Options,
    journal: Journal,
    follower: Follower,
    metrics: Arc<Metrics>,
    stop: Arc<AtomicBool>,
    scratch: Scratch,
    since_checkpoint: u64,
    checkpoint_at: Instant,
    expired_at: Option<Instant>,
    is_behind_disk: bool,
    is_stalled: Cell<bool>,
}

impl Task {
    pub(super) fn new(
        shared: Arc<Shared>,
        store: Store,
        options: Options,
        journal: Journal,
        follower: Follower,
        metrics: Arc<Metrics>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self {
            shared,
            store,
            options,
            journal,
            follower,
            metrics,
            stop,
            scratch: Scratch::default(),
            since_checkpoint: 0,
            checkpoint_at: Instant::now(),
            expired_at: None,
            is_behind_disk: false,
            is_stalled: Cell::new(false),
        }
    }

    pub(super) fn run(mut self) {
        while !self.stop.load(Ordering::Acquire) {
            match self.follower.next_blocking(IDLE) {
                Ok(Some(block)) => self.take(block.seq, &block.body),
                Ok(None) => {}
                Err(error) if self.follower.skip(&error) => {}
                Err(error) => {
                    self.stalled(&error, "the series store cannot read the journal");
                    let from = self.follower.position();
                    self.follower = self.journal.follow(from);
                    self.pause();
                    continue;
                }
            }
            self.checkpoint_if_due();
            self.expire_if_due();
        }
        if self.is_behind_disk
            && let Err(error) = self.checkpoint()
        {
            let error = chain(&error);
            tracing::error!(
                error,
                "the last checkpoint of the series store failed; the journal has what it lacks"
            );
        }
    }

    fn take(&mut self, seq: Seq, body: &[u8]) {
        if self.is_stalled.replace(false) {
            self.shared.set_state(State::Following);
        }
        let (taken, outcome) = {
            let mut ram = self
                .shared
                .ram
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            ram.take(seq.0, body)
        };
        if let Err(error) = outcome {
            tracing::error!(journal_seq = seq.0, %error, "part of a journal block cannot be read; it is left out of the series");
        }
        self.since_checkpoint += taken;
        self.is_behind_disk = true;
        self.metrics.series_readings_stored_total.add(taken);
    }

    fn checkpoint_if_due(&mut self) {
        let is_due = self.since_checkpoint >= self.options.checkpoint_readings
            || self.is_behind_disk && self.checkpoint_at.elapsed() >= self.options.checkpoint_every;
        if !is_due {
            return;
        }
        // Nothing more is taken in until it is written: RAM stays bounded and the journal keeps the rest.
        while let Err(error) = self.checkpoint() {
            self.stalled(&error, "the series store cannot be written");
            self.pause();
            if self.stop.load(Ordering::Acquire) {
                return;
            }
        }
    }

    fn checkpoint(&mut self) -> Result<(), StoreError> {
        let began = Instant::now();
        let ram = &self.shared.ram;
        let dirty = ram.write().unwrap_or_else(PoisonError::into_inner).settle();
        let mut checkpoint = self.store.begin()?;
        let progress = {
            let ram = ram.read().unwrap_or_else(PoisonError::into_inner);
            for &point in &dirty {
                let Some(slot) = ram.point(point) else {
                    continue;
                };
                for chunk in &slot.sealed {
                    checkpoint.chunk(point, chunk)?;
                }
                if ram.needs_open_row(point) {
                    checkpoint.open(point, slot.through, &slot.open, &mut self.scratch)?;
                }
            }
            ram.progress()
        };
        let encoded = began.elapsed();
        {
            // A query takes what RAM has and begins to read the file under this lock, so it sees a chunk in one place.
            let mut ram = ram.write().unwrap_or_else(PoisonError::into_inner);
            checkpoint.commit(progress)?;
            ram.committed();
        }
        let committed = began.elapsed();
        self.since_checkpoint = 0;
        self.is_behind_disk = false;
        self.checkpoint_at = Instant::now();
        if self.store.sync()? {
            self.tell_journal(Seq(progress.cursor));
        }
        tracing::debug!(
            points = dirty.len(),
            ?encoded,
            ?committed,
            synced = ?began.elapsed(),
            "checkpoint of the series store"
        );
        Ok(())
    }

    /// The journal may be trimmed through what is durable here.
    fn tell_journal(&self, seq: Seq) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        match runtime {
            Ok(runtime) => {
                if let Err(error) = runtime.block_on(self.journal.set_cursor(CURSOR, seq)) {
                    tracing::warn!(%error, "the journal does not take the series cursor; it keeps its blocks longer");
                }
            }
            Err(error) => tracing::warn!(%error, "no runtime to set the series cursor"),
        }
    }

    fn expire_if_due(&mut self) {
        let Some(keep) = self.options.keep else {
            return;
        };
        if self
            .expired_at
            .is_some_and(|at| at.elapsed() < EXPIRE_EVERY)
        {
            return;
        }
        self.expired_at = Some(Instant::now());
        let cutoff = cutoff(Timestamp::now(), keep);
        match self.store.expire(cutoff.as_millis()) {
            Ok(0) => {}
            Ok(chunks) => {
                tracing::info!(chunks, %cutoff, "old chunks of the series store are deleted")
            }
            Err(error) => self.stalled(&error, "old chunks cannot be deleted"),
        }
    }

    fn stalled(&self, error: &dyn std::error::Error, what: &str) {
        let text = format!("{what}: {}", chain(error));
        let is_news = {
            let state = self
                .shared
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *state != State::Stalled(text.clone())
        };
        if is_news {
            tracing::error!("{text}; it is tried again");
            self.shared.set_state(State::Stalled(text));
        }
        self.is_stalled.set(true);
    }

    fn pause(&self) {
        let until = Instant::now() + RETRY;
        while Instant::now() < until && !self.stop.load(Ordering::Acquire) {
            std::thread::sleep(IDLE);
        }
    }
}
