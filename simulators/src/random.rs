//! Seeded randomness. Promise: the same seed gives the same numbers on every machine and in every release.
//!
//! SplitMix64; good enough for noise, useless for secrets.

/// A stream of pseudo-random numbers.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream that belongs to `seed`.
    pub fn seeded(seed: u64) -> Self {
        Random { state: seed }
    }

    /// A stream for one part of a simulation, so that parts do not disturb each other's numbers.
    pub fn fork(&self, name: &str) -> Self {
        let mut state = self.state ^ 0xcbf2_9ce4_8422_2325;
        for byte in name.bytes() {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Random { state }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `[low, high)`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Normal with mean 0 and deviation 1.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// True for an event that happens `per_hour` times an hour, asked once every `dt_s` seconds.
    pub fn happens(&mut self, per_hour: f64, dt_s: f64) -> bool {
        self.unit() < per_hour * dt_s / 3600.0
    }
}

/// Noise with memory: what a real analyser's signal wanders like.
#[derive(Debug, Clone, Default)]
pub struct Wander {
    value: f64,
}

impl Wander {
    /// One step of a first-order process with time constant `tau_s` and long-run deviation `deviation`.
    pub fn step(&mut self, random: &mut Random, dt_s: f64, tau_s: f64, deviation: f64) -> f64 {
        let keep = (-dt_s / tau_s).exp();
        self.value = self.value * keep + deviation * (1.0 - keep * keep).sqrt() * random.normal();
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_forks_differ() {
        let draw = |mut r: Random| (0..5).map(|_| r.bits()).collect::<Vec<_>>();
        assert_eq!(draw(Random::seeded(7)), draw(Random::seeded(7)));
        assert_ne!(
            draw(Random::seeded(7).fork("a")),
            draw(Random::seeded(7).fork("b"))
        );
    }

    #[test]
    fn wander_keeps_its_deviation_whatever_the_step() {
        for dt in [1.0, 30.0] {
            let (mut random, mut wander) = (Random::seeded(1), Wander::default());
            let n = 50_000;
            let sum: f64 = (0..n)
                .map(|_| wander.step(&mut random, dt, 60.0, 2.0).powi(2))
                .sum();
            let deviation = (sum / f64::from(n)).sqrt();
            assert!(
                (1.6..2.4).contains(&deviation),
                "deviation {deviation} at step {dt}"
            );
        }
    }
}
