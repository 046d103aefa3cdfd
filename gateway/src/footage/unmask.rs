//! Who may have an original: somebody asks and says why, two others approve. Each step is a line of the history.
//!
//! Promise: an original is fetched from its site only after two persons, neither of whom asked, have approved it.
//! Not promised: that anybody can look at it here. It is encrypted for two custodians, and their keys are not with the gateway.

use crate::{
    account::{Act, Role, User},
    detect::rule::Text,
    store::{Records, RecordsError, get, put, remember},
};
use contract::{SiteId, Timestamp};
use serde::{Deserialize, Serialize};

/// Kind of these records.
const KIND: &str = "unmasking";
/// So many persons must approve.
const APPROVALS: usize = 2;

/// The wish to have the original of some footage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmasking {
    /// The footage.
    pub footage: String,
    /// Where it is.
    pub site: SiteId,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub asked_by: String,
    /// When.
    pub asked_at: Timestamp,
    /// Who approved, and when.
    pub approvals: Vec<(String, Timestamp)>,
}

impl Unmasking {
    /// True if the original may be fetched.
    pub fn is_approved(&self) -> bool {
        self.approvals.len() >= APPROVALS
    }
}

/// Why a step is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The role does not allow it.
    Role(Role, Act),
    /// There is no reason.
    Reason,
    /// There is no original.
    NoOriginal,
    /// Somebody asked already.
    Asked(String),
    /// Nobody asked.
    NotAsked,
    /// Who asked cannot approve.
    Asker,
    /// One person approves once.
    Twice,
    /// It is approved already.
    Approved,
}

impl Refusal {
    /// Why, and what to do.
    pub fn words(&self) -> Text {
        match self {
            Refusal::Role(role, act) => role.refusal(*act),
            Refusal::Reason => Text::new(
                "没有写理由；请用一句话写明为什么需要未遮挡的原始影像",
                "a reason is missing; write in a sentence why the unmasked original is needed",
            ),
            Refusal::NoOriginal => Text::new(
                "这段影像没有封存的原始影像",
                "there is no sealed original of this footage",
            ),
            Refusal::Asked(by) => Text::new(
                format!("{by} 已经申请过；请等待两名复核员同意"),
                format!("{by} has asked for it already; two reviewers are to approve"),
            ),
            Refusal::NotAsked => Text::new(
                "还没有人申请调取原始影像；须先有人写明理由提出申请",
                "nobody has asked for the original; somebody must ask first, with a reason",
            ),
            Refusal::Asker => Text::new(
                "申请人不能同意自己的申请；请由另外两名复核员办理",
                "who asked cannot approve; two other reviewers must",
            ),
            Refusal::Twice => Text::new(
                "你已经同意过；还须另一名复核员同意",
                "you have approved already; another reviewer must",
            ),
            Refusal::Approved => Text::new(
                "两名复核员已经同意，正在向现场调取",
                "two reviewers have approved already; it is being fetched",
            ),
        }
    }
}

/// A new wish.
pub fn ask(
    footage: (&str, &SiteId),
    known: Option<&Unmasking>,
    has_original: bool,
    user: &User,
    reason: &str,
    now: Timestamp,
) -> Result<Unmasking, Refusal> {
    if !user.role.may(Act::AskUnmasking) {
        return Err(Refusal::Role(user.role, Act::AskUnmasking));
    }
    if !has_original {
        return Err(Refusal::NoOriginal);
    }
    if let Some(known) = known {
        return Err(Refusal::Asked(known.asked_by.clone()));
    }
    if reason.trim().is_empty() {
        return Err(Refusal::Reason);
    }
    Ok(Unmasking {
        footage: footage.0.to_owned(),
        site: footage.1.clone(),
        reason: reason.trim().to_owned(),
        asked_by: user.name.clone(),
        asked_at: now,
        approvals: Vec::new(),
    })
}

