//! From a one-time code to a running agent, and everything that happens to its certificate afterwards. Gateway and agents
//! are the real ones, in this process; what a command would do goes through the database, as from another process.

use contract::{AgentId, SiteId, Timestamp, enrol::Code, problems::Problems};
use edge_agent::{
    config,
    enrol::Enrolment,
    identity::{Files, Pair},
};
use gateway::{
    ca::{CaFolder, requested_key},
    certificate::Certificate,
    config::Config,
    fleet::{
        self, Known,
        enrol::add,
        store::{self, New, Origin},
    },
    store::Records,
};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tests::client::install_tls;

const DAY: i64 = 86_400_000;
const VALID: Duration = Duration::from_secs(900);

pub struct World {
    folder: tempfile::TempDir,
    pub running: gateway::app::Running,
    pub records: Records,
}

fn named(name: &str) -> (AgentId, SiteId) {
    (AgentId::new(name).unwrap(), SiteId::new("kitchen").unwrap())
}

impl World {
    pub async fn start() -> World {
        install_tls();
        let folder = tempfile::tempdir().unwrap();
        let config = World::config(folder.path());
        let ca = CaFolder::new(&config.data.join("ca"));
        // Agents reach it as 127.0.0.1, which its certificate does not name.
        ca.init(&["gateway.example".to_owned()], Timestamp::now())
            .unwrap();
        let records = Records::open(&config.data.join("records.db")).unwrap();
        let running = gateway::app::start(config).await.unwrap();
        World {
            folder,
            running,
            records,
        }
    }

