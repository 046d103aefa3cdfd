//! Doing: signing in and out, taking up and deciding cases, acting on credit entries.

use super::{Api, Inner, SignedIn, error::ApiError, view::*};
use crate::{
    account::{self, Role},
    case::{self, Case, Decision, Verdict, decide, store::Finding},
    credit::{self, Action, Entry, Status, Step},
    detect::Signal,
    evidence::Subject,
    series::Series,
};
use axum::{
    Json,
    extract::{Path, State as Shared},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use contract::Timestamp;
use std::sync::PoisonError;

/// Failed sign-ins of a name before it has to wait.
const FAILURES_MAX: u32 = 5;
const WAIT_MS: i64 = 60_000;
/// Readings in a bundle at most, per point.
const READINGS_MAX: usize = 200_000;

/// Signs in; the answer sets the session's cookie.
#[utoipa::path(post, path = "/api/session", request_body = SignIn, responses((status = 200, body = UserView), (status = 401, body = Refused)))]
pub async fn sign_in(
    Shared(api): Shared<Api>,
    Json(body): Json<SignIn>,
) -> Result<Response, ApiError> {
    let now = Timestamp::now();
    let name = body.user.clone();
    {
        let failed = api.0.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed
            .get(&name)
            .is_some_and(|(n, last)| *n >= FAILURES_MAX && now.since(*last) < WAIT_MS)
        {
            return Err(ApiError::TooMany);
        }
    }
    let opened = api
        .blocking(move |inner| {
            account::sign_in(&inner.records, &body.user, &body.password, now)
                .map_err(ApiError::internal)
        })
        .await?;
    let mut failed = api.0.failed.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((token, user)) = opened else {
        failed.retain(|_, (_, last)| now.since(*last) < WAIT_MS);
        let entry = failed.entry(name).or_insert((0, now));
        *entry = (entry.0 + 1, now);
        return Err(ApiError::Password);
    };
    failed.remove(&name);
    let cookie = format!("onedoor={token}; HttpOnly; SameSite=Strict; Path=/");
    let view = UserView {
        user: user.name.clone(),
        name: user.name,
        role: user.role,
    };
    Ok(([(header::SET_COOKIE, cookie)], Json(view)).into_response())
}

/// Signs out.
#[utoipa::path(delete, path = "/api/session", responses((status = 204)))]
pub async fn sign_out(
    Shared(api): Shared<Api>,
    request: axum::extract::Request,
) -> Result<StatusCode, ApiError> {
    let (parts, _) = request.into_parts();
    if let Some(token) = super::token(&parts) {
        api.blocking(move |inner| {
            account::sign_out(&inner.records, &token).map_err(ApiError::internal)
        })
        .await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a case up.
#[utoipa::path(post, path = "/api/cases/{id}/take", params(("id" = String, Path)), responses((status = 200, body = CasePage)))]
pub async fn take(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path(id): Path<String>,
) -> Result<Json<CasePage>, ApiError> {
    let now = Timestamp::now();
    let page = api
        .blocking(move |inner| {
            let case = case::store::take_up(&inner.records, &id, &user.name, now)
                .map_err(ApiError::internal)?;
            inner.case_page(
                &case.ok_or_else(|| ApiError::Absent(format!("there is no case {id}")))?,
                now,
            )
        })
        .await?;
    api.told();
    Ok(Json(page))
}

/// Decides a case. A confirmation seals the evidence and writes the credit entry with its outbox row.
#[utoipa::path(post, path = "/api/cases/{id}/decision", params(("id" = String, Path)), request_body = DecisionBody,
    responses((status = 200, body = CasePage), (status = 403, body = Refused), (status = 409, body = Refused)))]
pub async fn decide(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path(id): Path<String>,
    Json(body): Json<DecisionBody>,
) -> Result<Json<CasePage>, ApiError> {
    let now = Timestamp::now();
    let wanted = id.clone();
    let (case, signals) = api
        .blocking(move |inner| {
            let case = case::store::one(&inner.records, &wanted).map_err(ApiError::internal)?;
            let case =
                case.ok_or_else(|| ApiError::Absent(format!("there is no case {wanted}")))?;
            let signals = inner.signals_of(&case);
            Ok((case, signals))
        })
        .await?;
    let obstacles = api.0.blockers(&case, &signals);
    let authors: Vec<(String, String)> = signals
        .iter()
        .filter_map(|s| api.0.rule_of(s))
        .map(|r| (r.id.clone(), r.author.clone()))
        .collect();
    let facts = decide::Facts {
        obstacles: &obstacles,
        authors: &authors,
    };
    decide::may_decide(
        &case,
        &user,
        body.decision,
        &body.reason,
        body.checks,
        &facts,
    )
    .map_err(|refusal| {
        use decide::Refusal as R;
        match refusal {
            R::Role | R::Author(_) => ApiError::Forbidden(refusal.to_string()),
            R::Decided | R::Unfit(_) => ApiError::Conflict(refusal.to_string()),
            R::Reason | R::Checks => ApiError::Bad(refusal.to_string()),
        }
    })?;
    let verdict = Verdict {
        decision: body.decision,
        by: user.name,
        at: now,
        reason: body.reason,
        checks: body.checks,
    };
    let readings = match verdict.decision {
        Decision::Confirm => readings_of(&api, &case, now).await?,
        Decision::Reject => Vec::new(),
    };
    let page = api
        .blocking(move |inner| {
            let finding = match verdict.decision {
                Decision::Confirm => Some(seal(inner, &case, &signals, &verdict, &readings)?),
                Decision::Reject => None,
            };
            if !case::store::decide(&inner.records, &id, &verdict, finding)
                .map_err(ApiError::internal)?
            {
                return Err(ApiError::Conflict(decide::Refusal::Decided.to_string()));
            }
            let case = case::store::one(&inner.records, &id).map_err(ApiError::internal)?;
            inner.case_page(
                &case.ok_or_else(|| ApiError::Absent(format!("there is no case {id}")))?,
                now,
            )
        })
        .await?;
    api.told();
    Ok(Json(page))
}

/// The readings of every point of the device around the episode, as CSV.
async fn readings_of(api: &Api, case: &Case, now: Timestamp) -> Result<Vec<u8>, ApiError> {
    let margin = (1_800_000.0 / api.0.time_scale) as i64;
    let from = case.opened_at.plus_millis(-margin);
    let to = if case.is_ongoing {
        now
    } else {
        case.last_at.plus_millis(margin)
    };
    let series: &Series = &api.0.series;
    let mut csv = String::from("device_time,device,point,unit,value,quality\n");
    for (key, point) in api.0.points(&case.site) {
        if point.device != case.device {
            continue;
        }
        for r in series
            .raw(key, from, to, READINGS_MAX)
            .await
            .map_err(ApiError::internal)?
        {
            let value = r.value.map(|v| v.to_string()).unwrap_or_default();
            let quality = super::pages::word(r.quality);
            csv.push_str(&format!(
                "{},{},{},{},{value},{quality}\n",
                r.at, point.device, point.name, point.unit
            ));
        }
    }
    Ok(csv.into_bytes())
}

fn seal(
    inner: &Inner,
    case: &Case,
    signals: &[Signal],
    verdict: &Verdict,
    readings: &[u8],
) -> Result<Finding, ApiError> {
    let absent = |what: &str| {
        ApiError::Conflict(format!(
            "{what} is not registered; correct the registry first"
        ))
    };
    let business = inner
        .registry
        .business_of(&case.site)
        .ok_or_else(|| absent("the business"))?;
    let device = inner
        .registry
        .device(&case.site, &case.device)
        .ok_or_else(|| absent("the device"))?;
    let rules: Vec<_> = signals.iter().filter_map(|s| inner.rule_of(s)).collect();
    let (head, hash) = inner.ingest.journal().head();
    let provenance = serde_json::json!({
        "device": inner.device_line(device, verdict.at), "site": case.site, "journal_block": head.0,
        "journal_hash": crate::store::hex(&hash), "rule_time_scale": inner.time_scale,
    });
    let json = |value: &serde_json::Value| {
        serde_json::to_vec_pretty(value).expect("a part is always JSON")
    };
    let parts = [
        ("readings.csv", readings.to_vec()),
        ("signals.json", json(&serde_json::json!(signals))),
        ("rules.json", json(&serde_json::json!(rules))),
        ("provenance.json", json(&provenance)),
        ("decision.json", json(&serde_json::json!(verdict))),
    ];
    let of = Subject {
        case: &case.id,
        uscc: &business.uscc,
        site: case.site.as_str(),
        now: verdict.at,
    };
    let evidence = inner.vault.seal(of, &parts).map_err(ApiError::internal)?;
    let line = inner.case_line(case, signals, verdict.at);
    let entry = Entry {
        id: format!("{}-{}", case.id, &evidence[..16]),
        uscc: business.uscc.clone(),
        name: business.name.clone(),
        case: case.id.clone(),
        evidence: evidence.clone(),
        title: line.title,
        severity: case.severity,
        occurred_at: case.opened_at,
        recorded_at: verdict.at,
        valid_to: verdict
            .at
            .plus_millis(credit::valid_days(case.severity) * 86_400_000),
        timeline: vec![Step {
            status: Status::Notified,
            at: verdict.at,
            by: verdict.by.clone(),
            reason: verdict.reason.clone(),
        }],
    };
    Ok(Finding { evidence, entry })
}

/// Acts on a credit entry: objection, in_force, uphold, correct, withdraw or repair.
#[utoipa::path(post, path = "/api/credit/{id}/{action}", operation_id = "act_on_credit", params(("id" = String, Path), ("action" = Action, Path)), request_body = ReasonBody,
    responses((status = 200, body = CreditPage), (status = 403, body = Refused), (status = 409, body = Refused)))]
pub async fn credit(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path((id, action)): Path<(String, Action)>,
    Json(body): Json<ReasonBody>,
) -> Result<Json<CreditPage>, ApiError> {
    // Anybody may note that a business objects; only a reviewer changes what stands in the record.
    if user.role == Role::Inspector && action != Action::Objection {
        return Err(ApiError::Forbidden(
            "only a reviewer changes the record; you may note an objection".into(),
        ));
    }
    if body.reason.trim().is_empty() {
        return Err(ApiError::Bad(
            "a reason is missing; write why in a sentence".into(),
        ));
    }
    let now = Timestamp::now();
    let page = api
        .blocking(move |inner| {
            let done = credit::act(&inner.records, &id, action, &user.name, &body.reason, now)
                .map_err(ApiError::internal)?;
            let entry = done
                .ok_or_else(|| ApiError::Absent(format!("there is no credit entry {id}")))?
                .map_err(|refusal| ApiError::Conflict(refusal.to_string()))?;
            inner.credit_page(&entry.uscc, now)
        })
        .await?;
    api.told();
    Ok(Json(page))
}
