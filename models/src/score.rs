//! The engine over a CSV file, sample by sample, exactly as the gateway runs it.
//!
//! One value column is scored by the forecaster and the pattern memory; several by the group reference, which
//! learns from the first `train_rows` rows and gives those no score. No row's score depends on a later row.

use crate::{Engine, SeriesState, group};
use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
};

/// What to score.
#[derive(Debug, Clone)]
pub struct Request {
    /// The file.
    pub csv: PathBuf,
    /// Its time column.
    pub time: String,
    /// Its value columns.
    pub values: Vec<String>,
    /// Rows at the beginning that are known to be normal.
    pub train_rows: usize,
}

/// A row's time as it stood in the file, and its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The text of the time column.
    pub time: String,
    /// ms since 1970, UTC unless the text has a zone.
    pub at_ms: i64,
    /// The values; `None` where the cell is empty or NaN.
    pub values: Vec<Option<f64>>,
}

/// Why a file cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The file cannot be read.
    #[error("cannot read {path}; check the path and its permissions")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is not CSV.
    #[error("{path}: not a table")]
    Table {
        /// Which file.
        path: PathBuf,
        /// What and where.
        #[source]
        source: csv::Error,
    },
    /// A column is not there.
    #[error("{path}: there is no column {column:?}; the columns are: {known}")]
    Column {
        /// Which file.
        path: PathBuf,
        /// Which column.
        column: String,
        /// What there is.
        known: String,
    },
    /// A cell cannot be understood.
    #[error("{path}, line {line}, column {column:?}: {text:?} is not {what}")]
    Cell {
        /// Which file.
        path: PathBuf,
        /// Line in the file, the header being 1.
        line: u64,
        /// Which column.
        column: String,
        /// What stands there.
        text: String,
        /// What should.
        what: &'static str,
    },
}

const TIME: &str =
    "a time; write 2026-11-24 08:00:00, RFC 3339, or seconds or milliseconds since 1970";
const NUMBER: &str = "a number; leave the cell empty where a value is missing";

/// Reads the asked-for columns. The separator is `;` if the header has one, else `,`.
pub fn read(request: &Request) -> Result<Vec<Row>, CsvError> {
    let path = &request.csv;
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|mut file| file.read_to_string(&mut text))
        .map_err(|source| CsvError::Read {
            path: path.clone(),
            source,
        })?;
    let text = text.trim_start_matches('\u{feff}');
    let separator = if text.lines().next().unwrap_or_default().contains(';') {
        b';'
    } else {
        b','
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let table = |source| CsvError::Table {
        path: path.clone(),
        source,
    };
    let header = reader.headers().map_err(table)?.clone();
    let column = |name: &str| {
        header
            .iter()
            .position(|h| h == name)
            .ok_or_else(|| CsvError::Column {
                path: path.clone(),
                column: name.to_owned(),
                known: header.iter().collect::<Vec<_>>().join(", "),
            })
    };
    let time = column(&request.time)?;
    let values = request
        .values
        .iter()
        .map(|name| column(name))
        .collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(table)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |at: usize, what| CsvError::Cell {
            path: path.clone(),
            line,
            column: header[at].to_owned(),
            text: record[at].to_owned(),
            what,
        };
        rows.push(Row {
            time: record[time].to_owned(),
            at_ms: parse_time(&record[time]).ok_or_else(|| cell(time, TIME))?,
            values: values
                .iter()
                .map(|&at| parse_value(&record[at]).ok_or_else(|| cell(at, NUMBER)))
                .collect::<Result<_, _>>()?,
        });
    }
    Ok(rows)
}

fn parse_value(text: &str) -> Option<Option<f64>> {
    match text {
        "" | "NA" | "N/A" | "null" => Some(None),
        text => text
            .parse::<f64>()
            .ok()
            .map(|v| Some(v).filter(|v| v.is_finite())),
    }
}

/// A time text as ms since 1970; a text without a zone is taken as UTC.
pub fn parse_time(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse::<f64>() {
        return Some(if number.abs() < 1e11 {
            number * 1e3
        } else {
            number
        } as i64);
    }
    if let Ok(t) = text.parse::<jiff::Timestamp>() {
        return Some(t.as_millisecond());
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok().or_else(|| {
        [
            "%y/%m/%d %H:%M",
            "%d/%m/%y %H",
            "%Y/%m/%d %H:%M:%S",
            "%Y/%m/%d %H:%M",
            "%d.%m.%Y %H:%M:%S",
            "%d/%m/%Y %H:%M",
        ]
        .iter()
        .find_map(|format| jiff::civil::DateTime::strptime(format, text).ok())
    })?;
    civil
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|z| z.timestamp().as_millisecond())
}

/// Scores the rows and writes `time,score,signal`, one line a row, header first.
pub fn run(request: &Request, engine: &mut Engine, out: &mut dyn Write) -> anyhow::Result<()> {
    let rows = read(request)?;
    let scores = if request.values.len() == 1 {
        one(&rows, engine)?
    } else {
        several(&rows, request.train_rows, &request.csv)?
    };
    writeln!(out, "time,score,signal")?;
    for (n, (row, (score, is_signal))) in rows.iter().zip(scores).enumerate() {
        let is_signal = is_signal && n >= request.train_rows;
        writeln!(out, "{},{score:.6},{}", row.time, u8::from(is_signal))?;
    }
    Ok(())
}

/// The windows of a whole file go through the model in batches; the states are updated in order, so the
/// scores are those of one sample at a time.
fn one(rows: &[Row], engine: &mut Engine) -> anyhow::Result<Vec<(f64, bool)>> {
    let mut state = SeriesState::default();
    let mut scores = Vec::with_capacity(rows.len());
    for part in rows.chunks(crate::engine::BATCH) {
        let due: Vec<_> = part
            .iter()
            .map(|row| state.push(row.at_ms, row.values[0]))
            .collect();
        let mut forecasts = engine.forecast(due.iter().flatten())?.into_iter();
        for due in &due {
            scores.push(match (due, due.as_ref().and_then(|_| forecasts.next())) {
                (Some(due), Some(forecast)) => {
                    let score = state.judge(due, forecast);
                    (score.score, score.is_signal)
                }
                _ => (0.0, false),
            });
        }
    }
    Ok(scores)
}

fn several(rows: &[Row], train_rows: usize, path: &Path) -> anyhow::Result<Vec<(f64, bool)>> {
    let mut window = group::Window::default();
    let features: Vec<Option<Vec<f64>>> = rows.iter().map(|row| window.push(&row.values)).collect();
    let train: Vec<_> = features
        .iter()
        .take(train_rows)
        .flatten()
        .cloned()
        .collect();
    let mut reference = group::Reference::learn(&train).ok_or_else(|| {
        anyhow::anyhow!(
            "{}: {train_rows} training rows are too few for several columns; give at least 100 with --train-rows",
            path.display()
        )
    })?;
    Ok(features
        .iter()
        .enumerate()
        .map(|(n, features)| match features {
            Some(features) if n >= train_rows => {
                let score = reference.judge(features);
                (score, score >= group::THRESHOLD)
            }
            _ => (0.0, false),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_many_hands_are_read() {
        let noon = 1_795_521_600_000;
        for text in [
            "2026-11-24 12:00:00",
            "2026-11-24T20:00:00+08:00",
            "1795521600",
            "1795521600000",
            "26/11/24 12:00",
        ] {
            assert_eq!(parse_time(text), Some(noon), "{text}");
        }
        assert_eq!(parse_time("yesterday"), None);
    }
}
