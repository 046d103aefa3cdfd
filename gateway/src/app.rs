//! What runs, and how it stops. The only place that starts tasks.
//!
//! Order of stopping: inputs (MQTT), then what follows the journal (detection, series), then what answers
//! (HTTP), then the journal itself. If the grace runs out, it is said which part was still busy.

use crate::{
    api::{self, Api, Scoring},
    broker, case,
    config::Config,
    control::{self, Control},
    coverage,
    credit::deliver,
    detect::{self, Signals, escalate},
    evidence::Vault,
    fleet::{self, Fleet},
    follow,
    footage::{self, Footage},
    ingest::{self, Ingest, dictionary::Dictionary},
    metrics::Metrics,
    post::Post,
    series,
    store::Records,
};
use anyhow::Context;
use contract::Timestamp;
use journal::{Journal, Options};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// Signals of one site within this time (divided by the training scale) are one case.
const CASE_GAP_MS: f64 = 3_600_000.0;
const GATHER_EVERY: Duration = Duration::from_millis(200);
const DELIVER_EVERY: Duration = Duration::from_secs(1);
const TICK_EVERY: Duration = Duration::from_secs(1);
const TRIM_EVERY: Duration = Duration::from_secs(60);
/// Alarms that wait for the external broker; more are not published there.
const COMMANDS_MAX: usize = 1_000;
const GRACE: Duration = Duration::from_secs(4);
/// Blocks kept behind the slowest follower, so that recent history can be read again.
const KEEP_BLOCKS: u64 = 10_000;

/// A running gateway.
pub struct Running {
    /// Where HTTP listens.
    pub http: SocketAddr,
    /// Where MQTT listens without TLS.
    pub mqtt: Option<SocketAddr>,
    /// Where MQTT listens with TLS.
    pub mqtt_tls: Option<SocketAddr>,
    /// Where agents send files of footage.
    pub footage_door: Option<SocketAddr>,
    ingest: Ingest,
    journal: Journal,
    metrics: Arc<Metrics>,
    dictionary: Dictionary,
    broker: broker::Running,
    external: Option<(watch::Sender<bool>, JoinHandle<()>)>,
    series: series::Running,
    coverage: coverage::Running,
    footage: footage::Running,
    door: Option<footage::listen::Open>,
    rules: detect::task::Running,
    model: Option<follow::Running>,
    stop: watch::Sender<bool>,
    tasks: Vec<(&'static str, JoinHandle<()>)>,
}

/// Starts everything; every port is bound before anything runs.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    let data = &config.data;
    std::fs::create_dir_all(data)
        .with_context(|| format!("cannot create the data folder {}", data.display()))?;
    let listener = tokio::net::TcpListener::bind(config.http)
        .await
        .with_context(|| format!("cannot listen on {} for HTTP", config.http))?;
    let http = listener
        .local_addr()
        .context("the HTTP listener has no address")?;
    let metrics = Arc::new(Metrics::default());
    let journal = Journal::open(&data.join("journal.db"), Options::default())
        .context("cannot open the journal")?;
    let dictionary = Dictionary::default();
    let (counters, points) = (metrics.clone(), dictionary.clone());
    let ingest = Ingest::open(
        journal.clone(),
        dictionary.clone(),
        metrics.clone(),
        config.ingest,
    )
    .context("cannot start ingest")?;
    ingest
        .keep_set_aside(data)
        .context("cannot open the file of messages that are set aside")?;
    let records = Records::open(&data.join("records.db")).context("cannot open the records")?;
    let signals = Signals::open(&data.join("detect.db")).context("cannot open the signals")?;
    let vault = Vault::open(&data.join("evidence")).context("cannot open the evidence")?;
    let registry = Arc::new(config.registry);
    let clients = fleet::clients(&records, &registry).context("cannot read the agents")?;
    let directory = broker::Directory::new(clients);
    let mut broker = broker::start(&config.broker, directory.clone(), ingest.clone())
        .await
        .context("cannot start the broker")?;
    let fleet = Fleet::new(records.clone(), registry.clone(), &broker, config.fleet)
        .context("cannot read the agents")?;
    let events = broker.events().context("the broker's events are taken")?;
    let keep = config.series.embedded.as_ref().and_then(|store| store.keep);
    let coverage = coverage::start(&data.join("coverage.db"), &journal, &dictionary, keep)
        .context("cannot start the coverage ledger")?;
    let footage = footage::Setup {
        data,
        journal: &journal,
        plan: config.footage,
        records: records.clone(),
        registry: registry.clone(),
        signals: signals.clone(),
        metrics: metrics.clone(),
    };
    let footage = footage::start(footage).context("cannot start with footage")?;
    let series = series::start(config.series, &journal, &dictionary, &metrics)
        .context("cannot start the series")?;

