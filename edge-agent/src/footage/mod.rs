//! Pictures of what was seen: cut out of the ring, masked frame by frame, signed, and sent to the gateway. Read in this
//! order: `config`, `spool`, `reel`, `masking`, `cover`, `manifest`, `work`, `job`, `upload`, `door`, `send`.
//!
//! Promise: no picture leaves the box, or comes to lie in the spool, in which anything that was found of a face, a head or the
//! upper part of a person is not masked, in its own frame and in those around it; a frame that cannot be masked is left out
//! and is a hole. What the camera sent is kept only sealed for two persons. A manifest is announced once; a file goes to the
//! gateway until it has it. Not promised: that a face is found (docs/MEASURED.md says how many are); footage of a time that
//! the ring had let go of before the vision process came back, which is counted.

pub mod config; // how footage is written down
pub mod counts; // what became of it
pub mod cover; // what is masked in each frame; pure
pub mod door; // HTTPS with the agent's certificate
pub mod job; // one after the other, again if need be, and announced
pub mod manifest; // what is said of it; pure
pub mod masking; // the vision process masks
pub mod reel; // the frames of a cut
pub mod send; // what waits goes to the gateway
pub mod spool; // what waits, on disk
pub mod upload; // what is done next with a file; pure
pub mod work; // one job

use crate::metrics::Metrics;
use config::FootageConfig;
use contract::{
    DeviceId, Timestamp,
    footage::{Detections, Frame, NotTaken, Occasion, Outline, Role, Sighting},
    receipt::WANTED_MAX,
    status::FootageStatus,
};
use send::Sending;
use serde::{Deserialize, Serialize};
use spool::{Fill, Spool, Waiting, Want};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

/// What was seen is remembered for so long, and in so many frames of a camera.
const REMEMBERED: (Duration, usize) = (Duration::from_secs(180), 2_000);
/// A camera is shown as it is so often, and first so long after it began.
const OVERVIEW: (Duration, Duration) = (Duration::from_secs(86_400), Duration::from_secs(10));

/// A camera whose pictures are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Served {
    /// Its name.
    pub id: DeviceId,
    /// Folder of its ring.
    pub ring: PathBuf,
    /// The ffmpeg that decodes what it sends.
    pub ffmpeg: PathBuf,
    /// Detectors that find what is masked, besides those of `[footage]`.
    pub detectors: Vec<String>,
    /// Its zones.
    pub zones: Vec<Outline>,
}

/// Where sightings come in. Clones share it.
#[derive(Clone)]
pub struct Footage(Arc<Inner>);

struct Inner {
    spool: Spool,
    config: watch::Sender<FootageConfig>,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    to_cut: Notify,
    to_send: Notify,
}

#[derive(Default)]
struct State {
    cameras: BTreeMap<DeviceId, Seat>,
    /// Originals that the gateway asked for.
    originals: BTreeSet<String>,
    /// The plain cut that is being worked on.
    cut: Option<PathBuf>,
    sending: Sending,
}

struct Seat {
    served: Served,
    /// What was seen of late, the oldest first.
    frames: VecDeque<Frame>,
    /// When it is to be shown as it is.
    overview: Instant,
}

/// How footage does, for whoever stands before the box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FootageView {
    /// What is in the spool.
    pub fill: Fill,
    /// Bytes of masked files that it may hold.
    pub bytes_max: u64,
    /// How sending does.
    pub sending: Sending,
    /// Whether originals are sealed and kept.
    pub keeps_originals: bool,
    /// Pictures that were cut and masked since the start.
    pub cut: u64,
    /// Frames that could not be masked and were left out.
    pub frames_left_out: u64,
    /// Files that the gateway has got since the start.
    pub files_sent: u64,
    /// Pictures that were wanted and that there will never be.
    pub given_up: u64,
    /// Files that the full spool let go of.
    pub let_go: u64,
    /// Files that the disk changed.
    #[serde(default)]
    pub damaged: u64,
    /// Why the gateway does not take files that are here, if it does not: one of the reasons.
    #[serde(default)]
    pub refused: Option<NotTaken>,
}

