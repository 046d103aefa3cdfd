//! What is done next with a file on its way to the gateway, given what the gateway said. Pure.
//!
//! The gateway's door (contract of issue 4): `HEAD /footage/SHA256` says 200 (it has all of it), 204 with `Upload-Offset` (so
//! many bytes), or 404 (nobody announced it yet). `PUT` with `Content-Range` says 201 or 200 (complete), 202 (more is expected),
//! 409 with `Upload-Offset` (another place), 422 (the hash is wrong, all of it was thrown away), 413 (longer than announced).
//! 403 with the header [`REFUSED`](contract::footage::REFUSED) says that the file is not taken, and why; no other time is better.
//! 410 says that the gateway had it and that its time was over there.

use contract::footage::NotTaken;

/// Bytes of one PUT.
pub const CHUNK: u64 = 256 << 10;
/// Times in a row that a file may get no further before others have their turn.
const STALLS_MAX: u32 = 4;

/// What the gateway said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// HTTP status.
    pub status: u16,
    /// `Upload-Offset`.
    pub offset: Option<u64>,
    /// Why the file is not taken, if that is so.
    pub refused: Option<NotTaken>,
    /// Why, for a person.
    pub words: String,
}

/// What is done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// HEAD.
    Ask,
    /// PUT these bytes, from the first to before the second.
    Send(u64, u64),
    /// The gateway has it.
    Done,
    /// Another time, since the manifest has not come through.
    NotYet,
    /// The gateway does not take it.
    Refused(NotTaken),
    /// Look whether the file is still what its name says; then another time.
    Doubt(String),
    /// Another time, in words why.
    Later(String),
}

/// A file on its way.
#[derive(Debug, Clone)]
pub struct Transfer {
    total: u64,
    /// How far the gateway had it when it last said so.
    at: u64,
    stalls: u32,
    sent: Option<(u64, u64)>,
}

impl Transfer {
    /// Of a file with so many bytes.
    pub fn new(total: u64) -> Transfer {
        Transfer {
            total,
            at: 0,
            stalls: 0,
            sent: None,
        }
    }

    /// The first thing to do.
    pub fn begin(&self) -> Next {
        Next::Ask
    }

    /// What to do after an answer.
    pub fn hear(&mut self, said: Said) -> Next {
        let sent = self.sent.take();
        if let (403, Some(why)) = (said.status, said.refused) {
            return Next::Refused(why);
        }
        match (said.status, sent) {
            (200 | 410, _) | (201, Some(_)) => Next::Done,
            (204, None) => self.go_on(said),
            (202, Some((_, to))) => match said.offset.unwrap_or(to) {
                // It must not be told that it has more than it was sent.
                offset if offset > to => self.absurd(offset),
                offset => self.from(offset),
            },
            (409, Some(_)) => self.go_on(said),
            (404, _) => Next::NotYet,
            (422, Some(_)) => Next::Doubt("the gateway says that its hash is wrong".into()),
            (413, _) => Next::Doubt("the gateway says that it is longer than announced".into()),
            (status, _) => Next::Later(format!("the gateway answers {status} {}", said.words)),
        }
    }

    fn go_on(&mut self, said: Said) -> Next {
        match said.offset {
            None => Next::Later(format!(
                "the gateway answers {} without Upload-Offset",
                said.status
            )),
            Some(offset) => self.from(offset),
        }
    }

    fn absurd(&self, offset: u64) -> Next {
        let total = self.total;
        Next::Later(format!(
            "the gateway says that it has {offset} of {total} bytes, which it was never sent"
        ))
    }

    fn from(&mut self, offset: u64) -> Next {
        if offset >= self.total {
            return self.absurd(offset);
        }
        match offset > self.at {
            true => self.stalls = 0,
            false => self.stalls += 1,
        }
        if self.stalls > STALLS_MAX {
            return Next::Later(format!("the gateway stays at byte {offset}"));
        }
        self.at = offset;
        let to = (offset + CHUNK).min(self.total);
        self.sent = Some((offset, to));
        Next::Send(offset, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTAL: u64 = 2 * CHUNK + 5;

    fn said(status: u16, offset: impl Into<Option<u64>>) -> Said {
        Said {
            status,
            offset: offset.into(),
            refused: None,
            words: String::new(),
        }
    }

    #[test]
    fn a_file_goes_on_where_the_gateway_has_it() {
        let mut transfer = Transfer::new(TOTAL);
        assert_eq!(transfer.begin(), Next::Ask);
        assert_eq!(transfer.hear(said(204, 0)), Next::Send(0, CHUNK));
        assert_eq!(transfer.hear(said(202, None)), Next::Send(CHUNK, 2 * CHUNK));
        assert_eq!(transfer.hear(said(409, 7)), Next::Send(7, 7 + CHUNK));
        let rest = Next::Send(2 * CHUNK, TOTAL);
        assert_eq!(transfer.hear(said(409, 2 * CHUNK)), rest);
        assert_eq!(transfer.hear(said(201, None)), Next::Done);
        assert_eq!(Transfer::new(9).hear(said(200, None)), Next::Done);
        assert_eq!(Transfer::new(9).hear(said(410, None)), Next::Done);
        assert_eq!(Transfer::new(9).hear(said(404, None)), Next::NotYet);
    }

    #[test]
    fn what_is_not_taken_is_told_from_what_may_be_taken_another_time() {
        let refused = |status, refused| Said {
            refused,
            ..said(status, None)
        };
        let why = NotTaken::NotTold;
        let mut transfer = Transfer::new(9);
        assert_eq!(transfer.hear(refused(403, Some(why))), Next::Refused(why));
        for heals in [
            refused(403, None),
            refused(503, Some(why)),
            refused(507, None),
        ] {
            assert!(matches!(transfer.hear(heals), Next::Later(_)));
        }
    }

    #[test]
    fn a_gateway_that_lies_neither_ends_a_file_nor_goes_round_for_ever() {
        let is_later = |next: Next| matches!(next, Next::Later(_));
        assert!(is_later(Transfer::new(9).hear(said(204, 10))));
        assert!(is_later(Transfer::new(9).hear(said(204, 9))));
        assert!(is_later(Transfer::new(9).hear(said(204, None))));
        assert!(
            is_later(Transfer::new(9).hear(said(201, None))),
            "nothing was sent"
        );
        assert!(is_later(Transfer::new(9).hear(said(503, None))));
        let mut ahead = Transfer::new(TOTAL);
        ahead.hear(said(204, 0));
        assert!(is_later(ahead.hear(said(202, CHUNK + 1))));
        let mut round = Transfer::new(TOTAL);
        let mut next = round.hear(said(204, 3));
        let mut times = 0;
        while let Next::Send(..) = next {
            times += 1;
            next = round.hear(said(409, 3));
        }
        assert!(is_later(next) && times < 9, "{times}");
        let mut wrong = Transfer::new(9);
        wrong.hear(said(204, 0));
        assert!(matches!(wrong.hear(said(422, None)), Next::Doubt(_)));
    }
}
