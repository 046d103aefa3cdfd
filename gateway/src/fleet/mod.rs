//! Agents: how one is enrolled with a one-time code, renews its certificate, and is revoked.
//!
//! Promise: a code works once and for a short time, and is kept only as a derived key; a key never leaves its box; a
//! certificate stays good until its successor was shown; a revocation, also by a command beside the running gateway, ends
//! the connection within a second; an agent that was away for months comes in with the certificate it has and renews it.
//! Time is the gateway's alone: it says when a renewal is due, so an agent's clock may be anything.
//! Not promised: anything for agents of a broker or an authority that is not ours.
//!
//! Read in this order: `decide`, `store`, `enrol`, `desired`, `task`.

pub mod decide; // what a code allows, who tried too often, whether two boxes share an identity
pub mod desired; // what each agent is to run, and what became of it
pub mod enrol; // a code becomes a certificate, a certificate its successor
pub mod store; // in records.db
mod task; // watches, asks, renews

pub use store::{Revocation, revocation};
pub use task::run;

use crate::{
    broker::{self, Broker, Certificates, Client, Role, Standing},
    ca::CaFolder,
    registry::Registry,
    store::{Records, RecordsError},
};
use contract::{AgentId, SiteId, Timestamp, configuration::Outcome, problems::Problems};
use decide::{Noticed, Tries};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The `[fleet]` part of the configuration.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long an agent's certificate is valid, in days. It is renewed when a third of that is left.
    pub certificate_days: u32,
    /// `host:port` under which agents reach MQTT with TLS; left out, the host they enrolled at and the port of `listen_tls`.
    pub address: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            certificate_days: 90,
            address: None,
        }
    }
}

/// The configuration, checked.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The authority that signs, if agents are to be recognised by ours.
    pub ca: Option<CaFolder>,
    /// How long an agent's certificate is valid, in days.
    pub certificate_days: i64,
    /// How long one that ran out still lets its agent in, in days.
    pub expired_days_max: i64,
    /// What agents are told instead of the host they asked.
    pub host: Option<String>,
    /// The port they are told; none: that of the listener.
    pub port: Option<u16>,
}

impl Config {
    /// Checks everything. `ca` is the gateway's own authority, if the listener trusts it.
    pub fn resolve(
        self,
        ca: Option<CaFolder>,
        expired_days_max: u32,
        problems: &mut Problems,
    ) -> Plan {
        if !(1..=825).contains(&self.certificate_days) {
            problems.add(
                "fleet.certificate_days",
                format!("{} is not between 1 and 825", self.certificate_days),
                "leave it out for 90",
            );
        }
        let split = self.address.as_deref().map(|address| {
            let (host, port) = address.rsplit_once(':')?;
            Some((host.to_owned(), port.parse::<u16>().ok()?)).filter(|(host, _)| !host.is_empty())
        });
        if let Some(None) = split {
            problems.add(
                "fleet.address",
                "it is not an address",
                "write host:port, for example \"gateway.example.org:8883\"",
            );
        }
        let (host, port) = split.flatten().unzip();
        Plan {
            ca,
            certificate_days: i64::from(self.certificate_days),
            expired_days_max: i64::from(expired_days_max),
            host,
            port,
        }
    }
}

/// The agents of a running gateway. Clones share it.
#[derive(Clone)]
pub struct Fleet(Arc<Inner>);

struct Inner {
    records: Records,
    registry: Arc<Registry>,
    broker: Broker,
    plan: Plan,
    port: Option<u16>,
    version: Mutex<i64>,
    tries: Mutex<Tries>,
    noticed: Mutex<HashMap<String, Noticed>>,
    wanted: Mutex<Wanted>,
    wrong_codes: AtomicU64,
}

/// What agents are to run, as far as the records know.
#[derive(Debug, Default)]
struct Wanted {
    /// The newest version of each agent.
    newest: BTreeMap<AgentId, desired::Version>,
    /// What each agent said last became of a version; what is in here is in the records if the version is ours.
    became: HashMap<AgentId, Outcome>,
}

impl Wanted {
    fn read(records: &Records) -> Result<Wanted, RecordsError> {
        let newest = desired::newest(records)?;
        let mut became = HashMap::new();
        for agent in newest.keys() {
            let outcomes = desired::outcomes(records, Some(agent))?.into_iter();
            let last = outcomes.max_by_key(|outcome| outcome.version);
            became.extend(last.map(|outcome| (agent.clone(), outcome)));
        }
        Ok(Wanted { newest, became })
    }
}

