//! The manifest of a sealed bundle: what is in it, by digest.
//!
//! A bundle is a ZIP file with `manifest.json`, `signature.json` and the parts the manifest lists. The signature
//! is Ed25519 over the bytes of `manifest.json`, so a bundle can be checked by anyone, offline, with the public
//! key alone.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// What a bundle contains and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// The case that was decided.
    pub case: String,
    /// The business's code.
    pub uscc: String,
    /// The site.
    pub site: String,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// SHA-256 of the manifest of the bundle sealed before this one; empty for the first.
    pub previous: String,
    /// The parts.
    pub parts: Vec<Part>,
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name in the ZIP file.
    pub name: String,
    /// Bytes.
    pub length: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// Who sealed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// `ed25519`.
    pub algorithm: String,
    /// Public key, hexadecimal.
    pub public_key: String,
    /// Signature over `manifest.json`, hexadecimal.
    pub signature: String,
}
