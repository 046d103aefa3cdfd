//! Violent ends, again and again: one agent that reads a recording, one gateway, and a bad line between them. Nothing that
//! the agent numbered is lost, doubled or re-timed.
//!
//! A recording is played, so that every reading has a time and a value that are known beforehand. What the agent had read
//! and not yet kept when it was killed was never promised; everything it numbered was. Before each end readings have passed
//! and receipts came back since the one before, so that every end has something to spoil.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use simulators::link::{Fault, Link, Passed, Way};
use simulators::random::Random;

use crate::balance;
use crate::collect::buffer;
use crate::config_text::{Door, Identity, gateway_of_a_test};
use crate::process::{Process, wait_for};
use crate::recording::Recording;
use crate::servers::Mosquitto;
use crate::setup::Binaries;
use crate::world::{free_address, issue, make_authority, start_gateway, write};

/// Rows of the recording for each violent end: more than an agent reads between two.
const ROWS_A_CYCLE: usize = 1_200;
/// Bytes that come down when a connection is made and a few receipts were said.
const ANSWERED: u64 = 600;
const ANSWERED_TLS: u64 = 6_000;
const FLOWS_WITHIN: Duration = Duration::from_secs(90);
const DRAINS_WITHIN: Duration = Duration::from_secs(180);
const SITE: &str = "replay";
const AGENT: &str = "agent-replay";

/// How the agent reaches the gateway.
#[derive(Debug)]
pub enum Route {
    /// The gateway's plain listener.
    Plain,
    /// The gateway's listener with TLS and client certificates.
    Tls,
    /// A broker that is not ours, plain.
    Broker(Mosquitto),
}

/// An agent, a gateway, and the line between them.
#[derive(Debug)]
pub struct Outage {
    folder: PathBuf,
    binaries: Binaries,
    recording: Recording,
    /// The line to the gateway or broker; without a fault at first.
    pub link: Link,
    /// The line to the instrument; without a fault at first.
    pub instrument_line: Link,
    route: Route,
    /// The agent.
    pub agent: Process,
    /// The gateway.
    pub gateway: Process,
    _replay: Process,
    random: Random,
}

/// What was done and what came of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tally {
    /// How often each end was made.
    pub ends: BTreeMap<&'static str, u32>,
    /// Records that the agent numbered.
    pub records: u64,
    /// Readings in the journal.
    pub readings: u64,
    /// Of these, absences.
    pub absences: u64,
    /// Records that the agent numbered and the journal has not.
    pub lost: u64,
    /// Records or readings that the journal has more than once.
    pub doubled: u64,
    /// Readings that are not in the recording: another time, or another value at that time.
    pub retimed: u64,
    /// Damaged blocks of the journal.
    pub damaged: u64,
    /// What passed on the line.
    pub passed: Passed,
    /// How long it all took, in seconds.
    pub seconds: u64,
}

impl Tally {
    /// Nothing lost, doubled, re-timed or damaged, and something to lose.
    pub fn is_even(&self) -> bool {
        self.records > 0 && [self.lost, self.doubled, self.retimed, self.damaged] == [0; 4]
    }
}

/// Each row's value says which row it is.
fn rows_text(rows: Range<usize>) -> String {
    let mut text = String::from("time,a,b\n");
    for row in rows {
        text += &format!(
            "{},{row},{}.25\n",
            1_700_000_000_000 + row as i64 * 1000,
            row * 2
        );
    }
    text
}

impl Outage {
    /// Starts everything in an empty folder; `cycles` says how long the recording must last.
    pub fn start(
        binaries: &Binaries,
        folder: &Path,
        route: Route,
        cycles: u32,
        seed: u64,
    ) -> anyhow::Result<Outage> {
        let path = |name: &str| folder.join(name);
        let recording = recording(folder, 0..(cycles as usize + 2) * ROWS_A_CYCLE)?;
        let [instrument, http, listener] = [free_address(0)?, free_address(0)?, free_address(0)?];
        let door = match &route {
            Route::Plain => Door::Listener(listener),
            Route::Tls => Door::Tls(listener),
            Route::Broker(broker) => Door::External(broker.address()),
        };
        let config = path("gateway.toml");
        write(
            &config,
            &gateway_of_a_test(folder, http, door, SITE, AGENT)?,
        )?;
        if let Route::Tls = route {
            make_authority(binaries, &config)?;
            issue(binaries, &config, AGENT, &path("identity"))?;
        }
        let line = |to| Link::start(([127, 0, 0, 1], 0).into(), to, seed);
        let link = line(door.address()).context("the line cannot listen")?;
        let instrument_line = line(instrument).context("the line cannot listen")?;
        let replay = recording.play(binaries, instrument, &path("replay.log"))?;
        let gateway = start_gateway(binaries, &config, &path("gateway.log"))?;
        let lines = [&instrument_line, &link];
        let agent = agent(binaries, folder, &recording, lines, &route)?;
        Ok(Outage {
            folder: folder.to_owned(),
            binaries: binaries.clone(),
            recording,
            link,
            instrument_line,
            route,
            agent,
            gateway,
            _replay: replay,
            random: Random::seeded(seed),
        })
    }

