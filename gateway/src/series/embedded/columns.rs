//! Readings of one point as columns, and how several columns become one series. Pure.
//!
//! The identity of a reading is its point and its time: of two readings with one time the later taken wins.

use contract::{Quality, Timestamp};

/// A reading as a query answers it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoredReading {
    /// Device time.
    pub at: Timestamp,
    /// The value; `None` exactly when the quality is missing.
    pub value: Option<f64>,
    /// The quality, with the reason of an absence.
    pub quality: Quality,
}

/// Columns of readings in the order they were taken in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Columns {
    /// Device times, ms since 1970.
    pub times: Vec<i64>,
    /// Values; NaN where the quality is missing.
    pub values: Vec<f64>,
    /// Quality codes; empty while every reading is good.
    pub qualities: Vec<u8>,
    /// True once a time was not after the one before it.
    pub is_unsorted: bool,
}

impl Columns {
    /// How many readings, repeated times included.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Takes one reading in. True if it replaced the newest because it has the same time.
    #[inline]
    pub fn push(&mut self, at_ms: i64, value: f64, code: u8) -> bool {
        if let Some(&newest) = self.times.last()
            && at_ms <= newest
        {
            if at_ms == newest {
                self.replace_newest(value, code);
                return true;
            }
            self.is_unsorted = true;
        }
        self.times.push(at_ms);
        self.values.push(value);
        if code != 0 || !self.qualities.is_empty() {
            self.qualities.resize(self.times.len() - 1, 0);
            self.qualities.push(code);
        }
        false
    }

    fn replace_newest(&mut self, value: f64, code: u8) {
        let newest = self.times.len() - 1;
        self.values[newest] = value;
        if code != 0 || !self.qualities.is_empty() {
            self.qualities.resize(self.times.len(), 0);
            self.qualities[newest] = code;
        }
    }

    /// The quality code of reading `index`.
    #[inline]
    pub fn code(&self, index: usize) -> u8 {
        self.qualities.get(index).copied().unwrap_or(0)
    }

    /// Reading `index`.
    pub fn get(&self, index: usize) -> StoredReading {
        let quality = Quality::from_code(self.code(index));
        StoredReading {
            at: Timestamp::from_millis(self.times[index]),
            value: (!matches!(quality, Quality::Missing(_))).then_some(self.values[index]),
            quality,
        }
    }

    /// Sorts by time and keeps the later taken of equal times. Returns how many went.
    pub fn tidy(&mut self) -> usize {
        if !self.is_unsorted {
            return 0;
        }
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_by_key(|&index| self.times[index as usize]); // stable: the later taken stays later
        let before = self.len();
        let mut tidy = Columns::default();
        for index in order {
            let index = index as usize;
            tidy.push(self.times[index], self.values[index], self.code(index));
        }
        *self = tidy;
        before - self.len()
    }

    /// Appends `other`, which was taken in later.
    pub fn extend(&mut self, other: &Columns) {
        if self.is_empty() {
            *self = other.clone();
            return;
        }
        for index in 0..other.len() {
            self.push(other.times[index], other.values[index], other.code(index));
        }
    }

    /// Only the readings of `from..to`.
    pub fn clip(&mut self, from: i64, to: i64) {
        if self.times.iter().all(|at| (from..to).contains(at)) {
            return;
        }
        let mut kept = Columns::default();
        for index in 0..self.len() {
            if (from..to).contains(&self.times[index]) {
                kept.push(self.times[index], self.values[index], self.code(index));
            }
        }
        *self = kept;
    }

    /// Empties the columns and keeps their memory.
    pub fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
        self.qualities.clear();
        self.is_unsorted = false;
    }
}

/// What is known of some readings without looking at each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Readings with a value.
    pub n: u64,
    /// Of these, how many are doubted.
    pub suspect: u64,
    /// Absences.
    pub missing: u64,
    /// Smallest value; infinity if `n` is 0.
    pub min: f64,
    /// Largest value; minus infinity if `n` is 0.
    pub max: f64,
    /// Sum of the values.
    pub sum: f64,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            n: 0,
            suspect: 0,
            missing: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
        }
    }
}

impl Summary {
    /// Counts one reading in.
    #[inline]
    pub fn take(&mut self, value: f64, code: u8) {
        if code >= FIRST_MISSING {
            self.missing += 1;
            return;
        }
        self.n += 1;
        self.suspect += u64::from(code != 0);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += value;
    }

    /// Counts another summary in.
    pub fn join(&mut self, other: &Summary) {
        self.n += other.n;
        self.suspect += other.suspect;
        self.missing += other.missing;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
    }
}

