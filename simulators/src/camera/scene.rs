//! A kitchen and a workshop: what stands there, what happens there, and how a moment of it is painted.
//!
//! Promise: a moment is a function of the scene, the seed and the time; nothing else. What the truth says of it is what can be
//! seen in the picture, from the pixels.

use super::{
    canvas::{Area, Canvas, Rgb, View, lit},
    person::{self, Facing, Gear, Ground, Pose},
    plan::{Event, Place, Timed},
    rooms,
};
use crate::random::Random;
use serde::{Deserialize, Serialize};

/// Persons at most, so that tags suffice.
pub const PERSONS_MAX: usize = 12;
const FIRST_PERSON: u8 = 1;
const FIRST_BIN: u8 = FIRST_PERSON + person::PARTS * PERSONS_MAX as u8;
const FIRST_FLAME: u8 = FIRST_BIN + 4;
const SMOKE: u8 = FIRST_FLAME + 4;

/// A person as it can be seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenPerson {
    /// Its number; the same person keeps it.
    pub number: usize,
    /// All of it that can be seen.
    pub person: Area,
    /// Face, hair and hard hat; a cook's hat is not part of the head.
    pub head: Option<Area>,
    /// The face, a mask on it included; none from behind.
    pub face: Option<Area>,
    /// Where it looks.
    pub facing: Facing,
    /// What it wears.
    #[serde(flatten)]
    pub gear: Gear,
    /// Where its feet stand, in pixels; they may be hidden.
    pub foot: [i32; 2],
}

/// A bin as it can be seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenBin {
    /// Where.
    pub area: Area,
    /// True if its lid is up.
    pub open: bool,
}

/// Flames as they can be seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenFlame {
    /// Where.
    pub area: Area,
    /// True for a fire, false for a burner that cooks.
    pub fire: bool,
}

/// What a picture shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// People of whom at least a handful of pixels can be seen.
    pub persons: Vec<SeenPerson>,
    /// Bins.
    pub bins: Vec<SeenBin>,
    /// Flames.
    pub flames: Vec<SeenFlame>,
    /// Smoke; steam is none.
    pub smoke: Option<Area>,
}

/// A place with people in it.
#[derive(Debug, Clone)]
pub struct Scene {
    place: Place,
    people: usize,
    worn: f64,
    seed: Random,
    happenings: Vec<Timed<Event>>,
}

const KITCHEN: Ground = Ground {
    door: (-60.0, 236.0),
    places: &[
        (70.0, 232.0),
        (180.0, 222.0),
        (300.0, 214.0),
        (420.0, 222.0),
        (540.0, 232.0),
        (500.0, 320.0),
        (380.0, 338.0),
        (250.0, 300.0),
        (130.0, 316.0),
    ],
    is_kitchen: true,
};
const WORKSHOP: Ground = Ground {
    door: (-60.0, 244.0),
    places: &[
        (90.0, 240.0),
        (210.0, 228.0),
        (330.0, 236.0),
        (470.0, 244.0),
        (570.0, 262.0),
        (520.0, 330.0),
        (400.0, 344.0),
        (280.0, 318.0),
        (150.0, 330.0),
    ],
    is_kitchen: false,
};

impl Scene {
    /// A scene with so many people, who wear this share of what they should.
    pub fn new(
        place: Place,
        people: usize,
        worn: f64,
        seed: Random,
        happenings: Vec<Timed<Event>>,
    ) -> Scene {
        Scene {
            place,
            people: people.min(PERSONS_MAX),
            worn,
            seed,
            happenings,
        }
    }

    /// What never moves, seen in this view.
    pub fn background(&self, width: usize, height: usize, view: View) -> Canvas {
        let mut canvas = Canvas::new(width, height, view);
        rooms::background(&mut canvas, self.place);
        canvas
    }

    /// How light it is at a time, 1 usually.
    pub fn light(&self, t: f64) -> f32 {
        match self.happens(Event::LightsOff, t) {
            true => 0.3,
            false => 1.0,
        }
    }

