//! Readings from a broker that is not ours, through rumqttc.
//!
//! Promise: a QoS 1 message is acknowledged to the broker only after the journal's fsync; receipts and rebirth
//! requests go out through the same broker; a lost connection is made again with growing pauses, and after
//! several failures with a new client (an old one may be stuck for good after a lost session).
//! Not promised: anything about QoS 0 messages the broker drops; numbered records repair that themselves.

use super::hub::Ingest;
use super::inlet::{Command, Done, Inlet, Next, Pending};
use contract::Timestamp;
use contract::problems::Problems;
use journal::{AppendError, Committed};
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Packet, Publish, QoS,
    SubscribeFilter, Transport,
};
use std::collections::VecDeque;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

const REQUESTS_MAX: usize = 10_000;
const BATCH_BYTES_MAX: usize = 1 << 20;
const FAILURES_BEFORE_NEW_CLIENT: u32 = 5;
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The `[ingest.external]` part of the configuration.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Host name or address of the broker.
    pub host: String,
    /// Port; 8883 is usual with TLS, 1883 without.
    pub port: u16,
    /// MQTT client id; the broker keeps the session under it, so it must not change.
    pub client_id: String,
    /// User name, if the broker wants one.
    #[serde(default)]
    pub username: Option<String>,
    /// File with the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file of the authority that signed the broker's certificate; TLS is used if it is given.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// PEM file of our certificate for it.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// PEM file of our key.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

impl Config {
    /// Reads the files it names, which are relative to `folder`.
    pub fn resolve(self, folder: &Path, problems: &mut Problems) -> Resolved {
        for (name, text) in [("host", &self.host), ("client_id", &self.client_id)] {
            if text.trim().is_empty() {
                problems.add(
                    format!("ingest.external.{name}"),
                    "it is empty",
                    "the broker's host, and a client id that never changes",
                );
            }
        }
        let mut read = |name: &str, path: &Option<PathBuf>| {
            path.as_ref().map(|path| {
                let path = folder.join(path);
                std::fs::read(&path).unwrap_or_else(|error| {
                    let what = format!("{} cannot be read: {error}", path.display());
                    problems.add(
                        format!("ingest.external.{name}"),
                        what,
                        "name a file the gateway may read",
                    );
                    Vec::new()
                })
            })
        };
        let password = read("password_file", &self.password_file);
        let ca = read("ca", &self.ca);
        let client = read("certificate", &self.certificate).zip(read("key", &self.key));
        if self.certificate.is_some() != self.key.is_some() {
            problems.add(
                "ingest.external",
                "certificate and key go together",
                "set both or neither",
            );
        }
        let mut options = MqttOptions::new(self.client_id, self.host, self.port);
        options.set_clean_session(false);
        options.set_manual_acks(true);
        options.set_keep_alive(Duration::from_secs(20));
        options.set_max_packet_size(1 << 20, 1 << 20);
        if let Some(username) = self.username {
            let password = password.unwrap_or_default();
            options.set_credentials(username, String::from_utf8_lossy(&password).trim_end());
        }
        if let Some(ca) = ca {
            options.set_transport(Transport::tls(ca, client, None));
        }
        Resolved(options)
    }
}

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Resolved(MqttOptions);

