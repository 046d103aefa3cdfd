//! Readings of one device that will never come, gathered until they are sent as gaps. Pure.
//!
//! Promise: what is added is said once, with its reason; gaps of one reason grow into one until they are taken. What was
//! sent without a receipt before it was given up is *doubtful*: it is added only when the gateway turns out not to have it.

use crate::source::Described;
use contract::{Gap, GapReason, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// What is missing of one device. As JSON it is a note of the buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    gaps: Vec<Gap>,
    doubtful: Vec<(u64, Gap)>,
}

impl Missing {
    /// Nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.gaps.is_empty() && self.doubtful.is_empty()
    }

    /// Adds to the gap of the same reason.
    pub fn add(&mut self, gap: Gap) {
        match self.gaps.iter_mut().find(|own| own.reason == gap.reason) {
            Some(own) => grow(own, &gap),
            None => self.gaps.push(gap),
        }
    }

    /// The record of this number is given up; the gateway may have it.
    pub fn doubt(&mut self, number: u64, gap: Gap) {
        self.doubtful.push((number, gap));
    }

    /// Adds what is missing elsewhere.
    pub fn join(&mut self, other: Missing) {
        other.gaps.into_iter().for_each(|gap| self.add(gap));
        self.doubtful.extend(other.doubtful);
    }

    /// The gateway has said what it has: the doubtful is there, or missing.
    pub fn settle(&mut self, is_received: impl Fn(u64) -> bool) {
        for (number, gap) in std::mem::take(&mut self.doubtful) {
            if !is_received(number) {
                self.add(gap);
            }
        }
    }

    /// One gap that can be said now.
    pub fn take(&mut self) -> Option<Gap> {
        (!self.gaps.is_empty()).then(|| self.gaps.remove(0))
    }

    /// True if a gap is ready that holds back the receipt.
    pub fn is_urgent(&self) -> bool {
        self.gaps.iter().any(|gap| gap.records.is_some())
    }

    /// The lowest record number that was given up.
    pub fn first_number(&self) -> Option<u64> {
        let gaps = self.gaps.iter().filter_map(|gap| gap.records);
        let doubtful = self.doubtful.iter().map(|(number, _)| *number);
        gaps.map(|(first, _)| first).chain(doubtful).min()
    }

    /// The end of the time that the agent was off, if that is not yet said.
    pub fn off_until(&self) -> Option<Timestamp> {
        let off = self
            .gaps
            .iter()
            .find(|gap| gap.reason == GapReason::AgentOff);
        off.map(|gap| gap.to)
    }
}

fn grow(own: &mut Gap, gap: &Gap) {
    own.from = own.from.min(gap.from);
    own.to = own.to.max(gap.to);
    own.readings += gap.readings;
    own.records = match (own.records, gap.records) {
        (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
        (own, more) => own.or(more),
    };
}

/// The readings of a device that were due after its record of `last` and before `until`, when nothing was asked.
pub fn while_off(device: &Described, last: Timestamp, until: Timestamp) -> Option<Gap> {
    let mut points: BTreeMap<Duration, u64> = BTreeMap::new();
    for every in device.points.iter().filter_map(|point| point.every) {
        *points.entry(every).or_default() += 1;
    }
    let mut gap: Option<Gap> = None;
    for (every, points) in points {
        let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
        let polls = (until.since(last) - 1) / every;
        if polls <= 0 {
            continue;
        }
        let more = Gap {
            from: last.plus_millis(every),
            to: last.plus_millis(every.saturating_mul(polls)),
            readings: points * polls.unsigned_abs(),
            reason: GapReason::AgentOff,
            records: None,
        };
        match &mut gap {
            Some(gap) => grow(gap, &more),
            None => gap = Some(more),
        }
    }
    gap
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::PointInfo;
    use contract::{DeviceId, PointName};

    fn gap(
        from: i64,
        to: i64,
        readings: u64,
        reason: GapReason,
        records: Option<(u64, u64)>,
    ) -> Gap {
        let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(to));
        Gap {
            from,
            to,
            readings,
            reason,
            records,
        }
    }

    #[test]
    fn gaps_of_one_reason_grow_into_one_and_the_doubtful_count_only_if_they_are_not_there() {
        use GapReason::{BufferFull, Skipped};
        let mut missing = Missing::default();
        missing.doubt(3, gap(3, 3, 2, BufferFull, Some((3, 3))));
        missing.doubt(4, gap(4, 4, 2, BufferFull, Some((4, 4))));
        assert!(!missing.is_empty() && !missing.is_urgent());
        missing.add(gap(50, 60, 4, Skipped, None));
        missing.add(gap(5, 9, 10, BufferFull, Some((5, 9))));
        missing.add(gap(70, 70, 1, Skipped, None));
        let note = serde_json::to_string(&missing).unwrap();
        let mut missing: Missing = serde_json::from_str(&note).unwrap();
        missing.settle(|number| number == 3);
        assert!(missing.is_urgent());
        assert_eq!(missing.take(), Some(gap(50, 70, 5, Skipped, None)));
        assert_eq!(
            missing.take(),
            Some(gap(4, 9, 12, BufferFull, Some((4, 9))))
        );
        assert!(missing.take().is_none() && missing.is_empty());
    }

    #[test]
    fn what_was_due_while_the_agent_was_off_is_counted_by_each_points_interval() {
        let point = |name: &str, every| PointInfo {
            every: (every > 0).then(|| Duration::from_millis(every)),
            ..PointInfo::unknown(PointName::new(name).unwrap())
        };
        let device = Described {
            id: DeviceId::new("d").unwrap(),
            points: vec![
                point("a", 1_000),
                point("b", 1_000),
                point("slow", 5_000),
                point("own", 0),
            ],
        };
        let at = Timestamp::from_millis;
        let off = |until| {
            while_off(&device, at(10_000), at(until)).map(|gap| (gap.from, gap.to, gap.readings))
        };
        assert_eq!(off(9_000), None);
        assert_eq!(off(10_900), None);
        assert_eq!(
            off(11_000),
            None,
            "the first poll of the new start stands for it"
        );
        assert_eq!(off(11_001), Some((at(11_000), at(11_000), 2)));
        assert_eq!(off(20_500), Some((at(11_000), at(20_000), 22)));
    }
}
