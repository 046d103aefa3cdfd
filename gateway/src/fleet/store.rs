//! Agents, codes and certificates in `records.db`. Each change bumps a number that the running gateway watches, so that
//! a command of another process takes effect at once.

use super::decide::Pending;
use crate::{
    broker::Standing,
    certificate::Certificate,
    store::{Records, RecordsError, remember},
};
use contract::{AgentId, SiteId, Timestamp, enrol::Secret};
use rusqlite::{OptionalExtension, Row, Transaction, params, types::Type};
use serde_json::json;

/// An agent that was enrolled or revoked.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// Its site.
    pub site: SiteId,
    /// When it was enrolled last.
    pub enrolled_at: Option<Timestamp>,
    /// When it was revoked last.
    pub revoked_at: Option<Timestamp>,
}

/// How a certificate came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// For a one-time code.
    Code,
    /// A renewal.
    Renewal,
    /// By command (`gateway ca issue`).
    Command,
    /// It was shown, and is of our authority.
    Shown,
}

impl Origin {
    const ALL: [(Origin, &'static str); 4] = [
        (Origin::Code, "code"),
        (Origin::Renewal, "renewal"),
        (Origin::Command, "command"),
        (Origin::Shown, "shown"),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(origin, _)| *origin == self)
            .expect("every origin is listed")
            .1
    }
}

/// A certificate that was issued or shown.
#[derive(Debug, Clone)]
pub struct Issued {
    /// Whose, for how long, which.
    pub certificate: Certificate,
    /// How it came to be known.
    pub origin: Origin,
    /// When.
    pub issued_at: Timestamp,
    /// When it was shown last.
    pub last_seen_at: Option<Timestamp>,
    /// Whether it is good.
    pub standing: Standing,
}

/// A new certificate, to be kept.
pub struct New<'a> {
    /// What it says.
    pub certificate: &'a Certificate,
    /// Itself; empty if it was only shown.
    pub pem: &'a str,
    /// SHA-256 of its public key; empty if it was only shown.
    pub public_key: &'a str,
    /// How it came to be.
    pub origin: Origin,
}

/// Something changed that a running gateway must see.
pub fn bump(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO progress VALUES ('fleet', 1) ON CONFLICT(name) DO UPDATE SET n = n + 1",
        [],
    )?;
    Ok(())
}

/// A number that is another one after each change.
pub fn version(records: &Records) -> Result<i64, RecordsError> {
    records.write("read the agents", |tx| {
        tx.prepare_cached("SELECT n FROM progress WHERE name = 'fleet'")?
            .query_row([], |r| r.get(0))
            .optional()
            .map(Option::unwrap_or_default)
    })
}

fn time(row: &Row<'_>, at: usize) -> rusqlite::Result<Timestamp> {
    row.get(at).map(Timestamp::from_millis)
}

fn time_if(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(at)
        .map(|ms| ms.map(Timestamp::from_millis))
}

fn name<T: std::str::FromStr>(row: &Row<'_>, at: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get::<_, String>(at)?
        .parse()
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(e)))
}

const CODE: &str = "SELECT id, agent, site, secret, made_by, made_at, valid_to, used_at, public_key, wrong FROM agent_code";

fn code(row: &Row<'_>) -> rusqlite::Result<Pending> {
    Ok(Pending {
        id: row.get(0)?,
        agent: name(row, 1)?,
        site: name(row, 2)?,
        secret: Secret::from_bytes(row.get(3)?),
        made_by: row.get(4)?,
        made_at: time(row, 5)?,
        valid_to: time(row, 6)?,
        used_at: time_if(row, 7)?,
        public_key: row.get(8)?,
        wrong: row.get(9)?,
    })
}

