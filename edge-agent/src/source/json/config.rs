//! How devices that speak JSON are written down: `[[json_mqtt]]`, `[[json_http]]` and `[json_in]`.

use super::{
    intake::{Speaker, described},
    mapping::{self, Mapping},
};
use crate::{
    folder::Folder,
    http::client::{self, Url},
    section::Section,
    source::{
        Described,
        broker::{self, Broker},
    },
};
use contract::{DeviceId, problems::Problems};
use std::{collections::HashSet, fmt, net::SocketAddr, time::Duration};

/// From how often to how seldom a device may speak.
const EVERY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(7 * 86_400));
/// Stands in a topic for the level that names the device.
const DEVICE: &str = "{device}";

/// A broker of the site and the devices that publish to it.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonMqtt {
    /// Where.
    pub broker: Broker,
    /// Which topics.
    pub topics: Vec<Topic>,
}

/// A topic filter and the devices behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    /// The MQTT filter.
    pub filter: String,
    /// The level, counted from 0, that names the device; without one there is one device.
    pub level: Option<usize>,
    /// The devices.
    pub speakers: Vec<Speaker>,
}

/// A device that is asked over HTTP.
#[derive(Clone, PartialEq)]
pub struct JsonHttp {
    /// Its name.
    pub id: DeviceId,
    /// What is asked.
    pub url: Url,
    /// The certificates that are trusted, for https.
    pub tls: Option<client::Trust>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// Time between questions.
    pub every: Duration,
    /// How long the answer may take.
    pub timeout: Duration,
    /// What the answer means.
    pub mapping: Mapping,
}

impl JsonHttp {
    /// What it will tell. One with a clock of its own promises nothing: it may measure less often than it is asked.
    pub fn described(&self) -> Described {
        let every = self.mapping.clock.is_none().then_some(self.every);
        described(&self.id, &self.mapping, every)
    }
}

impl fmt::Debug for JsonHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.id, self.url)
    }
}

/// The door to which devices post.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonIn {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may post.
    pub devices: Vec<Posting>,
}

/// A device that posts.
#[derive(Clone, PartialEq)]
pub struct Posting {
    /// The device.
    pub speaker: Speaker,
    /// What it must show.
    pub token: String,
}

impl fmt::Debug for Posting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.speaker.id)
    }
}

/// Reads `[[json_mqtt]]`.
pub fn read_mqtt(
    mut part: Section,
    folder: &Folder,
    client_id: String,
    problems: &mut Problems,
) -> Option<JsonMqtt> {
    let broker = broker::read(&mut part, folder, client_id, problems);
    let mut topics: Vec<Topic> = Vec::new();
    for part in part.sections("device", problems) {
        let place = part.place("topic");
        let Some(topic) = topic(part, folder, problems) else {
            continue;
        };
        let is_other = |other: &&Topic| other.filter != topic.filter;
        let mut others = topics.iter().filter(is_other);
        if let Some(other) = others.find(|other| overlap(&other.filter, &topic.filter)) {
            let what = format!(
                "{} and {} can both mean the same message, which the broker may then send twice",
                topic.filter, other.filter
            );
            problems.add(
                place,
                what,
                "write topics that do not overlap, or the same topic",
            );
        }
        topics.push(topic);
    }
    part.finish(problems);
    Some(JsonMqtt {
        broker: broker?,
        topics,
    })
}

