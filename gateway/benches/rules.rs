//! What a reading costs the rules, against decoding alone and against a bare comparison in the same run.
//!
//! `cargo bench -p gateway --bench rules [-- POINTS]`

use contract::{DeviceId, PointName, Quality, SiteId, Timestamp, problems::Problems};
use gateway::detect::{
    engine::{Facts, Rules},
    rule,
};
use gateway::ingest::dictionary::{Dictionary, Point};
use gateway::ingest::record::{DataHead, Encoder, Entry, Sample, entries};
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

const T0: i64 = 1_795_572_000_000;
const ROUNDS: i64 = 120;

fn main() -> anyhow::Result<()> {
    let devices = std::env::args()
        .filter_map(|a| a.parse().ok())
        .next()
        .unwrap_or(10_000usize);
    one(
        "gas_detector",
        "combustible_gas",
        "%LEL",
        devices,
        "limits (2) and silence, quiet",
        |_| 1.0,
    )?;
    one(
        "freezer",
        "temperature",
        "℃",
        devices,
        "limits (2), silence, deviation, stuck",
        |n| -18.0 + (n % 7) as f64 / 10.0,
    )?;
    one(
        "stack_monitor",
        "so2",
        "mg/m3",
        devices,
        "hour block and stuck",
        |n| 5.0 + (n % 7) as f64 / 10.0,
    )
}

fn one(
    kind: &str,
    name: &str,
    unit: &str,
    devices: usize,
    what: &str,
    value: impl Fn(i64) -> f64,
) -> anyhow::Result<()> {
    let (dictionary, mut facts) = (Dictionary::default(), Facts::default());
    let mut keys = Vec::new();
    for n in 0..devices {
        let (site, device) = (
            SiteId::new(format!("s{}", n / 100))?,
            DeviceId::new(format!("d{n}"))?,
        );
        facts
            .kinds
            .insert((site.clone(), device.clone()), kind.to_owned());
        let point = Point {
            site,
            agent: None,
            device,
            name: PointName::new(name)?,
            unit: unit.to_owned(),
            factor: String::new(),
            every_ms: None,
        };
        keys.push(dictionary.intern(point).0);
    }
    let mut problems = Problems::new();
    let packs = rule::load(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/rules"),
        &mut problems,
    );
    anyhow::ensure!(problems.is_empty(), "{problems}");
    let bodies: Vec<Vec<u8>> = (0..ROUNDS)
        .map(|round| {
            let at = T0 + round * 1000;
            let mut encoder = Encoder::default();
            for part in keys.chunks(100) {
                let now = Timestamp::from_millis(at);
                let head = DataHead {
                    is_historical: false,
                    is_plain: false,
                    received_at: now,
                    edge_at: now,
                    sequence: 1,
                };
                let samples: Vec<Sample> = part
                    .iter()
                    .map(|point| Sample {
                        point: *point,
                        at_ms: at,
                        value: value(round),
                        quality: Quality::Good,
                    })
                    .collect();
                encoder.data(head, &samples);
            }
            encoder.finish().0
        })
        .collect();
    let readings = (ROUNDS as usize * devices) as f64;
    let cost = |began: Instant| began.elapsed().as_nanos() as f64 / readings;

    let mut over = bodies
        .iter()
        .flat_map(|b| samples(b))
        .filter(|s| s.value > 1e9)
        .count() as u64;
    let began = Instant::now();
    for sample in bodies.iter().flat_map(|b| samples(b)) {
        over += u64::from(black_box(sample.value) > 25.0);
    }
    black_box(over);
    let bare = cost(began);

    let mut rules = Rules::new(packs, facts, dictionary, 1.0);
    let (mut out, mut first) = (Vec::new(), 0.0);
    let began = Instant::now();
    for (n, body) in bodies.iter().enumerate() {
        if n == 1 {
            first = began.elapsed().as_secs_f64() * 1000.0;
        }
        rules.take(n as u64 + 1, body, &mut out)?;
    }
    let ruled = cost(began) - first * 1e6 / readings;
    println!(
        "{devices} points, {what}: decode and compare {bare:.1} ns, with rules {ruled:.1} ns a reading ({:.2}x, {:.0} readings/s); binding {first:.0} ms; snapshot {} bytes a point",
        ruled / bare,
        1e9 / ruled,
        rules.snapshot().len() / devices
    );
    Ok(())
}

fn samples(body: &[u8]) -> impl Iterator<Item = Sample> + '_ {
    entries(body)
        .filter_map(|entry| match entry {
            Ok(Entry::Data(_, samples)) => Some(samples),
            _ => None,
        })
        .flatten()
}
