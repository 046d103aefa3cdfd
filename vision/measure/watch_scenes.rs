//! How well what people do before rendered cameras is found: `sim camera` scenes go as JPEG frames through the real
//! `edge-vision` with the shipped models and through the agent's watching, and what comes out is compared with the truth.
//!
//! `cargo run --release -p vision --example watch_scenes -- --program target/release/edge-vision --models models/files 9001
//! 9010 180`: for each seed from FIRST to LAST one kitchen and one workshop, SECONDS of each at 5 frames a second. Models
//! learned from the seeds 1000 to 1024 and their thresholds were chosen on 2000 to 2005; take others.
//!
//! Frames: a person in the truth without the gear (for masks: whose face can be seen) is positive; what is said of the box
//! that overlaps it best is compared. Events: a stretch in which one person has it so, of at least the dwell and a second, is one that
//! should be found; a sighting belongs to the person whom its track covers. Nothing here runs in real time.

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Parser;
use contract::{
    Timestamp,
    footage::Frame,
    vision::{Area, Pixels, Said, Seen, What},
};
use edge_agent::{
    camera::watch::{
        class::{Class, Part},
        config::{PartModel, WatchConfig, Zone},
        decide::Watch,
        zone::{Kind, Polygon},
    },
    metrics::Metrics,
    status::Board,
    stop::Stop,
    vision::{Vision, config::VisionConfig},
};
use simulators::{
    camera::{
        jpeg,
        picture::{Camera, Truth},
        plan::Plan,
        scene::SeenPerson,
    },
    random::Random,
};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// What it is told.
#[derive(Debug, Parser)]
struct Args {
    /// The program `edge-vision`.
    #[arg(long)]
    program: PathBuf,
    /// The folder of models.
    #[arg(long)]
    models: PathBuf,
    /// The detector of persons.
    #[arg(long, default_value = "simulated-persons")]
    persons: String,
    /// A detector of faces, if that one finds none.
    #[arg(long)]
    face: Option<String>,
    /// The first seed.
    first: u64,
    /// The last seed.
    last: u64,
    /// Seconds of each scene.
    seconds: u64,
}

const FRAMES_PER_S: u64 = 5;
const WIDE: f32 = 640.0;
const HIGH: f32 = 360.0;
/// Where nobody may be, in the workshop: shares of the picture.
const PIT: [f32; 4] = [0.55, 0.8, 0.95, 1.0];

