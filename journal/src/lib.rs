//! A durable, ordered, hash-chained log with cursors, on one SQLite file. Read in this order:
//! `block`, `journal`, `writer`, `store`, `tail`, `follow`, `salvage`.
//!
//! Promise: a block given to [`Journal::append`] survives a power cut once `append` returns; blocks are numbered
//! from 1 without gaps; every [`Follower`] sees every block once, in order; a block that was altered or torn is
//! reported by its number, and passed over only by a follower that asks for it ([`Follower::skip`]). Notes and blocks staged together are committed together.
//!
//! Not promised: protection from someone who rewrites the whole file (keep [`Journal::head`] elsewhere for
//! that); more than one process on a file (the second is refused).
//!
//! On disk: table `block(seq, at_ms, count, hash, body)`, `note(key, value)`, `cursor(name, seq)` and
//! `anchor(seq, hash)` (what the chain of a trimmed journal begins with). WAL, `synchronous=FULL`.

mod block; // what a block is, and how it is chained
mod error;
mod follow; // reading along: RAM first, disk when behind
mod journal; // the public face
mod salvage; // what can be read of a damaged file, copied into a new one
mod store; // all SQL
mod tail; // the newest blocks in RAM
mod wait; // waiting without a runtime
mod writer; // the only thread that writes

pub use block::{Block, Committed, Seq, Staged};
pub use error::{AppendError, OpenError, ReadError};
pub use follow::Follower;
pub use journal::{Journal, Options};
pub use salvage::{Salvaged, salvage};
pub use store::{Damage, VerifyReport};
