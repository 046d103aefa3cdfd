//! Orders to devices (reverse control, 反控): who gave which, why, and what became of it.
//!
//! Promise: an order is in the records and in the history before anything is sent, and is sent once. What its agent says of
//! it is written to both when it changes. An agent speaks of its own orders only.
//! Not promised: that an order of which no word came was not carried out.
//!
//! What there is to be ordered, and what an agent does with it, is `contract::control`; nothing works unless the agent's own
//! configuration allows it.

use crate::{
    ingest::Ingest,
    post::Post,
    store::{Records, RecordsError, hex, put, remember},
};
use contract::{
    AgentId, DeviceId, SiteId, Timestamp,
    control::{Action, ActionError, Order, Outcome, VALID_MS},
    payload,
};
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

/// The kind of record.
const RECORD: &str = "order";
/// How often it is looked whether agents said something of orders that are open.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// No word is waited for longer than this.
const OPEN_MS_MAX: i64 = 7 * 86_400_000;
/// Names and values that are kept of what a device said, and characters of each.
const SAID_MAX: (usize, usize) = (64, 256);

/// An order that was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// What it is.
    pub order: Order,
    /// Whose device it is for.
    pub agent: AgentId,
    /// The agent's site.
    pub site: SiteId,
    /// Who gave it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub given_at: Timestamp,
    /// What its agent says of it, and when that was heard.
    pub heard: Option<(Timestamp, Outcome)>,
    /// It could not be sent.
    pub is_unsent: bool,
}

impl Given {
    fn is_open(&self, now: Timestamp) -> bool {
        let is_over = self.heard.as_ref().is_some_and(|(_, o)| o.is_final());
        !self.is_unsent && !is_over && now.since(self.given_at) < OPEN_MS_MAX
    }
}

