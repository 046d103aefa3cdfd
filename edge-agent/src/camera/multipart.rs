//! Pictures out of the bytes of a `multipart/x-mixed-replace` answer (RFC 2046 5.1), however they are cut. Pure.
//!
//! Promise: a part that is broken, too long or no JPEG is counted and skipped, and the next good one is found; at most
//! [`PICTURE_MAX`] and a header are held. A part with a `Content-Length` that is right is given as soon as its last byte came; one
//! that is wrong does no harm.

use bytes::{Buf, Bytes, BytesMut};

/// The longest picture, in bytes.
pub const PICTURE_MAX: usize = 4 << 20;
const HEAD_MAX: usize = 4 << 10;

/// Takes bytes, gives pictures.
#[derive(Debug)]
pub struct Parts {
    delimiter: Vec<u8>,
    held: BytesMut,
    searched: usize,
    state: State,
    /// Parts that could not be used.
    pub broken: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Before a delimiter; what comes before it is nothing.
    Between,
    /// After a delimiter.
    Head,
    /// After a head that says how long the picture is.
    Counted(usize),
    /// After a head that does not.
    Open,
}

/// The boundary in a `Content-Type`; `None` if the answer is no sequence of pictures.
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    let mut parameters = parameters.split(';').filter_map(|p| p.split_once('='));
    let (_, value) = parameters.find(|(key, _)| key.trim().eq_ignore_ascii_case("boundary"))?;
    // Many cameras write the dashes of the delimiter into the boundary too.
    let value = value.trim().trim_matches('"').trim_start_matches('-');
    (!value.is_empty() && value.len() <= 200).then(|| value.to_owned())
}

impl Parts {
    /// Of an answer with this boundary.
    pub fn new(boundary: &str) -> Parts {
        Parts {
            delimiter: format!("--{boundary}").into_bytes(),
            held: BytesMut::new(),
            searched: 0,
            state: State::Between,
            broken: 0,
        }
    }

    /// Takes what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next whole picture, if there is one.
    pub fn next_picture(&mut self) -> Option<Bytes> {
        loop {
            match self.state {
                State::Between => {
                    let Some(at) = self.find(b"") else {
                        // Nothing here can become a picture but the beginning of a delimiter.
                        let keep = self.delimiter.len().min(self.held.len());
                        self.skip(self.held.len() - keep);
                        return None;
                    };
                    self.skip(at + self.delimiter.len());
                    self.state = State::Head;
                }
                State::Head => {
                    let end = find(&self.held, b"\r\n\r\n", 0);
                    if end.unwrap_or(self.held.len()) > HEAD_MAX {
                        self.give_up();
                        continue;
                    }
                    let end = end?;
                    let head = self.held.split_to(end + 4);
                    self.state = match length(&head) {
                        Some(length) if length <= PICTURE_MAX => State::Counted(length),
                        _ => State::Open,
                    };
                }
                State::Counted(length) => {
                    if self.held.len() < length && self.find(b"\r\n").is_none() {
                        return None;
                    }
                    if self.held.get(..length).is_some_and(is_jpeg) {
                        let picture = self.held.split_to(length).freeze();
                        self.searched = 0;
                        self.state = State::Between;
                        return Some(picture);
                    }
                    // The length is wrong, or the picture: where the next delimiter stands decides.
                    self.searched = 0;
                    self.state = State::Open;
                }
                State::Open => {
                    let Some(at) = self.find(b"\r\n") else {
                        if self.held.len() > PICTURE_MAX {
                            self.give_up();
                            continue;
                        }
                        return None;
                    };
                    let picture = self.held.split_to(at).freeze();
                    self.searched = 0;
                    self.state = State::Between;
                    if is_jpeg(&picture) {
                        return Some(picture);
                    }
                    self.broken += 1;
                }
            }
        }
    }

    fn give_up(&mut self) {
        self.broken += 1;
        self.searched = 0;
        self.state = State::Between;
    }

    fn skip(&mut self, count: usize) {
        self.held.advance(count);
        self.searched = 0;
    }

    /// Where a delimiter after `before` begins. What was searched through is not searched again.
    fn find(&mut self, before: &[u8]) -> Option<usize> {
        let wanted = [before, &self.delimiter].concat();
        let found = find(&self.held, &wanted, self.searched);
        if found.is_none() {
            self.searched = self.held.len().saturating_sub(wanted.len());
        }
        found
    }
}

fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let first = wanted[0];
    let mut at = from;
    while let Some(next) = bytes.get(at..)?.iter().position(|byte| *byte == first) {
        at += next;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
    None
}

fn length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(key, _)| key.trim().eq_ignore_ascii_case("content-length"))?;
    value.trim().parse().ok()
}

