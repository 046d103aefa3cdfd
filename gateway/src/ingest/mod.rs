//! Bytes from MQTT become entries of the journal.

pub mod dictionary; // points and their numbers
pub mod record; // how entries stand in a journal block
