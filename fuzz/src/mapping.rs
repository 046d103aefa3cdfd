//! Any text as the mapping of a JSON device, and any bytes as its message: the text is read or refused in words, the
//! message gives readings or a reason, never a panic. Text and message are divided by a line of three dashes.

use contract::{Quality, problems::Problems};
use edge_agent::{
    section::Section,
    source::json::mapping::{self, Mapping, Refused, Taken},
};

const DIVIDES: &[u8] = b"\n---\n";
/// For messages beside a text that is no mapping.
const USUAL: &str = "[time]\npointer=\"/ts\"\nunit=\"ms\"\n[[point]]\nname=\"t\"\npointer=\"/t\"\nunit=\"℃\"\n\
    scale=0.1\noffset=-40\nrange=[-40,60]\n[[point]]\nname=\"u\"\npointer=\"/d/0/a~1b\"\nunit=\"1\"\nrange=[0,1]\n";

/// See above.
pub fn check(input: &[u8]) {
    let at = input.windows(DIVIDES.len()).position(|w| w == DIVIDES);
    let (text, message) = match at {
        Some(at) => (&input[..at], &input[at + DIVIDES.len()..]),
        None => (input, input),
    };
    if let Ok(text) = str::from_utf8(text) {
        take(read(text).ok(), message);
    }
    take(read(USUAL).ok(), message);
}

fn read(text: &str) -> Result<Mapping, Problems> {
    let mut problems = Problems::new();
    let mapping = Section::parse("mapping.toml", text, &mut problems).and_then(|mut part| {
        let mapping = mapping::read(&mut part, &mut problems);
        part.finish(&mut problems);
        mapping
    });
    for problem in problems.iter() {
        assert!(!problem.place.is_empty() && !problem.what.is_empty() && !problem.fix.is_empty());
    }
    problems.into_result(())?;
    let mapping = mapping.expect("what is refused is refused in words");
    assert!(!mapping.points.is_empty());
    Ok(mapping)
}

fn take(mapping: Option<Mapping>, message: &[u8]) {
    let Some(mapping) = mapping else { return };
    let taken = mapping.take(message);
    match &taken {
        Ok(taken) => holds(&mapping, taken),
        Err(refused) => assert!(!refused.to_string().is_empty()),
    }
    // Blanks around it change nothing but the place that a refusal names.
    let spaced = [b" \n", message, b"\t\r"].concat();
    match (taken, mapping.take(&spaced)) {
        (Err(Refused::NotJson(_)), again) => assert!(matches!(
            again,
            Err(Refused::NotJson(_) | Refused::TooLong(_))
        )),
        (_, Err(Refused::TooLong(_))) => {}
        (taken, again) => assert_eq!(taken, again),
    }
}

/// What a message gave is what the mapping promises of it.
fn holds(mapping: &Mapping, taken: &Taken) {
    assert_eq!(taken.at.is_some(), mapping.clock.is_some());
    assert!(!taken.values.is_empty());
    let places = taken.values.iter().map(|(place, ..)| *place);
    assert!(places.is_sorted_by(|a, b| a < b));
    for (place, value, quality) in &taken.values {
        let (low, high) = mapping.points[*place].range;
        match (quality, value) {
            (Quality::Good, Some(x)) => assert!((low..=high).contains(x)),
            (Quality::Suspect(_), Some(x)) => assert!(x.is_finite() && !(low..=high).contains(x)),
            (Quality::Missing(_), None) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(taken.complaints.len() <= taken.values.len());
}
