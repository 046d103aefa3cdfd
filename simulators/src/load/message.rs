//! Messages made once and patched each time. All patched fields have a fixed width: times and numbers are
//! varints padded to their longest form, which protobuf allows.

use super::wire::{Input, put_publish, put_subscribe};

/// A value's three digits before the point are patched here; see [`Random::milli`].
const OVER_MILLI: u64 = 901_000;

/// What an agent sends, by encoding.
pub(super) trait Template: Send {
    /// What comes right after CONNECT.
    fn put_hello(&mut self, to: &mut Vec<u8>, now: i64);
    /// The next data message; gives how many values are over 900.
    fn put_data(&mut self, to: &mut Vec<u8>, now: i64, over_ppm: u32) -> u32;
    /// How many messages are confirmed after reading `input`; `before` it were.
    fn confirmed(&mut self, input: &mut Input, before: u64) -> u64;
    /// Bytes of a payload.
    fn payload_bytes(&self) -> usize;
}

/// xorshift: cheap, and the same run again for the same seed.
struct Random(u64);

impl Random {
    fn new(number: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9))
    }

    /// A value in thousandths: 100.000 to 499.999, or just over 900.
    fn milli(&mut self, over_ppm: u32) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        if over_ppm > 0 && ((self.0 >> 40) % 1_000_000) < u64::from(over_ppm) {
            return OVER_MILLI;
        }
        100_000 + self.0 % 400_000
    }
}

/// A device's message as bytes, with its last time.
struct Device {
    bytes: Vec<u8>,
    payload: usize,
    last_ms: i64,
}

impl Device {
    /// Times of one point never repeat.
    fn tick(&mut self, now: i64) -> i64 {
        self.last_ms = now.max(self.last_ms + 1);
        self.last_ms
    }
}

pub(super) struct Json {
    devices: Vec<Device>,
    turn: usize,
    values: Vec<usize>,
    time: usize,
    id_back: usize,
    id: u16,
    random: Random,
}

impl Json {
    pub fn new(site: &str, devices: usize, metrics: usize, number: usize) -> Self {
        let mut payload = String::from("{\"ts\":");
        let time = payload.len();
        payload.push_str("1000000000000,\"v\":{");
        let mut values = Vec::new();
        for metric in 0..metrics {
            if metric > 0 {
                payload.push(',');
            }
            payload.push_str(&format!("\"p{metric:02}\":"));
            values.push(payload.len());
            payload.push_str("100.000");
        }
        payload.push_str("}}");
        let devices = (0..devices.max(1))
            .map(|device| {
                let mut bytes = Vec::new();
                let topic = format!("gw/{site}/d{device:03}/data");
                let start = put_publish(&mut bytes, &topic, 1, payload.as_bytes());
                Device {
                    bytes,
                    payload: start,
                    last_ms: 0,
                }
            })
            .collect();
        Self {
            devices,
            turn: 0,
            values,
            time,
            id_back: 2,
            id: 0,
            random: Random::new(number),
        }
    }
}

fn put_digits(at: &mut [u8], mut n: u64) {
    for digit in at.iter_mut().rev() {
        *digit = b'0' + (n % 10) as u8;
        n /= 10;
    }
}

impl Template for Json {
    fn put_hello(&mut self, _: &mut Vec<u8>, _: i64) {}

    fn put_data(&mut self, to: &mut Vec<u8>, now: i64, over_ppm: u32) -> u32 {
        let turn = self.turn;
        self.turn = (turn + 1) % self.devices.len();
        let device = &mut self.devices[turn];
        self.id = self.id.checked_add(1).unwrap_or(1);
        let ms = device.tick(now);
        let (id_at, payload) = (device.payload - self.id_back, device.payload);
        device.bytes[id_at..payload].copy_from_slice(&self.id.to_be_bytes());
        let body = &mut device.bytes[payload..];
        put_digits(&mut body[self.time..self.time + 13], ms as u64);
        let mut over = 0;
        for &at in &self.values {
            let milli = self.random.milli(over_ppm);
            over += u32::from(milli > 900_000);
            put_digits(&mut body[at..at + 3], milli / 1000);
            put_digits(&mut body[at + 4..at + 7], milli % 1000);
        }
        to.extend_from_slice(&device.bytes);
        over
    }

