//! Captures a camera until told to stop, and stores what its watcher finds.

use super::{
    config::{Camera, Ffmpeg, From},
    ffmpeg::{self, FfmpegError, Frames},
    frame::{Frame, Picture},
    mjpeg::{self, MjpegError},
    queue::{self, Outlet},
    watch::eyes::Eyes,
    watcher::{self, Reason, Told},
};
use crate::{footage::Served, metrics::Metrics, record::Record, source::Sink, stop::Stop};
use contract::{Absence, Timestamp};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

/// Frames that wait to be looked at.
pub const FRAMES_MAX: usize = 8;
/// Records that wait to be stored.
const TOLD_MAX: usize = 16;
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long the end waits for a frame that is looked at.
const LAST_LOOK: Duration = Duration::from_millis(500);
/// The first frame of an RTSP stream comes with its next key frame.
const FIRST_FRAME: Duration = Duration::from_secs(20);

/// Runs one camera until told to stop.
pub async fn run(camera: Camera, sink: Sink, mut stop: Stop) {
    if let Some(ring) = &camera.ring
        && let Err(error) = tokio::fs::create_dir_all(&ring.dir).await
    {
        tracing::error!(camera = %camera.id, dir = %ring.dir.display(), %error, "the folder of the ring cannot be made");
    }
    serve(&camera, &sink);
    let (outlet, inlet) = queue::bounded(FRAMES_MAX);
    let (tell, mut told) = mpsc::channel::<Told>(TOLD_MAX);
    let reason = Reason::default();
    let (show, shown) = watch::channel(None);
    let eyes = Eyes::of(&camera, &sink);
    let thread = {
        let (camera, metrics, reason) = (camera.clone(), sink.metrics.clone(), reason.clone());
        std::thread::Builder::new()
            .name(format!("camera {}", camera.id))
            .spawn(move || {
                let show = |frame: &Frame| {
                    show.send_replace(Some(frame.clone()));
                };
                watcher::run(camera, inlet, metrics, reason, show, |told| {
                    tell.blocking_send(told).is_ok()
                })
            })
    };
    let thread = match thread {
        Ok(thread) => thread,
        Err(error) => {
            // The agent ends with this error: a camera that nobody watches must not look watched.
            tracing::error!(camera = %camera.id, %error, "no thread for the camera");
            return;
        }
    };
    let capture = Capture {
        camera: &camera,
        sink: &sink,
        reason: &reason,
        outlet: &outlet,
    };
    // All of these go on while others wait: one that held a lock of the buffer and was not polled would stop them all.
    let mut storing = std::pin::pin!(async {
        while let Some(told) = told.recv().await {
            store(&camera, &sink, eyes.as_ref(), told).await;
        }
    });
    let mut looking = std::pin::pin!(async {
        if let Some(eyes) = &eyes {
            eyes.run(shown).await;
        }
    });
    let mut is_looking = true;
    {
        let mut capturing = std::pin::pin!(capture.run());
        let mut recording = std::pin::pin!(record_main(&camera, &sink));
        loop {
            tokio::select! {
                () = stop.asked() => break,
                () = &mut capturing => {}
                () = &mut recording => {}
                () = &mut looking, if is_looking => is_looking = false,
                () = &mut storing => {
                    tracing::error!(camera = %camera.id, "the thread of the camera ended");
                    return;
                }
            }
        }
    }
    drop(outlet);
    // The thread ends with its queue, and with it what it told and showed. A frame that is looked at is not waited for.
    let looked = async {
        if is_looking {
            let _ = timeout(LAST_LOOK, looking).await;
        }
    };
    tokio::join!(storing, looked);
    if let Some(footage) = &sink.footage {
        footage.leave(&camera.id);
    }
    // The thread has closed its channel: it is at its end.
    if thread.join().is_err() {
        tracing::error!(camera = %camera.id, "the thread of the camera panicked");
    }
}

