//! The configuration that is wanted of each agent: versions with who and why, and what each agent says became of them.
//!
//! Promise: a version is never changed; nobody overwrites what somebody else wrote meanwhile; who wanted what and why, and
//! what became of it, is in the history. Checked here is only what can be known here (TOML, size, keys that belong to the
//! box): the agent checks the rest before it runs anything, and says every problem.

use super::store::bump;
use crate::store::{Records, RecordsError, get, put, remember};
use contract::{
    AgentId, Timestamp,
    configuration::{
        BYTES_MAX, Desired, OWN, OWN_OF_FOOTAGE, OWN_OF_GATEWAY, Outcome, Report, State,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// Versions, by `agent#version`, owned by their agent.
const VERSION: &str = "configuration";
/// The newest version of each agent.
const NEWEST: &str = "configuration_newest";
/// What became of a version, by `agent#version`.
const OUTCOME: &str = "configuration_outcome";

/// A version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Whose.
    pub agent: AgentId,
    /// What.
    #[serde(flatten)]
    pub desired: Desired,
    /// Who wanted it.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// What is wanted anew.
#[derive(Debug, Clone)]
pub struct New {
    /// TOML; blank: the box's own file holds.
    pub text: String,
    /// Profiles and mappings that it names.
    pub files: BTreeMap<String, String>,
    /// Why.
    pub why: String,
    /// The version that its author has seen; 0: none.
    pub based_on: u64,
}

/// Why a version is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// There is a newer one than its author has seen.
    #[error("version {0} is there meanwhile: read it and write yours upon it")]
    Stale(u64),
    /// No reason.
    #[error("say why the configuration is changed")]
    NoReason,
    /// Too long.
    #[error("{0} bytes are more than {BYTES_MAX}")]
    TooLong(usize),
    /// Not TOML.
    #[error("{name} is not TOML: {error}")]
    NotToml {
        /// The text, or a file of it.
        name: String,
        /// What is wrong.
        error: String,
    },
    /// A key that belongs to the box.
    #[error("{0} is for the box's own file only; leave it out")]
    Own(String),
    /// The records.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl New {
    fn check(&self) -> Result<(), ProposeError> {
        if self.why.trim().is_empty() {
            return Err(ProposeError::NoReason);
        }
        let read = |name: &str, text: &str| {
            text.parse::<toml::Table>()
                .map_err(|error| ProposeError::NotToml {
                    name: name.to_owned(),
                    error: error.to_string().trim().replace('\n', " "),
                })
        };
        let table = read("the configuration", &self.text)?;
        for (name, text) in &self.files {
            read(name, text)?;
        }
        if let Some(key) = OWN.into_iter().find(|key| table.contains_key(*key)) {
            return Err(ProposeError::Own(key.into()));
        }
        let parts = [
            ("gateway", &OWN_OF_GATEWAY[..]),
            ("footage", &OWN_OF_FOOTAGE[..]),
        ];
        for (name, keys) in parts {
            let part = table.get(name).and_then(toml::Value::as_table);
            let own = part.and_then(|part| keys.iter().find(|key| part.contains_key(**key)));
            if let Some(key) = own {
                return Err(ProposeError::Own(format!("{name}.{key}")));
            }
        }
        Ok(())
    }
}

fn id(agent: &AgentId, version: u64) -> String {
    format!("{agent}#{version}")
}

/// Keeps a new version.
pub fn propose(
    records: &Records,
    agent: &AgentId,
    new: New,
    by: &str,
    now: Timestamp,
) -> Result<Version, ProposeError> {
    new.check()?;
    let based_on = new.based_on;
    let desired = Desired {
        version: based_on + 1,
        text: new.text,
        files: new.files,
    };
    if desired.bytes() > BYTES_MAX {
        return Err(ProposeError::TooLong(desired.bytes()));
    }
    let version = Version {
        agent: agent.clone(),
        desired,
        by: by.to_owned(),
        why: new.why.trim().to_owned(),
        at: now,
    };
    let written = records.write("keep a configuration", |tx| {
        let newest: Option<Version> = get(tx, NEWEST, agent.as_str())?;
        let newest = newest.map_or(0, |newest| newest.desired.version);
        if newest != based_on {
            return Ok(Err(newest));
        }
        let (name, n) = (agent.as_str(), version.desired.version);
        put(tx, VERSION, &id(agent, n), name, now, &version)?;
        put(tx, NEWEST, name, name, now, &version)?;
        let detail =
            json!({ "version": n, "why": version.why, "sha256": version.desired.digest() });
        remember(tx, now, by, "agent_configuration", name, &detail)?;
        bump(tx)?;
        Ok(Ok(()))
    });
    match written? {
        Ok(()) => Ok(version),
        Err(newest) => Err(ProposeError::Stale(newest)),
    }
}

/// All versions of an agent, the newest first.
pub fn versions(records: &Records, agent: &AgentId) -> Result<Vec<Version>, RecordsError> {
    let mut versions: Vec<Version> = records.list(VERSION, Some(agent.as_str()))?;
    versions.sort_by_key(|version| std::cmp::Reverse(version.desired.version));
    Ok(versions)
}

/// The newest version of every agent that has one.
pub fn newest(records: &Records) -> Result<BTreeMap<AgentId, Version>, RecordsError> {
    let newest: Vec<Version> = records.list(NEWEST, None)?;
    let by_agent = newest.into_iter().map(|v| (v.agent.clone(), v));
    Ok(by_agent.collect())
}

/// What became of the versions of an agent, or of all, by `agent#version`.
pub fn outcomes(records: &Records, agent: Option<&AgentId>) -> Result<Vec<Outcome>, RecordsError> {
    records.list(OUTCOME, agent.map(AgentId::as_str))
}

/// Keeps what an agent says became of a version, if that is one of ours.
pub fn became(
    records: &Records,
    agent: &AgentId,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), RecordsError> {
    records.write("keep what became of a configuration", |tx| {
        let id = id(agent, outcome.version);
        let version: Option<Version> = get(tx, VERSION, &id)?;
        let is_ours = version.is_some_and(|v| v.desired.digest() == outcome.digest);
        let before: Option<Outcome> = get(tx, OUTCOME, &id)?;
        if !is_ours || before.as_ref() == Some(outcome) {
            return Ok(());
        }
        put(tx, OUTCOME, &id, agent.as_str(), now, outcome)?;
        let name = agent.as_str();
        remember(tx, now, name, "agent_configuration_outcome", name, outcome)
    })
}

/// Whether an agent runs what is wanted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing is wanted, and it runs its own file (or has not said what).
    Own,
    /// Nothing is wanted, and it says that it runs a configuration of a gateway: not of this one.
    Other,
    /// It has not said that it heard of what is wanted.
    Waiting,
    /// It tries it.
    Trial,
    /// It runs it.
    Applied,
    /// It cannot run it; what ran before goes on.
    Refused,
    /// It tried it and went back to what ran before.
    RolledBack,
}

