//! A finding on its way out: delivered in order, at least once, and never again after a refusal.

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::post,
};
use contract::Timestamp;
use gateway::account::{self, Role};
use gateway::credit::{self, Action, Change, Correction, Entry, Status, Step, deliver};
use gateway::detect::rule::{Severity, Text};
use gateway::store::{Records, verify_history};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

/// A platform that answers as told, then 201; it keeps the keys it took, in order.
#[derive(Clone, Default)]
struct Platform {
    answers: Arc<Mutex<VecDeque<u16>>>,
    taken: Arc<Mutex<Vec<(String, serde_json::Value)>>>,
}

async fn receive(
    State(platform): State<Platform>,
    headers: HeaderMap,
    body: String,
) -> impl IntoResponse {
    let answer = platform.answers.lock().unwrap().pop_front().unwrap_or(201);
    if answer < 300 {
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        let body = serde_json::from_str(&body).unwrap();
        platform.taken.lock().unwrap().push((key, body));
    }
    let status = StatusCode::from_u16(answer).unwrap();
    (status, [(header::RETRY_AFTER, "0")], "as told")
}

impl Platform {
    async fn listen(&self) -> String {
        let routes = Router::new()
            .route("/credit-entries", post(receive))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}/")
    }

    fn keys(&self) -> Vec<String> {
        self.taken
            .lock()
            .unwrap()
            .iter()
            .map(|(key, _)| key.clone())
            .collect()
    }
}

fn entry(id: &str) -> Entry {
    let at = Timestamp::now();
    Entry {
        id: id.into(),
        uscc: "914403001922038216".into(),
        name: "示例".into(),
        case: format!("case of {id}"),
        evidence: "e".into(),
        title: Text::default(),
        ground: None,
        severity: Severity::II,
        occurred_at: at,
        recorded_at: at,
        valid_to: at.plus_millis(1_000_000_000),
        timeline: vec![Step {
            status: Status::Notified,
            at,
            by: "li".into(),
            reason: "seen".into(),
        }],
        corrects: None,
        superseded_by: None,
    }
}

struct World {
    _folder: tempfile::TempDir,
    records: Records,
    platform: Platform,
    url: String,
    client: reqwest::Client,
}

async fn world(answers: &[u16]) -> World {
    // An error means that a provider is installed already.
    let _before = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let records = Records::open(&folder.path().join("records.db")).unwrap();
    let platform = Platform::default();
    platform.answers.lock().unwrap().extend(answers);
    let url = platform.listen().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    World {
        _folder: folder,
        records,
        platform,
        url,
        client,
    }
}

impl World {
    fn confirm(&self, id: &str) {
        let entry = entry(id);
        self.records
            .write("confirm", |tx| {
                credit::insert(tx, &entry, "li", entry.recorded_at)
            })
            .unwrap();
    }

    fn act(&self, id: &str, action: Action) {
        let lighter = Correction {
            severity: Some(Severity::I),
            ground: None,
        };
        let change = Change {
            action,
            correction: Some(&lighter),
            by: "li",
            reason: "r",
            now: Timestamp::now(),
        };
        credit::act(&self.records, id, change)
            .unwrap()
            .unwrap()
            .unwrap();
    }

    async fn step(&self) -> usize {
        deliver::step(&self.records, &self.url, &self.client)
            .await
            .unwrap()
    }

    fn outcomes(&self, id: &str) -> Vec<String> {
        let attempts = deliver::attempts(&self.records, id).unwrap();
        attempts.into_iter().map(|a| a.outcome).collect()
    }
}

#[tokio::test]
async fn an_entry_reaches_the_platform_after_it_was_down_and_every_attempt_is_kept() {
    let world = world(&[503, 500]).await;
    world.confirm("a");
    assert_eq!(
        (world.step().await, world.step().await, world.step().await),
        (0, 0, 1)
    );
    assert_eq!(
        world.step().await,
        0,
        "what was delivered is not sent again"
    );
    assert_eq!(world.outcomes("a"), ["failed", "failed", "delivered"]);
    assert_eq!(world.platform.keys(), ["a-1"]);
}

