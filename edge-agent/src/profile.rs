//! What a kind of instrument has in its registers: `config/devices/*.toml`.

use crate::{
    section::Section,
    source::modbus::register::{Function, Kind, WordOrder},
};
use contract::{PointName, problems::Problems};
use std::collections::HashSet;

/// Units that a point may have. A unit outside this list is a typing error until it is added here.
pub const UNITS: &[&str] = &[
    "℃", "%", "%vol", "%RH", "%LEL", "ppm", "mg/m3", "ug/m3", "m3/h", "m/s", "A", "V", "kW", "kWh",
    "Hz", "dB(A)", "Pa", "kPa", "mm", "1",
];

/// One quantity of an instrument.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its name.
    pub name: PointName,
    /// Which table of the instrument.
    pub function: Function,
    /// First register, counted from 0 as on the wire.
    pub register: u16,
    /// How the number lies in the registers.
    pub kind: Kind,
    /// Order of bytes and words.
    pub order: WordOrder,
    /// What one count is worth.
    pub scale: f64,
    /// Added after scaling.
    pub offset: f64,
    /// Unit symbol.
    pub unit: String,
    /// What the instrument can measure, in the unit.
    pub range: (f64, f64),
    /// Factor code, where there is one.
    pub factor: Option<String>,
}

/// A profile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// The quantities.
    pub points: Vec<Point>,
    /// Where the instrument keeps the time of its measurement (milliseconds since 1970, UTC), if it does; else the
    /// agent's time of asking is the reading's time.
    pub clock: Option<Point>,
}

/// Reads a profile. Gives the points that are right even if others are wrong; the problems say which.
pub fn read(file: &str, text: &str, problems: &mut Problems) -> Profile {
    let Some(mut section) = Section::parse(file, text, problems) else {
        return Profile::default();
    };
    let clock = section
        .has("time")
        .then(|| section.section("time", problems))
        .flatten()
        .and_then(|part| clock(part, problems));
    let _: Option<String> = section.parsed("name", "\"cold-room logger\"", problems);
    let mut points: Vec<Point> = Vec::new();
    let mut names = HashSet::new();
    for mut part in section.sections("point", problems) {
        let point = point(&mut part, problems);
        if let Some(point) = point {
            if !names.insert(point.name.clone()) {
                let what = format!("point {} is there twice", point.name);
                problems.add(
                    part.place("name"),
                    what,
                    "give each point of a profile its own name",
                );
            }
            if let Some(other) = points.iter().find(|other| overlap(other, &point)) {
                let what = format!(
                    "register {} belongs to point {} too",
                    point.register, other.name
                );
                problems.add(
                    part.place("register"),
                    what,
                    "correct the register or the type of one of the two",
                );
            }
            points.push(point);
        }
        part.finish(problems);
    }
    section.finish(problems);
    Profile { points, clock }
}

fn clock(mut part: Section, problems: &mut Problems) -> Option<Point> {
    let function = if part.has("function") {
        part.parsed("function", "\"holding\"", problems)
    } else {
        Some(Function::Holding)
    };
    let register = part.integer("register", 0, 65532, problems);
    let kind: Option<Kind> = part.parsed("type", "\"u64\"", problems);
    let order = if part.has("word_order") {
        part.parsed("word_order", "\"abcd\"", problems)
    } else {
        Some(WordOrder::Abcd)
    };
    let unit: Option<String> = part.parsed("unit", "\"ms\"", problems);
    if unit.as_ref().is_some_and(|unit| unit != "ms") {
        problems.add(
            part.place("unit"),
            "only milliseconds since 1970 are understood",
            "write unit = \"ms\"",
        );
    }
    if kind.is_some_and(|kind| !matches!(kind, Kind::U64 | Kind::I64)) {
        problems.add(
            part.place("type"),
            "milliseconds since 1970 need 64 bits",
            "write type = \"u64\"",
        );
    }
    part.finish(problems);
    Some(Point {
        name: PointName::new("time").ok()?,
        function: function?,
        register: u16::try_from(register?).ok()?,
        kind: kind?,
        order: order?,
        scale: 1.0,
        offset: 0.0,
        unit: unit?,
        range: (0.0, f64::MAX),
        factor: None,
    })
}

fn overlap(a: &Point, b: &Point) -> bool {
    let end = |p: &Point| u32::from(p.register) + u32::from(p.kind.width());
    a.function == b.function && u32::from(a.register) < end(b) && u32::from(b.register) < end(a)
}

fn point(part: &mut Section, problems: &mut Problems) -> Option<Point> {
    let name = part.parsed("name", "\"temperature\"", problems);
    let function: Option<Function> = part.parsed("function", "\"holding\"", problems);
    let register = part.integer("register", 0, 65535, problems);
    let kind: Option<Kind> = part.parsed("type", "\"i16\"", problems);
    let order = if part.has("word_order") {
        part.parsed("word_order", "\"abcd\"", problems)
    } else {
        Some(WordOrder::Abcd)
    };
    let scale = part.number_or("scale", 1.0, problems);
    let offset = part.number_or("offset", 0.0, problems);
    let unit: Option<String> = part.parsed("unit", "\"℃\"", problems);
    let range = part.range("range", problems);
    let factor = part.text_if_there("factor", problems);
    if scale == 0.0 {
        problems.add(
            part.place("scale"),
            "0 makes every value 0",
            "write what one count is worth, for example 0.1",
        );
    }
    if let Some(unit) = &unit
        && !UNITS.contains(&unit.as_str())
    {
        let fix = format!("write one of {}", UNITS.join(" "));
        problems.add(
            part.place("unit"),
            format!("unit {unit:?} is not known"),
            fix,
        );
    }
    let (function, register, kind) = (function?, u16::try_from(register?).ok()?, kind?);
    if u32::from(register) + u32::from(kind.width()) > 65536 {
        let what = format!("a {kind} at register {register} goes past register 65535");
        problems.add(
            part.place("register"),
            what,
            "correct the register or the type",
        );
    }
    if function.is_bits() != (kind == Kind::Bool) {
        let what = format!("function {function} does not hold a {kind}");
        problems.add(
            part.place("type"),
            what,
            "write \"bool\" with coil and discrete, a number type with holding and input",
        );
    }
    Some(Point {
        name: name?,
        function,
        register,
        kind,
        order: order?,
        scale,
        offset,
        unit: unit?,
        range: range?,
        factor,
    })
}
