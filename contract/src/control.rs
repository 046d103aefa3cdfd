//! Orders to devices (reverse control, 反控), and what became of them.
//!
//! The gateway sends an [`Order`] as JSON in the String metric [`ORDER`] of an NCMD. The agent takes each id once, and none
//! after [`Order::expires_at`]; it says what became of the last [`REPORTS_MAX`] as a JSON list of [`Report`] in the String
//! metric [`CONTROL`] of an NDATA, after its births and whenever that changes: a report that was lost comes again.
//!
//! Which actions there are: HJ 212-2017 Table 9, of which only what asks for something or sets clock and intervals is here.
//! Nothing here can calibrate, take a sample, change a parameter of an analyser or a password: a host that can, can falsify.

use crate::{DeviceId, Timestamp};
use serde::{Deserialize, Serialize};

/// Name of the String metric in an NCMD with an [`Order`] as JSON.
pub const ORDER: &str = "OneDoor/Order";
/// Name of the String metric in NDATA with a list of [`Report`] as JSON.
pub const CONTROL: &str = "OneDoor/Control";
/// How long an order may be carried out after it was given.
pub const VALID_MS: i64 = 60_000;
/// Reports that an agent keeps and says, the oldest first.
pub const REPORTS_MAX: usize = 16;
/// The longest stretch that may be asked for again.
const BACK_FILL_MS_MAX: i64 = 31 * 86_400_000;
/// RtdInterval in seconds (HJ 212-2017 Table 4).
const REAL_TIME_S: std::ops::RangeInclusive<u16> = 30..=3600;
/// MinInterval in minutes (HJ 212-2017 Table 4).
const MINUTES: [u16; 11] = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30];

/// Something that one device is to do, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which order; never used twice.
    pub id: String,
    /// Which device of the agent.
    pub device: DeviceId,
    /// What.
    pub action: Action,
    /// Not to be begun after this, by the gateway's clock.
    pub expires_at: Timestamp,
}

/// What a device is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Say what its clock shows (CN=1011).
    ReadClock,
    /// Set its clock to the gateway's time (CN=1012).
    SetClock,
    /// Send what it has of a stretch of time again (CN=2051, 2061, 2031).
    BackFill {
        /// Which data.
        data: Period,
        /// From.
        from: Timestamp,
        /// Until.
        to: Timestamp,
    },
    /// Say how often it sends (CN=1061, 1063).
    ReadInterval {
        /// What.
        of: Interval,
    },
    /// Send every so often (CN=1062, 1064).
    SetInterval {
        /// What.
        of: Interval,
        /// 30 to 3600 s of real-time data; 1, 2, 3, 4, 5, 6, 10, 12, 15, 20 or 30 min of minute data.
        every: u16,
    },
    /// Say the serial number of the analyser of a factor (CN=3019).
    ReadIdentity {
        /// Factor code.
        factor: String,
    },
    /// Say an entry of the site information (CN=3020).
    ReadInformation {
        /// Factor code of the analyser.
        factor: String,
        /// Code of Table B.10, such as `i13008`.
        info: String,
    },
}

/// Data that a logger keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// 2051.
    Minute,
    /// 2061.
    Hour,
    /// 2031.
    Day,
}

/// What has an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// RtdInterval, in seconds.
    RealTime,
    /// MinInterval, in minutes.
    Minute,
}

/// What the configuration of an agent may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Asking for clock, intervals, identity and site information. Changes nothing.
    Read,
    /// Asking for data of the past. Changes nothing.
    BackFill,
    /// Setting the clock.
    Clock,
    /// Setting intervals.
    Interval,
}

/// An action that cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// Not an interval of the standard.
    #[error("{0} is not 30 to 3600 s")]
    RealTime(u16),
    /// Not an interval of the standard.
    #[error("{0} min is not one of 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30")]
    Minute(u16),
    /// Not a stretch of time.
    #[error("the stretch ends before it begins")]
    Backwards,
    /// Too much at once.
    #[error("the stretch is longer than 31 days")]
    TooLong,
    /// Not a code.
    #[error("{0:?} is not a code; write letters and digits, at most 16")]
    Code(String),
}

impl Right {
    const ALL: [(Right, &str); 4] = [
        (Right::Read, "read"),
        (Right::BackFill, "back-fill"),
        (Right::Clock, "clock"),
        (Right::Interval, "interval"),
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        let found = Right::ALL.iter().find(|(right, _)| *right == self);
        found.expect("every right is listed").1
    }
}

impl std::str::FromStr for Right {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Right::ALL.iter().find(|(_, word)| *word == text);
        found
            .map(|(right, _)| *right)
            .ok_or_else(|| format!("{text:?} is nothing that can be allowed"))
    }
}

impl Action {
    /// What must be allowed for it.
    pub fn right(&self) -> Right {
        match self {
            Action::ReadClock
            | Action::ReadInterval { .. }
            | Action::ReadIdentity { .. }
            | Action::ReadInformation { .. } => Right::Read,
            Action::BackFill { .. } => Right::BackFill,
            Action::SetClock => Right::Clock,
            Action::SetInterval { .. } => Right::Interval,
        }
    }

