//! Cuts, masks, seals and signs what is wanted, one at a time, and announces it.
//!
//! Everything up to the entry in the spool may be done again: what is wanted goes only after that. The manifest is announced
//! with a note in the same transaction, so that a restart in between does not announce it twice. The plain cut lies beside
//! the ring, which holds the same pictures, and goes when the original is sealed.

use super::{
    Footage, Served,
    masking::{Masker, NotMasked},
    reel::ReelError,
    spool::{Entry, Gone, Want},
    work::Work,
};
use crate::{
    camera::clip::{self, ClipError},
    identity::{Files, IdentityError},
    record::Record,
    source::Sink,
    stop::Stop,
    vision::Vision,
};
use contract::{
    AgentId, DeviceId, SiteId, Timestamp,
    footage::{Detections, Loss, Occasion, Said, Signed},
    hex::hex,
};
use journal::AppendError;
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// The ring is cut so long after the end, since ffmpeg writes late.
const LAG_MS: i64 = 3_000;
/// What cannot be done now is tried again after so long, and at most; it is given up after so long.
const AGAIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));
const GIVE_UP_MS: i64 = 86_400_000;
/// A look at the spool without being told.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// What a camera shows is taken from so much of the ring.
const OVERVIEW_MS: i64 = 8_000;
/// The notes that name the manifest that was announced last, and the loss that was told of last.
const NOTE: &str = "footage/announced";
const NOTE_LOST: &str = "footage/lost";
/// The bounds of the spool are kept so often where nothing is cut.
const TRIM_EVERY: Duration = Duration::from_secs(600);
/// A cut beside the ring.
const CUT: &str = "cut";

