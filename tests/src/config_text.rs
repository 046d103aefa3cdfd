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

/// A camera of a site, and what is watched for before it.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// The camera.
    pub camera: &'a str,
    /// What it is for.
    pub purpose: &'a str,
    /// Parts that are judged, each by the shipped classifier of its name.
    pub parts: &'a [&'a str],
    /// Kind of the one zone, which is the whole picture.
    pub kind: &'a str,
    /// What is watched for in it.
    pub watch: &'a [&'a str],
}

/// The cameras of the demo, by site.
pub const CAMERAS: &[(&str, Watched<'static>)] = &[
    (
        "restaurant",
        Watched {
            camera: "kitchen-camera",
            purpose: "食品安全：后厨操作规范",
            parts: &["mask"],
            kind: "special_room",
            watch: &["no_mask"],
        },
    ),
    ("workshop", HALL),
];

/// The camera of the demo's workshop.
pub const HALL: Watched<'static> = Watched {
    camera: "hall-camera",
    purpose: "安全生产：作业区个人防护",
    parts: &["helmet", "vest"],
    kind: "work_area",
    watch: &["no_helmet", "no_vest"],
};

/// What an agent's configuration says of the vision process and of footage: `door` is the gateway's for footage, `around` how
/// long a clip lasts before and after, `more` stands at the end of `[footage]`.
pub fn agent_eyes(door: SocketAddr, around: &str, more: &str) -> String {
    format!(
        "\n[vision]\nmodels = [{}]\n\n[footage]\nspool = \"footage\"\nurl = {}\nbefore = {around:?}\nafter = {around:?}\n\
         detectors = [\"simulated-persons\"]\n{more}",
        quoted(crate::setup::repository().join("models/files").display()),
        quoted(format!("https://{door}")),
    )
}

/// One camera of an agent's configuration; its pictures come from `url`.
pub fn agent_camera(watched: &Watched<'_>, url: &str) -> String {
    let mut text = format!(
        "\n[[camera]]\nid = {id}\nurl = {url}\nevery = \"2s\"\n\n\
         [camera.ring]\ndir = {ring}\nkeep = \"2m\"\nbytes_max = 134217728\n\n\
         [camera.published]\npurpose = {purpose}\nsign = \"signs/{id_plain}.jpg\"\nlocation = \"示例\"\non = \"2026-01-15\"\n\n\
         [camera.look]\npersons = \"simulated-persons\"\nfaces = [\"simulated-persons\"]\n",
        id = quoted(watched.camera),
        url = quoted(url),
        ring = quoted(format!("ring-{}", watched.camera)),
        purpose = quoted(watched.purpose),
        id_plain = watched.camera,
    );
    for part in watched.parts {
        let _ = write!(text, "\n[camera.look.{part}]\nmodel = {part:?}\n");
    }
    let _ = write!(
        text,
        "\n[[camera.zone]]\nname = \"1\"\nkind = {:?}\npolygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]\nwatch = {:?}\n",
        watched.kind, watched.watch
    );
    text
}

/// Writes the profiles of a site's devices into `folder` and gives the agent's configuration.
pub fn agent(
    folder: &Path,
    ports: crate::world::Ports,
    site: &str,
    agent: &str,
    devices: &[&Listening],
    cameras: &[simulators::camera::Listening],
) -> anyhow::Result<String> {
    let mut text = agent_head(
        site,
        agent,
        ports.mqtt,
        Identity::Certificates(&folder.join("identity")),
    );
    let eyes = CAMERAS.iter().find(|(of, _)| *of == site);
    let shown = |(_, watched): &(&str, Watched<'_>)| {
        let listening = cameras.iter().find(|l| l.camera == watched.camera)?;
        Some(agent_camera(watched, &listening.http))
    };
    if let Some(camera) = eyes.and_then(shown) {
        text += &agent_eyes(ports.footage, "5s", "bytes_per_s = 20000000\n");
        text += &camera;
    }
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
