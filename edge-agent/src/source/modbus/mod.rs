//! Modbus TCP. Read in this order: `plan`, `bus`, `register`, `poll`.

pub mod bus; // one connection; every time-out drops it
pub mod plan; // neighbouring registers are read together; pure
pub mod poll; // when; what a silent device becomes
pub mod register; // registers become a number; pure
