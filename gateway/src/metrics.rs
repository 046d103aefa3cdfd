//! Every counter of the gateway, declared in one place.
//!
//! Names follow `<area>_<what>_<unit>[_total]`; labels are few and bounded. A drop always has a counter with
//! its reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows (or, for a gauge, is set).
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counters. One instance for the process, shared by `Arc`.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Readings written to the journal and fsynced.
    pub ingest_readings_journaled_total: Counter,
    /// Messages that were seen before (same stream and sequence) and not journaled again.
    pub ingest_duplicates_total: Counter,
    /// Messages refused or set aside because they could not be understood.
    pub ingest_refused_total: Counter,
    /// Readings written to the series store.
    pub series_readings_stored_total: Counter,
    /// Lines that InfluxDB accepted.
    pub influx_lines_written_total: Counter,
    /// Lines that InfluxDB refused, or that could not be written at all; they are in the quarantine.
    pub influx_lines_refused_total: Counter,
    /// Requests to InfluxDB that failed and were or will be repeated.
    pub influx_requests_failed_total: Counter,
    /// Signals opened.
    pub detect_signals_opened_total: Counter,
    /// Good readings that no rule could use, being older than what was known of their point twice over.
    pub detect_readings_late_total: Counter,
    /// Good readings that no rule could use, being from a clock that is ahead.
    pub detect_readings_ahead_total: Counter,
    /// Manifests of footage that agents announced.
    pub footage_manifests_total: Counter,
    /// Of these, those that do not count as their agents', so that no file of them is taken.
    pub footage_manifests_refused_total: Counter,
    /// Files of footage that came as a whole, with their hash.
    pub footage_files_taken_total: Counter,
    /// Files of footage that came as a whole with another hash, and were thrown away.
    pub footage_files_refused_total: Counter,
    /// Bytes of files of footage that were written, those thrown away later included.
    pub footage_bytes_taken_total: Counter,
}
