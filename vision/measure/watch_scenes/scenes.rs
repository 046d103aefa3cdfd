//! A kitchen and a workshop for each seed, and what is so in a moment of them.

use contract::vision::Area;
use edge_agent::camera::watch::{
    class::{Class, Part},
    config::{PartModel, WatchConfig, Zone},
    zone::{Kind, Polygon},
};
use simulators::{
    camera::{
        picture::Camera,
        plan::Plan,
        scene::{Seen, SeenPerson},
    },
    random::Random,
};

/// How often a frame is looked at.
pub const FRAMES_PER_S: u64 = 5;
/// When all of them begin.
pub const BEGINS: &str = "2026-11-28T08:00:00+08:00";
const WIDE: f32 = 640.0;
const HIGH: f32 = 360.0;
/// Where nobody may be, in the workshop: shares of the picture.
const PIT: [f32; 4] = [0.55, 0.8, 0.95, 1.0];

/// One scene and what is watched for in it.
pub struct Play {
    /// `kitchen` or `workshop`, and the seed.
    pub name: String,
    /// It renders the pictures.
    pub camera: Camera,
    /// How many of them.
    pub frames: u64,
    /// What is watched for.
    pub watch: WatchConfig,
}

/// The two scenes of a seed; in a fifth of the time it burns, in another it smokes.
pub fn plays(
    seed: u64,
    seconds: u64,
    persons: &str,
    face: Option<&str>,
) -> anyhow::Result<Vec<Play>> {
    let mut text = format!("seed = {seed}\nbegins = \"{BEGINS}\"\n");
    for scene in ["kitchen", "workshop"] {
        let mut random = Random::seeded(seed).fork(scene);
        let people = 1 + random.bits() % 4;
        let worn = random.between(0.4, 0.75);
        text += &format!(
            "[[camera]]\nid = \"{scene}\"\nscene = \"{scene}\"\nwidth = {WIDE}\nheight = {HIGH}\nframes_per_s = {FRAMES_PER_S}\n\
             people = {people}\nworn = {worn:.3}\n"
        );
        for kind in ["fire", "smoke"] {
            let from = random.between(0.0, 0.8) * seconds as f64;
            let to = from + 0.2 * seconds as f64;
            text += &format!(
                "[[camera.happening]]\nkind = \"{kind}\"\nfrom_s = {from:.1}\nto_s = {to:.1}\n"
            );
        }
    }
    let plan: Plan = toml::from_str(&text)?;
    let plays = plan.camera.into_iter().map(|camera| {
        let (parts, zones) = watched(camera.id == "kitchen");
        Play {
            name: format!("{}-{seed}", camera.id),
            camera: Camera::new(camera, seed, 0),
            frames: seconds * FRAMES_PER_S,
            watch: WatchConfig {
                from: contract::Timestamp::from_millis(0),
                persons: persons.to_owned(),
                face: face.map(str::to_owned),
                parts,
                picture: vec![Class::FireOrSmoke],
                zones,
            },
        }
    });
    Ok(plays.collect())
}

fn watched(is_kitchen: bool) -> (Vec<PartModel>, Vec<Zone>) {
    let zone = |name: &str, kind, [left, top, right, bottom]: [f32; 4], watch: &[Class]| Zone {
        name: name.into(),
        kind,
        polygon: Polygon::new(vec![
            [left, top],
            [right, top],
            [right, bottom],
            [left, bottom],
        ])
        .expect("a rectangle"),
        // A minute of the night: the scenes play at 08:00.
        hours: vec!["00:00-00:01".parse().expect("hours")],
        watch: watch.to_vec(),
    };
    let whole = [0.0, 0.0, 1.0, 1.0];
    let part = |part: Part| PartModel {
        part,
        model: part.shipped().expect("it is shipped").0.to_owned(),
        shadow: None,
        before: None,
    };
    match is_kitchen {
        true => (
            vec![part(Part::Mask), part(Part::FireSmoke)],
            vec![zone("all", Kind::Cooking, whole, &[Class::NoMask])],
        ),
        false => (
            vec![part(Part::Helmet), part(Part::Vest), part(Part::FireSmoke)],
            vec![
                zone(
                    "all",
                    Kind::WorkArea,
                    whole,
                    &[Class::NoHelmet, Class::NoVest, Class::AfterHours],
                ),
                zone("pit", Kind::DangerZone, PIT, &[Class::InDangerZone]),
            ],
        ),
    }
}

/// Whether a person has it so, and whether that could be seen.
pub fn is_so(class: Class, person: &SeenPerson) -> (bool, bool) {
    let gear = &person.gear;
    let [x, y] = [person.foot[0] as f32 / WIDE, person.foot[1] as f32 / HIGH];
    let in_pit = (PIT[0]..PIT[2]).contains(&x) && (PIT[1]..PIT[3]).contains(&y);
    match class {
        Class::NoMask => (!gear.mask, person.face.is_some()),
        Class::NoHelmet => (!gear.helmet, person.head.is_some()),
        Class::NoVest => (!gear.vest, true),
        Class::InDangerZone => (in_pit, true),
        Class::AfterHours => (true, true),
        _ => (false, false),
    }
}

/// True while something burns or smokes.
pub fn burns(truth: &Seen) -> bool {
    truth.smoke.is_some() || truth.flames.iter().any(|flame| flame.fire)
}

/// A box is a person's if it has as much as this in common with what can be seen of it.
pub const COVERS: f32 = 0.3;

/// What a box and a person of the truth have in common, of what they cover together.
pub fn share_of(area: &Area, person: &SeenPerson) -> f32 {
    let [x, y, w, h] = person.person.0.map(|side| side as f32);
    let other = Area {
        left: x / WIDE,
        top: y / HIGH,
        right: (x + w) / WIDE,
        bottom: (y + h) / HIGH,
    };
    overlap(area, &other)
}

/// The person of the truth whom a box covers best, if it covers one.
pub fn nearest<'a>(area: &Area, persons: &'a [SeenPerson]) -> Option<&'a SeenPerson> {
    let shares = persons
        .iter()
        .map(|person| (share_of(area, person), person));
    let (share, best) = shares.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (share >= COVERS).then_some(best)
}

fn overlap(a: &Area, b: &Area) -> f32 {
    let wide = (a.right.min(b.right) - a.left.max(b.left)).max(0.0);
    let high = (a.bottom.min(b.bottom) - a.top.max(b.top)).max(0.0);
    let size = |area: &Area| (area.right - area.left) * (area.bottom - area.top);
    wide * high / (size(a) + size(b) - wide * high)
}
