//! `edge-agent probe modbus`: what a bus answers, for whoever sets the agent up. It only reads. Read in this order:
//! `scan`, `guess`, `fit`, `show`.
//!
//! Promise: it ends within the given time and says what it did not get to; nothing is written to an instrument.

pub mod fit; // which profiles fit, and what they read
pub mod guess; // what registers may mean; pure
pub mod scan; // units and registers that answer
pub mod show; // aligned text; pure

use crate::{
    profile::{self, Profile},
    section::duration,
    source::modbus::{
        config::is_address,
        link::{Endpoint, Line, Link, Parity},
        register::Function,
    },
};
use anyhow::{Context, bail};
use contract::problems::Problems;
use scan::Scanner;
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;

/// What to probe, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  edge-agent probe modbus --address 192.168.1.20:502 --units 1
      what unit 1 of a TCP instrument has in registers 0 to 200 of its four tables
  edge-agent probe modbus --serial /dev/ttyUSB0 --baud 9600 --units 1-32 --registers 0-50
      which units answer on a serial line, and what they have
  edge-agent probe modbus --serial /dev/ttyUSB0 --units 3 --profile config/devices/noise-meter.toml
      the live values of unit 3 in their units: compare them with the instrument's own display
Registers count from 0 as on the wire; manuals often count from 1, 30001 or 40001.")]
pub struct Arguments {
    /// Modbus TCP at HOST:PORT.
    #[arg(
        long,
        value_name = "HOST:PORT",
        required_unless_present = "serial",
        conflicts_with = "serial"
    )]
    pub address: Option<String>,
    /// What listens at --address is a serial line behind a box that passes its bytes on (RTU over TCP).
    #[arg(long, requires = "address")]
    pub rtu: bool,
    /// A serial line, for example /dev/ttyUSB0. The agent itself must not be using it.
    #[arg(long, value_name = "DEVICE")]
    pub serial: Option<String>,
    /// Bits a second of the line.
    #[arg(long, default_value_t = 9_600, value_parser = clap::value_parser!(u32).range(300..=4_000_000))]
    pub baud: u32,
    /// Parity of the line: none, even or odd.
    #[arg(long, default_value = "none")]
    pub parity: Parity,
    /// Stop bits of the line: 1 or 2.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub stop_bits: u8,
    /// Units to ask, for example 1, 1-32 or 1,5,20-30.
    #[arg(long, default_value = "1-247", value_parser = units)]
    pub units: std::sync::Arc<[u8]>,
    /// Registers to look at in each table; left out, 0-200, or none with --profile.
    #[arg(long, value_name = "FIRST-LAST", value_parser = registers)]
    pub registers: Option<Range>,
    /// Show the live values of this profile.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Try the profiles of this folder.
    #[arg(long, value_name = "FOLDER", default_value = "config/devices")]
    pub profiles: PathBuf,
    /// How long a unit may take to answer one question.
    #[arg(long, default_value = "500ms", value_parser = time)]
    pub timeout: Duration,
    /// Stop after this, and say what is left.
    #[arg(long, default_value = "5m", value_parser = time)]
    pub within: Duration,
    /// One JSON document instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// Registers from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Where was asked.
    pub bus: String,
    /// The units that answered.
    pub units: Vec<Unit>,
    /// How many units did not.
    pub silent: usize,
    /// What there was no time for.
    pub not_asked: Vec<String>,
}

/// A unit that answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unit {
    /// Its id.
    pub unit: u8,
    /// What it has.
    pub tables: Vec<scan::Table>,
    /// Profiles whose registers all answer with values in range, the one with the most points first.
    pub fits: Vec<fit::Fit>,
    /// The values of the profile that was asked for.
    pub live: Option<fit::Live>,
}

/// Probes and prints what it found.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let report = probe(arguments).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", show::text(&report));
    }
    Ok(())
}

