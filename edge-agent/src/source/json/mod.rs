//! Devices that speak JSON: through a broker of the site, over HTTP when they are asked, or over HTTP by themselves.
//! Read in this order: `mapping`, `seen`, `due`, `intake`, `config`, `mqtt`, `pull`, `push`.

pub mod config; // how a device of each kind is written down
pub mod due; // silence becomes absences; pure
pub mod intake; // a message of one device becomes a record on disk, once
pub mod mapping; // a JSON text becomes readings; pure
pub mod mqtt; // messages of a broker
pub mod pull; // answers to questions
pub mod push; // what devices post
pub mod seen; // messages that come a second time; pure
