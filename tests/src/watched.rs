//! One site with a camera, an agent that watches it, and the gateway: processes of their own, as on a box and in an office.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::config_text::{HALL, Identity, agent_camera, agent_eyes, agent_head, quoted};
use crate::process::{Process, wait_for};
use crate::setup::{Binaries, repository};
use crate::world::{self, Login, free_address, output, write};
use anyhow::Context;

/// The site, its agent and its camera.
pub const SITE: &str = "workshop";
/// See [`SITE`].
pub const AGENT: &str = "agent-hall";
/// See [`SITE`].
pub const CAMERA: &str = HALL.camera;

const START_WITHIN: Duration = Duration::from_secs(60);

/// Key files of the two who together may open an original.
#[derive(Debug)]
pub struct Custodians {
    /// Secret key files, the first's first.
    pub files: [PathBuf; 2],
    /// Public keys.
    pub keys: [String; 2],
}

impl Custodians {
    /// Two keys, made as two people make them. `None`, and words why, if `age-keygen` is not installed; on CI an error.
    pub fn make(folder: &Path) -> anyhow::Result<Option<Custodians>> {
        let mut made = Vec::new();
        for name in ["first.key", "second.key"] {
            let file = folder.join(name);
            if Command::new("age-keygen")
                .arg("-o")
                .arg(&file)
                .output()
                .is_err()
            {
                anyhow::ensure!(
                    std::env::var_os("CI").is_none(),
                    "age-keygen is not installed"
                );
                println!(
                    "age-keygen is not installed: nothing is sealed, and no original asked for"
                );
                return Ok(None);
            }
            let key = output(Command::new("age-keygen").arg("-y").arg(&file))?;
            made.push((file, key.trim().to_owned()));
        }
        let [(a, first), (b, second)] =
            <[_; 2]>::try_from(made).map_err(|_| anyhow::anyhow!("two keys are made"))?;
        Ok(Some(Custodians {
            files: [a, b],
            keys: [first, second],
        }))
    }
}

/// What `age -d` gives of a sealed file with one key file after the other; nothing if a key does not open it.
pub fn opened(file: &Path, keys: &[&PathBuf]) -> anyhow::Result<Option<Vec<u8>>> {
    let mut input = std::fs::read(file)?;
    for (n, key) in keys.iter().enumerate() {
        let step = file.with_extension(format!("step{n}"));
        std::fs::write(&step, &input)?;
        let mut age = Command::new("age");
        age.arg("-d").arg("-i").arg(key).arg(&step);
        let said = age.stdin(Stdio::null()).output()?;
        if !said.status.success() {
            return Ok(None);
        }
        input = said.stdout;
    }
    Ok(Some(input))
}

/// How the camera is reached and how its footage is kept.
#[derive(Debug, Clone, Copy)]
pub struct Manner<'a> {
    /// How long a clip lasts before and after.
    pub around: &'a str,
    /// Bytes of footage that the agent sends in a second.
    pub bytes_per_s: u64,
    /// The codec and the port of an RTSP server that the agent reads; HTTP if there is none.
    pub rtsp: Option<(&'a str, u16)>,
    /// A transport stream into which ffmpeg copies what the RTSP server sends, from before the agent comes.
    pub record: Option<&'a Path>,
}

impl Default for Manner<'_> {
    fn default() -> Self {
        Manner {
            around: "4s",
            bytes_per_s: 20_000_000,
            rtsp: None,
            record: None,
        }
    }
}

/// The running processes.
#[derive(Debug)]
pub struct Watched {
    /// Where everything is kept.
    pub folder: PathBuf,
    binaries: Binaries,
    /// Console and API.
    pub http: SocketAddr,
    /// An administrator.
    pub admin: Login,
    /// The gateway.
    pub gateway: Process,
    /// The agent.
    pub agent: Process,
    /// The camera.
    pub camera: Process,
    /// Who records it, if somebody does.
    pub recorder: Option<Process>,
}

