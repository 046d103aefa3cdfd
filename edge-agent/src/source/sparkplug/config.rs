//! A group of Sparkplug B edge nodes: the `[[sparkplug]]` part of the configuration.

use crate::{
    section::Section,
    source::broker::{self, Broker},
};
use contract::{SiteId, problems::Problems};
use std::path::Path;

/// A group of edge nodes behind a broker of the site.
#[derive(Debug, Clone)]
pub struct Sparkplug {
    /// The broker.
    pub broker: Broker,
    /// The Sparkplug group; all its nodes are taken.
    pub group: SiteId,
}

/// Reads it.
pub fn read(
    mut part: Section,
    folder: &Path,
    client_id: String,
    problems: &mut Problems,
) -> Option<Sparkplug> {
    let broker = broker::read(&mut part, folder, client_id, problems);
    let group = part.parsed("group", "\"Plant1\"", problems);
    part.finish(problems);
    Some(Sparkplug {
        broker: broker?,
        group: group?,
    })
}