    /// Refuses what the standard does not know.
    pub fn check(&self) -> Result<(), ActionError> {
        let code = |text: &String| {
            let is_code = (1..=16).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            is_code
                .then_some(())
                .ok_or_else(|| ActionError::Code(text.clone()))
        };
        match self {
            Action::ReadClock | Action::SetClock | Action::ReadInterval { .. } => Ok(()),
            Action::BackFill { from, to, .. } if from > to => Err(ActionError::Backwards),
            Action::BackFill { from, to, .. } if to.since(*from) > BACK_FILL_MS_MAX => {
                Err(ActionError::TooLong)
            }
            Action::BackFill { .. } => Ok(()),
            Action::SetInterval { of, every } => match of {
                Interval::RealTime if !REAL_TIME_S.contains(every) => {
                    Err(ActionError::RealTime(*every))
                }
                Interval::Minute if !MINUTES.contains(every) => Err(ActionError::Minute(*every)),
                Interval::RealTime | Interval::Minute => Ok(()),
            },
            Action::ReadIdentity { factor } => code(factor),
            Action::ReadInformation { factor, info } => code(factor).and_then(|()| code(info)),
        }
    }
}

/// What became of an order, as far as its agent knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which order.
    pub id: String,
    /// When, by the agent's clock.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The device is being asked.
    UnderWay,
    /// The device says that it was done (ExeRtn=1).
    Done {
        /// Names and values that it said.
        said: Vec<(String, String)>,
        /// Messages with data that came meanwhile and were new.
        messages: u32,
        /// Messages with data that came meanwhile and were known.
        known: u32,
    },
    /// The agent did not ask the device.
    Refused {
        /// Why.
        why: Refusal,
    },
    /// The device will not do it.
    Rejected {
        /// QnRtn (HJ 212-2017 Table 7).
        code: u16,
    },
    /// The device could not do it.
    Failed {
        /// ExeRtn (HJ 212-2017 Table 6).
        code: u16,
    },
    /// The device did not answer. It may have heard the question.
    NoAnswer {
        /// How often it was asked.
        asked: u32,
    },
    /// The device accepted and never said how it went.
    NoResult {
        /// Names and values that it said.
        said: Vec<(String, String)>,
        /// Messages with data that came meanwhile and were new.
        messages: u32,
        /// Messages with data that came meanwhile and were known.
        known: u32,
    },
    /// The agent stopped, or lost the device, while it asked: whether the device did it is not known.
    Lost,
}

/// Why an agent did not ask a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Its configuration does not allow it.
    NotAllowed,
    /// It has no such device, or one that cannot be asked.
    NoSuchDevice,
    /// The device is not connected.
    NotConnected,
    /// Another order is under way.
    Busy,
    /// It came too late.
    Expired,
    /// The agent does not know the gateway's time well enough.
    ClockUnknown,
    /// It is nothing that can be asked for.
    BadAction,
    /// It could not be noted on the agent's disk, so that it might have been done twice.
    NotNoted,
}

impl Outcome {
    /// False while it may become another one.
    pub fn is_final(&self) -> bool {
        *self != Outcome::UnderWay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_reports_are_read_back() {
        let order = Order {
            id: "7".into(),
            device: DeviceId::new("stack").unwrap(),
            action: Action::BackFill {
                data: Period::Hour,
                from: Timestamp::from_millis(1),
                to: Timestamp::from_millis(2),
            },
            expires_at: Timestamp::from_millis(9),
        };
        let json = serde_json::to_string(&order).unwrap();
        assert!(
            json.contains(r#""kind":"back_fill","data":"hour""#),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), order);
        for outcome in [
            Outcome::UnderWay,
            Outcome::Refused {
                why: Refusal::NotAllowed,
            },
            Outcome::NoAnswer { asked: 4 },
            Outcome::Done {
                said: vec![("SystemTime".into(), "20260801090000".into())],
                messages: 1,
                known: 0,
            },
        ] {
            let (id, at) = ("7".to_owned(), Timestamp::from_millis(3));
            let report = Report { id, at, outcome };
            let json = serde_json::to_string(&report).unwrap();
            assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
        }
    }

    #[test]
    fn what_the_standard_does_not_know_cannot_be_asked_for() {
        let every = |of, every| Action::SetInterval { of, every }.check();
        assert_eq!(every(Interval::RealTime, 30), Ok(()));
        assert!(every(Interval::RealTime, 29).is_err() && every(Interval::RealTime, 3601).is_err());
        assert_eq!(every(Interval::Minute, 10), Ok(()));
        assert!(every(Interval::Minute, 7).is_err());
        let at = Timestamp::from_millis;
        let back_fill = |from, to| {
            let data = Period::Minute;
            Action::BackFill {
                data,
                from: at(from),
                to: at(to),
            }
            .check()
        };
        assert_eq!(back_fill(5, 5), Ok(()));
        assert_eq!(back_fill(6, 5), Err(ActionError::Backwards));
        assert_eq!(
            back_fill(0, BACK_FILL_MS_MAX + 1),
            Err(ActionError::TooLong)
        );
        // What goes into a data area must not end a field of it.
        for factor in ["", "a21026;PW=1", "a21026&&", "一", "a1234567890123456"] {
            let factor = factor.to_owned();
            assert!(Action::ReadIdentity { factor }.check().is_err());
        }
        for (right, word) in Right::ALL {
            assert_eq!((word.parse(), right.as_str()), (Ok(right), word));
        }
        assert!("calibrate".parse::<Right>().is_err());
    }
}
