//! The Sparkplug B session: which message comes when, with which sequence number and alias. Pure.
//!
//! Promise: NBIRTH has seq 0 and comes first, every message after it has the next number modulo 256; data never
//! names an alias that was not born in this session; a record whose point is no longer configured is preceded by
//! a new birth of its device that has it again.

use crate::{config::Device, record::Record};
use contract::{
    AgentId, DeviceId, PointName, SiteId, Timestamp,
    payload::{self, BirthPoint, Command, DataPoint},
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
    pub fn new(site: SiteId, agent: AgentId, stream: String, devices: &[Device]) -> Session {
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
                session.learn(&device.id, &point.name, &point.unit, point.factor.clone());
            }
        }
        session
    }

    fn learn(&mut self, device: &DeviceId, name: &PointName, unit: &str, factor: Option<String>) {
        self.alias_last += 1;
        let alias = self.alias_last;
        self.aliases
            .entry(device.clone())
            .or_default()
            .insert(name.clone(), alias);
        let point = BirthPoint {
            name: name.clone(),
            alias,
            unit: unit.to_owned(),
            factor,
        };
        match self.devices.iter_mut().find(|(id, _)| id == device) {
            Some((_, points)) => points.push(point),
            None => self.devices.push((device.clone(), vec![point])),
        }
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

    /// The messages of one record: its data, after a new birth of its device if that is needed.
    pub fn data(
        &mut self,
        now: Timestamp,
        sequence: u64,
        record: &Record,
        is_historical: bool,
    ) -> Vec<Outgoing> {
        let mut messages = Vec::with_capacity(1);
        let mut is_changed = false;
        let mut points = Vec::with_capacity(record.readings.len());
        for reading in &record.readings {
            if self.alias(&record.device, &reading.point).is_none() {
                // The unit of a point that is no longer configured is not known any more; the gateway has it
                // from earlier births.
                self.learn(&record.device, &reading.point, "", None);
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
        if is_changed
            && let Some(index) = self.devices.iter().position(|(id, _)| *id == record.device)
        {
            messages.push(self.device_birth(index, now));
        }
        let seq = self.next_seq();
        messages.push(Outgoing {
            topic: self.topic(Kind::DeviceData, Some(&record.device)),
            payload: payload::data(now, seq, sequence, is_historical, &points),
        });
        messages
    }

    /// A record number without readings, on behalf of the first device; nothing if there is none.
    pub fn number(&mut self, now: Timestamp, sequence: u64) -> Vec<Outgoing> {
        let Some((device, _)) = self.devices.first() else {
            return Vec::new();
        };
        let record = Record {
            device: device.clone(),
            at: now,
            readings: Vec::new(),
        };
        self.data(now, sequence, &record, true)
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
    /// The gateway has every record up to this one.
    pub through: Option<u64>,
    /// It wants the births again.
    pub is_rebirth: bool,
    /// It wants a certificate request.
    pub is_renewal: bool,
    /// It answers one, PEM.
    pub certificate: Option<String>,
}

/// Reads a command. A receipt for another stream is none for this one.
pub fn hear(stream: &str, bytes: &[u8]) -> Result<Heard, payload::PayloadError> {
    let mut heard = Heard::default();
    for command in payload::commands(bytes)? {
        match command {
            Command::Rebirth => heard.is_rebirth = true,
            Command::Renew => heard.is_renewal = true,
            Command::Certificate(pem) => heard.certificate = Some(pem),
            Command::Receipt(receipt) if receipt.stream == stream => {
                heard.through = Some(receipt.through)
            }
            Command::Receipt(_) => {}
        }
    }
    Ok(heard)
}