/// The wish with one more approval.
pub fn approve(
    known: Option<Unmasking>,
    user: &User,
    now: Timestamp,
) -> Result<Unmasking, Refusal> {
    if !user.role.may(Act::ApproveUnmasking) {
        return Err(Refusal::Role(user.role, Act::ApproveUnmasking));
    }
    let mut wish = known.ok_or(Refusal::NotAsked)?;
    if wish.asked_by == user.name {
        return Err(Refusal::Asker);
    }
    if wish.approvals.iter().any(|(who, _)| *who == user.name) {
        return Err(Refusal::Twice);
    }
    if wish.is_approved() {
        return Err(Refusal::Approved);
    }
    wish.approvals.push((user.name.clone(), now));
    Ok(wish)
}

/// How it stands with footage.
pub fn one(records: &Records, footage: &str) -> Result<Option<Unmasking>, RecordsError> {
    records.get(KIND, footage)
}

/// Wishes that were approved.
pub fn approved(records: &Records) -> Result<Vec<Unmasking>, RecordsError> {
    let mut all: Vec<Unmasking> = records.list(KIND, None)?;
    all.retain(Unmasking::is_approved);
    Ok(all)
}

/// Decides a step on what is known and writes it down with its line of the history, in one transaction.
pub fn step(
    records: &Records,
    footage: &str,
    user: &User,
    now: Timestamp,
    decide: impl FnOnce(Option<Unmasking>) -> Result<Unmasking, Refusal>,
) -> Result<Result<Unmasking, Refusal>, RecordsError> {
    records.write("write down who wants an original", |tx| {
        let wish = match decide(get(tx, KIND, footage)?) {
            Ok(wish) => wish,
            Err(refusal) => return Ok(Err(refusal)),
        };
        put(tx, KIND, footage, wish.site.as_str(), wish.asked_at, &wish)?;
        let what = match wish.approvals.len() {
            0 => "original asked for",
            _ => "original approved",
        };
        remember(tx, now, &user.name, what, footage, &wish)?;
        Ok(Ok(wish))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_original_takes_who_asks_with_a_reason_and_two_other_reviewers() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("records.db")).unwrap();
        let site = SiteId::new("s").unwrap();
        let user = |name: &str, role| User {
            name: name.into(),
            role,
        };
        let at = Timestamp::from_millis;
        let asking = |user: &User, reason: &str, has_original| {
            let decide = |known: Option<Unmasking>| {
                ask(
                    ("f", &site),
                    known.as_ref(),
                    has_original,
                    user,
                    reason,
                    at(1),
                )
            };
            step(&records, "f", user, at(1), decide).unwrap()
        };
        let approving = |user: &User| {
            step(&records, "f", user, at(2), |known| {
                approve(known, user, at(2))
            })
            .unwrap()
        };
        let (li, wang, zhao) = (
            user("li", Role::Reviewer),
            user("wang", Role::Reviewer),
            user("zhao", Role::Reviewer),
        );
        let (chen, root) = (user("chen", Role::Inspector), user("root", Role::Admin));
        assert_eq!(approving(&wang), Err(Refusal::NotAsked));
        assert_eq!(asking(&li, " ", true), Err(Refusal::Reason));
        assert_eq!(asking(&li, "why", false), Err(Refusal::NoOriginal));
        let not = |role, act| Err(Refusal::Role(role, act));
        assert_eq!(
            asking(&root, "why", true),
            not(Role::Admin, Act::AskUnmasking)
        );
        assert!(!asking(&li, "why", true).unwrap().is_approved());
        assert_eq!(asking(&chen, "why", true), Err(Refusal::Asked("li".into())));
        assert_eq!(approving(&li), Err(Refusal::Asker));
        for other in [&chen, &root] {
            assert_eq!(approving(other), not(other.role, Act::ApproveUnmasking));
        }
        assert!(!approving(&wang).unwrap().is_approved());
        assert_eq!(approving(&wang), Err(Refusal::Twice));
        assert!(approved(&records).unwrap().is_empty());
        let wish = approving(&zhao).unwrap();
        assert!(wish.is_approved());
        assert_eq!(
            approving(&user("sun", Role::Reviewer)),
            Err(Refusal::Approved)
        );
        assert_eq!(approved(&records).unwrap(), [wish]);
        assert_eq!(crate::store::verify_history(&records).unwrap(), Ok(3));
    }
}
