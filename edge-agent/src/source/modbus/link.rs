//! One connection to a bus: a TCP gateway, or a serial line at hand or behind a TCP box.
//!
//! Promise: a question is bounded in time. After a time-out or any fault a TCP connection is dropped, and what is still
//! coming on a serial line is thrown away until it is quiet. On a line without transaction numbers that is not enough:
//! what keeps a later answer of the same unit off is in `poll`.

use super::wire::{Question, RTU_MAX, Said, TCP_HEADER};
use serial2_tokio::{CharSize, Parity as SerialParity, SerialPort, Settings, StopBits};
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep_until, timeout_at},
};

/// Above 19,200 baud the pause between frames is fixed (Serial Line V1.02, 2.5.1.1).
const PAUSE_MIN: Duration = Duration::from_micros(1_750);
/// A line on which somebody talks without end is given up after this.
const DRAIN_MAX: Duration = Duration::from_millis(500);
/// Bytes of an answer that could not be read, kept to be shown.
const SAMPLE_BYTES: usize = 32;

/// Where a bus is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Modbus TCP at `host:port`.
    Tcp(String),
    /// A serial line behind a box that passes its bytes on, at `host:port`.
    RtuOverTcp(String, Line),
    /// A serial line at this device file.
    Serial(String, Line),
}

/// How bytes go over a serial line; eight data bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Bits a second.
    pub baud: u32,
    /// The parity bit.
    pub parity: Parity,
    /// One or two.
    pub stop_bits: u8,
}

/// The parity bit of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parity {
    /// There is none.
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

impl std::str::FromStr for Parity {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Parity::None),
            "even" => Ok(Parity::Even),
            "odd" => Ok(Parity::Odd),
            _ => Err(format!("{text:?} is not one of none, even, odd")),
        }
    }
}

impl Line {
    /// How long this many bytes take.
    pub fn time(&self, bytes: usize) -> Duration {
        let parity = u64::from(self.parity != Parity::None);
        let bits = (1 + 8 + parity + u64::from(self.stop_bits)) * bytes as u64;
        Duration::from_micros(bits * 1_000_000 / u64::from(self.baud))
    }

    /// The quiet between two frames: three and a half characters.
    pub fn pause(&self) -> Duration {
        PAUSE_MIN.max(self.time(7) / 2)
    }
}

impl Endpoint {
    /// True where frames carry no transaction number.
    pub fn is_rtu(&self) -> bool {
        self.line().is_some()
    }

    fn line(&self) -> Option<&Line> {
        match self {
            Endpoint::Tcp(_) => None,
            Endpoint::RtuOverTcp(_, line) | Endpoint::Serial(_, line) => Some(line),
        }
    }

    /// How long question and answer are on the line.
    pub fn wire_time(&self, question: &Question) -> Duration {
        let time = |line: &Line| line.time(question.rtu_bytes()) + line.pause();
        self.line().map(time).unwrap_or_default()
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Endpoint::Tcp(address) => f.write_str(address),
            Endpoint::RtuOverTcp(address, _) => write!(f, "rtu over {address}"),
            Endpoint::Serial(path, _) => f.write_str(path),
        }
    }
}

/// Why there are no registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The connection could not be made.
    NoConnection,
    /// Nothing in time.
    Silent,
    /// The connection broke.
    Broken,
    /// Something came that is no answer to the question; its first bytes.
    Unreadable(Vec<u8>),
    /// The device said no.
    Exception(u8),
}

/// A connection, open or not.
pub struct Link {
    endpoint: Endpoint,
    stream: Option<Stream>,
    transaction: u16,
    quiet_from: Instant,
}

enum Stream {
    Tcp(TcpStream),
    Serial(SerialPort),
}

impl Stream {
    async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = match self {
            Stream::Tcp(stream) => stream.read(bytes).await?,
            Stream::Serial(port) => port.read(bytes).await?,
        };
        match read {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }

    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.write_all(bytes).await,
            Stream::Serial(port) => port.write_all(bytes).await,
        }
    }
}

impl Link {
    /// Not yet open.
    pub fn new(endpoint: Endpoint) -> Link {
        Link {
            endpoint,
            stream: None,
            transaction: 0,
            quiet_from: Instant::now(),
        }
    }

    /// Where it leads.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks once. A connection that the other side closed since the last question is made anew, once.
    pub async fn ask(
        &mut self,
        question: &Question,
        deadline: Instant,
    ) -> Result<Vec<u16>, Failure> {
        let was_open = self.stream.is_some();
        let mut said = self.try_ask(question, deadline).await;
        if was_open && said == Err(Failure::Broken) {
            said = self.try_ask(question, deadline).await;
        }
        said
    }

