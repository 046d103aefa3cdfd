//! Modbus over TCP, over a serial line, and over a serial line behind a TCP box. Read in this order: `config`, `plan`,
//! `register`, `wire`, `link`, `poll`, `schedule`, `sparing`, `bus`.

pub mod bus; // one bus: its askers and its keeper
pub mod config; // buses and instruments
pub mod link; // one connection; a time-out ends it
pub mod plan; // neighbouring registers are read together; pure
pub mod poll; // one poll of one device
pub mod register; // registers become a number; pure
pub mod schedule; // whose turn it is; pure
pub mod sparing; // deadband and heartbeat; pure
pub mod wire; // frames; pure

pub use bus::Bus;
pub use config::Device;
