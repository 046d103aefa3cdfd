//! Signals on disk (`detect.db`), and who wants to hear of them.
//!
//! Promise: a signal's identity is its rule or model, its point and when it opened, so that applying the same
//! change twice changes nothing; every change that changed something has a number, and whoever follows by that
//! number misses none.

use super::{escalate::Escalated, rule::Severity};
use crate::ingest::dictionary::Point;
use contract::{DeviceId, PointName, SiteId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// What raised a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Source {
    /// A rule.
    Rule {
        /// Its id.
        id: String,
        /// Its version.
        version: u32,
    },
    /// A model.
    Model {
        /// Its name.
        name: String,
        /// Its version.
        version: u32,
        /// SHA-256 of its file.
        sha256: String,
    },
}

/// One episode of one rule or model at one point. It has no legal nature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Its identity, see [`Signal::identity`].
    pub id: String,
    /// What raised it.
    pub source: Source,
    /// Where.
    pub site: SiteId,
    /// The instrument.
    pub device: DeviceId,
    /// The quantity.
    pub point: PointName,
    /// How urgent: as its rule says, or what repetition makes of it.
    pub severity: Severity,
    /// Why it is graver than its rule. The engine never sets it and no signal is stored with it: cases know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalated: Option<Escalated>,
    /// Since when the condition held.
    pub opened_at: Timestamp,
    /// The latest reading it was judged by.
    pub last_at: Timestamp,
    /// When it was clear again; `None` while it is open.
    pub closed_at: Option<Timestamp>,
    /// What was compared when it opened, in the unit (a score for models).
    pub measured: f64,
    /// The worst since.
    pub peak: f64,
    /// What it was compared with; `None` for models.
    pub limit: Option<f64>,
    /// The unit of both.
    pub unit: String,
    /// The journal block in which the latest change was seen.
    pub journal_seq: u64,
}

impl Signal {
    /// 20 hexadecimal digits of SHA-256 over source, point and opening time.
    pub fn identity(source: &str, point: &Point, opened_at: Timestamp) -> String {
        let text = format!(
            "{source}\n{}\n{}\n{}\n{}",
            point.site,
            point.device,
            point.name,
            opened_at.as_millis()
        );
        let mut digits = contract::hex::sha256(text.as_bytes());
        digits.truncate(20);
        digits
    }
}

/// Why signals could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} in {path}")]
pub struct SignalError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: rusqlite::Error,
}

