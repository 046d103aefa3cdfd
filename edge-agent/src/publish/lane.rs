//! Two lanes to the gateway: new records at once, and what waited, oldest first, beside them at a bounded rate.

use crate::buffer::Buffer;
use contract::Timestamp;
use journal::Follower;
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// Ranges of numbers kept at most; those in the middle are forgotten, and what they held may go twice.
const RANGES_MAX: usize = 1_024;
/// How far the back-fill lane may be ahead of its rate, so that a coarse timer does not slow it down.
const BURST: Duration = Duration::from_millis(50);

/// Record numbers that the gateway is known to have: ranges, ordered, never touching.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers(Vec<(u64, u64)>);

impl Numbers {
    /// Adds all from `from` to `to`.
    pub fn insert(&mut self, from: u64, to: u64) {
        if from > to {
            return;
        }
        let first = self
            .0
            .partition_point(|&(_, end)| end.saturating_add(1) < from);
        let last = self
            .0
            .partition_point(|&(start, _)| start <= to.saturating_add(1));
        let joined = match first < last {
            true => (self.0[first].0.min(from), self.0[last - 1].1.max(to)),
            false => (from, to),
        };
        self.0.splice(first..last, [joined]);
        if self.0.len() > RANGES_MAX {
            self.0.remove(RANGES_MAX / 2);
        }
    }

    /// Adds all of `other` up to `most`.
    pub fn join(&mut self, other: &Numbers, most: u64) {
        for &(from, to) in &other.0 {
            self.insert(from, to.min(most));
        }
    }

    /// True if `n` is among them.
    pub fn contains(&self, n: u64) -> bool {
        self.run_end(n) >= n
    }

    /// The end of the unbroken run that begins at or before `n`; `n - 1` if `n` is not among them.
    pub fn run_end(&self, n: u64) -> u64 {
        let at = self.0.partition_point(|&(_, end)| end < n);
        match self.0.get(at) {
            Some(&(from, to)) if from <= n => to,
            _ => n.saturating_sub(1),
        }
    }
}

/// A stretch of the stream that is sent in the order of its numbers.
pub struct Lane {
    /// Gives the next block.
    pub follower: Follower,
    /// The newest number that was sent, or need not be.
    pub sent: u64,
    /// Time of the record that was sent last.
    pub at: Timestamp,
    begin: u64,
    end: u64,
    /// Numbers up to here are sent for the second time.
    again: u64,
    confirmed: u64,
    progress_at: Instant,
    /// When what has no receipt was sent.
    times: VecDeque<(u64, Instant)>,
}

impl Lane {
    /// From `begin` to `end`.
    pub fn new(buffer: &Buffer, begin: u64, end: u64) -> Lane {
        Lane {
            follower: buffer.follow(begin),
            sent: begin - 1,
            at: Timestamp::now(),
            begin,
            end,
            again: 0,
            confirmed: begin - 1,
            progress_at: Instant::now(),
            times: VecDeque::new(),
        }
    }

    /// A number was sent.
    pub fn sends(&mut self, number: u64) {
        self.times.push_back((number, Instant::now()));
    }

    /// How long the next of those that were sent has waited, if it has its receipt now.
    pub fn next_delay(&mut self) -> Option<Duration> {
        let confirmed = self.confirmed;
        let done = self
            .times
            .front()
            .filter(|(number, _)| *number <= confirmed)?
            .1;
        self.times.pop_front();
        Some(done.elapsed())
    }

    /// The number that comes next.
    pub fn next(&self) -> u64 {
        self.sent + 1
    }

    /// True when nothing is left to send.
    pub fn is_done(&self) -> bool {
        self.sent >= self.end
    }

    /// True if this number was sent before, without a receipt.
    pub fn is_again(&self, number: u64) -> bool {
        number <= self.again
    }

    /// Numbers that were sent and wait for a receipt: first and last (before the first if there are none).
    pub fn under_way(&self) -> (u64, u64) {
        (self.confirmed + 1, self.sent)
    }

