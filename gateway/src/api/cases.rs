//! Cases: looking, taking up, deciding, and what a decision seals.

use super::{Answer, Api, Inner, SignedIn, error::ApiError, view::*};
use crate::{
    account::Act,
    case::{
        self, Case, Decision, Ground, GroundKind, GroundName, State, Verdict, decide,
        store::Finding,
    },
    credit::{self, Entry, Status, Step},
    detect::{
        Signal,
        rule::{Rule, Text},
    },
    evidence::Subject,
    series::Series,
};
use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State as Shared},
    http::header,
    response::{IntoResponse, Response},
};
use contract::Timestamp;
use serde::Deserialize;

/// Readings in a bundle at most, per point.
const READINGS_MAX: usize = 200_000;
/// Messages in a bundle at most, per device.
const RAWS_MAX: usize = 100_000;

/// Which cases.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct CaseQuery {
    /// `open`, `taken`, `confirmed` or `rejected`; all if left out. `open` includes `taken`.
    state: Option<State>,
}

/// The cases, worst first among those that are not decided, then the newest.
#[utoipa::path(get, path = "/api/cases", params(CaseQuery), responses((status = 200, body = Vec<CaseLine>)))]
pub async fn cases(
    _: SignedIn,
    Shared(api): Shared<Api>,
    Query(q): Query<CaseQuery>,
) -> Answer<Vec<CaseLine>> {
    api.blocking(move |inner| {
        let mut all = case::store::all(&inner.records).map_err(ApiError::internal)?;
        all.retain(|c| match q.state {
            None => true,
            Some(State::Open) => c.verdict.is_none(),
            Some(state) => c.state == state,
        });
        all.sort_by_key(|c| {
            let is_decided = c.verdict.is_some();
            let severity = if is_decided { None } else { Some(c.gravity()) };
            (
                is_decided,
                std::cmp::Reverse(severity),
                std::cmp::Reverse(c.opened_at),
            )
        });
        Ok(all
            .iter()
            .map(|c| inner.case_line(c, &inner.signals_of(c)))
            .collect())
    })
    .await
    .map(Json)
}

/// A case with everything a decision needs.
#[utoipa::path(get, path = "/api/cases/{id}", params(("id" = String, Path)), responses((status = 200, body = CasePage)))]
pub async fn case(
    _: SignedIn,
    Shared(api): Shared<Api>,
    Path(id): Path<String>,
) -> Answer<CasePage> {
    let now = Timestamp::now();
    api.blocking(move |inner| {
        let case = case::store::one(&inner.records, &id).map_err(ApiError::internal)?;
        let case = case.ok_or_else(|| ApiError::absent("线索", "case", &id))?;
        inner.case_page(&case, now)
    })
    .await
    .map(Json)
}

