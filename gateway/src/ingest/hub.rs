//! What all connections share: the journal, the points, the agents' sessions, what was refused.

use super::dictionary::{Dictionary, Point, PointKey};
use super::external;
use super::inlet::Inlet;
use super::json::{Shape, TimeUnit};
use super::ranges::Ranges;
use super::record::{self, Encoder, Entry};
use super::refused::{Reason, Refused, RefusedLog, Tally};
use super::session::Node;
use crate::metrics::Metrics;
use contract::control::Report;
use contract::problems::Problems;
use contract::{AgentId, DeviceId, SiteId, Timestamp};
use journal::{Journal, Staged};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An agent's session, shared by its connections.
pub type SharedNode = Arc<Mutex<Node>>;

/// The `[ingest]` part of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Metrics in one message at most.
    pub metrics_max: usize,
    /// Where plain JSON telemetry is taken from.
    pub json: Vec<JsonPattern>,
    /// A broker that is not ours, whose readings are taken as well.
    pub external: Option<external::Config>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            metrics_max: 5_000,
            json: vec![JsonPattern::default()],
            external: None,
        }
    }
}

/// Topic and shape of plain JSON telemetry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JsonPattern {
    /// Topic with `{site}` and `{device}` as whole levels; `+` matches any level.
    pub topic: String,
    /// JSON pointer of the time.
    pub time: String,
    /// JSON pointer of the object of values.
    pub values: String,
    /// Unit of the time.
    pub time_unit: TimeUnit,
}

impl Default for JsonPattern {
    fn default() -> Self {
        Self {
            topic: "gw/{site}/{device}/data".into(),
            time: "/ts".into(),
            values: "/v".into(),
            time_unit: TimeUnit::Milliseconds,
        }
    }
}

impl Config {
    /// Checks everything but [`Config::external`], which is checked by itself.
    pub fn resolve(self, problems: &mut Problems) -> Resolved {
        let mut patterns = Vec::new();
        for (i, pattern) in self.json.into_iter().enumerate() {
            let place = format!("ingest.json[{i}]");
            let count = |word: &str| {
                pattern
                    .topic
                    .split('/')
                    .filter(|level| *level == word)
                    .count()
            };
            if count("{site}") != 1 || count("{device}") != 1 {
                problems.add(
                    format!("{place}.topic"),
                    format!("{:?} does not name the site and the device", pattern.topic),
                    "write {site} and {device} once each, as whole levels",
                );
            }
            for (name, pointer) in [("time", &pattern.time), ("values", &pattern.values)] {
                if !pointer.starts_with('/') {
                    problems.add(
                        format!("{place}.{name}"),
                        format!("{pointer:?} is not a JSON pointer"),
                        "begin it with /",
                    );
                }
            }
            let plain = |pointer: &str| {
                let key = pointer.strip_prefix('/')?;
                (!key.contains(['/', '~', '"', '\\'])).then(|| key.as_bytes().to_vec())
            };
            let is_ms = pattern.time_unit == TimeUnit::Milliseconds;
            let keys = plain(&pattern.time)
                .zip(plain(&pattern.values))
                .filter(|_| is_ms);
            patterns.push(Pattern {
                levels: pattern.topic.split('/').map(str::to_owned).collect(),
                keys,
                shape: Shape {
                    time: pattern.time,
                    values: pattern.values,
                    time_unit: pattern.time_unit,
                },
            });
        }
        if self.metrics_max == 0 || self.metrics_max > usize::from(u16::MAX) {
            problems.add(
                "ingest.metrics_max",
                format!("{} is not between 1 and 65535", self.metrics_max),
                "leave it out for 5000",
            );
        }
        Resolved {
            metrics_max: self.metrics_max,
            patterns,
        }
    }
}

/// A checked configuration.
#[derive(Debug)]
pub struct Resolved {
    pub(super) metrics_max: usize,
    pub(super) patterns: Vec<Pattern>,
}

#[derive(Debug)]
pub(super) struct Pattern {
    levels: Vec<String>,
    /// Time and values keys when both are direct members and the time is in ms: the fast way.
    pub keys: Option<(Vec<u8>, Vec<u8>)>,
    pub shape: Shape,
}

impl Resolved {
    /// The first JSON pattern that `topic` matches, with the site and device it names.
    pub fn pattern(&self, topic: &str) -> Option<(usize, SiteId, DeviceId)> {
        self.patterns.iter().enumerate().find_map(|(i, pattern)| {
            let (mut site, mut device) = (None, None);
            let mut levels = topic.split('/');
            for wanted in &pattern.levels {
                let level = levels.next()?;
                match wanted.as_str() {
                    "{site}" => site = SiteId::new(level).ok(),
                    "{device}" => device = DeviceId::new(level).ok(),
                    "+" => {}
                    same if same == level => {}
                    _ => return None,
                }
            }
            levels.next().is_none().then_some((i, site?, device?))
        })
    }

