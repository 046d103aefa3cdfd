//! The part of the configuration about InfluxDB.

use super::decide::Backoff;
use contract::problems::Problems;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `[series.influx]` as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InfluxConfig {
    /// Address, for example `https://influx.example:8086`.
    pub url: String,
    /// Organisation.
    pub org: String,
    /// Bucket (on InfluxDB 1.x the database).
    pub bucket: String,
    /// A file with nothing but the token; without it nothing is sent as authorization.
    pub token_file: Option<PathBuf>,
    /// Measurement; `reading` if not given.
    pub measurement: Option<String>,
    /// Seconds a request may take; 10 if not given.
    pub timeout_seconds: Option<u64>,
}

/// `[series.influx]` as it will be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Influx {
    /// Address.
    pub url: String,
    /// Organisation.
    pub org: String,
    /// Bucket.
    pub bucket: String,
    /// Where the token is.
    pub token_file: Option<PathBuf>,
    /// Measurement.
    pub measurement: String,
    /// How long a request may take.
    pub timeout: Duration,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// Where refused lines are kept.
    pub quarantine: PathBuf,
}

impl InfluxConfig {
    /// Checks everything; every problem is added to `problems`.
    pub fn resolve(self, data_dir: &Path, problems: &mut Problems) -> Influx {
        let place = |key| format!("series.influx.{key}");
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            problems.add(
                place("url"),
                format!("{:?} is no address", self.url),
                "write http:// or https:// and the host",
            );
        }
        if self.url.contains('@') {
            problems.add(
                place("url"),
                "it holds a name or password",
                "put the token into token_file",
            );
        }
        for (key, value) in [("org", &self.org), ("bucket", &self.bucket)] {
            if value.is_empty() {
                problems.add(
                    place(key),
                    "it is empty",
                    "write the name as InfluxDB has it",
                );
            }
        }
        if let Some(path) = &self.token_file
            && let Err(error) = std::fs::read_to_string(path)
        {
            let what = format!("{} cannot be read ({error})", path.display());
            problems.add(
                place("token_file"),
                what,
                "create the file with nothing but the token in it",
            );
        }
        if self.token_file.is_some() && self.url.starts_with("http://") && !is_loopback(&self.url) {
            let fix = "use https://, or a tunnel to a loopback address";
            problems.add(place("url"), "the token would be sent unencrypted", fix);
        }
        let measurement = self.measurement.unwrap_or_else(|| "reading".into());
        if let Err(error) = super::line::series_key(&measurement, &[]) {
            problems.add(place("measurement"), error, "use letters, digits and _");
        }
        let seconds = self.timeout_seconds.unwrap_or(10);
        if !(1..=300).contains(&seconds) {
            problems.add(
                place("timeout_seconds"),
                format!("{seconds} is out of range"),
                "write 1 to 300",
            );
        }
        Influx {
            url: self.url,
            org: self.org,
            bucket: self.bucket,
            token_file: self.token_file,
            measurement,
            timeout: Duration::from_secs(seconds),
            backoff: Backoff {
                first: Duration::from_millis(500),
                longest: Duration::from_secs(30),
            },
            quarantine: data_dir.join("influx-refused.db"),
        }
    }
}

fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    host == "localhost"
        || host == "[::1]"
        || host
            .parse()
            .is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback())
}
