use super::{Background, Door, client, directory, open_to_all, wait_for};
use contract::problems::Problems;
use gateway::ingest::external;
use std::process::{Command, Stdio};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// A mosquitto on a free port; `None` if it is not installed.
async fn mosquitto(folder: &std::path::Path) -> Option<(Background, u16)> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let file = folder.join("mosquitto.conf");
    std::fs::write(
        &file,
        format!("listener {port} 127.0.0.1\nallow_anonymous true\n"),
    )
    .unwrap();
    let program = ["/usr/sbin/mosquitto", "mosquitto"]
        .into_iter()
        .find(|p| Command::new(p).arg("-h").output().is_ok());
    let Some(program) = program else {
        eprintln!("not run: mosquitto is not installed (apt-get install mosquitto)");
        return None;
    };
    let child = Command::new(program)
        .arg("-c")
        .arg(&file)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("mosquitto to listen", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    })
    .await;
    Some((Background(child), port))
}

fn follow(
    door: &Door,
    port: u16,
) -> (
    JoinHandle<()>,
    watch::Sender<bool>,
    mpsc::Sender<gateway::ingest::Command>,
) {
    let config = external::Config {
        host: "127.0.0.1".into(),
        port,
        client_id: "onedoor-gateway".into(),
        username: None,
        password_file: None,
        ca: None,
        certificate: None,
        key: None,
    };
    let mut problems = Problems::new();
    let config = config.resolve(std::path::Path::new("."), &mut problems);
    assert!(problems.is_empty(), "{problems}");
    let (commands, inbox) = mpsc::channel(10);
    let (stop, stopped) = watch::channel(false);
    (
        tokio::spawn(external::run(config, door.ingest.clone(), inbox, stopped)),
        stop,
        commands,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_external_broker_took_while_the_gateway_was_away_is_journaled_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_mosquitto, port)) = mosquitto(folder.path()).await else {
        return;
    };
    let door = Door::open(folder.path(), open_to_all(), directory()).await;
    let (task, stop, _commands) = follow(&door, port);
    let now = contract::Timestamp::now().as_millis();
    let mut at = now;
    let first = loop {
        // Until the gateway has subscribed, nobody keeps the message.
        let body = format!(r#"{{"ts":{at},"v":{{"a":1}}}}"#);
        client(
            "mosquitto_pub",
            port,
            "-q 1 -t gw/s1/d1/data",
            &["-m", &body],
        )
        .await;
        at += 1;
        if let Some(reading) = door.readings().first() {
            break reading.clone();
        }
    };
    assert!(first.0.starts_with("s1/d1/a=1@"), "{first:?}");
    stop.send_replace(true);
    task.await.unwrap();
    let away = at + 1000;
    let body = format!(r#"{{"ts":{away},"v":{{"a":2}}}}"#);
    client(
        "mosquitto_pub",
        port,
        "-q 1 -t gw/s1/d1/data",
        &["-m", &body],
    )
    .await;
    let (task, stop, _commands) = follow(&door, port);
    let expected = format!("s1/d1/a=2@{away}");
    wait_for("the reading sent meanwhile", || {
        door.readings()
            .iter()
            .any(|(reading, _)| *reading == expected)
            .then_some(())
    })
    .await;
    stop.send_replace(true);
    task.await.unwrap();
    door.close().await;
}