    /// MQTT filters that cover the JSON patterns, for an external broker.
    pub fn filters(&self) -> Vec<String> {
        let level = |l: &String| {
            if l.starts_with('{') {
                "+".to_owned()
            } else {
                l.clone()
            }
        };
        self.patterns
            .iter()
            .map(|p| p.levels.iter().map(level).collect::<Vec<_>>().join("/"))
            .collect()
    }
}

/// Why ingest cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The notes cannot be read.
    #[error("cannot read the points and streams noted in the journal")]
    Notes(#[source] journal::ReadError),
    /// A note is not what it should be.
    #[error("the journal's note {key} is damaged: {what}")]
    Damaged {
        /// Which.
        key: String,
        /// What is wrong.
        what: String,
    },
}

/// An agent as it is now.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Its site.
    pub site: SiteId,
    /// Its name.
    pub agent: AgentId,
    /// Whether its birth came, and no death since.
    pub is_online: bool,
    /// When anything came from it last.
    pub heard_at: Option<Timestamp>,
    /// What it said last of itself (`OneDoor/Status`), and when that came.
    pub status: Option<(Timestamp, serde_json::Value)>,
    /// Its devices, and whether each is online.
    pub devices: Vec<(DeviceId, bool)>,
}

/// See the module. Clones share everything.
#[derive(Clone)]
pub struct Ingest(Arc<Inner>);

struct Inner {
    journal: Journal,
    dictionary: Dictionary,
    metrics: Arc<Metrics>,
    refused: RefusedLog,
    config: Resolved,
    nodes: Mutex<HashMap<(SiteId, AgentId), SharedNode>>,
    streams: Mutex<HashMap<String, Vec<(String, Ranges)>>>,
    /// Points whose note is not known to be on disk; every block that uses one takes its note along.
    unwritten: Mutex<BTreeMap<u32, Vec<u8>>>,
    unwritten_count: AtomicUsize,
}

