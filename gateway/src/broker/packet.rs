//! MQTT 3.1.1 and 5 packets, as far as this broker speaks them. Pure.
//!
//! Promise: any bytes give packets or a [`Violation`] in words, never a panic. Packets are read where they lie;
//! nothing is copied. Of MQTT 5, properties are skipped: no topic aliases, no user properties are forwarded.

/// Protocol version of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1 (and 3.1).
    V3,
    /// MQTT 5.
    V5,
}

/// What a client did that the protocol or this broker does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("MQTT protocol: {0}")]
pub struct Violation(pub &'static str);

/// A packet's first byte and where its body lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// First byte: type and flags.
    pub first: u8,
    /// Where the body begins.
    pub start: usize,
    /// Where it ends, which is where the next packet begins.
    pub end: usize,
}

/// The first packet in `bytes`; `None` if it is not all there yet.
#[inline]
pub fn frame(bytes: &[u8], packet_bytes_max: usize) -> Result<Option<Frame>, Violation> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let mut length = 0usize;
    for i in 0..4 {
        let Some(&byte) = bytes.get(1 + i) else {
            return Ok(None);
        };
        length |= usize::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            if length > packet_bytes_max {
                return Err(Violation("a packet is larger than packet_bytes_max"));
            }
            let start = 2 + i;
            let end = start + length;
            return Ok((bytes.len() >= end).then_some(Frame { first, start, end }));
        }
    }
    Err(Violation("a packet's length has more than four bytes"))
}

/// A PUBLISH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Topic.
    pub topic: &'a [u8],
    /// Payload.
    pub payload: &'a [u8],
    /// 0 or 1.
    pub qos: u8,
    /// Retain flag.
    pub is_retained: bool,
    /// Packet id, 0 at QoS 0.
    pub id: u16,
}

/// Reads the body of a PUBLISH.
#[inline]
pub fn publish(first: u8, body: &[u8], version: Version) -> Result<Publish<'_>, Violation> {
    let cut = Violation("a PUBLISH is cut off");
    let qos = first >> 1 & 3;
    if qos > 1 {
        return Err(Violation("QoS 2 is not supported; use QoS 0 or 1"));
    }
    let length = usize::from(u16::from_be_bytes(
        body.get(..2).ok_or(cut)?.try_into().expect("two bytes"),
    ));
    let topic = body.get(2..2 + length).ok_or(cut)?;
    let mut rest = &body[2 + length..];
    let mut id = 0;
    if qos == 1 {
        id = u16::from_be_bytes(rest.get(..2).ok_or(cut)?.try_into().expect("two bytes"));
        if id == 0 {
            return Err(Violation("a packet id is 0"));
        }
        rest = &rest[2..];
    }
    if version == Version::V5 {
        let mut reader = Reader(rest);
        reader.skip_properties()?;
        rest = reader.0;
    }
    Ok(Publish {
        topic,
        payload: rest,
        qos,
        is_retained: first & 1 == 1,
        id,
    })
}

/// A CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// Version asked for.
    pub version: Version,
    /// Client id; may be empty.
    pub client_id: String,
    /// True if no earlier session is wanted (this broker never has one).
    pub clean: bool,
    /// Seconds; 0 switches it off.
    pub keep_alive: u16,
    /// Will: topic, payload, retain.
    pub will: Option<(String, Vec<u8>, bool)>,
    /// User name.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Vec<u8>>,
}

