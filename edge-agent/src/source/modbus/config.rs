//! One instrument: the `[[device]]` part of the configuration.

use crate::{
    config::read_text,
    profile::{self, Point},
    section::Section,
    source::{Described, PointInfo},
};
use contract::{DeviceId, problems::Problems};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// A device that is asked more often than this may take longer to answer than it has until its next poll; polls
/// that come meanwhile are skipped and counted.
const TIMEOUT_OF_FAST_POLLS: Duration = Duration::from_secs(1);

/// One instrument.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its name.
    pub id: DeviceId,
    /// `host:port`.
    pub address: String,
    /// Modbus unit id.
    pub unit_id: u8,
    /// Time between polls.
    pub every: Duration,
    /// How long it may take to answer.
    pub timeout: Duration,
    /// What to ask for.
    pub points: Vec<Point>,
    /// Where the instrument keeps its own time, if it does.
    pub clock: Option<Point>,
}

impl Device {
    /// What it will tell.
    pub fn described(&self) -> Described {
        let info = |point: &Point| PointInfo {
            name: point.name.clone(),
            unit: point.unit.clone(),
            factor: point.factor.clone(),
            every: Some(self.every),
        };
        Described {
            id: self.id.clone(),
            points: self.points.iter().map(info).collect(),
        }
    }
}

/// Reads it, with its profile.
pub fn read(mut part: Section, folder: &Path, problems: &mut Problems) -> Option<Device> {
    let id = part.parsed("id", "\"cold-room\"", problems);
    let profile: Option<PathBuf> =
        part.parsed("profile", "\"devices/cold-room-logger.toml\"", problems);
    let address: Option<String> = part.parsed("address", "\"192.168.1.20:502\"", problems);
    if let Some(address) = &address
        && !is_address(address)
    {
        let fix = "write host:port, for example \"192.168.1.20:502\"";
        problems.add(
            part.place("address"),
            format!("{address:?} is not an address"),
            fix,
        );
    }
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
    part.finish(problems);
    let profile = folder.join(profile?);
    let fix = "name a file of config/devices, relative to this file";
    let text = read_text(&profile, fix, problems)?;
    let profile::Profile { points, clock } =
        profile::read(&profile.display().to_string(), &text, problems);
    let unit_id = u8::try_from(unit_id).ok()?;
    Some(Device {
        id: id?,
        address: address?,
        unit_id,
        every: every?,
        timeout: timeout?,
        points,
        clock,
    })
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}
