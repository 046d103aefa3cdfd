//! `edge-vision serve`: runs models on pictures for the agent that started it.

use anyhow::Context;
use clap::{Parser, Subcommand};
use models::RuntimePath;
use std::{fs::File, os::fd::AsFd, path::PathBuf, process::ExitCode};
use vision::{Service, Shelf, bounds, serve};

#[derive(Debug, Parser)]
#[command(
    name = "edge-vision",
    version,
    about = "Runs models on pictures for the edge agent, masks pictures and seals files"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answers what comes on standard input on standard output until it ends (contract/src/vision.rs).
    Serve {
        /// A folder of models for pictures; of several the first that has a manifest NAME.toml has the model NAME.
        #[arg(long, required = true)]
        models: Vec<PathBuf>,
        /// The ONNX Runtime library.
        #[arg(long)]
        runtime: Option<PathBuf>,
        /// Threads for a model.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
        threads: u16,
        /// Bytes of memory that it may write to; the kernel refuses more.
        #[arg(long)]
        memory_max: Option<u64>,
    },
}

fn main() -> ExitCode {
    let Command::Serve {
        models,
        runtime,
        threads,
        memory_max,
    } = Arguments::parse().command;
    let shelf = Shelf::new(&models, RuntimePath(runtime), threads.into());
    match run(&mut Service::new(shelf), memory_max) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("edge-vision: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(service: &mut Service, memory_max: Option<u64>) -> anyhow::Result<()> {
    if let Some(most) = memory_max {
        bounds::set(most).context("the kernel does not bound the memory; take memory_max out, or let the unit use setrlimit")?;
    }
    // What a library prints goes to standard error: on standard output there are answers and nothing else.
    let output = std::io::stdout().as_fd().try_clone_to_owned();
    let output = File::from(output.context("standard output is closed")?);
    rustix::stdio::dup2_stdout(std::io::stderr()).context("standard error is closed")?;
    serve(service, std::io::stdin().lock(), output)?;
    Ok(())
}
