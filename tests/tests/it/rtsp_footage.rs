//! From an RTSP server that nobody here wrote to a masked clip and a sealed original at the gateway, through processes: what
//! ffprobe finds in the clip is what the manifest says, and the original has the packets that the server sent.

use anyhow::Context;
use serde_json::{Value, json};
use simulators::camera::rtsp;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tests::client::{Client, items};
use tests::servers::program;
use tests::setup::binaries;
use tests::watched::{Custodians, Manner, Watched, opened};
use tests::world::{free_address, output};

const COME_WITHIN: Duration = Duration::from_secs(60);
/// A clip has at most five frames a second, and so has the camera.
const STEP_MS: i64 = 200;
/// More than this between two frames is a hole (`clip::longest`).
const HOLE_MS: i64 = 1_000;

/// Says what is missing, and fails where nothing may be.
fn can_run() -> anyhow::Result<bool> {
    if let Err(missing) = rtsp::can_run() {
        anyhow::ensure!(
            std::env::var_os("CI").is_none(),
            "no RTSP server here: {missing}"
        );
        println!("skipped: no RTSP server here: {missing}");
        return Ok(false);
    }
    let mut there = true;
    for name in ["ffmpeg", "ffprobe", "age"] {
        there &= program(name)?.is_some();
    }
    Ok(there)
}

#[test]
fn h264_of_an_rtsp_server_becomes_a_masked_clip_and_an_original_with_its_packets()
-> anyhow::Result<()> {
    if !can_run()? {
        return Ok(());
    }
    let binaries = binaries()?;
    let folder = tempfile::tempdir()?;
    let custodians = Custodians::make(folder.path())?.context("age-keygen is not installed")?;
    let recorded = folder.path().join("recorded.ts");
    let manner = Manner {
        around: "2s",
        rtsp: Some(("h264", free_address(0)?.port())),
        record: Some(&recorded),
        ..Manner::default()
    };
    let mut world = Watched::start(&binaries, folder.path(), Some(&custodians), manner)?;
    let names = ["anna", "bo", "chen"];
    let logins = names.map(|name| world.user(&binaries, name, "reviewer"));
    let runtime = tokio::runtime::Runtime::new()?;
    let (footage, clip, sealed) = runtime.block_on(async {
        let base = format!("http://{}", world.http);
        let mut clients = Vec::new();
        for login in logins {
            let login = login?;
            clients.push(Client::sign_in(&base, &login.name, &login.password).await?);
        }
        let [anna, bo, chen] = &clients[..] else {
            anyhow::bail!("three sign in")
        };
        let is_whole = |footage: &Value| {
            let parts = items(&footage["parts"]);
            let is_here = |part: &Value| part["role"] == "original" || part["state"] == "here";
            let has_clip = parts.iter().any(|part| part["role"] == "clip");
            has_clip && parts.iter().all(is_here)
        };
        let footage = wait(&mut world, anna, "masked pictures", is_whole).await?;
        let path = |more: &str| {
            let id = footage["id"].as_str().unwrap_or_default();
            format!("/api/footage/{id}{more}")
        };
        let clip = anna.bytes(&path("/parts/clip")).await?;
        let reason = json!({ "reason": "核对原始码流" });
        anna.post(&path("/unmask"), &reason).await?;
        for other in [bo, chen] {
            other.post(&path("/unmask/approve"), &json!({})).await?;
        }
        let id = footage["id"].clone();
        let has_original = |footage: &Value| {
            footage["id"] == id
                && part(footage, "original").is_some_and(|part| part["state"] == "here")
        };
        wait(&mut world, anna, "the original", has_original).await?;
        let sealed = anna.bytes(&path("/parts/original")).await?;
        anyhow::Ok((footage, clip, sealed))
    })?;
    world.agent.stop(Duration::from_secs(10))?;
    world.camera.kill()?;
    if let Some(mut recorder) = world.recorder.take() {
        recorder.ask_to_stop()?;
        // Whatever it says at its end: the file counts.
        let _ended = recorder.wait_until(Instant::now() + Duration::from_secs(10));
    }
    check_clip(&footage, &clip, folder.path())?;
    let file = folder.path().join("original.age");
    std::fs::write(&file, sealed)?;
    let [first, second] = &custodians.files;
    let plain = opened(&file, &[second, first])?.context("both keys open it")?;
    check_original(&footage, &plain, &recorded, folder.path())
}

fn part(footage: &Value, role: &str) -> Option<Value> {
    let parts = items(&footage["parts"]);
    parts.into_iter().find(|part| part["role"] == role)
}

