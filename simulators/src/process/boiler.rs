//! A gas boiler's stack: everything follows the load.

use super::{FaultKind, Now, Quantity, lag};
use crate::modbus::Encoding;
use crate::random::{Random, Wander};

const fn stack(
    name: &'static str,
    register: u16,
    unit: &'static str,
    range_max: f64,
    factor: &'static str,
) -> Quantity {
    Quantity {
        name,
        register,
        encoding: Encoding::F32,
        unit,
        range: (0.0, range_max),
        factor: Some(factor),
    }
}

pub(super) const QUANTITIES: &[Quantity] = &[
    stack("so2", 0, "mg/m3", 300.0, "a21026"),
    stack("nox", 2, "mg/m3", 500.0, "a21002"),
    stack("pm", 4, "mg/m3", 100.0, "a34013"),
    stack("o2", 6, "%", 25.0, "a19001"),
    stack("flow", 8, "m3/h", 200_000.0, "a00000"),
    stack("temperature", 10, "℃", 400.0, "a01012"),
];

const ANALYSER_TAU_S: f64 = 90.0;

/// State of one boiler and its analyser.
#[derive(Debug)]
pub struct Boiler {
    load: Wander,
    noise: [Wander; 6],
    shown: [f64; 6],
}

impl Default for Boiler {
    fn default() -> Self {
        let shown = [14.0, 62.0, 4.2, 4.6, 42_000.0, 118.0];
        Boiler {
            load: Wander::default(),
            noise: Default::default(),
            shown,
        }
    }
}

impl Boiler {
    pub(super) fn step(&mut self, now: &Now<'_>, random: &mut Random) -> [f64; 6] {
        let daily = 0.72 + 0.14 * ((now.hour() - 9.0) / 24.0 * std::f64::consts::TAU).sin();
        let load = (daily + self.load.step(random, now.dt_s, 1800.0, 0.05)).clamp(0.3, 1.0);
        if now.has(FaultKind::AnalyserFrozen) {
            return self.shown;
        }
        let nox = if now.has(FaultKind::DenitrationOff) {
            260.0
        } else {
            58.0
        };
        let clean = [
            9.0 + 8.0 * load,
            nox * (0.75 + 0.5 * load),
            2.6 + 2.4 * load,
            7.4 - 4.0 * load,
            58_000.0 * load,
            84.0 + 48.0 * load,
        ];
        let deviation = [0.02, 0.03, 0.04, 0.015, 0.015, 0.006];
        for i in 0..clean.len() {
            let wander = self.noise[i].step(random, now.dt_s, 300.0, deviation[i]);
            let truth = clean[i] * (1.0 + wander);
            self.shown[i] = lag(self.shown[i], truth, now.dt_s, ANALYSER_TAU_S);
        }
        let mut seen = self.shown;
        for (value, part) in seen.iter_mut().zip(deviation) {
            *value *= 1.0 + 0.25 * part * random.normal();
        }
        seen
    }
}
