//! The gateway as one more peer of a harness that measures MQTT consumers side by side (`../shared/peers`).
//!
//! `peer FOLDER`: the whole gateway in this process, its broker on the port that `tests/peers/product.json` names, a
//! rule for each limit of the variable `PEER_LIMITS`, and three plain GETs that the harness wants: `/progress`
//! (readings journaled), `/count` (distinct readings by a scan of the store), `/times` (of one point). On SIGTERM it
//! stops in order and removes the folder; after kill -9 the folder is there, and the next start goes on with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use axum::extract::{Query, State};
use contract::problems::Problems;
use contract::{DeviceId, PointName, SiteId, Timestamp};
use gateway::app::Running;
use serde::Deserialize;
use tests::config_text::quoted;
use tests::world::write;

const MQTT: u16 = 23_115;
const HTTP: u16 = 23_116;
/// Sites of the workload; each has one device.
const SITES: usize = 50;
const DEVICE: &str = "d1";

fn main() -> anyhow::Result<()> {
    tests::client::install_tls();
    let folder = std::env::args()
        .nth(1)
        .map(PathBuf::from)
        .context("usage: peer FOLDER")?;
    let config = folder.join("gateway.toml");
    write(&config, &text(&folder)?)?;
    let mut problems = Problems::new();
    let config = gateway::config::load(&config, &mut problems);
    anyhow::ensure!(problems.is_empty(), "{problems}");
    let config = config.context("no configuration")?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(serve(config))?;
    std::fs::remove_dir_all(&folder).context("cannot empty the folder")
}

/// Registry, rules and configuration.
fn text(folder: &Path) -> anyhow::Result<String> {
    let limits = std::env::var("PEER_LIMITS").context("PEER_LIMITS is not set")?;
    let limits: BTreeMap<String, f64> =
        serde_json::from_str(&limits).context("PEER_LIMITS is not a list of limits")?;
    let mut registry =
        String::from("[[business]]\nuscc = \"91330482MA2CUJK126\"\nname = \"peer\"\n");
    for site in 0..SITES {
        let _ = writeln!(
            registry,
            "\n[[site]]\nid = \"s{site:03}\"\nname = {{ zh = \"{site}\", en = \"{site}\" }}\naddress = \"{site}\"\n\
             business = \"91330482MA2CUJK126\"\ndomains = [\"safety\"]\n\n\
             [[device]]\nsite = \"s{site:03}\"\nid = \"{DEVICE}\"\nname = {{ zh = \"设备\", en = \"Device\" }}\nkind = \"load\""
        );
    }
    write(&folder.join("registry.toml"), &registry)?;
    let mut rules = String::new();
    for (point, limit) in limits {
        let _ = writeln!(
            rules,
            "[[rule]]\nid = {id}\nversion = 1\ndomain = \"safety\"\ndevices = [\"load\"]\npoint = {id}\nunit = \"mg/m3\"\n\
             measure = \"instant\"\ncomparator = \"above\"\nlimit = {limit:?}\nreset = {limit:?}\ndwell_min = 0\nseverity = \"II\"\n\
             standard = \"peer\"\nclause = \"peer\"\nvalid_from = \"2020-01-01\"\nsource = \"peer\"\n\
             title = {{ zh = \"超限\", en = \"Over\" }}\nexplanation = {{ zh = \"超限\", en = \"Over\" }}\ninnocent = []\n",
            id = quoted(&point)
        );
    }
    write(&folder.join("rules/peer.toml"), &rules)?;
    Ok(format!(
        "data = \"data\"\nhttp = \"127.0.0.1:0\"\nregistry = \"registry.toml\"\nrules = \"rules\"\n\n\
         [broker]\nlisten = \"127.0.0.1:{MQTT}\"\nallow_anonymous = true\n"
    ))
}

async fn serve(config: gateway::config::Config) -> anyhow::Result<()> {
    let running = Arc::new(gateway::app::start(config).await?);
    let answers = axum::Router::new()
        .route("/progress", axum::routing::get(progress))
        .route("/count", axum::routing::get(count))
        .route("/times", axum::routing::get(times))
        .with_state(running.clone());
    let address = SocketAddr::from(([127, 0, 0, 1], HTTP));
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("cannot listen for SIGTERM")?;
    tokio::select! {
        ended = axum::serve(listener, answers) => ended.context("HTTP ended")?,
        _ = terminate.recv() => {}
    }
    // The handlers have ended with the listener, so this is the last handle.
    if let Ok(running) = Arc::try_unwrap(running) {
        running.stop().await;
    }
    Ok(())
}

async fn progress(State(gateway): State<Arc<Running>>) -> String {
    gateway.counted().0.to_string()
}

/// Distinct readings in the store. What was refused counts too: the harness begins with a marker of the year 1970,
/// which the gateway sets aside, and subtracts what was counted before the run.
async fn count(State(gateway): State<Arc<Running>>) -> String {
    match gateway.series().count().await {
        Ok(count) => (count + gateway.counted().1).to_string(),
        Err(error) => error.to_string(),
    }
}

#[derive(Deserialize)]
struct Asked {
    site: String,
    point: String,
    since_ms: i64,
}

async fn times(State(gateway): State<Arc<Running>>, Query(asked): Query<Asked>) -> String {
    let names = (
        SiteId::new(&asked.site),
        DeviceId::new(DEVICE),
        PointName::new(&asked.point),
    );
    let (Ok(site), Ok(device), Ok(point)) = names else {
        return String::new();
    };
    let Some(key) = gateway.dictionary().find(&site, &device, &point) else {
        return String::new();
    };
    let since = Timestamp::from_millis(asked.since_ms + 1);
    let times = gateway.series().times(key, since).await.unwrap_or_default();
    let lines: Vec<String> = times.iter().map(|at| at.as_millis().to_string()).collect();
    lines.join("\n")
}
