//! Reverse control of a data logger, end to end: an administrator's order at the gateway's API, the agent's own permission,
//! the logger's answers, and the outcome back at the API. Gateway, agent and logger are processes of their own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use contract::{DeviceId, Timestamp, control, payload};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use tests::balance;
use tests::client::Client;
use tests::config_text::{Door, Identity, agent_head, gateway_of_a_test};
use tests::process::{Process, wait_for};
use tests::setup::{Binaries, binaries};
use tests::world::{add_user, free_address, start_agent, start_gateway, write};

const MN: &str = "010000A8900016F000169DC0";
const ORDERS: &str = "/api/agents/agent/control";
const WITHIN: Duration = Duration::from_secs(60);

struct World {
    binaries: Binaries,
    folder: tempfile::TempDir,
    mqtt: SocketAddr,
    agent: Process,
    gateway: Process,
    logger: Process,
    admin: Client,
    inspector: Client,
}

fn start(binaries: &Binaries, folder: &Path) -> anyhow::Result<Process> {
    let (config, log) = (folder.join("agent.toml"), folder.join("agent.log"));
    start_agent(binaries, "agent", &config, &log)
}

/// A logger whose clock is four minutes wrong.
fn logger(binaries: &Binaries, folder: &Path, door: u16, how: &str) -> anyhow::Result<Process> {
    let mut command = Command::new(&binaries.sim);
    let connect = format!("127.0.0.1:{door}");
    command.args(["hj212", "--connect", &connect]);
    let all = format!("--st 32 --interval 1 --timeout 2 --fault clock:240 {how} --truth");
    command.args(all.split_whitespace());
    command.arg(folder.join("truth.jsonl"));
    Process::start("logger", command, &folder.join("logger.log"))
}

