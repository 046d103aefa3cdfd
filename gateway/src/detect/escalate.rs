//! What a rule says of repetition: once is a hint, three times in a week is more (domain.md 4.3 and 4.6, "I→II if 3 in
//! 7 days"). Pure.
//!
//! The engine never escalates a signal: whether an earlier one counts depends on what people decided of it, and signals are
//! what the journal gives. Cases count (`case::escalation`); here is what a rule may say, how it is judged, and the words.

use super::rule::{Rule, Severity, Text};
use contract::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

const DAY_MIN: f64 = 24.0 * 60.0;
const DAYS_MAX: f64 = 366.0;

/// A rule's word on repetition, as configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalate {
    /// What the severity becomes.
    pub severity: Severity,
    /// With so many occasions, the present one counted.
    pub count: u32,
    /// Within so many days, by the times of readings; exactly so many days are within (民法典 Art. 1259: 以内 includes the number).
    pub within_days: f64,
    /// Signals less than so many minutes apart are one occasion.
    #[serde(default)]
    pub apart_min: f64,
}

impl Escalate {
    /// Says what is wrong with it in `rule`.
    pub(super) fn check(&self, rule: &Rule, add: &mut impl FnMut(&str, String, &str)) {
        if self.severity <= rule.severity {
            add(
                "escalate.severity",
                format!(
                    "{:?} is not above the rule's own {:?}",
                    self.severity, rule.severity
                ),
                "write a higher one, or leave escalate out",
            );
        }
        if self.count < 2 {
            add(
                "escalate.count",
                format!("{} is no repetition", self.count),
                "write 2 or more; the present occasion counts",
            );
        }
        if !(self.within_days > 0.0 && self.within_days <= DAYS_MAX) {
            add(
                "escalate.within_days",
                format!("{} is not possible", self.within_days),
                "write days, above 0 and at most 366",
            );
        }
        if !(self.apart_min >= 0.0 && self.apart_min < self.within_days * DAY_MIN) {
            add(
                "escalate.apart_min",
                format!("{} is not possible", self.apart_min),
                "write minutes, 0 or more and less than within_days",
            );
        }
    }

    /// What a signal of `rule` is judged by, with times shortened by the training scale.
    fn terms(&self, rule: &Rule, time_scale: f64) -> Terms {
        Terms {
            from: rule.severity,
            severity: self.severity,
            count: self.count,
            within_ms: Rule::millis(self.within_days * DAY_MIN, time_scale),
            apart_ms: Rule::millis(self.apart_min, time_scale),
        }
    }
}

/// What a signal is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The rule's own severity.
    pub from: Severity,
    /// What it becomes.
    pub severity: Severity,
    /// With so many occasions.
    pub count: u32,
    /// Within this time.
    pub within_ms: i64,
    /// Signals closer than this are one occasion.
    pub apart_ms: i64,
}

/// What is said of repetition, by id and version of the rule.
pub type ByRule = HashMap<(String, u32), Terms>;

/// What these rules say of repetition.
pub fn by_rule(rules: &[Rule], time_scale: f64) -> ByRule {
    let terms = |rule: &Rule| {
        let escalate = rule.escalate.as_ref()?;
        Some((
            (rule.id.clone(), rule.version),
            escalate.terms(rule, time_scale),
        ))
    };
    rules.iter().filter_map(terms).collect()
}

/// A signal that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// The signal's id.
    pub signal: String,
    /// Since when its condition held.
    pub opened_at: Timestamp,
    /// The latest reading it was judged by.
    pub last_at: Timestamp,
}

/// A signal that was counted for a later one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Its id.
    pub signal: String,
    /// Since when its condition held.
    pub opened_at: Timestamp,
}

/// Why a signal is graver than its rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalated {
    /// By what it was judged.
    pub by: Terms,
    /// One signal of each earlier occasion that it takes, the latest first.
    pub earlier: Vec<Earlier>,
}

/// Whether `own` makes the number full. `before` are the signals of the same rule and place that opened before it and
/// count, in any order.
pub fn judge(terms: &Terms, own: &Occurrence, mut before: Vec<Occurrence>) -> Option<Escalated> {
    before.retain(|one| own.opened_at.since(one.opened_at) <= terms.within_ms);
    before.sort_by_key(|one| std::cmp::Reverse(one.opened_at));
    let needed = terms.count.saturating_sub(1) as usize;
    let mut earlier = Vec::new();
    let mut begins = own.opened_at;
    for one in before {
        if begins.since(one.last_at) >= terms.apart_ms {
            earlier.push(Earlier {
                signal: one.signal,
                opened_at: one.opened_at,
            });
        }
        begins = one.opened_at;
        if earlier.len() == needed {
            let by = terms.clone();
            return Some(Escalated { by, earlier });
        }
    }
    None
}

