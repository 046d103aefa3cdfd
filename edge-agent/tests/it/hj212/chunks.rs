//! Cut anywhere, corrupted anywhere, anything at all.

use super::{crc, decode, frame, real_time};
use contract::Reading;
use edge_agent::source::hj212::{
    frame::{Check, Event, FRAME_MAX, Framer},
    message::Text,
    reading::{self, Context},
};
use simulators::hj212::wire::{Checked, Packet};
use simulators::random::Random;

/// What the framer tells, as text.
fn events(pieces: &[&[u8]]) -> Vec<String> {
    let mut told = Vec::new();
    let mut take = |event: Event<'_>| told.push(format!("{event:?}"));
    let mut framer = Framer::default();
    for piece in pieces {
        framer.push(piece, &mut take);
    }
    framer.finish(&mut take);
    told
}

/// A stream with everything in it that can go wrong.
fn stream() -> Vec<u8> {
    let good = real_time("DataTime=20260801090000;a21026-Rtd=1.5,a21026-Flag=N");
    let segment = &good[6..good.len() - 6];
    let tail = &good[good.len() - 6..];
    let mut bytes = b"\xFFnoise##\r\n".to_vec();
    for piece in [
        good.clone(),
        good.trim_end().to_owned(),
        format!("##0009{segment}{tail}"),
        good[..40].to_owned(),
        format!("##{:04}{segment}0000\n", segment.len()),
        "##0087QN=1;CP=&&{0x01,0x02}a&&4A40\r\n".to_owned(),
        format!("##{segment}{tail}###{}", segment.len()),
        good[..60].to_owned(),
        "##12##3".to_owned(),
        frame("QN=1;CP=&&i11001-Info=//a##4b\r\nc//&&"),
        "##1024QN=2".to_owned(),
        good,
        "##0040QN=20260801&&".to_owned(),
    ] {
        bytes.extend(piece.bytes());
    }
    bytes
}

#[test]
fn how_the_bytes_are_cut_changes_nothing() {
    let bytes = stream();
    let whole = events(&[&bytes]);
    assert!(
        whole.iter().filter(|e| e.contains("check: Right")).count() >= 6,
        "{whole:#?}"
    );
    for cut in 0..=bytes.len() {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(events(&[a, b]), whole, "cut at {cut}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(events(&single), whole);
}

#[test]
fn random_streams_cut_at_random_say_the_same() {
    let pieces: [&[u8]; 12] = [
        b"##",
        b"#",
        b"0101",
        b"12",
        b"QN=1;",
        b"CP=&&",
        b"&&",
        b"1C80",
        b"\r\n",
        b"\n",
        b"{0x01}",
        b"\xE6\xB8",
    ];
    let good = real_time("DataTime=20260801090000;a21026-Rtd=1.5");
    let mut random = Random::seeded(212);
    for round in 0..400 {
        let mut bytes = Vec::new();
        for _ in 0..random.bits() % 60 {
            match random.bits() % 14 {
                12 => bytes.extend(good.bytes()),
                13 => bytes.push(random.bits() as u8),
                n => bytes.extend(pieces[n as usize]),
            }
        }
        let whole = events(&[&bytes]);
        let mut cuts: Vec<&[u8]> = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(1 + random.bits() as usize % 30));
            cuts.push(piece);
            rest = after;
        }
        assert_eq!(events(&cuts), whole, "round {round}");
        decode(&bytes, Some("0000000000000000"));
    }
}

#[test]
fn a_good_frame_survives_whatever_comes_before_it() {
    let good = real_time("DataTime=20260801090000;a21026-Rtd=1.5");
    let mut random = Random::seeded(9);
    for round in 0..300 {
        let mut bytes: Vec<u8> = match round % 3 {
            0 => (0..random.bits() % 300)
                .map(|_| random.bits() as u8)
                .collect(),
            1 => good.as_bytes()[..random.bits() as usize % good.len()].to_vec(),
            _ => b"##9".repeat(random.bits() as usize % 90),
        };
        bytes.extend(b"\r\n");
        let offset = bytes.len();
        bytes.extend(good.bytes());
        let found = decode(&bytes, None);
        let last = found.last().expect("a line");
        assert_eq!(
            (last["offset"].as_u64(), last["verdict"].as_str()),
            (Some(offset as u64), Some("ok")),
            "round {round}"
        );
    }
}

#[test]
fn a_frame_that_waits_for_its_answer_comes_out_at_once() {
    let good = real_time("DataTime=20260801090000;a21026-Rtd=1.5");
    let wrong_length = good.replacen("##0", "##1", 1);
    for (bytes, from) in [
        (good.trim_end().to_owned(), 0),
        (wrong_length, 0),
        (format!("{}{good}", &good[..30]), 30),
    ] {
        let mut framer = Framer::default();
        let mut found = Vec::new();
        framer.push(bytes.as_bytes(), &mut |event| {
            if let Event::Frame(frame) = event {
                found.push((frame.offset, frame.check));
            }
        });
        assert_eq!(found, [(from, Check::Right)], "{bytes}");
    }
}

