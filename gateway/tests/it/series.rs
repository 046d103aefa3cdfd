//! Promise: the embedded series store answers like a map of (point, time), through stops and kill -9.
//!
//! It is checked against a tiny model: random readings, stops, and kill -9.

use contract::{Absence, Doubt, Quality, Timestamp};
use gateway::ingest::dictionary::PointKey;
use gateway::ingest::record::{DataHead, Encoder, Entry, Sample, entries};
use gateway::metrics::Metrics;
use gateway::series::embedded::{Embedded, Following, Options, State, StoredReading};
use journal::{Journal, Seq, Staged};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const T0: i64 = 1_795_000_000_000;

/// A small generator, so that a failing seed can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn body(samples: &[Sample]) -> (Vec<u8>, u64) {
    let now = Timestamp::from_millis(T0);
    let head = DataHead {
        is_historical: false,
        is_plain: false,
        received_at: now,
        edge_at: now,
        sequence: 0,
    };
    let mut encoder = Encoder::default();
    encoder.data(head, samples);
    encoder.finish()
}

fn append(journal: &Journal, samples: &[Sample]) -> Seq {
    let (body, count) = body(samples);
    let staged = Staged {
        at_ms: T0,
        count,
        body,
        notes: Vec::new(),
    };
    journal.append_blocking(staged).unwrap().seq
}

fn options(dir: &Path) -> Options {
    Options {
        chunk_readings: 40,
        checkpoint_readings: 700,
        checkpoint_every: Duration::from_millis(20),
        ..Options::new(dir.join("series.db"))
    }
}

fn start(dir: &Path, journal: &Journal) -> (Embedded, Following) {
    Embedded::start(options(dir), journal, Arc::new(Metrics::default())).unwrap()
}

#[track_caller]
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < limit, "waited too long for: {what}");
        std::thread::yield_now();
    }
}

fn sample(random: &mut Random, point: u32, clock: i64) -> Sample {
    let at_ms = match random.below(20) {
        0 => clock - random.below(100_000) as i64, // late
        1 => clock - 1000,                         // seen before
        _ => clock,
    };
    let quality = match random.below(15) {
        0 => Quality::Missing(Absence::NoAnswer),
        1 => Quality::Suspect(Doubt::OutOfRange),
        _ => Quality::Good,
    };
    let value = match quality {
        Quality::Missing(_) => f64::NAN,
        _ if point.is_multiple_of(2) => random.below(1000) as f64 / 10.0,
        _ => (random.below(1 << 30) as f64).sqrt(),
    };
    Sample {
        point: PointKey(point),
        at_ms,
        value,
        quality,
    }
}

type Kept<'a> = (&'a (u32, i64), &'a (u64, Quality));
type Model = BTreeMap<(u32, i64), (u64, Quality)>;

fn remember(model: &mut Model, sample: &Sample) {
    model.insert(
        (sample.point.0, sample.at_ms),
        (sample.value.to_bits(), sample.quality),
    );
}

fn same(reading: &StoredReading, at: i64, bits: u64, quality: Quality) -> bool {
    let value = match quality {
        Quality::Missing(_) => reading.value.is_none(),
        _ => reading.value.map(f64::to_bits) == Some(bits),
    };
    value && reading.at.as_millis() == at && reading.quality == quality
}

/// Everything the store answers must be what the model says.
#[track_caller]
fn check(store: &Embedded, model: &Model, points: u32, random: &mut Random) {
    assert_eq!(store.count().unwrap(), model.len() as u64, "count");
    for point in 0..points {
        let key = PointKey(point);
        let (from, to) = match random.below(3) {
            0 => (i64::MIN, i64::MAX),
            _ => {
                let from = T0 + random.below(200_000) as i64;
                (from, from + random.below(300_000) as i64)
            }
        };
        let expected: Vec<_> = model.range((point, from)..(point, to)).collect();
        let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(to));
        let limit = 1 + random.below(2000) as usize;
        let raw = store.raw(key, from, to, limit).unwrap();
        assert_eq!(
            raw.len(),
            expected.len().min(limit),
            "point {point} {from} {to} {limit}"
        );
        for (reading, ((_, at), (bits, quality))) in raw.iter().zip(&expected) {
            assert!(
                same(reading, *at, *bits, *quality),
                "{reading:?} is not {at} {quality:?}"
            );
        }
        let times = store.times(key, from).unwrap();
        assert_eq!(
            times.len(),
            model
                .range((point, from.as_millis())..(point + 1, i64::MIN))
                .count()
        );
        let last = store.last(key).unwrap();
        let newest = model
            .range((point, i64::MIN)..(point + 1, i64::MIN))
            .next_back();
        let at = newest.map(|((_, at), _)| Timestamp::from_millis(*at));
        assert_eq!(store.newest(&[key]).unwrap(), [at]);
        match (last, newest) {
            (None, None) => {}
            (Some(last), Some(((_, at), (bits, quality)))) => {
                assert!(same(&last, *at, *bits, *quality))
            }
            (last, newest) => panic!("{last:?} is not {newest:?}"),
        }
        let buckets = store
            .buckets(key, from, to, 1 + random.below(40) as usize)
            .unwrap();
        check_buckets(&buckets, &expected, to.as_millis());
    }
}

