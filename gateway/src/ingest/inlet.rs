//! One connection's way into the journal: messages become a batch, the batch becomes a block, the block's
//! commit becomes acknowledgements and receipts.
//!
//! Promise: a token is given back in [`Done::acks`] only after what it stands for is on disk (or was refused
//! and counted). At most one batch of an inlet is on its way at a time, so a failed one leaves no false claim.

use super::beside::Beside;
use super::decode::{self, inflate};
use super::dictionary::Point;
use super::hub::{Ingest, SharedNode};
use super::json;
use super::json_route::{JsonRoute, take_json};
use super::record::{DataHead, Encoder, Sample, Session};
use super::refused::Reason;
use super::session::{self, Fault, Numbers, Taken, check_time};
use contract::{Timestamp, topic};
use journal::Staged;
use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

/// Topics one inlet remembers; beyond this it starts over.
const ROUTES_MAX: usize = 20_000;
/// Room of the first batch; later ones begin with the size of the one before.
const BATCH_START: usize = 1 << 10;

/// A message the gateway wants published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
}

/// What follows from a commit.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Tokens to acknowledge, in the order they came.
    pub acks: Vec<u32>,
    /// Receipts to publish.
    pub commands: Vec<Command>,
}

/// A batch on its way to the disk.
#[derive(Debug)]
pub struct Pending {
    acks: Vec<u32>,
    touched: Vec<Touched>,
    points: Vec<(u32, Vec<u8>)>,
    readings: u64,
}

/// What an inlet wants done now.
#[derive(Debug)]
pub enum Next {
    /// Nothing.
    Idle,
    /// Nothing to write, but this to answer.
    Settle(Done),
    /// Append this, then call [`Inlet::committed`] or [`Inlet::failed`].
    Append(Staged, Pending),
}

#[derive(Debug)]
struct Touched {
    node: SharedNode,
    stream: usize,
    numbers: Numbers,
}

#[derive(Debug)]
enum Target {
    Sparkplug {
        node: SharedNode,
        kind: topic::Kind,
        device: Option<usize>,
    },
    Json(Box<JsonRoute>),
    NotOurs,
}

#[derive(Debug)]
struct Route {
    topic: Box<[u8]>,
    target: Target,
}

/// See the module.
#[derive(Debug)]
pub struct Inlet {
    ingest: Ingest,
    routes: Vec<Route>,
    by_topic: HashMap<Box<[u8]>, usize>,
    last: usize,
    encoder: Encoder,
    acks: Vec<u32>,
    touched: Vec<Touched>,
    commands: Vec<Command>,
    samples: Vec<Sample>,
    faults: Vec<Fault>,
    born: Vec<SharedNode>,
}

