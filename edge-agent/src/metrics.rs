//! Every counter of the agent. They are logged once a minute; a gauge says what is, a counter what was.

use crate::{camera, footage, source::hj212::counts::Counts, vision};
use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

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

/// A gauge that may be below zero.
#[derive(Debug, Default)]
pub struct Level(AtomicI64);

impl Level {
    /// Sets it.
    pub fn set(&self, n: i64) {
        self.0.store(n, Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// How often something took how long: counted by powers of two of a millisecond.
#[derive(Debug, Default)]
pub struct Delays([AtomicU64; 20]);

impl Delays {
    /// It took so long.
    pub fn add(&self, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let place = (u64::BITS - ms.leading_zeros()) as usize;
        self.0[place.min(self.0.len() - 1)].fetch_add(1, Relaxed);
    }

    /// The milliseconds that this part of them took less than; 0 if there are none.
    pub fn below_ms(&self, part: f64) -> u64 {
        let counts: Vec<u64> = self.0.iter().map(|count| count.load(Relaxed)).collect();
        let wanted = (counts.iter().sum::<u64>() as f64 * part).ceil() as u64;
        let mut seen = 0;
        let place = counts.iter().position(|count| {
            seen += count;
            seen >= wanted.max(1)
        });
        place.map_or(0, |place| 1 << place)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Polls done.
    pub polls: Count,
    /// Polls left out because the one before took too long.
    pub polls_skipped: Count,
    /// Polls whose answer could not be read.
    pub answers_unreadable: Count,
    /// Points that gave no value.
    pub absences: Count,
    /// What data loggers sent, and what was wrong with it.
    pub hj212: Counts,
    /// What cameras sent, and what was wrong with it.
    pub camera: camera::counts::Counts,
    /// What became of their pictures.
    pub footage: footage::counts::Counts,
    /// What the vision process was asked, and what became of it.
    pub vision: vision::counts::Counts,
    /// Messages that devices sent by themselves.
    pub messages: Count,
    /// Of these, sent again and stored already.
    pub messages_repeated: Count,
    /// Of these, kept by a broker for whoever comes: old values and no readings.
    pub messages_retained: Count,
    /// Messages, answers and values that could not be used.
    pub refused: Count,
    /// Readings on disk, absences included.
    pub readings_stored: Count,
    /// Records that the full buffer let go of without a receipt; they are in a gap.
    pub records_lost_full: Count,
    /// Their readings.
    pub readings_lost_full: Count,
    /// Records refused because the disk was full or failing.
    pub records_lost_disk: Count,
    /// Their readings.
    pub readings_lost_disk: Count,
    /// Records in the buffer that could not be read back.
    pub records_damaged: Count,
    /// Buffer files that were found damaged and set aside, with what could be read of them in a new one.
    pub buffers_damaged: Count,
    /// Gauge: records without the gateway's receipt.
    pub records_waiting: Count,
    /// Records sent.
    pub records_sent: Count,
    /// Of these, sent from the buffer after an interruption.
    pub records_resent: Count,
    /// Commands of the gateway that could not be read.
    pub malformed: Count,
    /// From sending a new record to its receipt.
    pub receipt_delays: Delays,
    /// Gauge: what must be added to the agent's clock to get the gateway's, in milliseconds; 0 until it is known.
    pub clock_offset_ms: Level,
    /// Gauge: the true offset is at most this far from it.
    pub clock_uncertainty_ms: Level,
    /// Gauge: 1 if the clock is not trusted.
    pub clock_untrusted: Count,
    /// Connections made to the gateway.
    pub connections: Count,
    /// Births asked for by the gateway.
    pub rebirths: Count,
    /// Streams left for a new one, since the gateway had records of other content under their numbers.
    pub streams_left: Count,
    /// New certificates that took the place of old ones.
    pub renewals: Count,
    /// New certificates that could not be asked for, kept or used.
    pub renewals_failed: Count,
}

impl Metrics {
    /// What devices and the gateway sent and nobody could use: messages, answers, values, frames, commands.
    pub fn all_malformed(&self) -> u64 {
        self.malformed.get() + self.refused.get() + self.hj212.refused.get()
    }

    /// Writes all of them to the log in one line.
    pub fn log(&self) {
        tracing::info!(
            polls = self.polls.get(),
            polls_skipped = self.polls_skipped.get(),
            answers_unreadable = self.answers_unreadable.get(),
            absences = self.absences.get(),
            messages = self.messages.get(),
            messages_repeated = self.messages_repeated.get(),
            messages_retained = self.messages_retained.get(),
            refused = self.refused.get(),
            readings_stored = self.readings_stored.get(),
            records_lost_full = self.records_lost_full.get(),
            readings_lost_full = self.readings_lost_full.get(),
            records_lost_disk = self.records_lost_disk.get(),
            readings_lost_disk = self.readings_lost_disk.get(),
            records_damaged = self.records_damaged.get(),
            buffers_damaged = self.buffers_damaged.get(),
            records_waiting = self.records_waiting.get(),
            records_sent = self.records_sent.get(),
            records_resent = self.records_resent.get(),
            receipt_p50_ms = self.receipt_delays.below_ms(0.5),
            receipt_p99_ms = self.receipt_delays.below_ms(0.99),
            malformed = self.malformed.get(),
            clock_offset_ms = self.clock_offset_ms.get(),
            clock_uncertainty_ms = self.clock_uncertainty_ms.get(),
            clock_untrusted = self.clock_untrusted.get(),
            connections = self.connections.get(),
            rebirths = self.rebirths.get(),
            streams_left = self.streams_left.get(),
            renewals = self.renewals.get(),
            renewals_failed = self.renewals_failed.get(),
            "metrics"
        );
        self.hj212.log();
        self.camera.log();
        self.footage.log();
        self.vision.log();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_told_as_the_power_of_two_they_were_below() {
        let delays = Delays::default();
        assert_eq!(delays.below_ms(0.5), 0);
        for ms in [0, 1, 3, 3, 900] {
            delays.add(Duration::from_millis(ms));
        }
        assert_eq!(
            [0.2, 0.4, 0.5, 0.99].map(|part| delays.below_ms(part)),
            [1, 2, 4, 1024]
        );
        delays.add(Duration::from_secs(1 << 40));
        assert_eq!(delays.below_ms(1.0), 1 << 19);
    }
}
