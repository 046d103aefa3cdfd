//! Which certificate a connection comes with, and what becomes of a new one.
//!
//! A new certificate is tried on the next connection. If the gateway accepts it, it takes the place of the old one; if not,
//! the old one is tried, and when that is accepted the new one is forgotten: the gateway asks again.

use crate::{
    identity::{Files, IdentityError, Pair},
    tls,
};
use rustls::{ClientConfig, pki_types::ServerName};
use std::sync::Arc;

/// The certificate of the agent through its connections.
#[derive(Debug)]
pub struct Renewal {
    files: Files,
    name: Option<ServerName<'static>>,
    shown: Pair,
}

impl Renewal {
    /// With these files; `name` is looked for in the gateway's certificate instead of the host.
    pub fn new(files: Files, name: Option<ServerName<'static>>) -> Renewal {
        Renewal {
            files,
            name,
            shown: Pair::Current,
        }
    }

    /// For the next connection: a new certificate if there is one, and the two in turn while neither is accepted.
    pub fn next(&mut self) -> Result<Arc<ClientConfig>, IdentityError> {
        self.files.settle()?;
        self.shown = match (self.files.has_next(), self.shown) {
            (true, Pair::Current) => Pair::Next,
            _ => Pair::Current,
        };
        tls::client_config(&self.files, self.shown, self.name.as_ref())
    }

    /// The gateway has accepted what was shown. True if that was a new certificate.
    pub fn accepted(&mut self) -> Result<bool, IdentityError> {
        match self.shown {
            Pair::Next => {
                self.shown = Pair::Current;
                self.files.replace().map(|()| true)
            }
            Pair::Current if self.files.has_next() => self.files.discard().map(|()| false),
            Pair::Current => Ok(false),
        }
    }

    /// The certificate request, PEM.
    pub fn request(&self) -> Result<String, IdentityError> {
        self.files.request()
    }

    /// Keeps a new certificate for the next connection.
    pub fn keep(&self, certificate: &str) -> Result<(), IdentityError> {
        self.files.keep(certificate)
    }
}
