//! Messages that a device sent a short while ago, by their digest: a sender that got no acknowledgement sends again.
//! Pure.

use crate::source::broker::UNDER_WAY;
use ring::digest::{Context, SHA256};
use std::collections::VecDeque;

/// Messages remembered of one device: more than a broker has under way without an acknowledgement.
const REMEMBERED: usize = 2 * UNDER_WAY as usize;

/// The last messages of one device. It is kept as a note in the transaction of the last of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen(VecDeque<[u8; 8]>);

impl Seen {
    /// From the bytes of a note.
    pub fn from_bytes(bytes: &[u8]) -> Seen {
        let (digests, _) = bytes.as_chunks::<8>();
        let from = digests.len().saturating_sub(REMEMBERED);
        Seen(digests[from..].iter().copied().collect())
    }

    /// As the bytes of a note.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flatten().copied().collect()
    }

    /// True if it was seen.
    pub fn has(&self, digest: [u8; 8]) -> bool {
        self.0.contains(&digest)
    }

    /// With one more; the oldest is forgotten.
    #[must_use]
    pub fn with(&self, digest: [u8; 8]) -> Seen {
        let mut next = self.clone();
        if next.0.len() >= REMEMBERED {
            next.0.pop_front();
        }
        next.0.push_back(digest);
        next
    }
}

/// What a message is known by: what it says and, where that does not tell two messages apart, the number under which it
/// was sent.
pub fn digest(body: &[u8], number: Option<u16>) -> [u8; 8] {
    let mut context = Context::new(&SHA256);
    context.update(&number.map_or([0, 0, 0], |n| {
        let [high, low] = n.to_be_bytes();
        [1, high, low]
    }));
    context.update(body);
    let digest = context.finish();
    *digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_messages_are_known_again_also_from_disk_and_older_ones_are_not() {
        let message = |n: u32| digest(&n.to_be_bytes(), None);
        let mut seen = Seen::default();
        for n in 0..100 {
            assert!(!seen.has(message(n)));
            seen = seen.with(message(n));
            assert!(seen.has(message(n)));
        }
        assert_eq!(Seen::from_bytes(&seen.to_bytes()), seen);
        assert!(seen.has(message(36)) && !seen.has(message(35)));
        assert_ne!(digest(b"x", Some(1)), digest(b"x", Some(2)));
        assert_ne!(digest(b"\0\0\0x", None), digest(b"x", None));
    }
}
