//! Messages to subscribers, through rumqttd's router. Nothing of rumqttd is known outside this file.
//!
//! The router is used for fan-out alone: every subscriber is granted QoS 0, retained messages are kept here
//! (the router loses those beyond its window and deletes them on any empty message), shared subscriptions
//! never reach it (they can stop it), and only topics that somebody's filter matches are given to it.
//! A subscriber that does not keep up loses messages: its connection waits, the router's log moves on.

use super::topic::matches;
use bytes::Bytes;
use rumqttd::local::{LinkBuilder, LinkError, LinkRx, LinkTx};
use rumqttd::protocol::{Filter, Packet, QoS, RetainForwardRule, Subscribe, Unsubscribe};
use rumqttd::{Notification, Router, RouterConfig};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use tokio::sync::mpsc;

/// Messages waiting for the router at most; more are dropped and counted.
const BACKLOG_MAX: usize = 20_000;
/// Distinct filters ever given to the router; it never forgets one.
const FILTERS_MAX: usize = 10_000;

/// A message on its way to a subscriber.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Topic.
    pub topic: Bytes,
    /// Payload.
    pub payload: Bytes,
    /// True if it was kept from before the subscription.
    pub is_retained: bool,
}

/// What a subscriber's pump hands over.
#[derive(Debug)]
pub enum Outgoing {
    /// A message.
    Delivery(Delivery),
    /// The router has taken the subscription of this packet id.
    Subscribed(u16),
}

type Build = dyn Fn(&str) -> Result<(LinkTx, LinkRx, Notification), RouterError> + Send + Sync;

/// See the module.
pub struct Fanout {
    build: Box<Build>,
    hub: Mutex<LinkTx>,
    /// Which connection holds which filters.
    filters: RwLock<HashMap<u64, Vec<String>>>,
    /// Grows whenever `filters` changes, so that others can cache [`Fanout::is_wanted`].
    generation: AtomicU64,
    known: Mutex<std::collections::HashSet<String>>,
    retained: Mutex<HashMap<String, Bytes>>,
    retained_max: usize,
    dropped: AtomicU64,
}

