//! Load: many agents in one process, messages made before and patched when sent, so that the generator costs
//! little beside what it measures.
//!
//! Promise: every (point, time) is sent once; `readings_receipted` counts only what the gateway confirmed
//! after its fsync (receipts for Sparkplug, PUBACKs for JSON). At most `--window` messages of an agent are
//! unconfirmed. Not promised: reconnecting; an agent whose connection ends has failed, and is counted.

mod message; // templates and their patches
mod wire; // the little MQTT it needs

use message::{Json, Sparkplug, Template};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Messages made between two looks at the socket.
const CHUNK: u64 = 64;
/// How long the last confirmations are waited for.
const LAST_CONFIRMATIONS: Duration = Duration::from_secs(30);

/// How messages are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Sparkplug B DDATA at QoS 0, numbered, confirmed by receipts.
    Sparkplug,
    /// JSON at QoS 1, confirmed by PUBACKs.
    Json,
}

/// Arguments of `sim load`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// How messages are encoded.
    #[arg(long, value_enum, default_value = "sparkplug")]
    pub mode: Mode,
    /// The gateway's plain MQTT listener.
    #[arg(long, default_value = "127.0.0.1:1883")]
    pub gateway: String,
    /// Connections, one for each agent.
    #[arg(long, default_value_t = 50)]
    pub agents: usize,
    /// Devices of each agent.
    #[arg(long, default_value_t = 10)]
    pub devices: usize,
    /// Readings in a message.
    #[arg(long, default_value_t = 20)]
    pub metrics: usize,
    /// How long to send.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Readings a second of all agents together, or `max`.
    #[arg(long, default_value = "max")]
    pub rate: String,
    /// Messages of an agent that may be unconfirmed.
    #[arg(long, default_value_t = 2000)]
    pub window: u64,
    /// Values over 900 in a million; all others are between 100 and 500.
    #[arg(long, default_value_t = 0)]
    pub over_ppm: u32,
    /// Begins the names of sites and agents, so that two runs do not meet.
    #[arg(long, default_value = "load")]
    pub prefix: String,
    /// MQTT user name of all agents.
    #[arg(long)]
    pub username: Option<String>,
    /// MQTT password.
    #[arg(long)]
    pub password: Option<String>,
}

/// What was measured; printed as one JSON line.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Encoding.
    pub mode: &'static str,
    /// Agents, devices of each, readings in a message.
    pub agents: usize,
    /// Devices of each agent.
    pub devices: usize,
    /// Readings in a message.
    pub metrics: usize,
    /// Bytes of a message's payload.
    pub payload_bytes: usize,
    /// From the first message to the last confirmation.
    pub elapsed_s: f64,
    /// Messages given to the socket.
    pub messages_sent: u64,
    /// Messages confirmed.
    pub messages_receipted: u64,
    /// Readings sent.
    pub readings_sent: u64,
    /// Readings confirmed.
    pub readings_receipted: u64,
    /// Confirmed readings a second.
    pub readings_per_s: u64,
    /// Values sent above 900.
    pub over: u64,
    /// Agents whose connection failed.
    pub agents_failed: usize,
    /// Confirmation time of a message, median and 99th percentile, ms.
    pub confirm_ms: (u64, u64),
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    confirmed: AtomicU64,
    over: AtomicU64,
    /// Confirmation times by ms, the last for all above.
    times: [AtomicU64; 32],
}

/// Runs the load and prints the report.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let report = measure(&args).await?;
    println!("{}", serde_json::to_string(&report)?);
    anyhow::ensure!(
        report.agents_failed == 0,
        "{} agents lost their connection",
        report.agents_failed
    );
    Ok(())
}

/// Runs the load.
pub async fn measure(args: &Args) -> anyhow::Result<Report> {
    let rate = match args.rate.as_str() {
        "max" => None,
        text => Some(text.parse::<f64>()? / args.metrics as f64 / args.agents as f64),
    };
    let counts = Arc::new(Counts::default());
    let mut agents = tokio::task::JoinSet::new();
    let begin = Instant::now();
    for number in 0..args.agents {
        let (args, counts) = (args.clone(), counts.clone());
        agents.spawn(async move { agent(&args, number, rate, &counts).await });
    }
    let mut failed = 0;
    let mut payload_bytes = 0;
    while let Some(ended) = agents.join_next().await {
        match ended? {
            Ok(bytes) => payload_bytes = bytes,
            Err(error) => {
                failed += 1;
                eprintln!("agent failed: {error:#}");
            }
        }
    }
    let elapsed = begin.elapsed().as_secs_f64();
    let (sent, confirmed) = (
        counts.sent.load(Ordering::Relaxed),
        counts.confirmed.load(Ordering::Relaxed),
    );
    let metrics = args.metrics as u64;
    Ok(Report {
        mode: if args.mode == Mode::Json {
            "json"
        } else {
            "sparkplug"
        },
        agents: args.agents,
        devices: args.devices,
        metrics: args.metrics,
        payload_bytes,
        elapsed_s: elapsed,
        messages_sent: sent,
        messages_receipted: confirmed,
        readings_sent: sent * metrics,
        readings_receipted: confirmed * metrics,
        readings_per_s: (confirmed as f64 * args.metrics as f64 / elapsed) as u64,
        over: counts.over.load(Ordering::Relaxed),
        agents_failed: failed,
        confirm_ms: (quantile(&counts, 0.5), quantile(&counts, 0.99)),
    })
}

