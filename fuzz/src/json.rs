//! Any bytes as plain JSON telemetry: the fast reader, where it answers, says what serde_json says.
use gateway::ingest::json::{self, Fault, Shape, TimeUnit, Value};

type Read = (i64, Vec<(Vec<u8>, Option<u64>)>);

/// See above.
pub fn check(input: &[u8]) {
    let shape = |time_unit| Shape {
        time: "/ts".into(),
        values: "/v".into(),
        time_unit,
    };
    let slow = read(input, &shape(TimeUnit::Milliseconds));
    for unit in [TimeUnit::Seconds, TimeUnit::Rfc3339] {
        let _ = read(input, &shape(unit));
    }
    let mut values = Vec::new();
    let fast = json::scan(input, b"ts", b"v", |name, value| {
        values.push((name.to_vec(), bits(value)))
    });
    if let Some(ms) = fast {
        // A number beyond f64 is one bad value to the fast reader and no JSON at all to serde_json.
        let is_beyond = values
            .iter()
            .any(|(_, bits)| bits.is_some_and(|bits| f64::from_bits(bits).is_infinite()));
        let (slow_ms, mut slow) = match slow {
            Err(_) if is_beyond => return,
            slow => slow.expect("serde_json reads what the fast reader reads"),
        };
        assert_eq!(ms, slow_ms);
        // An object's members have no order, and of two with one name the last one counts.
        values.reverse();
        values.sort_by(|a, b| a.0.cmp(&b.0));
        values.dedup_by(|later, kept| later.0 == kept.0);
        slow.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(values, slow);
    }
}

fn read(input: &[u8], shape: &Shape) -> Result<Read, Fault> {
    let mut values = Vec::new();
    let ms = json::read(input, shape, |name, value| {
        values.push((name.to_vec(), bits(value)))
    })?;
    Ok((ms, values))
}

fn bits(value: Value) -> Option<u64> {
    match value {
        Value::Number(x) => Some(x.to_bits()),
        Value::Null => None,
        Value::NotNumeric => Some(u64::MAX),
    }
}
