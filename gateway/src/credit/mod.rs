//! A finding becomes an entry in the business's credit record, and is delivered.
//!
//! Promise: an entry exists only because a person confirmed a case; its content is never changed; every change
//! of status is a new row that says who and why, and is delivered as a new version of the same record.

pub mod deliver; // the outbox, at least once

use crate::{
    case::Ground,
    detect::rule::{Severity, Text},
    store::{Records, RecordsError, get, put, remember},
};
use contract::Timestamp;
use rusqlite::params;
use serde::{Deserialize, Serialize};

/// Kind of these records.
pub const KIND: &str = "credit";

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The business was told and may be heard.
    Notified,
    /// It counts.
    InForce,
    /// The business objected; it is marked and does not count meanwhile.
    UnderObjection,
    /// It was corrected by a later item.
    Corrected,
    /// It was wrong and counts for nothing.
    Withdrawn,
    /// It was repaired (信用修复) and counts no more.
    Repaired,
    /// Its time is over.
    Expired,
}

impl Status {
    /// The status as a word.
    pub fn word(self) -> Text {
        let (zh, en) = match self {
            Status::Notified => ("已告知", "notified"),
            Status::InForce => ("生效", "in force"),
            Status::UnderObjection => ("异议中", "under objection"),
            Status::Corrected => ("已更正", "corrected"),
            Status::Withdrawn => ("已撤销", "withdrawn"),
            Status::Repaired => ("已修复", "repaired"),
            Status::Expired => ("已到期", "expired"),
        };
        Text::new(zh, en)
    }
}

/// What can be done with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The time to be heard is over, or was waived.
    InForce,
    /// The business objects.
    Objection,
    /// The objection was answered: the entry stands.
    Uphold,
    /// A later item corrects it.
    Correct,
    /// It was wrong.
    Withdraw,
    /// Repaired.
    Repair,
}

/// A change of status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Step {
    /// The status from here on.
    pub status: Status,
    /// When, ms since 1970.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// An entry 信用记录条目.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// The business.
    pub uscc: String,
    /// The business's name.
    pub name: String,
    /// The case it comes from.
    pub case: String,
    /// The sealed evidence.
    pub evidence: String,
    /// What it is about.
    pub title: Text,
    /// What was not met, as the person named it.
    #[serde(default)]
    pub ground: Option<Ground>,
    /// How grave.
    pub severity: Severity,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was written.
    pub recorded_at: Timestamp,
    /// Until when it counts.
    pub valid_to: Timestamp,
    /// How its status changed, the first first.
    pub timeline: Vec<Step>,
}

/// A change of status that does not go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRefusal {
    from: Status,
    to: Status,
}

impl StatusRefusal {
    /// Why, and what to do.
    pub fn words(&self) -> Text {
        let (from, to) = (self.from.word(), self.to.word());
        Text::new(
            format!(
                "状态为“{}”的条目不能变为“{}”；请看它的状态经过",
                from.zh, to.zh
            ),
            format!(
                "an entry that is {} cannot become {}; see its timeline",
                from.en, to.en
            ),
        )
    }
}

impl Entry {
    /// The status at `now`.
    pub fn status(&self, now: Timestamp) -> Status {
        let status = self.timeline.last().map_or(Status::Notified, |s| s.status);
        let is_over = now >= self.valid_to && matches!(status, Status::Notified | Status::InForce);
        if is_over { Status::Expired } else { status }
    }

    /// The version that is delivered.
    pub fn version(&self) -> usize {
        self.timeline.len()
    }

