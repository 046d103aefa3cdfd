//! Signals become cases, cases findings, findings entries; only by a person.

use super::world::{Gateway, Platform, decision};
use gateway::store::{Records, verify_history};

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
