//! The Sparkplug B session: which message comes when, with which sequence number and alias. Pure.
//!
//! Promise: NBIRTH has seq 0 and comes first, every message after it has the next number modulo 256; data never
//! names an alias that was not born in this session; a record whose point is no longer configured is preceded by
//! a new birth of its device that has it again.

use crate::{
    record::Record,
    source::{Described, PointInfo},
};
use contract::{
    AgentId, DeviceId, PointName, SiteId, Timestamp,
    configuration::Desired,
    control::{Order, Report},
    payload::{self, Beside, BirthPoint, Command, DataPoint},
    receipt::Receipt,
    status::AgentStatus,
    topic::{Kind, Topic},
};
use std::collections::HashMap;

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
}

/// The session of one agent.
#[derive(Debug)]
pub struct Session {
    site: SiteId,
    agent: AgentId,
    stream: String,
    devices: Vec<(DeviceId, Vec<BirthPoint>)>,
    aliases: HashMap<DeviceId, HashMap<PointName, u64>>,
    alias_last: u64,
    bdseq: u64,
    seq: u8,
}

impl Session {
    /// A session of the configured devices. Aliases are given in the order of the configuration, from 1.
    pub fn new(site: SiteId, agent: AgentId, stream: String, devices: &[Described]) -> Session {
        let mut session = Session {
            site,
            agent,
            stream,
            devices: Vec::new(),
            aliases: HashMap::new(),
            alias_last: 0,
            bdseq: 0,
            seq: 0,
        };
        for device in devices {
            session.devices.push((device.id.clone(), Vec::new()));
            for point in &device.points {
                session.learn(&device.id, point);
            }
        }
        session
    }

    fn learn(&mut self, device: &DeviceId, info: &PointInfo) {
        self.alias_last += 1;
        let alias = self.alias_last;
        self.aliases
            .entry(device.clone())
            .or_default()
            .insert(info.name.clone(), alias);
        let point = BirthPoint {
            name: info.name.clone(),
            alias,
            unit: info.unit.clone(),
            factor: info.factor.clone(),
            every_ms: info
                .every
                .and_then(|every| every.as_millis().try_into().ok()),
        };
        match self.devices.iter_mut().find(|(id, _)| id == device) {
            Some((_, points)) => points.push(point),
            None => self.devices.push((device.clone(), vec![point])),
        }
    }

    /// From the next births on the records are numbered in this stream.
    pub fn rename(&mut self, stream: String) {
        self.stream = stream;
    }

    /// A new connection with this `bdseq`; gives the will.
    pub fn begin(&mut self, bdseq: u64, now: Timestamp) -> Outgoing {
        self.bdseq = bdseq;
        self.death(now)
    }

    /// The node's death, as will or on an orderly stop.
    pub fn death(&self, now: Timestamp) -> Outgoing {
        Outgoing {
            topic: self.topic(Kind::NodeDeath, None),
            payload: payload::node_death(now, self.bdseq),
        }
    }

    /// The topic of commands to this agent.
    pub fn command_topic(&self) -> String {
        self.topic(Kind::NodeCommand, None)
    }

    /// The message that asks for a new certificate.
    pub fn request(&self, csr: String) -> Outgoing {
        Outgoing {
            topic: contract::enrol::request_topic(&self.site, &self.agent),
            payload: csr.into_bytes(),
        }
    }

    /// All births, on connecting and when the gateway asks.
    pub fn births(&mut self, now: Timestamp, first: u64) -> Vec<Outgoing> {
        self.seq = 0;
        let payload = payload::node_birth(now, self.bdseq, &self.stream, first);
        let mut births = vec![Outgoing {
            topic: self.topic(Kind::NodeBirth, None),
            payload,
        }];
        for index in 0..self.devices.len() {
            births.push(self.device_birth(index, now));
        }
        births
    }

    fn device_birth(&mut self, index: usize, now: Timestamp) -> Outgoing {
        let seq = self.next_seq();
        let (id, points) = &self.devices[index];
        Outgoing {
            topic: self.topic(Kind::DeviceBirth, Some(id)),
            payload: payload::device_birth(now, seq, points),
        }
    }

