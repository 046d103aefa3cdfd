//! One MQTT connection, from CONNECT to its end.
//!
//! Promise: a QoS 1 PUBLISH with readings is acknowledged only after the journal's fsync; a client that sends
//! faster than the journal commits waits on its socket; a client that breaks the protocol or its rights is
//! disconnected with the reason in the log; if it ends without DISCONNECT its will is published.
//!
//! Reading goes on while a batch is being committed, up to `batch_bytes_max`; then the socket waits.

mod end;
mod opening;
mod subscriptions;

use super::Shared;
use super::access::Identity;
use super::fanout::{Outgoing, Subscriber};
use super::packet::{self, Connect, ConnectAnswer, Version, Violation};
use super::registry::{Kick, Place};
use super::topic;
use crate::certificate::Certificate;
use crate::ingest::{Command, Done, Inlet, Next};
use bytes::{Buf, Bytes, BytesMut};
use contract::Timestamp;
use end::{End, Reasons};
use journal::{AppendError, Committed, Staged};
use opening::{open, refuse};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// A connection reads this much at a time at first, and more while its reads come back full.
const READ_BYTES_MIN: usize = 4 << 10;
const READ_BYTES_MAX: usize = 256 << 10;
const OUTGOING_MAX: usize = 256;
const WRITE_LIMIT: Duration = Duration::from_secs(30);
const LAST_WRITE_LIMIT: Duration = Duration::from_secs(10);

type Commit = Pin<Box<dyn Future<Output = Result<Committed, AppendError>> + Send>>;

/// What is known of a topic this client published to.
struct TopicState {
    name: String,
    is_allowed: bool,
    generation: u64,
    is_wanted: bool,
    /// It is where the client asks for a new certificate.
    is_request: bool,
}

struct Connection<S> {
    stream: S,
    shared: Arc<Shared>,
    place: Place,
    identity: Identity,
    version: Version,
    buffer: BytesMut,
    read_bytes: usize,
    out: Vec<u8>,
    inlet: Inlet,
    topics: Vec<TopicState>,
    outgoing: (mpsc::Sender<Outgoing>, mpsc::Receiver<Outgoing>),
    link: Option<Subscriber>,
    filters: Vec<String>,
    /// SUBACK codes and granted filters that wait for the router.
    subscribing: HashMap<u16, (Vec<u8>, Vec<String>)>,
    /// The last command topic, and whether only this connection hears it.
    own_topic: (String, u64, bool),
}

/// Serves a connection to its end. `certificate` is that of a TLS client.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(
    mut stream: S,
    shared: Arc<Shared>,
    certificate: Option<Certificate>,
    peer: String,
    stop: watch::Receiver<bool>,
) {
    let mut buffer = BytesMut::with_capacity(4096);
    let limit = shared.limits.connect_timeout;
    let opening = open(&mut stream, &mut buffer, &shared, certificate, &peer);
    let opened = timeout(limit, opening).await;
    let (connect, identity) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(end)) => {
            return tracing::info!(peer, reason = %Reasons(&end), "MQTT connection refused");
        }
        Err(_) => {
            return tracing::info!(
                peer,
                "MQTT connection refused: no CONNECT within the time limit"
            );
        }
    };
    let client = if connect.client_id.is_empty() {
        format!("auto-{peer}")
    } else {
        connect.client_id.clone()
    };
    let Some(place) = shared.registry.enter(&client, &identity, &peer).await else {
        refuse(
            &mut stream,
            connect.version,
            ConnectAnswer::ClientId,
            &shared,
        )
        .await;
        return tracing::info!(
            peer,
            client,
            "MQTT connection refused: the client id is in use by another identity"
        );
    };
    // It may have been revoked while it came in; from here on an expulsion finds it.
    if !shared.directory.still_admits(&identity, Timestamp::now()) {
        let answer = ConnectAnswer::Credentials;
        refuse(&mut stream, connect.version, answer, &shared).await;
        return tracing::info!(peer, client, "MQTT connection refused: just revoked");
    }
    tracing::debug!(peer, client, name = identity.name, "MQTT client connected");
    shared.tell_entered(&identity, &peer, place.took_over());
    let mut connection = Connection {
        inlet: shared.ingest.inlet(),
        stream,
        place,
        identity,
        version: connect.version,
        buffer,
        read_bytes: READ_BYTES_MIN,
        out: Vec::with_capacity(1024),
        topics: Vec::new(),
        outgoing: mpsc::channel(OUTGOING_MAX),
        link: None,
        filters: Vec::new(),
        subscribing: HashMap::new(),
        own_topic: (String::new(), 0, false),
        shared,
    };
    packet::put_connack(
        &mut connection.out,
        connect.version,
        ConnectAnswer::Accepted,
        connection.shared.limits.packet_bytes_max,
    );
    let end = connection.run(connect.keep_alive, stop).await;
    match &end {
        End::Disconnect | End::Stopping => {
            tracing::debug!(peer, client, reason = %end, "MQTT client left")
        }
        _ => tracing::info!(peer, client, reason = %Reasons(&end), "MQTT connection ended"),
    }
    connection.close(&connect, &end).await;
}

