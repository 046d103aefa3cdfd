//! `tests/run fuzz`: changes the kept inputs of every fuzz target at random for a while. An input that shows a fault is
//! written to `fuzz/artifacts` and ends the run with an error. It sees no coverage; `tests/fuzz` does.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::Parser;
use fuzz::{TARGETS, mutate};
use tests::setup::repository;

#[derive(Parser)]
#[command(
    name = "mutate",
    about = "Changes the kept inputs of fuzz targets at random"
)]
struct Arguments {
    /// How long for each target.
    #[arg(long, default_value_t = 12)]
    seconds: u64,
    /// Which inputs; by default others every time. The first line of a run names it.
    #[arg(long)]
    seed: Option<u64>,
    /// Targets; all by default.
    targets: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments {
        seconds,
        seed,
        targets,
    } = Arguments::parse();
    let known = TARGETS.map(|(name, _)| name);
    if let Some(other) = targets.iter().find(|name| !known.contains(&name.as_str())) {
        anyhow::bail!(
            "no target is called {other}: write some of {}",
            known.join(" ")
        );
    }
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = seed.unwrap_or(since_1970?.as_secs());
    let wanted = |name: &str| targets.is_empty() || targets.iter().any(|target| target == name);
    let mut outcome = ExitCode::SUCCESS;
    for (name, check) in TARGETS.into_iter().filter(|(name, _)| wanted(name)) {
        println!("{name}: seed {seed}, {seconds} s");
        let folder = repository().join("fuzz");
        let kept = folder.join("corpus").join(name);
        let kept =
            mutate::kept(&kept).with_context(|| format!("cannot read {}", kept.display()))?;
        match mutate::run(check, kept, seed, Duration::from_secs(seconds)) {
            Ok(count) => println!("{name}: {count} inputs show no fault"),
            Err(found) => {
                let path = folder.join(format!("artifacts/{name}-{seed}"));
                std::fs::create_dir_all(folder.join("artifacts"))?;
                std::fs::write(&path, &found.input)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                println!("{name}: FAULT, {}\n  input: {}", found.said, path.display());
                outcome = ExitCode::FAILURE;
            }
        }
    }
    Ok(outcome)
}
