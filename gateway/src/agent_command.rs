//! `gateway agent …`: works beside a running gateway, which sees a change within a second.

use crate::{ConfigPath, load};
use anyhow::Context;
use clap::Subcommand;
use contract::{AgentId, SiteId, Timestamp};
use gateway::{
    config::Config,
    fleet::{self, Known, decide::CodeState, enrol, store},
    store::Records,
};
use std::time::Duration;

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
