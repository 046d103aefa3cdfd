//! What is seen on rendered frames, against their truth; and with public models on their authors' pictures.

use crate::{Agent, can_run, config, failed, frames, look, rgb, shared, shipped};
use bytes::Bytes;
use contract::vision::{Area, Person, Pixels, Said, Seen, What};
use models::picture::store::Folder;
use simulators::camera::{canvas, plan::Place, scene::SeenPerson};
use std::{collections::BTreeMap, path::Path};

fn seen(said: Said) -> Seen {
    match said {
        Said::Seen(seen) => seen,
        other => panic!("{other:?}"),
    }
}

fn overlap(seen: &Area, truth: &canvas::Area) -> f32 {
    let [x, y, w, h] = truth.0.map(|n| n as f32);
    let pixels = |area: &Area| models::picture::Area {
        left: area.left * 640.0,
        top: area.top * 360.0,
        right: area.right * 640.0,
        bottom: area.bottom * 360.0,
    };
    let truth = models::picture::Area {
        left: x,
        top: y,
        right: x + w,
        bottom: y + h,
    };
    pixels(seen).overlap(&truth)
}

/// The seen person that is this one.
fn same<'a>(seen: &'a [Person], truth: &SeenPerson) -> Option<&'a Person> {
    let over = |person: &Person| overlap(&person.area, &truth.person);
    let best = seen.iter().max_by(|a, b| over(a).total_cmp(&over(b)))?;
    (over(best) > 0.5).then_some(best)
}

#[tokio::test]
async fn persons_are_found_and_judged_by_what_they_wear() {
    if !can_run() {
        return;
    }
    let agent = Agent::start(config(vec![shipped()]));
    let of_persons = ["helmet", "vest", "mask"];
    let (mut there, mut found) = (0, 0);
    // For each classifier: right, wrong.
    let mut judged: BTreeMap<&str, [u32; 2]> = BTreeMap::new();
    let mut models = Vec::new();
    let workshop = frames(Place::Workshop, 71, 40);
    let kitchen = frames(Place::Kitchen, 71, 40);
    let all = workshop.iter().map(|frame| ("helmet", frame));
    for (scene, (picture, truth)) in all.chain(kitchen.iter().map(|frame| ("mask", frame))) {
        let (pixels, body) = rgb(picture);
        let asked = agent
            .vision
            .ask(look(pixels, &of_persons, &["fire-smoke"]), body);
        let (answer, body) = asked.await.unwrap();
        assert!(body.is_empty() && answer.took_ms > 0.0);
        assert_eq!(answer.models.len(), answer.each_ms.len());
        models.extend(answer.models);
        let seen = seen(answer.said);
        assert_eq!(seen.picture.len(), 1);
        for person in &truth.seen.persons {
            there += 1;
            let Some(same) = same(&seen.persons, person) else {
                continue;
            };
            found += 1;
            assert_eq!(same.verdicts.len(), 3);
            for verdict in &same.verdicts {
                let (name, worn) = match &verdict.model[..] {
                    "helmet" if scene == "helmet" => ("helmet", person.gear.helmet),
                    "vest" if scene == "helmet" => ("vest", person.gear.vest),
                    "mask" if scene == "mask" => ("mask", person.gear.mask),
                    _ => continue,
                };
                let right = match worn {
                    true => name.to_owned(),
                    false => format!("no_{name}"),
                };
                if let Some(class) = &verdict.class {
                    judged.entry(name).or_default()[usize::from(*class != right)] += 1;
                }
            }
        }
    }
    println!("{found} of {there} persons found; right and wrong: {judged:?}");
    assert!(found * 10 >= there * 8, "{found} of {there}");
    for name in of_persons {
        let [right, wrong] = judged[name];
        assert!(
            right >= 20 && right >= 5 * wrong,
            "{name}: {right}, {wrong}"
        );
    }
    models.sort();
    models.dedup();
    let names: Vec<&str> = models.iter().map(|model| &model.name[..]).collect();
    assert_eq!(
        names,
        ["fire-smoke", "helmet", "mask", "simulated-persons", "vest"]
    );
    for model in models {
        let manifest = Folder::new(shipped()).manifest(&model.name).unwrap();
        assert_eq!(model.sha256, manifest.sha256);
    }
    let counts = &agent.metrics.vision;
    assert_eq!(
        (
            counts.started.get(),
            counts.looks.get(),
            counts.failed.get()
        ),
        (1, 80, 0)
    );
    agent.stop().await;
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_said_and_the_next_look_is_answered() {
    if !can_run() {
        return;
    }
    let folder = crate::copied(&["simulated-persons", "helmet"]);
    let damaged = folder.path().join("helmet-1.onnx");
    let mut bytes = std::fs::read(&damaged).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&damaged, bytes).unwrap();
    let agent = Agent::start(config(vec![folder.path().into(), shipped()]));
    let (picture, _) = frames(Place::Workshop, 5, 1).remove(0);
    let (pixels, body) = rgb(&picture);
    let ask = async |what| agent.vision.ask(what, body.clone()).await.unwrap().0;
    let answer = ask(look(pixels, &["helmet"], &[])).await;
    let (model, words) = failed(&answer);
    assert_eq!(model, Some("helmet"));
    assert!(words.contains("SHA-256"), "{words}");
    assert!(
        agent
            .shown("vision helmet")
            .unwrap()
            .unwrap_err()
            .contains("damaged")
    );
    for (what, model, part) in [
        (
            look(pixels, &["goggles"], &[]),
            Some("goggles"),
            "has no model",
        ),
        (
            look(pixels, &["fire-smoke"], &[]),
            Some("fire-smoke"),
            "whole pictures",
        ),
        (
            look(pixels, &[], &["vest"]),
            Some("vest"),
            "parts of persons",
        ),
        (look(Pixels::Jpeg, &[], &[]), None, "no JPEG"),
        (
            What::Faces {
                pixels,
                detectors: Vec::new(),
            },
            None,
            "nothing would be masked",
        ),
        (
            What::Faces {
                pixels,
                detectors: vec!["vest".into()],
            },
            Some("vest"),
            "neither faces nor heads nor persons",
        ),
    ] {
        let answer = ask(what).await;
        let (of, words) = failed(&answer);
        assert_eq!(of, model);
        assert!(words.contains(part), "{words}");
    }
    let answer = ask(look(pixels, &["vest"], &["fire-smoke"])).await;
    assert!(matches!(answer.said, Said::Seen(_)));
    // All of that by one process.
    assert_eq!(agent.metrics.vision.started.get(), 1);
    assert_eq!(agent.shown("vision"), Some(Ok(())));
    agent.stop().await;
}

