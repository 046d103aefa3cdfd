//! From an MQTT client's bytes to the journal and back to its receipt, against clients nobody here wrote.

mod clients; // mosquitto, pysparkplug, rumqttc
mod door; // who is let in, and what they may do
mod external; // a broker that is not ours
mod receipts; // what is confirmed, and when

use contract::problems::Problems;
use gateway::broker::{self, Client, Directory, Role};
use gateway::ingest::dictionary::Dictionary;
use gateway::ingest::record::{self, Entry};
use gateway::ingest::{self, Ingest};
use gateway::metrics::Metrics;
use journal::{Journal, Options, Seq};
use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// A broker with ingest and a journal in a folder.
pub struct Door {
    pub journal: Journal,
    pub ingest: Ingest,
    pub running: broker::Running,
    pub metrics: Arc<Metrics>,
}

/// Any port on the loopback, anonymous clients let in.
pub fn open_to_all() -> broker::Config {
    broker::Config {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        allow_anonymous: true,
        ..broker::Config::default()
    }
}

/// Agent `a1` of site `s1` and the observer `eye`; both have the password `secret`.
pub fn directory() -> Directory {
    use argon2::PasswordHasher;
    use argon2::password_hash::SaltString;
    let salt = SaltString::encode_b64(b"a salt of a test").unwrap();
    let hash = argon2::Argon2::default()
        .hash_password(b"secret", &salt)
        .unwrap()
        .to_string();
    let client = |role| Client {
        role,
        password_hash: Some(hash.clone()),
        certificates: Default::default(),
    };
    Directory::new(HashMap::from([
        ("a1".to_owned(), client(Role::Agent { site: "s1".into() })),
        ("eye".to_owned(), client(Role::Observer)),
    ]))
}

impl Door {
    pub async fn open(folder: &Path, config: broker::Config, directory: Directory) -> Door {
        let journal = Journal::open(&folder.join("journal.db"), Options::default()).unwrap();
        let metrics = Arc::new(Metrics::default());
        let mut problems = Problems::new();
        let ingest_config = ingest::Config::default().resolve(&mut problems);
        let config = config.resolve(&mut problems);
        assert!(problems.is_empty(), "{problems}");
        let ingest = Ingest::open(
            journal.clone(),
            Dictionary::default(),
            metrics.clone(),
            ingest_config,
        )
        .unwrap();
        let running = broker::start(&config, directory, ingest.clone())
            .await
            .unwrap();
        Door {
            journal,
            ingest,
            running,
            metrics,
        }
    }

    pub fn port(&self) -> u16 {
        self.running.local_addr().unwrap().port()
    }

    pub async fn close(self) {
        self.running.stop().await;
        self.journal.close().await;
    }

    /// Every reading in the journal as `site/device/point=value@ms`, with the record's number.
    pub fn readings(&self) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        let mut from = self.journal.first();
        loop {
            let blocks = self.journal.read(from, 1 << 20).unwrap();
            let Some(last) = blocks.last() else {
                return found;
            };
            from = Seq(last.seq.0 + 1);
            for block in &blocks {
                for entry in record::entries(&block.body) {
                    let Entry::Data(head, samples) = entry.unwrap() else {
                        continue;
                    };
                    for sample in samples {
                        let point = self.ingest.dictionary().get(sample.point).unwrap();
                        let (site, device, name) = (&point.site, &point.device, &point.name);
                        let text =
                            format!("{site}/{device}/{name}={}@{}", sample.value, sample.at_ms);
                        found.push((text, head.sequence));
                    }
                }
            }
        }
    }
}

/// Waits until `done` gives something.
pub async fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A program's arguments split at spaces; the last one is taken whole.
pub async fn client(program: &str, port: u16, arguments: &str, last: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    command.args(arguments.split_whitespace()).args(last);
    tokio::task::spawn_blocking(move || {
        command
            .output()
            .expect("mosquitto-clients must be installed")
    })
    .await
    .unwrap()
}

/// A process that is ended with the test.
pub struct Background(pub Child);

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn background(program: &str, port: u16, arguments: &str) -> Background {
    let child = Command::new(program)
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(arguments.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mosquitto-clients must be installed");
    Background(child)
}
