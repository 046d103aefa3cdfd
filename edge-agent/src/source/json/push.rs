//! Devices that post JSON: `POST /in/DEVICE` with `Authorization: Bearer TOKEN`.
//!
//! Promise: 204 is said after the record is on disk; anything else is said in words, and the device keeps what it sent.
//! A message with a time of its own that comes again is answered 204 and stored once.

use super::{
    config::JsonIn,
    intake::{Arrival, Intake, IntakeError},
    mapping::{BYTES_MAX, Refused},
};
use crate::{
    http::server::{self, Answer, Asked, is_same_secret},
    source::Sink,
    stop::Stop,
};
use contract::{Absence, Timestamp};
use hyper::{Method, StatusCode};
use std::{collections::HashMap, time::Duration};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

/// Messages of a device at once, and then each second.
const BURST: f64 = 100.0;
const RATE: f64 = 20.0;
/// How often dues are looked at, at least.
const LOOK: Duration = Duration::from_secs(30);

struct Door {
    devices: HashMap<String, Poster>,
    sink: Sink,
    name: String,
}

struct Poster {
    token: String,
    inside: Mutex<(Intake, Bucket)>,
}

/// A bucket of what a device may still send. Pure.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + since * RATE).min(BURST);
        self.at = now;
        let is_free = self.left >= 1.0;
        if is_free {
            self.left -= 1.0;
        }
        is_free
    }
}

/// Listens until told to stop.
pub async fn run(source: JsonIn, sink: Sink, stop: Stop) {
    let now = Instant::now();
    let mut devices = HashMap::new();
    for posting in source.devices {
        let id = posting.speaker.id.to_string();
        let bucket = Bucket {
            left: BURST,
            at: now,
        };
        let intake = Intake::new(posting.speaker, &sink, now);
        let poster = Poster {
            token: posting.token,
            inside: Mutex::new((intake, bucket)),
        };
        devices.insert(id, poster);
    }
    let name = format!("door {}", source.listen);
    let door = Door {
        devices,
        sink: sink.clone(),
        name: name.clone(),
    };
    let heard = |state| sink.board.source(&name, state);
    let answer = |asked| door.answer(asked);
    let serving = server::serve(source.listen, BYTES_MAX, stop, heard, answer);
    // Beside each other, since what is served holds the lock of its device while the disk writes.
    let watching = async {
        loop {
            sleep_until(door.next_due().await).await;
            door.silence().await;
        }
    };
    tokio::select! {
        () = serving => {}
        () = watching => {}
    }
}

impl Door {
    async fn next_due(&self) -> Instant {
        let mut next = Instant::now() + LOOK;
        for poster in self.devices.values() {
            let due = poster.inside.lock().await.0.next_due();
            next = due.map_or(next, |due| next.min(due));
        }
        next
    }

    async fn silence(&self) {
        for poster in self.devices.values() {
            let mut inside = poster.inside.lock().await;
            let (now, wall) = (Instant::now(), Timestamp::now());
            inside
                .0
                .silence(Absence::NoAnswer, now, wall, &self.sink)
                .await;
        }
    }

    async fn answer(&self, asked: Asked) -> Answer {
        let Some(name) = asked.path.strip_prefix("/in/").filter(|n| !n.is_empty()) else {
            return Answer::words(StatusCode::NOT_FOUND, "post to /in/DEVICE");
        };
        if asked.method != Method::POST {
            return Answer::words(StatusCode::METHOD_NOT_ALLOWED, "only POST is understood");
        }
        let name = percent_decoded(name);
        let given = asked.bearer.as_deref().unwrap_or("");
        let poster = name.as_ref().and_then(|name| self.devices.get(name));
        let Some(poster) = poster.filter(|poster| is_same_secret(given, &poster.token)) else {
            let words = format!(
                "a post to {:?} without the right token",
                name.unwrap_or_default()
            );
            self.sink
                .refused(&self.name, "wrong device or token", &words, &[]);
            let words = "the device is not known or its token is wrong: send Authorization: Bearer TOKEN with the token of its token_file";
            return Answer {
                headers: &[("www-authenticate", "Bearer")],
                ..Answer::words(StatusCode::UNAUTHORIZED, words)
            };
        };
        let (now, at) = (Instant::now(), Timestamp::now());
        let mut inside = poster.inside.lock().await;
        let (intake, bucket) = &mut *inside;
        if !bucket.take(now) {
            let words = format!("more than {RATE} messages a second; send it again later");
            self.sink
                .refused(intake.id().as_str(), "too many", &words, &asked.body);
            return Answer {
                headers: &[("retry-after", "1")],
                ..Answer::words(StatusCode::TOO_MANY_REQUESTS, words)
            };
        }
        let arrival = Arrival {
            at,
            now,
            number: None,
            is_repeat: false,
        };
        match intake.message(&asked.body, arrival, &self.sink).await {
            Ok(()) => Answer::words(StatusCode::NO_CONTENT, ""),
            Err(IntakeError::Refused(refused)) => {
                let status = match refused {
                    Refused::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
                    Refused::NotJson(_) => StatusCode::BAD_REQUEST,
                    _ => StatusCode::UNPROCESSABLE_ENTITY,
                };
                Answer::words(status, refused.to_string())
            }
            Err(IntakeError::Store(error)) => {
                let words = format!("it could not be stored ({error}); send it again later");
                Answer {
                    headers: &[("retry-after", "10")],
                    ..Answer::words(StatusCode::SERVICE_UNAVAILABLE, words)
                }
            }
        }
    }
}

/// A name in a path, in which bytes may stand as %XX.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                (high * 16 + low) as u8
            }
            byte => byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_may_send_a_burst_and_then_its_rate() {
        let begin = Instant::now();
        let mut bucket = Bucket {
            left: BURST,
            at: begin,
        };
        let taken = (0..500).filter(|_| bucket.take(begin)).count();
        assert_eq!(taken, 100);
        let later = begin + Duration::from_millis(500);
        assert_eq!((0..500).filter(|_| bucket.take(later)).count(), 10);
        let much_later = begin + Duration::from_secs(3_600);
        assert_eq!((0..500).filter(|_| bucket.take(much_later)).count(), 100);
    }

    #[test]
    fn names_in_paths_are_read() {
        assert_eq!(
            percent_decoded("%E5%86%B7%E5%BA%93-1").as_deref(),
            Some("冷库-1")
        );
        for bad in ["%", "%4", "%zz", "%FF"] {
            assert_eq!(percent_decoded(bad), None, "{bad}");
        }
    }
}
