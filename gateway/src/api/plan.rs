//! The visit plan.

use super::{Answer, Api, Inner, SignedIn, error::ApiError, sites::last_readings, view::*};
use crate::{
    case::{self, Case, State},
    credit::{self, Entry, Status},
    inspection, risk,
};
use axum::{Json, extract::State as Shared};
use contract::{SiteId, Timestamp};
use std::collections::HashMap;

/// Readings prove something only while they come.
const FRESH_MS: i64 = 300_000;

/// The plan: one visit per address.
#[utoipa::path(get, path = "/api/inspection/plan", responses((status = 200, body = PlanView)))]
pub async fn plan(_: SignedIn, Shared(api): Shared<Api>) -> Answer<PlanView> {
    let now = Timestamp::now();
    let last = last_readings(&api).await?;
    api.blocking(move |inner| plan_of(inner, &last, now))
        .await
        .map(Json)
}

fn plan_of(
    inner: &Inner,
    last: &HashMap<SiteId, i64>,
    now: Timestamp,
) -> Result<PlanView, ApiError> {
    let cases = case::store::all(&inner.records).map_err(ApiError::internal)?;
    let mut facts = Vec::new();
    for site in &inner.registry.sites {
        let entries = credit::of(&inner.records, &site.business).map_err(ApiError::internal)?;
        let signals = inner
            .signals
            .list(Some(&site.id), 1000)
            .map_err(ApiError::internal)?;
        let is_fresh = last
            .get(&site.id)
            .is_some_and(|at| now.as_millis() - at < FRESH_MS);
        let quiet = |device: &crate::registry::Device| {
            let mut of = signals.iter().filter(|s| s.device == device.id);
            if !is_fresh
                || of.clone().any(|s| s.closed_at.is_none())
                || !device.obstacles(now).is_empty()
            {
                return None;
            }
            let since = of
                .find_map(|s| s.closed_at)
                .unwrap_or(Timestamp::from_millis(now.as_millis() - 86_400_000));
            Some((device.id.to_string(), since))
        };
        facts.push(inspection::SiteFacts {
            site: site.id.clone(),
            class: risk::grade(&entries, now).class,
            findings: cases
                .iter()
                .filter(|c| {
                    c.site == site.id && c.state == State::Confirmed && stands(&entries, c, now)
                })
                .filter_map(|c| Some((c.id.clone(), c.verdict.as_ref()?.at)))
                .collect(),
            quiet_since: inner
                .registry
                .devices
                .iter()
                .filter(|d| d.site == site.id)
                .filter_map(quiet)
                .collect(),
        });
    }
    let plan = inspection::plan(&inner.registry, &facts, &inner.frequency, now);
    let separate = inspection::separate(&plan.visits);
    let view = |v: &inspection::Visit| {
        let site = inner.registry.site(&v.site);
        let finding = |id: &String| {
            let case = cases.iter().find(|c| c.id == *id)?;
            let line = inner.case_line(case, &inner.signals_of(case));
            Some(FindingView {
                case: line.id,
                title: line.title,
                severity: line.severity,
                state: line.state,
            })
        };
        let item = |i: &inspection::Planned| VisitItem {
            id: i.id.clone(),
            text: i.text.clone(),
            departments: vec![i.department.clone()],
            proved_since: i.proved_since.map(Timestamp::as_millis),
            proved_by: i.proved_since.and_then(|_| {
                let by = &inner
                    .registry
                    .items
                    .iter()
                    .find(|known| known.id == i.id)?
                    .proved_by;
                inner
                    .registry
                    .devices
                    .iter()
                    .find(|d| d.id.as_str() == by)
                    .map(|d| d.name.clone())
            }),
            due_at: Some(i.due.as_millis()),
            not_before: i.not_before.map(Timestamp::as_millis),
        };
        VisitView {
            site: v.site.to_string(),
            site_name: site.map(|s| s.name.clone()).unwrap_or_default(),
            address: site.map(|s| s.address.clone()).unwrap_or_default(),
            business: inner.business(&v.site),
            grade: v.class,
            why: v.why.clone(),
            findings: v.findings.iter().filter_map(finding).collect(),
            items: v.items.iter().map(item).collect(),
            later: v.later.iter().map(item).collect(),
        }
    };
    let waiting = |w: &inspection::Waiting| WaitingView {
        site: w.site.to_string(),
        site_name: inner
            .registry
            .site(&w.site)
            .map(|s| s.name.clone())
            .unwrap_or_default(),
        business: inner.business(&w.site),
        grade: w.class,
        why: w.why.clone(),
        next_at: w.next.map(Timestamp::as_millis),
    };
    let shift = 8 * 3_600_000;
    let day = (now.as_millis() + shift).div_euclid(86_400_000) * 86_400_000 - shift;
    Ok(PlanView {
        day,
        visits: plan.visits.iter().map(view).collect(),
        waiting: plan.waiting.iter().map(waiting).collect(),
        separate,
    })
}

/// True while an entry of the case counts; one that was withdrawn, repaired or is over sends nobody.
fn stands(entries: &[Entry], case: &Case, now: Timestamp) -> bool {
    use Status as S;
    let counts = |status| matches!(status, S::Notified | S::InForce | S::UnderObjection);
    entries
        .iter()
        .any(|e| e.case == case.id && counts(e.status(now)))
}
