//! Stories of people before a camera, five frames a second.

use super::*;
use crate::camera::watch::{
    class::Part,
    config::PartModel,
    zone::{Kind, Polygon},
};

const STEP_MS: u64 = 200;

fn at(ms: u64) -> Timestamp {
    // 2026-11-28T08:00:00+08:00
    Timestamp::from_millis(1_795_824_000_000 + ms as i64)
}

fn zone(name: &str, [left, top, right, bottom]: [f32; 4], hours: &[&str], watch: &[Class]) -> Zone {
    let corners = vec![[left, top], [right, top], [right, bottom], [left, bottom]];
    Zone {
        name: name.to_owned(),
        kind: Kind::SpecialRoom,
        polygon: Polygon::new(corners).unwrap(),
        hours: hours.iter().map(|text| text.parse().unwrap()).collect(),
        watch: watch.to_vec(),
    }
}

fn config(zones: Vec<Zone>) -> WatchConfig {
    let part = |part, model: &str, shadow: Option<&str>| PartModel {
        part,
        model: model.to_owned(),
        shadow: shadow.map(str::to_owned),
        before: None,
    };
    WatchConfig {
        from: at(0),
        persons: "persons".into(),
        face: None,
        parts: vec![
            part(Part::Mask, "mask", Some("mask-2")),
            part(Part::FireSmoke, "fire-smoke", None),
            part(Part::Flame, "flame", None),
        ],
        picture: vec![Class::FireOrSmoke, Class::UnattendedFlame],
        zones,
    }
}

fn whole(watch: &[Class]) -> WatchConfig {
    config(vec![zone("all", [0.0, 0.0, 1.0, 1.0], &[], watch)])
}

fn said(model: &str, class: &str, score: f32) -> Verdict {
    Verdict {
        model: model.into(),
        class: (!class.is_empty()).then(|| class.into()),
        score,
    }
}

fn person(x: f32, verdicts: &[Verdict]) -> Person {
    Person {
        area: Area {
            left: x - 0.03,
            top: 0.3,
            right: x + 0.03,
            bottom: 0.6,
        },
        score: 0.9,
        verdicts: verdicts.to_vec(),
    }
}

/// Times of sightings, and of changes of a point.
type Gave = (Vec<(u64, Sighting)>, Vec<(u64, String, f64)>);

/// What is seen in each frame, and what it gave.
fn run(watch: &mut Watch, frames: std::ops::Range<u64>, seen: impl Fn(u64) -> Seen) -> Gave {
    let (mut sightings, mut changed) = (Vec::new(), Vec::new());
    for n in frames {
        let ms = n * STEP_MS;
        let step = watch.see(at(ms), ms, &seen(n), &[]);
        let said = |reading: &Reading| (ms, reading.point.to_string(), reading.value.unwrap());
        for (reading, sighting) in step.sightings {
            assert_eq!((reading.at, sighting.at), (at(ms), at(ms)));
            assert_eq!(
                (&reading.point, reading.value),
                (&sighting.point, Some(1.0))
            );
            sightings.push((ms, sighting));
        }
        changed.extend(step.changed.iter().map(said));
    }
    (sightings, changed)
}

fn people(persons: Vec<Person>) -> Seen {
    Seen {
        persons,
        picture: Vec::new(),
    }
}

#[test]
fn one_without_a_mask_is_one_sighting_after_the_dwell_and_the_point_outlives_a_short_occlusion() {
    let mut watch = Watch::new(whole(&[Class::NoMask]), 5.0);
    let bare = [said("mask", "no_mask", 0.9)];
    let walks = |n: u64| {
        let x = 0.2 + 0.004 * n as f32;
        // Hidden for a second and a half, seen from behind for two.
        let persons = match n {
            60..=67 => vec![],
            80..=90 => vec![person(x, &[said("mask", "", 0.0)])],
            0..=120 => vec![person(x, &bare)],
            _ => vec![],
        };
        people(persons)
    };
    let (sightings, changed) = run(&mut watch, 0..200, walks);
    assert_eq!(sightings.len(), 1, "{sightings:?}");
    let (ms, sighting) = &sightings[0];
    assert_eq!(
        (*ms, sighting.began, sighting.track),
        (3_000, at(0), Some(1))
    );
    assert_eq!((sighting.frames, sighting.share), (16, 1.0));
    assert_eq!(
        (sighting.zone.as_str(), sighting.point.as_str()),
        ("all", "see.no_mask")
    );
    // Gone at 24 s; the track lives 3 s longer, the point is held for 6 s after that.
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(
        (30_000..=33_400).contains(&changed[0].0) && changed[0].2 == 0.0,
        "{changed:?}"
    );
}

