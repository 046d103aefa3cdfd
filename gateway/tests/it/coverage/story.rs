use crate::ingest::wait_for;
use crate::records::world::{Gateway, decision};
use contract::payload::{self, Beside, BirthPoint, DataPoint};
use contract::{Gap, GapReason, PointName, Quality, Timestamp};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::Value;
use srad_types::payload::{DataType, Message as _, Metric, Payload, metric};
use std::io::Read as _;
use std::sync::{Arc, Mutex};

const MIN: i64 = 60_000;
const FRAME: &[u8] = b"##0041ST=21;CN=2011;\xff;CP=&&&&0000\r\n";

/// The agent of the restaurant, played by hand.
struct Agent {
    client: AsyncClient,
    heard: Arc<Mutex<Vec<payload::Command>>>,
    events: tokio::task::JoinHandle<()>,
    seq: u8,
}

impl Agent {
    async fn connect(gateway: &Gateway, every_ms: u64) -> Agent {
        let port = gateway.running.mqtt.unwrap().port();
        let options = MqttOptions::new("agent-restaurant", "127.0.0.1", port);
        let (client, mut events) = AsyncClient::new(options, 100);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = heard.clone();
        let events = tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(Packet::Publish(publish)) = event {
                    let commands = payload::commands(&publish.payload).unwrap();
                    kept.lock().unwrap().extend(commands);
                }
            }
        });
        let topic = "spBv1.0/restaurant/NCMD/agent-restaurant";
        client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        let now = Timestamp::now();
        let mut agent = Agent {
            client,
            heard,
            events,
            seq: 0,
        };
        agent
            .send("NBIRTH", "", payload::node_birth(now, 0, "buffer-1", 1))
            .await;
        let point = BirthPoint {
            name: PointName::new("temperature").unwrap(),
            alias: 1,
            unit: "℃".into(),
            factor: None,
            every_ms: Some(every_ms),
        };
        agent.seq = 1;
        let birth = payload::device_birth(now, 1, [&point]);
        agent.send("DBIRTH", "/cold-room", birth).await;
        agent
    }

    async fn send(&self, kind: &str, device: &str, payload: Vec<u8>) {
        let topic = format!("spBv1.0/restaurant/{kind}/agent-restaurant{device}");
        let sent = self.client.publish(topic, QoS::AtLeastOnce, false, payload);
        sent.await.unwrap();
    }

    async fn record(&mut self, number: u64, at: Option<Timestamp>, beside: Beside<'_>) {
        self.seq = self.seq.wrapping_add(1);
        let point = at.map(|at| DataPoint {
            alias: 1,
            at,
            value: Some(4.5),
            quality: Quality::Good,
        });
        let points: Vec<DataPoint> = point.into_iter().collect();
        let data = payload::data(Timestamp::now(), self.seq, number, false, &points, beside);
        self.send("DDATA", "/cold-room", data).await;
    }

    /// Data of the node itself with one metric of text.
    async fn tell(&mut self, name: &str, text: &str) {
        self.seq = self.seq.wrapping_add(1);
        let mut wire = Metric::new();
        wire.set_name(name.to_owned())
            .set_datatype(DataType::String)
            .set_value(metric::Value::StringValue(text.to_owned()));
        let payload = Payload {
            timestamp: Some(Timestamp::now().as_millis() as u64),
            metrics: vec![wire],
            seq: Some(u64::from(self.seq)),
            ..Payload::default()
        };
        self.send("NDATA", "", payload.encode_to_vec()).await;
    }

    fn through(&self) -> u64 {
        let heard = self.heard.lock().unwrap();
        let through = heard.iter().map(|command| match command {
            payload::Command::Receipt(receipt) => receipt.through,
            other => panic!("{other:?} was asked for"),
        });
        through.max().unwrap_or(0)
    }
}

fn gap(from: Timestamp, to: Timestamp, records: (u64, u64)) -> Gap {
    Gap {
        from,
        to,
        readings: 1 + records.1 - records.0,
        reason: GapReason::BufferFull,
        records: Some(records),
    }
}

