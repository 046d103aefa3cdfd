//! A bad line between two programs: a TCP proxy whose faults can be changed while it runs.
//!
//! Promise: without a fault every byte is passed on, in order, once. The same seed turns the same bits of the same bytes, if they
//! come on one connection in one direction. *Up* is from the one who connects to the one who is connected to.
//!
//! It runs on a thread of its own and ends when its last handle is dropped.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::random::Random;

/// Most that is read at once.
const CHUNK: usize = 64 << 10;
/// A slow line passes something so often.
const SLOW_STEP: Duration = Duration::from_millis(50);

/// In which direction a fault works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the one who is connected to.
    Up,
    /// To the one who connects.
    Down,
    /// Both.
    Both,
}

impl Way {
    fn has(self, way: Way) -> bool {
        self == Way::Both || self == way
    }
}

/// What is wrong with the line.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// So many bytes a second pass, in each direction.
    Slow {
        /// At least 1.
        bytes_per_s: u64,
    },
    /// Whatever is read (up to 64 KiB at once) waits so long.
    Delay(Duration),
    /// Nothing passes and nobody is told; connections stay and new ones are accepted. What was held passes afterwards.
    HalfOpen(Way),
    /// Connections are reset, and new ones too.
    Closed,
    /// Each byte has one bit turned with this probability.
    Flips {
        /// 0 to 1.
        per_byte: f64,
        /// In which direction.
        way: Way,
    },
    /// Every connection is reset at random, so often on the average.
    Cuts {
        /// Resets in a second.
        per_s: f64,
    },
}

/// What passed and what was done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Passed {
    /// Bytes passed up.
    pub bytes_up: u64,
    /// Bytes passed down.
    pub bytes_down: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections reset.
    pub cuts: u64,
    /// Bytes in which a bit was turned.
    pub flips: u64,
}

/// The line; clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Link {
    shared: Arc<Shared>,
    address: SocketAddr,
    _alive: Arc<watch::Sender<()>>,
}

#[derive(Debug)]
struct Shared {
    connect: SocketAddr,
    fault: watch::Sender<Fault>,
    cuts: watch::Sender<u64>,
    trip: Mutex<Option<(Way, u64)>>,
    random: Mutex<Random>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    up: AtomicU64,
    down: AtomicU64,
    connections: AtomicU64,
    cuts: AtomicU64,
    flips: AtomicU64,
}

