//! Findings become a class A to D, explained. Pure.
//!
//! Only entries that a person caused count; a signal nobody confirmed never does. The class steers how often a
//! site is visited; it is never public.

use crate::{
    credit::{Entry, Status},
    detect::rule::{Severity, Text},
};
use contract::Timestamp;
use serde::{Deserialize, Serialize};

/// Risk class.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
pub enum Class {
    /// Low.
    A,
    /// Ordinary.
    B,
    /// Raised.
    C,
    /// High.
    D,
}

/// One line of the explanation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Line {
    /// What counts.
    pub text: Text,
    /// How much; `None` for a remark.
    pub points: Option<f64>,
}

/// A class with what it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Grade {
    /// The class.
    pub class: Class,
    /// The sum of points.
    pub score: f64,
    /// Where it comes from.
    pub explanation: Vec<Line>,
}

/// Points of a finding on its first day.
fn points(severity: Severity) -> f64 {
    match severity {
        Severity::I => 1.0,
        Severity::II => 3.0,
        Severity::III => 6.0,
        Severity::IV => 12.0,
    }
}

/// A finding loses its points evenly over the time for which it counts. A below 1, B below 6, C below 12.
pub fn grade(entries: &[Entry], now: Timestamp) -> Grade {
    let mut explanation = Vec::new();
    let mut score = 0.0;
    for entry in entries {
        let status = entry.status(now);
        let day = entry.occurred_at.to_string()[..10].to_owned();
        if !matches!(status, Status::InForce | Status::Notified) {
            let (zh, en) = match status {
                Status::UnderObjection => (
                    "异议处理中，暂不计分",
                    "under objection, not counted meanwhile",
                ),
                _ => ("不再计分", "no longer counted"),
            };
            explanation.push(Line {
                text: Text {
                    zh: format!("{day} {}：{zh}", entry.title.zh),
                    en: format!("{day} {}: {en}", entry.title.en),
                },
                points: None,
            });
            continue;
        }
        let whole = entry.valid_to.since(entry.recorded_at).max(1) as f64;
        let left = (entry.valid_to.since(now) as f64 / whole).clamp(0.0, 1.0);
        let counted = (points(entry.severity) * left * 10.0).round() / 10.0;
        score += counted;
        explanation.push(Line {
            text: Text {
                zh: format!(
                    "{day} {}（{:?} 级，经人确认）",
                    entry.title.zh, entry.severity
                ),
                en: format!(
                    "{day} {} (severity {:?}, confirmed by a person)",
                    entry.title.en, entry.severity
                ),
            },
            points: Some(counted),
        });
    }
    let class = match score {
        s if s < 1.0 => Class::A,
        s if s < 6.0 => Class::B,
        s if s < 12.0 => Class::C,
        _ => Class::D,
    };
    explanation.push(Line {
        text: Text {
            zh: "1 分以下为 A，6 分以下为 B，12 分以下为 C；分值随时间均匀减少。未经确认的预警信号不计分。".into(),
            en: "A below 1 point, B below 6, C below 12; points fade evenly with time. Signals nobody confirmed do not count."
                .into(),
        },
        points: None,
    });
    Grade {
        class,
        score,
        explanation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credit::Step;

    fn entry(severity: Severity, status: Status) -> Entry {
        let at = Timestamp::from_millis(0);
        Entry {
            id: "e".into(),
            uscc: "u".into(),
            name: "n".into(),
            case: "1".into(),
            evidence: "x".into(),
            title: Text::default(),
            ground: None,
            severity,
            occurred_at: at,
            recorded_at: at,
            valid_to: at.plus_millis(1000),
            timeline: vec![Step {
                status,
                at,
                by: String::new(),
                reason: String::new(),
            }],
            corrects: None,
            superseded_by: None,
        }
    }

    #[test]
    fn findings_raise_the_class_time_lowers_it_and_withdrawal_removes_it() {
        let check = |entries: &[Entry], now, class| {
            assert_eq!(grade(entries, Timestamp::from_millis(now)).class, class)
        };
        check(&[], 0, Class::A);
        check(&[entry(Severity::II, Status::InForce)], 0, Class::B);
        check(&[entry(Severity::IV, Status::Notified)], 0, Class::D);
        check(&[entry(Severity::IV, Status::Notified)], 600, Class::B);
        check(&[entry(Severity::IV, Status::Withdrawn)], 0, Class::A);
        check(&[entry(Severity::IV, Status::UnderObjection)], 0, Class::A);
    }
}
