//! ONNX models: the engine that turns series into scores, and what a picture shows. Read in this order: `catalogue`,
//! `runtime`, `series`, `pattern`, `calibrate`, `engine`, `group`, `snapshot`, `score`; then `picture`.
//!
//! Promise: a score of a sample depends on that sample and earlier ones only, is the same whenever the same
//! samples are pushed in the same order (also across [`SeriesState::to_bytes`]), and is comparable across
//! series, so that one threshold serves all of them.
//! Not promised: that a high score is wrong-doing. A score raises a signal for a person, no more.

pub mod calibrate; // a raw score against the series' own past
pub mod catalogue; // which models there are, and that the file is the one meant
pub mod engine; // many series in one run
pub mod group; // several series that belong together
pub mod pattern; // a series' own past as a memory of patterns
pub mod picture; // what a picture shows, and what of it nobody may see
pub mod runtime; // ONNX Runtime: found or honestly missing
pub mod score; // the engine over a CSV file
pub mod series; // what is kept of one series
pub mod snapshot; // a state as bytes and back

pub use catalogue::ModelRef;
pub use engine::{Availability, Engine, OpenError, ScoreError};
pub use runtime::RuntimePath;
pub use series::{Due, Score, SeriesState};
pub use snapshot::SnapshotError;
