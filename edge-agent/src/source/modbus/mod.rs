//! Modbus TCP. Read these in this order.

pub mod bus; // one connection; every time-out drops it
pub mod plan; // neighbouring registers are read together; pure
pub mod poll;
pub mod register; // registers become a number; pure // when; what a silent device becomes
