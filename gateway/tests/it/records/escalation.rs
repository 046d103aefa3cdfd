//! "I becomes II after three in seven days": by the times of readings, once each, without what people set aside.

use super::world::{Gateway, Platform, decision};
use contract::{DeviceId, PointName, Quality, SiteId, Timestamp, problems::Problems};
use gateway::case::{self, Checks, Decision, Verdict, precision, store::Judging};
use gateway::detect::{
    Signal, Signals, Source,
    engine::{Facts, Rules},
    escalate,
    rule::{self, Rule, Severity},
};
use gateway::ingest::{
    dictionary::{Dictionary, Point},
    record::{DataHead, Encoder, Sample},
};
use gateway::store::Records;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
/// 2026-11-25 10:00 at the site.
const START: i64 = 1_795_572_000_000;

fn no_mask() -> Vec<Rule> {
    let mut problems = Problems::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/rules");
    let mut rules = rule::load(&folder, &mut problems);
    assert!(problems.is_empty(), "{problems}");
    rules.retain(|rule| rule.id == "V-01-no-mask");
    rules
}

/// A short signal of the shipped rule, `at` after the start.
fn signal(at: i64) -> Signal {
    let rule = no_mask().remove(0);
    let opened_at = Timestamp::from_millis(START + at);
    Signal {
        id: format!("s{at}"),
        source: Source::Rule {
            id: rule.id,
            version: rule.version,
        },
        site: SiteId::new("restaurant").unwrap(),
        device: DeviceId::new("kitchen-camera").unwrap(),
        point: PointName::new("see.no_mask").unwrap(),
        severity: rule.severity,
        escalated: None,
        opened_at,
        last_at: opened_at.plus_millis(5_000),
        closed_at: Some(opened_at.plus_millis(5_000)),
        measured: 1.0,
        peak: 1.0,
        limit: Some(0.5),
        unit: String::new(),
        journal_seq: 1,
    }
}

/// Signals and cases on disk.
struct World {
    folder: tempfile::TempDir,
    signals: Signals,
    records: Records,
    decided_min: usize,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        World {
            signals: Signals::open(&folder.path().join("detect.db")).unwrap(),
            records: Records::open(&folder.path().join("records.db")).unwrap(),
            folder,
            decided_min: 1_000,
        }
    }

    /// As after a restart of the gateway.
    fn restart(&mut self) {
        self.signals = Signals::open(&self.folder.path().join("detect.db")).unwrap();
        self.records = Records::open(&self.folder.path().join("records.db")).unwrap();
    }

    fn raise(&self, signals: &[Signal]) {
        self.signals.apply(signals).unwrap();
        let by = Judging {
            gap_ms: HOUR,
            shadow: &precision::Terms {
                decided_min: self.decided_min,
                precision_min: 0.8,
            },
            models: &|_| Vec::new(),
            escalate: &escalate::by_rule(&no_mask(), 1.0),
        };
        while case::store::step(&self.records, &self.signals, &by).unwrap() > 0 {}
    }

    /// Severities of all signals in order of time, with the ids that were counted for each.
    #[track_caller]
    fn check(&self, expected: &[(Severity, &[&str])]) {
        let mut signals = self.signals.list(None, 100).unwrap();
        signals.sort_by_key(|signal| signal.opened_at);
        case::escalation::apply(&self.records, &mut signals).unwrap();
        let found: Vec<(Severity, Vec<String>)> = signals
            .into_iter()
            .map(|s| {
                let earlier = s.escalated.map(|e| e.earlier).unwrap_or_default();
                (s.severity, earlier.into_iter().map(|e| e.signal).collect())
            })
            .collect();
        let expected: Vec<(Severity, Vec<String>)> = expected
            .iter()
            .map(|(severity, ids)| (*severity, ids.iter().map(|&id| id.to_owned()).collect()))
            .collect();
        assert_eq!(found, expected);
    }

    fn case_of(&self, signal: &str) -> case::Case {
        case::store::of_signal(&self.records, signal)
            .unwrap()
            .unwrap()
    }

    fn set_aside(&self, signal: &str) {
        let verdict = Verdict {
            decision: Decision::Reject,
            by: "chen".into(),
            at: Timestamp::from_millis(START),
            reason: "r".into(),
            checks: Checks::default(),
            ground: None,
        };
        let case = self.case_of(signal);
        case::store::decide(&self.records, &case, &verdict, None)
            .unwrap()
            .unwrap();
    }
}

use Severity::{I, II};

