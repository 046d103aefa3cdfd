//! A tiny MQTT 3.1.1 host that keeps what it is sent and answers with receipts, as a gateway does.

use contract::{
    Gap, Timestamp,
    payload::{self, Message, Scalar},
    receipt::{self, FIRST, GAP, Receipt, STATUS, STREAM},
    status::AgentStatus,
    topic::{Kind, Topic},
};
use rumqttc::mqttbytes::{
    QoS,
    v4::{ConnAck, ConnectReturnCode, Packet, PingResp, Publish, SubAck, SubscribeReasonCode},
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
};

/// What arrived, in order, over all connections.
#[derive(Debug, Clone)]
pub enum Arrived {
    Connected { will: Option<Topic> },
    Message(Topic, Message),
    Disconnected { is_orderly: bool },
}

pub struct Host {
    pub port: u16,
    arrived: Mutex<Vec<Arrived>>,
    /// By stream: the numbers received, and the end of the unbroken run of them.
    got: Mutex<HashMap<String, (BTreeSet<u64>, u64)>>,
    changed: Notify,
    /// While false no receipt is sent, but for the answer to a birth, which then says that nothing is journaled.
    pub receipts: watch::Sender<bool>,
    /// Counted up to cut the connection.
    pub cuts: watch::Sender<u32>,
    /// Counted up to ask for a rebirth.
    pub rebirths: watch::Sender<u32>,
    /// A command for the agent; one that connects later gets the last.
    pub command: watch::Sender<Vec<u8>>,
}

impl Host {
    pub async fn start() -> Arc<Host> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = Arc::new(Host {
            port: listener.local_addr().unwrap().port(),
            arrived: Mutex::default(),
            got: Mutex::default(),
            changed: Notify::new(),
            receipts: watch::Sender::new(true),
            cuts: watch::Sender::new(0),
            rebirths: watch::Sender::new(0),
            command: watch::Sender::new(Vec::new()),
        });
        let accepting = host.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let host = accepting.clone();
                tokio::spawn(async move {
                    let is_orderly = host.serve(stream).await.unwrap_or(false);
                    host.note(Arrived::Disconnected { is_orderly });
                });
            }
        });
        host
    }

    fn note(&self, arrived: Arrived) {
        self.arrived.lock().unwrap().push(arrived);
        self.changed.notify_waiters();
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    /// Waits until what arrived satisfies `condition`, at most a minute.
    #[track_caller]
    pub fn until<T>(
        &self,
        what: &str,
        condition: impl Fn(&[Arrived]) -> Option<T>,
    ) -> impl Future<Output = T> {
        let what = what.to_owned();
        async move {
            let waiting = async {
                loop {
                    let changed = self.changed.notified();
                    if let Some(found) = condition(&self.arrived.lock().unwrap()) {
                        return found;
                    }
                    // A wake-up between the look and the wait must not be missed for ever.
                    let _ = tokio::time::timeout(Duration::from_millis(100), changed).await;
                }
            };
            match tokio::time::timeout(Duration::from_secs(60), waiting).await {
                Ok(found) => found,
                Err(_) => panic!(
                    "never: {what}; arrived {:#?}",
                    self.arrived().iter().rev().take(5).collect::<Vec<_>>()
                ),
            }
        }
    }

    async fn serve(&self, mut stream: TcpStream) -> anyhow::Result<bool> {
        let mut inbox = bytes::BytesMut::new();
        let (mut cuts, mut rebirths) = (self.cuts.subscribe(), self.rebirths.subscribe());
        let mut wanted = self.command.subscribe();
        if !wanted.borrow().is_empty() {
            wanted.mark_changed();
        }
        let mut agent: Option<Topic> = None;
        let mut known = String::new();
        loop {
            while let Ok(packet) = Packet::read(&mut inbox, 1 << 20) {
                let mut out = bytes::BytesMut::new();
                match packet {
                    Packet::Connect(connect) => {
                        let will = connect
                            .last_will
                            .and_then(|will| Topic::parse(&will.topic).ok());
                        self.note(Arrived::Connected { will });
                        ConnAck::new(ConnectReturnCode::Success, false).write(&mut out)?;
                    }
                    Packet::Subscribe(subscribe) => {
                        let granted = SubscribeReasonCode::Success(QoS::AtMostOnce);
                        SubAck::new(subscribe.pkid, vec![granted]).write(&mut out)?;
                    }
                    Packet::PingReq => {
                        PingResp.write(&mut out)?;
                    }
                    Packet::Disconnect => return Ok(true),
                    Packet::Publish(publish) => {
                        let topic = Topic::parse(&publish.topic)?;
                        let message = payload::decode(&publish.payload)?;
                        if topic.kind == Kind::NodeBirth {
                            known = stream_of(&message).unwrap_or_default();
                        }
                        let command = Topic {
                            kind: Kind::NodeCommand,
                            device: None,
                            ..topic.clone()
                        };
                        agent = Some(command.clone());
                        let is_birth = topic.kind == Kind::NodeBirth;
                        let is_record = sequence_of(&message).is_some();
                        let (through, highest, also) = self.count(&known, &message);
                        self.note(Arrived::Message(topic, message));
                        let receipts = *self.receipts.borrow();
                        if is_birth || (is_record && receipts) {
                            let receipt = Receipt {
                                stream: known.clone(),
                                through: if receipts { through } else { 0 },
                                highest,
                                also: if receipts { also } else { Vec::new() },
                            };
                            let body = payload::receipt_command(Timestamp::now(), &receipt);
                            Publish::new(command.to_string(), QoS::AtMostOnce, body)
                                .write(&mut out)?;
                        }
                    }
                    _ => {}
                }
                stream.write_all(&out).await?;
            }
            tokio::select! {
                _ = cuts.changed() => return Ok(false),
                _ = rebirths.changed() => {
                    if let Some(command) = &agent {
                        let mut out = bytes::BytesMut::new();
                        let body = payload::rebirth_command(Timestamp::now());
                        Publish::new(command.to_string(), QoS::AtMostOnce, body).write(&mut out)?;
                        stream.write_all(&out).await?;
                    }
                }
                _ = wanted.changed(), if agent.is_some() => {
                    if let Some(command) = &agent {
                        let mut out = bytes::BytesMut::new();
                        let body = wanted.borrow_and_update().clone();
                        Publish::new(command.to_string(), QoS::AtMostOnce, body).write(&mut out)?;
                        stream.write_all(&out).await?;
                    }
                }
                read = stream.read_buf(&mut inbox) => if read? == 0 { return Ok(false) },
            }
        }
    }

    /// Counts what a message brings to its stream; gives the end of the unbroken run of what arrived in it, the highest
    /// number, and the ranges beyond the run. As a gateway, it counts what an agent no longer holds, or says to be a gap, as
    /// received.
    fn count(&self, stream: &str, message: &Message) -> (u64, u64, Vec<(u64, u64)>) {
        let mut got = self.got.lock().unwrap();
        let (numbers, through) = got.entry(stream.to_owned()).or_default();
        if stream_of(message).is_some() {
            numbers.extend(1..first_of(message));
        }
        numbers.extend(sequence_of(message));
        if let Some((from, to)) = gap_of(message).and_then(|gap| gap.records) {
            numbers.extend(from..=to);
        }
        while numbers.contains(&(*through + 1)) {
            *through += 1;
        }
        let mut also: Vec<(u64, u64)> = Vec::new();
        for &n in numbers.range(*through + 1..) {
            match also.last_mut() {
                Some((_, to)) if *to + 1 == n => *to = n,
                _ => also.push((n, n)),
            }
        }
        let highest = numbers.last().copied().unwrap_or(0);
        (*through, highest, receipt::few(&also))
    }
}

