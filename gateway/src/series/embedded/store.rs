//! All SQL of the embedded series store: one file, tables `chunk`, `open`, `meta`.
//!
//! `synchronous=NORMAL` in WAL mode: a power cut may take the last commits back, all of each or nothing. That is
//! enough, because data and cursor are one commit and the journal still has everything after the cursor; the
//! journal is told a cursor only after [`Store::sync`].

use super::chunk::{self, Chunk, Effort, Scratch};
use super::columns::{Columns, Summary};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::path::Path;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS chunk (
  id INTEGER PRIMARY KEY, point INTEGER NOT NULL, t0 INTEGER NOT NULL, t1 INTEGER NOT NULL,
  n INTEGER NOT NULL, suspect INTEGER NOT NULL, missing INTEGER NOT NULL,
  min REAL, max REAL, sum REAL, through INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS chunk_of_point ON chunk (point, t1, t0);
CREATE TABLE IF NOT EXISTS open (point INTEGER PRIMARY KEY, through INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";
const VERSION: i64 = 1;

/// Why the series store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused.
    #[error("cannot {doing} in the series store")]
    Sql {
        /// What we were doing.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: rusqlite::Error,
    },
    /// Bytes that this code did not write.
    #[error("cannot read chunk {id} of point {point} in the series store")]
    Damaged {
        /// The row.
        id: i64,
        /// The point's number.
        point: u32,
        /// What is wrong with it.
        #[source]
        source: chunk::DamagedChunk,
    },
    /// A newer OneDoor wrote the file.
    #[error(
        "the series store has format {found}, this gateway knows {VERSION}; use the gateway that wrote it"
    )]
    Version {
        /// What the file says.
        found: i64,
    },
}

fn sql(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |source| StoreError::Sql { doing, source }
}

/// How far the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The last journal block that is wholly in it.
    pub cursor: u64,
    /// Readings taken in, those that replaced an equal time included.
    pub readings: u64,
    /// Readings that were seen to replace one with an equal time.
    pub replaced: u64,
}

/// A chunk's row without its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The row.
    pub id: i64,
    /// Earliest time.
    pub t0: i64,
    /// Latest time.
    pub t1: i64,
    /// What is in it.
    pub summary: Summary,
}

/// The file, opened by its only writer.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
}

impl Store {
    /// Opens or creates it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let refuse = sql("open the file");
        let connection = Connection::open(path).map_err(&refuse)?;
        let pragmas = "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
             PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-65536; PRAGMA busy_timeout=10000;";
        connection.execute_batch(pragmas).map_err(&refuse)?;
        connection.execute_batch(SCHEMA).map_err(&refuse)?;
        let store = Self { connection };
        match store.meta("version")? {
            None => store.set_meta("version", VERSION)?,
            Some(VERSION) => {}
            Some(found) => return Err(StoreError::Version { found }),
        }
        Ok(store)
    }

    /// How far it is.
    pub fn progress(&self) -> Result<Progress, StoreError> {
        let read = |key| Ok(self.meta(key)?.unwrap_or(0) as u64);
        Ok(Progress {
            cursor: read("cursor")?,
            readings: read("readings")?,
            replaced: read("replaced")?,
        })
    }

    /// The chunks that were still open at the last commit.
    pub fn open_chunks(&self) -> Result<Vec<(u32, u64, Columns)>, StoreError> {
        let refuse = sql("read the open chunks");
        let mut statement = self
            .connection
            .prepare("SELECT point, through, body FROM open ORDER BY point")
            .map_err(&refuse)?;
        let mut rows = statement.query([]).map_err(&refuse)?;
        let mut chunks = Vec::new();
        while let Some(row) = rows.next().map_err(&refuse)? {
            let point: u32 = row.get(0).map_err(&refuse)?;
            let through: i64 = row.get(1).map_err(&refuse)?;
            let body = row.get_ref(2).map_err(&refuse)?;
            let body = body.as_blob().unwrap_or_default();
            let columns = chunk::decode(body).map_err(|source| StoreError::Damaged {
                id: -1,
                point,
                source,
            })?;
            chunks.push((point, through as u64, columns));
        }
        Ok(chunks)
    }

    /// Begins the one transaction of a checkpoint.
    pub fn begin(&mut self) -> Result<Checkpoint<'_>, StoreError> {
        self.connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(sql("begin a checkpoint"))?;
        Ok(Checkpoint {
            store: self,
            is_done: false,
        })
    }

    /// Makes every commit so far durable, and keeps the write-ahead log small. False if a long query is in the
    /// way; then it is the next one's turn.
    pub fn sync(&self) -> Result<bool, StoreError> {
        let (is_busy, log, copied): (i64, i64, i64) = self
            .connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .map_err(sql("make commits durable"))?;
        Ok(is_busy == 0 && log == copied)
    }

    /// Deletes chunks that end before `cutoff_ms`. Returns how many.
    pub fn expire(&mut self, cutoff_ms: i64) -> Result<usize, StoreError> {
        self.connection
            .execute("DELETE FROM chunk WHERE t1 < ?1", [cutoff_ms])
            .map_err(sql("delete old chunks"))
    }

    fn meta(&self, key: &str) -> Result<Option<i64>, StoreError> {
        self.connection
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")
            .and_then(|mut s| s.query_row([key], |row| row.get(0)).optional())
            .map_err(sql("read how far it is"))
    }

    fn set_meta(&self, key: &str, value: i64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")
            .and_then(|mut s| s.execute(params![key, value]))
            .map(drop)
            .map_err(sql("write how far it is"))
    }
}

