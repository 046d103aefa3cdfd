//! Devices that publish JSON through mosquitto.

use crate::{
    heard::{self, Heard, write_config},
    host::{Arrived, Host},
    peers::{Mosquitto, spawn_agent, wait_for},
};
use contract::{DeviceId, Timestamp, problems::Problems};
use edge_agent::{
    app::Running,
    buffer::Buffer,
    config::{self, BufferConfig},
    control::Desk,
    metrics::Metrics,
    section::Section,
    source::{
        Sink,
        json::{
            intake::{Arrival, Intake, Speaker},
            mapping,
        },
    },
    status::Board,
};
use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

const POINT: &str = "pointer = \"/t\"\nunit = \"℃\"\nrange = [-1e6, 1e6]\n";

/// `clocked` has a time of its own, `plain-1` and `plain-2` have none.
fn sources(port: u16, every: &str) -> String {
    format!(
        "[[json_mqtt]]\nhost = \"127.0.0.1\"\nport = {port}\n[[json_mqtt.device]]\ntopic = \"clocked/state\"\nid = \"clocked\"\n\
         every = \"1h\"\n[json_mqtt.device.time]\npointer = \"/ts\"\nunit = \"ms\"\n[[json_mqtt.device.point]]\nname = \"t\"\n{POINT}\
         [[json_mqtt.device]]\ntopic = \"plain/{{device}}/state\"\ndevices = [\"plain-1\", \"plain-2\"]\nevery = \"{every}\"\n\
         [[json_mqtt.device.point]]\nname = \"t\"\n{POINT}"
    )
}

async fn start(path: &Path) -> Running {
    let config = config::load(path).unwrap_or_else(|e| panic!("{e}"));
    Running::start(config).await.unwrap()
}

