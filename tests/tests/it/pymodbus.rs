//! An instrument nobody here wrote, a pymodbus server, read by the agent and journaled by the gateway: every number as
//! its maker meant it, every moment without an answer an absence with its reason, nothing repeated.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use contract::{Absence, Doubt, Quality};
use serde_json::{Value, json};
use tests::balance::{self, Balance, Journaled};
use tests::collect::buffer;
use tests::config_text::{Door, Identity, agent_device, agent_head, gateway_of_a_test, quoted};
use tests::process::{Process, wait_for};
use tests::servers::python;
use tests::setup::binaries;
use tests::stores;
use tests::world::{free_address, start_agent, start_gateway, write};

/// How long each part lasts: answering, silent, answering again.
const PART: Duration = Duration::from_secs(3);
/// Readings of a point in each part at least; it is asked for thirty times.
const AT_LEAST: usize = 10;
/// What the count of the second instrument begins with.
const SECOND: f64 = 1_000_000.0;

/// A number in the instrument, and the reading it must become.
struct Number {
    name: &'static str,
    table: &'static str,
    register: u16,
    kind: &'static str,
    order: &'static str,
    scale: f64,
    offset: f64,
    range: (f64, f64),
    /// As the maker wrote it; nothing where the register does not exist.
    written: Option<Value>,
    read: f64,
    quality: Quality,
}

impl Number {
    fn scaled(self, scale: f64, offset: f64) -> Self {
        let read = self.read * scale + offset;
        Number {
            scale,
            offset,
            read,
            ..self
        }
    }

    fn holds(&self, reading: &Journaled) -> bool {
        let is_equal = reading.value == self.read || (reading.value.is_nan() && self.read.is_nan());
        is_equal && reading.quality == self.quality.code()
    }
}

fn in_table(
    table: &'static str,
    register: u16,
    kind: &'static str,
    order: &'static str,
    name: &'static str,
    written: impl Into<Value>,
    read: f64,
) -> Number {
    Number {
        name,
        table,
        register,
        kind,
        order,
        scale: 1.0,
        offset: 0.0,
        range: (-1e17, 1e17),
        written: Some(written.into()),
        read,
        quality: Quality::Good,
    }
}

fn numbers() -> Vec<Number> {
    /// The highest whole number that every smaller one can be told from.
    const EXACT: i64 = (1 << 53) - 1;
    let at = |register, kind, order, name, written: Value, read| {
        in_table("holding", register, kind, order, name, written, read)
    };
    let bit = |table, register, name, on: bool| {
        let number = f64::from(u8::from(on));
        in_table(table, register, "bool", "abcd", name, u8::from(on), number)
    };
    let third = 1.0 / 3.0;
    vec![
        at(0, "u16", "abcd", "u16_top", json!(65_535), 65_535.0),
        at(1, "i16", "badc", "i16_badc", json!(-2), -2.0),
        at(
            10,
            "u32",
            "abcd",
            "u32_abcd",
            json!(4_000_000_001u32),
            4_000_000_001.0,
        ),
        at(
            12,
            "i32",
            "cdab",
            "i32_cdab",
            json!(i32::MIN),
            f64::from(i32::MIN),
        ),
        at(14, "i32", "badc", "i32_badc", json!(-70_000), -70_000.0),
        at(
            16,
            "u32",
            "dcba",
            "u32_dcba",
            json!(305_419_896),
            305_419_896.0,
        ),
        at(20, "u64", "abcd", "u64_abcd", json!(EXACT), EXACT as f64),
        at(24, "i64", "cdab", "i64_cdab", json!(-EXACT), -EXACT as f64),
        at(
            28,
            "i64",
            "badc",
            "i64_badc",
            json!(-1_234_567_890_123i64),
            -1_234_567_890_123.0,
        ),
        at(32, "u64", "dcba", "u64_dcba", json!(1), 1.0),
        at(
            40,
            "f32",
            "abcd",
            "f32_abcd",
            json!(20.65),
            f64::from(20.65f32),
        ),
        at(
            42,
            "f32",
            "cdab",
            "f32_cdab",
            json!(-18.3),
            f64::from(-18.3f32),
        ),
        at(
            44,
            "f32",
            "badc",
            "f32_badc",
            json!(1e-20),
            f64::from(1e-20f32),
        ),
        at(46, "f32", "dcba", "f32_dcba", json!(3.5), 3.5),
        at(50, "f64", "abcd", "f64_abcd", json!(third), third),
        at(54, "f64", "cdab", "f64_cdab", json!(-0.1), -0.1),
        at(58, "f64", "badc", "f64_badc", json!(1e15), 1e15),
        at(62, "f64", "dcba", "f64_dcba", json!(2.5e-8), 2.5e-8),
        at(70, "i16", "abcd", "quarters", json!(-73), -73.0).scaled(0.25, 0.0),
        at(72, "u32", "cdab", "shifted", json!(605), 605.0).scaled(0.5, -40.0),
        Number {
            range: (0.0, 100.0),
            quality: Quality::Suspect(Doubt::OutOfRange),
            ..at(80, "u16", "abcd", "beyond_range", json!(101), 101.0)
        },
        Number {
            written: None,
            quality: Quality::Missing(Absence::NoSuchRegister),
            ..at(500, "u16", "abcd", "not_there", Value::Null, f64::NAN)
        },
        bit("coil", 3, "coil_on", true),
        bit("coil", 4, "coil_off", false),
        bit("discrete", 9, "discrete_on", true),
    ]
}

