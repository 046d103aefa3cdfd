//! The agent's configuration: one file and the device profiles it names. All problems in one run.

use crate::{
    section::Section,
    source::{Described, Source, json, modbus, sparkplug},
    status::page::{self, StatusConfig},
};
use contract::{AgentId, SiteId, problems::Problems};
use std::{
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

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
    /// The agent's own page, if it has one.
    pub status: Option<StatusConfig>,
    /// Where readings come from.
    pub sources: Vec<Source>,
}

impl Config {
    /// The devices of all sources, in the order of the file.
    pub fn devices(&self) -> Vec<Described> {
        self.sources.iter().flat_map(Source::devices).collect()
    }
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
    /// TLS with a client certificate; all PEM.
    Certificate {
        /// The authority that signed the gateway's certificate.
        ca: Vec<u8>,
        /// The agent's certificate.
        certificate: Vec<u8>,
        /// Its key.
        key: Vec<u8>,
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
    let site = top.parsed("site", "\"restaurant\"", problems);
    let agent = top.parsed("agent", "\"restaurant-edge\"", problems);
    let buffer = top
        .section("buffer", problems)
        .and_then(|part| buffer(part, folder, problems));
    let gateway = top
        .section("gateway", problems)
        .and_then(|part| gateway(part, folder, problems));
    let status = match top.has("status") {
        true => top
            .section("status", problems)
            .and_then(|part| page::read(part, folder, problems)),
        false => None,
    };
    let sources = sources(&mut top, folder, agent.as_ref(), problems);
    top.finish(problems);
    Some(Config {
        site: site?,
        agent: agent?,
        buffer: buffer?,
        gateway: gateway?,
        status,
        sources,
    })
}

/// Every kind of source; a device may be in one of them only.
fn sources(
    top: &mut Section,
    folder: &Path,
    agent: Option<&AgentId>,
    problems: &mut Problems,
) -> Vec<Source> {
    let mut sources = Vec::new();
    let client_id = |kind: &str, n: usize| {
        let agent = agent.map_or("agent", AgentId::as_str);
        format!("onedoor-{agent}-{kind}-{n}")
    };
    for part in top.sections_if_there("device", problems) {
        sources.extend(modbus::config::read(part, folder, problems).map(Source::Modbus));
    }
    for (part, n) in top
        .sections_if_there("json_mqtt", problems)
        .into_iter()
        .zip(1..)
    {
        let source = json::config::read_mqtt(part, folder, client_id("json", n), problems);
        sources.extend(source.map(Source::JsonMqtt));
    }
    for part in top.sections_if_there("json_http", problems) {
        sources.extend(json::config::read_http(part, folder, problems).map(Source::JsonHttp));
    }
    if top.has("json_in")
        && let Some(part) = top.section("json_in", problems)
    {
        sources.extend(json::config::read_in(part, folder, problems).map(Source::JsonIn));
    }
    for (part, n) in top
        .sections_if_there("sparkplug", problems)
        .into_iter()
        .zip(1..)
    {
        let source = sparkplug::config::read(part, folder, client_id("sparkplug", n), problems);
        sources.extend(source.map(Source::Sparkplug));
    }
    if sources.is_empty() && problems.is_empty() {
        let fix = "write at least one [[device]], [[json_mqtt]], [[json_http]], [json_in] or [[sparkplug]]";
        problems.add(top.place("device"), "nothing is to be read", fix);
    }
    let mut ids = HashSet::new();
    for device in sources.iter().flat_map(Source::devices) {
        if !ids.insert(device.id.clone()) {
            let what = format!("device {} is there twice", device.id);
            problems.add(top.place("device"), what, "give each device its own id");
        }
    }
    sources
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
    let mut file = |key: &'static str, problems: &mut Problems| {
        let name = part.text_if_there(key, problems)?;
        read_text(
            &folder.join(name),
            "correct the path, and let the agent's user read it",
            problems,
        )
    };
    let password = file("password_file", problems);
    let files = [
        file("ca_file", problems),
        file("certificate_file", problems),
        file("key_file", problems),
    ];
    let identity = match (password, files) {
        (None, [None, None, None]) => Some(Identity::Anonymous),
        (Some(text), [None, None, None]) => Some(Identity::Password(text.trim_end().to_owned())),
        (None, [Some(ca), Some(certificate), Some(key)]) => Some(Identity::Certificate {
            ca: ca.into_bytes(),
            certificate: certificate.into_bytes(),
            key: key.into_bytes(),
        }),
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

/// The text of a file that the configuration names.
pub(crate) fn read_text(path: &Path, fix: &str, problems: &mut Problems) -> Option<String> {
    std::fs::read_to_string(path)
        .map_err(|error| problems.add(path.display(), format!("it cannot be read ({error})"), fix))
        .ok()
}
