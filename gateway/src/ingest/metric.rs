//! A Sparkplug metric becomes a sample, or a fault in words. Pure.

use super::decode::{self, Head, Metric, Value, property};
use super::dictionary::PointKey;
use super::record::Sample;
use super::refused::Reason;
use super::session::{Fault, check_time};
use contract::{Absence, Doubt, Quality, Timestamp};

pub(super) fn edge_time(head: &Head<'_>, now: Timestamp) -> Timestamp {
    head.timestamp
        .map_or(now, |ms| Timestamp::from_millis(ms as i64))
}

pub(super) fn whole(value: Value<'_>) -> Option<u64> {
    match value {
        Value::Long(n) => Some(n),
        Value::Int(n) => Some(u64::from(n)),
        _ => None,
    }
}

pub(super) fn text_property(metric: &Metric<'_>, key: &str) -> String {
    match metric.properties.and_then(|set| property(set, key)) {
        Some(Value::Text(text)) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    }
}

pub(super) fn unknown_metric(metric: &Metric<'_>) -> String {
    match (metric.name, metric.alias) {
        (Some(name), _) => format!(
            "metric {:?} is not in the birth",
            String::from_utf8_lossy(name)
        ),
        (None, Some(alias)) => format!("metric with alias {alias} is not in the birth"),
        (None, None) => "a metric has neither name nor alias".into(),
    }
}

/// The quality a metric's property says: our codes, and Sparkplug's 192, 500 and 0 with an explicit value.
#[cold]
fn stated_quality(set: &[u8]) -> Quality {
    match property(set, "Quality")
        .or_else(|| property(set, "quality"))
        .and_then(whole)
    {
        None | Some(192) => Quality::Good,
        Some(500) => Quality::Missing(Absence::Unspecified),
        Some(0) => Quality::Suspect(Doubt::Unspecified),
        Some(code) => {
            u8::try_from(code).map_or(Quality::Suspect(Doubt::Unspecified), Quality::from_code)
        }
    }
}

/// Turns a metric into a sample, or says why not.
#[inline]
pub(super) fn sample(
    metric: &Metric<'_>,
    point: PointKey,
    datatype: u32,
    at_ms: i64,
    now: Timestamp,
    samples: &mut Vec<Sample>,
    faults: &mut Vec<Fault>,
) {
    if let Some(reason) = check_time(at_ms, now) {
        faults.push((
            reason,
            format!("the time is {}", Timestamp::from_millis(at_ms)),
        ));
        return;
    }
    let stated = metric.properties.map_or(Quality::Good, stated_quality);
    let datatype = if metric.datatype == 0 {
        datatype
    } else {
        metric.datatype
    };
    let (value, quality) = match stated {
        Quality::Missing(absence) => (f64::NAN, Quality::Missing(absence)),
        _ if metric.is_null => (f64::NAN, Quality::Missing(Absence::Unspecified)),
        _ => match decode::number(metric.value, datatype) {
            Some(value) if value.is_finite() => (value, stated),
            Some(_) => {
                faults.push((Reason::NotFinite, "the value is NaN or infinite".into()));
                (f64::NAN, Quality::Missing(Absence::Unreadable))
            }
            None if metric.value == Value::None => {
                (f64::NAN, Quality::Missing(Absence::Unspecified))
            }
            None => {
                faults.push((Reason::NotNumeric, "the value is not a number".into()));
                return;
            }
        },
    };
    samples.push(Sample {
        point,
        at_ms,
        value,
        quality,
    });
}
