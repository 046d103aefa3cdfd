//! Which model plays a part (`helmet`) for a camera: the one in use, one that is run beside it and raises nothing (a shadow),
//! and the one that was in use before.
//!
//! Pure. A switch is a configuration that names another model in use and the former one as `before`; since each frame is an
//! ask of its own, it takes effect between two frames. The model in use is given up for the former one when it fails or is too
//! slow, and stays given up until the configuration changes or the agent starts again. A shadow that fails is left out, so that it
//! spoils no more looks of the one in use.

use super::VisionError;
use contract::vision::{Answer, Said};
use std::{collections::VecDeque, fmt};

/// Runs that are remembered.
const WINDOW: usize = 100;
/// Fewer runs have no median.
const RUNS_MIN: usize = 20;
/// After so many good runs a new model has stood its trial.
const PROVED: u32 = 500;

/// What a model is given up for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// So many failures among the last [`WINDOW`] runs.
    pub errors: usize,
    /// A median of one run above this, ms.
    pub median_ms: f64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            errors: 3,
            median_ms: 200.0,
        }
    }
}

/// What a model is to a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What it says counts.
    InUse,
    /// What it would have said is recorded.
    Shadow,
}

/// Something that a person should hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The new model has stood its trial.
    Proved {
        /// Which.
        model: String,
    },
    /// The former model is used again.
    RolledBack {
        /// What was given up.
        from: String,
        /// What is used.
        to: String,
        /// What for.
        why: String,
    },
    /// The shadow is run no more.
    ShadowLeft {
        /// Which.
        model: String,
        /// What for.
        why: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Proved { model } => write!(f, "model {model} has stood its trial"),
            Change::RolledBack { from, to, why } => {
                write!(f, "model {from} was given up, {to} is used again: {why}")
            }
            Change::ShadowLeft { model, why } => {
                write!(f, "the shadow model {model} is run no more: {why}")
            }
        }
    }
}

/// How a model did.
#[derive(Debug, Clone, PartialEq)]
struct Played {
    name: String,
    /// The last runs: the time of each in ms, or that it failed.
    runs: VecDeque<Result<f64, ()>>,
    good: u32,
}

impl Played {
    fn new(name: String) -> Played {
        Played {
            name,
            runs: VecDeque::new(),
            good: 0,
        }
    }

    /// Notes a run; gives why the model is to be given up, if it is.
    fn note(&mut self, run: Result<f64, &str>, limits: &Limits) -> Option<String> {
        if self.runs.len() == WINDOW {
            self.runs.pop_front();
        }
        self.runs.push_back(run.map_err(|_| ()));
        let errors = self.runs.iter().filter(|run| run.is_err()).count();
        match run {
            Err(words) if errors >= limits.errors => {
                let runs = self.runs.len();
                Some(format!(
                    "{errors} of its last {runs} runs failed, the last one: {words}"
                ))
            }
            Err(_) => None,
            Ok(_) => {
                self.good += 1;
                let median = self
                    .median_ms()
                    .filter(|median| *median > limits.median_ms)?;
                let most = limits.median_ms;
                Some(format!("it takes {median:.0} ms, {most:.0} ms are allowed"))
            }
        }
    }

    fn median_ms(&self) -> Option<f64> {
        let mut times: Vec<f64> = self.runs.iter().flatten().copied().collect();
        times.sort_by(f64::total_cmp);
        (times.len() >= RUNS_MIN).then(|| times[times.len() / 2])
    }
}

/// See the head of this file.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    in_use: Played,
    shadow: Option<Played>,
    before: Option<String>,
    rolled_back: Option<String>,
    limits: Limits,
}

impl Choice {
    /// `model` is in use; it is on trial if there is one that was used before. A shadow that is the one in use is none.
    pub fn new(model: &str, shadow: Option<&str>, before: Option<&str>, limits: Limits) -> Choice {
        let other = |name: Option<&str>| {
            let other = name.filter(|name| *name != model);
            other.map(str::to_owned)
        };
        Choice {
            in_use: Played::new(model.to_owned()),
            shadow: other(shadow).map(Played::new),
            before: other(before),
            rolled_back: None,
            limits,
        }
    }

    /// The model whose words count.
    pub fn in_use(&self) -> &str {
        &self.in_use.name
    }

