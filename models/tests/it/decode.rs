//! Outputs written by hand, and what must be read of them.

use models::picture::{
    Activation, Area, DecodeError, Decoding, Detection, Manifest, candidates,
    decode::{self, Tensor},
};

/// Two classes (of YuNet one), an input of 64 x 32 with cells of 16 and 32 pixels: 4 x 2 and 2 x 1 of them.
fn manifest(decoding: Decoding) -> Manifest {
    let text = std::fs::read_to_string(crate::folder().join("manifests/yolox-nano.toml")).unwrap();
    let mut manifest = Manifest::parse("yolox-nano.toml", &text).unwrap();
    manifest.input.width = 64;
    manifest.input.height = 32;
    manifest.classes = match decoding {
        Decoding::Yunet { .. } => vec!["face".into()],
        _ => vec!["person".into(), "dog".into()],
    };
    manifest.outputs = ["a", "b", "c", "d", "e", "f"].map(String::from).to_vec();
    manifest.decoding = decoding;
    manifest
}

#[track_caller]
fn check(decoding: Decoding, outputs: &[(&[i64], &[f32])], expected: &[(usize, f32, [f32; 4])]) {
    let manifest = manifest(decoding);
    let found = candidates(&manifest, &tensors(outputs)).unwrap();
    let expected: Vec<_> = expected
        .iter()
        .map(|&(class, score, edges)| seen(class, score, edges))
        .collect();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (got, wanted) in found.iter().zip(&expected) {
        assert_eq!(got.class, wanted.class);
        assert!(
            (got.score - wanted.score).abs() < 1e-4,
            "{got:?}, not {wanted:?}"
        );
        assert!(
            got.area.overlap(&wanted.area) > 0.999,
            "{got:?}, not {wanted:?}"
        );
    }
}

fn seen(class: usize, score: f32, [left, top, right, bottom]: [f32; 4]) -> Detection {
    let area = Area {
        left,
        top,
        right,
        bottom,
    };
    Detection { class, score, area }
}

fn tensors<'a>(outputs: &[(&'a [i64], &'a [f32])]) -> Vec<Tensor<'a>> {
    outputs
        .iter()
        .map(|&(shape, values)| Tensor { shape, values })
        .collect()
}

/// Rows of zeros but for those given.
fn rows(count: usize, side: usize, set: &[(usize, &[f32])]) -> Vec<f32> {
    let mut values = vec![0.0; count * side];
    for (row, numbers) in set {
        values[row * side..(row + 1) * side].copy_from_slice(numbers);
    }
    values
}

const LN2: f32 = std::f32::consts::LN_2;

#[test]
fn yolox_cells_are_counted_row_by_row_and_stride_by_stride() {
    let decoding = Decoding::Yolox {
        strides: vec![16, 32],
    };
    // Cell 6 is (2, 1) of the first stride, cell 9 is (1, 0) of the second. Row 3 is too unsure, row 4 of no class.
    let values = rows(
        10,
        7,
        &[
            (3, &[0.0, 0.0, 0.0, 0.0, 0.29, 1.0, 1.0]),
            (4, &[0.0, 0.0, 0.0, 0.0, 0.9, 0.1, 0.2]),
            (6, &[0.5, 0.5, 0.0, LN2, 0.8, 0.1, 0.9]),
            (9, &[0.0, 0.5, LN2, 0.0, 1.0, 0.5, 0.4]),
        ],
    );
    let (first, second) = ([32.0, 8.0, 48.0, 40.0], [0.0, 0.0, 64.0, 32.0]);
    check(
        decoding,
        &[(&[1, 10, 7], &values)],
        &[(1, 0.72, first), (0, 0.5, second)],
    );
}

#[test]
fn yolov5_rows_are_pixels_of_the_input() {
    let values = rows(5, 7, &[(2, &[30.0, 16.0, 20.0, 8.0, 0.9, 0.8, 0.1])]);
    check(
        Decoding::Yolov5,
        &[(&[1, 5, 7], &values)],
        &[(0, 0.72, [20.0, 12.0, 40.0, 20.0])],
    );
}

#[test]
fn yolov8_stands_on_its_side_and_has_no_objectness() {
    let values = [
        [10.0, 30.0, 0.0],
        [10.0, 16.0, 0.0],
        [4.0, 20.0, 0.0],
        [4.0, 8.0, 0.0],
        [0.1, 0.2, 0.0],
        [0.2, 0.6, 0.0],
    ];
    check(
        Decoding::Yolov8,
        &[(&[1, 6, 3], values.as_flattened())],
        &[(1, 0.6, [20.0, 12.0, 40.0, 20.0])],
    );
}

