//! What a data message carries beside its readings: gap records, what the device sent, how the agent is. Pure.

use super::decode::{Metric, Value};
use super::record::{DataHead, Encoder, GapEntry, RawHead};
use super::refused::Reason;
use super::session::{Fault, check_time};
use contract::{
    AgentId, DeviceId, Gap, SiteId, Timestamp,
    control::{CONTROL, Report},
    receipt,
};

/// Which of our metrics one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ours {
    Gap,
    Raw,
    Status,
    Control,
}

impl Ours {
    /// By its name; `None` if it is none of these.
    pub fn named(name: &str) -> Option<Ours> {
        match name {
            receipt::GAP => Some(Ours::Gap),
            receipt::RAW => Some(Ours::Raw),
            receipt::STATUS => Some(Ours::Status),
            CONTROL => Some(Ours::Control),
            _ => None,
        }
    }
}

/// Whose message it was.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub site: SiteId,
    pub agent: AgentId,
    pub device: DeviceId,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Beside<'a> {
    gaps: Vec<Gap>,
    raws: Vec<&'a [u8]>,
    pub(super) status: Option<serde_json::Value>,
    pub(super) reports: Option<Vec<Report>>,
}

impl<'a> Beside<'a> {
    /// Takes in a metric of ours, or says what is wrong with it.
    pub(super) fn take(&mut self, ours: Ours, value: Value<'a>, faults: &mut Vec<Fault>) {
        match (ours, value) {
            (Ours::Gap, Value::Text(text)) => match serde_json::from_slice(text) {
                Ok(gap) => self.gaps.push(gap),
                Err(error) => faults.push((Reason::BadGap, error.to_string())),
            },
            (Ours::Gap, _) => faults.push((Reason::BadGap, "it is not a text".into())),
            (Ours::Raw, Value::Bytes(bytes)) => self.raws.push(bytes),
            (Ours::Status, Value::Text(text)) => match serde_json::from_slice(text) {
                Ok(status) => self.status = Some(status),
                Err(error) => faults.push((Reason::Malformed, format!("OneDoor/Status: {error}"))),
            },
            (Ours::Control, Value::Text(text)) => match serde_json::from_slice(text) {
                Ok(reports) => self.reports = Some(reports),
                Err(error) => faults.push((Reason::Malformed, format!("{CONTROL}: {error}"))),
            },
            (Ours::Raw | Ours::Status | Ours::Control, _) => {
                faults.push((Reason::Malformed, format!("{ours:?} has another type")));
            }
        }
    }

    /// Leaves out gap records that cannot be true. A record can only give up records before it, or itself: anything
    /// else would confirm what was never sent.
    pub(super) fn check(&mut self, sequence: u64, now: Timestamp, faults: &mut Vec<Fault>) {
        self.gaps.retain(|gap| {
            let is_ours = gap
                .records
                .is_none_or(|(from, to)| 1 <= from && from <= to && to <= sequence);
            let fault = if !is_ours {
                Some((Reason::BadGap, "its records are not before this one"))
            } else if gap.from > gap.to {
                Some((Reason::BadGap, "it ends before it begins"))
            } else {
                [gap.from, gap.to]
                    .iter()
                    .find_map(|at| check_time(at.as_millis(), now))
                    .map(|reason| (reason, "of a gap record"))
            };
            // With a time that cannot be one the records are given up all the same: nobody will send them.
            faults.extend(fault.map(|(reason, what)| (reason, format!("{what}: {gap:?}"))));
            fault.is_none_or(|(reason, _)| reason != Reason::BadGap)
        });
    }

    /// The record numbers that were given up.
    pub(super) fn given_up(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.gaps.iter().filter_map(|gap| gap.records)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.gaps.is_empty() && self.raws.is_empty()
    }

    /// Writes what is to be journaled. `at` is the time of the first reading of the message, if it has one.
    pub(super) fn write(
        &self,
        encoder: &mut Encoder,
        origin: &Origin,
        head: DataHead,
        at: Option<i64>,
    ) {
        let now = head.received_at;
        let is_possible = |at: Timestamp| check_time(at.as_millis(), now).is_none();
        for gap in &self.gaps {
            if !is_possible(gap.from) || !is_possible(gap.to) {
                continue;
            }
            encoder.gap(&GapEntry {
                received_at: now,
                site: origin.site.clone(),
                agent: origin.agent.clone(),
                device: origin.device.clone(),
                sequence: head.sequence,
                gap: gap.clone(),
            });
        }
        let sent = RawHead {
            at: at.map_or(head.edge_at, Timestamp::from_millis),
            edge_at: head.edge_at,
            received_at: now,
            site: origin.site.clone(),
            agent: origin.agent.clone(),
            device: origin.device.clone(),
            sequence: head.sequence,
        };
        for bytes in &self.raws {
            encoder.raw(&sent, bytes);
        }
    }
}

/// A name that is ours and no point's.
pub(super) fn is_ours(metric: &Metric<'_>) -> bool {
    metric
        .name
        .is_some_and(|name| name.starts_with(receipt::PREFIX.as_bytes()))
}
