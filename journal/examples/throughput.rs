//! How much a journal takes, each group fsynced: `throughput FOLDER [BLOCK_BYTES] [SECONDS] [MB_PER_SECOND]`.
//! Without a rate it writes as fast as it can. Prints rate, commit times, CPU of the whole process and the size
//! of the write-ahead log.

use journal::{Journal, Options, Staged};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().expect("give a folder"));
    let mut number = |default: f64| {
        arguments
            .next()
            .map_or(default, |text| text.parse().expect("a number"))
    };
    let (block, seconds, rate) = (number(262_144.0) as usize, number(10.0), number(0.0) * 1e6);
    let path = folder.join("throughput.db");
    let journal = Journal::open(&path, Options::default()).expect("open");
    let body: Vec<u8> = (0..block)
        .map(|i| ((i * 2_654_435_761) >> 7) as u8)
        .collect();
    let begun = Instant::now();
    let cpu = cpu_seconds();
    let (mut blocks, mut times, mut wal) = (0u64, Vec::new(), 0u64);
    while begun.elapsed().as_secs_f64() < seconds {
        // Two appends under way, as with two broker connections.
        let one = Instant::now();
        let staged = || Staged {
            at_ms: 0,
            count: 1,
            body: body.clone(),
            notes: Vec::new(),
        };
        let (a, b) = tokio::join!(journal.append(staged()), journal.append(staged()));
        a.and(b).expect("append");
        times.push(one.elapsed());
        blocks += 2;
        wal = wal.max(std::fs::metadata(folder.join("throughput.db-wal")).map_or(0, |m| m.len()));
        if rate > 0.0 {
            let due = begun + Duration::from_secs_f64((blocks as usize * block) as f64 / rate);
            tokio::time::sleep_until(due.into()).await;
        }
    }
    let took = begun.elapsed().as_secs_f64();
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{:.1} MB/s, {:.0} blocks/s; commit p50 {:?} p99 {:?} max {:?}; {:.0} % of one core; wal at most {} MiB",
        blocks as f64 * block as f64 / took / 1e6,
        blocks as f64 / took,
        at(0.5),
        at(0.99),
        at(1.0),
        (cpu_seconds() - cpu) / took * 100.0,
        wal >> 20
    );
    journal.close().await;
    std::fs::remove_file(path).expect("remove");
}

/// User and system time of this process, from /proc.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split(' ')
        .filter_map(|f| f.parse().ok())
        .collect();
    // utime and stime are fields 14 and 15; the state letter between is not a number.
    fields
        .get(10)
        .zip(fields.get(11))
        .map_or(0.0, |(user, system)| (user + system) / 100.0)
}
