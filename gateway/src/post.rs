//! What the gateway sends by itself: to agents and to whoever subscribed, at its own broker and at an external one.

use crate::{broker::Broker, ingest};
use contract::{
    AgentId, SiteId,
    topic::{Kind, Topic},
};
use tokio::sync::mpsc;

/// Both ways out; clones share them. Nothing waits: what finds no room is not sent, and whoever sends is told.
#[derive(Clone)]
pub struct Post {
    broker: Broker,
    external: Option<mpsc::Sender<ingest::Command>>,
}

impl Post {
    /// Through our broker, and through `external` if readings come from a broker that is not ours.
    pub fn new(broker: Broker, external: Option<mpsc::Sender<ingest::Command>>) -> Post {
        Post { broker, external }
    }

    /// False if one of both had no room.
    #[must_use]
    pub fn publish(&self, topic: &str, payload: Vec<u8>) -> bool {
        let is_out = self.external.as_ref().is_none_or(|external| {
            let (topic, payload) = (topic.to_owned(), payload.clone());
            external
                .try_send(ingest::Command { topic, payload })
                .is_ok()
        });
        self.broker.publish(topic, payload) && is_out
    }

    /// An NCMD for an agent (Sparkplug B 3.0); false as with [`Post::publish`].
    #[must_use]
    pub fn command(&self, site: SiteId, agent: AgentId, payload: Vec<u8>) -> bool {
        self.publish(&command_topic(site, agent).to_string(), payload)
    }
}

/// Where an agent listens for commands.
pub fn command_topic(site: SiteId, agent: AgentId) -> Topic {
    Topic {
        site,
        kind: Kind::NodeCommand,
        agent,
        device: None,
    }
}