    /// Paints what moves onto the background, and says what can be seen then.
    pub fn paint(&self, canvas: &mut Canvas, t: f64) -> Seen {
        let ground = match self.place {
            Place::Kitchen => &KITCHEN,
            Place::Workshop => &WORKSHOP,
        };
        let people = self.people(ground, t);
        let bins = self.bins(canvas, t);
        let flames = self.flames(canvas, t);
        let mut near: Vec<&(usize, Pose)> = people.iter().collect();
        near.sort_by(|a, b| a.1.foot.total_cmp(&b.1.foot));
        let split = near.partition_point(|(_, pose)| pose.foot < FRONT);
        for (number, pose) in &near[..split] {
            person::draw(canvas, pose, ground.is_kitchen, tag_of(*number));
        }
        rooms::front(canvas, self.place);
        for (number, pose) in &near[split..] {
            person::draw(canvas, pose, ground.is_kitchen, tag_of(*number));
        }
        self.steam_and_smoke(canvas, t);
        seen(canvas, &people, &bins, &flames)
    }

    fn people(&self, ground: &Ground, t: f64) -> Vec<(usize, Pose)> {
        if self.happens(Event::Empty, t) {
            return Vec::new();
        }
        let bare = self.happens(Event::NoGear, t);
        let worn = if bare { 0.0 } else { self.worn };
        let numbers = 0..self.people;
        numbers
            .filter_map(|n| Some((n, person::at(ground, &self.seed, n, worn, t)?)))
            .collect()
    }

    fn happens(&self, event: Event, t: f64) -> bool {
        self.happenings
            .iter()
            .any(|h| h.kind == event && h.since(t).is_some())
    }

    /// True in a share of all stretches of so many seconds.
    fn sometimes(&self, what: &str, every_s: f64, share: f64, t: f64) -> bool {
        let stretch = (t / every_s).floor();
        self.seed.fork(&format!("{what} {stretch}")).unit() < share
    }

    fn bins(&self, canvas: &mut Canvas, t: f64) -> Vec<bool> {
        let places: [(f32, f32); 2] = match self.place {
            Place::Kitchen => [(590.0, 250.0), (34.0, 272.0)],
            Place::Workshop => [(606.0, 270.0), (24.0, 262.0)],
        };
        let mut open = Vec::new();
        for (n, (x, foot)) in places.into_iter().enumerate() {
            let is_open = self.happens(Event::BinOpen, t)
                || self.sometimes(&format!("bin {n}"), 210.0, 0.3, t);
            canvas.set_tag(FIRST_BIN + n as u8);
            rooms::bin(canvas, x, foot, is_open, n);
            open.push(is_open);
        }
        canvas.set_tag(0);
        open
    }

    fn flames(&self, canvas: &mut Canvas, t: f64) -> Vec<bool> {
        let (burner, fire) = match self.place {
            Place::Kitchen => ([(438.0, 150.0), (500.0, 150.0)], (470.0, 150.0)),
            Place::Workshop => ([(0.0, 0.0); 2], (250.0, 196.0)),
        };
        let mut found = Vec::new();
        for (n, (x, y)) in burner.into_iter().enumerate() {
            let cooks = self.place == Place::Kitchen
                && (self.happens(Event::Cooking, t)
                    || self.sometimes(&format!("burner {n}"), 95.0, 0.6, t));
            if cooks {
                canvas.set_tag(FIRST_FLAME + n as u8);
                self.tongues(
                    canvas,
                    (x, y),
                    6,
                    11.0,
                    t,
                    [[60.0, 120.0, 240.0], [255.0, 170.0, 60.0]],
                );
            }
            found.push(cooks);
        }
        let burns = self.happens(Event::Fire, t);
        if burns {
            canvas.set_tag(FIRST_FLAME + 2);
            self.tongues(
                canvas,
                fire,
                14,
                62.0,
                t,
                [[250.0, 110.0, 20.0], [255.0, 226.0, 120.0]],
            );
        }
        found.push(burns);
        canvas.set_tag(0);
        found
    }

    /// Flames that flicker: outer and inner colour.
    fn tongues(
        &self,
        canvas: &mut Canvas,
        (x, y): (f32, f32),
        many: usize,
        high: f32,
        t: f64,
        rgb: [Rgb; 2],
    ) {
        let mut random = self.seed.fork(&format!("flame {}", (t * 12.0).floor()));
        for n in 0..many {
            let at = x + (n as f32 / (many - 1) as f32 - 0.5) * high.min(40.0) * 1.6;
            let tall = high * random.between(0.45, 1.0) as f32;
            let wide = high * 0.17 + 1.0;
            let lean = random.between(-0.2, 0.2) as f32;
            canvas.paint((at - wide * 2.0, y - tall, at + wide * 2.0, y), |px, py| {
                let up = (y - py) / tall;
                let across =
                    (px - at - lean * tall * up) / (wide * (1.0 - up).max(0.0).sqrt() + 0.01);
                let inner = (1.0 - up) * (1.0 - across.abs());
                (across.abs() <= 1.0 && (0.0..=1.0).contains(&up))
                    .then(|| (if inner > 0.45 { rgb[1] } else { rgb[0] }, 0.85))
            });
        }
    }

