//! Every counter of the agent. They are logged once a minute; a gauge says what is, a counter what was.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows, or (with `set`) a gauge.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Polls done.
    pub polls: Count,
    /// Polls left out because the one before took too long.
    pub polls_skipped: Count,
    /// Points that gave no value.
    pub absences: Count,
    /// Readings on disk, absences included.
    pub readings_stored: Count,
    /// Records refused because the buffer was full.
    pub records_lost_full: Count,
    /// Records refused because the disk was full or failing.
    pub records_lost_disk: Count,
    /// Records in the buffer that could not be read back.
    pub records_damaged: Count,
    /// Gauge: records without the gateway's receipt.
    pub records_waiting: Count,
    /// Records sent.
    pub records_sent: Count,
    /// Of these, sent from the buffer after an interruption.
    pub records_resent: Count,
    /// Connections made to the gateway.
    pub connections: Count,
    /// Births asked for by the gateway.
    pub rebirths: Count,
    /// New certificates that took the place of old ones.
    pub renewals: Count,
    /// New certificates that could not be asked for, kept or used.
    pub renewals_failed: Count,
}

impl Metrics {
    /// Writes all of them to the log in one line.
    pub fn log(&self) {
        tracing::info!(
            polls = self.polls.get(),
            polls_skipped = self.polls_skipped.get(),
            absences = self.absences.get(),
            readings_stored = self.readings_stored.get(),
            records_lost_full = self.records_lost_full.get(),
            records_lost_disk = self.records_lost_disk.get(),
            records_damaged = self.records_damaged.get(),
            records_waiting = self.records_waiting.get(),
            records_sent = self.records_sent.get(),
            records_resent = self.records_resent.get(),
            connections = self.connections.get(),
            rebirths = self.rebirths.get(),
            renewals = self.renewals.get(),
            renewals_failed = self.renewals_failed.get(),
            "metrics"
        );
    }
}
