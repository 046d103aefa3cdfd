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

/// When a message came, and whether its times may be impossible.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came {
    pub now: Timestamp,
    /// It is a numbered record: its agent says itself which readings have a time that is not to be trusted.
    pub is_numbered: bool,
}

impl Came {
    /// Why a time is no measurement time. What a numbered record itself doubts, or says to be missing, stands under the
    /// time that the agent's clock showed, be it 1970: it is kept and seen, and no rule counts it.
    fn objection(self, at_ms: i64, quality: Quality) -> Option<Reason> {
        let is_doubted = matches!(
            quality,
            Quality::Missing(_) | Quality::Suspect(Doubt::UntrustedClock)
        );
        if self.is_numbered && is_doubted && (0..YEAR_2100_MS).contains(&at_ms) {
            return None;
        }
        check_time(at_ms, self.now)
    }
}

const YEAR_2100_MS: i64 = 4_102_444_800_000;

/// Turns a metric into a sample, or says why not.
#[inline]
pub(super) fn sample(
    metric: &Metric<'_>,
    point: PointKey,
    datatype: u32,
    at_ms: i64,
    came: Came,
    samples: &mut Vec<Sample>,
    faults: &mut Vec<Fault>,
) {
    let stated = metric.properties.map_or(Quality::Good, stated_quality);
    if let Some(reason) = came.objection(at_ms, stated) {
        faults.push((
            reason,
            format!("the time is {}", Timestamp::from_millis(at_ms)),
        ));
        return;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_time_is_kept_only_where_a_numbered_record_says_that_it_is_not_to_be_trusted() {
        let now = Timestamp::from_millis(1_795_000_000_000);
        let objection =
            |is_numbered, at_ms, quality| Came { now, is_numbered }.objection(at_ms, quality);
        let (doubted, missing) = (
            Quality::Suspect(Doubt::UntrustedClock),
            Quality::Missing(Absence::NoAnswer),
        );
        let ahead = now.as_millis() + 40 * 86_400_000;
        for at_ms in [0, 86_400_000, ahead] {
            assert_eq!(objection(true, at_ms, doubted), None);
            assert_eq!(objection(true, at_ms, missing), None);
            assert!(objection(true, at_ms, Quality::Good).is_some());
            assert!(objection(true, at_ms, Quality::Suspect(Doubt::Fault)).is_some());
            assert!(objection(false, at_ms, doubted).is_some());
        }
        assert_eq!(objection(true, -1, doubted), Some(Reason::TimeAncient));
        assert_eq!(
            objection(true, YEAR_2100_MS, doubted),
            Some(Reason::TimeAhead)
        );
        assert_eq!(objection(false, now.as_millis(), Quality::Good), None);
    }
}
