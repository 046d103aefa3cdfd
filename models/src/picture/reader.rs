//! Reads a TOML table key by key and notes every problem instead of stopping at the first one.

use super::manifest::Problem;
use std::collections::HashSet;
use toml::{Table, Value};

/// One table. A key that was asked for is known; [`Reader::no_others`] complains of the rest.
pub(super) struct Reader<'a> {
    /// File and table, as it stands in problems.
    place: String,
    table: &'a Table,
    known: HashSet<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(place: &str, table: &'a Table, problems: &'a mut Vec<Problem>) -> Self {
        Reader {
            place: place.to_owned(),
            table,
            known: HashSet::new(),
            problems,
        }
    }

    /// Notes a problem of `key` unless `fine`.
    pub(super) fn check(
        &mut self,
        key: &str,
        fine: bool,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) {
        if !fine {
            self.problems.push(Problem {
                place: format!("{}: {key}", self.place),
                what: what.into(),
                fix: fix.into(),
            });
        }
    }

    /// True if the key is there; it need not be.
    pub(super) fn may_have(&mut self, key: &'static str) -> bool {
        self.known.insert(key);
        self.table.contains_key(key)
    }

    /// What `take` makes of the key; a problem if it is missing or `take` makes nothing of it.
    fn must<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        take: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        self.known.insert(key);
        let value = self.table.get(key);
        let taken = value.and_then(take);
        let what = match value {
            Some(value) => format!("is {}", shown(value)),
            None => "is missing".into(),
        };
        self.check(key, taken.is_some(), what, format!("write {wanted}"));
        taken
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.must(key, "a text in quotation marks", |value| {
            value
                .as_str()
                .filter(|text| !text.trim().is_empty())
                .map(str::to_owned)
        })
    }

    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.must(key, "a list of texts, [\"…\"]", |value| {
            let texts: Option<Vec<_>> = value
                .as_array()?
                .iter()
                .map(|v| v.as_str().map(str::to_owned))
                .collect();
            texts.filter(|texts| !texts.is_empty())
        })
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.must(key, "true or false", Value::as_bool)
    }

    pub(super) fn whole(&mut self, key: &'static str, least: u32, most: u32) -> Option<u32> {
        self.must(
            key,
            &format!("a whole number from {least} to {most}"),
            |v| whole(v, least, most),
        )
    }

    pub(super) fn wholes(&mut self, key: &'static str, least: u32, most: u32) -> Option<Vec<u32>> {
        self.must(
            key,
            &format!("a list of whole numbers from {least} to {most}"),
            |value| {
                let all: Option<Vec<_>> = value
                    .as_array()?
                    .iter()
                    .map(|v| whole(v, least, most))
                    .collect();
                all.filter(|all| !all.is_empty())
            },
        )
    }

    pub(super) fn number(&mut self, key: &'static str) -> Option<f64> {
        self.must(key, "a number", number)
    }

    pub(super) fn numbers(&mut self, key: &'static str) -> Option<Vec<f64>> {
        self.must(key, "a list of numbers", |v| {
            v.as_array()?.iter().map(number).collect()
        })
    }

    /// Three numbers, one for each colour.
    pub(super) fn three(&mut self, key: &'static str) -> Option<[f32; 3]> {
        self.must(key, "three numbers, one for each colour", |value| {
            let all: Option<Vec<f32>> = value
                .as_array()?
                .iter()
                .map(|v| number(v).map(|v| v as f32))
                .collect();
            all?.try_into().ok()
        })
    }

    /// A number from 0 to 1.
    pub(super) fn share(&mut self, key: &'static str) -> Option<f32> {
        self.must(key, "a number from 0 to 1", |value| {
            number(value)
                .map(|v| v as f32)
                .filter(|v| (0.0..=1.0).contains(v))
        })
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let names: Vec<_> = choices
            .iter()
            .map(|(name, _)| format!("{name:?}"))
            .collect();
        self.must(key, &format!("one of {}", names.join(", ")), |value| {
            let text = value.as_str()?;
            choices
                .iter()
                .find(|(name, _)| *name == text)
                .map(|(_, choice)| *choice)
        })
    }

    /// The table under `key`.
    pub(super) fn within<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Reader) -> T,
    ) -> Option<T> {
        self.must(key, &format!("a table [{key}]"), |value| {
            value.as_table().map(|_| ())
        })?;
        let table = self.table[key].as_table()?;
        let place = format!("{}: [{key}]", self.place);
        Some(read(&mut Reader::new(&place, table, self.problems)))
    }

    /// Each table of the list under `key`, which may be missing.
    pub(super) fn each<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Reader) -> Option<T>,
    ) -> Vec<T> {
        if !self.may_have(key) {
            return Vec::new();
        }
        let tables: Option<Vec<&Table>> = self.table[key]
            .as_array()
            .and_then(|all| all.iter().map(Value::as_table).collect());
        self.check(
            key,
            tables.is_some(),
            "is no list of tables",
            format!("begin each with [[{key}]]"),
        );
        let mut made = Vec::new();
        for (i, table) in tables.unwrap_or_default().into_iter().enumerate() {
            let place = format!("{}: {key} {}", self.place, i + 1);
            made.extend(read(&mut Reader::new(&place, table, self.problems)));
        }
        made
    }

    /// A problem for each key that nobody asked for.
    pub(super) fn no_others(&mut self) {
        let known: Vec<_> = self.known.iter().copied().collect();
        let others: Vec<_> = self
            .table
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .cloned()
            .collect();
        for key in others {
            self.check(
                &key,
                false,
                "is no key here",
                "take it out, or mend its name",
            );
        }
    }
}

fn whole(value: &Value, least: u32, most: u32) -> Option<u32> {
    let number = u32::try_from(value.as_integer()?).ok()?;
    (least..=most).contains(&number).then_some(number)
}

fn number(value: &Value) -> Option<f64> {
    let number = value.as_float().or(value.as_integer().map(|v| v as f64))?;
    number.is_finite().then_some(number)
}

/// A value as it stands in a problem, cut short.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
