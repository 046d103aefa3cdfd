//! A frame, decrypted where there is a key, and read. [`Text`] owns what had to be made, [`Message`] borrows from it.

use super::complaint::{Code, Complaints, complain};
use super::crc::{crc16_modbus, crc212};
use super::data::Data;
use super::frame::{Check, Frame, characters};
use super::segment::{SEGMENT_MAX, Segment, data_area};
use super::sm4::{self, Key};
use std::borrow::Cow;

/// The text of a frame.
#[derive(Debug)]
pub struct Text<'f> {
    /// The segment as it came.
    pub wire: Cow<'f, str>,
    /// The segment with its data area in plain text, where it was encrypted and could be decrypted.
    pub plain: Option<String>,
    /// The data area is encrypted.
    pub is_sealed: bool,
    /// The check value.
    pub crc: Crc,
    /// The length said is wrong in every way of counting: something may be missing or too much.
    pub is_length_wrong: bool,
    complaints: Complaints,
}

/// What is known of a check value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crc {
    /// As sent.
    pub said: u16,
    /// As it should be; `None` if the plain text is unknown.
    pub computed: Option<u16>,
    /// Whether they agree; `None` if that cannot be known.
    pub is_right: Option<bool>,
    /// What `said` is: `hj212`, `hj212_ciphertext`, `modbus` or `unknown`.
    pub variant: &'static str,
}

/// What a frame says.
#[derive(Debug)]
pub struct Message<'t> {
    /// Its fields.
    pub segment: Segment<'t>,
    /// Its data area; empty if it is encrypted and there is no key.
    pub data: Data<'t>,
    /// What is wrong with frame, fields and data area.
    pub complaints: Complaints,
}

impl<'f> Text<'f> {
    /// Decrypts if need be, and judges length and check value.
    pub fn open(frame: &Frame<'f>, key: Option<&Key>) -> Self {
        let wire = String::from_utf8_lossy(frame.segment);
        let mut complaints = Vec::new();
        // One character a byte, so that places in it are places in the segment.
        let mask: Cow<'_, str> = match &wire {
            Cow::Borrowed(text) => Cow::Borrowed(text),
            Cow::Owned(_) => {
                let ascii = |&byte: &u8| char::from(if byte.is_ascii() { byte } else { b'?' });
                frame.segment.iter().map(ascii).collect()
            }
        };
        let area = data_area(&mask).filter(|area| sm4::is_sealed(&mask[area.clone()]));
        let is_sealed = area.is_some();
        let mut plain = None;
        let mut plain_length = None;
        if let Some(area) = area {
            let data = &frame.segment[area.clone()];
            plain_length = sm4::plain_length(data).map(|n| frame.segment.len() - data.len() + n);
            match key.map(|key| sm4::open(data, key)) {
                None => {
                    let what = "the data area is encrypted and there is no key";
                    complain(&mut complaints, Code::EncryptedNoKey, "CP", what);
                }
                Some(Err(error)) => {
                    complain(
                        &mut complaints,
                        Code::EncryptedForm,
                        "CP",
                        error.to_string(),
                    );
                }
                Some(Ok(bytes)) => {
                    let mut whole = frame.segment[..area.start].to_vec();
                    whole.extend(bytes);
                    whole.extend(&frame.segment[area.end..]);
                    plain = Some(whole);
                }
            }
        }
        if std::str::from_utf8(plain.as_deref().unwrap_or(frame.segment)).is_err() {
            let what = "some bytes are not UTF-8 (GBK, usually) and are shown as U+FFFD";
            complain(&mut complaints, Code::NotUtf8, "segment", what);
        }
        let crc = judge_crc(frame, is_sealed, plain.as_deref(), &mut complaints);
        let is_length_wrong = judge_length(frame, plain_length, &mut complaints);
        Text {
            wire,
            plain: plain.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            is_sealed,
            crc,
            is_length_wrong,
            complaints,
        }
    }

    /// Reads fields and data area.
    pub fn read(&self) -> Message<'_> {
        let mut complaints = self.complaints.clone();
        let text = self.plain.as_deref().unwrap_or(&self.wire);
        let segment = Segment::read(text, &mut complaints);
        // With a wrong key the plain text is noise.
        let is_open = self.plain.is_some() && self.crc.is_right == Some(true);
        let is_readable = !self.is_sealed || is_open;
        let data = match segment.data {
            Some(area) if is_readable => Data::read(area, &mut complaints),
            _ => Data::default(),
        };
        Message {
            segment,
            data,
            complaints,
        }
    }
}

fn judge_crc(
    frame: &Frame<'_>,
    is_sealed: bool,
    plain: Option<&[u8]>,
    complaints: &mut Complaints,
) -> Crc {
    let said = frame.crc_said;
    let crc = |computed, is_right, variant| Crc {
        said,
        computed,
        is_right,
        variant,
    };
    if is_sealed {
        if let Some(plain) = plain
            && crc212(plain) == said
        {
            return crc(Some(said), Some(true), "hj212");
        }
        if frame.check == Check::Right {
            let what =
                "the check value is of the cipher text; the standard has it of the plain text";
            complain(complaints, Code::CrcOverCiphertext, "CRC", what);
            return crc(Some(said), Some(true), "hj212_ciphertext");
        }
        let Some(plain) = plain else {
            return crc(None, None, "unknown");
        };
        let computed = crc212(plain);
        let is_modbus = crc16_modbus(plain) == said;
        let what = format!("says {said:04X}, plain text has {computed:04X}; the key may be wrong");
        complain(complaints, Code::CrcError, "CRC", what);
        return crc(
            Some(computed),
            Some(false),
            if is_modbus { "modbus" } else { "unknown" },
        );
    }
    let computed = frame.crc_computed;
    let (variant, hint) = match frame.check {
        Check::Right => return crc(Some(computed), Some(true), "hj212"),
        Check::Modbus => ("modbus", "; that is CRC-16/MODBUS"),
        // Only these low bytes come out of the algorithm of the standard.
        _ if said & 0x3E != 0 => ("unknown", "; no segment has that check value in HJ 212"),
        _ => ("unknown", ""),
    };
    let what = format!("says {said:04X}, the segment has {computed:04X}{hint}");
    complain(complaints, Code::CrcError, "CRC", what);
    crc(Some(computed), Some(false), variant)
}

/// True if the length said is wrong in every way of counting.
fn judge_length(
    frame: &Frame<'_>,
    plain_length: Option<usize>,
    complaints: &mut Complaints,
) -> bool {
    let bytes = frame.segment.len();
    let count = characters(frame.segment);
    let longest = plain_length.unwrap_or(bytes);
    if longest > SEGMENT_MAX {
        let what = format!("{longest} bytes; more than {SEGMENT_MAX} must be split");
        complain(complaints, Code::SegmentTooLong, "LEN", what);
    }
    let Some(said) = frame.length_said else {
        complain(complaints, Code::LengthMissing, "LEN", "there is no length");
        return true;
    };
    if frame.length_digits != 4 {
        let what = format!("{} digits, not 4", frame.length_digits);
        complain(complaints, Code::LengthDigits, "LEN", what);
    }
    if said == bytes || plain_length == Some(said) {
        return false;
    }
    if said == count {
        let what = format!("says {said}, which counts characters; the segment has {bytes} bytes");
        complain(complaints, Code::LengthInCharacters, "LEN", what);
        return false;
    }
    let plain = plain_length.map_or(String::new(), |n| format!(", {n} in plain text"));
    let what = format!("says {said}, the segment has {bytes} bytes, {count} characters{plain}");
    complain(complaints, Code::LengthError, "LEN", what);
    true
}
