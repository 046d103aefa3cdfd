//! `hj212_vectors.json` of the reference shelf, where it is at hand.

use super::{codes, decode};
use serde_json::Value;
use std::path::Path;

#[test]
fn every_vector_of_the_reference_is_read_as_it_expects() {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference/hj212_vectors.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!(
            "vectors not read, since they are not here: {}",
            file.display()
        );
        return;
    };
    let vectors: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(vectors.len(), 39);
    for vector in &vectors {
        check(vector);
    }
}

fn check(vector: &Value) {
    let text = |name: &str| vector[name].as_str();
    let id = text("id").expect("an id");
    let frame = text("frame").expect("a frame");
    let lines = decode(frame.as_bytes(), text("key"));
    let line = lines.last().expect("a line");
    let verdict = line["verdict"].as_str().expect("a verdict");
    let (expected, complaints): (&str, &[&str]) = match id {
        "neg-crc" => ("refused", &["crc_error"]),
        "neg-modbus" => ("refused", &["crc_error"]),
        "neg-len-short" => ("tolerated", &["length_error"]),
        "neg-len3" => ("tolerated", &["length_digits"]),
        "neg-flagsplit" => ("tolerated", &["missing_pnum", "missing_pno"]),
        "neg-unknown-factor" => ("tolerated", &["unmapped_factor"]),
        "neg-nan" => ("tolerated", &["non_numeric"]),
        "neg-dup" => ("tolerated", &["duplicate_item"]),
        _ => ("ok", &[]),
    };
    assert_eq!(
        (verdict, codes(line).as_slice()),
        (expected, complaints),
        "{id}"
    );
    assert_eq!(lines.len(), if id == "neg-trunc" { 2 } else { 1 }, "{id}");
    if let Some(plain) = text("plaintext") {
        assert_eq!(line["plaintext"], plain, "{id}");
    }
    let first = |of: &str| line[of][0].clone();
    match id {
        "neg-modbus" => assert_eq!(line["crc"]["variant"], "modbus"),
        "neg-trunc" => assert_eq!(codes(&lines[0]), ["truncated"]),
        "neg-unknown-factor" => assert_eq!(first("items")["mapped"], false),
        "neg-nan" => {
            assert_eq!(first("readings")["value"], Value::Null);
            assert_eq!(first("items")["flag"]["code"], "B");
        }
        "neg-dup" => assert_eq!(first("readings")["value"], 1.0),
        "neg-len-short" => assert_eq!(first("readings")["quality"]["kind"], "suspect"),
        "v2025-rf" => assert_eq!(line["fields"]["RF"], 1),
        _ => {}
    }
}
