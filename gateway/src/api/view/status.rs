//! The gateway itself.

use serde::Serialize;
use utoipa::ToSchema;

/// How the gateway is.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusView {
    /// The last journal block.
    pub journal: u64,
    /// The last block in the series store.
    pub series: u64,
    /// The last block detection has looked at.
    pub detect: u64,
    /// Readings journaled since the start.
    pub readings_journaled: u64,
    /// Messages seen before.
    pub duplicates: u64,
    /// Why scoring is unavailable; `None` if it is available.
    pub scoring_unavailable: Option<String>,
    /// Refused messages, the latest.
    pub refused: Vec<RefusedMessage>,
}

/// A refused message.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedMessage {
    /// When.
    pub at: i64,
    /// Its topic.
    pub topic: String,
    /// Why.
    pub reason: String,
    /// What exactly.
    pub what: String,
    /// What to do.
    pub fix: String,
}
