//! Messages that a device sent a short while ago, by their digest: a sender that got no acknowledgement sends again.
//! Pure.

use ring::digest::{Context, SHA256};
use std::collections::VecDeque;

/// Messages remembered of one device. A broker may hand over many more than it was asked to without an acknowledgement
/// (mosquitto 2.0.11, once the first acknowledgement after a connection came), and all of them again after a kill.
const REMEMBERED: usize = 4_096;

/// The last messages of one device. Each is a small note in the transaction of its record, in one of as many places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    last: VecDeque<[u8; 8]>,
    /// Messages until now.
    count: u64,
}

impl Seen {
    /// From the values of all notes of a device.
    pub fn from_notes(notes: impl IntoIterator<Item = Vec<u8>>) -> Seen {
        let read = |bytes: Vec<u8>| {
            let (number, digest) = bytes.split_first_chunk::<8>()?;
            Some((u64::from_le_bytes(*number), digest.try_into().ok()?))
        };
        let mut found: Vec<(u64, [u8; 8])> = notes.into_iter().filter_map(read).collect();
        found.sort_unstable();
        Seen {
            count: found.last().map_or(0, |(number, _)| number + 1),
            last: found.into_iter().map(|(_, digest)| digest).collect(),
        }
    }

    /// The place and the value of the note of the next message.
    pub fn note(&self, digest: [u8; 8]) -> (u64, Vec<u8>) {
        let bytes = [self.count.to_le_bytes(), digest].concat();
        (self.count % REMEMBERED as u64, bytes)
    }

    /// True if it was seen.
    pub fn has(&self, digest: [u8; 8]) -> bool {
        self.last.contains(&digest)
    }

    /// One more; the oldest is forgotten.
    pub fn add(&mut self, digest: [u8; 8]) {
        if self.last.len() >= REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(digest);
        self.count += 1;
    }

    /// None of them can come again.
    pub fn forget(&mut self) {
        self.last.clear();
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
        let mut notes = std::collections::HashMap::new();
        for n in 0..5_000 {
            assert!(!seen.has(message(n)));
            let (place, bytes) = seen.note(message(n));
            notes.insert(place, bytes);
            seen.add(message(n));
            assert!(seen.has(message(n)));
        }
        assert_eq!(Seen::from_notes(notes.into_values()), seen);
        assert!(seen.has(message(904)) && !seen.has(message(903)));
        assert_ne!(digest(b"x", Some(1)), digest(b"x", Some(2)));
        assert_ne!(digest(b"\0\0\0x", None), digest(b"x", None));
    }
}
