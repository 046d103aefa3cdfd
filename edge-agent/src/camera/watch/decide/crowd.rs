//! How many there are of whom one thing is so, in one zone or in the whole picture. Pure.
//!
//! Promise: while a point is 1, there are never more sightings of a zone than persons of whom it was so at once: who takes the place
//! of another within [`Wants::rest_ms`](super::super::class::Wants::rest_ms) may be the same person with another number, and is
//! told no more.

/// Those who were told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Crowd {
    told: usize,
    /// Since when there are fewer than were told.
    fewer_since: Option<u64>,
}

impl Crowd {
    /// So many are there now. True if that is more than was told: one more is told then.
    pub fn is_more(&mut self, now: usize) -> bool {
        let is_more = now > self.told;
        if is_more {
            self.told += 1;
            self.fewer_since = None;
        }
        is_more
    }

    /// So many are there now; one who was told and is away for `rest_ms` has left.
    pub fn see(&mut self, ms: u64, now: usize, rest_ms: u64) {
        if now >= self.told {
            self.fewer_since = None;
            return;
        }
        let since = *self.fewer_since.get_or_insert(ms);
        if ms.saturating_sub(since) >= rest_ms {
            self.told -= 1;
            self.fewer_since = Some(ms);
        }
    }

    /// True if nobody is there and nobody was just before.
    pub fn is_over(&self) -> bool {
        self.told == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_the_place_of_another_is_told_only_after_a_rest_and_a_second_one_at_once() {
        let mut crowd = Crowd::default();
        assert!(crowd.is_more(1));
        assert!(!crowd.is_more(1), "another number, one person");
        assert!(crowd.is_more(2) && !crowd.is_more(2));
        crowd.see(10_000, 1, 6_000);
        crowd.see(15_800, 1, 6_000);
        assert!(!crowd.is_more(2), "one of the two came back");
        crowd.see(16_000, 1, 6_000);
        assert!(crowd.is_more(2), "one of the two had left");
        for ms in [20_000, 26_000, 32_000] {
            assert!(!crowd.is_over());
            crowd.see(ms, 0, 6_000);
        }
        assert!(crowd.is_over());
    }
}
