//! A series' own past as a memory of patterns: how unlike anything before is what is happening now?
//!
//! The newest 16 samples are compared with every second run of 16 samples of the last 6,000; the distance to
//! the third nearest is the answer, so that one earlier fault of the same shape does not excuse the next one.

use crate::snapshot::{Reader, SnapshotError, Writer};

/// Samples in one pattern.
const PATTERN: usize = 16;
/// Pairs of samples that are remembered.
const PAIRS: usize = 3000;
/// Pairs that may gather beyond that before the oldest are dropped together.
const SLACK: usize = 128;
/// Patterns compared at once; small enough for the sums to stay in registers.
const LANES: usize = 16;

/// The memory: 24 KB once it is full. Samples lie by parity, so that patterns that begin two samples apart lie
/// side by side and are compared together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bank {
    even: Vec<f32>,
    odd: Vec<f32>,
    /// The first sample, taken off so that a big counter keeps its digits.
    base: Option<f64>,
}

impl Bank {
    /// Remembers a sample; a missing one (NaN) takes the value before it.
    pub fn push(&mut self, value: f64) {
        if self.base.is_none() && value.is_nan() {
            return;
        }
        let base = *self.base.get_or_insert(value);
        let value = if value.is_nan() {
            self.newest()
        } else {
            (value - base) as f32
        };
        if self.even.len() == self.odd.len() {
            self.even.push(value);
        } else {
            self.odd.push(value);
        }
        if self.odd.len() >= PAIRS + SLACK {
            self.even.drain(..SLACK);
            self.odd.drain(..SLACK);
        }
    }

    /// Root mean square difference, in the series' unit, between the newest pattern (with `actual` as its last
    /// sample) and the third nearest one that ended before it began; 0 while there are fewer than three.
    pub fn distance(&self, actual: f64) -> f64 {
        let n = self.even.len() + self.odd.len();
        let Some(base) = self.base.filter(|_| n >= 2 * PATTERN) else {
            return 0.0;
        };
        let mut now = [(actual - base) as f32; PATTERN];
        for (k, slot) in now[..PATTERN - 1].iter_mut().enumerate() {
            *slot = self.at(n + 1 - PATTERN + k);
        }
        let places = (n + 1 - 2 * PATTERN) / 2 + 1;
        let first = places.saturating_sub(PAIRS);
        let mut nearest = [f32::INFINITY; 3];
        let mut begin = first;
        while begin < places {
            let here = LANES.min(places - begin);
            let sums = self.compare(begin, here, &now);
            if sums[..here].iter().copied().fold(f32::INFINITY, f32::min) < nearest[2] {
                for sum in &sums[..here] {
                    if *sum < nearest[2] {
                        nearest[2] = *sum;
                        nearest.sort_unstable_by(f32::total_cmp);
                    }
                }
            }
            begin += here;
        }
        if nearest[2].is_finite() {
            (f64::from(nearest[2]) / PATTERN as f64).sqrt()
        } else {
            0.0
        }
    }

    /// Squared differences to the patterns that begin at pairs `begin..begin + here`.
    fn compare(&self, begin: usize, here: usize, now: &[f32; PATTERN]) -> [f32; LANES] {
        let mut sums = [0.0f32; LANES];
        for (k, wanted) in now.iter().enumerate() {
            let from = if k % 2 == 0 { &self.even } else { &self.odd };
            let from = &from[begin + k / 2..][..here];
            if let Ok(whole) = <&[f32; LANES]>::try_from(from) {
                for (sum, x) in sums.iter_mut().zip(whole) {
                    *sum += (x - wanted) * (x - wanted);
                }
            } else {
                for (sum, x) in sums.iter_mut().zip(from) {
                    *sum += (x - wanted) * (x - wanted);
                }
            }
        }
        sums
    }

    fn at(&self, i: usize) -> f32 {
        if i.is_multiple_of(2) {
            self.even[i / 2]
        } else {
            self.odd[i / 2]
        }
    }

    fn newest(&self) -> f32 {
        let newest = if self.even.len() == self.odd.len() {
            self.odd.last()
        } else {
            self.even.last()
        };
        newest.copied().unwrap_or(0.0)
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.singles(&self.even);
        to.singles(&self.odd);
        to.float(self.base.unwrap_or(f64::NAN));
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let (even, odd) = (from.singles()?, from.singles()?);
        if even.len() != odd.len() && even.len() != odd.len() + 1 {
            return Err(SnapshotError::Damaged);
        }
        Ok(Self {
            even,
            odd,
            base: Some(from.float()?).filter(|base| !base.is_nan()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same answer, written the slow and obvious way.
    fn plain(values: &[f64], actual: f64) -> f64 {
        let mut all = values.to_vec();
        all.push(actual);
        let now = &all[all.len() - PATTERN..];
        let mut distances: Vec<f64> = (0..=all.len() - 2 * PATTERN)
            .step_by(2)
            .map(|at| {
                all[at..at + PATTERN]
                    .iter()
                    .zip(now)
                    .map(|(a, b)| (a - b).powi(2))
                    .sum::<f64>()
            })
            .collect();
        distances.sort_by(f64::total_cmp);
        distances
            .get(2)
            .map_or(0.0, |d| (d / PATTERN as f64).sqrt())
    }

    #[test]
    fn the_fast_way_and_the_obvious_way_agree() {
        let values: Vec<f64> = (0..700)
            .map(|i| (f64::from(i) * 0.7).sin() + f64::from(i * i % 13) * 0.1 + 1e6)
            .collect();
        let mut bank = Bank::default();
        for (i, v) in values.iter().enumerate() {
            if i >= 40 {
                let (fast, slow) = (bank.distance(*v), plain(&values[..i], *v));
                assert!(
                    (fast - slow).abs() < 1e-4 * (1.0 + slow),
                    "sample {i}: {fast} and {slow}"
                );
            }
            bank.push(*v);
        }
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut bank = Bank::default();
        for i in 0..20_000 {
            bank.push(f64::from(i % 9));
        }
        assert!(bank.even.len() <= PAIRS + SLACK && bank.odd.len() <= PAIRS + SLACK);
        assert_eq!(bank.distance(f64::from(20_000 % 9)), 0.0);
    }
}
