use crate::{runtime, tiny, words};
use models::picture::{Detector, DetectorError, Image, Manifest, golden};

fn parsed(text: &str) -> Manifest {
    Manifest::parse("tiny.toml", text).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_file_and_a_manifest_are_all_that_a_model_needs() {
    let Some(runtime) = runtime() else { return };
    let manifest = parsed(&tiny::manifest("tiny", None, ""));
    let mut detector = Detector::open(manifest, &tiny::model(), &runtime, 1).unwrap();
    let image = Image::plain(30, 20, [255, 51, 0]).unwrap();
    let scores = detector.classify(&image).unwrap();
    for (got, wanted) in scores.iter().zip([1.0, 0.2, 0.0]) {
        assert!((got - wanted).abs() < 1e-5, "{scores:?}");
    }
    let error = detector.detect(&image).unwrap_err().to_string();
    assert!(
        error.contains("tiny") && error.contains("not where"),
        "{error}"
    );
}

#[test]
fn a_manifest_that_does_not_fit_its_file_is_refused_when_it_is_opened() {
    let Some(runtime) = runtime() else { return };
    let good = tiny::manifest("tiny", None, "");
    let open = |text: &str, bytes: &[u8]| {
        let error = Detector::open(parsed(text), bytes, &runtime, 1)
            .err()
            .expect("a refusal");
        words(&error)
    };
    for (from, to, expected) in [
        ("width = 8", "width = 16", "correct [input]"),
        ("nchw", "nhwc", "correct [input]"),
        ("[\"means\"]", "[\"mean\"]", "it has: means"),
    ] {
        let text = open(&good.replace(from, to), &tiny::model());
        assert!(text.contains(expected), "{to}: {text}");
    }
    let mut damaged = tiny::model();
    damaged[9] ^= 1;
    let text = open(&good, &damaged);
    assert!(
        text.contains("SHA-256") && text.contains("fetch it again"),
        "{text}"
    );
    let rubbish = b"no model".as_slice();
    let sha256 = models::catalogue::sha256(&tiny::model());
    let text = open(
        &good.replace(&sha256, &models::catalogue::sha256(rubbish)),
        rubbish,
    );
    assert!(text.contains("must be an ONNX model"), "{text}");
}

#[test]
fn without_onnx_runtime_a_model_is_honestly_unavailable() {
    let nowhere = models::RuntimePath(Some("/nowhere/libonnxruntime.so".into()));
    let manifest = parsed(&tiny::manifest("tiny", None, ""));
    match Detector::open(manifest, &tiny::model(), &nowhere, 1) {
        Err(DetectorError::Unavailable(reason)) => {
            assert!(reason.contains("models/setup"), "{reason}")
        }
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn a_golden_input_finds_a_model_that_gives_something_else() {
    let Some(runtime) = runtime() else { return };
    let manifest = parsed(&tiny::manifest("tiny", None, ""));
    let mut detector = Detector::open(manifest, &tiny::model(), &runtime, 1).unwrap();
    let observed = golden::observe(&mut detector, golden::RAMPS, &golden::ramps()).unwrap();
    let with = |golden: &str| {
        let manifest = parsed(&tiny::manifest("tiny", None, golden));
        let mut detector = Detector::open(manifest, &tiny::model(), &runtime, 1).unwrap();
        golden::check(&mut detector, |name| Err(format!("no {name}"))).unwrap()
    };
    let text = golden::to_toml(&observed);
    assert_eq!(with(&text), Vec::<String>::new());
    let other = text.replacen("samples = [0.", "samples = [3.", 1);
    assert_ne!(other, text);
    assert!(
        with(&other)[0].contains("ramps: sample 1 of output \"means\" is 0."),
        "{:?}",
        with(&other)
    );
    let more = text.replacen(
        "class = \"red\"\nscore = 0.",
        "class = \"blue\"\nscore = 1.",
        1,
    );
    assert_ne!(more, text);
    assert!(
        with(&more)
            .iter()
            .any(|word| word.contains("found in addition: red")),
        "{:?}",
        with(&more)
    );
    assert_eq!(with(&text.replace("ramps", "gone.jpg")), ["no gone.jpg"]);
}
