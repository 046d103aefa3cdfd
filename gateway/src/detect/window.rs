//! Averages over time, with validity. Pure: time comes with the values and only runs forward.
//!
//! Readings are gathered into minute means (or a tenth of the window, if that is shorter), as HJ 75 does; a window is
//! a mean of minute means and says how many it has. A minute without a valid reading is not invented.

use super::state::{DamagedState, In, Out};
use std::collections::VecDeque;

/// Before the first value.
const NEVER: i64 = i64::MIN;

/// Gathers readings into step means.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    start: i64,
    sum: f64,
    count: u32,
}

/// A finished step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepMean {
    /// When it began.
    pub start: i64,
    /// Its mean.
    pub mean: f64,
}

impl Default for Step {
    fn default() -> Self {
        Self {
            start: NEVER,
            sum: 0.0,
            count: 0,
        }
    }
}

impl Step {
    /// Takes in a reading; gives the mean of the step before it, if that is now over.
    #[inline]
    pub fn push(&mut self, step_ms: i64, at: i64, value: f64) -> Option<StepMean> {
        let start = at.div_euclid(step_ms) * step_ms;
        let done = if start == self.start {
            None
        } else {
            self.finish()
        };
        if start != self.start {
            *self = Step {
                start,
                sum: 0.0,
                count: 0,
            };
        }
        self.sum += value;
        self.count += 1;
        done
    }

    /// The mean of what was gathered, and starts anew.
    pub fn finish(&mut self) -> Option<StepMean> {
        let done = (self.count > 0).then(|| StepMean {
            start: self.start,
            mean: self.sum / f64::from(self.count),
        });
        *self = Step::default();
        done
    }

    fn write(&self, out: &mut Out) {
        out.int(self.start);
        out.float(self.sum);
        out.short(self.count);
    }

    fn read(from: &mut In<'_>) -> Result<Self, DamagedState> {
        Ok(Self {
            start: from.int()?,
            sum: from.float()?,
            count: from.short()?,
        })
    }
}

/// The last step means within a window that slides.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sliding {
    step: Step,
    means: VecDeque<(i64, f64)>,
}

/// What a window says when a step of it is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Windowed {
    /// End of the last step, when this became known.
    pub at: i64,
    /// Mean of the step means.
    pub mean: f64,
    /// Standard deviation of the step means.
    pub spread: f64,
    /// How many there are.
    pub valid: u32,
}

impl Sliding {
    /// Takes in a reading; speaks when a step is over.
    pub fn push(&mut self, window_ms: i64, step_ms: i64, at: i64, value: f64) -> Option<Windowed> {
        let done = self.step.push(step_ms, at, value)?;
        let end = done.start + step_ms;
        self.means.push_back((done.start, done.mean));
        while self
            .means
            .front()
            .is_some_and(|(start, _)| *start < end - window_ms)
        {
            self.means.pop_front();
        }
        let n = self.means.len() as f64;
        let mean = self.means.iter().map(|(_, m)| m).sum::<f64>() / n;
        let variance = self
            .means
            .iter()
            .map(|(_, m)| (m - mean) * (m - mean))
            .sum::<f64>()
            / n;
        Some(Windowed {
            at: end,
            mean,
            spread: variance.sqrt(),
            valid: self.means.len() as u32,
        })
    }

    /// Appends the state to a snapshot.
    pub fn write(&self, out: &mut Out) {
        self.step.write(out);
        out.short(self.means.len() as u32);
        for (start, mean) in &self.means {
            out.int(*start);
            out.float(*mean);
        }
    }

    /// The state of [`Sliding::write`].
    pub fn read(from: &mut In<'_>) -> Result<Self, DamagedState> {
        let step = Step::read(from)?;
        let count = from.short()?;
        let means = (0..count)
            .map(|_| Ok((from.int()?, from.float()?)))
            .collect::<Result<_, DamagedState>>()?;
        Ok(Self { step, means })
    }
}

/// A block of time, such as a clock hour, with the mean of a companion (oxygen) beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    step: Step,
    companion: Step,
    start: i64,
    sum: f64,
    count: u32,
    companion_sum: f64,
    companion_count: u32,
}

/// A block that is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockMean {
    /// When it began.
    pub start: i64,
    /// When it ended.
    pub end: i64,
    /// Mean of its step means.
    pub mean: f64,
    /// How many steps were valid.
    pub valid: u32,
    /// Mean of the companion, if it had a value at all.
    pub companion: Option<f64>,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            step: Step::default(),
            companion: Step::default(),
            start: NEVER,
            sum: 0.0,
            count: 0,
            companion_sum: 0.0,
            companion_count: 0,
        }
    }
}

