//! To the gateway, until its receipt.

pub mod fence; // whether the next number is ours to give; pure
pub mod session; // birth, sequence, aliases; pure
pub mod task; // the MQTT connection
