//! One reading: value or absence, quality, and the time the device measured.

use crate::{PointName, Quality, Timestamp};

/// A measured value, or its absence. Absence is said by the quality; see [`Reading::new`].
pub type Value = Option<f64>;

/// One reading of one point of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Which quantity of the device.
    pub point: PointName,
    /// When the device measured it. Never rewritten after this.
    pub at: Timestamp,
    /// The value in the point's unit; `None` exactly when `quality` is `Missing`.
    pub value: Value,
    /// How far it can be trusted.
    pub quality: Quality,
}

impl Reading {
    /// A reading whose value and quality agree: NaN and infinities become a missing value, a `Missing`
    /// quality drops the value, a value of `None` with a good or suspect quality becomes missing.
    pub fn new(point: PointName, at: Timestamp, value: Value, quality: Quality) -> Self {
        let (value, quality) = match (value, quality) {
            (_, Quality::Missing(absence)) => (None, Quality::Missing(absence)),
            (Some(v), quality) if v.is_finite() => (Some(v), quality),
            (Some(_), _) => (None, Quality::Missing(crate::Absence::Unreadable)),
            (None, _) => (None, Quality::Missing(crate::Absence::Unspecified)),
        };
        Self {
            point,
            at,
            value,
            quality,
        }
    }
}
