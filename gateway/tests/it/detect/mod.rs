//! The shipped rules, one table each; replays and restarts; late, future and missing readings.
//!
//! A story is segments `MINUTES NAME=VALUE …` with one reading a minute; `silent` lets only the gateway's time pass.
//! `!` after a value marks it suspect. Minute 0 is a whole hour. What is expected: one line a signal, `OPENED..CLOSED PEAK`
//! in minutes.

mod restart; // replays and restarts
mod rules; // the shipped rules, one table each

use contract::{DeviceId, Doubt, PointName, Quality, SiteId, Timestamp, problems::Problems};
use gateway::detect::{
    Signal,
    engine::{Facts, Rules},
    rule::{self, Rule},
};
use gateway::ingest::dictionary::{Dictionary, Point, PointKey};
use gateway::ingest::record::{DataHead, Encoder, Sample};
use std::path::Path;

/// 2026-11-25 10:00 at the site.
const START: i64 = 1_795_572_000_000;
const MINUTE: i64 = 60_000;

fn shipped() -> Vec<Rule> {
    let mut problems = Problems::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/rules");
    let rules = rule::load(&folder, &mut problems);
    assert!(problems.is_empty(), "{problems}");
    rules
}

/// A device of `kind` whose points appear as the story names them.
struct Stage {
    dictionary: Dictionary,
    facts: Facts,
}

impl Stage {
    fn new(kind: &str) -> Stage {
        let mut facts = Facts::default();
        facts.kinds.insert(Stage::place(), kind.to_owned());
        if kind == gateway::registry::CAMERA {
            facts.sees_since.insert(Stage::place(), i64::MIN);
        }
        Stage {
            dictionary: Dictionary::default(),
            facts,
        }
    }

    fn place() -> (SiteId, DeviceId) {
        (SiteId::new("s").unwrap(), DeviceId::new("d").unwrap())
    }

    fn rules(&self, rules: Vec<Rule>) -> Rules {
        Rules::new(rules, self.facts.clone(), self.dictionary.clone(), 1.0)
    }

    fn key(&self, name: &str) -> PointKey {
        let unit = match name {
            "temperature" => "℃",
            "noise" => "dB(A)",
            "combustible_gas" => "%LEL",
            "o2" => "%",
            name if name.ends_with("current") => "A",
            name if name.starts_with("see.") || name.starts_with("health.") => "",
            _ => "mg/m3",
        };
        let (site, device) = Stage::place();
        let point = Point {
            site,
            agent: None,
            device,
            name: PointName::new(name).unwrap(),
            unit: unit.to_owned(),
            factor: String::new(),
            every_ms: None,
        };
        self.dictionary.intern(point).0
    }

    /// One block a minute.
    fn blocks(&self, story: &str) -> Vec<Vec<u8>> {
        let mut blocks = Vec::new();
        for segment in story.split(';') {
            let mut words = segment.split_whitespace();
            let minutes: usize = words.next().unwrap().parse().unwrap();
            let values: Vec<(PointKey, f64, Quality)> = words
                .filter(|w| *w != "silent")
                .map(|w| self.value(w))
                .collect();
            for _ in 0..minutes {
                let now = START + blocks.len() as i64 * MINUTE;
                blocks.push(block(now, now, &values));
            }
        }
        blocks
    }

    fn value(&self, word: &str) -> (PointKey, f64, Quality) {
        let (name, value) = word.split_once('=').unwrap();
        let quality = match value.ends_with('!') {
            true => Quality::Suspect(Doubt::OutOfRange),
            false => Quality::Good,
        };
        (
            self.key(name),
            value.trim_end_matches('!').parse().unwrap(),
            quality,
        )
    }
}

fn block(received: i64, at: i64, values: &[(PointKey, f64, Quality)]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    let head = DataHead {
        is_historical: false,
        is_plain: false,
        received_at: Timestamp::from_millis(received),
        edge_at: Timestamp::from_millis(received),
        sequence: 0,
    };
    let samples: Vec<Sample> = values
        .iter()
        .map(|(point, value, quality)| Sample {
            point: *point,
            at_ms: at,
            value: *value,
            quality: *quality,
        })
        .collect();
    encoder.tick(Timestamp::from_millis(received));
    encoder.data(head, &samples);
    encoder.finish().0
}

fn play(rules: &mut Rules, blocks: &[Vec<u8>]) -> Vec<Signal> {
    let mut last: Vec<Signal> = Vec::new();
    for (n, block) in blocks.iter().enumerate() {
        let mut out = Vec::new();
        rules.take(n as u64 + 1, block, &mut out).unwrap();
        for signal in out {
            last.retain(|s| s.id != signal.id);
            last.push(signal);
        }
    }
    last
}

fn lines(signals: &[Signal], rule: &str) -> Vec<String> {
    let minute = |t: Timestamp| (t.as_millis() - START) / MINUTE;
    signals
        .iter()
        .filter(|s| {
            s.source
                == gateway::detect::Source::Rule {
                    id: rule.to_owned(),
                    version: 1,
                }
        })
        .map(|s| {
            let closed = s
                .closed_at
                .map_or("open".to_owned(), |t| minute(t).to_string());
            format!("{}..{closed} {:.2}", minute(s.opened_at), s.peak)
        })
        .collect()
}

/// The only code of the tables that touches the engine.
#[track_caller]
fn check(rule: &str, kind: &str, story: &str, expected: &[&str]) {
    let stage = Stage::new(kind);
    let blocks = stage.blocks(story);
    let mut rules = stage.rules(shipped());
    let signals = play(&mut rules, &blocks);
    assert_eq!(lines(&signals, rule), expected, "{rule}: {story}");
    // Any restart gives the same.
    for cut in [1, blocks.len() / 3, blocks.len() / 2, blocks.len() - 1] {
        let mut first = stage.rules(shipped());
        let mut before = play(&mut first, &blocks[..cut]);
        let mut second = stage.rules(shipped());
        second.restore(&first.snapshot()).unwrap();
        let after = play(&mut second, &blocks[cut..]);
        before.retain(|s| after.iter().all(|a| a.id != s.id));
        before.extend(after);
        before.sort_by_key(|s| s.opened_at);
        let mut all: Vec<_> = signals
            .iter()
            .map(|s| (s.id.clone(), s.closed_at, s.peak.to_bits()))
            .collect();
        let mut cut_all: Vec<_> = before
            .iter()
            .map(|s| (s.id.clone(), s.closed_at, s.peak.to_bits()))
            .collect();
        all.sort();
        cut_all.sort();
        assert_eq!(all, cut_all, "{rule}: cut at {cut}");
    }
}