/// A stretch in which something is so.
#[derive(Debug, Clone)]
struct Spell {
    class: Class,
    /// The person; nothing for the whole picture.
    who: Option<usize>,
    began_ms: u64,
    last_ms: u64,
    /// Frames in which it could be judged.
    shown: u64,
    found_ms: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct Score {
    frames: [u64; 3],
    events: u64,
    found: u64,
    hidden: u64,
    hidden_found: u64,
    sightings: u64,
    false_ones: u64,
    took_ms: Vec<u64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let config = VisionConfig {
        program: args.program.clone(),
        models: vec![args.models.clone()],
        ..VisionConfig::default()
    };
    let board = Board::new(&[], Timestamp::now());
    let (vision, attendant) = Vision::open(config, Arc::new(Metrics::default()), board);
    let stop = tokio::sync::watch::Sender::new(false);
    tokio::spawn(attendant.run(Stop::of(&stop)));
    let (mut scores, mut asks) = (BTreeMap::new(), Vec::new());
    let mut persons = [0; 3];
    let mut followed = Followed::default();
    for seed in args.first..=args.last {
        let plan: Plan = toml::from_str(&plan(seed, args.seconds)).context("the plan")?;
        for camera in plan.camera {
            let scene = camera.id.clone();
            let camera = Camera::new(camera, seed, 0);
            let watch = config_of(&args, scene == "kitchen");
            let run = Run {
                vision: &vision,
                scores: &mut scores,
                asks: &mut asks,
                persons: &mut persons,
                followed: &mut followed,
            };
            run.play(camera, watch, args.seconds).await?;
        }
        eprintln!("seed {seed} done");
    }
    let hours = ((args.last - args.first + 1) * args.seconds) as f64 / 3_600.0;
    print(&scores, hours, &persons);
    println!(
        "tracks: {} persons came; another number after being unseen for 1, 2, 3, 5 s, longer: {:?}; numbers that went to another person: {}",
        followed.came, followed.changes, followed.swaps
    );
    asks.sort();
    if let (Some(half), Some(most)) = (asks.get(asks.len() / 2), asks.get(asks.len() * 99 / 100)) {
        println!(
            "a look took {half:?} (median), {most:?} (p99), {} looks",
            asks.len()
        );
    }
    stop.send_replace(true);
    Ok(())
}

/// A kitchen and a workshop; in a fifth of the time it burns, in another it smokes.
fn plan(seed: u64, seconds: u64) -> String {
    let mut text = format!("seed = {seed}\nbegins = \"2026-11-28T08:00:00+08:00\"\n");
    for scene in ["kitchen", "workshop"] {
        let mut random = Random::seeded(seed).fork(scene);
        let people = 1 + random.bits() % 4;
        let worn = random.between(0.4, 0.75);
        text += &format!(
            "[[camera]]\nid = \"{scene}\"\nscene = \"{scene}\"\nwidth = {WIDE}\nheight = {HIGH}\nframes_per_s = {FRAMES_PER_S}\n\
             people = {people}\nworn = {worn:.3}\n"
        );
        for kind in ["fire", "smoke"] {
            let from = random.between(0.0, 0.8) * seconds as f64;
            let to = from + 0.2 * seconds as f64;
            text += &format!(
                "[[camera.happening]]\nkind = \"{kind}\"\nfrom_s = {from:.1}\nto_s = {to:.1}\n"
            );
        }
    }
    text
}

fn config_of(args: &Args, is_kitchen: bool) -> WatchConfig {
    let zone = |name: &str, kind, [left, top, right, bottom]: [f32; 4], watch: &[Class]| Zone {
        name: name.into(),
        kind,
        polygon: Polygon::new(vec![
            [left, top],
            [right, top],
            [right, bottom],
            [left, bottom],
        ])
        .expect("a rectangle"),
        // A minute of the night: the scenes play at 08:00.
        hours: vec!["00:00-00:01".parse().expect("hours")],
        watch: watch.to_vec(),
    };
    let whole = [0.0, 0.0, 1.0, 1.0];
    let part = |part: Part| PartModel {
        part,
        model: part.shipped().expect("it is shipped").0.to_owned(),
        shadow: None,
        before: None,
    };
    let (parts, zones) = match is_kitchen {
        true => (
            vec![part(Part::Mask), part(Part::FireSmoke)],
            vec![zone("all", Kind::Cooking, whole, &[Class::NoMask])],
        ),
        false => (
            vec![part(Part::Helmet), part(Part::Vest), part(Part::FireSmoke)],
            vec![
                zone(
                    "all",
                    Kind::WorkArea,
                    whole,
                    &[Class::NoHelmet, Class::NoVest, Class::AfterHours],
                ),
                zone("pit", Kind::DangerZone, PIT, &[Class::InDangerZone]),
            ],
        ),
    };
    WatchConfig {
        from: Timestamp::from_millis(0),
        persons: args.persons.clone(),
        face: args.face.clone(),
        parts,
        picture: vec![Class::FireOrSmoke],
        zones,
    }
}

struct Run<'a> {
    vision: &'a Vision,
    scores: &'a mut BTreeMap<Class, Score>,
    asks: &'a mut Vec<Duration>,
    persons: &'a mut [u64; 3],
    followed: &'a mut Followed,
}

