//! A bad line between the real agent and the real gateway, fault by fault, and death at every message of their exchange.

use std::path::Path;
use std::time::{Duration, Instant};

use simulators::link::{Fault, Way};
use simulators::random::Random;
use tests::collect::buffer;
use tests::config_text::Identity;
use tests::outage::{Outage, Route, Tally, polls_arrived, recording};
use tests::process::wait_for;
use tests::servers::Mosquitto;
use tests::setup::{Binaries, binaries};
use tests::world::free_address;

/// The agent pings every 15 s and gives up when a ping has no answer at the next.
const NOTICED_WITHIN: Duration = Duration::from_secs(31);

fn start(folder: &Path, route: Route, cycles: u32, seed: u64) -> anyhow::Result<Outage> {
    println!("seed {seed}");
    let mut outage = Outage::start(&binaries()?, folder, route, cycles, seed)?;
    outage.flows()?;
    Ok(outage)
}

fn settle_evenly(outage: &mut Outage) -> anyhow::Result<Tally> {
    let tally = outage.settle()?;
    println!("{tally:?}");
    anyhow::ensure!(tally.is_even(), "{tally:?}");
    Ok(tally)
}

#[test]
fn a_line_that_is_cut_at_random_and_then_slow_delivers_everything_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut outage = start(folder.path(), Route::Plain, 30, 20_261_201)?;
    outage.link.set(Fault::Cuts { per_s: 3.0 });
    wait_for("ten cuts", Duration::from_secs(60), || {
        Ok((outage.link.passed().cuts >= 10).then_some(()))
    })?;
    // Less than the agent reads: what waits grows meanwhile.
    outage.link.set(Fault::Slow { bytes_per_s: 2_000 });
    let before = outage.link.passed().bytes_up;
    wait_for("something to pass slowly", Duration::from_secs(60), || {
        Ok((outage.link.passed().bytes_up > before + 8_000).then_some(()))
    })?;
    settle_evenly(&mut outage)?;
    Ok(())
}

#[test]
fn a_half_open_line_is_noticed_and_loses_nothing_in_either_direction() -> anyhow::Result<()> {
    let ways = [Way::Up, Way::Down, Way::Both];
    let one = |way: Way| -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut outage = start(folder.path(), Route::Plain, 60, 20_261_202)?;
        let connections = outage.link.passed().connections;
        outage.link.set(Fault::HalfOpen(way));
        let began = Instant::now();
        wait_for("the agent to connect again", NOTICED_WITHIN, || {
            Ok((outage.link.passed().connections > connections).then_some(()))
        })?;
        println!("{way:?}: noticed after {:?}", began.elapsed());
        outage.link.set(Fault::None);
        outage.flows()?;
        settle_evenly(&mut outage).map(|_| ())
    };
    std::thread::scope(|scope| {
        let running = ways.map(|way| scope.spawn(move || one(way)));
        running
            .into_iter()
            .try_for_each(|run| run.join().expect("no panic"))
    })
}

#[test]
fn a_bad_line_to_the_instrument_gives_absences_and_never_a_reading_of_another_time()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut outage = start(folder.path(), Route::Plain, 40, 20_261_208)?;
    // An answer may take a second: around it some come in time and some too late.
    let faults = [
        Fault::HalfOpen(Way::Down),
        Fault::Delay(Duration::from_millis(495)),
        Fault::Closed,
        Fault::Slow { bytes_per_s: 60 },
    ];
    for fault in faults {
        outage.instrument_line.set(fault);
        let before = outage.link.passed().bytes_up;
        let began = Instant::now();
        wait_for("absences, or readings", Duration::from_secs(60), || {
            outage.agent.check()?;
            let passed = outage.link.passed().bytes_up > before;
            Ok((passed && began.elapsed() > Duration::from_secs(4)).then_some(()))
        })?;
        outage.instrument_line.set(Fault::None);
        outage.flows()?;
    }
    let tally = settle_evenly(&mut outage)?;
    assert!(tally.absences > 8, "{tally:?}");
    Ok(())
}

#[test]
fn bits_turned_on_a_line_with_tls_cost_connections_and_change_no_reading() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut outage = start(folder.path(), Route::Tls, 40, 20_261_203)?;
    for way in [Way::Up, Way::Down] {
        let before = outage.link.passed();
        outage.link.set(Fault::Flips {
            per_byte: 5e-5,
            way,
        });
        wait_for("connections to break", Duration::from_secs(120), || {
            outage.agent.check()?;
            outage.gateway.check()?;
            let passed = outage.link.passed();
            let is_enough =
                passed.flips >= before.flips + 6 && passed.connections >= before.connections + 5;
            Ok(is_enough.then_some(()))
        })?;
        outage.link.set(Fault::None);
        outage.flows()?;
    }
    settle_evenly(&mut outage)?;
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Victim {
    Gateway,
    Agent,
    Broker,
}

