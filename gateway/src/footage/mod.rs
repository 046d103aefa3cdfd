//! Footage 影像: the masked pictures that agents keep of what their cameras saw, as far as they have come.
//!
//! Promise: a file is taken only if its agent announced it in a manifest that it signed (`check`), of a camera of which people
//! were told (purpose, sign, place, publication), and only as a whole with the hash that was announced. Whoever looks at a
//! part is in the history of the records before a byte is shown. The encrypted original is asked for only after two
//! persons have approved it, and the gateway has no key that opens it.
//! Not promised: that masking missed nobody, or that a picture shows what the manifest says; that is what people are for.
//!
//! On disk: `footage.db` (what was announced) and `footage/` (files by SHA-256) in the data folder. What people did (looked,
//! asked, approved) and what was deleted is in `records.db`.
//!
//! Read in this order: `check` (is a manifest its agent's), `store` (SQL), `files` (the folder), `task` (follows the journal),
//! `place` (where a file is), `unmask` (who may have an original), `keep` (what is deleted), `tend` (what is done from time to time), `door` (HTTPS for
//! agents), `listen` (its TLS).

pub mod check;
mod door;
pub mod files;
mod keep;
pub mod listen;
mod place;
pub mod store;
mod task;
pub mod tend;
pub mod unmask;

pub use place::{FootageState, FootageSums, Place};
pub use store::{Announced, FootageError, Which};
pub use task::{Running, Setup, start};
pub use unmask::Unmasking;

use crate::{
    broker::TlsFiles,
    case::{
        self, Case,
        precision::{self, Key, Terms},
    },
    detect::{SEES, Signal, Signals, rule::Text},
    registry::Registry,
    store::{Records, remember},
};
use contract::{
    AgentId, DeviceId, PointName, SiteId, Timestamp,
    footage::{NotTaken, Part, Role},
    problems::Problems,
    vision::ModelUsed,
};
use door::Asked;
use files::{Files, Finished};
use rusqlite::params;
use std::collections::HashSet;
use std::io::Seek;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::Store;

/// Footage belongs to a signal of its camera and point that was under way within this time of it.
const BESIDE_MS: i64 = 60_000;
/// What the history calls looking at a part.
const VIEWED: &str = "footage viewed";

/// The `[footage]` part of the configuration.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where agents send files, by HTTPS with their certificates; no files are taken if left out.
    pub listen: Option<SocketAddr>,
    /// Bytes of files at most. Footage of no case goes first; if there is none, nothing more is taken.
    pub bytes_max: u64,
    /// Days for which footage is kept that belongs to no case, or to one that was set aside. What belongs to a case that is
    /// open or confirmed is kept as long as the case (公共安全视频图像信息系统管理条例 Art. 17).
    pub keep_days: u32,
    /// Cases of a rule on what cameras see that must be decided at a site before it may fall back to shadow there.
    pub decided_min: usize,
    /// A rule of which a smaller share was confirmed falls back to shadow.
    pub precision_min: f64,
    /// Bytes of a clip that still goes into a sealed bundle.
    pub bundle_clip_bytes_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: None,
            bytes_max: 50_000_000_000,
            keep_days: 30,
            decided_min: 10,
            precision_min: 0.8,
            bundle_clip_bytes_max: 32 << 20,
        }
    }
}

/// The configuration, checked.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the door for agents listens.
    pub listen: Option<SocketAddr>,
    /// Certificate, key and authority: those of MQTT with TLS.
    pub tls: Option<TlsFiles>,
    /// How long after it ran out a certificate that is known still counts.
    pub expired_max: Duration,
    /// Bytes of files at most.
    pub bytes_max: u64,
    /// How long footage of no case is kept.
    pub keep_ms: i64,
    /// When a rule falls back to shadow.
    pub terms: Terms,
    /// Bytes of a clip that still goes into a sealed bundle.
    pub bundle_clip_bytes_max: u64,
}

