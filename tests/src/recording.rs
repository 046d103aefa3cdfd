//! A recording played to an agent, and what must have arrived of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use simulators::replay::{Row, read};

use crate::config_text::{Identity, agent_device, agent_head, quoted};
use crate::process::Process;
use crate::setup::Binaries;
use crate::world::{start_agent, write};

/// A recording and the columns of it that are played.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The file.
    pub csv: PathBuf,
    /// Column of the time.
    pub time: String,
    /// Time zone of its times.
    pub zone: String,
    /// Columns of the values.
    pub values: Vec<String>,
}

impl Recording {
    /// The file's rows.
    pub fn rows(&self) -> anyhow::Result<Vec<Row>> {
        let zone = jiff::tz::TimeZone::get(&self.zone).context("no such time zone")?;
        read(&self.csv, &self.time, &self.values, &zone).context("the recording cannot be read")
    }

    /// Plays it at `address`, as fast as it is read, and goes on showing the last row.
    pub fn play(
        &self,
        binaries: &Binaries,
        address: SocketAddr,
        log: &Path,
    ) -> anyhow::Result<Process> {
        let mut command = Command::new(&binaries.sim);
        command
            .arg("replay")
            .arg("--csv")
            .arg(&self.csv)
            .arg("--time")
            .arg(&self.time)
            .arg("--zone")
            .arg(&self.zone);
        command
            .arg("--values")
            .arg(self.values.join(","))
            .args(["--speed", "inf", "--modbus"])
            .arg(address.to_string());
        Process::start("replay", command, log)
    }

    /// Name of the point that carries column `index`.
    pub fn point(index: usize) -> String {
        format!("value_{index}")
    }

    /// The profile of the instrument that plays it, with the time of each row as the instrument's own time.
    pub fn profile(&self) -> String {
        let mut text = format!(
            "name = {}\n\n[time]\nregister = 0\ntype = \"u64\"\nunit = \"ms\"\n",
            quoted("a recording")
        );
        for index in 0..self.values.len() {
            text += &format!(
                "\n[[point]]\nname = {}\nfunction = \"holding\"\nregister = {}\ntype = \"f64\"\nunit = \"1\"\nrange = [-1e300, 1e300]\n",
                quoted(Self::point(index)),
                4 + 4 * index
            );
        }
        text
    }

    /// Starts an agent that asks the instrument as often as it may and sends to `gateway`.
    pub fn agent(
        &self,
        binaries: &Binaries,
        folder: &Path,
        instrument: SocketAddr,
        gateway: SocketAddr,
        identity: Identity<'_>,
    ) -> anyhow::Result<Process> {
        let profile = folder.join("recording.toml");
        write(&profile, &self.profile())?;
        let device = agent_device("recording", &profile, instrument, "2ms", "1s");
        let config = folder.join("agent.toml");
        write(
            &config,
            &(agent_head("replay", "agent-replay", gateway, identity) + &device),
        )?;
        start_agent(binaries, "agent", &config, &folder.join("agent.log"))
    }
}
