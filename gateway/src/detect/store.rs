//! Signals, their change log and the snapshots of the detectors, in one SQLite file (`detect.db`).
//!
//! Promise: a change that was written before (the same signal, kind and time, replayed after a crash) is not
//! written again and does not turn a signal back; a snapshot and its cursor are replaced together; a follower of
//! the change log that keeps the number of the last change it handled misses none.
//!
//! Tables: `signal(id, site, point, opened_at, closed_at, body)`, `change(number, signal, kind, at, body)`,
//! `snapshot(name, part, body)`, `cursor(name, seq, parts, made_by)`. Bodies of the first two are JSON.

use super::signal::{ChangeKind, Signal, SignalChange};
use contract::SiteId;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Why signals cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SignalLogError {
    /// The file cannot be opened.
    #[error("cannot open the signal store {path}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Reading failed.
    #[error("cannot read signals while {doing}")]
    Read {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Writing failed.
    #[error("cannot write {what} to the signal store")]
    Write {
        /// What was being written.
        what: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A stored signal is not understood.
    #[error("signal {id} in the store cannot be understood")]
    Damaged {
        /// Which.
        id: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS signal (
        id TEXT PRIMARY KEY, site TEXT NOT NULL, point INTEGER NOT NULL, opened_at INTEGER NOT NULL,
        closed_at INTEGER, body TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS signal_site ON signal (site, opened_at);
    CREATE TABLE IF NOT EXISTS change (
        number INTEGER PRIMARY KEY AUTOINCREMENT, signal TEXT NOT NULL, kind INTEGER NOT NULL,
        at INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (signal, kind, at));
    CREATE TABLE IF NOT EXISTS snapshot (
        name TEXT NOT NULL, part INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (name, part)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS cursor (
        name TEXT PRIMARY KEY, seq INTEGER NOT NULL, made_by TEXT NOT NULL) WITHOUT ROWID;
";

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(30))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

fn read<T>(doing: &'static str) -> impl Fn(rusqlite::Error) -> Result<T, SignalLogError> {
    move |source| Err(SignalLogError::Read { doing, source })
}

/// A snapshot of a detector and the last journal block that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Last block applied.
    pub seq: u64,
    /// Which rules or model made it.
    pub made_by: String,
    /// The state, in parts.
    pub parts: Vec<Vec<u8>>,
}

/// The writing half: each detector has its own, on its own connection.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    head: watch::Sender<u64>,
}

impl Store {
    /// Writes `changes` that are new, in order, in one transaction, and tells the followers. Returns those that
    /// were new, with their numbers.
    pub fn write(
        &mut self,
        changes: Vec<SignalChange>,
    ) -> Result<Vec<SignalChange>, SignalLogError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let fresh = self
            .write_in_transaction(changes)
            .map_err(|source| SignalLogError::Write {
                what: "signals",
                source,
            })?;
        if let Some(last) = fresh.last() {
            let number = last.number;
            self.head.send_if_modified(|head| {
                let is_later = number > *head;
                *head = number.max(*head);
                is_later
            });
        }
        Ok(fresh)
    }

    fn write_in_transaction(
        &mut self,
        changes: Vec<SignalChange>,
    ) -> Result<Vec<SignalChange>, rusqlite::Error> {
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut fresh = Vec::with_capacity(changes.len());
        {
            let mut log = transaction.prepare_cached(
                "INSERT OR IGNORE INTO change (signal, kind, at, body) VALUES (?1, ?2, ?3, ?4)",
            )?;
            let mut upsert = transaction.prepare_cached(
                "INSERT INTO signal (id, site, point, opened_at, closed_at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (id) DO UPDATE SET closed_at = excluded.closed_at, body = excluded.body",
            )?;
            for mut change in changes {
                let signal = &change.signal;
                let body = serde_json::to_string(signal).expect("a signal is always JSON");
                let at = signal.closed_at.unwrap_or(signal.last_at).as_millis();
                let written = log.execute(params![signal.id, change.kind.code(), at, body])?;
                if written == 0 {
                    continue;
                }
                change.number = transaction.last_insert_rowid() as u64;
                upsert.execute(params![
                    signal.id,
                    signal.site.as_str(),
                    signal.point.0,
                    signal.opened_at.as_millis(),
                    signal.closed_at.map(|t| t.as_millis()),
                    body
                ])?;
                fresh.push(change);
            }
        }
        transaction.commit()?;
        Ok(fresh)
    }

    /// Replaces the snapshot `name` and its cursor together.
    pub fn save(&mut self, name: &str, snapshot: &Snapshot) -> Result<(), SignalLogError> {
        let save = |connection: &mut Connection| -> Result<(), rusqlite::Error> {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            transaction.execute("DELETE FROM snapshot WHERE name = ?1", [name])?;
            for (part, body) in snapshot.parts.iter().enumerate() {
                transaction.execute(
                    "INSERT INTO snapshot (name, part, body) VALUES (?1, ?2, ?3)",
                    params![name, part as i64, body],
                )?;
            }
            transaction.execute(
                "INSERT OR REPLACE INTO cursor (name, seq, made_by) VALUES (?1, ?2, ?3)",
                params![name, snapshot.seq as i64, snapshot.made_by],
            )?;
            transaction.commit()
        };
        save(&mut self.connection).map_err(|source| SignalLogError::Write {
            what: "a snapshot",
            source,
        })
    }

    /// The snapshot `name`, if one was saved.
    pub fn load(&self, name: &str) -> Result<Option<Snapshot>, SignalLogError> {
        let load = || -> Result<Option<Snapshot>, rusqlite::Error> {
            let head = self
                .connection
                .query_row(
                    "SELECT seq, made_by FROM cursor WHERE name = ?1",
                    [name],
                    |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
                )
                .optional()?;
            let Some((seq, made_by)) = head else {
                return Ok(None);
            };
            let mut query = self
                .connection
                .prepare("SELECT body FROM snapshot WHERE name = ?1 ORDER BY part")?;
            let parts = query
                .query_map([name], |row| row.get(0))?
                .collect::<Result<Vec<Vec<u8>>, _>>()?;
            Ok(Some(Snapshot {
                seq: seq as u64,
                made_by,
                parts,
            }))
        };
        load().or_else(read("loading a snapshot"))
    }
}

/// The reading half, for cases, API and events. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Signals {
    path: Arc<PathBuf>,
    connection: Arc<Mutex<Connection>>,
    head: watch::Sender<u64>,
}

impl Signals {
    /// Opens the store, or makes it.
    pub fn open(path: &Path) -> Result<Signals, SignalLogError> {
        let open = || -> Result<(Connection, u64), rusqlite::Error> {
            let connection = connect(path)?;
            let head: i64 =
                connection.query_row("SELECT COALESCE(MAX(number), 0) FROM change", [], |r| {
                    r.get(0)
                })?;
            Ok((connection, head as u64))
        };
        let (connection, head) = open().map_err(|source| SignalLogError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Signals {
            path: Arc::new(path.to_owned()),
            connection: Arc::new(Mutex::new(connection)),
            head: watch::Sender::new(head),
        })
    }

    /// A writing half on a connection of its own; its changes wake the subscribers of this one.
    pub fn writer(&self) -> Result<Store, SignalLogError> {
        let connection = connect(&self.path).map_err(|source| SignalLogError::Open {
            path: self.path.to_path_buf(),
            source,
        })?;
        Ok(Store {
            connection,
            head: self.head.clone(),
        })
    }

    /// Wakes when a change was written. The number is that of the latest change; read the changes themselves
    /// with [`Signals::changes_after`].
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// The changes with a number above `number`, at most `limit`, in order.
    pub fn changes_after(
        &self,
        number: u64,
        limit: usize,
    ) -> Result<Vec<SignalChange>, SignalLogError> {
        let connection = self.lock();
        let rows = || -> Result<Vec<(i64, String, i64, String)>, rusqlite::Error> {
            connection
                .prepare_cached(
                    "SELECT number, signal, kind, body FROM change WHERE number > ?1 ORDER BY number LIMIT ?2",
                )?
                .query_map(params![number as i64, limit as i64], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })?
                .collect()
        };
        rows()
            .or_else(read("following the change log"))?
            .into_iter()
            .map(|(number, id, kind, body)| {
                Ok(SignalChange {
                    number: number as u64,
                    kind: ChangeKind::from_code(kind),
                    signal: parse(id, &body)?,
                })
            })
            .collect()
    }

    /// One signal as it stands now.
    pub fn get(&self, id: &str) -> Result<Option<Signal>, SignalLogError> {
        Ok(self
            .select("reading one signal", "WHERE id = ?1", params![id])?
            .pop())
    }

    /// The signals of a site that opened in `from_ms..to_ms`, newest first, at most `limit`.
    pub fn by_site(
        &self,
        site: &SiteId,
        from_ms: i64,
        to_ms: i64,
        limit: usize,
    ) -> Result<Vec<Signal>, SignalLogError> {
        self.select(
            "reading the signals of a site",
            "WHERE site = ?1 AND opened_at >= ?2 AND opened_at < ?3 ORDER BY opened_at DESC, id LIMIT ?4",
            params![site.as_str(), from_ms, to_ms, limit as i64],
        )
    }

    /// All signals that are open now.
    pub fn open_now(&self) -> Result<Vec<Signal>, SignalLogError> {
        self.select(
            "reading open signals",
            "WHERE closed_at IS NULL ORDER BY opened_at, id",
            params![],
        )
    }

    fn select(
        &self,
        doing: &'static str,
        tail: &str,
        args: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<Signal>, SignalLogError> {
        let connection = self.lock();
        let rows = || -> Result<Vec<(String, String)>, rusqlite::Error> {
            connection
                .prepare_cached(&format!("SELECT id, body FROM signal {tail}"))?
                .query_map(args, |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        };
        rows()
            .or_else(read(doing))?
            .into_iter()
            .map(|(id, body)| parse(id, &body))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse(id: String, body: &str) -> Result<Signal, SignalLogError> {
    serde_json::from_str(body).map_err(|source| SignalLogError::Damaged { id, source })
}
