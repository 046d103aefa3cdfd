//! The buffer against a tiny model of what a buffer is, while its process is killed, its disk is full, and its file is cut
//! and altered. A seed that fails becomes a test with a name.

use contract::{DeviceId, PointName, Quality, Reading, Timestamp};
use edge_agent::{buffer::Buffer, config::BufferConfig, metrics::Metrics, record::Record};
use journal::ReadError;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};
use tokio::time::{Duration, timeout};

const CHILD: &str = "BUFFER_CHILD";
const FIRST_POLL: i64 = 1_764_000_000_000;
const PLENTY: u64 = 64 << 20;

struct Random(u64);

impl Random {
    fn seeded(seed: u64) -> Random {
        println!("seed {seed}");
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// What is in the buffer, by number.
#[derive(Default)]
struct Model {
    records: BTreeMap<u64, Record>,
    head: u64,
    released: u64,
}

impl Model {
    fn keep(&mut self, record: Record) {
        self.head += 1;
        self.records.insert(self.head, record);
    }

    fn release(&mut self, through: u64) {
        self.released = self.released.max(through.min(self.head));
        self.records.retain(|number, _| *number > self.released);
    }

    /// What the file says is what is believed from now on, if it says nothing that was never so.
    fn believe(&mut self, numbers: std::ops::RangeInclusive<u64>) {
        self.head = *numbers.end();
        self.released = numbers.start() - 1;
        self.records.retain(|number, _| numbers.contains(number));
    }
}

/// The n-th poll, of a size that differs: no two are alike.
fn poll(n: u64) -> Record {
    let at = Timestamp::from_millis(FIRST_POLL + n as i64 * 10);
    let reading = |index: u64| {
        let name = PointName::new(format!("point-{index}")).unwrap();
        Reading::new(name, at, Some((n * 64 + index) as f64), Quality::Good)
    };
    let device = DeviceId::new(format!("device-{}", n % 3)).unwrap();
    Record::of(device, at, (0..1 + n * 7 % 40).map(reading).collect())
}

/// One of the polls, byte for byte: its time says which.
fn is_stored(record: &Record) -> bool {
    *record == poll((record.at.as_millis() - FIRST_POLL).unsigned_abs() / 10)
}

fn config(folder: &Path, bytes_max: u64) -> BufferConfig {
    BufferConfig {
        path: folder.join("buffer.db"),
        bytes_max,
    }
}

async fn open(folder: &Path) -> (Buffer, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::default());
    let buffer = Buffer::open(&config(folder, PLENTY), metrics.clone()).await;
    (buffer.unwrap_or_else(|error| panic!("{error:?}")), metrics)
}

/// Every record from `from` on as the publisher would see it: `None` for one that cannot be read.
async fn follow(buffer: &Buffer, from: u64) -> BTreeMap<u64, Option<Record>> {
    let mut follower = buffer.follow(from);
    let mut found = BTreeMap::new();
    while follower.position().0 <= buffer.head() {
        let at = follower.position().0;
        let next = timeout(Duration::from_secs(10), follower.next()).await;
        match next.expect("what is stored is given without waiting") {
            Ok(block) => {
                found.insert(block.seq.0, Record::decode(&block.body).ok());
            }
            Err(ReadError::Closed) => panic!("closed"),
            Err(error) => {
                assert!(follower.skip(&error), "it cannot go on: {error:?}");
                found.extend((at..follower.position().0).map(|number| (number, None)));
            }
        }
    }
    found
}

/// Exactly what the model has.
async fn check_same(buffer: &Buffer, model: &Model) {
    assert_eq!(
        (buffer.head(), buffer.first()),
        (model.head, model.released + 1)
    );
    let found = follow(buffer, 1).await;
    let expected: BTreeMap<u64, Option<Record>> = model
        .records
        .iter()
        .map(|(number, record)| (*number, Some(record.clone())))
        .collect();
    assert!(found == expected, "other records than were stored");
}

#[tokio::test]
async fn random_operations_and_restarts_agree_with_the_model() {
    for seed in [1, 42, 20_261_125] {
        let mut random = Random::seeded(seed);
        let folder = tempfile::tempdir().unwrap();
        let (mut buffer, _) = open(folder.path()).await;
        let mut model = Model::default();
        let mut polls = 0;
        for _ in 0..300 {
            match random.below(20) {
                0..=9 => {
                    polls += 1;
                    buffer.append(&poll(polls), random.below(2) == 0).await;
                    model.keep(poll(polls));
                }
                10..=12 => {
                    let through = random.below(model.head + 3);
                    buffer.release(through).await.unwrap();
                    model.release(through);
                }
                13 => {
                    let stream = buffer.stream();
                    match random.below(2) {
                        0 => buffer.close().await,
                        _ => drop(buffer),
                    }
                    buffer = open(folder.path()).await.0;
                    assert_eq!(buffer.stream(), stream);
                }
                14 => {
                    let name = buffer.begin_stream().await.unwrap();
                    assert_eq!(buffer.stream(), name);
                }
                _ => check_same(&buffer, &model).await,
            }
        }
        check_same(&buffer, &model).await;
    }
}

/// Not a test of its own: the child of the tests below, which run this binary again. Without its variable it has nothing
/// to do. It stores polls, lets go of some, and says after each what it was promised.
#[tokio::test]
async fn buffer_child() {
    let Ok(folder) = std::env::var(CHILD) else {
        return;
    };
    let (buffer, metrics) = open(Path::new(&folder)).await;
    let mut out = std::io::stdout();
    for _ in 0..100_000 {
        let number = buffer.head() + 1;
        buffer.append(&poll(number), number.is_multiple_of(2)).await;
        if buffer.head() < number {
            writeln!(out, "refused {number}").unwrap();
            assert!(
                metrics.records_lost_disk.get() > 0,
                "refused and not counted"
            );
            out.flush().unwrap();
            continue;
        }
        if number.is_multiple_of(50) {
            buffer.release(number - 30).await.unwrap();
            writeln!(out, "released {}", number - 30).unwrap();
        }
        writeln!(out, "stored {number}").unwrap();
        out.flush().unwrap();
    }
}

/// What the child said: stored through, released through, and how often it was refused.
#[derive(Debug, Default)]
struct Said {
    stored: u64,
    released: u64,
    refused: u64,
}

/// Runs the child, with a limit in KiB on the size of its files if there is one, and kills it after `steps` lines.
fn run_child(folder: &Path, limit_kib: Option<u64>, steps: usize) -> Said {
    let this = std::env::current_exe().unwrap();
    let mut command = match limit_kib {
        Some(limit) => {
            let mut shell = Command::new("sh");
            // Ignored, the signal becomes the error that a full disk gives.
            let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", limit * 2);
            shell.args(["-c", &script, "sh"]).arg(this);
            shell
        }
        None => Command::new(this),
    };
    let mut child = command
        .args(["buffer::buffer_child", "--exact", "--nocapture"])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = Said::default();
    let mut hear = |line: &str| {
        let mut words = line.split(' ');
        // A line torn by the kill is not a promise that was heard.
        let (Some(what), Some(Ok(number))) = (words.next(), words.next().map(str::parse)) else {
            return;
        };
        match what {
            "stored" => said.stored = said.stored.max(number),
            "released" => said.released = said.released.max(number),
            "refused" => said.refused += 1,
            _ => {}
        }
    };
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.by_ref().map_while(Result::ok).take(steps) {
        hear(&line);
    }
    child.kill().unwrap();
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    // The last line may be half of one.
    let whole = rest.len().saturating_sub(1);
    rest[..whole].iter().for_each(|line| hear(line));
    child.wait().unwrap();
    said
}

/// What the buffer stores in the place of polls that it refused: the word that they are missing, and no reading. The only
/// place that knows what a full buffer does.
fn is_word_of_loss(record: &Record) -> bool {
    record.gap.is_some()
        || record
            .readings
            .iter()
            .all(|reading| reading.value.is_none())
}

/// Stored records are there, unaltered; released ones do not come back; nothing else is there.
async fn check_promises(folder: &Path, said: &Said) {
    let (buffer, metrics) = open(folder).await;
    assert!(
        buffer.head() >= said.stored,
        "{said:?}, head {}",
        buffer.head()
    );
    assert!(
        buffer.first() > said.released,
        "{said:?}, first {}",
        buffer.first()
    );
    for (number, record) in follow(&buffer, 1).await {
        let record = record.unwrap_or_else(|| panic!("record {number} cannot be read"));
        let is_word = said.refused > 0 && is_word_of_loss(&record);
        assert!(is_word || is_stored(&record), "record {number}: {record:?}");
    }
    assert_eq!(metrics.buffers_damaged.get(), 0);
    buffer.close().await;
}

#[tokio::test]
async fn a_process_killed_at_any_moment_keeps_what_it_stored_and_released() {
    let mut random = Random::seeded(20_261_130);
    let folder = tempfile::tempdir().unwrap();
    let mut most = Said::default();
    for _ in 0..8 {
        let said = run_child(folder.path(), None, 5 + random.below(150) as usize);
        most.stored = most.stored.max(said.stored);
        most.released = most.released.max(said.released);
        check_promises(folder.path(), &most).await;
    }
}

#[tokio::test]
async fn a_full_disk_refuses_aloud_keeps_what_was_stored_and_stores_again_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let said = run_child(folder.path(), Some(600), 4_000);
    assert!(said.refused > 0 && said.stored > 0, "{said:?}");
    check_promises(folder.path(), &said).await;
    let again = run_child(folder.path(), None, 300);
    assert!(
        again.refused == 0 && again.stored > said.stored,
        "{said:?} {again:?}"
    );
    let both = Said {
        refused: said.refused,
        ..again
    };
    check_promises(folder.path(), &both).await;
}