/// Pictures are kept of a camera that is watched and has a ring to cut them from.
fn serve(camera: &Camera, sink: &Sink) {
    if let (Some(footage), Some(watch), Some(ring)) = (&sink.footage, &camera.watch, &camera.ring) {
        footage.serve(Served {
            id: camera.id.clone(),
            ring: ring.dir.clone(),
            ffmpeg: match &camera.from {
                From::Ffmpeg(ffmpeg) => ffmpeg.program.clone(),
                From::Mjpeg { .. } => "ffmpeg".into(),
            },
            detectors: camera.faces.clone(),
            zones: watch.outlines(),
        });
    }
}

async fn store(camera: &Camera, sink: &Sink, eyes: Option<&Eyes<'_>>, told: Told) {
    let mut readings = told.readings;
    if let Some(eyes) = eyes {
        readings.extend(eyes.readings(told.cannot_see));
    }
    let absent = readings.iter().filter(|reading| reading.value.is_none());
    sink.metrics.absences.add(absent.count() as u64);
    let record = Record::of(camera.id.clone(), told.at, readings);
    sink.store(&record, false).await;
}

struct Capture<'a> {
    camera: &'a Camera,
    sink: &'a Sink,
    reason: &'a Reason,
    outlet: &'a Outlet<Frame>,
}

/// Why a capture ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Mjpeg(#[from] MjpegError),
    #[error(transparent)]
    Ffmpeg(#[from] FfmpegError),
}

impl Ended {
    fn absence(&self) -> Absence {
        match self {
            Ended::Mjpeg(MjpegError::Connect(_)) => Absence::NoConnection,
            Ended::Mjpeg(MjpegError::Login(_) | MjpegError::Status(_)) => Absence::Refused,
            Ended::Mjpeg(MjpegError::Kind(_) | MjpegError::Http(_)) => Absence::Unreadable,
            Ended::Ffmpeg(FfmpegError::Start { .. }) => Absence::DeviceFault,
            _ => Absence::NoAnswer,
        }
    }
}