/// A folder with the public models and their manifests.
fn public(models: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/manifests");
    for (name, place) in [("yolox-nano", "yolox-nano"), ("yunet-640", "yunet")] {
        let manifest = format!("{name}.toml");
        let to = folder.path().join(&manifest);
        std::fs::copy(manifests.join(&manifest), to).unwrap();
        let file = Folder::new(&manifests).manifest(name).unwrap().file;
        std::fs::copy(models.join(place).join(&file), folder.path().join(&file)).unwrap();
    }
    folder
}

#[tokio::test]
async fn public_models_look_at_photographs() {
    let (true, Some(models)) = (can_run(), shared("models")) else {
        return;
    };
    let folder = public(&models);
    let agent = Agent::start(config(vec![shipped(), folder.path().into()]));
    let what = What::Look {
        pixels: Pixels::Jpeg,
        persons: "yolox-nano".into(),
        faces: Some("yunet-640".into()),
        of_persons: vec!["mask".into()],
        of_picture: Vec::new(),
    };
    let photograph = std::fs::read(models.join("samples/bus.jpg")).unwrap();
    let asked = agent.vision.ask(what, Bytes::from(photograph.clone()));
    let (answer, _) = asked.await.unwrap();
    let names: Vec<&str> = answer.models.iter().map(|m| &m.name[..]).collect();
    assert_eq!(names[..2], ["yolox-nano", "yunet-640"]);
    let seen = seen(answer.said);
    println!("{:?}", seen.persons);
    assert!((3..=5).contains(&seen.persons.len()), "{seen:?}");
    // Somebody on the bus picture shows a face, and none of them wears a mask.
    let verdicts = seen.persons.iter().map(|person| &person.verdicts[0]);
    let classes: Vec<_> = verdicts.filter_map(|v| v.class.as_deref()).collect();
    assert!(
        !classes.is_empty() && classes.iter().all(|class| *class == "no_mask"),
        "{classes:?}"
    );
    let what = What::Faces {
        pixels: Pixels::Jpeg,
        detectors: vec!["yolox-nano".into(), "yunet-640".into()],
    };
    let (answer, _) = agent.vision.ask(what, photograph.into()).await.unwrap();
    let Said::Faces(areas) = answer.said else {
        panic!("{answer:?}")
    };
    for person in &seen.persons {
        let (x, y) = (
            (person.area.left + person.area.right) / 2.0,
            person.area.top + 0.1 * (person.area.bottom - person.area.top),
        );
        let masks = |a: &Area| a.left <= x && x <= a.right && a.top <= y && y <= a.bottom;
        assert!(areas.iter().any(masks), "{person:?} in {areas:?}");
    }
    agent.stop().await;
}
