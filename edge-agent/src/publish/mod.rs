//! To the gateway, until its receipt.

pub mod session; // birth, sequence, aliases; pure
pub mod task; // the MQTT connection
