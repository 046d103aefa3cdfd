//! The configuration that the gateway keeps for this box: tried, proved or given up.
//!
//! Promise: what the gateway wants is on disk before it is tried; it is kept only after the gateway was heard with it;
//! otherwise what ran before runs again, also if the agent ended twice while it was tried. What was refused or given up
//! is not tried again under the same version.

use crate::{
    config::{self, Config},
    identity::{self, IdentityError},
};
use contract::{
    Timestamp,
    configuration::{Desired, Outcome, REASON_MAX, REASONS_MAX, Report, State},
    problems::Problems,
};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// Starts of the program with a configuration that is not proved yet.
const STARTS_MAX: u32 = 2;

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The last one with which the gateway was heard; none: the box's own file.
    good: Option<Desired>,
    /// The one that is tried.
    trial: Option<Trial>,
    /// What became of the newest one.
    newest: Option<Outcome>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Trial {
    desired: Desired,
    starts: u32,
}

impl Kept {
    /// The program starts.
    pub fn begins(&mut self, now: Timestamp) {
        if let Some(trial) = &mut self.trial {
            trial.starts += 1;
            if trial.starts > STARTS_MAX {
                self.give_up("the agent ended while it was tried, twice".into(), now);
            }
        }
    }

    /// What runs, if not the box's own file.
    pub fn runs(&self) -> Option<&Desired> {
        let runs = match &self.trial {
            Some(trial) => Some(&trial.desired),
            None => self.good.as_ref(),
        };
        runs.filter(|desired| !desired.is_own())
    }

    /// Whether this is to be tried: it is not the newest that was heard of.
    pub fn is_new(&self, desired: &Desired) -> bool {
        let digest = desired.digest();
        self.newest
            .as_ref()
            .is_none_or(|known| known.digest != digest)
    }

    /// True while one is tried.
    pub fn is_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// It cannot be run.
    pub fn refuse(&mut self, desired: &Desired, reasons: Vec<String>, now: Timestamp) {
        self.becomes(desired, State::Refused, reasons, now);
    }

    /// It is tried from now on; what was tried before is given up for it.
    pub fn try_out(&mut self, desired: Desired, now: Timestamp) {
        self.becomes(&desired, State::Trial, Vec::new(), now);
        self.trial = Some(Trial { desired, starts: 1 });
    }

    /// The gateway was heard with what is tried. True if one is tried.
    pub fn prove(&mut self, now: Timestamp) -> bool {
        let Some(trial) = self.trial.take() else {
            return false;
        };
        self.becomes(&trial.desired, State::Applied, Vec::new(), now);
        self.good = Some(trial.desired);
        true
    }

    /// What is tried is given up.
    pub fn give_up(&mut self, reason: String, now: Timestamp) {
        if let Some(trial) = self.trial.take() {
            self.becomes(&trial.desired, State::RolledBack, vec![reason], now);
        }
    }

    /// What runs cannot be loaded any more: what was good before what is tried runs, else the box's own file.
    pub fn lose(&mut self, reasons: Vec<String>, now: Timestamp) {
        let tried = self.trial.take().map(|trial| trial.desired);
        if let Some(desired) = tried.or_else(|| self.good.take()) {
            self.refuse(&desired, reasons, now);
        }
    }

    /// Adds to the reasons why the newest was given up how long the gateway stayed away after that, once.
    pub fn heard_after(&mut self, passed: Duration) {
        if let Some(newest) = &mut self.newest
            && newest.state == State::RolledBack
            && newest.reasons.len() == 1
        {
            let seconds = passed.as_secs();
            newest.reasons.push(format!(
                "with what ran before the gateway was heard after {seconds} s"
            ));
        }
    }

    /// For the agent's status.
    pub fn report(&self) -> Report {
        Report {
            runs: self.runs().map_or(0, |desired| desired.version),
            newest: self.newest.clone(),
        }
    }

    fn becomes(&mut self, desired: &Desired, state: State, reasons: Vec<String>, now: Timestamp) {
        let short = |reason: String| reason.chars().take(REASON_MAX).collect();
        self.newest = Some(Outcome {
            version: desired.version,
            digest: desired.digest(),
            state,
            at: now,
            reasons: reasons.into_iter().take(REASONS_MAX).map(short).collect(),
        });
    }
}

/// [`Kept`] in a file beside the buffer.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    /// What is kept.
    pub kept: Kept,
}

impl Keeper {
    /// Reads it. A file that cannot be read is said and taken for none: the gateway sends again what it wants.
    pub fn open(buffer: &Path) -> Keeper {
        let mut name = buffer.file_name().map_or(OsString::new(), OsString::from);
        name.push(".configuration.json");
        let path = buffer.with_file_name(name);
        let kept = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::error!(path = %path.display(), %error, "the configuration that the gateway sent cannot be read back; it is asked for again");
                Kept::default()
            }),
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    tracing::error!(path = %path.display(), %error, "the configuration that the gateway sent cannot be read; it is asked for again");
                }
                Kept::default()
            }
        };
        Keeper { path, kept }
    }

    /// Changes what is kept, on disk before anything else. On an error nothing is changed.
    pub fn change(&mut self, act: impl FnOnce(&mut Kept)) -> Result<(), IdentityError> {
        let mut kept = self.kept.clone();
        act(&mut kept);
        if kept != self.kept {
            let json = serde_json::to_vec(&kept).expect("a configuration is always JSON");
            identity::write(&self.path, &json, 0o600)?;
            self.kept = kept;
        }
        Ok(())
    }

    /// Changes what is kept even if the disk refuses; that is said. After a restart the old state may be back.
    pub fn note(&mut self, act: impl Fn(&mut Kept)) {
        if let Err(error) = self.change(&act) {
            let cause = crate::chain(&error);
            tracing::error!(cause, "what became of the configuration cannot be kept");
            act(&mut self.kept);
        }
    }
}

