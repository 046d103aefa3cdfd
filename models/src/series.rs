//! What is kept of one series, and how a sample becomes a score. Pure.

use crate::{
    calibrate::{HoldOff, Tail},
    pattern::Bank,
    snapshot::{Reader, SnapshotError, Writer},
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Samples in each of the two windows.
pub const WINDOW: usize = 128;
/// Samples the forecaster looks ahead; only the first is used for the score.
pub const AHEAD: usize = 16;
/// Samples in one coarse mean.
const BLOCK: usize = 8;
/// A score needs at least this many samples before it.
const WARM_UP: u64 = 20;
/// Scores at or above this raise a signal. One number for every series; chosen as the model card says.
pub const THRESHOLD: f64 = 0.5;

/// What the pattern memory weighs beside the forecaster's surprise; chosen as the model card says.
const PATTERN_WEIGHT: f64 = 0.7;

/// The state of one series: about 32 KB once it is full.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeriesState {
    /// The last [`WINDOW`] samples, newest last; NaN is a missing one.
    fine: VecDeque<f64>,
    /// Means of the last [`WINDOW`] whole blocks, newest last.
    coarse: VecDeque<f64>,
    block: Vec<f64>,
    bank: Bank,
    /// Count, mean and sum of squared differences of all samples so far.
    n: u64,
    mean: f64,
    squares: f64,
    pushed: u64,
    last_at_ms: i64,
    surprise: Tail,
    pattern: Tail,
    hold: HoldOff,
}

/// A sample that waits for its forecast.
#[derive(Debug, Clone)]
pub struct Due {
    /// Input of the model: the last samples before this one, less `offset`.
    pub fine: [f32; WINDOW],
    /// Input of the model: the last block means, less `offset`.
    pub coarse: [f32; WINDOW],
    /// Taken off in f64 so that a big counter keeps its digits in f32.
    pub offset: f64,
    /// The sample.
    pub actual: f64,
    /// Distance to the nearest patterns of the series' own past.
    pattern: f64,
    number: u64,
}

/// What the model said of the next sample; see `models/train/network.py`.
#[derive(Debug, Clone, Copy)]
pub struct Forecast {
    /// Expected value, less the offset.
    pub loc: f64,
    /// Scale in asinh units.
    pub scale: f64,
    /// Centre of the windows, less the offset.
    pub median: f64,
    /// Spread of the windows.
    pub spread: f64,
}

/// The score of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// 0 to 1; comparable across series.
    pub score: f64,
    /// True if the score is at or above the threshold and not held off by an earlier, higher one.
    pub is_signal: bool,
    /// What was expected, in the series' unit.
    pub expected: f64,
    /// Lower end of the range in which 95 % of samples were expected.
    pub expected_low: f64,
    /// Upper end of that range.
    pub expected_high: f64,
}

impl SeriesState {
    /// Takes in a sample (NaN or `None`: missing) and says what there is to score; nothing for a missing
    /// sample or while too little is known.
    pub fn push(&mut self, at_ms: i64, value: Option<f64>) -> Option<Due> {
        let value = value.filter(|v| v.is_finite());
        let due = value
            .filter(|_| self.n >= WARM_UP)
            .map(|actual| self.due(actual));
        self.remember(value.unwrap_or(f64::NAN));
        self.pushed += 1;
        self.last_at_ms = at_ms;
        due
    }

    /// The time of the last sample pushed, ms since 1970.
    pub fn last_at_ms(&self) -> i64 {
        self.last_at_ms
    }

    /// The score of a due sample, from what the model said of it. Dues of one series go in their order.
    pub fn judge(&mut self, due: &Due, forecast: Forecast) -> Score {
        let spread = forecast.spread.max(1e-12);
        let z = |x: f64| ((x - forecast.median) / spread).asinh();
        // The plain distance in the series' unit: its own past turns it into a tail. Divided by the forecast's
        // scale it tells less, see the model card.
        let surprise = (due.actual - due.offset - forecast.loc).abs();
        let fused =
            self.surprise.judge(surprise) + PATTERN_WEIGHT * self.pattern.judge(due.pattern);
        let score = 1.0 / (1.0 + (-fused).exp());
        let is_through = self.hold.accept(due.number, score);
        let at =
            |shift: f64| due.offset + forecast.median + spread * (z(forecast.loc) + shift).sinh();
        let width = forecast.scale * 20f64.ln();
        Score {
            score: if is_through { score } else { 0.0 },
            is_signal: is_through && score >= THRESHOLD,
            expected: at(0.0),
            expected_low: at(-width),
            expected_high: at(width),
        }
    }

