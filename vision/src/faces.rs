//! Where faces and heads are or must be, as masking wants it: rather too much than one too few, and looked for in the whole
//! picture and closer in its parts.

use crate::{
    look::shares,
    shelf::{Failure, Run},
};
use contract::vision;
use models::picture::{
    Area, Image, Task,
    mask::{self, REACH},
    search::search,
};

/// What of `image` nobody may see, by all of these detectors.
pub fn find(
    run: &mut Run,
    image: &Image,
    detectors: &[String],
) -> Result<Vec<vision::Area>, Failure> {
    if detectors.is_empty() {
        let words =
            "no detector is named, so nothing would be masked; name those of faces and of persons";
        return Err(Failure::other(words));
    }
    let (mut faces, mut persons) = (Vec::new(), Vec::new());
    for name in detectors {
        let manifest = run.manifest(name)?;
        let known = ["face", "masked_face", "head", "person"];
        if manifest.task == Task::Classes || !known.iter().any(|c| manifest.class(c).is_some()) {
            let words = "it finds neither faces nor heads nor persons, so masking cannot use it";
            return Err(Failure::of_model(name, words));
        }
        let found = run.with(name, None, |model| search(model, image))?;
        faces.extend(found.faces);
        persons.extend(found.persons);
    }
    let areas: Vec<Area> = mask::areas(&REACH, &faces, &persons, image.width(), image.height());
    Ok(areas.iter().map(|area| shares(area, image)).collect())
}