/// Who may connect, by name: the agents of the registry and those that were enrolled.
pub fn clients(
    records: &Records,
    registry: &Registry,
) -> Result<HashMap<String, Client>, RecordsError> {
    let mut clients: HashMap<String, Client> = HashMap::new();
    let client = |site: &SiteId, password_hash| Client {
        role: Role::Agent {
            site: site.to_string(),
        },
        password_hash,
        certificates: Certificates::default(),
    };
    for agent in &registry.agents {
        let new = client(&agent.site, agent.password_hash.clone());
        clients.insert(agent.id.to_string(), new);
    }
    for agent in store::agents(records)? {
        let entry = clients.entry(agent.name);
        let entry = entry.or_insert_with(|| client(&agent.site, None));
        entry.certificates.is_revoked = agent.revoked_at.is_some();
    }
    for issued in store::certificates(records)? {
        if let Some(client) = clients.get_mut(&issued.certificate.name) {
            let listed = &mut client.certificates.listed;
            listed.insert(issued.certificate.fingerprint, issued.standing);
        }
    }
    Ok(clients)
}

/// The site of a known agent: of the registry, or where it was or is to be enrolled.
pub fn site_of(
    records: &Records,
    registry: &Registry,
    agent: &AgentId,
) -> Result<Option<SiteId>, RecordsError> {
    if let Some(known) = registry.agents.iter().find(|a| a.id == *agent) {
        return Ok(Some(known.site.clone()));
    }
    let enrolled = store::agents(records)?;
    if let Some(known) = enrolled.into_iter().find(|a| a.name == agent.as_str()) {
        return Ok(Some(known.site));
    }
    let codes = store::codes(records)?;
    let found = codes.into_iter().find(|code| code.agent == *agent);
    Ok(found.map(|code| code.site))
}

/// What is known of one agent.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its site.
    pub site: SiteId,
    /// It is in the registry.
    pub is_registered: bool,
    /// When it was enrolled last.
    pub enrolled_at: Option<Timestamp>,
    /// When it was revoked last.
    pub revoked_at: Option<Timestamp>,
    /// Its certificates, the newest first.
    pub certificates: Vec<store::Issued>,
    /// Its latest code.
    pub code: Option<decide::Pending>,
    /// It is connected now.
    pub is_connected: bool,
    /// What was noticed of it since the start.
    pub noticed: Noticed,
}

impl Known {
    /// True if it was revoked and nothing lets it in.
    pub fn is_revoked(&self) -> bool {
        self.revoked_at.is_some() && self.good().is_none()
    }

    /// Its newest good certificate.
    pub fn good(&self) -> Option<&store::Issued> {
        let mut certificates = self.certificates.iter();
        certificates.find(|issued| issued.standing == Standing::Good)
    }
}

impl Fleet {
    /// The fleet of a running broker.
    pub fn new(
        records: Records,
        registry: Arc<Registry>,
        broker: &broker::Running,
        plan: Plan,
    ) -> Result<Fleet, RecordsError> {
        let version = store::version(&records)?;
        let wanted = Wanted::read(&records)?;
        Ok(Fleet(Arc::new(Inner {
            records,
            registry,
            broker: broker.broker(),
            port: plan
                .port
                .or_else(|| broker.local_addr_tls().map(|address| address.port())),
            plan,
            version: Mutex::new(version),
            tries: Mutex::default(),
            noticed: Mutex::default(),
            wanted: Mutex::new(wanted),
            wrong_codes: AtomicU64::new(0),
        })))
    }

    /// Lets in whom the records let in, and nobody else, if they changed since the last time.
    pub fn refresh(&self) -> Result<(), RecordsError> {
        let mut version = lock(&self.0.version);
        let now = store::version(&self.0.records)?;
        if *version != now {
            let clients = clients(&self.0.records, &self.0.registry)?;
            self.0.broker.admit(clients);
            *lock(&self.0.wanted) = Wanted::read(&self.0.records)?;
            *version = now;
        }
        Ok(())
    }

