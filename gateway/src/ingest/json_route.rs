//! Names of one JSON topic become points. Names mostly come in the order of the message before.

use super::dictionary::{Point, PointKey};
use super::hub::Ingest;
use super::json::Value;
use super::record::Sample;
use super::refused::Reason;
use super::session::Fault;
use contract::{Absence, DeviceId, PointName, Quality, SiteId};

/// What is known of a topic of plain telemetry.
#[derive(Debug)]
pub(super) struct JsonRoute {
    pub site: SiteId,
    pub device: DeviceId,
    pub pattern: usize,
    /// In the order the names came last time, which is the order they mostly come again.
    pub names: Vec<(Box<[u8]>, Option<PointKey>)>,
}

/// Takes one value of a message; `at` is its place among the names.
#[inline]
pub(super) fn take_json(
    route: &mut JsonRoute,
    at: &mut usize,
    name: &[u8],
    value: Value,
    ingest: &Ingest,
    samples: &mut Vec<Sample>,
    faults: &mut Vec<Fault>,
) {
    let known = match route.names.get(*at) {
        Some((expected, key)) if **expected == *name => Some(*key),
        _ => None,
    };
    let key = match known {
        Some(key) => key,
        None => find_json(route, *at, name, ingest),
    };
    *at += 1;
    let Some(point) = key else {
        return faults.push((
            Reason::BadName,
            format!("point {:?} is not allowed", String::from_utf8_lossy(name)),
        ));
    };
    let (value, quality) = match value {
        Value::Number(value) if value.is_finite() => (value, Quality::Good),
        Value::Number(_) => {
            faults.push((Reason::NotFinite, "the value is infinite".into()));
            (f64::NAN, Quality::Missing(Absence::Unreadable))
        }
        Value::Null => (f64::NAN, Quality::Missing(Absence::Unspecified)),
        Value::NotNumeric => {
            return faults.push((
                Reason::NotNumeric,
                format!("{:?} is not a number", String::from_utf8_lossy(name)),
            ));
        }
    };
    samples.push(Sample {
        point,
        at_ms: 0,
        value,
        quality,
    });
}

/// The name is not where it was last time: looks for it, moves it there, or makes a new point.
#[cold]
fn find_json(route: &mut JsonRoute, at: usize, name: &[u8], ingest: &Ingest) -> Option<PointKey> {
    const NAMES_MAX: usize = 10_000;
    if let Some(found) = route.names.iter().position(|(known, _)| **known == *name) {
        let key = route.names[found].1;
        if at < route.names.len() {
            route.names.swap(at, found);
        }
        return key;
    }
    let key = std::str::from_utf8(name)
        .ok()
        .and_then(|text| PointName::new(text).ok())
        .map(|name| {
            let (key, _) = ingest.intern(Point {
                site: route.site.clone(),
                agent: None,
                device: route.device.clone(),
                name,
                unit: String::new(),
                factor: String::new(),
                every_ms: None,
            });
            key
        });
    if route.names.len() < NAMES_MAX {
        let at = at.min(route.names.len());
        route.names.insert(at, (name.into(), key));
    }
    key
}
