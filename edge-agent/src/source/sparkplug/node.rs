//! What is known of one Sparkplug B edge node between its birth and its death, and what its messages become. Pure.
//!
//! A node is the device `NODE`, a device of it `NODE:DEVICE`. Metrics that are numbers are points; texts are none. A
//! reading has the time of its metric, else that of the message, else that of reception. A death makes every point
//! of whoever died absent, once. A gap in `seq`, data before birth or an unknown alias asks for a new birth.

use crate::{record::Record, source::PointInfo};
use contract::{
    Absence, DeviceId, Doubt, PointName, Quality, Reading, Timestamp,
    payload::{Message, Metric, Scalar},
    receipt,
    topic::Kind,
};
use std::collections::{BTreeMap, HashMap};

/// A new birth is asked for at most this often.
pub const REBIRTH_EVERY_MS: i64 = 5_000;
/// Devices of a node at most.
const DEVICES_MAX: usize = 1_000;
/// Points of a device at most.
const POINTS_MAX: usize = 10_000;
/// How far the time of a reading may be from that of its record.
const SPREAD_MS: i64 = i32::MAX as i64;

/// What a message became.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// Readings and absences.
    pub records: Vec<Record>,
    /// Points of a birth.
    pub described: Vec<(DeviceId, Vec<PointInfo>)>,
    /// Ask for a new birth.
    pub is_rebirth: bool,
    /// What could not be used: reason for counting, and words.
    pub faults: Vec<(&'static str, String)>,
}

impl Outcome {
    fn fault(&mut self, reason: &'static str, words: impl Into<String>) {
        self.faults.push((reason, words.into()));
    }
}

#[derive(Debug, Default)]
struct Table {
    is_online: bool,
    by_alias: HashMap<u64, PointName>,
    /// The points with the time of their last reading.
    points: BTreeMap<PointName, Option<Timestamp>>,
}

/// One edge node.
#[derive(Debug)]
pub struct Node {
    name: String,
    /// By device; the node's own metrics under the empty name.
    tables: BTreeMap<String, Table>,
    expected_seq: Option<u8>,
    bdseq: Option<u64>,
    asked_at: Option<Timestamp>,
}

impl Node {
    /// A node that has not been heard of yet.
    pub fn new(name: String) -> Node {
        Node {
            name,
            tables: BTreeMap::new(),
            expected_seq: None,
            bdseq: None,
            asked_at: None,
        }
    }

    /// True if a new birth should be asked for now; asking is remembered.
    pub fn may_ask(&mut self, now: Timestamp) -> bool {
        let is_due = |at: Timestamp| now.since(at) >= REBIRTH_EVERY_MS || at > now;
        let may = self.asked_at.is_none_or(is_due);
        if may {
            self.asked_at = Some(now);
        }
        may
    }

    /// A message of the node or of a device of it.
    pub fn take(
        &mut self,
        kind: Kind,
        device: Option<&DeviceId>,
        message: &Message,
        now: Timestamp,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let device = device.map_or("", DeviceId::as_str);
        if kind != Kind::NodeDeath && kind != Kind::NodeBirth {
            self.count(message, &mut outcome);
        }
        match kind {
            Kind::NodeBirth => {
                self.tables.values_mut().for_each(|t| t.is_online = false);
                self.expected_seq = Some(1);
                self.bdseq = bdseq(message);
                self.birth(device, message, now, &mut outcome);
            }
            Kind::DeviceBirth => self.birth(device, message, now, &mut outcome),
            Kind::NodeData | Kind::DeviceData => self.data(device, message, now, &mut outcome),
            Kind::DeviceDeath => self.silence(device, now, &mut outcome),
            Kind::NodeDeath => {
                if !is_old_death(self.bdseq, bdseq(message)) {
                    outcome.records = self.lost(now);
                }
            }
            Kind::NodeCommand | Kind::DeviceCommand => {}
        }
        outcome
    }

    /// It cannot be heard any more.
    pub fn lost(&mut self, now: Timestamp) -> Vec<Record> {
        let mut outcome = Outcome::default();
        let devices: Vec<String> = self.tables.keys().cloned().collect();
        for device in devices {
            self.silence(&device, now, &mut outcome);
        }
        self.expected_seq = None;
        outcome.records
    }

