//! Several series that belong together: how far the present is from what was normal for all of them at once.
//!
//! Of each channel the newest value and its means over the last 6 and 30 samples; standardised on the learning
//! rows; Mahalanobis distance with a Ledoit-Wolf shrunk covariance (Ledoit and Wolf 2004, "A well-conditioned
//! estimator for large-dimensional covariance matrices"). What distance is usual is measured on learning rows
//! that the covariance has not seen, so that it widens by itself where there are few rows for many channels.
//! Pure.

use std::collections::VecDeque;

/// Samples in the long and in the short mean.
const WINDOW: usize = 30;
const SHORT: usize = 6;
/// Learning rows are split into this many stretches; each is measured against the others.
const STRETCHES: usize = 5;
/// The share of unseen learning rows that the usual distance covers.
const USUAL: f64 = 0.99;
/// But the usual distance is at most this many times that of the middle stretch, so that one bad stretch among
/// the learning rows does not blind the group.
const BAD_STRETCH: f64 = 3.0;
/// Scores at or above this raise a signal.
pub const THRESHOLD: f64 = 0.5;
/// A distance of this many times the usual one scores one half. Chosen as the model card says.
const MULTIPLE: f64 = 1.15;
/// This many rows in a row within the usual distance end an episode.
const CALM: usize = 10;
/// An episode's peak counts for no more than this many times the usual distance.
const PEAK: f64 = 20.0;

/// What was normal, and how the present episode has gone so far.
#[derive(Debug, Clone)]
pub struct Reference {
    normal: Normal,
    /// The distance that learning rows rarely exceed.
    usual: f64,
    /// How many rows it was learned from: the time constant with which the centre follows calm rows.
    rows: f64,
    /// Highest distance of the episode, in usual distances; 1 while there is none.
    peak: f64,
    calm: usize,
}

/// Where the learning rows lie, and how they scatter together.
#[derive(Debug, Clone)]
struct Normal {
    centre: Vec<f64>,
    deviation: Vec<f64>,
    /// Inverse of the shrunk covariance, row by row.
    precision: Vec<f64>,
}

/// The running window of a group.
#[derive(Debug, Clone, Default)]
pub struct Window {
    rows: VecDeque<Vec<f64>>,
}

impl Window {
    /// Takes in one row (a missing value repeats the channel's last) and gives the features once there are
    /// enough rows.
    pub fn push(&mut self, row: &[Option<f64>]) -> Option<Vec<f64>> {
        let last = self.rows.back();
        let filled = row.iter().enumerate().map(|(i, v)| {
            v.filter(|v| v.is_finite())
                .or(last.map(|r| r[i]))
                .unwrap_or(0.0)
        });
        let filled = filled.collect();
        self.rows.push_back(filled);
        if self.rows.len() > WINDOW {
            self.rows.pop_front();
        }
        (self.rows.len() == WINDOW).then(|| self.features())
    }

    fn features(&self) -> Vec<f64> {
        let channels = self.rows[0].len();
        let mean = |c: usize, over: usize| {
            let newest = self.rows.iter().rev().take(over);
            newest.map(|row| row[c]).sum::<f64>() / over as f64
        };
        (0..channels)
            .flat_map(|c| [mean(c, 1), mean(c, SHORT), mean(c, WINDOW)])
            .collect()
    }
}

impl Reference {
    /// Learns from the features of learning rows in their order; `None` if there are fewer than 50.
    pub fn learn(features: &[Vec<f64>]) -> Option<Reference> {
        if features.len() < 50 {
            return None;
        }
        Some(Reference {
            normal: Normal::of(&features.iter().collect::<Vec<_>>()),
            usual: usual_distance(features).max(1e-9),
            rows: features.len() as f64,
            peak: 1.0,
            calm: 0,
        })
    }

    /// The score of the next row, 0 to 1: one half where the distance is 1.15 times the usual one.
    ///
    /// Within an episode the way back scores less than the way out: a distance below the episode's peak counts
    /// as itself times the root of its share of the peak. Calm rows move the centre, so that what drifts more
    /// slowly than the learning took does not become an alarm.
    pub fn judge(&mut self, features: &[f64]) -> f64 {
        let distance = self.normal.distance(features) / self.usual;
        if distance < 1.0 {
            self.normal.follow(features, 1.0 / self.rows);
            self.calm += 1;
            if self.calm >= CALM {
                self.peak = 1.0;
            }
        } else {
            self.calm = 0;
        }
        self.peak = self.peak.max(distance.min(PEAK));
        let receding = (distance.max(1.0) / self.peak).sqrt().min(1.0);
        let ratio = distance * receding / MULTIPLE;
        ratio / (1.0 + ratio)
    }
}