/// What a starting agent is to run: its own file, with what the gateway wants if that can be loaded. Counts the start.
pub fn load(path: &Path) -> Result<(Config, Keeper), Problems> {
    let mut keeper = Keeper::open(&config::load_buffer(path)?.path);
    keeper.note(|kept| {
        kept.begins(Timestamp::now());
    });
    loop {
        let desired = keeper.kept.runs().cloned();
        match config::load_with(path, desired.as_ref()) {
            Err(problems) if desired.is_some() => {
                tracing::error!(%problems, "the configuration that the gateway sent cannot be loaded any more");
                let reasons: Vec<String> = problems.iter().map(ToString::to_string).collect();
                keeper.note(|kept| kept.lose(reasons.clone(), Timestamp::now()));
            }
            loaded => return loaded.map(|config| (config, keeper)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

    fn desired(version: u64) -> Desired {
        Desired {
            version,
            text: format!("# {version}"),
            files: Default::default(),
        }
    }

    fn state(kept: &Kept) -> (u64, Option<(u64, State)>) {
        let report = kept.report();
        (
            report.runs,
            report.newest.map(|newest| (newest.version, newest.state)),
        )
    }

    #[test]
    fn one_is_tried_proved_and_kept_and_the_next_is_given_up_for_it() {
        let mut kept = Kept::default();
        kept.begins(NOW);
        assert_eq!(state(&kept), (0, None));
        assert!(kept.is_new(&desired(1)));
        kept.try_out(desired(1), NOW);
        assert_eq!(state(&kept), (1, Some((1, State::Trial))));
        assert!(kept.prove(NOW) && !kept.prove(NOW));
        assert_eq!(state(&kept), (1, Some((1, State::Applied))));
        assert!(!kept.is_new(&desired(1)) && kept.is_new(&desired(2)));
        kept.try_out(desired(2), NOW);
        kept.give_up("no".into(), NOW);
        assert_eq!(state(&kept), (1, Some((2, State::RolledBack))));
        kept.heard_after(Duration::from_secs(3));
        kept.heard_after(Duration::from_secs(9));
        let reasons = kept.report().newest.unwrap().reasons;
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(reasons[1].contains("3 s"), "{reasons:?}");
        assert!(!kept.is_new(&desired(2)), "it would be tried for ever");
    }

    #[test]
    fn what_is_refused_changes_nothing_and_a_blank_one_gives_the_own_file_back() {
        let mut kept = Kept::default();
        kept.try_out(desired(1), NOW);
        kept.prove(NOW);
        kept.refuse(&desired(2), vec!["x".repeat(9_000); 99], NOW);
        assert_eq!(state(&kept), (1, Some((2, State::Refused))));
        let reasons = kept.report().newest.unwrap().reasons;
        assert_eq!((reasons.len(), reasons[0].len()), (REASONS_MAX, REASON_MAX));
        let blank = Desired {
            text: String::new(),
            ..desired(3)
        };
        kept.try_out(blank, NOW);
        assert_eq!(kept.runs(), None);
        kept.prove(NOW);
        assert_eq!(state(&kept), (0, Some((3, State::Applied))));
    }

    #[test]
    fn an_agent_that_ends_twice_while_one_is_tried_goes_back() {
        let mut kept = Kept::default();
        kept.try_out(desired(1), NOW);
        kept.prove(NOW);
        kept.try_out(desired(2), NOW);
        kept.begins(NOW);
        assert_eq!(kept.runs(), Some(&desired(2)));
        kept.begins(NOW);
        assert_eq!(kept.runs(), Some(&desired(1)));
        assert_eq!(state(&kept), (1, Some((2, State::RolledBack))));
    }

    #[test]
    fn it_is_on_disk_at_once_and_a_broken_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let buffer = folder.path().join("buffer.db");
        let mut keeper = Keeper::open(&buffer);
        keeper.change(|kept| kept.try_out(desired(4), NOW)).unwrap();
        assert_eq!(Keeper::open(&buffer).kept, keeper.kept);
        let path = folder.path().join("buffer.db.configuration.json");
        std::fs::write(&path, b"{").unwrap();
        assert_eq!(Keeper::open(&buffer).kept, Kept::default());
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let mut keeper = Keeper::open(&buffer);
        assert!(keeper.change(|kept| kept.try_out(desired(5), NOW)).is_err());
        assert_eq!(keeper.kept, Kept::default());
        keeper.note(|kept| kept.try_out(desired(5), NOW));
        assert!(keeper.kept.is_trial());
    }
}
