//! The agent's configuration: one file and the device profiles it names. All problems in one run.

use crate::{
    record::Record,
    section::Section,
    source::{Described, Source, hj212, json, modbus, sparkplug},
    status::page::{self, StatusConfig},
};
use contract::{AgentId, Quality, Reading, SiteId, Timestamp, problems::Problems};
use std::{
    collections::{BTreeMap, HashSet},
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

    /// How long the line may be away; nothing if no device promises an interval.
    pub fn holds(&self) -> Option<Holds> {
        let (mut readings_per_s, mut bytes_per_s) = (0.0, 0.0);
        for device in self.devices() {
            let mut records: BTreeMap<Duration, Vec<Reading>> = BTreeMap::new();
            for point in device.points {
                let Some(every) = point.every else { continue };
                let at = Timestamp::default();
                let reading = Reading::new(point.name, at, Some(0.0), Quality::Good);
                records.entry(every).or_default().push(reading);
            }
            for (every, readings) in records {
                let per_s = 1.0 / every.as_secs_f64();
                readings_per_s += readings.len() as f64 * per_s;
                let record = Record::of(device.id.clone(), Timestamp::default(), readings);
                bytes_per_s += record.encode().len() as f64 * per_s;
            }
        }
        let hours = self.buffer.bytes_max as f64 / bytes_per_s / 3600.0;
        (bytes_per_s > 0.0).then_some(Holds {
            readings_per_s,
            hours,
        })
    }
}

/// 72 hours at 100 readings a second, ten to a record, are 604 MB (MEASURED).
const BYTES_MAX: i64 = 768 << 20;

/// How much a full buffer holds of what is polled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Holds {
    /// Readings a second of all points with a promised interval.
    pub readings_per_s: f64,
    /// Hours of them.
    pub hours: f64,
}

/// The buffer's file and bound.
#[derive(Debug, Clone)]
pub struct BufferConfig {
    /// The SQLite file. Its folder must exist.
    pub path: PathBuf,
    /// Bytes of records at which the oldest are let go of.
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
    /// Readings a second that are sent from the buffer after an interruption, beside new ones.
    pub backfill_per_s: u32,
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
    let buses = modbus::config::read(top, folder, problems);
    let mut sources: Vec<Source> = buses.into_iter().map(Source::Modbus).collect();
    for part in top.sections_if_there("hj212", problems) {
        sources.extend(hj212::config::read(part, folder, problems).map(Source::Hj212));
    }
    let client_id = |kind: &str, n: usize| {
        let agent = agent.map_or("agent", AgentId::as_str);
        format!("onedoor-{agent}-{kind}-{n}")
    };
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
        let fix = "write at least one [[device]], [[hj212]], [[json_mqtt]], [[json_http]], [json_in] or [[sparkplug]]";
        problems.add(top.place("device"), "nothing is to be read", fix);
    }
    let mut ids = HashSet::new();
    for source in &sources {
        // Modbus has looked for its own.
        let is_looked_at = matches!(source, Source::Modbus(_));
        for device in source.devices() {
            if !ids.insert(device.id.clone()) && !is_looked_at {
                let what = format!("device {} is there twice", device.id);
                problems.add(top.place("device"), what, "give each device its own id");
            }
        }
    }
    sources
}

fn buffer(mut part: Section, folder: &Path, problems: &mut Problems) -> Option<BufferConfig> {
    let path: Option<PathBuf> = part.parsed("path", "\"buffer.db\"", problems);
    let bytes_max = part.integer_or("bytes_max", BYTES_MAX, 1 << 16, 1 << 40, problems);
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
    let backfill_per_s = part.integer_or("backfill_per_s", 5_000, 10, 1_000_000, problems);
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
        backfill_per_s: u32::try_from(backfill_per_s).ok()?,
    })
}

/// The text of a file that the configuration names.
pub(crate) fn read_text(path: &Path, fix: &str, problems: &mut Problems) -> Option<String> {
    std::fs::read_to_string(path)
        .map_err(|error| problems.add(path.display(), format!("it cannot be read ({error})"), fix))
        .ok()
}
