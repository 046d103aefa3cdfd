//! `gateway`: runs the gateway, and the few things an administrator does beside it.

mod agent_command; // `gateway agent …`

use agent_command::AgentCommand;
use anyhow::Context;
use clap::{Parser, Subcommand};
use contract::{AgentId, Timestamp, problems::Problems};
use gateway::certificate::Certificate;
use gateway::fleet::store::issued_by_command;
use gateway::store::{Records, verify_history};
use gateway::{account, app, ca::CaFolder, config, evidence};
use journal::Journal;
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

/// OneDoor's gateway.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs until Ctrl-C or SIGTERM.
    Run(ConfigPath),
    /// Lists every problem of the configuration.
    CheckConfig(ConfigPath),
    /// Checks the chains of the journal and of the records' history, and names what was altered. The gateway must
    /// have stopped.
    CheckData(ConfigPath),
    /// Users.
    #[command(subcommand)]
    User(UserCommand),
    /// Agents: one-time codes, the list, revocation.
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Prints a new password for an agent that has no certificate, and the line for its [[agent]] in the registry.
    AgentPassword,
    /// Certificates.
    #[command(subcommand)]
    Ca(CaCommand),
    /// Checks a sealed bundle offline and names what was altered.
    Verify {
        /// The bundle.
        bundle: PathBuf,
        /// The public key it must be sealed with, hexadecimal.
        #[arg(long)]
        key: Option<String>,
    },
    /// Prints the API's description.
    Openapi,
}

#[derive(Debug, clap::Args)]
struct ConfigPath {
    /// The configuration file.
    #[arg(long, env = "ONEDOOR_CONFIG")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Adds a user (or gives a known one a new password) and prints the password, which is kept nowhere.
    Add {
        #[command(flatten)]
        config: ConfigPath,
        /// The user's name.
        name: String,
        /// inspector, reviewer or admin.
        #[arg(long)]
        role: account::Role,
    },
}

#[derive(Debug, Subcommand)]
enum CaCommand {
    /// Makes the authority and the gateway's own certificate, if they are not there.
    Init {
        #[command(flatten)]
        config: ConfigPath,
        /// Names and addresses under which agents reach the gateway.
        #[arg(long, default_values_t = ["localhost".to_owned(), "127.0.0.1".to_owned()])]
        host: Vec<String>,
    },
    /// Issues a certificate with its key, for a client that cannot enrol.
    Issue {
        #[command(flatten)]
        config: ConfigPath,
        /// The agent's id.
        agent: AgentId,
        /// Folder for agent.crt, agent.key and ca.crt.
        #[arg(long)]
        out: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("ONEDOOR_LOG")
                .unwrap_or_else(|_| "info,rumqttd=warn".into()),
        )
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS library was chosen before"))?;
    match Arguments::parse().command {
        Command::Run(at) => {
            let config = load(&at.config)?;
            tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .context("cannot start the runtime")?
                .block_on(run(config))
        }
        Command::CheckConfig(at) => {
            load(&at.config)?;
            println!("{}: no problem found", at.config.display());
            Ok(())
        }
        Command::CheckData(at) => check_data(&load(&at.config)?.data),
        Command::User(UserCommand::Add { config, name, role }) => {
            let config = load(&config.config)?;
            std::fs::create_dir_all(&config.data).context("cannot create the data folder")?;
            let records = Records::open(&config.data.join("records.db"))?;
            println!("{}", account::add(&records, &name, role)?);
            Ok(())
        }
        Command::Agent(command) => agent_command::run(command),
        Command::AgentPassword => {
            let (password, hash) = account::password();
            println!("{password}\npassword_hash = \"{hash}\"");
            Ok(())
        }
        Command::Ca(CaCommand::Init { config, host }) => {
            let config = load(&config.config)?;
            Ok(CaFolder::new(&config.data.join("ca")).init(&host, Timestamp::now())?)
        }
        Command::Ca(CaCommand::Issue { config, agent, out }) => {
            issue(&load(&config.config)?, &agent, &out)
        }
        Command::Verify { bundle, key } => verify(&bundle, key.as_deref()),
        Command::Openapi => {
            print!("{}", gateway::api::openapi());
            Ok(())
        }
    }
}

fn issue(config: &config::Config, agent: &AgentId, out: &Path) -> anyhow::Result<()> {
    let now = Timestamp::now();
    CaFolder::new(&config.data.join("ca")).issue_into(agent, out, now)?;
    let pem = std::fs::read_to_string(out.join("agent.crt")).context("cannot read agent.crt")?;
    let certificate = Certificate::from_pem(&pem).context("agent.crt is not a certificate")?;
    let records = Records::open(&config.data.join("records.db"))?;
    Ok(issued_by_command(&records, &certificate, now)?)
}

fn load(path: &Path) -> anyhow::Result<config::Config> {
    let mut problems = Problems::new();
    let config = config::load(path, &mut problems);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => anyhow::bail!("{} problems:\n{problems}", problems.len()),
    }
}

async fn run(config: config::Config) -> anyhow::Result<()> {
    let running = app::start(config).await?;
    println!("console and API on http://{}", running.http);
    if let Some(address) = running.mqtt {
        println!("MQTT on {address}");
    }
    if let Some(address) = running.mqtt_tls {
        println!("MQTT over TLS on {address}");
    }
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("cannot listen for SIGTERM")?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

fn check_data(data: &Path) -> anyhow::Result<()> {
    let path = data.join("journal.db");
    anyhow::ensure!(path.is_file(), "there is no journal at {}", path.display());
    let journal = Journal::open(&path, journal::Options::small())
        .with_context(|| format!("cannot open {}", path.display()))?;
    let report = journal.verify().context("cannot read the journal")?;
    println!(
        "journal: blocks {} to {}, {} read",
        report.first.0, report.head.0, report.blocks
    );
    let mut found: Vec<String> = report
        .damage
        .iter()
        .map(|damage| format!("journal block {}: {}", damage.seq.0, damage.what))
        .collect();
    let records = Records::open(&data.join("records.db")).context("cannot open the records")?;
    match verify_history(&records).context("cannot read the records")? {
        Ok(rows) => println!("history of the records: {rows} rows"),
        Err(row) => found.push(format!("history of the records: row {row} was altered")),
    }
    anyhow::ensure!(found.is_empty(), "ALTERED\n{}", found.join("\n"));
    println!("both chains are whole");
    Ok(())
}

fn verify(path: &Path, key: Option<&str>) -> anyhow::Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    match evidence::verify(&bytes, key) {
        Ok(verified) => {
            let manifest = verified.manifest;
            println!(
                "{}: intact; case {} of site {}, sealed {} by key {}; {} parts",
                path.display(),
                manifest.case,
                manifest.site,
                manifest.sealed_at,
                verified.public_key,
                manifest.parts.len()
            );
            if key.is_none() {
                println!(
                    "who owns that key was not checked; give the gateway's public key with --key"
                );
            }
            Ok(())
        }
        Err(found) => anyhow::bail!("{}: ALTERED\n{}", path.display(), found.join("\n")),
    }
}
