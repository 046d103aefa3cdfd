//! A box whose clock is wrong: it boots in 1970, or somebody sets the clock while it runs. The agent is a process that
//! libfaketime shows another time; time that passes stays true. No reading is lost, doubled or re-timed, and those of the
//! wrong clock say so. All of it over TLS: a clock in 1970 keeps nobody out.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use contract::{Doubt, Quality};
use edge_agent::record::Record;
use edge_agent::status::view::{PointView, Status};
use journal::{Journal, Options, Seq};
use tempfile::TempDir;
use tests::balance::{self, Balance, Journaled};
use tests::collect::buffer;
use tests::config_text::{Door, Identity, agent_device, agent_head, gateway_of_a_test};
use tests::process::{Process, wait_for};
use tests::servers::faketime;
use tests::setup::{Binaries, binaries};
use tests::world::{free_address, issue, make_authority, start_gateway, write};

const PATIENCE: Duration = Duration::from_secs(60);
const PROFILE: &str = "name = \"one\"\n\n[[point]]\nname = \"value\"\nfunction = \"holding\"\nregister = 0\ntype = \"f64\"\n\
    unit = \"1\"\nrange = [0, 100]\n";
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// A simulated instrument, an agent with a clock of its own, and a gateway.
struct World {
    folder: TempDir,
    binaries: Binaries,
    faketime: PathBuf,
    _instrument: Process,
}