/// Keeps a new code; an earlier one of the agent that nobody used is void.
pub fn add_code(records: &Records, code: &Pending) -> Result<(), RecordsError> {
    records.write("keep a code", |tx| {
        tx.execute(
            "DELETE FROM agent_code WHERE agent = ?1 AND used_at IS NULL",
            [code.agent.as_str()],
        )?;
        tx.execute(
            "INSERT INTO agent_code VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, NULL, 0)",
            params![
                code.id,
                code.agent.as_str(),
                code.site.as_str(),
                code.secret.as_bytes(),
                code.made_by,
                code.made_at.as_millis(),
                code.valid_to.as_millis()
            ],
        )?;
        let detail = json!({ "site": code.site, "valid_to": code.valid_to });
        let (by, agent) = (&code.made_by, code.agent.as_str());
        remember(tx, code.made_at, by, "agent_code", agent, &detail)
    })
}

/// A code.
pub fn find_code(records: &Records, id: &str) -> Result<Option<Pending>, RecordsError> {
    records.write("read a code", |tx| {
        tx.query_row(&format!("{CODE} WHERE id = ?1"), [id], code)
            .optional()
    })
}

/// All codes, the newest first.
pub fn codes(records: &Records) -> Result<Vec<Pending>, RecordsError> {
    records.write("read the codes", |tx| {
        let mut rows = tx.prepare(&format!("{CODE} ORDER BY made_at DESC"))?;
        rows.query_map([], code)?.collect()
    })
}

/// Somebody named the code who does not know it.
pub fn wrong_seal(records: &Records, id: &str) -> Result<(), RecordsError> {
    records.write("count a wrong seal", |tx| {
        tx.execute(
            "UPDATE agent_code SET wrong = wrong + 1 WHERE id = ?1",
            [id],
        )?;
        Ok(())
    })
}

/// Uses the code up for this certificate. False if it was used meanwhile.
pub fn enrol(
    records: &Records,
    code: &Pending,
    new: &New<'_>,
    now: Timestamp,
) -> Result<bool, RecordsError> {
    records.write("enrol an agent", |tx| {
        let used = tx.execute(
            "UPDATE agent_code SET used_at = ?2, public_key = ?3 WHERE id = ?1 AND used_at IS NULL",
            params![code.id, now.as_millis(), new.public_key],
        )?;
        if used == 0 {
            return Ok(false);
        }
        tx.execute(
            "INSERT INTO agent VALUES (?1, ?2, ?3, NULL)
             ON CONFLICT(name) DO UPDATE SET site = excluded.site, enrolled_at = excluded.enrolled_at",
            params![code.agent.as_str(), code.site.as_str(), now.as_millis()],
        )?;
        insert(tx, new, now)?;
        let detail = json!({ "site": code.site, "certificate": new.certificate.fingerprint });
        let (by, agent) = (&code.made_by, code.agent.as_str());
        remember(tx, now, by, "agent_enrolled", agent, &detail)?;
        bump(tx)?;
        Ok(true)
    })
}

fn insert(tx: &Transaction<'_>, new: &New<'_>, now: Timestamp) -> rusqlite::Result<usize> {
    let certificate = new.certificate;
    tx.execute(
        "INSERT OR IGNORE INTO agent_certificate VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, NULL, NULL, NULL)",
        params![
            certificate.fingerprint,
            certificate.name,
            new.pem,
            new.public_key,
            new.origin.as_str(),
            now.as_millis(),
            certificate.not_before.as_millis(),
            certificate.not_after.as_millis()
        ],
    )
}

/// Keeps a certificate that was issued by command.
pub fn issued_by_command(
    records: &Records,
    certificate: &Certificate,
    now: Timestamp,
) -> Result<(), RecordsError> {
    records.write("keep a certificate", |tx| {
        let new = New {
            certificate,
            pem: "",
            public_key: "",
            origin: Origin::Command,
        };
        insert(tx, &new, now)?;
        let detail = json!({ "certificate": certificate.fingerprint });
        remember(
            tx,
            now,
            "command",
            "agent_certificate",
            &certificate.name,
            &detail,
        )?;
        bump(tx)
    })
}

