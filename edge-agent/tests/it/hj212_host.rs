//! The HJ 212 host: what loggers send is stored once and then answered, whatever happens between; strangers are kept out.

use crate::host::{Arrived, Host};
use contract::{
    Absence, Quality, Timestamp, configuration::Desired, control::Right, payload::Scalar,
    topic::Kind,
};
use edge_agent::{
    app::Running,
    config,
    metrics::Metrics,
    record::Record,
    source::{Source, hj212::moment},
};
use simulators::hj212::{
    Args, run,
    wire::{Checked, Packet},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

const MN: &str = "010000A8900016F000169DC0";
const STATION: &str = "[[hj212.station]]\nmn = \"010000A8900016F000169DC0\"\ndevice = \"stack\"\n";
const LOCAL: &str = "networks = [\"127.0.0.0/8\"]\n";

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// No gateway listens, so that everything stays in the buffer.
fn write_config(folder: &Path, door: &str) -> (PathBuf, u16) {
    let port = free_port();
    let text = format!(
        "site = \"s\"\nagent = \"a\"\n[buffer]\npath = \"buffer.db\"\n[gateway]\nhost = \"127.0.0.1\"\nport = 1\n\
         [[hj212]]\nlisten = \"127.0.0.1:{port}\"\n{door}"
    );
    let path = folder.join("agent.toml");
    std::fs::write(&path, text).unwrap();
    (path, port)
}

async fn start(path: &Path) -> (Running, Arc<Metrics>) {
    let config = config::load(path).unwrap_or_else(|e| panic!("{e}"));
    let running = Running::start(config).await.unwrap();
    let metrics = running.metrics();
    (running, metrics)
}

/// What the buffer holds; nothing may have it open.
fn stored(folder: &Path) -> Vec<Record> {
    let options = journal::Options::small();
    let journal = journal::Journal::open(&folder.join("buffer.db"), options).unwrap();
    let blocks = journal.read(journal::Seq(1), 1 << 26).unwrap();
    let read = |block: journal::Block| Record::decode(&block.body).unwrap();
    blocks.into_iter().map(read).collect()
}

fn blocks(folder: &Path) -> i64 {
    let database = rusqlite::Connection::open(folder.join("buffer.db")).unwrap();
    let count = database.query_row("SELECT count(*) FROM block", [], |row| row.get(0));
    count.unwrap_or(0)
}

fn sim_args(port: u16, truth: &Path) -> Args {
    Args {
        connect: format!("127.0.0.1:{port}"),
        mn: MN.into(),
        pw: "123456".into(),
        st: "31".into(),
        standard: simulators::hj212::plan::Standard::Y2025,
        key: None,
        speed: 10.0,
        begin: None,
        seconds: 80,
        interval: 5,
        minute: 20,
        heartbeat: 30,
        slope_change: 40,
        split: 2,
        outage: None,
        fault: Vec::new(),
        timeout: 0.6,
        retries: 3,
        seed: 7,
        control: simulators::hj212::Control::Obeys,
        keep_back: 0,
        truth: Some(truth.to_owned()),
    }
}

type Readings = BTreeMap<(String, Timestamp), f64>;

/// What the logger meant to say.
fn meant(truth: &Path) -> Readings {
    let mut meant = Readings::new();
    for line in std::fs::read_to_string(truth).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(readings) = line["readings"].as_array() else {
            continue;
        };
        let period = match line["cn"].as_str().unwrap() {
            "2051" => "@minute",
            "2061" => "@hour",
            "2031" => "@day",
            _ => "",
        };
        for reading in readings {
            let (code, suffix) = (reading[0].as_str().unwrap(), reading[1].as_str().unwrap());
            let point = match suffix {
                "Rtd" => code.to_owned(),
                "Info" => format!("{code}:a21026"),
                _ => format!("{code}-{suffix}{period}"),
            };
            let at = moment::read(line["data_time"].as_str().unwrap()).unwrap();
            meant.insert((point, at), reading[2].as_f64().unwrap());
        }
    }
    meant
}

