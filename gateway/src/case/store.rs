//! Cases on disk: gathering signals into them, and the one transaction of a decision.

use super::{
    Case, State, Verdict,
    decide::{self, Refusal},
    escalation,
    precision::{self, Key, Terms},
};
use crate::{
    credit::{self, Entry},
    detect::{Signal, Signals, escalate, store::SignalError},
    store::{Records, RecordsError, get, put, remember},
};
use contract::{Timestamp, vision::ModelUsed};
use rusqlite::{OptionalExtension, params};

/// Kind of these records.
pub const KIND: &str = "case";
const FOLLOWED: &str = "signals";

/// Why cases could not be gathered.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// Signals could not be read.
    #[error("cannot read the signals to gather")]
    Signals(#[source] SignalError),
    /// Records failed.
    #[error("cannot write cases")]
    Records(#[source] RecordsError),
}

/// What a signal is judged by beside itself.
pub struct Judging<'a> {
    /// Signals of one site no further apart are one case.
    pub gap_ms: i64,
    /// When a rule falls back to shadow.
    pub shadow: &'a Terms,
    /// Which models are behind what a camera saw.
    pub models: &'a dyn Fn(&Signal) -> Vec<ModelUsed>,
    /// What rules say of repetition.
    pub escalate: &'a escalate::ByRule,
}

/// Puts signals that changed since the last time into cases. Safe to run twice, at any time, after any crash.
/// Returns how many changes were seen.
pub fn step(records: &Records, signals: &Signals, by: &Judging<'_>) -> Result<usize, GatherError> {
    let after: u64 = records
        .write("read how far cases are", |tx| {
            tx.query_row("SELECT n FROM progress WHERE name = ?1", [FOLLOWED], |r| {
                r.get::<_, i64>(0)
            })
            .optional()
        })
        .map_err(GatherError::Records)?
        .unwrap_or(0) as u64;
    let (through, changed) = signals
        .changes_after(after, 256)
        .map_err(GatherError::Signals)?;
    if through == after {
        return Ok(0);
    }
    let keys: Vec<Option<Key>> = changed
        .iter()
        .map(|signal| {
            Key::of(signal, Vec::new()).map(|key| Key {
                models: (by.models)(signal),
                ..key
            })
        })
        .collect();
    records
        .write("gather signals into cases", |tx| {
            for (signal, key) in changed.iter().zip(&keys) {
                if is_in_shadow(tx, signal, key.as_ref(), by.shadow)? {
                    continue;
                }
                gather(tx, signals, signal, by.gap_ms)?;
                escalation::note(tx, signal, by.escalate)?;
            }
            tx.execute(
                "INSERT OR REPLACE INTO progress VALUES (?1, ?2)",
                params![FOLLOWED, through as i64],
            )?;
            Ok(changed.len())
        })
        .map_err(GatherError::Records)
}

/// Whether a signal is raised in shadow: as it was decided when it came first.
fn is_in_shadow(
    tx: &rusqlite::Transaction<'_>,
    signal: &Signal,
    key: Option<&Key>,
    terms: &Terms,
) -> rusqlite::Result<bool> {
    let Some(key) = key else {
        return Ok(false);
    };
    match precision::known(tx, &signal.id)? {
        Some(is_shadow) => Ok(is_shadow),
        None => precision::enter(tx, signal, key, terms),
    }
}

fn gather(
    tx: &rusqlite::Transaction<'_>,
    signals: &Signals,
    signal: &Signal,
    gap_ms: i64,
) -> rusqlite::Result<()> {
    let mut case = match case_of(tx, &signal.id)? {
        Some(case) => Some(case),
        None => newest_that_takes(tx, signal, gap_ms)?,
    };
    if case.as_ref().is_some_and(|c| c.verdict.is_some()) {
        // What was decided is not touched; the signal itself still tells how it went on.
        return Ok(());
    }
    let case = match &mut case {
        Some(case) => {
            let open = |id: &String| match id == &signal.id {
                true => signal.closed_at.is_none(),
                false => signals
                    .get(id)
                    .ok()
                    .flatten()
                    .is_some_and(|s| s.closed_at.is_none()),
            };
            let is_any_open = signal.closed_at.is_none() || case.signals.iter().any(open);
            case.take(signal, is_any_open);
            case
        }
        None => {
            let count: i64 =
                tx.query_row("SELECT COUNT(*) FROM record WHERE kind = ?1", [KIND], |r| {
                    r.get(0)
                })?;
            &mut Case::new((count + 1).to_string(), signal)
        }
    };
    tx.execute(
        "INSERT OR IGNORE INTO case_signal VALUES (?1, ?2)",
        params![signal.id, case.id],
    )?;
    put(tx, KIND, &case.id, case.site.as_str(), case.opened_at, case)
}

fn newest_that_takes(
    tx: &rusqlite::Transaction<'_>,
    signal: &Signal,
    gap_ms: i64,
) -> rusqlite::Result<Option<Case>> {
    let mut rows = tx.prepare_cached(
        "SELECT id FROM record WHERE kind = ?1 AND owner = ?2 ORDER BY at DESC LIMIT 50",
    )?;
    let ids: Vec<String> = rows
        .query_map(params![KIND, signal.site.as_str()], |r| r.get(0))?
        .collect::<Result<_, _>>()?;
    for id in ids {
        if let Some(case) = get::<Case>(tx, KIND, &id)?
            && case.takes(signal, gap_ms)
        {
            return Ok(Some(case));
        }
    }
    Ok(None)
}

