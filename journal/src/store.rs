//! All SQL of the journal. [`Store`] is the writer's, [`Reader`] everyone else's.

use crate::{
    Block, OpenError, Options, ReadError, Seq,
    block::{GENESIS, chain},
    error::is_damage,
    tail::Progress,
};
use bytes::Bytes;
use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// `user_version` of the file.
const FORMAT: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE block (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, count INTEGER NOT NULL,
                    hash BLOB NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE note (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE cursor (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE anchor (only INTEGER PRIMARY KEY CHECK (only = 0), seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
INSERT INTO anchor VALUES (0, 0, zeroblob(32));
PRAGMA user_version = 1;
";

pub(crate) struct Store {
    connection: Connection,
    progress: Progress,
    bytes_max: Option<u64>,
}

impl Store {
    pub fn open(path: &Path, options: &Options) -> Result<Store, OpenError> {
        let refuse = |source| OpenError::Store {
            path: path.to_owned(),
            source,
        };
        let mut connection = Connection::open(path).map_err(refuse)?;
        prepare(&connection, options).map_err(refuse)?;
        let found = create(&mut connection).map_err(refuse)?;
        if found != FORMAT {
            return Err(OpenError::Format {
                path: path.to_owned(),
                found,
            });
        }
        if options.is_checked {
            check(&connection).map_err(refuse)?;
        }
        let progress = progress(&connection).map_err(refuse)?;
        Ok(Store {
            connection,
            progress,
            bytes_max: options.bytes_max,
        })
    }

    pub fn progress(&self) -> Progress {
        self.progress
    }

    pub fn begin(&mut self) -> Result<Write<'_>, rusqlite::Error> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        Ok(Write {
            transaction,
            staged: self.progress,
            committed: &mut self.progress,
            bytes_max: self.bytes_max,
        })
    }

    /// As [`Write::trim`], in a transaction of its own.
    pub fn trim(&mut self, through: Seq) -> Result<(), rusqlite::Error> {
        let mut write = self.begin()?;
        write.trim(through)?;
        write.commit()
    }

    /// The first block of an empty journal will be the one after `before`.
    pub fn begin_at(&mut self, before: Seq) -> Result<(), rusqlite::Error> {
        self.connection
            .execute("UPDATE anchor SET seq = ?1", [to_sql(before)])?;
        self.progress = progress(&self.connection)?;
        Ok(())
    }

    /// Finds out from the file where the journal ends, after a write failed.
    pub fn reload(&mut self) {
        match progress(&self.connection) {
            Ok(progress) => self.progress = progress,
            Err(error) => {
                tracing::error!(%error, "the journal cannot be read back after a failed write")
            }
        }
    }

    /// Copies the write-ahead log into the file and shortens it to nothing, on closing.
    pub fn tidy(&self) {
        let done = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = done {
            tracing::warn!(%error, "the journal's write-ahead log could not be tidied away; nothing is lost");
        }
    }
}

/// One transaction of the writer.
pub(crate) struct Write<'a> {
    transaction: Transaction<'a>,
    staged: Progress,
    committed: &'a mut Progress,
    bytes_max: Option<u64>,
}

