//! How footage is written down: `[footage]`.

use crate::{folder::Folder, http::client::Url, section::Section};
use contract::{configuration::OWN_OF_FOOTAGE, problems::Problems};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// What becomes of pictures of what was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct FootageConfig {
    /// The folder in which what is masked waits for the gateway, and what is sealed for two persons.
    pub spool: PathBuf,
    /// Bytes of masked files that wait, at most; the oldest clips go first.
    pub bytes_max: u64,
    /// The gateway's door for footage.
    pub url: Url,
    /// How long before a sighting a clip begins.
    pub before: Duration,
    /// How long after it the clip ends.
    pub after: Duration,
    /// Frames a second of a masked clip, at most. The original has all.
    pub frames_per_s: f64,
    /// The detectors that find what is masked; what any of them finds counts.
    pub detectors: Vec<String>,
    /// Bytes a second that are sent, at most, so that readings go first.
    pub bytes_per_s: u64,
    /// How long a sealed original is kept.
    pub keep_originals: Duration,
    /// Bytes of sealed originals, at most; the oldest go first.
    pub originals_max: u64,
    /// Public keys of the two who together may open an original; without them no original is kept.
    pub custodians: Option<[String; 2]>,
}

const AROUND: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
const DAY: Duration = Duration::from_secs(86_400);

/// What a configuration of the gateway says of footage.
#[derive(Debug, Default, PartialEq)]
pub struct Change {
    bytes_max: Option<u64>,
    url: Option<Url>,
    before: Option<Duration>,
    after: Option<Duration>,
    frames_per_s: Option<f64>,
    bytes_per_s: Option<u64>,
    keep_originals: Option<Duration>,
    originals_max: Option<u64>,
}

impl Change {
    /// Reads `[footage]`; what only the box's own file may say is taken out before.
    pub fn read(part: &mut Section, problems: &mut Problems) -> Change {
        let mut bytes = |key, (min, max), problems: &mut Problems| {
            let there = part.has(key).then(|| part.integer(key, min, max, problems));
            there.flatten().and_then(|bytes| u64::try_from(bytes).ok())
        };
        let bytes_max = bytes("bytes_max", (1 << 20, 1 << 42), problems);
        let bytes_per_s = bytes("bytes_per_s", (10_000, 1 << 30), problems);
        let originals_max = bytes("originals_max", (1 << 20, 1 << 44), problems);
        let place = part.place("frames_per_s");
        let frames_per_s = part
            .has("frames_per_s")
            .then(|| part.number_or("frames_per_s", 5.0, problems));
        if frames_per_s.is_some_and(|rate| !(1.0..=25.0).contains(&rate)) {
            let what = "it is not from 1 to 25";
            problems.add(place, what, "write frames_per_s = 5");
        }
        Change {
            bytes_max,
            url: url(part, problems),
            before: part.duration_if_there("before", AROUND, problems),
            after: part.duration_if_there("after", AROUND, problems),
            frames_per_s,
            bytes_per_s,
            keep_originals: part.duration_if_there("keep_originals", (DAY, 366 * DAY), problems),
            originals_max,
        }
    }

    /// A configuration of the gateway, and nothing in it that only the box's own file may say.
    pub fn read_sent(mut part: Section, problems: &mut Problems) -> Change {
        for key in OWN_OF_FOOTAGE.into_iter().filter(|key| part.has(key)) {
            let what = "only the box's own file may say this";
            let fix = "leave it out: it decides who may see a person, and stays on the box";
            problems.add(part.place(key), what, fix);
        }
        part.leave(&OWN_OF_FOOTAGE);
        let change = Change::read(&mut part, problems);
        part.finish(problems);
        change
    }

