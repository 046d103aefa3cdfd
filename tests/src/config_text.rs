//! The configuration of the demo world, as the TOML text an administrator would write.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use simulators::process::{Quantity, sites};
use simulators::site::Listening;

/// Site and agent of each simulated site.
pub const AGENTS: &[(&str, &str)] = &[
    ("restaurant", "agent-restaurant"),
    ("boiler-plant", "agent-boiler"),
    ("workshop", "agent-workshop"),
];

/// How often instruments are asked.
const POLL_EVERY: &str = "500ms";

/// TOML text in quotes.
pub fn quoted(text: impl std::fmt::Display) -> String {
    toml::Value::String(text.to_string()).to_string()
}

/// How an agent reaches the gateway and says who it is.
#[derive(Debug, Clone, Copy)]
pub enum Identity<'a> {
    /// TLS with the certificates in this folder.
    Certificates(&'a Path),
    /// Nothing; for listeners on this machine that allow it.
    Anonymous,
}

/// An agent's configuration without its devices.
pub fn agent_head(site: &str, agent: &str, gateway: SocketAddr, identity: Identity<'_>) -> String {
    let mut text = format!(
        "site = {}\nagent = {}\n\n[buffer]\npath = \"buffer.db\"\n\n[gateway]\nhost = {}\nport = {}\n",
        quoted(site),
        quoted(agent),
        quoted(gateway.ip()),
        gateway.port()
    );
    if let Identity::Certificates(folder) = identity {
        for (key, file) in [
            ("ca_file", "ca.crt"),
            ("certificate_file", "agent.crt"),
            ("key_file", "agent.key"),
        ] {
            let _ = writeln!(text, "{key} = {}", quoted(folder.join(file).display()));
        }
    }
    text
}

/// One device of an agent's configuration.
pub fn agent_device(
    id: &str,
    profile: &Path,
    address: SocketAddr,
    every: &str,
    timeout: &str,
) -> String {
    format!(
        "\n[[device]]\nid = {}\nprofile = {}\naddress = {}\nevery = {}\ntimeout = {}\n",
        quoted(id),
        quoted(profile.display()),
        quoted(address),
        quoted(every),
        quoted(timeout)
    )
}

/// The profile of a simulated device.
pub fn profile(name: &str, quantities: &[Quantity]) -> String {
    let mut text = format!("name = {}\n", quoted(name));
    for q in quantities {
        let _ = write!(
            text,
            "\n[[point]]\nname = {}\nfunction = \"holding\"\nregister = {}\ntype = {}\nscale = {:?}\nunit = {}\nrange = [{:?}, {:?}]\n",
            quoted(q.name),
            q.register,
            quoted(q.encoding.name()),
            q.encoding.scale(),
            quoted(q.unit),
            q.range.0,
            q.range.1
        );
        if let Some(factor) = q.factor {
            let _ = writeln!(text, "factor = {}", quoted(factor));
        }
    }
    text
}

/// Writes the profiles of a site's devices into `folder` and gives the agent's configuration.
pub fn agent(
    folder: &Path,
    gateway: SocketAddr,
    site: &str,
    agent: &str,
    devices: &[&Listening],
) -> anyhow::Result<String> {
    let mut text = agent_head(
        site,
        agent,
        gateway,
        Identity::Certificates(&folder.join("identity")),
    );
    let (_, members) = sites()
        .into_iter()
        .find(|(id, _)| *id == site)
        .context("no such simulated site")?;
    for (id, device) in members {
        let listening = devices
            .iter()
            .find(|l| l.device == id)
            .with_context(|| format!("{site}/{id} does not listen"))?;
        let file = folder.join(format!("{id}.toml"));
        crate::world::write(&file, &profile(id, device.quantities()))?;
        text += &agent_device(id, &file, listening.address, POLL_EVERY, "400ms");
    }
    Ok(text)
}

/// The gateway's configuration. The model is not bound to temperatures: the demo begins without history, and a defrost
/// that it has never seen would be unusual to it. With the example registry and rules of the repository.
pub fn gateway(
    plan: &crate::world::Plan,
    ports: crate::world::Ports,
    platform: SocketAddr,
) -> String {
    let config = crate::setup::repository().join("config");
    format!(
        "data = {}\nhttp = {}\nregistry = {}\nrules = {}\n\
         # Training: every time in a rule is divided by this, as the simulated sites are that much faster.\n\
         time_scale = {:?}\n\n[broker]\nlisten_tls = {}\n\n[footage]\nlisten = {}\n\n\
         [model]\npoints = [\"fume\", \"so2\", \"nox\", \"pm\", \"co\", \"noise\"]\nevery_s = 60\n\n\
         [credit]\nplatform = {}\n",
        quoted(plan.data.join("gateway").display()),
        quoted(ports.http),
        quoted(config.join("registry.toml").display()),
        quoted(config.join("rules").display()),
        plan.factor,
        quoted(ports.mqtt),
        quoted(ports.footage),
        quoted(format!("http://{platform}"))
    )
}

/// How readings reach the gateway of a test.
#[derive(Debug, Clone, Copy)]
pub enum Door {
    /// Its own listener, for anonymous clients on this machine.
    Listener(SocketAddr),
    /// Its own listener with TLS and client certificates.
    Tls(SocketAddr),
    /// A broker that is not ours.
    External(SocketAddr),
}

impl Door {
    /// Where an agent connects.
    pub fn address(self) -> SocketAddr {
        match self {
            Door::Listener(address) | Door::Tls(address) | Door::External(address) => address,
        }
    }
}

/// A gateway of a test: one site, no rules at work.
pub fn gateway_of_a_test(
    folder: &Path,
    http: SocketAddr,
    door: Door,
    site: &str,
    agent: &str,
) -> anyhow::Result<String> {
    let registry = format!(
        "[[business]]\nuscc = \"91330482MA2CUJK126\"\nname = \"示例\"\n\n\
         [[site]]\nid = {site}\nname = {{ zh = \"示例\", en = \"Example\" }}\naddress = \"1\"\nbusiness = \"91330482MA2CUJK126\"\ndomains = [\"food\"]\n\n\
         [[agent]]\nid = {agent}\nsite = {site}\n",
        site = quoted(site),
        agent = quoted(agent)
    );
    crate::world::write(&folder.join("registry.toml"), &registry)?;
    let rules = crate::setup::repository().join("config/rules");
    let door = match door {
        Door::Listener(address) => format!(
            "[broker]\nlisten = {}\nallow_anonymous = true\n",
            quoted(address)
        ),
        Door::Tls(address) => format!("[broker]\nlisten_tls = {}\n", quoted(address)),
        Door::External(address) => format!(
            "[ingest.external]\nhost = {}\nport = {}\nclient_id = \"onedoor-gateway\"\n",
            quoted(address.ip()),
            address.port()
        ),
    };
    Ok(format!(
        "data = \"data\"\nhttp = {}\nregistry = \"registry.toml\"\nrules = {}\n\n{door}",
        quoted(http),
        quoted(rules.display()),
    ))
}
