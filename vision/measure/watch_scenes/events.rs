//! What was found and what was not.
//!
//! Frames: a person in the truth without the gear (for masks: whose face can be seen) is positive; what is said of the box
//! that overlaps it best is compared. Events: a stretch in which one person has it so, of at least the dwell and a second, is one that
//! should be found; stretches with no more than `rest_ms` of their class between them are one. A sighting belongs to the person whom
//! its track covers. An event without a sighting of its own is covered if the point was 1 for at least a second of it, since somebody
//! else had it so too.

use super::{
    looks::Moment,
    scenes::{FRAMES_PER_S, Play, burns, is_so, nearest},
};
use anyhow::Context;
use contract::vision::{Area, Verdict};
use edge_agent::camera::watch::{class::Class, decide::Step};
use simulators::camera::scene::SeenPerson;
use std::collections::BTreeMap;

/// Of all scenes.
#[derive(Debug, Default)]
pub struct Events {
    scores: BTreeMap<Class, Score>,
    /// Persons found, boxes around nobody, persons missed: frames.
    persons: [u64; 3],
    said: Vec<String>,
}

#[derive(Debug, Clone, Default)]
struct Score {
    /// Right, wrong, missed.
    frames: [u64; 3],
    events: u64,
    found: u64,
    covered: u64,
    /// Events in which there was hardly a moment to judge.
    hidden: u64,
    hidden_found: u64,
    sightings: u64,
    false_ones: u64,
    /// More sightings than the first of one event.
    repeats: u64,
    took_ms: Vec<u64>,
}

/// Not so for as long as this breaks a run.
const HOLE_MS: u64 = 2_000;

/// A stretch in which something is so.
#[derive(Debug, Clone)]
struct Spell {
    class: Class,
    /// The person; nothing for the whole picture.
    who: Option<usize>,
    began_ms: u64,
    last_ms: u64,
    /// Since when it is so without more than [`HOLE_MS`] between, and the longest such time.
    run_ms: u64,
    longest_ms: u64,
    /// Frames in which it could be judged.
    shown: u64,
    found_ms: Option<u64>,
    /// Frames in which the point was 1.
    covered: u64,
}

/// One scene.
pub struct Scene<'a> {
    all: &'a mut Events,
    play: &'a Play,
    classes: Vec<Class>,
    spells: Vec<Spell>,
    boxes: BTreeMap<u64, Area>,
    points: BTreeMap<Class, bool>,
}

impl Events {
    /// A new scene: nothing happened yet.
    pub fn scene<'a>(&'a mut self, play: &'a Play) -> Scene<'a> {
        Scene {
            all: self,
            play,
            classes: play.watch.classes(),
            spells: Vec::new(),
            boxes: BTreeMap::new(),
            points: BTreeMap::new(),
        }
    }
}

