//! A writer killed in the middle of appends has lost nothing it was told is committed.

use journal::{Journal, Options, Seq, Staged};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

const CHILD: &str = "JOURNAL_CRASH_CHILD";

/// Body of the block of a number, so that a survivor can be told from a stranger.
fn body(seq: u64) -> Vec<u8> {
    vec![seq as u8; 100 + (seq as usize * 7919) % 30_000]
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

fn options() -> Options {
    Options {
        page_size: 4096,
        wal_bytes: 256 << 10,
        ..Options::default()
    }
}

/// Not a test of its own: the child of the test below, which runs this binary again. Without its variable it
/// has nothing to do.
#[test]
fn crash_child() {
    let Ok(path) = std::env::var(CHILD) else {
        return;
    };
    let journal = Journal::open(path.as_ref(), options()).unwrap();
    let mut out = std::io::stdout();
    loop {
        let seq = journal.head().0.0 + 1;
        let mut notes = vec![("last".to_owned(), seq.to_le_bytes().to_vec())];
        // Every tenth block takes the place of older ones; the note beside it says where the journal begins then.
        let through = if seq.is_multiple_of(10) { seq - 5 } else { 0 };
        if through > 0 {
            let first = through + 1;
            notes.push(("first".to_owned(), first.to_le_bytes().to_vec()));
        }
        let staged = Staged {
            at_ms: seq as i64,
            count: 1,
            body: body(seq),
            notes,
        };
        let committed = wait(journal.append_over(Seq(through), staged)).unwrap();
        writeln!(out, "committed {}", committed.seq).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_writer_killed_in_mid_append_loses_no_committed_block() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    for round in 1..=6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::crash_child", "--exact", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut last = 0u64;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some((_, n)) = line.split_once("committed ") {
                last = n.trim().parse().unwrap();
            }
            if last >= round * 40 {
                break;
            }
        }
        child.kill().unwrap();
        for line in lines.map_while(Result::ok) {
            // A line torn by the kill is not a promise that was heard.
            if let Some(n) = line
                .strip_prefix("committed ")
                .and_then(|n| n.parse::<u64>().ok())
            {
                last = last.max(n);
            }
        }
        child.wait().unwrap();
        check(&path, last);
    }
}

fn check(path: &std::path::Path, promised: u64) {
    let journal = Journal::open(path, options()).unwrap();
    let head = journal.head().0.0;
    assert!(head >= promised, "head {head}, promised {promised}");
    assert_eq!(journal.verify().unwrap().damage, []);
    let first = journal.first();
    let blocks = journal.read(first, usize::MAX).unwrap();
    assert_eq!(blocks.len() as u64, head + 1 - first.0);
    for block in blocks {
        assert!(
            block.body[..] == body(block.seq.0)[..],
            "block {} is another",
            block.seq
        );
    }
    let note = &journal.notes("first").unwrap()[0].1;
    assert_eq!(
        note[..],
        first.0.to_le_bytes(),
        "blocks went without the block they made room for, or it came without"
    );
    let note = &journal.notes("last").unwrap()[0].1;
    assert_eq!(
        note[..],
        head.to_le_bytes(),
        "the note is of another transaction than the block"
    );
}