#[test]
fn nobody_is_accused_by_unsure_unjudged_or_foreign_verdicts_or_outside_the_zone() {
    let left = zone("left", [0.0, 0.0, 0.5, 1.0], &[], &[Class::NoMask]);
    let cases = [
        (0.2, said("mask", "no_mask", 0.59)),
        (0.2, said("mask", "", 0.9)),
        (0.2, said("mask", "mask", 0.9)),
        (0.2, said("helmet", "no_mask", 0.9)),
        (0.2, said("mask", "no_mask", f32::NAN)),
        (0.7, said("mask", "no_mask", 0.9)),
    ];
    for (x, verdict) in cases {
        let mut watch = Watch::new(config(vec![left.clone()]), 5.0);
        let (sightings, changed) = run(&mut watch, 0..100, |_| {
            people(vec![person(x, std::slice::from_ref(&verdict))])
        });
        assert!(sightings.is_empty() && changed.is_empty(), "{verdict:?}");
    }
}

#[test]
fn a_shadow_gives_its_own_point_and_no_sighting() {
    let mut watch = Watch::new(whole(&[Class::NoMask]), 5.0);
    let verdicts = [said("mask", "mask", 0.9), said("mask-2", "no_mask", 0.9)];
    let (sightings, changed) = run(&mut watch, 0..50, |_| people(vec![person(0.3, &verdicts)]));
    assert!(sightings.is_empty());
    assert_eq!(changed, [(3_000, "shadow.no_mask".to_owned(), 1.0)]);
}

#[test]
fn a_former_model_takes_over_between_two_frames_and_a_shadow_that_left_says_nothing() {
    let mut watch = Watch::new(whole(&[Class::NoMask]), 5.0);
    let verdicts = [said("mask", "mask", 0.9), said("mask-1", "no_mask", 0.9)];
    let stays = |_| people(vec![person(0.3, &verdicts)]);
    let (sightings, _) = run(&mut watch, 0..50, stays);
    assert!(sightings.is_empty());
    let mut parts = whole(&[]).parts;
    (parts[0].model, parts[0].shadow) = ("mask-1".into(), None);
    watch.use_models(parts);
    let (sightings, _) = run(&mut watch, 50..100, stays);
    assert_eq!(sightings.len(), 1);
    let ms = 99 * STEP_MS;
    let readings = watch.readings(at(ms), ms, None);
    let shadow = readings
        .iter()
        .find(|r| r.point.as_str() == "shadow.no_mask");
    assert_eq!(
        shadow.unwrap().quality,
        Quality::Missing(Absence::NotLooked)
    );
}

#[test]
fn two_at_once_are_two_sightings_in_two_frames() {
    let mut watch = Watch::new(whole(&[Class::NoMask]), 5.0);
    let bare = [said("mask", "no_mask", 0.9)];
    let (sightings, _) = run(&mut watch, 0..50, |_| {
        people(vec![person(0.3, &bare), person(0.7, &bare)])
    });
    let found: Vec<(u64, Option<u64>)> = sightings.iter().map(|(ms, s)| (*ms, s.track)).collect();
    assert_eq!(found, [(3_000, Some(1)), (3_200, Some(2))]);
}

#[test]
fn who_takes_the_place_of_another_at_once_is_no_second_sighting_and_later_is_one() {
    let mut watch = Watch::new(whole(&[Class::NoMask]), 5.0);
    let bare = [said("mask", "no_mask", 0.9)];
    // One leaves at 5 s, and far from there one is found at 6 s, another at 30 s.
    let (sightings, changed) = run(&mut watch, 0..220, |n| match n {
        0..25 => people(vec![person(0.2, &bare)]),
        30..60 => people(vec![person(0.8, &bare)]),
        150.. => people(vec![person(0.5, &bare)]),
        _ => people(vec![]),
    });
    let found: Vec<(u64, Option<u64>)> = sightings.iter().map(|(ms, s)| (*ms, s.track)).collect();
    assert_eq!(found, [(3_000, Some(1)), (33_000, Some(3))]);
    assert_eq!(changed.len(), 1, "1 in between, and 0 once: {changed:?}");
}

