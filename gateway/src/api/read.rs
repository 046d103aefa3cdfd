//! Looking.

use super::{Api, SignedIn, error::ApiError, pages::word, view::*};
use crate::{
    case::{self, State},
    credit, inspection, risk,
};
use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State as Shared},
    http::header,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use contract::{DeviceId, PointName, SiteId, Timestamp};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use std::{convert::Infallible, time::Duration};

type Answer<T> = Result<Json<T>, ApiError>;
/// Signals shown on a page at most.
const SIGNALS_MAX: usize = 200;
/// Readings of a raw chart at most; longer windows are asked for in buckets.
const RAW_MAX: usize = 5000;

fn site_id(text: &str) -> Result<SiteId, ApiError> {
    SiteId::new(text).map_err(|e| ApiError::Bad(e.to_string()))
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/session", responses((status = 200, body = UserView), (status = 401, body = Refused)))]
pub async fn whoami(SignedIn(user): SignedIn) -> Json<UserView> {
    Json(UserView {
        user: user.name.clone(),
        name: user.name,
        role: user.role,
    })
}

async fn last_readings(api: &Api, site: &SiteId) -> Option<i64> {
    let mut newest = None;
    for (key, _) in api.0.points(site) {
        if let Ok(Some(last)) = api.0.series.last(key).await {
            newest = newest.max(Some(last.at.as_millis()));
        }
    }
    newest
}

/// All sites, with what is open.
#[utoipa::path(get, path = "/api/overview", responses((status = 200, body = Overview)))]
pub async fn overview(_: SignedIn, Shared(api): Shared<Api>) -> Answer<Overview> {
    let now = Timestamp::now();
    let signals = api
        .blocking(|inner| inner.signals.list(None, 5000).map_err(ApiError::internal))
        .await?;
    let mut sites = Vec::new();
    for site in &api.0.registry.sites {
        let mut open = BySeverity::default();
        signals
            .iter()
            .filter(|s| s.site == site.id && s.closed_at.is_none())
            .for_each(|s| open.add(s.severity));
        let last = last_readings(&api, &site.id).await;
        sites.push(api.0.site_line(site, last, open, now));
    }
    Ok(Json(Overview {
        now: now.as_millis(),
        time_scale: api.0.time_scale,
        sites,
    }))
}

/// A site with its devices, points and signals.
#[utoipa::path(get, path = "/api/sites/{site}", params(("site" = String, Path)), responses((status = 200, body = SitePage)))]
pub async fn site(
    _: SignedIn,
    Shared(api): Shared<Api>,
    Path(site): Path<String>,
) -> Answer<SitePage> {
    let now = Timestamp::now();
    let id = site_id(&site)?;
    let known = api
        .0
        .registry
        .site(&id)
        .cloned()
        .ok_or_else(|| ApiError::Absent(format!("there is no site {site}")))?;
    let mut points = Vec::new();
    let mut newest = None;
    for (key, point) in api.0.points(&id) {
        let last = api.0.series.last(key).await.map_err(ApiError::internal)?;
        newest = newest.max(last.as_ref().map(|l| l.at.as_millis()));
        let kind = api
            .0
            .registry
            .device(&id, &point.device)
            .map(|d| d.kind.clone())
            .unwrap_or_default();
        points.push(PointLine {
            device: point.device.to_string(),
            name: point.name.to_string(),
            label: api.0.registry.label(point.name.as_str()),
            unit: point.unit.clone(),
            value: last.as_ref().and_then(|l| l.value),
            quality: last.as_ref().map_or("missing".into(), |l| word(l.quality)),
            at: last.map(|l| l.at.as_millis()),
            limits: api.0.limits(&kind, point.name.as_str(), &point.unit),
        });
    }
    let signals = signals_of_site(&api, &id).await?;
    let mut open = BySeverity::default();
    signals
        .iter()
        .filter(|s| s.closed_at.is_none())
        .for_each(|s| open.add(s.severity));
    let devices = api
        .0
        .registry
        .devices
        .iter()
        .filter(|d| d.site == id)
        .map(|d| api.0.device_line(d, now))
        .collect();
    Ok(Json(SitePage {
        now: now.as_millis(),
        site: api.0.site_line(&known, newest, open, now),
        devices,
        points,
        signals,
    }))
}

async fn signals_of_site(api: &Api, site: &SiteId) -> Result<Vec<SignalLine>, ApiError> {
    let site = site.clone();
    api.blocking(move |inner| {
        let signals = inner
            .signals
            .list(Some(&site), SIGNALS_MAX)
            .map_err(ApiError::internal)?;
        let cases = case::store::all(&inner.records).map_err(ApiError::internal)?;
        let case_of = |id: &str| {
            cases
                .iter()
                .find(|c| c.signals.iter().any(|s| s == id))
                .map(|c| c.id.clone())
        };
        Ok(signals
            .iter()
            .map(|s| inner.signal_line(s, case_of(&s.id)))
            .collect())
    })
    .await
}

/// The signals of a site, the newest first.
#[utoipa::path(get, path = "/api/sites/{site}/signals", params(("site" = String, Path)), responses((status = 200, body = Vec<SignalLine>)))]
pub async fn site_signals(
    _: SignedIn,
    Shared(api): Shared<Api>,
    Path(site): Path<String>,
) -> Answer<Vec<SignalLine>> {
    signals_of_site(&api, &site_id(&site)?).await.map(Json)
}

/// What to draw.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct SeriesQuery {
    /// The site.
    site: String,
    /// The device.
    device: String,
    /// The point.
    point: String,
    /// From, ms since 1970.
    from: i64,
    /// To, exclusive.
    to: i64,
    /// Buckets wanted if there are more readings than this.
    #[serde(default)]
    buckets: usize,
}

