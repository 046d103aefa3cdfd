//! Devices that are asked over HTTP, and devices that post: python and nginx answer, curl asks.

use crate::{
    heard::{self, write_config},
    host::{Arrived, Host},
    peers::{free_port, program, spawn, wait_for_port},
};
use edge_agent::{app::Running, config};
use std::{path::Path, process::Command};

const POINTS: &str = "pointer = \"/sensors/0/t\"\nunit = \"℃\"\nscale = 0.1\nrange = [-40, 60]\n";

async fn start(path: &Path) -> Running {
    let config = config::load(path).unwrap_or_else(|e| panic!("{e}"));
    Running::start(config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_asked_answers_refuses_talks_nonsense_or_is_away() {
    let Some(python) = program("python3") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let served = folder.path().join("served");
    std::fs::create_dir(&served).unwrap();
    let file = served.join("status.json");
    let write = |text: &str| {
        let new = served.join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &file).unwrap();
    };
    write("{\"sensors\":[{\"t\":-184}]}");
    let directory = served.display().to_string();
    let (port_text, bind) = (port.to_string(), "127.0.0.1");
    let server = spawn(
        &python,
        &[
            "-m",
            "http.server",
            &port_text,
            "--bind",
            bind,
            "--directory",
            &directory,
        ],
    );
    wait_for_port(port);
    let host = Host::start().await;
    let sources = format!(
        "[[json_http]]\nid = \"asked\"\nurl = \"http://127.0.0.1:{port}/status.json\"\nevery = \"150ms\"\ntimeout = \"150ms\"\n\
         [[json_http.point]]\nname = \"t\"\n{POINTS}[[json_http.point]]\nname = \"door\"\npointer = \"/door\"\nunit = \"1\"\nrange = [0, 1]\n"
    );
    let path = write_config(folder.path(), host.port, &sources);
    let running = start(&path).await;
    let last_is = async |value: Option<f64>, code: u32| {
        let what = format!("t is {value:?} with code {code}");
        let is_last = |arrived: &[Arrived]| {
            let heard = heard::of(arrived, "asked");
            let last = heard.iter().rev().find(|h| h.point == "t")?;
            ((last.value, last.code) == (value, code)).then_some(heard)
        };
        host.until(&what, is_last).await
    };
    let heard = last_is(Some(-18.4), 0).await;
    let door = heard.iter().find(|h| h.point == "door").unwrap();
    assert_eq!(
        (door.value, door.code),
        (None, 69),
        "a point that is not in the answer"
    );
    write("{\"sensors\":[{\"t\":900}],\"door\":true}");
    last_is(Some(90.0), 1).await;
    write("<html>");
    last_is(None, 67).await;
    std::fs::remove_file(&file).unwrap();
    last_is(None, 66).await;
    drop(server);
    last_is(None, 65).await;
    running.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn https_is_believed_only_with_the_certificate_that_was_given() {
    let Some(nginx) = program("nginx") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().display();
    let mine = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.path().join("mine.pem"), mine.cert.pem()).unwrap();
    std::fs::write(folder.path().join("other.pem"), other.cert.pem()).unwrap();
    std::fs::write(
        folder.path().join("mine.key"),
        mine.signing_key.serialize_pem(),
    )
    .unwrap();
    std::fs::write(folder.path().join("header"), "Bearer 0123\n").unwrap();
    let port = free_port();
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {dir}/{kind};\n"))
        .collect();
    let conf = format!(
        "daemon off; pid {dir}/pid; error_log {dir}/nginx.log; worker_processes 1; master_process off;\n\
         events {{ worker_connections 64; }}\nhttp {{ access_log off;\n{temp}server {{ listen 127.0.0.1:{port} ssl;\n\
         ssl_certificate {dir}/mine.pem; ssl_certificate_key {dir}/mine.key;\n\
         location / {{ if ($http_authorization != \"Bearer 0123\") {{ return 401; }}\n\
         return 200 '{{\"sensors\":[{{\"t\":215}}]}}'; }} }} }}\n"
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, conf).unwrap();
    let log = format!("{dir}/nginx.log");
    let _server = spawn(&nginx, &["-c", &file.display().to_string(), "-e", &log]);
    wait_for_port(port);
    let host = Host::start().await;
    let device = |id: &str, ca: &str, more: &str| {
        format!(
            "[[json_http]]\nid = \"{id}\"\nurl = \"https://127.0.0.1:{port}/x\"\nevery = \"300ms\"\ntimeout = \"300ms\"\n\
             ca_file = \"{ca}\"\n{more}[[json_http.point]]\nname = \"t\"\n{POINTS}"
        )
    };
    let header = "authorization_file = \"header\"\n";
    let sources = device("right", "mine.pem", header)
        + &device("wrong-ca", "other.pem", header)
        + &device("no-header", "mine.pem", "");
    let path = write_config(folder.path(), host.port, &sources);
    let running = start(&path).await;
    for (id, value, code) in [
        ("right", Some(21.5), 0),
        ("wrong-ca", None, 65),
        ("no-header", None, 66),
    ] {
        let heard = host.until(id, |arrived| {
            let heard = heard::of(arrived, id);
            // The first handshakes may take longer than the limit on a busy machine.
            heard.into_iter().find(|h| h.code != 64)
        });
        let heard = heard.await;
        assert_eq!((heard.value, heard.code), (value, code), "{id}");
    }
    running.drain().await;
}

/// Status and body of a post.
fn curl(port: u16, path: &str, token: &str, body: &str, more: &[&str]) -> (u16, String) {
    let done = Command::new("curl")
        .args(["-s", "-S", "-w", "\n%{http_code}", "--max-time", "20"])
        .args(["-H", &format!("Authorization: Bearer {token}")])
        .args(["--data-binary", body])
        .args(more)
        .arg(format!("http://127.0.0.1:{port}{path}"))
        .output()
        .unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let (body, code) = text.rsplit_once('\n').unwrap();
    (code.parse().unwrap(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_is_answered_204_once_it_is_on_disk_and_else_in_words() {
    if program("curl").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let (token, other) = ("0123456789abcdef", "fedcba9876543210");
    std::fs::write(folder.path().join("one"), format!("{token}\n")).unwrap();
    std::fs::write(folder.path().join("two"), other).unwrap();
    let host = Host::start().await;
    host.receipts.send_replace(false);
    let device = |id: &str, token: &str| {
        format!(
            "[[json_in.device]]\nid = \"{id}\"\ntoken_file = \"{token}\"\nevery = \"1h\"\n[json_in.device.time]\n\
             pointer = \"/time\"\nunit = \"rfc3339\"\n[[json_in.device.point]]\nname = \"t\"\n{POINTS}"
        )
    };
    let sources = format!("[json_in]\nlisten = \"127.0.0.1:{port}\"\n")
        + &device("噪声 1", "one")
        + &device("two", "two");
    let path = write_config(folder.path(), host.port, &sources);
    let running = start(&path).await;
    wait_for_port(port);
    let good = "{\"time\":\"2026-11-18T19:06:40+08:00\",\"sensors\":[{\"t\":215}]}";
    let long = format!("{{\"x\":\"{}\"}}", "a".repeat(70_000));
    std::fs::write(folder.path().join("long"), &long).unwrap();
    let long = format!("@{}", folder.path().join("long").display());
    let mine = "/in/%E5%99%AA%E5%A3%B0%201";
    for (path, token, body, more, code, words) in [
        (mine, token, good, &[][..], 204, ""),
        // Whoever saw no answer sends again.
        (mine, token, good, &[], 204, ""),
        (mine, other, good, &[], 401, "token"),
        ("/in/two", token, good, &[], 401, "token"),
        ("/in/three", token, good, &[], 401, "token"),
        ("/in/", token, good, &[], 404, "/in/DEVICE"),
        ("/", token, good, &[], 404, "/in/DEVICE"),
        (mine, token, good, &["-X", "PUT"], 405, "POST"),
        (mine, token, "{\"time\":", &[], 400, "not JSON"),
        (
            mine,
            token,
            "{\"sensors\":[{\"t\":1}]}",
            &[],
            422,
            "no time at \"/time\"",
        ),
        (
            mine,
            token,
            "{\"time\":\"2026-11-18T19:06:41Z\"}",
            &[],
            422,
            "none of the configured points",
        ),
        (mine, token, &long, &[], 413, "longer than"),
    ] {
        let (got, said) = curl(port, path, token, body, more);
        assert!(
            got == code && said.contains(words),
            "{path} {body:.80}: {got} {said}"
        );
    }
    // More at once than a device may.
    let mut codes: Vec<u16> = Vec::new();
    while !codes.contains(&429) && codes.len() < 2_000 {
        let url = format!("http://127.0.0.1:{port}{mine}?[1-100]");
        let done = Command::new("curl")
            .args([
                "-s",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}\n",
                "-d",
                "x",
                &url,
            ])
            .args(["-H", &format!("Authorization: Bearer {token}")])
            .output()
            .unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        codes.extend(text.lines().map(|line| line.parse::<u16>().unwrap()));
    }
    assert!(codes.contains(&400) && codes.contains(&429), "{codes:?}");
    assert!(
        codes.iter().all(|code| [400, 429].contains(code)),
        "{codes:?}"
    );
    let heard = host.until("the reading", |arrived| {
        let heard = heard::of(arrived, "噪声 1");
        (!heard.is_empty()).then_some(heard)
    });
    let heard = heard.await;
    running.drain().await;
    assert_eq!(heard::of(&host.arrived(), "噪声 1"), heard);
    assert_eq!(
        (
            heard.len(),
            heard[0].at.as_millis(),
            heard[0].value,
            heard[0].has_raw
        ),
        (1, 1_795_000_000_000, Some(21.5), true)
    );
}
