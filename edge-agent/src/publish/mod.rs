//! To the gateway, until its receipt.

pub mod renewal; // which certificate is shown, and what becomes of a new one
pub mod session; // birth, sequence, aliases; pure
pub mod task; // the MQTT connection
