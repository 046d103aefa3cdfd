//! A queue of frames between capture and the thread that looks at them: bounded, drops the oldest.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Why nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// Nothing came in time.
    Yet,
    /// Nothing will come any more.
    ForEver,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    is_closed: bool,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    most: usize,
}

/// The end that gives; dropping it closes the queue.
#[derive(Debug)]
pub struct Outlet<T>(Arc<Shared<T>>);

/// The end that takes.
#[derive(Debug)]
pub struct Inlet<T>(Arc<Shared<T>>);

/// A queue that holds `most` items.
pub fn bounded<T>(most: usize) -> (Outlet<T>, Inlet<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            items: VecDeque::with_capacity(most),
            is_closed: false,
        }),
        changed: Condvar::new(),
        most,
    });
    (Outlet(shared.clone()), Inlet(shared))
}

impl<T> Outlet<T> {
    /// Adds an item; true if the oldest one had to go.
    #[must_use]
    pub fn push(&self, item: T) -> bool {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = state.items.len() >= self.0.most;
        if is_full {
            state.items.pop_front();
        }
        state.items.push_back(item);
        self.0.changed.notify_one();
        is_full
    }
}

impl<T> Drop for Outlet<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_closed = true;
        self.0.changed.notify_one();
    }
}

impl<T> Inlet<T> {
    /// The oldest item; waits for one until `until`.
    pub fn take(&self, until: Instant) -> Result<T, Empty> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(item) = state.items.pop_front() {
                return Ok(item);
            }
            let left = until.saturating_duration_since(Instant::now());
            match (state.is_closed, left) {
                (true, _) => return Err(Empty::ForEver),
                (false, Duration::ZERO) => return Err(Empty::Yet),
                (false, left) => {
                    let waited = self.0.changed.wait_timeout(state, left);
                    (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_the_oldest_and_says_so() {
        let (outlet, inlet) = bounded(2);
        assert_eq!(
            [1, 2, 3, 4].map(|n| outlet.push(n)),
            [false, false, true, true]
        );
        let now = Instant::now();
        assert_eq!(
            [inlet.take(now), inlet.take(now), inlet.take(now)],
            [Ok(3), Ok(4), Err(Empty::Yet)]
        );
        let taker = std::thread::spawn(move || inlet.take(now + Duration::from_secs(60)));
        drop(outlet);
        assert_eq!(taker.join().unwrap(), Err(Empty::ForEver));
    }
}