fn values(heard: &[Heard]) -> Vec<f64> {
    heard.iter().filter_map(|h| h.value).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_arrives_once_and_silence_is_an_absence_of_each_interval() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mosquitto) = Mosquitto::start(folder.path()) else {
        return;
    };
    mosquitto.publish("plain/plain-2/state", "{\"t\":99}", &["-r"]);
    let host = Host::start().await;
    let path = write_config(folder.path(), host.port, &sources(mosquitto.port, "700ms"));
    let running = start(&path).await;
    let metrics = running.metrics();
    wait_for("the retained message", || {
        metrics.messages_retained.get() == 1
    });
    let own = "{\"ts\":1795000000123,\"t\":\"-18.25\"}";
    mosquitto.publish("clocked/state", own, &[]);
    // A device that got no acknowledgement publishes again: another message, the same reading.
    mosquitto.publish("clocked/state", own, &[]);
    mosquitto.publish("clocked/state", "{\"ts\":1795000000124,\"t\":", &[]);
    mosquitto.publish("plain/stranger/state", "{\"t\":1}", &[]);
    for value in [4, 4, 5] {
        mosquitto.publish("plain/plain-1/state", &format!("{{\"t\":{value}}}"), &[]);
    }
    let silent = host.until("absences of plain-2", |arrived| {
        let heard = heard::of(arrived, "plain-2");
        (heard.len() >= 3).then_some(heard)
    });
    let silent = silent.await;
    assert!(
        silent.iter().all(|h| (h.value, h.code) == (None, 64)),
        "{silent:?}"
    );
    for pair in silent.windows(2) {
        let apart = pair[1].at.since(pair[0].at);
        // The wall clock and the steady clock are read one after the other.
        assert!((690..=710).contains(&apart), "{apart} ms between absences");
    }
    running.drain().await;
    let arrived = host.arrived();
    let clocked = heard::of(&arrived, "clocked");
    assert_eq!(clocked.len(), 1, "{clocked:?}");
    assert_eq!(
        (clocked[0].at.as_millis(), clocked[0].value, clocked[0].code),
        (1_795_000_000_123, Some(-18.25), 0)
    );
    assert!(clocked[0].has_raw);
    let plain = heard::of(&arrived, "plain-1");
    assert_eq!(values(&plain), [4.0, 4.0, 5.0]);
    assert_eq!(metrics.messages_repeated.get(), 1);
    // Half a JSON text, and a device nobody configured.
    assert_eq!(metrics.refused.get(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_and_comes_back_costs_nothing_and_its_absence_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut mosquitto) = Mosquitto::start(folder.path()) else {
        return;
    };
    let host = Host::start().await;
    let path = write_config(folder.path(), host.port, &sources(mosquitto.port, "800ms"));
    let running = start(&path).await;
    let publish = |mosquitto: &Mosquitto, n: u64| {
        let body = format!("{{\"ts\":{},\"t\":{n}}}", 1_795_000_000_000 + n);
        mosquitto.publish("clocked/state", &body, &[]);
    };
    let has = async |n: usize| {
        let what = format!("{n} values");
        let is_there =
            |arrived: &[Arrived]| (values(&heard::of(arrived, "clocked")).len() >= n).then_some(());
        host.until(&what, is_there).await;
    };
    // The subscription may come after the first message; the session is there from then on.
    let metrics = running.metrics();
    wait_for("the first message", || {
        publish(&mosquitto, 1);
        metrics.messages.get() > 0
    });
    for n in 2..=20 {
        publish(&mosquitto, n);
    }
    has(20).await;
    mosquitto.kill();
    host.until("no connection", |arrived| {
        let heard = heard::of(arrived, "plain-1");
        heard.iter().any(|h| h.code == 65).then_some(())
    })
    .await;
    mosquitto.restart();
    for n in 21..=40 {
        publish(&mosquitto, n);
    }
    has(40).await;
    running.drain().await;
    let clocked = heard::of(&host.arrived(), "clocked");
    let mut numbers: Vec<u64> = values(&clocked).iter().map(|v| *v as u64).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_killed_while_messages_come_stores_each_of_them_once() {
    const MESSAGES: u64 = 600;
    let folder = tempfile::tempdir().unwrap();
    let Some(mosquitto) = Mosquitto::start(folder.path()) else {
        return;
    };
    let host = Host::start().await;
    let path = write_config(folder.path(), host.port, &sources(mosquitto.port, "1h"));
    // Makes the session, so that the broker keeps what comes from now on.
    let running = start(&path).await;
    let metrics = running.metrics();
    wait_for("the session", || {
        mosquitto.publish("plain/stranger/state", "{}", &[]);
        metrics.refused.get() > 0
    });
    running.drain().await;
    let publisher = |topic: &str, line: fn(u64) -> String| {
        let port = mosquitto.port.to_string();
        let mut child = Command::new("mosquitto_pub")
            .args(["-p", &port, "-q", "1", "-l", "-t", topic])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        std::thread::spawn(move || {
            for n in 1..=MESSAGES {
                writeln!(input, "{}", line(n)).unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
            drop(input);
            assert!(child.wait().unwrap().success());
        })
    };
    let publishers = [
        publisher("clocked/state", |n| {
            format!("{{\"ts\":{},\"t\":{n}}}", 1_795_000_000_000 + n)
        }),
        publisher("plain/plain-1/state", |n| format!("{{\"t\":{n}}}")),
    ];
    for _ in 0..6 {
        let before = heard::readings(&host.arrived()).len();
        let agent = spawn_agent(&path);
        let more =
            |arrived: &[Arrived]| (heard::readings(arrived).len() >= before + 60).then_some(());
        host.until("more readings", more).await;
        drop(agent);
    }
    for publisher in publishers {
        publisher.join().unwrap();
    }
    let running = start(&path).await;
    host.until("every message", |arrived| {
        let whole = |device| values(&heard::of(arrived, device)).len() >= MESSAGES as usize;
        (whole("clocked") && whole("plain-1")).then_some(())
    })
    .await;
    running.drain().await;
    for device in ["clocked", "plain-1"] {
        let heard = heard::of(&host.arrived(), device);
        let mut times = BTreeMap::new();
        for value in values(&heard) {
            *times.entry(value as u64).or_insert(0) += 1;
        }
        let wrong: Vec<_> = (1..=MESSAGES)
            .filter(|n| times.get(n) != Some(&1))
            .collect();
        let of_wrong = heard
            .iter()
            .filter(|h| h.value.is_some_and(|value| wrong.contains(&(value as u64))));
        let shown: Vec<_> = of_wrong.take(12).map(|h| (h.record, h.value)).collect();
        assert!(wrong.is_empty(), "{device}: {wrong:?} as in {shown:?}");
        let mut at: Vec<_> = heard.iter().map(|h| h.at).collect();
        at.sort();
        at.dedup();
        assert_eq!(
            at.len(),
            heard.len(),
            "{device}: two readings have one time"
        );
    }
}

async fn sink(folder: &Path) -> (Sink, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::default());
    let config = BufferConfig {
        path: folder.join("buffer.db"),
        bytes_max: 1 << 20,
    };
    let buffer = Buffer::open(&config, metrics.clone()).await.unwrap();
    let board = Board::new(&[], Timestamp::now());
    let (desk, _) = Desk::open(buffer.clone());
    (Sink::new(buffer, metrics.clone(), board, desk), metrics)
}

#[tokio::test]
async fn a_message_stored_and_not_acknowledged_is_known_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let speaker = |clock: &str| {
        let mut problems = Problems::new();
        let text = format!("[[point]]\nname = \"t\"\n{POINT}{clock}");
        let mut part = Section::parse("m", &text, &mut problems).unwrap();
        Speaker {
            id: DeviceId::new(if clock.is_empty() { "plain" } else { "clocked" }).unwrap(),
            mapping: mapping::read(&mut part, &mut problems).unwrap(),
            every: Duration::from_secs(60),
        }
    };
    let clock = "[time]\npointer = \"/ts\"\nunit = \"ms\"\n";
    let arrival = |number, is_repeat| Arrival {
        at: Timestamp::now(),
        now: Instant::now(),
        number: Some(number),
        is_repeat,
    };
    let stored = |folder: &Path| {
        let connection = rusqlite::Connection::open(folder.join("buffer.db")).unwrap();
        let count = "SELECT count(*) FROM block";
        connection.query_row(count, [], |row| row.get::<_, i64>(0))
    };
    let own = b"{\"ts\":1795000000000,\"t\":1}";
    // (what comes, under which number, marked as a repeat) and what is on disk after it.
    for (round, (is_clocked, body, number, is_repeat, expected)) in [
        (true, &own[..], 1, false, 1),
        (true, &own[..], 7, false, 1),
        (false, b"{\"t\":1}", 1, false, 2),
        (false, b"{\"t\":1}", 1, true, 2),
        (false, b"{\"t\":1}", 2, true, 3),
        (false, b"{\"t\":1}", 1, false, 4),
    ]
    .into_iter()
    .enumerate()
    {
        // Each round is a new start of the agent.
        let (sink, _) = sink(folder.path()).await;
        let speaker = speaker(if is_clocked { clock } else { "" });
        let mut intake = Intake::new(speaker, &sink, Instant::now());
        intake
            .message(body, arrival(number, is_repeat), &sink)
            .await
            .unwrap();
        assert_eq!(stored(folder.path()).unwrap(), expected, "round {round}");
    }
}

