//! Who is connected, by client id. A client that connects again takes over from its earlier connection, and
//! gets its place only when that has ended (its will published, its readings journaled).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, watch};

#[derive(Debug)]
struct Entry {
    number: u64,
    name: String,
    kick: Arc<Notify>,
    gone: watch::Receiver<()>,
}

/// The connected clients.
#[derive(Debug, Default)]
pub struct Registry {
    entries: Arc<Mutex<HashMap<String, Entry>>>,
    last: AtomicU64,
}

/// A connected client's place; dropping it leaves it.
#[derive(Debug)]
pub struct Place {
    entries: Arc<Mutex<HashMap<String, Entry>>>,
    client: String,
    number: u64,
    kick: Arc<Notify>,
    _here: watch::Sender<()>,
}

impl Registry {
    /// A place for `client`; `None` if another identity than `name` holds that client id.
    pub async fn enter(&self, client: &str, name: &str) -> Option<Place> {
        loop {
            let mut gone = {
                let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
                match entries.get(client) {
                    Some(entry) if entry.name != name => return None,
                    Some(entry) => {
                        entry.kick.notify_one();
                        entry.gone.clone()
                    }
                    None => {
                        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
                        let (here, gone) = watch::channel(());
                        let kick = Arc::new(Notify::new());
                        let entry = Entry {
                            number,
                            name: name.to_owned(),
                            kick: kick.clone(),
                            gone,
                        };
                        entries.insert(client.to_owned(), entry);
                        let (entries, client) = (self.entries.clone(), client.to_owned());
                        return Some(Place {
                            entries,
                            client,
                            number,
                            kick,
                            _here: here,
                        });
                    }
                }
            };
            while gone.changed().await.is_ok() {}
        }
    }

    /// How many clients are connected.
    pub fn count(&self) -> usize {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl Place {
    /// The connection's number, never given twice.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Ends when the client has connected again.
    pub async fn taken_over(&self) {
        self.kick.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries
            .get(&self.client)
            .is_some_and(|entry| entry.number == self.number)
        {
            entries.remove(&self.client);
        }
    }
}
