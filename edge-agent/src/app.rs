//! What runs, and how it stops or changes. Tasks are spawned here, and for its connections by a source that listens.
//!
//! Stopping is ordered and bounded: the inputs first, then the publisher (what is left, the death), then the
//! buffer. What does not end in time is named in the log; what is in the buffer is on disk anyway.
//!
//! A configuration that the gateway sends is applied without a restart: sources that stay as they are go on, the others are
//! exchanged, and the agent is born anew. Without a receipt within `gateway.trial` what ran before comes back.

use crate::{
    buffer::Buffer,
    config::{self, Config, Identity},
    control::Desk,
    desired::{self, Keeper},
    footage::{Footage, door::Door, job::Cutter, send},
    metrics::Metrics,
    publish::{fence::Fence, renewal::Renewal, session::Session, task::Publisher},
    source::{Sink, Source},
    status::{self, Board, view::Sight},
    stop::Stop,
    vision::Vision,
};
use anyhow::{Context, bail};
use contract::{DeviceId, Timestamp, configuration::Desired};
use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, interval, sleep_until, timeout},
};

/// How long each of the three steps of stopping may take; together below 5 s.
const STEP: Duration = Duration::from_millis(1_600);
const LOG_EVERY: Duration = Duration::from_secs(60);

/// A source that runs.
struct Input {
    source: Source,
    number: u64,
    stop: watch::Sender<bool>,
}

/// The tasks of a running agent.
pub struct Running {
    config: Config,
    keeper: Keeper,
    inputs: Vec<Input>,
    input_tasks: JoinSet<u64>,
    numbers: u64,
    publisher: JoinSet<Publisher>,
    page: JoinSet<()>,
    orders: JoinSet<()>,
    looking: JoinSet<()>,
    desk: Desk,
    vision: Vision,
    footage: Option<Footage>,
    footage_tasks: JoinSet<()>,
    stop_publisher: watch::Sender<bool>,
    stop_page: watch::Sender<bool>,
    stop_looking: watch::Sender<bool>,
    stop_footage: watch::Sender<bool>,
    wished: watch::Receiver<Option<Arc<Desired>>>,
    is_heard: watch::Receiver<bool>,
    /// Until when what is tried must have been proved.
    trial_until: Option<Instant>,
    /// When something was given up, until the gateway was heard after it.
    given_up_at: Option<Instant>,
    buffer: Buffer,
    board: Board,
    metrics: Arc<Metrics>,
}

impl Running {
    /// Opens the buffer and starts everything; what the gateway wants goes before what `config` says.
    pub async fn start(config: Config) -> anyhow::Result<Running> {
        let keeper = Keeper::open(&config.buffer.path);
        match keeper.kept.runs() {
            None => Running::start_with(config, keeper).await,
            Some(_) => {
                let (config, keeper) = desired::load(&config.path)?;
                Running::start_with(config, keeper).await
            }
        }
    }

