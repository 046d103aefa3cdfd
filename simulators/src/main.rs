//! `sim`: instruments, sites, recorded data and the credit platform on the command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Parser, Subcommand};
use simulators::link::{Fault, Link, Plan};
use simulators::modbus::{Encoding, Registers, Server};
use simulators::scenario::Scenario;
use simulators::site::Sites;
use simulators::{credit_platform, replay};

#[derive(Parser)]
#[command(
    name = "sim",
    about = "Instruments, sites, faults with their truth, and a credit platform",
    version
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One instrument with fixed values in f64 registers 0, 4, 8, ...
    Device {
        /// Where it listens.
        #[arg(long)]
        modbus: SocketAddr,
        /// The values.
        #[arg(long, value_delimiter = ',', allow_hyphen_values = true)]
        values: Vec<f64>,
    },
    /// All sites of a scenario.
    Scenario {
        /// The scenario (TOML).
        file: PathBuf,
        /// Address of the first device; the others follow on the next ports. Port 0: free ports.
        #[arg(long, default_value = "127.0.0.1:0")]
        modbus: SocketAddr,
        /// Writes where every device listens, as JSON, once all do.
        #[arg(long)]
        listening: Option<PathBuf>,
        /// Appends what was really wrong, as JSON lines.
        #[arg(long)]
        truth: Option<PathBuf>,
    },
    /// Recorded data played as an instrument.
    Replay {
        /// The recording; `,` or `;` separated with a header.
        #[arg(long)]
        csv: PathBuf,
        /// Column of the time.
        #[arg(long)]
        time: String,
        /// Time zone of times without an offset, for example Asia/Shanghai.
        #[arg(long, default_value = "UTC")]
        zone: String,
        /// Columns of the values, in the order of their registers.
        #[arg(long, value_delimiter = ',')]
        values: Vec<String>,
        /// Seconds of the recording in one second; `inf` plays as fast as it is read.
        #[arg(long, default_value_t = 1.0)]
        speed: f64,
        /// Where the instrument listens.
        #[arg(long)]
        modbus: SocketAddr,
        /// Rows do not wait for a reader.
        #[arg(long)]
        free_running: bool,
        /// Ends when the last row has been read, instead of showing it until stopped.
        #[arg(long)]
        once: bool,
    },
    /// A bad line: passes TCP on, with faults. Prints what passed after every step.
    Link {
        /// Where it listens.
        #[arg(long)]
        listen: SocketAddr,
        /// Where it passes everything on to.
        #[arg(long)]
        connect: SocketAddr,
        /// What is wrong all the time: ok, cut, slow BYTES_PER_S, delay TIME, half-open [up|down], flip [up|down]
        /// PER_BYTE, cuts PER_S.
        #[arg(long, default_value = "ok", conflicts_with = "plan")]
        fault: Fault,
        /// What is wrong when, over and over: "10s ok, 5s cut, 20s half-open".
        #[arg(long)]
        plan: Option<Plan>,
        /// Which random cuts and flips.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// As many readings as a gateway can take.
    Load(simulators::load::Args),
    /// Cameras that look at a kitchen and a workshop, with faults and the truth of every frame.
    Camera(simulators::camera::Args),
    /// A data logger that speaks HJ 212 to a host, with faults and the truth of what it sent.
    Hj212(simulators::hj212::Args),
    /// The credit platform.
    CreditPlatform {
        /// Where it listens.
        #[arg(long)]
        listen: SocketAddr,
        /// Where it keeps what it received (JSON lines).
        #[arg(long)]
        keep: PathBuf,
        /// Fails so many deliveries first.
        #[arg(long, default_value_t = 0)]
        fail_first: u64,
        /// Writes its address once it listens.
        #[arg(long)]
        listening: Option<PathBuf>,
    },
}

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter("info")
        .init();
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::select! {
            ended = run(arguments.command) => ended,
            signal = stop_signal() => signal,
        }
    })
}

async fn stop_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        _ = terminate.recv() => {}
        pressed = tokio::signal::ctrl_c() => pressed.context("cannot listen for Ctrl-C")?,
    }
    Ok(())
}

/// Written aside and renamed, so that whoever waits for the file never reads half of it.
fn announce(path: Option<&Path>, what: &impl serde::Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string(what)?;
    println!("{text}");
    let Some(path) = path else { return Ok(()) };
    let aside = path.with_extension("part");
    std::fs::write(&aside, text).with_context(|| format!("cannot write {}", aside.display()))?;
    std::fs::rename(&aside, path).with_context(|| format!("cannot write {}", path.display()))
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Device { modbus, values } => {
            let registers = Registers::default();
            registers.write(
                values
                    .iter()
                    .enumerate()
                    .map(|(i, value)| (4 * i as u16, Encoding::F64.encode(*value))),
            );
            let server = Server::bind(modbus, registers).await?;
            announce(None, &server.address()?)?;
            server.run().await.context("the instrument stopped serving")
        }
        Command::Scenario {
            file,
            modbus,
            listening,
            truth,
        } => {
            let sites = Sites::bind(Scenario::load(&file)?, modbus.ip(), modbus.port()).await?;
            announce(listening.as_deref(), &sites.listening())?;
            sites.play(truth.as_deref()).await
        }
        Command::Replay {
            csv,
            time,
            zone,
            values,
            speed,
            modbus,
            free_running,
            once,
        } => {
            anyhow::ensure!(speed > 0.0, "--speed must be above 0");
            let zone = jiff::tz::TimeZone::get(&zone)
                .with_context(|| format!("--zone {zone}: write it like Asia/Shanghai"))?;
            let rows = replay::read(&csv, &time, &values, &zone)?;
            let registers = Registers::default();
            let server = Server::bind(modbus, registers.clone()).await?;
            announce(None, &server.address()?)?;
            let pace = replay::Pace {
                speed,
                free_running,
            };
            let show = async {
                let played = replay::play(&rows, &registers, pace).await;
                announce(None, &played)?;
                if once {
                    Ok(())
                } else {
                    std::future::pending().await
                }
            };
            tokio::select! {
                served = server.run() => served.context("the instrument stopped serving"),
                shown = show => shown,
            }
        }
        Command::Link {
            listen,
            connect,
            fault,
            plan,
            seed,
        } => {
            let link = Link::start(listen, connect, seed)
                .with_context(|| format!("cannot listen on {listen}"))?;
            announce(None, &link.address())?;
            let plan = plan.unwrap_or(Plan(vec![(std::time::Duration::from_secs(60), fault)]));
            for (time, fault) in plan.0.iter().cycle() {
                link.set(*fault);
                tokio::time::sleep(*time).await;
                announce(None, &link.passed())?;
            }
            Ok(())
        }
        Command::Load(args) => simulators::load::run(args).await,
        Command::Camera(args) => {
            let listening = args.listening.clone();
            simulators::camera::run(args, |cameras| announce(listening.as_deref(), &cameras)).await
        }
        Command::Hj212(args) => announce(None, &simulators::hj212::run(args).await?),
        Command::CreditPlatform {
            listen,
            keep,
            fail_first,
            listening,
        } => {
            let listener = tokio::net::TcpListener::bind(listen)
                .await
                .with_context(|| format!("cannot listen on {listen}"))?;
            let router = credit_platform::router(&keep, fail_first)?;
            announce(listening.as_deref(), &listener.local_addr()?)?;
            axum::serve(listener, router)
                .await
                .context("the credit platform stopped serving")
        }
    }
}