/// Readings of a point: raw for short windows, buckets of min, mean and max for long ones.
#[utoipa::path(get, path = "/api/series", params(SeriesQuery), responses((status = 200, body = SeriesView)))]
pub async fn series(
    _: SignedIn,
    Shared(api): Shared<Api>,
    Query(q): Query<SeriesQuery>,
) -> Answer<SeriesView> {
    let bad = |e: contract::IdError| ApiError::Bad(e.to_string());
    let (site, device) = (site_id(&q.site)?, DeviceId::new(&q.device).map_err(bad)?);
    let point = PointName::new(&q.point).map_err(bad)?;
    if q.from >= q.to {
        return Err(ApiError::Bad(
            "`from` is not before `to`; both are ms since 1970".into(),
        ));
    }
    let dictionary = api.0.ingest.dictionary();
    let key = dictionary.find(&site, &device, &point);
    let key = key.ok_or_else(|| {
        ApiError::Absent(format!("no reading ever came from {site}/{device}/{point}"))
    })?;
    let unit = dictionary
        .get(key)
        .map(|p| p.unit.clone())
        .unwrap_or_default();
    let (from, to) = (Timestamp::from_millis(q.from), Timestamp::from_millis(q.to));
    let limit = if q.buckets == 0 {
        RAW_MAX
    } else {
        (2 * q.buckets).clamp(100, RAW_MAX)
    };
    let raw = api
        .0
        .series
        .raw(key, from, to, limit + 1)
        .await
        .map_err(ApiError::internal)?;
    if raw.len() <= limit || q.buckets == 0 {
        let points: Vec<RawPoint> = raw
            .iter()
            .take(limit)
            .map(|r| RawPoint {
                at: r.at.as_millis(),
                value: r.value,
                quality: word(r.quality),
            })
            .collect();
        let gaps = raw_gaps(&points);
        return Ok(Json(SeriesView {
            from: q.from,
            to: q.to,
            unit,
            raw: Some(points),
            buckets: None,
            gaps,
        }));
    }
    let count = q.buckets.clamp(10, 2000);
    let found = api
        .0
        .series
        .buckets(key, from, to, count)
        .await
        .map_err(ApiError::internal)?;
    let width = ((q.to - q.from) / found.len().max(1) as i64).max(1);
    let mut gaps: Vec<Gap> = Vec::new();
    let mut buckets = Vec::new();
    for b in &found {
        let at = b.at.as_millis();
        match (b.min, b.mean, b.max) {
            (Some(min), Some(mean), Some(max)) => {
                buckets.push(BucketView {
                    from: at,
                    to: at + width,
                    min,
                    mean,
                    max,
                    count: b.n,
                });
            }
            _ => {
                let reason = if b.missing > 0 { "missing" } else { "no_data" };
                match gaps.last_mut().filter(|g| g.to >= at && g.reason == reason) {
                    Some(gap) => gap.to = at + width,
                    None => gaps.push(Gap {
                        from: at,
                        to: at + width,
                        reason: reason.into(),
                    }),
                }
            }
        }
    }
    Ok(Json(SeriesView {
        from: q.from,
        to: q.to,
        unit,
        raw: None,
        buckets: Some(buckets),
        gaps,
    }))
}

/// Absences in a row are one gap, with the reason of the first.
fn raw_gaps(points: &[RawPoint]) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    let mut is_open = false;
    for p in points {
        match (p.value.is_none(), is_open) {
            (true, false) => gaps.push(Gap {
                from: p.at,
                to: p.at,
                reason: p.quality.clone(),
            }),
            (_, true) => gaps.last_mut().into_iter().for_each(|g| g.to = p.at),
            (false, false) => {}
        }
        is_open = p.value.is_none();
    }
    gaps
}

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
    let now = Timestamp::now();
    api.blocking(move |inner| {
        let mut all = case::store::all(&inner.records).map_err(ApiError::internal)?;
        all.retain(|c| match q.state {
            None => true,
            Some(State::Open) => c.verdict.is_none(),
            Some(state) => c.state == state,
        });
        all.sort_by_key(|c| {
            let is_decided = c.verdict.is_some();
            let severity = if is_decided { None } else { Some(c.severity) };
            (
                is_decided,
                std::cmp::Reverse(severity),
                std::cmp::Reverse(c.opened_at),
            )
        });
        Ok(all
            .iter()
            .map(|c| inner.case_line(c, &inner.signals_of(c), now))
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
        let case = case.ok_or_else(|| ApiError::Absent(format!("there is no case {id}")))?;
        inner.case_page(&case, now)
    })
    .await
    .map(Json)
}

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

