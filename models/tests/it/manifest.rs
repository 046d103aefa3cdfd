use models::picture::{Manifest, Task, store::read_manifest};

fn shipped() -> Vec<(std::path::PathBuf, String)> {
    let folder = crate::folder().join("manifests");
    let mut files: Vec<_> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    files.sort();
    files
        .into_iter()
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn every_shipped_manifest_is_whole_and_names_licence_source_and_a_known_input() {
    let all = shipped();
    assert!(all.len() >= 9);
    for (path, _) in all {
        let (manifest, _) =
            read_manifest(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(manifest.name, name);
        assert!(
            manifest.source.is_some() && !manifest.golden.is_empty(),
            "{name}"
        );
    }
}

#[test]
fn no_shipped_manifest_reads_landmarks() {
    for (path, text) in shipped() {
        let names = Manifest::parse("m", &text).unwrap().outputs.join(" ");
        for word in ["kps", "landmark", "embed"] {
            assert!(!names.contains(word), "{}: {names}", path.display());
        }
    }
}

#[test]
fn all_problems_of_a_manifest_come_in_one_run_with_place_fault_and_mending() {
    let text = r#"
name = "../mine"
version = 0
task = "recognition"
file = "/etc/model.onnx"
sha256 = "abc"
licence = ""
source = "ftp://example.org/model.onnx"
classes = ["a", "a"]
landmarks = true

[input]
width = 416
layout = "nchw"
colour = "yuv"
mean = [0, 0]
std = [1, 0, 1]
fit = "letterbox"

[output]
decoding = "yolox"
names = ["one", "two"]
strides = []

[thresholds]
score = 1.5

[[golden]]
picture = "../secret.jpg"
[[golden.found]]
class = "b"
score = 0.5
box = [1, 2, 3]
"#;
    let problems = Manifest::parse("mine.toml", text).unwrap_err();
    let lines = problems.to_string();
    for expected in [
        "mine.toml: name: has other signs than letters, digits, - _ .; choose a plain name",
        "mine.toml: version: is 0; write a whole number from 1 to 1000000",
        "mine.toml: task: is \"recognition\"; write one of \"objects\", \"faces\", \"masks\", \"classes\"",
        "mine.toml: file: is no plain file name; ",
        "mine.toml: sha256: is no SHA-256; write the 64 digits that `sha256sum FILE` prints",
        "mine.toml: licence: is \"\"; write a text in quotation marks",
        "mine.toml: source: is no web address; ",
        "mine.toml: classes: has \"a\" twice; name each class once",
        "mine.toml: landmarks: is no key here; take it out, or mend its name",
        "mine.toml: [input]: height: is missing; write a whole number from 8 to 4096",
        "mine.toml: [input]: colour: is \"yuv\"; write one of \"rgb\", \"bgr\"",
        "mine.toml: [input]: mean: is [0, 0]; write three numbers, one for each colour",
        "mine.toml: [input]: std: has a number that is not above 0; ",
        "mine.toml: [input]: pad: is missing; ",
        "mine.toml: [output]: strides: is []; ",
        "mine.toml: [thresholds]: score: is 1.5; write a number from 0 to 1",
        "mine.toml: [thresholds]: overlap: is missing; write a number from 0 to 1",
        "mine.toml: golden 1: picture: is no plain file name; ",
        "mine.toml: golden 1: found 1: class: \"b\" is not among `classes`; name one of them",
        "mine.toml: golden 1: found 1: box: has not four numbers; ",
    ] {
        assert!(
            lines.lines().any(|line| line.starts_with(expected)),
            "{expected}\nis not in\n{lines}"
        );
    }
}

#[test]
fn what_does_not_go_together_is_said() {
    let (_, text) = shipped()
        .into_iter()
        .find(|(path, _)| path.ends_with("ultraface-masked-640.toml"))
        .unwrap();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        Manifest::parse("m", &text.replace(from, to)).map(|m| m.task)
    };
    assert_eq!(with("masks", "masks"), Ok(Task::Masks));
    for (from, to, expected) in [
        ("\"masked_face\"]", "\"mask\"]", "has no \"masked_face\""),
        ("\"masks\"", "\"classes\"", "does not go with the decoding"),
        (
            "\"scores\", \"boxes\"",
            "\"scores\"",
            "has 1 names, this decoding needs 2",
        ),
        ("\"ultraface\"", "\"yunet\"", "strides: is missing"),
        ("[input]", "crop = \"face\"\n[input]", "is for classifiers"),
        (
            "[input]",
            "crop = \"hand\"\n[input]",
            "crop: is \"hand\"; write one of \"picture\"",
        ),
        ("[input]", "[inputs]", "[input]"),
        ("name = ", "name: ", "is not TOML"),
    ] {
        let error = with(from, to).unwrap_err().to_string();
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
}
