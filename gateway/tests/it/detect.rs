//! The shipped rules, one table each; replays and restarts; late, future and missing readings.
//!
//! A story is segments `MINUTES NAME=VALUE …` with one reading a minute; `silent` lets only the gateway's time pass.
//! `!` after a value marks it suspect. Minute 0 is a whole hour. What is expected: one line a signal, `OPENED..CLOSED PEAK`
//! in minutes.

use contract::{DeviceId, Doubt, PointName, Quality, SiteId, Timestamp, problems::Problems};
use gateway::detect::{
    Signal, Signals,
    engine::{Facts, Rules},
    rule::{self, Rule},
};
use gateway::ingest::dictionary::{Dictionary, Point, PointKey};
use gateway::ingest::record::{DataHead, Encoder, Sample};
use gateway::metrics::Metrics;
use journal::{Journal, Options, Staged};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

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

#[test]
fn a_freezer_may_defrost_for_half_an_hour_but_not_stand_open() {
    check(
        "F-01a",
        "freezer",
        "20 temperature=-18; 30 temperature=-5; 100 temperature=-18",
        &[],
    );
    check(
        "F-01a",
        "freezer",
        "20 temperature=-18; 45 temperature=-9; 100 temperature=-18",
        &["20..65 -9.00"],
    );
    check(
        "F-01b",
        "freezer",
        "20 temperature=-18; 45 temperature=-9; 100 temperature=-18",
        &[],
    );
    check(
        "F-01b",
        "freezer",
        "20 temperature=-18; 70 temperature=-9; 200 temperature=-18",
        &["20..90 -9.00"],
    );
}

#[test]
fn what_a_camera_sees_is_judged_from_the_day_on_which_people_were_told_and_its_health_always() {
    let mut rules = shipped();
    let black = rules.iter().find(|r| r.id == "V-11-black").unwrap().clone();
    rules.push(Rule {
        id: "sees".into(),
        point: "see.no_mask".into(),
        ..black
    });
    let story = "10 see.no_mask=0; 5 see.no_mask=1 health.black=1; 10 see.no_mask=0; 5 see.no_mask=1; 10 see.no_mask=0";
    let check = |since: Option<i64>, expected: &[&str]| {
        let mut stage = Stage::new("camera");
        let blocks = stage.blocks(story);
        stage.facts.sees_since = since.map(|ms| (Stage::place(), ms)).into_iter().collect();
        let signals = play(&mut stage.rules(rules.clone()), &blocks);
        assert_eq!(lines(&signals, "sees"), expected, "{since:?}");
        assert_eq!(lines(&signals, "V-11-black"), ["10..open 1.00"]);
    };
    check(Some(START), &["10..15 1.00", "25..30 1.00"]);
    check(Some(START + 20 * MINUTE), &["25..30 1.00"]);
    // In the middle of an episode: it begins there.
    check(Some(START + 12 * MINUTE), &["12..15 1.00", "25..30 1.00"]);
    check(None, &[]);
}

#[test]
fn a_suspect_reading_neither_opens_nor_feeds_an_episode() {
    check(
        "F-01a",
        "freezer",
        "20 temperature=-18; 90 temperature=-5!; 20 temperature=-18",
        &[],
    );
}

#[test]
fn a_second_violation_is_a_second_signal() {
    check(
        "F-02a",
        "cold_room",
        "10 temperature=4; 40 temperature=9; 90 temperature=4; 40 temperature=10; 90 temperature=4",
        &["10..50 9.00", "140..180 10.00"],
    );
}

#[test]
fn thirty_minutes_of_silence_are_a_gap_and_the_next_reading_ends_it() {
    check(
        "F-03",
        "cold_room",
        "10 temperature=4; 29 silent; 5 temperature=4",
        &[],
    );
    check(
        "F-03",
        "cold_room",
        "10 temperature=4; 50 silent; 5 temperature=4",
        &["9..60 51.00"],
    );
}

#[test]
fn fume_counts_only_while_the_fan_runs() {
    check("A-01", "fume_monitor", "60 fume=3 fan_current=0.1", &[]);
    check(
        "A-01",
        "fume_monitor",
        "30 fume=1 fan_current=8; 40 fume=3 fan_current=8; 60 fume=0.2 fan_current=0.1",
        &["36..71 3.00"],
    );
}

#[test]
fn a_fan_without_its_purifier_is_told_after_ten_minutes() {
    check(
        "A-04",
        "fume_monitor",
        "20 purifier_current=2.3 fan_current=8; 9 purifier_current=0 fan_current=8; 30 purifier_current=2.3 fan_current=8",
        &[],
    );
    check(
        "A-04",
        "fume_monitor",
        "20 purifier_current=2.3 fan_current=8; 15 purifier_current=0 fan_current=8; 30 purifier_current=2.3 fan_current=8",
        &["20..35 0.00"],
    );
    check(
        "A-04",
        "fume_monitor",
        "60 purifier_current=0 fan_current=0",
        &[],
    );
}

