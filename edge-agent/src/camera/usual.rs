//! What a camera usually shows: where its picture has edges, and its large shapes. Pure; as bytes it outlives a restart.
//!
//! Learned as the mean of the first minute; followed slowly (half an hour) while nothing is found, so that a moved table or
//! the season does not become a fault.

use super::look::{HIGH, WIDE};

/// Blocks of a picture: 16 by 9, of 10 by 10 cells each.
pub const BLOCKS: usize = 16 * 9;
/// Looks and time that are needed before anything is judged.
const LEARN_LOOKS: u32 = 20;
const LEARN_MS: u64 = 60_000;
const FOLLOW_MS: f64 = 1_800_000.0;
/// Edges, relative to the light, that noise alone makes.
const NOISE: f32 = 0.012;
const VERSION: u8 = 1;

/// The edges and large shapes of one look.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Per cell: how much it differs from its neighbours, relative to the light of the picture.
    edges: Vec<f32>,
    /// Per block: its mean.
    large: Vec<f32>,
    /// How abruptly the picture changes where it changes most: what a lens out of focus takes first.
    fine: f32,
}

/// What is usual.
#[derive(Debug, Clone, Default)]
pub struct Usual {
    edges: Vec<f32>,
    large: Vec<f32>,
    fine: f32,
    looks: u32,
    first_ms: Option<u64>,
    last_ms: u64,
    is_known: bool,
}

/// A look beside what is usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// How abrupt the most abrupt changes are, as a share of the usual.
    pub sharp: f64,
    /// Share of the blocks that usually have edges and have none now.
    pub lost: f64,
    /// Correlation of where the edges are, -1 to 1.
    pub edges: f64,
    /// Correlation of the large shapes, -1 to 1.
    pub large: f64,
}

impl Shape {
    /// Of a grey picture of [`WIDE`] by [`HIGH`] cells with this mean light.
    pub fn of(grey: &[u8], light: f64) -> Shape {
        let light = light.max(1.0) as f32;
        let mut raw = vec![0.0f32; WIDE * HIGH];
        let mut abrupt = Vec::with_capacity(WIDE * HIGH);
        for y in 1..HIGH - 1 {
            for x in 1..WIDE - 1 {
                let at = |n: usize| f32::from(grey[n]);
                let n = y * WIDE + x;
                let across = at(n + 1) - at(n - 1);
                let down = at(n + WIDE) - at(n - WIDE);
                raw[n] = (across.abs() + down.abs()) / light;
                let around = at(n + 1) + at(n - 1) + at(n + WIDE) + at(n - WIDE);
                abrupt.push((4.0 * at(n) - around).abs() / light);
            }
        }
        let mut edges = vec![0.0f32; WIDE * HIGH];
        for y in 1..HIGH - 1 {
            for x in 1..WIDE - 1 {
                let row = |y: usize| raw[y * WIDE + x - 1..=y * WIDE + x + 1].iter().sum::<f32>();
                let mean = (row(y - 1) + row(y) + row(y + 1)) / 9.0;
                edges[y * WIDE + x] = (mean - NOISE).max(0.0);
            }
        }
        let most = abrupt.len() * 95 / 100;
        let (_, fine, _) = abrupt.select_nth_unstable_by(most, f32::total_cmp);
        let fine = *fine;
        let cells: Vec<f32> = grey.iter().map(|cell| f32::from(*cell)).collect();
        Shape {
            large: blocks(&cells),
            edges,
            fine,
        }
    }
}

impl Usual {
    /// True once enough was seen.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// A look beside what is usual; `None` while that is not known.
    pub fn compare(&self, shape: &Shape) -> Option<Compared> {
        if !self.is_known {
            return None;
        }
        let (usual, now) = (blocks(&self.edges), blocks(&shape.edges));
        let strong = usual.iter().sum::<f32>() / usual.len() as f32;
        let pairs = usual
            .iter()
            .zip(&now)
            .filter(|(usual, _)| **usual > 0.5 * strong);
        let (mut count, mut lost) = (0u32, 0u32);
        for (usual, now) in pairs {
            count += 1;
            lost += u32::from(*now < 0.3 * usual);
        }
        Some(Compared {
            sharp: f64::from(shape.fine / self.fine.max(1e-6)),
            lost: f64::from(lost) / f64::from(count.max(1)),
            edges: correlation(&self.edges, &shape.edges),
            large: correlation(&self.large, &shape.large),
        })
    }

