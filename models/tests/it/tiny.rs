//! The smallest ONNX model worth running, written byte by byte: the mean of each colour of an 8 x 8 picture.
//! Classes red, green, blue; it needs nothing that is not in this repository.

/// The model's file.
pub fn model() -> Vec<u8> {
    let node = |op: &str, from: &str, to: &str| [text(1, from), text(2, to), text(4, op)].concat();
    let graph = [
        field(1, &node("GlobalAveragePool", "picture", "pooled")),
        field(1, &node("Flatten", "pooled", "means")),
        text(2, "tiny"),
        field(11, &value("picture", &[1, 3, 8, 8])),
        field(12, &value("means", &[1, 3])),
    ]
    .concat();
    // ir_version 8, opset 13 of the default domain.
    let opset = number(2, 13);
    [number(1, 8), field(7, &graph), field(8, &opset)].concat()
}

/// Its manifest; `extra` comes at the end.
pub fn manifest(name: &str, source: Option<&str>, extra: &str) -> String {
    let sha256 = models::catalogue::sha256(&model());
    let source = source
        .map(|source| format!("source = {source:?}\n"))
        .unwrap_or_default();
    format!(
        r#"
name = "{name}"
version = 1
task = "classes"
file = "{name}.onnx"
sha256 = "{sha256}"
licence = "Apache-2.0"
{source}classes = ["red", "green", "blue"]
[input]
width = 8
height = 8
layout = "nchw"
colour = "rgb"
mean = [0, 0, 0]
std = [255, 255, 255]
fit = "stretch"
[output]
decoding = "classifier"
names = ["means"]
activation = "none"
[thresholds]
score = 0.5
{extra}"#
    )
}

/// A ValueInfoProto of floats.
fn value(name: &str, shape: &[u64]) -> Vec<u8> {
    let dimensions: Vec<u8> = shape
        .iter()
        .flat_map(|&side| field(1, &number(1, side)))
        .collect();
    let tensor = [number(1, 1), field(2, &dimensions)].concat();
    [text(1, name), field(2, &field(1, &tensor))].concat()
}

fn text(id: u64, text: &str) -> Vec<u8> {
    field(id, text.as_bytes())
}

fn field(id: u64, bytes: &[u8]) -> Vec<u8> {
    [
        varint(id << 3 | 2),
        varint(bytes.len() as u64),
        bytes.to_vec(),
    ]
    .concat()
}

fn number(id: u64, value: u64) -> Vec<u8> {
    [varint(id << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
