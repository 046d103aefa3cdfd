//! The line against an echo.

use super::*;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream as Plain;

fn echo() -> SocketAddr {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut back = stream.try_clone().unwrap();
                // Ends when either side closes.
                let _ = io::copy(&mut &stream, &mut back);
            });
        }
    });
    address
}

fn line(seed: u64) -> (Link, Plain) {
    let link = Link::start("127.0.0.1:0".parse().unwrap(), echo(), seed).unwrap();
    let client = Plain::connect(link.address()).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    (link, client)
}

fn ask(client: &mut Plain, said: &[u8]) -> io::Result<Vec<u8>> {
    client.write_all(said)?;
    let mut heard = vec![0; said.len()];
    client.read_exact(&mut heard)?;
    Ok(heard)
}

#[test]
fn a_line_without_fault_passes_every_byte_and_counts_it() {
    let (link, mut client) = line(1);
    let said: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    let mut writer = client.try_clone().unwrap();
    let sent = said.clone();
    let writing = std::thread::spawn(move || writer.write_all(&sent));
    let mut heard = vec![0; said.len()];
    client.read_exact(&mut heard).unwrap();
    writing.join().unwrap().unwrap();
    assert!(heard == said);
    let passed = link.passed();
    assert_eq!((passed.bytes_up, passed.bytes_down), (200_000, 200_000));
    assert_eq!((passed.connections, passed.cuts), (1, 0));
}

#[test]
fn a_half_open_line_holds_what_is_said_accepts_the_next_and_answers_nobody() {
    let (link, mut client) = line(2);
    ask(&mut client, b"a").unwrap();
    link.set(Fault::HalfOpen(Way::Down));
    client.write_all(b"b").unwrap();
    client
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let silence = client.read(&mut [0]).unwrap_err();
    assert!(matches!(
        silence.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut
    ));
    let mut next = Plain::connect(link.address()).unwrap();
    next.set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    assert!(ask(&mut next, b"c").is_err());
    link.set(Fault::None);
    client
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut held = [0];
    client.read_exact(&mut held).unwrap();
    assert_eq!(&held, b"b");
}

#[test]
fn a_closed_line_resets_what_is_there_and_what_comes() {
    let (link, mut client) = line(3);
    ask(&mut client, b"a").unwrap();
    link.set(Fault::Closed);
    assert_eq!(
        client.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    let mut next = Plain::connect(link.address()).unwrap();
    assert!(ask(&mut next, b"b").is_err());
    link.set(Fault::None);
    let mut after = Plain::connect(link.address()).unwrap();
    assert_eq!(ask(&mut after, b"c").unwrap(), b"c");
    assert_eq!(link.passed().cuts, 1);
}

#[test]
fn bits_are_turned_at_the_rate_and_in_the_direction_that_is_asked_for() {
    let turned = |way| {
        let (link, mut client) = line(4);
        link.set(Fault::Flips {
            per_byte: 0.01,
            way,
        });
        let heard = ask(&mut client, &[0; 10_000]).unwrap();
        let bits: u32 = heard.iter().map(|byte| byte.count_ones()).sum();
        (u64::from(bits), link.passed().flips)
    };
    let (bits, flips) = turned(Way::Up);
    assert_eq!(bits, flips);
    assert!((60..150).contains(&flips), "{flips}");
    assert_eq!(
        turned(Way::Up).1,
        flips,
        "the same seed, the same bytes, the same flips"
    );
}

#[test]
fn a_slow_line_takes_its_time() {
    let (link, mut client) = line(5);
    link.set(Fault::Slow {
        bytes_per_s: 10_000,
    });
    let began = std::time::Instant::now();
    ask(&mut client, &[7; 4_000]).unwrap();
    let took = began.elapsed();
    assert!(took > Duration::from_millis(300), "{took:?}");
}

#[test]
fn the_line_trips_behind_the_packet_that_was_named() {
    // PINGREQ, then PUBLISH with 200 bytes, then PINGREQ, as MQTT packets.
    let mut said = vec![0xc0, 0];
    said.extend([0x30, 0xc8, 0x01]);
    said.extend([9; 200]);
    said.extend([0xc0, 0]);
    let (link, mut client) = line(6);
    link.trip_after(Way::Down, 2);
    client.write_all(&said).unwrap();
    let mut heard = Vec::new();
    let ended = client.read_to_end(&mut heard);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(heard, said[..205]);
    assert!(link.has_tripped());
    let mut next = Plain::connect(link.address()).unwrap();
    assert!(ask(&mut next, b"a").is_err(), "closed until a fault is set");
}

#[test]
fn faults_and_plans_are_read_from_words() {
    let plan: Plan =
        "10s ok, 5s cut, 250ms half-open up,1s slow 2000,1s delay 20ms, 1s flip 1e-4, 1s cuts 0.5"
            .parse()
            .unwrap();
    let faults = [
        Fault::None,
        Fault::Closed,
        Fault::HalfOpen(Way::Up),
        Fault::Slow { bytes_per_s: 2000 },
        Fault::Delay(Duration::from_millis(20)),
        Fault::Flips {
            per_byte: 1e-4,
            way: Way::Both,
        },
        Fault::Cuts { per_s: 0.5 },
    ];
    assert_eq!(plan.0.iter().map(|step| step.1).collect::<Vec<_>>(), faults);
    assert_eq!(plan.0[2].0, Duration::from_millis(250));
    for wrong in [
        "",
        "10s",
        "ok",
        "0s ok",
        "1s slow",
        "1s flip x",
        "1s half-open left",
        "-1s ok",
    ] {
        assert!(wrong.parse::<Plan>().is_err(), "{wrong:?}");
    }
}