/// The line passes n messages of a new connection in one direction and then nothing: for each n somebody is killed there.
fn killed_at_every_message(route: Route, victims: &[Victim], seed: u64) -> anyhow::Result<()> {
    // Up: CONNECT, SUBSCRIBE, node birth, device birth, then data. Down: CONNACK, SUBACK, the receipt that answers the
    // birth, then receipts, each sent after fsync: the one that is held back is a receipt that never arrived.
    let up = (1..=9).map(|n| (Way::Up, n));
    let steps: Vec<(Way, u64)> = up.chain((1..=6).map(|n| (Way::Down, n))).collect();
    let folder = tempfile::tempdir()?;
    let count = (steps.len() * victims.len()) as u32;
    let mut outage = start(folder.path(), route, 2 * count, seed)?;
    let mut random = Random::seeded(seed);
    for victim in victims {
        for (way, packets) in &steps {
            outage.link.trip_after(*way, *packets);
            outage.link.cut();
            let what = format!("{packets} messages {way:?}");
            wait_for(&what, Duration::from_secs(60), || {
                Ok(outage.link.has_tripped().then_some(()))
            })?;
            // What was passed is read, written, synced or answered meanwhile, or not yet.
            std::thread::sleep(Duration::from_micros(random.between(0.0, 20e3) as u64));
            match victim {
                Victim::Gateway => outage.kill_gateway()?,
                Victim::Agent => outage.kill_agent()?,
                Victim::Broker => outage.kill_broker()?,
            }
            outage.link.set(Fault::None);
            outage.flows()?;
        }
    }
    settle_evenly(&mut outage)?;
    Ok(())
}

#[test]
fn gateway_and_agent_killed_at_every_message_lose_double_and_retime_nothing() -> anyhow::Result<()>
{
    let victims = [Victim::Gateway, Victim::Agent];
    killed_at_every_message(Route::Plain, &victims, 20_261_204)
}

#[test]
fn an_external_broker_killed_at_every_message_loses_doubles_and_retimes_nothing()
-> anyhow::Result<()> {
    match Mosquitto::start()? {
        Some(broker) => {
            killed_at_every_message(Route::Broker(broker), &[Victim::Broker], 20_261_205)
        }
        None => Ok(()),
    }
}

#[test]
fn two_agents_of_one_name_take_turns_and_lose_and_double_nothing() -> anyhow::Result<()> {
    const OTHER: usize = 1_000_000;
    let folder = tempfile::tempdir()?;
    let mut outage = start(folder.path(), Route::Plain, 60, 20_261_206)?;
    let binaries: Binaries = binaries()?;
    let second = folder.path().join("second");
    let rows = recording(&second, OTHER..OTHER + 60_000)?;
    let instrument = free_address(0)?;
    let _replay = rows.play(&binaries, instrument, &second.join("replay.log"))?;
    let to = outage.link.address();
    let mut other = rows.agent(&binaries, &second, instrument, to, Identity::Anonymous)?;
    let before = outage.link.passed().connections;
    wait_for("ten turns", Duration::from_secs(60), || {
        Ok((outage.link.passed().connections >= before + 10).then_some(()))
    })?;
    other.stop(Duration::from_secs(10))?;
    outage.drain()?;
    let mut other = rows.agent(&binaries, &second, instrument, to, Identity::Anonymous)?;
    let sent = wait_for(
        "the second buffer to drain",
        Duration::from_secs(90),
        || {
            std::thread::sleep(Duration::from_secs(2));
            other.stop(Duration::from_secs(10))?;
            let sent = buffer(&second.join("buffer.db"))?;
            if sent.released == sent.numbered {
                return Ok(Some(sent.numbered));
            }
            other = rows.agent(&binaries, &second, instrument, to, Identity::Anonymous)?;
            Ok(None)
        },
    )?;
    outage.gateway.stop(Duration::from_secs(10))?;
    let first = buffer(&folder.path().join("buffer.db"))?.numbered;
    assert!(first > 100 && sent > 100, "{first} and {sent} records");
    // Two boxes may both miss an answer in the same millisecond.
    check_polls(folder.path(), first + sent, |is_value| is_value)
}

/// So many polls arrived, none of them twice of those that count.
fn check_polls(folder: &Path, kept: u64, counts: fn(bool) -> bool) -> anyhow::Result<()> {
    let polls = polls_arrived(folder)?;
    let twice = polls
        .windows(2)
        .filter(|pair| pair[0] == pair[1] && counts(pair[0].1));
    let twice: Vec<_> = twice.collect();
    println!("{kept} polls kept, {} arrived", polls.len());
    assert!(twice.is_empty(), "polls that arrived twice: {twice:?}");
    assert_eq!(polls.len() as u64, kept, "polls that were kept");
    Ok(())
}

#[test]
fn a_box_restored_from_an_old_disk_image_loses_and_doubles_nothing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let image = tempfile::tempdir()?;
    let file = |folder: &Path| folder.join("buffer.db");
    let mut outage = start(folder.path(), Route::Plain, 60, 20_261_207)?;
    outage.agent.stop(Duration::from_secs(10))?;
    std::fs::copy(file(folder.path()), file(image.path()))?;
    outage.start_agent()?;
    outage.flows()?;
    outage.drain()?;
    let old = buffer(&file(image.path()))?.numbered;
    let lived = buffer(&file(folder.path()))?.numbered;
    assert!(lived > old, "nothing happened after the image was taken");
    std::fs::copy(file(image.path()), file(folder.path()))?;
    // Without the line its numbers run past those of its other life before the gateway is heard.
    outage.link.set(Fault::Closed);
    outage.start_agent()?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        outage.agent.check()?;
        std::thread::sleep(Duration::from_millis(500));
    }
    outage.kill_agent()?;
    outage.link.set(Fault::None);
    outage.flows()?;
    outage.drain()?;
    outage.gateway.stop(Duration::from_secs(10))?;
    let again = buffer(&file(folder.path()))?.numbered;
    println!("image {old}, first life {lived}, restored {again}");
    check_polls(folder.path(), lived + again - old, |_| true)
}
