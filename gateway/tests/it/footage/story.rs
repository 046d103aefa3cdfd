use super::world::{Agent, CAMERA, POINT, UNTOLD, bytes, start, used};
use crate::records::world::{Gateway, decision};
use contract::Timestamp;
use contract::footage::{Manifest, Occasion, Role};
use gateway::store::{Records, sha256, verify_history};
use serde_json::{Value, json};
use std::io::Read as _;

const HOUR: i64 = 3_600_000;
const CASES: &str = "/api/cases?state=open";

fn ago(ms: i64) -> Timestamp {
    Timestamp::now().plus_millis(-ms)
}

fn is_case(cases: &Value) -> bool {
    cases.as_array().is_some_and(|cases| !cases.is_empty())
}

/// Footage of a camera with all that an agent cuts, announced; its id and what belongs to its manifest.
struct Cut {
    id: String,
    still: Vec<u8>,
    clip: Vec<u8>,
    original: Vec<u8>,
}

async fn cut(agent: &mut Agent, at: Timestamp, seed: u64) -> Cut {
    let (still, clip, original) = (
        bytes(2_000, seed),
        bytes(90_000, seed + 1),
        bytes(70_000, seed + 2),
    );
    let detections = br#"{"zones":[],"frames":[]}"#;
    let files = [
        (Role::Still, &still[..]),
        (Role::Clip, &clip[..]),
        (Role::Detections, &detections[..]),
        (Role::Original, &original[..]),
    ];
    let manifest = agent.manifest(CAMERA, at, &files);
    Cut {
        id: agent.announce(&manifest).await,
        still,
        clip,
        original,
    }
}

async fn fetch(gateway: &Gateway, who: &str, path: &str) -> (u16, Vec<u8>) {
    let answer = gateway.send(who, "GET", path, Value::Null).await;
    (
        answer.status().as_u16(),
        answer.bytes().await.unwrap().to_vec(),
    )
}