impl Scene<'_> {
    /// Counts frame by frame: right, wrong, missed.
    pub fn count(&mut self, moment: &Moment) {
        self.follow(moment);
        let persons = &moment.truth.persons;
        let mut mine: Vec<Option<&SeenPerson>> = Vec::new();
        for person in &moment.seen.persons {
            let nearest = nearest(&person.area, persons);
            let is_taken = |of: &&SeenPerson| mine.iter().flatten().any(|m| m.number == of.number);
            let nearest = nearest.filter(|of| !is_taken(of));
            self.all.persons[usize::from(nearest.is_none())] += 1;
            mine.push(nearest);
        }
        let missed = persons.len() - mine.iter().flatten().count();
        self.all.persons[2] += missed as u64;
        for class in &self.classes {
            let said = |verdicts: &[Verdict]| {
                self.play.watch.model(*class).is_some_and(|model| {
                    let mut of = verdicts.iter().filter(|v| v.model == model.model);
                    of.any(|v| v.class.as_deref() == Some(class.said_as()) && v.score >= 0.6)
                })
            };
            let frames = &mut self.all.scores.entry(*class).or_default().frames;
            if *class == Class::FireOrSmoke {
                match (burns(&moment.truth), said(&moment.seen.picture)) {
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
            for (person, of) in moment.seen.persons.iter().zip(&mine) {
                if said(&person.verdicts) {
                    let is = of.is_some_and(|of| is_so(*class, of).0);
                    frames[usize::from(!is)] += 1;
                    said_of.extend(of.map(|of| of.number));
                }
            }
            let missed = persons.iter().filter(|person| {
                is_so(*class, person) == (true, true) && !said_of.contains(&person.number)
            });
            frames[2] += missed.count() as u64;
        }
    }

    fn follow(&mut self, moment: &Moment) {
        let ms = moment.ms;
        let mut go_on = |class, who, is_shown: bool| {
            let shown = u64::from(is_shown);
            let before = self.spells.iter_mut().rev().find(|spell| {
                let rest = spell.class.wants().rest_ms();
                (spell.class, spell.who) == (class, who) && ms - spell.last_ms <= rest
            });
            match before {
                Some(spell) => {
                    if ms - spell.last_ms > HOLE_MS {
                        spell.run_ms = ms;
                    }
                    spell.last_ms = ms;
                    spell.longest_ms = spell.longest_ms.max(ms - spell.run_ms);
                    spell.shown += shown;
                }
                None => self.spells.push(Spell {
                    class,
                    who,
                    began_ms: ms,
                    last_ms: ms,
                    run_ms: ms,
                    longest_ms: 0,
                    shown,
                    found_ms: None,
                    covered: 0,
                }),
            }
        };
        for class in &self.classes {
            if *class == Class::FireOrSmoke && burns(&moment.truth) {
                go_on(*class, None, true);
            }
            for person in &moment.truth.persons {
                let (is, is_shown) = is_so(*class, person);
                if is {
                    go_on(*class, Some(person.number), is_shown);
                }
            }
        }
    }

    /// Takes in what the watching made of the moment.
    pub fn hear(&mut self, moment: &Moment, step: &Step) -> anyhow::Result<()> {
        let ms = moment.ms;
        for marked in &step.frame.boxes {
            if let Some(track) = marked.track {
                self.boxes.insert(track, marked.area);
            }
        }
        let class_of = |point: &str| Class::named(point.trim_start_matches("see."));
        let of_sightings = step.sightings.iter().map(|(reading, _)| reading);
        for reading in step.changed.iter().chain(of_sightings) {
            if let Some(class) = class_of(reading.point.as_str()) {
                self.points.insert(class, reading.value == Some(1.0));
            }
        }
        for spell in &mut self.spells {
            let is_now = spell.last_ms == ms && self.points.get(&spell.class) == Some(&true);
            spell.covered += u64::from(is_now);
        }
        for (_, sighting) in &step.sightings {
            let class = class_of(sighting.point.as_str()).context("a class")?;
            let area = sighting.track.and_then(|track| self.boxes.get(&track));
            let who = area.and_then(|area| nearest(area, &moment.truth.persons));
            let who = who.map(|who| who.number);
            let score = self.all.scores.entry(class).or_default();
            score.sightings += 1;
            let spell = self.spells.iter_mut().rev().find(|spell| {
                let is_same = spell.class == class && (spell.who.is_none() || spell.who == who);
                is_same && ms - spell.last_ms <= 2_000
            });
            match spell {
                Some(spell) if spell.found_ms.is_some() => score.repeats += 1,
                Some(spell) => spell.found_ms = Some(ms),
                None => {
                    score.false_ones += 1;
                    self.all.said.push(format!(
                        "{}: {} of nobody at {ms} ms, track {:?}",
                        self.play.name,
                        class.name(),
                        sighting.track
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        for spell in std::mem::take(&mut self.spells) {
            let dwell = spell.class.wants().dwell_ms;
            if spell.longest_ms < dwell + 1_000 {
                continue;
            }
            let score = self.all.scores.entry(spell.class).or_default();
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
            if spell.found_ms.is_none() {
                let is_covered = spell.covered >= FRAMES_PER_S;
                score.covered += u64::from(is_covered);
                self.all.said.push(format!(
                    "{}: {} of {:?} missed, {} to {} ms, {} frames to judge, point 1 in {}",
                    self.play.name,
                    spell.class.name(),
                    spell.who,
                    spell.began_ms,
                    spell.last_ms,
                    spell.shown,
                    spell.covered
                ));
            }
        }
    }
}

fn share(part: u64, all: u64) -> String {
    match all {
        0 => "-".into(),
        _ => format!("{:.3}", part as f64 / all as f64),
    }
}

impl Events {
    /// Each event that was missed and each sighting of nobody.
    pub fn say(&self) {
        for line in &self.said {
            println!("{line}");
        }
    }

    /// The figures.
    pub fn print(&self, hours: f64) {
        let [right, wrong, missed] = self.persons;
        println!(
            "persons: precision {}, recall {} ({} in the truth)",
            share(right, right + wrong),
            share(right, right + missed),
            right + missed
        );
        println!(
            "| class | frames: precision | recall | positives | events | found | covered besides | hidden: events | found | sightings | false | repeats | false an hour | to find, s: median | p90 |"
        );
        for (class, score) in &self.scores {
            let [right, wrong, missed] = score.frames;
            let mut took = score.took_ms.clone();
            took.sort();
            let at = |part: usize| {
                let ms = took.get(took.len() * part / 100);
                ms.map_or("-".into(), |ms| format!("{:.1}", *ms as f64 / 1_000.0))
            };
            println!(
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} | {} | {} |",
                class.name(),
                share(right, right + wrong),
                share(right, right + missed),
                right + missed,
                score.events,
                score.found,
                score.covered,
                score.hidden,
                score.hidden_found,
                score.sightings,
                score.false_ones,
                score.repeats,
                score.false_ones as f64 / hours,
                at(50),
                at(90)
            );
        }
    }
}
