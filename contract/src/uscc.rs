//! Unified social credit code 统一社会信用代码 (GB 32100-2015). Pure.
//!
//! The check digit proves the form only, not that the code belongs to a name.

use std::{fmt, str::FromStr};

const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
const WEIGHTS: [usize; 17] = [
    1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28,
];

/// A code whose form and check digit are right.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Uscc(String);

/// Why a code was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code:?} is not a unified social credit code (GB 32100-2015): {reason}")]
pub struct UsccError {
    code: String,
    reason: String,
}

impl Uscc {
    /// Checks a code. Lower case and full-width characters are normalised first.
    pub fn new(text: &str) -> Result<Self, UsccError> {
        let code: String = text
            .trim()
            .chars()
            .map(|c| match c {
                '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
                c => c,
            })
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let refuse = |reason: String| UsccError {
            code: text.to_owned(),
            reason,
        };
        if code.chars().count() != 18 {
            return Err(refuse(format!(
                "it has {} characters, a code has 18",
                code.chars().count()
            )));
        }
        let mut sum = 0;
        let mut last = 0;
        for (n, c) in code.bytes().enumerate() {
            let Some(value) = ALPHABET.iter().position(|a| *a == c) else {
                let hint = match c {
                    b'O' => "; is it the digit 0?",
                    b'I' => "; is it the digit 1?",
                    b'Z' => "; is it the digit 2?",
                    b'S' => "; is it the digit 5?",
                    _ => "",
                };
                return Err(refuse(format!(
                    "character {} is not in the alphabet{hint}",
                    n + 1
                )));
            };
            match WEIGHTS.get(n) {
                Some(weight) => sum += value * weight,
                None => last = value,
            }
        }
        let expected = (31 - sum % 31) % 31;
        if last != expected {
            let digit = char::from(ALPHABET[expected]);
            return Err(refuse(format!(
                "its check digit should be {digit}; compare it with the licence"
            )));
        }
        Ok(Self(code))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uscc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Uscc {
    type Err = UsccError;
    fn from_str(text: &str) -> Result<Self, UsccError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Uscc {
    type Error = UsccError;
    fn try_from(text: String) -> Result<Self, UsccError> {
        Self::new(&text)
    }
}

impl From<Uscc> for String {
    fn from(code: Uscc) -> String {
        code.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_codes_pass_and_altered_ones_do_not() {
        for good in [
            "914403001922038216",
            "9144030071526726XG",
            "91110000802100433b",
            "91350100M000100Y43",
        ] {
            assert!(Uscc::new(good).is_ok(), "{good}");
        }
        let wrong_digit = Uscc::new("914403001922038217").unwrap_err().to_string();
        assert!(wrong_digit.contains("should be 6"), "{wrong_digit}");
        let letter = Uscc::new("91440300192203821O").unwrap_err().to_string();
        assert!(letter.contains("digit 0"), "{letter}");
        assert!(
            Uscc::new("91350100M000100Y4Z").is_err()
                && Uscc::new("").is_err()
                && Uscc::new("１２３").is_err()
        );
    }
}
