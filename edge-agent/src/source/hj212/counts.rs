//! How often what came from data loggers, and a sample of each thing that is wrong.
//!
//! Bounds: [`KINDS_MAX`] things by sender and code; what is over is counted under the code alone, of all senders.

use crate::metrics::Count;
use contract::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Senders and codes that are kept apart.
pub const KINDS_MAX: usize = 256;
/// Bytes of a sample.
pub const SAMPLE_MAX: usize = 200;
const ALL: &str = "(others)";

/// All of them.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections taken.
    pub connections_taken: Count,
    /// Of these, ended.
    pub connections_ended: Count,
    /// Connections refused or closed: too many, a foreign network, foreign frames, idle.
    pub connections_refused: Count,
    /// Frames with an end, right or wrong.
    pub frames: Count,
    /// Frames stored.
    pub frames_stored: Count,
    /// Frames that came again; answered, not stored.
    pub frames_repeated: Count,
    /// Frames that came again with other content; stored beside the first.
    pub frames_conflicting: Count,
    /// Heartbeats without data; answered, not stored.
    pub heartbeats: Count,
    /// Frames of which nothing was taken, pieces and runs of garbage.
    pub refused: Count,
    /// Frames that could not be stored; not answered, so that they come again.
    pub frames_not_stored: Count,
    /// Splits of which packets never came.
    pub splits_incomplete: Count,
    /// Requests sent to loggers, repeats included.
    pub requests: Count,
    /// Waits of a connection that sent too fast.
    pub throttled: Count,
    complaints: Mutex<BTreeMap<(String, &'static str), Complained>>,
}

/// One thing that is wrong with what one sender sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complained {
    /// Device, or address if it is not known whose it is.
    pub who: String,
    /// What, as a word; docs/protocol/hj212.md.
    pub code: &'static str,
    /// How often.
    pub count: u64,
    /// When last.
    pub last: Timestamp,
    /// In words, the last time.
    pub words: String,
    /// The beginning of what was sent the last time.
    pub sample: String,
}

impl Counts {
    /// Notes that something is wrong; the log has it the first, second, fourth, eighth … time.
    pub fn complain(
        &self,
        who: &str,
        code: &'static str,
        words: &str,
        sample: &[u8],
        now: Timestamp,
    ) {
        let sample = String::from_utf8_lossy(&sample[..sample.len().min(SAMPLE_MAX)]).into_owned();
        let mut all = self.all();
        let mut key = (who.to_owned(), code);
        if all.len() >= KINDS_MAX && !all.contains_key(&key) {
            key.0 = ALL.to_owned();
        }
        let entry = all.entry(key.clone()).or_insert_with(|| Complained {
            who: key.0,
            code,
            count: 0,
            last: now,
            words: String::new(),
            sample: String::new(),
        });
        entry.count += 1;
        entry.last = now;
        words.clone_into(&mut entry.words);
        let count = entry.count;
        entry.sample = sample.clone();
        drop(all);
        if count.is_power_of_two() {
            tracing::warn!(from = who, code, words, count, sample, "HJ 212");
        }
    }

    /// What was complained of so far.
    pub fn complaints(&self) -> Vec<Complained> {
        self.all().values().cloned().collect()
    }

    /// How often, of all senders.
    pub fn complained(&self, code: &str) -> u64 {
        let all = self.all();
        let of_code = all.values().filter(|complained| complained.code == code);
        of_code.map(|complained| complained.count).sum()
    }

    /// Writes them to the log in one line, if anything ever connected.
    pub fn log(&self) {
        if self.connections_taken.get() + self.connections_refused.get() == 0 {
            return;
        }
        tracing::info!(
            connections_taken = self.connections_taken.get(),
            connections_ended = self.connections_ended.get(),
            connections_refused = self.connections_refused.get(),
            frames = self.frames.get(),
            frames_stored = self.frames_stored.get(),
            frames_repeated = self.frames_repeated.get(),
            frames_conflicting = self.frames_conflicting.get(),
            heartbeats = self.heartbeats.get(),
            refused = self.refused.get(),
            frames_not_stored = self.frames_not_stored.get(),
            splits_incomplete = self.splits_incomplete.get(),
            throttled = self.throttled.get(),
            "HJ 212"
        );
    }

    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, &'static str), Complained>> {
        self.complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_bounded_and_none_is_uncounted() {
        let counts = Counts::default();
        let now = Timestamp::from_millis(7);
        for n in 0..KINDS_MAX + 5 {
            counts.complain(&format!("10.0.{n}"), "garbage", "words", &[b'x'; 300], now);
        }
        let all = counts.complaints();
        assert_eq!(all.len(), KINDS_MAX + 1);
        assert_eq!(counts.complained("garbage"), KINDS_MAX as u64 + 5);
        let others = all.iter().find(|c| c.who == ALL).unwrap();
        assert_eq!((others.count, others.sample.len()), (5, SAMPLE_MAX));
    }
}
