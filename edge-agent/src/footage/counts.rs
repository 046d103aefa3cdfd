//! What became of footage since the start.

use crate::metrics::Count;

/// All of them.
#[derive(Debug, Default)]
pub struct Counts {
    /// Pictures that were wanted: sightings and overviews.
    pub wanted: Count,
    /// Sightings that a clip which was wanted before shows too.
    pub wants_covered: Count,
    /// Of what was wanted, dropped because too many waited.
    pub wants_dropped: Count,
    /// Of what was wanted, given up: the ring had let go of the frames before they could be masked, or never had them.
    pub wants_given_up: Count,
    /// Clips and overviews that were cut, masked and signed.
    pub cut: Count,
    /// Frames that were masked.
    pub frames_masked: Count,
    /// Frames that could not be masked and were left out.
    pub frames_left_out: Count,
    /// Times at which masking had to wait for the vision process.
    pub masking_waited: Count,
    /// Files that the gateway has.
    pub files_sent: Count,
    /// Bytes that were sent.
    pub bytes_sent: Count,
    /// Attempts at sending that failed.
    pub sends_failed: Count,
    /// Files that the gateway does not take, whenever they come.
    pub files_refused: Count,
    /// Masked clips that the full spool let go of before the gateway had them.
    pub clips_let_go: Count,
    /// Stills and detections, likewise.
    pub stills_let_go: Count,
    /// Files that the disk gave back other than they were written.
    pub files_damaged: Count,
    /// Originals that were sealed.
    pub originals_sealed: Count,
    /// Originals deleted since they were old enough.
    pub originals_expired: Count,
    /// Originals deleted since there were too many bytes of them.
    pub originals_let_go: Count,
    /// Originals that the gateway asked for and has.
    pub originals_sent: Count,
}

impl Counts {
    /// Writes all of them to the log in one line, if anything was wanted.
    pub fn log(&self) {
        if self.wanted.get() == 0 && self.files_sent.get() == 0 {
            return;
        }
        tracing::info!(
            wanted = self.wanted.get(),
            wants_covered = self.wants_covered.get(),
            wants_dropped = self.wants_dropped.get(),
            wants_given_up = self.wants_given_up.get(),
            cut = self.cut.get(),
            frames_masked = self.frames_masked.get(),
            frames_left_out = self.frames_left_out.get(),
            masking_waited = self.masking_waited.get(),
            files_sent = self.files_sent.get(),
            bytes_sent = self.bytes_sent.get(),
            sends_failed = self.sends_failed.get(),
            files_refused = self.files_refused.get(),
            clips_let_go = self.clips_let_go.get(),
            stills_let_go = self.stills_let_go.get(),
            files_damaged = self.files_damaged.get(),
            originals_sealed = self.originals_sealed.get(),
            originals_expired = self.originals_expired.get(),
            originals_let_go = self.originals_let_go.get(),
            originals_sent = self.originals_sent.get(),
            "footage"
        );
    }
}
