//! The fields of a data segment (HJ 212-2017 6.3.2, Table 3; RF of 2025) and where its data area lies. Pure, and as
//! generous as the errata of the standard's own examples ask for.

use super::complaint::{Code, Complaints, complain};
use super::moment;
use super::names;
use std::ops::Range;

/// Bytes of a segment by the standard; what is longer must be split.
pub const SEGMENT_MAX: usize = 1024;

/// The fields. Texts are as sent, without blanks around them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segment<'t> {
    /// Number of the exchange: 17 digits of a time.
    pub qn: Option<&'t str>,
    /// System code.
    pub st: Option<&'t str>,
    /// Command.
    pub cn: Option<&'t str>,
    /// Password.
    pub pw: Option<&'t str>,
    /// Identity of the device.
    pub mn: Option<&'t str>,
    /// Version, split, answer wanted. `None` if missing or not a number.
    pub flag: Option<Flag>,
    /// How many packets.
    pub pnum: Option<u32>,
    /// Which packet of them.
    pub pno: Option<u32>,
    /// Back-fill (补传).
    pub is_backfill: bool,
    /// Fields the standard does not know.
    pub other: Vec<(&'t str, &'t str)>,
    /// The data area between its `&&`, perhaps encrypted; `None` if there is none.
    pub data: Option<&'t str>,
}

/// Flag: six bits of version, then split, then answer wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag(pub u8);

/// Which standard a sender claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HJ/T 212-2005.
    V2005,
    /// HJ 212-2017.
    V2017,
    /// HJ 212-2025.
    V2025,
    /// Version bits that no standard has given out.
    Unknown,
}

impl Version {
    /// The year, or `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Version::V2005 => "2005",
            Version::V2017 => "2017",
            Version::V2025 => "2025",
            Version::Unknown => "unknown",
        }
    }
}

impl Flag {
    /// The sender waits for an answer.
    pub fn wants_answer(self) -> bool {
        self.0 & 1 == 1
    }

    /// PNUM and PNO are there.
    pub fn is_split(self) -> bool {
        self.0 & 2 == 2
    }

    /// Which standard.
    pub fn version(self) -> Version {
        match self.0 >> 2 {
            0 => Version::V2005,
            1 => Version::V2017,
            2 => Version::V2025,
            _ => Version::Unknown,
        }
    }
}

impl<'t> Segment<'t> {
    /// Reads the fields of a whole segment.
    pub fn read(text: &'t str, complaints: &mut Complaints) -> Self {
        let mut segment = Segment::default();
        let mut seen = 0;
        let head = &text[..head_end(text, complaints)];
        for piece in head.split([';', ',']) {
            if !piece.trim_ascii().is_empty() {
                segment.field(piece, &mut seen, complaints);
            }
        }
        if head.contains(',') {
            complain(
                complaints,
                Code::Separator,
                "segment",
                "fields joined by `,`",
            );
        }
        segment.data = data_area(text).map(|range| &text[range]);
        check_cp(text, complaints);
        segment.check(complaints);
        segment
    }

    /// The version the sender claims; without Flag it is 2005.
    pub fn version(&self) -> Version {
        self.flag.map_or(Version::V2005, Flag::version)
    }

    fn field(&mut self, piece: &'t str, seen: &mut u16, complaints: &mut Complaints) {
        let Some((name, value)) = piece.split_once('=') else {
            let what = format!("`{}` has no `=`", short(piece.trim_ascii()));
            return complain(complaints, Code::NotAPair, "segment", what);
        };
        if name.trim_ascii() != name || value.trim_ascii() != value {
            complain(
                complaints,
                Code::Blanks,
                name.trim_ascii(),
                "blanks were taken off",
            );
        }
        let (name, value) = (name.trim_ascii(), value.trim_ascii());
        const NAMES: [&str; 9] = ["QN", "ST", "CN", "PW", "MN", "Flag", "PNUM", "PNO", "RF"];
        let Some(index) = NAMES.iter().position(|n| n.eq_ignore_ascii_case(name)) else {
            let what = format!("`{}` is no field of the standard; kept", short(name));
            complain(complaints, Code::UnknownField, short(name), what);
            return self.other.push((name, value));
        };
        let known = NAMES[index];
        if name != known {
            complain(
                complaints,
                Code::NameCase,
                known,
                format!("written `{name}`"),
            );
        }
        if *seen & (1 << index) != 0 {
            let what = format!("came again as `{}`; the first holds", short(value));
            return complain(complaints, Code::DuplicateField, known, what);
        }
        *seen |= 1 << index;
        let number = |complaints: &mut Complaints| {
            let number = value.parse::<u32>().ok();
            if number.is_none() {
                let what = format!("`{}` is not a whole number", short(value));
                complain(complaints, Code::FieldForm, known, what);
            }
            number
        };
        match known {
            "Flag" => {
                let number = number(complaints);
                self.flag = number.and_then(|n| u8::try_from(n).ok()).map(Flag);
                if number.is_some() && self.flag.is_none() {
                    complain(
                        complaints,
                        Code::FieldForm,
                        known,
                        format!("{value} is over 255"),
                    );
                }
            }
            "PNUM" => self.pnum = number(complaints),
            "PNO" => self.pno = number(complaints),
            "RF" => {
                self.is_backfill = value == "1";
                if !self.is_backfill {
                    let what = format!("`{}`: only RF=1 exists (2025)", short(value));
                    complain(complaints, Code::FieldForm, known, what);
                }
            }
            _ if value.is_empty() => {}
            "QN" => self.qn = Some(value),
            "ST" => self.st = Some(value),
            "CN" => self.cn = Some(value),
            "PW" => self.pw = Some(value),
            _ => self.mn = Some(value),
        }
    }

