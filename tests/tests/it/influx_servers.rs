//! Promise: what the gateway writes, real servers store: InfluxDB 1.6.7 behind a v2 path, and VictoriaMetrics.

use contract::problems::Problems;
use contract::{Absence, DeviceId, Doubt, PointName, Quality, SiteId, Timestamp};
use gateway::ingest::dictionary::{Dictionary, Point, PointKey};
use gateway::ingest::record::{DataHead, Encoder, Sample};
use gateway::metrics::Metrics;
use gateway::series::{self, Config, Running, influx};
use journal::{Journal, Seq, Staged};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::servers::{INFLUX_BUCKET, INFLUX_TOKEN, Influx, Victoria};

const T0: i64 = 1_795_000_000_000;

fn start(
    dir: &Path,
    store: &str,
    url: &str,
    journal: &Journal,
    dictionary: &Dictionary,
) -> Running {
    let token = dir.join("token");
    std::fs::write(&token, INFLUX_TOKEN).unwrap();
    let text = format!(
        "store = \"{store}\"\n[influx]\nurl = \"{url}\"\norg = \"o\"\nbucket = \"{INFLUX_BUCKET}\"\ntoken_file = {token:?}\n"
    );
    let config: Config = toml::from_str(&text).unwrap();
    let mut problems = Problems::new();
    let plan = config.resolve(dir, &mut problems);
    assert!(problems.is_empty(), "{problems}");
    series::start(plan, journal, dictionary, &Arc::new(Metrics::default())).unwrap()
}

fn point(dictionary: &Dictionary, name: &str) -> PointKey {
    let point = Point {
        site: SiteId::new("厂房 一号").unwrap(),
        agent: None,
        device: DeviceId::new("it's cold").unwrap(),
        name: PointName::new(name).unwrap(),
        unit: "℃".into(),
        factor: String::new(),
        every_ms: None,
    };
    dictionary.intern(point).0
}

async fn append(journal: &Journal, samples: &[Sample]) -> Seq {
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
    let (body, count) = encoder.finish();
    let staged = Staged {
        at_ms: T0,
        count,
        body,
        notes: Vec::new(),
    };
    journal.append(staged).await.unwrap().seq
}

fn sample(point: PointKey, i: i64) -> Sample {
    let quality = match i % 17 {
        5 => Quality::Missing(Absence::NoAnswer),
        9 => Quality::Suspect(Doubt::OutOfRange),
        _ => Quality::Good,
    };
    let value = match quality {
        Quality::Missing(_) => f64::NAN,
        _ => (i as f64).sin() * 1e3,
    };
    Sample {
        point,
        at_ms: T0 + i * 250,
        value,
        quality,
    }
}

