//! How it is written down what a camera watches for: `[camera.published]`, `[camera.look]`, `[[camera.zone]]`.
//!
//! Promise: without purpose, sign, location and date of publication a camera gives no more than its health; a zone is of a kind
//! of the fixed list and none that the law forbids; what no model at hand can tell is refused in words, not left out.

use super::{
    class::{Class, Part},
    zone::{FORBIDDEN, Hours, Kind, Polygon, is_forbidden},
};
use crate::section::Section;
use contract::{Timestamp, footage::Outline, problems::Problems};

/// What was told to the public of a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What it is for.
    pub purpose: String,
    /// Where the photo of the sign beside it is kept.
    pub sign: String,
    /// Where it stands, as it was published.
    pub location: String,
    /// The day on which that was published, `2026-11-20`.
    pub on: String,
    /// The beginning of that day at the site (+08:00).
    pub from: Timestamp,
}

/// What is looked for in the pictures of a camera.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchConfig {
    /// The first moment of the day on which the camera was published.
    pub from: Timestamp,
    /// The detector of persons.
    pub persons: String,
    /// The detector of faces whose faces classifiers are shown; nothing where `persons` finds them itself.
    pub face: Option<String>,
    /// Classifiers.
    pub parts: Vec<PartModel>,
    /// What the whole picture is watched for.
    pub picture: Vec<Class>,
    /// Zones.
    pub zones: Vec<Zone>,
}

/// Which model judges a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartModel {
    /// The part.
    pub part: Part,
    /// The model that counts.
    pub model: String,
    /// One that runs beside it and raises nothing.
    pub shadow: Option<String>,
    /// The one that counted before, which comes back if `model` fails or is too slow.
    pub before: Option<String>,
}

/// A part of the picture in which something is watched for.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub polygon: Polygon,
    /// When somebody may be there; empty: always.
    pub hours: Vec<Hours>,
    /// What is watched for in it.
    pub watch: Vec<Class>,
}

impl WatchConfig {
    /// The model of a class.
    pub fn model(&self, class: Class) -> Option<&PartModel> {
        let part = class.part()?;
        self.parts.iter().find(|model| model.part == part)
    }

    /// Everything that is watched for, each class once.
    pub fn classes(&self) -> Vec<Class> {
        let zones = self.zones.iter().flat_map(|zone| &zone.watch);
        let mut classes: Vec<Class> = zones.chain(&self.picture).copied().collect();
        classes.sort();
        classes.dedup();
        classes
    }

    /// The zones as they are drawn.
    pub fn outlines(&self) -> Vec<Outline> {
        let outline = |zone: &Zone| Outline {
            name: zone.name.clone(),
            kind: zone.kind.name().to_owned(),
            polygon: zone.polygon.corners().to_vec(),
        };
        self.zones.iter().map(outline).collect()
    }
}

/// What `[[camera]]` says of watching.
#[derive(Debug, Default, PartialEq)]
pub struct Read {
    /// `[camera.published]`.
    pub published: Option<Published>,
    /// Detectors of faces, for masking.
    pub faces: Vec<String>,
    /// `[camera.look]` with the zones.
    pub watch: Option<WatchConfig>,
}

/// Zones of a camera at most.
const ZONES_MAX: usize = 32;
const UNPUBLISHED: &str = "a camera gives no more than health signals before its purpose, sign and location are published (个人信息保护法 Art. 26, 公共安全视频图像信息系统管理条例 Art. 13)";

/// Reads the three tables of a `[[camera]]` with this id.
pub fn read(part: &mut Section, id: &str, problems: &mut Problems) -> Read {
    let place = part.place("");
    let mut section = |key, problems: &mut Problems| {
        let is_there = part.has(key);
        is_there.then(|| part.section(key, problems)).flatten()
    };
    let has_published = section("published", problems);
    let look = section("look", problems);
    let zones = part.sections_if_there("zone", problems);
    if (look.is_some() || !zones.is_empty()) && is_forbidden(id) {
        let fix = "take the camera away; if it looks elsewhere, give it an id that says where";
        problems.add(format!("{place}id"), FORBIDDEN, fix);
    }
    let is_published = has_published.is_some();
    let published = has_published.and_then(|part| published(part, problems));
    if !is_published && (look.is_some() || !zones.is_empty()) {
        let fix = "write [camera.published] with purpose, sign, location and on, or leave [camera.look] and [[camera.zone]] out";
        problems.add(format!("{place}published"), UNPUBLISHED, fix);
    }
    let has_look = look.is_some();
    if !has_look && !zones.is_empty() {
        let fix = "write [camera.look] with persons = \"yolox-nano\"";
        problems.add(format!("{place}look"), "zones need it", fix);
    }
    let mut look = look.map(|part| Look::read(part, problems));
    let parts = look.as_ref().map_or(&[][..], |look| &look.parts);
    let zones: Vec<Zone> = zones
        .into_iter()
        .filter_map(|zone| read_zone(zone, parts, problems))
        .collect();
    if zones.len() > ZONES_MAX {
        let what = format!("{} zones are more than {ZONES_MAX}", zones.len());
        problems.add(format!("{place}zone"), what, "join some of them");
    }
    for (n, zone) in zones.iter().enumerate() {
        if zones[..n].iter().any(|other| other.name == zone.name) {
            let what = format!("the zone {:?} is there twice", zone.name);
            let fix = "give each zone of a camera its own name";
            problems.add(format!("{place}zone[{}].name", n + 1), what, fix);
        }
    }
    let faces = look.as_mut().map(|look| std::mem::take(&mut look.faces));
    let from = published.as_ref().map(|published| published.from);
    let watch = look.zip(from).and_then(|(look, from)| {
        Some(WatchConfig {
            from,
            face: faces
                .iter()
                .flatten()
                .next()
                .filter(|face| look.persons.as_ref() != Some(face))
                .cloned(),
            persons: look.persons?,
            parts: look.parts,
            picture: look.picture,
            zones,
        })
    });
    Read {
        published,
        faces: faces.unwrap_or_default(),
        watch,
    }
}

