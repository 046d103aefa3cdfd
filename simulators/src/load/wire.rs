//! The little MQTT 3.1.1 a load generator needs. Its own code on purpose: shared code hides shared mistakes.

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

pub(super) fn put_text(to: &mut Vec<u8>, text: &str) {
    to.extend_from_slice(&(text.len() as u16).to_be_bytes());
    to.extend_from_slice(text.as_bytes());
}

pub(super) fn put_length(to: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        to.push(length as u8 | 0x80);
        length >>= 7;
    }
    to.push(length as u8);
}

pub(super) fn put_connect(to: &mut Vec<u8>, client: &str, login: Option<(&str, &str)>) {
    let mut body = Vec::new();
    put_text(&mut body, "MQTT");
    let flags = 2 | if login.is_some() { 0xc0 } else { 0 };
    body.extend_from_slice(&[4, flags, 0, 0]);
    put_text(&mut body, client);
    if let Some((name, password)) = login {
        put_text(&mut body, name);
        put_text(&mut body, password);
    }
    to.push(0x10);
    put_length(to, body.len());
    to.extend_from_slice(&body);
}

pub(super) fn put_subscribe(to: &mut Vec<u8>, filter: &str) {
    to.push(0x82);
    put_length(to, 2 + 2 + filter.len() + 1);
    to.extend_from_slice(&[0, 1]);
    put_text(to, filter);
    to.push(0);
}

/// A PUBLISH; gives the place where the payload begins. `id` 0 means QoS 0.
pub(super) fn put_publish(to: &mut Vec<u8>, topic: &str, id: u16, payload: &[u8]) -> usize {
    to.push(if id > 0 { 0x32 } else { 0x30 });
    put_length(
        to,
        2 + topic.len() + if id > 0 { 2 } else { 0 } + payload.len(),
    );
    put_text(to, topic);
    if id > 0 {
        to.extend_from_slice(&id.to_be_bytes());
    }
    let start = to.len();
    to.extend_from_slice(payload);
    start
}

/// What came from the gateway and was not looked at yet.
#[derive(Default)]
pub(super) struct Input {
    pub bytes: BytesMut,
}

impl Input {
    /// Waits for the CONNACK.
    pub async fn connack(&mut self, stream: &mut TcpStream) -> anyhow::Result<()> {
        loop {
            if let Some((first, body)) = self.packet() {
                anyhow::ensure!(
                    first == 0x20 && body.get(1) == Some(&0),
                    "the gateway refused the connection"
                );
                return Ok(());
            }
            anyhow::ensure!(
                stream.read_buf(&mut self.bytes).await? > 0,
                "the gateway closed the connection"
            );
        }
    }

    /// The next whole packet: first byte and body.
    pub fn packet(&mut self) -> Option<(u8, BytesMut)> {
        let (mut length, mut head) = (0usize, 1);
        loop {
            let byte = *self.bytes.get(head)?;
            length |= usize::from(byte & 0x7f) << (7 * (head - 1));
            head += 1;
            if byte < 0x80 {
                break;
            }
        }
        if self.bytes.len() < head + length {
            return None;
        }
        let first = self.bytes[0];
        self.bytes.advance(head);
        Some((first, self.bytes.split_to(length)))
    }
}
