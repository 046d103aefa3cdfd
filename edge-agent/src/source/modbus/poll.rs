//! When an instrument is asked, and what a silent one becomes: absences with a reason, one per point and poll,
//! never a repeated value.
//!
//! The schedule does not drift: poll n is due at start + n × every. A poll that takes too long makes the next
//! ones late or skipped, and skipped ones are counted.

use super::{
    Device,
    bus::{Answer, Bus},
    plan::plan,
};
use crate::{calibrate, record::Record, source::Sink, stop::Stop};
use contract::{Absence, Timestamp};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Milliseconds of the year 9999; whatever is beyond is not a time.
const MILLIS_MAX: f64 = 253_402_300_800_000.0;

/// Asks one device until told to stop.
pub async fn run(device: Device, sink: Sink, mut stop: Stop) {
    let metrics = sink.metrics.clone();
    let mut asked = device.clone();
    asked.points.extend(device.clock.clone());
    let reads = plan(&asked.points);
    let mut shown = device.clock.as_ref().and_then(|_| sink.shown(&device.id));
    let mut bus = Bus::default();
    let mut ticks = interval(device.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut state: Option<Option<Absence>> = None;
    let mut due = Instant::now();
    let mut asked_at = None;
    loop {
        let tick = tokio::select! {
            () = stop.asked() => return,
            tick = ticks.tick() => tick,
        };
        let skipped =
            tick.saturating_duration_since(due).as_nanos() / device.every.as_nanos().max(1);
        metrics
            .polls_skipped
            .add(u64::try_from(skipped).unwrap_or(u64::MAX));
        due = tick + device.every;
        let at = Timestamp::now();
        if asked_at.replace(at) == Some(at) {
            // A poll that was late and the next one fell into the same millisecond: one reading a point and time.
            metrics.polls_skipped.add(1);
            continue;
        }
        let answers = tokio::select! {
            () = stop.asked() => return,
            answers = bus.poll(&asked, &reads) => answers,
        };
        metrics.polls.add(1);
        let (answers, own) = match own_time(&device, answers) {
            (_, Some(time)) if shown == Some(time) => continue,
            own => own,
        };
        shown = own.or(shown);
        let at = own.unwrap_or(at);
        let now = answers.iter().find_map(|answer| answer.err());
        metrics
            .absences
            .add(answers.iter().filter(|answer| answer.is_err()).count() as u64);
        report(&device, state.replace(now), now);
        let readings = device.points.iter().zip(answers);
        let readings = readings
            .map(|(point, answer)| calibrate::reading(point, answer, at))
            .collect();
        let record = Record::of(device.id.clone(), at, readings);
        sink.store(&record, own.is_some()).await;
    }
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

/// A fault is logged when it begins, changes and ends, not at every poll.
fn report(device: &Device, before: Option<Option<Absence>>, now: Option<Absence>) {
    if before == Some(now) {
        return;
    }
    match now {
        Some(reason) => tracing::warn!(device = %device.id, ?reason, "no reading from device"),
        None => tracing::info!(device = %device.id, "device answers"),
    }
}
