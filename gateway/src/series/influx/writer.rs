//! The task that follows the journal and writes to InfluxDB, in order, until the server has taken everything.

use super::client::Client;
use super::config::Influx;
use super::decide::{Verdict, verdict};
use super::line::{put_line, series_key};
use super::quarantine::{Quarantine, Refused};
use super::{CURSOR, State};
use crate::chain;
use crate::ingest::dictionary::{Dictionary, PointKey};
use crate::ingest::record::{Entry, entries};
use crate::metrics::Metrics;
use journal::{Block, Follower, Journal, ReadError, Seq};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const LINES_MAX: usize = 5000;
const BYTES_MAX: usize = 1_000_000;
/// How long to wait for more when there is little.
const LINGER: Duration = Duration::from_millis(200);

pub(super) struct Writer {
    pub config: Influx,
    pub client: Client,
    pub journal: Journal,
    pub follower: Follower,
    pub dictionary: Dictionary,
    pub metrics: Arc<Metrics>,
    pub quarantine: Quarantine,
    pub state: watch::Sender<State>,
    pub stop: watch::Receiver<bool>,
    pub keys: HashMap<PointKey, Result<String, String>>,
}

/// The writer was told to stop.
struct Stopped;

/// Lines on their way; `ends` are the ends of the lines in `text`, with the journal block of each.
#[derive(Default)]
struct Lines {
    text: String,
    ends: Vec<(usize, u64)>,
}

impl Lines {
    /// Pieces of at most [`LINES_MAX`] lines and about [`BYTES_MAX`] bytes, as ranges of line numbers.
    fn pieces(&self) -> Vec<(usize, usize)> {
        let mut pieces = Vec::new();
        let mut from = 0;
        for index in 0..self.ends.len() {
            let bytes = self.ends[index].0 - self.start(from);
            if index > from && (index - from >= LINES_MAX || bytes > BYTES_MAX) {
                pieces.push((from, index));
                from = index;
            }
        }
        if from < self.ends.len() {
            pieces.push((from, self.ends.len()));
        }
        pieces
    }

    fn start(&self, line: usize) -> usize {
        match line {
            0 => 0,
            _ => self.ends[line - 1].0,
        }
    }

    fn text(&self, (from, to): (usize, usize)) -> &str {
        &self.text[self.start(from)..self.start(to)]
    }
}

impl Writer {
    pub(super) async fn run(mut self) {
        while self.step().await.is_ok() {}
    }

    /// Takes what the journal has, up to one request's worth, and does not return before the server has it.
    async fn step(&mut self) -> Result<(), Stopped> {
        let mut lines = Lines::default();
        let mut aside = Vec::new();
        let mut through: Option<Seq> = None;
        while lines.ends.len() < LINES_MAX && lines.text.len() < BYTES_MAX {
            match self.next(through.is_some()).await? {
                Some(Ok(block)) => {
                    through = Some(block.seq);
                    self.encode(&block, &mut lines, &mut aside);
                }
                Some(Err(error)) if self.follower.skip(&error) => {}
                Some(Err(error)) => {
                    let what = format!("the journal cannot be read: {}", chain(&error));
                    self.pause(State::Waiting(what), self.config.backoff.longest)
                        .await?;
                }
                None => break,
            }
        }
        let Some(through) = through else {
            return Ok(());
        };
        self.set_aside(aside).await?;
        for piece in lines.pieces() {
            self.send(&lines, piece).await?;
        }
        if let Err(error) = self.journal.set_cursor(CURSOR, through).await {
            let error = chain(&error);
            tracing::warn!(
                error,
                "the influx cursor is not written; after a restart some lines are sent again"
            );
        }
        Ok(())
    }

    /// The next block; `None` if there is already something to send and nothing more came for a moment.
    async fn next(
        &mut self,
        has_some: bool,
    ) -> Result<Option<Result<Arc<Block>, ReadError>>, Stopped> {
        let moment = async {
            match has_some {
                true => tokio::time::sleep(LINGER).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|&stop| stop) => Err(Stopped),
            block = self.follower.next() => Ok(Some(block)),
            () = moment => Ok(None),
        }
    }

