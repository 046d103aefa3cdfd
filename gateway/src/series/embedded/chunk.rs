//! How a chunk of readings stands on disk. Pure; the only code that knows these bytes.
//!
//! `version u8 (1), n u32, times, values, qualities`; every part is `kind u8, length u32, bytes`.
//!
//! | part | kinds |
//! |---|---|
//! | times | 0 first and step (`i64`, `i64`), 1 pco of the differences, 2 plain `i64` |
//! | values (absences left out) | 0 one value for all, 1 pco of `f64`, 2 plain `f64`, 16+k pco of the value times 10^k as a whole number |
//! | qualities | 0 all good, 1 runs of (`u8` code, `u32` length) |
//!
//! Integers are little-endian. Decimal values are turned into whole numbers only where the division gives the
//! very same bits back; anything else goes as it is, so decoding always returns the bits that came in.

use super::columns::{Columns, FIRST_MISSING, Summary};
use pco::{ChunkConfig, DeltaSpec, ModeSpec};

const VERSION: u8 = 1;
const DECIMALS_MAX: u8 = 4;
const READINGS_MAX: u32 = 1 << 24;

/// A chunk that is not written any more.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Earliest time in it.
    pub t0: i64,
    /// Latest time in it.
    pub t1: i64,
    /// What is in it.
    pub summary: Summary,
    /// The journal block of its newest reading.
    pub through: u64,
    /// The bytes.
    pub body: Vec<u8>,
}

/// How hard to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Plain bytes: for what will be rewritten soon.
    Plain,
    /// pco: for what stays.
    Packed,
}

