//! Random operations against a tiny model of what a journal is.

use journal::{AppendError, Journal, Options, ReadError, Seq, Staged};
use std::collections::BTreeMap;

#[derive(Default)]
struct Model {
    blocks: BTreeMap<u64, (i64, Vec<u8>)>,
    head: u64,
    trimmed: u64,
    notes: BTreeMap<String, Vec<u8>>,
    cursor: u64,
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

const LIMIT: u64 = 200_000;

fn options() -> Options {
    Options {
        tail_bytes: 20_000,
        bytes_max: Some(LIMIT),
        wal_bytes: 64 << 10,
        page_size: 4096,
        ..Options::default()
    }
}

#[tokio::test]
async fn random_operations_agree_with_the_model() {
    for seed in [1u64, 42, 20_261_124] {
        println!("seed {seed}");
        run(seed).await;
    }
}

async fn run(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut journal = Journal::open(&path, options()).unwrap();
    let mut model = Model::default();
    for _ in 0..400 {
        match random.below(20) {
            0..=7 => append(&journal, &mut model, &mut random, 0).await,
            8..=9 => {
                let through = random.below(model.head + 3);
                append(&journal, &mut model, &mut random, through).await;
            }
            10 => {
                model.cursor = random.below(model.head + 1);
                journal.set_cursor("c", Seq(model.cursor)).await.unwrap();
            }
            11..=12 => {
                let through = random.below(model.head + 3);
                journal.trim(Seq(through)).await.unwrap();
                model.trimmed = model.trimmed.max(through.min(model.head));
                model.blocks.retain(|seq, _| *seq > model.trimmed);
            }
            13 => {
                if random.below(2) == 0 {
                    journal.close().await;
                } else {
                    drop(journal);
                }
                journal = Journal::open(&path, options()).unwrap();
            }
            _ => compare(&journal, &model, &mut random),
        }
    }
    assert_eq!(journal.verify().unwrap().damage, []);
    compare(&journal, &model, &mut random);
}

/// Appends, and gives up the blocks up to `through` with it.
async fn append(journal: &Journal, model: &mut Model, random: &mut Random, through: u64) {
    let size = random.below(9_000);
    let body: Vec<u8> = (0..size).map(|_| random.below(256) as u8).collect();
    let at_ms = random.below(1 << 40) as i64;
    let (key, value) = (
        format!("k{}", random.below(5)),
        vec![random.below(256) as u8],
    );
    let notes = vec![(key.clone(), value.clone())];
    let used: usize = model.blocks.values().map(|b| b.1.len()).sum();
    assert_eq!(journal.bytes_used(), used as u64);
    let staged = Staged {
        at_ms,
        count: 3,
        body: body.clone(),
        notes,
    };
    let result = journal.append_over(Seq(through), staged).await;
    let kept = model.blocks.range(through + 1..).map(|(_, b)| b.1.len());
    if kept.sum::<usize>() as u64 + size > LIMIT {
        assert!(
            matches!(result, Err(AppendError::Full { .. })),
            "{result:?}"
        );
        return;
    }
    model.trimmed = model.trimmed.max(through.min(model.head));
    model.blocks.retain(|seq, _| *seq > model.trimmed);
    model.head += 1;
    assert_eq!(result.unwrap().seq.0, model.head);
    model.blocks.insert(model.head, (at_ms, body));
    model.notes.insert(key, value);
}

fn compare(journal: &Journal, model: &Model, random: &mut Random) {
    assert_eq!(journal.head().0, Seq(model.head));
    assert_eq!(journal.first(), Seq(model.trimmed + 1));
    assert_eq!(journal.cursor("c").unwrap(), Seq(model.cursor));
    assert_eq!(journal.cursor("none").unwrap(), Seq(0));
    let notes: Vec<_> = model.notes.clone().into_iter().collect();
    assert_eq!(journal.notes("k").unwrap(), notes);
    let from = 1 + random.below(model.head + 2);
    let read = journal.read(Seq(from), 30_000);
    if from <= model.trimmed {
        assert!(matches!(read, Err(ReadError::Trimmed { .. })));
        return;
    }
    let read = read.unwrap();
    assert_eq!(read.is_empty(), from > model.head);
    for (block, seq) in read.iter().zip(from..) {
        let (at_ms, body) = &model.blocks[&seq];
        assert_eq!(
            (block.seq.0, block.at_ms, &block.body[..]),
            (seq, *at_ms, &body[..])
        );
    }
}
