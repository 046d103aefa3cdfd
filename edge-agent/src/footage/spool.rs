//! The spool on disk: what is to be cut, what is masked and waits for the gateway, what is sealed.
//!
//! Promise: what is wanted is on disk before work begins; a file is in the spool whole or not at all, under its SHA-256; it
//! goes when the gateway has it, or when the spool is full (the oldest clips first, then the oldest stills), and that is
//! counted. Nothing in it shows a face but what is sealed. Whatever stops the program, the next start goes on from here.
//!
//! On disk: `wants/NAME.json` ([`Want`]), `part/` (being written; emptied at the start), `files/SHA256`,
//! `originals/SHA256`, `entries/NAME.json` ([`Entry`]).

mod disk; // files that say something
mod writing; // a file with its hash

pub use writing::Writing;

use super::config::FootageConfig;
use crate::metrics::Metrics;
use contract::{
    DeviceId, Timestamp,
    footage::{Detections, Occasion, Part, Role, Signed},
    vision::ModelUsed,
};
use disk::{lengths, read_all, remove, write};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What waits to be cut, at most; more is dropped and counted.
pub const WANTS_MAX: usize = 32;

/// Pictures that are wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Want {
    /// Of which camera.
    pub camera: DeviceId,
    /// Folder of its ring.
    pub ring: PathBuf,
    /// The ffmpeg that decodes what it sends.
    pub ffmpeg: PathBuf,
    /// Why.
    pub occasion: Occasion,
    /// The frame that matters.
    pub at: Timestamp,
    /// The first frame.
    pub from: Timestamp,
    /// The last frame.
    pub to: Timestamp,
    /// Models that found it.
    pub models: Vec<ModelUsed>,
    /// What was seen until it was written down.
    pub seen: Detections,
}

/// Pictures that are cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Name of what was wanted; nothing for an overview.
    #[serde(default)]
    pub want: Option<String>,
    /// SHA-256 of the manifest.
    pub id: String,
    /// Of which camera.
    pub camera: DeviceId,
    /// The frame that matters.
    pub at: Timestamp,
    /// When it was cut.
    pub cut_at: Timestamp,
    /// What is said of it.
    pub signed: Signed,
    /// Its files.
    pub parts: Vec<Part>,
    /// Whether the manifest is in the buffer.
    pub is_announced: bool,
}

/// A file that waits for the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its SHA-256.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// What it is.
    pub role: Role,
}

/// How full the spool is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// Pictures that are to be cut.
    pub wants: u64,
    /// Masked files that wait.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Sealed originals.
    pub originals: u64,
    /// Their bytes.
    pub originals_bytes: u64,
}

/// The spool.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    wants: BTreeMap<String, Want>,
    entries: BTreeMap<String, Entry>,
    /// Which files are there, with their lengths.
    files: BTreeMap<String, u64>,
    originals: BTreeMap<String, u64>,
    /// Counted up for names.
    named: u64,
}

const WANTS: &str = "wants";
const PART: &str = "part";
const FILES: &str = "files";
const ORIGINALS: &str = "originals";
const ENTRIES: &str = "entries";

