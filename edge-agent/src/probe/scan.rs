//! Which units answer, and which registers they have.

use super::{Range, guess};
use crate::source::modbus::{
    link::{Failure, Link},
    register::Function,
    wire::{self, Question},
};
use anyhow::bail;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

/// Registers in one read; fewer than the protocol allows, since many instruments allow fewer.
const TOGETHER: u16 = 60;
/// A unit that answered before and now does not is asked again this often.
const TRIES: u32 = 3;

/// A connection with a time by which to end.
pub struct Scanner {
    /// The connection.
    pub link: Link,
    /// How long a unit may take to answer.
    pub timeout: Duration,
    end: Instant,
}

/// What a unit has in one table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// Which.
    pub table: String,
    /// Register and content, as far as they answer.
    pub registers: BTreeMap<u16, u16>,
    /// What they may mean.
    pub guesses: Vec<guess::Guess>,
    /// Why the rest does not answer: the reason and how many registers.
    pub refused: BTreeMap<String, u32>,
}

impl Scanner {
    /// Over this connection, until then.
    pub fn new(link: Link, timeout: Duration, end: Instant) -> Scanner {
        Scanner { link, timeout, end }
    }

    /// True when there is no time left.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    async fn ask(&mut self, question: &Question) -> anyhow::Result<Result<Vec<u16>, Failure>> {
        let wire_time = self.link.endpoint().wire_time(question);
        let deadline = Instant::now() + wire_time + self.timeout;
        let said = self.link.ask(question, deadline).await;
        if said == Err(Failure::NoConnection) {
            bail!("{} cannot be reached", self.link.endpoint());
        }
        let is_owed = matches!(said, Err(Failure::Silent | Failure::Unreadable(_)));
        if is_owed && self.link.endpoint().is_rtu() {
            // A late answer must not be taken for the next one.
            sleep(self.timeout).await;
        }
        Ok(said)
    }

    /// The answer to a question, if there is one.
    pub async fn words(&mut self, question: &Question) -> anyhow::Result<Option<Vec<u16>>> {
        Ok(self.ask(question).await?.ok())
    }

    /// True if a unit says anything at all.
    pub async fn answers(&mut self, unit: u8) -> anyhow::Result<bool> {
        let question = Question {
            unit,
            function: Function::Holding,
            start: 0,
            count: 1,
        };
        Ok(match self.ask(&question).await? {
            Ok(_) => true,
            Err(Failure::Exception(code)) => !matches!(code, 10 | 11),
            Err(_) => false,
        })
    }

    /// Reads a range of a table; what is refused is halved until single registers are left.
    pub async fn table(
        &mut self,
        unit: u8,
        function: Function,
        range: Range,
        not_asked: &mut Vec<String>,
    ) -> anyhow::Result<Table> {
        let mut table = Table {
            table: function.to_string(),
            registers: BTreeMap::new(),
            guesses: Vec::new(),
            refused: BTreeMap::new(),
        };
        let mut waiting = vec![(u32::from(range.first), u32::from(range.last) + 1)];
        let mut failures = 0;
        while let Some((first, end)) = waiting.pop() {
            let middle = (first + u32::from(TOGETHER)).min(end);
            if middle < end {
                waiting.push((middle, end));
            }
            let count = middle - first;
            if self.is_over() || failures == TRIES {
                let from = format!("unit {unit}, {function} registers from {first} on");
                not_asked.push(match failures {
                    TRIES => format!("{from}: the unit fell silent"),
                    _ => from,
                });
                break;
            }
            let question = Question {
                unit,
                function,
                start: first as u16,
                count: count as u16,
            };
            match self.ask(&question).await? {
                Ok(words) => {
                    failures = 0;
                    let registers = (first..middle).map(|register| register as u16);
                    table.registers.extend(registers.zip(words));
                }
                Err(Failure::Exception(code @ (1 | 10 | 11))) => {
                    // The whole table answers like this.
                    let rest = u32::from(range.last) + 1 - first;
                    table.refused.insert(reason(code), rest);
                    break;
                }
                Err(Failure::Exception(_)) if count > 1 => {
                    failures = 0;
                    let half = first + count / 2;
                    waiting.push((half, middle));
                    waiting.push((first, half));
                }
                Err(Failure::Exception(code)) => {
                    failures = 0;
                    *table.refused.entry(reason(code)).or_default() += 1;
                }
                Err(_) => {
                    failures += 1;
                    waiting.push((first, middle));
                }
            }
        }
        if !function.is_bits() {
            table.guesses = guess::guesses(&table.registers);
        }
        Ok(table)
    }
}

fn reason(code: u8) -> String {
    let reason = serde_json::to_value(wire::reason(code)).unwrap_or_default();
    format!("{} (exception {code})", reason.as_str().unwrap_or_default())
}
