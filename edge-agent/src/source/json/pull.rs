//! A device that is asked over HTTP and answers with JSON. What is missing in the answer, or the answer itself, is an
//! absence with its reason; the schedule is start + n × every, as for other devices that are asked.

use super::{
    config::JsonHttp,
    mapping::{BYTES_MAX, Taken},
};
use crate::{
    http::client::{self, GetError},
    record::Record,
    source::Sink,
    stop::Stop,
};
use contract::{Absence, Quality, Reading, Timestamp};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Asks one device until told to stop.
pub async fn run(device: JsonHttp, sink: Sink, mut stop: Stop) {
    let mut ticks = interval(device.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let has_clock = device.mapping.clock.is_some();
    let mut shown = sink.shown(&device.id).filter(|_| has_clock);
    let mut state: Option<Option<Absence>> = None;
    let mut due = Instant::now();
    loop {
        let tick = tokio::select! {
            () = stop.asked() => return,
            tick = ticks.tick() => tick,
        };
        let late = tick.saturating_duration_since(due).as_nanos();
        let skipped = late / device.every.as_nanos().max(1);
        sink.metrics
            .polls_skipped
            .add(u64::try_from(skipped).unwrap_or(u64::MAX));
        due = tick + device.every;
        let asked_at = Timestamp::now();
        let answer = tokio::select! {
            () = stop.asked() => return,
            answer = ask(&device, &sink) => answer,
        };
        sink.metrics.polls.add(1);
        let own = answer.as_ref().ok().and_then(|taken| taken.at);
        if own.is_some() && own == shown {
            // The device has measured nothing since the question before.
            continue;
        }
        shown = own.or(shown);
        let now = answer.as_ref().err().copied();
        if state.replace(now) != Some(now) {
            match now {
                Some(reason) => {
                    tracing::warn!(device = %device.id, ?reason, "no reading from device")
                }
                None => tracing::info!(device = %device.id, "device answers"),
            }
        }
        let record = record(&device, own.unwrap_or(asked_at), answer);
        let absent = record.readings.iter().filter(|r| r.value.is_none());
        sink.metrics.absences.add(absent.count() as u64);
        sink.store(&record, own.is_some()).await;
    }
}

/// One reading of each point: a point that is not in the answer was not measured.
fn record(device: &JsonHttp, at: Timestamp, answer: Result<Taken, Absence>) -> Record {
    let points = device.mapping.points.iter().enumerate();
    let reading = |(index, point): (usize, &super::mapping::Point)| {
        let (value, quality) = match &answer {
            Err(absence) => (None, Quality::Missing(*absence)),
            Ok(taken) => {
                let mut values = taken.values.iter();
                match values.find(|(found, ..)| *found == index) {
                    Some((_, value, quality)) => (*value, *quality),
                    None => (None, Quality::Missing(Absence::Unspecified)),
                }
            }
        };
        Reading::new(point.name.clone(), at, value, quality)
    };
    Record::of(device.id.clone(), at, points.map(reading).collect())
}

async fn ask(device: &JsonHttp, sink: &Sink) -> Result<Taken, Absence> {
    let asking = client::get(
        &device.url,
        device.tls.as_ref(),
        device.authorization.as_deref(),
        BYTES_MAX,
    );
    let (status, body) = match timeout(device.timeout, asking).await {
        Err(_) => return Err(Absence::NoAnswer),
        Ok(Err(GetError::Connect(error))) => {
            sink.board
                .source(&device.url.to_string(), Err(error.to_string()));
            return Err(Absence::NoConnection);
        }
        Ok(Err(error)) => {
            let words = crate::chain(&error);
            sink.refused(device.id.as_str(), "no answer in HTTP", &words, &[]);
            return Err(Absence::Unreadable);
        }
        Ok(Ok(answer)) => answer,
    };
    sink.board.source(&device.url.to_string(), Ok(()));
    if !status.is_success() {
        let words = format!("it answers with status {status}");
        sink.refused(device.id.as_str(), "HTTP status", &words, &body);
        return Err(Absence::Refused);
    }
    match device.mapping.take(&body) {
        Ok(taken) => {
            for complaint in &taken.complaints {
                sink.refused(device.id.as_str(), "not a number", complaint, &body);
            }
            Ok(taken)
        }
        Err(refused) => {
            let words = refused.to_string();
            sink.refused(device.id.as_str(), refused.reason(), &words, &body);
            Err(Absence::Unreadable)
        }
    }
}
