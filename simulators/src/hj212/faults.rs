//! What goes wrong, and how often. Pure.

use std::str::FromStr;

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The check value of every Nth message is wrong, at its first attempt.
    Crc(u64),
    /// It is CRC-16/MODBUS, at every attempt.
    Modbus(u64),
    /// Bytes that belong to no frame come before every Nth message.
    Garbage(u64),
    /// The first attempt of every Nth message is cut.
    Cut(u64),
    /// Every Nth message comes a second time with another value.
    Conflict(u64),
    /// The first attempt of every Nth message has another MN.
    Mn(u64),
    /// The clock is so many seconds ahead.
    Clock(i64),
}

impl Fault {
    /// True if the fault acts on message `n`, counted from 1.
    pub fn acts(self, n: u64) -> bool {
        match self {
            Fault::Crc(every)
            | Fault::Modbus(every)
            | Fault::Garbage(every)
            | Fault::Cut(every)
            | Fault::Conflict(every)
            | Fault::Mn(every) => n.is_multiple_of(every),
            Fault::Clock(_) => true,
        }
    }

    /// The word for it in the truth file.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Crc(_) => "crc",
            Fault::Modbus(_) => "modbus",
            Fault::Garbage(_) => "garbage",
            Fault::Cut(_) => "cut",
            Fault::Conflict(_) => "conflict",
            Fault::Mn(_) => "mn",
            Fault::Clock(_) => "clock",
        }
    }
}

/// The text is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no fault; write crc:N, modbus:N, garbage:N, cut:N, conflict:N, mn:N or clock:SECONDS"
)]
pub struct FaultError(String);

impl FromStr for Fault {
    type Err = FaultError;
    fn from_str(text: &str) -> Result<Self, FaultError> {
        let refused = || FaultError(text.to_owned());
        let (kind, number) = text.split_once(':').ok_or_else(refused)?;
        let every = number
            .parse::<u64>()
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(refused);
        Ok(match kind {
            "crc" => Fault::Crc(every?),
            "modbus" => Fault::Modbus(every?),
            "garbage" => Fault::Garbage(every?),
            "cut" => Fault::Cut(every?),
            "conflict" => Fault::Conflict(every?),
            "mn" => Fault::Mn(every?),
            "clock" => Fault::Clock(number.parse().map_err(|_| refused())?),
            _ => return Err(refused()),
        })
    }
}

/// `FROM:FOR` in seconds.
pub fn outage(text: &str) -> Result<(i64, i64), String> {
    let parsed = text
        .split_once(':')
        .and_then(|(from, length)| Some((from.parse().ok()?, length.parse().ok()?)));
    parsed.ok_or_else(|| format!("{text:?} is not FROM:FOR in seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_and_refused_in_words() {
        assert_eq!("crc:3".parse(), Ok(Fault::Crc(3)));
        assert_eq!("clock:-600".parse(), Ok(Fault::Clock(-600)));
        for bad in ["crc", "crc:0", "x:1", "clock:soon"] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
        assert!(Fault::Cut(2).acts(4) && !Fault::Cut(2).acts(5));
        assert_eq!(outage("60:120"), Ok((60, 120)));
    }
}
