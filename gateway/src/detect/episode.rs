//! One rule at one point: when a signal opens, extends and closes. Pure.
//!
//! A reading older than one already seen (back-fill that overtook) does not move an episode: what the rule
//! said was said with what was known. A gap longer than the dwell time breaks a condition that was building up,
//! since nobody knows that it held.

use super::rule::{Measure, Rule};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Extensions are told at most this often, unless the worst value changed.
const EXTEND_MS: i64 = 60_000;
/// Gaps up to this long never break a condition.
const GAP_MS: i64 = 120_000;

/// A rule's numbers, ready for use: all times in ms.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What is compared.
    pub measure: Measure,
    /// On which side.
    pub comparator: super::rule::Comparator,
    /// The limit.
    pub limit: f64,
    /// The clear level.
    pub reset: f64,
    /// Averaging time.
    pub averaging_ms: i64,
    /// Share that must be covered.
    pub min_valid: f64,
    /// Dwell time.
    pub dwell_ms: i64,
    /// Readings in a row.
    pub samples: u32,
}

impl Terms {
    /// The terms of a rule, its times divided by the training time scale.
    pub fn new(rule: &Rule, time_scale: f64) -> Self {
        Self {
            measure: rule.measure,
            comparator: rule.comparator,
            limit: if rule.measure == Measure::Silence {
                rule.limit / time_scale
            } else {
                rule.limit
            },
            reset: if rule.measure == Measure::Silence {
                rule.reset_level() / time_scale
            } else {
                rule.reset_level()
            },
            averaging_ms: Rule::millis(rule.averaging_min, time_scale),
            min_valid: rule.min_valid,
            dwell_ms: Rule::millis(rule.dwell_min, time_scale),
            samples: rule.samples,
        }
    }
}

/// What became of an episode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// Opened, extended or closed.
    pub kind: MoveKind,
    /// Since when the condition held.
    pub opened_at_ms: i64,
    /// The latest reading it was judged by.
    pub last_at_ms: i64,
    /// What was compared when it opened.
    pub measured: f64,
    /// The worst since.
    pub peak: f64,
}

/// See [`Move`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MoveKind {
    /// A signal opens.
    Open,
    /// It goes on.
    Extend,
    /// It is over.
    Close,
}

/// The state of one rule at one point.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    window: VecDeque<(i64, f64)>,
    last_at_ms: Option<i64>,
    since_ms: Option<i64>,
    in_a_row: u32,
    clear_since_ms: Option<i64>,
    open: Option<Move>,
    told_ms: i64,
}

impl Episode {
    /// True while a signal is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes in a good reading. `None` as value: the rule does not apply now (its companion is off).
    pub fn take(&mut self, terms: &Terms, at_ms: i64, value: Option<f64>) -> Option<Move> {
        let previous = self.last_at_ms;
        if previous.is_some_and(|last| at_ms < last) {
            return None;
        }
        self.last_at_ms = Some(at_ms);
        let compared = match (terms.measure, value) {
            (Measure::Instant | Measure::Silence, value) => value,
            (_, Some(value)) => self.average(terms, at_ms, value),
            (_, None) => {
                self.window.clear();
                None
            }
        };
        let gap = terms.dwell_ms.max(GAP_MS);
        if previous.is_some_and(|last| at_ms - last > gap) && self.open.is_none() {
            self.since_ms = None;
            self.in_a_row = 0;
        }
        match compared {
            Some(compared) => self.step(terms, at_ms, compared),
            None if value.is_none() => self.clear(terms, at_ms),
            None => None,
        }
    }

    /// Mean or deviation over the averaging time, if enough of it is covered.
    fn average(&mut self, terms: &Terms, at_ms: i64, value: f64) -> Option<f64> {
        self.window.push_back((at_ms, value));
        while self
            .window
            .front()
            .is_some_and(|(at, _)| *at <= at_ms - terms.averaging_ms)
        {
            self.window.pop_front();
        }
        let n = self.window.len() as f64;
        let (first, _) = *self.window.front()?;
        // The window stands for the time it spans plus one typical interval.
        let span = (at_ms - first) as f64;
        let covered = if n > 1.0 { span * n / (n - 1.0) } else { 0.0 };
        if covered < terms.min_valid * terms.averaging_ms as f64 || n < 3.0 {
            return None;
        }
        let mean = self.window.iter().map(|(_, v)| v).sum::<f64>() / n;
        if terms.measure == Measure::Mean {
            return Some(mean);
        }
        Some(
            (self
                .window
                .iter()
                .map(|(_, v)| (v - mean).powi(2))
                .sum::<f64>()
                / n)
                .sqrt(),
        )
    }

