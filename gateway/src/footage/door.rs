//! The door through which agents send files: HTTPS with their certificates, `HEAD` and `PUT /footage/{sha256}`.
//!
//! Promise: 201 and 200 are answered after the file is whole, has its hash and is on disk; 202 after what came of it is on disk. A
//! broken upload goes on where `Upload-Offset` says. Only what the agent itself announced is taken, at the length that it
//! announced; two uploads of one file follow each other. A revoked agent is refused, also on a connection that stands.
//! Not promised: that what an upload brought before it broke outlives a power cut: the hash would tell, and it begins anew.
//!
//! | status | meaning |
//! |---|---|
//! | 200 | it is here |
//! | 201 | it is here now |
//! | 202 | more is expected; `Upload-Offset` |
//! | 204 | (HEAD) not whole yet; `Upload-Offset` |
//! | 400 | the request cannot be so |
//! | 403 | not taken; `Footage-Refused` ([`NotTaken`]) if it is about the file and no other time is better: the manifest does not count, a camera that is unknown or of which people were not told, an original that nobody approved |
//! | 404 | not announced by this agent |
//! | 408 | too slow; what came is kept |
//! | 409 | the range does not begin where the file ends; `Upload-Offset` |
//! | 410 | it was here, and was deleted when its time was over |
//! | 413 | longer than announced |
//! | 422 | all came, and has another hash: thrown away |
//! | 507 | there is no room |

use super::check::is_hash;
use super::files::Finished;
use super::{Footage, FootageError};
use crate::broker::{Directory, Identity, Role};
use crate::detect::rule::Text;
use crate::metrics::Metrics;
use bytes::{Bytes, BytesMut};
use contract::footage::{NotTaken, REFUSED};
use contract::{AgentId, SiteId, Timestamp};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// A sender that sends nothing for so long is too slow.
const STALL_MAX: Duration = Duration::from_secs(20);
/// One request may take so long; the next goes on where it ended.
const REQUEST_MAX: Duration = Duration::from_secs(600);
/// So long one upload of a file waits for another one of the same file.
const TURN_MAX: Duration = Duration::from_secs(30);
/// Bytes that are gathered before they are written.
const PIECE: usize = 256 << 10;
/// Where a file ends so far.
const OFFSET: &str = "upload-offset";

/// What an agent may know of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// It did not announce it.
    NotAnnounced,
    /// It is not taken.
    Refused(NotTaken, Text),
    /// It was deleted.
    Deleted,
    /// It is here.
    Here,
    /// So much of so much has come.
    Part { has: u64, of: u64 },
}

impl Asked {
    /// True if all of a file has come and nobody has looked at it yet.
    fn is_all(&self) -> bool {
        matches!(self, Asked::Part { has, of } if has >= of)
    }
}

/// The door, shared by all connections.
pub(super) struct Door {
    pub footage: Footage,
    pub directory: Directory,
    pub metrics: Arc<Metrics>,
    /// Told when a file has come.
    pub changed: watch::Sender<u64>,
    /// Files of which an upload is under way.
    pub turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

type Answer = Response<Full<Bytes>>;

fn answer(status: StatusCode, words: impl Into<String>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(words.into())));
    *answer.status_mut() = status;
    let text = header::HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, text);
    answer
}

fn offset(status: StatusCode, has: u64, words: impl Into<String>) -> Answer {
    let mut answer = answer(status, words);
    answer.headers_mut().insert(OFFSET, has.into());
    answer
}

fn failed(error: &FootageError) -> Answer {
    let cause: &dyn std::error::Error = error;
    tracing::error!(error = cause, "a file of footage cannot be taken");
    match error {
        FootageError::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            let words = "the gateway's disk is full; what came before is kept";
            answer(StatusCode::INSUFFICIENT_STORAGE, words)
        }
        _ => answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the gateway failed; its log says why",
        ),
    }
}

impl Door {
    /// Answers a request of whoever came with `identity`.
    pub async fn serve(self: Arc<Self>, identity: Identity, request: Request<Incoming>) -> Answer {
        if !self.directory.still_admits(&identity, Timestamp::now()) {
            return answer(
                StatusCode::FORBIDDEN,
                "the certificate does not let its holder in any more",
            );
        }
        let path = request.uri().path();
        let hash = path.strip_prefix("/footage/").filter(|h| is_hash(h));
        let (Role::Agent { site }, Some(hash)) = (&identity.role, hash.map(str::to_owned)) else {
            let words =
                "there is HEAD and PUT /footage/SHA-256 (64 small hexadecimal digits), for agents";
            return answer(StatusCode::NOT_FOUND, words);
        };
        let (Ok(site), Ok(agent)) = (SiteId::new(site), AgentId::new(&identity.name)) else {
            return answer(StatusCode::FORBIDDEN, "this is no agent's name");
        };
        let of = Of { site, agent, hash };
        match *request.method() {
            Method::HEAD => self.head(&of).await,
            Method::PUT => self.put(&of, request).await,
            _ => answer(StatusCode::METHOD_NOT_ALLOWED, "there is HEAD and PUT"),
        }
    }

