//! The configuration that the gateway keeps for an agent: what is wanted, and what became of it.
//!
//! It replaces the sources of the box's own file and may name another address of the gateway; who the box is, its secrets,
//! its buffer and its page stay in its own file. It goes to the agent as JSON in the NCMD metric
//! [`crate::receipt::CONFIGURATION`]; the agent says what became of it in its status.

use crate::Timestamp;
use crate::hex::hex;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of text and files together, at most: it must fit into one message.
pub const BYTES_MAX: usize = 256 << 10;
/// Tables and keys that only the box's own file may hold. What may be ordered from devices is among them: whoever keeps the
/// gateway gives the orders, and must not be the one who allows them.
pub const OWN: [&str; 7] = [
    "agent",
    "buffer",
    "enrolment",
    "reverse_control",
    "site",
    "status",
    "vision",
];
/// Keys of `[gateway]` that only the box's own file may hold: they name its secrets.
pub const OWN_OF_GATEWAY: [&str; 5] = [
    "password_file",
    "ca_file",
    "certificate_file",
    "key_file",
    "server_name",
];
/// Keys of `[footage]` that only the box's own file may hold: where pictures lie, what finds the faces in them, and who may
/// open an original. Whoever keeps the gateway must not be able to see more of a person by saying it there.
pub const OWN_OF_FOOTAGE: [&str; 3] = ["custodians", "detectors", "spool"];
/// Reasons of an outcome that are sent at most, and their length.
pub const REASONS_MAX: usize = 20;
/// Characters of a reason at most.
pub const REASON_MAX: usize = 500;

/// What an agent is to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Counts up, from 1.
    pub version: u64,
    /// TOML: the sources, and what of `[gateway]` is to change. Blank: the box's own file holds.
    pub text: String,
    /// Device profiles and message mappings that the text names, by name.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

impl Desired {
    /// SHA-256 of everything in it, the version too, hexadecimal: the same words under a new version are tried again.
    pub fn digest(&self) -> String {
        let mut context = Context::new(&SHA256);
        context.update(&self.version.to_be_bytes());
        let names = self.files.iter().flat_map(|(name, text)| [name, text]);
        for part in std::iter::once(&self.text).chain(names) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        hex(context.finish().as_ref())
    }

    /// Bytes of text and files together.
    pub fn bytes(&self) -> usize {
        let files = self.files.iter();
        self.text.len() + files.map(|(n, t)| n.len() + t.len()).sum::<usize>()
    }

    /// True if the box's own file holds.
    pub fn is_own(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// What an agent says of its configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The version that it runs; 0: its own file.
    pub runs: u64,
    /// What became of the newest one it heard of.
    #[serde(default)]
    pub newest: Option<Outcome>,
}

/// What became of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which.
    pub version: u64,
    /// [`Desired::digest`] of it.
    pub digest: String,
    /// What.
    pub state: State,
    /// Since when, by the agent's clock.
    pub at: Timestamp,
    /// Why, if it does not run.
    #[serde(default)]
    pub reasons: Vec<String>,
}

/// What became of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It runs; the gateway was not heard with it yet.
    Trial,
    /// It runs, and the gateway was heard with it.
    Applied,
    /// It cannot be run; what ran before goes on.
    Refused,
    /// It was tried and given up; what ran before runs again.
    RolledBack,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_text_or_file_is_another_digest_and_so_is_a_moved_border() {
        let desired = |version, text: &str, files: &[(&str, &str)]| {
            let files = files.iter().map(|(n, t)| (n.to_string(), t.to_string()));
            Desired {
                version,
                text: text.into(),
                files: files.collect(),
            }
            .digest()
        };
        let all = [
            desired(1, "a", &[("b", "c")]),
            desired(2, "a", &[("b", "c")]),
            desired(1, "ab", &[("", "c")]),
            desired(1, "a", &[("bc", "")]),
            desired(1, "a", &[]),
        ];
        for (n, digest) in all.iter().enumerate() {
            assert_eq!(digest.len(), 64);
            assert!(!all[..n].contains(digest), "{n}");
        }
        assert_eq!(all[0], desired(1, "a", &[("b", "c")]));
    }

    #[test]
    fn blank_means_the_own_file_and_the_size_counts_everything() {
        let desired = Desired {
            version: 1,
            text: " \n".into(),
            files: [("ab".to_owned(), "cde".to_owned())].into(),
        };
        assert!(desired.is_own());
        assert_eq!(desired.bytes(), 7);
    }
}
