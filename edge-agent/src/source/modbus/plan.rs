//! Which registers are read together. Pure.
//!
//! Only registers that touch are joined: a hole may be a register the instrument does not have, and one such
//! register makes it refuse the whole read.

use super::register::Function;
use crate::profile::Point;

/// Most registers in one read (Modbus Application Protocol V1.1b3, 6.3).
const REGISTERS_MAX: u16 = 125;
/// Most bits in one read (6.1).
const BITS_MAX: u16 = 2000;

/// One request.
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

/// The requests that read all points.
pub fn plan(points: &[Point]) -> Vec<Read> {
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
        match reads.last_mut() {
            Some(read)
                if read.function == point.function
                    && u32::from(read.start) + u32::from(read.count)
                        == u32::from(point.register)
                    && read.count + point.kind.width() <= max =>
            {
                read.count += point.kind.width();
                read.points.push(index);
            }
            _ => reads.push(Read {
                function: point.function,
                start: point.register,
                count: point.kind.width(),
                points: vec![index],
            }),
        }
    }
    reads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;
    use contract::problems::Problems;

    #[test]
    fn touching_registers_are_joined_and_holes_are_not() {
        let point = |name: &str, function: &str, register: u16, kind: &str| {
            format!(
                "[[point]]\nname=\"{name}\"\nfunction=\"{function}\"\nregister={register}\ntype=\"{kind}\"\nunit=\"A\"\nrange=[0,1]\n"
            )
        };
        let text = [
            "name = \"x\"\n".to_owned(),
            point("d", "holding", 7, "u16"),
            point("a", "holding", 0, "f32"),
            point("b", "holding", 2, "f64"),
            point("c", "input", 6, "u16"),
            point("e", "coil", 0, "bool"),
        ]
        .concat();
        let mut problems = Problems::new();
        let points = profile::read("x.toml", &text, &mut problems).points;
        assert!(problems.is_empty(), "{problems}");
        let reads = plan(&points);
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
