//! Who may have an original: somebody asks and says why, two others approve, or one of them refuses, or who asked takes it
//! back, each with a reason. Each step is a line of the history.
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
    /// How it ended, if it did; then somebody may ask anew.
    #[serde(default)]
    pub end: Option<End>,
}

/// The end of a wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// False: a reviewer refused it. True: who asked took it back.
    pub is_withdrawn: bool,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

impl Unmasking {
    /// True if the original may be fetched.
    pub fn is_approved(&self) -> bool {
        self.end.is_none() && self.approvals.len() >= APPROVALS
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
    /// Only who asked can take it back.
    NotAsker(String),
    /// It was refused or taken back.
    Ended,
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
                "没有写理由；请用一句话写明",
                "a reason is missing; write in a sentence why",
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
            Refusal::NotAsker(by) => Text::new(
                format!("只有申请人 {by} 能撤回申请"),
                format!("only {by}, who asked, can take it back"),
            ),
            Refusal::Ended => Text::new(
                "这份申请已被拒绝或撤回；需要时请写明理由重新申请",
                "it was refused or taken back; ask anew, with a reason, if it is needed",
            ),
            Refusal::Twice => Text::new(
                "你已经同意过；由另一名复核员决定",
                "you have approved already; another reviewer decides",
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
    if let Some(known) = known.filter(|known| known.end.is_none()) {
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
        end: None,
    })
}

/// The wish with one more approval.
pub fn approve(
    known: Option<Unmasking>,
    user: &User,
    now: Timestamp,
) -> Result<Unmasking, Refusal> {
    let mut wish = to_decide(known, user)?;
    wish.approvals.push((user.name.clone(), now));
    Ok(wish)
}

/// The wish, refused by a reviewer who could have approved it.
pub fn refuse(
    known: Option<Unmasking>,
    user: &User,
    reason: &str,
    now: Timestamp,
) -> Result<Unmasking, Refusal> {
    let wish = to_decide(known, user)?;
    end(wish, false, user, reason, now)
}

/// The wish, taken back by who asked, before it was approved.
pub fn withdraw(
    known: Option<Unmasking>,
    user: &User,
    reason: &str,
    now: Timestamp,
) -> Result<Unmasking, Refusal> {
    let wish = open(known)?;
    if wish.asked_by != user.name {
        return Err(Refusal::NotAsker(wish.asked_by));
    }
    end(wish, true, user, reason, now)
}

/// A wish that waits, if `user` may decide on it.
fn to_decide(known: Option<Unmasking>, user: &User) -> Result<Unmasking, Refusal> {
    if !user.role.may(Act::ApproveUnmasking) {
        return Err(Refusal::Role(user.role, Act::ApproveUnmasking));
    }
    let known = known.ok_or(Refusal::NotAsked)?;
    if known.asked_by == user.name {
        return Err(Refusal::Asker);
    }
    if known.approvals.iter().any(|(who, _)| *who == user.name) {
        return Err(Refusal::Twice);
    }
    open(Some(known))
}

/// A wish that waits.
fn open(known: Option<Unmasking>) -> Result<Unmasking, Refusal> {
    let wish = known.ok_or(Refusal::NotAsked)?;
    match (&wish.end, wish.is_approved()) {
        (Some(_), _) => Err(Refusal::Ended),
        (None, true) => Err(Refusal::Approved),
        (None, false) => Ok(wish),
    }
}

fn end(
    wish: Unmasking,
    is_withdrawn: bool,
    user: &User,
    reason: &str,
    now: Timestamp,
) -> Result<Unmasking, Refusal> {
    if reason.trim().is_empty() {
        return Err(Refusal::Reason);
    }
    Ok(Unmasking {
        end: Some(End {
            is_withdrawn,
            by: user.name.clone(),
            at: now,
            reason: reason.trim().to_owned(),
        }),
        ..wish
    })
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
        let what = match (&wish.end, wish.approvals.len()) {
            (Some(end), _) if end.is_withdrawn => "original no longer asked for",
            (Some(_), _) => "original refused",
            (None, 0) => "original asked for",
            (None, _) => "original approved",
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

    #[test]
    fn a_wish_is_refused_by_a_reviewer_or_taken_back_by_who_asked_and_may_come_again() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("records.db")).unwrap();
        let site = SiteId::new("s").unwrap();
        let user = |name: &str, role| User {
            name: name.into(),
            role,
        };
        let now = Timestamp::from_millis(7);
        let [li, wang, zhao, sun] = ["li", "wang", "zhao", "sun"].map(|n| user(n, Role::Reviewer));
        let chen = user("chen", Role::Inspector);
        let asking = |user: &User| {
            let of = ("f", &site);
            let decide = |known: Option<Unmasking>| ask(of, known.as_ref(), true, user, "why", now);
            step(&records, "f", user, now, decide).unwrap()
        };
        let approving = |user: &User| {
            let decide = |known| approve(known, user, now);
            step(&records, "f", user, now, decide).unwrap()
        };
        let refusing = |user: &User, reason: &str| {
            let decide = |known| refuse(known, user, reason, now);
            step(&records, "f", user, now, decide).unwrap()
        };
        let withdrawing = |user: &User| {
            let decide = |known| withdraw(known, user, "done", now);
            step(&records, "f", user, now, decide).unwrap()
        };
        assert_eq!(refusing(&wang, "no"), Err(Refusal::NotAsked));
        asking(&chen).unwrap();
        approving(&wang).unwrap();
        assert_eq!(withdrawing(&li), Err(Refusal::NotAsker("chen".into())));
        assert_eq!(refusing(&wang, "no"), Err(Refusal::Twice));
        assert_eq!(
            refusing(&chen, "no"),
            Err(Refusal::Role(Role::Inspector, Act::ApproveUnmasking))
        );
        assert_eq!(refusing(&zhao, " "), Err(Refusal::Reason));
        let wish = refusing(&zhao, " masked ones are enough ").unwrap();
        let end = wish.end.clone().unwrap();
        assert_eq!(
            (end.is_withdrawn, end.by.as_str(), end.reason.as_str()),
            (false, "zhao", "masked ones are enough")
        );
        for late in [approving(&sun), refusing(&sun, "no"), withdrawing(&chen)] {
            assert_eq!(late, Err(Refusal::Ended));
        }
        // A new wish begins with no approval.
        assert!(asking(&li).unwrap().approvals.is_empty());
        assert_eq!(refusing(&li, "no"), Err(Refusal::Asker));
        let end = withdrawing(&li).unwrap().end.unwrap();
        assert!(end.is_withdrawn && end.by == "li");
        asking(&li).unwrap();
        approving(&wang).unwrap();
        approving(&zhao).unwrap();
        assert_eq!(withdrawing(&li), Err(Refusal::Approved));
        assert_eq!(refusing(&sun, "no"), Err(Refusal::Approved));
        assert_eq!(crate::store::verify_history(&records).unwrap(), Ok(8));
    }
}
