//! The whole gateway under load: one gateway process, one load generator, on this machine, bounded.
//!
//! `cargo run --release -p tests --bin measure -- --mode sparkplug --rate 1000000 --seconds 60`
//! Every reading is looked at by a rule, kept in the embedded store, and confirmed only after fsync. Prints one JSON
//! object. What is stored is counted in the store's file after the gateway stopped, not by anybody's counters.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use serde_json::{Value, json};
use tests::client::{Client, install_tls};
use tests::config_text::quoted;
use tests::process::{Process, wait_for};
use tests::setup::{Binaries, binaries};
use tests::world::{free_address, output, write};

#[derive(Parser)]
#[command(name = "measure", about = "The whole gateway under load, on loopback")]
struct Arguments {
    /// sparkplug (QoS 0 with receipts) or json (QoS 1).
    #[arg(long, default_value = "sparkplug")]
    mode: String,
    /// Readings a second, or `max`.
    #[arg(long, default_value = "1000000")]
    rate: String,
    /// How long to send.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Agents, each on a connection and a site of its own.
    #[arg(long, default_value_t = 50)]
    agents: usize,
    /// Devices of each agent.
    #[arg(long, default_value_t = 10)]
    devices: usize,
    /// Readings in a million that are over their limit; each opens a signal.
    #[arg(long, default_value_t = 0)]
    over_ppm: u32,
    /// Where the gateway keeps its data; a temporary folder otherwise.
    #[arg(long)]
    data: Option<PathBuf>,
}

/// Readings in a message.
const METRICS: usize = 20;
/// How long the followers may need after the last confirmation.
const CATCH_UP: Duration = Duration::from_secs(120);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    install_tls();
    let binaries = binaries()?;
    let temporary = tempfile::tempdir().context("no temporary folder")?;
    let folder = arguments
        .data
        .clone()
        .unwrap_or_else(|| temporary.path().to_owned());
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let report = runtime.block_on(measure(&arguments, &binaries, &folder))?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

async fn measure(
    arguments: &Arguments,
    binaries: &Binaries,
    folder: &Path,
) -> anyhow::Result<Value> {
    let (http, mqtt) = (free_address(0)?, free_address(0)?);
    let config = folder.join("gateway.toml");
    write(&config, &gateway_text(folder, http, mqtt, arguments)?)?;
    let user = |command: &mut Command| {
        output(
            command
                .args(["user", "add", "--config"])
                .arg(&config)
                .args(["measure", "--role", "admin"]),
        )
    };
    let printed = user(&mut Command::new(&binaries.gateway))?;
    let password = printed.split_whitespace().last().context("no password")?;
    let mut command = Command::new(&binaries.gateway);
    command.arg("run").arg("--config").arg(&config);
    let mut gateway = Process::start("gateway", command, &folder.join("gateway.log"))?;
    wait_for("the gateway to listen", Duration::from_secs(30), || {
        gateway.check()?;
        Ok(std::net::TcpStream::connect(http).ok())
    })?;
    let client = Client::sign_in(&format!("http://{http}"), "measure", password).await?;
    let heard = Arc::new(Mutex::new(Heard::default()));
    let listening = tokio::spawn(listen(client.events().await?, heard.clone()));
    let before = cpu_seconds(gateway.id())?;
    let began = Instant::now();
    let load = load(arguments, binaries, mqtt).await?;
    let loaded = began.elapsed();
    let busy = cpu_seconds(gateway.id())? - before;
    let behind = caught_up(&client).await?;
    listening.abort();
    let memory = peak_memory_mb(gateway.id())?;
    let status = client.get("/api/status").await?;
    let stopping = Instant::now();
    gateway.stop(Duration::from_secs(30))?;
    let stop_s = stopping.elapsed().as_secs_f64();
    let data = folder.join("data");
    let stored = stored(&data)?;
    let heard = heard.lock().expect("nobody panics with it");
    let sent = load["readings_sent"].as_u64().unwrap_or(0);
    Ok(json!({
        "load": load,
        "load_process_s": loaded.as_secs_f64(),
        "gateway_cpu_s": busy,
        "gateway_cpu_us_a_reading": busy * 1e6 / sent.max(1) as f64,
        "gateway_peak_memory_mb": memory,
        "behind_after_last_confirmation_s": behind.as_secs_f64(),
        "readings_journaled": status["readings_journaled"],
        "readings_stored": stored,
        "lost": sent as i64 - stored as i64,
        "disk_bytes_a_reading": disk_bytes(&data) as f64 / stored.max(1) as f64,
        "stop_s": stop_s,
        "signals_on_the_event_stream": heard.latencies_ms.len(),
        "publish_to_event_ms": heard.quantiles(),
    }))
}