impl Write<'_> {
    /// `(used, limit)` if `more` bytes do not fit, even without the blocks up to `through`.
    pub fn is_over_without(
        &self,
        through: Seq,
        more: usize,
    ) -> Result<Option<(u64, u64)>, rusqlite::Error> {
        let Some(limit) = self.bytes_max else {
            return Ok(None);
        };
        let used = self.staged.used.saturating_sub(self.bytes(through)?);
        Ok((used + more as u64 > limit).then_some((used, limit)))
    }

    /// Body bytes of the blocks up to `through`.
    fn bytes(&self, through: Seq) -> Result<u64, rusqlite::Error> {
        if through < self.staged.first {
            return Ok(0);
        }
        let bytes: i64 = self
            .transaction
            .prepare_cached("SELECT coalesce(sum(length(body)), 0) FROM block WHERE seq <= ?1")?
            .query_row([to_sql(through)], |row| row.get(0))?;
        Ok(bytes.unsigned_abs())
    }

    /// Deletes up to `through`, at most all there is, and anchors the chain at it.
    pub fn trim(&mut self, through: Seq) -> Result<(), rusqlite::Error> {
        let through = through.min(self.staged.head);
        if through < self.staged.first {
            return Ok(());
        }
        let freed = self.bytes(through)?;
        self.transaction.execute(
            "UPDATE anchor SET seq = ?1, hash = (SELECT hash FROM block WHERE seq = ?1)",
            [to_sql(through)],
        )?;
        self.transaction
            .execute("DELETE FROM block WHERE seq <= ?1", [to_sql(through)])?;
        self.staged.first = through.next();
        self.staged.used = self.staged.used.saturating_sub(freed);
        Ok(())
    }

    pub fn block(&mut self, at_ms: i64, count: u64, body: Bytes) -> Result<Block, rusqlite::Error> {
        let seq = self.staged.head.next();
        let hash = chain(&self.staged.hash, seq, at_ms, count, &body);
        self.transaction
            .prepare_cached(
                "INSERT INTO block (seq, at_ms, count, hash, body) VALUES (?, ?, ?, ?, ?)",
            )?
            .execute(params![to_sql(seq), at_ms, count as i64, hash, &body[..]])?;
        self.staged.head = seq;
        self.staged.hash = hash;
        self.staged.used += body.len() as u64;
        Ok(Block {
            seq,
            at_ms,
            count,
            body,
            hash,
        })
    }

    pub fn note(&mut self, key: &str, value: &[u8]) -> Result<(), rusqlite::Error> {
        self.transaction
            .prepare_cached("INSERT INTO note (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")?
            .execute(params![key, value])?;
        Ok(())
    }

    pub fn cursor(&mut self, name: &str, seq: Seq) -> Result<(), rusqlite::Error> {
        self.transaction
            .prepare_cached(
                "INSERT INTO cursor (name, seq) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET seq = ?2",
            )?
            .execute(params![name, to_sql(seq)])?;
        Ok(())
    }

    pub fn commit(self) -> Result<(), rusqlite::Error> {
        self.transaction.commit()?;
        *self.committed = self.staged;
        Ok(())
    }

    pub fn abandon(self) {
        if let Err(error) = self.transaction.rollback() {
            tracing::warn!(%error, "a failed transaction of the journal could not be rolled back");
        }
    }
}

fn prepare(connection: &Connection, options: &Options) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "page_size", options.page_size)?;
    let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(
        None,
        "cache_size",
        -((options.cache_bytes >> 10).max(1) as i64),
    )?;
    let pages = (options.wal_bytes as i64 / page).max(16);
    connection.pragma_update(None, "wal_autocheckpoint", pages)?;
    connection.pragma_update(None, "journal_size_limit", 2 * pages * page)
}

/// Makes the tables in an empty file; gives the format number found.
fn create(connection: &mut Connection) -> Result<i64, rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = |t: &Transaction<'_>| t.query_row("PRAGMA user_version", [], |row| row.get(0));
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    if tables == 0 {
        transaction.execute_batch(SCHEMA)?;
    }
    let found = version(&transaction)?;
    transaction.commit()?;
    Ok(found)
}

fn progress(connection: &Connection) -> Result<Progress, rusqlite::Error> {
    let (anchor, anchor_hash) = anchor(connection)?;
    let head = connection
        .query_row(
            "SELECT seq, hash FROM block ORDER BY seq DESC LIMIT 1",
            [],
            |row| Ok((from_sql(row.get(0)?), row.get(1)?)),
        )
        .optional()?;
    let used: i64 = connection.query_row(
        "SELECT coalesce(sum(length(body)), 0) FROM block",
        [],
        |row| row.get(0),
    )?;
    let (head, hash) = head.unwrap_or((anchor, anchor_hash));
    Ok(Progress {
        first: anchor.next(),
        head,
        hash,
        used: used.unsigned_abs(),
        is_closed: false,
    })
}

