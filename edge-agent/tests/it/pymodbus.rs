//! A serial line whose instrument is a pymodbus server, on a pseudo terminal and behind TCP. It runs with the Python of
//! `ONEDOOR_PYTHON`, if that has pymodbus; with `CI` set it must.

use contract::{Absence, DeviceId, Timestamp, problems::Problems};
use edge_agent::{
    profile,
    source::modbus::{
        Device,
        link::{Endpoint, Line, Link, Parity},
        poll::Instrument,
    },
};
use std::{
    path::Path,
    process::{Child, Command},
    time::Duration,
};
use tokio::time::{Instant, sleep};

const REGISTERS: &str = r#"[
    {"table": "holding", "register": 0, "type": "f32", "order": "cdab", "value": 20.65},
    {"table": "holding", "register": 2, "type": "u32", "order": "abcd", "value": 4000000001},
    {"table": "holding", "register": 4, "type": "i16", "order": "badc", "value": -2},
    {"table": "holding", "register": 6, "type": "i64", "order": "dcba", "value": -1234567890123},
    {"table": "coil", "register": 3, "type": "bool", "order": "abcd", "value": 1}
]"#;

const PROFILE: &str = r#"
name = "pymodbus"
gap_max = 4
[[point]]
name = "a"
function = "holding"
register = 0
type = "f32"
word_order = "cdab"
unit = "1"
range = [0, 100]
[[point]]
name = "b"
function = "holding"
register = 2
type = "u32"
unit = "1"
range = [0, 1e10]
[[point]]
name = "c"
function = "holding"
register = 4
type = "i16"
word_order = "badc"
unit = "1"
range = [-10, 10]
[[point]]
name = "d"
function = "holding"
register = 6
type = "i64"
word_order = "dcba"
unit = "1"
range = [-1e15, 0]
[[point]]
name = "gone"
function = "holding"
register = 12
type = "u16"
unit = "1"
range = [0, 1]
[[point]]
name = "e"
function = "coil"
register = 3
type = "bool"
unit = "1"
range = [0, 1]
"#;

const CLOCK: &str = r#"
name = "clock"
[[point]]
name = "read_at"
function = "input"
register = 10
type = "u64"
unit = "1"
range = [0, 1e15]
"#;

/// An instrument that is killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, and then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(at: &str) -> Option<Server> {
    let python = std::env::var_os("ONEDOOR_PYTHON").filter(|python| {
        let import = Command::new(python)
            .args(["-c", "import pymodbus, serial"])
            .output();
        import.is_ok_and(|done| done.status.success())
    });
    let Some(python) = python else {
        assert!(
            std::env::var_os("CI").is_none(),
            "ONEDOOR_PYTHON must name a Python that has pymodbus[serial]"
        );
        println!("skipped: ONEDOOR_PYTHON names no Python that has pymodbus[serial]");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests/it/pymodbus_server.py");
    let child = Command::new(python)
        .arg(script)
        .args([at, "1", REGISTERS])
        .spawn();
    Some(Server(child.unwrap()))
}

fn instrument(profile: &str, timeout: Duration) -> Instrument {
    let mut problems = Problems::new();
    let profile = profile::read("x", profile, &mut problems);
    assert!(problems.is_empty(), "{problems}");
    Instrument::new(Device {
        id: DeviceId::new("d").unwrap(),
        unit_id: 5,
        every: Duration::from_secs(1),
        timeout,
        points: profile.points,
        gap_max: profile.gap_max,
        identity: None,
        expected: None,
        clock: None,
    })
}

async fn reads_everything(link: &mut Link) {
    let mut all = instrument(PROFILE, Duration::from_secs(1));
    let f32_value = f64::from(20.65f32);
    let expected = [
        Ok(f32_value),
        Ok(4_000_000_001.0),
        Ok(-2.0),
        Ok(-1_234_567_890_123.0),
        Err(Absence::NoSuchRegister),
        Ok(1.0),
    ];
    let end = Instant::now() + Duration::from_secs(30);
    let mut answers = all.poll(link).await.answers;
    while answers != expected {
        assert!(Instant::now() < end, "{answers:?}");
        sleep(Duration::from_millis(100)).await;
        answers = all.poll(link).await.answers;
    }
    assert_eq!(
        all.poll(link).await.answers,
        expected,
        "also when the reads are split"
    );
}

/// The instrument is now and then slower than its time-out; what is read is never of a time before it was asked.
async fn reads_nothing_late(link: &mut Link) {
    let mut clock = instrument(CLOCK, Duration::from_millis(120));
    let (mut read, mut failed) = (0, 0);
    while read < 12 || failed < 4 {
        let asked = Timestamp::now().as_millis() as f64;
        match clock.poll(link).await.answers[0] {
            Ok(at) => {
                assert!(
                    at >= asked,
                    "{at} was read before it was asked for at {asked}"
                );
                read += 1;
            }
            Err(_) => failed += 1,
        }
        sleep(Duration::from_millis(20)).await;
        assert!(read + failed < 500, "{read} read, {failed} failed");
    }
}

fn line() -> Line {
    Line {
        baud: 9_600,
        parity: Parity::None,
        stop_bits: 1,
    }
}

#[tokio::test]
async fn a_pymodbus_instrument_on_a_serial_line_is_read_and_its_late_answers_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("line").display().to_string();
    let Some(_server) = start(&format!("pty:{path}")) else {
        return;
    };
    let mut link = Link::new(Endpoint::Serial(path, line()));
    reads_everything(&mut link).await;
    reads_nothing_late(&mut link).await;
}

#[tokio::test]
async fn a_pymodbus_instrument_with_serial_frames_over_tcp_is_read_and_its_late_answers_are_not_taken()
 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let Some(_server) = start(&format!("rtu:{}", address.port())) else {
        return;
    };
    let mut link = Link::new(Endpoint::RtuOverTcp(address.to_string(), line()));
    reads_everything(&mut link).await;
    reads_nothing_late(&mut link).await;
}
