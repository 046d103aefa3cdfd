//! A set of whole numbers as inclusive ranges: which slots of a promise were filled. Pure.

use serde::{Deserialize, Serialize};

/// Ordered ranges that never touch. A point that loses nothing is one range, whatever its age.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots(Vec<(i64, i64)>);

impl Slots {
    /// Adds a number.
    pub fn insert(&mut self, n: i64) {
        if let Some((_, to)) = self.0.last_mut()
            && n == *to + 1
        {
            *to = n;
            return;
        }
        let first = self.0.partition_point(|&(_, to)| to + 1 < n);
        let last = self.0.partition_point(|&(from, _)| from <= n + 1);
        let merged = match self.0.get(first..last) {
            Some([one, .., other]) => (one.0.min(n), other.1.max(n)),
            Some([one]) => (one.0.min(n), one.1.max(n)),
            _ => (n, n),
        };
        self.0.splice(first..last, [merged]);
    }

    /// The highest number.
    pub fn last(&self) -> Option<i64> {
        self.0.last().map(|&(_, to)| to)
    }

    /// How many of `from..to` are in the set.
    pub fn count(&self, from: i64, to: i64) -> u64 {
        self.within(from, to).map(|(a, b)| (b - a) as u64).sum()
    }

    /// The numbers of `from..to` that are not in the set, as half-open ranges.
    pub fn empties(&self, from: i64, to: i64) -> Vec<(i64, i64)> {
        let mut found = Vec::new();
        let mut next = from;
        for (a, b) in self.within(from, to) {
            if a > next {
                found.push((next, a));
            }
            next = b;
        }
        if next < to {
            found.push((next, to));
        }
        found
    }

    /// The ranges cut to `from..to`, half-open.
    fn within(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, i64)> + '_ {
        let first = self.0.partition_point(|&(_, end)| end < from);
        self.0[first..]
            .iter()
            .take_while(move |(start, _)| *start < to)
            .map(move |&(start, end)| (start.max(from), (end + 1).min(to)))
            .filter(|(start, end)| start < end)
    }
}

/// Takes `from..to` out of half-open ranges; returns how many numbers were taken.
pub fn take_out(ranges: &mut Vec<(i64, i64)>, from: i64, to: i64) -> u64 {
    let mut taken = 0;
    let mut left = Vec::with_capacity(ranges.len() + 1);
    for &(a, b) in ranges.iter() {
        let (cut_from, cut_to) = (a.max(from), b.min(to));
        if cut_from >= cut_to {
            left.push((a, b));
            continue;
        }
        taken += (cut_to - cut_from) as u64;
        left.extend(
            [(a, cut_from), (cut_to, b)]
                .into_iter()
                .filter(|(a, b)| a < b),
        );
    }
    *ranges = left;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn slots_behave_like_a_set_of_numbers_in_any_order() {
        let mut state = 7u64;
        let mut random = |n: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((state >> 33) % n) as i64
        };
        for _ in 0..200 {
            let (mut slots, mut model) = (Slots::default(), BTreeSet::new());
            for _ in 0..60 {
                let n = random(80) - 40;
                slots.insert(n);
                model.insert(n);
                let (from, to) = (random(100) - 50, random(100) - 50);
                let inside = |n: &i64| (from..to).contains(n);
                let expected = model.iter().filter(|n| inside(n)).count() as u64;
                assert_eq!(slots.count(from, to), expected);
                assert_eq!(slots.last(), model.last().copied());
                let mut empties = slots.empties(from, to);
                let numbers: BTreeSet<i64> = empties.iter().flat_map(|&(a, b)| a..b).collect();
                let missing: BTreeSet<i64> = (from..to).filter(|n| !model.contains(n)).collect();
                assert_eq!(numbers, missing);
                let (a, b) = (random(100) - 50, random(100) - 50);
                let taken = take_out(&mut empties, a, b);
                let gone = missing.iter().filter(|n| (a..b).contains(*n)).count() as u64;
                let left: u64 = empties.iter().map(|(a, b)| (b - a) as u64).sum();
                assert_eq!((taken, left), (gone, missing.len() as u64 - gone));
            }
        }
    }
}
