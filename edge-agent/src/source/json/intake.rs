//! What one device says by itself becomes a record on disk, once.

use super::{
    due::Due,
    mapping::{Mapping, Refused},
    seen::{Seen, digest},
};
use crate::{
    record::Record,
    source::{Described, PointInfo, Sink},
};
use contract::{Absence, DeviceId, Quality, Reading, Timestamp};
use journal::AppendError;
use std::time::Duration;
use tokio::time::Instant;

/// Begins the notes with the last messages of a device: `seen/DEVICE/PLACE`.
const SEEN: &str = "seen/";
/// A clock that went back by more than this was set; before that, a reading in the same millisecond as the one before
/// is put a millisecond later.
const SAME_MS: i64 = 1_000;

/// A device that speaks by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Speaker {
    /// Its name.
    pub id: DeviceId,
    /// What its messages mean.
    pub mapping: Mapping,
    /// The longest time between two messages.
    pub every: Duration,
}

impl Speaker {
    /// What it will tell.
    pub fn described(&self) -> Described {
        described(&self.id, &self.mapping, Some(self.every))
    }
}

/// A device with the points of a mapping.
pub fn described(id: &DeviceId, mapping: &Mapping, every: Option<Duration>) -> Described {
    let info = |point: &super::mapping::Point| PointInfo {
        name: point.name.clone(),
        unit: point.unit.clone(),
        factor: point.factor.clone(),
        every,
    };
    Described {
        id: id.clone(),
        points: mapping.points.iter().map(info).collect(),
    }
}

/// How a message came.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// When, by the wall clock.
    pub at: Timestamp,
    /// When, by the machine's steady clock.
    pub now: Instant,
    /// The number under which it was sent, where the transport numbers messages until they are acknowledged.
    pub number: Option<u16>,
    /// The transport says that it sends it again.
    pub is_repeat: bool,
}

/// What became of a message.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// It gives no reading; it is counted.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The disk does not take it: the sender must keep it.
    #[error("the record cannot be stored")]
    Store(#[from] AppendError),
}

/// The state of one such device.
#[derive(Debug)]
pub struct Intake {
    speaker: Speaker,
    due: Due,
    seen: Seen,
    last_at: Option<Timestamp>,
    /// When the messages began that a broker may have kept for an unknown time; see [`Intake::reconnected`].
    kept_since: Option<Instant>,
}

impl Intake {
    /// With what was seen of it before.
    pub fn new(speaker: Speaker, sink: &Sink, now: Instant) -> Intake {
        let notes = sink.notes(&format!("{SEEN}{}/", speaker.id));
        Intake {
            due: Due::new(speaker.mapping.points.len(), speaker.every, now),
            seen: Seen::from_notes(notes),
            last_at: None,
            kept_since: None,
            speaker,
        }
    }

    /// Its name.
    pub fn id(&self) -> &DeviceId {
        &self.speaker.id
    }

    /// When a point of it is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.next()
    }

    /// The broker knows nothing of us: it sends nothing again, and numbers what it sends anew.
    pub fn forgotten(&mut self) {
        if self.speaker.mapping.clock.is_none() {
            self.seen.forget();
        }
    }

    /// The broker kept messages for us meanwhile. Those of a device without a clock have no time that could be trusted,
    /// until one comes at the device's own pace and not right behind the one before.
    pub fn reconnected(&mut self, now: Instant) {
        self.kept_since = Some(now);
    }

    fn is_kept(&mut self, now: Instant) -> bool {
        let Some(since) = self.kept_since.replace(now) else {
            self.kept_since = None;
            return false;
        };
        let is_kept = now.saturating_duration_since(since) < self.speaker.every / 2;
        if !is_kept {
            self.kept_since = None;
        }
        is_kept
    }

    /// Takes a message; returns when it is on disk, or known to be there.
    pub async fn message(
        &mut self,
        body: &[u8],
        arrival: Arrival,
        sink: &Sink,
    ) -> Result<(), IntakeError> {
        sink.metrics.messages.add(1);
        let taken = self.speaker.mapping.take(body).inspect_err(|refused| {
            sink.refused(
                self.speaker.id.as_str(),
                refused.reason(),
                &refused.to_string(),
                body,
            );
        })?;
        let has_clock = taken.at.is_some();
        let is_kept = !has_clock && self.is_kept(arrival.now);
        let digest = match (has_clock, arrival.number) {
            (true, _) => Some(digest(body, None)),
            (false, Some(number)) => Some(digest(body, Some(number))),
            (false, None) => None,
        };
        let is_known = digest.is_some_and(|digest| self.seen.has(digest));
        if is_known && (has_clock || arrival.is_repeat) {
            sink.metrics.messages_repeated.add(1);
            self.came(taken.values.iter().map(|(point, ..)| *point), arrival.now);
            return Ok(());
        }
        let at = taken.at.unwrap_or_else(|| self.reception(arrival.at));
        let note = digest.map(|digest| {
            let (place, bytes) = self.seen.note(digest);
            (format!("{SEEN}{}/{place}", self.speaker.id), bytes)
        });
        let readings = taken.values.iter().map(|(point, value, quality)| {
            let name = self.speaker.mapping.points[*point].name.clone();
            let quality = match quality {
                Quality::Good if is_kept => Quality::Suspect(contract::Doubt::UntrustedClock),
                quality => *quality,
            };
            Reading::new(name, at, *value, quality)
        });
        let record = Record {
            raw: body.to_vec(),
            ..Record::of(self.speaker.id.clone(), at, readings.collect())
        };
        sink.keep(&record, note).await?;
        for complaint in &taken.complaints {
            sink.refused(self.speaker.id.as_str(), "not a number", complaint, body);
        }
        if let Some(digest) = digest {
            self.seen.add(digest);
        }
        if !has_clock {
            self.last_at = Some(at);
        }
        self.came(taken.values.iter().map(|(point, ..)| *point), arrival.now);
        Ok(())
    }

    fn came(&mut self, points: impl Iterator<Item = usize>, now: Instant) {
        points.for_each(|point| self.due.came(point, now));
    }

    /// One reading a point and millisecond.
    fn reception(&self, at: Timestamp) -> Timestamp {
        match self.last_at {
            Some(last) if last >= at && last.since(at) < SAME_MS => last.plus_millis(1),
            _ => at,
        }
    }

    /// Stores an absence for whatever is due and has not come.
    pub async fn silence(&mut self, reason: Absence, now: Instant, wall: Timestamp, sink: &Sink) {
        for (due, points) in self.due.missed(now) {
            let ago = now.saturating_duration_since(due).as_millis();
            let at = wall.plus_millis(-i64::try_from(ago).unwrap_or(i64::MAX));
            let absent = |point: usize| {
                let name = self.speaker.mapping.points[point].name.clone();
                Reading::new(name, at, None, Quality::Missing(reason))
            };
            sink.metrics.absences.add(points.len() as u64);
            let readings = points.into_iter().map(absent).collect();
            let record = Record::of(self.speaker.id.clone(), at, readings);
            sink.store(&record, false).await;
        }
    }
}
