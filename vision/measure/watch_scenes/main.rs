//! How well what people do before rendered cameras is found: `sim camera` scenes go as JPEG frames through the real
//! `edge-vision` with the shipped models and through the agent's watching, and what comes out is compared with the truth.
//!
//! `cargo run --release -p vision --example watch_scenes -- --program target/release/edge-vision --models models/files 9001
//! 9010 180`: for each seed from FIRST to LAST one kitchen and one workshop, SECONDS of each at 5 frames a second. Models
//! learned from the seeds 1000 to 1024 and their thresholds were chosen on 2000 to 2005, tracking on 9001 to 9005; take others.
//!
//! With `--keep FOLDER` what the models said is kept there, and taken from there the next time: so watching can be compared
//! with watching on the same looks. Nothing here runs in real time.

mod events; // what was found, what not
mod followed; // who kept a number
mod looks; // frames go through the models
mod scenes; // what is played, and what is so in it

use anyhow::Context;
use clap::Parser;
use contract::Timestamp;
use edge_agent::{
    camera::watch::decide::Watch,
    metrics::Metrics,
    status::Board,
    stop::Stop,
    vision::{Vision, config::VisionConfig},
};
use events::Events;
use followed::Followed;
use looks::{Looks, Moment};
use scenes::{FRAMES_PER_S, Play};
use std::{path::PathBuf, sync::Arc};

/// What it is told.
#[derive(Debug, Parser)]
struct Args {
    /// The program `edge-vision`.
    #[arg(long)]
    program: PathBuf,
    /// The folder of models.
    #[arg(long)]
    models: PathBuf,
    /// The detector of persons.
    #[arg(long, default_value = "simulated-persons")]
    persons: String,
    /// A detector of faces, if that one finds none.
    #[arg(long)]
    face: Option<String>,
    /// Where what the models said is kept.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Say each event that was missed and each sighting of nobody.
    #[arg(long)]
    say: bool,
    /// The first seed.
    first: u64,
    /// The last seed.
    last: u64,
    /// Seconds of each scene.
    seconds: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let config = VisionConfig {
        program: args.program.clone(),
        models: vec![args.models.clone()],
        ..VisionConfig::default()
    };
    let board = Board::new(&[], Timestamp::now());
    let (vision, attendant) = Vision::open(config, Arc::new(Metrics::default()), board);
    let stop = tokio::sync::watch::Sender::new(false);
    tokio::spawn(attendant.run(Stop::of(&stop)));
    let mut looks = Looks::new(&vision, args.keep.clone());
    let mut events = Events::default();
    let mut followed = Followed::default();
    for seed in args.first..=args.last {
        let plays = scenes::plays(seed, args.seconds, &args.persons, args.face.as_deref())
            .context("the plan")?;
        for mut play in plays {
            let moments = looks.of(&mut play).await?;
            watch(&play, &moments, &mut events, &mut followed)?;
        }
    }
    stop.send_replace(true);
    let hours = ((args.last - args.first + 1) * args.seconds) as f64 / 3_600.0;
    if args.say {
        events.say();
    }
    events.print(hours);
    followed.print();
    looks.print();
    Ok(())
}

/// One scene through one watch.
fn watch(
    play: &Play,
    moments: &[Moment],
    events: &mut Events,
    followed: &mut Followed,
) -> anyhow::Result<()> {
    let began = scenes::BEGINS.parse::<Timestamp>()?;
    let mut watch = Watch::new(play.watch.clone(), FRAMES_PER_S as f64);
    let mut of_scene = events.scene(play);
    let mut who = followed.scene();
    for moment in moments {
        let at = began.plus_millis(moment.ms as i64);
        of_scene.count(moment);
        let step = watch.see(at, moment.ms, &moment.seen, &[]);
        who.see(moment.ms, &step.frame, &moment.truth.persons);
        of_scene.hear(moment, &step)?;
    }
    Ok(())
}
