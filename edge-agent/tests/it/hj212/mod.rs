//! What the codec of HJ 212 promises, on golden frames, on the vectors of the reference, and on anything at all.

mod chunks; // cutting, corrupting, anything at all
mod golden; // frames of every kind and what they say
mod vectors; // the vectors of the reference

use edge_agent::source::hj212::{report::Reporter, sm4::Key};
use serde_json::Value;

/// The lines of `decode hj212` for these bytes.
fn decode(bytes: &[u8], key: Option<&str>) -> Vec<Value> {
    let key = key.map(|key| key.parse::<Key>().expect("a key"));
    let mut lines = Vec::new();
    let mut take = |line: String| lines.push(serde_json::from_str(&line).expect("JSON"));
    let mut reporter = Reporter::new(key, None);
    reporter.push(bytes, &mut take);
    reporter.finish(&mut take);
    lines
}

/// The codes of what a line complains about.
fn codes(line: &Value) -> Vec<&str> {
    let complaints = line["complaints"].as_array().expect("complaints");
    complaints
        .iter()
        .filter_map(|c| c["code"].as_str())
        .collect()
}

/// The check value as Appendix A says it, not as the product computes it.
fn crc(segment: &[u8]) -> u16 {
    simulators::hj212::wire::check_value(segment)
}

/// A frame around a segment.
fn frame(segment: &str) -> String {
    format!(
        "##{:04}{segment}{:04X}\r\n",
        segment.len(),
        crc(segment.as_bytes())
    )
}

/// A frame of real-time data.
fn real_time(data: &str) -> String {
    frame(&format!(
        "QN=20260801090000001;ST=31;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&{data}&&"
    ))
}
