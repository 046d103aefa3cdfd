//! Cuts, masks, seals and signs what is wanted, one at a time, and announces it.
//!
//! Everything up to the entry in the spool may be done again: what is wanted goes only after that. The manifest is announced
//! with a note in the same transaction, so that a restart in between does not announce it twice. The plain cut lies beside
//! the ring, which holds the same pictures, and goes when the original is sealed.

use super::{
    Footage, Served,
    config::FootageConfig,
    cover::{Looked, cover},
    manifest::{self, Made, Stills},
    masking::{Masker, NotMasked},
    parts,
    reel::{Choice, Frame, Reel, ReelError},
    spool::{Entry, Want, Writing, sha256},
};
use crate::{
    camera::clip::{self, Clip, ClipError, Piece},
    identity::{Files, IdentityError},
    record::Record,
    source::Sink,
    stop::Stop,
    vision::Vision,
};
use contract::{
    AgentId, SiteId, Timestamp,
    footage::{Detections, Manifest, Occasion, Part, Role, Said, Signed},
    vision::{ModelUsed, Said as Answered, What},
};
use std::{
    collections::{BTreeSet, HashMap},
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
/// Quality of the pictures of a clip and of stills.
const QUALITY: (u8, u8) = (70, 88);
/// The note that names the manifest that was announced last.
const NOTE: &str = "footage/announced";
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

/// A file that is deleted when it is let go of.
struct Plain(PathBuf);

impl Drop for Plain {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(path = %self.0.display(), %error, "a plain cut cannot be deleted; it lies beside the ring");
        }
    }
}

/// Deletes the cuts that a violent end left beside a ring.
pub fn clean(ring: &Path) {
    let entries = fs::read_dir(ring).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.extension().is_some_and(|kind| kind == CUT) {
            drop(Plain(path));
        }
    }
}