impl Block {
    /// Takes in a reading and the companion's value beside it (NaN: none); gives the block before it, if over.
    pub fn push(
        &mut self,
        window_ms: i64,
        step_ms: i64,
        at: i64,
        value: f64,
        companion: f64,
    ) -> Option<BlockMean> {
        let start = at.div_euclid(window_ms) * window_ms;
        let over = if start > self.start {
            self.finish(window_ms)
        } else {
            None
        };
        if start > self.start {
            self.start = start;
        }
        if let Some(done) = self.step.push(step_ms, at, value) {
            self.sum += done.mean;
            self.count += 1;
        }
        if !companion.is_nan()
            && let Some(done) = self.companion.push(step_ms, at, companion)
        {
            self.companion_sum += done.mean;
            self.companion_count += 1;
        }
        over
    }

    /// The block, if it ended at or before `now` less `grace_ms`.
    pub fn over_at(&mut self, window_ms: i64, now: i64, grace_ms: i64) -> Option<BlockMean> {
        if self.start == NEVER || now < self.start + window_ms + grace_ms {
            return None;
        }
        self.finish(window_ms)
    }

    fn finish(&mut self, window_ms: i64) -> Option<BlockMean> {
        if let Some(done) = self.step.finish() {
            self.sum += done.mean;
            self.count += 1;
        }
        if let Some(done) = self.companion.finish() {
            self.companion_sum += done.mean;
            self.companion_count += 1;
        }
        let block = std::mem::take(self);
        (block.count > 0).then(|| BlockMean {
            start: block.start,
            end: block.start + window_ms,
            mean: block.sum / f64::from(block.count),
            valid: block.count,
            companion: (block.companion_count > 0)
                .then(|| block.companion_sum / f64::from(block.companion_count)),
        })
    }

    /// Appends the state to a snapshot.
    pub fn write(&self, out: &mut Out) {
        self.step.write(out);
        self.companion.write(out);
        out.int(self.start);
        out.float(self.sum);
        out.short(self.count);
        out.float(self.companion_sum);
        out.short(self.companion_count);
    }

    /// The state of [`Block::write`].
    pub fn read(from: &mut In<'_>) -> Result<Self, DamagedState> {
        Ok(Self {
            step: Step::read(from)?,
            companion: Step::read(from)?,
            start: from.int()?,
            sum: from.float()?,
            count: from.short()?,
            companion_sum: from.float()?,
            companion_count: from.short()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn an_hour_mean_counts_its_valid_minutes_and_is_of_minute_means() {
        let mut block = Block::default();
        for minute in 0..45 {
            // Many readings in one minute weigh no more than one reading in another.
            for _ in 0..=(minute % 3) {
                assert_eq!(
                    block.push(
                        60 * MINUTE,
                        MINUTE,
                        minute * MINUTE,
                        minute as f64,
                        f64::NAN
                    ),
                    None
                );
            }
        }
        let over = block
            .push(60 * MINUTE, MINUTE, 61 * MINUTE, 0.0, f64::NAN)
            .unwrap();
        assert_eq!((over.valid, over.mean, over.end), (45, 22.0, 60 * MINUTE));
    }

    #[test]
    fn a_block_is_closed_by_time_alone_and_not_before_the_grace() {
        let mut block = Block::default();
        block.push(60 * MINUTE, MINUTE, 10 * MINUTE, 5.0, 8.0);
        assert_eq!(block.over_at(60 * MINUTE, 60 * MINUTE, MINUTE), None);
        let over = block.over_at(60 * MINUTE, 61 * MINUTE, MINUTE).unwrap();
        assert_eq!((over.mean, over.companion), (5.0, Some(8.0)));
        assert_eq!(block.over_at(60 * MINUTE, 200 * MINUTE, MINUTE), None);
    }

    #[test]
    fn a_sliding_window_forgets_and_knows_its_spread() {
        let mut window = Sliding::default();
        let mut last = None;
        for minute in 0..21 {
            let value = if minute < 10 {
                100.0
            } else {
                (minute % 2) as f64
            };
            last = window
                .push(10 * MINUTE, MINUTE, minute * MINUTE, value)
                .or(last);
        }
        let last = last.unwrap();
        assert_eq!(
            (last.at, last.mean, last.spread, last.valid),
            (20 * MINUTE, 0.5, 0.5, 10)
        );
    }
}