/// A checkpoint being written. Dropped without [`Checkpoint::commit`], nothing of it stays.
#[derive(Debug)]
pub struct Checkpoint<'a> {
    store: &'a Store,
    is_done: bool,
}

impl Checkpoint<'_> {
    /// Adds a sealed chunk.
    pub fn chunk(&mut self, point: u32, chunk: &Chunk) -> Result<(), StoreError> {
        let s = &chunk.summary;
        let some = |value: f64| (s.n > 0).then_some(value);
        self.store
            .connection
            .prepare_cached(
                "INSERT INTO chunk (point, t0, t1, n, suspect, missing, min, max, sum, through, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    point,
                    chunk.t0,
                    chunk.t1,
                    s.n as i64,
                    s.suspect as i64,
                    s.missing as i64,
                    some(s.min),
                    some(s.max),
                    s.sum,
                    chunk.through as i64,
                    chunk.body
                ])
            })
            .map(drop)
            .map_err(sql("write a chunk"))
    }

    /// Writes what of a point is still open; nothing open deletes the row.
    pub fn open(
        &mut self,
        point: u32,
        through: u64,
        open: &Columns,
        scratch: &mut Scratch,
    ) -> Result<(), StoreError> {
        let connection = &self.store.connection;
        let written = if open.is_empty() {
            connection
                .prepare_cached("DELETE FROM open WHERE point = ?1")
                .and_then(|mut statement| statement.execute([point]))
        } else {
            let body = chunk::encode(open, Effort::Plain, scratch);
            connection
                .prepare_cached(
                    "INSERT INTO open (point, through, body) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET through = ?2, body = ?3",
                )
                .and_then(|mut statement| statement.execute(params![point, through as i64, body]))
        };
        written.map(drop).map_err(sql("write an open chunk"))
    }

    /// Commits everything with the cursor.
    pub fn commit(mut self, progress: Progress) -> Result<(), StoreError> {
        self.store.set_meta("cursor", progress.cursor as i64)?;
        self.store.set_meta("readings", progress.readings as i64)?;
        self.store.set_meta("replaced", progress.replaced as i64)?;
        self.store
            .connection
            .execute_batch("COMMIT")
            .map_err(sql("commit a checkpoint"))?;
        self.is_done = true;
        Ok(())
    }
}

impl Drop for Checkpoint<'_> {
    fn drop(&mut self) {
        if !self.is_done
            && let Err(error) = self.store.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a failed checkpoint of the series store could not be rolled back");
        }
    }
}