#[test]
fn what_never_ends_is_bounded() {
    let mut framer = Framer::default();
    let mut told = 0u64;
    let mut take = |event: Event<'_>| {
        told += match event {
            Event::Broken { raw, .. } => raw.len() as u64,
            Event::Garbage(garbage) => garbage.length,
            other => panic!("{other:?}"),
        }
    };
    let mut sent = 0;
    for _ in 0..40 {
        let piece = [
            b"##9999".as_slice(),
            &b"x".repeat(3000),
            b"##1".repeat(40).as_slice(),
        ]
        .concat();
        sent += piece.len() as u64;
        framer.push(&piece, &mut take);
        assert!(
            framer.waiting() <= FRAME_MAX + 16,
            "{} bytes wait",
            framer.waiting()
        );
    }
    framer.finish(&mut take);
    assert_eq!(told, sent);
}

/// The readings of all frames that are believed, and whether anything was noticed.
fn read(bytes: &[u8]) -> (Vec<Reading>, bool) {
    let (mut readings, mut is_noticed) = (Vec::new(), false);
    let mut take = |event: Event<'_>| match event {
        Event::Frame(frame) => {
            let text = Text::open(&frame, None);
            let mut message = text.read();
            let context = Context {
                received_at: None,
                is_length_wrong: text.is_length_wrong,
            };
            let complaints = &mut message.complaints;
            let said = reading::said(&message.segment, &message.data, context, complaints);
            is_noticed |= !complaints.is_empty();
            if text.crc.is_right == Some(true) {
                readings.extend(said.measured.into_iter().map(|measured| measured.reading));
            }
        }
        Event::Ending { .. } => {}
        Event::Broken { .. } | Event::Garbage(_) => is_noticed = true,
    };
    let mut framer = Framer::default();
    framer.push(bytes, &mut take);
    framer.finish(&mut take);
    (readings, is_noticed)
}

/// A frame, every byte of it changed to every value: it is noticed, or says the same; and no wrong value is good.
#[test]
fn every_single_changed_byte_is_noticed_or_changes_nothing() {
    let good = real_time("DataTime=20260801090000;a21026-Rtd=1.5,a21026-Flag=N");
    let said = read(good.as_bytes());
    assert_eq!((said.0.len(), said.1), (1, false));
    let mut bytes = good.into_bytes();
    for at in 0..bytes.len() {
        let was = bytes[at];
        for byte in (0..=255u8).filter(|byte| *byte != was) {
            bytes[at] = byte;
            let (readings, is_noticed) = read(&bytes);
            let place = format!("byte {at} became {byte:#04x}");
            assert!(is_noticed || readings == said.0, "{place}");
            let is_wrong = |r: &Reading| r.quality.is_good() && !said.0.contains(r);
            assert!(
                !readings.iter().any(is_wrong),
                "{place}, and a wrong value is good"
            );
        }
        bytes[at] = was;
    }
}

#[test]
fn what_the_simulator_encodes_is_what_is_read() {
    let mut random = Random::seeded(5);
    for _ in 0..200 {
        let values: Vec<f64> = (0..1 + random.bits() % 12)
            .map(|_| (random.unit() * 1e5).round() / 100.0)
            .collect();
        let items: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(n, v)| format!("x{n:05}-Rtd={v},x{n:05}-Flag=N"))
            .collect();
        let packet = Packet {
            qn: "20260801090000001".into(),
            st: "31".into(),
            cn: "2011".into(),
            pw: "123456".into(),
            mn: "010000A8900016F000169DC0".into(),
            flag: 9 + (random.bits() % 2) as u8 * 2,
            part: Some((3, 2)),
            is_backfill: random.bits().is_multiple_of(2),
            data: format!("DataTime=20260801085900;{}", items.join(";")),
        };
        let key = "0123456789abcdef";
        let used = random.bits().is_multiple_of(2).then_some(key);
        let bytes = packet.encode(
            used.and_then(|k| k.as_bytes().try_into().ok()),
            Checked::Right,
        );
        let lines = decode(&bytes, Some(key));
        assert_eq!(lines.len(), 1);
        let (line, fields) = (&lines[0], &lines[0]["fields"]);
        assert_eq!(line["crc"]["ok"], true);
        assert_eq!(fields["Flag"], packet.flag);
        assert_eq!(fields["PNO"], 2);
        assert_eq!(fields["RF"] == 1, packet.is_backfill);
        let read: Vec<f64> = line["readings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["value"].as_f64().unwrap())
            .collect();
        assert_eq!(read, values);
        assert_eq!(line["encrypted"], used.is_some());
    }
    assert_eq!(crc(b"123456789"), 0x2F80);
}
