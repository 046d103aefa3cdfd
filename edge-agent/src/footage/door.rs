//! The gateway's door for footage: HTTPS with the agent's certificate, one connection that is used again while it stands.

use super::upload::Said;
use crate::{
    http::client::Url,
    identity::{Files, IdentityError, Pair},
    tls,
};
use bytes::Bytes;
use contract::footage::{NotTaken, REFUSED};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::{io, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// How long a connection may take, and an answer. A chunk that a slow line cannot carry in this time is sent again.
const LIMIT: Duration = Duration::from_secs(60);

/// Bytes of words that are read of an answer.
const WORDS_MAX: usize = 4 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// Key or certificate.
    #[error("the agent's certificate cannot be used")]
    Identity(#[from] IdentityError),
    /// No connection.
    #[error("cannot connect to {host}:{port}")]
    Connect {
        /// Host.
        host: String,
        /// Port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection broke, or what came is not HTTP.
    #[error("the connection broke")]
    Http(#[from] hyper::Error),
    /// What is asked cannot stand in a request.
    #[error("the request cannot be written")]
    Request(#[from] hyper::http::Error),
    /// Nothing came.
    #[error("no answer within {0:?}")]
    Silent(Duration),
}

/// The door.
pub struct Door {
    files: Files,
    name: Option<ServerName<'static>>,
    open: Option<(Url, SendRequest<Full<Bytes>>)>,
}

impl Door {
    /// For an agent with these files; `name` is looked for in the gateway's certificate instead of the host.
    pub fn new(files: Files, name: Option<ServerName<'static>>) -> Door {
        Door {
            files,
            name,
            open: None,
        }
    }

    /// How far the gateway has a file.
    pub async fn ask(&mut self, url: &Url, sha256: &str) -> Result<Said, DoorError> {
        let request = request(Method::HEAD, url, sha256).body(Full::default())?;
        self.exchange(url, request).await
    }

    /// Sends bytes of a file, those from `from` on.
    pub async fn send(
        &mut self,
        url: &Url,
        sha256: &str,
        bytes: Bytes,
        from: u64,
        total: u64,
    ) -> Result<Said, DoorError> {
        let to = from + (bytes.len() as u64).saturating_sub(1);
        let request = request(Method::PUT, url, sha256)
            .header(header::CONTENT_RANGE, format!("bytes {from}-{to}/{total}"))
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(bytes))?;
        self.exchange(url, request).await
    }

    async fn exchange(
        &mut self,
        url: &Url,
        request: Request<Full<Bytes>>,
    ) -> Result<Said, DoorError> {
        let exchange = async {
            let mut sender = match self.open.take() {
                Some((open, sender)) if open == *url && !sender.is_closed() => sender,
                _ => self.connect(url).await?,
            };
            sender.ready().await?;
            let answer = sender.send_request(request).await?;
            let offset = answer.headers().get("upload-offset");
            let offset = offset.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let refused = answer.headers().get(REFUSED);
            let refused = refused.and_then(|value| NotTaken::of(value.to_str().ok()?.trim()));
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), WORDS_MAX).collect().await;
            let words = match body {
                Ok(body) => {
                    self.open = Some((url.clone(), sender));
                    String::from_utf8_lossy(&body.to_bytes()).trim().to_owned()
                }
                // Too much, or broken off: this connection is not used again.
                Err(_) => String::new(),
            };
            Ok(Said {
                status,
                offset,
                refused,
                words,
            })
        };
        match timeout(LIMIT, exchange).await {
            Ok(said) => said,
            Err(_) => Err(DoorError::Silent(LIMIT)),
        }
    }

    async fn connect(&self, url: &Url) -> Result<SendRequest<Full<Bytes>>, DoorError> {
        let failed = |source| DoorError::Connect {
            host: url.host.clone(),
            port: url.port,
            source,
        };
        let config = tls::client_config(&self.files, Pair::Current, self.name.as_ref())?;
        let name = ServerName::try_from(url.host.clone())
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let stream = TcpStream::connect((url.host.as_str(), url.port))
            .await
            .map_err(failed)?;
        let stream = TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(failed)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with its sender, or by an error that the sender hears of.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

fn request(method: Method, url: &Url, sha256: &str) -> hyper::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("/footage/{sha256}"))
        .header(header::HOST, format!("{}:{}", url.host, url.port))
}
