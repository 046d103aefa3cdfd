//! A Sparkplug B edge node that is not ours, through mosquitto.

use crate::{
    heard::{self, write_config},
    host::Host,
    peers::{Mosquitto, wait_for},
};
use edge_agent::{app::Running, config};
use std::{path::Path, process::Command};

/// The Python of `ONEDOOR_PYTHON`, if it has pysparkplug; `None`, said aloud, if not.
fn python() -> Option<std::ffi::OsString> {
    let python = std::env::var_os("ONEDOOR_PYTHON").filter(|python| {
        let import = Command::new(python)
            .args(["-c", "import pysparkplug"])
            .output();
        import.is_ok_and(|done| done.status.success())
    });
    if python.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI must not skip pysparkplug"
        );
        println!("skipped: ONEDOOR_PYTHON names no Python that has pysparkplug");
    }
    python
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn births_data_and_deaths_of_a_foreign_node_are_readings_and_absences() {
    let folder = tempfile::tempdir().unwrap();
    let (Some(mosquitto), Some(python)) = (Mosquitto::start(folder.path()), python()) else {
        return;
    };
    let host = Host::start().await;
    let sources = format!(
        "[[sparkplug]]\nhost = \"127.0.0.1\"\nport = {}\ngroup = \"Plant1\"\n",
        mosquitto.port
    );
    let path = write_config(folder.path(), host.port, &sources);
    let loaded = config::load(&path).unwrap_or_else(|e| panic!("{e}"));
    let running = Running::start(loaded).await.unwrap();
    let metrics = running.metrics();
    wait_for("the subscription", || {
        mosquitto.publish("spBv1.0/Plant1/NDATA/Nobody", "nonsense", &[]);
        metrics.refused.get() > 0
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/tests/it/ingest/node.py");
    let node = tokio::task::spawn_blocking(move || {
        let port = mosquitto.port.to_string();
        let done = Command::new(python).arg(script).arg(port).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        mosquitto
    });
    let _mosquitto = node.await.unwrap();
    host.until("the death of node and device", |arrived| {
        let is_dead = |device| {
            let heard = heard::of(arrived, device);
            heard.last().is_some_and(|h| h.code == 65)
        };
        (is_dead("Py1") && is_dead("Py1:Dev1")).then_some(())
    })
    .await;
    running.drain().await;
    for (device, point, expected) in [
        ("Py1", "温度", vec![Some(20.0), Some(21.0), None]),
        ("Py1:Dev1", "pressure", vec![Some(1.0), Some(1.5), None]),
    ] {
        let heard = heard::of(&host.arrived(), device);
        assert!(heard.iter().all(|h| h.point == point), "{heard:?}");
        let values: Vec<_> = heard.iter().map(|h| h.value).collect();
        assert_eq!(values, expected, "{device}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_wait_for_their_primary_host_are_told_that_it_is_there_and_that_it_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mosquitto) = Mosquitto::start(folder.path()) else {
        return;
    };
    let host = Host::start().await;
    let sources = format!(
        "[[sparkplug]]\nhost = \"127.0.0.1\"\nport = {}\ngroup = \"Plant1\"\nhost_id = \"onedoor\"\n",
        mosquitto.port
    );
    let path = write_config(folder.path(), host.port, &sources);
    let loaded = config::load(&path).unwrap_or_else(|e| panic!("{e}"));
    let running = Running::start(loaded).await.unwrap();
    let port = mosquitto.port.to_string();
    let told = || {
        let topic = "spBv1.0/STATE/onedoor";
        let done = Command::new("mosquitto_sub")
            .args(["-p", &port, "-C", "1", "-W", "5", "-t", topic])
            .output()
            .unwrap();
        serde_json::from_slice::<serde_json::Value>(&done.stdout).unwrap_or_default()
    };
    wait_for("the host is online", || told()["online"] == true);
    let since = told()["timestamp"].clone();
    running.drain().await;
    wait_for("the host is offline", || told()["online"] == false);
    assert_eq!(told()["timestamp"], since);
}
