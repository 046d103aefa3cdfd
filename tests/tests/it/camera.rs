//! From a camera to a finding: what people really wear becomes a signal with the models that saw it, masked pictures come to the
//! gateway, who looks at them is written down, the original comes only after two approvals and opens only with two keys.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use contract::footage::Said;
use serde_json::{Value, json};
use tests::balance::{self, Balance};
use tests::client::{Client, items};
use tests::setup::binaries;
use tests::watched::{CAMERA, Custodians, Manner, SITE, Watched, opened};

const FOUND_WITHIN: Duration = Duration::from_secs(90);
const STOP_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn a_bare_head_becomes_a_signal_with_masked_pictures_and_the_original_takes_two_people()
-> anyhow::Result<()> {
    let binaries = binaries()?;
    let folder = tempfile::tempdir()?;
    let custodians = Custodians::make(folder.path())?;
    let mut world = Watched::start(
        &binaries,
        folder.path(),
        custodians.as_ref(),
        Manner::default(),
    )?;
    let reviewers = ["anna", "bo", "chen"].map(|name| world.user(&binaries, name, "reviewer"));
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let base = format!("http://{}", world.http);
        let mut clients = Vec::new();
        for login in reviewers {
            let login = login?;
            clients.push(Client::sign_in(&base, &login.name, &login.password).await?);
        }
        let [anna, bo, chen] = &clients[..] else {
            anyhow::bail!("three sign in")
        };
        let (case, footage) = found(&mut world, anna).await?;
        check_signal(&case, &footage)?;
        check_pictures(&world, anna, &footage).await?;
        let viewers = anna.get(&path(&footage, "")).await?["viewers"].clone();
        anyhow::ensure!(
            viewers[0]["who"] == "anna",
            "who looked is written down: {viewers}"
        );
        if let Some(custodians) = &custodians {
            unmask(&mut world, [anna, bo, chen], &footage, custodians).await?;
        }
        check_bundle(anna, &case).await
    })?;
    world.agent.stop(STOP_WITHIN)?;
    world.gateway.stop(STOP_WITHIN)?;
    let journal = balance::count(&folder.path().join("gateway/data/journal.db"))?;
    let agent = &journal.agents[tests::watched::AGENT];
    anyhow::ensure!(
        (journal.doubled, agent.lost, agent.doubled) == (0, 0, 0),
        "{agent:?}, {} readings doubled",
        journal.doubled
    );
    check_sightings(&journal)
}

fn path(footage: &Value, more: &str) -> String {
    format!(
        "/api/footage/{}{more}",
        footage["id"].as_str().unwrap_or_default()
    )
}

