//! Plain JSON telemetry: an object with a time and an object of named numbers.
//!
//! The usual shape `{"ts":1795000000000,"v":{"temperature":-18.4,…}}` is read where it lies by [`scan`]; anything
//! else JSON allows (escapes, deeper pointers) goes through serde_json in [`read`]. Both give the same readings.

use serde::{Deserialize, Serialize};

/// Unit of the time in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Milliseconds since 1970.
    #[default]
    Milliseconds,
    /// Seconds since 1970, fractions allowed.
    Seconds,
    /// RFC 3339 text with a zone.
    Rfc3339,
}

/// What one named value turned out to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A number (or a boolean as 0 or 1). May be infinite if the text was out of range.
    Number(f64),
    /// `null`.
    Null,
    /// Something else.
    NotNumeric,
}

/// Why a payload gave no readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON, or not of the configured shape.
    Malformed(&'static str),
    /// The time is missing or not a time.
    NoTime,
}

/// Where time and values stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// JSON pointer of the time.
    pub time: String,
    /// JSON pointer of the object of values.
    pub values: String,
    /// Unit of the time.
    pub time_unit: TimeUnit,
}

/// Gives each name and value of `payload` to `each`, then returns the time in ms.
pub fn read(
    payload: &[u8],
    shape: &Shape,
    mut each: impl FnMut(&[u8], Value),
) -> Result<i64, Fault> {
    let root: serde_json::Value =
        serde_json::from_slice(payload).map_err(|_| Fault::Malformed("the payload is not JSON"))?;
    let time = root.pointer(&shape.time).ok_or(Fault::NoTime)?;
    let ms = match shape.time_unit {
        TimeUnit::Milliseconds => time.as_i64().or_else(|| time.as_f64().map(|t| t as i64)),
        TimeUnit::Seconds => time.as_f64().map(|t| (t * 1000.0).round() as i64),
        TimeUnit::Rfc3339 => time
            .as_str()
            .and_then(|t| t.parse::<contract::Timestamp>().ok())
            .map(contract::Timestamp::as_millis),
    }
    .ok_or(Fault::NoTime)?;
    let values = root
        .pointer(&shape.values)
        .and_then(|v| v.as_object())
        .ok_or(Fault::Malformed(
            "there is no object of values where the configuration says",
        ))?;
    for (name, value) in values {
        let value = match value {
            serde_json::Value::Number(n) => n.as_f64().map_or(Value::NotNumeric, Value::Number),
            serde_json::Value::Bool(b) => Value::Number(f64::from(u8::from(*b))),
            serde_json::Value::Null => Value::Null,
            _ => Value::NotNumeric,
        };
        each(name.as_bytes(), value);
    }
    Ok(ms)
}