fn files(folder: &Path) -> [PathBuf; 2] {
    ["buffer.db", "buffer.db-wal"].map(|name| folder.join(name))
}

/// The end of the log, or of the file, is gone, as after a write that did not end: what is left is what stood before.
#[tokio::test]
async fn a_write_that_did_not_end_leaves_what_was_stored_before_it() {
    let mut random = Random::seeded(20_261_131);
    for _ in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let said = run_child(folder.path(), None, 60 + random.below(100) as usize);
        let [_, log] = files(folder.path());
        let length = std::fs::metadata(&log).unwrap().len();
        let cut = random.below(length.min(30_000)) + 1;
        let file = std::fs::File::options().write(true).open(&log).unwrap();
        file.set_len(length - cut).unwrap();
        drop(file);
        let (buffer, _) = open(folder.path()).await;
        println!(
            "stored {}, cut {cut} bytes, head {}",
            said.stored,
            buffer.head()
        );
        for (number, record) in follow(&buffer, 1).await {
            assert_eq!(record, Some(poll(number)), "record {number}");
        }
        let head = buffer.head();
        buffer.append(&poll(head + 1), false).await;
        assert_eq!(buffer.head(), head + 1);
        buffer.close().await;
    }
}

/// Pages are overwritten between runs. Whatever is hit: the buffer opens, gives no record that was never stored, says how
/// many it lost, stores, lets go, and opens again.
async fn altered(seed: u64) {
    let mut random = Random::seeded(seed);
    let folder = tempfile::tempdir().unwrap();
    let (buffer, _) = open(folder.path()).await;
    let mut model = Model::default();
    let count = 50 + random.below(200);
    for n in 1..=count {
        buffer.append(&poll(n), n.is_multiple_of(3)).await;
        model.keep(poll(n));
    }
    let through = random.below(40);
    buffer.release(through).await.unwrap();
    model.release(through);
    buffer.close().await;

    let [file, _] = files(folder.path());
    let mut bytes = std::fs::read(&file).unwrap();
    let is_page = random.below(3) == 0;
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len() as u64) as usize;
        match is_page {
            // The format number of the file says which program may read it; it is not guessed.
            _ if (60..64).contains(&at) => {}
            true => {
                let page = at / 4096 * 4096;
                let end = bytes.len().min(page + 4096);
                let noise = random.below(256) as u8;
                bytes[page.max(64)..end].fill(noise);
            }
            false => bytes[at] ^= 1 << random.below(8),
        }
    }
    std::fs::write(&file, bytes).unwrap();

    let (buffer, metrics) = open(folder.path()).await;
    let found = follow(&buffer, 1).await;
    let mut lost = 0;
    for (number, record) in &found {
        match record {
            Some(record) => assert_eq!(model.records.get(number), Some(record), "record {number}"),
            None => lost += 1,
        }
    }
    let given = found.len() - lost;
    println!(
        "{} of {} records left, {lost} lost under their number, {} file set aside",
        given,
        model.records.len(),
        metrics.buffers_damaged.get()
    );
    let aside = folder.path().join("buffer.db.damaged");
    assert_eq!(metrics.buffers_damaged.get() > 0, aside.exists());
    if given < model.records.len() {
        assert!(
            lost > 0 || aside.exists(),
            "records are gone without a word"
        );
    }
    // It goes on.
    let head = buffer.head();
    model.believe(buffer.first()..=head);
    buffer.append(&poll(count + 1), true).await;
    assert_eq!(buffer.head(), head + 1, "it does not store");
    let released = timeout(Duration::from_secs(10), buffer.release(head)).await;
    released.expect("in time").expect("let go of");
    assert_eq!(buffer.first(), head + 1);
    buffer.close().await;
    let (buffer, metrics) = open(folder.path()).await;
    assert_eq!(metrics.buffers_damaged.get(), 0, "damaged again");
    let left = follow(&buffer, 1).await;
    assert_eq!(left, BTreeMap::from([(head + 1, Some(poll(count + 1)))]));
}

