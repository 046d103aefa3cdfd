//! Which record numbers of a stream were received: a few ranges, bounded. Pure.

/// Ranges kept at most; a stream with more gaps than this has its newest numbers forgotten and sent again.
const RANGES_MAX: usize = 512;

/// A set of record numbers as inclusive ranges, ordered, never touching.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// True if `n` is in the set.
    #[inline]
    pub fn contains(&self, n: u64) -> bool {
        // The newest range is asked first: numbers usually grow.
        match self.0.last() {
            Some(&(from, to)) if n >= from => n <= to,
            _ => self.0.iter().any(|&(from, to)| (from..=to).contains(&n)),
        }
    }

    /// Adds `n`. False if there is no room for another gap; then `n` is not in the set.
    #[inline]
    pub fn insert(&mut self, n: u64) -> bool {
        if let Some((_, to)) = self.0.last_mut()
            && n == to.wrapping_add(1)
        {
            *to = n;
            return true;
        }
        self.insert_range(n, n)
    }

    /// Adds all of `from..=to`.
    pub fn insert_range(&mut self, from: u64, to: u64) -> bool {
        if from > to {
            return true;
        }
        let first = self
            .0
            .partition_point(|&(_, end)| end.saturating_add(1) < from);
        let last = self
            .0
            .partition_point(|&(start, _)| start <= to.saturating_add(1));
        if first == last {
            if self.0.len() >= RANGES_MAX {
                return false;
            }
            self.0.insert(first, (from, to));
            return true;
        }
        let merged = (self.0[first].0.min(from), self.0[last - 1].1.max(to));
        self.0.splice(first..last, [merged]);
        true
    }

    /// The end of the unbroken run from 1; 0 if 1 is not in the set.
    pub fn through(&self) -> u64 {
        match self.0.first() {
            Some(&(1, to)) => to,
            _ => 0,
        }
    }

    /// The ranges behind the unbroken run from 1.
    pub fn beyond(&self) -> &[(u64, u64)] {
        match self.0.first() {
            Some(&(1, _)) => &self.0[1..],
            _ => &self.0,
        }
    }

    /// The highest number in the set; 0 if it is empty.
    pub fn highest(&self) -> u64 {
        self.0.last().map_or(0, |&(_, to)| to)
    }

    /// As text for the journal's notes: `1-300,302-310`.
    pub fn to_text(&self) -> String {
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|(from, to)| format!("{from}-{to}"))
            .collect();
        parts.join(",")
    }

    /// From text; `None` if it is not one of ours.
    pub fn from_text(text: &str) -> Option<Ranges> {
        let mut ranges = Ranges::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (from, to) = part.split_once('-')?;
            ranges.insert_range(from.parse().ok()?, to.parse().ok()?);
        }
        Some(ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ranges_behave_like_a_set_of_numbers_in_any_order() {
        let mut state = 42u64;
        for _ in 0..200 {
            let (mut ranges, mut model) = (Ranges::default(), BTreeSet::new());
            for _ in 0..60 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let n = 1 + (state >> 33) % 40;
                assert!(ranges.insert(n));
                model.insert(n);
                let through = (1..).take_while(|n| model.contains(n)).last().unwrap_or(0);
                assert_eq!(ranges.through(), through);
                assert_eq!(Some(&ranges.highest()), model.last());
                for n in 0..45 {
                    assert_eq!(ranges.contains(n), model.contains(&n), "{n} in {ranges:?}");
                }
            }
            assert_eq!(Ranges::from_text(&ranges.to_text()), Some(ranges));
        }
    }

    #[test]
    fn too_many_gaps_are_refused_and_not_forgotten() {
        let mut ranges = Ranges::default();
        for n in 0..RANGES_MAX as u64 {
            assert!(ranges.insert(n * 2 + 1));
        }
        assert!(!ranges.insert(1_000_001));
        assert!(!ranges.contains(1_000_001));
        assert!(ranges.insert(2));
        assert_eq!(ranges.through(), 3);
    }
}
