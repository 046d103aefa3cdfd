//! Which fault when, from a TOML file, and the truth it implies.
//!
//! Promise: times in the file are minutes of the site, not of the wall clock; `factor` says how many seconds pass at
//! the site in one second outside. Everything that is wrong with a file is named in one error.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::process::{FaultKind, sites};

/// What the product should do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// At least one signal.
    Signal,
    /// No signal at all.
    Quiet,
    /// Either: the fault is there to look at.
    Any,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// Where.
    pub site: String,
    /// At which device.
    pub device: String,
    /// What.
    pub kind: FaultKind,
    /// First minute of the scenario.
    pub from_min: f64,
    /// Last minute of the scenario.
    pub to_min: f64,
    /// What the product should do about it.
    pub expect: Expect,
    /// For a fault that should raise a signal: within so many minutes of its beginning.
    #[serde(default)]
    pub within_min: f64,
    /// For people.
    pub note: String,
}

/// A played day.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Seed of all randomness.
    pub seed: u64,
    /// Seconds at the site in one second outside.
    pub factor: f64,
    /// Time of day at the site when it begins, `HH:MM`.
    pub begins: String,
    /// The plan starts over after so many minutes.
    pub repeat_min: f64,
    /// The faults.
    #[serde(default)]
    pub fault: Vec<Planned>,
}

/// Why a scenario was refused.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It cannot be read.
    #[error("cannot read the scenario {path}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not what we understand.
    #[error("the scenario {path} is not valid TOML for a scenario")]
    Parse {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: toml::de::Error,
    },
    /// It contradicts itself or the sites we have.
    #[error("the scenario has faults in its plan:\n{}", .0.join("\n"))]
    Plan(Vec<String>),
}

impl Scenario {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ScenarioError::Read {
            path: name.clone(),
            source,
        })?;
        let scenario: Scenario =
            toml::from_str(&text).map_err(|source| ScenarioError::Parse { path: name, source })?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), ScenarioError> {
        let known: BTreeSet<(String, String)> = sites()
            .into_iter()
            .flat_map(|(site, devices)| {
                devices
                    .into_iter()
                    .map(move |(d, _)| (site.to_owned(), d.to_owned()))
            })
            .collect();
        let mut problems = Vec::new();
        if !(0.1..=10_000.0).contains(&self.factor) {
            problems.push(format!(
                "factor: {} is not between 0.1 and 10000",
                self.factor
            ));
        }
        if self.begins_at_second().is_none() {
            problems.push(format!("begins: `{}` is not HH:MM", self.begins));
        }
        if self.repeat_min <= 0.0 {
            problems.push("repeat_min: must be above 0".into());
        }
        for (i, fault) in self.fault.iter().enumerate() {
            if !known.contains(&(fault.site.clone(), fault.device.clone())) {
                problems.push(format!(
                    "fault {i}: no device `{}` at site `{}`",
                    fault.device, fault.site
                ));
            }
            if !(0.0 <= fault.from_min
                && fault.from_min < fault.to_min
                && fault.to_min <= self.repeat_min)
            {
                problems.push(format!(
                    "fault {i}: from_min < to_min <= repeat_min does not hold"
                ));
            }
            if fault.expect == Expect::Signal && fault.within_min <= 0.0 {
                problems.push(format!(
                    "fault {i}: within_min says when its signal is due, and is missing"
                ));
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ScenarioError::Plan(problems))
        }
    }

    /// Second of the day at which it begins; `None` when `begins` is not a time.
    pub fn begins_at_second(&self) -> Option<f64> {
        let (hour, minute) = self.begins.split_once(':')?;
        let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then(|| f64::from(hour * 3600 + minute * 60))
    }

    /// The faults that act at minute `minute` since the scenario began.
    pub fn active(&self, minute: f64) -> impl Iterator<Item = &Planned> {
        let within = minute % self.repeat_min;
        self.fault
            .iter()
            .filter(move |f| f.from_min <= within && within < f.to_min)
    }
}

/// One line of the truth file: what was really wrong, and from when to when by the wall clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The fault as planned.
    #[serde(flatten)]
    pub planned: PlannedTruth,
    /// When it began, milliseconds since 1970.
    pub from_ms: i64,
    /// When it ends as planned, milliseconds since 1970.
    pub to_ms: i64,
    /// When a signal is due at the latest, milliseconds since 1970.
    pub due_ms: i64,
}

/// What the truth keeps of a planned fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedTruth {
    /// Where.
    pub site: String,
    /// At which device.
    pub device: String,
    /// What.
    pub kind: FaultKind,
    /// What the product should do about it.
    pub expect: Expect,
}

impl From<&Planned> for PlannedTruth {
    fn from(planned: &Planned) -> Self {
        PlannedTruth {
            site: planned.site.clone(),
            device: planned.device.clone(),
            kind: planned.kind,
            expect: planned.expect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_in_the_repository_loads() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/scenarios");
        let mut count = 0;
        for entry in std::fs::read_dir(&folder).expect("config/scenarios exists") {
            let path = entry.expect("readable folder").path();
            Scenario::load(&path).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
            count += 1;
        }
        assert!(count > 0);
    }

    #[test]
    fn all_faults_of_a_plan_are_named_at_once() {
        let text = r#"
            seed = 1
            factor = 0.0
            begins = "25:00"
            repeat_min = 10
            [[fault]]
            site = "nowhere"
            device = "x"
            kind = "gas_leak"
            from_min = 9
            to_min = 3
            expect = "signal"
            note = ""
        "#;
        let scenario: Scenario = toml::from_str(text).expect("well-formed");
        let Err(ScenarioError::Plan(problems)) = scenario.check() else {
            panic!("accepted")
        };
        assert_eq!(problems.len(), 5, "{problems:?}");
    }
}
