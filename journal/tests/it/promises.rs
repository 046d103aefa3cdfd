//! Damage is named, followers see everything once, limits hold, closing is orderly.

use journal::{AppendError, Journal, OpenError, Options, ReadError, Seq, Staged};
use std::{collections::HashSet, time::Duration};

fn staged(n: u64, size: usize) -> Staged {
    Staged {
        at_ms: n as i64,
        count: n,
        body: vec![n as u8; size],
        notes: Vec::new(),
    }
}

fn filled(path: &std::path::Path, blocks: u64) {
    let journal = Journal::open(path, Options::small()).unwrap();
    for n in 1..=blocks {
        journal.append_blocking(staged(n, 300)).unwrap();
    }
}

fn sql(path: &std::path::Path, sql: &str) {
    rusqlite::Connection::open(path)
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

#[track_caller]
fn check_damage(change: &str, expected: &[u64]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    filled(&path, 9);
    sql(&path, change);
    let journal = Journal::open(&path, Options::small()).unwrap();
    let found: Vec<u64> = journal
        .verify()
        .unwrap()
        .damage
        .iter()
        .map(|d| d.seq.0)
        .collect();
    assert_eq!(found, expected, "{change}");
    let read = journal.read(Seq(1), usize::MAX);
    assert!(
        matches!(&read, Err(ReadError::Corrupt { seq, .. }) if seq.0 == expected[0]),
        "{change}: {read:?}"
    );
}

#[test]
fn an_altered_torn_or_missing_block_is_named() {
    check_damage("UPDATE block SET body = zeroblob(300) WHERE seq = 4", &[4]);
    check_damage(
        "UPDATE block SET body = substr(body, 1, 17) WHERE seq = 9",
        &[9],
    );
    check_damage(
        "UPDATE block SET at_ms = at_ms + 1 WHERE seq IN (2, 7)",
        &[2, 7],
    );
    check_damage("UPDATE block SET count = 0 WHERE seq = 1", &[1]);
    check_damage("UPDATE block SET hash = zeroblob(3) WHERE seq = 5", &[5, 6]);
    check_damage("DELETE FROM block WHERE seq = 6", &[6, 7]);
}

#[test]
fn a_follower_gives_all_but_the_damaged_block() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    filled(&path, 9);
    sql(&path, "UPDATE block SET body = zeroblob(300) WHERE seq = 4");
    let journal = Journal::open(&path, Options::small()).unwrap();
    let mut follower = journal.follow(Seq(1));
    let (mut given, mut skipped) = (Vec::new(), Vec::new());
    while follower.position() <= journal.head().0 {
        match follower.next_blocking(Duration::from_secs(1)) {
            Ok(block) => given.extend(block.map(|block| block.seq.0)),
            Err(error) => {
                skipped.push(follower.position().0);
                assert!(follower.skip(&error), "{error}");
            }
        }
    }
    assert_eq!(given, [1, 2, 3, 5, 6, 7, 8, 9]);
    assert_eq!(skipped, [4]);
}

#[test]
fn a_page_overwritten_on_disk_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    filled(&path, 40);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(300).position(|w| w == [23u8; 300]).unwrap();
    bytes[at + 100..at + 164].fill(0xAA);
    std::fs::write(&path, bytes).unwrap();
    let journal = Journal::open(&path, Options::small()).unwrap();
    let damage = journal.verify().unwrap().damage;
    assert_eq!(damage.iter().map(|d| d.seq.0).collect::<Vec<_>>(), [23]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_see_every_block_once_across_ram_and_disk() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        tail_bytes: 3_000,
        ..Options::default()
    };
    let journal = Journal::open(&folder.path().join("j.db"), options).unwrap();
    for n in 1..=20 {
        journal.append(staged(n, 500)).await.unwrap();
    }
    let follow = |from: u64, journal: Journal| async move {
        let mut follower = journal.follow(Seq(from));
        for expected in from..=300 {
            let block = follower.next().await.unwrap();
            assert_eq!((block.seq.0, block.count), (expected, expected));
            if expected % 50 == 0 {
                tokio::task::yield_now().await;
            }
        }
    };
    let behind = tokio::spawn(follow(1, journal.clone()));
    let ahead = tokio::spawn(follow(290, journal.clone()));
    let blocking = std::thread::spawn({
        let mut follower = journal.follow(Seq(1));
        move || {
            for expected in 1..=300 {
                let block = follower
                    .next_blocking(Duration::from_secs(60))
                    .unwrap()
                    .unwrap();
                assert_eq!(block.seq.0, expected);
            }
        }
    });
    for n in 21..=300 {
        journal.append(staged(n, 500)).await.unwrap();
    }
    behind.await.unwrap();
    ahead.await.unwrap();
    blocking.join().unwrap();
    let mut late = journal.follow(Seq(301));
    assert!(
        late.next_blocking(Duration::from_millis(5))
            .unwrap()
            .is_none()
    );
    journal.close().await;
    assert!(matches!(late.next().await, Err(ReadError::Closed)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_get_numbers_without_gaps_and_the_queue_bound_only_makes_them_wait() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        queue_bytes: 4_096,
        ..Options::default()
    };
    let journal = Journal::open(&folder.path().join("j.db"), options).unwrap();
    let mut tasks = Vec::new();
    for n in 0..200u64 {
        let journal = journal.clone();
        tasks.push(tokio::spawn(async move {
            journal
                .append(staged(n, 1000 + (n as usize % 3) * 4000))
                .await
                .unwrap()
                .seq
                .0
        }));
    }
    let mut seen = HashSet::new();
    for task in tasks {
        assert!(seen.insert(task.await.unwrap()));
    }
    assert_eq!(seen, (1..=200).collect());
    assert_eq!(journal.verify().unwrap().damage, []);
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_refuses_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    let journal = Journal::open(&path, Options::small()).unwrap();
    assert!(matches!(
        Journal::open(&path, Options::small()),
        Err(OpenError::InUse { .. })
    ));
    let other = journal.clone();
    journal.append(staged(1, 10)).await.unwrap();
    journal.close().await;
    assert!(matches!(
        other.append(staged(2, 10)).await,
        Err(AppendError::Closed)
    ));
    let journal = Journal::open(&path, Options::small()).unwrap();
    assert_eq!(journal.head().0, Seq(1));
}