    fn confirmed(&mut self, input: &mut Input, before: u64) -> u64 {
        let mut confirmed = before;
        while let Some((first, _)) = input.packet() {
            confirmed += u64::from(first == 0x40);
        }
        confirmed
    }

    fn payload_bytes(&self) -> usize {
        self.devices[0].bytes.len() - self.devices[0].payload
    }
}

pub(super) struct Sparkplug {
    site: String,
    name: String,
    stream: String,
    metrics: usize,
    devices: Vec<Device>,
    turn: usize,
    payload_time: usize,
    number_at: usize,
    times: Vec<usize>,
    values: Vec<usize>,
    seq_at: usize,
    seq: u8,
    record: u64,
    random: Random,
}

const TIME_WIDTH: usize = 6;
const NUMBER_WIDTH: usize = 6;

fn put_varint(to: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

/// A varint in exactly the width of `at`.
fn patch_varint(at: &mut [u8], mut n: u64) {
    let last = at.len() - 1;
    for (i, byte) in at.iter_mut().enumerate() {
        *byte = (n & 0x7f) as u8 | if i < last { 0x80 } else { 0 };
        n >>= 7;
    }
}

fn put_metric(to: &mut Vec<u8>, metric: &[u8]) -> usize {
    to.push(0x12);
    put_varint(to, metric.len() as u64);
    let start = to.len();
    to.extend_from_slice(metric);
    start
}

/// A metric of a birth.
fn named(name: &str, alias: Option<u64>, datatype: u64, value: &[u8]) -> Vec<u8> {
    let mut metric = vec![0x0a];
    put_varint(&mut metric, name.len() as u64);
    metric.extend_from_slice(name.as_bytes());
    if let Some(alias) = alias {
        metric.push(0x10);
        put_varint(&mut metric, alias);
    }
    metric.push(0x20);
    put_varint(&mut metric, datatype);
    metric.extend_from_slice(value);
    metric
}

impl Sparkplug {
    pub fn new(
        site: &str,
        name: &str,
        run: &str,
        devices: usize,
        metrics: usize,
        number: usize,
    ) -> Self {
        let mut payload = vec![0x08];
        let payload_time = payload.len();
        payload.resize(payload.len() + TIME_WIDTH, 0);
        let mut record = vec![0x10, 0x00, 0x58];
        let in_metric = record.len();
        record.resize(record.len() + NUMBER_WIDTH, 0);
        let number_at = put_metric(&mut payload, &record) + in_metric;
        let (mut times, mut values) = (Vec::new(), Vec::new());
        for alias in 1..=metrics as u64 {
            let mut metric = vec![0x10];
            put_varint(&mut metric, alias);
            metric.push(0x18);
            let time = metric.len();
            metric.resize(metric.len() + TIME_WIDTH, 0);
            metric.push(0x69);
            let value = metric.len();
            metric.resize(metric.len() + 8, 0);
            let start = put_metric(&mut payload, &metric);
            times.push(start + time);
            values.push(start + value);
        }
        payload.push(0x18);
        let seq_at = payload.len();
        payload.resize(payload.len() + 2, 0);
        let devices = (0..devices.max(1))
            .map(|device| {
                let mut bytes = Vec::new();
                let topic = format!("spBv1.0/{site}/DDATA/{name}/d{device:03}");
                let start = put_publish(&mut bytes, &topic, 0, &payload);
                Device {
                    bytes,
                    payload: start,
                    last_ms: 0,
                }
            })
            .collect();
        Self {
            site: site.to_owned(),
            name: name.to_owned(),
            stream: run.to_owned(),
            metrics,
            devices,
            turn: 0,
            payload_time,
            number_at,
            times,
            values,
            seq_at,
            seq: 0,
            record: 0,
            random: Random::new(number),
        }
    }
}

impl Template for Sparkplug {
    fn put_hello(&mut self, to: &mut Vec<u8>, now: i64) {
        let (site, name) = (&self.site, &self.name);
        put_subscribe(to, &format!("spBv1.0/{site}/NCMD/{name}"));
        let begin = |seq: u64| {
            let mut payload = vec![0x08];
            put_varint(&mut payload, now as u64);
            payload.push(0x18);
            put_varint(&mut payload, seq);
            payload
        };
        let mut birth = begin(0);
        put_metric(&mut birth, &named("bdSeq", None, 8, &[0x58, 0]));
        let mut stream = vec![0x7a];
        put_varint(&mut stream, self.stream.len() as u64);
        stream.extend_from_slice(self.stream.as_bytes());
        put_metric(&mut birth, &named("OneDoor/Stream", None, 12, &stream));
        put_metric(
            &mut birth,
            &named("OneDoor/Sequence", Some(0), 8, &[0x38, 1]),
        );
        put_publish(to, &format!("spBv1.0/{site}/NBIRTH/{name}"), 0, &birth);
        for device in 0..self.devices.len() {
            self.seq = self.seq.wrapping_add(1);
            let mut birth = begin(u64::from(self.seq));
            for metric in 0..self.metrics {
                let name = format!("p{metric:02}");
                put_metric(
                    &mut birth,
                    &named(&name, Some(metric as u64 + 1), 10, &[0x38, 1]),
                );
            }
            put_publish(
                to,
                &format!("spBv1.0/{site}/DBIRTH/{name}/d{device:03}"),
                0,
                &birth,
            );
        }
    }

    fn put_data(&mut self, to: &mut Vec<u8>, now: i64, over_ppm: u32) -> u32 {
        let turn = self.turn;
        self.turn = (turn + 1) % self.devices.len();
        let device = &mut self.devices[turn];
        self.seq = self.seq.wrapping_add(1);
        self.record += 1;
        let ms = device.tick(now) as u64;
        let body = &mut device.bytes[device.payload..];
        let mut time = [0; TIME_WIDTH];
        patch_varint(&mut time, ms);
        body[self.payload_time..self.payload_time + TIME_WIDTH].copy_from_slice(&time);
        patch_varint(
            &mut body[self.number_at..self.number_at + NUMBER_WIDTH],
            self.record,
        );
        patch_varint(&mut body[self.seq_at..self.seq_at + 2], u64::from(self.seq));
        let mut over = 0;
        for (&time_at, &value_at) in self.times.iter().zip(&self.values) {
            let milli = self.random.milli(over_ppm);
            over += u32::from(milli > 900_000);
            body[time_at..time_at + TIME_WIDTH].copy_from_slice(&time);
            body[value_at..value_at + 8].copy_from_slice(&(milli as f64 / 1000.0).to_le_bytes());
        }
        to.extend_from_slice(&device.bytes);
        over
    }

    fn confirmed(&mut self, input: &mut Input, before: u64) -> u64 {
        let mut confirmed = before;
        while let Some((first, body)) = input.packet() {
            if first & 0xf0 == 0x30
                && let Some(through) = through(&body)
            {
                confirmed = confirmed.max(through);
            }
        }
        confirmed
    }

    fn payload_bytes(&self) -> usize {
        self.devices[0].bytes.len() - self.devices[0].payload
    }
}

/// The number in the metric `OneDoor/Through` of a receipt.
fn through(publish: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"OneDoor/Through";
    let at = publish
        .windows(NAME.len())
        .position(|window| window == NAME)?
        + NAME.len();
    // Data type, then the long value.
    let value = publish.get(at..)?.strip_prefix(&[0x20, 8, 0x58])?;
    let mut n = 0;
    for (i, byte) in value.iter().enumerate().take(10) {
        n |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}
