//! One bus and its devices: as many askers as it has connections, and one keeper that stores what they bring.
//!
//! Promise: each due poll becomes one record, of values, of absences with their reason, or of a gap if the device or the
//! bus took longer than the interval. One reading a point and millisecond.

use super::{
    Device,
    link::{Endpoint, Link},
    poll::{Answer, Instrument, Polled},
    schedule::{Ask, Missed, Outcome, Schedule, Turn},
    sparing::Kept,
};
use crate::{
    calibrate,
    metrics::Metrics,
    record::Record,
    source::{Described, Sink},
    stop::Stop,
};
use contract::{Absence, Doubt, Gap, GapReason, Quality, Reading, Timestamp};
use futures_util::future::{join, join_all};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{self, Notify, mpsc},
    time::{Instant, sleep, sleep_until},
};

/// Milliseconds of the year 9999; whatever is beyond is not a time.
const MILLIS_MAX: f64 = 253_402_300_800_000.0;
/// Times that are so near are told apart; what is further apart is a clock that was set.
const NEAR_MS: i64 = 10_000;
/// Records that wait for the disk; then the askers wait.
const RECORDS_MAX: usize = 256;
/// Records that go to the disk together.
const TOGETHER: usize = 64;
/// A bus that could not be reached is not tried again before this, and then ever later up to [`RECONNECT_MAX`].
const RECONNECT: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(1);

/// A bus.
#[derive(Debug, Clone, PartialEq)]
pub struct Bus {
    /// Its name in the log.
    pub name: String,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Connections at the same time.
    pub connections: usize,
    /// A silent device is asked at least this often.
    pub back_off_max: Duration,
    /// What is on it.
    pub devices: Vec<Device>,
}

impl Bus {
    /// What its devices will tell.
    pub fn described(&self) -> Vec<Described> {
        self.devices.iter().map(Device::described).collect()
    }
}

struct Shared {
    schedule: Mutex<Schedule>,
    instruments: Vec<sync::Mutex<Told>>,
    line: Mutex<LineState>,
    changed: Notify,
    metrics: Arc<Metrics>,
}

/// A device and what was told of it.
struct Told {
    instrument: Instrument,
    kept: Kept,
    /// The instrument's own time, as it showed it last.
    shown: Option<Timestamp>,
    /// The last time of the agent's own clock that was said of it.
    said_at: Option<Timestamp>,
    state: Option<Option<Absence>>,
}

/// Whether the bus can be reached; shared by its connections.
#[derive(Default)]
struct LineState {
    failures: u32,
    closed_until: Option<Instant>,
}

/// A record, and whether its time is the device's own.
type Bring = (Record, bool);

/// Asks the devices of one bus until told to stop.
pub async fn run(bus: Bus, sink: Sink, stop: Stop) {
    // Alone on its bus, a silent device keeps nobody waiting.
    let back_off_max = match bus.devices.len() {
        1 => Duration::ZERO,
        _ => bus.back_off_max,
    };
    let connections = bus.connections.min(bus.devices.len());
    let every = bus.devices.iter().map(|device| device.every);
    let schedule = Schedule::new(every, connections, back_off_max, Instant::now());
    let told = |device: Device| {
        sync::Mutex::new(Told {
            kept: Kept::new(&device.points, device.every),
            shown: device.clock.as_ref().and_then(|_| sink.shown(&device.id)),
            said_at: None,
            state: None,
            instrument: Instrument::new(device),
        })
    };
    let shared = Shared {
        schedule: Mutex::new(schedule),
        instruments: bus.devices.into_iter().map(told).collect(),
        line: Mutex::default(),
        changed: Notify::new(),
        metrics: sink.metrics.clone(),
    };
    let (outlet, inlet) = mpsc::channel(RECORDS_MAX);
    let askers = (0..connections).map(|_| {
        let link = Link::new(bus.endpoint.clone());
        ask(&shared, link, outlet.clone(), stop.clone())
    });
    let askers: Vec<_> = askers.collect();
    drop(outlet);
    join(join_all(askers), keep(inlet, &sink)).await;
}

