//! The files that a configuration names.
//!
//! Promise: a configuration that the gateway sent reads from the box only device profiles (`*.toml`) and what lies in the
//! folder `secrets` beside the box's own file. Whoever keeps the gateway can name a password there, but neither read nor
//! send away the box's key or any other file.

use contract::problems::Problems;
use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

/// Where a configuration that the gateway sent may name passwords, keys and certificates.
pub const SECRETS: &str = "secrets";

/// Where the files of a configuration are.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// What the gateway sent with its configuration; none: the configuration is the box's own.
    sent: Option<BTreeMap<String, String>>,
}

impl Folder {
    /// Of the box's own file.
    pub fn own(path: &Path) -> Folder {
        Folder {
            path: path.to_owned(),
            sent: None,
        }
    }

    /// Of a configuration that the gateway sent with these files to a box with its own file in this folder.
    pub fn sent(path: &Path, files: BTreeMap<String, String>) -> Folder {
        Folder {
            path: path.to_owned(),
            sent: Some(files),
        }
    }

    /// The place of the box's own file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if the configuration came from the gateway.
    pub fn is_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// A folder to write into: for a configuration that the gateway sent only below the place of the box's own file.
    pub fn dir(&self, name: &str, place: &str, problems: &mut Problems) -> Option<PathBuf> {
        if self.is_sent() && !is_plain(name) {
            let what = "a configuration of the gateway may not write there";
            problems.add(
                place,
                what,
                "name a folder below that of the agent's own file",
            );
            return None;
        }
        Some(self.path.join(name))
    }

    /// A device profile or message mapping: its place, for problems, and its text.
    pub fn profile(
        &self,
        name: &str,
        fix: &str,
        problems: &mut Problems,
    ) -> Option<(String, String)> {
        if let Some(sent) = &self.sent {
            if let Some(text) = sent.get(name) {
                return Some((name.to_owned(), text.clone()));
            }
            if !name.ends_with(".toml") {
                let what = "it did not come with the configuration, and of the box's own files only *.toml are profiles";
                problems.add(name, what, fix);
                return None;
            }
        }
        let path = self.path.join(name);
        let text = read(&path, fix, problems)?;
        Some((path.display().to_string(), text))
    }

    /// A password, token, key or certificate: its place and its text.
    pub fn secret(
        &self,
        name: &str,
        fix: &str,
        problems: &mut Problems,
    ) -> Option<(PathBuf, String)> {
        let is_there = is_plain(name) && Path::new(name).starts_with(SECRETS);
        if self.sent.is_some() && !is_there {
            let what = "a configuration of the gateway may not read this file of the box";
            let fix = format!(
                "put it on the box into {SECRETS}/ beside the agent's own file, and name it {SECRETS}/NAME"
            );
            problems.add(name, what, fix);
            return None;
        }
        let path = self.path.join(name);
        let text = read(&path, fix, problems)?;
        Some((path, text))
    }
}

/// True for a name that leads nowhere but downwards.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    parts.all(|part| matches!(part, Component::Normal(_)))
}

/// The text of a file that a configuration names.
pub fn read(path: &Path, fix: &str, problems: &mut Problems) -> Option<String> {
    std::fs::read_to_string(path)
        .map_err(|error| problems.add(path.display(), format!("it cannot be read ({error})"), fix))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_reads_profiles_and_secrets_and_nothing_else_of_the_box() {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = place.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("agent.key", "key");
        write("devices/meter.toml", "meter");
        write("secrets/mqtt", "password");
        let sent = Folder::sent(place.path(), [("a".to_owned(), "sent".to_owned())].into());
        let profile = |name| sent.profile(name, "", &mut Problems::new()).map(|(_, t)| t);
        let secret = |name| sent.secret(name, "", &mut Problems::new()).map(|(_, t)| t);
        assert_eq!(profile("a").as_deref(), Some("sent"));
        assert_eq!(profile("devices/meter.toml").as_deref(), Some("meter"));
        assert_eq!(secret("secrets/mqtt").as_deref(), Some("password"));
        let key = place.path().join("agent.key").display().to_string();
        for name in ["agent.key", "secrets/../agent.key", &key, "./secrets/mqtt"] {
            assert_eq!((profile(name), secret(name)), (None, None), "{name}");
        }
        let dir = |name| sent.dir(name, "dir", &mut Problems::new());
        assert_eq!(dir("ring/a"), Some(place.path().join("ring/a")));
        assert_eq!((dir("/etc"), dir("../a")), (None, None));
        let own = Folder::own(place.path());
        let read = own.secret("agent.key", "", &mut Problems::new());
        assert_eq!(read.unwrap().1, "key");
    }
}
