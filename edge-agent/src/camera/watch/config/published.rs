//! What was told to the public of a camera: `[camera.published]`.

use super::Published;
use crate::section::Section;
use contract::{Timestamp, problems::Problems};

/// Reads the table; nothing if any of it is missing.
pub(super) fn read(mut part: Section, problems: &mut Problems) -> Option<Published> {
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
