//! The data area (HJ 212-2017 6.3.3): `name=value` pairs; those of one factor make an item. Pure, zero-copy, keeps all.
//!
//! Items are put together by their code and not by `;` and `,`, which senders mix up. Texts between `//` may hold
//! separators. Of a thing said twice the first holds, and both stay visible in the raw frame.

use super::complaint::{Code, Complaints, complain};
use super::segment::short;

/// A data area.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Data<'t> {
    /// Fields without a factor (`DataTime`, `QnRtn`), in the order sent.
    pub plain: Vec<(&'t str, &'t str)>,
    /// What was sent of each factor, in the order sent.
    pub items: Vec<Item<'t>>,
}

/// What was sent of one factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<'t> {
    /// Its code as sent.
    pub factor: &'t str,
    /// Of which analyser (the `PolId` before it), with site information.
    pub subject: Option<&'t str>,
    /// Suffix and value.
    pub values: Vec<(Suffix<'t>, &'t str)>,
}

/// What a value is of its factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suffix<'t> {
    /// A suffix of the standard, as printed there.
    Known(&'static str),
    /// Any other.
    Other(&'t str),
}

const SUFFIXES: [&str; 20] = [
    "Rtd",
    "Flag",
    "Avg",
    "Min",
    "Max",
    "Cou",
    "ZsRtd",
    "ZsAvg",
    "ZsMin",
    "ZsMax",
    "EFlag",
    "SampleTime",
    "RS",
    "RT",
    "Data",
    "DayData",
    "NightData",
    "Info",
    "SN",
    "ValidNum",
];

impl<'t> Suffix<'t> {
    fn read(text: &'t str) -> Self {
        SUFFIXES
            .iter()
            .find(|known| **known == text)
            .or_else(|| {
                SUFFIXES
                    .iter()
                    .find(|known| known.eq_ignore_ascii_case(text))
            })
            .map_or(Suffix::Other(text), |known| Suffix::Known(known))
    }

    /// The suffix without its hyphen.
    pub fn as_str(self) -> &'t str {
        match self {
            Suffix::Known(text) => text,
            Suffix::Other(text) => text,
        }
    }
}

impl<'t> Item<'t> {
    /// The value of a suffix of the standard.
    pub fn value(&self, suffix: &str) -> Option<&'t str> {
        let mut values = self.values.iter();
        values
            .find(|(s, _)| s.as_str() == suffix)
            .map(|(_, value)| *value)
    }
}

impl<'t> Data<'t> {
    /// Reads a data area in plain text.
    pub fn read(text: &'t str, complaints: &mut Complaints) -> Self {
        let mut reader = Reader {
            data: Data {
                plain: Vec::with_capacity(2),
                items: Vec::with_capacity(text.len() / 40 + 1),
            },
            complaints,
            subject: None,
            before: None,
            has_blanks: false,
            has_wrong_separator: false,
        };
        let mut rest = text;
        let mut separator = None;
        while !rest.trim_ascii().is_empty() {
            let (pair, next, after) = split_pair(rest);
            reader.pair(pair, separator);
            (rest, separator) = (after, next);
        }
        reader.end()
    }

    /// A field without a factor.
    pub fn field(&self, name: &str) -> Option<&'t str> {
        self.plain
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| *value)
    }
}

/// The first pair, the separator after it, and what follows.
fn split_pair(text: &str) -> (&str, Option<char>, &str) {
    let is_separator = |byte: &u8| matches!(byte, b';' | b',');
    let plain_end = text.as_bytes().iter().position(is_separator);
    // A text between `//` ends at the `//` before a separator or the end.
    let opened = text[..plain_end.unwrap_or(text.len())]
        .find('=')
        .map(|at| at + 1)
        .filter(|&at| text[at..].trim_ascii_start().starts_with("//"));
    let end = match opened {
        None => plain_end,
        Some(value) => {
            let from = value + text[value..].find("//").unwrap_or(0) + 2;
            text[from..]
                .match_indices("//")
                .map(|(at, _)| from + at + 2)
                .find(|&at| {
                    let after = text[at..].trim_ascii_start();
                    after.is_empty() || after.starts_with([';', ','])
                })
                .map_or(plain_end, |at| text[at..].find([';', ',']).map(|n| at + n))
        }
    };
    match end {
        Some(end) => (&text[..end], text[end..].chars().next(), &text[end + 1..]),
        None => (text, None, ""),
    }
}

/// What is before and after the byte at `at`.
fn split_at(text: &str, at: Option<usize>) -> Option<(&str, &str)> {
    at.map(|at| (&text[..at], &text[at + 1..]))
}

struct Reader<'t, 'c> {
    data: Data<'t>,
    complaints: &'c mut Complaints,
    subject: Option<&'t str>,
    before: Option<usize>,
    has_blanks: bool,
    has_wrong_separator: bool,
}