#[test]
fn a_person_in_a_danger_zone_or_after_hours_is_seen_by_place_alone() {
    let zones = vec![
        zone("pit", [0.5, 0.0, 1.0, 1.0], &[], &[Class::InDangerZone]),
        // It is 08:00; the shop closes ten seconds later.
        zone(
            "all",
            [0.0, 0.0, 1.0, 1.0],
            &["06:00-08:00"],
            &[Class::AfterHours],
        ),
    ];
    let mut watch = Watch::new(config(zones.clone()), 5.0);
    let stays = |_| people(vec![person(0.7, &[])]);
    let (sightings, _) = run(&mut watch, 0..100, stays);
    let found: Vec<(u64, &str)> = sightings
        .iter()
        .map(|(ms, s)| (*ms, s.point.as_str()))
        .collect();
    assert_eq!(
        found,
        [(2_000, "see.in_danger_zone"), (10_000, "see.after_hours")]
    );
    let mut watch = Watch::new(config(zones), 5.0);
    let passes = |n| people(vec![person(if n % 10 < 4 { 0.52 } else { 0.48 }, &[])]);
    let (sightings, _) = run(&mut watch, 0..45, passes);
    assert!(sightings.is_empty(), "{sightings:?}");
}

#[test]
fn one_alone_in_a_fire_control_room_for_five_minutes_is_a_sighting_of_the_zone_and_two_are_none() {
    let room = zone("room", [0.5, 0.0, 1.0, 1.0], &[], &[Class::Understaffed]);
    let others = |n: u64, two: bool| {
        // One in the room, one outside it, and the second one of the room.
        let x = 0.8 - 0.0001 * (n % 100) as f32;
        let mut persons = vec![person(x, &[]), person(0.2, &[])];
        persons.extend(two.then(|| person(0.6, &[])));
        people(persons)
    };
    let mut watch = Watch::new(config(vec![room.clone()]), 5.0);
    let (sightings, _) = run(&mut watch, 0..3_000, |n| others(n, true));
    assert!(sightings.is_empty(), "{sightings:?}");
    // The second one is away for four minutes, comes back for two, leaves.
    let (sightings, _) = run(&mut watch, 3_000..6_600, |n| {
        others(n, !(3_000..4_200).contains(&n) && n < 4_800)
    });
    assert_eq!(sightings.len(), 1, "{sightings:?}");
    let (ms, sighting) = &sightings[0];
    assert_eq!(
        (
            sighting.point.as_str(),
            sighting.zone.as_str(),
            sighting.track
        ),
        ("see.understaffed", "room", None)
    );
    assert_eq!(*ms, 4_800 * STEP_MS + 300_000);
}

#[test]
fn the_whole_picture_votes_too_and_a_flame_with_somebody_beside_it_is_attended() {
    let seen = |burns: bool, flame: bool, somebody: bool| Seen {
        persons: somebody.then(|| person(0.5, &[])).into_iter().collect(),
        picture: vec![
            said(
                "fire-smoke",
                if burns { "fire_or_smoke" } else { "normal" },
                0.9,
            ),
            said("flame", if flame { "flame" } else { "no_flame" }, 0.9),
        ],
    };
    let mut watch = Watch::new(whole(&[]), 5.0);
    let (sightings, changed) = run(&mut watch, 0..100, |n| seen(n >= 20, false, true));
    assert_eq!(sightings.len(), 1);
    assert_eq!((sightings[0].0, sightings[0].1.began), (9_000, at(4_000)));
    assert_eq!(
        (sightings[0].1.zone.as_str(), sightings[0].1.track),
        ("", None)
    );
    assert!(changed.is_empty());
    let (sightings, _) = run(&mut watch, 2_000..3_500, |_| seen(false, true, true));
    assert!(sightings.is_empty());
    let (sightings, _) = run(&mut watch, 3_500..4_500, |_| seen(false, true, false));
    assert_eq!(sightings.len(), 1);
    assert_eq!(sightings[0].0, 3_500 * STEP_MS + 180_000);
}

