//! What an agent has seen for it: one process that runs models on pictures, masks pictures, and seals files for two
//! custodians. Read in this order: `serve`, `service`, `shelf`, `look`, `faces`, `mask`, `seal`, `bounds`.
//!
//! Promise: every ask that can be read is answered once, in order, also when its model is damaged or its picture is none;
//! memory is bounded by the kernel ([`bounds::set`]); nothing is written but the sealed file of a seal.
//! Not promised: that it lives. A library of others may crash or hang; whoever asks has patience with it and starts another
//! one (edge-agent/src/vision/). Nothing here tells one person from another.

pub mod bounds; // what the kernel gives the process, at most
pub mod faces; // what nobody may see
pub mod look; // persons, what they wear, and what the whole picture shows
pub mod mask; // a picture without those places
pub mod seal; // a file that takes two to read
pub mod serve; // asks in, answers out
pub mod service; // one ask
pub mod shelf; // models that are open

pub use serve::serve;
pub use service::Service;
pub use shelf::Shelf;
