//! How long footage is kept. What belongs to a case that is open or confirmed stays as long as the case; the rest goes when
//! `keep_days` are over, and earlier, the oldest first, when there is no room. What is deleted is in the history, in words.
//! (公共安全视频图像信息系统管理条例 Art. 17, 个人信息保护法 Art. 19: no longer than the purpose needs.)

use super::store::Announced;
use super::{Footage, FootageError};
use crate::{
    case::State,
    store::{RecordsError, remember},
};
use contract::Timestamp;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

/// Footage that is looked at in one go.
const PAGE: usize = 200;
/// Who deletes, in the history.
const GATEWAY: &str = "gateway";

/// Why footage goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Its time is over.
    Old,
    /// There is no room.
    Room,
}

impl Why {
    fn words(self) -> &'static str {
        match self {
            Why::Old => "it belongs to no case that is open or confirmed, and keep_days are over",
            Why::Room => {
                "it belongs to no case that is open or confirmed, and footage.bytes_max was reached"
            }
        }
    }
}

/// Room that is kept for a file that is under way.
pub(super) struct Room {
    footage: Footage,
    bytes: u64,
}

impl Room {
    fn take(footage: &Footage, bytes: u64) -> Room {
        footage.0.kept.fetch_add(bytes, Ordering::AcqRel);
        Room {
            footage: footage.clone(),
            bytes,
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.footage.0.kept.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl Footage {
    /// Deletes what is no longer to be kept; how many files went.
    pub fn expire(&self, now: Timestamp) -> Result<usize, FootageError> {
        let cutoff = now.plus_millis(-self.plan().keep_ms);
        self.delete_before(cutoff, Why::Old, now, |_| false)
    }

    /// Makes room for `need` bytes and keeps it until what it gives is dropped; nothing if there can be none.
    pub(super) fn make_room(
        &self,
        need: u64,
        now: Timestamp,
    ) -> Result<Option<Room>, FootageError> {
        let room = Room::take(self, need);
        let fits = |footage: &Footage| {
            // What has come of what room is kept for counts twice until it is whole: rather too little than too much.
            let kept = footage.0.kept.load(Ordering::Acquire);
            footage.0.files.bytes() + kept <= footage.plan().bytes_max
        };
        if !fits(self) {
            self.delete_before(now, Why::Room, now, fits)?;
        }
        Ok(fits(self).then_some(room))
    }

    /// Deletes files that stand in the folder though they were deleted: the process ended in between.
    pub fn sweep(&self) -> Result<(), FootageError> {
        let failed = |source| self.file_error("look through", "", source);
        for hash in self.0.files.all().map_err(failed)? {
            let is_gone = self.store().gone(&hash)?.is_some();
            if is_gone || self.store().naming(&hash)?.is_empty() {
                let failed = |source| self.file_error("delete", &hash, source);
                self.0.files.remove(&hash).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn delete_before(
        &self,
        cutoff: Timestamp,
        why: Why,
        now: Timestamp,
        is_enough: impl Fn(&Footage) -> bool,
    ) -> Result<usize, FootageError> {
        let (mut after, mut gone) = (None, 0);
        loop {
            let page = self.store().older(cutoff, after.as_ref(), PAGE)?;
            let Some(last) = page.last() else {
                return Ok(gone);
            };
            after = Some((last.received_at, last.id.clone()));
            for footage in page {
                if !self.is_kept(&footage)? {
                    gone += self.delete(&footage, why, now)?;
                    if is_enough(self) {
                        return Ok(gone);
                    }
                }
            }
        }
    }

    /// True if a case needs it, or if it is how its camera looks.
    fn is_kept(&self, footage: &Announced) -> Result<bool, FootageError> {
        let cases = self.cases(footage)?;
        if cases.iter().any(|case| case.state != State::Rejected) {
            return Ok(true);
        }
        let newest = self.overview(&footage.site, &footage.camera)?;
        Ok(newest.as_ref() == Some(&footage.id))
    }

    /// Writes down that the files of footage go, then deletes them; how many there were.
    fn delete(&self, footage: &Announced, why: Why, now: Timestamp) -> Result<usize, FootageError> {
        let mut hashes = BTreeSet::new();
        for part in footage.manifest.iter().flat_map(|m| &m.parts) {
            // The same bytes may belong to something else as well.
            let is_gone = self.store().gone(&part.sha256)?.is_some();
            if !is_gone && self.store().naming(&part.sha256)?.len() == 1 {
                hashes.insert(part.sha256.clone());
            }
        }
        if hashes.is_empty() {
            return Ok(0);
        }
        let hashes: Vec<String> = hashes.into_iter().collect();
        let (here, never): (Vec<&String>, Vec<&String>) =
            hashes.iter().partition(|hash| self.0.files.has(hash));
        let what = serde_json::json!({
            "site": footage.site, "camera": footage.camera, "at": footage.at, "why": why.words(),
            "deleted": here, "never_came": never,
        });
        let written: Result<(), RecordsError> =
            self.0.records.write("write down what is deleted", |tx| {
                remember(tx, now, GATEWAY, "footage deleted", &footage.id, &what)
            });
        written?;
        self.store().delete(&hashes, now)?;
        for hash in &hashes {
            self.comes_no_more(hash);
            let failed = |source| self.file_error("delete", hash, source);
            self.0.files.remove(hash).map_err(failed)?;
        }
        Ok(hashes.len())
    }
}
