//! What can still be read of a damaged journal, copied into a new one.

use crate::{
    Block, OpenError, Options, Seq,
    block::GENESIS,
    store::{Store, anchor, fault, hash_of, last, row},
};
use bytes::Bytes;
use rusqlite::{Connection, OpenFlags};
use std::{path::Path, time::Duration};

/// Blocks in one transaction of the copy.
const STEP: usize = 1_000;
/// The search ends after so many numbers without a block: the number of the last one may be damaged, or not to be found out.
const MISSES_MAX: u64 = 100_000;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Salvaged {
    /// Blocks whose hash fits their content and their predecessor.
    pub blocks: u64,
    /// Blocks that were there and are not copied; in the copy each is empty, so that all others keep their number.
    pub damaged: u64,
    /// Notes and cursors.
    pub notes: u64,
}

/// Copies every whole block of `from`, under its own number, and every readable note and cursor into a new journal at
/// `to`, in which the chain begins anew. `from` is not written; nobody else may have it open. Not found again: what stood
/// only in a write-ahead log that is torn, and blocks at the end behind a page that cannot be read.
pub fn salvage(from: &Path, to: &Path, options: &Options) -> Result<Salvaged, OpenError> {
    let refuse = |source| OpenError::Store {
        path: to.to_owned(),
        source,
    };
    let mut copy = Copy {
        store: Store::open(to, options)?,
        done: Salvaged::default(),
        waiting: Vec::new(),
    };
    match open(from) {
        Ok(old) => {
            copy.notes(&old).map_err(refuse)?;
            copy.blocks(&old).map_err(refuse)?;
        }
        Err(error) => {
            tracing::error!(path = %from.display(), %error, "nothing of the journal can be read")
        }
    }
    copy.store.tidy();
    Ok(copy.done)
}

fn open(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

struct Copy {
    store: Store,
    done: Salvaged,
    /// Blocks of the next transaction; `None` for one that cannot be read.
    waiting: Vec<Option<Block>>,
}

impl Copy {
    fn notes(&mut self, old: &Connection) -> Result<(), rusqlite::Error> {
        let notes: Vec<(String, Vec<u8>)> = readable(old, "SELECT key, value FROM note");
        let cursors: Vec<(String, i64)> = readable(old, "SELECT name, seq FROM cursor");
        let mut write = self.store.begin()?;
        for (key, value) in &notes {
            write.note(key, value)?;
        }
        for (name, seq) in &cursors {
            write.cursor(name, Seq(seq.unsigned_abs()))?;
        }
        self.done.notes = (notes.len() + cursors.len()) as u64;
        write.commit()
    }

    fn blocks(&mut self, old: &Connection) -> Result<(), rusqlite::Error> {
        let (before, mut previous) = begin(old);
        self.store.begin_at(before)?;
        let end = last(old).ok().flatten();
        let (mut seq, mut misses) = (before.next(), 0);
        while end.is_none_or(|end| seq <= end) && misses < MISSES_MAX {
            let block = row(old, seq).ok().flatten();
            let whole = block.filter(|block| {
                let known = previous.as_ref();
                known.is_some_and(|previous| fault(previous, block).is_none())
            });
            misses = if whole.is_some() { 0 } else { misses + 1 };
            previous = match &whole {
                Some(block) => Some(block.hash),
                None => hash_of(old, seq).ok().flatten(),
            };
            self.waiting.push(whole);
            if self.waiting.len() >= STEP && misses == 0 {
                self.flush()?;
            }
            seq = seq.next();
        }
        if misses >= MISSES_MAX {
            let kept = self.waiting.len().saturating_sub(misses as usize);
            self.waiting.truncate(kept);
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), rusqlite::Error> {
        let mut write = self.store.begin()?;
        for block in self.waiting.drain(..) {
            match block {
                Some(block) => {
                    write.block(block.at_ms, block.count, block.body)?;
                    self.done.blocks += 1;
                }
                None => {
                    write.block(0, 0, Bytes::new())?;
                    self.done.damaged += 1;
                }
            }
        }
        write.commit()
    }
}

/// The number before the first block, and the hash it had. Of an anchor that does not fit the blocks nothing is believed.
fn begin(old: &Connection) -> (Seq, Option<[u8; 32]>) {
    let first: Option<i64> = old
        .query_row("SELECT min(seq) FROM block", [], |row| row.get(0))
        .ok()
        .flatten();
    let first = first.map(|seq| Seq(seq.unsigned_abs()));
    match (anchor(old).ok(), first) {
        (Some((seq, hash)), None) => (seq, Some(hash)),
        (Some((seq, hash)), Some(first)) if seq.next() == first => (seq, Some(hash)),
        (_, Some(first)) => (Seq(first.0.saturating_sub(1)), None),
        (None, None) => (Seq(0), Some(GENESIS)),
    }
}

/// The rows before the first that cannot be read.
fn readable<A: rusqlite::types::FromSql, B: rusqlite::types::FromSql>(
    old: &Connection,
    sql: &str,
) -> Vec<(A, B)> {
    let Ok(mut statement) = old.prepare(sql) else {
        return Vec::new();
    };
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.map(|rows| rows.map_while(Result::ok).collect())
        .unwrap_or_default()
}
