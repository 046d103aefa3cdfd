//! A small HTTP listener.
//!
//! Promise: at most [`CONNECTIONS_MAX`] connections at once, further ones wait in the system's queue; a connection ends
//! after one answer or after [`LIMIT`]; a body is read up to `body_max` bytes and not further. A port that is taken is
//! tried again every [`AGAIN`]: a listener never stops the agent.

use crate::stop::Stop;
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderMap},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, future::Future, net::SocketAddr, time::Duration};
use tokio::{net::TcpListener, time::sleep, time::timeout};

/// Connections served at once.
pub const CONNECTIONS_MAX: usize = 32;
/// How long one connection may take.
pub const LIMIT: Duration = Duration::from_secs(15);
/// For the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// Pause before a port that is taken is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// For what is under way when stopping.
const FAREWELL: Duration = Duration::from_secs(1);

/// A request with its whole body.
#[derive(Debug)]
pub struct Asked {
    /// Method.
    pub method: Method,
    /// Path without the query.
    pub path: String,
    /// What stands behind `?`.
    pub query: Option<String>,
    /// The token of `Authorization: Bearer TOKEN`.
    pub bearer: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// `Content-Type`.
    pub kind: &'static str,
    /// Further headers.
    pub headers: &'static [(&'static str, &'static str)],
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// Words for whoever asked.
    pub fn words(status: StatusCode, words: impl Into<String>) -> Answer {
        let mut words: String = words.into();
        if !words.is_empty() {
            words.push('\n');
        }
        Answer {
            status,
            kind: "text/plain; charset=utf-8",
            headers: &[],
            body: words.into(),
        }
    }
}

/// Listens on `address` and answers with `answer` until told to stop. `heard` is told whether it listens, in words if
/// not.
pub async fn serve<F, A>(
    address: SocketAddr,
    body_max: usize,
    mut stop: Stop,
    heard: impl Fn(Result<(), String>),
    answer: F,
) where
    F: Fn(Asked) -> A,
    A: Future<Output = Answer>,
{
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(error) => {
                tracing::error!(%address, %error, "cannot listen; trying again");
                heard(Err(format!("cannot listen on {address}: {error}")));
            }
        }
        tokio::select! {
            () = stop.asked() => return,
            () = sleep(AGAIN) => {}
        }
    };
    heard(Ok(()));
    let answer = &answer;
    let mut open = FuturesUnordered::new();
    loop {
        let is_full = open.len() >= CONNECTIONS_MAX;
        tokio::select! {
            () = stop.asked() => break,
            Some(()) = open.next() => {}
            accepted = listener.accept(), if !is_full => match accepted {
                Ok((stream, _)) => open.push(connection(TokioIo::new(stream), body_max, answer)),
                Err(error) => {
                    tracing::warn!(%address, %error, "a connection could not be taken");
                    sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    let rest = async { while open.next().await.is_some() {} };
    // Whoever is cut off has no answer and sends again.
    let _ = timeout(FAREWELL, rest).await;
}

async fn connection<F, A>(stream: TokioIo<tokio::net::TcpStream>, body_max: usize, answer: &F)
where
    F: Fn(Asked) -> A,
    A: Future<Output = Answer>,
{
    let service = service_fn(|request| async move {
        let answer = match asked(request, body_max).await {
            Ok(asked) => answer(asked).await,
            Err(refused) => refused,
        };
        Ok::<_, Infallible>(response(answer))
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .keep_alive(false)
        .serve_connection(stream, service);
    // A broken connection is the other side's affair; it sends again.
    let _ = timeout(LIMIT, serving).await;
}

async fn asked(request: Request<Incoming>, body_max: usize) -> Result<Asked, Answer> {
    let (head, body) = request.into_parts();
    let read = timeout(HEAD_LIMIT, Limited::new(body, body_max).collect()).await;
    let body = match read {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let words = format!("the body is longer than {body_max} bytes");
            return Err(Answer::words(StatusCode::PAYLOAD_TOO_LARGE, words));
        }
        Ok(Err(error)) => {
            let words = format!("the body cannot be read: {error}");
            return Err(Answer::words(StatusCode::BAD_REQUEST, words));
        }
        Err(_) => {
            let words = "the body did not come in time";
            return Err(Answer::words(StatusCode::REQUEST_TIMEOUT, words));
        }
    };
    Ok(Asked {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        bearer: bearer(&head.headers),
        body,
    })
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(|t| t.trim().to_owned())
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    if answer.status != StatusCode::NO_CONTENT {
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static(answer.kind),
        );
    }
    for (name, value) in answer.headers {
        headers.insert(*name, header::HeaderValue::from_static(value));
    }
    response
}

/// True if the two are equal; takes equally long wherever they differ.
pub fn is_same_secret(given: &str, expected: &str) -> bool {
    let digest = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest(given).as_ref() == digest(expected).as_ref()
}
