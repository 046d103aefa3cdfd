//! A code becomes a certificate, and a certificate its successor.

use super::{
    Fleet, Plan,
    decide::{CodeState, Pending},
    lock,
    store::{self, New, Origin},
};
use crate::{
    ca::{CaError, CaFolder, requested_key},
    certificate::Certificate,
    registry::Registry,
    store::{Records, RecordsError},
};
use contract::{
    AgentId, SiteId, Timestamp,
    enrol::{Answer, Code, Request, Sealed},
};
use ring::rand::SecureRandom;
use std::{net::IpAddr, sync::atomic::Ordering, time::Duration};

/// Why there is no code, or no certificate.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The gateway has no authority, or no listener that asks for its certificates.
    #[error(
        "this gateway enrols nobody: set broker.listen_tls without [broker.tls], and run `gateway ca init`"
    )]
    Off,
    /// No such site.
    #[error("there is no site {0} in the registry")]
    Site(SiteId),
    /// The agent is somewhere else.
    #[error("agent {agent} belongs to site {site}")]
    Elsewhere {
        /// Which agent.
        agent: AgentId,
        /// Where it is.
        site: SiteId,
    },
    /// Too many wrong codes from this address.
    #[error("too many wrong codes from this address; wait a minute")]
    TooMany,
    /// No such code, or the seal was not made with it.
    #[error("the code is not known here")]
    Unknown,
    /// It was used.
    #[error("the code was used at {0}")]
    Used(Timestamp),
    /// It ran out.
    #[error("the code ran out at {0}")]
    Expired(Timestamp),
    /// A renewal that is not due, or of a certificate that is no longer good.
    #[error("nothing is to be renewed")]
    NotDue,
    /// The authority cannot sign.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The records fail.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// Makes a one-time code for an agent of a site.
pub fn add(
    records: &Records,
    registry: &Registry,
    plan: &Plan,
    (agent, site): (&AgentId, &SiteId),
    valid: Duration,
    by: &str,
    now: Timestamp,
) -> Result<(Code, Pending), EnrolError> {
    authority(plan)?;
    if registry.site(site).is_none() {
        return Err(EnrolError::Site(site.clone()));
    }
    if let Some(known) = registry.agents.iter().find(|a| a.id == *agent)
        && known.site != *site
    {
        return Err(EnrolError::Elsewhere {
            agent: agent.clone(),
            site: known.site.clone(),
        });
    }
    let mut random = [0; 19];
    ring::rand::SystemRandom::new()
        .fill(&mut random)
        .expect("the system gives random bytes");
    let code = Code::from_random(random);
    let secret = code.secret();
    let millis = i64::try_from(valid.as_millis()).unwrap_or(i64::MAX);
    let pending = Pending {
        id: secret.id(),
        agent: agent.clone(),
        site: site.clone(),
        secret,
        made_by: by.to_owned(),
        made_at: now,
        valid_to: now.plus_millis(millis),
        used_at: None,
        public_key: None,
        wrong: 0,
    };
    store::add_code(records, &pending)?;
    Ok((code, pending))
}

fn authority(plan: &Plan) -> Result<&CaFolder, EnrolError> {
    let ca = plan.ca.as_ref().filter(|ca| ca.is_there());
    ca.ok_or(EnrolError::Off)
}

impl Fleet {
    /// Makes a one-time code for an agent of a site.
    pub fn add(
        &self,
        agent: &AgentId,
        site: &SiteId,
        valid: Duration,
        by: &str,
    ) -> Result<(Code, Pending), EnrolError> {
        let inner = &self.0;
        let (whom, now) = ((agent, site), Timestamp::now());
        add(
            &inner.records,
            &inner.registry,
            &inner.plan,
            whom,
            valid,
            by,
            now,
        )
    }