#[track_caller]
fn check_buckets(buckets: &[gateway::series::embedded::Bucket], expected: &[Kept<'_>], to: i64) {
    let mut seen = 0;
    for (index, bucket) in buckets.iter().enumerate() {
        let end = buckets
            .get(index + 1)
            .map_or(to, |next| next.at.as_millis());
        let within: Vec<_> = expected
            .iter()
            .filter(|((_, at), _)| *at >= bucket.at.as_millis() && *at < end)
            .collect();
        seen += within.len();
        let values: Vec<f64> = within
            .iter()
            .filter(|(_, (_, quality))| !matches!(quality, Quality::Missing(_)))
            .map(|(_, (bits, _))| f64::from_bits(*bits))
            .collect();
        assert_eq!(bucket.n, values.len() as u64);
        assert_eq!(bucket.missing, (within.len() - values.len()) as u64);
        assert_eq!(bucket.min, values.iter().copied().reduce(f64::min));
        assert_eq!(bucket.max, values.iter().copied().reduce(f64::max));
        if let Some(mean) = bucket.mean {
            let expected = values.iter().sum::<f64>() / values.len() as f64;
            assert!((mean - expected).abs() <= 1e-9 * expected.abs().max(1.0));
        }
    }
    assert_eq!(seen, expected.len(), "every reading is in one bucket");
}

#[test]
fn random_readings_and_stops_give_what_a_map_gives() {
    for seed in [1, 2, 3, 77] {
        println!("seed {seed}");
        let mut random = Random(seed);
        let dir = tempfile::tempdir().unwrap();
        let journal =
            Journal::open(&dir.path().join("journal.db"), journal::Options::small()).unwrap();
        let mut model = Model::new();
        let points = 7;
        let mut clock = T0;
        for _ in 0..5 {
            let (store, following) = start(dir.path(), &journal);
            let mut last = Seq(0);
            for _ in 0..60 {
                clock += 1000;
                let samples: Vec<Sample> = (0..1 + random.below(30))
                    .map(|i| sample(&mut random, i as u32 % points, clock + i as i64 / 7))
                    .collect();
                samples.iter().for_each(|s| remember(&mut model, s));
                last = append(&journal, &samples);
                if random.below(8) == 0 {
                    wait_for("the block", || store.progress().cursor == last.0);
                    check(&store, &model, points, &mut random);
                }
            }
            if random.below(2) == 0 {
                wait_for("the last block", || store.progress().cursor == last.0);
                check(&store, &model, points, &mut random);
            }
            following.stop();
        }
    }
}

#[test]
fn an_absence_is_answered_with_its_reason_within_a_second_of_the_commit() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal.db"), journal::Options::small()).unwrap();
    let (store, following) = start(dir.path(), &journal);
    let quality = Quality::Missing(Absence::NoConnection);
    append(
        &journal,
        &[Sample {
            point: PointKey(3),
            at_ms: T0,
            value: f64::NAN,
            quality,
        }],
    );
    let committed = Instant::now();
    wait_for("the absence", || store.last(PointKey(3)).unwrap().is_some());
    assert!(committed.elapsed() < Duration::from_secs(1));
    let last = store.last(PointKey(3)).unwrap().unwrap();
    assert_eq!((last.value, last.quality), (None, quality));
    following.stop();
}

#[test]
fn a_store_that_is_ahead_of_its_journal_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal.db"), journal::Options::small()).unwrap();
    let (store, following) = start(dir.path(), &journal);
    let seq = append(
        &journal,
        &[Sample {
            point: PointKey(0),
            at_ms: T0,
            value: 1.0,
            quality: Quality::Good,
        }],
    );
    wait_for("the block", || store.progress().cursor == seq.0);
    following.stop();
    let other = Journal::open(&dir.path().join("other.db"), journal::Options::small()).unwrap();
    let refused = Embedded::start(options(dir.path()), &other, Arc::default()).unwrap_err();
    assert!(
        refused.to_string().contains("another or an older journal"),
        "{refused}"
    );
}

const CHILD: &str = "ONEDOOR_TEST_SERIES_CHILD";

/// Not a test of its own: the process that the next test kills. Does nothing when run with the others.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Ok(dir) = std::env::var(CHILD) else {
        return;
    };
    let dir = Path::new(&dir);
    let journal = Journal::open(&dir.join("journal.db"), journal::Options::small()).unwrap();
    let (_store, _following) = start(dir, &journal);
    let mut random = Random(journal.head().0.0);
    let mut clock = T0 + journal.head().0.0 as i64 * 1000;
    loop {
        clock += 1000;
        let samples: Vec<Sample> = (0..40)
            .map(|i| sample(&mut random, i % 5, clock + i64::from(i) * 3))
            .collect();
        println!("\nblock {}", append(&journal, &samples).0);
    }
}

