//! Pictures with their times as one file: parts of `multipart/x-mixed-replace` (RFC 2046 5.1), which browsers and ffmpeg's
//! `mpjpeg` play. The ring, a clip cut from it, the sealed original of it and the masked clip have this one format. Pure.
//!
//! What a camera sends is read by `multipart`, which takes what other hands write; this reads only what it wrote.

use contract::Timestamp;
use std::io::{self, BufRead, Read};

/// What the file is called over HTTP.
pub const MEDIA_TYPE: &str = "multipart/x-mixed-replace";
/// What ffmpeg calls it.
pub const FORMAT: &str = "mpjpeg";

const FIRST: &str = "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ";
const SECOND: &str = "\r\nX-Timestamp: ";
const HEAD_END: &[u8] = b"\r\n\r\n";
/// A longer head is none.
const HEAD_MAX: u64 = 128;

/// What goes before a picture: its length, and its time in milliseconds since 1970.
pub fn head(at: Timestamp, bytes: usize) -> String {
    format!("{FIRST}{bytes}{SECOND}{}\r\n\r\n", at.as_millis())
}

/// What goes after a picture.
pub const TAIL: &[u8] = b"\r\n";
/// What ends a clip. A segment of the ring has no end.
pub const END: &[u8] = b"--frame--\r\n";

/// The pictures of a file, one after the other.
pub struct Pictures<R>(R);

impl<R: BufRead> Pictures<R> {
    /// Of what is read from here.
    pub fn new(file: R) -> Pictures<R> {
        Pictures(file)
    }

    /// The next picture and its time; nothing at the end. A violent end leaves a torn picture, which is the end too. What this
    /// module did not write is an error.
    pub fn next_picture(&mut self) -> io::Result<Option<(Timestamp, Vec<u8>)>> {
        let mut head = Vec::new();
        let mut lines = (&mut self.0).take(HEAD_MAX);
        while !head.ends_with(HEAD_END) {
            if lines.read_until(b'\n', &mut head)? == 0 || head == END {
                break;
            }
        }
        let Some((at, length)) = read_head(&head) else {
            let is_end = head == END || (head.len() as u64) < HEAD_MAX && is_begun(&head);
            return match is_end {
                true => Ok(None),
                false => Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "this is no file of pictures with their times",
                )),
            };
        };
        let mut picture = Vec::new();
        let whole = (length + TAIL.len()) as u64;
        let read = (&mut self.0).take(whole).read_to_end(&mut picture)?;
        let is_whole = read as u64 == whole && picture.ends_with(TAIL);
        picture.truncate(length);
        Ok(is_whole.then_some((at, picture)))
    }
}

/// Time and length of the picture behind a head, its end included. `None` if it is no head.
fn read_head(head: &[u8]) -> Option<(Timestamp, usize)> {
    let head = std::str::from_utf8(head).ok()?;
    let (length, at) = head
        .strip_prefix(FIRST)?
        .strip_suffix("\r\n\r\n")?
        .split_once(SECOND)?;
    let length: u32 = length.parse().ok()?;
    Some((Timestamp::from_millis(at.parse().ok()?), length as usize))
}

/// Whether a head may begin so.
fn is_begun(head: &[u8]) -> bool {
    let both = FIRST.len().min(head.len());
    head[..both] == FIRST.as_bytes()[..both] && !head.ends_with(HEAD_END)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> io::Result<Vec<(Timestamp, Vec<u8>)>> {
        let mut pictures = Pictures::new(bytes);
        std::iter::from_fn(|| pictures.next_picture().transpose()).collect()
    }

    #[test]
    fn what_was_written_is_read_and_a_torn_end_is_left_out() {
        let mut file = Vec::new();
        let mut ends = Vec::new();
        let mut expected = Vec::new();
        for n in 0..3 {
            let at = Timestamp::from_millis(1_764_000_000_000 + n);
            // Pictures that look like heads and ends.
            let picture = [
                b"\r\n--frame--\r\n\r\n".repeat(n as usize),
                vec![n as u8; 9],
            ]
            .concat();
            file.extend(head(at, picture.len()).as_bytes());
            file.extend(&picture);
            file.extend(TAIL);
            ends.push(file.len());
            expected.push((at, picture));
        }
        for end in 0..=file.len() {
            let whole = ends.iter().filter(|&&e| e <= end).count();
            assert_eq!(all(&file[..end]).unwrap(), expected[..whole], "{end}");
        }
        file.extend(END);
        assert_eq!(all(&file).unwrap(), expected);
    }

    #[test]
    fn what_somebody_else_wrote_is_refused() {
        let huge = head(Timestamp::from_millis(0), 1 << 40);
        let long = FIRST.to_owned() + &"9".repeat(200);
        for wrong in [
            "no",
            "--frame\r\n\r\n",
            "--frame--",
            "age-encryption.org/v1\n",
            &huge,
            &long,
        ] {
            assert!(all(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(
            head(Timestamp::from_millis(i64::MIN), u32::MAX as usize).len() < HEAD_MAX as usize
        );
    }
}
