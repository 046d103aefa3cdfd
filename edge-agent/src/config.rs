//! The agent's configuration: one file and the device profiles it names. All problems in one run. A configuration that
//! the gateway keeps replaces the sources, and what it says of the gateway's address.

use crate::{
    camera,
    folder::{self, Folder},
    footage::config::{self as footage, FootageConfig},
    identity::{Files, Pair},
    record::Record,
    section::Section,
    source::{Described, Source, hj212, json, modbus, sparkplug},
    status::page::{self, StatusConfig},
    tls,
    vision::config::{self as vision, VisionConfig},
};
use anyhow::Context;
use contract::{
    AgentId, Quality, Reading, SiteId, Timestamp,
    configuration::{Desired, OWN, OWN_OF_GATEWAY},
    control::Right,
    problems::Problems,
};
use rustls::pki_types::ServerName;
use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// What the agent was told to do.
#[derive(Debug, Clone)]
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
    /// The process that looks at pictures.
    pub vision: VisionConfig,
    /// What becomes of pictures of what was seen; none: nothing.
    pub footage: Option<FootageConfig>,
    /// Where readings come from.
    pub sources: Vec<Source>,
    /// The file it was read from.
    pub path: PathBuf,
}

impl Config {
    /// The devices of all sources, in the order of the file.
    pub fn devices(&self) -> Vec<Described> {
        self.sources.iter().flat_map(Source::devices).collect()
    }