impl Spool {
    /// Opens the folder, makes it if it is not there, and goes on with what is in it.
    pub fn open(dir: &Path, metrics: Arc<Metrics>) -> io::Result<Spool> {
        for name in [WANTS, PART, FILES, ORIGINALS, ENTRIES] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir.join(name))?;
        }
        for entry in fs::read_dir(dir.join(PART))? {
            fs::remove_file(entry?.path())?;
        }
        let mut state = State {
            wants: read_all(&dir.join(WANTS))?,
            entries: read_all(&dir.join(ENTRIES))?,
            files: lengths(&dir.join(FILES))?,
            originals: lengths(&dir.join(ORIGINALS))?,
            named: 0,
        };
        // Files whose entry was not written before the program stopped are cut again.
        let known: HashSet<&str> = state
            .entries
            .values()
            .flat_map(|entry| &entry.parts)
            .map(|part| part.sha256.as_str())
            .collect();
        let strays = |folder: &str, files: &BTreeMap<String, u64>| -> io::Result<Vec<String>> {
            let strays = files
                .keys()
                .filter(|sha256| !known.contains(sha256.as_str()));
            let strays: Vec<String> = strays.cloned().collect();
            for stray in &strays {
                fs::remove_file(dir.join(folder).join(stray))?;
            }
            Ok(strays)
        };
        let gone = strays(FILES, &state.files)?;
        let gone_originals = strays(ORIGINALS, &state.originals)?;
        state.files.retain(|sha256, _| !gone.contains(sha256));
        state
            .originals
            .retain(|sha256, _| !gone_originals.contains(sha256));
        let spool = Spool {
            dir: dir.to_owned(),
            metrics,
            state: Mutex::new(state),
        };
        {
            let mut state = spool.state();
            // An end between an entry and the end of what was wanted: it is cut, and not cut again.
            let cut: Vec<String> = state
                .entries
                .values()
                .filter_map(|e| e.want.clone())
                .collect();
            for name in cut {
                spool.over(&mut state, &name)?;
            }
            // An end between the last file of an entry and the entry itself.
            spool.settle(&mut state)?;
        }
        Ok(spool)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what is wanted; false if too much waits already.
    pub fn want(&self, want: &Want) -> io::Result<bool> {
        let mut state = self.state();
        if state.wants.len() >= WANTS_MAX {
            return Ok(false);
        }
        state.named += 1;
        let name = format!(
            "{:013}-{}-{}",
            want.to.as_millis(),
            std::process::id(),
            state.named
        );
        write(&self.dir.join(WANTS).join(json(&name)), want)?;
        state.wants.insert(name, want.clone());
        Ok(true)
    }

    /// What is wanted, by the time at which it can be cut.
    pub fn wants(&self) -> Vec<(String, Want)> {
        let state = self.state();
        let wants = state.wants.iter();
        wants.map(|(n, want)| (n.clone(), want.clone())).collect()
    }

    /// True if what is wanted already shows this camera for the same reason at this time.
    pub fn covers(&self, camera: &DeviceId, occasion: &Occasion, at: Timestamp) -> bool {
        let state = self.state();
        state.wants.values().any(|want| {
            want.camera == *camera && want.occasion == *occasion && want.from <= at && at <= want.to
        })
    }

    /// It is cut, or given up.
    pub fn done(&self, name: &str) -> io::Result<()> {
        self.over(&mut self.state(), name)
    }

    fn over(&self, state: &mut State, name: &str) -> io::Result<()> {
        state.wants.remove(name);
        remove(&self.dir.join(WANTS).join(json(name)))
    }

    /// A place for a file that is being written.
    pub fn part(&self, name: &str) -> PathBuf {
        self.dir.join(PART).join(name)
    }

    /// Where a file is that waits.
    pub fn path(&self, sha256: &str, role: Role) -> PathBuf {
        self.dir.join(folder_of(role)).join(sha256)
    }

    /// A file of [`Spool::part`] is whole and on disk: it gets its name.
    pub fn keep(&self, part: &Path, sha256: &str, bytes: u64, role: Role) -> io::Result<()> {
        let folder = self.dir.join(folder_of(role));
        fs::rename(part, folder.join(sha256))?;
        fs::File::open(&folder)?.sync_all()?;
        let mut state = self.state();
        match role {
            Role::Original => state.originals.insert(sha256.to_owned(), bytes),
            _ => state.files.insert(sha256.to_owned(), bytes),
        };
        Ok(())
    }

    /// Keeps what is said of files that are kept.
    pub fn enter(&self, entry: Entry) -> io::Result<()> {
        let name = entry_name(&entry);
        write(&self.dir.join(ENTRIES).join(json(&name)), &entry)?;
        self.state().entries.insert(name, entry);
        Ok(())
    }

    /// What is not announced yet, the oldest first.
    pub fn unannounced(&self) -> Vec<Entry> {
        let state = self.state();
        let entries = state.entries.values().filter(|entry| !entry.is_announced);
        entries.cloned().collect()
    }

    /// It is in the buffer.
    pub fn announced(&self, entry: &Entry) -> io::Result<()> {
        let entry = Entry {
            is_announced: true,
            ..entry.clone()
        };
        self.enter(entry)
    }

    /// The masked files whose manifests are announced: stills and detections before clips, the oldest first.
    pub fn waiting(&self) -> Vec<Waiting> {
        let state = self.state();
        let mut waiting = Vec::new();
        let mut seen = HashSet::new();
        for is_clip in [false, true] {
            for entry in state.entries.values().filter(|entry| entry.is_announced) {
                for part in &entry.parts {
                    let is_next = (part.role == Role::Clip) == is_clip
                        && part.role != Role::Original
                        && state.files.contains_key(&part.sha256);
                    if is_next && seen.insert(part.sha256.clone()) {
                        waiting.push(waiting_of(part));
                    }
                }
            }
        }
        waiting
    }

    /// The original with this hash.
    pub fn original(&self, sha256: &str) -> Option<Waiting> {
        let state = self.state();
        state.originals.get(sha256).map(|bytes| Waiting {
            sha256: sha256.to_owned(),
            bytes: *bytes,
            role: Role::Original,
        })
    }

    /// A masked file goes: the gateway has it, or it is no longer what it was.
    pub fn gone(&self, sha256: &str) -> io::Result<()> {
        self.delete(&mut self.state(), sha256)
    }

    /// A sealed original is no longer what it was.
    pub fn original_gone(&self, sha256: &str) -> io::Result<()> {
        self.delete_original(&mut self.state(), sha256)
    }

    fn delete(&self, state: &mut State, sha256: &str) -> io::Result<()> {
        remove(&self.dir.join(FILES).join(sha256))?;
        state.files.remove(sha256);
        self.settle(state)
    }

    fn delete_original(&self, state: &mut State, sha256: &str) -> io::Result<()> {
        remove(&self.dir.join(ORIGINALS).join(sha256))?;
        state.originals.remove(sha256);
        self.settle(state)
    }

    /// Entries without a file are over.
    fn settle(&self, state: &mut State) -> io::Result<()> {
        let has_file = |part: &Part| match part.role {
            Role::Original => state.originals.contains_key(&part.sha256),
            _ => state.files.contains_key(&part.sha256),
        };
        let over = state.entries.iter();
        let over = over.filter(|(_, e)| e.is_announced && !e.parts.iter().any(has_file));
        let over: Vec<String> = over.map(|(name, _)| name.clone()).collect();
        for name in over {
            remove(&self.dir.join(ENTRIES).join(json(&name)))?;
            state.entries.remove(&name);
        }
        Ok(())
    }

    /// Keeps the bounds: of bytes, and of the age of originals.
    pub fn trim(&self, config: &FootageConfig, now: Timestamp) -> io::Result<()> {
        let mut state = self.state();
        for is_clip in [true, false] {
            while state.files.values().sum::<u64>() > config.bytes_max {
                let Some((sha256, camera)) = oldest(&state, is_clip) else {
                    break;
                };
                self.delete(&mut state, &sha256)?;
                let (count, what) = match is_clip {
                    true => (&self.metrics.footage.clips_let_go, "clip"),
                    false => (&self.metrics.footage.stills_let_go, "still"),
                };
                count.add(1);
                tracing::warn!(%camera, sha256, what, bytes_max = config.bytes_max, "the spool is full; what waited longest for the gateway is let go of");
            }
        }
        let keep = i64::try_from(config.keep_originals.as_millis()).unwrap_or(i64::MAX);
        while let Some((sha256, cut_at)) = oldest_original(&state) {
            let is_old = now.since(cut_at) > keep;
            if !is_old && state.originals.values().sum::<u64>() <= config.originals_max {
                break;
            }
            self.delete_original(&mut state, &sha256)?;
            match is_old {
                true => self.metrics.footage.originals_expired.add(1),
                false => {
                    self.metrics.footage.originals_let_go.add(1);
                    tracing::warn!(sha256, %cut_at, originals_max = config.originals_max, "too many bytes of sealed originals; the oldest is let go of");
                }
            }
        }
        Ok(())
    }

    /// How full it is.
    pub fn fill(&self) -> Fill {
        let state = self.state();
        Fill {
            wants: state.wants.len() as u64,
            files: state.files.len() as u64,
            bytes: state.files.values().sum(),
            originals: state.originals.len() as u64,
            originals_bytes: state.originals.values().sum(),
        }
    }
}

