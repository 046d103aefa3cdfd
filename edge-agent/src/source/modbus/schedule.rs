//! Whose turn it is on a bus. Pure: the time is an argument.
//!
//! Promise: poll n of a device is due at start + n × every; each due poll is asked once, or is told of as absent, or as
//! missed. A device that did not answer is a suspect: it is asked again after 1, 2, 4, … intervals, at most `back_off_max`,
//! and its polls in between are absent. Devices that answer go before suspects, unless a suspect has waited for
//! [`PATIENCE`], and suspects never take the last of several connections. So a dead device costs the others at most one of its
//! time-outs for each step of its back-off, and nothing where there are connections to spare. New devices are suspects; where
//! there are several connections the first look at one is a short one ([`Ask::is_first`]), so that many dead ones do not keep
//! the others waiting at the start.

use contract::Absence;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;

/// A suspect that has waited for this goes first, so that a full bus cannot keep it out for ever.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Ask it now, and then say [`Schedule::done`].
    Ask(Ask),
    /// Its poll of this time is not asked; this is its reason.
    Absent(usize, Instant, Absence),
    /// Nothing until then, or until somebody is done.
    Wait(Option<Instant>),
}

/// A device to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Which.
    pub device: usize,
    /// Polls that were due before and came to nothing, since the device or the bus took too long.
    pub missed: Option<Missed>,
    /// It was never asked before, and others wait for the same connections.
    pub is_first: bool,
}

/// Polls that were due and not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// When the first was due.
    pub from: Instant,
    /// How many there were.
    pub polls: u32,
}

/// What came of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The device said something.
    Answered,
    /// The device said nothing that can be read, or its gateway could not reach it.
    Silent(Absence),
    /// The bus could not be reached; that says nothing about the device.
    NoLine,
}

#[derive(Debug)]
struct Entry {
    every: Duration,
    due: Instant,
    is_known: bool,
    is_trusted: bool,
    failures: u32,
    retry_at: Instant,
    reason: Option<Absence>,
}

/// The turns of one bus.
#[derive(Debug)]
pub struct Schedule {
    entries: Vec<Entry>,
    trusted: BTreeSet<(Instant, usize)>,
    suspects: BTreeSet<(Instant, usize)>,
    resting: BTreeSet<(Instant, usize)>,
    suspects_at_once: usize,
    suspects_asked: usize,
    back_off_max: Duration,
}

impl Schedule {
    /// Of devices with these intervals; their first polls are spread over one interval.
    pub fn new(
        every: impl ExactSizeIterator<Item = Duration>,
        connections: usize,
        back_off_max: Duration,
        start: Instant,
    ) -> Schedule {
        let count = every.len() as u32;
        let entry = |(n, every): (u32, Duration)| Entry {
            every,
            due: start + every * n / count,
            is_known: connections < 2,
            is_trusted: false,
            failures: 0,
            retry_at: start,
            reason: None,
        };
        let mut schedule = Schedule {
            entries: (0..).zip(every).map(entry).collect(),
            trusted: BTreeSet::new(),
            suspects: BTreeSet::new(),
            resting: BTreeSet::new(),
            suspects_at_once: connections.saturating_sub(1).max(1),
            suspects_asked: 0,
            back_off_max,
        };
        for device in 0..schedule.entries.len() {
            schedule.place(device);
        }
        schedule
    }

    fn place(&mut self, device: usize) {
        let entry = &self.entries[device];
        let set = match entry.is_trusted {
            true => &mut self.trusted,
            false if entry.due < entry.retry_at => &mut self.resting,
            false => &mut self.suspects,
        };
        set.insert((entry.due, device));
    }

