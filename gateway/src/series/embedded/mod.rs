//! The embedded series store: what the journal says, as compressed chunks in one SQLite file.
//!
//! Promise: every reading of every journal block is in it once, whatever stops the process and whenever: chunks,
//! what is still open, and the cursor are written in one transaction (a checkpoint), and after a stop reading
//! goes on behind the cursor. A reader sees a reading as soon as the follower has taken its block in, from RAM
//! if it is not committed yet, and never twice. Of readings with one point and one time the later wins.
//! A full or failing disk stops the follower, visibly ([`Embedded::state`]); the journal keeps what is to come.
//!
//! Not promised: that the file alone is complete (the tail is in the journal until the next checkpoint); that
//! the file shrinks after retention (its room is used again).

mod chunk; // the bytes of a chunk
mod columns; // readings side by side; buckets
mod query; // file and RAM as one series
mod ram; // open chunks
mod store; // all SQL
mod task; // the thread that follows the journal

pub use columns::{BUCKETS_MAX, Bucket, FIRST_MISSING, StoredReading};
pub use store::{Progress, StoreError};

use crate::metrics::Metrics;
use contract::Timestamp;
use journal::{Journal, Seq};
use ram::{Ram, Sealing};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;
use store::{Reader, Store};

/// The journal cursor's name: blocks through it are durable in the series store.
pub const CURSOR: &str = "series";

/// How the store works.
#[derive(Debug, Clone)]
pub struct Options {
    /// The file.
    pub path: PathBuf,
    /// A chunk of this many readings is sealed.
    pub chunk_readings: usize,
    /// A checkpoint is written after this many readings …
    pub checkpoint_readings: u64,
    /// … or after this time, if anything came.
    pub checkpoint_every: Duration,
    /// Chunks older than this are deleted; `None` keeps everything.
    pub keep: Option<Duration>,
}

impl Options {
    /// The defaults, on a file.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            chunk_readings: 480,
            checkpoint_readings: 8_000_000,
            checkpoint_every: Duration::from_secs(120),
            keep: None,
        }
    }

    fn sealing(&self) -> Sealing {
        Sealing {
            full: self.chunk_readings,
            worthwhile: (self.chunk_readings / 4).max(1),
            open_max: 32 << 20,
        }
    }
}

/// What the store is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Following the journal.
    #[default]
    Following,
    /// Waiting to try again, and why.
    Stalled(String),
}

/// Why the store could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file.
    #[error("cannot open the series store {}", path.display())]
    Store {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The journal is older than the store.
    #[error(
        "the series store has journal blocks through {cursor}, but the journal ends at {head}: this is another or an older \
         journal; put the right journal back, or move the series store away to build it anew from this journal"
    )]
    Ahead {
        /// What the store has.
        cursor: u64,
        /// What the journal has.
        head: u64,
    },
    /// The journal no longer has what the store still needs.
    #[error(
        "the series store has journal blocks through {cursor}, but the journal begins at {first}: readings between would be \
         missing; put the series store that belongs to this journal back"
    )]
    Behind {
        /// What the store has.
        cursor: u64,
        /// Where the journal begins.
        first: u64,
    },
    /// The system gave no thread.
    #[error("cannot start the series thread")]
    Thread(#[source] std::io::Error),
}

/// The store, for reading. Cheap to clone. Its functions block for as long as the disk takes.
#[derive(Debug, Clone)]
pub struct Embedded {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    ram: RwLock<Ram>,
    readers: Mutex<Vec<Reader>>,
    state: Mutex<State>,
}

/// The follower's thread.
#[derive(Debug)]
pub struct Following {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Embedded {
    /// Opens the store and starts following the journal.
    pub fn start(
        options: Options,
        journal: &Journal,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, Following), StartError> {
        let refuse = |source| StartError::Store {
            path: options.path.clone(),
            source,
        };
        let store = Store::open(&options.path).map_err(refuse)?;
        let progress = store.progress().map_err(refuse)?;
        let (head, first) = (journal.head().0.0, journal.first().0);
        if progress.cursor > head {
            let cursor = progress.cursor;
            return Err(StartError::Ahead { cursor, head });
        }
        if first > progress.cursor + 1 {
            let cursor = progress.cursor;
            return Err(StartError::Behind { cursor, first });
        }
        let open = store.open_chunks().map_err(refuse)?;
        let shared = Arc::new(Shared {
            path: options.path.clone(),
            ram: RwLock::new(Ram::new(options.sealing(), progress, open)),
            readers: Mutex::default(),
            state: Mutex::default(),
        });
        let follower = journal.follow(Seq(progress.cursor + 1));
        let stop = Arc::new(AtomicBool::new(false));
        let task = task::Task::new(
            shared.clone(),
            store,
            options,
            journal.clone(),
            follower,
            metrics,
            stop.clone(),
        );
        let thread = std::thread::Builder::new()
            .name("series".into())
            .spawn(move || task.run())
            .map_err(StartError::Thread)?;
        Ok((Self { shared }, Following { stop, thread }))
    }

    /// How far it is. Blocks through `cursor` can be seen by queries.
    pub fn progress(&self) -> Progress {
        let ram = self
            .shared
            .ram
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        ram.progress()
    }

    /// What it is doing.
    pub fn state(&self) -> State {
        let state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }
}

impl Following {
    /// Writes what is in RAM and ends. Blocks until done.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.join().is_err() {
            tracing::error!(
                "the series thread ended by a panic; the journal has everything it had not written"
            );
        }
    }
}

impl Shared {
    fn reader(&self) -> Result<Query<'_>, StoreError> {
        let idle = self
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let reader = match idle {
            Some(reader) => reader,
            None => Reader::open(&self.path)?,
        };
        reader.begin()?;
        Ok(Query {
            shared: self,
            reader: Some(reader),
        })
    }

    fn set_state(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// A reader inside its transaction; goes back to the idle ones when dropped.
struct Query<'a> {
    shared: &'a Shared,
    reader: Option<Reader>,
}

impl Query<'_> {
    fn with<T>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        read(
            self.reader
                .as_ref()
                .expect("a query has its reader until it is dropped"),
        )
    }
}

impl Drop for Query<'_> {
    fn drop(&mut self) {
        const IDLE_MAX: usize = 8;
        let Some(reader) = self.reader.take() else {
            return;
        };
        if let Err(error) = reader.end() {
            tracing::warn!(%error, "a reader of the series store is closed");
            return;
        }
        let mut idle = self
            .shared
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(reader);
        }
    }
}

/// The oldest time that is kept.
fn cutoff(now: Timestamp, keep: Duration) -> Timestamp {
    now.plus_millis(-i64::try_from(keep.as_millis()).unwrap_or(i64::MAX))
}
