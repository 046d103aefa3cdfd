//! Who may do what, and that nobody may do anything without signing in.

use super::world::{Gateway, decision};

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
            ["take_up", "set_aside", "note_objection", "ask_unmasking"].as_slice(),
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
                "ask_unmasking",
                "approve_unmasking",
            ],
        ),
        (3000, "root", "admin", &["keep_agents", "control_devices"]),
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
                "/api/agents/agent-unknown/revoke".into(),
                because.clone(),
                allowed("keep_agents", 404),
            ),
            (
                "/api/agents/agent-unknown/control".into(),
                serde_json::json!({ "device": "d", "action": { "kind": "read_clock" }, "reason": "a check" }),
                allowed("control_devices", 404),
            ),
            (
                "/api/agents/agent-unknown/configuration".into(),
                serde_json::json!({ "text": "", "why": "a new meter", "based_on": 0 }),
                allowed("keep_agents", 404),
            ),
            (
                "/api/footage/none/unmask".into(),
                because.clone(),
                allowed("ask_unmasking", 404),
            ),
            (
                "/api/footage/none/unmask/approve".into(),
                because.clone(),
                allowed("approve_unmasking", 404),
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
            // Who enrols is known by the seal of a one-time code; see `fleet`.
            if path == "/api/session" || path == "/api/enroll" {
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
