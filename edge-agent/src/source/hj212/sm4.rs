//! Encrypted data areas of HJ 212-2025: SM4-ECB without padding over whole blocks of 16 bytes, printed as
//! `{0xE4,0x3E,…}`; what is left over follows in plain text. The check value is of the plain segment.

use ::sm4::Sm4;
use ::sm4::cipher::{Array, BlockCipherDecrypt, KeyInit};

/// A key of 128 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 16]);

/// The text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key is 32 hexadecimal digits or 16 characters, not {0} bytes")]
pub struct KeyError(usize);

/// The data area cannot be decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No `}`.
    #[error("`{{` without `}}`")]
    NotClosed,
    /// Something else than `0xHH`.
    #[error("`{0}` is not 0xHH")]
    NotAByte(String),
    /// A block is cut.
    #[error("{0} bytes are not whole blocks of 16")]
    NotWhole(usize),
}

impl std::str::FromStr for Key {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let refused = KeyError(text.len());
        if text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            let byte = |n: usize| u8::from_str_radix(&text[2 * n..2 * n + 2], 16);
            let bytes: Result<Vec<u8>, _> = (0..16).map(byte).collect();
            return bytes
                .ok()
                .and_then(|b| b.try_into().ok())
                .map(Key)
                .ok_or(refused);
        }
        text.as_bytes().try_into().map(Key).map_err(|_| refused)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// True if a data area is encrypted.
pub fn is_sealed(data: &str) -> bool {
    let data = data.trim_start();
    data.starts_with("{0x") || data.starts_with("{0X")
}

/// How long the plain data area is, without a key.
pub fn plain_length(data: &[u8]) -> Option<usize> {
    parts(data)
        .ok()
        .map(|(bytes, rest)| bytes.len() + rest.len())
}

/// The plain data area.
pub fn open(data: &[u8], key: &Key) -> Result<Vec<u8>, SealError> {
    let (mut bytes, rest) = parts(data)?;
    let (blocks, left) = bytes.as_chunks_mut::<16>();
    if !left.is_empty() {
        return Err(SealError::NotWhole(bytes.len()));
    }
    let cipher = Sm4::new(&Array(key.0));
    for block in blocks {
        let mut plain = Array(*block);
        cipher.decrypt_block(&mut plain);
        *block = plain.0;
    }
    bytes.extend_from_slice(rest);
    Ok(bytes)
}

/// Bytes and not text: a block may end within a character, and what is left then begins within it.
fn parts(data: &[u8]) -> Result<(Vec<u8>, &[u8]), SealError> {
    let data = data.trim_ascii_start();
    let inner = data.strip_prefix(b"{").unwrap_or(data);
    let end = inner.iter().position(|byte| *byte == b'}');
    let (list, rest) = inner.split_at(end.ok_or(SealError::NotClosed)?);
    let list = String::from_utf8_lossy(list);
    let byte = |text: &str| {
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").or(digits.strip_prefix("0X"));
        digits
            .filter(|d| (1..=2).contains(&d.len()) && d.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|d| u8::from_str_radix(d, 16).ok())
            .ok_or_else(|| SealError::NotAByte(text.chars().take(12).collect()))
    };
    let bytes: Result<Vec<u8>, SealError> = list
        .split(',')
        .filter(|t| !t.trim().is_empty())
        .map(byte)
        .collect();
    Ok((bytes?, &rest[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answer_of_the_cipher_and_the_remainder() {
        let key: Key = "0123456789abcdeffedcba9876543210".parse().unwrap();
        let sealed =
            "{0x68,0x1E,0xDF,0x34,0xd2,0x06,0x96,0x5E,0x86,0xB3,0xE9,0x4F,0x53,0x6E,0x42,0x46}ag=N";
        let plain = open(sealed.as_bytes(), &key).unwrap();
        let mut expected: Vec<u8> = [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF].to_vec();
        expected.extend([0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10]);
        expected.extend(b"ag=N");
        assert_eq!(plain, expected);
        assert_eq!(plain_length(sealed.as_bytes()), Some(20));
    }

    #[test]
    fn what_is_no_key_or_not_whole_blocks_is_refused() {
        assert_eq!("short".parse::<Key>().err(), Some(KeyError(5)));
        assert_eq!(
            format!("{:?}", "0000000000000000".parse::<Key>().unwrap()),
            "***"
        );
        let key: Key = "0000000000000000".parse().unwrap();
        assert_eq!(open(b"{0x01}a", &key), Err(SealError::NotWhole(1)));
        assert_eq!(open(b"{0x01", &key), Err(SealError::NotClosed));
        assert_eq!(
            open(b"{0xZZ}", &key),
            Err(SealError::NotAByte("0xZZ".into()))
        );
    }
}