/// The distance that [`USUAL`] of the learning rows keep when each stretch of them is measured against the
/// others. Rows next to the stretch are left out of the others, since their windows overlap it.
fn usual_distance(features: &[Vec<f64>]) -> f64 {
    let n = features.len();
    let gap = WINDOW.min(n / 10);
    let mut stretches: Vec<Vec<f64>> = (0..STRETCHES)
        .map(|k| {
            let (begin, end) = (k * n / STRETCHES, (k + 1) * n / STRETCHES);
            let others = features[..begin.saturating_sub(gap)]
                .iter()
                .chain(&features[(end + gap).min(n)..]);
            let normal = Normal::of(&others.collect::<Vec<_>>());
            features[begin..end]
                .iter()
                .map(|row| normal.distance(row))
                .collect()
        })
        .collect();
    let mut tops: Vec<f64> = stretches.iter_mut().map(|s| quantile(s, USUAL)).collect();
    let middle = quantile(&mut tops, 0.5);
    quantile(&mut stretches.concat(), USUAL).min(BAD_STRETCH * middle)
}

fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(q * (values.len() - 1) as f64).round() as usize]
}

impl Normal {
    fn of(rows: &[&Vec<f64>]) -> Normal {
        let n = rows.len() as f64;
        let d = rows[0].len();
        let over = |f: &dyn Fn(&[f64]) -> f64| rows.iter().map(|row| f(row)).sum::<f64>() / n;
        let centre: Vec<f64> = (0..d).map(|i| over(&|row| row[i])).collect();
        let deviation: Vec<f64> = (0..d)
            .map(|i| {
                let least = 1e-9 * (1.0 + centre[i].abs());
                over(&|row| (row[i] - centre[i]).powi(2)).sqrt().max(least)
            })
            .collect();
        let mut normal = Normal {
            centre,
            deviation,
            precision: Vec::new(),
        };
        let rows: Vec<Vec<f64>> = rows.iter().map(|row| normal.standardise(row)).collect();
        normal.precision = invert(&shrunk_covariance(&rows), d);
        normal
    }

    fn standardise(&self, row: &[f64]) -> Vec<f64> {
        row.iter()
            .zip(&self.centre)
            .zip(&self.deviation)
            .map(|((x, c), s)| (x - c) / s)
            .collect()
    }

    fn distance(&self, features: &[f64]) -> f64 {
        let z = self.standardise(features);
        let sum: f64 = z
            .iter()
            .zip(self.precision.chunks(z.len()))
            .map(|(zi, row)| zi * row.iter().zip(&z).map(|(p, zj)| p * zj).sum::<f64>())
            .sum();
        sum.max(0.0).sqrt()
    }

    fn follow(&mut self, features: &[f64], share: f64) {
        for (centre, x) in self.centre.iter_mut().zip(features) {
            *centre += share * (x - *centre);
        }
    }
}

/// Covariance of centred rows, shrunk towards a multiple of the identity.
fn shrunk_covariance(rows: &[Vec<f64>]) -> Vec<f64> {
    let (n, d) = (rows.len() as f64, rows[0].len());
    let mut s = vec![0.0; d * d];
    for row in rows {
        for (x, line) in row.iter().zip(s.chunks_mut(d)) {
            for (y, sum) in row.iter().zip(line) {
                *sum += x * y / n;
            }
        }
    }
    let level = (0..d).map(|i| s[i * d + i]).sum::<f64>() / d as f64;
    let square = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>();
    let size = square(&s);
    // Squared distance of the covariance from a multiple of the identity, and how much of it is chance.
    let spread = size - level * level * d as f64;
    let noise = rows.iter().map(|row| square(row).powi(2)).sum::<f64>() / n - size;
    let shrink = if spread > 0.0 {
        (noise / n / spread).clamp(0.0, 1.0)
    } else {
        1.0
    };
    s.iter_mut().for_each(|x| *x *= 1.0 - shrink);
    for i in 0..d {
        s[i * d + i] += shrink * level + 1e-9;
    }
    s
}

