//! A cold room: heat leaks in, a compressor cycles, doors open, coils are defrosted.

use super::{FaultKind, Now, Quantity, lag};
use crate::modbus::Encoding;
use crate::random::Random;

pub(super) const QUANTITIES: &[Quantity] = &[
    Quantity {
        name: "temperature",
        register: 0,
        encoding: Encoding::I16 { scale: 0.1 },
        unit: "℃",
        range: (-40.0, 60.0),
        factor: None,
    },
    Quantity {
        name: "compressor_current",
        register: 1,
        encoding: Encoding::U16 { scale: 0.01 },
        unit: "A",
        range: (0.0, 50.0),
        factor: None,
    },
];

const OUTSIDE: f64 = 27.0;
const ICE: f64 = 0.2;
const LEAK_TAU_S: f64 = 160.0 * 60.0;
const DOOR_TAU_S: f64 = 22.0 * 60.0;
const PROBE_TAU_S: f64 = 45.0;
const DEFROST_EVERY_S: f64 = 6.0 * 3600.0;
const DEFROST_LASTS_S: f64 = 11.0 * 60.0;

/// What the room is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// 0 to 8 ℃.
    Chilled,
    /// At or below -18 ℃.
    Frozen,
}

impl Store {
    fn set_point(self) -> f64 {
        match self {
            Store::Chilled => 3.6,
            Store::Frozen => -20.5,
        }
    }

    /// ℃ per second that a running compressor takes away.
    fn cooling(self) -> f64 {
        match self {
            Store::Chilled => 0.36 / 60.0,
            Store::Frozen => 0.62 / 60.0,
        }
    }

    /// ℃ per second that the defrost heater adds to the air.
    fn heating(self) -> f64 {
        match self {
            Store::Chilled => 0.12 / 60.0,
            Store::Frozen => 0.30 / 60.0,
        }
    }
}

/// State of one room.
#[derive(Debug)]
pub struct ColdRoom {
    store: Store,
    air: f64,
    shown: f64,
    is_cooling: bool,
    door_open_s: f64,
    defrost_left_s: f64,
    until_defrost_s: f64,
    was_defrosting: bool,
}

impl ColdRoom {
    /// A room at its set point.
    pub fn new(store: Store) -> Self {
        ColdRoom {
            store,
            air: store.set_point(),
            shown: store.set_point(),
            is_cooling: false,
            door_open_s: 0.0,
            defrost_left_s: 0.0,
            until_defrost_s: DEFROST_EVERY_S,
            was_defrosting: false,
        }
    }

    pub(super) fn step(&mut self, now: &Now<'_>, random: &mut Random) -> [f64; 2] {
        let dt = now.dt_s;
        self.doors(now, random);
        self.defrost(now);
        let is_defrosting = self.defrost_left_s > 0.0;
        let set = self.store.set_point();
        if self.air > set + 1.1 {
            self.is_cooling = true;
        } else if self.air < set - 0.9 {
            self.is_cooling = false;
        }
        let runs = self.is_cooling && !is_defrosting;
        let mut rate = (OUTSIDE - self.air) / LEAK_TAU_S;
        if self.door_open_s > 0.0 {
            rate += (OUTSIDE - self.air) / DOOR_TAU_S;
        }
        if runs {
            rate -= self.store.cooling();
        }
        if is_defrosting {
            rate += self.store.heating();
        }
        self.air += rate * dt + 0.004 * dt.sqrt() * random.normal();
        let at_probe = if now.has(FaultKind::ProbeInIce) {
            ICE
        } else {
            self.air
        };
        self.shown = lag(self.shown, at_probe, dt, PROBE_TAU_S);
        let temperature = self.shown + 0.02 * random.normal();
        let current = if runs {
            6.4 + 0.05 * (self.air - set) + 0.06 * random.normal()
        } else {
            0.12 + 0.01 * random.normal()
        };
        [temperature, current]
    }

    /// Staff go in and out for half a minute to a minute and a half, in business hours.
    fn doors(&mut self, now: &Now<'_>, random: &mut Random) {
        self.door_open_s = (self.door_open_s - now.dt_s).max(0.0);
        let is_busy = (8.0..21.0).contains(&now.hour());
        if self.door_open_s == 0.0 && is_busy && random.happens(2.0, now.dt_s) {
            self.door_open_s = random.between(25.0, 80.0);
        }
        if now.has(FaultKind::DoorLeftOpen) {
            self.door_open_s = now.dt_s * 2.0;
        }
    }

    fn defrost(&mut self, now: &Now<'_>) {
        self.defrost_left_s = (self.defrost_left_s - now.dt_s).max(0.0);
        self.until_defrost_s -= now.dt_s;
        let asked = now.has(FaultKind::Defrost) && !self.was_defrosting;
        self.was_defrosting = now.has(FaultKind::Defrost);
        if asked || self.until_defrost_s <= 0.0 {
            self.defrost_left_s = DEFROST_LASTS_S;
            self.until_defrost_s = DEFROST_EVERY_S;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(store: Store, minutes: u32, fault: impl Fn(u32) -> Option<FaultKind>) -> Vec<f64> {
        let (mut room, mut random) = (ColdRoom::new(store), Random::seeded(3));
        let mut shown = Vec::new();
        for minute in 0..minutes {
            let faults: Vec<_> = fault(minute).into_iter().collect();
            for part in 0..6 {
                let second_of_day = f64::from(9 * 3600 + minute * 60 + part * 10);
                let now = Now {
                    second_of_day,
                    dt_s: 10.0,
                    faults: &faults,
                };
                shown.push(room.step(&now, &mut random)[0]);
            }
        }
        shown
    }

    #[test]
    fn an_honest_chilled_room_cycles_within_its_limits() {
        let shown = play(Store::Chilled, 300, |_| None);
        let above = shown.iter().filter(|t| **t > 8.0).count();
        assert_eq!(above, 0);
        let crossings = shown
            .windows(2)
            .filter(|w| w[0] < 3.6 && w[1] >= 3.6)
            .count();
        assert!(
            (6..40).contains(&crossings),
            "{crossings} cycles in five hours"
        );
    }

    #[test]
    fn an_open_door_passes_eight_degrees_within_a_quarter_of_an_hour() {
        let shown = play(Store::Chilled, 90, |m| {
            (m >= 10).then_some(FaultKind::DoorLeftOpen)
        });
        assert!(
            shown[25 * 6..].iter().all(|t| *t > 8.0),
            "{:?}",
            &shown[20 * 6..26 * 6]
        );
    }

    #[test]
    fn an_honest_defrost_stays_above_minus_fifteen_for_less_than_half_an_hour() {
        let shown = play(Store::Frozen, 180, |m| {
            (60..75).contains(&m).then_some(FaultKind::Defrost)
        });
        let warm = shown.iter().filter(|t| **t > -15.0).count() as f64 / 6.0;
        assert!((2.0..25.0).contains(&warm), "{warm} minutes above -15");
        assert!(shown.iter().all(|t| *t < -12.0));
    }

    #[test]
    fn a_probe_in_ice_is_in_range_and_does_not_cycle() {
        let shown = play(Store::Chilled, 120, |m| {
            (m >= 20).then_some(FaultKind::ProbeInIce)
        });
        let tail = &shown[30 * 6..];
        assert!(tail.iter().all(|t| (0.0..0.5).contains(t)));
    }
}
