//! What was not taken into the journal, and why: counters by reason, the last hundred for a person to see, and the
//! messages themselves on disk (see `set_aside`).

use super::set_aside::SetAside;
use contract::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many refused messages are kept for the API.
pub const KEPT: usize = 100;
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Why something was refused or set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The payload cannot be read.
    Malformed,
    /// The message is larger or has more metrics than allowed.
    Oversized,
    /// Data came before the birth.
    NoBirth,
    /// A metric was not in the birth.
    UnknownMetric,
    /// The value is NaN or infinite; journaled as missing.
    NotFinite,
    /// The value is not a number.
    NotNumeric,
    /// The time is more than a day ahead.
    TimeAhead,
    /// The time is before the year 2000.
    TimeAncient,
    /// There is no time.
    NoTime,
    /// A site, device or point name is not allowed.
    BadName,
    /// A gap record cannot be read or cannot be true.
    BadGap,
}

impl Reason {
    /// All reasons, for the metrics page.
    pub const ALL: [Reason; 11] = [
        Reason::Malformed,
        Reason::Oversized,
        Reason::NoBirth,
        Reason::UnknownMetric,
        Reason::NotFinite,
        Reason::NotNumeric,
        Reason::TimeAhead,
        Reason::TimeAncient,
        Reason::NoTime,
        Reason::BadName,
        Reason::BadGap,
    ];

    /// The label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::Oversized => "oversized",
            Reason::NoBirth => "no_birth",
            Reason::UnknownMetric => "unknown_metric",
            Reason::NotFinite => "not_finite",
            Reason::NotNumeric => "not_numeric",
            Reason::TimeAhead => "time_ahead",
            Reason::TimeAncient => "time_ancient",
            Reason::NoTime => "no_time",
            Reason::BadName => "bad_name",
            Reason::BadGap => "bad_gap",
        }
    }

    /// Whether the gateway asks for what is missing, so that the same reading comes again.
    pub fn is_sent_again(self) -> bool {
        matches!(self, Reason::NoBirth | Reason::UnknownMetric)
    }

    /// What the person at the sender can do.
    pub fn fix(self) -> &'static str {
        match self {
            Reason::Malformed => {
                "send Sparkplug B protobuf on spBv1.0 topics and JSON on the configured JSON topics"
            }
            Reason::Oversized => "send smaller messages, or raise metrics_max in [ingest]",
            Reason::NoBirth => "send NBIRTH and DBIRTH after connecting; a rebirth was requested",
            Reason::UnknownMetric => "announce the metric in the birth; a rebirth was requested",
            Reason::NotFinite => "send is_null or leave the value out when the sensor has no value",
            Reason::NotNumeric => "send a number or a boolean",
            Reason::TimeAhead | Reason::TimeAncient => {
                "set the sender's clock (NTP) and check the unit of its time stamps"
            }
            Reason::NoTime => "send the measurement time; the gateway does not invent one",
            Reason::BadGap => {
                "send OneDoor/Gap as the contract describes it; only records before the one that says so can be given up"
            }
            Reason::BadName => "use 1 to 64 characters without / + # $ , = quotes or backslash",
        }
    }
}

/// One refused message or reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// When.
    pub at: Timestamp,
    /// The topic it came on.
    pub topic: String,
    /// Why.
    pub reason: Reason,
    /// What exactly, in words.
    pub what: String,
    /// What can be done about it.
    pub fix: &'static str,
}

/// How often something was refused for one reason since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Why.
    pub reason: Reason,
    /// How often.
    pub count: u64,
    /// When last.
    pub last_at: Option<Timestamp>,
}

/// Counters and the ring of the last refused.
#[derive(Debug, Default)]
pub struct RefusedLog(Mutex<Inner>, Mutex<Option<SetAside>>);

#[derive(Debug, Default)]
struct Inner {
    ring: VecDeque<Refused>,
    counts: [u64; Reason::ALL.len()],
    last_at: [Option<Timestamp>; Reason::ALL.len()],
    logged: [Option<Instant>; Reason::ALL.len()],
}

impl RefusedLog {
    /// Counts it, keeps it, and says it in the log at most once in ten seconds for each reason.
    pub fn add(&self, at: Timestamp, topic: &str, reason: Reason, what: impl FnOnce() -> String) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = Reason::ALL
            .iter()
            .position(|r| *r == reason)
            .expect("every reason is listed");
        inner.counts[slot] += 1;
        inner.last_at[slot] = Some(at);
        let refused = Refused {
            at,
            topic: topic.to_owned(),
            reason,
            what: what(),
            fix: reason.fix(),
        };
        let now = Instant::now();
        if inner.logged[slot].is_none_or(|last| now.duration_since(last) >= LOG_EVERY) {
            inner.logged[slot] = Some(now);
            tracing::warn!(
                topic, reason = reason.label(), total = inner.counts[slot], what = %refused.what,
                fix = refused.fix, "a message or reading was refused"
            );
        }
        if inner.ring.len() == KEPT {
            inner.ring.pop_front();
        }
        inner.ring.push_back(refused);
    }

    /// From now on messages with faults are kept in `folder` as well.
    pub fn keep_in(&self, folder: &Path) -> io::Result<()> {
        let kept = SetAside::open(folder)?;
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(())
    }

    /// Keeps a message whole, unless it will be sent again after a rebirth.
    pub fn keep(&self, at: Timestamp, topic: &str, faults: &[(Reason, String)], payload: &[u8]) {
        if faults.iter().all(|(reason, _)| reason.is_sent_again()) {
            return;
        }
        let mut kept = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_mut()
            && let Err(error) = kept.keep(at, topic, faults, payload)
        {
            tracing::error!(%error, topic, "a refused message cannot be kept on disk");
        }
    }

    /// The last refused, newest first.
    pub fn last(&self) -> Vec<Refused> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.ring.iter().rev().cloned().collect()
    }

    /// How many of each reason.
    pub fn tallies(&self) -> Vec<Tally> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = inner.counts.into_iter().zip(inner.last_at);
        Reason::ALL
            .into_iter()
            .zip(numbers)
            .map(|(reason, (count, last_at))| Tally {
                reason,
                count,
                last_at,
            })
            .collect()
    }
}
