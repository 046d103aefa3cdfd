//! Who may sign in, and as what. Passwords are generated here and kept as argon2id hashes; there is no default.

use crate::{
    detect::rule::Text,
    store::{Records, RecordsError, hex, sha256},
};
use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier, password_hash::SaltString};
use contract::Timestamp;
use ring::rand::SecureRandom;
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

/// How long a session lasts.
const SESSION_MS: i64 = 12 * 3_600_000;

/// Who a user is. Everybody who is signed in may look; [`Role::may`] says what else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Watches: takes cases up, sets them aside with a reason, notes that a business objects.
    Inspector,
    /// Decides: also confirms cases and changes what stands in the credit record.
    Reviewer,
    /// Keeps the gateway and its agents, and decides nothing about anybody (国办发〔2024〕54号: an
    /// inspection is not handed to whoever runs the machines).
    Admin,
}

/// What a person may do beside looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Take a case up.
    TakeUp,
    /// Set a case aside with a reason.
    SetAside,
    /// Confirm a case: make a finding.
    Confirm,
    /// Note that a business objects to an entry.
    NoteObjection,
    /// Change what stands in the credit record.
    ChangeRecord,
    /// Enrol and revoke agents.
    KeepAgents,
    /// Order something from a device (reverse control).
    ControlDevices,
    /// Ask for the unmasked original of footage, and fetch it once it is approved.
    AskUnmasking,
    /// Approve that somebody else may have one.
    ApproveUnmasking,
}

impl Act {
    /// All of them.
    pub const ALL: [Act; 9] = [
        Act::TakeUp,
        Act::SetAside,
        Act::Confirm,
        Act::NoteObjection,
        Act::ChangeRecord,
        Act::KeepAgents,
        Act::ControlDevices,
        Act::AskUnmasking,
        Act::ApproveUnmasking,
    ];
}

impl Role {
    /// Whether this role may do `act`.
    pub fn may(self, act: Act) -> bool {
        match self {
            Role::Inspector => matches!(
                act,
                Act::TakeUp | Act::SetAside | Act::NoteObjection | Act::AskUnmasking
            ),
            Role::Reviewer => !Role::Admin.may(act),
            Role::Admin => matches!(act, Act::KeepAgents | Act::ControlDevices),
        }
    }

    /// Everything this role may do beside looking.
    pub fn acts(self) -> Vec<Act> {
        Act::ALL.into_iter().filter(|a| self.may(*a)).collect()
    }

    /// Why this role may not do `act`, and who may.
    pub fn refusal(self, act: Act) -> Text {
        let (zh, en) = match act {
            Act::TakeUp => ("接手线索", "taking a case up"),
            Act::SetAside => ("排除线索", "setting a case aside"),
            Act::Confirm => ("确认线索", "confirming a case"),
            Act::NoteObjection => ("登记异议", "noting an objection"),
            Act::ChangeRecord => ("变更信用记录", "changing the credit record"),
            Act::AskUnmasking => (
                "申请和调取未遮挡的原始影像",
                "asking for an unmasked original",
            ),
            Act::ApproveUnmasking => ("同意调取未遮挡的原始影像", "approving an unmasked original"),
            Act::KeepAgents => {
                return Text::new(
                    "边缘代理的接入和吊销由管理员办理",
                    "enrolling and revoking agents is for an administrator; ask one",
                );
            }
            Act::ControlDevices => {
                return Text::new(
                    "对现场设备下达命令（反控）由管理员办理",
                    "giving orders to devices is for an administrator; ask one",
                );
            }
        };
        match Role::Inspector.may(act) {
            true => Text::new(
                format!("{zh}由检查员或复核员办理；管理员不办理线索"),
                format!("{en} is for an inspector or a reviewer; an administrator decides nothing"),
            ),
            false => Text::new(
                format!("{zh}只能由复核员办理"),
                format!("{en} is for a reviewer; ask one"),
            ),
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "inspector" => Ok(Role::Inspector),
            "reviewer" => Ok(Role::Reviewer),
            "admin" => Ok(Role::Admin),
            other => Err(format!(
                "{other:?} is not a role; write inspector, reviewer or admin"
            )),
        }
    }
}

/// A signed-in user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// What the user may do.
    pub role: Role,
}

fn random(bytes: usize) -> Vec<u8> {
    let mut buffer = vec![0; bytes];
    ring::rand::SystemRandom::new()
        .fill(&mut buffer)
        .expect("the system gives random bytes");
    buffer
}

