use super::{Door, background, client, directory, open_to_all, wait_for};
use std::io::{BufRead, BufReader};
use std::process::Command;

fn now_ms() -> i64 {
    contract::Timestamp::now().as_millis()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_from_mosquitto_is_journaled_in_both_protocol_versions() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), open_to_all(), directory()).await;
    let now = now_ms();
    for (version, at) in [("311", now), ("5", now + 1)] {
        let body = format!(r#"{{"ts":{at},"v":{{"温度":-18.4,"door":true,"gone":null}}}}"#);
        let output = client(
            "mosquitto_pub",
            door.port(),
            &format!("-V {version} -q 1 -t gw/s1/d1/data"),
            &["-m", &body],
        )
        .await;
        assert!(output.status.success(), "{output:?}");
        // mosquitto_pub at QoS 1 ends after the PUBACK: the readings must be there now.
        let expected = format!("s1/d1/温度=-18.4@{at}");
        assert!(
            door.readings()
                .iter()
                .any(|(reading, _)| *reading == expected),
            "{:?}",
            door.readings()
        );
    }
    assert_eq!(door.readings().len(), 6);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_set_aside_with_its_reason_and_the_rest_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), open_to_all(), directory()).await;
    let now = now_ms();
    for body in [
        "not json".to_owned(),
        format!(r#"{{"ts":{},"v":{{"a":1}}}}"#, now + 2 * 86_400_000),
        r#"{"ts":1000,"v":{"a":1}}"#.to_owned(),
        r#"{"v":{"a":1}}"#.to_owned(),
        format!(r#"{{"ts":{now},"v":{{"a":1,"b":"x","bad,name":2,"c":3}}}}"#),
    ] {
        client(
            "mosquitto_pub",
            door.port(),
            "-q 1 -t gw/s1/d1/data",
            &["-m", &body],
        )
        .await;
    }
    let readings: Vec<String> = door
        .readings()
        .into_iter()
        .map(|(reading, _)| reading)
        .collect();
    assert_eq!(
        readings,
        [format!("s1/d1/a=1@{now}"), format!("s1/d1/c=3@{now}")]
    );
    let reasons: Vec<&str> = door
        .ingest
        .refused()
        .iter()
        .rev()
        .map(|refused| refused.reason.label())
        .collect();
    assert_eq!(
        reasons,
        [
            "malformed",
            "time_ahead",
            "time_ancient",
            "no_time",
            "not_numeric",
            "bad_name"
        ]
    );
    assert_eq!(door.metrics.ingest_refused_total.get(), 6);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_hears_retained_and_new_messages_and_the_gateways_own() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), open_to_all(), directory()).await;
    client(
        "mosquitto_pub",
        door.port(),
        "-r -q 1 -t note/1",
        &["-m", "kept"],
    )
    .await;
    let mut subscriber = background("mosquitto_sub", door.port(), "-v -C 3 -t note/# -t alarm/#");
    let mut lines = BufReader::new(subscriber.0.stdout.take().unwrap()).lines();
    let first = tokio::task::spawn_blocking(move || (lines.next().unwrap().unwrap(), lines))
        .await
        .unwrap();
    assert_eq!(first.0, "note/1 kept");
    // The retained message comes after the SUBACK, so the subscription stands.
    assert!(door.running.broker().publish("alarm/s1/d1/p", "over"));
    client("mosquitto_pub", door.port(), "-t note/2", &["-m", "new"]).await;
    let mut lines = first.1;
    let rest = tokio::task::spawn_blocking(move || {
        [
            lines.next().unwrap().unwrap(),
            lines.next().unwrap().unwrap(),
        ]
    });
    let mut rest = rest.await.unwrap();
    rest.sort();
    assert_eq!(rest, ["alarm/s1/d1/p over", "note/2 new"]);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_sparkplug_node_is_understood() {
    let python = std::env::var("ONEDOOR_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&python)
        .args(["-c", "import pysparkplug"])
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "not run: {python} has no pysparkplug 0.6.1 (pip install pysparkplug==0.6.1, ONEDOOR_PYTHON=...)"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), open_to_all(), directory()).await;
    let script = include_str!("node.py");
    let mut node = super::Background(
        Command::new(&python)
            .args(["-c", script, &door.port().to_string()])
            .spawn()
            .unwrap(),
    );
    let readings = wait_for("the readings of the foreign node", || {
        let readings: Vec<String> = door.readings().into_iter().map(|(r, _)| r).collect();
        (readings
            .iter()
            .any(|r| r.starts_with("Plant1/Dev1/pressure=1.5"))
            && readings.iter().any(|r| r.starts_with("Plant1/Py1/温度=21")))
        .then_some(readings)
    })
    .await;
    assert!(
        readings
            .iter()
            .any(|r| r.starts_with("Plant1/Dev1/pressure=1@")),
        "{readings:?}"
    );
    wait_for("the node to end", || node.0.try_wait().unwrap()).await;
    wait_for("the node to be offline", || {
        door.ingest
            .agents()
            .iter()
            .all(|(_, _, online)| !online)
            .then_some(())
    })
    .await;
    assert_eq!(door.ingest.refused(), []);
    door.close().await;
}
