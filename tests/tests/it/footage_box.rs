//! From a person without a mask before a simulated camera to masked pictures at the gateway: the real gateway with its door, the
//! real agent, killed again and again, and the real vision process.

use contract::{
    AgentId, SiteId, Timestamp,
    footage::{Manifest, Occasion, Role},
    problems::Problems,
};
use edge_agent::enrol::Enrolment;
use gateway::{
    account::{Role as Office, User},
    ca::CaFolder,
    config::Config,
    fleet::enrol::add,
    footage::{Announced, Which, store::Store, unmask},
    store::Records,
};
use models::RuntimePath;
use simulators::camera::{Cameras, plan::Plan};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use tests::{client::install_tls, process::Process, setup};

/// Nobody wears anything for six seconds of every twelve.
const PLAN: &str = "seed = 77\n[[camera]]\nid = \"cam\"\nscene = \"kitchen\"\nwidth = 640\nheight = 360\nframes_per_s = 5\npeople = 3\nworn = 1.0\n\
    [[camera.happening]]\nkind = \"no_gear\"\nfrom_s = 6\nto_s = 12\nrepeat_s = 12\n";

const REGISTRY: &str = "[[business]]\nuscc = \"91330482MA2CUJK126\"\nname = \"示例\"\n\n\
    [[site]]\nid = \"kitchen\"\nname = { zh = \"示例\", en = \"Example\" }\naddress = \"1\"\n\
    business = \"91330482MA2CUJK126\"\ndomains = [\"food\"]\n\n\
    [[device]]\nsite = \"kitchen\"\nid = \"cam\"\nname = { zh = \"后厨\", en = \"Kitchen\" }\nkind = \"camera\"\n\
    location = \"后厨\"\npurpose = \"食品安全\"\nsign = \"照片\"\npublished = \"2026-01-15\"\n";

// Two keys that nobody has: nothing is opened here.
const CUSTODIANS: [&str; 2] = [
    "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg",
];

struct World {
    folder: tempfile::TempDir,
    running: gateway::app::Running,
    records: Records,
    config: Config,
}

