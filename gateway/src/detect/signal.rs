//! A signal (预警信号): what a rule or a model raised, one per episode. It has no legal nature.
//!
//! Its identity is rule or model, point and the time the episode began, so that writing it again after a crash
//! changes nothing.

use crate::ingest::dictionary::{Point, PointKey};
use contract::{DeviceId, PointName, SiteId, Timestamp};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How urgent a signal is. `I` goes to the business only, `IV` to the duty officer at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// 提示
    I,
    /// 一般
    II,
    /// 较重
    III,
    /// 严重
    IV,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A text for the screen in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// Over which time a value was averaged before it was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Averaging {
    /// Each reading by itself.
    Instant,
    /// Mean of the minute means of the last `window_ms`.
    Mean {
        /// Length of the window.
        window_ms: i64,
    },
    /// Mean of the minute means of a block that begins at a whole multiple of `window_ms`.
    Block {
        /// Length of the block.
        window_ms: i64,
    },
}

/// Who raised a signal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Source {
    /// A rule of a rule pack.
    Rule {
        /// Its id, for example `F-01-II`.
        id: String,
        /// Its version.
        version: u32,
    },
    /// A model.
    Model {
        /// Its name in the catalogue.
        name: String,
        /// Its version.
        version: u32,
        /// The hash of its file, hex.
        sha256: String,
    },
}

impl Source {
    /// The id of the rule, or the name of the model.
    pub fn name(&self) -> &str {
        match self {
            Source::Rule { id, .. } => id,
            Source::Model { name, .. } => name,
        }
    }
}

/// One signal, as it stands after its latest change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Its identity: the same episode always gets the same id.
    pub id: String,
    /// Who raised it.
    pub source: Source,
    /// Title for the screen.
    pub title: Text,
    /// Domain: `food`, `environment` or `safety`.
    pub domain: String,
    /// The number of the point in the journal.
    pub point: PointKey,
    /// The site.
    pub site: SiteId,
    /// The device.
    pub device: DeviceId,
    /// The name of the point.
    pub point_name: PointName,
    /// When the condition began to hold.
    pub opened_at: Timestamp,
    /// The latest reading (or time) at which it held.
    pub last_at: Timestamp,
    /// When it ceased to hold; `None` while it is open.
    pub closed_at: Option<Timestamp>,
    /// How urgent.
    pub severity: Severity,
    /// The value that was compared at the latest change (a mean, a converted mean, minutes of silence).
    pub measured: f64,
    /// What it was compared with; for a model the border of the expected range that was crossed.
    pub limit: f64,
    /// The unit of both.
    pub unit: String,
    /// How the value was averaged.
    pub averaging: Averaging,
    /// The worst compared value of the episode.
    pub peak: f64,
    /// For a model: score and expected range at the opening.
    pub model: Option<ModelFacts>,
    /// Journal block in which the signal opened.
    pub first_seq: u64,
    /// Journal block of the latest change.
    pub last_seq: u64,
}

/// What a model said when it raised a signal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// The score: how improbable the value was; see the model's card.
    pub score: f64,
    /// What the model expected.
    pub expected: f64,
    /// Low end of the expected range.
    pub expected_low: f64,
    /// High end of the expected range.
    pub expected_high: f64,
}

impl Signal {
    /// The identity of the episode of `source` at `point` that began at `opened_at`: 32 hex digits.
    pub fn identity(source: &Source, point: &Point, opened_at: Timestamp) -> String {
        let text = format!(
            "{}|{}|{}|{}|{}",
            source.name(),
            point.site,
            point.device,
            point.name,
            opened_at.as_millis()
        );
        let hash = digest(&SHA256, text.as_bytes());
        hash.as_ref()[..16]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect()
    }

    /// True while the episode lasts.
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }
}

/// What happened to a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is new.
    Opened,
    /// It still holds: later, or worse, than was known.
    Extended,
    /// It ceased to hold.
    Closed,
}

impl ChangeKind {
    pub(super) fn code(self) -> i64 {
        match self {
            ChangeKind::Opened => 0,
            ChangeKind::Extended => 1,
            ChangeKind::Closed => 2,
        }
    }

    pub(super) fn from_code(code: i64) -> ChangeKind {
        match code {
            0 => ChangeKind::Opened,
            1 => ChangeKind::Extended,
            _ => ChangeKind::Closed,
        }
    }
}

/// One line of the change log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalChange {
    /// Its place in the log, from 1, rising; 0 before it was written.
    pub number: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// The signal as it was after this change.
    pub signal: Signal,
}
