//! Sends what waits in the spool, a file at a time, slowly enough that readings go first, for as long as it takes.

use super::{
    Footage,
    door::{Door, DoorError},
    spool::Waiting,
    upload::{Next, Transfer},
};
use crate::stop::Stop;
use bytes::Bytes;
use contract::{
    Timestamp,
    footage::{NotTaken, Role},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
    time::{Instant, sleep, timeout},
};

/// After a failure, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// A manifest that the gateway has not read yet, and at most.
const NOT_YET: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(120));
/// How often the spool is looked at without being told.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How sending does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sending {
    /// When the gateway last had a whole file.
    pub last_at: Option<Timestamp>,
    /// Why sending does not work, since when.
    pub error: Option<(Timestamp, String)>,
}

/// What became of one file.
enum Fate {
    Done,
    NotYet,
    Refused(NotTaken),
    Doubt(String),
    Later(String),
}

/// Sends until told to stop.
pub async fn run(footage: Footage, door: Door, mut stop: Stop) {
    let sender = Sender {
        footage,
        door,
        resting: HashMap::new(),
    };
    tokio::select! {
        () = stop.asked() => {}
        () = sender.work() => {}
    }
}

struct Sender {
    footage: Footage,
    door: Door,
    /// Files that are not tried before then, and how often they were put off.
    resting: HashMap<String, (Instant, u32)>,
}

impl Sender {
    async fn work(mut self) {
        let mut failures = 0;
        loop {
            let due = self.due();
            let before = self.footage.metrics().footage.bytes_sent.get();
            let mut failed = false;
            for file in due {
                match self.file(&file).await {
                    Ok(fate) => self.settle(&file, fate).await,
                    Err(error) => {
                        self.footage.metrics().footage.sends_failed.add(1);
                        self.footage.cannot_send(&crate::chain(&error));
                        failed = true;
                        break;
                    }
                }
            }
            // A line that carries something is bad, not away.
            let has_moved = self.footage.metrics().footage.bytes_sent.get() > before;
            failures = match (failed, has_moved) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => failures + 1,
            };
            let wait = match failed {
                true => doubled(BACK_OFF, failures - 1),
                false => self.rest(),
            };
            if failed {
                // A file that came does not hurry a gateway that is away.
                sleep(wait).await;
            } else {
                // Either something was told, or it is time.
                let _ = timeout(wait, self.footage.something_to_send()).await;
            }
        }
    }

    /// Originals that were asked for, then what waits.
    fn due(&mut self) -> Vec<Waiting> {
        let spool = self.footage.spool();
        let wanted = self.footage.wanted_originals();
        let mut files: Vec<Waiting> = wanted
            .iter()
            .filter_map(|sha256| spool.original(sha256))
            .collect();
        files.extend(spool.waiting());
        self.resting
            .retain(|sha256, _| files.iter().any(|file| file.sha256 == *sha256));
        let now = Instant::now();
        files.retain(|file| {
            self.resting
                .get(&file.sha256)
                .is_none_or(|(until, _)| *until <= now)
        });
        files
    }

    fn rest(&self) -> Duration {
        let first = self.resting.values().map(|(until, _)| *until).min();
        let wait = first.map(|until| until.saturating_duration_since(Instant::now()));
        wait.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN)
    }

    /// Sends one file as far as it goes.
    async fn file(&mut self, file: &Waiting) -> Result<Fate, DoorError> {
        let config = self.footage.config();
        let path = self.footage.spool().path(&file.sha256, file.role);
        let mut transfer = Transfer::new(file.bytes);
        let mut next = transfer.begin();
        loop {
            let said = match next {
                Next::Ask => self.door.ask(&config.url, &file.sha256).await?,
                Next::Send(from, to) => {
                    let bytes = match read(&path, from, to).await {
                        Ok(bytes) => bytes,
                        Err(error) => return Ok(Fate::Doubt(error.to_string())),
                    };
                    let length = bytes.len() as u64;
                    let began = Instant::now();
                    let said = self
                        .door
                        .send(&config.url, &file.sha256, bytes, from, file.bytes)
                        .await?;
                    self.footage.metrics().footage.bytes_sent.add(length);
                    let pace = Duration::from_secs_f64(length as f64 / config.bytes_per_s as f64);
                    sleep(pace.saturating_sub(began.elapsed())).await;
                    said
                }
                Next::Done => return Ok(Fate::Done),
                Next::NotYet => return Ok(Fate::NotYet),
                Next::Refused(why) => return Ok(Fate::Refused(why)),
                Next::Doubt(why) => return Ok(Fate::Doubt(why)),
                Next::Later(why) => return Ok(Fate::Later(why)),
            };
            next = transfer.hear(said);
        }
    }

    async fn settle(&mut self, file: &Waiting, fate: Fate) {
        let footage = self.footage.clone();
        let (counts, spool) = (&footage.metrics().footage, footage.spool());
        let path = spool.path(&file.sha256, file.role);
        let is_damaged = match fate {
            Fate::Doubt(_) => is_damaged(path.clone(), file.sha256.clone()).await,
            _ => false,
        };
        match fate {
            Fate::Done => {
                self.resting.remove(&file.sha256);
                footage.has_sent();
                if file.role == Role::Original {
                    counts.originals_sent.add(1);
                    return footage.original_came(&file.sha256);
                }
                counts.files_sent.add(1);
                said(spool.gone(&file.sha256));
            }
            // The manifest waits in the buffer, or the gateway has not looked at it yet.
            Fate::NotYet => self.put_off(file, NOT_YET),
            Fate::Refused(why) => {
                self.resting.remove(&file.sha256);
                footage.refused(file, why);
            }
            Fate::Doubt(why) if is_damaged => {
                // A full spool may have let go of it meanwhile.
                match spool.damaged(&file.sha256, Timestamp::now()) {
                    Ok(false) => return,
                    Ok(true) => footage.hurry_cutting(),
                    Err(error) => said(Err(error)),
                }
                counts.files_damaged.add(1);
                tracing::error!(path = %path.display(), why, "a file of the spool is not what was written; it is let go of");
            }
            Fate::Doubt(why) | Fate::Later(why) => {
                counts.sends_failed.add(1);
                footage.cannot_send(&why);
                self.put_off(file, BACK_OFF);
            }
        }
    }

    fn put_off(&mut self, file: &Waiting, limits: (Duration, Duration)) {
        let (until, times) = self
            .resting
            .entry(file.sha256.clone())
            .or_insert((Instant::now(), 0));
        *until = Instant::now() + doubled(limits, *times);
        *times += 1;
    }
}

