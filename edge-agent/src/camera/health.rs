//! Whether a camera sees what it should: no frames, frozen, black, covered, blurred, moved, its clock stopped, looped. Pure.
//!
//! Promise: the same looks give the same findings; a finding is true or false, or unknown where it cannot be judged (nothing
//! is known of a camera without frames but that). Each is true within 30 s of its beginning in the simulated scenes
//! (tests/it/camera_health.rs). Not promised: that a camera which never looked at its scene properly is found out: blurred, covered
//! and moved are judged against what it usually shows, which is learned from its first minute or kept from before
//! ([`Usual`]).
//!
//! | finding | when (all thresholds are our own, from the simulated scenes) |
//! |---|---|
//! | no frames | none for `no_frames_after` |
//! | black | no light and no contrast for 5 s |
//! | frozen | nothing changes at all for 10 s, not even noise or the clock |
//! | covered | most of what had edges has none for 6 s, and the large shapes are other ones |
//! | blurred | the most abrupt edges are soft for 6 s, the large shapes are the usual ones |
//! | moved | there are edges, but elsewhere, for 10 s |
//! | clock stopped | the picture goes on and no digit has changed for 15 s |
//! | looped | ten changing frames in a row are those of earlier, all equally long ago |

use super::{
    look::{HIGH, Look, WIDE},
    usual::{BLOCKS, Shape, Usual},
};
use std::{collections::VecDeque, time::Duration};

/// What can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Nothing comes.
    NoFrames,
    /// No light.
    Black,
    /// One picture over and over.
    Frozen,
    /// Something before the lens.
    Covered,
    /// Out of focus.
    Blurred,
    /// It looks elsewhere.
    Moved,
    /// The picture goes on, its clock does not.
    ClockStopped,
    /// Frames of earlier again.
    Looped,
}

impl Finding {
    /// All of them, in the order of [`State`].
    pub const ALL: [Finding; 8] = [
        Finding::NoFrames,
        Finding::Black,
        Finding::Frozen,
        Finding::Covered,
        Finding::Blurred,
        Finding::Moved,
        Finding::ClockStopped,
        Finding::Looped,
    ];

    /// The point that tells it.
    pub fn point(self) -> &'static str {
        match self {
            Finding::NoFrames => "health.no_frames",
            Finding::Black => "health.black",
            Finding::Frozen => "health.frozen",
            Finding::Covered => "health.covered",
            Finding::Blurred => "health.blurred",
            Finding::Moved => "health.moved",
            Finding::ClockStopped => "health.clock_stopped",
            Finding::Looped => "health.looped",
        }
    }
}

/// What is found, in the order of [`Finding::ALL`]; `None` where it cannot be judged.
pub type State = [Option<bool>; 8];

/// A condition that must hold for a while before it counts, and be gone for a while before it no longer does.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    is: bool,
    changing_since: Option<u64>,
}

/// How long the opposite must hold before a finding is over.
const OVER_MS: u64 = 3_000;

impl Held {
    fn see(&mut self, now: bool, at_ms: u64, after_ms: u64) {
        if now == self.is {
            self.changing_since = None;
            return;
        }
        let since = *self.changing_since.get_or_insert(at_ms);
        let needed = if self.is { OVER_MS } else { after_ms };
        if at_ms.saturating_sub(since) >= needed {
            *self = Held {
                is: now,
                changing_since: None,
            };
        }
    }
}

/// What is known of one camera.
#[derive(Debug, Clone)]
pub struct Health {
    no_frames_after_ms: u64,
    has_clock: bool,
    began_ms: u64,
    last: Option<Look>,
    same_since: Option<u64>,
    black: Held,
    covered: Held,
    blurred: Held,
    moved: Held,
    is_dark: bool,
    usual: Usual,
    ticked_at: u64,
    ticked: Vec<u8>,
    loops: Loops,
}

/// Light below which nothing of shapes can be said, and below which (without contrast) a picture is black.
const DARK: f64 = 24.0;
const BLACK: f64 = 20.0;
const BLACK_CONTRAST: f64 = 8.0;
const FROZEN_MS: u64 = 10_000;
const CLOCK_MS: u64 = 15_000;
/// A cell that changed by more than noise, and a mean change that no noise of a live camera stays below.
const SAME_CELL: u8 = 3;
const SAME_MEAN: f64 = 0.1;
/// A digit changes this many cells of the clock by this much.
const TICK_CELLS: usize = 4;
const TICK_BY: u8 = 50;

impl Health {
    /// Of a camera that is watched since `began_ms`.
    pub fn new(no_frames_after: Duration, has_clock: bool, usual: Usual, began_ms: u64) -> Health {
        Health {
            no_frames_after_ms: no_frames_after.as_millis() as u64,
            has_clock,
            began_ms,
            last: None,
            same_since: None,
            black: Held::default(),
            covered: Held::default(),
            blurred: Held::default(),
            moved: Held::default(),
            is_dark: false,
            usual,
            ticked_at: began_ms,
            ticked: Vec::new(),
            loops: Loops::default(),
        }
    }