fn waiting_of(part: &Part) -> Waiting {
    Waiting {
        sha256: part.sha256.clone(),
        bytes: part.bytes,
        role: part.role,
    }
}

fn folder_of(role: Role) -> &'static str {
    match role {
        Role::Original => ORIGINALS,
        _ => FILES,
    }
}

fn entry_name(entry: &Entry) -> String {
    let short = entry.id.get(..16).unwrap_or(&entry.id);
    format!("{:013}-{short}", entry.cut_at.as_millis())
}

fn json(name: &str) -> String {
    format!("{name}.json")
}

fn oldest(state: &State, is_clip: bool) -> Option<(String, DeviceId)> {
    let entries = state.entries.values();
    let mut parts = entries.flat_map(|e| e.parts.iter().map(move |part| (part, &e.camera)));
    let found = parts.find(|(part, _)| {
        (part.role == Role::Clip) == is_clip
            && part.role != Role::Original
            && state.files.contains_key(&part.sha256)
    });
    found.map(|(part, camera)| (part.sha256.clone(), camera.clone()))
}

fn oldest_original(state: &State) -> Option<(String, Timestamp)> {
    let entries = state.entries.values();
    let mut parts = entries.flat_map(|e| e.parts.iter().map(move |part| (part, e.cut_at)));
    let found = parts.find(|(part, _)| {
        part.role == Role::Original && state.originals.contains_key(&part.sha256)
    });
    found.map(|(part, cut_at)| (part.sha256.clone(), cut_at))
}

#[cfg(test)]
mod tests;
