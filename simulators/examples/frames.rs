//! Frames of simulated cameras with their truth, for training and measuring models that look at pictures.
//!
//! `cargo run --release -p simulators --example frames -- FOLDER FIRST LAST FRAMES`: for each seed from FIRST to LAST one
//! kitchen and one workshop, FRAMES pictures of each as JPEG, 11 s of the scene's time apart, and a line in truth.jsonl
//! for each with its `file`. The same arguments give the same files.

use anyhow::{Context, bail};
use simulators::{
    camera::{jpeg, picture::Camera, plan::Plan},
    random::Random,
};
use std::{fmt::Write as _, fs, io::Write, path::PathBuf};

/// Seconds between two frames that are kept; a step is over by then and somebody else may face the camera.
const APART_S: u64 = 11;
const FRAMES_PER_S: u64 = 5;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, first, last, frames] = &arguments[..] else {
        bail!("which frames? Give FOLDER FIRST LAST FRAMES, such as /tmp/frames 1 20 50");
    };
    let folder = PathBuf::from(folder);
    let number = |text: &String| {
        text.parse::<u64>()
            .with_context(|| format!("{text:?} is no number"))
    };
    let (first, last, frames) = (number(first)?, number(last)?, number(frames)?);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut truth = fs::File::create(folder.join("truth.jsonl"))?;
    for seed in first..=last {
        let plan: Plan = toml::from_str(&plan(seed, frames)).context("the plan")?;
        let began_ms = plan.begins_ms();
        for camera in plan.camera {
            let id = camera.id.clone();
            let mut camera = Camera::new(camera, seed, began_ms);
            for frame in 0..frames {
                let (picture, seen) = camera.frame(frame * APART_S * FRAMES_PER_S);
                let Some(picture) = picture else { continue };
                let file = format!("{seed}-{id}-{frame}.jpg");
                fs::write(folder.join(&file), jpeg(&picture, camera.plan().quality)?)?;
                let mut line = serde_json::to_value(&seen)?;
                line["file"] = file.into();
                writeln!(truth, "{line}")?;
            }
        }
    }
    Ok(())
}

/// A kitchen and a workshop, each with as many people, in such gear and light as the seed says; in a fifth of the time
/// it burns, in another fifth it smokes.
fn plan(seed: u64, frames: u64) -> String {
    let whole_s = frames * APART_S;
    let mut text = format!("seed = {seed}\nbegins = \"2026-11-28T08:00:00+08:00\"\n");
    for scene in ["kitchen", "workshop"] {
        let mut random = Random::seeded(seed).fork(scene);
        let people = 1 + random.bits() % 6;
        let quality = 60 + random.bits() % 31;
        let worn = random.between(0.4, 0.75);
        // Writing to a String cannot fail.
        let _infallible = write!(
            text,
            "[[camera]]\nid = \"{scene}\"\nscene = \"{scene}\"\nwidth = 640\nheight = 360\nframes_per_s = {FRAMES_PER_S}\n\
             quality = {quality}\npeople = {people}\nworn = {worn:.3}\n"
        );
        for (kind, share) in [("fire", 0.2), ("smoke", 0.2), ("lights_off", 0.1)] {
            let from = random.between(0.0, 1.0 - share) * whole_s as f64;
            let to = from + share * whole_s as f64;
            let _infallible = write!(
                text,
                "[[camera.happening]]\nkind = \"{kind}\"\nfrom_s = {from:.1}\nto_s = {to:.1}\n"
            );
        }
    }
    text
}