enum Event {
    Committed(Result<Committed, AppendError>),
    Read(io::Result<usize>),
    Outgoing(Outgoing),
    Kicked(Kick),
    Stop,
    Wake,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    async fn run(&mut self, keep_alive: u16, mut stop: watch::Receiver<bool>) -> End {
        let silence_max =
            (keep_alive > 0).then(|| Duration::from_millis(u64::from(keep_alive) * 1500));
        let mut heard_at = Instant::now();
        let mut read_at = heard_at;
        let mut commit: Option<(Commit, crate::ingest::inlet::Pending)> = None;
        let end = loop {
            if let Err(end) = self.flush().await {
                break end;
            }
            if commit.is_none() {
                commit = self.begin_commit();
                if !self.out.is_empty() {
                    continue;
                }
            }
            let now = Instant::now();
            if silence_max.is_some_and(|max| now.duration_since(heard_at) > max) {
                break End::Silent;
            }
            let is_full = self.inlet.len() >= self.shared.limits.batch_bytes_max;
            let is_reading = !is_full && now >= read_at;
            let wake_at = match silence_max {
                Some(max) if is_reading || is_full => heard_at + max + Duration::from_millis(1),
                None if is_reading || is_full => now + Duration::from_secs(3600),
                _ => read_at,
            };
            match self
                .next_event(&mut commit, is_reading, wake_at, &mut stop)
                .await
            {
                Event::Committed(result) => {
                    let (_, pending) = commit.take().expect("only a commit that was begun can end");
                    match result {
                        Ok(_) => {
                            let done = self.inlet.committed(pending, Timestamp::now());
                            self.settle(done);
                        }
                        Err(error) => {
                            self.inlet.failed(pending);
                            break End::Journal(error);
                        }
                    }
                }
                Event::Read(Ok(0)) => break End::Lost(io::ErrorKind::UnexpectedEof.into()),
                Event::Read(Err(error)) => break End::Lost(error),
                Event::Read(Ok(count)) => {
                    heard_at = Instant::now();
                    // A full read means that more is waiting already.
                    if count < self.read_bytes.min(READ_BYTES_MAX / 4) {
                        read_at = heard_at + self.shared.limits.linger;
                    }
                    self.adapt(count);
                    if let Err(end) = self.packets().await {
                        break end;
                    }
                }
                Event::Outgoing(outgoing) => self.take_outgoing(outgoing),
                Event::Kicked(Kick::TakenOver) => break End::TakenOver,
                Event::Kicked(Kick::Expelled) => break End::Expelled,
                Event::Stop => break End::Stopping,
                Event::Wake => {}
            }
        };
        if let Some((commit, pending)) = commit {
            self.last_commit(commit, pending).await;
        }
        end
    }

    /// Everything a connection waits for. Cancel-safe: each branch is.
    async fn next_event(
        &mut self,
        commit: &mut Option<(Commit, crate::ingest::inlet::Pending)>,
        is_reading: bool,
        wake_at: Instant,
        stop: &mut watch::Receiver<bool>,
    ) -> Event {
        let committed = async {
            match commit {
                Some((commit, _)) => commit.await,
                None => std::future::pending().await,
            }
        };
        let Self {
            stream,
            buffer,
            read_bytes,
            outgoing,
            place,
            ..
        } = self;
        if is_reading {
            buffer.reserve(*read_bytes);
        }
        tokio::select! {
            biased;
            result = committed => Event::Committed(result),
            kick = place.kicked() => Event::Kicked(kick),
            _ = stop.wait_for(|stop| *stop) => Event::Stop,
            Some(outgoing) = outgoing.1.recv() => Event::Outgoing(outgoing),
            result = stream.read_buf(buffer), if is_reading => Event::Read(result),
            () = sleep_until(wake_at) => Event::Wake,
        }
    }