    fn config(folder: &Path) -> Config {
        let rules = tests::setup::repository().join("config/rules");
        let registry = "[[business]]\nuscc = \"91330482MA2CUJK126\"\nname = \"示例\"\n\n\
            [[site]]\nid = \"kitchen\"\nname = { zh = \"示例\", en = \"Example\" }\naddress = \"1\"\n\
            business = \"91330482MA2CUJK126\"\ndomains = [\"food\"]\n";
        let text = format!(
            "data = \"data\"\nhttp = \"127.0.0.1:0\"\nregistry = \"registry.toml\"\nrules = {rules:?}\n\
             [broker]\nlisten_tls = \"127.0.0.1:0\"\n"
        );
        std::fs::write(folder.join("registry.toml"), registry).unwrap();
        std::fs::write(folder.join("gateway.toml"), text).unwrap();
        std::fs::create_dir_all(folder.join("data")).unwrap();
        let mut problems = Problems::new();
        let config = gateway::config::load(&folder.join("gateway.toml"), &mut problems);
        assert!(problems.is_empty(), "{problems}");
        config.unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ca(&self) -> CaFolder {
        CaFolder::new(&self.path("data/ca"))
    }

    pub fn code(&self, agent: &str) -> Code {
        let config = World::config(self.folder.path());
        let ((agent, site), now) = (named(agent), Timestamp::now());
        let (records, registry, plan) = (&self.records, &config.registry, &config.fleet);
        add(
            records,
            registry,
            plan,
            (&agent, &site),
            VALID,
            "command",
            now,
        )
        .unwrap()
        .0
    }

    fn enrolment(&self, at: &str, code: Code, folder: &str) -> Enrolment {
        Enrolment {
            gateway: at.parse().unwrap(),
            code,
            folder: self.path(folder),
            is_again: false,
        }
    }

    pub async fn enrol(&self, code: Code, folder: &str) -> anyhow::Result<PathBuf> {
        let at = format!("http://{}", self.running.http);
        let enrolled = self.enrolment(&at, code, folder).run().await?;
        Ok(enrolled.1)
    }

    fn files(&self, folder: &str) -> Files {
        Files {
            authority: self.path(folder).join("ca.crt"),
            certificate: self.path(folder).join("agent.crt"),
            key: self.path(folder).join("agent.key"),
        }
    }

    fn certificate(&self, folder: &str) -> Certificate {
        let pem = std::fs::read_to_string(self.files(folder).certificate).unwrap();
        Certificate::from_pem(&pem).unwrap()
    }

    /// A box that was enrolled `days` ago for 90 days, and whose certificate was shown then.
    async fn enrolled_before(&self, agent: &str, folder: &str, days: i64) -> PathBuf {
        let config = self.enrol(self.code(agent), folder).await.unwrap();
        let (files, then) = (
            self.files(folder),
            Timestamp::now().plus_millis(-days * DAY),
        );
        let csr = files.request().unwrap();
        let pem = self.ca().answer(&named(agent).0, &csr, 90, then).unwrap();
        let certificate = Certificate::from_pem(&pem).unwrap();
        let new = New {
            certificate: &certificate,
            pem: &pem,
            public_key: &requested_key(&csr).unwrap(),
            origin: Origin::Renewal,
        };
        store::renewed(&self.records, &new, then).unwrap();
        store::seen(&self.records, &[(certificate, then)]).unwrap();
        files.keep(&pem).unwrap();
        files.replace().unwrap();
        config
    }

    fn known(&self, agent: &str) -> Known {
        let config = World::config(self.folder.path());
        let known = fleet::known(&self.records, &config.registry).unwrap();
        known.into_iter().find(|k| k.name == agent).unwrap()
    }
}

async fn run(config: &Path) -> edge_agent::app::Running {
    let config = config::load(config).unwrap_or_else(|e| panic!("{e}"));
    edge_agent::app::Running::start(config).await.unwrap()
}

async fn until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < limit, "waited {limit:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

/// A second box with the identity of the first, and a buffer of its own.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in [
        "agent.key",
        "agent.crt",
        "ca.crt",
        "enrolment.toml",
        "edge-agent.toml",
    ] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_makes_a_box_an_agent_that_runs_and_a_revocation_ends_it_within_two_seconds() {
    let world = World::start().await;
    let code = world.code("box-7");
    let config = world.enrol(code.clone(), "box").await.unwrap();
    let used = world.enrol(code, "other").await.unwrap_err();
    assert!(format!("{used:#}").contains("只能用一次"), "{used:#}");
    assert!(!world.path("other/agent.crt").exists());
    let twice = world.enrol(world.code("box-7"), "box").await.unwrap_err();
    assert!(format!("{twice:#}").contains("--again"), "{twice:#}");

    let agent = run(&config).await;
    let connections = || agent.metrics().connections.get();
    until("the agent connects", PATIENCE, || connections() == 1).await;
    let is_seen = || {
        world
            .known("box-7")
            .good()
            .is_some_and(|c| c.last_seen_at.is_some())
    };
    until("it is noted", PATIENCE, is_seen).await;
    let (name, site) = named("box-7");
    let is_online = || world.running.agents_online() == 1;
    until("its birth", PATIENCE, is_online).await;
    store::revoke(
        &world.records,
        &name,
        &site,
        "command",
        "stolen",
        Timestamp::now(),
    )
    .unwrap();
    let begin = Instant::now();
    until("it is out", PATIENCE, || !is_online()).await;
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(connections(), 1, "a revoked agent came in again");

    let again = Enrolment {
        is_again: true,
        ..world.enrolment(
            &format!("http://{}", world.running.http),
            world.code("box-7"),
            "box",
        )
    };
    again.run().await.unwrap();
    until("it is let in anew", PATIENCE, || connections() == 2).await;
    agent.drain().await;
    world.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_180_days_a_box_comes_in_renews_and_its_old_certificate_is_worth_nothing() {
    let world = World::start().await;
    let config = world.enrolled_before("box-7", "box", 270).await;
    let old = world.certificate("box");
    let now = Timestamp::now();
    assert!(now.since(old.not_after) > 179 * DAY);
    copy(&world.path("box"), &world.path("twin"));
    let agent = run(&config).await;
    let is_renewed = || agent.metrics().renewals.get() == 1;
    until("the certificate is renewed", PATIENCE, is_renewed).await;
    let fresh = world.certificate("box");
    assert!(fresh.fingerprint != old.fingerprint && fresh.not_after.since(now) > 88 * DAY);
    let is_shown = || {
        let known = world.known("box-7");
        known.good().is_some_and(|c| {
            c.certificate.fingerprint == fresh.fingerprint && c.last_seen_at.is_some()
        })
    };
    until("the new one is noted", PATIENCE, is_shown).await;

    let twin = run(&world.path("twin/edge-agent.toml")).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        twin.metrics().connections.get(),
        0,
        "a superseded certificate was let in"
    );
    assert_eq!(
        agent.metrics().connections.get(),
        2,
        "the right box was disturbed"
    );
    twin.drain().await;
    agent.drain().await;
    world.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_grace_or_never_seen_an_expired_certificate_lets_nobody_in() {
    let world = World::start().await;
    let ancient = world.enrolled_before("box-7", "box", 90 + 402).await;
    let unseen = world.enrolled_before("box-8", "never", 180).await;
    let fingerprint = world.certificate("never").fingerprint;
    let forget = "DELETE FROM agent_certificate WHERE fingerprint = ?1";
    let tell = "UPDATE progress SET n = n + 1 WHERE name = 'fleet'";
    world
        .records
        .write("forget", |tx| {
            tx.execute(forget, [&fingerprint])?;
            tx.execute(tell, [])
        })
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (ancient, unseen) = (run(&ancient).await, run(&unseen).await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(ancient.metrics().connections.get(), 0);
    assert_eq!(unseen.metrics().connections.get(), 0);
    ancient.drain().await;
    unseen.drain().await;
    world.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_proven_before_it_replaces_the_old_one() {
    let world = World::start().await;
    let config = world.enrol(world.code("box-7"), "box").await.unwrap();
    let (files, first) = (world.files("box"), world.certificate("box"));
    // Signed by somebody else: the gateway will not have it.
    let stranger = CaFolder::new(&world.path("stranger"));
    stranger.init(&[], Timestamp::now()).unwrap();
    let csr = files.request().unwrap();
    let forged = stranger.answer(&named("box-7").0, &csr, 90, Timestamp::now());
    files.keep(&forged.unwrap()).unwrap();
    let agent = run(&config).await;
    let connections = || agent.metrics().connections.get();
    until("the old one is used", PATIENCE, || connections() == 1).await;
    until("the new one is forgotten", PATIENCE, || !files.has_next()).await;
    assert_eq!(world.certificate("box").fingerprint, first.fingerprint);
    agent.drain().await;

    // Stopped after the answer came and before it was shown.
    let csr = files.request().unwrap();
    let pem = world
        .ca()
        .answer(&named("box-7").0, &csr, 90, Timestamp::now());
    let pem = pem.unwrap();
    let second = Certificate::from_pem(&pem).unwrap();
    let new = New {
        certificate: &second,
        pem: &pem,
        public_key: &requested_key(&csr).unwrap(),
        origin: Origin::Renewal,
    };
    store::renewed(&world.records, &new, Timestamp::now()).unwrap();
    files.keep(&pem).unwrap();
    assert!(files.pair(Pair::Current).is_ok() && files.has_next());
    let agent = run(&config).await;
    let is_renewed = || agent.metrics().renewals.get() == 1;
    until("the new one is proven", PATIENCE, is_renewed).await;
    assert_eq!(world.certificate("box").fingerprint, second.fingerprint);
    agent.drain().await;
    world.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_boxes_with_one_identity_are_said_and_counted() {
    let world = World::start().await;
    let config = world.enrol(world.code("box-7"), "box").await.unwrap();
    copy(&world.path("box"), &world.path("twin"));
    let first = run(&config).await;
    let connections = || first.metrics().connections.get();
    until("the first connects", PATIENCE, || connections() == 1).await;
    let twin = run(&world.path("twin/edge-agent.toml")).await;
    let root = gateway::account::add(&world.records, "root", gateway::account::Role::Admin);
    let base = format!("http://{}", world.running.http);
    let client = tests::client::Client::sign_in(&base, "root", &root.unwrap())
        .await
        .unwrap();
    let begin = Instant::now();
    loop {
        let fleet = client.get("/api/agents").await.unwrap();
        let takeovers = &fleet["agents"][0]["takeovers"];
        if takeovers["is_contested"] == true {
            assert!(takeovers["count"].as_u64() >= Some(3));
            assert_eq!(takeovers["peers"].as_array().map(Vec::len), Some(2));
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "never said: {fleet}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    twin.drain().await;
    first.drain().await;
    world.running.stop().await;
}

/// A gateway that somebody in between speaks for: it passes requests on and alters the answers.
async fn in_between(gateway: String, alter: fn(serde_json::Value) -> serde_json::Value) -> String {
    use axum::{Json, Router, routing::post};
    let forward = move |Json(body): Json<serde_json::Value>| {
        let url = format!("{gateway}/api/enroll");
        async move {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let answer = http.post(url).json(&body).send().await.unwrap();
            Json(alter(answer.json().await.unwrap()))
        }
    };
    let routes = Router::new().route("/api/enroll", post(forward));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stands_between_cannot_give_a_false_authority_and_the_box_can_try_again() {
    let world = World::start().await;
    let code = world.code("box-7");
    let gateway = format!("http://{}", world.running.http);
    let alter = |mut answer: serde_json::Value| {
        let text = answer["answer"]
            .as_str()
            .unwrap()
            .replacen("CERTIFICATE", "CERTIFICATF", 1);
        answer["answer"] = text.into();
        answer
    };
    let false_gateway = in_between(gateway.clone(), alter).await;
    let deceived = world
        .enrolment(&false_gateway, code.clone(), "box")
        .run()
        .await;
    let error = format!("{:#}", deceived.unwrap_err());
    assert!(error.contains("somebody is between"), "{error}");
    assert!(!world.path("box/agent.crt").exists() && !world.path("box/ca.crt").exists());
    // The code was used up by this box's own key: with it the answer is given again.
    world.enrolment(&gateway, code, "box").run().await.unwrap();
    assert!(world.path("box/agent.crt").exists());
    world.running.stop().await;
}
