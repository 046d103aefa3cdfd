//! The agent is killed while it cuts, masks, keeps and sends footage: every sighting's pictures arrive whole and once, nothing
//! plain leaves the box, and nothing is left lying about on it.

use anyhow::Context;
use contract::footage::{Manifest, Occasion, Role, Said, Sighting};
use edge_agent::camera::ring;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tests::balance::{self, Balance};
use tests::client::{Client, items};
use tests::setup::binaries;
use tests::watched::{AGENT, CAMERA, Custodians, Manner, Watched};

const MOMENT_WITHIN: Duration = Duration::from_secs(90);
const QUIET_WITHIN: Duration = Duration::from_secs(180);
const STOP_WITHIN: Duration = Duration::from_secs(10);
const AWAY: Duration = Duration::from_millis(700);

/// What is on disk when the agent is killed.
type Moment = (&'static str, fn(&Site) -> bool);

const MOMENTS: [Moment; 7] = [
    ("pictures are wanted", |site| {
        !site.spool("wants").is_empty()
    }),
    ("the clip is cut and looked at", |site| {
        site.ring().iter().any(|name| name.ends_with(".cut"))
    }),
    ("the clip is masked", |site| site.has_part("clip")),
    ("the original is sealed", |site| site.has_part("original")),
    ("files are kept and not yet said of", |site| {
        let files = site.spool("files");
        let said: BTreeSet<String> = site.entries().into_iter().flat_map(|e| e.1).collect();
        files.iter().any(|file| !said.contains(file))
    }),
    ("files are sent", |site| {
        !names(&site.gateway.join("footage/partial")).is_empty()
    }),
    ("files are sent, once more", |site| {
        !names(&site.gateway.join("footage/partial")).is_empty()
    }),
];

/// The folders of box and gateway.
struct Site {
    agent: PathBuf,
    gateway: PathBuf,
}

fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.file_name().into_string().ok())
        .collect()
}

impl Site {
    fn spool(&self, folder: &str) -> Vec<String> {
        names(&self.agent.join("footage").join(folder))
    }

    fn ring(&self) -> Vec<String> {
        names(&self.agent.join(format!("ring-{CAMERA}")))
    }

    fn has_part(&self, name: &str) -> bool {
        self.spool("part").iter().any(|file| file.starts_with(name))
    }

    /// Of every entry whether it is announced, and its files.
    fn entries(&self) -> Vec<(bool, Vec<String>)> {
        let folder = self.agent.join("footage/entries");
        let read = |name: &String| {
            let entry: Value =
                serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok()?;
            let parts = items(&entry["parts"]);
            let hashes = parts
                .iter()
                .filter_map(|part| part["sha256"].as_str().map(str::to_owned));
            Some((entry["is_announced"] == true, hashes.collect()))
        };
        names(&folder).iter().filter_map(read).collect()
    }

    fn is_quiet(&self) -> bool {
        let empty = ["wants", "part", "files", "lost"].map(|of| self.spool(of).is_empty());
        empty == [true; 4] && self.entries().iter().all(|(is_announced, _)| *is_announced)
    }
}

