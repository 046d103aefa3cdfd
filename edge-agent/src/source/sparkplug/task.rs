//! The connection to the broker, as a host application: births, data and deaths of one group become records; a new
//! birth is asked for where something was missed. While there is no connection, what was online is absent.

use super::{Sparkplug, node::Node};
use crate::{chain, source::Sink, stop::Stop};
use contract::{
    AgentId, Timestamp, payload,
    topic::{Kind, NAMESPACE, Topic},
};
use rumqttc::{
    AsyncClient, ConnectionError, Event, LastWill, Packet, Publish, QoS, SubscribeReasonCode,
};
use std::{collections::HashMap, time::Duration};
use tokio::time::sleep;

const REQUESTS: usize = 1_000;
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Nodes of a group at most.
const NODES_MAX: usize = 1_000;

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the connection failed")]
    Connection(#[source] Box<ConnectionError>),
    #[error("the broker refuses the subscription")]
    Subscription,
    #[error("too much waits for the socket")]
    Stuck,
}

struct Host {
    source: Sparkplug,
    nodes: HashMap<AgentId, Node>,
    sink: Sink,
    is_up: bool,
}

/// Takes what comes until told to stop.
pub async fn run(source: Sparkplug, sink: Sink, mut stop: Stop) {
    let name = source.broker.name();
    let mut host = Host {
        source,
        nodes: HashMap::new(),
        sink: sink.clone(),
        is_up: false,
    };
    let mut failures = 0u32;
    loop {
        let broken = tokio::select! {
            () = stop.asked() => return,
            broken = host.connection() => broken,
        };
        if std::mem::take(&mut host.is_up) {
            failures = 0;
        }
        let words = chain(&broken);
        if failures == 0 {
            tracing::warn!(broker = name, cause = words, "not connected");
        }
        sink.board.source(&name, Err(words));
        host.lost().await;
        let pause = BACK_OFF.0.saturating_mul(1 << failures.min(10));
        failures = failures.saturating_add(1);
        tokio::select! {
            () = stop.asked() => return,
            () = sleep(pause.min(BACK_OFF.1)) => {}
        }
    }
}

impl Host {
    async fn connection(&mut self) -> Broken {
        let mut options = self.source.broker.options();
        let begun = Timestamp::now();
        if let Some((topic, offline)) = self.state(false, begun) {
            options.set_last_will(LastWill::new(topic, offline, QoS::AtLeastOnce, true));
        }
        let (client, mut events) = AsyncClient::new(options, REQUESTS);
        loop {
            let result = match events.poll().await {
                Err(error) => return Broken::Connection(Box::new(error)),
                Ok(Event::Incoming(Packet::ConnAck(_))) => self.connected(&client, begun),
                Ok(Event::Incoming(Packet::SubAck(granted))) => {
                    if granted.return_codes.contains(&SubscribeReasonCode::Failure) {
                        return Broken::Subscription;
                    }
                    self.sink.board.source(&self.source.broker.name(), Ok(()));
                    let nodes: Vec<AgentId> = self.nodes.keys().cloned().collect();
                    nodes.iter().try_for_each(|node| self.ask(&client, node))
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => self.take(&client, publish).await,
                Ok(_) => Ok(()),
            };
            if let Err(broken) = result {
                return broken;
            }
        }
    }

    /// Topic and content of the host's STATE (Sparkplug B 3.0): online and offline have the same time.
    fn state(&self, is_online: bool, begun: Timestamp) -> Option<(String, String)> {
        let host = self.source.host_id.as_ref()?;
        let ms = begun.as_millis();
        let content = format!("{{\"online\":{is_online},\"timestamp\":{ms}}}");
        Some((format!("{NAMESPACE}/STATE/{host}"), content))
    }

    fn connected(&mut self, client: &AsyncClient, begun: Timestamp) -> Result<(), Broken> {
        self.is_up = true;
        tracing::info!(broker = self.source.broker.name(), "connected");
        let filter = format!("{NAMESPACE}/{}/#", self.source.group);
        client
            .try_subscribe(filter, QoS::AtLeastOnce)
            .map_err(|_| Broken::Stuck)?;
        let Some((topic, online)) = self.state(true, begun) else {
            return Ok(());
        };
        client
            .try_publish(topic, QoS::AtLeastOnce, true, online)
            .map_err(|_| Broken::Stuck)
    }

    async fn take(&mut self, client: &AsyncClient, publish: Publish) -> Result<(), Broken> {
        if let Some((node, is_rebirth)) = self.message(&publish).await
            && is_rebirth
        {
            self.ask(client, &node)?;
        }
        if publish.qos == QoS::AtMostOnce {
            return Ok(());
        }
        client.try_ack(&publish).map_err(|_| Broken::Stuck)
    }

    /// Stores what a message says; gives its node and whether a new birth is wanted of it.
    async fn message(&mut self, publish: &Publish) -> Option<(AgentId, bool)> {
        self.sink.metrics.messages.add(1);
        let broker = self.source.broker.name();
        let refused = |reason, words: String| {
            self.sink.refused(&broker, reason, &words, &publish.payload);
        };
        let topic = match Topic::parse(&publish.topic) {
            Ok(topic) => topic,
            Err(error) => {
                refused("topic", error.to_string());
                return None;
            }
        };
        if matches!(topic.kind, Kind::NodeCommand | Kind::DeviceCommand) {
            return None;
        }
        if publish.retain {
            self.sink.metrics.messages_retained.add(1);
            return None;
        }
        let message = match payload::decode(&publish.payload) {
            Ok(message) => message,
            Err(error) => {
                refused(
                    "not Sparkplug B",
                    format!("{}: {}", publish.topic, chain(&error)),
                );
                return None;
            }
        };
        if self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(&topic.agent) {
            refused("too many nodes", topic.agent.to_string());
            return None;
        }
        let node = self
            .nodes
            .entry(topic.agent.clone())
            .or_insert_with(|| Node::new(topic.agent.to_string()));
        let outcome = node.take(
            topic.kind,
            topic.device.as_ref(),
            &message,
            Timestamp::now(),
        );
        for (reason, words) in &outcome.faults {
            self.sink
                .refused(topic.agent.as_str(), reason, words, &publish.payload);
        }
        for (device, points) in &outcome.described {
            self.sink.describe(device, points).await;
        }
        for record in &outcome.records {
            self.sink.store(record, false).await;
        }
        Some((topic.agent, outcome.is_rebirth))
    }

    fn ask(&mut self, client: &AsyncClient, agent: &AgentId) -> Result<(), Broken> {
        let now = Timestamp::now();
        let may = |node: &mut Node| node.may_ask(now);
        if !self.nodes.get_mut(agent).is_some_and(may) {
            return Ok(());
        }
        let topic = Topic {
            site: self.source.group.clone(),
            kind: Kind::NodeCommand,
            agent: agent.clone(),
            device: None,
        };
        let command = payload::rebirth_command(now);
        client
            .try_publish(topic.to_string(), QoS::AtMostOnce, false, command)
            .map_err(|_| Broken::Stuck)
    }

    /// What was online cannot be heard any more.
    async fn lost(&mut self) {
        let now = Timestamp::now();
        for node in self.nodes.values_mut() {
            for record in node.lost(now) {
                self.sink.store(&record, false).await;
            }
        }
    }
}
