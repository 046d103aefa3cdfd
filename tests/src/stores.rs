//! What the embedded series store holds, read after the gateway stopped, through the store's own reading code.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use contract::Timestamp;
use gateway::ingest::dictionary::{Point, PointKey};
use gateway::metrics::Metrics;
use gateway::series::embedded::{Embedded, Options};
use journal::{Journal, Options as JournalOptions};

use crate::process::wait_for;

/// The store's content.
#[derive(Debug, Default)]
pub struct Stored {
    /// Different readings (point and time).
    pub count: u64,
    /// Time and value of every reading by `site/device/point`, by time.
    pub points: BTreeMap<String, Vec<(i64, Option<f64>)>>,
}

/// Reads the store of `series` that follows the journal at `journal`.
pub fn read(journal: &Path, series: &Path) -> anyhow::Result<Stored> {
    let journal =
        Journal::open(journal, JournalOptions::small()).context("cannot open the journal")?;
    let (store, following) = Embedded::start(
        Options::new(series.to_owned()),
        &journal,
        Arc::new(Metrics::default()),
    )
    .with_context(|| format!("cannot open {}", series.display()))?;
    let head = journal.head().0.0;
    wait_for(
        "the series store to reach the journal's head",
        Duration::from_secs(60),
        || Ok((store.progress().cursor >= head).then_some(())),
    )?;
    let mut stored = Stored {
        count: store.count()?,
        ..Stored::default()
    };
    let always = (
        Timestamp::from_millis(0),
        Timestamp::from_millis(i64::MAX / 4),
    );
    for (key, value) in journal.notes("point/")? {
        let number = u32::from_str_radix(key.trim_start_matches("point/"), 16)
            .context("a point has no number")?;
        let point: Point =
            serde_json::from_slice(&value).context("a point's note is not a point")?;
        let readings = store.raw(PointKey(number), always.0, always.1, usize::MAX)?;
        stored.points.insert(
            format!("{}/{}/{}", point.site, point.device, point.name),
            readings
                .into_iter()
                .map(|r| (r.at.as_millis(), r.value))
                .collect(),
        );
    }
    following.stop();
    Ok(stored)
}
