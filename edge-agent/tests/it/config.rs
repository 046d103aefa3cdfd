//! Examples load; a bad file gives all its problems at once.

use edge_agent::config;
use std::path::Path;

#[test]
fn the_example_and_every_device_profile_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let config = config::load(&folder.join("edge-agent.toml")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.devices().len(), 2);
    let doors =
        config::load(&folder.join("edge-agent-hj212.toml")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(doors.devices().len(), 1);
    let lines = config::load(&folder.join("edge-agent-serial.toml"));
    let lines = lines.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((lines.sources.len(), lines.devices().len()), (3, 5));
    let cameras = config::load(&folder.join("edge-agent-cameras.toml"));
    let cameras = cameras.unwrap_or_else(|e| panic!("{e}"));
    let points: Vec<usize> = cameras.devices().iter().map(|d| d.points.len()).collect();
    assert_eq!(
        points,
        [13, 8],
        "only a camera with a known place of its clock tells of it"
    );
    let holds = config.holds().unwrap();
    let points: f64 = config
        .devices()
        .iter()
        .flat_map(|device| &device.points)
        .map(|point| 1.0 / point.every.unwrap().as_secs_f64())
        .sum();
    assert!((holds.readings_per_s - points).abs() < 1e-9, "{holds:?}");
    let each = config.buffer.bytes_max as f64 / (holds.hours * 3600.0 * points);
    assert!((20.0..60.0).contains(&each), "{each} bytes a reading");
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

#[test]
fn the_example_of_simple_devices_loads_and_says_what_it_means() {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("messages")).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(from.join("messages")).unwrap() {
        let entry = entry.unwrap();
        let to = folder.path().join("messages").join(entry.file_name());
        std::fs::copy(entry.path(), to).unwrap();
        seen += 1;
    }
    assert!(seen >= 2);
    let path = folder.path().join("agent.toml");
    std::fs::copy(from.join("edge-agent-simple.toml"), &path).unwrap();
    let problems = config::load(&path).unwrap_err();
    assert_eq!(
        problems.len(),
        1,
        "a token is not in the example: {problems}"
    );
    std::fs::write(folder.path().join("noise-1.token"), "0123456789abcdef\n").unwrap();
    let config = config::load(&path).unwrap_or_else(|e| panic!("{e}"));
    let text = edge_agent::check::summary(&config);
    for part in [
        "gateway 127.0.0.1:1883, Anonymous",
        "page http://127.0.0.1:8089",
        "cold-room-3: 3 points, every 900s",
        "temperature (℃), humidity (%RH), battery (%)",
        "purifier-plug: 4 points, every 10s",
        "noise-1: 1 points, every 60s",
        "Sparkplug of broker 127.0.0.1:1884",
        "0.44 readings a second",
        "768 MiB: holds about",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

const BAD_SIMPLE: &str = r#"
site = "s"
agent = "a"
[buffer]
path = "buffer.db"
[gateway]
host = "h"
port = 1
[status]
listen = "0.0.0.0:8089"
[[json_mqtt]]
host = "h"
user = "u"
ca_file = "short"
[[json_mqtt.device]]
topic = "a/+"
id = "one"
every = "1s"
profile = "none.toml"
[[json_mqtt.device]]
topic = "a/+b"
id = "two"
[[json_mqtt.device]]
topic = "x/{device}"
devices = ["a/b"]
every = "1m"
[[json_mqtt.device.point]]
name = "t"
pointer = "t"
unit = "℃"
range = [0, 1]
[[json_http]]
id = "three"
url = "192.168.1.1"
every = "1s"
timeout = "2s"
[[json_http]]
id = "four"
url = "https://h/x"
every = "1s"
timeout = "1s"
[[json_http.point]]
name = "t"
pointer = "/t"
unit = "℃"
range = [0, 1]
[json_in]
listen = "8088"
[[json_in.device]]
id = "five"
token_file = "short"
every = "1s"
[[sparkplug]]
host = "h"
group = "a/b"
nodes = 3
"#;

#[test]
fn every_problem_of_simple_devices_is_reported_in_one_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("agent.toml"), BAD_SIMPLE).unwrap();
    std::fs::write(folder.path().join("short"), "x").unwrap();
    let problems = config::load(&folder.path().join("agent.toml")).unwrap_err();
    let text = problems.to_string();
    for (place, what) in [
        ("status.token_file", "can be reached from other machines"),
        ("json_mqtt[1].user", "go together"),
        ("json_mqtt[1].ca_file", "cannot be used"),
        ("none.toml", "cannot be read"),
        ("json_mqtt[1].device[2].topic", "not a topic"),
        ("json_mqtt[1].device[2].every", "missing"),
        ("json_mqtt[1].device[2].point", "there is none"),
        ("json_mqtt[1].device[3].devices", "not allowed"),
        (
            "json_mqtt[1].device[3].point[1].pointer",
            "not a JSON pointer",
        ),
        ("json_http[1].url", "neither http:// nor https://"),
        ("json_http[1].timeout", "longer than every"),
        ("json_http[1].point", "there is none"),
        ("json_http[2].ca_file", "do not go together"),
        ("json_in.listen", "invalid socket address"),
        ("json_in.device[1].token_file", "at least 16"),
        ("json_in.device[1].point", "there is none"),
        ("sparkplug[1].group", "not allowed"),
        ("sparkplug[1].nodes", "not known"),
    ] {
        let is_there = text
            .lines()
            .any(|line| line.contains(place) && line.contains(what));
        assert!(is_there, "no {place}: {what} in\n{text}");
    }
    assert!(problems.iter().all(|problem| !problem.fix.is_empty()));
}

