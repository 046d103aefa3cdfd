//! People: where each is at a time, what it wears, and how it is drawn.
//!
//! Promise: a function of seed, number and time. Walks have random legs and pauses, so that they never repeat. Each person
//! comes through the door, walks from place to place, leaves, and comes again in other gear.

use super::canvas::{Canvas, Rgb};
use crate::random::Random;

/// One visit, from coming in to the next coming in, in seconds.
const VISIT_S: f64 = 120.0;
/// How far a person walks in a second, in scene units of the middle of the room.
const SPEED: f64 = 55.0;

/// What a person wears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Gear {
    /// A mask over mouth and nose.
    pub mask: bool,
    /// A cook's hat.
    pub hat: bool,
    /// A hard hat.
    pub helmet: bool,
    /// A reflective vest.
    pub vest: bool,
}

/// Where a person looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facing {
    /// To the camera.
    Front,
    /// To the left of the picture.
    Left,
    /// To the right of the picture.
    Right,
    /// Away; no face can be seen.
    Away,
}

/// A person at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Between the feet, scene units.
    pub x: f32,
    /// Where the feet stand; lower in the picture is nearer.
    pub foot: f32,
    /// Where it looks.
    pub facing: Facing,
    /// Of the step, 0 to 1; 0 when standing.
    pub stride: f32,
    /// What it wears.
    pub gear: Gear,
    /// Which clothes, hair and skin.
    pub looks: u64,
}

/// The places of a scene and what is usually worn there.
#[derive(Debug, Clone, Copy)]
pub struct Ground {
    /// Where people come in and leave, outside the picture.
    pub door: (f64, f64),
    /// Where they stand.
    pub places: &'static [(f64, f64)],
    /// True for a kitchen (mask and hat), false for a workshop (helmet and vest).
    pub is_kitchen: bool,
}

/// Where person `number` is at `t` seconds; `None` while it is away. `worn` is the share of the gear that is worn.
pub fn at(ground: &Ground, seed: &Random, number: usize, worn: f64, t: f64) -> Option<Pose> {
    // Persons come one after the other and not all at once.
    let t = t + number as f64 * 37.0;
    let visit = (t / VISIT_S).floor();
    let mut random = seed.fork(&format!("person {number} visit {visit}"));
    let looks = seed.fork(&format!("looks {number}")).bits();
    if random.unit() < 0.15 {
        return None;
    }
    let mut wears = || random.unit() < worn;
    let (first, second) = (wears(), wears());
    let gear = Gear {
        mask: ground.is_kitchen && first,
        hat: ground.is_kitchen && second,
        helmet: !ground.is_kitchen && first,
        vest: !ground.is_kitchen && second,
    };
    let within = t - visit * VISIT_S;
    let (mut now, mut from) = (random.between(0.0, 8.0), ground.door);
    if within < now {
        return None;
    }
    loop {
        let to = ground.places[(random.bits() % ground.places.len() as u64) as usize];
        let pause = random.between(1.0, 9.0);
        let faces = random.unit();
        let leaves = now + time(from, to) + pause + time(to, ground.door) > VISIT_S - 2.0;
        let to = if leaves { ground.door } else { to };
        let arrives = now + time(from, to);
        let still = |facing, x: f64, foot: f64| Pose {
            x: x as f32,
            foot: foot as f32,
            facing,
            stride: 0.0,
            gear,
            looks,
        };
        if within < arrives {
            let part = (within - now) / (arrives - now).max(1e-6);
            let (dx, dy) = (to.0 - from.0, to.1 - from.1);
            let facing = match (dx.abs() > 1.5 * dy.abs(), dx > 0.0, dy > 0.0) {
                (true, true, _) => Facing::Right,
                (true, false, _) => Facing::Left,
                (false, _, true) => Facing::Front,
                (false, _, false) => Facing::Away,
            };
            let pose = still(facing, from.0 + dx * part, from.1 + dy * part);
            let stride = (within * 1.4).fract() as f32;
            return Some(Pose { stride, ..pose });
        }
        if leaves {
            return None;
        }
        if within < arrives + pause {
            let facing = match faces {
                ..0.55 => Facing::Front,
                ..0.7 => Facing::Left,
                ..0.85 => Facing::Right,
                _ => Facing::Away,
            };
            // Nobody stands quite still.
            let sway = 1.5 * (within * 1.1 + number as f64).sin();
            return Some(still(facing, to.0 + sway, to.1));
        }
        (now, from) = (arrives + pause, to);
    }
}

fn time(a: (f64, f64), b: (f64, f64)) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1) / SPEED
}

/// Tags of one person: body, head, face, and what covers the head from above.
pub const PARTS: u8 = 4;

