//! Masked pictures of a rendered scene, made by the agent with the real process: what the truth calls a face cannot be seen in
//! them, the original opens for two and for nobody alone, and the process may die in the middle.

use crate::until;
use crate::{can_run, copied};
use contract::{
    AgentId, DeviceId, PointName, Timestamp,
    footage::{Manifest, Occasion, Part, Role, Said, Sighting, Signed},
};
use edge_agent::{
    app::Running,
    camera::parts,
    camera::{config::RingConfig, ring::Ring},
    config,
    footage::{Footage, Served},
    record::Record,
};
use journal::{Journal, Options, Seq};
use models::picture::Image;
use simulators::camera::{
    picture::{Camera, Truth},
    plan::{CameraPlan, Place},
};
use std::{
    io::Read,
    path::Path,
    time::{Duration, Instant},
};

const FRAMES_PER_S: i64 = 5;

/// Frames of a camera with their times and truths.
struct Film {
    frames: Vec<(Timestamp, Image, Truth)>,
    camera: &'static str,
}

/// Films into a ring, ending now.
fn film(ring: &Path, camera: &'static str, scene: Place, seed: u64, seconds: i64) -> Film {
    let plan = CameraPlan {
        id: "rendered".into(),
        scene,
        width: 960,
        height: 540,
        frames_per_s: FRAMES_PER_S as f64,
        quality: 88,
        people: 4,
        worn: 0.5,
        login: None,
        rtsp: None,
        happening: Vec::new(),
        fault: Vec::new(),
    };
    let mut rendered = Camera::new(plan, seed, 1_790_000_000_000);
    let config = RingConfig {
        dir: ring.to_owned(),
        keep: Duration::from_secs(3_600),
        bytes_max: 1 << 30,
    };
    let mut ring = Ring::open(&config).unwrap();
    let begins = Timestamp::now().plus_millis(-1_000 * seconds - 5_000);
    let mut frames = Vec::new();
    for n in 0..seconds * FRAMES_PER_S {
        // People come in by and by.
        let (picture, truth) = rendered.frame(100 + n as u64);
        let jpeg = simulators::camera::jpeg(&picture.unwrap(), 88).unwrap();
        let at = begins.plus_millis(n * 1_000 / FRAMES_PER_S);
        ring.keep(at, &jpeg).unwrap();
        frames.push((at, Image::from_jpeg(&jpeg).unwrap(), truth));
    }
    Film { frames, camera }
}

impl Film {
    fn at(&self, at: Timestamp) -> &(Timestamp, Image, Truth) {
        self.frames.iter().find(|(time, ..)| *time == at).unwrap()
    }
}

/// How much of what is fine in `before` is in `after` too, within a rectangle of pixels: the correlation of what remains of
/// the grey when the mean of the eight neighbours is taken away. 1: all; 0: nothing.
fn remains(before: &Image, after: &Image, [left, top, width, height]: [u32; 4]) -> f64 {
    let grey = |image: &Image, x: u32, y: u32| {
        let at = (y as usize * image.width() as usize + x as usize) * 3;
        let [r, g, b] = [0, 1, 2].map(|n| f64::from(image.rgb()[at + n]));
        0.299 * r + 0.587 * g + 0.114 * b
    };
    let fine = |image: &Image, x: u32, y: u32| {
        let mut sum = 0.0;
        for (dx, dy) in [
            (0, 0),
            (1, 0),
            (2, 0),
            (0, 1),
            (2, 1),
            (0, 2),
            (1, 2),
            (2, 2),
        ] {
            sum += grey(image, x + dx - 1, y + dy - 1);
        }
        grey(image, x, y) - sum / 8.0
    };
    let (mut both, mut one, mut two) = (0.0, 0.0, 0.0);
    let (right, bottom) = (
        (left + width).min(before.width() - 1),
        (top + height).min(before.height() - 1),
    );
    for y in top.max(1)..bottom {
        for x in left.max(1)..right {
            let (a, b) = (fine(before, x, y), fine(after, x, y));
            both += a * b;
            one += a * a;
            two += b * b;
        }
    }
    both / (one * two).sqrt().max(1e-9)
}

/// Faces of at least twenty pixels in all pictures, and those of which any quarter can be recognised.
#[derive(Debug, Default)]
struct Recall {
    frames: usize,
    faces: usize,
    open: Vec<(Timestamp, [u32; 4], f64)>,
    /// How much remains of the same faces in the picture that was not masked but written at the same quality.
    unmasked: Vec<f64>,
}

