//! The spool on disk: what is to be cut, what is masked and waits for the gateway, what is sealed.
//!
//! Promise: what is wanted is on disk before work begins; a file is in the spool whole or not at all, under its SHA-256; it
//! goes when the gateway has it, or when the spool is full (what the gateway does not take first, then the oldest clips, then
//! the oldest stills), and that is counted and told to the gateway. Nothing in it shows a face but what is sealed. Whatever stops the program, the next start goes on from here.
//!
//! On disk: `wants/NAME.json` ([`Want`]), `part/` (being written; emptied at the start), `files/SHA256`,
//! `originals/SHA256`, `entries/NAME.json` ([`Entry`]), `lost/NAME.json` ([`Gone`], until the gateway is told).

mod disk; // files that say something
mod trim; // what goes before the gateway has it
mod writing; // a file with its hash

pub use writing::Writing;

use crate::metrics::Metrics;
use contract::{
    DeviceId, Timestamp,
    footage::{Detections, LostBy, NotTaken, Occasion, Part, Role, Signed},
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

/// A file that went before the gateway had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Of which camera.
    pub camera: DeviceId,
    /// Its SHA-256.
    pub sha256: String,
    /// What it was.
    pub role: Role,
    /// When it went.
    pub at: Timestamp,
    /// Why.
    pub by: LostBy,
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
    /// Masked files that wait, those that the gateway does not take included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these files those that the gateway does not take.
    pub refused: u64,
    /// When the oldest of these files was cut.
    pub oldest: Option<Timestamp>,
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
    /// What the gateway does not take, since the start.
    refused: BTreeMap<String, NotTaken>,
    /// What went and is not told of yet.
    lost: BTreeMap<String, Gone>,
    /// Counted up for names.
    named: u64,
}

impl State {
    /// Whether a file is here.
    fn has(&self, part: &Part) -> bool {
        match part.role {
            Role::Original => self.originals.contains_key(&part.sha256),
            _ => self.files.contains_key(&part.sha256),
        }
    }
}

const WANTS: &str = "wants";
const PART: &str = "part";
const FILES: &str = "files";
const ORIGINALS: &str = "originals";
const ENTRIES: &str = "entries";
const LOST: &str = "lost";

impl Spool {
    /// Opens the folder, makes it if it is not there, and goes on with what is in it.
    pub fn open(dir: &Path, metrics: Arc<Metrics>) -> io::Result<Spool> {
        for name in [WANTS, PART, FILES, ORIGINALS, ENTRIES, LOST] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir.join(name))?;
        }
        for entry in fs::read_dir(dir.join(PART))? {
            fs::remove_file(entry?.path())?;
        }
        let lost: BTreeMap<String, Gone> = read_all(&dir.join(LOST))?;
        for gone in lost.values() {
            // An end between the two: it was to go.
            remove(&dir.join(folder_of(gone.role)).join(&gone.sha256))?;
        }
        let mut state = State {
            wants: read_all(&dir.join(WANTS))?,
            entries: read_all(&dir.join(ENTRIES))?,
            files: lengths(&dir.join(FILES))?,
            originals: lengths(&dir.join(ORIGINALS))?,
            refused: BTreeMap::new(),
            lost,
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
                        && state.has(part)
                        && !state.refused.contains_key(&part.sha256);
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

    /// A masked file goes: the gateway has it.
    pub fn gone(&self, sha256: &str) -> io::Result<()> {
        self.delete(&mut self.state(), Role::Still, sha256)
    }

    /// The gateway does not take a masked file: it is not sent again before the next start, and goes first when there is no
    /// room. False if that was known.
    pub fn refuse(&self, sha256: &str, why: NotTaken) -> bool {
        let mut state = self.state();
        state.refused.insert(sha256.to_owned(), why).is_none()
    }

    /// Why the gateway does not take files that are here: one of the reasons.
    pub fn refusal(&self) -> Option<NotTaken> {
        self.state().refused.values().next().copied()
    }

    /// How full it is.
    pub fn fill(&self) -> Fill {
        let state = self.state();
        Fill {
            wants: state.wants.len() as u64,
            files: state.files.len() as u64,
            refused: state.refused.len() as u64,
            oldest: trim::oldest(&state, |part| part.role != Role::Original).map(|(_, at)| at),
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

#[cfg(test)]
mod tests;
