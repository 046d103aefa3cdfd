//! Any bytes as Sparkplug messages of one edge node: none may panic either reader, both readers must agree on how many
//! metrics there are, and what was taken must survive the journal's encoding.
use contract::{AgentId, DeviceId, SiteId, Timestamp, payload};
use gateway::ingest::{
    beside::Beside,
    decode,
    dictionary::{Point, PointKey},
    record::{self, Encoder, Entry},
    session::{Node, Taken},
};

const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

/// See above.
pub fn check(input: &[u8]) {
    let (site, agent) = (SiteId::new("s").unwrap(), AgentId::new("a").unwrap());
    let mut node = Node::new(site, agent, Vec::new());
    let device = node.device(&DeviceId::new("d").unwrap());
    let mut keys = 0;
    let mut intern = |_: Point| {
        keys += 1;
        PointKey(keys)
    };
    let mut rest = input;
    // Messages one after another: kind, length (two bytes), payload.
    while let Some(([kind, low, high], after)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (bytes, next) = after.split_at(length);
        rest = next;
        agree(bytes);
        let Ok(head) = decode::head(bytes) else {
            continue;
        };
        let device = if kind & 1 == 0 { None } else { device };
        let (mut samples, mut faults) = (Vec::new(), Vec::new());
        match kind >> 1 & 3 {
            0 => {
                let _ = node.birth(
                    device,
                    &head,
                    bytes,
                    NOW,
                    &mut intern,
                    &mut samples,
                    &mut faults,
                );
            }
            1 => {
                node.death(device, &head, bytes, NOW);
            }
            _ => {
                let mut beside = Beside::default();
                let taken = node.data(
                    device,
                    &head,
                    bytes,
                    NOW,
                    &mut beside,
                    &mut samples,
                    &mut faults,
                );
                if let Ok((Taken::Journal { head, .. }, _)) = taken {
                    let mut encoder = Encoder::default();
                    encoder.data(head, &samples);
                    let (body, count) = encoder.finish();
                    let read: usize = record::entries(&body)
                        .map(|entry| match entry.expect("our own entry") {
                            Entry::Data(_, samples) => samples.count(),
                            _ => 0,
                        })
                        .sum();
                    assert_eq!((read, count as usize), (samples.len(), samples.len()));
                }
            }
        }
    }
    for entry in record::entries(input) {
        if let Ok(Entry::Data(_, samples)) = entry {
            samples.for_each(drop);
        }
    }
}

/// Where the contract's reader (protobuf library) and the gateway's (in place) both read it, they see the same number of
/// metrics. The library passes over groups, which Sparkplug does not have; the gateway refuses them.
fn agree(bytes: &[u8]) {
    let _ = payload::commands(bytes);
    if let (Ok(message), Ok(head)) = (payload::decode(bytes), decode::head(bytes)) {
        assert_eq!(head.metrics, message.metrics.len());
    }
    for metric in decode::metrics(bytes) {
        let Ok(metric) = metric else { break };
        let _ = decode::number(metric.value, metric.datatype);
        if let Some(set) = metric.properties {
            let _ = decode::property(set, "Quality");
        }
    }
}