impl Recall {
    fn look(&mut self, film: &Film, at: Timestamp, masked: &Image) {
        let (_, original, truth) = film.at(at);
        assert_eq!(
            (original.width(), original.height()),
            (masked.width(), masked.height())
        );
        self.frames += 1;
        let faces = truth.seen.persons.iter().filter_map(|person| person.face);
        for face in faces.filter(|face| face.0[2].min(face.0[3]) >= 20) {
            let [left, top, width, height] = face.0;
            self.faces += 1;
            let (w, h) = (width.div_ceil(2), height.div_ceil(2));
            let quarters = [(0, 0), (w, 0), (0, h), (w, h)];
            let worst = quarters
                .map(|(x, y)| remains(original, masked, [left + x, top + y, w, h]))
                .into_iter()
                .fold(0.0, f64::max);
            if worst > OPEN {
                self.open.push((at, face.0, worst));
            }
            let mut again = Vec::new();
            let (wide, high) = (original.width() as u16, original.height() as u16);
            jpeg_encoder::Encoder::new(&mut again, 70)
                .encode(original.rgb(), wide, high, jpeg_encoder::ColorType::Rgb)
                .unwrap();
            let again = Image::from_jpeg(&again).unwrap();
            self.unmasked.push(remains(original, &again, face.0));
        }
    }

    fn share(&self) -> f64 {
        1.0 - self.open.len() as f64 / self.faces.max(1) as f64
    }
}

/// A quarter of a face of which more than this remains is open; of an unmasked one at the clip's quality far more does.
const OPEN: f64 = 0.45;

/// Parts of a clip: time and JPEG, read by another hand than wrote them.
fn pictures(clip: &[u8]) -> Vec<(Timestamp, Image)> {
    let mut rest = clip;
    let mut found = Vec::new();
    while let Some(end) = rest.windows(4).position(|w| w == b"\r\n\r\n") {
        let head = std::str::from_utf8(&rest[..end]).unwrap();
        assert!(
            head.starts_with("--frame\r\nContent-Type: image/jpeg\r\n"),
            "{head}"
        );
        let value = |name: &str| {
            let (_, after) = head.split_once(name).unwrap();
            after.lines().next().unwrap().trim().parse::<i64>().unwrap()
        };
        let length = value("Content-Length:") as usize;
        let body = &rest[end + 4..end + 4 + length];
        let at = Timestamp::from_millis(value("X-Timestamp:"));
        found.push((at, Image::from_jpeg(body).unwrap()));
        rest = &rest[end + 4 + length + 2..];
    }
    assert_eq!(rest, b"--frame--\r\n");
    found
}

struct Site {
    folder: tempfile::TempDir,
    custodians: [age::x25519::Identity; 2],
    key: rcgen::KeyPair,
    models: tempfile::TempDir,
}

impl Site {
    fn new() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["a".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("agent.crt", &certificate);
        write("ca.crt", &certificate);
        write("agent.key", &key.serialize_pem());
        let generate = age::x25519::Identity::generate;
        Site {
            folder,
            custodians: [generate(), generate()],
            key,
            models: copied(&["simulated-persons"]),
        }
    }

