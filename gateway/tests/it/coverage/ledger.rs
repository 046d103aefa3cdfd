use contract::{Absence, AgentId, DeviceId, Gap, GapReason, PointName, Quality, SiteId, Timestamp};
use gateway::coverage::{self, Balance, Coverage, Why, promise};
use gateway::ingest::dictionary::{Dictionary, Point, PointKey};
use gateway::ingest::record::{DataHead, Encoder, GapEntry, Sample, Session};
use journal::{Journal, Options, Staged};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const MIN: i64 = 60_000;
const DAY: i64 = 86_400_000;
/// 2026-11-18, 21:00 in +08:00.
const T0: i64 = 1_795_006_800_000;
const POINTS: usize = 6;

struct Random(u64);

impl Random {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as i64 % n
    }

    fn one_in(&mut self, n: i64) -> bool {
        self.below(n) == 0
    }
}

/// Points 0 to 2 are of agent a (device d0: 0 and 1, device d1: 2), 3 to 5 of agent b in the same way.
fn device_of(point: usize) -> usize {
    point / 3 * 2 + point % 3 / 2
}

/// A promise as the model keeps it: every instant at which something came, one by one.
#[derive(Debug)]
struct Span {
    begins: i64,
    ends: Option<i64>,
    every: i64,
    phase: Option<i64>,
    came: BTreeSet<i64>,
}

impl Span {
    /// The instant nearest to `at`, found by walking.
    fn nearest(&self, at: i64) -> i64 {
        let mut instant = self.phase.unwrap_or(self.begins);
        while instant + self.every <= at {
            instant += self.every;
        }
        while instant > at {
            instant -= self.every;
        }
        let next = instant + self.every;
        if next - at <= at - instant {
            next
        } else {
            instant
        }
    }

    fn instants(&self, from: i64, to: i64) -> Vec<i64> {
        let mut instant = self.nearest(from) - 2 * self.every;
        let mut found = Vec::new();
        while instant < to {
            let is_due = instant >= self.begins && self.ends.is_none_or(|ends| instant < ends);
            if is_due && instant >= from {
                found.push(instant);
            }
            instant += self.every;
        }
        found
    }
}

#[derive(Debug, Default, Clone)]
struct Came {
    in_time: u64,
    late: u64,
    absent: BTreeMap<u8, u64>,
    free: u64,
}

#[derive(Debug, Default)]
struct Model {
    spans: [Vec<Span>; POINTS],
    reborn: [bool; POINTS],
    came: BTreeMap<(usize, i32), Came>,
    gaps: Vec<(usize, i64, i64, GapReason)>,
    as_of: i64,
}

impl Model {
    fn node_birth(&mut self, agent: usize, at: i64) {
        for point in 3 * agent..3 * agent + 3 {
            if let Some(last) = self.spans[point].last_mut() {
                last.ends.get_or_insert(at);
            }
        }
    }

    fn promise(&mut self, point: usize, at: i64, every: i64) {
        let spans = &mut self.spans[point];
        if every == 0 {
            if let Some(last) = spans.last_mut() {
                last.ends.get_or_insert(at);
            }
            return;
        }
        self.reborn[point] = true;
        if let Some(last) = spans.last_mut() {
            if last.every == every && last.ends.is_none_or(|ends| at - ends <= 10 * MIN) {
                last.ends = None;
                return;
            }
            last.ends.get_or_insert(at);
        }
        let (begins, ends, phase, came) = (at, None, None, BTreeSet::new());
        spans.push(Span {
            begins,
            ends,
            every,
            phase,
            came,
        });
    }

    fn reading(&mut self, point: usize, at: i64, now: i64, historical: bool, absent: Option<u8>) {
        let spans = &mut self.spans[point];
        let place = spans.iter().rposition(|s| s.begins <= at);
        let place = place.filter(|&i| spans[i].ends.is_none_or(|ends| at < ends));
        let mut day = promise::day_of(at);
        let mut every = 0;
        if let Some(mut place) = place {
            if self.reborn[point] && place + 1 == spans.len() && !historical {
                self.reborn[point] = false;
                let last = &mut spans[place];
                let begins = at - last.every / 2;
                let moved = (at - last.nearest(at)).abs() > last.every / 4;
                let newest = last.came.last().is_none_or(|instant| *instant < begins);
                if last.phase.is_some() && moved && newest && begins > last.begins {
                    last.ends = Some(begins);
                    let (ends, every, phase, came) = (None, last.every, Some(at), BTreeSet::new());
                    spans.push(Span {
                        begins,
                        ends,
                        every,
                        phase,
                        came,
                    });
                    place += 1;
                }
            }
            let span = &mut spans[place];
            span.phase.get_or_insert(at);
            let instant = span.nearest(at);
            span.came.insert(instant);
            (day, every) = (promise::day_of(instant), span.every);
        }
        let is_free = place.is_none();
        let came = self.came.entry((point, day)).or_default();
        match absent {
            Some(code) => *came.absent.entry(code).or_default() += 1,
            None if historical || now - at > MIN.max(2 * every) => came.late += 1,
            None => came.in_time += 1,
        }
        came.free += u64::from(is_free);
    }

