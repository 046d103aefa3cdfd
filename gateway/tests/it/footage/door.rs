use super::world::{Agent, CAMERA, UNTOLD, bytes, curl, openssl, start};
use contract::Timestamp;
use contract::footage::Role;
use gateway::store::sha256;
use serde_json::json;

fn now() -> Timestamp {
    Timestamp::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_in_pieces_and_only_as_it_was_announced() {
    let gateway = start("").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    let (clip, still) = (bytes(3_000_000, 1), bytes(40_000, 2));
    let (hash, other) = (sha256(&clip), sha256(&still));
    assert_eq!(agent.head(&gateway, &hash).await.status, 404);
    assert_eq!(agent.put(&gateway, &hash, &clip, None).await.status, 404);
    let files = [(Role::Clip, &clip[..]), (Role::Still, &still[..])];
    let id = agent.announce(&agent.manifest(CAMERA, now(), &files)).await;
    let page = format!("/api/footage/{id}");
    let shown = gateway.get_when_there(&page).await;
    assert_eq!(shown["not_taken"], json!(null));
    assert_eq!(shown["parts"][0]["state"], "coming");
    let head = agent.head(&gateway, &hash).await;
    assert_eq!((head.status, head.offset), (204, Some(0)));

    // Ranges that do not fit, and lengths that were not announced.
    let total = clip.len();
    let range = |from: usize, to: usize, of: usize| format!("{from}-{}/{of}", to - 1);
    for (bytes, range, status, offset) in [
        (&clip[..9], range(0, 9, total + 1), 413, None),
        (&clip[..9], range(0, 9, total - 1), 400, None),
        (&clip[..9], range(1, 10, total), 409, Some(0)),
        (&clip[..9], "9-1/10".to_owned(), 400, None),
        (&clip[..9], range(0, 8, total), 400, None),
    ] {
        let put = agent.put(&gateway, &hash, bytes, Some(&range)).await;
        assert_eq!(
            (put.status, put.offset),
            (status, offset),
            "{range}: {put:?}"
        );
    }
    let first = agent
        .put(
            &gateway,
            &hash,
            &clip[..1_000_000],
            Some(&range(0, 1_000_000, total)),
        )
        .await;
    assert_eq!((first.status, first.offset), (202, Some(1_000_000)));
    let head = agent.head(&gateway, &hash).await;
    assert_eq!((head.status, head.offset), (204, Some(1_000_000)));
    let again = agent.put(&gateway, &hash, &clip, None).await;
    assert_eq!((again.status, again.offset), (409, Some(1_000_000)));
    let rest = agent
        .put(
            &gateway,
            &hash,
            &clip[1_000_000..],
            Some(&range(1_000_000, total, total)),
        )
        .await;
    assert_eq!(rest.status, 201, "{rest:?}");
    assert_eq!(agent.head(&gateway, &hash).await.status, 200);
    assert_eq!(agent.put(&gateway, &hash, &clip, None).await.status, 200);

    // Other bytes under an announced hash are thrown away, and the right ones may come afterwards.
    let wrong = agent.put(&gateway, &other, &bytes(40_000, 3), None).await;
    assert!(
        wrong.status == 422 && wrong.words.contains(&sha256(&bytes(40_000, 3))),
        "{wrong:?}"
    );
    let head = agent.head(&gateway, &other).await;
    assert_eq!((head.status, head.offset), (204, Some(0)));
    assert_eq!(agent.put(&gateway, &other, &still, None).await.status, 201);
    let shown = gateway.get(&page).await;
    let states = [&shown["parts"][0]["state"], &shown["parts"][1]["state"]];
    assert_eq!(states, ["here", "here"]);
    let file = gateway
        .folder
        .path()
        .join("data/footage/here")
        .join(&hash[..2])
        .join(&hash);
    assert_eq!(std::fs::read(file).unwrap(), clip);
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_there_is_no_room_footage_of_no_case_goes_first_and_then_nothing_more_is_taken() {
    let gateway = start("bytes_max = 100000000\n").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    let (still, clip) = (bytes(5_000, 6), bytes(9, 7));
    let before = now().plus_millis(-1_000);
    let old = agent.manifest(CAMERA, before, &[(Role::Still, &still)]);
    let old = agent.announce(&old).await;
    let mut vast = agent.manifest(CAMERA, now(), &[(Role::Clip, &clip)]);
    vast.parts[0].bytes = 99_999_000;
    let fits = agent.announce(&vast).await;
    vast.parts[0].sha256 = sha256(b"vaster");
    vast.parts[0].bytes = 100_000_001;
    let too_vast = agent.announce(&vast).await;
    for id in [&old, &fits, &too_vast] {
        gateway.get_when_there(&format!("/api/footage/{id}")).await;
    }
    let put = agent.put(&gateway, &sha256(&still), &still, None).await;
    assert_eq!(put.status, 201);
    let hash = sha256(&clip);
    let put = agent
        .put(&gateway, &hash, &clip, Some("0-8/99999000"))
        .await;
    assert_eq!((put.status, put.offset), (202, Some(9)), "{put:?}");
    let shown = gateway.get(&format!("/api/footage/{old}")).await;
    assert_eq!(shown["parts"][0]["state"], "deleted");
    let hash = sha256(b"vaster");
    let put = agent
        .put(&gateway, &hash, &clip, Some("0-8/100000001"))
        .await;
    assert!(
        put.status == 507 && put.words.contains("bytes_max"),
        "{put:?}"
    );
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upload_that_breaks_goes_on_where_it_ended_and_two_of_one_file_do_not_mix() {
    let gateway = start("").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    let clip = bytes(2_000_000, 4);
    let hash = sha256(&clip);
    let files = [(Role::Clip, &clip[..])];
    let id = agent.announce(&agent.manifest(CAMERA, now(), &files)).await;
    gateway.get_when_there(&format!("/api/footage/{id}")).await;
    let file = gateway.folder.path().join("clip");
    std::fs::write(&file, &clip).unwrap();
    let file = file.to_str().unwrap();
    // 400 kB a second, ended by curl itself in the middle.
    let slow = ["-T", file, "--limit-rate", "400k", "--max-time", "2"];
    let broken = curl(&gateway, Some(&agent.folder), &hash, &slow).await;
    assert!(broken.status < 200, "{broken:?}");
    let mut last = None;
    let has = loop {
        let head = agent.head(&gateway, &hash).await;
        assert_eq!(head.status, 204);
        if head.offset > Some(0) && head.offset == last {
            break head.offset.unwrap() as usize;
        }
        last = head.offset;
    };
    assert!(
        has < clip.len(),
        "{has} bytes came in two seconds at 400 kB/s"
    );
    let range = format!("{has}-{}/{}", clip.len() - 1, clip.len());
    let (one, two) = tokio::join!(
        agent.put(&gateway, &hash, &clip[has..], Some(&range)),
        agent.put(&gateway, &hash, &clip[has..], Some(&range)),
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201], "{one:?} {two:?}");
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_nothing_more_is_told_so_and_what_came_is_kept() {
    let gateway = start("").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    let clip = bytes(9_000, 8);
    let hash = sha256(&clip);
    let files = [(Role::Clip, &clip[..])];
    let id = agent.announce(&agent.manifest(CAMERA, now(), &files)).await;
    gateway.get_when_there(&format!("/api/footage/{id}")).await;
    // curl does not listen while it waits for more to send; openssl does.
    let head =
        format!("PUT /footage/{hash} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 9000\r\n\r\n");
    let sent = [head.as_bytes(), &clip[..1_000]].concat();
    let answer = openssl(&gateway, &agent.folder, sent).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("upload-offset: 1000\r\n"), "{answer}");
    let rest = agent
        .put(&gateway, &hash, &clip[1_000..], Some("1000-8999/9000"))
        .await;
    assert_eq!(rest.status, 201, "{rest:?}");
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_agent_that_announced_it_and_is_not_revoked_may_send_a_file() {
    let gateway = start("").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    let second = Agent::connect(&gateway, "agent-second").await;
    let still = bytes(5_000, 5);
    let hash = sha256(&still);
    let files = [(Role::Still, &still[..])];
    let id = agent.announce(&agent.manifest(CAMERA, now(), &files)).await;
    gateway.get_when_there(&format!("/api/footage/{id}")).await;
    assert_eq!(agent.head(&gateway, &hash).await.status, 204);
    // Another agent of the same site, nobody's certificate, and another authority's.
    assert_eq!(second.put(&gateway, &hash, &still, None).await.status, 404);
    assert_eq!(curl(&gateway, None, &hash, &["-I"]).await.status, 0);
    let strange = tempfile::tempdir().unwrap();
    let ca = gateway::ca::CaFolder::new(&strange.path().join("ca"));
    ca.init(&["x".to_owned()], now()).unwrap();
    let name = contract::AgentId::new("agent-restaurant").unwrap();
    ca.issue_into(&name, &strange.path().join("agent"), now())
        .unwrap();
    let forged = strange.path().join("agent");
    assert_eq!(
        curl(&gateway, Some(&forged), &hash, &["-I"]).await.status,
        0
    );
    for (path, method) in [
        ("none", "-I"),
        ("../api/session", "-I"),
        (hash.as_str(), "-XDELETE"),
    ] {
        let answer = curl(
            &gateway,
            Some(&agent.folder),
            path,
            &[method, "--path-as-is"],
        )
        .await;
        assert!(
            matches!(answer.status, 404 | 405),
            "{path} {method}: {answer:?}"
        );
    }
    let because = json!({ "reason": "the box was stolen" });
    let (status, words) = gateway
        .post("root", "/api/agents/agent-restaurant/revoke", because)
        .await;
    assert_eq!(status, 200, "{words}");
    let refused = agent.put(&gateway, &hash, &still, None).await;
    assert_eq!(refused.status, 0, "a revoked agent was let in: {refused:?}");
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_by_its_sender_or_of_an_untold_camera_is_kept_in_words_and_not_taken() {
    let gateway = start("").await;
    let mut agent = Agent::connect(&gateway, "agent-restaurant").await;
    let mut second = Agent::connect(&gateway, "agent-second").await;
    let at = now();
    let mut expected = Vec::new();
    let still = |n: u64| bytes(1_000, 100 + n);
    let mut add = |id: String, file: &[u8], words: &'static str| {
        expected.push((id, sha256(file), words));
    };
    // Altered after it was signed.
    let file = still(1);
    let mut signed = agent.sign(&agent.manifest(CAMERA, at, &[(Role::Still, &file)]));
    signed.manifest = signed.manifest.replace("\"frames\":50", "\"frames\":51");
    add(
        sha256(signed.manifest.as_bytes()),
        &file,
        "the signature does not belong",
    );
    agent.say(CAMERA, signed).await;
    // Signed by another agent of the same site, in the name of this one.
    let file = still(2);
    let signed = second.sign(&agent.manifest(CAMERA, at, &[(Role::Still, &file)]));
    add(
        sha256(signed.manifest.as_bytes()),
        &file,
        "\"agent-second\"",
    );
    agent.say(CAMERA, signed).await;
    // Of this agent, sent by another one. The agent itself sends the same text later: see below.
    let file = still(3);
    let late = agent.sign(&agent.manifest(CAMERA, at, &[(Role::Still, &file)]));
    let late_id = sha256(late.manifest.as_bytes());
    second.say(CAMERA, late.clone()).await;
    let shown = gateway
        .get_when_there(&format!("/api/footage/{late_id}"))
        .await;
    assert!(
        shown["not_taken"]["en"]
            .as_str()
            .unwrap()
            .contains("not of who sent it"),
        "{shown}"
    );
    // Sent as another camera's.
    let file = still(4);
    let signed = agent.sign(&agent.manifest(UNTOLD, at, &[(Role::Still, &file)]));
    add(
        sha256(signed.manifest.as_bytes()),
        &file,
        "not of who sent it",
    );
    agent.say(CAMERA, signed).await;
    // A certificate that nobody stands for.
    let file = still(5);
    let mut signed = agent.sign(&agent.manifest(CAMERA, at, &[(Role::Still, &file)]));
    let other = tempfile::tempdir().unwrap();
    let ca = gateway::ca::CaFolder::new(other.path());
    ca.init(&["x".to_owned()], at).unwrap();
    let name = contract::AgentId::new("agent-restaurant").unwrap();
    signed.certificate = ca.issue(&name, at).unwrap().certificate;
    add(
        sha256(signed.manifest.as_bytes()),
        &file,
        "certificate does not count",
    );
    agent.say(CAMERA, signed).await;
    // What cannot be: two stills, a file name for a hash.
    let file = still(6);
    let mut manifest = agent.manifest(CAMERA, at, &[(Role::Still, &file), (Role::Clip, &file)]);
    manifest.parts[1].sha256 = "../../etc/passwd".into();
    add(
        agent.announce(&manifest).await,
        &file,
        "says what cannot be",
    );
    // A camera of which people were not told, and pictures of before they were.
    let file = still(7);
    let id = agent
        .announce(&agent.manifest(UNTOLD, at, &[(Role::Still, &file)]))
        .await;
    add(id, &file, "purpose is not stated");
    let file = still(8);
    let before = "2026-01-14T15:59:59Z".parse().unwrap();
    let id = agent
        .announce(&agent.manifest(CAMERA, before, &[(Role::Still, &file)]))
        .await;
    add(id, &file, "was not published yet");
    for (id, hash, words) in expected {
        let shown = gateway.get_when_there(&format!("/api/footage/{id}")).await;
        let said = shown["not_taken"]["en"].as_str().unwrap_or_default();
        assert!(said.contains(words), "{words:?} is not in {shown}");
        let parts = shown["parts"].as_array().unwrap();
        assert!(
            parts.iter().all(|part| part["state"] == "refused"),
            "{shown}"
        );
        let head = agent.head(&gateway, &hash).await;
        assert!(matches!(head.status, 403 | 404), "{words}: {head:?}");
        let put = agent.put(&gateway, &hash, b"x", None).await;
        assert!(matches!(put.status, 403 | 404), "{words}: {put:?}");
    }
    // The true sender of a text that somebody else sent before is believed.
    agent.say(CAMERA, late).await;
    let page = format!("/api/footage/{late_id}");
    gateway
        .wait(&page, |shown| shown["not_taken"].is_null())
        .await;
    let file = still(3);
    assert_eq!(
        agent
            .put(&gateway, &sha256(&file), &file, None)
            .await
            .status,
        201
    );
    gateway.running.stop().await;
}