fn said(done: io::Result<()>) {
    if let Err(error) = done {
        tracing::error!(%error, "the spool cannot be written");
    }
}

fn doubled((least, most): (Duration, Duration), times: u32) -> Duration {
    least.saturating_mul(1 << times.min(16)).min(most)
}

async fn read(path: &Path, from: u64, to: u64) -> io::Result<Bytes> {
    let mut file = File::open(path).await?;
    file.seek(io::SeekFrom::Start(from)).await?;
    let mut bytes = vec![0; usize::try_from(to - from).map_err(io::Error::other)?];
    file.read_exact(&mut bytes).await?;
    Ok(bytes.into())
}

async fn is_damaged(path: PathBuf, sha256: String) -> bool {
    let looking = tokio::task::spawn_blocking(move || is_whole(&path, &sha256));
    // A look that was cut off says nothing against the file.
    !looking.await.unwrap_or(true)
}

/// Whether a file is what its name says.
fn is_whole(path: &Path, sha256: &str) -> bool {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; 1 << 16];
    let Ok(mut file) = std::fs::File::open(path) else {
        return false;
    };
    loop {
        match io::Read::read(&mut file, &mut buffer) {
            Ok(0) => return contract::hex::hex(hash.finish().as_ref()) == sha256,
            Ok(count) => hash.update(&buffer[..count]),
            Err(_) => return false,
        }
    }
}
