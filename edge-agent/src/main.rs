//! `edge-agent enroll …`, `edge-agent run --config FILE` and `edge-agent check-config --config FILE`.

use anyhow::Context;
use clap::{Parser, Subcommand};
use contract::enrol::Code;
use edge_agent::enrol::Enrolment;
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
    /// Makes this box an agent of a gateway, with a one-time code of `gateway agent add`.
    Enroll {
        /// The gateway: http://host:port or https://host:port.
        #[arg(long)]
        gateway: hyper::Uri,
        /// The one-time code.
        #[arg(long)]
        code: Code,
        /// Folder for key, certificates and configuration.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// The box is enrolled already and gets a new identity.
        #[arg(long)]
        again: bool,
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
            println!("{:#?}", load(&config));
            Ok(())
        }
        Command::Run { config } => run(load(&config)),
        Command::Enroll {
            gateway,
            code,
            dir,
            again,
        } => enroll(&Enrolment {
            gateway,
            code,
            folder: dir,
            is_again: again,
        }),
    }
}

fn enroll(enrolment: &Enrolment) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let (answer, config) = runtime.block_on(enrolment.run())?;
    println!(
        "this box is agent {} of site {} now",
        answer.agent, answer.site
    );
    println!("edge-agent run --config {}", config.display());
    Ok(())
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
