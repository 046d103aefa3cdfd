//! Frames vote on one matter: a class, of one track in one zone or of the whole picture. Pure.
//!
//! Promise: nothing is raised before [`Wants::dwell_ms`] have passed between two frames of an unbroken run in which at least
//! [`Wants::share`] of the judged frames spoke for it, at least [`Wants::judged`] were judged, and not fewer than a fifth of all.
//! A frame that was not judged speaks neither for nor against. What was raised stays until most of the judged frames of as long a
//! time speak against it.

use super::class::Wants;
use contract::Timestamp;
use std::collections::VecDeque;

/// Of all frames, the share that must have been judged.
const JUDGED_SHARE: f32 = 0.2;
/// How much longer than the dwell frames are remembered.
const LONGER_MS: u64 = 9_000;
/// It is over when fewer of the judged frames than this speak for it.
const OVER_SHARE: f32 = 0.3;

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vote {
    /// It is so.
    For,
    /// It is not.
    Against,
    /// It cannot be told.
    Unjudged,
}

/// What was raised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Raised {
    /// The first frame that counted.
    pub began: Timestamp,
    /// Frames that were judged since.
    pub frames: u32,
    /// The share of them that spoke for it.
    pub share: f32,
}

#[derive(Debug, Clone, Copy)]
struct Cast {
    ms: u64,
    at: Timestamp,
    vote: Vote,
}

/// The votes on one matter.
#[derive(Debug, Clone)]
pub struct Ballot {
    votes: VecDeque<Cast>,
    has_raised: bool,
    wants: Wants,
    /// Without a frame for so long, what was before does not count.
    gap_ms: u64,
}

impl Ballot {
    /// Nothing was said yet.
    pub fn new(wants: Wants, gap_ms: u64) -> Ballot {
        Ballot {
            votes: VecDeque::new(),
            has_raised: false,
            wants,
            gap_ms,
        }
    }

    /// True while it is raised and somebody is there to vote.
    pub fn is_raised(&self, ms: u64) -> bool {
        let last = self.last_ms();
        let is_there = last.is_some_and(|last| ms.saturating_sub(last) <= self.gap_ms);
        self.has_raised && is_there
    }

    /// When the last frame voted; nothing before the first one.
    pub fn last_ms(&self) -> Option<u64> {
        self.votes.back().map(|cast| cast.ms)
    }

    /// Takes in the vote of a frame (`ms` by a clock that never goes back, `at` as it is said); what it raises, once.
    pub fn cast(&mut self, ms: u64, at: Timestamp, vote: Vote) -> Option<Raised> {
        if self
            .last_ms()
            .is_some_and(|last| ms.saturating_sub(last) > self.gap_ms)
        {
            self.votes.clear();
            self.has_raised = false;
        }
        self.votes.push_back(Cast { ms, at, vote });
        let keep = self.wants.dwell_ms + LONGER_MS;
        while self.votes.front().is_some_and(|cast| ms - cast.ms > keep) {
            self.votes.pop_front();
        }
        if self.has_raised {
            self.has_raised = !self.is_over(ms);
            return None;
        }
        let raised = self.raised(ms);
        self.has_raised = raised.is_some();
        raised
    }

    /// Whoever is voted on went away: no vote of before counts, and what was raised is over.
    pub fn leave(&mut self) {
        self.votes.clear();
        self.has_raised = false;
    }

    /// The longest run of frames up to now that suffices and begins with one that spoke for it.
    fn raised(&self, now_ms: u64) -> Option<Raised> {
        let last = self.votes.back()?;
        if last.vote != Vote::For {
            return None;
        }
        let (mut all, mut judged, mut spoke) = (0u32, 0u32, 0u32);
        let mut found = None;
        for cast in self.votes.iter().rev() {
            all += 1;
            judged += u32::from(cast.vote != Vote::Unjudged);
            spoke += u32::from(cast.vote == Vote::For);
            let share = spoke as f32 / judged as f32;
            let suffices = cast.vote == Vote::For
                && now_ms - cast.ms >= self.wants.dwell_ms
                && judged >= self.wants.judged
                && share >= self.wants.share
                && judged as f32 >= JUDGED_SHARE * all as f32;
            if suffices {
                found = Some(Raised {
                    began: cast.at,
                    frames: judged,
                    share,
                });
            }
        }
        found
    }