    /// kill -9 of the agent, and a new one.
    pub fn kill_agent(&mut self) -> anyhow::Result<()> {
        self.agent.kill()?;
        self.start_agent()
    }

    /// kill -9 of the broker that is not ours, and the same again on what it kept.
    pub fn kill_broker(&mut self) -> anyhow::Result<()> {
        let Route::Broker(broker) = &mut self.route else {
            anyhow::bail!("there is no broker on this route");
        };
        broker.kill();
        broker.restart()
    }

    /// Starts the agent that was stopped.
    pub fn start_agent(&mut self) -> anyhow::Result<()> {
        self.agent = agent(
            &self.binaries,
            &self.folder,
            &self.recording,
            [&self.instrument_line, &self.link],
            &self.route,
        )?;
        Ok(())
    }

    /// kill -9 of the gateway, and a new one.
    pub fn kill_gateway(&mut self) -> anyhow::Result<()> {
        self.gateway.kill()?;
        let path = |name: &str| self.folder.join(name);
        self.gateway = start_gateway(&self.binaries, &path("gateway.toml"), &path("gateway.log"))?;
        Ok(())
    }

    /// Waits until readings pass and receipts come back.
    pub fn flows(&mut self) -> anyhow::Result<()> {
        let wanted = match self.route {
            Route::Tls => ANSWERED_TLS,
            Route::Plain | Route::Broker(_) => ANSWERED,
        };
        let began = self.link.passed();
        let flowing = wait_for(
            "readings to pass and receipts to come back",
            FLOWS_WITHIN,
            || {
                self.agent.check()?;
                self.gateway.check()?;
                let passed = self.link.passed();
                let is_answered = passed.bytes_down >= began.bytes_down + wanted;
                Ok((is_answered && passed.bytes_up > began.bytes_up).then_some(()))
            },
        );
        flowing.with_context(|| self.logs())
    }

    fn logs(&self) -> String {
        format!(
            "agent:\n{}\ngateway:\n{}",
            self.agent.log_tail(),
            self.gateway.log_tail()
        )
    }

    /// One violent end and the recovery from it; says which it was.
    pub fn cycle(&mut self) -> anyhow::Result<&'static str> {
        self.pause(0.0, 150.0);
        let kinds = match self.route {
            Route::Broker(_) => 8.0,
            Route::Plain | Route::Tls => 7.0,
        };
        let what = match self.random.between(0.0, kinds) as u32 {
            0 => {
                self.kill_agent()?;
                "agent killed"
            }
            1 => {
                self.kill_gateway()?;
                "gateway killed"
            }
            2 => {
                self.link.cut();
                "line cut"
            }
            3 => self.bad_line(Fault::Closed, "line closed")?,
            4 => {
                let way = [Way::Up, Way::Down, Way::Both][self.random.between(0.0, 3.0) as usize];
                self.bad_line(Fault::HalfOpen(way), "line half-open")?
            }
            5 => {
                let bytes_per_s = self.random.between(2_000.0, 50_000.0) as u64;
                self.bad_line(Fault::Slow { bytes_per_s }, "line slow")?
            }
            6 => {
                let delay = Duration::from_millis(self.random.between(10.0, 150.0) as u64);
                self.bad_line(Fault::Delay(delay), "line delayed")?
            }
            _ => {
                self.kill_broker()?;
                "broker killed"
            }
        };
        self.flows()?;
        Ok(what)
    }

    /// The line is bad for a while; now and then somebody is killed meanwhile, and now and then it ends with a cut.
    fn bad_line(&mut self, fault: Fault, what: &'static str) -> anyhow::Result<&'static str> {
        self.link.set(fault);
        self.pause(50.0, 500.0);
        match self.random.between(0.0, 6.0) as u32 {
            0 => self.kill_agent()?,
            1 => self.kill_gateway()?,
            2 | 3 => self.link.cut(),
            _ => {}
        }
        self.pause(0.0, 100.0);
        self.link.set(Fault::None);
        Ok(what)
    }

    fn pause(&mut self, from_ms: f64, to_ms: f64) {
        std::thread::sleep(Duration::from_micros(
            (self.random.between(from_ms, to_ms) * 1e3) as u64,
        ));
    }

    /// Waits until everything that the agent holds has arrived, and stops the agent.
    pub fn drain(&mut self) -> anyhow::Result<()> {
        self.link.set(Fault::None);
        let drained = wait_for("the buffer to drain", DRAINS_WITHIN, || {
            self.gateway.check()?;
            // While it stops, the agent sends what it has and waits for the receipts, but not for long.
            std::thread::sleep(Duration::from_secs(1));
            self.agent.stop(Duration::from_secs(10))?;
            let sent = buffer(&self.folder.join("buffer.db"))?;
            if sent.numbered > 0 && sent.released == sent.numbered {
                return Ok(Some(()));
            }
            self.start_agent()?;
            Ok(None)
        });
        drained.with_context(|| self.logs())
    }

    /// Drains, stops the gateway too, and counts.
    pub fn settle(&mut self) -> anyhow::Result<Tally> {
        self.drain()?;
        self.gateway.stop(Duration::from_secs(10))?;
        let mut tally = count(&self.folder, &self.recording)?;
        tally.passed = self.link.passed();
        Ok(tally)
    }
}

