//! Credit records.

use super::BusinessView;
use crate::{
    case::{Ground, GroundName},
    credit::Status,
    detect::rule::{Severity, Text},
    risk::{Class, Line},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

/// What is done with an entry, and why.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChangeBody {
    /// Why.
    pub reason: String,
    /// What changes, if it is a correction.
    pub correction: Option<CorrectionBody>,
}

/// What a correction changes; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CorrectionBody {
    /// How grave.
    pub severity: Option<Severity>,
    /// What was not met.
    pub ground: Option<GroundName>,
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
    /// What was not met.
    pub ground: Option<Ground>,
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
    /// The entry that it corrects.
    pub corrects: Option<String>,
    /// The entry that corrected it.
    pub superseded_by: Option<String>,
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
