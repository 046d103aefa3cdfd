//! Completeness: the coverage ledger, gap records, and agents with what they hold back.

use super::AgentState;
use super::BoxFootage;
use crate::coverage::Balance;
use crate::detect::rule::Text;
use crate::fleet::desired::Standing;
use serde::Serialize;
use utoipa::ToSchema;

/// Readings missing for one reason.
#[derive(Debug, Serialize, ToSchema)]
pub struct MissingLine {
    /// The reason: of an absence (`no_answer`, `no_connection`, `refused`, `unreadable`, `stopped`, `unspecified`) or of a
    /// gap record (`buffer_full`, `disk_refused`, `damaged`, `agent_off`, `skipped`).
    pub why: String,
    /// How many readings.
    pub count: u64,
}

/// What became of readings: `expected + extra = in_time + late + missing + silent`, always.
#[derive(Debug, Serialize, ToSchema)]
pub struct BalanceView {
    /// Promised; where nothing was promised, as many as came.
    pub expected: u64,
    /// Came in time, with a value.
    pub in_time: u64,
    /// Came late or from the buffer, with a value.
    pub late: u64,
    /// Did not come, and somebody said why.
    pub missing: Vec<MissingLine>,
    /// Did not come, and nobody has said anything yet; what waits in the agent's buffer is among them.
    pub silent: u64,
    /// Came beyond what was promised.
    pub extra: u64,
    /// The share of the expected readings that has a value, 0 to 1; `None` where nothing was expected.
    pub share: Option<f64>,
}

impl From<&Balance> for BalanceView {
    fn from(balance: &Balance) -> Self {
        let missing = balance.missing.iter().filter(|(_, count)| **count > 0);
        Self {
            expected: balance.expected,
            in_time: balance.in_time,
            late: balance.late,
            missing: missing
                .map(|(why, count)| MissingLine {
                    why: why.word(),
                    count: *count,
                })
                .collect(),
            silent: balance.silent,
            extra: balance.extra,
            share: balance.share(),
        }
    }
}

/// A day.
#[derive(Debug, Serialize, ToSchema)]
pub struct DayBalance {
    /// The day in +08:00, `2026-11-25`.
    pub day: String,
    /// Its balance.
    pub balance: BalanceView,
}

/// A point.
#[derive(Debug, Serialize, ToSchema)]
pub struct PointBalance {
    /// Its name.
    pub point: String,
    /// Its label.
    pub label: Text,
    /// The longest time between two readings that is promised now, ms.
    pub every_ms: Option<i64>,
    /// Its balance.
    pub balance: BalanceView,
}

/// A device.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceBalance {
    /// Its site.
    pub site: String,
    /// The agent that reports it; `None` for plain telemetry.
    pub agent: Option<String>,
    /// Its id.
    pub device: String,
    /// Its name, if it is registered.
    pub name: Option<Text>,
    /// Its balance.
    pub balance: BalanceView,
    /// Its points.
    pub points: Vec<PointBalance>,
}

/// The coverage ledger for some devices and days.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoverageView {
    /// The gateway's clock.
    pub now: i64,
    /// How far the ledger has counted; today is balanced until then.
    pub as_of: i64,
    /// First day.
    pub from: String,
    /// Last day.
    pub to: String,
    /// All of it.
    pub balance: BalanceView,
    /// By day, the latest first; days without anything are left out.
    pub days: Vec<DayBalance>,
    /// By device and point.
    pub devices: Vec<DeviceBalance>,
}

/// Readings that will never come, as the agent said it.
#[derive(Debug, Serialize, ToSchema)]
pub struct GapLine {
    /// The agent.
    pub agent: String,
    /// The device.
    pub device: String,
    /// Its name, if it is registered.
    pub device_name: Option<Text>,
    /// The first time at which a reading is missing.
    pub from: i64,
    /// The last time.
    pub to: i64,
    /// How many readings of all its points.
    pub readings: u64,
    /// Why.
    pub why: String,
    /// When the gateway learned of it.
    pub received_at: i64,
}

/// What waits at an agent for a receipt, as it said last.
#[derive(Debug, Serialize, ToSchema)]
pub struct BufferView {
    /// When it said so.
    pub at: i64,
    /// Records that wait.
    pub records: Option<u64>,
    /// Share of the buffer's room in use, 0 to 1.
    pub fill: Option<f64>,
    /// Time of the oldest record that waits.
    pub oldest_at: Option<i64>,
}

/// An agent in one line.
#[derive(Debug, Serialize, ToSchema)]
pub struct FleetLine {
    /// Its name.
    pub agent: String,
    /// Its site's id.
    pub site: String,
    /// Its site's name, if it is registered.
    pub site_name: Option<Text>,
    /// Whether it is connected.
    pub state: AgentState,
    /// When anything came from it last, since the gateway started.
    pub heard_at: Option<i64>,
    /// Time of its latest reading.
    pub last_reading_at: Option<i64>,
    /// Its version, if it says so.
    pub version: Option<String>,
    /// What waits there, if it says so.
    pub buffer: Option<BufferView>,
    /// Its footage, if it keeps some and says so.
    pub footage: Option<BoxFootage>,
    /// Its clock minus the gateway's, ms, if it says so.
    pub clock_offset_ms: Option<i64>,
    /// False if the agent does not trust its clock itself.
    pub clock_trusted: Option<bool>,
    /// Whether it runs what is wanted.
    pub configuration: Standing,
    /// The version that it is to run; `None`: its own file.
    pub configuration_wanted: Option<u64>,
    /// The version that it says it runs; 0: its own file; `None`: it has not said.
    pub configuration_runs: Option<u64>,
    /// Coverage today.
    pub today: BalanceView,
    /// Coverage of the last seven days, today among them.
    pub week: BalanceView,
}

/// All agents, the worst first.
#[derive(Debug, Serialize, ToSchema)]
pub struct FleetView {
    /// The gateway's clock.
    pub now: i64,
    /// How far the ledger has counted.
    pub as_of: i64,
    /// The agents.
    pub agents: Vec<FleetLine>,
}

/// How a device does, seen from its agent.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceView {
    /// `unknown`: nothing came yet; `answers`; `silent`.
    pub state: String,
    /// Since when it is silent.
    pub since: Option<i64>,
    /// Why it is silent: the word of an absence.
    pub why: Option<String>,
}

/// A device of an agent.
#[derive(Debug, Serialize, ToSchema)]
pub struct FleetDevice {
    /// Its id.
    pub device: String,
    /// Its name, if it is registered.
    pub name: Option<Text>,
    /// Whether it was born and has not died.
    pub state: AgentState,
    /// How the agent says it does, if it does.
    pub source: Option<SourceView>,
    /// Time of its latest reading.
    pub last_reading_at: Option<i64>,
    /// Coverage today.
    pub today: BalanceView,
    /// Its points, today.
    pub points: Vec<PointBalance>,
}

/// An agent with everything.
#[derive(Debug, Serialize, ToSchema)]
pub struct FleetPage {
    /// The gateway's clock.
    pub now: i64,
    /// How far the ledger has counted.
    pub as_of: i64,
    /// The agent.
    pub agent: FleetLine,
    /// Its devices.
    pub devices: Vec<FleetDevice>,
    /// Coverage by day, the latest first.
    pub days: Vec<DayBalance>,
    /// Gap records of its devices, the latest first.
    pub gaps: Vec<GapLine>,
}
