//! A part of the picture in which something is watched for: `[[camera.zone]]`.
//!
//! Promise: a kind of the fixed list, corners that make a polygon, and nothing watched for that no rule asks for there.

use super::{PartModel, Zone, look::watch};
use crate::{
    camera::watch::{
        class::Class,
        zone::{FORBIDDEN, Hours, Kind, Polygon, is_forbidden},
    },
    section::Section,
};
use contract::problems::Problems;

/// Reads one zone; nothing if its name, kind or corners cannot be read.
pub(super) fn read(
    mut part: Section,
    parts: &[PartModel],
    problems: &mut Problems,
) -> Option<Zone> {
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
