//! What a block of the buffer was, said in a gap: for the oldest ones before a full buffer lets go of them, and for one that
//! cannot be read back.

use crate::record::Record;
use contract::{DeviceId, Gap, GapReason, Timestamp};
use journal::{Block, Journal, ReadError, Seq};

/// More readings than this are in no record; a damaged block may say anything.
const READINGS_MAX: u64 = u16::MAX as u64;
/// A damaged block may name any time; one before 2000 is none.
const YEAR_2000: Timestamp = Timestamp::from_millis(946_684_800_000);

/// Who and when, where a block does not say it any more.
#[derive(Debug, Clone)]
pub struct Otherwise {
    /// Which device.
    pub device: DeviceId,
    /// When.
    pub at: Timestamp,
}

/// What is missing without a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// The block's number.
    pub number: u64,
    /// Whose readings.
    pub device: DeviceId,
    /// Which.
    pub gap: Gap,
}

/// The oldest blocks, as many as hold `bytes`, at least one if there is one, and the number of the last of them.
pub fn oldest(
    journal: &Journal,
    bytes: u64,
    otherwise: &Otherwise,
) -> Result<Option<(Seq, Vec<GivenUp>)>, ReadError> {
    let (mut next, head) = (journal.first(), journal.head().0);
    let (mut lost, mut freed, mut through) = (Vec::new(), 0, None);
    while freed < bytes && next <= head {
        let read = journal.read(next, 1);
        match read {
            Ok(blocks) => {
                let Some(block) = blocks.into_iter().next() else {
                    break;
                };
                freed += block.body.len() as u64;
                lost.push(of(next, Some(&block), GapReason::BufferFull, otherwise));
            }
            Err(ReadError::Corrupt { .. }) => {
                let damaged = damaged(journal, next, otherwise);
                freed += journal.remains(next).map_or(0, |b| b.body.len() as u64);
                lost.push(damaged);
            }
            Err(ReadError::Trimmed { first, .. }) => {
                next = first;
                continue;
            }
            Err(error) => return Err(error),
        }
        through = Some(next);
        next = next.next();
    }
    Ok(through.map(|through| (through, lost)))
}

/// What is missing without a block that cannot be read back, as far as it still says.
pub fn damaged(journal: &Journal, seq: Seq, otherwise: &Otherwise) -> GivenUp {
    of(
        seq,
        journal.remains(seq).as_ref(),
        GapReason::Damaged,
        otherwise,
    )
}

fn of(seq: Seq, block: Option<&Block>, reason: GapReason, otherwise: &Otherwise) -> GivenUp {
    let record = block.and_then(|block| Record::decode(&block.body).ok());
    let records = Some((seq.0, seq.0));
    let (device, gap) = match record {
        Some(Record {
            device,
            gap: Some(gap),
            ..
        }) => {
            let (first, last) = gap.records.unwrap_or((seq.0, seq.0));
            let records = Some((first, last.max(seq.0)));
            (device, Gap { records, ..gap })
        }
        Some(record) => {
            let times = || record.readings.iter().map(|reading| reading.at);
            let gap = Gap {
                from: times().min().unwrap_or(record.at),
                to: times().max().unwrap_or(record.at),
                readings: record.readings.len() as u64,
                reason,
                records,
            };
            (record.device, gap)
        }
        None => {
            let at = block.map(|block| Timestamp::from_millis(block.at_ms));
            let at = at.filter(|at| *at >= YEAR_2000).unwrap_or(otherwise.at);
            let gap = Gap {
                from: at,
                to: at,
                readings: block.map_or(0, |block| block.count.min(READINGS_MAX)),
                reason: GapReason::Damaged,
                records,
            };
            (otherwise.device.clone(), gap)
        }
    };
    GivenUp {
        number: seq.0,
        device,
        gap,
    }
}
