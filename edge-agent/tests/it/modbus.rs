//! Devices on a line that answers late, refuses, or holds somebody else: what a poll makes of it.

use crate::{
    host::{Arrived, Host},
    line::Line,
};
use contract::{Absence, DeviceId, Doubt, Timestamp, problems::Problems};
use edge_agent::{
    app::Running,
    config, profile,
    source::modbus::{
        Device,
        link::{Endpoint, Line as Settings, Link, Parity},
        poll::{Instrument, Polled},
        schedule::Outcome,
    },
};
use std::{collections::HashMap, path::Path, time::Duration};
use tokio::time::sleep;

const MS: Duration = Duration::from_millis(1);

fn link(line: &Line) -> Link {
    let settings = Settings {
        baud: 115_200,
        parity: Parity::None,
        stop_bits: 1,
    };
    Link::new(Endpoint::RtuOverTcp(line.address.clone(), settings))
}

fn device(registers: &[u16], gap_max: u16, timeout: Duration) -> Device {
    let mut text = format!("name = \"x\"\ngap_max = {gap_max}\n");
    for register in registers {
        text += &format!(
            "[[point]]\nname = \"p{register}\"\nfunction = \"holding\"\nregister = {register}\ntype = \"u16\"\n\
             unit = \"1\"\nrange = [0, 65535]\n"
        );
    }
    let mut problems = Problems::new();
    let profile = profile::read("x", &text, &mut problems);
    assert!(problems.is_empty(), "{problems}");
    Device {
        id: DeviceId::new("d").unwrap(),
        unit_id: 3,
        every: Duration::from_secs(1),
        timeout,
        points: profile.points,
        gap_max: profile.gap_max,
        identity: None,
        expected: None,
        clock: None,
    }
}

#[tokio::test]
async fn a_late_answer_on_a_line_is_never_taken_for_the_next_one() {
    const TIMEOUT: Duration = Duration::from_millis(20);
    let line = Line::start().await;
    // Late by one to four time-outs, always or now and then.
    let mut state = 7u32;
    let any = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        MS * [3, 3, (state >> 16) % 80][(state >> 24) as usize % 3]
    });
    let mut parts: Vec<Vec<Duration>> = [25, 35, 45, 62, 85].map(|ms| vec![MS * ms]).into();
    parts.push(any.take(97).collect());
    for (part, delays) in parts.into_iter().enumerate() {
        line.state().delays = delays;
        let mut link = link(&line);
        let mut instrument = Instrument::new(device(&[0, 4], 0, TIMEOUT));
        let (mut read, mut failed) = (0, 0);
        let begun = line.heard();
        while line.heard() < begun + 24 {
            let before = line.heard() as f64;
            let polled = instrument.poll(&mut link).await;
            match polled.answers[0] {
                Ok(number) => {
                    assert!(
                        number > before,
                        "part {part}: {number} is of before {before}"
                    );
                    read += 1;
                }
                Err(_) => {
                    failed += 1;
                    sleep(MS).await;
                }
            }
        }
        assert!(
            part < 5 || read >= 1,
            "the last part answers now and then: {read}"
        );
        assert!(
            failed > 5,
            "part {part} is late: {failed} failed, {read} read"
        );
        line.state().delays = Vec::new();
        sleep(MS * 150).await;
        // A machine that is busy elsewhere may be late itself.
        let mut before = line.heard() as f64;
        let mut polled = instrument.poll(&mut link).await;
        for _ in 0..10 {
            if polled.outcome == Outcome::Answered {
                break;
            }
            sleep(MS * 150).await;
            before = line.heard() as f64;
            polled = instrument.poll(&mut link).await;
        }
        assert_eq!(polled.outcome, Outcome::Answered, "part {part}");
        let is_new = polled
            .answers
            .iter()
            .all(|a| a.is_ok_and(|number| number > before));
        assert!(is_new, "part {part}: {polled:?}");
    }
}

