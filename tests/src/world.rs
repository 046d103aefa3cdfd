//! Certificates, configuration and processes of three simulated sites, the gateway and the credit platform.
//!
//! Layout of the data folder: `gateway/`, `agents/SITE/`, `platform/`, `sites/`, `logs/`, and `login.json`. Whatever is there is
//! kept, so a second start goes on; only the configuration files are written anew at each start.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use simulators::scenario::{Scenario, Truth};
use simulators::site::Listening;

use crate::config_text;
use crate::process::{Process, wait_for};
use crate::setup::{Binaries, repository};

/// Everything stops within this time, or is killed and reported.
pub const STOP_WITHIN: Duration = Duration::from_secs(5);
const START_WITHIN: Duration = Duration::from_secs(60);

/// A freshly made login.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Login {
    /// Account name.
    pub name: String,
    /// Its password.
    pub password: String,
}

/// Where things listen.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Console and API.
    pub http: SocketAddr,
    /// MQTT with TLS and client certificates.
    pub mqtt: SocketAddr,
    /// Where agents send footage, HTTPS with client certificates.
    pub footage: SocketAddr,
}

/// How to start.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where everything is kept.
    pub data: PathBuf,
    /// The scenario.
    pub scenario: PathBuf,
    /// Seconds at the sites in one second outside; must be the scenario's factor.
    pub factor: f64,
    /// Deliveries the credit platform refuses first, to show that the outbox goes on.
    pub platform_fails_first: u64,
    /// Simulated cameras, if there are any.
    pub cameras: Option<PathBuf>,
}

impl Plan {
    /// The demo's cameras too.
    pub fn with_cameras(self) -> Plan {
        Plan {
            cameras: Some(repository().join("config/cameras/demo.toml")),
            ..self
        }
    }

    /// The demo's scenario, at its own factor, without cameras.
    pub fn demo(data: PathBuf, platform_fails_first: u64) -> anyhow::Result<Plan> {
        let scenario = repository().join("config/scenarios/demo.toml");
        let factor = Scenario::load(&scenario)?.factor;
        Ok(Plan {
            data,
            scenario,
            factor,
            platform_fails_first,
            cameras: None,
        })
    }
}

/// The running world.
#[derive(Debug)]
pub struct World {
    /// Where everything is kept.
    pub data: PathBuf,
    /// Where the gateway listens.
    pub ports: Ports,
    /// Where the credit platform listens.
    pub platform: SocketAddr,
    /// The reviewer's account.
    pub login: Login,
    /// In the order in which they stop.
    processes: Vec<Process>,
}

/// A port nobody listens on: `preferred` if it is free.
pub fn free_address(preferred: u16) -> anyhow::Result<SocketAddr> {
    let bound = TcpListener::bind(("127.0.0.1", preferred))
        .or_else(|_| TcpListener::bind(("127.0.0.1", 0)));
    bound.and_then(|l| l.local_addr()).context("no free port")
}

/// Runs a command of ours to its end and returns what it printed.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let done = command
        .env("RUST_BACKTRACE", "0")
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    let errors = String::from_utf8_lossy(&done.stderr);
    anyhow::ensure!(
        done.status.success(),
        "{command:?} ended with {}:\n{out}{errors}",
        done.status
    );
    Ok(out)
}

