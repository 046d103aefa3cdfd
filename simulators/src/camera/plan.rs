//! What a run of cameras is told: which cameras, what happens before them, and what is wrong with them when.

use serde::{Deserialize, Serialize};
use std::path::Path;

/// A run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Seed of all randomness.
    pub seed: u64,
    /// What the burned-in clock shows at the start (RFC 3339); the machine's own time if it is left out.
    #[serde(default)]
    pub begins: Option<String>,
    /// The cameras.
    pub camera: Vec<CameraPlan>,
}

/// A camera.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraPlan {
    /// Its name; part of its address.
    pub id: String,
    /// What it looks at.
    pub scene: Place,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Frames a second.
    pub frames_per_s: f64,
    /// JPEG quality.
    #[serde(default = "quality")]
    pub quality: u8,
    /// How many people come and go.
    pub people: usize,
    /// Share of mask, hat, helmet and vest that they wear.
    #[serde(default = "worn")]
    pub worn: f64,
    /// What it asks whoever wants its pictures for.
    #[serde(default)]
    pub login: Option<Login>,
    /// Over RTSP too, with this codec.
    #[serde(default)]
    pub rtsp: Option<Codec>,
    /// What happens before it.
    #[serde(default)]
    pub happening: Vec<Timed<Event>>,
    /// What is wrong with it.
    #[serde(default)]
    pub fault: Vec<Timed<FaultKind>>,
}

fn quality() -> u8 {
    82
}

fn worn() -> f64 {
    0.75
}

/// What a camera looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A kitchen with stove, counters and bins.
    Kitchen,
    /// A workshop with a machine, racks and bins.
    Workshop,
}

/// A codec of RTSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// H.264.
    H264,
    /// H.265.
    H265,
}

/// User, password and how they are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// How.
    pub how: Scheme,
    /// The user.
    pub user: String,
    /// The password of a simulated camera.
    pub password: String,
}

/// How a camera asks for a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// RFC 7617.
    Basic,
    /// RFC 7616 with MD5, as nearly all cameras do.
    Digest,
}

/// Something that acts in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timed<K> {
    /// What.
    pub kind: K,
    /// First second since the start.
    pub from_s: f64,
    /// The second at which it is over.
    pub to_s: f64,
    /// Again after so many seconds; 0: once.
    #[serde(default)]
    pub repeat_s: f64,
}

impl<K> Timed<K> {
    /// Since when it acts, if it acts at `t`.
    pub fn since(&self, t: f64) -> Option<f64> {
        let round = match self.repeat_s > 0.0 {
            true => (t / self.repeat_s).floor() * self.repeat_s,
            false => 0.0,
        };
        let within = t - round;
        (self.from_s <= within && within < self.to_s).then_some(round + self.from_s)
    }

    fn is_possible(&self) -> bool {
        let fits = self.repeat_s == 0.0 || self.to_s <= self.repeat_s;
        0.0 <= self.from_s && self.from_s < self.to_s && fits
    }
}

/// What can happen before a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Nobody is there.
    Empty,
    /// Nobody wears anything that protects.
    NoGear,
    /// Lids of bins are up.
    BinOpen,
    /// Both burners burn.
    Cooking,
    /// Something burns.
    Fire,
    /// Smoke rises.
    Smoke,
    /// Nearly dark; not a fault.
    LightsOff,
}

/// What can be wrong with a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Black but for the clock.
    Black,
    /// One picture over and over, clock and all.
    Frozen,
    /// Out of focus.
    Blurred,
    /// Something before the lens.
    Covered,
    /// It looks elsewhere.
    Moved,
    /// The picture goes on, its clock does not.
    ClockStopped,
    /// The last ten seconds over and over, clock and all.
    Looped,
    /// Nothing comes, though the connection stands.
    NoFrames,
}

/// How long the loop of [`FaultKind::Looped`] is.
pub const LOOP_S: f64 = 10.0;