async fn keep(mut inlet: mpsc::Receiver<Bring>, sink: &Sink) {
    let mut together = Vec::with_capacity(TOGETHER);
    while inlet.recv_many(&mut together, TOGETHER).await > 0 {
        join_all(
            together
                .iter()
                .map(|(record, is_own)| sink.store(record, *is_own)),
        )
        .await;
        together.clear();
    }
}

/// One connection: takes the turns that come until told to stop.
async fn ask(shared: &Shared, mut link: Link, outlet: mpsc::Sender<Bring>, mut stop: Stop) {
    loop {
        let step = async {
            let changed = shared.changed.notified();
            let turn = shared.schedule().next(Instant::now());
            match turn {
                Turn::Ask(turn) => shared.ask(turn, &mut link, &outlet).await,
                Turn::Absent(device, due, reason) => {
                    shared.absent(device, due, reason, &outlet).await;
                }
                Turn::Wait(None) => changed.await,
                Turn::Wait(Some(until)) => {
                    tokio::select! {
                        () = changed => {}
                        () = sleep_until(until) => {}
                    }
                }
            }
        };
        tokio::select! {
            () = stop.asked() => return,
            () = step => {}
        }
    }
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, turn: Ask, link: &mut Link, outlet: &mpsc::Sender<Bring>) {
        let mut told = self.instruments[turn.device].lock().await;
        if let Some(missed) = turn.missed {
            self.missed(turn.device, missed, &mut told, outlet).await;
        }
        if let Some(ahead) = told.ahead_of(Timestamp::now()) {
            // The poll before was late: one reading a point and time.
            sleep(ahead).await;
        }
        let at = Timestamp::now();
        told.said_at = Some(at);
        let polled = match self.is_closed() {
            true => Polled {
                answers: vec![Err(Absence::NoConnection); told.instrument.answers()],
                outcome: Outcome::NoLine,
                doubt: None,
            },
            false if turn.is_first => told.instrument.first_look(link).await,
            false => told.instrument.poll(link).await,
        };
        self.metrics.polls.add(1);
        if polled.outcome == Outcome::Silent(Absence::Unreadable) {
            self.metrics.answers_unreadable.add(1);
        }
        self.note_line(polled.outcome);
        self.schedule().done(turn.device, polled.outcome);
        self.changed.notify_one();
        let record = told.record(polled.answers, polled.doubt, at, &self.metrics);
        send(record, outlet).await;
    }

    async fn absent(
        &self,
        device: usize,
        due: Instant,
        why: Absence,
        outlet: &mpsc::Sender<Bring>,
    ) {
        let mut told = self.instruments[device].lock().await;
        let record = told.absence(wall_time(due), why, &self.metrics);
        drop(told);
        send(record, outlet).await;
    }

    /// Polls that were left out, since the one before or the bus took too long: absences if the device is silent, else
    /// one gap. A device with a clock of its own has no reading before it shows another time.
    async fn missed(
        &self,
        device: usize,
        missed: Missed,
        told: &mut Told,
        outlet: &mpsc::Sender<Bring>,
    ) {
        let (every, reason) = {
            let schedule = self.schedule();
            (schedule.every(device), schedule.reason(device))
        };
        if let Some(reason) = reason {
            for n in 0..missed.polls {
                let at = wall_time(missed.from + every * n);
                send(told.absence(at, reason, &self.metrics), outlet).await;
            }
            return;
        }
        self.metrics.polls_skipped.add(u64::from(missed.polls));
        let device = &told.instrument.device;
        if device.clock.is_some() {
            return;
        }
        let from = wall_time(missed.from);
        let to = wall_time(missed.from + every * (missed.polls - 1));
        let gap = Gap {
            from,
            to,
            readings: u64::from(missed.polls) * device.points.len() as u64,
            reason: GapReason::Skipped,
            records: None,
        };
        send(
            Some((Record::gap(device.id.clone(), from, gap), false)),
            outlet,
        )
        .await;
    }

    fn line(&self) -> MutexGuard<'_, LineState> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.line()
            .closed_until
            .is_some_and(|until| Instant::now() < until)
    }

    fn note_line(&self, outcome: Outcome) {
        let mut line = self.line();
        if outcome != Outcome::NoLine {
            *line = LineState::default();
        } else if line
            .closed_until
            .is_none_or(|until| until <= Instant::now())
        {
            let wait = RECONNECT * 2u32.pow(line.failures.min(8));
            line.failures += 1;
            line.closed_until = Some(Instant::now() + wait.min(RECONNECT_MAX));
        }
    }
}