/// A chunk whose bytes are not as this code writes them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a chunk of the series store is damaged: {0}")]
pub struct DamagedChunk(&'static str);

/// Work memory, kept between chunks.
#[derive(Debug, Default)]
pub struct Scratch {
    whole: Vec<i64>,
    present: Vec<f64>,
}

/// Makes a chunk of tidy, non-empty columns.
pub fn seal(columns: &Columns, through: u64, scratch: &mut Scratch) -> Chunk {
    let mut summary = Summary::default();
    if columns.qualities.is_empty() {
        columns.values.iter().for_each(|&v| summary.take(v, 0));
    } else {
        for (index, &value) in columns.values.iter().enumerate() {
            summary.take(value, columns.code(index));
        }
    }
    Chunk {
        t0: columns.times[0],
        t1: columns.times[columns.len() - 1],
        summary,
        through,
        body: encode(columns, Effort::Packed, scratch),
    }
}

/// The bytes of columns, in whatever order they are.
pub fn encode(columns: &Columns, effort: Effort, scratch: &mut Scratch) -> Vec<u8> {
    let mut to = Vec::with_capacity(match effort {
        Effort::Plain => 32 + columns.len() * 16,
        Effort::Packed => 64 + columns.len() * 4,
    });
    to.push(VERSION);
    to.extend_from_slice(&(columns.len() as u32).to_le_bytes());
    put_times(&mut to, &columns.times, effort, scratch);
    let mut present = std::mem::take(&mut scratch.present);
    present.clear();
    let values = if columns.qualities.is_empty() {
        &columns.values
    } else {
        let all = columns.values.iter().enumerate();
        present.extend(all.filter_map(|(i, &v)| (columns.code(i) < FIRST_MISSING).then_some(v)));
        &present
    };
    put_values(&mut to, values, effort, scratch);
    scratch.present = present;
    put_qualities(&mut to, &columns.qualities);
    to
}

/// The columns of [`encode`]'s bytes.
pub fn decode(body: &[u8]) -> Result<Columns, DamagedChunk> {
    let mut parts = Parts(body);
    let n = parts.head()?;
    let times = get_times(parts.next()?, n)?;
    let (values_kind, values_bytes) = parts.next()?;
    let qualities = get_qualities(parts.next()?, n)?;
    let present = match qualities.is_empty() {
        true => n,
        false => qualities.iter().filter(|&&c| c < FIRST_MISSING).count(),
    };
    let mut values = get_values((values_kind, values_bytes), present)?;
    if present < n {
        let mut dense = values.into_iter();
        let place = |&code: &u8| match code < FIRST_MISSING {
            true => dense.next().unwrap_or(f64::NAN),
            false => f64::NAN,
        };
        values = qualities.iter().map(place).collect();
    }
    let is_unsorted = times.windows(2).any(|pair| pair[1] <= pair[0]);
    Ok(Columns {
        times,
        values,
        qualities,
        is_unsorted,
    })
}

/// Only the times of [`encode`]'s bytes.
pub fn decode_times(body: &[u8]) -> Result<Vec<i64>, DamagedChunk> {
    let mut parts = Parts(body);
    let n = parts.head()?;
    get_times(parts.next()?, n)
}

fn part(to: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    to.push(kind);
    to.extend_from_slice(&[0; 4]);
    let start = to.len();
    write(to);
    let length = (to.len() - start) as u32;
    to[start - 4..start].copy_from_slice(&length.to_le_bytes());
}

fn put_times(to: &mut Vec<u8>, times: &[i64], effort: Effort, scratch: &mut Scratch) {
    let first = times.first().copied().unwrap_or(0);
    let step = times.get(1).map_or(0, |second| second.wrapping_sub(first));
    let is_even = times.windows(2).all(|p| p[1].wrapping_sub(p[0]) == step);
    if is_even {
        part(to, 0, |to| {
            to.extend_from_slice(&first.to_le_bytes());
            to.extend_from_slice(&step.to_le_bytes());
        });
    } else if effort == Effort::Plain {
        part(to, 2, |to| {
            times
                .iter()
                .for_each(|t| to.extend_from_slice(&t.to_le_bytes()));
        });
    } else {
        // Differences by hand: pco then needs no delta of its own, and the first element carries the origin.
        part(to, 1, |to| {
            to.extend_from_slice(&first.to_le_bytes());
            scratch.whole.clear();
            scratch
                .whole
                .extend(times.windows(2).map(|p| p[1].wrapping_sub(p[0])));
            pack(to, &scratch.whole, DeltaSpec::NoOp);
        });
    }
}

fn get_times((kind, bytes): (u8, &[u8]), n: usize) -> Result<Vec<i64>, DamagedChunk> {
    match kind {
        0 => {
            let (first, step) = (int(bytes, 0)?, int(bytes, 8)?);
            Ok((0..n as i64)
                .map(|i| first.wrapping_add(step.wrapping_mul(i)))
                .collect())
        }
        1 => {
            let mut at = int(bytes, 0)?;
            let steps: Vec<i64> = unpack(&bytes[8..], n.saturating_sub(1))?;
            let mut times = Vec::with_capacity(n);
            times.push(at);
            for step in steps {
                at = at.wrapping_add(step);
                times.push(at);
            }
            Ok(times)
        }
        2 => plain(bytes, n).map(|words| words.map(i64::from_le_bytes).collect()),
        _ => Err(DamagedChunk("unknown kind of times")),
    }
}

fn put_values(to: &mut Vec<u8>, values: &[f64], effort: Effort, scratch: &mut Scratch) {
    let first = values.first().copied().unwrap_or(0.0);
    if values.iter().all(|v| v.to_bits() == first.to_bits()) {
        part(to, 0, |to| to.extend_from_slice(&first.to_le_bytes()));
    } else if effort == Effort::Plain {
        part(to, 2, |to| {
            values
                .iter()
                .for_each(|v| to.extend_from_slice(&v.to_le_bytes()));
        });
    } else if let Some(decimals) = whole_numbers(values, &mut scratch.whole) {
        let delta = delta_for(&scratch.whole);
        part(to, 16 + decimals, |to| pack(to, &scratch.whole, delta));
    } else {
        part(to, 1, |to| pack(to, values, DeltaSpec::NoOp));
    }
}

fn get_values((kind, bytes): (u8, &[u8]), n: usize) -> Result<Vec<f64>, DamagedChunk> {
    match kind {
        0 => Ok(vec![f64::from_bits(int(bytes, 0)? as u64); n]),
        1 => unpack(bytes, n),
        2 => plain(bytes, n).map(|words| words.map(f64::from_le_bytes).collect()),
        16.. if kind - 16 <= DECIMALS_MAX => {
            let scale = 10f64.powi(i32::from(kind - 16));
            let whole: Vec<i64> = unpack(bytes, n)?;
            Ok(whole.into_iter().map(|w| w as f64 / scale).collect())
        }
        _ => Err(DamagedChunk("unknown kind of values")),
    }
}

/// The least number of decimals with which every value is a whole number that divides back to the same bits.
fn whole_numbers(values: &[f64], whole: &mut Vec<i64>) -> Option<u8> {
    'decimals: for decimals in 0..=DECIMALS_MAX {
        let scale = 10f64.powi(i32::from(decimals));
        whole.clear();
        for &value in values {
            let scaled = (value * scale).round();
            if scaled.abs() > 1e15 || (scaled / scale).to_bits() != value.to_bits() {
                continue 'decimals;
            }
            whole.push(scaled as i64);
        }
        return Some(decimals);
    }
    None
}

