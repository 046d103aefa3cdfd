//! What an agent is to run, in versions.

use super::{Answer, Api, SignedIn, error::ApiError, view::*};
use crate::{
    account::Act,
    detect::rule::Text,
    fleet::desired::{self, New, ProposeError},
};
use axum::{
    Json,
    extract::{Path, State as Shared},
};
use contract::AgentId;

/// All versions of what an agent is to run, the newest first.
#[utoipa::path(get, path = "/api/agents/{agent}/configuration", params(("agent" = String, Path)), responses((status = 200, body = ConfigurationPage), (status = 404, body = Refused)))]
pub async fn versions(
    _: SignedIn,
    Shared(api): Shared<Api>,
    Path(agent): Path<String>,
) -> Answer<ConfigurationPage> {
    let id = super::fleet::named(&agent)?;
    let page = api.blocking(move |inner| {
        if !inner.fleet.has(&id).map_err(ApiError::internal)? {
            return Err(ApiError::absent("边缘代理", "agent", agent));
        }
        inner.configuration_page(&id)
    });
    page.await.map(Json)
}

/// Keeps a new version; the agent hears of it as soon as it is connected.
#[utoipa::path(post, path = "/api/agents/{agent}/configuration", params(("agent" = String, Path)), request_body = NewConfiguration, responses((status = 200, body = ConfigurationPage), (status = 400, body = Refused), (status = 403, body = Refused), (status = 404, body = Refused), (status = 409, body = Refused)))]
pub async fn propose(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path(agent): Path<String>,
    Json(body): Json<NewConfiguration>,
) -> Answer<ConfigurationPage> {
    user.must(Act::KeepAgents)?;
    let id = super::fleet::named(&agent)?;
    let new = New {
        text: body.text,
        files: body.files,
        why: body.why,
        based_on: body.based_on,
    };
    let page = api.blocking(
        move |inner| match inner.fleet.propose(&id, new, &user.name) {
            Ok(Some(_)) => inner.configuration_page(&id),
            Ok(None) => Err(ApiError::absent("边缘代理", "agent", agent)),
            Err(error) => Err(refuse(error)),
        },
    );
    let page = page.await?;
    api.told();
    Ok(Json(page))
}

impl super::Inner {
    fn configuration_page(&self, agent: &AgentId) -> Result<ConfigurationPage, ApiError> {
        let (versions, outcomes) = self.fleet.versions(agent).map_err(ApiError::internal)?;
        let heard = self.ingest.heard().into_iter();
        let status = heard
            .filter(|heard| heard.agent == *agent)
            .find_map(|heard| heard.status.map(|(_, status)| status));
        let report = status.as_ref().and_then(desired::report);
        let (_, state) = self.fleet.standing(agent, status.as_ref());
        let newest = report.as_ref().and_then(|report| report.newest.as_ref());
        let view = |version: desired::Version| {
            let digest = version.desired.digest();
            let became = newest.filter(|outcome| outcome.digest == digest);
            let became = became.or_else(|| outcomes.iter().find(|o| o.digest == digest));
            VersionView {
                version: version.desired.version,
                text: version.desired.text,
                files: version.desired.files,
                by: version.by,
                why: version.why,
                at: version.at.as_millis(),
                became: became.map(|outcome| BecameView {
                    state: outcome.state.into(),
                    at: outcome.at.as_millis(),
                    reasons: outcome.reasons.clone(),
                }),
            }
        };
        Ok(ConfigurationPage {
            agent: agent.to_string(),
            state,
            runs: report.as_ref().map(|report| report.runs),
            versions: versions.into_iter().map(view).collect(),
        })
    }
}

fn refuse(error: ProposeError) -> ApiError {
    let en = error.to_string();
    match error {
        ProposeError::Records(error) => ApiError::internal(error),
        ProposeError::Stale(version) => ApiError::Conflict(Text::new(
            format!("其间已有第 {version} 版：请先看它，再在它之上修改"),
            en,
        )),
        ProposeError::NoReason => ApiError::bad("请写明修改的原因", en),
        ProposeError::TooLong(bytes) => ApiError::bad(format!("配置太长：{bytes} 字节"), en),
        ProposeError::NotToml { name, error } => {
            ApiError::bad(format!("{name} 不是 TOML：{error}"), en)
        }
        ProposeError::Own(key) => {
            ApiError::bad(format!("{key} 只能写在盒子自己的文件里，请删去"), en)
        }
    }
}
