//! Cameras over HTTP: the simulated ones, and doors made here that break what can be broken.

use crate::{
    heard::{self, write_config},
    host::Host,
};
use contract::Timestamp;
use edge_agent::{app::Running, camera::clip, config};
use simulators::camera::{Cameras, plan::Plan};
use std::{path::Path, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

async fn start(path: &Path) -> Running {
    let config = config::load(path).unwrap_or_else(|e| panic!("{e}"));
    Running::start(config).await.unwrap()
}

async fn cameras(plan: &str) -> Cameras {
    let plan: Plan = toml::from_str(plan).unwrap();
    plan.check().unwrap();
    let cameras = Cameras::start(plan, "127.0.0.1:0".parse().unwrap(), 0, None).await;
    cameras.unwrap()
}

const KITCHEN: &str = "seed = 1\n[[camera]]\nid = \"kitchen\"\nscene = \"kitchen\"\nwidth = 320\nheight = 180\nframes_per_s = 10\npeople = 2\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_tells_its_frames_and_is_silent_aloud_when_they_stop() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("login"), "viewer:p:ss\n").unwrap();
    let plan = format!(
        "{KITCHEN}login = {{ how = \"digest\", user = \"viewer\", password = \"p:ss\" }}\n\
         [[camera.fault]]\nkind = \"no_frames\"\nfrom_s = 6\nto_s = 600\n"
    );
    let cameras = cameras(&plan).await;
    let url = &cameras.listening[0].http;
    let host = Host::start().await;
    let sources = format!(
        "[[camera]]\nid = \"cam\"\nurl = \"{url}\"\nlogin_file = \"login\"\nevery = \"1s\"\nno_frames_after = \"2s\"\n"
    );
    let path = write_config(folder.path(), host.port, &sources);
    let running = start(&path).await;
    let last = async |what: &str, point: &'static str, is: fn(Option<f64>, u32) -> bool| {
        let found = host.until(what, |arrived| {
            let heard = heard::of(arrived, "cam");
            heard
                .iter()
                .any(|h| h.point == point && is(h.value, h.code))
                .then_some(())
        });
        found.await;
    };
    last("frames come", "frames_per_s", |value, _| {
        value.is_some_and(|v| (7.0..=11.0).contains(&v))
    })
    .await;
    last("all is well", "health.no_frames", |value, code| {
        (value, code) == (Some(0.0), 0)
    })
    .await;
    last("they stop", "health.no_frames", |value, _| {
        value == Some(1.0)
    })
    .await;
    last("nothing else is known", "health.frozen", |value, code| {
        (value, code) == (None, 64)
    })
    .await;
    last("none come", "frames_per_s", |value, _| value == Some(0.0)).await;
    let counts = running.metrics();
    assert!(
        counts.camera.frames.get() >= 30,
        "{}",
        counts.camera.frames.get()
    );
    assert_eq!(counts.camera.parts_broken.get(), 0);
    running.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clip_of_the_ring_is_complete_or_says_where_frames_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let plan = format!("{KITCHEN}[[camera.fault]]\nkind = \"no_frames\"\nfrom_s = 5\nto_s = 8\n");
    let cameras = cameras(&plan).await;
    let url = &cameras.listening[0].http;
    let host = Host::start().await;
    let sources = format!(
        "[[camera]]\nid = \"cam\"\nurl = \"{url}\"\nevery = \"1s\"\n[camera.ring]\ndir = \"ring\"\n"
    );
    let path = write_config(folder.path(), host.port, &sources);
    let began = Timestamp::now();
    let running = start(&path).await;
    let counts = running.metrics();
    let until = async |frames: u64| {
        let limit = tokio::time::Instant::now() + Duration::from_secs(60);
        while counts.camera.frames.get() < frames {
            assert!(
                tokio::time::Instant::now() < limit,
                "{} frames",
                counts.camera.frames.get()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    until(70).await;
    let now = Timestamp::now();
    running.drain().await;
    let ring = folder.path().join("ring");
    let file = folder.path().join("clip.mpjpeg");
    let whole = clip::cut(&ring, began, now, &file).unwrap();
    assert!(!whole.complete, "{whole:?}");
    let hole = whole
        .holes
        .iter()
        .max_by_key(|hole| hole.to.since(hole.from))
        .unwrap();
    assert!(
        (2_500..6_000).contains(&hole.to.since(hole.from)),
        "{whole:?}"
    );
    let after = clip::cut(&ring, hole.to, now, &file).unwrap();
    assert!(after.complete && after.frames >= 15, "{after:?}");
    let bytes = std::fs::read(&file).unwrap();
    let mut pictures = edge_agent::camera::parts::Pictures::new(bytes.as_slice());
    for _ in 0..after.frames {
        let (_, picture) = pictures.next_picture().unwrap().unwrap();
        assert!(picture.starts_with(&[0xff, 0xd8]));
    }
    assert_eq!(pictures.next_picture().unwrap(), None);
}

/// A door that gives each connection one of these answers, the last one for ever.
async fn door(answers: Vec<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut answers = answers.into_iter().peekable();
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = match answers.len() {
                1 => answers.peek().cloned(),
                _ => answers.next(),
            };
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(&answer.unwrap_or_default()).await;
                // The line stays open, as that of a camera that hangs.
                tokio::time::sleep(Duration::from_secs(60)).await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_refuses_breaks_off_or_talks_nonsense_is_told_in_words_and_asked_again() {
    let picture = {
        let mut camera = simulators::camera::picture::Camera::new(
            toml::from_str::<Plan>(KITCHEN).unwrap().camera.remove(0),
            1,
            0,
        );
        simulators::camera::jpeg(&camera.frame(0).0.unwrap(), 80).unwrap()
    };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=--b\r\n\r\n";
    let part = |body: &[u8]| {
        [
            format!("--b\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(),
            body,
            b"\r\n",
        ]
        .concat()
    };
    let good = part(&picture);
    let cut = [head.as_bytes(), &good, &good[..good.len() / 2]].concat();
    let broken = [
        head.as_bytes(),
        &part(b"no picture"),
        &good,
        &part(&picture[..500]),
        &good,
    ]
    .concat();
    let refused = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec();
    let page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n".to_vec();
    let port = door(vec![
        refused,
        page,
        b"rubbish\r\n\r\n".to_vec(),
        cut,
        broken,
    ])
    .await;
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start().await;
    let sources = format!(
        "[[camera]]\nid = \"cam\"\nurl = \"http://127.0.0.1:{port}/\"\nevery = \"1s\"\nno_frames_after = \"2s\"\n"
    );
    let path = write_config(folder.path(), host.port, &sources);
    let running = start(&path).await;
    let counts = running.metrics();
    let limit = tokio::time::Instant::now() + Duration::from_secs(90);
    // One picture of the connection that was cut, two of the one with broken parts.
    while counts.camera.frames.get() < 3 || counts.camera.parts_broken.get() < 2 {
        assert!(tokio::time::Instant::now() < limit, "{:?}", counts.camera);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(counts.camera.captures_begun.get() >= 5);
    let silent = host.until("it is silent", |arrived| {
        heard::of(arrived, "cam")
            .iter()
            .any(|h| h.point == "health.no_frames" && h.value == Some(1.0))
            .then_some(())
    });
    silent.await;
    running.drain().await;
}