impl Link {
    /// Listens at `listen` (port 0: a free one) and passes everything on to `connect`, which need not listen yet.
    pub fn start(listen: SocketAddr, connect: SocketAddr, seed: u64) -> io::Result<Link> {
        let listener = StdListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (alive, dropped) = watch::channel(());
        let shared = Arc::new(Shared {
            connect,
            fault: watch::Sender::new(Fault::None),
            cuts: watch::Sender::new(0),
            trip: Mutex::new(None),
            random: Mutex::new(Random::seeded(seed)),
            counts: Counts::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let running = shared.clone();
        std::thread::Builder::new()
            .name("link".into())
            .spawn(move || runtime.block_on(run(listener, running, dropped)))?;
        Ok(Link {
            shared,
            address,
            _alive: Arc::new(alive),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this is wrong with it, and nothing else.
    pub fn set(&self, fault: Fault) {
        self.shared.set(fault);
    }

    /// Resets every connection; new ones pass.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// On the next connection that comes so far: passes `packets` MQTT packets in this direction, then nothing more in
    /// either, resets the connection and stays closed until a fault is set. The line must carry MQTT without TLS.
    pub fn trip_after(&self, way: Way, packets: u64) {
        *lock(&self.shared.trip) = Some((way, packets));
    }

    /// True when [`Link::trip_after`] has happened, or was never asked for.
    pub fn has_tripped(&self) -> bool {
        lock(&self.shared.trip).is_none()
    }

    /// What passed so far.
    pub fn passed(&self) -> Passed {
        let counts = &self.shared.counts;
        Passed {
            bytes_up: counts.up.load(Relaxed),
            bytes_down: counts.down.load(Relaxed),
            connections: counts.connections.load(Relaxed),
            cuts: counts.cuts.load(Relaxed),
            flips: counts.flips.load(Relaxed),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
        if fault == Fault::Closed {
            self.cuts.send_modify(|cuts| *cuts += 1);
        }
    }

    fn reset(&self, stream: &TcpStream) {
        // The peer may have gone already; then there is nobody to reset.
        let _ = stream.set_zero_linger();
    }
}

async fn run(listener: StdListener, shared: Arc<Shared>, mut dropped: watch::Receiver<()>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the link cannot listen"),
    };
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            // Nothing is ever sent: this ends when the last handle is dropped.
            _ = dropped.changed() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    shared.counts.connections.fetch_add(1, Relaxed);
                    connections.spawn(connection(client, shared.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the link cannot accept");
                    sleep(SLOW_STEP).await;
                }
            },
        }
    }
}

async fn connection(mut client: TcpStream, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let mut fault = shared.fault.subscribe();
    // The sender lives as long as `shared`.
    let _ = fault
        .wait_for(|fault| !matches!(fault, Fault::HalfOpen(_)))
        .await;
    if *shared.fault.borrow() == Fault::Closed {
        return shared.reset(&client);
    }
    let Ok(mut server) = TcpStream::connect(shared.connect).await else {
        return shared.reset(&client);
    };
    // Without it small packets wait for each other; a failure costs only time.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let is_cut = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        tokio::select! {
            _ = cuts.changed() => true,
            () = random_cut(&shared) => true,
            ended = pump(&shared, Way::Up, &mut from_client, &mut to_server) => ended == End::Tripped,
            ended = pump(&shared, Way::Down, &mut from_server, &mut to_client) => ended == End::Tripped,
        }
    };
    if is_cut {
        shared.counts.cuts.fetch_add(1, Relaxed);
        shared.reset(&client);
        shared.reset(&server);
    }
}

/// Returns when chance says so.
async fn random_cut(shared: &Shared) {
    let mut fault = shared.fault.subscribe();
    loop {
        let now = *fault.borrow_and_update();
        let Fault::Cuts { per_s } = now else {
            let _ = fault.changed().await;
            continue;
        };
        let unit = lock(&shared.random).unit();
        let wait = Duration::from_secs_f64((-(1.0 - unit).ln() / per_s.max(1e-6)).min(1e6));
        tokio::select! {
            () = sleep(wait) => return,
            _ = fault.changed() => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Closed,
    Tripped,
}

/// Passes bytes on in one direction until an end closes, or the link trips.
async fn pump(
    shared: &Shared,
    way: Way,
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
) -> End {
    let mut fault = shared.fault.subscribe();
    let mut packets = Packets::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        let most = match *fault.borrow_and_update() {
            Fault::Slow { bytes_per_s } => step(bytes_per_s),
            _ => CHUNK,
        };
        let Ok(count @ 1..) = from.read(&mut chunk[..most]).await else {
            return End::Closed;
        };
        let _ = fault
            .wait_for(|fault| !matches!(fault, Fault::HalfOpen(held) if held.has(way)))
            .await;
        let now = *fault.borrow();
        match now {
            Fault::Delay(delay) => sleep(delay).await,
            Fault::Slow { bytes_per_s } => {
                sleep(Duration::from_secs_f64(
                    count as f64 / bytes_per_s.max(1) as f64,
                ))
                .await;
            }
            Fault::Flips {
                per_byte,
                way: flipped,
            } if flipped.has(way) => {
                flip(shared, per_byte, &mut chunk[..count]);
            }
            _ => {}
        }
        let stop_at = trips_at(shared, way, &mut packets, &chunk[..count]);
        let passed = stop_at.unwrap_or(count);
        let counter = match way {
            Way::Down => &shared.counts.down,
            Way::Up | Way::Both => &shared.counts.up,
        };
        // Before they are written: whoever has read them finds them counted.
        counter.fetch_add(passed as u64, Relaxed);
        if to.write_all(&chunk[..passed]).await.is_err() {
            return End::Closed;
        }
        if stop_at.is_some() {
            shared.fault.send_replace(Fault::Closed);
            *lock(&shared.trip) = None;
            return End::Tripped;
        }
    }
}

fn step(bytes_per_s: u64) -> usize {
    ((bytes_per_s as f64 * SLOW_STEP.as_secs_f64()) as usize).clamp(1, CHUNK)
}

fn flip(shared: &Shared, per_byte: f64, bytes: &mut [u8]) {
    let mut random = lock(&shared.random);
    for byte in bytes {
        if random.unit() < per_byte {
            *byte ^= 1 << (random.bits() % 8);
            shared.counts.flips.fetch_add(1, Relaxed);
        }
    }
}

/// The end of the last packet that may pass, if it is in `bytes`.
fn trips_at(shared: &Shared, way: Way, packets: &mut Packets, bytes: &[u8]) -> Option<usize> {
    let trip = lock(&shared.trip).filter(|(at, _)| at.has(way));
    for (place, byte) in bytes.iter().enumerate() {
        if packets.ends_with(*byte) && trip.is_some_and(|(_, last)| last == packets.count) {
            return Some(place + 1);
        }
    }
    None
}

/// Counts MQTT packets: a type, a length of up to four bytes with seven bits each, and so many bytes (MQTT 3.1.1, 2.2).
#[derive(Debug, Default)]
struct Packets {
    count: u64,
    place: Place,
}

#[derive(Debug, Default)]
enum Place {
    #[default]
    Type,
    Length {
        shift: u32,
        length: u64,
    },
    Body {
        left: u64,
    },
}

impl Packets {
    /// True if a packet ends with this byte.
    fn ends_with(&mut self, byte: u8) -> bool {
        let (place, has_ended) = match self.place {
            Place::Type => (
                Place::Length {
                    shift: 0,
                    length: 0,
                },
                false,
            ),
            Place::Length { shift, length } => {
                let length = length | u64::from(byte & 0x7f) << shift;
                match (byte & 0x80, length) {
                    (0, 0) => (Place::Type, true),
                    (0, left) => (Place::Body { left }, false),
                    _ => (
                        Place::Length {
                            shift: (shift + 7).min(28),
                            length,
                        },
                        false,
                    ),
                }
            }
            Place::Body { left: 1 } => (Place::Type, true),
            Place::Body { left } => (Place::Body { left: left - 1 }, false),
        };
        self.place = place;
        self.count += u64::from(has_ended);
        has_ended
    }
}

/// The words are not a fault, or not a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not understood: write ok, cut, slow BYTES_PER_S, delay TIME, half-open [up|down], flip [up|down] PER_BYTE or cuts PER_S, in a plan each after how long it lasts: \"10s ok, 5s cut, 20s half-open\""
)]
pub struct NotAFault(String);