#[tokio::test]
async fn versions_of_one_entry_arrive_in_order_and_do_not_hold_up_others() {
    let world = world(&[503, 201]).await;
    world.confirm("a");
    world.act("a", Action::Withdraw);
    world.confirm("b");
    // The first version of a fails, so its withdrawal must wait; b goes.
    assert_eq!(world.step().await, 1);
    assert_eq!(world.platform.keys(), ["b-1"]);
    assert_eq!((world.step().await, world.step().await), (1, 1));
    assert_eq!(world.platform.keys(), ["b-1", "a-1", "a-2"]);
    let withdrawn = world.platform.taken.lock().unwrap()[2].1.clone();
    assert_eq!(
        (&withdrawn["op"], &withdrawn["status"]),
        (&"d".into(), &"withdrawn".into())
    );
    assert_eq!(verify_history(&world.records).unwrap(), Ok(3));
}

#[tokio::test]
async fn a_correction_arrives_after_the_mark_on_what_it_replaces_and_a_repeat_is_the_same() {
    let world = world(&[201, 503]).await;
    world.confirm("a");
    world.act("a", Action::Correct);
    // The mark on the old entry fails, so the new entry must wait.
    assert_eq!((world.step().await, world.step().await), (1, 0));
    assert_eq!((world.step().await, world.step().await), (1, 1));
    assert_eq!(world.platform.keys(), ["a-1", "a-2", "a-c2-1"]);
    let taken = world.platform.taken.lock().unwrap().clone();
    let (old, new) = (&taken[1].1, &taken[2].1);
    assert_eq!(
        (&old["op"], &old["status"]),
        (&"u".into(), &"corrected".into())
    );
    assert_eq!(old["superseded_by"], "a-c2");
    assert_eq!(
        (&new["op"], &new["corrects"], &new["severity"]),
        (&"i".into(), &"a".into(), &"I".into())
    );
    // A crash between delivery and writing it down: everything goes again.
    world
        .records
        .write("forget", |tx| {
            tx.execute("UPDATE outbox SET delivered_at = NULL, due_at = 0", [])
        })
        .unwrap();
    while world.step().await > 0 {}
    assert_eq!(
        world.platform.taken.lock().unwrap()[3..],
        taken,
        "same keys, same bodies"
    );
    let entries = credit::of(&world.records, &entry("a").uscc).unwrap();
    assert_eq!(entries.len(), 2, "both are visible");
    assert_eq!(
        gateway::risk::grade(&entries, Timestamp::now()).score,
        1.0,
        "only the new one counts"
    );
}

#[tokio::test]
async fn what_the_platform_refuses_is_kept_with_its_words_and_not_sent_again() {
    let world = world(&[409]).await;
    world.confirm("a");
    assert_eq!((world.step().await, world.step().await), (0, 0));
    let attempts = deliver::attempts(&world.records, "a").unwrap();
    assert_eq!(attempts.len(), 1);
    assert!(attempts[0].outcome == "refused" && attempts[0].answer.contains("as told"));
}

