//! When the points of a device that speaks by itself must have come: silence becomes absences. Pure.
//!
//! Promise: a point that has not come gets one absence for each interval that it missed, at the time at which it was due.

use std::time::Duration;
use tokio::time::Instant;

/// Intervals made up for at once; a machine that slept for a week does not write a week of absences.
const MISSED_MAX: usize = 1_000;

/// The due times of one device's points.
#[derive(Debug, Clone)]
pub struct Due {
    every: Duration,
    due: Vec<Instant>,
}

impl Due {
    /// All points are due one interval from now.
    pub fn new(points: usize, every: Duration, now: Instant) -> Due {
        Due {
            every,
            due: vec![now + every; points],
        }
    }

    /// A point has come.
    pub fn came(&mut self, point: usize, now: Instant) {
        self.due[point] = now + self.every;
    }

    /// When the next point is due.
    pub fn next(&self) -> Option<Instant> {
        self.due.iter().min().copied()
    }

    /// What is missing by now: due times and the points that were due then, oldest first.
    pub fn missed(&mut self, now: Instant) -> Vec<(Instant, Vec<usize>)> {
        let mut missed = Vec::new();
        while let Some(at) = self.next().filter(|at| *at <= now) {
            if missed.len() >= MISSED_MAX {
                self.due.iter_mut().for_each(|due| *due = now + self.every);
                break;
            }
            let mut points = Vec::new();
            for (point, due) in self.due.iter_mut().enumerate() {
                if *due == at {
                    points.push(point);
                    *due += self.every;
                }
            }
            missed.push((at, points));
        }
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missed_interval_is_missed_once_at_its_due_time() {
        let begin = Instant::now();
        let at = |s: u64| begin + Duration::from_secs(s);
        let mut due = Due::new(2, Duration::from_secs(10), begin);
        assert_eq!(due.missed(at(9)), []);
        due.came(0, at(9));
        assert_eq!(due.next(), Some(at(10)));
        assert_eq!(due.missed(at(12)), [(at(10), vec![1])]);
        assert_eq!(due.missed(at(12)), []);
        assert_eq!(
            due.missed(at(31)),
            [
                (at(19), vec![0]),
                (at(20), vec![1]),
                (at(29), vec![0]),
                (at(30), vec![1])
            ]
        );
        due.came(0, at(31));
        due.came(1, at(31));
        assert_eq!(due.missed(at(41)), [(at(41), vec![0, 1])]);
    }

    #[test]
    fn a_long_sleep_is_made_up_for_within_a_bound() {
        let begin = Instant::now();
        let mut due = Due::new(1, Duration::from_secs(1), begin);
        let now = begin + Duration::from_secs(100_000);
        assert_eq!(due.missed(now).len(), MISSED_MAX);
        assert_eq!(due.next(), Some(now + Duration::from_secs(1)));
    }
}
