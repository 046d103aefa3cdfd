//! What a kind of instrument has in its registers: `config/devices/*.toml`.

use crate::{
    section::Section,
    source::modbus::register::{Bits, Function, Kind, WordOrder},
};
use contract::{PointName, problems::Problems};
use std::{collections::HashSet, time::Duration};

/// Units that a point may have. A unit outside this list is a typing error until it is added here.
pub const UNITS: &[&str] = &[
    "℃", "%", "%vol", "%RH", "%LEL", "ppm", "ppb", "mg/m3", "ug/m3", "g/m3", "m3/h", "m3/s", "m3",
    "L/min", "m/s", "mA", "A", "V", "W", "kW", "kvar", "kVA", "kWh", "kvarh", "Hz", "dB", "dB(A)",
    "Pa", "hPa", "kPa", "MPa", "mm", "m", "s", "min", "h", "1",
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
    /// Which bits of the register, for [`Kind::Bits`].
    pub bits: Option<Bits>,
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
    /// When a value that hardly changed is kept, if not always.
    pub sparing: Option<Sparing>,
}

/// When a value that hardly changed is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sparing {
    /// A value that differs from the last kept one by this much, in the unit, is kept.
    pub deadband: f64,
    /// Nothing kept for this long: the next value is.
    pub heartbeat: Duration,
}

/// Where an instrument says which one it is: a serial number, as text or as a whole number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Which table of the instrument.
    pub function: Function,
    /// First register.
    pub register: u16,
    /// Text or an unsigned number.
    pub kind: Kind,
    /// Order of bytes and words.
    pub order: WordOrder,
    /// How many registers.
    pub count: u16,
}

/// A profile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// The kind of instrument, in a few words.
    pub name: String,
    /// The quantities.
    pub points: Vec<Point>,
    /// Holes of up to this many registers are read with what is around them.
    pub gap_max: u16,
    /// Where the instrument says which one it is.
    pub identity: Option<Identity>,
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
    let name: Option<String> = section.parsed("name", "\"cold-room logger\"", problems);
    let gap_max = section.integer_or("gap_max", 0, 0, 124, problems);
    let identity = section
        .has("identity")
        .then(|| section.section("identity", problems))
        .flatten()
        .and_then(|part| identity(part, problems));
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
    Profile {
        name: name.unwrap_or_default(),
        points,
        gap_max: u16::try_from(gap_max).unwrap_or(0),
        identity,
        clock,
    }
}

fn identity(mut part: Section, problems: &mut Problems) -> Option<Identity> {
    let function: Option<Function> = part.parsed("function", "\"holding\"", problems);
    let register = part.integer("register", 0, 65535, problems);
    let kind: Option<Kind> = part.parsed("type", "\"string\"", problems);
    let order = word_order(&mut part, problems);
    let is_text = kind == Some(Kind::Text);
    let count = is_text.then(|| part.integer("registers", 1, 32, problems));
    let place = part.place("type");
    let place_of_register = part.place("register");
    part.finish(problems);
    let (function, kind) = (function?, kind?);
    if function.is_bits() || !matches!(kind, Kind::Text | Kind::U16 | Kind::U32 | Kind::U64) {
        let what = format!("a {kind} in the table {function} names no instrument");
        let fix = "write type = \"string\", \"u16\", \"u32\" or \"u64\" with holding or input";
        problems.add(place, what, fix);
    }
    let register = u16::try_from(register?).ok()?;
    let count = match count {
        Some(count) => u16::try_from(count?).ok()?,
        None => kind.width(),
    };
    if u32::from(register) + u32::from(count) > 65536 {
        let what = format!("{count} registers from {register} go past register 65535");
        problems.add(place_of_register, what, "correct the register");
        return None;
    }
    Some(Identity {
        function,
        register,
        kind,
        order: order?,
        count,
    })
}

fn word_order(part: &mut Section, problems: &mut Problems) -> Option<WordOrder> {
    match part.has("word_order") {
        true => part.parsed("word_order", "\"abcd\"", problems),
        false => Some(WordOrder::Abcd),
    }
}

fn clock(mut part: Section, problems: &mut Problems) -> Option<Point> {
    let function = if part.has("function") {
        part.parsed("function", "\"holding\"", problems)
    } else {
        Some(Function::Holding)
    };
    let register = part.integer("register", 0, 65532, problems);
    let kind: Option<Kind> = part.parsed("type", "\"u64\"", problems);
    let order = word_order(&mut part, problems);
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
        bits: None,
        sparing: None,
    })
}

fn overlap(a: &Point, b: &Point) -> bool {
    let end = |p: &Point| u32::from(p.register) + u32::from(p.kind.width());
    let apart = a.bits.zip(b.bits);
    if apart.is_some_and(|(a, b)| a.mask() & b.mask() == 0) {
        return false;
    }
    a.function == b.function && u32::from(a.register) < end(b) && u32::from(b.register) < end(a)
}

fn point(part: &mut Section, problems: &mut Problems) -> Option<Point> {
    let name = part.parsed("name", "\"temperature\"", problems);
    let function: Option<Function> = part.parsed("function", "\"holding\"", problems);
    let register = part.integer("register", 0, 65535, problems);
    let kind: Option<Kind> = part.parsed("type", "\"i16\"", problems);
    let order = word_order(part, problems);
    let scale = part.number_or("scale", 1.0, problems);
    let offset = part.number_or("offset", 0.0, problems);
    let unit: Option<String> = part.parsed("unit", "\"℃\"", problems);
    let range = part.range("range", problems);
    let factor = part.text_if_there("factor", problems);
    let bits = bits(part, kind, problems);
    let sparing = sparing(part, problems);
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
    if kind == Kind::Text {
        let fix = "a serial number goes under [identity]; a status text cannot be kept";
        problems.add(part.place("type"), "a text is not a reading", fix);
    } else if function.is_bits() != (kind == Kind::Bool) {
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
        bits,
        sparing,
    })
}

fn bits(part: &mut Section, kind: Option<Kind>, problems: &mut Problems) -> Option<Bits> {
    if kind != Some(Kind::Bits) {
        return None;
    }
    let first = part.integer("bit", 0, 15, problems)?;
    let count = part.integer_or("bits", 1, 1, 16, problems);
    if first + count > 16 {
        let what = format!("{count} bits from bit {first} go past bit 15");
        problems.add(part.place("bits"), what, "a register has the bits 0 to 15");
        return None;
    }
    Some(Bits {
        first: u8::try_from(first).ok()?,
        count: u8::try_from(count).ok()?,
    })
}

fn sparing(part: &mut Section, problems: &mut Problems) -> Option<Sparing> {
    if !part.has("deadband") && !part.has("heartbeat") {
        return None;
    }
    let deadband = part.number_or("deadband", 0.0, problems);
    if deadband <= 0.0 {
        let fix = "write the smallest change worth keeping, in the unit; without one leave heartbeat out too";
        problems.add(part.place("deadband"), "it is missing or not above 0", fix);
    }
    let limits = (Duration::from_secs(1), Duration::from_secs(86_400));
    let heartbeat = part.duration("heartbeat", None, limits, problems)?;
    Some(Sparing {
        deadband,
        heartbeat,
    })
}
