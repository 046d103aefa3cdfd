//! How the agent does, for whoever stands before it: a board to which sources and publisher report, and the page and
//! the command that show it. Read in this order: this file, `view`, `words`, `page`, `terminal`.

pub mod page; // over HTTP
pub mod terminal; // `edge-agent status`
pub mod view; // what is shown
pub mod words; // what needs a person, in both languages; pure

use crate::{record::Record, source::Described};
use contract::{Absence, DeviceId, PointName, Quality, Timestamp, configuration::Report};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Devices and points shown at most; what is beyond is stored and sent all the same.
const DEVICES_MAX: usize = 2_000;
const POINTS_MAX: usize = 20_000;
/// Reasons of refusal kept for one device at most, and the length of a sample.
const REASONS_MAX: usize = 32;
const SAMPLE_MAX: usize = 200;

/// The board. Clones share it.
#[derive(Debug, Clone)]
pub struct Board(Arc<Mutex<State>>);

/// What is on the board.
#[derive(Debug)]
pub struct State {
    /// Since when the agent runs.
    pub started_at: Timestamp,
    /// By name.
    pub devices: BTreeMap<DeviceId, Device>,
    /// Brokers and doors: since when they work, or do not, and why.
    pub sources: BTreeMap<String, Link>,
    /// The gateway's `host:port`.
    pub gateway_address: String,
    /// The connection to the gateway.
    pub gateway: Link,
    /// What is to be said of the configuration that the gateway sent.
    pub configuration: Report,
    /// Number and time of the last receipt.
    pub receipt: Option<(u64, Timestamp)>,
    /// What could not be used, by who sent it and why.
    pub refused: BTreeMap<(String, &'static str), Refused>,
    points: usize,
}

/// A device.
#[derive(Debug)]
pub struct Device {
    /// `None`: it was not heard of yet; else whether it answers, and why not.
    pub state: Option<Result<(), Absence>>,
    /// Since when that is so.
    pub since: Timestamp,
    /// The longest time between two readings, where one is promised.
    pub every: Option<Duration>,
    /// Its points.
    pub points: BTreeMap<PointName, Point>,
}

/// A point.
#[derive(Debug, Default)]
pub struct Point {
    /// Unit symbol.
    pub unit: String,
    /// Time, value and quality of the newest reading.
    pub last: Option<(Timestamp, Option<f64>, Quality)>,
}

/// A connection.
#[derive(Debug, Clone)]
pub struct Link {
    /// Why it does not work, if it does not.
    pub state: Result<(), String>,
    /// Since when that is so.
    pub since: Timestamp,
}

/// Something that could not be used.
#[derive(Debug, Clone)]
pub struct Refused {
    /// How often since the start.
    pub count: u64,
    /// The last time.
    pub at: Timestamp,
    /// What was wrong the last time.
    pub words: String,
    /// Its beginning.
    pub sample: String,
}

impl Board {
    /// Empty, with the devices that are expected.
    pub fn new(devices: &[Described], now: Timestamp) -> Board {
        let board = Board(Arc::new(Mutex::new(State {
            started_at: now,
            devices: BTreeMap::new(),
            sources: BTreeMap::new(),
            gateway_address: String::new(),
            gateway: Link {
                state: Err("not connected yet".into()),
                since: now,
            },
            configuration: Report::default(),
            receipt: None,
            refused: BTreeMap::new(),
            points: 0,
        })));
        for device in devices {
            board.expect(device, now);
        }
        board
    }

    /// What is on it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the gateway is, and what is to be said of the configuration that it sent.
    pub fn runs(&self, gateway: String, configuration: Report) {
        let mut state = self.state();
        state.gateway_address = gateway;
        state.configuration = configuration;
    }

    /// What is to be said of the configuration that the gateway sent.
    pub fn report(&self) -> Report {
        self.state().configuration.clone()
    }

    /// These devices are configured no longer.
    pub fn forget(&self, devices: &[DeviceId]) {
        let mut state = self.state();
        for device in devices {
            let gone = state.devices.remove(device);
            state.points -= gone.map_or(0, |device| device.points.len());
        }
    }

    /// These brokers and doors are configured no longer.
    pub fn forget_source(&self, name: &str) {
        self.state().sources.remove(name);
    }

    /// A device will tell this.
    pub fn expect(&self, described: &Described, now: Timestamp) {
        let mut state = self.state();
        for info in &described.points {
            let every = info.every;
            if let Some(point) = state.point(&described.id, &info.name, now) {
                point.unit = info.unit.clone();
            }
            if let Some(device) = state.devices.get_mut(&described.id) {
                device.every = every.or(device.every);
            }
        }
    }