#[test]
fn a_boiler_is_judged_on_converted_means_of_valid_hours() {
    // 36 mg/m3 at 11 % oxygen is 63 mg/m3 at 3.5 %.
    check(
        "A-12-so2",
        "stack_monitor",
        "61 so2=36 o2=11; 10 so2=1 o2=4",
        &["0..open 63.00"],
    );
    // The same concentration at little oxygen is within the limit.
    check(
        "A-12-so2",
        "stack_monitor",
        "61 so2=36 o2=4; 10 so2=1 o2=4",
        &[],
    );
    // 44 valid minutes are no hour.
    check(
        "A-12-so2",
        "stack_monitor",
        "44 so2=36 o2=11; 16 so2=36! o2=11; 10 so2=1 o2=4",
        &[],
    );
    // Nothing burns.
    check(
        "A-12-so2",
        "stack_monitor",
        "61 so2=36 o2=20.4; 10 so2=1 o2=20.4",
        &[],
    );
}

#[test]
fn gas_is_told_at_the_third_sample() {
    check(
        "S-01a",
        "gas_detector",
        "10 combustible_gas=1; 2 combustible_gas=30; 10 combustible_gas=1",
        &[],
    );
    check(
        "S-01a",
        "gas_detector",
        "10 combustible_gas=1; 3 combustible_gas=30; 10 combustible_gas=1",
        &["10..13 30.00"],
    );
}

#[test]
fn a_cycling_store_that_goes_calm_is_a_lead_and_a_calm_one_is_not() {
    let cycle = "5 temperature=3; 5 temperature=4; 5 temperature=5; 5 temperature=4;".repeat(6);
    check(
        "T-19",
        "cold_room",
        &format!("{cycle} 100 temperature=0.2"),
        &["180..open 0.00"],
    );
    check("T-19", "cold_room", "300 temperature=2", &[]);
}

#[test]
fn a_constant_value_above_the_detection_limit_is_a_lead() {
    check(
        "T-01-so2",
        "stack_monitor",
        "5 so2=10; 40 so2=12; 5 so2=11",
        &["5..45 39.00"],
    );
    check("T-01-so2", "stack_monitor", "60 so2=1", &[]);
}

#[test]
fn the_clock_of_the_journal_and_not_of_the_machine_decides_about_silence() {
    // The gateway was down for two hours: nothing is held against the point.
    let stage = Stage::new("cold_room");
    let key = stage.key("temperature");
    let value = [(key, 4.0, Quality::Good)];
    let later = START + 120 * MINUTE;
    let blocks = vec![
        block(START, START, &value),
        block(later, later, &[]),
        block(later + MINUTE, later + MINUTE, &value),
    ];
    let mut rules = stage.rules(shipped());
    assert_eq!(lines(&play(&mut rules, &blocks), "F-03"), [] as [&str; 0]);
}

#[test]
fn history_that_overtakes_nothing_is_judged_and_a_clock_ahead_is_left() {
    let stage = Stage::new("freezer");
    let key = stage.key("temperature");
    let warm = [(key, -5.0, Quality::Good)];
    let cold = [(key, -18.0, Quality::Good)];
    let now = START + 300 * MINUTE;
    let mut blocks = vec![block(now, now, &cold)];
    for minute in 0..50 {
        blocks.push(block(now + minute * 1000, START + minute * MINUTE, &warm));
        blocks.push(block(now + minute * 1000, now + minute * 1000, &cold));
    }
    blocks.push(block(now + 60_000, now + 48 * 3_600_000, &warm));
    blocks.extend((1..15).map(|m| block(now + m * MINUTE, now + m * MINUTE, &cold)));
    let mut rules = stage.rules(shipped());
    let signals = play(&mut rules, &blocks);
    assert_eq!(lines(&signals, "F-01a"), ["0..49 -5.00"]);
    assert_eq!((rules.left().ahead, rules.left().late), (1, 0));
}

/// A small generator of pseudo-random numbers (splitmix64); the seed is printed on failure.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

fn random_blocks(stage: &Stage, dice: &mut Dice) -> Vec<Vec<u8>> {
    let key = stage.key("temperature");
    let mut level = -18.0;
    let mut now = START;
    (0..900)
        .map(|_| {
            now += if dice.roll(150) == 0 {
                50 * MINUTE
            } else {
                MINUTE
            };
            if dice.roll(60) == 0 {
                level = -20.0 + dice.roll(16) as f64;
            }
            let late = if dice.roll(40) == 0 { 30 * MINUTE } else { 0 };
            let quality = if dice.roll(15) == 0 {
                Quality::Suspect(Doubt::Fault)
            } else {
                Quality::Good
            };
            let noise = dice.roll(10) as f64 / 10.0;
            block(now, now - late, &[(key, level + noise, quality)])
        })
        .collect()
}

