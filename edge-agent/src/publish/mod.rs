//! To the gateway, until its receipt.

pub mod fence; // whether the next number is ours to give; pure
pub mod flight; // what is under way
pub mod lane; // new records, and what waited beside them
pub mod link; // what is heard
pub mod renewal; // which certificate is shown, and what becomes of a new one
pub mod session; // birth, sequence, aliases; pure
pub mod task; // the MQTT connection