#[test]
fn the_third_in_exactly_seven_days_is_graver_and_a_millisecond_later_it_is_not() {
    let world = World::new();
    world.raise(&[signal(0), signal(DAY), signal(WEEK)]);
    let (day, week) = (format!("s{DAY}"), format!("s{WEEK}"));
    world.check(&[(I, &[]), (I, &[]), (II, &[&day, "s0"])]);
    assert_eq!(world.case_of(&week).gravity(), II);
    assert_eq!(world.case_of("s0").gravity(), I);
    let late = World::new();
    late.raise(&[signal(0), signal(DAY), signal(WEEK + 1)]);
    late.check(&[(I, &[]), (I, &[]), (I, &[])]);
    // Another camera of the same site is counted by itself.
    let beside = World::new();
    let other = Signal {
        device: DeviceId::new("hall-camera").unwrap(),
        ..signal(2 * DAY)
    };
    beside.raise(&[signal(0), signal(DAY), other]);
    beside.check(&[(I, &[]), (I, &[]), (I, &[])]);
}

#[test]
fn a_backlog_that_comes_last_counts_by_the_times_of_its_readings() {
    let world = World::new();
    world.raise(&[signal(3 * DAY)]);
    world.raise(&[signal(2 * DAY)]);
    world.check(&[(I, &[]), (I, &[])]);
    world.raise(&[signal(DAY)]);
    let (one, two) = (format!("s{DAY}"), format!("s{}", 2 * DAY));
    world.check(&[(I, &[]), (I, &[]), (II, &[&two, &one])]);
    assert_eq!(world.case_of(&format!("s{}", 3 * DAY)).gravity(), II);
}

#[test]
fn what_a_person_set_aside_counts_no_more_and_a_decided_case_stays_as_it_was_seen() {
    let world = World::new();
    let days = [0, DAY, 2 * DAY, 3 * DAY];
    world.raise(&days[..3].iter().map(|at| signal(*at)).collect::<Vec<_>>());
    let ids: Vec<String> = days.iter().map(|at| format!("s{at}")).collect();
    world.check(&[(I, &[]), (I, &[]), (II, &[&ids[1], &ids[0]])]);
    world.set_aside(&ids[0]);
    world.check(&[(I, &[]), (I, &[]), (I, &[])]);
    assert_eq!(world.case_of(&ids[2]).gravity(), I);
    world.raise(&[signal(3 * DAY)]);
    let fourth = (II, &[&*ids[2], &*ids[1]][..]);
    world.check(&[(I, &[]), (I, &[]), (I, &[]), fourth]);
    // Once the fourth is decided, it keeps what the person saw.
    world.set_aside(&ids[3]);
    world.set_aside(&ids[1]);
    world.check(&[(I, &[]), (I, &[]), (I, &[]), fourth]);
}

#[test]
fn a_signal_in_shadow_neither_counts_nor_becomes_graver() {
    let mut world = World::new();
    world.decided_min = 1;
    world.raise(&[signal(0)]);
    world.set_aside("s0");
    world.raise(&[signal(DAY), signal(2 * DAY), signal(3 * DAY)]);
    world.check(&[(I, &[]), (I, &[]), (I, &[]), (I, &[])]);
    world.decided_min = 1_000;
    world.raise(&[signal(4 * DAY)]);
    world.check(&[(I, &[]), (I, &[]), (I, &[]), (I, &[]), (I, &[])]);
}

