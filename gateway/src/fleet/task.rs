//! Watches the records, notes who was seen, asks for renewals that are due and answers them, and tells agents what they are to
//! run.

use super::{Fleet, desired, lock, store};
use crate::{
    broker::{AgentEvent, Identity, Role},
    certificate::Certificate,
    ingest::Ingest,
    post::{Post, command_topic},
    store::RecordsError,
};
use contract::{
    AgentId, SiteId, Timestamp,
    configuration::{Desired, Outcome},
    payload,
};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};

/// How long a change of the records may go unnoticed.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// A renewal that is due is asked for again after this.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked at who is to run something else.
const WANT_EVERY: Duration = Duration::from_secs(1);
/// How often the gateway's own certificate is looked at, and what is old is forgotten.
const KEEP_EVERY: Duration = Duration::from_secs(3600);
const DAY_MS: i64 = 86_400_000;
/// How long a code that nobody used is told apart from one that never was.
const CODES_KEPT_DAYS: i64 = 30;

/// What happened and is not yet in the records.
#[derive(Default)]
struct Pass {
    seen: Vec<(Certificate, Timestamp)>,
    requests: Vec<(Certificate, String)>,
    became: Vec<(AgentId, Outcome)>,
}

/// Runs until told to stop.
pub async fn run(
    fleet: Fleet,
    ingest: Ingest,
    post: Post,
    mut events: mpsc::Receiver<AgentEvent>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut ticks = interval(WATCH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pass = Pass::default();
    let mut asked = HashMap::new();
    let mut told = HashMap::new();
    let mut looked_at: Option<Instant> = None;
    let mut kept_at: Option<Instant> = None;
    let mut failing = false;
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            Some(event) = events.recv() => {
                fleet.notice(event, &mut pass);
                continue;
            }
            _ = ticks.tick() => {}
        }
        let is_time = kept_at.is_none_or(|at| at.elapsed() >= KEEP_EVERY);
        let (work, working) = (std::mem::take(&mut pass), fleet.clone());
        let step = move || -> Result<(), RecordsError> {
            working.step(&work)?;
            if is_time { working.keep() } else { Ok(()) }
        };
        match tokio::task::spawn_blocking(step).await {
            Ok(Ok(())) => {
                failing = false;
                kept_at = kept_at
                    .filter(|_| !is_time)
                    .or_else(|| Some(Instant::now()));
            }
            Ok(Err(error)) if !failing => {
                failing = true;
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    error,
                    "the records of agents cannot be read or written; trying again"
                );
            }
            Ok(Err(_)) => {}
            Err(error) => {
                tracing::error!(%error, "keeping the agents ended by a panic; trying again")
            }
        }
        fleet.ask(&mut asked, Timestamp::now());
        if looked_at.is_none_or(|at| at.elapsed() >= WANT_EVERY) {
            looked_at = Some(Instant::now());
            let (due, became) = fleet.look(&ingest, &mut told);
            pass.became = became;
            for (site, agent, desired) in due {
                let body = payload::configuration_command(Timestamp::now(), &desired);
                // Without room: the next time.
                let _full = post.command(site, agent, body);
            }
        }
    }
}

/// When an agent was last told of which version.
type Told = HashMap<AgentId, (Instant, u64)>;
/// A site, an agent of it, and what it is to run.
type Due = (SiteId, AgentId, Desired);

impl Fleet {
    fn notice(&self, event: AgentEvent, pass: &mut Pass) {
        let now = Timestamp::now();
        match event {
            AgentEvent::Entered { certificate } => pass.seen.push((certificate, now)),
            AgentEvent::Request { certificate, csr } => pass.requests.push((certificate, csr)),
            AgentEvent::TookOver { name, peer, from } => {
                let mut noticed = lock(&self.0.noticed);
                let agent = noticed.entry(name.clone()).or_default();
                if agent.took_over(peer.clone(), from.clone(), now) {
                    tracing::error!(
                        agent = name,
                        peer,
                        from,
                        "two boxes seem to use one identity: connections take over from each other again and again; revoke the agent and enrol the right box anew"
                    );
                }
            }
            AgentEvent::Refused {
                certificate,
                peer,
                refusal,
            } => {
                let name = certificate.name;
                // What is not known could be many names; those are in the log alone.
                if refusal != crate::broker::Refusal::Unknown {
                    let mut noticed = lock(&self.0.noticed);
                    let agent = noticed.entry(name).or_default();
                    agent.refused += 1;
                    agent.refusal = Some((now, peer, refusal));
                }
            }
        }
    }

