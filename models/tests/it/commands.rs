//! The program `models` and a folder of models, with a server on the loopback that gives them out.

use crate::{folder, runtime, tiny};
use models::picture::golden;
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output},
    sync::{Arc, Mutex},
    thread,
};

/// Runs `models ARGUMENTS --folder FOLDER`.
fn models(there: &Path, arguments: &[&str]) -> Output {
    let runtime = runtime()
        .and_then(|runtime| runtime.0)
        .expect("looked for before");
    Command::new(env!("CARGO_BIN_EXE_models"))
        .args(arguments)
        .arg("--folder")
        .arg(there.join("models"))
        .env("ORT_DYLIB_PATH", runtime)
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap()
}

#[track_caller]
fn good(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn refused(output: &Output, parts: &[&str]) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it went through");
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {error}");
    }
}

/// A folder with the tiny model and its manifest, which has a golden input.
fn with_tiny(source: Option<&str>) -> tempfile::TempDir {
    let there = tempfile::tempdir().unwrap();
    let file = there.path().join("any.onnx");
    let manifest = there.path().join("tiny.toml");
    std::fs::write(&file, tiny::model()).unwrap();
    std::fs::write(&manifest, tiny::manifest("tiny", source, "")).unwrap();
    let printed = good(&models_golden(&file, &manifest));
    assert!(printed.contains(golden::RAMPS), "{printed}");
    std::fs::write(&manifest, tiny::manifest("tiny", source, &printed)).unwrap();
    there
}

fn models_golden(file: &Path, manifest: &Path) -> Output {
    let runtime = runtime()
        .and_then(|runtime| runtime.0)
        .expect("looked for before");
    Command::new(env!("CARGO_BIN_EXE_models"))
        .arg("golden")
        .args([file, manifest])
        .env("ORT_DYLIB_PATH", runtime)
        .output()
        .unwrap()
}

#[test]
fn a_model_is_added_checked_measured_and_used() {
    if runtime().is_none() {
        return;
    }
    let there = with_tiny(None);
    let path = |name: &str| there.path().join(name).display().to_string();
    let added = good(&models(
        there.path(),
        &["add", &path("any.onnx"), &path("tiny.toml")],
    ));
    assert!(added.contains("tiny version 1 added"), "{added}");
    assert_eq!(
        std::fs::read(there.path().join("models/tiny.onnx")).unwrap(),
        tiny::model()
    );
    assert!(
        good(&models(there.path(), &["check"]))
            .contains("tiny: gives what its manifest says (1 golden)")
    );
    let bench = good(&models(there.path(), &["bench", "tiny", "--seconds", "0"]));
    for part in [
        "1920 x 1080",
        "1 thread(s)",
        "2 thread(s)",
        "bare session",
        "% of the whole",
    ] {
        assert!(bench.contains(part), "{part:?} is not in {bench}");
    }
}

#[test]
fn what_detect_prints_is_one_line_of_json_for_each_picture() {
    let Some(picture) = shared_picture() else {
        return;
    };
    if runtime().is_none() {
        return;
    }
    let there = with_tiny(None);
    let path = |name: &str| there.path().join(name).display().to_string();
    good(&models(
        there.path(),
        &["add", &path("any.onnx"), &path("tiny.toml")],
    ));
    let output = models(
        there.path(),
        &["detect", "tiny", &picture, &path("tiny.toml")],
    );
    refused(&output, &["1 of 2 pictures could not be read"]);
    let lines: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&lines[0]["width"], &lines[0]["model"]),
        (&810.into(), &"tiny".into())
    );
    assert!(lines[0]["classes"]["red"].as_f64().unwrap() > 0.2);
    assert!(lines[1]["error"].as_str().unwrap().contains("JPEG"));
}

fn shared_picture() -> Option<String> {
    let place = std::env::var_os("ONEDOOR_SHARED").map(std::path::PathBuf::from);
    let place = place
        .unwrap_or_else(|| folder().join("../../shared"))
        .join("models/samples/bus.jpg");
    if !place.is_file() {
        println!(
            "not checked: {} is not there (set ONEDOOR_SHARED)",
            place.display()
        );
        return None;
    }
    Some(place.display().to_string())
}

#[test]
fn a_model_that_is_not_what_its_manifest_says_does_not_get_in() {
    if runtime().is_none() {
        return;
    }
    let there = with_tiny(None);
    let path = |name: &str| there.path().join(name).display().to_string();
    let text = std::fs::read_to_string(there.path().join("tiny.toml")).unwrap();
    let add = || {
        models(
            there.path(),
            &["add", &path("any.onnx"), &path("tiny.toml")],
        )
    };
    std::fs::write(
        there.path().join("tiny.toml"),
        text.replacen("mean = 0.", "mean = 7.", 1),
    )
    .unwrap();
    refused(&add(), &["was not added", "mean of output \"means\""]);
    std::fs::write(
        there.path().join("tiny.toml"),
        text.replace("width = 8", "width = \"8\""),
    )
    .unwrap();
    refused(
        &add(),
        &["tiny.toml: [input]: width: is \"8\"; write a whole number"],
    );
    std::fs::write(there.path().join("tiny.toml"), &text).unwrap();
    std::fs::write(there.path().join("any.onnx"), b"another").unwrap();
    refused(&add(), &["SHA-256", "fetch it again"]);
    assert!(!there.path().join("models/tiny.toml").exists());
    refused(
        &models(there.path(), &["check"]),
        &["has no models", "models add"],
    );
    refused(
        &models(there.path(), &["detect", "tiny", "x.jpg"]),
        &["has no model \"tiny\""],
    );
}