/// The plan: one visit per address.
#[utoipa::path(get, path = "/api/inspection/plan", responses((status = 200, body = PlanView)))]
pub async fn plan(_: SignedIn, Shared(api): Shared<Api>) -> Answer<PlanView> {
    let now = Timestamp::now();
    let mut last = Vec::new();
    for site in &api.0.registry.sites {
        last.push((site.id.clone(), last_readings(&api, &site.id).await));
    }
    api.blocking(move |inner| plan_of(inner, &last, now))
        .await
        .map(Json)
}

fn plan_of(
    inner: &super::Inner,
    last: &[(SiteId, Option<i64>)],
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
            .iter()
            .any(|(id, at)| *id == site.id && at.is_some_and(|at| now.as_millis() - at < 300_000));
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
                .filter(|c| c.site == site.id && c.state == State::Confirmed)
                .map(|c| c.id.clone())
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
    let visits = inspection::plan(&inner.registry, &facts);
    let separate = inspection::separate(&visits);
    let view = |v: &inspection::Visit| {
        let site = inner.registry.site(&v.site);
        let finding = |id: &String| {
            let case = cases.iter().find(|c| c.id == *id)?;
            let line = inner.case_line(case, &inner.signals_of(case), now);
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
        }
    };
    let shift = 8 * 3_600_000;
    let day = (now.as_millis() + shift).div_euclid(86_400_000) * 86_400_000 - shift;
    Ok(PlanView {
        day,
        visits: visits.iter().map(view).collect(),
        separate,
    })
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
            let bytes =
                found.ok_or_else(|| ApiError::Absent(format!("there is no evidence {id}")))?;
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

/// How the gateway is, and what it refused.
#[utoipa::path(get, path = "/api/status", responses((status = 200, body = StatusView)))]
pub async fn status(_: SignedIn, Shared(api): Shared<Api>) -> Json<StatusView> {
    let inner = &api.0;
    let series = match &inner.series {
        crate::series::Series::Embedded(embedded) => embedded.progress().cursor,
        _ => 0,
    };
    let refused = inner.ingest.refused().into_iter().map(|r| RefusedMessage {
        at: r.at.as_millis(),
        topic: r.topic.clone(),
        reason: r.reason.label().into(),
        what: r.what.clone(),
        fix: r.reason.fix().into(),
    });
    Json(StatusView {
        journal: inner.ingest.journal().head().0.0,
        series,
        detect: inner.detected(),
        readings_journaled: inner.metrics.ingest_readings_journaled_total.get(),
        duplicates: inner.metrics.ingest_duplicates_total.get(),
        scoring_unavailable: inner.scoring_unavailable.clone(),
        refused: refused.collect(),
    })
}

/// Live updates: `signal` when a signal changed (with the changed signals), `case` when records changed, `tick`
/// every five seconds. Not in the description: it is a stream.
pub async fn events(
    _: SignedIn,
    Shared(api): Shared<Api>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let signals = api.0.signals.subscribe();
    let records = api.0.changed.subscribe();
    let stopping = api.0.stopping.clone();
    let after = *signals.borrow();
    let tick = tokio::time::interval(Duration::from_secs(5));
    let state = (api, signals, records, stopping, tick, after);
    let next = stream::unfold(
        state,
        |(api, mut signals, mut records, mut stopping, mut tick, mut after)| async move {
            let event = tokio::select! {
                () = async { drop(stopping.wait_for(|stop| *stop).await); } => return None,
                changed = signals.changed() => {
                    changed.ok()?;
                    signals.borrow_and_update();
                    let from = after;
                    let read = api.blocking(move |i| i.signals.changes_after(from, 500).map_err(ApiError::internal)).await;
                    let (through, changed) = read.ok()?;
                    after = through;
                    let lines: Vec<SignalLine> = changed.iter().map(|s| api.0.signal_line(s, None)).collect();
                    Event::default().event("signal").json_data(lines).ok()?
                }
                changed = records.changed() => {
                    changed.ok()?;
                    Event::default().event("case").data("{}")
                }
                _ = tick.tick() => Event::default().event("tick").data(format!("{{\"now\":{}}}", Timestamp::now().as_millis())),
            };
            Some((Ok(event), (api, signals, records, stopping, tick, after)))
        },
    );
    Sse::new(next).keep_alive(KeepAlive::default())
}
