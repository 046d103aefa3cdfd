//! An instrument that speaks Modbus TCP. Its own encoder: the product's codec is not used here.
//!
//! Promise: a request is answered from one consistent set of registers; a read of a register that does not
//! exist is exception 02, more than 125 registers exception 03, any other function exception 01.
//! Functions 03 (holding) and 04 (input) read the same registers. One connection, one task.
//! Frame: Modbus Messaging on TCP/IP V1.0b, section 3.1.3 (MBAP header) and Application Protocol V1.1b3, 6.3 and 6.4.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const READ_HOLDING: u8 = 3;
const READ_INPUT: u8 = 4;
const REGISTERS_MAX: u16 = 125;
const ILLEGAL_FUNCTION: u8 = 1;
const ILLEGAL_ADDRESS: u8 = 2;
const ILLEGAL_VALUE: u8 = 3;

/// How a number lies in registers. Most significant register first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Encoding {
    /// One register, signed, holding value / scale.
    I16 {
        /// What one count is worth.
        scale: f64,
    },
    /// One register, unsigned, holding value / scale.
    U16 {
        /// What one count is worth.
        scale: f64,
    },
    /// Two registers, IEEE 754 single.
    F32,
    /// Four registers, IEEE 754 double.
    F64,
    /// Four registers, unsigned integer.
    U64,
}

impl Encoding {
    /// How many registers it takes.
    pub fn width(self) -> u16 {
        match self {
            Encoding::I16 { .. } | Encoding::U16 { .. } => 1,
            Encoding::F32 => 2,
            Encoding::F64 | Encoding::U64 => 4,
        }
    }

    /// The word for it in an agent's device profile.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::I16 { .. } => "i16",
            Encoding::U16 { .. } => "u16",
            Encoding::F32 => "f32",
            Encoding::F64 => "f64",
            Encoding::U64 => "u64",
        }
    }

    /// What one count is worth; 1 for floating point.
    pub fn scale(self) -> f64 {
        match self {
            Encoding::I16 { scale } | Encoding::U16 { scale } => scale,
            _ => 1.0,
        }
    }

    /// The registers that hold `value`; integers saturate at the ends of their range.
    pub fn encode(self, value: f64) -> Vec<u16> {
        match self {
            Encoding::I16 { scale } => vec![(value / scale).round() as i16 as u16],
            Encoding::U16 { scale } => vec![(value / scale).round() as u16],
            Encoding::F32 => words(u64::from((value as f32).to_bits()) << 32, 2),
            Encoding::F64 => words(value.to_bits(), 4),
            Encoding::U64 => words(value as u64, 4),
        }
    }
}

fn words(bits: u64, count: usize) -> Vec<u16> {
    (0..count).map(|i| (bits >> (48 - 16 * i)) as u16).collect()
}

/// How the instrument misbehaves on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// It does not.
    #[default]
    None,
    /// It takes requests and never answers.
    Silent,
    /// It answers every request with this exception.
    Exception(u8),
}

#[derive(Debug, Default)]
struct Bank {
    words: BTreeMap<u16, u16>,
    fault: Fault,
}

/// The registers of one instrument; clones are handles to the same instrument.
#[derive(Debug, Clone)]
pub struct Registers {
    bank: Arc<Mutex<Bank>>,
    reads: watch::Sender<(u16, u16, u64)>,
}

impl Default for Registers {
    fn default() -> Self {
        Registers {
            bank: Arc::default(),
            reads: watch::Sender::new((0, 0, 0)),
        }
    }
}

