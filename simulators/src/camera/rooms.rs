//! What stands in a kitchen and in a workshop, as shapes.

use super::{
    canvas::{Canvas, Rgb, lit},
    plan::Place,
};

/// What never moves.
pub fn background(canvas: &mut Canvas, place: Place) {
    match place {
        Place::Kitchen => kitchen(canvas),
        Place::Workshop => workshop(canvas),
    }
}

/// Grain of a surface, the same at the same place, 0 to 1.
fn grain(x: f32, y: f32) -> f32 {
    let (x, y) = (x.floor() as i64 as u64, y.floor() as i64 as u64);
    let mut z = x.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ y.wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    z = (z ^ (z >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 40) as f32 / (1u64 << 24) as f32
}

const FAR: f32 = 4000.0;

fn room(
    canvas: &mut Canvas,
    wall: impl Fn(f32, f32) -> Rgb,
    floor: impl Fn(f32, f32) -> Rgb,
    edge: f32,
) {
    canvas.paint((-FAR, -FAR, FAR, FAR), |x, y| {
        let light = 1.08 - 0.00035 * (x - 220.0).abs() - 0.0002 * (y - 60.0).abs();
        let rgb = match y < edge {
            true => wall(x, y),
            false => floor(x, y),
        };
        Some((lit(rgb, light.max(0.5) * (0.97 + 0.06 * grain(x, y))), 1.0))
    });
}

/// Lines of tiles on the floor, nearer ones larger.
fn floor_line(x: f32, y: f32, edge: f32) -> bool {
    let depth = (y - edge + 12.0).max(1.0);
    let across = (x - 320.0) * 60.0 / depth;
    let far = 5200.0 / depth;
    across.rem_euclid(34.0) < 110.0 / depth || far.rem_euclid(26.0) < 1600.0 / (depth * depth) * 2.0
}

fn kitchen(canvas: &mut Canvas) {
    let wall = |x: f32, y: f32| {
        let is_joint = x.rem_euclid(24.0) < 1.6 || y.rem_euclid(16.0) < 1.6;
        if is_joint {
            [176.0, 176.0, 170.0]
        } else {
            [222.0, 224.0, 216.0]
        }
    };
    let floor = |x: f32, y: f32| match floor_line(x, y, 178.0) {
        true => [104.0, 88.0, 78.0],
        false => [158.0, 128.0, 108.0],
    };
    room(canvas, wall, floor, 178.0);
    let steel = [168.0, 174.0, 180.0];
    canvas.rectangle(380.0, 18.0, 190.0, 34.0, [150.0, 156.0, 164.0], 0.4);
    canvas.trapezium(475.0, (52.0, 150.0), (74.0, 190.0), [128.0, 134.0, 142.0]);
    canvas.rectangle(80.0, 58.0, 190.0, 6.0, [96.0, 76.0, 58.0], 0.2);
    for n in 0..6 {
        let x = 96.0 + 30.0 * n as f32;
        let rgb = [
            [70.0, 74.0, 84.0],
            [170.0, 60.0, 48.0],
            [196.0, 200.0, 204.0],
        ][n % 3];
        canvas.rectangle(x - 9.0, 40.0, 18.0, 18.0, rgb, 0.5);
        canvas.ellipse(x, 40.0, 9.0, 3.0, lit(rgb, 0.7), 1.0);
    }
    canvas.rectangle(300.0, 46.0, 44.0, 58.0, [60.0, 74.0, 96.0], 0.2);
    canvas.rectangle(304.0, 50.0, 36.0, 50.0, [226.0, 230.0, 232.0], 0.1);
    for n in 0..5 {
        canvas.rectangle(
            308.0,
            56.0 + 8.0 * n as f32,
            28.0,
            3.0,
            [120.0, 126.0, 134.0],
            0.0,
        );
    }
    canvas.rectangle(-200.0, 148.0, 590.0, 8.0, lit(steel, 1.15), 0.2);
    canvas.rectangle(-200.0, 156.0, 590.0, 40.0, steel, 0.3);
    for n in 0..9 {
        let x = -180.0 + 64.0 * n as f32;
        canvas.rectangle(x, 160.0, 56.0, 32.0, lit(steel, 0.86), 0.3);
        canvas.rectangle(x + 20.0, 164.0, 18.0, 3.0, [70.0, 74.0, 78.0], 0.0);
    }
    canvas.rectangle(390.0, 150.0, 170.0, 46.0, [84.0, 88.0, 92.0], 0.3);
    canvas.rectangle(398.0, 164.0, 70.0, 28.0, [38.0, 40.0, 44.0], 0.4);
    canvas.rectangle(478.0, 164.0, 70.0, 28.0, [38.0, 40.0, 44.0], 0.4);
    for x in [416.0, 438.0, 500.0, 522.0] {
        canvas.ellipse(x, 158.0, 3.0, 3.0, [200.0, 60.0, 50.0], 1.0);
    }
    pot(canvas, 438.0, 146.0, 22.0);
    pot(canvas, 500.0, 146.0, 17.0);
    pot(canvas, 140.0, 150.0, 15.0);
    canvas.rectangle(190.0, 138.0, 40.0, 10.0, [180.0, 146.0, 96.0], 0.3);
    canvas.rectangle(560.0, 148.0, 400.0, 48.0, lit(steel, 0.94), 0.3);
    canvas.rectangle(576.0, 70.0, 44.0, 78.0, [206.0, 212.0, 216.0], 0.2);
    canvas.rectangle(580.0, 76.0, 36.0, 40.0, [40.0, 46.0, 54.0], 0.2);
}

fn pot(canvas: &mut Canvas, x: f32, y: f32, r: f32) {
    canvas.rectangle(
        x - r,
        y - r * 0.9,
        r * 2.0,
        r * 0.9,
        [120.0, 124.0, 130.0],
        0.9,
    );
    canvas.ellipse(x, y - r * 0.9, r, r * 0.26, [64.0, 60.0, 56.0], 1.0);
    canvas.limb(
        (x + r, y - r * 0.5),
        (x + r * 1.6, y - r * 0.55),
        r * 0.1,
        [40.0; 3],
    );
}

fn workshop(canvas: &mut Canvas) {
    let wall = |x: f32, y: f32| {
        let is_sheet = x.rem_euclid(18.0) < 3.0;
        let low = if y > 120.0 {
            [112.0, 126.0, 120.0]
        } else {
            [176.0, 180.0, 178.0]
        };
        if is_sheet { lit(low, 0.86) } else { low }
    };
    let floor = |x: f32, y: f32| {
        let stain = grain(x / 23.0, y / 9.0);
        lit([134.0, 136.0, 134.0], 0.92 + 0.12 * stain)
    };
    room(canvas, wall, floor, 190.0);
    for n in 0..4 {
        let x = 40.0 + 150.0 * n as f32;
        canvas.rectangle(x, 22.0, 92.0, 52.0, [70.0, 78.0, 84.0], 0.0);
        canvas.rectangle(x + 4.0, 26.0, 40.0, 44.0, [206.0, 222.0, 234.0], 0.3);
        canvas.rectangle(x + 48.0, 26.0, 40.0, 44.0, [198.0, 214.0, 228.0], 0.3);
    }
    canvas.rectangle(180.0, 128.0, 150.0, 68.0, [58.0, 104.0, 92.0], 0.4);
    canvas.rectangle(196.0, 112.0, 60.0, 18.0, [48.0, 86.0, 78.0], 0.3);
    canvas.ellipse(216.0, 160.0, 20.0, 20.0, [180.0, 184.0, 188.0], 1.0);
    canvas.ellipse(216.0, 160.0, 8.0, 8.0, [60.0, 64.0, 68.0], 1.0);
    canvas.rectangle(262.0, 140.0, 54.0, 26.0, [36.0, 40.0, 44.0], 0.3);
    for n in 0..3 {
        canvas.ellipse(
            270.0 + 16.0 * n as f32,
            180.0,
            4.0,
            4.0,
            [
                [214.0, 60.0, 46.0],
                [70.0, 180.0, 80.0],
                [240.0, 200.0, 40.0],
            ][n],
            1.0,
        );
    }
    for shelf in 0..3 {
        let y = 96.0 + 36.0 * shelf as f32;
        canvas.rectangle(410.0, y, 140.0, 5.0, [196.0, 116.0, 40.0], 0.1);
        for n in 0..6 {
            let shade = grain(n as f32 * 7.0, y);
            let rgb = [90.0 + 120.0 * shade, 96.0 + 60.0 * grain(y, n as f32), 80.0];
            canvas.rectangle(
                416.0 + 22.0 * n as f32,
                y - 22.0 * (0.6 + 0.4 * shade),
                17.0,
                22.0 * (0.6 + 0.4 * shade),
                rgb,
                0.4,
            );
        }
    }
    canvas.rectangle(408.0, 80.0, 5.0, 116.0, [40.0, 70.0, 130.0], 0.1);
    canvas.rectangle(548.0, 80.0, 5.0, 116.0, [40.0, 70.0, 130.0], 0.1);
    canvas.rectangle(44.0, 118.0, 60.0, 80.0, [190.0, 54.0, 44.0], 0.3);
    canvas.rectangle(50.0, 126.0, 48.0, 30.0, [230.0, 230.0, 224.0], 0.1);
    canvas.rectangle(120.0, 150.0, 18.0, 40.0, [206.0, 40.0, 34.0], 0.6);
    // The border of the danger zone around the machine, a yellow and black line on the floor.
    for n in 0..26 {
        let rgb = if n % 2 == 0 {
            [236.0, 200.0, 40.0]
        } else {
            [40.0, 40.0, 40.0]
        };
        canvas.rectangle(150.0 + 8.0 * n as f32, 214.0, 8.0, 4.0, rgb, 0.0);
    }
}

/// What stands nearest, and hides feet.
pub fn front(canvas: &mut Canvas, place: Place) {
    match place {
        Place::Kitchen => {
            let steel = [150.0, 156.0, 162.0];
            canvas.rectangle(150.0, 248.0, 230.0, 10.0, lit(steel, 1.2), 0.3);
            canvas.rectangle(156.0, 258.0, 218.0, 30.0, steel, 0.4);
            canvas.rectangle(166.0, 264.0, 96.0, 20.0, lit(steel, 0.8), 0.2);
            canvas.rectangle(268.0, 264.0, 96.0, 20.0, lit(steel, 0.8), 0.2);
            canvas.ellipse(200.0, 249.0, 20.0, 5.0, [226.0, 226.0, 220.0], 1.0);
            canvas.ellipse(200.0, 247.0, 12.0, 4.0, [106.0, 152.0, 70.0], 1.0);
            canvas.rectangle(286.0, 240.0, 36.0, 8.0, [196.0, 158.0, 104.0], 0.2);
            canvas.ellipse(304.0, 240.0, 9.0, 4.0, [200.0, 70.0, 50.0], 1.0);
        }
        Place::Workshop => {
            for (x, rgb) in [
                (380.0, [44.0, 88.0, 150.0]),
                (412.0, [44.0, 88.0, 150.0]),
                (444.0, [150.0, 70.0, 40.0]),
            ] {
                canvas.rectangle(x, 246.0, 28.0, 42.0, rgb, 0.9);
                canvas.ellipse(x + 14.0, 246.0, 14.0, 4.0, lit(rgb, 0.75), 1.0);
                canvas.rectangle(x, 262.0, 28.0, 2.0, lit(rgb, 0.6), 0.0);
            }
        }
    }
}

/// A bin, its lid up or down; `n` gives its colour.
pub fn bin(canvas: &mut Canvas, x: f32, foot: f32, is_open: bool, n: usize) {
    let rgb = [[52.0, 98.0, 62.0], [70.0, 72.0, 78.0]][n % 2];
    let (wide, high) = (34.0, 46.0);
    let top = foot - high;
    canvas.trapezium(x, (top, wide), (foot, wide * 0.8), rgb);
    for rib in [-8.0, 0.0, 8.0] {
        canvas.rectangle(
            x + rib - 0.8,
            top + 8.0,
            1.6,
            high - 12.0,
            lit(rgb, 0.7),
            0.0,
        );
    }
    match is_open {
        false => {
            canvas.rectangle(
                x - wide * 0.56,
                top - 5.0,
                wide * 1.12,
                7.0,
                lit(rgb, 1.25),
                0.4,
            );
            canvas.ellipse(x, top - 5.0, wide * 0.5, 3.0, lit(rgb, 1.4), 1.0);
        }
        true => {
            canvas.ellipse(x, top, wide * 0.5, 5.0, [24.0, 22.0, 20.0], 1.0);
            canvas.ellipse(x - 5.0, top - 2.0, 9.0, 5.0, [196.0, 190.0, 176.0], 1.0);
            canvas.ellipse(x + 7.0, top - 1.0, 7.0, 4.0, [176.0, 90.0, 50.0], 1.0);
            canvas.rectangle(x + wide * 0.36, top - 32.0, 6.0, 32.0, lit(rgb, 1.2), 0.4);
        }
    }
}