/// What is stored, without what came again; each reading once, and each good.
fn said(records: &[Record]) -> Readings {
    let mut said = Readings::new();
    for reading in records.iter().flat_map(|record| &record.readings) {
        if reading.point.as_str().ends_with("@resent") {
            continue;
        }
        assert_eq!(reading.quality, Quality::Good, "{reading:?}");
        let key = (reading.point.to_string(), reading.at);
        let before = said.insert(key, reading.value.unwrap());
        assert_eq!(before, None, "{reading:?} came twice");
    }
    said
}

fn packet(cn: &str, data: &str) -> Packet {
    let now = Timestamp::now().as_millis();
    let seconds = simulators::hj212::plan::digits(now / 1000);
    Packet {
        qn: format!("{seconds}{:03}", now % 1000),
        st: "31".into(),
        cn: cn.into(),
        pw: "123456".into(),
        mn: MN.into(),
        flag: 5,
        part: None,
        is_backfill: false,
        data: data.into(),
    }
}

fn now_digits() -> String {
    simulators::hj212::plan::digits(Timestamp::now().as_millis() / 1000)
}

async fn connect(port: u16) -> TcpStream {
    for _ in 0..200 {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await {
            return stream;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody listens");
}

/// Sends a packet and waits for the answer; `None` if there is none or the connection ended.
async fn ask(stream: &mut TcpStream, packet: &Packet) -> Option<String> {
    let bytes = packet.encode(None, Checked::Right);
    stream.write_all(&bytes).await.ok()?;
    answer(stream).await
}

async fn answer(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = vec![0; 4096];
    let read = timeout(Duration::from_secs(2), stream.read(&mut bytes)).await;
    let count = read.ok()?.ok().filter(|count| *count > 0)?;
    Some(String::from_utf8_lossy(&bytes[..count]).into_owned())
}

/// True if the other end has closed the connection within so many seconds.
async fn is_closed(stream: &mut TcpStream, seconds: u64) -> bool {
    let read = timeout(Duration::from_secs(seconds), stream.read(&mut [0; 64])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_a_logger_sends_is_stored_once_through_every_fault() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sm4.key"), "0123456789ABCDEF\n").unwrap();
    let door = format!("{STATION}{LOCAL}key_file = \"sm4.key\"\n");
    let (path, port) = write_config(folder.path(), &door);
    let (running, metrics) = start(&path).await;
    let truth = folder.path().join("truth.jsonl");
    let faults = ["crc:5", "garbage:3", "cut:7", "conflict:4", "mn:6"];
    let done = run(Args {
        key: Some("0123456789ABCDEF".into()),
        fault: faults.map(|fault| fault.parse().unwrap()).to_vec(),
        outage: Some((20, 20)),
        ..sim_args(port, &truth)
    })
    .await
    .unwrap();
    running.drain().await;
    assert_eq!(done.lost, 0, "{done:?}");
    assert!(done.backfilled > 3, "{done:?}");
    let records = stored(folder.path());
    let meant = meant(&truth);
    assert!(meant.len() > 100, "{}", meant.len());
    assert_eq!(said(&records), meant);
    let all = records.iter().flat_map(|record| &record.readings);
    let resent: Vec<_> = all
        .filter(|r| r.point.as_str().ends_with("@resent"))
        .collect();
    assert!(resent.iter().all(|r| !r.quality.is_good()) && !resent.is_empty());
    for record in &records {
        let raw = String::from_utf8_lossy(&record.raw);
        assert!(raw.starts_with("##") && raw.contains(MN), "{raw}");
    }
    let counts = &metrics.hj212;
    for code in [
        "crc_error",
        "garbage",
        "truncated",
        "unknown_mn",
        "conflicting_resend",
    ] {
        assert!(
            counts.complained(code) > 0,
            "{code}: {:#?}",
            counts.complaints()
        );
    }
    assert!(counts.heartbeats.get() > 0);
    assert_eq!(counts.splits_incomplete.get(), 0);
    assert_eq!(counts.frames_stored.get(), records.len() as u64);
}

fn spawn(path: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge-agent"));
    command.args(["run", "--config"]).arg(path);
    command.stderr(Stdio::null()).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_says_that_the_frame_is_on_disk_and_a_lost_answer_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, port) = write_config(folder.path(), &format!("{STATION}{LOCAL}"));
    let mut agent = spawn(&path);
    let data = format!("DataTime={};a21026-Rtd=12.5,a21026-Flag=N", now_digits());
    let first = packet("2011", &data);
    let mut stream = connect(port).await;
    let frame = first.encode(None, Checked::Right);
    stream.write_all(&frame).await.unwrap();
    let answered = answer(&mut stream).await.unwrap();
    // Killed before anything else can happen: what was answered is there.
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(
        answered.contains("CN=9014") && answered.contains(&first.qn),
        "{answered}"
    );
    assert_eq!(blocks(folder.path()), 1);
    // The logger never saw the answer and sends again, in an exchange of its own.
    let mut agent = spawn(&path);
    let mut stream = connect(port).await;
    let again = Packet {
        qn: "20260101000000001".into(),
        ..packet("2011", &data)
    };
    let answered = ask(&mut stream, &again).await.unwrap();
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(answered.contains("QN=20260101000000001"), "{answered}");
    let records = stored(folder.path());
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].raw, frame[..frame.len() - 2]);
    assert_eq!(said(&records).into_values().collect::<Vec<_>>(), [12.5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_killed_again_and_again_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, port) = write_config(folder.path(), &format!("{STATION}{LOCAL}"));
    let truth = folder.path().join("truth.jsonl");
    let mut args = sim_args(port, &truth);
    (args.interval, args.timeout, args.seconds) = (1, 1.0, 100);
    let logger = tokio::spawn(run(args));
    for pause in [1900, 1300, 1700, 1100] {
        let mut agent = spawn(&path);
        sleep(Duration::from_millis(pause)).await;
        agent.kill().unwrap();
        agent.wait().unwrap();
    }
    let mut agent = spawn(&path);
    let done = logger.await.unwrap().unwrap();
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert_eq!(done.lost, 0, "{done:?}");
    let meant = meant(&truth);
    assert!(meant.len() > 300, "{}", meant.len());
    assert_eq!(said(&stored(folder.path())), meant);
}

#[tokio::test]
async fn strangers_are_refused_counted_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let other = "[[hj212.station]]\nmn = \"FAR\"\ndevice = \"far\"\nnetworks = [\"10.1.2.0/24\"]\n";
    let (path, port) = write_config(folder.path(), &format!("{STATION}{LOCAL}{other}"));
    let (running, metrics) = start(&path).await;
    let data = format!("DataTime={};a21026-Rtd=1", now_digits());
    for (mn, code) in [("NOBODY", "unknown_mn"), ("FAR", "wrong_network")] {
        let mut stream = connect(port).await;
        let stranger = Packet {
            mn: mn.into(),
            ..packet("2011", &data)
        };
        let bytes = stranger.encode(None, Checked::Right).repeat(3);
        stream.write_all(&bytes).await.unwrap();
        assert!(is_closed(&mut stream, 2).await, "{mn}");
        assert_eq!(metrics.hj212.complained(code), 3);
        let complaints = metrics.hj212.complaints();
        let shown = complaints.iter().find(|c| c.code == code).unwrap();
        assert!(
            shown.sample.contains(mn) && shown.who == "127.0.0.1",
            "{shown:?}"
        );
    }
    // One connection, one station.
    let mut stream = connect(port).await;
    assert!(ask(&mut stream, &packet("2011", &data)).await.is_some());
    let bytes = Packet {
        mn: "FAR".into(),
        ..packet("2011", &data)
    };
    assert_eq!(ask(&mut stream, &bytes).await, None);
    assert!(ask(&mut stream, &packet("2011", &data)).await.is_some());
    // What only a host sends is neither stored nor answered.
    assert_eq!(
        ask(&mut stream, &packet("3011", "PolId=a21026")).await,
        None
    );
    assert_eq!(metrics.hj212.complained("not_for_a_host"), 1);
    running.drain().await;
    assert_eq!(stored(folder.path()).len(), 1);

    let door = format!("{STATION}networks = [\"10.1.2.0/24\", \"fd00::/8\"]\n");
    let folder = tempfile::tempdir().unwrap();
    let (path, port) = write_config(folder.path(), &door);
    let (running, metrics) = start(&path).await;
    assert!(is_closed(&mut connect(port).await, 2).await);
    assert_eq!(metrics.hj212.complained("foreign_network"), 1);
    running.drain().await;
}