    /// Everything that waits for the disk.
    fn step(&self, pass: &Pass) -> Result<(), RecordsError> {
        if !pass.seen.is_empty() {
            store::seen(&self.0.records, &pass.seen)?;
        }
        for (agent, outcome) in &pass.became {
            desired::became(&self.0.records, agent, outcome, Timestamp::now())?;
            let mut wanted = lock(&self.0.wanted);
            wanted.became.insert(agent.clone(), outcome.clone());
        }
        self.refresh()?;
        for (certificate, csr) in &pass.requests {
            match self.renew(certificate, csr, Timestamp::now()) {
                Ok((agent, site, pem)) => {
                    let body = payload::certificate_command(Timestamp::now(), &pem);
                    self.command(site, agent, body);
                }
                Err(error) => {
                    let agent = certificate.name.as_str();
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(agent, error, "a certificate request was not answered");
                }
            }
        }
        Ok(())
    }

    /// Asks those whose certificates are in their last third. Nobody is asked twice within [`ASK_EVERY`].
    fn ask(&self, asked: &mut HashMap<String, Instant>, now: Timestamp) {
        if !self.0.plan.ca.as_ref().is_some_and(|ca| ca.is_there()) {
            return;
        }
        asked.retain(|_, at| at.elapsed() < ASK_EVERY);
        let is_due = |identity: &Identity| {
            let certificate = identity.certificate.as_ref();
            certificate.is_some_and(|c| c.is_due(now)) && !asked.contains_key(&identity.name)
        };
        let named = |identity: Identity| {
            let Role::Agent { site } = &identity.role else {
                return None;
            };
            let agent = AgentId::new(identity.name.as_str()).ok()?;
            Some((SiteId::new(site.as_str()).ok()?, agent))
        };
        let due = self.0.broker.identities(is_due);
        let due: Vec<_> = due.into_iter().filter_map(named).collect();
        for (site, agent) in due {
            asked.insert(agent.to_string(), Instant::now());
            self.command(site, agent, payload::renew_command(now));
        }
    }

    /// Who has not heard of what it is to run, and what became of it according to those who have. Nobody is told twice
    /// within [`ASK_EVERY`].
    fn look(&self, ingest: &Ingest, told: &mut Told) -> (Vec<Due>, Vec<(AgentId, Outcome)>) {
        told.retain(|_, (at, _)| at.elapsed() < ASK_EVERY);
        let wanted = lock(&self.0.wanted);
        let (mut due, mut became) = (Vec::new(), Vec::new());
        if wanted.newest.is_empty() {
            return (due, became);
        }
        for heard in ingest.heard() {
            let Some(version) = wanted.newest.get(&heard.agent) else {
                continue;
            };
            let digest = version.desired.digest();
            let report = heard.status.as_ref();
            let report = report.and_then(|(_, status)| desired::report(status));
            let newest = report.and_then(|report| report.newest);
            let is_heard = newest.as_ref().is_some_and(|o| o.digest == digest);
            if let Some(outcome) = newest
                && wanted.became.get(&heard.agent) != Some(&outcome)
            {
                became.push((heard.agent.clone(), outcome));
            }
            let number = version.desired.version;
            let is_told = told.get(&heard.agent).is_some_and(|(_, n)| *n == number);
            if heard.is_online && !is_heard && !is_told {
                told.insert(heard.agent.clone(), (Instant::now(), number));
                due.push((heard.site, heard.agent, version.desired.clone()));
            }
        }
        (due, became)
    }

    fn command(&self, site: SiteId, agent: AgentId, body: Vec<u8>) {
        let topic = command_topic(site, agent);
        if !self.0.broker.publish(&topic.to_string(), body) {
            tracing::warn!(%topic, "an agent could not be told; it is told again");
        }
    }

    /// The gateway's own certificate, and what is old.
    fn keep(&self) -> Result<(), RecordsError> {
        let now = Timestamp::now();
        let days = |days: i64| now.plus_millis(-days * DAY_MS);
        let certificates = days(self.0.plan.expired_days_max + 1);
        store::forget(&self.0.records, certificates, days(CODES_KEPT_DAYS))?;
        let Some(ca) = self.0.plan.ca.as_ref().filter(|ca| ca.is_there()) else {
            return Ok(());
        };
        match ca.renew_server(now) {
            Ok(false) => {}
            Ok(true) => match self.0.broker.reload_certificate() {
                Ok(()) => tracing::info!("the gateway's own certificate was signed again"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the gateway's new certificate cannot be used");
                }
            },
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    error,
                    "the gateway's own certificate cannot be signed again"
                );
            }
        }
        Ok(())
    }
}
