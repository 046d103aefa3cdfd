//! `gateway agent …`: works beside a running gateway, which sees a change within a second.

use crate::{ConfigPath, load};
use anyhow::Context;
use clap::Subcommand;
use contract::{
    AgentId, SiteId, Timestamp,
    configuration::{Outcome, State},
};
use gateway::{
    config::Config,
    fleet::{
        self, Known,
        decide::CodeState,
        desired::{self, New, Version},
        enrol, store,
    },
    store::Records,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

/// Who did it, in the history.
const BY: &str = "command";

#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Prints a one-time code with which `edge-agent enroll` makes a box this agent.
    Add {
        #[command(flatten)]
        config: ConfigPath,
        /// The agent's id.
        agent: AgentId,
        /// The site it is at.
        #[arg(long)]
        site: SiteId,
        /// How long the code may be used: 15m, 2h, 1d.
        #[arg(long, default_value = "15m", value_parser = duration)]
        valid: Duration,
    },
    /// Lists agents, their certificates and codes.
    List(ConfigPath),
    /// Keeps a new version of what an agent is to run; it is tried as soon as the agent is connected.
    Configure {
        #[command(flatten)]
        config: ConfigPath,
        /// The agent's id.
        agent: AgentId,
        /// The file with the sources, as in the agent's own file. Device profiles that it names and that are found
        /// relative to it are sent with it.
        #[arg(long, required_unless_present = "own")]
        file: Option<PathBuf>,
        /// Instead: the box's own file is to hold again.
        #[arg(long, conflicts_with = "file")]
        own: bool,
        /// Why; for the history.
        #[arg(long)]
        why: String,
    },
    /// Shows the versions of what an agent is to run, and what became of them.
    Configuration {
        #[command(flatten)]
        config: ConfigPath,
        /// The agent's id.
        agent: AgentId,
    },
    /// Takes back everything an agent has; its connection ends within a second.
    Revoke {
        #[command(flatten)]
        config: ConfigPath,
        /// The agent's id.
        agent: AgentId,
        /// Why; for the history.
        #[arg(long, default_value = "")]
        reason: String,
    },
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration; write for example 15m, 2h or 1d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let all = count.checked_mul(seconds).ok_or_else(wrong)?;
    match (1..=30 * 86_400).contains(&all) {
        true => Ok(Duration::from_secs(all)),
        false => Err(format!("{text:?} is not between 1 second and 30 days")),
    }
}

pub fn run(command: AgentCommand) -> anyhow::Result<()> {
    match command {
        AgentCommand::Add {
            config,
            agent,
            site,
            valid,
        } => {
            let (config, records) = open(&config)?;
            let whom = (&agent, &site);
            let (registry, plan) = (&config.registry, &config.fleet);
            let now = Timestamp::now();
            let (code, pending) = enrol::add(&records, registry, plan, whom, valid, BY, now)?;
            println!("{code}");
            eprintln!(
                "for agent {agent} of site {site}, once, until {}. On the box:\n  edge-agent enroll --gateway http://GATEWAY:{} --code {code}",
                pending.valid_to,
                config.http.port()
            );
            Ok(())
        }
        AgentCommand::List(config) => {
            let (config, records) = open(&config)?;
            let now = Timestamp::now();
            for agent in fleet::known(&records, &config.registry)? {
                println!("{}", line(&agent, now));
            }
            Ok(())
        }
        AgentCommand::Configure {
            config,
            agent,
            file,
            own: _,
            why,
        } => {
            let (config, records) = open(&config)?;
            let known = fleet::site_of(&records, &config.registry, &agent)?;
            known.with_context(|| format!("there is no agent {agent}"))?;
            let (text, files) = file.map_or(Ok(Default::default()), |file| read(&file))?;
            let newest = desired::versions(&records, &agent)?.into_iter().next();
            let new = New {
                text,
                files,
                why,
                based_on: newest.map_or(0, |newest| newest.desired.version),
            };
            let version = desired::propose(&records, &agent, new, BY, Timestamp::now())?;
            let sent: Vec<&str> = version.desired.files.keys().map(String::as_str).collect();
            println!(
                "version {} of {agent}, with {} files{}{}; `gateway agent configuration` says what became of it",
                version.desired.version,
                sent.len(),
                if sent.is_empty() { "" } else { ": " },
                sent.join(", ")
            );
            Ok(())
        }
        AgentCommand::Configuration { config, agent } => {
            let (_, records) = open(&config)?;
            let outcomes = desired::outcomes(&records, Some(&agent))?;
            for version in desired::versions(&records, &agent)? {
                let digest = version.desired.digest();
                let became = outcomes.iter().find(|outcome| outcome.digest == digest);
                println!("{}", version_line(&version, became));
            }
            Ok(())
        }
        AgentCommand::Revoke {
            config,
            agent,
            reason,
        } => {
            let (config, records) = open(&config)?;
            let site = fleet::site_of(&records, &config.registry, &agent)?;
            let site = site.with_context(|| format!("there is no agent {agent}"))?;
            store::revoke(&records, &agent, &site, BY, &reason, Timestamp::now())?;
            println!("{agent} of site {site} is revoked; `gateway agent add` lets it in again");
            Ok(())
        }
    }
}