/// Differences pay when they are much smaller than the values' own spread.
fn delta_for(whole: &[i64]) -> DeltaSpec {
    let (low, high) = whole
        .iter()
        .fold((i64::MAX, i64::MIN), |(l, h), &w| (l.min(w), h.max(w)));
    let step = whole.windows(2).map(|p| (p[1] - p[0]).abs()).max();
    match step {
        Some(step) if step < (high - low) / 2 => DeltaSpec::TryConsecutive(1),
        _ => DeltaSpec::NoOp,
    }
}

fn put_qualities(to: &mut Vec<u8>, qualities: &[u8]) {
    if qualities.iter().all(|&code| code == 0) {
        return part(to, 0, |_| {});
    }
    part(to, 1, |to| {
        for run in qualities.chunk_by(|a, b| a == b) {
            to.push(run[0]);
            to.extend_from_slice(&(run.len() as u32).to_le_bytes());
        }
    });
}

fn get_qualities((kind, bytes): (u8, &[u8]), n: usize) -> Result<Vec<u8>, DamagedChunk> {
    if kind == 0 {
        return Ok(Vec::new());
    }
    let mut qualities = Vec::with_capacity(n);
    for run in bytes.chunks_exact(5) {
        let length = u32::from_le_bytes(run[1..].try_into().expect("four bytes")) as usize;
        if length > n - qualities.len() {
            return Err(DamagedChunk("more qualities than readings"));
        }
        qualities.resize(qualities.len() + length, run[0]);
    }
    match qualities.len() == n {
        true => Ok(qualities),
        false => Err(DamagedChunk("fewer qualities than readings")),
    }
}

/// pco's level 2 costs a fraction of its default and, on chunks of some hundred readings, a few percent of size.
fn pack<T: pco::data_types::Number>(to: &mut Vec<u8>, numbers: &[T], delta: DeltaSpec) {
    let config = ChunkConfig::default()
        .with_compression_level(2)
        .with_mode_spec(ModeSpec::Classic)
        .with_delta_spec(delta);
    pco::standalone::simple_compress_into(numbers, &config, to)
        .expect("compressing numbers into memory with a fixed, valid configuration");
}

fn unpack<T: pco::data_types::Number>(bytes: &[u8], n: usize) -> Result<Vec<T>, DamagedChunk> {
    let numbers: Vec<T> = pco::standalone::simple_decompress(bytes)
        .map_err(|_| DamagedChunk("pco cannot read it"))?;
    match numbers.len() == n {
        true => Ok(numbers),
        false => Err(DamagedChunk(
            "the number of readings is not the one written down",
        )),
    }
}

