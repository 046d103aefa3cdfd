//! How an agent does, said by itself: JSON in the String metric [`crate::receipt::STATUS`] of an NDATA, after the births,
//! when something changes, and once a minute. A host that does not know it loses nothing.

use crate::{Absence, DeviceId, Timestamp, configuration::Report};
use serde::{Deserialize, Serialize};

/// How an agent does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// Version of the program.
    pub version: String,
    /// When it said so, by its own clock.
    pub at: Timestamp,
    /// What it says of its configuration.
    #[serde(default)]
    pub configuration: Report,
    /// Its buffer.
    pub buffer: BufferStatus,
    /// Its clock.
    pub clock: ClockStatus,
    /// Its devices, in the order of its configuration, then those that came up by themselves.
    pub sources: Vec<SourceStatus>,
    /// What was lost since it started.
    pub lost: LostCounts,
    /// Its pictures of what cameras saw, if it keeps some.
    #[serde(default)]
    pub footage: Option<FootageStatus>,
}

/// How it stands with an agent's footage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FootageStatus {
    /// Pictures that are to be cut and masked.
    pub wanted: u64,
    /// Masked files that wait for the gateway, those that it does not take included.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Bytes at which the oldest are let go of.
    pub bytes_max: u64,
    /// When the oldest of these files was cut.
    #[serde(default)]
    pub oldest: Option<Timestamp>,
    /// Of these files those that the gateway does not take.
    pub refused: u64,
    /// Sealed originals.
    pub originals: u64,
    /// Bytes of sealed originals.
    pub originals_bytes: u64,
    /// Files that the gateway got since the agent started.
    pub sent: u64,
    /// Files that were let go of, or damaged, before the gateway had them, since the agent started.
    pub lost: u64,
}

/// How full a buffer is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferStatus {
    /// Records without a receipt.
    pub waiting: u64,
    /// Bytes of these records.
    pub bytes: u64,
    /// Bytes at which the oldest are let go of.
    pub bytes_max: u64,
    /// Time of the oldest record that waits.
    #[serde(default)]
    pub oldest: Option<Timestamp>,
}

/// What is known of an agent's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStatus {
    /// False: readings taken now say [`crate::Doubt::UntrustedClock`].
    pub is_trusted: bool,
    /// Why it is not trusted.
    #[serde(default)]
    pub why: Option<ClockDoubt>,
    /// What must be added to the agent's clock to get the gateway's, in milliseconds; `None` before the first receipt.
    #[serde(default)]
    pub offset_ms: Option<i64>,
    /// The true offset is at most this far from `offset_ms`.
    #[serde(default)]
    pub uncertainty_ms: Option<i64>,
}

/// Why a clock is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockDoubt {
    /// It shows a time before the program was made or before the newest record: a box without a battery has started.
    Past,
    /// It was set, forwards or backwards, while the program ran.
    Jumped,
    /// It disagrees with the gateway's.
    Disagrees,
}

/// How a device does, seen from the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// Which.
    pub device: DeviceId,
    /// Whether it gives values.
    #[serde(flatten)]
    pub state: SourceState,
    /// Time of its newest reading with a value.
    #[serde(default)]
    pub last: Option<Timestamp>,
    /// The longest time between two readings in milliseconds, where one is promised.
    #[serde(default)]
    pub every_ms: Option<u64>,
}

/// Whether a device gives values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum SourceState {
    /// Nothing came yet.
    Unknown,
    /// It does.
    Answers,
    /// It does not.
    Silent {
        /// Since when.
        since: Timestamp,
        /// Why.
        reason: Absence,
    },
}

/// What an agent lost since it started; all of it is said in gaps too, or counted as malformed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostCounts {
    /// Readings of records that a full buffer let go of.
    pub buffer_full: u64,
    /// Readings that the disk refused.
    pub disk_refused: u64,
    /// Records that could not be read back.
    pub damaged: u64,
    /// Polls left out because the one before took too long.
    pub skipped: u64,
    /// Messages of devices, or commands, that could not be understood.
    pub malformed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_back_and_one_of_an_older_agent_too() {
        let silent = SourceState::Silent {
            since: Timestamp::from_millis(5),
            reason: Absence::NoAnswer,
        };
        let source = |state| SourceStatus {
            device: DeviceId::new("d").unwrap(),
            state,
            last: None,
            every_ms: Some(1_000),
        };
        let status = AgentStatus {
            version: "1".into(),
            at: Timestamp::from_millis(9),
            configuration: Report {
                runs: 7,
                newest: None,
            },
            buffer: BufferStatus::default(),
            clock: ClockStatus {
                why: Some(ClockDoubt::Jumped),
                ..ClockStatus::default()
            },
            sources: vec![source(silent), source(SourceState::Answers)],
            lost: LostCounts::default(),
            footage: Some(FootageStatus::default()),
        };
        let json = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<AgentStatus>(&json).unwrap(), status);
        let older = r#"{"version":"0","at":1,"buffer":{"waiting":0,"bytes":0,"bytes_max":0},"clock":{"is_trusted":true},
            "sources":[{"device":"d","state":"unknown"}],
            "lost":{"buffer_full":0,"disk_refused":0,"damaged":0,"skipped":0,"malformed":0}}"#;
        let older: AgentStatus = serde_json::from_str(older).unwrap();
        assert_eq!(older.sources[0].state, SourceState::Unknown);
    }
}