    /// True if something was sent that has no receipt.
    pub fn is_waiting(&self) -> bool {
        self.confirmed < self.sent
    }

    /// The gateway is known to have these: passes over what need not be sent.
    pub fn learn(&mut self, known: &Numbers, buffer: &Buffer) {
        let confirmed = known.run_end(self.begin).min(self.end);
        if confirmed > self.confirmed {
            self.confirmed = confirmed;
            self.progress_at = Instant::now();
        }
        let run_end = known.run_end(self.next()).min(self.end);
        if run_end > self.sent {
            self.sent = run_end;
            self.follower = buffer.follow(self.next());
        }
        if !self.is_waiting() {
            self.progress_at = Instant::now();
        }
    }

    /// If no receipt came for `patience`: goes back to what has none. Gives what was sent in vain.
    pub fn go_back(&mut self, patience: Duration, buffer: &Buffer) -> Option<(u64, u64)> {
        if !self.is_waiting() || self.progress_at.elapsed() < patience {
            return None;
        }
        let vain = self.under_way();
        self.times.clear();
        self.again = self.again.max(self.sent);
        self.sent = self.confirmed;
        self.follower = buffer.follow(self.next());
        self.progress_at = Instant::now();
        Some(vain)
    }

    /// True if another record may be under way.
    pub fn has_window(&self, window: u64) -> bool {
        self.sent < self.confirmed + window
    }
}

/// So many readings a second, and no more.
pub struct Pace {
    per_s: u32,
    free_at: Instant,
}

impl Pace {
    /// From `now` on.
    pub fn new(per_s: u32, now: Instant) -> Pace {
        Pace {
            per_s,
            free_at: now,
        }
    }

    /// When the next may go.
    pub fn next_at(&self) -> Instant {
        self.free_at
    }

    /// So many readings went.
    pub fn spend(&mut self, readings: usize, now: Instant) {
        let cost = Duration::from_secs(1) * readings.max(1) as u32 / self.per_s;
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        self.free_at = self.free_at.max(earliest) + cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_behave_like_a_set() {
        let mut state = 7u64;
        let mut below = |n: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % n
        };
        for _ in 0..300 {
            let (mut numbers, mut model) = (Numbers::default(), BTreeSet::new());
            for _ in 0..20 {
                let from = 1 + below(60);
                let to = from + below(5);
                numbers.insert(from, to);
                model.extend(from..=to);
                for n in 1..=66 {
                    assert_eq!(numbers.contains(n), model.contains(&n), "{n} {numbers:?}");
                    let end = (n..).take_while(|n| model.contains(n)).last();
                    assert_eq!(numbers.run_end(n), end.unwrap_or(n - 1), "{n} {numbers:?}");
                }
            }
            let mut part = Numbers::default();
            part.join(&numbers, 30);
            assert!((1..=66).all(|n| part.contains(n) == (n <= 30 && model.contains(&n))));
        }
    }

    #[test]
    fn too_many_ranges_forget_the_middle() {
        let mut numbers = Numbers::default();
        (1..=3_000).for_each(|n| numbers.insert(n * 3, n * 3));
        assert!(numbers.contains(3) && numbers.contains(9_000) && !numbers.contains(4_500));
        assert_eq!(numbers.0.len(), RANGES_MAX);
    }

    #[test]
    fn the_pace_is_kept_over_a_second_and_a_pause_is_not_saved_up() {
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        let sent = |pace: &mut Pace, from: u64, to: u64| {
            let mut readings = 0;
            // A timer that is late by up to ten milliseconds.
            for at in (from..to).step_by(10) {
                while pace.next_at() <= ms(at) {
                    pace.spend(10, ms(at));
                    readings += 10;
                }
            }
            readings
        };
        let mut pace = Pace::new(2_000, start);
        let first = sent(&mut pace, 0, 1_000);
        assert!((1_980..=2_120).contains(&first), "{first}");
        let after_a_pause = sent(&mut pace, 60_000, 60_100);
        assert!((190..=320).contains(&after_a_pause), "{after_a_pause}");
    }
}
