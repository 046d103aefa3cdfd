//! Scenario + process + instruments, run against the clock.
//!
//! Promise: each device is one Modbus TCP server; the process steps every tenth of a second of wall time by
//! `factor` tenths at the site; each fault is written to the truth file, flushed, when it begins.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::modbus::{Fault, Registers, Server};
use crate::process::{Device, FaultKind, Now, sites};
use crate::random::Random;
use crate::scenario::{Planned, Scenario, Truth};

const TICK: Duration = Duration::from_millis(100);
/// The process is stable up to this step, so longer ticks are split.
const STEP_S_MAX: f64 = 5.0;

/// Where one simulated device listens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listening {
    /// Its site.
    pub site: String,
    /// Its id.
    pub device: String,
    /// Its address.
    pub address: SocketAddr,
}

struct Running {
    site: &'static str,
    id: &'static str,
    device: Device,
    registers: Registers,
    random: Random,
}

/// All simulated sites of a scenario, bound and not yet running.
pub struct Sites {
    scenario: Scenario,
    devices: Vec<Running>,
    servers: JoinSet<std::io::Result<()>>,
    listening: Vec<Listening>,
}

impl Sites {
    /// Binds every device on `ip`: on `first_port` and those after it, or on free ports when it is 0.
    pub async fn bind(scenario: Scenario, ip: IpAddr, first_port: u16) -> anyhow::Result<Self> {
        let random = Random::seeded(scenario.seed);
        let (mut devices, mut listening) = (Vec::new(), Vec::new());
        let mut servers = JoinSet::new();
        for (site, members) in sites() {
            for (id, device) in members {
                let port = if first_port == 0 {
                    0
                } else {
                    first_port + devices.len() as u16
                };
                let registers = Registers::default();
                let server = Server::bind(SocketAddr::new(ip, port), registers.clone())
                    .await
                    .with_context(|| {
                        format!("cannot listen for device {site}/{id} on {ip}:{port}")
                    })?;
                let address = server.address()?;
                listening.push(Listening {
                    site: site.into(),
                    device: id.into(),
                    address,
                });
                servers.spawn(server.run());
                let random = random.fork(&format!("{site}/{id}"));
                devices.push(Running {
                    site,
                    id,
                    device,
                    registers,
                    random,
                });
            }
        }
        let mut bound = Sites {
            scenario,
            devices,
            servers,
            listening,
        };
        bound.step(0.0, 1.0);
        Ok(bound)
    }

    /// Where the devices listen.
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }

    /// Plays until cancelled, writing the truth as it happens.
    pub async fn play(mut self, truth: Option<&Path>) -> anyhow::Result<()> {
        let mut truth = truth.map(TruthFile::append).transpose()?;
        let began = Instant::now();
        let began_ms = jiff::Timestamp::now().as_millisecond();
        let mut ticker = tokio::time::interval(TICK);
        let (mut done_s, mut known) = (0.0, Vec::new());
        loop {
            ticker.tick().await;
            if let Some(ended) = self.servers.try_join_next() {
                ended
                    .context("a device's task was lost")?
                    .context("a device stopped serving")?;
            }
            let until_s = began.elapsed().as_secs_f64() * self.scenario.factor;
            self.step(done_s, until_s - done_s);
            done_s = until_s;
            let active: Vec<Planned> = self.scenario.active(done_s / 60.0).cloned().collect();
            for fault in active.iter().filter(|f| !known.contains(*f)) {
                tracing::info!(site = %fault.site, device = %fault.device, kind = ?fault.kind, "a fault begins");
                if let Some(file) = &mut truth {
                    file.write(&self.truth_of(fault, done_s, began_ms))?;
                }
            }
            known = active;
        }
    }

    fn truth_of(&self, fault: &Planned, now_s: f64, began_ms: i64) -> Truth {
        let round = (now_s / 60.0 / self.scenario.repeat_min).floor() * self.scenario.repeat_min;
        let wall =
            |minute: f64| began_ms + ((round + minute) * 60_000.0 / self.scenario.factor) as i64;
        Truth {
            planned: fault.into(),
            from_ms: wall(fault.from_min),
            to_ms: wall(fault.to_min),
            due_ms: wall(fault.from_min + fault.within_min),
        }
    }

    fn step(&mut self, from_s: f64, span_s: f64) {
        let begins = self.scenario.begins_at_second().unwrap_or(0.0);
        let parts = (span_s / STEP_S_MAX).ceil().max(1.0);
        let dt_s = span_s / parts;
        for running in &mut self.devices {
            let mut values = Vec::new();
            let mut is_silent = false;
            for part in 0..parts as u64 {
                let at_s = from_s + dt_s * (part as f64 + 1.0);
                let faults: Vec<FaultKind> = self
                    .scenario
                    .active(at_s / 60.0)
                    .filter(|f| f.site == running.site && f.device == running.id)
                    .map(|f| f.kind)
                    .collect();
                let now = Now {
                    second_of_day: (begins + at_s) % 86_400.0,
                    dt_s,
                    faults: &faults,
                };
                values = running.device.step(&now, &mut running.random);
                is_silent = now.has(FaultKind::Silent);
            }
            running.registers.set_fault(if is_silent {
                Fault::Silent
            } else {
                Fault::None
            });
            let quantities = running.device.quantities();
            running.registers.write(
                quantities
                    .iter()
                    .zip(values)
                    .map(|(q, v)| (q.register, q.encoding.encode(v))),
            );
        }
    }
}

struct TruthFile(std::fs::File);

impl TruthFile {
    fn append(path: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path);
        Ok(TruthFile(file.with_context(|| {
            format!("cannot open the truth file {}", path.display())
        })?))
    }

    fn write(&mut self, truth: &Truth) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(truth)?;
        line.push(b'\n');
        self.0
            .write_all(&line)
            .context("cannot write the truth file")?;
        self.0.sync_data().context("cannot flush the truth file")
    }
}
