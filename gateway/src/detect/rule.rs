//! What a rule says, and reading packs of rules (`config/rules/*.toml`).
//!
//! Every rule names its standard and clause and the days on which they are in force (domain.md 4.0, L-25). A
//! rule that does not is refused, and all problems of a pack are found in one run.

use super::escalate::Escalate;
use contract::problems::Problems;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A text in the two languages of the screens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Text {
    /// A text.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            zh: zh.into(),
            en: en.into(),
        }
    }
}

/// How urgent a signal is: I 提示, II 一般, III 较重, IV 严重.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
pub enum Severity {
    /// 提示: a message to the business only.
    I,
    /// 一般: review within 3 working days.
    II,
    /// 较重: review within 24 hours.
    III,
    /// 严重: the duty officer at once.
    IV,
}

/// On which side of the limit the condition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparator {
    /// The condition holds above the limit.
    Above,
    /// The condition holds below the limit.
    Below,
}

impl Comparator {
    /// True if `value` is beyond `limit`.
    pub fn is_beyond(self, value: f64, limit: f64) -> bool {
        match self {
            Comparator::Above => value > limit,
            Comparator::Below => value < limit,
        }
    }

    /// The worse of two values.
    pub fn worse(self, a: f64, b: f64) -> f64 {
        match self {
            Comparator::Above => a.max(b),
            Comparator::Below => a.min(b),
        }
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Each reading.
    Instant,
    /// The mean of the minute means of the averaging time, which slides.
    Mean,
    /// The mean of the minute means of a block of the averaging time, such as a clock hour.
    Block,
    /// The standard deviation over the averaging time: a process that went unnaturally calm.
    Deviation,
    /// The time since the last reading with a value, in minutes.
    Silence,
    /// For how many minutes the same value was reported.
    Stuck,
}

/// A condition on another point of the same device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct While {
    /// The other point.
    pub point: String,
    /// It must be above this.
    pub above: f64,
}

/// Conversion to a reference oxygen content: C · (21 − reference) / (21 − O2) (HJ 212-2017 App. D).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Convert {
    /// The oxygen point of the same device, in %.
    pub oxygen: String,
    /// The reference content, in %.
    pub reference: f64,
}

/// A rule as configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, unique with the version.
    pub id: String,
    /// Raised with every change of meaning.
    pub version: u32,
    /// One line.
    pub title: Text,
    /// `food`, `environment` or `safety`.
    pub domain: String,
    /// Kinds of device it applies to.
    pub devices: Vec<String>,
    /// The point it looks at.
    pub point: String,
    /// Its unit; a point that announced another unit is not compared.
    pub unit: String,
    /// What is compared.
    pub measure: Measure,
    /// On which side.
    pub comparator: Comparator,
    /// The limit, in the unit (minutes for `silence`).
    pub limit: f64,
    /// Back at or within this level counts as clear; the limit itself if absent.
    #[serde(default)]
    pub reset: Option<f64>,
    /// Averaging time in minutes, for `mean` and `deviation`.
    #[serde(default)]
    pub averaging_min: f64,
    /// Share of the averaging time that must be covered by good readings.
    #[serde(default = "three_quarters")]
    pub min_valid: f64,
    /// Minutes for which the condition must hold.
    pub dwell_min: f64,
    /// Readings in a row for which it must hold.
    #[serde(default = "one")]
    pub samples: u32,
    /// Only while another point is in operation.
    #[serde(default, rename = "while")]
    pub only_while: Option<While>,
    /// Converted to reference oxygen before it is compared.
    #[serde(default)]
    pub convert: Option<Convert>,
    /// For `deviation`: only where the point usually moved at least this much.
    #[serde(default)]
    pub usual_min: Option<f64>,
    /// For `stuck`: values at or below this are not looked at (detection limit).
    #[serde(default)]
    pub ignore_below: Option<f64>,
    /// Site-local hours in which it works, `22:00-06:00`; always if empty.
    #[serde(default)]
    pub hours: String,
    /// How urgent.
    pub severity: Severity,
    /// What repetition makes of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate: Option<Escalate>,
    /// The standard.
    pub standard: String,
    /// Its clause.
    pub clause: String,
    /// First day in force, `2022-02-22`.
    pub valid_from: String,
    /// Last day in force; empty while it is.
    #[serde(default)]
    pub valid_to: String,
    /// Where it applies; empty everywhere.
    #[serde(default)]
    pub region: String,
    /// How far the figure was verified: the tag of the fact sheet it comes from.
    pub source: String,
    /// Who wrote it; that person cannot decide its cases.
    #[serde(default)]
    pub author: String,
    /// In plain words.
    pub explanation: Text,
    /// What else could explain it.
    pub innocent: Vec<Text>,
}

