//! Shows the newest frame of a camera to the vision process, and tells at once what changed by it.
//!
//! Promise: a point that changes is a record at once, with why it became 1 beside it; capture and health never wait for
//! this: while a frame is looked at, newer ones take each other's place, and the newest is next. What nobody looked at is an
//! absence in the camera's next record. No frame is looked at that came before the day on which the camera was published.

use super::{
    config::WatchConfig,
    decide::{Step, Watch},
};
use crate::{
    camera::{
        config::Camera,
        frame::{Frame, Picture},
    },
    record::Record,
    source::Sink,
};
use contract::{
    DeviceId, Quality, Reading, Timestamp,
    footage::Said as Told,
    vision::{Answer, Pixels, Said, What},
};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::sync::watch::Receiver;

/// Looks at one camera.
pub struct Eyes<'a> {
    camera: &'a DeviceId,
    config: &'a WatchConfig,
    sink: &'a Sink,
    watch: Mutex<Watch>,
    began: Instant,
}

impl<'a> Eyes<'a> {
    /// For a camera that is watched for something.
    pub fn of(camera: &'a Camera, sink: &'a Sink) -> Option<Eyes<'a>> {
        let config = camera.watch.as_ref()?;
        Some(Eyes {
            camera: &camera.id,
            config,
            sink,
            watch: Mutex::new(Watch::new(config.clone(), camera.frames_per_s)),
            began: Instant::now(),
        })
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ms(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_millis() as u64
    }

    /// What the camera's regular record says; `cannot`: why nothing can be seen now.
    pub fn readings(&self, cannot: Option<Quality>) -> Vec<Reading> {
        let now_ms = self.ms(Instant::now());
        self.watch().readings(Timestamp::now(), now_ms, cannot)
    }

    /// Looks at the newest frame, again and again, until nobody shows any more.
    pub async fn run(&self, mut frames: Receiver<Option<Frame>>) {
        let mut failing = None;
        while frames.changed().await.is_ok() {
            let Some(frame) = frames.borrow_and_update().clone() else {
                continue;
            };
            if frame.at < self.config.from {
                continue;
            }
            let counts = &self.sink.metrics.camera;
            let failed = match self.look(&frame).await {
                Ok(answer) => {
                    counts.frames_looked_at.add(1);
                    self.see(&frame, answer).await
                }
                Err(words) => Some(words),
            };
            if failed.is_some() {
                counts.looks_failed.add(1);
            }
            // Said when it begins and when it is over; what the process itself says is on the board.
            match (&failing, &failed) {
                (None, Some(words)) => {
                    tracing::warn!(camera = %self.camera, words, "nobody looks at the camera's pictures")
                }
                (Some(_), None) => {
                    tracing::info!(camera = %self.camera, "the camera's pictures are looked at again")
                }
                _ => {}
            }
            failing = failed;
        }
    }

    async fn look(&self, frame: &Frame) -> Result<Answer, String> {
        let (pixels, body) = match &frame.picture {
            Picture::Jpeg(bytes) => (Pixels::Jpeg, bytes.clone()),
            Picture::Rgb {
                width,
                height,
                pixels,
            } => {
                let side = |side: &usize| u32::try_from(*side).map_err(|error| error.to_string());
                let (width, height) = (side(width)?, side(height)?);
                (Pixels::Rgb { width, height }, pixels.clone())
            }
        };
        let what = What::Look {
            pixels,
            persons: self.config.persons.clone(),
            faces: self.config.face.clone(),
            of_persons: self.config.models(true),
            of_picture: self.config.models(false),
        };
        let asked = self.sink.vision.ask(what, body).await;
        asked
            .map(|(answer, _)| answer)
            .map_err(|error| crate::chain(&error))
    }

    /// Takes in an answer; why it is none.
    async fn see(&self, frame: &Frame, answer: Answer) -> Option<String> {
        let seen = match answer.said {
            Said::Seen(seen) => seen,
            Said::Failed { words, .. } => return Some(words),
            other => return Some(format!("the answer to a look was {other:?}")),
        };
        let ms = self.ms(frame.came);
        let step = self.watch().see(frame.at, ms, &seen, &answer.models);
        self.tell(frame, step).await;
        None
    }

    /// Stores what changed: each reason in a record of its own, since a record has room for one.
    async fn tell(&self, frame: &Frame, step: Step) {
        let counts = &self.sink.metrics.camera;
        let mut records = Vec::new();
        if !step.changed.is_empty() {
            records.push(Record::of(self.camera.clone(), frame.at, step.changed));
        }
        for (reading, sighting) in step.sightings {
            counts.sightings.add(1);
            tracing::info!(camera = %self.camera, point = %sighting.point, zone = sighting.zone, track = sighting.track, "seen");
            let said = serde_json::to_vec(&Told::Sighting(sighting));
            records.push(Record {
                raw: said.expect("a sighting is always JSON"),
                ..Record::of(self.camera.clone(), frame.at, vec![reading])
            });
        }
        for record in records {
            self.sink.store(&record, false).await;
            counts.change_delays.add(frame.came.elapsed());
        }
    }
}