    async fn asked(&self, of: &Of) -> Result<Asked, FootageError> {
        let of = of.clone();
        let ask = move |footage: &Footage| footage.asked(&of.site, &of.agent, &of.hash);
        self.blocking(ask).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Footage) -> T + Send + 'static,
    ) -> T {
        let footage = self.footage.clone();
        let done = tokio::task::spawn_blocking(move || act(&footage)).await;
        done.expect("nothing that works on files panics")
    }

    async fn head(&self, of: &Of) -> Answer {
        let mut asked = self.asked(of).await;
        if asked.as_ref().is_ok_and(Asked::is_all) {
            // All of it came, and the line broke before it was looked at.
            let turn = self.turn(of);
            if let Ok(_turn) = timeout(TURN_MAX, turn.lock()).await {
                asked = self.asked(of).await;
                if asked.as_ref().is_ok_and(Asked::is_all) {
                    self.finish(of).await;
                    asked = self.asked(of).await;
                }
            }
        }
        match asked {
            Ok(asked) => say(&asked),
            Err(error) => failed(&error),
        }
    }

    /// Whoever holds this is the only one to work on the file.
    fn turn(&self, of: &Of) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        turns.entry(of.hash.clone()).or_default().clone()
    }

    async fn put(&self, of: &Of, request: Request<Incoming>) -> Answer {
        let range = match Range::of(&request) {
            Ok(range) => range,
            Err(words) => return answer(StatusCode::BAD_REQUEST, words),
        };
        let turn = self.turn(of);
        let has_turn = timeout(TURN_MAX, turn.lock()).await;
        let asked = match self.asked(of).await {
            Ok(asked) => asked,
            Err(error) => return failed(&error),
        };
        let Asked::Part { has, of: length } = asked else {
            return say(&asked);
        };
        if has_turn.is_err() {
            let words = "another upload of this file is under way";
            return offset(StatusCode::CONFLICT, has, words);
        }
        if asked.is_all() {
            return self.finish(of).await;
        }
        if range.total > length {
            let words = format!("{length} bytes were announced, not {}", range.total);
            return answer(StatusCode::PAYLOAD_TOO_LARGE, words);
        }
        if range.total < length {
            let words = format!("{length} bytes were announced, not {}", range.total);
            return answer(StatusCode::BAD_REQUEST, words);
        }
        if range.first != has {
            let words = format!("the file ends at {has}; go on there");
            return offset(StatusCode::CONFLICT, has, words);
        }
        let need = length - has;
        let make_room = move |footage: &Footage| footage.make_room(need, Timestamp::now());
        let _room = match self.blocking(make_room).await {
            Ok(Some(room)) => room,
            Ok(None) => {
                let words = "there is no room, and everything that is here belongs to a case; raise footage.bytes_max";
                return answer(StatusCode::INSUFFICIENT_STORAGE, words);
            }
            Err(error) => return failed(&error),
        };
        match self.take(of, range.length(), request.into_body()).await {
            Ok(came) if has + came == length => self.finish(of).await,
            Ok(came) if came < range.length() => offset(
                StatusCode::REQUEST_TIMEOUT,
                has + came,
                "nothing more came in time; what came is kept",
            ),
            Ok(came) => offset(StatusCode::ACCEPTED, has + came, "go on"),
            Err(Stopped::Long) => answer(
                StatusCode::PAYLOAD_TOO_LARGE,
                "more came than the range says; what it says is kept",
            ),
            Err(Stopped::Failed(error)) => failed(&error),
        }
    }

    /// Writes what comes, at most `length`; how much it was. What comes is on disk when this returns.
    async fn take(&self, of: &Of, length: u64, mut body: Incoming) -> Result<u64, Stopped> {
        let until = Instant::now() + REQUEST_MAX;
        let (mut came, mut piece, mut is_long) = (0, BytesMut::with_capacity(PIECE), false);
        loop {
            let stall = (Instant::now() + STALL_MAX).min(until);
            let frame = match timeout_at(stall, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                // The connection broke, or is too slow: what came stays.
                Ok(None | Some(Err(_))) | Err(_) => break,
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let room = length - came - piece.len() as u64;
            let fits = usize::try_from(room).unwrap_or(usize::MAX).min(data.len());
            piece.extend_from_slice(&data[..fits]);
            is_long = fits < data.len();
            if is_long {
                break;
            }
            if piece.len() >= PIECE {
                came += self.write(of, piece.split().freeze()).await?;
            }
        }
        came += self.write(of, piece.freeze()).await?;
        let hash = of.hash.clone();
        let synced = self.blocking(move |footage| footage.sync(&hash)).await;
        synced.map_err(Stopped::Failed)?;
        match is_long {
            true => Err(Stopped::Long),
            false => Ok(came),
        }
    }

    async fn write(&self, of: &Of, piece: Bytes) -> Result<u64, Stopped> {
        if piece.is_empty() {
            return Ok(0);
        }
        let (hash, length) = (of.hash.clone(), piece.len() as u64);
        let write = move |footage: &Footage| footage.append(&hash, &piece);
        self.blocking(write).await.map_err(Stopped::Failed)?;
        self.metrics.footage_bytes_taken_total.add(length);
        Ok(length)
    }

    async fn finish(&self, of: &Of) -> Answer {
        let hash = of.hash.clone();
        match self.blocking(move |footage| footage.finish(&hash)).await {
            Ok(Finished::Here) => {
                self.metrics.footage_files_taken_total.inc();
                self.changed.send_modify(|n| *n += 1);
                answer(StatusCode::CREATED, "it is here")
            }
            Ok(Finished::Another(found)) => {
                self.metrics.footage_files_refused_total.inc();
                tracing::warn!(agent = %of.agent, announced = of.hash, found, "a file of footage has another hash and was thrown away");
                let words = format!("all of it came, and its SHA-256 is {found}: thrown away");
                answer(StatusCode::UNPROCESSABLE_ENTITY, words)
            }
            Err(error) => failed(&error),
        }
    }
}

