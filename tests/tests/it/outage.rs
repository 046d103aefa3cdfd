//! kill -9 of agent, gateway and an external broker at random moments: nothing the agent kept is lost, doubled or
//! re-timed.
//!
//! A recording is played, so that every reading has a time and a value that are known beforehand. What the agent had
//! read and not yet kept when it was killed was never promised; everything it numbered was.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use simulators::random::Random;
use tests::balance;
use tests::collect::buffer;
use tests::config_text::{Door, Identity, gateway_of_a_test};
use tests::process::wait_for;
use tests::recording::Recording;
use tests::servers::Mosquitto;
use tests::setup::binaries;
use tests::world::{free_address, start_gateway, write};

const ROUNDS: u32 = 50;
const ROWS: usize = 60_000;

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
fn fifty_violent_ends_of_agent_and_gateway_lose_double_and_retime_nothing() {
    let listener = free_address(0).expect("free port");
    violent_ends(20_261_125, Door::Listener(listener), None);
}

#[test]
fn fifty_violent_ends_of_agent_gateway_and_external_broker_lose_double_and_retime_nothing() {
    let Some(broker) = Mosquitto::start().expect("mosquitto") else {
        return;
    };
    violent_ends(20_261_126, Door::External(broker.address()), Some(broker));
}

fn violent_ends(seed: u64, door: Door, mut broker: Option<Mosquitto>) {
    let binaries = binaries().expect("built");
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = |name: &str| folder.path().join(name);
    write(&path("rows.csv"), &rows()).expect("written");
    let recording = Recording {
        csv: path("rows.csv"),
        time: "time".into(),
        zone: "UTC".into(),
        values: vec!["a".into(), "b".into()],
    };
    let [instrument, http] = [0; 2].map(|_| free_address(0).expect("free port"));
    let config =
        gateway_of_a_test(folder.path(), http, door, "replay", "agent-replay").expect("config");
    write(&path("gateway.toml"), &config).expect("written");
    let agent = || {
        let to = door.address();
        let started = recording.agent(
            &binaries,
            folder.path(),
            instrument,
            to,
            Identity::Anonymous,
        );
        started.expect("agent started")
    };
    let replay = recording.play(&binaries, instrument, &path("replay.log"));
    let _replay = replay.expect("replay started");
    let gateway = || {
        start_gateway(&binaries, &path("gateway.toml"), &path("gateway.log"))
            .expect("gateway started")
    };
    let (mut running_gateway, mut running_agent) = (gateway(), agent());
    let mut random = Random::seeded(seed);
    println!("seed {seed}");
    let mut ends = [0; 3];
    for _ in 0..ROUNDS {
        std::thread::sleep(Duration::from_millis(random.between(20.0, 700.0) as u64));
        let victims = if broker.is_some() { 3.0 } else { 2.0 };
        let victim = random.between(0.0, victims) as usize;
        ends[victim.min(2)] += 1;
        match (victim, &mut broker) {
            (0, _) => {
                running_agent.kill().expect("killed");
                running_agent = agent();
            }
            (1, _) | (_, None) => {
                running_gateway.kill().expect("killed");
                running_gateway = gateway();
            }
            (_, Some(broker)) => {
                broker.kill();
                broker.restart().expect("mosquitto started again");
            }
        }
    }
    // Everything that waits must arrive before the agent is asked to stop; it waits for receipts while stopping.
    let settled = wait_for("the buffer to drain", Duration::from_secs(180), || {
        running_gateway.check()?;
        std::thread::sleep(Duration::from_secs(3));
        running_agent.stop(Duration::from_secs(10))?;
        let sent = buffer(&path("buffer.db"))?;
        let is_drained = sent.numbered > 0 && sent.released == sent.numbered;
        if !is_drained {
            running_agent = agent();
        }
        Ok(is_drained.then_some(()))
    });
    if let Err(error) = settled {
        panic!(
            "{error:#}\nagent:\n{}\ngateway:\n{}",
            running_agent.log_tail(),
            running_gateway.log_tail()
        );
    }
    running_gateway
        .stop(Duration::from_secs(10))
        .expect("gateway stopped");
    println!("killed: agent, gateway, broker {ends:?} times");
    compare(folder.path(), &recording);
}

/// The journal against the agent's own numbers, and against the recording.
fn compare(folder: &Path, recording: &Recording) {
    let sent = buffer(&folder.join("buffer.db")).expect("the agent's own count");
    let balance = balance::count(&folder.join("data/journal.db")).expect("counted");
    let arrived = &balance.agents["agent-replay"];
    let rows = recording.rows().expect("rows");
    let expected: HashMap<i64, Vec<Option<f64>>> = rows
        .into_iter()
        .map(|row| (row.at_ms, row.values))
        .collect();
    let mut retimed = 0;
    for (index, name) in ["value_0", "value_1"].iter().enumerate() {
        let readings = &balance.points[&format!("replay/recording/{name}")];
        let present: Vec<_> = readings.iter().filter(|r| !r.value.is_nan()).collect();
        assert!(
            present.len() > 1_000,
            "only {} readings arrived",
            present.len()
        );
        let is_wrong = |r: &&&balance::Journaled| {
            expected
                .get(&r.at_ms)
                .is_none_or(|row| row[index] != Some(r.value))
        };
        retimed += present.iter().filter(is_wrong).count();
    }
    println!(
        "records numbered {}, arrived {}; readings {}; lost {}, doubled {} ({} absences), re-timed {retimed}",
        sent.numbered,
        arrived.records,
        balance.readings,
        arrived.lost,
        balance.doubled + arrived.doubled,
        balance.doubled_missing
    );
    assert!(balance.is_even() && retimed == 0);
    assert_eq!(arrived.records, sent.numbered);
}
