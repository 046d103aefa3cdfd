//! One episode of a condition: opens once, extends, closes with hysteresis. Pure; time only runs forward.
//!
//! A hole in the observations longer than `gap_max` breaks a dwell that is under way (nothing says the condition
//! held meanwhile) and neither extends nor closes an open episode.

use super::rule::Comparator;
use super::state::{DamagedState, In, Out};

const NEVER: i64 = i64::MIN;

/// When an episode opens and closes. Times in ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// The condition must hold this long.
    pub dwell_ms: i64,
    /// It must be clear this long to end.
    pub clear_ms: i64,
    /// So many observations, at least, to open and to end.
    pub samples: u32,
    /// A longer hole breaks the dwell.
    pub gap_max_ms: i64,
    /// An open episode tells that it lasts at most this often.
    pub tell_ms: i64,
    /// Which of two values is worse.
    pub worse: Comparator,
}

/// What one observation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The condition holds.
    Over,
    /// Between limit and reset.
    Between,
    /// It does not hold.
    Clear,
}

/// What came of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The episode is open from now on.
    Opened,
    /// It lasts.
    Extended,
    /// It ended.
    Closed,
}

/// What is told of an open or just ended episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    /// When the condition began to hold.
    pub opened_at: i64,
    /// When it last held.
    pub last_at: i64,
    /// When it ceased; of an ended episode.
    pub closed_at: Option<i64>,
    /// The value that opened it.
    pub measured: f64,
    /// The worst value.
    pub peak: f64,
}

/// The state of an episode, open or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    since: i64,
    last_seen: i64,
    last_over: i64,
    clear_since: i64,
    told: i64,
    count: u32,
    clear_count: u32,
    measured: f64,
    peak: f64,
    is_open: bool,
}

impl Default for Episode {
    fn default() -> Self {
        Self {
            since: NEVER,
            last_seen: NEVER,
            last_over: NEVER,
            clear_since: NEVER,
            told: NEVER,
            count: 0,
            clear_count: 0,
            measured: f64::NAN,
            peak: f64::NAN,
            is_open: false,
        }
    }
}

impl Episode {
    /// True if nothing is under way: the next good value changes nothing.
    pub fn is_idle(&self) -> bool {
        self.since == NEVER && !self.is_open
    }

