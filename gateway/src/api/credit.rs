//! Credit records: looking, and acting on entries.

use super::{Answer, Api, Inner, SignedIn, error::ApiError, view::*};
use crate::{
    account::Act,
    case::{self, decide},
    credit::{self, Action, Correction, Entry, Refusal, deliver},
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
#[utoipa::path(post, path = "/api/credit/{id}/{action}", operation_id = "act_on_credit", params(("id" = String, Path), ("action" = Action, Path)), request_body = ChangeBody,
    responses((status = 200, body = CreditPage), (status = 403, body = Refused), (status = 409, body = Refused)))]
pub async fn act(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path((id, action)): Path<(String, Action)>,
    Json(body): Json<ChangeBody>,
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
            let correction = match &body.correction {
                Some(wanted) => Some(inner.correction(&id, wanted)?),
                None => None,
            };
            let change = credit::Change {
                action,
                correction: correction.as_ref(),
                by: &user.name,
                reason: &body.reason,
                now,
            };
            let done = credit::act(&inner.records, &id, change).map_err(ApiError::internal)?;
            let entry = done
                .ok_or_else(|| no_entry(&id))?
                .map_err(|refusal| match refusal {
                    Refusal::Unchanged => ApiError::Bad(refusal.words()),
                    _ => ApiError::Conflict(refusal.words()),
                })?;
            inner.credit_page(&entry.uscc, now)
        })
        .await?;
    api.told();
    Ok(Json(page))
}

fn no_entry(id: &str) -> ApiError {
    ApiError::absent("信用记录条目", "credit entry", id)
}

impl Inner {
    /// A correction with its ground resolved among those that the entry's case may have.
    fn correction(&self, id: &str, wanted: &CorrectionBody) -> Result<Correction, ApiError> {
        let entry: Option<Entry> = self
            .records
            .get(credit::KIND, id)
            .map_err(ApiError::internal)?;
        let entry = entry.ok_or_else(|| no_entry(id))?;
        let case = case::store::one(&self.records, &entry.case).map_err(ApiError::internal)?;
        let grounds = case.map(|c| self.grounds(&c, &self.signals_of(&c)));
        let ground = wanted.ground.as_ref().map(|name| {
            let found = grounds.unwrap_or_default().into_iter().find(|g| g.is(name));
            found.ok_or_else(|| ApiError::Bad(decide::Refusal::Ground(name.id.clone()).words()))
        });
        Ok(Correction {
            severity: wanted.severity,
            ground: ground.transpose()?,
        })
    }

    /// A business's credit record.
    pub fn credit_page(&self, uscc: &str, now: Timestamp) -> Result<CreditPage, ApiError> {
        let business = self.registry.businesses.get(uscc);
        let business = business
            .ok_or_else(|| ApiError::absent("登记的市场主体", "registered business", uscc))?;
        let entries = credit::of(&self.records, uscc).map_err(ApiError::internal)?;
        let grade = risk::grade(&entries, now);
        let views = entries
            .iter()
            .map(|e| self.entry_view(e, now))
            .collect::<Result<_, _>>()?;
        Ok(CreditPage {
            business: BusinessView {
                uscc: business.uscc.clone(),
                name: business.name.clone(),
            },
            grade: grade.class,
            score: Some(grade.score),
            explanation: grade.explanation,
            entries: views,
        })
    }

    fn entry_view(&self, entry: &Entry, now: Timestamp) -> Result<EntryView, ApiError> {
        let attempts = deliver::attempts(&self.records, &entry.id).map_err(ApiError::internal)?;
        let step = |s: &credit::Step| StepView {
            status: s.status,
            at: s.at.as_millis(),
            by: s.by.clone(),
            reason: s.reason.clone(),
        };
        let delivery = |(n, a): (usize, deliver::Attempt)| DeliveryView {
            at: a.at.as_millis(),
            attempt: n + 1,
            outcome: a.outcome,
            answer: a.answer,
        };
        Ok(EntryView {
            id: entry.id.clone(),
            case: entry.case.clone(),
            title: entry.title.clone(),
            ground: entry.ground.clone(),
            severity: entry.severity,
            occurred_at: entry.occurred_at.as_millis(),
            recorded_at: entry.recorded_at.as_millis(),
            public_until: Some(entry.valid_to.as_millis()),
            status: entry.status(now),
            timeline: entry.timeline.iter().map(step).collect(),
            corrects: entry.corrects.clone(),
            superseded_by: entry.superseded_by.clone(),
            deliveries: attempts.into_iter().enumerate().map(delivery).collect(),
        })
    }
}
