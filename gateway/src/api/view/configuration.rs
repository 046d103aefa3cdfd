//! What an agent is to run, and what became of it.

use crate::fleet::desired::Standing;
use contract::configuration::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A new version.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewConfiguration {
    /// TOML: the sources, and what of `[gateway]` is to change. Blank: the box's own file holds.
    pub text: String,
    /// Profiles and mappings that the text names, by name.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Why; for the history.
    pub why: String,
    /// The version that its author has seen; 0: none.
    pub based_on: u64,
}

/// All versions of an agent.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfigurationPage {
    /// The agent.
    pub agent: String,
    /// Whether it runs what is wanted.
    pub state: Standing,
    /// The version that it says it runs; 0: its own file; `None`: it has not said.
    pub runs: Option<u64>,
    /// The newest first.
    pub versions: Vec<VersionView>,
}

/// A version.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionView {
    /// Its number.
    pub version: u64,
    /// TOML.
    pub text: String,
    /// Profiles and mappings that the text names, by name.
    pub files: BTreeMap<String, String>,
    /// Who wanted it.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: i64,
    /// What became of it, if its agent has said so.
    pub became: Option<BecameView>,
}

/// What became of a version.
#[derive(Debug, Serialize, ToSchema)]
pub struct BecameView {
    /// What.
    pub state: Became,
    /// Since when, by the agent's clock.
    pub at: i64,
    /// Why, if it does not run; as the agent says it.
    pub reasons: Vec<String>,
}

/// What became of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// It runs; the gateway was not heard with it yet.
    Trial,
    /// It runs, or ran until the next one.
    Applied,
    /// It cannot be run.
    Refused,
    /// It was tried and given up.
    RolledBack,
}

impl From<State> for Became {
    fn from(state: State) -> Became {
        match state {
            State::Trial => Became::Trial,
            State::Applied => Became::Applied,
            State::Refused => Became::Refused,
            State::RolledBack => Became::RolledBack,
        }
    }
}