    let (alarm, alarms) = mpsc::unbounded_channel();
    let (outward, commands) = mpsc::channel(COMMANDS_MAX);
    let outward = config.external.is_some().then_some(outward);
    let post = Post::new(broker.broker(), outward);
    let control = Control::open(records.clone(), ingest.clone(), post.clone())
        .context("cannot read the orders to devices")?;
    let setup = detect::task::Setup {
        rules: config.rules.clone(),
        facts: registry.facts(),
        dictionary: dictionary.clone(),
        time_scale: config.time_scale,
        on_open: Box::new(move |signal| {
            // Bounded by the number of signals that open; the receiver ends only with the process.
            let _ended = alarm.send(signal.clone());
        }),
    };
    let rules = detect::task::start(setup, &journal, signals.clone(), metrics.clone())
        .context("cannot start detection")?;
    let mut scoring = Scoring::Off;
    let mut model = None;
    if let Some(m) = config.model {
        let engine = models::Engine::open(&m.catalogue, &m.name, &models::RuntimePath(m.runtime))
            .context("cannot open the model")?;
        scoring = match engine.availability() {
            models::Availability::Unavailable(reason) => Scoring::Unavailable(reason.clone()),
            models::Availability::Available => Scoring::Ready,
        };
        model = detect::onnx::start(
            engine,
            m.binding,
            dictionary,
            &journal,
            signals.clone(),
            metrics.clone(),
        )
        .context("cannot start scoring")?;
    }

    let mut followers = vec![
        rules.follow.saved_handle(),
        coverage.follow.saved_handle(),
        footage.follow.saved_handle(),
    ];
    followers.extend(model.as_ref().map(follow::Running::saved_handle));
    let (stop, stopping) = watch::channel(false);
    let changed = watch::Sender::new(0);
    let mut door = None;
    if let (Some(listen), Some(tls)) = (footage.footage.plan().listen, broker.broker().tls()) {
        let setup = footage::listen::Setup {
            listen,
            tls,
            directory,
            footage: footage.footage.clone(),
            metrics: metrics.clone(),
            changed: changed.clone(),
        };
        let open = footage::listen::open(setup).await;
        door = Some(open.context("cannot open the door for footage")?);
    }
    let api = Api(Arc::new(api::Inner {
        records: records.clone(),
        registry,
        fleet: fleet.clone(),
        control: control.clone(),
        rules: config.rules.clone(),
        time_scale: config.time_scale,
        frequency: config.inspection,
        signals: signals.clone(),
        series: series.series.clone(),
        coverage: coverage.coverage.clone(),
        footage: footage.footage.clone(),
        ingest: ingest.clone(),
        vault,
        metrics,
        detected: rules.cursor_handle(),
        scoring,
        influx: series.influx_state(),
        started_at: Timestamp::now(),
        changed: changed.clone(),
        stopping: stopping.clone(),
        failed: Mutex::default(),
    }));
    let until = stopping.clone();
    let serve = async move {
        let service = api::router(api).into_make_service_with_connect_info::<SocketAddr>();
        let ended = axum::serve(listener, service)
            .with_graceful_shutdown(stopped(until))
            .await;
        if let Err(error) = ended {
            tracing::error!(%error, "HTTP ended");
        }
    };
    let mut tasks = vec![
        ("http", tokio::spawn(serve)),
        (
            "fleet",
            tokio::spawn(fleet::run(
                fleet,
                ingest.clone(),
                post.clone(),
                events,
                stopping.clone(),
            )),
        ),
        (
            "footage",
            tokio::spawn(footage::tend::run(
                footage.footage.clone(),
                post.clone(),
                stopping.clone(),
            )),
        ),
        (
            "orders",
            tokio::spawn(control::run(control, changed.clone(), stopping.clone())),
        ),
        ("tick", tokio::spawn(tick(ingest.clone(), stopping.clone()))),
        (
            "alarms",
            tokio::spawn(publish_alarms(alarms, footage.footage.clone(), post)),
        ),
        (
            "cases",
            tokio::spawn(gather(
                records.clone(),
                signals,
                footage.footage.clone(),
                Arc::new(escalate::by_rule(&config.rules, config.time_scale)),
                config.time_scale,
                changed.clone(),
                stopping.clone(),
            )),
        ),
        (
            "trim",
            tokio::spawn(trim(
                journal.clone(),
                series.cursors(),
                followers,
                stopping.clone(),
            )),
        ),
    ];
    let (stop_external, external_stopping) = watch::channel(false);
    let external = config.external.map(|external| {
        let run = ingest::external::run(external, ingest.clone(), commands, external_stopping);
        (stop_external, tokio::spawn(run))
    });
    if let Some(platform) = config.platform {
        tasks.push((
            "outbox",
            tokio::spawn(deliver_due(records, platform, changed, stopping)),
        ));
    }
    Ok(Running {
        http,
        mqtt: broker.local_addr(),
        mqtt_tls: broker.local_addr_tls(),
        footage_door: door.as_ref().map(|door| door.address),
        ingest,
        journal,
        metrics: counters,
        dictionary: points,
        broker,
        external,
        series,
        coverage,
        footage,
        door,
        rules,
        model,
        stop,
        tasks,
    })
}