    /// True while it is open.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    fn told(&self, closed_at: Option<i64>) -> Told {
        Told {
            opened_at: self.since,
            last_at: self.last_over,
            closed_at,
            measured: self.measured,
            peak: self.peak,
        }
    }

    /// Takes in an observation that stands for `from..=at`.
    pub fn observe(
        &mut self,
        terms: &Terms,
        from: i64,
        at: i64,
        value: f64,
        verdict: Verdict,
    ) -> Option<(Turn, Told)> {
        let is_after_gap =
            self.last_seen != NEVER && from.saturating_sub(self.last_seen) > terms.gap_max_ms;
        let is_new_time = at > self.last_seen;
        self.last_seen = at;
        match (verdict, self.is_open) {
            (Verdict::Over, false) => {
                if self.since == NEVER || is_after_gap {
                    *self = Episode {
                        since: from,
                        last_seen: at,
                        peak: value,
                        ..Episode::default()
                    };
                }
                self.count += u32::from(is_new_time);
                self.over(terms, at, value)
            }
            (Verdict::Over, true) => {
                self.last_over = at;
                self.clear_since = NEVER;
                self.clear_count = 0;
                self.peak = terms.worse.worse(self.peak, value);
                if at - self.told < terms.tell_ms {
                    return None;
                }
                self.told = at;
                Some((Turn::Extended, self.told(None)))
            }
            (_, false) => {
                self.since = NEVER;
                None
            }
            (Verdict::Between, true) => {
                self.clear_since = NEVER;
                self.clear_count = 0;
                None
            }
            (Verdict::Clear, true) => {
                if self.clear_since == NEVER || is_after_gap {
                    self.clear_since = from.max(self.last_over);
                    self.clear_count = 0;
                }
                self.clear_count += u32::from(is_new_time);
                if at - self.clear_since < terms.clear_ms || self.clear_count < terms.samples {
                    return None;
                }
                Some((Turn::Closed, self.end(self.clear_since)))
            }
        }
    }

    fn over(&mut self, terms: &Terms, at: i64, value: f64) -> Option<(Turn, Told)> {
        self.peak = terms.worse.worse(self.peak, value);
        self.last_over = at;
        if at - self.since < terms.dwell_ms || self.count < terms.samples {
            return None;
        }
        self.is_open = true;
        self.measured = value;
        self.told = at;
        Some((Turn::Opened, self.told(None)))
    }

    /// Ends the episode and gives what there is to tell of it.
    pub fn end(&mut self, closed_at: i64) -> Told {
        let told = self.told(Some(closed_at));
        *self = Episode {
            last_seen: self.last_seen,
            ..Episode::default()
        };
        told
    }

    /// Appends the state to a snapshot.
    pub fn write(&self, out: &mut Out) {
        for time in [
            self.since,
            self.last_seen,
            self.last_over,
            self.clear_since,
            self.told,
        ] {
            out.int(time);
        }
        out.short(self.count);
        out.short(self.clear_count);
        out.float(self.measured);
        out.float(self.peak);
        out.short(u32::from(self.is_open));
    }

    /// The state of [`Episode::write`].
    pub fn read(from: &mut In<'_>) -> Result<Self, DamagedState> {
        Ok(Self {
            since: from.int()?,
            last_seen: from.int()?,
            last_over: from.int()?,
            clear_since: from.int()?,
            told: from.int()?,
            count: from.short()?,
            clear_count: from.short()?,
            measured: from.float()?,
            peak: from.float()?,
            is_open: from.short()? != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        dwell_ms: 30,
        clear_ms: 60,
        samples: 1,
        gap_max_ms: 20,
        tell_ms: 1000,
        worse: Comparator::Above,
    };

    fn play(terms: &Terms, story: &[(i64, f64)]) -> Vec<(Turn, i64, i64, Option<i64>)> {
        let mut episode = Episode::default();
        let judge = |v: f64| match v {
            v if v > 10.0 => Verdict::Over,
            v if v > 9.0 => Verdict::Between,
            _ => Verdict::Clear,
        };
        story
            .iter()
            .filter_map(|(at, v)| episode.observe(terms, *at, *at, *v, judge(*v)))
            .map(|(turn, told)| (turn, told.opened_at, told.last_at, told.closed_at))
            .collect()
    }

    #[test]
    fn it_opens_once_after_the_dwell_and_ends_after_being_clear_for_long() {
        let mut story: Vec<_> = (0..5).map(|i| (i * 10, 11.0)).collect();
        story.extend([(50, 9.5), (60, 8.0), (80, 8.0), (90, 9.5)]);
        story.extend((10..17).map(|i| (i * 10, 8.0)));
        assert_eq!(
            play(&TERMS, &story),
            [
                (Turn::Opened, 0, 30, None),
                (Turn::Closed, 0, 40, Some(100))
            ]
        );
    }

    #[test]
    fn a_hole_breaks_the_dwell() {
        let story = [
            (0, 11.0),
            (10, 11.0),
            (20, 11.0),
            (45, 11.0),
            (60, 11.0),
            (74, 11.0),
        ];
        assert_eq!(play(&TERMS, &story), []);
    }

    #[test]
    fn three_samples_are_three_different_times() {
        let terms = Terms {
            dwell_ms: 0,
            clear_ms: 0,
            samples: 3,
            ..TERMS
        };
        let story = [(0, 11.0), (0, 11.0), (0, 11.0), (1, 11.0), (2, 11.0)];
        assert_eq!(play(&terms, &story), [(Turn::Opened, 0, 2, None)]);
    }
}
