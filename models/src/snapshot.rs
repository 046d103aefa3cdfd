//! A state as bytes and back, exactly: little-endian, a version first, lengths before lists.

/// Changes whenever the layout of a state changes.
const VERSION: u8 = 1;

/// A snapshot that cannot be read. The series then starts afresh, as a new one would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by another version of the program.
    #[error(
        "the snapshot of a series has layout {0}, this program reads layout {VERSION}; delete it, the series then learns afresh"
    )]
    Version(u8),
    /// Too short, too long, or impossible.
    #[error("the snapshot of a series is damaged; delete it, the series then learns afresh")]
    Damaged,
}

pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new() -> Self {
        Self(vec![VERSION])
    }

    pub(crate) fn count(&mut self, n: u64) {
        self.0.extend(n.to_le_bytes());
    }

    pub(crate) fn float(&mut self, x: f64) {
        self.count(x.to_bits());
    }

    pub(crate) fn floats(&mut self, all: impl ExactSizeIterator<Item = f64>) {
        self.count(all.len() as u64);
        all.for_each(|x| self.float(x));
    }

    pub(crate) fn singles(&mut self, all: &[f32]) {
        self.count(all.len() as u64);
        all.iter().for_each(|x| self.0.extend(x.to_le_bytes()));
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, SnapshotError> {
        match bytes {
            [VERSION, rest @ ..] => Ok(Self(rest)),
            [other, ..] => Err(SnapshotError::Version(*other)),
            [] => Err(SnapshotError::Damaged),
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (first, rest) = self.0.split_first_chunk().ok_or(SnapshotError::Damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn count(&mut self) -> Result<u64, SnapshotError> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    pub(crate) fn float(&mut self) -> Result<f64, SnapshotError> {
        Ok(f64::from_bits(self.count()?))
    }

    pub(crate) fn floats(&mut self) -> Result<Vec<f64>, SnapshotError> {
        let n = self.count()?;
        (0..n).map(|_| self.float()).collect()
    }

    pub(crate) fn singles(&mut self) -> Result<Vec<f32>, SnapshotError> {
        let n = self.count()?;
        (0..n)
            .map(|_| Ok(f32::from_le_bytes(self.take()?)))
            .collect()
    }

    pub(crate) fn finish(self) -> Result<(), SnapshotError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(SnapshotError::Damaged)
        }
    }
}