impl World {
    /// Starts everything and returns when the gateway answers and every agent runs.
    pub fn start(binaries: &Binaries, plan: &Plan) -> anyhow::Result<World> {
        for folder in ["gateway", "agents", "platform", "sites", "logs"] {
            let folder = plan.data.join(folder);
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let ports = Ports {
            http: free_address(8480)?,
            mqtt: free_address(8883)?,
            footage: free_address(8444)?,
        };
        let (platform_process, platform) = start_platform(binaries, plan)?;
        let (sites, listening) = start_sites(binaries, plan)?;
        let cameras = plan.cameras.as_deref();
        let cameras = cameras.map(|file| start_cameras(binaries, file, &plan.data, None));
        let (cameras, shown) = cameras.transpose()?.unzip();
        let shown = shown.unwrap_or_default();
        let config = gateway_config(&plan.data);
        write(&config, &config_text::gateway(plan, ports, platform))?;
        let login = identities(binaries, plan, &config)?;
        let log = plan.data.join("logs/gateway.log");
        let mut gateway = start_gateway(binaries, &config, &log)?;
        wait_for("the gateway to listen", START_WITHIN, || {
            gateway.check()?;
            Ok(std::net::TcpStream::connect_timeout(&ports.http, Duration::from_secs(1)).ok())
        })?;
        let mut processes = Vec::new();
        for (site, agent) in config_text::AGENTS {
            let own: Vec<&Listening> = listening.iter().filter(|l| l.site == *site).collect();
            processes.push(start_agent_of_a_site(
                binaries, plan, ports, site, agent, &own, &shown,
            )?);
        }
        processes.extend([gateway, platform_process, sites]);
        processes.extend(cameras);
        Ok(World {
            data: plan.data.clone(),
            ports,
            platform,
            login,
            processes,
        })
    }

    /// Address of console and API.
    pub fn console(&self) -> String {
        format!("http://{}", self.ports.http)
    }

    /// What was really wrong, so far.
    pub fn truth(&self) -> anyhow::Result<Vec<Truth>> {
        let text = std::fs::read_to_string(self.data.join("sites/truth.jsonl")).unwrap_or_default();
        let complete = text.rfind('\n').map_or("", |end| &text[..=end]);
        complete
            .lines()
            .map(|line| {
                serde_json::from_str(line).context("a line of the truth is not what it should be")
            })
            .collect()
    }

    /// Adds an account, as an administrator does beside the running gateway.
    pub fn add_user(&self, binaries: &Binaries, name: &str, role: &str) -> anyhow::Result<Login> {
        add_user(binaries, &gateway_config(&self.data), name, role)
    }

    /// Fails if a process ended unasked.
    pub fn check(&mut self) -> anyhow::Result<()> {
        self.processes.iter_mut().try_for_each(Process::check)
    }

    /// Stops inputs first, then what stores, then what answers. Errors name every process that had to be killed.
    pub fn stop(mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let mut late = Vec::new();
        // The agents stop together; each of the others after the ones before it.
        let (agents, others) = self.processes.split_at_mut(config_text::AGENTS.len());
        agents.iter().try_for_each(Process::ask_to_stop)?;
        for process in agents {
            late.extend(process.wait_until(began + STOP_WITHIN).err());
        }
        for process in others {
            process.ask_to_stop()?;
            late.extend(process.wait_until(began + STOP_WITHIN).err());
        }
        let reasons: Vec<String> = late.iter().map(|e| format!("{e:#}")).collect();
        anyhow::ensure!(
            reasons.is_empty(),
            "stopping was not orderly:\n{}",
            reasons.join("\n")
        );
        Ok(began.elapsed())
    }
}

/// Writes a file; the error names it.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Ok(None);
    };
    Ok(Some(serde_json::from_str(&text).with_context(|| {
        format!("{} is not what it should be", path.display())
    })?))
}

fn announced<T: serde::de::DeserializeOwned>(
    process: &mut Process,
    path: &Path,
) -> anyhow::Result<T> {
    wait_for(
        &format!("{} to listen", process.name()),
        START_WITHIN,
        || {
            process.check()?;
            read_json(path)
        },
    )
}

