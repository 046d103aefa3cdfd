//! Replays and restarts: the same journal gives the same signals, each told once.

use super::{MINUTE, START, Stage, block, shipped};
use contract::{Doubt, Quality};
use gateway::detect::{Signal, Signals, rule::Rule};
use gateway::metrics::Metrics;
use journal::{Journal, Options, Staged};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

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
