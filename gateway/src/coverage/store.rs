//! All SQL of the ledger (`coverage.db`): promises by point, counts by point and day, gap records, what devices sent.

use super::balance::Counts;
use super::book::{Book, add};
use super::promise::Promises;
use crate::ingest::dictionary::{Dictionary, PointKey};
use crate::ingest::record::{GapEntry, RawHead};
use contract::{DeviceId, SiteId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS progress(one INTEGER PRIMARY KEY CHECK (one = 1), through INTEGER NOT NULL, as_of INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS promise(point INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS count(point INTEGER NOT NULL, day INTEGER NOT NULL, kind INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY(point, day, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gap(id INTEGER PRIMARY KEY, site TEXT NOT NULL, device TEXT NOT NULL, ends INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS gap_site ON gap(site, ends);
CREATE TABLE IF NOT EXISTS raw(id INTEGER PRIMARY KEY, site TEXT NOT NULL, device TEXT NOT NULL, at INTEGER NOT NULL, received_at INTEGER NOT NULL, head TEXT NOT NULL, bytes BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS raw_device ON raw(site, device, at);
CREATE INDEX IF NOT EXISTS raw_received ON raw(received_at);
";
/// Rows deleted in one transaction when old messages go.
const EXPIRE_ROWS: usize = 5_000;

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} in the coverage ledger {}", path.display())]
pub struct LedgerError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: rusqlite::Error,
}

/// The file.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    db: Connection,
}

impl Store {
    /// Opens or makes the file.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let open = || {
            let db = Connection::open(path)?;
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", "FULL")?;
            db.execute_batch(SCHEMA)?;
            Ok(db)
        };
        let failed = |source| LedgerError {
            doing: "open tables",
            path: path.to_owned(),
            source,
        };
        let db = open().map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            db,
        })
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(rusqlite::Error) -> LedgerError + use<> {
        let path = self.path.clone();
        move |source| LedgerError {
            doing,
            path,
            source,
        }
    }

    /// The book as it was written down last. `dictionary` says whose a point is.
    pub fn load(&self, dictionary: &Dictionary) -> Result<Book, LedgerError> {
        let load = || {
            let mut book = Book::default();
            let progress = self
                .db
                .query_row("SELECT through, as_of FROM progress", [], |r| {
                    Ok((r.get(0)?, r.get(1)?))
                });
            if let Some((through, as_of)) = progress.optional()? {
                let through: i64 = through;
                book.through = through as u64;
                book.as_of = as_of;
            }
            let mut rows = self.db.prepare("SELECT point, body FROM promise")?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                let point: u32 = row.get(0)?;
                let promises: Promises = parse(&row.get::<_, String>(1)?)?;
                let known = dictionary.get(PointKey(point));
                let of = known.and_then(|p| Some((p.site.clone(), p.agent.clone()?)));
                book.restore(point, promises, of);
            }
            Ok(book)
        };
        load().map_err(self.failed("read the book"))
    }

    /// Writes down what changed, with the cursor, in one transaction.
    pub fn save(&mut self, book: &mut Book) -> Result<(), LedgerError> {
        let failed = self.failed("write the book");
        book.changes();
        let save = |db: &mut Connection, book: &mut Book| {
            let (through, as_of) = (book.through as i64, book.as_of);
            let tx = db.transaction()?;
            let dirty: Vec<u32> = book.changes().promises.iter().copied().collect();
            for point in dirty {
                let body = json(&book.promises(point));
                tx.prepare_cached("INSERT OR REPLACE INTO promise VALUES (?1, ?2)")?
                    .execute(params![point, body])?;
            }
            let changes = book.changes();
            for ((point, day, kind), n) in changes.sorted() {
                tx.prepare_cached(
                    "INSERT INTO count VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET n = n + excluded.n",
                )?
                .execute(params![point, day, kind, n as i64])?;
            }
            for gap in &changes.gaps {
                tx.prepare_cached(
                    "INSERT INTO gap(site, device, ends, body) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![
                    gap.site.as_str(),
                    gap.device.as_str(),
                    gap.gap.to.as_millis(),
                    json(gap)
                ])?;
            }
            for (head, bytes) in &changes.raws {
                tx.prepare_cached(
                    "INSERT INTO raw(site, device, at, received_at, head, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    head.site.as_str(),
                    head.device.as_str(),
                    head.at.as_millis(),
                    head.received_at.as_millis(),
                    json(head),
                    bytes
                ])?;
            }
            tx.execute(
                "INSERT OR REPLACE INTO progress VALUES (1, ?1, ?2)",
                [through, as_of],
            )?;
            tx.commit()
        };
        save(&mut self.db, book).map_err(failed)?;
        book.written();
        Ok(())
    }

    /// What came of a point on a day, as far as it is written down.
    pub fn counts(&self, point: u32, day: i32, to: &mut Counts) -> Result<(), LedgerError> {
        let read = |to: &mut Counts| {
            let mut query = self
                .db
                .prepare_cached("SELECT kind, n FROM count WHERE point = ?1 AND day = ?2")?;
            let mut rows = query.query(params![point, day])?;
            while let Some(row) = rows.next()? {
                add(to, row.get(0)?, row.get::<_, i64>(1)? as u64);
            }
            Ok(())
        };
        read(to).map_err(self.failed("read counts"))
    }

    /// The gap records of a site that touch `from..=to`, the latest first, at most `limit`.
    pub fn gaps(
        &self,
        site: &SiteId,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<GapEntry>, LedgerError> {
        let read = || {
            let mut query = self.db.prepare_cached(
                "SELECT body FROM gap WHERE site = ?1 AND ends >= ?2 ORDER BY ends DESC, id DESC",
            )?;
            let rows = query.query_map(params![site.as_str(), from.as_millis()], |r| {
                parse::<GapEntry>(&r.get::<_, String>(0)?)
            })?;
            let touches = |gap: &rusqlite::Result<GapEntry>| {
                gap.as_ref().map_or(true, |gap| gap.gap.from <= to)
            };
            rows.filter(touches)
                .take(limit)
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(self.failed("read gap records"))
    }

    /// What a device sent for `from..to`, by time, at most `limit`.
    pub fn raws(
        &self,
        site: &SiteId,
        device: &DeviceId,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<(RawHead, Vec<u8>)>, LedgerError> {
        let read = || {
            let mut query = self.db.prepare_cached(
                "SELECT head, bytes FROM raw WHERE site = ?1 AND device = ?2 AND at >= ?3 AND at < ?4 ORDER BY at, id LIMIT ?5",
            )?;
            let bounds = params![
                site.as_str(),
                device.as_str(),
                from.as_millis(),
                to.as_millis(),
                limit as i64
            ];
            let rows =
                query.query_map(bounds, |r| Ok((parse(&r.get::<_, String>(0)?)?, r.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(self.failed("read what a device sent"))
    }

    /// Deletes some of what devices sent before `cutoff`; true if there may be more.
    pub fn expire(&mut self, cutoff: Timestamp) -> Result<bool, LedgerError> {
        let sql =
            "DELETE FROM raw WHERE id IN (SELECT id FROM raw WHERE received_at < ?1 LIMIT ?2)";
        let gone = self
            .db
            .execute(sql, params![cutoff.as_millis(), EXPIRE_ROWS as i64])
            .map_err(self.failed("delete old messages"))?;
        Ok(gone == EXPIRE_ROWS)
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("what the ledger keeps is always JSON")
}

fn parse<T: DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e))
    })
}
