//! Enrolment of an agent with a one-time code, and the renewal of its certificate: what both ends must agree on.
//!
//! Promise: the code never travels. A request carries a seal over the certificate request, keyed by the code; the answer
//! carries one over itself and the request. Who does not know the code can neither be enrolled nor hand out a false
//! authority, whatever stands between the two ends, also over plain HTTP. A typing error is found before anything is sent.
//! Not promised: secrecy of what is sent (a public key and certificates).
//!
//! A code is 19 random letters of five bits (95 bits, so that guessing is hopeless even against a recorded request) and
//! one check letter, in five groups.

use crate::hex::hex;
use crate::{AgentId, SiteId};
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Thirty-two letters without I, L, O and U; a reader takes I and L for 1 and O for 0.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RANDOM: usize = 19;
const GROUP: usize = 4;
const DERIVATION: &[u8] = b"OneDoor enrolment code, version 1";

/// A name in every certificate of the gateway: an enrolled agent checks it instead of the host it dialled, so that it may
/// reach the gateway under any address.
pub const GATEWAY_NAME: &str = "onedoor-gateway";

/// Where an agent asks for a new certificate for itself: the payload is a certificate request, PEM.
pub fn request_topic(site: &SiteId, agent: &AgentId) -> String {
    format!("onedoor/{site}/csr/{agent}")
}

/// A one-time code as a person types it.
#[derive(Clone, PartialEq, Eq)]
pub struct Code([u8; RANDOM + 1]);

/// Why a text is not a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Too short or too long.
    #[error("a code has 20 letters and digits, this has {0}")]
    Length(usize),
    /// A letter that no code has.
    #[error("a code has no {0:?} in it")]
    Letter(char),
    /// The check letter does not fit.
    #[error("the code was not typed as it was given: its check letter does not fit")]
    Check,
}

impl Code {
    /// A new code from 19 random bytes; five bits of each count.
    pub fn from_random(bytes: [u8; RANDOM]) -> Code {
        let mut values = [0; RANDOM + 1];
        for (value, byte) in values.iter_mut().zip(bytes) {
            *value = byte & 31;
        }
        values[RANDOM] = check(&values[..RANDOM]);
        Code(values)
    }

    /// What is kept of it, and what seals are made with.
    pub fn secret(&self) -> Secret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, DERIVATION);
        let tag = hmac::sign(&key, &self.0);
        Secret(tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes"))
    }
}

/// The check letter: a weighted sum in the field of 32 elements (x⁵ + x² + 1). With a weight of its own for each place it
/// finds every single wrong letter and every exchange of two.
fn check(values: &[u8]) -> u8 {
    values.iter().fold(0, |sum, value| {
        let doubled = (sum ^ value) << 1;
        if doubled & 32 == 0 {
            doubled
        } else {
            doubled ^ 0b10_0101
        }
    })
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, value) in self.0.iter().enumerate() {
            if place > 0 && place % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(LETTERS[usize::from(*value)]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(***)")
    }
}

impl FromStr for Code {
    type Err = CodeError;

    /// Case, spaces and dashes do not matter.
    fn from_str(text: &str) -> Result<Code, CodeError> {
        let mut values = Vec::with_capacity(RANDOM + 1);
        for letter in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let read = match letter.to_ascii_uppercase() {
                'I' | 'L' => '1',
                'O' => '0',
                other => other,
            };
            let value = LETTERS.iter().position(|l| char::from(*l) == read);
            values.push(value.ok_or(CodeError::Letter(letter))? as u8);
        }
        let values: [u8; RANDOM + 1] = values
            .try_into()
            .map_err(|values: Vec<u8>| CodeError::Length(values.len()))?;
        match check(&values[..RANDOM]) == values[RANDOM] {
            true => Ok(Code(values)),
            false => Err(CodeError::Check),
        }
    }
}