/// Waits for a case of what a camera saw, and decides it.
async fn decide(gateway: &Gateway, which: &str) -> String {
    let case = gateway.wait(CASES, is_case).await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut body = decision(which, "looked at the pictures", true);
    if which == "confirm" {
        body["ground"] = json!({ "kind": "rule", "id": "T-no-apron" });
    }
    let (status, words) = gateway
        .post("li", &format!("/api/cases/{case}/decision"), body)
        .await;
    assert_eq!(status, 200, "{words}");
    case
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_shows_its_pictures_everybody_who_looks_is_named_and_they_are_sealed_with_it() {
    let gateway = start("").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    let at = ago(60_000);
    agent.sees(CAMERA, at, "mask-1").await;
    let of_case = cut(&mut agent, at, 10).await;
    let other = cut(&mut agent, ago(5 * HOUR), 20).await;
    let page = format!("/api/footage/{}", of_case.id);
    gateway.get_when_there(&page).await;
    gateway
        .get_when_there(&format!("/api/footage/{}", other.id))
        .await;
    for file in [&of_case.still, &of_case.clip] {
        assert_eq!(
            agent.put(&gateway, &sha256(file), file, None).await.status,
            201
        );
    }
    let case = gateway.wait(CASES, is_case).await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let listed = gateway.get(&format!("/api/footage?case={case}")).await;
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let shown = &listed[0];
    assert_eq!(
        (&shown["id"], &shown["cases"]),
        (&json!(of_case.id), &json!([case]))
    );
    assert_eq!(
        (&shown["point"], &shown["zone"]),
        (&json!(POINT), &json!("stove"))
    );
    assert_eq!(shown["camera_name"]["zh"], "灶台摄像机");
    assert_eq!(shown["models"][0]["sha256"], used("mask-1").sha256);
    let states = shown["parts"].as_array().unwrap().iter();
    let states: Vec<&Value> = states.map(|part| &part["state"]).collect();
    assert_eq!(states, ["here", "here", "coming", "at_site"]);
    assert_eq!(
        shown["parts"][1]["holes"],
        json!([[at.as_millis(), at.as_millis() + 900]])
    );
    assert_eq!(shown["viewers"], json!([]));
    let all = gateway.get("/api/footage?site=restaurant&limit=1").await;
    assert_eq!(
        (all.as_array().unwrap().len(), &all[0]["id"]),
        (1, &json!(of_case.id))
    );

    // Looking is noted; what is not here, or is no part, is not looked at.
    let still = format!("{page}/parts/still");
    let answer = gateway.send("chen", "GET", &still, Value::Null).await;
    assert_eq!(answer.headers()["content-type"], "image/jpeg");
    assert_eq!(answer.bytes().await.unwrap(), of_case.still);
    assert_eq!(
        fetch(&gateway, "chen", &format!("{page}/parts/clip"))
            .await
            .1,
        of_case.clip
    );
    assert_eq!(fetch(&gateway, "li", &still).await.0, 200);
    for part in ["detections", "before", "nothing", "original"] {
        let (status, _) = fetch(&gateway, "li", &format!("{page}/parts/{part}")).await;
        assert!(matches!(status, 403 | 404), "{part}: {status}");
    }
    let viewers = gateway.get(&page).await["viewers"].clone();
    let who: Vec<(&Value, &Value)> = viewers
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (&v["who"], &v["times"]))
        .collect();
    assert_eq!(
        who,
        [(&json!("li"), &json!(1)), (&json!("chen"), &json!(2))]
    );

    // What is on disk is not what came: it is not shown, and not sealed.
    let hash = sha256(&of_case.clip);
    let file = gateway
        .folder
        .path()
        .join("data/footage/here")
        .join(&hash[..2])
        .join(&hash);
    std::fs::write(&file, bytes(90_000, 99)).unwrap();
    assert_eq!(
        fetch(&gateway, "li", &format!("{page}/parts/clip")).await.0,
        409
    );

    assert_eq!(decide(&gateway, "confirm").await, case);
    let page = gateway.get(&format!("/api/cases/{case}")).await;
    let bundle = format!(
        "/api/evidence/{}/bundle",
        page["evidence"]["id"].as_str().unwrap()
    );
    let (_, bundle) = fetch(&gateway, "li", &bundle).await;
    gateway::evidence::verify(&bundle, None).unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bundle)).unwrap();
    let mut read = |name: &str| {
        let mut content = Vec::new();
        zip.by_name(name)
            .map(|mut file| file.read_to_end(&mut content))
            .ok()?
            .unwrap();
        Some(content)
    };
    let folder = format!("footage/{}", &of_case.id[..16]);
    assert_eq!(read(&format!("{folder}/still.jpg")), Some(of_case.still));
    let signed: Value =
        serde_json::from_slice(&read(&format!("{folder}/manifest.json")).unwrap()).unwrap();
    assert_eq!(
        sha256(signed["manifest"].as_str().unwrap().as_bytes()),
        of_case.id
    );
    let list: Value = serde_json::from_slice(&read("footage.json").unwrap()).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
    let left_out = |role: &str| {
        let files = list[0]["files"].as_array().unwrap();
        files.iter().find(|f| f["role"] == role).unwrap()["left_out"].clone()
    };
    assert_eq!(left_out("still"), json!(null));
    for (role, why) in [
        ("clip", "altered"),
        ("detections", "not at the gateway"),
        ("original", "not evidence"),
    ] {
        assert!(left_out(role).as_str().unwrap().contains(why), "{list}");
    }
    assert_eq!(read(&format!("{folder}/clip.mjpeg")), None);
    let records = Records::open(&gateway.folder.path().join("data/records.db")).unwrap();
    assert!(verify_history(&records).unwrap().is_ok());
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_original_leaves_its_site_only_after_two_others_approved() {
    let gateway = start("").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    let cut = cut(&mut agent, ago(60_000), 30).await;
    let page = format!("/api/footage/{}", cut.id);
    gateway.get_when_there(&page).await;
    let hash = sha256(&cut.original);
    assert_eq!(agent.head(&gateway, &hash).await.status, 403);
    assert_eq!(
        agent.put(&gateway, &hash, &cut.original, None).await.status,
        403
    );
    let ask = |who: &'static str, reason: &str| {
        let body = json!({ "reason": reason });
        gateway.post(
            who,
            Box::leak(format!("{page}/unmask").into_boxed_str()),
            body,
        )
    };
    let approve = |who: &'static str| {
        let path = Box::leak(format!("{page}/unmask/approve").into_boxed_str());
        gateway.post(who, path, json!({}))
    };
    assert_eq!(approve("wang").await.0, 409);
    assert_eq!(ask("chen", " ").await.0, 400);
    assert_eq!(ask("root", "curious").await.0, 403);
    assert_eq!(ask("li", "whether it was a mask or a beard").await.0, 200);
    assert_eq!(approve("li").await.0, 403);
    assert_eq!(approve("chen").await.0, 403);
    assert_eq!(approve("wang").await.0, 200);
    assert_eq!(approve("wang").await.0, 409);
    assert_eq!(
        agent.put(&gateway, &hash, &cut.original, None).await.status,
        403
    );
    assert!(agent.wanted().is_empty());
    let (status, shown) = approve("zhao").await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (status, &shown["unmasking"]["state"]),
        (200, &json!("approved"))
    );
    assert_eq!(shown["parts"][3]["state"], "wanted");
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while agent.wanted().is_empty() {
        assert!(std::time::Instant::now() < limit, "the agent was not asked");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(agent.wanted(), [json!([hash]).to_string()]);
    assert_eq!(
        agent.put(&gateway, &hash, &cut.original, None).await.status,
        201
    );
    let shown = gateway.get(&page).await;
    assert_eq!(shown["unmasking"]["state"], "here");
    let approvals = shown["unmasking"]["approvals"].as_array().unwrap().iter();
    assert_eq!(
        approvals.map(|a| &a["who"]).collect::<Vec<_>>(),
        ["wang", "zhao"]
    );
    let original = format!("{page}/parts/original");
    assert_eq!(fetch(&gateway, "root", &original).await.0, 403);
    assert_eq!(
        fetch(&gateway, "chen", &original).await,
        (200, cut.original.clone())
    );
    let records = Records::open(&gateway.folder.path().join("data/records.db")).unwrap();
    let said: Vec<(String, String)> = records
        .write("read", |tx| {
            let mut rows =
                tx.prepare("SELECT actor, what FROM history WHERE id = ?1 ORDER BY n")?;
            rows.query_map([&cut.id], |r| Ok((r.get(0)?, r.get(1)?)))?
                .collect()
        })
        .unwrap();
    let line = |who: &str, what: &str| (who.to_owned(), what.to_owned());
    assert_eq!(
        said,
        [
            line("li", "original asked for"),
            line("wang", "original approved"),
            line("zhao", "original approved"),
            line("chen", "footage viewed"),
        ]
    );
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_untold_camera_sees_raises_nothing_and_is_said_on_the_cameras_page() {
    let gateway = start("").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    agent.sees(UNTOLD, ago(3 * HOUR), "mask-1").await;
    agent.sees(CAMERA, ago(60_000), "mask-1").await;
    let cases = gateway.wait(CASES, is_case).await;
    assert_eq!(
        (cases.as_array().unwrap().len(), &cases[0]["signal_count"]),
        (1, &json!(1))
    );
    let cameras = gateway.get("/api/cameras?site=restaurant").await;
    let camera = |id: &str| {
        let all = cameras.as_array().unwrap().iter();
        all.clone()
            .find(|camera| camera["id"] == id)
            .unwrap()
            .clone()
    };
    assert_eq!(camera(CAMERA)["missing"], json!([]));
    let missing = camera(UNTOLD)["missing"].as_array().unwrap().clone();
    let missing: Vec<&str> = missing
        .iter()
        .map(|text| text["en"].as_str().unwrap())
        .collect();
    assert_eq!(missing.len(), 3, "{missing:?}");
    assert!(
        missing[0].contains("purpose")
            && missing[1].contains("sign")
            && missing[2].contains("published")
    );
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_people_reject_works_in_shadow_until_another_model_is_behind_it() {
    let gateway = start("decided_min = 3\n").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    let rule = |cameras: &Value| {
        let all = cameras.as_array().unwrap().iter();
        let camera = all.clone().find(|camera| camera["id"] == CAMERA).unwrap();
        let rules = camera["rules"].as_array().unwrap().iter();
        rules
            .clone()
            .find(|rule| rule["rule"] == "T-no-apron")
            .unwrap()
            .clone()
    };
    for (n, which) in ["confirm", "reject", "reject"].into_iter().enumerate() {
        let shown = rule(&gateway.get("/api/cameras").await);
        assert_eq!(shown["is_shadow"], false, "{shown}");
        agent
            .sees(CAMERA, ago((20 - 3 * n as i64) * HOUR), "mask-1")
            .await;
        decide(&gateway, which).await;
    }
    let shown = rule(&gateway.get("/api/cameras").await);
    assert_eq!(
        (&shown["confirmed"], &shown["set_aside"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(
        (&shown["is_shadow"], &shown["false_alarms"]),
        (&json!(true), &json!(2))
    );
    assert!((shown["precision"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9);
    assert_eq!(shown["models"][0]["name"], "mask-1");
    // Two days at the most were touched, and one at the least.
    let days = shown["camera_days"].as_u64().unwrap();
    assert!((1..=2).contains(&days), "{shown}");
    assert_eq!(shown["false_alarms_per_day"], json!(2.0 / days as f64));

    agent.sees(CAMERA, ago(9 * HOUR), "mask-1").await;
    let in_shadow = |signals: &Value| {
        let signals = signals.as_array().unwrap();
        signals
            .iter()
            .any(|s| s["shadow"] == true && s["case"].is_null())
    };
    gateway
        .wait("/api/sites/restaurant/signals", in_shadow)
        .await;
    assert_eq!(gateway.get(CASES).await, json!([]));
    assert_eq!(
        rule(&gateway.get("/api/cameras").await)["shadow_signals"],
        1
    );

    // Another model is counted from the start, and what was in shadow stays there.
    agent.sees(CAMERA, ago(6 * HOUR), "mask-2").await;
    let cases = gateway.wait(CASES, is_case).await;
    assert_eq!(
        (cases.as_array().unwrap().len(), &cases[0]["signal_count"]),
        (1, &json!(1))
    );
    let shown = rule(&gateway.get("/api/cameras").await);
    assert_eq!(
        (&shown["models"][0]["name"], &shown["is_shadow"]),
        (&json!("mask-2"), &json!(false))
    );
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn footage_goes_when_its_time_is_over_unless_a_case_needs_it_and_that_is_written_down() {
    let gateway = start("keep_days = 30\nbytes_max = 100000000\n").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    let at = ago(60_000);
    agent.sees(CAMERA, at, "mask-1").await;
    let kept = cut(&mut agent, at, 40).await;
    let gone = cut(&mut agent, ago(8 * HOUR), 50).await;
    let look = bytes(3_000, 60);
    let overview = Manifest {
        occasion: Occasion::Overview,
        ..agent.manifest(CAMERA, ago(9 * HOUR), &[(Role::Still, &look)])
    };
    let overview = agent.announce(&overview).await;
    gateway
        .get_when_there(&format!("/api/footage/{overview}"))
        .await;
    for file in [&kept.still, &gone.still, &look] {
        assert_eq!(
            agent.put(&gateway, &sha256(file), file, None).await.status,
            201
        );
    }
    let half = format!("0-44999/{}", gone.clip.len());
    let part = agent
        .put(
            &gateway,
            &sha256(&gone.clip),
            &gone.clip[..45_000],
            Some(&half),
        )
        .await;
    assert_eq!(part.status, 202);
    decide(&gateway, "confirm").await;
    let footage = gateway.running.footage();
    let in_days = |days: i64| Timestamp::now().plus_millis(days * 24 * HOUR);
    assert_eq!(footage.expire(in_days(29)).unwrap(), 0);
    // The detections of both are the same bytes, which a case needs.
    assert_eq!(footage.expire(in_days(31)).unwrap(), 3);
    assert_eq!(footage.expire(in_days(31)).unwrap(), 0);
    let state = async |id: &str, part: usize| {
        gateway.get(&format!("/api/footage/{id}")).await["parts"][part]["state"].clone()
    };
    assert_eq!(state(&kept.id, 0).await, "here");
    assert_eq!(state(&overview, 0).await, "here");
    for (part, expected) in ["deleted", "deleted", "coming", "deleted"]
        .iter()
        .enumerate()
    {
        assert_eq!(state(&gone.id, part).await, *expected);
    }
    assert_eq!(agent.head(&gateway, &sha256(&gone.still)).await.status, 410);
    assert_eq!(
        agent
            .put(&gateway, &sha256(&gone.clip), &gone.clip, None)
            .await
            .status,
        410
    );
    let left = std::fs::read_dir(gateway.folder.path().join("data/footage/partial")).unwrap();
    assert_eq!(left.count(), 0);
    let records = Records::open(&gateway.folder.path().join("data/records.db")).unwrap();
    let said: String = records
        .write("read", |tx| {
            let sql = "SELECT body FROM history WHERE what = 'footage deleted' AND id = ?1";
            tx.query_row(sql, [&gone.id], |r| r.get(0))
        })
        .unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["deleted"], json!([sha256(&gone.still)]));
    assert!(
        said["why"].as_str().unwrap().contains("keep_days"),
        "{said}"
    );
    gateway.running.stop().await;
}
