//! Where faces and heads are or must be, as masking wants it: rather too much than one too few.

use crate::{
    look::shares,
    shelf::{Failure, Run},
};
use contract::vision;
use models::picture::{
    Area, Detection, Image, Task,
    mask::{self, FACE_SCORE_MIN, PERSON_SCORE_MIN, REACH},
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
        let least = FACE_SCORE_MIN.min(PERSON_SCORE_MIN);
        let found = run.with(name, Some(least), |model| model.detect(image))?;
        let manifest = run.manifest(name)?;
        let sure = |score_min| -> Vec<Detection> {
            let sure = found.iter().filter(|d| d.score >= score_min);
            sure.copied().collect()
        };
        let (found_faces, _) = mask::faces_and_persons(manifest, &sure(FACE_SCORE_MIN));
        let (_, found_persons) = mask::faces_and_persons(manifest, &sure(PERSON_SCORE_MIN));
        faces.extend(found_faces);
        persons.extend(found_persons);
    }
    let areas: Vec<Area> = mask::areas(&REACH, &faces, &persons, image.width(), image.height());
    Ok(areas.iter().map(|area| shares(area, image)).collect())
}