fn three_quarters() -> f64 {
    0.75
}

fn one() -> u32 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pack {
    rule: Vec<toml::Table>,
}

const DOMAINS: [&str; 3] = ["food", "environment", "safety"];
/// Units that points and rules may have.
pub const UNITS: [&str; 16] = [
    "℃", "%", "mg/m3", "%LEL", "%vol", "dB(A)", "A", "kPa", "m/s", "m3/h", "mg/L", "", "V", "kW",
    "kWh", "ppm",
];

impl Rule {
    /// Milliseconds of a number of minutes, shortened by the training time scale.
    pub fn millis(minutes: f64, time_scale: f64) -> i64 {
        (minutes * 60_000.0 / time_scale) as i64
    }

    /// The level at which the condition counts as clear.
    pub fn reset_level(&self) -> f64 {
        self.reset.unwrap_or(self.limit)
    }

    /// From when until when (exclusive) it is in force, ms since 1970; days are days of the site, UTC+8.
    pub fn force_ms(&self) -> (i64, i64) {
        let midnight = |day: &str| -> Option<i64> {
            let date: jiff::civil::Date = day.parse().ok()?;
            let days = date.since(jiff::civil::date(1970, 1, 1)).ok()?.get_days();
            Some(i64::from(days) * 86_400_000 - 8 * 3_600_000)
        };
        let until = midnight(&self.valid_to).map_or(i64::MAX, |ms| ms + 86_400_000);
        (midnight(&self.valid_from).unwrap_or(i64::MIN), until)
    }

    /// The working hours in minutes of the site-local day; `None` if there are none or they cannot be read.
    pub fn working_minutes(&self) -> Option<(i64, i64)> {
        let minute = |text: &str| -> Option<i64> {
            let (hours, minutes) = text.split_once(':')?;
            let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
            ((0..=24).contains(&hours) && (0..60).contains(&minutes))
                .then_some(hours * 60 + minutes)
        };
        let (from, to) = self.hours.split_once('-')?;
        Some((minute(from)?, minute(to)?))
    }

    fn check_measure(&self, add: &mut impl FnMut(&str, String, &str)) {
        if self.convert.is_some() && self.measure != Measure::Block {
            add(
                "convert",
                "conversion to reference oxygen needs the means of whole blocks".into(),
                "write measure = \"block\"",
            );
        }
        if self
            .convert
            .as_ref()
            .is_some_and(|c| !(0.0..20.0).contains(&c.reference))
        {
            add(
                "convert.reference",
                "it is not an oxygen content below 20 %".into(),
                "write the reference of the standard",
            );
        }
        if self.usual_min.is_some() && self.measure != Measure::Deviation {
            add(
                "usual_min",
                "it does not fit the measure".into(),
                "leave it out",
            );
        }
        if self.ignore_below.is_some() && self.measure != Measure::Stuck {
            add(
                "ignore_below",
                "it does not fit the measure".into(),
                "leave it out",
            );
        }
        let is_lead = matches!(self.measure, Measure::Deviation | Measure::Stuck);
        if is_lead && self.severity > Severity::II {
            add(
                "severity",
                "a lead of tampering is above II".into(),
                "write II at most; only a person can raise it",
            );
        }
        let may_be = self.escalate.as_ref().map(|e| e.severity);
        if is_lead && may_be > Some(Severity::II) {
            add(
                "escalate.severity",
                "a lead of tampering would be above II".into(),
                "write II at most; only a person can raise it",
            );
        }
        let is_timed = matches!(self.measure, Measure::Silence | Measure::Stuck);
        if is_timed && !(self.limit > 0.0 && self.dwell_min == 0.0) {
            add(
                "limit",
                "it is not a number of minutes above 0, or dwell_min is not 0".into(),
                "write how many minutes it may last as limit, and dwell_min = 0",
            );
        }
    }

