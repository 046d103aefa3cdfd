//! Entries of the journal become time series: in the embedded store, in InfluxDB, or in both.
//!
//! Both follow the journal by cursors of their own; neither delays the other, nor ingest. Charts are answered by
//! the store that `store` names: the embedded one (the default, with InfluxDB beside it if `[series.influx]` is
//! there) or InfluxDB (then nothing is kept here).

pub mod embedded; // the default store: one SQLite file
pub mod influx; // the grown-up one

use crate::ingest::dictionary::{Dictionary, PointKey};
use crate::metrics::Metrics;
use contract::Timestamp;
use contract::problems::Problems;
use embedded::Embedded;
pub use embedded::{Bucket, StoredReading};
use influx::{Client, Influx, InfluxConfig, InfluxQuery, Writing};
use journal::Journal;
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// `[series]` as written. All of it may be left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which store answers; `embedded` if not given.
    #[serde(default)]
    pub store: Store,
    /// Days after which readings of the embedded store are deleted; without it nothing is.
    pub keep_days: Option<u32>,
    /// InfluxDB, beside the embedded store or instead of it.
    pub influx: Option<InfluxConfig>,
}

/// Which store answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// The embedded one.
    #[default]
    Embedded,
    /// InfluxDB; the embedded one is not kept.
    Influx,
}

/// `[series]` as it will be used.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The embedded store, if kept.
    pub embedded: Option<embedded::Options>,
    /// InfluxDB, if written.
    pub influx: Option<Influx>,
}

impl Config {
    /// Checks everything; every problem is added to `problems`. The store's files are in `data_dir`.
    pub fn resolve(self, data_dir: &Path, problems: &mut Problems) -> Plan {
        if self.store == Store::Influx && self.influx.is_none() {
            let fix = "add [series.influx], or write store = \"embedded\"";
            problems.add(
                "series.store",
                "it says influx, but InfluxDB is not configured",
                fix,
            );
        }
        if self.store == Store::Influx && self.keep_days.is_some() {
            let fix = "set the bucket's retention in InfluxDB and remove the line";
            problems.add("series.keep_days", "InfluxDB keeps its own retention", fix);
        }
        if self.keep_days == Some(0) {
            problems.add(
                "series.keep_days",
                "0 days would delete everything",
                "write at least 1, or remove the line",
            );
        }
        let keep = self
            .keep_days
            .map(|days| Duration::from_secs(u64::from(days) * 86_400));
        let embedded = (self.store == Store::Embedded).then(|| embedded::Options {
            keep,
            ..embedded::Options::new(data_dir.join("series.db"))
        });
        let influx = self.influx.map(|influx| influx.resolve(data_dir, problems));
        Plan { embedded, influx }
    }
}

/// Why series could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The embedded store.
    #[error("cannot start the embedded series store")]
    Embedded(#[source] embedded::StartError),
    /// InfluxDB.
    #[error("cannot start InfluxDB as a series store")]
    Influx(#[source] influx::WriterError),
    /// Nothing to store in.
    #[error("no series store is configured")]
    Nothing,
}

/// Why a query was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The embedded store.
    #[error("the embedded series store does not answer")]
    Embedded(#[source] embedded::StoreError),
    /// InfluxDB.
    #[error("InfluxDB does not answer")]
    Influx(#[source] influx::InfluxError),
    /// The gateway is stopping.
    #[error("the query was given up")]
    GivenUp,
}

/// The store that answers. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Series {
    /// The embedded one.
    Embedded(Embedded),
    /// InfluxDB, and the dictionary that says what a point is called there.
    Influx(Arc<InfluxQuery>, Dictionary),
}

/// What [`start`] started.
#[derive(Debug)]
pub struct Running {
    /// Answers charts.
    pub series: Series,
    following: Option<embedded::Following>,
    writing: Option<Writing>,
}

/// Starts what the plan says. Needs a tokio runtime.
pub fn start(
    plan: Plan,
    journal: &Journal,
    dictionary: &Dictionary,
    metrics: &Arc<Metrics>,
) -> Result<Running, StartError> {
    let writing = match &plan.influx {
        Some(influx) => Some(
            Writing::start(influx.clone(), journal, dictionary.clone(), metrics.clone())
                .map_err(StartError::Influx)?,
        ),
        None => None,
    };
    if let Some(options) = plan.embedded {
        let (embedded, following) =
            Embedded::start(options, journal, metrics.clone()).map_err(StartError::Embedded)?;
        return Ok(Running {
            series: Series::Embedded(embedded),
            following: Some(following),
            writing,
        });
    }
    let influx = plan.influx.ok_or(StartError::Nothing)?;
    let measurement = influx.measurement.clone();
    let client = Client::new(influx)
        .map_err(influx::WriterError::Client)
        .map_err(StartError::Influx)?;
    Ok(Running {
        series: Series::Influx(
            Arc::new(InfluxQuery::new(client, measurement)),
            dictionary.clone(),
        ),
        following: None,
        writing,
    })
}

impl Running {
    /// How writing to InfluxDB goes, if it is configured.
    pub fn influx_state(&self) -> Option<watch::Receiver<influx::State>> {
        self.writing.as_ref().map(Writing::state)
    }

    /// Names of the journal cursors that must be waited for before the journal is trimmed.
    pub fn cursors(&self) -> Vec<&'static str> {
        let embedded = self.following.as_ref().map(|_| embedded::CURSOR);
        let influx = self.writing.as_ref().map(|_| influx::CURSOR);
        embedded.into_iter().chain(influx).collect()
    }

    /// Writes what is in RAM and ends; what InfluxDB has not accepted is sent after the next start.
    pub async fn stop(self) {
        if let Some(writing) = self.writing {
            writing.stop().await;
        }
        if let Some(following) = self.following
            && let Err(error) = tokio::task::spawn_blocking(move || following.stop()).await
        {
            tracing::error!(%error, "the series store was not awaited");
        }
    }
}

