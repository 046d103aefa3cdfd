//! Promise: whatever a server behind InfluxDB's write address answers, each reading gets there in order or is set
//! aside with the answer.
//!
//! The server here is a stub that produces what no real server produces on demand.

use axum::body::Bytes;
use axum::extract::State as Extract;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use contract::problems::Problems;
use contract::{Absence, DeviceId, PointName, Quality, SiteId, Timestamp};
use gateway::ingest::dictionary::{Dictionary, Point, PointKey};
use gateway::ingest::record::{DataHead, Encoder, Sample};
use gateway::metrics::Metrics;
use gateway::series::influx::{Backoff, CURSOR, Influx, InfluxConfig, Quarantine, State, Writing};
use journal::{Journal, Seq, Staged};
use std::collections::VecDeque;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const T0: i64 = 1_795_000_000_000;

/// What the stub does with the next request instead of storing it.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Status(u16),
    RetryAfter(u16, u64),
    /// Stores, and then never answers: the client cannot know.
    StoreAndHang,
    Hang,
}

#[derive(Default)]
struct Stub {
    faults: Mutex<VecDeque<Fault>>,
    /// Every line stored, in order, repeats included.
    stored: Mutex<Vec<String>>,
    requests: Mutex<Vec<(Instant, u16)>>,
    /// Lines with this text make the whole batch refused, with this status.
    poison: Mutex<Option<(String, u16)>>,
    token: Mutex<String>,
    lines_max: Mutex<Option<usize>>,
}

impl Stub {
    async fn start() -> (Arc<Self>, String) {
        let stub = Arc::new(Stub::default());
        *stub.token.lock().unwrap() = "right".into();
        let router = axum::Router::new()
            .route("/api/v2/write", axum::routing::post(write))
            .with_state(stub.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (stub, url)
    }

    fn stored(&self) -> Vec<String> {
        self.stored.lock().unwrap().clone()
    }

    fn answer(&self, code: u16, text: &str) -> Response {
        self.requests.lock().unwrap().push((Instant::now(), code));
        (StatusCode::from_u16(code).unwrap(), text.to_owned()).into_response()
    }
}

async fn write(
    Extract(stub): Extract<Arc<Stub>>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    assert_eq!(uri.query(), Some("org=o%20g&bucket=b&precision=ms"));
    let fault = stub.faults.lock().unwrap().pop_front();
    match fault {
        Some(Fault::Status(code)) => return stub.answer(code, "as told"),
        Some(Fault::RetryAfter(code, seconds)) => {
            let answer = stub.answer(code, "slow down");
            return ([("retry-after", seconds.to_string())], answer).into_response();
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::StoreAndHang) | None => {}
    }
    if headers["authorization"] != format!("Token {}", stub.token.lock().unwrap()) {
        return stub.answer(401, "unauthorized access");
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(&body[..])
        .read_to_string(&mut text)
        .unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if stub
        .lines_max
        .lock()
        .unwrap()
        .is_some_and(|max| lines.len() > max)
    {
        return stub.answer(413, "too large");
    }
    if let Some((poison, code)) = &*stub.poison.lock().unwrap()
        && lines.iter().any(|line| line.contains(poison.as_str()))
    {
        return stub.answer(*code, "unable to parse");
    }
    stub.stored.lock().unwrap().extend(lines);
    if matches!(fault, Some(Fault::StoreAndHang)) {
        std::future::pending().await
    }
    stub.answer(204, "")
}

struct World {
    dir: tempfile::TempDir,
    journal: Journal,
    dictionary: Dictionary,
    metrics: Arc<Metrics>,
    stub: Arc<Stub>,
    url: String,
    expected: Vec<String>,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "right\n").unwrap();
        let (stub, url) = Stub::start().await;
        World {
            journal: Journal::open(&dir.path().join("journal.db"), journal::Options::small())
                .unwrap(),
            dir,
            dictionary: Dictionary::default(),
            metrics: Arc::default(),
            stub,
            url,
            expected: Vec::new(),
        }
    }

    fn config(&self) -> Influx {
        let config = InfluxConfig {
            url: self.url.clone(),
            org: "o g".into(),
            bucket: "b".into(),
            token_file: Some(self.dir.path().join("token")),
            measurement: None,
            timeout_seconds: Some(1),
        };
        let mut problems = Problems::new();
        let influx = config.resolve(self.dir.path(), &mut problems);
        assert!(problems.is_empty(), "{problems}");
        let backoff = Backoff {
            first: Duration::from_millis(5),
            longest: Duration::from_millis(50),
        };
        Influx { backoff, ..influx }
    }