    fn check(&self, place: &str, problems: &mut Problems) {
        let mut add =
            |key: &str, what: String, fix: &str| problems.add(format!("{place}.{key}"), what, fix);
        if self.standard.trim().is_empty() {
            add(
                "standard",
                "it is empty".into(),
                "name the standard the limit comes from",
            );
        }
        if self.clause.trim().is_empty() {
            add(
                "clause",
                "it is empty".into(),
                "name the clause; a limit without one cannot be used",
            );
        }
        if !DOMAINS.contains(&self.domain.as_str()) {
            add(
                "domain",
                format!("{:?} is not a domain", self.domain),
                "write food, environment or safety",
            );
        }
        if !UNITS.contains(&self.unit.as_str()) {
            add(
                "unit",
                format!("{:?} is not a known unit", self.unit),
                &format!("write one of {}", UNITS.join(" ")),
            );
        }
        if self.version == 0 {
            add("version", "it is 0".into(), "versions begin at 1");
        }
        if self.devices.is_empty() {
            add(
                "devices",
                "it is empty".into(),
                "list the kinds of device the rule applies to",
            );
        }
        if !(self.limit.is_finite() && self.reset_level().is_finite()) {
            add(
                "limit",
                "it is not a number".into(),
                "write the limit in the rule's unit",
            );
        }
        if self.comparator.is_beyond(self.reset_level(), self.limit) {
            add(
                "reset",
                "it is on the wrong side of the limit".into(),
                "the reset level lies on the clear side",
            );
        }
        if !(0.0..=100_000.0).contains(&self.dwell_min) {
            add(
                "dwell_min",
                format!("{} is not possible", self.dwell_min),
                "write minutes, 0 or more",
            );
        }
        self.check_measure(&mut add);
        if let Some(escalate) = &self.escalate {
            escalate.check(self, &mut add);
        }
        if !self.hours.is_empty() && self.working_minutes().is_none() {
            add(
                "hours",
                format!("{:?} is not a span of the day", self.hours),
                "write it like 22:00-06:00",
            );
        }
        let needs_averaging = matches!(
            self.measure,
            Measure::Mean | Measure::Block | Measure::Deviation
        );
        if needs_averaging != (self.averaging_min > 0.0) {
            add(
                "averaging_min",
                "it does not fit the measure".into(),
                "give it for mean, block and deviation, and only there",
            );
        }
        if !(self.min_valid > 0.0 && self.min_valid <= 1.0) {
            add(
                "min_valid",
                format!("{} is not a share", self.min_valid),
                "write a number above 0, at most 1",
            );
        }
        for (key, day, may_be_empty) in [
            ("valid_from", &self.valid_from, false),
            ("valid_to", &self.valid_to, true),
        ] {
            if !(may_be_empty && day.is_empty()) && day.parse::<jiff::civil::Date>().is_err() {
                add(
                    key,
                    format!("{day:?} is not a day"),
                    "write it like 2022-02-22",
                );
            }
        }
        if !self.valid_to.is_empty() && self.valid_to < self.valid_from {
            add(
                "valid_to",
                "it is before valid_from".into(),
                "correct the days",
            );
        }
        if [&self.title, &self.explanation]
            .iter()
            .any(|t| t.zh.is_empty() || t.en.is_empty())
        {
            add(
                "explanation",
                "a text is empty".into(),
                "give title and explanation in zh and en",
            );
        }
    }
}

/// Reads all packs (`*.toml`) of a folder. Problems are added; what is returned is sound.
pub fn load(folder: &Path, problems: &mut Problems) -> Vec<Rule> {
    let mut files: Vec<_> = match std::fs::read_dir(folder) {
        Ok(list) => list
            .flatten()
            .map(|f| f.path())
            .filter(|p| p.extension().is_some_and(|e| e == "toml"))
            .collect(),
        Err(error) => {
            problems.add(
                folder.display(),
                format!("the folder of rules cannot be read: {error}"),
                "correct detect.rules",
            );
            return Vec::new();
        }
    };
    files.sort();
    let mut rules: Vec<Rule> = Vec::new();
    for file in files {
        let place = file.display().to_string();
        match std::fs::read_to_string(&file) {
            Ok(text) => parse(&place, &text, &mut rules, problems),
            Err(error) => problems.add(
                place,
                format!("it cannot be read: {error}"),
                "check its permissions",
            ),
        }
    }
    rules
}