/// How well persons keep their numbers.
#[derive(Debug, Default)]
struct Followed {
    /// The track of each person, and when it was seen with it.
    now: BTreeMap<usize, (u64, u64)>,
    /// Persons who came, or came back after ten seconds.
    came: u64,
    /// Other numbers that they got, by how long they had not been seen: at most 1 s, 2 s, 3 s, 5 s, longer.
    changes: [u64; 5],
    /// Tracks that went from one person to another.
    swaps: u64,
}

impl Followed {
    fn see(&mut self, ms: u64, frame: &Frame, persons: &[SeenPerson]) {
        for marked in &frame.boxes {
            let Some((track, person)) = marked.track.zip(nearest(&marked.area, persons)) else {
                continue;
            };
            let of_other = |(who, (of, at)): (&usize, &(u64, u64))| {
                *who != person.number && *of == track && ms - at <= 3_000
            };
            let is_others = self.now.iter().any(of_other);
            match self.now.insert(person.number, (track, ms)) {
                Some((before, at)) if ms - at <= 10_000 => {
                    if before != track && is_others {
                        self.swaps += 1;
                    } else if before != track {
                        let away = [1_000, 2_000, 3_000, 5_000];
                        let place = away.iter().position(|limit| ms - at <= *limit);
                        self.changes[place.unwrap_or(4)] += 1;
                    }
                }
                _ => self.came += 1,
            }
        }
    }

    fn add(&mut self, other: &Followed) {
        self.came += other.came;
        self.swaps += other.swaps;
        for (all, of) in self.changes.iter_mut().zip(other.changes) {
            *all += of;
        }
    }
}

impl Run<'_> {
    async fn play(
        self,
        mut camera: Camera,
        config: WatchConfig,
        seconds: u64,
    ) -> anyhow::Result<()> {
        let began: Timestamp = "2026-11-28T08:00:00+08:00".parse()?;
        let classes = config.classes();
        let mut watch = Watch::new(config.clone(), FRAMES_PER_S as f64);
        let mut spells: Vec<Spell> = Vec::new();
        let mut boxes: BTreeMap<u64, Area> = BTreeMap::new();
        let mut followed = Followed::default();
        for n in 0..seconds * FRAMES_PER_S {
            let ms = n * 1_000 / FRAMES_PER_S;
            let (picture, truth) = camera.frame(n);
            let Some(picture) = picture else { continue };
            let body = jpeg(&picture, camera.plan().quality)?;
            let seen = self.look(&config, body, n == 0).await?;
            let (seen, took) = seen;
            self.asks.extend((n > 0).then_some(took));
            follow(&mut spells, &classes, &truth, ms);
            count(self.scores, self.persons, &classes, &config, &truth, &seen);
            let step = watch.see(began.plus_millis(ms as i64), ms, &seen, &[]);
            remember(&mut boxes, &step.frame);
            followed.see(ms, &step.frame, &truth.seen.persons);
            for (_, sighting) in step.sightings {
                let name = sighting.point.as_str().trim_start_matches("see.");
                let class = Class::named(name).context("a class")?;
                let area = sighting.track.and_then(|track| boxes.get(&track));
                let who = area.and_then(|area| nearest(area, &truth.seen.persons));
                let score = self.scores.entry(class).or_default();
                score.sightings += 1;
                let spell = spells.iter_mut().rev().find(|spell| {
                    let is_same = spell.class == class
                        && (spell.who.is_none() || spell.who == who.map(|who| who.number));
                    is_same && ms - spell.last_ms <= 2_000
                });
                match spell {
                    Some(spell) => {
                        spell.found_ms.get_or_insert(ms);
                    }
                    None => score.false_ones += 1,
                }
            }
        }
        self.followed.add(&followed);
        for spell in spells {
            let dwell = spell.class.wants().dwell_ms;
            if spell.last_ms - spell.began_ms < dwell + 1_000 {
                continue;
            }
            let score = self.scores.entry(spell.class).or_default();
            let found = u64::from(spell.found_ms.is_some());
            // Seen from behind for nearly all of it: no face, nothing to judge.
            if spell.shown * 1_000 / FRAMES_PER_S < dwell {
                score.hidden += 1;
                score.hidden_found += found;
                continue;
            }
            score.events += 1;
            score.found += found;
            score
                .took_ms
                .extend(spell.found_ms.map(|at| at - spell.began_ms));
        }
        Ok(())
    }

    async fn look(
        &self,
        config: &WatchConfig,
        body: Bytes,
        is_first: bool,
    ) -> anyhow::Result<(Seen, Duration)> {
        let what = What::Look {
            pixels: Pixels::Jpeg,
            persons: config.persons.clone(),
            faces: config.face.clone(),
            of_persons: models(config, true),
            of_picture: models(config, false),
        };
        let began = Instant::now();
        let (answer, _) = self.vision.ask(what, body).await?;
        match answer.said {
            Said::Seen(seen) => Ok((seen, began.elapsed())),
            other if is_first => bail!("the models cannot be used: {other:?}"),
            other => bail!("no answer: {other:?}"),
        }
    }
}