/// Every page, and that the blocks begin behind the anchor.
fn check(connection: &Connection) -> Result<(), rusqlite::Error> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    let (anchor, _) = anchor(connection)?;
    let first: Option<i64> =
        connection.query_row("SELECT min(seq) FROM block", [], |row| row.get(0))?;
    let what = match first.map(from_sql) {
        _ if found != "ok" => found,
        Some(first) if first != anchor.next() => {
            format!("the first block is {first}, not {}", anchor.next())
        }
        _ => return Ok(()),
    };
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(code, Some(what)))
}

pub(crate) fn anchor(connection: &Connection) -> Result<(Seq, [u8; 32]), rusqlite::Error> {
    connection.query_row("SELECT seq, hash FROM anchor", [], |row| {
        Ok((from_sql(row.get(0)?), row.get(1)?))
    })
}

/// A block that does not fit its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Which block.
    pub seq: Seq,
    /// What is wrong with it.
    pub what: String,
}

/// What [`crate::Journal::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// The first block there should be.
    pub first: Seq,
    /// The last block there is.
    pub head: Seq,
    /// How many blocks were read.
    pub blocks: u64,
    /// Their body bytes.
    pub bytes: u64,
    /// What is wrong, by block; empty if the journal is whole.
    pub damage: Vec<Damage>,
}

/// Read-only connections, kept for the next reader.
pub(crate) struct Reader {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Reader {
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::default(),
        }
    }

    fn with<T>(
        &self,
        act: impl FnOnce(&Connection) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(&self.path, flags)?;
                connection.busy_timeout(Duration::from_secs(10))?;
                connection.pragma_update(None, "query_only", true)?;
                connection.pragma_update(None, "cache_size", -256)?;
                connection
            }
        };
        let result = act(&connection);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < 2 {
            idle.push(connection);
        }
        result
    }

    pub fn read(&self, from: Seq, max_bytes: usize) -> Result<Vec<Block>, ReadError> {
        let from = from.max(Seq(1));
        self.with(|connection| {
            // One snapshot, so that a trim between two statements is not taken for damage.
            let snapshot = connection.unchecked_transaction()?;
            let (anchor, anchor_hash) = anchor(&snapshot)?;
            if from <= anchor {
                return Err(ReadError::Trimmed {
                    asked: from,
                    first: anchor.next(),
                });
            }
            let mut previous = match from.0 - 1 {
                before if before == anchor.0 => anchor_hash,
                before => match hash_of(&snapshot, Seq(before)) {
                    Ok(Some(hash)) => hash,
                    Ok(None) => match last(&snapshot)? {
                        Some(last) if last >= from => return Err(unchained(from)),
                        _ => return Ok(Vec::new()),
                    },
                    Err(ReadError::Corrupt { .. }) => return Err(unchained(from)),
                    Err(error) => return Err(error),
                },
            };
            let mut blocks = Vec::new();
            let mut bytes = 0;
            let mut seq = from;
            while blocks.is_empty() || bytes < max_bytes {
                let Some(block) = row(&snapshot, seq)? else {
                    nothing_or_hole(&snapshot, seq)?;
                    break;
                };
                if let Some(what) = fault(&previous, &block) {
                    return Err(ReadError::Corrupt {
                        seq,
                        what: what.into(),
                    });
                }
                previous = block.hash;
                bytes += block.body.len();
                blocks.push(block);
                seq = seq.next();
            }
            Ok(blocks)
        })
    }

    pub fn remains(&self, seq: Seq) -> Option<Block> {
        let row = self.with(|connection| row(connection, seq));
        row.ok().flatten()
    }

    pub fn notes(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key, value FROM note WHERE key >= ?1 AND key < ?1 || char(1114111) ORDER BY key",
            )?;
            let rows = statement.query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    pub fn cursor(&self, name: &str) -> Result<Seq, ReadError> {
        self.with(|connection| {
            let seq = connection
                .prepare_cached("SELECT seq FROM cursor WHERE name = ?")?
                .query_row([name], |row| row.get(0))
                .optional()?;
            Ok(seq.map_or(Seq(0), from_sql))
        })
    }

    pub fn verify(&self) -> Result<VerifyReport, ReadError> {
        self.with(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            let (anchor, mut previous) = anchor(&snapshot)?;
            let head = last(&snapshot)?.unwrap_or(anchor);
            let mut report = VerifyReport {
                first: anchor.next(),
                head,
                blocks: 0,
                bytes: 0,
                damage: Vec::new(),
            };
            if anchor == Seq(0) && previous != GENESIS {
                report.damage.push(Damage {
                    seq: Seq(0),
                    what: "the anchor is altered".into(),
                });
            }
            let mut seq = anchor.next();
            while seq <= head {
                let what = match row(&snapshot, seq) {
                    Ok(Some(block)) => {
                        report.blocks += 1;
                        report.bytes += block.body.len() as u64;
                        let what = fault(&previous, &block).map(str::to_owned);
                        previous = block.hash;
                        what
                    }
                    Ok(None) => Some("it is not there".to_owned()),
                    Err(ReadError::Corrupt { what, .. }) => Some(what),
                    Err(error) => return Err(error),
                };
                if let Some(what) = what {
                    // Take the stored hash on trust from here, so that only the damaged blocks are named.
                    previous = hash_of(&snapshot, seq).ok().flatten().unwrap_or(previous);
                    report.damage.push(Damage { seq, what });
                }
                seq = seq.next();
            }
            Ok(report)
        })
    }
}