async fn wait(
    world: &mut Watched,
    client: &Client,
    what: &str,
    is_it: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let began = Instant::now();
    loop {
        world.check()?;
        let all = client.get("/api/footage?limit=100").await?;
        if let Some(found) = items(&all).into_iter().find(&is_it) {
            println!("{what}: after {:.1} s", began.elapsed().as_secs_f64());
            return Ok(found);
        }
        anyhow::ensure!(
            began.elapsed() < COME_WITHIN,
            "waited in vain for {what}; the agent says\n{}\nthe gateway says {all}",
            world.agent.log_tail()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// ffprobe reads as many pictures as are announced; their times are the span, without a hole that the manifest does not name.
fn check_clip(footage: &Value, clip: &[u8], folder: &Path) -> anyhow::Result<()> {
    let part = part(footage, "clip").context("no clip")?;
    let file = folder.join("clip.mjpeg");
    std::fs::write(&file, clip)?;
    let said = output(
        Command::new("ffprobe")
            .args(["-v", "error", "-f", "mpjpeg", "-count_frames"])
            .args([
                "-show_entries",
                "stream=codec_name,width,height,nb_read_frames",
            ])
            .args(["-of", "csv=p=0"])
            .arg(&file),
    )?;
    let expected = format!("mjpeg,640,360,{}", part["frames"]);
    anyhow::ensure!(
        said.trim() == expected,
        "ffprobe says {said}, announced {part}"
    );
    let text = String::from_utf8_lossy(clip);
    let times: Vec<i64> = text
        .lines()
        .filter_map(|line| line.strip_prefix("X-Timestamp:")?.trim().parse().ok())
        .collect();
    let (first, last) = (times[0], times[times.len() - 1]);
    anyhow::ensure!(
        (&part["from"], &part["to"]) == (&json!(first), &json!(last)),
        "{first} to {last}: {part}"
    );
    anyhow::ensure!(
        last - first >= 3_000,
        "of four seconds there are {} ms",
        last - first
    );
    for two in times.windows(2) {
        let is_named = items(&part["holes"])
            .iter()
            .any(|hole| hole[0] == two[0] && hole[1] == two[1]);
        anyhow::ensure!(
            (1..=HOLE_MS).contains(&(two[1] - two[0])) || is_named,
            "{} ms without a frame, and holes are {}",
            two[1] - two[0],
            part["holes"]
        );
    }
    // A busy machine may cost a frame here and there.
    let fewest = (last - first) / STEP_MS * 3 / 4;
    anyhow::ensure!(times.len() as i64 > fewest, "{} frames", times.len());
    println!(
        "clip: {} frames in {} ms, holes {}",
        times.len(),
        last - first,
        part["holes"]
    );
    Ok(())
}

/// The slices of H.264 in the original are those that somebody else recorded, in the same order, none left out.
fn check_original(
    footage: &Value,
    plain: &[u8],
    recorded: &Path,
    folder: &Path,
) -> anyhow::Result<()> {
    let part = part(footage, "original").context("no original")?;
    let file = folder.join("original.ts");
    std::fs::write(&file, plain)?;
    let (own, sent) = (slices(&file)?, slices(recorded)?);
    let frames = own.iter().filter(|slice| slice.begins_frame).count();
    anyhow::ensure!(part["frames"] == frames, "{frames} frames: {part}");
    let begins = sent.iter().position(|slice| *slice == own[0]);
    let begins = begins.context("the server never sent the first slice of the original")?;
    let same = sent[begins..].iter().zip(&own).take_while(|(a, b)| a == b);
    let same = same.count();
    println!(
        "original: {} slices of H.264, {same} as recorded",
        own.len()
    );
    anyhow::ensure!(
        same == own.len(),
        "slice {same} of {} is another",
        own.len()
    );
    anyhow::ensure!(frames > 15, "{frames} frames");
    Ok(())
}

/// A coded slice of H.264.
#[derive(Debug, PartialEq)]
struct Slice {
    sha256: String,
    /// `first_mb_in_slice` is 0: a single 1 in Exp-Golomb, the first bit after the head (H.264 7.3.3).
    begins_frame: bool,
}

/// The slices (NAL units 1 and 5) of a transport stream, as ffmpeg takes them out of it.
fn slices(file: &Path) -> anyhow::Result<Vec<Slice>> {
    let raw = file.with_extension("h264");
    output(
        Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-y", "-i"])
            .arg(file)
            .args(["-map", "0:v:0", "-c", "copy", "-f", "h264"])
            .arg(&raw),
    )?;
    let bytes = std::fs::read(&raw)?;
    let starts: Vec<usize> = bytes
        .windows(3)
        .enumerate()
        .filter(|(_, three)| three == &[0, 0, 1])
        .map(|(at, _)| at + 3)
        .collect();
    let ends = starts.iter().skip(1).map(|at| at - 3).chain([bytes.len()]);
    let units = starts.iter().zip(ends).map(|(from, to)| &bytes[*from..to]);
    let slices = units.filter(|unit| {
        unit.first()
            .is_some_and(|head| [1, 5].contains(&(head & 31)))
    });
    // A zero before the next start belongs to that (H.264 Annex B).
    let trimmed = slices.map(|unit| {
        let end = unit
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1);
        Slice {
            sha256: contract::hex::sha256(&unit[..end]),
            begins_frame: unit.get(1).is_some_and(|byte| byte & 0x80 != 0),
        }
    });
    Ok(trimmed.collect())
}
