//! The host: takes connections of data loggers, stores their frames, then answers. Requests are sent only where the
//! configuration allows reverse control.
//!
//! Promise: an answer says that the frame is on disk. What is not answered comes again; what comes again is known.
//! Whatever a connection does, it holds at most 64 KiB, and it ends if no good frame comes.

mod asking; // orders become requests
mod storing; // frames become records

use super::config::{Door, Station};
use super::control::{Answered, Exchange};
use super::counts::Counts;
use super::frame::{Event, Framer};
use super::station::{Memory, State};
use super::verdict::{Refusal, Taken, Verdict, judge};
use crate::{source::Sink, stop::Stop};
use contract::{
    Timestamp,
    control::{Order, Outcome, Refusal as Refused},
};
use std::{net::IpAddr, sync::Arc, time::Duration};
use storing::note_of;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

const TICK: Duration = Duration::from_millis(250);
/// Between attempts to listen, and after a failed accept.
const PAUSE: Duration = Duration::from_secs(1);
/// A connection of which nobody is known yet.
const UNKNOWN_IDLE: Duration = Duration::from_secs(30);
/// After so much silence the rest of a frame does not come.
const QUIET: Duration = Duration::from_secs(5);
/// How long a logger may take to take an answer.
const WRITE: Duration = Duration::from_secs(10);
/// Foreign frames in a row that end a connection.
const FOREIGN_MAX: u32 = 3;
/// Orders that wait for a connection or for the host; the desk gives one for each station.
const ORDERS: usize = 64;

/// Runs until told to stop.
pub async fn run(door: Door, sink: Sink, mut stop: Stop) {
    let listener = tokio::select! {
        () = stop.asked() => return,
        listener = listen(&door) => listener,
    };
    let host = Arc::new(Host::new(door, sink));
    let (taker, mut orders) = mpsc::channel(ORDERS);
    for station in &host.door.stations {
        let rights = &host.door.rights;
        host.sink.desk.serve(&station.device, rights, taker.clone());
    }
    let mut connections = JoinSet::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.asked() => break,
            _ = ticks.tick() => host.look(Timestamp::now()).await,
            Some(order) = orders.recv() => host.pass_on(order).await,
            Some(_) = connections.join_next() => host.counts().connections_ended.add(1),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let peer = peer.ip().to_canonical();
                    if host.admits(peer, connections.len()) {
                        connections.spawn(host.clone().serve(stream, peer, stop.clone()));
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "a connection of a data logger cannot be taken");
                    sleep(PAUSE).await;
                }
            },
        }
    }
    while connections.join_next().await.is_some() {}
}

/// The address may come up after the agent.
async fn listen(door: &Door) -> TcpListener {
    let mut attempts = 0u64;
    loop {
        match TcpListener::bind(door.listen).await {
            Ok(listener) => return listener,
            Err(error) => {
                attempts += 1;
                if attempts.is_power_of_two() {
                    tracing::error!(listen = %door.listen, %error, attempts, "cannot listen for data loggers");
                }
                sleep(PAUSE).await;
            }
        }
    }
}

struct Host {
    door: Door,
    sink: Sink,
    states: Vec<Mutex<State>>,
}

/// One thing that was in the bytes of a connection.
enum Heard {
    Refused(Refusal, Vec<u8>),
    Taken(Box<Taken>),
    Piece(&'static str, String, Vec<u8>),
    Answered(Answered),
}

/// What is known of a connection.
struct Connection {
    peer: IpAddr,
    /// Stations heard on it.
    stations: Vec<usize>,
    /// Foreign frames in a row.
    foreign: u32,
    /// The last good frame.
    good: Instant,
    second: Instant,
    frames: u32,
    /// Orders for stations heard on it come in here.
    line: mpsc::Sender<(usize, Order)>,
    /// What the stations are being asked.
    exchanges: Vec<Exchange>,
}

impl Host {
    fn new(door: Door, sink: Sink) -> Host {
        let state = |station: &Station| {
            let note = sink.note(&note_of(station)).unwrap_or_default();
            Mutex::new(State::new(Memory::of_note(&note)))
        };
        Host {
            states: door.stations.iter().map(state).collect(),
            door,
            sink,
        }
    }

    fn counts(&self) -> &Counts {
        &self.sink.metrics.hj212
    }

    fn complain(&self, who: &str, code: &'static str, words: &str, sample: &[u8]) {
        self.counts()
            .complain(who, code, words, sample, Timestamp::now());
    }