#[test]
fn however_the_agent_is_killed_every_sighting_has_its_pictures_whole_and_once() -> anyhow::Result<()>
{
    let binaries = binaries()?;
    let folder = tempfile::tempdir()?;
    let custodians = Custodians::make(folder.path())?;
    // A clip takes some seconds to send, so that it can be interrupted.
    let manner = Manner {
        around: "2s",
        bytes_per_s: 200_000,
        ..Manner::default()
    };
    let mut world = Watched::start(&binaries, folder.path(), custodians.as_ref(), manner)?;
    let site = Site {
        agent: folder.path().join("agent"),
        gateway: folder.path().join("gateway/data"),
    };
    let mut children = Vec::new();
    let began = Instant::now();
    for (what, is_now) in MOMENTS {
        if custodians.is_none() && what.contains("original") {
            continue;
        }
        let limit = Instant::now() + MOMENT_WITHIN;
        while !is_now(&site) {
            world.check()?;
            anyhow::ensure!(
                Instant::now() < limit,
                "{what}: waited in vain; the agent says\n{}",
                world.agent.log_tail()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        children.extend(children_of(world.agent.id()));
        world.kill_agent()?;
        println!(
            "{:5.1} s: killed while {what}",
            began.elapsed().as_secs_f64()
        );
        std::thread::sleep(AWAY);
        world.restart_agent()?;
    }
    // Nothing more is seen; what is owed is made and sent.
    world.camera.kill()?;
    let limit = Instant::now() + QUIET_WITHIN;
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_secs(3) {
        world.agent.check()?;
        if !site.is_quiet() {
            since = Instant::now();
        }
        anyhow::ensure!(
            Instant::now() < limit,
            "footage is still under way: wants {:?}, files {:?}; the agent says\n{}",
            site.spool("wants"),
            site.spool("files"),
            world.agent.log_tail()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    println!(
        "{:5.1} s: everything is sent",
        began.elapsed().as_secs_f64()
    );
    let shown = shown(&world)?;
    children.extend(children_of(world.agent.id()));
    world.agent.stop(STOP_WITHIN)?;
    world.gateway.stop(STOP_WITHIN)?;
    let journal = balance::count(&site.gateway.join("journal.db"))?;
    let agent = &journal.agents[AGENT];
    anyhow::ensure!(
        (journal.doubled, agent.lost, agent.doubled) == (0, 0, 0),
        "{agent:?}, {} readings doubled",
        journal.doubled
    );
    let manifests = check_manifests(&journal)?;
    check_shown(&manifests, &shown)?;
    check_store(&site, &manifests)?;
    check_box(&site, &manifests)?;
    for child in children {
        let exe = std::fs::read_link(format!("/proc/{child}/exe"));
        anyhow::ensure!(
            !exe.is_ok_and(
                |exe| exe.starts_with(binaries.edge_agent.parent().unwrap_or(Path::new("/")))
            ),
            "process {child} of a killed agent still runs"
        );
    }
    Ok(())
}

/// The processes that another has started.
fn children_of(process: u32) -> Vec<u32> {
    let all = names(Path::new("/proc"))
        .into_iter()
        .filter_map(|name| name.parse::<u32>().ok());
    let is_child = |child: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let after = stat.rsplit(") ").next().unwrap_or_default();
        after.split(' ').nth(1) == Some(process.to_string().as_str())
    };
    all.filter(is_child).collect()
}

/// All footage as the console gets it.
fn shown(world: &Watched) -> anyhow::Result<Vec<Value>> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let base = format!("http://{}", world.http);
        let client = Client::sign_in(&base, &world.admin.name, &world.admin.password).await?;
        Ok(items(&client.get("/api/footage?limit=500").await?))
    })
}

/// Each sighting is in exactly one clip of its point and zone, and there is no other clip. Gives all manifests.
fn check_manifests(journal: &Balance) -> anyhow::Result<Vec<Manifest>> {
    let (mut sightings, mut manifests): (Vec<Sighting>, Vec<Manifest>) = Default::default();
    for (_, bytes) in &journal.raws {
        match Said::read(bytes) {
            Some(Said::Sighting(sighting)) => sightings.push(sighting),
            Some(Said::Footage(signed)) => manifests.push(serde_json::from_str(&signed.manifest)?),
            _ => {}
        }
    }
    let of = |sighting: &Sighting| Occasion::Sighting {
        point: sighting.point.clone(),
        zone: sighting.zone.clone(),
    };
    let mut clips = BTreeMap::new();
    for manifest in &manifests {
        if manifest.occasion == Occasion::Overview {
            continue;
        }
        let key = (format!("{:?}", manifest.occasion), manifest.at);
        anyhow::ensure!(
            clips.insert(key, manifest).is_none(),
            "made twice: {manifest:?}"
        );
        anyhow::ensure!(
            sightings
                .iter()
                .any(|s| of(s) == manifest.occasion && s.at == manifest.at),
            "of no sighting that was stored: {manifest:?}"
        );
        let roles: Vec<Role> = manifest.parts.iter().map(|part| part.role).collect();
        let wanted = [
            Role::Before,
            Role::Still,
            Role::After,
            Role::Clip,
            Role::Detections,
        ];
        anyhow::ensure!(
            wanted.iter().all(|role| roles.contains(role)),
            "not whole: {roles:?}"
        );
    }
    let around = Duration::from_secs(2).as_millis() as i64;
    for sighting in &sightings {
        let shows = clips.values().filter(|m| {
            m.occasion == of(sighting)
                && (m.at == sighting.at || (0..=around).contains(&sighting.at.since(m.at)))
        });
        anyhow::ensure!(shows.count() >= 1, "no pictures of {sighting:?}");
    }
    println!("{} sightings, {} clips", sightings.len(), clips.len());
    anyhow::ensure!(clips.len() >= 3, "too little was seen");
    Ok(manifests)
}