/// Takes a case up.
#[utoipa::path(post, path = "/api/cases/{id}/take", params(("id" = String, Path)), responses((status = 200, body = CasePage)))]
pub async fn take(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path(id): Path<String>,
) -> Answer<CasePage> {
    user.must(Act::TakeUp)?;
    let now = Timestamp::now();
    let page = api
        .blocking(move |inner| {
            let case = case::store::take_up(&inner.records, &id, &user.name, now)
                .map_err(ApiError::internal)?;
            inner.case_page(
                &case.ok_or_else(|| ApiError::absent("线索", "case", &id))?,
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
            let case = case.ok_or_else(|| ApiError::absent("线索", "case", &wanted))?;
            let signals = inner.signals_of(&case);
            Ok((case, signals))
        })
        .await?;
    let obstacles = api.0.obstacles(&case, &signals, body.ground.as_ref());
    let grounds = api.0.grounds(&case, &signals);
    let authors = api.0.authors(&signals, body.ground.as_ref());
    let facts = decide::Facts {
        obstacles: &obstacles,
        authors: &authors,
        grounds: &grounds,
    };
    let wanted = decide::Wanted {
        decision: body.decision,
        reason: &body.reason,
        checks: body.checks,
        ground: body.ground.as_ref(),
    };
    let ground = decide::may_decide(&case, &user, &wanted, &facts).map_err(refused)?;
    let verdict = Verdict {
        decision: body.decision,
        by: user.name,
        at: now,
        reason: body.reason,
        checks: body.checks,
        ground,
    };
    let readings = match verdict.decision {
        Decision::Confirm => readings_of(&api, &case, &signals, now).await?,
        Decision::Reject => Vec::new(),
    };
    let page = api
        .blocking(move |inner| {
            let finding = match &verdict.ground {
                Some(ground) => Some(seal(inner, &case, &signals, &verdict, ground, &readings)?),
                None => None,
            };
            case::store::decide(&inner.records, &case, &verdict, finding)
                .map_err(ApiError::internal)?
                .map_err(refused)?;
            let case = case::store::one(&inner.records, &id).map_err(ApiError::internal)?;
            inner.case_page(
                &case.ok_or_else(|| ApiError::absent("线索", "case", &id))?,
                now,
            )
        })
        .await?;
    api.told();
    Ok(Json(page))
}

fn refused(refusal: decide::Refusal) -> ApiError {
    use decide::Refusal as R;
    let words = refusal.words();
    match refusal {
        R::Role(..) | R::Author(_) => ApiError::Forbidden(words),
        R::Decided | R::Grown | R::Unfit(_) => ApiError::Conflict(words),
        R::Reason | R::Checks | R::NoGround | R::Ground(_) => ApiError::Bad(words),
    }
}

impl Inner {
    /// Why the readings behind `ground` are reference only: those of the signals that it raised, else of all.
    fn obstacles(&self, case: &Case, signals: &[Signal], ground: Option<&GroundName>) -> Vec<Text> {
        let is_behind = |s: &&Signal| {
            let rule = self.rule_of(s);
            rule.is_some_and(|r| ground.is_some_and(|g| g.kind == GroundKind::Rule && g.id == r.id))
        };
        let behind: Vec<Signal> = signals.iter().filter(is_behind).cloned().collect();
        match behind.is_empty() {
            true => self.blockers(case, signals),
            false => self.blockers(case, &behind),
        }
    }

    /// The rules that raised the signals, and the one that is named as the ground, with who wrote them.
    fn authors(&self, signals: &[Signal], ground: Option<&GroundName>) -> Vec<(String, String)> {
        let raised = signals.iter().filter_map(|s| self.rule_of(s));
        let is_named =
            |r: &&Rule| ground.is_some_and(|g| g.kind == GroundKind::Rule && g.id == r.id);
        raised
            .chain(self.rules.iter().filter(is_named))
            .map(|r| (r.id.clone(), r.author.clone()))
            .collect()
    }
}

/// The time around the episode that a bundle shows.
fn period(case: &Case, time_scale: f64, now: Timestamp) -> (Timestamp, Timestamp) {
    let margin = (1_800_000.0 / time_scale) as i64;
    let to = match case.is_ongoing {
        true => now,
        false => case.last_at.plus_millis(margin),
    };
    (case.opened_at.plus_millis(-margin), to)
}

/// The readings of every point of the devices around the episode, as CSV.
async fn readings_of(
    api: &Api,
    case: &Case,
    signals: &[Signal],
    now: Timestamp,
) -> Result<Vec<u8>, ApiError> {
    let (from, to) = period(case, api.0.time_scale, now);
    let series: &Series = &api.0.series;
    let devices = decide::devices(signals);
    let mut csv = String::from("device_time,device,point,unit,value,quality\n");
    for (key, point) in api.0.points(&case.site) {
        if !devices.contains(&&point.device) {
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

/// What the devices sent around the episode, byte for byte: one part a device, one JSON object a message.
fn sent_by(
    inner: &Inner,
    case: &Case,
    signals: &[Signal],
    now: Timestamp,
) -> Result<Vec<(String, Vec<u8>)>, ApiError> {
    let (from, to) = period(case, inner.time_scale, now);
    let mut parts = Vec::new();
    for device in decide::devices(signals) {
        let sent = inner
            .coverage
            .raws(&case.site, device, from, to, RAWS_MAX)
            .map_err(ApiError::internal)?;
        let lines = sent.iter().map(|(head, bytes)| {
            let line = serde_json::json!({
                "device_time": head.at.to_string(), "edge_time": head.edge_at.to_string(),
                "gateway_time": head.received_at.to_string(), "agent": head.agent, "record": head.sequence,
                "hex": crate::store::hex(bytes), "text": std::str::from_utf8(bytes).ok(),
            });
            format!("{line}\n")
        });
        let text: String = lines.collect();
        if !text.is_empty() {
            parts.push((format!("raw/{device}.jsonl"), text.into_bytes()));
        }
    }
    Ok(parts)
}

fn seal(
    inner: &Inner,
    case: &Case,
    signals: &[Signal],
    verdict: &Verdict,
    ground: &Ground,
    readings: &[u8],
) -> Result<Finding, ApiError> {
    let business = inner.registry.business_of(&case.site).ok_or_else(|| {
        ApiError::Conflict(Text::new(
            "市场主体没有登记；请先更正登记册",
            "the business is not registered; correct the registry first",
        ))
    })?;
    let rules: Vec<_> = signals.iter().filter_map(|s| inner.rule_of(s)).collect();
    let (head, hash) = inner.ingest.journal().head();
    let provenance = serde_json::json!({
        "devices": inner.devices_of(case, signals, verdict.at), "site": case.site, "journal_block": head.0,
        "journal_hash": crate::store::hex(&hash), "rule_time_scale": inner.time_scale,
    });
    let json = |value: &serde_json::Value| {
        serde_json::to_vec_pretty(value).expect("a part is always JSON")
    };
    let raw = sent_by(inner, case, signals, verdict.at)?;
    let pictures = super::footage::sealed(inner, signals)?;
    let mut parts = vec![
        ("readings.csv", readings.to_vec()),
        ("signals.json", json(&serde_json::json!(signals))),
        ("rules.json", json(&serde_json::json!(rules))),
        ("provenance.json", json(&provenance)),
        ("decision.json", json(&serde_json::json!(verdict))),
    ];
    for (name, bytes) in raw.iter().chain(&pictures) {
        parts.push((name.as_str(), bytes.clone()));
    }
    let of = Subject {
        case: &case.id,
        uscc: &business.uscc,
        site: case.site.as_str(),
        now: verdict.at,
    };
    let evidence = inner.vault.seal(of, &parts).map_err(ApiError::internal)?;
    let severity = decide::gravity(case, rules.is_empty(), ground);
    let entry = Entry {
        id: format!("{}-{}", case.id, &evidence[..16]),
        uscc: business.uscc.clone(),
        name: business.name.clone(),
        case: case.id.clone(),
        evidence: evidence.clone(),
        title: ground.text.clone(),
        ground: Some(ground.clone()),
        severity,
        occurred_at: case.opened_at,
        recorded_at: verdict.at,
        valid_to: verdict
            .at
            .plus_millis(credit::valid_days(severity) * 86_400_000),
        timeline: vec![Step {
            status: Status::Notified,
            at: verdict.at,
            by: verdict.by.clone(),
            reason: verdict.reason.clone(),
        }],
        corrects: None,
        superseded_by: None,
    };
    Ok(Finding { evidence, entry })
}

/// A sealed bundle, as a ZIP file.
#[utoipa::path(get, path = "/api/evidence/{id}/bundle", params(("id" = String, Path)), responses((status = 200, content_type = "application/zip", body = Vec<u8>)))]
pub async fn bundle(
    SignedIn(user): SignedIn,
    Shared(api): Shared<Api>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let name = format!(
        "attachment; filename=\"evidence-{}.zip\"",
        id.get(..12).unwrap_or("bundle")
    );
    let bytes = api
        .blocking(move |inner| {
            let found = inner.vault.read(&id).map_err(ApiError::internal)?;
            let bytes = found.ok_or_else(|| ApiError::absent("证据包", "evidence", &id))?;
            let now = Timestamp::now();
            inner
                .records
                .write("note who fetched evidence", |tx| {
                    crate::store::remember(tx, now, &user.name, "evidence fetched", &id, &())
                })
                .map_err(ApiError::internal)?;
            Ok(bytes)
        })
        .await?;
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from(bytes)).into_response())
}
