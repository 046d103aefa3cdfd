//! The agent running: readings arrive once each, silence becomes absence, outages and kill -9 lose nothing.

use crate::{
    host::{Arrived, Host, gap_of, records},
    instrument,
};
use contract::{
    GapReason,
    payload::{Message, Scalar},
    topic::Kind,
};
use edge_agent::{app::Running, config};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, atomic::Ordering::SeqCst},
};

pub const PROFILE: &str = r#"
name = "counter"
[[point]]
name = "count"
function = "holding"
register = 0
type = "u16"
unit = "1"
range = [0, 60000]
[[point]]
name = "seven"
function = "holding"
register = 1
type = "u16"
unit = "A"
range = [0, 5]
"#;

pub fn write_config(folder: &Path, port: u16, instrument: &str) -> PathBuf {
    std::fs::write(folder.join("profile.toml"), PROFILE).unwrap();
    let text = format!(
        "site = \"s\"\nagent = \"a\"\n[buffer]\npath = \"buffer.db\"\n[gateway]\nhost = \"127.0.0.1\"\nport = {port}\n\
         receipt_timeout = \"1s\"\n[[device]]\nid = \"d\"\nprofile = \"profile.toml\"\naddress = \"{instrument}\"\n\
         every = \"100ms\"\ntimeout = \"60ms\"\n"
    );
    let path = folder.join("agent.toml");
    std::fs::write(&path, text).unwrap();
    path
}

pub async fn start(path: &Path) -> Running {
    Running::start(config::load(path).unwrap_or_else(|e| panic!("{e}")))
        .await
        .unwrap()
}

fn qualities(message: &Message) -> Vec<u32> {
    message.metrics[1..]
        .iter()
        .map(|metric| metric.quality_code.unwrap_or(0))
        .collect()
}