    /// Grows the reads of a busy connection and shrinks those of a quiet one: ten thousand quiet connections
    /// must not hold a big buffer each.
    fn adapt(&mut self, count: usize) {
        if count >= self.read_bytes {
            self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
        } else if count < self.read_bytes / 8 {
            self.read_bytes = (self.read_bytes / 2).max(READ_BYTES_MIN);
        }
    }

    /// Takes all whole packets of the buffer.
    async fn packets(&mut self) -> Result<(), End> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let now = Timestamp::now();
        let mut at = 0;
        let mut result = Ok(());
        while result.is_ok() {
            let frame = match packet::frame(&buffer[at..], self.shared.limits.packet_bytes_max) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(violation) => {
                    packet::put_disconnect(&mut self.out, self.version, 0x95);
                    result = Err(violation.into());
                    break;
                }
            };
            let body = &buffer[at + frame.start..at + frame.end];
            result = if frame.first >> 4 == 3 {
                self.publish(frame.first, body, now)
            } else {
                self.control(frame.first, body).await
            };
            at += frame.end;
        }
        buffer.advance(at);
        if !buffer.is_empty() || self.read_bytes > READ_BYTES_MIN {
            self.buffer = buffer;
        }
        let commands = self.inlet.take_commands();
        self.send(commands);
        result
    }

    #[inline]
    fn publish(&mut self, first: u8, body: &[u8], now: Timestamp) -> Result<(), End> {
        let publish = match packet::publish(first, body, self.version) {
            Ok(publish) => publish,
            Err(violation) => {
                let reason = if first >> 1 & 3 == 2 { 0x9b } else { 0x81 };
                packet::put_disconnect(&mut self.out, self.version, reason);
                return Err(violation.into());
            }
        };
        let place = self.inlet.route(publish.topic);
        if self.topics.len() > self.inlet.routes() {
            self.topics.clear();
        }
        if self.topics.len() == place {
            self.topics.push(self.judge(publish.topic)?);
        }
        let state = &mut self.topics[place];
        if !state.is_allowed {
            packet::put_disconnect(&mut self.out, self.version, 0x87);
            return Err(End::NotAllowed {
                name: self.identity.name.clone(),
                topic: state.name.clone(),
            });
        }
        if state.is_request {
            self.shared.tell_request(&self.identity, publish.payload);
        }
        let generation = self.shared.fanout.generation();
        if state.generation != generation {
            state.generation = generation;
            state.is_wanted = self.shared.fanout.is_wanted(&state.name);
        }
        if state.is_wanted || publish.is_retained {
            self.shared
                .forward(&state.name, publish.payload, publish.is_retained);
        }
        self.inlet
            .publish(place, publish.payload, u32::from(publish.id), now);
        Ok(())
    }

    #[cold]
    fn judge(&self, topic: &[u8]) -> Result<TopicState, End> {
        let name = std::str::from_utf8(topic).map_err(|_| Violation("a topic is not UTF-8"))?;
        if !topic::is_name(name) {
            return Err(Violation("a topic name is empty, too long or has a wildcard").into());
        }
        let json = self.shared.ingest.config().pattern(name);
        let json_site = json.as_ref().map(|(_, site, _)| site.as_str());
        Ok(TopicState {
            name: name.to_owned(),
            is_allowed: self.identity.may_publish(name, json_site),
            generation: 0,
            is_wanted: false,
            is_request: self.identity.asks_at(name),
        })
    }

    async fn control(&mut self, first: u8, body: &[u8]) -> Result<(), End> {
        match first {
            0xc0 => self.out.extend_from_slice(&[0xd0, 0]),
            0x82 => self.subscribe(body).await?,
            0xa2 => {
                let (id, filters) = packet::filters(body, self.version, false)?;
                if let Some(link) = &mut self.link {
                    self.shared.fanout.unsubscribe(link, &filters).await;
                }
                self.filters.retain(|filter| !filters.contains(filter));
                packet::put_unsuback(&mut self.out, self.version, id, filters.len());
            }
            0xe0 => {
                let wants_will = self.version == Version::V5 && body.first() == Some(&4);
                return Err(if wants_will {
                    End::Lost(io::ErrorKind::ConnectionAborted.into())
                } else {
                    End::Disconnect
                });
            }
            // An acknowledgement of something sent at QoS 0 means nothing, and harms nobody.
            0x40 => {}
            0x50 | 0x62 | 0x70 => return Err(Violation("QoS 2 is not supported").into()),
            _ => return Err(Violation("a packet of this type is not expected").into()),
        }
        Ok(())
    }

    /// Writes what the router handed over, and all that is queued behind it, in one go.
    fn take_outgoing(&mut self, outgoing: Outgoing) {
        let mut next = Some(outgoing);
        while let Some(outgoing) = next {
            match outgoing {
                Outgoing::Delivery(d) => {
                    packet::put_publish(
                        &mut self.out,
                        self.version,
                        &d.topic,
                        &d.payload,
                        d.is_retained,
                    );
                }
                Outgoing::Subscribed(id) => {
                    if let Some((codes, granted)) = self.subscribing.remove(&id) {
                        packet::put_suback(&mut self.out, self.version, id, &codes);
                        self.put_retained(&granted);
                    }
                }
            }
            next = self.outgoing.1.try_recv().ok();
        }
    }

    fn begin_commit(&mut self) -> Option<(Commit, crate::ingest::inlet::Pending)> {
        match self.inlet.next(Timestamp::now()) {
            Next::Idle => None,
            Next::Settle(done) => {
                self.settle(done);
                None
            }
            Next::Append(staged, pending) => Some((self.commit(staged), pending)),
        }
    }

    fn commit(&self, staged: Staged) -> Commit {
        let journal = self.shared.ingest.journal().clone();
        Box::pin(async move { journal.append(staged).await })
    }

    fn settle(&mut self, done: Done) {
        for id in done.acks {
            packet::put_puback(&mut self.out, id as u16);
        }
        self.send(done.commands);
    }

    /// Publishes what the gateway has to say; what only this client hears goes straight to it.
    fn send(&mut self, commands: Vec<Command>) {
        for Command { topic, payload } in commands {
            let generation = self.shared.fanout.generation();
            if self.own_topic.0 != topic || self.own_topic.1 != generation {
                let is_own = self
                    .shared
                    .fanout
                    .is_wanted_only_by(self.place.number(), &topic);
                self.own_topic = (topic.clone(), generation, is_own);
            }
            if self.own_topic.2 {
                packet::put_publish(
                    &mut self.out,
                    self.version,
                    topic.as_bytes(),
                    &payload,
                    false,
                );
            } else {
                self.shared.fanout.publish(&topic, Bytes::from(payload));
            }
        }
    }

    async fn flush(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        let written = timeout(WRITE_LIMIT, async {
            self.stream.write_all(&self.out).await?;
            self.stream.flush().await
        });
        match written.await {
            Ok(Ok(())) => {
                self.out.clear();
                Ok(())
            }
            Ok(Err(error)) => Err(End::Lost(error)),
            Err(_) => Err(End::NotReading),
        }
    }

    async fn last_commit(&mut self, commit: Commit, pending: crate::ingest::inlet::Pending) {
        match commit.await {
            Ok(_) => {
                let done = self.inlet.committed(pending, Timestamp::now());
                self.settle(done);
            }
            Err(error) => {
                tracing::error!(%error, "the last readings of a connection were not journaled");
                self.inlet.failed(pending);
            }
        }
    }

    /// Publishes the will if it is due, journals what is left, answers what can be answered, lets go.
    async fn close(mut self, connect: &Connect, end: &End) {
        let now = Timestamp::now();
        if let Some((topic, payload, is_retained)) =
            connect.will.as_ref().filter(|_| !end.is_orderly())
        {
            match self.judge(topic.as_bytes()) {
                Ok(state) if state.is_allowed => {
                    self.shared.forward(topic, payload, *is_retained);
                    let place = self.inlet.route(topic.as_bytes());
                    self.inlet.publish(place, payload, 0, now);
                }
                _ => tracing::info!(name = self.identity.name, topic, "the will was refused"),
            }
        }
        if !matches!(end, End::Stopping) {
            self.inlet.end(now);
        }
        if let Next::Append(staged, pending) = self.inlet.next(now) {
            let commit = self.commit(staged);
            self.last_commit(commit, pending).await;
        }
        if matches!(end, End::Stopping) {
            packet::put_disconnect(&mut self.out, self.version, 0x8b);
        }
        if matches!(end, End::TakenOver) {
            packet::put_disconnect(&mut self.out, self.version, 0x8e);
        }
        if matches!(end, End::Expelled) {
            packet::put_disconnect(&mut self.out, self.version, 0x87);
        }
        if !matches!(end, End::Lost(_) | End::NotReading) {
            // The client may be gone; it was told what could be told.
            let _ = timeout(LAST_WRITE_LIMIT, async {
                self.stream.write_all(&self.out).await?;
                self.stream.shutdown().await
            })
            .await;
        }
        if let Some(link) = self.link.take() {
            self.shared.fanout.unlink(link).await;
        }
    }
}
