use super::*;
use crate::footage::config::FootageConfig;
use contract::hex::sha256;
use std::time::Duration;

fn at(s: i64) -> Timestamp {
    Timestamp::from_millis(1_764_000_000_000 + s * 1_000)
}

fn config(dir: &Path, bytes_max: u64, originals_max: u64) -> FootageConfig {
    FootageConfig {
        spool: dir.to_owned(),
        bytes_max,
        url: "https://gateway:8444".parse().unwrap(),
        before: Duration::from_secs(10),
        after: Duration::from_secs(10),
        frames_per_s: 5.0,
        detectors: vec!["d".into()],
        bytes_per_s: 1 << 20,
        keep_originals: Duration::from_secs(86_400),
        originals_max,
        custodians: None,
    }
}

fn open(dir: &Path) -> Spool {
    Spool::open(dir, Arc::default()).unwrap()
}

fn want(second: i64) -> Want {
    Want {
        camera: DeviceId::new("cam").unwrap(),
        ring: "ring".into(),
        ffmpeg: "ffmpeg".into(),
        occasion: Occasion::Overview,
        at: at(second),
        from: at(second),
        to: at(second),
        models: Vec::new(),
        seen: Detections::default(),
    }
}

/// Files of 1,000 bytes that are announced under one manifest.
fn enter(spool: &Spool, second: i64, roles: &[Role]) -> Entry {
    let parts = roles.iter().map(|role| {
        let mut writing = Writing::create(spool.part("x")).unwrap();
        let body = format!("{second}{role:?}").repeat(200);
        writing.write(&body.as_bytes()[..1_000]).unwrap();
        let (path, sha256, bytes) = writing.finish().unwrap();
        spool.keep(&path, &sha256, bytes, *role).unwrap();
        Part {
            role: *role,
            sha256,
            bytes,
            media_type: String::new(),
            span: None,
            frames: 0,
            holes: Vec::new(),
        }
    });
    let entry = Entry {
        want: None,
        id: sha256(&second.to_le_bytes()),
        camera: DeviceId::new("cam").unwrap(),
        at: at(second),
        cut_at: at(second),
        signed: Signed {
            manifest: String::new(),
            certificate: String::new(),
            signature: String::new(),
        },
        parts: parts.collect(),
        is_announced: false,
    };
    spool.enter(entry.clone()).unwrap();
    spool.announced(&entry).unwrap();
    entry
}

const ALL: [Role; 3] = [Role::Still, Role::Clip, Role::Original];

#[test]
fn what_is_wanted_and_what_waits_survives_a_restart_and_half_a_file_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    assert!(spool.want(&want(7)).unwrap() && spool.want(&want(3)).unwrap());
    let entry = enter(&spool, 1, &ALL);
    // A file whose entry was never written, and one that was not finished.
    let mut stray = Writing::create(spool.part("y")).unwrap();
    stray.write(b"masked").unwrap();
    let (path, name, bytes) = stray.finish().unwrap();
    spool.keep(&path, &name, bytes, Role::Still).unwrap();
    Writing::create(spool.part("z"))
        .unwrap()
        .write(b"half")
        .unwrap();
    let before = spool.fill();
    drop(spool);
    let spool = open(dir.path());
    let after = Fill {
        files: before.files - 1,
        bytes: before.bytes - bytes,
        ..before
    };
    assert_eq!(spool.fill(), after);
    assert!(!spool.part("z").exists());
    let wants = spool.wants();
    let times: Vec<Timestamp> = wants.iter().map(|(_, want)| want.at).collect();
    assert_eq!(times, [at(3), at(7)]);
    spool.done(&wants[0].0).unwrap();
    let waiting: Vec<String> = spool.waiting().into_iter().map(|w| w.sha256).collect();
    assert_eq!(
        waiting,
        [&entry.parts[0].sha256, &entry.parts[1].sha256].map(String::clone)
    );
    // Acknowledged files go; the original and what is said of it stay.
    for sha256 in &waiting {
        spool.gone(sha256).unwrap();
    }
    let spool = open(dir.path());
    assert_eq!((spool.wants().len(), spool.waiting()), (1, vec![]));
    assert!(spool.original(&entry.parts[2].sha256).is_some());
    assert_eq!(fs::read_dir(dir.path().join(ENTRIES)).unwrap().count(), 1);
}

#[test]
fn what_is_cut_is_not_cut_again_by_an_end_in_between_and_half_written_files_go() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    assert!(spool.want(&want(3)).unwrap() && spool.want(&want(7)).unwrap());
    let (name, _) = spool.wants().swap_remove(0);
    let entry = Entry {
        want: Some(name),
        ..enter(&spool, 1, &ALL)
    };
    spool.enter(entry).unwrap();
    let half = [WANTS, ENTRIES].map(|folder| dir.path().join(folder).join("0-0.json.part"));
    for path in &half {
        fs::write(path, b"{").unwrap();
    }
    drop(spool);
    let spool = open(dir.path());
    let times: Vec<Timestamp> = spool.wants().iter().map(|(_, want)| want.at).collect();
    assert_eq!(times, [at(7)]);
    assert_eq!(fs::read_dir(dir.path().join(WANTS)).unwrap().count(), 1);
    assert!(half.iter().all(|path| !path.exists()));
}

