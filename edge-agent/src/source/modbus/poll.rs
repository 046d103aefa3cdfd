//! One poll of one device: its questions and what came of them.
//!
//! Promise: the device may use up its time-out once in a poll, time on the line not counted; then the poll is over. A
//! joined read that the device refuses is split, and stays split until the device has been silent.
//!
//! No late answer is taken for the answer to a later question. On TCP the transaction number sees to it. On a serial line
//! a device that owes an answer is first *sounded* with a question whose answer has another length: since it answers in the
//! order of the questions, nothing is owed any more once the sounding is answered. If the sounding fails too, the device
//! rests: it is not asked for [`REST`] time-outs. An answer later than that is not reckoned with.

use super::{
    Device,
    link::{Failure, Link},
    plan::{Read, plan},
    register,
    schedule::Outcome,
    wire,
};
use crate::profile::{Identity, Point};
use contract::{Absence, Doubt};
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// What an instrument said for one point: the number in its registers, or why there is none.
pub type Answer = Result<f64, Absence>;

/// Exceptions after which the parts of a joined read are asked for: no such register, and a device that does not give
/// A first look at a device lasts at least this, and at least a quarter of its time-out.
const FIRST_LOOK: Duration = Duration::from_millis(100);
/// so many at once.
const SPLIT_AFTER: [u8; 2] = [2, 3];

/// How long a device rests that left two questions on a serial line without an answer, in its time-outs.
pub const REST: u32 = 5;

/// What came of a poll.
#[derive(Debug, Clone, PartialEq)]
pub struct Polled {
    /// One answer for each point, the clock (if there is one) last.
    pub answers: Vec<Answer>,
    /// What it says about the device.
    pub outcome: Outcome,
    /// What all its values are doubted for.
    pub doubt: Option<Doubt>,
}

/// Which instrument answers.
#[derive(Debug, Clone, PartialEq)]
enum Known {
    /// It was not asked since it was last silent.
    No,
    /// The one that was meant, or nobody said which.
    Yes,
    /// Another one.
    Other,
}

/// Answers on a serial line that may still come.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Debt {
    /// None.
    No,
    /// One with this many bytes (question and answer together).
    One(usize),
    /// Until then there may be several; this was said of the last.
    Rests(Instant, Absence),
}

/// A device and what was learned of it.
pub struct Instrument {
    /// The device.
    pub device: Device,
    points: Vec<Point>,
    reads: Vec<Read>,
    known: Known,
    debt: Debt,
    is_garbled: bool,
}

impl Instrument {
    /// Nothing was learned yet.
    pub fn new(device: Device) -> Instrument {
        let points: Vec<Point> = device.points.iter().chain(&device.clock).cloned().collect();
        Instrument {
            reads: plan(&points, device.gap_max),
            known: Known::No,
            debt: Debt::No,
            is_garbled: false,
            points,
            device,
        }
    }

    /// How many answers a poll gives: one for each point and one for the clock, if there is one.
    pub fn answers(&self) -> usize {
        self.points.len()
    }

    /// Asks for all points.
    pub async fn poll(&mut self, link: &mut Link) -> Polled {
        self.poll_within(self.device.timeout, link).await
    }

    /// The same, with less patience.
    pub async fn first_look(&mut self, link: &mut Link) -> Polled {
        let short = (self.device.timeout / 4).max(FIRST_LOOK);
        self.poll_within(short.min(self.device.timeout), link).await
    }

    async fn poll_within(&mut self, limit: Duration, link: &mut Link) -> Polled {
        if let Debt::Rests(until, absence) = self.debt {
            if Instant::now() < until {
                let answers = vec![Err(absence); self.points.len()];
                return self.polled(answers, Outcome::Silent(absence));
            }
            self.debt = Debt::No;
        }
        let mut talk = Talk {
            unit: self.device.unit_id,
            left: limit,
            asked: 0,
            link,
        };
        let mut answers = vec![Err(Absence::NoAnswer); self.points.len()];
        let end = match self.begin(&mut talk).await {
            Ok(()) => self.read(&mut talk, &mut answers).await,
            Err(end) => {
                self.reads = plan(&self.points, self.device.gap_max);
                Some((end, false))
            }
        };
        let Some((failure, is_partial)) = end else {
            self.is_garbled = false;
            return self.polled(answers, Outcome::Answered);
        };
        let asked = talk.asked;
        self.known = Known::No;
        let absence = self.tell(&failure);
        if link.endpoint().is_rtu() && failure != Failure::NoConnection {
            self.debt = match self.debt {
                Debt::No => Debt::One(asked),
                _ => Debt::Rests(Instant::now() + self.device.timeout * REST, absence),
            };
        }
        if !is_partial {
            answers.fill(Err(absence));
        }
        let outcome = match failure {
            Failure::NoConnection => Outcome::NoLine,
            _ => Outcome::Silent(absence),
        };
        self.polled(answers, outcome)
    }

    fn polled(&self, answers: Vec<Answer>, outcome: Outcome) -> Polled {
        Polled {
            answers,
            outcome,
            doubt: (self.known == Known::Other).then_some(Doubt::OtherDevice),
        }
    }