impl Config {
    /// Checks everything. `tls` is what MQTT with TLS shows and trusts.
    pub fn resolve(
        self,
        tls: Option<TlsFiles>,
        expired_days_max: u32,
        problems: &mut Problems,
    ) -> Plan {
        if self.bytes_max < 100_000_000 {
            problems.add(
                "footage.bytes_max",
                format!("{} bytes are less than a few clips take", self.bytes_max),
                "leave it out for 50000000000, or give at least 100000000",
            );
        }
        if !(1..=3650).contains(&self.keep_days) {
            problems.add(
                "footage.keep_days",
                format!("{} is not between 1 and 3650", self.keep_days),
                "leave it out for 30",
            );
        }
        if self.decided_min == 0 || !(0.0..=1.0).contains(&self.precision_min) {
            problems.add(
                "footage.precision_min",
                "decided_min is not at least 1, or precision_min not between 0 and 1",
                "leave both out for 10 cases and 0.8",
            );
        }
        if self.bundle_clip_bytes_max > 256 << 20 {
            problems.add(
                "footage.bundle_clip_bytes_max",
                "a bundle is made in memory; more than 256 MiB of one clip do not belong into it",
                "leave it out for 33554432",
            );
        }
        Plan {
            listen: self.listen,
            tls,
            expired_max: Duration::from_secs(u64::from(expired_days_max) * 86_400),
            bytes_max: self.bytes_max,
            keep_ms: i64::from(self.keep_days) * 86_400_000,
            terms: Terms {
                decided_min: self.decided_min,
                precision_min: self.precision_min,
            },
            bundle_clip_bytes_max: self.bundle_clip_bytes_max,
        }
    }
}

/// The footage of a running gateway. Clones share it. Its functions block for as long as the disk takes.
#[derive(Clone)]
pub struct Footage(Arc<Inner>);

struct Inner {
    store: Mutex<Store>,
    files: Files,
    folder: std::path::PathBuf,
    records: Records,
    registry: Arc<Registry>,
    signals: Signals,
    plan: Plan,
    /// Bytes for which room is kept.
    kept: AtomicU64,
    /// Hashes of masked files that agents will send.
    coming: Mutex<HashSet<String>>,
}

/// Somebody who looked at footage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Who.
    pub who: String,
    /// When first.
    pub first_at: Timestamp,
    /// When last.
    pub last_at: Timestamp,
    /// How many parts were fetched, the same one twice counted twice.
    pub times: u64,
}

/// Footage with all that is known of it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// What was announced.
    pub announced: Announced,
    /// Where each of its files is, in the order of the manifest.
    pub places: Vec<Place>,
    /// Why none of its files is taken.
    pub not_taken: Option<Text>,
    /// Who looked at it, the latest first.
    pub viewers: Vec<Viewer>,
    /// How it stands with its original, if somebody asked for it.
    pub unmasking: Option<Unmasking>,
    /// Cases that it belongs to.
    pub cases: Vec<String>,
}

impl Footage {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file_error(&self, doing: &'static str, hash: &str, source: std::io::Error) -> FootageError {
        FootageError::File {
            doing,
            path: self.0.folder.join(hash),
            source,
        }
    }

    /// What is configured.
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// The newest first.
    pub fn list(&self, which: &Which) -> Result<Vec<Announced>, FootageError> {
        self.store().list(which)
    }

    /// One.
    pub fn one(&self, id: &str) -> Result<Option<Announced>, FootageError> {
        self.store().one(id)
    }

    /// The newest overview of a camera.
    pub fn overview(
        &self,
        site: &SiteId,
        camera: &DeviceId,
    ) -> Result<Option<String>, FootageError> {
        self.store().overview(site, camera)
    }

    /// The models of the newest sighting of a point of a camera.
    pub fn models(
        &self,
        site: &SiteId,
        camera: &DeviceId,
        point: &PointName,
    ) -> Result<Vec<ModelUsed>, FootageError> {
        self.store().models(site, camera, point)
    }