    /// Opens the buffer and starts everything.
    pub async fn start_with(config: Config, keeper: Keeper) -> anyhow::Result<Running> {
        let metrics = Arc::new(Metrics::default());
        let buffer = Buffer::open(&config.buffer, metrics.clone())
            .await
            .with_context(|| format!("buffer {}", config.buffer.path.display()))?;
        let stream = buffer.stream();
        let devices = config.devices();
        buffer.expect(devices.clone());
        tracing::info!(site = %config.site, agent = %config.agent, stream, waiting = metrics.records_waiting.get(), devices = devices.len(), configuration = keeper.kept.report().runs, "agent starts");
        let board = Board::new(&devices, Timestamp::now());
        let (desk, orders) = Desk::open(buffer.clone());
        let (vision, attendant) =
            Vision::open(config.vision.clone(), metrics.clone(), board.clone());
        let footage = config.footage.as_ref().map(|footage| {
            Footage::open(footage.clone(), metrics.clone())
                .with_context(|| format!("spool {}", footage.spool.display()))
        });
        let footage = footage.transpose()?;
        let (wish, wished) = watch::channel(None);
        let publisher = Publisher {
            agent: config.agent.to_string(),
            session: Session::new(config.site.clone(), config.agent.clone(), stream, &devices),
            renewal: Renewal::of(&config.gateway.identity),
            gateway: config.gateway.clone(),
            fence: Fence::new(buffer.fence()),
            buffer: buffer.clone(),
            metrics: metrics.clone(),
            board: board.clone(),
            desk: desk.clone(),
            footage: footage.clone(),
            wished: wish,
            is_heard: watch::Sender::new(false),
        };
        let mut running = Running {
            is_heard: publisher.is_heard.subscribe(),
            trial_until: keeper
                .kept
                .is_trial()
                .then(|| Instant::now() + config.gateway.trial),
            keeper,
            inputs: Vec::new(),
            input_tasks: JoinSet::new(),
            numbers: 0,
            publisher: JoinSet::new(),
            page: JoinSet::new(),
            orders: JoinSet::new(),
            looking: JoinSet::new(),
            desk: desk.clone(),
            vision,
            footage,
            footage_tasks: JoinSet::new(),
            stop_publisher: watch::Sender::new(false),
            stop_page: watch::Sender::new(false),
            stop_looking: watch::Sender::new(false),
            stop_footage: watch::Sender::new(false),
            wished,
            given_up_at: None,
            buffer,
            board,
            metrics,
            config,
        };
        running.show();
        running.publish(publisher);
        if let Some(page) = running.config.status.clone() {
            let sight = Sight {
                site: running.config.site.to_string(),
                agent: running.config.agent.to_string(),
                bytes_max: running.config.buffer.bytes_max,
                board: running.board.clone(),
                buffer: running.buffer.clone(),
                metrics: running.metrics.clone(),
                footage: running.footage.clone(),
            };
            let stop = Stop::of(&running.stop_page);
            running.page.spawn(status::page::run(page, sight, stop));
        }
        let stop = Stop::of(&running.stop_page);
        running.orders.spawn(desk.run(orders, stop));
        let stop = Stop::of(&running.stop_looking);
        running.looking.spawn(attendant.run(stop));
        running.keep_footage();
        running.take_in(running.config.sources.clone());
        Ok(running)
    }

    /// Starts cutting and sending, if pictures are kept.
    fn keep_footage(&mut self) {
        let Identity::Certificate { files, name } = &self.config.gateway.identity else {
            return;
        };
        let Some(footage) = &self.footage else { return };
        let cutter = Cutter {
            footage: footage.clone(),
            vision: self.vision.clone(),
            files: files.clone(),
            site: self.config.site.clone(),
            agent: self.config.agent.clone(),
            sink: self.sink(),
        };
        let stop = || Stop::of(&self.stop_footage);
        self.footage_tasks.spawn(cutter.run(stop()));
        let door = Door::new(files.clone(), name.clone());
        self.footage_tasks
            .spawn(send::run(footage.clone(), door, stop()));
    }

    fn sink(&self) -> Sink {
        let sink = Sink::new(
            self.buffer.clone(),
            self.metrics.clone(),
            self.board.clone(),
            self.desk.clone(),
        );
        sink.with_vision(self.vision.clone())
            .with_footage(self.footage.clone())
    }

    /// What takes sightings, if pictures are kept.
    pub fn footage(&self) -> Option<Footage> {
        self.footage.clone()
    }

    /// Starts sources.
    fn take_in(&mut self, sources: Vec<Source>) {
        for source in sources {
            self.numbers += 1;
            let (number, stop) = (self.numbers, watch::Sender::new(false));
            let sink = self.sink();
            let (running, token) = (source.clone(), Stop::of(&stop));
            self.input_tasks.spawn(async move {
                running.run(sink, token).await;
                number
            });
            self.inputs.push(Input {
                source,
                number,
                stop,
            });
        }
    }

    fn publish(&mut self, publisher: Publisher) {
        self.stop_publisher = watch::Sender::new(false);
        let stop = Stop::of(&self.stop_publisher);
        self.publisher.spawn(publisher.run(stop));
    }

    /// Where the gateway is and what runs, for the page and the gateway.
    fn show(&self) {
        let gateway = &self.config.gateway;
        let address = format!("{}:{}", gateway.host, gateway.port);
        self.board.runs(address, self.keeper.kept.report());
    }

