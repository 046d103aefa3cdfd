//! kill -9 of agent, gateway and an external broker, and a bad line, at random moments: nothing the agent kept is lost,
//! doubled or re-timed. `tests/soak outage` does the same a thousand times.

use tests::outage::{Route, violent_ends};
use tests::servers::Mosquitto;
use tests::setup::binaries;

const CYCLES: u32 = 50;

#[test]
fn fifty_violent_ends_of_agent_and_gateway_lose_double_and_retime_nothing() {
    check(20_261_125, Route::Plain);
}

#[test]
fn fifty_violent_ends_of_agent_gateway_and_external_broker_lose_double_and_retime_nothing() {
    if let Some(broker) = Mosquitto::start().expect("mosquitto") {
        check(20_261_126, Route::Broker(broker));
    }
}

fn check(seed: u64, route: Route) {
    println!("seed {seed}");
    let folder = tempfile::tempdir().expect("temporary folder");
    let binaries = binaries().expect("built");
    let tally = violent_ends(&binaries, folder.path(), route, CYCLES, seed, |_| {});
    let tally = tally.unwrap_or_else(|error| panic!("{error:#}"));
    println!("{tally:?}");
    assert!(tally.is_even(), "{tally:?}");
    assert!(tally.readings > 1_000, "only {} readings", tally.readings);
}
