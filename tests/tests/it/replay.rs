//! Recorded data, played as an instrument, arrives as it stands in the file: value by value and time by time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_agent::record::Record;
use journal::{Journal, Options, Seq};
use tests::config_text::Identity;
use tests::process::wait_for;
use tests::recording::Recording;
use tests::setup::{binaries, repository};
use tests::world::free_address;

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

/// A recording of our own with what recordings have: a gap, a missing value, many digits.
fn small(folder: &Path) -> Recording {
    let csv = folder.join("small.csv");
    let text = "when;a;b\n\
        2024-03-01 00:00:00;1.5;0.026588800000000002\n\
        2024-03-01 00:00:01;;-0.1\n\
        2024-03-01 00:10:00;3;1e-300\n\
        2024-03-01 00:10:01.250;3;123456789.123456789\n";
    std::fs::write(&csv, text).expect("written");
    Recording {
        csv,
        time: "when".into(),
        values: columns(&["a", "b"]),
    }
}

/// The recorded cold store and one SKAB run, where they are at hand.
fn shared() -> Vec<Recording> {
    let data = repository().join("../shared/data");
    let mut found = Vec::new();
    let mut offer = |csv: PathBuf, time: &str, values: &[&str]| {
        if csv.exists() {
            found.push(Recording {
                csv,
                time: time.into(),
                values: columns(values),
            });
        } else {
            println!("not replayed, since it is not here: {}", csv.display());
        }
    };
    offer(
        data.join("subzero-coldstore/saveris_values_complete.csv"),
        "date",
        &["platform_1", "deepfreezer_1", "freezer_1", "cooling_1"],
    );
    offer(
        data.join("SKAB/data/valve2/0.csv"),
        "datetime",
        &[
            "Accelerometer1RMS",
            "Current",
            "Pressure",
            "Temperature",
            "Voltage",
        ],
    );
    found
}

/// Value and time of everything an agent's buffer holds, by row.
fn buffered(path: &Path) -> Vec<(i64, Vec<Option<f64>>)> {
    let journal = Journal::open(path, Options::small()).expect("the agent let go of its buffer");
    let mut rows = Vec::new();
    let mut next = journal.first();
    loop {
        let blocks = journal.read(next, 1 << 20).expect("readable buffer");
        let Some(last) = blocks.last() else {
            return rows;
        };
        next = Seq(last.seq.0 + 1);
        for block in blocks {
            let record = Record::decode(&block.body).expect("a record");
            rows.push((
                record.at.as_millis(),
                record.readings.iter().map(|r| r.value).collect(),
            ));
        }
    }
}

#[test]
fn an_agent_keeps_each_row_of_a_recording_once_with_its_own_time() {
    let binaries = binaries().expect("built");
    let folder = tempfile::tempdir().expect("temporary folder");
    let recording = small(folder.path());
    let rows = recording.rows().expect("rows");
    let instrument = free_address(0).expect("free port");
    let nobody = free_address(0).expect("free port");
    let log = folder.path().join("replay.log");
    let _replay = recording
        .play(&binaries, instrument, &log)
        .expect("replay started");
    wait_for("the replay to listen", Duration::from_secs(30), || {
        Ok(std::net::TcpStream::connect(instrument).ok())
    })
    .expect("listening");
    let mut agent = recording
        .agent(
            &binaries,
            folder.path(),
            instrument,
            nobody,
            Identity::Anonymous,
        )
        .expect("agent started");
    wait_for("the replay's end", Duration::from_secs(60), || {
        agent.check()?;
        Ok(std::fs::read_to_string(&log)?
            .contains("rows_read")
            .then_some(()))
    })
    .expect("every row was read");
    // One more poll may show the last row again: it must not be kept twice.
    std::thread::sleep(Duration::from_millis(300));
    agent.stop(Duration::from_secs(10)).expect("stopped");
    let last = rows.last().expect("rows").at_ms;
    let expected: Vec<_> = rows.into_iter().map(|r| (r.at_ms, r.values)).collect();
    // On a busy machine an answer may come late, which is an absence of its own time; the row is asked for again.
    let absent = |row: &(i64, Vec<Option<f64>>)| row.0 > last && row.1.iter().all(Option::is_none);
    let kept: Vec<_> = buffered(&folder.path().join("buffer.db"))
        .into_iter()
        .filter(|row| !absent(row))
        .collect();
    assert_eq!(kept, expected);
}

#[test]
fn recordings_of_others_are_read_whole() {
    for recording in shared() {
        let rows = recording.rows().expect("rows");
        assert!(
            rows.len() > 500,
            "{}: {} rows",
            recording.csv.display(),
            rows.len()
        );
    }
}
