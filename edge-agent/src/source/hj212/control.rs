//! Asking a data logger (reverse control, 反控): the request, its repeats, 9011, data, 9012. Pure.
//!
//! A request goes out with the station's own ST, PW and version, and the same QN at each repeat (HJ 212-2017 6.1, Table 1:
//! OverTime 10 s, ReCount 3). What is built is docs/protocol/hj212.md, "Reverse control".

use super::{moment, reply, segment::Segment, segment::Version};
use contract::{
    Timestamp,
    control::{Action, Interval, Order, Outcome, Period},
};
use std::time::Duration;
use tokio::time::Instant;

/// Repeats of a request without an answer (ReCount, Table 1).
const REPEATS: u32 = 3;
/// A logger that has accepted may take so many times OverTime between two signs of life.
const PATIENCE: u32 = 6;

/// How a station speaks, and so how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manner {
    st: String,
    pw: Option<String>,
    version: Version,
}

impl Manner {
    /// As in a frame of the station; `None` if the frame does not say its system code.
    pub fn of(segment: &Segment<'_>) -> Option<Manner> {
        Some(Manner {
            st: segment.st?.to_owned(),
            pw: segment.pw.map(str::to_owned),
            version: segment.version(),
        })
    }
}

/// An answer of a station to a request: 9011 or 9012.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Of which station, by its place in the configuration.
    pub station: usize,
    /// Which request.
    pub qn: String,
    /// True of 9012.
    pub is_result: bool,
    /// QnRtn or ExeRtn.
    pub code: u16,
    /// The frame as it came.
    pub raw: Vec<u8>,
}

/// One order under way.
#[derive(Debug)]
pub struct Exchange {
    /// Which order.
    pub order: Order,
    /// Which station, by its place in the configuration.
    pub station: usize,
    mn: String,
    manner: Manner,
    qn: String,
    over_time: Duration,
    asked: u32,
    is_accepted: bool,
    due: Instant,
    said: Vec<(String, String)>,
    messages: u32,
    known: u32,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this frame.
    Ask(String),
    /// Nothing before this.
    Wait(Instant),
    /// Nothing more.
    Over(Outcome),
}

impl Exchange {
    /// Not begun. `at` is the gateway's time and becomes the QN.
    pub fn new(
        order: Order,
        (station, mn): (usize, &str),
        manner: Manner,
        over_time: Duration,
        (at, now): (Timestamp, Instant),
    ) -> Exchange {
        Exchange {
            order,
            station,
            mn: mn.to_owned(),
            manner,
            qn: moment::digits(at, true),
            over_time,
            asked: 0,
            is_accepted: false,
            due: now,
            said: Vec::new(),
            messages: 0,
            known: 0,
        }
    }

    /// When [`Exchange::step`] has something to say, unless something is heard before.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// What is due at `now`, at the gateway's time `at`. A clock is not set without it.
    pub fn step(&mut self, at: Option<Timestamp>, now: Instant) -> Step {
        if now < self.due {
            return Step::Wait(self.due);
        }
        if self.is_accepted {
            return Step::Over(Outcome::NoResult {
                said: self.said.clone(),
                messages: self.messages,
                known: self.known,
            });
        }
        let data = self.data(at).filter(|_| self.asked <= REPEATS);
        let Some(data) = data else {
            return Step::Over(Outcome::NoAnswer { asked: self.asked });
        };
        self.asked += 1;
        self.due = now + self.over_time;
        Step::Ask(self.frame(&data))
    }

    /// 9011 or 9012 of the station; the outcome, if that is one. `None` also if it answers something else.
    pub fn answered(&mut self, answer: &Answered, now: Instant) -> Option<Outcome> {
        let code = answer.code;
        match (answer.is_result, code) {
            (false, 1) => {
                self.is_accepted = true;
                self.due = now + self.over_time * PATIENCE;
                None
            }
            (false, _) => Some(Outcome::Rejected { code }),
            (true, 1) => Some(Outcome::Done {
                said: std::mem::take(&mut self.said),
                messages: self.messages,
                known: self.known,
            }),
            (true, _) => Some(Outcome::Failed { code }),
        }
    }

