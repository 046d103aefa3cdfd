//! What a gateway wants an agent to run: over HTTP and by command, tried by a real agent, shown to whoever looks.

use crate::enrol::World;
use contract::{AgentId, Timestamp};
use gateway::{
    account::Role,
    fleet::desired::{self, New},
};
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tests::client::Client;
use tokio::{sync::oneshot, task::JoinHandle};

const PATIENCE: Duration = Duration::from_secs(60);

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

/// Waits until the fleet list says this of the one agent; gives its line.
async fn is_said(client: &Client, state: &str, wanted: u64) -> Value {
    let begin = Instant::now();
    loop {
        let fleet = client.get("/api/fleet").await.unwrap();
        let line = fleet["agents"][0].clone();
        if line["configuration"] == state && line["configuration_wanted"] == wanted {
            return line;
        }
        assert!(begin.elapsed() < PATIENCE, "never {state}: {fleet}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

const METER: &str = "name = \"meter\"\n[[point]]\nname = \"power\"\nfunction = \"holding\"\nregister = 0\ntype = \"u16\"\nunit = \"kW\"\nrange = [0, 100]\n";

fn meter(id: &str) -> String {
    format!(
        "[[device]]\nid = \"{id}\"\nprofile = \"meter.toml\"\naddress = \"127.0.0.1:1\"\nevery = \"1s\"\ntimeout = \"500ms\"\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_applied_refused_given_up_and_taken_back_and_everybody_can_see_who_and_why() {
    let world = World::start().await;
    let path = world.enrol(world.code("box-7"), "box").await.unwrap();
    let enrolment = path.with_file_name("enrolment.toml");
    let text = std::fs::read_to_string(&enrolment).unwrap();
    let text = text.replace("[gateway]\n", "[gateway]\ntrial = \"3s\"\n");
    std::fs::write(&enrolment, text).unwrap();
    let password = gateway::account::add(&world.records, "root", Role::Admin).unwrap();
    let base = format!("http://{}", world.running.http);
    let client = Client::sign_in(&base, "root", &password).await.unwrap();
    // Wanted before the box was ever there.
    let address = "/api/agents/box-7/configuration";
    let body = json!({
        "text": meter("meter-1"), "files": { "meter.toml": METER }, "why": "the meter was mounted", "based_on": 0
    });
    client.post(address, &body).await.unwrap();
    let late = client.post(address, &body).await.unwrap_err();
    assert!(late.to_string().contains("其间已有第 1 版"), "{late}");
    let agent = Agent::start(&path);
    let line = is_said(&client, "applied", 1).await;
    assert_eq!(line["configuration_runs"], 1);
    let begin = Instant::now();
    loop {
        let page = client.get("/api/fleet/box-7").await.unwrap();
        if page["devices"][0]["device"] == "meter-1" {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "{page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // As the command does it, beside the running gateway.
    let name = AgentId::new("box-7").unwrap();
    let command = |text: String, based_on| {
        let new = New {
            text,
            files: [("meter.toml".to_owned(), METER.to_owned())].into(),
            why: "another try".into(),
            based_on,
        };
        desired::propose(&world.records, &name, new, "command", Timestamp::now()).unwrap();
    };
    command(meter("meter-1").replace(":1\"", "\""), 1);
    is_said(&client, "refused", 2).await;
    command("[gateway]\nport = 1\n".to_owned() + &meter("meter-2"), 2);
    let line = is_said(&client, "rolled_back", 3).await;
    assert_eq!(line["configuration_runs"], 1);
    let begin = Instant::now();
    loop {
        let page = client.get(address).await.unwrap();
        let reasons = page["versions"][0]["became"]["reasons"].to_string();
        if reasons.contains("was heard after") {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "{page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    command(String::new(), 3);
    let line = is_said(&client, "applied", 4).await;
    assert_eq!(line["configuration_runs"], 0);

    let page = client.get(address).await.unwrap();
    let versions = page["versions"].as_array().unwrap();
    let became: Vec<_> = versions
        .iter()
        .map(|version| (&version["by"], &version["became"]["state"]))
        .collect();
    let (command, root) = (json!("command"), json!("root"));
    assert_eq!(
        became,
        [
            (&command, &json!("applied")),
            (&command, &json!("rolled_back")),
            (&command, &json!("refused")),
            (&root, &json!("applied")),
        ]
    );
    let reasons = |place: usize| versions[place]["became"]["reasons"].to_string();
    assert!(reasons(2).contains("device[1].address"), "{}", reasons(2));
    assert!(reasons(1).contains("within 3s"), "{}", reasons(1));
    assert_eq!(versions[3]["why"], "the meter was mounted");
    assert!(
        gateway::store::verify_history(&world.records)
            .unwrap()
            .is_ok()
    );
    agent.stop().await;
    world.running.stop().await;
}