/// Takes a case up. Nothing happens if it is decided.
pub fn take_up(
    records: &Records,
    id: &str,
    user: &str,
    now: Timestamp,
) -> Result<Option<Case>, RecordsError> {
    records.write("take a case up", |tx| {
        let Some(mut case) = get::<Case>(tx, KIND, id)? else {
            return Ok(None);
        };
        if case.state == State::Open {
            case.state = State::Taken;
            case.taken = Some((user.to_owned(), now));
            put(tx, KIND, id, case.site.as_str(), case.opened_at, &case)?;
            remember(tx, now, user, "case taken up", id, &())?;
        }
        Ok(Some(case))
    })
}

/// What a confirmation writes beside the decision.
#[derive(Debug)]
pub struct Finding {
    /// Id of the sealed evidence.
    pub evidence: String,
    /// The credit entry.
    pub entry: Entry,
}

/// Writes a decision on the case as it was `seen`, with its finding if it is a confirmation, in one transaction.
/// Refuses what somebody else decided in between, and a case that a signal joined in between: it would be decided
/// unseen and not be in the evidence.
pub fn decide(
    records: &Records,
    seen: &Case,
    verdict: &Verdict,
    finding: Option<Finding>,
) -> Result<Result<(), Refusal>, RecordsError> {
    let id = &seen.id;
    records.write("write a decision", |tx| {
        let Some(mut case) = get::<Case>(tx, KIND, id)?.filter(|c| c.verdict.is_none()) else {
            return Ok(Err(Refusal::Decided));
        };
        if case.signals != seen.signals || case.escalated != seen.escalated {
            return Ok(Err(Refusal::Grown));
        }
        case.state = match verdict.decision {
            decide::Decision::Confirm => State::Confirmed,
            decide::Decision::Reject => State::Rejected,
        };
        case.verdict = Some(verdict.clone());
        case.evidence = finding.as_ref().map(|f| f.evidence.clone());
        put(tx, KIND, id, case.site.as_str(), case.opened_at, &case)?;
        if verdict.decision == decide::Decision::Reject {
            escalation::dismiss(tx, id)?;
        }
        remember(tx, verdict.at, &verdict.by, "case decided", id, verdict)?;
        if let Some(finding) = finding {
            credit::insert(tx, &finding.entry, &verdict.by, verdict.at)?;
        }
        Ok(Ok(()))
    })
}

/// One case.
pub fn one(records: &Records, id: &str) -> Result<Option<Case>, RecordsError> {
    records.get(KIND, id)
}

/// The case of a signal.
pub fn of_signal(records: &Records, signal: &str) -> Result<Option<Case>, RecordsError> {
    records.write("find the case of a signal", |tx| case_of(tx, signal))
}

/// The case of a signal, within a transaction.
pub(super) fn case_of(
    tx: &rusqlite::Transaction<'_>,
    signal: &str,
) -> rusqlite::Result<Option<Case>> {
    let id: Option<String> = tx
        .prepare_cached("SELECT case_id FROM case_signal WHERE signal = ?1")?
        .query_row([signal], |r| r.get(0))
        .optional()?;
    id.map_or(Ok(None), |id| get::<Case>(tx, KIND, &id))
}

/// All cases, the newest first.
pub fn all(records: &Records) -> Result<Vec<Case>, RecordsError> {
    records.list(KIND, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        case::{Checks, Decision},
        detect::rule::Severity,
    };

    #[test]
    fn a_case_is_decided_once_and_only_as_it_was_seen() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("records.db")).unwrap();
        let at = Timestamp::from_millis(1);
        let seen = Case {
            id: "1".into(),
            site: contract::SiteId::new("s").unwrap(),
            severity: Severity::II,
            escalated: None,
            state: State::Open,
            signals: vec!["a".into()],
            opened_at: at,
            last_at: at,
            is_ongoing: false,
            taken: None,
            verdict: None,
            evidence: None,
        };
        let put = |case: &Case| {
            records
                .write("put", |tx| put(tx, KIND, "1", "s", at, case))
                .unwrap()
        };
        let verdict = Verdict {
            decision: Decision::Reject,
            by: "chen".into(),
            at,
            reason: "r".into(),
            checks: Checks::default(),
            ground: None,
        };
        let decide = |seen| super::decide(&records, seen, &verdict, None).unwrap();
        let mut grown = seen.clone();
        grown.signals.push("b".into());
        put(&grown);
        assert_eq!(decide(&seen), Err(Refusal::Grown));
        let seen = grown.clone();
        grown.escalated = Some(Severity::III);
        put(&grown);
        assert_eq!(decide(&seen), Err(Refusal::Grown));
        assert_eq!(one(&records, "1").unwrap(), Some(grown.clone()));
        assert_eq!(decide(&grown), Ok(()));
        assert_eq!(decide(&grown), Err(Refusal::Decided));
    }
}