    /// Watches over the tasks until `stop`; a task that ends unasked ends the agent with an error.
    pub async fn watch(&mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let mut stop = std::pin::pin!(stop);
        let mut ticks = interval(LOG_EVERY);
        ticks.tick().await;
        loop {
            let is_waiting = self.trial_until.is_some() || self.given_up_at.is_some();
            let trial_until = self.trial_until;
            tokio::select! {
                () = &mut stop => return Ok(()),
                _ = ticks.tick() => self.metrics.log(),
                () = self.buffer.damaged() => bail!("the buffer file is damaged; the next start sets it aside and goes on"),
                Some(ended) = self.input_tasks.join_next() => {
                    let name = ended.ok().and_then(|number| self.inputs.iter().find(|input| input.number == number));
                    bail!("a task ended unasked: {}", name.map_or("a panic".into(), |input| input.source.name()));
                }
                Some(_) = self.publisher.join_next() => bail!("a task ended unasked: publisher"),
                Some(_) = self.page.join_next() => bail!("a task ended unasked: status page"),
                Some(_) = self.orders.join_next() => bail!("a task ended unasked: orders"),
                Some(_) = self.footage_tasks.join_next() => bail!("a task ended unasked: footage"),
                Some(_) = self.looking.join_next() => bail!("a task ended unasked: vision"),
                Ok(()) = self.wished.changed() => {
                    let desired = self.wished.borrow_and_update().clone();
                    if let Some(desired) = desired.filter(|desired| self.keeper.kept.is_new(desired)) {
                        self.wish(&desired).await?;
                    }
                }
                true = is_heard(&mut self.is_heard), if is_waiting => self.heard(),
                () = sleep_until(trial_until.unwrap_or_else(Instant::now)), if trial_until.is_some() => self.go_back().await?,
            }
        }
    }

    /// The gateway wants something else.
    async fn wish(&mut self, desired: &Desired) -> anyhow::Result<()> {
        let now = Timestamp::now();
        let wanted = (!desired.is_own()).then_some(desired);
        let loaded = config::load_with(&self.config.path, wanted);
        let kept = match &loaded {
            Ok(_) => self
                .keeper
                .change(|kept| kept.try_out(desired.clone(), now)),
            Err(problems) => {
                let reasons: Vec<String> = problems.iter().map(ToString::to_string).collect();
                tracing::warn!(version = desired.version, %problems, "the gateway's configuration cannot be run");
                self.keeper
                    .note(|kept| kept.refuse(desired, reasons.clone(), now));
                Ok(())
            }
        };
        if let Err(error) = kept {
            // Nothing is tried that would be forgotten if the agent ended.
            let reason = format!("it cannot be kept: {}", crate::chain(&error));
            tracing::error!(
                version = desired.version,
                reason,
                "the gateway's configuration is not tried"
            );
            self.keeper
                .note(|kept| kept.refuse(desired, vec![reason.clone()], now));
        }
        if let (true, Ok(config)) = (self.keeper.kept.is_trial(), loaded) {
            tracing::info!(
                version = desired.version,
                "the gateway's configuration is tried"
            );
            self.trial_until = Some(Instant::now() + self.config.gateway.trial);
            self.given_up_at = None;
            self.change(config).await?;
        }
        self.show();
        Ok(())
    }

    /// The gateway was heard.
    fn heard(&mut self) {
        self.trial_until = None;
        if let Some(at) = self.given_up_at.take() {
            self.keeper.note(|kept| kept.heard_after(at.elapsed()));
        } else if self.keeper.kept.is_trial() {
            self.keeper.note(|kept| {
                kept.prove(Timestamp::now());
            });
            let version = self.keeper.kept.report().runs;
            tracing::info!(
                version,
                "the gateway was heard with its configuration; it is kept"
            );
        }
        self.show();
    }

    /// The gateway was not heard with what is tried.
    async fn go_back(&mut self) -> anyhow::Result<()> {
        let reason = format!(
            "no receipt of the gateway within {:?}",
            self.config.gateway.trial
        );
        tracing::warn!(
            reason,
            "the gateway's configuration is given up; what ran before runs again"
        );
        self.trial_until = None;
        self.given_up_at = Some(Instant::now());
        self.keeper
            .note(|kept| kept.give_up(reason.clone(), Timestamp::now()));
        let config = match config::load_with(&self.config.path, self.keeper.kept.runs()) {
            Ok(config) => config,
            // Another start finds what can be run.
            Err(problems) => bail!("what ran before cannot be loaded any more: {problems}"),
        };
        self.change(config).await?;
        self.show();
        Ok(())
    }

