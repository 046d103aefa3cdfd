//! How fast HJ 212 is read on one core, against a bare pass of the check value over the same bytes in the same run.
//!
//! `cargo bench -p edge-agent --bench hj212 [-- MEGABYTES]`

use edge_agent::source::hj212::{
    crc::crc212,
    frame::{Check, Event, Framer},
    message::Text,
    reading::{self, Context},
    report::Reporter,
};
use std::hint::black_box;
use std::time::Instant;

/// What a socket gives at once.
const PIECE: usize = 4096;
const ROUNDS: usize = 5;

fn main() {
    let megabytes = std::env::args()
        .filter_map(|a| a.parse().ok())
        .next()
        .unwrap_or(32usize);
    let bytes = stream(megabytes << 20);
    let frames = bytes.windows(2).filter(|pair| pair == b"\r\n").count();
    let rate = |seconds: f64| bytes.len() as f64 / seconds / 1e6;

    let bare = best(|| {
        black_box(
            bytes
                .chunks(400)
                .map(|piece| u64::from(crc212(piece)))
                .sum::<u64>(),
        );
    });
    let framed = best(|| {
        let mut right = 0;
        frames_of(&bytes, |_| right += 1);
        assert_eq!(right, frames);
    });
    let fields = best(|| {
        frames_of(&bytes, |frame| {
            let text = Text::open(frame, None);
            black_box(text.read());
        });
    });
    let mut readings = 0;
    let read = best(|| {
        readings = 0;
        frames_of(&bytes, |frame| {
            let text = Text::open(frame, None);
            let mut message = text.read();
            let said = reading::said(
                &message.segment,
                &message.data,
                Context::default(),
                &mut message.complaints,
            );
            readings += said.measured.len();
            assert!(message.complaints.is_empty());
        });
    });
    println!(
        "{} bytes, {frames} frames, {readings} readings, best of {ROUNDS}",
        bytes.len()
    );
    println!("check value alone:      {:6.0} MB/s", rate(bare));
    println!(
        "frames:                 {:6.0} MB/s ({:.2}x the time)",
        rate(framed),
        framed / bare
    );
    println!(
        "fields, items:          {:6.0} MB/s ({:.2}x the time)",
        rate(fields),
        fields / bare
    );
    println!(
        "fields, items, readings: {:5.0} MB/s ({:.2}x the time), {:.0} frames/s, {:.0} readings/s",
        rate(read),
        read / bare,
        frames as f64 / read,
        readings as f64 / read
    );
    let sample = &bytes[..bytes.len().min(4 << 20)];
    let mut written = 0;
    let told = best(|| {
        let mut reporter = Reporter::default();
        reporter.push(sample, &mut |line| written += line.len());
        reporter.finish(&mut |line| written += line.len());
    });
    println!(
        "JSON lines:             {:6.1} MB/s of frames",
        sample.len() as f64 / told / 1e6
    );
    black_box(written);
}

fn frames_of(bytes: &[u8], mut each: impl FnMut(&edge_agent::source::hj212::frame::Frame<'_>)) {
    let mut framer = Framer::default();
    let mut take = |event: Event<'_>| {
        if let Event::Frame(frame) = event {
            assert_eq!(frame.check, Check::Right);
            each(&frame);
        }
    };
    for piece in bytes.chunks(PIECE) {
        framer.push(piece, &mut take);
    }
    framer.finish(&mut take);
}

fn best(mut run: impl FnMut()) -> f64 {
    let one = |_| {
        let began = Instant::now();
        run();
        began.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(one).fold(f64::INFINITY, f64::min)
}

/// Real-time and hourly data of a stack, and of a sewage outlet.
fn stream(length: usize) -> Vec<u8> {
    let gas = [
        "a21026", "a21002", "a34013", "a19001", "a01011", "a01012", "a01013", "a01014",
    ];
    let water = ["w01018", "w21003", "w01001", "w00000"];
    let mut bytes = Vec::with_capacity(length + 1024);
    let mut n = 0u32;
    while bytes.len() < length {
        n += 1;
        let value = |k: usize| f64::from((n * 7 + k as u32 * 131) % 4000) / 10.0;
        let (st, cn, data) = match n % 4 {
            0 => (
                31,
                2061,
                items(&gas, |c, k| {
                    format!(
                        "{c}-Min={},{c}-Avg={},{c}-Max={},{c}-Flag=N",
                        value(k),
                        value(k + 1),
                        value(k + 2)
                    )
                }),
            ),
            1 => (
                32,
                2011,
                items(&water, |c, k| format!("{c}-Rtd={},{c}-Flag=N", value(k))),
            ),
            _ => (
                31,
                2011,
                items(&gas, |c, k| {
                    format!("{c}-Rtd={},{c}-ZsRtd={},{c}-Flag=N", value(k), value(k + 1))
                }),
            ),
        };
        let minute = n % 60;
        let segment = format!(
            "QN=2026080109{minute:02}00001;ST={st};CN={cn};PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&DataTime=202608010800{minute:02};{data}&&"
        );
        let crc = crc212(segment.as_bytes());
        bytes.extend(format!("##{:04}{segment}{crc:04X}\r\n", segment.len()).bytes());
    }
    bytes
}

fn items(codes: &[&str], item: impl Fn(&str, usize) -> String) -> String {
    let items: Vec<String> = codes
        .iter()
        .enumerate()
        .map(|(k, code)| item(code, k))
        .collect();
    items.join(";")
}
