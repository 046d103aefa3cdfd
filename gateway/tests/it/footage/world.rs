//! A restaurant with a camera of which people were told and one of which they were not, and agents that are played by hand.

use crate::records::world::Gateway;
use contract::footage::{Manifest, Occasion, Part, Role, Said, Sighting, Signed};
use contract::payload::{self, Beside, BirthPoint, DataPoint};
use contract::vision::ModelUsed;
use contract::{AgentId, DeviceId, PointName, Quality, SiteId, Timestamp};
use gateway::store::{hex, sha256};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

pub const POINT: &str = "see.no_apron";
pub const CAMERA: &str = "stove-camera";
/// A camera whose purpose, sign and publication are not in the registry.
pub const UNTOLD: &str = "store-camera";

const REGISTRY: &str = r#"
[[device]]
site = "restaurant"
id = "stove-camera"
name = { zh = "灶台摄像机", en = "Stove camera" }
kind = "camera"
location = "后厨灶台"
purpose = "食品加工操作区的着装和用火安全"
legal_review = "示法审〔2026〕2号"
technical_review = "示技审〔2026〕2号"
sign = "现场标志照片 2"
published = "2026-01-15"

[[device]]
site = "restaurant"
id = "store-camera"
name = { zh = "库房摄像机", en = "Store camera" }
kind = "camera"
location = "库房"

[[agent]]
id = "agent-second"
site = "restaurant"
"#;

const RULES: &str = r#"
[[rule]]
id = "T-no-apron"
version = 1
domain = "food"
devices = ["camera"]
point = "see.no_apron"
unit = ""
measure = "instant"
comparator = "above"
limit = 0.5
dwell_min = 0
samples = 1
severity = "II"
standard = "GB 31654-2021"
clause = "7.2"
valid_from = "2022-02-22"
source = "of this test"
title = { zh = "未穿围裙", en = "No apron" }
explanation = { zh = "专间内有人未穿围裙。", en = "Somebody in the room wears no apron." }
innocent = [{ zh = "围裙被遮挡", en = "The apron is hidden" }]
"#;

/// Starts the gateway with its door open; `more` goes into `[footage]`.
pub async fn start(more: &str) -> Gateway {
    let more = format!("[footage]\nlisten = \"127.0.0.1:0\"\n{more}");
    Gateway::start_with("http://127.0.0.1:1", &more, REGISTRY, RULES).await
}

/// An agent with its certificate and key, and a connection on which it is heard.
pub struct Agent {
    pub name: &'static str,
    pub folder: PathBuf,
    pub certificate: String,
    key: EcdsaKeyPair,
    client: AsyncClient,
    asked: Arc<Mutex<Vec<String>>>,
    events: tokio::task::JoinHandle<()>,
    number: u64,
    seq: u8,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.events.abort();
    }
}