    /// Exchanges the sources that are not the same, and is born anew.
    async fn change(&mut self, config: Config) -> anyhow::Result<()> {
        let mut new = config.sources.clone();
        let (mut stay, mut go) = (Vec::new(), Vec::new());
        for input in self.inputs.drain(..) {
            match new.iter().position(|source| *source == input.source) {
                Some(place) => {
                    new.remove(place);
                    stay.push(input);
                }
                None => go.push(input),
            }
        }
        self.inputs = stay;
        self.leave(go).await?;
        self.stop_publisher.send_replace(true);
        let ended = timeout(2 * STEP, self.publisher.join_next()).await;
        let Ok(Some(Ok(mut publisher))) = ended else {
            bail!("the publisher did not end in time for another configuration");
        };
        let devices = config.devices();
        let ids: HashSet<DeviceId> = devices.iter().map(|device| device.id.clone()).collect();
        let before = self.config.devices().into_iter().map(|device| device.id);
        let gone: Vec<DeviceId> = before.filter(|id| !ids.contains(id)).collect();
        self.board.forget(&gone);
        self.board.configure(&devices, Timestamp::now());
        let (site, agent) = (config.site.clone(), config.agent.clone());
        publisher.session = Session::new(site, agent, self.buffer.stream(), &devices);
        publisher.gateway = config.gateway.clone();
        publisher.is_heard = watch::Sender::new(false);
        self.is_heard = publisher.is_heard.subscribe();
        match (&self.footage, &config.footage) {
            (Some(footage), Some(config)) => footage.configure(config.clone()),
            (None, Some(_)) => {
                tracing::warn!("[footage] is new in the box's own file; it holds after a restart");
            }
            (_, None) => {}
        }
        self.config = config;
        self.show();
        self.publish(publisher);
        self.take_in(new);
        Ok(())
    }

    /// Stops some inputs and waits for them.
    async fn leave(&mut self, inputs: Vec<Input>) -> anyhow::Result<()> {
        let mut left: HashSet<u64> = inputs.iter().map(|input| input.number).collect();
        for input in &inputs {
            input.stop.send_replace(true);
        }
        let all = async {
            while !left.is_empty() {
                match self.input_tasks.join_next().await {
                    Some(Ok(number)) if left.remove(&number) => {}
                    other => bail!("a task ended unasked: {other:?}"),
                }
            }
            Ok(())
        };
        match timeout(STEP, all).await {
            Ok(done) => done,
            Err(_) => bail!("a source did not end in time for another configuration"),
        }?;
        for input in inputs {
            if let Some(name) = input.source.door() {
                self.board.forget_source(&name);
            }
        }
        Ok(())
    }

    /// Stops in order.
    pub async fn drain(mut self) {
        for input in &self.inputs {
            input.stop.send_replace(true);
        }
        finish("inputs", &mut self.input_tasks, STEP).await;
        self.stop_footage.send_replace(true);
        self.footage_tasks.shutdown().await;
        self.stop_looking.send_replace(true);
        self.stop_publisher.send_replace(true);
        self.stop_page.send_replace(true);
        let limit = 2 * STEP - Duration::from_millis(100);
        finish("publisher", &mut self.publisher, limit).await;
        finish("vision", &mut self.looking, STEP / 4).await;
        self.page.shutdown().await;
        self.orders.shutdown().await;
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

async fn finish<T: 'static>(what: &str, tasks: &mut JoinSet<T>, limit: Duration) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if timeout(limit, all).await.is_err() {
        tracing::error!(what, left = tasks.len(), "still busy when time ran out");
        tasks.shutdown().await;
    }
}

async fn is_heard(heard: &mut watch::Receiver<bool>) -> bool {
    heard.wait_for(|is_heard| *is_heard).await.is_ok()
}

/// Runs the agent until `stop`.
pub async fn run(
    config: Config,
    keeper: Keeper,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut running = Running::start_with(config, keeper).await?;
    let watched = running.watch(stop).await;
    running.drain().await;
    watched
}