/// Why something that is wanted cannot be made now.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The ring.
    #[error("cannot cut the clip")]
    Clip(#[from] ClipError),
    /// The cut.
    #[error("cannot read the frames of the clip")]
    Reel(#[from] ReelError),
    /// Nobody masks.
    #[error(transparent)]
    NotMasked(#[from] NotMasked),
    /// Not one frame could be masked.
    #[error("none of {0} frames could be masked")]
    Nothing(usize),
    /// The original.
    #[error("the original cannot be sealed: {0}")]
    Seal(String),
    /// The spool.
    #[error("cannot write the spool")]
    Spool(#[from] io::Error),
    /// The agent's key.
    #[error("the manifest cannot be signed")]
    Sign(#[from] IdentityError),
}

impl JobError {
    /// True if no other time is better.
    fn is_final(&self) -> bool {
        matches!(
            self,
            JobError::Clip(ClipError::Nothing { .. } | ClipError::Order)
        )
    }
}

/// Who cuts.
pub struct Cutter {
    /// Where sightings come in.
    pub footage: Footage,
    /// Who masks and seals.
    pub vision: Vision,
    /// The agent's key.
    pub files: Files,
    /// The site.
    pub site: SiteId,
    /// The agent.
    pub agent: AgentId,
    /// Where manifests go.
    pub sink: Sink,
}

/// A plain cut, which is deleted when it is let go of.
struct Plain {
    footage: Footage,
    path: PathBuf,
}

impl Plain {
    fn of(footage: &Footage, path: PathBuf) -> Plain {
        footage.cuts(Some(path.clone()));
        Plain {
            footage: footage.clone(),
            path,
        }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        delete(&self.path);
        self.footage.cuts(None);
    }
}

fn delete(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::error!(path = %path.display(), %error, "a plain cut cannot be deleted; it lies beside the ring");
    }
}

/// Deletes the cuts that a violent end left beside a ring; `now` is the one that is being made.
pub fn clean(ring: &Path, now: Option<&Path>) {
    let entries = fs::read_dir(ring).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.extension().is_some_and(|kind| kind == CUT) && now != Some(&path) {
            delete(&path);
        }
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(act).await;
    done.map_err(io::Error::other)?
}

impl Cutter {
    /// Cuts until told to stop. What is under way then is begun again by the next start.
    pub async fn run(self, mut stop: Stop) {
        tokio::select! {
            () = stop.asked() => {}
            () = self.work() => {}
        }
    }

    async fn work(&self) {
        let mut resting: HashMap<String, (Instant, u32)> = HashMap::new();
        let mut trimmed: Option<Instant> = None;
        loop {
            if trimmed.is_none_or(|at| at.elapsed() >= TRIM_EVERY) {
                trimmed = Some(Instant::now());
                self.trim().await;
            }
            self.announce().await;
            let wants = self.footage.spool().wants();
            resting.retain(|name, _| wants.iter().any(|(known, _)| known == name));
            let (now, instant) = (Timestamp::now(), Instant::now());
            let is_due = |(name, want): &&(String, Want)| {
                let rests = resting.get(name).is_some_and(|(until, _)| *until > instant);
                want.to.plus_millis(LAG_MS) <= now && !rests
            };
            if let Some((name, want)) = wants.iter().find(is_due) {
                if let Err(error) = self.wanted(name, want).await {
                    self.failed(name, want, &error, &mut resting);
                }
                continue;
            }
            let (due, next) = self.footage.overviews();
            if let Some(served) = due.first() {
                let again = self.overview(served).await;
                self.footage.overview_done(&served.id, again);
                continue;
            }
            let waits = wants.iter().map(|(name, want)| {
                let due = want.to.plus_millis(LAG_MS).since(now).max(0) as u64;
                let rests = resting.get(name);
                let rests = rests.map(|(until, _)| until.saturating_duration_since(instant));
                Duration::from_millis(due).max(rests.unwrap_or_default())
            });
            let next = next.map(|at| at.saturating_duration_since(instant));
            let wait = waits
                .chain(next)
                .min()
                .unwrap_or(LOOK_AGAIN)
                .min(LOOK_AGAIN);
            // Either something was told, or it is time.
            let _ = timeout(wait, self.footage.something_to_cut()).await;
        }
    }

    fn failed(
        &self,
        name: &str,
        want: &Want,
        error: &JobError,
        resting: &mut HashMap<String, (Instant, u32)>,
    ) {
        let counts = &self.footage.metrics().footage;
        let camera = &want.camera;
        let cause = crate::chain(error);
        let (until, times) = resting
            .entry(name.to_owned())
            .or_insert((Instant::now(), 0));
        let wait = AGAIN.0.saturating_mul(1 << (*times).min(10)).min(AGAIN.1);
        *until = Instant::now() + wait;
        *times += 1;
        if error.is_final() || Timestamp::now().since(want.to) > GIVE_UP_MS {
            counts.wants_given_up.add(1);
            tracing::warn!(%camera, at = %want.at, cause, "there will be no pictures of this sighting");
            if let Err(error) = self.footage.spool().done(name) {
                tracing::error!(%error, "the spool cannot be written");
            }
            return;
        }
        counts.masking_waited.add(1);
        if *times == 1 {
            tracing::warn!(%camera, at = %want.at, cause, ?wait, "pictures of a sighting cannot be made now; they are tried again");
        }
    }

    async fn wanted(&self, name: &str, want: &Want) -> Result<(), JobError> {
        let entry = self.make(Some(name), want).await?;
        let (footage, name) = (self.footage.clone(), name.to_owned());
        blocking(move || {
            footage.spool().enter(entry)?;
            footage.spool().done(&name)?;
            footage.spool().trim(&footage.config(), Timestamp::now())
        })
        .await?;
        self.footage.metrics().footage.cut.add(1);
        Ok(())
    }

    /// How a camera looks; gives when to try again if it cannot be seen now.
    async fn overview(&self, served: &Served) -> Option<Duration> {
        let to = Timestamp::now().plus_millis(-LAG_MS / 2);
        let want = Want {
            camera: served.id.clone(),
            ring: served.ring.clone(),
            ffmpeg: served.ffmpeg.clone(),
            occasion: Occasion::Overview,
            at: to,
            from: to.plus_millis(-OVERVIEW_MS),
            to,
            models: Vec::new(),
            seen: Detections::default(),
        };
        match self.make(None, &want).await {
            Ok(entry) => {
                let footage = self.footage.clone();
                let kept = blocking(move || {
                    footage.spool().enter(entry)?;
                    footage.spool().trim(&footage.config(), Timestamp::now())
                })
                .await;
                if let Err(error) = kept {
                    tracing::error!(%error, "the spool cannot be written");
                    return Some(AGAIN.1);
                }
                self.footage.metrics().footage.wanted.add(1);
                self.footage.metrics().footage.cut.add(1);
                None
            }
            Err(error) => {
                tracing::debug!(camera = %served.id, cause = crate::chain(&error), "the camera cannot be shown as it is yet");
                Some(AGAIN.0)
            }
        }
    }

    async fn make(&self, name: Option<&str>, want: &Want) -> Result<Entry, JobError> {
        let config = self.footage.config();
        let file = format!("{}.{CUT}", name.unwrap_or("overview"));
        let plain = Plain::of(&self.footage, want.ring.join(file));
        let (ring, path, from, to) = (want.ring.clone(), plain.path.clone(), want.from, want.to);
        let cut = tokio::task::spawn_blocking(move || clip::cut_pieces(&ring, from, to, &path));
        let (clip, pieces) = cut.await.map_err(io::Error::other)??;
        let served = self.footage.served(&want.camera);
        let mut detectors = config.detectors.clone();
        detectors.extend(served.into_iter().flat_map(|served| served.detectors));
        detectors.sort();
        detectors.dedup();
        let masker = Masker {
            vision: &self.vision,
            detectors,
        };
        let work = Work {
            cutter: self,
            config: &config,
            name,
            want,
            masker,
            plain: &plain.path,
            clip: &clip,
            pieces: &pieces,
        };
        work.run().await
    }

    /// Keeps the bounds of the spool.
    async fn trim(&self) {
        let footage = self.footage.clone();
        let trim = move || footage.spool().trim(&footage.config(), Timestamp::now());
        if let Err(error) = blocking(trim).await {
            tracing::error!(%error, "the spool cannot be written");
        }
    }

    /// Tells of every manifest that was not told of yet, and then of every file that went.
    async fn announce(&self) {
        for entry in self.footage.spool().unannounced() {
            let said = Said::Footage(entry.signed.clone());
            let note = (NOTE, entry.id.as_str());
            let camera = (&entry.camera, entry.at);
            if let Err(error) = self.tell(camera, &said, note).await {
                tracing::error!(camera = %entry.camera, %error, "a manifest cannot be stored; it is tried again");
                return;
            }
            let footage = self.footage.clone();
            if let Err(error) = blocking(move || footage.spool().announced(&entry)).await {
                tracing::error!(%error, "the spool cannot be written");
                return;
            }
            self.footage.hurry_sending();
        }
        for (name, gone) in self.footage.spool().untold() {
            let signed = match self.signed_loss(&gone) {
                Ok(signed) => signed,
                Err(error) => {
                    let cause = crate::chain(&error);
                    tracing::error!(
                        cause,
                        "that a file went cannot be signed; it is tried again"
                    );
                    return;
                }
            };
            let camera = (&gone.camera, gone.at);
            let said = Said::Lost(signed);
            if let Err(error) = self.tell(camera, &said, (NOTE_LOST, name.as_str())).await {
                tracing::error!(camera = %gone.camera, %error, "that a file went cannot be stored; it is tried again");
                return;
            }
            let footage = self.footage.clone();
            if let Err(error) = blocking(move || footage.spool().told(&name)).await {
                tracing::error!(%error, "the spool cannot be written");
                return;
            }
        }
    }

    /// Stores what is said of a camera, once: `note` names what was said last under its key.
    async fn tell(
        &self,
        (camera, at): (&DeviceId, Timestamp),
        said: &Said,
        (key, name): (&str, &str),
    ) -> Result<(), AppendError> {
        if self.sink.note(key).is_some_and(|id| id == name.as_bytes()) {
            return Ok(());
        }
        let mut record = Record::of(camera.clone(), at, Vec::new());
        record.raw = serde_json::to_vec(said).expect("what is said is always JSON");
        let note = (key.to_owned(), name.as_bytes().to_vec());
        self.sink.keep(&record, Some(note)).await
    }

    fn signed_loss(&self, gone: &Gone) -> Result<Signed, IdentityError> {
        let loss = Loss {
            format: 1,
            site: self.site.clone(),
            agent: self.agent.clone(),
            camera: gone.camera.clone(),
            lost_sha256: gone.sha256.clone(),
            role: gone.role,
            at: gone.at,
            by: gone.by,
        };
        self.signed(serde_json::to_string(&loss).expect("a loss is always JSON"))
    }

    /// What the agent says, with its signature.
    pub(super) fn signed(&self, text: String) -> Result<Signed, IdentityError> {
        let (certificate, signature) = self.files.sign(text.as_bytes())?;
        Ok(Signed {
            manifest: text,
            certificate,
            signature: hex(&signature),
        })
    }
}
