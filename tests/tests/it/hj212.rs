//! A data logger, the agent and the gateway, each a process of its own, with kill -9 of both on the way: what the logger was
//! told is taken (9014) is in the gateway's journal and series exactly once, with the logger's own time, and the frame as
//! it was sent stands beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use contract::Quality;
use serde_json::Value;
use tests::balance::{self, Balance, Journaled};
use tests::collect::buffer;
use tests::config_text::{Door, Identity, agent_head, gateway_of_a_test};
use tests::process::{Process, wait_for};
use tests::setup::{Binaries, binaries};
use tests::stores;
use tests::world::{free_address, issue, make_authority, start_agent, start_gateway, write};

const MN: &str = "010000A8900016F000169DC0";
/// Seconds of the site, and how many of them pass in one outside.
const SECONDS: i64 = 300;
const SPEED: i64 = 10;
/// Who is killed after so many answers.
const ENDS: [(usize, Victim); 4] = [
    (10, Victim::Agent),
    (20, Victim::Gateway),
    (30, Victim::Agent),
    (40, Victim::Agent),
];
const WITHIN: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy)]
enum Victim {
    Agent,
    Gateway,
}

/// What the logger wrote down of itself.
struct Truth {
    /// One message of it, attempt by attempt, and whether each exchange was answered.
    lines: Vec<Value>,
    /// By QN.
    is_answered: BTreeMap<String, bool>,
}

impl Truth {
    fn read(folder: &Path) -> Truth {
        let text = std::fs::read_to_string(folder.join("truth.jsonl")).unwrap_or_default();
        let lines = text
            .lines()
            .map_while(|line| serde_json::from_str(line).ok());
        let (outcomes, lines): (Vec<Value>, Vec<Value>) =
            lines.partition(|line: &Value| line["answered"].is_boolean());
        let outcome = |line: &Value| {
            let qn = line["qn"].as_str().unwrap_or_default().to_owned();
            (qn, line["answered"] == true)
        };
        Truth {
            lines,
            is_answered: outcomes.iter().map(outcome).collect(),
        }
    }

    fn answers(&self) -> usize {
        self.is_answered.values().filter(|is| **is).count()
    }

    /// The readings it meant, by point and time in milliseconds.
    fn readings(&self) -> BTreeMap<(String, i64), f64> {
        let mut meant = BTreeMap::new();
        for line in &self.lines {
            let period = match line["cn"].as_str().expect("CN") {
                "2051" => "@minute",
                "2061" => "@hour",
                "2031" => "@day",
                _ => "",
            };
            for reading in line["readings"].as_array().expect("readings") {
                let (code, suffix) = (reading[0].as_str().unwrap(), reading[1].as_str().unwrap());
                let point = match suffix {
                    "Rtd" => code.to_owned(),
                    "Info" => format!("{code}:a21026"),
                    _ => format!("{code}-{suffix}{period}"),
                };
                let at = millis(line["data_time"].as_str().expect("DataTime"));
                meant.insert((point, at), reading[2].as_f64().expect("a number"));
            }
        }
        meant
    }

    /// The data areas of what was sent, without heartbeats: all, and those that were answered.
    fn data_areas(&self) -> [BTreeSet<String>; 2] {
        let data = self.lines.iter().filter(|line| line["cn"] != "9015");
        let of = |line: &Value| data_area(line["bytes"].as_str().expect("bytes")).to_owned();
        // The last attempt of an exchange is the one that may have been answered.
        let mut last = BTreeMap::new();
        for line in data.clone() {
            last.insert(line["qn"].as_str().expect("QN"), of(line));
        }
        let answered = last.into_iter().filter(|(qn, _)| self.is_answered[*qn]);
        [
            data.map(of).collect(),
            answered.map(|(_, data)| data).collect(),
        ]
    }
}

/// 14 digits of Beijing time.
fn millis(digits: &str) -> i64 {
    let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", digits).expect("14 digits");
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let zoned = time.to_zoned(zone).expect("a time");
    zoned.timestamp().as_millisecond()
}