#[tokio::test]
async fn a_refused_joined_read_is_split_and_stays_so_until_the_device_was_silent() {
    let line = Line::start().await;
    line.state().refused = HashMap::from([(3, 2), (9, 2)]);
    let mut link = link(&line);
    let mut instrument = Instrument::new(device(&[0, 1, 5, 9], 10, 300 * MS));
    let asked = |from: usize| -> Vec<(u16, u16)> {
        let state = line.state();
        state.heard[from..]
            .iter()
            .map(|(_, start, count)| (*start, *count))
            .collect()
    };
    let first = instrument.poll(&mut link).await;
    let values = |polled: &Polled| {
        polled
            .answers
            .iter()
            .map(|a| a.map(|_| ()))
            .collect::<Vec<_>>()
    };
    let expected = [Ok(()), Ok(()), Ok(()), Err(Absence::NoSuchRegister)];
    assert_eq!(values(&first), expected);
    assert_eq!(first.outcome, Outcome::Answered);
    assert_eq!(asked(0), [(0, 10), (0, 2), (5, 5), (5, 1), (9, 1)]);
    let from = line.heard();
    assert_eq!(values(&instrument.poll(&mut link).await), expected);
    assert_eq!(asked(from), [(0, 2), (5, 1), (9, 1)]);
    line.state().dead.insert(3);
    let silent = instrument.poll(&mut link).await;
    assert_eq!(silent.outcome, Outcome::Silent(Absence::NoAnswer));
    line.state().dead.clear();
    let from = line.heard();
    assert_eq!(values(&instrument.poll(&mut link).await), expected);
    // Sounded first, since an answer may still be owed.
    assert_eq!(asked(from)[..2], [(0, 1), (0, 10)]);
}

#[tokio::test]
async fn each_exception_becomes_its_own_absence_and_those_of_a_gateway_are_silence() {
    let line = Line::start().await;
    let mut link = link(&line);
    for (code, absence) in [
        (1, Absence::NoSuchFunction),
        (2, Absence::NoSuchRegister),
        (3, Absence::BadQuestion),
        (4, Absence::DeviceFault),
        (5, Absence::Busy),
        (6, Absence::Busy),
        (8, Absence::Refused),
        (10, Absence::NoPath),
        (11, Absence::TargetSilent),
    ] {
        line.state().refused = HashMap::from([(0, code)]);
        let polled = Instrument::new(device(&[0], 0, 300 * MS))
            .poll(&mut link)
            .await;
        assert_eq!(polled.answers, [Err(absence)], "exception {code}");
        let outcome = match code {
            10 | 11 => Outcome::Silent(absence),
            _ => Outcome::Answered,
        };
        assert_eq!(polled.outcome, outcome, "exception {code}");
    }
}

#[tokio::test]
async fn the_values_of_another_instrument_are_doubted_until_the_right_one_answers() {
    let line = Line::start().await;
    line.state().fixed = HashMap::from([(100, 0x534E), (101, 0x3432)]);
    let mut link = link(&line);
    let mut device = device(&[0], 0, 300 * MS);
    let text = "name = \"x\"\n[identity]\nfunction = \"holding\"\nregister = 100\ntype = \"string\"\nregisters = 2\n\
                [[point]]\nname = \"a\"\nfunction = \"holding\"\nregister = 0\ntype = \"u16\"\nunit = \"1\"\nrange = [0, 1]\n";
    device.identity = profile::read("x", text, &mut Problems::new()).identity;
    device.expected = Some("SN42".to_owned());
    let mut instrument = Instrument::new(device);
    assert_eq!(instrument.poll(&mut link).await.doubt, None);
    // Exchanged while it was silent: it is asked again who it is.
    line.state().dead.insert(3);
    instrument.poll(&mut link).await;
    line.state().dead.clear();
    line.state().fixed.insert(101, 0x3433);
    let other = instrument.poll(&mut link).await;
    assert_eq!(other.doubt, Some(Doubt::OtherDevice));
    assert!(other.answers[0].is_ok());
    assert_eq!(
        instrument.poll(&mut link).await.doubt,
        Some(Doubt::OtherDevice)
    );
    line.state().dead.insert(3);
    instrument.poll(&mut link).await;
    line.state().dead.clear();
    line.state().fixed.insert(101, 0x3432);
    assert_eq!(instrument.poll(&mut link).await.doubt, None);
}

