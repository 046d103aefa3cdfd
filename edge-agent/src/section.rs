//! A TOML table that is read key by key, so that every problem of it is reported in one run.
//!
//! Promise: each key asked for is checked for presence, type and range; keys nobody asked for are problems.
//! Every problem names file, key and what to write.

use contract::problems::Problems;
use std::{str::FromStr, time::Duration};
use toml::{Table, Value};

/// A table and the place it stands at.
#[derive(Debug)]
pub struct Section {
    table: Table,
    place: String,
    asked: Vec<&'static str>,
}

impl Section {
    /// The whole of a file; not being TOML is a problem.
    pub fn parse(file: &str, text: &str, problems: &mut Problems) -> Option<Section> {
        match text.parse::<Table>() {
            Ok(table) => Some(Section {
                table,
                place: format!("{file}: "),
                asked: Vec::new(),
            }),
            Err(error) => {
                let what = error.to_string().trim().replace('\n', " ");
                problems.add(
                    file,
                    format!("it is not TOML ({what})"),
                    "mend the line it names",
                );
                None
            }
        }
    }

    /// File and key, for a problem.
    pub fn place(&self, key: &str) -> String {
        format!("{}{key}", self.place)
    }

    /// True if the key is there (and not yet read).
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The text at a key, if it is one. The key is not yet read by it.
    pub fn text(&self, key: &str) -> Option<String> {
        self.table.get(key)?.as_str().map(str::to_owned)
    }

    /// Takes keys out without reading them.
    pub fn leave(&mut self, keys: &[&str]) {
        self.table.retain(|key, _| !keys.contains(&key));
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        self.table.remove(key)
    }

    fn required(
        &mut self,
        key: &'static str,
        example: &str,
        problems: &mut Problems,
    ) -> Option<Value> {
        let value = self.take(key);
        if value.is_none() {
            problems.add(
                self.place(key),
                "it is missing",
                format!("write {key} = {example}"),
            );
        }
        value
    }

