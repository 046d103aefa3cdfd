//! Why a connection ends, in words.

use super::super::access::Refusal;
use super::super::packet::Violation;
use journal::AppendError;
use std::io;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// The client said goodbye.
    #[error("the client disconnected")]
    Disconnect,
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
    /// The same client connected again.
    #[error("the client connected again")]
    TakenOver,
    /// It was revoked, or its certificate superseded.
    #[error("the client may not be here any more: it was revoked, or has a newer certificate")]
    Expelled,
    /// The socket ended or failed.
    #[error("the connection was lost")]
    Lost(#[source] io::Error),
    /// Nothing was heard for one and a half times the keep-alive.
    #[error("nothing was heard within the keep-alive time")]
    Silent,
    /// It does not read what it is sent.
    #[error("the client does not read")]
    NotReading,
    /// It broke the protocol.
    #[error("the client broke the protocol")]
    Violation(#[from] Violation),
    /// It is not allowed to do this.
    #[error("{name} may not publish to {topic}")]
    NotAllowed {
        /// Who.
        name: String,
        /// Where.
        topic: String,
    },
    /// It was not let in.
    #[error("refused")]
    NotAdmitted(#[source] Refusal),
    /// It was refused at the door.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// The journal takes nothing.
    #[error("the journal takes nothing")]
    Journal(#[source] AppendError),
}

impl End {
    pub(super) fn is_orderly(&self) -> bool {
        matches!(self, End::Disconnect | End::Stopping | End::Refused(_))
    }
}

/// An error with its causes in one line.
pub(super) struct Reasons<'a>(pub(super) &'a dyn std::error::Error);

impl std::fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
