//! Where files of footage are, and how many there are.

use super::{Announced, Footage, FootageError, Unmasking, store::News};
use contract::{
    Timestamp,
    footage::{LostBy, Part, Role},
};
use std::collections::HashSet;
use std::sync::{MutexGuard, PoisonError};

/// Where a file of footage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FootageState {
    /// The gateway has it.
    Here,
    /// The agent will send it.
    Coming,
    /// An original: it stays at the site.
    AtSite,
    /// An original that two persons approved: the agent is asked for it.
    Wanted,
    /// The gateway had it and deleted it.
    Deleted,
    /// The agent had it and lost it before it was sent: it will never come.
    Lost,
    /// The gateway does not take it; the footage says why.
    Refused,
}

/// Where a file of footage is, and how it was lost if it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub state: FootageState,
    /// When its agent lost it, and how.
    pub lost: Option<(Timestamp, LostBy)>,
}

/// How much footage there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct FootageSums {
    /// Files that the gateway has.
    pub here: u64,
    /// Masked files that agents announced and that have not come.
    pub coming: u64,
    /// Files that agents announced and lost.
    pub lost: u64,
    /// Manifests that do not count as their agents', so that none of their files is taken.
    pub not_counted: u64,
    /// Bytes on disk, those of files that are under way included.
    pub bytes: u64,
    /// Bytes on disk at most.
    pub bytes_max: u64,
}

impl Footage {
    /// Where a file of footage is.
    pub(super) fn place(
        &self,
        of: &Announced,
        part: &Part,
        is_taken: bool,
        unmasking: Option<&Unmasking>,
    ) -> Result<Place, FootageError> {
        let at = |state| Place { state, lost: None };
        if self.0.files.has(&part.sha256) {
            return Ok(at(FootageState::Here));
        }
        if self.store().gone(&part.sha256)?.is_some() {
            return Ok(at(FootageState::Deleted));
        }
        let is_original = part.role == Role::Original;
        if !is_taken && !is_original {
            return Ok(at(FootageState::Refused));
        }
        if let Some(lost) = self.lost(of, part)? {
            return Ok(Place {
                state: FootageState::Lost,
                lost: Some(lost),
            });
        }
        let is_approved = unmasking.is_some_and(Unmasking::is_approved);
        Ok(at(match is_original {
            true if is_approved && is_taken => FootageState::Wanted,
            true => FootageState::AtSite,
            false => FootageState::Coming,
        }))
    }

    /// When and how the agent lost a file of its own.
    pub fn lost(
        &self,
        of: &Announced,
        part: &Part,
    ) -> Result<Option<(Timestamp, LostBy)>, FootageError> {
        self.store().lost(&of.site, &of.agent, &part.sha256)
    }

    /// How much there is.
    pub fn sums(&self) -> Result<FootageSums, FootageError> {
        let (lost, not_counted) = self.store().sums()?;
        Ok(FootageSums {
            here: self.0.files.count(),
            coming: self.coming().len() as u64,
            lost,
            not_counted,
            bytes: self.0.files.bytes(),
            bytes_max: self.plan().bytes_max,
        })
    }

    fn coming(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks once which files are to come; from then on it is known.
    pub(super) fn count_coming(&self) -> Result<(), FootageError> {
        let expected = self.store().expected()?;
        for (hash, footage) in expected {
            let is_taken = || -> Result<bool, FootageError> {
                let announced = self.one(&footage)?;
                Ok(announced.is_some_and(|footage| self.why_not(&footage).is_none()))
            };
            if !self.0.files.has(&hash) && is_taken()? {
                self.coming().insert(hash);
            }
        }
        Ok(())
    }

    /// What was kept: files are to come, or will not come any more.
    pub(super) fn heard(&self, news: &[News]) {
        for one in news {
            match one {
                News::Announced(announced) if self.why_not(announced).is_none() => {
                    let parts = announced.manifest.iter().flat_map(|m| &m.parts);
                    let comes = |part: &&Part| {
                        let place = self.place(announced, part, true, None);
                        place.is_ok_and(|place| place.state == FootageState::Coming)
                    };
                    let new: Vec<String> = parts.filter(comes).map(|p| p.sha256.clone()).collect();
                    self.coming().extend(new);
                }
                News::Announced(_) | News::Sighting(..) => {}
                News::Lost(loss, _) => {
                    let hash = &loss.lost_sha256;
                    let announced = self.store().announced(&loss.site, &loss.agent, hash);
                    // Of a file of somebody else it may say what it likes.
                    if announced.is_ok_and(|announced| announced.is_empty()) {
                        continue;
                    }
                    self.comes_no_more(hash);
                    // What came of it will never be whole.
                    if let Err(error) = self.0.files.throw_away(hash) {
                        tracing::error!(sha256 = hash, %error, "what came of a lost file cannot be deleted");
                    }
                }
            }
        }
    }

    pub(super) fn comes_no_more(&self, hash: &str) {
        self.coming().remove(hash);
    }
}
