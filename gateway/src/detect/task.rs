//! Follows the journal with the rules, on a thread of its own.

use super::{
    engine::{Facts, Rules},
    rule::Rule,
    store::{Signal, SignalError, Signals, Source},
};
use crate::{ingest::dictionary::Dictionary, metrics::Metrics};
use journal::{Block, Follower, Journal, ReadError, Seq};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// The state is written down this often, and less often if writing takes more than a twentieth of the time.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(10);
const SNAPSHOT_SHARE: u32 = 20;
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
    saved: Arc<AtomicU64>,
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

    /// A handle on the last block that is in the snapshot on disk: blocks up to it may be trimmed.
    pub fn saved_handle(&self) -> Arc<AtomicU64> {
        self.saved.clone()
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
    let names: HashSet<(String, u32)> = setup
        .rules
        .iter()
        .map(|r| (r.id.clone(), r.version))
        .collect();
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
    close_orphans(&signals, &names)?;
    let first = journal.first();
    if Seq(cursor + 1) < first && cursor > 0 {
        tracing::error!(
            cursor,
            first = first.0,
            "blocks that the rules have not seen were trimmed"
        );
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (at, saved) = (
        Arc::new(AtomicU64::new(cursor)),
        Arc::new(AtomicU64::new(cursor)),
    );
    let follow = Follow {
        follower: journal.follow(Seq(cursor + 1).max(first)),
        rules,
        signals,
        metrics,
        on_open: setup.on_open,
        stop: stop.clone(),
        cursor: at.clone(),
        saved: saved.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("detect".into())
        .spawn(move || follow.run())
        .expect("a thread can be started");
    Ok(Running {
        stop,
        cursor: at,
        saved,
        thread,
    })
}

/// Closes what was opened by rules that are no longer configured; nobody else would.
fn close_orphans(signals: &Signals, names: &HashSet<(String, u32)>) -> Result<(), SignalError> {
    let mut orphans = signals.open_now()?;
    orphans.retain(|signal| match &signal.source {
        Source::Rule { id, version } => !names.contains(&(id.clone(), *version)),
        Source::Model { .. } => false,
    });
    for signal in &mut orphans {
        signal.closed_at = Some(signal.last_at);
    }
    signals.apply(&orphans).map(|_| ())
}

/// What the thread holds.
struct Follow {
    follower: Follower,
    rules: Rules,
    signals: Signals,
    metrics: Arc<Metrics>,
    on_open: Box<dyn Fn(&Signal) + Send>,
    stop: Arc<AtomicBool>,
    cursor: Arc<AtomicU64>,
    saved: Arc<AtomicU64>,
}

impl Follow {
    fn run(mut self) {
        let (mut since, mut every) = (Instant::now(), SNAPSHOT_EVERY);
        while !self.is_stopping() {
            match self.follower.next_blocking(WAIT) {
                Ok(Some(block)) => {
                    if !self.take(&block) {
                        break;
                    }
                }
                Ok(None) => {}
                Err(error) if self.follower.skip(&error) => {
                    self.cursor
                        .store(self.follower.position().0 - 1, Ordering::Release);
                }
                Err(ReadError::Closed) => break,
                Err(error) => {
                    tracing::error!(%error, "the rules cannot read the journal; trying again");
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
            if since.elapsed() >= every {
                let began = Instant::now();
                self.save();
                every = SNAPSHOT_EVERY.max(began.elapsed() * SNAPSHOT_SHARE);
                since = Instant::now();
            }
        }
        self.save();
    }

    /// False if it was stopped before the block's signals could be written; the block then counts as not seen.
    fn take(&mut self, block: &Block) -> bool {
        let mut changes = Vec::new();
        if let Err(error) = self.rules.take(block.seq.0, &block.body, &mut changes) {
            tracing::error!(block = block.seq.0, %error, "a block cannot be looked at; the next one will");
        }
        let left = self.rules.left();
        self.metrics.detect_readings_late_total.set(left.late);
        self.metrics.detect_readings_ahead_total.set(left.ahead);
        if !changes.is_empty() && !self.write(&changes) {
            return false;
        }
        self.cursor.store(block.seq.0, Ordering::Release);
        true
    }

    /// Writes changes, trying again for as long as the disk refuses, since nothing may be skipped.
    fn write(&self, changes: &[Signal]) -> bool {
        loop {
            match self.signals.apply(changes) {
                Ok(opened) => {
                    self.metrics
                        .detect_signals_opened_total
                        .add(opened.len() as u64);
                    opened.iter().for_each(&self.on_open);
                    return true;
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "signals cannot be written; trying again");
                    if self.is_stopping() {
                        return false;
                    }
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
        }
    }

    /// Writes the state down, unless its signals are not written: then the older snapshot is the true one.
    fn save(&self) {
        let cursor = self.cursor.load(Ordering::Acquire);
        if cursor == self.saved.load(Ordering::Acquire)
            || self.follower.position() != Seq(cursor + 1)
        {
            return;
        }
        match self
            .signals
            .set_follower(NAME, cursor, &self.rules.snapshot())
        {
            Ok(()) => self.saved.store(cursor, Ordering::Release),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the state of the rules cannot be written down");
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