impl<'t> Reader<'t, '_> {
    fn pair(&mut self, pair: &'t str, separator: Option<char>) {
        if pair.trim_ascii().is_empty() {
            return;
        }
        let Some((name, value)) = split_at(pair, pair.bytes().position(|b| b == b'=')) else {
            let what = format!("`{}` has no `=`", short(pair.trim_ascii()));
            return complain(self.complaints, Code::NotAPair, "CP", what);
        };
        self.has_blanks |=
            name.trim_ascii().len() != name.len() || value.trim_ascii().len() != value.len();
        let (name, value) = (name.trim_ascii(), value.trim_ascii());
        if value.starts_with("//") && !(value.len() >= 4 && value.ends_with("//")) {
            complain(
                self.complaints,
                Code::TextNotClosed,
                name,
                "no `//` at the end of the text",
            );
        }
        match split_at(name, name.bytes().rposition(|b| b == b'-')) {
            Some((factor, suffix)) if !factor.is_empty() && !suffix.is_empty() => {
                self.item(name, factor, suffix, value, separator);
            }
            _ => self.plain(name, value, separator),
        }
    }

    fn plain(&mut self, name: &'t str, value: &'t str, separator: Option<char>) {
        self.has_wrong_separator |= separator == Some(',');
        self.before = None;
        if name == "PolId" {
            self.subject = Some(value).filter(|v| !v.is_empty());
            return self.data.plain.push((name, value));
        }
        if let Some(first) = self.data.field(name) {
            let what = format!(
                "`{}` and again `{}`; the first holds",
                short(first),
                short(value)
            );
            return complain(self.complaints, Code::DuplicateItem, name, what);
        }
        self.data.plain.push((name, value));
    }

    fn item(
        &mut self,
        name: &str,
        factor: &'t str,
        suffix: &'t str,
        value: &'t str,
        separator: Option<char>,
    ) {
        let kind = Suffix::read(suffix);
        if let Suffix::Known(known) = kind
            && known != suffix
        {
            let what = format!("written `{name}`, printed `-{known}`");
            complain(self.complaints, Code::NameCase, name, what);
        }
        let same = |item: &Item| item.factor == factor && item.subject == self.subject;
        let before = self.before.filter(|&n| same(&self.data.items[n]));
        let place = before.or_else(|| self.data.items.iter().position(same));
        let place = place.unwrap_or_else(|| {
            let (subject, values) = (self.subject, Vec::with_capacity(4));
            self.data.items.push(Item {
                factor,
                subject,
                values,
            });
            self.data.items.len() - 1
        });
        self.before = Some(place);
        let item = &mut self.data.items[place];
        match item.value(kind.as_str()) {
            Some(first) => {
                let what = format!(
                    "`{}` and again `{}`; the first holds",
                    short(first),
                    short(value)
                );
                complain(self.complaints, Code::DuplicateItem, name, what);
            }
            None => {
                item.values.push((kind, value));
                let wrong = if before.is_some() { ';' } else { ',' };
                self.has_wrong_separator |= separator == Some(wrong);
            }
        }
    }

    fn end(self) -> Data<'t> {
        if self.has_blanks {
            complain(self.complaints, Code::Blanks, "CP", "blanks were taken off");
        }
        if self.has_wrong_separator {
            let what = "`,` and `;` are mixed up; items were put together by their codes";
            complain(self.complaints, Code::Separator, "CP", what);
        }
        self.data
    }
}

/// The number of a value as sent; `None` if it is none. Infinities and NaN are none.
pub fn number(text: &str) -> Option<f64> {
    let begins = text.bytes().next()?;
    if !(begins.is_ascii_digit() || matches!(begins, b'-' | b'+' | b'.')) {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Data<'_>, Vec<&'static str>) {
        let mut complaints = Vec::new();
        let data = Data::read(text, &mut complaints);
        (data, complaints.iter().map(|c| c.code.as_str()).collect())
    }

    #[test]
    fn items_are_put_together_whatever_the_separators() {
        let right = read("DataTime=1;a-Rtd=1,a-Flag=N;b-Rtd=2,b-Flag=D");
        assert_eq!(right.1, Vec::<&str>::new());
        for mixed in [
            "DataTime=1,a-Rtd=1,a-Flag=N,b-Rtd=2,b-Flag=D",
            "DataTime=1;a-Rtd=1;a-Flag=N;b-Rtd=2;b-Flag=D;",
        ] {
            assert_eq!(read(mixed), (right.0.clone(), vec!["separator"]), "{mixed}");
        }
        let apart = read(" DataTime=1;a-Rtd=1;b-Rtd=2,b-Flag=D;a-Flag = N");
        assert_eq!(apart, (right.0, vec!["blanks"]));
    }

    #[test]
    fn a_text_may_hold_separators_and_slashes() {
        let (data, codes) = read("PolId=w01018;i11001-Info=//a;b=1,c//d&&//;i12001-Info=2");
        assert_eq!(data.items[0].value("Info"), Some("//a;b=1,c//d&&//"));
        assert_eq!(data.items[1].subject, Some("w01018"));
        assert_eq!(codes, Vec::<&str>::new());
        let (data, codes) = read("i11001-Info=//open;i12001-Info=2");
        assert_eq!((data.items.len(), codes), (2, vec!["text_not_closed"]));
        assert_eq!(read("i11001-Info=////").1, Vec::<&str>::new());
    }

    #[test]
    fn what_is_odd_is_kept_and_said() {
        for (text, code) in [
            ("a-Rtd=1;a-Rtd=2", "duplicate_item"),
            ("A=1;A=2", "duplicate_item"),
            ("a-rtd=1", "name_case"),
            ("a-Rtd", "not_a_pair"),
        ] {
            assert!(read(text).1.contains(&code), "{text}");
        }
        let (data, _) = read("zz-9-Foo=1;a-rtd=2;-Rtd=3");
        assert_eq!(data.items[0].factor, "zz-9");
        assert_eq!(data.items[0].values, [(Suffix::Other("Foo"), "1")]);
        assert_eq!(data.items[1].value("Rtd"), Some("2"));
        assert_eq!(data.plain, [("-Rtd", "3")]);
    }

    #[test]
    fn a_number_is_a_number() {
        for (text, value) in [
            ("-0.21", Some(-0.21)),
            ("1.", Some(1.0)),
            (".5", Some(0.5)),
            ("007", Some(7.0)),
        ] {
            assert_eq!(number(text), value);
        }
        for text in [
            "", "---", "NaN", "inf", "-inf", "1e999", "1,2", "0x1F", "1.2mg", "-",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
