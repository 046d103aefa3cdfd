//! Lines that InfluxDB refused, with its answer: kept for a person, in `influx-refused.db`.

use rusqlite::{Connection, params};
use std::path::Path;

/// Rows kept; beyond this refused lines are only counted and logged, so that a server that refuses everything
/// does not fill the disk.
const ROWS_MAX: u64 = 1_000_000;

/// Why a line could not be set aside.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} the quarantine of refused lines")]
pub struct QuarantineError {
    doing: &'static str,
    #[source]
    source: rusqlite::Error,
}

/// One refused line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The journal block it came from.
    pub journal_seq: u64,
    /// The line, or what of the reading could be told.
    pub line: String,
    /// The server's answer, or why it was never sent.
    pub answer: String,
}

/// The file.
#[derive(Debug)]
pub struct Quarantine {
    connection: Connection,
    rows: u64,
}

impl Quarantine {
    /// Opens or creates it.
    pub fn open(path: &Path) -> Result<Self, QuarantineError> {
        let refuse = |source| QuarantineError {
            doing: "open",
            source,
        };
        let connection = Connection::open(path).map_err(refuse)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=10000;
                 CREATE TABLE IF NOT EXISTS refused (journal_seq INTEGER NOT NULL, line TEXT NOT NULL,
                   answer TEXT NOT NULL, PRIMARY KEY (journal_seq, line)) STRICT, WITHOUT ROWID;",
            )
            .map_err(refuse)?;
        let rows: i64 = connection
            .query_row("SELECT count(*) FROM refused", [], |row| row.get(0))
            .map_err(refuse)?;
        Ok(Self {
            connection,
            rows: rows as u64,
        })
    }

    /// Sets lines aside, durably and each once however often it is tried.
    pub fn put(&mut self, refused: &[Refused]) -> Result<(), QuarantineError> {
        let refuse = |source| QuarantineError {
            doing: "write to",
            source,
        };
        let transaction = self.connection.transaction().map_err(refuse)?;
        let mut rows = self.rows;
        for one in refused
            .iter()
            .take((ROWS_MAX - self.rows.min(ROWS_MAX)) as usize)
        {
            rows += transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO refused (journal_seq, line, answer) VALUES (?1, ?2, ?3)",
                )
                .and_then(|mut statement| {
                    statement.execute(params![one.journal_seq as i64, one.line, one.answer])
                })
                .map_err(refuse)? as u64;
        }
        transaction.commit().map_err(refuse)?;
        self.rows = rows;
        Ok(())
    }

    /// The first lines set aside.
    pub fn list(&self, limit: usize) -> Result<Vec<Refused>, QuarantineError> {
        let refuse = |source| QuarantineError {
            doing: "read",
            source,
        };
        let mut statement = self
            .connection
            .prepare("SELECT journal_seq, line, answer FROM refused ORDER BY journal_seq LIMIT ?1")
            .map_err(refuse)?;
        let rows = statement
            .query_map([limit as i64], |row| {
                Ok(Refused {
                    journal_seq: row.get::<_, i64>(0)? as u64,
                    line: row.get(1)?,
                    answer: row.get(2)?,
                })
            })
            .map_err(refuse)?;
        rows.collect::<Result<_, _>>().map_err(refuse)
    }
}
