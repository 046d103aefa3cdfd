//! The MQTT connection: births, then every record without a receipt, then new ones as they come.
//!
//! Promise: records go out in order of their numbers; after a reconnect everything without a receipt goes again,
//! marked historical; if the receipt makes no progress for `receipt_timeout` everything after it goes again. At
//! most [`WINDOW`] records are without a receipt on one connection. A client that lost its connection is thrown
//! away and built anew from the buffer, so nothing depends on the MQTT library's own queue.

use super::{
    renewal::Renewal,
    session::{Outgoing, Session, hear},
};
use crate::{
    buffer::Buffer,
    config::{GatewayConfig, Identity},
    identity::IdentityError,
    metrics::Metrics,
    record::Record,
    stop::Stop,
};
use contract::Timestamp;
use journal::{Block, Follower, ReadError};
use ring::rand::{SecureRandom, SystemRandom};
use rumqttc::{
    AsyncClient, ClientError, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Packet,
    QoS, TlsConfiguration, Transport,
};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

/// Most records under way without a receipt.
pub const WINDOW: u64 = 2_000;
/// Requests that wait for the socket; then publishing waits.
const REQUESTS: usize = 32;
const PACKET_MAX: usize = 1 << 20;
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How often the receipt is looked at and the buffer trimmed.
const TICK: Duration = Duration::from_millis(500);
/// For the last records, the death and the good-bye when stopping.
const FAREWELL: Duration = Duration::from_millis(1_500);

/// What publishes.
pub struct Publisher {
    /// The gateway.
    pub gateway: GatewayConfig,
    /// The MQTT client id and user name.
    pub agent: String,
    /// The session.
    pub session: Session,
    /// The records.
    pub buffer: Buffer,
    /// The counters.
    pub metrics: Arc<Metrics>,
    renewal: Option<Renewal>,
}

/// What the connection's driver has seen; the worker watches it.
#[derive(Debug, Clone, Default)]
struct Link {
    is_up: bool,
    through: u64,
    rebirths: u64,
    renewals: u64,
    /// The last certificate it was sent, PEM, and the how manieth that was.
    certificate: Option<(u64, Arc<str>)>,
}

impl Link {
    fn answers(&self) -> u64 {
        self.certificate.as_ref().map_or(0, |(number, _)| *number)
    }
}

/// Why a connection ended in order.
enum Ended {
    Stopped,
    Renewed,
}

