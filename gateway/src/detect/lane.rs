//! One rule at one point: its window and its episode. Pure; readings come in the order of their times.

use super::episode::{Episode, Terms, Told, Turn, Verdict};
use super::rule::{Comparator, Measure, Rule};
use super::state::{DamagedState, In, Out};
use super::window::{Block, BlockMean, Sliding, Windowed};

const MINUTE_MS: i64 = 60_000;
/// A hole longer than this, or twice the averaging time, breaks a dwell.
const GAP_MIN: f64 = 10.0;
/// An open episode tells that it lasts once in so many minutes.
const TELL_MIN: f64 = 1.0;
/// Site-local time is UTC+8.
const LOCAL_MINUTES: i64 = 8 * 60;

/// A rule, ready to work: all times in ms, divided by the time scale.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The rule as configured.
    pub rule: Rule,
    /// When its episodes open and close.
    pub terms: Terms,
    window_ms: i64,
    step_ms: i64,
    steps_min: u32,
    reset: f64,
    scale: f64,
    force_ms: (i64, i64),
    hours: Option<(i64, i64)>,
}

impl Ready {
    /// Prepares a rule. `scale` is 1 in earnest; training divides every time of a rule by it.
    pub fn new(rule: Rule, scale: f64) -> Ready {
        let millis = |minutes: f64| Rule::millis(minutes, scale);
        let is_stuck = rule.measure == Measure::Stuck;
        let dwell_ms = if is_stuck {
            millis(rule.limit)
        } else {
            millis(rule.dwell_min)
        };
        let terms = Terms {
            dwell_ms,
            clear_ms: if is_stuck { 0 } else { 2 * dwell_ms },
            samples: rule.samples,
            gap_max_ms: match rule.measure {
                Measure::Silence => i64::MAX,
                _ => millis(GAP_MIN.max(2.0 * rule.averaging_min)),
            },
            tell_ms: millis(TELL_MIN),
            worse: if is_stuck {
                Comparator::Above
            } else {
                rule.comparator
            },
        };
        let steps = rule.averaging_min.max(1.0);
        Ready {
            terms,
            window_ms: millis(rule.averaging_min),
            step_ms: millis(1.0).max(1),
            steps_min: (steps * rule.min_valid).ceil() as u32,
            reset: rule.reset_level(),
            scale,
            force_ms: rule.force_ms(),
            hours: rule.working_minutes(),
            rule,
        }
    }

    /// Values strictly between these change nothing while the rule is idle; `None` if every value counts.
    pub fn quiet_range(&self) -> Option<(f64, f64)> {
        match (self.rule.measure, self.rule.comparator) {
            (Measure::Instant, Comparator::Above) => Some((f64::NEG_INFINITY, self.rule.limit)),
            (Measure::Instant, Comparator::Below) => Some((self.rule.limit, f64::INFINITY)),
            (Measure::Silence, _) => Some((f64::NEG_INFINITY, f64::INFINITY)),
            _ => None,
        }
    }

    /// True if the rule is in force at this time and works at this hour.
    pub fn works_at(&self, at_ms: i64) -> bool {
        if at_ms < self.force_ms.0 || at_ms >= self.force_ms.1 {
            return false;
        }
        let Some((from, to)) = self.hours else {
            return true;
        };
        let minute = (at_ms.div_euclid(MINUTE_MS) + LOCAL_MINUTES).rem_euclid(24 * 60);
        if from <= to {
            (from..to).contains(&minute)
        } else {
            minute >= from || minute < to
        }
    }

    /// True if a value of another point that was measured at `then` still counts at `at`.
    pub fn is_beside(&self, then: i64, at: i64) -> bool {
        then != i64::MIN && (at - then).abs() <= self.terms.gap_max_ms
    }

    /// For rules about silence: how long it may last.
    pub fn silence_max_ms(&self) -> i64 {
        Rule::millis(self.rule.limit, self.scale)
    }