fn published(mut part: Section, problems: &mut Problems) -> Option<Published> {
    let mut text = |key, example: &str| {
        let place = part.place(key);
        let text: Option<String> = part.parsed(key, example, problems);
        let text = text.map(|text| text.trim().to_owned());
        if let Some(text) = &text
            && !(1..=300).contains(&text.chars().count())
        {
            let fix = format!("write for example {key} = {example}");
            problems.add(place, "it is not of 1 to 300 characters", fix);
        }
        text
    };
    let purpose = text("purpose", "\"食品安全：后厨操作规范\"");
    let sign = text("sign", "\"signs/kitchen-camera.jpg\"");
    let location = text("location", "\"Ping'an Road 8, kitchen, above the door\"");
    let place = part.place("on");
    let example = "\"2026-11-20\"";
    let on: Option<String> = part.parsed("on", example, problems);
    let from = on.as_ref().and_then(|on| {
        let is_day = on.len() == 10;
        let from = format!("{on}T00:00:00+08:00").parse::<Timestamp>().ok();
        let from = from.filter(|_| is_day);
        if from.is_none() {
            let what = format!("{on:?} is not a day");
            problems.add(place, what, format!("write for example on = {example}"));
        }
        from
    });
    part.finish(problems);
    Some(Published {
        purpose: purpose?,
        sign: sign?,
        location: location?,
        on: on?,
        from: from?,
    })
}

struct Look {
    persons: Option<String>,
    faces: Vec<String>,
    parts: Vec<PartModel>,
    picture: Vec<Class>,
}

impl Look {
    fn read(mut part: Section, problems: &mut Problems) -> Look {
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
fn watch(
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

fn read_zone(mut part: Section, parts: &[PartModel], problems: &mut Problems) -> Option<Zone> {
    let place = part.place("name");
    let name: Option<String> = part.parsed("name", "\"special room\"", problems);
    if let Some(name) = &name {
        if !(1..=60).contains(&name.trim().chars().count()) {
            problems.add(
                &place,
                "it is not of 1 to 60 characters",
                "write a short name",
            );
        }
        if is_forbidden(name) {
            let fix = "take the zone away; if it shows another place, name that place";
            problems.add(&place, FORBIDDEN, fix);
        }
    }
    let kind = read_kind(&mut part, problems);
    let polygon = read_polygon(&mut part, problems);
    let place = part.place("hours");
    let mut hours = Vec::new();
    for text in part.texts_if_there("hours", "[\"06:00-23:00\"]", problems) {
        match text.parse::<Hours>() {
            Ok(stretch) => hours.push(stretch),
            Err(error) => problems.add(&place, error, "write hours = [\"06:00-23:00\"]"),
        }
    }
    let watch_place = part.place("watch");
    let watch = watch(&mut part, "[\"no_mask\"]", parts, problems);
    if watch.contains(&Class::AfterHours) == hours.is_empty() {
        let what = match hours.is_empty() {
            true => "after_hours needs the hours in which somebody may be there",
            false => "hours are there and nothing watches them",
        };
        let fix =
            "write hours = [\"06:00-23:00\"] and watch = [\"after_hours\"], or leave both out";
        problems.add(&place, what, fix);
    }
    for class in &watch {
        if !class.is_of_persons() {
            let what = format!("{} is told of the whole picture", class.name());
            let fix = "write it into the watch of [camera.look]";
            problems.add(&watch_place, what, fix);
        } else if let Some(kind) = kind
            && !class.belongs_to(kind)
        {
            let kinds = Kind::ALL.into_iter().filter(|kind| class.belongs_to(*kind));
            let kinds: Vec<&str> = kinds.map(Kind::name).collect();
            let what = format!("no rule asks for {} in a {}", class.name(), kind.name());
            let fix = format!("leave it out; it belongs to {}", kinds.join(", "));
            problems.add(&watch_place, what, fix);
        }
    }
    part.finish(problems);
    Some(Zone {
        name: name?,
        kind: kind?,
        polygon: polygon?,
        hours,
        watch,
    })
}

fn read_kind(part: &mut Section, problems: &mut Problems) -> Option<Kind> {
    let place = part.place("kind");
    let text: String = part.parsed("kind", "\"special_room\"", problems)?;
    let kind = Kind::named(&text);
    if kind.is_none() {
        if is_forbidden(&text) {
            problems.add(place, FORBIDDEN, "take the zone away");
        } else {
            let known = Kind::ALL.map(Kind::name).join(", ");
            let what = format!("{text:?} is not a kind of zone");
            problems.add(place, what, format!("write one of {known}"));
        }
    }
    kind
}

fn read_polygon(part: &mut Section, problems: &mut Problems) -> Option<Polygon> {
    let place = part.place("polygon");
    let example = "[[0.1, 0.4], [0.6, 0.4], [0.6, 0.9], [0.1, 0.9]]";
    let corners = part.pairs("polygon", example, problems)?;
    let corners = corners.into_iter().map(|[x, y]| [x as f32, y as f32]);
    let fix = format!("write 3 to 32 corners, shares of width and height, such as {example}");
    Polygon::new(corners.collect())
        .map_err(|error| problems.add(place, error, fix))
        .ok()
}