    fn count(&mut self, message: &Message, outcome: &mut Outcome) {
        let seq = message.seq.map(|seq| seq as u8);
        if let (Some(expected), Some(seq)) = (self.expected_seq, seq)
            && seq != expected
        {
            let words = format!("sequence number {seq} came where {expected} was due");
            outcome.fault("messages missing", words);
            outcome.is_rebirth = true;
        }
        if self.expected_seq.is_some() {
            self.expected_seq = seq.map(|seq| seq.wrapping_add(1));
        }
    }

    fn id(&self, device: &str, outcome: &mut Outcome) -> Option<DeviceId> {
        let name = match device {
            "" => self.name.clone(),
            device => format!("{}:{device}", self.name),
        };
        let is_plain = !self.name.contains(':') && !device.contains(':');
        let id = DeviceId::new(name).map_err(|error| error.to_string());
        let id = id.and_then(|id| match is_plain {
            true => Ok(id),
            false => Err(format!("{id}: a name with : cannot be told apart")),
        });
        id.map_err(|words| outcome.fault("name not allowed", words))
            .ok()
    }

    fn birth(&mut self, device: &str, message: &Message, now: Timestamp, outcome: &mut Outcome) {
        let Some(id) = self.id(device, outcome) else {
            return;
        };
        if self.tables.len() >= DEVICES_MAX && !self.tables.contains_key(device) {
            return outcome.fault("too many devices", format!("{id} is not taken"));
        }
        let before = self.tables.remove(device).unwrap_or_default();
        let mut table = Table {
            is_online: true,
            ..Table::default()
        };
        let mut infos = Vec::new();
        for metric in &message.metrics {
            let Some(text) = metric.name.as_deref().filter(|name| !is_control(name)) else {
                continue;
            };
            if matches!(metric.value, Scalar::Text(_) | Scalar::Other) {
                continue;
            }
            let name = match PointName::new(text) {
                Ok(name) if table.points.len() < POINTS_MAX => name,
                Ok(name) => {
                    outcome.fault("too many points", format!("{name} is not taken"));
                    continue;
                }
                Err(error) => {
                    outcome.fault("name not allowed", error.to_string());
                    continue;
                }
            };
            if let Some(alias) = metric.alias {
                table.by_alias.insert(alias, name.clone());
            }
            infos.push(PointInfo {
                unit: metric.unit.clone().unwrap_or_default(),
                factor: metric.factor.clone(),
                ..PointInfo::unknown(name.clone())
            });
            let last = before.points.get(&name).copied().flatten();
            table.points.insert(name, last);
        }
        if !infos.is_empty() {
            outcome.described.push((id, infos));
        }
        self.tables.insert(device.to_owned(), table);
        self.read(device, message, now, true, outcome);
    }

    fn data(&mut self, device: &str, message: &Message, now: Timestamp, outcome: &mut Outcome) {
        let is_born = |device: &str| self.tables.get(device).is_some_and(|t| t.is_online);
        if !is_born("") || !is_born(device) {
            outcome.fault("data before birth", format!("{} {device}", self.name));
            outcome.is_rebirth = true;
            return;
        }
        self.read(device, message, now, false, outcome);
    }

    /// The readings of a birth or of data.
    fn read(
        &mut self,
        device: &str,
        message: &Message,
        now: Timestamp,
        is_birth: bool,
        outcome: &mut Outcome,
    ) {
        let id = self.id(device, outcome);
        let (Some(id), Some(table)) = (id, self.tables.get_mut(device)) else {
            return;
        };
        for metric in &message.metrics {
            if metric.name.as_deref().is_some_and(is_control) {
                continue;
            }
            let by_alias = metric.alias.and_then(|alias| table.by_alias.get(&alias));
            let by_name = || PointName::new(metric.name.as_deref()?).ok();
            let name = by_alias.cloned().or_else(by_name);
            let known = name.and_then(|name| table.points.get_key_value(&name));
            let Some((name, last)) = known.map(|(name, last)| (name.clone(), *last)) else {
                if !is_birth && !matches!(metric.value, Scalar::Text(_)) {
                    let words = format!("{:?} alias {:?}", metric.name, metric.alias);
                    outcome.fault("metric not in the birth", words);
                    outcome.is_rebirth = true;
                }
                continue;
            };
            let at = metric.at.or(message.at).unwrap_or(now);
            if last == Some(at) || (is_birth && metric.value == Scalar::Null) {
                continue;
            }
            let Some((value, quality)) = value(metric) else {
                outcome.fault("not a number", format!("{name}: {:?}", metric.value));
                continue;
            };
            table.points.insert(name.clone(), Some(at));
            let reading = Reading::new(name, at, value, quality);
            put(&mut outcome.records, &id, reading);
        }
    }