#[tokio::test]
async fn an_altered_file_is_set_aside_its_readable_records_go_on_and_none_is_wrong() {
    for seed in 1..=30 {
        altered(seed).await;
    }
}

#[tokio::test]
async fn a_page_that_breaks_while_the_agent_runs_is_noticed_and_the_next_opening_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (buffer, _) = open(folder.path()).await;
    for n in 1..=3_000 {
        buffer.append(&poll(n), false).await;
    }
    let [file, _] = files(folder.path());
    let mut bytes = std::fs::read(&file).unwrap();
    let most = bytes.len() - 16 * 4096;
    bytes[8 * 4096..most].fill(0xAA);
    std::fs::write(&file, bytes).unwrap();
    let error = buffer.release(2_000).await.unwrap_err();
    assert!(error.is_damage(), "{error:?}");
    let told = timeout(Duration::from_secs(10), buffer.damaged()).await;
    told.expect("whoever watches is told");
    buffer.close().await;
    let (buffer, metrics) = open(folder.path()).await;
    assert_eq!(metrics.buffers_damaged.get(), 1);
    let found = follow(&buffer, 1).await;
    assert!(found.values().flatten().all(is_stored));
    let head = buffer.head();
    buffer.append(&poll(3_001), false).await;
    buffer.release(head + 1).await.unwrap();
    assert_eq!((buffer.head(), buffer.first()), (head + 1, head + 2));
}

#[tokio::test]
async fn a_box_that_stops_while_it_replaces_a_damaged_file_goes_on_with_the_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (buffer, _) = open(folder.path()).await;
    buffer.append(&poll(1), false).await;
    buffer.close().await;
    let [file, log] = files(folder.path());
    let copy = folder.path().join("buffer.db.salvaged");
    std::fs::rename(&file, &copy).unwrap();
    // The damaged file was there still, and a log that is not the copy's.
    std::fs::write(&file, [0xAA; 9_000]).unwrap();
    std::fs::write(&log, [0xAA; 9_000]).unwrap();
    let (buffer, _) = open(folder.path()).await;
    let found = follow(&buffer, 1).await;
    assert_eq!(found, BTreeMap::from([(1, Some(poll(1)))]));
    let aside = std::fs::read(folder.path().join("buffer.db.damaged")).unwrap();
    assert_eq!(aside, [0xAA; 9_000]);
    assert!(!copy.exists());
}
