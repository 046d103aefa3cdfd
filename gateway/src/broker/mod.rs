//! MQTT connections: who may say what, and how it reaches ingest and subscribers.
//!
//! Promise: our own listener in front of rumqttd's router. No client can block another one's handshake, speak
//! for another agent, or hear what it may not; a QoS 1 message with readings is acknowledged after fsync.
//! Not promised: persistent sessions (a client that comes back subscribes again), QoS 2, shared subscriptions,
//! delivery to subscribers above QoS 0.
//!
//! Readings go straight from the connection to ingest. The router sees a message only if a filter matches it.
//!
//! Read in this order: `access` (who may connect, and what they may do), `topic` (names and filters), `packet`
//! (MQTT on the wire), `connection` (one client from CONNECT to its end), `registry` (who is connected), `tls`
//! (certificates), `fanout` (to subscribers, through rumqttd's router).

mod access;
mod connection;
mod fanout;
mod packet;
mod registry;
mod tls;
mod topic;

pub use access::{Certificates, Client, Directory, Identity, Refusal, Role, Standing};
pub use fanout::RouterError;
pub use tls::{Authority, TlsError, TlsFiles};

use crate::certificate::Certificate;
use crate::ingest::Ingest;
use bytes::Bytes;
use contract::{Timestamp, problems::Problems};
use fanout::Fanout;
use registry::Registry;
use rustls::pki_types::CertificateDer;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tls::OwnCertificate;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Events about agents that wait to be heard; more are dropped and counted.
const EVENTS_MAX: usize = 4_096;
/// A certificate request is smaller than this.
const REQUEST_BYTES_MAX: usize = 8 << 10;

/// The `[broker]` part of the configuration.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of the plain listener; none if left out.
    pub listen: Option<SocketAddr>,
    /// Address of the TLS listener; none if left out.
    pub listen_tls: Option<SocketAddr>,
    /// Files for the TLS listener.
    pub tls: Option<TlsFiles>,
    /// Clients without name and password are let in on the plain listener. Only on the loopback.
    pub allow_anonymous: bool,
    /// Connections at most.
    pub connections_max: usize,
    /// Bytes of a packet at most.
    pub packet_bytes_max: usize,
    /// Subscriptions of a client at most.
    pub subscriptions_max: usize,
    /// Retained messages at most.
    pub retained_max: usize,
    /// Bytes of a connection that may wait for the journal; then its socket waits.
    pub batch_bytes_max: usize,
    /// A certificate that was seen before lets its agent in, to renew it, for so many days after it has run out.
    pub expired_days_max: u32,
    /// After a small read, how long a connection lets more arrive before it reads again.
    pub linger_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: None,
            listen_tls: None,
            tls: None,
            allow_anonymous: false,
            connections_max: 10_000,
            packet_bytes_max: 1 << 20,
            subscriptions_max: 100,
            retained_max: 10_000,
            batch_bytes_max: 1 << 20,
            expired_days_max: 400,
            linger_ms: 2,
        }
    }
}

impl Config {
    /// Checks everything.
    pub fn resolve(self, problems: &mut Problems) -> Self {
        if self.listen_tls.is_some() && self.tls.is_none() {
            problems.add(
                "broker.tls",
                "listen_tls has no certificate to show",
                "set [broker.tls], or leave it out for the gateway's own authority",
            );
        }
        if self.allow_anonymous
            && self
                .listen
                .is_some_and(|address| !address.ip().is_loopback())
        {
            problems.add(
                "broker.allow_anonymous",
                "anonymous clients would be let in from the network",
                "listen on 127.0.0.1, or give the clients passwords or certificates",
            );
        }
        if self.packet_bytes_max < 1024 || self.packet_bytes_max > 16 << 20 {
            problems.add(
                "broker.packet_bytes_max",
                "it is not between 1024 and 16777216",
                "leave it out for 1 MiB",
            );
        }
        for (name, value) in [
            ("connections_max", self.connections_max),
            ("subscriptions_max", self.subscriptions_max),
            ("batch_bytes_max", self.batch_bytes_max),
        ] {
            if value == 0 {
                problems.add(
                    format!("broker.{name}"),
                    "it is 0",
                    "leave it out for the default",
                );
            }
        }
        self
    }
}

struct Limits {
    connect_timeout: Duration,
    allow_anonymous: bool,
    packet_bytes_max: usize,
    subscriptions_max: usize,
    batch_bytes_max: usize,
    linger: Duration,
}

