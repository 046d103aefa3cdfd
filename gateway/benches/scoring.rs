//! Windows a second of the model as the gateway runs it (blocks decoded, windows kept, scores judged, signals made),
//! against the same session called bare with windows that lie ready, in the same run.
//!
//! `cargo bench -p gateway --bench scoring [-- POINTS]`

use contract::{DeviceId, PointName, Quality, SiteId, Timestamp};
use gateway::detect::onnx::{Binding, Scoring};
use gateway::ingest::dictionary::{Dictionary, Point, PointKey};
use gateway::ingest::record::{DataHead, Encoder, Sample};
use models::{Engine, RuntimePath};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const T0: i64 = 1_795_572_000_000;
/// ms between two readings of a point; every one of them is due.
const EVERY: i64 = 60_000;
/// Samples of each point before windows are whole.
const WARM: i64 = 1_100;
const LASTS: Duration = Duration::from_secs(10);
/// Readings in one block.
const BLOCK: usize = 1_000;

fn main() -> anyhow::Result<()> {
    let points = std::env::args()
        .filter_map(|a| a.parse().ok())
        .next()
        .unwrap_or(1_000usize);
    let catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/catalogue.toml");
    let engine = Engine::open(&catalogue, "forecaster", &RuntimePath(None))?;
    let dictionary = Dictionary::default();
    let keys: Vec<PointKey> = (0..points)
        .map(|n| Ok(dictionary.intern(point(n)?).0))
        .collect::<anyhow::Result<_>>()?;
    let binding = Binding {
        points: ["value".to_owned()].into(),
        interval_ms: EVERY,
    };
    let mut scoring = Scoring::new(engine, binding, dictionary);
    for step in 0..WARM {
        for body in blocks(&keys, step) {
            black_box(scoring.take(step as u64, &body));
        }
    }
    let (mut windows, mut busy, mut step) = (0u64, Duration::ZERO, WARM);
    while busy < LASTS {
        let bodies = blocks(&keys, step);
        let begin = Instant::now();
        for body in &bodies {
            black_box(scoring.take(step as u64, body));
        }
        busy += begin.elapsed();
        windows += keys.len() as u64;
        step += 1;
    }
    let inside = windows as f64 / busy.as_secs_f64();
    let (begin, mut windows) = (Instant::now(), 0);
    while begin.elapsed() < LASTS {
        windows += scoring.engine().run_assembled()?.len();
    }
    let bare = windows as f64 / begin.elapsed().as_secs_f64();
    println!(
        "{points} points: inside the gateway {inside:.0} windows/s, bare session {bare:.0} windows/s, share {:.1} %",
        100.0 * inside / bare
    );
    Ok(())
}

fn point(n: usize) -> anyhow::Result<Point> {
    Ok(Point {
        site: SiteId::new("s")?,
        agent: None,
        device: DeviceId::new(format!("d{n}"))?,
        name: PointName::new("value")?,
        unit: String::new(),
        factor: String::new(),
        every_ms: None,
    })
}

/// One reading of each point, in blocks as the journal has them.
fn blocks(keys: &[PointKey], step: i64) -> Vec<Vec<u8>> {
    let at_ms = T0 + step * EVERY;
    let now = Timestamp::from_millis(at_ms);
    let head = DataHead {
        is_historical: false,
        is_plain: false,
        received_at: now,
        edge_at: now,
        sequence: 0,
    };
    let sample = |key: &PointKey| Sample {
        point: *key,
        at_ms,
        value: (f64::from(key.0) * 0.1 + step as f64 * 0.05).sin(),
        quality: Quality::Good,
    };
    keys.chunks(BLOCK)
        .map(|keys| {
            let mut encoder = Encoder::default();
            for message in keys.chunks(20) {
                let samples: Vec<Sample> = message.iter().map(sample).collect();
                encoder.data(head, &samples);
            }
            encoder.finish().0
        })
        .collect()
}