/// Sites, devices and one rule for each point, so that every reading is looked at.
fn gateway_text(
    folder: &Path,
    http: std::net::SocketAddr,
    mqtt: std::net::SocketAddr,
    arguments: &Arguments,
) -> anyhow::Result<String> {
    let mut registry =
        String::from("[[business]]\nuscc = \"91330482MA2CUJK126\"\nname = \"负载\"\n");
    for agent in 0..arguments.agents {
        let site = format!("load-s{agent:03}");
        let _ = writeln!(
            registry,
            "\n[[site]]\nid = \"{site}\"\nname = {{ zh = \"{site}\", en = \"{site}\" }}\naddress = \"{agent}\"\n\
             business = \"91330482MA2CUJK126\"\ndomains = [\"safety\"]\n\n\
             [[agent]]\nid = \"load-a{agent:03}\"\nsite = \"{site}\""
        );
        for device in 0..arguments.devices {
            let _ = writeln!(
                registry,
                "\n[[device]]\nsite = \"{site}\"\nid = \"d{device:03}\"\nname = {{ zh = \"设备\", en = \"Device\" }}\nkind = \"load\""
            );
        }
    }
    write(&folder.join("registry.toml"), &registry)?;
    let mut rules = String::new();
    for metric in 0..METRICS {
        let _ = writeln!(
            rules,
            "[[rule]]\nid = \"L-{metric:02}\"\nversion = 1\ndomain = \"safety\"\ndevices = [\"load\"]\npoint = \"p{metric:02}\"\n\
             unit = \"mg/m3\"\nmeasure = \"instant\"\ncomparator = \"above\"\nlimit = 900\nreset = 800\ndwell_min = 0\n\
             severity = \"II\"\nstandard = \"load\"\nclause = \"load\"\nvalid_from = \"2020-01-01\"\nsource = \"load\"\n\
             title = {{ zh = \"负载\", en = \"Load\" }}\nexplanation = {{ zh = \"负载\", en = \"Load\" }}\ninnocent = []\n"
        );
    }
    write(&folder.join("rules/load.toml"), &rules)?;
    Ok(format!(
        "data = \"data\"\nhttp = {}\nregistry = \"registry.toml\"\nrules = \"rules\"\n\n[broker]\nlisten = {}\nallow_anonymous = true\n",
        quoted(http),
        quoted(mqtt)
    ))
}

async fn load(
    arguments: &Arguments,
    binaries: &Binaries,
    mqtt: std::net::SocketAddr,
) -> anyhow::Result<Value> {
    let mut command = tokio::process::Command::new(&binaries.sim);
    command
        .args(["load", "--mode", &arguments.mode, "--rate", &arguments.rate])
        .args(["--seconds", &arguments.seconds.to_string()])
        .args(["--agents", &arguments.agents.to_string()])
        .args(["--devices", &arguments.devices.to_string()])
        .args(["--metrics", &METRICS.to_string()])
        .args(["--over-ppm", &arguments.over_ppm.to_string()])
        .args(["--gateway", &mqtt.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let done = command.spawn().context("cannot start sim load")?;
    let done = done.wait_with_output().await.context("sim load")?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    anyhow::ensure!(
        done.status.success(),
        "sim load ended with {}: {text}",
        done.status
    );
    serde_json::from_str(text.trim()).with_context(|| format!("sim load printed {text:?}"))
}

/// Waits until series and rules have seen all of the journal; how long that took.
async fn caught_up(client: &Client) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let target = client.get("/api/status").await?["journal"].as_u64();
    loop {
        let status = client.get("/api/status").await?;
        if status["series"].as_u64() >= target && status["detect"].as_u64() >= target {
            return Ok(began.elapsed());
        }
        anyhow::ensure!(began.elapsed() < CATCH_UP, "not caught up: {status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Signals on the event stream, each counted when it is first heard of.
#[derive(Default)]
struct Heard {
    seen: HashSet<String>,
    latencies_ms: Vec<i64>,
}

impl Heard {
    /// Median, 99th percentile and worst, ms.
    fn quantiles(&self) -> Value {
        let mut sorted = self.latencies_ms.clone();
        sorted.sort_unstable();
        let at = |share: f64| {
            let place = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(place.saturating_sub(1))
        };
        json!({ "p50": at(0.5), "p99": at(0.99), "max": sorted.last() })
    }
}

/// Reads the event stream. A signal's `opened_at` is the time the generator gave the reading when it made the
/// message, by the same clock.
async fn listen(mut events: reqwest::Response, heard: Arc<Mutex<Heard>>) -> anyhow::Result<()> {
    let mut text = Vec::new();
    while let Some(chunk) = events.chunk().await? {
        text.extend_from_slice(&chunk);
        while let Some(end) = text.windows(2).position(|w| w == b"\n\n") {
            let event: Vec<u8> = text.drain(..end + 2).collect();
            let now = jiff::Timestamp::now().as_millisecond();
            let event = String::from_utf8_lossy(&event);
            let Some(data) = event
                .strip_prefix("event: signal\ndata: ")
                .and_then(|data| serde_json::from_str::<Vec<Value>>(data.trim()).ok())
            else {
                continue;
            };
            let mut heard = heard.lock().expect("nobody panics with it");
            for signal in data {
                let id = signal["id"].as_str().unwrap_or_default().to_owned();
                if let Some(opened) = signal["opened_at"].as_i64()
                    && heard.seen.insert(id)
                {
                    heard.latencies_ms.push(now - opened);
                }
            }
        }
    }
    Ok(())
}

/// Distinct readings in the store's file.
fn stored(data: &Path) -> anyhow::Result<u64> {
    let journal = journal::Journal::open(&data.join("journal.db"), journal::Options::small())?;
    let (store, following) = gateway::series::embedded::Embedded::start(
        gateway::series::embedded::Options::new(data.join("series.db")),
        &journal,
        Arc::default(),
    )?;
    let head = journal.head().0.0;
    wait_for(
        "the store to reach the head",
        Duration::from_secs(60),
        || Ok((store.progress().cursor >= head).then_some(())),
    )?;
    let count = store.count()?;
    following.stop();
    Ok(count)
}

fn cpu_seconds(process: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok());
    // Fields 14 and 15 of proc_pid_stat(5), 100 ticks a second on Linux.
    Ok((ticks(11).context("utime")? + ticks(12).context("stime")?) / 100.0)
}

fn peak_memory_mb(process: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .context("no VmHWM")?;
    let kb: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kb / 1024.0)
}

fn disk_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(m) if m.is_dir() => disk_bytes(&entry.path()),
            Ok(m) => m.len(),
            Err(_) => 0,
        })
        .sum()
}
