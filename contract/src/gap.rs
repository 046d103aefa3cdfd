//! A gap: readings that were due and will never come, said by whoever knows it. It travels as the metric
//! [`crate::receipt::GAP`] of a data message of the device.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// Readings of one device that were due between two times and will never come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first time at which a reading is missing.
    pub from: Timestamp,
    /// The last time at which a reading is missing.
    pub to: Timestamp,
    /// How many readings (of all points together) are missing.
    pub readings: u64,
    /// Why.
    pub reason: GapReason,
    /// The record numbers of the stream that were given up with them, first and last, if they had any: the gateway
    /// waits for them no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<(u64, u64)>,
}

/// Why readings will never come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The agent's buffer was full and let go of its oldest records.
    BufferFull,
    /// The agent's disk refused to store them.
    DiskRefused,
    /// They were stored and cannot be read back.
    Damaged,
    /// The agent did not run.
    AgentOff,
    /// The poll before took too long, so that this one was left out.
    Skipped,
}