impl fmt::Debug for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingest")
            .field("points", &self.0.dictionary.len())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ingest {
    /// Reads the points and streams the journal knows into `dictionary` (which must be empty).
    pub fn open(
        journal: Journal,
        dictionary: Dictionary,
        metrics: Arc<Metrics>,
        config: Resolved,
    ) -> Result<Ingest, OpenError> {
        let damaged = |key: &str, what: String| OpenError::Damaged {
            key: key.to_owned(),
            what,
        };
        for (key, value) in journal.notes("point/").map_err(OpenError::Notes)? {
            let point: Point =
                serde_json::from_slice(&value).map_err(|e| damaged(&key, e.to_string()))?;
            let number = key
                .strip_prefix("point/")
                .map(|n| u32::from_str_radix(n, 16));
            let Some(Ok(number)) = number else {
                return Err(damaged(&key, "its key has no number".into()));
            };
            dictionary.restore(PointKey(number), point);
        }
        let mut streams: HashMap<String, Vec<(String, Ranges)>> = HashMap::new();
        for (key, value) in journal.notes("stream/").map_err(OpenError::Notes)? {
            let name = key
                .strip_prefix("stream/")
                .and_then(|rest| rest.split_once('/'));
            let ranges = std::str::from_utf8(&value).ok().and_then(Ranges::from_text);
            let (Some((agent, stream)), Some(ranges)) = (name, ranges) else {
                return Err(damaged(&key, "it is not a list of ranges".into()));
            };
            streams
                .entry(agent.to_owned())
                .or_default()
                .push((stream.to_owned(), ranges));
        }
        Ok(Ingest(Arc::new(Inner {
            journal,
            dictionary,
            metrics,
            refused: RefusedLog::default(),
            config,
            nodes: Mutex::default(),
            streams: Mutex::new(streams),
            unwritten: Mutex::default(),
            unwritten_count: AtomicUsize::new(0),
        })))
    }

    /// A way in for one connection.
    pub fn inlet(&self) -> Inlet {
        Inlet::new(self.clone())
    }

    /// The journal it writes to.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// The points.
    pub fn dictionary(&self) -> &Dictionary {
        &self.0.dictionary
    }

    /// The last hundred refused messages or readings, newest first.
    pub fn refused(&self) -> Vec<Refused> {
        self.0.refused.last()
    }

    /// How many were refused, by reason.
    pub fn refused_tallies(&self) -> Vec<Tally> {
        self.0.refused.tallies()
    }

    /// The agents heard of since the start, and whether each is online.
    pub fn agents(&self) -> Vec<(SiteId, AgentId, bool)> {
        let nodes: Vec<SharedNode> = lock(&self.0.nodes).values().cloned().collect();
        nodes
            .iter()
            .map(|node| {
                let node = lock(node);
                (node.site.clone(), node.agent.clone(), node.is_online())
            })
            .collect()
    }

    /// True between an agent's birth and death.
    pub fn is_online(&self, site: &SiteId, agent: &AgentId) -> bool {
        let node = self.known(site, agent);
        node.is_some_and(|node| lock(&node).is_online())
    }

    /// What an agent said last of the orders it was given.
    pub fn reports(&self, site: &SiteId, agent: &AgentId) -> Vec<Report> {
        let node = self.known(site, agent);
        node.map_or(Vec::new(), |node| lock(&node).reports().to_vec())
    }

    fn known(&self, site: &SiteId, agent: &AgentId) -> Option<SharedNode> {
        let nodes = lock(&self.0.nodes);
        nodes.get(&(site.clone(), agent.clone())).cloned()
    }

    /// What is known now of the agents heard of since the start.
    pub fn heard(&self) -> Vec<Heard> {
        let nodes: Vec<SharedNode> = lock(&self.0.nodes).values().cloned().collect();
        let heard = |node: &SharedNode| {
            let node = lock(node);
            let devices = node
                .devices()
                .map(|(id, is_online)| (id.clone(), is_online));
            Heard {
                site: node.site.clone(),
                agent: node.agent.clone(),
                is_online: node.is_online(),
                heard_at: node.heard_at(),
                status: node.status().cloned(),
                devices: devices.collect(),
            }
        };
        nodes.iter().map(heard).collect()
    }

    /// Writes a tick into the journal whenever nothing else was written for `every`, until dropped. Rules about
    /// silence need to see time pass, also on replay.
    pub async fn tick(&self, every: Duration) {
        let mut seen = self.0.journal.head().0;
        loop {
            tokio::time::sleep(every).await;
            if self.0.journal.head().0 == seen {
                let now = Timestamp::now();
                let mut encoder = Encoder::default();
                encoder.tick(now);
                let staged = Staged {
                    at_ms: now.as_millis(),
                    count: 0,
                    body: encoder.finish().0,
                    notes: Vec::new(),
                };
                match self.0.journal.append(staged).await {
                    Ok(_) => {}
                    Err(journal::AppendError::Closed) => return,
                    Err(error) => tracing::error!(%error, "the journal takes no tick"),
                }
            }
            seen = self.0.journal.head().0;
        }
    }

    pub(crate) fn config(&self) -> &Resolved {
        &self.0.config
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn refuse(
        &self,
        at: Timestamp,
        topic: &str,
        reason: Reason,
        what: impl FnOnce() -> String,
    ) {
        self.0.metrics.ingest_refused_total.inc();
        self.0.refused.add(at, topic, reason, what);
    }

    /// From now on messages of which something was not taken are kept in `folder`, see [`super::set_aside`].
    pub fn keep_set_aside(&self, folder: &std::path::Path) -> std::io::Result<()> {
        self.0.refused.keep_in(folder)
    }

    pub(super) fn keep(
        &self,
        at: Timestamp,
        topic: &str,
        faults: &[(Reason, String)],
        payload: &[u8],
    ) {
        self.0.refused.keep(at, topic, faults, payload);
    }

    pub(super) fn node(&self, site: &SiteId, agent: &AgentId) -> SharedNode {
        let mut nodes = lock(&self.0.nodes);
        let node = nodes
            .entry((site.clone(), agent.clone()))
            .or_insert_with(|| {
                let streams = lock(&self.0.streams)
                    .remove(agent.as_str())
                    .unwrap_or_default();
                Arc::new(Mutex::new(Node::new(site.clone(), agent.clone(), streams)))
            });
        node.clone()
    }

    /// The number of a point, and what was promised of it before.
    pub(super) fn intern(&self, point: Point) -> (PointKey, Option<u64>) {
        let json = serde_json::to_vec(&point).expect("a point is always JSON");
        // The lock is held over both steps: no other block may use the number before its note is listed.
        let mut unwritten = lock(&self.0.unwritten);
        let dictionary = &self.0.dictionary;
        let before = dictionary.find(&point.site, &point.device, &point.name);
        let before = before.and_then(|key| dictionary.get(key)?.every_ms);
        let (key, is_new) = dictionary.intern(point);
        if is_new {
            unwritten.insert(key.0, json);
            self.0
                .unwritten_count
                .store(unwritten.len(), Ordering::Release);
        }
        (key, before)
    }

    /// The notes that a block with this body must carry now.
    pub(super) fn unwritten(&self, body: &[u8]) -> Vec<(u32, Vec<u8>)> {
        if self.0.unwritten_count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut used: Vec<u32> = Vec::new();
        for entry in record::entries(body).flatten() {
            match entry {
                Entry::Data(_, samples) => used.extend(samples.map(|sample| sample.point.0)),
                Entry::Session(session) => used.extend(session.promises.iter().map(|p| p.0.0)),
                _ => {}
            }
        }
        used.sort_unstable();
        used.dedup();
        let unwritten = lock(&self.0.unwritten);
        used.iter()
            .filter_map(|key| Some((*key, unwritten.get(key)?.clone())))
            .collect()
    }

    pub(super) fn written(&self, points: &[(u32, Vec<u8>)]) {
        if points.is_empty() {
            return;
        }
        let mut unwritten = lock(&self.0.unwritten);
        for (key, json) in points {
            if unwritten.get(key) == Some(json) {
                unwritten.remove(key);
            }
        }
        self.0
            .unwritten_count
            .store(unwritten.len(), Ordering::Release);
    }
}
