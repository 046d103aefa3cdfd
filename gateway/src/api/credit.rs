//! Credit records: looking, and acting on entries.

use super::{Answer, Api, SignedIn, error::ApiError, view::*};
use crate::{
    account::Act,
    case::decide,
    credit::{self, Action},
    risk,
};
use axum::{
    Json,
    extract::{Path, State as Shared},
};
use contract::Timestamp;

/// All businesses with their class.
#[utoipa::path(get, path = "/api/businesses", responses((status = 200, body = Vec<BusinessLine>)))]
pub async fn businesses(_: SignedIn, Shared(api): Shared<Api>) -> Answer<Vec<BusinessLine>> {
    let now = Timestamp::now();
    api.blocking(move |inner| {
        let mut lines = Vec::new();
        for business in inner.registry.businesses.values() {
            let entries = credit::of(&inner.records, &business.uscc).map_err(ApiError::internal)?;
            lines.push(BusinessLine {
                uscc: business.uscc.clone(),
                name: business.name.clone(),
                grade: risk::grade(&entries, now).class,
                entries: entries.len(),
            });
        }
        lines.sort_by(|a, b| {
            (std::cmp::Reverse(a.grade), &a.uscc).cmp(&(std::cmp::Reverse(b.grade), &b.uscc))
        });
        Ok(lines)
    })
    .await
    .map(Json)
}

/// A business's credit record.
#[utoipa::path(get, path = "/api/businesses/{uscc}/credit", params(("uscc" = String, Path)), responses((status = 200, body = CreditPage)))]
pub async fn credit(
    _: SignedIn,
    Shared(api): Shared<Api>,
    Path(uscc): Path<String>,
) -> Answer<CreditPage> {
    let now = Timestamp::now();
    api.blocking(move |inner| inner.credit_page(&uscc, now))
        .await
        .map(Json)
}

/// Acts on a credit entry: objection, in_force, uphold, correct, withdraw or repair.
#[utoipa::path(post, path = "/api/credit/{id}/{action}", operation_id = "act_on_credit", params(("id" = String, Path), ("action" = Action, Path)), request_body = ReasonBody,
    responses((status = 200, body = CreditPage), (status = 403, body = Refused), (status = 409, body = Refused)))]
pub async fn act(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path((id, action)): Path<(String, Action)>,
    Json(body): Json<ReasonBody>,
) -> Answer<CreditPage> {
    user.must(match action {
        Action::Objection => Act::NoteObjection,
        _ => Act::ChangeRecord,
    })?;
    if body.reason.trim().is_empty() {
        return Err(ApiError::Bad(decide::Refusal::Reason.words()));
    }
    let now = Timestamp::now();
    let page = api
        .blocking(move |inner| {
            let done = credit::act(&inner.records, &id, action, &user.name, &body.reason, now)
                .map_err(ApiError::internal)?;
            let entry = done
                .ok_or_else(|| ApiError::absent("信用记录条目", "credit entry", &id))?
                .map_err(|refusal| ApiError::Conflict(refusal.words()))?;
            inner.credit_page(&entry.uscc, now)
        })
        .await?;
    api.told();
    Ok(Json(page))
}
