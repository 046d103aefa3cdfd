//! What the gateway's journal says, counted after everything stopped: the strongest count there is, since it is
//! taken from the bytes on disk and not from anybody's counters.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::Context;
use gateway::ingest::dictionary::{Point, PointKey};
use gateway::ingest::record::{Entry, GapEntry, RawHead, entries};
use journal::{Journal, Options, Seq};
use serde::Serialize;

const READ_BYTES: usize = 8 << 20;

/// One reading as the journal has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Journaled {
    /// Device time, milliseconds since 1970.
    pub at_ms: i64,
    /// Value; NaN when missing.
    pub value: f64,
    /// Code of its quality.
    pub quality: u8,
}

/// Records of one agent.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Records {
    /// How many different record numbers the journal has.
    pub records: u64,
    /// The highest record number.
    pub highest: u64,
    /// Numbers below the highest that are not there: lost.
    pub lost: u64,
    /// Records that are there more than once.
    pub doubled: u64,
}

/// Everything that was counted.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Balance {
    /// Blocks of the journal.
    pub blocks: u64,
    /// Damaged blocks: breaks of the hash chain.
    pub damaged: u64,
    /// Readings.
    pub readings: u64,
    /// Readings without a value.
    pub missing: u64,
    /// Readings with the same point and device time as one before.
    pub doubled: u64,
    /// Those of them without a value.
    pub doubled_missing: u64,
    /// Readings with a device time that is not after the one before, of the same point.
    pub out_of_order: u64,
    /// By agent.
    pub agents: BTreeMap<String, Records>,
    /// Readings by `site/device/point`, in journal order.
    #[serde(skip)]
    pub points: BTreeMap<String, Vec<Journaled>>,
    /// What devices sent, byte for byte, in journal order.
    #[serde(skip)]
    pub raws: Vec<(RawHead, Vec<u8>)>,
}

/// Counts the journal at `path`; the gateway must have stopped.
pub fn count(path: &Path) -> anyhow::Result<Balance> {
    let journal = Journal::open(path, Options::small())
        .with_context(|| format!("cannot open {}", path.display()))?;
    let report = journal.verify().context("cannot verify the journal")?;
    let names: HashMap<u32, Point> = journal
        .notes("point/")?
        .into_iter()
        .map(|(key, value)| {
            let key = u32::from_str_radix(key.trim_start_matches("point/"), 16)
                .context("a point's note has no number")?;
            Ok((
                key,
                serde_json::from_slice(&value).context("a point's note is not a point")?,
            ))
        })
        .collect::<anyhow::Result<_>>()?;
    let mut balance = Balance {
        blocks: report.blocks,
        damaged: report.damage.len() as u64,
        ..Balance::default()
    };
    let mut numbers: BTreeMap<String, HashMap<u64, u64>> = BTreeMap::new();
    let mut by_point: HashMap<PointKey, Vec<Journaled>> = HashMap::new();
    let mut next = journal.first();
    loop {
        let blocks = journal
            .read(next, READ_BYTES)
            .context("cannot read the journal")?;
        let Some(last) = blocks.last() else { break };
        next = Seq(last.seq.0 + 1);
        for block in &blocks {
            for entry in entries(&block.body) {
                let (head, samples) =
                    match entry.with_context(|| format!("block {}", block.seq.0))? {
                        Entry::Data(head, samples) => (head, samples),
                        Entry::Gap(gap) => {
                            let own = numbers.entry(gap.agent.to_string()).or_default();
                            for number in spoken_of(&gap) {
                                *own.entry(number).or_default() += 1;
                            }
                            continue;
                        }
                        Entry::Raw(head, bytes) => {
                            balance.raws.push((head, bytes.to_vec()));
                            continue;
                        }
                        Entry::Tick(_) | Entry::Session(_) => continue,
                    };
                let mut agent = None;
                for sample in samples {
                    agent =
                        agent.or_else(|| names.get(&sample.point.0).and_then(|p| p.agent.clone()));
                    by_point.entry(sample.point).or_default().push(Journaled {
                        at_ms: sample.at_ms,
                        value: sample.value,
                        quality: sample.quality.code(),
                    });
                }
                if let (Some(agent), true) = (agent, head.sequence > 0) {
                    *numbers
                        .entry(agent.to_string())
                        .or_default()
                        .entry(head.sequence)
                        .or_default() += 1;
                }
            }
        }
    }
    // A record without readings, such as a manifest of footage, is in the journal as what the device sent and nothing else.
    let mut alone: BTreeMap<String, HashMap<u64, u64>> = BTreeMap::new();
    for (head, _) in balance.raws.iter().filter(|(head, _)| head.sequence > 0) {
        let of_agent = numbers.get(head.agent.as_str());
        if of_agent.is_none_or(|own| !own.contains_key(&head.sequence)) {
            let own = alone.entry(head.agent.to_string()).or_default();
            *own.entry(head.sequence).or_default() += 1;
        }
    }
    for (agent, own) in alone {
        numbers.entry(agent).or_default().extend(own);
    }
    balance.add_points(&names, by_point);
    balance.add_agents(numbers);
    Ok(balance)
}

/// The number of a gap record, and those that it says were given up.
fn spoken_of(gap: &GapEntry) -> impl Iterator<Item = u64> {
    let own = gap.sequence;
    let (from, to) = gap.gap.records.unwrap_or((own, own));
    (from..=to)
        .filter(move |number| *number != own)
        .chain([own])
        .filter(|number| *number > 0)
}

impl Balance {
    fn add_points(
        &mut self,
        names: &HashMap<u32, Point>,
        by_point: HashMap<PointKey, Vec<Journaled>>,
    ) {
        for (key, readings) in by_point {
            let mut seen = HashSet::new();
            self.readings += readings.len() as u64;
            self.missing += readings.iter().filter(|r| r.value.is_nan()).count() as u64;
            let doubled: Vec<_> = readings.iter().filter(|r| !seen.insert(r.at_ms)).collect();
            self.doubled += doubled.len() as u64;
            self.doubled_missing += doubled.iter().filter(|r| r.value.is_nan()).count() as u64;
            self.out_of_order += readings
                .windows(2)
                .filter(|w| w[1].at_ms < w[0].at_ms)
                .count() as u64;
            let name = names.get(&key.0).map_or_else(
                || format!("point {}", key.0),
                |p| format!("{}/{}/{}", p.site, p.device, p.name),
            );
            self.points.insert(name, readings);
        }
    }

    fn add_agents(&mut self, numbers: BTreeMap<String, HashMap<u64, u64>>) {
        for (agent, counts) in numbers {
            let highest = counts.keys().copied().max().unwrap_or(0);
            let records = counts.len() as u64;
            let doubled = counts.values().filter(|n| **n > 1).count() as u64;
            self.agents.insert(
                agent,
                Records {
                    records,
                    highest,
                    lost: highest - records,
                    doubled,
                },
            );
        }
    }

    /// Nothing lost, doubled or damaged.
    pub fn is_even(&self) -> bool {
        self.damaged == 0
            && self.doubled == 0
            && self.agents.values().all(|a| a.lost == 0 && a.doubled == 0)
    }
}