    fn check(&self, complaints: &mut Complaints) {
        let missing: [(&str, bool, Code); 5] = [
            // A sender of 2005 that asks for no answer needs no QN.
            (
                "QN",
                self.qn.is_none() && self.flag.is_some_and(|f| f.0 > 0),
                Code::MissingQn,
            ),
            ("ST", self.st.is_none(), Code::MissingSt),
            ("CN", self.cn.is_none(), Code::MissingCn),
            ("PW", self.pw.is_none(), Code::MissingPw),
            ("MN", self.mn.is_none(), Code::MissingMn),
        ];
        for (name, is_missing, code) in missing {
            if is_missing {
                complain(complaints, code, name, format!("there is no {name}"));
            }
        }
        self.check_forms(complaints);
        self.check_packets(complaints);
    }

    fn check_forms(&self, complaints: &mut Complaints) {
        if let Some(qn) = self.qn
            && (qn.len() != 17 || moment::read(qn).is_none())
        {
            let what = format!("`{}` is not 17 digits of a real time", short(qn));
            complain(complaints, Code::FieldForm, "QN", what);
        }
        if let Some(pw) = self.pw
            && pw.chars().count() != 6
        {
            let what = format!("{} characters, not 6", pw.chars().count());
            complain(complaints, Code::FieldForm, "PW", what);
        }
        if let Some(mn) = self.mn {
            let is_hex = mn.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
            let length = mn.chars().count();
            if length != 24 || !is_hex {
                let letters = if is_hex { "" } else { ", some not of 0-9 A-F" };
                let what = format!("{length} characters{letters}; the standard has 24 of 0-9 A-F");
                complain(complaints, Code::MnForm, "MN", what);
            }
        }
        if let Some(st) = self.st
            && names::system(st).is_none()
        {
            let what = format!("`{}` is not in Table 5", short(st));
            complain(complaints, Code::UnknownSt, "ST", what);
        }
        if let Some(cn) = self.cn
            && names::command(cn).is_none()
        {
            let what = format!("`{}` is not in Table 9 nor among those of 2025", short(cn));
            complain(complaints, Code::UnknownCn, "CN", what);
        }
        if let Some(flag) = self.flag
            && flag.version() == Version::Unknown
        {
            let what = format!("Flag={} has version bits {:06b}", flag.0, flag.0 >> 2);
            complain(complaints, Code::UnknownVersion, "Flag", what);
        }
    }

    fn check_packets(&self, complaints: &mut Complaints) {
        let is_split = self.flag.is_some_and(Flag::is_split);
        for (name, number, code) in [
            ("PNUM", self.pnum, Code::MissingPnum),
            ("PNO", self.pno, Code::MissingPno),
        ] {
            if is_split && number.is_none() {
                let what = format!("Flag says that the data is split, and there is no {name}");
                complain(complaints, code, name, what);
            } else if !is_split && number.is_some() {
                let what = format!("{name} is there, and Flag does not say that the data is split");
                complain(complaints, Code::PacketWithoutFlag, name, what);
            }
        }
        if let (Some(pnum), Some(pno)) = (self.pnum, self.pno)
            && !(1..=pnum).contains(&pno)
        {
            let what = format!("packet {pno} of {pnum}");
            complain(complaints, Code::PacketNumber, "PNO", what);
        }
    }
}

/// Where the data area lies: after `CP=&&`, before the last `&&`.
pub fn data_area(text: &str) -> Option<Range<usize>> {
    let (_, value) = cp(text)?;
    let begin = value + text[value..].strip_prefix("&&").map_or(0, |_| 2);
    let rest = text[begin..].trim_ascii_end();
    let end = begin + rest.strip_suffix("&&").unwrap_or(rest).len();
    Some(begin..end)
}

/// Where `CP` begins and where its value does.
fn cp(text: &str) -> Option<(usize, usize)> {
    if let Some(at) = text.find("CP=&&") {
        return Some((at, at + 3));
    }
    text.match_indices("CP").find_map(|(at, _)| {
        let before = text[..at].trim_ascii_end();
        let after = text[at + 2..]
            .trim_ascii_start()
            .strip_prefix('=')?
            .trim_ascii_start();
        (before.is_empty() || before.ends_with([';', ',']) || after.starts_with("&&"))
            .then(|| (at, text.len() - after.len()))
    })
}