#[test]
fn every_problem_of_cameras_is_reported_in_one_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("login"), "nobody").unwrap();
    let sources = "[[camera]]\nid = \"a\"\nurl = \"http://u:p@h/\"\nclock = [0.9, 0, 0.2, 1]\nframes_per_s = 0\n\
         [[camera]]\nid = \"b\"\nurl = \"https://h/x\"\nlogin_file = \"login\"\nevery = \"1h\"\n[camera.ring]\ndir = \"no/ring\"\nbytes_max = 5\n\
         [[camera]]\nid = \"c\"\nurl = \"rtsp://h/1\"\nsub_url = \"rtsp://u:p@h/2\"\nwidth = 641\nwarmth = 1\n\
         [[camera]]\nid = \"d\"\nurl = \"ftp://h/1\"\n";
    let path = crate::heard::write_config(folder.path(), 1, sources);
    let problems = config::load(&path).unwrap_err();
    let text = problems.to_string();
    for (place, what) in [
        ("camera[1].url", "a password does not belong into a URL"),
        ("camera[1].clock", "no part of a picture"),
        ("camera[1].frames_per_s", "0.5 to 30"),
        ("camera[2].url", "ca_file do not go together"),
        ("camera[2].login_file", "USER:PASSWORD"),
        ("camera[2].every", "1h"),
        ("camera[2].ring.dir", "is not there"),
        ("camera[2].ring.bytes_max", "5 is not"),
        ("camera[3].sub_url", "cannot be used"),
        ("camera[3].width", "odd"),
        ("camera[3].warmth", "not known"),
        ("camera[4].url", "neither http"),
    ] {
        let found = text
            .lines()
            .any(|line| line.contains(place) && line.contains(what));
        let other = place == "camera[2].url" && text.contains(what);
        assert!(found || other, "{place}: {what} in\n{text}");
    }
}