impl World {
    /// The instrument runs; agent and gateway do not. Nothing if there is no libfaketime.
    fn start() -> anyhow::Result<Option<World>> {
        let Some(faketime) = faketime()? else {
            return Ok(None);
        };
        let (binaries, folder) = (binaries()?, tempfile::tempdir()?);
        let path = |name: &str| folder.path().join(name);
        let [instrument, http, mqtt, page] = [0; 4].map(|_| free_address(0));
        let (instrument, mqtt) = (instrument?, mqtt?);
        let config = gateway_of_a_test(folder.path(), http?, Door::Tls(mqtt), "site", "agent")?;
        write(&path("gateway.toml"), &config)?;
        make_authority(&binaries, &path("gateway.toml"))?;
        issue(&binaries, &path("gateway.toml"), "agent", &path("identity"))?;
        write(&path("profile.toml"), PROFILE)?;
        let identity = path("identity");
        let head = agent_head("site", "agent", mqtt, Identity::Certificates(&identity));
        let status = format!("\n[status]\nlisten = \"{}\"\n", page?);
        let device = agent_device("device", &path("profile.toml"), instrument, "50ms", "1s");
        write(&path("agent.toml"), &(head + &status + &device))?;
        Ok(Some(World {
            _instrument: start_instrument(&binaries, instrument, &path("instrument.log"))?,
            folder,
            binaries,
            faketime,
        }))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start_gateway(&self) -> anyhow::Result<Process> {
        start_gateway(
            &self.binaries,
            &self.path("gateway.toml"),
            &self.path("gateway.log"),
        )
    }

    /// An agent to which the file `clock` says what its clock shows.
    fn start_agent(&self) -> anyhow::Result<Process> {
        let mut command = Command::new(&self.binaries.edge_agent);
        command
            .arg("run")
            .arg("--config")
            .arg(self.path("agent.toml"));
        command
            .env("LD_PRELOAD", &self.faketime)
            .env("FAKETIME_TIMESTAMP_FILE", self.path("clock"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("TZ", "UTC");
        Process::start("agent", command, &self.path("agent.log"))
    }

    /// Stops the agent once everything it numbered has its receipt.
    fn drain(&self, mut agent: Process) -> anyhow::Result<()> {
        let stop = Duration::from_secs(10);
        wait_for("the buffer to drain", 2 * PATIENCE, || {
            agent.stop(stop)?;
            let sent = buffer(&self.path("buffer.db"))?;
            if sent.released == sent.numbered {
                return Ok(Some(()));
            }
            agent = self.start_agent()?;
            std::thread::sleep(Duration::from_secs(1));
            Ok(None)
        })
    }

    /// Sets the agent's clock: a time with `@` before it, or how far it is from the true one.
    fn set_clock(&self, to: &str) -> anyhow::Result<()> {
        write(&self.path("new"), &format!("{to}\n"))?;
        Ok(std::fs::rename(self.path("new"), self.path("clock"))?)
    }

    /// Waits until the agent's own page satisfies `condition`.
    fn until(
        &self,
        agent: &mut Process,
        what: &str,
        condition: impl Fn(&Status) -> bool,
    ) -> anyhow::Result<Status> {
        wait_for(what, PATIENCE, || {
            agent.check()?;
            let mut command = Command::new(&self.binaries.edge_agent);
            command.args(["status", "--json", "--config"]);
            let said = command.arg(self.path("agent.toml")).output()?.stdout;
            let status: Option<Status> = serde_json::from_slice(&said).ok();
            Ok(status.filter(|status| condition(status)))
        })
    }
}

fn start_instrument(
    binaries: &Binaries,
    address: SocketAddr,
    log: &Path,
) -> anyhow::Result<Process> {
    let mut command = Command::new(&binaries.sim);
    command.args(["device", "--values", "21.5", "--modbus"]);
    command.arg(address.to_string());
    let instrument = Process::start("instrument", command, log)?;
    wait_for("the instrument to listen", PATIENCE, || {
        Ok(std::net::TcpStream::connect(address).ok())
    })?;
    Ok(instrument)
}

fn point(status: &Status) -> Option<&PointView> {
    status.devices.first()?.points.first()
}

/// The newest reading is at a time within the range, and doubted for its clock or not.
fn shows(status: &Status, times: &Range<i64>, is_doubted: bool) -> bool {
    point(status).is_some_and(|point| {
        let doubt = point.quality.as_ref().map(|words| words.en.as_str());
        let at = point.at.map(|at| at.as_millis());
        at.is_some_and(|at| times.contains(&at))
            && doubt == is_doubted.then_some("clock not trusted")
    })
}

/// Every reading that the buffer holds; nothing may have it open.
fn held(path: &Path) -> anyhow::Result<Vec<Journaled>> {
    let journal = Journal::open(path, Options::small())?;
    let (mut readings, mut next) = (Vec::new(), journal.first());
    loop {
        let blocks = journal.read(next, 1 << 20)?;
        let Some(last) = blocks.last() else {
            return Ok(readings);
        };
        next = Seq(last.seq.0 + 1);
        for block in blocks {
            let record = Record::decode(&block.body)?;
            readings.extend(record.readings.iter().map(|reading| Journaled {
                at_ms: reading.at.as_millis(),
                value: reading.value.unwrap_or(f64::NAN),
                quality: reading.quality.code(),
            }));
        }
    }
}

/// What the journal has, after agent and gateway stopped: everything the agent numbered, each once.
fn arrived(world: &World) -> anyhow::Result<Vec<Journaled>> {
    let sent = buffer(&world.path("buffer.db"))?;
    let balance: Balance = balance::count(&world.path("data/journal.db"))?;
    assert_eq!(sent.released, sent.numbered, "everything was sent");
    assert!(balance.is_even(), "{:?}", balance.agents);
    assert_eq!(balance.agents["agent"].records, sent.numbered);
    let mut readings = balance.points["site/device/value"].clone();
    readings.sort_by_key(|reading| reading.at_ms);
    Ok(readings)
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn is_doubted(reading: &Journaled) -> bool {
    reading.quality == Quality::Suspect(Doubt::UntrustedClock).code()
}

/// An instrument that did not answer in time gives an absence, whose reason says more than a doubt.
fn is_absence(reading: &Journaled) -> bool {
    reading.value.is_nan()
}

#[test]
fn what_a_box_that_boots_in_1970_reads_arrives_at_the_times_it_named_and_doubted() {
    let Some(world) = World::start().expect("started") else {
        return;
    };
    boot_in_1970(&world).unwrap_or_else(|error| panic!("{error:#}"));
}

fn boot_in_1970(world: &World) -> anyhow::Result<()> {
    let stop = Duration::from_secs(10);
    // A boot without a line, then one with it, both without a clock.
    world.set_clock("@1970-01-01 00:10:00")?;
    let mut agent = world.start_agent()?;
    let without_a_line = world.until(&mut agent, "fifty readings", |status| {
        status.buffer.readings_stored >= 50
    })?;
    assert!(
        shows(&without_a_line, &(0..HOUR), true),
        "{without_a_line:?}"
    );
    agent.stop(stop)?;
    let held = held(&world.path("buffer.db"))?;
    assert!(held.len() >= 50);
    let mut gateway = world.start_gateway()?;
    world.set_clock("@1970-01-01 02:00:00")?;
    let mut agent = world.start_agent()?;
    let enough = held.len() as u64 + 50;
    world.until(&mut agent, "receipts in 1970", |status| {
        status.gateway.receipt_through >= Some(enough) && shows(status, &(2 * HOUR..3 * HOUR), true)
    })?;
    agent.stop(stop)?;

    world.set_clock("+0")?;
    let begin = now_ms();
    let mut agent = world.start_agent()?;
    let ahead = 0..i64::MAX;
    world.until(&mut agent, "readings of a right clock", |status| {
        status.buffer.readings_stored >= 50
            && status.buffer.records_waiting < 5
            && shows(status, &ahead, false)
    })?;
    world.drain(agent)?;
    gateway.stop(stop)?;

    let arrived = arrived(world)?;
    let bits = |r: &Journaled| (r.at_ms, r.value.to_bits(), r.quality);
    let first = arrived.iter().filter(|r| r.at_ms < HOUR).map(bits);
    let held: Vec<_> = held.iter().map(bits).collect();
    assert_eq!(first.collect::<Vec<_>>(), held, "as the box read them");
    let of_1970 = arrived.iter().filter(|r| r.at_ms < 3 * HOUR);
    assert!(of_1970.clone().count() as u64 >= enough);
    let is_told = |r: &Journaled| is_doubted(r) || is_absence(r);
    assert!(of_1970.clone().all(is_told), "{arrived:?}");
    let rest: Vec<_> = arrived.iter().filter(|r| r.at_ms >= 3 * HOUR).collect();
    let today = begin - MINUTE..now_ms() + MINUTE;
    assert!(rest.len() >= 50 && rest.iter().all(|r| today.contains(&r.at_ms)));
    assert!(rest.iter().all(|r| !is_doubted(r)), "{rest:?}");
    println!("{} readings of 1970, {} after", of_1970.count(), rest.len());
    Ok(())
}

#[test]
fn a_clock_that_is_set_while_the_agent_runs_makes_readings_doubted_until_it_is_right_again() {
    let Some(world) = World::start().expect("started") else {
        return;
    };
    clock_is_set(&world).unwrap_or_else(|error| panic!("{error:#}"));
}

fn clock_is_set(world: &World) -> anyhow::Result<()> {
    let begin = now_ms();
    let near = begin - MINUTE..begin + HOUR / 2;
    let mut gateway = world.start_gateway()?;
    world.set_clock("+0")?;
    let mut agent = world.start_agent()?;
    let has_receipts = |status: &Status| status.gateway.receipt_through >= Some(20);
    world.until(&mut agent, "readings of a right clock", |status| {
        has_receipts(status) && shows(status, &near, false)
    })?;
    for (to, by) in [("+3h", 3 * HOUR), ("-2h", -2 * HOUR)] {
        world.set_clock(to)?;
        let there = near.start + by..near.end + by;
        let is_there = |status: &Status| shows(status, &there, true);
        let seen = world
            .until(&mut agent, to, is_there)?
            .buffer
            .readings_stored;
        world.until(&mut agent, "more of them", |status| {
            is_there(status) && status.buffer.readings_stored >= seen + 20
        })?;
        world.set_clock("+0")?;
        let seen = world.until(&mut agent, "trust", |status| shows(status, &near, false))?;
        let enough = seen.buffer.readings_stored + 20;
        world.until(&mut agent, "more of those", |status| {
            shows(status, &near, false) && status.buffer.readings_stored >= enough
        })?;
    }
    world.drain(agent)?;
    gateway.stop(Duration::from_secs(10))?;

    let arrived = arrived(world)?;
    let of = |by: i64| {
        let times = near.start + by..near.end + by;
        let within = arrived.iter().filter(move |r| times.contains(&r.at_ms));
        within.filter(|r| !is_absence(r)).collect::<Vec<_>>()
    };
    let (ahead, behind, right) = (of(3 * HOUR), of(-2 * HOUR), of(0));
    let absences = arrived.iter().filter(|r| is_absence(r)).count();
    let all = ahead.len() + behind.len() + right.len() + absences;
    assert_eq!(
        all,
        arrived.len(),
        "a time that no clock showed: {arrived:?}"
    );
    for wrong in [&ahead, &behind] {
        assert!(
            wrong.len() >= 10 && wrong.iter().all(|r| is_doubted(r)),
            "{wrong:?}"
        );
    }
    // A poll may begin with a right clock and end with a wrong one, or the other way round.
    let doubted = right.iter().filter(|r| is_doubted(r)).count();
    assert!(
        right.len() >= 40 && doubted <= 4,
        "{doubted} of {}",
        right.len()
    );
    println!(
        "{} readings three hours ahead, {} two behind, {} of a right clock, {doubted} of them doubted",
        ahead.len(),
        behind.len(),
        right.len()
    );
    Ok(())
}