fn models(config: &WatchConfig, of_persons: bool) -> Vec<String> {
    let parts = config.parts.iter();
    let parts = parts.filter(|of| of.part.is_of_persons() == of_persons);
    parts.map(|of| of.model.clone()).collect()
}

/// Whether a person has it so, and whether that could be seen.
fn is_so(class: Class, person: &SeenPerson) -> (bool, bool) {
    let gear = &person.gear;
    let [x, y] = [person.foot[0] as f32 / WIDE, person.foot[1] as f32 / HIGH];
    let in_pit = (PIT[0]..PIT[2]).contains(&x) && (PIT[1]..PIT[3]).contains(&y);
    match class {
        Class::NoMask => (!gear.mask, person.face.is_some()),
        Class::NoHelmet => (!gear.helmet, person.head.is_some()),
        Class::NoVest => (!gear.vest, true),
        Class::InDangerZone => (in_pit, true),
        Class::AfterHours => (true, true),
        _ => (false, false),
    }
}

fn burns(truth: &Truth) -> bool {
    truth.seen.smoke.is_some() || truth.seen.flames.iter().any(|flame| flame.fire)
}

fn follow(spells: &mut Vec<Spell>, classes: &[Class], truth: &Truth, ms: u64) {
    let mut go_on = |class, who, is_shown: bool| {
        let shown = u64::from(is_shown);
        let before = spells
            .iter_mut()
            .rev()
            .find(|spell| (spell.class, spell.who) == (class, who) && ms - spell.last_ms <= 2_000);
        match before {
            Some(spell) => {
                spell.last_ms = ms;
                spell.shown += shown;
            }
            None => spells.push(Spell {
                class,
                who,
                began_ms: ms,
                last_ms: ms,
                shown,
                found_ms: None,
            }),
        }
    };
    for class in classes {
        if *class == Class::FireOrSmoke && burns(truth) {
            go_on(*class, None, true);
        }
        for person in &truth.seen.persons {
            let (is, is_shown) = is_so(*class, person);
            if is {
                go_on(*class, Some(person.number), is_shown);
            }
        }
    }
}

