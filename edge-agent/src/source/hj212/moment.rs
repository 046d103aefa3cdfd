//! Times of HJ 212: 14 digits `YYYYMMDDhhmmss`, or 17 with milliseconds, Beijing time (UTC+8, no summer time).

use contract::Timestamp;
use jiff::{civil::DateTime, tz::Offset};

const BEIJING: Offset = Offset::constant(8);

/// The moment of 14 or 17 digits; `None` if there is no such moment.
pub fn read(digits: &str) -> Option<Timestamp> {
    if !matches!(digits.len(), 14 | 17) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        let digits = digits.as_bytes()[range].iter();
        digits.fold(0i16, |n, digit| n * 10 + i16::from(digit - b'0'))
    };
    let two = |at| number(at..at + 2) as i8;
    let millis = if digits.len() == 17 {
        number(14..17)
    } else {
        0
    };
    let civil = DateTime::new(
        number(0..4),
        two(4),
        two(6),
        two(8),
        two(10),
        two(12),
        i32::from(millis) * 1_000_000,
    );
    let moment = BEIJING.to_timestamp(civil.ok()?).ok()?;
    Some(Timestamp::from_millis(moment.as_millisecond()))
}

/// RFC 3339 with +08:00; milliseconds only if there are any.
pub fn show(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(moment) => {
            let civil = BEIJING.to_datetime(moment);
            match civil.millisecond() {
                0 => format!("{civil:.0}+08:00"),
                _ => format!("{civil:.3}+08:00"),
            }
        }
        Err(_) => at.to_string(),
    }
}

/// 14 digits of Beijing time, or 17 with milliseconds.
pub fn digits(at: Timestamp, has_millis: bool) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    let civil = BEIJING.to_datetime(moment);
    let digits = civil.strftime("%Y%m%d%H%M%S");
    match has_millis {
        true => format!("{digits}{:03}", civil.millisecond()),
        false => digits.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beijing_time_is_read_and_shown() {
        for (digits, shown, utc) in [
            (
                "20260801090000",
                "2026-08-01T09:00:00+08:00",
                "2026-08-01T01:00:00.000Z",
            ),
            (
                "20260801000000007",
                "2026-08-01T00:00:00.007+08:00",
                "2026-07-31T16:00:00.007Z",
            ),
            (
                "20240229235959",
                "2024-02-29T23:59:59+08:00",
                "2024-02-29T15:59:59.000Z",
            ),
        ] {
            let at = read(digits).unwrap();
            assert_eq!(
                (show(at), at.to_string()),
                (shown.to_owned(), utc.to_owned())
            );
        }
        for bad in [
            "",
            "2026080109000",
            "20260230000000",
            "20260801240000",
            "2026080109000x",
            "202608010900000",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