fn topic(mut part: Section, folder: &Folder, problems: &mut Problems) -> Option<Topic> {
    let topic: Option<String> = part.parsed("topic", "\"sensors/cold-room/state\"", problems);
    let topic = topic.filter(|topic| {
        let is_good = is_filter(topic);
        if !is_good {
            let fix = "write a topic such as \"sensors/cold-room/state\"; + stands for any one level, # at the end for all further, {device} for the level that names the device";
            problems.add(
                part.place("topic"),
                format!("{topic:?} is not a topic"),
                fix,
            );
        }
        is_good
    });
    let is_many = topic.as_ref().is_some_and(|topic| topic.contains(DEVICE));
    let ids: Vec<DeviceId> = if is_many {
        let texts = part.texts("devices", "[\"fridge-1\", \"fridge-2\"]", problems);
        let mut ids = Vec::new();
        for text in texts {
            match DeviceId::new(text) {
                Ok(id) => ids.push(id),
                Err(error) => {
                    problems.add(part.place("devices"), error, "correct the name");
                }
            }
        }
        ids
    } else {
        let id = part.parsed("id", "\"cold-room\"", problems);
        id.into_iter().collect()
    };
    let every = part.duration("every", None, EVERY, problems);
    let mapping = mapping_of(part, folder, problems);
    let (topic, every, mapping) = (topic?, every?, mapping?);
    let speaker = |id: DeviceId| Speaker {
        id,
        mapping: mapping.clone(),
        every,
    };
    Some(Topic {
        level: topic.split('/').position(|level| level == DEVICE),
        filter: topic.replace(DEVICE, "+"),
        speakers: ids.into_iter().map(speaker).collect(),
    })
}

/// A filter of MQTT in which one level may be `{device}`.
fn is_filter(topic: &str) -> bool {
    let levels: Vec<&str> = topic.split('/').collect();
    let is_level = |(n, level): (usize, &&str)| match *level {
        DEVICE | "+" => true,
        "#" => n + 1 == levels.len(),
        text => !text.contains(['+', '#', '\0', '{', '}']),
    };
    let devices = levels.iter().filter(|level| **level == DEVICE).count();
    !topic.is_empty()
        && topic.len() <= 1_000
        && !topic.starts_with('$')
        && devices <= 1
        && levels.iter().enumerate().all(is_level)
}

/// True if a topic may match both filters.
fn overlap(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.split('/'), b.split('/'));
    loop {
        match (a.next(), b.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(x), Some(y)) if x == "+" || y == "+" || x == y => {}
            _ => return false,
        }
    }
}

/// True if a filter means a topic.
pub fn is_meant(filter: &str, topic: &str) -> bool {
    // A filter without wildcards at its beginning: topics with $ are not subscribed to.
    overlap(filter, topic)
}

/// Reads `[[json_http]]`.
pub fn read_http(mut part: Section, folder: &Folder, problems: &mut Problems) -> Option<JsonHttp> {
    let id = part.parsed("id", "\"scale\"", problems);
    let url: Option<Url> = part.parsed("url", "\"http://192.168.1.30/status\"", problems);
    let limits = (Duration::from_millis(100), EVERY.1);
    let every = part.duration("every", None, limits, problems);
    let timeout = part.duration("timeout", Some(Duration::from_secs(5)), limits, problems);
    if let (Some(every), Some(timeout)) = (every, timeout)
        && timeout > every
    {
        let what = format!("{timeout:?} is longer than every = {every:?}");
        let fix = "a silent device must be noticed before it is asked again: shorten it";
        problems.add(part.place("timeout"), what, fix);
    }
    let mut file = |key: &'static str, problems: &mut Problems| {
        let name = part.text_if_there(key, problems)?;
        let fix = "correct the path, and let the agent's user read it";
        folder.secret(&name, fix, problems).map(|(_, text)| text)
    };
    let authorization = file("authorization_file", problems).map(|text| text.trim().to_owned());
    let ca = file("ca_file", problems);
    let tls = ca.map(|pem| client::tls(pem.as_bytes()));
    if let Some(Err(error)) = &tls {
        let fix = "name a PEM file of the authority that signed the device's certificate, or of that certificate";
        problems.add(
            part.place("ca_file"),
            format!("it cannot be used ({error})"),
            fix,
        );
    }
    if let Some(url) = &url
        && url.is_tls != tls.is_some()
    {
        let what = format!("{url} and ca_file do not go together");
        let fix = "https needs the ca_file that is trusted, http cannot use one";
        problems.add(part.place("ca_file"), what, fix);
    }
    let mapping = mapping_of(part, folder, problems);
    Some(JsonHttp {
        id: id?,
        url: url?,
        tls: tls.and_then(Result::ok),
        authorization,
        every: every?,
        timeout: timeout?,
        mapping: mapping?,
    })
}

