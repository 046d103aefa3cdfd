//! Cases and their decisions.

use super::{BusinessView, DeviceLine, LimitView, SignalLine};
use crate::{
    case::{Checks, Decision, Ground, GroundName, State},
    detect::rule::{Severity, Text},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A case in one line.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseLine {
    /// Its id.
    pub id: String,
    /// The site.
    pub site: String,
    /// Its name.
    pub site_name: Text,
    /// The business.
    pub business: BusinessView,
    /// How urgent.
    pub severity: Severity,
    /// Where it stands.
    pub state: State,
    /// What it is about.
    pub title: Text,
    /// The rule or model of its worst signal.
    pub rule: String,
    /// Since when.
    pub opened_at: i64,
    /// Until when; `None` while it goes on.
    pub ended_at: Option<i64>,
    /// By when somebody should decide.
    pub due_at: Option<i64>,
    /// What was measured, the worst.
    pub measured: Option<f64>,
    /// `le` or `ge`.
    pub permitted: Option<String>,
    /// Against what.
    pub limit: Option<f64>,
    /// The unit.
    pub unit: String,
    /// How many signals it gathers.
    pub signal_count: usize,
    /// Whether any of its devices may give evidence.
    pub fit: bool,
}

/// A rule in words.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleView {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// In words.
    pub text: Text,
    /// The standard.
    pub standard: String,
    /// Its clause.
    pub clause: String,
    /// Averaging time, seconds.
    pub averaging_s: Option<f64>,
    /// Dwell time, seconds.
    pub dwell_s: Option<f64>,
    /// Name, version and hash, if it is a model.
    pub model: Option<String>,
}

/// A decision.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionView {
    /// Confirm or reject.
    pub decision: Decision,
    /// Who.
    pub by: String,
    /// When.
    pub at: i64,
    /// Why.
    pub reason: String,
    /// What was not met, if it is a confirmation.
    pub ground: Option<Ground>,
}

/// Sealed evidence.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvidenceView {
    /// Its id.
    pub id: String,
    /// SHA-256 of its manifest.
    pub digest: String,
    /// When it was sealed.
    pub sealed_at: i64,
}

/// What happened here before.
#[derive(Debug, Serialize, ToSchema)]
pub struct Before {
    /// The case.
    pub id: String,
    /// When.
    pub at: i64,
    /// Where it stands.
    pub state: State,
    /// What it was about.
    pub title: Text,
    /// Why it was decided so.
    pub reason: String,
}

/// A point of a case.
#[derive(Debug, Serialize, ToSchema)]
pub struct CasePoint {
    /// The device.
    pub device: String,
    /// Its name.
    pub device_name: Text,
    /// The point.
    pub point: String,
    /// Its label.
    pub label: Text,
    /// The limits that were exceeded.
    pub limits: Vec<LimitView>,
}

/// A case with everything.
#[derive(Debug, Serialize, ToSchema)]
pub struct CasePage {
    /// The line.
    #[serde(flatten)]
    pub line: CaseLine,
    /// The gateway's clock.
    pub now: i64,
    /// The devices that raised its signals, that of the gravest first.
    pub devices: Vec<DeviceLine>,
    /// Their points, that of the gravest signal first.
    pub points: Vec<CasePoint>,
    /// Rules and models.
    pub rules: Vec<RuleView>,
    /// Signals.
    pub signals: Vec<SignalLine>,
    /// Score of a model.
    pub score: Option<f64>,
    /// What happened here before.
    pub history: Vec<Before>,
    /// What else could explain it.
    pub innocent: Vec<Text>,
    /// Why it cannot be confirmed.
    pub blockers: Vec<Text>,
    /// What a confirmation may name as its ground; those that raised a signal first.
    pub grounds: Vec<Ground>,
    /// Who took it up.
    pub taken_by: Option<String>,
    /// When.
    pub taken_at: Option<i64>,
    /// The decision.
    pub decision: Option<DecisionView>,
    /// The evidence.
    pub evidence: Option<EvidenceView>,
    /// Where the chart begins.
    pub window_from: i64,
    /// Where it ends.
    pub window_to: i64,
}

/// A decision to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct DecisionBody {
    /// Confirm or reject.
    pub decision: Decision,
    /// Why.
    pub reason: String,
    /// What was looked at.
    #[serde(default)]
    pub checks: Checks,
    /// What was not met; needed to confirm.
    pub ground: Option<GroundName>,
}
