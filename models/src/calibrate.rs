//! A raw score against the series' own past, and the hold-off that makes an episode of a burst.
//!
//! Per-series calibration is worth more than any change of model (see the model card): a raw score means
//! nothing across series, its ratio to the series' own upper tail does.

use crate::snapshot::{Reader, SnapshotError, Writer};
use std::collections::VecDeque;

/// Past scores that weigh: older ones fade with this time constant.
const MEMORY: f32 = 4000.0;
/// How often the fading is carried out, in scores.
const FADE_EVERY: u64 = 16;
/// The tail that counts as "high for this series".
const TAIL: f32 = 0.995;
/// Below this many past scores the tail is not known; the highest score so far stands in.
const ENOUGH: u64 = 100;
/// Samples for which an accepted score silences lower ones.
const HOLD_OFF: u64 = 200;
/// The sketch: bins of equal width on the logarithm of the score.
/// They reach from 1e-12 to 1e15, since a forecast error comes in the unit of its series.
const BINS: usize = 512;
const LOWEST: f64 = -28.0;
const WIDTH: f64 = 0.125;

/// A sketch of one head's past scores: 2 KB.
#[derive(Debug, Clone, PartialEq)]
pub struct Tail {
    weight: Vec<f32>,
    total: f32,
    count: u64,
    highest: f64,
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            weight: vec![0.0; BINS],
            total: 0.0,
            count: 0,
            highest: 0.0,
        }
    }
}

impl Tail {
    /// `ln(score / tail)`, both lifted by a little of the median so that a quiet series is not all ratio;
    /// clipped to -1..=3. The score is then remembered.
    pub fn judge(&mut self, score: f64) -> f64 {
        let score = score.clamp(0.0, 1e30);
        let ratio = if self.count == 0 {
            0.0
        } else {
            let tail = if self.count >= ENOUGH {
                self.quantile(TAIL)
            } else {
                self.highest
            };
            let lift = 0.02 * self.quantile(0.5) + tail.min(1e-6);
            ((score + lift) / (tail + lift)).ln()
        };
        self.remember(score);
        ratio.clamp(-1.0, 3.0)
    }

    fn remember(&mut self, score: f64) {
        self.count += 1;
        self.highest = self.highest.max(score);
        self.weight[bin(score)] += 1.0;
        self.total += 1.0;
        if self.count.is_multiple_of(FADE_EVERY) {
            let keep = (-(FADE_EVERY as f32) / MEMORY).exp();
            self.weight.iter_mut().for_each(|w| *w *= keep);
            self.total = self.weight.iter().sum();
        }
    }

    /// The score below which a share `q` of the past lies, to the width of a bin.
    fn quantile(&self, q: f32) -> f64 {
        let mut above = (1.0 - q) * self.total;
        for (i, w) in self.weight.iter().enumerate().rev() {
            if *w > 0.0 && *w >= above {
                let inside = 1.0 - f64::from(above / w);
                return (LOWEST + WIDTH * (i as f64 + inside)).exp();
            }
            above -= w;
        }
        LOWEST.exp()
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.singles(&self.weight);
        to.float(f64::from(self.total));
        to.count(self.count);
        to.float(self.highest);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let weight = from.singles()?;
        if weight.len() != BINS {
            return Err(SnapshotError::Damaged);
        }
        Ok(Self {
            weight,
            total: from.float()? as f32,
            count: from.count()?,
            highest: from.float()?,
        })
    }
}

fn bin(score: f64) -> usize {
    let at = (score.max(1e-12).ln() - LOWEST) / WIDTH;
    at.clamp(0.0, (BINS - 1) as f64) as usize
}

/// Lets a score through only if it is higher than every one let through in the last 200 samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HoldOff {
    accepted: VecDeque<(u64, f64)>,
}

impl HoldOff {
    /// True if `score`, of sample number `n`, goes through.
    pub fn accept(&mut self, n: u64, score: f64) -> bool {
        while self
            .accepted
            .front()
            .is_some_and(|(at, _)| at + HOLD_OFF < n)
        {
            self.accepted.pop_front();
        }
        let is_highest = self.accepted.iter().all(|(_, earlier)| score > *earlier);
        if is_highest {
            self.accepted.push_back((n, score));
        }
        is_highest
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.count(self.accepted.len() as u64);
        for (at, score) in &self.accepted {
            to.count(*at);
            to.float(*score);
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let n = from.count()?;
        let accepted = (0..n)
            .map(|_| Ok((from.count()?, from.float()?)))
            .collect::<Result<_, SnapshotError>>()?;
        Ok(Self { accepted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_far_above_its_own_past_stands_out_and_an_ordinary_one_does_not() {
        let mut tail = Tail::default();
        for i in 0..1000 {
            tail.judge(f64::from(i % 10));
        }
        assert!(tail.judge(5.0) < 0.0);
        assert!(tail.judge(90.0) > 2.0);
    }

    #[test]
    fn the_memory_forgets_what_is_long_past() {
        let mut tail = Tail::default();
        for _ in 0..500 {
            tail.judge(1000.0);
        }
        for _ in 0..30_000 {
            tail.judge(1.0);
        }
        assert!((tail.quantile(TAIL) - 1.0).abs() < 0.14);
    }

    #[test]
    fn quantiles_are_right_to_the_width_of_a_bin() {
        let mut tail = Tail::default();
        for i in 0..2000 {
            tail.judge(f64::from((i * 7919) % 1000) + 0.5);
        }
        assert!((tail.quantile(0.5) / 500.0).ln().abs() < 2.0 * WIDTH);
        assert!((tail.quantile(TAIL) / 995.0).ln().abs() < 2.0 * WIDTH);
    }

    #[test]
    fn a_burst_is_let_through_once_per_height() {
        let mut hold = HoldOff::default();
        assert!(
            hold.accept(1, 1.0)
                && !hold.accept(2, 0.9)
                && hold.accept(3, 1.5)
                && !hold.accept(150, 1.4)
        );
        assert!(hold.accept(204, 0.1));
    }
}
