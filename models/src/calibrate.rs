//! A raw score against the series' own past, and the hold-off that makes an episode of a burst.
//!
//! Per-series calibration is worth more than any change of model (see the model card): a raw score means
//! nothing across series, its ratio to the series' own upper tail does.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Past scores that are remembered.
const MEMORY: usize = 4000;
/// The tail that counts as "high for this series".
const TAIL: f64 = 0.995;
/// Below this many past scores the tail is not known; the highest score so far stands in.
const ENOUGH: usize = 100;
/// Samples for which an accepted score silences lower ones.
const HOLD_OFF: u64 = 200;

/// The running tail of one head's past scores.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    ordered: Vec<f32>,
    in_time: VecDeque<f32>,
}

impl Tail {
    /// `ln(score / tail)`, both lifted by a little of the median so that a quiet series is not all ratio;
    /// clipped to -1..=3. The score is then remembered.
    pub fn judge(&mut self, score: f64) -> f64 {
        let score = score.clamp(0.0, 1e30);
        let at = |q: f64| f64::from(self.ordered[(q * (self.ordered.len() - 1) as f64) as usize]);
        let ratio = match self.ordered.len() {
            0 => 0.0,
            n => {
                let lift = 0.02 * at(0.5) + 1e-6;
                let tail = if n >= ENOUGH { at(TAIL) } else { at(1.0) };
                ((score + lift) / (tail + lift)).ln()
            }
        };
        self.remember(score as f32);
        ratio.clamp(-1.0, 3.0)
    }

    fn remember(&mut self, score: f32) {
        let place = self.ordered.partition_point(|s| *s < score);
        self.ordered.insert(place, score);
        self.in_time.push_back(score);
        if self.in_time.len() > MEMORY {
            let oldest = self.in_time.pop_front().unwrap_or_default();
            let place = self.ordered.partition_point(|s| *s < oldest);
            self.ordered.remove(place);
        }
    }
}

/// Lets a score through only if it is higher than every one let through in the last 200 samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    fn the_memory_forgets_the_oldest() {
        let mut tail = Tail::default();
        tail.judge(1e6);
        for _ in 0..MEMORY {
            tail.judge(1.0);
        }
        assert_eq!(tail.ordered.len(), MEMORY);
        assert_eq!(tail.ordered.last(), Some(&1.0));
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
