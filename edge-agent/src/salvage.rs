//! A buffer file that cannot be used any more: what can be read of it goes on in a new file, the old one is set aside.
//!
//! Promise: whenever the box stops, the next opening finds the old file, or the new one with everything that could be
//! copied. `FILE.damaged` is for a person to look at; there is never more than one.

use journal::{Journal, OpenError, Options, Salvaged, salvage};
use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

/// A buffer file, opened.
pub struct Opened {
    /// The journal.
    pub journal: Journal,
    /// What was copied into it, if the file was damaged.
    pub salvaged: Option<Salvaged>,
}

/// Why there is no buffer.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    /// The file, or its copy.
    #[error("cannot open the buffer")]
    Open(#[from] OpenError),
    /// It is damaged and cannot be moved out of the way.
    #[error("the damaged buffer {} cannot be set aside", path.display())]
    Aside {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Opens the buffer at `path`, or makes it, or makes it anew from what a damaged one still gives.
pub fn open(path: &Path, options: Options) -> Result<Opened, SalvageError> {
    let copy = beside(path, ".salvaged");
    let aside = |source| SalvageError::Aside {
        path: path.to_owned(),
        source,
    };
    if copy.exists() {
        // The box stopped between copying and replacing.
        replace(path, &copy).map_err(aside)?;
    }
    let error = match Journal::open(path, options.clone()) {
        Ok(journal) => {
            return Ok(Opened {
                journal,
                salvaged: None,
            });
        }
        Err(error) if error.is_damage() => error,
        Err(error) => return Err(error.into()),
    };
    let part = beside(path, ".part");
    for name in files(&part) {
        remove(&name).map_err(aside)?;
    }
    let salvaged = salvage(path, &part, &options)?;
    std::fs::rename(&part, &copy).map_err(aside)?;
    replace(path, &copy).map_err(aside)?;
    tracing::error!(
        cause = %cause(&error),
        records = salvaged.blocks,
        lost = salvaged.damaged,
        aside = %beside(path, ".damaged").display(),
        "the buffer file is damaged: what can be read of it goes on in a new one; a person must look at the disk"
    );
    Ok(Opened {
        journal: Journal::open(path, options)?,
        salvaged: Some(salvaged),
    })
}

/// Sets the damaged file aside, its log first: a log must never meet a file that is not its own.
fn replace(path: &Path, copy: &Path) -> io::Result<()> {
    let damaged = beside(path, ".damaged");
    for (from, to) in files(path).iter().zip(files(&damaged)).rev() {
        remove(&to)?;
        match std::fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(copy, path)
}

/// The file and what SQLite keeps beside it.
fn files(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| beside(path, end))
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn cause(error: &OpenError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}
