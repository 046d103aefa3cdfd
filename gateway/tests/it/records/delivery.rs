//! A finding on its way out: delivered in order, at least once, and never again after a refusal.

use super::world::Platform;
use contract::Timestamp;
use gateway::credit::{self, Action, Change, Correction, Entry, Status, Step, deliver};
use gateway::detect::rule::{Severity, Text};
use gateway::store::{Records, verify_history};

fn entry(id: &str) -> Entry {
    let at = Timestamp::now();
    Entry {
        id: id.into(),
        uscc: "914403001922038216".into(),
        name: "示例".into(),
        case: format!("case of {id}"),
        evidence: "e".into(),
        title: Text::default(),
        ground: None,
        severity: Severity::II,
        occurred_at: at,
        recorded_at: at,
        valid_to: at.plus_millis(1_000_000_000),
        timeline: vec![Step {
            status: Status::Notified,
            at,
            by: "li".into(),
            reason: "seen".into(),
        }],
        corrects: None,
        superseded_by: None,
    }
}

struct World {
    _folder: tempfile::TempDir,
    records: Records,
    platform: Platform,
    url: String,
    client: reqwest::Client,
}

async fn world(answers: &[u16]) -> World {
    // An error means that a provider is installed already.
    let _before = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let records = Records::open(&folder.path().join("records.db")).unwrap();
    let platform = Platform::default();
    platform.answers.lock().unwrap().extend(answers);
    let url = platform.listen().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    World {
        _folder: folder,
        records,
        platform,
        url,
        client,
    }
}

impl World {
    fn confirm(&self, id: &str) {
        let entry = entry(id);
        self.records
            .write("confirm", |tx| {
                credit::insert(tx, &entry, "li", entry.recorded_at)
            })
            .unwrap();
    }

    fn act(&self, id: &str, action: Action) {
        let lighter = Correction {
            severity: Some(Severity::I),
            ground: None,
        };
        let change = Change {
            action,
            correction: Some(&lighter),
            by: "li",
            reason: "r",
            now: Timestamp::now(),
        };
        credit::act(&self.records, id, change)
            .unwrap()
            .unwrap()
            .unwrap();
    }

    async fn step(&self) -> usize {
        deliver::step(&self.records, &self.url, &self.client)
            .await
            .unwrap()
    }

    fn outcomes(&self, id: &str) -> Vec<String> {
        let attempts = deliver::attempts(&self.records, id).unwrap();
        attempts.into_iter().map(|a| a.outcome).collect()
    }
}

#[tokio::test]
async fn an_entry_reaches_the_platform_after_it_was_down_and_every_attempt_is_kept() {
    let world = world(&[503, 500]).await;
    world.confirm("a");
    assert_eq!(
        (world.step().await, world.step().await, world.step().await),
        (0, 0, 1)
    );
    assert_eq!(
        world.step().await,
        0,
        "what was delivered is not sent again"
    );
    assert_eq!(world.outcomes("a"), ["failed", "failed", "delivered"]);
    assert_eq!(world.platform.keys(), ["a-1"]);
}

#[tokio::test]
async fn versions_of_one_entry_arrive_in_order_and_do_not_hold_up_others() {
    let world = world(&[503, 201]).await;
    world.confirm("a");
    world.act("a", Action::Withdraw);
    world.confirm("b");
    // The first version of a fails, so its withdrawal must wait; b goes.
    assert_eq!(world.step().await, 1);
    assert_eq!(world.platform.keys(), ["b-1"]);
    assert_eq!((world.step().await, world.step().await), (1, 1));
    assert_eq!(world.platform.keys(), ["b-1", "a-1", "a-2"]);
    let withdrawn = world.platform.taken.lock().unwrap()[2].1.clone();
    assert_eq!(
        (&withdrawn["op"], &withdrawn["status"]),
        (&"d".into(), &"withdrawn".into())
    );
    assert_eq!(verify_history(&world.records).unwrap(), Ok(3));
}

#[tokio::test]
async fn a_correction_arrives_after_the_mark_on_what_it_replaces_and_a_repeat_is_the_same() {
    let world = world(&[201, 503]).await;
    world.confirm("a");
    world.act("a", Action::Correct);
    // The mark on the old entry fails, so the new entry must wait.
    assert_eq!((world.step().await, world.step().await), (1, 0));
    assert_eq!((world.step().await, world.step().await), (1, 1));
    assert_eq!(world.platform.keys(), ["a-1", "a-2", "a-c2-1"]);
    let taken = world.platform.taken.lock().unwrap().clone();
    let (old, new) = (&taken[1].1, &taken[2].1);
    assert_eq!(
        (&old["op"], &old["status"]),
        (&"u".into(), &"corrected".into())
    );
    assert_eq!(old["superseded_by"], "a-c2");
    assert_eq!(
        (&new["op"], &new["corrects"], &new["severity"]),
        (&"i".into(), &"a".into(), &"I".into())
    );
    // A crash between delivery and writing it down: everything goes again.
    world
        .records
        .write("forget", |tx| {
            tx.execute("UPDATE outbox SET delivered_at = NULL, due_at = 0", [])
        })
        .unwrap();
    while world.step().await > 0 {}
    assert_eq!(
        world.platform.taken.lock().unwrap()[3..],
        taken,
        "same keys, same bodies"
    );
    let entries = credit::of(&world.records, &entry("a").uscc).unwrap();
    assert_eq!(entries.len(), 2, "both are visible");
    assert_eq!(
        gateway::risk::grade(&entries, Timestamp::now()).score,
        1.0,
        "only the new one counts"
    );
}

#[tokio::test]
async fn what_the_platform_refuses_is_kept_with_its_words_and_not_sent_again() {
    let world = world(&[409]).await;
    world.confirm("a");
    assert_eq!((world.step().await, world.step().await), (0, 0));
    let attempts = deliver::attempts(&world.records, "a").unwrap();
    assert_eq!(attempts.len(), 1);
    assert!(attempts[0].outcome == "refused" && attempts[0].answer.contains("as told"));
}

#[tokio::test]
async fn nothing_is_lost_when_nobody_listens() {
    let world = world(&[]).await;
    world.confirm("a");
    let nobody = "http://127.0.0.1:1";
    assert_eq!(
        deliver::step(&world.records, nobody, &world.client)
            .await
            .unwrap(),
        0
    );
    assert_eq!(world.outcomes("a"), ["failed"]);
    // It comes again after a second or so.
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while world.step().await == 0 {
        assert!(std::time::Instant::now() < limit, "it was not sent again");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(world.platform.keys(), ["a-1"]);
}