#[tokio::test]
async fn connections_are_bounded_and_one_without_good_frames_ends() {
    let folder = tempfile::tempdir().unwrap();
    let door = format!("connections_max = 2\nidle = \"1s\"\nframes_per_s = 3\n{STATION}{LOCAL}");
    let (path, port) = write_config(folder.path(), &door);
    let (running, metrics) = start(&path).await;
    let counts = &metrics.hj212;
    let begun = std::time::Instant::now();
    let (mut slow, mut second) = (connect(port).await, connect(port).await);
    let data = format!("DataTime={};a21026-Rtd=1", now_digits());
    assert!(ask(&mut second, &packet("2011", &data)).await.is_some());
    assert!(is_closed(&mut connect(port).await, 1).await);
    assert_eq!(counts.complained("connections_max"), 1);
    // A byte now and then keeps no connection.
    let frame = packet("2011", &data).encode(None, Checked::Right);
    for byte in &frame {
        if slow.write_all(&[*byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert!(is_closed(&mut slow, 1).await && begun.elapsed() < Duration::from_secs(10));
    assert!(counts.complained("idle") > 0);
    sleep(Duration::from_millis(700)).await;
    // The same station on two connections: one frame is one frame, and the pace is held.
    let (mut one, mut two) = (connect(port).await, connect(port).await);
    for stream in [&mut one, &mut two] {
        assert!(ask(stream, &packet("2011", &data)).await.is_some());
    }
    assert_eq!(
        (counts.frames_stored.get(), counts.frames_repeated.get()),
        (1, 2)
    );
    assert_eq!(counts.complained("second_connection"), 1);
    for _ in 0..4 {
        assert!(ask(&mut one, &packet("2011", &data)).await.is_some());
    }
    assert!(counts.throttled.get() > 0);
    running.drain().await;
    assert_eq!(stored(folder.path()).len(), 1);
}

#[tokio::test]
async fn a_silent_station_becomes_absences_at_the_times_that_were_due() {
    let folder = tempfile::tempdir().unwrap();
    let (path, port) = write_config(folder.path(), &format!("{STATION}{LOCAL}every = \"1s\"\n"));
    let (running, metrics) = start(&path).await;
    let mut stream = connect(port).await;
    let digits = now_digits();
    let data = format!("DataTime={digits};a21026-Rtd=1;a21002-Rtd=2");
    assert!(ask(&mut stream, &packet("2011", &data)).await.is_some());
    let until = |count| {
        let metrics = metrics.clone();
        timeout(Duration::from_secs(20), async move {
            while metrics.absences.get() < count {
                sleep(Duration::from_millis(20)).await;
            }
        })
    };
    until(4).await.unwrap();
    drop(stream);
    sleep(Duration::from_millis(200)).await;
    let before = metrics.absences.get();
    until(before + 2).await.unwrap();
    running.drain().await;
    let records = stored(folder.path());
    let at = moment::read(&digits).unwrap();
    for (n, record) in records[1..].iter().enumerate() {
        assert_eq!(record.at, at.plus_millis((n as i64 + 1) * 1000));
        assert_eq!(record.readings.len(), 2);
    }
    let why = |record: &Record| record.readings[0].quality;
    assert_eq!(why(&records[1]), Quality::Missing(Absence::NoAnswer));
    let last = records.last().unwrap();
    assert_eq!(why(last), Quality::Missing(Absence::NoConnection));
}

#[tokio::test]
async fn texts_unknown_commands_and_distant_times_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (path, port) = write_config(folder.path(), &format!("{STATION}{LOCAL}st = \"32\"\n"));
    let (running, metrics) = start(&path).await;
    let mut stream = connect(port).await;
    let now = now_digits();
    for (cn, data) in [
        (
            "3020",
            format!("DataTime={now};PolId=a21026,i11001-Info=//门已打开;//"),
        ),
        ("7777", format!("DataTime={now};a21026-Rtd=3")),
        (
            "2011",
            format!("DataTime={now};a21026-Rtd=4;a21002-SampleTime=20200101000000,a21002-Rtd=5"),
        ),
        ("1013", "PolId=a21026".to_owned()),
    ] {
        let answered = ask(&mut stream, &packet(cn, &data)).await.unwrap();
        let expected = if cn == "1013" { "CN=9013" } else { "CN=9014" };
        assert!(answered.contains(expected), "{answered}");
    }
    assert_eq!(metrics.hj212.complained("unexpected_st"), 4);
    running.drain().await;
    let records = stored(folder.path());
    let shown: Vec<(usize, bool)> = records
        .iter()
        .map(|record| (record.readings.len(), record.raw.is_empty()))
        .collect();
    let whole = |count| (count, false);
    assert_eq!(shown, [whole(0), whole(1), whole(1), (1, true), whole(0)]);
    assert!(String::from_utf8_lossy(&records[0].raw).contains("门已打开"));
    assert_eq!(records[1].readings[0].point.as_str(), "a21026-Rtd@7777");
    assert_eq!(records[3].at, moment::read("20200101000000").unwrap());
}

/// What has come to the gateway's door, and unit and factor of each point.
fn at_the_gateway(arrived: &[Arrived]) -> (Readings, BTreeMap<String, [Option<String>; 2]>) {
    let (mut names, mut units) = (BTreeMap::new(), BTreeMap::new());
    let mut readings = Readings::new();
    for event in arrived {
        let Arrived::Message(topic, message) = event else {
            continue;
        };
        for metric in &message.metrics {
            match (topic.kind, &metric.name, metric.alias, &metric.value) {
                (Kind::DeviceBirth, Some(name), Some(alias), _) => {
                    names.insert(alias, name.clone());
                    units.insert(name.clone(), [metric.unit.clone(), metric.factor.clone()]);
                }
                (Kind::DeviceData, _, Some(alias), Scalar::Real(value)) => {
                    let name: &String = names.get(&alias).expect("born before its first value");
                    readings.insert((name.clone(), metric.at.unwrap()), *value);
                }
                _ => {}
            }
        }
    }
    (readings, units)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_has_each_value_with_its_time_unit_and_factor() {
    let gateway = Host::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (path, port) = write_config(folder.path(), &format!("{STATION}{LOCAL}"));
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("port = 1\n", &format!("port = {}\n", gateway.port));
    std::fs::write(&path, text).unwrap();
    let (running, _) = start(&path).await;
    let truth = folder.path().join("truth.jsonl");
    let done = run(Args {
        seconds: 45,
        ..sim_args(port, &truth)
    })
    .await
    .unwrap();
    assert_eq!(done.lost, 0, "{done:?}");
    let meant = meant(&truth);
    let all = |arrived: &[Arrived]| {
        let (readings, units) = at_the_gateway(arrived);
        (readings == meant).then_some(units)
    };
    let units = gateway.until("every value, and no other", all).await;
    running.drain().await;
    for (point, unit, factor) in [
        ("a21026", "mg/m³", "a21026"),
        ("a01012-Avg@minute", "℃", "a01012"),
    ] {
        let said = units[point].each_ref().map(|text| text.as_deref());
        assert_eq!(said, [Some(unit), Some(factor)], "{point}");
    }
}

#[test]
fn every_problem_of_a_door_is_told_and_the_key_is_not() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.key"), "SECRET").unwrap();
    let door = "shared = 1\nconnections_max = 0\nreverse_control = [\"read\"]\n[[hj212.station]]\nmn = \"A;B\"\ndevice = \"x/y\"\nnetworks = [\"ten\"]\n\
        key_file = \"bad.key\"\nevery = \"1ms\"\ncolour = \"red\"\n[[hj212.station]]\nmn = \"A\"\ndevice = \"d\"\nnetworks = []\n\
        [[hj212.station]]\nmn = \"A\"\ndevice = \"d\"\nnetworks = [\"::/0\"]\n[[hj212]]\nlisten = \"here\"\nover_time = \"soon\"\n";
    let (path, _) = write_config(folder.path(), door);
    let text = config::load(&path).unwrap_err().to_string();
    for (place, what) in [
        ("hj212[1].shared", "neither true nor false"),
        ("hj212[1].connections_max", "from 1 to 10000"),
        ("hj212[1].reverse_control", "not known"),
        ("hj212[1].station[1].mn", "not an MN"),
        ("hj212[1].station[1].device", "not allowed"),
        ("hj212[1].station[1].networks", "\"ten\" is not a network"),
        ("bad.key", "a key is 32"),
        ("hj212[1].station[1].every", "not a duration"),
        ("hj212[1].station[1].colour", "not known"),
        ("hj212[1].station[2].networks", "not a list of texts"),
        ("hj212[1].station[3].mn", "twice"),
        ("device", "device d is there twice"),
        ("hj212[2].listen", ""),
        ("hj212[2].over_time", "not a duration"),
        ("hj212[2].station", "there is none"),
    ] {
        let is_there = text
            .lines()
            .any(|line| line.contains(place) && line.contains(what));
        assert!(is_there, "no {place}: {what} in\n{text}");
    }
    assert!(!text.contains("SECRET"));
}

#[test]
fn only_the_box_says_what_may_be_ordered_from_its_loggers() {
    let folder = tempfile::tempdir().unwrap();
    let (path, port) = write_config(folder.path(), &format!("{STATION}{LOCAL}"));
    let text = std::fs::read_to_string(&path).unwrap();
    let with = |own: &str, sent: Option<&str>| {
        std::fs::write(&path, format!("{own}{text}")).unwrap();
        let door = format!("[[hj212]]\nlisten = \"127.0.0.1:{port}\"\n{STATION}{LOCAL}");
        let desired = sent.map(|sent| Desired {
            version: 1,
            text: format!("{sent}{door}"),
            files: BTreeMap::new(),
        });
        let config = config::load_with(&path, desired.as_ref()).map_err(|e| e.to_string())?;
        let door = config.sources.into_iter().find_map(|source| match source {
            Source::Hj212(door) => Some(door),
            _ => None,
        });
        Ok::<_, String>(door.unwrap().rights)
    };
    let read = "reverse_control = [\"read\"]\n";
    assert_eq!(with("", None), Ok(vec![]));
    assert_eq!(with("", Some("")), Ok(vec![]));
    assert_eq!(with("reverse_control = []\n", None), Ok(vec![]));
    assert_eq!(with(read, None), Ok(vec![Right::Read]));
    assert_eq!(with(read, Some("")), Ok(vec![Right::Read]));
    for own in ["", read] {
        let refusal = with(own, Some("reverse_control = [\"clock\"]\n")).unwrap_err();
        assert!(
            refusal.contains("reverse_control: only the box's own file"),
            "{refusal}"
        );
    }
    let refusal = with("reverse_control = [\"calibrate\"]\n", None).unwrap_err();
    assert!(refusal.contains("nothing that can be allowed"), "{refusal}");
}