    /// The state as bytes: exact, so that a restart changes no score.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::new();
        to.floats(self.fine.iter().copied());
        to.floats(self.coarse.iter().copied());
        to.floats(self.block.iter().copied());
        self.bank.write(&mut to);
        to.count(self.n);
        to.float(self.mean);
        to.float(self.squares);
        to.count(self.pushed);
        to.count(self.last_at_ms.cast_unsigned());
        self.surprise.write(&mut to);
        self.pattern.write(&mut to);
        self.hold.write(&mut to);
        to.finish()
    }

    /// The state of [`SeriesState::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut from = Reader::new(bytes)?;
        let state = Self {
            fine: from.floats()?.into(),
            coarse: from.floats()?.into(),
            block: from.floats()?,
            bank: Bank::read(&mut from)?,
            n: from.count()?,
            mean: from.float()?,
            squares: from.float()?,
            pushed: from.count()?,
            last_at_ms: from.count()?.cast_signed(),
            surprise: Tail::read(&mut from)?,
            pattern: Tail::read(&mut from)?,
            hold: HoldOff::read(&mut from)?,
        };
        from.finish()?;
        Ok(state)
    }

    fn due(&self, actual: f64) -> Due {
        let offset = self
            .fine
            .iter()
            .rev()
            .copied()
            .find(|v| !v.is_nan())
            .unwrap_or(0.0);
        let fill = |from: &VecDeque<f64>| {
            let mut window = [f32::NAN; WINDOW];
            for (slot, v) in window.iter_mut().rev().zip(from.iter().rev()) {
                *slot = (v - offset) as f32;
            }
            window
        };
        Due {
            fine: fill(&self.fine),
            coarse: fill(&self.coarse),
            offset,
            actual,
            pattern: self.pattern_distance(actual),
            number: self.pushed,
        }
    }

    /// Distance of the newest pattern to the nearest of the past, in units of the series' deviation.
    fn pattern_distance(&self, actual: f64) -> f64 {
        let deviation = (self.squares / self.n as f64).sqrt();
        if deviation <= 0.0 {
            return 0.0;
        }
        self.bank.distance(actual) / deviation
    }

    fn remember(&mut self, value: f64) {
        self.fine.push_back(value);
        if self.fine.len() > WINDOW {
            self.fine.pop_front();
        }
        self.bank.push(value);
        self.block.push(value);
        if self.block.len() == BLOCK {
            let there: Vec<f64> = self.block.iter().copied().filter(|v| !v.is_nan()).collect();
            self.coarse
                .push_back(there.iter().sum::<f64>() / there.len() as f64);
            if self.coarse.len() > WINDOW {
                self.coarse.pop_front();
            }
            self.block.clear();
        }
        if !value.is_nan() {
            self.n += 1;
            let from_mean = value - self.mean;
            self.mean += from_mean / self.n as f64;
            self.squares += from_mean * (value - self.mean);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(state: &mut SeriesState, from: usize, to: usize) -> Vec<Option<Score>> {
        (from..to)
            .map(|i| {
                let value =
                    (i % 7 != 3).then(|| (i as f64 * 0.3).sin() + if i == 900 { 9.0 } else { 0.0 });
                let due = state.push(i as i64, value)?;
                let forecast = Forecast {
                    loc: 0.1,
                    scale: 0.5,
                    median: 0.0,
                    spread: 1.0,
                };
                Some(state.judge(&due, forecast))
            })
            .collect()
    }

    #[test]
    fn a_snapshot_in_mid_window_changes_nothing() {
        let mut whole = SeriesState::default();
        let expected = run(&mut whole, 0, 1000);
        let mut first = SeriesState::default();
        let mut got = run(&mut first, 0, 777);
        let mut second = SeriesState::from_bytes(&first.to_bytes()).unwrap();
        got.extend(run(&mut second, 777, 1000));
        assert_eq!(got, expected);
    }

    #[test]
    fn a_spike_scores_higher_than_anything_before_it() {
        let scores = run(&mut SeriesState::default(), 0, 901);
        let spike = scores[900].unwrap();
        assert!(
            scores[200..900]
                .iter()
                .flatten()
                .all(|s| s.score < spike.score),
            "{spike:?}"
        );
    }
}
