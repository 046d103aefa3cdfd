//! Entries of the journal become signals. Read in this order: `rule`, `escalate`, `window`, `episode`, `lane`, `bind`,
//! `engine`, `state`, `store`, `task`, `onnx`.
//!
//! Promise: the same journal, rules and model give the same signals, whenever and however often the gateway was
//! restarted in between; one episode is one signal. Time is taken from readings and from the journal, never
//! from the wall clock.
//! Not promised: that a signal is a violation. It says what was measured against what, and a person decides.

pub mod rule; // what a rule says, and reading a pack of rules

mod bind; // which rules look at which points
pub mod engine; // all rules at all points
pub mod episode; // when a signal opens, extends, closes
pub mod escalate; // what a rule says of repetition, and how it is judged
pub mod lane; // one rule at one point
pub mod onnx; // follows the journal with the model
pub mod state; // how their state stands in a snapshot
pub mod store; // signals on disk, and who wants to hear of them
pub mod task; // follows the journal with the rules
pub mod window; // averages with validity

pub use bind::SEES;
pub use store::{Signal, Signals, Source};
