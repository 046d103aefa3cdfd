//! What can happen to the process, and that the next asks are answered all the same.

use crate::{Agent, can_run, config, frames, look, rgb, shipped};
use bytes::Bytes;
use contract::vision::{Pixels, Said, What};
use edge_agent::vision::{VisionError, config::VisionConfig};
use simulators::camera::plan::Place;
use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// The process that was started with this folder of models.
fn process_of(models: &Path) -> u32 {
    let folder = models.to_str().unwrap();
    let mut all = Path::new("/proc").read_dir().unwrap().filter_map(|entry| {
        let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
        let mut words = line.split('\0');
        (words.next()?.ends_with("edge-vision") && words.any(|word| word == folder)).then_some(id)
    });
    all.next().expect("the process runs")
}

fn signal(process: u32, signal: &str) {
    let id = process.to_string();
    let sent = Command::new("kill").args([signal, &id]).status().unwrap();
    assert!(sent.success());
}

/// Asks until it is answered, and gives how long that took and what was said before.
async fn again(agent: &Agent, what: &What, body: &Bytes) -> (Duration, Vec<VisionError>) {
    let (began, mut errors) = (Instant::now(), Vec::new());
    loop {
        match agent.vision.ask(what.clone(), body.clone()).await {
            Ok((answer, _)) => {
                assert!(!matches!(answer.said, Said::Failed { .. }), "{answer:?}");
                return (began.elapsed(), errors);
            }
            Err(error) => errors.push(error),
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{errors:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

fn frame() -> (Pixels, Bytes) {
    rgb(&frames(Place::Workshop, 9, 1)[0].0)
}

#[tokio::test]
async fn killed_in_the_middle_it_is_replaced_after_a_second() {
    if !can_run() {
        return;
    }
    let own = tempfile::tempdir().unwrap();
    let agent = Agent::start(config(vec![own.path().into(), shipped()]));
    let (pixels, body) = frame();
    let what = look(pixels, &["helmet"], &[]);
    again(&agent, &what, &body).await;
    let process = process_of(own.path());
    let asks = {
        let (vision, what, body) = (agent.vision.clone(), what.clone(), body.clone());
        tokio::spawn(async move {
            for n in 0.. {
                if let Err(error) = vision.ask(what.clone(), body.clone()).await {
                    return (n, error);
                }
            }
            unreachable!()
        })
    };
    let before = agent.metrics.vision.looks.get();
    while agent.metrics.vision.looks.get() < before + 3 {
        sleep(Duration::from_millis(7)).await;
    }
    signal(process, "-KILL");
    let (answered, error) = asks.await.unwrap();
    assert!(
        answered > 0 && matches!(error, VisionError::Died(_)),
        "{answered}: {error:?}"
    );
    assert!(agent.shown("vision").unwrap().is_err());
    let (took, errors) = again(&agent, &what, &body).await;
    let is_down = |error: &VisionError| matches!(error, VisionError::Down { again_in, .. } if *again_in <= Duration::from_secs(1));
    assert!(
        !errors.is_empty() && errors.iter().all(is_down),
        "{errors:?}"
    );
    assert!(took > Duration::from_millis(900), "{took:?}");
    assert_ne!(process_of(own.path()), process);
    assert_eq!(agent.shown("vision"), Some(Ok(())));
    let counts = &agent.metrics.vision;
    assert_eq!(
        (counts.started.get(), counts.died.get(), counts.hung.get()),
        (2, 1, 0)
    );
    agent.stop().await;
}

#[tokio::test]
async fn one_that_stands_still_is_killed_and_nothing_else_of_the_agent_waits_for_it() {
    if !can_run() {
        return;
    }
    let own = tempfile::tempdir().unwrap();
    let agent = Agent::start(VisionConfig {
        patience: Duration::from_secs(2),
        ..config(vec![own.path().into(), shipped()])
    });
    let (pixels, body) = frame();
    let what = look(pixels, &["helmet"], &[]);
    again(&agent, &what, &body).await;
    let process = process_of(own.path());
    signal(process, "-STOP");
    // The agent has one thread: if asking held it up, this would see it.
    let ticking = tokio::spawn(async {
        let mut longest = Duration::ZERO;
        loop {
            let before = Instant::now();
            sleep(Duration::from_millis(5)).await;
            longest = longest.max(before.elapsed());
            if longest > Duration::from_secs(1) {
                return longest;
            }
        }
    });
    let began = Instant::now();
    let error = agent
        .vision
        .ask(what.clone(), body.clone())
        .await
        .unwrap_err();
    assert!(matches!(error, VisionError::Hung(..)), "{error:?}");
    assert!(
        (2.0..8.0).contains(&began.elapsed().as_secs_f64()),
        "{:?}",
        began.elapsed()
    );
    assert!(!ticking.is_finished());
    ticking.abort();
    assert!(!Path::new(&format!("/proc/{process}")).exists());
    again(&agent, &what, &body).await;
    assert_eq!(agent.metrics.vision.hung.get(), 1);
    let next = process_of(own.path());
    agent.stop().await;
    assert!(
        !Path::new(&format!("/proc/{next}")).exists(),
        "it outlives the agent"
    );
}

#[tokio::test]
async fn memory_beyond_the_bound_is_refused_by_the_kernel() {
    if !can_run() {
        return;
    }
    let own = tempfile::tempdir().unwrap();
    let agent = Agent::start(VisionConfig {
        memory_max: 160 << 20,
        ..config(vec![own.path().into(), shipped()])
    });
    // A JPEG of a few hundred kilobytes that becomes 192 MB of pixels.
    let plain = simulators::camera::canvas::Canvas::new(
        8_000,
        8_000,
        simulators::camera::canvas::View::WHOLE,
    );
    let large = simulators::camera::jpeg(&plain, 50).unwrap();
    assert!(large.len() < 4 << 20, "{}", large.len());
    let mask = What::Mask {
        pixels: Pixels::Jpeg,
        areas: Vec::new(),
        quality: 50,
    };
    let error = agent.vision.ask(mask, large).await.unwrap_err();
    let VisionError::Died(words) = error else {
        panic!("{error:?}")
    };
    assert!(words.contains("memory"), "{words}");
    // What is usual goes on within it.
    let (pixels, body) = frame();
    let what = look(pixels, &["helmet", "vest", "mask"], &["fire-smoke"]);
    again(&agent, &what, &body).await;
    for _ in 0..50 {
        agent.vision.ask(what.clone(), body.clone()).await.unwrap();
    }
    let process = process_of(own.path());
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let lines = status
        .lines()
        .filter(|l| l.starts_with("VmData") || l.starts_with("VmHWM"));
    println!("{}", lines.collect::<Vec<_>>().join(", "));
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let limit = |name: &str| limits.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(
        limit("Max data size").contains(&(160 << 20).to_string()),
        "{limits}"
    );
    assert!(limit("Max core file size").contains(" 0 "), "{limits}");
    assert_eq!(agent.metrics.vision.died.get(), 1);
    agent.stop().await;
}

/// A program of a few lines of shell in place of the real one.
fn script(folder: &Path, lines: &str) -> VisionConfig {
    let program = folder.join("edge-vision");
    std::fs::write(&program, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    VisionConfig {
        program,
        ..config(vec![folder.into()])
    }
}

#[tokio::test]
async fn rubbish_is_no_answer_and_each_next_start_waits_twice_as_long() {
    let folder = tempfile::tempdir().unwrap();
    let answers = [
        (
            "printf 'Warning: no GPU found, falling back'; cat >/dev/null",
            "is longer than",
        ),
        (
            r"printf '\002\000\000\000\000\000\000\000{}'; cat >/dev/null",
            "cannot be read",
        ),
    ];
    for (lines, part) in answers {
        let agent = Agent::start(script(folder.path(), lines));
        let ask = || {
            agent
                .vision
                .ask(look(Pixels::Jpeg, &[], &[]), Bytes::from_static(b"x"))
        };
        let error = ask().await.unwrap_err();
        assert!(
            matches!(&error, VisionError::Rubbish(words) if words.contains(part)),
            "{error:?}"
        );
        sleep(Duration::from_millis(1_100)).await;
        assert!(matches!(ask().await, Err(VisionError::Rubbish(_))));
        let error = ask().await.unwrap_err();
        let VisionError::Down { why, again_in } = &error else {
            panic!("{error:?}")
        };
        assert!(
            why.contains("rubbish") && *again_in > Duration::from_millis(1_500),
            "{error:?}"
        );
        let counts = &agent.metrics.vision;
        assert_eq!((counts.rubbish.get(), counts.unserved.get()), (2, 1));
        agent.stop().await;
    }
}

#[tokio::test]
async fn without_the_program_asks_fail_in_words_and_the_last_words_of_one_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Agent::start(VisionConfig {
        program: folder.path().join("nothing"),
        ..config(vec![folder.path().into()])
    });
    let ask = look(Pixels::Jpeg, &[], &[]);
    let error = agent
        .vision
        .ask(ask.clone(), Bytes::new())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, VisionError::Start(words) if words.contains("nothing")),
        "{error:?}"
    );
    let vision = agent.vision.clone();
    agent.stop().await;
    assert_eq!(
        vision.ask(ask.clone(), Bytes::new()).await.unwrap_err(),
        VisionError::Off
    );
    let agent = Agent::start(script(
        folder.path(),
        "echo 'libonnxruntime.so: no such file' >&2; exit 1",
    ));
    let error = agent.vision.ask(ask, Bytes::new()).await.unwrap_err();
    assert_eq!(
        error,
        VisionError::Died(": libonnxruntime.so: no such file".into())
    );
    agent.stop().await;
}

#[tokio::test]
async fn looks_and_other_asks_take_turns() {
    if !can_run() {
        return;
    }
    let agent = Agent::start(config(vec![shipped()]));
    let (pixels, body) = frame();
    again(&agent, &look(pixels, &[], &[]), &body).await;
    // Ten looks wait before the first mask is asked for; the masks do not wait for all of them.
    let mut asked = tokio::task::JoinSet::new();
    let mask = What::Mask {
        pixels,
        areas: Vec::new(),
        quality: 80,
    };
    let looks = std::iter::repeat_n(look(pixels, &[], &[]), 10);
    for what in looks.chain(std::iter::repeat_n(mask, 3)) {
        let (vision, body) = (agent.vision.clone(), body.clone());
        asked.spawn(async move {
            let is_look = matches!(what, What::Look { .. });
            vision.ask(what, body).await.unwrap();
            is_look
        });
    }
    let mut order = Vec::new();
    while let Some(is_look) = asked.join_next().await {
        order.push(is_look.unwrap());
    }
    let last_mask = order.iter().rposition(|is_look| !is_look).unwrap();
    assert!(order.len() == 13 && last_mask <= 7, "{order:?}");
    agent.stop().await;
}
