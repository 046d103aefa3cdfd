//! Recorded data played as a Modbus TCP instrument.
//!
//! Registers: 0 to 3 the row's own time (u64, milliseconds since 1970 UTC), then four registers (f64) per value, so
//! that what is read equals the file bit by bit. A missing value is NaN. Where the file has no row, the time register
//! stands still: a gap stays a gap, and a poller that compares device times repeats nothing.
//!
//! A row stays on the instrument until time has passed (row spacing / speed) *and* somebody has read all of it, so a
//! comparison with the file misses nothing at any speed; `free_running` gives up the second condition, as a real
//! instrument does. The first row waits for its first reader.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::modbus::{Encoding, Registers};

const TIME_WIDTH: u16 = 4;
const VALUE_WIDTH: u16 = 4;

/// One row of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its own time, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// Its values in the order asked for; `None` where the file has none.
    pub values: Vec<Option<f64>>,
}

/// Why a recording cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("cannot read the recording {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: csv::Error,
    },
    /// A column that was asked for is not there.
    #[error("the recording has no column `{column}`; it has {present}")]
    Column {
        /// Which.
        column: String,
        /// What there is.
        present: String,
    },
    /// A time that is not understood.
    #[error(
        "row {row}: `{text}` is not a time we understand (seconds or milliseconds since 1970, or YYYY-MM-DD HH:MM[:SS])"
    )]
    Time {
        /// Which row, from 1.
        row: usize,
        /// What it says.
        text: String,
    },
    /// Times must rise, since a row with an old time would be no new reading.
    #[error("row {row}: its time is not after the time of the row before it")]
    Order {
        /// Which row, from 1.
        row: usize,
    },
    /// More values than one consistent read can carry.
    #[error("{count} values do not fit into one read of 125 registers; the most is 30")]
    TooWide {
        /// How many.
        count: usize,
    },
    /// Nothing to play.
    #[error("the recording has no rows")]
    Empty,
}

/// Reads a recording; the separator is `;` when the first line has one, else `,`. Times without an offset are of
/// `zone`; in the hour that comes twice in autumn, a time that would go back is the second one.
pub fn read(
    path: &Path,
    time: &str,
    values: &[String],
    zone: &TimeZone,
) -> Result<Vec<Row>, ReplayError> {
    if values.len() > 30 {
        return Err(ReplayError::TooWide {
            count: values.len(),
        });
    }
    let failed = |source| ReplayError::Read {
        path: path.to_owned(),
        source,
    };
    let text = std::fs::read(path).map_err(|e| failed(e.into()))?;
    let first_line = text.split(|b| *b == b'\n').next().unwrap_or_default();
    let delimiter = if first_line.contains(&b';') {
        b';'
    } else {
        b','
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.as_slice());
    let header = reader.headers().map_err(failed)?.clone();
    let place = |column: &str| {
        let column = column.trim();
        header
            .iter()
            .position(|h| h.trim_start_matches('\u{feff}') == column)
            .ok_or_else(|| ReplayError::Column {
                column: column.to_owned(),
                present: header.iter().collect::<Vec<_>>().join(", "),
            })
    };
    let time = place(time)?;
    let columns = values
        .iter()
        .map(|v| place(v))
        .collect::<Result<Vec<_>, _>>()?;
    let mut rows: Vec<Row> = Vec::new();
    for (i, record) in reader.records().enumerate() {
        let record = record.map_err(failed)?;
        let row = i + 1;
        let text = record.get(time).unwrap_or_default();
        let after = rows.last().map_or(i64::MIN, |last: &Row| last.at_ms);
        let at_ms = parse_time(text, zone, after).ok_or_else(|| ReplayError::Time {
            row,
            text: text.to_owned(),
        })?;
        if after >= at_ms {
            return Err(ReplayError::Order { row });
        }
        let number = |c: &usize| {
            record
                .get(*c)
                .and_then(|t| t.parse::<f64>().ok())
                .filter(|v| v.is_finite())
        };
        rows.push(Row {
            at_ms,
            values: columns.iter().map(number).collect(),
        });
    }
    if rows.is_empty() {
        Err(ReplayError::Empty)
    } else {
        Ok(rows)
    }
}

/// Seconds or milliseconds since 1970, or a date with a time; without an offset it is of `zone`, and if it comes
/// twice there, the first that is after `after`.
pub fn parse_time(text: &str, zone: &TimeZone, after: i64) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        // Seconds until the year 5138; beyond that it can only be milliseconds.
        let ms = if number.abs() < 1e11 {
            number * 1000.0
        } else {
            number
        };
        return ms.is_finite().then_some(ms.round() as i64);
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_millisecond());
    }
    let at: jiff::civil::DateTime = text.replace('/', "-").parse().ok()?;
    let at = zone.to_ambiguous_timestamp(at);
    let first = at.earlier().ok()?.as_millisecond();
    if first > after {
        return Some(first);
    }
    Some(at.later().ok()?.as_millisecond())
}