#[test]
fn yunet_combines_class_and_objectness_of_each_cell() {
    let decoding = Decoding::Yunet {
        strides: vec![16, 32],
    };
    let (class, object) = (
        rows(8, 1, &[(5, &[0.81])]),
        rows(8, 1, &[(5, &[1.3]), (6, &[1.0])]),
    );
    let boxes = rows(8, 4, &[(5, &[0.5, 0.5, 0.0, 0.0])]);
    let (none, no_boxes) = (rows(2, 1, &[]), rows(2, 4, &[]));
    let outputs: [(&[i64], &[f32]); 6] = [
        (&[1, 8, 1], &class),
        (&[1, 8, 1], &object),
        (&[1, 8, 4], &boxes),
        (&[1, 2, 1], &none),
        (&[1, 2, 1], &none),
        (&[1, 2, 4], &no_boxes),
    ];
    check(decoding, &outputs, &[(0, 0.9, [16.0, 16.0, 32.0, 32.0])]);
}

#[test]
fn ultraface_scores_begin_with_the_background() {
    let scores = rows(
        3,
        3,
        &[
            (0, &[0.9, 0.05, 0.05]),
            (1, &[0.1, 0.2, 0.7]),
            (2, &[0.2, 0.8, 0.0]),
        ],
    );
    let boxes = rows(
        3,
        4,
        &[(1, &[0.25, 0.5, 0.5, 1.0]), (2, &[0.0, 0.0, 0.5, 0.5])],
    );
    check(
        Decoding::Ultraface,
        &[(&[1, 3, 3], &scores), (&[1, 3, 4], &boxes)],
        &[
            (1, 0.7, [16.0, 16.0, 32.0, 32.0]),
            (0, 0.8, [0.0, 0.0, 32.0, 16.0]),
        ],
    );
}

#[test]
fn fastestdet_planes_give_one_thing_for_each_cell() {
    // Four cells in two rows; the third one (0, 1) sees a dog of half the input.
    let mut planes = vec![0.0; 7 * 4];
    planes[2] = 0.9;
    planes[5 * 4 + 2] = 0.1;
    planes[6 * 4 + 2] = 0.8;
    let score = 0.9_f32.powf(0.6) * 0.8_f32.powf(0.4);
    check(
        Decoding::Fastestdet,
        &[(&[1, 7, 2, 2], &planes)],
        &[(1, score, [-16.0, 8.0, 16.0, 24.0])],
    );
}

#[test]
fn a_classifier_gives_a_score_for_each_class() {
    let numbers: [f32; 2] = [0.0, 3.0_f32.ln()];
    for (activation, expected) in [
        (Activation::Softmax, [0.25, 0.75]),
        (Activation::Sigmoid, [0.5, 0.75]),
        (Activation::None, [0.0, 3.0_f32.ln()]),
    ] {
        let manifest = manifest(Decoding::Classifier { activation });
        let scores = decode::scores(&manifest, &tensors(&[(&[1, 2], &numbers)])).unwrap();
        for (got, wanted) in scores.iter().zip(expected) {
            assert!((got - wanted).abs() < 1e-5, "{activation:?}: {scores:?}");
        }
    }
}

#[test]
fn an_output_of_another_shape_is_refused_with_what_is_wanted() {
    let decoding = Decoding::Yolox {
        strides: vec![16, 32],
    };
    let values = vec![0.0; 9 * 7];
    let error = candidates(&manifest(decoding), &tensors(&[(&[1, 9, 7], &values)])).unwrap_err();
    let text = error.to_string();
    for part in ["\"a\"", "[1, 9, 7]", "[1, 10, 7]", "manifest"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_is_no_number_is_an_error_and_not_nothing() {
    for (place, number) in [(4, f32::NAN), (5, f32::NAN), (0, f32::NAN), (2, 1000.0)] {
        let mut row = [0.0, 0.0, 0.0, 0.0, 0.9, 0.9, 0.1];
        row[place] = number;
        let values = rows(10, 7, &[(1, &row)]);
        let decoding = Decoding::Yolox {
            strides: vec![16, 32],
        };
        let found = candidates(&manifest(decoding), &tensors(&[(&[1, 10, 7], &values)]));
        assert_eq!(found, Err(DecodeError::NotANumber), "place {place}");
    }
}