/// Why a plan was refused.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It could not be read.
    #[error("cannot read the plan {path}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not a plan.
    #[error("the plan {path} is not well-formed")]
    Parse {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: toml::de::Error,
    },
    /// It cannot be played.
    #[error("the plan cannot be played: {}", .0.join("; "))]
    Play(Vec<String>),
}

impl Plan {
    /// Reads a plan.
    pub fn load(path: &Path) -> Result<Plan, PlanError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| PlanError::Read {
            path: name.clone(),
            source,
        })?;
        let plan: Plan =
            toml::from_str(&text).map_err(|source| PlanError::Parse { path: name, source })?;
        plan.check()?;
        Ok(plan)
    }

    /// What the clock shows at the start, milliseconds since 1970.
    pub fn begins_ms(&self) -> i64 {
        let begins = self.begins.as_ref().and_then(|text| text.parse().ok());
        begins.unwrap_or_else(jiff::Timestamp::now).as_millisecond()
    }

    /// Names everything that is wrong with it.
    pub fn check(&self) -> Result<(), PlanError> {
        let mut problems = Vec::new();
        if let Some(text) = &self.begins
            && text.parse::<jiff::Timestamp>().is_err()
        {
            problems.push(format!(
                "begins: {text:?} is not a time such as 2026-11-28T08:00:00+08:00"
            ));
        }
        let mut ids = std::collections::HashSet::new();
        for camera in &self.camera {
            let id = &camera.id;
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if id.is_empty() || !id.chars().all(is_name) || !ids.insert(id) {
                problems.push(format!(
                    "camera {id:?}: write a name of its own of letters, digits and -"
                ));
            }
            let is_size = |side: usize| (64..=4096).contains(&side) && side.is_multiple_of(2);
            if !is_size(camera.width) || !is_size(camera.height) {
                problems.push(format!(
                    "camera {id}: width and height are even, from 64 to 4096"
                ));
            }
            if !(0.1..=60.0).contains(&camera.frames_per_s) {
                problems.push(format!("camera {id}: frames_per_s is from 0.1 to 60"));
            }
            if !(1..=100).contains(&camera.quality) || !(0.0..=1.0).contains(&camera.worn) {
                problems.push(format!(
                    "camera {id}: quality is from 1 to 100, worn from 0 to 1"
                ));
            }
            if camera.people > super::scene::PERSONS_MAX {
                problems.push(format!(
                    "camera {id}: at most {} people",
                    super::scene::PERSONS_MAX
                ));
            }
            let happenings = camera.happening.iter().all(Timed::is_possible);
            if !happenings || !camera.fault.iter().all(Timed::is_possible) {
                problems.push(format!(
                    "camera {id}: from_s < to_s <= repeat_s does not hold"
                ));
            }
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(PlanError::Play(problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_loads_and_all_that_is_wrong_is_named_at_once() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/cameras/example.toml");
        assert_eq!(Plan::load(&example).unwrap().camera.len(), 2);
        let text = r#"
            seed = 1
            [[camera]]
            id = "a b"
            scene = "kitchen"
            width = 641
            height = 360
            frames_per_s = 0
            people = 99
            [[camera.fault]]
            kind = "black"
            from_s = 9
            to_s = 3
        "#;
        let plan: Plan = toml::from_str(text).unwrap();
        let Err(PlanError::Play(problems)) = plan.check() else {
            panic!("accepted")
        };
        assert_eq!(problems.len(), 5, "{problems:?}");
    }

    #[test]
    fn what_repeats_acts_again() {
        let when = Timed {
            kind: (),
            from_s: 5.0,
            to_s: 8.0,
            repeat_s: 10.0,
        };
        assert_eq!(
            [4.0, 5.0, 8.0, 17.5].map(|t| when.since(t)),
            [None, Some(5.0), None, Some(15.0)]
        );
    }
}