const SKINS: [Rgb; 4] = [
    [236.0, 190.0, 160.0],
    [222.0, 172.0, 138.0],
    [198.0, 142.0, 108.0],
    [150.0, 102.0, 74.0],
];
const HAIRS: [Rgb; 4] = [
    [28.0, 24.0, 22.0],
    [52.0, 36.0, 26.0],
    [90.0, 64.0, 40.0],
    [120.0, 118.0, 116.0],
];
const COOKS: [Rgb; 3] = [
    [232.0, 232.0, 226.0],
    [206.0, 212.0, 220.0],
    [58.0, 60.0, 70.0],
];
const WORKERS: [Rgb; 3] = [[58.0, 84.0, 130.0], [92.0, 96.0, 96.0], [118.0, 96.0, 66.0]];
const HELMETS: [Rgb; 4] = [
    [240.0, 200.0, 40.0],
    [214.0, 60.0, 46.0],
    [238.0, 238.0, 236.0],
    [56.0, 104.0, 190.0],
];

/// How high a person is that stands there, in scene units.
pub fn height(foot: f32) -> f32 {
    (95.0 + (foot - 200.0) * 0.78).max(60.0)
}

/// Draws a person; `first` is the first of its four tags.
pub fn draw(canvas: &mut Canvas, pose: &Pose, is_kitchen: bool, first: u8) {
    let h = height(pose.foot);
    let (x, foot) = (pose.x, pose.foot);
    let pick = |list: &[Rgb], shift: u32| list[(pose.looks >> shift) as usize % list.len()];
    let skin = pick(&SKINS, 4);
    let cloth = if is_kitchen {
        pick(&COOKS, 12)
    } else {
        pick(&WORKERS, 12)
    };
    let trousers = [44.0 + (pose.looks >> 20 & 31) as f32, 46.0, 56.0];
    let swing = (pose.stride * std::f32::consts::TAU).sin() * h * 0.09;
    canvas.set_tag(first);
    let hip = foot - 0.47 * h;
    let lift = |s: f32| foot - (s.max(0.0) * 0.25);
    canvas.limb(
        (x - 0.05 * h, hip),
        (x - 0.05 * h + swing, lift(swing)),
        0.048 * h,
        trousers,
    );
    canvas.limb(
        (x + 0.05 * h, hip),
        (x + 0.05 * h - swing, lift(-swing)),
        0.048 * h,
        trousers,
    );
    canvas.ellipse(
        x - 0.05 * h + swing,
        lift(swing),
        0.06 * h,
        0.025 * h,
        [30.0; 3],
        1.0,
    );
    canvas.ellipse(
        x + 0.05 * h - swing,
        lift(-swing),
        0.06 * h,
        0.025 * h,
        [30.0; 3],
        1.0,
    );
    let shoulder = foot - 0.81 * h;
    let is_side = matches!(pose.facing, Facing::Left | Facing::Right);
    let wide = if is_side { 0.17 * h } else { 0.25 * h };
    let arm = |canvas: &mut Canvas, side: f32| {
        let top = (x + side * wide * 0.46, shoulder + 0.05 * h);
        let hand = (x + side * wide * 0.55 - side * swing * 0.9, foot - 0.46 * h);
        canvas.limb(top, hand, 0.034 * h, cloth);
        canvas.ellipse(hand.0, hand.1, 0.032 * h, 0.036 * h, skin, 1.0);
    };
    arm(canvas, -1.0);
    canvas.trapezium(x, (shoulder, wide), (hip + 0.05 * h, wide * 0.86), cloth);
    if is_kitchen && pose.facing != Facing::Away {
        let apron = [cloth[0] * 0.82, cloth[1] * 0.84, cloth[2] * 0.9];
        canvas.trapezium(
            x,
            (shoulder + 0.12 * h, wide * 0.6),
            (hip + 0.14 * h, wide * 0.8),
            apron,
        );
    }
    if pose.gear.vest {
        vest(canvas, x, shoulder, hip, wide, h, pose.looks);
    }
    arm(canvas, 1.0);
    canvas.limb(
        (x, shoulder - 0.02 * h),
        (x, shoulder + 0.02 * h),
        0.035 * h,
        skin,
    );
    head(canvas, pose, h, skin, pick(&HAIRS, 28), first);
    canvas.set_tag(0);
}

fn vest(canvas: &mut Canvas, x: f32, shoulder: f32, hip: f32, wide: f32, h: f32, looks: u64) {
    let rgb = match looks >> 36 & 1 {
        0 => [244.0, 130.0, 30.0],
        _ => [206.0, 236.0, 50.0],
    };
    let strip = [222.0, 224.0, 218.0];
    canvas.trapezium(x, (shoulder + 0.01 * h, wide), (hip, wide * 0.94), rgb);
    for y in [shoulder + 0.13 * h, shoulder + 0.22 * h] {
        canvas.trapezium(x, (y, wide), (y + 0.03 * h, wide), strip);
    }
    for side in [-0.28, 0.28] {
        canvas.rectangle(
            x + side * wide - 0.012 * h,
            shoulder,
            0.026 * h,
            0.2 * h,
            strip,
            0.0,
        );
    }
}