    /// What is said goes before what was said before.
    pub fn of(self, before: FootageConfig) -> FootageConfig {
        FootageConfig {
            bytes_max: self.bytes_max.unwrap_or(before.bytes_max),
            url: self.url.unwrap_or(before.url),
            before: self.before.unwrap_or(before.before),
            after: self.after.unwrap_or(before.after),
            frames_per_s: self.frames_per_s.unwrap_or(before.frames_per_s),
            bytes_per_s: self.bytes_per_s.unwrap_or(before.bytes_per_s),
            keep_originals: self.keep_originals.unwrap_or(before.keep_originals),
            originals_max: self.originals_max.unwrap_or(before.originals_max),
            ..before
        }
    }
}

/// Reads `[footage]` of the box's own file.
pub fn read(mut part: Section, folder: &Folder, problems: &mut Problems) -> Option<FootageConfig> {
    let spool: Option<String> = part.parsed("spool", "\"footage\"", problems);
    let place = part.place("spool");
    let detectors = part.texts("detectors", "[\"yunet-1280\", \"yolox-nano\"]", problems);
    if detectors.is_empty() {
        let what = "without a detector nothing could be masked";
        let fix = "name at least one, such as detectors = [\"yunet-1280\", \"yolox-nano\"]";
        problems.add(part.place("detectors"), what, fix);
    }
    let custodians = custodians(&mut part, problems);
    if !part.has("url") {
        let fix = "write for example url = \"https://gateway.example:8444\"";
        problems.add(part.place("url"), "it is missing", fix);
    }
    let change = Change::read(&mut part, problems);
    part.finish(problems);
    let spool = folder.path().join(spool?);
    let parent = spool.parent().unwrap_or(Path::new(""));
    if !parent.as_os_str().is_empty() && !parent.is_dir() {
        let what = format!("the folder {} is not there", parent.display());
        problems.add(place, what, "make it, or correct the path");
        return None;
    }
    let usual = FootageConfig {
        spool,
        bytes_max: 1 << 30,
        url: change.url.clone()?,
        before: Duration::from_secs(10),
        after: Duration::from_secs(10),
        frames_per_s: 5.0,
        detectors,
        bytes_per_s: 500_000,
        keep_originals: 30 * DAY,
        originals_max: 8 << 30,
        custodians,
    };
    Some(change.of(usual))
}

fn url(part: &mut Section, problems: &mut Problems) -> Option<Url> {
    let place = part.place("url");
    let text = part.text_if_there("url", problems)?;
    let fix = "write https://HOST:8444, the gateway's door for footage";
    let url = text
        .parse::<Url>()
        .map_err(|error| problems.add(place.clone(), error, fix))
        .ok()?;
    if !url.is_tls || url.path != "/" {
        let what = format!("{url} is no https:// address without a path");
        problems.add(place, what, fix);
        return None;
    }
    Some(url)
}

fn custodians(part: &mut Section, problems: &mut Problems) -> Option<[String; 2]> {
    if !part.has("custodians") {
        // The key is asked for, so that it is not taken for a slip of the pen.
        part.texts_if_there("custodians", "", problems);
        return None;
    }
    let place = part.place("custodians");
    let example = "[\"age1…\", \"age1…\"]";
    let keys = part.texts("custodians", example, problems);
    let fix = "each of two persons makes a key with age-keygen and gives its public key; write custodians = [\"age1…\", \"age1…\"]";
    for key in keys.iter().filter(|key| !is_age_key(key)) {
        let what = format!("{key:?} is no public key of age, or was mistyped");
        problems.add(place.clone(), what, fix);
    }
    match <[String; 2]>::try_from(keys) {
        Ok([a, b]) if a == b => {
            let what = "both are the same key: one person could open an original alone";
            problems.add(place, what, fix);
            None
        }
        Ok(two) => Some(two),
        Err(other) => {
            let what = format!("{} keys and not two", other.len());
            problems.add(place, what, fix);
            None
        }
    }
}

