//! What goes over the wire. Domain types become these here and nowhere else. All times are ms since 1970.

use crate::{
    account::Role,
    case::{Checks, Decision, State},
    credit::Status,
    detect::rule::{Severity, Text},
    risk::{Class, Line},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A refusal.
#[derive(Debug, Serialize, ToSchema)]
pub struct Refused {
    /// Why, and what to do, in words.
    pub error: String,
}

/// Name and password.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SignIn {
    /// The user's name.
    #[serde(alias = "name")]
    pub user: String,
    /// The password.
    pub password: String,
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserView {
    /// The user's id.
    pub user: String,
    /// The name to show.
    pub name: String,
    /// What the user may do.
    pub role: Role,
}

/// A business.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BusinessView {
    /// Its code.
    pub uscc: String,
    /// Its name.
    pub name: String,
}

/// A business with its class.
#[derive(Debug, Serialize, ToSchema)]
pub struct BusinessLine {
    /// Its code.
    pub uscc: String,
    /// Its name.
    pub name: String,
    /// Its class.
    pub grade: Class,
    /// Entries in its record.
    pub entries: usize,
}

/// Open signals by severity.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[expect(non_snake_case, reason = "the severities are called so")]
pub struct BySeverity {
    /// 提示.
    pub I: usize,
    /// 一般.
    pub II: usize,
    /// 较重.
    pub III: usize,
    /// 严重.
    pub IV: usize,
}

impl BySeverity {
    /// Counts one.
    pub fn add(&mut self, severity: Severity) {
        *match severity {
            Severity::I => &mut self.I,
            Severity::II => &mut self.II,
            Severity::III => &mut self.III,
            Severity::IV => &mut self.IV,
        } += 1;
    }
}

/// A site in one line.
#[derive(Debug, Serialize, ToSchema)]
pub struct SiteLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// Where it is.
    pub address: String,
    /// Its business.
    pub business: BusinessView,
    /// `food`, `environment`, `safety`.
    pub domains: Vec<String>,
    /// `live`, `quiet`, `offline` or `never`, from its readings.
    pub status: String,
    /// Time of its latest reading.
    pub last_reading_at: Option<i64>,
    /// Its open signals.
    pub open: BySeverity,
    /// Agents that are connected.
    pub agents_online: usize,
    /// Agents that are registered.
    pub agents: usize,
}

/// All sites.
#[derive(Debug, Serialize, ToSchema)]
pub struct Overview {
    /// The gateway's clock.
    pub now: i64,
    /// How much faster than in earnest rules run; 1 except in training.
    pub time_scale: f64,
    /// The sites.
    pub sites: Vec<SiteLine>,
}

/// A limit that applies to a point.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitView {
    /// The rule.
    pub rule: String,
    /// `le`: permitted at or below the value; `ge`: at or above.
    pub permitted: String,
    /// The value, in the point's unit.
    pub value: f64,
    /// How urgent beyond it.
    pub severity: Severity,
    /// The rule in words.
    pub text: Text,
    /// The standard.
    pub standard: String,
    /// Its clause.
    pub clause: String,
}

/// A point in one line.
#[derive(Debug, Serialize, ToSchema)]
pub struct PointLine {
    /// Its device.
    pub device: String,
    /// Its name.
    pub name: String,
    /// Its label.
    pub label: Text,
    /// Its unit.
    pub unit: String,
    /// Its latest value.
    pub value: Option<f64>,
    /// A word for the quality: `good`, a doubt, or the reason of an absence.
    pub quality: String,
    /// Time of the latest reading.
    pub at: Option<i64>,
    /// Limits that apply.
    pub limits: Vec<LimitView>,
}

/// Whether a device may give evidence.
#[derive(Debug, Serialize, ToSchema)]
pub struct FitnessView {
    /// True if it may.
    pub fit: bool,
    /// Why not.
    pub reasons: Vec<Text>,
    /// Calibration certificate.
    pub certificate: Option<String>,
    /// End of the last day of its validity.
    pub valid_to: Option<i64>,
    /// Legal review.
    pub legal_review: Option<String>,
    /// Technical review.
    pub technical_review: Option<String>,
    /// Sign on site.
    pub sign: Option<String>,
    /// When its location was published.
    pub published_at: Option<i64>,
}

/// A device.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// Its kind.
    pub kind: String,
    /// Where exactly.
    pub location: String,
    /// Whether it may give evidence.
    pub fitness: FitnessView,
}

/// A signal in one line.
#[derive(Debug, Serialize, ToSchema)]
pub struct SignalLine {
    /// Its id.
    pub id: String,
    /// Rule or model, with version.
    pub rule: String,
    /// What it says.
    pub title: Text,
    /// How urgent.
    pub severity: Severity,
    /// Where.
    pub site: String,
    /// The device.
    pub device: String,
    /// The point.
    pub point: String,
    /// Its label.
    pub point_label: Text,
    /// Since when.
    pub opened_at: i64,
    /// Until when; `None` while it is open.
    pub closed_at: Option<i64>,
    /// What was measured, the worst.
    pub measured: Option<f64>,
    /// `le` or `ge`; `None` for models.
    pub permitted: Option<String>,
    /// Against what.
    pub limit: Option<f64>,
    /// The unit of both.
    pub unit: String,
    /// Its case.
    pub case: Option<String>,
}

