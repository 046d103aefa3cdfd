//! What somebody who keeps the gateway is told, and where to look for what was refused.

use super::world::Gateway;
use crate::ingest::client;
use contract::{Quality, Timestamp, payload};
use rumqttc::{AsyncClient, MqttOptions, QoS};
use serde_json::Value;

const MALFORMED: &str = "door is open";
const ANCIENT: &str = r#"{"ts":1000,"v":{"temperature":4.5}}"#;

impl Gateway {
    /// Publishes at QoS 1 to the MQTT listener, and waits for the acknowledgement.
    async fn publish(&self, topic: &str, message: &[u8]) {
        let file = self.folder.path().join("message");
        std::fs::write(&file, message).unwrap();
        let port = self.running.mqtt.unwrap().port();
        let arguments = format!("-q 1 -t {topic}");
        let file = file.to_str().unwrap();
        let output = client("mosquitto_pub", port, &arguments, &["-f", file]).await;
        assert!(output.status.success(), "{output:?}");
    }

    /// The messages in the file that the status names, as topic, reason of the first fault, and bytes.
    fn set_aside(&self, status: &Value) -> Vec<(String, String, Vec<u8>)> {
        let name = status["set_aside_file"].as_str().unwrap();
        let text = std::fs::read_to_string(self.folder.path().join("data").join(name)).unwrap();
        let line = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let hex = line["payload"].as_str().unwrap();
            let byte = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
            (
                line["topic"].as_str().unwrap().to_owned(),
                line["faults"][0]["reason"].as_str().unwrap().to_owned(),
                (0..hex.len()).step_by(2).map(byte).collect(),
            )
        };
        text.lines().map(line).collect()
    }
}

fn agents(status: &Value) -> Vec<(&str, &str)> {
    let agents = status["agents"].as_array().unwrap().iter();
    agents
        .map(|a| (a["agent"].as_str().unwrap(), a["state"].as_str().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_is_shown_with_its_reason_and_stands_whole_in_the_file() {
    let gateway = Gateway::start("http://127.0.0.1:1").await;
    let topic = "gw/restaurant/cold-room/data";
    let now = Timestamp::now();
    let good = format!(r#"{{"ts":{},"v":{{"temperature":4.5}}}}"#, now.as_millis());
    let point = payload::DataPoint {
        alias: 1,
        at: now,
        value: Some(4.5),
        quality: Quality::Good,
    };
    let unborn = payload::data(now, 1, 1, false, &[point], payload::Beside::default());
    gateway.publish(topic, good.as_bytes()).await;
    gateway.publish(topic, MALFORMED.as_bytes()).await;
    gateway.publish(topic, ANCIENT.as_bytes()).await;
    let sparkplug = "spBv1.0/restaurant/DDATA/agent-restaurant/cold-room";
    gateway.publish(sparkplug, &unborn).await;

    // Everything was acknowledged, so it shows at once.
    let status = gateway.get("/api/status").await;
    let refused: Vec<_> = status["refused"].as_array().unwrap().iter().collect();
    let shown: Vec<_> = refused
        .iter()
        .map(|r| (r["topic"].as_str().unwrap(), r["reason"].as_str().unwrap()))
        .collect();
    let expected = [
        (sparkplug, "no_birth"),
        (topic, "time_ancient"),
        (topic, "malformed"),
    ];
    assert_eq!(shown, expected);
    assert!(refused.iter().all(|r| r["what"] != "" && r["fix"] != ""));
    let tallies = status["refused_by_reason"].as_array().unwrap().iter();
    let tallies: Vec<_> = tallies
        .map(|t| (&t["reason"], t["count"].as_u64(), t["sent_again"].as_bool()))
        .collect();
    assert_eq!(
        tallies,
        [
            (&"malformed".into(), Some(1), Some(false)),
            (&"no_birth".into(), Some(1), Some(true)),
            (&"time_ancient".into(), Some(1), Some(false)),
        ]
    );
    let kept = |reason: &str, text: &str| (topic.to_owned(), reason.to_owned(), text.into());
    let in_the_file = [kept("malformed", MALFORMED), kept("time_ancient", ANCIENT)];
    assert_eq!(gateway.set_aside(&status), in_the_file);
    assert_eq!(status["readings_journaled"], 1);
    gateway.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_signed_in_sees_agents_and_how_far_each_part_is() {
    let gateway = Gateway::start("http://127.0.0.1:1").await;
    let nobody = gateway.send("nobody", "GET", "/api/status", Value::Null);
    assert_eq!(nobody.await.status(), 401);
    for who in ["chen", "li", "root"] {
        let answer = gateway.send(who, "GET", "/api/status", Value::Null).await;
        assert_eq!(answer.status(), 200, "{who}");
    }
    let status = gateway.get("/api/status").await;
    assert!(agents(&status).iter().all(|(_, state)| *state == "unheard"));
    assert_eq!(status["scoring_part"]["state"], "off");
    assert_eq!(status["influx_part"]["state"], "off");
    assert_eq!(status["influx"], Value::Null);

    let birth = payload::node_birth(Timestamp::now(), 0, "buffer", 1);
    let topic = |agent: &str| format!("spBv1.0/restaurant/NBIRTH/{agent}");
    // This client goes away after its birth.
    gateway.publish(&topic("agent-unknown"), &birth).await;
    let port = gateway.running.mqtt.unwrap().port();
    let options = MqttOptions::new("agent-restaurant", "127.0.0.1", port);
    let (client, mut events) = AsyncClient::new(options, 10);
    let connected = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    client
        .publish(topic("agent-restaurant"), QoS::AtLeastOnce, false, birth)
        .await
        .unwrap();
    let expected = [
        ("agent-boiler", "unheard"),
        ("agent-restaurant", "online"),
        ("agent-unknown", "offline"),
        ("agent-workshop", "unheard"),
    ];
    let status = gateway
        .wait("/api/status", |status| agents(status) == expected)
        .await;
    let head = status["journal"].as_u64().unwrap();
    assert!(head > 0);
    gateway
        .wait("/api/status", |status| {
            let through = |name: &str| status[name].as_u64().unwrap() >= head;
            through("series") && through("detect") && status["series_part"]["state"] == "works"
        })
        .await;
    connected.abort();
    gateway.running.stop().await;
}