/// That both sides of a balance on the wire are the same.
fn assert_balanced(balance: &Value) {
    let n = |name: &str| balance[name].as_u64().unwrap();
    let missing = balance["missing"].as_array().unwrap().iter();
    let missing: u64 = missing.map(|m| m["count"].as_u64().unwrap()).sum();
    assert_eq!(
        n("expected") + n("extra"),
        n("in_time") + n("late") + missing + n("silent"),
        "{balance}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_received_as_such_and_shown_and_what_was_sent_is_evidence() {
    let gateway = Gateway::start("http://127.0.0.1:1").await;
    let mut agent = Agent::connect(&gateway, MIN as u64).await;
    // Surely after the birth, whose time is the gateway's.
    let now = Timestamp::now().plus_millis(1000);
    agent.record(1, Some(now), Beside::default()).await;
    let given_up = gap(now.plus_millis(MIN), now.plus_millis(3 * MIN), (2, 4));
    let beside = Beside {
        raw: None,
        gap: Some(&given_up),
    };
    agent.record(5, None, beside).await;
    let beside = Beside {
        raw: Some(FRAME),
        gap: None,
    };
    agent.record(6, Some(now.plus_millis(50)), beside).await;
    wait_for("receipt 6", || (agent.through() == 6).then_some(())).await;

    // A gap record that would confirm what was never sent is refused; its own record is received.
    let false_claim = gap(now, now, (7, 30));
    let beside = Beside {
        raw: None,
        gap: Some(&false_claim),
    };
    agent.record(7, None, beside).await;
    agent.tell("OneDoor/Future", "something").await;
    let status = r#"{"version":"0.2.0","buffer":{"waiting":12,"bytes":10,"bytes_max":40},"clock":{"offset_ms":-2500},
        "sources":[{"device":"cold-room","state":"silent","since":5,"reason":"no_answer"}]}"#;
    agent.tell("OneDoor/Status", status).await;
    wait_for("receipt 7", || (agent.through() == 7).then_some(())).await;

    let told = |page: &Value| page["agents"][0]["version"] == "0.2.0";
    let fleet = gateway.wait("/api/fleet", told).await;
    let line = &fleet["agents"][0];
    assert_eq!(line["agent"], "agent-restaurant");
    assert_eq!(line["buffer"]["fill"], 0.25);
    assert_eq!(line["buffer"]["records"], 12);
    assert_eq!(line["clock_offset_ms"], 2500, "its clock is ahead");
    assert_eq!(line["state"], "online");
    let status = gateway.get("/api/status").await;
    let reasons: Vec<&Value> = status["refused"].as_array().unwrap().iter().collect();
    assert_eq!(reasons.len(), 1, "{status}");
    assert_eq!(reasons[0]["reason"], "bad_gap");
    let set_aside = gateway.folder.path().join("data/set-aside.jsonl");
    assert!(
        std::fs::read_to_string(set_aside)
            .unwrap()
            .contains("bad_gap")
    );

    let all_came = |view: &Value| view["balance"]["in_time"] == 2;
    let coverage = gateway
        .wait("/api/coverage?agent=agent-restaurant", all_came)
        .await;
    assert_balanced(&coverage["balance"]);
    let point = &coverage["devices"][0]["points"][0];
    assert_eq!(point["every_ms"], MIN);
    assert_eq!(coverage["balance"]["extra"], 1, "two readings in a minute");
    let wrong = "/api/coverage?day=yesterday";
    let wrong = gateway.send("li", "GET", wrong, Value::Null).await;
    assert_eq!(wrong.status(), 400);

    let page = gateway.get("/api/fleet/agent-restaurant").await;
    assert_balanced(&page["agent"]["week"]);
    assert_eq!(page["devices"][0]["device"], "cold-room");
    assert_eq!(page["devices"][0]["state"], "online");
    assert_eq!(page["devices"][0]["source"]["why"], "no_answer");
    for gaps in [
        &page["gaps"],
        &gateway.get("/api/sites/restaurant").await["gaps"],
    ] {
        let gaps = gaps.as_array().unwrap();
        assert_eq!(gaps.len(), 1);
        assert_eq!(gaps[0]["why"], "buffer_full");
        assert_eq!(gaps[0]["readings"], 3);
    }
    let chart = format!(
        "/api/series?site=restaurant&device=cold-room&point=temperature&from={}&to={}",
        now.as_millis(),
        now.as_millis() + 2 * MIN
    );
    let chart = gateway.get(&chart).await;
    assert_eq!(chart["gaps"][0]["reason"], "buffer_full");
    assert_eq!(chart["gaps"][0]["to"], now.as_millis() + 2 * MIN);

    gateway.raise("cold-room", 20);
    let id = gateway.undecided().await;
    let path = format!("/api/cases/{id}/decision");
    let confirm = decision("confirm", "went there", true);
    let (answered, words) = gateway.post("li", &path, confirm).await;
    assert_eq!(answered, 200, "{words}");
    let case = gateway.get(&format!("/api/cases/{id}")).await;
    let bundle = format!(
        "/api/evidence/{}/bundle",
        case["evidence"]["id"].as_str().unwrap()
    );
    let bundle = gateway.send("li", "GET", &bundle, Value::Null).await;
    let bundle = bundle.bytes().await.unwrap();
    assert!(gateway::evidence::verify(&bundle, None).is_ok());
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bundle)).unwrap();
    let mut text = String::new();
    let mut part = zip.by_name("raw/cold-room.jsonl").unwrap();
    part.read_to_string(&mut text).unwrap();
    let sent: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let hex: String = FRAME.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(sent["hex"], hex);
    assert_eq!((&sent["record"], &sent["text"]), (&6.into(), &Value::Null));
    assert_eq!(sent["device_time"], now.plus_millis(50).to_string());
    drop(part);

    agent.events.abort();
    let coverage = gateway.folder.path().join("data/coverage.db");
    gateway.running.stop().await;
    assert!(coverage.exists());
}