/// A new password, and the argon2id hash that may be kept of it.
pub fn password() -> (String, String) {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let password: String = random(16)
        .iter()
        .map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()]))
        .collect();
    let salt = SaltString::encode_b64(&random(16)).expect("16 bytes make a salt");
    let hash = Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .expect("default parameters are valid")
        .to_string();
    (password, hash)
}

/// Adds a user, or gives a known one a new password and role; returns the password, which is kept nowhere.
pub fn add(records: &Records, name: &str, role: Role) -> Result<String, RecordsError> {
    let (password, hash) = password();
    let role = serde_json::to_value(role)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default();
    records.write("add a user", |tx| {
        tx.execute("DELETE FROM session WHERE user = ?1", [name])?;
        tx.execute(
            "INSERT INTO user VALUES (?1, ?2, ?3) ON CONFLICT(name) DO UPDATE SET role = ?2, password = ?3",
            params![name, role, hash],
        )
    })?;
    Ok(password)
}

/// Checks a password and opens a session; returns its token, of which only the hash is kept. Slow on purpose.
pub fn sign_in(
    records: &Records,
    name: &str,
    password: &str,
    now: Timestamp,
) -> Result<Option<(String, User)>, RecordsError> {
    let row: Option<(String, String)> = records.write("read a user", |tx| {
        tx.query_row(
            "SELECT role, password FROM user WHERE name = ?1",
            [name],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )
        .optional()
    })?;
    let Some((role, hash)) = row else {
        return Ok(None);
    };
    let is_right = PasswordHash::new(&hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    });
    let Some(role) = role.parse().ok().filter(|_| is_right) else {
        return Ok(None);
    };
    let token = hex(&random(32));
    records.write("open a session", |tx| {
        tx.execute(
            "DELETE FROM session WHERE expires_at < ?1",
            [now.as_millis()],
        )?;
        tx.execute(
            "INSERT INTO session VALUES (?1, ?2, ?3)",
            params![sha256(token.as_bytes()), name, now.as_millis() + SESSION_MS],
        )
    })?;
    Ok(Some((
        token,
        User {
            name: name.to_owned(),
            role,
        },
    )))
}

/// The user of a session token.
pub fn session(
    records: &Records,
    token: &str,
    now: Timestamp,
) -> Result<Option<User>, RecordsError> {
    let row: Option<(String, String)> = records.write("read a session", |tx| {
        tx.query_row(
            "SELECT u.name, u.role FROM session s JOIN user u ON u.name = s.user WHERE s.token = ?1 AND s.expires_at > ?2",
            params![sha256(token.as_bytes()), now.as_millis()],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )
        .optional()
    })?;
    Ok(row.and_then(|(name, role)| {
        Some(User {
            name,
            role: role.parse().ok()?,
        })
    }))
}

/// Ends a session.
pub fn sign_out(records: &Records, token: &str) -> Result<(), RecordsError> {
    records
        .write("end a session", |tx| {
            tx.execute(
                "DELETE FROM session WHERE token = ?1",
                [sha256(token.as_bytes())],
            )
        })
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inspector_sets_aside_a_reviewer_also_confirms_and_an_administrator_decides_nothing() {
        use Act as A;
        assert_eq!(
            Role::Inspector.acts(),
            [A::TakeUp, A::SetAside, A::NoteObjection, A::AskUnmasking]
        );
        let of_admin = [A::KeepAgents, A::ControlDevices];
        let others = A::ALL.into_iter().filter(|act| !of_admin.contains(act));
        assert_eq!(Role::Reviewer.acts(), others.collect::<Vec<_>>());
        assert_eq!(Role::Admin.acts(), of_admin);
    }

    #[test]
    fn only_the_generated_password_opens_a_session_and_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("records.db")).unwrap();
        let password = add(&records, "li", Role::Reviewer).unwrap();
        let now = Timestamp::from_millis(1_000_000);
        assert!(sign_in(&records, "li", "admin", now).unwrap().is_none());
        let (token, user) = sign_in(&records, "li", &password, now).unwrap().unwrap();
        assert_eq!(session(&records, &token, now).unwrap(), Some(user));
        assert_eq!(
            session(&records, &token, now.plus_millis(SESSION_MS)).unwrap(),
            None
        );
        sign_out(&records, &token).unwrap();
        assert_eq!(session(&records, &token, now).unwrap(), None);
    }
}
