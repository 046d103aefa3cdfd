//! Agents: who they are, by which certificate, and what is odd about them.

use crate::{
    broker::Refusal,
    detect::rule::Text,
    fleet::{Known, decide::CodeState, store::Origin},
};
use contract::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request to be enrolled; see `contract::enrol` for its seal.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Enroll {
    /// Names the one-time code without giving it away.
    pub code: String,
    /// Certificate request (PKCS #10), PEM.
    pub csr: String,
    /// Seal of the request, keyed by the code, hexadecimal.
    pub seal: String,
}

/// The answer to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Enrolled {
    /// JSON text: agent, site, authority, certificate, MQTT host and port.
    pub answer: String,
    /// Seal of the answer, keyed by the code, hexadecimal.
    pub seal: String,
}

/// Which agent a code is for.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AddAgent {
    /// Its name.
    pub agent: String,
    /// Its site.
    pub site: String,
    /// How long the code may be used; 15 minutes if left out.
    pub valid_minutes: Option<u32>,
}

/// A one-time code. It is shown here and never again.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeView {
    /// The code, in groups.
    pub code: String,
    /// Until when it may be used.
    pub valid_to: i64,
}

/// Why an agent is revoked.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Revoke {
    /// Why; for the history.
    pub reason: String,
}

/// All agents.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentsView {
    /// The gateway's time.
    pub now: i64,
    /// By name.
    pub agents: Vec<AgentView>,
    /// Codes that were wrong, used or expired, since the start.
    pub wrong_codes: u64,
    /// Events about agents that were dropped since the start because too many came at once.
    pub events_dropped: u64,
}

/// How it stands with an agent's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentStanding {
    /// It has a code and was never here.
    Waiting,
    /// It may come in.
    Good,
    /// A person took everything back.
    Revoked,
}

/// An agent.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentView {
    /// Its name.
    pub agent: String,
    /// Its site's id.
    pub site: String,
    /// Its site's name; `None` if the registry does not know the site.
    pub site_name: Option<Text>,
    /// It is in the registry.
    pub is_registered: bool,
    /// How it stands.
    pub standing: AgentStanding,
    /// It is connected now.
    pub is_connected: bool,
    /// When it came in last with a certificate.
    pub last_seen: Option<i64>,
    /// When it was enrolled last.
    pub enrolled_at: Option<i64>,
    /// When it was revoked last.
    pub revoked_at: Option<i64>,
    /// The certificate it uses or, if it has a newer one that it never showed, will use.
    pub certificate: Option<CertificateView>,
    /// Its latest one-time code.
    pub code: Option<PendingView>,
    /// Its connections took over from each other.
    pub takeovers: TakeoversView,
    /// Certificates of it that were not let in, since the start.
    pub refused: u64,
    /// The last of these.
    pub refusal: Option<RefusalView>,
}

/// A certificate.
#[derive(Debug, Serialize, ToSchema)]
pub struct CertificateView {
    /// SHA-256 of it, hexadecimal.
    pub fingerprint: String,
    /// How it came to be known.
    pub origin: Origin,
    /// When it was issued or first shown.
    pub issued_at: i64,
    /// When it runs out.
    pub not_after: i64,
    /// It ran out; its agent renews it when it comes back.
    pub is_expired: bool,
}

/// A one-time code, without itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct PendingView {
    /// Where it stands.
    pub state: CodeState,
    /// Who made it.
    pub made_by: String,
    /// When.
    pub made_at: i64,
    /// Until when it may be used.
    pub valid_to: i64,
    /// When it was used.
    pub used_at: Option<i64>,
    /// How often somebody named it without knowing it.
    pub wrong: u32,
}

/// How often one connection of an agent took over from another, since the start.
#[derive(Debug, Serialize, ToSchema)]
pub struct TakeoversView {
    /// How often.
    pub count: u64,
    /// When last.
    pub last_at: Option<i64>,
    /// Address of the later connection, and of the earlier.
    pub peers: Vec<String>,
    /// So often that two boxes seem to use this identity.
    pub is_contested: bool,
}

/// A certificate was not let in.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusalView {
    /// When.
    pub at: i64,
    /// From which address.
    pub peer: String,
    /// Why.
    pub why: Text,
}

impl AgentView {
    /// The view of an agent.
    pub fn of(agent: Known, site_name: Option<Text>, now: Timestamp) -> AgentView {
        let millis = Timestamp::as_millis;
        let good = agent.good();
        let is_new = agent.certificates.is_empty() && agent.code.is_some();
        let noticed = &agent.noticed;
        AgentView {
            standing: match agent.is_revoked() {
                true => AgentStanding::Revoked,
                false if is_new && !agent.is_registered => AgentStanding::Waiting,
                false => AgentStanding::Good,
            },
            last_seen: (agent.certificates.iter())
                .filter_map(|issued| issued.last_seen_at)
                .max()
                .map(millis),
            certificate: good
                .or(agent.certificates.first())
                .map(|issued| CertificateView {
                    fingerprint: issued.certificate.fingerprint.clone(),
                    origin: issued.origin,
                    issued_at: issued.issued_at.as_millis(),
                    not_after: issued.certificate.not_after.as_millis(),
                    is_expired: issued.certificate.not_after < now,
                }),
            code: agent.code.as_ref().map(|code| PendingView {
                state: code.state(now),
                made_by: code.made_by.clone(),
                made_at: code.made_at.as_millis(),
                valid_to: code.valid_to.as_millis(),
                used_at: code.used_at.map(millis),
                wrong: code.wrong,
            }),
            takeovers: TakeoversView {
                count: noticed.takeovers,
                last_at: noticed.last_takeover().map(millis),
                peers: noticed
                    .peers
                    .clone()
                    .map_or(Vec::new(), |(a, b)| vec![a, b]),
                is_contested: noticed.is_contested(now),
            },
            refused: noticed.refused,
            refusal: noticed.refusal.as_ref().map(|(at, peer, why)| RefusalView {
                at: at.as_millis(),
                peer: peer.clone(),
                why: words(*why),
            }),
            site: agent.site.to_string(),
            site_name,
            is_registered: agent.is_registered,
            is_connected: agent.is_connected,
            enrolled_at: agent.enrolled_at.map(millis),
            revoked_at: agent.revoked_at.map(millis),
            agent: agent.name,
        }
    }
}

fn words(why: Refusal) -> Text {
    let zh = match why {
        Refusal::Unknown => "没有登记这个名称",
        Refusal::Revoked => "证书已被吊销",
        Refusal::Superseded => "证书已被新的代替：是否有第二台设备，或从旧备份恢复？",
        Refusal::Expired => "证书已经过期，且从未在本网关出现过",
        Refusal::Password => "用户名或密码不对",
    };
    Text::new(zh, why.to_string())
}