/// How fast, and whether rows wait for a reader.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Seconds of the recording in one second; infinite means as fast as it is read.
    pub speed: f64,
    /// Rows do not wait for a reader.
    pub free_running: bool,
}

/// What was played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Played {
    /// Rows shown.
    pub rows: usize,
    /// Rows that were read completely while they were shown.
    pub rows_read: usize,
}

fn show(registers: &Registers, row: &Row) {
    let time = (0, Encoding::U64.encode(row.at_ms as f64));
    let values = row.values.iter().enumerate().map(|(i, value)| {
        (
            TIME_WIDTH + VALUE_WIDTH * i as u16,
            Encoding::F64.encode(value.unwrap_or(f64::NAN)),
        )
    });
    registers.write(std::iter::once(time).chain(values));
}

/// Plays the rows in order and returns when the last one has been shown for its time, and read.
pub async fn play(rows: &[Row], registers: &Registers, pace: Pace) -> Played {
    let mut reads = registers.reads();
    let mut played = Played {
        rows: 0,
        rows_read: 0,
    };
    for (i, row) in rows.iter().enumerate() {
        show(registers, row);
        // A read answered before this line may have seen the row before; the next one sees this row.
        reads.mark_unchanged();
        played.rows += 1;
        let next = rows.get(i + 1).map_or(row.at_ms, |next| next.at_ms);
        let shown_for = Duration::from_secs_f64((next - row.at_ms) as f64 / 1000.0 / pace.speed);
        let is_read = wait_for_read(&mut reads, row.values.len() as u16);
        if pace.free_running {
            let (read, ()) = tokio::join!(
                async { tokio::time::timeout(shown_for, is_read).await.is_ok() },
                tokio::time::sleep(shown_for)
            );
            played.rows_read += usize::from(read);
        } else {
            tokio::join!(is_read, tokio::time::sleep(shown_for));
            played.rows_read += 1;
        }
    }
    played
}

/// Waits until one read has carried the time and every value.
async fn wait_for_read(reads: &mut tokio::sync::watch::Receiver<(u16, u16, u64)>, values: u16) {
    let width = TIME_WIDTH + VALUE_WIDTH * values;
    loop {
        if reads.changed().await.is_err() {
            return std::future::pending().await;
        }
        let (first, count, _) = *reads.borrow_and_update();
        if first == 0 && count >= width {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_forms_recordings_use() {
        for (text, expected) in [
            ("2021-06-24 16:45:00", Some(1_624_553_100_000)),
            ("2021/06/24 16:45", Some(1_624_553_100_000)),
            ("2021-06-24T16:45:00.250Z", Some(1_624_553_100_250)),
            ("1624553100", Some(1_624_553_100_000)),
            ("1624553100250", Some(1_624_553_100_250)),
            ("yesterday", None),
        ] {
            assert_eq!(parse_time(text, &TimeZone::UTC, 0), expected, "{text}");
        }
    }

    #[test]
    fn the_hour_that_comes_twice_goes_on() {
        let Ok(zone) = TimeZone::get("America/Chicago") else {
            println!("not checked: this machine has no time zones");
            return;
        };
        let before = parse_time("2021-11-07 01:45:00", &zone, 0).expect("a time");
        let after = parse_time("2021-11-07 01:00:00", &zone, before).expect("a time");
        assert_eq!(after - before, 15 * 60_000);
        let day = parse_time("2021-11-07 02:00:00", &zone, after).expect("a time");
        assert_eq!(day - after, 60 * 60_000);
    }

    #[test]
    fn semicolons_missing_values_and_wrong_columns() {
        let folder = std::env::temp_dir().join(format!("onedoor-replay-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("temporary folder");
        let path = folder.join("r.csv");
        std::fs::write(
            &path,
            "datetime;a;b\n2020-01-01 00:00:00;1.5;\n2020-01-01 00:00:01;x;2\n",
        )
        .expect("written");
        let columns = ["a".to_owned(), "b".to_owned()];
        let rows = read(&path, "datetime", &columns, &TimeZone::UTC).expect("readable");
        assert_eq!(rows[0].values, [Some(1.5), None]);
        assert_eq!(rows[1].values, [None, Some(2.0)]);
        let error =
            read(&path, "datetime", &["c".to_owned()], &TimeZone::UTC).expect_err("no such column");
        assert!(error.to_string().contains("datetime, a, b"), "{error}");
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