    /// The messages of one record: its data, after a new birth of its device if that is needed. `described` says what
    /// is known of a point that is not configured.
    pub fn data(
        &mut self,
        now: Timestamp,
        sequence: u64,
        record: &Record,
        is_historical: bool,
        described: impl Fn(&DeviceId, &PointName) -> PointInfo,
    ) -> Vec<Outgoing> {
        let mut messages = Vec::with_capacity(1);
        let mut is_changed = false;
        let mut points = Vec::with_capacity(record.readings.len());
        for reading in &record.readings {
            if self.alias(&record.device, &reading.point).is_none() {
                self.learn(&record.device, &described(&record.device, &reading.point));
                is_changed = true;
            }
            let Some(alias) = self.alias(&record.device, &reading.point) else {
                continue;
            };
            points.push(DataPoint {
                alias,
                at: reading.at,
                value: reading.value,
                quality: reading.quality,
            });
        }
        if !self.devices.iter().any(|(id, _)| *id == record.device) {
            // A device of which there is only a gap, or what it sent.
            self.devices.push((record.device.clone(), Vec::new()));
            is_changed = true;
        }
        if is_changed
            && let Some(index) = self.devices.iter().position(|(id, _)| *id == record.device)
        {
            messages.push(self.device_birth(index, now));
        }
        let seq = self.next_seq();
        let beside = Beside {
            raw: (!record.raw.is_empty()).then_some(&record.raw[..]),
            gap: record.gap.as_ref(),
        };
        messages.push(Outgoing {
            topic: self.topic(Kind::DeviceData, Some(&record.device)),
            payload: payload::data(now, seq, sequence, is_historical, &points, beside),
        });
        messages
    }

    /// How the agent does.
    pub fn status(&mut self, now: Timestamp, status: &AgentStatus) -> Outgoing {
        let json = serde_json::to_string(status).expect("a status is always JSON");
        let seq = self.next_seq();
        Outgoing {
            topic: self.topic(Kind::NodeData, None),
            payload: payload::node_status(now, seq, json),
        }
    }

    /// What became of the last orders.
    pub fn reports(&mut self, now: Timestamp, reports: &[Report]) -> Outgoing {
        let seq = self.next_seq();
        Outgoing {
            topic: self.topic(Kind::NodeData, None),
            payload: payload::node_control(now, seq, reports),
        }
    }

    /// A device of the agent, to speak of a record that does not say whose it was: the first, or one of the agent's name.
    pub fn first_device(&self) -> DeviceId {
        let named =
            || DeviceId::new(self.agent.as_str()).expect("an agent's name is a device's name");
        self.devices
            .first()
            .map_or_else(named, |(id, _)| id.clone())
    }

    fn alias(&self, device: &DeviceId, point: &PointName) -> Option<u64> {
        self.aliases.get(device)?.get(point).copied()
    }

    fn next_seq(&mut self) -> u8 {
        self.seq = self.seq.wrapping_add(1);
        self.seq
    }

    fn topic(&self, kind: Kind, device: Option<&DeviceId>) -> String {
        let (site, agent) = (self.site.clone(), self.agent.clone());
        Topic {
            site,
            kind,
            agent,
            device: device.cloned(),
        }
        .to_string()
    }
}

/// What a command payload asks of the agent with this stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// What the gateway has of the stream.
    pub receipt: Option<Receipt>,
    /// The gateway's time.
    pub at: Option<Timestamp>,
    /// It wants the births again.
    pub is_rebirth: bool,
    /// It wants a certificate request.
    pub is_renewal: bool,
    /// It answers one, PEM.
    pub certificate: Option<String>,
    /// Devices are to do something.
    pub orders: Vec<Order>,
    /// It wants this to be run.
    pub desired: Option<Desired>,
    /// It wants these sealed originals, by SHA-256.
    pub wanted: Vec<String>,
}

/// Reads a command. A receipt for another stream is none for this one.
pub fn hear(stream: &str, bytes: &[u8]) -> Result<Heard, payload::PayloadError> {
    let mut heard = Heard {
        at: payload::decode(bytes)?.at,
        ..Heard::default()
    };
    for command in payload::commands(bytes)? {
        match command {
            Command::Rebirth => heard.is_rebirth = true,
            Command::Renew => heard.is_renewal = true,
            Command::Certificate(pem) => heard.certificate = Some(pem),
            Command::Order(order) => heard.orders.push(*order),
            Command::Configuration(desired) => heard.desired = Some(desired),
            Command::Wanted(wanted) => heard.wanted = wanted,
            Command::Receipt(receipt) if receipt.stream == stream => heard.receipt = Some(receipt),
            Command::Receipt(_) => {}
        }
    }
    Ok(heard)
}