impl Agent {
    /// An agent of the restaurant, with both cameras.
    pub async fn connect(gateway: &Gateway, name: &'static str) -> Agent {
        let folder = gateway.folder.path().join(name);
        let ca = gateway::ca::CaFolder::new(&gateway.folder.path().join("data/ca"));
        let id = AgentId::new(name).unwrap();
        ca.issue_into(&id, &folder, Timestamp::now()).unwrap();
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
        let key = PrivatePkcs8KeyDer::from_pem_slice(read("agent.key").as_bytes()).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            key.secret_pkcs8_der(),
            &SystemRandom::new(),
        )
        .unwrap();
        let port = gateway.running.mqtt.unwrap().port();
        let (client, mut events) = AsyncClient::new(MqttOptions::new(name, "127.0.0.1", port), 100);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        let events = tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(Packet::Publish(publish)) = event {
                    let message = payload::decode(&publish.payload).unwrap();
                    for metric in message.metrics {
                        if let (Some("OneDoor/Wanted"), payload::Scalar::Text(text)) =
                            (metric.name.as_deref(), metric.value)
                        {
                            kept.lock().unwrap().push(text);
                        }
                    }
                }
            }
        });
        let topic = format!("spBv1.0/restaurant/NCMD/{name}");
        client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        let mut agent = Agent {
            name,
            certificate: read("agent.crt"),
            folder,
            key,
            client,
            asked,
            events,
            number: 0,
            seq: 0,
        };
        let now = Timestamp::now();
        let stream = format!("stream of {name}");
        agent
            .publish("NBIRTH", "", payload::node_birth(now, 0, &stream, 1))
            .await;
        for (alias, camera) in [(1, CAMERA), (2, UNTOLD)] {
            let point = BirthPoint {
                name: PointName::new(POINT).unwrap(),
                alias,
                unit: String::new(),
                factor: None,
                every_ms: Some(10_000),
            };
            agent.seq += 1;
            let birth = payload::device_birth(now, agent.seq, [&point]);
            agent.publish("DBIRTH", camera, birth).await;
        }
        agent
    }

    async fn publish(&self, kind: &str, device: &str, payload: Vec<u8>) {
        let mut topic = format!("spBv1.0/restaurant/{kind}/{}", self.name);
        if !device.is_empty() {
            topic = format!("{topic}/{device}");
        }
        let sent = self.client.publish(topic, QoS::AtLeastOnce, false, payload);
        sent.await.unwrap();
    }

    /// One record of a camera: perhaps a reading of its point, and what is said beside it.
    pub async fn record(
        &mut self,
        camera: &str,
        value: Option<(Timestamp, f64)>,
        said: Option<&Said>,
    ) {
        self.seq = self.seq.wrapping_add(1);
        self.number += 1;
        let point = value.map(|(at, value)| DataPoint {
            alias: if camera == CAMERA { 1 } else { 2 },
            at,
            value: Some(value),
            quality: Quality::Good,
        });
        let points: Vec<DataPoint> = point.into_iter().collect();
        let raw = said.map(|said| serde_json::to_vec(said).unwrap());
        let beside = Beside {
            raw: raw.as_deref(),
            gap: None,
        };
        let now = Timestamp::now();
        let data = payload::data(now, self.seq, self.number, false, &points, beside);
        self.publish("DDATA", camera, data).await;
    }

    /// Somebody without an apron at `at`, for a second, as `model` sees it.
    pub async fn sees(&mut self, camera: &str, at: Timestamp, model: &str) {
        let said = Said::Sighting(Sighting {
            point: PointName::new(POINT).unwrap(),
            zone: "stove".into(),
            began: at.plus_millis(-3_000),
            at,
            track: Some(1),
            frames: 15,
            share: 0.9,
            models: vec![used(model)],
        });
        self.record(camera, Some((at, 1.0)), Some(&said)).await;
        self.record(camera, Some((at.plus_millis(1_000), 0.0)), None)
            .await;
    }

    /// A manifest, or a loss, signed with this agent's key.
    pub fn sign(&self, manifest: &impl serde::Serialize) -> Signed {
        let manifest = serde_json::to_string(manifest).unwrap();
        let signature = self.key.sign(&SystemRandom::new(), manifest.as_bytes());
        Signed {
            manifest,
            certificate: self.certificate.clone(),
            signature: hex(signature.unwrap().as_ref()),
        }
    }

    /// Announces footage of a camera, signed; its id.
    pub async fn announce(&mut self, manifest: &Manifest) -> String {
        let signed = self.sign(manifest);
        let id = sha256(signed.manifest.as_bytes());
        let camera = manifest.camera.to_string();
        self.say(&camera, signed).await;
        id
    }

    pub async fn say(&mut self, camera: &str, signed: Signed) {
        self.record(camera, None, Some(&Said::Footage(signed)))
            .await;
    }

    /// A manifest of this agent with these files.
    pub fn manifest(&self, camera: &str, at: Timestamp, files: &[(Role, &[u8])]) -> Manifest {
        let parts = files.iter().map(|(role, bytes)| Part {
            role: *role,
            sha256: sha256(bytes),
            bytes: bytes.len() as u64,
            media_type: "text/html".into(),
            span: Some((at.plus_millis(-5_000), at.plus_millis(5_000))),
            frames: 50,
            holes: vec![(at, at.plus_millis(900))],
        });
        Manifest {
            format: 1,
            site: SiteId::new("restaurant").unwrap(),
            agent: AgentId::new(self.name).unwrap(),
            camera: DeviceId::new(camera).unwrap(),
            occasion: Occasion::Sighting {
                point: PointName::new(POINT).unwrap(),
                zone: "stove".into(),
            },
            at,
            cut_at: at.plus_millis(6_000),
            models: vec![used("mask-1")],
            masked_by: vec![used("yunet-640")],
            parts: parts.collect(),
        }
    }

    /// What it was asked for with `OneDoor/Wanted`, each text once.
    pub fn wanted(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.dedup();
        asked
    }
}