/// A recording of these rows, in the folder.
pub fn recording(folder: &Path, rows: Range<usize>) -> anyhow::Result<Recording> {
    let csv = folder.join("rows.csv");
    write(&csv, &rows_text(rows))?;
    Ok(Recording {
        csv,
        time: "time".into(),
        zone: "UTC".into(),
        values: vec!["a".into(), "b".into()],
    })
}

/// The times of all polls of the recording in the journal of a gateway that has stopped, and whether each has a value, in
/// order; one that is there twice comes twice.
pub fn polls_arrived(folder: &Path) -> anyhow::Result<Vec<(i64, bool)>> {
    let balance = balance::count(&folder.join("data/journal.db"))?;
    let point = format!("{SITE}/recording/{}", Recording::point(0));
    let readings = balance.points.get(&point).map_or(&[][..], Vec::as_slice);
    let poll = |reading: &balance::Journaled| (reading.at_ms, !reading.value.is_nan());
    let mut polls: Vec<_> = readings.iter().map(poll).collect();
    polls.sort_unstable();
    Ok(polls)
}

fn agent(
    binaries: &Binaries,
    folder: &Path,
    recording: &Recording,
    [instrument, link]: [&Link; 2],
    route: &Route,
) -> anyhow::Result<Process> {
    let certificates = folder.join("identity");
    let identity = match route {
        Route::Tls => Identity::Certificates(&certificates),
        Route::Plain | Route::Broker(_) => Identity::Anonymous,
    };
    recording.agent(
        binaries,
        folder,
        instrument.address(),
        link.address(),
        identity,
    )
}

/// The journal against the agent's own numbers, and against the recording.
fn count(folder: &Path, recording: &Recording) -> anyhow::Result<Tally> {
    let sent = buffer(&folder.join("buffer.db"))?;
    let balance = balance::count(&folder.join("data/journal.db"))?;
    let arrived = balance.agents.get(AGENT).cloned().unwrap_or_default();
    let rows = recording.rows()?;
    let expected: HashMap<i64, Vec<Option<f64>>> = rows
        .into_iter()
        .map(|row| (row.at_ms, row.values))
        .collect();
    let mut retimed = 0;
    for index in 0..recording.values.len() {
        let point = format!("{SITE}/recording/{}", Recording::point(index));
        let readings = balance.points.get(&point).map_or(&[][..], Vec::as_slice);
        let is_wrong = |reading: &&balance::Journaled| {
            let row = expected.get(&reading.at_ms);
            !reading.value.is_nan() && row.is_none_or(|row| row[index] != Some(reading.value))
        };
        retimed += readings.iter().filter(is_wrong).count() as u64;
    }
    Ok(Tally {
        records: sent.numbered,
        readings: balance.readings,
        absences: balance.missing,
        lost: sent.numbered.abs_diff(arrived.records),
        doubled: balance.doubled + arrived.doubled,
        retimed,
        damaged: balance.damaged,
        ..Tally::default()
    })
}

/// So many violent ends; `progress` hears how many are done after each.
pub fn violent_ends(
    binaries: &Binaries,
    folder: &Path,
    route: Route,
    cycles: u32,
    seed: u64,
    mut progress: impl FnMut(u32),
) -> anyhow::Result<Tally> {
    let began = Instant::now();
    let mut outage = Outage::start(binaries, folder, route, cycles, seed)?;
    outage.flows()?;
    let mut ends = BTreeMap::new();
    for done in 1..=cycles {
        *ends.entry(outage.cycle()?).or_insert(0) += 1;
        progress(done);
    }
    let tally = outage.settle()?;
    Ok(Tally {
        ends,
        seconds: began.elapsed().as_secs(),
        ..tally
    })
}