    fn balance(&self, point: usize, day: i32) -> Balance {
        let came = self.came.get(&(point, day)).cloned().unwrap_or_default();
        let mut found = Balance {
            expected: came.free,
            in_time: came.in_time,
            late: came.late,
            ..Balance::default()
        };
        for (code, n) in came.absent {
            found.missing.insert(Why::Absence(code), n);
        }
        let heard = came.in_time + came.late + found.missing_all();
        let mut covered = came.free;
        let (from, to) = (promise::day_begins(day), promise::day_begins(day + 1));
        for span in &self.spans[point] {
            let told = self.as_of - MIN.max(2 * span.every);
            for instant in span.instants(from, to) {
                if span.came.contains(&instant) {
                    covered += 1;
                    found.expected += 1;
                    continue;
                }
                if instant > told {
                    continue;
                }
                found.expected += 1;
                let reason = self.gaps.iter().find(|(device, from, to, _)| {
                    let within = span.nearest(*from)..=span.nearest(*to);
                    *device == device_of(point) && within.contains(&instant)
                });
                match reason {
                    Some((.., reason)) => *found.missing.entry(Why::Gap(*reason)).or_default() += 1,
                    None => found.silent += 1,
                }
            }
        }
        found.extra = heard - covered;
        found
    }
}

struct World {
    folder: tempfile::TempDir,
    journal: Journal,
    dictionary: Dictionary,
    model: Model,
    random: Random,
    now: i64,
}

fn agent_id(agent: usize) -> AgentId {
    AgentId::new(["a", "b"][agent]).unwrap()
}

fn device_id(device: usize) -> DeviceId {
    DeviceId::new(format!("d{}", device % 2)).unwrap()
}

fn site_of(agent: usize) -> SiteId {
    SiteId::new(["s0", "s1"][agent]).unwrap()
}

