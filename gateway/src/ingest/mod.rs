//! Bytes from MQTT become entries of the journal, and receipts. Read these in this order.
//!
//! Promise: a receipt (or PUBACK) is given only for what is on disk; a numbered record is journaled once;
//! measurement times are never rewritten; nothing is refused without a counter, a reason and a fix.

pub mod decode; // Sparkplug B payloads, read where they lie
pub mod dictionary; // points and their numbers
pub mod hub;
pub mod inlet; // one connection's way into the journal
pub mod json; // plain JSON telemetry
pub mod ranges; // which record numbers were received
pub mod record; // how entries stand in a journal block
pub mod refused; // what was not taken, and why
pub mod session; // one agent between birth and death // what all connections share

pub use hub::{Config, Ingest, JsonPattern, OpenError};
pub use inlet::{Command, Done, Inlet, Next};