    fn start(&self) -> Writing {
        Writing::start(
            self.config(),
            &self.journal,
            self.dictionary.clone(),
            self.metrics.clone(),
        )
        .unwrap()
    }

    fn point(&self, site: &str, device: &str, name: &str) -> PointKey {
        let point = Point {
            site: SiteId::new(site).unwrap(),
            agent: None,
            device: DeviceId::new(device).unwrap(),
            name: PointName::new(name).unwrap(),
            unit: "℃".into(),
            factor: String::new(),
            every_ms: None,
        };
        self.dictionary.intern(point).0
    }

    /// Appends readings of point `name`, values `from..to`, and remembers the lines they must become.
    async fn append(&mut self, name: &str, range: std::ops::Range<i64>) -> Seq {
        let point = self.point("厂 一", "cold room", name);
        let samples: Vec<Sample> = range
            .map(|i| Sample {
                point,
                at_ms: T0 + i,
                value: i as f64 / 4.0,
                quality: Quality::Good,
            })
            .collect();
        for s in &samples {
            let line = format!(
                "reading,device=cold\\ room,point={name},site=厂\\ 一 value={:?},quality=0i {}",
                s.value, s.at_ms
            );
            self.expected.push(line);
        }
        self.append_samples(&samples).await
    }

    async fn append_samples(&self, samples: &[Sample]) -> Seq {
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
        self.journal
            .append(Staged {
                at_ms: T0,
                count,
                body,
                notes: Vec::new(),
            })
            .await
            .unwrap()
            .seq
    }

    async fn wait_for_cursor(&self, seq: Seq) {
        wait_for("the influx cursor", || {
            self.journal.cursor(CURSOR).unwrap() == seq
        })
        .await;
    }
}

async fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < limit, "waited too long for: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn aside(dir: &Path) -> Vec<(String, String)> {
    let quarantine = Quarantine::open(&dir.join("influx-refused.db")).unwrap();
    quarantine
        .list(100)
        .unwrap()
        .into_iter()
        .map(|r| (r.line, r.answer))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_failures_delay_lines_and_change_nothing() {
    let mut world = World::new().await;
    world.stub.faults.lock().unwrap().extend([
        Fault::Status(503),
        Fault::Status(500),
        Fault::Status(429),
        Fault::Hang,
        Fault::Status(502),
    ]);
    let writing = world.start();
    let mut seq = Seq(0);
    for i in 0..20 {
        seq = world.append("temp", i * 10..i * 10 + 10).await;
    }
    world.wait_for_cursor(seq).await;
    assert_eq!(world.stub.stored(), world.expected);
    assert_eq!(world.metrics.influx_requests_failed_total.get(), 5);
    assert_eq!(world.metrics.influx_lines_written_total.get(), 200);
    assert_eq!(*writing.state().borrow(), State::Writing);
    writing.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_waited_for() {
    let mut world = World::new().await;
    world
        .stub
        .faults
        .lock()
        .unwrap()
        .push_back(Fault::RetryAfter(429, 1));
    let seq = world.append("temp", 0..3).await;
    let writing = world.start();
    world.wait_for_cursor(seq).await;
    let requests = world.stub.requests.lock().unwrap().clone();
    assert_eq!(requests.iter().map(|r| r.1).collect::<Vec<_>>(), [429, 204]);
    assert!(requests[1].0 - requests[0].0 >= Duration::from_millis(990));
    assert_eq!(world.stub.stored(), world.expected);
    writing.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_line_is_found_and_set_aside_with_the_answer_and_the_rest_goes_on() {
    for code in [400, 422, 413] {
        let mut world = World::new().await;
        let poisoned = format!(" {}", T0 + 333);
        *world.stub.poison.lock().unwrap() = Some((poisoned.clone(), code));
        world.append("temp", 0..500).await;
        let seq = world.append("temp", 500..1000).await;
        let writing = world.start();
        world.wait_for_cursor(seq).await;
        writing.stop().await;
        let (refused, kept): (Vec<_>, Vec<_>) = world
            .expected
            .iter()
            .cloned()
            .partition(|l| l.ends_with(&poisoned));
        assert_eq!(world.stub.stored(), kept, "in order, each once");
        let answer = format!("the server answered {code}: unable to parse");
        assert_eq!(aside(world.dir.path()), [(refused[0].clone(), answer)]);
        assert_eq!(world.metrics.influx_lines_refused_total.get(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_too_large_is_halved_until_it_fits() {
    let mut world = World::new().await;
    *world.stub.lines_max.lock().unwrap() = Some(100);
    let seq = world.append("temp", 0..3000).await;
    let writing = world.start();
    world.wait_for_cursor(seq).await;
    writing.stop().await;
    assert_eq!(world.stub.stored(), world.expected);
    assert!(aside(world.dir.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_shown_with_the_fix_and_mended_without_a_restart() {
    let mut world = World::new().await;
    *world.stub.token.lock().unwrap() = "new".into();
    let seq = world.append("temp", 0..10).await;
    let writing = world.start();
    let mut state = writing.state();
    let blocked = state
        .wait_for(|s| matches!(s, State::Blocked { .. }))
        .await
        .unwrap()
        .clone();
    let State::Blocked { what, fix } = blocked else {
        unreachable!()
    };
    assert!(
        what.contains("401") && what.contains("unauthorized access"),
        "{what}"
    );
    assert!(fix.contains("token file"), "{fix}");
    assert!(
        !format!("{what}{fix}").contains("right"),
        "the token is not shown"
    );
    assert_eq!(world.journal.cursor(CURSOR).unwrap(), Seq(0));
    std::fs::remove_file(world.dir.path().join("token")).unwrap();
    state
        .wait_for(|s| matches!(s, State::Blocked { what, .. } if what.contains("cannot read")))
        .await
        .unwrap();
    std::fs::write(world.dir.path().join("token"), "new\n").unwrap();
    world.wait_for_cursor(seq).await;
    assert_eq!(world.stub.stored(), world.expected);
    writing.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_without_an_answer_is_sent_again_with_the_same_series_and_time() {
    let mut world = World::new().await;
    world
        .stub
        .faults
        .lock()
        .unwrap()
        .push_back(Fault::StoreAndHang);
    let seq = world.append("temp", 0..10).await;
    let writing = world.start();
    world.wait_for_cursor(seq).await;
    writing.stop().await;
    let twice: Vec<String> = world
        .expected
        .iter()
        .chain(&world.expected)
        .cloned()
        .collect();
    assert_eq!(world.stub.stored(), twice);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_an_outage_is_quick_and_the_next_start_goes_on_behind_the_cursor() {
    let mut world = World::new().await;
    let first = world.append("temp", 0..10).await;
    let writing = world.start();
    world.wait_for_cursor(first).await;
    world
        .stub
        .faults
        .lock()
        .unwrap()
        .extend([Fault::Status(503); 10_000]);
    let seq = world.append("temp", 10..20).await;
    writing
        .state()
        .wait_for(|s| matches!(s, State::Waiting(_)))
        .await
        .unwrap();
    let begun = Instant::now();
    writing.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(world.journal.cursor(CURSOR).unwrap(), first);
    world.stub.faults.lock().unwrap().clear();
    let writing = world.start();
    world.wait_for_cursor(seq).await;
    writing.stop().await;
    assert_eq!(world.stub.stored(), world.expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn absences_carry_their_reason_and_a_point_without_a_name_is_set_aside() {
    let world = World::new().await;
    let point = world.point("s", "d", "p' OR 1");
    let missing = Quality::Missing(Absence::NoAnswer);
    let seq = world
        .append_samples(&[
            Sample {
                point,
                at_ms: T0,
                value: f64::NAN,
                quality: missing,
            },
            Sample {
                point: PointKey(4711),
                at_ms: T0,
                value: 2.0,
                quality: Quality::Good,
            },
        ])
        .await;
    let writing = world.start();
    world.wait_for_cursor(seq).await;
    writing.stop().await;
    assert_eq!(
        world.stub.stored(),
        [format!(
            "reading,device=d,point=p'\\ OR\\ 1,site=s quality=64i {T0}"
        )]
    );
    let aside = aside(world.dir.path());
    assert_eq!(aside.len(), 1);
    assert!(
        aside[0].0.contains("4711") && aside[0].1.contains("dictionary"),
        "{aside:?}"
    );
}

#[test]
fn every_problem_of_the_configuration_is_told_in_one_run() {
    let config: gateway::series::Config = toml::from_str(
        "store = \"influx\"\nkeep_days = 0\n[influx]\nurl = \"ftp://x\"\norg = \"\"\nbucket = \"b\"\n\
         token_file = \"does/not/exist\"\nmeasurement = \"a\\nb\"\ntimeout_seconds = 0\n",
    )
    .unwrap();
    let mut problems = Problems::new();
    config.resolve(Path::new("data"), &mut problems);
    let told = problems.to_string();
    for place in [
        "keep_days",
        "url",
        "org",
        "token_file",
        "measurement",
        "timeout_seconds",
    ] {
        assert!(
            told.contains(&format!("series.{place}"))
                || told.contains(&format!("series.influx.{place}")),
            "{place}: {told}"
        );
    }
    let refused = toml::from_str::<gateway::series::Config>("influxdb = 1");
    assert!(refused.is_err(), "an unknown key is refused");
}
