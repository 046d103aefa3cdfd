//! Which registers are read together. Pure.
//!
//! Registers that touch are joined, and holes of at most `gap_max` are read with them; the default is none, since a hole
//! may be a register the instrument does not have, and one such register makes it refuse the whole read. A joined read
//! that is refused is split in two, and the halves again.

use super::{register::Function, wire::Question};
use crate::profile::Point;

/// Most registers in one read (Modbus Application Protocol V1.1b3, 6.3).
const REGISTERS_MAX: u16 = 125;
/// Most bits in one read (6.1).
const BITS_MAX: u16 = 2000;

/// One request: every point it holds lies wholly in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Which table.
    pub function: Function,
    /// First register.
    pub start: u16,
    /// How many.
    pub count: u16,
    /// Indices of the points in it.
    pub points: Vec<usize>,
}

impl Read {
    /// The question to this unit.
    pub fn question(&self, unit: u8) -> Question {
        Question {
            unit,
            function: self.function,
            start: self.start,
            count: self.count,
        }
    }

    /// Two reads that have its points; `None` if they all lie at one place.
    pub fn split(&self, points: &[Point]) -> Option<[Read; 2]> {
        let register = |index: &usize| points[*index].register;
        let middle = register(&self.points[self.points.len() / 2]);
        let middle = match middle == self.start {
            true => self.points.iter().map(register).find(|r| *r > middle)?,
            false => middle,
        };
        let (low, high): (Vec<_>, Vec<_>) = self
            .points
            .iter()
            .copied()
            .partition(|index| register(index) < middle);
        let of = |of: Vec<usize>| over(self.function, of, points);
        Some([of(low)?, of(high)?])
    }
}

/// The read from the first to the last of these points, which come in the order of their registers.
fn over(function: Function, of: Vec<usize>, points: &[Point]) -> Option<Read> {
    let start = points[*of.first()?].register;
    let end = of.iter().map(|index| end(&points[*index])).max()?;
    Some(Read {
        function,
        start,
        count: u16::try_from(end - u32::from(start)).ok()?,
        points: of,
    })
}

fn end(point: &Point) -> u32 {
    u32::from(point.register) + u32::from(point.kind.width())
}

/// The requests that read all points; holes of up to `gap_max` registers (or bits) are read too.
pub fn plan(points: &[Point], gap_max: u16) -> Vec<Read> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|&index| (points[index].function, points[index].register));
    let mut reads: Vec<Read> = Vec::new();
    for index in order {
        let point = &points[index];
        let max = if point.function.is_bits() {
            BITS_MAX
        } else {
            REGISTERS_MAX
        };
        if let Some(read) = reads.last_mut() {
            let start = u32::from(read.start);
            let read_end = start + u32::from(read.count);
            let count = end(point).max(read_end) - start;
            let is_near = u32::from(point.register) <= read_end + u32::from(gap_max);
            if read.function == point.function && is_near && count <= u32::from(max) {
                read.count = count as u16;
                read.points.push(index);
                continue;
            }
        }
        reads.extend(over(point.function, vec![index], points));
    }
    reads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;
    use contract::problems::Problems;

    fn point(name: &str, function: &str, register: u16, kind: &str) -> String {
        format!(
            "[[point]]\nname=\"{name}\"\nfunction=\"{function}\"\nregister={register}\ntype=\"{kind}\"\nunit=\"A\"\nrange=[0,1]\n"
        )
    }

    fn points(text: &[String]) -> Vec<Point> {
        let text = format!("name = \"x\"\n{}", text.concat());
        let mut problems = Problems::new();
        let points = profile::read("x.toml", &text, &mut problems).points;
        assert!(problems.is_empty(), "{problems}");
        points
    }

    fn seen(reads: &[Read]) -> Vec<(u16, u16, Vec<usize>)> {
        let of = |read: &Read| (read.start, read.count, read.points.clone());
        reads.iter().map(of).collect()
    }

    #[test]
    fn holes_are_read_up_to_the_gap_and_no_read_is_longer_than_125() {
        let at = |registers: &[u16]| {
            let point = |r: &u16| point(&format!("p{r}"), "holding", *r, "u16");
            points(&registers.iter().map(point).collect::<Vec<_>>())
        };
        let reads = plan(&at(&[0, 3, 7]), 2);
        assert_eq!(seen(&reads), [(0, 4, vec![0, 1]), (7, 1, vec![2])]);
        let all: Vec<u16> = (0..126).collect();
        let counts: Vec<_> = plan(&at(&all), 0).iter().map(|r| r.count).collect();
        assert_eq!(counts, [125, 1]);
        let reads = plan(&at(&[0, 124, 125]), 200);
        assert_eq!(seen(&reads), [(0, 125, vec![0, 1]), (125, 1, vec![2])]);
    }

    #[test]
    fn a_refused_read_is_halved_until_one_place_is_left() {
        let bit = |name: &str, bit: u8| {
            let text = point(name, "holding", 9, "bits");
            text.replace("type", &format!("bit={bit}\ntype"))
        };
        let points = points(&[
            point("a", "holding", 6, "u16"),
            point("b", "holding", 7, "f32"),
            bit("c", 0),
            bit("d", 1),
        ]);
        let reads = plan(&points, 0);
        assert_eq!(seen(&reads), [(6, 4, vec![0, 1, 2, 3])]);
        let halves = reads[0].split(&points).unwrap();
        assert_eq!(seen(&halves), [(6, 3, vec![0, 1]), (9, 1, vec![2, 3])]);
        assert_eq!(halves[1].split(&points), None);
        let halves = halves[0].split(&points).unwrap();
        assert_eq!(seen(&halves), [(6, 1, vec![0]), (7, 2, vec![1])]);
        assert_eq!(halves[0].split(&points), None);
    }

    #[test]
    fn touching_registers_are_joined_and_holes_are_not() {
        let points = points(&[
            point("d", "holding", 7, "u16"),
            point("a", "holding", 0, "f32"),
            point("b", "holding", 2, "f64"),
            point("c", "input", 6, "u16"),
            point("e", "coil", 0, "bool"),
        ]);
        let reads = plan(&points, 0);
        let seen: Vec<_> = reads
            .iter()
            .map(|r| (r.function, r.start, r.count, r.points.clone()))
            .collect();
        assert_eq!(
            seen,
            [
                (Function::Coil, 0, 1, vec![4]),
                (Function::Holding, 0, 6, vec![1, 2]),
                (Function::Holding, 7, 1, vec![0]),
                (Function::Input, 6, 1, vec![3]),
            ]
        );
    }
}