impl World {
    fn new(seed: u64) -> World {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&folder.path().join("journal.db"), Options::small()).unwrap();
        let dictionary = Dictionary::default();
        for point in 0..POINTS {
            let (key, _) = dictionary.intern(Point {
                site: site_of(point / 3),
                agent: Some(agent_id(point / 3)),
                device: device_id(device_of(point)),
                name: PointName::new(format!("p{point}")).unwrap(),
                unit: String::new(),
                factor: String::new(),
                every_ms: None,
            });
            assert_eq!(key.0 as usize, point);
        }
        World {
            folder,
            journal,
            dictionary,
            model: Model::default(),
            random: Random(seed),
            now: T0,
        }
    }

    fn write(&self, encoder: Encoder) {
        let (body, count) = encoder.finish();
        let staged = Staged {
            at_ms: self.now,
            count,
            body,
            notes: Vec::new(),
        };
        self.journal.append_blocking(staged).unwrap();
    }

    fn session(&mut self, agent: usize, device: Option<usize>, promises: Vec<(PointKey, u64)>) {
        let mut encoder = Encoder::default();
        encoder.session(&Session {
            at: Timestamp::from_millis(self.now),
            site: site_of(agent),
            agent: agent_id(agent),
            device: device.map(device_id),
            is_online: true,
            promises,
        });
        self.write(encoder);
        self.model.as_of = self.now;
    }

    fn births(&mut self, agent: usize, every: &mut [i64; POINTS]) {
        self.model.node_birth(agent, self.now);
        self.session(agent, None, Vec::new());
        for device in [2 * agent, 2 * agent + 1] {
            if self.random.one_in(12) {
                continue; // a device that is no longer there
            }
            self.now += self.random.below(3_000);
            let mut promises = Vec::new();
            for (point, every) in every.iter_mut().enumerate() {
                if device_of(point) != device {
                    continue;
                }
                if self.random.one_in(8) {
                    let choice = self.random.below(5) as usize;
                    *every = [0, 7 * MIN, 10 * MIN, 25 * MIN, 61 * MIN + 13][choice];
                }
                promises.push((PointKey(point as u32), *every as u64));
                self.model.promise(point, self.now, *every);
            }
            self.session(agent, Some(device), promises);
        }
    }

    fn reading(&mut self, point: usize, at: i64, is_historical: bool, quality: Quality) {
        let mut encoder = Encoder::default();
        let head = DataHead {
            is_historical,
            is_plain: false,
            received_at: Timestamp::from_millis(self.now),
            edge_at: Timestamp::from_millis(self.now),
            sequence: 1,
        };
        let sample = Sample {
            point: PointKey(point as u32),
            at_ms: at,
            value: 1.0,
            quality,
        };
        encoder.data(head, &[sample]);
        self.write(encoder);
        let absent = matches!(quality, Quality::Missing(_)).then(|| quality.code());
        self.model
            .reading(point, at, self.now, is_historical, absent);
        self.model.as_of = self.now;
    }

    fn gap(&mut self, device: usize, from: i64, to: i64, reason: GapReason) {
        let mut encoder = Encoder::default();
        encoder.gap(&GapEntry {
            received_at: Timestamp::from_millis(self.now),
            site: site_of(device / 2),
            agent: agent_id(device / 2),
            device: device_id(device),
            sequence: 1,
            gap: Gap {
                from: Timestamp::from_millis(from),
                to: Timestamp::from_millis(to),
                readings: 1,
                reason,
                records: None,
            },
        });
        self.write(encoder);
        self.model.gaps.push((device, from, to, reason));
    }

    fn tick(&mut self) {
        let mut encoder = Encoder::default();
        encoder.tick(Timestamp::from_millis(self.now));
        self.write(encoder);
        self.model.as_of = self.now;
    }

    fn ledger(&self, file: &str) -> coverage::Running {
        let path = self.folder.path().join(file);
        coverage::start(&path, &self.journal, &self.dictionary, None).unwrap()
    }

    fn compare(&self, ledger: &Coverage, what: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while ledger.progress().0 < self.journal.head().0.0 {
            assert!(Instant::now() < deadline, "the ledger does not follow");
            std::thread::sleep(Duration::from_millis(2));
        }
        let points: Vec<_> = (0..POINTS as u32)
            .map(|n| (PointKey(n), self.dictionary.get(PointKey(n)).unwrap()))
            .collect::<Vec<(PointKey, Arc<Point>)>>();
        let days = promise::day_of(T0) - 1..=promise::day_of(self.now) + 1;
        let lines = ledger.balances(&points, days.clone()).unwrap();
        for point in 0..POINTS {
            for day in days.clone() {
                let line = lines.iter().find(|l| l.place == point && l.day == day);
                let found = line.map(|l| l.balance.clone()).unwrap_or_default();
                assert!(found.is_balanced(), "{what}: {found:?}");
                let expected = self.model.balance(point, day);
                assert_eq!(found, expected, "{what}: point {point}, day {day}");
            }
        }
    }
}

fn quality(random: &mut Random) -> Quality {
    match random.below(12) {
        0 => Quality::Missing(Absence::NoAnswer),
        1 => Quality::Missing(Absence::NoConnection),
        2 => Quality::Suspect(contract::Doubt::OutOfRange),
        _ => Quality::Good,
    }
}