#[tokio::test]
async fn a_device_without_a_clock_is_doubted_while_the_broker_hands_over_what_it_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, _) = sink(folder.path()).await;
    let mut problems = Problems::new();
    let text = format!("[[point]]\nname = \"t\"\n{POINT}");
    let mut part = Section::parse("m", &text, &mut problems).unwrap();
    let speaker = Speaker {
        id: DeviceId::new("d").unwrap(),
        mapping: mapping::read(&mut part, &mut problems).unwrap(),
        every: Duration::from_secs(60),
    };
    let begin = Instant::now();
    let mut intake = Intake::new(speaker, &sink, begin);
    intake.reconnected(begin);
    let wall = Timestamp::from_millis(1_795_000_000_000);
    let mut codes = Vec::new();
    // Three right behind each other, then at the device's own pace.
    for (n, after_ms) in [1u64, 2, 2, 45_000, 46_000].into_iter().enumerate() {
        let arrival = Arrival {
            at: wall.plus_millis(after_ms as i64),
            now: begin + Duration::from_millis(after_ms),
            number: Some(n as u16 + 1),
            is_repeat: false,
        };
        let body = format!("{{\"t\":{n}}}");
        intake
            .message(body.as_bytes(), arrival, &sink)
            .await
            .unwrap();
        let state = sink.board.state();
        let (at, _, quality) = state.devices[intake.id()]
            .points
            .values()
            .next()
            .unwrap()
            .last
            .unwrap();
        codes.push((at.since(wall), quality.code()));
    }
    assert_eq!(codes, [(1, 6), (2, 6), (3, 6), (45_000, 0), (46_000, 0)]);
}