fn data_area(frame: &str) -> &str {
    let (_, rest) = frame.split_once("CP=&&").unwrap_or_default();
    rest.split_once("&&").map_or(rest, |(data, _)| data)
}

struct World<'a> {
    binaries: &'a Binaries,
    folder: &'a Path,
    agent: Process,
    gateway: Process,
}

impl World<'_> {
    fn kill(&mut self, victim: Victim) -> anyhow::Result<()> {
        let path = |name: &str| self.folder.join(name);
        match victim {
            Victim::Agent => {
                self.agent.kill()?;
                self.agent = agent(self.binaries, self.folder)?;
            }
            Victim::Gateway => {
                self.gateway.kill()?;
                let (config, log) = (path("gateway.toml"), path("gateway.log"));
                self.gateway = start_gateway(self.binaries, &config, &log)?;
            }
        }
        Ok(())
    }

    /// While it stops, the agent sends what it has and waits for the receipts, but not for long.
    fn drain(mut self) -> anyhow::Result<u64> {
        let numbered = wait_for("the buffer to drain", WITHIN, || {
            self.gateway.check()?;
            std::thread::sleep(Duration::from_secs(1));
            self.agent.stop(Duration::from_secs(10))?;
            let sent = buffer(&self.folder.join("buffer.db"))?;
            if sent.released == sent.numbered {
                return Ok(Some(sent.numbered));
            }
            self.agent = agent(self.binaries, self.folder)?;
            Ok(None)
        })?;
        self.gateway.stop(Duration::from_secs(10))?;
        Ok(numbered)
    }
}

fn agent(binaries: &Binaries, folder: &Path) -> anyhow::Result<Process> {
    let (config, log) = (folder.join("agent.toml"), folder.join("agent.log"));
    start_agent(binaries, "agent", &config, &log)
}

/// A logger of 2025 on whose line and in whose head much is wrong; it ends by itself.
fn logger(binaries: &Binaries, folder: &Path, door: u16) -> anyhow::Result<Process> {
    // Its fast clock is right at the end.
    let begin = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(SECONDS - SECONDS / SPEED);
    let mut command = Command::new(&binaries.sim);
    command.args([
        "hj212",
        "--connect",
        &format!("127.0.0.1:{door}"),
        "--standard",
        "2025",
        "--speed",
        &SPEED.to_string(),
        "--seconds",
        &SECONDS.to_string(),
        "--begin",
        &begin.to_string(),
        "--truth",
    ]);
    command.arg(folder.join("truth.jsonl"));
    let rest = "--interval 5 --minute 20 --heartbeat 30 --slope-change 40 --split 2 --outage 60:20 \
                --timeout 0.4 --retries 5 --seed 7 --fault crc:5 --fault garbage:3 --fault cut:7 --fault conflict:4 --fault mn:6";
    command.args(rest.split_whitespace());
    Process::start("logger", command, &folder.join("logger.log"))
}

/// Gives how many records the agent numbered. Everything has stopped after it.
fn play(folder: &Path) -> anyhow::Result<u64> {
    let binaries = binaries()?;
    let path = |name: &str| folder.join(name);
    let [door, http, mqtt] = [free_address(0)?, free_address(0)?, free_address(0)?];
    let config = gateway_of_a_test(folder, http, Door::Tls(mqtt), "site", "agent")?;
    write(&path("gateway.toml"), &config)?;
    make_authority(&binaries, &path("gateway.toml"))?;
    issue(&binaries, &path("gateway.toml"), "agent", &path("identity"))?;
    let identity = path("identity");
    let head = agent_head("site", "agent", mqtt, Identity::Certificates(&identity));
    let station = format!(
        "\n[[hj212]]\nlisten = \"{door}\"\n\n[[hj212.station]]\nmn = \"{MN}\"\ndevice = \"stack\"\nnetworks = [\"127.0.0.1\"]\n"
    );
    write(&path("agent.toml"), &(head + &station))?;
    let mut world = World {
        gateway: start_gateway(&binaries, &path("gateway.toml"), &path("gateway.log"))?,
        agent: agent(&binaries, folder)?,
        binaries: &binaries,
        folder,
    };
    let mut logger = logger(&binaries, folder, door.port())?;
    for (answers, victim) in ENDS {
        wait_for("answers", WITHIN, || {
            logger.check()?;
            world.agent.check()?;
            world.gateway.check()?;
            Ok((Truth::read(folder).answers() >= answers).then_some(()))
        })?;
        world.kill(victim)?;
    }
    let ended = logger.wait_until(Instant::now() + WITHIN)?;
    let done = logger.log_tail();
    anyhow::ensure!(ended.success() && done.contains("\"lost\":0"), "{done}");
    world.drain()
}