/// The certificate that was issued for this key of this agent, PEM, while it is good.
pub fn issued_for(
    records: &Records,
    agent: &AgentId,
    public_key: &str,
) -> Result<Option<String>, RecordsError> {
    records.write("read a certificate", |tx| {
        tx.query_row(
            "SELECT pem FROM agent_certificate WHERE agent = ?1 AND public_key = ?2
             AND revoked_at IS NULL AND superseded_at IS NULL",
            params![agent.as_str(), public_key],
            |r| r.get(0),
        )
        .optional()
    })
}

/// Keeps a renewal; an earlier one that was never shown is void.
pub fn renewed(records: &Records, new: &New<'_>, now: Timestamp) -> Result<(), RecordsError> {
    records.write("keep a renewal", |tx| {
        tx.execute(
            "UPDATE agent_certificate SET superseded_at = ?2 WHERE agent = ?1 AND origin = 'renewal'
             AND first_seen_at IS NULL AND superseded_at IS NULL",
            params![new.certificate.name, now.as_millis()],
        )?;
        insert(tx, new, now)?;
        bump(tx)
    })
}

/// Notes that certificates were shown. One that was issued by us and is shown for the first time supersedes all that its
/// agent had before.
pub fn seen(records: &Records, shown: &[(Certificate, Timestamp)]) -> Result<(), RecordsError> {
    records.write("note who was seen", |tx| {
        let mut changed = 0;
        for (certificate, at) in shown {
            let (fingerprint, ms) = (&certificate.fingerprint, at.as_millis());
            let new = New {
                certificate,
                pem: "",
                public_key: "",
                origin: Origin::Shown,
            };
            changed += insert(tx, &new, *at)?;
            let is_first = tx.execute(
                "UPDATE agent_certificate SET first_seen_at = ?2 WHERE fingerprint = ?1 AND first_seen_at IS NULL",
                params![fingerprint, ms],
            )?;
            tx.execute(
                "UPDATE agent_certificate SET last_seen_at = ?2 WHERE fingerprint = ?1",
                params![fingerprint, ms],
            )?;
            if is_first > 0 {
                changed += tx.execute(
                    "UPDATE agent_certificate SET superseded_at = ?3 WHERE agent = ?1 AND fingerprint != ?2
                     AND superseded_at IS NULL AND issued_at <= (SELECT issued_at FROM agent_certificate
                     WHERE fingerprint = ?2 AND origin IN ('code', 'renewal'))",
                    params![certificate.name, fingerprint, ms],
                )?;
            }
        }
        if changed > 0 {
            bump(tx)?;
        }
        Ok(())
    })
}

/// Takes back everything an agent has: certificates, codes, and its password if it has one.
pub fn revoke(
    records: &Records,
    agent: &AgentId,
    site: &SiteId,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<(), RecordsError> {
    records.write("revoke an agent", |tx| {
        let (name, ms) = (agent.as_str(), now.as_millis());
        tx.execute(
            "INSERT INTO agent VALUES (?1, ?2, NULL, ?3)
             ON CONFLICT(name) DO UPDATE SET revoked_at = excluded.revoked_at",
            params![name, site.as_str(), ms],
        )?;
        tx.execute(
            "UPDATE agent_certificate SET revoked_at = ?2 WHERE agent = ?1 AND revoked_at IS NULL",
            params![name, ms],
        )?;
        tx.execute(
            "DELETE FROM agent_code WHERE agent = ?1 AND used_at IS NULL",
            [name],
        )?;
        remember(
            tx,
            now,
            by,
            "agent_revoked",
            name,
            &json!({ "reason": reason }),
        )?;
        bump(tx)
    })
}

/// All agents that were enrolled or revoked.
pub fn agents(records: &Records) -> Result<Vec<Agent>, RecordsError> {
    records.write("read the agents", |tx| {
        let mut rows = tx.prepare("SELECT name, site, enrolled_at, revoked_at FROM agent")?;
        let agent = |row: &Row<'_>| {
            Ok(Agent {
                name: row.get(0)?,
                site: name(row, 1)?,
                enrolled_at: time_if(row, 2)?,
                revoked_at: time_if(row, 3)?,
            })
        };
        rows.query_map([], agent)?.collect()
    })
}