/// Counts frame by frame: right, wrong, missed.
fn count(
    scores: &mut BTreeMap<Class, Score>,
    persons: &mut [u64; 3],
    classes: &[Class],
    config: &WatchConfig,
    truth: &Truth,
    seen: &Seen,
) {
    let mut mine: Vec<Option<&SeenPerson>> = Vec::new();
    for person in &seen.persons {
        let nearest = nearest(&person.area, &truth.seen.persons);
        let is_taken = |of: &&SeenPerson| mine.iter().flatten().any(|m| m.number == of.number);
        let nearest = nearest.filter(|of| !is_taken(of));
        persons[if nearest.is_some() { 0 } else { 1 }] += 1;
        mine.push(nearest);
    }
    let missed = truth.seen.persons.len() - mine.iter().flatten().count();
    persons[2] += missed as u64;
    for class in classes {
        let said = |verdicts: &[contract::vision::Verdict]| {
            config.model(*class).is_some_and(|model| {
                let mut of = verdicts.iter().filter(|v| v.model == model.model);
                of.any(|v| v.class.as_deref() == Some(class.said_as()) && v.score >= 0.6)
            })
        };
        let frames = &mut scores.entry(*class).or_default().frames;
        if *class == Class::FireOrSmoke {
            match (burns(truth), said(&seen.picture)) {
                (true, true) => frames[0] += 1,
                (false, true) => frames[1] += 1,
                (true, false) => frames[2] += 1,
                (false, false) => {}
            }
        }
        if class.part().is_none() || !class.is_of_persons() {
            continue;
        }
        let mut said_of = Vec::new();
        for (person, of) in seen.persons.iter().zip(&mine) {
            if said(&person.verdicts) {
                let is = of.is_some_and(|of| is_so(*class, of).0);
                frames[if is { 0 } else { 1 }] += 1;
                said_of.extend(of.map(|of| of.number));
            }
        }
        let missed = truth.seen.persons.iter().filter(|person| {
            is_so(*class, person) == (true, true) && !said_of.contains(&person.number)
        });
        frames[2] += missed.count() as u64;
    }
}

fn remember(boxes: &mut BTreeMap<u64, Area>, frame: &Frame) {
    for marked in &frame.boxes {
        if let Some(track) = marked.track {
            boxes.insert(track, marked.area);
        }
    }
}

/// The person of the truth whom a box covers best, if it covers one.
fn nearest<'a>(area: &Area, persons: &'a [SeenPerson]) -> Option<&'a SeenPerson> {
    let overlaps = persons.iter().map(|person| {
        let [x, y, w, h] = person.person.0.map(|side| side as f32);
        let other = Area {
            left: x / WIDE,
            top: y / HIGH,
            right: (x + w) / WIDE,
            bottom: (y + h) / HIGH,
        };
        (overlap(area, &other), person)
    });
    let best = overlaps.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 >= 0.3).then_some(best.1)
}

fn overlap(a: &Area, b: &Area) -> f32 {
    let wide = (a.right.min(b.right) - a.left.max(b.left)).max(0.0);
    let high = (a.bottom.min(b.bottom) - a.top.max(b.top)).max(0.0);
    let size = |area: &Area| (area.right - area.left) * (area.bottom - area.top);
    wide * high / (size(a) + size(b) - wide * high)
}

fn share(part: u64, all: u64) -> String {
    match all {
        0 => "-".into(),
        _ => format!("{:.3}", part as f64 / all as f64),
    }
}

fn print(scores: &BTreeMap<Class, Score>, hours: f64, [right, wrong, missed]: &[u64; 3]) {
    println!(
        "persons: precision {}, recall {} ({} in the truth)",
        share(*right, right + wrong),
        share(*right, right + missed),
        right + missed
    );
    println!(
        "| class | frames: precision | recall | positives | events | found | hidden: events | found | sightings | false | false an hour | to find, s: median | p90 |"
    );
    for (class, score) in scores {
        let [right, wrong, missed] = score.frames;
        let mut took = score.took_ms.clone();
        took.sort();
        let at = |part: usize| {
            let ms = took.get(took.len() * part / 100);
            ms.map_or("-".into(), |ms| format!("{:.1}", *ms as f64 / 1_000.0))
        };
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} | {} | {} |",
            class.name(),
            share(right, right + wrong),
            share(right, right + missed),
            right + missed,
            score.events,
            share(score.found, score.events),
            score.hidden,
            share(score.hidden_found, score.hidden),
            score.sightings,
            score.false_ones,
            score.false_ones as f64 / hours,
            at(50),
            at(90)
        );
    }
}
