//! What a block is, and how each is chained to the one before. Pure.

use bytes::Bytes;
use ring::digest;
use std::fmt;

/// Number of a block: 1, 2, 3, … without gaps. 0 stands for "before the first".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// The number after this one.
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A committed block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub seq: Seq,
    /// The time its writer gave it, milliseconds since 1970.
    pub at_ms: i64,
    /// How many readings or records its writer says it holds.
    pub count: u64,
    /// The bytes.
    pub body: Bytes,
    /// SHA-256 over the previous hash, `seq`, `at_ms`, `count` (little-endian) and `body`.
    pub hash: [u8; 32],
}

/// What is to become a block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Staged {
    /// The time of the block, milliseconds since 1970.
    pub at_ms: i64,
    /// How many readings or records it holds.
    pub count: u64,
    /// The bytes.
    pub body: Vec<u8>,
    /// Key and value pairs, written in the same transaction; a later value replaces an earlier one.
    pub notes: Vec<(String, Vec<u8>)>,
}

/// Proof that a block is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The number it got.
    pub seq: Seq,
}

/// The hash before the first block.
pub(crate) const GENESIS: [u8; 32] = [0; 32];

/// The hash of a block whose predecessor has the hash `previous`.
pub(crate) fn chain(
    previous: &[u8; 32],
    seq: Seq,
    at_ms: i64,
    count: u64,
    body: &[u8],
) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(previous);
    context.update(&seq.0.to_le_bytes());
    context.update(&at_ms.to_le_bytes());
    context.update(&count.to_le_bytes());
    context.update(body);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
