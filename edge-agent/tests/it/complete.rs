//! Everything that was due is a reading or inside a gap, whatever happens to the box, the disk and the line.

use crate::{
    host::{Arrived, Host, gap_of, records, sequence_of},
    instrument,
    run::{PROFILE, spawn, start, write_config},
};
use contract::{
    DeviceId, Gap, GapReason, PointName, Quality, Reading, Timestamp, payload::Message, topic::Kind,
};
use edge_agent::{buffer::Buffer, config::BufferConfig, metrics::Metrics, record::Record};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};
use tokio::time::{Duration, sleep};

const CHILD: &str = "COMPLETE_CHILD";
const FIRST_POLL: i64 = 1_795_000_000_000;
const SMALL: u64 = 1 << 16;

fn device(n: u64) -> DeviceId {
    DeviceId::new(format!("device-{}", n % 3)).unwrap()
}

/// The n-th poll; its readings count from 1 to 8.
fn poll(n: u64) -> Record {
    let at = Timestamp::from_millis(FIRST_POLL + n as i64 * 10);
    let reading = |index: u64| {
        let name = PointName::new(format!("point-{index}")).unwrap();
        Reading::new(name, at, Some((n * 64 + index) as f64), Quality::Good)
    };
    Record::of(device(n), at, (0..1 + n % 8).map(reading).collect())
}

/// How many readings the first `n` polls of each device had.
fn polled(n: u64) -> BTreeMap<DeviceId, u64> {
    let mut counts = BTreeMap::new();
    for poll in (1..=n).map(poll) {
        *counts.entry(poll.device).or_default() += poll.readings.len() as u64;
    }
    counts
}

async fn open(folder: &Path, bytes_max: u64) -> (Buffer, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::default());
    let config = BufferConfig {
        path: folder.join("buffer.db"),
        bytes_max,
    };
    (
        Buffer::open(&config, metrics.clone()).await.unwrap(),
        metrics,
    )
}

fn config(folder: &Path, port: u16, address: &str, more: &str) -> PathBuf {
    let path = write_config(folder, port, address);
    let text = std::fs::read_to_string(&path).unwrap();
    let (buffer, gateway) = ("path = \"buffer.db\"\n", "receipt_timeout = \"1s\"\n");
    let small = format!("{buffer}bytes_max = {SMALL}\n");
    let text = text.replace(buffer, &small);
    let text = text.replace(gateway, &format!("{gateway}{more}"));
    std::fs::write(&path, text).unwrap();
    path
}

/// Numbered messages of a device, each number once.
fn of<'a>(arrived: &'a [Arrived], device: &DeviceId) -> BTreeMap<u64, &'a Message> {
    let messages = arrived.iter().filter_map(|event| match event {
        Arrived::Message(topic, message) if topic.device.as_ref() == Some(device) => Some(message),
        _ => None,
    });
    messages
        .filter_map(|message| Some((sequence_of(message)?, message)))
        .collect()
}

fn readings(message: &Message) -> impl Iterator<Item = &contract::payload::Metric> {
    let is_reading =
        |metric: &&contract::payload::Metric| metric.alias.is_some_and(|alias| alias > 0);
    message.metrics.iter().filter(is_reading)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_buffer_lets_go_of_the_oldest_and_the_host_sees_exactly_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let polls = 3_000;
    let (buffer, metrics) = open(folder.path(), SMALL).await;
    for n in 1..=polls {
        buffer.append(&poll(n), false).await;
    }
    let (first, head) = (buffer.first(), buffer.head());
    assert!(first > 1_000 && head == polls, "{first} {head}");
    assert!(metrics.records_lost_full.get() == first - 1);
    buffer.close().await;
    let host = Host::start().await;
    let running = start(&config(folder.path(), host.port, "127.0.0.1:1", "")).await;
    let metrics = running.metrics();
    host.until("everything that waited, and its receipt", |arrived| {
        (metrics.records_sent.get() > 200 && metrics.records_waiting.get() <= 3).then_some(())?;
        let gaps = (0..3).map(|n| {
            of(arrived, &device(n))
                .values()
                .filter_map(|m| gap_of(m))
                .count()
        });
        gaps.min().filter(|least| *least > 0).map(|_| ())
    })
    .await;
    running.drain().await;
    let (arrived, expected) = (host.arrived(), polled(polls));
    for n in 0..3 {
        let messages = of(&arrived, &device(n));
        let gaps: Vec<Gap> = messages.values().filter_map(|m| gap_of(m)).collect();
        assert!(gaps.iter().all(|gap| gap.reason == GapReason::BufferFull));
        // While the first of what waited is on its way, more may have to go.
        assert!(gaps.len() <= 2, "{gaps:?}");
        let come: u64 = messages.values().map(|m| readings(m).count() as u64).sum();
        let missing: u64 = gaps.iter().map(|gap| gap.readings).sum();
        assert_eq!(come + missing, expected[&device(n)]);
        let is_lost =
            |number: &u64| poll(*number).device == device(n) && !messages.contains_key(number);
        let lost: Vec<u64> = (1..=polls).filter(is_lost).collect();
        let (low, high) = (lost[0], lost[lost.len() - 1]);
        assert!(
            high >= first - 3 && lost.len() as u64 >= (first - 3) / 3,
            "{low} {high} {first}"
        );
        assert_eq!(gaps.iter().map(|gap| gap.from).min(), Some(poll(low).at));
        assert_eq!(gaps.iter().map(|gap| gap.to).max(), Some(poll(high).at));
        let records = gaps.iter().filter_map(|gap| gap.records);
        assert_eq!(records.clone().map(|(from, _)| from).min(), Some(low));
        assert_eq!(records.map(|(_, to)| to).max(), Some(high));
    }
}