/// The signals. Cheap to clone; calls block for as long as the disk takes.
#[derive(Debug, Clone)]
pub struct Signals {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    db: Mutex<Connection>,
    changed: watch::Sender<u64>,
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS signal(id TEXT PRIMARY KEY, site TEXT NOT NULL, opened_at INTEGER NOT NULL,
  closed_at INTEGER, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS signal_site ON signal(site, opened_at);
CREATE INDEX IF NOT EXISTS signal_open ON signal(opened_at) WHERE closed_at IS NULL;
CREATE TABLE IF NOT EXISTS change(n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS follower(name TEXT PRIMARY KEY, cursor INTEGER NOT NULL, snapshot BLOB NOT NULL) WITHOUT ROWID;
";

impl Signals {
    /// Opens the file, or makes it.
    pub fn open(path: &Path) -> Result<Self, SignalError> {
        let refuse = |source| SignalError {
            doing: "open the signals",
            path: path.to_owned(),
            source,
        };
        let db = Connection::open(path).map_err(refuse)?;
        db.pragma_update(None, "journal_mode", "WAL")
            .map_err(refuse)?;
        db.pragma_update(None, "synchronous", "FULL")
            .map_err(refuse)?;
        db.execute_batch(SCHEMA).map_err(refuse)?;
        let last: i64 = db
            .query_row("SELECT COALESCE(MAX(n), 0) FROM change", [], |r| r.get(0))
            .map_err(refuse)?;
        let changed = watch::Sender::new(last as u64);
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                db: Mutex::new(db),
                changed,
            }),
        })
    }

    /// Writes what changed; what is as it was is left alone. Returns the signals that are new.
    pub fn apply(&self, signals: &[Signal]) -> Result<Vec<Signal>, SignalError> {
        let mut opened = Vec::new();
        let last = {
            let mut db = self.db();
            let mut write = |db: &mut Connection| -> rusqlite::Result<Option<i64>> {
                let tx = db.transaction()?;
                let mut last = None;
                for signal in signals {
                    let body = serde_json::to_string(signal).expect("a signal is always JSON");
                    let known: Option<String> = tx
                        .query_row("SELECT body FROM signal WHERE id = ?1", [&signal.id], |r| {
                            r.get(0)
                        })
                        .optional()?;
                    if known.as_ref() == Some(&body)
                        || known.as_deref().is_some_and(|k| is_older(signal, k))
                    {
                        continue;
                    }
                    if known.is_none() {
                        opened.push(signal.clone());
                    }
                    tx.prepare_cached("INSERT OR REPLACE INTO signal VALUES (?1, ?2, ?3, ?4, ?5)")?
                        .execute(params![
                            signal.id,
                            signal.site.as_str(),
                            signal.opened_at.as_millis(),
                            signal.closed_at.map(Timestamp::as_millis),
                            body
                        ])?;
                    tx.prepare_cached("INSERT INTO change(id) VALUES (?1)")?
                        .execute([&signal.id])?;
                    last = Some(tx.last_insert_rowid());
                }
                tx.commit()?;
                Ok(last)
            };
            write(&mut db).map_err(|source| self.error("write signals", source))?
        };
        if let Some(last) = last {
            self.inner.changed.send_replace(last as u64);
        }
        Ok(opened)
    }

    /// Signals that changed after change number `after`, each once, with the number up to which this is.
    pub fn changes_after(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<(u64, Vec<Signal>), SignalError> {
        let db = self.db();
        let read = || -> rusqlite::Result<(u64, Vec<Signal>)> {
            let mut rows =
                db.prepare_cached("SELECT n, id FROM change WHERE n > ?1 ORDER BY n LIMIT ?2")?;
            let mut last = after;
            let mut ids: Vec<String> = Vec::new();
            for row in rows.query_map(params![after as i64, limit as i64], |r| {
                Ok((r.get::<_, i64>(0)? as u64, r.get(1)?))
            })? {
                let (n, id): (u64, String) = row?;
                last = n;
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            let mut one = db.prepare_cached("SELECT body FROM signal WHERE id = ?1")?;
            let bodies = ids
                .iter()
                .map(|id| one.query_row([id], |r| r.get::<_, String>(0)));
            Ok((last, decode(bodies.collect::<Result<_, _>>()?)))
        };
        read().map_err(|source| self.error("read changes", source))
    }

    /// Wakes with the number of the latest change.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// One signal.
    pub fn get(&self, id: &str) -> Result<Option<Signal>, SignalError> {
        let body: Option<String> = self
            .db()
            .query_row("SELECT body FROM signal WHERE id = ?1", [id], |r| r.get(0))
            .optional()
            .map_err(|source| self.error("read a signal", source))?;
        Ok(body.and_then(|b| decode(vec![b]).pop()))
    }

    /// The signals of a site, the newest first; of all sites if `None`.
    pub fn list(&self, site: Option<&SiteId>, limit: usize) -> Result<Vec<Signal>, SignalError> {
        let db = self.db();
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut rows = db.prepare_cached(
                "SELECT body FROM signal WHERE ?1 IS NULL OR site = ?1 ORDER BY opened_at DESC, id LIMIT ?2",
            )?;
            rows.query_map(params![site.map(SiteId::as_str), limit as i64], |r| {
                r.get(0)
            })?
            .collect()
        };
        read()
            .map(decode)
            .map_err(|source| self.error("list signals", source))
    }

    /// The signals of a site that were under way within `from..=to`, the newest first. What is open is under way.
    pub fn around(
        &self,
        site: &SiteId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Signal>, SignalError> {
        let db = self.db();
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut rows = db.prepare_cached(
                "SELECT body FROM signal WHERE site = ?1 AND opened_at <= ?3 AND (closed_at IS NULL OR closed_at >= ?2)
                 ORDER BY opened_at DESC, id",
            )?;
            rows.query_map(
                params![site.as_str(), from.as_millis(), to.as_millis()],
                |r| r.get(0),
            )?
            .collect()
        };
        read()
            .map(decode)
            .map_err(|source| self.error("list signals", source))
    }

    /// All signals that are open.
    pub fn open_now(&self) -> Result<Vec<Signal>, SignalError> {
        let db = self.db();
        let read = || -> rusqlite::Result<Vec<String>> {
            db.prepare_cached(
                "SELECT body FROM signal WHERE closed_at IS NULL ORDER BY opened_at, id",
            )?
            .query_map([], |r| r.get(0))?
            .collect()
        };
        read()
            .map(decode)
            .map_err(|source| self.error("list open signals", source))
    }

    /// The cursor and snapshot of a follower of the journal.
    pub fn follower(&self, name: &str) -> Result<Option<(u64, Vec<u8>)>, SignalError> {
        self.db()
            .query_row(
                "SELECT cursor, snapshot FROM follower WHERE name = ?1",
                [name],
                |r| Ok((r.get::<_, i64>(0)? as u64, r.get(1)?)),
            )
            .optional()
            .map_err(|source| self.error("read a snapshot", source))
    }

    /// Writes a follower's cursor and snapshot together.
    pub fn set_follower(
        &self,
        name: &str,
        cursor: u64,
        snapshot: &[u8],
    ) -> Result<(), SignalError> {
        self.db()
            .execute(
                "INSERT OR REPLACE INTO follower VALUES (?1, ?2, ?3)",
                params![name, cursor as i64, snapshot],
            )
            .map(|_| ())
            .map_err(|source| self.error("write a snapshot", source))
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.inner.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, doing: &'static str, source: rusqlite::Error) -> SignalError {
        SignalError {
            doing,
            path: self.inner.path.clone(),
            source,
        }
    }
}

/// After a crash the journal is read again from the last snapshot, and early states of a signal come by again.
/// One block may open, extend and close a signal, so its number alone does not order the states.
fn is_older(signal: &Signal, known: &str) -> bool {
    let order = |s: &Signal| (s.journal_seq, s.closed_at.is_some(), s.last_at);
    serde_json::from_str::<Signal>(known).is_ok_and(|known| order(signal) <= order(&known))
}

fn decode(bodies: Vec<String>) -> Vec<Signal> {
    bodies
        .iter()
        .filter_map(|body| serde_json::from_str(body).ok())
        .collect()
}
