use super::{Door, background, client, directory, open_to_all, wait_for};
use gateway::broker::{Config, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;

fn closed() -> Config {
    Config {
        allow_anonymous: false,
        ..open_to_all()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_password_nobody_enters_and_an_agent_speaks_for_itself_alone() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), closed(), directory()).await;
    let now = contract::Timestamp::now().as_millis();
    let body = format!(r#"{{"ts":{now},"v":{{"a":1}}}}"#);
    for (arguments, may) in [
        ("-q 1 -t gw/s1/d1/data", false),
        ("-q 1 -u a1 -P wrong -t gw/s1/d1/data", false),
        ("-q 1 -u nobody -P secret -t gw/s1/d1/data", false),
        ("-q 1 -u a1 -P secret -t gw/s1/d1/data", true),
        ("-q 1 -u a1 -P secret -t gw/s2/d1/data", false),
        ("-q 1 -u a1 -P secret -t spBv1.0/s1/DDATA/a2/d", false),
        ("-q 1 -u eye -P secret -t gw/s1/d1/data", false),
        ("-q 2 -u a1 -P secret -t gw/s1/d1/data", false),
    ] {
        let output = client("mosquitto_pub", door.port(), arguments, &["-m", &body]).await;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_accepted =
            output.status.success() && !stderr.contains("rror") && !stderr.contains("refused");
        assert_eq!(is_accepted, may, "{arguments}: {output:?}");
    }
    assert_eq!(door.readings().len(), 1);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_subscription_is_refused_and_the_broker_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), open_to_all(), directory()).await;
    let output = client(
        "mosquitto_sub",
        door.port(),
        "-W 5 -q 1 -c -i shared -t $share/z/z/1",
        &[],
    )
    .await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("denied"), "{stderr}");
    let mut subscriber = background("mosquitto_sub", door.port(), "-C 1 -t z/#");
    let mut lines = BufReader::new(subscriber.0.stdout.take().unwrap()).lines();
    let heard = tokio::task::spawn_blocking(move || lines.next());
    let broker = door.running.broker();
    wait_for("the subscriber to hear", || {
        broker.publish("z/1", "still here");
        heard.is_finished().then_some(())
    })
    .await;
    assert_eq!(heard.await.unwrap().unwrap().unwrap(), "still here");
    door.close().await;
}

/// An authority, a server certificate for 127.0.0.1 and a client certificate for `a1`, as files.
fn certificates(folder: &Path) -> TlsFiles {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(vec![]).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name
        .push(DnType::CommonName, "test authority");
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    std::fs::write(folder.join("ca.crt"), ca_certificate.pem()).unwrap();
    let issuer = Issuer::from_params(&ca, &ca_key);
    for (file, name) in [
        ("server", "gateway"),
        ("client", "a1"),
        ("stranger", "nobody"),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join(format!("{file}.crt")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }
    TlsFiles {
        certificate: folder.join("server.crt"),
        key: folder.join("server.key"),
        client_ca: folder.join("ca.crt"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_certificate_is_the_name_and_a_silent_client_blocks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let tls = certificates(folder.path());
    let config = Config {
        listen: None,
        listen_tls: Some("127.0.0.1:0".parse().unwrap()),
        tls: Some(tls),
        ..Config::default()
    };
    let door = Door::open(folder.path(), config, directory()).await;
    let port = door.running.local_addr_tls().unwrap().port();
    // These say nothing at all; each holds a handshake open.
    let silent: Vec<_> = (0..20)
        .map(|_| std::net::TcpStream::connect(("127.0.0.1", port)).unwrap())
        .collect();
    let publish = async |file: &str, topic: &str, body: &str| {
        let path = |end: &str| folder.path().join(format!("{file}.{end}"));
        let mut command = Command::new("mosquitto_pub");
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-q",
            "1",
            "-t",
            topic,
            "-m",
            body,
        ]);
        command.arg("--cafile").arg(folder.path().join("ca.crt"));
        if !file.is_empty() {
            command
                .arg("--cert")
                .arg(path("crt"))
                .arg("--key")
                .arg(path("key"));
        }
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    };
    let body = format!(
        r#"{{"ts":{},"v":{{"a":1}}}}"#,
        contract::Timestamp::now().as_millis()
    );
    let begin = std::time::Instant::now();
    let output = publish("client", "gw/s1/d1/data", &body).await;
    assert!(output.status.success(), "{output:?}");
    assert!(
        begin.elapsed() < std::time::Duration::from_secs(4),
        "a silent client blocked a good one"
    );
    assert_eq!(door.readings().len(), 1);
    assert!(!publish("", "gw/s1/d1/data", &body).await.status.success());
    assert!(
        !publish("stranger", "gw/s1/d1/data", &body)
            .await
            .status
            .success()
    );
    assert_eq!(door.readings().len(), 1);
    drop(silent);
    door.close().await;
}