    /// A record was stored.
    pub fn stored(&self, record: &Record, now: Timestamp) {
        let mut state = self.state();
        let mut heard = None;
        for reading in &record.readings {
            let Some(point) = state.point(&record.device, &reading.point, now) else {
                continue;
            };
            if point.last.is_none_or(|(at, ..)| at <= reading.at) {
                point.last = Some((reading.at, reading.value, reading.quality));
            }
            heard = match (reading.quality, heard) {
                (Quality::Missing(absence), None) => Some(Err(absence)),
                (Quality::Missing(_), heard) => heard,
                _ => Some(Ok(())),
            };
        }
        if let (Some(heard), Some(device)) = (heard, state.devices.get_mut(&record.device))
            && device.state != Some(heard)
        {
            device.state = Some(heard);
            device.since = now;
        }
    }

    /// A broker or door works, or why it does not.
    pub fn source(&self, name: &str, is: Result<(), String>) {
        let now = Timestamp::now();
        let mut state = self.state();
        match state.sources.get_mut(name) {
            Some(link) => link.set(is, now),
            None => {
                let link = Link {
                    state: is,
                    since: now,
                };
                state.sources.insert(name.to_owned(), link);
            }
        }
    }

    /// The connection to the gateway works, or why it does not.
    pub fn gateway(&self, is: Result<(), String>) {
        self.state().gateway.set(is, Timestamp::now());
    }

    /// The gateway has every record up to this one.
    pub fn receipt(&self, through: u64) {
        self.state().receipt = Some((through, Timestamp::now()));
    }

    /// Something of this sender could not be used. Gives how often that was so for this reason.
    pub fn refused(&self, who: &str, reason: &'static str, words: &str, sample: &[u8]) -> u64 {
        let mut state = self.state();
        let key = (who.to_owned(), reason);
        let of_sender = || state.refused.keys().filter(|(name, _)| name == who).count();
        if !state.refused.contains_key(&key) && of_sender() >= REASONS_MAX {
            return 0;
        }
        let refused = state.refused.entry(key).or_insert_with(|| Refused {
            count: 0,
            at: Timestamp::now(),
            words: String::new(),
            sample: String::new(),
        });
        refused.count += 1;
        refused.at = Timestamp::now();
        refused.words = words.chars().take(SAMPLE_MAX).collect();
        refused.sample = printable(sample);
        refused.count
    }
}

impl State {
    fn point(
        &mut self,
        device: &DeviceId,
        point: &PointName,
        now: Timestamp,
    ) -> Option<&mut Point> {
        if !self.devices.contains_key(device) {
            if self.devices.len() >= DEVICES_MAX {
                return None;
            }
            let new = Device {
                state: None,
                since: now,
                every: None,
                points: BTreeMap::new(),
            };
            self.devices.insert(device.clone(), new);
        }
        let points = &mut self.devices.get_mut(device)?.points;
        if !points.contains_key(point) {
            if self.points >= POINTS_MAX {
                return None;
            }
            self.points += 1;
            points.insert(point.clone(), Point::default());
        }
        points.get_mut(point)
    }
}

impl Link {
    fn set(&mut self, state: Result<(), String>, now: Timestamp) {
        if self.state.is_ok() != state.is_ok() {
            self.since = now;
        }
        self.state = state;
    }
}

fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SAMPLE_MAX)]);
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().take(SAMPLE_MAX).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::PointInfo;
    use contract::Reading;

    #[test]
    fn a_device_answers_if_any_point_does_and_an_older_reading_is_not_shown_over_a_newer() {
        let at = |ms| Timestamp::from_millis(ms);
        let (id, name) = (DeviceId::new("d").unwrap(), PointName::new("t").unwrap());
        let described = Described {
            id: id.clone(),
            points: vec![PointInfo {
                unit: "℃".into(),
                ..PointInfo::unknown(name.clone())
            }],
        };
        let board = Board::new(&[described], at(0));
        assert_eq!(board.state().devices[&id].state, None);
        let store = |ms, value, quality, now| {
            let reading = Reading::new(name.clone(), at(ms), value, quality);
            board.stored(&Record::of(id.clone(), at(ms), vec![reading]), at(now));
        };
        store(50, Some(1.0), Quality::Good, 60);
        store(40, Some(9.0), Quality::Good, 70);
        assert_eq!(
            board.state().devices[&id].points[&name].last,
            Some((at(50), Some(1.0), Quality::Good))
        );
        store(80, None, Quality::Missing(Absence::NoAnswer), 80);
        store(90, None, Quality::Missing(Absence::NoAnswer), 90);
        let state = board.state();
        let device = &state.devices[&id];
        assert_eq!(
            (device.state, device.since),
            (Some(Err(Absence::NoAnswer)), at(80))
        );
        assert_eq!(device.points[&name].unit, "℃");
    }

    #[test]
    fn what_is_refused_is_counted_with_the_last_sample_within_bounds() {
        let board = Board::new(&[], Timestamp::from_millis(0));
        assert_eq!(board.refused("d", "not JSON", "x", b"{\n"), 1);
        let long = vec![b'a'; 100_000];
        assert_eq!(board.refused("d", "not JSON", "y", &long), 2);
        let state = board.state();
        let refused = &state.refused[&("d".to_owned(), "not JSON")];
        assert_eq!(
            (refused.words.as_str(), refused.sample.len()),
            ("y", SAMPLE_MAX)
        );
    }
}
