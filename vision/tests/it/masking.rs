//! Masked pictures: of every face that the truth knows, nothing is left.

use crate::{Agent, can_run, config, frames, rgb, shipped};
use contract::vision::{Area, Said, What};
use models::picture::Image;
use simulators::camera::plan::Place;

/// Faces narrower than this are not counted, pixels.
const WIDTH_MIN: u32 = 20;

/// The share of pixels of a rectangle (left, top, width, height) that lie in one of the areas.
fn covered([x, y, w, h]: [u32; 4], areas: &[Area]) -> f64 {
    let inside = (0..w * h).filter(|i| {
        let (px, py) = ((x + i % w) as f32 + 0.5, (y + i / w) as f32 + 0.5);
        let (px, py) = (px / 640.0, py / 360.0);
        areas
            .iter()
            .any(|a| a.left <= px && px < a.right && a.top <= py && py < a.bottom)
    });
    inside.count() as f64 / f64::from(w * h)
}

/// Mean difference between neighbours in a row: what edges a rectangle has.
fn edges(image: &Image, [x, y, w, h]: [u32; 4]) -> f64 {
    let at = |x: u32, y: u32| {
        let i = (y * image.width() + x) as usize * 3;
        f64::from(image.rgb()[i + 1])
    };
    let pairs = (y..y + h).flat_map(|y| (x..x + w - 1).map(move |x| (x, y)));
    let all: Vec<f64> = pairs
        .map(|(x, y)| (at(x, y) - at(x + 1, y)).abs())
        .collect();
    all.iter().sum::<f64>() / all.len() as f64
}

#[tokio::test]
async fn of_the_faces_in_rendered_frames_nothing_is_left() {
    if !can_run() {
        return;
    }
    let agent = Agent::start(config(vec![shipped()]));
    let (mut faces, mut masked) = (0, 0);
    let (mut edges_before, mut edges_after) = (0.0, 0.0);
    let mut outside = 0.0;
    let all = [(Place::Kitchen, 301), (Place::Workshop, 302)];
    let all: Vec<_> = all
        .into_iter()
        .flat_map(|(scene, seed)| frames(scene, seed, 110))
        .collect();
    for (picture, truth) in &all {
        let (pixels, body) = rgb(picture);
        let what = What::Faces {
            pixels,
            detectors: vec!["simulated-persons".into()],
        };
        let (answer, _) = agent.vision.ask(what, body.clone()).await.unwrap();
        let Said::Faces(areas) = answer.said else {
            panic!("{answer:?}")
        };
        let what = What::Mask {
            pixels,
            areas: areas.clone(),
            quality: 85,
        };
        let (answer, jpeg) = agent.vision.ask(what, body.clone()).await.unwrap();
        assert!(answer.said == Said::Masked && answer.models.is_empty());
        let after = Image::from_jpeg(&jpeg).unwrap();
        let before = Image::new(640, 360, body.to_vec()).unwrap();
        assert_eq!((after.width(), after.height()), (640, 360));
        outside += 1.0 - covered([0, 0, 640, 360], &areas);
        for face in truth.seen.persons.iter().filter_map(|person| person.face) {
            if face.0[2] < WIDTH_MIN {
                continue;
            }
            faces += 1;
            if covered(face.0, &areas) < 0.75 {
                continue;
            }
            masked += 1;
            edges_before += edges(&before, face.0);
            edges_after += edges(&after, face.0);
        }
    }
    let outside = outside / all.len() as f64;
    println!(
        "{masked} of {faces} faces of {WIDTH_MIN} pixels and more masked; edges in them {:.2} before, {:.2} after; \
         {outside:.2} of a picture stays",
        edges_before / f64::from(masked),
        edges_after / f64::from(masked)
    );
    assert!(faces >= 80, "{faces}");
    assert!(
        f64::from(masked) >= 0.99 * f64::from(faces),
        "{masked} of {faces}"
    );
    assert!(edges_after < 0.5 * edges_before);
    assert!(outside > 0.8, "too much is masked: {outside}");
    agent.stop().await;
}
