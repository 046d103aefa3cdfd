//! Who may connect, and who may say and hear what.
//!
//! A TLS client is who its certificate's common name says, unless that certificate is known to be no longer good. On a
//! plain listener a client gives its name and password; anonymous clients are allowed only where the configuration says so.

use super::topic::covers;
use crate::certificate::Certificate;
use argon2::password_hash::PasswordHash;
use argon2::{Argon2, PasswordVerifier};
use contract::Timestamp;
use ring::digest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::Semaphore;

/// What a client may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// An edge agent (or plain device) of a site.
    Agent {
        /// The site.
        site: String,
    },
    /// Reads everything, says nothing.
    Observer,
    /// May do everything but shared subscriptions: for tests and the loopback.
    Anonymous,
}

/// Who a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name: agent id, user name, or `anonymous`.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The certificate it came with.
    pub certificate: Option<Certificate>,
}

/// A client that may connect.
#[derive(Debug, Clone)]
pub struct Client {
    /// What it may do.
    pub role: Role,
    /// Argon2 hash (PHC text); without one the client can come with its certificate only.
    pub password_hash: Option<String>,
    /// What is known of its certificates.
    pub certificates: Certificates,
}

/// What is known of a client's certificates.
#[derive(Debug, Clone, Default)]
pub struct Certificates {
    /// The client was revoked: nothing that is not listed as good lets it in, a password neither.
    pub is_revoked: bool,
    /// How it stands with each, by fingerprint.
    pub listed: HashMap<String, Standing>,
}

/// How it stands with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may be used.
    Good,
    /// Its holder has shown a newer one.
    Superseded,
    /// A person took it back.
    Revoked,
}

/// Why a client is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such client.
    #[error("the certificate's common name is not a registered client")]
    Unknown,
    /// Taken back.
    #[error("the certificate was revoked")]
    Revoked,
    /// Replaced.
    #[error(
        "the certificate was superseded by a newer one: is this a second box, or one restored from a copy?"
    )]
    Superseded,
    /// It ran out before it was ever seen here.
    #[error("the certificate has run out and was never seen before")]
    Expired,
    /// Name or password.
    #[error("the user name or password is wrong or missing")]
    Password,
}

impl Client {
    /// Whether a certificate of this client, genuine and perhaps run out, lets it in.
    fn admits(&self, certificate: &Certificate, now: Timestamp) -> Result<(), Refusal> {
        match self.certificates.listed.get(&certificate.fingerprint) {
            Some(Standing::Good) => Ok(()),
            Some(Standing::Revoked) => Err(Refusal::Revoked),
            Some(Standing::Superseded) => Err(Refusal::Superseded),
            None if self.certificates.is_revoked => Err(Refusal::Revoked),
            None if certificate.not_after < now => Err(Refusal::Expired),
            None => Ok(()),
        }
    }
}

/// The clients by name. Clones share it; it may be replaced while running.
#[derive(Debug, Clone, Default)]
pub struct Directory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clients: RwLock<HashMap<String, Client>>,
    /// Digests of passwords that were right, so that reconnecting is cheap.
    proven: Mutex<HashMap<String, [u8; 32]>>,
    /// Hashing a password takes memory and time; this many at once.
    hashing: Semaphore,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            clients: RwLock::default(),
            proven: Mutex::default(),
            hashing: Semaphore::new(2),
        }
    }
}

impl Directory {
    /// A directory of these clients.
    pub fn new(clients: HashMap<String, Client>) -> Self {
        let directory = Self::default();
        directory.replace(clients);
        directory
    }

