//! The thread of one camera that keeps and looks at its frames, and tells every `every` what it found.
//!
//! A thread of its own, since decoding a picture takes milliseconds that other devices' polls must not wait for.

use super::{
    config::{Camera, FRAMES_PER_S, From},
    frame::{Frame, Picture},
    health::{Finding, Health},
    look::Look,
    queue::{Empty, Inlet},
    ring::Ring,
    usual::Usual,
};
use crate::metrics::Metrics;
use contract::{Absence, PointName, Quality, Reading, Timestamp};
use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// What it tells every `every`.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// When.
    pub at: Timestamp,
    /// What was found.
    pub readings: Vec<Reading>,
    /// Why what the picture shows cannot be judged.
    pub cannot_see: Option<Quality>,
}

/// Why nothing comes, as capture saw it last; its code is that of the absence.
#[derive(Debug, Clone)]
pub struct Reason(Arc<AtomicU8>);

impl Default for Reason {
    fn default() -> Reason {
        Reason(Arc::new(AtomicU8::new(
            Quality::Missing(Absence::NoAnswer).code(),
        )))
    }
}

impl Reason {
    /// It is this now.
    pub fn set(&self, absence: Absence) {
        self.0.store(Quality::Missing(absence).code(), Relaxed);
    }

    fn quality(&self) -> Quality {
        Quality::from_code(self.0.load(Relaxed))
    }
}

/// How often what is usual is written to disk.
const SAVE_EVERY: Duration = Duration::from_secs(600);

struct Watcher {
    camera: Camera,
    metrics: Arc<Metrics>,
    reason: Reason,
    began: Instant,
    health: Health,
    ring: Option<Ring>,
    is_ring_failing: bool,
    frames: u64,
    looked: Option<Instant>,
    told: Instant,
    saved: Instant,
}

/// Looks until the queue is closed; `show` is given the frames that can be judged, `tell` the readings, and says false when
/// nobody listens any more.
pub fn run(
    camera: Camera,
    frames: Inlet<Frame>,
    metrics: Arc<Metrics>,
    reason: Reason,
    show: impl Fn(&Frame),
    tell: impl Fn(Told) -> bool,
) {
    let now = Instant::now();
    let mut watcher = Watcher::new(camera, metrics, reason, now);
    let every = watcher.camera.every;
    let mut due = now + every;
    loop {
        match frames.take(due) {
            Ok(frame) => {
                if watcher.see(&frame) {
                    show(&frame);
                }
            }
            Err(Empty::ForEver) => break,
            Err(Empty::Yet) => {}
        }
        let now = Instant::now();
        if now < due {
            continue;
        }
        if !tell(watcher.readings(Timestamp::now(), now)) {
            break;
        }
        // After a machine that slept, the next tick is the next one of the schedule.
        let missed = (now - due).as_nanos() / every.as_nanos().max(1);
        due += every * (u32::try_from(missed).unwrap_or(u32::MAX - 1) + 1);
    }
    watcher.save();
}

impl Watcher {
    fn new(camera: Camera, metrics: Arc<Metrics>, reason: Reason, now: Instant) -> Watcher {
        let mut is_ring_failing = false;
        let ring = camera.ring.as_ref().and_then(|config| match Ring::open(config) {
            Ok(ring) => Some(ring),
            Err(error) => {
                tracing::error!(camera = %camera.id, dir = %config.dir.display(), %error, "the ring cannot be opened; nothing is kept of this camera");
                is_ring_failing = true;
                None
            }
        });
        let usual = kept(&camera).unwrap_or_default();
        Watcher {
            health: Health::new(camera.no_frames_after, camera.clock.is_some(), usual, 0),
            camera,
            metrics,
            reason,
            began: now,
            ring,
            is_ring_failing,
            frames: 0,
            looked: None,
            told: now,
            saved: now,
        }
    }

    fn ms(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_millis() as u64
    }