    /// The next turn.
    pub fn next(&mut self, now: Instant) -> Turn {
        let due =
            |set: &BTreeSet<(Instant, usize)>| set.first().copied().filter(|(at, _)| *at <= now);
        if let Some((at, device)) = due(&self.resting) {
            self.resting.pop_first();
            let entry = &mut self.entries[device];
            entry.due += entry.every;
            let reason = entry.reason.unwrap_or(Absence::NoAnswer);
            self.place(device);
            return Turn::Absent(device, at, reason);
        }
        let has_room = self.suspects_asked < self.suspects_at_once;
        let suspect = due(&self.suspects).filter(|_| has_room);
        let trusted = due(&self.trusted);
        let is_patient = |(at, _): &(Instant, usize)| now.saturating_duration_since(*at) < PATIENCE;
        match (suspect, trusted) {
            (Some(first), Some(_)) if !is_patient(&first) => self.ask_suspect(now),
            (_, Some((_, device))) => {
                self.trusted.pop_first();
                Turn::Ask(self.ask(device, now))
            }
            (Some(_), None) => self.ask_suspect(now),
            (None, None) => {
                let suspects = self.suspects.first().filter(|_| has_room);
                let firsts = [self.resting.first(), self.trusted.first(), suspects];
                Turn::Wait(firsts.into_iter().flatten().map(|(at, _)| *at).min())
            }
        }
    }

    fn ask_suspect(&mut self, now: Instant) -> Turn {
        let Some((_, device)) = self.suspects.pop_first() else {
            return Turn::Wait(None);
        };
        self.suspects_asked += 1;
        Turn::Ask(self.ask(device, now))
    }

    fn ask(&mut self, device: usize, now: Instant) -> Ask {
        let entry = &mut self.entries[device];
        let from = entry.due;
        let late = now.saturating_duration_since(from).as_nanos();
        let polls = u32::try_from(late / entry.every.as_nanos().max(1)).unwrap_or(u32::MAX);
        entry.due += entry.every * polls + entry.every;
        let missed = (polls > 0).then_some(Missed { from, polls });
        let is_first = !std::mem::replace(&mut entry.is_known, true);
        Ask {
            device,
            missed,
            is_first,
        }
    }

    /// The device of an [`Ask`] was asked.
    pub fn done(&mut self, device: usize, outcome: Outcome) {
        let entry = &mut self.entries[device];
        if !entry.is_trusted {
            self.suspects_asked -= 1;
        }
        match outcome {
            Outcome::Answered => {
                entry.is_trusted = true;
                entry.failures = 0;
                entry.reason = None;
            }
            Outcome::Silent(reason) => {
                let waited = entry.every * 2u32.pow(entry.failures.min(16));
                // `due` is one interval after the poll that failed.
                entry.retry_at = entry.due - entry.every + waited.min(self.back_off_max);
                entry.is_trusted = false;
                entry.failures += 1;
                entry.reason = Some(reason);
            }
            Outcome::NoLine => entry.reason = Some(Absence::NoConnection),
        }
        self.place(device);
    }

    /// Why the device's last poll came to nothing.
    pub fn reason(&self, device: usize) -> Option<Absence> {
        self.entries[device].reason
    }

    /// The time between its polls.
    pub fn every(&self, device: usize) -> Duration {
        self.entries[device].every
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const MS: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);

    /// What became of each due poll of each device: how late it was asked, or why not.
    type Told = BTreeMap<(usize, u64), Result<Duration, Option<Absence>>>;

    /// A bus in imagined time: dead devices cost a second, others `answer`; everything due within `length` is told.
    fn play(
        every: &[Duration],
        is_dead: impl Fn(usize, Duration) -> bool,
        answer: Duration,
        connections: usize,
        length: Duration,
    ) -> Told {
        let start = Instant::now();
        let mut now = start;
        let mut schedule = Schedule::new(every.iter().copied(), connections, 60 * SECOND, start);
        let mut told = Told::new();
        let mut busy: BTreeSet<(Instant, usize)> = BTreeSet::new();
        let first = |device: usize| start + every[device] * device as u32 / every.len() as u32;
        let number = |device: usize, at: Instant| {
            let since = (at - first(device)).as_nanos();
            assert_eq!(since % every[device].as_nanos(), 0, "the schedule drifts");
            (device, (since / every[device].as_nanos()) as u64)
        };
        while now < start + length {
            let is_free = busy.len() < connections;
            let turn = if is_free {
                schedule.next(now)
            } else {
                Turn::Wait(None)
            };
            let before = told.len();
            match turn {
                Turn::Ask(ask) => {
                    let mut polls = 0;
                    if let Some(missed) = ask.missed {
                        polls = missed.polls;
                        for n in 0..polls {
                            let at = missed.from + every[ask.device] * n;
                            told.insert(number(ask.device, at), Err(None));
                        }
                    }
                    let late = (now - first(ask.device)).as_nanos() % every[ask.device].as_nanos();
                    let late = Duration::from_nanos(late as u64);
                    told.insert(number(ask.device, now - late), Ok(late));
                    let lasts = match (is_dead(ask.device, now - start), ask.is_first) {
                        (true, true) => SECOND / 4,
                        (true, false) => SECOND,
                        (false, _) => answer,
                    };
                    busy.insert((now + lasts, ask.device));
                    assert_eq!(told.len(), before + 1 + polls as usize, "told twice");
                }
                Turn::Absent(device, at, reason) => {
                    assert!(at <= now);
                    told.insert(number(device, at), Err(Some(reason)));
                    assert_eq!(told.len(), before + 1, "told twice");
                }
                Turn::Wait(until) => {
                    let done = busy.first().map(|(at, _)| *at);
                    let until = until.filter(|_| is_free);
                    now = until.into_iter().chain(done).min().unwrap();
                    while let Some((_, device)) = busy.first().copied().filter(|b| b.0 <= now) {
                        busy.pop_first();
                        // The device says what it is when asked; here, when its answer is due.
                        let outcome = match is_dead(device, now - start) {
                            true => Outcome::Silent(Absence::NoAnswer),
                            false => Outcome::Answered,
                        };
                        schedule.done(device, outcome);
                    }
                }
            }
        }
        told
    }

