//! Counters of all cameras.

use crate::metrics::Count;

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
            "cameras"
        );
    }
}
