//! Counters of all cameras.

use crate::metrics::{Count, Delays};

/// What came, and what was wrong with it.
#[derive(Debug, Default)]
pub struct Counts {
    /// Frames that came.
    pub frames: Count,
    /// Of these, gone because whoever looks was too slow.
    pub frames_dropped: Count,
    /// Parts of an answer that were no picture.
    pub parts_broken: Count,
    /// Pictures that could not be decoded.
    pub pictures_undecodable: Count,
    /// Connections and children that were begun.
    pub captures_begun: Count,
    /// Children that gave nothing any more and were killed.
    pub children_killed: Count,
    /// Frames that the ring could not keep.
    pub frames_not_kept: Count,
    /// Frames that the vision process looked at.
    pub frames_looked_at: Count,
    /// Frames that it was shown and said nothing of.
    pub looks_failed: Count,
    /// Reasons why a point became 1.
    pub sightings: Count,
    /// From the last byte of a frame to the record of what it changed, on disk.
    pub change_delays: Delays,
}

impl Counts {
    /// Writes them to the log in one line, if there is a camera.
    pub fn log(&self) {
        if self.captures_begun.get() == 0 {
            return;
        }
        tracing::info!(
            frames = self.frames.get(),
            frames_dropped = self.frames_dropped.get(),
            parts_broken = self.parts_broken.get(),
            pictures_undecodable = self.pictures_undecodable.get(),
            captures_begun = self.captures_begun.get(),
            children_killed = self.children_killed.get(),
            frames_not_kept = self.frames_not_kept.get(),
            frames_looked_at = self.frames_looked_at.get(),
            looks_failed = self.looks_failed.get(),
            sightings = self.sightings.get(),
            change_p50_ms = self.change_delays.below_ms(0.5),
            change_p99_ms = self.change_delays.below_ms(0.99),
            "cameras"
        );
    }
}