pub(crate) fn fault(previous: &[u8; 32], block: &Block) -> Option<&'static str> {
    let hash = chain(previous, block.seq, block.at_ms, block.count, &block.body);
    (hash != block.hash).then_some("its hash does not match its content and its predecessor")
}

/// Reads a block; a page that SQLite cannot read and a value of the wrong shape count as damage to it.
pub(crate) fn row(connection: &Connection, seq: Seq) -> Result<Option<Block>, ReadError> {
    let mut statement =
        connection.prepare_cached("SELECT at_ms, count, hash, body FROM block WHERE seq = ?")?;
    let read = statement.query_row([to_sql(seq)], |row| {
        let body = row.get_ref(3)?.as_blob()?;
        Ok(Block {
            seq,
            at_ms: row.get(0)?,
            count: row.get::<_, i64>(1)? as u64,
            hash: row.get(2)?,
            body: Bytes::copy_from_slice(body),
        })
    });
    match read {
        Ok(block) => Ok(Some(block)),
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
        Err(error) => Err(damage_or_error(seq, error)),
    }
}

pub(crate) fn hash_of(connection: &Connection, seq: Seq) -> Result<Option<[u8; 32]>, ReadError> {
    connection
        .prepare_cached("SELECT hash FROM block WHERE seq = ?")?
        .query_row([to_sql(seq)], |row| row.get(0))
        .optional()
        .map_err(|error| damage_or_error(seq, error))
}

fn damage_or_error(seq: Seq, error: rusqlite::Error) -> ReadError {
    if is_damage(&error) {
        ReadError::Corrupt {
            seq,
            what: error.to_string(),
        }
    } else {
        ReadError::Store(error)
    }
}

pub(crate) fn last(connection: &Connection) -> Result<Option<Seq>, ReadError> {
    let last: Option<i64> =
        connection.query_row("SELECT max(seq) FROM block", [], |row| row.get(0))?;
    Ok(last.map(from_sql))
}

/// Whoever follows passes over the block that was asked for, so that is the one to name.
fn unchained(seq: Seq) -> ReadError {
    ReadError::Corrupt {
        seq,
        what: "the block before it, to which it is chained, is gone or unreadable".into(),
    }
}

/// `seq` is not there: past the head that is nothing, before it a hole.
fn nothing_or_hole(connection: &Connection, seq: Seq) -> Result<Vec<Block>, ReadError> {
    match last(connection)? {
        Some(last) if last > seq => Err(ReadError::Corrupt {
            seq,
            what: "it is not there".into(),
        }),
        _ => Ok(Vec::new()),
    }
}

fn to_sql(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

fn from_sql(seq: i64) -> Seq {
    Seq(seq.unsigned_abs())
}
