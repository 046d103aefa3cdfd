//! From what is seen in pictures to signals: zones, tracks, votes. Read in this order: `zone`, `class`, `config`, `assign`, `track`, `ballot`,
//! `decide`, `eyes`.
//!
//! Promise: a point such as `see.no_mask` is 1 only after several frames of one person (or of the whole picture) over the time and
//! with the share that its class wants; what cannot be judged is an absence with its reason. A machine's sight is a hint: it
//! raises a signal at which a person looks. Not promised: that everything is seen. No recognition of persons: a track says "the
//! same one as a moment ago" by place and movement, and is forgotten seconds after it was seen last.

pub mod assign; // who takes what, so that all together it is best; pure
pub mod ballot; // frames vote on one matter; pure
pub mod class; // what can be watched for; pure
pub mod config; // how it is written down
pub mod decide; // frames become points and sightings; pure
pub mod eyes; // the newest frame goes to the vision process, what changed into a record
pub mod track; // who of this frame is who of the last one; pure
pub mod zone; // places, hours, and what the law forbids; pure
