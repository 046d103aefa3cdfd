//! How late healthy devices are asked beside dead ones: 1,000 slaves behind one TCP address, asked every ten seconds over
//! four connections with a time-out of one second; once with none dead and once with every tenth. The two run at the same
//! time in one process, each with a buffer of its own. Lateness is taken where the gateway
//! hears the question. A unit id is one byte, so a slave is one of 250 units and one of four
//! blocks of registers. Usage: `poll_jitter [SETTLE_SECONDS] [MEASURED_SECONDS]`

use contract::{DeviceId, problems::Problems};
use edge_agent::{
    buffer::Buffer,
    config::BufferConfig,
    metrics::Metrics,
    profile,
    source::{
        Sink,
        modbus::{Bus, Device, bus, link::Endpoint},
    },
    stop::Stop,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

const SLAVES: usize = 1_000;
const UNITS: usize = 250;
const BLOCK: u16 = 100;
const EVERY: Duration = Duration::from_secs(10);

type Heard = Arc<Mutex<HashMap<usize, Vec<Instant>>>>;

/// Answers every read of one register at once, unless the slave is dead.
async fn serve(mut stream: TcpStream, heard: Heard, is_dead: fn(usize) -> bool) {
    let mut frame = [0u8; 12];
    while stream.read_exact(&mut frame).await.is_ok() {
        let block = u16::from_be_bytes([frame[8], frame[9]]) / BLOCK;
        let slave = usize::from(block) * UNITS + usize::from(frame[6]) - 1;
        heard
            .lock()
            .unwrap()
            .entry(slave)
            .or_default()
            .push(Instant::now());
        if is_dead(slave) {
            continue;
        }
        let mut answer = frame[..4].to_vec();
        answer.extend([0, 5, frame[6], frame[7], 2, 0, 42]);
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn device(slave: usize) -> Device {
    let register = slave / UNITS * usize::from(BLOCK);
    let text = format!(
        "name = \"x\"\n[[point]]\nname = \"p\"\nfunction = \"holding\"\nregister = {register}\ntype = \"u16\"\nunit = \"1\"\nrange = [0, 100]\n"
    );
    let profile = profile::read("x", &text, &mut Problems::new());
    Device {
        id: DeviceId::new(format!("d{slave}")).unwrap(),
        unit_id: (slave % UNITS + 1) as u8,
        every: EVERY,
        timeout: Duration::from_secs(1),
        points: profile.points,
        gap_max: 0,
        identity: None,
        expected: None,
        clock: None,
    }
}

async fn run(name: &str, is_dead: fn(usize) -> bool, settle: Duration, measured: Duration) {
    let heard = Heard::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let of_gateway = heard.clone();
    let gateway = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, of_gateway.clone(), is_dead));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let metrics = Arc::new(Metrics::default());
    let config = BufferConfig {
        path: folder.path().join("buffer.db"),
        bytes_max: 1 << 30,
    };
    let buffer = Buffer::open(&config, metrics.clone()).await.unwrap();
    let bus = Bus {
        name: name.to_owned(),
        endpoint: Endpoint::Tcp(address),
        connections: 4,
        back_off_max: Duration::from_secs(60),
        devices: (0..SLAVES).map(device).collect(),
    };
    let stop = watch::Sender::new(false);
    let begun = Instant::now();
    let sink = Sink::new(
        buffer.clone(),
        metrics.clone(),
        edge_agent::status::Board::new(&[], contract::Timestamp::now()),
        edge_agent::control::Desk::open(buffer.clone()).0,
    );
    let running = tokio::spawn(bus::run(bus, sink, Stop::of(&stop)));
    tokio::time::sleep(settle + measured).await;
    stop.send_replace(true);
    running.await.unwrap();
    gateway.abort();
    let heard = heard.lock().unwrap().clone();
    let late = lateness(&heard, is_dead, begun);
    for (what, from, to) in [
        ("while they become known", Duration::ZERO, settle),
        ("afterwards", settle, settle + measured),
    ] {
        let mut late: Vec<Duration> = late
            .iter()
            .filter(|(at, _)| (from..to).contains(at))
            .map(|(_, late)| *late)
            .collect();
        late.sort();
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        println!(
            "{name}, {what}: {} polls of healthy slaves, late by p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
            late.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    let dead: usize = heard
        .iter()
        .filter(|(slave, _)| is_dead(**slave))
        .map(|(_, times)| times.len())
        .sum();
    println!(
        "{name}: dead slaves asked {dead} times; polls {}, missed {}, readings stored {}, absences {}",
        metrics.polls.get(),
        metrics.polls_skipped.get(),
        metrics.readings_stored.get(),
        metrics.absences.get()
    );
}

/// When each poll of a healthy slave came since the begin, and how late it was: slave n is due n / 1,000 of an interval after
/// the begin, and then every interval. One that is an interval late or more was missed and is not here.
fn lateness(
    heard: &HashMap<usize, Vec<Instant>>,
    is_dead: fn(usize) -> bool,
    begun: Instant,
) -> Vec<(Duration, Duration)> {
    let healthy = heard.iter().filter(|(slave, _)| !is_dead(**slave));
    let polls = healthy.flat_map(|(slave, times)| times.iter().map(|at| (*slave, *at)));
    let late = |(slave, at): (usize, Instant)| {
        let since = at.duration_since(begun);
        let due = EVERY * slave as u32 / SLAVES as u32;
        let late = since.saturating_sub(due).as_nanos() % EVERY.as_nanos();
        (since, Duration::from_nanos(late as u64))
    };
    polls.map(late).collect()
}

#[tokio::main]
async fn main() {
    let seconds = |n: usize, default: u64| {
        let given = std::env::args().nth(n).and_then(|text| text.parse().ok());
        Duration::from_secs(given.unwrap_or(default))
    };
    let (settle, measured) = (seconds(1, 90), seconds(2, 120));
    tokio::join!(
        run("none dead", |_| false, settle, measured),
        run("a tenth dead", |slave| slave % 10 == 3, settle, measured),
    );
}
