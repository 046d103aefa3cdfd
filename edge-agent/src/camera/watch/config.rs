//! How it is written down what a camera watches for: `[camera.published]`, `[camera.look]`, `[[camera.zone]]`.
//!
//! Promise: without purpose, sign, location and date of publication a camera gives no more than its health; a zone is of a kind
//! of the fixed list and none that the law forbids; what no model at hand can tell is refused in words, not left out.

mod look; // [camera.look]
mod published; // [camera.published]
mod zone; // [[camera.zone]]

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
    let published = has_published.and_then(|part| published::read(part, problems));
    if !is_published && (look.is_some() || !zones.is_empty()) {
        let fix = "write [camera.published] with purpose, sign, location and on, or leave [camera.look] and [[camera.zone]] out";
        problems.add(format!("{place}published"), UNPUBLISHED, fix);
    }
    let has_look = look.is_some();
    if !has_look && !zones.is_empty() {
        let fix = "write [camera.look] with persons = \"yolox-nano\"";
        problems.add(format!("{place}look"), "zones need it", fix);
    }
    let mut look = look.map(|part| look::Look::read(part, problems));
    let parts = look.as_ref().map_or(&[][..], |look| &look.parts);
    let zones: Vec<Zone> = zones
        .into_iter()
        .filter_map(|zone| zone::read(zone, parts, problems))
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
