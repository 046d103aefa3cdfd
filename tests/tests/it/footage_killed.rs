//! A gateway that is killed again and again while curl sends it a clip: the clip comes whole, once, and goes on where it was.

use contract::footage::{Manifest, Occasion, Part, Role, Said, Signed};
use contract::payload::{self, Beside, BirthPoint};
use contract::{AgentId, DeviceId, PointName, SiteId, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rumqttc::{Client, MqttOptions, QoS};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tests::process::{Process, wait_for};
use tests::servers::program;
use tests::setup::{Binaries, binaries, repository};
use tests::world::{free_address, issue, make_authority, start_gateway, write};

const AGENT: &str = "agent-1";
const CAMERA: &str = "stove";
const CLIP_BYTES: usize = 6_000_000;
const KILLS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    binaries: Binaries,
    folder: PathBuf,
    curl: PathBuf,
    mqtt: SocketAddr,
    door: SocketAddr,
    gateway: Process,
}

#[test]
fn a_clip_comes_whole_though_the_gateway_is_killed_in_the_middle_of_it() -> anyhow::Result<()> {
    let Some(curl) = program("curl")? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let mut world = World::start(binaries()?, folder.path(), curl)?;
    let clip: Vec<u8> = (0..CLIP_BYTES as u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let hash = hex(ring::digest::digest(&ring::digest::SHA256, &clip).as_ref());
    world.announce(&hash)?;
    assert_eq!(world.offset(&hash)?, Some(0));
    let (mut offset, mut kills) = (0, 0);
    while offset < CLIP_BYTES {
        let rest = world.folder.join("rest");
        std::fs::write(&rest, &clip[offset..])?;
        let is_last = kills == KILLS;
        let mut curl = world.upload(&hash, &rest, offset, !is_last)?;
        if is_last {
            let done = curl.wait_with_output()?;
            assert_eq!(String::from_utf8_lossy(&done.stdout), "201");
            break;
        }
        // Something of this upload has come, and not all: now.
        let partial = world.folder.join("data/footage/partial").join(&hash);
        wait_for("bytes of the clip", PATIENCE, || {
            let has = std::fs::metadata(&partial).map_or(0, |file| file.len() as usize);
            Ok((has > offset).then_some(()))
        })?;
        world.gateway.kill()?;
        kills += 1;
        curl.wait()?;
        world.restart()?;
        let has = world.offset(&hash)?.expect("the clip is not whole");
        assert!(has > offset && has < CLIP_BYTES, "{offset} -> {has}");
        println!("killed at {has} of {CLIP_BYTES}");
        offset = has;
    }
    assert_eq!(kills, KILLS);
    world.gateway.kill()?;
    world.restart()?;
    assert_eq!(world.offset(&hash)?, None, "it is here");
    let file = world
        .folder
        .join("data/footage/here")
        .join(&hash[..2])
        .join(&hash);
    assert!(
        std::fs::read(file)? == clip,
        "the clip is not what was sent"
    );
    Ok(())
}

impl World {
    fn start(binaries: Binaries, folder: &Path, curl: PathBuf) -> anyhow::Result<World> {
        let [http, mqtt, door] = [free_address(0)?, free_address(0)?, free_address(0)?];
        let config = folder.join("gateway.toml");
        let rules = repository().join("config/rules");
        let registry = "[[business]]\nuscc = \"91330482MA2CUJK126\"\nname = \"示例\"\n\n\
             [[site]]\nid = \"kitchen\"\nname = { zh = \"示例\", en = \"Example\" }\naddress = \"1\"\nbusiness = \"91330482MA2CUJK126\"\ndomains = [\"food\"]\n\n\
             [[agent]]\nid = \"agent-1\"\nsite = \"kitchen\"\n\n\
             [[device]]\nsite = \"kitchen\"\nid = \"stove\"\nname = { zh = \"灶台\", en = \"Stove\" }\nkind = \"camera\"\nlocation = \"后厨\"\n\
             purpose = \"用火安全\"\nsign = \"1\"\npublished = \"2026-01-15\"\n";
        write(&folder.join("registry.toml"), registry)?;
        let text = format!(
            "data = \"data\"\nhttp = \"{http}\"\nregistry = \"registry.toml\"\nrules = {rules:?}\n\n\
             [broker]\nlisten = \"{mqtt}\"\nallow_anonymous = true\n\n[footage]\nlisten = \"{door}\"\n"
        );
        write(&config, &text)?;
        make_authority(&binaries, &config)?;
        issue(&binaries, &config, AGENT, &folder.join("identity"))?;
        let gateway = start_gateway(&binaries, &config, &folder.join("gateway.log"))?;
        let mut world = World {
            binaries,
            folder: folder.to_owned(),
            curl,
            mqtt,
            door,
            gateway,
        };
        world.listens()?;
        Ok(world)
    }

    fn restart(&mut self) -> anyhow::Result<()> {
        let (config, log) = (
            self.folder.join("gateway.toml"),
            self.folder.join("gateway.log"),
        );
        self.gateway = start_gateway(&self.binaries, &config, &log)?;
        self.listens()
    }

    fn listens(&mut self) -> anyhow::Result<()> {
        let door = self.door;
        wait_for("the gateway to listen", PATIENCE, || {
            self.gateway.check()?;
            Ok(std::net::TcpStream::connect_timeout(&door, Duration::from_secs(1)).ok())
        })
        .map(|_| ())
    }

    /// Announces the clip over MQTT, and waits until the door knows it.
    fn announce(&mut self, hash: &str) -> anyhow::Result<()> {
        let read = |name: &str| std::fs::read_to_string(self.folder.join("identity").join(name));
        let key = PrivatePkcs8KeyDer::from_pem_slice(read("agent.key")?.as_bytes())?;
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, key.secret_pkcs8_der(), &random)
            .expect("the agent's key is P-256");
        let now = Timestamp::now();
        let manifest = Manifest {
            format: 1,
            site: SiteId::new("kitchen")?,
            agent: AgentId::new(AGENT)?,
            camera: DeviceId::new(CAMERA)?,
            occasion: Occasion::Sighting {
                point: PointName::new("see.fire")?,
                zone: String::new(),
            },
            at: now,
            cut_at: now,
            models: Vec::new(),
            masked_by: Vec::new(),
            parts: vec![Part {
                role: Role::Clip,
                sha256: hash.to_owned(),
                bytes: CLIP_BYTES as u64,
                media_type: "multipart/x-mixed-replace".into(),
                span: Some((now, now)),
                frames: 100,
                holes: Vec::new(),
            }],
        };
        let manifest = serde_json::to_string(&manifest)?;
        let signature = key.sign(&random, manifest.as_bytes());
        let signature = signature.expect("there is randomness");
        let said = Said::Footage(Signed {
            signature: hex(signature.as_ref()),
            certificate: read("agent.crt")?,
            manifest,
        });
        let raw = serde_json::to_vec(&said)?;
        let point = BirthPoint {
            name: PointName::new("see.fire")?,
            alias: 1,
            unit: String::new(),
            factor: None,
            every_ms: None,
        };
        let beside = Beside {
            raw: Some(&raw),
            gap: None,
        };
        let options = MqttOptions::new(AGENT, self.mqtt.ip().to_string(), self.mqtt.port());
        let (client, mut events) = Client::new(options, 10);
        for (kind, payload) in [
            ("NBIRTH/agent-1", payload::node_birth(now, 0, "stream", 1)),
            (
                "DBIRTH/agent-1/stove",
                payload::device_birth(now, 1, [&point]),
            ),
            (
                "DDATA/agent-1/stove",
                payload::data(now, 2, 1, false, &[], beside),
            ),
        ] {
            let topic = format!("spBv1.0/kitchen/{kind}");
            client.publish(topic, QoS::AtLeastOnce, false, payload)?;
        }
        let polling = std::thread::spawn(move || while events.recv().is_ok_and(|e| e.is_ok()) {});
        let known = wait_for("the door to know the clip", PATIENCE, || {
            Ok((self.status(hash)?.0 == 204).then_some(()))
        });
        client.disconnect()?;
        let _ended = polling.join();
        known
    }

    /// Where the clip goes on; nothing if it is here.
    fn offset(&self, hash: &str) -> anyhow::Result<Option<usize>> {
        match self.status(hash)? {
            (200, _) => Ok(None),
            (204, Some(offset)) => Ok(Some(offset)),
            other => anyhow::bail!("HEAD was answered {other:?}"),
        }
    }

    fn status(&self, hash: &str) -> anyhow::Result<(u16, Option<usize>)> {
        let done = self.to_door(hash).args(["-I"]).output()?;
        let head = String::from_utf8_lossy(&done.stdout).to_lowercase();
        let status = head.split_whitespace().nth(1).unwrap_or_default();
        let offset = head
            .lines()
            .find_map(|line| line.strip_prefix("upload-offset:"));
        let offset = offset.map(|text| text.trim().parse()).transpose()?;
        Ok((status.parse().unwrap_or(0), offset))
    }

    fn upload(
        &self,
        hash: &str,
        rest: &Path,
        offset: usize,
        is_slow: bool,
    ) -> anyhow::Result<Child> {
        let mut curl = self.to_door(hash);
        let range = format!(
            "Content-Range: bytes {offset}-{}/{CLIP_BYTES}",
            CLIP_BYTES - 1
        );
        curl.arg("-T").arg(rest).args(["-H", &range]);
        curl.args(["-o", "/dev/null", "-w", "%{http_code}"]);
        if is_slow {
            curl.args(["--limit-rate", "700k"]);
        }
        curl.stdout(Stdio::piped()).stderr(Stdio::null());
        Ok(curl.spawn()?)
    }

    fn to_door(&self, hash: &str) -> Command {
        let mut curl = Command::new(&self.curl);
        let identity = self.folder.join("identity");
        curl.args(["-sS", "--max-time", "60", "--noproxy", "*"]);
        curl.arg("--cacert").arg(identity.join("ca.crt"));
        curl.arg("--cert").arg(identity.join("agent.crt"));
        curl.arg("--key").arg(identity.join("agent.key"));
        curl.arg(format!("https://{}/footage/{hash}", self.door));
        curl
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