/// Not a test of its own: the child of the test below. It stores polls in a buffer that is full soon.
#[tokio::test]
async fn complete_child() {
    let Ok(folder) = std::env::var(CHILD) else {
        return;
    };
    let (buffer, _) = open(Path::new(&folder), SMALL).await;
    let mut out = std::io::stdout();
    // A gap that is said counts among the records.
    for _ in 0..200_000 {
        let n = buffer.head() + 1;
        buffer.append(&poll(n), false).await;
        writeln!(out, "stored {n}").unwrap();
        out.flush().unwrap();
    }
}

/// What is in the buffer and what is said to be missing of it, by device.
async fn accounted(buffer: &Buffer) -> BTreeMap<DeviceId, u64> {
    let mut counts = BTreeMap::new();
    let mut follower = buffer.follow(buffer.first());
    while follower.position().0 <= buffer.head() {
        let block = follower.next().await.unwrap();
        let record = Record::decode(&block.body).unwrap();
        let gap = record.gap.map_or(0, |gap| gap.readings);
        *counts.entry(record.device).or_default() += record.readings.len() as u64 + gap;
    }
    counts
}

#[tokio::test]
async fn killed_while_it_lets_go_a_full_buffer_neither_loses_nor_doubles_a_gap() {
    let mut state = 20_261_125u64;
    let mut stored = 0;
    let folder = tempfile::tempdir().unwrap();
    for round in 0..6 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let lines = 700 + (state >> 33) % 300;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["complete::complete_child", "--exact", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let heard = BufReader::new(child.stdout.take().unwrap()).lines();
        let heard = heard
            .map_while(Result::ok)
            .filter(|line| line.contains("stored "));
        assert_eq!(heard.take(lines as usize).count() as u64, lines);
        child.kill().unwrap();
        child.wait().unwrap();
        // What the child did is judged on a copy, so that its numbers stay those of its polls.
        let copy = tempfile::tempdir().unwrap();
        for name in ["buffer.db", "buffer.db-wal"] {
            std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
        }
        let (buffer, _) = open(copy.path(), SMALL).await;
        let head = buffer.head();
        assert!(head >= stored + lines);
        stored = head;
        // Each word needs room of its own, for which more may have to go.
        for _ in 0..4 {
            buffer.say_missing(false, |_| false).await.unwrap();
        }
        assert!(round == 0 || buffer.first() > 1_000);
        assert_eq!(accounted(&buffer).await, polled(head), "after {head} polls");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_line_cut_again_and_again_each_record_comes_once_in_the_order_of_its_lane() {
    let folder = tempfile::tempdir().unwrap();
    let (buffer, _) = open(folder.path(), SMALL * 16).await;
    for n in 1..=4_000 {
        buffer.append(&poll(n), false).await;
    }
    buffer.close().await;
    let host = Host::start().await;
    let (address, _state, _task) = instrument::start().await;
    let path = config(
        folder.path(),
        host.port,
        &address,
        "backfill_per_s = 9000\n",
    );
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replace(&SMALL.to_string(), &(SMALL * 16).to_string()),
    )
    .unwrap();
    let running = start(&path).await;
    let mut state = 7u64;
    for _ in 0..12 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let enough = host.arrived().len() + 50 + (state >> 33) as usize % 250;
        host.until("some more records", |arrived| {
            (arrived.len() >= enough).then_some(())
        })
        .await;
        host.cuts.send_modify(|cuts| *cuts += 1);
    }
    let metrics = running.metrics();
    host.until("everything that waited", |arrived| {
        (metrics.records_waiting.get() <= 3).then_some(())?;
        let numbers: BTreeSet<u64> = records(arrived, "").iter().map(|r| r.0).collect();
        (1..=4_000).all(|n| numbers.contains(&n)).then_some(())
    })
    .await;
    running.drain().await;
    let arrived = host.arrived();
    let mut seen = BTreeSet::new();
    let (mut last, mut is_live_first) = (BTreeMap::new(), false);
    for event in &arrived {
        match event {
            Arrived::Connected { .. } => last.clear(),
            Arrived::Message(topic, message) if topic.kind == Kind::DeviceData => {
                let number = sequence_of(message).unwrap();
                assert!(seen.insert(number), "record {number} came twice");
                let is_historical = readings(message).any(|metric| metric.is_historical);
                let before = last.insert(is_historical, number).unwrap_or(0);
                assert!(before < number, "{before} came before {number}");
                is_live_first |= !is_historical && seen.len() < 4_000;
            }
            _ => {}
        }
    }
    assert!(is_live_first, "new records waited for old ones");
    assert_eq!(
        seen.len() as u64,
        *seen.last().unwrap(),
        "a number is missing"
    );
}