    /// Takes a look into what is usual.
    pub fn learn(&mut self, shape: &Shape, at_ms: u64) {
        if self.edges.is_empty() {
            self.edges = vec![0.0; WIDE * HIGH];
            self.large = vec![0.0; BLOCKS];
        }
        let first = *self.first_ms.get_or_insert(at_ms);
        let part = match self.is_known {
            false => 1.0 / f64::from(self.looks + 1),
            true => (at_ms.saturating_sub(self.last_ms) as f64 / FOLLOW_MS).min(0.01),
        } as f32;
        let pairs = self.edges.iter_mut().zip(&shape.edges);
        for (usual, now) in pairs.chain(self.large.iter_mut().zip(&shape.large)) {
            *usual += (now - *usual) * part;
        }
        self.fine += (shape.fine - self.fine) * part;
        self.looks = self.looks.saturating_add(1);
        self.last_ms = at_ms;
        self.is_known |= self.looks >= LEARN_LOOKS && at_ms.saturating_sub(first) >= LEARN_MS;
    }

    /// As bytes, to be kept over a restart; `None` while it is not known.
    pub fn encode(&self) -> Option<Vec<u8>> {
        if !self.is_known {
            return None;
        }
        let values = self.edges.iter().chain(&self.large).chain([&self.fine]);
        let mut bytes = vec![VERSION];
        bytes.extend(values.flat_map(|value| value.to_le_bytes()));
        Some(bytes)
    }

    /// From bytes that were kept; `None` if they are not such bytes.
    pub fn decode(bytes: &[u8]) -> Option<Usual> {
        let (version, rest) = bytes.split_first()?;
        if *version != VERSION || rest.len() != 4 * (WIDE * HIGH + BLOCKS + 1) {
            return None;
        }
        let values = rest.chunks_exact(4);
        let mut edges: Vec<f32> = values
            .map(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]]))
            .collect();
        if !edges.iter().all(|value| value.is_finite()) {
            return None;
        }
        let mut large = edges.split_off(WIDE * HIGH);
        let fine = large.pop()?;
        Some(Usual {
            edges,
            large,
            fine,
            looks: LEARN_LOOKS,
            is_known: true,
            ..Usual::default()
        })
    }
}

fn blocks(cells: &[f32]) -> Vec<f32> {
    let mut sums = vec![0.0; BLOCKS];
    for (n, cell) in cells.iter().enumerate() {
        sums[n / WIDE / 10 * 16 + n % WIDE / 10] += cell / 100.0;
    }
    sums
}

/// Pearson's; 0 where one of them is flat.
fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean = |list: &[f32]| list.iter().map(|v| f64::from(*v)).sum::<f64>() / list.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a) - ma, f64::from(*b) - mb);
        (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
    }
    match aa * bb > 1e-12 {
        true => ab / (aa * bb).sqrt(),
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(pixel: impl Fn(usize, usize) -> u8) -> Vec<u8> {
        (0..WIDE * HIGH)
            .map(|n| pixel(n % WIDE, n / WIDE))
            .collect()
    }

    fn squares(x: usize, y: usize) -> u8 {
        if (x / 13 + y / 17 + x * y / 4000).is_multiple_of(2) {
            60
        } else {
            190
        }
    }

    #[test]
    fn what_is_usual_survives_as_bytes_and_rubbish_is_refused() {
        let mut usual = Usual::default();
        let shape = Shape::of(&grey(squares), 120.0);
        for n in 0..40 {
            assert_eq!(usual.encode(), None);
            assert_eq!(usual.compare(&shape), None);
            usual.learn(&shape, n * 1_600);
            if usual.is_known() {
                break;
            }
        }
        let kept = Usual::decode(&usual.encode().unwrap()).unwrap();
        let compared = kept.compare(&shape).unwrap();
        assert!(
            compared.edges > 0.999 && compared.large > 0.999 && compared.lost == 0.0,
            "{compared:?}"
        );
        let darker = Shape::of(&grey(|x, y| squares(x, y) / 3), 40.0);
        let compared = kept.compare(&darker).unwrap();
        assert!(
            compared.edges > 0.98 && (0.9..1.1).contains(&compared.sharp),
            "light alone changes nothing: {compared:?}"
        );
        let elsewhere = Shape::of(&grey(|x, y| squares(x + 46, y + 21)), 120.0);
        assert!(kept.compare(&elsewhere).unwrap().edges < 0.4);
        for bad in [&b""[..], b"\x01abc", &[9; 58_177]] {
            assert!(Usual::decode(bad).is_none());
        }
    }
}
