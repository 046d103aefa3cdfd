//! Instruments, sites, faults with their truth, and a credit platform. Read in this order: `process`,
//! `scenario`, `modbus`, `hj212`, `site`, `replay`, `camera`, `credit_platform`, `link`, `load`.
//!
//! Promise: what a simulator puts on the wire is encoded here and nowhere else. The product's own codecs are
//! not used, since code shared by both ends hides mistakes that both ends make.

pub mod camera; // a kitchen and a workshop in pictures
pub mod credit_platform; // the system at the far end of the outbox
pub mod hj212; // a data logger that speaks HJ 212
pub mod link; // a bad line between two programs
pub mod load; // as much as a gateway can take
pub mod modbus; // an instrument that speaks Modbus TCP
pub mod process; // what the instruments measure: three sites, honest and with faults
pub mod random; // seeded randomness: the same seed gives the same day
pub mod replay; // recorded data played as an instrument
pub mod scenario; // which fault when, from a TOML file, and the truth it implies
pub mod site; // scenario + process + instruments, run against the clock
