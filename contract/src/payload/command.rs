//! What a host asks of an agent: NCMD payloads, written and read.

use super::{PayloadError, Scalar, decode, named, payload};
use crate::{
    Timestamp,
    configuration::Desired,
    control::{self, Order},
    receipt::{self, Receipt},
};
use srad_types::payload::{DataType, metric};

/// The NCMD that gives an agent an order for one of its devices.
pub fn order_command(at: Timestamp, order: &Order) -> Vec<u8> {
    let json = serde_json::to_string(order).expect("an order is always JSON");
    let value = metric::Value::StringValue(json);
    command(at, control::ORDER, DataType::String, value)
}

/// The NCMD that says "journaled through N".
pub fn receipt_command(at: Timestamp, receipt: &Receipt) -> Vec<u8> {
    let stream = metric::Value::StringValue(receipt.stream.clone());
    let through = metric::Value::LongValue(receipt.through);
    let highest = metric::Value::LongValue(receipt.highest);
    let mut metrics = vec![
        named(receipt::STREAM, DataType::String, stream),
        named(receipt::THROUGH, DataType::UInt64, through),
        named(receipt::HIGHEST, DataType::UInt64, highest),
    ];
    if !receipt.also.is_empty() {
        let also = metric::Value::StringValue(receipt::also_to_text(&receipt.also));
        metrics.push(named(receipt::ALSO, DataType::String, also));
    }
    payload(at, None, metrics)
}

/// The NCMD that asks for a new birth.
pub fn rebirth_command(at: Timestamp) -> Vec<u8> {
    let yes = metric::Value::BooleanValue(true);
    command(at, receipt::REBIRTH, DataType::Boolean, yes)
}

/// The NCMD that asks an agent to renew its certificate.
pub fn renew_command(at: Timestamp) -> Vec<u8> {
    let yes = metric::Value::BooleanValue(true);
    command(at, receipt::RENEW, DataType::Boolean, yes)
}

/// The NCMD that carries an agent's new certificate, PEM.
pub fn certificate_command(at: Timestamp, certificate: &str) -> Vec<u8> {
    let pem = metric::Value::StringValue(certificate.to_owned());
    command(at, receipt::CERTIFICATE, DataType::String, pem)
}

/// The NCMD that carries the configuration an agent is to run.
pub fn configuration_command(at: Timestamp, desired: &Desired) -> Vec<u8> {
    let json = serde_json::to_string(desired).expect("a configuration is always JSON");
    let text = metric::Value::StringValue(json);
    command(at, receipt::CONFIGURATION, DataType::String, text)
}

/// An NCMD that asks for sealed originals.
pub fn wanted_command(at: Timestamp, wanted: &[String]) -> Vec<u8> {
    let few = &wanted[..wanted.len().min(receipt::WANTED_MAX)];
    let json = serde_json::to_string(few).expect("texts are always JSON");
    let text = metric::Value::StringValue(json);
    command(at, receipt::WANTED, DataType::String, text)
}

fn command(at: Timestamp, name: &str, datatype: DataType, value: metric::Value) -> Vec<u8> {
    payload(at, None, vec![named(name, datatype, value)])
}

/// What a host may ask of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Records are journaled.
    Receipt(Receipt),
    /// Send the births again.
    Rebirth,
    /// Ask for a new certificate.
    Renew,
    /// The new certificate, PEM.
    Certificate(String),
    /// A device is to do something.
    Order(Box<Order>),
    /// Run this.
    Configuration(Desired),
    /// Send these sealed originals, by SHA-256.
    Wanted(Vec<String>),
}

/// The commands in an NCMD. Metrics that are none of ours are left out.
pub fn commands(bytes: &[u8]) -> Result<Vec<Command>, PayloadError> {
    let message = decode(bytes)?;
    let mut commands = Vec::new();
    let (mut stream, mut through, mut highest, mut also) = (None, None, None, Vec::new());
    for metric in message.metrics {
        match (metric.name.as_deref(), metric.value) {
            (Some(receipt::REBIRTH), Scalar::Bool(true)) => commands.push(Command::Rebirth),
            (Some(receipt::RENEW), Scalar::Bool(true)) => commands.push(Command::Renew),
            (Some(receipt::CERTIFICATE), Scalar::Text(pem)) => {
                commands.push(Command::Certificate(pem));
            }
            (Some(control::ORDER), Scalar::Text(json)) => {
                let order = serde_json::from_str(&json);
                let order = order.map_err(|error| PayloadError::Malformed(error.into()))?;
                commands.push(Command::Order(Box::new(order)));
            }
            (Some(receipt::CONFIGURATION), Scalar::Text(text)) => {
                let desired = serde_json::from_str(&text);
                let desired = desired.map_err(|error| PayloadError::Malformed(error.into()))?;
                commands.push(Command::Configuration(desired));
            }
            (Some(receipt::WANTED), Scalar::Text(json)) => {
                let wanted = serde_json::from_str(&json);
                let wanted = wanted.map_err(|error| PayloadError::Malformed(error.into()))?;
                commands.push(Command::Wanted(wanted));
            }
            (Some(receipt::STREAM), Scalar::Text(text)) => stream = Some(text),
            (Some(receipt::THROUGH), Scalar::Unsigned(n)) => through = Some(n),
            (Some(receipt::ALSO), Scalar::Text(text)) => also = receipt::also_from_text(&text),
            (Some(receipt::HIGHEST), Scalar::Unsigned(n)) => highest = Some(n),
            _ => {}
        }
    }
    if let (Some(stream), Some(through)) = (stream, through) {
        commands.push(Command::Receipt(Receipt {
            stream,
            through,
            also,
            highest: highest.unwrap_or(through).max(through),
        }));
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::node_death;

    const AT: Timestamp = Timestamp::from_millis(1_764_000_000_123);

    #[test]
    fn commands_are_read_back_and_strangers_left_out() {
        let receipt = Receipt {
            stream: "s".into(),
            through: u64::MAX - 9,
            highest: u64::MAX,
            also: vec![(u64::MAX - 7, u64::MAX)],
        };
        let read = commands(&receipt_command(AT, &receipt)).unwrap();
        assert_eq!(read, [Command::Receipt(receipt)]);
        assert_eq!(commands(&rebirth_command(AT)).unwrap(), [Command::Rebirth]);
        assert_eq!(commands(&renew_command(AT)).unwrap(), [Command::Renew]);
        assert_eq!(
            commands(&certificate_command(AT, "pem")).unwrap(),
            [Command::Certificate("pem".into())]
        );
        let order = Order {
            id: "7".into(),
            device: crate::DeviceId::new("stack").unwrap(),
            action: control::Action::SetClock,
            expires_at: AT,
        };
        assert_eq!(
            commands(&order_command(AT, &order)).unwrap(),
            [Command::Order(Box::new(order))]
        );
        let desired = Desired {
            version: 7,
            text: "[[device]]".into(),
            files: [("devices/a.toml".to_owned(), "冷库".to_owned())].into(),
        };
        assert_eq!(
            commands(&configuration_command(AT, &desired)).unwrap(),
            [Command::Configuration(desired)]
        );
        let wanted = vec!["ab".repeat(32), "cd".repeat(32)];
        assert_eq!(
            commands(&wanted_command(AT, &wanted)).unwrap(),
            [Command::Wanted(wanted)]
        );
        assert_eq!(commands(&node_death(AT, 3)).unwrap(), []);
    }
}
