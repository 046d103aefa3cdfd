//! Agents: enrolment, the list, revocation.

use super::{Answer, Api, SignedIn, error::ApiError, view::*};
use crate::{account::Act, detect::rule::Text, fleet::enrol::EnrolError};
use axum::{
    Json,
    extract::{ConnectInfo, Path, State as Shared},
};
use contract::{AgentId, SiteId, Timestamp, enrol};
use std::{net::SocketAddr, time::Duration};

const VALID_MINUTES: u32 = 15;
const VALID_MINUTES_MAX: u32 = 7 * 24 * 60;

/// Enrols the agent that knows a one-time code. Nobody signs in: the seal shows that the sender knows the code.
#[utoipa::path(post, path = "/api/enroll", request_body = Enroll, responses((status = 200, body = Enrolled), (status = 403, body = Refused), (status = 409, body = Refused), (status = 429, body = Refused)))]
pub async fn enroll(
    Shared(api): Shared<Api>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Json(body): Json<Enroll>,
) -> Answer<Enrolled> {
    let request = enrol::Request {
        code: body.code,
        csr: body.csr,
        seal: body.seal,
    };
    let enrolled = api
        .blocking(move |inner| {
            let enrolled = inner.fleet.enrol(&request, from.ip(), Timestamp::now());
            enrolled.map_err(refuse)
        })
        .await?;
    Ok(Json(Enrolled {
        answer: enrolled.answer,
        seal: enrolled.seal,
    }))
}

/// All agents, with their certificates and codes.
#[utoipa::path(get, path = "/api/agents", responses((status = 200, body = AgentsView)))]
pub async fn agents(_: SignedIn, Shared(api): Shared<Api>) -> Answer<AgentsView> {
    let view = api.blocking(|inner| {
        let known = inner.fleet.known().map_err(ApiError::internal)?;
        let now = Timestamp::now();
        let view = |agent| {
            let agent: crate::fleet::Known = agent;
            let site = inner.registry.site(&agent.site);
            AgentView::of(agent, site.map(|site| site.name.clone()), now)
        };
        Ok(AgentsView {
            now: now.as_millis(),
            agents: known.into_iter().map(view).collect(),
            wrong_codes: inner.fleet.wrong_codes(),
            events_dropped: inner.fleet.events_dropped(),
        })
    });
    view.await.map(Json)
}

/// Makes a one-time code for an agent; it is shown once and kept nowhere.
#[utoipa::path(post, path = "/api/agents", request_body = AddAgent, responses((status = 200, body = CodeView), (status = 403, body = Refused), (status = 409, body = Refused)))]
pub async fn add(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Json(body): Json<AddAgent>,
) -> Answer<CodeView> {
    user.must(Act::KeepAgents)?;
    let (agent, site) = (named(&body.agent)?, site_named(&body.site)?);
    let minutes = body.valid_minutes.unwrap_or(VALID_MINUTES);
    if !(1..=VALID_MINUTES_MAX).contains(&minutes) {
        return Err(ApiError::bad(
            format!("有效期须在 1 到 {VALID_MINUTES_MAX} 分钟之间"),
            format!("a code is valid for 1 to {VALID_MINUTES_MAX} minutes"),
        ));
    }
    let valid = Duration::from_secs(u64::from(minutes) * 60);
    let added = api.blocking(move |inner| {
        let added = inner.fleet.add(&agent, &site, valid, &user.name);
        added.map_err(refuse)
    });
    let (code, pending) = added.await?;
    api.told();
    Ok(Json(CodeView {
        code: code.to_string(),
        valid_to: pending.valid_to.as_millis(),
    }))
}

/// Takes back everything an agent has; a connection of it ends at once.
#[utoipa::path(post, path = "/api/agents/{agent}/revoke", request_body = Revoke, responses((status = 200, body = AgentsView), (status = 403, body = Refused), (status = 404, body = Refused)))]
pub async fn revoke(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path(agent): Path<String>,
    Json(body): Json<Revoke>,
) -> Answer<AgentsView> {
    user.must(Act::KeepAgents)?;
    let reason = body.reason.trim().to_owned();
    if reason.is_empty() {
        return Err(ApiError::bad(
            "请写明吊销的原因",
            "say why the agent is revoked",
        ));
    }
    let id = named(&agent)?;
    let by = user.name.clone();
    let revoked = api.blocking(move |inner| {
        let revoked = inner.fleet.revoke(&id, &by, &reason);
        revoked.map_err(ApiError::internal)
    });
    if !revoked.await? {
        return Err(ApiError::absent("边缘代理", "agent", agent));
    }
    api.told();
    agents(SignedIn(user), Shared(api)).await
}

pub(super) fn named(name: &str) -> Result<AgentId, ApiError> {
    AgentId::new(name)
        .map_err(|e| ApiError::bad(format!("边缘代理的名称不能用：{name:?}"), e.to_string()))
}

fn site_named(name: &str) -> Result<SiteId, ApiError> {
    SiteId::new(name)
        .map_err(|e| ApiError::bad(format!("场所的名称不能用：{name:?}"), e.to_string()))
}

fn refuse(error: EnrolError) -> ApiError {
    let en = error.to_string();
    let conflict = |zh: String| ApiError::Conflict(Text::new(zh, en.clone()));
    match error {
        EnrolError::Off => conflict(
            "本网关不办理接入：请设置 broker.listen_tls（不写 [broker.tls]），并运行 gateway ca init".into(),
        ),
        EnrolError::Site(site) => conflict(format!("登记册里没有场所 {site}")),
        EnrolError::Elsewhere { agent, site } => {
            conflict(format!("边缘代理 {agent} 属于场所 {site}"))
        }
        EnrolError::TooMany => ApiError::TooMany,
        EnrolError::Unknown => ApiError::Forbidden(Text::new(
            "没有这个接入码，或者已被新的代替；请用 gateway agent add 重新取一个",
            format!("{en}, or was replaced by a newer one; get one with `gateway agent add`"),
        )),
        EnrolError::Used(at) => conflict(format!(
            "这个接入码已经用过（{at}），每个只能用一次；请用 gateway agent add 重新取一个"
        )),
        EnrolError::Expired(at) => ApiError::Forbidden(Text::new(
            format!("这个接入码已经过期（{at}）；请用 gateway agent add 重新取一个"),
            format!("{en}; get a new one with `gateway agent add`"),
        )),
        EnrolError::Ca(crate::ca::CaError::Request) => {
            ApiError::bad("证书请求不能用：须为 PKCS #10，密钥为 ECDSA P-256", en)
        }
        error => ApiError::internal(error),
    }
}
