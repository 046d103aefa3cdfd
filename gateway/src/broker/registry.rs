//! Who is connected, by client id. A client that connects again takes over from its earlier connection, and
//! gets its place only when that has ended (its will published, its readings journaled). Who took over is left alone for
//! a second: two boxes with one identity take turns slowly, and a lost link is still replaced at once.

use super::access::Identity;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// So long nobody takes over from who took over. Shorter than clients wait for an answer.
const TURN: Duration = Duration::from_secs(1);

/// Why a connection has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kick {
    /// The same client connected again.
    TakenOver,
    /// It would not be let in any more.
    Expelled,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    identity: Identity,
    peer: String,
    /// Until when it is left alone, if it took over.
    turn_to: Option<Instant>,
    kick: watch::Sender<Option<Kick>>,
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
    kick: watch::Receiver<Option<Kick>>,
    took_over: Option<String>,
    _here: watch::Sender<()>,
}

impl Registry {
    /// A place for `client`; `None` if somebody of another name holds that client id.
    pub async fn enter(&self, client: &str, identity: &Identity, peer: &str) -> Option<Place> {
        let mut took_over = None;
        loop {
            let wait = {
                let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
                match entries.get(client) {
                    Some(entry) if entry.identity.name != identity.name => return None,
                    Some(entry) => match entry.turn_to.filter(|to| *to > Instant::now()) {
                        Some(turn_to) => Err(turn_to),
                        None => {
                            entry.kick.send_replace(Some(Kick::TakenOver));
                            took_over = Some(entry.peer.clone());
                            Ok(entry.gone.clone())
                        }
                    },
                    None => {
                        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
                        let (here, gone) = watch::channel(());
                        let (kick, kicked) = watch::channel(None);
                        let entry = Entry {
                            number,
                            identity: identity.clone(),
                            peer: peer.to_owned(),
                            turn_to: took_over.as_ref().map(|_| Instant::now() + TURN),
                            kick,
                            gone,
                        };
                        entries.insert(client.to_owned(), entry);
                        let (entries, client) = (self.entries.clone(), client.to_owned());
                        return Some(Place {
                            entries,
                            client,
                            number,
                            kick: kicked,
                            took_over,
                            _here: here,
                        });
                    }
                }
            };
            match wait {
                Ok(mut gone) => while gone.changed().await.is_ok() {},
                Err(turn_to) => sleep_until(turn_to).await,
            }
        }
    }

    /// Ends the connections of those whom `stays` does not accept.
    pub fn expel(&self, stays: impl Fn(&Identity) -> bool) {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries.values().filter(|entry| !stays(&entry.identity)) {
            entry.kick.send_replace(Some(Kick::Expelled));
        }
    }

    /// Who is connected, of those that `which` accepts.
    pub fn identities(&self, which: impl Fn(&Identity) -> bool) -> Vec<Identity> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let identities = entries.values().map(|entry| &entry.identity);
        identities.filter(|id| which(id)).cloned().collect()
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

    /// The peer of the connection that had to go for this one.
    pub fn took_over(&self) -> Option<&str> {
        self.took_over.as_deref()
    }

    /// Ends when the connection has to go. Cancel-safe.
    pub async fn kicked(&mut self) -> Kick {
        let kicked = self.kick.wait_for(Option::is_some).await.map(|kick| *kick);
        match kicked {
            Ok(Some(kick)) => kick,
            // The entry holds the sender until this place is dropped.
            _ => std::future::pending().await,
        }
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
