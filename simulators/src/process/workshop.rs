//! Air of a workshop: combustible gas, carbon monoxide, oxygen, noise.

use super::{FaultKind, Now, Quantity, lag};
use crate::modbus::Encoding;
use crate::random::{Random, Wander};

pub(super) const QUANTITIES: &[Quantity] = &[
    Quantity {
        name: "combustible_gas",
        register: 0,
        encoding: Encoding::U16 { scale: 0.1 },
        unit: "%LEL",
        range: (0.0, 100.0),
        factor: None,
    },
    Quantity {
        name: "co",
        register: 1,
        encoding: Encoding::U16 { scale: 0.1 },
        unit: "mg/m3",
        range: (0.0, 500.0),
        factor: None,
    },
    Quantity {
        name: "o2",
        register: 2,
        encoding: Encoding::U16 { scale: 0.01 },
        unit: "%vol",
        range: (0.0, 30.0),
        factor: None,
    },
    Quantity {
        name: "noise",
        register: 3,
        encoding: Encoding::U16 { scale: 0.1 },
        unit: "dB(A)",
        range: (30.0, 130.0),
        factor: None,
    },
];

const DETECTOR_TAU_S: f64 = 20.0;
const ROOM_TAU_S: f64 = 150.0;
const LEAK_SETTLES_AT: f64 = 68.0;

/// State of one workshop.
#[derive(Debug, Default)]
pub struct Workshop {
    room_gas: f64,
    shown_gas: f64,
    co: Wander,
    machines: Wander,
}

impl Workshop {
    pub(super) fn step(&mut self, now: &Now<'_>, random: &mut Random) -> [f64; 4] {
        let source = if now.has(FaultKind::GasLeak) {
            LEAK_SETTLES_AT
        } else {
            0.0
        };
        self.room_gas = lag(self.room_gas, source, now.dt_s, ROOM_TAU_S);
        self.shown_gas = lag(self.shown_gas, self.room_gas, now.dt_s, DETECTOR_TAU_S);
        let works = (8.0..18.0).contains(&now.hour());
        let co = if works { 4.5 } else { 1.2 } + self.co.step(random, now.dt_s, 600.0, 0.7);
        let noise =
            if works { 76.0 } else { 48.0 } + self.machines.step(random, now.dt_s, 120.0, 1.8);
        let o2 = 20.9 - 0.012 * self.shown_gas + 0.015 * random.normal();
        let gas = (self.shown_gas + 0.6 + 0.25 * random.normal()).max(0.0);
        [gas, co.max(0.0), o2, noise]
    }
}