/// Reads the body of a CONNECT. `Ok(None)`: a protocol version this broker does not speak.
pub fn connect(body: &[u8]) -> Result<Option<Connect>, Violation> {
    let mut reader = Reader(body);
    let name = reader.bytes()?;
    let level = reader.byte()?;
    let version = match (name, level) {
        (b"MQTT", 4) | (b"MQIsdp", 3) => Version::V3,
        (b"MQTT", 5) => Version::V5,
        (b"MQTT" | b"MQIsdp", _) => return Ok(None),
        _ => return Err(Violation("this is not MQTT")),
    };
    let flags = reader.byte()?;
    if flags & 1 != 0 {
        return Err(Violation("a reserved CONNECT flag is set"));
    }
    let keep_alive = reader.short()?;
    if version == Version::V5 {
        reader.skip_properties()?;
    }
    let client_id = reader.text()?.to_owned();
    let mut will = None;
    if flags & 4 != 0 {
        if flags >> 3 & 3 > 1 {
            return Err(Violation("a will at QoS 2 is not supported"));
        }
        if version == Version::V5 {
            reader.skip_properties()?;
        }
        will = Some((
            reader.text()?.to_owned(),
            reader.bytes()?.to_vec(),
            flags & 0x20 != 0,
        ));
    }
    let username = if flags & 0x80 != 0 {
        Some(reader.text()?.to_owned())
    } else {
        None
    };
    let password = if flags & 0x40 != 0 {
        Some(reader.bytes()?.to_vec())
    } else {
        None
    };
    Ok(Some(Connect {
        version,
        client_id,
        clean: flags & 2 != 0,
        keep_alive,
        will,
        username,
        password,
    }))
}

/// Reads a SUBSCRIBE (with options) or UNSUBSCRIBE (without): packet id and filters.
pub fn filters(
    body: &[u8],
    version: Version,
    has_options: bool,
) -> Result<(u16, Vec<String>), Violation> {
    let mut reader = Reader(body);
    let id = reader.short()?;
    if id == 0 {
        return Err(Violation("a packet id is 0"));
    }
    if version == Version::V5 {
        reader.skip_properties()?;
    }
    let mut filters = Vec::new();
    while !reader.0.is_empty() {
        filters.push(reader.text()?.to_owned());
        if has_options {
            reader.byte()?;
        }
    }
    if filters.is_empty() {
        return Err(Violation("a SUBSCRIBE or UNSUBSCRIBE names no filter"));
    }
    Ok((id, filters))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Violation> {
        if self.0.len() < n {
            return Err(Violation("a packet is cut off"));
        }
        let (taken, rest) = self.0.split_at(n);
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Violation> {
        Ok(self.take(1)?[0])
    }

    fn short(&mut self) -> Result<u16, Violation> {
        Ok(u16::from_be_bytes(
            self.take(2)?.try_into().expect("two bytes"),
        ))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Violation> {
        let length = usize::from(self.short()?);
        self.take(length)
    }

    fn text(&mut self) -> Result<&'a str, Violation> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Violation("a text is not UTF-8"))
    }

    fn skip_properties(&mut self) -> Result<(), Violation> {
        let mut length = 0usize;
        for i in 0..4 {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.take(length)?;
                return Ok(());
            }
        }
        Err(Violation("a properties length has more than four bytes"))
    }
}

/// Answers to a CONNECT, by MQTT 3.1.1 and MQTT 5 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectAnswer {
    /// Welcome.
    Accepted,
    /// Protocol version not spoken.
    Version,
    /// Client id refused.
    ClientId,
    /// User name or password wrong.
    Credentials,
}

/// Writes a CONNACK.
pub fn put_connack(
    to: &mut Vec<u8>,
    version: Version,
    answer: ConnectAnswer,
    packet_bytes_max: usize,
) {
    use ConnectAnswer as A;
    let code = match (version, answer) {
        (_, A::Accepted) => 0,
        (Version::V3, A::Version) => 1,
        (Version::V3, A::ClientId) => 2,
        (Version::V3, A::Credentials) => 4,
        (Version::V5, A::Version) => 0x84,
        (Version::V5, A::ClientId) => 0x85,
        (Version::V5, A::Credentials) => 0x86,
    };
    match version {
        Version::V3 => to.extend_from_slice(&[0x20, 2, 0, code]),
        Version::V5 => {
            // Maximum QoS 1; largest packet; no subscription ids; no shared subscriptions.
            let size = u32::try_from(packet_bytes_max)
                .unwrap_or(u32::MAX)
                .to_be_bytes();
            to.extend_from_slice(&[0x20, 14, 0, code, 11, 0x24, 1, 0x27]);
            to.extend_from_slice(&size);
            to.extend_from_slice(&[0x29, 0, 0x2a, 0]);
        }
    }
}