/// True for `age1` and 32 bytes in Bech32 (BIP 173), its checksum right.
fn is_age_key(text: &str) -> bool {
    const SIGNS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let Some(data) = text.strip_prefix("age1") else {
        return false;
    };
    let values: Option<Vec<u32>> = data
        .chars()
        .map(|sign| SIGNS.find(sign).map(|place| place as u32))
        .collect();
    let Some(values) = values.filter(|values| values.len() == 58) else {
        return false;
    };
    let human = "age".bytes().map(u32::from);
    let expanded = human.clone().map(|c| c >> 5).chain([0]);
    let mut check = 1u32;
    for value in expanded.chain(human.map(|c| c & 31)).chain(values) {
        let top = check >> 25;
        check = (check & 0x1ff_ffff) << 5 ^ value;
        for (bit, with) in [
            0x3b6a_57b2,
            0x2650_8e6d,
            0x1ea1_19fa,
            0x3d42_33dd,
            0x2a14_62b3,
        ]
        .into_iter()
        .enumerate()
        {
            if top >> bit & 1 == 1 {
                check ^= with;
            }
        }
    }
    check == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with age-keygen.
    const A: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    const B: &str = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";

    fn read_text(text: &str) -> (Option<FootageConfig>, String) {
        let mut problems = Problems::new();
        let folder = tempfile::tempdir().unwrap();
        let mut top = Section::parse("agent.toml", text, &mut problems).unwrap();
        let part = top.section("footage", &mut problems).unwrap();
        let config = read(part, &Folder::own(folder.path()), &mut problems);
        (config, problems.to_string())
    }

    fn with(more: &str) -> String {
        format!(
            "[footage]\nspool = \"footage\"\nurl = \"https://gateway:8444\"\ndetectors = [\"yunet-640\"]\n{more}"
        )
    }

    #[test]
    fn two_custodians_are_two_and_a_mistyped_key_is_found() {
        let (config, problems) = read_text(&with(&format!("custodians = [\"{A}\", \"{B}\"]\n")));
        assert_eq!(problems, "");
        assert_eq!(config.unwrap().custodians, Some([A.into(), B.into()]));
        let (config, problems) = read_text(&with(""));
        assert_eq!((config.unwrap().custodians, problems.as_str()), (None, ""));
        let typo = A.replace("ql3", "ql4");
        for (keys, word) in [
            (format!("\"{A}\", \"{A}\""), "same key"),
            (format!("\"{A}\""), "1 keys"),
            (format!("\"{A}\", \"{typo}\""), "mistyped"),
            ("\"age1x\", \"AGE-SECRET-KEY-1X\"".into(), "mistyped"),
        ] {
            let (_, problems) = read_text(&with(&format!("custodians = [{keys}]\n")));
            assert!(problems.contains(word), "{keys}: {problems}");
        }
    }

    #[test]
    fn without_a_detector_or_over_plain_http_nothing_is_sent() {
        let (_, problems) = read_text(
            "[footage]\nspool = \"x/y\"\nurl = \"http://g:1/\"\ndetectors = []\nbefore = \"2m\"\nframes_per_s = 90\n",
        );
        for word in [
            "footage.detectors",
            "no https:// address",
            "footage.before",
            "footage.frames_per_s",
        ] {
            assert!(problems.contains(word), "{word}: {problems}");
        }
    }

    #[test]
    fn the_gateway_may_neither_name_custodians_nor_detectors_nor_the_spool() {
        let (config, _) = read_text(&with(&format!("custodians = [\"{A}\", \"{B}\"]\n")));
        let mut problems = Problems::new();
        let sent = "[footage]\nspool = \"/\"\ndetectors = []\ncustodians = []\nbefore = \"5s\"\n";
        let mut top = Section::parse("sent", sent, &mut problems).unwrap();
        let part = top.section("footage", &mut problems).unwrap();
        let change = Change::read_sent(part, &mut problems);
        assert_eq!(problems.iter().count(), 3, "{problems}");
        let config = config.unwrap();
        let after = change.of(config.clone());
        assert_eq!(after.before, Duration::from_secs(5));
        let before = config.before;
        assert_eq!(FootageConfig { before, ..after }, config);
    }
}
