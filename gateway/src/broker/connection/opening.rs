//! Who comes, and whether it may.

use super::super::access::{Identity, Refusal};
use super::super::packet::{self, Connect, ConnectAnswer, Version, Violation};
use super::super::{AgentEvent, Shared};
use super::End;
use crate::certificate::Certificate;
use bytes::{Buf, BytesMut};
use contract::Timestamp;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Reads and judges the CONNECT.
pub(super) async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    shared: &Shared,
    certificate: Option<Certificate>,
    peer: &str,
) -> Result<(Connect, Identity), End> {
    let frame = loop {
        if let Some(frame) = packet::frame(buffer, shared.limits.packet_bytes_max)? {
            break frame;
        }
        if stream.read_buf(buffer).await.map_err(End::Lost)? == 0 {
            return Err(End::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
    };
    if frame.first != 0x10 {
        return Err(Violation("the first packet is not CONNECT").into());
    }
    let connect = packet::connect(&buffer[frame.start..frame.end])?;
    buffer.advance(frame.end);
    let Some(connect) = connect else {
        refuse(stream, Version::V3, ConnectAnswer::Version, shared).await;
        return Err(End::Refused(
            "it speaks a version of MQTT other than 3.1, 3.1.1 and 5",
        ));
    };
    let identity = match (&certificate, &connect.username, &connect.password) {
        (Some(certificate), _, _) => shared
            .directory
            .by_certificate(certificate, Timestamp::now()),
        (None, Some(name), Some(password)) => {
            let identity = shared.directory.by_password(name, password).await;
            identity.ok_or(Refusal::Password)
        }
        (None, _, _) if shared.limits.allow_anonymous => Ok(Identity::anonymous()),
        _ => Err(Refusal::Password),
    };
    let identity = match identity {
        Ok(identity) => identity,
        Err(refusal) => {
            if let Some(certificate) = certificate {
                shared.tell(AgentEvent::Refused {
                    certificate,
                    peer: peer.to_owned(),
                    refusal,
                });
            }
            refuse(stream, connect.version, ConnectAnswer::Credentials, shared).await;
            return Err(End::NotAdmitted(refusal));
        }
    };
    Ok((connect, identity))
}

/// Says no, as far as the client still listens.
pub(super) async fn refuse<S: AsyncWrite + Unpin>(
    stream: &mut S,
    version: Version,
    answer: ConnectAnswer,
    shared: &Shared,
) {
    let mut out = Vec::new();
    packet::put_connack(&mut out, version, answer, shared.limits.packet_bytes_max);
    // The client may be gone already; it is being refused either way.
    let _ = stream.write_all(&out).await;
    let _ = stream.shutdown().await;
}
