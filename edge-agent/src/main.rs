//! `edge-agent run --config FILE` and `edge-agent check-config --config FILE`.

use anyhow::Context;
use clap::{Parser, Subcommand};
use std::{io::IsTerminal, path::PathBuf};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(
    name = "edge-agent",
    version,
    about = "Asks instruments and keeps the answers until the gateway has them"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs until SIGTERM or SIGINT.
    Run {
        /// The configuration file.
        #[arg(long, env = "ONEDOOR_AGENT_CONFIG")]
        config: PathBuf,
    },
    /// Reports every problem of the configuration, or prints what it means.
    CheckConfig {
        /// The configuration file.
        #[arg(long, env = "ONEDOOR_AGENT_CONFIG")]
        config: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::CheckConfig { config } => {
            let config = load(&config);
            println!("{config:#?}");
            if let Some(holds) = config.holds() {
                println!(
                    "The buffer holds {:.0} hours of {:.1} readings a second, before it lets go of the oldest.",
                    holds.hours, holds.readings_per_s
                );
            }
            Ok(())
        }
        Command::Run { config } => run(load(&config)),
    }
}

fn load(path: &std::path::Path) -> edge_agent::config::Config {
    edge_agent::config::load(path).unwrap_or_else(|problems| {
        eprintln!("{problems}");
        std::process::exit(2);
    })
}

fn run(config: edge_agent::config::Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env("ONEDOOR_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is already installed"))?;
    // One thread is enough for a hundred readings a second, and keeps memory small.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .thread_stack_size(256 << 10)
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        edge_agent::app::run(config, async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await
    })
}