    /// What it usually shows, to be kept.
    pub fn usual(&self) -> &Usual {
        &self.usual
    }

    /// Takes in a frame.
    pub fn look(&mut self, look: Look) {
        let at = look.at_ms;
        let gap = self
            .last
            .as_ref()
            .map_or(u64::MAX, |last| at.saturating_sub(last.at_ms));
        if gap > self.no_frames_after_ms {
            // After a pause nothing is continued.
            self.same_since = None;
            self.ticked_at = at;
            self.loops = Loops::default();
        }
        let is_same = self
            .last
            .as_ref()
            .is_some_and(|last| is_same(&last.grey, &look.grey));
        self.same_since = is_same.then(|| self.same_since.unwrap_or(at));
        self.see_clock(&look);
        let (light, contrast) = light(&look.grey);
        self.black
            .see(light < BLACK && contrast < BLACK_CONTRAST, at, 5_000);
        self.is_dark = light < DARK;
        if !self.is_dark {
            self.see_shape(&look, light);
        }
        self.loops.see(&look);
        self.last = Some(look);
    }

    fn see_clock(&mut self, look: &Look) {
        let pairs = self.ticked.iter().zip(&look.clock);
        // Digits are white: what moves behind them is rarely both.
        let changed = pairs.filter(|(a, b)| a.abs_diff(**b) > TICK_BY && **a.max(b) > 150);
        if self.ticked.is_empty() || changed.count() >= TICK_CELLS {
            self.ticked.clone_from(&look.clock);
            self.ticked_at = look.at_ms;
        }
    }

    fn see_shape(&mut self, look: &Look, light: f64) {
        let at = look.at_ms;
        let shape = Shape::of(&look.grey, light);
        let Some(compared) = self.usual.compare(&shape) else {
            self.usual.learn(&shape, at);
            return;
        };
        let is_covered = compared.lost >= 0.6 && compared.large < 0.6;
        let is_blurred = compared.sharp < 0.4 && compared.large >= 0.6;
        let is_moved = compared.sharp >= 0.4 && compared.edges < 0.5 && !is_covered;
        self.covered.see(is_covered, at, 6_000);
        self.blurred.see(is_blurred, at, 6_000);
        self.moved.see(is_moved, at, 10_000);
        let is_usual = !is_covered && !is_blurred && !is_moved;
        if is_usual && !self.covered.is && !self.blurred.is && !self.moved.is {
            self.usual.learn(&shape, at);
        }
    }

    /// True if what the picture shows cannot be judged: it is dark or black, frozen, covered, out of focus or turned away.
    pub fn is_blind(&self, now_ms: u64) -> bool {
        let state = Finding::ALL.into_iter().zip(self.state(now_ms));
        let mut found = state.filter(|(_, found)| *found == Some(true));
        let blinds = [
            Finding::Black,
            Finding::Frozen,
            Finding::Covered,
            Finding::Blurred,
            Finding::Moved,
        ];
        self.is_dark || found.any(|(finding, _)| blinds.contains(&finding))
    }

    /// What is found at a time.
    pub fn state(&self, now_ms: u64) -> State {
        let heard = self.last.as_ref().map_or(self.began_ms, |last| last.at_ms);
        let is_silent = now_ms.saturating_sub(heard) > self.no_frames_after_ms;
        if is_silent || self.last.is_none() {
            let mut state = [None; 8];
            state[0] = Some(is_silent);
            return state;
        }
        let is_frozen = self
            .same_since
            .is_some_and(|since| heard - since >= FROZEN_MS);
        let black = self.black.is;
        let moving = !black && !is_frozen;
        let shapes = moving && !self.is_dark && self.usual.is_known();
        let clock = self.has_clock && moving && !self.covered.is;
        let covered = shapes.then_some(self.covered.is);
        let uncovered = shapes && !self.covered.is;
        [
            Some(false),
            Some(black),
            (!black).then_some(is_frozen),
            covered,
            uncovered.then_some(self.blurred.is),
            uncovered.then_some(self.moved.is),
            clock.then_some(heard.saturating_sub(self.ticked_at) >= CLOCK_MS),
            moving.then_some(self.loops.is_looped()),
        ]
    }
}

fn is_same(a: &[u8], b: &[u8]) -> bool {
    let (mut sum, mut most) = (0u32, 0);
    for (a, b) in a.iter().zip(b) {
        let by = a.abs_diff(*b);
        most = most.max(by);
        sum += u32::from(by);
    }
    most <= SAME_CELL && f64::from(sum) <= SAME_MEAN * a.len() as f64
}

/// Mean and deviation of a grey picture. The deviation leaves out the brightest cells: a clock is bright in a black picture.
fn light(grey: &[u8]) -> (f64, f64) {
    let mut counts = [0u32; 256];
    for cell in grey {
        counts[usize::from(*cell)] += 1;
    }
    let kept = (grey.len() * 95 / 100) as u32;
    let (mut count, mut sum, mut squares) = (0u32, 0.0, 0.0);
    for (value, n) in counts.iter().enumerate() {
        let n = (*n).min(kept - count);
        count += n;
        sum += value as f64 * f64::from(n);
        squares += (value * value) as f64 * f64::from(n);
    }
    let mean = sum / f64::from(kept);
    (
        mean,
        (squares / f64::from(kept) - mean * mean).max(0.0).sqrt(),
    )
}

