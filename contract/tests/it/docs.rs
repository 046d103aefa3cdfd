//! The documents say what is there: every relative link leads to a file, and a link whose text is a code span
//! names something that its file defines. It stands here because this crate builds in seconds.
//!
//! The one form: [`Name`](../path/to/file.rs), where the name is an item or a `Type::method`; in TypeScript also
//! the title of a test.

use std::path::{Path, PathBuf};

fn repository() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("the crate is in a folder of it")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The front pages and everything below `docs/`.
fn documents() -> Vec<PathBuf> {
    let mut found = vec![
        repository().join("README.md"),
        repository().join("README.zh-CN.md"),
    ];
    let mut folders = vec![repository().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// Text and target of each link; blocks of code are left out.
fn links(markdown: &str) -> Vec<(String, String)> {
    let prose = markdown.split("```").step_by(2).collect::<String>();
    let mut found = Vec::new();
    for (at, _) in prose.match_indices("](") {
        let Some(begin) = prose[..at].rfind('[') else {
            continue;
        };
        let target = &prose[at + 2..];
        let Some(end) = target.find(')') else {
            continue;
        };
        found.push((prose[begin + 1..at].to_owned(), target[..end].to_owned()));
    }
    found
}

/// The links of a document whose text is a code span and whose target is a source file: name and path.
fn named(document: &Path) -> Vec<(String, PathBuf)> {
    let folder = document.parent().unwrap();
    let source = |target: &str| [".rs", ".ts", ".tsx"].iter().any(|e| target.ends_with(e));
    links(&read(document))
        .into_iter()
        .filter(|(_, target)| source(target))
        .filter_map(|(text, target)| {
            let name = text.strip_prefix('`')?.strip_suffix('`')?;
            Some((name.to_owned(), folder.join(target)))
        })
        .collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// True if `word` stands in `text` as a whole word right after one of `before`.
fn follows(text: &str, before: &[&str], word: &str) -> bool {
    before.iter().any(|before| {
        let wanted = format!("{before} {word}");
        text.match_indices(&wanted).any(|(at, _)| {
            let begins = !text[..at].chars().next_back().is_some_and(is_word);
            begins && !text[at + wanted.len()..].starts_with(is_word)
        })
    })
}

/// The bodies of the `impl` blocks of `name`; rustfmt puts their braces in the first column.
fn impls<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let is_of = |line: &str| line.split(|c| !is_word(c)).any(|word| word == name);
    text.split("\nimpl")
        .skip(1)
        .filter(|block| is_of(block.split('{').next().unwrap_or_default()))
        .map(|block| block.split("\n}").next().unwrap_or_default())
        .collect()
}

fn defines(path: &Path, text: &str, name: &str) -> bool {
    if path.extension().is_some_and(|e| e != "rs") {
        let items = ["function", "const", "class", "interface", "type"];
        return follows(text, &items, name) || text.contains(&format!("test(\"{name}\""));
    }
    match name.split_once("::") {
        Some((of, method)) => impls(text, of)
            .iter()
            .any(|body| follows(body, &["fn"], method)),
        None => {
            let items = ["fn", "struct", "enum", "trait", "type", "const", "static"];
            follows(text, &items, name)
        }
    }
}

/// True if the function `name` of a Rust file, or the title `name` of a TypeScript one, is a test.
fn is_test(path: &Path, text: &str, name: &str) -> bool {
    if path.extension().is_some_and(|e| e != "rs") {
        return text.contains(&format!("test(\"{name}\""));
    }
    let Some(at) = text.find(&format!("fn {name}(")) else {
        return false;
    };
    let begin = text[..at].rfind('\n').unwrap_or(0);
    let above = text[..begin].lines().next_back().unwrap_or_default();
    ["#[test]", "#[tokio::test"]
        .iter()
        .any(|attribute| above.trim_start().starts_with(attribute))
}

#[test]
fn every_link_leads_to_a_file_and_every_name_is_defined_there() {
    let mut wrong = Vec::new();
    for document in documents() {
        for (_, target) in links(&read(&document)) {
            let path = target.split('#').next().unwrap_or_default();
            let is_outside = path.contains("://") || path.starts_with("mailto:");
            if !is_outside && !document.parent().unwrap().join(path).exists() {
                wrong.push(format!("{}: {target} is not there", document.display()));
            }
        }
        for (name, path) in named(&document) {
            if path.is_file() && !defines(&path, &read(&path), &name) {
                wrong.push(format!(
                    "{}: {} does not define {name}",
                    document.display(),
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_walk_goes_through_the_whole_chain() {
    let walk = named(&repository().join("docs/WALK.md"));
    assert!(walk.len() >= 60, "the walk names {} items", walk.len());
    let mut at = 0;
    for part in [
        "contract",
        "edge-agent/src/source",
        "edge-agent/src/buffer.rs",
        "journal",
        "edge-agent/src/publish",
        "gateway/src/broker",
        "gateway/src/ingest",
        "gateway/src/series",
        "gateway/src/detect",
        "gateway/src/case",
        "gateway/console",
        "gateway/src/evidence",
        "gateway/src/credit",
        "gateway/src/risk",
        "gateway/src/inspection",
    ] {
        let next = walk[at..]
            .iter()
            .position(|(_, path)| path.starts_with(repository().join("docs/..").join(part)));
        at += next.unwrap_or_else(|| panic!("the walk does not come to {part}, or too early"));
    }
}

#[test]
fn every_test_that_the_table_of_failures_names_is_a_test() {
    let named = named(&repository().join("docs/FAILURES.md"));
    assert!(named.len() >= 30, "the table names {} tests", named.len());
    let wrong: Vec<_> = named
        .iter()
        .filter(|(name, path)| !is_test(path, &read(path), name))
        .collect();
    assert!(wrong.is_empty(), "not tests: {wrong:?}");
}

#[test]
fn a_name_that_is_only_mentioned_is_not_defined() {
    let path = Path::new("a.rs");
    let text = "struct Door;\nimpl Door {\n    fn open(&self) {}\n}\nfn opening() { let closed = Door; }\n\
                #[test]\nfn shut() {}\n";
    let found = [
        "Door",
        "Door::open",
        "opening",
        "closed",
        "Door::opening",
        "open_wide",
        "Doo",
    ]
    .map(|name| defines(path, text, name));
    let tests = ["shut", "opening", "open"].map(|name| is_test(path, text, name));
    assert_eq!(found, [true, true, true, false, false, false, false]);
    assert_eq!(tests, [true, false, false]);
}