impl World {
    /// `rights` is what the agent's configuration allows, `how` what the logger is told beside the usual.
    async fn start(rights: &str, how: &str) -> anyhow::Result<World> {
        let binaries = tokio::task::spawn_blocking(binaries).await??;
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let [door, http, mqtt] = [free_address(0)?, free_address(0)?, free_address(0)?];
        let config = path("gateway.toml");
        let text = gateway_of_a_test(folder.path(), http, Door::Listener(mqtt), "site", "agent")?;
        write(&config, &text)?;
        write(&path("data/.keep"), "")?;
        let admin = add_user(&binaries, &config, "root", "admin")?;
        let inspector = add_user(&binaries, &config, "chen", "inspector")?;
        let head = agent_head("site", "agent", mqtt, Identity::Anonymous);
        let station = format!(
            "\n[[hj212]]\nlisten = \"{door}\"\nover_time = \"500ms\"\n\
             [[hj212.station]]\nmn = \"{MN}\"\ndevice = \"stack\"\nnetworks = [\"127.0.0.1\"]\n"
        );
        write(&path("agent.toml"), &format!("{rights}\n{head}{station}"))?;
        let gateway = start_gateway(&binaries, &config, &path("gateway.log"))?;
        let agent = start(&binaries, folder.path())?;
        let logger = logger(&binaries, folder.path(), door.port(), how)?;
        let console = format!("http://{http}");
        wait_for("the gateway to listen", WITHIN, || {
            Ok(std::net::TcpStream::connect(http).ok())
        })?;
        Ok(World {
            admin: Client::sign_in(&console, &admin.name, &admin.password).await?,
            inspector: Client::sign_in(&console, &inspector.name, &inspector.password).await?,
            binaries,
            mqtt,
            agent,
            gateway,
            logger,
            folder,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Waits until the gateway has a reading of the logger that was taken from now on.
    async fn hears_the_logger(&mut self) -> anyhow::Result<()> {
        let now = jiff::Timestamp::now().as_millisecond();
        let to = now + 3_600_000;
        let asked = format!("/api/series?site=site&device=stack&point=w01018&from={now}&to={to}");
        for _ in 0..600 {
            self.agent.check()?;
            self.logger.check()?;
            let answer = self.admin.get(&asked).await.unwrap_or_default();
            if answer["raw"].as_array().is_some_and(|all| !all.is_empty()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!(
            "no reading of the logger; its log: {}",
            self.logger.log_tail()
        )
    }

    async fn give(&self, action: Value) -> anyhow::Result<Value> {
        let body = json!({ "device": "stack", "action": action, "reason": "the clock is wrong" });
        self.admin.post(ORDERS, &body).await
    }

    /// Waits until an order has come to an end.
    async fn outcome(&self, order: &Value) -> anyhow::Result<Value> {
        for _ in 0..600 {
            let all = self.admin.get(ORDERS).await?;
            let found = all.as_array().into_iter().flatten();
            let found = found.into_iter().find(|o| o["id"] == order["id"]);
            let found = found.cloned().unwrap_or_default();
            if !["sent", "under_way"].contains(&found["state"].as_str().unwrap_or("sent")) {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("no outcome of {order}")
    }

    async fn done(&self, action: Value) -> anyhow::Result<Value> {
        self.outcome(&self.give(action).await?).await
    }

    /// The commands that the logger carried out.
    fn served(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("truth.jsonl")).unwrap_or_default();
        let lines = text.lines().filter_map(|l| serde_json::from_str(l).ok());
        let served = lines.filter_map(|line: Value| Some(line["served"].as_str()?.to_owned()));
        served.collect()
    }

    fn requests(&self) -> usize {
        let log = std::fs::read_to_string(self.path("agent.log")).unwrap_or_default();
        log.matches("is carried out").count()
    }

    /// The history's lines about orders: actor, what, body.
    fn history(&self) -> anyhow::Result<Vec<(String, String, String)>> {
        let records = rusqlite::Connection::open(self.path("data/records.db"))?;
        let mut query = records.prepare(
            "SELECT actor, what, body FROM history WHERE what LIKE 'device_order%' ORDER BY n",
        )?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        self.logger.stop(Duration::from_secs(5))?;
        self.agent.stop(Duration::from_secs(10))?;
        self.gateway.stop(Duration::from_secs(10))?;
        Ok(())
    }
}

const ALL: &str = "reverse_control = [\"read\", \"back-fill\", \"clock\", \"interval\"]";

fn said<'a>(order: &'a Value, name: &str) -> Option<&'a str> {
    let said = order["said"].as_array()?;
    said.iter().find(|s| s["name"] == name)?["value"].as_str()
}

/// How far the clock that a logger showed is ahead, in seconds.
fn ahead(order: &Value) -> i64 {
    let digits = said(order, "SystemTime").expect("SystemTime");
    let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", digits).expect("14 digits");
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let shown = time.to_zoned(zone).expect("a time").timestamp();
    shown.as_second() - order["heard_at"].as_i64().expect("heard") / 1000
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_reads_and_sets_what_the_agent_allows_and_everything_is_on_record()
-> anyhow::Result<()> {
    let mut world = World::start(ALL, "--minute 60").await?;
    world.hears_the_logger().await?;
    let read = world.done(json!({ "kind": "read_clock" })).await?;
    assert_eq!(
        (&read["state"], &read["by"]),
        (&json!("done"), &json!("root"))
    );
    assert!((230..=241).contains(&ahead(&read)), "{read}");
    let set = world.done(json!({ "kind": "set_clock" })).await?;
    assert_eq!(set["state"], "done", "{set}");
    let read = world.done(json!({ "kind": "read_clock" })).await?;
    assert!(ahead(&read).abs() <= 3, "{read}");

    let interval = |of: &str| json!({ "kind": "read_interval", "of": of });
    let read = world.done(interval("minute")).await?;
    assert_eq!(said(&read, "MinInterval"), Some("1"), "{read}");
    let set = json!({ "kind": "set_interval", "of": "real_time", "every": 30 });
    assert_eq!(world.done(set).await?["state"], "done");
    let read = world.done(interval("real_time")).await?;
    assert_eq!(said(&read, "RtdInterval"), Some("30"), "{read}");
    let identity = json!({ "kind": "read_identity", "factor": "w01018" });
    let read = world.done(identity).await?;
    assert_eq!(said(&read, "w01018-SN"), Some("SIM1"), "{read}");
    let information = json!({ "kind": "read_information", "factor": "w01018", "info": "i13008" });
    let read = world.done(information).await?;
    assert_eq!(said(&read, "i13008-Info"), Some("1.00"), "{read}");
    // A question about nothing that the logger has.
    let information = json!({ "kind": "read_information", "factor": "w01018", "info": "i33001" });
    let read = world.done(information).await?;
    assert_eq!(read["state"], "failed", "{read}");
    assert!(
        read["words"]["zh"].as_str().unwrap().contains("没有数据"),
        "{read}"
    );

    // What no standard knows is refused before anything is written down.
    let odd = json!({ "kind": "set_interval", "of": "real_time", "every": 7 });
    let refusal = world.give(odd).await.unwrap_err().to_string();
    assert!(
        refusal.contains("400") && refusal.contains("30 to 3600"),
        "{refusal}"
    );
    let body = json!({ "device": "stack", "action": { "kind": "set_clock" }, "reason": " " });
    let refusal = world.admin.post(ORDERS, &body).await.unwrap_err();
    assert!(refusal.to_string().contains("400"), "{refusal}");
    let body = json!({ "device": "stack", "action": { "kind": "set_clock" }, "reason": "so" });
    let refusal = world.inspector.post(ORDERS, &body).await.unwrap_err();
    assert!(refusal.to_string().contains("403"), "{refusal}");
    let seen = world.inspector.get(ORDERS).await?;
    assert_eq!(seen.as_array().map(Vec::len), Some(9));

    let served = world.served();
    let expected = [
        "1011", "1012", "1011", "1063", "1062", "1061", "3019", "3020", "3020",
    ];
    assert_eq!(served, expected);
    let history = world.history()?;
    let ordered = history
        .iter()
        .filter(|(_, what, _)| what == "device_ordered");
    assert!(
        ordered
            .clone()
            .all(|(by, _, body)| by == "root" && body.contains("the clock is wrong"))
    );
    assert_eq!(ordered.count(), 9);
    let done = |(by, what, body): &&(String, String, String)| {
        by == "agent agent" && what == "device_order_outcome" && body.contains("\"done\"")
    };
    assert_eq!(history.iter().filter(done).count(), 8);
    world.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_logger_kept_back_comes_when_it_is_asked_for_and_is_stored_once()
-> anyhow::Result<()> {
    let mut world = World::start(ALL, "--minute 2 --keep-back 7").await?;
    let began = jiff::Timestamp::now().as_millisecond();
    world.hears_the_logger().await?;
    // The minutes that were kept back are over when some are sent by themselves.
    wait_for("minute data", WITHIN, || {
        world.logger.check()?;
        let sent = std::fs::read_to_string(world.path("truth.jsonl"))?;
        Ok((sent.matches("CN=2051").count() >= 4).then_some(()))
    })?;
    let to = jiff::Timestamp::now().as_millisecond();
    let ask = json!({ "kind": "back_fill", "data": "minute", "from": began - 60_000, "to": to });
    let first = world.done(ask.clone()).await?;
    assert_eq!(first["state"], "done", "{first}");
    let (new, known) = (first["messages"].as_u64(), first["known"].as_u64());
    assert!(new >= Some(2) && known >= Some(1), "{first}");
    let again = world.done(ask).await?;
    assert!(again["known"].as_u64() >= Some(3), "{again}");
    // One may have come by itself meanwhile.
    assert!(again["messages"].as_u64() <= Some(1), "{again}");
    let day = json!({ "kind": "back_fill", "data": "day", "from": began, "to": to });
    let none = world.done(day).await?;
    assert_eq!(none["state"], "failed", "{none}");
    world.stop()?;
    let balance = balance::count(&world.path("data/journal.db"))?;
    assert!(balance.is_even(), "{balance:?}");
    let minutes = &balance.points["site/stack/w01018-Avg@minute"];
    // Two seconds each, without a hole from the first on.
    let mut times: Vec<i64> = minutes.iter().map(|r| r.at_ms).collect();
    times.sort_unstable();
    assert!(times.len() >= 4, "{times:?}");
    assert!(times.windows(2).all(|w| w[1] - w[0] == 2_000), "{times:?}");
    assert!(times[0] < began + 4_000, "{times:?} began {began}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_of_a_logger_unless_the_agent_allows_it_and_that_is_said()
-> anyhow::Result<()> {
    for (rights, allowed) in [("", 0), ("reverse_control = [\"read\"]", 1)] {
        let mut world = World::start(rights, "").await?;
        world.hears_the_logger().await?;
        let set = world.done(json!({ "kind": "set_clock" })).await?;
        assert_eq!(set["state"], "refused", "{set}");
        assert!(
            set["words"]["en"]
                .as_str()
                .unwrap()
                .contains("does not allow"),
            "{set}"
        );
        let read = world.done(json!({ "kind": "read_clock" })).await?;
        assert_eq!(read["state"] == "done", allowed == 1, "{read}");
        let body =
            json!({ "device": "kiln", "action": { "kind": "read_clock" }, "reason": "a check" });
        let other = world.admin.post(ORDERS, &body).await?;
        let other = world.outcome(&other).await?;
        assert!(
            other["words"]["en"]
                .as_str()
                .unwrap()
                .contains("no such device"),
            "{other}"
        );
        assert_eq!((world.served().len(), world.requests()), (allowed, allowed));
        // Nobody is there: nothing is written down and nothing waits anywhere.
        world.agent.stop(Duration::from_secs(10))?;
        let refusal = wait_for_refusal(&world).await?;
        assert!(
            refusal.contains("409") && refusal.contains("not connected"),
            "{refusal}"
        );
        world.gateway.stop(Duration::from_secs(10))?;
    }
    Ok(())
}

/// The gateway hears the agent's farewell.
async fn wait_for_refusal(world: &World) -> anyhow::Result<String> {
    for _ in 0..100 {
        match world.give(json!({ "kind": "read_clock" })).await {
            Err(refusal) => return Ok(refusal.to_string()),
            Ok(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    anyhow::bail!("an order for an agent that is gone was taken")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logger_that_refuses_or_says_nothing_is_reported_as_it_is() -> anyhow::Result<()> {
    for (control, state, words) in [
        ("refuses", "rejected", "QnRtn=2"),
        ("silent", "no_answer", "asked 4 times"),
        ("stuck", "no_result", "never said"),
    ] {
        let mut world = World::start(ALL, &format!("--control {control}")).await?;
        world.hears_the_logger().await?;
        let set = world.done(json!({ "kind": "set_clock" })).await?;
        assert_eq!(set["state"], state, "{set}");
        assert!(
            set["words"]["en"].as_str().unwrap().contains(words),
            "{set}"
        );
        let carried_out = usize::from(control == "stuck");
        assert_eq!(world.served().len(), carried_out, "{control}");
        world.stop()?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_an_agent_that_is_killed_is_lost_and_never_carried_out_again()
-> anyhow::Result<()> {
    let mut world = World::start(ALL, "--control stuck").await?;
    world.hears_the_logger().await?;
    let order = world.give(json!({ "kind": "set_clock" })).await?;
    for _ in 0..100 {
        if !world.served().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.served(), ["1012"]);
    world.agent.kill()?;
    world.agent = start(&world.binaries, world.folder.path())?;
    world.hears_the_logger().await?;
    let lost = world.outcome(&order).await?;
    assert_eq!(lost["state"], "lost", "{lost}");
    // The same order comes again, as from a broker that kept it.
    replay(&world, &order).await?;
    let read = world.done(json!({ "kind": "read_clock" })).await?;
    assert_eq!(read["state"], "no_result", "{read}");
    assert_eq!(world.served(), ["1012", "1011"]);
    assert_eq!(world.outcome(&order).await?["state"], "lost");
    world.stop()
}

/// Gives the agent an order again, good for another minute, as whoever may speak at the broker could.
async fn replay(world: &World, order: &Value) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let again = control::Order {
        id: order["id"].as_str().expect("an id").to_owned(),
        device: DeviceId::new("stack")?,
        action: control::Action::SetClock,
        expires_at: now.plus_millis(60_000),
    };
    let options = MqttOptions::new("replay", world.mqtt.ip().to_string(), world.mqtt.port());
    let (client, mut events) = AsyncClient::new(options, 4);
    let payload = payload::order_command(now, &again);
    client
        .publish("spBv1.0/site/NCMD/agent", QoS::AtLeastOnce, false, payload)
        .await?;
    loop {
        if let Event::Incoming(Packet::PubAck(_)) = events.poll().await? {
            return Ok(());
        }
    }
}
