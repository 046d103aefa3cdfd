//! The whole story on one running world: planted faults become signals, a person decides, what was confirmed is sealed,
//! delivered, counted and planned for; everything stops in order, and a second start goes on where the first ended.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulators::scenario::{Expect, Scenario};
use tests::client::{Client, items};
use tests::collect::{self, confirmed, received};
use tests::report::Report;
use tests::reviewer::{Decisions, id_of, round, text};
use tests::setup::{Binaries, binaries};
use tests::world::{Login, Plan, STOP_WITHIN, World};
use tests::{balance::Balance, browser};

/// Every planted fault is due within eighty seconds of the start.
const FOUND_WITHIN: Duration = Duration::from_secs(180);
/// How long the second start runs: a few hundred readings.
const SECOND_RUNS: Duration = Duration::from_secs(8);

#[test]
fn planted_faults_become_findings_evidence_credit_and_visits_and_a_second_start_goes_on() {
    let binaries = binaries().expect("built");
    let folder = tempfile::tempdir().expect("temporary folder");
    let data = folder.path().join("data");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");

    let plan = Plan::demo(data.clone(), 2).expect("the demo's plan");
    let mut world = World::start(&binaries, &plan).expect("started");
    let login = world.login.clone();
    let (client, mut report) = runtime
        .block_on(act(&mut world, &binaries, &plan))
        .expect("a person's day");
    let kept = runtime.block_on(Kept::of(&world, &client)).expect("kept");
    runtime
        .block_on(check_chain(&client, &kept))
        .expect("the chain");
    stop(world, &mut report);
    report.judge();
    assert_eq!(report.problems, [""; 0], "of the first run");
    assert!(report.altered_bundle_said.contains("ALTERED"));
    assert!(report.credit_failures_survived >= 2);

    let plan = Plan::demo(data, 0).expect("the demo's plan");
    let world = World::start(&binaries, &plan).expect("started again");
    let again = runtime.block_on(Kept::by(&world, &login)).expect("kept");
    kept.must_be_in(&again);
    std::thread::sleep(SECOND_RUNS);
    let mut second = Report::default();
    stop(world, &mut second);
    second.judge_counts();
    assert_eq!(second.problems, [""; 0], "of both runs");
    goes_on(&report.journal, &second.journal);
    println!(
        "cases {:?}, decided {:?}, readings {} and then {}, stopped in {:.1} s and {:.1} s",
        report.cases,
        report.decisions,
        report.journal.readings,
        second.journal.readings,
        report.stop_s,
        second.stop_s
    );
}

/// A person's day: the browser walk, then cases are decided until every planted fault is found and settled.
async fn act(
    world: &mut World,
    binaries: &Binaries,
    plan: &Plan,
) -> anyhow::Result<(Client, Report)> {
    let began = Instant::now();
    let client =
        Client::sign_in(&world.console(), &world.login.name, &world.login.password).await?;
    let inspector = world.add_user(binaries, "inspector", "inspector")?;
    let planted = Scenario::load(&plan.scenario)?.fault;
    let planted = planted.iter().filter(|f| f.expect == Expect::Signal);
    let planted = planted.count();
    // The walk wants something to decide.
    while !has_fit_case(&client).await? {
        pause(world, began, "a case that can be confirmed").await?;
    }
    let walked = browser::walk(world, &inspector)?;
    println!("{:?}: {}", began.elapsed(), walked.unwrap_or_default());
    let mut decisions = Decisions::default();
    loop {
        round(&client, &world.truth()?, &mut decisions).await?;
        let found = collect::signals(&client, &world.truth()?).await?.found;
        if found.len() == planted && is_settled(world, &client, &decisions).await? {
            break;
        }
        let what = format!("{planted} planted faults; found {found:?}, decided {decisions:?}");
        pause(world, began, &what).await?;
    }
    let mut report = Report {
        ran_s: began.elapsed().as_secs_f64(),
        decisions,
        ..Report::default()
    };
    collect::while_running(world, &client, binaries, &mut report).await?;
    Ok((client, report))
}