    /// An agent without a gateway: what it would send lies in its buffer and its spool.
    async fn start(&self, around: &str) -> Running {
        let [one, two] = [0, 1].map(|n| self.custodians[n].to_public().to_string());
        let text = format!(
            "site = \"s\"\nagent = \"a\"\n[buffer]\npath = \"buffer.db\"\n[gateway]\nhost = \"127.0.0.1\"\nport = 9\n\
             ca_file = \"ca.crt\"\ncertificate_file = \"agent.crt\"\nkey_file = \"agent.key\"\n\
             [vision]\nprogram = {:?}\nmodels = [{:?}]\npatience = \"20s\"\n\
             [footage]\nspool = \"footage\"\nurl = \"https://127.0.0.1:9\"\ndetectors = [\"simulated-persons\"]\n\
             before = \"{around}\"\nafter = \"{around}\"\ncustodians = [\"{one}\", \"{two}\"]\n",
            env!("CARGO_BIN_EXE_edge-vision"),
            self.models.path(),
        );
        let path = self.folder.path().join("agent.toml");
        std::fs::write(&path, text).unwrap();
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            let config = config::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
            match Running::start(config).await {
                Ok(running) => return running,
                // A buffer that was dropped and not closed is let go of by its thread a moment later.
                Err(error) => assert!(Instant::now() < limit, "{error:#}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn ring(&self, camera: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("ring-{camera}"))
    }

    fn serve(&self, footage: &Footage, film: &Film) {
        footage.serve(Served {
            id: DeviceId::new(film.camera).unwrap(),
            ring: self.ring(film.camera),
            ffmpeg: "ffmpeg".into(),
            detectors: Vec::new(),
            zones: Vec::new(),
        });
    }

    /// What was announced, in order.
    async fn announced(&self) -> Vec<(Signed, Manifest)> {
        let journal =
            Journal::open(&self.folder.path().join("buffer.db"), Options::small()).unwrap();
        let blocks = journal.read(Seq(0), 1 << 24).unwrap();
        journal.close().await;
        let mut found = Vec::new();
        for block in blocks {
            let record = Record::decode(&block.body).unwrap();
            if let Some(Said::Footage(signed)) = Said::read(&record.raw) {
                assert!(record.raw.len() <= 64 << 10 && record.readings.is_empty());
                let manifest: Manifest = serde_json::from_str(&signed.manifest).unwrap();
                assert_eq!(manifest.camera, record.device);
                found.push((signed, manifest));
            }
        }
        found
    }

    fn file(&self, part: &Part) -> Vec<u8> {
        let folder = match part.role {
            Role::Original => "originals",
            _ => "files",
        };
        let path = self
            .folder
            .path()
            .join("footage")
            .join(folder)
            .join(&part.sha256);
        let bytes = std::fs::read(path).unwrap();
        assert_eq!(bytes.len() as u64, part.bytes);
        assert_eq!(contract::hex::sha256(&bytes), part.sha256);
        bytes
    }
}

fn sighting(film: &Film, place: usize) -> Sighting {
    Sighting {
        point: PointName::new("see.no_mask").unwrap(),
        zone: format!("zone {place}"),
        began: film.frames[place - 3].0,
        at: film.frames[place].0,
        track: Some(1),
        frames: 4,
        share: 1.0,
        models: Vec::new(),
    }
}

fn open(sealed: &[u8], by: &age::x25519::Identity) -> Option<Vec<u8>> {
    let decryptor = age::Decryptor::new(sealed).ok()?;
    let mut plain = decryptor
        .decrypt(std::iter::once(by as &dyn age::Identity))
        .ok()?;
    let mut bytes = Vec::new();
    plain.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_face_is_left_in_stills_and_clips_and_the_original_opens_for_two() {
    if !can_run() {
        return;
    }
    let site = Site::new();
    let films = [
        ("kitchen", Place::Kitchen, 11),
        ("workshop", Place::Workshop, 12),
    ]
    .map(|(camera, scene, seed)| film(&site.ring(camera), camera, scene, seed, 16));
    let running = site.start("6s").await;
    let footage = running.footage().unwrap();
    for film in &films {
        site.serve(&footage, film);
        let camera = DeviceId::new(film.camera).unwrap();
        footage.sighted(&camera, &sighting(film, 40)).await;
    }
    let metrics = running.metrics();
    until("both are cut and announced", 300, || {
        let fill = footage.view().fill;
        fill.wants == 0 && metrics.footage.cut.get() >= 2
    })
    .await;
    running.drain().await;
    let announced = site.announced().await;
    let sighted: Vec<_> = announced
        .iter()
        .filter(|(_, manifest)| manifest.occasion != Occasion::Overview)
        .collect();
    assert_eq!(sighted.len(), 2);
    let mut recall = Recall::default();
    for (film, (signed, manifest)) in films.iter().zip(sighted) {
        let how = &ring::signature::ECDSA_P256_SHA256_ASN1;
        let signature: Vec<u8> = (0..signed.signature.len() / 2)
            .map(|n| u8::from_str_radix(&signed.signature[2 * n..2 * n + 2], 16).unwrap())
            .collect();
        let key = ring::signature::UnparsedPublicKey::new(how, site.key.public_key_raw());
        key.verify(signed.manifest.as_bytes(), &signature).unwrap();
        assert_eq!(manifest.agent, AgentId::new("a").unwrap());
        assert_eq!(manifest.at, film.frames[40].0);
        assert_eq!(manifest.masked_by[0].name, "simulated-persons");
        let of = |role| {
            manifest
                .parts
                .iter()
                .find(|part| part.role == role)
                .unwrap()
        };
        for role in [Role::Before, Role::Still, Role::After] {
            let part = of(role);
            let at = part.span.unwrap().0;
            recall.look(film, at, &Image::from_jpeg(&site.file(part)).unwrap());
        }
        assert_eq!(of(Role::Still).span.unwrap().0, manifest.at);
        let clip = of(Role::Clip);
        let pictures = pictures(&site.file(clip));
        assert_eq!((pictures.len(), clip.frames), (61, 61));
        assert_eq!(clip.holes, []);
        for (at, picture) in &pictures {
            recall.look(film, *at, picture);
        }
        // One custodian sees nothing, both see what the camera sent.
        let sealed = site.file(of(Role::Original));
        let [first, second] = &site.custodians;
        assert_eq!(open(&sealed, first), None);
        let inner = open(&sealed, second).unwrap();
        let plain = open(&inner, first).unwrap();
        assert_eq!(self::pictures(&plain).len(), 61);
        assert!(
            parts::Pictures::new(inner.as_slice())
                .next_picture()
                .is_err()
        );
        let left = std::fs::read_dir(site.ring(film.camera)).unwrap();
        let cuts = left.filter(|e| {
            e.as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|e| e == "cut")
        });
        assert_eq!(cuts.count(), 0, "no plain cut stays");
    }
    // The measure itself: of faces that were not masked it says that they remain.
    let least = recall.unmasked.iter().copied().fold(1.0, f64::min);
    println!(
        "{} faces of at least 20 px in {} masked pictures: {} open, recall {:.4}; unmasked at least {least:.2} of each remains",
        recall.faces,
        recall.frames,
        recall.open.len(),
        recall.share(),
    );
    assert!(
        least > 0.6,
        "the measure would not notice an open face: {least}"
    );
    assert!(recall.faces >= 100, "{}", recall.faces);
    assert!(recall.share() >= 0.99, "{:?}", recall.open);
}

/// Ends the vision process that runs with models of this folder: other tests have processes of their own.
fn kill_vision(models: &Path) -> bool {
    let models = models.display().to_string();
    let Ok(all) = Path::new("/proc").read_dir() else {
        return false;
    };
    let mut children = all.filter_map(|entry| {
        let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
        String::from_utf8_lossy(&line)
            .contains(&models)
            .then_some(id)
    });
    let Some(child) = children.next() else {
        return false;
    };
    let kill = std::process::Command::new("kill")
        .args(["-9", &child.to_string()])
        .status();
    kill.unwrap().success()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masking_outlives_the_process_and_the_agent_and_tells_of_each_once() {
    if !can_run() {
        return;
    }
    let site = Site::new();
    let film = film(&site.ring("kitchen"), "kitchen", Place::Kitchen, 21, 12);
    let camera = DeviceId::new("kitchen").unwrap();
    let places = [20, 30, 40];
    let limit = Instant::now() + Duration::from_secs(400);
    let (mut starts, mut kills) = (0, 0);
    loop {
        assert!(Instant::now() < limit, "after {starts} starts");
        let running = site.start("2s").await;
        let footage = running.footage().unwrap();
        site.serve(&footage, &film);
        if starts == 0 {
            for place in places {
                footage.sighted(&camera, &sighting(&film, place)).await;
            }
        }
        starts += 1;
        // Each life is longer than the one before, so that one is long enough.
        let life = 0.4 * 1.5f64.powi(starts);
        let until = Instant::now() + Duration::from_secs_f64(life);
        while Instant::now() < until && footage.view().fill.wants > 0 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            kills += u32::from(starts % 3 == 1 && kills < 4 && kill_vision(site.models.path()));
        }
        if footage.view().fill.wants == 0 {
            // The last one may be cut and not announced yet.
            tokio::time::sleep(Duration::from_millis(500)).await;
            running.drain().await;
            break;
        }
        // As after kill -9 nothing is finished: every task ends where it stands.
        drop(running);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let announced = site.announced().await;
    let sighted = announced
        .iter()
        .filter(|(_, manifest)| manifest.occasion != Occasion::Overview);
    let mut times: Vec<Timestamp> = Vec::new();
    for (_, manifest) in sighted {
        times.push(manifest.at);
        for part in &manifest.parts {
            site.file(part);
        }
        let clip = manifest
            .parts
            .iter()
            .find(|part| part.role == Role::Clip)
            .unwrap();
        assert_eq!(pictures(&site.file(clip)).len(), clip.frames as usize);
    }
    times.sort();
    let expected: Vec<Timestamp> = places.map(|place| film.frames[place].0).into();
    assert_eq!(times, expected, "each sighting is told of once");
    let files = std::fs::read_dir(site.folder.path().join("footage/files")).unwrap();
    let known: std::collections::HashSet<&str> = announced
        .iter()
        .flat_map(|(_, manifest)| &manifest.parts)
        .map(|part| part.sha256.as_str())
        .collect();
    for file in files {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(name.as_str()), "{name} was not announced");
    }
    println!("{starts} starts, the vision process killed {kills} times");
    assert!(starts >= 2 && kills >= 1, "{starts} starts, {kills} kills");
}
