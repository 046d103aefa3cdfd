//! Follows the journal with the rules, on a thread of its own.

use super::{
    engine::{Facts, Rules},
    rule::Rule,
    store::{Signal, SignalError, Signals, Source},
};
use crate::{
    follow::{self, Following, RETRY},
    ingest::dictionary::Dictionary,
    metrics::Metrics,
};
use journal::{Block, Journal};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The state is written down this often, and less often if writing takes more than a twentieth of the time.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(10);
const SNAPSHOT_SHARE: u32 = 20;
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
    /// The thread.
    pub follow: follow::Running,
    cursor: Arc<AtomicU64>,
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
    let at = Arc::new(AtomicU64::new(cursor));
    let (seen, on_open) = (at.clone(), setup.on_open);
    let run = move |journal| {
        Follow {
            journal,
            rules,
            signals,
            metrics,
            on_open,
            cursor: seen,
        }
        .run()
    };
    let follow = follow::start("detection", "detect", journal, cursor, run);
    Ok(Running { follow, cursor: at })
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
    journal: Following,
    rules: Rules,
    signals: Signals,
    metrics: Arc<Metrics>,
    on_open: Box<dyn Fn(&Signal) + Send>,
    cursor: Arc<AtomicU64>,
}

impl Follow {
    fn run(mut self) {
        let (mut since, mut every) = (Instant::now(), SNAPSHOT_EVERY);
        while let Some(next) = self.journal.wait() {
            if next.is_some_and(|block| !self.take(&block)) {
                break;
            }
            self.cursor.store(self.journal.seen(), Ordering::Release);
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
                    if self.journal.is_stopping() {
                        return false;
                    }
                    std::thread::sleep(RETRY);
                }
            }
        }
    }

    /// Writes the state down, unless its signals are not written: then the older snapshot is the true one.
    fn save(&self) {
        let cursor = self.cursor.load(Ordering::Acquire);
        if cursor == self.journal.saved() || cursor != self.journal.seen() {
            return;
        }
        match self
            .signals
            .set_follower(NAME, cursor, &self.rules.snapshot())
        {
            Ok(()) => self.journal.set_saved(cursor),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the state of the rules cannot be written down");
            }
        }
    }
}
