//! RTSP through a server nobody here wrote (gst-rtsp-server), read by ffmpeg: H.264 and H.265, Digest, frozen, killed, and over a
//! line that damages packets, loses connections and is too slow.

use crate::{
    heard::{self, write_config},
    host::Host,
    peers::{free_port, program},
};
use contract::Timestamp;
use edge_agent::{
    app::Running,
    camera::{clip, ring},
    config,
};
use simulators::{
    camera::{Cameras, plan::Plan, rtsp},
    link::{Fault, Link, Way},
};
use std::{path::Path, process::Command, time::Duration};
use tokio::time::{Instant, sleep};

/// Says what is missing, and fails where nothing may be.
fn can_run() -> bool {
    let missing = match rtsp::can_run() {
        Ok(()) => return program("ffmpeg").is_some(),
        Err(missing) => missing,
    };
    assert!(
        std::env::var_os("CI").is_none(),
        "no RTSP server here: {missing}"
    );
    eprintln!("skipped: no RTSP server here: {missing}");
    false
}

async fn cameras(codec: &str, port: u16, more: &str) -> Cameras {
    let plan: Plan = toml::from_str(&format!(
        "seed = 1\n[[camera]]\nid = \"cam\"\nscene = \"workshop\"\nwidth = 640\nheight = 360\nframes_per_s = 10\npeople = 2\nrtsp = \"{codec}\"\n\
         login = {{ how = \"digest\", user = \"viewer\", password = \"p:s/s\" }}\n{more}"
    ))
    .unwrap();
    Cameras::start(plan, "127.0.0.1:0".parse().unwrap(), port, None)
        .await
        .unwrap()
}

fn signal(name: &str, process: u32) {
    let done = Command::new("kill")
        .args([name, &process.to_string()])
        .status();
    assert!(done.unwrap().success());
}

struct Site {
    running: Running,
    host: std::sync::Arc<Host>,
}

impl Site {
    async fn start(folder: &Path, port: u16) -> Site {
        std::fs::write(folder.join("login"), "viewer:p:s/s\n").unwrap();
        let host = Host::start().await;
        let sources = format!(
            "[[camera]]\nid = \"cam\"\nurl = \"rtsp://127.0.0.1:{port}/live\"\nlogin_file = \"login\"\nevery = \"1s\"\nno_frames_after = \"4s\"\n\
             width = 320\nheight = 180\n[camera.ring]\ndir = \"ring\"\n"
        );
        let path = write_config(folder, host.port, &sources);
        let config = config::load(&path).unwrap_or_else(|e| panic!("{e}"));
        let running = Running::start(config).await.unwrap();
        Site { running, host }
    }

