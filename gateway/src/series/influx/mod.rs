//! Readings go to an InfluxDB 2.x write address as well (or instead).
//!
//! Promise: every reading of the journal reaches the server, in the journal's order, also through outages of the
//! server and of this process: the cursor moves only when the server has accepted, and what is sent again
//! carries the same series and time, so InfluxDB keeps it once. A line the server refuses is found by halving
//! the batch, kept in `influx-refused.db` with the server's answer, counted, and the rest goes on. A wrong token
//! or bucket is a visible state with the fix ([`State::Blocked`]) and is tried again slowly.
//!
//! Not promised: once-only on receivers that keep equal times apart (VictoriaMetrics does).

mod client; // HTTP
mod config; // what is configured
mod decide; // what an answer means
mod line; // line protocol
mod quarantine; // refused lines
mod query; // charts out of InfluxDB
mod writer; // the task

pub use client::{Client, InfluxError, Secret};
pub use config::{Influx, InfluxConfig};
pub use decide::Backoff;
pub use quarantine::{Quarantine, QuarantineError, Refused};
pub use query::InfluxQuery;

use crate::ingest::dictionary::Dictionary;
use crate::metrics::Metrics;
use journal::{Journal, ReadError};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The journal cursor's name: blocks through it were accepted by the server.
pub const CURSOR: &str = "influx";

/// How writing goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// The server takes what is written, or nothing was written yet.
    #[default]
    Writing,
    /// It is tried again, and why.
    Waiting(String),
    /// A person must change something.
    Blocked {
        /// What is wrong.
        what: String,
        /// What to do.
        fix: String,
    },
}

/// Why the writer could not be started.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// The HTTP client.
    #[error("cannot start writing to InfluxDB")]
    Client(#[source] InfluxError),
    /// The quarantine file.
    #[error("cannot start writing to InfluxDB")]
    Quarantine(#[source] QuarantineError),
    /// The journal.
    #[error("cannot read how far InfluxDB is")]
    Journal(#[source] ReadError),
}

/// The running writer.
#[derive(Debug)]
pub struct Writing {
    state: watch::Receiver<State>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Writing {
    /// Starts the writer behind its cursor. Needs a tokio runtime.
    pub fn start(
        config: Influx,
        journal: &Journal,
        dictionary: Dictionary,
        metrics: Arc<Metrics>,
    ) -> Result<Self, WriterError> {
        let client = Client::new(config.clone()).map_err(WriterError::Client)?;
        let quarantine = Quarantine::open(&config.quarantine).map_err(WriterError::Quarantine)?;
        let cursor = journal.cursor(CURSOR).map_err(WriterError::Journal)?;
        let from = cursor.next().max(journal.first());
        if from > cursor.next() && cursor.0 > 0 {
            tracing::error!(
                from = from.0,
                cursor = cursor.0,
                "the journal no longer has blocks that InfluxDB lacks; they stay missing there"
            );
        }
        let (say, state) = watch::channel(State::default());
        let (stop, stopped) = watch::channel(false);
        let writer = writer::Writer {
            config,
            client,
            journal: journal.clone(),
            follower: journal.follow(from),
            dictionary,
            metrics,
            quarantine,
            state: say,
            stop: stopped,
            keys: HashMap::new(),
        };
        let task = tokio::spawn(writer.run());
        Ok(Self { state, stop, task })
    }

    /// How it goes.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Stops at once; what the server has not accepted is sent after the next start.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if self.task.await.is_err() {
            tracing::error!(
                "the InfluxDB writer ended by a panic; it begins again behind its cursor at the next start"
            );
        }
    }
}
