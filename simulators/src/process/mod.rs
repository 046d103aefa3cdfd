//! What the instruments measure: three sites, honest and with faults.
//!
//! Promise: `step` is pure in its arguments (time of day, time step, active faults, randomness), so a seed and
//! a scenario give the same day every time. The honest behaviour follows domain notes: compressor cycles of 10 to
//! 30 minutes, short door openings in business hours, defrosts, fume at lunch and dinner, emissions that follow load.
//! Not promised: the physics of any real plant.

mod boiler;
mod cold_room;
mod kitchen;
mod workshop;

pub use boiler::Boiler;
pub use cold_room::{ColdRoom, Store};
pub use kitchen::Kitchen;
pub use workshop::Workshop;

use serde::{Deserialize, Serialize};

use crate::modbus::Encoding;
use crate::random::Random;

/// What may be wrong at a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A cold room's door was left open.
    DoorLeftOpen,
    /// The probe was taken out of the cold room and put in ice: in range, and not the room's temperature.
    ProbeInIce,
    /// An honest defrost; nothing is wrong.
    Defrost,
    /// The fume purifier was switched off while the kitchen cooks.
    PurifierOff,
    /// Combustible gas leaks.
    GasLeak,
    /// The boiler's denitration stopped.
    DenitrationOff,
    /// The analyser sends its last values for ever.
    AnalyserFrozen,
    /// The instrument does not answer.
    Silent,
}

/// One quantity of a device: where it lies in the registers and what it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    /// Point name.
    pub name: &'static str,
    /// First register.
    pub register: u16,
    /// How it is encoded.
    pub encoding: Encoding,
    /// Unit symbol.
    pub unit: &'static str,
    /// What the instrument can measure.
    pub range: (f64, f64),
    /// Factor code of HJ 212, where there is one.
    pub factor: Option<&'static str>,
}

/// What a device's step may look at.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// Site-local time of day in seconds.
    pub second_of_day: f64,
    /// Time since the last step, in the site's seconds.
    pub dt_s: f64,
    /// Faults that act on this device now.
    pub faults: &'a [FaultKind],
}

impl Now<'_> {
    /// Does this fault act?
    pub fn has(&self, kind: FaultKind) -> bool {
        self.faults.contains(&kind)
    }

    /// Hour of the day with fraction.
    pub fn hour(&self) -> f64 {
        self.second_of_day / 3600.0
    }
}

/// A device's process.
#[derive(Debug)]
pub enum Device {
    /// A chilled or frozen store.
    ColdRoom(ColdRoom),
    /// A kitchen's exhaust.
    Kitchen(Kitchen),
    /// A boiler's stack.
    Boiler(Boiler),
    /// Air of a workshop.
    Workshop(Workshop),
}

impl Device {
    /// What it measures, in the order of the values of [`Device::step`].
    pub fn quantities(&self) -> &'static [Quantity] {
        match self {
            Device::ColdRoom(_) => cold_room::QUANTITIES,
            Device::Kitchen(_) => kitchen::QUANTITIES,
            Device::Boiler(_) => boiler::QUANTITIES,
            Device::Workshop(_) => workshop::QUANTITIES,
        }
    }

    /// Lets time pass and says what the instrument shows.
    pub fn step(&mut self, now: &Now<'_>, random: &mut Random) -> Vec<f64> {
        match self {
            Device::ColdRoom(room) => room.step(now, random).to_vec(),
            Device::Kitchen(kitchen) => kitchen.step(now, random).to_vec(),
            Device::Boiler(boiler) => boiler.step(now, random).to_vec(),
            Device::Workshop(workshop) => workshop.step(now, random).to_vec(),
        }
    }
}

/// A simulated site: its id and its devices, with their ids.
pub fn sites() -> Vec<(&'static str, Vec<(&'static str, Device)>)> {
    vec![
        (
            "restaurant",
            vec![
                ("cold-room", Device::ColdRoom(ColdRoom::new(Store::Chilled))),
                (
                    "display-chiller",
                    Device::ColdRoom(ColdRoom::new(Store::Chilled)),
                ),
                ("freezer", Device::ColdRoom(ColdRoom::new(Store::Frozen))),
                ("kitchen-exhaust", Device::Kitchen(Kitchen::default())),
            ],
        ),
        (
            "boiler-plant",
            vec![("stack-monitor", Device::Boiler(Boiler::default()))],
        ),
        (
            "workshop",
            vec![("gas-monitor", Device::Workshop(Workshop::default()))],
        ),
    ]
}

/// First-order lag: what an instrument shows of what is there.
fn lag(shown: f64, truth: f64, dt_s: f64, tau_s: f64) -> f64 {
    truth + (shown - truth) * (-dt_s / tau_s).exp()
}

/// How much is cooked: 0 between meals, up to 1 at noon and in the evening.
fn meals(hour: f64) -> f64 {
    let meal = |middle: f64, half: f64| {
        let distance = (hour - middle).abs() / half;
        if distance < 1.0 {
            (1.0 - distance.powi(4)).max(0.0)
        } else {
            0.0
        }
    };
    meal(12.25, 1.75).max(meal(18.75, 2.0))
}
