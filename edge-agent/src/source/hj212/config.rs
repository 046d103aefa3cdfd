//! Where the host listens and whose frames it takes: the `[[hj212]]` part of the configuration.

use super::sm4::Key;
use crate::{folder::Folder, section::Section, source::Described};
use contract::{DeviceId, control::Right, problems::Problems};
use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

/// How long a station may be silent, whatever it promised.
const IDLE: Duration = Duration::from_secs(300);
/// OverTime (HJ 212-2017 Table 1).
const OVER_TIME: Duration = Duration::from_secs(10);
const MN_MAX: usize = 64;

/// Where data loggers connect to.
#[derive(Debug, Clone, PartialEq)]
pub struct Door {
    /// The address.
    pub listen: SocketAddr,
    /// Connections at one time.
    pub connections_max: usize,
    /// Frames a second of one connection; what is over waits in the network.
    pub frames_per_s: u32,
    /// A connection without a good frame for this long, or for three of its station's intervals if that is longer, is
    /// closed.
    pub idle: Duration,
    /// Several stations may use one connection (a concentrator).
    pub is_shared: bool,
    /// What the gateway may order from the stations (`reverse_control` of the box's own file); nothing if it is empty.
    pub rights: Vec<Right>,
    /// How long a station has for an answer to a request.
    pub over_time: Duration,
    /// Whose frames are taken.
    pub stations: Vec<Station>,
}

/// One data logger.
#[derive(Debug, Clone, PartialEq)]
pub struct Station {
    /// The MN it says.
    pub mn: String,
    /// Its name here.
    pub device: DeviceId,
    /// Where it may connect from.
    pub networks: Vec<Network>,
    /// For encrypted data areas.
    pub key: Option<Key>,
    /// The system code it should say.
    pub st: Option<String>,
    /// The promised time between real-time frames.
    pub every: Option<Duration>,
}

impl Station {
    /// Its name; its points are known when it speaks.
    pub fn described(&self) -> Described {
        Described {
            id: self.device.clone(),
            points: Vec::new(),
        }
    }

    /// True if it may connect from there.
    pub fn is_at(&self, peer: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(peer))
    }
}

/// A network, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: u128,
    bits: u32,
}

/// The text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network")]
pub struct NetworkError(String);

impl Network {
    /// True if the address is in it. IPv4 written as IPv6 is the same.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differs = as_bits(address) ^ self.address;
        self.bits == 0 || differs >> (128 - self.bits) == 0
    }
}

impl FromStr for Network {
    type Err = NetworkError;
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let refused = || NetworkError(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let length = if address.is_ipv4() { 32 } else { 128 };
        let bits: u32 = match bits {
            Some(bits) => bits.parse().map_err(|_| refused())?,
            None => length,
        };
        if bits > length {
            return Err(refused());
        }
        Ok(Network {
            address: as_bits(address),
            bits: bits + 128 - length,
        })
    }
}

fn as_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Reads it.
pub fn read(mut part: Section, folder: &Folder, problems: &mut Problems) -> Option<Door> {
    let listen = part.parsed("listen", "\"0.0.0.0:9212\"", problems);
    let connections_max = part.integer_or("connections_max", 64, 1, 10_000, problems);
    let frames_per_s = part.integer_or("frames_per_s", 100, 1, 100_000, problems);
    let limits = (Duration::from_millis(100), Duration::from_secs(86_400));
    let idle = part.duration("idle", Some(IDLE), limits, problems);
    let is_shared = part.flag("shared", problems);
    let limits = (Duration::from_millis(100), Duration::from_secs(300));
    let over_time = part.duration("over_time", Some(OVER_TIME), limits, problems);
    let mut stations = Vec::new();
    let mut mns = HashSet::new();
    for part in part.sections("station", problems) {
        let place = part.place("mn");
        let Some(station) = station(part, folder, problems) else {
            continue;
        };
        if !mns.insert(station.mn.clone()) {
            let what = format!("MN {} is there twice", station.mn);
            problems.add(place, what, "one MN is one station");
        }
        stations.push(station);
    }
    part.finish(problems);
    Some(Door {
        listen: listen?,
        connections_max: usize::try_from(connections_max).ok()?,
        frames_per_s: u32::try_from(frames_per_s).ok()?,
        idle: idle?,
        is_shared,
        rights: Vec::new(),
        over_time: over_time?,
        stations,
    })
}

fn station(mut part: Section, folder: &Folder, problems: &mut Problems) -> Option<Station> {
    let mn: Option<String> = part.parsed("mn", "\"010000A8900016F000169DC0\"", problems);
    if let Some(mn) = &mn
        && !is_mn(mn)
    {
        let fix = "write the MN as the logger sends it, letters and digits";
        problems.add(part.place("mn"), format!("{mn:?} is not an MN"), fix);
    }
    let device = part.parsed("device", "\"stack-1\"", problems);
    let mut networks = Vec::new();
    for text in part.texts("networks", "[\"10.1.2.0/24\"]", problems) {
        let fix = "write an address, or a network such as \"10.1.2.0/24\"";
        match text.parse() {
            Ok(network) => networks.push(network),
            Err(error) => problems.add(part.place("networks"), error, fix),
        }
    }
    let key = part.text_if_there("key_file", problems).and_then(|name| {
        let fix = "name a file with the SM4 key that the agent's user can read";
        let (path, text) = folder.secret(&name, fix, problems)?;
        let key = text.trim_end().parse::<Key>();
        let wrong = |error| problems.add(path.display(), error, "write the key alone into it");
        key.map_err(wrong).ok()
    });
    let st = part.text_if_there("st", problems);
    let limits = (Duration::from_secs(1), Duration::from_secs(86_400));
    let every = part.duration_if_there("every", limits, problems);
    part.finish(problems);
    Some(Station {
        mn: mn?,
        device: device?,
        networks,
        key,
        st,
        every,
    })
}

fn is_mn(text: &str) -> bool {
    (1..=MN_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("10.1.2.0/24", "10.1.2.255", "10.1.3.0"),
            ("10.1.2.7", "::ffff:10.1.2.7", "10.1.2.6"),
            ("fd00::/8", "fdff::1", "fe80::1"),
            ("0.0.0.0/0", "255.1.2.3", "fd00::1"),
            ("::/0", "10.0.0.1", ""),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{inside}");
            let outside = outside.parse::<IpAddr>();
            assert!(outside.is_err() || !network.contains(outside.unwrap()));
        }
        for bad in ["", "10.1.2.0/33", "10.1.2/24", "::/129", "host"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
