//! A buffer file that was restored from an old copy: its numbers were given to other records meanwhile.

use crate::{
    host::{Arrived, Host, records, stream_of},
    instrument,
    run::{start, write_config},
};
use contract::payload::Scalar;
use edge_agent::{app::Running, buffer::Buffer, config, metrics::Metrics};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

const FILES: [&str; 3] = ["buffer.db", "buffer.db-wal", "buffer.db-shm"];

fn copy(from: &Path, to: &Path) {
    for name in FILES {
        match std::fs::copy(from.join(name), to.join(name)) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let _ = std::fs::remove_file(to.join(name));
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

/// Values of the instrument's counter in what arrived from a place on: how often each came under which name.
fn counts(arrived: &[Arrived]) -> BTreeMap<u64, BTreeSet<(String, u64)>> {
    let mut found: BTreeMap<u64, BTreeSet<(String, u64)>> = BTreeMap::new();
    for stream in streams(arrived) {
        for (number, message) in records(arrived, &stream) {
            if let Some(Scalar::Real(value)) = message.metrics.get(1).map(|m| &m.value) {
                let names = found.entry(*value as u64).or_default();
                names.insert((stream.clone(), number));
            }
        }
    }
    found
}

fn streams(arrived: &[Arrived]) -> BTreeSet<String> {
    let births = arrived.iter().filter_map(|event| match event {
        Arrived::Message(_, message) => stream_of(message),
        _ => None,
    });
    births.collect()
}

async fn records_in_all(host: &Arc<Host>, at_least: usize) {
    host.until("more records", |arrived| {
        (records(arrived, "").len() >= at_least).then_some(())
    })
    .await;
}

async fn stop(running: Running) {
    running.drain().await;
}

/// The agent runs, its disk is copied, it runs on, and the copy is put back. `offline` polls are made by the restored
/// agent, with a restart among them, before it reaches the gateway.
async fn restored(is_offline_first: bool) {
    let folder = tempfile::tempdir().unwrap();
    let image = tempfile::tempdir().unwrap();
    let host = Host::start().await;
    let (address, _state, _task) = instrument::start().await;
    let path = write_config(folder.path(), host.port, &address);
    let running = start(&path).await;
    records_in_all(&host, 5).await;
    stop(running).await;
    copy(folder.path(), image.path());
    let running = start(&path).await;
    records_in_all(&host, 15).await;
    stop(running).await;
    copy(image.path(), folder.path());
    if is_offline_first {
        // Longer than the other life was: no number tells that it was restored but the one of its opening.
        let nowhere = write_config(folder.path(), 1, &address);
        for _ in 0..2 {
            let running = start(&nowhere).await;
            let metrics = running.metrics();
            host.until("records stored while offline", |_| {
                (metrics.readings_stored.get() >= 20).then_some(())
            })
            .await;
            stop(running).await;
        }
    }
    let path = write_config(folder.path(), host.port, &address);
    let running = start(&path).await;
    let metrics = running.metrics();
    host.until(
        "records of a new stream, and all their receipts",
        |arrived| {
            let is_new = streams(arrived).len() == 2;
            (is_new && metrics.streams_left.get() == 1 && metrics.records_sent.get() > 3)
                .then_some(())
        },
    )
    .await;
    let sent = records(&host.arrived(), "").len();
    records_in_all(&host, sent + 5).await;
    // What waited goes beside what is new; whatever is lost is never there.
    host.until("every poll up to the newest", |arrived| {
        let found = counts(arrived);
        let newest = found.keys().last().copied();
        (newest == Some(found.len() as u64)).then_some(())
    })
    .await;
    stop(running).await;

    let found = counts(&host.arrived());
    let read = *found.keys().last().unwrap();
    let lost: Vec<u64> = (1..=read).filter(|n| !found.contains_key(n)).collect();
    assert_eq!(lost, Vec::<u64>::new(), "polls that never arrived");
    let doubled: Vec<_> = found.iter().filter(|(_, names)| names.len() > 1).collect();
    assert_eq!(doubled, [], "polls under two numbers");
    // What a gateway does: the first record of a number counts, what comes under it later is a repeat.
    let mut taken = BTreeMap::new();
    for (value, names) in &found {
        for name in names {
            let first = taken.entry(name.clone()).or_insert(*value);
            assert_eq!(first, value, "two polls under the number {name:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_buffer_goes_on_in_a_new_stream_and_loses_and_doubles_nothing() {
    restored(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_buffer_that_stores_and_restarts_before_it_is_heard_loses_and_doubles_nothing() {
    restored(true).await;
}

#[tokio::test]
async fn the_fence_of_the_first_opening_stands_until_the_gateway_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_config(folder.path(), 1, "127.0.0.1:1");
    let config = config::load(&path).unwrap().buffer;
    let open = async || {
        Buffer::open(&config, Arc::new(Metrics::default()))
            .await
            .unwrap()
    };
    let poll = |at| {
        let device = contract::DeviceId::new("d").unwrap();
        edge_agent::record::Record::of(device, contract::Timestamp::from_millis(at), Vec::new())
    };
    let buffer = open().await;
    buffer.append(&poll(1), false).await;
    buffer.close().await;
    let buffer = open().await;
    assert_eq!(buffer.fence(), 0, "the first opening was never heard");
    buffer.keep_fence(None).await.unwrap();
    buffer.append(&poll(2), false).await;
    buffer.close().await;
    let buffer = open().await;
    assert_eq!((buffer.fence(), buffer.head()), (2, 2));
    let before = buffer.stream();
    let name = buffer.begin_stream().await.unwrap();
    assert!(name != before && name == buffer.stream());
    buffer.close().await;
    assert_eq!(open().await.stream(), name);
}
