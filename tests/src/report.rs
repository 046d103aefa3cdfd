//! What the demo says it did, and whether that was the whole chain.
//!
//! Promise: every number is counted from what the parts hold (journal, stores, API, platform), none is assumed; a
//! stage that did not happen and a count that does not balance are each named in `problems`, and the demo then ends
//! with an error.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::balance::Balance;
use crate::reviewer::Decisions;

/// Signals against the truth.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Signals {
    /// How many, by rule or model.
    pub by_rule: BTreeMap<String, u64>,
    /// Faults that should have raised a signal and did: `site/device kind`.
    pub found: Vec<String>,
    /// Faults that should have raised a signal, were long enough ago, and did not.
    pub not_found: Vec<String>,
    /// Signals no fault explains: `rule at site/device/point`.
    pub unexplained: Vec<String>,
    /// Faults that had to raise nothing and raised something.
    pub should_be_quiet: Vec<String>,
}

/// What an agent's own counters say.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Sent {
    /// Records it ever numbered.
    pub numbered: u64,
    /// Records it let go of, on the gateway's receipt.
    pub released: u64,
}

/// The whole report.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// How long it ran, seconds.
    pub ran_s: f64,
    /// What the agents' own counters say, by agent.
    pub agents: BTreeMap<String, Sent>,
    /// What the journal holds.
    pub journal: Balance,
    /// Readings in the series store.
    pub readings_stored: u64,
    /// Signals against the truth.
    pub signals: Signals,
    /// How many cases there are, by state.
    pub cases: BTreeMap<String, u64>,
    /// What the scripted reviewer decided.
    pub decisions: Decisions,
    /// Sealed bundles that `gateway verify` accepted.
    pub evidence_verified: u64,
    /// Sealed bundles that it did not accept, and why.
    pub evidence_refused: Vec<String>,
    /// A bundle that was altered on purpose, and what `gateway verify` said about it.
    pub altered_bundle_said: String,
    /// Credit entries the platform holds.
    pub credit_entries_delivered: u64,
    /// Deliveries that came again after the entry was kept.
    pub credit_repeats: u64,
    /// Deliveries the platform refused because it was told to.
    pub credit_failures_survived: u64,
    /// Risk classes by business.
    pub risk: BTreeMap<String, Value>,
    /// The visit plan.
    pub visits: Vec<Value>,
    /// How long the ordered stop took, seconds.
    pub stop_s: f64,
    /// Everything that did not happen or does not balance.
    pub problems: Vec<String>,
}

impl Report {
    /// Fills `problems`.
    pub fn judge(&mut self) {
        self.judge_counts();
        self.judge_chain();
    }

    /// Adds to `problems` what does not balance.
    pub fn judge_counts(&mut self) {
        let mut problems = Vec::new();
        let mut need = |holds: bool, what: String| {
            if !holds {
                problems.push(what);
            }
        };
        need(self.journal.readings > 0, "no reading was journaled".into());
        need(
            self.journal.damaged == 0,
            format!("{} journal blocks are damaged", self.journal.damaged),
        );
        need(
            self.journal.doubled == 0,
            format!("{} readings were journaled twice", self.journal.doubled),
        );
        for (agent, records) in &self.journal.agents {
            need(
                records.lost == 0,
                format!("{} records of agent {agent} were lost", records.lost),
            );
            need(
                records.doubled == 0,
                format!("{} records of agent {agent} were doubled", records.doubled),
            );
        }
        for (agent, sent) in &self.agents {
            let arrived = self.journal.agents.get(agent).map_or(0, |r| r.records);
            need(arrived > 0, format!("agent {agent} sent nothing"));
            need(
                (sent.released..=sent.numbered).contains(&arrived),
                format!(
                    "agent {agent} numbered {} records and let go of {}, and the journal has {arrived}",
                    sent.numbered, sent.released
                ),
            );
        }
        need(
            self.readings_stored == self.journal.readings,
            format!(
                "{} readings stored, {} journaled",
                self.readings_stored, self.journal.readings
            ),
        );
        self.problems.extend(problems);
    }

    fn judge_chain(&mut self) {
        let mut problems = Vec::new();
        let mut need = |holds: bool, what: String| {
            if !holds {
                problems.push(what);
            }
        };
        need(
            !self.signals.by_rule.is_empty(),
            "no signal was raised".into(),
        );
        for fault in &self.signals.not_found {
            need(false, format!("the fault {fault} raised no signal"));
        }
        for signal in &self.signals.should_be_quiet {
            need(false, format!("{signal}, where nothing is wrong"));
        }
        need(
            self.cases.contains_key("confirmed"),
            "no case was confirmed".into(),
        );
        for (case, why) in &self.decisions.refused {
            need(
                false,
                format!("the decision on case {case} was refused: {why}"),
            );
        }
        need(
            self.evidence_verified > 0,
            "no sealed bundle was verified".into(),
        );
        for bundle in &self.evidence_refused {
            need(false, format!("sealed evidence was not accepted: {bundle}"));
        }
        need(
            !self.altered_bundle_said.is_empty(),
            "an altered bundle was accepted".into(),
        );
        need(
            self.credit_entries_delivered > 0,
            "no credit entry reached the platform".into(),
        );
        need(!self.risk.is_empty(), "no risk class was computed".into());
        need(!self.visits.is_empty(), "the visit plan is empty".into());
        self.problems.extend(problems);
    }
}
