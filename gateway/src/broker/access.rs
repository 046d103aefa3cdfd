//! Who may connect, and who may say and hear what.
//!
//! A TLS client is who its certificate's common name says. On a plain listener a client gives its name and
//! password; anonymous clients are allowed only where the configuration says so.

use super::topic::covers;
use argon2::password_hash::PasswordHash;
use argon2::{Argon2, PasswordVerifier};
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
}

/// A client that may connect.
#[derive(Debug, Clone)]
pub struct Client {
    /// What it may do.
    pub role: Role,
    /// Argon2 hash (PHC text); without one the client can come with its certificate only.
    pub password_hash: Option<String>,
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

    /// The identity of a certificate's common name.
    pub fn by_certificate(&self, name: &str) -> Option<Identity> {
        let client = self.get(name)?;
        Some(Identity {
            name: name.to_owned(),
            role: client.role,
        })
    }

    /// The identity of a user name, if the password is right.
    pub async fn by_password(&self, name: &str, password: &[u8]) -> Option<Identity> {
        let client = self.get(name)?;
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
        })
    }
}

impl Identity {
    /// An anonymous client.
    pub fn anonymous() -> Self {
        Self {
            name: "anonymous".into(),
            role: Role::Anonymous,
        }
    }

    /// True if it may publish to `topic`; `json_site` is the site a JSON pattern found in the topic.
    pub fn may_publish(&self, topic: &str, json_site: Option<&str>) -> bool {
        match &self.role {
            Role::Anonymous => !topic.starts_with('$'),
            Role::Observer => false,
            Role::Agent { site } => {
                if json_site.is_some_and(|named| named == site) {
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
}
