//! When the frames of an MPEG transport stream are to be shown (ISO/IEC 13818-1: packets 2.4.3.2, PES 2.4.3.6). Pure.
//!
//! Reads what ffmpeg writes for one video stream: no PSI is needed, since stream ids 0xE0 to 0xEF are video.

/// Bytes of a packet.
pub const PACKET: usize = 188;
/// Ticks of a presentation time in a second.
pub const TICKS: u64 = 90_000;
/// Presentation times begin anew after so many ticks.
pub const WRAP: u64 = 1 << 33;

/// All video frames in the order of the stream: where the first packet of each begins, and its presentation time. Bytes that
/// are no packet are passed over.
pub fn frames(stream: &[u8]) -> Vec<(usize, u64)> {
    let mut frames = Vec::new();
    let mut from = 0;
    while let Some(packet) = stream.get(from..from + PACKET) {
        if packet[0] != 0x47 {
            from += 1;
            continue;
        }
        frames.extend(time(packet).map(|pts| (from, pts)));
        from += PACKET;
    }
    frames
}

fn time(packet: &[u8]) -> Option<u64> {
    let begins = packet[1] & 0x40 != 0;
    let has_payload = packet[3] & 0x10 != 0;
    let has_field = packet[3] & 0x20 != 0;
    if !begins || !has_payload {
        return None;
    }
    let skip = 4 + if has_field {
        1 + usize::from(packet[4])
    } else {
        0
    };
    let pes = packet.get(skip..)?;
    let is_video = pes.starts_with(&[0, 0, 1]) && pes.get(3).is_some_and(|id| id & 0xf0 == 0xe0);
    if !is_video || pes.get(7)? & 0x80 == 0 {
        return None;
    }
    let [a, b, c, d, e] = *pes.get(9..14)?.first_chunk::<5>()?;
    let [a, b, c, d, e] = [a, b, c, d, e].map(u64::from);
    Some((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
}

/// Ticks from one time to another; times that began anew in between are understood.
pub fn between(from: u64, to: u64) -> i64 {
    let ticks = (to.wrapping_sub(from)) % WRAP;
    match ticks > WRAP / 2 {
        true => ticks as i64 - WRAP as i64,
        false => ticks as i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pts: u64, with_field: bool) -> Vec<u8> {
        let mut bytes = vec![0x47, 0x41, 0x00, if with_field { 0x30 } else { 0x10 }];
        if with_field {
            bytes.extend([7, 0x10, 0, 0, 0, 0, 0x7e, 0]);
        }
        bytes.extend([0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5]);
        let stamp = [
            0x21 | (pts >> 29 & 0xe) as u8,
            (pts >> 22) as u8,
            (pts >> 14 | 1) as u8,
            (pts >> 7) as u8,
            (pts << 1 | 1) as u8,
        ];
        bytes.extend(stamp);
        bytes.resize(PACKET, 0xff);
        bytes
    }

    #[test]
    fn frames_are_found_with_their_times_which_wrap() {
        let wanted = [0, 1, 3_600, 900_000, 0x1_2345_6789, WRAP - 1];
        let mut stream = b"rubbish".to_vec();
        for (n, pts) in wanted.iter().enumerate() {
            stream.extend(packet(*pts, n % 2 == 0));
            // A packet that continues, and one of another stream.
            stream.extend([&[0x47, 0x01, 0x00, 0x10][..], &[0; PACKET - 4]].concat());
        }
        stream.extend([0x47, 0x41]);
        let expected: Vec<(usize, u64)> = (0..)
            .map(|n| b"rubbish".len() + 2 * PACKET * n)
            .zip(wanted)
            .collect();
        assert_eq!(frames(&stream), expected);
        assert_eq!(between(WRAP - 10, 80), 90);
        assert_eq!(between(80, WRAP - 10), -90);
    }
}
