//! The words both ends must agree on. Read `reading`, `quality`, `id`, `time`, then what goes over the wire: `topic`,
//! `payload`, `receipt`.
//!
//! Pure data and encodings: no tokio, no I/O, no clock but `Timestamp::now`. The edge agent and the gateway depend on this
//! crate; it depends on neither.

pub mod configuration; // what the gateway wants an agent to run
pub mod control; // orders to devices, and what became of them
pub mod enrol; // a one-time code, and what is sealed with it
pub mod evidence; // the manifest of a sealed bundle
pub mod footage; // what a camera's agent saw, and the pictures of it
pub mod gap; // readings that will never come, and why
pub mod hex; // bytes as hexadecimal digits, and SHA-256
pub mod id; // names of sites, agents, devices, points
pub mod payload; // Sparkplug B payloads with our sequence
pub mod problems; // all that is wrong with a configuration, in one run
pub mod quality; // how far a reading can be trusted
pub mod reading; // value or absence, quality, time
pub mod receipt; // "journaled through N"
pub mod status; // how an agent does, said by itself
pub mod time; // milliseconds since 1970, UTC
pub mod topic; // Sparkplug B topics
pub mod uscc; // unified social credit code
pub mod vision; // what the agent and its vision process say to each other

pub use gap::{Gap, GapReason};
pub use id::{AgentId, DeviceId, IdError, PointName, SiteId};
pub use quality::{Absence, Doubt, Quality};
pub use reading::{Reading, Value};
pub use time::Timestamp;
