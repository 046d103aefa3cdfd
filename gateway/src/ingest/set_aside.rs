//! Messages of which something was not taken, kept whole on disk so that a person can still get at what was sent.
//!
//! One JSON object a line: when, topic, the faults in words, and the payload in hexadecimal. Two files of bounded
//! size: the present one and the one before it. Written before the sender hears an acknowledgement; it survives the
//! end of the process, not a power cut.

use super::refused::Reason;
use contract::Timestamp;
use serde_json::json;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The name of the present file in the data folder.
pub const FILE: &str = "set-aside.jsonl";
/// The name of the one before it.
pub const FILE_BEFORE: &str = "set-aside.before.jsonl";
/// A file that grew beyond this becomes the one before.
const BYTES_MAX: u64 = 64 << 20;

/// The open file.
#[derive(Debug)]
pub struct SetAside {
    folder: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl SetAside {
    /// Opens or creates the file in `folder`.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Self::bounded(folder, BYTES_MAX)
    }

    fn bounded(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(folder.join(FILE))?;
        Ok(Self {
            folder: folder.to_owned(),
            bytes: file.metadata()?.len(),
            file,
            bytes_max,
        })
    }

    /// Keeps a message.
    pub fn keep(
        &mut self,
        at: Timestamp,
        topic: &str,
        faults: &[(Reason, String)],
        payload: &[u8],
    ) -> io::Result<()> {
        let mut hex = String::with_capacity(2 * payload.len());
        for byte in payload {
            write!(hex, "{byte:02x}").expect("a string takes everything");
        }
        let faults: Vec<_> = faults
            .iter()
            .map(|(reason, what)| json!({ "reason": reason, "what": what }))
            .collect();
        let line =
            json!({ "at": at.to_string(), "topic": topic, "faults": faults, "payload": hex });
        let line = format!("{line}\n");
        if self.bytes > 0 && self.bytes + line.len() as u64 > self.bytes_max {
            std::fs::rename(self.folder.join(FILE), self.folder.join(FILE_BEFORE))?;
            *self = Self::bounded(&self.folder, self.bytes_max)?;
        }
        self.file.write_all(line.as_bytes())?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_kept_whole_in_two_bounded_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = Timestamp::from_millis(1_795_521_600_000);
        let mut kept = SetAside::bounded(folder.path(), 600).unwrap();
        for i in 0..10u8 {
            let faults = [(Reason::TimeAncient, "the time is 1970".to_owned())];
            kept.keep(at, "gw/s/d/data", &faults, &[i, 0xff]).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let (now, before) = (read(FILE), read(FILE_BEFORE));
        assert!(now.len() <= 600 && before.len() <= 600);
        let last: serde_json::Value = serde_json::from_str(now.lines().last().unwrap()).unwrap();
        assert_eq!(last["payload"], "09ff");
        assert_eq!(last["topic"], "gw/s/d/data");
        assert_eq!(last["faults"][0]["reason"], "time_ancient");
        // A restart goes on in the same file.
        drop(kept);
        let mut again = SetAside::bounded(folder.path(), 6000).unwrap();
        again.keep(at, "t", &[], &[]).unwrap();
        assert!(read(FILE).starts_with(&now));
    }
}
