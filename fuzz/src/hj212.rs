//! Any bytes as what a data logger sends, cut at any places: the same events and readings as uncut, every byte in
//! one of them, never a panic. The first two bytes choose the cuts.
use contract::Timestamp;
use edge_agent::source::hj212::{
    frame::{Event, Framer},
    message::Text,
    reading::{self, Context},
    reply,
    sm4::Key,
};

/// See above.
pub fn check(input: &[u8]) {
    let Some((seed, bytes)) = input.split_first_chunk::<2>() else {
        return;
    };
    let key: Key = "0123456789ABCDEF".parse().expect("16 characters");
    let whole = told(bytes, &key, |_| usize::MAX);
    let mut state = u64::from(u16::from_le_bytes(*seed)) + 1;
    let cut = told(bytes, &key, |left| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        1 + (state >> 33) as usize % left.min(97)
    });
    assert_eq!(whole, cut);
}

fn told(mut bytes: &[u8], key: &Key, mut size: impl FnMut(usize) -> usize) -> Vec<String> {
    let mut told = Vec::new();
    let mut framer = Framer::default();
    let mut each = |event: Event<'_>| told.push(show(&event, key));
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(size(bytes.len()).min(bytes.len()));
        framer.push(piece, &mut each);
        bytes = rest;
    }
    framer.finish(&mut each);
    assert_eq!(framer.waiting(), 0);
    told
}

fn show(event: &Event<'_>, key: &Key) -> String {
    let Event::Frame(frame) = event else {
        return format!("{event:?}");
    };
    let mut shown = format!("{frame:?}");
    for key in [None, Some(key)] {
        let text = Text::open(frame, key);
        let mut message = text.read();
        let context = Context {
            received_at: Some(Timestamp::from_millis(1_767_225_600_000)),
            is_length_wrong: text.is_length_wrong,
        };
        let said = reading::said(
            &message.segment,
            &message.data,
            context,
            &mut message.complaints,
        );
        for measured in &said.measured {
            let reading = &measured.reading;
            assert!(reading.value.is_none_or(f64::is_finite), "{reading:?}");
        }
        let due = reply::due(&message.segment, &message.data);
        shown += &format!("{said:?} {:?} {due:?}", message.complaints);
    }
    shown
}