impl Running {
    /// The store that answers charts.
    pub fn series(&self) -> &series::Series {
        &self.series.series
    }

    /// Readings that are in the journal, counted since the start, and messages or readings that were refused.
    pub fn counted(&self) -> (u64, u64) {
        (
            self.metrics.ingest_readings_journaled_total.get(),
            self.metrics.ingest_refused_total.get(),
        )
    }

    /// The footage.
    pub fn footage(&self) -> &Footage {
        &self.footage.footage
    }

    /// The coverage ledger.
    pub fn coverage(&self) -> &coverage::Coverage {
        &self.coverage.coverage
    }

    /// Agents whose birth came, and no death since.
    pub fn agents_online(&self) -> usize {
        let agents = self.ingest.agents().into_iter();
        agents.filter(|(_, _, is_online)| *is_online).count()
    }

    /// The points.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// Stops in order, within the grace of each part.
    pub async fn stop(self) {
        if let Some((stop, task)) = self.external {
            stop.send_replace(true);
            within("external broker", task).await;
        }
        if let Some(door) = self.door {
            within("door for footage", door.stop()).await;
        }
        within("broker", self.broker.stop()).await;
        let (rules, model, coverage) = (self.rules, self.model, self.coverage);
        let footage = self.footage;
        let followers = tokio::task::spawn_blocking(move || {
            rules.follow.stop();
            coverage.follow.stop();
            footage.follow.stop();
            if let Some(model) = model {
                model.stop();
            }
        });
        within("detection, coverage and footage", followers).await;
        within("series", self.series.stop()).await;
        self.stop.send_replace(true);
        for (name, task) in self.tasks {
            if name == "alarms" {
                task.abort();
            } else {
                within(name, task).await;
            }
        }
        within("journal", self.journal.close()).await;
    }
}