#[test]
fn a_point_is_absent_where_nobody_looked_and_said_once_of_a_frame() {
    let mut watch = Watch::new(whole(&[Class::NoMask]), 5.0);
    let words = |readings: &[Reading]| -> Vec<(String, Option<f64>, Quality, Timestamp)> {
        let said = readings.iter();
        said.map(|r| (r.point.to_string(), r.value, r.quality, r.at))
            .collect()
    };
    let away = Quality::Missing(Absence::NotLooked);
    let before = watch.readings(at(0), 0, None);
    assert_eq!(before.len(), watch.names().len());
    assert!(
        before
            .iter()
            .all(|r| r.value.is_none() && r.quality == away)
    );
    let bare = [said("mask", "no_mask", 0.9)];
    run(&mut watch, 1..30, |_| people(vec![person(0.3, &bare)]));
    let (frame, now) = (at(29 * STEP_MS), 29 * STEP_MS + 100);
    let said = words(&watch.readings(at(now), now, None));
    let good = |name: &str, value| (name.to_owned(), Some(value), Quality::Good, frame);
    assert!(said.contains(&good("see.persons", 1.0)), "{said:?}");
    assert!(said.contains(&good("see.no_mask", 1.0)), "{said:?}");
    assert!(said.contains(&good("see.fire_or_smoke", 0.0)), "{said:?}");
    assert!(watch.readings(at(now + 50), now + 50, None).is_empty());
    let alone = watch.readings(at(now + 1_000), now + 1_000, None);
    assert!(
        alone.iter().all(|r| r.quality == away),
        "nobody looked since"
    );
    let dark = Quality::Missing(Absence::Unseen);
    let unseen = watch.readings(at(now + 99), now + 99, Some(dark));
    assert!(
        unseen
            .iter()
            .all(|r| r.quality == dark && r.at == at(now + 99))
    );
    let late = watch.readings(at(60_000), 60_000, None);
    assert!(late.iter().all(|r| r.value.is_none() && r.quality == away));
    // After the pause nothing of before counts.
    let (sightings, changed) = run(&mut watch, 310..330, |_| people(vec![person(0.3, &bare)]));
    assert_eq!(sightings[0].0, 310 * STEP_MS + 3_000, "{changed:?}");
}

/// Random people, clothes and holes: order within a frame changes nothing; nothing is raised before its dwell, and of one
/// track there is no second sighting before it has ended.
#[test]
fn the_order_of_the_persons_in_a_frame_changes_nothing() {
    let mut state = 11u64;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f32 / (1u64 << 31) as f32
    };
    let mut all = 0;
    for _ in 0..30 {
        let zones = vec![
            zone(
                "left",
                [0.0, 0.0, 0.6, 1.0],
                &[],
                &[Class::NoMask, Class::InDangerZone],
            ),
            zone("right", [0.4, 0.0, 1.0, 1.0], &[], &[Class::NoMask]),
        ];
        let (mut one, mut other) = (
            Watch::new(config(zones.clone()), 5.0),
            Watch::new(config(zones), 5.0),
        );
        let walkers: Vec<(f32, f32, f32)> = (0..4)
            .map(|_| (next(), next() * 0.02 - 0.01, next()))
            .collect();
        let mut told: BTreeMap<(String, String, u64), Timestamp> = BTreeMap::new();
        for n in 0..300u64 {
            let mut persons = Vec::new();
            for (x, step, bare) in &walkers {
                if next() < 0.85 {
                    let class = if next() < *bare { "no_mask" } else { "mask" };
                    let x = (x + step * n as f32).rem_euclid(1.0);
                    let mut found = person(x, &[said("mask", class, 0.5 + next() / 2.0)]);
                    found.score = 0.3 + 0.7 * next();
                    persons.push(found);
                }
            }
            let ms = n * STEP_MS;
            let step = one.see(at(ms), ms, &people(persons.clone()), &[]);
            persons.reverse();
            let by = n as usize % persons.len().max(1);
            persons.rotate_left(by);
            let same = other.see(at(ms), ms, &people(persons), &[]);
            assert_eq!(
                (&step.changed, &step.sightings),
                (&same.changed, &same.sightings)
            );
            let untold = step.changed.iter().find(|reading| {
                reading.value == Some(1.0) && reading.point.as_str().starts_with("see.")
            });
            assert_eq!(untold, None, "it became 1 and nobody was told why");
            for (_, sighting) in step.sightings {
                all += 1;
                let class = Class::named(&sighting.point.as_str()[4..]).unwrap();
                let wants = class.wants();
                assert!(sighting.at.since(sighting.began) >= wants.dwell_ms as i64);
                assert!(sighting.share >= wants.share && sighting.frames >= wants.judged);
                let who = (
                    sighting.point.to_string(),
                    sighting.zone.clone(),
                    sighting.track.unwrap(),
                );
                if let Some(before) = told.insert(who, sighting.at) {
                    assert!(
                        sighting.at.since(before) >= wants.rest_ms() as i64,
                        "{sighting:?}"
                    );
                }
            }
        }
    }
    assert!(all > 50, "{all}");
}