impl Capture<'_> {
    /// Captures for ever: what ends is begun again, later and later while nothing comes.
    async fn run(&self) {
        let mut wait = BACK_OFF.0;
        loop {
            self.metrics().camera.captures_begun.add(1);
            let mut frames = 0;
            let ended = match &self.camera.from {
                From::Mjpeg { url, tls } => {
                    let login = self.camera.login.as_ref();
                    let opened =
                        mjpeg::open(url, tls.as_ref(), login, self.camera.no_frames_after).await;
                    match opened {
                        Ok(stream) => self.pictures(stream, &mut frames).await.into(),
                        Err(error) => error.into(),
                    }
                }
                From::Ffmpeg(ffmpeg) => self.child(ffmpeg, &mut frames).await.into(),
            };
            self.tell(&ended);
            if frames > 0 {
                wait = BACK_OFF.0;
            }
            sleep(wait).await;
            wait = (wait * 2).min(BACK_OFF.1);
        }
    }

    fn metrics(&self) -> &Arc<Metrics> {
        &self.sink.metrics
    }

    fn tell(&self, ended: &Ended) {
        let words = crate::chain(ended);
        self.reason.set(ended.absence());
        let name = format!("camera {}", self.camera.id);
        let was_good = self.sink.board.source_works(&name);
        self.sink.board.source(&name, Err(words.clone()));
        if was_good != Some(false) {
            tracing::warn!(camera = %self.camera.id, error = words, "no pictures from the camera");
        }
    }

    fn came(&self, picture: Picture, frames: &mut u64) {
        if *frames == 0 {
            self.sink
                .board
                .source(&format!("camera {}", self.camera.id), Ok(()));
            self.reason.set(Absence::NoAnswer);
            tracing::info!(camera = %self.camera.id, "pictures come from the camera");
        }
        *frames += 1;
        self.metrics().camera.frames.add(1);
        let frame = Frame {
            at: Timestamp::now(),
            came: Instant::now(),
            picture,
        };
        if self.outlet.push(frame) {
            self.metrics().camera.frames_dropped.add(1);
        }
    }

    async fn pictures(&self, mut stream: mjpeg::Stream, frames: &mut u64) -> MjpegError {
        let patience = self.camera.no_frames_after;
        loop {
            // Bytes alone do not count: a camera that sends rubbish is begun again.
            match timeout(patience, stream.next()).await {
                Err(_) => return MjpegError::Silent(patience),
                Ok(Err(error)) => return error,
                Ok(Ok((jpeg, broken))) => {
                    self.metrics().camera.parts_broken.add(broken);
                    self.came(Picture::Jpeg(jpeg), frames);
                }
            }
        }
    }

    async fn child(&self, ffmpeg: &Ffmpeg, frames: &mut u64) -> FfmpegError {
        let login = self.camera.login.as_ref();
        let dir = self.camera.ring.as_ref().map(|ring| ring.dir.as_path());
        let arguments = ffmpeg::arguments(ffmpeg, login, self.camera.frames_per_s, dir);
        let mut child = match Frames::start(ffmpeg, &arguments, login) {
            Ok(child) => child,
            Err(error) => return error,
        };
        loop {
            let patience = match *frames {
                0 => FIRST_FRAME.max(self.camera.no_frames_after),
                _ => self.camera.no_frames_after,
            };
            match child.next(patience).await {
                Ok(pixels) => {
                    let (width, height) = (ffmpeg.width, ffmpeg.height);
                    self.came(
                        Picture::Rgb {
                            width,
                            height,
                            pixels,
                        },
                        frames,
                    );
                }
                Err(error) => {
                    if matches!(error, FfmpegError::Silent(..)) {
                        self.metrics().camera.children_killed.add(1);
                    }
                    return error;
                }
            }
        }
    }
}

/// Keeps the main stream in the ring by a child of its own, where another stream is looked at. Watched by what it writes.
async fn record_main(camera: &Camera, sink: &Sink) {
    let (From::Ffmpeg(ffmpeg), Some(ring)) = (&camera.from, &camera.ring) else {
        return std::future::pending().await;
    };
    if ffmpeg.sub_url.is_none() {
        return std::future::pending().await;
    }
    let login = camera.login.as_ref();
    let arguments = ffmpeg::ring_arguments(ffmpeg, login, &ring.dir);
    let mut wait = BACK_OFF.0;
    loop {
        sink.metrics.camera.captures_begun.add(1);
        match Frames::start(ffmpeg, &arguments, login) {
            Err(error) => {
                tracing::error!(camera = %camera.id, error = crate::chain(&error), "the ring gets nothing")
            }
            Ok(mut child) => {
                let mut written = newest(ring.dir.clone()).await;
                loop {
                    match timeout(FIRST_FRAME, child.ended()).await {
                        Ok(said) => {
                            tracing::warn!(camera = %camera.id, "ffmpeg, which fills the ring, ended{said}");
                            break;
                        }
                        Err(_) => {
                            let now = newest(ring.dir.clone()).await;
                            if now == written {
                                child.end().await;
                                sink.metrics.camera.children_killed.add(1);
                                tracing::warn!(camera = %camera.id, "ffmpeg, which fills the ring, wrote nothing and was killed");
                                break;
                            }
                            written = now;
                            wait = BACK_OFF.0;
                        }
                    }
                }
            }
        }
        sleep(wait).await;
        wait = (wait * 2).min(BACK_OFF.1);
    }
}

/// The newest segment and its length: it grows while packets come.
async fn newest(dir: PathBuf) -> Option<(PathBuf, u64)> {
    let segments = tokio::task::spawn_blocking(move || super::ring::segments(&dir)).await;
    let last = segments.ok()?.ok()?.pop()?;
    Some((last.path, last.bytes))
}
