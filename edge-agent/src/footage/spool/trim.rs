//! What goes before the gateway has it: what the bounds of the spool do not let stay, and what the disk changed. That it went is
//! written down first, so that the gateway is told whatever stops the program.

use super::{ENTRIES, FILES, Gone, LOST, ORIGINALS, Spool, State, disk, json};
use crate::footage::config::FootageConfig;
use contract::{
    Timestamp,
    footage::{LostBy, Part, Role},
};
use std::io;

impl Spool {
    /// Keeps the bounds: of bytes, and of the age of originals.
    pub fn trim(&self, config: &FootageConfig, now: Timestamp) -> io::Result<()> {
        let counts = &self.metrics.footage;
        let mut state = self.state();
        while state.files.values().sum::<u64>() > config.bytes_max {
            let Some((part, _)) = first_to_go(&state) else {
                break;
            };
            self.lose_one(&mut state, &part, LostBy::Full, now)?;
            let (count, what) = match part.role {
                Role::Clip => (&counts.clips_let_go, "clip"),
                _ => (&counts.stills_let_go, "still"),
            };
            count.add(1);
            tracing::warn!(
                sha256 = part.sha256,
                what,
                bytes_max = config.bytes_max,
                "the spool is full; what waited longest for the gateway is let go of"
            );
        }
        let keep = i64::try_from(config.keep_originals.as_millis()).unwrap_or(i64::MAX);
        while let Some((part, cut_at)) = oldest(&state, |part| part.role == Role::Original) {
            let is_old = now.since(cut_at) > keep;
            if !is_old && state.originals.values().sum::<u64>() <= config.originals_max {
                break;
            }
            let by = if is_old {
                LostBy::Expired
            } else {
                LostBy::Full
            };
            self.lose_one(&mut state, &part, by, now)?;
            match is_old {
                true => counts.originals_expired.add(1),
                false => {
                    counts.originals_let_go.add(1);
                    tracing::warn!(sha256 = part.sha256, %cut_at, originals_max = config.originals_max, "too many bytes of sealed originals; the oldest is let go of");
                }
            }
        }
        Ok(())
    }

    /// A file that is no longer what it was goes, and the gateway is to be told; false if it is not here any more.
    pub fn damaged(&self, sha256: &str, now: Timestamp) -> io::Result<bool> {
        let mut state = self.state();
        match oldest(&state, |part| part.sha256 == sha256) {
            None => Ok(false),
            Some((part, _)) => self
                .lose_one(&mut state, &part, LostBy::Damaged, now)
                .map(|()| true),
        }
    }

    fn lose_one(
        &self,
        state: &mut State,
        part: &Part,
        by: LostBy,
        now: Timestamp,
    ) -> io::Result<()> {
        let mut entries = state.entries.values();
        let entry = entries.find(|entry| entry.parts.contains(part));
        if let Some(camera) = entry.map(|entry| entry.camera.clone()) {
            let gone = Gone {
                camera,
                sha256: part.sha256.clone(),
                role: part.role,
                at: now,
                by,
            };
            state.named += 1;
            let (ms, short) = (now.as_millis(), &part.sha256[..16]);
            let name = format!("{ms:013}-{:06}-{short}", state.named);
            disk::write(&self.dir.join(LOST).join(json(&name)), &gone)?;
            state.lost.insert(name, gone);
        }
        self.delete(state, part.role, &part.sha256)
    }

    /// What went and was not told of yet, the first first.
    pub fn untold(&self) -> Vec<(String, Gone)> {
        let state = self.state();
        let lost = state.lost.iter();
        lost.map(|(name, gone)| (name.clone(), gone.clone()))
            .collect()
    }

    /// That it went is in the buffer.
    pub fn told(&self, name: &str) -> io::Result<()> {
        disk::remove(&self.dir.join(LOST).join(json(name)))?;
        self.state().lost.remove(name);
        Ok(())
    }

    pub(super) fn delete(&self, state: &mut State, role: Role, sha256: &str) -> io::Result<()> {
        let folder = match role {
            Role::Original => ORIGINALS,
            _ => FILES,
        };
        disk::remove(&self.dir.join(folder).join(sha256))?;
        match role {
            Role::Original => state.originals.remove(sha256),
            _ => state.files.remove(sha256),
        };
        state.refused.remove(sha256);
        self.settle(state)
    }

    /// Entries without a file are over.
    pub(super) fn settle(&self, state: &mut State) -> io::Result<()> {
        let entries = state.entries.iter();
        let over = entries.filter(|(_, e)| e.is_announced && !e.parts.iter().any(|p| state.has(p)));
        let over: Vec<String> = over.map(|(name, _)| name.clone()).collect();
        for name in over {
            disk::remove(&self.dir.join(ENTRIES).join(json(&name)))?;
            state.entries.remove(&name);
        }
        Ok(())
    }
}

/// Of the masked files what the gateway does not take goes first, then the oldest clip, then the oldest still.
fn first_to_go(state: &State) -> Option<(Part, Timestamp)> {
    let is_masked = |part: &Part| part.role != Role::Original;
    oldest(state, |part| {
        state.refused.contains_key(&part.sha256) && is_masked(part)
    })
    .or_else(|| oldest(state, |part| part.role == Role::Clip))
    .or_else(|| oldest(state, is_masked))
}

/// The first file of its kind that is here, and when it was cut.
pub(super) fn oldest(state: &State, is_it: impl Fn(&Part) -> bool) -> Option<(Part, Timestamp)> {
    let entries = state.entries.values();
    let mut parts = entries.flat_map(|e| e.parts.iter().map(move |part| (part, e.cut_at)));
    let found = parts.find(|(part, _)| is_it(part) && state.has(part));
    found.map(|(part, cut_at)| (part.clone(), cut_at))
}
