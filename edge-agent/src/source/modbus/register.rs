//! Registers become a number. Pure. Modbus Application Protocol V1.1b3 fixes only the order of the two bytes in
//! a register; makers differ in everything wider, hence [`WordOrder`].

use std::{fmt, str::FromStr};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("{text:?} is not a {}; write one of {}", $what, [$($word),+].join(", "))),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }
    };
}

words!(
    /// Which table of the instrument a point lies in.
    Function, "function",
    /// Function code 1.
    Coil = "coil",
    /// Function code 2.
    Discrete = "discrete",
    /// Function code 3.
    Holding = "holding",
    /// Function code 4.
    Input = "input"
);

words!(
    /// How a number lies in registers.
    Kind, "type",
    /// One unsigned register.
    U16 = "u16",
    /// One signed register.
    I16 = "i16",
    /// Two registers, unsigned.
    U32 = "u32",
    /// Two registers, signed.
    I32 = "i32",
    /// Four registers, unsigned; above 2^53 the last digits are rounded.
    U64 = "u64",
    /// Four registers, signed; beyond 2^53 the last digits are rounded.
    I64 = "i64",
    /// Two registers, IEEE 754 single.
    F32 = "f32",
    /// Four registers, IEEE 754 double.
    F64 = "f64",
    /// One bit: 0 or 1.
    Bool = "bool",
    /// Some bits of a register, as an unsigned number; which ones says [`Bits`].
    Bits = "bits",
    /// Text, two bytes in a register; only for what an instrument says of itself.
    Text = "string"
);

words!(
    /// Order of the bytes of a number of two registers, A being the most significant; four registers likewise.
    WordOrder, "word order",
    /// Big-endian words, big-endian bytes.
    Abcd = "abcd",
    /// Least significant word first.
    Cdab = "cdab",
    /// Bytes swapped in each word.
    Badc = "badc",
    /// Little-endian throughout.
    Dcba = "dcba"
);

impl Function {
    /// True for the tables of single bits.
    pub fn is_bits(self) -> bool {
        matches!(self, Function::Coil | Function::Discrete)
    }
}

impl Kind {
    /// How many registers (or bits) it takes; a text says itself how many.
    pub fn width(self) -> u16 {
        match self {
            Kind::U16 | Kind::I16 | Kind::Bool | Kind::Bits | Kind::Text => 1,
            Kind::U32 | Kind::I32 | Kind::F32 => 2,
            Kind::U64 | Kind::I64 | Kind::F64 => 4,
        }
    }
}

/// Which bits of a register are meant; bit 0 is the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits {
    /// The lowest of them.
    pub first: u8,
    /// How many.
    pub count: u8,
}

impl Bits {
    /// Their place in the register.
    pub fn mask(self) -> u16 {
        let all = (1u32 << self.count) - 1;
        (all << self.first) as u16
    }

    /// What they hold.
    pub fn of(self, register: u16) -> u16 {
        (register & self.mask()) >> self.first
    }
}

/// The text in `words` without the zeros and blanks around it; `None` if it is not printable. Orders that swap bytes swap
/// the two letters of each register.
pub fn text(order: WordOrder, words: &[u16]) -> Option<String> {
    let bytes = words.iter().flat_map(|word| match order {
        WordOrder::Abcd | WordOrder::Cdab => word.to_be_bytes(),
        WordOrder::Badc | WordOrder::Dcba => word.to_le_bytes(),
    });
    let text = String::from_utf8(bytes.collect()).ok()?;
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    let is_text = !text.is_empty() && !text.chars().any(char::is_control);
    is_text.then(|| text.to_owned())
}

