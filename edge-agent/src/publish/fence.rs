//! Whether the next number of the stream is this buffer's to give. Pure.
//!
//! A buffer file that was restored from an old copy, or copied to a second box, goes on counting where the copy ends. The
//! gateway counts those numbers as received and would take the new records for repeats. So nothing goes out beyond the
//! *fence*, the last number that may have been sent before, until the gateway has said on this connection how far it
//! has heard. If that is beyond the fence the stream is somebody else's from there on: what lies before the fence is
//! still owed to it, and what lies behind it goes under a stream with a new name.
//!
//! Not noticed: two boxes that run on copies of one file at the same time and both send the same numbers before either
//! hears of the other.

/// The fence of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    at: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Asking,
    Open,
    Leaving,
}

/// What hearing the gateway changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing.
    Same,
    /// The next numbers are ours.
    Opened,
    /// They are not: the stream is to be left.
    Foreign,
}

impl Fence {
    /// Nothing beyond `at` was ever sent.
    pub fn new(at: u64) -> Fence {
        Fence {
            at,
            state: State::Asking,
        }
    }

    /// The last number that may have been sent.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// A new connection: the gateway is to be asked again.
    pub fn ask(&mut self) {
        self.state = State::Asking;
    }

    /// True while the gateway has not said how far it is.
    pub fn is_asking(&self) -> bool {
        self.state == State::Asking
    }

    /// May the record of this number be sent?
    pub fn lets(&self, number: u64) -> bool {
        self.state == State::Open || number <= self.at
    }

    /// It was sent.
    pub fn sent(&mut self, number: u64) {
        self.at = self.at.max(number);
    }

    /// The gateway has heard of numbers up to `highest`.
    pub fn hear(&mut self, highest: u64) -> Heard {
        let (state, heard) = match self.state {
            State::Leaving => return Heard::Same,
            _ if highest > self.at => (State::Leaving, Heard::Foreign),
            State::Asking => (State::Open, Heard::Opened),
            State::Open => return Heard::Same,
        };
        self.state = state;
        heard
    }

    /// How much of a receipt is about our records.
    pub fn ours(&self, through: u64) -> u64 {
        through.min(self.at)
    }

    /// True when nothing is owed to a stream that is to be left; `first` is the first record that waits.
    pub fn is_left(&self, first: u64) -> bool {
        self.state == State::Leaving && first > self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_new_goes_out_before_the_gateway_has_said_how_far_it_is() {
        let mut fence = Fence::new(10);
        assert!(fence.lets(10) && !fence.lets(11) && fence.is_asking());
        assert_eq!(fence.hear(10), Heard::Opened);
        assert!(fence.lets(11));
        fence.sent(11);
        assert_eq!(fence.hear(11), Heard::Same);
        fence.ask();
        assert!(fence.lets(11) && !fence.lets(12));
    }

    #[test]
    fn a_stream_that_somebody_else_went_on_with_is_left_when_nothing_is_owed_to_it() {
        let mut fence = Fence::new(10);
        assert_eq!(fence.hear(900), Heard::Foreign);
        assert_eq!(fence.hear(901), Heard::Same);
        assert_eq!((fence.ours(900), fence.ours(7)), (10, 7));
        assert!(fence.lets(10) && !fence.lets(11));
        assert!(!fence.is_left(10) && fence.is_left(11));
        // Also in the middle of a connection: another box with a copy of the file was faster.
        let mut fence = Fence::new(10);
        assert_eq!(fence.hear(3), Heard::Opened);
        assert_eq!(fence.hear(11), Heard::Foreign);
    }
}