impl Escalated {
    /// Why, in words.
    pub fn words(&self) -> Text {
        let ids: Vec<&str> = self.earlier.iter().map(|e| e.signal.as_str()).collect();
        let (from, to) = (word(self.by.from), word(self.by.severity));
        let (zh, en) = span(self.by.within_ms);
        let count = self.by.count;
        Text::new(
            format!(
                "{zh}内同一设备、同一规则已有 {count} 次（连同此前的信号 {}；已排除的不计），级别由{}升为{}。",
                ids.join("、"),
                from.zh,
                to.zh
            ),
            format!(
                "With the earlier signals {} this makes {count} occasions in {en} at one device under one rule (what was set \
                 aside does not count): severity {} instead of {}.",
                ids.join(", "),
                to.en,
                from.en
            ),
        )
    }
}

fn word(severity: Severity) -> Text {
    let zh = match severity {
        Severity::I => "提示",
        Severity::II => "一般",
        Severity::III => "较重",
        Severity::IV => "严重",
    };
    Text::new(zh, format!("{severity:?}"))
}

/// A time in the largest unit that it is a whole number of, down to seconds.
fn span(ms: i64) -> (String, String) {
    for (unit, zh, en) in [
        (86_400_000, "天", "days"),
        (3_600_000, "小时", "hours"),
        (60_000, "分钟", "minutes"),
    ] {
        if ms >= unit && ms % unit == 0 {
            let n = ms / unit;
            return (format!("{n} {zh}"), format!("{n} {en}"));
        }
    }
    let seconds = (ms as f64 / 1000.0).round();
    (format!("{seconds} 秒"), format!("{seconds} seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const WEEK: i64 = 7 * 24 * HOUR;

    /// A signal that opened at `from` and was last seen at `to`, in ms.
    fn one(from: i64, to: i64) -> Occurrence {
        Occurrence {
            signal: format!("s{from}"),
            opened_at: Timestamp::from_millis(from),
            last_at: Timestamp::from_millis(to),
        }
    }

    fn terms() -> Terms {
        Terms {
            from: Severity::I,
            severity: Severity::II,
            count: 3,
            within_ms: WEEK,
            apart_ms: HOUR,
        }
    }

    #[test]
    fn the_third_occasion_within_seven_days_escalates_and_exactly_seven_days_are_within() {
        let check = |own: i64, before: &[(i64, i64)], expected: &[&str]| {
            let before = before.iter().map(|(from, to)| one(*from, *to)).collect();
            let found = judge(&terms(), &one(own, own), before).map(|e| e.earlier);
            let ids: Vec<String> = found.into_iter().flatten().map(|e| e.signal).collect();
            assert_eq!(ids, expected, "{own}");
        };
        let day = 24 * HOUR;
        check(day, &[], &[]);
        check(day, &[(0, 5)], &[]);
        check(2 * day, &[(0, 5), (day, day + 5)], &["s86400000", "s0"]);
        check(WEEK, &[(day, day), (0, 0)], &["s86400000", "s0"]);
        check(WEEK + 1, &[(0, 0), (day, day)], &[]);
        // Close together they are one occasion, also with the present one; the gap counts from the last reading.
        check(
            day,
            &[(day - 5 * HOUR, day - 5 * HOUR), (day - HOUR + 1, day)],
            &[],
        );
        check(day, &[(0, 0), (HOUR - 1, HOUR - 1)], &[]);
        check(day, &[(0, 0), (HOUR, HOUR)], &["s3600000", "s0"]);
        check(day, &[(0, HOUR - 1), (HOUR, HOUR)], &[]);
        // Overlapping signals (a back-fill beside the present) are one occasion even with nothing between them.
        let no_gap = Terms {
            apart_ms: 0,
            ..terms()
        };
        let before = vec![one(0, 10), one(5, 20)];
        assert_eq!(judge(&no_gap, &one(20, 20), before), None);
    }

    #[test]
    fn the_words_name_the_earlier_signals_and_both_severities() {
        let before = vec![one(0, 0), one(2 * HOUR, 2 * HOUR)];
        let words = judge(&terms(), &one(WEEK, WEEK), before).unwrap().words();
        assert_eq!(
            words.zh,
            "7 天内同一设备、同一规则已有 3 次（连同此前的信号 s7200000、s0；已排除的不计），级别由提示升为一般。"
        );
        assert!(
            words
                .en
                .contains("signals s7200000, s0 this makes 3 occasions in 7 days")
        );
        assert!(words.en.ends_with("severity II instead of I."));
        assert_eq!(span(90_000).1, "90 seconds");
        assert_eq!(span(36 * HOUR).0, "36 小时");
    }
}
