//! Frame number `n` of a camera: the scene at its time, what is wrong with the camera, noise, and the clock.
//!
//! Promise: a frame is a function of the plan and its number, byte for byte.

use super::{
    canvas::{Canvas, View},
    digits,
    plan::{CameraPlan, FaultKind, LOOP_S},
    scene::{Scene, Seen},
};
use crate::random::Random;
use serde::{Deserialize, Serialize};

/// One line of the truth: what a frame shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The camera.
    pub camera: String,
    /// Number of the frame, from 0.
    pub frame: u64,
    /// When it was taken, milliseconds since 1970, by the clock of the run.
    pub at_ms: i64,
    /// What the clock in the picture shows, milliseconds since 1970.
    pub clock_ms: i64,
    /// What is wrong with the camera.
    pub fault: Option<FaultKind>,
    /// What can be seen.
    #[serde(flatten)]
    pub seen: Seen,
}

/// Where a camera looks after it was moved.
const ELSEWHERE: View = View {
    x: 190.0,
    y: -46.0,
    zoom: 1.12,
};
/// Deviation of the noise of a pixel.
const NOISE: f64 = 3.0;
const NOISE_LENGTH: usize = 1 << 16;
/// Radius of the blur, as a share of the width.
const BLUR: f64 = 0.014;

/// A camera that can be asked for its frames.
pub struct Camera {
    plan: CameraPlan,
    scene: Scene,
    began_ms: i64,
    noise: Vec<i8>,
    seed: Random,
    usual: Canvas,
    moved: Option<Canvas>,
}

impl Camera {
    /// A camera whose frame 0 is taken at `began_ms`, milliseconds since 1970.
    pub fn new(plan: CameraPlan, seed: u64, began_ms: i64) -> Camera {
        let seed = Random::seeded(seed).fork(&plan.id);
        let scene = Scene::new(
            plan.scene,
            plan.people,
            plan.worn,
            seed.clone(),
            plan.happening.clone(),
        );
        let usual = scene.background(plan.width, plan.height, View::WHOLE);
        let mut random = seed.fork("noise");
        let noise = (0..NOISE_LENGTH)
            .map(|_| (random.normal() * NOISE).round().clamp(-127.0, 127.0) as i8)
            .collect();
        Camera {
            plan,
            scene,
            began_ms,
            noise,
            seed,
            usual,
            moved: None,
        }
    }

    /// What it was told.
    pub fn plan(&self) -> &CameraPlan {
        &self.plan
    }

    /// When a frame is taken, in seconds since the start.
    pub fn time(&self, frame: u64) -> f64 {
        frame as f64 / self.plan.frames_per_s
    }

    /// A frame and the truth of it; no picture while none comes.
    pub fn frame(&mut self, number: u64) -> (Option<Canvas>, Truth) {
        let t = self.time(number);
        let faults = self.plan.fault.iter();
        let fault = faults
            .filter_map(|fault| Some((fault.kind, fault.since(t)?)))
            .next();
        // Which frame the picture is of, and which the clock is of.
        let whole = |t: f64| (t * self.plan.frames_per_s).round() as u64;
        let (shown, clock) = match fault {
            Some((FaultKind::Frozen, since)) => (whole(since), whole(since)),
            Some((FaultKind::ClockStopped, since)) => (number, whole(since)),
            Some((FaultKind::Looped, since)) => {
                let of = whole(since - LOOP_S) + (number - whole(since)) % whole(LOOP_S).max(1);
                (of, of)
            }
            _ => (number, number),
        };
        let kind = fault.map(|(kind, _)| kind);
        let mut canvas = match kind {
            Some(FaultKind::Moved) => {
                let (scene, plan) = (&self.scene, &self.plan);
                let moved = self
                    .moved
                    .get_or_insert_with(|| scene.background(plan.width, plan.height, ELSEWHERE));
                moved.clone()
            }
            _ => self.usual.clone(),
        };
        let shown_t = self.time(shown);
        let mut seen = self.scene.paint(&mut canvas, shown_t);
        dim(&mut canvas, self.scene.light(shown_t));
        match kind {
            Some(FaultKind::Blurred) => {
                canvas.blur(((self.plan.width as f64 * BLUR) as usize).max(2));
            }
            Some(FaultKind::Covered) => {
                cover(&mut canvas, t);
                seen = Seen::default();
            }
            Some(FaultKind::Black) => {
                canvas.pixels_mut().fill(4);
                seen = Seen::default();
            }
            _ => {}
        }
        self.add_noise(&mut canvas, shown);
        let clock_ms = self.began_ms + (self.time(clock) * 1000.0).round() as i64;
        digits::write(&mut canvas, &written(clock_ms));
        let truth = Truth {
            camera: self.plan.id.clone(),
            frame: number,
            at_ms: self.began_ms + (t * 1000.0).round() as i64,
            clock_ms,
            fault: kind,
            seen,
        };
        match kind {
            Some(FaultKind::NoFrames) => {
                let seen = Seen::default();
                (None, Truth { seen, ..truth })
            }
            _ => (Some(canvas), truth),
        }
    }

