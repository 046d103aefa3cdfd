//! How detector state stands in a snapshot: numbers in a row, little-endian. Pure.
//!
//! A snapshot is only read by rules of the same ids and versions; a part that does not read through is refused
//! as a whole, and the detector then starts from the journal.

/// A snapshot that does not read through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a snapshot of the detector is damaged")]
pub struct DamagedState;

/// Writes state.
#[derive(Debug, Default)]
pub struct Out(pub Vec<u8>);

impl Out {
    /// An integer.
    pub fn int(&mut self, n: i64) {
        self.0.extend_from_slice(&n.to_le_bytes());
    }

    /// A small count or flag.
    pub fn short(&mut self, n: u32) {
        self.0.extend_from_slice(&n.to_le_bytes());
    }

    /// A number; NaN is kept.
    pub fn float(&mut self, x: f64) {
        self.0.extend_from_slice(&x.to_bits().to_le_bytes());
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Bytes with their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.short(bytes.len() as u32);
        self.0.extend_from_slice(bytes);
    }
}

/// Reads state.
#[derive(Debug)]
pub struct In<'a>(pub &'a [u8]);

impl<'a> In<'a> {
    /// An integer.
    pub fn int(&mut self) -> Result<i64, DamagedState> {
        Ok(i64::from_le_bytes(self.take()?))
    }

    /// A small count or flag.
    pub fn short(&mut self) -> Result<u32, DamagedState> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    /// A number.
    pub fn float(&mut self) -> Result<f64, DamagedState> {
        Ok(f64::from_bits(u64::from_le_bytes(self.take()?)))
    }

    /// A text.
    pub fn text(&mut self) -> Result<String, DamagedState> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| DamagedState)
    }

    /// Bytes with their length.
    pub fn bytes(&mut self) -> Result<&'a [u8], DamagedState> {
        let length = self.short()? as usize;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(DamagedState)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DamagedState> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(DamagedState)?;
        self.0 = rest;
        Ok(*bytes)
    }
}
