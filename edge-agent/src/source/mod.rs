//! Instruments become raw answers: a number, or why there is none.

pub mod hj212;
pub mod modbus;
