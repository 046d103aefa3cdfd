//! All rules at all points. Pure: a block goes in, signals come out.

use super::{
    episode::{Episode, Move, MoveKind, Terms},
    rule::{Measure, Rule},
    store::{Signal, Source},
};
use crate::ingest::{
    dictionary::{Dictionary, PointKey},
    record::{self, Entry, Sample},
};
use contract::{DeviceId, Quality, SiteId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, sync::Arc};

/// Silence is looked for at most this often (journal time).
const SILENCE_EVERY_MS: i64 = 1000;

/// What is known of sites and devices before the first reading.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Kind of each registered device (`freezer`, `stack_monitor`, …).
    pub kinds: HashMap<(SiteId, DeviceId), String>,
}

/// A rule at a point.
#[derive(Debug)]
struct Instance {
    rule: Arc<Rule>,
    terms: Terms,
    point: PointKey,
    companion: Option<PointKey>,
    oxygen: Option<PointKey>,
    episode: Episode,
}

/// The latest value of a point.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Latest {
    value: Option<f64>,
    received_ms: i64,
}

/// All rules at all points.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Arc<Rule>>,
    facts: Facts,
    dictionary: Dictionary,
    time_scale: f64,
    instances: Vec<Instance>,
    /// Instances by point number, and those about silence.
    by_point: Vec<Vec<u32>>,
    silences: Vec<u32>,
    latest: Vec<Latest>,
    silence_looked_ms: i64,
    restored: HashMap<String, Episode>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Snapshot {
    episodes: HashMap<String, Episode>,
    latest: Vec<(u32, Option<f64>, i64)>,
    silence_looked_ms: i64,
}

impl Rules {
    /// Rules to be bound to the points of `dictionary` as they appear. `time_scale` is 1 in earnest; training
    /// divides every time of a rule by it.
    pub fn new(rules: Vec<Rule>, facts: Facts, dictionary: Dictionary, time_scale: f64) -> Self {
        Self {
            rules: rules.into_iter().map(Arc::new).collect(),
            facts,
            dictionary,
            time_scale,
            instances: Vec::new(),
            by_point: Vec::new(),
            silences: Vec::new(),
            latest: Vec::new(),
            silence_looked_ms: 0,
            restored: HashMap::new(),
        }
    }