    /// A required text that `T` accepts.
    pub fn parsed<T: FromStr>(
        &mut self,
        key: &'static str,
        example: &str,
        problems: &mut Problems,
    ) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let fix = format!("write for example {key} = {example}");
        let value = self.required(key, example, problems)?;
        let Some(text) = value.as_str() else {
            problems.add(self.place(key), format!("{value} is not a text"), fix);
            return None;
        };
        text.parse()
            .map_err(|error| problems.add(self.place(key), error, fix))
            .ok()
    }

    /// A text that may be left out.
    pub fn text_if_there(&mut self, key: &'static str, problems: &mut Problems) -> Option<String> {
        match self.take(key)? {
            Value::String(text) if !text.is_empty() => Some(text),
            other => {
                let fix = format!("write a text that is not empty, or leave {key} out");
                problems.add(self.place(key), format!("{other} is not a text"), fix);
                None
            }
        }
    }

    /// A required integer from `min` to `max`.
    pub fn integer(
        &mut self,
        key: &'static str,
        min: i64,
        max: i64,
        problems: &mut Problems,
    ) -> Option<i64> {
        let value = self.required(key, &min.max(1).to_string(), problems)?;
        self.in_range(key, &value, min, max, problems)
    }

    /// An integer from `min` to `max` with a default.
    pub fn integer_or(
        &mut self,
        key: &'static str,
        default: i64,
        min: i64,
        max: i64,
        problems: &mut Problems,
    ) -> i64 {
        match self.take(key) {
            None => default,
            Some(value) => self
                .in_range(key, &value, min, max, problems)
                .unwrap_or(default),
        }
    }

    fn in_range(
        &self,
        key: &str,
        value: &Value,
        min: i64,
        max: i64,
        problems: &mut Problems,
    ) -> Option<i64> {
        match value.as_integer() {
            Some(n) if (min..=max).contains(&n) => Some(n),
            _ => {
                let what = format!("{value} is not an integer from {min} to {max}");
                problems.add(
                    self.place(key),
                    what,
                    format!("write {key} = N with {min} <= N <= {max}"),
                );
                None
            }
        }
    }

    /// A finite number with a default.
    pub fn number_or(&mut self, key: &'static str, default: f64, problems: &mut Problems) -> f64 {
        let Some(value) = self.take(key) else {
            return default;
        };
        number(&value).unwrap_or_else(|| {
            let what = format!("{value} is not a finite number");
            problems.add(
                self.place(key),
                what,
                format!("write for example {key} = {default}"),
            );
            default
        })
    }

    /// `true` or `false`; false if it is left out.
    pub fn flag(&mut self, key: &'static str, problems: &mut Problems) -> bool {
        match self.take(key) {
            None => false,
            Some(Value::Boolean(flag)) => flag,
            Some(other) => {
                let what = format!("{other} is neither true nor false");
                problems.add(self.place(key), what, format!("write {key} = true"));
                false
            }
        }
    }

    /// A required pair of numbers, the first below the second.
    pub fn range(&mut self, key: &'static str, problems: &mut Problems) -> Option<(f64, f64)> {
        let value = self.required(key, "[0, 100]", problems)?;
        let pair = value.as_array().and_then(|list| match &list[..] {
            [low, high] => Some((number(low)?, number(high)?)),
            _ => None,
        });
        match pair {
            Some((low, high)) if low < high => Some((low, high)),
            _ => {
                let what = format!("{value} is not a range");
                problems.add(
                    self.place(key),
                    what,
                    format!("write {key} = [LOW, HIGH] with LOW < HIGH"),
                );
                None
            }
        }
    }

    /// A duration such as `"500ms"`, `"5s"`, `"1m"`, from `min` to `max`; required without a default.
    pub fn duration(
        &mut self,
        key: &'static str,
        default: Option<Duration>,
        (min, max): (Duration, Duration),
        problems: &mut Problems,
    ) -> Option<Duration> {
        let value = match (self.take(key), default) {
            (Some(value), _) => value,
            (None, Some(default)) => return Some(default),
            (None, None) => {
                problems.add(
                    self.place(key),
                    "it is missing",
                    format!("write for example {key} = \"5s\""),
                );
                return None;
            }
        };
        match value.as_str().and_then(duration) {
            Some(duration) if (min..=max).contains(&duration) => Some(duration),
            _ => {
                let what = format!("{value} is not a duration from {min:?} to {max:?}");
                problems.add(
                    self.place(key),
                    what,
                    format!("write for example {key} = \"5s\" (ms, s, m or h)"),
                );
                None
            }
        }
    }

    /// A duration that may be left out.
    pub fn duration_if_there(
        &mut self,
        key: &'static str,
        limits: (Duration, Duration),
        problems: &mut Problems,
    ) -> Option<Duration> {
        if self.has(key) {
            return self.duration(key, None, limits, problems);
        }
        self.asked.push(key);
        None
    }

    /// A table of its own.
    pub fn section(&mut self, key: &'static str, problems: &mut Problems) -> Option<Section> {
        match self.required(key, "… as a table", problems)? {
            Value::Table(table) => Some(Section {
                table,
                place: format!("{}{key}.", self.place),
                asked: Vec::new(),
            }),
            _ => {
                problems.add(
                    self.place(key),
                    "it is not a table",
                    format!("write [{key}] above its keys"),
                );
                None
            }
        }
    }

    /// A required list of texts.
    pub fn texts(
        &mut self,
        key: &'static str,
        example: &str,
        problems: &mut Problems,
    ) -> Vec<String> {
        let Some(value) = self.required(key, example, problems) else {
            return Vec::new();
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts: Option<Vec<String>> = value
            .as_array()
            .and_then(|list| list.iter().map(text).collect());
        let texts = texts.unwrap_or_default();
        if texts.is_empty() {
            let fix = format!("write for example {key} = {example}");
            problems.add(
                self.place(key),
                format!("{value} is not a list of texts"),
                fix,
            );
        }
        texts
    }

    /// A required list of finite numbers.
    pub fn numbers(
        &mut self,
        key: &'static str,
        example: &str,
        problems: &mut Problems,
    ) -> Option<Vec<f64>> {
        let value = self.required(key, example, problems)?;
        let numbers: Option<Vec<f64>> = value
            .as_array()
            .and_then(|list| list.iter().map(number).collect());
        if numbers.is_none() {
            let fix = format!("write for example {key} = {example}");
            problems.add(
                self.place(key),
                format!("{value} is not a list of numbers"),
                fix,
            );
        }
        numbers
    }

    /// A required list of pairs of finite numbers.
    pub fn pairs(
        &mut self,
        key: &'static str,
        example: &str,
        problems: &mut Problems,
    ) -> Option<Vec<[f64; 2]>> {
        let value = self.required(key, example, problems)?;
        let pair = |value: &Value| match value.as_array()?.as_slice() {
            [a, b] => Some([number(a)?, number(b)?]),
            _ => None,
        };
        let pairs: Option<Vec<[f64; 2]>> = value
            .as_array()
            .and_then(|list| list.iter().map(pair).collect());
        if pairs.is_none() {
            let fix = format!("write for example {key} = {example}");
            let what = "it is not a list of pairs of numbers";
            problems.add(self.place(key), what, fix);
        }
        pairs
    }

    /// A list of texts, if there is one; it may be empty.
    pub fn texts_if_there(
        &mut self,
        key: &'static str,
        example: &str,
        problems: &mut Problems,
    ) -> Vec<String> {
        match self.table.get(key) {
            None => {
                self.asked.push(key);
                Vec::new()
            }
            Some(Value::Array(list)) if list.is_empty() => {
                self.take(key);
                Vec::new()
            }
            Some(_) => self.texts(key, example, problems),
        }
    }

    /// The `[[key]]` tables, if there are any.
    pub fn sections_if_there(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Vec<Section> {
        match self.has(key) {
            true => self.sections(key, problems),
            false => {
                self.asked.push(key);
                Vec::new()
            }
        }
    }

    /// At least one `[[key]]` table.
    pub fn sections(&mut self, key: &'static str, problems: &mut Problems) -> Vec<Section> {
        let tables: Option<Vec<Table>> = match self.take(key) {
            Some(Value::Array(list)) => list.into_iter().map(|v| v.try_into().ok()).collect(),
            _ => None,
        };
        let tables = tables.unwrap_or_default();
        if tables.is_empty() {
            problems.add(
                self.place(key),
                "there is none",
                format!("write at least one [[{key}]] table"),
            );
        }
        let numbered = tables.into_iter().zip(1..);
        numbered
            .map(|(table, n)| Section {
                table,
                place: format!("{}{key}[{n}].", self.place),
                asked: Vec::new(),
            })
            .collect()
    }

    /// Reports the keys nobody asked for.
    pub fn finish(self, problems: &mut Problems) {
        for key in self.table.keys() {
            let fix = format!("remove it; known keys are {}", self.asked.join(", "));
            problems.add(self.place(key), "this key is not known", fix);
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Integer(n) => *n as f64,
        Value::Float(x) => *x,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// A duration such as `500ms`, `5s`, `1m` or `1h`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let millis = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(millis)
        .map(Duration::from_millis)
}