async fn wait_for_cursor(journal: &Journal, seq: Seq) {
    let limit = Instant::now() + Duration::from_secs(120);
    while journal.cursor(influx::CURSOR).unwrap() < seq {
        assert!(Instant::now() < limit, "the server never took everything");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn influxdb_answers_what_the_embedded_store_answers() {
    let Some(server) = Influx::start().unwrap() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let journal =
        Journal::open(&dir.path().join("journal.db"), journal::Options::default()).unwrap();
    let dictionary = Dictionary::default();
    let keys = [
        point(&dictionary, "temp"),
        point(&dictionary, "p' OR 'a'='a'".replace('=', "~").as_str()),
    ];
    let beside = start(dir.path(), "embedded", &server.url(), &journal, &dictionary);
    let mut seq = Seq(0);
    for i in 0..40 {
        let samples: Vec<Sample> = (i * 100..i * 100 + 100)
            .map(|i| sample(keys[i as usize % 2], i))
            .collect();
        seq = append(&journal, &samples).await;
    }
    seq = append(&journal, &[sample(keys[0], 8), sample(keys[0], 4004)])
        .await
        .max(seq); // one repeated
    wait_for_cursor(&journal, seq).await;

    let other = tempfile::tempdir().unwrap();
    let instead = start(other.path(), "influx", &server.url(), &journal, &dictionary);
    let (a, b) = (&beside.series, &instead.series);
    assert_eq!(a.count().await.unwrap(), 4001);
    assert_eq!(b.count().await.unwrap(), 4001);
    for key in keys {
        let (from, to) = (
            Timestamp::from_millis(T0 + 1000),
            Timestamp::from_millis(T0 + 777_777),
        );
        assert_eq!(a.last(key).await.unwrap(), b.last(key).await.unwrap());
        assert_eq!(
            a.times(key, from).await.unwrap(),
            b.times(key, from).await.unwrap()
        );
        let (raw_a, raw_b) = (
            a.raw(key, from, to, 700).await.unwrap(),
            b.raw(key, from, to, 700).await.unwrap(),
        );
        assert_eq!(raw_a.len(), 700);
        assert_eq!(raw_a, raw_b);
        let (buckets_a, buckets_b) = (
            a.buckets(key, from, to, 37).await.unwrap(),
            b.buckets(key, from, to, 37).await.unwrap(),
        );
        assert_eq!(buckets_a.len(), buckets_b.len());
        for (x, y) in buckets_a.iter().zip(&buckets_b) {
            assert_eq!(
                (x.at, x.min, x.max, x.n, x.suspect, x.missing),
                (y.at, y.min, y.max, y.n, y.suspect, y.missing)
            );
            let difference = x.mean.unwrap_or(0.0) - y.mean.unwrap_or(0.0);
            assert!(difference.abs() < 1e-9, "{x:?} {y:?}");
        }
    }
    beside.stop().await;
    instead.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_influxd_in_the_stream_loses_and_doubles_nothing() {
    let Some(mut server) = Influx::start().unwrap() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let journal =
        Journal::open(&dir.path().join("journal.db"), journal::Options::default()).unwrap();
    let dictionary = Dictionary::default();
    let key = point(&dictionary, "temp");
    let running = start(dir.path(), "embedded", &server.url(), &journal, &dictionary);
    let mut seq = Seq(0);
    let mut expected = BTreeMap::new();
    for i in 0..300 {
        let samples: Vec<Sample> = (i * 20..i * 20 + 20).map(|i| sample(key, i)).collect();
        expected.extend(samples.iter().map(|s| (s.at_ms, s.quality)));
        seq = append(&journal, &samples).await;
        if i % 100 == 50 {
            wait_for_cursor(&journal, Seq(seq.0 / 2)).await;
            server.kill();
        }
        if i % 100 == 80 {
            server.restart().unwrap();
        }
    }
    wait_for_cursor(&journal, seq).await;
    running.stop().await;

    let other = tempfile::tempdir().unwrap();
    let instead = start(other.path(), "influx", &server.url(), &journal, &dictionary);
    let (from, to) = (
        Timestamp::from_millis(T0),
        Timestamp::from_millis(T0 + 100_000_000),
    );
    let stored = instead.series.raw(key, from, to, usize::MAX).await.unwrap();
    let stored: Vec<_> = stored
        .iter()
        .map(|r| (r.at.as_millis(), r.quality))
        .collect();
    assert_eq!(stored, expected.into_iter().collect::<Vec<_>>());
    instead.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn victoriametrics_stores_the_same_values_and_times() {
    let Some(server) = Victoria::start().unwrap() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let journal =
        Journal::open(&dir.path().join("journal.db"), journal::Options::default()).unwrap();
    let dictionary = Dictionary::default();
    let key = point(&dictionary, "temp");
    let running = start(dir.path(), "embedded", &server.url(), &journal, &dictionary);
    let samples: Vec<Sample> = (0..2000).map(|i| sample(key, i)).collect();
    let seq = append(&journal, &samples).await;
    wait_for_cursor(&journal, seq).await;
    running.stop().await;
    let export = server.export("reading_value").unwrap();
    let mut stored = BTreeMap::new();
    for line in export.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["metric"]["site"], "厂房 一号");
        assert_eq!(line["metric"]["device"], "it's cold");
        let (times, values) = (
            line["timestamps"].as_array().unwrap(),
            line["values"].as_array().unwrap(),
        );
        for (at, value) in times.iter().zip(values) {
            let doubled = stored.insert(at.as_i64().unwrap(), value.as_f64().unwrap());
            assert!(doubled.is_none());
        }
    }
    let with_value = samples
        .iter()
        .filter(|s| !matches!(s.quality, Quality::Missing(_)));
    let expected: BTreeMap<i64, f64> = with_value.map(|s| (s.at_ms, s.value)).collect();
    assert_eq!(stored.len(), expected.len());
    for ((at, value), (expected_at, expected)) in stored.iter().zip(&expected) {
        assert_eq!(at, expected_at);
        // VictoriaMetrics keeps decimal mantissas of about 15 digits.
        assert!(
            (value - expected).abs() <= 1e-12 * expected.abs(),
            "{value} {expected}"
        );
    }
}