    fn latest(told: &Told, which: impl Fn(usize, u64) -> bool) -> Duration {
        let of = told.iter().filter(|((device, n), _)| which(*device, *n));
        of.map(|(_, told)| told.expect("asked")).max().unwrap()
    }

    #[test]
    fn a_tenth_of_a_thousand_dead_devices_delays_the_others_little_at_the_start_and_then_by_nothing()
     {
        let every = vec![10 * SECOND; 1000];
        let is_dead = |device: usize, _| device % 10 == 3;
        let told = play(&every, is_dead, MS, 4, 300 * SECOND);
        let late = latest(&told, |device, n| n >= 2 && device % 10 != 3);
        assert!(late <= 5 * MS, "{late:?}");
        let late = latest(&told, |device, _| device % 10 != 3);
        assert!(late <= SECOND, "none is missed at the start: {late:?}");
        let asked = |n: std::ops::Range<u64>| {
            let of = |d: &(usize, u64)| d.0 % 10 == 3 && n.contains(&d.1);
            told.iter()
                .filter(|(d, told)| of(d) && told.is_ok())
                .count()
        };
        let many = asked(20..26);
        assert!(
            (90..=110).contains(&many),
            "each dead one once a minute: {many}"
        );
        let reasons = told.values().filter_map(|told| told.err().flatten());
        assert!(reasons.count() > 1000, "the polls between are absent");
    }

    #[test]
    fn on_one_line_a_dead_device_costs_at_most_one_time_out_for_each_step_of_its_back_off() {
        let every = vec![5 * SECOND; 20];
        let told = play(
            &every,
            |device, _| device == 7 || device == 8,
            50 * MS,
            1,
            600 * SECOND,
        );
        let late = latest(&told, |device, n| n >= 2 && device != 7 && device != 8);
        assert!(late <= SECOND + 100 * MS, "{late:?}");
        for device in [7, 8] {
            let asked: Vec<u64> = (0..115).filter(|n| told[&(device, *n)].is_ok()).collect();
            assert_eq!(asked[..8], [0, 1, 3, 7, 15, 27, 39, 51], "device {device}");
        }
    }

    #[test]
    fn a_device_that_answers_again_is_asked_at_every_poll_at_once() {
        let every = [SECOND, SECOND];
        let is_dead = |device, since: Duration| device == 1 && since < 20 * SECOND;
        let told = play(&every, is_dead, MS, 1, 60 * SECOND);
        let asked: Vec<u64> = (0..50).filter(|n| told[&(1, *n)].is_ok()).collect();
        assert_eq!(asked[..5], [0, 1, 3, 7, 15]);
        assert_eq!(asked[5..], (31..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_slow_device_misses_polls_and_its_schedule_does_not_drift() {
        let told = play(&[100 * MS], |_, _| false, 250 * MS, 1, 10 * SECOND);
        let missed = told.values().filter(|told| **told == Err(None)).count();
        assert!((55..=70).contains(&missed), "{missed}");
        assert!((0..90).all(|n| told.contains_key(&(0, n))));
    }
}
