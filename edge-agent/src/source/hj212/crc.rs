//! The check value of HJ 212-2017 Appendix A, and CRC-16/MODBUS to name the usual mistake.
//!
//! The byte goes into the *high* byte of the register, so only 8 bits of state survive from byte to byte and the
//! check value has 256 values, whose low byte is one of 00 01 40 41 80 81 C0 C1. Each step is linear over GF(2), which
//! is what lets eight bytes be taken at once.

const POLYNOMIAL: u16 = 0xA001;

const TABLE: [u16; 256] = {
    let mut table = [0u16; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut register = byte as u16;
        let mut bit = 0;
        while bit < 8 {
            register = (register >> 1) ^ if register & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        table[byte] = register;
        byte += 1;
    }
    table
};

/// `STEPS[k][b]`: the state that byte `b` has become after `k + 1` steps.
const STEPS: [[u8; 256]; 8] = {
    let mut steps = [[0u8; 256]; 8];
    let mut k = 0;
    while k < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = if k == 0 {
                byte as u8
            } else {
                steps[k - 1][byte]
            };
            steps[k][byte] = (TABLE[before as usize] >> 8) as u8;
            byte += 1;
        }
        k += 1;
    }
    steps
};

/// The check value of a data segment (HJ 212-2017 Appendix A).
pub fn crc212(data: &[u8]) -> u16 {
    let Some((last, head)) = data.split_last() else {
        return 0xFFFF;
    };
    let step = |k: usize, byte: u8| STEPS[k][usize::from(byte)];
    let (eights, rest) = head.as_chunks::<8>();
    let mut state = 0xFFu8;
    for &[a, b, c, d, e, f, g, h] in eights {
        state = step(7, state ^ a)
            ^ step(6, b)
            ^ step(5, c)
            ^ step(4, d)
            ^ step(3, e)
            ^ step(2, f)
            ^ step(1, g)
            ^ step(0, h);
    }
    for &byte in rest {
        state = step(0, state ^ byte);
    }
    TABLE[usize::from(state ^ last)]
}

/// CRC-16/MODBUS, which some loggers send instead. Only for naming the fault.
pub fn crc16_modbus(data: &[u8]) -> u16 {
    data.iter().fold(0xFFFF, |register: u16, &byte| {
        (register >> 8) ^ TABLE[usize::from(register as u8 ^ byte)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of the standard, bit by bit.
    fn slowly(data: &[u8]) -> u16 {
        let mut register: u16 = 0xFFFF;
        for &byte in data {
            register = (register >> 8) ^ u16::from(byte);
            for _ in 0..8 {
                let carry = register & 1;
                register >>= 1;
                if carry == 1 {
                    register ^= POLYNOMIAL;
                }
            }
        }
        register
    }

    #[test]
    fn known_values_and_every_length_up_to_forty() {
        for (text, crc) in [
            ("", 0xFFFF),
            ("A", 0x7080),
            ("\0", 0x4040),
            ("##", 0xB381),
            ("123456789", 0x2F80),
        ] {
            assert_eq!(crc212(text.as_bytes()), crc, "{text:?}");
        }
        assert_eq!(crc16_modbus(b"123456789"), 0x4B37);
        let data: Vec<u8> = (0..40u8).map(|n| n.wrapping_mul(37)).collect();
        for end in 0..data.len() {
            assert_eq!(crc212(&data[..end]), slowly(&data[..end]), "{end} bytes");
        }
    }
}