/// The gateway shows what was announced and nothing else, every masked part of it.
fn check_shown(manifests: &[Manifest], shown: &[Value]) -> anyhow::Result<()> {
    anyhow::ensure!(
        shown.len() == manifests.len(),
        "{} shown, {} announced",
        shown.len(),
        manifests.len()
    );
    for footage in shown {
        anyhow::ensure!(footage["not_taken"].is_null(), "{footage}");
        for part in items(&footage["parts"]) {
            let state = if part["role"] == "original" {
                "at_site"
            } else {
                "here"
            };
            anyhow::ensure!(part["state"] == state, "{part} of {footage}");
        }
    }
    Ok(())
}

/// In the gateway's store there are the masked files that were announced, whole, and no picture as the camera sent it.
fn check_store(site: &Site, manifests: &[Manifest]) -> anyhow::Result<()> {
    let parts = manifests.iter().flat_map(|manifest| &manifest.parts);
    let announced: BTreeMap<&str, Role> = parts
        .map(|part| (part.sha256.as_str(), part.role))
        .collect();
    let folder = site.gateway.join("footage");
    anyhow::ensure!(
        names(&folder.join("partial")).is_empty(),
        "half a file is left"
    );
    let plain = plain(&site.agent.join(format!("ring-{CAMERA}")))?;
    anyhow::ensure!(plain.len() > 30, "the ring has {} pictures", plain.len());
    let (mut files, mut pictures) = (0, 0);
    for shelf in names(&folder.join("here")) {
        for name in names(&folder.join("here").join(&shelf)) {
            let bytes = std::fs::read(folder.join("here").join(&shelf).join(&name))?;
            anyhow::ensure!(
                contract::hex::sha256(&bytes) == name,
                "{name} is another file"
            );
            let role = announced.get(name.as_str());
            let role = role.with_context(|| format!("{name} was never announced"))?;
            anyhow::ensure!(*role != Role::Original, "an original that nobody asked for");
            files += 1;
            for jpeg in jpegs(&bytes) {
                pictures += 1;
                anyhow::ensure!(
                    !plain.contains(&contract::hex::sha256(jpeg)),
                    "{name} ({role:?}) has a picture as the camera sent it"
                );
            }
        }
    }
    println!("{files} files with {pictures} pictures, none as the camera sent it");
    let masked = announced.values().filter(|role| **role != Role::Original);
    anyhow::ensure!(files == masked.count() && pictures > 10, "{files} files");
    Ok(())
}

/// Hashes of the pictures in a ring, as the camera sent them.
fn plain(ring: &Path) -> anyhow::Result<HashSet<String>> {
    let mut found = HashSet::new();
    for name in names(ring) {
        let bytes = std::fs::read(ring.join(name))?;
        found.extend(jpegs(&bytes).map(contract::hex::sha256));
    }
    Ok(found)
}

/// JPEG pictures in some bytes, from their first marker to their last.
fn jpegs(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let begins = |at: usize| bytes[at..].starts_with(&[0xff, 0xd8, 0xff]);
    let starts: Vec<usize> = (0..bytes.len()).filter(|at| begins(*at)).collect();
    starts.into_iter().filter_map(|from| {
        let end = bytes[from..]
            .windows(2)
            .position(|two| two == [0xff, 0xd9])?;
        Some(&bytes[from..from + end + 2])
    })
}

/// On the box there are the ring, the sealed originals and what is said of them, and nothing half.
fn check_box(site: &Site, manifests: &[Manifest]) -> anyhow::Result<()> {
    anyhow::ensure!(site.is_quiet());
    let parts = manifests.iter().flat_map(|manifest| &manifest.parts);
    let originals = parts.filter(|part| part.role == Role::Original);
    let originals: BTreeSet<String> = originals.map(|part| part.sha256.clone()).collect();
    let kept: BTreeSet<String> = site.spool("originals").into_iter().collect();
    anyhow::ensure!(
        kept == originals,
        "originals {kept:?}, announced {originals:?}"
    );
    anyhow::ensure!(site.entries().len() == site.spool("entries").len());
    anyhow::ensure!(site.entries().len() == originals.len());
    let ring = site.agent.join(format!("ring-{CAMERA}"));
    anyhow::ensure!(
        ring::segments(&ring)?.len() == site.ring().len(),
        "beside the ring lies {:?}",
        site.ring()
    );
    let known = [
        "buffer.db",
        "buffer.db.lock",
        "buffer.db-wal",
        "buffer.db-shm",
        "edge-agent.toml",
        "footage",
        "identity",
    ];
    for name in names(&site.agent) {
        let is_known = known.contains(&name.as_str()) || name == format!("ring-{CAMERA}");
        anyhow::ensure!(is_known, "{name} is left on the box");
    }
    Ok(())
}
