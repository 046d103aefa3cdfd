//! From a signal to a credit record, through HTTP, with a credit platform that fails as told.

mod chain; // signals become cases, findings, entries
mod delivery; // a finding on its way out
mod escalation; // what was raised before makes a signal graver
mod fleet; // one-time codes and certificates
mod rights; // who may do what
mod status; // how the gateway is
pub mod world; // the platform and the gateway