    /// The next step, if it goes. Pure.
    pub fn step(
        &self,
        action: Action,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Step, StatusRefusal> {
        use Status as S;
        let from = self.status(now);
        let (to, allowed): (Status, &[Status]) = match action {
            Action::InForce => (S::InForce, &[S::Notified]),
            Action::Objection => (S::UnderObjection, &[S::Notified, S::InForce]),
            Action::Uphold => (S::InForce, &[S::UnderObjection]),
            Action::Correct => (S::Corrected, &[S::Notified, S::InForce, S::UnderObjection]),
            Action::Withdraw => (
                S::Withdrawn,
                &[S::Notified, S::InForce, S::UnderObjection, S::Corrected],
            ),
            Action::Repair => (S::Repaired, &[S::InForce]),
        };
        if !allowed.contains(&from) {
            return Err(StatusRefusal { from, to });
        }
        Ok(Step {
            status: to,
            at: now,
            by: by.to_owned(),
            reason: reason.to_owned(),
        })
    }
}

/// For how long a finding counts, in days: 信用修复管理办法 (2026), minor, general and serious. Pure.
pub fn valid_days(severity: Severity) -> i64 {
    match severity {
        Severity::I => 90,
        Severity::II | Severity::III => 365,
        Severity::IV => 3 * 365,
    }
}

/// Writes a new entry with its outbox row, within the transaction of the decision.
pub fn insert(
    tx: &rusqlite::Transaction<'_>,
    entry: &Entry,
    by: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    put(tx, KIND, &entry.id, &entry.uscc, entry.recorded_at, entry)?;
    remember(tx, now, by, "credit entry written", &entry.id, entry)?;
    outbox(tx, entry, now)
}

/// Does something with an entry; the change and its delivery are one transaction.
pub fn act(
    records: &Records,
    id: &str,
    action: Action,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Option<Result<Entry, StatusRefusal>>, RecordsError> {
    records.write("change a credit entry's status", |tx| {
        let Some(mut entry) = get::<Entry>(tx, KIND, id)? else {
            return Ok(None);
        };
        let step = match entry.step(action, by, reason, now) {
            Ok(step) => step,
            Err(refusal) => return Ok(Some(Err(refusal))),
        };
        entry.timeline.push(step.clone());
        put(tx, KIND, id, &entry.uscc, entry.recorded_at, &entry)?;
        remember(tx, now, by, "credit entry status", id, &step)?;
        outbox(tx, &entry, now)?;
        Ok(Some(Ok(entry)))
    })
}

/// The entries of a business, the newest first.
pub fn of(records: &Records, uscc: &str) -> Result<Vec<Entry>, RecordsError> {
    records.list(KIND, Some(uscc))
}

fn outbox(tx: &rusqlite::Transaction<'_>, entry: &Entry, now: Timestamp) -> rusqlite::Result<()> {
    let version = entry.version();
    let status = entry.status(now);
    let operation = match (version, status) {
        (1, _) => "i",
        (_, Status::Withdrawn) => "d",
        _ => "u",
    };
    let body = serde_json::json!({
        "record_id": entry.id, "version": version, "op": operation, "record_type": "evidence_ref",
        "uscc": entry.uscc, "subject_name": entry.name, "title": entry.title, "ground": entry.ground, "severity": entry.severity,
        "event_time": entry.occurred_at.to_string(), "decided_time": entry.recorded_at.to_string(),
        "valid_to": entry.valid_to.to_string(), "status": status,
        "objection_flag": status == Status::UnderObjection, "evidence": entry.evidence, "case": entry.case,
    });
    tx.execute(
        "INSERT OR IGNORE INTO outbox(key, entry, body, due_at) VALUES (?1, ?2, ?3, ?4)",
        params![
            format!("{}-{version}", entry.id),
            entry.id,
            body.to_string(),
            now.as_millis()
        ],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let at = Timestamp::from_millis(1000);
        Entry {
            id: "e".into(),
            uscc: "u".into(),
            name: "n".into(),
            case: "1".into(),
            evidence: "x".into(),
            title: Text::default(),
            ground: None,
            severity: Severity::II,
            occurred_at: at,
            recorded_at: at,
            valid_to: at.plus_millis(1_000_000),
            timeline: vec![Step {
                status: Status::Notified,
                at,
                by: "li".into(),
                reason: String::new(),
            }],
        }
    }

    #[test]
    fn a_withdrawn_entry_never_comes_back_and_time_ends_one_that_counts() {
        let mut entry = entry();
        let now = Timestamp::from_millis(2000);
        assert!(
            entry.step(Action::Repair, "li", "", now).is_err(),
            "not in force yet"
        );
        for action in [Action::Objection, Action::Uphold, Action::Withdraw] {
            let step = entry.step(action, "li", "r", now).unwrap();
            entry.timeline.push(step);
        }
        for action in [
            Action::InForce,
            Action::Objection,
            Action::Uphold,
            Action::Correct,
            Action::Repair,
        ] {
            assert!(entry.step(action, "li", "r", now).is_err(), "{action:?}");
        }
        assert_eq!(
            self::entry().status(Timestamp::from_millis(2_000_000)),
            Status::Expired
        );
    }
}