    fn silence(&mut self, device: &str, now: Timestamp, outcome: &mut Outcome) {
        let id = self.id(device, outcome);
        let Some(table) = self.tables.get_mut(device) else {
            return;
        };
        if !std::mem::take(&mut table.is_online) {
            return;
        }
        let absent = Quality::Missing(Absence::NoConnection);
        let names = table.points.keys();
        let readings: Vec<_> = names
            .map(|name| Reading::new(name.clone(), now, None, absent))
            .collect();
        if let (Some(id), false) = (id, readings.is_empty()) {
            outcome.records.push(Record::of(id, now, readings));
        }
    }
}

/// Adds a reading to the last record of its device, or begins one where its time is too far from that one's.
fn put(records: &mut Vec<Record>, id: &DeviceId, reading: Reading) {
    match records.last_mut() {
        Some(record) if record.device == *id && reading.at.since(record.at).abs() < SPREAD_MS => {
            record.readings.push(reading);
        }
        _ => records.push(Record::of(id.clone(), reading.at, vec![reading])),
    }
}

fn bdseq(message: &Message) -> Option<u64> {
    message
        .metrics
        .iter()
        .find_map(|metric| match (metric.name.as_deref(), &metric.value) {
            (Some(receipt::BDSEQ), Scalar::Unsigned(n)) => Some(*n),
            (Some(receipt::BDSEQ), Scalar::Signed(n)) => u64::try_from(*n).ok(),
            _ => None,
        })
}

/// True for the death of a session before the one that was born: its will came late. Numbers go round at 256. A number
/// ahead of the birth's means that the birth was missed (or comes from a node that counts on before it says good-bye,
/// as pysparkplug does), and a death without one is believed.
fn is_old_death(born: Option<u64>, said: Option<u64>) -> bool {
    match (born, said) {
        (Some(born), Some(said)) => (1..128).contains(&(born.wrapping_sub(said) % 256)),
        _ => false,
    }
}