/// Upper end of the power of two below which this share of confirmation times lies.
fn quantile(counts: &Counts, share: f64) -> u64 {
    let all: Vec<u64> = counts
        .times
        .iter()
        .map(|n| n.load(Ordering::Relaxed))
        .collect();
    let total: u64 = all.iter().sum();
    let mut run = 0;
    for (i, n) in all.iter().enumerate() {
        run += n;
        if total > 0 && run as f64 >= share * total as f64 {
            return 1 << i;
        }
    }
    0
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

/// One agent: connects, announces, sends, and waits for the last confirmation. Gives the payload's size.
async fn agent(
    args: &Args,
    number: usize,
    rate: Option<f64>,
    counts: &Counts,
) -> anyhow::Result<usize> {
    let mut stream = TcpStream::connect(&args.gateway).await?;
    stream.set_nodelay(true)?;
    let (site, name) = (
        format!("{}-s{number:03}", args.prefix),
        format!("{}-a{number:03}", args.prefix),
    );
    let mut out = Vec::with_capacity(256 << 10);
    wire::put_connect(
        &mut out,
        &name,
        args.username
            .as_deref()
            .map(|u| (u, args.password.as_deref().unwrap_or(""))),
    );
    let mut template: Box<dyn Template> = match args.mode {
        Mode::Json => Box::new(Json::new(&site, args.devices, args.metrics, number)),
        Mode::Sparkplug => {
            let run = format!("{}-{}", args.prefix, now_ms());
            Box::new(Sparkplug::new(
                &site,
                &name,
                &run,
                args.devices,
                args.metrics,
                number,
            ))
        }
    };
    template.put_hello(&mut out, now_ms());
    stream.write_all(&out).await?;
    out.clear();
    let mut input = wire::Input::default();
    input.connack(&mut stream).await?;
    let (begin, seconds) = (Instant::now(), Duration::from_secs(args.seconds));
    let (mut sent, mut confirmed) = (0u64, 0u64);
    let mut sent_at = std::collections::VecDeque::new();
    let mut deadline = None;
    loop {
        let elapsed = begin.elapsed();
        let is_sending = elapsed < seconds;
        let allowed = rate.map_or(u64::MAX, |rate| (elapsed.as_secs_f64() * rate) as u64);
        let room = args
            .window
            .saturating_sub(sent - confirmed)
            .min(allowed.saturating_sub(sent))
            .min(CHUNK);
        if is_sending && room > 0 {
            let now = now_ms();
            let mut over = 0;
            for _ in 0..room {
                over += template.put_data(&mut out, now, args.over_ppm);
            }
            sent += room;
            sent_at.push_back((sent, Instant::now()));
            counts.sent.fetch_add(room, Ordering::Relaxed);
            counts.over.fetch_add(u64::from(over), Ordering::Relaxed);
            stream.write_all(&out).await?;
            out.clear();
        }
        if !is_sending {
            if confirmed >= sent {
                break;
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + LAST_CONFIRMATIONS);
            anyhow::ensure!(
                Instant::now() < deadline,
                "{} messages were never confirmed",
                sent - confirmed
            );
        }
        // With room left, only look; else wait, at most until more may be sent.
        let is_waiting = !is_sending || room < CHUNK;
        let wait = if is_waiting {
            Duration::from_millis(5)
        } else {
            Duration::ZERO
        };
        let read = if is_waiting {
            tokio::time::timeout(wait, stream.read_buf(&mut input.bytes))
                .await
                .ok()
        } else {
            match stream.try_read_buf(&mut input.bytes) {
                Ok(count) => Some(Ok(count)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
                Err(error) => Some(Err(error)),
            }
        };
        if let Some(count) = read {
            anyhow::ensure!(count? > 0, "the gateway closed the connection");
            let before = confirmed;
            confirmed = template.confirmed(&mut input, confirmed);
            counts
                .confirmed
                .fetch_add(confirmed - before, Ordering::Relaxed);
            while let Some((through, at)) = sent_at.front()
                && *through <= confirmed
            {
                let ms = at.elapsed().as_millis() as u64;
                let slot = (64 - ms.leading_zeros()).min(31) as usize;
                counts.times[slot].fetch_add(1, Ordering::Relaxed);
                sent_at.pop_front();
            }
        }
        if !is_waiting {
            tokio::task::yield_now().await;
        }
    }
    out.extend_from_slice(&[0xe0, 0]);
    stream.write_all(&out).await?;
    Ok(template.payload_bytes())
}
