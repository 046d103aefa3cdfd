//! The least HTTP/1.1 that the agent needs: a door for devices and for its own page, and a question to a device.

pub mod client; // one GET
pub mod server; // a listener with a bound