fn forget(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn start_platform(binaries: &Binaries, plan: &Plan) -> anyhow::Result<(Process, SocketAddr)> {
    let listening = plan.data.join("platform/listening.json");
    forget(&listening)?;
    let mut command = Command::new(&binaries.sim);
    command.args(["credit-platform", "--listen", "127.0.0.1:0", "--fail-first"]);
    command.arg(plan.platform_fails_first.to_string());
    command
        .arg("--keep")
        .arg(plan.data.join("platform/received.jsonl"))
        .arg("--listening")
        .arg(&listening);
    let mut process = Process::start(
        "credit platform",
        command,
        &plan.data.join("logs/platform.log"),
    )?;
    let address = announced(&mut process, &listening)?;
    Ok((process, address))
}

fn start_sites(binaries: &Binaries, plan: &Plan) -> anyhow::Result<(Process, Vec<Listening>)> {
    let listening = plan.data.join("sites/listening.json");
    forget(&listening)?;
    let mut command = Command::new(&binaries.sim);
    command
        .arg("scenario")
        .arg(&plan.scenario)
        .arg("--listening")
        .arg(&listening);
    command
        .arg("--truth")
        .arg(plan.data.join("sites/truth.jsonl"));
    let mut process = Process::start(
        "simulated sites",
        command,
        &plan.data.join("logs/sites.log"),
    )?;
    let devices = announced(&mut process, &listening)?;
    Ok((process, devices))
}

/// Starts simulated cameras; the truth of every frame is `sites/cameras.jsonl` in `data`, `rtsp` the port of the first with RTSP.
pub fn start_cameras(
    binaries: &Binaries,
    plan: &Path,
    data: &Path,
    rtsp: Option<u16>,
) -> anyhow::Result<(Process, Vec<simulators::camera::Listening>)> {
    let listening = data.join("sites/cameras.json");
    forget(&listening)?;
    let mut command = Command::new(&binaries.sim);
    command
        .arg("camera")
        .arg(plan)
        .arg("--listening")
        .arg(&listening)
        .arg("--truth")
        .arg(data.join("sites/cameras.jsonl"));
    if let Some(port) = rtsp {
        command.arg("--rtsp").arg(port.to_string());
    }
    let log = data.join("logs/cameras.log");
    let mut process = Process::start("simulated cameras", command, &log)?;
    let cameras = announced(&mut process, &listening)?;
    Ok((process, cameras))
}

/// Certificate authority, agents' certificates and the reviewer's account, made once.
fn identities(binaries: &Binaries, plan: &Plan, config: &Path) -> anyhow::Result<Login> {
    let kept = plan.data.join("login.json");
    if let Some(login) = read_json(&kept)? {
        return Ok(login);
    }
    make_authority(binaries, config)?;
    for (site, agent) in config_text::AGENTS {
        let out = plan.data.join("agents").join(site).join("identity");
        if out.join("ca.crt").exists() {
            continue;
        }
        issue(binaries, config, agent, &out)?;
    }
    let login = add_user(binaries, config, "demo", "reviewer")?;
    write(&kept, &serde_json::to_string(&login)?)?;
    Ok(login)
}

/// Makes the gateway's certificate authority, as an administrator does.
pub fn make_authority(binaries: &Binaries, config: &Path) -> anyhow::Result<()> {
    let mut command = gateway(binaries);
    output(command.args(["ca", "init", "--config"]).arg(config)).map(|_| ())
}

/// Makes an agent's certificate in a folder, as an administrator does.
pub fn issue(binaries: &Binaries, config: &Path, agent: &str, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let mut command = gateway(binaries);
    command
        .args(["ca", "issue", "--config"])
        .arg(config)
        .arg(agent);
    output(command.arg("--out").arg(folder)).map(|_| ())
}

fn gateway(binaries: &Binaries) -> Command {
    let mut command = Command::new(&binaries.gateway);
    command.current_dir(repository());
    command
}

/// Adds an account, as an administrator does.
pub fn add_user(
    binaries: &Binaries,
    config: &Path,
    name: &str,
    role: &str,
) -> anyhow::Result<Login> {
    let printed = output(
        gateway(binaries)
            .args(["user", "add", "--config"])
            .arg(config)
            .args([name, "--role", role]),
    )?;
    let password = printed
        .split_whitespace()
        .last()
        .context("`gateway user add` printed no password")?;
    Ok(Login {
        name: name.into(),
        password: password.into(),
    })
}

/// Starts a gateway with its configuration.
pub fn start_gateway(binaries: &Binaries, config: &Path, log: &Path) -> anyhow::Result<Process> {
    let mut command = gateway(binaries);
    command.arg("run").arg("--config").arg(config);
    Process::start("gateway", command, log)
}

/// Starts an agent with its configuration.
pub fn start_agent(
    binaries: &Binaries,
    name: &str,
    config: &Path,
    log: &Path,
) -> anyhow::Result<Process> {
    let mut command = Command::new(&binaries.edge_agent);
    command.arg("run").arg("--config").arg(config);
    Process::start(name, command, log)
}

fn start_agent_of_a_site(
    binaries: &Binaries,
    plan: &Plan,
    ports: Ports,
    site: &str,
    agent: &str,
    devices: &[&Listening],
    cameras: &[simulators::camera::Listening],
) -> anyhow::Result<Process> {
    let folder = plan.data.join("agents").join(site);
    let config = folder.join("agent.toml");
    write(
        &config,
        &config_text::agent(&folder, ports, site, agent, devices, cameras)?,
    )?;
    let log = plan.data.join(format!("logs/agent-{site}.log"));
    start_agent(binaries, &format!("agent {agent}"), &config, &log)
}

fn gateway_config(data: &Path) -> PathBuf {
    data.join("gateway/gateway.toml")
}

/// The gateway's journal below a data folder.
pub fn journal(data: &Path) -> PathBuf {
    data.join("gateway/journal.db")
}

/// The embedded series store below a data folder.
pub fn series(data: &Path) -> PathBuf {
    data.join("gateway/series.db")
}
