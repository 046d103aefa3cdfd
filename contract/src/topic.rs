//! Sparkplug B 3.0 topics: `spBv1.0/{site}/{TYPE}/{agent}[/{device}]`.
//!
//! The Sparkplug group is the site and the edge node is the agent, so that an access rule can be written on
//! the topic alone: agent `a` of site `s` may publish `spBv1.0/s/+/a` and `spBv1.0/s/+/a/+`.

use crate::{AgentId, DeviceId, SiteId};
use std::fmt;

/// The Sparkplug B name space.
pub const NAMESPACE: &str = "spBv1.0";

/// Message types of Sparkplug B that carry a payload between an edge node and its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Birth of an edge node.
    NodeBirth,
    /// Death of an edge node (its will).
    NodeDeath,
    /// Data of an edge node.
    NodeData,
    /// Command to an edge node.
    NodeCommand,
    /// Birth of a device.
    DeviceBirth,
    /// Death of a device.
    DeviceDeath,
    /// Data of a device.
    DeviceData,
    /// Command to a device.
    DeviceCommand,
}

impl Kind {
    const ALL: [(Kind, &'static str); 8] = [
        (Kind::NodeBirth, "NBIRTH"),
        (Kind::NodeDeath, "NDEATH"),
        (Kind::NodeData, "NDATA"),
        (Kind::NodeCommand, "NCMD"),
        (Kind::DeviceBirth, "DBIRTH"),
        (Kind::DeviceDeath, "DDEATH"),
        (Kind::DeviceData, "DDATA"),
        (Kind::DeviceCommand, "DCMD"),
    ];

    /// The word in the topic.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .expect("every kind is listed")
            .1
    }

    /// True for the four kinds whose topic names a device.
    pub fn is_device(self) -> bool {
        matches!(
            self,
            Kind::DeviceBirth | Kind::DeviceDeath | Kind::DeviceData | Kind::DeviceCommand
        )
    }
}

/// A parsed Sparkplug topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Topic {
    /// The site (Sparkplug group).
    pub site: SiteId,
    /// The message type.
    pub kind: Kind,
    /// The agent (Sparkplug edge node).
    pub agent: AgentId,
    /// The device, for the four device kinds.
    pub device: Option<DeviceId>,
}

/// Why a topic is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("topic {topic:?} is not a Sparkplug B topic spBv1.0/SITE/TYPE/AGENT[/DEVICE]: {reason}")]
pub struct TopicError {
    topic: String,
    reason: String,
}

impl Topic {
    /// Reads a topic.
    pub fn parse(topic: &str) -> Result<Topic, TopicError> {
        let refuse = |reason: String| TopicError {
            topic: topic.to_owned(),
            reason,
        };
        let mut parts = topic.split('/');
        if parts.next() != Some(NAMESPACE) {
            return Err(refuse(format!("it does not begin with {NAMESPACE}/")));
        }
        let (Some(site), Some(word), Some(agent)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(refuse("it has too few levels".into()));
        };
        let (device, rest) = (parts.next(), parts.next());
        let kind = Kind::ALL
            .iter()
            .find(|(_, name)| *name == word)
            .map(|(kind, _)| *kind)
            .ok_or_else(|| refuse(format!("{word:?} is not a message type")))?;
        if rest.is_some() || device.is_some() != kind.is_device() {
            return Err(refuse(
                "it has the wrong number of levels for its message type".into(),
            ));
        }
        Ok(Topic {
            site: SiteId::new(site).map_err(|e| refuse(e.to_string()))?,
            kind,
            agent: AgentId::new(agent).map_err(|e| refuse(e.to_string()))?,
            device: device
                .map(DeviceId::new)
                .transpose()
                .map_err(|e| refuse(e.to_string()))?,
        })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{NAMESPACE}/{}/{}/{}",
            self.site,
            self.kind.as_str(),
            self.agent
        )?;
        match &self.device {
            Some(device) => write!(f, "/{device}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_survive_the_round_trip_and_wrong_shapes_are_refused() {
        for good in [
            "spBv1.0/s/NBIRTH/a",
            "spBv1.0/s/DDATA/a/冷库1",
            "spBv1.0/s/NCMD/a",
        ] {
            assert_eq!(Topic::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "spBv1.0/s/NDATA/a/d",
            "spBv1.0/s/DDATA/a",
            "x/s/NDATA/a",
            "spBv1.0/s/WHAT/a",
            "spBv1.0/s/DDATA/a/d/e",
        ] {
            assert!(Topic::parse(bad).is_err(), "{bad}");
        }
    }
}