/// Asks until it is there.
async fn wait(
    world: &mut Watched,
    client: &Client,
    path: &str,
    what: &str,
    mut wanted: impl FnMut(&Value) -> Option<Value>,
) -> anyhow::Result<Value> {
    let began = Instant::now();
    loop {
        world.check()?;
        let said = client.get(path).await?;
        if let Some(found) = wanted(&said) {
            println!("{what}: after {:.1} s", began.elapsed().as_secs_f64());
            return Ok(found);
        }
        anyhow::ensure!(
            began.elapsed() < FOUND_WITHIN,
            "waited in vain for {what}; the agent says\n{}\nthe gateway says {said}",
            world.agent.log_tail()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The case of the first bare head, and its footage once every masked part has come.
async fn found(world: &mut Watched, client: &Client) -> anyhow::Result<(Value, Value)> {
    let of_helmet = |case: &Value| {
        let signals = items(&case["signals"]);
        signals
            .iter()
            .any(|s| s["point"] == "see.no_helmet")
            .then(|| case.clone())
    };
    let list = wait(world, client, "/api/cases?state=open", "a case", |cases| {
        items(cases).first().cloned()
    });
    let id = list.await?["id"].as_str().context("no id")?.to_owned();
    let address = format!("/api/cases/{id}");
    let case = wait(world, client, &address, "a bare head in it", of_helmet).await?;
    let is_whole = |footage: &Value| {
        let found = items(footage).into_iter().find(|f| {
            f["point"] == "see.no_helmet"
                && items(&f["parts"])
                    .iter()
                    .all(|part| part["role"] == "original" || part["state"] == "here")
        });
        found.filter(|f| !items(&f["parts"]).is_empty())
    };
    let address = format!("/api/footage?case={id}");
    let footage = wait(world, client, &address, "its footage", is_whole).await?;
    Ok((case, footage))
}

fn check_signal(case: &Value, footage: &Value) -> anyhow::Result<()> {
    anyhow::ensure!(case["site"] == SITE || case["site"]["id"] == SITE, "{case}");
    anyhow::ensure!(
        footage["camera"] == CAMERA && footage["zone"] == "1",
        "{footage}"
    );
    anyhow::ensure!(footage["not_taken"].is_null(), "{footage}");
    let models = items(&footage["models"]);
    let helmet = models.iter().find(|model| model["name"] == "helmet");
    let hash = helmet
        .and_then(|model| model["sha256"].as_str())
        .unwrap_or_default();
    anyhow::ensure!(
        hash.len() == 64,
        "the model that saw it is named: {footage}"
    );
    anyhow::ensure!(!items(&footage["masked_by"]).is_empty(), "{footage}");
    Ok(())
}

/// Every part is what its hash says; stills and clip decode; the clip has the frames that are announced.
async fn check_pictures(world: &Watched, client: &Client, footage: &Value) -> anyhow::Result<()> {
    let roles: Vec<&str> = ["before", "still", "after", "clip", "detections"].into();
    for role in roles {
        let parts = items(&footage["parts"]);
        let part = parts.iter().find(|part| part["role"] == role);
        let part = part.with_context(|| format!("no {role}: {footage}"))?;
        let bytes = client
            .bytes(&path(footage, &format!("/parts/{role}")))
            .await?;
        let hash = contract::hex::sha256(&bytes);
        anyhow::ensure!(part["sha256"] == hash.as_str(), "{role} is another file");
        match role {
            "clip" => {
                let file = world.folder.join("clip.mjpeg");
                std::fs::write(&file, &bytes)?;
                if let Some(frames) = counted_by_ffprobe(&file)? {
                    anyhow::ensure!(
                        part["frames"] == frames,
                        "{frames} frames, announced {part}"
                    );
                }
            }
            "detections" => {
                let seen: contract::footage::Detections = serde_json::from_slice(&bytes)?;
                anyhow::ensure!(seen.zones.len() == 1 && !seen.frames.is_empty(), "{seen:?}");
            }
            _ => anyhow::ensure!(bytes.starts_with(&[0xff, 0xd8]), "{role} is no JPEG"),
        }
    }
    let lines = world.truth();
    anyhow::ensure!(lines.lines().count() > 20, "the camera says what is true");
    Ok(())
}

/// Frames of a clip, by a program that nobody here wrote.
fn counted_by_ffprobe(file: &Path) -> anyhow::Result<Option<u64>> {
    let mut probe = Command::new("ffprobe");
    probe.args([
        "-v",
        "error",
        "-f",
        "mpjpeg",
        "-count_frames",
        "-show_entries",
        "stream=nb_read_frames",
        "-of",
        "csv=p=0",
    ]);
    let Ok(said) = probe.arg(file).output() else {
        anyhow::ensure!(std::env::var_os("CI").is_none(), "ffprobe is not installed");
        println!("ffprobe is not installed: the frames of the clip are not counted");
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&said.stdout);
    Ok(Some(text.trim().parse().with_context(|| {
        format!(
            "ffprobe says {text}{}",
            String::from_utf8_lossy(&said.stderr)
        )
    })?))
}

/// Who asked may not approve, one is not enough, two are; then the original comes, and takes both keys.
async fn unmask(
    world: &mut Watched,
    [anna, bo, chen]: [&Client; 3],
    footage: &Value,
    custodians: &Custodians,
) -> anyhow::Result<()> {
    let original = |footage: &Value| {
        let parts = items(&footage["parts"]);
        parts.into_iter().find(|part| part["role"] == "original")
    };
    let part = original(footage).context("an original is announced")?;
    anyhow::ensure!(part["state"] == "at_site", "{part}");
    let early = anna.bytes(&path(footage, "/parts/original")).await;
    anyhow::ensure!(early.is_err(), "nobody has it before it was approved");
    let reason = json!({ "reason": "复议中当事人要求核对原始画面" });
    anna.post(&path(footage, "/unmask"), &reason).await?;
    let own = anna
        .post(&path(footage, "/unmask/approve"), &json!({}))
        .await;
    anyhow::ensure!(own.is_err(), "who asked does not approve");
    bo.post(&path(footage, "/unmask/approve"), &json!({}))
        .await?;
    let twice = bo.post(&path(footage, "/unmask/approve"), &json!({})).await;
    anyhow::ensure!(twice.is_err(), "one person does not approve twice");
    chen.post(&path(footage, "/unmask/approve"), &json!({}))
        .await?;
    let address = path(footage, "");
    wait(world, anna, &address, "the original", |footage| {
        original(footage).filter(|part| part["state"] == "here")
    })
    .await?;
    let sealed = anna.bytes(&path(footage, "/parts/original")).await?;
    let file = world.folder.join("original.age");
    std::fs::write(&file, &sealed)?;
    let [first, second] = &custodians.files;
    for key in [first, second] {
        let alone = opened(&file, &[key])?;
        anyhow::ensure!(
            alone.is_none_or(|bytes| bytes.starts_with(b"age-encryption.org/")),
            "one key alone opened it"
        );
    }
    let bytes = opened(&file, &[second, first])?.context("both keys open it")?;
    let file = world.folder.join("original");
    std::fs::write(&file, &bytes)?;
    if let Some(counted) = counted_by_ffprobe(&file)? {
        anyhow::ensure!(part["frames"] == counted, "{counted} frames, {part}");
    }
    Ok(())
}

/// A person confirms; manifest and pictures are in the sealed bundle.
async fn check_bundle(client: &Client, case: &Value) -> anyhow::Result<()> {
    let id = case["id"].as_str().context("no id")?;
    let ground = items(&case["grounds"]);
    let ground = ground.iter().find(|ground| ground["raised"] == true);
    let ground = ground.context("the rule that raised it is offered")?;
    let decision = json!({
        "decision": "confirm", "reason": "去现场核实：未戴安全帽。",
        "checks": { "true": true, "complete": true, "clear": true, "accurate": true },
        "ground": { "kind": ground["kind"], "id": ground["id"] },
    });
    client
        .post(&format!("/api/cases/{id}/take"), &json!({}))
        .await?;
    client
        .post(&format!("/api/cases/{id}/decision"), &decision)
        .await?;
    let page = client.get(&format!("/api/cases/{id}")).await?;
    let evidence = page["evidence"]["id"].as_str().context("no evidence")?;
    let bundle = client
        .bytes(&format!("/api/evidence/{evidence}/bundle"))
        .await?;
    let names = String::from_utf8_lossy(&bundle);
    anyhow::ensure!(names.contains("footage/"), "the bundle has the pictures");
    Ok(())
}

/// The journal says why each point became 1, with the hash of every model, in the record of the reading itself.
fn check_sightings(journal: &Balance) -> anyhow::Result<()> {
    let seen = format!("{SITE}/{CAMERA}/see.no_helmet");
    let became = journal
        .points
        .get(&seen)
        .context("no readings of bare heads")?;
    let sightings = journal
        .raws
        .iter()
        .filter_map(|(_, bytes)| match Said::read(bytes)? {
            Said::Sighting(sighting) => Some(sighting),
            Said::Footage(_) | Said::Lost(_) => None,
        });
    let mut sightings = sightings
        .filter(|s| s.point.as_str() == "see.no_helmet")
        .peekable();
    anyhow::ensure!(sightings.peek().is_some(), "no sighting of a bare head");
    for sighting in sightings {
        let reading = became.iter().find(|r| r.at_ms == sighting.at.as_millis());
        anyhow::ensure!(
            reading.is_some_and(|r| r.value == 1.0),
            "{sighting:?}: {reading:?}"
        );
        let is_named = |name: &str| {
            let named = sighting.models.iter().find(|model| model.name == name);
            named.is_some_and(|model| model.sha256.len() == 64)
        };
        anyhow::ensure!(
            is_named("simulated-persons") && is_named("helmet"),
            "{sighting:?}"
        );
    }
    Ok(())
}