/// Reads one pack; `place` names it in problems.
pub fn parse(place: &str, text: &str, rules: &mut Vec<Rule>, problems: &mut Problems) {
    let pack: Pack = match toml::from_str(text) {
        Ok(pack) => pack,
        Err(error) => {
            return problems.add(
                place,
                error.to_string().trim().replace('\n', " "),
                "correct the file",
            );
        }
    };
    for (n, table) in pack.rule.into_iter().enumerate() {
        let name = table
            .get("id")
            .and_then(|id| id.as_str())
            .map_or(format!("number {}", n + 1), str::to_owned);
        let place = format!("{place}: rule {name}");
        let rule: Rule = match table.try_into() {
            Ok(rule) => rule,
            Err(error) => {
                problems.add(
                    place,
                    error.to_string().trim().replace('\n', " "),
                    "correct the key; see config/rules",
                );
                continue;
            }
        };
        let before = problems.len();
        rule.check(&place, problems);
        if rules
            .iter()
            .any(|other| (&other.id, other.version) == (&rule.id, rule.version))
        {
            problems.add(
                &place,
                "there is another rule of this id and version",
                "raise the version or change the id",
            );
        }
        if problems.len() == before {
            rules.push(rule);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_pack_is_sound_and_every_rule_names_its_clause() {
        let mut problems = Problems::new();
        let rules = load(
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/rules")),
            &mut problems,
        );
        assert!(problems.is_empty(), "{problems}");
        assert!(rules.len() >= 12, "{} rules", rules.len());
    }

    #[test]
    fn all_problems_of_a_pack_are_found_in_one_run() {
        let good = r#"id="a" version=1 domain="food" devices=["freezer"] point="temperature" unit="℃" measure="instant" comparator="above" limit=-15 dwell_min=30 severity="II" standard="S" clause="1" valid_from="2022-01-01" source="V" title={zh="题",en="t"} explanation={zh="说",en="e"} innocent=[]"#
            .replace("\" ", "\"\n").replace("1 domain", "1\ndomain").replace("] ", "]\n").replace("15 dwell", "15\ndwell").replace("30 sev", "30\nsev").replace("} ", "}\n");
        let bad = good
            .replace("clause=\"1\"", "clause=\"\"")
            .replace("\"℃\"", "\"furlong\"")
            .replace("id=\"a\"", "id=\"b\"");
        let unknown = good
            .replace("source=", "sauce=")
            .replace("id=\"a\"", "id=\"c\"");
        let soft =
            format!("escalate={{severity=\"II\",count=1,within_days=0,apart_min=5}}\n{good}")
                .replace("id=\"a\"", "id=\"d\"");
        let text = format!("[[rule]]\n{soft}\n");
        let (mut rules, mut problems) = (Vec::new(), Problems::new());
        parse("pack.toml", &text, &mut rules, &mut problems);
        let found = problems.to_string();
        for part in [
            "rule d.escalate.severity: II is not above the rule's own II",
            "rule d.escalate.count: 1 is no repetition",
            "rule d.escalate.within_days: 0 is not possible",
            "rule d.escalate.apart_min: 5 is not possible",
        ] {
            assert!(found.contains(part), "{part} is not in:\n{found}");
        }
        let text =
            format!("[[rule]]\n{good}\n[[rule]]\n{bad}\n[[rule]]\n{unknown}\n[[rule]]\n{good}\n");
        let (mut rules, mut problems) = (Vec::new(), Problems::new());
        parse("pack.toml", &text, &mut rules, &mut problems);
        let found = problems.to_string();
        assert_eq!(rules.len(), 1, "{found}");
        for part in [
            "rule b.clause",
            "rule b.unit",
            "rule c",
            "another rule of this id",
        ] {
            assert!(found.contains(part), "{part} is not in:\n{found}");
        }
    }
}
