//! What registers may mean. Pure. A guess is for a person to check: any two registers are some number in each order.

use crate::source::modbus::register::{Kind, WordOrder, decode, text};
use serde::Serialize;
use std::collections::BTreeMap;

/// Numbers of instruments are mostly neither smaller nor larger than these.
const REAL: std::ops::Range<f64> = 0.01..1_000_000.0;
/// A counter that needs two registers.
const COUNTER: std::ops::Range<f64> = 65_536.0..100_000_000.0;
/// Letters of a text worth showing.
const LETTERS_MIN: usize = 4;
const ORDERS: [WordOrder; 4] = [
    WordOrder::Abcd,
    WordOrder::Cdab,
    WordOrder::Badc,
    WordOrder::Dcba,
];

/// One possible meaning.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Guess {
    /// The first register.
    pub register: u16,
    /// As in a profile.
    #[serde(rename = "type")]
    pub kind: String,
    /// As in a profile; for types of one register left out.
    pub word_order: Option<String>,
    /// What it would read.
    pub value: String,
}

/// Plausible meanings of these registers, by register; the likeliest of one place first: what people chose has few digits.
pub fn guesses(registers: &BTreeMap<u16, u16>) -> Vec<Guess> {
    let mut found = Vec::new();
    let mut letters_end = 0;
    for register in registers.keys() {
        if u32::from(*register) < letters_end {
            continue;
        }
        if let Some((guess, count)) = letters(registers, *register) {
            letters_end = u32::from(*register) + u32::from(count);
            found.push(guess);
            continue;
        }
        let mut here = numbers(registers, *register);
        here.sort_by_key(|guess| guess.value.len());
        found.extend(here);
    }
    found
}

/// The registers from `first` on, if there are as many.
fn words(registers: &BTreeMap<u16, u16>, first: u16, count: u16) -> Option<Vec<u16>> {
    let place = |n| {
        first
            .checked_add(n)
            .and_then(|register| registers.get(&register))
    };
    (0..count).map(|n| place(n).copied()).collect()
}

fn numbers(registers: &BTreeMap<u16, u16>, register: u16) -> Vec<Guess> {
    let mut found = Vec::new();
    let negative = registers.get(&register).map(|word| *word as i16);
    if let Some(value) = negative.filter(|value| (-10_000..0).contains(value)) {
        found.push(guess(register, Kind::I16, None, f64::from(value)));
    }
    for kind in [Kind::F32, Kind::U32, Kind::F64] {
        let Some(words) = words(registers, register, kind.width()) else {
            continue;
        };
        for order in ORDERS {
            let Some(value) = decode(kind, order, &words) else {
                continue;
            };
            let is_plausible = match kind {
                Kind::U32 => {
                    COUNTER.contains(&value) && matches!(order, WordOrder::Abcd | WordOrder::Cdab)
                }
                _ => REAL.contains(&value.abs()),
            };
            if is_plausible {
                found.push(guess(register, kind, Some(order), value));
            }
        }
    }
    found
}

fn guess(register: u16, kind: Kind, order: Option<WordOrder>, value: f64) -> Guess {
    Guess {
        register,
        kind: kind.to_string(),
        word_order: order.map(|order| order.to_string()),
        value: match kind {
            Kind::F32 => (value as f32).to_string(),
            _ => value.to_string(),
        },
    }
}

/// A text that begins here and goes on as long as there are letters.
fn letters(registers: &BTreeMap<u16, u16>, register: u16) -> Option<(Guess, u16)> {
    let is_letter = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    let is_text = |word: &u16| word.to_be_bytes().into_iter().all(is_letter);
    let goes_on = |n: &u16| {
        let place = register
            .checked_add(*n)
            .and_then(|register| registers.get(&register));
        place.is_some_and(is_text)
    };
    let count = (0..64).take_while(goes_on).count() as u16;
    let words = words(registers, register, count)?;
    let value = text(WordOrder::Abcd, &words).filter(|text| text.len() >= LETTERS_MIN)?;
    let guess = Guess {
        register,
        kind: Kind::Text.to_string(),
        word_order: None,
        value,
    };
    Some((guess, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(first: u16, words: &[u16]) -> BTreeMap<u16, u16> {
        let registers = (first..=u16::MAX).take(words.len());
        registers.zip(words.iter().copied()).collect()
    }

    #[test]
    fn numbers_and_texts_are_found_in_each_order() {
        let f32_of = |value: f32| [(value.to_bits() >> 16) as u16, value.to_bits() as u16];
        let [high, low] = f32_of(20.65);
        for (words, kind, order, value) in [
            (vec![high, low], "f32", "abcd", "20.65"),
            (vec![low, high], "f32", "cdab", "20.65"),
            (
                vec![high.swap_bytes(), low.swap_bytes()],
                "f32",
                "badc",
                "20.65",
            ),
            (
                vec![low.swap_bytes(), high.swap_bytes()],
                "f32",
                "dcba",
                "20.65",
            ),
            (vec![1, 2], "u32", "abcd", "65538"),
            (vec![2, 1], "u32", "cdab", "65538"),
            (vec![0x4034, 0xA666, 0x6666, 0x6666], "f64", "abcd", "20.65"),
        ] {
            let found = guesses(&at(7, &words));
            let is_there = found.iter().any(|guess| {
                let order_of = guess.word_order.as_deref();
                guess.register == 7
                    && guess.kind == kind
                    && order_of == Some(order)
                    && guess.value == value
            });
            assert!(is_there, "{kind} {order} in {found:?}");
            let first = found.iter().find(|guess| guess.register == 7).unwrap();
            assert_eq!(first.value, value, "the shortest comes first: {found:?}");
        }
    }

    #[test]
    fn one_register_is_negative_or_part_of_a_text_or_nothing_to_guess() {
        let found = guesses(&at(0, &[(-183i16) as u16]));
        assert_eq!(
            (found[0].kind.as_str(), found[0].value.as_str()),
            ("i16", "-183")
        );
        assert_eq!(guesses(&at(65_535, &[250])), []);
        assert_eq!(guesses(&at(0, &[0, 0, 0, 0])), []);
        let found = guesses(&at(65_532, &[0x534E, 0x2D34, 0x3220, 7]));
        assert_eq!(found[0].value, "SN-42");
        assert!(found[1..].iter().all(|guess| guess.register > 65_534));
    }
}
