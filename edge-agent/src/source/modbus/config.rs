//! Buses and instruments: the `[[modbus]]` and `[[device]]` parts of the configuration. Devices that name the same TCP
//! address share one bus.

use super::{
    bus::Bus,
    link::{Endpoint, Line, Parity},
};
use crate::{
    folder::Folder,
    profile::{self, Identity, Point},
    section::Section,
    source::{Described, PointInfo},
};
use contract::{DeviceId, problems::Problems};
use std::{collections::HashSet, time::Duration};

/// A device that is asked more often than this may take longer to answer than it has until its next poll; polls
/// that come meanwhile are missed and told of.
const TIMEOUT_OF_FAST_POLLS: Duration = Duration::from_secs(1);
/// Connections to a TCP gateway, unless its `[[modbus]]` says otherwise.
const TCP_CONNECTIONS: usize = 4;
const BACK_OFF_MAX: Duration = Duration::from_secs(60);
const BAUDS: (i64, i64) = (300, 4_000_000);

/// One instrument.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Its name.
    pub id: DeviceId,
    /// Modbus unit id.
    pub unit_id: u8,
    /// Time between polls.
    pub every: Duration,
    /// How long it may take to answer all questions of a poll, the time on a serial line not counted.
    pub timeout: Duration,
    /// What to ask for.
    pub points: Vec<Point>,
    /// Holes of up to this many registers are read with what is around them.
    pub gap_max: u16,
    /// Where it says which one it is.
    pub identity: Option<Identity>,
    /// What it must say there; values of another instrument are doubted.
    pub expected: Option<String>,
    /// Where the instrument keeps its own time, if it does.
    pub clock: Option<Point>,
}

impl Device {
    /// What it will tell. An instrument with a clock of its own promises no interval.
    pub fn described(&self) -> Described {
        let every = |point: &Point| match (&self.clock, point.sparing) {
            (Some(_), _) => None,
            (None, Some(sparing)) => Some(sparing.heartbeat.max(self.every)),
            (None, None) => Some(self.every),
        };
        let info = |point: &Point| PointInfo {
            name: point.name.clone(),
            unit: point.unit.clone(),
            factor: point.factor.clone(),
            every: every(point),
        };
        Described {
            id: self.id.clone(),
            points: self.points.iter().map(info).collect(),
        }
    }
}

/// How a device says on which bus it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum On {
    Bus(String),
    Address(String),
}

/// Reads all buses and their devices, with their profiles.
pub fn read(top: &mut Section, folder: &Folder, problems: &mut Problems) -> Vec<Bus> {
    let mut buses: Vec<Bus> = Vec::new();
    for part in top.sections_if_there("modbus", problems) {
        let place = part.place("id");
        let Some(bus) = bus(part, problems) else {
            continue;
        };
        let is_twice = |other: &&Bus| other.name == bus.name || other.endpoint == bus.endpoint;
        if let Some(other) = buses.iter().find(is_twice) {
            let what = format!("{} ({}) is there twice", other.name, other.endpoint);
            problems.add(
                place,
                what,
                "give each bus its own id and its own line or address",
            );
        }
        buses.push(bus);
    }
    let known: Vec<String> = buses.iter().map(|bus| bus.name.clone()).collect();
    let mut used = HashSet::new();
    for part in top.sections_if_there("device", problems) {
        let unit = part.place("unit_id");
        let on = on(&part, &known, problems);
        if let Some(On::Bus(name)) = &on {
            used.insert(name.clone());
        }
        let (Some(device), Some(on)) = (device(part, folder, problems), on) else {
            continue;
        };
        let bus = bus_of(&mut buses, on);
        if bus.endpoint.is_rtu() && !(1..=247).contains(&device.unit_id) {
            let what = format!("{} is no unit of a serial line", device.unit_id);
            problems.add(unit, what, "write unit_id = N with 1 <= N <= 247");
        }
        bus.devices.push(device);
    }
    for name in known.iter().filter(|name| !used.contains(*name)) {
        let what = format!("bus {name:?} has no device");
        problems.add(
            top.place("modbus"),
            what,
            "remove it, or name it in a [[device]]",
        );
    }
    buses
}

fn bus_of(buses: &mut Vec<Bus>, on: On) -> &mut Bus {
    let is_it = |bus: &Bus| match &on {
        On::Bus(name) => bus.name == *name,
        On::Address(address) => bus.endpoint == Endpoint::Tcp(address.clone()),
    };
    let place = buses.iter().position(is_it).unwrap_or_else(|| {
        let (On::Bus(name) | On::Address(name)) = on;
        buses.push(Bus {
            endpoint: Endpoint::Tcp(name.clone()),
            name,
            connections: TCP_CONNECTIONS,
            back_off_max: BACK_OFF_MAX,
            devices: Vec::new(),
        });
        buses.len() - 1
    });
    &mut buses[place]
}

