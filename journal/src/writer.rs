//! The only thread that writes. Everything queued while one commit ran goes into the next transaction.

use crate::{
    AppendError, Block, Committed, Seq,
    store::{Store, Write},
    tail::Tail,
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

pub(crate) type Answer<T> = oneshot::Sender<Result<T, AppendError>>;

pub(crate) enum Job {
    Append {
        /// Blocks up to this one are deleted with it.
        through: Seq,
        at_ms: i64,
        count: u64,
        body: Bytes,
        notes: Vec<(String, Vec<u8>)>,
        /// Given back when the block is on disk.
        _room: OwnedSemaphorePermit,
        answer: Answer<Committed>,
    },
    SetCursor {
        name: String,
        seq: Seq,
        answer: Answer<()>,
    },
    SetNote {
        key: String,
        value: Vec<u8>,
        answer: Answer<()>,
    },
    Trim {
        through: Seq,
        answer: Answer<()>,
    },
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Job::Append { body, .. } => body.len(),
            Job::SetCursor { .. } | Job::SetNote { .. } | Job::Trim { .. } => 0,
        }
    }

    fn refuse(self, error: AppendError) {
        // A caller that stopped waiting does not hear; that is its choice.
        let _ = match self {
            Job::Append { answer, .. } => answer.send(Err(error)).map_err(|_| ()),
            Job::SetCursor { answer, .. }
            | Job::SetNote { answer, .. }
            | Job::Trim { answer, .. } => answer.send(Err(error)).map_err(|_| ()),
        };
    }
}

/// Blocks deleted in one transaction, so that appends wait little while much is trimmed.
const TRIM_STEP: u64 = 256;
/// A commit that takes longer is said in the log: everyone who sends waits for it.
const SLOW: Duration = Duration::from_secs(1);

pub(crate) fn run(
    mut store: Store,
    mut queue: mpsc::UnboundedReceiver<Job>,
    tail: &Tail,
    group_bytes: usize,
) {
    let mut trims = Trims::default();
    loop {
        // Between two steps of a trim, whatever waits to be appended comes first.
        let first = match trims.is_empty() {
            true => queue.blocking_recv(),
            false => match queue.try_recv() {
                Ok(job) => Some(job),
                Err(mpsc::error::TryRecvError::Empty) => {
                    trims.step(&mut store, tail);
                    continue;
                }
                Err(mpsc::error::TryRecvError::Disconnected) => None,
            },
        };
        let Some(first) = first else { break };
        let mut bytes = first.bytes();
        let mut group = vec![first];
        while bytes < group_bytes && group.len() < 4096 {
            let Ok(job) = queue.try_recv() else { break };
            bytes += job.bytes();
            group.push(job);
        }
        commit(&mut store, tail, group, &mut trims);
        trims.step(&mut store, tail);
    }
    while !trims.is_empty() {
        trims.step(&mut store, tail);
    }
    store.tidy();
    let mut progress = tail.progress();
    progress.is_closed = true;
    tail.publish(Vec::new(), progress);
}

fn commit(store: &mut Store, tail: &Tail, group: Vec<Job>, trims: &mut Trims) {
    let began = Instant::now();
    let done = match attempt(store, group) {
        Ok(done) => done,
        Err((jobs, error)) => return fail(store, tail, jobs, error),
    };
    if began.elapsed() > SLOW {
        tracing::warn!(
            seconds = began.elapsed().as_secs_f64(),
            blocks = done.blocks.len(),
            "the disk was slow to take a group of the journal"
        );
    }
    tail.publish(done.blocks, store.progress());
    for (job, result) in done.answers {
        answer(job, result);
    }
    trims.0.extend(done.trims);
}

/// Trims under way, each a step at a time.
#[derive(Default)]
struct Trims(VecDeque<(Seq, Answer<()>)>);