    fn minutes(&self, from: i64, to: i64) -> f64 {
        (to - from) as f64 * self.scale / MINUTE_MS as f64
    }

    fn judge(&self, value: f64) -> Verdict {
        if self.rule.comparator.is_beyond(value, self.rule.limit) {
            Verdict::Over
        } else if self.rule.comparator.is_beyond(value, self.reset) {
            Verdict::Between
        } else {
            Verdict::Clear
        }
    }
}

/// A valid reading as a rule sees it.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Device time.
    pub at: i64,
    /// The value.
    pub value: f64,
    /// False while the rule sleeps: its companion is off, or it is not in force at this time.
    pub is_awake: bool,
    /// Oxygen beside it; NaN if there is none.
    pub oxygen: f64,
}

/// What came of a reading: the turn of the episode and what to tell.
pub type Outcome = (Turn, Told);

#[derive(Debug, Clone)]
enum Window {
    None,
    Sliding(Sliding),
    Block(Block),
    Stuck { value: f64, since: i64 },
    Deviation { sliding: Sliding, usual: f64 },
}

/// The state of one rule at one point.
#[derive(Debug, Clone)]
pub struct Lane {
    /// Its episode.
    pub episode: Episode,
    /// Time of the last reading taken in.
    pub last_at: i64,
    window: Window,
}

impl Lane {
    /// Before the first reading.
    pub fn new(ready: &Ready) -> Lane {
        let window = match ready.rule.measure {
            Measure::Instant | Measure::Silence => Window::None,
            Measure::Mean => Window::Sliding(Sliding::default()),
            Measure::Block => Window::Block(Block::default()),
            Measure::Stuck => Window::Stuck {
                value: f64::NAN,
                since: i64::MIN,
            },
            Measure::Deviation => Window::Deviation {
                sliding: Sliding::default(),
                usual: f64::NAN,
            },
        };
        Lane {
            episode: Episode::default(),
            last_at: i64::MIN,
            window,
        }
    }

    /// Takes in a valid reading.
    pub fn take(&mut self, ready: &Ready, seen: Seen) -> Option<Outcome> {
        self.last_at = seen.at;
        if !seen.is_awake {
            if let Window::Stuck { value, .. } = &mut self.window {
                *value = f64::NAN;
            }
            return self.observe(ready, (seen.at, seen.at), f64::NAN, Verdict::Clear);
        }
        match &mut self.window {
            Window::None => {
                let verdict = ready.judge(seen.value);
                self.observe(ready, (seen.at, seen.at), seen.value, verdict)
            }
            Window::Sliding(sliding) => {
                let window = sliding.push(ready.window_ms, ready.step_ms, seen.at, seen.value)?;
                if window.valid < ready.steps_min {
                    return None;
                }
                self.observe(
                    ready,
                    (window.at, window.at),
                    window.mean,
                    ready.judge(window.mean),
                )
            }
            Window::Block(block) => {
                let over = block.push(
                    ready.window_ms,
                    ready.step_ms,
                    seen.at,
                    seen.value,
                    seen.oxygen,
                )?;
                self.block(ready, over)
            }
            Window::Stuck { .. } => self.stuck(ready, seen),
            Window::Deviation { sliding, .. } => {
                let window = sliding.push(ready.window_ms, ready.step_ms, seen.at, seen.value)?;
                self.deviation(ready, window)
            }
        }
    }

    /// Time passed without a reading: a block that ended `grace_ms` before `now` is judged.
    pub fn pass(&mut self, ready: &Ready, now: i64, grace_ms: i64) -> Option<Outcome> {
        let Window::Block(block) = &mut self.window else {
            return None;
        };
        let over = block.over_at(ready.window_ms, now, grace_ms)?;
        self.block(ready, over)
    }

    /// For rules about silence: it has been silent since `since`, for too long.
    pub fn silence(&mut self, ready: &Ready, since: i64, now: i64) -> Option<Outcome> {
        self.observe(
            ready,
            (since, now),
            ready.minutes(since, now),
            Verdict::Over,
        )
    }

