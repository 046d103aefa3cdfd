//! Keeps a vision process alive and gives it the asks, one at a time.

use super::{
    VisionError,
    child::{Broken, Child},
    config::VisionConfig,
};
use crate::{metrics::Metrics, status::Board, stop::Stop};
use bytes::Bytes;
use contract::vision::{Answer, Said, What};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

/// Its name on the board.
pub const NAME: &str = "vision";
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

type Answered = Result<(Answer, Bytes), VisionError>;

/// An ask that waits.
#[derive(Debug)]
pub struct Waiting {
    pub(super) what: What,
    pub(super) body: Bytes,
    pub(super) reply: oneshot::Sender<Answered>,
}

/// The one who looks after the process.
pub struct Attendant {
    config: VisionConfig,
    metrics: Arc<Metrics>,
    board: Board,
    looks: mpsc::Receiver<Waiting>,
    others: mpsc::Receiver<Waiting>,
    /// Whose turn it is if both wait.
    is_turn_of_looks: bool,
    child: Option<Child>,
    /// When another one may be started, and what became of the last one.
    down: Option<(Instant, String)>,
    wait: Duration,
    /// Models that failed when they were used last.
    failing: BTreeSet<String>,
}

impl Attendant {
    pub(super) fn new(
        config: VisionConfig,
        metrics: Arc<Metrics>,
        board: Board,
        looks: mpsc::Receiver<Waiting>,
        others: mpsc::Receiver<Waiting>,
    ) -> Attendant {
        Attendant {
            config,
            metrics,
            board,
            looks,
            others,
            is_turn_of_looks: true,
            child: None,
            down: None,
            wait: BACK_OFF.0,
            failing: BTreeSet::new(),
        }
    }

    /// Gives asks to a process until told to stop. The process ends with it.
    pub async fn run(mut self, mut stop: Stop) {
        loop {
            let waiting = tokio::select! {
                () = stop.asked() => break,
                waiting = self.next() => waiting,
            };
            let Some(waiting) = waiting else { break };
            if waiting.reply.is_closed() {
                continue;
            }
            let answered = tokio::select! {
                () = stop.asked() => break,
                answered = self.serve(waiting.what, &waiting.body) => answered,
            };
            // Whoever asked may have gone.
            let _ = waiting.reply.send(answered);
        }
        if let Some(child) = self.child.take() {
            child.end().await;
        }
    }

    /// The next ask; nothing if nobody is left to ask. Cancel-safe.
    async fn next(&mut self) -> Option<Waiting> {
        let (first, second) = match self.is_turn_of_looks {
            true => (&mut self.looks, &mut self.others),
            false => (&mut self.others, &mut self.looks),
        };
        let waiting = tokio::select! {
            biased;
            Some(waiting) = first.recv() => waiting,
            Some(waiting) = second.recv() => waiting,
            else => return None,
        };
        self.is_turn_of_looks = !matches!(waiting.what, What::Look { .. });
        Some(waiting)
    }

    async fn serve(&mut self, what: What, body: &Bytes) -> Answered {
        if self.child.as_mut().is_some_and(Child::has_ended)
            && let Some(child) = self.child.take()
        {
            let words = child.end().await;
            self.metrics.vision.died.add(1);
            return Err(self.fall(VisionError::Died(words)));
        }
        let mut child = match self.child.take() {
            Some(child) => child,
            None => self.start()?,
        };
        let (is_look, began) = (matches!(what, What::Look { .. }), Instant::now());
        let counts = &self.metrics.vision;
        counts.asks.add(1);
        let patience = child.patience(&what, self.config.patience);
        let broken = match timeout(patience, child.ask(what, body)).await {
            Ok(Ok((answer, body))) => {
                if is_look {
                    counts.looks.add(1);
                    counts.look_delays.add(began.elapsed());
                }
                self.answered(&answer);
                self.child = Some(child);
                return Ok((answer, body));
            }
            Ok(Err(broken)) => Some(broken),
            Err(_) => None,
        };
        let words = child.end().await;
        let counts = &self.metrics.vision;
        let error = match broken {
            None => {
                counts.hung.add(1);
                VisionError::Hung(patience, words)
            }
            Some(Broken::Ended(_)) => {
                counts.died.add(1);
                VisionError::Died(words)
            }
            Some(broken) => {
                counts.rubbish.add(1);
                VisionError::Rubbish(format!("{broken}{words}"))
            }
        };
        Err(self.fall(error))
    }

    fn start(&mut self) -> Result<Child, VisionError> {
        let now = Instant::now();
        if let Some((at, why)) = self.down.as_ref().filter(|(at, _)| *at > now) {
            self.metrics.vision.unserved.add(1);
            return Err(VisionError::Down {
                why: why.clone(),
                again_in: *at - now,
            });
        }
        match Child::start(&self.config) {
            Ok(child) => {
                self.metrics.vision.started.add(1);
                Ok(child)
            }
            Err(error) => {
                self.metrics.vision.unserved.add(1);
                let words = format!("{}: {error}", self.config.program.display());
                Err(self.fall(VisionError::Start(words)))
            }
        }
    }

    /// There is no process any more, and none for a while.
    fn fall(&mut self, error: VisionError) -> VisionError {
        tracing::warn!(%error, again_in = ?self.wait, "no vision process");
        self.down = Some((Instant::now() + self.wait, error.to_string()));
        self.wait = (2 * self.wait).min(BACK_OFF.1);
        self.board.source(NAME, Err(error.to_string()));
        error
    }

    /// The process lives; a model may not.
    fn answered(&mut self, answer: &Answer) {
        self.wait = BACK_OFF.0;
        if self.down.take().is_some() {
            tracing::info!("a vision process answers again");
        }
        self.board.source(NAME, Ok(()));
        for model in &answer.models {
            if self.failing.remove(&model.name) {
                self.board.source(&of_model(&model.name), Ok(()));
            }
        }
        let Said::Failed {
            of_model: of,
            words,
        } = &answer.said
        else {
            return;
        };
        self.metrics.vision.failed.add(1);
        let Some(name) = of else { return };
        if self.failing.insert(name.clone()) {
            tracing::warn!(model = name, words, "a model fails");
        }
        self.board.source(&of_model(name), Err(words.clone()));
    }
}

fn of_model(name: &str) -> String {
    format!("{NAME} {name}")
}
