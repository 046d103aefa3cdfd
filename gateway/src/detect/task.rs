//! Follows the journal with the rules, on a thread of its own.

use super::{
    engine::{Facts, Rules},
    rule::Rule,
    store::{Signal, SignalError, Signals},
};
use crate::{ingest::dictionary::Dictionary, metrics::Metrics};
use journal::{Journal, Seq};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How often the state is written down.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(10);
/// How long to wait for a block before looking whether to stop.
const WAIT: Duration = Duration::from_millis(100);
const NAME: &str = "rules";

/// What to run.
pub struct Setup {
    /// The rules in force.
    pub rules: Vec<Rule>,
    /// What is known of sites and devices.
    pub facts: Facts,
    /// The points.
    pub dictionary: Dictionary,
    /// 1 in earnest; see [`Rules::new`].
    pub time_scale: f64,
    /// Told of each new signal, on the detection thread: it must be quick.
    pub on_open: Box<dyn Fn(&Signal) + Send>,
}

/// The running thread.
pub struct Running {
    stop: Arc<AtomicBool>,
    cursor: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Running {
    /// The last block that was looked at.
    pub fn cursor(&self) -> u64 {
        self.cursor.load(Ordering::Acquire)
    }

    /// A handle on the cursor that outlives a borrow of this.
    pub fn cursor_handle(&self) -> Arc<AtomicU64> {
        self.cursor.clone()
    }

    /// Writes the state down and ends. Blocks until done.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.join().is_err() {
            tracing::error!(
                "the detection thread ended by a panic; it will begin at its last snapshot"
            );
        }
    }
}

/// Starts following from the last snapshot.
pub fn start(
    setup: Setup,
    journal: &Journal,
    signals: Signals,
    metrics: Arc<Metrics>,
) -> Result<Running, SignalError> {
    let mut rules = Rules::new(setup.rules, setup.facts, setup.dictionary, setup.time_scale);
    let mut cursor = 0;
    if let Some((at, snapshot)) = signals.follower(NAME)? {
        match rules.restore(&snapshot) {
            Ok(()) => cursor = at,
            Err(error) => {
                tracing::error!(%error, "the snapshot of the rules is unreadable; the journal is read again")
            }
        }
    }
    let mut follower = journal.follow(Seq(cursor + 1).max(journal.first()));
    let (stop, at) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(cursor)),
    );
    let (is_stopping, position) = (stop.clone(), at.clone());
    let on_open = setup.on_open;
    let run = move || {
        let mut changes: Vec<Signal> = Vec::new();
        let mut saved = Instant::now();
        let mut saved_at = position.load(Ordering::Acquire);
        while !is_stopping.load(Ordering::Acquire) {
            match follower.next_blocking(WAIT) {
                Ok(Some(block)) => {
                    if let Err(error) = rules.take(block.seq.0, &block.body, &mut changes) {
                        tracing::error!(block = block.seq.0, %error, "a block cannot be looked at; the next one will");
                    }
                    if !changes.is_empty() && !write(&signals, &mut changes, &metrics, &on_open) {
                        break;
                    }
                    position.store(block.seq.0, Ordering::Release);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::info!(%error, "detection has come to the end of the journal");
                    break;
                }
            }
            if saved.elapsed() >= SNAPSHOT_EVERY {
                let now = position.load(Ordering::Acquire);
                if now != saved_at {
                    save(&signals, now, &rules);
                    saved_at = now;
                }
                saved = Instant::now();
            }
        }
        save(&signals, position.load(Ordering::Acquire), &rules);
    };
    let thread = std::thread::Builder::new()
        .name("detect".into())
        .spawn(run)
        .expect("a thread can be started");
    Ok(Running {
        stop,
        cursor: at,
        thread,
    })
}

fn save(signals: &Signals, cursor: u64, rules: &Rules) {
    if let Err(error) = signals.set_follower(NAME, cursor, &rules.snapshot()) {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the state of the rules cannot be written down"
        );
    }
}

/// Writes changes, trying again for as long as the disk refuses; false never, since nothing may be skipped.
fn write(
    signals: &Signals,
    changes: &mut Vec<Signal>,
    metrics: &Metrics,
    on_open: &dyn Fn(&Signal),
) -> bool {
    loop {
        match signals.apply(changes) {
            Ok(opened) => {
                metrics.detect_signals_opened_total.add(opened.len() as u64);
                opened.iter().for_each(on_open);
                changes.clear();
                return true;
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "signals cannot be written; trying again"
                );
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }
}