#[test]
fn what_a_logger_was_told_is_taken_is_in_the_gateway_once_with_its_time_and_its_frame() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let numbered = play(folder.path()).expect("played");
    let path = |name: &str| folder.path().join(name);
    let journal = path("data/journal.db");
    let balance = balance::count(&journal).expect("counted");
    assert!(balance.is_even(), "{balance:?}");
    assert_eq!(balance.agents["agent"].records, numbered);

    let truth = Truth::read(folder.path());
    let meant = truth.readings();
    assert!(meant.len() > 300, "{} readings", meant.len());
    let (said, resent) = said(&balance);
    assert_eq!(said, meant, "the journal's readings are the logger's");
    assert!(resent > 0, "no other content came under a known time");

    let [sent, answered] = truth.data_areas();
    let mut raws = BTreeSet::new();
    for (head, bytes) in &balance.raws {
        let text = String::from_utf8(bytes.clone()).expect("UTF-8");
        assert_eq!(head.device.as_str(), "stack");
        assert!(text.starts_with("##") && text.contains(MN), "{text}");
        assert!(raws.insert(data_area(&text).to_owned()), "twice: {text}");
    }
    assert!(raws.is_subset(&sent) && raws.is_superset(&answered));
    let kept = retrieved(&path("data/coverage.db")).expect("kept");
    let journaled = balance.raws.iter().map(|(_, bytes)| bytes.clone());
    assert_eq!(kept, journaled.collect::<BTreeSet<_>>());

    let stored = stores::read(&journal, &path("data/series.db")).expect("stored");
    for (point, readings) in &balance.points {
        let mut expected: Vec<_> = readings.iter().map(|r| (r.at_ms, Some(r.value))).collect();
        expected.sort_by_key(|(at_ms, _)| *at_ms);
        assert_eq!(stored.points[point], expected, "{point} in the series");
    }
    println!(
        "{} answers, {} readings, {resent} beside them, {} frames",
        truth.answers(),
        said.len(),
        raws.len()
    );
}

/// The readings of the journal by point and time, and how many came beside others.
fn said(balance: &Balance) -> (BTreeMap<(String, i64), f64>, usize) {
    let (mut said, mut resent) = (BTreeMap::new(), 0);
    for (point, readings) in &balance.points {
        let name = point.strip_prefix("site/stack/").expect("of the logger");
        if name.ends_with("@resent") {
            let is_good = |r: &Journaled| r.quality == Quality::Good.code();
            assert!(!readings.iter().any(is_good), "{point}: {readings:?}");
            resent += readings.len();
            continue;
        }
        for reading in readings {
            assert_eq!(reading.quality, Quality::Good.code(), "{point}");
            said.insert((name.to_owned(), reading.at_ms), reading.value);
        }
    }
    (said, resent)
}

/// The raw messages that the evidence of a case would be given.
fn retrieved(ledger: &Path) -> anyhow::Result<BTreeSet<Vec<u8>>> {
    let ledger = rusqlite::Connection::open(ledger).context("no ledger")?;
    let mut query =
        ledger.prepare("SELECT bytes FROM raw WHERE site = 'site' AND device = 'stack'")?;
    let rows = query.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