/// A site with everything.
#[derive(Debug, Serialize, ToSchema)]
pub struct SitePage {
    /// The gateway's clock.
    pub now: i64,
    /// The site.
    pub site: SiteLine,
    /// Its devices.
    pub devices: Vec<DeviceLine>,
    /// Its points.
    pub points: Vec<PointLine>,
    /// Its signals, the newest first.
    pub signals: Vec<SignalLine>,
}

/// A reading of a chart.
#[derive(Debug, Serialize, ToSchema)]
pub struct RawPoint {
    /// When.
    pub at: i64,
    /// The value.
    pub value: Option<f64>,
    /// A word for the quality.
    pub quality: String,
}

/// A piece of a long chart.
#[derive(Debug, Serialize, ToSchema)]
pub struct BucketView {
    /// From.
    pub from: i64,
    /// To, exclusive.
    pub to: i64,
    /// Smallest.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Largest.
    pub max: f64,
    /// Readings with a value.
    pub count: u64,
}

/// A time without values.
#[derive(Debug, Serialize, ToSchema)]
pub struct Gap {
    /// From.
    pub from: i64,
    /// To.
    pub to: i64,
    /// Why, as a quality word.
    pub reason: String,
}

/// A chart.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesView {
    /// From.
    pub from: i64,
    /// To.
    pub to: i64,
    /// The unit.
    pub unit: String,
    /// Readings, for short windows.
    pub raw: Option<Vec<RawPoint>>,
    /// Buckets, for long ones.
    pub buckets: Option<Vec<BucketView>>,
    /// Times without values.
    pub gaps: Vec<Gap>,
}

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
    /// Whether the device may give evidence.
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

/// A case with everything.
#[derive(Debug, Serialize, ToSchema)]
pub struct CasePage {
    /// The line.
    #[serde(flatten)]
    pub line: CaseLine,
    /// The gateway's clock.
    pub now: i64,
    /// The device.
    pub device: DeviceLine,
    /// The point.
    pub point: String,
    /// Its label.
    pub point_label: Text,
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
}

/// A reason.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ReasonBody {
    /// Why.
    pub reason: String,
}

/// A change of an entry's status.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepView {
    /// The status from here on.
    pub status: Status,
    /// When.
    pub at: i64,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// An attempt to deliver an entry.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    /// When.
    pub at: i64,
    /// The how manieth.
    pub attempt: usize,
    /// `delivered`, `refused` or `failed`.
    pub outcome: String,
    /// What was answered.
    pub answer: String,
}

/// A credit entry.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryView {
    /// Its id.
    pub id: String,
    /// The case it comes from.
    pub case: String,
    /// What it is about.
    pub title: Text,
    /// How grave.
    pub severity: Severity,
    /// When it happened.
    pub occurred_at: i64,
    /// When it was written.
    pub recorded_at: i64,
    /// Until when it counts.
    pub public_until: Option<i64>,
    /// Where it stands.
    pub status: Status,
    /// How it came there.
    pub timeline: Vec<StepView>,
    /// Attempts to deliver.
    pub deliveries: Vec<DeliveryView>,
}

/// A business's credit record.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreditPage {
    /// The business.
    pub business: BusinessView,
    /// Its class.
    pub grade: Class,
    /// The sum behind it.
    pub score: Option<f64>,
    /// Where it comes from.
    pub explanation: Vec<Line>,
    /// Its entries, the newest first.
    pub entries: Vec<EntryView>,
}

/// A finding of a visit.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingView {
    /// The case.
    pub case: String,
    /// What it is about.
    pub title: Text,
    /// How grave.
    pub severity: Severity,
    /// Where it stands.
    pub state: State,
}

/// An item of a visit.
#[derive(Debug, Serialize, ToSchema)]
pub struct VisitItem {
    /// Its id.
    pub id: String,
    /// What to check.
    pub text: Text,
    /// Who has to.
    pub departments: Vec<Text>,
    /// Since when readings prove it.
    pub proved_since: Option<i64>,
    /// By what.
    pub proved_by: Option<Text>,
    /// By when.
    pub due_at: Option<i64>,
}

/// A visit.
#[derive(Debug, Serialize, ToSchema)]
pub struct VisitView {
    /// Where.
    pub site: String,
    /// Its name.
    pub site_name: Text,
    /// Where it is.
    pub address: String,
    /// The business.
    pub business: BusinessView,
    /// Its class.
    pub grade: Class,
    /// Why it stands here.
    pub why: Vec<Text>,
    /// Findings to look at again.
    pub findings: Vec<FindingView>,
    /// What to check.
    pub items: Vec<VisitItem>,
}

/// The plan.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanView {
    /// The day, midnight +08:00.
    pub day: i64,
    /// The visits, in order.
    pub visits: Vec<VisitView>,
    /// Visits the departments would make one by one.
    pub separate: usize,
}

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