    /// Sounds a device that may still owe an answer, and asks it who it is.
    async fn begin(&mut self, talk: &mut Talk<'_>) -> Result<(), Failure> {
        if let (Debt::One(owed), Some(first)) = (self.debt, self.reads.first()) {
            let sounding = first.question(talk.unit).sounding(owed);
            // All refusals are alike, and the one owed may be one.
            talk.ask(&sounding).await?;
            self.debt = Debt::No;
        }
        let Some(identity) = self
            .device
            .identity
            .as_ref()
            .filter(|_| self.known == Known::No)
        else {
            return Ok(());
        };
        let words = ended(talk.ask(&question(identity, talk.unit)).await)?;
        let said = words.and_then(|words| name(identity, &words));
        let id = &self.device.id;
        self.known = match (&self.device.expected, said) {
            (None, said) => {
                tracing::info!(device = %id, identity = said.as_deref().unwrap_or("not told"), "this instrument answers");
                Known::Yes
            }
            (Some(expected), Some(said)) if *expected == said => Known::Yes,
            (Some(expected), said) => {
                tracing::warn!(device = %id, expected, identity = said.as_deref().unwrap_or("not told"), "another instrument answers; its values are doubted");
                Known::Other
            }
        };
        Ok(())
    }

    /// Asks for all reads. Gives what ended it early, and whether something had been answered.
    async fn read(
        &mut self,
        talk: &mut Talk<'_>,
        answers: &mut [Answer],
    ) -> Option<(Failure, bool)> {
        let mut waiting: VecDeque<Read> = std::mem::take(&mut self.reads).into();
        let mut end = None;
        while let Some(read) = waiting.pop_front() {
            let failure = match talk.ask(&read.question(talk.unit)).await {
                Ok(words) => {
                    self.decode(&read, &words, answers);
                    self.reads.push(read);
                    continue;
                }
                Err(failure) => failure,
            };
            let is_refused =
                matches!(failure, Failure::Exception(code) if SPLIT_AFTER.contains(&code));
            if let Some([low, high]) = read.split(&self.points).filter(|_| is_refused) {
                tracing::info!(device = %self.device.id, start = read.start, count = read.count, "the device refused a joined read; it is split");
                waiting.push_front(high);
                waiting.push_front(low);
                continue;
            }
            let absence = absence(&failure);
            let ended = ended(Err(failure)).err();
            let rest = ended.iter().flat_map(|_| &waiting);
            for point in std::iter::once(&read)
                .chain(rest)
                .flat_map(|read| &read.points)
            {
                answers[*point] = Err(absence);
            }
            let is_partial = !self.reads.is_empty();
            self.reads.push(read);
            if let Some(failure) = ended {
                self.reads.extend(waiting);
                end = Some((failure, is_partial));
                break;
            }
        }
        if end.as_ref().is_some_and(|(_, is_partial)| !is_partial) {
            self.reads = plan(&self.points, self.device.gap_max);
        }
        end
    }

    fn decode(&self, read: &Read, words: &[u16], answers: &mut [Answer]) {
        for &index in &read.points {
            let point = &self.points[index];
            let from = usize::from(point.register - read.start);
            let own = words.get(from..from + usize::from(point.kind.width()));
            let number = own.and_then(|own| register::decode(point.kind, point.order, own));
            let number = number.map(|number| match point.bits {
                Some(bits) => f64::from(bits.of(number as u16)),
                None => number,
            });
            answers[index] = number.ok_or(Absence::Unreadable);
        }
    }

    /// The reason; of answers that cannot be read the first one is shown.
    fn tell(&mut self, failure: &Failure) -> Absence {
        if let Failure::Unreadable(sample) = failure
            && !std::mem::replace(&mut self.is_garbled, true)
        {
            tracing::warn!(device = %self.device.id, sample = ?sample, "an answer cannot be read");
        }
        absence(failure)
    }
}

/// The questions of one poll, and how much of the device's time-out is left for them.
struct Talk<'a> {
    unit: u8,
    left: Duration,
    /// Bytes of the last question and its answer on a serial line.
    asked: usize,
    link: &'a mut Link,
}

impl Talk<'_> {
    async fn ask(&mut self, question: &wire::Question) -> Result<Vec<u16>, Failure> {
        self.asked = question.rtu_bytes();
        let begun = Instant::now();
        let on_the_line = self.link.endpoint().wire_time(question);
        let answer = self
            .link
            .ask(question, begun + on_the_line + self.left)
            .await;
        let waited = begun.elapsed().saturating_sub(on_the_line);
        self.left = self.left.saturating_sub(waited);
        answer
    }
}

/// An exception is an answer, unless it comes from a gateway that got none.
fn ended(answer: Result<Vec<u16>, Failure>) -> Result<Option<Vec<u16>>, Failure> {
    match answer {
        Ok(words) => Ok(Some(words)),
        Err(Failure::Exception(code)) if !matches!(code, 10 | 11) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn absence(failure: &Failure) -> Absence {
    match failure {
        Failure::NoConnection => Absence::NoConnection,
        Failure::Silent | Failure::Broken => Absence::NoAnswer,
        Failure::Unreadable(_) => Absence::Unreadable,
        Failure::Exception(code) => wire::reason(*code),
    }
}

/// The question for what an instrument says of itself.
pub fn question(identity: &Identity, unit: u8) -> wire::Question {
    wire::Question {
        unit,
        function: identity.function,
        start: identity.register,
        count: identity.count,
    }
}

/// What an instrument says of itself; `None` if that is no name.
pub fn name(identity: &Identity, words: &[u16]) -> Option<String> {
    match identity.kind {
        register::Kind::Text => register::text(identity.order, words),
        kind => register::decode(kind, identity.order, words).map(|number| format!("{number:.0}")),
    }
}