    fn steam_and_smoke(&self, canvas: &mut Canvas, t: f64) {
        if self.place == Place::Kitchen {
            self.cloud(
                canvas,
                (465.0, 132.0),
                5,
                (7.0, 20.0),
                46.0,
                [236.0, 238.0, 240.0],
                0.28,
                t,
            );
        }
        if self.happens(Event::Smoke, t) {
            canvas.set_tag(SMOKE);
            let from = match self.place {
                Place::Kitchen => (470.0, 140.0),
                Place::Workshop => (250.0, 180.0),
            };
            self.cloud(
                canvas,
                from,
                22,
                (16.0, 62.0),
                150.0,
                [96.0, 94.0, 92.0],
                0.85,
                t,
            );
            canvas.set_tag(0);
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "a cloud is what these numbers say"
    )]
    fn cloud(
        &self,
        canvas: &mut Canvas,
        (x, y): (f32, f32),
        many: usize,
        (thin, thick): (f32, f32),
        rise: f32,
        rgb: Rgb,
        cover: f32,
        t: f64,
    ) {
        for n in 0..many {
            let life = t * 0.22 + n as f64 / many as f64;
            let mut random = self.seed.fork(&format!("puff {n} {}", life.floor()));
            let age = life.fract() as f32;
            let drift = random.between(-0.5, 0.7) as f32 * rise * age;
            let shade = lit(rgb, random.between(0.85, 1.1) as f32);
            canvas.puff(
                x + drift,
                y - rise * age,
                thin + (thick - thin) * age,
                shade,
                cover * (1.0 - age),
            );
        }
    }
}

/// What stands at this depth hides the feet of those behind it.
const FRONT: f32 = 285.0;

fn tag_of(number: usize) -> u8 {
    FIRST_PERSON + person::PARTS * number as u8
}

fn seen(canvas: &Canvas, people: &[(usize, Pose)], bins: &[bool], flames: &[bool]) -> Seen {
    /// Fewer pixels than this are nobody that could be judged.
    const LEAST: u32 = 24;
    let found = canvas.seen();
    let at = |tag: u8| found[usize::from(tag)];
    let persons = people.iter().filter_map(|(number, pose)| {
        let first = tag_of(*number);
        let parts: Vec<(Area, u32)> = (first..first + person::PARTS).filter_map(at).collect();
        let pixels: u32 = parts.iter().map(|(_, count)| count).sum();
        if pixels < LEAST {
            return None;
        }
        let of = |tags: &[u8]| around(tags.iter().filter_map(|tag| at(*tag)).map(|(area, _)| area));
        let mut head = vec![first + 1, first + 2];
        if pose.gear.helmet {
            head.push(first + 3);
        }
        Some(SeenPerson {
            number: *number,
            person: around(parts.iter().map(|(area, _)| *area))?,
            head: of(&head),
            face: of(&[first + 2]),
            facing: pose.facing,
            gear: pose.gear,
            foot: [
                ((pose.x - canvas.view().x) * canvas.view().zoom * canvas.width() as f32
                    / super::canvas::WIDE) as i32,
                ((pose.foot - canvas.view().y) * canvas.view().zoom * canvas.width() as f32
                    / super::canvas::WIDE) as i32,
            ],
        })
    });
    let bins = bins.iter().enumerate().filter_map(|(n, open)| {
        let (area, _) = at(FIRST_BIN + n as u8)?;
        Some(SeenBin { area, open: *open })
    });
    let flames = flames.iter().enumerate().filter_map(|(n, _)| {
        let (area, _) = at(FIRST_FLAME + n as u8)?;
        Some(SeenFlame { area, fire: n == 2 })
    });
    Seen {
        persons: persons.collect(),
        bins: bins.collect(),
        flames: flames.collect(),
        smoke: at(SMOKE).map(|(area, _)| area),
    }
}

fn around(areas: impl Iterator<Item = Area>) -> Option<Area> {
    areas.reduce(|Area([ax, ay, aw, ah]), Area([bx, by, bw, bh])| {
        let (x, y) = (ax.min(bx), ay.min(by));
        Area([x, y, (ax + aw).max(bx + bw) - x, (ay + ah).max(by + bh) - y])
    })
}