impl Registers {
    fn lock(&self) -> MutexGuard<'_, Bank> {
        self.bank
            .lock()
            .expect("no code panics while it holds the registers")
    }

    /// Writes several numbers at once: no request sees half of them.
    pub fn write(&self, numbers: impl IntoIterator<Item = (u16, Vec<u16>)>) {
        let mut bank = self.lock();
        for (first, words) in numbers {
            for (i, word) in words.into_iter().enumerate() {
                bank.words.insert(first + i as u16, word);
            }
        }
    }

    /// From now on the instrument misbehaves like this.
    pub fn set_fault(&self, fault: Fault) {
        self.lock().fault = fault;
    }

    /// The latest answered read: first register, count, and how many reads were answered so far.
    pub fn reads(&self) -> watch::Receiver<(u16, u16, u64)> {
        self.reads.subscribe()
    }

    /// Answers one request PDU; `None` is silence.
    fn answer(&self, pdu: &[u8]) -> Option<Vec<u8>> {
        let bank = self.lock();
        let function = *pdu.first()?;
        let refuse = |code: u8| Some(vec![function | 0x80, code]);
        match bank.fault {
            Fault::None => {}
            Fault::Silent => return None,
            Fault::Exception(code) => return refuse(code),
        }
        if function != READ_HOLDING && function != READ_INPUT {
            return refuse(ILLEGAL_FUNCTION);
        }
        let [_, a, b, c, d] = *pdu else {
            return refuse(ILLEGAL_VALUE);
        };
        let (first, count) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        if count == 0 || count > REGISTERS_MAX {
            return refuse(ILLEGAL_VALUE);
        }
        let mut body = vec![function, (count * 2) as u8];
        for offset in 0..count {
            let word = first
                .checked_add(offset)
                .and_then(|register| bank.words.get(&register));
            let Some(word) = word else {
                return refuse(ILLEGAL_ADDRESS);
            };
            body.extend(word.to_be_bytes());
        }
        // Said before the registers can change: whoever changes them and then forgets earlier reads has forgotten
        // every read of the old ones.
        self.reads
            .send_modify(|latest| *latest = (first, count, latest.2 + 1));
        drop(bank);
        Some(body)
    }
}

/// A listening instrument.
pub struct Server {
    listener: TcpListener,
    registers: Registers,
}

impl Server {
    /// Binds; port 0 picks a free one.
    pub async fn bind(address: SocketAddr, registers: Registers) -> io::Result<Self> {
        Ok(Server {
            listener: TcpListener::bind(address).await?,
            registers,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until dropped.
    pub async fn run(self) -> io::Result<()> {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = self.listener.accept().await?;
            let registers = self.registers.clone();
            connections.spawn(async move {
                if let Err(error) = serve(stream, &registers).await {
                    tracing::debug!(%error, "a Modbus connection ended");
                }
            });
            while connections.try_join_next().is_some() {}
        }
    }
}

async fn serve(mut stream: TcpStream, registers: &Registers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        // Transaction, protocol (0), length of unit + PDU, unit.
        let mut header = [0u8; 7];
        if let Err(error) = stream.read_exact(&mut header).await {
            return if error.kind() == io::ErrorKind::UnexpectedEof {
                Ok(())
            } else {
                Err(error)
            };
        }
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        if header[2..4] != [0, 0] || !(2..=254).contains(&length) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a Modbus TCP header",
            ));
        }
        let mut pdu = vec![0u8; length - 1];
        stream.read_exact(&mut pdu).await?;
        let Some(body) = registers.answer(&pdu) else {
            continue;
        };
        let mut frame = header.to_vec();
        frame[4..6].copy_from_slice(&(body.len() as u16 + 1).to_be_bytes());
        frame.extend(body);
        stream.write_all(&frame).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lie_most_significant_register_first() {
        assert_eq!(
            Encoding::I16 { scale: 0.1 }.encode(-18.3),
            [(-183i16) as u16]
        );
        assert_eq!(Encoding::U16 { scale: 0.01 }.encode(-1.0), [0]);
        assert_eq!(Encoding::F32.encode(1.5), [0x3fc0, 0]);
        assert_eq!(Encoding::F64.encode(-2.0), [0xc000, 0, 0, 0]);
        assert_eq!(Encoding::U64.encode(65_537.0), [0, 0, 1, 1]);
    }

    #[test]
    fn a_request_gets_its_registers_or_the_exception_it_deserves() {
        let registers = Registers::default();
        registers.write([(10, vec![0x0102, 0x0304])]);
        assert_eq!(
            registers.answer(&[3, 0, 10, 0, 2]),
            Some(vec![3, 4, 1, 2, 3, 4])
        );
        assert_eq!(registers.answer(&[4, 0, 11, 0, 2]), Some(vec![0x84, 2]));
        assert_eq!(
            registers.answer(&[3, 0xff, 0xff, 0, 2]),
            Some(vec![0x83, 2])
        );
        assert_eq!(registers.answer(&[3, 0, 10, 0, 126]), Some(vec![0x83, 3]));
        assert_eq!(registers.answer(&[6, 0, 10, 0, 1]), Some(vec![0x86, 1]));
        registers.set_fault(Fault::Exception(4));
        assert_eq!(registers.answer(&[3, 0, 10, 0, 2]), Some(vec![0x83, 4]));
        registers.set_fault(Fault::Silent);
        assert_eq!(registers.answer(&[3, 0, 10, 0, 2]), None);
    }
}
