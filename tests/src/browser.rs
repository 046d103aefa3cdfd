//! The walk through every screen of the console in Chromium, against a running world.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::process::Process;
use crate::servers::{found_or_skipped, program};
use crate::setup::repository;
use crate::world::{Login, World};

const LASTS_AT_MOST: Duration = Duration::from_secs(240);

/// Walks as the world's reviewer and as `inspector`; gives what the walk printed. `None`, said aloud, where the browser,
/// Node or the built console is missing. `SHOTS` names a folder for pictures.
pub fn walk(world: &World, inspector: &Login) -> anyhow::Result<Option<String>> {
    let console = repository().join("gateway/console");
    let built = ["dist/index.html", "node_modules/playwright-core"].map(|p| console.join(p));
    let is_built = built.iter().all(|path| path.exists()).then_some(());
    let missing = "gateway/console has no dist or node_modules (npm ci && npm run build)";
    let (Some(node), Some(chromium), Some(())) = (
        program("node")?,
        program("chromium")?,
        found_or_skipped(is_built, missing)?,
    ) else {
        return Ok(None);
    };
    let mut command = Command::new(node);
    command
        .arg(repository().join("tests/browser/run.mjs"))
        .env("CHROMIUM", chromium)
        .env("BASE_URL", world.console())
        .env("CONSOLE_USER", &world.login.name)
        .env("PASSWORD", &world.login.password)
        .env("INSPECTOR", &inspector.name)
        .env("INSPECTOR_PASSWORD", &inspector.password)
        .env("CREDIT_ACTIONS", "1");
    let log = world.data.join("logs/browser.log");
    let mut walk = Process::start("browser walk", command, &log)?;
    let ended = walk.wait_until(Instant::now() + LASTS_AT_MOST)?;
    let said = said(&log)?;
    anyhow::ensure!(
        ended.success(),
        "the browser walk ended with {ended}:\n{said}"
    );
    Ok(Some(said))
}

fn said(log: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))
}
