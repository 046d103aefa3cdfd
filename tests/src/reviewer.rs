//! A person, scripted: takes each open case, looks at it, and confirms or rejects it through the API.
//!
//! It knows the truth of the scenario, as an inspector who went and looked would: a case is confirmed when a real
//! fault acted at one of its devices around its time, else rejected. What only cameras saw stays open: it has no eyes. It acts
//! through the API alone.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Serialize;
use serde_json::{Value, json};
use simulators::scenario::{Expect, Truth};

use crate::client::{Client, items};

/// A fault may be noticed so long after its end: filters and averages look back.
const NOTICED_AFTER_MS: i64 = 60_000;

/// What was decided.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Decisions {
    /// Cases confirmed, by id.
    pub confirmed: Vec<String>,
    /// Cases rejected, by id.
    pub rejected: Vec<String>,
    /// Cases left open, and why they cannot be confirmed; by case.
    pub left_open: BTreeMap<String, String>,
    /// Decisions the gateway refused, and why; by case.
    pub refused: BTreeMap<String, String>,
}

/// The fault that explains a signal, if one does.
pub fn explains<'a>(
    truth: &'a [Truth],
    site: &str,
    device: &str,
    from_ms: i64,
    to_ms: i64,
) -> Option<&'a Truth> {
    truth.iter().find(|t| {
        t.planned.site == site
            && t.planned.device == device
            && t.planned.expect != Expect::Quiet
            && from_ms <= t.to_ms + NOTICED_AFTER_MS
            && to_ms >= t.from_ms
    })
}

/// Text of a field that may be called by one of several names.
pub fn text<'a>(value: &'a Value, names: &[&str]) -> Option<&'a str> {
    names
        .iter()
        .find_map(|name| value.get(*name).and_then(Value::as_str))
}

/// Milliseconds since 1970 of a field: a number, or RFC 3339 text.
pub fn millis(value: &Value, names: &[&str]) -> Option<i64> {
    names.iter().find_map(|name| {
        let field = value.get(*name)?;
        let from_text = || {
            field
                .as_str()?
                .parse::<jiff::Timestamp>()
                .ok()
                .map(|t| t.as_millisecond())
        };
        field.as_i64().or_else(from_text)
    })
}

/// Decides every open case once. Cases that cannot be decided yet come again at the next round.
pub async fn round(
    client: &Client,
    truth: &[Truth],
    decisions: &mut Decisions,
) -> anyhow::Result<()> {
    for case in items(&client.get("/api/cases?state=open").await?) {
        let id = id_of(&case).context("a case has no id")?;
        let whole = client.get(&format!("/api/cases/{id}")).await?;
        let is_real = !real_signals(&whole, truth).is_empty();
        if !is_real && is_of_pictures(&whole) {
            let why = "only cameras saw something, and pictures want a person's eyes";
            decisions.left_open.insert(id, why.to_owned());
            continue;
        }
        // Taking a case twice is refused, and says so; deciding is what counts.
        let _taken = client
            .post(&format!("/api/cases/{id}/take"), &json!({}))
            .await;
        let ground = ground(&whole, truth);
        if let (true, Some(why)) = (is_real, why_not(&whole, ground.as_ref())) {
            decisions.left_open.insert(id, why);
            continue;
        }
        decisions.left_open.remove(&id);
        let decision = if is_real {
            json!({
                "decision": "confirm",
                "reason": "去现场核实：情况属实。 Went to look: it is as the readings say.",
                "checks": { "true": true, "complete": true, "clear": true, "accurate": true },
                "ground": ground,
            })
        } else {
            json!({ "decision": "reject", "reason": "去现场核实：设备正常。 Went to look: nothing is wrong." })
        };
        match client
            .post(&format!("/api/cases/{id}/decision"), &decision)
            .await
        {
            Ok(_) if is_real => decisions.confirmed.push(id),
            Ok(_) => decisions.rejected.push(id),
            Err(refusal) => {
                decisions.refused.insert(id, format!("{refusal:#}"));
            }
        }
    }
    decisions
        .refused
        .retain(|id, _| !decisions.confirmed.contains(id) && !decisions.rejected.contains(id));
    Ok(())
}

/// The ground this person names: the gravest rule that raised a signal where a fault really acted. Other signals of
/// the same case may be of devices with which nothing is wrong.
fn ground(case: &Value, truth: &[Truth]) -> Option<Value> {
    let real: Vec<Value> = real_signals(case, truth);
    let grounds = case.get("grounds").map(items).unwrap_or_default();
    let is_met = |g: &&Value| g["raised"] == true && real.iter().any(|s| s["rule"] == g["id"]);
    let ground = grounds.iter().find(is_met)?;
    Some(json!({ "kind": ground["kind"], "id": ground["id"] }))
}

/// True if a signal of the case is about what a camera saw: a script does not look at pictures.
fn is_of_pictures(case: &Value) -> bool {
    let signals = case.get("signals").map(items).unwrap_or_default();
    let points = signals.iter().filter_map(|s| text(s, &["point"]));
    points.into_iter().any(|point| point.starts_with("see."))
}

/// Why this person does not confirm a case: the gateway's own reason; or only a model noticed it, which is a
/// reason to go and look, and a script has no ground of its own to name.
fn why_not(case: &Value, ground: Option<&Value>) -> Option<String> {
    let blockers = case.get("blockers").map(items).unwrap_or_default();
    match (blockers.first(), ground) {
        (Some(blocker), _) => Some(text(blocker, &["en"]).unwrap_or_default().to_owned()),
        (None, None) => Some("no rule raised what is real, and nobody named a ground".to_owned()),
        (None, Some(_)) => None,
    }
}

/// The id of an item, whether it is a number or text.
pub fn id_of(item: &Value) -> Option<String> {
    let id = item.get("id")?;
    id.as_str()
        .map(str::to_owned)
        .or_else(|| id.as_i64().map(|n| n.to_string()))
}

/// The signals of a case that a fault explains.
fn real_signals(case: &Value, truth: &[Truth]) -> Vec<Value> {
    let now = jiff::Timestamp::now().as_millisecond();
    let mut signals = case.get("signals").map(items).unwrap_or_default();
    signals.retain(|signal| {
        let site = text(signal, &["site"]).unwrap_or_default();
        let device = text(signal, &["device"]).unwrap_or_default();
        let from = millis(signal, &["opened_at", "from"]).unwrap_or(now);
        explains(truth, site, device, from, now).is_some()
    });
    signals
}