    async fn try_ask(
        &mut self,
        question: &Question,
        deadline: Instant,
    ) -> Result<Vec<u16>, Failure> {
        // Taken out: whatever interrupts the question, the connection is gone with it.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.open(deadline).await?,
        };
        let said = match self.endpoint.line().copied() {
            None => self.ask_tcp(&mut stream, question, deadline).await,
            Some(line) => self.ask_rtu(&mut stream, line, question, deadline).await,
        };
        match said {
            Ok(Said::Words(words)) => {
                self.stream = Some(stream);
                Ok(words)
            }
            Ok(Said::Exception(code)) => {
                self.stream = Some(stream);
                Err(Failure::Exception(code))
            }
            Err(failure) => {
                if let (Stream::Serial(_), Some(line)) = (&stream, self.endpoint.line())
                    && failure != Failure::Broken
                {
                    drain(&mut stream, line.pause()).await;
                    self.stream = Some(stream);
                }
                Err(failure)
            }
        }
    }

    async fn open(&self, deadline: Instant) -> Result<Stream, Failure> {
        match &self.endpoint {
            Endpoint::Tcp(address) | Endpoint::RtuOverTcp(address, _) => {
                let stream = timeout_at(deadline, TcpStream::connect(address)).await;
                let Ok(Ok(stream)) = stream else {
                    return Err(Failure::NoConnection);
                };
                // Small questions must not wait for each other; a stack that cannot do it is only slower.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
            Endpoint::Serial(path, line) => {
                let port = SerialPort::open(path, |settings: Settings| set(settings, line));
                port.map(Stream::Serial).map_err(|_| Failure::NoConnection)
            }
        }
    }

    async fn ask_tcp(
        &mut self,
        stream: &mut Stream,
        question: &Question,
        deadline: Instant,
    ) -> Result<Said, Failure> {
        self.transaction = self.transaction.wrapping_add(1);
        let transaction = self.transaction;
        let talk = async {
            let broken = |_| Failure::Broken;
            let frame = question.tcp(transaction);
            stream.write_all(&frame).await.map_err(broken)?;
            let mut header = [0; TCP_HEADER];
            fill(stream, &mut header).await?;
            let Some(length) = question.body_length(transaction, header) else {
                return Err(Failure::Unreadable(header.to_vec()));
            };
            let mut body = vec![0; length];
            fill(stream, &mut body).await?;
            let said = question.said(&body);
            said.ok_or_else(|| Failure::Unreadable(sample(&[&header[..], &body].concat())))
        };
        timeout_at(deadline, talk)
            .await
            .unwrap_or(Err(Failure::Silent))
    }

    async fn ask_rtu(
        &mut self,
        stream: &mut Stream,
        line: Line,
        question: &Question,
        deadline: Instant,
    ) -> Result<Said, Failure> {
        sleep_until(self.quiet_from).await;
        discard(stream)?;
        let mut bytes = Vec::with_capacity(question.rtu_bytes());
        let talk = async {
            let broken = |_| Failure::Broken;
            stream.write_all(&question.rtu()).await.map_err(broken)?;
            let mut some = [0; RTU_MAX];
            while bytes.len() <= 2 * RTU_MAX {
                let read = stream.read(&mut some).await.map_err(broken)?;
                bytes.extend_from_slice(&some[..read]);
                if let Some(said) = question.find_rtu(&bytes) {
                    return Ok(said);
                }
            }
            Err(Failure::Unreadable(Vec::new()))
        };
        let said = timeout_at(deadline, talk).await;
        self.quiet_from = Instant::now() + line.pause();
        match said {
            Ok(Err(Failure::Unreadable(_))) => Err(Failure::Unreadable(sample(&bytes))),
            Ok(said) => said,
            Err(_) if bytes.is_empty() => Err(Failure::Silent),
            Err(_) => Err(Failure::Unreadable(sample(&bytes))),
        }
    }
}

async fn fill(stream: &mut Stream, mut bytes: &mut [u8]) -> Result<(), Failure> {
    while !bytes.is_empty() {
        let read = stream.read(bytes).await.map_err(|_| Failure::Broken)?;
        bytes = &mut bytes[read..];
    }
    Ok(())
}

fn sample(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len().min(SAMPLE_BYTES)].to_vec()
}

fn set(mut settings: Settings, line: &Line) -> io::Result<Settings> {
    settings.set_raw();
    settings.set_baud_rate(line.baud)?;
    settings.set_char_size(CharSize::Bits8);
    settings.set_parity(match line.parity {
        Parity::None => SerialParity::None,
        Parity::Even => SerialParity::Even,
        Parity::Odd => SerialParity::Odd,
    });
    settings.set_stop_bits(match line.stop_bits {
        2 => StopBits::Two,
        _ => StopBits::One,
    });
    Ok(settings)
}

/// Throws away what has come in already.
fn discard(stream: &mut Stream) -> Result<(), Failure> {
    match stream {
        Stream::Serial(port) => port.discard_input_buffer().map_err(|_| Failure::Broken),
        Stream::Tcp(stream) => loop {
            match stream.try_read(&mut [0; RTU_MAX]) {
                Ok(0) => return Err(Failure::Broken),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Failure::Broken),
            }
        },
    }
}

/// Throws away what comes until nothing has come for `quiet`.
async fn drain(stream: &mut Stream, quiet: Duration) {
    let end = Instant::now() + DRAIN_MAX;
    let mut some = [0; RTU_MAX];
    loop {
        let until = (Instant::now() + quiet).min(end);
        // A fault of the line shows again when it is next used.
        if !matches!(timeout_at(until, stream.read(&mut some)).await, Ok(Ok(_))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_on_a_line_follows_from_its_settings() {
        let line = |baud, parity, stop_bits| Line {
            baud,
            parity,
            stop_bits,
        };
        let slow = line(9_600, Parity::None, 1);
        assert_eq!(slow.time(96), Duration::from_millis(100));
        assert_eq!(
            line(9_600, Parity::Even, 1).time(96),
            Duration::from_millis(110)
        );
        assert_eq!(slow.pause().as_micros(), 3_645);
        assert_eq!(line(115_200, Parity::None, 2).pause(), PAUSE_MIN);
        assert_eq!(
            "mark".parse::<Parity>().unwrap_err(),
            "\"mark\" is not one of none, even, odd"
        );
    }
}
