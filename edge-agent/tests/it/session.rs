//! The Sparkplug session as a table.

use contract::{
    AgentId, DeviceId, PointName, Quality, Reading, SiteId, Timestamp,
    payload::decode,
    receipt::{BDSEQ, Receipt},
    topic::Topic,
};
use edge_agent::{
    publish::session::{Heard, Outgoing, Session, hear},
    record::Record,
    source::{Described, PointInfo},
};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

fn session() -> Session {
    let point = PointInfo {
        name: PointName::new("t").unwrap(),
        unit: "℃".into(),
        factor: Some("f".into()),
        every: Some(Duration::from_secs(1)),
    };
    let device = |id: &str| Described {
        id: DeviceId::new(id).unwrap(),
        points: vec![point.clone()],
    };
    let (site, agent) = (SiteId::new("s").unwrap(), AgentId::new("a").unwrap());
    Session::new(site, agent, "stream".into(), &[device("d1"), device("d2")])
}

fn record(device: &str, point: &str) -> Record {
    let reading = Reading::new(
        PointName::new(point).unwrap(),
        NOW,
        Some(1.0),
        Quality::Good,
    );
    Record::of(DeviceId::new(device).unwrap(), NOW, vec![reading])
}

fn unknown(_: &DeviceId, point: &PointName) -> PointInfo {
    PointInfo::unknown(point.clone())
}

/// `TYPE[/device] seq aliases`, one per message.
fn shape(messages: &[Outgoing]) -> Vec<String> {
    let one = |message: &Outgoing| {
        let topic = Topic::parse(&message.topic).unwrap();
        let payload = decode(&message.payload).unwrap();
        let device = topic
            .device
            .map_or(String::new(), |device| format!("/{device}"));
        let aliases: Vec<u64> = payload.metrics.iter().filter_map(|m| m.alias).collect();
        format!(
            "{}{device} {:?} {aliases:?}",
            topic.kind.as_str(),
            payload.seq.unwrap_or(999)
        )
    };
    messages.iter().map(one).collect()
}

#[test]
fn births_come_first_and_numbers_run_on_from_them() {
    let mut session = session();
    let will = session.begin(7, NOW);
    assert_eq!(shape(&[will]), ["NDEATH 999 []"]);
    assert_eq!(
        shape(&session.births(NOW, 1)),
        ["NBIRTH 0 [0]", "DBIRTH/d1 1 [1]", "DBIRTH/d2 2 [2]"]
    );
    assert_eq!(
        shape(&session.data(NOW, 1, &record("d2", "t"), false, unknown)),
        ["DDATA/d2 3 [0, 2]"]
    );
    for number in 2..=253 {
        session.data(NOW, number, &record("d1", "t"), false, unknown);
    }
    assert_eq!(
        shape(&session.data(NOW, 254, &record("d1", "t"), false, unknown)),
        ["DDATA/d1 0 [0, 1]"]
    );
    assert_eq!(shape(&session.births(NOW, 1))[0], "NBIRTH 0 [0]");
    assert_eq!(
        shape(&session.data(NOW, 255, &record("d1", "t"), true, unknown)),
        ["DDATA/d1 3 [0, 1]"]
    );
}

#[test]
fn a_waiting_record_of_a_retired_point_or_device_is_born_again_once() {
    let mut session = session();
    session.births(NOW, 1);
    let first = session.data(NOW, 1, &record("d1", "old"), true, unknown);
    assert_eq!(shape(&first), ["DBIRTH/d1 3 [1, 3]", "DDATA/d1 4 [0, 3]"]);
    assert_eq!(
        shape(&session.data(NOW, 2, &record("d1", "old"), true, unknown)),
        ["DDATA/d1 5 [0, 3]"]
    );
    let gone = session.data(NOW, 3, &record("gone", "x"), true, unknown);
    assert_eq!(shape(&gone), ["DBIRTH/gone 6 [4]", "DDATA/gone 7 [0, 4]"]);
}

#[test]
fn the_death_carries_the_number_of_its_birth() {
    let mut session = session();
    session.begin(200, NOW);
    let birth = session.births(NOW, 1).remove(0);
    let death = session.death(NOW);
    let number = |message: &Outgoing| {
        let payload = decode(&message.payload).unwrap();
        payload
            .metrics
            .into_iter()
            .find(|m| m.name.as_deref() == Some(BDSEQ))
            .unwrap()
            .value
    };
    assert_eq!(number(&birth), number(&death));
}

#[test]
fn a_receipt_counts_only_for_its_own_stream() {
    let own = Receipt {
        stream: "mine".into(),
        through: 12,
        highest: 14,
        also: vec![(14, 14)],
    };
    let receipt = |stream: &str| {
        let receipt = Receipt {
            stream: stream.into(),
            ..own.clone()
        };
        hear("mine", &contract::payload::receipt_command(NOW, &receipt)).unwrap()
    };
    assert_eq!(
        receipt("mine"),
        Heard {
            receipt: Some(own.clone()),
            at: Some(NOW),
            ..Heard::default()
        }
    );
    let nothing = Heard {
        at: Some(NOW),
        ..Heard::default()
    };
    assert_eq!(receipt("other"), nothing);
    let rebirth = hear("mine", &contract::payload::rebirth_command(NOW)).unwrap();
    assert_eq!(
        rebirth,
        Heard {
            is_rebirth: true,
            ..nothing
        }
    );
    let renew = hear("mine", &contract::payload::renew_command(NOW)).unwrap();
    assert!(renew.is_renewal && renew.certificate.is_none());
    let answer = hear("mine", &contract::payload::certificate_command(NOW, "pem"));
    assert_eq!(answer.unwrap().certificate.as_deref(), Some("pem"));
    assert!(hear("mine", b"\xFF\xFF\xFF").is_err());
}