    async fn frames(&self, at_least: u64) {
        let counts = self.running.metrics();
        let limit = Instant::now() + Duration::from_secs(90);
        while counts.camera.frames.get() < at_least {
            assert!(Instant::now() < limit, "{:?}", counts.camera);
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the newest reading of a point is this.
    async fn last_is(&self, point: &'static str, value: f64) {
        let what = format!("{point} is {value}");
        let found = self.host.until(&what, |arrived| {
            let heard = heard::of(arrived, "cam");
            let last = heard.iter().rev().find(|h| h.point == point)?;
            (last.value == Some(value)).then_some(())
        });
        found.await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_codecs_come_through_and_a_clip_has_the_packets_of_the_camera() {
    if !can_run() {
        return;
    }
    for codec in ["h264", "h265"] {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let _cameras = cameras(codec, port, "").await;
        let site = Site::start(folder.path(), port).await;
        site.frames(5).await;
        let began = Timestamp::now().plus_millis(1_500);
        site.frames(90).await;
        site.last_is("health.no_frames", 0.0).await;
        let ended = Timestamp::now().plus_millis(-2_500);
        site.running.drain().await;
        let file = folder.path().join("clip.ts");
        let clip = clip::cut(&folder.path().join("ring"), began, ended, &file).unwrap();
        assert_eq!(clip.format, "mpegts");
        assert!(clip.complete, "{codec}: {clip:?}");
        // Ten frames a second were sent; all of them are there, though five were looked at.
        let seconds = ended.since(began) as f64 / 1_000.0;
        assert!(
            clip.frames as f64 >= 8.0 * seconds,
            "{codec}: {clip:?} for {seconds} s"
        );
        let probe = Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-count_packets",
                "-show_entries",
                "stream=codec_name,nb_read_packets",
                "-of",
                "csv=p=0",
            ])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&probe.stdout).into_owned();
        // ffprobe lists the stream once for its program and once for itself.
        let said = said.lines().next().unwrap();
        let (name, packets) = said.trim().trim_end_matches(',').split_once(',').unwrap();
        let expected = if codec == "h264" { "h264" } else { "hevc" };
        assert_eq!(name, expected);
        assert_eq!(
            packets.parse::<usize>().unwrap(),
            clip.frames,
            "{codec}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_freezes_or_is_killed_is_noticed_by_its_frames_and_found_again() {
    if !can_run() {
        return;
    }
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let first = cameras("h264", port, "").await;
    let site = Site::start(folder.path(), port).await;
    let counts = site.running.metrics();
    site.frames(10).await;
    let process = first.rtsp()[0].process();
    signal("-STOP", process);
    site.last_is("health.no_frames", 1.0).await;
    let limit = Instant::now() + Duration::from_secs(60);
    while counts.camera.children_killed.get() == 0 {
        assert!(Instant::now() < limit, "the hung child was not killed");
        sleep(Duration::from_millis(50)).await;
    }
    signal("-CONT", process);
    let before = counts.camera.frames.get();
    site.frames(before + 10).await;
    site.last_is("health.no_frames", 0.0).await;
    let begun = counts.camera.captures_begun.get();
    signal("-KILL", process);
    site.last_is("health.no_frames", 1.0).await;
    drop(first);
    let _second = cameras("h264", port, "").await;
    let before = counts.camera.frames.get();
    site.frames(before + 10).await;
    site.last_is("health.no_frames", 0.0).await;
    assert!(counts.camera.captures_begun.get() > begun);
    site.running.drain().await;
    // What came before and after is in one ring, with the time between as holes.
    let segments = ring::segments(&folder.path().join("ring")).unwrap();
    let (from, to) = (segments[0].first, Timestamp::now());
    let clip = clip::cut(
        &folder.path().join("ring"),
        from,
        to,
        &folder.path().join("clip"),
    )
    .unwrap();
    let long = clip
        .holes
        .iter()
        .filter(|hole| hole.to.since(hole.from) > 3_000);
    assert!(!clip.complete && long.count() >= 2, "{clip:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_that_are_damaged_lost_or_late_cost_themselves_and_the_clip_says_where() {
    if !can_run() {
        return;
    }
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let _cameras = cameras("h264", port, "").await;
    let server = format!("127.0.0.1:{port}").parse().unwrap();
    let line = Link::start("127.0.0.1:0".parse().unwrap(), server, 20_261_128).unwrap();
    let site = Site::start(folder.path(), line.address().port()).await;
    let counts = site.running.metrics();
    site.frames(20).await;
    // A bit of some packets is turned: the decoder gets over it, or ffmpeg is begun again.
    line.set(Fault::Flips {
        per_byte: 1e-5,
        way: Way::Down,
    });
    let limit = Instant::now() + Duration::from_secs(60);
    while line.passed().flips < 5 {
        assert!(Instant::now() < limit, "{:?}", line.passed());
        sleep(Duration::from_millis(100)).await;
    }
    line.set(Fault::None);
    let before = counts.camera.frames.get();
    site.frames(before + 10).await;
    // What does not pass is lost: the server does not keep it for whoever is away.
    let begun = counts.camera.captures_begun.get();
    line.set(Fault::Cuts { per_s: 1.0 });
    while line.passed().cuts < 2 {
        assert!(Instant::now() < limit, "{:?}", line.passed());
        sleep(Duration::from_millis(100)).await;
    }
    line.set(Fault::Slow { bytes_per_s: 500 });
    site.last_is("health.no_frames", 1.0).await;
    line.set(Fault::None);
    let before = counts.camera.frames.get();
    site.frames(before + 20).await;
    site.last_is("health.no_frames", 0.0).await;
    assert!(counts.camera.captures_begun.get() > begun);
    site.running.drain().await;
    let ring = folder.path().join("ring");
    let from = ring::segments(&ring).unwrap()[0].first;
    let clip = clip::cut(&ring, from, Timestamp::now(), &folder.path().join("clip")).unwrap();
    let longest = clip.holes.iter().map(|hole| hole.to.since(hole.from)).max();
    println!(
        "{:?}, begun {} times, {} frames, holes {:?}",
        line.passed(),
        counts.camera.captures_begun.get(),
        clip.frames,
        clip.holes
    );
    assert!(!clip.complete && longest > Some(3_000), "{clip:?}");
}