/// The number in `words`; `None` if there are not exactly as many as the kind takes. NaN stays NaN.
pub fn decode(kind: Kind, order: WordOrder, words: &[u16]) -> Option<f64> {
    if words.len() != usize::from(kind.width()) {
        return None;
    }
    let is_low_first = matches!(order, WordOrder::Cdab | WordOrder::Dcba);
    let is_swapped = matches!(order, WordOrder::Badc | WordOrder::Dcba);
    let mut bits = 0u64;
    for index in 0..words.len() {
        let word = words[if is_low_first {
            words.len() - 1 - index
        } else {
            index
        }];
        bits = bits << 16 | u64::from(if is_swapped { word.swap_bytes() } else { word });
    }
    Some(match kind {
        Kind::U16 | Kind::U32 | Kind::U64 | Kind::Bits => bits as f64,
        Kind::I16 => f64::from(bits as u16 as i16),
        Kind::I32 => f64::from(bits as u32 as i32),
        Kind::I64 => bits as i64 as f64,
        Kind::F32 => f64::from(f32::from_bits(bits as u32)),
        Kind::F64 => f64::from_bits(bits),
        Kind::Bool => f64::from(u8::from(bits != 0)),
        Kind::Text => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: &str, order: &str, words: &[u16], expected: f64) {
        let number = decode(kind.parse().unwrap(), order.parse().unwrap(), words).unwrap();
        assert_eq!(number, expected, "{kind} {order} {words:04x?}");
    }

    #[test]
    fn registers_become_the_number_the_maker_meant() {
        check("u16", "abcd", &[0xFFFF], 65535.0);
        check("i16", "abcd", &[0xFF38], -200.0);
        check("i16", "badc", &[0x38FF], -200.0);
        check("u16", "cdab", &[0x1234], 4660.0);
        check("u32", "abcd", &[0x0001, 0x0002], 65538.0);
        check("u32", "cdab", &[0x0002, 0x0001], 65538.0);
        check("u32", "badc", &[0x0100, 0x0200], 65538.0);
        check("u32", "dcba", &[0x0200, 0x0100], 65538.0);
        check("i32", "abcd", &[0xFFFF, 0xFFFE], -2.0);
        check("f32", "abcd", &[0x41A5, 0x3333], f64::from(20.65f32));
        check("f32", "cdab", &[0x3333, 0x41A5], f64::from(20.65f32));
        check("f32", "badc", &[0xA541, 0x3333], f64::from(20.65f32));
        check("f32", "dcba", &[0x3333, 0xA541], f64::from(20.65f32));
        check("u64", "abcd", &[0, 0, 1, 0], 65536.0);
        check("u64", "cdab", &[0, 1, 0, 0], 65536.0);
        check("i64", "abcd", &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF], -1.0);
        check(
            "f64",
            "abcd",
            &[0x4009, 0x21FB, 0x5444, 0x2D18],
            std::f64::consts::PI,
        );
        check(
            "f64",
            "dcba",
            &[0x182D, 0x4454, 0xFB21, 0x0940],
            std::f64::consts::PI,
        );
        check("bool", "abcd", &[1], 1.0);
        assert!(
            decode(Kind::F32, WordOrder::Abcd, &[0x7FC0, 0])
                .unwrap()
                .is_nan()
        );
        assert_eq!(decode(Kind::F32, WordOrder::Abcd, &[0x7FC0]), None);
    }

    #[test]
    fn bits_of_a_register_and_text_are_read() {
        let bits = |first, count| Bits { first, count };
        assert_eq!(bits(0, 1).of(0b0101), 1);
        assert_eq!(bits(1, 1).of(0b0101), 0);
        assert_eq!(bits(2, 3).of(0b1_1100), 7);
        assert_eq!(bits(15, 1).of(0x8000), 1);
        assert_eq!(bits(0, 16).of(0xFFFF), 0xFFFF);
        let words = [0x4142, 0x3132, 0x2000];
        assert_eq!(text(WordOrder::Abcd, &words).as_deref(), Some("AB12"));
        let swapped = words.map(u16::swap_bytes);
        assert_eq!(text(WordOrder::Badc, &swapped).as_deref(), Some("AB12"));
        assert_eq!(text(WordOrder::Abcd, &[0, 0]), None);
        assert_eq!(text(WordOrder::Abcd, &[0x0741]), None);
        assert_eq!(text(WordOrder::Abcd, &[0xC328]), None);
    }

    #[test]
    fn an_unknown_word_lists_the_known_ones() {
        let error = "acbd".parse::<WordOrder>().unwrap_err();
        assert_eq!(
            error,
            "\"acbd\" is not a word order; write one of abcd, cdab, badc, dcba"
        );
    }
}
