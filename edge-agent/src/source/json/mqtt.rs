//! Messages of a broker of the site.
//!
//! Promise: a QoS 1 message is acknowledged to the broker after its record is on disk, so what the agent did not store
//! the broker keeps; a message that comes a second time is stored once (its time tells, or where it has none the number
//! under which the broker sends it again); a retained message is an old value and no reading.

use super::{
    config::{JsonMqtt, is_meant},
    intake::{Arrival, Intake, IntakeError},
};
use crate::{
    source::{Sink, broker::Broker},
    stop::Stop,
};
use contract::{Absence, Timestamp};
use rumqttc::v5::{
    AsyncClient, ConnectionError, Event,
    mqttbytes::{
        QoS,
        v5::{ConnAck, Filter, Packet, Publish, SubscribeReasonCode},
    },
};
use std::{pin::pin, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};

/// Acknowledgements and subscriptions that wait for the socket.
const REQUESTS: usize = 1_000;
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the connection failed")]
    Connection(#[source] Box<ConnectionError>),
    #[error("the disk takes nothing")]
    Store(#[source] journal::AppendError),
    #[error("the broker refuses the subscription")]
    Subscription,
    #[error("too much waits for the socket")]
    Stuck,
}

struct Listener {
    broker: Broker,
    /// Filter, level that names the device, and the devices.
    topics: Vec<(String, Option<usize>, Vec<Intake>)>,
    sink: Sink,
    is_up: bool,
}

/// Takes what comes until told to stop.
pub async fn run(source: JsonMqtt, sink: Sink, mut stop: Stop) {
    let begun = Instant::now();
    let intakes = |topic: super::config::Topic| {
        let speakers = topic.speakers.into_iter();
        let intakes = speakers.map(|speaker| Intake::new(speaker, &sink, begun));
        (topic.filter, topic.level, intakes.collect())
    };
    let mut listener = Listener {
        topics: source.topics.into_iter().map(intakes).collect(),
        broker: source.broker,
        sink: sink.clone(),
        is_up: false,
    };
    let name = listener.broker.name();
    let mut failures = 0u32;
    loop {
        let Err(broken) = listener.connection(&mut stop).await else {
            return;
        };
        if std::mem::take(&mut listener.is_up) {
            failures = 0;
        }
        let words = crate::chain(&broken);
        if failures == 0 {
            tracing::warn!(broker = name, cause = words, "not connected");
        }
        sink.board.source(&name, Err(words));
        let pause = BACK_OFF.0.saturating_mul(1 << failures.min(10));
        failures = failures.saturating_add(1);
        let mut pause = pin!(sleep(pause.min(BACK_OFF.1)));
        loop {
            tokio::select! {
                () = stop.asked() => return,
                () = &mut pause => break,
                () = sleep_until(listener.next_due()) => listener.silence().await,
            }
        }
    }
}

impl Listener {
    fn intakes(&mut self) -> impl Iterator<Item = &mut Intake> {
        self.topics.iter_mut().flat_map(|(.., intakes)| intakes)
    }

    fn next_due(&self) -> Instant {
        let intakes = self.topics.iter().flat_map(|(.., intakes)| intakes);
        let next = intakes.filter_map(Intake::next_due).min();
        next.unwrap_or_else(|| Instant::now() + BACK_OFF.1)
    }

    async fn silence(&mut self) {
        let reason = match self.is_up {
            true => Absence::NoAnswer,
            false => Absence::NoConnection,
        };
        let (now, wall, sink) = (Instant::now(), Timestamp::now(), self.sink.clone());
        for intake in self.intakes() {
            intake.silence(reason, now, wall, &sink).await;
        }
    }

    /// One connection; `Ok` if it ended because of `stop`.
    async fn connection(&mut self, stop: &mut Stop) -> Result<(), Broken> {
        // A client is not used again: what it had in its queues belongs to its connection.
        let (client, mut events) = AsyncClient::new(self.broker.kept(), REQUESTS);
        loop {
            let event = {
                let mut event = pin!(events.poll());
                loop {
                    tokio::select! {
                        biased;
                        () = stop.asked() => return Ok(()),
                        event = &mut event => break event,
                        () = sleep_until(self.next_due()) => self.silence().await,
                    }
                }
            };
            match event.map_err(|error| Broken::Connection(Box::new(error)))? {
                Event::Incoming(Packet::ConnAck(greeting)) => self.connected(&client, greeting)?,
                Event::Incoming(Packet::SubAck(granted)) => {
                    let is_granted = |code: &SubscribeReasonCode| {
                        matches!(code, SubscribeReasonCode::Success(_))
                    };
                    if !granted.return_codes.iter().all(is_granted) {
                        return Err(Broken::Subscription);
                    }
                    self.sink.board.source(&self.broker.name(), Ok(()));
                }
                Event::Incoming(Packet::Publish(publish)) => self.take(&client, publish).await?,
                _ => {}
            }
        }
    }

    fn connected(&mut self, client: &AsyncClient, greeting: ConnAck) -> Result<(), Broken> {
        self.is_up = true;
        let now = Instant::now();
        if greeting.session_present {
            self.intakes().for_each(|intake| intake.reconnected(now));
        } else {
            self.intakes().for_each(Intake::forgotten);
        }
        let broker = self.broker.name();
        tracing::info!(broker, was_known = greeting.session_present, "connected");
        let mut filters: Vec<String> = self.topics.iter().map(|t| t.0.clone()).collect();
        filters.sort();
        filters.dedup();
        let filters = filters.into_iter();
        let filters = filters.map(|filter| Filter::new(filter, QoS::AtLeastOnce));
        client
            .try_subscribe_many(filters)
            .map_err(|_| Broken::Stuck)
    }

    async fn take(&mut self, client: &AsyncClient, publish: Publish) -> Result<(), Broken> {
        let arrival = Arrival {
            at: Timestamp::now(),
            now: Instant::now(),
            number: (publish.qos != QoS::AtMostOnce).then_some(publish.pkid),
            is_repeat: publish.dup,
        };
        let broker = self.broker.name();
        let text = String::from_utf8_lossy(&publish.topic);
        let mut is_meant_for_one = false;
        for (filter, level, intakes) in &mut self.topics {
            if !is_meant(filter, &text) {
                continue;
            }
            let named = level.and_then(|level| text.split('/').nth(level));
            let is_named = |intake: &&mut Intake| named.is_none_or(|n| intake.id().as_str() == n);
            for intake in intakes.iter_mut().filter(is_named) {
                is_meant_for_one = true;
                if publish.retain {
                    self.sink.metrics.messages_retained.add(1);
                    continue;
                }
                match intake.message(&publish.payload, arrival, &self.sink).await {
                    Ok(()) | Err(IntakeError::Refused(_)) => {}
                    Err(IntakeError::Store(error)) => return Err(Broken::Store(error)),
                }
            }
        }
        if !is_meant_for_one {
            let words = format!("no device is configured for the topic {text}");
            self.sink
                .refused(&broker, "unknown device", &words, &publish.payload);
        }
        if publish.qos == QoS::AtMostOnce {
            return Ok(());
        }
        client.try_ack(&publish).map_err(|_| Broken::Stuck)
    }
}
