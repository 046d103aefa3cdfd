//! A kitchen's exhaust: fume after the purifier, fan and purifier current.

use super::{FaultKind, Now, Quantity, lag, meals};
use crate::modbus::Encoding;
use crate::random::{Random, Wander};

pub(super) const QUANTITIES: &[Quantity] = &[
    Quantity {
        name: "fume",
        register: 0,
        encoding: Encoding::F32,
        unit: "mg/m3",
        range: (0.0, 50.0),
        factor: None,
    },
    Quantity {
        name: "fan_current",
        register: 2,
        encoding: Encoding::U16 { scale: 0.01 },
        unit: "A",
        range: (0.0, 100.0),
        factor: None,
    },
    Quantity {
        name: "purifier_current",
        register: 3,
        encoding: Encoding::U16 { scale: 0.01 },
        unit: "A",
        range: (0.0, 50.0),
        factor: None,
    },
];

const SENSOR_TAU_S: f64 = 60.0;
/// Share of the fume that passes a working purifier.
const PASSES: f64 = 0.13;

/// State of one exhaust.
#[derive(Debug, Default)]
pub struct Kitchen {
    cooking: Wander,
    shown: f64,
}

impl Kitchen {
    pub(super) fn step(&mut self, now: &Now<'_>, random: &mut Random) -> [f64; 3] {
        let busy = meals(now.hour());
        let wander = self.cooking.step(random, now.dt_s, 240.0, 0.12);
        let raw = (7.5 * busy * (1.0 + wander)).max(0.0) + 0.25;
        let is_cooking = busy > 0.02;
        let purifies = is_cooking && !now.has(FaultKind::PurifierOff);
        let at_sensor = if purifies { raw * PASSES } else { raw };
        self.shown = lag(self.shown, at_sensor, now.dt_s, SENSOR_TAU_S);
        let fan = if is_cooking {
            8.4 + 0.1 * random.normal()
        } else {
            0.03
        };
        let purifier = if purifies {
            2.35 + 0.03 * random.normal()
        } else {
            0.01
        };
        [
            (self.shown + 0.02 * random.normal()).max(0.0),
            fan,
            purifier,
        ]
    }
}