/// Whether and when a certificate and its agent were revoked.
#[derive(Debug, Clone, Default)]
pub struct Revocation {
    /// The certificate is in the gateway's list.
    pub is_listed: bool,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When its agent was revoked last.
    pub agent_revoked_at: Option<Timestamp>,
}

impl Revocation {
    /// True if it was revoked at `at` or before. As in `broker::access` a certificate that is listed stands for itself; one
    /// that is not stands and falls with its agent.
    pub fn is_over(&self, at: Timestamp) -> bool {
        let revoked_at = match self.is_listed {
            true => self.revoked_at,
            false => self.agent_revoked_at,
        };
        revoked_at.is_some_and(|revoked| revoked <= at)
    }
}

/// Looks whether a certificate was revoked.
pub fn revocation(
    records: &Records,
    certificate: &Certificate,
) -> Result<Revocation, RecordsError> {
    records.write("look whether a certificate was revoked", |tx| {
        let listed: Option<Option<Timestamp>> = tx
            .prepare_cached("SELECT revoked_at FROM agent_certificate WHERE fingerprint = ?1")?
            .query_row([&certificate.fingerprint], |row| time_if(row, 0))
            .optional()?;
        let agent: Option<Option<Timestamp>> = tx
            .prepare_cached("SELECT revoked_at FROM agent WHERE name = ?1")?
            .query_row([&certificate.name], |row| time_if(row, 0))
            .optional()?;
        Ok(Revocation {
            is_listed: listed.is_some(),
            revoked_at: listed.flatten(),
            agent_revoked_at: agent.flatten(),
        })
    })
}

/// All certificates, the newest first.
pub fn certificates(records: &Records) -> Result<Vec<Issued>, RecordsError> {
    records.write("read the certificates", |tx| {
        let mut rows = tx.prepare(
            "SELECT fingerprint, agent, not_before, not_after, origin, issued_at, last_seen_at, superseded_at, revoked_at
             FROM agent_certificate ORDER BY issued_at DESC, rowid DESC",
        )?;
        let issued = |row: &Row<'_>| {
            let origin: String = row.get(4)?;
            let known = Origin::ALL.iter().find(|(_, word)| *word == origin);
            Ok(Issued {
                certificate: Certificate {
                    fingerprint: row.get(0)?,
                    name: row.get(1)?,
                    not_before: time(row, 2)?,
                    not_after: time(row, 3)?,
                    names: Vec::new(),
                },
                origin: known.map_or(Origin::Shown, |(origin, _)| *origin),
                issued_at: time(row, 5)?,
                last_seen_at: time_if(row, 6)?,
                standing: match (time_if(row, 8)?, time_if(row, 7)?) {
                    (Some(_), _) => Standing::Revoked,
                    (None, Some(_)) => Standing::Superseded,
                    (None, None) => Standing::Good,
                },
            })
        };
        rows.query_map([], issued)?.collect()
    })
}

/// Forgets certificates that ran out before `certificates` and codes that ran out before `codes`.
pub fn forget(
    records: &Records,
    certificates: Timestamp,
    codes: Timestamp,
) -> Result<(), RecordsError> {
    records.write("forget old certificates", |tx| {
        tx.execute(
            "DELETE FROM agent_certificate WHERE not_after < ?1",
            [certificates.as_millis()],
        )?;
        tx.execute(
            "DELETE FROM agent_code WHERE valid_to < ?1",
            [codes.as_millis()],
        )?;
        Ok(())
    })
}