/// Writes a PUBACK.
#[inline]
pub fn put_puback(to: &mut Vec<u8>, id: u16) {
    let [high, low] = id.to_be_bytes();
    to.extend_from_slice(&[0x40, 2, high, low]);
}

/// Writes a SUBACK; `codes` are 0 (granted at QoS 0) or 0x80 and above (refused).
pub fn put_suback(to: &mut Vec<u8>, version: Version, id: u16, codes: &[u8]) {
    let properties = usize::from(version == Version::V5);
    to.push(0x90);
    put_length(to, 2 + properties + codes.len());
    to.extend_from_slice(&id.to_be_bytes());
    if version == Version::V5 {
        to.push(0);
    }
    match version {
        Version::V5 => to.extend_from_slice(codes),
        Version::V3 => to.extend(
            codes
                .iter()
                .map(|code| if *code >= 0x80 { 0x80 } else { *code }),
        ),
    }
}

/// Writes an UNSUBACK for `count` filters.
pub fn put_unsuback(to: &mut Vec<u8>, version: Version, id: u16, count: usize) {
    to.push(0xb0);
    match version {
        Version::V3 => put_length(to, 2),
        Version::V5 => put_length(to, 3 + count),
    }
    to.extend_from_slice(&id.to_be_bytes());
    if version == Version::V5 {
        to.resize(to.len() + 1 + count, 0);
    }
}

/// Writes a PUBLISH at QoS 0.
pub fn put_publish(
    to: &mut Vec<u8>,
    version: Version,
    topic: &[u8],
    payload: &[u8],
    is_retained: bool,
) {
    let properties = usize::from(version == Version::V5);
    to.push(0x30 | u8::from(is_retained));
    put_length(to, 2 + topic.len() + properties + payload.len());
    to.extend_from_slice(&(topic.len() as u16).to_be_bytes());
    to.extend_from_slice(topic);
    if version == Version::V5 {
        to.push(0);
    }
    to.extend_from_slice(payload);
}

/// Writes an MQTT 5 DISCONNECT with a reason; nothing for 3.1.1, which has none.
pub fn put_disconnect(to: &mut Vec<u8>, version: Version, reason: u8) {
    if version == Version::V5 {
        to.extend_from_slice(&[0xe0, 1, reason]);
    }
}

fn put_length(to: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        to.push(length as u8 | 0x80);
        length >>= 7;
    }
    to.push(length as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_seen_only_when_it_is_all_there() {
        let mut bytes = Vec::new();
        put_publish(&mut bytes, Version::V3, b"a/b", &[7; 300], false);
        for length in 0..bytes.len() {
            assert_eq!(frame(&bytes[..length], 1000), Ok(None));
        }
        let frame = frame(&bytes, 1000).unwrap().unwrap();
        let read = publish(frame.first, &bytes[frame.start..frame.end], Version::V3).unwrap();
        assert_eq!(
            (read.topic, read.payload, read.qos, read.id),
            (&b"a/b"[..], &[7u8; 300][..], 0, 0)
        );
        assert!(super::frame(&bytes, 200).is_err());
    }

    #[test]
    fn any_bytes_give_an_answer_and_no_panic() {
        let mut state = 7u64;
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..24)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (state >> 40) as u8
                })
                .collect();
            for version in [Version::V3, Version::V5] {
                let _ = publish(bytes[0], &bytes[1..], version);
                let _ = filters(&bytes, version, true);
            }
            let _ = connect(&bytes);
            let _ = frame(&bytes, 100);
        }
    }
}
