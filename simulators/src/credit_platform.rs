//! The system at the far end of the outbox.
//!
//! Promise: an entry is answered 201 only after it is on disk; the same `Idempotency-Key` with the same body is
//! answered 200 and counted as a repeat, with another body 409 and kept as it was. It can be told to fail.
//! `GET /received` says what it holds and what it counted.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

/// What the platform holds and what it counted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Received {
    /// Entries in the order of arrival.
    pub entries: Vec<Entry>,
    /// Deliveries answered 200 because the entry was there already.
    pub repeats: u64,
    /// Deliveries refused because another body came under a known key.
    pub conflicts: u64,
    /// Deliveries refused because the platform was told to fail.
    pub failures: u64,
}

/// One entry as it arrived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The sender's key.
    pub key: String,
    /// Path it was sent to.
    pub path: String,
    /// The body.
    pub body: serde_json::Value,
}

struct Held {
    received: Received,
    by_key: BTreeMap<String, usize>,
    fail_next: u64,
    file: std::fs::File,
}

type Platform = Arc<Mutex<Held>>;

/// The platform's routes, with what `file` already holds. Fails the first `fail_next` deliveries.
pub fn router(file: &Path, fail_next: u64) -> anyhow::Result<Router> {
    let mut received = Received::default();
    let mut by_key = BTreeMap::new();
    if let Ok(text) = std::fs::read_to_string(file) {
        for line in text.lines() {
            // A torn last line was never answered, so its sender will come again.
            let Ok(entry) = serde_json::from_str::<Entry>(line) else {
                continue;
            };
            by_key.insert(entry.key.clone(), received.entries.len());
            received.entries.push(entry);
        }
    }
    let opened = std::fs::File::options()
        .create(true)
        .append(true)
        .open(file);
    let mut file = opened.with_context(|| format!("cannot open {}", file.display()))?;
    // Ends a torn line, so that the next entry starts on its own.
    file.write_all(b"\n").context("cannot write")?;
    let held = Held {
        received,
        by_key,
        fail_next,
        file,
    };
    Ok(Router::new()
        .route("/received", get(show))
        .route("/fail", post(fail))
        .fallback(deliver)
        .with_state(Arc::new(Mutex::new(held))))
}

async fn show(State(platform): State<Platform>) -> Json<Received> {
    Json(
        platform
            .lock()
            .expect("no code panics while it holds the platform")
            .received
            .clone(),
    )
}

#[derive(Deserialize)]
struct Failures {
    times: u64,
}

async fn fail(State(platform): State<Platform>, Query(failures): Query<Failures>) -> StatusCode {
    platform
        .lock()
        .expect("no code panics while it holds the platform")
        .fail_next = failures.times;
    StatusCode::NO_CONTENT
}

async fn deliver(
    State(platform): State<Platform>,
    method: axum::http::Method,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> axum::response::Response {
    if method != axum::http::Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, "entries are sent by POST").into_response();
    }
    let Some(key) = headers.get("idempotency-key").and_then(|k| k.to_str().ok()) else {
        return (
            StatusCode::BAD_REQUEST,
            "the header Idempotency-Key is missing",
        )
            .into_response();
    };
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "the body is not JSON").into_response();
    };
    let mut held = platform
        .lock()
        .expect("no code panics while it holds the platform");
    if held.fail_next > 0 {
        held.fail_next -= 1;
        held.received.failures += 1;
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [("retry-after", "1")],
            "told to fail",
        )
            .into_response();
    }
    if let Some(known) = held.by_key.get(key).copied() {
        if held.received.entries[known].body != body {
            held.received.conflicts += 1;
            return (
                StatusCode::CONFLICT,
                "this key came with another body before",
            )
                .into_response();
        }
        held.received.repeats += 1;
        return (
            StatusCode::OK,
            Json(serde_json::json!({ "number": known + 1 })),
        )
            .into_response();
    }
    let entry = Entry {
        key: key.to_owned(),
        path: uri.path().to_owned(),
        body,
    };
    let mut line = serde_json::to_vec(&entry).expect("an entry is always JSON");
    line.push(b'\n');
    if let Err(error) = held
        .file
        .write_all(&line)
        .and_then(|()| held.file.sync_data())
    {
        tracing::error!(%error, "cannot keep an entry");
        return (StatusCode::INTERNAL_SERVER_ERROR, "cannot keep the entry").into_response();
    }
    let number = held.received.entries.len();
    held.by_key.insert(entry.key.clone(), number);
    held.received.entries.push(entry);
    (
        StatusCode::CREATED,
        Json(serde_json::json!({ "number": number + 1 })),
    )
        .into_response()
}