impl FromStr for Fault {
    type Err = NotAFault;

    fn from_str(text: &str) -> Result<Fault, NotAFault> {
        let refuse = || NotAFault(text.to_owned());
        let words: Vec<&str> = text.split_whitespace().collect();
        let way = |word: &str| match word {
            "up" => Ok(Way::Up),
            "down" => Ok(Way::Down),
            _ => Err(refuse()),
        };
        let number = |word: &str| {
            let number: Option<f64> = word.parse().ok();
            number
                .filter(|n| n.is_finite() && *n > 0.0)
                .ok_or_else(refuse)
        };
        Ok(match words[..] {
            ["ok"] => Fault::None,
            ["cut"] => Fault::Closed,
            ["slow", rate] => Fault::Slow {
                bytes_per_s: (number(rate)? as u64).max(1),
            },
            ["delay", time] => Fault::Delay(duration(time).ok_or_else(refuse)?),
            ["half-open"] => Fault::HalfOpen(Way::Both),
            ["half-open", word] => Fault::HalfOpen(way(word)?),
            ["flip", rate] => Fault::Flips {
                per_byte: number(rate)?,
                way: Way::Both,
            },
            ["flip", word, rate] => Fault::Flips {
                per_byte: number(rate)?,
                way: way(word)?,
            },
            ["cuts", rate] => Fault::Cuts {
                per_s: number(rate)?,
            },
            _ => return Err(refuse()),
        })
    }
}

/// Which fault for how long, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan(pub Vec<(Duration, Fault)>);

impl FromStr for Plan {
    type Err = NotAFault;

    fn from_str(text: &str) -> Result<Plan, NotAFault> {
        let step = |part: &str| {
            let (time, fault) = part
                .trim()
                .split_once(' ')
                .ok_or_else(|| NotAFault(part.to_owned()))?;
            let time = duration(time).ok_or_else(|| NotAFault(part.to_owned()))?;
            Ok((time, fault.parse()?))
        };
        text.split(',')
            .map(step)
            .collect::<Result<_, _>>()
            .map(Plan)
    }
}

/// `20s` or `250ms`, above zero.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit_s) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s')?, 1.0),
    };
    let seconds = number.parse::<f64>().ok()? * unit_s;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes up, {} down, {} connections, {} cut, {} bytes flipped",
            self.bytes_up, self.bytes_down, self.connections, self.cuts, self.flips
        )
    }
}

#[cfg(test)]
mod tests;
