//! What health finds of simulated cameras. Time is that of the frames, so that an hour takes seconds.

use edge_agent::camera::{
    frame::{Picture, Place as Part},
    health::{Finding, Health, State},
    look::Look,
    usual::Usual,
};
use simulators::camera::{
    digits,
    picture::Camera,
    plan::{CameraPlan, Event, FaultKind, Place, Timed},
};
use std::time::Duration;

const SILENT: Duration = Duration::from_secs(10);

fn plan(scene: Place, frames_per_s: f64) -> CameraPlan {
    CameraPlan {
        id: "cam".into(),
        scene,
        width: 320,
        height: 180,
        frames_per_s,
        quality: 80,
        people: 3,
        worn: 0.7,
        login: None,
        rtsp: None,
        happening: Vec::new(),
        fault: Vec::new(),
    }
}

fn health() -> Health {
    Health::new(SILENT, true, Usual::default(), 0)
}

/// Plays a camera over some seconds; `seen` is told each second what is found then. Pictures may go through JPEG, as on the line.
fn play(
    plan: &CameraPlan,
    seed: u64,
    seconds: std::ops::Range<u64>,
    is_jpeg: bool,
    health: &mut Health,
    mut seen: impl FnMut(f64, &State),
) {
    let clock = Part(digits::PLACE);
    let mut camera = Camera::new(plan.clone(), seed, 1_764_000_000_000);
    let mut next = (seconds.start as f64 * plan.frames_per_s) as u64;
    for second in seconds {
        let second = second + 1;
        while camera.time(next) < second as f64 {
            let at_ms = (camera.time(next) * 1000.0) as u64;
            if let (Some(picture), _) = camera.frame(next) {
                let picture = match is_jpeg {
                    true => Picture::Jpeg(simulators::camera::jpeg(&picture, 80).unwrap()),
                    false => Picture::Rgb {
                        width: picture.width(),
                        height: picture.height(),
                        pixels: picture.pixels().to_vec().into(),
                    },
                };
                health.look(Look::of(&picture.grey().unwrap(), Some(&clock), at_ms));
            }
            next += 1;
        }
        seen(second as f64, &health.state(second * 1000));
    }
}

fn names(state: &State) -> Vec<&'static str> {
    let found = Finding::ALL.into_iter().zip(state);
    found
        .filter(|(_, is)| **is == Some(true))
        .map(|(finding, _)| finding.point())
        .collect()
}

/// When the fault begins and ends, in seconds; what is usual is known by then.
const FAULT: (u64, u64) = (75, 115);

/// Plays a camera with one fault and gives how long it took to find it, in seconds. `health` saw what came before.
fn time_to_find(
    kind: FaultKind,
    finding: Finding,
    scene: Place,
    seed: u64,
    mut health: Health,
) -> f64 {
    let (begins, ends) = (FAULT.0 as f64, FAULT.1 as f64);
    let what = format!("{kind:?} {scene:?} {seed}");
    let mut plan = plan(scene, 2.0);
    plan.fault = vec![Timed {
        kind,
        from_s: begins,
        to_s: ends,
        repeat_s: 0.0,
    }];
    let mut found = None;
    play(
        &plan,
        seed,
        FAULT.0..FAULT.1 + 20,
        true,
        &mut health,
        |at, state| {
            let names = names(state);
            let is_expected = names.iter().all(|name| *name == finding.point());
            assert!(is_expected, "{what}: {names:?} at {at}");
            if !names.is_empty() {
                assert!(at <= ends + 15.0, "{what}: still at {at}");
                found.get_or_insert(at - begins);
            }
        },
    );
    found.unwrap_or_else(|| panic!("{what}: not found"))
}

#[test]
fn each_fault_is_found_within_half_a_minute_and_is_over_soon_after_it() {
    let cases = [
        (FaultKind::NoFrames, Finding::NoFrames),
        (FaultKind::Black, Finding::Black),
        (FaultKind::Frozen, Finding::Frozen),
        (FaultKind::Covered, Finding::Covered),
        (FaultKind::Blurred, Finding::Blurred),
        (FaultKind::Moved, Finding::Moved),
        (FaultKind::ClockStopped, Finding::ClockStopped),
        (FaultKind::Looped, Finding::Looped),
    ];
    std::thread::scope(|scope| {
        let start = |(scene, seed)| {
            scope.spawn(move || {
                let mut before = health();
                play(
                    &plan(scene, 2.0),
                    seed,
                    0..FAULT.0,
                    true,
                    &mut before,
                    |at, state| {
                        assert_eq!(
                            names(state),
                            [""; 0],
                            "{scene:?} {seed}: before any fault, at {at}"
                        );
                    },
                );
                cases.map(|(kind, finding)| {
                    (
                        kind,
                        time_to_find(kind, finding, scene, seed, before.clone()),
                    )
                })
            })
        };
        let threads = [(Place::Kitchen, 1), (Place::Workshop, 2)].map(start);
        for thread in threads {
            let found = thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            println!("{found:?}");
            for (kind, took) in found {
                assert!(took <= 25.0, "{kind:?}: found after {took} s");
            }
        }
    });
}

/// Plays an hour in which much happens and nothing is wrong.
fn quiet_hour(scene: Place, seed: u64, frames_per_s: f64) {
    let mut plan = plan(scene, frames_per_s);
    let happens = |kind, from_s, to_s| Timed {
        kind,
        from_s,
        to_s,
        repeat_s: 0.0,
    };
    plan.happening = vec![
        happens(Event::Empty, 600.0, 1_200.0),
        happens(Event::Smoke, 1_300.0, 1_360.0),
        happens(Event::BinOpen, 1_500.0, 1_800.0),
        happens(Event::LightsOff, 2_000.0, 2_600.0),
        happens(Event::Fire, 3_000.0, 3_060.0),
    ];
    let mut judged = [0u32; 8];
    play(&plan, seed, 0..3_600, false, &mut health(), |at, state| {
        assert_eq!(names(state), [""; 0], "{scene:?} at {at}");
        for (count, is) in judged.iter_mut().zip(state) {
            *count += u32::from(is.is_some());
        }
    });
    let is_judged = judged.iter().all(|count| *count > 3_500);
    assert!(
        is_judged,
        "silence must not come from not judging: {judged:?}"
    );
}

#[test]
fn nothing_is_found_in_an_hour_without_faults() {
    std::thread::scope(|scope| {
        scope.spawn(|| quiet_hour(Place::Kitchen, 11, 1.0));
        scope.spawn(|| quiet_hour(Place::Workshop, 12, 0.5));
    });
}
