//! Pictures with their times as one file: parts of `multipart/x-mixed-replace` (RFC 2046 5.1), which browsers and ffmpeg's
//! `mpjpeg` play. The ring, a clip cut from it, the sealed original of it and the masked clip have this one format. Pure.
//!
//! What a camera sends is read by `multipart`, which takes what other hands write; this reads only what it wrote.

use contract::Timestamp;

/// What the file is called over HTTP.
pub const MEDIA_TYPE: &str = "multipart/x-mixed-replace";
/// What ffmpeg calls it.
pub const FORMAT: &str = "mpjpeg";

const FIRST: &str = "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ";
const SECOND: &str = "\r\nX-Timestamp: ";
/// What ends a head, and how long a head is at most, in bytes.
pub const HEAD_END: &[u8] = b"\r\n\r\n";
/// See [`HEAD_END`].
pub const HEAD_MAX: usize = 128;

/// What goes before a picture: its length, and its time in milliseconds since 1970.
pub fn head(at: Timestamp, bytes: usize) -> String {
    format!("{FIRST}{bytes}{SECOND}{}\r\n\r\n", at.as_millis())
}

/// What goes after a picture.
pub const TAIL: &[u8] = b"\r\n";
/// What ends a clip. A segment of the ring has no end.
pub const END: &[u8] = b"--frame--\r\n";

/// Time and length of the picture behind a head, its end included. `None` if it is no head.
pub fn read_head(head: &[u8]) -> Option<(Timestamp, usize)> {
    let head = std::str::from_utf8(head).ok()?;
    let (length, at) = head
        .strip_prefix(FIRST)?
        .strip_suffix("\r\n\r\n")?
        .split_once(SECOND)?;
    Some((
        Timestamp::from_millis(at.parse().ok()?),
        length.parse().ok()?,
    ))
}

/// A picture in a file: its time and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// When it came.
    pub at: Timestamp,
    /// Where its part begins, with the head.
    pub from: usize,
    /// Where the picture begins.
    pub picture: usize,
    /// Where the picture ends; [`TAIL`] follows.
    pub end: usize,
}

/// The pictures in the bytes of a file; one that is torn at the end is left out. `None` if it is no such file.
pub fn pictures(bytes: &[u8]) -> Option<Vec<Kept>> {
    let mut kept = Vec::new();
    if !bytes.starts_with(FIRST.as_bytes()) {
        // A violent end may leave the beginning of the first head.
        return FIRST.as_bytes().starts_with(bytes).then_some(kept);
    }
    let mut from = 0;
    while let Some((at, picture, length)) = part(bytes, from) {
        let end = picture + length;
        if bytes.get(end..end + TAIL.len()) != Some(TAIL) {
            break;
        }
        kept.push(Kept {
            at,
            from,
            picture,
            end,
        });
        from = end + TAIL.len();
    }
    Some(kept)
}

fn part(bytes: &[u8], from: usize) -> Option<(Timestamp, usize, usize)> {
    let near = &bytes[from..bytes.len().min(from + HEAD_MAX)];
    let end = near
        .windows(HEAD_END.len())
        .position(|four| four == HEAD_END)?;
    let head = end + HEAD_END.len();
    let (at, length) = read_head(&near[..head])?;
    Some((at, from + head, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_a_torn_end_is_left_out() {
        let at = |n: i64| Timestamp::from_millis(1_764_000_000_000 + n);
        let mut file = Vec::new();
        for n in 0..3 {
            // Pictures that look like ends and heads.
            let picture = [b"\r\n--frame\r\n\r\n".repeat(n), vec![n as u8; 9]].concat();
            file.extend(head(at(n as i64), picture.len()).as_bytes());
            file.extend(picture);
            file.extend(TAIL);
        }
        let kept = pictures(&file).unwrap();
        assert_eq!(
            kept.iter().map(|k| k.at).collect::<Vec<_>>(),
            [0, 1, 2].map(at)
        );
        assert_eq!(
            &file[kept[1].picture..kept[1].end],
            b"\r\n--frame\r\n\r\n\x01\x01\x01\x01\x01\x01\x01\x01\x01"
        );
        for end in 0..file.len() {
            let whole = kept.iter().filter(|k| k.end + TAIL.len() <= end).count();
            assert_eq!(pictures(&file[..end]).unwrap().len(), whole, "{end}");
        }
        file.extend(END);
        assert_eq!(pictures(&file).unwrap(), kept);
        assert_eq!(pictures(b"no"), None);
        for wrong in [
            "--frame\r\n\r\n",
            "--frame--\r\n",
            &head(at(0), 5).replace("5", "five"),
        ] {
            assert_eq!(read_head(wrong.as_bytes()), None, "{wrong}");
        }
        assert!(head(Timestamp::from_millis(i64::MIN), usize::MAX).len() <= HEAD_MAX);
    }
}
