//! Fills the report from what the parts hold: the API while the gateway runs, the disk after it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use journal::{Journal, Options};
use serde_json::Value;
use simulators::credit_platform::Received;
use simulators::scenario::{Expect, Truth};

use crate::balance;
use crate::client::{Client, items};
use crate::config_text::AGENTS;
use crate::report::{Report, Sent, Signals};
use crate::reviewer::{explains, id_of, millis, text};
use crate::setup::Binaries;
use crate::world::{World, output};

/// Everything that is asked of the running gateway and platform.
pub async fn while_running(
    world: &World,
    client: &Client,
    binaries: &Binaries,
    report: &mut Report,
) -> anyhow::Result<()> {
    report.signals = signals(client, &world.truth()?).await?;
    let cases = items(&client.get("/api/cases").await?);
    for case in &cases {
        *report
            .cases
            .entry(text(case, &["state"]).unwrap_or("unknown").to_owned())
            .or_default() += 1;
    }
    evidence(world, client, binaries, &confirmed(&cases), report).await?;
    let received = received(world).await?;
    report.credit_entries_delivered = received.entries.len() as u64;
    report.credit_repeats = received.repeats;
    report.credit_failures_survived = received.failures;
    for business in items(&client.get("/api/businesses").await?) {
        let uscc = text(&business, &["uscc"])
            .context("a business has no code")?
            .to_owned();
        let credit = client
            .get(&format!("/api/businesses/{uscc}/credit"))
            .await?;
        let class = serde_json::json!({
            "class": credit.get("grade"),
            "score": credit.get("score"),
            "explanation": credit.get("explanation"),
        });
        report.risk.insert(uscc, class);
    }
    report.visits = items(&client.get("/api/inspection/plan").await?);
    Ok(())
}

/// Ids of the cases that were confirmed.
pub fn confirmed(cases: &[Value]) -> Vec<String> {
    let confirmed = cases
        .iter()
        .filter(|case| text(case, &["state"]) == Some("confirmed"));
    confirmed.filter_map(id_of).collect()
}

/// What the credit platform holds.
pub async fn received(world: &World) -> anyhow::Result<Received> {
    reqwest::get(format!("http://{}/received", world.platform))
        .await
        .context("the credit platform does not answer")?
        .json()
        .await
        .context("the credit platform did not answer JSON")
}

/// Everything that is counted on disk after the world has stopped.
pub fn after_stop(data: &Path, report: &mut Report) -> anyhow::Result<()> {
    report.journal = balance::count(&crate::world::journal(data))?;
    report.readings_stored = readings_stored(data)?;
    report.agents = buffers(data)?;
    Ok(())
}

/// The signals so far against the truth so far.
pub async fn signals(client: &Client, truth: &[Truth]) -> anyhow::Result<Signals> {
    let now = jiff::Timestamp::now().as_millisecond();
    let mut counted = Signals::default();
    let mut found = BTreeSet::new();
    let sites: BTreeSet<&str> = simulators::process::sites()
        .into_iter()
        .map(|(site, _)| site)
        .collect();
    for site in sites {
        for signal in items(&client.get(&format!("/api/sites/{site}/signals")).await?) {
            let rule = text(&signal, &["rule", "rule_id", "source"])
                .unwrap_or("unknown")
                .to_owned();
            let device = text(&signal, &["device"]).unwrap_or_default().to_owned();
            let point = text(&signal, &["point", "name"])
                .unwrap_or_default()
                .to_owned();
            let from = millis(&signal, &["opened_at", "from"]).unwrap_or(now);
            let to = millis(&signal, &["closed_at", "to"]).unwrap_or(now);
            *counted.by_rule.entry(rule.clone()).or_default() += 1;
            if let Some(fault) = explains(truth, site, &device, from, to) {
                found.insert(name(fault));
                continue;
            }
            let said = format!("{rule} at {site}/{device}/{point}");
            let quiet = truth.iter().any(|t| {
                t.planned.expect == Expect::Quiet
                    && t.planned.site == site
                    && t.planned.device == device
            });
            if quiet {
                counted.should_be_quiet.push(said)
            } else {
                counted.unexplained.push(said)
            }
        }
    }
    for fault in truth
        .iter()
        .filter(|t| t.planned.expect == Expect::Signal && now > t.due_ms)
    {
        if !found.contains(&name(fault)) {
            counted.not_found.push(name(fault));
        }
    }
    counted.found = found.into_iter().collect();
    Ok(counted)
}