fn write_config(folder: &Path, port: u16, line: &Line) -> std::path::PathBuf {
    let point = "name = \"x\"\n[[point]]\nname = \"n\"\nfunction = \"holding\"\nregister = 0\ntype = \"u16\"\nunit = \"1\"\nrange = [0, 65535]\n";
    std::fs::write(folder.join("profile.toml"), point).unwrap();
    let mut text = format!(
        "site = \"s\"\nagent = \"a\"\n[buffer]\npath = \"buffer.db\"\n[gateway]\nhost = \"127.0.0.1\"\nport = {port}\n\
         [[modbus]]\nid = \"line\"\nrtu_over_tcp = \"{}\"\nbaud = 115200\nback_off_max = \"2s\"\n",
        line.address
    );
    for unit in 1..=3 {
        text += &format!(
            "[[device]]\nid = \"d{unit}\"\nbus = \"line\"\nunit_id = {unit}\nprofile = \"profile.toml\"\nevery = \"100ms\"\ntimeout = \"40ms\"\n"
        );
    }
    let path = folder.join("agent.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Time and quality code of each reading of a device, in order.
fn told(arrived: &[Arrived], device: &str) -> Vec<(Timestamp, u32)> {
    let mut told = HashMap::new();
    for event in arrived {
        if let Arrived::Message(topic, message) = event
            && topic.device.as_ref().is_some_and(|d| d.as_str() == device)
            && message.metrics.len() == 2
        {
            let reading = &message.metrics[1];
            if let Some(at) = reading.at {
                told.insert(at, reading.quality_code.unwrap_or(0));
            }
        }
    }
    let mut told: Vec<_> = told.into_iter().collect();
    told.sort();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_device_on_a_line_is_asked_less_and_its_polls_are_absences_when_they_are_due() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start().await;
    let line = Line::start().await;
    line.state().dead.insert(2);
    let path = write_config(folder.path(), host.port, &line);
    let running = Running::start(config::load(&path).unwrap_or_else(|e| panic!("{e}"))).await;
    let running = running.unwrap();
    let many = |arrived: &[Arrived]| (told(arrived, "d2").len() >= 25).then_some(());
    host.until("25 records of the dead one", many).await;
    let asked = line
        .state()
        .heard
        .iter()
        .filter(|(unit, ..)| *unit == 2)
        .count();
    assert!(asked <= 7, "asked {asked} times");
    line.state().dead.clear();
    let answers = |arrived: &[Arrived]| {
        let told = told(arrived, "d2");
        (told.iter().rev().take(5).all(|(_, code)| *code == 0)).then_some(())
    };
    host.until("five answers of the one that was dead", answers)
        .await;
    running.drain().await;
    let arrived = host.arrived();
    let dead = told(&arrived, "d2");
    let (first, last) = (dead[0].0, dead[dead.len() - 1].0);
    let due = last.since(first) / 100;
    let missing = due - dead.len() as i64;
    assert!((-2..=2).contains(&missing), "{} of {due}", dead.len());
    let silent = dead.iter().take_while(|(_, code)| *code != 0);
    assert!(silent.clone().count() >= 25);
    assert!(
        silent
            .clone()
            .all(|(_, code)| *code == Absence::NoAnswer as u32)
    );
    let steps = dead
        .windows(2)
        .take(20)
        .map(|pair| pair[1].0.since(pair[0].0));
    let far = steps.filter(|step| !(40..=200).contains(step)).count();
    assert!(far <= 2, "absences come when they are due: {dead:?}");
    for other in ["d1", "d3"] {
        let told = told(&arrived, other);
        let good = told.iter().filter(|(_, code)| *code == 0).count() as i64;
        assert!(good >= due - 5, "{other}: {good} of {due}");
    }
}