/// As [`read`], for `{"TIME":integer,"VALUES":{"name":number,…}}` in either order with no other members.
/// `None` if the payload is anything else, however valid: then ask [`read`]. `each` may then have been
/// called; its effects must be undone.
#[inline]
pub fn scan(
    payload: &[u8],
    time: &[u8],
    values: &[u8],
    mut each: impl FnMut(&[u8], Value),
) -> Option<i64> {
    let mut scan = Scan {
        bytes: payload,
        at: 0,
    };
    let (mut ms, mut seen_values) = (None, false);
    scan.expect(b'{')?;
    loop {
        let name = scan.name()?;
        if name == time && ms.is_none() {
            ms = Some(scan.integer()?);
        } else if name == values && !seen_values {
            seen_values = true;
            scan.members(&mut each)?;
        } else {
            return None;
        }
        match scan.token()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    scan.space();
    (scan.at == payload.len() && seen_values)
        .then_some(ms)
        .flatten()
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    #[inline]
    fn token(&mut self) -> Option<u8> {
        self.space();
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.token()? == wanted).then_some(())
    }

    /// A member's name and its colon.
    #[inline]
    fn name(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let rest = self.bytes.get(self.at..)?;
        let length = rest
            .iter()
            .position(|b| *b == b'"' || *b == b'\\' || *b < 0x20)?;
        if rest[length] != b'"' {
            return None;
        }
        let name = &rest[..length];
        if !name.is_ascii() && std::str::from_utf8(name).is_err() {
            return None;
        }
        self.at += length + 1;
        self.expect(b':')?;
        Some(name)
    }

    #[inline]
    fn integer(&mut self) -> Option<i64> {
        self.space();
        let start = self.at;
        let mut n = 0i64;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            n = n.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
            self.at += 1;
        }
        let digits = self.bytes.get(start..self.at)?;
        let is_padded = digits.len() > 1 && digits[0] == b'0';
        let is_whole = !matches!(self.bytes.get(self.at), Some(b'.' | b'e' | b'E'));
        (!digits.is_empty() && !is_padded && is_whole).then_some(n)
    }

    #[inline]
    fn members(&mut self, each: &mut impl FnMut(&[u8], Value)) -> Option<()> {
        self.expect(b'{')?;
        self.space();
        if self.bytes.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Some(());
        }
        loop {
            let name = self.name()?;
            let value = self.value()?;
            each(name, value);
            match self.token()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    #[inline]
    fn value(&mut self) -> Option<Value> {
        self.space();
        match *self.bytes.get(self.at)? {
            b'-' | b'0'..=b'9' => self.number().map(Value::Number),
            b'n' => self.word(b"null", Value::Null),
            b't' => self.word(b"true", Value::Number(1.0)),
            b'f' => self.word(b"false", Value::Number(0.0)),
            _ => None,
        }
    }

    fn word(&mut self, word: &[u8], value: Value) -> Option<Value> {
        self.bytes.get(self.at..)?.starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    /// Exact: up to 15 digits and a power of ten up to 22 are both exact doubles, so one division rounds
    /// right; everything else is parsed by the standard library.
    #[inline]
    fn number(&mut self) -> Option<f64> {
        let start = self.at;
        let is_negative = self.bytes[self.at] == b'-';
        self.at += usize::from(is_negative);
        let first = self.at;
        let (mut mantissa, mut digits) = (0u64, 0usize);
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            mantissa = mantissa
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit - b'0'));
            digits += 1;
            self.at += 1;
        }
        if digits == 0 || (digits > 1 && self.bytes[first] == b'0') {
            return None;
        }
        let mut decimals = 0usize;
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            let point = self.at;
            while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
                mantissa = mantissa
                    .wrapping_mul(10)
                    .wrapping_add(u64::from(digit - b'0'));
                self.at += 1;
            }
            decimals = self.at - point;
            if decimals == 0 {
                return None;
            }
        }
        let has_exponent = matches!(self.bytes.get(self.at), Some(b'e' | b'E'));
        if digits + decimals <= 15 && !has_exponent {
            let value = mantissa as f64 / POWERS[decimals];
            return Some(if is_negative { -value } else { value });
        }
        while let Some(b'0'..=b'9' | b'e' | b'E' | b'+' | b'-') = self.bytes.get(self.at) {
            self.at += 1;
        }
        std::str::from_utf8(&self.bytes[start..self.at])
            .ok()?
            .parse()
            .ok()
    }
}

const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        Shape {
            time: "/ts".into(),
            values: "/v".into(),
            time_unit: TimeUnit::Milliseconds,
        }
    }

    fn slow(payload: &str) -> Result<(i64, Vec<(String, Value)>), Fault> {
        let mut found = Vec::new();
        let ms = read(payload.as_bytes(), &shape(), |name, value| {
            found.push((String::from_utf8(name.to_vec()).unwrap(), value));
        })?;
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok((ms, found))
    }

    fn fast(payload: &str) -> Option<(i64, Vec<(String, Value)>)> {
        let mut found = Vec::new();
        let ms = scan(payload.as_bytes(), b"ts", b"v", |name, value| {
            found.push((String::from_utf8(name.to_vec()).unwrap(), value));
        })?;
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Some((ms, found))
    }

    #[test]
    fn the_fast_way_and_serde_agree_to_the_last_bit() {
        for payload in [
            r#"{"ts":1795000000000,"v":{"a":1.5,"b":-18.4,"c":0,"d":123456789.012345,"e":0.1}}"#,
            r#" { "v" : { "温度" : 3e2 , "x":1.7976931348623157e308, "y":null, "z":true } , "ts" : 5 } "#,
            r#"{"ts":1,"v":{}}"#,
            r#"{"ts":1,"v":{"a":0.30000000000000004,"b":9007199254740993,"c":2.2250738585072014e-308}}"#,
        ] {
            assert_eq!(fast(payload), Some(slow(payload).unwrap()), "{payload}");
        }
    }

    #[test]
    fn what_the_fast_way_does_not_know_is_left_to_serde() {
        for payload in [
            r#"{"ts":1,"v":{"a\n":1}}"#,
            r#"{"ts":1.5,"v":{"a":1}}"#,
            r#"{"ts":1,"v":{"a":"x"}}"#,
            r#"{"id":4,"ts":1,"v":{"a":1}}"#,
        ] {
            assert_eq!(fast(payload), None, "{payload}");
            assert!(slow(payload).is_ok(), "{payload}");
        }
        for payload in [
            "",
            "{",
            r#"{"ts":1,"v":{"a":01}}"#,
            r#"{"ts":1,"v":{"a":1.}}"#,
            r#"{"ts":1,"v":{"a":1}}x"#,
        ] {
            assert_eq!(fast(payload), None, "{payload}");
            assert!(slow(payload).is_err(), "{payload}");
        }
        assert_eq!(slow(r#"{"v":{"a":1}}"#), Err(Fault::NoTime));
        assert!(matches!(
            slow(r#"{"ts":1,"v":3}"#),
            Err(Fault::Malformed(_))
        ));
    }
}
