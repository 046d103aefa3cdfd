//! Runs that take long. `tests/soak outage --cycles 1000`: violent ends of agent, gateway and line, one after the other;
//! says what was lost, doubled and re-timed, and fails unless that is 0, 0, 0.

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use tests::outage::{Route, violent_ends};
use tests::servers::Mosquitto;
use tests::setup::binaries;

#[derive(Parser)]
#[command(name = "soak", about = "Runs that take long, on loopback")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Violent ends of agent, gateway and the line between them.
    Outage {
        /// How many.
        #[arg(long, default_value_t = 1_000)]
        cycles: u32,
        /// Which ones.
        #[arg(long, default_value_t = 20_261_125)]
        seed: u64,
        /// plain, tls, or broker (mosquitto between agent and gateway, which dies too).
        #[arg(long, default_value = "plain")]
        route: String,
    },
}

/// A line of progress after so many cycles.
const SAY_EVERY: u32 = 25;

fn main() -> anyhow::Result<ExitCode> {
    let Command::Outage {
        cycles,
        seed,
        route,
    } = Arguments::parse().command;
    let route = match route.as_str() {
        "plain" => Route::Plain,
        "tls" => Route::Tls,
        "broker" => match Mosquitto::start()? {
            Some(broker) => Route::Broker(broker),
            None => anyhow::bail!("install mosquitto, or take another route"),
        },
        other => anyhow::bail!("--route {other}: write plain, tls or broker"),
    };
    let binaries = binaries()?;
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    let progress = |done: u32| {
        if done.is_multiple_of(SAY_EVERY) || done == cycles {
            eprintln!("{done} of {cycles} after {} s", began.elapsed().as_secs());
        }
    };
    let tally = violent_ends(&binaries, folder.path(), route, cycles, seed, progress)?;
    println!("{}", serde_json::to_string_pretty(&tally)?);
    println!(
        "seed {seed}: {cycles} violent ends in {} s; {} readings in {} records: lost {}, duplicated {}, re-timed {}",
        tally.seconds, tally.readings, tally.records, tally.lost, tally.doubled, tally.retimed
    );
    Ok(match tally.is_even() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