    /// True if the answer is one to this request.
    pub fn is_of(&self, answer: &Answered) -> bool {
        self.station == answer.station && self.qn == answer.qn
    }

    /// Data of the station came and are stored; `is_new` says that they were not known before.
    pub fn heard(&mut self, cn: &str, said: &[(String, String)], is_new: bool, now: Instant) {
        if cn != self.command() {
            return;
        }
        match is_new {
            true => self.messages += 1,
            false => self.known += 1,
        }
        self.said.extend_from_slice(said);
        self.said.truncate(SAID_MAX);
        if self.is_accepted {
            self.due = now + self.over_time * PATIENCE;
        }
    }

    fn command(&self) -> &'static str {
        match &self.order.action {
            Action::ReadClock => "1011",
            Action::SetClock => "1012",
            Action::BackFill { data, .. } => match data {
                Period::Minute => "2051",
                Period::Hour => "2061",
                Period::Day => "2031",
            },
            Action::ReadInterval { of } => match of {
                Interval::RealTime => "1061",
                Interval::Minute => "1063",
            },
            Action::SetInterval { of, .. } => match of {
                Interval::RealTime => "1062",
                Interval::Minute => "1064",
            },
            Action::ReadIdentity { .. } => "3019",
            Action::ReadInformation { .. } => "3020",
        }
    }

    fn data(&self, at: Option<Timestamp>) -> Option<String> {
        let digits = |at: &Timestamp| moment::digits(*at, false);
        Some(match &self.order.action {
            Action::ReadClock | Action::ReadInterval { .. } => String::new(),
            // At a repeat it is the time of the repeat: the one before may have been lost.
            Action::SetClock => format!("SystemTime={}", digits(&at?)),
            Action::BackFill { from, to, .. } => {
                format!("BeginTime={};EndTime={}", digits(from), digits(to))
            }
            Action::SetInterval { of, every } => match of {
                Interval::RealTime => format!("RtdInterval={every}"),
                Interval::Minute => format!("MinInterval={every}"),
            },
            Action::ReadIdentity { factor } => format!("PolId={factor}"),
            Action::ReadInformation { factor, info } => format!("PolId={factor};InfoId={info}"),
        })
    }

    fn frame(&self, data: &str) -> String {
        let flag = match self.manner.version {
            Version::V2005 => 1,
            Version::V2017 | Version::Unknown => 5,
            Version::V2025 => 9,
        };
        let pw = self.manner.pw.as_ref();
        let pw = pw.map_or(String::new(), |pw| format!("PW={pw};"));
        reply::frame(&format!(
            "QN={};ST={};CN={};{pw}MN={};Flag={flag};CP=&&{}&&",
            self.qn,
            self.manner.st,
            self.command(),
            self.mn,
            data
        ))
    }
}