pub fn used(name: &str) -> ModelUsed {
    ModelUsed {
        name: name.into(),
        sha256: sha256(name.as_bytes()),
    }
}

/// What the door answered to curl.
#[derive(Debug, PartialEq)]
pub struct Answered {
    /// 0 if there was no answer.
    pub status: u16,
    /// `Footage-Refused`.
    pub refused: Option<String>,
    pub offset: Option<u64>,
    pub words: String,
}

/// curl at the door, with a certificate or without.
pub async fn curl(
    gateway: &Gateway,
    identity: Option<&Path>,
    hash: &str,
    arguments: &[&str],
) -> Answered {
    let port = gateway.running.footage_door.unwrap().port();
    let out = tempfile::tempdir().unwrap();
    let ca = gateway.folder.path().join("data/ca/ca.crt");
    let mut command = Command::new("curl");
    command.args([
        "-sS",
        "--max-time",
        "60",
        "--noproxy",
        "*",
        "-w",
        "%{http_code}",
    ]);
    command.arg("--cacert").arg(ca);
    command.arg("-o").arg(out.path().join("words"));
    command.arg("-D").arg(out.path().join("head"));
    if let Some(folder) = identity {
        command.arg("--cert").arg(folder.join("agent.crt"));
        command.arg("--key").arg(folder.join("agent.key"));
    }
    command.args(arguments);
    command.arg(format!("https://127.0.0.1:{port}/footage/{hash}"));
    let done = tokio::task::spawn_blocking(move || command.output().expect("curl is installed"));
    let done = done.await.unwrap();
    let read = |name: &str| std::fs::read_to_string(out.path().join(name)).unwrap_or_default();
    let head = read("head").to_lowercase();
    let value = |name: &str| {
        let mut lines = head.lines();
        let value = lines.find_map(|line| line.strip_prefix(name));
        value.map(|text| text.trim().to_owned())
    };
    Answered {
        refused: value("footage-refused:"),
        status: String::from_utf8_lossy(&done.stdout).parse().unwrap_or(0),
        offset: value("upload-offset:").map(|text| text.parse().unwrap()),
        words: read("words") + &String::from_utf8_lossy(&done.stderr),
    }
}

/// What the door answers to these bytes, after which nothing more comes while the connection stays open.
pub async fn openssl(gateway: &Gateway, identity: &Path, sent: Vec<u8>) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-connect"]);
    command.arg(gateway.running.footage_door.unwrap().to_string());
    command.arg("-CAfile").arg(identity.join("ca.crt"));
    command.arg("-cert").arg(identity.join("agent.crt"));
    command.arg("-key").arg(identity.join("agent.key"));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let talk = move || {
        let mut child = command.spawn().expect("openssl is installed");
        let mut input = child.stdin.take().unwrap();
        input.write_all(&sent).unwrap();
        let mut answer = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut answer)
            .unwrap();
        drop(input);
        child.wait().unwrap();
        answer
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

impl Agent {
    pub async fn head(&self, gateway: &Gateway, hash: &str) -> Answered {
        curl(gateway, Some(&self.folder), hash, &["-I"]).await
    }

    /// Sends bytes, with a range if there is one.
    pub async fn put(
        &self,
        gateway: &Gateway,
        hash: &str,
        bytes: &[u8],
        range: Option<&str>,
    ) -> Answered {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let path = file.path().to_str().unwrap();
        let range = range.map(|range| format!("Content-Range: bytes {range}"));
        let mut arguments = vec!["-T", path];
        if let Some(range) = &range {
            arguments.extend(["-H", range.as_str()]);
        }
        curl(gateway, Some(&self.folder), hash, &arguments).await
    }
}

/// Bytes that differ everywhere.
pub fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

impl Gateway {
    /// What `path` answers once it is there.
    pub async fn get_when_there(&self, path: &str) -> serde_json::Value {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let answer = self.send("li", "GET", path, serde_json::Value::Null).await;
            if answer.status() == 200 {
                return answer.json().await.unwrap();
            }
            assert!(std::time::Instant::now() < limit, "{path} is not there");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}
