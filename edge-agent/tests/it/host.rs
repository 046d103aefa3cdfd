//! A tiny MQTT 3.1.1 host that keeps what it is sent and answers with receipts, as a gateway does.

use contract::{
    Timestamp,
    payload::{self, Message, Scalar},
    receipt::{Receipt, STREAM},
    topic::{Kind, Topic},
};
use rumqttc::mqttbytes::{
    QoS,
    v4::{ConnAck, ConnectReturnCode, Packet, PingResp, Publish, SubAck, SubscribeReasonCode},
};
use std::{
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
    changed: Notify,
    /// While false, no receipt is sent.
    pub receipts: watch::Sender<bool>,
    /// Counted up to cut the connection.
    pub cuts: watch::Sender<u32>,
    /// Counted up to ask for a rebirth.
    pub rebirths: watch::Sender<u32>,
}

impl Host {
    pub async fn start() -> Arc<Host> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = Arc::new(Host {
            port: listener.local_addr().unwrap().port(),
            arrived: Mutex::default(),
            changed: Notify::new(),
            receipts: watch::Sender::new(true),
            cuts: watch::Sender::new(0),
            rebirths: watch::Sender::new(0),
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
                        let sequence = sequence_of(&message);
                        self.note(Arrived::Message(topic, message));
                        if let (Some(_), true) = (sequence, *self.receipts.borrow()) {
                            let receipt = Receipt {
                                stream: known.clone(),
                                through: self.through(&known),
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
                read = stream.read_buf(&mut inbox) => if read? == 0 { return Ok(false) },
            }
        }
    }

    /// The end of the unbroken run from 1 of what arrived in a stream.
    fn through(&self, stream: &str) -> u64 {
        let mut numbers: Vec<u64> = records(&self.arrived.lock().unwrap(), stream)
            .iter()
            .map(|r| r.0)
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
            .iter()
            .zip(1..)
            .take_while(|(number, expected)| **number == *expected)
            .count() as u64
    }
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
