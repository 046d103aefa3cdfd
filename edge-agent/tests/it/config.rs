//! Examples load; a bad file gives all its problems at once.

use edge_agent::config;
use std::path::Path;

#[test]
fn the_example_and_every_device_profile_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let config = config::load(&folder.join("edge-agent.toml")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.devices.len(), 2);
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.join("devices")).unwrap() {
        let path = entry.unwrap().path();
        let mut problems = contract::problems::Problems::new();
        let text = std::fs::read_to_string(&path).unwrap();
        let points = edge_agent::profile::read("profile", &text, &mut problems);
        assert!(
            problems.is_empty() && !points.points.is_empty(),
            "{}: {problems}",
            path.display()
        );
        seen += 1;
    }
    assert!(seen >= 6);
}

const BAD_CONFIG: &str = r#"
site = "a/b"
agnet = "x"
[buffer]
path = "nowhere/buffer.db"
[gateway]
host = "h"
port = 70000
ca_file = "profile.toml"
[[device]]
id = "d"
profile = "profile.toml"
address = "no-port"
every = "1s"
timeout = "3s"
[[device]]
id = "e"
profile = "missing.toml"
address = "h:502"
every = "soon"
"#;

const BAD_PROFILE: &str = r#"
name = "x"
[[point]]
name = "t"
function = "holding"
register = 65535
type = "f32"
word_order = "acbd"
unit = "degrees"
range = [5, 1]
[[point]]
name = "u"
function = "coil"
register = 0
type = "u16"
unit = "A"
range = [0, 1]
colour = "red"
[[point]]
name = "u"
function = "coil"
register = 0
type = "bool"
unit = "1"
range = [0, 1]
"#;

#[test]
fn every_problem_is_reported_in_one_run_with_its_place_and_a_fix() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("agent.toml"), BAD_CONFIG).unwrap();
    std::fs::write(folder.path().join("profile.toml"), BAD_PROFILE).unwrap();
    let problems = config::load(&folder.path().join("agent.toml")).unwrap_err();
    let text = problems.to_string();
    for (place, what) in [
        ("agent.toml: site", "not allowed"),
        ("agent.toml: agent", "missing"),
        ("agent.toml: agnet", "not known"),
        ("agent.toml: buffer.path", "does not exist"),
        ("agent.toml: gateway.port", "from 1 to 65535"),
        ("agent.toml: gateway.password_file", "incomplete"),
        ("agent.toml: device[1].address", "not an address"),
        ("agent.toml: device[1].timeout", "not shorter"),
        ("agent.toml: device[2].every", "not a duration"),
        ("missing.toml", "cannot be read"),
        ("profile.toml: point[1].register", "past register 65535"),
        (
            "profile.toml: point[1].word_order",
            "abcd, cdab, badc, dcba",
        ),
        ("profile.toml: point[1].unit", "not known"),
        ("profile.toml: point[1].range", "not a range"),
        ("profile.toml: point[2].type", "does not hold a u16"),
        ("profile.toml: point[2].colour", "not known"),
        ("profile.toml: point[3].name", "twice"),
        ("profile.toml: point[3].register", "belongs to point u too"),
    ] {
        let is_there = text
            .lines()
            .any(|line| line.contains(place) && line.contains(what));
        assert!(is_there, "no {place}: {what} in\n{text}");
    }
    assert!(problems.iter().all(|problem| !problem.fix.is_empty()));
}

#[test]
fn what_enrolment_wrote_says_who_the_agent_is_and_there_may_be_no_device_yet() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "agent.toml",
        "enrolment = \"who.toml\"\n[buffer]\npath = \"buffer.db\"\n",
    );
    let at = folder.path().join("agent.toml");
    let text = config::load(&at).unwrap_err().to_string();
    assert!(
        text.contains("who.toml") && text.contains("enroll"),
        "{text}"
    );
    write(
        "who.toml",
        "site = \"s\"\nagent = \"a\"\n[gateway]\nhost = \"h\"\nport = 1\n",
    );
    let config = config::load(&at).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((config.site.as_str(), config.agent.as_str()), ("s", "a"));
    write(
        "agent.toml",
        "enrolment = \"who.toml\"\nsite = \"t\"\n[buffer]\npath = \"buffer.db\"\n",
    );
    let text = config::load(&at).unwrap_err().to_string();
    assert!(text.contains("site: this key is not known"), "{text}");
}