    fn is_over(&self, now_ms: u64) -> bool {
        // Long dwells are for what may last; that it is over is seen sooner.
        let within = self.wants.dwell_ms.clamp(3_000, 30_000);
        let recent = self
            .votes
            .iter()
            .rev()
            .take_while(|cast| now_ms - cast.ms <= within);
        let (mut judged, mut spoke) = (0u32, 0u32);
        for cast in recent {
            judged += u32::from(cast.vote != Vote::Unjudged);
            spoke += u32::from(cast.vote == Vote::For);
        }
        judged >= self.wants.judged.min(5) && (spoke as f32) < OVER_SHARE * judged as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTS: Wants = Wants {
        dwell_ms: 3_000,
        share: 0.7,
        sure: 0.6,
        judged: 5,
    };

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000 + ms as i64)
    }

    /// Casts letters, one every 200 ms: `f` for, `a` against, anything else not judged. The times at which it was raised.
    fn cast(ballot: &mut Ballot, from: u64, votes: &str) -> Vec<(u64, Raised)> {
        let mut raised = Vec::new();
        for (n, letter) in votes.chars().enumerate() {
            let ms = from + 200 * n as u64;
            let vote = match letter {
                'f' => Vote::For,
                'a' => Vote::Against,
                _ => Vote::Unjudged,
            };
            raised.extend(ballot.cast(ms, at(ms), vote).map(|r| (ms, r)));
        }
        raised
    }

    #[test]
    fn it_is_raised_after_the_dwell_and_once() {
        let mut ballot = Ballot::new(WANTS, 2_000);
        let raised = cast(&mut ballot, 0, &"f".repeat(100));
        let expected = Raised {
            began: at(0),
            frames: 16,
            share: 1.0,
        };
        assert_eq!(raised, [(3_000, expected)]);
    }

    #[test]
    fn three_of_ten_against_is_raised_and_four_of_ten_is_not() {
        let mut seven = Ballot::new(WANTS, 2_000);
        assert_eq!(cast(&mut seven, 0, &"ffafffafaf".repeat(4)).len(), 1);
        let mut six = Ballot::new(WANTS, 2_000);
        assert_eq!(cast(&mut six, 0, &"faafafaffa".repeat(10)).len(), 0);
    }

    #[test]
    fn frames_that_are_not_judged_count_neither_way_and_too_few_judged_ones_raise_nothing() {
        let mut some = Ballot::new(WANTS, 2_000);
        assert_eq!(cast(&mut some, 0, &"f..".repeat(20)).len(), 1);
        let mut few = Ballot::new(WANTS, 2_000);
        assert_eq!(cast(&mut few, 0, &"f.......".repeat(50)).len(), 0);
        let mut four = Ballot::new(WANTS, 2_000);
        assert_eq!(cast(&mut four, 0, "f....f....f....f......").len(), 0);
        let mut none = Ballot::new(WANTS, 2_000);
        assert_eq!(cast(&mut none, 0, &".".repeat(100)).len(), 0);
    }

    #[test]
    fn a_hole_in_the_frames_is_not_dwelt_through() {
        let mut ballot = Ballot::new(WANTS, 2_000);
        assert_eq!(cast(&mut ballot, 0, "ffffffffff").len(), 0);
        let raised = cast(&mut ballot, 60_000, &"f".repeat(20));
        assert_eq!(raised[0].0, 63_000);
        assert_eq!(raised[0].1.began, at(60_000));
    }

    #[test]
    fn it_is_over_when_frames_speak_against_it_or_nobody_is_there() {
        let mut ballot = Ballot::new(WANTS, 2_000);
        cast(&mut ballot, 0, &"f".repeat(20));
        cast(&mut ballot, 4_000, "aff");
        assert!(ballot.is_raised(4_600), "one frame is not the end");
        cast(&mut ballot, 4_600, &"a".repeat(16));
        assert!(!ballot.is_raised(7_600));
        assert_eq!(cast(&mut ballot, 7_800, &"f".repeat(30)).len(), 1);
        assert!(ballot.is_raised(13_800) && !ballot.is_raised(16_000));
        ballot.leave();
        assert!(!ballot.is_raised(13_800));
    }

    /// Whatever is cast: nothing is raised before the dwell, with too small a share, or too few judged frames.
    #[test]
    fn random_votes_never_raise_what_the_promise_forbids() {
        let mut random = 7u64;
        let mut next = move || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as f32 / (1u64 << 31) as f32
        };
        let mut raised_ever = 0;
        for _ in 0..500 {
            let (likely, judged) = (next(), next());
            let step = 50 + (next() * 900.0) as u64;
            let mut ballot = Ballot::new(WANTS, 2_000);
            let mut votes: Vec<(u64, Vote)> = Vec::new();
            for n in 0..120u64 {
                let ms = n * step;
                let vote = match (next() < judged, next() < likely) {
                    (false, _) => Vote::Unjudged,
                    (true, true) => Vote::For,
                    (true, false) => Vote::Against,
                };
                votes.push((ms, vote));
                let Some(raised) = ballot.cast(ms, at(ms), vote) else {
                    continue;
                };
                raised_ever += 1;
                let since: Vec<Vote> = votes
                    .iter()
                    .filter(|(ms, _)| at(*ms) >= raised.began)
                    .map(|(_, vote)| *vote)
                    .collect();
                let count = |vote| since.iter().filter(|v| **v == vote).count() as f32;
                let (spoke, against) = (count(Vote::For), count(Vote::Against));
                assert!(at(ms).since(raised.began) >= 3_000);
                assert!(spoke >= 0.7 * (spoke + against) - 1e-3);
                assert!(spoke + against >= 5.0);
                assert_eq!(raised.frames, (spoke + against) as u32);
            }
        }
        assert!(raised_ever > 50, "{raised_ever}");
    }
}
