//! Asks in, answers out, one after the other, until there are no more.

use crate::{Service, bounds};
use contract::vision::{Ask, BadMessage, begin, head, lengths};
use std::io::{self, ErrorKind, Read, Write};

/// Why it ended before its asks did. Whoever asks starts another process.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Nothing can be read or written any more.
    #[error("the pipe to whoever asks is broken")]
    Pipe(#[from] io::Error),
    /// What came is no ask; where the next one begins is not known.
    #[error("what came cannot be read")]
    Message(#[from] BadMessage),
    /// Memory is nearly used up, and an ask has failed.
    #[error(
        "memory is nearly used up ({used} of {most} bytes) and an ask has failed; a new process begins with none, or give \
         memory_max more"
    )]
    Memory {
        /// What is used.
        used: u64,
        /// What there is.
        most: u64,
    },
}

/// Answers until `input` ends between two asks.
pub fn serve(
    service: &mut Service,
    mut input: impl Read,
    mut output: impl Write,
) -> Result<(), ServeError> {
    let mut first = [0; 8];
    while begins(&mut input, &mut first)? {
        let (head_length, body_length) = lengths(first)?;
        let mut bytes = vec![0; head_length];
        input.read_exact(&mut bytes)?;
        let ask: Ask = head(&bytes)?;
        let mut body = vec![0; body_length];
        input.read_exact(&mut body)?;
        let (answer, body) = service.answer(ask, body);
        output.write_all(&begin(&answer, body.len()))?;
        output.write_all(&body)?;
        output.flush()?;
        let is_failed = matches!(answer.said, contract::vision::Said::Failed { .. });
        if let Some((used, most)) = is_failed.then(bounds::nearly_used_up).flatten() {
            return Err(ServeError::Memory { used, most });
        }
    }
    Ok(())
}

/// Fills `first`; false if the input ended before.
fn begins(input: &mut impl Read, first: &mut [u8; 8]) -> io::Result<bool> {
    let mut have = 0;
    while have < first.len() {
        match input.read(&mut first[have..]) {
            Ok(0) if have == 0 => return Ok(false),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(more) => have += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
