//! Whether a rule on what cameras see is trusted at a site: of its decided cases, how many did people confirm?
//!
//! A rule that is wrong too often works in *shadow* there: its signals are recorded and marked, and open no case. What it was
//! counted by stays as it is, since nothing of it comes before a person any more; a new version of the rule, or another model behind
//! its sightings, is counted from the start. That is decided when a signal comes to the cases, in the order of the records,
//! and written down: it is never decided again. Signals themselves are the same either way.

use super::{Case, GroundKind, State, store};
use crate::{
    detect::{SEES, Signal, Source},
    store::{Records, RecordsError, get},
};
use contract::{SiteId, Timestamp, vision::ModelUsed};
use rusqlite::{OptionalExtension, Transaction, params};

/// When a rule falls back to shadow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// So many cases must be decided before anything is said.
    pub decided_min: usize,
    /// A smaller share of confirmed ones is too small.
    pub precision_min: f64,
}

/// What people decided about the cases of a rule at a site.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases that were confirmed because of it.
    pub confirmed: usize,
    /// Cases that were set aside.
    pub set_aside: usize,
}

impl Tally {
    /// Cases that tell something.
    pub fn decided(&self) -> usize {
        self.confirmed + self.set_aside
    }

    /// The share of confirmed ones; nothing while none is decided.
    pub fn precision(&self) -> Option<f64> {
        (self.decided() > 0).then(|| self.confirmed as f64 / self.decided() as f64)
    }

    /// True if the rule is to work in shadow.
    pub fn is_shadow(&self, terms: &Terms) -> bool {
        self.decided() >= terms.decided_min.max(1)
            && self.precision().is_some_and(|p| p < terms.precision_min)
    }

    /// Adds a case that a signal of `rule` is in. A case that was confirmed on the ground of another rule says nothing of
    /// this one; one that was confirmed on an inspection item says that there was something to see.
    fn add(&mut self, case: &Case, rule: &str) {
        let ground = case.verdict.as_ref().and_then(|v| v.ground.as_ref());
        match (case.state, ground) {
            (State::Rejected, _) => self.set_aside += 1,
            (State::Confirmed, Some(ground))
                if ground.kind == GroundKind::Rule && ground.id != rule => {}
            (State::Confirmed, _) => self.confirmed += 1,
            (State::Open | State::Taken, _) => {}
        }
    }
}

/// What is counted together: a rule at a site, with the models behind its sightings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where.
    pub site: SiteId,
    /// The rule.
    pub rule: String,
    /// Its version.
    pub version: u32,
    /// The models.
    pub models: Vec<ModelUsed>,
}

impl Key {
    /// What a signal of what a camera saw is counted under; nothing for other signals.
    pub fn of(signal: &Signal, models: Vec<ModelUsed>) -> Option<Key> {
        match &signal.source {
            Source::Rule { id, version } if signal.point.as_str().starts_with(SEES) => Some(Key {
                site: signal.site.clone(),
                rule: id.clone(),
                version: *version,
                models,
            }),
            _ => None,
        }
    }

    fn models_text(&self) -> String {
        let mut models = self.models.clone();
        models.sort();
        models.dedup();
        serde_json::to_string(&models).expect("names of models are always JSON")
    }
}

/// What is known of a key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// Its decided cases.
    pub tally: Tally,
    /// Signals that were raised in shadow.
    pub shadow_signals: u64,
    /// Signals since the time that was asked for that ended in a case that was set aside.
    pub false_alarms: u64,
}

/// Whether a signal was raised in shadow; nothing if it is new, or of no camera.
pub(super) fn known(tx: &Transaction<'_>, signal: &str) -> rusqlite::Result<Option<bool>> {
    tx.prepare_cached("SELECT is_shadow FROM seen WHERE signal = ?1")?
        .query_row([signal], |r| r.get(0))
        .optional()
}

/// Decides for a new signal whether it is raised in shadow, and writes that down.
pub(super) fn enter(
    tx: &Transaction<'_>,
    signal: &Signal,
    key: &Key,
    terms: &Terms,
) -> rusqlite::Result<bool> {
    let is_shadow = tally(tx, key)?.is_shadow(terms);
    tx.prepare_cached("INSERT INTO seen VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            signal.id,
            key.site.as_str(),
            key.rule,
            key.version,
            key.models_text(),
            signal.opened_at.as_millis(),
            is_shadow
        ])?;
    Ok(is_shadow)
}

