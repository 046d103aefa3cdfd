//! What is remembered of a station: which frames came, which packets of a split are missing, since when it is silent.
//! Pure.

use super::{
    control::Manner,
    join::{Joined, Joiner, Key},
};
use contract::{PointName, Timestamp, control::Order};
use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};
use tokio::sync::mpsc;

/// Frames remembered while the agent runs.
pub const REMEMBERED: usize = 512;
/// Of these, the newest are remembered over a restart; a sender repeats what was not answered and no more.
pub const KEPT: usize = 64;
/// Points of a station; a logger has some dozens, and each is kept for ever.
pub const POINTS_MAX: usize = 2_000;
/// Three times OverTime, by the standard's default.
const SPLIT_TIMEOUT_MS: i64 = 30_000;
/// How much later than promised a frame may come.
const GRACE_MS: i64 = 5_000;

/// Which frame it is, and what it says: the beginnings of two hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print {
    /// Of ST, CN, DataTime (or QN), PNUM and PNO.
    pub frame: u64,
    /// Of the data area.
    pub content: u64,
}

/// What a frame is beside those that came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It never came.
    New,
    /// It came with this content.
    Repeated,
    /// It came with other content only.
    Conflicting,
}

/// Frames that came, the newest last.
#[derive(Debug, Default)]
pub struct Memory(VecDeque<Print>);

impl Memory {
    /// From [`Memory::note`]; what is not one is empty.
    pub fn of_note(note: &[u8]) -> Memory {
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or(0);
        let print = |bytes: &[u8]| Print {
            frame: number(&bytes[..8]),
            content: number(&bytes[8..]),
        };
        Memory(note.chunks_exact(16).map(print).collect())
    }

    /// The newest, and one that is about to be remembered, as bytes.
    pub fn note(&self, next: Print) -> Vec<u8> {
        let skipped = (self.0.len() + 1).saturating_sub(KEPT);
        let newest = self.0.iter().skip(skipped).chain([&next]);
        newest
            .flat_map(|print| [print.frame.to_le_bytes(), print.content.to_le_bytes()])
            .flatten()
            .collect()
    }

    /// Looks without remembering.
    pub fn look(&self, print: Print) -> Seen {
        let mut seen = Seen::New;
        for old in self.0.iter().filter(|old| old.frame == print.frame) {
            if old.content == print.content {
                return Seen::Repeated;
            }
            seen = Seen::Conflicting;
        }
        seen
    }

    /// It is stored.
    pub fn remember(&mut self, print: Print) {
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(print);
    }
}

/// When a station that promised an interval is silent.
#[derive(Debug, Default)]
pub struct Silence {
    points: Vec<PointName>,
    /// The time of the next frame by the station's clock.
    due: Timestamp,
    /// When it is missing, by ours.
    missed_at: Option<Timestamp>,
}

impl Silence {
    /// A real-time frame of `at` came at `now`. Older ones (back-fill) say nothing of what is due.
    pub fn heard(
        &mut self,
        at: Timestamp,
        points: Vec<PointName>,
        every: Duration,
        now: Timestamp,
    ) {
        let every_ms = millis(every);
        let due = at.plus_millis(every_ms);
        if points.is_empty() || self.missed_at.is_some() && due <= self.due {
            return;
        }
        self.points = points;
        self.due = due;
        self.missed_at = Some(now.plus_millis(every_ms + GRACE_MS));
    }

    /// The time and the points of a frame that did not come; once each.
    pub fn missed(&mut self, every: Duration, now: Timestamp) -> Option<(Timestamp, &[PointName])> {
        let missed_at = self.missed_at.filter(|at| *at <= now)?;
        let every_ms = millis(every);
        let at = self.due;
        self.due = at.plus_millis(every_ms);
        self.missed_at = Some(missed_at.plus_millis(every_ms));
        Some((at, &self.points))
    }
}

fn millis(every: Duration) -> i64 {
    i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1)
}

/// All that is remembered of one station.
#[derive(Debug, Default)]
pub struct State {
    /// Frames that came.
    pub memory: Memory,
    /// When it is silent.
    pub silence: Silence,
    splits: Joiner<u64>,
    points: HashSet<PointName>,
    /// Connections on which it was heard.
    pub connections: usize,
    /// How it spoke last, if it said so.
    pub manner: Option<Manner>,
    /// To the connection on which it was heard last.
    pub line: Option<mpsc::Sender<(usize, Order)>>,
}

impl State {
    /// With what was remembered over a restart.
    pub fn new(memory: Memory) -> State {
        State {
            memory,
            ..State::default()
        }
    }

