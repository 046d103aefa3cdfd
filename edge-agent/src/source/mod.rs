//! Instruments become raw answers: a number, or why there is none.

pub mod modbus;
