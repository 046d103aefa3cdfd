//! The vision process (`edge-vision`): one for all cameras, started by the first who asks. Read in this order: this file,
//! `config`, `attendant`, `child`, `choice`, `counts`.
//!
//! Promise: an ask is answered once or fails in words, within the patience of the configuration; a process that dies, hangs
//! (SIGKILL), or answers what is no answer is replaced after 1, 2, 4 … 30 s; while there is none, asks fail at once. Capture,
//! ingest and health of cameras are never in its way. When both wait, looks and other asks take turns, so that making
//! footage blinds no camera and cameras let footage be made.
//! Not promised: that every frame is looked at. A camera asks with its newest frame, waits for the answer, and then takes the
//! frame that is the newest by then; so no more than one frame of a camera ever waits here.

pub mod attendant; // the one who keeps a process alive and gives it the asks
pub mod child; // the process
pub mod choice; // which model plays a part, and which plays it for trial
pub mod config; // `[vision]`
pub mod counts; // its counters

use attendant::{Attendant, Waiting};
use bytes::Bytes;
use config::VisionConfig;
use contract::vision::{Answer, BODY_MAX, What};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot};

use crate::{metrics::Metrics, status::Board};

/// Looks that wait, at most: one for each camera that an agent could have.
const LOOKS_MAX: usize = 64;
/// Other asks that wait, at most.
const OTHERS_MAX: usize = 16;

/// Why there is no answer. The next ask may get one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VisionError {
    /// Too many wait already.
    #[error("too many pictures wait to be looked at; this one is not")]
    Busy,
    /// A picture beyond what can be sent.
    #[error("a picture of {0} bytes is more than the {BODY_MAX} that can be looked at")]
    Large(usize),
    /// There is no process, and it is not time yet to start another one.
    #[error("there is no vision process ({why}); another one is started within {again_in:?}")]
    Down {
        /// What became of the last one.
        why: String,
        /// When it is time.
        again_in: Duration,
    },
    /// The program cannot be started.
    #[error("cannot start {0}")]
    Start(String),
    /// The process ended in the middle.
    #[error("the vision process ended{0}")]
    Died(String),
    /// The process gave no answer and was killed.
    #[error("the vision process gave no answer for {0:?} and was killed{1}")]
    Hung(Duration, String),
    /// The process gave something else and was killed.
    #[error("the vision process gave no answer but rubbish and was killed: {0}")]
    Rubbish(String),
    /// The agent stops, or has no vision process at all.
    #[error("nobody looks at pictures: the agent stops, or was started without a vision process")]
    Off,
}

/// Where asks go. Clones share it.
#[derive(Debug, Clone)]
pub struct Vision {
    looks: mpsc::Sender<Waiting>,
    others: mpsc::Sender<Waiting>,
    metrics: Option<Arc<Metrics>>,
}

impl Vision {
    /// A handle, and the one who must run for it.
    pub fn open(config: VisionConfig, metrics: Arc<Metrics>, board: Board) -> (Vision, Attendant) {
        let (looks, looks_in) = mpsc::channel(LOOKS_MAX);
        let (others, others_in) = mpsc::channel(OTHERS_MAX);
        let attendant = Attendant::new(config, metrics.clone(), board, looks_in, others_in);
        let vision = Vision {
            looks,
            others,
            metrics: Some(metrics),
        };
        (vision, attendant)
    }

    /// Nobody looks.
    pub fn off() -> Vision {
        Vision {
            looks: mpsc::channel(1).0,
            others: mpsc::channel(1).0,
            metrics: None,
        }
    }

    /// Asks; gives the answer and its body (the JPEG of a mask). `body` is the picture, where the ask means one. An answer may
    /// say that it cannot be done ([`contract::vision::Said::Failed`]). Whoever does not wait any longer is not looked for: an
    /// ask that is still waiting then is left out.
    pub async fn ask(&self, what: What, body: Bytes) -> Result<(Answer, Bytes), VisionError> {
        if body.len() > BODY_MAX as usize {
            return Err(VisionError::Large(body.len()));
        }
        let (reply, answered) = oneshot::channel();
        let queue = match what {
            What::Look { .. } => &self.looks,
            _ => &self.others,
        };
        let waiting = Waiting { what, body, reply };
        match queue.try_send(waiting) {
            Ok(()) => answered.await.unwrap_or(Err(VisionError::Off)),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(VisionError::Off),
            Err(mpsc::error::TrySendError::Full(_)) => {
                if let Some(metrics) = &self.metrics {
                    metrics.vision.refused.add(1);
                }
                Err(VisionError::Busy)
            }
        }
    }
}
