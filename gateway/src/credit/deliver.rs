//! The outbox: entries go to the credit platform at least once, each with a key by which it can tell a repeat.

use crate::store::{Records, RecordsError};
use contract::Timestamp;
use rusqlite::params;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);
const BACK_OFF_MAX_MS: i64 = 300_000;
/// `due_at` of what is not sent again by itself.
const NEVER: i64 = i64::MAX;

/// An attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The credit entry.
    pub entry: String,
    /// When.
    pub at: Timestamp,
    /// `delivered`, `refused` or `failed`.
    pub outcome: String,
    /// What the platform answered.
    pub answer: String,
}

/// How many milliseconds to wait after so many failed attempts.
fn back_off_ms(failed: i64) -> i64 {
    (1000i64 << failed.clamp(0, 9)).min(BACK_OFF_MAX_MS)
}

struct Due {
    id: i64,
    key: String,
    body: String,
    failed: i64,
}

/// What became of an attempt.
struct Answer {
    outcome: &'static str,
    words: String,
    /// When to try again; `None` if never.
    again_ms: Option<i64>,
}

/// Sends what is due; returns how many were delivered. Safe to run twice, at any time, after any crash.
///
/// What became of one case is sent in order, the versions of an entry and the correction that replaces it: a later
/// one waits until the earlier is delivered or refused. What the
/// platform refuses (4xx, but for 408, 425 and 429) is not sent again by itself: it stays, with the platform's
/// words, for a person to see.
pub async fn step(
    records: &Records,
    platform: &str,
    client: &reqwest::Client,
) -> Result<usize, RecordsError> {
    let now = Timestamp::now();
    let mut delivered = 0;
    for due in due(records, now)? {
        let answer = send(&due, platform, client).await;
        delivered += usize::from(answer.outcome == "delivered");
        note(records, &due, &answer, Timestamp::now())?;
    }
    Ok(delivered)
}

fn due(records: &Records, now: Timestamp) -> Result<Vec<Due>, RecordsError> {
    records.write("read the outbox", |tx| {
        let mut rows = tx.prepare_cached(
            "SELECT o.id, o.key, o.body, (SELECT COUNT(*) FROM attempt a WHERE a.outbox = o.id) FROM outbox o
             WHERE delivered_at IS NULL AND due_at <= ?1 AND NOT EXISTS (
                SELECT 1 FROM outbox e WHERE e.chain = o.chain AND e.id < o.id AND e.delivered_at IS NULL AND e.due_at < ?2)
             ORDER BY o.id LIMIT 20",
        )?;
        let due = rows.query_map(params![now.as_millis(), NEVER], |r| {
            Ok(Due { id: r.get(0)?, key: r.get(1)?, body: r.get(2)?, failed: r.get(3)? })
        })?;
        due.collect()
    })
}

async fn send(due: &Due, platform: &str, client: &reqwest::Client) -> Answer {
    let sent = client
        .post(format!("{}/credit-entries", platform.trim_end_matches('/')))
        .timeout(TIMEOUT)
        .header("content-type", "application/json")
        .header("idempotency-key", &due.key)
        .body(due.body.clone())
        .send()
        .await;
    let wait = back_off_ms(due.failed);
    let response = match sent {
        Ok(response) => response,
        Err(error) => {
            let words = error.without_url().to_string();
            return Answer {
                outcome: "failed",
                words,
                again_ms: Some(wait),
            };
        }
    };
    let status = response.status();
    if status.is_success() {
        return Answer {
            outcome: "delivered",
            words: status.to_string(),
            again_ms: None,
        };
    }
    let asked = response
        .headers()
        .get("retry-after")
        .and_then(|v| v.to_str().ok()?.parse::<i64>().ok())
        .map(|s| s.clamp(0, 3600) * 1000);
    let said = response.text().await.unwrap_or_default();
    let words = format!("{status} {}", said.chars().take(300).collect::<String>());
    if status.is_client_error() && !matches!(status.as_u16(), 408 | 425 | 429) {
        return Answer {
            outcome: "refused",
            words,
            again_ms: None,
        };
    }
    Answer {
        outcome: "failed",
        words,
        again_ms: Some(asked.unwrap_or(wait)),
    }
}

fn note(records: &Records, due: &Due, answer: &Answer, now: Timestamp) -> Result<(), RecordsError> {
    let at = now.as_millis();
    let done = (answer.outcome == "delivered").then_some(at);
    let again = answer.again_ms.map_or(NEVER, |wait| at + wait);
    records.write("write a delivery attempt", |tx| {
        tx.execute(
            "INSERT INTO attempt(outbox, at, outcome, answer) VALUES (?1, ?2, ?3, ?4)",
            params![due.id, at, answer.outcome, answer.words],
        )?;
        tx.execute(
            "UPDATE outbox SET delivered_at = ?2, due_at = ?3 WHERE id = ?1",
            params![due.id, done, again],
        )
    })?;
    Ok(())
}

/// The attempts for an entry, the first first.
pub fn attempts(records: &Records, entry: &str) -> Result<Vec<Attempt>, RecordsError> {
    records.write("read delivery attempts", |tx| {
        let mut rows = tx.prepare_cached(
            "SELECT o.entry, a.at, a.outcome, a.answer FROM attempt a JOIN outbox o ON o.id = a.outbox
             WHERE o.entry = ?1 ORDER BY a.id",
        )?;
        rows.query_map([entry], |r| {
            Ok(Attempt {
                entry: r.get(0)?,
                at: Timestamp::from_millis(r.get(1)?),
                outcome: r.get(2)?,
                answer: r.get(3)?,
            })
        })?
        .collect()
    })
}