/// Names and values that are kept of what a logger said.
const SAID_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use contract::DeviceId;

    const AT: Timestamp = Timestamp::from_millis(1_785_546_000_001);

    fn manner(flag: u8) -> Manner {
        let text = format!("QN=20260801090000001;ST=32;CN=2011;PW=100000;MN=A;Flag={flag};CP=&&&&");
        Manner::of(&Segment::read(&text, &mut Vec::new())).unwrap()
    }

    fn exchange(action: Action, flag: u8, now: Instant) -> Exchange {
        let order = Order {
            id: "1".into(),
            device: DeviceId::new("stack").unwrap(),
            action,
            expires_at: AT,
        };
        let over_time = Duration::from_secs(10);
        Exchange::new(order, (0, "A1"), manner(flag), over_time, (AT, now))
    }

    fn asked(exchange: &mut Exchange, now: Instant) -> String {
        match exchange.step(Some(AT), now) {
            Step::Ask(frame) => frame,
            other => panic!("{other:?}"),
        }
    }

    fn answer(is_result: bool, code: u16) -> Answered {
        Answered {
            station: 0,
            qn: "20260801090000001".into(),
            is_result,
            code,
            raw: Vec::new(),
        }
    }

    #[test]
    fn requests_are_those_of_the_standard_in_the_manner_of_the_station() {
        let hour = |ms| AT.plus_millis(ms);
        for (action, flag, expected) in [
            (
                Action::ReadClock,
                4,
                "CN=1011;PW=100000;MN=A1;Flag=5;CP=&&&&",
            ),
            (
                Action::SetClock,
                8,
                "CN=1012;PW=100000;MN=A1;Flag=9;CP=&&SystemTime=20260801090000&&",
            ),
            (
                Action::BackFill {
                    data: Period::Hour,
                    from: hour(-3_600_000),
                    to: hour(0),
                },
                0,
                "CN=2061;PW=100000;MN=A1;Flag=1;CP=&&BeginTime=20260801080000;EndTime=20260801090000&&",
            ),
            (
                Action::SetInterval {
                    of: Interval::RealTime,
                    every: 30,
                },
                5,
                "CN=1062;PW=100000;MN=A1;Flag=5;CP=&&RtdInterval=30&&",
            ),
            (
                Action::ReadInformation {
                    factor: "w01018".into(),
                    info: "i13008".into(),
                },
                5,
                "CN=3020;PW=100000;MN=A1;Flag=5;CP=&&PolId=w01018;InfoId=i13008&&",
            ),
        ] {
            let now = Instant::now();
            let text = format!("QN=20260801090000001;ST=32;{expected}");
            let frame = asked(&mut exchange(action, flag, now), now);
            assert_eq!(frame, reply::frame(&text));
        }
    }

    #[test]
    fn a_request_is_repeated_three_times_under_one_number_and_then_given_up() {
        let begun = Instant::now();
        let mut exchange = exchange(Action::ReadClock, 5, begun);
        let first = asked(&mut exchange, begun);
        let second = |s| begun + Duration::from_secs(s);
        assert_eq!(exchange.step(Some(AT), second(9)), Step::Wait(second(10)));
        for s in [10, 20, 30] {
            assert_eq!(asked(&mut exchange, second(s)), first);
        }
        let over = Step::Over(Outcome::NoAnswer { asked: 4 });
        assert_eq!(exchange.step(Some(AT), second(40)), over);
    }

    #[test]
    fn what_a_station_answers_becomes_the_outcome() {
        let now = Instant::now();
        let begin = || {
            let mut exchange = exchange(Action::ReadClock, 5, now);
            asked(&mut exchange, now);
            exchange
        };
        let rejected = Some(Outcome::Rejected { code: 3 });
        assert_eq!(begin().answered(&answer(false, 3), now), rejected);
        let mut accepted = begin();
        assert_eq!(accepted.answered(&answer(false, 1), now), None);
        let said = [("SystemTime".to_owned(), "20260801090000".to_owned())];
        accepted.heard("2011", &[], true, now);
        accepted.heard("1011", &said, true, now);
        let done = Outcome::Done {
            said: said.to_vec(),
            messages: 1,
            known: 0,
        };
        assert_eq!(accepted.answered(&answer(true, 1), now), Some(done));
        let mut silent = begin();
        silent.answered(&answer(false, 1), now);
        let later = now + Duration::from_secs(60);
        assert!(matches!(
            silent.step(Some(AT), later),
            Step::Over(Outcome::NoResult { .. })
        ));
        let failed = Some(Outcome::Failed { code: 100 });
        assert_eq!(begin().answered(&answer(true, 100), now), failed);
        let other = Answered {
            qn: "20260801090000002".into(),
            ..answer(true, 1)
        };
        assert!(!begin().is_of(&other) && begin().is_of(&answer(true, 1)));
    }
}
