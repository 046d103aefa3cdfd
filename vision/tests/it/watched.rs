//! An agent, two simulated cameras and the real process: what people do is raised where the truth has it and nowhere else,
//! the process is killed in the middle, and health is on time all the while.

use crate::until;
use crate::{can_run, shipped};
use contract::{Absence, Quality, Reading, Timestamp, footage};
use edge_agent::{app::Running, config, record::Record};
use journal::{Journal, Options, Seq};
use simulators::camera::{Cameras, picture::Truth, plan::Plan};
use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

/// Everybody wears everything until the 15th second, then nobody wears anything.
const PLAN: &str = r#"
seed = 9101
[[camera]]
id = "kitchen"
scene = "kitchen"
width = 640
height = 360
frames_per_s = 5
people = 4
worn = 1.0
[[camera.happening]]
kind = "no_gear"
from_s = 15
to_s = 600

[[camera]]
id = "workshop"
scene = "workshop"
width = 640
height = 360
frames_per_s = 5
people = 4
worn = 1.0
[[camera.happening]]
kind = "no_gear"
from_s = 15
to_s = 600
"#;

fn camera(id: &str, url: &str, kind: &str, parts: &[&str], watch: &str) -> String {
    let parts: String = parts
        .iter()
        .map(|part| format!("[camera.look.{part}]\nmodel = \"{part}\"\n"))
        .collect();
    format!(
        "[[camera]]\nid = \"{id}\"\nurl = \"{url}\"\nevery = \"1s\"\n\
         [camera.published]\npurpose = \"test\"\nsign = \"none, it is simulated\"\nlocation = \"nowhere\"\non = \"2026-01-01\"\n\
         [camera.look]\npersons = \"simulated-persons\"\n{parts}\
         [[camera.zone]]\nname = \"all\"\nkind = \"{kind}\"\npolygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\nwatch = {watch}\n"
    )
}

/// The process whose parent is this one.
fn process() -> Option<u32> {
    let own = std::process::id().to_string();
    let mut all = Path::new("/proc").read_dir().ok()?.filter_map(|entry| {
        let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (name, rest) = stat.rsplit_once(')')?;
        let parent = rest.split_whitespace().nth(1)?;
        (name.ends_with("(edge-vision") && parent == own).then_some(id)
    });
    all.next()
}

/// What lies in the buffer, by camera.
async fn records(path: &Path) -> BTreeMap<String, Vec<Record>> {
    let journal = Journal::open(path, Options::small()).unwrap();
    let mut records: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    let mut from = Seq(0);
    loop {
        let blocks = journal.read(from, 1 << 20).unwrap();
        let Some(last) = blocks.last() else { break };
        from = last.seq.next();
        for block in &blocks {
            let record = Record::decode(&block.body).unwrap();
            let device = record.device.to_string();
            records.entry(device).or_default().push(record);
        }
    }
    journal.close().await;
    records
}

