//! What repetition makes of a signal (`detect::escalate`), on disk.
//!
//! Counted are the signals of one rule, in one version, at one device, by the times of their readings: not in which order they
//! came, nor how often the journal was read. A signal in shadow never comes here. What a person set aside counts no more, and
//! later signals are judged anew, up or down, until their own case is decided: that stays as the person saw it.

use super::store;
use crate::{
    detect::{
        Signal, Source,
        escalate::{ByRule, Escalated, Occurrence, Terms, judge},
    },
    store::{Records, RecordsError, decode, put},
};
use contract::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};

/// A signal as it is kept.
struct Kept {
    own: Occurrence,
    place: (String, String, String, u32),
    terms: Terms,
    escalated: Option<String>,
}

const KEPT: &str = "SELECT signal, opened_at, last_at, site, device, rule, version, terms, escalated FROM repeated";

impl Kept {
    fn read(row: &Row<'_>) -> rusqlite::Result<Kept> {
        let at = |n| row.get(n).map(Timestamp::from_millis);
        Ok(Kept {
            own: Occurrence {
                signal: row.get(0)?,
                opened_at: at(1)?,
                last_at: at(2)?,
            },
            place: (row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?),
            terms: decode(&row.get::<_, String>(7)?)?,
            escalated: row.get(8)?,
        })
    }

    fn all(
        tx: &Transaction<'_>,
        which: &str,
        of: impl rusqlite::Params,
    ) -> rusqlite::Result<Vec<Kept>> {
        let mut rows = tx.prepare_cached(&format!("{KEPT} WHERE {which}"))?;
        rows.query_map(of, Kept::read)?.collect()
    }

    /// Those of its rule and place that opened within `from..=to`.
    fn beside(
        &self,
        tx: &Transaction<'_>,
        from: i64,
        to: i64,
        and: &str,
    ) -> rusqlite::Result<Vec<Kept>> {
        let (site, device, rule, version) = &self.place;
        let which = format!(
            "site = ?1 AND device = ?2 AND rule = ?3 AND version = ?4 AND opened_at BETWEEN ?5 AND ?6 {and}"
        );
        Kept::all(tx, &which, params![site, device, rule, version, from, to])
    }
}

/// Notes a signal if its rule says something of repetition, and judges it and those after it.
pub(super) fn note(tx: &Transaction<'_>, signal: &Signal, rules: &ByRule) -> rusqlite::Result<()> {
    let Source::Rule { id, version } = &signal.source else {
        return Ok(());
    };
    let Some(terms) = rules.get(&(id.clone(), *version)) else {
        return Ok(());
    };
    let terms = serde_json::to_string(terms).expect("terms are always JSON");
    tx.prepare_cached(
        "INSERT INTO repeated VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, NULL)
         ON CONFLICT(signal) DO UPDATE SET last_at = excluded.last_at",
    )?
    .execute(params![
        signal.id,
        signal.site.as_str(),
        signal.device.as_str(),
        id,
        version,
        signal.opened_at.as_millis(),
        signal.last_at.as_millis(),
        terms
    ])?;
    for kept in Kept::all(tx, "signal = ?1", [&signal.id])? {
        weigh_from(tx, &kept)?;
    }
    Ok(())
}

/// The signals of a case were set aside: they count no more.
pub(super) fn dismiss(tx: &Transaction<'_>, case: &str) -> rusqlite::Result<()> {
    let of = "signal IN (SELECT signal FROM case_signal WHERE case_id = ?1)";
    tx.execute(
        &format!("UPDATE repeated SET is_set_aside = 1 WHERE {of}"),
        [case],
    )?;
    for kept in Kept::all(tx, of, [case])? {
        weigh_from(tx, &kept)?;
    }
    Ok(())
}

/// Judges a signal and those that it may count for.
fn weigh_from(tx: &Transaction<'_>, first: &Kept) -> rusqlite::Result<()> {
    let at = first.own.opened_at.as_millis();
    let until = at.saturating_add(first.terms.within_ms);
    for kept in first.beside(tx, at, until, "")? {
        weigh(tx, &kept)?;
    }
    Ok(())
}

fn weigh(tx: &Transaction<'_>, kept: &Kept) -> rusqlite::Result<()> {
    let Some(mut case) =
        store::case_of(tx, &kept.own.signal)?.filter(|case| case.verdict.is_none())
    else {
        return Ok(());
    };
    let at = kept.own.opened_at.as_millis();
    let from = at.saturating_sub(kept.terms.within_ms);
    let before = kept.beside(tx, from, at - 1, "AND NOT is_set_aside")?;
    let before = before.into_iter().map(|kept| kept.own).collect();
    let escalated = judge(&kept.terms, &kept.own, before)
        .map(|e| serde_json::to_string(&e).expect("what was counted is always JSON"));
    if escalated == kept.escalated {
        return Ok(());
    }
    tx.prepare_cached("UPDATE repeated SET escalated = ?2 WHERE signal = ?1")?
        .execute(params![kept.own.signal, escalated])?;
    let of =
        "escalated IS NOT NULL AND signal IN (SELECT signal FROM case_signal WHERE case_id = ?1)";
    let in_case = Kept::all(tx, of, [&case.id])?;
    case.escalated = in_case.iter().map(|kept| kept.terms.severity).max();
    put(
        tx,
        store::KIND,
        &case.id,
        case.site.as_str(),
        case.opened_at,
        &case,
    )
}

/// Gives signals the severity that repetition makes of them, and why.
pub fn apply(records: &Records, signals: &mut [Signal]) -> Result<(), RecordsError> {
    records.write("read what repetition makes of signals", |tx| {
        let mut row = tx.prepare_cached("SELECT escalated FROM repeated WHERE signal = ?1")?;
        for signal in signals.iter_mut() {
            let found: Option<Option<String>> =
                row.query_row([&signal.id], |r| r.get(0)).optional()?;
            let Some(text) = found.flatten() else {
                continue;
            };
            let escalated: Escalated = decode(&text)?;
            signal.severity = escalated.by.severity;
            signal.escalated = Some(escalated);
        }
        Ok(())
    })
}
