//! Sites, their points, signals and series.

use super::{BalanceView, BusinessView, GapLine};
use crate::detect::rule::{Severity, Text};
use serde::Serialize;
use utoipa::ToSchema;

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

/// Why a signal is graver than its rule: it is not the first.
#[derive(Debug, Serialize, ToSchema)]
pub struct EscalatedView {
    /// The rule's own severity.
    pub from: Severity,
    /// In words, with the earlier signals by id.
    pub text: Text,
    /// One signal of each earlier occasion that was counted, the latest first.
    pub earlier: Vec<EarlierSignal>,
}

/// An earlier signal that was counted.
#[derive(Debug, Serialize, ToSchema)]
pub struct EarlierSignal {
    /// Its id.
    pub id: String,
    /// Since when.
    pub opened_at: i64,
    /// Its case.
    pub case: Option<String>,
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
    /// Why it is graver than its rule, if it is.
    pub escalated: Option<EscalatedView>,
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
    /// True if it was raised in shadow: it is recorded, and opens no case.
    pub shadow: bool,
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
    /// Coverage of all its devices today.
    pub coverage: BalanceView,
    /// Gap records of its devices, the latest first.
    pub gaps: Vec<GapLine>,
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