/// True if the bytes begin and end as a JPEG does; a few bytes of padding may follow.
fn is_jpeg(bytes: &[u8]) -> bool {
    const PADDING: usize = 16;
    let tail = &bytes[bytes.len().saturating_sub(PADDING + 2)..];
    bytes.starts_with(&[0xff, 0xd8, 0xff]) && tail.windows(2).any(|pair| pair == [0xff, 0xd9])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(n: u8, long: usize) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0];
        bytes.extend((0..long).map(|i| (i as u8).wrapping_mul(7).wrapping_add(n)));
        bytes.extend([0xff, 0xd9]);
        bytes
    }

    fn part(head: &str, body: &[u8]) -> Vec<u8> {
        [b"--b\r\n", head.as_bytes(), b"\r\n", body, b"\r\n"].concat()
    }

    fn counted(body: &[u8]) -> Vec<u8> {
        part(
            &format!(
                "Content-Type: image/jpeg\r\ncontent-length: {}\r\n",
                body.len()
            ),
            body,
        )
    }

    fn all(stream: &[u8], piece: usize) -> (Vec<Bytes>, u64) {
        let mut parts = Parts::new("b");
        let mut found = Vec::new();
        for piece in stream.chunks(piece) {
            parts.push(piece);
            while let Some(picture) = parts.next_picture() {
                found.push(picture);
            }
            assert!(parts.held.len() <= PICTURE_MAX + HEAD_MAX + stream.len().min(64 << 10));
        }
        (found, parts.broken)
    }

    #[test]
    fn pictures_come_out_however_the_bytes_are_cut() {
        let pictures: Vec<Vec<u8>> = (0..5).map(|n| jpeg(n, 300 + usize::from(n))).collect();
        let with: Vec<u8> = pictures.iter().flat_map(|p| counted(p)).collect();
        let without: Vec<u8> = pictures
            .iter()
            .flat_map(|p| part("Content-Type: image/jpeg\r\n", p))
            .collect();
        for stream in [with, without] {
            let stream = [b"preamble", &stream[..], b"--b--\r\n"].concat();
            for piece in [1, 2, 3, 7, 64, 1000, stream.len()] {
                let (found, broken) = all(&stream, piece);
                assert_eq!((found.len(), broken), (5, 0), "pieces of {piece}");
                assert!(found.iter().zip(&pictures).all(|(a, b)| a == b));
            }
        }
    }

    #[test]
    fn a_broken_part_costs_itself_only() {
        let good = jpeg(1, 500);
        // A wrong length costs nothing while the picture is whole.
        let cases: [(&str, u64, Vec<u8>); 8] = [
            ("length too long", 0, part("Content-Length: 700\r\n", &good)),
            ("length too short", 0, part("Content-Length: 80\r\n", &good)),
            (
                "length absurd",
                0,
                part("Content-Length: 99999999999\r\n", &good),
            ),
            (
                "length no number",
                0,
                part("Content-Length: many\r\n", &good),
            ),
            ("no JPEG", 1, counted(b"<html>busy</html>")),
            ("cut", 1, part("Content-Length: 506\r\n", &good[..200])),
            ("no JPEG and no length", 1, part("A: b\r\n", b"text")),
            (
                "endless head",
                1,
                [b"--b\r\n".to_vec(), vec![b'x'; 2 * HEAD_MAX]].concat(),
            ),
        ];
        for (what, expected, bad) in cases {
            let stream = [counted(&good), bad, counted(&good), counted(&good)].concat();
            for piece in [1, 13, stream.len()] {
                let (found, broken) = all(&[&stream[..], b"--b--"].concat(), piece);
                let all = 4 - expected as usize;
                assert_eq!(
                    (found.len(), broken),
                    (all, expected),
                    "{what}, pieces of {piece}"
                );
                assert!(found.iter().all(|picture| *picture == good), "{what}");
            }
        }
    }

    #[test]
    fn an_endless_part_is_given_up() {
        let mut parts = Parts::new("b");
        parts.push(b"--b\r\nA: b\r\n\r\n");
        for _ in 0..(2 * PICTURE_MAX / 65_536) {
            parts.push(&[1; 65_536]);
            assert_eq!(parts.next_picture(), None);
            assert!(parts.held.len() <= PICTURE_MAX + 65_536);
        }
        assert_eq!(parts.broken, 1);
    }

    #[test]
    fn boundaries_are_found_as_cameras_write_them() {
        for (text, expected) in [
            ("multipart/x-mixed-replace; boundary=frame", Some("frame")),
            (
                "multipart/x-mixed-replace;boundary=\"--video boundary--\"",
                Some("video boundary--"),
            ),
            (
                "Multipart/X-Mixed-Replace; charset=x; Boundary=--b",
                Some("b"),
            ),
            ("image/jpeg", None),
            ("multipart/x-mixed-replace", None),
            ("multipart/x-mixed-replace; boundary=", None),
        ] {
            assert_eq!(boundary(text).as_deref(), expected, "{text}");
        }
    }
}