impl Trims {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One step of the first; its caller is answered when it is done.
    fn step(&mut self, store: &mut Store, tail: &Tail) {
        let Some((through, _)) = self.0.front() else {
            return;
        };
        let result = match trim_step(store, tail, *through) {
            Ok(false) => return,
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        if let Some((_, answer)) = self.0.pop_front() {
            // The caller may have gone; the trim is done all the same.
            let _ = answer.send(result);
        }
    }
}

/// What one transaction did.
#[derive(Default)]
struct Done {
    blocks: Vec<Arc<Block>>,
    answers: Vec<(Job, Result<Seq, AppendError>)>,
    /// To be done after it, in transactions of their own.
    trims: Vec<(Seq, Answer<()>)>,
}

/// Writes the group in one transaction; gives the jobs back if nothing of it was kept.
fn attempt(store: &mut Store, group: Vec<Job>) -> Result<Done, (Vec<Job>, rusqlite::Error)> {
    let mut write = match store.begin() {
        Ok(write) => write,
        Err(error) => return Err((group, error)),
    };
    let mut done = Done::default();
    let mut jobs = group.into_iter();
    let mut broken = None;
    for job in jobs.by_ref() {
        if let Job::Trim { through, answer } = job {
            done.trims.push((through, answer));
            continue;
        }
        let result = match apply(&mut write, &job) {
            Ok(Applied::Block(block)) => {
                let seq = block.seq;
                done.blocks.push(Arc::new(block));
                Ok(seq)
            }
            Ok(Applied::Mark) => Ok(Seq(0)),
            Ok(Applied::Refused(error)) => Err(error),
            Err(error) => {
                broken = Some(error);
                Ok(Seq(0))
            }
        };
        done.answers.push((job, result));
        if broken.is_some() {
            break;
        }
    }
    let result = match broken {
        Some(error) => {
            write.abandon();
            Err(error)
        }
        None => write.commit(),
    };
    match result {
        Ok(()) => Ok(done),
        Err(error) => {
            let trims = done.trims.into_iter();
            let trims = trims.map(|(through, answer)| Job::Trim { through, answer });
            let tried = done.answers.into_iter().map(|(job, _)| job);
            Err((tried.chain(jobs).chain(trims).collect(), error))
        }
    }
}

enum Applied {
    Block(Block),
    Mark,
    Refused(AppendError),
}

fn apply(write: &mut Write<'_>, job: &Job) -> Result<Applied, rusqlite::Error> {
    match job {
        Job::Append {
            through,
            at_ms,
            count,
            body,
            notes,
            ..
        } => {
            if let Some((used, limit)) = write.is_over_without(*through, body.len())? {
                return Ok(Applied::Refused(AppendError::Full { used, limit }));
            }
            write.trim(*through)?;
            for (key, value) in notes {
                write.note(key, value)?;
            }
            Ok(Applied::Block(write.block(*at_ms, *count, body.clone())?))
        }
        Job::SetCursor { name, seq, .. } => write.cursor(name, *seq).map(|()| Applied::Mark),
        Job::SetNote { key, value, .. } => write.note(key, value).map(|()| Applied::Mark),
        Job::Trim { .. } => unreachable!("trims are set aside before"),
    }
}

fn answer(job: Job, result: Result<Seq, AppendError>) {
    // A caller that stopped waiting does not hear; that is its choice.
    match job {
        Job::Append { answer, .. } => drop(answer.send(result.map(|seq| Committed { seq }))),
        Job::SetCursor { answer, .. } | Job::SetNote { answer, .. } | Job::Trim { answer, .. } => {
            drop(answer.send(result.map(|_| ())));
        }
    }
}

/// Deletes the next blocks; true when none is left to delete.
fn trim_step(store: &mut Store, tail: &Tail, through: Seq) -> Result<bool, AppendError> {
    let first = store.progress().first;
    let end = through.min(store.progress().head);
    if end < first {
        return Ok(true);
    }
    let step = Seq(end.0.min(first.0 + TRIM_STEP - 1));
    if let Err(error) = store.trim(step) {
        store.reload();
        return Err(AppendError::Store(Arc::new(error)));
    }
    tail.publish(Vec::new(), store.progress());
    Ok(end <= step)
}

/// Nothing of the group is on disk: says so to everyone and finds out again where the journal ends.
fn fail(store: &mut Store, tail: &Tail, jobs: Vec<Job>, error: rusqlite::Error) {
    tracing::error!(%error, "the journal cannot write; nothing of this group is kept");
    let error = Arc::new(error);
    store.reload();
    if store.progress().head != tail.progress().head {
        tail.clear();
        tail.publish(Vec::new(), store.progress());
    }
    for job in jobs {
        job.refuse(AppendError::Store(error.clone()));
    }
}
