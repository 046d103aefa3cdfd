//! A configuration from the gateway: tried without a restart, proved by a receipt, refused with its problems, or given up.

use crate::{
    host::{Arrived, Host, records, statuses},
    instrument,
    run::{PROFILE, write_config},
};
use contract::{
    Timestamp,
    configuration::{Desired, Report, State},
    payload,
    topic::Kind,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{sync::oneshot, task::JoinHandle};

struct Agent {
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Agent {
    fn start(path: &Path) -> Agent {
        let (config, keeper) = edge_agent::desired::load(path).unwrap_or_else(|e| panic!("{e}"));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(edge_agent::app::run(config, keeper, async {
            let _gone = stopped.await;
        }));
        Agent { stop, task }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

fn device(id: &str, instrument: &str) -> String {
    format!(
        "[[device]]\nid = \"{id}\"\nprofile = \"profile.toml\"\naddress = \"{instrument}\"\nevery = \"100ms\"\n\
         timeout = \"60ms\"\n"
    )
}

fn want(host: &Host, version: u64, text: String, files: &[(&str, &str)]) {
    let files = files.iter().map(|(n, t)| (n.to_string(), t.to_string()));
    let desired = Desired {
        version,
        text,
        files: files.collect(),
    };
    let command = payload::configuration_command(Timestamp::now(), &desired);
    host.command.send_replace(command);
}

/// Waits until the agent says that this became of this version; gives what it says.
async fn becomes(host: &Arc<Host>, version: u64, state: State) -> Report {
    let what = format!("version {version} {state:?}");
    let last = |arrived: &[Arrived]| {
        let report = statuses(arrived).pop()?.configuration;
        let newest = report.newest.as_ref()?;
        (newest.version == version && newest.state == state).then_some(report)
    };
    host.until(&what, last).await
}

/// Waits for so many more records of a device.
async fn records_of(host: &Arc<Host>, device: &str, more: usize) {
    let count = |arrived: &[Arrived]| {
        let of_device = arrived.iter().filter(|event| {
            matches!(event, Arrived::Message(topic, _)
                if topic.kind == Kind::DeviceData && topic.device.as_ref().is_some_and(|d| d.as_str() == device))
        });
        of_device.count()
    };
    let before = count(&host.arrived());
    let what = format!("{more} records of {device}");
    host.until(&what, |arrived| {
        (count(arrived) >= before + more).then_some(())
    })
    .await;
}

fn config(folder: &Path, host: &Host, instrument: &str) -> PathBuf {
    let path = write_config(folder, host.port, instrument);
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("[gateway]\n", "[gateway]\ntrial = \"2s\"\n");
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_is_tried_without_a_restart_proved_and_kept_over_one() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start().await;
    let (first, state, _one) = instrument::start().await;
    let (second, _, _two) = instrument::start().await;
    let path = config(folder.path(), &host, &first);
    let agent = Agent::start(&path);
    records_of(&host, "d", 3).await;
    let text = device("d", &first) + &device("e", &second).replace("profile.toml", "sent.toml");
    want(&host, 1, text, &[("sent.toml", PROFILE)]);
    let report = becomes(&host, 1, State::Applied).await;
    assert_eq!(report.runs, 1);
    records_of(&host, "e", 3).await;
    assert_eq!(
        state.connections(),
        1,
        "a source that stays as it is was exchanged"
    );
    agent.stop().await;
    let again = Agent::start(&path);
    records_of(&host, "e", 3).await;
    want(&host, 2, String::new(), &[]);
    let report = becomes(&host, 2, State::Applied).await;
    assert_eq!(report.runs, 0, "a blank one gives the own file back");
    let last = host
        .until("a status without e", |arrived| {
            let status = statuses(arrived).pop()?;
            let is_gone = status.sources.iter().all(|s| s.device.as_str() != "e");
            is_gone.then_some(status)
        })
        .await;
    assert_eq!(last.sources.len(), 1);
    records_of(&host, "d", 3).await;
    again.stop().await;
    let arrived = host.arrived();
    let mut numbers: Vec<u64> = records(&arrived, "").into_iter().map(|(n, _)| n).collect();
    numbers.dedup();
    let whole: Vec<u64> = (1..=numbers.len() as u64).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, whole, "records are missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_cannot_be_run_is_refused_with_every_problem_and_the_old_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start().await;
    let (first, ..) = instrument::start().await;
    std::fs::write(folder.path().join("agent.key"), "xyzzy").unwrap();
    let path = config(folder.path(), &host, &first);
    let agent = Agent::start(&path);
    records_of(&host, "d", 3).await;
    let text = "site = \"other\"\n".to_owned()
        + &device("d", "nowhere").replace("profile.toml", "agent.key")
        + "[[json_http]]\nid = \"x\"\nurl = \"http://127.0.0.1:1/\"\nevery = \"10s\"\nauthorization_file = \"agent.key\"\n\
           [[camera]]\nid = \"c\"\nurl = \"file:///etc/passwd\"\nffmpeg = \"/bin/sh\"\n[camera.ring]\ndir = \"/\"\n\
           [gateway]\npassword_file = \"agent.key\"\nport = 0\n";
    want(&host, 1, text, &[]);
    let report = becomes(&host, 1, State::Refused).await;
    assert_eq!(report.runs, 0);
    let reasons = report.newest.unwrap().reasons;
    for part in [
        "configuration 1 of the gateway: site",
        "device[1].address",
        "agent.key: it did not come with the configuration",
        "may not read this file",
        "camera[1].ffmpeg: only the box's own file",
        "camera[1].url: only the box's own file",
        "camera[1].ring.dir: a configuration of the gateway may not write there",
        "gateway.password_file",
        "gateway.port",
    ] {
        let is_said = reasons.iter().any(|reason| reason.contains(part));
        assert!(is_said, "{part}: {reasons:#?}");
    }
    assert!(!reasons.concat().contains("xyzzy"));
    records_of(&host, "d", 3).await;
    assert_eq!(
        host.arrived()
            .iter()
            .filter(|event| matches!(event, Arrived::Connected { .. }))
            .count(),
        1
    );
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_loses_the_gateway_is_given_up_and_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start().await;
    let (first, ..) = instrument::start().await;
    let path = config(folder.path(), &host, &first);
    let agent = Agent::start(&path);
    records_of(&host, "d", 3).await;
    // A port at which nobody listens.
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let text = format!("[gateway]\nport = {port}\n") + &device("f", &first);
    want(&host, 1, text.clone(), &[]);
    let report = becomes(&host, 1, State::RolledBack).await;
    assert_eq!(report.runs, 0);
    let reasons = report.newest.unwrap().reasons;
    assert!(reasons[0].contains("within 2s"), "{reasons:?}");
    records_of(&host, "d", 3).await;
    // The gateway sends it on every connection as long as it is wanted.
    let before = host.arrived().len();
    want(&host, 1, text, &[]);
    records_of(&host, "d", 20).await;
    let arrived = host.arrived();
    let is_trial = |status: &contract::status::AgentStatus| {
        let newest = status.configuration.newest.as_ref();
        newest.is_some_and(|outcome| outcome.state == State::Trial)
    };
    assert!(!statuses(&arrived[before..]).iter().any(is_trial));
    // What f measured while it was tried is not lost: it waited in the buffer.
    records_of(&host, "d", 3).await;
    let of_f = arrived.iter().any(|event| {
        matches!(event, Arrived::Message(topic, _)
            if topic.kind == Kind::DeviceData && topic.device.as_ref().is_some_and(|d| d.as_str() == "f"))
    });
    assert!(of_f, "what was measured under trial was lost");
    agent.stop().await;
}