    fn step(&mut self, terms: &Terms, at_ms: i64, compared: f64) -> Option<Move> {
        let is_beyond = terms.comparator.is_beyond(compared, terms.limit);
        let Some(open) = &mut self.open else {
            if !is_beyond {
                self.since_ms = None;
                self.in_a_row = 0;
                return None;
            }
            let since = *self.since_ms.get_or_insert(at_ms);
            self.in_a_row += 1;
            if at_ms - since < terms.dwell_ms || self.in_a_row < terms.samples {
                return None;
            }
            let kind = MoveKind::Open;
            let opened = Move {
                kind,
                opened_at_ms: since,
                last_at_ms: at_ms,
                measured: compared,
                peak: compared,
            };
            self.open = Some(opened.clone());
            self.clear_since_ms = None;
            self.told_ms = at_ms;
            return Some(opened);
        };
        if !terms.comparator.is_beyond(compared, terms.reset) {
            return self.clear(terms, at_ms);
        }
        self.clear_since_ms = None;
        let worst = terms.comparator.worse(open.peak, compared);
        let is_news = worst != open.peak || at_ms - self.told_ms >= EXTEND_MS;
        open.peak = worst;
        open.last_at_ms = at_ms;
        open.kind = MoveKind::Extend;
        if !is_news {
            return None;
        }
        self.told_ms = at_ms;
        Some(open.clone())
    }

    fn clear(&mut self, terms: &Terms, at_ms: i64) -> Option<Move> {
        self.since_ms = None;
        self.in_a_row = 0;
        self.open.as_ref()?;
        let since = *self.clear_since_ms.get_or_insert(at_ms);
        if at_ms - since < 2 * terms.dwell_ms {
            return None;
        }
        self.clear_since_ms = None;
        let mut closed = self.open.take()?;
        closed.kind = MoveKind::Close;
        closed.last_at_ms = since;
        Some(closed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::Comparator;
    use super::*;

    fn terms(measure: Measure, dwell_min: i64) -> Terms {
        Terms {
            measure,
            comparator: Comparator::Above,
            limit: -15.0,
            reset: -16.0,
            averaging_ms: 5 * 60_000,
            min_valid: 0.75,
            dwell_ms: dwell_min * 60_000,
            samples: 1,
        }
    }

    /// One reading a minute; returns the moves with the minute in which they were made.
    #[track_caller]
    fn check(terms: &Terms, readings: &[f64], expected: &[(usize, MoveKind)]) {
        let mut episode = Episode::default();
        let mut moves = Vec::new();
        for (minute, value) in readings.iter().enumerate() {
            if let Some(step) = episode.take(terms, minute as i64 * 60_000, Some(*value)) {
                // A snapshot at any moment changes nothing.
                episode = serde_json::from_str(&serde_json::to_string(&episode).unwrap()).unwrap();
                if step.kind != MoveKind::Extend {
                    moves.push((minute, step.kind));
                }
            }
        }
        assert_eq!(moves, expected);
    }

    fn phases(parts: &[(usize, f64)]) -> Vec<f64> {
        parts
            .iter()
            .flat_map(|(n, v)| std::iter::repeat_n(*v, *n))
            .collect()
    }

    #[test]
    fn an_honest_defrost_of_29_minutes_raises_nothing() {
        check(
            &terms(Measure::Instant, 30),
            &phases(&[(20, -18.0), (29, -5.0), (60, -18.0)]),
            &[],
        );
    }

    #[test]
    fn a_door_left_open_opens_one_signal_and_closes_it_after_twice_the_dwell() {
        let readings = phases(&[(10, -18.0), (45, -9.0), (5, -15.5), (20, -9.0), (90, -18.0)]);
        check(
            &terms(Measure::Instant, 30),
            &readings,
            &[(40, MoveKind::Open), (140, MoveKind::Close)],
        );
    }

    #[test]
    fn a_gap_breaks_a_condition_that_was_building_up() {
        let terms = terms(Measure::Instant, 30);
        let mut episode = Episode::default();
        assert_eq!(episode.take(&terms, 0, Some(-5.0)), None);
        assert_eq!(
            episode.take(&terms, 40 * 60_000, Some(-5.0)),
            None,
            "nobody saw it hold for 40 minutes"
        );
    }

    #[test]
    fn a_mean_needs_enough_of_its_time_covered() {
        let mut terms = terms(Measure::Mean, 0);
        terms.limit = 2.0;
        check(&terms, &[9.0, 9.0, 9.0, 9.0], &[(3, MoveKind::Open)]);
    }

    #[test]
    fn an_older_reading_does_not_move_an_episode() {
        let terms = terms(Measure::Instant, 0);
        let mut episode = Episode::default();
        episode.take(&terms, 1000, Some(-18.0));
        assert_eq!(episode.take(&terms, 500, Some(0.0)), None);
        assert_eq!(
            episode.take(&terms, 1000, Some(0.0)).map(|m| m.kind),
            Some(MoveKind::Open)
        );
    }
}