/// A connection that only reads.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens the file for reading.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let refuse = sql("open the file for reading");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(&refuse)?;
        connection
            .execute_batch("PRAGMA busy_timeout=10000; PRAGMA cache_size=-8192;")
            .map_err(&refuse)?;
        Ok(Self { connection })
    }

    /// From here to [`Reader::end`] every query sees the same commit.
    pub fn begin(&self) -> Result<(), StoreError> {
        self.connection
            .execute_batch("BEGIN; SELECT value FROM meta WHERE key = 'cursor'")
            .map_err(sql("begin a query"))
    }

    /// Ends what [`Reader::begin`] began.
    pub fn end(&self) -> Result<(), StoreError> {
        self.connection
            .execute_batch("COMMIT")
            .map_err(sql("end a query"))
    }

    /// The chunks of a point that touch `from..to`, in the order they were written.
    pub fn chunks(&self, point: u32, from: i64, to: i64) -> Result<Vec<Row>, StoreError> {
        let refuse = sql("look for chunks");
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT id, t0, t1, n, suspect, missing, min, max, sum FROM chunk
                 WHERE point = ?1 AND t1 >= ?2 AND t0 < ?3",
            )
            .map_err(&refuse)?;
        let rows = statement
            .query_map(params![point, from, to], row)
            .map_err(&refuse)?;
        let mut rows: Vec<Row> = rows.collect::<Result<_, _>>().map_err(&refuse)?;
        rows.sort_unstable_by_key(|row| row.id);
        Ok(rows)
    }

    /// The chunk of a point that reaches furthest.
    pub fn newest(&self, point: u32) -> Result<Option<Row>, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT id, t0, t1, n, suspect, missing, min, max, sum FROM chunk
                 WHERE point = ?1 ORDER BY t1 DESC LIMIT 1",
            )
            .and_then(|mut statement| statement.query_row([point], row).optional())
            .map_err(sql("look for the newest chunk"))
    }

    /// Calls `take` with every chunk of the store: its point and its bytes, by point, in the order written.
    pub fn scan(
        &self,
        mut take: impl FnMut(u32, &[u8]) -> Result<(), chunk::DamagedChunk>,
    ) -> Result<(), StoreError> {
        let refuse = sql("scan the chunks");
        let mut statement = self
            .connection
            .prepare("SELECT id, point, body FROM chunk ORDER BY point, id")
            .map_err(&refuse)?;
        let mut rows = statement.query([]).map_err(&refuse)?;
        while let Some(row) = rows.next().map_err(&refuse)? {
            let point: u32 = row.get(1).map_err(&refuse)?;
            let id = row.get(0).map_err(&refuse)?;
            let body = row.get_ref(2).map_err(&refuse)?;
            take(point, body.as_blob().unwrap_or_default())
                .map_err(|source| StoreError::Damaged { id, point, source })?;
        }
        Ok(())
    }

    /// The bytes of a chunk.
    pub fn body<T>(
        &self,
        point: u32,
        id: i64,
        read: impl FnOnce(&[u8]) -> Result<T, chunk::DamagedChunk>,
    ) -> Result<T, StoreError> {
        let refuse = sql("read a chunk");
        let mut statement = self
            .connection
            .prepare_cached("SELECT body FROM chunk WHERE id = ?1")
            .map_err(&refuse)?;
        let mut rows = statement.query([id]).map_err(&refuse)?;
        let row = rows.next().map_err(&refuse)?;
        let row = row
            .ok_or(rusqlite::Error::QueryReturnedNoRows)
            .map_err(&refuse)?;
        let body = row.get_ref(0).map_err(&refuse)?;
        read(body.as_blob().unwrap_or_default()).map_err(|source| StoreError::Damaged {
            id,
            point,
            source,
        })
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let count = |index| row.get::<_, i64>(index).map(|n| n as u64);
    Ok(Row {
        id: row.get(0)?,
        t0: row.get(1)?,
        t1: row.get(2)?,
        summary: Summary {
            n: count(3)?,
            suspect: count(4)?,
            missing: count(5)?,
            min: row.get::<_, Option<f64>>(6)?.unwrap_or(f64::INFINITY),
            max: row.get::<_, Option<f64>>(7)?.unwrap_or(f64::NEG_INFINITY),
            sum: row.get::<_, Option<f64>>(8)?.unwrap_or(f64::NAN),
        },
    })
}
