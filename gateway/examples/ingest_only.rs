//! Broker, ingest and journal without the rest of the gateway, to measure them with `sim load`.
//!
//! `ingest_only FOLDER ADDRESS`; anonymous clients are let in, so the address must be on the loopback.

use anyhow::Context;
use contract::problems::Problems;
use gateway::{broker, ingest, metrics::Metrics};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, address] = arguments.as_slice() else {
        anyhow::bail!("usage: ingest_only FOLDER ADDRESS");
    };
    tracing_subscriber::fmt()
        .with_env_filter("warn")
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(serve(PathBuf::from(folder), address.parse()?))
}

async fn serve(folder: PathBuf, address: std::net::SocketAddr) -> anyhow::Result<()> {
    std::fs::create_dir_all(&folder)?;
    let journal = journal::Journal::open(&folder.join("journal.db"), journal::Options::default())?;
    let metrics = Arc::new(Metrics::default());
    let mut problems = Problems::new();
    let config = ingest::Config::default().resolve(&mut problems);
    let broker_config = broker::Config {
        listen: Some(address),
        allow_anonymous: true,
        ..broker::Config::default()
    }
    .resolve(&mut problems);
    anyhow::ensure!(problems.is_empty(), "{problems}");
    let ingest =
        ingest::Ingest::open(journal.clone(), Default::default(), metrics.clone(), config)?;
    let running =
        broker::start(&broker_config, broker::Directory::default(), ingest.clone()).await?;
    println!(
        "listening on {}",
        running.local_addr().context("no listener")?
    );
    let mut seen = 0;
    let mut beat = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break,
            _ = beat.tick() => {
                let now = metrics.ingest_readings_journaled_total.get();
                if now != seen {
                    println!("{{\"journaled\":{now},\"per_s\":{},\"blocks\":{}}}", now - seen, journal.head().0.0);
                    seen = now;
                }
            }
        }
    }
    running.stop().await;
    journal.close().await;
    for tally in ingest.refused_tallies() {
        if tally.count > 0 {
            println!(
                "{{\"refused\":\"{}\",\"count\":{}}}",
                tally.reason.label(),
                tally.count
            );
        }
    }
    Ok(())
}
