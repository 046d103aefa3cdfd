//! HJ 212 (2005, 2017, 2025): what data loggers of the environment say. The codec is pure: bytes in, readings and
//! complaints out; `host` alone does I/O.
//! What is accepted and why: docs/protocol/hj212.md.

pub mod complaint; // what is wrong, as a code and in words
pub mod config; // where the host listens, and whose frames it takes
pub mod control; // asking a logger, where that is allowed
pub mod counts; // how often what came, and a sample of each thing that is wrong
pub mod crc; // the check value
pub mod data; // the data area: items by factor
pub mod factor; // what factor codes stand for
pub mod frame; // bytes become frames
pub mod host; // connections: frames are stored, then answered
pub mod join; // packets become one whole again
pub mod message; // a frame, decrypted and read
pub mod moment; // 14 digits of Beijing time
pub mod names; // what ST, CN, flags and results stand for
pub mod reading; // items become readings
pub mod reply; // what a host answers
pub mod report; // a frame as a JSON line, for people and tests
pub mod segment; // the fields
pub mod sm4; // encrypted data areas
pub mod station; // what is remembered of a station: frames, packets, silence
pub mod verdict; // what a host makes of a frame
