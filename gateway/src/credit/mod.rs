//! A finding becomes an entry in the business's credit record, and is delivered.
//!
//! Promise: an entry exists only because a person confirmed a case; its content is never changed; every change
//! of status is a new row that says who and why, and is delivered as a new version of the same record. A correction
//! is a new entry that names the one it replaces; both stay visible.

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
    /// When the finding was written; a correction keeps it, so that it does not prolong the time.
    pub recorded_at: Timestamp,
    /// Until when it counts.
    pub valid_to: Timestamp,
    /// How its status changed, the first first.
    pub timeline: Vec<Step>,
    /// The entry that it corrects.
    #[serde(default)]
    pub corrects: Option<String>,
    /// The entry that corrected it.
    #[serde(default)]
    pub superseded_by: Option<String>,
}

/// What a correction changes; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Correction {
    /// How grave.
    pub severity: Option<Severity>,
    /// What was not met.
    pub ground: Option<Ground>,
}

/// An act on an entry that does not go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// From this status to that.
    Status(Status, Status),
    /// Another entry, named, replaced it.
    Superseded(String),
    /// A correction that changes nothing.
    Unchanged,
}

impl Refusal {
    /// Why, and what to do.
    pub fn words(&self) -> Text {
        let (from, to) = match self {
            Refusal::Status(from, to) => (from.word(), to.word()),
            Refusal::Superseded(by) => {
                return Text::new(
                    format!("这个条目已由 {by} 更正取代；请在新条目上办理"),
                    format!("{by} replaced this entry; act on that one"),
                );
            }
            Refusal::Unchanged => {
                return Text::new(
                    "更正没有改动任何内容；请写明改什么",
                    "the correction changes nothing; say what changes",
                );
            }
        };
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
    ) -> Result<Step, Refusal> {
        use Status as S;
        if let Some(by) = &self.superseded_by {
            return Err(Refusal::Superseded(by.clone()));
        }
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
            return Err(Refusal::Status(from, to));
        }
        Ok(Step {
            status: to,
            at: now,
            by: by.to_owned(),
            reason: reason.to_owned(),
        })
    }

    /// The entry that replaces this one from `step` on. The business is told of it anew. Pure.
    fn corrected(&self, correction: &Correction, step: &Step) -> Result<Entry, Refusal> {
        let severity = correction.severity.unwrap_or(self.severity);
        let ground = correction.ground.as_ref().or(self.ground.as_ref());
        let is_same_ground = match (ground, &self.ground) {
            (Some(new), Some(old)) => new.kind == old.kind && new.id == old.id,
            (new, old) => new.is_none() && old.is_none(),
        };
        if severity == self.severity && is_same_ground {
            return Err(Refusal::Unchanged);
        }
        let status = Status::Notified;
        Ok(Entry {
            id: self.next_id(),
            title: ground.map_or_else(|| self.title.clone(), |g| g.text.clone()),
            ground: ground.cloned(),
            severity,
            valid_to: self
                .recorded_at
                .plus_millis(valid_days(severity) * 86_400_000),
            timeline: vec![Step {
                status,
                ..step.clone()
            }],
            corrects: Some(self.id.clone()),
            superseded_by: None,
            ..self.clone()
        })
    }

    fn next_id(&self) -> String {
        let (first, n) = match self.id.rsplit_once("-c") {
            Some((first, n)) if self.corrects.is_some() => (first, n.parse().unwrap_or(1)),
            _ => (self.id.as_str(), 1),
        };
        format!("{first}-c{}", n + 1)
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

/// What somebody does with an entry.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// What.
    pub action: Action,
    /// What a correction changes.
    pub correction: Option<&'a Correction>,
    /// Who.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// When.
    pub now: Timestamp,
}

/// Does something with an entry; the change, the entry that a correction adds, and their deliveries are one
/// transaction. `None` if there is no such entry.
pub fn act(
    records: &Records,
    id: &str,
    change: Change<'_>,
) -> Result<Option<Result<Entry, Refusal>>, RecordsError> {
    let Change { by, now, .. } = change;
    records.write("change a credit entry's status", |tx| {
        let Some(mut entry) = get::<Entry>(tx, KIND, id)? else {
            return Ok(None);
        };
        let (step, correction) = match change.judge(&entry) {
            Ok(judged) => judged,
            Err(refusal) => return Ok(Some(Err(refusal))),
        };
        entry.timeline.push(step.clone());
        entry.superseded_by = correction.as_ref().map(|c| c.id.clone());
        put(tx, KIND, id, &entry.uscc, entry.recorded_at, &entry)?;
        remember(tx, now, by, "credit entry status", id, &step)?;
        outbox(tx, &entry, now)?;
        if let Some(correction) = correction {
            insert(tx, &correction, by, now)?;
        }
        Ok(Some(Ok(entry)))
    })
}

impl Change<'_> {
    /// The step it makes, and the entry that it adds if it is a correction. Pure.
    fn judge(&self, entry: &Entry) -> Result<(Step, Option<Entry>), Refusal> {
        let step = entry.step(self.action, self.by, self.reason, self.now)?;
        if self.action != Action::Correct {
            return Ok((step, None));
        }
        let correction = self.correction.ok_or(Refusal::Unchanged)?;
        let corrected = entry.corrected(correction, &step)?;
        Ok((step, Some(corrected)))
    }
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
        "corrects": entry.corrects, "superseded_by": entry.superseded_by,
    });
    tx.execute(
        "INSERT OR IGNORE INTO outbox(key, entry, body, due_at, chain) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            format!("{}-{version}", entry.id),
            entry.id,
            body.to_string(),
            now.as_millis(),
            entry.case
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
            corrects: None,
            superseded_by: None,
        }
    }

    #[test]
    fn a_correction_is_a_new_entry_that_changes_something_and_does_not_prolong_the_time() {
        let now = Timestamp::from_millis(2000);
        let change = |correction| Change {
            action: Action::Correct,
            correction,
            by: "li",
            reason: "the probe read too high",
            now,
        };
        let old = entry();
        let lighter = Correction {
            severity: Some(Severity::I),
            ground: None,
        };
        let (step, new) = change(Some(&lighter)).judge(&old).unwrap();
        let new = new.unwrap();
        assert_eq!(
            (step.status, new.status(now)),
            (Status::Corrected, Status::Notified)
        );
        assert_eq!(
            (new.id.as_str(), new.corrects.as_deref()),
            ("e-c2", Some("e"))
        );
        assert_eq!(new.valid_to, old.recorded_at.plus_millis(90 * 86_400_000));
        assert_eq!(
            (&*new.timeline[0].by, &*new.timeline[0].reason),
            ("li", "the probe read too high")
        );
        let back = Correction {
            severity: Some(Severity::II),
            ground: None,
        };
        let again = change(Some(&back)).judge(&new).unwrap().1.unwrap();
        assert_eq!(again.id, "e-c3");
        for same in [None, Some(&back)] {
            assert_eq!(change(same).judge(&old), Err(Refusal::Unchanged));
        }
        let superseded = Entry {
            superseded_by: Some("e-c2".into()),
            ..old
        };
        let refused = change(Some(&lighter)).judge(&superseded);
        assert_eq!(refused, Err(Refusal::Superseded("e-c2".into())));
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