    /// All state as bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        let episodes = self
            .instances
            .iter()
            .map(|i| (self.name(i), i.episode.clone()))
            .collect();
        let latest = self
            .latest
            .iter()
            .enumerate()
            .map(|(n, l)| (n as u32, l.value, l.received_ms))
            .collect();
        let snapshot = Snapshot {
            episodes,
            latest,
            silence_looked_ms: self.silence_looked_ms,
        };
        serde_json::to_vec(&snapshot).expect("a snapshot is always JSON")
    }

    /// Takes over the state of a snapshot. A rule whose version changed begins anew.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), serde_json::Error> {
        let snapshot: Snapshot = serde_json::from_slice(bytes)?;
        self.restored = snapshot.episodes;
        self.bind();
        for (n, value, received_ms) in snapshot.latest {
            if let Some(slot) = self.latest.get_mut(n as usize) {
                *slot = Latest { value, received_ms };
            }
        }
        self.silence_looked_ms = snapshot.silence_looked_ms;
        Ok(())
    }

    /// Takes in a block; what it raised is added to `out`.
    pub fn take(
        &mut self,
        seq: u64,
        body: &[u8],
        out: &mut Vec<Signal>,
    ) -> Result<(), record::DamagedBody> {
        if self.by_point.len() < self.dictionary.len() {
            self.bind();
        }
        for entry in record::entries(body) {
            match entry? {
                Entry::Data(head, samples) => {
                    for sample in samples {
                        self.reading(seq, head.received_at.as_millis(), &sample, out);
                    }
                    self.silence(seq, head.received_at.as_millis(), out);
                }
                Entry::Tick(at) => self.silence(seq, at.as_millis(), out),
                Entry::Session(_) => {}
            }
        }
        Ok(())
    }

    #[inline]
    fn reading(&mut self, seq: u64, received_ms: i64, sample: &Sample, out: &mut Vec<Signal>) {
        let n = sample.point.0 as usize;
        let Some(latest) = self.latest.get_mut(n) else {
            return;
        };
        if matches!(sample.quality, Quality::Missing(_)) {
            latest.value = None;
            return;
        }
        latest.received_ms = received_ms;
        if !sample.quality.is_good() {
            return;
        }
        latest.value = Some(sample.value);
        for k in 0..self.by_point[n].len() {
            let at = self.by_point[n][k] as usize;
            let value = self.compared(at, sample.value);
            let instance = &mut self.instances[at];
            if let Some(step) = instance.episode.take(&instance.terms, sample.at_ms, value) {
                out.extend(self.signal(at, seq, step));
            }
        }
    }

    /// The value as the rule compares it; `None` if the rule does not apply now.
    fn compared(&self, at: usize, value: f64) -> Option<f64> {
        let instance = &self.instances[at];
        if let Some(condition) = &instance.rule.only_while {
            let companion = self.latest.get(instance.companion?.0 as usize)?.value?;
            if companion <= condition.above {
                return None;
            }
        }
        match &instance.rule.convert {
            None => Some(value),
            Some(convert) => {
                let oxygen = self.latest.get(instance.oxygen?.0 as usize)?.value?;
                // At 20 % and above there is no combustion and the formula explodes.
                (oxygen < 20.0).then(|| value * (21.0 - convert.reference) / (21.0 - oxygen))
            }
        }
    }

    fn silence(&mut self, seq: u64, now_ms: i64, out: &mut Vec<Signal>) {
        if now_ms - self.silence_looked_ms < SILENCE_EVERY_MS {
            return;
        }
        self.silence_looked_ms = now_ms;
        for k in 0..self.silences.len() {
            let at = self.silences[k] as usize;
            let instance = &mut self.instances[at];
            let heard = self.latest[instance.point.0 as usize].received_ms;
            if heard == 0 {
                continue;
            }
            let minutes = (now_ms - heard) as f64 / 60_000.0;
            if let Some(step) = instance
                .episode
                .take(&instance.terms, now_ms, Some(minutes))
            {
                out.extend(self.signal(at, seq, step));
            }
        }
    }

    /// Binds rules to points that appeared since the last time.
    fn bind(&mut self) {
        for n in self.by_point.len()..self.dictionary.len() {
            self.by_point.push(Vec::new());
            self.latest.push(Latest {
                value: None,
                received_ms: 0,
            });
            let key = PointKey(n as u32);
            let Some(point) = self.dictionary.get(key) else {
                continue;
            };
            let Some(kind) = self
                .facts
                .kinds
                .get(&(point.site.clone(), point.device.clone()))
            else {
                continue;
            };
            for rule in self.rules.clone() {
                let fits = rule.point == point.name.as_str()
                    && rule.devices.iter().any(|k| k == kind)
                    && (point.unit.is_empty()
                        || rule.unit == point.unit
                        || rule.measure == Measure::Silence);
                if !fits {
                    continue;
                }
                let other = |name: &str| {
                    self.dictionary.find(
                        &point.site,
                        &point.device,
                        &contract::PointName::new(name).ok()?,
                    )
                };
                let mut instance = Instance {
                    terms: Terms::new(&rule, self.time_scale),
                    companion: rule.only_while.as_ref().and_then(|w| other(&w.point)),
                    oxygen: rule.convert.as_ref().and_then(|c| other(&c.oxygen)),
                    point: key,
                    rule,
                    episode: Episode::default(),
                };
                if let Some(episode) = self.restored.remove(&self.name(&instance)) {
                    instance.episode = episode;
                }
                let at = self.instances.len() as u32;
                let list = if instance.terms.measure == Measure::Silence {
                    &mut self.silences
                } else {
                    &mut self.by_point[n]
                };
                list.push(at);
                self.instances.push(instance);
            }
        }
    }

    fn name(&self, instance: &Instance) -> String {
        format!(
            "{}@{}/{}",
            instance.rule.id, instance.rule.version, instance.point.0
        )
    }

    fn signal(&self, at: usize, seq: u64, step: Move) -> Option<Signal> {
        let instance = &self.instances[at];
        let rule = &instance.rule;
        let opened_at = Timestamp::from_millis(step.opened_at_ms);
        if !rule.is_in_force(opened_at) {
            return None;
        }
        let point = self.dictionary.get(instance.point)?;
        let last_at = Timestamp::from_millis(step.last_at_ms);
        Some(Signal {
            id: Signal::identity(&rule.id, &point, opened_at),
            source: Source::Rule {
                id: rule.id.clone(),
                version: rule.version,
            },
            site: point.site.clone(),
            device: point.device.clone(),
            point: point.name.clone(),
            severity: rule.severity,
            opened_at,
            last_at,
            closed_at: (step.kind == MoveKind::Close).then_some(last_at),
            measured: step.measured,
            peak: step.peak,
            limit: Some(rule.limit),
            unit: if rule.measure == Measure::Silence {
                "min".into()
            } else {
                rule.unit.clone()
            },
            journal_seq: seq,
        })
    }
}