    /// Whether readings of the point are taken: not if it is one too many.
    pub fn admits(&mut self, point: &PointName) -> bool {
        if self.points.contains(point) {
            return true;
        }
        let has_room = self.points.len() < POINTS_MAX;
        has_room && self.points.insert(point.clone())
    }

    /// A packet of a split was stored. The answer is another split that had to give way incomplete, in words.
    pub fn packet(&mut self, key: Key, pno: u32, content: u64, now: Timestamp) -> Option<String> {
        let (_, given_up) = self.splits.take(key, pno, content, now);
        given_up.map(|joined| incomplete(&joined))
    }

    /// Splits that waited in vain, in words.
    pub fn expired(&mut self, now: Timestamp) -> Vec<String> {
        let expired = self.splits.expire(now, SPLIT_TIMEOUT_MS);
        expired.iter().map(incomplete).collect()
    }
}

fn incomplete(joined: &Joined<u64>) -> String {
    let key = &joined.key;
    let mut have: Vec<String> = joined.parts.iter().map(|(n, _)| n.to_string()).collect();
    have.dedup();
    let (cn, time, pnum) = (&key.cn, &key.data_time, key.pnum);
    format!(
        "CN {cn} of {time}: packets {} of {pnum} came",
        have.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(frame: u64, content: u64) -> Print {
        Print { frame, content }
    }

    #[test]
    fn a_frame_is_new_once_and_the_newest_outlive_a_restart() {
        let mut memory = Memory::default();
        for n in 0..REMEMBERED as u64 + 10 {
            assert_eq!(memory.look(print(n, n)), Seen::New);
            memory.remember(print(n, n));
        }
        assert_eq!(memory.look(print(9, 9)), Seen::New);
        assert_eq!(memory.look(print(10, 10)), Seen::Repeated);
        assert_eq!(memory.look(print(10, 11)), Seen::Conflicting);
        memory.remember(print(10, 11));
        assert_eq!(memory.look(print(10, 11)), Seen::Repeated);
        let note = memory.note(print(7, 7));
        assert_eq!(note.len(), KEPT * 16);
        let after = Memory::of_note(&note);
        let newest = REMEMBERED as u64 + 9;
        for known in [
            print(7, 7),
            print(10, 11),
            print(newest, newest),
            print(newest - 61, newest - 61),
        ] {
            assert_eq!(after.look(known), Seen::Repeated);
        }
        assert_eq!(after.look(print(newest - 62, newest - 62)), Seen::New);
    }

    #[test]
    fn each_missed_interval_is_told_once_at_its_due_time_and_back_fill_changes_nothing() {
        let every = Duration::from_secs(30);
        let at = |s: i64| Timestamp::from_millis(s * 1000);
        let points = || vec![PointName::new("a21026").unwrap()];
        let mut silence = Silence::default();
        assert_eq!(silence.missed(every, at(1_000_000)), None);
        // The station's clock is a hundred seconds ahead.
        silence.heard(at(1_100), points(), every, at(1_000));
        assert_eq!(silence.missed(every, at(1_034)), None);
        let told: Vec<_> =
            std::iter::from_fn(|| silence.missed(every, at(1_066)).map(|m| m.0)).collect();
        assert_eq!(told, [at(1_130), at(1_160)]);
        silence.heard(at(1_130), points(), every, at(1_070));
        assert_eq!(
            silence.missed(every, at(1_095)).map(|m| m.0),
            Some(at(1_190))
        );
        silence.heard(at(1_221), points(), every, at(1_100));
        assert_eq!(silence.missed(every, at(1_134)), None);
        assert_eq!(
            silence.missed(every, at(1_135)).map(|m| m.0),
            Some(at(1_251))
        );
    }

    #[test]
    fn a_station_cannot_bring_up_points_without_end() {
        let mut state = State::default();
        let point = |n: usize| PointName::new(format!("x{n}")).unwrap();
        assert!((0..POINTS_MAX).all(|n| state.admits(&point(n))));
        assert!(!state.admits(&point(POINTS_MAX)) && state.admits(&point(7)));
    }

    #[test]
    fn packets_that_never_come_are_told() {
        let mut state = State::default();
        let key = |pnum| Key {
            mn: "m".into(),
            st: "31".into(),
            cn: "2061".into(),
            data_time: "20260801080000".into(),
            pnum,
        };
        let now = Timestamp::from_millis(0);
        for pno in [3, 1, 2] {
            assert_eq!(state.packet(key(2), pno, 1, now), None);
        }
        state.packet(key(3), 2, 1, now);
        assert!(state.expired(now.plus_millis(29_999)).is_empty());
        assert_eq!(
            state.expired(now.plus_millis(30_000)),
            ["CN 2061 of 20260801080000: packets 2 of 3 came"]
        );
    }
}
