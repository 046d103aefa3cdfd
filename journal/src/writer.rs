//! The only thread that writes. Everything queued while one commit ran goes into the next transaction.

use crate::{
    AppendError, Block, Committed, Seq,
    store::{Store, Write},
    tail::Tail,
};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

pub(crate) type Answer<T> = oneshot::Sender<Result<T, AppendError>>;

pub(crate) enum Job {
    Append {
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
const TRIM_STEP: u64 = 512;

pub(crate) fn run(
    mut store: Store,
    mut queue: mpsc::UnboundedReceiver<Job>,
    tail: &Tail,
    group_bytes: usize,
) {
    while let Some(first) = queue.blocking_recv() {
        let mut bytes = first.bytes();
        let mut group = vec![first];
        while bytes < group_bytes && group.len() < 4096 {
            let Ok(job) = queue.try_recv() else { break };
            bytes += job.bytes();
            group.push(job);
        }
        commit(&mut store, tail, group);
    }
    store.tidy();
    let mut progress = tail.progress();
    progress.is_closed = true;
    tail.publish(Vec::new(), progress);
}

fn commit(store: &mut Store, tail: &Tail, group: Vec<Job>) {
    let done = match attempt(store, group) {
        Ok(done) => done,
        Err((jobs, error)) => return fail(store, tail, jobs, error),
    };
    tail.publish(done.blocks, store.progress());
    for (job, result) in done.answers {
        answer(job, result);
    }
    for (through, answer) in done.trims {
        // The caller may have gone; the trim is done all the same.
        let _ = answer.send(trim(store, tail, through));
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
            at_ms,
            count,
            body,
            notes,
            ..
        } => {
            if let Some((used, limit)) = write.is_over(body.len()) {
                return Ok(Applied::Refused(AppendError::Full { used, limit }));
            }
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

fn trim(store: &mut Store, tail: &Tail, through: Seq) -> Result<(), AppendError> {
    loop {
        let first = store.progress().first;
        let end = through.min(store.progress().head);
        if end < first {
            return Ok(());
        }
        let step = Seq(end.0.min(first.0 + TRIM_STEP - 1));
        if let Err(error) = store.trim(step) {
            store.reload();
            return Err(AppendError::Store(Arc::new(error)));
        }
        tail.publish(Vec::new(), store.progress());
    }
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