/// Why an order was not given.
#[derive(Debug, thiserror::Error)]
pub enum GiveError {
    /// It is nothing that can be asked for.
    #[error("the command cannot be given")]
    Action(#[source] ActionError),
    /// The agent is not there.
    #[error("agent {0} is not connected")]
    Offline(AgentId),
    /// The records.
    #[error("the order cannot be kept")]
    Records(#[from] RecordsError),
}

/// The orders of a running gateway. Clones share them.
#[derive(Clone)]
pub struct Control(Arc<Inner>);

struct Inner {
    records: Records,
    ingest: Ingest,
    post: Post,
    open: Mutex<BTreeMap<String, Given>>,
}

impl Control {
    /// With the orders of which a word may still come.
    pub fn open(records: Records, ingest: Ingest, post: Post) -> Result<Control, RecordsError> {
        let now = Timestamp::now();
        let given: Vec<Given> = records.list(RECORD, None)?;
        let open = given.into_iter().filter(|given| given.is_open(now));
        let open = open.map(|given| (given.order.id.clone(), given)).collect();
        Ok(Control(Arc::new(Inner {
            records,
            ingest,
            post,
            open: Mutex::new(open),
        })))
    }

    /// Writes an order down, then sends it.
    pub fn give(
        &self,
        (site, agent): (SiteId, AgentId),
        (device, action): (DeviceId, Action),
        (by, reason): (&str, &str),
        now: Timestamp,
    ) -> Result<Given, GiveError> {
        action.check().map_err(GiveError::Action)?;
        if !self.0.ingest.is_online(&site, &agent) {
            return Err(GiveError::Offline(agent));
        }
        let order = Order {
            id: new_id(),
            device,
            action,
            expires_at: now.plus_millis(VALID_MS),
        };
        let mut given = Given {
            order,
            agent,
            site,
            by: by.to_owned(),
            reason: reason.to_owned(),
            given_at: now,
            heard: None,
            is_unsent: false,
        };
        self.0.records.write("keep an order", |tx| {
            let detail = json!({ "agent": given.agent, "device": given.order.device, "action": given.order.action,
                "reason": given.reason, "expires_at": given.order.expires_at });
            remember(tx, now, by, "device_ordered", &given.order.id, &detail)?;
            keep(tx, &given)
        })?;
        // The agent's word may come before this thread goes on.
        let id = given.order.id.clone();
        self.orders().insert(id.clone(), given.clone());
        if !self.send(&given) {
            self.orders().remove(&id);
            given.is_unsent = true;
            self.0.records.write("keep an order", |tx| {
                let detail = json!({ "outcome": "not_sent" });
                remember(
                    tx,
                    Timestamp::now(),
                    "gateway",
                    "device_order_outcome",
                    &id,
                    &detail,
                )?;
                keep(tx, &given)
            })?;
        }
        Ok(given)
    }

    /// The orders of an agent, the newest first.
    pub fn of_agent(&self, agent: &AgentId) -> Result<Vec<Given>, RecordsError> {
        self.0.records.list(RECORD, Some(agent.as_str()))
    }

    /// Writes down what agents said of open orders since the last time. Tells whether that was something.
    pub fn step(&self, now: Timestamp) -> Result<bool, RecordsError> {
        let open: Vec<Given> = self.orders().values().cloned().collect();
        let mut has_changed = false;
        for mut given in open {
            let reports = self.0.ingest.reports(&given.site, &given.agent);
            let report = reports.into_iter().find(|r| r.id == given.order.id);
            let outcome = report.map(|report| bounded(report.outcome));
            if let Some(outcome) = outcome
                && given.heard.as_ref().map(|(_, before)| before) != Some(&outcome)
            {
                let agent = format!("agent {}", given.agent);
                given.heard = Some((now, outcome));
                self.0.records.write("keep the outcome of an order", |tx| {
                    let detail = &given.heard.as_ref().map(|(_, outcome)| outcome);
                    let id = &given.order.id;
                    remember(tx, now, &agent, "device_order_outcome", id, detail)?;
                    keep(tx, &given)
                })?;
                has_changed = true;
            }
            let id = given.order.id.clone();
            match given.is_open(now) {
                true => drop(self.orders().insert(id, given)),
                false => drop(self.orders().remove(&id)),
            }
        }
        Ok(has_changed)
    }

    fn send(&self, given: &Given) -> bool {
        let payload = payload::order_command(Timestamp::now(), &given.order);
        let (site, agent) = (given.site.clone(), given.agent.clone());
        self.0.post.command(site, agent, payload)
    }

    fn orders(&self) -> MutexGuard<'_, BTreeMap<String, Given>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until told to stop; `changed` is told of every change.
pub async fn run(
    control: Control,
    changed: watch::Sender<u64>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            _ = ticks.tick() => {}
        }
        if control.orders().is_empty() {
            continue;
        }
        let looking = control.clone();
        let step = tokio::task::spawn_blocking(move || looking.step(Timestamp::now())).await;
        match step {
            Ok(Ok(has_changed)) => {
                is_failing = false;
                if has_changed {
                    changed.send_modify(|n| *n += 1);
                }
            }
            Ok(Err(error)) if !is_failing => {
                is_failing = true;
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    error,
                    "what became of an order cannot be kept; trying again"
                );
            }
            Ok(Err(_)) => {}
            Err(error) => {
                tracing::error!(%error, "keeping orders ended by a panic; trying again");
            }
        }
    }
}

fn keep(tx: &rusqlite::Transaction<'_>, given: &Given) -> rusqlite::Result<()> {
    let (id, agent) = (&given.order.id, given.agent.as_str());
    put(tx, RECORD, id, agent, given.given_at, given)
}

fn new_id() -> String {
    let mut random = [0; 12];
    ring::rand::SystemRandom::new()
        .fill(&mut random)
        .expect("the system gives random bytes");
    hex(&random)
}

/// An agent may say anything.
fn bounded(mut outcome: Outcome) -> Outcome {
    if let Outcome::Done { said, .. } | Outcome::NoResult { said, .. } = &mut outcome {
        said.truncate(SAID_MAX.0);
        for (name, value) in said {
            *name = name.chars().take(SAID_MAX.1).collect();
            *value = value.chars().take(SAID_MAX.1).collect();
        }
    }
    outcome
}
