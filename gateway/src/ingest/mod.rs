//! Bytes from MQTT become entries of the journal, and receipts.
//!
//! Promise: a receipt (or PUBACK) is given only for what is on disk; a numbered record is journaled once;
//! measurement times are never rewritten; nothing is refused without a counter, a reason and a fix.
//!
//! Read in this order: `dictionary` (points and their numbers), `record` (how entries stand in a block),
//! `decode` (Sparkplug B payloads, read where they lie), `metric` (a metric becomes a sample), `beside` (what comes
//! beside readings), `json` and `json_route` (plain telemetry), `ranges` (which record numbers were received), `table`
//! (what a birth announced), `session` (one agent between birth and death), `refused` (what was not taken, and why),
//! `set_aside` (those messages, kept whole), `inlet` (one connection's way into the journal), `hub` (what all
//! connections share), `external` (readings from a broker that is not ours).

pub mod beside;
pub mod decode;
pub mod dictionary;
pub mod external;
pub mod hub;
pub mod inlet;
pub mod json;
mod json_route;
mod metric;
pub mod ranges;
pub mod record;
pub mod refused;
pub mod session;
pub mod set_aside;
mod table;

pub use hub::{Config, Ingest, JsonPattern, OpenError};
pub use inlet::{Command, Done, Inlet, Next};
