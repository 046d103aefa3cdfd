//! Bytes become frames: `##`, length, segment, check value, CR LF (HJ 212-2017 6.3.1). Pure; one per connection.
//!
//! Promise: how the bytes are cut into pieces never changes what comes out; every byte belongs to exactly one frame,
//! broken piece or run of garbage (line ends apart); a whole frame whose check value is right is never lost to
//! anything before it; at most [`BUFFER_MAX`] bytes are kept, and every byte is looked at a bounded number of times.
//! A frame whose length and check value are right comes out at once, without waiting for its line end, because
//! the sender waits for the answer.
//!
//! How an end is found: at the length said, if `&&`, four hexadecimal digits and the right check value are there; or at
//! `&&` and four digits (or the length said and four digits) before CR, LF, the next `##` or the end of input.

use super::crc::{crc16_modbus, crc212};

/// Bytes kept at most.
pub const BUFFER_MAX: usize = 64 << 10;
/// Bytes in which a frame must have ended. An encrypted segment of 1024 takes five times that.
pub const FRAME_MAX: usize = 16 << 10;
const STARTS_MAX: usize = 16;
const SAMPLE_MAX: usize = 64;
const GARBAGE_MAX: u64 = 64 << 10;

/// What the bytes were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'b> {
    /// Something with a beginning and an end; see [`Frame::check`] for its check value.
    Frame(Frame<'b>),
    /// How the frame at `offset`, told before, ended its line.
    Ending {
        /// Where that frame began.
        offset: u64,
        /// With what.
        ending: Ending,
    },
    /// The beginning of a frame that has no end.
    Broken {
        /// Where it begins.
        offset: u64,
        /// All of it, up to the next beginning.
        raw: &'b [u8],
    },
    /// Bytes outside any frame.
    Garbage(Garbage),
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'b> {
    /// Where it begins in the input.
    pub offset: u64,
    /// From `##` through the check value, without the line end.
    pub raw: &'b [u8],
    /// The data segment.
    pub segment: &'b [u8],
    /// The length said.
    pub length_said: Option<usize>,
    /// Digits of the length.
    pub length_digits: usize,
    /// The check value said.
    pub crc_said: u16,
    /// What [`crc212`] gives for the segment as it came.
    pub crc_computed: u16,
    /// What the two say.
    pub check: Check,
}

/// The check value of a frame as it came over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Right.
    Right,
    /// The data area is encrypted; the check value is of the plain text and cannot be judged here.
    Sealed,
    /// It is CRC-16/MODBUS.
    Modbus,
    /// Wrong.
    Wrong,
}

/// The end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// CR LF, as in the standard.
    CrLf,
    /// LF alone: a text file.
    Lf,
    /// CR alone.
    Cr,
    /// None.
    None,
}

/// A run of bytes outside any frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// Where it begins.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
    /// The first of them.
    pub sample: Vec<u8>,
}

/// Where a frame may begin, relative to the unread part of the buffer.
#[derive(Debug, Clone, Copy)]
struct Start {
    at: usize,
    segment: usize,
    said: Option<usize>,
    digits: usize,
}

/// How far the search for an end has come; it goes on there when more bytes arrive.
#[derive(Debug, Default)]
struct Scan {
    at: usize,
    starts: Vec<Start>,
}

enum Found {
    Wait,
    Frame(Start, usize, Check),
    Broken(usize),
}

/// Finds frames in a stream of bytes.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    head: usize,
    head_offset: u64,
    is_ended: bool,
    ended_line: Option<u64>,
    garbage: Option<Garbage>,
    scan: Scan,
}