/// A key derived from a code; the code cannot be found from it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Secret {
    /// A kept one.
    pub fn from_bytes(bytes: [u8; 32]) -> Secret {
        Secret(bytes)
    }

    /// The bytes to keep.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Names the code without giving it away; 32 hexadecimal digits.
    pub fn id(&self) -> String {
        hex(&self.tag(&[b"id"]).as_ref()[..16])
    }

    /// The seal of a request.
    pub fn seal_request(&self, csr: &str) -> String {
        hex(self.tag(&[b"request", csr.as_bytes()]).as_ref())
    }

    /// The seal of the answer to a request.
    pub fn seal_answer(&self, csr: &str, answer: &str) -> String {
        hex(self
            .tag(&[b"answer", csr.as_bytes(), answer.as_bytes()])
            .as_ref())
    }

    /// True if `seal` is the seal of this request.
    pub fn is_of_request(&self, csr: &str, seal: &str) -> bool {
        self.verify(&[b"request", csr.as_bytes()], seal)
    }

    /// True if `seal` is the seal of this answer to this request.
    pub fn is_of_answer(&self, csr: &str, answer: &str, seal: &str) -> bool {
        self.verify(&[b"answer", csr.as_bytes(), answer.as_bytes()], seal)
    }

    fn tag(&self, parts: &[&[u8]]) -> hmac::Tag {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        hmac::sign(&key, &joined(parts))
    }

    fn verify(&self, parts: &[&[u8]], seal: &str) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        unhex(seal).is_some_and(|tag| hmac::verify(&key, &joined(parts), &tag).is_ok())
    }
}

/// Parts with their lengths before them, so that no two lists of parts give the same bytes.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// What an agent sends to be enrolled (`POST /api/enroll`, JSON).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`Secret::id`] of the code.
    pub code: String,
    /// Its certificate request (PKCS #10), PEM.
    pub csr: String,
    /// [`Secret::seal_request`].
    pub seal: String,
}

/// What it is answered (JSON).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// An [`Answer`] as JSON text.
    pub answer: String,
    /// [`Secret::seal_answer`].
    pub seal: String,
}

/// Who the agent is from now on, and whom it may believe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Its name.
    pub agent: AgentId,
    /// Its site.
    pub site: SiteId,
    /// Certificate of the gateway's authority, PEM.
    pub authority: String,
    /// The agent's certificate, PEM.
    pub certificate: String,
    /// The gateway's MQTT host; none: the host that was asked.
    pub host: Option<String>,
    /// The gateway's MQTT port with TLS.
    pub port: u16,
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).map(|d| d as u8))
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> Code {
        Code::from_random(*b"nineteen bytes here")
    }

    #[test]
    fn a_code_is_read_back_however_it_is_typed() {
        let text = code().to_string();
        assert_eq!(text.len(), 24);
        for typed in [
            text.clone(),
            text.to_lowercase(),
            text.replace('-', " "),
            text.replace('1', "l").replace('0', "O"),
        ] {
            assert_eq!(typed.parse(), Ok(code()), "{typed}");
        }
        assert_eq!("AB-C".parse::<Code>(), Err(CodeError::Length(3)));
        let with_u = text.replacen(|c| c != '-', "U", 1);
        assert_eq!(with_u.parse::<Code>(), Err(CodeError::Letter('U')));
    }

    #[test]
    fn every_wrong_letter_and_every_exchange_of_two_is_found() {
        let right = code().0;
        for place in 0..right.len() {
            for wrong in (0..32).filter(|value| *value != right[place]) {
                let mut typed = right;
                typed[place] = wrong;
                assert_eq!(
                    Code(typed).to_string().parse::<Code>(),
                    Err(CodeError::Check)
                );
            }
            for other in (0..place).filter(|other| right[*other] != right[place]) {
                let mut typed = right;
                typed.swap(place, other);
                assert_eq!(
                    Code(typed).to_string().parse::<Code>(),
                    Err(CodeError::Check)
                );
            }
        }
    }

    #[test]
    fn a_seal_fits_its_code_its_request_and_its_answer_alone() {
        let (secret, other) = (code().secret(), Code::from_random([7; RANDOM]).secret());
        let seal = secret.seal_request("csr");
        assert!(secret.is_of_request("csr", &seal));
        assert!(!secret.is_of_request("cs", &seal) && !other.is_of_request("csr", &seal));
        let seal = secret.seal_answer("csr", "answer");
        assert!(secret.is_of_answer("csr", "answer", &seal));
        assert!(!secret.is_of_answer("csr2", "answer", &seal));
        assert!(!secret.is_of_answer("csr", "answer2", &seal));
        assert!(!secret.is_of_answer("csra", "nswer", &seal));
        assert!(!secret.is_of_answer("csr", "answer", "") && secret.id() != other.id());
    }
}
