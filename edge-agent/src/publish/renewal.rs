//! Which certificate a connection comes with, and what becomes of a new one.
//!
//! A new certificate is tried on the next connection. If the gateway accepts it, it takes the place of the old one; if not,
//! the old one is tried, and when that is accepted the new one is forgotten: the gateway asks again.

use crate::{
    config::Identity,
    identity::{Files, IdentityError, Pair},
    metrics::Metrics,
    tls,
};
use rustls::{ClientConfig, pki_types::ServerName};
use std::{error::Error, sync::Arc};

/// The certificate of the agent through its connections.
#[derive(Debug)]
pub struct Renewal {
    files: Files,
    name: Option<ServerName<'static>>,
    shown: Pair,
    /// Requests and answers that were heard of on this connection.
    heard: (u64, u64),
}

impl Renewal {
    /// Of an agent that comes with a certificate.
    pub fn of(identity: &Identity) -> Option<Renewal> {
        match identity {
            Identity::Certificate { files, name } => Some(Renewal {
                files: files.clone(),
                name: name.clone(),
                shown: Pair::Current,
                heard: (0, 0),
            }),
            Identity::Anonymous | Identity::Password(_) => None,
        }
    }

    /// For the next connection: a new certificate if there is one, and the two in turn while neither is accepted.
    pub fn next_config(&mut self) -> Result<Arc<ClientConfig>, IdentityError> {
        self.heard = (0, 0);
        self.files.settle()?;
        self.shown = match (self.files.has_next(), self.shown) {
            (true, Pair::Current) => Pair::Next,
            _ => Pair::Current,
        };
        tls::client_config(&self.files, self.shown, self.name.as_ref())
    }

    /// The gateway has accepted what was shown.
    pub fn accepted(&mut self, metrics: &Metrics) -> Result<(), IdentityError> {
        let done = match self.shown {
            Pair::Next => self.files.replace(),
            Pair::Current if self.files.has_next() => {
                metrics.renewals_failed.add(1);
                tracing::warn!("the gateway does not accept the agent's new certificate");
                return self.files.discard();
            }
            Pair::Current => return Ok(()),
        };
        match &done {
            Ok(()) => {
                self.shown = Pair::Current;
                metrics.renewals.add(1);
                tracing::info!("the agent's certificate was renewed");
            }
            Err(_) => metrics.renewals_failed.add(1),
        }
        done
    }

    /// The gateway asked `times` times on this connection: the certificate request (PEM), if it is new that it did.
    pub fn asked(&mut self, times: u64, metrics: &Metrics) -> Option<String> {
        if times == self.heard.0 {
            return None;
        }
        self.heard.0 = times;
        let csr = self.files.request();
        csr.map_err(|error| failed(&error, metrics)).ok()
    }

    /// True if a certificate came that is new and is kept: the next connection shows it.
    pub fn answered(&mut self, answer: &Option<(u64, Arc<str>)>, metrics: &Metrics) -> bool {
        let Some((number, certificate)) = answer else {
            return false;
        };
        if *number == self.heard.1 {
            return false;
        }
        self.heard.1 = *number;
        let kept = self.files.keep(certificate);
        kept.map_err(|error| failed(&error, metrics)).is_ok()
    }
}

fn failed(error: &IdentityError, metrics: &Metrics) {
    metrics.renewals_failed.add(1);
    let error = error as &dyn Error;
    tracing::error!(error, "the agent's certificate cannot be renewed");
}
