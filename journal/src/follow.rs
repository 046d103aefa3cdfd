//! Reading along: from RAM when near the head, from disk when behind, waiting at the head.

use crate::{Block, ReadError, Seq, store::Reader, tail::Tail, wait::wait};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// Bytes fetched from disk in one go when behind.
const CHUNK: usize = 1 << 20;

/// Sees every block from a number on, once, in order. Several may follow one journal.
pub struct Follower {
    tail: Arc<Tail>,
    reader: Arc<Reader>,
    next: Seq,
    fetched: VecDeque<Arc<Block>>,
    reading: Option<Reading>,
}

/// A read from disk under way. It outlives a cancelled [`Follower::next`], or who is cancelled again and again would
/// begin it again and again and never have it.
struct Reading {
    from: Seq,
    blocks: JoinHandle<Result<Vec<Block>, ReadError>>,
}

impl Follower {
    pub(crate) fn new(tail: Arc<Tail>, reader: Arc<Reader>, from: Seq) -> Self {
        Self {
            tail,
            reader,
            next: from.max(Seq(1)),
            fetched: VecDeque::new(),
            reading: None,
        }
    }

    /// The number of the block that [`Follower::next`] will give.
    pub fn position(&self) -> Seq {
        self.next
    }

    /// The next block; waits for it if it is not written yet. Cancel-safe. Needs a tokio runtime when behind
    /// (disk reads go to the blocking pool).
    pub async fn next(&mut self) -> Result<Arc<Block>, ReadError> {
        loop {
            if let Some(block) = self.at_hand() {
                return Ok(block);
            }
            if self.tail.progress().head >= self.next {
                let (reader, from) = (self.reader.clone(), self.next);
                let reading = match self.reading.take_if(|reading| reading.from == from) {
                    Some(reading) => reading,
                    None => Reading {
                        from,
                        blocks: tokio::task::spawn_blocking(move || fetch(&reader, from)),
                    },
                };
                let read = (&mut self.reading.insert(reading).blocks).await;
                self.reading = None;
                self.fetched = arcs(read.map_err(|_| ReadError::Closed)??);
            } else {
                self.grown().await?;
            }
        }
    }

    /// As [`Follower::next`], on a plain thread; `None` if nothing came within `limit`.
    pub fn next_blocking(&mut self, limit: Duration) -> Result<Option<Arc<Block>>, ReadError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(block) = self.at_hand() {
                return Ok(Some(block));
            }
            if self.tail.progress().head >= self.next {
                self.fetched = arcs(fetch(&self.reader, self.next)?);
            } else {
                match wait(self.grown(), Some(deadline)) {
                    None => return Ok(None),
                    Some(grown) => grown?,
                }
            }
        }
    }

    /// After an error of [`Follower::next`]: goes on behind what will never be read, a damaged block or blocks that
    /// were trimmed away, and says so in the log. False for any other error; then nothing was passed over.
    pub fn skip(&mut self, error: &ReadError) -> bool {
        let to = match error {
            ReadError::Corrupt { seq, .. } if *seq == self.next => seq.next(),
            ReadError::Trimmed { first, .. } if *first > self.next => *first,
            _ => return false,
        };
        tracing::error!(%error, going_on_at = to.0, "readings of the journal are passed over; a person must look at it");
        self.fetched.clear();
        self.next = to;
        true
    }

    /// The next block if it can be had without waiting and without the disk.
    fn at_hand(&mut self) -> Option<Arc<Block>> {
        let block = match self.fetched.pop_front() {
            Some(block) => block,
            None => self.tail.get(self.next)?,
        };
        self.next = block.seq.next();
        Some(block)
    }

    async fn grown(&self) -> Result<(), ReadError> {
        let mut progress = self.tail.watch();
        let seen = *progress
            .wait_for(|p| p.head >= self.next || p.is_closed)
            .await
            .map_err(|_| ReadError::Closed)?;
        if seen.head >= self.next {
            Ok(())
        } else {
            Err(ReadError::Closed)
        }
    }
}

/// Blocks from `from` on. What stands before a damaged block is given first.
fn fetch(reader: &Reader, from: Seq) -> Result<Vec<Block>, ReadError> {
    match reader.read(from, CHUNK) {
        Err(ReadError::Corrupt { seq, .. }) if seq > from => reader.read(from, 1),
        read => read,
    }
}

fn arcs(blocks: Vec<Block>) -> VecDeque<Arc<Block>> {
    blocks.into_iter().map(Arc::new).collect()
}