    fn admits(&self, peer: IpAddr, open: usize) -> bool {
        let refusal = if !self.door.stations.iter().any(|s| s.is_at(peer)) {
            Some(("foreign_network", "no station connects from there"))
        } else if open >= self.door.connections_max {
            Some(("connections_max", "too many connections"))
        } else {
            None
        };
        let Some((code, words)) = refusal else {
            self.counts().connections_taken.add(1);
            return true;
        };
        let peer = peer.to_string();
        self.counts().connections_refused.add(1);
        self.complain(&peer, code, words, peer.as_bytes());
        false
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream, peer: IpAddr, mut stop: Stop) {
        let (line, mut orders) = mpsc::channel(ORDERS);
        let mut connection = Connection::new(peer, line);
        if let Err(error) = stream.set_nodelay(true) {
            tracing::warn!(%peer, %error, "answers may be slow");
        }
        self.converse(&mut stream, &mut connection, &mut orders, &mut stop)
            .await;
        for index in &connection.stations {
            let mut state = self.states[*index].lock().await;
            state.connections -= 1;
            let is_own = |line: &mut mpsc::Sender<_>| line.same_channel(&connection.line);
            state.line.take_if(is_own);
        }
        // Nobody passes on anything any more.
        orders.close();
        while let Some((_, order)) = orders.recv().await {
            let why = Refused::NotConnected;
            self.end(&order, Outcome::Refused { why }).await;
        }
        for exchange in &connection.exchanges {
            self.end(&exchange.order, Outcome::Lost).await;
        }
    }

    async fn converse(
        &self,
        stream: &mut TcpStream,
        connection: &mut Connection,
        orders: &mut mpsc::Receiver<(usize, Order)>,
        stop: &mut Stop,
    ) {
        let mut framer = Framer::default();
        let mut bytes = vec![0u8; 8 << 10];
        let mut quiet_at = None;
        loop {
            let idle_at = connection.good + self.idle(connection);
            let wake_at = quiet_at.map_or(idle_at, |at: Instant| at.min(idle_at));
            let due_at = connection.exchanges.iter().map(Exchange::due).min();
            let read = tokio::select! {
                () = stop.asked() => return,
                () = sleep_until(wake_at) => None,
                () = sleep_until(due_at.unwrap_or(wake_at)), if due_at.is_some() => {
                    match self.go_on(stream, connection).await {
                        true => continue,
                        false => return,
                    }
                }
                Some((index, order)) = orders.recv() => {
                    self.begin(index, order, connection).await;
                    continue;
                }
                read = stream.read(&mut bytes) => Some(read),
            };
            let mut heard = Vec::new();
            let mut is_over = false;
            let received = (Timestamp::now(), self.sink.trusted_now().is_some());
            let mut bound = self.bound(connection);
            let mut each = |event: Event<'_>| {
                let one = self.hear(event, connection.peer, &mut bound, received);
                heard.extend(one);
            };
            match read {
                Some(Ok(count)) if count > 0 => {
                    framer.push(&bytes[..count], &mut each);
                    quiet_at = Some(Instant::now() + QUIET);
                }
                Some(_) => {
                    framer.finish(&mut each);
                    is_over = true;
                }
                None => {
                    framer.finish(&mut each);
                    quiet_at = None;
                }
            }
            for one in heard {
                if !self.handle(one, stream, connection).await {
                    return;
                }
            }
            let is_idle = connection.good.elapsed() >= self.idle(connection);
            if is_idle {
                let who = self.who(connection);
                self.counts().connections_refused.add(1);
                self.complain(&who, "idle", "no good frame came", b"");
            }
            if is_over || is_idle {
                return;
            }
        }
    }

    fn bound(&self, connection: &Connection) -> Option<usize> {
        let first = connection.stations.first().copied();
        first.filter(|_| !self.door.is_shared)
    }

    fn idle(&self, connection: &Connection) -> Duration {
        let promised = |index: &usize| self.door.stations[*index].every;
        let longest = connection.stations.iter().filter_map(promised).max();
        match connection.stations.is_empty() {
            true => UNKNOWN_IDLE.min(self.door.idle),
            false => self.door.idle.max(longest.unwrap_or_default() * 3),
        }
    }

    fn who(&self, connection: &Connection) -> String {
        match connection.stations.first() {
            Some(index) => self.door.stations[*index].device.to_string(),
            None => connection.peer.to_string(),
        }
    }