#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the connection to the gateway was lost")]
    Connection(#[source] Box<ConnectionError>),
    #[error("the MQTT client has gone")]
    Client(#[from] ClientError),
    #[error("the buffer cannot be read")]
    Buffer(#[from] ReadError),
    #[error("the agent's certificate cannot be used")]
    Identity(#[from] IdentityError),
    #[error("the connection was closed")]
    Closed,
}

impl Publisher {
    /// Publishes to `gateway` what is in `buffer`.
    pub fn new(
        gateway: GatewayConfig,
        agent: String,
        session: Session,
        buffer: Buffer,
        metrics: Arc<Metrics>,
    ) -> Publisher {
        let renewal = match &gateway.identity {
            Identity::Certificate { files, name } => {
                Some(Renewal::new(files.clone(), name.clone()))
            }
            Identity::Anonymous | Identity::Password(_) => None,
        };
        Publisher {
            gateway,
            agent,
            session,
            buffer,
            metrics,
            renewal,
        }
    }

    /// Connects and publishes until told to stop.
    pub async fn run(mut self, mut stop: Stop) {
        let mut failures = 0u32;
        loop {
            let started = Instant::now();
            match self.connection(&mut stop).await {
                Ok(Ended::Stopped) => return,
                Ok(Ended::Renewed) => {
                    failures = 0;
                    continue;
                }
                Err(error) => {
                    if started.elapsed() > BACK_OFF.1 {
                        failures = 0;
                    }
                    if failures == 0 {
                        let cause = chain(&error);
                        tracing::warn!(host = %self.gateway.host, port = self.gateway.port, cause, "not connected to the gateway; readings wait in the buffer");
                    }
                }
            }
            let delay = back_off(failures, random());
            failures = failures.saturating_add(1);
            tokio::select! {
                () = stop.asked() => return,
                () = sleep(delay) => {}
            }
        }
    }

    /// One connection from its beginning to its end.
    async fn connection(&mut self, stop: &mut Stop) -> Result<Ended, Lost> {
        let bdseq = match self.buffer.next_bdseq().await {
            Ok(bdseq) => bdseq,
            Err(error) => {
                // A full disk must not silence the agent; a repeated number is the lesser evil.
                tracing::error!(cause = chain(&error), "cannot store the birth number");
                u64::from(random() as u8)
            }
        };
        let will = self.session.begin(bdseq, Timestamp::now());
        let (client, events) = AsyncClient::new(self.options(will)?, REQUESTS);
        let (link, seen) = watch::channel(Link::default());
        let stream = self.buffer.stream().to_owned();
        let mut drive = pin!(drive(events, link, stream));
        tokio::select! {
            lost = &mut drive => Err(lost),
            done = self.work(client, seen, stop) => {
                let ended = done?;
                // The good-bye is in the client's queue; the driver carries it out.
                let _ = timeout(FAREWELL, drive).await;
                Ok(ended)
            }
        }
    }

    fn options(&mut self, will: Outgoing) -> Result<MqttOptions, IdentityError> {
        let mut options = MqttOptions::new(&self.agent, &self.gateway.host, self.gateway.port);
        options
            .set_keep_alive(Duration::from_secs(15))
            .set_clean_session(true)
            .set_max_packet_size(PACKET_MAX, PACKET_MAX)
            .set_last_will(LastWill::new(
                will.topic,
                will.payload,
                QoS::AtLeastOnce,
                false,
            ));
        if let Identity::Password(password) = &self.gateway.identity {
            options.set_credentials(&self.agent, password);
        }
        if let Some(renewal) = &mut self.renewal {
            let tls = TlsConfiguration::Rustls(renewal.next()?);
            options.set_transport(Transport::tls_with_config(tls));
        }
        Ok(options)
    }

    async fn work(
        &mut self,
        client: AsyncClient,
        mut link: watch::Receiver<Link>,
        stop: &mut Stop,
    ) -> Result<Ended, Lost> {
        tokio::select! {
            () = stop.asked() => return Ok(Ended::Stopped),
            up = link.wait_for(|link| link.is_up) => { up.map_err(|_| Lost::Closed)?; }
        }
        self.accepted()?;
        self.metrics.connections.add(1);
        tracing::info!(host = %self.gateway.host, port = self.gateway.port, waiting = self.metrics.records_waiting.get(), "connected to the gateway");
        client
            .subscribe(self.session.command_topic(), QoS::AtLeastOnce)
            .await?;
        self.born(&client).await?;
        let released = self.buffer.first() - 1;
        let mut flight = Flight {
            follower: self.buffer.follow(released + 1),
            sent: released,
            received: released,
            trimmed: released,
            live_from: self.buffer.head() + 1,
            rebirths: link.borrow().rebirths,
            renewals: 0,
            answers: 0,
            progress_at: Instant::now(),
        };
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            tokio::select! {
                biased;
                () = stop.asked() => break Ended::Stopped,
                changed = link.changed() => {
                    changed.map_err(|_| Lost::Closed)?;
                    let seen = link.borrow_and_update().clone();
                    self.listen(&client, &mut flight, &seen).await?;
                    if seen.answers() != flight.answers && self.is_renewed(&seen) {
                        break Ended::Renewed;
                    }
                    flight.answers = seen.answers();
                }
                _ = ticks.tick() => self.tick(&mut flight).await,
                block = flight.follower.next(), if flight.sent < flight.received + WINDOW => {
                    self.take(&client, &mut flight, block).await?;
                }
            }
        };
        let farewell = self.farewell(&client, &mut flight);
        // Out of time: what was not sent is in the buffer.
        let _ = timeout(FAREWELL, farewell).await;
        Ok(ended)
    }

    /// The gateway let the agent in: a new certificate is proven.
    fn accepted(&mut self) -> Result<(), Lost> {
        let Some(renewal) = &mut self.renewal else {
            return Ok(());
        };
        match renewal.accepted() {
            Ok(true) => {
                self.metrics.renewals.add(1);
                tracing::info!("the agent's certificate was renewed");
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(error) => {
                self.metrics.renewals_failed.add(1);
                Err(error.into())
            }
        }
    }

    /// True if the gateway sent a new certificate and it is kept: the next connection shows it.
    fn is_renewed(&self, seen: &Link) -> bool {
        let (Some(renewal), Some((_, certificate))) = (&self.renewal, &seen.certificate) else {
            return false;
        };
        let kept = renewal.keep(certificate);
        if let Err(error) = &kept {
            self.metrics.renewals_failed.add(1);
            tracing::error!(cause = chain(error), "a new certificate cannot be kept");
        }
        kept.is_ok()
    }

    /// Asks for a new certificate.
    async fn renew(&self, client: &AsyncClient) -> Result<(), Lost> {
        let Some(renewal) = &self.renewal else {
            return Ok(());
        };
        match renewal.request() {
            Ok(csr) => Ok(publish(client, self.session.request(csr)).await?),
            Err(error) => {
                self.metrics.renewals_failed.add(1);
                tracing::error!(cause = chain(&error), "no new certificate can be asked for");
                Ok(())
            }
        }
    }

    async fn born(&mut self, client: &AsyncClient) -> Result<(), Lost> {
        for message in self.session.births(Timestamp::now(), self.buffer.first()) {
            publish(client, message).await?;
        }
        Ok(())
    }

    /// The driver has heard something.
    async fn listen(
        &mut self,
        client: &AsyncClient,
        flight: &mut Flight,
        seen: &Link,
    ) -> Result<(), Lost> {
        if seen.renewals != flight.renewals {
            flight.renewals = seen.renewals;
            self.renew(client).await?;
        }
        if seen.rebirths != flight.rebirths {
            flight.rebirths = seen.rebirths;
            self.metrics.rebirths.add(1);
            self.born(client).await?;
        }
        let head = self.buffer.head();
        if seen.through > head {
            tracing::error!(
                through = seen.through,
                head,
                "the gateway has more records than this buffer ever had: was the buffer file restored from a copy? Remove it to begin a new stream"
            );
        } else if seen.through > flight.received {
            flight.received = seen.through;
            flight.progress_at = Instant::now();
        }
        Ok(())
    }

    /// Lets go of what has a receipt; sends again what has waited too long for one.
    async fn tick(&self, flight: &mut Flight) {
        self.trim(flight).await;
        if flight.sent <= flight.received {
            flight.progress_at = Instant::now();
        } else if flight.progress_at.elapsed() >= self.gateway.receipt_timeout {
            tracing::warn!(
                received = flight.received,
                sent = flight.sent,
                "no receipt from the gateway; sending again"
            );
            flight.live_from = flight.live_from.max(flight.sent + 1);
            flight.sent = flight.received;
            flight.follower = self.buffer.follow(flight.received + 1);
            flight.progress_at = Instant::now();
        }
    }

    async fn trim(&self, flight: &mut Flight) {
        if flight.trimmed == flight.received {
            return;
        }
        match self.buffer.release(flight.received).await {
            Ok(()) => flight.trimmed = flight.received,
            Err(error) => tracing::warn!(
                cause = chain(&error),
                "cannot release records that have a receipt; trying again"
            ),
        }
    }

    /// The next record of the buffer, be it readable or not.
    async fn take(
        &mut self,
        client: &AsyncClient,
        flight: &mut Flight,
        block: Result<Arc<Block>, ReadError>,
    ) -> Result<(), Lost> {
        let first = flight.follower.position().0;
        match block {
            Ok(block) => {
                let record = Record::decode(&block.body);
                let record = record.inspect_err(|error| {
                    tracing::error!(sequence = block.seq.0, %error, "a record of the buffer cannot be read; its readings are lost");
                });
                self.send(client, flight, block.seq.0, record.ok()).await
            }
            Err(error) if flight.follower.skip(&error) => {
                for sequence in first..flight.follower.position().0 {
                    self.send(client, flight, sequence, None).await?;
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a record. A damaged one (`None`) goes as its number without readings: the receipt would end before it
    /// for ever.
    async fn send(
        &mut self,
        client: &AsyncClient,
        flight: &mut Flight,
        sequence: u64,
        record: Option<Record>,
    ) -> Result<(), Lost> {
        let is_historical = sequence < flight.live_from;
        let now = Timestamp::now();
        let messages = match &record {
            Some(record) => self.session.data(now, sequence, record, is_historical),
            None => {
                self.metrics.records_damaged.add(1);
                self.session.number(now, sequence)
            }
        };
        for message in messages {
            publish(client, message).await?;
        }
        flight.sent = sequence;
        self.metrics.records_sent.add(1);
        if is_historical {
            self.metrics.records_resent.add(1);
        }
        Ok(())
    }

    async fn farewell(&mut self, client: &AsyncClient, flight: &mut Flight) -> Result<(), Lost> {
        while flight.sent < self.buffer.head().min(flight.received + WINDOW) {
            let block = flight.follower.next().await;
            self.take(client, flight, block).await?;
        }
        self.trim(flight).await;
        publish(client, self.session.death(Timestamp::now())).await?;
        client.disconnect().await?;
        Ok(())
    }
}

/// What is under way on a connection.
struct Flight {
    follower: Follower,
    /// The newest record sent.
    sent: u64,
    /// The newest record with a receipt.
    received: u64,
    /// The newest record let go of.
    trimmed: u64,
    /// Records before this one were there before the connection, or are sent again.
    live_from: u64,
    rebirths: u64,
    renewals: u64,
    answers: u64,
    progress_at: Instant,
}

/// Keeps the connection going and notes what the gateway says, until it breaks or ends.
async fn drive(mut events: EventLoop, link: watch::Sender<Link>, stream: String) -> Lost {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => link.send_modify(|link| link.is_up = true),
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                match hear(&stream, &publish.payload) {
                    Ok(heard) => link.send_modify(|link| {
                        link.through = link.through.max(heard.through.unwrap_or(0));
                        link.rebirths += u64::from(heard.is_rebirth);
                        link.renewals += u64::from(heard.is_renewal);
                        if let Some(pem) = heard.certificate {
                            link.certificate = Some((link.answers() + 1, pem.into()));
                        }
                    }),
                    Err(error) => {
                        tracing::warn!(topic = publish.topic, %error, "a command cannot be read")
                    }
                }
            }
            Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => return Lost::Closed,
            Ok(_) => {}
            Err(error) => return Lost::Connection(Box::new(error)),
        }
    }
}

async fn publish(client: &AsyncClient, message: Outgoing) -> Result<(), ClientError> {
    client
        .publish(message.topic, QoS::AtMostOnce, false, message.payload)
        .await
}

/// Doubles up to a cap; half of it is left to chance, so that a hundred agents do not come back at once.
fn back_off(failures: u32, random: u32) -> Duration {
    let full = BACK_OFF
        .0
        .saturating_mul(1 << failures.min(10))
        .min(BACK_OFF.1);
    full / 2 + (full / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    // Without randomness there is no jitter, which harms nothing.
    let _ = SystemRandom::new().fill(&mut bytes);
    u32::from_le_bytes(bytes)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_grows_to_its_cap_and_is_never_zero() {
        assert_eq!(back_off(0, 0), Duration::from_millis(250));
        assert_eq!(back_off(0, u32::MAX), Duration::from_millis(500));
        assert_eq!(back_off(3, u32::MAX), Duration::from_secs(4));
        assert_eq!(back_off(u32::MAX, u32::MAX), Duration::from_secs(30));
    }
}