fn of<'a>(records: &'a [Record], point: &str) -> Vec<&'a Reading> {
    let readings = records.iter().flat_map(|record| &record.readings);
    readings.filter(|r| r.point.as_str() == point).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cameras_raise_what_the_truth_has_outlive_the_process_and_health_is_never_late() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let truth_path = folder.path().join("truth.jsonl");
    let truth = std::fs::File::create(&truth_path).unwrap();
    let plan: Plan = toml::from_str(PLAN).unwrap();
    let cameras = Cameras::start(plan, "127.0.0.1:0".parse().unwrap(), 0, Some(truth)).await;
    let cameras = cameras.unwrap();
    let urls: Vec<&str> = cameras.listening.iter().map(|l| l.http.as_str()).collect();
    let kitchen = camera("kitchen", urls[0], "cooking", &["mask"], "[\"no_mask\"]");
    let workshop = camera(
        "workshop",
        urls[1],
        "work_area",
        &["helmet", "vest"],
        "[\"no_helmet\", \"no_vest\"]",
    );
    let text = format!(
        "site = \"s\"\nagent = \"a\"\n[buffer]\npath = \"buffer.db\"\n[gateway]\nhost = \"127.0.0.1\"\nport = 1\n\
         [vision]\nprogram = {:?}\nmodels = [{:?}]\n{kitchen}{workshop}",
        env!("CARGO_BIN_EXE_edge-vision"),
        shipped().display().to_string(),
    );
    let path = folder.path().join("agent.toml");
    std::fs::write(&path, text).unwrap();
    let config = config::load(&path).unwrap_or_else(|e| panic!("{e}"));
    let running = Running::start(config).await.unwrap();
    let counts = running.metrics();
    let sightings = || counts.camera.sightings.get();
    until("people without gear are seen", 90, || sightings() >= 3).await;
    let killed_at = Timestamp::now();
    // Twice, so that it is away for three seconds.
    for others in [1, 2] {
        let process = process().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-KILL", &process]).status();
        assert!(sent.unwrap().success());
        until("another process", 60, || {
            counts.vision.started.get() > others
        })
        .await;
    }
    let looked = counts.camera.frames_looked_at.get();
    until("it looks", 60, || {
        counts.camera.frames_looked_at.get() >= looked + 20
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    running.drain().await;
    let ended_at = Timestamp::now();
    drop(cameras);

    let records = records(&folder.path().join("buffer.db")).await;
    let truth = std::fs::read_to_string(&truth_path).unwrap();
    // The last line may have been cut off.
    let truth: Vec<Truth> = truth
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    // When somebody was there first without it, in the truth.
    let first_bare = |camera: &str, is: fn(&simulators::camera::person::Gear) -> bool| {
        let of_camera = truth.iter().filter(|frame| frame.camera == camera);
        let mut bare = of_camera.filter(|f| f.seen.persons.iter().any(|p| !is(&p.gear)));
        Timestamp::from_millis(bare.next().expect("the plan has it").at_ms)
    };
    let expected = [
        ("kitchen", "see.no_mask", first_bare("kitchen", |g| g.mask)),
        (
            "workshop",
            "see.no_helmet",
            first_bare("workshop", |g| g.helmet),
        ),
        (
            "workshop",
            "see.no_vest",
            first_bare("workshop", |g| g.vest),
        ),
    ];
    let mut raised = 0;
    for (camera, point, since) in expected {
        let of_camera = &records[camera];
        let ones: Vec<&Reading> = of(of_camera, point)
            .into_iter()
            .filter(|r| r.value == Some(1.0))
            .collect();
        let before = ones.iter().filter(|r| r.at < since.plus_millis(3_000));
        assert_eq!(
            before.count(),
            0,
            "{point}: nobody was without it for 3 s before"
        );
        raised += usize::from(!ones.is_empty());
        // Where it becomes 1, the reason stands beside it.
        if let Some(first) = ones.first() {
            let record = of_camera
                .iter()
                .find(|record| record.readings.contains(first))
                .unwrap();
            let Some(footage::Said::Sighting(why)) = footage::Said::read(&record.raw) else {
                panic!("no reason: {record:?}")
            };
            assert_eq!(
                (why.point.as_str(), why.zone.as_str(), why.at),
                (point, "all", first.at)
            );
            // The dwell is by the steady clock; these times, by the other, are whole milliseconds.
            assert!(
                why.at.since(why.began) >= 2_990 && why.share >= 0.7,
                "{why:?}"
            );
            assert!(
                why.models.iter().all(|model| model.sha256.len() == 64) && why.models.len() >= 2
            );
        }
        // Away with the process, and back.
        let readings = of(of_camera, point);
        let away = Quality::Missing(Absence::NotLooked);
        let after = readings.iter().filter(|r| r.at > killed_at);
        let after: Vec<&&Reading> = after.collect();
        assert!(after.last().unwrap().value.is_some(), "{point}: {after:?}");
        let is_away = readings.iter().any(|r| r.quality == away);
        assert!(is_away, "{point} is absent while nobody looks");
        let times = readings.windows(2).filter(|two| two[0].at == two[1].at);
        assert_eq!(times.count(), 0, "{point}: one reading a time");
    }
    assert!(raised >= 2, "at least two of the three were found");
    for (camera, records) in &records {
        let health: Vec<Timestamp> = of(records, "health.no_frames")
            .iter()
            .map(|r| r.at)
            .collect();
        let steps = health.windows(2).map(|two| two[1].since(two[0]));
        let longest = steps.max().unwrap();
        assert!(
            longest < 1_700,
            "{camera}: {longest} ms between two records"
        );
        let silent = of(records, "health.no_frames");
        let silent = silent.iter().filter(|r| r.value == Some(1.0)).count();
        assert_eq!(silent, 0, "{camera}");
        assert!(ended_at.since(*health.last().unwrap()) < 3_000, "{camera}");
    }
}