#[test]
fn a_full_spool_lets_go_of_the_oldest_clips_and_of_stills_only_when_no_clip_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let entries: Vec<Entry> = (0..3).map(|n| enter(&spool, n, &ALL)).collect();
    let left = |spool: &Spool| -> Vec<(usize, Role)> {
        let find = |sha: &String| {
            let which = entries
                .iter()
                .position(|e| e.parts.iter().any(|p| p.sha256 == *sha));
            which.unwrap()
        };
        let waiting = spool.waiting();
        waiting.iter().map(|w| (find(&w.sha256), w.role)).collect()
    };
    spool
        .trim(&config(dir.path(), 4_500, 10_000), at(5))
        .unwrap();
    let stills = [(0, Role::Still), (1, Role::Still), (2, Role::Still)];
    assert_eq!(left(&spool), [&stills[..], &[(2, Role::Clip)]].concat());
    spool
        .trim(&config(dir.path(), 2_500, 10_000), at(5))
        .unwrap();
    assert_eq!(left(&spool), stills[1..]);
    let counts = &spool.metrics.footage;
    assert_eq!(
        (counts.clips_let_go.get(), counts.stills_let_go.get()),
        (3, 1)
    );
    assert_eq!(
        spool.fill().originals,
        3,
        "originals have a bound of their own"
    );
    spool
        .trim(&config(dir.path(), 2_500, 2_500), at(5))
        .unwrap();
    assert_eq!(
        (spool.fill().originals, counts.originals_let_go.get()),
        (2, 1)
    );
    spool
        .trim(&config(dir.path(), 2_500, 2_500), at(86_402))
        .unwrap();
    assert_eq!(
        (spool.fill().originals, counts.originals_expired.get()),
        (1, 1)
    );
    // The first entry has nothing left.
    assert_eq!(fs::read_dir(dir.path().join(ENTRIES)).unwrap().count(), 2);
}

#[test]
fn what_goes_is_written_down_first_and_what_is_refused_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let entries: Vec<Entry> = (0..3).map(|n| enter(&spool, n, &ALL)).collect();
    let hash = |n: usize, part: usize| entries[n].parts[part].sha256.clone();
    // Of the newest both masked files are not taken.
    for part in [0, 1] {
        assert!(spool.refuse(&hash(2, part), NotTaken::NotTold));
        assert!(!spool.refuse(&hash(2, part), NotTaken::NotTold));
    }
    assert_eq!((spool.fill().files, spool.fill().refused), (6, 2));
    assert_eq!(spool.fill().oldest, Some(at(0)));
    assert_eq!(spool.waiting().len(), 4);
    spool
        .trim(&config(dir.path(), 3_000, 10_000), at(5))
        .unwrap();
    let gone: Vec<(String, LostBy)> = spool
        .untold()
        .into_iter()
        .map(|(_, gone)| (gone.sha256, gone.by))
        .collect();
    let expected = [hash(2, 0), hash(2, 1), hash(0, 1)].map(|hash| (hash, LostBy::Full));
    assert_eq!(gone, expected);
    assert_eq!(spool.fill().refused, 0);
    assert!(spool.damaged(&hash(1, 1), at(6)).unwrap());
    assert!(!spool.damaged(&hash(1, 1), at(6)).unwrap());
    // An end between the word and the deed: the file goes at the next start.
    let back = dir.path().join(FILES).join(hash(0, 1));
    fs::write(&back, b"masked").unwrap();
    drop(spool);
    let spool = open(dir.path());
    assert!(!back.exists());
    assert_eq!(spool.untold().len(), 4);
    for (name, _) in spool.untold() {
        spool.told(&name).unwrap();
    }
    assert_eq!(open(dir.path()).untold(), []);
}

#[test]
fn a_second_sighting_within_a_clip_that_is_wanted_is_covered_by_it() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let (from, to) = (at(0), at(20));
    spool
        .want(&Want {
            from,
            to,
            ..want(10)
        })
        .unwrap();
    let camera = DeviceId::new("cam").unwrap();
    let covers = |second| spool.covers(&camera, &Occasion::Overview, at(second));
    assert!(covers(0) && covers(20) && !covers(21));
    let other = Occasion::Sighting {
        point: contract::PointName::new("see.no_mask").unwrap(),
        zone: String::new(),
    };
    assert!(!spool.covers(&camera, &other, at(10)));
    assert!(!spool.covers(&DeviceId::new("yard").unwrap(), &Occasion::Overview, at(10)));
    spool.done(&spool.wants()[0].0).unwrap();
    assert!(!covers(10));
}

#[test]
fn too_much_that_is_wanted_is_refused_and_a_damaged_file_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    for n in 0..WANTS_MAX as i64 {
        assert!(spool.want(&want(n)).unwrap());
    }
    assert!(!spool.want(&want(99)).unwrap());
    let first = fs::read_dir(dir.path().join(WANTS))
        .unwrap()
        .next()
        .unwrap();
    fs::write(first.unwrap().path(), b"{").unwrap();
    let spool = open(dir.path());
    assert_eq!(spool.wants().len(), WANTS_MAX - 1);
    assert_eq!(open(dir.path()).wants().len(), WANTS_MAX - 1);
}