async fn send(record: Option<Bring>, outlet: &mpsc::Sender<Bring>) {
    if let Some(record) = record {
        // The keeper ends after the last asker.
        let _ = outlet.send(record).await;
    }
}

/// What the clock showed, or will show, at `due`.
fn wall_time(due: Instant) -> Timestamp {
    let now = Instant::now();
    let ago = now.saturating_duration_since(due).as_millis() as i64;
    Timestamp::now().plus_millis(-ago)
}

impl Told {
    /// The record of a poll; none if there is nothing new in it.
    fn record(
        &mut self,
        answers: Vec<Answer>,
        doubt: Option<Doubt>,
        at: Timestamp,
        metrics: &Metrics,
    ) -> Option<Bring> {
        let (answers, own) = own_time(&self.instrument.device, answers);
        if own.is_some() && own == self.shown {
            return None;
        }
        self.shown = own.or(self.shown);
        let at = own.unwrap_or(at);
        let now = answers.iter().find_map(|answer| answer.err());
        self.report(now);
        let points = self.instrument.device.points.iter().zip(answers);
        let reading = |(point, answer)| doubted(calibrate::reading(point, answer, at), doubt);
        let readings = points.map(reading).collect();
        self.keep(at, readings, own.is_some(), metrics)
    }

    /// How long until the clock shows a time of which nothing was said; `None` if it does. A clock that was set back
    /// is not waited for.
    fn ahead_of(&self, now: Timestamp) -> Option<Duration> {
        let ahead = self.said_at?.since(now);
        (0..NEAR_MS)
            .contains(&ahead)
            .then(|| Duration::from_millis(ahead.unsigned_abs() + 1))
    }

    /// The record of a poll that was not asked; a millisecond or so later if something was said of its time.
    fn absence(&mut self, at: Timestamp, reason: Absence, metrics: &Metrics) -> Option<Bring> {
        let ahead = self.ahead_of(at).unwrap_or_default();
        let at = at.plus_millis(ahead.as_millis() as i64);
        self.said_at = Some(at);
        let points = self.instrument.device.points.iter();
        let readings = points.map(|point| calibrate::reading(point, Err(reason), at));
        let readings = readings.collect();
        self.keep(at, readings, false, metrics)
    }

    fn keep(
        &mut self,
        at: Timestamp,
        readings: Vec<Reading>,
        is_own: bool,
        metrics: &Metrics,
    ) -> Option<Bring> {
        let absent = readings.iter().filter(|reading| reading.value.is_none());
        metrics.absences.add(absent.count() as u64);
        let readings = self.kept.choose(readings);
        let id = self.instrument.device.id.clone();
        (!readings.is_empty()).then(|| (Record::of(id, at, readings), is_own))
    }

    /// A fault is logged when it begins, changes and ends, not at every poll.
    fn report(&mut self, now: Option<Absence>) {
        if self.state.replace(now) == Some(now) {
            return;
        }
        let device = &self.instrument.device.id;
        match now {
            Some(reason) => tracing::warn!(%device, ?reason, "no reading from device"),
            None => tracing::info!(%device, "device answers"),
        }
    }
}

fn doubted(mut reading: Reading, doubt: Option<Doubt>) -> Reading {
    if let Some(doubt) = doubt.filter(|_| reading.value.is_some()) {
        reading.quality = Quality::Suspect(doubt);
    }
    reading
}

/// Takes the answer for the instrument's clock, which is asked last, off the others. An instrument that shows the
/// time of the reading before has no new reading; one whose clock cannot be read has given no reading at all.
fn own_time(device: &Device, mut answers: Vec<Answer>) -> (Vec<Answer>, Option<Timestamp>) {
    if device.clock.is_none() {
        return (answers, None);
    }
    match answers.pop() {
        Some(Ok(ms)) if ms > 0.0 && ms < MILLIS_MAX => {
            (answers, Some(Timestamp::from_millis(ms as i64)))
        }
        Some(Err(absence)) => (vec![Err(absence); device.points.len()], None),
        _ => (vec![Err(Absence::Unreadable); device.points.len()], None),
    }
}
