//! The gateway itself.

use super::BoxFootage;
use crate::{detect::rule::Text, footage::FootageSums, ingest::refused::Reason};
use serde::Serialize;
use utoipa::ToSchema;

/// How the gateway is.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusView {
    /// The gateway's time.
    pub now: i64,
    /// When it started; counters begin there unless they say otherwise.
    pub started_at: i64,
    /// The last journal block.
    pub journal: u64,
    /// The last block in the embedded series store; `None` if InfluxDB is kept instead of it.
    pub series: Option<u64>,
    /// The last block the rules have looked at.
    pub detect: u64,
    /// The last block that InfluxDB has; `None` if it is not configured.
    pub influx: Option<u64>,
    /// The embedded series store.
    pub series_part: PartView,
    /// Writing to InfluxDB.
    pub influx_part: PartView,
    /// Scoring by the model.
    pub scoring_part: PartView,
    /// Readings journaled.
    pub readings_journaled: u64,
    /// Messages seen before, and not journaled again.
    pub duplicates: u64,
    /// Readings that came too late for the rules, as far back as the state of the rules reaches.
    pub readings_late: u64,
    /// Readings from a clock that is ahead, which no rule could use; as far back as well.
    pub readings_ahead: u64,
    /// The footage of the gateway.
    pub footage: FootageSums,
    /// The agents of the registry and those heard of, by site and name.
    pub agents: Vec<AgentLine>,
    /// Reasons for which something was refused, how often and when last.
    pub refused_by_reason: Vec<RefusedTally>,
    /// What was refused last, the newest first; at most a hundred.
    pub refused: Vec<RefusedMessage>,
    /// The file in the data folder in which such messages stand whole.
    pub set_aside_file: String,
}

/// Whether a part of the gateway does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// It is not configured.
    Off,
    /// It works.
    Works,
    /// It tries again by itself.
    Waits,
    /// A person must change something.
    Blocked,
}

/// A part of the gateway.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PartView {
    /// Whether it does its work.
    pub state: PartState,
    /// Why not, in English as in the log.
    pub why: Option<String>,
    /// What to do, where that is known.
    pub fix: Option<String>,
}

impl PartView {
    /// A part about which there is nothing to say.
    pub fn quiet(state: PartState) -> Self {
        Self {
            state,
            why: None,
            fix: None,
        }
    }

    /// A part that does not do its work.
    pub fn stuck(state: PartState, why: String, fix: Option<String>) -> Self {
        let why = Some(why);
        Self { state, why, fix }
    }
}

/// Whether an agent is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Its birth came, and no death since.
    Online,
    /// It was heard of since the start, and is gone.
    Offline,
    /// It is in the registry, and was not heard of since the start.
    Unheard,
}

/// An agent.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentLine {
    /// Its site's id.
    pub site: String,
    /// Its site's name; `None` if the registry does not know the site.
    pub site_name: Option<Text>,
    /// Its name.
    pub agent: String,
    /// Whether it is connected.
    pub state: AgentState,
    /// Its footage, if it keeps some and says so.
    pub footage: Option<BoxFootage>,
}

/// How often something was refused for one reason.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedTally {
    /// Why.
    pub reason: Reason,
    /// How often.
    pub count: u64,
    /// When last.
    pub last_at: i64,
    /// Whether the sender was asked to send it again; then it is not kept in the file.
    pub sent_again: bool,
    /// What to do, in English.
    pub fix: String,
}

/// A refused message.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedMessage {
    /// When.
    pub at: i64,
    /// Its topic.
    pub topic: String,
    /// Why.
    pub reason: Reason,
    /// What exactly, in English.
    pub what: String,
    /// What to do, in English.
    pub fix: String,
}