impl Footage {
    /// Opens the spool.
    pub fn open(config: FootageConfig, metrics: Arc<Metrics>) -> io::Result<Footage> {
        let spool = Spool::open(&config.spool, metrics.clone())?;
        Ok(Footage(Arc::new(Inner {
            spool,
            config: watch::Sender::new(config),
            metrics,
            state: Mutex::default(),
            to_cut: Notify::new(),
            to_send: Notify::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What holds now.
    pub fn config(&self) -> FootageConfig {
        self.0.config.borrow().clone()
    }

    /// From now on this holds; the folder of the spool stays what it was.
    pub fn configure(&self, config: FootageConfig) {
        self.0.config.send_replace(config);
        self.0.to_send.notify_one();
    }

    pub(crate) fn spool(&self) -> &Spool {
        &self.0.spool
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// A camera begins, or has changed: it is shown as it is, soon and then every day.
    pub fn serve(&self, served: Served) {
        let now = self.state().cut.clone();
        job::clean(&served.ring, now.as_deref());
        let overview = Instant::now() + OVERVIEW.1;
        let seat = Seat {
            frames: VecDeque::new(),
            overview,
            served: served.clone(),
        };
        self.state().cameras.insert(served.id, seat);
        self.0.to_cut.notify_one();
    }

    /// Which plain cut is being worked on.
    pub(crate) fn cuts(&self, path: Option<PathBuf>) {
        self.state().cut = path;
    }

    /// A camera is there no longer.
    pub fn leave(&self, camera: &DeviceId) {
        self.state().cameras.remove(camera);
    }

    /// What was seen in a frame, for drawing over the clip.
    pub fn saw(&self, camera: &DeviceId, frame: Frame) {
        let mut state = self.state();
        let Some(seat) = state.cameras.get_mut(camera) else {
            return;
        };
        let oldest = frame.at.plus_millis(-(REMEMBERED.0.as_millis() as i64));
        seat.frames.push_back(frame);
        while seat.frames.len() > REMEMBERED.1
            || seat.frames.front().is_some_and(|frame| frame.at < oldest)
        {
            seat.frames.pop_front();
        }
    }

    /// A point of a camera became 1: its pictures are wanted. Returns once that is on disk, or was said not to be. A sighting of
    /// the same point and zone within a clip that is to be cut has its pictures in that one.
    pub async fn sighted(&self, camera: &DeviceId, sighting: &Sighting) {
        let config = self.config();
        let around = |duration: Duration| duration.as_millis() as i64;
        let (from, to) = (
            sighting.at.plus_millis(-around(config.before)),
            sighting.at.plus_millis(around(config.after)),
        );
        let Some(served) = self.served(camera) else {
            return;
        };
        let occasion = Occasion::Sighting {
            point: sighting.point.clone(),
            zone: sighting.zone.clone(),
        };
        if self.0.spool.covers(camera, &occasion, sighting.at) {
            self.0.metrics.footage.wants_covered.add(1);
            return;
        }
        let want = Want {
            camera: camera.clone(),
            ring: served.ring,
            ffmpeg: served.ffmpeg,
            occasion,
            at: sighting.at,
            from,
            to,
            models: sighting.models.clone(),
            seen: self.detections(camera, from, to),
        };
        let footage = self.clone();
        let written = tokio::task::spawn_blocking(move || footage.want(&want)).await;
        if let Err(error) = written {
            tracing::error!(%camera, %error, "what is wanted cannot be written down");
        }
    }

    fn want(&self, want: &Want) {
        let counts = &self.0.metrics.footage;
        counts.wanted.add(1);
        let camera = &want.camera;
        match self.0.spool.want(want) {
            Ok(true) => self.0.to_cut.notify_one(),
            Ok(false) => {
                counts.wants_dropped.add(1);
                tracing::warn!(%camera, at = %want.at, occasion = ?want.occasion, "too many pictures wait to be masked; there will be none of this");
            }
            Err(error) => {
                counts.wants_dropped.add(1);
                tracing::error!(%camera, at = %want.at, %error, "what is wanted cannot be written down; there will be no pictures of this");
            }
        }
    }

    pub(crate) fn served(&self, camera: &DeviceId) -> Option<Served> {
        let state = self.state();
        state.cameras.get(camera).map(|seat| seat.served.clone())
    }

    /// What was seen of a camera between two times.
    pub(crate) fn detections(
        &self,
        camera: &DeviceId,
        from: Timestamp,
        to: Timestamp,
    ) -> Detections {
        let state = self.state();
        let Some(seat) = state.cameras.get(camera) else {
            return Detections::default();
        };
        let frames = seat.frames.iter();
        let frames = frames.filter(|frame| from <= frame.at && frame.at <= to);
        Detections {
            zones: seat.served.zones.clone(),
            frames: frames.cloned().collect(),
        }
    }

    /// The cameras that are to be shown as they are now, and when the next one is.
    pub(crate) fn overviews(&self) -> (Vec<Served>, Option<Instant>) {
        let (state, now) = (self.state(), Instant::now());
        let due = state.cameras.values().filter(|seat| seat.overview <= now);
        let due = due.map(|seat| seat.served.clone()).collect();
        let next = state.cameras.values().map(|seat| seat.overview);
        (due, next.filter(|at| *at > now).min())
    }

    /// A camera was shown, or is to be tried again after a while.
    pub(crate) fn overview_done(&self, camera: &DeviceId, again: Option<Duration>) {
        if let Some(seat) = self.state().cameras.get_mut(camera) {
            seat.overview = Instant::now() + again.unwrap_or(OVERVIEW.0);
        }
    }

    /// The gateway asks for sealed originals.
    pub fn wanted(&self, list: &[String]) {
        let mut state = self.state();
        for sha256 in list.iter().take(WANTED_MAX) {
            if self.0.spool.original(sha256).is_none() {
                // It asks again and again; the log has it once.
                if state.originals.insert(sha256.clone()) {
                    tracing::warn!(
                        sha256,
                        "the gateway asks for an original that is not here any more"
                    );
                }
            } else if state.originals.insert(sha256.clone()) {
                tracing::info!(sha256, "the gateway asks for a sealed original; it is sent");
            }
        }
        while state.originals.len() > 4 * WANTED_MAX {
            state.originals.pop_first();
        }
        self.0.to_send.notify_one();
    }

    pub(crate) fn wanted_originals(&self) -> Vec<String> {
        self.state().originals.iter().cloned().collect()
    }

    pub(crate) fn original_came(&self, sha256: &str) {
        self.state().originals.remove(sha256);
    }

    /// The gateway does not take a file, and no other time is better.
    pub(crate) fn refused(&self, file: &Waiting, why: NotTaken) {
        let sha256 = &file.sha256;
        if file.role == Role::Original {
            self.original_came(sha256);
            tracing::info!(
                sha256,
                ?why,
                "an original is not sent: the gateway does not take it"
            );
        } else if self.0.spool.refuse(sha256, why) {
            self.0.metrics.footage.files_refused.add(1);
            tracing::warn!(sha256, role = ?file.role, ?why, "the gateway does not take a file; it is not sent again before the next start");
        }
    }

    pub(crate) fn has_sent(&self) {
        let sending = &mut self.state().sending;
        sending.last_at = Some(Timestamp::now());
        sending.error = None;
    }

    pub(crate) fn cannot_send(&self, why: &str) {
        let sending = &mut self.state().sending;
        let since = match &sending.error {
            Some((since, _)) => *since,
            None => {
                tracing::warn!(why, "footage cannot be sent; it waits in the spool");
                Timestamp::now()
            }
        };
        sending.error = Some((since, why.to_owned()));
    }

    pub(crate) async fn something_to_send(&self) {
        self.0.to_send.notified().await;
    }

    pub(crate) async fn something_to_cut(&self) {
        self.0.to_cut.notified().await;
    }

    pub(crate) fn hurry_cutting(&self) {
        self.0.to_cut.notify_one();
    }

    pub(crate) fn hurry_sending(&self) {
        self.0.to_send.notify_one();
    }

    /// How it does.
    pub fn view(&self) -> FootageView {
        let counts = &self.0.metrics.footage;
        let config = self.config();
        FootageView {
            fill: self.0.spool.fill(),
            bytes_max: config.bytes_max,
            sending: self.state().sending.clone(),
            keeps_originals: config.custodians.is_some(),
            cut: counts.cut.get(),
            frames_left_out: counts.frames_left_out.get(),
            files_sent: counts.files_sent.get(),
            given_up: counts.wants_dropped.get() + counts.wants_given_up.get(),
            let_go: counts.clips_let_go.get() + counts.stills_let_go.get(),
            damaged: counts.files_damaged.get(),
            refused: self.0.spool.refusal(),
        }
    }

    /// How it does, for the gateway.
    pub fn status(&self) -> FootageStatus {
        let view = self.view();
        FootageStatus {
            wanted: view.fill.wants,
            files: view.fill.files,
            bytes: view.fill.bytes,
            bytes_max: view.bytes_max,
            oldest: view.fill.oldest,
            refused: view.fill.refused,
            originals: view.fill.originals,
            originals_bytes: view.fill.originals_bytes,
            sent: view.files_sent,
            lost: view.let_go + view.damaged,
        }
    }
}
