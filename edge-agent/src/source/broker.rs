//! A broker of the site: where it is and who we are to it.

use crate::{folder::Folder, http::client, section::Section};
use contract::problems::Problems;
use rumqttc::{MqttOptions, Transport, v5};
use std::{fmt, time::Duration};

/// A packet above this ends a connection of MQTT 3.1.1.
const PACKET_MAX: usize = 8 << 20;
/// A packet above this is not handed over by a broker of MQTT 5. Messages far below it are already refused one by one.
const PACKET_MAX_5: u32 = 256 << 10;
/// Messages that a broker of MQTT 5 is asked to hand over at most without an acknowledgement. As many come a second time
/// after a connection that broke; mosquitto 2.0.11 does not keep to it, so that more are remembered (`json::seen`).
pub const UNDER_WAY: u16 = 32;

/// A broker.
#[derive(Clone, PartialEq, Eq)]
pub struct Broker {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The name under which the broker keeps what comes while we are away.
    pub client_id: String,
    login: Option<(String, String)>,
    tls: Option<Tls>,
}

#[derive(Clone, PartialEq, Eq)]
struct Tls {
    ca: Vec<u8>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl Broker {
    /// For logs and screens.
    pub fn name(&self) -> String {
        format!("broker {}:{}", self.host, self.port)
    }

    /// Options of a client of MQTT 5 for whom the broker keeps a session and waits for our acknowledgements.
    pub fn kept(&self) -> v5::MqttOptions {
        let mut options = v5::MqttOptions::new(&self.client_id, &self.host, self.port);
        options
            .set_keep_alive(Duration::from_secs(15))
            .set_clean_start(false)
            .set_manual_acks(true)
            .set_session_expiry_interval(Some(u32::MAX))
            .set_receive_maximum(Some(UNDER_WAY))
            .set_max_packet_size(Some(PACKET_MAX_5));
        if let Some((user, password)) = &self.login {
            options.set_credentials(user, password);
        }
        if let Some(transport) = self.transport() {
            options.set_transport(transport);
        }
        options
    }

    /// Options of a client of MQTT 3.1.1 without a session.
    pub fn options(&self) -> MqttOptions {
        let mut options = MqttOptions::new(&self.client_id, &self.host, self.port);
        options
            .set_keep_alive(Duration::from_secs(15))
            .set_clean_session(true)
            .set_manual_acks(true)
            .set_max_packet_size(PACKET_MAX, PACKET_MAX);
        if let Some((user, password)) = &self.login {
            options.set_credentials(user, password);
        }
        if let Some(transport) = self.transport() {
            options.set_transport(transport);
        }
        options
    }

    fn transport(&self) -> Option<Transport> {
        let tls = self.tls.as_ref()?;
        Some(Transport::tls(tls.ca.clone(), tls.identity.clone(), None))
    }
}

/// Reads the keys of a broker.
pub fn read(
    part: &mut Section,
    folder: &Folder,
    client_id: String,
    problems: &mut Problems,
) -> Option<Broker> {
    let host = part.parsed("host", "\"127.0.0.1\"", problems);
    let port = part.integer_or("port", 1883, 1, 65535, problems);
    let client_id = part
        .text_if_there("client_id", problems)
        .unwrap_or(client_id);
    let user = part.text_if_there("user", problems);
    let mut file = |key: &'static str, problems: &mut Problems| {
        let name = part.text_if_there(key, problems)?;
        let fix = "correct the path, and let the agent's user read it";
        Some(folder.secret(&name, fix, problems).map(|(_, text)| text))
    };
    let password = file("password_file", problems);
    let ca = file("ca_file", problems);
    let certificate = file("certificate_file", problems);
    let key = file("key_file", problems);
    let login = match (user, password) {
        (Some(user), Some(password)) => {
            Some((user, password.unwrap_or_default().trim_end().into()))
        }
        (None, None) => None,
        _ => {
            let what = "user and password_file go together";
            problems.add(part.place("user"), what, "write both or neither");
            None
        }
    };
    if certificate.is_some() != key.is_some() || (certificate.is_some() && ca.is_none()) {
        let what = "ca_file, certificate_file and key_file go together";
        let fix = "write ca_file for TLS, and both others or neither";
        problems.add(part.place("certificate_file"), what, fix);
    }
    let ca = ca.flatten().filter(|pem| {
        client::tls(pem.as_bytes())
            .map_err(|error| {
                let fix = "name a PEM file of the authority that signed the broker's certificate";
                problems.add(
                    part.place("ca_file"),
                    format!("it cannot be used ({error})"),
                    fix,
                );
            })
            .is_ok()
    });
    let identity = certificate.flatten().zip(key.flatten());
    Some(Broker {
        host: host?,
        port: u16::try_from(port).ok()?,
        client_id,
        login,
        tls: ca.map(|ca| Tls {
            ca: ca.into_bytes(),
            identity: identity.map(|(certificate, key)| (certificate.into(), key.into())),
        }),
    })
}