/// What those who keep the agents are told.
#[derive(Debug, Clone)]
pub enum AgentEvent {
    /// Somebody came in with a certificate.
    Entered {
        /// Which.
        certificate: Certificate,
    },
    /// An agent connected while it was connected.
    TookOver {
        /// Its name.
        name: String,
        /// Where the later connection comes from.
        peer: String,
        /// Where the earlier one came from.
        from: String,
    },
    /// A genuine certificate was not let in.
    Refused {
        /// Which.
        certificate: Certificate,
        /// Where it came from.
        peer: String,
        /// Why.
        refusal: Refusal,
    },
    /// An agent asks for a new certificate.
    Request {
        /// The certificate it came with.
        certificate: Certificate,
        /// The certificate request, PEM.
        csr: String,
    },
}

struct Shared {
    events: mpsc::Sender<AgentEvent>,
    events_dropped: AtomicU64,
    tls: Option<Arc<rustls::ServerConfig>>,
    own: Option<Arc<OwnCertificate>>,
    ingest: Ingest,
    directory: Directory,
    fanout: Fanout,
    registry: Registry,
    limits: Limits,
}

impl Shared {
    fn tell(&self, event: AgentEvent) {
        if self.events.try_send(event).is_err() {
            self.events_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tell_entered(&self, identity: &Identity, peer: &str, took_over: Option<&str>) {
        if let Some(certificate) = identity.certificate.clone() {
            self.tell(AgentEvent::Entered { certificate });
        }
        if let (Some(from), Role::Agent { .. }) = (took_over, &identity.role) {
            self.tell(AgentEvent::TookOver {
                name: identity.name.clone(),
                peer: peer.to_owned(),
                from: from.to_owned(),
            });
        }
    }

    fn tell_request(&self, identity: &Identity, payload: &[u8]) {
        let csr = std::str::from_utf8(payload).ok();
        let csr = csr.filter(|csr| csr.len() <= REQUEST_BYTES_MAX);
        match (&identity.certificate, csr) {
            (Some(certificate), Some(csr)) => self.tell(AgentEvent::Request {
                certificate: certificate.clone(),
                csr: csr.to_owned(),
            }),
            _ => tracing::warn!(name = identity.name, "a certificate request cannot be read"),
        }
    }

    /// Gives a client's message to subscribers, and keeps it if it is retained.
    fn forward(&self, topic: &str, payload: &[u8], is_retained: bool) {
        let payload = Bytes::copy_from_slice(payload);
        if is_retained && !self.fanout.retain(topic, &payload) {
            tracing::warn!(
                topic,
                "a retained message was not kept: there are retained_max already"
            );
        }
        self.fanout.publish(topic, payload);
    }
}

/// Why the broker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be had.
    #[error("cannot listen on {address} for MQTT")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// TLS cannot be offered.
    #[error("cannot offer MQTT over TLS")]
    Tls(#[from] TlsError),
    /// There is no fan-out.
    #[error("cannot start the message router")]
    Router(#[from] RouterError),
}

/// The broker as others in the gateway use it. Clones share it.
#[derive(Clone)]
pub struct Broker(Arc<Shared>);

impl Broker {
    /// Publishes to all whose filter matches, at QoS 0. False if the router is behind and it was dropped.
    pub fn publish(&self, topic: &str, payload: impl Into<Bytes>) -> bool {
        self.0.fanout.publish(topic, payload.into())
    }

    /// How many clients are connected.
    pub fn connections(&self) -> usize {
        self.0.registry.count()
    }

    /// Who is connected, of those that `which` accepts.
    pub fn identities(&self, which: impl Fn(&Identity) -> bool) -> Vec<Identity> {
        self.0.registry.identities(which)
    }

    /// Replaces the clients, and ends the connections of those who would not be let in any more.
    pub fn admit(&self, clients: HashMap<String, Client>) {
        self.0.directory.replace(clients);
        let now = Timestamp::now();
        self.0
            .registry
            .expel(|identity| self.0.directory.still_admits(identity, now));
    }

    /// Reads the gateway's certificate again; connections that are open keep the one they began with.
    pub fn reload_certificate(&self) -> Result<(), TlsError> {
        self.0.own.as_ref().map_or(Ok(()), |own| own.reload())
    }

    /// What the TLS listener shows and trusts, if there are files for it; a renewed certificate is shown from then on.
    pub fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.0.tls.clone()
    }

    /// Events about agents that were dropped because nobody took them in time.
    pub fn events_dropped(&self) -> u64 {
        self.0.events_dropped.load(Ordering::Relaxed)
    }

    /// Messages dropped because the router was behind.
    pub fn dropped(&self) -> u64 {
        self.0.fanout.dropped()
    }
}

/// A running broker.
pub struct Running {
    broker: Broker,
    events: Option<mpsc::Receiver<AgentEvent>>,
    address: Option<SocketAddr>,
    address_tls: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    listeners: Vec<JoinHandle<()>>,
}

impl Running {
    /// The broker, to publish with.
    pub fn broker(&self) -> Broker {
        self.broker.clone()
    }

    /// What happens to agents; once.
    pub fn events(&mut self) -> Option<mpsc::Receiver<AgentEvent>> {
        self.events.take()
    }

    /// Address of the plain listener.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Address of the TLS listener.
    pub fn local_addr_tls(&self) -> Option<SocketAddr> {
        self.address_tls
    }

    /// Takes no new connections, lets each finish its batch, and returns when all have ended. Drop the
    /// future to stop waiting.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for listener in self.listeners {
            if listener.await.is_err() {
                tracing::error!("an MQTT listener panicked");
            }
        }
    }
}

