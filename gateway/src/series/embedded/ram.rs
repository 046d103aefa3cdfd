//! What the series store has in RAM: per point the open chunk and the sealed ones that are not committed yet. Pure.

use super::chunk::{self, Chunk, Scratch};
use super::columns::Columns;
use super::store::Progress;
use crate::ingest::record::{self, DamagedBody, Entry};
use std::sync::Arc;

/// Point numbers above this are taken for damage: the numbers are given one after another.
const POINTS_MAX: usize = 64 << 20;

/// When chunks are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealing {
    /// A chunk of this many readings is sealed at once.
    pub full: usize,
    /// A checkpoint seals an open chunk of at least this many, instead of writing it again and again.
    pub worthwhile: usize,
    /// Readings that may be open in all; above, chunks are sealed smaller.
    pub open_max: usize,
}

/// One point.
#[derive(Debug, Default)]
pub struct PointRam {
    /// The open chunk.
    pub open: Columns,
    /// Sealed since the last checkpoint, oldest first.
    pub sealed: Vec<Arc<Chunk>>,
    /// The journal block of the newest reading.
    pub through: u64,
    /// Its open chunk differs from what the file has.
    is_dirty: bool,
    /// The file has an open chunk of it.
    is_on_disk: bool,
}

/// All points.
#[derive(Debug)]
pub struct Ram {
    points: Vec<PointRam>,
    dirty: Vec<u32>,
    sealing: Sealing,
    full: usize,
    active: usize,
    progress: Progress,
    scratch: Scratch,
}

impl Ram {
    /// What the file had.
    pub fn new(sealing: Sealing, progress: Progress, open: Vec<(u32, u64, Columns)>) -> Self {
        let mut ram = Self {
            points: Vec::new(),
            dirty: Vec::new(),
            sealing,
            full: sealing.full,
            active: 0,
            progress,
            scratch: Scratch::default(),
        };
        for (point, through, columns) in open {
            if let Some(slot) = ram.slot(point) {
                slot.open = columns;
                slot.through = through;
                slot.is_on_disk = true;
            }
        }
        ram
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// A point, if a reading of it was ever seen.
    pub fn point(&self, point: u32) -> Option<&PointRam> {
        self.points.get(point as usize)
    }

    /// All points, by number.
    pub fn points(&self) -> impl Iterator<Item = (u32, &PointRam)> {
        (0..).zip(&self.points)
    }

    /// Takes a block in. Returns its readings; on damage, those before it are in and the block counts as done.
    pub fn take(&mut self, seq: u64, body: &[u8]) -> (u64, Result<(), DamagedBody>) {
        let mut taken = 0;
        let mut outcome = Ok(());
        for entry in record::entries(body) {
            match entry {
                Ok(Entry::Data(_, samples)) => {
                    for sample in samples {
                        self.reading(
                            seq,
                            sample.point.0,
                            sample.at_ms,
                            sample.value,
                            sample.quality.code(),
                        );
                        taken += 1;
                    }
                }
                Ok(_) => {}
                Err(damage) => outcome = Err(damage),
            }
        }
        self.progress.cursor = seq;
        self.progress.readings += taken;
        (taken, outcome)
    }

    #[inline]
    fn reading(&mut self, seq: u64, point: u32, at_ms: i64, value: f64, code: u8) {
        let full = self.full;
        let Some(slot) = self.slot(point) else { return };
        slot.through = seq;
        let was_dirty = std::mem::replace(&mut slot.is_dirty, true);
        let replaced = slot.open.push(at_ms, value, code);
        let is_full = slot.open.len() >= full;
        self.progress.replaced += u64::from(replaced);
        if !was_dirty {
            self.dirty.push(point);
        }
        if is_full {
            self.seal(point);
        }
    }

    fn slot(&mut self, point: u32) -> Option<&mut PointRam> {
        let index = point as usize;
        if index >= self.points.len() {
            if index >= POINTS_MAX {
                tracing::error!(
                    point,
                    "a point number of the journal is beyond reason; its reading is left out"
                );
                return None;
            }
            self.points.resize_with(index + 1, PointRam::default);
            self.active = self.points.len();
            let share = self.sealing.open_max / self.active;
            self.full = self.sealing.full.min(share.max(32));
        }
        Some(&mut self.points[index])
    }

    fn seal(&mut self, point: u32) {
        let slot = &mut self.points[point as usize];
        self.progress.replaced += slot.open.tidy() as u64;
        let chunk = chunk::seal(&slot.open, slot.through, &mut self.scratch);
        slot.sealed.push(Arc::new(chunk));
        slot.open.clear();
    }

    /// Before a checkpoint: seals what is worth it. Returns the points with something to write, in order.
    pub fn settle(&mut self) -> Vec<u32> {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        for &point in &dirty {
            if self.points[point as usize].open.len() >= self.sealing.worthwhile {
                self.seal(point);
            }
        }
        self.dirty = dirty.clone();
        dirty
    }

    /// True if the file has or must get an open chunk of the point.
    pub fn needs_open_row(&self, point: u32) -> bool {
        let slot = &self.points[point as usize];
        slot.is_on_disk || !slot.open.is_empty()
    }

    /// After the commit: what was written is the file's now.
    pub fn committed(&mut self) {
        for point in std::mem::take(&mut self.dirty) {
            let slot = &mut self.points[point as usize];
            slot.sealed.clear();
            slot.is_dirty = false;
            slot.is_on_disk = !slot.open.is_empty();
        }
    }
}
