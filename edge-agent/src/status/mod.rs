//! How the agent does: a board to which sources and publisher report. The page and the command show it to whoever stands
//! before the box; what it has of the devices goes to the gateway too. Read in this order: this file, `view`, `words`,
//! `page`, `terminal`.

pub mod page; // over HTTP
pub mod terminal; // `edge-agent status`
pub mod view; // what is shown
pub mod words; // what needs a person, in both languages; pure

use crate::{record::Record, source::Described};
use contract::{
    Absence, DeviceId, PointName, Quality, Timestamp,
    configuration::Report,
    status::{SourceState, SourceStatus},
};
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
/// A time further ahead than this is of a clock that was set back since: it does not stay the newest.
const AHEAD_MS: i64 = 60_000;

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
    changes: u64,
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
    /// Time of its newest reading with a value.
    pub last: Option<Timestamp>,
    /// Its points.
    pub points: BTreeMap<PointName, Point>,
    /// Its place in the configuration; none if it came up by itself.
    place: Option<usize>,
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
            changes: 0,
        })));
        board.configure(devices, now);
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

    /// These devices are configured, in this order.
    pub fn configure(&self, devices: &[Described], now: Timestamp) {
        for (place, described) in devices.iter().enumerate() {
            self.expect(described, now);
            if let Some(device) = self.state().devices.get_mut(&described.id) {
                device.place = Some(place);
                device.every = described.points.iter().filter_map(|info| info.every).max();
            }
        }
    }

    /// A device will tell this.
    pub fn expect(&self, described: &Described, now: Timestamp) {
        let mut state = self.state();
        let Some(device) = state.device(&described.id, now) else {
            return;
        };
        let every = described.points.iter().filter_map(|info| info.every);
        device.every = device.every.max(every.max());
        for info in &described.points {
            if let Some(point) = state.point(&described.id, &info.name) {
                point.unit = info.unit.clone();
            }
        }
    }

    /// A record was stored. A device answers if any of its points has a value; else it is silent since the time of the first
    /// record without one, for the reason that its first reading names.
    pub fn stored(&self, record: &Record, now: Timestamp) {
        let Some(first) = record.readings.first() else {
            return;
        };
        let with_value = record.readings.iter().filter(|r| r.value.is_some());
        let newest = with_value.map(|reading| reading.at).max();
        let heard = match (newest, first.quality) {
            (Some(_), _) => Ok(()),
            (None, Quality::Missing(absence)) => Err(absence),
            (None, _) => Err(Absence::Unspecified),
        };
        let mut state = self.state();
        let Some(device) = state.device(&record.device, now) else {
            return;
        };
        let is_possible = |at: &Timestamp| at.since(now) <= AHEAD_MS;
        device.last = device.last.filter(is_possible).max(newest);
        if device.state != Some(heard) {
            device.since = match (device.state, heard) {
                (_, Ok(())) => now,
                (Some(Err(_)), Err(_)) => device.since,
                (_, Err(_)) => record.at,
            };
            device.state = Some(heard);
            state.changes += 1;
        }
        for reading in &record.readings {
            let Some(point) = state.point(&record.device, &reading.point) else {
                continue;
            };
            let newest = point.last.map(|(at, ..)| at).filter(is_possible);
            if newest.is_none_or(|at| at <= reading.at) {
                point.last = Some((reading.at, reading.value, reading.quality));
            }
        }
    }

    /// Another number after each change of a device's state.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Every device as the gateway is told of it: those of the configuration in its order, then those that came up by
    /// themselves.
    pub fn devices(&self) -> Vec<SourceStatus> {
        let state = self.state();
        let mut devices: Vec<_> = state.devices.iter().collect();
        devices.sort_by_key(|(_, device)| device.place.unwrap_or(usize::MAX));
        let told = |(id, device): (&DeviceId, &Device)| SourceStatus {
            device: id.clone(),
            state: match device.state {
                None => SourceState::Unknown,
                Some(Ok(())) => SourceState::Answers,
                Some(Err(reason)) => SourceState::Silent {
                    since: device.since,
                    reason,
                },
            },
            last: device.last,
            every_ms: device.every.map(millis),
        };
        devices.into_iter().map(told).collect()
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

    /// Whether a broker, door or camera worked when it was last heard of.
    pub fn source_works(&self, name: &str) -> Option<bool> {
        let state = self.state();
        state.sources.get(name).map(|link| link.state.is_ok())
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
    fn device(&mut self, id: &DeviceId, now: Timestamp) -> Option<&mut Device> {
        if !self.devices.contains_key(id) && self.devices.len() < DEVICES_MAX {
            let new = Device {
                state: None,
                since: now,
                every: None,
                last: None,
                points: BTreeMap::new(),
                place: None,
            };
            self.devices.insert(id.clone(), new);
        }
        self.devices.get_mut(id)
    }

    fn point(&mut self, device: &DeviceId, point: &PointName) -> Option<&mut Point> {
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

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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
        let told = || {
            let told = board.devices().remove(0);
            (board.changes(), told.state, told.last)
        };
        let silent = |since, reason| SourceState::Silent {
            since: at(since),
            reason,
        };
        use Absence::{NoAnswer, NoConnection};
        assert_eq!(told(), (1, SourceState::Answers, Some(at(50))));
        store(80, None, Quality::Missing(NoAnswer), 81);
        store(90, None, Quality::Missing(NoAnswer), 91);
        assert_eq!(told(), (2, silent(80, NoAnswer), Some(at(50))));
        store(95, None, Quality::Missing(NoConnection), 96);
        assert_eq!(told(), (3, silent(80, NoConnection), Some(at(50))));
        {
            let state = board.state();
            let device = &state.devices[&id];
            let silent = (Some(Err(NoConnection)), at(80));
            assert_eq!((device.state, device.since), silent);
            assert_eq!(device.points[&name].unit, "℃");
        }
        store(99, Some(2.0), Quality::Good, 100);
        assert_eq!(told(), (4, SourceState::Answers, Some(at(99))));
        // The clock was set two hours ahead for a while.
        store(7_200_000, Some(3.0), Quality::Good, 7_200_000);
        store(200, Some(4.0), Quality::Good, 200);
        assert_eq!(told().2, Some(at(200)));
        let shown = board.state().devices[&id].points[&name].last;
        assert_eq!(shown, Some((at(200), Some(4.0), Quality::Good)));
        assert_eq!(board.state().devices[&id].since, at(100));
    }

    #[test]
    fn the_gateway_is_told_of_devices_in_the_order_of_the_configuration_then_of_those_that_came_up()
    {
        let device = |id: &str, every: &[u64]| Described {
            id: DeviceId::new(id).unwrap(),
            points: every
                .iter()
                .enumerate()
                .map(|(n, ms)| PointInfo {
                    every: Some(Duration::from_millis(*ms)),
                    ..PointInfo::unknown(PointName::new(format!("p{n}")).unwrap())
                })
                .collect(),
        };
        let now = Timestamp::from_millis(0);
        let board = Board::new(&[device("z", &[5, 9, 7]), device("b", &[3])], now);
        board.expect(&device("a", &[4]), now);
        let told = board.devices().into_iter();
        let told: Vec<_> = told.map(|d| (d.device.to_string(), d.every_ms)).collect();
        let expected = [("z", 9), ("b", 3), ("a", 4)];
        assert_eq!(told, expected.map(|(id, ms)| (id.to_owned(), Some(ms))));
        // Another configuration: one device is gone, one is new, one is asked more often.
        board.forget(&[DeviceId::new("z").unwrap()]);
        board.configure(&[device("c", &[2]), device("b", &[1])], now);
        let told = board.devices().into_iter();
        let told: Vec<_> = told.map(|d| (d.device.to_string(), d.every_ms)).collect();
        let expected = [("c", 2), ("b", 1), ("a", 4)];
        assert_eq!(told, expected.map(|(id, ms)| (id.to_owned(), Some(ms))));
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
