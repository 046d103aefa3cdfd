//! What must be there before anything starts: ONNX Runtime, the console, the binaries. Shows progress.
//!
//! Promise: each step is skipped when its result is there and newer than its sources; a step that fails says which
//! command failed and what it printed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};

use anyhow::Context;

/// The product's binaries, built.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The gateway.
    pub gateway: PathBuf,
    /// The edge agent; `edge-vision` is beside it, where it looks for it.
    pub edge_agent: PathBuf,
    /// The simulators.
    pub sim: PathBuf,
}

/// Root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate is in a folder of the repository")
        .to_owned()
}

/// All steps, with progress on standard error.
pub fn everything() -> anyhow::Result<Binaries> {
    step("ONNX Runtime", onnx_runtime)?;
    step("console", console)?;
    step("binaries", binaries)
}

fn step<T>(name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    eprintln!("  {name} …");
    let began = Instant::now();
    let done = work().with_context(|| format!("set-up step `{name}` failed"))?;
    eprintln!("  {name}: ready ({:.1} s)", began.elapsed().as_secs_f64());
    Ok(done)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    // Everything a step prints goes to standard error: standard output belongs to the demo's own lines.
    let status = command
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("cannot run {command:?}; is it installed?"))?;
    anyhow::ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

fn onnx_runtime() -> anyhow::Result<()> {
    run(Command::new(repository().join("models/setup")).current_dir(repository()))
}

fn console() -> anyhow::Result<()> {
    let folder = repository().join("gateway/console");
    let built = modified(&folder.join("dist/index.html"));
    let sources = [
        "src",
        "index.html",
        "package.json",
        "package-lock.json",
        "vite.config.ts",
        "tsconfig.json",
    ];
    let newest = sources.iter().filter_map(|s| newest(&folder.join(s))).max();
    if built.is_some() && built >= newest {
        return Ok(());
    }
    if modified(&folder.join("node_modules/.package-lock.json"))
        < modified(&folder.join("package-lock.json"))
    {
        run(Command::new("npm")
            .args(["ci", "--no-fund", "--no-audit"])
            .current_dir(&folder))?;
    }
    run(Command::new("npm")
        .args(["run", "build"])
        .current_dir(&folder))
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|m| m.modified()).ok()
}

fn newest(path: &Path) -> Option<SystemTime> {
    let below = std::fs::read_dir(path).into_iter().flatten().flatten();
    below
        .filter_map(|entry| newest(&entry.path()))
        .chain(modified(path))
        .max()
}

/// Builds the product's binaries with the profile of this one, and says where they are.
pub fn binaries() -> anyhow::Result<Binaries> {
    let own = std::env::current_exe().context("cannot find the running program")?;
    // target/PROFILE/demo, or target/PROFILE/deps/it-… for a test.
    let folder = own
        .ancestors()
        .skip(1)
        .find(|f| !f.ends_with("deps"))
        .context("the running program is in no folder")?
        .to_owned();
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // `-p tests` gives all dependencies the features this program was built with: nothing is built twice.
    build.args([
        "build",
        "--bins",
        "-p",
        "tests",
        "-p",
        "gateway",
        "-p",
        "edge-agent",
        "-p",
        "vision",
        "-p",
        "simulators",
    ]);
    // What `cargo run` tells its program about the package would make ring's build script, which watches these
    // variables, run again, and everything above it be built twice.
    let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(told) {
            build.env_remove(name);
        }
    }
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    if !std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        build.arg("--quiet");
    }
    if let Some(target) = folder.parent() {
        build.arg("--target-dir").arg(target);
    }
    run(build.current_dir(repository()))?;
    Ok(Binaries {
        gateway: folder.join("gateway"),
        edge_agent: folder.join("edge-agent"),
        sim: folder.join("sim"),
    })
}
