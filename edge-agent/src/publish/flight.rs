//! What is under way on a connection.

use super::lane::{Lane, Numbers, Pace};
use crate::buffer::Buffer;
use contract::configuration::Report;
use std::time::Duration;
use tokio::time::Instant;

/// One of the two lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// What waited.
    Back,
    /// What is new.
    Live,
}

/// What is under way on a connection.
pub struct Flight {
    /// Records that waited when it began.
    pub back: Lane,
    /// Records that came since.
    pub live: Lane,
    /// What the gateway said it has of our records.
    pub known: Numbers,
    /// That, and what is no longer in the buffer: what need not be sent.
    pub settled: Numbers,
    /// The rate of `back`.
    pub pace: Pace,
    /// The end of the unbroken run that has a receipt.
    pub through: u64,
    /// The newest record let go of.
    pub trimmed: u64,
    /// How often the births were asked for.
    pub rebirths: u64,
    /// How often, and when last, births went out again that the gateway had not answered.
    pub asked: u32,
    /// See `asked`.
    pub asked_at: Instant,
    /// A record (0: the births) whose receipt tells the offset of the clock, and when it was sent.
    pub probe: Option<(u64, Duration)>,
    /// When all that is missing was made gaps; nothing before the gateway was heard.
    pub gaps_at: Option<Instant>,
    /// When the agent last said how it does, and what of it counts as a change.
    pub said_at: Instant,
    /// See `said_at`.
    pub said: (u64, bool, Report),
}

impl Flight {
    /// Everything that waits in the buffer is back-fill; what comes from now on is new.
    pub fn new(buffer: &Buffer, backfill_per_s: u32, rebirths: u64) -> Flight {
        let (first, head, now) = (buffer.first(), buffer.head(), Instant::now());
        Flight {
            back: Lane::new(buffer, first, head),
            live: Lane::new(buffer, head + 1, u64::MAX),
            known: Numbers::default(),
            settled: Numbers::default(),
            pace: Pace::new(backfill_per_s, now),
            through: 0,
            trimmed: first - 1,
            rebirths,
            asked: 0,
            asked_at: now,
            probe: Some((0, buffer.time.passed())),
            gaps_at: None,
            said_at: now,
            said: (0, true, Report::default()),
        }
    }

    /// The lane.
    pub fn lane(&mut self, which: Which) -> &mut Lane {
        match which {
            Which::Back => &mut self.back,
            Which::Live => &mut self.live,
        }
    }
}