fn bus(mut part: Section, problems: &mut Problems) -> Option<Bus> {
    let name: Option<String> = part.parsed("id", "\"line1\"", problems);
    let place = part.place("tcp");
    let ways = [
        part.text_if_there("tcp", problems),
        part.text_if_there("rtu_over_tcp", problems),
        part.text_if_there("serial", problems),
    ];
    for (key, address) in ["tcp", "rtu_over_tcp"].iter().zip(&ways) {
        check_address(&part, key, address.as_deref(), problems);
    }
    let is_tcp = ways[0].is_some();
    let line = (!is_tcp).then(|| line(&mut part, problems));
    let connections = match is_tcp {
        true => part.integer_or("connections", TCP_CONNECTIONS as i64, 1, 16, problems),
        false => 1,
    };
    let limits = (Duration::from_secs(1), Duration::from_secs(3600));
    let back_off_max = part.duration("back_off_max", Some(BACK_OFF_MAX), limits, problems);
    part.finish(problems);
    let endpoint = match (ways, line) {
        ([Some(address), None, None], _) => Some(Endpoint::Tcp(address)),
        ([None, Some(address), None], Some(line)) => Some(Endpoint::RtuOverTcp(address, line?)),
        ([None, None, Some(path)], Some(line)) => Some(Endpoint::Serial(path, line?)),
        _ => {
            let fix = "write one of tcp = \"host:port\", rtu_over_tcp = \"host:port\", serial = \"/dev/ttyUSB0\"";
            problems.add(place, "a bus is at exactly one place", fix);
            None
        }
    };
    Some(Bus {
        name: name?,
        endpoint: endpoint?,
        connections: usize::try_from(connections).ok()?,
        back_off_max: back_off_max?,
        devices: Vec::new(),
    })
}

fn line(part: &mut Section, problems: &mut Problems) -> Option<Line> {
    let baud = part.integer_or("baud", 9_600, BAUDS.0, BAUDS.1, problems);
    let parity = match part.has("parity") {
        true => part.parsed("parity", "\"none\"", problems),
        false => Some(Parity::None),
    };
    let stop_bits = part.integer_or("stop_bits", 1, 1, 2, problems);
    Some(Line {
        baud: u32::try_from(baud).ok()?,
        parity: parity?,
        stop_bits: u8::try_from(stop_bits).ok()?,
    })
}

/// Where a device is; its keys stay to be read with the others.
fn on(part: &Section, known: &[String], problems: &mut Problems) -> Option<On> {
    let (bus, address) = (part.text("bus"), part.text("address"));
    let both =
        "write address = \"host:port\" for Modbus TCP, or bus = \"ID\" of a [[modbus]]; not both";
    match (part.has("bus"), part.has("address")) {
        (true, true) => problems.add(part.place("bus"), "a device is on one bus", both),
        (false, false) => problems.add(part.place("address"), "it is missing", both),
        (true, false) => {
            let bus = bus?;
            if known.contains(&bus) {
                return Some(On::Bus(bus));
            }
            let what = format!("there is no usable [[modbus]] with id = {bus:?}");
            let fix = format!(
                "write one of those there are ({}), or add it",
                known.join(", ")
            );
            problems.add(part.place("bus"), what, fix);
        }
        (false, true) => return address.map(On::Address),
    }
    None
}

fn device(mut part: Section, folder: &Folder, problems: &mut Problems) -> Option<Device> {
    let id = part.parsed("id", "\"cold-room\"", problems);
    let profile: Option<String> =
        part.parsed("profile", "\"devices/cold-room-logger.toml\"", problems);
    let address = part.text_if_there("address", problems);
    check_address(&part, "address", address.as_deref(), problems);
    part.text_if_there("bus", problems);
    let unit_id = part.integer_or("unit_id", 1, 0, 255, problems);
    let limits = (Duration::from_millis(2), Duration::from_secs(86_400));
    let every = part.duration("every", None, limits, problems);
    let timeout = part.duration("timeout", Some(Duration::from_secs(1)), limits, problems);
    if let (Some(every), Some(timeout)) = (every, timeout)
        && timeout >= every
        && timeout > TIMEOUT_OF_FAST_POLLS
    {
        let what = format!(
            "{timeout:?} is not shorter than every = {every:?}, nor within {TIMEOUT_OF_FAST_POLLS:?}"
        );
        problems.add(
            part.place("timeout"),
            what,
            "a silent device must be noticed before its next poll: shorten it",
        );
    }
    let expected = part.text_if_there("identity", problems);
    let place = part.place("identity");
    part.finish(problems);
    let fix = "name a file of config/devices, relative to this file";
    let (from, text) = folder.profile(&profile?, fix, problems)?;
    let profile = profile::read(&from, &text, problems);
    if expected.is_some() && profile.identity.is_none() {
        let fix = "add [identity] to the profile (function, register, type), or remove the key";
        problems.add(
            place,
            "the profile does not say where the instrument keeps it",
            fix,
        );
    }
    let unit_id = u8::try_from(unit_id).ok()?;
    Some(Device {
        id: id?,
        unit_id,
        every: every?,
        timeout: timeout?,
        points: profile.points,
        gap_max: profile.gap_max,
        identity: profile.identity,
        expected,
        clock: profile.clock,
    })
}

fn check_address(part: &Section, key: &str, address: Option<&str>, problems: &mut Problems) {
    if let Some(address) = address
        && !is_address(address)
    {
        let fix = "write host:port, for example \"192.168.1.20:502\"";
        let what = format!("{address:?} is not an address");
        problems.add(part.place(key), what, fix);
    }
}

/// True for `host:port`.
pub fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}
