//! The OneDoor edge agent: asks instruments, keeps the answers on disk until the gateway has them. Read these
//! in this order.

pub mod app; // what runs, and how it stops
pub mod buffer; // on disk, promised
pub mod calibrate; // raw answers become readings, with doubt
pub mod config; // one file, all problems in one run
pub mod metrics;
pub mod profile; // what a kind of instrument has in its registers
pub mod publish; // to the gateway, until its receipt
pub mod record; // one poll of one device, as bytes
pub mod section; // a TOML table that is read key by key
pub mod source;
pub mod stop; // the stop token of a task // instruments become raw answers // every counter, declared in one place
