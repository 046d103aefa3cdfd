//! How far a reading can be trusted. Never `Option<f64>` plus a bool: the reason travels with the reading.

use serde::{Deserialize, Serialize};

/// Quality of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "reason")]
pub enum Quality {
    /// Measured, in range, fresh.
    Good,
    /// A value exists, with a doubt about it. Rules do not count it as valid.
    Suspect(Doubt),
    /// There is no value, and this is why.
    Missing(Absence),
}

/// Why a value is doubted. The number is its code on the wire and on disk; codes are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Doubt {
    /// Outside the instrument's measuring range.
    OutOfRange = 1,
    /// The instrument says it is being calibrated.
    Calibration = 2,
    /// The instrument says it is being maintained.
    Maintenance = 3,
    /// The instrument reports a fault of its own.
    Fault = 4,
    /// Typed in by hand at the instrument.
    ManualEntry = 5,
    /// The time stamp comes from a clock that is not trusted.
    UntrustedClock = 6,
    /// The sender marked the value bad without saying why.
    Unspecified = 7,
    /// Another instrument than the one named in the configuration answers.
    OtherDevice = 8,
}

/// Why there is no value. Codes as for [`Doubt`], in a range of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Absence {
    /// The device did not answer in time.
    NoAnswer = 64,
    /// The connection to the device could not be made.
    NoConnection = 65,
    /// The device answered with an error (a Modbus exception, say).
    Refused = 66,
    /// The answer could not be understood, or the value was NaN or infinite.
    Unreadable = 67,
    /// The plant is declared stopped.
    Stopped = 68,
    /// The sender gave no value and no reason.
    Unspecified = 69,
    /// The device does not know this function (Modbus exception 1).
    NoSuchFunction = 70,
    /// The device has no such register (Modbus exception 2).
    NoSuchRegister = 71,
    /// The device does not accept the question (Modbus exception 3).
    BadQuestion = 72,
    /// The device says that it is broken (Modbus exception 4).
    DeviceFault = 73,
    /// The device is busy (Modbus exceptions 5 and 6).
    Busy = 74,
    /// The gateway before the device has no way to it (Modbus exception 10).
    NoPath = 75,
    /// The gateway before the device got no answer from it (Modbus exception 11).
    TargetSilent = 76,
    /// The picture came, and nothing can be told from it: too dark, covered, out of focus, turned away, frozen.
    Unseen = 77,
    /// Nobody looked at the picture: the vision process was away or too slow.
    NotLooked = 78,
}

impl Quality {
    /// The one-byte code: 0 good, 1..=63 suspect, 64.. missing.
    pub fn code(self) -> u8 {
        match self {
            Quality::Good => 0,
            Quality::Suspect(doubt) => doubt as u8,
            Quality::Missing(absence) => absence as u8,
        }
    }

    /// The quality of a code. An unknown code keeps its class (suspect or missing), unspecified.
    pub fn from_code(code: u8) -> Quality {
        use {Absence as A, Doubt as D};
        match code {
            0 => Quality::Good,
            1 => Quality::Suspect(D::OutOfRange),
            2 => Quality::Suspect(D::Calibration),
            3 => Quality::Suspect(D::Maintenance),
            4 => Quality::Suspect(D::Fault),
            5 => Quality::Suspect(D::ManualEntry),
            6 => Quality::Suspect(D::UntrustedClock),
            8 => Quality::Suspect(D::OtherDevice),
            7 | 9..=63 => Quality::Suspect(D::Unspecified),
            64 => Quality::Missing(A::NoAnswer),
            65 => Quality::Missing(A::NoConnection),
            66 => Quality::Missing(A::Refused),
            67 => Quality::Missing(A::Unreadable),
            68 => Quality::Missing(A::Stopped),
            70 => Quality::Missing(A::NoSuchFunction),
            71 => Quality::Missing(A::NoSuchRegister),
            72 => Quality::Missing(A::BadQuestion),
            73 => Quality::Missing(A::DeviceFault),
            74 => Quality::Missing(A::Busy),
            75 => Quality::Missing(A::NoPath),
            76 => Quality::Missing(A::TargetSilent),
            77 => Quality::Missing(A::Unseen),
            78 => Quality::Missing(A::NotLooked),
            69 | 79.. => Quality::Missing(A::Unspecified),
        }
    }

    /// True when rules may count the value.
    pub fn is_good(self) -> bool {
        self == Quality::Good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_round_trip_or_keeps_its_class() {
        for code in 0..=255u8 {
            let quality = Quality::from_code(code);
            let back = Quality::from_code(quality.code());
            assert_eq!(quality, back, "code {code}");
        }
    }
}
