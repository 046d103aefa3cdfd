//! Which devices answer, as their records say.

use crate::{record::Record, source::Described};
use contract::{
    Absence, DeviceId, Quality,
    status::{SourceState, SourceStatus},
};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Devices told of at most; the records of others are stored and sent all the same.
const DEVICES_MAX: usize = 2_000;

/// How each device does.
#[derive(Debug, Default)]
pub struct Answers {
    devices: Mutex<Vec<SourceStatus>>,
    changes: AtomicU64,
}

impl Answers {
    /// These devices are configured.
    pub fn expect(&self, devices: &[Described]) {
        for device in devices {
            let every = device.points.iter().filter_map(|point| point.every).max();
            self.with(&device.id, |status| status.every_ms = every.map(millis));
        }
    }

    /// These devices are configured no longer.
    pub fn forget(&self, devices: &[DeviceId]) {
        self.devices()
            .retain(|known| !devices.contains(&known.device));
    }

    /// A record of a device.
    pub fn stored(&self, record: &Record) {
        let Some(first) = record.readings.first() else {
            return;
        };
        let newest = record
            .readings
            .iter()
            .filter(|reading| reading.value.is_some());
        let newest = newest.map(|reading| reading.at).max();
        let reason = match first.quality {
            Quality::Missing(absence) => absence,
            _ => Absence::Unspecified,
        };
        self.with(&record.device, |status| {
            let (is_change, since) = match (status.state, newest) {
                (SourceState::Answers, Some(_)) => (false, None),
                (_, Some(_)) => (true, None),
                (
                    SourceState::Silent {
                        since,
                        reason: before,
                    },
                    None,
                ) => (before != reason, Some(since)),
                (_, None) => (true, Some(record.at)),
            };
            status.last = status.last.max(newest);
            status.state = since.map_or(SourceState::Answers, |since| SourceState::Silent {
                since,
                reason,
            });
            self.changes.fetch_add(u64::from(is_change), Relaxed);
        });
    }

    /// Another number after each change of a device's state.
    pub fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    /// All of them.
    pub fn list(&self) -> Vec<SourceStatus> {
        self.devices().clone()
    }

    fn with(&self, device: &DeviceId, act: impl FnOnce(&mut SourceStatus)) {
        let mut devices = self.devices();
        if let Some(known) = devices.iter_mut().find(|known| known.device == *device) {
            return act(known);
        }
        if devices.len() >= DEVICES_MAX {
            return;
        }
        let mut status = SourceStatus {
            device: device.clone(),
            state: SourceState::Unknown,
            last: None,
            every_ms: None,
        };
        act(&mut status);
        devices.push(status);
    }

    fn devices(&self) -> MutexGuard<'_, Vec<SourceStatus>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{PointName, Reading, Timestamp};

    #[test]
    fn a_device_answers_or_is_silent_since_its_first_absence() {
        let answers = Answers::default();
        let device = DeviceId::new("d").unwrap();
        let poll = |at: i64, value: Option<f64>, quality| {
            let at = Timestamp::from_millis(at);
            let name = PointName::new("t").unwrap();
            let reading = Reading::new(name, at, value, quality);
            answers.stored(&Record::of(device.clone(), at, vec![reading]));
            let status = answers.list().remove(0);
            (
                answers.changes(),
                status.state,
                status.last.map(Timestamp::as_millis),
            )
        };
        let silent = |since, reason| SourceState::Silent {
            since: Timestamp::from_millis(since),
            reason,
        };
        use Absence::{NoAnswer, NoConnection};
        let missing = Quality::Missing;
        assert_eq!(
            poll(1, Some(2.0), Quality::Good),
            (1, SourceState::Answers, Some(1))
        );
        assert_eq!(
            poll(2, Some(2.0), Quality::Good),
            (1, SourceState::Answers, Some(2))
        );
        assert_eq!(
            poll(3, None, missing(NoAnswer)),
            (2, silent(3, NoAnswer), Some(2))
        );
        assert_eq!(
            poll(4, None, missing(NoAnswer)),
            (2, silent(3, NoAnswer), Some(2))
        );
        assert_eq!(
            poll(5, None, missing(NoConnection)),
            (3, silent(3, NoConnection), Some(2))
        );
        assert_eq!(
            poll(6, Some(1.0), Quality::Good),
            (4, SourceState::Answers, Some(6))
        );
    }
}