#[test]
fn another_file_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    sql(&path, "CREATE TABLE other (x)");
    assert!(matches!(
        Journal::open(&path, Options::small()),
        Err(OpenError::Format { found: 0, .. })
    ));
}

#[test]
fn a_follower_goes_on_behind_a_missing_block_and_the_one_that_is_chained_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    filled(&path, 9);
    sql(&path, "DELETE FROM block WHERE seq = 4");
    let journal = Journal::open(&path, Options::small()).unwrap();
    let mut follower = journal.follow(Seq(1));
    let (mut given, mut skipped) = (Vec::new(), Vec::new());
    while follower.position() <= journal.head().0 {
        match follower.next_blocking(Duration::from_secs(1)) {
            Ok(block) => given.extend(block.map(|block| block.seq.0)),
            Err(error) => {
                skipped.push(follower.position().0);
                assert!(follower.skip(&error), "{error}");
            }
        }
    }
    assert_eq!(given, [1, 2, 3, 6, 7, 8, 9]);
    assert_eq!(skipped, [4, 5]);
}

#[test]
fn what_can_be_read_of_a_damaged_file_keeps_its_numbers_in_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    filled(&path, 40);
    sql(&path, "DELETE FROM block WHERE seq <= 7");
    sql(&path, "UPDATE anchor SET seq = 7, hash = zeroblob(32)");
    sql(
        &path,
        "UPDATE block SET body = zeroblob(300) WHERE seq = 20",
    );
    sql(&path, "DELETE FROM block WHERE seq = 30");
    sql(&path, "INSERT OR REPLACE INTO cursor VALUES ('c', 12)");
    let copy = folder.path().join("copy.db");
    let done = journal::salvage(&path, &copy, &Options::small()).unwrap();
    let journal = Journal::open(&copy, Options::small()).unwrap();
    let blocks = journal.read(Seq(8), usize::MAX).unwrap();
    let empty: Vec<u64> = blocks
        .iter()
        .filter(|block| block.body.is_empty())
        .map(|block| block.seq.0)
        .collect();
    // 8 has no anchor that fits it, and 31 nothing before it.
    assert_eq!(empty, [8, 20, 30, 31]);
    assert_eq!((done.blocks, done.damaged), (29, 4));
    assert_eq!((journal.first(), journal.head().0), (Seq(8), Seq(40)));
    assert_eq!(journal.cursor("c").unwrap(), Seq(12));
    assert_eq!(journal.verify().unwrap().damage, []);
    let whole = blocks.iter().filter(|block| !block.body.is_empty());
    assert!(
        whole
            .into_iter()
            .all(|block| block.body[..] == [block.seq.0 as u8; 300])
    );
}

#[tokio::test]
async fn a_follower_that_is_cancelled_again_and_again_still_reads_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    filled(&path, 9);
    let journal = Journal::open(&path, Options::small()).unwrap();
    let mut follower = journal.follow(Seq(1));
    let begun = std::time::Instant::now();
    let mut seen = Vec::new();
    while seen.len() < 9 {
        tokio::select! {
            biased;
            block = follower.next() => seen.push(block.unwrap().seq.0),
            () = tokio::task::yield_now() => {}
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "only {seen:?} came"
        );
    }
    assert_eq!(seen, (1..=9).collect::<Vec<_>>());
}