/// Why the link to the broker must be made anew.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the connection to the external broker failed")]
    Connection(#[source] Box<ConnectionError>),
    #[error("the journal takes nothing")]
    Journal(#[source] AppendError),
    #[error("the client's queue is full")]
    Stuck,
}

type Commit = Pin<Box<dyn Future<Output = Result<Committed, AppendError>> + Send>>;

struct Link {
    ingest: Ingest,
    inlet: Inlet,
    client: AsyncClient,
    /// What is not acknowledged yet, by token, in the order it came over the present connection.
    open: VecDeque<(u32, Publish)>,
    last_token: u32,
    commit: Option<(Commit, Pending)>,
}

/// Takes readings from the broker until `stop` is true; publishes what comes from `commands` to it.
pub async fn run(
    config: Resolved,
    ingest: Ingest,
    mut commands: mpsc::Receiver<Command>,
    mut stop: watch::Receiver<bool>,
) {
    let mut failures = 0u32;
    while !*stop.borrow() {
        let (client, mut events) = AsyncClient::new(config.0.clone(), REQUESTS_MAX);
        let mut link = Link {
            inlet: ingest.inlet(),
            ingest: ingest.clone(),
            client,
            open: VecDeque::new(),
            last_token: 0,
            commit: None,
        };
        let mut failures_of_client = 0;
        while failures_of_client < FAILURES_BEFORE_NEW_CLIENT {
            let Err(broken) = link
                .serve(&mut events, &mut commands, &mut stop, &mut failures)
                .await
            else {
                link.finish().await;
                return;
            };
            failures = failures.saturating_add(1);
            failures_of_client += 1;
            // What the old connection delivered is delivered again by the new one.
            link.open.clear();
            let cause = std::error::Error::source(&broken).map(ToString::to_string);
            tracing::warn!(%broken, cause, failures, "trying the external broker again");
            let pause = pause(failures, Timestamp::now().as_millis() as u64);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            if matches!(broken, Broken::Journal(_) | Broken::Stuck) {
                break;
            }
        }
        link.finish().await;
    }
}

/// Doubles with each failure up to a minute, less up to a half by `noise`.
fn pause(failures: u32, noise: u64) -> Duration {
    let full = PAUSE_MIN
        .saturating_mul(1 << failures.min(10))
        .min(PAUSE_MAX);
    full - full.mul_f64((noise % 1000) as f64 / 2000.0)
}

impl Link {
    async fn serve(
        &mut self,
        events: &mut EventLoop,
        commands: &mut mpsc::Receiver<Command>,
        stop: &mut watch::Receiver<bool>,
        failures: &mut u32,
    ) -> Result<(), Broken> {
        loop {
            if self.commit.is_none() {
                match self.inlet.next(Timestamp::now()) {
                    Next::Idle => {}
                    Next::Settle(done) => self.settle(done)?,
                    Next::Append(staged, pending) => {
                        let journal = self.ingest.journal().clone();
                        self.commit = Some((
                            Box::pin(async move { journal.append(staged).await }),
                            pending,
                        ));
                    }
                }
            }
            let is_full = self.inlet.len() >= BATCH_BYTES_MAX;
            let commit = &mut self.commit;
            let committed = async {
                match commit {
                    Some((commit, _)) => commit.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                result = committed => self.committed(result)?,
                event = events.poll(), if !is_full => match event {
                    Ok(event) => {
                        *failures = 0;
                        self.take(event)?;
                    }
                    Err(error) => return Err(Broken::Connection(Box::new(error))),
                },
                Some(command) = commands.recv() => self.publish(command)?,
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Incoming(Packet::ConnAck(_)) => {
                self.open.clear();
                let mut filters = vec![SubscribeFilter::new("spBv1.0/#".into(), QoS::AtLeastOnce)];
                let json = self.ingest.config().filters().into_iter();
                filters.extend(json.map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce)));
                tracing::info!("connected to the external broker");
                self.client
                    .try_subscribe_many(filters)
                    .map_err(|_| Broken::Stuck)
            }
            Event::Incoming(Packet::Publish(publish)) => {
                let mut token = 0;
                let place = self.inlet.route(publish.topic.as_bytes());
                if publish.qos == QoS::AtLeastOnce {
                    self.last_token = self.last_token.checked_add(1).unwrap_or(1);
                    token = self.last_token;
                }
                self.inlet
                    .publish(place, &publish.payload, token, Timestamp::now());
                if token != 0 {
                    self.open.push_back((token, publish));
                }
                for command in self.inlet.take_commands() {
                    self.publish(command)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn committed(&mut self, result: Result<Committed, AppendError>) -> Result<(), Broken> {
        let Some((_, pending)) = self.commit.take() else {
            return Ok(());
        };
        match result {
            Ok(_) => {
                let done = self.inlet.committed(pending, Timestamp::now());
                self.settle(done)
            }
            Err(error) => {
                self.inlet.failed(pending);
                Err(Broken::Journal(error))
            }
        }
    }

    fn settle(&mut self, done: Done) -> Result<(), Broken> {
        for token in done.acks {
            // A token of an earlier connection is not open any more: its message comes again.
            if self.open.front().is_some_and(|(first, _)| *first == token)
                && let Some((_, publish)) = self.open.pop_front()
            {
                self.client.try_ack(&publish).map_err(|_| Broken::Stuck)?;
            }
        }
        done.commands
            .into_iter()
            .try_for_each(|command| self.publish(command))
    }

    fn publish(&self, command: Command) -> Result<(), Broken> {
        self.client
            .try_publish(command.topic, QoS::AtMostOnce, false, command.payload)
            .map_err(|_| Broken::Stuck)
    }

    /// Journals what was taken and not written yet.
    async fn finish(mut self) {
        if let Some((commit, pending)) = self.commit.take() {
            match commit.await {
                Ok(_) => drop(self.inlet.committed(pending, Timestamp::now())),
                Err(error) => {
                    tracing::error!(%error, "the last readings from the external broker were not journaled");
                    self.inlet.failed(pending);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_not_further() {
        assert_eq!(pause(0, 0), PAUSE_MIN);
        assert!(pause(3, 999) < pause(3, 0));
        assert_eq!(pause(u32::MAX, 0), PAUSE_MAX);
    }
}
