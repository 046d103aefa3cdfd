//! HJ 212 (2005, 2017, 2025): what data loggers of the environment say. Pure: bytes in, readings and complaints out.
//! What is accepted and why: docs/protocol/hj212.md.

pub mod complaint; // what is wrong, as a code and in words
pub mod crc; // the check value
pub mod data; // the data area: items by factor
pub mod factor; // what factor codes stand for
pub mod frame; // bytes become frames
pub mod join; // packets become one whole again
pub mod message; // a frame, decrypted and read
pub mod moment; // 14 digits of Beijing time
pub mod names; // what ST, CN, flags and results stand for
pub mod reading; // items become readings
pub mod reply; // what a host answers
pub mod report; // a frame as a JSON line, for people and tests
pub mod segment; // the fields
pub mod sm4; // encrypted data areas