    fn hear(
        &self,
        event: Event<'_>,
        peer: IpAddr,
        bound: &mut Option<usize>,
        received: (Timestamp, bool),
    ) -> Option<Heard> {
        match event {
            Event::Frame(frame) => {
                let taken = match judge(&frame, &self.door, peer, *bound, received) {
                    Verdict::Refused(refusal) => {
                        return Some(Heard::Refused(refusal, frame.raw.to_vec()));
                    }
                    Verdict::Answered(answered) => return Some(Heard::Answered(answered)),
                    Verdict::Taken(taken) => taken,
                };
                if !self.door.is_shared {
                    *bound = Some(taken.station);
                }
                Some(Heard::Taken(taken))
            }
            Event::Broken { raw, .. } => {
                let words = format!("{} bytes of a frame without an end", raw.len());
                Some(Heard::Piece("truncated", words, raw.to_vec()))
            }
            Event::Garbage(found) => {
                let words = format!("{} bytes belong to no frame", found.length);
                Some(Heard::Piece("garbage", words, found.sample))
            }
            Event::Ending { .. } => None,
        }
    }

    /// False if the connection is to end.
    async fn handle(
        &self,
        heard: Heard,
        stream: &mut TcpStream,
        connection: &mut Connection,
    ) -> bool {
        let counts = self.counts();
        match heard {
            Heard::Piece(code, words, sample) => {
                counts.refused.add(1);
                self.complain(&self.who(connection), code, &words, &sample);
                true
            }
            Heard::Refused(refusal, raw) => {
                counts.frames.add(1);
                self.refuse(refusal, &raw, connection)
            }
            Heard::Answered(answered) => {
                counts.frames.add(1);
                self.answered(answered, connection).await
            }
            Heard::Taken(taken) => {
                counts.frames.add(1);
                self.pace(connection).await;
                self.welcome(taken.station, connection).await;
                let (station, cn) = (taken.station, taken.cn.clone());
                let (said, manner) = (taken.said.clone(), taken.manner.clone());
                let stored = self.take(*taken).await;
                if let Some(is_new) = stored.is_new {
                    let mut state = self.states[station].lock().await;
                    if manner.is_some() {
                        state.manner = manner;
                    }
                    state.line = Some(connection.line.clone());
                    drop(state);
                    let asked = connection.exchanges.iter_mut();
                    for exchange in asked.filter(|exchange| exchange.station == station) {
                        exchange.heard(&cn, &said, is_new, Instant::now());
                    }
                }
                let Some(reply) = stored.reply else {
                    return true;
                };
                let written = timeout(WRITE, stream.write_all(reply.as_bytes())).await;
                matches!(written, Ok(Ok(())))
            }
        }
    }

    fn refuse(&self, refusal: Refusal, raw: &[u8], connection: &mut Connection) -> bool {
        self.counts().refused.add(1);
        let station = refusal.station.map(|index| &self.door.stations[index]);
        let who = station.map_or(self.who(connection), |s| s.device.to_string());
        self.complain(&who, refusal.code, &refusal.words, raw);
        connection.foreign += u32::from(refusal.is_foreign);
        if connection.foreign < FOREIGN_MAX {
            return true;
        }
        self.counts().connections_refused.add(1);
        self.complain(&who, "foreign_frames", "the connection is closed", raw);
        false
    }

    /// Who sends too fast is read more slowly; TCP makes the sender wait.
    async fn pace(&self, connection: &mut Connection) {
        if connection.second.elapsed() >= Duration::from_secs(1) {
            (connection.second, connection.frames) = (Instant::now(), 0);
        }
        connection.frames += 1;
        if connection.frames > self.door.frames_per_s {
            self.counts().throttled.add(1);
            sleep_until(connection.second + Duration::from_secs(1)).await;
        }
    }

    async fn welcome(&self, index: usize, connection: &mut Connection) {
        connection.good = Instant::now();
        connection.foreign = 0;
        if connection.stations.contains(&index) {
            return;
        }
        connection.stations.push(index);
        let mut state = self.states[index].lock().await;
        state.connections += 1;
        if state.connections > 1 {
            let who = self.door.stations[index].device.to_string();
            let words = format!("{} connections of one station", state.connections);
            let sample = connection.peer.to_string();
            self.complain(&who, "second_connection", &words, sample.as_bytes());
        }
    }
}

impl Connection {
    fn new(peer: IpAddr, line: mpsc::Sender<(usize, Order)>) -> Connection {
        Connection {
            peer,
            stations: Vec::new(),
            foreign: 0,
            good: Instant::now(),
            second: Instant::now(),
            frames: 0,
            line,
            exchanges: Vec::new(),
        }
    }
}