/// Whose file.
#[derive(Debug, Clone)]
struct Of {
    site: SiteId,
    agent: AgentId,
    hash: String,
}

/// Why taking stopped.
enum Stopped {
    Long,
    Failed(FootageError),
}

fn say(asked: &Asked) -> Answer {
    match asked {
        Asked::NotAnnounced => answer(
            StatusCode::NOT_FOUND,
            "this agent has not announced it, or its manifest has not been read yet",
        ),
        Asked::Refused(why, words) => {
            let mut answer = answer(StatusCode::FORBIDDEN, words.en.clone());
            let word = header::HeaderValue::from_static(why.word());
            answer.headers_mut().insert(REFUSED, word);
            answer
        }
        Asked::Deleted => answer(StatusCode::GONE, "it was here, and its time was over"),
        Asked::Here => answer(StatusCode::OK, "it is here"),
        Asked::Part { has, .. } => offset(StatusCode::NO_CONTENT, *has, ""),
    }
}

/// What a request says that it brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u64,
    last: u64,
    total: u64,
}

impl Range {
    fn length(&self) -> u64 {
        self.last - self.first + 1
    }

    fn of(request: &Request<Incoming>) -> Result<Range, String> {
        let length = request.body().size_hint().exact();
        let range = request.headers().get(header::CONTENT_RANGE);
        let range = range.map(|value| value.to_str().unwrap_or_default());
        Range::read(range, length)
    }

    /// From `Content-Range` and the length of the body; without a range the body is the whole file.
    fn read(range: Option<&str>, length: Option<u64>) -> Result<Range, String> {
        let range = match (range, length) {
            (Some(text), _) => Range::parse(text)
                .ok_or_else(|| format!("Content-Range {text:?} is not like `bytes 0-99/1000`"))?,
            (None, Some(total @ 1..)) => Range {
                first: 0,
                last: total - 1,
                total,
            },
            (None, _) => return Err("say Content-Length, or Content-Range".into()),
        };
        match length {
            Some(length) if length != range.length() => Err(format!(
                "Content-Range says {} bytes, Content-Length {length}",
                range.length()
            )),
            _ => Ok(range),
        }
    }

    fn parse(text: &str) -> Option<Range> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| text.parse::<u64>().ok()).flatten()
        };
        let (first, last, total) = (number(first)?, number(last)?, number(total)?);
        (first <= last && last < total).then_some(Range { first, last, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_what_it_says_or_nothing() {
        let read = |range, length| Range::read(range, length).ok();
        let range = |first, last, total| Some(Range { first, last, total });
        assert_eq!(read(Some("bytes 0-9/10"), Some(10)), range(0, 9, 10));
        assert_eq!(read(Some("bytes 4-9/10"), None), range(4, 9, 10));
        assert_eq!(read(None, Some(3)), range(0, 2, 3));
        for (text, length) in [
            (Some("bytes 0-9/10"), Some(9)),
            (Some("bytes 9-0/10"), None),
            (Some("bytes 0-10/10"), None),
            (Some("bytes */10"), None),
            (Some("bytes -5/10"), None),
            (Some("bytes +0-9/10"), None),
            (Some("0-9/10"), None),
            (Some("bytes 0-9/99999999999999999999999"), None),
            (None, Some(0)),
            (None, None),
        ] {
            assert_eq!(read(text, length), None, "{text:?} {length:?}");
        }
    }
}