impl Series {
    /// The readings of `from..to` by time, at most `limit`, the earliest first. Absences are among them.
    pub async fn raw(
        &self,
        point: PointKey,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<StoredReading>, QueryError> {
        match self {
            Series::Embedded(store) => {
                blocking(store, move |store| store.raw(point, from, to, limit)).await
            }
            Series::Influx(query, dictionary) => match dictionary.get(point) {
                Some(point) => query
                    .raw(&point, from, to, limit)
                    .await
                    .map_err(QueryError::Influx),
                None => Ok(Vec::new()),
            },
        }
    }

    /// `count` buckets or fewer over `from..to`, empty ones included.
    pub async fn buckets(
        &self,
        point: PointKey,
        from: Timestamp,
        to: Timestamp,
        count: usize,
    ) -> Result<Vec<Bucket>, QueryError> {
        match self {
            Series::Embedded(store) => {
                blocking(store, move |store| store.buckets(point, from, to, count)).await
            }
            Series::Influx(query, dictionary) => match dictionary.get(point) {
                Some(point) => query
                    .buckets(&point, from, to, count)
                    .await
                    .map_err(QueryError::Influx),
                None => Ok(Vec::new()),
            },
        }
    }

    /// The reading with the latest time.
    pub async fn last(&self, point: PointKey) -> Result<Option<StoredReading>, QueryError> {
        match self {
            Series::Embedded(store) => blocking(store, move |store| store.last(point)).await,
            Series::Influx(query, dictionary) => match dictionary.get(point) {
                Some(point) => query.last(&point).await.map_err(QueryError::Influx),
                None => Ok(None),
            },
        }
    }

    /// The latest time of each of these points, in their order. One pass over an embedded store.
    pub async fn newest(
        &self,
        points: Vec<PointKey>,
    ) -> Result<Vec<Option<Timestamp>>, QueryError> {
        if let Series::Embedded(store) = self {
            return blocking(store, move |store| store.newest(&points)).await;
        }
        let mut newest = Vec::with_capacity(points.len());
        for point in points {
            newest.push(self.last(point).await?.map(|reading| reading.at));
        }
        Ok(newest)
    }

    /// The times of a point's readings from `since` on.
    pub async fn times(
        &self,
        point: PointKey,
        since: Timestamp,
    ) -> Result<Vec<Timestamp>, QueryError> {
        let end = Timestamp::from_millis(i64::MAX);
        match self {
            Series::Embedded(store) => {
                blocking(store, move |store| store.times(point, since)).await
            }
            Series::Influx(..) => {
                let readings = self.raw(point, since, end, usize::MAX).await?;
                Ok(readings.into_iter().map(|reading| reading.at).collect())
            }
        }
    }

    /// How many different readings there are, by a real count (slow on a big store).
    pub async fn count(&self) -> Result<u64, QueryError> {
        match self {
            Series::Embedded(store) => blocking(store, Embedded::count).await,
            Series::Influx(query, _) => query.count().await.map_err(QueryError::Influx),
        }
    }
}

async fn blocking<T: Send + 'static>(
    store: &Embedded,
    ask: impl FnOnce(&Embedded) -> Result<T, embedded::StoreError> + Send + 'static,
) -> Result<T, QueryError> {
    let store = store.clone();
    tokio::task::spawn_blocking(move || ask(&store))
        .await
        .map_err(|_| QueryError::GivenUp)?
        .map_err(QueryError::Embedded)
}
