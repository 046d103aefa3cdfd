//! `models`: scores a CSV file with the shipped engine, keeps a folder of models for pictures, and measures both.

mod pictures; // the commands for pictures

use anyhow::Context;
use clap::{Parser, Subcommand};
use models::{Availability, Engine, RuntimePath, SeriesState, engine::BATCH, score};
use std::{io::BufWriter, path::PathBuf, time::Instant};

/// OneDoor's models.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The catalogue of models.
    #[arg(long, global = true)]
    catalogue: Option<PathBuf>,
    /// The model's name in the catalogue.
    #[arg(long, global = true, default_value = "forecaster")]
    model: String,
    /// The ONNX Runtime library.
    #[arg(long, global = true)]
    runtime: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints `time,score,signal` for each row of a CSV file.
    Score {
        /// The file.
        #[arg(long)]
        csv: PathBuf,
        /// The time column.
        #[arg(long)]
        time: String,
        /// The value columns, separated by commas.
        #[arg(long, value_delimiter = ',', required = true)]
        values: Vec<String>,
        /// Rows at the beginning that are known to be normal.
        #[arg(long, default_value_t = 0)]
        train_rows: usize,
    },
    /// Of the series engine windows per second, of a model for pictures milliseconds of each step; the bare session
    /// beside it in the same run.
    Bench {
        /// A model of the folder; the series engine if there is none.
        name: Option<String>,
        /// A JPEG file; one colour of 1920 x 1080 if there is none.
        #[arg(long)]
        picture: Option<PathBuf>,
        /// Seconds for each.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        #[command(flatten)]
        folder: pictures::FolderArgument,
    },
    #[command(flatten)]
    Pictures(pictures::Command),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = RuntimePath(arguments.runtime.clone());
    let engine = || -> anyhow::Result<Engine> {
        let catalogue = arguments.catalogue.clone();
        let catalogue = catalogue.map_or_else(find_catalogue, Ok)?;
        Ok(Engine::open(&catalogue, &arguments.model, &runtime)?)
    };
    match arguments.command {
        Command::Score {
            csv,
            time,
            values,
            train_rows,
        } => {
            let mut engine = engine()?;
            if let Availability::Unavailable(reason) = engine.availability()
                && values.len() == 1
            {
                anyhow::bail!("scoring is unavailable: {reason}");
            }
            let request = score::Request {
                csv,
                time,
                values,
                train_rows,
            };
            score::run(
                &request,
                &mut engine,
                &mut BufWriter::new(std::io::stdout().lock()),
            )
        }
        Command::Bench {
            name: None,
            seconds,
            ..
        } => bench(&mut engine()?, seconds),
        Command::Bench {
            name: Some(name),
            picture,
            seconds,
            folder,
        } => pictures::bench(&folder, &name, picture.as_deref(), seconds, &runtime),
        Command::Pictures(command) => pictures::run(command, &runtime),
    }
}

/// The catalogue beside the program (an installed package) or in the checkout.
fn find_catalogue() -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join("models/catalogue.toml")));
    let checkout = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue.toml"));
    [
        beside,
        Some(PathBuf::from("models/catalogue.toml")),
        Some(checkout),
    ]
    .into_iter()
    .flatten()
    .find(|path| path.is_file())
    .context("no catalogue of models was found; give its path with --catalogue")
}

fn bench(engine: &mut Engine, seconds: u64) -> anyhow::Result<()> {
    let mut states: Vec<SeriesState> = vec![SeriesState::default(); BATCH];
    let sample = |i: usize, n: usize| (i as f64).mul_add(0.1, n as f64 * 0.05).sin();
    for (i, state) in states.iter_mut().enumerate() {
        for n in 0..1100 {
            state.push(n as i64, Some(sample(i, n)));
        }
    }
    let mut n = 1100;
    let mut run_engine = |engine: &mut Engine| -> anyhow::Result<f64> {
        let (begin, mut windows) = (Instant::now(), 0);
        while begin.elapsed().as_secs() < seconds {
            n += 1;
            let mut due: Vec<_> = states
                .iter_mut()
                .enumerate()
                .filter_map(|(i, state)| {
                    state
                        .push(n as i64, Some(sample(i, n)))
                        .map(|due| (state, due))
                })
                .collect();
            windows += engine.score(&mut due)?.len();
        }
        Ok(windows as f64 / begin.elapsed().as_secs_f64())
    };
    let whole = run_engine(engine)?;
    let (begin, mut windows) = (Instant::now(), 0);
    while begin.elapsed().as_secs() < seconds {
        windows += engine.run_assembled()?.len();
    }
    let bare = windows as f64 / begin.elapsed().as_secs_f64();
    println!(
        "engine {whole:.0} windows/s, bare session {bare:.0} windows/s, share {:.1} %",
        100.0 * whole / bare
    );
    Ok(())
}