/// Frames that were there before.
#[derive(Debug, Clone, Default)]
struct Loops {
    past: VecDeque<(u64, Print)>,
    lag: u64,
    hits: u32,
    misses: u32,
    is: bool,
}

/// A frame in 16 by 9 cells, in 1/16 of a grey level.
type Print = [u16; BLOCKS];

/// How far back is looked, and how long a loop is at least.
const PAST_MS: u64 = 600_000;
const LOOP_MIN_MS: u64 = 2_000;
const PAST_MAX: usize = 3_000;
/// Hits in a row that make a loop, and misses that end it.
const HITS: u32 = 10;
const MISSES: u32 = 10;
/// How much closer a frame must be to one of earlier than to the one before it.
const CLOSER: f64 = 0.3;
/// Change from one frame to the next below which nothing can be said, in 1/16 of a grey level, mean of all cells.
const CHANGE_MIN: f64 = 0.5;
/// How far the lags of one loop may be apart: one frame at 4 a second.
const LAG_BY_MS: u64 = 260;

impl Loops {
    fn see(&mut self, look: &Look) {
        let print = print(&look.grey);
        let change = self
            .past
            .back()
            .map_or(0.0, |(_, last)| distance(last, &print));
        if change >= CHANGE_MIN {
            self.judge(look.at_ms, &print, change);
        }
        self.past.push_back((look.at_ms, print));
        let is_old = |(at, _): &(u64, Print)| look.at_ms.saturating_sub(*at) > PAST_MS;
        while self.past.len() > PAST_MAX || self.past.front().is_some_and(is_old) {
            self.past.pop_front();
        }
    }

    fn judge(&mut self, at_ms: u64, print: &Print, change: f64) {
        let earlier = self
            .past
            .iter()
            .take_while(|(at, _)| at + LOOP_MIN_MS <= at_ms);
        let limit = CLOSER * change;
        let close = |(at, past): &(u64, Print)| {
            let far = distance(past, print);
            (far <= limit).then_some((at_ms - at, far))
        };
        let found: Vec<(u64, f64)> = earlier.filter_map(close).collect();
        let goes_on = found
            .iter()
            .find(|(lag, _)| lag.abs_diff(self.lag) <= LAG_BY_MS);
        let best = found.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        match (goes_on, best) {
            (Some(_), _) => {
                self.hits += 1;
                self.misses = 0;
            }
            (None, Some((lag, _))) => {
                (self.lag, self.hits) = (*lag, 1);
                self.misses += 1;
            }
            (None, None) => {
                self.hits = 0;
                self.misses += 1;
            }
        }
        self.is = match self.is {
            false => self.hits >= HITS,
            true => self.misses < MISSES,
        };
    }

    fn is_looped(&self) -> bool {
        self.is
    }
}

fn print(grey: &[u8]) -> Print {
    let mut sums = [0u32; BLOCKS];
    for (y, row) in grey.chunks_exact(WIDE).enumerate().take(HIGH) {
        for (x, cell) in row.iter().enumerate() {
            sums[y / 10 * 16 + x / 10] += u32::from(*cell);
        }
    }
    sums.map(|sum| (sum * 16 / 100) as u16)
}

fn distance(a: &Print, b: &Print) -> f64 {
    let sum: u32 = a
        .iter()
        .zip(b)
        .map(|(a, b)| u32::from(a.abs_diff(*b)))
        .sum();
    f64::from(sum) / BLOCKS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_counts_after_a_while_and_ends_after_a_while() {
        let mut held = Held::default();
        let mut seen = Vec::new();
        for (at, now) in [
            (0, false),
            (1, true),
            (4, true),
            (5, false),
            (6, true),
            (11, true),
            (12, false),
            (14, false),
            (15, false),
        ] {
            held.see(now, at * 1000, 5_000);
            seen.push(held.is);
        }
        assert_eq!(
            seen,
            [false, false, false, false, false, true, true, true, false]
        );
    }

    #[test]
    fn without_frames_nothing_else_is_known() {
        let mut health = Health::new(Duration::from_secs(10), true, Usual::default(), 0);
        assert_eq!(
            health.state(9_000),
            [Some(false), None, None, None, None, None, None, None]
        );
        assert_eq!(health.state(10_001)[0], Some(true));
        health.look(Look {
            at_ms: 11_000,
            grey: vec![90; WIDE * HIGH],
            clock: Vec::new(),
        });
        assert_eq!(health.state(12_000)[..2], [Some(false), Some(false)]);
        assert_eq!(
            health.state(12_000)[3..6],
            [None; 3],
            "nothing usual is known yet"
        );
        assert_eq!(health.state(22_000)[0], Some(true));
    }
}