#[test]
fn topics_that_overlap_and_a_device_that_is_there_twice_are_problems_and_no_device_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    let base = "site = \"s\"\nagent = \"a\"\n[buffer]\npath = \"b.db\"\n[gateway]\nhost = \"h\"\nport = 1\n";
    let device = |topic: &str| {
        format!(
            "[[json_mqtt.device]]\nid = \"d\"\ntopic = \"{topic}\"\nevery = \"1s\"\n[[json_mqtt.device.point]]\n\
             name = \"t\"\npointer = \"/t\"\nunit = \"1\"\nrange = [0, 1]\n"
        )
    };
    let two = format!(
        "[[json_mqtt]]\nhost = \"h\"\n{}{}",
        device("a/+"),
        device("+/b")
    );
    std::fs::write(folder.path().join("good.toml"), GOOD_PROFILE).unwrap();
    let polled =
        "[[device]]\nid = \"d\"\nprofile = \"good.toml\"\naddress = \"h:502\"\nevery = \"5s\"\n";
    let polled_twice = polled.repeat(2);
    let two_kinds = format!("{polled}[[json_mqtt]]\nhost = \"h\"\n{}", device("a"));
    for (sources, expected) in [
        (&two[..], "can both mean the same message"),
        (&two[..], "device: device d is there twice"),
        (&polled_twice[..], "device: device d is there twice"),
        (&two_kinds[..], "device: device d is there twice"),
    ] {
        std::fs::write(&path, format!("{base}{sources}")).unwrap();
        let text = config::load(&path).unwrap_err().to_string();
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    // A box that was just enrolled has no device yet.
    std::fs::write(&path, base).unwrap();
    let config = config::load(&path).unwrap_or_else(|e| panic!("{e}"));
    let text = edge_agent::check::summary(&config);
    assert!(text.contains("no device yet"), "{text}");
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
[[modbus]]
id = "line"
serial = "/dev/ttyUSB0"
baud = 12
parity = "mark"
stop_bits = 3
colour = "red"
[[modbus]]
id = "nowhere"
[[modbus]]
id = "two"
tcp = "h:502"
serial = "/dev/ttyUSB1"
[[modbus]]
id = "gateway"
tcp = "h:port"
connections = 17
back_off_max = "0s"
[[modbus]]
id = "box"
rtu_over_tcp = "h:4001"
[[modbus]]
id = "box"
rtu_over_tcp = "h:4002"
[[modbus]]
id = "idle"
tcp = "h:503"
[[device]]
id = "f"
bus = "gone"
profile = "profile.toml"
every = "1s"
[[device]]
id = "g"
bus = "box"
address = "h:502"
profile = "profile.toml"
every = "1s"
[[device]]
id = "h"
profile = "profile.toml"
every = "1s"
[[device]]
id = "i"
bus = "box"
unit_id = 248
identity = "SN1"
profile = "good.toml"
every = "10s"
[[device]]
id = "i"
bus = "gateway"
profile = "good.toml"
every = "10s"
"#;

const GOOD_PROFILE: &str = r#"
name = "good"
[[point]]
name = "t"
function = "holding"
register = 0
type = "bits"
bit = 0
unit = "1"
range = [0, 1]
[[point]]
name = "u"
function = "holding"
register = 0
type = "bits"
bit = 1
bits = 3
unit = "1"
range = [0, 7]
"#;

const BAD_PROFILE: &str = r#"
name = "x"
gap_max = 200
[identity]
function = "coil"
register = 65530
type = "string"
registers = 9
word_order = "up"
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
[[point]]
name = "v"
function = "holding"
register = 3
type = "string"
unit = "1"
range = [0, 1]
[[point]]
name = "w"
function = "holding"
register = 4
type = "bits"
bit = 14
bits = 3
unit = "1"
range = [0, 1]
[[point]]
name = "w"
function = "holding"
register = 5
type = "bits"
unit = "1"
range = [0, 1]
[[point]]
name = "y"
function = "holding"
register = 6
type = "u16"
unit = "1"
range = [0, 1]
bit = 3
heartbeat = "soon"
"#;

#[test]
fn every_problem_is_reported_in_one_run_with_its_place_and_a_fix() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("agent.toml"), BAD_CONFIG).unwrap();
    std::fs::write(folder.path().join("profile.toml"), BAD_PROFILE).unwrap();
    std::fs::write(folder.path().join("good.toml"), GOOD_PROFILE).unwrap();
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
        ("agent.toml: modbus[1].baud", "not an integer"),
        ("agent.toml: modbus[1].parity", "none, even, odd"),
        ("agent.toml: modbus[1].stop_bits", "not an integer"),
        ("agent.toml: modbus[1].colour", "not known"),
        ("agent.toml: modbus[2].tcp", "exactly one place"),
        ("agent.toml: modbus[3].tcp", "exactly one place"),
        ("agent.toml: modbus[4].tcp", "not an address"),
        ("agent.toml: modbus[4].connections", "from 1 to 16"),
        ("agent.toml: modbus[4].back_off_max", "not a duration"),
        ("agent.toml: modbus[6].id", "twice"),
        ("agent.toml: modbus", "\"idle\" has no device"),
        ("agent.toml: device[3].bus", "no usable [[modbus]]"),
        ("agent.toml: device[4].bus", "on one bus"),
        ("agent.toml: device[5].address", "missing"),
        ("agent.toml: device[6].unit_id", "no unit of a serial line"),
        ("agent.toml: device[6].identity", "does not say where"),
        ("agent.toml: device[7].bus", "no usable [[modbus]]"),
        ("profile.toml: gap_max", "from 0 to 124"),
        ("profile.toml: identity.type", "names no instrument"),
        ("profile.toml: identity.register", "past register 65535"),
        (
            "profile.toml: identity.word_order",
            "abcd, cdab, badc, dcba",
        ),
        ("profile.toml: point[4].type", "a text is not a reading"),
        ("profile.toml: point[5].bits", "past bit 15"),
        ("profile.toml: point[6].bit", "missing"),
        ("profile.toml: point[7].bit", "not known"),
        ("profile.toml: point[7].deadband", "missing"),
        ("profile.toml: point[7].heartbeat", "not a duration"),
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
