//! Recorded data, played as an instrument, arrives as it stands in the file: value by value and time by time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use edge_agent::record::Record;
use journal::{Journal, Options, Seq};
use tests::collect::buffer;
use tests::config_text::{Door, Identity, gateway_of_a_test, quoted};
use tests::process::wait_for;
use tests::recording::Recording;
use tests::report::Sent;
use tests::servers::{INFLUX_BUCKET, INFLUX_TOKEN, Influx};
use tests::setup::{Binaries, binaries, repository};
use tests::stores;
use tests::world::{free_address, start_gateway, write};

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
        zone: "UTC".into(),
        values: columns(&["a", "b"]),
    }
}

/// The recorded cold store and one SKAB run, where they are at hand.
fn shared() -> Vec<Recording> {
    let data = repository().join("../shared/data");
    let mut found = Vec::new();
    let mut offer = |csv: PathBuf, time: &str, zone: &str, values: &[&str]| {
        if csv.exists() {
            found.push(Recording {
                csv,
                time: time.into(),
                zone: zone.into(),
                values: columns(values),
            });
        } else {
            println!("not replayed, since it is not here: {}", csv.display());
        }
    };
    offer(
        data.join("subzero-coldstore/saveris_values_complete.csv"),
        "date",
        // Its clock went back an hour on 2021-11-07, as in the United States.
        "America/Chicago",
        &[
            "platform_1",
            "platform_2",
            "deepfreezer_1",
            "deepfreezer_2",
            "freezer_1",
            "freezer_2",
            "freezer_3",
            "freezer_4",
            "cooling_1",
            "cooling_2",
        ],
    );
    offer(
        data.join("SKAB/data/valve2/0.csv"),
        "datetime",
        "UTC",
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
fn recordings_of_others_stand_in_both_stores_as_in_their_files() {
    let Some(influx) = Influx::start().expect("InfluxDB") else {
        return;
    };
    let binaries = binaries().expect("built");
    for recording in shared() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let sent = play_through(&binaries, &recording, folder.path(), &influx).expect("played");
        let rows = recording.rows().expect("rows");
        assert!(
            rows.len() > 500,
            "{}: {}",
            recording.csv.display(),
            rows.len()
        );
        let data = folder.path().join("data");
        let embedded = stores::read(&data.join("journal.db"), &data.join("series.db"));
        let embedded = embedded.expect("the embedded store");
        let last = rows.last().expect("rows").at_ms;
        for index in 0..recording.values.len() {
            let point = Recording::point(index);
            let expected: Vec<(i64, Option<f64>)> =
                rows.iter().map(|r| (r.at_ms, r.values[index])).collect();
            // An answer that came too late is an absence with a time of its own, after the recording's.
            let own = |reading: &&(i64, Option<f64>)| reading.0 <= last || reading.1.is_some();
            let here = &embedded.points[&format!("replay/recording/{point}")];
            let here: Vec<_> = here.iter().filter(own).copied().collect();
            let there = in_influx(&influx, &point).expect("InfluxDB's answer");
            let there: Vec<_> = there.iter().filter(own).copied().collect();
            assert_eq!(here, expected, "{point} in the embedded store");
            assert_eq!(there, expected, "{point} in InfluxDB");
        }
        println!(
            "{}: {} rows of {} values, {} records sent; both stores equal the file",
            recording.csv.display(),
            rows.len(),
            recording.values.len(),
            sent.numbered
        );
        influx
            .query("DROP MEASUREMENT reading")
            .expect("emptied for the next recording");
    }
}

/// Plays a recording through agent and gateway until both stores have it; everything has stopped after it.
fn play_through(
    binaries: &Binaries,
    recording: &Recording,
    folder: &Path,
    influx: &Influx,
) -> anyhow::Result<Sent> {
    let (instrument, http, mqtt) = (free_address(0)?, free_address(0)?, free_address(0)?);
    let config = gateway_of_a_test(folder, http, Door::Listener(mqtt), "replay", "agent-replay")?;
    let token = folder.join("token");
    write(&token, INFLUX_TOKEN)?;
    let config = format!(
        "{config}\n[series.influx]\nurl = {}\norg = \"o\"\nbucket = {}\ntoken_file = {}\n",
        quoted(influx.url()),
        quoted(INFLUX_BUCKET),
        quoted(token.display())
    );
    write(&folder.join("gateway.toml"), &config)?;
    let mut gateway = start_gateway(
        binaries,
        &folder.join("gateway.toml"),
        &folder.join("gateway.log"),
    )?;
    let log = folder.join("replay.log");
    let mut replay = recording.play(binaries, instrument, &log)?;
    let mut agent = recording.agent(binaries, folder, instrument, mqtt, Identity::Anonymous)?;
    wait_for("the replay's end", Duration::from_secs(400), || {
        agent.check()?;
        gateway.check()?;
        replay.check()?;
        std::thread::sleep(Duration::from_millis(200));
        Ok(std::fs::read_to_string(&log)?
            .contains("rows_read")
            .then_some(()))
    })?;
    std::thread::sleep(Duration::from_secs(2));
    agent.stop(Duration::from_secs(10))?;
    let sent = buffer(&folder.join("buffer.db"))?;
    anyhow::ensure!(sent.released == sent.numbered, "not drained: {sent:?}");
    let last = recording.rows()?.last().map_or(0, |row| row.at_ms);
    let last_point = Recording::point(recording.values.len() - 1);
    wait_for(
        "InfluxDB to have the last row",
        Duration::from_secs(60),
        || {
            std::thread::sleep(Duration::from_millis(100));
            let stored = in_influx(influx, &last_point)?;
            Ok(stored.iter().any(|r| r.0 == last).then_some(()))
        },
    )?;
    gateway.stop(Duration::from_secs(10))?;
    Ok(sent)
}

/// Time and value of every reading that InfluxDB has of a point, in its own words.
fn in_influx(influx: &Influx, point: &str) -> anyhow::Result<Vec<(i64, Option<f64>)>> {
    let rows = influx.query(&format!(
        "SELECT value, quality FROM reading WHERE point = '{point}'"
    ))?;
    rows.iter()
        .map(|row| {
            Ok((
                row[0].as_i64().context("a row without time")?,
                row[1].as_f64(),
            ))
        })
        .collect()
}