    /// Takes in a frame; true if it was looked at and shows something that can be judged.
    fn see(&mut self, frame: &Frame) -> bool {
        self.frames += 1;
        if let Picture::Jpeg(bytes) = &frame.picture {
            self.keep(frame.at, bytes);
        }
        // A little early is on time: the frames of a camera do not come by our clock.
        let step = Duration::from_secs_f64(0.9 / self.camera.frames_per_s);
        if self
            .looked
            .is_some_and(|looked| frame.came.saturating_duration_since(looked) < step)
        {
            return false;
        }
        self.looked = Some(frame.came);
        match frame.picture.grey() {
            Ok(grey) => {
                let at_ms = self.ms(frame.came);
                self.health
                    .look(Look::of(&grey, self.camera.clock.as_ref(), at_ms));
                !self.health.is_blind(at_ms)
            }
            Err(error) => {
                self.metrics.camera.pictures_undecodable.add(1);
                if self
                    .metrics
                    .camera
                    .pictures_undecodable
                    .get()
                    .is_power_of_two()
                {
                    tracing::warn!(camera = %self.camera.id, %error, "a picture cannot be looked at");
                }
                false
            }
        }
    }

    fn keep(&mut self, at: Timestamp, jpeg: &[u8]) {
        let Some(ring) = &mut self.ring else { return };
        match ring.keep(at, jpeg) {
            Ok(()) => self.is_ring_failing = false,
            Err(error) => {
                self.metrics.camera.frames_not_kept.add(1);
                if !std::mem::replace(&mut self.is_ring_failing, true) {
                    tracing::error!(camera = %self.camera.id, %error, "frames cannot be kept on disk");
                }
            }
        }
    }

    fn readings(&mut self, at: Timestamp, now: Instant) -> Told {
        let seconds = now.saturating_duration_since(self.told).as_secs_f64();
        let rate = (self.frames as f64 / seconds.max(1e-3) * 100.0).round() / 100.0;
        (self.frames, self.told) = (0, now);
        let reading = |name: &str, value: Option<f64>, quality| {
            let name = PointName::new(name).expect("points of health are names");
            Reading::new(name, at, value, quality)
        };
        let state = self.health.state(self.ms(now));
        let mut readings = vec![reading(FRAMES_PER_S, Some(rate), Quality::Good)];
        let is_silent = state[0] == Some(true);
        let cannot_see = match is_silent {
            true => Some(self.reason.quality()),
            false => {
                let is_blind = self.health.is_blind(self.ms(now));
                is_blind.then_some(Quality::Missing(Absence::Unseen))
            }
        };
        for (finding, found) in Finding::ALL.into_iter().zip(state) {
            if !self.camera.tells(finding) {
                continue;
            }
            let value = found.map(|found| f64::from(u8::from(found)));
            let quality = match (value, is_silent) {
                (Some(_), _) => Quality::Good,
                (None, true) => self.reason.quality(),
                (None, false) => Quality::Missing(Absence::Unspecified),
            };
            readings.push(reading(finding.point(), value, quality));
        }
        if matches!(self.camera.from, From::Ffmpeg(_))
            && let Some(ring) = &mut self.ring
            && let Err(error) = ring.rescan(at)
        {
            tracing::error!(camera = %self.camera.id, %error, "the ring cannot be read");
        }
        if now.saturating_duration_since(self.saved) >= SAVE_EVERY {
            self.save();
            self.saved = now;
        }
        Told {
            at,
            readings,
            cannot_see,
        }
    }

    /// Writes what is usual, aside and renamed.
    fn save(&self) {
        let (Some(path), Some(bytes)) = (usual_path(&self.camera), self.health.usual().encode())
        else {
            return;
        };
        let aside = path.with_extension("part");
        let written = fs::write(&aside, bytes).and_then(|()| fs::rename(&aside, &path));
        if let Err(error) = written {
            tracing::error!(camera = %self.camera.id, path = %path.display(), %error, "what the camera usually shows cannot be kept");
        }
    }
}

/// Beside the ring: a camera without one learns anew after each start.
fn usual_path(camera: &Camera) -> Option<PathBuf> {
    camera.ring.as_ref().map(|ring| ring.dir.join("usual"))
}

fn kept(camera: &Camera) -> Option<Usual> {
    let path = usual_path(camera)?;
    match fs::read(&path) {
        Ok(bytes) => {
            let usual = Usual::decode(&bytes);
            if usual.is_none() {
                tracing::warn!(camera = %camera.id, path = %path.display(), "this is not what a camera usually shows; it is learned anew");
            }
            usual
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::error!(camera = %camera.id, path = %path.display(), %error, "what the camera usually shows cannot be read; it is learned anew");
            None
        }
    }
}
