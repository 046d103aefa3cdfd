//! The receipt: the gateway's word that readings are in its journal, sent after fsync.
//!
//! A OneDoor agent numbers its records 1, 2, 3, … within a *stream* (the identity of its buffer file: a new
//! buffer is a new stream). Every data payload carries both as metrics (see [`crate::payload`]). The receipt
//! travels as an NCMD to the agent with two metrics, [`STREAM`] and [`THROUGH`].

/// Name of the UInt64 metric in NDATA/DDATA that numbers the record within its stream. Its alias is 0.
pub const SEQUENCE: &str = "OneDoor/Sequence";
/// Alias of [`SEQUENCE`], announced in the node birth.
pub const SEQUENCE_ALIAS: u64 = 0;
/// Name of the String metric in NBIRTH (and in the receipt) that identifies the buffer.
pub const STREAM: &str = "OneDoor/Stream";
/// Name of the UInt64 metric in NBIRTH with the oldest record number the agent still holds: everything before it
/// has a receipt, be it from a gateway whose journal is gone. Optional.
pub const FIRST: &str = "OneDoor/First";
/// Name of the UInt64 metric in the receipt: every record up to and including this one is journaled.
pub const THROUGH: &str = "OneDoor/Through";
/// Name of the Boolean metric that asks an edge node for a new birth (Sparkplug B 3.0, 6.4.19).
pub const REBIRTH: &str = "Node Control/Rebirth";
/// Name of the Boolean metric in an NCMD that asks an agent for a certificate request (see [`crate::enrol`]).
pub const RENEW: &str = "OneDoor/Renew";
/// Name of the String metric in an NCMD with the certificate (PEM) that answers a certificate request.
pub const CERTIFICATE: &str = "OneDoor/Certificate";
/// Name of the UInt64 metric in NBIRTH and NDEATH that ties a death to its birth (Sparkplug B 3.0).
pub const BDSEQ: &str = "bdSeq";

/// "Every record of `stream` up to and including `through` is journaled."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which buffer.
    pub stream: String,
    /// The highest record number of an unbroken run from 1.
    pub through: u64,
}