    fn add_noise(&self, canvas: &mut Canvas, frame: u64) {
        let mut random = self.seed.fork(&format!("noise {frame}"));
        let mut place = random.bits() as usize;
        // Rows begin at random places, so that the noise has no pattern that the eye or a test could find.
        let width = canvas.width() * 3;
        for row in canvas.pixels_mut().chunks_exact_mut(width) {
            place = place.wrapping_add(random.bits() as usize);
            for (n, pixel) in row.chunks_exact_mut(3).enumerate() {
                let noise = self.noise[place.wrapping_add(n) % NOISE_LENGTH];
                for channel in pixel {
                    *channel = channel.saturating_add_signed(noise);
                }
            }
        }
    }
}

/// The time as it stands in the picture: UTC+8, as everywhere in China.
fn written(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    let there = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    at.to_zoned(there).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn dim(canvas: &mut Canvas, light: f32) {
    if light < 1.0 {
        let lower = (light * 256.0) as u16;
        for channel in canvas.pixels_mut() {
            *channel = ((u16::from(*channel) * lower) >> 8) as u8;
        }
    }
}

/// A cloth before the lens: smooth, moving a little.
fn cover(canvas: &mut Canvas, t: f64) {
    let shift = (t * 0.7).sin() as f32 * 12.0;
    let (width, height) = (canvas.width(), canvas.height());
    let step = super::canvas::WIDE / width as f32;
    let pixels = canvas.pixels_mut();
    for row in 0..height {
        for column in 0..width {
            let (x, y) = (column as f32 * step + shift, row as f32 * step);
            let fold = 10.0 * (x * 0.011 + y * 0.006).sin();
            let rgb = [
                92.0 + 0.05 * x + fold,
                78.0 + 0.04 * x + fold,
                70.0 + 0.04 * y + fold,
            ];
            let first = (row * width + column) * 3;
            for (channel, wanted) in pixels[first..first + 3].iter_mut().zip(rgb) {
                *channel = wanted as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Event, Place, Timed};
    use super::*;

    fn plan(place: Place) -> CameraPlan {
        CameraPlan {
            id: "cam".into(),
            scene: place,
            width: 320,
            height: 180,
            frames_per_s: 5.0,
            quality: 80,
            people: 3,
            worn: 0.5,
            login: None,
            rtsp: None,
            happening: Vec::new(),
            fault: Vec::new(),
        }
    }

    fn differing(a: &Canvas, b: &Canvas) -> usize {
        let pairs = a.pixels().iter().zip(b.pixels());
        pairs.filter(|(a, b)| a.abs_diff(**b) > 20).count()
    }

    #[test]
    fn the_same_plan_gives_the_same_frames_and_the_next_frame_another() {
        for place in [Place::Kitchen, Place::Workshop] {
            let mut a = Camera::new(plan(place), 1, 0);
            let mut b = Camera::new(plan(place), 1, 0);
            let (late, truth) = a.frame(907);
            let (again, same) = b.frame(907);
            let (next, _) = b.frame(908);
            assert_eq!(truth, same);
            let (late, again, next) = (late.unwrap(), again.unwrap(), next.unwrap());
            assert!(late.pixels() == again.pixels() && late.pixels() != next.pixels());
        }
    }

    #[test]
    fn the_truth_of_people_lies_where_they_differ_from_the_empty_room() {
        let mut camera = Camera::new(plan(Place::Kitchen), 7, 0);
        let mut empty = plan(Place::Kitchen);
        empty.people = 0;
        let mut empty = Camera::new(empty, 7, 0);
        let (mut people, mut faces) = (0, 0);
        for frame in (0..3000).step_by(61) {
            let (picture, truth) = camera.frame(frame);
            let (room, none) = empty.frame(frame);
            let (picture, room) = (picture.unwrap(), room.unwrap());
            assert_eq!(none.seen.persons, []);
            let boxes: Vec<[u32; 4]> = truth.seen.persons.iter().map(|p| p.person.0).collect();
            let is_inside = |n: usize| {
                let (x, y) = ((n / 3 % 320) as u32, (n / 3 / 320) as u32);
                let holds =
                    |[bx, by, w, h]: &[u32; 4]| x >= *bx && y >= *by && x < bx + w && y < by + h;
                boxes.iter().any(holds)
            };
            let pairs = picture.pixels().iter().zip(room.pixels()).enumerate();
            let changed: Vec<usize> = pairs
                .filter(|(_, (a, b))| a.abs_diff(**b) > 30)
                .map(|(n, _)| n)
                .collect();
            let outside = changed.iter().filter(|n| !is_inside(**n)).count();
            assert!(
                outside * 100 <= changed.len(),
                "{frame}: {outside} of {} outside",
                changed.len()
            );
            people += boxes.len();
            for person in &truth.seen.persons {
                if let (Some(head), Some(face)) = (person.head, person.face) {
                    faces += 1;
                    let (Area([hx, hy, hw, hh]), Area([fx, fy, fw, fh])) = (head, face);
                    assert!(fx >= hx && fy >= hy && fx + fw <= hx + hw && fy + fh <= hy + hh);
                }
            }
        }
        assert!(people > 40 && faces > 20, "{people} people, {faces} faces");
    }

    use super::super::canvas::Area;

    #[test]
    fn each_fault_shows_as_what_it_is_called() {
        for kind in [
            FaultKind::Black,
            FaultKind::Frozen,
            FaultKind::Blurred,
            FaultKind::Covered,
            FaultKind::Moved,
            FaultKind::ClockStopped,
            FaultKind::Looped,
            FaultKind::NoFrames,
        ] {
            let mut plan = plan(Place::Workshop);
            let at = |from_s, to_s| Timed {
                kind,
                from_s,
                to_s,
                repeat_s: 0.0,
            };
            plan.fault = vec![at(60.0, 90.0)];
            let mut camera = Camera::new(plan, 2, 1_764_000_000_000);
            let (before, good) = camera.frame(299);
            assert_eq!(good.fault, None);
            assert_eq!(good.at_ms, good.clock_ms);
            let before = before.unwrap();
            let (now, truth) = camera.frame(360);
            assert_eq!(truth.fault, Some(kind));
            let Some(now) = now else {
                assert_eq!(kind, FaultKind::NoFrames);
                continue;
            };
            match kind {
                FaultKind::Frozen => {
                    assert!(now.pixels() == camera.frame(440).0.unwrap().pixels());
                    assert_eq!(truth.clock_ms, 1_764_000_060_000);
                }
                FaultKind::Looped => {
                    assert!(now.pixels() == camera.frame(410).0.unwrap().pixels());
                    assert!(now.pixels() == camera.frame(260).0.unwrap().pixels());
                    assert!(now.pixels() != camera.frame(361).0.unwrap().pixels());
                }
                FaultKind::ClockStopped => {
                    assert!(now.pixels() != camera.frame(361).0.unwrap().pixels());
                    assert_eq!(truth.clock_ms, 1_764_000_060_000);
                }
                _ => assert!(differing(&before, &now) > 20_000, "{kind:?}"),
            }
        }
    }

    #[test]
    fn fire_smoke_open_bins_and_missing_gear_are_in_the_truth_while_they_happen() {
        let mut plan = plan(Place::Kitchen);
        let at = |kind| Timed {
            kind,
            from_s: 50.0,
            to_s: 100.0,
            repeat_s: 0.0,
        };
        plan.worn = 1.0;
        plan.happening = [Event::Fire, Event::Smoke, Event::BinOpen, Event::NoGear]
            .map(at)
            .to_vec();
        let mut camera = Camera::new(plan, 4, 0);
        for frame in [100, 400] {
            let during = frame == 400;
            let seen = camera.frame(frame).1.seen;
            assert_eq!(seen.smoke.is_some(), during);
            assert_eq!(seen.flames.iter().any(|flame| flame.fire), during);
            assert!(!during || seen.bins.iter().all(|bin| bin.open));
            assert!(!seen.persons.is_empty());
            assert!(
                seen.persons
                    .iter()
                    .all(|p| p.gear.mask != during && p.gear.hat != during)
            );
        }
    }
}
