//! What can go wrong, in words. The cause is in `source()`.

use crate::Seq;
use std::{io, path::PathBuf, sync::Arc};

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process (or another `Journal`) has it.
    #[error("journal {} is in use by another process", path.display())]
    InUse {
        /// The journal file.
        path: PathBuf,
    },
    /// The lock file beside it could not be made.
    #[error("cannot lock journal {}", path.display())]
    Lock {
        /// The journal file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is something else, or of a version this program does not know.
    #[error("{} is not a journal this program can read (format {found})", path.display())]
    Format {
        /// The journal file.
        path: PathBuf,
        /// The format number found.
        found: i64,
    },
    /// SQLite refused.
    #[error("cannot open journal {}", path.display())]
    Store {
        /// The journal file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The writer thread could not be started.
    #[error("cannot start the writer of journal {}", path.display())]
    Thread {
        /// The journal file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    /// True if the file itself is damaged: trying again will not help, [`crate::salvage`] may.
    pub fn is_damage(&self) -> bool {
        matches!(self, OpenError::Store { source, .. } if is_damage(source))
    }
}

impl AppendError {
    /// True if the file itself is damaged: trying again will not help.
    pub fn is_damage(&self) -> bool {
        matches!(self, AppendError::Store(source) if is_damage(source))
    }
}

/// A page that SQLite cannot read, or a value of the wrong shape.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::{Error as E, ErrorCode as C};
    match error {
        E::FromSqlConversionFailure(..)
        | E::InvalidColumnType(..)
        | E::IntegralValueOutOfRange(..) => true,
        other => matches!(
            other.sqlite_error_code(),
            Some(C::DatabaseCorrupt | C::NotADatabase)
        ),
    }
}

/// Why something was not written. Nothing of it is on disk.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// It would grow past `bytes_max`.
    #[error("journal is full ({used} of {limit} bytes)")]
    Full {
        /// Bytes held.
        used: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The disk is full or failing. A later attempt may succeed.
    #[error("cannot write to the journal")]
    Store(#[source] Arc<rusqlite::Error>),
    /// The journal was closed.
    #[error("journal is closed")]
    Closed,
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The block is torn, altered or gone. The journal must be looked at by a person.
    #[error("block {seq} of the journal is damaged: {what}")]
    Corrupt {
        /// Which block.
        seq: Seq,
        /// What is wrong with it.
        what: String,
    },
    /// The block was trimmed away.
    #[error("block {asked} is no longer in the journal, which begins at {first}")]
    Trimmed {
        /// The block asked for.
        asked: Seq,
        /// The first block there is.
        first: Seq,
    },
    /// SQLite refused.
    #[error("cannot read the journal")]
    Store(#[from] rusqlite::Error),
    /// The journal was closed, and everything in it has been seen.
    #[error("journal is closed")]
    Closed,
}
