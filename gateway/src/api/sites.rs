//! Sites with their points, signals and series.

use super::{Answer, Api, SignedIn, error::ApiError, pages::word, view::*};
use crate::{case, detect::rule::Text, ingest::dictionary::PointKey};
use axum::{
    Json,
    extract::{Path, Query, State as Shared},
};
use contract::{DeviceId, PointName, SiteId, Timestamp};
use serde::Deserialize;
use std::collections::HashMap;

/// Signals shown on a page at most.
const SIGNALS_MAX: usize = 200;
/// Readings of a raw chart at most; longer windows are asked for in buckets.
const RAW_MAX: usize = 5000;

fn site_id(text: &str) -> Result<SiteId, ApiError> {
    SiteId::new(text).map_err(|e| ApiError::bad(format!("场所编号不对：{text}"), e.to_string()))
}

/// When each site was last heard of, in one pass over all points.
pub async fn last_readings(api: &Api) -> Result<HashMap<SiteId, i64>, ApiError> {
    let dictionary = api.0.ingest.dictionary();
    let points: Vec<PointKey> = (0..dictionary.len() as u32).map(PointKey).collect();
    let newest = api.0.series.newest(points.clone()).await;
    let mut last: HashMap<SiteId, i64> = HashMap::new();
    for (key, at) in points.iter().zip(newest.map_err(ApiError::internal)?) {
        if let (Some(point), Some(at)) = (dictionary.get(*key), at) {
            let site = last.entry(point.site.clone()).or_insert(i64::MIN);
            *site = at.as_millis().max(*site);
        }
    }
    Ok(last)
}

/// All sites, with what is open.
#[utoipa::path(get, path = "/api/overview", responses((status = 200, body = Overview)))]
pub async fn overview(_: SignedIn, Shared(api): Shared<Api>) -> Answer<Overview> {
    let now = Timestamp::now();
    let signals = api
        .blocking(|inner| {
            let mut signals = inner.signals.list(None, 5000).map_err(ApiError::internal)?;
            signals.retain(|s| s.closed_at.is_none() && !inner.is_shadow(s));
            Ok(inner.weighed(signals))
        })
        .await?;
    let last = last_readings(&api).await?;
    let mut sites = Vec::new();
    for site in &api.0.registry.sites {
        let mut open = BySeverity::default();
        signals
            .iter()
            .filter(|s| s.site == site.id)
            .for_each(|s| open.add(s.severity));
        let at = last.get(&site.id).copied();
        sites.push(api.0.site_line(site, at, open, now));
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
        .ok_or_else(|| ApiError::absent("场所", "site", &site))?;
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
        .filter(|s| s.closed_at.is_none() && !s.shadow)
        .for_each(|s| open.add(s.severity));
    let of = id.clone();
    let (coverage, gaps) = api
        .blocking(move |inner| {
            Ok((
                inner.coverage_today(&of, now)?,
                inner.gaps_of(&of, |_| true)?,
            ))
        })
        .await?;
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
        coverage,
        gaps,
    }))
}

async fn signals_of_site(api: &Api, site: &SiteId) -> Result<Vec<SignalLine>, ApiError> {
    let site = site.clone();
    api.blocking(move |inner| {
        let signals = inner
            .signals
            .list(Some(&site), SIGNALS_MAX)
            .map_err(ApiError::internal)?;
        let signals = inner.weighed(signals);
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
    let bad = |e: contract::IdError| ApiError::bad("设备或测点的名称不对", e.to_string());
    let (site, device) = (site_id(&q.site)?, DeviceId::new(&q.device).map_err(bad)?);
    let point = PointName::new(&q.point).map_err(bad)?;
    if q.from >= q.to {
        return Err(ApiError::bad(
            "起点不早于终点（均为 1970 年以来的毫秒数）",
            "`from` is not before `to`; both are ms since 1970",
        ));
    }
    let dictionary = api.0.ingest.dictionary();
    let key = dictionary.find(&site, &device, &point);
    let key = key.ok_or_else(|| {
        let place = format!("{site}/{device}/{point}");
        ApiError::Absent(Text::new(
            format!("从未收到 {place} 的读数"),
            format!("no reading ever came from {place}"),
        ))
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
        let mut gaps = raw_gaps(&points);
        gaps.extend(told_gaps(&api, &site, &device, from, to).await?);
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
    let told = told_gaps(&api, &site, &device, from, to).await?;
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
    // What an agent explained is not said once more as silence.
    gaps.retain(|g| g.reason != "no_data" || !told.iter().any(|t| t.from < g.to && t.to > g.from));
    gaps.extend(told);
    Ok(Json(SeriesView {
        from: q.from,
        to: q.to,
        unit,
        raw: None,
        buckets: Some(buckets),
        gaps,
    }))
}

/// The gap records of a device within a chart.
async fn told_gaps(
    api: &Api,
    site: &SiteId,
    device: &DeviceId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Gap>, ApiError> {
    let (site, device) = (site.clone(), device.clone());
    let read = move |inner: &super::Inner| {
        inner
            .coverage
            .gaps(&site, from, to, SIGNALS_MAX)
            .map_err(ApiError::internal)
    };
    let told = api.blocking(read).await?.into_iter();
    Ok(told
        .filter(|entry| entry.device == device)
        .map(|entry| Gap {
            from: entry.gap.from.max(from).as_millis(),
            to: entry.gap.to.min(to).as_millis(),
            reason: crate::coverage::Why::Gap(entry.gap.reason).word(),
        })
        .collect())
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
