//! A camera over HTTP: `GET /ID` is an endless answer of JPEG parts (multipart/x-mixed-replace).
//!
//! A viewer that is too slow for the frame rate misses frames, as with a real camera.

use super::plan::{Login, Scheme};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use futures_util::stream;
use md5::{Digest, Md5};
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// A picture as it goes out: number and JPEG.
#[derive(Debug, Clone, Default)]
pub struct Shot {
    /// Number of the frame.
    pub frame: u64,
    /// The picture; empty before the first one.
    pub jpeg: Bytes,
}

/// A camera at the door.
#[derive(Debug, Clone)]
pub struct Served {
    /// Its pictures, the newest only.
    pub shots: watch::Receiver<Shot>,
    /// What is asked of a viewer.
    pub login: Option<Login>,
}

const BOUNDARY: &str = "onedoor-frame";
const REALM: &str = "sim camera";

struct Door {
    cameras: HashMap<String, Served>,
    /// Nonces given out, so that one that was made up is refused.
    nonces: Mutex<Vec<String>>,
    seed: Mutex<crate::random::Random>,
}

/// The door of these cameras.
pub fn router(cameras: HashMap<String, Served>, seed: u64) -> Router {
    let door = Door {
        cameras,
        nonces: Mutex::default(),
        seed: Mutex::new(crate::random::Random::seeded(seed).fork("nonce")),
    };
    Router::new()
        .route("/{camera}", get(watch_camera))
        .with_state(Arc::new(door))
}

async fn watch_camera(
    State(door): State<Arc<Door>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let Some(camera) = door.cameras.get(&id) else {
        return (StatusCode::NOT_FOUND, "there is no such camera").into_response();
    };
    let shown = headers.get(header::AUTHORIZATION);
    let shown = shown.and_then(|value| value.to_str().ok()).unwrap_or("");
    if let Some(login) = &camera.login
        && !door.lets_in(login, uri.path(), shown)
    {
        let challenge = door.challenge(login.how);
        let headers = [(header::WWW_AUTHENTICATE, challenge)];
        return (StatusCode::UNAUTHORIZED, headers, "a password is needed").into_response();
    }
    let parts = stream::unfold(camera.shots.clone(), |mut shots| async {
        loop {
            shots.changed().await.ok()?;
            let shot = shots.borrow_and_update().clone();
            if !shot.jpeg.is_empty() {
                return Some((Ok::<Bytes, Infallible>(part(&shot)), shots));
            }
        }
    });
    let kind = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(parts)).into_response()
}

fn part(shot: &Shot) -> Bytes {
    let mut part = format!(
        "--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\nX-Frame: {}\r\n\r\n",
        shot.jpeg.len(),
        shot.frame
    )
    .into_bytes();
    part.extend_from_slice(&shot.jpeg);
    part.extend_from_slice(b"\r\n");
    part.into()
}

impl Door {
    fn challenge(&self, how: Scheme) -> String {
        match how {
            Scheme::Basic => format!("Basic realm=\"{REALM}\""),
            Scheme::Digest => {
                let mut seed = self.seed.lock().unwrap_or_else(PoisonError::into_inner);
                let nonce = format!("{:016x}{:016x}", seed.bits(), seed.bits());
                let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
                if nonces.len() >= 100 {
                    nonces.remove(0);
                }
                nonces.push(nonce.clone());
                format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", qop=\"auth\", algorithm=MD5")
            }
        }
    }

    fn lets_in(&self, login: &Login, path: &str, shown: &str) -> bool {
        match login.how {
            Scheme::Basic => {
                let said = shown.strip_prefix("Basic ").and_then(unbase64);
                said.is_some_and(|said| {
                    said == format!("{}:{}", login.user, login.password).as_bytes()
                })
            }
            Scheme::Digest => {
                let Some(said) = shown.strip_prefix("Digest ").map(fields) else {
                    return false;
                };
                let of = |key: &str| said.get(key).map_or("", String::as_str);
                let nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
                let is_ours = nonces.iter().any(|nonce| nonce == of("nonce"));
                let a1 = md5(&format!("{}:{REALM}:{}", login.user, login.password));
                let a2 = md5(&format!("GET:{path}"));
                let middle = format!("{}:{}:{}:auth", of("nonce"), of("nc"), of("cnonce"));
                let expected = md5(&format!("{a1}:{middle}:{a2}"));
                is_ours
                    && of("uri") == path
                    && of("username") == login.user
                    && of("response") == expected
            }
        }
    }
}

fn md5(text: &str) -> String {
    let digest = Md5::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `key="value", key=value`; values have no commas here.
fn fields(text: &str) -> HashMap<String, String> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| {
            (
                key.trim().to_owned(),
                value.trim().trim_matches('"').to_owned(),
            )
        })
        .collect()
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut out) = (0u32, 0, Vec::new());
    for sign in text.trim().trim_end_matches('=').bytes() {
        let value = SIGNS.iter().position(|known| *known == sign)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_rfc_2617_and_base64_are_right() {
        // RFC 2617, 3.5: user Mufasa, password "Circle Of Life".
        let a1 = md5("Mufasa:testrealm@host.com:Circle Of Life");
        let a2 = md5("GET:/dir/index.html");
        let middle = "dcd98b7102dd2f0e8b11d0f600bfb0c093:00000001:0a4f113b:auth";
        assert_eq!(
            md5(&format!("{a1}:{middle}:{a2}")),
            "6629fae49393a05397450978507c4ef1"
        );
        assert_eq!(
            unbase64("QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            Some(b"Aladdin:open sesame".to_vec())
        );
    }
}
