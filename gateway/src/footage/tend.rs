//! What is done from time to time: agents are asked for originals that were approved, and old footage is deleted.

use super::{Footage, FootageError, store::Announced, unmask};
use crate::post::Post;
use contract::footage::Role;
use contract::{AgentId, SiteId, Timestamp, payload};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Agents are asked again so often, until the originals came.
const ASK_EVERY: Duration = Duration::from_secs(5);
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);

impl Footage {
    /// Originals that were approved and have not come, by agent.
    pub fn wanted(&self) -> Result<BTreeMap<(SiteId, AgentId), Vec<String>>, FootageError> {
        let mut wanted: BTreeMap<(SiteId, AgentId), Vec<String>> = BTreeMap::new();
        for wish in unmask::approved(&self.0.records)? {
            let Some(footage) = self.one(&wish.footage)? else {
                continue;
            };
            if let Some(hash) = self.original_to_come(&footage)? {
                let agent = (footage.site, footage.agent);
                wanted.entry(agent).or_default().push(hash);
            }
        }
        Ok(wanted)
    }

    fn original_to_come(&self, footage: &Announced) -> Result<Option<String>, FootageError> {
        let mut parts = footage.manifest.iter().flat_map(|m| &m.parts);
        let Some(original) = parts.find(|part| part.role == Role::Original) else {
            return Ok(None);
        };
        let hash = &original.sha256;
        let is_over = self.0.files.has(hash)
            || self.store().gone(hash)?.is_some()
            || self.lost(footage, original)?.is_some()
            || self.not_taken(footage).is_some();
        Ok((!is_over).then(|| hash.clone()))
    }
}

/// Runs until told to stop.
pub async fn run(footage: Footage, post: Post, mut stopping: watch::Receiver<bool>) {
    let mut ticks = interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut expired_at: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            _ = ticks.tick() => {}
        }
        let is_due = expired_at.is_none_or(|at| at.elapsed() >= EXPIRE_EVERY);
        let is_first = expired_at.is_none();
        if is_due {
            expired_at = Some(Instant::now());
        }
        let tended = footage.clone();
        let step = tokio::task::spawn_blocking(move || {
            if is_first {
                tended.sweep()?;
            }
            if is_due {
                tended.expire(Timestamp::now())?;
            }
            tended.wanted()
        });
        match step.await {
            Ok(Ok(wanted)) => ask(wanted, &post),
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "footage cannot be tended; trying again");
            }
            Err(error) => tracing::error!(%error, "tending footage ended by a panic; trying again"),
        }
    }
}

fn ask(wanted: BTreeMap<(SiteId, AgentId), Vec<String>>, post: &Post) {
    for ((site, agent), hashes) in wanted {
        let payload = payload::wanted_command(Timestamp::now(), &hashes);
        if !post.command(site, agent.clone(), payload) {
            tracing::debug!(%agent, "an agent could not be asked for originals; it will be again");
        }
    }
}
