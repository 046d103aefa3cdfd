//! Several series that belong together: how far the present is from what was normal for all of them at once.
//!
//! Of each channel the mean and the logarithm of the deviation over the last 30 samples; standardised on the
//! training rows; Mahalanobis distance with a Ledoit-Wolf shrunk covariance (Ledoit and Wolf 2004, "A
//! well-conditioned estimator for large-dimensional covariance matrices"). Pure.

use std::collections::VecDeque;

/// Samples in a window.
const WINDOW: usize = 30;
/// A distance of this many times the training rows' 99 % distance scores one half. One number for all groups,
/// since a few hundred training rows say too little about the tail (see docs/MEASURED.md).
pub const MULTIPLE: f64 = 6.0;

/// What was normal.
#[derive(Debug, Clone)]
pub struct Reference {
    centre: Vec<f64>,
    deviation: Vec<f64>,
    /// Inverse of the shrunk covariance, row by row.
    precision: Vec<f64>,
    /// The 99 % quantile of the training rows' distance.
    usual: f64,
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
        let n = self.rows.len() as f64;
        let channels = self.rows[0].len();
        let mut features = Vec::with_capacity(2 * channels);
        for c in 0..channels {
            let mean = self.rows.iter().map(|r| r[c]).sum::<f64>() / n;
            let variance = self.rows.iter().map(|r| (r[c] - mean).powi(2)).sum::<f64>() / n;
            features.push(mean);
            features.push((variance.sqrt() + 1e-6 * (mean.abs() + 1e-6)).ln());
        }
        features
    }
}

impl Reference {
    /// Learns from training features; `None` if there are fewer than 50.
    pub fn learn(features: &[Vec<f64>]) -> Option<Reference> {
        let n = features.len();
        if n < 50 {
            return None;
        }
        let d = features[0].len();
        let over =
            |f: &dyn Fn(&[f64]) -> f64| features.iter().map(|row| f(row)).sum::<f64>() / n as f64;
        let centre: Vec<f64> = (0..d).map(|i| over(&|row| row[i])).collect();
        let deviation: Vec<f64> = (0..d)
            .map(|i| over(&|row| (row[i] - centre[i]).powi(2)).sqrt().max(1e-9))
            .collect();
        let rows: Vec<Vec<f64>> = features
            .iter()
            .map(|row| standardise(row, &centre, &deviation))
            .collect();
        let precision = invert(&shrunk_covariance(&rows), d);
        let mut reference = Reference {
            centre,
            deviation,
            precision,
            usual: 1.0,
        };
        let mut distances: Vec<f64> = features.iter().map(|row| reference.distance(row)).collect();
        distances.sort_by(f64::total_cmp);
        reference.usual = distances[(0.99 * (n - 1) as f64) as usize].max(1e-9);
        Some(reference)
    }

    /// 0 to 1: one half where the distance is [`MULTIPLE`] times the usual one.
    pub fn score(&self, features: &[f64]) -> f64 {
        let ratio = self.distance(features) / self.usual / MULTIPLE;
        ratio / (1.0 + ratio)
    }

    fn distance(&self, features: &[f64]) -> f64 {
        let z = standardise(features, &self.centre, &self.deviation);
        let d = z.len();
        let mut sum = 0.0;
        for i in 0..d {
            sum += z[i]
                * (0..d)
                    .map(|j| self.precision[i * d + j] * z[j])
                    .sum::<f64>();
        }
        sum.max(0.0).sqrt()
    }
}

fn standardise(row: &[f64], centre: &[f64], deviation: &[f64]) -> Vec<f64> {
    row.iter()
        .zip(centre)
        .zip(deviation)
        .map(|((x, c), s)| (x - c) / s)
        .collect()
}

/// Covariance of centred rows, shrunk towards a multiple of the identity.
fn shrunk_covariance(rows: &[Vec<f64>]) -> Vec<f64> {
    let (n, d) = (rows.len() as f64, rows[0].len());
    let mut s = vec![0.0; d * d];
    for row in rows {
        for i in 0..d {
            for j in 0..d {
                s[i * d + j] += row[i] * row[j] / n;
            }
        }
    }
    let level = (0..d).map(|i| s[i * d + i]).sum::<f64>() / d as f64;
    let off = |i: usize, j: usize| s[i * d + j] - if i == j { level } else { 0.0 };
    let spread: f64 = (0..d * d).map(|k| off(k / d, k % d).powi(2)).sum::<f64>() / d as f64;
    let mut noise = 0.0;
    for row in rows {
        for i in 0..d {
            for j in 0..d {
                noise += (row[i] * row[j] - s[i * d + j]).powi(2);
            }
        }
    }
    let noise = (noise / (n * n) / d as f64).min(spread);
    let shrink = if spread > 0.0 { noise / spread } else { 1.0 };
    (0..d * d)
        .map(|k| {
            (1.0 - shrink) * s[k]
                + if k / d == k % d {
                    shrink * level + 1e-9
                } else {
                    0.0
                }
        })
        .collect()
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

    #[test]
    fn a_broken_relation_between_two_channels_stands_out() {
        let mut window = Window::default();
        let row = |i: usize, broken: bool| {
            let x = (i as f64 * 0.37).sin() + (i as f64 * 1.7).cos() * 0.3;
            [Some(x), Some(if broken { 3.0 } else { 2.0 * x })]
        };
        let train: Vec<_> = (0..400)
            .filter_map(|i| window.push(&row(i, false)))
            .collect();
        let reference = Reference::learn(&train).unwrap();
        let good = (400..500)
            .filter_map(|i| window.push(&row(i, false)))
            .map(|f| reference.score(&f))
            .fold(0.0, f64::max);
        let bad = (500..560)
            .filter_map(|i| window.push(&row(i, true)))
            .map(|f| reference.score(&f))
            .fold(0.0, f64::max);
        assert!(bad > 0.5 && good < 0.4, "good {good}, bad {bad}");
    }
}