/// Four days of two agents that lose their link, restart, change what they promise, give readings up and catch up.
fn history(seed: u64) {
    let mut world = World::new(seed);
    let mut every = [7 * MIN, 10 * MIN, 25 * MIN, 10 * MIN, 61 * MIN + 13, 0];
    let mut starts = [T0 + 1_234, T0 + 98_765];
    let mut is_linked = [true, true];
    let mut waiting: [Vec<(usize, i64)>; 2] = Default::default();
    let mut ledger = world.ledger("stops.db");
    for agent in [0, 1] {
        world.births(agent, &mut every);
    }
    let mut polled = [T0; POINTS];
    while world.now < T0 + 4 * DAY {
        world.now += 2 * MIN + world.random.below(MIN);
        for agent in [0, 1] {
            if world.random.one_in(150) {
                starts[agent] = world.now - world.random.below(20 * MIN); // the agent starts anew
                world.births(agent, &mut every);
            }
            if world.random.one_in(if is_linked[agent] { 120 } else { 40 }) {
                is_linked[agent] = !is_linked[agent];
                if is_linked[agent] {
                    world.births(agent, &mut every);
                }
            }
        }
        for point in 0..POINTS {
            let (agent, step) = (
                point / 3,
                if every[point] > 0 {
                    every[point]
                } else {
                    9 * MIN
                },
            );
            let mut due =
                starts[agent] + (polled[point] - starts[agent]).div_euclid(step) * step + step;
            while due <= world.now {
                polled[point] = due;
                let at = due + world.random.below(step / 10);
                due += step;
                if world.random.one_in(40) {
                    continue; // lost without a word
                }
                if !is_linked[agent] {
                    waiting[agent].push((point, at));
                } else {
                    let quality = quality(&mut world.random);
                    world.reading(point, at, false, quality);
                    if world.random.one_in(15) {
                        world.reading(point, at + step / 3, false, Quality::Good); // more than promised
                    }
                }
            }
        }
        for agent in [0, 1] {
            if !is_linked[agent] {
                // The buffer is full: the oldest go, and a gap record says so.
                if waiting[agent].len() > 60 {
                    let gone: Vec<_> = waiting[agent].drain(..20).collect();
                    for device in [2 * agent, 2 * agent + 1] {
                        let times = gone.iter().filter(|(p, _)| device_of(*p) == device);
                        let times: Vec<i64> = times.map(|(_, at)| *at).collect();
                        if let (Some(from), Some(to)) = (times.iter().min(), times.iter().max()) {
                            world.gap(device, *from, *to, GapReason::BufferFull);
                        }
                    }
                }
                continue;
            }
            for _ in 0..4 {
                if let Some((point, at)) = waiting[agent].pop() {
                    let quality = quality(&mut world.random);
                    world.reading(point, at, true, quality);
                }
            }
        }
        if world.random.one_in(3) {
            world.tick();
        }
        if world.random.one_in(400) {
            let from = world.now - world.random.below(DAY);
            let reason = [GapReason::Damaged, GapReason::AgentOff][world.random.below(2) as usize];
            let device = world.random.below(4) as usize;
            let to = from + world.random.below(2 * 60 * MIN);
            world.gap(device, from, to, reason);
        }
        if world.random.one_in(300) {
            ledger.follow.stop();
            ledger = world.ledger("stops.db");
        }
    }
    world.compare(&ledger.coverage, &format!("seed {seed}, with stops"));
    ledger.follow.stop();
    let again = world.ledger("stops.db");
    world.compare(&again.coverage, &format!("seed {seed}, read back"));
    again.follow.stop();
    let replayed = world.ledger("replayed.db");
    world.compare(&replayed.coverage, &format!("seed {seed}, replayed"));
    replayed.follow.stop();
}

#[test]
fn random_histories_balance_exactly_and_agree_with_a_model_whatever_stops_it() {
    for seed in 1..=6 {
        history(seed);
    }
}

#[test]
fn a_day_without_faults_is_whole_and_nothing_is_lost_to_rounding() {
    let mut world = World::new(1);
    let every = 7_001; // 12,341.09 readings a day
    world.model.promise(0, T0, every);
    world.session(0, Some(0), vec![(PointKey(0), every as u64)]);
    let path: &Path = world.folder.path();
    let ledger = coverage::start(&path.join("c.db"), &world.journal, &world.dictionary, None);
    let ledger = ledger.unwrap();
    let mut encoder = Encoder::default();
    for n in 0..3 * DAY / every {
        let at = T0 + 3_000 + n * every;
        world.now = at + 200;
        world.model.reading(0, at, world.now, false, None);
        let head = DataHead {
            is_historical: false,
            is_plain: false,
            received_at: Timestamp::from_millis(world.now),
            edge_at: Timestamp::from_millis(world.now),
            sequence: 1 + n as u64,
        };
        let sample = Sample {
            point: PointKey(0),
            at_ms: at,
            value: 1.0,
            quality: Quality::Good,
        };
        encoder.data(head, &[sample]);
    }
    world.write(encoder);
    world.model.as_of = world.now;
    world.compare(&ledger.coverage, "three whole days");
    let point = (PointKey(0), world.dictionary.get(PointKey(0)).unwrap());
    let day = promise::day_of(T0 + DAY);
    let lines = ledger.coverage.balances(&[point], day..=day).unwrap();
    let whole = &lines[0].balance;
    assert!((12_341..=12_342).contains(&whole.expected), "{whole:?}");
    assert_eq!(
        (whole.in_time, whole.silent, whole.extra),
        (whole.expected, 0, 0)
    );
    assert_eq!(whole.share(), Some(1.0));
    ledger.follow.stop();
}
