//! Orders to devices: giving one, and what became of those that were given.

use super::{Answer, Api, SignedIn, error::ApiError, fleet::named, view::*};
use crate::{account::Act, control::GiveError, detect::rule::Text, fleet};
use axum::{
    Json,
    extract::{Path, State as Shared},
};
use contract::{AgentId, DeviceId, SiteId, Timestamp};

/// Characters of a reason at most.
const REASON_MAX: usize = 500;

/// The orders that were given to an agent, the newest first, with what became of each.
#[utoipa::path(get, path = "/api/agents/{agent}/control", responses((status = 200, body = Vec<OrderView>), (status = 404, body = Refused)))]
pub async fn orders(
    _: SignedIn,
    Shared(api): Shared<Api>,
    Path(agent): Path<String>,
) -> Answer<Vec<OrderView>> {
    let id = named(&agent)?;
    let view = api.blocking(move |inner| {
        site_of(inner, &id)?;
        let given = inner.control.of_agent(&id).map_err(ApiError::internal)?;
        let now = Timestamp::now();
        let views = given.into_iter().map(|given| OrderView::of(given, now));
        Ok(views.collect())
    });
    view.await.map(Json)
}

/// Orders something from a device of an agent, once. It is written into the history before it is sent, and expires after a
/// minute. The agent carries it out only if its own configuration allows that.
#[utoipa::path(post, path = "/api/agents/{agent}/control", request_body = GiveOrder, responses((status = 200, body = OrderView), (status = 400, body = Refused), (status = 403, body = Refused), (status = 404, body = Refused), (status = 409, body = Refused)))]
pub async fn order(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path(agent): Path<String>,
    Json(body): Json<GiveOrder>,
) -> Answer<OrderView> {
    user.must(Act::ControlDevices)?;
    let reason = body.reason.trim().to_owned();
    if reason.is_empty() || reason.chars().count() > REASON_MAX {
        return Err(ApiError::bad(
            format!("请写明下达命令的原因（不超过 {REASON_MAX} 字）"),
            format!("say why the device is given this order, in at most {REASON_MAX} characters"),
        ));
    }
    let device = DeviceId::new(&body.device).map_err(|error| {
        let zh = format!("设备的名称不能用：{:?}", body.device);
        ApiError::bad(zh, error.to_string())
    })?;
    let id = named(&agent)?;
    let given = api.blocking(move |inner| {
        let site = site_of(inner, &id)?;
        let what = (device, body.action.into());
        let (who, now) = ((user.name.as_str(), reason.as_str()), Timestamp::now());
        let given = inner.control.give((site, id), what, who, now);
        given.map_err(refuse)
    });
    let given = given.await?;
    api.told();
    Ok(Json(OrderView::of(given, Timestamp::now())))
}

fn site_of(inner: &super::Inner, agent: &AgentId) -> Result<SiteId, ApiError> {
    let site = fleet::site_of(&inner.records, &inner.registry, agent);
    let site = site.map_err(ApiError::internal)?;
    site.ok_or_else(|| ApiError::absent("边缘代理", "agent", agent))
}

fn refuse(error: GiveError) -> ApiError {
    match error {
        GiveError::Action(error) => ApiError::bad(
            format!("这条命令不能下达：{error}"),
            format!("the command cannot be given: {error}"),
        ),
        GiveError::Offline(agent) => ApiError::Conflict(Text::new(
            format!("边缘代理 {agent} 现在不在线，命令没有下达"),
            format!("agent {agent} is not connected; nothing was sent"),
        )),
        GiveError::Records(error) => ApiError::internal(error),
    }
}