fn profile(numbers: &[Number]) -> String {
    let mut text = String::from(
        "name = \"pymodbus\"\n\n[[point]]\nname = \"count\"\nfunction = \"input\"\nregister = 0\n\
         type = \"u32\"\nunit = \"1\"\nrange = [0, 1e9]\n",
    );
    for n in numbers {
        text += &format!(
            "\n[[point]]\nname = {}\nfunction = {}\nregister = {}\ntype = {}\nword_order = {}\n\
             scale = {:?}\noffset = {:?}\nunit = \"1\"\nrange = [{:?}, {:?}]\n",
            quoted(n.name),
            quoted(n.table),
            n.register,
            quoted(n.kind),
            quoted(n.order),
            n.scale,
            n.offset,
            n.range.0,
            n.range.1
        );
    }
    text
}

/// The instrument, answering; its count begins with `first`.
fn instrument(
    python: &Path,
    address: SocketAddr,
    first: f64,
    numbers: &[Number],
    log: &Path,
) -> anyhow::Result<Process> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/pymodbus_server.py");
    let registers: Vec<Value> = numbers
        .iter()
        .filter_map(|n| {
            let value = n.written.as_ref()?;
            Some(json!({ "table": n.table, "register": n.register, "type": n.kind, "order": n.order, "value": value }))
        })
        .collect();
    let mut command = Command::new(python);
    command
        .arg(script)
        .arg(address.port().to_string())
        .arg(first.to_string())
        .arg(Value::from(registers).to_string());
    let mut instrument = Process::start("pymodbus", command, log)?;
    wait_for("pymodbus to listen", Duration::from_secs(30), || {
        instrument.check()?;
        Ok(std::net::TcpStream::connect(address).ok())
    })?;
    Ok(instrument)
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Plays the three parts; gives the moments between which nobody answered. Everything has stopped after it.
fn play(python: &Path, folder: &Path, numbers: &[Number]) -> anyhow::Result<(i64, i64)> {
    let binaries = binaries()?;
    let path = |name: &str| folder.join(name);
    let [address, http, mqtt] = [free_address(0)?, free_address(0)?, free_address(0)?];
    let door = Door::Listener(mqtt);
    let config = gateway_of_a_test(folder, http, door, "site", "agent")?;
    write(&path("gateway.toml"), &config)?;
    write(&path("pymodbus.toml"), &profile(numbers))?;
    let head = agent_head("site", "agent", mqtt, Identity::Anonymous);
    let device = agent_device("pymodbus", &path("pymodbus.toml"), address, "100ms", "1s");
    write(&path("agent.toml"), &(head + &device))?;
    let log = path("pymodbus.log");
    let mut first = instrument(python, address, 1.0, numbers, &log)?;
    let mut gateway = start_gateway(&binaries, &path("gateway.toml"), &path("gateway.log"))?;
    let name = "agent";
    let mut agent = start_agent(&binaries, name, &path("agent.toml"), &path("agent.log"))?;
    std::thread::sleep(PART);
    first.stop(Duration::from_secs(5))?;
    let silent_from = now_ms();
    std::thread::sleep(PART);
    let silent_to = now_ms();
    let mut second = instrument(python, address, SECOND, numbers, &log)?;
    std::thread::sleep(PART);
    agent.stop(Duration::from_secs(10))?;
    gateway.stop(Duration::from_secs(10))?;
    second.stop(Duration::from_secs(5))?;
    Ok((silent_from, silent_to))
}

