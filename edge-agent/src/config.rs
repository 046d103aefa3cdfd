//! The agent's configuration: one file and the device profiles it names. All problems in one run.

use crate::{
    identity::{Files, Pair},
    profile::{self, Point},
    section::Section,
    tls,
};
use contract::{AgentId, DeviceId, SiteId, problems::Problems};
use rustls::pki_types::ServerName;
use std::{
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// A device that is asked more often than this may take longer to answer than it has until its next poll; polls
/// that come meanwhile are skipped and counted.
const TIMEOUT_OF_FAST_POLLS: Duration = Duration::from_secs(1);

/// What the agent was told to do.
#[derive(Debug)]
pub struct Config {
    /// Its site.
    pub site: SiteId,
    /// Its own name.
    pub agent: AgentId,
    /// Where readings wait.
    pub buffer: BufferConfig,
    /// Where readings go.
    pub gateway: GatewayConfig,
    /// Whom it asks.
    pub devices: Vec<Device>,
}

/// The buffer's file and bound.
#[derive(Debug, Clone)]
pub struct BufferConfig {
    /// The SQLite file. Its folder must exist.
    pub path: PathBuf,
    /// Bytes of records; the file is about twice that with small records.
    pub bytes_max: u64,
}

/// The gateway's MQTT door.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the agent says who it is.
    pub identity: Identity,
    /// Without progress of the receipt for this long, everything after it is sent again.
    pub receipt_timeout: Duration,
}

/// How the agent says who it is.
#[derive(Clone)]
pub enum Identity {
    /// Not at all; only gateways on the same machine accept that.
    Anonymous,
    /// User name (the agent id) and password on a plain connection.
    Password(String),
    /// TLS with a client certificate.
    Certificate {
        /// Authority, certificate and key.
        files: Files,
        /// The name that the gateway's certificate must be for; none: the host.
        name: Option<ServerName<'static>>,
    },
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Identity::Anonymous => "Anonymous",
            Identity::Password(_) => "Password(***)",
            Identity::Certificate { .. } => "Certificate(***)",
        })
    }
}

/// One instrument.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its name.
    pub id: DeviceId,
    /// `host:port`.
    pub address: String,
    /// Modbus unit id.
    pub unit_id: u8,
    /// Time between polls.
    pub every: Duration,
    /// How long it may take to answer.
    pub timeout: Duration,
    /// What to ask for.
    pub points: Vec<Point>,
    /// Where the instrument keeps its own time, if it does.
    pub clock: Option<Point>,
}

/// Reads the file and the profiles beside it.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let mut problems = Problems::new();
    let config = read(path, &mut problems);
    match (config, problems.is_empty()) {
        (Some(config), true) => Ok(config),
        _ => Err(problems),
    }
}

fn read(path: &Path, problems: &mut Problems) -> Option<Config> {
    let text = read_text(path, "give the path of the agent's configuration", problems)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut top = Section::parse(&path.display().to_string(), &text, problems)?;
    let who = match top.text_if_there("enrolment", problems) {
        None => who(&mut top, folder, problems),
        Some(file) => enrolled(&folder.join(file), problems),
    };
    let buffer = top
        .section("buffer", problems)
        .and_then(|part| buffer(part, folder, problems));
    let mut devices = Vec::new();
    let mut ids = HashSet::new();
    for part in top.sections("device", problems) {
        let place = part.place("id");
        if let Some(device) = device(part, folder, problems) {
            if !ids.insert(device.id.clone()) {
                problems.add(
                    place,
                    format!("device {} is there twice", device.id),
                    "give each device its own id",
                );
            }
            devices.push(device);
        }
    }
    top.finish(problems);
    let (site, agent, gateway) = who?;
    Some(Config {
        site,
        agent,
        buffer: buffer?,
        gateway,
        devices,
    })
}

type Who = (SiteId, AgentId, GatewayConfig);

/// Site, agent and gateway: of the configuration, or of the file that enrolment wrote.
fn who(part: &mut Section, folder: &Path, problems: &mut Problems) -> Option<Who> {
    let site = part.parsed("site", "\"restaurant\"", problems);
    let agent = part.parsed("agent", "\"restaurant-edge\"", problems);
    let gateway = part
        .section("gateway", problems)
        .and_then(|part| gateway(part, folder, problems));
    Some((site?, agent?, gateway?))
}

fn enrolled(path: &Path, problems: &mut Problems) -> Option<Who> {
    let text = read_text(path, "enrol this box: edge-agent enroll", problems)?;
    let mut part = Section::parse(&path.display().to_string(), &text, problems)?;
    let found = who(&mut part, path.parent().unwrap_or(Path::new("")), problems);
    part.finish(problems);
    found
}

fn buffer(mut part: Section, folder: &Path, problems: &mut Problems) -> Option<BufferConfig> {
    let path: Option<PathBuf> = part.parsed("path", "\"buffer.db\"", problems);
    let bytes_max = part.integer_or("bytes_max", 256 << 20, 1 << 16, 1 << 40, problems);
    let place = part.place("path");
    part.finish(problems);
    let path = folder.join(path?);
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent
        && !parent.is_dir()
    {
        problems.add(
            place,
            format!("folder {} does not exist", parent.display()),
            "make it, owned by the agent's user",
        );
    }
    Some(BufferConfig {
        path,
        bytes_max: bytes_max.unsigned_abs(),
    })
}