impl Watched {
    /// Starts everything; returns when the gateway answers. Nobody before the camera wears anything.
    pub fn start(
        binaries: &Binaries,
        folder: &Path,
        custodians: Option<&Custodians>,
        manner: Manner<'_>,
    ) -> anyhow::Result<Watched> {
        let (http, mqtt, door) = (free_address(0)?, free_address(0)?, free_address(0)?);
        let config = folder.join("gateway/gateway.toml");
        write(&folder.join("gateway/registry.toml"), REGISTRY)?;
        let rules = repository().join("config/rules");
        let text = format!(
            "data = \"data\"\nhttp = {}\nregistry = \"registry.toml\"\nrules = {}\n\
             [broker]\nlisten_tls = {}\n[footage]\nlisten = {}\n",
            quoted(http),
            quoted(rules.display()),
            quoted(mqtt),
            quoted(door)
        );
        write(&config, &text)?;
        world::make_authority(binaries, &config)?;
        let identity = folder.join("agent/identity");
        world::issue(binaries, &config, AGENT, &identity)?;
        let admin = world::add_user(binaries, &config, "root", "admin")?;
        let mut gateway = world::start_gateway(binaries, &config, &folder.join("gateway.log"))?;
        wait_for("the gateway to listen", START_WITHIN, || {
            gateway.check()?;
            Ok(std::net::TcpStream::connect_timeout(&http, Duration::from_secs(1)).ok())
        })?;
        let served = manner.rtsp.map(|(codec, _)| format!("rtsp = {codec:?}\n"));
        let plan = format!("{PLAN}{}", served.unwrap_or_default());
        write(&folder.join("camera.toml"), &plan)?;
        std::fs::create_dir_all(folder.join("sites")).context("no folder for the camera")?;
        std::fs::create_dir_all(folder.join("logs")).context("no folder for logs")?;
        let plan = folder.join("camera.toml");
        let port = manner.rtsp.map(|(_, port)| port);
        let (camera, shown) = world::start_cameras(binaries, &plan, folder, port)?;
        let shown = shown.first().context("no camera listens")?;
        let url = shown.rtsp.as_deref().unwrap_or(&shown.http);
        let recorder = manner.record.map(|file| record(url, file, folder));
        let recorder = recorder.transpose()?;
        let keys = custodians.map(|two| {
            let [first, second] = &two.keys;
            format!("custodians = [{}, {}]\n", quoted(first), quoted(second))
        });
        let more = format!(
            "bytes_per_s = {}\n{}",
            manner.bytes_per_s,
            keys.unwrap_or_default()
        );
        let eyes = agent_eyes(door, manner.around, &more);
        let agent = folder.join("agent/edge-agent.toml");
        let head = agent_head(SITE, AGENT, mqtt, Identity::Certificates(&identity));
        write(&agent, &format!("{head}{eyes}{}", agent_camera(&HALL, url)))?;
        let agent = world::start_agent(binaries, "agent", &agent, &folder.join("agent.log"))?;
        Ok(Watched {
            binaries: binaries.clone(),
            folder: folder.to_owned(),
            http,
            admin,
            gateway,
            agent,
            camera,
            recorder,
        })
    }

    /// An account, made beside the running gateway.
    pub fn user(&self, binaries: &Binaries, name: &str, role: &str) -> anyhow::Result<Login> {
        world::add_user(
            binaries,
            &self.folder.join("gateway/gateway.toml"),
            name,
            role,
        )
    }

    /// Kills the agent; it is away until [`Watched::restart_agent`].
    pub fn kill_agent(&mut self) -> anyhow::Result<()> {
        self.agent.kill()
    }

    /// Starts the agent again, with what is on its disk.
    pub fn restart_agent(&mut self) -> anyhow::Result<()> {
        let config = self.folder.join("agent/edge-agent.toml");
        let log = self.folder.join("agent.log");
        self.agent = world::start_agent(&self.binaries, "agent", &config, &log)?;
        Ok(())
    }

    /// Fails if a process ended unasked.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let mut all = [&mut self.gateway, &mut self.agent, &mut self.camera];
        all.iter_mut().try_for_each(|process| process.check())
    }

    /// The truth of every frame that was shown so far, JSON lines.
    pub fn truth(&self) -> String {
        std::fs::read_to_string(self.folder.join("sites/cameras.jsonl")).unwrap_or_default()
    }
}

/// Copies what an RTSP server sends into a file; returns when the first of it is there.
fn record(url: &str, file: &Path, folder: &Path) -> anyhow::Result<Process> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-loglevel", "warning", "-rtsp_transport", "tcp"]);
    ffmpeg.args([
        "-i",
        url,
        "-c",
        "copy",
        "-flush_packets",
        "1",
        "-f",
        "mpegts",
    ]);
    ffmpeg.arg(file);
    let mut recorder = Process::start("recorder", ffmpeg, &folder.join("recorder.log"))?;
    wait_for("the first packets of the camera", START_WITHIN, || {
        recorder.check()?;
        let length = std::fs::metadata(file).map_or(0, |file| file.len());
        Ok((length > 0).then_some(()))
    })?;
    Ok(recorder)
}

/// Nobody wears a helmet or a vest.
const PLAN: &str = "seed = 77\n[[camera]]\nid = \"hall-camera\"\nscene = \"workshop\"\nwidth = 640\nheight = 360\n\
    frames_per_s = 5\npeople = 3\nworn = 0.0\n";

const REGISTRY: &str = "[[business]]\nuscc = \"91330482MA2CUJK126\"\nname = \"示例\"\n\n\
    [[site]]\nid = \"workshop\"\nname = { zh = \"示例车间\", en = \"Example workshop\" }\naddress = \"1\"\n\
    business = \"91330482MA2CUJK126\"\ndomains = [\"safety\"]\n\n\
    [[agent]]\nid = \"agent-hall\"\nsite = \"workshop\"\n\n\
    [[device]]\nsite = \"workshop\"\nid = \"hall-camera\"\nname = { zh = \"车间摄像机\", en = \"Hall camera\" }\nkind = \"camera\"\n\
    location = \"示例车间\"\npurpose = \"安全生产：作业区个人防护\"\nlegal_review = \"示法审〔2026〕9号\"\ntechnical_review = \"示技审〔2026〕9号\"\n\
    sign = \"现场标志照片 9\"\npublished = \"2026-01-15\"\ncertificate = \"示检字第 2026-99 号\"\ncertificate_valid_to = \"2027-12-31\"\n";