fn plain(bytes: &[u8], n: usize) -> Result<impl Iterator<Item = [u8; 8]>, DamagedChunk> {
    if bytes.len() != n * 8 {
        return Err(DamagedChunk("the length of plain numbers is wrong"));
    }
    Ok(bytes
        .chunks_exact(8)
        .map(|word| word.try_into().expect("eight bytes")))
}

fn int(bytes: &[u8], at: usize) -> Result<i64, DamagedChunk> {
    let word = bytes.get(at..at + 8).ok_or(DamagedChunk("it is cut off"))?;
    Ok(i64::from_le_bytes(word.try_into().expect("eight bytes")))
}

struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn head(&mut self) -> Result<usize, DamagedChunk> {
        let (head, rest) = self
            .0
            .split_at_checked(5)
            .ok_or(DamagedChunk("it is cut off"))?;
        if head[0] != VERSION {
            return Err(DamagedChunk("its version is unknown"));
        }
        let n = u32::from_le_bytes(head[1..].try_into().expect("four bytes"));
        if n > READINGS_MAX {
            return Err(DamagedChunk("it claims too many readings"));
        }
        self.0 = rest;
        Ok(n as usize)
    }

    fn next(&mut self) -> Result<(u8, &'a [u8]), DamagedChunk> {
        let cut = DamagedChunk("it is cut off");
        let (head, rest) = self.0.split_at_checked(5).ok_or(cut.clone())?;
        let length = u32::from_le_bytes(head[1..].try_into().expect("four bytes")) as usize;
        let (bytes, rest) = rest.split_at_checked(length).ok_or(cut)?;
        self.0 = rest;
        Ok((head[0], bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(readings: impl IntoIterator<Item = (i64, f64, u8)>) -> Columns {
        let mut columns = Columns::default();
        for (at, value, code) in readings {
            columns.push(at, value, code);
        }
        columns
    }

    #[track_caller]
    fn check(columns: &Columns) {
        for effort in [Effort::Plain, Effort::Packed] {
            let body = encode(columns, effort, &mut Scratch::default());
            let back = decode(&body).unwrap();
            let bits = |c: &Columns| c.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(back.times, columns.times);
            assert_eq!(decode_times(&body).unwrap(), columns.times);
            assert_eq!(bits(&back), bits(columns));
            for index in 0..columns.len() {
                assert_eq!(back.code(index), columns.code(index));
            }
            for cut in 0..body.len() {
                let _ = decode(&body[..cut]); // an error or, with a part missing, an error; never a panic
            }
        }
    }

    #[test]
    fn every_kind_of_column_comes_back_bit_for_bit() {
        check(&columns([(5, 1.25, 0)]));
        check(&columns(
            (0..300).map(|i| (i * 1000, 20.0 + (i % 7) as f64 / 100.0, 0)),
        ));
        check(&columns(
            (0..300).map(|i| (i * 1000 + i % 3, (i as f64).sin(), 0)),
        ));
        check(&columns((0..10).map(|i| (i, -0.0, 0))));
        check(&columns([
            (i64::MIN, f64::MAX, 0),
            (0, 5e-324, 3),
            (i64::MAX, -1e300, 0),
        ]));
        check(&columns((0..50).map(|i| match i % 5 {
            0 => (i * 7, f64::NAN, 64 + (i % 6) as u8),
            _ => (i * 7, i as f64 / 10.0, (i % 3) as u8),
        })));
        check(&columns((0..9).map(|i| (i, f64::NAN, 65))));
        check(&columns([
            (9, 1.0, 0),
            (3, 2.0, 0),
            (3, 4.0, 0),
            (7, 5.5, 1),
        ]));
    }

    #[test]
    fn a_minute_of_decimals_takes_little_room() {
        let noisy = |i: i64| 200 + (i * 7919 % 97) / 10;
        let even = columns((0..240).map(|i| (i * 1000, noisy(i) as f64 / 10.0, 0)));
        let body = encode(&even, Effort::Packed, &mut Scratch::default());
        assert!(body.len() < 240 * 2, "{} bytes", body.len());
    }
}