fn head_end(text: &str, complaints: &mut Complaints) -> usize {
    let Some((at, _)) = cp(text) else {
        return text.len();
    };
    let head = text[..at].trim_ascii_end();
    if !head.is_empty() && !head.ends_with([';', ',']) {
        complain(complaints, Code::MissingSeparator, "CP", "no `;` before CP");
    }
    at
}

fn check_cp(text: &str, complaints: &mut Complaints) {
    let Some((_, value)) = cp(text) else {
        return complain(complaints, Code::MissingCp, "CP", "there is no data area");
    };
    if !text[value..].starts_with("&&") {
        complain(complaints, Code::CpNotOpened, "CP", "no `&&` after `CP=`");
    }
    let has_end =
        text[value..].trim_ascii_end().len() >= 4 && text.trim_ascii_end().ends_with("&&");
    if !has_end {
        complain(
            complaints,
            Code::CpNotClosed,
            "CP",
            "no `&&` before the check value",
        );
    }
}

/// The beginning of a text, for a complaint.
pub fn short(text: &str) -> String {
    const SHORT: usize = 40;
    match text.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Segment<'_>, Vec<&'static str>) {
        let mut complaints = Vec::new();
        let segment = Segment::read(text, &mut complaints);
        let codes = complaints.iter().map(|c| c.code.as_str()).collect();
        (segment, codes)
    }

    const MN: &str = "MN=010000A8900016F000169DC0";

    #[test]
    fn the_errata_of_the_standard_are_read_and_said() {
        let text = format!(
            "QN=20160801085857534,ST=32;CN=2061; PW=100000;{MN};Flag=7;PNUM=2;PNO=1CP=&&A=1&&"
        );
        let (segment, codes) = read(&text);
        assert_eq!(segment.st, Some("32"));
        assert_eq!((segment.pnum, segment.data), (Some(2), Some("A=1")));
        assert_eq!(segment.pno, Some(1));
        assert_eq!(codes, ["missing_separator", "blanks", "separator"]);
    }

    #[test]
    fn a_sender_of_2005_needs_neither_flag_nor_qn() {
        let (segment, codes) = read("ST=32;CN=2011;PW=123456;MN=88888880000001;CP=&&&&");
        assert_eq!(segment.version(), Version::V2005);
        assert_eq!((segment.data, codes), (Some(""), vec!["mn_form"]));
    }

    #[test]
    fn each_wrong_field_is_named() {
        for (text, code) in [
            (
                "QN=20261301090000001;ST=31;CN=2011;PW=123456;Flag=5",
                "field_form",
            ),
            (
                "QN=20261201090000001;ST=31;CN=2011;PW=123456;Flag=x",
                "field_form",
            ),
            (
                "QN=20261201090000001;ST=31;CN=2011;PW=123456;Flag=256",
                "field_form",
            ),
            (
                "QN=20261201090000001;ST=31;CN=2011;PW=12345;Flag=5",
                "field_form",
            ),
            (
                "QN=20261201090000001;ST=31;CN=2011;PW=123456;Flag=9;RF=0",
                "field_form",
            ),
            (
                "QN=20261201090000001;ST=31;CN=2011;PW=123456;Flag=5;PNO=1",
                "packet_without_flag",
            ),
            (
                "QN=20261201090000001;ST=31;CN=2011;PW=123456;Flag=21",
                "unknown_version",
            ),
            (
                "QN=20261201090000001;ST=31;CN=2011;PW=123456;Flag=7;PNUM=2;PNO=3",
                "packet_number",
            ),
            (
                "QN=20261201090000001;ST=31;CN=2011;PW=123456;Flag=5;ST=32",
                "duplicate_field",
            ),
            (
                "QN=20261201090000001;ST=31;CN=2011;PW=123456;Flag=5;Foo=1",
                "unknown_field",
            ),
            (
                "QN=20261201090000001;ST=31;CN=2011;PW=123456;Flag=5;Foo",
                "not_a_pair",
            ),
            (
                "QN=20261201090000001;st=31;CN=2011;PW=123456;Flag=5",
                "name_case",
            ),
            (
                "QN=20261201090000001;ST=3;CN=2011;PW=123456;Flag=5",
                "unknown_st",
            ),
            (
                "QN=20261201090000001;ST=31;CN=2999;PW=123456;Flag=5",
                "unknown_cn",
            ),
            ("ST=31;CN=2011;PW=123456;Flag=5", "missing_qn"),
        ] {
            let whole = format!("{text};{MN};CP=&&A=1&&");
            assert_eq!(read(&whole).1, [code], "{whole}");
        }
        let base = format!("QN=20261201090000001;ST=31;CN=2011;PW=123456;{MN};Flag=5;");
        assert_eq!(read(&base).1, ["missing_cp"]);
        assert_eq!(
            read(&format!("{base}CP=A=1")).1,
            ["cp_not_opened", "cp_not_closed"]
        );
        assert_eq!(read(&format!("{base}CP = &&A=1&&")).0.data, Some("A=1"));
        assert_eq!(read(&format!("{base}CP=&&")).1, ["cp_not_closed"]);
    }
}
