//! All SQL of footage (`footage.db`): what agents announced, its files, the models of the newest sightings, what was deleted.
//!
//! Promise: manifests and the cursor are one transaction. Whether a file is here is not in these tables: the folder says so.

use super::check::{PARTS_MAX, Refusal, is_hash};
use contract::{
    AgentId, DeviceId, PointName, SiteId, Timestamp,
    footage::{Loss, LostBy, Manifest, Occasion, Role, Sighting, Signed},
    vision::ModelUsed,
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::path::{Path, PathBuf};

/// Migrations in order; the file's `user_version` is how many were applied. Never edited after a release.
const MIGRATIONS: &[&str] = &["
CREATE TABLE progress(one INTEGER PRIMARY KEY CHECK (one = 1), through INTEGER NOT NULL);
CREATE TABLE footage(id TEXT PRIMARY KEY, site TEXT NOT NULL, agent TEXT NOT NULL, camera TEXT NOT NULL, point TEXT NOT NULL,
  at INTEGER NOT NULL, received_at INTEGER NOT NULL, signed TEXT NOT NULL, refusal TEXT) WITHOUT ROWID;
CREATE INDEX footage_site ON footage(site, camera, at);
CREATE INDEX footage_at ON footage(at);
CREATE INDEX footage_received ON footage(received_at);
CREATE TABLE part(footage TEXT NOT NULL REFERENCES footage(id), sha256 TEXT NOT NULL, role TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY(footage, role)) WITHOUT ROWID;
CREATE INDEX part_sha256 ON part(sha256);
CREATE TABLE sighting(site TEXT NOT NULL, camera TEXT NOT NULL, point TEXT NOT NULL, at INTEGER NOT NULL, models TEXT NOT NULL, PRIMARY KEY(site, camera, point)) WITHOUT ROWID;
CREATE TABLE gone(sha256 TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
", "
CREATE TABLE lost(site TEXT NOT NULL, agent TEXT NOT NULL, sha256 TEXT NOT NULL, at INTEGER NOT NULL, received_at INTEGER NOT NULL,
  how TEXT NOT NULL, PRIMARY KEY(site, agent, sha256)) WITHOUT ROWID;
CREATE TABLE refused(site TEXT NOT NULL, agent TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY(site, agent, sha256)) WITHOUT ROWID;
"];

/// What the point column says of an overview: no point is named so.
const OVERVIEW: &str = "";

/// Why footage could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum FootageError {
    /// The database failed.
    #[error("cannot {doing} in {}", path.display())]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A file or folder failed.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The door cannot listen.
    #[error("cannot listen on {address} for footage")]
    Bind {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it was.
    #[error("{} was altered on disk", path.display())]
    Altered {
        /// Which one.
        path: PathBuf,
    },
    /// The records failed.
    #[error("cannot read or write what people did with footage")]
    Records(#[from] crate::store::RecordsError),
    /// Agents' signatures cannot be checked, or their door not opened.
    #[error("cannot tell agents by their certificates")]
    Tls(#[from] crate::broker::TlsError),
    /// The signals failed.
    #[error("cannot read the signals that footage belongs to")]
    Signals(#[from] crate::detect::store::SignalError),
}

/// What an agent announced.
#[derive(Debug, Clone, PartialEq)]
pub struct Announced {
    /// SHA-256 of the manifest's text.
    pub id: String,
    /// Of whom it came.
    pub site: SiteId,
    /// Of whom it came.
    pub agent: AgentId,
    /// Of whom it came.
    pub camera: DeviceId,
    /// When it came.
    pub received_at: Timestamp,
    /// As it came.
    pub signed: Signed,
    /// What it says; nothing if it cannot be read, or does not count as its agent's.
    pub manifest: Option<Manifest>,
    /// Why it does not count as its agent's.
    pub refusal: Option<Refusal>,
    /// The time it is listed by: that of what was found, or of its reception if it says none that counts.
    pub at: Timestamp,
}

impl Announced {
    /// The point that became 1; nothing for an overview, and for what does not count.
    pub fn point(&self) -> Option<&PointName> {
        match &self.manifest.as_ref()?.occasion {
            Occasion::Sighting { point, .. } => Some(point),
            Occasion::Overview => None,
        }
    }
}

/// What a block of the journal brought.
#[derive(Debug)]
pub enum News {
    /// A manifest.
    Announced(Box<Announced>),
    /// A sighting of a camera.
    Sighting(SiteId, DeviceId, Sighting),
    /// A file that will not come, and when that was heard.
    Lost(Loss, Timestamp),
}

/// A file as it was announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The footage.
    pub footage: String,
    /// Its hash.
    pub sha256: String,
    /// What it is.
    pub role: Role,
    /// Its length.
    pub bytes: u64,
}

/// Which footage.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Of this site.
    pub site: Option<SiteId>,
    /// Of this camera.
    pub camera: Option<DeviceId>,
    /// From and to this time.
    pub between: Option<(Timestamp, Timestamp)>,
    /// The newest so many.
    pub limit: usize,
}

/// The file.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    db: Connection,
}

const COLUMNS: &str = "id, site, agent, camera, at, received_at, signed, refusal";

impl Store {
    /// Opens the file, makes it, or brings it up to date.
    pub fn open(path: &Path) -> Result<Store, FootageError> {
        let open = || -> rusqlite::Result<Connection> {
            let mut db = Connection::open(path)?;
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", "FULL")?;
            let applied: i64 = db.pragma_query_value(None, "user_version", |r| r.get(0))?;
            for (n, migration) in MIGRATIONS.iter().enumerate().skip(applied as usize) {
                let tx = db.transaction()?;
                tx.execute_batch(migration)?;
                tx.pragma_update(None, "user_version", (n + 1) as i64)?;
                tx.commit()?;
            }
            Ok(db)
        };
        let db = open().map_err(|source| FootageError::Sql {
            doing: "open tables",
            path: path.to_owned(),
            source,
        })?;
        Ok(Store {
            path: path.to_owned(),
            db,
        })
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(rusqlite::Error) -> FootageError + use<> {
        let path = self.path.clone();
        move |source| FootageError::Sql {
            doing,
            path,
            source,
        }
    }

    /// The last block that was looked at.
    pub fn through(&self) -> Result<u64, FootageError> {
        let read = || {
            let mut query = self.db.prepare_cached("SELECT through FROM progress")?;
            query.query_row([], |r| r.get::<_, i64>(0)).optional()
        };
        let through = read().map_err(self.failed("read the cursor"))?;
        Ok(through.unwrap_or(0) as u64)
    }

    /// Keeps what came in blocks up to `through`, in one transaction.
    pub fn take(&mut self, through: u64, news: &[News]) -> Result<(), FootageError> {
        let failed = self.failed("keep what agents announced");
        let take = |db: &mut Connection| {
            let tx = db.transaction()?;
            for one in news {
                match one {
                    News::Announced(announced) => announce(&tx, announced)?,
                    News::Sighting(site, camera, sighting) => {
                        sighted(&tx, site, camera, sighting)?;
                    }
                    News::Lost(loss, received_at) => lose(&tx, loss, *received_at)?,
                }
            }
            tx.prepare_cached("INSERT OR REPLACE INTO progress VALUES (1, ?1)")?
                .execute([through as i64])?;
            tx.commit()
        };
        take(&mut self.db).map_err(failed)
    }

    /// One.
    pub fn one(&self, id: &str) -> Result<Option<Announced>, FootageError> {
        let read = || {
            let sql = format!("SELECT {COLUMNS} FROM footage WHERE id = ?1");
            let mut query = self.db.prepare_cached(&sql)?;
            query.query_row([id], announced).optional()
        };
        read().map_err(self.failed("read what was announced"))
    }

    /// The newest first.
    pub fn list(&self, which: &Which) -> Result<Vec<Announced>, FootageError> {
        let read = || {
            let sql = format!(
                "SELECT {COLUMNS} FROM footage WHERE (?1 IS NULL OR site = ?1) AND (?2 IS NULL OR camera = ?2)
                 AND at BETWEEN ?3 AND ?4 ORDER BY at DESC, id LIMIT ?5"
            );
            let mut query = self.db.prepare_cached(&sql)?;
            let (from, to) = match which.between {
                Some((from, to)) => (from.as_millis(), to.as_millis()),
                None => (i64::MIN, i64::MAX),
            };
            let (site, camera) = (which.site.as_ref(), which.camera.as_ref());
            let bounds = params![
                site.map(SiteId::as_str),
                camera.map(DeviceId::as_str),
                from,
                to,
                which.limit as i64
            ];
            query
                .query_map(bounds, announced)?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(self.failed("list what was announced"))
    }

    /// The newest overview of a camera that counts.
    pub fn overview(
        &self,
        site: &SiteId,
        camera: &DeviceId,
    ) -> Result<Option<String>, FootageError> {
        let read = || {
            let mut query = self.db.prepare_cached(
                "SELECT id FROM footage WHERE site = ?1 AND camera = ?2 AND point = ?3 AND refusal IS NULL
                 ORDER BY at DESC LIMIT 1",
            )?;
            let bounds = params![site.as_str(), camera.as_str(), OVERVIEW];
            query.query_row(bounds, |r| r.get(0)).optional()
        };
        read().map_err(self.failed("look for an overview"))
    }

    /// Where a file was announced by this agent.
    pub fn announced(
        &self,
        site: &SiteId,
        agent: &AgentId,
        sha256: &str,
    ) -> Result<Vec<(File, Announced)>, FootageError> {
        let read = || {
            let sql = format!(
                "SELECT {COLUMNS}, part.role, part.bytes FROM part JOIN footage ON footage.id = part.footage
                 WHERE part.sha256 = ?1 AND site = ?2 AND agent = ?3 ORDER BY received_at"
            );
            let mut query = self.db.prepare_cached(&sql)?;
            let found = |row: &Row<'_>| {
                let of = announced(row)?;
                let file = File {
                    footage: of.id.clone(),
                    sha256: sha256.to_owned(),
                    role: role_of(row, 8)?,
                    bytes: row.get::<_, i64>(9)? as u64,
                };
                Ok((file, of))
            };
            let bounds = params![sha256, site.as_str(), agent.as_str()];
            query
                .query_map(bounds, found)?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(self.failed("look for a file"))
    }

    /// Ids of all footage that names a file.
    pub fn naming(&self, sha256: &str) -> Result<Vec<String>, FootageError> {
        let read = || {
            let sql = "SELECT footage FROM part WHERE sha256 = ?1";
            let mut query = self.db.prepare_cached(sql)?;
            query
                .query_map([sha256], |r| r.get(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(self.failed("look for a file"))
    }

    /// Footage that came before `cutoff` and of which a file was not deleted, the oldest first, after the one of which the
    /// time of reception and the id are given.
    pub fn older(
        &self,
        cutoff: Timestamp,
        after: Option<&(Timestamp, String)>,
        limit: usize,
    ) -> Result<Vec<Announced>, FootageError> {
        let read = || {
            let sql = format!(
                "SELECT {COLUMNS} FROM footage WHERE received_at < ?1 AND (received_at, id) > (?2, ?3) AND EXISTS
                 (SELECT 1 FROM part WHERE footage = id AND sha256 NOT IN (SELECT sha256 FROM gone))
                 ORDER BY received_at, id LIMIT ?4"
            );
            let mut query = self.db.prepare_cached(&sql)?;
            let (time, id) = after.map_or((i64::MIN, ""), |(at, id)| (at.as_millis(), id));
            let bounds = params![cutoff.as_millis(), time, id, limit as i64];
            query
                .query_map(bounds, announced)?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(self.failed("look for old footage"))
    }

    /// When a file was deleted here.
    pub fn gone(&self, sha256: &str) -> Result<Option<Timestamp>, FootageError> {
        let read = || {
            let mut query = self
                .db
                .prepare_cached("SELECT at FROM gone WHERE sha256 = ?1")?;
            query.query_row([sha256], |r| r.get(0)).optional()
        };
        let found: Option<i64> = read().map_err(self.failed("look for a deleted file"))?;
        Ok(found.map(Timestamp::from_millis))
    }

    /// When and how an agent lost a file that it announced.
    pub fn lost(
        &self,
        site: &SiteId,
        agent: &AgentId,
        sha256: &str,
    ) -> Result<Option<(Timestamp, LostBy)>, FootageError> {
        let read = || {
            let mut query = self.db.prepare_cached(
                "SELECT at, how FROM lost WHERE site = ?1 AND agent = ?2 AND sha256 = ?3",
            )?;
            let bounds = params![site.as_str(), agent.as_str(), sha256];
            let lost = |r: &Row<'_>| {
                let how = parse(&r.get::<_, String>(1)?, 1)?;
                Ok((Timestamp::from_millis(r.get(0)?), how))
            };
            query.query_row(bounds, lost).optional()
        };
        read().map_err(self.failed("look for a lost file"))
    }

    /// True if an agent named a file in a manifest that does not count.
    pub fn is_refused(
        &self,
        site: &SiteId,
        agent: &AgentId,
        sha256: &str,
    ) -> Result<bool, FootageError> {
        let read = || {
            let mut query = self.db.prepare_cached(
                "SELECT 1 FROM refused WHERE site = ?1 AND agent = ?2 AND sha256 = ?3",
            )?;
            query.exists(params![site.as_str(), agent.as_str(), sha256])
        };
        read().map_err(self.failed("look for a file that is not taken"))
    }

    /// How many files were lost at their sites, and how many manifests do not count.
    pub fn sums(&self) -> Result<(u64, u64), FootageError> {
        let read = || {
            let mut query = self.db.prepare_cached(
                "SELECT (SELECT COUNT(*) FROM lost), (SELECT COUNT(*) FROM footage WHERE refusal IS NOT NULL)",
            )?;
            query.query_row([], |r| {
                Ok((r.get::<_, i64>(0)? as u64, r.get::<_, i64>(1)? as u64))
            })
        };
        read().map_err(self.failed("count footage"))
    }

    /// Hashes of masked files that were announced, neither deleted nor lost, each with the footage that names it.
    pub fn expected(&self) -> Result<Vec<(String, String)>, FootageError> {
        let read = || {
            let mut query = self.db.prepare_cached(
                "SELECT part.sha256, footage.id FROM part JOIN footage ON footage.id = part.footage
                 WHERE refusal IS NULL AND role != ?1 AND sha256 NOT IN (SELECT sha256 FROM gone)
                 AND (site, agent, sha256) NOT IN (SELECT site, agent, sha256 FROM lost)",
            )?;
            query
                .query_map([json(&Role::Original)], |r| Ok((r.get(0)?, r.get(1)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(self.failed("look for files that are to come"))
    }

    /// Writes down that files are deleted.
    pub fn delete(&mut self, files: &[String], at: Timestamp) -> Result<(), FootageError> {
        let failed = self.failed("write down what is deleted");
        let write = |db: &mut Connection| {
            let tx = db.transaction()?;
            for sha256 in files {
                tx.prepare_cached("INSERT OR IGNORE INTO gone VALUES (?1, ?2)")?
                    .execute(params![sha256, at.as_millis()])?;
            }
            tx.commit()
        };
        write(&mut self.db).map_err(failed)
    }

    /// The models of the newest sighting of a point of a camera; none if there was none.
    pub fn models(
        &self,
        site: &SiteId,
        camera: &DeviceId,
        point: &PointName,
    ) -> Result<Vec<ModelUsed>, FootageError> {
        let read = || {
            let mut query = self.db.prepare_cached(
                "SELECT models FROM sighting WHERE site = ?1 AND camera = ?2 AND point = ?3",
            )?;
            let bounds = params![site.as_str(), camera.as_str(), point.as_str()];
            query
                .query_row(bounds, |r| parse(&r.get::<_, String>(0)?, 0))
                .optional()
        };
        let found = read().map_err(self.failed("read the models of a sighting"))?;
        Ok(found.unwrap_or_default())
    }
}

/// Keeps a manifest; a second time it is left as it is, but for one that now counts as its agent's: anybody may
/// have sent the same text before without being able to sign it.
fn announce(tx: &Transaction<'_>, new: &Announced) -> rusqlite::Result<()> {
    let known: Option<bool> = tx
        .prepare_cached("SELECT refusal IS NULL FROM footage WHERE id = ?1")?
        .query_row([&new.id], |r| r.get(0))
        .optional()?;
    if known == Some(true) || (known == Some(false) && new.refusal.is_some()) {
        return Ok(());
    }
    let refusal = new.refusal.as_ref().map(json);
    tx.prepare_cached(
        "INSERT OR REPLACE INTO footage(id, site, agent, camera, point, at, received_at, signed, refusal)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        new.id,
        new.site.as_str(),
        new.agent.as_str(),
        new.camera.as_str(),
        new.point().map_or(OVERVIEW, PointName::as_str),
        new.at.as_millis(),
        new.received_at.as_millis(),
        json(&new.signed),
        refusal
    ])?;
    // Who sent it may be told that it waits in vain, whatever the text is worth.
    let said: Option<Manifest> = match &new.refusal {
        Some(_) => serde_json::from_str(&new.signed.manifest).ok(),
        None => None,
    };
    let said = said.iter().flat_map(|manifest| &manifest.parts);
    let said = said.filter(|part| is_hash(&part.sha256));
    for part in said.take(PARTS_MAX) {
        tx.prepare_cached("INSERT OR IGNORE INTO refused VALUES (?1, ?2, ?3)")?
            .execute(params![new.site.as_str(), new.agent.as_str(), part.sha256])?;
    }
    for part in new.manifest.iter().flat_map(|manifest| &manifest.parts) {
        tx.prepare_cached("INSERT INTO part VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                new.id,
                part.sha256,
                json(&part.role),
                part.bytes as i64
            ])?;
        // The same bytes may be announced again after they were deleted.
        tx.prepare_cached("DELETE FROM gone WHERE sha256 = ?1")?
            .execute([&part.sha256])?;
        tx.prepare_cached("DELETE FROM lost WHERE site = ?1 AND agent = ?2 AND sha256 = ?3")?
            .execute(params![new.site.as_str(), new.agent.as_str(), part.sha256])?;
    }
    Ok(())
}

fn lose(tx: &Transaction<'_>, loss: &Loss, received_at: Timestamp) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO lost VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            loss.site.as_str(),
            loss.agent.as_str(),
            loss.lost_sha256,
            loss.at.as_millis(),
            received_at.as_millis(),
            json(&loss.by)
        ])?;
    Ok(())
}

fn sighted(
    tx: &Transaction<'_>,
    site: &SiteId,
    camera: &DeviceId,
    sighting: &Sighting,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO sighting VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET at = excluded.at, models = excluded.models
         WHERE excluded.at >= at",
    )?
    .execute(params![
        site.as_str(),
        camera.as_str(),
        sighting.point.as_str(),
        sighting.at.as_millis(),
        json(&sighting.models)
    ])?;
    Ok(())
}

fn announced(row: &Row<'_>) -> rusqlite::Result<Announced> {
    let signed: Signed = parse(&row.get::<_, String>(6)?, 6)?;
    let refusal: Option<String> = row.get(7)?;
    let refusal = refusal.map(|text| parse(&text, 7)).transpose()?;
    let manifest = match &refusal {
        None => Some(parse(&signed.manifest, 6)?),
        Some(_) => None,
    };
    Ok(Announced {
        id: row.get(0)?,
        site: name(row, 1)?,
        agent: name(row, 2)?,
        camera: name(row, 3)?,
        at: Timestamp::from_millis(row.get(4)?),
        received_at: Timestamp::from_millis(row.get(5)?),
        signed,
        manifest,
        refusal,
    })
}

fn role_of(row: &Row<'_>, at: usize) -> rusqlite::Result<Role> {
    parse(&row.get::<_, String>(at)?, at)
}

fn name<T: std::str::FromStr>(row: &Row<'_>, at: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get::<_, String>(at)?
        .parse()
        .map_err(|error| unreadable(at, error))
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("what is kept of footage is always JSON")
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, at: usize) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| unreadable(at, error))
}

fn unreadable(at: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    let text = rusqlite::types::Type::Text;
    rusqlite::Error::FromSqlConversionFailure(at, text, Box::new(error))
}
