//! The outbox: entries go to the credit platform at least once, each with a key by which it can tell a repeat.

use crate::store::{Records, RecordsError};
use contract::Timestamp;
use rusqlite::params;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);
const BACK_OFF_MAX_MS: i64 = 300_000;

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

/// Sends what is due; returns how many were delivered. Safe to run twice, at any time, after any crash.
pub async fn step(
    records: &Records,
    platform: &str,
    client: &reqwest::Client,
) -> Result<usize, RecordsError> {
    let now = Timestamp::now();
    let due: Vec<(i64, String, String, i64)> = records.write("read the outbox", |tx| {
        let mut rows = tx.prepare_cached(
            "SELECT o.id, o.key, o.body, (SELECT COUNT(*) FROM attempt a WHERE a.outbox = o.id) FROM outbox o
             WHERE delivered_at IS NULL AND due_at <= ?1 ORDER BY o.id LIMIT 20",
        )?;
        rows.query_map([now.as_millis()], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?.collect()
    })?;
    let mut delivered = 0;
    for (id, key, body, attempts) in due {
        let sent = client
            .post(format!("{}/credit-entries", platform.trim_end_matches('/')))
            .timeout(TIMEOUT)
            .header("content-type", "application/json")
            .header("idempotency-key", &key)
            .body(body)
            .send()
            .await;
        let (outcome, answer) = match sent {
            Ok(response) if response.status().is_success() => {
                ("delivered", response.status().to_string())
            }
            Ok(response) if response.status().is_client_error() => {
                let status = response.status();
                let words: String = response
                    .text()
                    .await
                    .unwrap_or_default()
                    .chars()
                    .take(300)
                    .collect();
                ("refused", format!("{status} {words}"))
            }
            Ok(response) => ("failed", response.status().to_string()),
            Err(error) => ("failed", error.without_url().to_string()),
        };
        delivered += usize::from(outcome == "delivered");
        let wait = (1000i64 << attempts.min(9)).min(BACK_OFF_MAX_MS);
        records.write("write a delivery attempt", |tx| {
            tx.execute(
                "INSERT INTO attempt(outbox, at, outcome, answer) VALUES (?1, ?2, ?3, ?4)",
                params![id, now.as_millis(), outcome, answer],
            )?;
            let done = (outcome == "delivered").then_some(now.as_millis());
            tx.execute(
                "UPDATE outbox SET delivered_at = ?2, due_at = ?3 WHERE id = ?1",
                params![id, done, now.as_millis() + wait],
            )
        })?;
    }
    Ok(delivered)
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
