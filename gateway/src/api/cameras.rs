//! Cameras: what people were told of each, and how good the rules on what it sees are.

use super::{Answer, Api, Inner, SignedIn, error::ApiError, view::*};
use crate::{
    case::precision::{self, Key},
    coverage::promise::{day_begins, day_of},
    detect::{SEES, rule::Rule},
    registry::{CAMERA, Device},
};
use axum::{
    Json,
    extract::{Query, State as Shared},
};
use contract::{PointName, SiteId, Timestamp};
use serde::Deserialize;
use std::collections::HashMap;

/// False alarms are counted over so many days.
const DAYS: i32 = 30;

/// Which cameras.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct CameraQuery {
    /// Of this site; of all if left out.
    site: Option<String>,
}

/// The registered cameras.
#[utoipa::path(get, path = "/api/cameras", params(CameraQuery), responses((status = 200, body = Vec<CameraView>), (status = 400, body = Refused)))]
pub async fn cameras(
    _: SignedIn,
    Shared(api): Shared<Api>,
    Query(q): Query<CameraQuery>,
) -> Answer<Vec<CameraView>> {
    let bad = |error: contract::IdError| ApiError::bad("场所的名称不对", error.to_string());
    let site = q.site.map(SiteId::new).transpose().map_err(bad)?;
    let now = Timestamp::now();
    let views = api.blocking(move |inner| {
        let cameras = inner
            .registry
            .devices
            .iter()
            .filter(|device| device.is_camera());
        let cameras = cameras.filter(|camera| site.as_ref().is_none_or(|s| camera.site == *s));
        let mut days = HashMap::new();
        cameras
            .map(|camera| inner.camera_view(camera, now, &mut days))
            .collect()
    });
    views.await.map(Json)
}

/// Days on which a point came from cameras of a site, by site and point.
type CameraDays = HashMap<(SiteId, String), u64>;

impl Inner {
    fn camera_view(
        &self,
        camera: &Device,
        now: Timestamp,
        days: &mut CameraDays,
    ) -> Result<CameraView, ApiError> {
        let overview = self.footage.overview(&camera.site, &camera.id);
        let looks = |rule: &&Rule| {
            rule.point.starts_with(SEES) && rule.devices.iter().any(|kind| kind == CAMERA)
        };
        let rules = self.rules.iter().filter(looks);
        Ok(CameraView {
            site: camera.site.to_string(),
            id: camera.id.to_string(),
            name: camera.name.clone(),
            purpose: camera.purpose.clone(),
            sign: camera.sign.clone(),
            location: camera.location.clone(),
            published: camera.published.clone(),
            missing: camera.not_told(now),
            overview: overview.map_err(ApiError::internal)?,
            rules: rules
                .map(|rule| self.seeing_rule(camera, rule, now, days))
                .collect::<Result<_, _>>()?,
        })
    }

    fn seeing_rule(
        &self,
        camera: &Device,
        rule: &Rule,
        now: Timestamp,
        days: &mut CameraDays,
    ) -> Result<SeeingRule, ApiError> {
        let today = day_of(now.as_millis());
        let first = today - DAYS + 1;
        let models = match PointName::new(&rule.point) {
            Ok(point) => {
                let models = self.footage.models(&camera.site, &camera.id, &point);
                models.map_err(ApiError::internal)?
            }
            Err(_) => Vec::new(),
        };
        let key = Key {
            site: camera.site.clone(),
            rule: rule.id.clone(),
            version: rule.version,
            models: models.clone(),
        };
        let since = Timestamp::from_millis(day_begins(first));
        let record = precision::record(&self.records, &key, since).map_err(ApiError::internal)?;
        let place = (camera.site.clone(), rule.point.clone());
        let camera_days = match days.get(&place) {
            Some(known) => *known,
            None => {
                let mut points = self.points(&camera.site);
                points.retain(|(_, point)| point.name.as_str() == rule.point);
                let lines = self.coverage.balances(&points, first..=today);
                let lines = lines.map_err(ApiError::internal)?;
                let came =
                    |line: &&crate::coverage::Line| line.balance.in_time + line.balance.late > 0;
                let found = lines.iter().filter(came).count() as u64;
                days.insert(place, found);
                found
            }
        };
        let terms = &self.footage.plan().terms;
        Ok(SeeingRule::of(rule, models, &record, terms, camera_days))
    }
}