    /// Answers a request with a certificate; the code is used up. The same request again gets the same certificate.
    pub fn enrol(
        &self,
        request: &Request,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Sealed, EnrolError> {
        if !lock(&self.0.tries).may(from, now) {
            return Err(EnrolError::TooMany);
        }
        let enrolled = self.enrol_once(request, now);
        if let Err(error) = &enrolled
            && matches!(
                error,
                EnrolError::Unknown | EnrolError::Used(_) | EnrolError::Expired(_)
            )
        {
            lock(&self.0.tries).wrong(from, now);
            self.0.wrong_codes.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%from, %error, "nobody was enrolled");
        }
        enrolled
    }

    fn enrol_once(&self, request: &Request, now: Timestamp) -> Result<Sealed, EnrolError> {
        let inner = &self.0;
        let (ca, port) = (authority(&inner.plan)?, inner.port.ok_or(EnrolError::Off)?);
        let code = store::find_code(&inner.records, &request.code)?.ok_or(EnrolError::Unknown)?;
        if !code.secret.is_of_request(&request.csr, &request.seal) {
            store::wrong_seal(&inner.records, &code.id)?;
            return Err(EnrolError::Unknown);
        }
        let public_key = requested_key(&request.csr)?;
        let repeated = match code.is_repeat(&public_key, now) {
            true => store::issued_for(&inner.records, &code.agent, &public_key)?,
            false => None,
        };
        let certificate = match repeated {
            Some(certificate) => certificate,
            None => self.use_up(ca, &code, &request.csr, &public_key, now)?,
        };
        let answer = Answer {
            agent: code.agent.clone(),
            site: code.site.clone(),
            authority: ca.authority_pem()?,
            certificate,
            host: inner.plan.host.clone(),
            port,
        };
        let answer = serde_json::to_string(&answer).expect("an answer is always JSON");
        let seal = code.secret.seal_answer(&request.csr, &answer);
        Ok(Sealed { answer, seal })
    }

    fn use_up(
        &self,
        ca: &CaFolder,
        code: &Pending,
        csr: &str,
        public_key: &str,
        now: Timestamp,
    ) -> Result<String, EnrolError> {
        match code.state(now) {
            CodeState::Pending => {}
            CodeState::Used => return Err(EnrolError::Used(code.used_at.unwrap_or(now))),
            CodeState::Expired => return Err(EnrolError::Expired(code.valid_to)),
        }
        let pem = ca.answer(&code.agent, csr, self.0.plan.certificate_days, now)?;
        let certificate = Certificate::from_pem(&pem).ok_or(CaError::Request)?;
        let new = New {
            certificate: &certificate,
            pem: &pem,
            public_key,
            origin: Origin::Code,
        };
        if !store::enrol(&self.0.records, code, &new, now)? {
            return Err(EnrolError::Used(now));
        }
        self.refresh()?;
        tracing::info!(agent = %code.agent, site = %code.site, "an agent was enrolled");
        Ok(pem)
    }

    /// The certificate (PEM) that follows `current`, which is the one its agent is connected with. Asked again with the
    /// same key it is the same certificate.
    pub(super) fn renew(
        &self,
        current: &Certificate,
        csr: &str,
        now: Timestamp,
    ) -> Result<(AgentId, SiteId, String), EnrolError> {
        let inner = &self.0;
        let ca = authority(&inner.plan)?;
        let agent = AgentId::new(current.name.as_str()).map_err(|_| EnrolError::Unknown)?;
        let site = super::site_of(&inner.records, &inner.registry, &agent)?;
        let site = site.ok_or(EnrolError::Unknown)?;
        let public_key = requested_key(csr)?;
        if !current.is_due(now) {
            return Err(EnrolError::NotDue);
        }
        if let Some(pem) = store::issued_for(&inner.records, &agent, &public_key)? {
            return Ok((agent, site, pem));
        }
        let pem = ca.answer(&agent, csr, inner.plan.certificate_days, now)?;
        let certificate = Certificate::from_pem(&pem).ok_or(CaError::Request)?;
        let new = New {
            certificate: &certificate,
            pem: &pem,
            public_key: &public_key,
            origin: Origin::Renewal,
        };
        store::renewed(&inner.records, &new, now)?;
        self.refresh()?;
        tracing::info!(%agent, not_after = %certificate.not_after, "a certificate was renewed");
        Ok((agent, site, pem))
    }
}