/// How it stands, from what is wanted, what the agent says, and what it said before the gateway's last start.
pub fn standing(
    wanted: Option<&Desired>,
    report: Option<&Report>,
    before: Option<&Outcome>,
) -> Standing {
    let Some(wanted) = wanted else {
        let is_other = report.is_some_and(|report| report.runs > 0);
        return if is_other {
            Standing::Other
        } else {
            Standing::Own
        };
    };
    let said = match report {
        Some(report) => report.newest.as_ref(),
        None => before,
    };
    match said.filter(|outcome| outcome.digest == wanted.digest()) {
        None => Standing::Waiting,
        Some(outcome) => match outcome.state {
            State::Trial => Standing::Trial,
            State::Applied => Standing::Applied,
            State::Refused => Standing::Refused,
            State::RolledBack => Standing::RolledBack,
        },
    }
}

/// What an agent says of its configuration in its status.
pub fn report(status: &serde_json::Value) -> Option<Report> {
    Report::deserialize(status.get("configuration")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

    fn new(text: &str, based_on: u64) -> New {
        New {
            text: text.into(),
            files: BTreeMap::new(),
            why: "a new meter".into(),
            based_on,
        }
    }

    fn records() -> (tempfile::TempDir, Records) {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("records.db")).unwrap();
        (folder, records)
    }

    #[test]
    fn versions_count_up_and_nobody_overwrites_what_they_have_not_seen() {
        let (_folder, records) = records();
        let (a, b) = (AgentId::new("a").unwrap(), AgentId::new("b").unwrap());
        let one = propose(&records, &a, new("x = 1", 0), "li", NOW).unwrap();
        let late = propose(&records, &a, new("x = 2", 0), "wang", NOW);
        assert!(matches!(late, Err(ProposeError::Stale(1))), "{late:?}");
        let two = propose(&records, &a, new("x = 2", 1), "wang", NOW).unwrap();
        propose(&records, &b, new("", 0), "li", NOW).unwrap();
        assert_eq!(versions(&records, &a).unwrap(), [two.clone(), one]);
        let newest = newest(&records).unwrap();
        assert_eq!((newest.len(), &newest[&a]), (2, &two));
    }

    #[test]
    fn what_cannot_be_right_is_not_taken() {
        let (_folder, records) = records();
        let agent = AgentId::new("a").unwrap();
        let refused = |new: New| {
            let refused = propose(&records, &agent, new, "li", NOW).unwrap_err();
            refused.to_string()
        };
        assert!(refused(new("x = ", 0)).contains("not TOML"));
        assert!(refused(new("site = \"s\"", 0)).contains("site"));
        let key = "[gateway]\nkey_file = \"k\"";
        assert!(refused(new(key, 0)).contains("gateway.key_file"));
        let mut profile = new("", 0);
        profile.files.insert("p.toml".into(), "]".into());
        assert!(refused(profile).contains("p.toml"));
        let mut silent = new("", 0);
        silent.why = " ".into();
        assert!(refused(silent).contains("why"));
        let long = format!("x = \"{}\"", "y".repeat(BYTES_MAX));
        assert!(refused(new(&long, 0)).contains("more than"));
    }

    #[test]
    fn how_it_stands_follows_what_the_agent_says_of_this_very_version() {
        let (_folder, records) = records();
        let agent = AgentId::new("a").unwrap();
        let wanted = propose(&records, &agent, new("x = 1", 0), "li", NOW).unwrap();
        let wanted = wanted.desired;
        let outcome = |state, digest| Outcome {
            version: 1,
            digest,
            state,
            at: NOW,
            reasons: Vec::new(),
        };
        let report = |newest| Report { runs: 1, newest };
        let good = outcome(State::Applied, wanted.digest());
        let said = |report: Option<Report>, before: Option<&Outcome>| {
            standing(Some(&wanted), report.as_ref(), before)
        };
        assert_eq!(said(None, None), Standing::Waiting);
        assert_eq!(said(None, Some(&good)), Standing::Applied);
        assert_eq!(said(Some(report(None)), Some(&good)), Standing::Waiting);
        let other = outcome(State::Applied, "of another gateway".into());
        assert_eq!(said(Some(report(Some(other))), None), Standing::Waiting);
        for (state, is) in [
            (State::Trial, Standing::Trial),
            (State::Applied, Standing::Applied),
            (State::Refused, Standing::Refused),
            (State::RolledBack, Standing::RolledBack),
        ] {
            let newest = outcome(state, wanted.digest());
            assert_eq!(said(Some(report(Some(newest))), None), is);
        }
        assert_eq!(standing(None, None, None), Standing::Own);
        assert_eq!(standing(None, Some(&report(None)), None), Standing::Other);
    }

    #[test]
    fn what_became_of_it_is_kept_once_with_a_line_of_the_history_each_time_it_changes() {
        let (_folder, records) = records();
        let agent = AgentId::new("a").unwrap();
        let wanted = propose(&records, &agent, new("x = 1", 0), "li", NOW).unwrap();
        let mut outcome = Outcome {
            version: 1,
            digest: wanted.desired.digest(),
            state: State::Trial,
            at: NOW,
            reasons: Vec::new(),
        };
        became(&records, &agent, &outcome, NOW).unwrap();
        became(&records, &agent, &outcome, NOW).unwrap();
        let stranger = Outcome {
            digest: "of another gateway".into(),
            ..outcome.clone()
        };
        became(&records, &agent, &stranger, NOW).unwrap();
        outcome.state = State::Applied;
        became(&records, &agent, &outcome, NOW).unwrap();
        assert_eq!(outcomes(&records, Some(&agent)).unwrap(), [outcome]);
        assert_eq!(crate::store::verify_history(&records).unwrap(), Ok(3));
    }
}