    fn encode(&mut self, block: &Block, lines: &mut Lines, aside: &mut Vec<Refused>) {
        let seq = block.seq.0;
        for entry in entries(&block.body) {
            let samples = match entry {
                Ok(Entry::Data(_, samples)) => samples,
                Ok(_) => continue,
                Err(error) => {
                    tracing::error!(journal_seq = seq, %error, "part of a journal block cannot be read; it is not sent to InfluxDB");
                    continue;
                }
            };
            for sample in samples {
                let (measurement, dictionary) = (&self.config.measurement, &self.dictionary);
                let key = self
                    .keys
                    .entry(sample.point)
                    .or_insert_with(|| key_of(measurement, dictionary, sample.point));
                match key {
                    Ok(key) => {
                        put_line(
                            &mut lines.text,
                            key,
                            sample.at_ms,
                            sample.value,
                            sample.quality.code(),
                        );
                        lines.ends.push((lines.text.len(), seq));
                    }
                    Err(why) => aside.push(Refused {
                        journal_seq: seq,
                        line: format!(
                            "point number {} at {}: {}",
                            sample.point.0, sample.at_ms, sample.value
                        ),
                        answer: why.clone(),
                    }),
                }
            }
        }
        // A point that was not known may be known later.
        self.keys.retain(|_, key| key.is_ok());
    }

    /// Sends lines until each is accepted or set aside.
    async fn send(&mut self, lines: &Lines, piece: (usize, usize)) -> Result<(), Stopped> {
        let mut todo = vec![piece];
        let mut attempt = 0;
        while let Some((from, to)) = todo.pop() {
            let answer = tokio::select! {
                biased;
                _ = self.stop.wait_for(|&stop| stop) => return Err(Stopped),
                answer = self.client.write(lines.text((from, to))) => answer,
            };
            match verdict(answer, &self.config.backoff, attempt, chance()) {
                Verdict::Accepted => {
                    attempt = 0;
                    self.metrics
                        .influx_lines_written_total
                        .add((to - from) as u64);
                    self.say(State::Writing);
                }
                Verdict::Refused(_) if to - from > 1 => {
                    attempt = 0;
                    let middle = from + (to - from) / 2;
                    todo.extend([(middle, to), (from, middle)]); // the earlier half comes first
                }
                Verdict::Refused(answer) => {
                    attempt = 0;
                    let line = lines.text((from, to)).trim_end().to_owned();
                    let journal_seq = lines.ends[from].1;
                    self.set_aside(vec![Refused {
                        journal_seq,
                        line,
                        answer,
                    }])
                    .await?;
                }
                Verdict::Again(wait, why) => {
                    attempt += 1;
                    self.metrics.influx_requests_failed_total.inc();
                    self.pause(State::Waiting(why), wait).await?;
                    todo.push((from, to));
                }
                Verdict::Blocked { what, fix } => {
                    attempt += 1;
                    self.metrics.influx_requests_failed_total.inc();
                    let state = State::Blocked {
                        what,
                        fix: fix.into(),
                    };
                    self.pause(state, self.config.backoff.longest).await?;
                    todo.push((from, to));
                }
            }
        }
        Ok(())
    }

    /// Lines leave the queue only when the quarantine has them on disk.
    async fn set_aside(&mut self, refused: Vec<Refused>) -> Result<(), Stopped> {
        let Some(first) = refused.first() else {
            return Ok(());
        };
        while let Err(error) = self.quarantine.put(&refused) {
            let what = chain(&error);
            self.pause(State::Waiting(what), self.config.backoff.longest)
                .await?;
        }
        let (line, answer) = (&first.line, &first.answer);
        let count = refused.len();
        let total = self.metrics.influx_lines_refused_total.get();
        // The first of a kind is worth a person's look; a flood of them is a number.
        if total < 10 || (total + count as u64) / 1000 > total / 1000 {
            tracing::error!(
                journal_seq = first.journal_seq,
                line,
                answer,
                count,
                "lines refused by InfluxDB are set aside"
            );
        }
        self.metrics.influx_lines_refused_total.add(count as u64);
        Ok(())
    }

    async fn pause(&mut self, state: State, wait: Duration) -> Result<(), Stopped> {
        self.say(state);
        tokio::select! {
            _ = self.stop.wait_for(|&stop| stop) => Err(Stopped),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }

    fn say(&self, state: State) {
        self.state.send_if_modified(|shown| {
            if *shown == state {
                return false;
            }
            match &state {
                State::Writing => tracing::info!("InfluxDB takes what is written"),
                State::Waiting(why) => tracing::warn!(
                    why,
                    "InfluxDB does not take what is written; it is tried again"
                ),
                State::Blocked { what, fix } => {
                    tracing::error!(what, fix, "nothing goes to InfluxDB until this is mended")
                }
            }
            *shown = state;
            true
        });
    }
}

fn key_of(measurement: &str, dictionary: &Dictionary, point: PointKey) -> Result<String, String> {
    let Some(point) = dictionary.get(point) else {
        return Err("the point has no name in this gateway's dictionary".into());
    };
    let tags = [
        ("device", point.device.as_str()),
        ("point", point.name.as_str()),
        ("site", point.site.as_str()),
    ];
    series_key(measurement, &tags).map_err(|error| error.to_string())
}

/// A number between 0 and 1 that differs between gateways and moments; only used to spread retries.
fn chance() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0u8) as f64 / u64::MAX as f64
}
