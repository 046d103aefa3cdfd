//! kill -9 of agent and gateway at random moments: nothing the agent kept is lost, doubled or re-timed.
//!
//! A recording is played, so that every reading has a time and a value that are known beforehand. What the agent had
//! read and not yet kept when it was killed was never promised; everything it numbered was.

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use simulators::random::Random;
use tests::balance;
use tests::collect::buffer;
use tests::config_text::{Identity, gateway_of_a_test};
use tests::process::{Process, wait_for};
use tests::recording::Recording;
use tests::setup::binaries;
use tests::world::{free_address, write};

const SEED: u64 = 20_261_125;
const ROUNDS: u32 = 50;
const ROWS: usize = 20_000;

/// Each row's value says which row it is.
fn rows() -> String {
    let mut text = String::from("time,a,b\n");
    for row in 0..ROWS {
        text += &format!(
            "{},{row},{}.25\n",
            1_700_000_000_000 + row as i64 * 1000,
            row * 2
        );
    }
    text
}

#[test]
fn fifty_violent_ends_lose_double_and_retime_nothing() {
    let binaries = binaries().expect("built");
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = |name: &str| folder.path().join(name);
    write(&path("rows.csv"), &rows()).expect("written");
    let recording = Recording {
        csv: path("rows.csv"),
        time: "time".into(),
        values: vec!["a".into(), "b".into()],
    };
    let [instrument, http, mqtt] = [0; 3].map(|_| free_address(0).expect("free port"));
    let config =
        gateway_of_a_test(folder.path(), http, mqtt, "replay", "agent-replay").expect("config");
    write(&path("gateway.toml"), &config).expect("written");
    let gateway = || {
        let mut command = Command::new(&binaries.gateway);
        command.arg("run").arg("--config").arg(path("gateway.toml"));
        Process::start("gateway", command, &path("gateway.log")).expect("gateway started")
    };
    let agent = || {
        recording
            .agent(
                &binaries,
                folder.path(),
                instrument,
                mqtt,
                Identity::Anonymous,
            )
            .expect("agent started")
    };
    let replay = recording.play(&binaries, instrument, &path("replay.log"));
    let _replay = replay.expect("replay started");
    let (mut running_gateway, mut running_agent) = (gateway(), agent());
    let mut random = Random::seeded(SEED);
    println!("seed {SEED}");
    for _ in 0..ROUNDS {
        std::thread::sleep(Duration::from_millis(random.between(20.0, 700.0) as u64));
        if random.unit() < 0.5 {
            running_gateway.kill().expect("killed");
            running_gateway = gateway();
        } else {
            running_agent.kill().expect("killed");
            running_agent = agent();
        }
    }
    // Everything that waits must arrive before the agent is asked to stop; it waits for receipts while stopping.
    let settled = wait_for("the buffer to drain", Duration::from_secs(120), || {
        running_gateway.check()?;
        std::thread::sleep(Duration::from_secs(2));
        running_agent.stop(Duration::from_secs(10))?;
        let sent = buffer(&path("buffer.db"))?;
        running_agent = agent();
        Ok((sent.numbered > 0 && sent.released == sent.numbered).then_some(()))
    });
    settled.expect("drained");
    running_agent
        .stop(Duration::from_secs(10))
        .expect("agent stopped");
    running_gateway
        .stop(Duration::from_secs(10))
        .expect("gateway stopped");
    let sent = buffer(&path("buffer.db")).expect("the agent's own count");
    let balance = balance::count(&path("data/journal.db")).expect("counted");
    let arrived = &balance.agents["agent-replay"];
    println!(
        "numbered {}, released {}, arrived {arrived:?}",
        sent.numbered, sent.released
    );
    assert!(balance.is_even(), "{balance:?}");
    assert!((sent.released..=sent.numbered).contains(&arrived.records));
    let expected: HashMap<i64, Vec<Option<f64>>> = recording
        .rows()
        .expect("rows")
        .into_iter()
        .map(|row| (row.at_ms, row.values))
        .collect();
    for (index, name) in ["value_0", "value_1"].iter().enumerate() {
        let readings = &balance.points[&format!("replay/recording/{name}")];
        let present: Vec<_> = readings.iter().filter(|r| !r.value.is_nan()).collect();
        assert!(
            present.len() > 100,
            "only {} readings arrived",
            present.len()
        );
        for reading in present {
            let row = expected
                .get(&reading.at_ms)
                .expect("a time of the recording");
            assert_eq!(Some(reading.value), row[index], "at {}", reading.at_ms);
        }
    }
}
