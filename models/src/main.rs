//! `models`: scores a CSV file with the shipped engine, and measures the engine.

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
    /// Windows per second through the engine, and of the same session called bare, in one run.
    Bench {
        /// Seconds for each.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let catalogue = arguments
        .catalogue
        .clone()
        .map_or_else(find_catalogue, Ok)?;
    let mut engine = Engine::open(
        &catalogue,
        &arguments.model,
        &RuntimePath(arguments.runtime.clone()),
    )?;
    match arguments.command {
        Command::Score {
            csv,
            time,
            values,
            train_rows,
        } => {
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
        Command::Bench { seconds } => bench(&mut engine, seconds),
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