/// What is no quantity.
fn is_control(name: &str) -> bool {
    name == receipt::BDSEQ
        || ["Node Control/", "Device Control/", receipt::PREFIX]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Value and quality of a metric; `None` if it is no number. Qualities are our codes, and Sparkplug's 192 (good),
/// 500 (stale) and 0 (bad).
fn value(metric: &Metric) -> Option<(Option<f64>, Quality)> {
    let value = match metric.value {
        Scalar::Null => return Some((None, Quality::Missing(Absence::Unspecified))),
        Scalar::Signed(n) => n as f64,
        Scalar::Unsigned(n) => n as f64,
        Scalar::Real(x) => x,
        Scalar::Bool(yes) => f64::from(u8::from(yes)),
        Scalar::Text(_) | Scalar::Other => return None,
    };
    let quality = match metric.quality_code {
        None | Some(192) => Quality::Good,
        Some(500) => Quality::Missing(Absence::Unspecified),
        Some(0) => Quality::Suspect(Doubt::Unspecified),
        Some(code) => {
            u8::try_from(code).map_or(Quality::Suspect(Doubt::Unspecified), Quality::from_code)
        }
    };
    Some((Some(value), quality))
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn metric(name: &str, alias: Option<u64>, value: Scalar, at: i64) -> Metric {
        Metric {
            name: (!name.is_empty()).then(|| name.to_owned()),
            alias,
            at: Some(T.plus_millis(at)),
            is_historical: false,
            value,
            unit: Some("℃".into()),
            factor: None,
            quality_code: None,
        }
    }

    fn message(seq: u64, metrics: Vec<Metric>) -> Message {
        Message {
            at: Some(T),
            seq: Some(seq),
            metrics,
        }
    }

    fn born() -> Node {
        let mut node = Node::new("n".into());
        let birth = vec![
            metric("bdSeq", None, Scalar::Unsigned(3), 0),
            metric("Node Control/Rebirth", None, Scalar::Bool(false), 0),
            metric("Properties/Make", None, Scalar::Text("x".into()), 0),
            metric("speed", Some(1), Scalar::Signed(-4), 0),
        ];
        let outcome = node.take(Kind::NodeBirth, None, &message(0, birth), T);
        assert_eq!(outcome.records.len(), 1);
        assert_eq!(outcome.records[0].readings[0].value, Some(-4.0));
        assert_eq!(outcome.described[0].1[0].unit, "℃");
        let device = DeviceId::new("d").unwrap();
        let birth = vec![metric("t", Some(2), Scalar::Null, 0)];
        let outcome = node.take(Kind::DeviceBirth, Some(&device), &message(1, birth), T);
        assert_eq!((outcome.records.len(), outcome.is_rebirth), (0, false));
        node
    }

    #[test]
    fn data_is_read_by_alias_at_its_own_time_and_the_same_reading_once() {
        let mut node = born();
        let device = DeviceId::new("d").unwrap();
        let data = message(2, vec![metric("", Some(2), Scalar::Real(1.5), -9_000)]);
        let outcome = node.take(Kind::DeviceData, Some(&device), &data, T);
        let reading = &outcome.records[0].readings[0];
        assert_eq!(outcome.records[0].device.as_str(), "n:d");
        assert_eq!(
            (reading.point.as_str(), reading.at, reading.value),
            ("t", T.plus_millis(-9_000), Some(1.5))
        );
        let again = message(3, data.metrics);
        assert_eq!(
            node.take(Kind::DeviceData, Some(&device), &again, T),
            Outcome::default()
        );
    }

    #[test]
    fn what_was_missed_asks_for_a_birth_at_most_every_five_seconds() {
        let device = DeviceId::new("d").unwrap();
        let data = |seq, alias| message(seq, vec![metric("", Some(alias), Scalar::Real(1.0), 1)]);
        for (seq, alias, reason) in [
            (7, 2, "messages missing"),
            (2, 9, "metric not in the birth"),
        ] {
            let outcome = born().take(Kind::DeviceData, Some(&device), &data(seq, alias), T);
            assert!(outcome.is_rebirth && outcome.faults[0].0 == reason);
        }
        let mut node = Node::new("n".into());
        let outcome = node.take(Kind::DeviceData, Some(&device), &data(9, 2), T);
        assert!(outcome.is_rebirth && outcome.records.is_empty());
        assert!(node.may_ask(T) && !node.may_ask(T.plus_millis(4_999)));
        assert!(node.may_ask(T.plus_millis(5_000)));
    }

    #[test]
    fn a_death_makes_its_points_absent_once_and_an_old_death_counts_for_nothing() {
        let mut node = born();
        let death = |n| message(0, vec![metric("bdSeq", None, Scalar::Unsigned(n), 0)]);
        assert_eq!(node.take(Kind::NodeDeath, None, &death(2), T).records, []);
        let device = DeviceId::new("d").unwrap();
        let outcome = node.take(Kind::DeviceDeath, Some(&device), &message(2, vec![]), T);
        let absent = |r: &Record| r.readings[0].quality == Quality::Missing(Absence::NoConnection);
        assert!(outcome.records.len() == 1 && absent(&outcome.records[0]));
        let records = node.take(Kind::NodeDeath, None, &death(3), T).records;
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].device.as_str(), "n");
        assert!(node.lost(T).is_empty());
        for (born, said, is_old) in [
            (Some(3), Some(2), true),
            (Some(0), Some(255), true),
            (Some(3), Some(3), false),
            (Some(3), Some(4), false),
            (Some(255), Some(0), false),
            (Some(3), None, false),
            (None, Some(3), false),
        ] {
            assert_eq!(is_old_death(born, said), is_old, "{born:?} {said:?}");
        }
    }

    #[test]
    fn times_too_far_apart_for_one_record_make_two() {
        let mut node = born();
        let month = -40 * 86_400_000;
        let data = vec![
            metric("", Some(1), Scalar::Signed(1), 10),
            metric("", Some(1), Scalar::Signed(2), month),
        ];
        let outcome = node.take(Kind::NodeData, None, &message(2, data), T);
        assert_eq!(outcome.records.len(), 2);
        for record in &outcome.records {
            assert_eq!(Record::decode(&record.encode()).unwrap(), *record);
        }
    }
}