#[test]
fn kill_9_at_any_moment_doubles_nothing_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(std::process::id().into());
    println!("seed {}", std::process::id());
    for _ in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "series::child_that_appends_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let blocks = 20 + random.below(150) as usize;
        let appended = lines
            .map_while(Result::ok)
            .filter(|line| line.starts_with("block "));
        assert_eq!(
            appended.take(blocks).count(),
            blocks,
            "the child ended by itself"
        );
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let journal = Journal::open(&dir.path().join("journal.db"), journal::Options::small()).unwrap();
    let mut model = Model::new();
    let mut readings = 0;
    let head = journal.head().0;
    let mut follower = journal.follow(Seq(1));
    while follower.position() <= head {
        let block = follower
            .next_blocking(Duration::from_secs(10))
            .unwrap()
            .unwrap();
        for entry in entries(&block.body) {
            let Entry::Data(_, samples) = entry.unwrap() else {
                continue;
            };
            for sample in samples {
                readings += 1;
                remember(&mut model, &sample);
            }
        }
    }
    let (store, following) = start(dir.path(), &journal);
    wait_for("the store to have all blocks", || {
        store.progress().cursor == head.0
    });
    assert_eq!(
        store.stored_total(),
        readings,
        "each block was taken in exactly once"
    );
    check(&store, &model, 5, &mut random);
    following.stop();
}

fn good(point: u32, at_ms: i64) -> Sample {
    Sample {
        point: PointKey(point),
        at_ms,
        value: at_ms as f64,
        quality: Quality::Good,
    }
}

#[test]
fn a_query_in_the_middle_of_checkpoints_sees_each_reading_in_one_place() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal.db"), journal::Options::small()).unwrap();
    let (store, following) = start(dir.path(), &journal);
    let asking = {
        let store = store.clone();
        std::thread::spawn(move || {
            let (from, to) = (
                Timestamp::from_millis(T0),
                Timestamp::from_millis(T0 + 100_000_000),
            );
            let mut seen = 0;
            while seen < 20_000 {
                let buckets = store.buckets(PointKey(1), from, to, 3).unwrap();
                let now = buckets.iter().map(|b| b.n).sum::<u64>();
                assert!(now >= seen, "{seen} readings became {now}");
                assert!(now <= 20_000, "{now} readings of 20000");
                seen = now;
            }
        })
    };
    for block in 0..200 {
        let samples: Vec<Sample> = (0..100).map(|i| good(1, T0 + block * 100 + i)).collect();
        append(&journal, &samples);
    }
    asking.join().unwrap();
    following.stop();
    let durable = journal.cursor(gateway::series::embedded::CURSOR).unwrap();
    assert_eq!(
        durable,
        journal.head().0,
        "the journal is told what is durable"
    );
}

#[test]
fn a_store_that_cannot_be_written_says_so_takes_nothing_more_in_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal.db"), journal::Options::small()).unwrap();
    let (store, following) = start(dir.path(), &journal);
    let other = rusqlite::Connection::open(dir.path().join("series.db")).unwrap();
    let refuse =
        "CREATE TRIGGER refuse BEFORE INSERT ON open BEGIN SELECT RAISE(ABORT, 'no room'); END";
    other.execute_batch(refuse).unwrap();
    append(&journal, &[good(0, T0)]);
    wait_for(
        "the state",
        || matches!(store.state(), State::Stalled(why) if why.contains("no room")),
    );
    let taken = store.progress().cursor;
    let head = append(&journal, &[good(0, T0 + 1)]);
    assert_eq!(store.progress().cursor, taken);
    assert_eq!(
        store.count().unwrap(),
        taken,
        "what was taken in is still answered"
    );
    other.execute_batch("DROP TRIGGER refuse").unwrap();
    wait_for("the second block", || store.progress().cursor == head.0);
    wait_for("the state", || store.state() == State::Following);
    assert_eq!(store.count().unwrap(), 2);
    following.stop();
}

#[test]
fn retention_deletes_old_chunks_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal.db"), journal::Options::small()).unwrap();
    let (store, following) = start(dir.path(), &journal);
    let now = Timestamp::now().as_millis();
    let old: Vec<Sample> = (0..100)
        .map(|i| good(0, now - 40 * 86_400_000 + i))
        .collect();
    let new: Vec<Sample> = (0..100).map(|i| good(0, now + i)).collect();
    append(&journal, &old);
    let head = append(&journal, &new);
    wait_for("the blocks", || store.progress().cursor == head.0);
    assert_eq!(store.count().unwrap(), 200);
    following.stop();
    let options = Options {
        keep: Some(Duration::from_secs(30 * 86_400)),
        ..options(dir.path())
    };
    let (store, following) = Embedded::start(options, &journal, Arc::default()).unwrap();
    // The chunk in which old and new meet stays as long as its newest reading does.
    wait_for("the old chunks to go", || store.count().unwrap() < 200);
    let times = store
        .times(PointKey(0), Timestamp::from_millis(i64::MIN))
        .unwrap();
    assert!(times.len() < 140 && times.len() >= 100, "{}", times.len());
    assert_eq!(times.iter().filter(|at| at.as_millis() >= now).count(), 100);
    following.stop();
}
