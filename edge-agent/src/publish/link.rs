//! What is heard on a connection, and how it ends.

use super::{
    lane::Numbers,
    session::{Heard, hear},
};
use crate::{
    clock::Timekeeper, control::Desk, footage::Footage, identity::IdentityError, metrics::Metrics,
};
use contract::{Timestamp, configuration::Desired};
use journal::ReadError;
use rumqttc::{ClientError, ConnectionError, Event, EventLoop, Outgoing, Packet};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// What the connection's driver has seen; the worker watches it.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// The broker has accepted the connection.
    pub is_up: bool,
    /// The end of the unbroken run that the gateway has.
    pub through: u64,
    /// Every number the gateway said it has.
    pub known: Numbers,
    /// The gateway's time on the newest receipt, and when that was heard by both clocks.
    pub heard: Option<(Timestamp, Timestamp, Duration)>,
    /// Nothing until a receipt was heard on this connection.
    pub highest: Option<u64>,
    /// How often the births were asked for.
    pub rebirths: u64,
    /// How often a certificate request was asked for.
    pub renewals: u64,
    /// The last certificate that was sent, PEM, and the how manieth that was.
    pub certificate: Option<(u64, Arc<str>)>,
    /// The last configuration that was sent.
    pub desired: Option<Arc<Desired>>,
}

impl Link {
    /// How many certificates were sent.
    pub fn answers(&self) -> u64 {
        self.certificate.as_ref().map_or(0, |(number, _)| *number)
    }

    fn note(&mut self, heard: Heard, now: Timestamp, passed: Duration) {
        self.rebirths += u64::from(heard.is_rebirth);
        self.renewals += u64::from(heard.is_renewal);
        if let Some(pem) = heard.certificate {
            self.certificate = Some((self.answers() + 1, pem.into()));
        }
        self.desired = heard.desired.map(Arc::new).or(self.desired.take());
        let Some(receipt) = heard.receipt else {
            return;
        };
        self.through = self.through.max(receipt.through);
        self.highest = self.highest.max(Some(receipt.highest));
        self.known.insert(1, receipt.through);
        for (from, to) in receipt.also {
            self.known.insert(from, to);
        }
        if let Some(at) = heard.at {
            self.heard = Some((at, now, passed));
        }
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// The line, or the broker.
    #[error("the connection to the gateway was lost")]
    Connection(#[source] Box<ConnectionError>),
    /// The MQTT client's task.
    #[error("the MQTT client has gone")]
    Client(#[from] ClientError),
    /// The disk.
    #[error("the buffer cannot be read")]
    Buffer(#[from] ReadError),
    /// Key or certificate.
    #[error("the agent's certificate cannot be used")]
    Identity(#[from] IdentityError),
    /// We did it.
    #[error("the connection was closed")]
    Closed,
    /// A new stream needs a new connection.
    #[error("the stream was left for a new one")]
    Stream,
}

/// Keeps the connection going and notes what the gateway says, until it breaks or ends.
pub async fn drive(
    mut events: EventLoop,
    link: watch::Sender<Link>,
    stream: String,
    time: Arc<Timekeeper>,
    metrics: Arc<Metrics>,
    desk: Desk,
    footage: Option<Footage>,
) -> Lost {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => link.send_modify(|link| link.is_up = true),
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                match hear(&stream, &publish.payload) {
                    Ok(mut heard) => {
                        for order in heard.orders.drain(..) {
                            desk.give(order);
                        }
                        if let Some(footage) = footage.as_ref().filter(|_| !heard.wanted.is_empty())
                        {
                            footage.wanted(&heard.wanted);
                        }
                        let (now, passed) = (Timestamp::now(), time.passed());
                        link.send_modify(|link| link.note(heard, now, passed));
                    }
                    Err(error) => {
                        metrics.malformed.add(1);
                        tracing::warn!(topic = publish.topic, %error, "a command cannot be read")
                    }
                }
            }
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return Lost::Closed,
            Ok(_) => {}
            Err(error) => return Lost::Connection(Box::new(error)),
        }
    }
}
