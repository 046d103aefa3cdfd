//! The public face: open, append, follow, trim, verify, close.

use crate::{
    AppendError, Block, Committed, Follower, OpenError, ReadError, Seq, Staged, VerifyReport,
    store::{Reader, Store},
    tail::Tail,
    wait::wait,
    writer::{self, Job},
};
use bytes::Bytes;
use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// How a journal is kept. The defaults suit the gateway; an edge agent wants small pages and caches.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of newest blocks kept in RAM for followers.
    pub tail_bytes: usize,
    /// SQLite page size of a new file: 512 to 65536, a power of two. Big for big blocks, 4096 for small ones.
    pub page_size: u32,
    /// SQLite page cache of the writer.
    pub cache_bytes: usize,
    /// Body bytes after which appends are refused as [`AppendError::Full`]; `None`: the disk decides.
    pub bytes_max: Option<u64>,
    /// Body bytes that may wait for the writer; then `append` waits.
    pub queue_bytes: usize,
    /// Body bytes that go into one transaction at most.
    pub group_bytes: usize,
    /// Size of the write-ahead log at which it is copied into the file.
    pub wal_bytes: usize,
    /// Looks at every page when opening, and refuses a file with a damaged one ([`OpenError::is_damage`]). Takes as
    /// long as reading the file.
    pub is_checked: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tail_bytes: 64 << 20,
            page_size: 65536,
            cache_bytes: 8 << 20,
            bytes_max: None,
            queue_bytes: 64 << 20,
            group_bytes: 16 << 20,
            wal_bytes: 64 << 20,
            is_checked: false,
        }
    }
}

impl Options {
    /// For small records on a small machine.
    pub fn small() -> Self {
        Self {
            tail_bytes: 128 << 10,
            page_size: 4096,
            cache_bytes: 256 << 10,
            bytes_max: None,
            queue_bytes: 1 << 20,
            group_bytes: 1 << 20,
            wal_bytes: 1 << 20,
            is_checked: false,
        }
    }
}

