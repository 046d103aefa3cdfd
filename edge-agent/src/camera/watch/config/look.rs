//! Which models look at a camera's pictures, and what the whole picture is watched for: `[camera.look]`.
//!
//! Promise: a class is watched for only where a model tells it; the refusal names the model or the classes that are wanted.

use super::PartModel;
use crate::{
    camera::watch::class::{Class, Part},
    section::Section,
};
use contract::problems::Problems;

/// `[camera.look]`.
pub(super) struct Look {
    pub persons: Option<String>,
    pub faces: Vec<String>,
    pub parts: Vec<PartModel>,
    pub picture: Vec<Class>,
}

impl Look {
    pub fn read(mut part: Section, problems: &mut Problems) -> Look {
        let persons = model(&mut part, "persons", "\"yolox-nano\"", problems);
        let faces = part.texts_if_there("faces", "[\"yunet-640\"]", problems);
        for name in &faces {
            check_model(part.place("faces"), name, problems);
        }
        let mut parts = Vec::new();
        for of in Part::ALL {
            if part.has(of.key())
                && let Some(table) = part.section(of.key(), problems)
            {
                parts.extend(read_part(table, of, problems));
            }
        }
        let place = part.place("watch");
        let picture = watch(&mut part, "[\"fire_or_smoke\"]", &parts, problems);
        if let Some(class) = picture.iter().find(|class| class.is_of_persons()) {
            let what = format!("{} is told of persons", class.name());
            problems.add(place, what, "write it into the watch of a [[camera.zone]]");
        }
        part.finish(problems);
        Look {
            persons,
            faces,
            parts,
            picture,
        }
    }
}

fn read_part(mut part: Section, of: Part, problems: &mut Problems) -> Option<PartModel> {
    let example = format!("{:?}", of.shipped().map_or("my-model", |(name, _)| name));
    let name = model(&mut part, "model", &example, problems);
    let shadow = part.text_if_there("shadow", problems);
    let before = part.text_if_there("before", problems);
    for (key, other) in [("shadow", &shadow), ("before", &before)] {
        let Some(other) = other else { continue };
        check_model(part.place(key), other, problems);
        if Some(other) == name.as_ref() {
            let fix = "name another model, or leave it out";
            problems.add(part.place(key), "it is the model itself", fix);
        }
    }
    for (key, name) in [("model", &name), ("shadow", &shadow), ("before", &before)] {
        let Some(name) = name else { continue };
        let shipped = Part::ALL.into_iter().filter(|other| *other != of);
        let mut shipped = shipped.filter_map(Part::shipped);
        if shipped.any(|(other, _)| other == name) {
            let what = format!("the shipped model {name} does not tell {}", of.key());
            problems.add(part.place(key), what, own(of));
        }
    }
    part.finish(problems);
    Some(PartModel {
        part: of,
        model: name?,
        shadow,
        before,
    })
}

fn own(part: Part) -> String {
    format!(
        "name a model of yours whose classes are {} ([camera.look.{}] model = \"…\")",
        part.own_classes(),
        part.key()
    )
}

fn model(
    part: &mut Section,
    key: &'static str,
    example: &str,
    problems: &mut Problems,
) -> Option<String> {
    let place = part.place(key);
    let name: String = part.parsed(key, example, problems)?;
    check_model(place, &name, problems);
    Some(name)
}

/// The same letters as in a manifest: a name is no path.
fn check_model(place: String, name: &str, problems: &mut Problems) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(is_name) {
        let what = format!("{name:?} is not the name of a model");
        let fix = "write the name of its manifest: letters, digits, - _ and .";
        problems.add(place, what, fix);
    }
}

/// The classes of `watch`, each of which has its model.
pub(super) fn watch(
    part: &mut Section,
    example: &str,
    parts: &[PartModel],
    problems: &mut Problems,
) -> Vec<Class> {
    let place = part.place("watch");
    let mut classes = Vec::new();
    for name in part.texts_if_there("watch", example, problems) {
        let Some(class) = Class::named(&name) else {
            let known = Class::ALL.map(Class::name).join(", ");
            let what = format!("{name:?} cannot be watched for");
            problems.add(&place, what, format!("write some of {known}"));
            continue;
        };
        if classes.contains(&class) {
            problems.add(&place, format!("{name} is there twice"), "write it once");
            continue;
        }
        if let Some(of) = class.part() {
            need_model(class, of, parts, &place, problems);
        }
        classes.push(class);
    }
    classes
}

fn need_model(class: Class, of: Part, parts: &[PartModel], place: &str, problems: &mut Problems) {
    let shipped = of.shipped();
    let is_shipped = shipped.is_some_and(|(_, classes)| classes.contains(&class));
    let name = class.name();
    match parts.iter().find(|model| model.part == of) {
        None if is_shipped => {
            let (model, _) = shipped.expect("it is shipped");
            let what = format!("nothing judges {name}");
            let fix = format!("write [camera.look.{}] model = {model:?}", of.key());
            problems.add(place, what, fix);
        }
        None => {
            let what = format!("{name} is unsupported by the shipped models");
            problems.add(place, what, own(of));
        }
        Some(model) if shipped.is_some_and(|(known, _)| known == model.model) && !is_shipped => {
            let what = format!("the shipped model {} does not tell {name}", model.model);
            let (_, classes) = shipped.expect("it is shipped");
            let classes: Vec<&str> = classes.iter().map(|class| class.name()).collect();
            let fix = format!("watch for {}, or {}", classes.join(", "), own(of));
            problems.add(place, what, fix);
        }
        Some(_) => {}
    }
}
