//! A probe finds the units of a line, their registers, and the profile that fits; it ends in time and never writes.

use crate::line::Line;
use clap::Parser;
use edge_agent::probe::{Arguments, probe, show};
use std::collections::HashMap;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    arguments: Arguments,
}

fn arguments(line: &Line, more: &[&str]) -> Arguments {
    let own = [
        "probe",
        "--address",
        &line.address,
        "--rtu",
        "--baud",
        "115200",
    ];
    Program::parse_from(own.iter().chain(more)).arguments
}

const PROFILE: &str = r#"
name = "thermometer"
[identity]
function = "holding"
register = 4
type = "string"
registers = 2
[[point]]
name = "temperature"
function = "holding"
register = 0
type = "f32"
word_order = "cdab"
unit = "℃"
range = [-40, 60]
[[point]]
name = "humidity"
function = "holding"
register = 2
type = "u16"
scale = 0.1
unit = "%RH"
range = [0, 100]
"#;

/// Units 2 and 4 are there, with six registers and nothing at 9.
async fn thermometers() -> Line {
    let line = Line::start().await;
    {
        let mut state = line.state();
        state.dead = [1, 3, 5].into();
        let value = 20.65f32.to_bits();
        let words = [
            (0, value as u16),
            (1, (value >> 16) as u16),
            (2, 553),
            (3, 0),
            (4, 0x534E),
            (5, 0x3432),
            (10, 0),
        ];
        state.fixed = HashMap::from(words);
        state.refused = (6..10).map(|register| (register, 2)).collect();
    }
    line
}

#[tokio::test]
async fn a_scan_shows_what_answers_what_it_may_mean_and_which_profile_fits() {
    let line = thermometers().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thermometer.toml"), PROFILE).unwrap();
    let wrong = PROFILE.replace("cdab", "abcd");
    std::fs::write(folder.path().join("other.toml"), wrong).unwrap();
    let folder = folder.path().display().to_string();
    let more = [
        "--units",
        "1-5",
        "--registers",
        "0-10",
        "--timeout",
        "50ms",
        "--profiles",
        &folder,
    ];
    let report = probe(&arguments(&line, &more)).await.unwrap();
    let units: Vec<u8> = report.units.iter().map(|unit| unit.unit).collect();
    assert_eq!((units, report.silent), (vec![2, 4], 3));
    let unit = &report.units[0];
    let table = &unit.tables[0];
    assert_eq!(
        table.registers.keys().copied().collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 5, 10]
    );
    assert_eq!(
        table.refused,
        [("no_such_register (exception 2)".to_owned(), 4)].into()
    );
    let is_there = |kind: &str, order: Option<&str>, value: &str| {
        table
            .guesses
            .iter()
            .any(|g| g.kind == kind && g.word_order.as_deref() == order && g.value == value)
    };
    assert!(
        is_there("f32", Some("cdab"), "20.65"),
        "{:?}",
        table.guesses
    );
    assert!(is_there("string", None, "SN42"), "{:?}", table.guesses);
    let fits: Vec<_> = unit
        .fits
        .iter()
        .map(|fit| fit.profile.ends_with("thermometer.toml"))
        .collect();
    assert_eq!(fits, [true]);
    let text = show::text(&report);
    for line in [
        "2 of 5 units answer",
        "unit 4",
        "f32 cdab 20.65",
        "thermometer.toml fits: 2 points",
        "4 no_such_register",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    assert!(report.not_asked.is_empty(), "{:?}", report.not_asked);
}

#[tokio::test]
async fn a_profile_shows_live_values_in_their_units_and_what_the_instrument_says_of_itself() {
    let line = thermometers().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("thermometer.toml").display().to_string();
    std::fs::write(&file, PROFILE).unwrap();
    let more = ["--units", "2", "--profile", &file, "--profiles", "nowhere"];
    let report = probe(&arguments(&line, &more)).await.unwrap();
    let unit = &report.units[0];
    let live = unit.live.as_ref().unwrap();
    assert_eq!(live.identity.as_deref(), Some("SN42"));
    let humidity = &live.values[1];
    assert_eq!(
        (humidity.raw, humidity.value, humidity.unit.as_str()),
        (Some(553.0), Some(55.3), "%RH")
    );
    assert!(
        unit.tables.is_empty(),
        "registers are not scanned unless asked for"
    );
    let text = show::text(&report);
    assert!(text.contains("humidity     holding 2  553"), "{text}");
}

#[tokio::test]
async fn a_scan_ends_in_time_and_says_what_it_did_not_get_to() {
    let line = Line::start().await;
    line.state().dead = (1..=255).collect();
    let more = ["--timeout", "50ms", "--within", "300ms"];
    let begun = std::time::Instant::now();
    let report = probe(&arguments(&line, &more)).await.unwrap();
    assert!(begun.elapsed().as_secs() < 5);
    assert!(report.units.is_empty() && report.silent < 20);
    assert!(
        report.not_asked[0].contains("units from"),
        "{:?}",
        report.not_asked
    );
    assert!(Program::try_parse_from(["probe", "--address", "h:1", "--units", "0-300"]).is_err());
    assert!(Program::try_parse_from(["probe"]).is_err());
}