/// Inverse of a positive definite matrix, by Gauss-Jordan with row pivots.
fn invert(matrix: &[f64], d: usize) -> Vec<f64> {
    let mut a = matrix.to_vec();
    let mut inverse = vec![0.0; d * d];
    for i in 0..d {
        inverse[i * d + i] = 1.0;
    }
    for column in 0..d {
        let pivot = (column..d)
            .max_by(|x, y| a[x * d + column].abs().total_cmp(&a[y * d + column].abs()))
            .unwrap_or(column);
        for k in 0..d {
            a.swap(column * d + k, pivot * d + k);
            inverse.swap(column * d + k, pivot * d + k);
        }
        let p = a[column * d + column];
        let p = if p.abs() < 1e-300 { 1e-300 } else { p };
        for k in 0..d {
            a[column * d + k] /= p;
            inverse[column * d + k] /= p;
        }
        for row in (0..d).filter(|row| *row != column) {
            let factor = a[row * d + column];
            for k in 0..d {
                a[row * d + k] -= factor * a[column * d + k];
                inverse[row * d + k] -= factor * inverse[column * d + k];
            }
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_times_the_matrix_is_the_identity() {
        let a = [4.0, 1.0, 0.5, 1.0, 3.0, 0.2, 0.5, 0.2, 2.0];
        let b = invert(&a, 3);
        for i in 0..3 {
            for j in 0..3 {
                let x: f64 = (0..3).map(|k| a[i * 3 + k] * b[k * 3 + j]).sum();
                assert!((x - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }

    /// Features of rows `from..to` of two channels that move together, changed by `fault`.
    fn rows(from: usize, to: usize, fault: impl Fn(usize, [f64; 2]) -> [f64; 2]) -> Vec<Vec<f64>> {
        let mut window = Window::default();
        (from..to)
            .filter_map(|i| {
                let x = (i as f64 * 0.37).sin() + (i as f64 * 1.7).cos() * 0.3;
                let noise = ((i as f64 * 12.9898).sin() * 43758.5453).fract() * 0.1;
                window.push(&fault(i, [x, 2.0 * x + noise]).map(Some))
            })
            .collect()
    }

    fn signals(reference: &mut Reference, rows: &[Vec<f64>]) -> usize {
        rows.iter()
            .filter(|row| reference.judge(row) >= 0.5)
            .count()
    }

    #[test]
    fn a_broken_relation_between_two_channels_is_a_signal_whether_learning_was_short_or_long() {
        for learned in [200, 400, 6000] {
            let mut reference = Reference::learn(&rows(0, learned, |_, row| row)).unwrap();
            let good = rows(learned, learned + 500, |_, row| row);
            assert!(signals(&mut reference, &good) <= 5, "{learned} rows");
            let bad = rows(learned + 500, learned + 600, |_, [x, _]| [x, 0.0]);
            assert!(signals(&mut reference, &bad) >= 60, "{learned} rows");
        }
    }

    #[test]
    fn few_rows_for_many_channels_widen_what_is_usual() {
        let noise = |i: usize, c: usize| (((i * 40 + c) * 7919 % 100_003) as f64 / 100_003.0).cos();
        let learn = |n: usize| {
            let mut window = Window::default();
            let rows: Vec<_> = (0..n)
                .filter_map(|i| {
                    window.push(&(0..40).map(|c| Some(noise(i, c))).collect::<Vec<_>>())
                })
                .collect();
            Reference::learn(&rows).unwrap().usual
        };
        assert!(learn(150) > 1.3 * learn(5000));
    }

    #[test]
    fn a_bad_stretch_among_the_learning_rows_does_not_blind_the_group() {
        let bad = |i: usize, [x, y]: [f64; 2]| match i {
            3000..3080 => [x, y + 40.0],
            _ => [x, y],
        };
        let mut reference = Reference::learn(&rows(0, 5000, bad)).unwrap();
        let later = rows(5000, 5200, |_, [x, y]| [x, y + 40.0]);
        assert!(signals(&mut reference, &later) >= 100);
    }

    #[test]
    fn the_way_back_scores_less_than_the_way_out_and_calm_forgets_it() {
        let mut reference = Reference::learn(&rows(0, 1000, |_, row| row)).unwrap();
        let step = |height: f64| rows(1000, 1040, move |_, [x, y]| [x, y + height]);
        let small = reference.clone().judge(&step(0.15)[5]);
        reference.judge(&step(2.0)[5]);
        let back = reference.judge(&step(0.15)[5]);
        signals(
            &mut reference,
            &rows(1000, 1000 + WINDOW + CALM, |_, row| row),
        );
        let again = reference.judge(&step(0.15)[5]);
        assert!(small > 0.5 && back < 0.9 * small, "{small}, then {back}");
        assert!((again - small).abs() < 0.02, "{small}, then {again}");
    }

    #[test]
    fn a_drift_slower_than_the_learning_is_followed_and_a_leap_to_where_it_led_is_a_signal() {
        let drift = |i: usize, [x, y]: [f64; 2]| [x, y + 1e-5 * i.saturating_sub(1000) as f64];
        let mut reference = Reference::learn(&rows(0, 1000, |_, row| row)).unwrap();
        let all = rows(1000, 20_000, drift);
        let last = &all[all.len() - 2000..];
        let leaped = signals(&mut reference.clone(), last);
        signals(&mut reference, &all[..all.len() - 2000]);
        let followed = signals(&mut reference, last);
        assert!(
            leaped > 1900 && followed < 100,
            "{leaped} and {followed} of 2000 rows"
        );
    }
}