fn gateway(mut part: Section, folder: &Path, problems: &mut Problems) -> Option<GatewayConfig> {
    let host = part.parsed("host", "\"127.0.0.1\"", problems);
    let port = part.integer("port", 1, 65535, problems);
    let limits = (Duration::from_millis(200), Duration::from_secs(3600));
    let receipt_timeout = part.duration(
        "receipt_timeout",
        Some(Duration::from_secs(20)),
        limits,
        problems,
    );
    let password = part
        .text_if_there("password_file", problems)
        .and_then(|name| {
            let fix = "correct the path, and let the agent's user read it";
            read_text(&folder.join(name), fix, problems)
        });
    let files = ["ca_file", "certificate_file", "key_file"].map(|key| {
        part.text_if_there(key, problems)
            .map(|name| folder.join(name))
    });
    let name = part
        .text_if_there("server_name", problems)
        .and_then(|name| {
            let what = format!("{name:?} is not a name");
            let fix = "write the name in the gateway's certificate, or leave it out for the host";
            ServerName::try_from(name)
                .map_err(|_| problems.add(part.place("server_name"), what, fix))
                .ok()
        });
    let identity = match (password, files) {
        (None, [None, None, None]) => Some(Identity::Anonymous),
        (Some(text), [None, None, None]) => Some(Identity::Password(text.trim_end().to_owned())),
        (None, [Some(authority), Some(certificate), Some(key)]) => {
            let files = Files {
                authority,
                certificate,
                key,
            };
            certificate_of(&part, files, name, problems)
        }
        _ => {
            let fix = "give ca_file, certificate_file and key_file (TLS), or password_file alone (plain), or none of them";
            problems.add(
                part.place("password_file"),
                "the agent's identity is incomplete or given twice",
                fix,
            );
            None
        }
    };
    part.finish(problems);
    let port = u16::try_from(port?).ok()?;
    Some(GatewayConfig {
        host: host?,
        port,
        identity: identity?,
        receipt_timeout: receipt_timeout?,
    })
}

fn certificate_of(
    part: &Section,
    files: Files,
    name: Option<ServerName<'static>>,
    problems: &mut Problems,
) -> Option<Identity> {
    if files.certificate == files.key {
        let fix =
            "put them into two files: each is replaced on its own when the certificate is renewed";
        problems.add(
            part.place("key_file"),
            "it is the certificate's file too",
            fix,
        );
    }
    match tls::client_config(&files, Pair::Current, name.as_ref()) {
        Ok(_) => Some(Identity::Certificate { files, name }),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|e| format!(": {e}"));
            let what = format!("{error}{}", cause.unwrap_or_default());
            let fix = "let the agent's user read the files, or enrol this box: edge-agent enroll";
            problems.add(part.place("certificate_file"), what, fix);
            None
        }
    }
}

fn device(mut part: Section, folder: &Path, problems: &mut Problems) -> Option<Device> {
    let id = part.parsed("id", "\"cold-room\"", problems);
    let profile: Option<PathBuf> =
        part.parsed("profile", "\"devices/cold-room-logger.toml\"", problems);
    let address: Option<String> = part.parsed("address", "\"192.168.1.20:502\"", problems);
    if let Some(address) = &address
        && !is_address(address)
    {
        let fix = "write host:port, for example \"192.168.1.20:502\"";
        problems.add(
            part.place("address"),
            format!("{address:?} is not an address"),
            fix,
        );
    }
    let unit_id = part.integer_or("unit_id", 1, 0, 255, problems);
    let limits = (Duration::from_millis(2), Duration::from_secs(86_400));
    let every = part.duration("every", None, limits, problems);
    let timeout = part.duration("timeout", Some(Duration::from_secs(1)), limits, problems);
    if let (Some(every), Some(timeout)) = (every, timeout)
        && timeout >= every
        && timeout > TIMEOUT_OF_FAST_POLLS
    {
        let what = format!(
            "{timeout:?} is not shorter than every = {every:?}, nor within {TIMEOUT_OF_FAST_POLLS:?}"
        );
        problems.add(
            part.place("timeout"),
            what,
            "a silent device must be noticed before its next poll: shorten it",
        );
    }
    part.finish(problems);
    let profile = folder.join(profile?);
    let fix = "name a file of config/devices, relative to this file";
    let text = read_text(&profile, fix, problems)?;
    let profile::Profile { points, clock } =
        profile::read(&profile.display().to_string(), &text, problems);
    let unit_id = u8::try_from(unit_id).ok()?;
    Some(Device {
        id: id?,
        address: address?,
        unit_id,
        every: every?,
        timeout: timeout?,
        points,
        clock,
    })
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn read_text(path: &Path, fix: &str, problems: &mut Problems) -> Option<String> {
    std::fs::read_to_string(path)
        .map_err(|error| problems.add(path.display(), format!("it cannot be read ({error})"), fix))
        .ok()
}
