//! A group of Sparkplug B edge nodes: the `[[sparkplug]]` part of the configuration.

use crate::{
    folder::Folder,
    section::Section,
    source::broker::{self, Broker},
};
use contract::{AgentId, SiteId, problems::Problems};

/// A group of edge nodes behind a broker of the site.
#[derive(Debug, Clone, PartialEq)]
pub struct Sparkplug {
    /// The broker.
    pub broker: Broker,
    /// The Sparkplug group; all its nodes are taken.
    pub group: SiteId,
    /// Under which name the agent says that this host is there, for nodes that wait for their primary host.
    pub host_id: Option<AgentId>,
}

/// Reads it.
pub fn read(
    mut part: Section,
    folder: &Folder,
    client_id: String,
    problems: &mut Problems,
) -> Option<Sparkplug> {
    let broker = broker::read(&mut part, folder, client_id, problems);
    let group = part.parsed("group", "\"Plant1\"", problems);
    let host_id = part
        .has("host_id")
        .then(|| part.parsed("host_id", "\"onedoor\"", problems));
    part.finish(problems);
    Some(Sparkplug {
        broker: broker?,
        group: group?,
        host_id: match host_id {
            Some(host_id) => Some(host_id?),
            None => None,
        },
    })
}