/// A journal. Clones share it.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    /// Unbounded in count, bounded in bytes by `room`.
    jobs: Mutex<Option<mpsc::UnboundedSender<Job>>>,
    /// One permit per KiB of body that waits.
    room: Arc<Semaphore>,
    room_total: u32,
    is_closing: AtomicBool,
    tail: Arc<Tail>,
    reader: Arc<Reader>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Opens the journal at `path`, or makes it. Its folder must exist.
    pub fn open(path: &Path, options: Options) -> Result<Journal, OpenError> {
        let lock = lock(path)?;
        let store = Store::open(path, &options)?;
        let tail = Arc::new(Tail::new(options.tail_bytes, store.progress()));
        let reader = Arc::new(Reader::new(path.to_owned()));
        let (jobs, queue) = mpsc::unbounded_channel();
        let writer = {
            let tail = tail.clone();
            let group_bytes = options.group_bytes;
            std::thread::Builder::new()
                .name("journal".into())
                .stack_size(512 << 10)
                .spawn(move || {
                    writer::run(store, queue, &tail, group_bytes);
                    drop(lock);
                })
                .map_err(|source| OpenError::Thread {
                    path: path.to_owned(),
                    source,
                })?
        };
        let room_total = kib(options.queue_bytes).max(1);
        Ok(Journal {
            inner: Arc::new(Inner {
                jobs: Mutex::new(Some(jobs)),
                room: Arc::new(Semaphore::new(room_total as usize)),
                room_total,
                is_closing: AtomicBool::new(false),
                tail,
                reader,
                writer: Mutex::new(Some(writer)),
            }),
        })
    }

    /// Writes a block; returns after fsync. Waits while the queue is full. If the future is dropped after it
    /// was queued, the block is written all the same.
    pub async fn append(&self, staged: Staged) -> Result<Committed, AppendError> {
        self.append_over(Seq(0), staged).await
    }

    /// As [`Journal::append`], and the blocks up to and including `through` are deleted in the same transaction: both
    /// happen or neither, whatever stops the process. Whether the block fits is judged without them.
    pub async fn append_over(
        &self,
        through: Seq,
        staged: Staged,
    ) -> Result<Committed, AppendError> {
        let permits = kib(staged.body.len()).clamp(1, self.inner.room_total);
        let room = self.inner.room.clone().acquire_many_owned(permits).await;
        let _room = room.map_err(|_| AppendError::Closed)?;
        let (answer, answered) = oneshot::channel();
        self.send(Job::Append {
            through,
            at_ms: staged.at_ms,
            count: staged.count,
            body: Bytes::from(staged.body),
            notes: staged.notes,
            _room,
            answer,
        })?;
        answered.await.unwrap_or(Err(AppendError::Closed))
    }

    /// As [`Journal::append`], on a plain thread.
    pub fn append_blocking(&self, staged: Staged) -> Result<Committed, AppendError> {
        wait(self.append(staged), None).unwrap_or(Err(AppendError::Closed))
    }

    /// Every block from `from` on, once, in order.
    pub fn follow(&self, from: Seq) -> Follower {
        Follower::new(self.inner.tail.clone(), self.inner.reader.clone(), from)
    }

    /// Blocks from `from` on, at most about `max_bytes` of bodies, at least one if there is one. Each is
    /// checked against the chain.
    pub fn read(&self, from: Seq, max_bytes: usize) -> Result<Vec<Block>, ReadError> {
        self.inner.reader.read(from, max_bytes)
    }

    /// What is left of a block that [`Journal::read`] refuses: its bytes as they stand, unchecked, if there are any.
    /// Never to be taken for what was appended.
    pub fn remains(&self, seq: Seq) -> Option<Block> {
        self.inner.reader.remains(seq)
    }

    /// The committed notes whose key begins with `prefix`, in order of the key.
    pub fn notes(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
        self.inner.reader.notes(prefix)
    }

    /// The committed position of a named cursor; `Seq(0)` if it was never set.
    pub fn cursor(&self, name: &str) -> Result<Seq, ReadError> {
        self.inner.reader.cursor(name)
    }

    /// Sets a named cursor; returns after fsync.
    pub async fn set_cursor(&self, name: &str, seq: Seq) -> Result<(), AppendError> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::SetCursor {
            name: name.to_owned(),
            seq,
            answer,
        })?;
        answered.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Sets a note without a block; returns after fsync.
    pub async fn set_note(&self, key: &str, value: Vec<u8>) -> Result<(), AppendError> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::SetNote {
            key: key.to_owned(),
            value,
            answer,
        })?;
        answered.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Deletes the blocks up to and including `through`. The chain stays verifiable: the hash of the last
    /// deleted block is kept. Whether every cursor is past them is the caller's affair.
    pub async fn trim(&self, through: Seq) -> Result<(), AppendError> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Trim { through, answer })?;
        answered.await.unwrap_or(Err(AppendError::Closed))
    }

    /// The newest block's number and hash (`Seq(0)` and zeros if there never was one).
    pub fn head(&self) -> (Seq, [u8; 32]) {
        let progress = self.inner.tail.progress();
        (progress.head, progress.hash)
    }

    /// The first block there is, or the number the next block will get if there is none.
    pub fn first(&self) -> Seq {
        self.inner.tail.progress().first
    }

    /// Body bytes held.
    pub fn bytes_used(&self) -> u64 {
        self.inner.tail.progress().used
    }

    /// Reads everything and checks the chain. Names every damaged block.
    pub fn verify(&self) -> Result<VerifyReport, ReadError> {
        self.inner.reader.verify()
    }

    /// Writes what is queued, tidies the write-ahead log away and lets go of the file. Appends through other
    /// clones are refused from here on; followers see what is left and then [`ReadError::Closed`].
    pub async fn close(self) {
        let inner = self.inner;
        let stopped = tokio::task::spawn_blocking(move || inner.stop()).await;
        if let Err(error) = stopped {
            tracing::error!(%error, "the journal could not be closed in order");
        }
    }

    fn send(&self, job: Job) -> Result<(), AppendError> {
        if self.inner.is_closing.load(Ordering::Acquire) {
            return Err(AppendError::Closed);
        }
        let jobs = self
            .inner
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let jobs = jobs.as_ref().ok_or(AppendError::Closed)?;
        jobs.send(job).map_err(|_| AppendError::Closed)
    }
}

impl Inner {
    fn stop(&self) {
        self.is_closing.store(true, Ordering::Release);
        self.room.close();
        self.jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("the journal's writer panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024))
        .unwrap_or(u32::MAX >> 3)
        .min(u32::MAX >> 3)
}

/// The lock of a journal. It is let go of by name: a child process that is just being started shares the file for a
/// moment, and closing our end of it would not be enough.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the lock of a journal could not be let go of; it ends with the process");
        }
    }
}

fn lock(path: &Path) -> Result<Lock, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let refuse = |source| OpenError::Lock {
        path: path.to_owned(),
        source,
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(PathBuf::from(name))
        .map_err(refuse)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(refuse(source)),
    }
}