/// Quality codes from here on are absences (see `contract::Quality::code`).
pub const FIRST_MISSING: u8 = 64;

/// A piece of a chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Where it begins.
    pub at: Timestamp,
    /// Smallest value; `None` if there is none.
    pub min: Option<f64>,
    /// Mean of the values, doubted ones included.
    pub mean: Option<f64>,
    /// Largest value.
    pub max: Option<f64>,
    /// Readings with a value.
    pub n: u64,
    /// Of these, how many are doubted.
    pub suspect: u64,
    /// Absences.
    pub missing: u64,
}

/// Buckets of one width over `from..to`.
#[derive(Debug)]
pub struct Buckets {
    from: i64,
    to: i64,
    width: i128,
    sums: Vec<Summary>,
}

/// Buckets one query may ask for.
pub const BUCKETS_MAX: usize = 20_000;

impl Buckets {
    /// At most `count` buckets of whole milliseconds, together covering `from..to`.
    pub fn new(from: i64, to: i64, count: usize) -> Self {
        let span = (i128::from(to) - i128::from(from)).max(0);
        let count = count.clamp(1, BUCKETS_MAX) as i128;
        let width = ((span + count - 1) / count).max(1);
        let used = (span + width - 1) / width;
        Self {
            from,
            to,
            width,
            sums: vec![Summary::default(); used as usize],
        }
    }

    /// Which bucket a time is in.
    pub fn of(&self, at_ms: i64) -> Option<usize> {
        if !(self.from..self.to).contains(&at_ms) {
            return None;
        }
        Some(((i128::from(at_ms) - i128::from(self.from)) / self.width) as usize)
    }

    /// Counts a whole summary into bucket `index`.
    pub fn join(&mut self, index: usize, summary: &Summary) {
        self.sums[index].join(summary);
    }

    /// Counts sorted readings in.
    pub fn take(&mut self, columns: &Columns) {
        for index in 0..columns.len() {
            if let Some(bucket) = self.of(columns.times[index]) {
                self.sums[bucket].take(columns.values[index], columns.code(index));
            }
        }
    }

    /// The buckets, empty ones included.
    pub fn finish(self) -> Vec<Bucket> {
        let (from, width) = (i128::from(self.from), self.width);
        let bucket = |(index, sum): (usize, &Summary)| {
            let some = |value: f64| (sum.n > 0).then_some(value);
            Bucket {
                at: Timestamp::from_millis((from + index as i128 * width) as i64),
                min: some(sum.min),
                mean: some(sum.sum / sum.n as f64),
                max: some(sum.max),
                n: sum.n,
                suspect: sum.suspect,
                missing: sum.missing,
            }
        };
        self.sums.iter().enumerate().map(bucket).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{Absence, Doubt};

    #[test]
    fn an_equal_time_is_kept_once_and_the_last_wins_also_out_of_order() {
        let mut columns = Columns::default();
        for (at, value) in [(10, 1.0), (20, 2.0), (20, 2.5), (5, 0.5), (10, 1.5)] {
            columns.push(at, value, 0);
        }
        assert_eq!(columns.tidy(), 1);
        assert_eq!(columns.times, [5, 10, 20]);
        assert_eq!(columns.values, [0.5, 1.5, 2.5]);
    }

    #[test]
    fn a_bucket_counts_values_doubts_and_absences_apart() {
        let mut columns = Columns::default();
        columns.push(0, 4.0, 0);
        columns.push(1, 8.0, Quality::Suspect(Doubt::Fault).code());
        columns.push(2, f64::NAN, Quality::Missing(Absence::NoAnswer).code());
        columns.push(10, 3.0, 0);
        let mut buckets = Buckets::new(0, 20, 2);
        buckets.take(&columns);
        let buckets = buckets.finish();
        assert_eq!(buckets.len(), 2);
        let first = buckets[0];
        assert_eq!((first.n, first.suspect, first.missing), (2, 1, 1));
        assert_eq!(
            (first.min, first.mean, first.max),
            (Some(4.0), Some(6.0), Some(8.0))
        );
        assert_eq!((buckets[1].n, buckets[1].mean), (1, Some(3.0)));
    }

    #[test]
    fn the_whole_range_of_time_can_be_asked_for() {
        let buckets = Buckets::new(i64::MIN, i64::MAX, 7);
        assert_eq!(buckets.of(i64::MIN), Some(0));
        assert_eq!(buckets.of(i64::MAX - 1), Some(6));
        assert_eq!(buckets.finish().len(), 7);
        assert!(Buckets::new(5, 5, 3).finish().is_empty());
    }
}
