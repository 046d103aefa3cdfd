//! Frames: a question for registers, and what an answer to it says. Pure.
//!
//! Promise: an answer is only taken for the answer to a question if unit, function and length are those asked for, and
//! the transaction number (TCP) or the checksum (RTU). Any bytes are read without a panic.
//! Modbus Application Protocol V1.1b3, 6.1 to 6.4 and 7; Messaging on TCP/IP V1.0b, 3.1.3; Serial Line V1.02, 2.5.1.

use super::register::Function;
use contract::Absence;

/// The header of a TCP frame: transaction, protocol, length, unit.
pub const TCP_HEADER: usize = 7;
/// Longest RTU frame.
pub const RTU_MAX: usize = 256;
/// Longest TCP body after the unit.
const PDU_MAX: usize = 253;
const EXCEPTION: u8 = 0x80;

/// A read of one table of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Unit id.
    pub unit: u8,
    /// Which table.
    pub function: Function,
    /// First register.
    pub start: u16,
    /// How many.
    pub count: u16,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The registers, or one word (0 or 1) for each bit.
    Words(Vec<u16>),
    /// The exception code.
    Exception(u8),
}

impl Question {
    fn code(&self) -> u8 {
        match self.function {
            Function::Coil => 1,
            Function::Discrete => 2,
            Function::Holding => 3,
            Function::Input => 4,
        }
    }

    fn pdu(&self) -> [u8; 5] {
        let [a, b] = self.start.to_be_bytes();
        let [c, d] = self.count.to_be_bytes();
        [self.code(), a, b, c, d]
    }

    /// The bytes of data in its answer.
    fn data_bytes(&self) -> usize {
        match self.function.is_bits() {
            true => usize::from(self.count).div_ceil(8),
            false => usize::from(self.count) * 2,
        }
    }

    /// The frame on a serial line.
    pub fn rtu(&self) -> Vec<u8> {
        let mut frame = vec![self.unit];
        frame.extend(self.pdu());
        frame.extend(crc(&frame).to_le_bytes());
        frame
    }

    /// Bytes that question and answer take on a serial line.
    pub fn rtu_bytes(&self) -> usize {
        8 + 5 + self.data_bytes()
    }

    /// A question at the same place whose answer is longer or shorter than one of `owed` bytes: the late answer to that
    /// cannot be taken for the answer to this. Fewer registers are asked for rather than more, which may not exist.
    pub fn sounding(&self, owed: usize) -> Question {
        let more = if self.function.is_bits() { 9 } else { 2 };
        let differs = |count: &u16| {
            let other = Question {
                count: *count,
                ..*self
            };
            other.rtu_bytes() != owed
        };
        let count = [1, self.count, more]
            .into_iter()
            .find(differs)
            .unwrap_or(more);
        let start = self.start.min(u16::MAX - (count - 1));
        Question {
            start,
            count,
            ..*self
        }
    }

    /// The frame on TCP.
    pub fn tcp(&self, transaction: u16) -> Vec<u8> {
        let mut frame = transaction.to_be_bytes().to_vec();
        frame.extend([0, 0, 0, 6, self.unit]);
        frame.extend(self.pdu());
        frame
    }

    /// What the body of an answer says; `None` if it is no answer to this question.
    pub fn said(&self, pdu: &[u8]) -> Option<Said> {
        match *pdu {
            [code, exception] if code == self.code() | EXCEPTION => {
                Some(Said::Exception(exception))
            }
            [code, count, ref data @ ..]
                if code == self.code()
                    && usize::from(count) == self.data_bytes()
                    && data.len() == self.data_bytes() =>
            {
                Some(Said::Words(self.words(data)))
            }
            _ => None,
        }
    }

    fn words(&self, data: &[u8]) -> Vec<u16> {
        if self.function.is_bits() {
            let bit = |n: usize| u16::from(data[n / 8] >> (n % 8) & 1);
            return (0..usize::from(self.count)).map(bit).collect();
        }
        let pairs = data.chunks_exact(2);
        pairs
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
            .collect()
    }

    /// Looks in what came in on a serial line for the answer. What is around it is noise, an echo of the question, or
    /// the late answer of another unit.
    pub fn find_rtu(&self, bytes: &[u8]) -> Option<Said> {
        (0..bytes.len()).find_map(|from| {
            let rest = &bytes[from..];
            let length = match *rest {
                [unit, code, ..] if unit == self.unit && code == self.code() | EXCEPTION => 5,
                [unit, code, ..] if unit == self.unit && code == self.code() => {
                    5 + self.data_bytes()
                }
                _ => return None,
            };
            let (body, sum) = rest.get(..length)?.split_at(length - 2);
            (crc(body).to_le_bytes() == sum).then(|| self.said(&body[1..]))?
        })
    }

    /// The length of the body that follows a TCP header; `None` if this is no header of an answer.
    pub fn body_length(&self, transaction: u16, header: [u8; TCP_HEADER]) -> Option<usize> {
        let [t0, t1, 0, 0, l0, l1, unit] = header else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let is_ours = [t0, t1] == transaction.to_be_bytes() && unit == self.unit;
        (is_ours && (2..=PDU_MAX + 1).contains(&length)).then_some(length - 1)
    }
}