fn head(canvas: &mut Canvas, pose: &Pose, h: f32, skin: Rgb, hair: Rgb, first: u8) {
    let (x, y) = (pose.x, pose.foot - 0.905 * h);
    let (rx, ry) = (0.062 * h, 0.082 * h);
    let turn = match pose.facing {
        Facing::Left => -1.0,
        Facing::Right => 1.0,
        Facing::Front | Facing::Away => 0.0,
    };
    canvas.set_tag(first + 1);
    canvas.ellipse(
        x - turn * 0.012 * h,
        y - 0.012 * h,
        rx * 1.1,
        ry * 1.02,
        hair,
        1.0,
    );
    if pose.facing != Facing::Away {
        canvas.set_tag(first + 2);
        let (fx, fy) = (x + turn * 0.02 * h, y + 0.014 * h);
        canvas.ellipse(fx, fy, rx * (1.0 - 0.2 * turn.abs()), ry * 0.84, skin, 1.0);
        let eyes: &[f32] = match turn == 0.0 {
            true => &[-0.42, 0.42],
            false => &[0.45],
        };
        for eye in eyes {
            let across = fx + if turn == 0.0 { *eye } else { turn * *eye } * rx;
            canvas.ellipse(
                across,
                fy - 0.16 * ry,
                rx * 0.15,
                ry * 0.08,
                [36.0, 28.0, 26.0],
                1.0,
            );
            canvas.ellipse(across, fy - 0.34 * ry, rx * 0.26, ry * 0.045, hair, 1.0);
        }
        let dark = [skin[0] * 0.8, skin[1] * 0.74, skin[2] * 0.7];
        canvas.ellipse(
            fx + turn * 0.3 * rx,
            fy + 0.12 * ry,
            rx * 0.12,
            ry * 0.13,
            dark,
            1.0,
        );
        canvas.ellipse(
            fx + turn * 0.35 * rx,
            fy + 0.46 * ry,
            rx * 0.3,
            ry * 0.06,
            [168.0, 84.0, 78.0],
            1.0,
        );
        if pose.gear.mask {
            let mask = match pose.looks >> 44 & 1 {
                0 => [128.0, 178.0, 214.0],
                _ => [232.0, 236.0, 238.0],
            };
            let half = rx * (0.9 - 0.12 * turn.abs());
            canvas.trapezium(
                fx + turn * 0.1 * rx,
                (fy + 0.02 * ry, half * 1.95),
                (fy + 0.8 * ry, half * 1.2),
                mask,
            );
            canvas.rectangle(
                fx - half,
                fy + 0.3 * ry,
                half * 2.0,
                ry * 0.04,
                [150.0, 160.0, 170.0],
                0.0,
            );
        }
    }
    canvas.set_tag(first + 3);
    if pose.gear.hat {
        let white = [240.0, 240.0, 238.0];
        canvas.ellipse(x, y - 1.15 * ry, rx * 1.25, ry * 0.55, white, 1.0);
        canvas.ellipse(x - 0.5 * rx, y - 1.3 * ry, rx * 0.7, ry * 0.5, white, 1.0);
        canvas.ellipse(x + 0.5 * rx, y - 1.3 * ry, rx * 0.7, ry * 0.5, white, 1.0);
        canvas.rectangle(
            x - rx * 1.05,
            y - 0.85 * ry,
            rx * 2.1,
            ry * 0.34,
            [226.0, 226.0, 224.0],
            0.2,
        );
    }
    if pose.gear.helmet {
        let rgb = HELMETS[(pose.looks >> 52) as usize % HELMETS.len()];
        let dome = y - 0.34 * ry;
        canvas.paint((x - rx * 1.3, dome - ry, x + rx * 1.3, dome), |px, py| {
            let (dx, dy) = ((px - x) / (rx * 1.22), (py - dome) / (ry * 0.86));
            (dx * dx + dy * dy <= 1.0)
                .then(|| (super::canvas::lit(rgb, 1.0 - 0.2 * dx + 0.1 * dy), 1.0))
        });
        let brim = x + turn * rx * 0.35;
        canvas.ellipse(
            brim,
            dome,
            rx * 1.35,
            ry * 0.13,
            super::canvas::lit(rgb, 0.9),
            1.0,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUND: Ground = Ground {
        door: (-40.0, 240.0),
        places: &[(100.0, 220.0), (300.0, 300.0), (500.0, 240.0)],
        is_kitchen: true,
    };

    #[test]
    fn people_walk_without_jumps_and_never_the_same_way_twice() {
        let seed = Random::seeded(3);
        let mut before: Option<Pose> = None;
        for step in 0..36_000 {
            let t = f64::from(step) * 0.1;
            let pose = at(&GROUND, &seed, 0, 0.7, t);
            if let (Some(a), Some(b)) = (before, pose) {
                let far = (a.x - b.x).hypot(a.foot - b.foot);
                assert!(far < 8.0, "a jump of {far} at {t}");
            }
            if let (Some(pose), None) | (None, Some(pose)) = (pose, before) {
                assert!(
                    pose.x < 0.0 || step == 0,
                    "comes and goes through the door, not at {pose:?}"
                );
            }
            before = pose;
        }
        let way = |from: f64| -> Vec<Option<Pose>> {
            (0..100)
                .map(|n| at(&GROUND, &seed, 0, 0.7, from + f64::from(n)))
                .collect()
        };
        assert_ne!(way(0.0), way(VISIT_S));
        assert_eq!(way(1000.0), way(1000.0));
    }
}