    /// Takes back everything an agent has. False if there is no such agent.
    pub fn revoke(&self, agent: &AgentId, by: &str, reason: &str) -> Result<bool, RecordsError> {
        let Some(site) = site_of(&self.0.records, &self.0.registry, agent)? else {
            return Ok(false);
        };
        store::revoke(&self.0.records, agent, &site, by, reason, Timestamp::now())?;
        self.refresh()?;
        Ok(true)
    }

    /// Keeps a new version of what an agent is to run. `None` if there is no such agent.
    pub fn propose(
        &self,
        agent: &AgentId,
        new: desired::New,
        by: &str,
    ) -> Result<Option<desired::Version>, desired::ProposeError> {
        if site_of(&self.0.records, &self.0.registry, agent)?.is_none() {
            return Ok(None);
        }
        let version = desired::propose(&self.0.records, agent, new, by, Timestamp::now())?;
        self.refresh()?;
        Ok(Some(version))
    }

    /// Whether there is such an agent.
    pub fn has(&self, agent: &AgentId) -> Result<bool, RecordsError> {
        site_of(&self.0.records, &self.0.registry, agent).map(|site| site.is_some())
    }

    /// All versions of what an agent is to run, the newest first, and what became of them.
    pub fn versions(
        &self,
        agent: &AgentId,
    ) -> Result<(Vec<desired::Version>, Vec<Outcome>), RecordsError> {
        let versions = desired::versions(&self.0.records, agent)?;
        Ok((versions, desired::outcomes(&self.0.records, Some(agent))?))
    }

    /// The version that an agent is to run, if any, and how it stands, from what it says of itself.
    pub fn standing(
        &self,
        agent: &AgentId,
        status: Option<&serde_json::Value>,
    ) -> (Option<u64>, desired::Standing) {
        let wanted = lock(&self.0.wanted);
        let version = wanted.newest.get(agent).map(|version| &version.desired);
        let report = status.and_then(desired::report);
        let standing = desired::standing(version, report.as_ref(), wanted.became.get(agent));
        (version.map(|version| version.version), standing)
    }

    /// All agents: of the registry, enrolled, or with a code, by name.
    pub fn known(&self) -> Result<Vec<Known>, RecordsError> {
        let mut known = known(&self.0.records, &self.0.registry)?;
        let noticed = lock(&self.0.noticed);
        let connected = self.0.broker.identities(|_| true);
        for agent in &mut known {
            agent.noticed = noticed.get(&agent.name).cloned().unwrap_or_default();
            agent.is_connected = connected.iter().any(|c| c.name == agent.name);
        }
        Ok(known)
    }

    /// Codes that were wrong or no longer good, since the start.
    pub fn wrong_codes(&self) -> u64 {
        self.0.wrong_codes.load(Ordering::Relaxed)
    }

    /// Events about agents that nobody took in time, since the start.
    pub fn events_dropped(&self) -> u64 {
        self.0.broker.events_dropped()
    }
}

/// All agents, as far as the records know.
pub fn known(records: &Records, registry: &Registry) -> Result<Vec<Known>, RecordsError> {
    let mut known: HashMap<String, Known> = HashMap::new();
    let new = |name: &str, site: &SiteId, is_registered| Known {
        name: name.to_owned(),
        site: site.clone(),
        is_registered,
        enrolled_at: None,
        revoked_at: None,
        certificates: Vec::new(),
        code: None,
        is_connected: false,
        noticed: Noticed::default(),
    };
    for agent in &registry.agents {
        let name = agent.id.as_str();
        known.insert(name.to_owned(), new(name, &agent.site, true));
    }
    for agent in store::agents(records)? {
        let entry = known.entry(agent.name.clone());
        let entry = entry.or_insert_with(|| new(&agent.name, &agent.site, false));
        entry.enrolled_at = agent.enrolled_at;
        entry.revoked_at = agent.revoked_at;
    }
    for code in store::codes(records)? {
        let name = code.agent.as_str();
        let entry = known.entry(name.to_owned());
        let entry = entry.or_insert_with(|| new(name, &code.site, false));
        entry.code.get_or_insert(code);
    }
    for issued in store::certificates(records)? {
        if let Some(agent) = known.get_mut(&issued.certificate.name) {
            agent.certificates.push(issued);
        }
    }
    let mut known: Vec<Known> = known.into_values().collect();
    known.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(known)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