    /// The folder of a camera's ring.
    pub fn ring_of(&self, camera: &str) -> anyhow::Result<PathBuf> {
        let found = self.sources.iter().find_map(|source| match source {
            Source::Camera(found) if found.id.as_str() == camera => Some(found),
            _ => None,
        });
        let found = found
            .with_context(|| format!("no [[camera]] of the configuration has the id {camera:?}"))?;
        let ring = found.ring.as_ref().with_context(|| {
            format!("the camera {camera} keeps nothing: write [camera.ring] below it")
        })?;
        Ok(ring.dir.clone())
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
    /// A configuration that the gateway sent is given up if the gateway is not heard with it for this long.
    pub trial: Duration,
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

/// Reads the file and the profiles beside it.
pub fn load(path: &Path) -> Result<Config, Problems> {
    load_with(path, None)
}

/// Reads the file, and instead of its sources what the gateway wants.
pub fn load_with(path: &Path, desired: Option<&Desired>) -> Result<Config, Problems> {
    let mut problems = Problems::new();
    let config = read(path, desired, &mut problems);
    match (config, problems.is_empty()) {
        (Some(config), true) => Ok(config),
        _ => Err(problems),
    }
}

/// Where readings wait, and nothing else of the file.
pub fn load_buffer(path: &Path) -> Result<BufferConfig, Problems> {
    let mut problems = Problems::new();
    let buffer = open(path, &mut problems).and_then(|mut top| {
        let part = top.section("buffer", &mut problems)?;
        buffer(part, folder_of(path), &mut problems)
    });
    match (buffer, problems.is_empty()) {
        (Some(buffer), true) => Ok(buffer),
        _ => Err(problems),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn open(path: &Path, problems: &mut Problems) -> Option<Section> {
    let fix = "give the path of the agent's configuration";
    let text = folder::read(path, fix, problems)?;
    Section::parse(&path.display().to_string(), &text, problems)
}

fn read(path: &Path, desired: Option<&Desired>, problems: &mut Problems) -> Option<Config> {
    let place = folder_of(path);
    let folder = Folder::own(place);
    let mut top = open(path, problems)?;
    let who = match top.text_if_there("enrolment", problems) {
        None => who(&mut top, place, problems),
        Some(file) => enrolled(&place.join(file), problems),
    };
    let buffer = top
        .section("buffer", problems)
        .and_then(|part| buffer(part, place, problems));
    let status = match top.has("status") {
        true => top
            .section("status", problems)
            .and_then(|part| page::read(part, &folder, problems)),
        false => None,
    };
    let vision = match top.has("vision") {
        true => top
            .section("vision", problems)
            .and_then(|part| vision::read(part, &folder, problems))?,
        false => VisionConfig::default(),
    };
    let footage = own_footage(&mut top, &folder, who.as_ref(), problems);
    let agent = who.as_ref().map(|(_, agent, _)| agent);
    let rights = rights(&mut top, problems);
    let (mut sources, change) = match desired {
        None => (
            sources(&mut top, &folder, agent, problems),
            Change::default(),
        ),
        Some(desired) => {
            top.leave(&SOURCES);
            wanted(desired, place, agent, problems)?
        }
    };
    if footage.is_none() && change.footage != footage::Change::default() {
        let what = "the box's own file has no [footage]";
        let fix = "write it there with spool, url and detectors, or leave it out here";
        problems.add("footage", what, fix);
    }
    for source in &mut sources {
        if let Source::Hj212(door) = source {
            door.rights.clone_from(&rights);
        }
    }
    top.finish(problems);
    let (site, agent, gateway) = who?;
    Some(Config {
        site,
        agent,
        buffer: buffer?,
        footage: footage.map(|footage| change.footage.of(footage)),
        gateway: change.gateway.of(gateway),
        status,
        vision,
        sources,
        path: path.to_owned(),
    })
}

/// `[footage]` of the box's own file; it needs the agent's certificate.
fn own_footage(
    top: &mut Section,
    folder: &Folder,
    who: Option<&Who>,
    problems: &mut Problems,
) -> Option<FootageConfig> {
    if !top.has("footage") {
        return None;
    }
    if who.is_some_and(|(.., g)| !matches!(g.identity, Identity::Certificate { .. })) {
        let what = "footage is signed and sent with a certificate of the agent, and it has none";
        let fix = "enrol this box (edge-agent enroll), or name ca_file, certificate_file and key_file in [gateway]; or take [footage] out";
        problems.add(top.place("footage"), what, fix);
    }
    let part = top.section("footage", problems)?;
    footage::read(part, folder, problems)
}

/// What the gateway may order from devices: of the box's own file, whoever says which devices there are.
fn rights(top: &mut Section, problems: &mut Problems) -> Vec<Right> {
    let fix = "write \"read\", \"back-fill\", \"clock\" or \"interval\", or leave it out: then devices are never asked for anything";
    let mut rights = Vec::new();
    for text in top.texts_if_there("reverse_control", "[\"read\"]", problems) {
        match text.parse() {
            Ok(right) => rights.push(right),
            Err(error) => problems.add(top.place("reverse_control"), error, fix),
        }
    }
    rights
}

/// The tables that a configuration of the gateway replaces.
const SOURCES: [&str; 8] = [
    "modbus",
    "device",
    "hj212",
    "json_mqtt",
    "json_http",
    "json_in",
    "sparkplug",
    "camera",
];

/// What a configuration of the gateway says besides sources.
#[derive(Debug, Default)]
struct Change {
    gateway: OfGateway,
    footage: footage::Change,
}

/// What it says of the gateway.
#[derive(Debug, Default)]
struct OfGateway {
    host: Option<String>,
    port: Option<u16>,
    receipt_timeout: Option<Duration>,
    backfill_per_s: Option<u32>,
}

impl OfGateway {
    fn of(self, before: GatewayConfig) -> GatewayConfig {
        GatewayConfig {
            host: self.host.unwrap_or(before.host),
            port: self.port.unwrap_or(before.port),
            receipt_timeout: self.receipt_timeout.unwrap_or(before.receipt_timeout),
            backfill_per_s: self.backfill_per_s.unwrap_or(before.backfill_per_s),
            ..before
        }
    }
}

/// The sources that the gateway wants, and what it says of itself.
fn wanted(
    desired: &Desired,
    place: &Path,
    agent: Option<&AgentId>,
    problems: &mut Problems,
) -> Option<(Vec<Source>, Change)> {
    let label = format!("configuration {} of the gateway", desired.version);
    let folder = Folder::sent(place, desired.files.clone());
    let mut top = Section::parse(&label, &desired.text, problems)?;
    let fix = "leave it out: it holds who the box is, and stays in its own file";
    for key in OWN.into_iter().filter(|key| top.has(key)) {
        let what = "only the box's own file may say this";
        problems.add(top.place(key), what, fix);
    }
    top.leave(&OWN);
    let gateway = match top.has("gateway") {
        false => OfGateway::default(),
        true => {
            let mut part = top.section("gateway", problems)?;
            for key in OWN_OF_GATEWAY.into_iter().filter(|key| part.has(key)) {
                let what = "only the box's own file may say this";
                problems.add(part.place(key), what, fix);
            }
            part.leave(&OWN_OF_GATEWAY);
            let mut whole = |key, min, max, problems: &mut Problems| {
                part.has(key)
                    .then(|| part.integer(key, min, max, problems))
                    .flatten()
            };
            let port = whole("port", 1, 65_535, problems);
            let backfill_per_s = whole("backfill_per_s", BACKFILL.0, BACKFILL.1, problems);
            let change = OfGateway {
                host: part.text_if_there("host", problems),
                port: port.and_then(|port| u16::try_from(port).ok()),
                receipt_timeout: part.duration_if_there("receipt_timeout", PATIENCE, problems),
                backfill_per_s: backfill_per_s.and_then(|n| u32::try_from(n).ok()),
            };
            part.finish(problems);
            change
        }
    };
    let footage = match top.has("footage") {
        false => footage::Change::default(),
        true => footage::Change::read_sent(top.section("footage", problems)?, problems),
    };
    let sources = sources(&mut top, &folder, agent, problems);
    top.finish(problems);
    Some((sources, Change { gateway, footage }))
}

const BACKFILL: (i64, i64) = (10, 1_000_000);
/// From how short to how long a receipt may be waited for.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3600));

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
    let text = folder::read(path, "enrol this box: edge-agent enroll", problems)?;
    let mut part = Section::parse(&path.display().to_string(), &text, problems)?;
    let found = who(&mut part, path.parent().unwrap_or(Path::new("")), problems);
    part.finish(problems);
    found
}

/// Every kind of source; a device may be in one of them only. A box that was just enrolled has none.
fn sources(
    top: &mut Section,
    folder: &Folder,
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
    for part in top.sections_if_there("camera", problems) {
        sources.extend(camera::config::read(part, folder, problems).map(Source::Camera));
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
    let receipt_timeout = part.duration(
        "receipt_timeout",
        Some(Duration::from_secs(20)),
        PATIENCE,
        problems,
    );
    let backfill_per_s = part.integer_or("backfill_per_s", 5_000, BACKFILL.0, BACKFILL.1, problems);
    let limits = (Duration::from_secs(1), Duration::from_secs(3600));
    let trial = part.duration("trial", Some(Duration::from_secs(120)), limits, problems);
    let password = part
        .text_if_there("password_file", problems)
        .and_then(|name| {
            let fix = "correct the path, and let the agent's user read it";
            folder::read(&folder.join(name), fix, problems)
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
        backfill_per_s: u32::try_from(backfill_per_s).ok()?,
        trial: trial?,
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