    /// The model that was given up, if one was.
    pub fn rolled_back(&self) -> Option<&str> {
        self.rolled_back.as_deref()
    }

    /// The models to ask for.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        let shadow = self.shadow.as_ref().map(|shadow| shadow.name.as_str());
        std::iter::once(self.in_use()).chain(shadow)
    }

    /// What a model is to this part; nothing if it has none.
    pub fn role(&self, model: &str) -> Option<Role> {
        match &self.shadow {
            _ if self.in_use.name == model => Some(Role::InUse),
            Some(shadow) if shadow.name == model => Some(Role::Shadow),
            _ => None,
        }
    }

    /// Takes in how an ask with these models went.
    pub fn heard(&mut self, heard: &Result<Answer, VisionError>) -> Option<Change> {
        match heard {
            Ok(answer) => {
                let failed = match &answer.said {
                    Said::Failed { of_model, words } => of_model.as_deref().zip(Some(&words[..])),
                    _ => None,
                };
                let run = |name: &str| match failed {
                    Some((of, words)) if of == name => Some(Err(words)),
                    _ => {
                        let mut ran = answer.models.iter().zip(&answer.each_ms);
                        let ran = ran.find(|(model, _)| model.name == name);
                        ran.map(|(_, ms)| Ok(*ms))
                    }
                };
                let (of_use, of_shadow) = (
                    run(&self.in_use.name),
                    self.shadow.as_ref().and_then(|shadow| run(&shadow.name)),
                );
                let of_shadow = of_shadow.and_then(|run| self.note_shadow(run));
                of_use.and_then(|run| self.note_in_use(run)).or(of_shadow)
            }
            // It may have been another model, or none. Whoever is new is suspected.
            Err(error @ (VisionError::Died(_) | VisionError::Hung(..))) => {
                let words = error.to_string();
                if self.shadow.is_some() {
                    self.note_shadow(Err(&words))
                } else if self.is_trial() {
                    self.note_in_use(Err(&words))
                } else {
                    None
                }
            }
            Err(_) => None,
        }
    }

    /// True until the model in use has stood its trial; without a former one there is none.
    pub fn is_trial(&self) -> bool {
        self.before.is_some() && self.in_use.good < PROVED
    }

    fn note_in_use(&mut self, run: Result<f64, &str>) -> Option<Change> {
        let was_trial = self.is_trial();
        let why = self.in_use.note(run, &self.limits);
        if let (Some(why), Some(to)) = (why, &self.before) {
            let to = to.clone();
            self.before = None;
            let from = std::mem::replace(&mut self.in_use, Played::new(to.clone())).name;
            // The former one may have been the shadow.
            self.shadow = self.shadow.take().filter(|shadow| shadow.name != to);
            self.rolled_back = Some(from.clone());
            return Some(Change::RolledBack { from, to, why });
        }
        (was_trial && !self.is_trial()).then(|| Change::Proved {
            model: self.in_use.name.clone(),
        })
    }

    fn note_shadow(&mut self, run: Result<f64, &str>) -> Option<Change> {
        let shadow = self.shadow.as_mut()?;
        let why = shadow.note(run, &self.limits)?;
        let model = shadow.name.clone();
        self.shadow = None;
        Some(Change::ShadowLeft { model, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::vision::{ModelUsed, Seen};
    use std::time::Duration;

    fn answer(models: &[(&str, f64)], failed: Option<&str>) -> Result<Answer, VisionError> {
        let used = |name: &str| ModelUsed {
            name: name.to_owned(),
            sha256: String::new(),
        };
        Ok(Answer {
            id: 1,
            took_ms: 0.0,
            models: models.iter().map(|(name, _)| used(name)).collect(),
            each_ms: models.iter().map(|(_, ms)| *ms).collect(),
            said: match failed {
                None => Said::Seen(Seen::default()),
                Some(name) => Said::Failed {
                    of_model: Some(name.to_owned()),
                    words: "it is damaged".into(),
                },
            },
        })
    }

    #[test]
    fn a_new_model_that_fails_makes_way_for_the_former_one_and_without_one_it_stays() {
        let mut choice = Choice::new("new", None, Some("old"), Limits::default());
        assert!(choice.is_trial());
        let good = answer(&[("persons", 30.0), ("new", 2.0)], None);
        let bad = answer(&[("persons", 30.0), ("new", 2.0)], Some("new"));
        for heard in [&bad, &good, &bad, &answer(&[], Some("persons"))] {
            assert_eq!(choice.heard(heard), None);
        }
        let change = choice.heard(&bad).unwrap();
        let words = change.to_string();
        assert!(
            words.contains("new was given up, old is used again"),
            "{words}"
        );
        assert!(words.contains("3 of its last 4 runs"), "{words}");
        assert_eq!(
            (choice.in_use(), choice.rolled_back()),
            ("old", Some("new"))
        );
        let of_old = answer(&[], Some("old"));
        assert!((0..9).all(|_| choice.heard(&of_old).is_none()));
        assert_eq!((choice.in_use(), choice.is_trial()), ("old", false));
    }

    #[test]
    fn a_model_that_is_too_slow_makes_way_but_a_single_slow_run_is_none() {
        let mut choice = Choice::new("new", None, Some("old"), Limits::default());
        for ms in [900.0, 3.0].repeat(5).into_iter().chain([3.0; 30]) {
            assert_eq!(choice.heard(&answer(&[("new", ms)], None)), None);
        }
        let slow = answer(&[("new", 250.0)], None);
        let runs = (1..).find(|_| choice.heard(&slow).is_some()).unwrap();
        assert!((20..=40).contains(&runs), "{runs}");
        assert_eq!(choice.in_use(), "old");
    }

    #[test]
    fn whoever_is_new_is_suspected_when_the_process_dies() {
        let died = || Err(VisionError::Died(": signal 11".into()));
        let hung = Err(VisionError::Hung(Duration::from_secs(5), String::new()));
        let mut proved = Choice::new("old", None, None, Limits::default());
        let mut trial = Choice::new("new", None, Some("old"), Limits::default());
        let mut shadow = Choice::new("old", Some("next"), None, Limits::default());
        for heard in [died(), hung, died()] {
            proved.heard(&heard);
            trial.heard(&heard);
            shadow.heard(&heard);
        }
        assert_eq!(proved.in_use(), "old");
        assert_eq!(trial.in_use(), "old");
        assert_eq!(shadow.models().collect::<Vec<_>>(), ["old"]);
        // That too many waited is nobody's fault.
        let mut trial = Choice::new("new", None, Some("old"), Limits::default());
        assert!((0..50).all(|_| trial.heard(&Err(VisionError::Busy)).is_none()));
        assert_eq!(trial.in_use(), "new");
    }

    #[test]
    fn a_shadow_runs_beside_and_is_left_out_when_it_fails() {
        let mut choice = Choice::new("old", Some("next"), None, Limits::default());
        assert_eq!(choice.models().collect::<Vec<_>>(), ["old", "next"]);
        assert_eq!(
            ["old", "next", "other"].map(|model| choice.role(model)),
            [Some(Role::InUse), Some(Role::Shadow), None]
        );
        let bad = answer(&[("old", 2.0)], Some("next"));
        assert_eq!((choice.heard(&bad), choice.heard(&bad)), (None, None));
        assert!(
            matches!(choice.heard(&bad), Some(Change::ShadowLeft { model, .. }) if model == "next")
        );
        assert_eq!((choice.role("next"), choice.in_use()), (None, "old"));
        let same = Choice::new("old", Some("old"), Some("old"), Limits::default());
        assert_eq!((same.models().count(), same.is_trial()), (1, false));
    }

    #[test]
    fn a_trial_that_was_stood_is_said_once() {
        let mut choice = Choice::new("new", None, Some("old"), Limits::default());
        let good = answer(&[("new", 2.0)], None);
        let said: Vec<Change> = (0..2 * PROVED)
            .filter_map(|_| choice.heard(&good))
            .collect();
        assert_eq!(
            said,
            [Change::Proved {
                model: "new".into()
            }]
        );
        // Nobody was in the picture: it did not run, and stands nothing by that.
        let mut idle = Choice::new("new", None, Some("old"), Limits::default());
        let empty = answer(&[("persons", 30.0)], None);
        assert!((0..2 * PROVED).all(|_| idle.heard(&empty).is_none()) && idle.is_trial());
    }
}