async fn pause(world: &mut World, began: Instant, what: &str) -> anyhow::Result<()> {
    anyhow::ensure!(began.elapsed() < FOUND_WITHIN, "waited in vain for {what}");
    world.check()?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

/// A case that can be confirmed: the walk takes the worst one first.
async fn has_fit_case(client: &Client) -> anyhow::Result<bool> {
    let open = items(&client.get("/api/cases?state=open").await?);
    let Some(worst) = open.iter().find(|case| case["fit"] == json!(true)) else {
        return Ok(false);
    };
    let id = id_of(worst).unwrap_or_default();
    let page = client.get(&format!("/api/cases/{id}")).await?;
    Ok(page["blockers"].as_array().is_some_and(Vec::is_empty))
}

/// Whatever can be decided is decided, and every finding is at the credit platform.
async fn is_settled(world: &World, client: &Client, decisions: &Decisions) -> anyhow::Result<bool> {
    let cases = items(&client.get("/api/cases").await?);
    let delivered = received(world).await?.entries;
    let has_arrived = |case: &String| delivered.iter().any(|e| e.body["case"] == json!(case));
    let is_waiting = |case: &Value| {
        let state = text(case, &["state"]).unwrap_or_default();
        let id = id_of(case).unwrap_or_default();
        ["open", "taken"].contains(&state) && !decisions.left_open.contains_key(&id)
    };
    Ok(confirmed(&cases).iter().all(has_arrived) && !cases.iter().any(is_waiting))
}

/// What a restart must leave as it was.
struct Kept {
    /// The decision and evidence of each case, by its id.
    cases: BTreeMap<String, Value>,
    /// What each business's credit record says, entry by entry.
    entries: BTreeMap<String, Value>,
    /// Sealed bundles by case.
    bundles: BTreeMap<String, Vec<u8>>,
    /// Keys and bodies at the credit platform.
    delivered: BTreeMap<String, Value>,
    /// Classes by business.
    classes: BTreeMap<String, Value>,
}

impl Kept {
    async fn by(world: &World, login: &Login) -> anyhow::Result<Kept> {
        let client = Client::sign_in(&world.console(), &login.name, &login.password).await?;
        Kept::of(world, &client).await
    }

    async fn of(world: &World, client: &Client) -> anyhow::Result<Kept> {
        let delivered = received(world).await?.entries;
        let mut kept = Kept {
            cases: BTreeMap::new(),
            entries: BTreeMap::new(),
            bundles: BTreeMap::new(),
            delivered: delivered.into_iter().map(|e| (e.key, e.body)).collect(),
            classes: BTreeMap::new(),
        };
        for case in items(&client.get("/api/cases").await?) {
            let id = id_of(&case).unwrap_or_default();
            let page = client.get(&format!("/api/cases/{id}")).await?;
            if let Some(evidence) = id_of(&page["evidence"]) {
                let bundle = client
                    .bytes(&format!("/api/evidence/{evidence}/bundle"))
                    .await?;
                kept.bundles.insert(id.clone(), bundle);
            }
            let decided = [
                "site", "state", "decision", "evidence", "taken_by", "business",
            ];
            kept.cases.insert(id, only(&page, &decided));
        }
        for business in items(&client.get("/api/businesses").await?) {
            let uscc = text(&business, &["uscc"]).unwrap_or_default().to_owned();
            let page = client
                .get(&format!("/api/businesses/{uscc}/credit"))
                .await?;
            for entry in page["entries"].as_array().into_iter().flatten() {
                let said = [
                    "case",
                    "title",
                    "severity",
                    "occurred_at",
                    "status",
                    "timeline",
                ];
                let id = id_of(entry).unwrap_or_default();
                kept.entries.insert(id, only(entry, &said));
            }
            kept.classes.insert(uscc, page["grade"].clone());
        }
        Ok(kept)
    }

    /// What was kept before a restart is there after it, word for word; there may be more.
    fn must_be_in(&self, after: &Kept) {
        for (id, case) in &self.cases {
            assert_eq!(after.cases.get(id), Some(case), "case {id}");
        }
        for (id, entry) in &self.entries {
            assert_eq!(after.entries.get(id), Some(entry), "credit entry {id}");
        }
        for (key, body) in &self.delivered {
            assert_eq!(after.delivered.get(key), Some(body), "delivery {key}");
        }
        for (case, bundle) in &self.bundles {
            assert!(
                after.bundles.get(case) == Some(bundle),
                "bundle of case {case}"
            );
        }
        assert_eq!(after.classes, self.classes);
    }
}

fn only(whole: &Value, fields: &[&str]) -> Value {
    let kept = fields.iter().map(|f| ((*f).to_owned(), whole[f].clone()));
    Value::Object(kept.collect())
}

/// Each confirmed case stands in the credit record, at the platform, in the class and in the plan; no other does.
async fn check_chain(client: &Client, kept: &Kept) -> anyhow::Result<()> {
    let visits = items(&client.get("/api/inspection/plan").await?);
    for (id, case) in &kept.cases {
        let is_finding = case["state"] == "confirmed";
        let of_case = |body: &&Value| body["case"] == json!(id);
        let entry = kept.entries.values().find(of_case);
        let delivered = kept.delivered.values().find(of_case);
        let visit = visits.iter().find(|v| v["site"] == case["site"]);
        let findings = visit.and_then(|v| v["findings"].as_array());
        let is_planned = findings.is_some_and(|all| all.iter().any(|f| f["case"] == json!(id)));
        let places = (
            entry.is_some(),
            delivered.is_some(),
            is_planned,
            kept.bundles.contains_key(id),
        );
        let all = (is_finding, is_finding, is_finding, is_finding);
        assert_eq!(
            places, all,
            "credit record, platform, plan and evidence of case {id}: {case}"
        );
        if let Some(delivered) = delivered {
            assert_eq!(delivered["evidence"], case["evidence"]["id"]);
        }
    }
    for (uscc, class) in &kept.classes {
        let counts = |case: &Value| {
            let entry = kept.entries.values().find(|e| &e["case"] == case);
            entry.is_some_and(|e| {
                ["notified", "in_force"]
                    .map(Some)
                    .contains(&e["status"].as_str())
            })
        };
        let of_business = kept
            .cases
            .iter()
            .filter(|(_, c)| c["business"]["uscc"] == json!(uscc));
        let counted = of_business.filter(|(id, _)| counts(&json!(id))).count();
        assert_eq!(
            class == "A",
            counted == 0,
            "{uscc} is {class} with {counted} findings that count"
        );
    }
    Ok(())
}

fn stop(world: World, report: &mut Report) {
    let data = world.data.clone();
    report.stop_s = world.stop().expect("an ordered stop").as_secs_f64();
    assert!(report.stop_s < STOP_WITHIN.as_secs_f64());
    collect::after_stop(&data, report).expect("counted");
}

/// The journal of both runs begins with that of the first, and every agent went on numbering where it had stopped.
fn goes_on(first: &Balance, both: &Balance) {
    for (agent, before) in &first.agents {
        let after = &both.agents[agent];
        assert!(after.highest > before.highest, "{agent} went on");
        assert_eq!((after.records, after.lost), (after.highest, 0), "{agent}");
    }
    for (point, before) in &first.points {
        let after = &both.points[point];
        assert!(after.len() > before.len(), "{point} went on");
        let is_same = before.iter().zip(after).all(|(a, b)| {
            (a.at_ms, a.value.to_bits(), a.quality) == (b.at_ms, b.value.to_bits(), b.quality)
        });
        assert!(is_same, "{point} was changed by the restart");
    }
}
