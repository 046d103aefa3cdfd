//! What was seen in a frame, as it is drawn over it. Pure.

use crate::camera::watch::{class::Class, config::WatchConfig};
use contract::{
    Timestamp,
    footage::{Frame, Marked},
    vision::{Area, Person, Verdict},
};

/// Persons with their numbers and what the models that count say of each; what they say of the whole picture is a frame around it.
pub(super) fn drawn(
    config: &WatchConfig,
    at: Timestamp,
    picture: &[Verdict],
    persons: &[Person],
    ids: &[Option<u64>],
) -> Frame {
    let counts = |verdict: &&Verdict| {
        let mut parts = config.parts.iter();
        parts.any(|part| part.model == verdict.model)
    };
    let classes = |verdicts: &[Verdict]| {
        let said = verdicts.iter().filter(counts);
        said.filter_map(|verdict| verdict.class.clone())
            .collect::<Vec<String>>()
    };
    let mut boxes: Vec<Marked> = persons
        .iter()
        .zip(ids)
        .map(|(person, track)| Marked {
            area: person.area,
            track: *track,
            classes: [vec!["person".to_owned()], classes(&person.verdicts)].concat(),
        })
        .collect();
    let picture: Vec<String> = classes(picture)
        .into_iter()
        .filter(|said| Class::ALL.iter().any(|class| class.said_as() == said))
        .collect();
    if !picture.is_empty() {
        boxes.push(Marked {
            area: Area {
                left: 0.0,
                top: 0.0,
                right: 1.0,
                bottom: 1.0,
            },
            track: None,
            classes: picture,
        });
    }
    Frame { at, boxes }
}
