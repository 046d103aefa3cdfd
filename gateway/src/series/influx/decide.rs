//! What an answer of the server means, and how long to wait. Pure.

use std::time::Duration;

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The server answered.
    Status {
        /// HTTP status.
        code: u16,
        /// `Retry-After`, if it was sent in seconds.
        retry_after: Option<Duration>,
        /// The beginning of the body.
        text: String,
    },
    /// No answer: connection, time-out, a body that broke off.
    Failed(String),
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is stored.
    Accepted,
    /// Something in the batch is not acceptable: find it, set it aside, go on.
    Refused(String),
    /// Try the same again after a while.
    Again(Duration, String),
    /// Nothing will go until a person changes something.
    Blocked {
        /// What is wrong.
        what: String,
        /// What to do.
        fix: &'static str,
    },
}

/// Waiting times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// Never longer than this, and what a blocked writer waits.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after failure number `attempt` (from 0): doubled each time, between half and all of it by
    /// `chance` (0..1), so that many gateways do not come back at one moment.
    pub fn wait(&self, attempt: u32, chance: f64) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1u32.checked_shl(attempt.min(20)).unwrap_or(u32::MAX));
        doubled
            .min(self.longest)
            .mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

/// A server may ask for patience, but not for ever.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// What `answer` means when it is failure number `attempt`.
pub fn verdict(answer: Answer, backoff: &Backoff, attempt: u32, chance: f64) -> Verdict {
    let (code, retry_after, text) = match answer {
        Answer::Failed(why) => return Verdict::Again(backoff.wait(attempt, chance), why),
        Answer::Status {
            code,
            retry_after,
            text,
        } => (code, retry_after, text),
    };
    let said = format!("the server answered {code}: {}", text.trim());
    match code {
        200..=299 => Verdict::Accepted,
        400 | 413 | 422 => Verdict::Refused(said),
        401 | 403 => Verdict::Blocked {
            what: said,
            fix: "put a token that may write to the bucket into the token file; it is read again at every try",
        },
        404 => Verdict::Blocked {
            what: said,
            fix: "create the bucket, or correct org, bucket and url in the configuration",
        },
        408 | 425 | 429 | 500..=599 => {
            let wait = match retry_after {
                Some(asked) => asked.min(RETRY_AFTER_MAX).max(backoff.wait(0, chance)),
                None => backoff.wait(attempt, chance),
            };
            Verdict::Again(wait, said)
        }
        _ => Verdict::Blocked {
            what: said,
            fix: "this does not look like the write address of InfluxDB; correct url in the configuration",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(30),
    };

    fn of(code: u16, retry_after: Option<u64>, attempt: u32) -> Verdict {
        let retry_after = retry_after.map(Duration::from_secs);
        let text = "why\n".into();
        verdict(
            Answer::Status {
                code,
                retry_after,
                text,
            },
            &BACKOFF,
            attempt,
            1.0,
        )
    }

    #[test]
    fn every_status_has_one_meaning() {
        let is_again = |v| matches!(v, Verdict::Again(..));
        assert_eq!(of(204, None, 0), Verdict::Accepted);
        for code in [400, 413, 422] {
            assert!(matches!(of(code, None, 0), Verdict::Refused(why) if why.ends_with("why")));
        }
        for code in [301, 401, 403, 404, 405, 418] {
            assert!(
                matches!(of(code, None, 0), Verdict::Blocked { .. }),
                "{code}"
            );
        }
        for code in [408, 429, 500, 502, 503, 504] {
            assert!(is_again(of(code, None, 0)), "{code}");
        }
        assert!(is_again(verdict(
            Answer::Failed("cut".into()),
            &BACKOFF,
            0,
            0.5
        )));
    }

    #[test]
    fn retry_after_is_honoured_and_bounded_and_backing_off_doubles_to_a_limit() {
        let wait = |v| match v {
            Verdict::Again(wait, _) => wait.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(of(429, Some(17), 5)), 17);
        assert_eq!(wait(of(503, Some(1 << 40), 0)), 3600);
        assert_eq!(
            [0, 1, 2, 3, 4, 5, 90].map(|n| wait(of(503, None, n))),
            [1, 2, 4, 8, 16, 30, 30]
        );
        assert_eq!(BACKOFF.wait(3, 0.0), Duration::from_secs(4));
    }
}
