//! `edge-agent enroll`, `run`, `check-config`, `status`, `clip`, `decode hj212` and `probe modbus`; each explains itself with
//! `--help`.

use anyhow::Context;
use clap::{Parser, Subcommand};
use contract::{Timestamp, enrol::Code};
use edge_agent::{
    check,
    enrol::Enrolment,
    source::hj212::{report::Reporter, sm4::Key},
    status::terminal,
};
use std::{
    io::{IsTerminal, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};
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
    /// Asks a bus what is on it; for setting up. Never writes to an instrument.
    #[command(subcommand)]
    Probe(Probe),
    /// Reports every problem of the configuration, or prints what it means.
    CheckConfig {
        /// The configuration file.
        #[arg(long, env = "ONEDOOR_AGENT_CONFIG")]
        config: PathBuf,
    },
    /// Asks the running agent how it does. Ends with 0 if all is well, 1 if something needs a person, 2 if no agent
    /// answers.
    Status {
        /// The configuration file with which it runs.
        #[arg(long, env = "ONEDOOR_AGENT_CONFIG")]
        config: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Cuts the frames between two times out of a camera's ring, and says whether any are missing. Ends with 0 if the
    /// clip is complete, 1 if it has holes.
    Clip {
        /// The configuration file.
        #[arg(long, env = "ONEDOOR_AGENT_CONFIG")]
        config: PathBuf,
        /// The camera.
        #[arg(long)]
        camera: String,
        /// The beginning (RFC 3339).
        #[arg(long)]
        from: Timestamp,
        /// The end (RFC 3339).
        #[arg(long)]
        to: Timestamp,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Reads what a device says on standard input and prints it as JSON lines.
    Decode {
        /// The protocol.
        #[command(subcommand)]
        protocol: Protocol,
    },
}

#[derive(Subcommand)]
enum Protocol {
    /// HJ 212 of 2005, 2017 and 2025: one line a frame, broken piece or run of garbage. Exit code 0 if the input was
    /// read to its end, whatever was in it; 1 if it was not; 2 for wrong arguments.
    Hj212 {
        /// The SM4 key of encrypted data areas: 32 hexadecimal digits or 16 characters.
        #[arg(long, env = "ONEDOOR_HJ212_KEY", hide_env_values = true)]
        key: Option<Key>,
        /// When the frames were received (RFC 3339): clocks of senders are compared with it.
        #[arg(long)]
        received_at: Option<Timestamp>,
    },
}

#[derive(Subcommand)]
enum Probe {
    /// Modbus units and registers that answer, what they may mean, and which profiles fit.
    Modbus(edge_agent::probe::Arguments),
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::CheckConfig { config } => {
            print!("{}", check::summary(&load(&config)));
            Ok(ExitCode::SUCCESS)
        }
        Command::Run { config } => run(&config).map(|()| ExitCode::SUCCESS),
        Command::Probe(Probe::Modbus(arguments)) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("cannot start the runtime")?;
            let probed = runtime.block_on(edge_agent::probe::run(&arguments));
            probed.map(|()| ExitCode::SUCCESS)
        }
        Command::Status { config, json } => status(&config, json),
        Command::Clip {
            config,
            camera,
            from,
            to,
            out,
        } => {
            let dir = load(&config).ring_of(&camera)?;
            let clip = edge_agent::camera::clip::cut(&dir, from, to, &out)?;
            println!("{}", serde_json::to_string(&clip)?);
            Ok(ExitCode::from(u8::from(!clip.complete)))
        }
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
        })
        .map(|()| ExitCode::SUCCESS),
        Command::Decode {
            protocol: Protocol::Hj212 { key, received_at },
        } => decode(Reporter::new(key, received_at)).map(|()| ExitCode::SUCCESS),
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

fn decode(mut reporter: Reporter) -> anyhow::Result<()> {
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut bytes = vec![0; 64 << 10];
    loop {
        let count = input.read(&mut bytes).context("cannot read the input")?;
        let mut lines = String::new();
        let mut line = |text: String| {
            lines.push_str(&text);
            lines.push('\n');
        };
        let counts = match count {
            0 => Some(reporter.finish(&mut line)),
            _ => {
                reporter.push(&bytes[..count], &mut line);
                None
            }
        };
        let written = output
            .write_all(lines.as_bytes())
            .and_then(|()| output.flush());
        written.context("cannot write the lines")?;
        if let Some(c) = counts {
            eprintln!(
                "{} frames read, {} refused, {} broken pieces, {} runs of garbage",
                c.right, c.refused, c.broken, c.garbage
            );
            return Ok(());
        }
    }
}

fn status(path: &Path, is_json: bool) -> anyhow::Result<ExitCode> {
    const NOT_RUNNING: u8 = 2;
    let Some(page) = load(path).status else {
        eprintln!(
            "{}: [status]: it is missing; write [status] (its page is then at http://127.0.0.1:8089) and start the agent again",
            path.display()
        );
        return Ok(ExitCode::from(NOT_RUNNING));
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    match runtime.block_on(terminal::ask(&page)) {
        Err(why) => {
            eprintln!("no agent answers at {}: {why}", page.listen);
            Ok(ExitCode::from(NOT_RUNNING))
        }
        Ok(status) => {
            if is_json {
                println!("{}", serde_json::to_string_pretty(&status)?);
            } else {
                let is_chinese = ["LC_ALL", "LC_MESSAGES", "LANG"]
                    .iter()
                    .find_map(|key| std::env::var(key).ok().filter(|v| !v.is_empty()))
                    .is_some_and(|language| language.starts_with("zh"));
                print!("{}", terminal::text(&status, is_chinese));
            }
            Ok(ExitCode::from(u8::from(!status.needs.is_empty())))
        }
    }
}

fn load(path: &Path) -> edge_agent::config::Config {
    good(edge_agent::config::load(path))
}

fn good<T>(loaded: Result<T, contract::problems::Problems>) -> T {
    loaded.unwrap_or_else(|problems| {
        eprintln!("{problems}");
        std::process::exit(2);
    })
}

fn run(path: &Path) -> anyhow::Result<()> {
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
        let (config, keeper) = good(edge_agent::desired::load(path));
        edge_agent::app::run(config, keeper, async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await
    })
}
