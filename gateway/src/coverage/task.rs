//! Follows the journal with the book, on a thread of its own, and writes it down.

use super::store::{LedgerError, Store};
use super::{Coverage, Inner};
use crate::follow::{self, Following, RETRY};
use crate::ingest::dictionary::Dictionary;
use contract::Timestamp;
use journal::{Block, Journal};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The book is written down this often, and less often if writing takes more than a twentieth of the time.
const SAVE_EVERY: Duration = Duration::from_secs(10);
const SAVE_SHARE: u32 = 20;
/// It is written down at once when so many bytes of what devices sent wait.
const RAW_BYTES_MAX: usize = 8 << 20;
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);

/// The running thread.
pub struct Running {
    /// The ledger.
    pub coverage: Coverage,
    /// The thread.
    pub follow: follow::Running,
}

/// Starts following from what is on disk. What devices sent is kept for `keep`, or for ever.
pub fn start(
    path: &Path,
    journal: &Journal,
    dictionary: &Dictionary,
    keep: Option<Duration>,
) -> Result<Running, LedgerError> {
    let store = Store::open(path)?;
    let book = store.load(dictionary)?;
    let through = book.through;
    let coverage = Coverage(Arc::new(Mutex::new(Inner { book, store })));
    let inner = coverage.0.clone();
    let run = move |journal| {
        Follow {
            journal,
            inner,
            keep,
        }
        .run()
    };
    let follow = follow::start("the coverage ledger", "coverage", journal, through, run);
    Ok(Running { coverage, follow })
}

struct Follow {
    journal: Following,
    inner: Arc<Mutex<Inner>>,
    keep: Option<Duration>,
}

impl Follow {
    fn run(mut self) {
        let (mut since, mut every) = (Instant::now(), SAVE_EVERY);
        let mut expired_at: Option<Instant> = None;
        while let Some(next) = self.journal.wait() {
            if let Some(block) = next {
                self.take(&block);
            }
            if since.elapsed() >= every || self.is_full() {
                let began = Instant::now();
                self.save();
                every = SAVE_EVERY.max(began.elapsed() * SAVE_SHARE);
                since = Instant::now();
            }
            if expired_at.is_none_or(|at| at.elapsed() >= EXPIRE_EVERY) {
                self.expire();
                expired_at = Some(Instant::now());
            }
        }
        self.save();
    }

    fn take(&self, block: &Block) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = inner.book.take(block.seq.0, &block.body) {
            tracing::error!(block = block.seq.0, %error, "part of a block is not in the coverage ledger");
        }
    }

    fn is_full(&self) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.book.raw_bytes() > RAW_BYTES_MAX
    }

    /// Writes the book down, trying again for as long as the disk refuses: nothing more is taken in until it is.
    fn save(&self) {
        loop {
            let done = {
                let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
                let Inner { book, store } = &mut *inner;
                store.save(book).map(|()| book.through)
            };
            match done {
                Ok(through) => return self.journal.set_saved(through),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the coverage ledger cannot be written; trying again");
                }
            }
            if self.journal.is_stopping() {
                return;
            }
            std::thread::sleep(RETRY);
        }
    }

    fn expire(&self) {
        let Some(keep) = self.keep else { return };
        let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let cutoff = Timestamp::now().plus_millis(-keep_ms);
        loop {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            match inner.store.expire(cutoff) {
                Ok(true) if !self.journal.is_stopping() => {}
                Ok(_) => return,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    return tracing::error!(error, "old messages of devices cannot be deleted");
                }
            }
        }
    }
}
