//! Whether the agent's clock can be trusted, and how far it is from the gateway's. Pure but for [`Timekeeper`], which looks
//! at the clocks.
//!
//! Promise: no reading is ever given another time. From the first look at a clock that shows an impossible time, was set,
//! or disagrees with the gateway's, until the clock agrees with the gateway's or with itself again, readings say
//! [`contract::Doubt::UntrustedClock`].
//!
//! The offset comes from receipts: the gateway wrote its time on one after a record was sent and before the receipt was
//! heard, so the middle of the two is at most half the way wrong. Of the last samples the one with the least doubt counts;
//! a sample grows more doubtful with age, since clocks drift.
//!
//! Not noticed: a clock that shows a wrong but possible time after the box was off, until the gateway is heard.

use contract::{
    Timestamp,
    status::{ClockDoubt, ClockStatus},
};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// No agent ran before this: 2026-11-01T00:00:00Z.
pub const MADE: Timestamp = Timestamp::from_millis(1_793_491_200_000);
/// Samples of the offset that are kept.
const SAMPLES: usize = 8;

/// When a clock is no longer, and when it is again, trusted.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The clock was set if it strays this far from the time that passed, in milliseconds.
    pub jump_ms: i64,
    /// It agrees with the gateway's if it is at most this far away, doubt included.
    pub agrees_ms: i64,
    /// It disagrees if it is more than this away, doubt excluded.
    pub disagrees_ms: i64,
    /// A sample's doubt grows by one millisecond in so many: 10,000 is a drift of 100 ppm.
    pub drift: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            jump_ms: 5_000,
            agrees_ms: 2_000,
            disagrees_ms: 30_000,
            drift: 10_000,
        }
    }
}

/// What the gateway's clock was seen to be ahead of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sample {
    taken: Duration,
    ahead_ms: i64,
    doubt_ms: i64,
}

/// The judge of a clock. `now` is what the clock shows, `passed` what passed since the start by a clock that nobody sets.
#[derive(Debug, Clone)]
pub struct Clock {
    limits: Limits,
    floor: Timestamp,
    /// A moment at which the clock was trusted.
    anchor: (Timestamp, Duration),
    last: (Timestamp, Duration),
    samples: VecDeque<Sample>,
    why: Option<ClockDoubt>,
}

impl Clock {
    /// A clock that cannot be before `floor`: the newest record, or the day the program was made.
    pub fn new(limits: Limits, floor: Timestamp, now: Timestamp, passed: Duration) -> Clock {
        let mut clock = Clock {
            limits,
            floor,
            anchor: (now, passed),
            last: (now, passed),
            samples: VecDeque::new(),
            why: None,
        };
        clock.look(now, passed);
        clock
    }

    /// Looks at the clock; gives why it is not trusted.
    pub fn look(&mut self, now: Timestamp, passed: Duration) -> Option<ClockDoubt> {
        let step = stray(self.last, now, passed);
        for sample in &mut self.samples {
            sample.ahead_ms -= step;
        }
        self.last = (now, passed);
        self.why = self.judge(now, passed);
        if self.why.is_none() && self.agrees(passed) {
            self.anchor = (now, passed);
        }
        self.why
    }

    fn judge(&mut self, now: Timestamp, passed: Duration) -> Option<ClockDoubt> {
        if self.agrees(passed) {
            // The gateway's word counts more than what an earlier clock wrote on the newest record.
            self.floor = self.floor.min(now);
            return None;
        }
        if now < self.floor {
            return Some(ClockDoubt::Past);
        }
        let offset = self.offset(passed);
        if offset.is_some_and(|(ahead, doubt)| ahead.abs() - doubt > self.limits.disagrees_ms) {
            return Some(ClockDoubt::Disagrees);
        }
        match self.why {
            // It was set from the impossible to the possible: a beginning, as after a start.
            Some(ClockDoubt::Past) => {
                self.anchor = (now, passed);
                None
            }
            Some(ClockDoubt::Disagrees) if offset.is_some() => Some(ClockDoubt::Disagrees),
            _ => {
                let is_set = stray(self.anchor, now, passed).abs() > self.limits.jump_ms;
                is_set.then_some(ClockDoubt::Jumped)
            }
        }
    }

    /// A receipt with the gateway's time on it was heard now; what it answers was sent when `sent` had passed.
    pub fn heard(
        &mut self,
        gateway_at: Timestamp,
        sent: Duration,
        now: Timestamp,
        passed: Duration,
    ) {
        self.look(now, passed);
        let half = millis(passed.saturating_sub(sent)) / 2;
        self.samples.push_back(Sample {
            taken: passed,
            ahead_ms: gateway_at.since(now.plus_millis(-half)),
            doubt_ms: half + 1,
        });
        while self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
        self.look(now, passed);
    }

