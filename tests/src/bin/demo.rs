//! `cargo demo`: the whole chain on this machine, with a person or without.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use tests::client::{Client, install_tls};
use tests::collect;
use tests::report::Report;
use tests::reviewer::{self, Decisions};
use tests::setup::{self, Binaries, repository};
use tests::world::{Plan, World};

const REVIEW_EVERY: Duration = Duration::from_secs(1);
/// Faults are reviewed until so long before the end; the rest is for deliveries.
const SETTLE: Duration = Duration::from_secs(8);

#[derive(Parser)]
#[command(
    name = "demo",
    about = "Three simulated sites, the gateway and a credit platform on this machine"
)]
struct Arguments {
    /// Starts over: removes what an earlier demo left.
    #[arg(long)]
    fresh: bool,
    /// Without a person: a scripted reviewer acts through the API.
    #[arg(long)]
    headless: bool,
    /// How long, for example 90s or 3m. Without it: until Ctrl-C.
    #[arg(long = "for", value_parser = duration)]
    lasts: Option<Duration>,
    /// Where the report goes (JSON).
    #[arg(long)]
    report: Option<PathBuf>,
    /// Where everything is kept; demo-data in the repository by default.
    #[arg(long)]
    data: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let number: u64 = number
        .parse()
        .map_err(|_| format!("`{text}` is not a duration such as 90s or 3m"))?;
    match unit {
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        _ => Err(format!(
            "`{unit}` is not a unit of time we know; use s or m"
        )),
    }
}

fn main() -> anyhow::Result<()> {
    // `cargo demo -- --fresh` and `cargo demo --fresh` mean the same; the alias ends in `--` already.
    let given = std::env::args().enumerate();
    let given = given.filter_map(|(at, text)| (at != 1 || text != "--").then_some(text));
    let arguments = Arguments::parse_from(given);
    install_tls();
    let data = arguments
        .data
        .clone()
        .unwrap_or_else(|| repository().join("demo-data"));
    let data = std::path::absolute(&data).context("the data folder has no absolute path")?;
    if arguments.fresh && data.exists() {
        std::fs::remove_dir_all(&data)
            .with_context(|| format!("cannot remove {}", data.display()))?;
    }
    std::fs::create_dir_all(&data).with_context(|| format!("cannot create {}", data.display()))?;
    eprintln!("OneDoor demo: getting ready");
    let binaries = setup::everything()?;
    let fails = if arguments.headless { 2 } else { 0 };
    let plan = Plan::demo(data, fails)?.with_cameras();
    eprintln!(
        "  starting three sites with two cameras, their agents, the gateway and the credit platform …"
    );
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let stop = Arc::new(AtomicBool::new(false));
    let pressed = stop.clone();
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            pressed.store(true, Ordering::Relaxed);
        }
    });
    let world = World::start(&binaries, &plan)?;
    let until = arguments.lasts.map(|lasts| Instant::now() + lasts);
    if arguments.headless {
        return headless(&runtime, world, &binaries, &stop, until, arguments.report);
    }
    with_a_person(world, &stop, until)
}

fn with_a_person(
    mut world: World,
    stop: &AtomicBool,
    until: Option<Instant>,
) -> anyhow::Result<()> {
    println!();
    println!("  console   {}", world.console());
    println!(
        "  login     {}   {}",
        world.login.name, world.login.password
    );
    println!("  data      {}", world.data.display());
    println!();
    println!(
        "  Training: time is compressed, one second here is two minutes at the sites; cameras run in real time."
    );
    println!("  The first signals come within a minute. Ctrl-C stops everything in order.");
    while !stop.load(Ordering::Relaxed) && until.is_none_or(|end| Instant::now() < end) {
        world.check()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    eprintln!("stopping …");
    let took = world.stop()?;
    eprintln!(
        "stopped in order in {:.1} s; a second start goes on from here",
        took.as_secs_f64()
    );
    Ok(())
}

fn headless(
    runtime: &tokio::runtime::Runtime,
    mut world: World,
    binaries: &Binaries,
    stop: &AtomicBool,
    until: Option<Instant>,
    to: Option<PathBuf>,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let end = until.unwrap_or(began + Duration::from_secs(90));
    let mut report = Report::default();
    let client = runtime.block_on(Client::sign_in(
        &world.console(),
        &world.login.name,
        &world.login.password,
    ))?;
    let mut decisions = Decisions::default();
    while Instant::now() + SETTLE < end && !stop.load(Ordering::Relaxed) {
        world.check()?;
        runtime.block_on(reviewer::round(&client, &world.truth()?, &mut decisions))?;
        std::thread::sleep(REVIEW_EVERY);
    }
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        world.check()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    report.decisions = decisions;
    runtime.block_on(collect::while_running(
        &world,
        &client,
        binaries,
        &mut report,
    ))?;
    report.ran_s = began.elapsed().as_secs_f64();
    let data = world.data.clone();
    match world.stop() {
        Ok(took) => report.stop_s = took.as_secs_f64(),
        Err(error) => report.problems.push(format!("{error:#}")),
    }
    collect::after_stop(&data, &mut report)?;
    report.judge();
    let text = serde_json::to_string_pretty(&report)?;
    if let Some(path) = to {
        tests::world::write(&path, &text)?;
    }
    println!("{text}");
    for problem in &report.problems {
        eprintln!("problem: {problem}");
    }
    anyhow::ensure!(
        report.problems.is_empty(),
        "the chain is not whole: {} problems",
        report.problems.len()
    );
    eprintln!("the whole chain happened and every count balances");
    Ok(())
}
