//! What runs, and how it stops. Tasks are spawned here, and for its connections by a source that listens.
//!
//! Stopping is ordered and bounded: the inputs first, then the publisher (what is left, the death), then the
//! buffer. What does not end in time is named in the log; what is in the buffer is on disk anyway.

use crate::{
    buffer::Buffer,
    config::Config,
    control::Desk,
    metrics::Metrics,
    publish::{fence::Fence, renewal::Renewal, session::Session, task::Publisher},
    source::Sink,
    status::{self, Board, view::Sight},
    stop::Stop,
};
use anyhow::{Context, bail};
use contract::Timestamp;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{interval, timeout},
};

/// How long each of the three steps of stopping may take; together below 5 s.
const STEP: Duration = Duration::from_millis(1_600);
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The tasks of a running agent.
pub struct Running {
    inputs: JoinSet<String>,
    publisher: JoinSet<String>,
    stop_inputs: watch::Sender<bool>,
    stop_publisher: watch::Sender<bool>,
    buffer: Buffer,
    metrics: Arc<Metrics>,
}

impl Running {
    /// Opens the buffer and starts everything.
    pub async fn start(config: Config) -> anyhow::Result<Running> {
        let metrics = Arc::new(Metrics::default());
        let buffer = Buffer::open(&config.buffer, metrics.clone())
            .await
            .with_context(|| format!("buffer {}", config.buffer.path.display()))?;
        let stream = buffer.stream();
        let devices = config.devices();
        buffer.expect(devices.clone());
        metrics.answers.expect(&devices);
        tracing::info!(site = %config.site, agent = %config.agent, stream, waiting = metrics.records_waiting.get(), devices = devices.len(), "agent starts");
        let board = Board::new(&devices, Timestamp::now());
        let sight = Sight {
            site: config.site.to_string(),
            agent: config.agent.to_string(),
            gateway: format!("{}:{}", config.gateway.host, config.gateway.port),
            bytes_max: config.buffer.bytes_max,
            board: board.clone(),
            buffer: buffer.clone(),
            metrics: metrics.clone(),
        };
        let (desk, orders) = Desk::open(buffer.clone());
        let publisher = Publisher {
            agent: config.agent.to_string(),
            session: Session::new(config.site, config.agent, stream, &devices),
            renewal: Renewal::of(&config.gateway.identity),
            gateway: config.gateway,
            fence: Fence::new(buffer.fence()),
            buffer: buffer.clone(),
            metrics: metrics.clone(),
            board: board.clone(),
            desk: desk.clone(),
        };
        let mut running = Running {
            inputs: JoinSet::new(),
            publisher: JoinSet::new(),
            stop_inputs: watch::Sender::new(false),
            stop_publisher: watch::Sender::new(false),
            buffer,
            metrics,
        };
        let stop = Stop::of(&running.stop_publisher);
        running.publisher.spawn(async move {
            publisher.run(stop).await;
            "publisher".to_owned()
        });
        if let Some(page) = config.status {
            let stop = Stop::of(&running.stop_publisher);
            running.publisher.spawn(async move {
                status::page::run(page, sight, stop).await;
                "status page".to_owned()
            });
        }
        let (taking, stop) = (desk.clone(), Stop::of(&running.stop_inputs));
        running.inputs.spawn(async move {
            taking.run(orders, stop).await;
            "orders".to_owned()
        });
        for source in config.sources {
            let name = source.name();
            let sink = Sink::new(
                running.buffer.clone(),
                running.metrics.clone(),
                board.clone(),
                desk.clone(),
            );
            let stop = Stop::of(&running.stop_inputs);
            running.inputs.spawn(async move {
                source.run(sink, stop).await;
                name
            });
        }
        Ok(running)
    }

    /// Watches over the tasks until `stop`; a task that ends unasked ends the agent with an error.
    pub async fn watch(&mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let mut stop = std::pin::pin!(stop);
        let mut ticks = interval(LOG_EVERY);
        ticks.tick().await;
        loop {
            tokio::select! {
                () = &mut stop => return Ok(()),
                _ = ticks.tick() => self.metrics.log(),
                () = self.buffer.damaged() => bail!("the buffer file is damaged; the next start sets it aside and goes on"),
                Some(ended) = self.inputs.join_next() => bail!("a task ended unasked: {ended:?}"),
                Some(ended) = self.publisher.join_next() => bail!("a task ended unasked: {ended:?}"),
            }
        }
    }

    /// Stops in order.
    pub async fn drain(mut self) {
        self.stop_inputs.send_replace(true);
        finish("inputs", &mut self.inputs, STEP).await;
        self.stop_publisher.send_replace(true);
        finish(
            "publisher",
            &mut self.publisher,
            2 * STEP - Duration::from_millis(100),
        )
        .await;
        self.metrics.log();
        if timeout(STEP, self.buffer.close()).await.is_err() {
            tracing::error!("the buffer was still writing when time ran out");
        }
    }

    /// The counters.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }
}

async fn finish(what: &str, tasks: &mut JoinSet<String>, limit: Duration) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if timeout(limit, all).await.is_err() {
        tracing::error!(what, left = tasks.len(), "still busy when time ran out");
        tasks.shutdown().await;
    }
}

/// Runs the agent until `stop`.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let mut running = Running::start(config).await?;
    let watched = running.watch(stop).await;
    running.drain().await;
    watched
}