#[test]
fn check_finds_a_file_that_was_damaged_after_it_was_added() {
    if runtime().is_none() {
        return;
    }
    let there = with_tiny(None);
    let path = |name: &str| there.path().join(name).display().to_string();
    good(&models(
        there.path(),
        &["add", &path("any.onnx"), &path("tiny.toml")],
    ));
    std::fs::write(there.path().join("models/tiny.onnx"), b"damaged").unwrap();
    let output = models(there.path(), &["check"]);
    refused(&output, &["1 of 1 models are not as their manifests say"]);
    assert!(
        String::from_utf8_lossy(&output.stdout)
            .contains("tiny: the file of model \"tiny\" is damaged")
    );
    // Adding it once more mends it.
    good(&models(
        there.path(),
        &["add", &path("any.onnx"), &path("tiny.toml")],
    ));
    good(&models(there.path(), &["check"]));
}

#[test]
fn fetch_takes_a_model_over_http_and_goes_on_where_a_broken_line_left_it() {
    if runtime().is_none() {
        return;
    }
    let server = Server::start(tiny::model());
    let there = with_tiny(Some(&server.address));
    let manifest = there.path().join("tiny.toml").display().to_string();
    server.breaks_after(100);
    refused(
        &models(there.path(), &["fetch", &manifest]),
        &["cannot fetch", "goes on where it broke"],
    );
    assert!(!there.path().join("models/tiny.toml").exists());
    let fetched = good(&models(there.path(), &["fetch", &manifest]));
    assert!(fetched.contains("tiny version 1 added"), "{fetched}");
    assert_eq!(server.ranges(), [None, Some("bytes=100-".to_owned())]);
    good(&models(there.path(), &["check"]));
    let again = good(&models(there.path(), &["fetch", &manifest]));
    assert!(again.contains("is there already"), "{again}");
    assert_eq!(server.ranges().len(), 2);
    let mut left: Vec<_> = there
        .path()
        .join("models")
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["tiny.onnx", "tiny.toml"]);
}

#[test]
fn fetch_throws_away_what_is_not_the_file_of_the_manifest() {
    if runtime().is_none() {
        return;
    }
    let server = Server::start(b"something else".to_vec());
    let there = with_tiny(Some(&server.address));
    let manifest = there.path().join("tiny.toml").display().to_string();
    refused(
        &models(there.path(), &["fetch", &manifest]),
        &["is not the file of the manifest", "thrown away"],
    );
    assert_eq!(there.path().join("models").read_dir().unwrap().count(), 0);
    let moved = with_tiny(Some(&format!("{}/moved", server.address)));
    let manifest = moved.path().join("tiny.toml").display().to_string();
    refused(
        &models(moved.path(), &["fetch", &manifest]),
        &["answers 404", "moved"],
    );
}

/// Gives one file out over HTTP/1.1, with ranges; a path that ends in `moved` is not found.
struct Server {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    body: Vec<u8>,
    breaks_after: Option<usize>,
    ranges: Vec<Option<String>>,
}

impl Server {
    fn start(body: Vec<u8>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/tiny.onnx", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            body,
            ..State::default()
        }));
        let served = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that goes away in the middle is no matter of the server.
                let _gone = answer(&mut stream.unwrap(), &served);
            }
        });
        Server { address, state }
    }

    /// The next answer, and no other, ends after so many bytes.
    fn breaks_after(&self, bytes: usize) {
        self.state.lock().unwrap().breaks_after = Some(bytes);
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.state.lock().unwrap().ranges.clone()
    }
}

fn answer(stream: &mut TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    if request
        .lines()
        .next()
        .is_some_and(|line| line.contains("moved"))
    {
        return stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    let range = request.lines().find_map(|line| {
        line.strip_prefix("range: ")
            .or(line.strip_prefix("Range: "))
    });
    let from: usize = range.map_or(0, |r| {
        r.trim_start_matches("bytes=")
            .trim_end_matches('-')
            .parse()
            .unwrap()
    });
    let mut state = state.lock().unwrap();
    state.ranges.push(range.map(str::to_owned));
    let body = state.body[from..].to_vec();
    let status = if from > 0 {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    let until = state.breaks_after.take().unwrap_or(body.len());
    stream.write_all(&body[..until])
}