fn has_qualities(host: &Arc<Host>, codes: [u32; 2]) -> impl Future<Output = ()> {
    let host = host.clone();
    async move {
        let what = format!("a record with the qualities {codes:?}");
        let last = |arrived: &[Arrived]| {
            let records = records(arrived, "");
            records
                .last()
                .is_some_and(|(_, message)| qualities(message) == codes)
                .then_some(())
        };
        host.until(&what, last).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_refusing_or_absent_instrument_becomes_an_absence_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start().await;
    let (address, state, task) = instrument::start().await;
    let running = start(&write_config(folder.path(), host.port, &address)).await;
    // `seven` is outside its range of 0 to 5.
    has_qualities(&host, [0, 1]).await;
    state.mood.store(instrument::SILENT, SeqCst);
    has_qualities(&host, [64, 64]).await;
    state.mood.store(instrument::REFUSE, SeqCst);
    has_qualities(&host, [71, 71]).await;
    state.mood.store(instrument::ANSWER, SeqCst);
    has_qualities(&host, [0, 1]).await;
    task.abort();
    has_qualities(&host, [65, 65]).await;
    running.drain().await;
    let mut counts = BTreeMap::new();
    for (number, message) in records(&host.arrived(), "") {
        let count = &message.metrics[1];
        if let Scalar::Real(value) = count.value {
            assert!(
                counts
                    .insert(value as u64, number)
                    .is_none_or(|n| n == number),
                "value {value} was repeated"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_loses_nothing_and_what_waited_is_marked_historical() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start().await;
    let (address, _state, _task) = instrument::start().await;
    let running = start(&write_config(folder.path(), host.port, &address)).await;
    let metrics = running.metrics();
    host.until("five records", |arrived| {
        (records(arrived, "").len() >= 5).then_some(())
    })
    .await;
    host.receipts.send_replace(false);
    host.cuts.send_modify(|cuts| *cuts += 1);
    let historical = |arrived: &[Arrived]| {
        let all = records(arrived, "");
        all.iter()
            .any(|(_, m)| m.metrics[1..].iter().all(|metric| metric.is_historical))
            .then_some(())
    };
    host.until("a historical record", historical).await;
    // Without receipts everything is sent again and nothing is let go of.
    let twice = |arrived: &[Arrived]| {
        let mut seen = BTreeMap::new();
        records(arrived, "")
            .iter()
            .for_each(|(number, _)| *seen.entry(*number).or_insert(0) += 1);
        seen.values().any(|times| *times >= 3).then_some(())
    };
    host.until("a record sent for the third time", twice).await;
    assert!(metrics.records_waiting.get() > 0);
    host.receipts.send_replace(true);
    host.rebirths.send_modify(|n| *n += 1);
    let births = |arrived: &[Arrived]| {
        let is_birth =
            |a: &&Arrived| matches!(a, Arrived::Message(t, _) if t.kind == Kind::NodeBirth);
        (arrived.iter().filter(is_birth).count() >= 3).then_some(())
    };
    host.until("the birth that was asked for", births).await;
    let begun = std::time::Instant::now();
    running.drain().await;
    assert!(
        begun.elapsed().as_secs() < 5,
        "stopping took {:?}",
        begun.elapsed()
    );
    let arrived = host.until("an orderly end", |arrived| {
        let is_end = matches!(
            arrived.last(),
            Some(Arrived::Disconnected { is_orderly: true })
        );
        is_end.then(|| arrived.to_vec())
    });
    let arrived = arrived.await;
    let death = arrived.iter().rev().find_map(|event| match event {
        Arrived::Message(topic, _) => Some(topic.kind),
        _ => None,
    });
    assert_eq!(death, Some(Kind::NodeDeath));
    check_whole(&arrived);
}

/// Record numbers without a hole from 1; the same number is always the same record.
fn check_whole(arrived: &[Arrived]) {
    let mut seen: BTreeMap<u64, Vec<(Scalar, Option<contract::Timestamp>)>> = BTreeMap::new();
    for (number, message) in records(arrived, "") {
        let body: Vec<_> = message.metrics[1..]
            .iter()
            .map(|m| (m.value.clone(), m.at))
            .collect();
        let before = seen.entry(number).or_insert_with(|| body.clone());
        assert_eq!(*before, body, "record {number} changed");
    }
    let numbers: Vec<u64> = seen.keys().copied().collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let mut times: Vec<_> = seen.values().map(|body| body[0].1).collect();
    times.dedup();
    assert_eq!(times.len(), seen.len(), "two records have one time");
}

pub fn spawn(path: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge-agent"));
    command
        .args(["run", "--config"])
        .arg(path)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_record_of_the_buffer_does_not_hold_up_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start().await;
    let (address, _state, _task) = instrument::start().await;
    let path = write_config(folder.path(), host.port, &address);
    host.receipts.send_replace(false);
    let running = start(&path).await;
    host.until("eight records", |arrived| {
        (records(arrived, "").len() >= 8).then_some(())
    })
    .await;
    running.drain().await;
    let sent = host.arrived().len();
    rusqlite::Connection::open(folder.path().join("buffer.db"))
        .unwrap()
        .execute_batch("UPDATE block SET body = zeroblob(40) WHERE seq = 4")
        .unwrap();
    let running = start(&path).await;
    let metrics = running.metrics();
    host.until("the eight records again", |arrived| {
        (records(&arrived[sent..], "").len() >= 8).then_some(())
    })
    .await;
    host.receipts.send_replace(true);
    host.until("everything that waited", |_| {
        (metrics.records_sent.get() > 8 && metrics.records_waiting.get() <= 2).then_some(())
    })
    .await;
    running.drain().await;
    let arrived = host.arrived();
    let again: BTreeMap<u64, &Message> = records(&arrived[sent..], "").into_iter().collect();
    for number in 1..=8 {
        let gap = gap_of(again[&number]);
        let gap = gap.map(|gap| (gap.reason, gap.readings, gap.records));
        let damaged = (GapReason::Damaged, 2, Some((4, 4)));
        assert_eq!(gap, (number == 4).then_some(damaged));
        let readings = again[&number].metrics.iter().filter(|m| m.alias > Some(0));
        assert_eq!(readings.count(), if number == 4 { 0 } else { 2 });
    }
    assert_eq!(metrics.records_damaged.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_killed_again_and_again_loses_nothing_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start().await;
    let (address, _state, _task) = instrument::start().await;
    let path = write_config(folder.path(), host.port, &address);
    for round in 1..=3u32 {
        host.receipts.send_replace(round != 2);
        let before = records(&host.arrived(), "")
            .iter()
            .map(|r| r.0)
            .max()
            .unwrap_or(0);
        let mut child = spawn(&path);
        let further = |arrived: &[Arrived]| {
            let newest = records(arrived, "").iter().map(|r| r.0).max().unwrap_or(0);
            (newest >= before + 8).then_some(())
        };
        host.until("eight more records", further).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    host.receipts.send_replace(true);
    let running = start(&path).await;
    let metrics = running.metrics();
    let head = metrics.records_waiting.get();
    host.until("everything that waited", |_| {
        (metrics.records_sent.get() > head).then_some(())
    })
    .await;
    running.drain().await;
    check_whole(&host.arrived());
    for event in host.arrived() {
        if let Arrived::Connected { will } = event {
            assert_eq!(
                will.map(|topic| topic.kind),
                Some(Kind::NodeDeath),
                "the will is the death"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_gateway_has_already_is_let_go_of_and_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start().await;
    let (address, _state, _task) = instrument::start().await;
    let path = write_config(folder.path(), host.port, &address);
    host.receipts.send_replace(false);
    let running = start(&path).await;
    host.until("eight records", |arrived| {
        (records(arrived, "").len() >= 8).then_some(())
    })
    .await;
    running.drain().await;
    let sent = host.arrived().len();
    // The answer to the birth is the receipt that was lost.
    host.receipts.send_replace(true);
    let running = start(&path).await;
    let metrics = running.metrics();
    host.until("three new records", |arrived| {
        let again = records(&arrived[sent..], "");
        let new = again.iter().filter(|(number, _)| *number > 8);
        (new.count() >= 3).then_some(())
    })
    .await;
    running.drain().await;
    assert_eq!(metrics.records_damaged.get(), 0);
    check_whole(&host.arrived());
}