#[test]
fn restart_and_a_journal_that_is_read_again_count_nothing_twice() {
    let (dictionary, mut facts) = (Dictionary::default(), Facts::default());
    let like = signal(0);
    let place = (like.site.clone(), like.device.clone());
    facts.kinds.insert(place.clone(), "camera".into());
    facts.sees_since.insert(place, i64::MIN);
    let (point, _) = dictionary.intern(Point {
        site: like.site,
        agent: None,
        device: like.device,
        name: like.point,
        unit: String::new(),
        factor: String::new(),
        every_ms: None,
    });
    let block = |at: i64, value: f64| {
        let mut encoder = Encoder::default();
        let at = Timestamp::from_millis(START + at);
        let head = DataHead {
            is_historical: false,
            is_plain: false,
            received_at: at,
            edge_at: at,
            sequence: 0,
        };
        let sample = Sample {
            point,
            at_ms: at.as_millis(),
            value,
            quality: Quality::Good,
        };
        encoder.data(head, &[sample]);
        encoder.finish().0
    };
    let journal: Vec<Vec<u8>> = (0..3)
        .flat_map(|day| [block(day * DAY, 1.0), block(day * DAY + 4_000, 0.0)])
        .collect();
    let read = |through: usize, world: &World| {
        let mut rules = Rules::new(no_mask(), facts.clone(), dictionary.clone(), 1.0);
        for (n, block) in journal[..through].iter().enumerate() {
            let mut out = Vec::new();
            rules.take(n as u64 + 1, block, &mut out).unwrap();
            world.raise(&out);
        }
    };
    let mut world = World::new();
    read(4, &world);
    world.restart();
    // No snapshot was written: everything is read again, and what cases had followed is forgotten as well.
    read(4, &world);
    let forget = "DELETE FROM progress";
    world
        .records
        .write("forget", |tx| tx.execute(forget, []))
        .unwrap();
    world.raise(&[]);
    world.check(&[(I, &[]), (I, &[])]);
    world.restart();
    read(6, &world);
    let mut signals = world.signals.list(None, 10).unwrap();
    signals.sort_by_key(|signal| signal.opened_at);
    world.check(&[(I, &[]), (I, &[]), (II, &[&signals[1].id, &signals[0].id])]);
    let before = signals.clone();
    read(6, &world);
    case::escalation::apply(&world.records, &mut signals).unwrap();
    assert_eq!(signals[2].severity, II);
    assert_eq!(before[2].severity, I, "a signal is what the journal gives");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screens_say_why_a_signal_is_graver_and_take_it_back_when_one_is_set_aside() {
    let gateway = Gateway::start(&Platform::default().listen().await).await;
    let now = Timestamp::now().as_millis() - START;
    let at = [now - 2 * DAY, now - DAY, now - HOUR];
    gateway.signals.apply(&at.map(signal)).unwrap();
    let is_grave = |cases: &serde_json::Value| {
        let cases = cases.as_array().unwrap();
        cases.len() == 3 && cases[0]["severity"] == "II"
    };
    let cases = gateway.wait("/api/cases?state=open", is_grave).await;
    assert!(!cases[0]["due_at"].is_null(), "II is due, I is not");
    let id = cases[0]["id"].as_str().unwrap();
    let page = gateway.get(&format!("/api/cases/{id}")).await;
    let escalated = &page["signals"][0]["escalated"];
    let earlier = [format!("s{}", at[1]), format!("s{}", at[0])];
    for lang in ["zh", "en"] {
        let text = escalated["text"][lang].as_str().unwrap();
        assert!(earlier.iter().all(|id| text.contains(id)), "{text}");
    }
    assert_eq!(escalated["from"], "I");
    let first = escalated["earlier"][1]["case"].as_str().unwrap();
    let signals = gateway.get("/api/sites/restaurant/signals").await;
    let severities: Vec<&str> = (0..3)
        .map(|n| signals[n]["severity"].as_str().unwrap())
        .collect();
    assert_eq!(severities, ["II", "I", "I"]);

    let path = format!("/api/cases/{first}/decision");
    let (status, words) = gateway
        .post("chen", &path, decision("reject", "a dark beard", false))
        .await;
    assert_eq!(status, 200, "{words}");
    let page = gateway.get(&format!("/api/cases/{id}")).await;
    assert_eq!(page["severity"], "I");
    assert!(page["signals"][0]["escalated"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_is_as_grave_as_repetition_made_it_and_its_bundle_says_why() {
    let gateway = Gateway::start(&Platform::default().listen().await).await;
    let now = Timestamp::now().as_millis() - START;
    let helmet = |at: i64| Signal {
        source: Source::Rule {
            id: "S-12-no-helmet".into(),
            version: 2,
        },
        site: SiteId::new("workshop").unwrap(),
        device: DeviceId::new("hall-camera").unwrap(),
        point: PointName::new("see.no_helmet").unwrap(),
        ..signal(at)
    };
    let at = [now - 2 * DAY, now - DAY, now - HOUR];
    gateway.signals.apply(&at.map(helmet)).unwrap();
    let is_grave = |cases: &serde_json::Value| cases[0]["severity"] == "II";
    let cases = gateway.wait("/api/cases?state=open", is_grave).await;
    let id = cases[0]["id"].as_str().unwrap();
    let mut body = decision("confirm", "seen on the spot", true);
    body["ground"] = serde_json::json!({ "kind": "rule", "id": "S-12-no-helmet" });
    let (status, words) = gateway
        .post("li", &format!("/api/cases/{id}/decision"), body)
        .await;
    assert_eq!(status, 200, "{words}");
    let case = gateway.get(&format!("/api/cases/{id}")).await;
    let uscc = case["business"]["uscc"].as_str().unwrap();
    let credit = gateway.get(&format!("/api/businesses/{uscc}/credit")).await;
    assert_eq!(credit["entries"][0]["severity"], "II");
    let evidence = case["evidence"]["id"].as_str().unwrap();
    let path = format!("/api/evidence/{evidence}/bundle");
    let bundle = gateway
        .send("li", "GET", &path, serde_json::Value::Null)
        .await;
    let bundle = bundle.bytes().await.unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bundle)).unwrap();
    let signals: serde_json::Value =
        serde_json::from_reader(zip.by_name("signals.json").unwrap()).unwrap();
    let earlier = &signals[0]["escalated"]["earlier"];
    assert_eq!(earlier[0]["signal"], format!("s{}", at[1]));
    assert_eq!(signals[0]["escalated"]["by"]["from"], "I");
}
