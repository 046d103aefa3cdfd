//! The newest blocks in RAM, so that followers that keep up never touch the disk.

use crate::{Block, Seq};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// How far the journal is, for those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    pub first: Seq,
    pub head: Seq,
    pub hash: [u8; 32],
    pub used: u64,
    pub is_closed: bool,
}

pub(crate) struct Tail {
    ring: Mutex<Ring>,
    bytes_max: usize,
    progress: watch::Sender<Progress>,
}

#[derive(Default)]
struct Ring {
    blocks: VecDeque<Arc<Block>>,
    bytes: usize,
}

impl Tail {
    pub fn new(bytes_max: usize, progress: Progress) -> Self {
        Self {
            ring: Mutex::default(),
            bytes_max,
            progress: watch::Sender::new(progress),
        }
    }

    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Makes committed blocks visible.
    pub fn publish(&self, blocks: Vec<Arc<Block>>, progress: Progress) {
        {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            for block in blocks {
                ring.bytes += block.body.len();
                ring.blocks.push_back(block);
            }
            while ring.bytes > self.bytes_max && !ring.blocks.is_empty() {
                if let Some(old) = ring.blocks.pop_front() {
                    ring.bytes -= old.body.len();
                }
            }
        }
        self.progress.send_replace(progress);
    }

    /// The block, if it is still in RAM.
    pub fn get(&self, seq: Seq) -> Option<Arc<Block>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let first = ring.blocks.front()?.seq;
        let at = seq.0.checked_sub(first.0)?;
        ring.blocks.get(usize::try_from(at).ok()?).cloned()
    }

    /// Forgets everything; after a failed write the ring may no longer continue without a gap.
    pub fn clear(&self) {
        *self.ring.lock().unwrap_or_else(PoisonError::into_inner) = Ring::default();
    }
}
