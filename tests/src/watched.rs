//! One site with a camera, an agent that watches it, and the gateway: processes of their own, as on a box and in an office.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
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
    /// Two keys, made as two people make them. `None` if `age-keygen` is not installed.
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

/// The running processes.
#[derive(Debug)]
pub struct Watched {
    /// Where everything is kept.
    pub folder: PathBuf,
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
}

impl Watched {
    /// Starts everything; returns when the gateway answers. Nobody before the camera wears anything.
    pub fn start(
        binaries: &Binaries,
        folder: &Path,
        custodians: Option<&Custodians>,
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
        write(&folder.join("camera.toml"), PLAN)?;
        std::fs::create_dir_all(folder.join("sites")).context("no folder for the camera")?;
        std::fs::create_dir_all(folder.join("logs")).context("no folder for logs")?;
        let plan = folder.join("camera.toml");
        let (camera, shown) = world::start_cameras(binaries, &plan, folder)?;
        let shown = shown.first().context("no camera listens")?;
        let keys = custodians.map(|two| {
            let [first, second] = &two.keys;
            format!("custodians = [{}, {}]\n", quoted(first), quoted(second))
        });
        let eyes = agent_eyes(door, "4s", &keys.unwrap_or_default());
        let agent = folder.join("agent/edge-agent.toml");
        let head = agent_head(SITE, AGENT, mqtt, Identity::Certificates(&identity));
        write(
            &agent,
            &format!("{head}{eyes}{}", agent_camera(&HALL, &shown.http)),
        )?;
        let agent = world::start_agent(binaries, "agent", &agent, &folder.join("agent.log"))?;
        Ok(Watched {
            folder: folder.to_owned(),
            http,
            admin,
            gateway,
            agent,
            camera,
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