fn first_of(birth: &Message) -> u64 {
    let first = birth.metrics.iter().find_map(|metric| {
        let is_first = metric.name.as_deref() == Some(FIRST);
        match metric.value {
            Scalar::Unsigned(number) if is_first => Some(number),
            _ => None,
        }
    });
    first.unwrap_or(1)
}

/// What the agent said of itself, the latest last.
pub fn statuses(arrived: &[Arrived]) -> Vec<AgentStatus> {
    let said = |event: &Arrived| {
        let Arrived::Message(_, message) = event else {
            return None;
        };
        message
            .metrics
            .iter()
            .find_map(|metric| match (&metric.name, &metric.value) {
                (Some(name), Scalar::Text(text)) if name == STATUS => {
                    Some(serde_json::from_str(text).unwrap())
                }
                _ => None,
            })
    };
    arrived.iter().filter_map(said).collect()
}

pub fn stream_of(message: &Message) -> Option<String> {
    message
        .metrics
        .iter()
        .find_map(|metric| match (&metric.name, &metric.value) {
            (Some(name), Scalar::Text(text)) if name == STREAM => Some(text.clone()),
            _ => None,
        })
}

pub fn gap_of(message: &Message) -> Option<Gap> {
    message
        .metrics
        .iter()
        .find_map(|metric| match (&metric.name, &metric.value) {
            (Some(name), Scalar::Text(text)) if name == GAP => serde_json::from_str(text).ok(),
            _ => None,
        })
}

pub fn sequence_of(message: &Message) -> Option<u64> {
    message
        .metrics
        .iter()
        .find_map(|metric| match (metric.alias, &metric.value) {
            (Some(0), Scalar::Unsigned(number)) => Some(*number),
            _ => None,
        })
}

/// The data messages of a stream: record number and message.
pub fn records<'a>(arrived: &'a [Arrived], stream: &str) -> Vec<(u64, &'a Message)> {
    let mut current = String::new();
    let mut found = Vec::new();
    for event in arrived {
        let Arrived::Message(topic, message) = event else {
            continue;
        };
        match topic.kind {
            Kind::NodeBirth => current = stream_of(message).unwrap_or_default(),
            Kind::DeviceData if stream.is_empty() || current == stream => {
                found.extend(sequence_of(message).map(|number| (number, message)));
            }
            _ => {}
        }
    }
    found
}
