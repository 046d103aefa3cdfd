//! Inputs made at random of those that were kept: bits flipped, pieces cut out, repeated, or taken from another input,
//! numbers replaced by extreme ones. It does not see which code an input reaches (that is `tests/fuzz`), so it finds what
//! is near the kept inputs and little else.
//!
//! Promise: the same seed gives the same inputs. A check that panics, or takes longer than [`PATIENCE`], is told with the
//! input. One that ends the process (a stack that overflows) ends it; the same seed comes to it again.

use crate::Check;
use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

/// Longest input.
pub const BYTES_MAX: usize = 4_096;
/// Longest time for one input.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Changes of one input at most.
const CHANGES_MAX: usize = 6;
/// Longest piece that is moved at once.
const PIECE_MAX: usize = 64;
const NUMBERS: [&[u8]; 12] = [
    b"0",
    b"-1",
    b"1",
    b"00",
    b"65536",
    b"2147483648",
    b"9223372036854775807",
    b"18446744073709551616",
    b"1e308",
    b"1e999",
    b"0.1",
    b"-0",
];

/// The inputs of a folder, in the order of their names.
pub fn kept(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(fs::read).collect()
}

/// Makes inputs.
#[derive(Debug, Clone)]
pub struct Mutator(u64);

impl Mutator {
    /// The same seed gives the same inputs.
    pub fn seeded(seed: u64) -> Mutator {
        Mutator(seed)
    }

    /// Below `n`; 0 if `n` is 0. SplitMix64.
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % n.max(1)
    }

    /// One of the kept inputs with a few changes; of none, a few bytes.
    pub fn input(&mut self, kept: &[Vec<u8>]) -> Vec<u8> {
        let mut input = kept
            .get(self.below(kept.len()))
            .cloned()
            .unwrap_or_default();
        for _ in 0..=self.below(CHANGES_MAX) {
            self.change(&mut input, kept);
        }
        input.truncate(BYTES_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, kept: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        match self.below(8) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.below(256) as u8,
            2 => {
                let end = self.end(at, input.len());
                input.drain(at..end);
            }
            3 => {
                let end = self.end(at, input.len());
                let piece = input[at..end].repeat(1 + self.below(8));
                input.splice(at..at, piece);
            }
            4 => {
                // The beginning of this one and the end of another.
                if let Some(other) = kept.get(self.below(kept.len())) {
                    input.truncate(at);
                    input.extend_from_slice(&other[self.below(other.len() + 1)..]);
                }
            }
            5 => {
                if let Some(other) = kept.get(self.below(kept.len())) {
                    let from = self.below(other.len() + 1);
                    let to = self.end(from, other.len());
                    let gone = self.end(at, input.len()) * self.below(2);
                    input.splice(at..gone.max(at), other[from..to].iter().copied());
                }
            }
            6 => {
                let is_digit = |byte: &u8| byte.is_ascii_digit();
                let from = at + input[at..].iter().take_while(|b| !is_digit(b)).count();
                let digits = input[from..].iter().take_while(|b| is_digit(b)).count();
                let number = NUMBERS[self.below(NUMBERS.len())];
                input.splice(from..from + digits, number.iter().copied());
            }
            _ => input.insert(at, self.below(256) as u8),
        }
    }

    /// The end of a piece that begins at `from`.
    fn end(&mut self, from: usize, length: usize) -> usize {
        (from + 1 + self.below(PIECE_MAX)).min(length)
    }
}

/// An input that shows a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// It.
    pub input: Vec<u8>,
    /// What the check said.
    pub said: String,
}

/// Runs a check for so long; gives how many inputs it took, or the first that shows a fault.
pub fn run(check: Check, kept: Vec<Vec<u8>>, seed: u64, lasts: Duration) -> Result<u64, Found> {
    run_patiently(check, kept, seed, lasts, PATIENCE)
}

fn run_patiently(
    check: Check,
    kept: Vec<Vec<u8>>,
    seed: u64,
    lasts: Duration,
    patience: Duration,
) -> Result<u64, Found> {
    let under_way = Arc::new(Mutex::new((Instant::now(), Vec::new())));
    let (done, outcome) = mpsc::channel();
    let shared = under_way.clone();
    // A thread of its own: one that never returns is left behind.
    thread::spawn(move || done.send(work(check, &kept, seed, lasts, &shared)));
    loop {
        match outcome.recv_timeout(patience / 10) {
            Ok(outcome) => return outcome,
            Err(_) => {
                let (since, input) = &*lock(&under_way);
                if since.elapsed() > patience {
                    return Err(Found {
                        input: input.clone(),
                        said: format!("it took longer than {patience:?}"),
                    });
                }
            }
        }
    }
}

fn work(
    check: Check,
    kept: &[Vec<u8>],
    seed: u64,
    lasts: Duration,
    under_way: &Mutex<(Instant, Vec<u8>)>,
) -> Result<u64, Found> {
    let (begin, mut mutator) = (Instant::now(), Mutator::seeded(seed));
    let mut count = 0;
    while begin.elapsed() < lasts {
        let input = mutator.input(kept);
        *lock(under_way) = (Instant::now(), input.clone());
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&input))) {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            let said = said.unwrap_or_default();
            return Err(Found { input, said });
        }
        count += 1;
    }
    Ok(count)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus() -> Vec<Vec<u8>> {
        vec![b"{\"a\":12}".to_vec(), b"needle".to_vec(), Vec::new()]
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_same_seed_gives_the_same_bounded_inputs_and_they_differ_among_each_other() {
        let inputs = |seed| {
            let mut mutator = Mutator::seeded(seed);
            let make = |_| mutator.input(&corpus());
            (0..2_000).map(make).collect::<Vec<_>>()
        };
        let first = inputs(7);
        assert_eq!(first, inputs(7));
        assert_ne!(first, inputs(8));
        assert!(first.iter().all(|input| input.len() <= BYTES_MAX));
        let mut different = first.clone();
        different.sort();
        different.dedup();
        assert!(different.len() > 1_000, "{}", different.len());
        assert!(Mutator::seeded(1).input(&[]).len() <= BYTES_MAX);
    }

    #[test]
    fn a_fault_behind_a_few_changes_is_found_and_its_input_shows_it_again() {
        // A piece of one input within another, and a number that no input has.
        fn check(input: &[u8]) {
            let has = |piece: &[u8]| input.windows(piece.len()).any(|w| w == piece);
            assert!(!(has(b"need") && has(b"\"a\":")), "a needle");
            assert!(!has(b"1e999"), "a number");
        }
        let found = run(check, corpus(), 1, 60 * SECOND).unwrap_err();
        assert!(found.said.contains("a needle") || found.said.contains("a number"));
        assert!(catch_unwind(|| check(&found.input)).is_err());
    }

    #[test]
    fn a_check_that_never_ends_is_told_with_its_input() {
        fn check(input: &[u8]) {
            while input.len() > 3 {
                thread::sleep(Duration::from_millis(5));
            }
        }
        let patience = Duration::from_millis(200);
        let found = run_patiently(check, corpus(), 1, 60 * SECOND, patience).unwrap_err();
        assert!(
            found.input.len() > 3 && found.said.contains("longer"),
            "{found:?}"
        );
    }

    #[test]
    fn without_a_fault_it_runs_as_long_as_it_was_told() {
        let begin = Instant::now();
        let count = run(|_| {}, corpus(), 1, SECOND / 10).unwrap();
        assert!(count > 0 && begin.elapsed() >= SECOND / 10);
    }
}
