//! What a picture shows, and what of it nobody may see. Read in this order: `manifest`, `input`, `decode`, `area`,
//! `detector`, `mask`, `search`; the commands of `models` are in `store`, `fetch`, `golden`, `timing`.
//!
//! Promise: a model file runs with nothing but a manifest beside it; of a model only the outputs that its decoding
//! needs are computed; the same picture gives the same detections.
//! Not promised: that what a model finds is there. Persons are counted, never told apart: there is no code here that
//! compares faces, and none may come.

pub mod area; // rectangles, and which of several that overlap stay
pub mod crop; // what a classifier looks at
pub mod decode; // outputs become candidates
pub mod detector; // one model on one thread
pub mod fetch; // a model from where its authors give it out
pub mod golden; // known inputs and what comes of them
pub mod image; // pixels in memory, and making them unknowable
pub mod input; // a picture as a model wants it
pub mod manifest; // what has to be said of a model file
pub mod mask; // what is pixelated
mod reader; // a TOML table, key by key
pub mod search; // how masking looks for it
pub mod store; // a folder of models
pub mod timing; // milliseconds of each step

pub use area::{Area, Detection, strongest};
pub use crop::Crop;
pub use decode::{DecodeError, candidates};
pub use detector::{DetectError, Detector, DetectorError};
pub use image::{Image, ImageError};
pub use input::{Colour, Fit, Input, Layout};
pub use manifest::{Activation, Decoding, Manifest, Problems, Task};
