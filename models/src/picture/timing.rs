//! Milliseconds of each step of a detection, measured in one run.

use super::{DetectError, Detector, Image, Task, candidates, decode};
use std::time::{Duration, Instant};

/// Least and median time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// The fastest run, ms.
    pub min_ms: f64,
    /// The median, ms.
    pub median_ms: f64,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// Pictures.
    pub runs: usize,
    /// The picture becomes the input.
    pub prepare: Span,
    /// The bare session.
    pub session: Span,
    /// The session and reading its outputs, up to places in the picture.
    pub rest: Span,
    /// All of it.
    pub whole: Span,
}

impl Timing {
    /// The bare session as a share of all, by medians.
    pub fn session_share(&self) -> f64 {
        self.session.median_ms / self.whole.median_ms
    }
}

/// Detects in `image` again and again for about `time`, the bare session and the whole detection in turn.
pub fn measure(
    detector: &mut Detector,
    image: &Image,
    time: Duration,
) -> Result<Timing, DetectError> {
    let classifier = detector.manifest().task == Task::Classes;
    let mut spans: [Vec<f64>; 4] = Default::default();
    let mut note =
        |span: usize, begin: Instant| spans[span].push(begin.elapsed().as_secs_f64() * 1e3);
    detector.prepare(image);
    detector.run(|_, _| Ok(()))?;
    let begin = Instant::now();
    while begin.elapsed() < time {
        let bare = Instant::now();
        detector.run(|_, _| Ok(()))?;
        note(1, bare);
        let whole = Instant::now();
        detector.prepare(image);
        note(0, whole);
        let rest = Instant::now();
        if classifier {
            detector.run(decode::scores)?;
        } else {
            let found = detector.run(candidates)?;
            detector.finish(found, image);
        }
        note(2, rest);
        note(3, whole);
    }
    let runs = spans[0].len();
    let [prepare, session, rest, whole] = spans.map(span);
    Ok(Timing {
        runs,
        prepare,
        session,
        rest,
        whole,
    })
}

fn span(mut all: Vec<f64>) -> Span {
    all.sort_by(f64::total_cmp);
    Span {
        min_ms: all.first().copied().unwrap_or(f64::NAN),
        median_ms: all.get(all.len() / 2).copied().unwrap_or(f64::NAN),
    }
}
