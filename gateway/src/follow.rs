//! A thread that follows the journal: started behind what it has on disk, stopped, and asked how far it has written.
//!
//! Promise: every block is given once, in order, from the first that is not on disk; what cannot be read is tried again, what
//! never will be is passed over and said (`journal::Follower::skip`).

use journal::{Block, Follower, Journal, ReadError, Seq};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long to wait for a block before looking whether to stop.
const WAIT: Duration = Duration::from_millis(100);
/// How long after a failure something is tried again.
pub const RETRY: Duration = Duration::from_secs(1);

/// What the thread has of the journal.
pub struct Following {
    what: &'static str,
    follower: Follower,
    stop: Arc<AtomicBool>,
    saved: Arc<AtomicU64>,
}

/// The running thread.
pub struct Running {
    what: &'static str,
    stop: Arc<AtomicBool>,
    saved: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

/// Starts a thread that follows after block `saved`, the last that it has on disk. `what` names it in the log, `thread` to the
/// system (at most 15 letters).
pub fn start(
    what: &'static str,
    thread: &str,
    journal: &Journal,
    saved: u64,
    run: impl FnOnce(Following) + Send + 'static,
) -> Running {
    let first = journal.first();
    if saved > 0 && Seq(saved + 1) < first {
        tracing::error!(
            saved,
            first = first.0,
            "blocks that {what} has not seen were trimmed"
        );
    }
    let stop = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicU64::new(saved));
    let following = Following {
        what,
        follower: journal.follow(Seq(saved + 1).max(first)),
        stop: stop.clone(),
        saved: written.clone(),
    };
    let thread = std::thread::Builder::new()
        .name(thread.into())
        .spawn(move || run(following))
        .expect("a thread can be started");
    Running {
        what,
        stop,
        saved: written,
        thread,
    }
}

impl Running {
    /// A handle on the last block that is on disk: blocks up to it may be trimmed.
    pub fn saved_handle(&self) -> Arc<AtomicU64> {
        self.saved.clone()
    }

    /// Lets the thread write down what it has, and end. Blocks until done.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.join().is_err() {
            let what = self.what;
            tracing::error!("{what} ended by a panic; it will begin at what it wrote down last");
        }
    }
}

impl Following {
    /// What comes next: a block, or none if none came for a moment. Nothing once it is time to end.
    pub fn wait(&mut self) -> Option<Option<Arc<Block>>> {
        if self.is_stopping() {
            return None;
        }
        match self.follower.next_blocking(WAIT) {
            Ok(block) => Some(block),
            Err(error) if self.follower.skip(&error) => Some(None),
            Err(ReadError::Closed) => None,
            Err(error) => {
                let what = self.what;
                tracing::error!(%error, "{what} cannot read the journal; trying again");
                std::thread::sleep(RETRY);
                Some(None)
            }
        }
    }

    /// The last block that was given or passed over.
    pub fn seen(&self) -> u64 {
        self.follower.position().0 - 1
    }

    /// The last block that is on disk.
    pub fn saved(&self) -> u64 {
        self.saved.load(Ordering::Acquire)
    }

    /// Everything through this block is on disk.
    pub fn set_saved(&self, through: u64) {
        self.saved.store(through, Ordering::Release);
    }

    /// True if the thread was asked to end.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