async fn blocking<T: Send + 'static>(
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
        loop {
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
            let waits = wants.iter().filter_map(|(name, want)| {
                let due = want.to.plus_millis(LAG_MS).since(now).max(0) as u64;
                let rests = resting.get(name);
                let rests = rests.map(|(until, _)| until.saturating_duration_since(instant));
                Some(Duration::from_millis(due).max(rests.unwrap_or_default()))
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
        let entry = self.make(name, want).await?;
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
        match self.make("overview", &want).await {
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

    async fn make(&self, name: &str, want: &Want) -> Result<Entry, JobError> {
        let config = self.footage.config();
        let plain = Plain(want.ring.join(format!("{name}.{CUT}")));
        let (ring, path, from, to) = (want.ring.clone(), plain.0.clone(), want.from, want.to);
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
            want,
            masker,
            plain: &plain.0,
            clip: &clip,
            pieces: &pieces,
        };
        work.run().await
    }

    /// Tells of every manifest that was not told of yet.
    async fn announce(&self) {
        for entry in self.footage.spool().unannounced() {
            let is_told = self
                .sink
                .note(NOTE)
                .is_some_and(|id| id == entry.id.as_bytes());
            if !is_told {
                let said = Said::Footage(entry.signed.clone());
                let mut record = Record::of(entry.camera.clone(), entry.at, Vec::new());
                record.raw = serde_json::to_vec(&said).expect("a manifest is always JSON");
                let note = (NOTE.to_owned(), entry.id.clone().into_bytes());
                if let Err(error) = self.sink.keep(&record, Some(note)).await {
                    tracing::error!(camera = %entry.camera, %error, "a manifest cannot be stored; it is tried again");
                    return;
                }
            }
            let footage = self.footage.clone();
            if let Err(error) = blocking(move || footage.spool().announced(&entry)).await {
                tracing::error!(%error, "the spool cannot be written");
                return;
            }
            self.footage.hurry_sending();
        }
    }
}

/// One job.
struct Work<'a> {
    cutter: &'a Cutter,
    config: &'a FootageConfig,
    want: &'a Want,
    masker: Masker<'a>,
    plain: &'a Path,
    clip: &'a Clip,
    pieces: &'a [Piece],
}

impl Work<'_> {
    async fn run(&self) -> Result<Entry, JobError> {
        let is_overview = self.want.occasion == Occasion::Overview;
        let mut masked_by = BTreeSet::new();
        let looked = self.look(&mut masked_by).await?;
        let masks = cover(&looked);
        let shown: Vec<(Timestamp, usize)> = looked
            .iter()
            .enumerate()
            .filter(|(n, _)| masks[*n].is_some())
            .map(|(n, looked)| (looked.at, n))
            .collect();
        let times: Vec<Timestamp> = shown.iter().map(|(at, _)| *at).collect();
        let stills = match is_overview {
            true => Stills::last(&times),
            false => Stills::around(&times, self.want, self.config),
        };
        let masks: HashMap<Timestamp, &Vec<_>> = shown
            .iter()
            .filter_map(|(at, n)| Some((*at, masks[*n].as_ref()?)))
            .collect();
        let mut made = self.mask(&masks, &stills, is_overview).await?;
        let left_out = looked.len() - made.times.len();
        let counts = &self.cutter.footage.metrics().footage;
        counts.frames_masked.add(made.times.len() as u64);
        if made.parts.is_empty() {
            return Err(JobError::Nothing(looked.len()));
        }
        counts.frames_left_out.add(left_out as u64);
        if left_out > 0 {
            tracing::warn!(camera = %self.want.camera, at = %self.want.at, left_out, "frames could not be masked and were left out");
        }
        if !is_overview {
            made.parts.push(self.detections().await?);
            made.parts.extend(self.seal().await?);
        }
        self.sign(made, masked_by.into_iter().collect())
    }

    async fn reel(&self) -> Result<Reel, ReelError> {
        let choice = Choice {
            from: self.want.from,
            to: self.want.to,
            frames_per_s: self.config.frames_per_s,
            at: self.want.at,
        };
        Reel::open(
            self.plain,
            self.clip,
            self.pieces,
            &self.want.ffmpeg,
            choice,
        )
        .await
    }

    async fn look(&self, masked_by: &mut BTreeSet<ModelUsed>) -> Result<Vec<Looked>, JobError> {
        let (mut reel, mut looked) = (self.reel().await?, Vec::new());
        while let Some(frame) = reel.next().await? {
            let found = self.masker.find(&frame, masked_by).await?;
            looked.push(Looked {
                at: frame.at,
                found,
            });
        }
        Ok(looked)
    }

    /// Goes through the frames a second time and writes them masked.
    async fn mask(
        &self,
        masks: &HashMap<Timestamp, &Vec<contract::vision::Area>>,
        stills: &Stills,
        is_overview: bool,
    ) -> Result<Made, JobError> {
        let spool = self.cutter.footage.spool();
        let mut reel = self.reel().await?;
        let mut writing = Writing::create(spool.part("clip"))?;
        let mut made = Made::default();
        while let Some(frame) = reel.next().await? {
            let Some(areas) = masks.get(&frame.at) else {
                continue;
            };
            for role in stills.at(frame.at) {
                if let Some(part) = self.still(&frame, areas, role).await? {
                    made.parts.push(part);
                }
            }
            if is_overview {
                made.times.push(frame.at);
                continue;
            }
            let Some(jpeg) = self.masker.mask(&frame, areas, QUALITY.0).await? else {
                continue;
            };
            writing.write(parts::head(frame.at, jpeg.len()).as_bytes())?;
            writing.write(&jpeg)?;
            writing.write(parts::TAIL)?;
            made.times.push(frame.at);
        }
        writing.write(parts::END)?;
        if is_overview || made.times.is_empty() {
            fs::remove_file(spool.part("clip"))?;
            return Ok(made);
        }
        let holes = clip::holes(&made.times, self.want.from, self.want.to);
        let part = Part {
            span: made.times.first().copied().zip(made.times.last().copied()),
            frames: u32::try_from(made.times.len()).unwrap_or(u32::MAX),
            holes: manifest::few(&holes),
            ..self.keep(writing, Role::Clip, parts::MEDIA_TYPE).await?
        };
        made.parts.push(part);
        Ok(made)
    }

    async fn still(
        &self,
        frame: &Frame,
        areas: &[contract::vision::Area],
        role: Role,
    ) -> Result<Option<Part>, JobError> {
        let Some(jpeg) = self.masker.mask(frame, areas, QUALITY.1).await? else {
            return Ok(None);
        };
        let mut writing = Writing::create(self.cutter.footage.spool().part("still"))?;
        writing.write(&jpeg)?;
        Ok(Some(Part {
            span: Some((frame.at, frame.at)),
            frames: 1,
            ..self.keep(writing, role, "image/jpeg").await?
        }))
    }

    /// What was seen, from before the sighting was written down and after it.
    async fn detections(&self) -> Result<Part, JobError> {
        let footage = &self.cutter.footage;
        let since = footage.detections(&self.want.camera, self.want.from, self.want.to);
        let seen = manifest::joined(self.want.seen.clone(), since);
        let mut writing = Writing::create(footage.spool().part("detections"))?;
        writing.write(&serde_json::to_vec(&seen).expect("detections are always JSON"))?;
        let part = self.keep(writing, Role::Detections, "application/json");
        Ok(part.await?)
    }

    /// The original, if there is somebody who could open it.
    async fn seal(&self) -> Result<Option<Part>, JobError> {
        let Some(custodians) = self.config.custodians.clone() else {
            return Ok(None);
        };
        let spool = self.cutter.footage.spool();
        let to = spool.part("original");
        let what = What::Seal {
            from: self.plain.to_owned(),
            to: to.clone(),
            custodians,
        };
        let answer = self.masker.vision.ask(what, bytes::Bytes::new()).await;
        let (answer, _) = answer.map_err(NotMasked::from)?;
        let (sha256, bytes) = match answer.said {
            Answered::Sealed { sha256, bytes } => (sha256, bytes),
            Answered::Failed { words, .. } => return Err(JobError::Seal(words)),
            other => {
                return Err(JobError::Seal(format!(
                    "an answer to something else: {other:?}"
                )));
            }
        };
        spool.keep(&to, &sha256, bytes, Role::Original)?;
        self.cutter
            .footage
            .metrics()
            .footage
            .originals_sealed
            .add(1);
        Ok(Some(Part {
            role: Role::Original,
            sha256,
            bytes,
            media_type: "application/octet-stream".into(),
            span: self.clip.span,
            frames: u32::try_from(self.clip.frames).unwrap_or(u32::MAX),
            holes: manifest::few(&self.clip.holes),
        }))
    }

    async fn keep(&self, writing: Writing, role: Role, media: &str) -> io::Result<Part> {
        let footage = self.cutter.footage.clone();
        let (sha256, bytes) = blocking(move || {
            let (path, sha256, bytes) = writing.finish()?;
            footage.spool().keep(&path, &sha256, bytes, role)?;
            Ok((sha256, bytes))
        })
        .await?;
        Ok(Part {
            role,
            sha256,
            bytes,
            media_type: media.to_owned(),
            span: None,
            frames: 0,
            holes: Vec::new(),
        })
    }

    fn sign(&self, made: Made, masked_by: Vec<ModelUsed>) -> Result<Entry, JobError> {
        let at = match self.want.occasion {
            Occasion::Overview => made.times.last().copied().unwrap_or(self.want.at),
            Occasion::Sighting { .. } => self.want.at,
        };
        let manifest = Manifest {
            format: 1,
            site: self.cutter.site.clone(),
            agent: self.cutter.agent.clone(),
            camera: self.want.camera.clone(),
            occasion: self.want.occasion.clone(),
            at,
            cut_at: Timestamp::now(),
            models: self.want.models.clone(),
            masked_by,
            parts: made.parts,
        };
        let text = serde_json::to_string(&manifest).expect("a manifest is always JSON");
        let (certificate, signature) = self.cutter.files.sign(text.as_bytes())?;
        Ok(Entry {
            id: sha256(text.as_bytes()),
            camera: manifest.camera,
            at,
            cut_at: manifest.cut_at,
            signed: Signed {
                manifest: text,
                certificate,
                signature: super::spool::hex(&signature),
            },
            parts: manifest.parts,
            is_announced: false,
        })
    }
}
