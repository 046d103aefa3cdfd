//! The visit plan.

use super::BusinessView;
use crate::{
    case::State,
    detect::rule::{Severity, Text},
    risk::Class,
};
use serde::Serialize;
use utoipa::ToSchema;

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
    /// Before this its department may not come again.
    pub not_before: Option<i64>,
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
    /// What has to wait, since its department was here not long ago.
    pub later: Vec<VisitItem>,
}

/// A site to which nobody goes for now.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaitingView {
    /// Where.
    pub site: String,
    /// Its name.
    pub site_name: Text,
    /// The business.
    pub business: BusinessView,
    /// Its class.
    pub grade: Class,
    /// Why nobody goes.
    pub why: Vec<Text>,
    /// From when somebody may; `None` if nothing has to be looked at.
    pub next_at: Option<i64>,
}

/// The plan.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanView {
    /// The day, midnight +08:00.
    pub day: i64,
    /// The visits, in order.
    pub visits: Vec<VisitView>,
    /// Sites to which nobody goes for now.
    pub waiting: Vec<WaitingView>,
    /// Visits the departments would make one by one.
    pub separate: usize,
}
