//! What reads bytes from outside, each as a check that takes any bytes: it returns, or panics where the promise of what it
//! checks is broken. Two ways to run them: `tests/run fuzz` changes the kept inputs at random ([`mutate`], built like every
//! other program here, a minute), `tests/fuzz` is guided by coverage (`guided`, libFuzzer, hours).
//!
//! Kept inputs are in `corpus`, one folder a target.

pub mod config; // profiles, registries and rules
pub mod hj212; // what a data logger sends
pub mod json; // plain JSON telemetry, at the gateway
pub mod mapping; // JSON of devices, at the agent
pub mod mutate; // inputs made of those that were kept
pub mod sparkplug; // messages of an edge node, at the gateway

/// A check: panics if the input shows a fault.
pub type Check = fn(&[u8]);

/// Every check by its name.
pub const TARGETS: [(&str, Check); 5] = [
    ("sparkplug", sparkplug::check),
    ("json", json::check),
    ("config", config::check),
    ("hj212", hj212::check),
    ("mapping", mapping::check),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_target_has_kept_inputs_that_show_no_fault() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        for (name, check) in TARGETS {
            let kept = mutate::kept(&corpus.join(name)).unwrap();
            assert!(!kept.is_empty(), "{name}");
            kept.iter().for_each(|input| check(input));
        }
    }
}
