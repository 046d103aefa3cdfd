//! Modbus TCP. Read in this order: `config`, `plan`, `bus`, `register`, `poll`.

pub mod bus; // one connection; every time-out drops it
pub mod config; // one instrument
pub mod plan; // neighbouring registers are read together; pure
pub mod poll; // when; what a silent device becomes
pub mod register; // registers become a number; pure

pub use config::Device;