/// Reads `[json_in]`.
pub fn read_in(mut part: Section, folder: &Folder, problems: &mut Problems) -> Option<JsonIn> {
    let listen = part.parsed("listen", "\"0.0.0.0:8088\"", problems);
    let mut devices = Vec::new();
    let mut tokens = HashSet::new();
    for mut part in part.sections("device", problems) {
        let id = part.parsed("id", "\"noise-1\"", problems);
        let every = part.duration("every", None, EVERY, problems);
        let place = part.place("token_file");
        let token = token(&mut part, folder, problems);
        if let Some(token) = &token
            && !tokens.insert(token.clone())
        {
            let what = "another device has the same token";
            problems.add(place, what, "give each device a token of its own");
        }
        let mapping = mapping_of(part, folder, problems);
        let (Some(id), Some(every), Some(token), Some(mapping)) = (id, every, token, mapping)
        else {
            continue;
        };
        let speaker = Speaker { id, mapping, every };
        devices.push(Posting { speaker, token });
    }
    part.finish(problems);
    Some(JsonIn {
        listen: listen?,
        devices,
    })
}

/// The token in the file that `token_file` names.
pub fn token(part: &mut Section, folder: &Folder, problems: &mut Problems) -> Option<String> {
    const LEAST: usize = 16;
    let name: String = part.parsed("token_file", "\"noise-1.token\"", problems)?;
    let fix = "put a random text into it, for example with `openssl rand -hex 16`";
    let (_, text) = folder.secret(&name, fix, problems)?;
    let token = text.trim();
    let is_good = token.len() >= LEAST && token.bytes().all(|b| b.is_ascii_graphic());
    if !is_good {
        let what = format!("it does not hold one word of at least {LEAST} letters and digits");
        problems.add(part.place("token_file"), what, fix);
    }
    is_good.then(|| token.to_owned())
}

/// The mapping of a device: in a file of its own, or in the device's own table.
fn mapping_of(mut part: Section, folder: &Folder, problems: &mut Problems) -> Option<Mapping> {
    let Some(name) = part.text_if_there("profile", problems) else {
        let mapping = mapping::read(&mut part, problems);
        part.finish(problems);
        return mapping;
    };
    part.finish(problems);
    let fix = "name a file of config/messages, relative to this file";
    let (place, text) = folder.profile(&name, fix, problems)?;
    profile(&place, &text, problems)
}

/// Reads a mapping that is a file of its own.
pub fn profile(file: &str, text: &str, problems: &mut Problems) -> Option<Mapping> {
    let mut section = Section::parse(file, text, problems)?;
    let _: Option<String> = section.parsed("name", "\"cold-room sensor\"", problems);
    let mapping = mapping::read(&mut section, problems);
    section.finish(problems);
    mapping
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_match_as_in_mqtt_and_overlaps_are_found() {
        for (a, b, expected) in [
            ("a/b", "a/b", true),
            ("a/+", "a/b", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("#", "x/y", true),
            ("a/+", "a/b/c", false),
            ("+/b", "a/+", true),
            ("a/b", "a", false),
            ("a/+/c", "a/b/d", false),
        ] {
            assert_eq!(overlap(a, b), expected, "{a} {b}");
            assert_eq!(overlap(b, a), expected, "{b} {a}");
        }
        for good in ["a", "a/+/c", "a/#", "s/{device}/x", "冷库/1"] {
            assert!(is_filter(good), "{good}");
        }
        for bad in [
            "",
            "a/#/b",
            "a+/b",
            "{device}/{device}",
            "a/{x}",
            "a{device}",
            "$share/g/a",
        ] {
            assert!(!is_filter(bad), "{bad}");
        }
    }
}