/// Plays blocks through the store, losing everything since the last snapshot at random.
fn play_with_kills(
    stage: &Stage,
    blocks: &[Vec<u8>],
    kills: Option<&mut Dice>,
    file: &Path,
) -> Vec<Signal> {
    let mut signals = Signals::open(file).unwrap();
    let mut rules = stage.rules(shipped());
    let mut at = 0;
    let mut dice = kills;
    while at < blocks.len() {
        let mut out = Vec::new();
        rules.take(at as u64 + 1, &blocks[at], &mut out).unwrap();
        signals.apply(&out).unwrap();
        at += 1;
        let Some(dice) = dice.as_deref_mut() else {
            continue;
        };
        if dice.roll(60) == 0 {
            signals
                .set_follower("rules", at as u64, &rules.snapshot())
                .unwrap();
        }
        if dice.roll(60) == 0 {
            drop(signals);
            signals = Signals::open(file).unwrap();
            rules = stage.rules(shipped());
            at = 0;
            if let Some((cursor, snapshot)) = signals.follower("rules").unwrap() {
                rules.restore(&snapshot).unwrap();
                at = cursor as usize;
            }
        }
    }
    let mut all = signals.list(None, 10_000).unwrap();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

#[test]
fn being_killed_at_random_points_changes_no_signal() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..3 {
        let stage = Stage::new("freezer");
        let blocks = random_blocks(&stage, &mut Dice(seed));
        let whole = play_with_kills(
            &stage,
            &blocks,
            None,
            &folder.path().join(format!("{seed}.db")),
        );
        let mut kills = Dice(seed + 100);
        let killed = play_with_kills(
            &stage,
            &blocks,
            Some(&mut kills),
            &folder.path().join(format!("{seed}k.db")),
        );
        assert!(
            !whole.is_empty(),
            "seed {seed}: the story is too calm: {}",
            whole.len()
        );
        assert_eq!(whole, killed, "seed {seed}");
    }
}

/// A journal with `blocks`, and detection following it until the last one is seen.
struct Running {
    journal: Journal,
    signals: Signals,
    opened: mpsc::Receiver<Signal>,
    task: gateway::detect::task::Running,
}

fn run(folder: &Path, stage: &Stage, rules: Vec<Rule>) -> Running {
    let journal = Journal::open(&folder.join("journal.db"), Options::small()).unwrap();
    let signals = Signals::open(&folder.join("detect.db")).unwrap();
    let (send, opened) = mpsc::channel();
    let setup = gateway::detect::task::Setup {
        rules,
        facts: stage.facts.clone(),
        dictionary: stage.dictionary.clone(),
        time_scale: 1.0,
        on_open: Box::new(move |signal| send.send(signal.clone()).unwrap()),
    };
    let task = gateway::detect::task::start(
        setup,
        &journal,
        signals.clone(),
        Arc::new(Metrics::default()),
    )
    .unwrap();
    Running {
        journal,
        signals,
        opened,
        task,
    }
}

impl Running {
    fn append(&self, body: Vec<u8>) {
        self.journal
            .append_blocking(Staged {
                at_ms: START,
                count: 1,
                body,
                notes: Vec::new(),
            })
            .unwrap();
    }

    fn stop(self) {
        self.task.follow.stop();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(self.journal.close());
    }
}

#[test]
fn the_task_tells_of_a_new_signal_once_and_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::new("gas_detector");
    let blocks = stage.blocks("3 combustible_gas=30; 3 combustible_gas=1; 3 combustible_gas=30");
    let first = run(folder.path(), &stage, shipped());
    let mut changed = first.signals.subscribe();
    blocks[..2].iter().for_each(|b| first.append(b.clone()));
    first.stop();
    let second = run(folder.path(), &stage, shipped());
    blocks[2..].iter().for_each(|b| second.append(b.clone()));
    let wait = Duration::from_secs(60);
    let one = second.opened.recv_timeout(wait).unwrap();
    let two = second.opened.recv_timeout(wait).unwrap();
    assert_eq!(
        (one.opened_at.as_millis(), two.opened_at.as_millis()),
        (START, START + 6 * MINUTE)
    );
    assert_eq!(
        second
            .signals
            .get(&one.id)
            .unwrap()
            .unwrap()
            .closed_at
            .map(|t| t.as_millis()),
        Some(START + 3 * MINUTE)
    );
    let (last, changes) = second.signals.changes_after(0, 100).unwrap();
    assert_eq!(
        (
            changes.len(),
            second.signals.changes_after(last, 100).unwrap().1.len()
        ),
        (2, 0)
    );
    assert_eq!(
        *changed.borrow_and_update(),
        0,
        "the first run had nothing to tell"
    );
    second.stop();
    // A rule that is no longer configured leaves nothing open behind it.
    let third = run(folder.path(), &stage, Vec::new());
    assert_eq!(third.signals.open_now().unwrap(), []);
    third.stop();
}
