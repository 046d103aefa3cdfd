//! What was seen in the last minutes, for drawing over pictures. In memory only, bounded.

use contract::{Timestamp, footage::Frame};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// For how long a frame is remembered.
pub const KEEP_MS: i64 = 10 * 60_000;
/// Frames at most: ten minutes at 15 a second.
const FRAMES_MAX: usize = 9_000;

/// The last frames of one camera. Its clones are the same history.
#[derive(Debug, Clone, Default)]
pub struct History(Arc<Mutex<VecDeque<Frame>>>);

impl History {
    /// Remembers a frame, and forgets what is too old.
    pub fn remember(&self, frame: Frame) {
        let mut frames = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = frame.at.plus_millis(-KEEP_MS);
        frames.push_back(frame);
        while frames.len() > FRAMES_MAX || frames.front().is_some_and(|first| first.at < oldest) {
            frames.pop_front();
        }
    }

    /// What was seen from one time to another, both included, in the order in which it came.
    pub fn between(&self, from: Timestamp, to: Timestamp) -> Vec<Frame> {
        let frames = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let within = |frame: &&Frame| from <= frame.at && frame.at <= to;
        frames.iter().filter(within).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_forgotten() {
        let history = History::default();
        for n in 0..20_000 {
            let at = Timestamp::from_millis(n * 100);
            history.remember(Frame {
                at,
                boxes: Vec::new(),
            });
        }
        let all = history.between(Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
        assert_eq!(all.len(), 6_001);
        let ten = history.between(
            Timestamp::from_millis(1_990_000),
            Timestamp::from_millis(1_990_900),
        );
        assert_eq!(ten.len(), 10);
    }
}
