//! Packets of HJ 212 as bytes, and the little of a host's frames that a logger must understand. Pure.
//!
//! HJ 212-2017 6.3.1 (frame), Appendix A (check value); 2025 for RF and the SM4 data area.

use sm4::Sm4;
use sm4::cipher::{Array, BlockCipherEncrypt, KeyInit};
use std::fmt::Write;

/// One packet before it is bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// 17 digits; a logger of 2005 that wants no answer leaves it out.
    pub qn: String,
    /// System code.
    pub st: String,
    /// Command.
    pub cn: String,
    /// Password.
    pub pw: String,
    /// Identity.
    pub mn: String,
    /// Version, split, answer wanted.
    pub flag: u8,
    /// How many packets, and which of them.
    pub part: Option<(u32, u32)>,
    /// RF=1 (2025).
    pub is_backfill: bool,
    /// The data area.
    pub data: String,
}

/// What the sender gets wrong about the check value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// Nothing.
    Right,
    /// It is of another segment.
    Wrong,
    /// It is CRC-16/MODBUS.
    Modbus,
}

impl Packet {
    /// The data segment in plain text.
    pub fn segment(&self) -> String {
        self.with_data(&self.data)
    }

    fn with_data(&self, data: &str) -> String {
        let mut text = format!(
            "QN={};ST={};CN={};PW={};MN={};Flag={};",
            self.qn, self.st, self.cn, self.pw, self.mn, self.flag
        );
        if let Some((pnum, pno)) = self.part {
            text += &format!("PNUM={pnum};PNO={pno};");
        }
        if self.is_backfill {
            text += "RF=1;";
        }
        text + "CP=&&" + data + "&&"
    }

    /// The frame. With a key the data area is encrypted, and length and check value stay those of the plain segment, as
    /// the standard of 2025 prints them.
    pub fn encode(&self, key: Option<&[u8; 16]>, checked: Checked) -> Vec<u8> {
        let plain = self.segment();
        let crc = match checked {
            Checked::Right => check_value(plain.as_bytes()),
            Checked::Wrong => check_value(plain.as_bytes()) ^ 0x0140,
            Checked::Modbus => modbus(plain.as_bytes()),
        };
        let sent = match key {
            Some(key) => {
                let around = self.with_data("");
                let (before, after) = around.as_bytes().split_at(around.len() - 2);
                [before, &seal(&self.data, key), after].concat()
            }
            None => plain.clone().into_bytes(),
        };
        let head = format!("##{:04}", plain.len());
        let tail = format!("{crc:04X}\r\n");
        [head.as_bytes(), &sent, tail.as_bytes()].concat()
    }
}

/// Whole blocks of 16 bytes as `{0xHH,…}`, what is left in plain text.
fn seal(data: &str, key: &[u8; 16]) -> Vec<u8> {
    let (blocks, rest) = data.as_bytes().as_chunks::<16>();
    if blocks.is_empty() {
        return data.as_bytes().to_vec();
    }
    let cipher = Sm4::new(&Array(*key));
    let mut text = String::from("{");
    for block in blocks {
        let mut block = Array(*block);
        cipher.encrypt_block(&mut block);
        for byte in block {
            let comma = if text.len() > 1 { "," } else { "" };
            let _ = write!(text, "{comma}0x{byte:02X}");
        }
    }
    // A block may end within a character: what is left is bytes, not text.
    [text.as_bytes(), b"}", rest].concat()
}

fn shift_out(mut register: u16) -> u16 {
    for _ in 0..8 {
        let is_odd = register % 2 == 1;
        register /= 2;
        if is_odd {
            register ^= 0xA001;
        }
    }
    register
}

/// Appendix A, as its text says it: the byte meets the high byte of the register.
pub fn check_value(segment: &[u8]) -> u16 {
    segment.iter().fold(0xFFFF, |register, byte| {
        shift_out((register >> 8) ^ u16::from(*byte))
    })
}

fn modbus(segment: &[u8]) -> u16 {
    segment.iter().fold(0xFFFF, |register, byte| {
        shift_out(register ^ u16::from(*byte))
    })
}

/// What a host sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The segment.
    pub text: String,
    /// Its check value is right.
    pub is_right: bool,
}

impl Heard {
    /// A field of the segment or of its data area.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut pairs = self
            .text
            .split([';', ',', '&'])
            .filter_map(|pair| pair.split_once('='));
        pairs.find(|(n, _)| *n == name).map(|(_, value)| value)
    }
}

/// Takes one line of a host off the front of what was received. Hosts end every frame with CR LF.
pub fn hear(received: &mut Vec<u8>) -> Option<Heard> {
    let end = received.windows(2).position(|pair| pair == b"\r\n")?;
    let line: Vec<u8> = received.drain(..end + 2).collect();
    let line = String::from_utf8_lossy(&line[..end]).into_owned();
    let body = line.get(6..line.len().checked_sub(4)?)?;
    let said = u16::from_str_radix(&line[line.len() - 4..], 16).ok();
    let is_long_enough = line.get(2..6).and_then(|digits| digits.parse().ok()) == Some(body.len());
    let is_right =
        line.starts_with("##") && is_long_enough && said == Some(check_value(body.as_bytes()));
    Some(Heard {
        text: body.to_owned(),
        is_right,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> Packet {
        Packet {
            qn: "20160801085857223".into(),
            st: "32".into(),
            cn: "1062".into(),
            pw: "100000".into(),
            mn: "010000A8900016F000169DC0".into(),
            flag: 5,
            part: None,
            is_backfill: false,
            data: "RtdInterval=30".into(),
        }
    }

    #[test]
    fn the_example_of_appendix_a_comes_out_byte_for_byte() {
        let frame = packet().encode(None, Checked::Right);
        let expected = "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80\r\n";
        assert_eq!(String::from_utf8(frame).unwrap(), expected);
        let modbus = packet().encode(None, Checked::Modbus);
        assert!(modbus.ends_with(b"&&0759\r\n"));
        let mut received = expected.as_bytes().to_vec();
        let heard = hear(&mut received).unwrap();
        assert_eq!(
            (heard.field("CN"), heard.field("RtdInterval")),
            (Some("1062"), Some("30"))
        );
        assert!(heard.is_right && received.is_empty());
    }

    #[test]
    fn whole_blocks_are_encrypted_and_the_rest_is_not() {
        let sealed = seal("0123456789ABCDEFrest", b"0000000000000000");
        assert_eq!(sealed.len(), 1 + 16 * 5 - 1 + 1 + 4);
        assert!(sealed.starts_with(b"{0x") && sealed.ends_with(b"}rest"));
        assert_eq!(seal("short", b"0000000000000000"), b"short");
    }
}
