//! Frames go through the models; what these said of them.

use super::scenes::{FRAMES_PER_S, Play};
use anyhow::{Context, bail};
use bytes::Bytes;
use contract::vision::{Pixels, Said, Seen, What};
use edge_agent::{camera::watch::config::WatchConfig, vision::Vision};
use serde::{Deserialize, Serialize};
use simulators::camera::{jpeg, scene};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// A frame that was looked at.
#[derive(Debug, Serialize, Deserialize)]
pub struct Moment {
    /// Milliseconds since the scene began.
    pub ms: u64,
    /// What it shows.
    pub truth: scene::Seen,
    /// What the models saw.
    pub seen: Seen,
}

/// Looks at scenes.
pub struct Looks<'a> {
    vision: &'a Vision,
    keep: Option<PathBuf>,
    took: Vec<Duration>,
}

impl<'a> Looks<'a> {
    /// With this process, or with what is kept in a folder.
    pub fn new(vision: &'a Vision, keep: Option<PathBuf>) -> Looks<'a> {
        Looks {
            vision,
            keep,
            took: Vec::new(),
        }
    }

    /// Every frame of a scene.
    pub async fn of(&mut self, play: &mut Play) -> anyhow::Result<Vec<Moment>> {
        let name = format!("{}-{}.json", play.name, play.frames);
        let kept = self.keep.as_ref().map(|folder| folder.join(name));
        if let Some(kept) = kept.as_ref().filter(|kept| kept.exists()) {
            let text = std::fs::read(kept).with_context(|| kept.display().to_string())?;
            return Ok(serde_json::from_slice(&text)?);
        }

        let mut moments = Vec::new();
        for n in 0..play.frames {
            let (picture, truth) = play.camera.frame(n);
            let Some(picture) = picture else { continue };
            let body = jpeg(&picture, play.camera.plan().quality)?;
            let (seen, took) = self.look(&play.watch, body).await?;
            // With the first look models are opened.
            self.took.extend((n > 0).then_some(took));
            moments.push(Moment {
                ms: n * 1_000 / FRAMES_PER_S,
                truth: truth.seen,
                seen,
            });
        }
        if let Some(kept) = kept {
            std::fs::write(&kept, serde_json::to_vec(&moments)?)
                .with_context(|| kept.display().to_string())?;
        }
        eprintln!("{} was looked at", play.name);
        Ok(moments)
    }

    async fn look(&self, config: &WatchConfig, body: Bytes) -> anyhow::Result<(Seen, Duration)> {
        let what = What::Look {
            pixels: Pixels::Jpeg,
            persons: config.persons.clone(),
            faces: config.face.clone(),
            of_persons: models(config, true),
            of_picture: models(config, false),
        };
        let began = Instant::now();
        let (answer, _) = self.vision.ask(what, body).await?;
        match answer.said {
            Said::Seen(seen) => Ok((seen, began.elapsed())),
            other => bail!("no answer to a look: {other:?}"),
        }
    }

    /// How long it took.
    pub fn print(&mut self) {
        self.took.sort();
        let at = |part: usize| self.took.get(self.took.len() * part / 100);
        if let (Some(half), Some(most)) = (at(50), at(99)) {
            let looks = self.took.len();
            println!("a look took {half:?} (median), {most:?} (p99), {looks} looks");
        }
    }
}

fn models(config: &WatchConfig, of_persons: bool) -> Vec<String> {
    let parts = config.parts.iter();
    let parts = parts.filter(|of| of.part.is_of_persons() == of_persons);
    parts.map(|of| of.model.clone()).collect()
}