/// The reason that an exception code gives.
pub fn reason(exception: u8) -> Absence {
    match exception {
        1 => Absence::NoSuchFunction,
        2 => Absence::NoSuchRegister,
        3 => Absence::BadQuestion,
        4 => Absence::DeviceFault,
        5 | 6 => Absence::Busy,
        10 => Absence::NoPath,
        11 => Absence::TargetSilent,
        _ => Absence::Refused,
    }
}

/// The checksum of a frame on a serial line; its low byte goes first (Serial Line V1.02, 6.2.2).
pub fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |mut crc, byte| {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0xA001 } else { 0 };
        }
        crc
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Question = Question {
        unit: 17,
        function: Function::Holding,
        start: 107,
        count: 3,
    };
    /// The answer of the specification's example (6.3), framed for a serial line.
    const ANSWER: [u8; 11] = [17, 3, 6, 0x02, 0x2B, 0, 0, 0, 0x64, 0xC8, 0xBA];

    #[test]
    fn the_frames_are_those_of_the_specification() {
        assert_eq!(crc(b"123456789"), 0x4B37);
        assert_eq!(ASKED.rtu(), [17, 3, 0, 0x6B, 0, 3, 0x76, 0x87]);
        assert_eq!(
            ASKED.tcp(0x1501),
            [0x15, 1, 0, 0, 0, 6, 17, 3, 0, 0x6B, 0, 3]
        );
        let words = Some(Said::Words(vec![0x022B, 0, 0x64]));
        assert_eq!(ASKED.said(&ANSWER[1..9]), words);
        assert_eq!(ASKED.find_rtu(&ANSWER), words);
        assert_eq!(ASKED.said(&[0x83, 2]), Some(Said::Exception(2)));
        let bits = Question {
            function: Function::Discrete,
            count: 10,
            ..ASKED
        };
        let words = vec![1, 0, 1, 1, 0, 0, 1, 1, 0, 1];
        assert_eq!(
            bits.said(&[2, 2, 0b1100_1101, 0b10]),
            Some(Said::Words(words))
        );
    }

    #[test]
    fn the_answer_to_a_sounding_has_another_length_than_the_one_that_is_owed() {
        let at = |function, start, count| Question {
            function,
            start,
            count,
            ..ASKED
        };
        let (holding, coil) = (Function::Holding, Function::Coil);
        for (asked, owed, expected) in [
            (at(holding, 4, 5), at(holding, 4, 5), (4, 1)),
            (at(holding, 4, 5), at(holding, 90, 1), (4, 5)),
            (at(holding, 4, 1), at(holding, 4, 1), (4, 2)),
            (
                at(holding, u16::MAX, 1),
                at(holding, 0, 1),
                (u16::MAX - 1, 2),
            ),
            (at(coil, 0, 8), at(coil, 0, 8), (0, 9)),
            (at(coil, 0, 9), at(coil, 0, 9), (0, 1)),
        ] {
            let sounding = asked.sounding(owed.rtu_bytes());
            assert_eq!((sounding.start, sounding.count), expected);
            assert_ne!(sounding.rtu_bytes(), owed.rtu_bytes());
        }
    }

    #[test]
    fn only_the_answer_to_the_question_is_taken() {
        for (what, from, to) in [("unit", 0, 18), ("function", 1, 4), ("length", 2, 4)] {
            let mut other = ANSWER;
            other[from] = to;
            let sum = crc(&other[..9]).to_le_bytes();
            other[9..].copy_from_slice(&sum);
            assert_eq!(ASKED.find_rtu(&other), None, "{what}");
            let noisy = [&other[..], &ANSWER[..]].concat();
            assert!(ASKED.find_rtu(&noisy).is_some(), "behind another {what}");
        }
        for at in 0..ANSWER.len() {
            let mut flipped = ANSWER;
            flipped[at] ^= 4;
            assert_eq!(ASKED.find_rtu(&flipped), None, "byte {at}");
            assert_eq!(ASKED.find_rtu(&ANSWER[..at]), None, "cut at {at}");
        }
        let echoed = [&ASKED.rtu()[..], &ANSWER[..]].concat();
        assert!(ASKED.find_rtu(&echoed).is_some(), "behind its own echo");
        let header = [0, 7, 0, 0, 0, 9, 17];
        assert_eq!(ASKED.body_length(7, header), Some(8));
        assert_eq!(ASKED.body_length(8, header), None, "another transaction");
        assert_eq!(ASKED.body_length(7, [0, 7, 0, 1, 0, 9, 17]), None);
        assert_eq!(
            ASKED.body_length(7, [0, 7, 0, 0, 1, 9, 17]),
            None,
            "too long"
        );
        assert_eq!(
            ASKED.body_length(7, [0, 7, 0, 0, 0, 9, 16]),
            None,
            "another unit"
        );
    }
}
