//! Shows the newest frame of a camera to the vision process, and tells at once what changed by it.
//!
//! Promise: a point that changes is a record at once, with why it became 1 beside it; capture and health never wait for
//! this: while a frame is looked at, newer ones take each other's place, and the newest is next. What nobody looked at is an
//! absence in the camera's next record. No frame is looked at that came before the day on which the camera was published.

use super::{
    class::Part,
    config::{PartModel, WatchConfig},
    decide::{Step, Watch},
};
use crate::{
    camera::{
        config::Camera,
        frame::{Frame, Picture},
    },
    record::Record,
    source::Sink,
    vision::{
        VisionError,
        choice::{Change, Choice, Limits},
    },
};
use contract::{
    DeviceId, Quality, Reading, Timestamp,
    footage::{Said as Told, Sighting},
    vision::{Answer, Pixels, Said, What},
};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::sync::watch::Receiver;

/// Begins the points of models on trial.
const SHADOW: &str = "shadow.";
/// Begins the notes of sightings whose pictures are not written down as wanted yet.
const SEEN: &str = "footage/seen/";

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
        self.catch_up().await;
        let mut failing = None;
        let mut choices = self.choices();
        while frames.changed().await.is_ok() {
            let Some(frame) = frames.borrow_and_update().clone() else {
                continue;
            };
            if frame.at < self.config.from {
                continue;
            }
            let counts = &self.sink.metrics.camera;
            let answered = self.look(&frame, &choices).await;
            self.choose(&mut choices, &answered);
            let failed = match answered {
                Ok(answer) => {
                    counts.frames_looked_at.add(1);
                    self.see(&frame, answer).await
                }
                Err(error) => Some(crate::chain(&error)),
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

    fn choices(&self) -> Vec<(Part, Choice)> {
        let parts = self.config.parts.iter();
        let choice = |of: &PartModel| {
            let (shadow, before) = (of.shadow.as_deref(), of.before.as_deref());
            let choice = Choice::new(&of.model, shadow, before, Limits::default());
            (of.part, choice)
        };
        parts.map(choice).collect()
    }

    async fn look(&self, frame: &Frame, choices: &[(Part, Choice)]) -> Result<Answer, VisionError> {
        let (pixels, body) = match &frame.picture {
            Picture::Jpeg(bytes) => (Pixels::Jpeg, bytes.clone()),
            Picture::Rgb {
                width,
                height,
                pixels,
            } => {
                // No side is longer than `frame::SIDE_MAX`.
                let (width, height) = (*width as u32, *height as u32);
                (Pixels::Rgb { width, height }, pixels.clone())
            }
        };
        let models = |of_persons| {
            let choices = choices.iter();
            let choices = choices.filter(|(part, _)| part.is_of_persons() == of_persons);
            let mut names: Vec<String> = choices
                .flat_map(|(_, choice)| choice.models().map(str::to_owned))
                .collect();
            names.sort();
            names.dedup();
            names
        };
        let what = What::Look {
            pixels,
            persons: self.config.persons.clone(),
            faces: self.config.face.clone(),
            of_persons: models(true),
            of_picture: models(false),
        };
        let asked = self.sink.vision.ask(what, body).await;
        asked.map(|(answer, _)| answer)
    }

    /// Judges the models by how they did; one that was given up is out between this frame and the next.
    fn choose(&self, choices: &mut [(Part, Choice)], answered: &Result<Answer, VisionError>) {
        let mut has_changed = false;
        for (part, choice) in choices.iter_mut() {
            let Some(change) = choice.heard(answered) else {
                continue;
            };
            let words = change.to_string();
            if let Change::Proved { .. } = change {
                tracing::info!(camera = %self.camera, words, "a model");
                continue;
            }
            has_changed = true;
            tracing::warn!(camera = %self.camera, words, "a model");
            let name = format!("{} of camera {}", part.key(), self.camera);
            self.sink.board.source(&name, Err(words));
        }
        if has_changed {
            let now = choices.iter().map(|(part, choice)| {
                let shadow = choice.models().find(|model| *model != choice.in_use());
                PartModel {
                    part: *part,
                    model: choice.in_use().to_owned(),
                    shadow: shadow.map(str::to_owned),
                    before: None,
                }
            });
            self.watch().use_models(now.collect());
        }
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
        if let Some(footage) = &self.sink.footage {
            footage.saw(self.camera, step.frame);
        }
        if !step.changed.is_empty() {
            let record = Record::of(self.camera.clone(), frame.at, step.changed);
            self.store(&record, None, frame).await;
        }
        let mut seen = Vec::new();
        for (reading, sighting) in step.sightings {
            counts.sightings.add(1);
            tracing::info!(camera = %self.camera, point = %sighting.point, zone = sighting.zone, track = sighting.track, "seen");
            let said = serde_json::to_vec(&Told::Sighting(sighting.clone()));
            let record = Record {
                raw: said.expect("a sighting is always JSON"),
                ..Record::of(self.camera.clone(), frame.at, vec![reading])
            };
            // Of what a model on trial sees nobody is told, so nobody is shown in it.
            let is_raised = !sighting.point.as_str().starts_with(SHADOW);
            let is_shown = is_raised && self.sink.footage.is_some();
            let note = is_shown.then(|| (self.note_of(&sighting), record.raw.clone()));
            self.store(&record, note, frame).await;
            if is_shown {
                seen.push(sighting);
            }
        }
        for sighting in seen {
            self.show(&sighting).await;
        }
    }

    async fn store(&self, record: &Record, note: Option<(String, Vec<u8>)>, frame: &Frame) {
        self.sink.store_noted(record, false, note).await;
        let delays = &self.sink.metrics.camera.change_delays;
        delays.add(frame.came.elapsed());
    }

    /// Where a sighting stands, with its record, until its pictures are written down as wanted.
    fn note_of(&self, sighting: &Sighting) -> String {
        format!("{SEEN}{}/{}/{}", self.camera, sighting.point, sighting.zone)
    }

    /// Writes the pictures of a sighting down as wanted.
    async fn show(&self, sighting: &Sighting) {
        if let Some(footage) = &self.sink.footage {
            footage.sighted(self.camera, sighting).await;
        }
        if let Err(error) = self.sink.note_done(&self.note_of(sighting)).await {
            tracing::error!(camera = %self.camera, %error, "the buffer cannot be written; after a restart pictures of a sighting may be made twice");
        }
    }

    /// Sightings that were stored when the program ended before their pictures were written down as wanted.
    async fn catch_up(&self) {
        for told in self.sink.notes(&format!("{SEEN}{}/", self.camera)) {
            if let Some(Told::Sighting(sighting)) = Told::read(&told) {
                tracing::info!(camera = %self.camera, point = %sighting.point, at = %sighting.at, "the program ended between a sighting and its pictures; they are wanted now");
                self.show(&sighting).await;
            }
        }
    }
}