#[test]
fn every_number_of_a_pymodbus_server_arrives_as_its_maker_meant_it_and_silence_as_absence() {
    let Some(python) = python("pymodbus").expect("Python") else {
        return;
    };
    let folder = tempfile::tempdir().expect("temporary folder");
    let numbers = numbers();
    let silence = play(&python, folder.path(), &numbers).expect("played");
    let sent = buffer(&folder.path().join("buffer.db")).expect("the agent's own count");
    let journal = folder.path().join("data/journal.db");
    let balance = balance::count(&journal).expect("counted");
    assert!(balance.is_even(), "{balance:?}");
    assert_eq!(sent.released, sent.numbered, "everything was sent");
    assert_eq!(balance.agents["agent"].records, sent.numbered);
    for number in &numbers {
        check(number, of(&balance, number.name), silence);
    }
    check_count(of(&balance, "count"), silence);
    let stored = stores::read(&journal, &folder.path().join("data/series.db")).expect("stored");
    for (point, readings) in &balance.points {
        let mut expected: Vec<_> = readings
            .iter()
            .map(|r| (r.at_ms, (!r.value.is_nan()).then_some(r.value)))
            .collect();
        // What waited in the buffer comes beside what is new.
        expected.sort_by_key(|(at_ms, _)| *at_ms);
        assert_eq!(
            stored.points[point], expected,
            "{point} in the series store"
        );
    }
    println!(
        "{} points, {} readings, {} of them absences",
        balance.points.len(),
        balance.readings,
        balance.missing
    );
}

fn of<'a>(balance: &'a Balance, point: &str) -> &'a [Journaled] {
    &balance.points[&format!("site/pymodbus/{point}")]
}

/// Nobody answered: the connection could not be made, or was cut off while asked.
fn is_silence(reading: &Journaled) -> bool {
    let reasons = [Absence::NoConnection, Absence::NoAnswer].map(|a| a as u8);
    reading.value.is_nan() && reasons.contains(&reading.quality)
}

fn check(number: &Number, readings: &[Journaled], (from, to): (i64, i64)) {
    let name = number.name;
    let wrong = readings.iter().find(|r| !number.holds(r) && !is_silence(r));
    assert_eq!(wrong, None, "{name} must read {}", number.read);
    let answered = |r: &&Journaled| number.holds(r);
    let before = readings.iter().filter(|r| r.at_ms < from).filter(answered);
    let after = readings.iter().filter(|r| r.at_ms > to).filter(answered);
    let silent: Vec<_> = readings
        .iter()
        .filter(|r| (from..=to).contains(&r.at_ms))
        .collect();
    let (before, after) = (before.count(), after.count());
    assert!(
        before >= AT_LEAST && after >= AT_LEAST,
        "{name}: {before} and {after} readings"
    );
    assert!(
        silent.len() >= AT_LEAST,
        "{name}: {} absences",
        silent.len()
    );
    assert!(
        silent.iter().all(|r| is_silence(r)),
        "{name}: a value of a time when nobody answered"
    );
}

/// The instrument counts how often it was read: each count arrives once, and none is left out but for absences.
fn check_count(readings: &[Journaled], (from, _): (i64, i64)) {
    // As below: the journal has them in the order of arrival.
    let mut readings = readings.to_vec();
    readings.sort_by_key(|reading| reading.at_ms);
    let counts = |is_first: bool| -> Vec<f64> {
        let values = readings.iter().map(|r| r.value).filter(|v| !v.is_nan());
        values.filter(|v| (*v < SECOND) == is_first).collect()
    };
    let late = readings
        .iter()
        .filter(|r| r.at_ms < from && is_silence(r))
        .count();
    for (counts, begins) in [(counts(true), 1.0), (counts(false), SECOND)] {
        assert!(counts.len() >= AT_LEAST);
        assert!(
            counts.windows(2).all(|w| w[0] < w[1]),
            "repeated: {counts:?}"
        );
        let asked = counts.last().copied().unwrap_or(begins) - begins + 1.0;
        let left_out = asked as usize - counts.len();
        assert!(
            left_out <= late + 1,
            "{left_out} of {asked} counts left out: {counts:?}"
        );
    }
}
