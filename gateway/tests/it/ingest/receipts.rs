use super::{Door, directory, open_to_all, wait_for};
use contract::payload::{self, BirthPoint, DataPoint};
use contract::{PointName, Quality, Timestamp};
use rumqttc::{AsyncClient, Event, LastWill, MqttOptions, Packet, QoS};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A OneDoor agent played by hand: what it sends is chosen by the test, the receipts it gets are kept.
struct Agent {
    client: AsyncClient,
    commands: Arc<Mutex<Vec<Vec<u8>>>>,
    events: tokio::task::JoinHandle<()>,
    seq: u8,
}

const TIME: Timestamp = Timestamp::from_millis(1_795_000_000_000);

impl Agent {
    async fn connect(port: u16, stream: &str) -> Agent {
        let mut options = MqttOptions::new("a1", "127.0.0.1", port);
        options.set_last_will(LastWill::new(
            "spBv1.0/s1/NDEATH/a1",
            payload::node_death(TIME, 0),
            QoS::AtLeastOnce,
            false,
        ));
        options.set_keep_alive(Duration::from_secs(20));
        let (client, mut events) = AsyncClient::new(options, 100);
        let commands = Arc::new(Mutex::new(Vec::new()));
        let kept = commands.clone();
        let (subscribed, is_subscribed) = tokio::sync::oneshot::channel();
        let mut subscribed = Some(subscribed);
        let events = tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::Publish(publish)) => {
                        kept.lock().unwrap().push(publish.payload.to_vec())
                    }
                    Event::Incoming(Packet::SubAck(_)) => {
                        subscribed.take().map(|s| s.send(()));
                    }
                    _ => {}
                }
            }
        });
        client
            .subscribe("spBv1.0/s1/NCMD/a1", QoS::AtLeastOnce)
            .await
            .unwrap();
        is_subscribed.await.unwrap();
        let mut agent = Agent {
            client,
            commands,
            events,
            seq: 0,
        };
        agent.birth(stream).await;
        agent
    }

    async fn send(&self, topic: &str, payload: Vec<u8>) {
        self.client
            .publish(topic, QoS::AtMostOnce, false, payload)
            .await
            .unwrap();
    }

    async fn birth(&mut self, stream: &str) {
        self.send(
            "spBv1.0/s1/NBIRTH/a1",
            payload::node_birth(TIME, 0, stream, 1),
        )
        .await;
        let point = BirthPoint {
            name: PointName::new("t").unwrap(),
            alias: 1,
            unit: "℃".into(),
            every_ms: None,
            factor: None,
        };
        self.seq = 1;
        self.send(
            "spBv1.0/s1/DBIRTH/a1/d1",
            payload::device_birth(TIME, 1, [&point]),
        )
        .await;
    }

    async fn record(&mut self, number: u64) {
        self.seq = self.seq.wrapping_add(1);
        let point = DataPoint {
            alias: 1,
            at: TIME.plus_millis(number as i64),
            value: Some(number as f64),
            quality: Quality::Good,
        };
        let data = payload::data(
            TIME,
            self.seq,
            number,
            false,
            &[point],
            payload::Beside::default(),
        );
        self.send("spBv1.0/s1/DDATA/a1/d1", data).await;
    }

    /// The highest record confirmed so far.
    fn through(&self) -> Option<u64> {
        let commands = self.commands.lock().unwrap();
        let receipts = commands
            .iter()
            .flat_map(|bytes| payload::commands(bytes).unwrap());
        receipts
            .filter_map(|command| match command {
                payload::Command::Receipt(receipt) => Some(receipt.through),
                _ => None,
            })
            .max()
    }

    /// What the newest receipt says is there beyond the unbroken run.
    fn also(&self) -> Vec<(u64, u64)> {
        let commands = self.commands.lock().unwrap();
        let receipts = commands.iter().rev();
        let mut receipts = receipts.flat_map(|bytes| payload::commands(bytes).unwrap());
        let last = receipts.find_map(|command| match command {
            payload::Command::Receipt(receipt) => Some(receipt.also),
            _ => None,
        });
        last.unwrap_or_default()
    }

    fn cut(self) {
        self.events.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_sent_again_after_a_cut_and_after_a_restart_are_journaled_once() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), open_to_all(), directory()).await;
    let mut agent = Agent::connect(door.port(), "buffer-1").await;
    for number in 1..=20 {
        agent.record(number).await;
    }
    wait_for("receipt 20", || (agent.through() == Some(20)).then_some(())).await;
    agent.cut();
    wait_for("the death", || {
        door.ingest
            .agents()
            .iter()
            .all(|(_, _, online)| !online)
            .then_some(())
    })
    .await;

    // The receipt was lost: the agent begins again at 11.
    let mut agent = Agent::connect(door.port(), "buffer-1").await;
    for number in 11..=30 {
        agent.record(number).await;
    }
    wait_for("receipt 30", || (agent.through() == Some(30)).then_some(())).await;
    assert_eq!(door.metrics.ingest_duplicates_total.get(), 10);
    agent.cut();
    door.close().await;

    let door = Door::open(folder.path(), open_to_all(), directory()).await;
    let mut agent = Agent::connect(door.port(), "buffer-1").await;
    for number in 21..=40 {
        agent.record(number).await;
    }
    wait_for("receipt 40", || (agent.through() == Some(40)).then_some(())).await;
    let numbers: Vec<u64> = door
        .readings()
        .into_iter()
        .map(|(_, number)| number)
        .collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    agent.cut();
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_record_holds_the_receipt_back_and_asks_for_a_rebirth() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), open_to_all(), directory()).await;
    let mut agent = Agent::connect(door.port(), "buffer-1").await;
    agent.record(1).await;
    wait_for("receipt 1", || (agent.through() == Some(1)).then_some(())).await;
    agent.seq = agent.seq.wrapping_add(1);
    agent.record(3).await;
    wait_for("a rebirth request", || {
        let commands = agent.commands.lock().unwrap();
        commands
            .iter()
            .any(|c| c.windows(20).any(|w| w == b"Node Control/Rebirth"))
            .then_some(())
    })
    .await;
    wait_for("record 3", || (door.readings().len() == 2).then_some(())).await;
    assert_eq!(agent.through(), Some(1));
    wait_for("the word of record 3", || {
        (agent.also() == [(3, 3)]).then_some(())
    })
    .await;
    agent.record(2).await;
    wait_for("receipt 3", || (agent.through() == Some(3)).then_some(())).await;
    assert_eq!(agent.also(), []);
    agent.cut();
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_when_the_journal_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), open_to_all(), directory()).await;
    door.journal.clone().close().await;
    let body = format!(r#"{{"ts":{},"v":{{"a":1}}}}"#, Timestamp::now().as_millis());
    let mut options = MqttOptions::new("plain", "127.0.0.1", door.port());
    options.set_keep_alive(Duration::from_secs(20));
    let (client, mut events) = AsyncClient::new(options, 10);
    client
        .publish("gw/s1/d1/data", QoS::AtLeastOnce, false, body)
        .await
        .unwrap();
    let is_acknowledged = tokio::time::timeout(super::PATIENCE, async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::PubAck(_))) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    });
    assert!(
        !is_acknowledged.await.unwrap(),
        "acknowledged though nothing was written"
    );
    door.running.stop().await;
}
