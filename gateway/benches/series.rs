//! What a reading costs in the series store, against plain rows of SQLite in the same run.
//!
//! `cargo bench -p gateway --bench series [-- READINGS]`

use contract::{Quality, Timestamp};
use gateway::ingest::dictionary::PointKey;
use gateway::ingest::record::{DataHead, Encoder, Entry, Sample, entries};
use gateway::metrics::Metrics;
use gateway::series::embedded::{Embedded, Options};
use journal::{Journal, Staged};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BLOCK: usize = 10_000;
const T0: i64 = 1_795_000_000_000;

fn main() -> anyhow::Result<()> {
    let readings = std::env::args()
        .filter_map(|a| a.parse().ok())
        .next()
        .unwrap_or(10_000_000);
    for (points, jitter, what) in [
        (2_000, 0, "even times"),
        (2_000, 5, "jittered times"),
        (50_000, 5, "jittered times"),
    ] {
        one(readings, points, jitter, what)?;
    }
    Ok(())
}

fn one(readings: usize, points: usize, jitter: i64, what: &str) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let journal = Journal::open(&dir.path().join("journal.db"), journal::Options::default())?;
    let bodies = fill(&journal, readings, points, jitter);

    let rows = readings.min(1_000_000);
    let plain = plain_rows(&dir.path().join("plain.db"), &bodies[..rows / BLOCK])?;

    let cpu = thread_cpu_of("series");
    anyhow::ensure!(cpu.is_none(), "another series thread runs");
    let begun = Instant::now();
    let options = Options::new(dir.path().join("series.db"));
    let (store, following) = Embedded::start(options, &journal, Arc::new(Metrics::default()))?;
    while store.stored_total() < readings as u64 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let cpu = thread_cpu_of("series").unwrap_or_default();
    let taken = begun.elapsed();
    following.stop();
    let stopped = begun.elapsed();
    let bytes = std::fs::metadata(dir.path().join("series.db"))?.len();

    let counted = Instant::now();
    anyhow::ensure!(store.count()? == readings as u64, "the count is wrong");
    let counted = counted.elapsed();
    let (from, to) = (Timestamp::from_millis(T0), Timestamp::from_millis(i64::MAX));
    let last = store.last(PointKey(7))?.map_or(from, |r| r.at);
    let asked = Instant::now();
    let buckets = store.buckets(PointKey(7), from, last, 100)?.len();
    let asked = asked.elapsed();
    let raw = Instant::now();
    let n = store.raw(PointKey(7), from, to, usize::MAX)?.len();
    let raw = raw.elapsed();

    let each = |time: Duration, n: usize| time.as_secs_f64() * 1e6 / n as f64;
    println!("{readings} readings, {points} points, {what}");
    println!(
        "  taken in          {:.3} us/reading wall, {:.3} us/reading CPU of the series thread (10 ms ticks)",
        each(taken, readings),
        each(cpu, readings)
    );
    println!(
        "  and stopped       {:.3} us/reading wall: {:.0} readings/s",
        each(stopped, readings),
        readings as f64 / stopped.as_secs_f64()
    );
    println!(
        "  plain rows        {:.3} us/reading wall; ratio {:.1}",
        each(plain, rows),
        each(plain, rows) / each(stopped, readings)
    );
    println!(
        "  file              {:.2} bytes/reading",
        bytes as f64 / readings as f64
    );
    println!(
        "  count (real scan) {:.0} ms; {buckets} buckets {:.2} ms; raw {n} readings {:.2} ms",
        counted.as_secs_f64() * 1e3,
        asked.as_secs_f64() * 1e3,
        raw.as_secs_f64() * 1e3
    );
    Ok(())
}

fn fill(journal: &Journal, readings: usize, points: usize, jitter: i64) -> Vec<Vec<u8>> {
    let now = Timestamp::from_millis(T0);
    let head = DataHead {
        is_historical: false,
        is_plain: false,
        received_at: now,
        edge_at: now,
        sequence: 0,
    };
    let mut noise = 1u64;
    let mut bodies = Vec::new();
    let mut samples = Vec::with_capacity(20);
    for block in 0..readings / BLOCK {
        let mut encoder = Encoder::default();
        for i in block * BLOCK..(block + 1) * BLOCK {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let (point, round) = (i % points, (i / points) as i64);
            let level =
                ((round as f64 / 60.0).sin() * 80.0 + 200.0).round() as i64 + (noise >> 60) as i64;
            samples.push(Sample {
                point: PointKey(point as u32),
                at_ms: T0
                    + round * 1000
                    + if jitter > 0 {
                        (noise >> 33) as i64 % jitter
                    } else {
                        0
                    },
                value: level as f64 / 10.0,
                quality: Quality::Good,
            });
            if samples.len() == 20 {
                encoder.data(head, &samples);
                samples.clear();
            }
        }
        let (body, count) = encoder.finish();
        bodies.push(body.clone());
        let staged = Staged {
            at_ms: T0,
            count,
            body,
            notes: Vec::new(),
        };
        journal
            .append_blocking(staged)
            .expect("the journal takes the block");
    }
    bodies
}

/// What one would write first: a table (point, time, value, quality), a transaction per block.
fn plain_rows(path: &Path, bodies: &[Vec<u8>]) -> anyhow::Result<Duration> {
    let mut connection = rusqlite::Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
         CREATE TABLE reading (point INTEGER, at INTEGER, value REAL, quality INTEGER, PRIMARY KEY (point, at)) WITHOUT ROWID;",
    )?;
    let begun = Instant::now();
    for body in bodies {
        let transaction = connection.transaction()?;
        let mut insert =
            transaction.prepare_cached("INSERT OR REPLACE INTO reading VALUES (?1, ?2, ?3, ?4)")?;
        for entry in entries(body) {
            let Entry::Data(_, samples) = entry? else {
                continue;
            };
            for s in samples {
                insert.execute(rusqlite::params![
                    s.point.0,
                    s.at_ms,
                    s.value,
                    s.quality.code()
                ])?;
            }
        }
        drop(insert);
        transaction.commit()?;
    }
    Ok(begun.elapsed())
}

/// CPU time of this process's thread of that name, from /proc, in ticks of 10 ms.
fn thread_cpu_of(name: &str) -> Option<Duration> {
    for task in std::fs::read_dir("/proc/self/task").ok()?.flatten() {
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        let (head, rest) = stat.rsplit_once(") ")?;
        if head.ends_with(&format!("({name}")) {
            let fields: Vec<u64> = rest.split(' ').map(|f| f.parse().unwrap_or(0)).collect();
            return Some(Duration::from_millis(10 * (fields[11] + fields[12])));
        }
    }
    None
}