    /// The models behind a signal of what a camera saw, as far as its sightings have come; none if they cannot be read.
    pub fn models_behind(&self, signal: &Signal) -> Vec<ModelUsed> {
        let models = self.models(&signal.site, &signal.device, &signal.point);
        models.unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                error,
                signal = signal.id,
                "the models behind a signal cannot be read"
            );
            Vec::new()
        })
    }

    /// Whether the rule of a new signal works in shadow; false if that cannot be read: then it is told.
    pub fn is_in_shadow(&self, signal: &Signal) -> bool {
        let Some(key) = Key::of(signal, self.models_behind(signal)) else {
            return false;
        };
        let is_shadow = precision::works_in_shadow(&self.0.records, &key, &self.0.plan.terms);
        is_shadow.unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                error,
                signal = signal.id,
                "it cannot be read whether a rule works in shadow"
            );
            false
        })
    }

    /// The footage of these signals, the oldest first.
    pub fn of_signals(&self, signals: &[Signal]) -> Result<Vec<Announced>, FootageError> {
        let mut found: Vec<Announced> = Vec::new();
        for signal in signals.iter().filter(|signal| is_seen(signal)) {
            let end = signal
                .closed_at
                .map_or(Timestamp::from_millis(i64::MAX / 2), |_| signal.last_at);
            let which = Which {
                site: Some(signal.site.clone()),
                camera: Some(signal.device.clone()),
                between: Some((
                    signal.opened_at.plus_millis(-BESIDE_MS),
                    end.plus_millis(BESIDE_MS),
                )),
                limit: 1_000,
            };
            let of_camera = self.list(&which)?.into_iter();
            let of_signal = of_camera.filter(|footage| belongs(footage, signal));
            let new = of_signal.filter(|footage| !found.iter().any(|known| known.id == footage.id));
            let new: Vec<Announced> = new.collect();
            found.extend(new);
        }
        found.sort_by_key(|footage| footage.at);
        Ok(found)
    }

    /// Cases whose signals footage belongs to.
    pub fn cases(&self, footage: &Announced) -> Result<Vec<Case>, FootageError> {
        if footage.point().is_none() {
            return Ok(Vec::new());
        }
        let (from, to) = (
            footage.at.plus_millis(-BESIDE_MS),
            footage.at.plus_millis(BESIDE_MS),
        );
        let signals = self.0.signals.around(&footage.site, from, to)?;
        let mut cases: Vec<Case> = Vec::new();
        for signal in signals.iter().filter(|signal| belongs(footage, signal)) {
            let case = case::store::of_signal(&self.0.records, &signal.id)?;
            cases.extend(case.filter(|case| !cases.iter().any(|known| known.id == case.id)));
        }
        Ok(cases)
    }

    /// Why none of the files of this footage is taken.
    pub fn not_taken(&self, footage: &Announced) -> Option<Text> {
        self.why_not(footage).map(|(_, words)| words)
    }

    /// The same, with the word for the agent.
    fn why_not(&self, footage: &Announced) -> Option<(NotTaken, Text)> {
        if let Some(refusal) = &footage.refusal {
            return Some((NotTaken::Manifest, refusal.words()));
        }
        let camera = self.0.registry.device(&footage.site, &footage.camera);
        let Some(camera) = camera.filter(|device| device.is_camera()) else {
            let words = Text::new(
                format!("摄像机 {} 没有登记", footage.camera),
                format!("camera {} is not in the registry", footage.camera),
            );
            return Some((NotTaken::UnknownCamera, words));
        };
        // Pictures of before people were told are not taken later either.
        let missing = camera.not_told(footage.at);
        let join = |text: fn(&Text) -> &str, between: &str| {
            let words: Vec<&str> = missing.iter().map(text).collect();
            words.join(between)
        };
        let words = || Text::new(join(|t| &t.zh, "；"), join(|t| &t.en, "; "));
        (!missing.is_empty()).then(|| (NotTaken::NotTold, words()))
    }

    /// All that is known of footage.
    pub fn shown(&self, announced: Announced) -> Result<Shown, FootageError> {
        let not_taken = self.not_taken(&announced);
        let unmasking = unmask::one(&self.0.records, &announced.id)?;
        let parts = announced.manifest.iter().flat_map(|m| &m.parts);
        let places = parts
            .map(|part| self.place(&announced, part, not_taken.is_none(), unmasking.as_ref()))
            .collect::<Result<_, _>>()?;
        Ok(Shown {
            viewers: self.viewers(&announced.id)?,
            cases: self.cases(&announced)?.into_iter().map(|c| c.id).collect(),
            announced,
            places,
            not_taken,
            unmasking,
        })
    }

    fn viewers(&self, id: &str) -> Result<Vec<Viewer>, FootageError> {
        let viewers = self.0.records.write("read who looked at footage", |tx| {
            let mut query = tx.prepare_cached(
                "SELECT actor, MIN(at), MAX(at), COUNT(*) FROM history WHERE id = ?1 AND what = ?2
                 GROUP BY actor ORDER BY MAX(at) DESC, actor",
            )?;
            let viewers = query.query_map(params![id, VIEWED], |row| {
                Ok(Viewer {
                    who: row.get(0)?,
                    first_at: Timestamp::from_millis(row.get(1)?),
                    last_at: Timestamp::from_millis(row.get(2)?),
                    times: row.get::<_, i64>(3)? as u64,
                })
            })?;
            viewers.collect()
        });
        viewers.map_err(FootageError::from)
    }

    /// A file that is whole and as it came; nothing if it is not here.
    pub fn read(&self, hash: &str) -> Result<Option<std::fs::File>, FootageError> {
        let failed = |source| self.file_error("read", hash, source);
        let Some(mut file) = self.0.files.read(hash).map_err(failed)? else {
            return Ok(None);
        };
        if files::digest(&mut file).map_err(failed)? != hash {
            let path = self.0.folder.join(hash);
            return Err(FootageError::Altered { path });
        }
        file.rewind().map_err(failed)?;
        Ok(Some(file))
    }

    /// What an agent may know of a file.
    fn asked(&self, site: &SiteId, agent: &AgentId, hash: &str) -> Result<Asked, FootageError> {
        let announced = self.store().announced(site, agent, hash)?;
        if announced.is_empty() {
            let is_refused = self.store().is_refused(site, agent, hash)?;
            return Ok(match is_refused {
                false => Asked::NotAnnounced,
                true => Asked::Refused(
                    NotTaken::Manifest,
                    Text::new(
                        "这个文件的清单不被认可",
                        "the manifest of this file does not count; the gateway's log says why",
                    ),
                ),
            });
        }
        if self.0.files.has(hash) {
            return Ok(Asked::Here);
        }
        if self.store().gone(hash)?.is_some() {
            return Ok(Asked::Deleted);
        }
        let mut refused = None;
        for (file, footage) in announced {
            let at_site = file.role == Role::Original && {
                let wish = unmask::one(&self.0.records, &footage.id)?;
                !wish.is_some_and(|wish| wish.is_approved())
            };
            let why = match at_site {
                true => Some((
                    NotTaken::NotApproved,
                    Text::new(
                        "原始影像须经两名复核员同意后才调取，在此之前留在现场",
                        "an original stays at the site until two reviewers have approved that it is fetched",
                    ),
                )),
                false => self.why_not(&footage),
            };
            match why {
                None => {
                    let (has, of) = (self.0.files.offset(hash), file.bytes);
                    return Ok(Asked::Part { has, of });
                }
                Some(why) => refused = Some(why),
            }
        }
        Ok(match refused {
            Some((why, words)) => Asked::Refused(why, words),
            None => Asked::NotAnnounced,
        })
    }

    /// Adds to what has come of a file; one caller at a time for each.
    fn append(&self, hash: &str, bytes: &[u8]) -> Result<(), FootageError> {
        let written = self.0.files.append(hash, bytes);
        written.map_err(|source| self.file_error("write", hash, source))
    }

    /// Makes what has come of a file outlive a power cut.
    fn sync(&self, hash: &str) -> Result<(), FootageError> {
        let synced = self.0.files.sync(hash);
        synced.map_err(|source| self.file_error("write", hash, source))
    }

    /// Looks at a file of which everything has come.
    fn finish(&self, hash: &str) -> Result<Finished, FootageError> {
        let finished = self.0.files.finish(hash);
        if let Ok(Finished::Here) = finished {
            self.comes_no_more(hash);
        }
        finished.map_err(|source| self.file_error("put in its place", hash, source))
    }

    /// A file for somebody to look at; that they do is in the history before it is given. Nothing if the file is not here.
    pub fn view(
        &self,
        footage: &Announced,
        part: &Part,
        who: &str,
        now: Timestamp,
    ) -> Result<Option<std::fs::File>, FootageError> {
        let Some(file) = self.read(&part.sha256)? else {
            return Ok(None);
        };
        let what = serde_json::json!({ "part": part.role, "sha256": part.sha256 });
        self.0.records.write("note who looks at footage", |tx| {
            remember(tx, now, who, VIEWED, &footage.id, &what)
        })?;
        Ok(Some(file))
    }
}

/// True if a signal is of what a camera saw.
pub fn is_seen(signal: &Signal) -> bool {
    signal.point.as_str().starts_with(SEES)
}

/// True if footage shows what a signal is about: same camera and point, at a time at which it was under way.
pub fn belongs(footage: &Announced, signal: &Signal) -> bool {
    let ends = signal.closed_at.map(|_| signal.last_at);
    footage.site == signal.site
        && footage.camera == signal.device
        && footage.point() == Some(&signal.point)
        && footage.at.since(signal.opened_at) >= -BESIDE_MS
        && ends.is_none_or(|end| footage.at.since(end) <= BESIDE_MS)
}
