//! Pictures of a camera that sends JPEG parts over HTTP. One connection; the caller begins again after it ended.

use super::{
    login::Login,
    multipart::{self, Parts},
};
use crate::http::client::{self, GetError, Url};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use ring::rand::{SecureRandom, SystemRandom};
use std::time::Duration;
use tokio::time::timeout;

/// Why there are no more pictures.
#[derive(Debug, thiserror::Error)]
pub enum MjpegError {
    /// No connection.
    #[error("cannot connect")]
    Connect(#[source] GetError),
    /// The connection broke, or what came is not HTTP.
    #[error("no answer in HTTP")]
    Http(#[source] hyper::Error),
    /// The question cannot be written.
    #[error("the request cannot be written")]
    Request(#[source] hyper::http::Error),
    /// Something else than pictures.
    #[error("it answers with status {0}")]
    Status(StatusCode),
    /// It wants to know who asks, and nothing is configured or accepted.
    #[error("it does not let us in: {0}")]
    Login(String),
    /// Not a sequence of pictures.
    #[error("it sends {0:?}, which is no multipart sequence of pictures")]
    Kind(String),
    /// Nothing came for too long.
    #[error("nothing came for {0:?}")]
    Silent(Duration),
    /// It ended by itself.
    #[error("the camera ended the answer")]
    Ended,
}

/// What came of an answer.
pub struct Stream {
    body: Incoming,
    parts: Parts,
    patience: Duration,
    connection: tokio::task::JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Asks for the pictures; shows the login if it is asked for one. Waits for each step at most `patience`.
pub async fn open(
    url: &Url,
    tls: Option<&client::Trust>,
    login: Option<&Login>,
    patience: Duration,
) -> Result<Stream, MjpegError> {
    let ask = async |authorization: Option<&str>| {
        timeout(patience, ask(url, tls, authorization))
            .await
            .unwrap_or(Err(MjpegError::Silent(patience)))
    };
    let (mut answer, mut connection) = ask(None).await?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        connection.abort();
        let challenges = answer.headers().get_all(header::WWW_AUTHENTICATE).iter();
        let challenges: Vec<&str> = challenges.filter_map(|value| value.to_str().ok()).collect();
        let login = login
            .ok_or_else(|| MjpegError::Login("it asks for a password: name a login_file".into()))?;
        let said = login.answer(&challenges, "GET", &url.path, &nonce());
        let said = said.map_err(MjpegError::Login)?;
        (answer, connection) = ask(Some(&said)).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            connection.abort();
            return Err(MjpegError::Login("user or password is wrong".into()));
        }
    }
    let kind = answer.headers().get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
        .to_owned();
    let boundary = match answer.status().is_success() {
        true => multipart::boundary(&kind).ok_or(MjpegError::Kind(kind)),
        false => Err(MjpegError::Status(answer.status())),
    };
    match boundary {
        Ok(boundary) => Ok(Stream {
            body: answer.into_body(),
            parts: Parts::new(&boundary),
            patience,
            connection,
        }),
        Err(error) => {
            connection.abort();
            Err(error)
        }
    }
}

impl Stream {
    /// The next picture, and how many broken parts came before it. Cancel-safe.
    pub async fn next(&mut self) -> Result<(Bytes, u64), MjpegError> {
        loop {
            if let Some(picture) = self.parts.next_picture() {
                return Ok((picture, std::mem::take(&mut self.parts.broken)));
            }
            // A camera that sends bytes and no picture is given up by the caller, who waits for pictures.
            let came = timeout(self.patience, self.body.frame()).await;
            let frame = came.map_err(|_| MjpegError::Silent(self.patience))?;
            let frame = frame.ok_or(MjpegError::Ended)?.map_err(MjpegError::Http)?;
            if let Some(bytes) = frame.data_ref() {
                self.parts.push(bytes);
            }
        }
    }
}

async fn ask(
    url: &Url,
    tls: Option<&client::Trust>,
    authorization: Option<&str>,
) -> Result<(Response<Incoming>, tokio::task::JoinHandle<()>), MjpegError> {
    let wire = client::connect(url, tls)
        .await
        .map_err(MjpegError::Connect)?;
    let mut request =
        Request::get(&url.path).header(header::HOST, format!("{}:{}", url.host, url.port));
    if let Some(text) = authorization {
        let value = HeaderValue::from_str(text);
        let mut value = value.map_err(|error| MjpegError::Request(error.into()))?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(MjpegError::Request)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(wire))
        .await
        .map_err(MjpegError::Http)?;
    let connection = tokio::spawn(async move {
        // What breaks it breaks the body too, where it is reported.
        let _ = connection.await;
    });
    match sender.send_request(request).await {
        Ok(answer) => Ok((answer, connection)),
        Err(error) => {
            connection.abort();
            Err(MjpegError::Http(error))
        }
    }
}

fn nonce() -> String {
    let mut bytes = [0; 8];
    // Without randomness the nonce is a fixed one, which RFC 7616 allows and only makes replays by the camera possible.
    let _ = SystemRandom::new().fill(&mut bytes);
    contract::hex::hex(&bytes)
}
