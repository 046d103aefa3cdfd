//! Entries of the journal become signals. Read these in this order.
//!
//! Promise: the same entries with the same rules and models give the same signals, whatever was restarted or
//! replayed in between; time comes from the readings and from the journal, never from the machine's clock; a
//! signal is durable before anyone is told of it, and is told once. A machine raises signals here and nothing
//! more: what they mean is decided by a person (`case`).

pub mod signal; // what a rule or a model raised
pub mod store; // signals, their change log and the snapshot, in detect.db

pub use signal::{Averaging, ChangeKind, Severity, Signal, SignalChange, Source, Text};
pub use store::{SignalLogError, Signals};