async fn within(name: &str, part: impl Future) {
    if tokio::time::timeout(GRACE, part).await.is_err() {
        tracing::error!(
            part = name,
            "still busy when its grace ran out; what it had not written is in the journal"
        );
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means the sender is gone, which is a stop as well.
    let _gone = stopping.wait_for(|stop| *stop).await;
}

async fn tick(ingest: Ingest, stopping: watch::Receiver<bool>) {
    tokio::select! {
        () = ingest.tick(TICK_EVERY) => {}
        () = stopped(stopping) => {}
    }
}

/// Tells subscribers of `alarm/SITE/DEVICE/POINT`, at our broker and at the external one. Of a rule that works in shadow
/// nobody is told.
async fn publish_alarms(
    mut alarms: mpsc::UnboundedReceiver<detect::Signal>,
    footage: Footage,
    post: Post,
) {
    while let Some(signal) = alarms.recv().await {
        if footage::is_seen(&signal) {
            let (footage, signal) = (footage.clone(), signal.clone());
            let look = move || footage.is_in_shadow(&signal);
            if tokio::task::spawn_blocking(look).await.unwrap_or(false) {
                continue;
            }
        }
        let topic = format!("alarm/{}/{}/{}", signal.site, signal.device, signal.point);
        let payload = serde_json::to_vec(&signal).expect("a signal is always JSON");
        if !post.publish(&topic, payload) {
            tracing::warn!(
                topic,
                "an alarm was not published; the signal itself is kept"
            );
        }
    }
}

/// Runs `step` every `every`, and at once again while there is more.
async fn repeat<F: Future<Output = bool>>(
    every: Duration,
    stopping: watch::Receiver<bool>,
    mut step: impl FnMut() -> F,
) {
    loop {
        if step().await && !*stopping.borrow() {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stopped(stopping.clone()) => return,
        }
    }
}

async fn gather(
    records: Records,
    signals: Signals,
    footage: Footage,
    escalate: Arc<escalate::ByRule>,
    time_scale: f64,
    changed: watch::Sender<u64>,
    stopping: watch::Receiver<bool>,
) {
    repeat(GATHER_EVERY, stopping, || {
        let (records, signals) = (records.clone(), signals.clone());
        let (footage, changed) = (footage.clone(), changed.clone());
        let escalate = escalate.clone();
        async move {
            let step = move || {
                let models = |signal: &detect::Signal| footage.models_behind(signal);
                let by = case::store::Judging {
                    gap_ms: (CASE_GAP_MS / time_scale) as i64,
                    shadow: &footage.plan().terms,
                    models: &models,
                    escalate: &escalate,
                };
                case::store::step(&records, &signals, &by)
            };
            match tokio::task::spawn_blocking(step).await {
                Ok(Ok(0)) => false,
                Ok(Ok(_)) => {
                    changed.send_modify(|n| *n += 1);
                    true
                }
                Ok(Err(error)) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "signals could not be gathered; trying again"
                    );
                    false
                }
                Err(error) => {
                    tracing::error!(%error, "gathering ended by a panic; trying again");
                    false
                }
            }
        }
    })
    .await;
}

async fn deliver_due(
    records: Records,
    platform: String,
    changed: watch::Sender<u64>,
    stopping: watch::Receiver<bool>,
) {
    let client = match reqwest::Client::builder().no_proxy().build() {
        Ok(client) => client,
        Err(error) => return tracing::error!(%error, "nothing can be delivered: no HTTP client"),
    };
    repeat(DELIVER_EVERY, stopping, || {
        let (records, platform, client, changed) = (&records, &platform, &client, &changed);
        async move {
            match deliver::step(records, platform, client).await {
                Ok(0) => false,
                Ok(_) => {
                    changed.send_modify(|n| *n += 1);
                    true
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the outbox cannot be read; trying again"
                    );
                    false
                }
            }
        }
    })
    .await;
}

/// Deletes journal blocks that every follower has written down, but for the latest.
async fn trim(
    journal: Journal,
    cursors: Vec<&'static str>,
    followers: Vec<Arc<AtomicU64>>,
    stopping: watch::Receiver<bool>,
) {
    repeat(TRIM_EVERY, stopping, || {
        let slowest = slowest(&journal, &cursors, &followers);
        let journal = journal.clone();
        async move {
            let through = slowest.saturating_sub(KEEP_BLOCKS);
            if through > 0
                && let Err(error) = journal.trim(journal::Seq(through)).await
            {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the journal cannot be trimmed"
                );
            }
            false
        }
    })
    .await;
}

/// The last block that no follower needs any more; 0 where a cursor cannot be read.
fn slowest(journal: &Journal, cursors: &[&str], followers: &[Arc<AtomicU64>]) -> u64 {
    let stored = cursors
        .iter()
        .map(|name| journal.cursor(name).map_or(0, |seq| seq.0));
    let saved = followers.iter().map(|at| at.load(Ordering::Acquire));
    stored.chain(saved).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_journal_is_kept_for_the_slowest_follower() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&folder.path().join("j.db"), Options::small()).unwrap();
        for at_ms in 1..=5 {
            let body = vec![1];
            let staged = journal::Staged {
                at_ms,
                count: 0,
                body,
                notes: Vec::new(),
            };
            journal.append(staged).await.unwrap();
        }
        journal.set_cursor("series", journal::Seq(5)).await.unwrap();
        let handles = [Arc::new(AtomicU64::new(4)), Arc::new(AtomicU64::new(3))];
        assert_eq!(slowest(&journal, &["series"], &handles), 3);
        // InfluxDB has taken nothing yet: nothing goes.
        assert_eq!(slowest(&journal, &["series", "influx"], &handles), 0);
        journal.set_cursor("influx", journal::Seq(2)).await.unwrap();
        assert_eq!(slowest(&journal, &["series", "influx"], &handles), 2);
        journal.close().await;
    }
}