fn name(fault: &Truth) -> String {
    format!(
        "{}/{} {:?}",
        fault.planned.site, fault.planned.device, fault.planned.kind
    )
}

/// Fetches the bundle of each confirmed case, has it checked offline, and checks that an altered one is refused.
async fn evidence(
    world: &World,
    client: &Client,
    binaries: &Binaries,
    confirmed: &[String],
    report: &mut Report,
) -> anyhow::Result<()> {
    let folder = world.data.join("bundles");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    for case in confirmed {
        let whole = client.get(&format!("/api/cases/{case}")).await?;
        let Some(id) = evidence_id(&whole) else {
            report
                .evidence_refused
                .push(format!("case {case} has no evidence"));
            continue;
        };
        let bytes = client.bytes(&format!("/api/evidence/{id}/bundle")).await?;
        let path = folder.join(format!("{case}.zip"));
        std::fs::write(&path, &bytes)
            .with_context(|| format!("cannot write {}", path.display()))?;
        match verify(binaries, &path) {
            Ok(_) => report.evidence_verified += 1,
            Err(refusal) => report
                .evidence_refused
                .push(format!("case {case}: {refusal:#}")),
        }
        if report.altered_bundle_said.is_empty() {
            let altered = folder.join("altered.zip");
            std::fs::write(&altered, alter(&bytes)).context("cannot write the altered bundle")?;
            if let Err(refusal) = verify(binaries, &altered) {
                report.altered_bundle_said = format!("{refusal:#}");
            }
        }
    }
    Ok(())
}

fn verify(binaries: &Binaries, bundle: &Path) -> anyhow::Result<String> {
    output(Command::new(&binaries.gateway).arg("verify").arg(bundle))
}

/// One bit in the middle is turned.
fn alter(bytes: &[u8]) -> Vec<u8> {
    let mut altered = bytes.to_vec();
    let middle = altered.len() / 3;
    if let Some(byte) = altered.get_mut(middle) {
        *byte ^= 1;
    }
    altered
}

fn evidence_id(case: &Value) -> Option<String> {
    let inner = case.get("case").unwrap_or(case);
    for holder in [case, inner] {
        if let Some(id) = holder.get("evidence_id").and_then(|v| {
            v.as_str()
                .map(str::to_owned)
                .or_else(|| v.as_i64().map(|n| n.to_string()))
        }) {
            return Some(id);
        }
        let nested = holder
            .get("evidence")
            .and_then(|e| e.as_array().map_or(Some(e), |list| list.first()));
        if let Some(id) = nested.and_then(id_of) {
            return Some(id);
        }
    }
    None
}

fn readings_stored(data: &Path) -> anyhow::Result<u64> {
    Ok(crate::stores::read(&crate::world::journal(data), &crate::world::series(data))?.count)
}

fn buffers(data: &Path) -> anyhow::Result<BTreeMap<String, Sent>> {
    let mut sent = BTreeMap::new();
    for (site, agent) in AGENTS {
        let path = data.join("agents").join(site).join("buffer.db");
        sent.insert((*agent).to_owned(), buffer(&path)?);
    }
    Ok(sent)
}

/// What one agent's buffer says; the agent must have stopped.
pub fn buffer(path: &Path) -> anyhow::Result<Sent> {
    let journal = Journal::open(path, Options::small())
        .with_context(|| format!("cannot open {}", path.display()))?;
    let (head, _) = journal.head();
    Ok(Sent {
        numbered: head.0,
        released: journal.first().0.saturating_sub(1).min(head.0),
    })
}
