//! A serial line behind a TCP box, made here: it passes answers on to whoever is connected, also those that come late.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, tcp::OwnedWriteHalf},
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// What its devices do. All units have the same registers: each holds the number of the question that read it.
#[derive(Default)]
pub struct State {
    /// Questions heard so far: unit, first register, count.
    pub heard: Vec<(u8, u16, u16)>,
    /// How long after a question its answer comes, a list that is gone round.
    pub delays: Vec<Duration>,
    /// Units that never answer.
    pub dead: HashSet<u8>,
    /// Registers that are refused, with the exception.
    pub refused: HashMap<u16, u8>,
    /// Registers that hold something else.
    pub fixed: HashMap<u16, u16>,
}

impl State {
    /// The answer to a question, and when it comes.
    fn hear(&mut self, frame: &[u8]) -> (Instant, Option<Vec<u8>>) {
        let answer = self.answer(frame);
        let delays = self.delays.len().max(1);
        let delay = self.delays.get(self.heard.len() % delays).copied();
        (Instant::now() + delay.unwrap_or_default(), answer)
    }

    fn answer(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let word = |n: usize| u16::from_be_bytes([frame[n], frame[n + 1]]);
        let (unit, start, count) = (frame[0], word(2), word(4));
        self.heard.push((unit, start, count));
        let registers = start..start + count;
        let mut answer = vec![unit, frame[1]];
        if self.dead.contains(&unit) {
            return None;
        }
        let refused = registers.clone().find_map(|r| self.refused.get(&r));
        // There are no coils and no discrete inputs.
        let no_bits = (frame[1] <= 2).then_some(&1);
        if let Some(code) = no_bits.or(refused) {
            answer[1] |= 0x80;
            answer.push(*code);
        } else {
            answer.push((count * 2) as u8);
            for register in registers {
                let number = self.heard.len() as u16;
                let word = self.fixed.get(&register).unwrap_or(&number);
                answer.extend(word.to_be_bytes());
            }
        }
        answer.extend(crc(&answer));
        Some(answer)
    }
}

/// The checksum, bit by bit as the specification tells it, low byte first.
fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut register = 0xFFFFu16;
    for byte in bytes {
        register ^= u16::from(*byte);
        for _ in 0..8 {
            let carry = register & 1;
            register >>= 1;
            if carry == 1 {
                register ^= 0xA001;
            }
        }
    }
    [register as u8, (register >> 8) as u8]
}

/// The line.
#[derive(Clone)]
pub struct Line {
    /// Where the box listens.
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Line {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Questions heard so far.
    pub fn heard(&self) -> usize {
        self.state().heard.len()
    }

    pub async fn start() -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Line {
            address: listener.local_addr().unwrap().to_string(),
            state: Arc::default(),
        };
        let (questions, waiting) = mpsc::unbounded_channel();
        let connected: Arc<tokio::sync::Mutex<Option<OwnedWriteHalf>>> = Arc::default();
        tokio::spawn(answer(waiting, connected.clone()));
        let heard = line.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut read, write) = stream.into_split();
                *connected.lock().await = Some(write);
                let (questions, line) = (questions.clone(), heard.clone());
                tokio::spawn(async move {
                    let mut frame = [0u8; 8];
                    while read.read_exact(&mut frame).await.is_ok() {
                        assert_eq!(frame[6..], crc(&frame[..6]), "the agent's checksum");
                        questions.send(line.state().hear(&frame)).unwrap();
                    }
                });
            }
        });
        line
    }
}

/// The devices answer in the order of the questions.
async fn answer(
    mut waiting: mpsc::UnboundedReceiver<(Instant, Option<Vec<u8>>)>,
    connected: Arc<tokio::sync::Mutex<Option<OwnedWriteHalf>>>,
) {
    while let Some((at, answer)) = waiting.recv().await {
        sleep_until(at).await;
        if let (Some(answer), Some(to)) = (answer, &mut *connected.lock().await) {
            // Whoever asked may have gone; the line does not care.
            let _ = to.write_all(&answer).await;
        }
    }
}
