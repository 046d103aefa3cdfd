//! The agent's page and `edge-agent status`.

use crate::{
    heard::write_config,
    host::{Arrived, Host},
    instrument,
    peers::{agent, free_port, spawn_agent, wait_for, wait_for_port},
};
use contract::{
    payload::Scalar,
    receipt::STATUS,
    status::{AgentStatus, SourceState},
};
use edge_agent::{app::Running, config, status::view::Status};
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
};

const PROFILE: &str = "name = \"counter\"\n[[point]]\nname = \"count\"\nfunction = \"holding\"\nregister = 0\ntype = \"u16\"\n\
    unit = \"1\"\nrange = [0, 60000]\n[[point]]\nname = \"seven\"\nfunction = \"holding\"\nregister = 1\ntype = \"u16\"\nunit = \"A\"\nrange = [0, 5]\n";

fn get(port: u16, path: &str, more: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n").unwrap();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn sources(port: u16, instrument: &str, more: &str) -> String {
    format!(
        "[status]\nlisten = \"127.0.0.1:{port}\"\n{more}[[device]]\nid = \"d\"\nprofile = \"profile.toml\"\n\
         address = \"{instrument}\"\nevery = \"100ms\"\ntimeout = \"60ms\"\n"
    )
}

fn ask(path: &Path) -> (Option<i32>, Option<Status>) {
    let done = agent(&["status", "--json", "--config", &path.display().to_string()]);
    let status = serde_json::from_slice(&done.stdout).ok();
    (done.status.code(), status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stands_before_the_box_sees_what_arrives_and_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("profile.toml"), PROFILE).unwrap();
    let host = Host::start().await;
    let (address, _state, _task) = instrument::start().await;
    let port = free_port();
    let path = write_config(folder.path(), host.port, &sources(port, &address, ""));
    assert_eq!(ask(&path).0, Some(2), "nobody runs");
    let running = spawn_agent(&path);
    let mut seen = None;
    wait_for("a receipt", || {
        let (code, status) = ask(&path);
        seen = status.filter(|s| s.gateway.receipt_through.is_some());
        seen.is_some() && code == Some(0)
    });
    let status = seen.unwrap();
    assert!(status.needs.is_empty() && status.gateway.is_up);
    let device = &status.devices[0];
    assert_eq!((device.id.as_str(), device.is_answering), ("d", Some(true)));
    let seven = device.points.iter().find(|p| p.name == "seven").unwrap();
    assert_eq!((seven.value, seven.unit.as_str()), (Some(7.0), "A"));
    assert_eq!(seven.quality.as_ref().unwrap().zh, "超量程");
    let text = agent(&["status", "--config", &path.display().to_string()]);
    let text = String::from_utf8(text.stdout).unwrap();
    for part in [
        "s / a",
        "all is well",
        "last receipt: through",
        "seven",
        "out of range",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let page = get(port, "/", "");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("content-security-policy"));
    let (_, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(
        !body.contains("http://") && !body.contains("https://"),
        "it needs nothing from elsewhere"
    );
    assert!(get(port, "/x", "").starts_with("HTTP/1.1 404"));
    drop(running);
    assert_eq!(ask(&path).0, Some(2), "nobody runs any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_with_a_token_is_for_whoever_has_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("profile.toml"), PROFILE).unwrap();
    std::fs::write(folder.path().join("token"), "0123456789abcdef\n").unwrap();
    let host = Host::start().await;
    let (address, _state, _task) = instrument::start().await;
    let port = free_port();
    let text = sources(port, &address, "token_file = \"token\"\n");
    let path = write_config(folder.path(), host.port, &text);
    let _running = spawn_agent(&path);
    wait_for("the page", || ask(&path).1.is_some());
    for (path, header, code) in [
        ("/", "", "401"),
        ("/status.json?token=0123456789abcdee", "", "401"),
        ("/status.json", "Authorization: Bearer wrong\r\n", "401"),
        ("/?token=0123456789abcdef", "", "200"),
        ("/status.json?x=1&token=0123456789abcdef", "", "200"),
        (
            "/status.json",
            "Authorization: Bearer 0123456789abcdef\r\n",
            "200",
        ),
    ] {
        let answer = get(port, path, header);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {code}")),
            "{path}: {answer:.60}"
        );
    }
}

/// How the agent said last that it does.
fn said(arrived: &[Arrived]) -> Option<AgentStatus> {
    arrived.iter().rev().find_map(|event| {
        let Arrived::Message(_, message) = event else {
            return None;
        };
        let is_status = |m: &&contract::payload::Metric| m.name.as_deref() == Some(STATUS);
        match &message.metrics.iter().find(is_status)?.value {
            Scalar::Text(text) => Some(serde_json::from_str(text).unwrap()),
            _ => None,
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_is_told_how_much_of_what_devices_sent_could_not_be_used() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "0123456789abcdef\n").unwrap();
    let host = Host::start().await;
    let (door, logger) = (free_port(), free_port());
    let sources = format!(
        "[json_in]\nlisten = \"127.0.0.1:{door}\"\n[[json_in.device]]\nid = \"z\"\ntoken_file = \"token\"\nevery = \"1h\"\n\
         [[json_in.device.point]]\nname = \"t\"\npointer = \"/t\"\nunit = \"1\"\nrange = [0, 9]\n\
         [[hj212]]\nlisten = \"127.0.0.1:{logger}\"\n[[hj212.station]]\nmn = \"010000A8900016F000169DC0\"\n\
         device = \"stack\"\nnetworks = [\"127.0.0.0/8\"]\n"
    );
    let path = write_config(folder.path(), host.port, &sources);
    let config = config::load(&path).unwrap_or_else(|e| panic!("{e}"));
    let running = Running::start(config).await.unwrap();
    [door, logger].into_iter().for_each(wait_for_port);
    let before = host.until("a first status", said).await;
    let devices = |status: &AgentStatus| -> Vec<(String, SourceState)> {
        let sources = status.sources.iter();
        sources.map(|s| (s.device.to_string(), s.state)).collect()
    };
    let unknown = |device: &str| (device.to_owned(), SourceState::Unknown);
    assert_eq!(before.lost.malformed, 0);
    assert_eq!(devices(&before), [unknown("stack"), unknown("z")]);
    let post = |body: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", door)).unwrap();
        let length = body.len();
        write!(stream, "POST /in/z HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer 0123456789abcdef\r\n\
            Content-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(post("{\"t\":").contains(" 400 "));
    assert!(post("{\"u\":1}").contains(" 422 "));
    let mut stream = TcpStream::connect(("127.0.0.1", logger)).unwrap();
    stream.write_all(b"no frame of any kind\r\n").unwrap();
    drop(stream);
    let metrics = running.metrics();
    wait_for("all of it", || metrics.all_malformed() == 3);
    // A device that begins to answer is told at once.
    assert!(post("{\"t\":1}").contains(" 204 "));
    let told = host.until("three", |arrived| {
        said(arrived).filter(|status| status.lost.malformed >= 3)
    });
    let told = told.await;
    assert_eq!(told.lost.malformed, 3);
    let answers = ("z".to_owned(), SourceState::Answers);
    assert_eq!(devices(&told), [unknown("stack"), answers]);
    running.drain().await;
}