/// Binds all listeners, then serves them. Needs a tokio runtime.
pub async fn start(
    config: &Config,
    directory: Directory,
    ingest: Ingest,
) -> Result<Running, StartError> {
    let expired_max = Duration::from_secs(u64::from(config.expired_days_max) * 86_400);
    let tls = config
        .tls
        .as_ref()
        .map(|files| tls::server_config(files, expired_max))
        .transpose()?;
    let (tls, own) = tls.unzip();
    let acceptor = tls.clone().map(TlsAcceptor::from);
    let (events, told) = mpsc::channel(EVENTS_MAX);
    let plain = bind(config.listen).await?;
    let secured = bind(config.listen_tls).await?;
    let shared = Arc::new(Shared {
        events,
        events_dropped: AtomicU64::new(0),
        tls,
        own,
        ingest,
        directory,
        fanout: Fanout::start(config.connections_max, config.retained_max)?,
        registry: Registry::default(),
        limits: Limits {
            connect_timeout: CONNECT_LIMIT,
            allow_anonymous: config.allow_anonymous,
            packet_bytes_max: config.packet_bytes_max,
            subscriptions_max: config.subscriptions_max,
            batch_bytes_max: config.batch_bytes_max,
            linger: Duration::from_millis(config.linger_ms),
        },
    });
    let (stop, stopped) = watch::channel(false);
    let room = Arc::new(Semaphore::new(config.connections_max));
    let mut listeners = Vec::new();
    let (mut address, mut address_tls) = (None, None);
    if let Some((listener, bound)) = plain {
        address = Some(bound);
        listeners.push(tokio::spawn(accept(
            listener,
            None,
            shared.clone(),
            room.clone(),
            stopped.clone(),
        )));
    }
    if let (Some((listener, bound)), Some(acceptor)) = (secured, acceptor) {
        address_tls = Some(bound);
        listeners.push(tokio::spawn(accept(
            listener,
            Some(acceptor),
            shared.clone(),
            room,
            stopped,
        )));
    }
    Ok(Running {
        broker: Broker(shared),
        events: Some(told),
        address,
        address_tls,
        stop,
        listeners,
    })
}

async fn bind(
    address: Option<SocketAddr>,
) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let Some(address) = address else {
        return Ok(None);
    };
    let refuse = |source| StartError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(refuse)?;
    let bound = listener.local_addr().map_err(refuse)?;
    Ok(Some((listener, bound)))
}

/// Accepts connections; never waits for what one of them does.
async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "an MQTT connection's task panicked");
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: wait for some to come free.
                tracing::error!(%error, "an MQTT connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(permit) = room.clone().try_acquire_owned() else {
            tracing::warn!(%peer, "MQTT connection refused: there are connections_max already");
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "TCP_NODELAY cannot be set");
        }
        let (acceptor, shared, stop) = (acceptor.clone(), shared.clone(), stop.clone());
        connections.spawn(async move {
            let _permit = permit;
            match acceptor {
                None => connection::serve(stream, shared, None, peer.to_string(), stop).await,
                Some(acceptor) => secured(stream, acceptor, shared, peer, stop).await,
            }
        });
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "an MQTT connection's task panicked");
        }
    }
}

async fn secured(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
    peer: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    let handshake = tokio::select! {
        _ = stop.wait_for(|stop| *stop) => return,
        handshake = tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)) => handshake,
    };
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return tracing::info!(%peer, %error, "MQTT connection refused: TLS handshake failed");
        }
        Err(_) => {
            return tracing::info!(%peer, "MQTT connection refused: TLS handshake took too long");
        }
    };
    let certificates: Option<&[CertificateDer<'_>]> = stream.get_ref().1.peer_certificates();
    let certificate = certificates
        .and_then(|chain| chain.first())
        .and_then(|first| Certificate::read(first));
    let Some(certificate) = certificate else {
        return tracing::info!(%peer, "MQTT connection refused: the certificate has no common name");
    };
    connection::serve(stream, shared, Some(certificate), peer.to_string(), stop).await;
}
