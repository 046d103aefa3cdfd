//! The receipt: the gateway's word that readings are in its journal, sent after fsync.
//!
//! A OneDoor agent numbers its records 1, 2, 3, … within a *stream* (the identity of its buffer file: a new
//! buffer is a new stream). Every data payload carries both as metrics (see [`crate::payload`]). The receipt
//! travels as an NCMD to the agent with the metrics [`STREAM`], [`THROUGH`], [`HIGHEST`] and, if there is something beyond,
//! [`ALSO`], after every birth and every commit. The time of its payload is the gateway's clock when it was written.

/// Name of the UInt64 metric in NDATA/DDATA that numbers the record within its stream. Its alias is 0.
pub const SEQUENCE: &str = "OneDoor/Sequence";
/// Alias of [`SEQUENCE`], announced in the node birth.
pub const SEQUENCE_ALIAS: u64 = 0;
/// Name of the String metric in NBIRTH (and in the receipt) that identifies the buffer.
pub const STREAM: &str = "OneDoor/Stream";
/// Name of the UInt64 metric in NBIRTH with the oldest record number the agent still holds: everything before it
/// has a receipt, be it from a gateway whose journal is gone. Optional.
pub const FIRST: &str = "OneDoor/First";
/// Name of the String metric in data that carries a [`crate::Gap`] of the device as JSON.
pub const GAP: &str = "OneDoor/Gap";
/// Name of the Bytes metric in data with what the device sent, byte for byte, for devices that send messages of their
/// own (an HJ 212 frame, a JSON text).
pub const RAW: &str = "OneDoor/Raw";
/// Every metric of ours that is not a point begins with this.
pub const PREFIX: &str = "OneDoor/";
/// Name of the UInt64 metric in the receipt: every record up to and including this one is journaled.
pub const THROUGH: &str = "OneDoor/Through";
/// Name of the UInt64 metric in the receipt: the highest record number of the stream that the gateway has or has under
/// way. An agent that never gave that number learns from it that somebody else uses its stream. Optional.
pub const HIGHEST: &str = "OneDoor/Highest";
/// Name of the String metric in the receipt with ranges of records beyond [`THROUGH`] that are journaled too, such as
/// `310-352,400-400`: the lowest and the highest of them, [`ALSO_MAX`] at most. Left out if there are none.
pub const ALSO: &str = "OneDoor/Also";
/// Ranges in [`ALSO`] at most.
pub const ALSO_MAX: usize = 32;
/// Name of the String metric in NDATA in which an agent says how it does: [`crate::status::AgentStatus`] as JSON.
pub const STATUS: &str = "OneDoor/Status";
/// Name of the Boolean metric that asks an edge node for a new birth (Sparkplug B 3.0, 6.4.19).
pub const REBIRTH: &str = "Node Control/Rebirth";
/// Name of the Boolean metric in an NCMD that asks an agent for a certificate request (see [`crate::enrol`]).
pub const RENEW: &str = "OneDoor/Renew";
/// Name of the String metric in an NCMD with the certificate (PEM) that answers a certificate request.
pub const CERTIFICATE: &str = "OneDoor/Certificate";
/// Name of the String metric in an NCMD with the configuration an agent is to run: [`crate::configuration::Desired`] as JSON.
pub const CONFIGURATION: &str = "OneDoor/Configuration";
/// Name of the String metric in an NCMD with the sealed originals that two persons have approved to fetch (see
/// [`crate::footage`]): a JSON list of SHA-256 in hexadecimal, repeated until they came.
pub const WANTED: &str = "OneDoor/Wanted";
/// Originals that one command asks for at most.
pub const WANTED_MAX: usize = 256;
/// Name of the UInt64 metric in NBIRTH and NDEATH that ties a death to its birth (Sparkplug B 3.0).
pub const BDSEQ: &str = "bdSeq";

/// "Every record of `stream` up to and including `through` is journaled."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which buffer.
    pub stream: String,
    /// The highest record number of an unbroken run from 1.
    pub through: u64,
    /// The highest record number of the stream that the gateway has heard of; `through` if it does not say.
    pub highest: u64,
    /// Ranges beyond `through`, first and last, that are journaled; not necessarily all (see [`few`]).
    pub also: Vec<(u64, u64)>,
}

/// The lowest and the highest of these ranges, [`ALSO_MAX`] at most.
pub fn few(ranges: &[(u64, u64)]) -> Vec<(u64, u64)> {
    match ranges.len() {
        0..=ALSO_MAX => ranges.to_vec(),
        n => [&ranges[..ALSO_MAX / 2], &ranges[n - ALSO_MAX / 2..]].concat(),
    }
}

/// The ranges as the text of [`ALSO`].
pub fn also_to_text(ranges: &[(u64, u64)]) -> String {
    let parts: Vec<String> = ranges
        .iter()
        .map(|(from, to)| format!("{from}-{to}"))
        .collect();
    parts.join(",")
}

/// The ranges in the text of [`ALSO`]. What is not a range is left out: what is not known to be there is sent again.
pub fn also_from_text(text: &str) -> Vec<(u64, u64)> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-')?;
        let (from, to) = (from.parse().ok()?, to.parse().ok()?);
        (from > 0 && from <= to).then_some((from, to))
    };
    text.split(',').take(ALSO_MAX).filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_beyond_the_receipt_are_few_and_nonsense_is_none() {
        assert_eq!(also_to_text(&few(&[(10, 13), (20, 20)])), "10-13,20-20");
        let ranges: Vec<(u64, u64)> = (1..=80).map(|n| (n * 10, n * 10 + 3)).collect();
        let expected = [&ranges[..16], &ranges[64..]].concat();
        assert_eq!(also_from_text(&also_to_text(&few(&ranges))), expected);
        assert_eq!(
            also_from_text("9-7,x,0-4,,5-5,-,1-99999999999999999999"),
            [(5, 5)]
        );
    }
}