#[tokio::test]
async fn nothing_is_lost_when_nobody_listens() {
    let world = world(&[]).await;
    world.confirm("a");
    let nobody = "http://127.0.0.1:1";
    assert_eq!(
        deliver::step(&world.records, nobody, &world.client)
            .await
            .unwrap(),
        0
    );
    assert_eq!(world.outcomes("a"), ["failed"]);
    // It comes again after a second or so.
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while world.step().await == 0 {
        assert!(std::time::Instant::now() < limit, "it was not sent again");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(world.platform.keys(), ["a-1"]);
}

/// A gateway with the example registry and rules, and three people.
struct Gateway {
    running: gateway::app::Running,
    signals: gateway::detect::Signals,
    folder: tempfile::TempDir,
    http: reqwest::Client,
    base: String,
    cookies: std::collections::HashMap<&'static str, String>,
}

impl Gateway {
    async fn start(platform: &str) -> Gateway {
        let _before = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let config = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        let data = folder.path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        let text = format!(
            "data = {data:?}\nhttp = \"127.0.0.1:0\"\nregistry = {:?}\nrules = {:?}\n\
             [broker]\nlisten = \"127.0.0.1:0\"\nallow_anonymous = true\n[credit]\nplatform = {platform:?}\n",
            config.join("registry.toml"),
            config.join("rules"),
        );
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, text).unwrap();
        let mut problems = contract::problems::Problems::new();
        let config =
            gateway::config::load(&file, &mut problems).expect("the configuration is read");
        assert!(problems.is_empty(), "{problems}");
        let records = Records::open(&data.join("records.db")).unwrap();
        let mut passwords = Vec::new();
        for (name, role) in [
            ("chen", Role::Inspector),
            ("li", Role::Reviewer),
            ("root", Role::Admin),
        ] {
            passwords.push((name, account::add(&records, name, role).unwrap()));
        }
        let running = gateway::app::start(config).await.unwrap();
        let base = format!("http://{}", running.http);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut cookies = std::collections::HashMap::new();
        for (name, password) in passwords {
            let body = serde_json::json!({ "user": name, "password": password });
            let response = http
                .post(format!("{base}/api/session"))
                .json(&body)
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), 200);
            let cookie = response.headers()["set-cookie"].to_str().unwrap();
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
            cookies.insert(name, cookie.split(';').next().unwrap().to_owned());
        }
        let signals = gateway::detect::Signals::open(&data.join("detect.db")).unwrap();
        Gateway {
            running,
            signals,
            folder,
            http,
            base,
            cookies,
        }
    }

    async fn send(
        &self,
        who: &str,
        method: &str,
        path: &str,
        body: serde_json::Value,
    ) -> reqwest::Response {
        let mut request = self
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.base));
        if let Some(cookie) = self.cookies.get(who) {
            request = request.header("cookie", cookie);
        }
        if method == "POST" {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str) -> serde_json::Value {
        let response = self.send("li", "GET", path, serde_json::Value::Null).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// The answer's status, and its words.
    async fn post(&self, who: &str, path: &str, body: serde_json::Value) -> (u16, String) {
        let response = self.send(who, "POST", path, body).await;
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Waits until `path` answers something that `is_there` accepts.
    async fn wait(
        &self,
        path: &str,
        is_there: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let answer = self.get(path).await;
            if is_there(&answer) {
                return answer;
            }
            assert!(
                std::time::Instant::now() < limit,
                "{path} still answers {answer}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// The id of the first case that nobody decided.
    async fn undecided(&self) -> String {
        let is_there = |cases: &serde_json::Value| !cases.as_array().unwrap().is_empty();
        let cases = self.wait("/api/cases?state=open", is_there).await;
        cases[0]["id"].as_str().unwrap().to_owned()
    }

    fn raise(&self, device: &str, minutes_ago: i64) {
        self.raise_from(device, minutes_ago, None);
    }

    /// Raises a signal of a model, or of a rule if there is none.
    fn raise_from(&self, device: &str, minutes_ago: i64, model: Option<&str>) {
        let mut problems = contract::problems::Problems::new();
        let rules = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/rules");
        let rules = gateway::detect::rule::load(&rules, &mut problems);
        let rule = rules.iter().find(|r| r.point == "temperature").unwrap();
        let opened_at = Timestamp::now().plus_millis(-minutes_ago * 60_000);
        let signal = gateway::detect::Signal {
            id: format!("{device}{minutes_ago}"),
            source: match model {
                Some(name) => gateway::detect::Source::Model {
                    name: name.into(),
                    version: 1,
                    sha256: "0".repeat(64),
                },
                None => gateway::detect::Source::Rule {
                    id: rule.id.clone(),
                    version: rule.version,
                },
            },
            site: contract::SiteId::new("restaurant").unwrap(),
            device: contract::DeviceId::new(device).unwrap(),
            point: contract::PointName::new("temperature").unwrap(),
            severity: if model.is_some() {
                Severity::I
            } else {
                Severity::III
            },
            opened_at,
            last_at: opened_at.plus_millis(30_000),
            closed_at: Some(opened_at.plus_millis(30_000)),
            measured: 12.5,
            peak: 13.0,
            limit: Some(8.0),
            unit: "℃".into(),
            journal_seq: 1,
        };
        self.signals.apply(&[signal]).unwrap();
    }
}

fn decision(which: &str, reason: &str, all: bool) -> serde_json::Value {
    let ground = (which == "confirm").then(|| serde_json::json!({ "kind": "rule", "id": "F-02a" }));
    serde_json::json!({ "decision": which, "reason": reason, "ground": ground,
        "checks": { "true": true, "complete": true, "clear": true, "accurate": all } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_becomes_a_finding_only_by_a_reviewer_and_then_reaches_record_platform_and_plan() {
    let platform = Platform::default();
    let gateway = Gateway::start(&platform.listen().await).await;
    gateway.raise("cold-room", 20);
    let id = gateway.undecided().await;
    let path = format!("/api/cases/{id}/decision");
    let refused = [
        ("nobody", decision("confirm", "so", true), 401),
        ("chen", decision("confirm", "so", true), 403),
        ("li", decision("confirm", "so", false), 400),
        ("li", decision("reject", " ", true), 400),
    ];
    for (who, body, status) in refused {
        let (answered, words) = gateway.post(who, &path, body.clone()).await;
        assert!(
            answered == status && words.contains("error"),
            "{who} {body}: {answered} {words}"
        );
    }
    assert!(
        platform.keys().is_empty(),
        "nothing leaves before a person decided"
    );
    assert_eq!(
        gateway
            .post(
                "chen",
                &format!("/api/cases/{id}/take"),
                serde_json::json!({})
            )
            .await
            .0,
        200
    );
    let (status, words) = gateway
        .post("li", &path, decision("confirm", "went there", true))
        .await;
    assert_eq!(status, 200, "{words}");
    assert_eq!(
        gateway
            .post("li", &path, decision("reject", "no", true))
            .await
            .0,
        409
    );

    let case = gateway.get(&format!("/api/cases/{id}")).await;
    assert_eq!(case["state"], "confirmed");
    let evidence = case["evidence"]["id"].as_str().unwrap();
    let bundle = gateway
        .send(
            "li",
            "GET",
            &format!("/api/evidence/{evidence}/bundle"),
            serde_json::Value::Null,
        )
        .await;
    let bundle = bundle.bytes().await.unwrap();
    let verified = gateway::evidence::verify(&bundle, None).unwrap();
    assert_eq!(
        (
            verified.manifest.case.as_str(),
            verified.manifest.site.as_str()
        ),
        (&*id, "restaurant")
    );

    let uscc = case["business"]["uscc"].as_str().unwrap();
    let credit = format!("/api/businesses/{uscc}/credit");
    let delivered =
        |page: &serde_json::Value| page["entries"][0]["deliveries"][0]["outcome"] == "delivered";
    let page = gateway.wait(&credit, delivered).await;
    assert_ne!(page["grade"], "A", "a finding raises the class");
    assert_eq!(platform.keys().len(), 1);
    let plan = gateway.get("/api/inspection/plan").await;
    assert_eq!(
        plan["visits"][0]["site"], "restaurant",
        "the site with a finding comes first"
    );

    let entry = page["entries"][0]["id"].as_str().unwrap();
    let because = serde_json::json!({ "reason": "the probe was in ice" });
    let act = |action: &str| format!("/api/credit/{entry}/{action}");
    assert_eq!(
        gateway
            .post("chen", &act("withdraw"), because.clone())
            .await
            .0,
        403
    );
    assert_eq!(
        gateway
            .post("chen", &act("objection"), because.clone())
            .await
            .0,
        200
    );
    assert_eq!(
        gateway
            .post("li", &act("withdraw"), because.clone())
            .await
            .0,
        200
    );
    assert_eq!(gateway.post("li", &act("repair"), because).await.0, 409);
    assert_eq!(
        gateway.get(&credit).await["grade"],
        "A",
        "a withdrawal takes the class back"
    );
    gateway.wait(&credit, |_| platform.keys().len() == 3).await;
    let records = Records::open(&gateway.folder.path().join("data/records.db")).unwrap();
    assert!(matches!(verify_history(&records).unwrap(), Ok(rows) if rows >= 5));
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_model_noticed_becomes_a_finding_when_a_person_names_the_ground_and_not_before()
{
    let platform = Platform::default();
    let gateway = Gateway::start(&platform.listen().await).await;
    gateway.raise_from("cold-room", 20, Some("forecaster"));
    let id = gateway.undecided().await;
    let page = gateway.get(&format!("/api/cases/{id}")).await;
    let grounds = page["grounds"].as_array().unwrap();
    assert!(
        grounds.iter().all(|g| g["raised"] == false),
        "a machine names none"
    );
    assert_eq!(page["blockers"], serde_json::json!([]));
    let path = format!("/api/cases/{id}/decision");
    let mut body = decision("confirm", "went there: the records stop in May", true);
    for (ground, said) in [
        (serde_json::Value::Null, "name the rule"),
        (
            serde_json::json!({ "kind": "item", "id": "E-2" }),
            "no rule or inspection item",
        ),
        (
            serde_json::json!({ "kind": "rule", "id": "M-1" }),
            "no rule or inspection item",
        ),
    ] {
        body["ground"] = ground;
        let (status, words) = gateway.post("li", &path, body.clone()).await;
        assert!(status == 400 && words.contains(said), "{status} {words}");
    }
    assert!(platform.keys().is_empty());
    body["ground"] = serde_json::json!({ "kind": "item", "id": "M-1" });
    let (status, words) = gateway.post("li", &path, body).await;
    assert_eq!(status, 200, "{words}");
    let page = gateway.get(&format!("/api/cases/{id}")).await;
    assert_eq!(page["decision"]["ground"]["id"], "M-1");
    let uscc = page["business"]["uscc"].as_str().unwrap();
    let credit = gateway.get(&format!("/api/businesses/{uscc}/credit")).await;
    let entry = &credit["entries"][0];
    assert_eq!(
        (&entry["title"]["en"], &entry["severity"]),
        (&"Temperature records of cold storage".into(), &"I".into())
    );
    gateway
        .wait("/api/status", |_| platform.keys().len() == 1)
        .await;
    let sent = platform.taken.lock().unwrap()[0].1.clone();
    assert_eq!(sent["ground"]["basis"]["en"], "Market supervision");
    correct_and_repair(&gateway, uscc, entry["id"].as_str().unwrap()).await;
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_of_one_site_and_time_are_one_case_across_devices_sealed_with_the_readings_of_each()
{
    let gateway = Gateway::start("http://127.0.0.1:1").await;
    gateway.raise("cold-room", 50);
    gateway.raise("kitchen-camera", 20);
    gateway.raise("freezer", 10);
    gateway.raise("freezer", 500);
    let gathered = |cases: &serde_json::Value| {
        let mut counts: Vec<u64> = cases
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["signal_count"].as_u64().unwrap())
            .collect();
        counts.sort_unstable();
        counts == [1, 3]
    };
    let cases = gateway.wait("/api/cases?state=open", gathered).await;
    let case = cases
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["signal_count"] == 3)
        .unwrap();
    let id = case["id"].as_str().unwrap();
    let page = gateway.get(&format!("/api/cases/{id}")).await;
    let devices: Vec<&str> = page["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["id"].as_str().unwrap())
        .collect();
    assert_eq!(devices, ["cold-room", "kitchen-camera", "freezer"]);
    assert_eq!(page["points"].as_array().unwrap().len(), 3);
    assert_eq!(
        page["blockers"],
        serde_json::json!([]),
        "two of its devices may give evidence"
    );
    let path = format!("/api/cases/{id}/decision");
    let (status, words) = gateway
        .post("li", &path, decision("confirm", "went there", true))
        .await;
    assert_eq!(status, 200, "{words}");
    let page = gateway.get(&format!("/api/cases/{id}")).await;
    let bundle = format!(
        "/api/evidence/{}/bundle",
        page["evidence"]["id"].as_str().unwrap()
    );
    let bundle = gateway
        .send("li", "GET", &bundle, serde_json::Value::Null)
        .await
        .bytes()
        .await
        .unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bundle)).unwrap();
    let provenance: serde_json::Value =
        serde_json::from_reader(zip.by_name("provenance.json").unwrap()).unwrap();
    let fit: Vec<bool> = provenance["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["fitness"]["fit"].as_bool().unwrap())
        .collect();
    assert_eq!(
        fit,
        [true, false, true],
        "what is reference only is marked so"
    );
    gateway.running.stop().await;
}

/// Objection, correction and repair: each says who, when and why, on the entry it was done to.
async fn correct_and_repair(gateway: &Gateway, uscc: &str, old: &str) {
    let credit = format!("/api/businesses/{uscc}/credit");
    let act = |entry: &str, action: &str| format!("/api/credit/{entry}/{action}");
    let because = |reason: &str| serde_json::json!({ "reason": reason });
    let (status, words) = gateway
        .post(
            "chen",
            &act(old, "objection"),
            because("it was another fridge"),
        )
        .await;
    assert_eq!(status, 200, "{words}");
    let mut body = because("the temperature itself was too high");
    let (status, words) = gateway.post("li", &act(old, "correct"), body.clone()).await;
    assert!(
        status == 400 && words.contains("changes nothing"),
        "{words}"
    );
    body["correction"] =
        serde_json::json!({ "ground": { "kind": "rule", "id": "F-02a" }, "severity": "II" });
    let (status, words) = gateway.post("li", &act(old, "correct"), body).await;
    assert_eq!(status, 200, "{words}");
    let new = format!("{old}-c2");
    let (status, words) = gateway
        .post("li", &act(old, "withdraw"), because("no"))
        .await;
    assert!(status == 409 && words.contains(&new), "{words}");
    for (action, reason) in [
        ("in_force", "nobody was heard"),
        ("repair", "trained, and kept for a month"),
    ] {
        let (status, words) = gateway
            .post("li", &act(&new, action), because(reason))
            .await;
        assert_eq!(status, 200, "{words}");
    }
    let page = gateway.get(&credit).await;
    let told = |id: &str| {
        let entries = page["entries"].as_array().unwrap();
        let entry = entries.iter().find(|e| e["id"] == id).unwrap();
        let steps = entry["timeline"].as_array().unwrap().iter();
        let step = |s: &serde_json::Value| {
            assert!(s["at"].as_i64().unwrap() > 0);
            format!("{} by {}: {}", s["status"], s["by"], s["reason"]).replace('"', "")
        };
        (entry.clone(), steps.map(step).collect::<Vec<_>>())
    };
    let (entry, steps) = told(old);
    assert_eq!(entry["superseded_by"], new.as_str());
    assert_eq!(
        steps[1..],
        [
            "under_objection by chen: it was another fridge",
            "corrected by li: the temperature itself was too high"
        ]
    );
    let (entry, steps) = told(&new);
    assert_eq!(
        (&entry["corrects"], &entry["severity"]),
        (&old.into(), &"II".into())
    );
    assert_eq!(
        steps,
        [
            "notified by li: the temperature itself was too high",
            "in_force by li: nobody was heard",
            "repaired by li: trained, and kept for a month"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_may_do_what_it_is_for_and_is_told_in_both_languages_what_it_may_not() {
    let gateway = Gateway::start("http://127.0.0.1:1").await;
    let because = serde_json::json!({ "reason": "the door was open for a delivery" });
    let act = |entry: &str, action: &str| format!("/api/credit/{entry}/{action}");
    for (minutes_ago, who, role, may) in [
        (
            9000,
            "chen",
            "inspector",
            ["take_up", "set_aside", "note_objection"].as_slice(),
        ),
        (
            6000,
            "li",
            "reviewer",
            &[
                "take_up",
                "set_aside",
                "confirm",
                "note_objection",
                "change_record",
            ],
        ),
        (3000, "root", "admin", &[]),
    ] {
        let me = gateway
            .send(who, "GET", "/api/session", serde_json::Value::Null)
            .await;
        let me: serde_json::Value = me.json().await.unwrap();
        assert_eq!(
            (&me["role"], &me["may"]),
            (&role.into(), &serde_json::json!(may))
        );
        let allowed = |act: &str, status: u16| if may.contains(&act) { status } else { 403 };
        gateway.raise("cold-room", minutes_ago);
        let case = gateway.undecided().await;
        let decide = format!("/api/cases/{case}/decision");
        for (path, body, expected) in [
            (
                format!("/api/cases/{case}/take"),
                serde_json::json!({}),
                allowed("take_up", 200),
            ),
            (
                decide.clone(),
                decision("reject", "", false),
                allowed("set_aside", 400),
            ),
            (
                decide.clone(),
                decision("confirm", "so", false),
                allowed("confirm", 400),
            ),
            (
                act("none", "objection"),
                because.clone(),
                allowed("note_objection", 404),
            ),
            (
                act("none", "in_force"),
                because.clone(),
                allowed("change_record", 404),
            ),
            (
                act("none", "uphold"),
                because.clone(),
                allowed("change_record", 404),
            ),
            (
                act("none", "correct"),
                because.clone(),
                allowed("change_record", 404),
            ),
            (
                act("none", "withdraw"),
                because.clone(),
                allowed("change_record", 404),
            ),
            (
                act("none", "repair"),
                because.clone(),
                allowed("change_record", 404),
            ),
            (
                decide,
                decision("reject", "went there, all is well", false),
                allowed("set_aside", 200),
            ),
        ] {
            let (status, words) = gateway.post(who, &path, body).await;
            assert_eq!(status, expected, "{who} {path}: {words}");
            if status != 200 {
                let said: serde_json::Value = serde_json::from_str(&words).unwrap();
                let words = |lang: &str| said["message"][lang].as_str().unwrap().to_owned();
                assert!(
                    words("zh").chars().any(|c| ('一'..='龥').contains(&c)),
                    "{said}"
                );
                assert!(
                    said["error"] == words("en") && !words("en").is_empty(),
                    "{said}"
                );
            }
        }
    }
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_anything_without_signing_in() {
    let gateway = Gateway::start("http://127.0.0.1:1").await;
    let described: serde_json::Value = serde_json::from_str(&gateway::api::openapi()).unwrap();
    for (path, operations) in described["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            if path == "/api/session" {
                continue;
            }
            let path = path.replace("{action}", "withdraw").replace(['{', '}'], "");
            let path = if path == "/api/series" {
                format!("{path}?site=s&device=d&point=p&from=0&to=1")
            } else {
                path
            };
            let method = method.to_uppercase();
            let answer = gateway
                .send("nobody", &method, &path, serde_json::json!({}))
                .await;
            assert_eq!(answer.status(), 401, "{method} {path}");
        }
    }
    assert_eq!(
        gateway
            .send("nobody", "GET", "/api/events", serde_json::Value::Null)
            .await
            .status(),
        401
    );
    let home = gateway
        .send("nobody", "GET", "/", serde_json::Value::Null)
        .await;
    assert!(
        home.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("default-src 'self'")
    );
    gateway.running.stop().await;
}