    fn block(&mut self, ready: &Ready, over: BlockMean) -> Option<Outcome> {
        if over.valid < ready.steps_min {
            return None;
        }
        let mean = match &ready.rule.convert {
            None => over.mean,
            Some(convert) => {
                // At 20 % and above there is no combustion and the formula explodes.
                let oxygen = over.companion.filter(|oxygen| *oxygen < 20.0)?;
                over.mean * (21.0 - convert.reference) / (21.0 - oxygen)
            }
        };
        self.observe(ready, (over.start, over.end), mean, ready.judge(mean))
    }

    fn stuck(&mut self, ready: &Ready, seen: Seen) -> Option<Outcome> {
        let Window::Stuck { value, since } = &mut self.window else {
            return None;
        };
        let floor = ready.rule.ignore_below.unwrap_or(f64::NEG_INFINITY);
        let is_same = seen.value == *value && seen.value > floor;
        if !is_same {
            (*value, *since) = (seen.value, seen.at);
            return self.observe(ready, (seen.at, seen.at), 0.0, Verdict::Clear);
        }
        let since = *since;
        // The dwell runs from the first of the equal values; later ones stand for themselves.
        let from = if self.episode.is_idle() {
            since
        } else {
            seen.at
        };
        self.observe(
            ready,
            (from, seen.at),
            ready.minutes(since, seen.at),
            Verdict::Over,
        )
    }

    fn deviation(&mut self, ready: &Ready, window: Windowed) -> Option<Outcome> {
        let Window::Deviation { usual, .. } = &mut self.window else {
            return None;
        };
        if window.valid < ready.steps_min {
            return None;
        }
        let is_calm_by_nature = ready
            .rule
            .usual_min
            .is_some_and(|min| usual.is_nan() || *usual < min);
        let verdict = match ready.judge(window.spread) {
            Verdict::Over if is_calm_by_nature => Verdict::Between,
            verdict => verdict,
        };
        // The usual spread is a slow mean over some four windows, learned while nothing is wrong.
        if window.spread >= ready.rule.limit {
            let weight = ready.step_ms as f64 / (4 * ready.window_ms) as f64;
            *usual = if usual.is_nan() {
                window.spread
            } else {
                *usual + weight * (window.spread - *usual)
            };
        }
        self.observe(ready, (window.at, window.at), window.spread, verdict)
    }

    fn observe(
        &mut self,
        ready: &Ready,
        (from, at): (i64, i64),
        value: f64,
        verdict: Verdict,
    ) -> Option<Outcome> {
        self.episode.observe(&ready.terms, from, at, value, verdict)
    }

    /// Appends the state to a snapshot.
    pub fn write(&self, out: &mut Out) {
        out.int(self.last_at);
        self.episode.write(out);
        match &self.window {
            Window::None => {}
            Window::Sliding(sliding) => sliding.write(out),
            Window::Block(block) => block.write(out),
            Window::Stuck { value, since } => {
                out.float(*value);
                out.int(*since);
            }
            Window::Deviation { sliding, usual } => {
                sliding.write(out);
                out.float(*usual);
            }
        }
    }

    /// The state of [`Lane::write`], by the same rule.
    pub fn read(ready: &Ready, from: &mut In<'_>) -> Result<Lane, DamagedState> {
        let mut lane = Lane::new(ready);
        lane.last_at = from.int()?;
        lane.episode = Episode::read(from)?;
        lane.window = match lane.window {
            Window::None => Window::None,
            Window::Sliding(_) => Window::Sliding(Sliding::read(from)?),
            Window::Block(_) => Window::Block(Block::read(from)?),
            Window::Stuck { .. } => Window::Stuck {
                value: from.float()?,
                since: from.int()?,
            },
            Window::Deviation { .. } => Window::Deviation {
                sliding: Sliding::read(from)?,
                usual: from.float()?,
            },
        };
        Ok(lane)
    }
}