fn tally(tx: &Transaction<'_>, key: &Key) -> rusqlite::Result<Tally> {
    let mut rows = tx.prepare_cached(
        "SELECT DISTINCT case_id FROM seen JOIN case_signal USING (signal)
         WHERE site = ?1 AND rule = ?2 AND version = ?3 AND models = ?4",
    )?;
    let models = key.models_text();
    let of = params![key.site.as_str(), key.rule, key.version, models];
    let ids = rows.query_map(of, |r| r.get::<_, String>(0))?;
    let mut tally = Tally::default();
    for id in ids {
        if let Some(case) = get::<Case>(tx, store::KIND, &id?)? {
            tally.add(&case, &key.rule);
        }
    }
    Ok(tally)
}

/// What is known of a key; false alarms since `since`.
pub fn record(records: &Records, key: &Key, since: Timestamp) -> Result<Record, RecordsError> {
    records.write("read how good a rule is", |tx| {
        let mut rows = tx.prepare_cached(
            "SELECT is_shadow, at, case_id FROM seen LEFT JOIN case_signal USING (signal)
             WHERE site = ?1 AND rule = ?2 AND version = ?3 AND models = ?4",
        )?;
        let models = key.models_text();
        let of = params![key.site.as_str(), key.rule, key.version, models];
        let mut record = Record {
            tally: tally(tx, key)?,
            ..Record::default()
        };
        let mut rows = rows.query(of)?;
        while let Some(row) = rows.next()? {
            record.shadow_signals += u64::from(row.get::<_, bool>(0)?);
            let case: Option<String> = row.get(2)?;
            if let Some(id) = case
                && row.get::<_, i64>(1)? >= since.as_millis()
                && get::<Case>(tx, store::KIND, &id)?.is_some_and(|c| c.state == State::Rejected)
            {
                record.false_alarms += 1;
            }
        }
        Ok(record)
    })
}

/// Whether a new signal of this key would be raised in shadow.
pub fn works_in_shadow(records: &Records, key: &Key, terms: &Terms) -> Result<bool, RecordsError> {
    let tally = records.write("read how good a rule is", |tx| tally(tx, key))?;
    Ok(tally.is_shadow(terms))
}

/// Whether a signal was raised in shadow.
pub fn is_shadow(records: &Records, signal: &str) -> Result<bool, RecordsError> {
    let read = |tx: &Transaction<'_>| known(tx, signal);
    let known = records.write("look whether a signal is in shadow", read)?;
    Ok(known.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Checks, Decision, Ground, Verdict};
    use crate::detect::rule::{Severity, Text};

    fn case(state: State, ground: Option<(GroundKind, &str)>) -> Case {
        let at = Timestamp::from_millis(1);
        let decision = match state {
            State::Confirmed => Some(Decision::Confirm),
            State::Rejected => Some(Decision::Reject),
            State::Open | State::Taken => None,
        };
        Case {
            id: "1".into(),
            site: SiteId::new("s").unwrap(),
            severity: Severity::II,
            escalated: None,
            state,
            signals: Vec::new(),
            opened_at: at,
            last_at: at,
            is_ongoing: false,
            taken: None,
            verdict: decision.map(|decision| Verdict {
                decision,
                by: "li".into(),
                at,
                reason: "r".into(),
                checks: Checks::default(),
                ground: ground.map(|(kind, id)| Ground {
                    kind,
                    id: id.into(),
                    text: Text::default(),
                    basis: Text::default(),
                    severity: None,
                    raised: true,
                }),
            }),
            evidence: None,
        }
    }

    #[test]
    fn a_rule_is_trusted_until_ten_cases_say_otherwise_and_only_by_cases_that_speak_of_it() {
        let (rule, item) = (GroundKind::Rule, GroundKind::Item);
        let mut tally = Tally::default();
        for (state, ground, decided) in [
            (State::Open, None, 0),
            (State::Taken, None, 0),
            (State::Confirmed, Some((rule, "r")), 1),
            (State::Confirmed, Some((item, "M-1")), 2),
            // Confirmed because of something else: nobody judged this rule.
            (State::Confirmed, Some((rule, "other")), 2),
            (State::Rejected, None, 3),
        ] {
            tally.add(&case(state, ground), "r");
            assert_eq!(tally.decided(), decided, "{state:?} {ground:?}");
        }
        let terms = Terms {
            decided_min: 10,
            precision_min: 0.8,
        };
        for (confirmed, set_aside, is_shadow) in [
            (0, 0, false),
            (0, 9, false),
            (0, 10, true),
            (7, 3, true),
            (8, 2, false),
            (10, 0, false),
            (79, 21, true),
        ] {
            let tally = Tally {
                confirmed,
                set_aside,
            };
            assert_eq!(tally.is_shadow(&terms), is_shadow, "{tally:?}");
        }
    }
}