    /// Replaces all clients. Connections that exist keep the role they have.
    pub fn replace(&self, clients: HashMap<String, Client>) {
        *self
            .0
            .clients
            .write()
            .unwrap_or_else(PoisonError::into_inner) = clients;
        self.0
            .proven
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn get(&self, name: &str) -> Option<Client> {
        self.0
            .clients
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    /// The identity of a certificate.
    pub fn by_certificate(
        &self,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<Identity, Refusal> {
        let client = self.get(&certificate.name).ok_or(Refusal::Unknown)?;
        client.admits(certificate, now)?;
        Ok(Identity {
            name: certificate.name.clone(),
            role: client.role,
            certificate: Some(certificate.clone()),
        })
    }

    /// Whether somebody who came in would be let in again.
    pub fn still_admits(&self, identity: &Identity, now: Timestamp) -> bool {
        match (&identity.role, &identity.certificate) {
            (Role::Anonymous, _) => true,
            (_, Some(certificate)) => self.by_certificate(certificate, now).is_ok(),
            (_, None) => self
                .get(&identity.name)
                .is_some_and(|client| !client.certificates.is_revoked),
        }
    }

    /// The identity of a user name, if the password is right.
    pub async fn by_password(&self, name: &str, password: &[u8]) -> Option<Identity> {
        let client = self.get(name).filter(|c| !c.certificates.is_revoked)?;
        let hash = client.password_hash?;
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(hash.as_bytes());
        context.update(password);
        let digest: [u8; 32] = context
            .finish()
            .as_ref()
            .try_into()
            .expect("SHA-256 has 32 bytes");
        let is_proven = {
            let proven = self.0.proven.lock().unwrap_or_else(PoisonError::into_inner);
            proven.get(name) == Some(&digest)
        };
        if !is_proven {
            let _permit = self.0.hashing.acquire().await.ok()?;
            let password = password.to_owned();
            let is_right = tokio::task::spawn_blocking(move || {
                PasswordHash::new(&hash)
                    .is_ok_and(|h| Argon2::default().verify_password(&password, &h).is_ok())
            });
            if !is_right.await.ok()? {
                return None;
            }
            self.0
                .proven
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(name.to_owned(), digest);
        }
        Some(Identity {
            name: name.to_owned(),
            role: client.role,
            certificate: None,
        })
    }
}

impl Identity {
    /// An anonymous client.
    pub fn anonymous() -> Self {
        Self {
            name: "anonymous".into(),
            role: Role::Anonymous,
            certificate: None,
        }
    }

    /// True if `topic` is where this client asks for a new certificate; only who came with one may.
    pub fn asks_at(&self, topic: &str) -> bool {
        let Role::Agent { site } = &self.role else {
            return false;
        };
        self.certificate.is_some() && topic == format!("onedoor/{site}/csr/{}", self.name)
    }

    /// True if it may publish to `topic`; `json_site` is the site a JSON pattern found in the topic.
    pub fn may_publish(&self, topic: &str, json_site: Option<&str>) -> bool {
        match &self.role {
            Role::Anonymous => !topic.starts_with('$'),
            Role::Observer => false,
            Role::Agent { site } => {
                if json_site.is_some_and(|named| named == site) || self.asks_at(topic) {
                    return true;
                }
                let mut levels = topic.split('/');
                levels.next() == Some(contract::topic::NAMESPACE)
                    && levels.next() == Some(site)
                    && levels.next().is_some()
                    && levels.next() == Some(&self.name)
            }
        }
    }

    /// True if it may subscribe to `filter`. Shared subscriptions are refused to everybody before this.
    pub fn may_subscribe(&self, filter: &str) -> bool {
        match &self.role {
            Role::Anonymous | Role::Observer => !filter.starts_with('$'),
            Role::Agent { site } => {
                let name = &self.name;
                covers(&format!("spBv1.0/{site}/NCMD/{name}"), filter)
                    || covers(&format!("spBv1.0/{site}/DCMD/{name}/#"), filter)
                    || covers("spBv1.0/STATE/#", filter)
                    || covers("STATE/#", filter)
                    || covers(&format!("alarm/{site}/#"), filter)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_speaks_only_for_itself_and_its_site() {
        let agent = Identity {
            name: "a1".into(),
            role: Role::Agent { site: "s1".into() },
            certificate: None,
        };
        for (topic, json_site, expected) in [
            ("spBv1.0/s1/NBIRTH/a1", None, true),
            ("spBv1.0/s1/DDATA/a1/d", None, true),
            ("spBv1.0/s1/DDATA/a2/d", None, false),
            ("spBv1.0/s2/NDATA/a1", None, false),
            ("spBv1.0/s1", None, false),
            ("alarm/s1/d/p", None, false),
            ("gw/s1/d/data", Some("s1"), true),
            ("gw/s2/d/data", Some("s2"), false),
        ] {
            assert_eq!(agent.may_publish(topic, json_site), expected, "{topic}");
        }
        assert!(agent.may_subscribe("spBv1.0/s1/NCMD/a1"));
        assert!(agent.may_subscribe("spBv1.0/s1/DCMD/a1/#"));
        assert!(!agent.may_subscribe("spBv1.0/s1/NCMD/+"));
        assert!(!agent.may_subscribe("#"));
    }

    const DAY: i64 = 86_400_000;

    fn certificate(fingerprint: &str) -> Certificate {
        Certificate {
            name: "a1".into(),
            fingerprint: fingerprint.into(),
            not_before: Timestamp::from_millis(0),
            not_after: Timestamp::from_millis(90 * DAY),
            names: Vec::new(),
        }
    }

    fn directory(is_revoked: bool) -> Directory {
        let listed = [
            ("good", Standing::Good),
            ("old", Standing::Superseded),
            ("stolen", Standing::Revoked),
        ];
        let client = Client {
            role: Role::Agent { site: "s1".into() },
            password_hash: None,
            certificates: Certificates {
                is_revoked,
                listed: listed.map(|(name, s)| (name.to_owned(), s)).into(),
            },
        };
        Directory::new(HashMap::from([("a1".to_owned(), client)]))
    }

    #[test]
    fn a_listed_certificate_stands_as_listed_and_a_new_one_must_be_in_date() {
        let (in_date, late) = (
            Timestamp::from_millis(DAY),
            Timestamp::from_millis(270 * DAY),
        );
        for (fingerprint, is_revoked, at, expected) in [
            ("good", false, in_date, None),
            // 180 days offline: known, so it may come in and renew.
            ("good", false, late, None),
            // Enrolled again after a revocation.
            ("good", true, in_date, None),
            ("old", false, in_date, Some(Refusal::Superseded)),
            ("stolen", false, in_date, Some(Refusal::Revoked)),
            // From `gateway ca issue`, never seen before.
            ("new", false, in_date, None),
            ("new", false, late, Some(Refusal::Expired)),
            ("new", true, in_date, Some(Refusal::Revoked)),
        ] {
            let answer = directory(is_revoked).by_certificate(&certificate(fingerprint), at);
            assert_eq!(answer.err(), expected, "{fingerprint} {is_revoked} {at}");
        }
    }

    #[test]
    fn only_who_came_with_a_certificate_may_ask_for_a_new_one_and_for_itself() {
        let now = Timestamp::from_millis(DAY);
        let agent = directory(false)
            .by_certificate(&certificate("good"), now)
            .unwrap();
        assert!(agent.may_publish("onedoor/s1/csr/a1", None));
        assert!(!agent.may_publish("onedoor/s1/csr/a2", None));
        let by_password = Identity {
            certificate: None,
            ..agent
        };
        assert!(!by_password.may_publish("onedoor/s1/csr/a1", None));
    }
}