fn lock(node: &SharedNode) -> MutexGuard<'_, session::Node> {
    node.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inlet {
    pub(super) fn new(ingest: Ingest) -> Self {
        Self {
            ingest,
            routes: Vec::new(),
            by_topic: HashMap::new(),
            last: 0,
            encoder: Encoder::default(),
            acks: Vec::new(),
            touched: Vec::new(),
            commands: Vec::new(),
            samples: Vec::new(),
            faults: Vec::new(),
            born: Vec::new(),
        }
    }

    /// The place of a topic. Places are small numbers from 0; when there are too many the inlet starts over
    /// and [`Inlet::routes`] becomes small again.
    #[inline]
    pub fn route(&mut self, topic: &[u8]) -> usize {
        // Senders go through their devices in turn: this one again, or the one after it.
        for guess in [self.last + 1, self.last, 0] {
            if self
                .routes
                .get(guess)
                .is_some_and(|route| *route.topic == *topic)
            {
                self.last = guess;
                return guess;
            }
        }
        let place = match self.by_topic.get(topic) {
            Some(place) => *place,
            None => self.add_route(topic),
        };
        self.last = place;
        place
    }

    /// How many topics are remembered.
    pub fn routes(&self) -> usize {
        self.routes.len()
    }

    /// True if the topic at `place` carries readings or sessions.
    #[inline]
    pub fn is_ours(&self, place: usize) -> bool {
        !matches!(self.routes[place].target, Target::NotOurs)
    }

    fn add_route(&mut self, topic: &[u8]) -> usize {
        if self.routes.len() >= ROUTES_MAX {
            self.routes.clear();
            self.by_topic.clear();
        }
        let target = self.target(topic);
        let place = self.routes.len();
        self.routes.push(Route {
            topic: topic.into(),
            target,
        });
        self.by_topic.insert(topic.into(), place);
        place
    }

    fn target(&self, name: &[u8]) -> Target {
        let Ok(text) = std::str::from_utf8(name) else {
            return Target::NotOurs;
        };
        if let Ok(parsed) = topic::Topic::parse(text) {
            use topic::Kind as K;
            if matches!(parsed.kind, K::NodeCommand | K::DeviceCommand) {
                return Target::NotOurs;
            }
            let node = self.ingest.node(&parsed.site, &parsed.agent);
            let device = match &parsed.device {
                Some(id) => match lock(&node).device(id) {
                    Some(at) => Some(at),
                    None => return Target::NotOurs,
                },
                None => None,
            };
            return Target::Sparkplug {
                node,
                kind: parsed.kind,
                device,
            };
        }
        match self.ingest.config().pattern(text) {
            Some((pattern, site, device)) => Target::Json(Box::new(JsonRoute {
                site,
                device,
                pattern,
                names: Vec::new(),
            })),
            None => Target::NotOurs,
        }
    }

    /// Takes a message of the topic at `place`. `token` (0: none) comes back when it may be acknowledged.
    pub fn publish(&mut self, place: usize, payload: &[u8], token: u32, now: Timestamp) {
        if token != 0 {
            self.acks.push(token);
        }
        match &self.routes[place].target {
            Target::Sparkplug { .. } => self.sparkplug(place, payload, now),
            Target::Json(_) => self.json(place, payload, now),
            Target::NotOurs => {}
        }
        if !self.faults.is_empty() {
            let topic = String::from_utf8_lossy(&self.routes[place].topic);
            self.ingest.keep(now, &topic, &self.faults, payload);
            for (reason, what) in self.faults.drain(..) {
                self.ingest.refuse(now, &topic, reason, move || what);
            }
        }
    }

    fn sparkplug(&mut self, place: usize, payload: &[u8], now: Timestamp) {
        let Target::Sparkplug { node, kind, device } = &self.routes[place].target else {
            return;
        };
        let (node, kind, device) = (node.clone(), *kind, *device);
        let read = decode::head(payload).and_then(|head| match (head.uuid, head.body) {
            (Some(b"SPBV1.0_COMPRESSED"), Some(body)) => {
                let inflated = inflate(body)?;
                let mut inner = decode::head(&inflated)?;
                inner.seq = head.seq.or(inner.seq);
                let (seq, timestamp) = (inner.seq, inner.timestamp.or(head.timestamp));
                let head = decode::Head {
                    seq,
                    timestamp,
                    uuid: None,
                    body: None,
                    metrics: inner.metrics,
                };
                self.message(&node, kind, device, &head, &inflated, now)
            }
            _ => self.message(&node, kind, device, &head, payload, now),
        });
        if let Err(malformed) = read {
            self.faults.push((Reason::Malformed, malformed.to_string()));
        }
    }

    #[inline]
    fn message(
        &mut self,
        shared: &SharedNode,
        kind: topic::Kind,
        device: Option<usize>,
        head: &decode::Head<'_>,
        payload: &[u8],
        now: Timestamp,
    ) -> Result<(), decode::Malformed> {
        use topic::Kind as K;
        if head.metrics > self.ingest.config().metrics_max {
            self.faults.push((
                Reason::Oversized,
                format!("{} metrics in one message", head.metrics),
            ));
            return Ok(());
        }
        self.samples.clear();
        let mut node = lock(shared);
        match kind {
            K::NodeData | K::DeviceData => {
                let mut beside = Beside::default();
                let (taken, needs_rebirth) = node.data(
                    device,
                    head,
                    payload,
                    now,
                    &mut beside,
                    &mut self.samples,
                    &mut self.faults,
                )?;
                if needs_rebirth && node.may_ask_rebirth(now) {
                    let topic = format!("spBv1.0/{}/NCMD/{}", node.site, node.agent);
                    self.commands.push(Command {
                        topic,
                        payload: decode::rebirth_request(now),
                    });
                }
                let origin = (!beside.is_empty()).then(|| node.origin(device));
                drop(node);
                match taken {
                    Taken::Journal { head, numbered } => {
                        self.encoder.data(head, &self.samples);
                        if let Some(origin) = origin {
                            let at = self.samples.first().map(|sample| sample.at_ms);
                            beside.write(&mut self.encoder, &origin, head, at);
                        }
                        if let Some(stream) = numbered {
                            let one = (head.sequence, head.sequence);
                            for numbers in beside.given_up().chain([one]) {
                                touch(&mut self.touched, shared, stream, Some(numbers));
                            }
                        }
                    }
                    Taken::Duplicate { stream } => {
                        self.ingest.metrics().ingest_duplicates_total.inc();
                        touch(&mut self.touched, shared, stream, None);
                    }
                    Taken::Refused => {}
                }
            }
            K::NodeBirth | K::DeviceBirth => {
                let (ingest, mut promises) = (self.ingest.clone(), Vec::new());
                let mut intern = |point: Point| {
                    let every = point.every_ms.unwrap_or(0);
                    let (key, before) = ingest.intern(point);
                    if every > 0 || before.is_some() {
                        promises.push((key, every));
                    }
                    key
                };
                let birth = node.birth(
                    device,
                    head,
                    payload,
                    now,
                    &mut intern,
                    &mut self.samples,
                    &mut self.faults,
                )?;
                let mut change = change(&node, &self.routes[self.last].topic, true, now);
                change.promises = promises;
                self.encoder.session(&change);
                self.encoder.data(birth.head, &self.samples);
                drop(node);
                if let (K::NodeBirth, Some(stream)) = (kind, birth.stream) {
                    touch(&mut self.touched, shared, stream, None);
                }
                if !self.born.iter().any(|known| Arc::ptr_eq(known, shared)) {
                    self.born.push(shared.clone());
                }
            }
            K::NodeDeath | K::DeviceDeath => {
                if node.death(device, head, payload, now) {
                    self.encoder
                        .session(&change(&node, &self.routes[self.last].topic, false, now));
                }
            }
            K::NodeCommand | K::DeviceCommand => {}
        }
        Ok(())
    }

    fn json(&mut self, place: usize, payload: &[u8], now: Timestamp) {
        let Self {
            routes,
            samples,
            ingest,
            faults,
            encoder,
            ..
        } = self;
        let Target::Json(route) = &mut routes[place].target else {
            return;
        };
        let pattern = &ingest.config().patterns[route.pattern];
        samples.clear();
        let mut at = 0;
        let fast = pattern.keys.as_ref().and_then(|(time, values)| {
            json::scan(payload, time, values, |name, value| {
                take_json(route, &mut at, name, value, ingest, samples, faults);
            })
        });
        let ms = fast.map_or_else(
            || {
                samples.clear();
                faults.clear();
                json::read(payload, &pattern.shape, |name, value| {
                    take_json(route, &mut at, name, value, ingest, samples, faults);
                })
            },
            Ok,
        );
        let ms = match ms {
            Ok(ms) => ms,
            Err(json::Fault::Malformed(what)) => {
                return faults.push((Reason::Malformed, what.into()));
            }
            Err(json::Fault::NoTime) => {
                return faults.push((Reason::NoTime, format!("no time at {}", pattern.shape.time)));
            }
        };
        if let Some(reason) = check_time(ms, now) {
            return faults.push((
                reason,
                format!("the time is {}", Timestamp::from_millis(ms)),
            ));
        }
        for sample in samples.iter_mut() {
            sample.at_ms = ms;
        }
        let edge_at = Timestamp::from_millis(ms);
        let head = DataHead {
            is_historical: false,
            is_plain: true,
            received_at: now,
            edge_at,
            sequence: 0,
        };
        for part in samples.chunks(usize::from(u16::MAX)) {
            encoder.data(head, part);
        }
    }

    /// Commands that need no commit: rebirth requests.
    pub fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// Bytes waiting for the next [`Inlet::next`].
    pub fn len(&self) -> usize {
        self.encoder.len() + self.acks.len() * 4
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.encoder.is_empty() && self.acks.is_empty() && self.touched.is_empty()
    }

    /// What to do with what was taken so far. Only call it when no earlier batch is on its way.
    pub fn next(&mut self, now: Timestamp) -> Next {
        if self.is_empty() {
            return Next::Idle;
        }
        let acks = std::mem::take(&mut self.acks);
        let touched = std::mem::take(&mut self.touched);
        if self.encoder.is_empty() {
            let pending = Pending {
                acks,
                touched,
                points: Vec::new(),
                readings: 0,
            };
            return Next::Settle(self.settle(pending, now));
        }
        let room = self.encoder.len().max(BATCH_START);
        let encoder = std::mem::replace(&mut self.encoder, Encoder::with_capacity(room));
        let (mut body, count) = encoder.finish();
        if body.capacity() > body.len() + body.len() / 2 {
            // The journal keeps the newest blocks in RAM and counts their length, not their room.
            body.shrink_to_fit();
        }
        let points = self.ingest.unwritten(&body);
        let mut notes: Vec<(String, Vec<u8>)> = points
            .iter()
            .map(|(key, json)| (format!("point/{key:08x}"), json.clone()))
            .collect();
        notes.extend(
            touched
                .iter()
                .filter(|t| !t.numbers.is_empty())
                .filter_map(|t| lock(&t.node).note(t.stream)),
        );
        let staged = Staged {
            at_ms: now.as_millis(),
            count,
            body,
            notes,
        };
        Next::Append(
            staged,
            Pending {
                acks,
                touched,
                points,
                readings: count,
            },
        )
    }

    /// The batch is on disk.
    pub fn committed(&mut self, pending: Pending, now: Timestamp) -> Done {
        self.ingest.written(&pending.points);
        self.ingest
            .metrics()
            .ingest_readings_journaled_total
            .add(pending.readings);
        self.settle(pending, now)
    }

    fn settle(&mut self, pending: Pending, now: Timestamp) -> Done {
        let mut commands = Vec::new();
        for Touched {
            node,
            stream,
            numbers,
        } in pending.touched
        {
            let mut node = lock(&node);
            node.committed(stream, &numbers);
            if let Some(receipt) = node.receipt(stream) {
                commands.push(Command {
                    topic: format!("spBv1.0/{}/NCMD/{}", node.site, node.agent),
                    payload: decode::receipt_command(now, &receipt),
                });
            }
        }
        Done {
            acks: pending.acks,
            commands,
        }
    }

    /// The batch is not on disk. What was taken since is forgotten too; the caller must end the connection so
    /// that the sender sends again.
    pub fn failed(&mut self, pending: Pending) {
        let later = std::mem::take(&mut self.touched);
        for Touched { node, stream, .. } in pending.touched.into_iter().chain(later) {
            lock(&node).failed(stream);
        }
        self.encoder = Encoder::default();
        self.acks.clear();
    }

    /// The connection ended. Agents it had brought to life and that did not die are dead now.
    pub fn end(&mut self, now: Timestamp) {
        for node in std::mem::take(&mut self.born) {
            let mut node = lock(&node);
            if node.lost() {
                let (site, agent) = (node.site.clone(), node.agent.clone());
                self.encoder.session(&Session {
                    at: now,
                    site,
                    agent,
                    device: None,
                    is_online: false,
                    promises: Vec::new(),
                });
            }
        }
    }
}

fn change(node: &session::Node, topic: &[u8], is_online: bool, now: Timestamp) -> Session {
    let device = std::str::from_utf8(topic)
        .ok()
        .and_then(|t| topic::Topic::parse(t).ok())
        .and_then(|t| t.device);
    Session {
        at: now,
        site: node.site.clone(),
        agent: node.agent.clone(),
        device,
        is_online,
        promises: Vec::new(),
    }
}

#[inline]
fn touch(
    touched: &mut Vec<Touched>,
    node: &SharedNode,
    stream: usize,
    numbers: Option<(u64, u64)>,
) {
    let known = touched
        .iter_mut()
        .rev()
        .find(|t| t.stream == stream && Arc::ptr_eq(&t.node, node));
    let all = match known {
        Some(touched) => &mut touched.numbers,
        None => {
            touched.push(Touched {
                node: node.clone(),
                stream,
                numbers: Vec::new(),
            });
            &mut touched.last_mut().expect("just pushed").numbers
        }
    };
    let Some((from, through)) = numbers else {
        return;
    };
    match all.last_mut() {
        Some((_, to)) if *to + 1 == from => *to = through,
        _ => all.push((from, through)),
    }
}