    /// What must be added to this clock to get the gateway's, and how far from the truth that is at most.
    pub fn offset(&self, passed: Duration) -> Option<(i64, i64)> {
        let aged = |sample: &Sample| {
            let age = millis(passed.saturating_sub(sample.taken)).unsigned_abs();
            let drift = (age / self.limits.drift.max(1)) as i64;
            (sample.ahead_ms, sample.doubt_ms + drift)
        };
        self.samples
            .iter()
            .map(aged)
            .min_by_key(|(_, doubt)| *doubt)
    }

    fn agrees(&self, passed: Duration) -> bool {
        self.offset(passed)
            .is_some_and(|(ahead, doubt)| ahead.abs() + doubt <= self.limits.agrees_ms)
    }
}

/// How much further the clock went than time did.
fn stray(from: (Timestamp, Duration), now: Timestamp, passed: Duration) -> i64 {
    now.since(from.0)
        .saturating_sub(millis(passed.saturating_sub(from.1)))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The clocks of the machine, under a judge.
#[derive(Debug)]
pub struct Timekeeper {
    started: Instant,
    clock: Mutex<Clock>,
}

impl Timekeeper {
    /// From now on; no record is newer than `newest`.
    pub fn new(newest: Option<Timestamp>) -> Timekeeper {
        let floor = newest.map_or(MADE, |newest| newest.max(MADE));
        let clock = Clock::new(Limits::default(), floor, Timestamp::now(), Duration::ZERO);
        Timekeeper {
            started: Instant::now(),
            clock: Mutex::new(clock),
        }
    }

    /// What passed since the start.
    pub fn passed(&self) -> Duration {
        self.started.elapsed()
    }

    /// When the agent started, by what the clock shows now.
    pub fn started_at(&self) -> Timestamp {
        Timestamp::now().plus_millis(-millis(self.passed()))
    }

    /// True if the time the clock shows now can be trusted.
    pub fn is_trusted(&self) -> bool {
        let passed = self.passed();
        self.clock().look(Timestamp::now(), passed).is_none()
    }

    /// See [`Clock::heard`].
    pub fn heard(&self, gateway_at: Timestamp, sent: Duration, now: Timestamp, passed: Duration) {
        self.clock().heard(gateway_at, sent, now, passed);
    }

    /// What is known of the clock.
    pub fn status(&self) -> ClockStatus {
        let passed = self.passed();
        let mut clock = self.clock();
        let why = clock.look(Timestamp::now(), passed);
        let offset = clock.offset(passed);
        ClockStatus {
            is_trusted: why.is_none(),
            why,
            offset_ms: offset.map(|(ahead, _)| ahead),
            uncertainty_ms: offset.map(|(_, doubt)| doubt),
        }
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_795_000_000_000;
    const HOUR: i64 = 3_600_000;

    /// What happens at a second: what the clock is set forward by before it (milliseconds), and whether a receipt comes,
    /// with its round trip.
    type Event = (u64, i64, Option<u64>);

    /// Plays events by the seconds of a box whose clocks run `ppm` too fast. True time begins at noon, and its clock is
    /// `wrong` milliseconds ahead of it then. Gives the verdict after each event: `t` trusted, or the first letter of the doubt.
    fn play(wrong: i64, newest: i64, ppm: i64, events: &[Event]) -> String {
        let floor = Timestamp::from_millis(newest);
        let shows =
            |second: u64, wrong: i64| Timestamp::from_millis(NOON + second as i64 * 1000 + wrong);
        let mut wrong = wrong;
        let mut clock = Clock::new(Limits::default(), floor, shows(0, wrong), Duration::ZERO);
        let mut verdicts = String::new();
        for (second, set_by, receipt) in events {
            wrong += set_by;
            let (now, passed) = (shows(*second, wrong), Duration::from_secs(*second));
            if let Some(round_trip) = receipt {
                let sent = passed.saturating_sub(Duration::from_millis(*round_trip));
                let true_ms =
                    *second as i64 * (1000 - ppm / 1000) - *second as i64 * (ppm % 1000) / 1000;
                let written = NOON + true_ms - *round_trip as i64 / 2;
                clock.heard(Timestamp::from_millis(written), sent, now, passed);
            }
            verdicts.push(match clock.look(now, passed) {
                None => 't',
                Some(ClockDoubt::Past) => 'p',
                Some(ClockDoubt::Jumped) => 'j',
                Some(ClockDoubt::Disagrees) => 'd',
            });
        }
        verdicts
    }

    #[test]
    fn a_clock_is_trusted_exactly_while_nothing_speaks_against_it() {
        let earlier = NOON - HOUR;
        let table: &[(&str, i64, i64, &[Event], &str)] = &[
            (
                "nothing is heard",
                0,
                earlier,
                &[(1, 0, None), (9_000, 0, None)],
                "tt",
            ),
            (
                "a boot in 1970, set right",
                -NOON,
                earlier,
                &[(1, 0, None), (60, NOON, None), (70, 0, Some(20))],
                "ptt",
            ),
            (
                "a boot in 1970, never set",
                -NOON,
                earlier,
                &[(1, 0, None), (2, 0, Some(20)), (900, 0, None)],
                "ppp",
            ),
            (
                "a boot before the newest record",
                -2 * HOUR,
                earlier,
                &[(1, 0, None), (5_000, 0, None)],
                "pt",
            ),
            (
                "the newest record was wrong",
                0,
                NOON + 9 * HOUR,
                &[(1, 0, None), (2, 0, Some(20)), (3, 0, None)],
                "ptt",
            ),
            (
                "set forward, the gateway away",
                0,
                earlier,
                &[(1, 0, None), (2, HOUR, None), (9_000, 0, None)],
                "tjj",
            ),
            (
                "set forward and back",
                0,
                earlier,
                &[(2, HOUR, None), (9, -HOUR, None)],
                "jt",
            ),
            ("set backward", 0, earlier, &[(2, -HOUR / 2, None)], "j"),
            (
                "set by less than counts",
                0,
                earlier,
                &[(2, 3_000, None)],
                "t",
            ),
            (
                "set by little often",
                0,
                earlier,
                &[(2, 3_000, None), (4, 3_000, None)],
                "tj",
            ),
            (
                "set while the gateway was known",
                0,
                earlier,
                &[(1, 0, Some(20)), (2, HOUR, None), (3, 0, Some(20))],
                "tdd",
            ),
            (
                "set right after it was wrong",
                -HOUR / 2,
                earlier,
                &[(1, 0, Some(20)), (9, HOUR / 2, None)],
                "dt",
            ),
            (
                "set right before the gateway is heard",
                -HOUR / 2,
                earlier,
                &[(9, HOUR / 2, None), (10, 0, Some(20))],
                "jt",
            ),
            (
                "a slow line says little",
                0,
                earlier,
                &[(1, 0, Some(9_000)), (2, HOUR, Some(9_000))],
                "td",
            ),
            (
                "a slow line cannot say that it agrees",
                0,
                earlier,
                &[(1, 9_000, None), (2, 0, Some(9_000))],
                "jj",
            ),
        ];
        for (what, wrong, newest, events, expected) in table {
            assert_eq!(play(*wrong, *newest, 0, events), *expected, "{what}");
        }
    }

    #[test]
    fn a_drift_is_noticed_when_it_has_come_far_and_forgiven_when_it_is_mended() {
        let day = |n: u64| (n * 86_400, 0, Some(20));
        let mut events: Vec<Event> = (1..=6).map(day).collect();
        events.push((6 * 86_400 + 60, -51_800, Some(20)));
        // 100 ppm are 8.6 s a day. In between it is neither in agreement nor in disagreement, and nobody set it.
        assert_eq!(play(0, NOON - HOUR, 100, &events), "tttdddt");
    }

    #[test]
    fn the_offset_is_that_of_the_sample_with_the_least_doubt() {
        let at = |ms: i64| Timestamp::from_millis(NOON + ms);
        let mut clock = Clock::new(Limits::default(), MADE, at(0), Duration::ZERO);
        let second = Duration::from_secs;
        assert_eq!(clock.offset(second(1)), None);
        clock.heard(at(5_100), second(0), at(10_000), second(10));
        assert_eq!(clock.offset(second(10)), Some((100, 5_001)));
        clock.heard(
            at(11_250),
            Duration::from_millis(10_980),
            at(11_000),
            second(11),
        );
        assert_eq!(clock.offset(second(11)), Some((260, 11)));
        clock.heard(
            at(12_900),
            Duration::from_millis(11_000),
            at(12_000),
            second(12),
        );
        assert_eq!(clock.offset(second(12)), Some((260, 11)));
        assert_eq!(clock.offset(second(1_011)), Some((260, 111)));
    }
}
