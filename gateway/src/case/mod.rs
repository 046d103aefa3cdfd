//! Signals become something a person must look at, and a person decides.
//!
//! Promise: a signal stands in exactly one case, or is marked as raised in shadow (`precision`) and stands in none; only a person decides a case, once; whoever confirms names the
//! legal ground; a confirmation writes the finding, the reference to its sealed evidence, the credit entry and its outbox row in one transaction.

pub mod decide; // which case a signal belongs to, and what a decision needs; pure
pub mod escalation; // what repetition makes of a signal
pub mod ground; // what a person says was not met; pure
pub mod precision; // whether a rule on what cameras see is trusted at a site
pub mod store; // cases on disk

pub use decide::{Case, Checks, Decision, State, Verdict};
pub use ground::{Ground, GroundKind, GroundName};
