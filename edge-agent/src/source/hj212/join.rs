//! Packets of one whole are put together by MN, ST, CN, DataTime and PNUM, never by QN: each packet has its own
//! (HJ 212-2017 C.49, C.50). Pure and bounded; items never span packets, so nothing waits for a missing one but this.

use contract::Timestamp;

/// Packets of one whole at most.
pub const PARTS_MAX: u32 = 64;
/// Wholes that wait at most; beyond it the oldest comes out incomplete.
pub const WAITING_MAX: usize = 16;

/// What belongs together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Of which device.
    pub mn: String,
    /// System code.
    pub st: String,
    /// Command.
    pub cn: String,
    /// As sent.
    pub data_time: String,
    /// How many packets.
    pub pnum: u32,
}

/// A whole, or what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined<P> {
    /// Which.
    pub key: Key,
    /// PNO and what it carried, in the order of PNO; of a PNO sent twice with different content, both.
    pub parts: Vec<(u32, P)>,
    /// Some packet never came.
    pub incomplete: bool,
}

/// What a packet did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken<P> {
    /// It waits for the others.
    Waiting,
    /// It was the last one.
    Whole(Joined<P>),
    /// The same packet came before.
    Repeated,
    /// The same PNO came before with other content; both are kept.
    Conflict,
    /// PNUM over [`PARTS_MAX`], or PNO outside 1 to PNUM: it cannot be part of anything.
    Refused,
}

#[derive(Debug)]
struct Waiting<P> {
    joined: Joined<P>,
    since: Timestamp,
}

/// Wholes that wait for packets.
#[derive(Debug)]
pub struct Joiner<P> {
    waiting: Vec<Waiting<P>>,
}

impl<P> Default for Joiner<P> {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
        }
    }
}

impl<P: PartialEq> Joiner<P> {
    /// Takes packet `pno`. The second answer is a whole that had to give way, incomplete.
    pub fn take(
        &mut self,
        key: Key,
        pno: u32,
        part: P,
        now: Timestamp,
    ) -> (Taken<P>, Option<Joined<P>>) {
        if key.pnum > PARTS_MAX || !(1..=key.pnum).contains(&pno) {
            return (Taken::Refused, None);
        }
        let mut given_up = None;
        let place = match self.waiting.iter().position(|w| w.joined.key == key) {
            Some(place) => place,
            None => {
                if self.waiting.len() == WAITING_MAX {
                    given_up = Some(self.waiting.remove(0).joined);
                }
                let joined = Joined {
                    key,
                    parts: Vec::new(),
                    incomplete: true,
                };
                self.waiting.push(Waiting { joined, since: now });
                self.waiting.len() - 1
            }
        };
        let joined = &mut self.waiting[place].joined;
        let same: Vec<&P> = joined
            .parts
            .iter()
            .filter(|(n, _)| *n == pno)
            .map(|(_, p)| p)
            .collect();
        let taken = if same.contains(&&part) {
            Taken::Repeated
        } else if same.len() > 1 {
            // A third version of one packet says no more than the second did.
            Taken::Conflict
        } else {
            let is_conflict = !same.is_empty();
            let at = joined.parts.partition_point(|(n, _)| *n <= pno);
            joined.parts.insert(at, (pno, part));
            let is_whole =
                (1..=joined.key.pnum).all(|n| joined.parts.iter().any(|(have, _)| *have == n));
            match (is_conflict, is_whole) {
                (true, _) => Taken::Conflict,
                (false, false) => Taken::Waiting,
                (false, true) => {
                    let mut joined = self.waiting.remove(place).joined;
                    joined.incomplete = false;
                    Taken::Whole(joined)
                }
            }
        };
        (taken, given_up)
    }

    /// What has waited for `timeout_ms` comes out incomplete (three times OverTime, by the standard's defaults 30 s).
    pub fn expire(&mut self, now: Timestamp, timeout_ms: i64) -> Vec<Joined<P>> {
        let is_due = |waiting: &mut Waiting<P>| now.since(waiting.since) >= timeout_ms;
        self.waiting
            .extract_if(.., is_due)
            .map(|waiting| waiting.joined)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(hour: u32, pnum: u32) -> Key {
        let text = |s: &str| s.to_owned();
        let data_time = format!("202608010{hour}0000");
        Key {
            mn: text("m"),
            st: text("32"),
            cn: text("2061"),
            data_time,
            pnum,
        }
    }

    const T: Timestamp = Timestamp::from_millis(0);

    #[test]
    fn packets_in_any_order_become_one_whole_and_repeats_do_no_harm() {
        let mut joiner = Joiner::default();
        assert_eq!(joiner.take(key(8, 2), 2, "b", T), (Taken::Waiting, None));
        assert_eq!(joiner.take(key(8, 2), 2, "b", T), (Taken::Repeated, None));
        assert_eq!(joiner.take(key(8, 2), 2, "x", T), (Taken::Conflict, None));
        assert_eq!(joiner.take(key(8, 2), 2, "y", T), (Taken::Conflict, None));
        let whole = Joined {
            key: key(8, 2),
            parts: vec![(1, "a"), (2, "b"), (2, "x")],
            incomplete: false,
        };
        assert_eq!(
            joiner.take(key(8, 2), 1, "a", T),
            (Taken::Whole(whole), None)
        );
        assert_eq!(joiner.expire(T.plus_millis(1_000_000), 0), []);
    }

    #[test]
    fn what_never_becomes_whole_comes_out_incomplete() {
        let mut joiner = Joiner::default();
        joiner.take(key(8, 3), 1, 1, T);
        assert_eq!(joiner.expire(T.plus_millis(29_999), 30_000), []);
        let late = joiner.expire(T.plus_millis(30_000), 30_000);
        assert_eq!(
            late,
            [Joined {
                key: key(8, 3),
                parts: vec![(1, 1)],
                incomplete: true
            }]
        );
        for pnum in 2..2 + WAITING_MAX as u32 {
            assert_eq!(joiner.take(key(9, pnum), 1, 1, T).1, None);
        }
        let (taken, given_up) = joiner.take(key(7, 2), 1, 1, T);
        assert_eq!(
            (taken, given_up.map(|j| j.key)),
            (Taken::Waiting, Some(key(9, 2)))
        );
    }

    #[test]
    fn impossible_packets_are_refused() {
        let mut joiner = Joiner::default();
        for (pnum, pno) in [(2, 0), (2, 3), (65, 1), (0, 0)] {
            assert_eq!(joiner.take(key(8, pnum), pno, (), T).0, Taken::Refused);
        }
    }
}
