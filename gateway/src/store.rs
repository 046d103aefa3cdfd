//! The records database (`records.db`): users, cases, evidence, credit entries, outbox, and the history of them.
//!
//! Promise: what belongs together is written in one transaction, durable when it returns; the history is
//! append-only, each row carrying the hash of the one before.
//!
//! Rows keep the record as JSON beside the columns that are searched; the Rust types are the schema.

use contract::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Why records could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The database failed.
    #[error("cannot {doing} in {path}")]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
}

/// The database. Cheap to clone; calls block for as long as the disk takes.
#[derive(Debug, Clone)]
pub struct Records {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    db: Mutex<Connection>,
}

/// Migrations in order; the file's `user_version` is how many were applied. Never edited after a release.
const MIGRATIONS: &[&str] = &["
CREATE TABLE user(name TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE session(token TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES user(name), expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE progress(name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE record(kind TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY(kind, id)) WITHOUT ROWID;
CREATE INDEX record_owner ON record(kind, owner, at);
CREATE TABLE case_signal(signal TEXT PRIMARY KEY, case_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, entry TEXT NOT NULL, body TEXT NOT NULL, due_at INTEGER NOT NULL, delivered_at INTEGER);
CREATE TABLE attempt(id INTEGER PRIMARY KEY AUTOINCREMENT, outbox INTEGER NOT NULL REFERENCES outbox(id), at INTEGER NOT NULL, outcome TEXT NOT NULL, answer TEXT NOT NULL);
CREATE TABLE history(n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL, what TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, hash TEXT NOT NULL);
",
// What was written about a decision is never changed, by this program or by hand.
"
CREATE TRIGGER history_is_not_changed BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
CREATE TRIGGER history_is_not_deleted BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
",
// What must arrive in order: the entries of one case, since a correction is an entry of its own.
"
ALTER TABLE outbox ADD COLUMN chain TEXT NOT NULL DEFAULT '';
UPDATE outbox SET chain = COALESCE(json_extract(body, '$.case'), entry);
CREATE INDEX outbox_chain ON outbox(chain, id);
",
// Agents that were enrolled or revoked, their one-time codes (as a derived key), and every certificate issued or shown.
"
CREATE TABLE agent(name TEXT PRIMARY KEY, site TEXT NOT NULL, enrolled_at INTEGER, revoked_at INTEGER) WITHOUT ROWID;
CREATE TABLE agent_code(id TEXT PRIMARY KEY, agent TEXT NOT NULL, site TEXT NOT NULL, secret BLOB NOT NULL, made_by TEXT NOT NULL, made_at INTEGER NOT NULL, valid_to INTEGER NOT NULL, used_at INTEGER, public_key TEXT, wrong INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE agent_certificate(fingerprint TEXT PRIMARY KEY, agent TEXT NOT NULL, pem TEXT NOT NULL, public_key TEXT NOT NULL, origin TEXT NOT NULL, issued_at INTEGER NOT NULL, not_before INTEGER NOT NULL, not_after INTEGER NOT NULL, first_seen_at INTEGER, last_seen_at INTEGER, superseded_at INTEGER, revoked_at INTEGER);
CREATE INDEX agent_certificate_agent ON agent_certificate(agent, public_key);
",
// Who looked at which footage is read from the history. Signals of what cameras saw: which rule at which site, by which models,
// and whether they were raised in shadow.
"
CREATE INDEX history_id ON history(id, what);
CREATE TABLE seen(signal TEXT PRIMARY KEY, site TEXT NOT NULL, rule TEXT NOT NULL, version INTEGER NOT NULL, models TEXT NOT NULL, at INTEGER NOT NULL, is_shadow INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX seen_rule ON seen(site, rule, version, models);
",
// Signals of rules that say what repetition makes of them: when they were, whether a person set them aside, what became of them.
"
CREATE TABLE repeated(signal TEXT PRIMARY KEY, site TEXT NOT NULL, device TEXT NOT NULL, rule TEXT NOT NULL, version INTEGER NOT NULL, opened_at INTEGER NOT NULL, last_at INTEGER NOT NULL, terms TEXT NOT NULL, is_set_aside INTEGER NOT NULL, escalated TEXT) WITHOUT ROWID;
CREATE INDEX repeated_place ON repeated(site, device, rule, version, opened_at);
CREATE INDEX case_signal_case ON case_signal(case_id);
"];

impl Records {
    /// Opens the file, makes it, or brings it up to date.
    pub fn open(path: &Path) -> Result<Self, RecordsError> {
        let open = || -> rusqlite::Result<Connection> {
            let mut db = Connection::open(path)?;
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", "FULL")?;
            db.pragma_update(None, "foreign_keys", true)?;
            let applied: usize =
                db.pragma_query_value(None, "user_version", |r| r.get::<_, i64>(0))? as usize;
            for (n, migration) in MIGRATIONS.iter().enumerate().skip(applied) {
                let tx = db.transaction()?;
                tx.execute_batch(migration)?;
                tx.pragma_update(None, "user_version", (n + 1) as i64)?;
                tx.commit()?;
            }
            Ok(db)
        };
        let db = open().map_err(|source| RecordsError::Sql {
            doing: "open the records",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                db: Mutex::new(db),
            }),
        })
    }

    /// Does something in one transaction; all of it or nothing.
    pub fn write<T>(
        &self,
        doing: &'static str,
        act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, RecordsError> {
        let mut db = self.inner.db.lock().unwrap_or_else(PoisonError::into_inner);
        let run = || {
            let tx = db.transaction()?;
            let done = act(&tx)?;
            tx.commit()?;
            Ok(done)
        };
        run().map_err(|source| RecordsError::Sql {
            doing,
            path: self.inner.path.clone(),
            source,
        })
    }

    /// A record.
    pub fn get<T: DeserializeOwned>(
        &self,
        kind: &str,
        id: &str,
    ) -> Result<Option<T>, RecordsError> {
        self.write("read a record", |tx| get(tx, kind, id))
    }

    /// Records of a kind, of one owner if given, the newest first.
    pub fn list<T: DeserializeOwned>(
        &self,
        kind: &str,
        owner: Option<&str>,
    ) -> Result<Vec<T>, RecordsError> {
        self.write("list records", |tx| {
            let mut rows = tx.prepare_cached(
                "SELECT body FROM record WHERE kind = ?1 AND (?2 IS NULL OR owner = ?2) ORDER BY at DESC, id",
            )?;
            let bodies = rows.query_map(params![kind, owner], |r| r.get::<_, String>(0))?;
            bodies.map(|body| decode(&body?)).collect()
        })
    }
}

/// A record, within a transaction.
pub fn get<T: DeserializeOwned>(
    tx: &Transaction<'_>,
    kind: &str,
    id: &str,
) -> rusqlite::Result<Option<T>> {
    let body: Option<String> = tx
        .prepare_cached("SELECT body FROM record WHERE kind = ?1 AND id = ?2")?
        .query_row(params![kind, id], |r| r.get(0))
        .optional()?;
    body.map(|b| decode(&b)).transpose()
}

/// Writes a record, within a transaction.
pub fn put(
    tx: &Transaction<'_>,
    kind: &str,
    id: &str,
    owner: &str,
    at: Timestamp,
    record: &impl Serialize,
) -> rusqlite::Result<()> {
    let body = serde_json::to_string(record).expect("a record is always JSON");
    tx.prepare_cached("INSERT OR REPLACE INTO record VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![kind, id, owner, at.as_millis(), body])?;
    Ok(())
}

/// Appends to the history, within the transaction of what happened.
pub fn remember(
    tx: &Transaction<'_>,
    at: Timestamp,
    actor: &str,
    what: &str,
    id: &str,
    detail: &impl Serialize,
) -> rusqlite::Result<()> {
    let previous: Option<String> = tx
        .query_row(
            "SELECT hash FROM history ORDER BY n DESC LIMIT 1",
            [],
            |r| r.get(0),
        )
        .optional()?;
    let body = serde_json::to_string(detail).expect("a detail is always JSON");
    let hash = chained(
        &previous.unwrap_or_default(),
        at.as_millis(),
        actor,
        what,
        id,
        &body,
    );
    tx.execute(
        "INSERT INTO history(at, actor, what, id, body, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![at.as_millis(), actor, what, id, body, hash],
    )?;
    Ok(())
}

fn chained(previous: &str, at_ms: i64, actor: &str, what: &str, id: &str, body: &str) -> String {
    sha256(format!("{previous}\n{at_ms}\n{actor}\n{what}\n{id}\n{body}").as_bytes())
}

/// Checks the chain of the whole history: how many rows there are, or the number of the first that was altered.
pub fn verify_history(records: &Records) -> Result<Result<u64, i64>, RecordsError> {
    records.write("check the history", |tx| {
        let mut query =
            tx.prepare("SELECT n, at, actor, what, id, body, hash FROM history ORDER BY n")?;
        let mut rows = query.query([])?;
        let (mut previous, mut count) = (String::new(), 0);
        while let Some(row) = rows.next()? {
            let text = |n| row.get::<_, String>(n);
            let hash = chained(
                &previous,
                row.get(1)?,
                &text(2)?,
                &text(3)?,
                &text(4)?,
                &text(5)?,
            );
            if hash != text(6)? {
                return Ok(Err(row.get(0)?));
            }
            (previous, count) = (hash, count + 1);
        }
        Ok(Ok(count))
    })
}

pub use contract::hex::{hex, sha256};

/// A record of its JSON text.
pub fn decode<T: DeserializeOwned>(body: &str) -> rusqlite::Result<T> {
    serde_json::from_str(body).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_database_with_data_comes_up_to_the_schema_of_a_fresh_one() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("old.db");
        let db = Connection::open(&old).unwrap();
        db.execute_batch(MIGRATIONS[0]).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        db.execute("INSERT INTO record VALUES ('case', '1', 's', 5, '7')", [])
            .unwrap();
        let sent = "INSERT INTO outbox(key, entry, body, due_at) VALUES ('e-1', 'e', '{\"case\":\"7\"}', 0)";
        db.execute(sent, []).unwrap();
        drop(db);
        let schema = |records: &Records| -> Vec<String> {
            records
                .write("read the schema", |tx| {
                    let mut rows = tx.prepare(
                        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name",
                    )?;
                    rows.query_map([], |r| r.get(0))?.collect()
                })
                .unwrap()
        };
        let old = Records::open(&old).unwrap();
        let fresh = Records::open(&folder.path().join("fresh.db")).unwrap();
        assert_eq!(schema(&old), schema(&fresh));
        assert_eq!(old.get::<i64>("case", "1").unwrap(), Some(7));
        let chain: String = old
            .write("read", |tx| {
                tx.query_row("SELECT chain FROM outbox", [], |r| r.get(0))
            })
            .unwrap();
        assert_eq!(chain, "7");
    }

    #[test]
    fn the_history_cannot_be_changed_and_an_altered_row_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("records.db")).unwrap();
        for n in 0..3 {
            let at = Timestamp::from_millis(n);
            records
                .write("remember", |tx| remember(tx, at, "li", "decided", "1", &n))
                .unwrap();
        }
        assert_eq!(verify_history(&records).unwrap(), Ok(3));
        let alter = "UPDATE history SET actor = 'wang' WHERE n = 2";
        assert!(records.write("alter", |tx| tx.execute(alter, [])).is_err());
        assert!(
            records
                .write("alter", |tx| tx.execute("DELETE FROM history", []))
                .is_err()
        );
        records
            .write("alter", |tx| {
                tx.execute_batch(&format!("DROP TRIGGER history_is_not_changed; {alter};"))
            })
            .unwrap();
        assert_eq!(verify_history(&records).unwrap(), Err(2));
    }
}