fn qualities(arrived: &[Arrived]) -> Vec<u32> {
    let device = DeviceId::new("d").unwrap();
    let of = of(arrived, &device);
    let codes = of.values().flat_map(|message| readings(message));
    codes
        .map(|metric| metric.quality_code.unwrap_or(0))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readings_of_a_clock_behind_the_newest_record_say_so_until_the_gateway_agrees() {
    let folder = tempfile::tempdir().unwrap();
    // The newest record is of tomorrow: so the clock must have been set back, or the box began in the past.
    let (buffer, _) = open(folder.path(), SMALL).await;
    let tomorrow = Timestamp::now().plus_millis(86_400_000);
    let record = Record::of(DeviceId::new("other").unwrap(), tomorrow, Vec::new());
    buffer.append(&record, false).await;
    buffer.close().await;
    let (address, _state, _task) = instrument::start().await;
    let begun = Timestamp::now();
    let nowhere = start(&config(folder.path(), 1, &address, "")).await;
    let host = Host::start().await;
    let metrics = nowhere.metrics();
    host.until("records stored while offline", |_| {
        (metrics.readings_stored.get() >= 10).then_some(())
    })
    .await;
    nowhere.drain().await;
    let running = start(&config(folder.path(), host.port, &address, "")).await;
    host.until("readings of a clock that is trusted", |arrived| {
        (qualities(arrived).last() == Some(&1) && qualities(arrived).contains(&0)).then_some(())
    })
    .await;
    let metrics = running.metrics();
    host.until("a clock that is said to be trusted", |_| {
        (metrics.clock_untrusted.get() == 0).then_some(())
    })
    .await;
    assert!(running.metrics().clock_offset_ms.get().abs() < 2_000);
    running.drain().await;
    let codes = qualities(&host.arrived());
    // `seven` is outside its range, which is a doubt of its own and stays.
    let (counts, sevens): (Vec<_>, Vec<_>) = codes.chunks(2).map(|c| (c[0], c[1])).unzip();
    assert!(sevens.iter().all(|code| *code == 1), "{sevens:?}");
    let untrusted = counts.iter().take_while(|code| **code == 6).count();
    assert!(untrusted >= 5, "{counts:?}");
    assert!(
        counts[untrusted..].iter().all(|code| *code == 0),
        "{counts:?}"
    );
    let arrived = host.arrived();
    let d = DeviceId::new("d").unwrap();
    for message in of(&arrived, &d).values() {
        for metric in readings(message) {
            let at = metric.at.unwrap();
            assert!(at >= begun && at <= Timestamp::now(), "re-timed: {at}");
        }
    }
}

/// Times at which the device was polled or said to be missing, a gap spread over its polls.
fn told(arrived: &[Arrived], device: &DeviceId) -> (Vec<i64>, u64) {
    let (mut times, mut missing) = (Vec::new(), 0);
    for message in of(arrived, device).values() {
        times.extend(
            readings(message)
                .next()
                .and_then(|m| m.at)
                .map(Timestamp::as_millis),
        );
        if let Some(gap) = gap_of(message) {
            assert_eq!(gap.readings % 2, 0, "two points: {gap:?}");
            missing += gap.readings / 2;
        }
    }
    (times, missing)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_an_agent_was_off_is_a_gap_with_the_readings_that_were_due() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start().await;
    let (address, _state, _task) = instrument::start().await;
    let path = write_config(folder.path(), host.port, &address);
    let enough = |count: usize| {
        host.until("records", move |arrived| {
            (records(arrived, "").len() >= count).then_some(())
        })
    };
    let running = start(&path).await;
    enough(5).await;
    running.drain().await;
    let before = host.arrived().len();
    sleep(Duration::from_millis(1_234)).await;
    let running = start(&path).await;
    enough(records(&host.arrived(), "").len() + 5).await;
    let d = DeviceId::new("d").unwrap();
    let gap = host.until("the gap", |arrived| {
        of(arrived, &d).values().find_map(|m| gap_of(m))
    });
    let gap = gap.await;
    running.drain().await;
    let arrived = host.arrived();
    let last = told(&arrived[..before], &d).0.into_iter().max().unwrap();
    let first = told(&arrived[before..], &d).0.into_iter().min().unwrap();
    assert_eq!(gap.reason, GapReason::AgentOff);
    let polls = gap.readings as i64 / 2;
    assert!(polls >= 12 && gap.readings == 2 * polls as u64, "{gap:?}");
    assert_eq!(gap.from.as_millis(), last + 100);
    assert_eq!(gap.to.as_millis(), last + 100 * polls);
    assert!(
        (1..=200).contains(&(first - gap.to.as_millis())),
        "{gap:?} {first}"
    );
    let gaps = of(&arrived, &d)
        .values()
        .filter(|m| gap_of(m).is_some())
        .count();
    assert_eq!(gaps, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happened_each_due_poll_is_a_record_or_inside_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start().await;
    let (address, _state, _task) = instrument::start().await;
    // One device that answers, and one that is not there.
    let there = config(folder.path(), host.port, &address, "");
    let mut text = std::fs::read_to_string(&there).unwrap();
    std::fs::write(folder.path().join("profile.toml"), PROFILE).unwrap();
    text.push_str("[[device]]\nid = \"gone\"\nprofile = \"profile.toml\"\naddress = \"127.0.0.1:1\"\nevery = \"100ms\"\ntimeout = \"60ms\"\n");
    std::fs::write(&there, &text).unwrap();
    let offline = folder.path().join("offline.toml");
    std::fs::write(
        &offline,
        text.replace(&format!("port = {}", host.port), "port = 1"),
    )
    .unwrap();
    let runs = 5;
    for round in 0..runs {
        let is_offline = round % 2 == 1;
        let mut child = spawn(if is_offline { &offline } else { &there });
        if is_offline {
            sleep(Duration::from_millis(1_500)).await;
        } else {
            let enough = records(&host.arrived(), "").len() + 30;
            host.until("more records", |arrived| {
                (records(arrived, "").len() >= enough).then_some(())
            })
            .await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        sleep(Duration::from_millis(300)).await;
    }
    let running = start(&there).await;
    let metrics = running.metrics();
    let names = ["d", "gone"].map(|name| DeviceId::new(name).unwrap());
    host.until("both gaps of the last start, and all receipts", |arrived| {
        let gaps = |id| {
            of(arrived, id)
                .values()
                .filter(|m| gap_of(m).is_some())
                .count()
        };
        let is_told = names.iter().all(|id| gaps(id) > 0);
        (is_told && metrics.connections.get() > 0 && metrics.records_waiting.get() <= 3)
            .then_some(())
    })
    .await;
    running.drain().await;
    for id in &names {
        let (mut times, missing) = told(&host.arrived(), id);
        times.sort_unstable();
        let (first, last) = (times[0], times[times.len() - 1]);
        let due = (last - first) / 100 + 1;
        let is = times.len() as i64 + missing as i64;
        // Each start begins a schedule of its own, in the middle of an interval.
        assert!(
            (due - is).abs() <= runs,
            "{id}: {due} due, {} polled, {missing} missing",
            times.len()
        );
        assert!(missing >= 3 * runs as u64, "{id}: {missing}");
    }
}
