//! What 72 hours without a line cost, and how the line recovers: fills a buffer with that much backlog and drains it to a
//! gateway, while new readings come. See `edge-agent/measure/backlog.sh`, which starts the gateway.
//!
//! `backlog FOLDER HOURS PORT SECONDS`: ten devices with ten points each, polled every second; for SECONDS new readings are
//! sent alone, then as long beside the backlog. Prints what is on disk and on its way.

use anyhow::Context;
use contract::{AgentId, DeviceId, PointName, Quality, Reading, SiteId, Timestamp};
use edge_agent::{
    buffer::Buffer,
    config::{BufferConfig, GatewayConfig, Identity},
    control::Desk,
    metrics::Metrics,
    publish::{fence::Fence, session::Session, task::Publisher},
    record::Record,
    source::{Described, PointInfo, Sink},
    status::Board,
    stop::Stop,
};
use futures_util::future::join_all;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, time::interval};

const DEVICES: u64 = 10;
const POINTS: [&str; 10] = [
    "temperature",
    "humidity",
    "so2",
    "nox",
    "dust",
    "flow",
    "pressure",
    "current",
    "power",
    "voc",
];
const EVERY: Duration = Duration::from_secs(1);
/// Seconds of polls that are stored together.
const TOGETHER: i64 = 100;
const BYTES_MAX: u64 = 4 << 30;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, hours, port, seconds] = &arguments[..] else {
        anyhow::bail!("backlog FOLDER HOURS PORT SECONDS");
    };
    let (folder, port, seconds) = (Path::new(folder), port.parse()?, seconds.parse()?);
    let alone = drain(&folder.join("alone.db"), port, seconds).await?;
    println!("new readings alone: {alone}");
    let path = folder.join("backlog.db");
    fill(&path, hours.parse()?).await?;
    let beside = drain(&path, port, seconds).await?;
    println!("beside the backlog: {beside}");
    Ok(())
}

fn device(n: u64) -> DeviceId {
    DeviceId::new(format!("device-{n}")).expect("a name")
}

fn poll(n: u64, at: Timestamp) -> Record {
    let reading = |(index, name): (usize, &&str)| {
        let value = (at.as_millis() / 1000 % 997) as f64 * 0.1 + index as f64;
        let name = PointName::new(*name).expect("a name");
        Reading::new(name, at, Some(value), Quality::Good)
    };
    Record::of(
        device(n),
        at,
        POINTS.iter().enumerate().map(reading).collect(),
    )
}

async fn open(path: &Path) -> anyhow::Result<(Buffer, Arc<Metrics>)> {
    let metrics = Arc::new(Metrics::default());
    let config = BufferConfig {
        path: path.to_owned(),
        bytes_max: BYTES_MAX,
    };
    let buffer = Buffer::open(&config, metrics.clone()).await?;
    Ok((buffer, metrics))
}

async fn fill(path: &Path, hours: i64) -> anyhow::Result<()> {
    let (buffer, metrics) = open(path).await?;
    let (begun, end) = (Instant::now(), Timestamp::now());
    let seconds = hours * 3600;
    for step in (0..seconds).step_by(TOGETHER as usize) {
        let times = step..(step + TOGETHER).min(seconds);
        let at = |second: i64| end.plus_millis((second - seconds) * 1000);
        let polls: Vec<Record> = times
            .flat_map(|second| (0..DEVICES).map(move |n| poll(n, at(second))))
            .collect();
        join_all(polls.iter().map(|poll| buffer.append(poll, false))).await;
    }
    let (readings, bytes) = (metrics.readings_stored.get(), buffer.status().bytes);
    buffer.close().await;
    let file = std::fs::metadata(path).context("no buffer")?.len();
    let each = |bytes: u64| bytes as f64 / readings as f64;
    println!(
        "{hours} h at 100 readings/s: {readings} readings stored in {:.0} s; {:.1} MB of records ({:.1} bytes a reading), {:.1} MB on disk ({:.1} bytes a reading)",
        begun.elapsed().as_secs_f64(),
        bytes as f64 / 1e6,
        each(bytes),
        file as f64 / 1e6,
        each(file)
    );
    Ok(())
}

/// Sends what waits and what comes, for so long.
async fn drain(path: &Path, port: u16, seconds: u64) -> anyhow::Result<String> {
    let (buffer, metrics) = open(path).await?;
    let info = |name: &&str| PointInfo {
        every: Some(EVERY),
        ..PointInfo::unknown(PointName::new(*name).expect("a name"))
    };
    let described = |n| Described {
        id: device(n),
        points: POINTS.iter().map(info).collect(),
    };
    let devices: Vec<Described> = (0..DEVICES).map(described).collect();
    let (site, agent) = (SiteId::new("s")?, AgentId::new("a")?);
    let board = Board::new(&[], Timestamp::now());
    let (desk, _) = Desk::open(buffer.clone());
    let publisher = Publisher {
        board: board.clone(),
        desk: desk.clone(),
        footage: None,
        renewal: None,
        agent: agent.to_string(),
        session: Session::new(site, agent, buffer.stream(), &devices),
        gateway: GatewayConfig {
            host: "127.0.0.1".into(),
            port,
            identity: Identity::Anonymous,
            receipt_timeout: Duration::from_secs(20),
            backfill_per_s: std::env::var("BACKFILL_PER_S")
                .map_or(Ok(5_000), |text| text.parse())?,
            trial: Duration::from_secs(120),
        },
        fence: Fence::new(buffer.fence()),
        buffer: buffer.clone(),
        metrics: metrics.clone(),
        wished: watch::Sender::new(None),
        is_heard: watch::Sender::new(false),
    };
    let stop = watch::Sender::new(false);
    let publishing = tokio::spawn(publisher.run(Stop::of(&stop)));
    let sink = Sink::new(buffer.clone(), metrics.clone(), board, desk);
    let mut ticks = interval(EVERY / DEVICES as u32);
    let (mut begun, mut first) = (Instant::now(), buffer.first());
    let mut n = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        ticks.tick().await;
        n += 1;
        if metrics.connections.get() == 0 {
            (begun, first) = (Instant::now(), buffer.first());
        }
        sink.store(&poll(n % DEVICES, Timestamp::now()), false)
            .await;
    }
    let took = begun.elapsed().as_secs_f64();
    let gone = (buffer.first() - first) as f64 * POINTS.len() as f64;
    stop.send_replace(true);
    publishing.await?;
    let said = format!(
        "{took:.0} s, {:.0} readings/s with a receipt, {} records left; from sending a new record to its receipt p50 < {} ms, p99 < {} ms, all < {} ms",
        gone / took,
        buffer.status().waiting,
        metrics.receipt_delays.below_ms(0.5),
        metrics.receipt_delays.below_ms(0.99),
        metrics.receipt_delays.below_ms(1.0),
    );
    buffer.close().await;
    Ok(said)
}
