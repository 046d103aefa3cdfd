//! Listens for agents with files: TLS as for MQTT, HTTP/1.1, and a [`Door`] behind it.

use super::door::Door;
use super::{Footage, FootageError};
use crate::broker::{Directory, Identity};
use crate::certificate::Certificate;
use crate::metrics::Metrics;
use contract::Timestamp;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// Connections at the same time; more are refused, and come again.
const CONNECTIONS_MAX: usize = 256;
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// A connection on which no request begins, or whose head does not end, is closed after this.
const HEAD_MAX: Duration = Duration::from_secs(30);

/// What the door needs.
pub struct Setup {
    /// Where it listens.
    pub listen: SocketAddr,
    /// As MQTT with TLS shows and trusts it.
    pub tls: Arc<rustls::ServerConfig>,
    /// Who may come in.
    pub directory: Directory,
    /// Where files go.
    pub footage: Footage,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Told when a file has come.
    pub changed: watch::Sender<u64>,
}

/// The open door.
pub struct Open {
    /// Where it listens.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Open {
    /// Takes no new connections, and ends each after the request that it is at. Drop the future to stop waiting.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if self.task.await.is_err() {
            tracing::error!("the door for footage panicked");
        }
    }
}

/// Binds the address, then serves.
pub async fn open(setup: Setup) -> Result<Open, FootageError> {
    let refuse = |source| FootageError::Bind {
        address: setup.listen,
        source,
    };
    let listener = TcpListener::bind(setup.listen).await.map_err(refuse)?;
    let address = listener.local_addr().map_err(refuse)?;
    let (stop, stopping) = watch::channel(false);
    let door = Arc::new(Door {
        footage: setup.footage,
        directory: setup.directory,
        metrics: setup.metrics,
        changed: setup.changed,
        turns: Default::default(),
    });
    let acceptor = TlsAcceptor::from(setup.tls);
    let task = tokio::spawn(accept(listener, acceptor, door, stopping));
    Ok(Open {
        address,
        stop,
        task,
    })
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    door: Arc<Door>,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                said(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: wait for some to come free.
                tracing::error!(%error, "a connection for footage cannot be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(permit) = room.clone().try_acquire_owned() else {
            tracing::warn!(%peer, "a connection for footage is refused: there are {CONNECTIONS_MAX} already");
            continue;
        };
        let (acceptor, door, stop) = (acceptor.clone(), door.clone(), stop.clone());
        connections.spawn(async move {
            let _permit = permit;
            connection(stream, peer, acceptor, door, stop).await;
        });
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        said(ended);
    }
}

fn said(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task for footage panicked");
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    door: Arc<Door>,
    stop: watch::Receiver<bool>,
) {
    let handshake = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await;
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return tracing::info!(%peer, %error, "a connection for footage is refused: TLS handshake failed");
        }
        Err(_) => {
            return tracing::info!(%peer, "a connection for footage is refused: TLS handshake took too long");
        }
    };
    let shown = stream.get_ref().1.peer_certificates();
    let certificate = shown.and_then(|chain| Certificate::read(chain.first()?));
    let Some(certificate) = certificate else {
        return tracing::info!(%peer, "a connection for footage is refused: the certificate has no common name");
    };
    let admitted = door
        .directory
        .by_certificate(&certificate, Timestamp::now());
    let identity: Identity = match admitted {
        Ok(identity) => identity,
        Err(refusal) => {
            let name = certificate.name;
            return tracing::warn!(%peer, name, %refusal, "a connection for footage is refused");
        }
    };
    let service = service_fn(move |request| {
        let (door, identity) = (door.clone(), identity.clone());
        async move { Ok::<_, Infallible>(door.serve(identity, request).await) }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stopped(stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection for footage broke");
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means the sender is gone, which is a stop as well.
    let _gone = stop.wait_for(|stop| *stop).await;
}
