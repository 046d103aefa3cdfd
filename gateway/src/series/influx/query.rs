//! Charts out of InfluxDB, in InfluxQL: the one query language that 1.x and 2.x both answer (`/query`).

use super::super::embedded::{BUCKETS_MAX, Bucket, FIRST_MISSING, StoredReading};
use super::client::{Client, InfluxError};
use crate::ingest::dictionary::Point;
use contract::{Quality, Timestamp};
use std::collections::BTreeMap;

/// Asks the server that the writer fills.
#[derive(Debug, Clone)]
pub struct InfluxQuery {
    client: Client,
    measurement: String,
}

impl InfluxQuery {
    /// Asks `client`, for readings of `measurement`.
    pub fn new(client: Client, measurement: String) -> Self {
        Self {
            client,
            measurement,
        }
    }

    /// The readings of `from..to` by time, at most `limit`, the earliest first.
    pub async fn raw(
        &self,
        point: &Point,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<StoredReading>, InfluxError> {
        let which = self.which(point, from, to);
        let limit = limit.min(1 << 24);
        self.readings(&format!("SELECT value, quality {which} LIMIT {limit}"))
            .await
    }

    /// The reading with the latest time.
    pub async fn last(&self, point: &Point) -> Result<Option<StoredReading>, InfluxError> {
        let all = (
            Timestamp::from_millis(MIN_MS),
            Timestamp::from_millis(MAX_MS),
        );
        let which = self.which(point, all.0, all.1);
        let newest = format!("SELECT value, quality {which} ORDER BY time DESC LIMIT 1");
        Ok(self.readings(&newest).await?.pop())
    }

    /// `count` buckets or fewer over `from..to`, cut as the embedded store cuts them.
    pub async fn buckets(
        &self,
        point: &Point,
        from: Timestamp,
        to: Timestamp,
        count: usize,
    ) -> Result<Vec<Bucket>, InfluxError> {
        let (from, to) = (clamp(from), clamp(to));
        if from >= to {
            return Ok(Vec::new());
        }
        let span = to.as_millis() - from.as_millis();
        let count = count.clamp(1, BUCKETS_MAX) as i64;
        let width = ((span + count - 1) / count).max(1);
        let offset = from.as_millis().rem_euclid(width);
        let which = self.which(point, from, to);
        let by = format!("GROUP BY time({width}ms, {offset}ms) fill(none)");
        let doubted = format!("AND quality > 0 AND quality < {FIRST_MISSING}");
        let values = "min(value), mean(value), max(value), count(value), count(quality)";
        let whole = self
            .client
            .query(&format!("SELECT {values} {which} {by}"))
            .await?;
        let doubts = self
            .client
            .query(&format!("SELECT count(quality) {which} {doubted} {by}"))
            .await?;
        let mut found: BTreeMap<i64, Bucket> = (0..(span + width - 1) / width)
            .map(|index| {
                let at = from.as_millis() + index * width;
                (at, empty(at))
            })
            .collect();
        for row in &whole {
            let Some(bucket) = number(row, 0).and_then(|at| found.get_mut(&at)) else {
                continue;
            };
            (bucket.min, bucket.mean, bucket.max) =
                (number(row, 1), number(row, 2), number(row, 3));
            bucket.n = number(row, 4).unwrap_or(0);
            bucket.missing = number(row, 5).unwrap_or(0u64).saturating_sub(bucket.n);
        }
        for row in &doubts {
            let Some(bucket) = number(row, 0).and_then(|at| found.get_mut(&at)) else {
                continue;
            };
            bucket.suspect = number(row, 1).unwrap_or(0);
        }
        Ok(found.into_values().collect())
    }

    /// How many different readings there are.
    pub async fn count(&self) -> Result<u64, InfluxError> {
        let answer = self
            .client
            .query(&format!(
                "SELECT count(quality) FROM {}",
                quoted(&self.measurement, '"')
            ))
            .await?;
        Ok(answer.first().and_then(|row| number(row, 1)).unwrap_or(0))
    }

    fn which(&self, point: &Point, from: Timestamp, to: Timestamp) -> String {
        let (from, to) = (clamp(from).as_millis(), clamp(to).as_millis());
        let text = |text: &str| quoted(text, '\'');
        format!(
            "FROM {} WHERE site = {} AND device = {} AND point = {} AND time >= {from}ms AND time < {to}ms",
            quoted(&self.measurement, '"'),
            text(point.site.as_str()),
            text(point.device.as_str()),
            text(point.name.as_str()),
        )
    }

    async fn readings(&self, influxql: &str) -> Result<Vec<StoredReading>, InfluxError> {
        let answer = self.client.query(influxql).await?;
        let reading = |row: &Vec<String>| {
            let at = number(row, 0).ok_or(InfluxError::Answer("a row has no time"))?;
            let value: Option<f64> = number(row, 1);
            let code = number(row, 2).unwrap_or(0u64);
            let quality = match (Quality::from_code(code.min(255) as u8), value) {
                (quality @ Quality::Missing(_), _) => quality,
                (_, None) => Quality::Missing(contract::Absence::Unspecified),
                (quality, Some(_)) => quality,
            };
            let value = value.filter(|_| !matches!(quality, Quality::Missing(_)));
            let at = Timestamp::from_millis(at);
            Ok(StoredReading { at, value, quality })
        };
        answer.iter().map(reading).collect()
    }
}

/// InfluxDB's own limits of time, in ms.
const MIN_MS: i64 = i64::MIN / 1_000_000 + 1;
const MAX_MS: i64 = i64::MAX / 1_000_000 - 1;

fn clamp(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis().clamp(MIN_MS, MAX_MS))
}

fn empty(at: i64) -> Bucket {
    Bucket {
        at: Timestamp::from_millis(at),
        min: None,
        mean: None,
        max: None,
        n: 0,
        suspect: 0,
        missing: 0,
    }
}

/// A literal that ends where it should: backslash and the quote are escaped.
fn quoted(text: &str, quote: char) -> String {
    let mut to = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => to.push_str("\\n"),
            c => {
                if c == '\\' || c == quote {
                    to.push('\\');
                }
                to.push(c);
            }
        }
    }
    to.push(quote);
    to
}

/// Column `index` of a row; `None` if it is empty.
fn number<T: std::str::FromStr>(row: &[String], index: usize) -> Option<T> {
    row.get(index)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_cannot_end_early() {
        assert_eq!(quoted("a' OR 'b'='b", '\''), r"'a\' OR \'b\'=\'b'");
        assert_eq!(quoted("x\\", '\''), r"'x\\'");
    }
}