impl Framer {
    /// Takes bytes and tells what they complete.
    pub fn push(&mut self, bytes: &[u8], each: &mut impl FnMut(Event<'_>)) {
        for piece in bytes.chunks(BUFFER_MAX - FRAME_MAX - 16) {
            self.buffer.drain(..self.head);
            self.head = 0;
            self.buffer.extend_from_slice(piece);
            self.tell(each);
        }
    }

    /// The input has ended, or has been silent for too long: what is left is told. The framer can go on afterwards.
    pub fn finish(&mut self, each: &mut impl FnMut(Event<'_>)) {
        self.is_ended = true;
        self.tell(each);
        self.flush_garbage(each);
        self.is_ended = false;
    }

    /// Bytes that wait for the rest of their frame.
    pub fn waiting(&self) -> usize {
        self.buffer.len() - self.head
    }

    fn tell(&mut self, each: &mut impl FnMut(Event<'_>)) {
        while self.end_line(each) && self.find_start(each) {
            let rest = &self.buffer[self.head..];
            let offset = self.head_offset;
            let consumed = match self.scan.find(rest, self.is_ended) {
                Found::Wait => return,
                Found::Broken(length) => {
                    let raw = &rest[..length];
                    each(Event::Broken { offset, raw });
                    length
                }
                Found::Frame(start, end, check) => {
                    each(Event::Frame(frame(rest, start, end, check, offset)));
                    self.ended_line = Some(offset);
                    end
                }
            };
            self.consume(consumed);
        }
    }

    fn consume(&mut self, length: usize) {
        self.head += length;
        self.head_offset += length as u64;
        self.scan.at = 0;
        self.scan.starts.clear();
    }

    /// Takes the line end of the frame before; false if that needs more bytes.
    fn end_line(&mut self, each: &mut impl FnMut(Event<'_>)) -> bool {
        let Some(offset) = self.ended_line else {
            return true;
        };
        let (ending, length) = match &self.buffer[self.head..] {
            [b'\r', b'\n', ..] => (Ending::CrLf, 2),
            [] | [b'\r'] if !self.is_ended => return false,
            [b'\r', ..] => (Ending::Cr, 1),
            [b'\n', ..] => (Ending::Lf, 1),
            _ => (Ending::None, 0),
        };
        self.ended_line = None;
        each(Event::Ending { offset, ending });
        self.consume(length);
        true
    }

    /// Skips to where a frame may begin; false if there is no such place yet.
    fn find_start(&mut self, each: &mut impl FnMut(Event<'_>)) -> bool {
        let rest = &self.buffer[self.head..];
        let mut at = 0;
        let begins = loop {
            match rest[at..].iter().position(|&b| b == b'#') {
                None => break None,
                Some(skip) => at += skip,
            }
            match begins_at(rest, at, self.is_ended) {
                Begins::Yes => break Some(at),
                Begins::No => at += 1,
                Begins::Unknown => {
                    self.skip(at, each);
                    return false;
                }
            }
        };
        let length = begins.unwrap_or(rest.len());
        self.skip(length, each);
        if begins.is_some() {
            self.flush_garbage(each);
        }
        begins.is_some()
    }

    /// The next bytes belong to no frame. Line ends and blanks alone are not worth a word.
    fn skip(&mut self, length: usize, each: &mut impl FnMut(Event<'_>)) {
        for n in 0..length {
            let byte = self.buffer[self.head + n];
            let offset = self.head_offset + n as u64;
            match &mut self.garbage {
                None if byte.is_ascii_whitespace() || byte == 0 => {}
                None => {
                    self.garbage = Some(Garbage {
                        offset,
                        length: 1,
                        sample: vec![byte],
                    })
                }
                Some(garbage) => {
                    garbage.length += 1;
                    if garbage.sample.len() < SAMPLE_MAX {
                        garbage.sample.push(byte);
                    }
                    if garbage.length == GARBAGE_MAX {
                        self.flush_garbage(each);
                    }
                }
            }
        }
        if length > 0 {
            self.consume(length);
        }
    }

    fn flush_garbage(&mut self, each: &mut impl FnMut(Event<'_>)) {
        if let Some(garbage) = self.garbage.take() {
            each(Event::Garbage(garbage));
        }
    }
}

fn frame(rest: &[u8], start: Start, end: usize, check: Check, offset: u64) -> Frame<'_> {
    let segment = &rest[start.segment..end - 4];
    let crc_said = hex4(&rest[end - 4..end]).unwrap_or_default();
    let crc_computed = match check {
        Check::Right => crc_said,
        _ => crc212(segment),
    };
    Frame {
        offset,
        raw: &rest[..end],
        segment,
        length_said: start.said,
        length_digits: start.digits,
        crc_said,
        crc_computed,
        check,
    }
}

impl Scan {
    /// `rest` begins with a place where [`begins_at`] said yes.
    fn find(&mut self, rest: &[u8], is_ended: bool) -> Found {
        if self.at == 0
            && let Some(found) = at_once(rest, is_ended)
        {
            return found;
        }
        while self.at < rest.len() {
            let at = self.at;
            if let Some(found) = self.at_length_said(rest, at) {
                return self.first(found);
            }
            let byte = rest[at];
            let mut is_start = false;
            if byte == b'#' {
                match start_at(rest, at, is_ended) {
                    Maybe::Unknown => return Found::Wait,
                    Maybe::No => {}
                    Maybe::Yes(start) => {
                        is_start = true;
                        // The end before this beginning is judged among the beginnings before it.
                        if let Some(found) = self.at_terminator(rest, at) {
                            return self.first(found);
                        }
                        self.starts.push(start);
                    }
                }
            } else if (byte == b'\r' || byte == b'\n')
                && let Some(found) = self.at_terminator(rest, at)
            {
                return self.first(found);
            }
            if self.starts.len() > STARTS_MAX || at >= FRAME_MAX {
                return Found::Broken(self.starts.get(1).map_or(at, |second| second.at));
            }
            // `##` is one beginning, not the end of `#` and a second.
            self.at += if is_start { 2 } else { 1 };
        }
        let at = rest.len();
        if let Some(found) = self.at_length_said(rest, at) {
            return self.first(found);
        }
        if !is_ended {
            return Found::Wait;
        }
        match self.at_terminator(rest, at) {
            Some(found) => self.first(found),
            None => Found::Broken(self.starts.get(1).map_or(at, |second| second.at)),
        }
    }

    /// What lies before the frame found has no end of its own and is told first.
    fn first(&self, found: (Start, usize, Check)) -> Found {
        match found {
            (start, ..) if start.at > 0 => {
                Found::Broken(self.starts.get(1).map_or(start.at, |second| second.at))
            }
            (start, end, check) => Found::Frame(start, end, check),
        }
    }

    fn at_length_said(&self, rest: &[u8], end: usize) -> Option<(Start, usize, Check)> {
        self.starts
            .iter()
            .find(|start| {
                start
                    .said
                    .is_some_and(|said| start.segment + said + 4 == end)
                    && is_closed(&rest[start.segment..end - 4])
                    && is_right(rest, start, end)
            })
            .map(|start| (*start, end, Check::Right))
    }

    /// Four hexadecimal digits end here, and something that ends a line follows.
    fn at_terminator(&self, rest: &[u8], end: usize) -> Option<(Start, usize, Check)> {
        let said = hex4(rest.get(end.checked_sub(4)?..end)?)?;
        let fits: Vec<(Start, &[u8])> = self
            .starts
            .iter()
            .filter(|start| start.segment + 4 <= end)
            .map(|start| (*start, &rest[start.segment..end - 4]))
            .filter(|(start, segment)| is_closed(segment) || has_length(start, segment))
            .collect();
        let pick = |check, is: &dyn Fn(&Start, &[u8]) -> bool| {
            let found = fits.iter().find(|(start, segment)| is(start, segment));
            found.map(|(start, _)| (*start, end, check))
        };
        let sealed = |_: &Start, segment: &[u8]| segment.windows(6).any(|w| w == b"CP=&&{");
        pick(Check::Right, &|_, segment| crc212(segment) == said)
            .or_else(|| {
                let (start, segment) = fits.last()?;
                sealed(start, segment).then_some((*start, end, Check::Sealed))
            })
            .or_else(|| pick(Check::Modbus, &|_, segment| crc16_modbus(segment) == said))
            .or_else(|| pick(Check::Wrong, &|start, segment| has_length(start, segment)))
            .or_else(|| fits.last().map(|(start, _)| (*start, end, Check::Wrong)))
    }
}

/// The usual case, without looking at every byte by itself: nothing in it could end or begin a frame, and the length said
/// is not reached yet, or the frame ends there.
fn at_once(rest: &[u8], is_ended: bool) -> Option<Found> {
    let Maybe::Yes(start) = start_at(rest, 0, false) else {
        return None;
    };
    let end = start.segment + start.said.filter(|&said| said < FRAME_MAX - 16)? + 4;
    let seen = &rest[start.segment..rest.len().min(end)];
    let breaks = seen.iter().fold(0, |breaks, &byte| {
        breaks | u8::from(byte == b'#') | u8::from(byte == b'\r') | u8::from(byte == b'\n')
    });
    if breaks != 0 {
        return None;
    }
    if rest.len() < end {
        return (!is_ended).then_some(Found::Wait);
    }
    (is_closed(&rest[start.segment..end - 4]) && is_right(rest, &start, end))
        .then_some(Found::Frame(start, end, Check::Right))
}

enum Begins {
    Yes,
    No,
    Unknown,
}

/// A frame may begin at `##` before a digit, or before a field name if the length is missing.
fn begins_at(rest: &[u8], at: usize, is_ended: bool) -> Begins {
    match &rest[at..] {
        [b'#', b'#', b'0'..=b'9', ..] => Begins::Yes,
        [b'#', b'#', b'A'..=b'Z', b'A'..=b'Z', b'=', ..] => Begins::Yes,
        [b'#'] | [b'#', b'#'] if !is_ended => Begins::Unknown,
        [b'#', b'#', b'A'..=b'Z'] | [b'#', b'#', b'A'..=b'Z', b'A'..=b'Z'] if !is_ended => {
            Begins::Unknown
        }
        _ => Begins::No,
    }
}

enum Maybe {
    Yes(Start),
    No,
    Unknown,
}

fn start_at(rest: &[u8], at: usize, is_ended: bool) -> Maybe {
    /// Four by the standard; a longer number is read as one while it can still be a length with zeros before it.
    const DIGITS_MAX: usize = 6;
    match begins_at(rest, at, is_ended) {
        Begins::Yes => {}
        Begins::No => return Maybe::No,
        Begins::Unknown => return Maybe::Unknown,
    }
    let digits = &rest[at + 2..rest.len().min(at + 2 + DIGITS_MAX)];
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if count == digits.len() && count < DIGITS_MAX && !is_ended {
        return Maybe::Unknown;
    }
    let said = digits[..count]
        .iter()
        .fold(0, |n, digit| n * 10 + usize::from(digit - b'0'));
    Maybe::Yes(Start {
        at,
        segment: at + 2 + count,
        said: (count > 0).then_some(said),
        digits: count,
    })
}

fn is_closed(segment: &[u8]) -> bool {
    segment.ends_with(b"&&")
}

fn is_right(rest: &[u8], start: &Start, end: usize) -> bool {
    hex4(&rest[end - 4..end]).is_some_and(|said| crc212(&rest[start.segment..end - 4]) == said)
}

fn has_length(start: &Start, segment: &[u8]) -> bool {
    start
        .said
        .is_some_and(|said| said == segment.len() || said == characters(segment))
}

/// Characters of UTF-8 text.
pub fn characters(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte & 0xC0 != 0x80).count()
}

fn hex4(digits: &[u8]) -> Option<u16> {
    let [a, b, c, d] = digits else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|value| value as u16);
    Some(digit(a)? << 12 | digit(b)? << 8 | digit(c)? << 4 | digit(d)?)
}