/// Why there is no fan-out.
#[derive(Debug, thiserror::Error)]
#[error("cannot link to the message router")]
pub struct RouterError(#[source] Box<LinkError>);

/// A subscriber's half of the link.
pub struct Subscriber {
    tx: LinkTx,
    id: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fanout {
    /// Starts the router's thread.
    pub fn start(connections_max: usize, retained_max: usize) -> Result<Fanout, RouterError> {
        let config = RouterConfig {
            max_connections: connections_max + 16,
            max_outgoing_packet_count: 150,
            max_segment_size: 256 << 10,
            max_segment_count: 8,
            ..RouterConfig::default()
        };
        let router = Router::new(0, config).spawn();
        let build = move |id: &str| {
            LinkBuilder::new(id, router.clone())
                .build()
                .map_err(|e| RouterError(Box::new(e)))
        };
        let (hub, mut rx, _) = build("onedoor-hub")?;
        // The hub subscribes to nothing; its receiving half only has to stay alive.
        std::thread::Builder::new()
            .name("fanout-hub".into())
            .stack_size(128 << 10)
            .spawn(move || while rx.recv().is_ok() {})
            .map_err(|_| RouterError(Box::new(LinkError::NotConnectionAck)))?;
        Ok(Fanout {
            build: Box::new(build),
            hub: Mutex::new(hub),
            filters: RwLock::default(),
            generation: AtomicU64::new(1),
            known: Mutex::default(),
            retained: Mutex::default(),
            retained_max,
            dropped: AtomicU64::new(0),
        })
    }

    /// Number of the present state of all filters.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// True if somebody's filter matches `topic`.
    pub fn is_wanted(&self, topic: &str) -> bool {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        filters
            .values()
            .flatten()
            .any(|filter| matches(filter, topic))
    }

    /// True if `connection` and nobody else has a filter that matches `topic`.
    pub fn is_wanted_only_by(&self, connection: u64, topic: &str) -> bool {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        let mut is_own = false;
        for (id, list) in filters.iter() {
            if list.iter().any(|filter| matches(filter, topic)) {
                if *id != connection {
                    return false;
                }
                is_own = true;
            }
        }
        is_own
    }

    /// Gives a message to all whose filter matches. False if it was dropped because the router is behind.
    pub fn publish(&self, topic: &str, payload: Bytes) -> bool {
        if !self.is_wanted(topic) {
            return true;
        }
        let mut hub = lock(&self.hub);
        if hub.buffer().len() >= BACKLOG_MAX {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        // A full signal channel leaves the message in the buffer, and the router takes it with the next.
        let _ = hub.try_publish(topic.to_owned(), payload);
        true
    }

    /// Messages dropped because the router was behind.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Keeps (or, if empty, forgets) the retained message of a topic. False if there is no room.
    pub fn retain(&self, topic: &str, payload: &Bytes) -> bool {
        let mut retained = lock(&self.retained);
        if payload.is_empty() {
            retained.remove(topic);
            return true;
        }
        if retained.len() >= self.retained_max && !retained.contains_key(topic) {
            return false;
        }
        retained.insert(topic.to_owned(), payload.clone());
        true
    }

    /// The retained messages a filter matches.
    pub fn retained(&self, filter: &str) -> Vec<Delivery> {
        lock(&self.retained)
            .iter()
            .filter(|(topic, _)| matches(filter, topic))
            .map(|(topic, payload)| Delivery {
                topic: Bytes::copy_from_slice(topic.as_bytes()),
                payload: payload.clone(),
                is_retained: true,
            })
            .collect()
    }

    /// Links a connection to the router; what it is sent comes out of `to`. Blocks for a moment.
    pub fn link(
        &self,
        connection: u64,
        to: mpsc::Sender<Outgoing>,
    ) -> Result<Subscriber, RouterError> {
        let (tx, rx, _) = (self.build)(&format!("c{connection}"))?;
        tokio::spawn(pump(rx, to));
        Ok(Subscriber { tx, id: connection })
    }

    /// Subscribes. [`Outgoing::Subscribed`] comes when the router has it. False if there are too many filters.
    pub async fn subscribe(&self, link: &mut Subscriber, id: u16, filters: &[String]) -> bool {
        {
            let mut known = lock(&self.known);
            let new = filters
                .iter()
                .filter(|filter| !known.contains(*filter))
                .count();
            if known.len() + new > FILTERS_MAX {
                return false;
            }
            known.extend(filters.iter().cloned());
        }
        let subscribe = Subscribe {
            pkid: id,
            filters: filters
                .iter()
                .map(|path| Filter {
                    path: path.clone(),
                    qos: QoS::AtMostOnce,
                    nolocal: false,
                    preserve_retain: false,
                    retain_forward_rule: RetainForwardRule::Never,
                })
                .collect(),
        };
        link.send(Packet::Subscribe(subscribe, None)).await;
        let mut all = self.filters.write().unwrap_or_else(PoisonError::into_inner);
        let own = all.entry(link.id).or_default();
        for filter in filters {
            if !own.contains(filter) {
                own.push(filter.clone());
            }
        }
        self.generation.fetch_add(1, Ordering::Release);
        true
    }

    /// Unsubscribes from those of `filters` that the connection has.
    pub async fn unsubscribe(&self, link: &mut Subscriber, filters: &[String]) {
        let had: Vec<String> = {
            let mut all = self.filters.write().unwrap_or_else(PoisonError::into_inner);
            let own = all.entry(link.id).or_default();
            let had = filters
                .iter()
                .filter(|filter| own.contains(filter))
                .cloned()
                .collect();
            own.retain(|filter| !filters.contains(filter));
            had
        };
        self.generation.fetch_add(1, Ordering::Release);
        if !had.is_empty() {
            link.send(Packet::Unsubscribe(
                Unsubscribe {
                    pkid: 1,
                    filters: had,
                },
                None,
            ))
            .await;
        }
    }

    /// Forgets a connection.
    pub async fn unlink(&self, mut link: Subscriber) {
        self.filters
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&link.id);
        self.generation.fetch_add(1, Ordering::Release);
        let reason_code = rumqttd::protocol::DisconnectReasonCode::NormalDisconnection;
        link.send(Packet::Disconnect(
            rumqttd::protocol::Disconnect { reason_code },
            None,
        ))
        .await;
    }
}

impl Subscriber {
    async fn send(&mut self, packet: Packet) {
        if self.tx.send(packet).await.is_err() {
            tracing::error!("the message router is gone");
        }
    }
}

/// Takes what the router has for a connection until either ends.
async fn pump(mut rx: LinkRx, to: mpsc::Sender<Outgoing>) {
    while let Ok(notification) = rx.next().await {
        let outgoing = match notification {
            Some(Notification::Forward(forward)) => Outgoing::Delivery(Delivery {
                topic: forward.publish.topic,
                payload: forward.publish.payload,
                is_retained: false,
            }),
            Some(Notification::Unschedule) => {
                if rx.wake().await.is_err() {
                    return;
                }
                continue;
            }
            Some(Notification::Disconnect(..)) => return,
            Some(other) => match Option::<Packet>::from(other) {
                Some(Packet::SubAck(ack, _)) => Outgoing::Subscribed(ack.pkid),
                _ => continue,
            },
            None => continue,
        };
        if to.send(outgoing).await.is_err() {
            return;
        }
    }
}