impl World {
    async fn start() -> World {
        install_tls();
        let folder = tempfile::tempdir().unwrap();
        let rules = setup::repository().join("config/rules");
        let text = format!(
            "data = \"data\"\nhttp = \"127.0.0.1:0\"\nregistry = \"registry.toml\"\nrules = {rules:?}\n\
             [broker]\nlisten_tls = \"127.0.0.1:0\"\n[footage]\nlisten = \"127.0.0.1:0\"\n"
        );
        std::fs::write(folder.path().join("registry.toml"), REGISTRY).unwrap();
        std::fs::write(folder.path().join("gateway.toml"), text).unwrap();
        std::fs::create_dir_all(folder.path().join("data")).unwrap();
        let load = || {
            let mut problems = Problems::new();
            let config = gateway::config::load(&folder.path().join("gateway.toml"), &mut problems);
            assert!(problems.is_empty(), "{problems}");
            config.unwrap()
        };
        let config = load();
        let ca = CaFolder::new(&config.data.join("ca"));
        ca.init(&["gateway.example".to_owned()], Timestamp::now())
            .unwrap();
        let records = Records::open(&config.data.join("records.db")).unwrap();
        let running = gateway::app::start(load()).await.unwrap();
        World {
            folder,
            running,
            records,
            config,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A box that was enrolled, with a camera.
    async fn enrol(&self, camera: &str, vision: &Path) -> PathBuf {
        let (agent, site) = (
            AgentId::new("box").unwrap(),
            SiteId::new("kitchen").unwrap(),
        );
        let (registry, plan) = (&self.config.registry, &self.config.fleet);
        let valid = Duration::from_secs(900);
        let now = Timestamp::now();
        let added = add(
            &self.records,
            registry,
            plan,
            (&agent, &site),
            valid,
            "test",
            now,
        );
        let enrolment = Enrolment {
            gateway: format!("http://{}", self.running.http).parse().unwrap(),
            code: added.unwrap().0,
            folder: self.path("box"),
            is_again: false,
        };
        let path = enrolment.run().await.unwrap().1;
        let door = self.running.footage_door.unwrap();
        let models = setup::repository().join("models/files");
        let runtime = RuntimePath(None).find().unwrap();
        let more = format!(
            "\n[vision]\nprogram = {vision:?}\nmodels = [{models:?}]\nruntime = {runtime:?}\npatience = \"30s\"\n\
             [footage]\nspool = \"footage\"\nurl = \"https://{door}\"\ndetectors = [\"simulated-persons\"]\n\
             before = \"2s\"\nafter = \"2s\"\ncustodians = {CUSTODIANS:?}\n\
             [[camera]]\nid = \"cam\"\nurl = \"{camera}\"\nevery = \"1s\"\n\
             [camera.ring]\ndir = \"ring\"\nkeep = \"10m\"\n\
             [camera.published]\npurpose = \"test\"\nsign = \"none\"\nlocation = \"nowhere\"\non = \"2026-01-01\"\n\
             [camera.look]\npersons = \"simulated-persons\"\n[camera.look.mask]\nmodel = \"mask\"\n\
             [[camera.zone]]\nname = \"all\"\nkind = \"cooking\"\npolygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\nwatch = [\"no_mask\"]\n"
        );
        let text = std::fs::read_to_string(&path).unwrap() + &more;
        std::fs::write(&path, text).unwrap();
        path
    }

    fn footage(&self) -> Vec<Announced> {
        let store = Store::open(&self.path("data/footage.db")).unwrap();
        let which = Which {
            site: None,
            camera: None,
            between: None,
            limit: 1_000,
        };
        store.list(&which).unwrap()
    }

    fn has(&self, sha256: &str) -> bool {
        self.path("data/footage").join(sha256).exists()
    }
}

/// The manifest, which must count as its agent's.
fn said(footage: &Announced) -> &Manifest {
    assert_eq!(footage.refusal, None);
    footage.manifest.as_ref().unwrap()
}

fn vision(binaries: &setup::Binaries) -> PathBuf {
    binaries.edge_agent.with_file_name("edge-vision")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masked_pictures_reach_the_gateway_once_however_often_the_agent_is_killed() {
    if let Err(reason) = RuntimePath(None).find() {
        assert!(std::env::var_os("CI").is_none(), "{reason}");
        println!("not checked: {reason}");
        return;
    }
    let binaries = setup::binaries().unwrap();
    let world = World::start().await;
    let plan: Plan = toml::from_str(PLAN).unwrap();
    let cameras = Cameras::start(plan, "127.0.0.1:0".parse().unwrap(), 0, None)
        .await
        .unwrap();
    let config = world
        .enrol(&cameras.listening[0].http, &vision(&binaries))
        .await;
    let log = world.path("agent.log");
    let start = || {
        let mut command = Command::new(&binaries.edge_agent);
        command.arg("run").arg("--config").arg(&config);
        Process::start("agent", command, &log).unwrap()
    };
    // Killed at any place, nine times; each life is long enough for something else.
    for n in 0..9u64 {
        let mut agent = start();
        tokio::time::sleep(Duration::from_millis(4_000 + 1_733 * n % 11_000)).await;
        agent.check().unwrap();
        agent.kill().unwrap();
    }
    let mut agent = start();
    let limit = Instant::now() + Duration::from_secs(240);
    let is_masked = |role: Role| role != Role::Original;
    let mut whole = Vec::new();
    while whole.len() < 4 {
        assert!(Instant::now() < limit, "{}", agent.log_tail());
        tokio::time::sleep(Duration::from_millis(500)).await;
        whole = world.footage();
        whole.retain(|footage| {
            let manifest = said(footage);
            let is_sighting = manifest.occasion != Occasion::Overview;
            let mut parts = manifest.parts.iter().filter(|part| is_masked(part.role));
            is_sighting && parts.all(|part| world.has(&part.sha256))
        });
    }
    let all = world.footage();
    // Of one sighting there is one manifest.
    let occasions: Vec<(Timestamp, String)> = all
        .iter()
        .map(|f| (said(f).at, format!("{:?}", said(f).occasion)))
        .collect();
    let once: BTreeSet<&(Timestamp, String)> = occasions.iter().collect();
    assert_eq!(once.len(), occasions.len(), "{occasions:?}");
    for footage in &whole {
        for part in said(footage).parts.iter().filter(|p| is_masked(p.role)) {
            let bytes = std::fs::read(world.path("data/footage").join(&part.sha256)).unwrap();
            assert_eq!(edge_agent::footage::spool::sha256(&bytes), part.sha256);
        }
    }
    // The sealed original comes when two reviewers have approved it, and not before.
    let footage = &whole[0];
    let parts = &said(footage).parts;
    let original = parts
        .iter()
        .find(|part| part.role == Role::Original)
        .unwrap();
    assert!(!world.has(&original.sha256));
    let user = |name: &str| User {
        name: name.into(),
        role: Office::Reviewer,
    };
    let site = &footage.site;
    let (id, now) = (&footage.id, Timestamp::now());
    let asked = unmask::step(&world.records, id, &user("a"), now, |known| {
        unmask::ask(
            (id, site),
            known.as_ref(),
            true,
            &user("a"),
            "a dispute",
            now,
        )
    });
    asked.unwrap().unwrap();
    for name in ["b", "c"] {
        assert!(!world.has(&original.sha256));
        let approved = unmask::step(&world.records, id, &user(name), now, |known| {
            unmask::approve(known, &user(name), now)
        });
        approved.unwrap().unwrap();
    }
    let limit = Instant::now() + Duration::from_secs(60);
    while !world.has(&original.sha256) {
        assert!(Instant::now() < limit, "{}", agent.log_tail());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!(
        "{} manifests, {} whole sightings, nine violent ends",
        all.len(),
        whole.len()
    );
    agent.stop(Duration::from_secs(10)).unwrap();
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(!log.contains("panicked"), "{}", agent.log_tail());
}