/// A configuration, and the profiles that it names and that are there.
fn read(file: &Path) -> anyhow::Result<(String, BTreeMap<String, String>)> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let text = read(file)?;
    let table: toml::Table = text
        .parse()
        .with_context(|| format!("{} is not TOML", file.display()))?;
    let mut names = BTreeSet::new();
    profiles(&toml::Value::Table(table), &mut names);
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut files = BTreeMap::new();
    for name in names {
        let path = folder.join(&name);
        if path.exists() {
            files.insert(name, read(&path)?);
        }
    }
    Ok((text, files))
}

/// Every text under a key `profile`.
fn profiles(value: &toml::Value, names: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                if let (true, Some(name)) = (key == "profile", value.as_str()) {
                    names.insert(name.to_owned());
                }
                profiles(value, names);
            }
        }
        toml::Value::Array(list) => list.iter().for_each(|value| profiles(value, names)),
        _ => {}
    }
}

fn version_line(version: &Version, became: Option<&Outcome>) -> String {
    let became = match became {
        None => "its agent has not said what became of it".to_owned(),
        Some(outcome) => {
            let state = match outcome.state {
                State::Trial => "is tried",
                State::Applied => "was applied",
                State::Refused => "was refused",
                State::RolledBack => "was given up",
            };
            let reasons = outcome.reasons.iter().map(|reason| format!("\n\t{reason}"));
            format!("{state} {}{}", outcome.at, reasons.collect::<String>())
        }
    };
    let (n, at, by, why) = (
        version.desired.version,
        version.at,
        &version.by,
        &version.why,
    );
    format!("{n}\t{at}\t{by}\t{why}\t{became}")
}

fn open(at: &ConfigPath) -> anyhow::Result<(Config, Records)> {
    let config = load(&at.config)?;
    std::fs::create_dir_all(&config.data).context("cannot create the data folder")?;
    let records = Records::open(&config.data.join("records.db"))?;
    Ok((config, records))
}

fn line(agent: &Known, now: Timestamp) -> String {
    let state = match (agent.good(), &agent.code) {
        _ if agent.is_revoked() => "revoked".to_owned(),
        (Some(issued), _) => {
            let seen = issued.last_seen_at;
            let seen = seen.map_or("never seen".to_owned(), |at| format!("last seen {at}"));
            format!("certificate until {}, {seen}", issued.certificate.not_after)
        }
        (None, Some(code)) => match code.state(now) {
            CodeState::Pending => format!("code until {}", code.valid_to),
            CodeState::Used => "code used".to_owned(),
            CodeState::Expired => format!("code ran out {}", code.valid_to),
        },
        (None, None) => "no certificate seen".to_owned(),
    };
    format!("{}\t{}\t{state}", agent.name, agent.site)
}
