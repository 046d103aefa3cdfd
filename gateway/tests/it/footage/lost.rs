use super::world::*;
use crate::records::world::Gateway;
use contract::{
    DeviceId, Timestamp,
    footage::{Loss, LostBy, Role, Said},
    hex::sha256,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn ago(ms: i64) -> Timestamp {
    Timestamp::now().plus_millis(-ms)
}

async fn until(gateway: &Gateway, path: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        let said = gateway.get_when_there(path).await;
        if is(&said) {
            return said;
        }
        assert!(Instant::now() < limit, "{what}: {said}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// The same gateway, stopped and started.
async fn restarted(gateway: Gateway) -> Gateway {
    let file = gateway.folder.path().join("gateway.toml");
    gateway.running.stop().await;
    let mut problems = contract::problems::Problems::new();
    let config = gateway::config::load(&file, &mut problems).expect("it was read before");
    let running = gateway::app::start(config).await.unwrap();
    Gateway {
        base: format!("http://{}", running.http),
        running,
        ..gateway
    }
}

fn state(shown: &Value, part: usize) -> &str {
    shown["parts"][part]["state"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_site_lost_is_shown_as_lost_with_its_reason_and_nobody_else_may_say_so() {
    let gateway = start("").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    let files = [
        bytes(3_000, 1),
        bytes(400_000, 2),
        bytes(900, 3),
        bytes(500, 4),
    ];
    let [still, clip, detections, original] = &files;
    let announced = agent.manifest(
        CAMERA,
        ago(60_000),
        &[
            (Role::Still, still),
            (Role::Clip, clip),
            (Role::Detections, detections),
            (Role::Original, original),
        ],
    );
    let page = format!("/api/footage/{}", agent.announce(&announced).await);
    gateway.get_when_there(&page).await;
    let count = |status: &Value| {
        let of = &status["footage"];
        let counts = ["here", "coming", "lost", "bytes"].map(|key| of[key].as_u64().unwrap());
        (counts[0], counts[1], counts[2], counts[3])
    };
    let status = gateway.get("/api/status").await;
    assert_eq!(count(&status), (0, 3, 0, 0), "{status}");
    let hash = sha256(clip);
    assert_eq!(
        agent
            .put(&gateway, &sha256(still), still, None)
            .await
            .status,
        201
    );
    let range = Some("0-99999/400000");
    let sent = agent.put(&gateway, &hash, &clip[..100_000], range).await;
    assert_eq!(sent.status, 202);
    assert_eq!(count(&gateway.get("/api/status").await), (1, 2, 0, 103_000));
    let at = ago(1_000);
    let loss = |sha256: &str, role, by| Loss {
        format: 1,
        site: announced.site.clone(),
        agent: announced.agent.clone(),
        camera: DeviceId::new(CAMERA).unwrap(),
        lost_sha256: sha256.to_owned(),
        role,
        at,
        by,
    };
    // Altered after it was signed, and of another camera than its record: neither counts.
    let mut altered = agent.sign(&loss(&hash, Role::Clip, LostBy::Damaged));
    altered.manifest = altered.manifest.replace("damaged", "full");
    let another = agent.sign(&loss(&hash, Role::Clip, LostBy::Damaged));
    for (camera, signed) in [(CAMERA, altered), (UNTOLD, another)] {
        agent.record(camera, None, Some(&Said::Lost(signed))).await;
    }
    for (hash, role, by) in [
        (&sha256(original), Role::Original, LostBy::Expired),
        (&hash, Role::Clip, LostBy::Full),
    ] {
        let signed = agent.sign(&loss(hash, role, by));
        agent.record(CAMERA, None, Some(&Said::Lost(signed))).await;
    }
    let shown = until(&gateway, &page, "lost", |shown| state(shown, 1) == "lost").await;
    let states: Vec<&str> = (0..4).map(|part| state(&shown, part)).collect();
    assert_eq!(states, ["here", "lost", "coming", "lost"]);
    let lost = &shown["parts"][1]["lost"];
    assert_eq!(lost["at"], json!(at.as_millis()));
    assert!(lost["why"]["en"].as_str().unwrap().contains("was full"));
    assert!(lost["why"]["zh"].as_str().unwrap().contains("已满"));
    assert!(shown["parts"][0]["lost"].is_null());
    // What had come of it is gone, and nobody waits for it.
    assert_eq!(count(&gateway.get("/api/status").await), (1, 1, 2, 3_000));
    let ask = gateway.post("li", leak(&page, "/unmask"), json!({ "reason": "why" }));
    assert_eq!(ask.await.0, 409, "there is no original any more");
    // A restart knows the same.
    let gateway = restarted(gateway).await;
    let shown = gateway.get_when_there(&page).await;
    assert_eq!((state(&shown, 1), state(&shown, 2)), ("lost", "coming"));
    assert_eq!(count(&gateway.get("/api/status").await), (1, 1, 2, 3_000));
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_whole_before_the_line_broke_is_looked_at_when_it_is_asked_for() {
    let gateway = start("").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    let (still, clip) = (bytes(3_000, 1), bytes(4_000, 2));
    let files: [(Role, &[u8]); 2] = [(Role::Still, &still), (Role::Clip, &clip)];
    let announced = agent.manifest(CAMERA, ago(60_000), &files);
    let page = format!("/api/footage/{}", agent.announce(&announced).await);
    gateway.get_when_there(&page).await;
    // As an agent leaves them that ends with its last byte: one is right, one is not.
    let other = bytes(4_000, 3);
    for (hash, sent) in [(sha256(&still), &still), (sha256(&clip), &other)] {
        let (last, but_last) = sent.split_last().unwrap();
        let range = format!("0-{}/{}", but_last.len() - 1, sent.len());
        let put = agent.put(&gateway, &hash, but_last, Some(&range)).await;
        assert_eq!(put.status, 202);
        let partial = gateway.folder.path().join("data/footage/partial");
        let mut all = but_last.to_vec();
        all.push(*last);
        std::fs::write(partial.join(&hash), all).unwrap();
    }
    assert_eq!(agent.head(&gateway, &sha256(&still)).await.status, 200);
    let head = agent.head(&gateway, &sha256(&clip)).await;
    assert_eq!((head.status, head.offset), (204, Some(0)));
    let put = agent.put(&gateway, &sha256(&clip), &clip, None).await;
    assert_eq!(put.status, 201);
    let shown = gateway.get_when_there(&page).await;
    assert_eq!((state(&shown, 0), state(&shown, 1)), ("here", "here"));
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_taken_is_told_from_what_may_be_taken_later() {
    let gateway = start("").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    let (still, other, original) = (bytes(300, 1), bytes(300, 2), bytes(300, 3));
    let untold = agent.manifest(UNTOLD, ago(60_000), &[(Role::Still, &still)]);
    agent.announce(&untold).await;
    let files: [(Role, &[u8]); 1] = [(Role::Still, &other)];
    let mut signed = agent.sign(&agent.manifest(CAMERA, ago(60_000), &files));
    signed.signature = "00".into();
    agent.say(CAMERA, signed).await;
    let sealed = agent.manifest(CAMERA, ago(50_000), &[(Role::Original, &original)]);
    let page = format!("/api/footage/{}", agent.announce(&sealed).await);
    gateway.get_when_there(&page).await;
    let said = |hash: String| {
        let (agent, gateway) = (&agent, &gateway);
        async move {
            let said = agent.head(gateway, &hash).await;
            (said.status, said.refused)
        }
    };
    let refused = |word: &str| (403, Some(word.to_owned()));
    assert_eq!(said(sha256(&still)).await, refused("not_told"));
    assert_eq!(said(sha256(&original)).await, refused("not_approved"));
    // Nobody else is told so.
    assert_eq!(said(sha256(&other)).await, refused("manifest"));
    assert_eq!(said(sha256(b"never said")).await, (404, None));
    let stranger = Agent::connect(&gateway, "agent-second").await;
    assert_eq!(stranger.head(&gateway, &sha256(&other)).await.status, 404);
    let status = gateway.get("/api/status").await;
    assert_eq!(status["footage"]["coming"], 0);
    assert_eq!(status["footage"]["not_counted"], 1);
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_for_an_original_is_refused_or_taken_back_with_a_reason_that_is_shown() {
    let gateway = start("").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    let original = bytes(300, 3);
    let sealed = agent.manifest(CAMERA, ago(50_000), &[(Role::Original, &original)]);
    let page = format!("/api/footage/{}", agent.announce(&sealed).await);
    gateway.get_when_there(&page).await;
    let post = |who: &'static str, what: &str, reason: &str| {
        gateway.post(who, leak(&page, what), json!({ "reason": reason }))
    };
    assert_eq!(post("wang", "/unmask/refuse", "no").await.0, 409);
    assert_eq!(post("li", "/unmask", "a beard or a mask").await.0, 200);
    assert_eq!(post("wang", "/unmask/approve", "").await.0, 200);
    assert_eq!(post("li", "/unmask/refuse", "no").await.0, 403);
    assert_eq!(post("zhao", "/unmask/withdraw", "no").await.0, 403);
    assert_eq!(post("zhao", "/unmask/refuse", " ").await.0, 400);
    assert_eq!(
        post("zhao", "/unmask/refuse", &"x".repeat(501)).await.0,
        400
    );
    let (status, shown) = post("zhao", "/unmask/refuse", "the masked ones show it").await;
    assert_eq!(status, 200);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let wish = &shown["unmasking"];
    assert_eq!(wish["state"], "refused");
    assert_eq!(
        (&wish["end"]["by"], &wish["end"]["reason"]),
        (&json!("zhao"), &json!("the masked ones show it"))
    );
    assert_eq!(state(&shown, 0), "at_site");
    assert_eq!(post("wang", "/unmask/approve", "").await.0, 409);
    assert_eq!(post("li", "/unmask", "the objection came").await.0, 200);
    let (status, shown) = post("li", "/unmask/withdraw", "it was settled").await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (status, &shown["unmasking"]["state"]),
        (200, &json!("withdrawn"))
    );
    let hash = sha256(&original);
    let refused = agent.head(&gateway, &hash).await.refused;
    assert_eq!(refused.as_deref(), Some("not_approved"));
    assert!(agent.wanted().is_empty());
    gateway.running.stop().await;
}

fn leak(page: &str, more: &str) -> &'static str {
    Box::leak(format!("{page}{more}").into_boxed_str())
}