/// Asks everything that the arguments ask for, as long as there is time.
pub async fn probe(arguments: &Arguments) -> anyhow::Result<Report> {
    let endpoint = endpoint(arguments)?;
    let asked = arguments.profile.as_deref().map(read_profile).transpose()?;
    let known = profiles(&arguments.profiles)?;
    let registers = match (arguments.registers, &asked) {
        (None, None) => Some(Range {
            first: 0,
            last: 200,
        }),
        (registers, _) => registers,
    };
    let end = Instant::now() + arguments.within;
    let mut scanner = Scanner::new(Link::new(endpoint.clone()), arguments.timeout, end);
    let mut report = Report {
        bus: endpoint.to_string(),
        units: Vec::new(),
        silent: 0,
        not_asked: Vec::new(),
    };
    let mut answering = Vec::new();
    for (n, unit) in arguments.units.iter().enumerate() {
        if scanner.is_over() {
            report.not_asked.push(format!(
                "{} units from {unit} on",
                arguments.units.len() - n
            ));
            break;
        }
        match scanner.answers(*unit).await? {
            true => answering.push(*unit),
            false => report.silent += 1,
        }
    }
    for unit in answering {
        let mut found = Unit {
            unit,
            tables: Vec::new(),
            fits: Vec::new(),
            live: None,
        };
        if let Some(profile) = &asked {
            found.live = Some(fit::live(&mut scanner, unit, profile).await?);
        }
        for function in TABLES {
            if let Some(range) = registers {
                found.tables.push(
                    scanner
                        .table(unit, function, range, &mut report.not_asked)
                        .await?,
                );
            }
        }
        found.fits = fit::fits(&mut scanner, unit, &known, &mut report.not_asked).await?;
        report.units.push(found);
    }
    Ok(report)
}

const TABLES: [Function; 4] = [
    Function::Holding,
    Function::Input,
    Function::Coil,
    Function::Discrete,
];

fn endpoint(arguments: &Arguments) -> anyhow::Result<Endpoint> {
    let line = Line {
        baud: arguments.baud,
        parity: arguments.parity,
        stop_bits: arguments.stop_bits,
    };
    Ok(match (&arguments.address, &arguments.serial) {
        (Some(address), _) if !is_address(address) => bail!("{address:?} is not HOST:PORT"),
        (Some(address), _) if arguments.rtu => Endpoint::RtuOverTcp(address.clone(), line),
        (Some(address), _) => Endpoint::Tcp(address.clone()),
        (None, Some(path)) => Endpoint::Serial(path.clone(), line),
        (None, None) => bail!("give --address or --serial"),
    })
}

fn read_profile(path: &Path) -> anyhow::Result<Profile> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut problems = Problems::new();
    let profile = profile::read(&path.display().to_string(), &text, &mut problems);
    if !problems.is_empty() {
        bail!("{problems}");
    }
    Ok(profile)
}

/// The profiles of a folder; none if it is not there.
fn profiles(folder: &Path) -> anyhow::Result<Vec<(String, Profile)>> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot read {}", folder.display()))?
            .path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            found.push((path.display().to_string(), read_profile(&path)?));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

fn time(text: &str) -> Result<Duration, String> {
    duration(text)
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "write for example 500ms, 5s or 5m".to_owned())
}

fn range<T: std::str::FromStr + Copy + PartialOrd>(text: &str) -> Option<(T, T)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range: (T, T) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (range.0 <= range.1).then_some(range)
}

fn registers(text: &str) -> Result<Range, String> {
    let (first, last) = range(text).ok_or_else(|| "write FIRST-LAST from 0 to 65535".to_owned())?;
    Ok(Range { first, last })
}

fn units(text: &str) -> Result<std::sync::Arc<[u8]>, String> {
    let mut units = Vec::new();
    for part in text.split(',') {
        let (first, last) = range(part)
            .ok_or_else(|| format!("{part:?} is not units from 0 to 255, for example 1-32"))?;
        units.extend(
            (first..=last)
                .filter(|unit: &u8| !units.contains(unit))
                .collect::<Vec<_>>(),
        );
    }
    Ok(units.into())
}
