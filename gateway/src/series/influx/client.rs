//! HTTP to InfluxDB: one write, one query. No decisions.

use super::config::Influx;
use super::decide::Answer;
use crate::chain;
use flate2::{Compression, write::GzEncoder};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use std::fmt;
use std::io::Write;
use std::time::Duration;

const ANSWER_MAX: usize = 2048;
const QUERY_ANSWER_MAX: usize = 256 << 20;

/// A token. Never printed.
#[derive(Clone)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why the client could not be made or a query not be answered.
#[derive(Debug, thiserror::Error)]
pub enum InfluxError {
    /// No HTTP client.
    #[error("cannot make an HTTP client for InfluxDB")]
    Client(#[source] reqwest::Error),
    /// The token file.
    #[error("cannot read the token file {path} of InfluxDB")]
    Token {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The request failed.
    #[error("cannot query InfluxDB")]
    Request(#[source] reqwest::Error),
    /// The server refused.
    #[error("InfluxDB refused the query ({code}): {text}")]
    Refused {
        /// HTTP status.
        code: u16,
        /// What it said.
        text: String,
    },
    /// The answer makes no sense.
    #[error("InfluxDB's answer cannot be understood: {0}")]
    Answer(&'static str),
}

/// A server, a bucket.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    config: Influx,
}

impl Client {
    /// A client; nothing is sent yet.
    pub fn new(config: Influx) -> Result<Self, InfluxError> {
        // The process's TLS provider; an error means that it is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(config.timeout)
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent("onedoor-gateway")
            .build()
            .map_err(InfluxError::Client)?;
        Ok(Self { http, config })
    }

    /// Sends lines.
    pub async fn write(&self, lines: &str) -> Answer {
        let token = match self.token() {
            Ok(token) => token,
            Err(error) => {
                // Like a refused token: a person must look, and it is read again at the next try.
                let text = chain(&error);
                return Answer::Status {
                    code: 401,
                    retry_after: None,
                    text,
                };
            }
        };
        let query = [
            ("org", self.config.org.as_str()),
            ("bucket", self.config.bucket.as_str()),
            ("precision", "ms"),
        ];
        let mut request = self
            .http
            .post(self.address("api/v2/write", &query))
            .header(CONTENT_ENCODING, "gzip")
            .header(CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(gzip(lines));
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Token {}", token.0));
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Answer::Failed(chain(&error.without_url())),
        };
        let code = response.status().as_u16();
        let seconds =
            |value: &reqwest::header::HeaderValue| value.to_str().ok()?.trim().parse().ok();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(seconds)
            .map(Duration::from_secs);
        if response.status().is_success() {
            return Answer::Status {
                code,
                retry_after,
                text: String::new(),
            };
        }
        // A body that breaks off or drags on does not take back the status, which is what decides.
        let text = body(response, ANSWER_MAX).await.unwrap_or_default();
        Answer::Status {
            code,
            retry_after,
            text,
        }
    }

    /// Asks one statement of InfluxQL; answers its rows as texts, time (ms) first.
    pub async fn query(&self, influxql: &str) -> Result<Vec<Vec<String>>, InfluxError> {
        let query = [("db", self.config.bucket.as_str()), ("epoch", "ms")];
        // CSV, since numbers in it are texts that can be read exactly.
        let mut request = self
            .http
            .post(self.address("query", &query))
            .header(ACCEPT, "application/csv");
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        request = request.body(format!("q={}", percent(influxql)));
        if let Some(token) = self.token()? {
            request = request.header(AUTHORIZATION, format!("Token {}", token.0));
        }
        let response = request
            .send()
            .await
            .map_err(|e| InfluxError::Request(e.without_url()))?;
        let code = response.status().as_u16();
        let is_ok = response.status().is_success();
        let text = body(response, QUERY_ANSWER_MAX)
            .await
            .map_err(InfluxError::Request)?;
        if !is_ok {
            let text = text.chars().take(ANSWER_MAX).collect();
            return Err(InfluxError::Refused { code, text });
        }
        rows(&text)
    }

    fn token(&self) -> Result<Option<Secret>, InfluxError> {
        let Some(path) = &self.config.token_file else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).map_err(|source| InfluxError::Token {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Some(Secret(text.trim().to_owned())))
    }

    fn address(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut address = format!("{}/{path}", self.config.url.trim_end_matches('/'));
        for (index, (name, value)) in query.iter().enumerate() {
            address.push(if index == 0 { '?' } else { '&' });
            address.push_str(name);
            address.push('=');
            address.push_str(&percent(value));
        }
        address
    }
}

async fn body(mut response: reqwest::Response, limit: usize) -> Result<String, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(reqwest::Error::without_url)?
    {
        let room = limit.saturating_sub(bytes.len());
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if bytes.len() >= limit {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The rows of an answer in CSV: `name,tags,time,…`. No rows at all is an empty text.
fn rows(text: &str) -> Result<Vec<Vec<String>>, InfluxError> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let head = reader
        .headers()
        .map_err(|_| InfluxError::Answer("it is not CSV"))?;
    let is_error = head.get(0) == Some("error");
    if !is_error && !head.is_empty() && head.get(2) != Some("time") {
        return Err(InfluxError::Answer("its columns are not name, tags, time"));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|_| InfluxError::Answer("it is not CSV"))?;
        let skip = if is_error { 0 } else { 2 };
        rows.push(
            record
                .iter()
                .skip(skip)
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        );
    }
    match is_error {
        true => Err(InfluxError::Refused {
            code: 200,
            text: rows.concat().join(" "),
        }),
        false => Ok(rows),
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    encoder
        .write_all(text.as_bytes())
        .and_then(|()| encoder.finish())
        .expect("compressing into memory")
}

fn percent(text: &str) -> String {
    let mut to = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                to.push(byte.into())
            }
            _ => to.push_str(&format!("%{byte:02X}")),
        }
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_without_name_and_tags_and_an_error_is_an_error() {
        let found =
            rows("name,tags,time,value,quality\nreading,,5,999.1935751333491,0\nreading,,6,,64\n")
                .unwrap();
        assert_eq!(found, [["5", "999.1935751333491", "0"], ["6", "", "64"]]);
        assert!(rows("").unwrap().is_empty());
        assert!(
            matches!(rows("error\nno such thing\n"), Err(InfluxError::Refused { text, .. }) if text == "no such thing")
        );
        assert!(rows("<html>").is_err());
    }

    #[test]
    fn a_secret_is_not_printed_and_a_query_is_percent_encoded() {
        assert_eq!(format!("{:?}", Secret("t0ken".into())), "***");
        assert_eq!(percent("a b&c=厂'"), "a%20b%26c%3D%E5%8E%82%27");
    }
}
