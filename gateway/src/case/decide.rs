//! Which case a signal belongs to, and what a decision needs. Pure.

use super::ground::{Ground, GroundName};
use crate::{
    account::{Act, Role, User},
    detect::{Signal, Source, rule::Severity, rule::Text},
};
use contract::{DeviceId, SiteId, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody looks at it yet.
    Open,
    /// Somebody does.
    Taken,
    /// A person confirmed it: there is a finding.
    Confirmed,
    /// A person set it aside.
    Rejected,
}

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is so.
    Confirm,
    /// It is not so, or does not matter.
    Reject,
}

/// What the reviewer looked at (行政处罚法 Art. 41: true, clear, complete, accurate).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Checks {
    /// 真实.
    #[serde(rename = "true")]
    pub is_true: bool,
    /// 完整.
    pub complete: bool,
    /// 清晰.
    pub clear: bool,
    /// 准确.
    pub accurate: bool,
}

/// What was decided, by whom, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Verdict {
    /// Confirm or reject.
    pub decision: Decision,
    /// Who.
    pub by: String,
    /// When, ms since 1970.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// What was looked at.
    pub checks: Checks,
    /// What was not met, if it is a confirmation; named by the person.
    #[serde(default)]
    pub ground: Option<Ground>,
}

/// Signals of one episode at one site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Its number as text.
    pub id: String,
    /// Where.
    pub site: SiteId,
    /// The worst of its signals, as their rules say.
    pub severity: Severity,
    /// The worst that repetition makes of one of them.
    #[serde(default)]
    pub escalated: Option<Severity>,
    /// Where it stands.
    pub state: State,
    /// Its signals, in order of arrival.
    pub signals: Vec<String>,
    /// When the first opened.
    pub opened_at: Timestamp,
    /// The latest reading of any.
    pub last_at: Timestamp,
    /// True while one of its signals is open.
    pub is_ongoing: bool,
    /// Who took it up, and when.
    pub taken: Option<(String, Timestamp)>,
    /// The decision.
    pub verdict: Option<Verdict>,
    /// Id of the sealed evidence, if confirmed.
    pub evidence: Option<String>,
}

impl Case {
    /// A new case of one signal.
    pub fn new(id: String, signal: &Signal) -> Case {
        Case {
            id,
            site: signal.site.clone(),
            severity: signal.severity,
            escalated: None,
            state: State::Open,
            signals: vec![signal.id.clone()],
            opened_at: signal.opened_at,
            last_at: signal.last_at,
            is_ongoing: signal.closed_at.is_none(),
            taken: None,
            verdict: None,
            evidence: None,
        }
    }

    /// How grave it is: the worst of its signals, repetition counted.
    pub fn gravity(&self) -> Severity {
        self.escalated
            .map_or(self.severity, |e| e.max(self.severity))
    }

    /// True if `signal` tells of the same episode: same site, whatever the device, case not decided, and the two
    /// overlap or are not more than `gap_ms` apart. What is open lasts until now.
    pub fn takes(&self, signal: &Signal, gap_ms: i64) -> bool {
        self.verdict.is_none()
            && self.site == signal.site
            && (self.is_ongoing || signal.opened_at.since(self.last_at) <= gap_ms)
            && (signal.closed_at.is_none() || self.opened_at.since(signal.last_at) <= gap_ms)
    }

    /// Adds a signal, or what became of one.
    pub fn take(&mut self, signal: &Signal, is_any_open: bool) {
        if !self.signals.contains(&signal.id) {
            self.signals.push(signal.id.clone());
        }
        self.severity = self.severity.max(signal.severity);
        self.opened_at = self.opened_at.min(signal.opened_at);
        self.last_at = self.last_at.max(signal.last_at);
        self.is_ongoing = is_any_open;
    }
}

/// Why a decision is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The role does not allow it.
    Role(Role, Act),
    /// It was decided.
    Decided,
    /// A signal joined it meanwhile, or its severity became another.
    Grown,
    /// The person wrote the rule.
    Author(String),
    /// There is no reason.
    Reason,
    /// Not everything was looked at.
    Checks,
    /// No ground is named.
    NoGround,
    /// The ground that is named is none.
    Ground(String),
    /// The device may not give evidence.
    Unfit(Text),
}

impl Refusal {
    /// Why, and what to do.
    pub fn words(&self) -> Text {
        match self {
            Refusal::Role(role, act) => role.refusal(*act),
            Refusal::Decided => Text::new(
                "这条线索已经办结；要更正，请在信用记录中另立条目",
                "the case is decided already; a correction is a new item in the credit record",
            ),
            Refusal::Grown => Text::new(
                "刚才又有信号并入这条线索，或它的级别变了；请看过之后再决定",
                "a signal joined the case just now, or its severity changed; look at it, then decide",
            ),
            Refusal::Author(rule) => Text::new(
                format!("规则 {rule} 由你编写，它的线索须由他人办理"),
                format!("you are the author of rule {rule}; somebody else decides its cases"),
            ),
            Refusal::Reason => Text::new(
                "没有写理由；请用一句话写明",
                "a reason is missing; write why in a sentence",
            ),
            Refusal::Checks => Text::new(
                "真实、完整、清晰、准确四项须逐项核查后勾选，否则请排除",
                "tick true, complete, clear and accurate after looking at each, or reject the case",
            ),
            Refusal::NoGround => Text::new(
                "没有写明依据；请指明违反的规则条款或检查事项，说不出依据的不能确认",
                "the ground is missing; name the rule with its clause, or the inspection item, that was not met; \
                 what has no ground cannot be confirmed",
            ),
            Refusal::Ground(id) => Text::new(
                format!("“{id}”不是这个场所适用的规则或检查事项"),
                format!("{id:?} is no rule or inspection item that applies at this site"),
            ),
            Refusal::Unfit(why) => Text::new(
                format!("读数仅供参考：{}", why.zh),
                format!("the readings are reference only: {}", why.en),
            ),
        }
    }
}

/// What a person wants to decide.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Confirm or reject.
    pub decision: Decision,
    /// Why.
    pub reason: &'a str,
    /// What was looked at.
    pub checks: Checks,
    /// What was not met, if it is a confirmation.
    pub ground: Option<&'a GroundName>,
}

/// What a decision is judged by.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Why the device's readings are reference only; empty if they are not.
    pub obstacles: &'a [Text],
    /// Rules of the case, and the one that is named, with their authors.
    pub authors: &'a [(String, String)],
    /// What may be named as the ground.
    pub grounds: &'a [Ground],
}

/// Whether `user` may decide so; the ground of a confirmation.
pub fn may_decide(
    case: &Case,
    user: &User,
    wanted: &Wanted<'_>,
    facts: &Facts<'_>,
) -> Result<Option<Ground>, Refusal> {
    let act = match wanted.decision {
        Decision::Confirm => Act::Confirm,
        Decision::Reject => Act::SetAside,
    };
    if !user.role.may(act) {
        return Err(Refusal::Role(user.role, act));
    }
    if case.verdict.is_some() {
        return Err(Refusal::Decided);
    }
    if let Some((rule, _)) = facts
        .authors
        .iter()
        .find(|(_, author)| !author.is_empty() && *author == user.name)
    {
        return Err(Refusal::Author(rule.clone()));
    }
    if wanted.reason.trim().is_empty() {
        return Err(Refusal::Reason);
    }
    if wanted.decision == Decision::Reject {
        return Ok(None);
    }
    let checks = wanted.checks;
    if !(checks.is_true && checks.complete && checks.clear && checks.accurate) {
        return Err(Refusal::Checks);
    }
    let name = wanted.ground.ok_or(Refusal::NoGround)?;
    let ground = facts.grounds.iter().find(|g| g.is(name));
    let ground = ground.ok_or_else(|| Refusal::Ground(name.id.clone()))?;
    match facts.obstacles.first() {
        Some(first) => Err(Refusal::Unfit(first.clone())),
        None => Ok(Some(ground.clone())),
    }
}

/// The signals of a case, the gravest first; of equally grave ones a rule's before a model's, then the earliest.
pub fn gravest_first(mut signals: Vec<Signal>) -> Vec<Signal> {
    signals.sort_by_key(|s| {
        let is_model = matches!(s.source, Source::Model { .. });
        (std::cmp::Reverse(s.severity), is_model, s.opened_at)
    });
    signals
}

/// The devices that raised the signals, each once, in their order.
pub fn devices(signals: &[Signal]) -> Vec<&DeviceId> {
    let mut devices = Vec::new();
    for signal in signals {
        if !devices.contains(&&signal.device) {
            devices.push(&signal.device);
        }
    }
    devices
}

/// By when somebody should decide: the earliest that any of its signals asks for; `None` if none asks.
pub fn due_ms(signals: &[Signal]) -> Option<i64> {
    let due = |signal: &Signal| {
        let hours = match signal.severity {
            Severity::IV => 1,
            Severity::III => 24,
            Severity::II => 72,
            Severity::I => return None,
        };
        Some(signal.opened_at.as_millis() + hours * 3_600_000)
    };
    signals.iter().filter_map(due).min()
}

/// How grave a finding is: as its signals, or, where no rule raised one, as the rule that the person names.
pub fn gravity(case: &Case, is_model_only: bool, ground: &Ground) -> Severity {
    ground
        .severity
        .filter(|_| is_model_only)
        .unwrap_or(case.gravity())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::GroundKind;
    use contract::PointName;

    fn signal(device: &str, from: i64, to: i64) -> Signal {
        Signal {
            id: format!("{device}{from}"),
            source: Source::Rule {
                id: "r".into(),
                version: 1,
            },
            site: SiteId::new("s").unwrap(),
            device: DeviceId::new(device).unwrap(),
            point: PointName::new("p").unwrap(),
            severity: Severity::II,
            escalated: None,
            opened_at: Timestamp::from_millis(from),
            last_at: Timestamp::from_millis(to),
            closed_at: None,
            measured: 9.0,
            peak: 9.0,
            limit: Some(8.0),
            unit: "℃".into(),
            journal_seq: 1,
        }
    }

    #[test]
    fn signals_of_one_site_close_in_time_are_one_case_whatever_the_device_and_others_are_not() {
        let closed = |device: &str, from: i64, to: i64| Signal {
            closed_at: Some(Timestamp::from_millis(to)),
            ..signal(device, from, to)
        };
        let case = Case::new("1".into(), &closed("a", 1000, 2000));
        let check = |signal: &Signal, takes| assert_eq!(case.takes(signal, 1000), takes);
        check(&closed("a", 2500, 2600), true);
        check(&closed("b", 2500, 2600), true);
        check(&closed("b", 1200, 1300), true);
        check(&closed("b", 0, 10), true);
        check(&closed("a", 3500, 3600), false);
        check(&closed("b", -900, -800), false);
        let elsewhere = Signal {
            site: SiteId::new("other").unwrap(),
            ..closed("a", 1200, 1300)
        };
        check(&elsewhere, false);
        // What is still open reaches until now, however long ago its last reading was.
        check(&signal("b", -900, -800), true);
        let ongoing = Case::new("2".into(), &signal("a", 1000, 2000));
        assert!(ongoing.takes(&closed("b", 900_000, 900_001), 1000));
    }

    #[test]
    fn the_gravest_signal_leads_and_each_is_due_by_its_own_time() {
        let grave = Signal {
            severity: Severity::IV,
            ..signal("b", 10 * 3_600_000, 10 * 3_600_000)
        };
        let model = Signal {
            source: Source::Model {
                name: "m".into(),
                version: 1,
                sha256: String::new(),
            },
            ..signal("c", 0, 5)
        };
        let signals = gravest_first(vec![model, signal("a", 1, 2), signal("a", 0, 2), grave]);
        let names: Vec<&str> = devices(&signals).iter().map(|d| d.as_str()).collect();
        assert_eq!(names, ["b", "a", "c"]);
        assert_eq!(due_ms(&signals), Some(11 * 3_600_000));
        assert_eq!(due_ms(&[]), None);
    }

    #[test]
    fn confirming_needs_a_reviewer_a_reason_four_checks_a_ground_and_a_fit_device() {
        let case = Case::new("1".into(), &signal("a", 1, 2));
        let all = Checks {
            is_true: true,
            complete: true,
            clear: true,
            accurate: true,
        };
        let unfit = [Text::new("无", "no sign")];
        let ground = Ground {
            kind: GroundKind::Item,
            id: "M-1".into(),
            text: Text::new("记录", "records"),
            basis: Text::new("局", "bureau"),
            severity: None,
            raised: false,
        };
        let grounds = [ground.clone()];
        let named = |id: &str| GroundName {
            kind: GroundKind::Item,
            id: id.into(),
        };
        let (known, unknown) = (named("M-1"), named("M-9"));
        let facts = |obstacles, authors| Facts {
            obstacles,
            authors,
            grounds: &grounds,
        };
        let check = |role, wanted: Wanted<'_>, facts: Facts<'_>| {
            let name = "li".into();
            may_decide(&case, &User { name, role }, &wanted, &facts)
        };
        let confirm = Wanted {
            decision: Decision::Confirm,
            reason: "x",
            checks: all,
            ground: Some(&known),
        };
        let reject = Wanted {
            decision: Decision::Reject,
            checks: Checks::default(),
            ground: None,
            ..confirm
        };
        for (role, wanted, act, allowed) in [
            (Role::Inspector, confirm, Act::Confirm, None),
            (Role::Inspector, reject, Act::SetAside, Some(None)),
            (Role::Reviewer, confirm, Act::Confirm, Some(Some(&ground))),
            (Role::Reviewer, reject, Act::SetAside, Some(None)),
            (Role::Admin, confirm, Act::Confirm, None),
            (Role::Admin, reject, Act::SetAside, None),
        ] {
            let expected = allowed.map(|g| g.cloned()).ok_or(Refusal::Role(role, act));
            assert_eq!(check(role, wanted, facts(&[], &[])), expected);
        }
        let refused = |wanted| check(Role::Reviewer, wanted, facts(&[], &[])).unwrap_err();
        let checks = Checks::default();
        assert_eq!(
            refused(Wanted {
                reason: " ",
                ..reject
            }),
            Refusal::Reason
        );
        assert_eq!(refused(Wanted { checks, ..confirm }), Refusal::Checks);
        let ground = None;
        assert_eq!(refused(Wanted { ground, ..confirm }), Refusal::NoGround);
        let ground = Some(&unknown);
        let words = Refusal::Ground("M-9".into());
        assert_eq!(refused(Wanted { ground, ..confirm }), words);
        let said = check(Role::Reviewer, confirm, facts(&unfit, &[]));
        assert_eq!(said, Err(Refusal::Unfit(unfit[0].clone())));
        let author = [("r".to_owned(), "li".to_owned())];
        let said = check(Role::Inspector, reject, facts(&unfit, &author));
        assert_eq!(said, Err(Refusal::Author("r".into())));
    }

    #[test]
    fn a_finding_is_as_grave_as_its_signals_or_as_the_rule_named_where_only_a_model_pointed() {
        let case = Case::new("1".into(), &signal("a", 1, 2));
        let mut ground = Ground {
            kind: GroundKind::Rule,
            id: "r".into(),
            text: Text::default(),
            basis: Text::default(),
            severity: Some(Severity::IV),
            raised: false,
        };
        assert_eq!(gravity(&case, false, &ground), Severity::II);
        assert_eq!(gravity(&case, true, &ground), Severity::IV);
        ground.severity = None;
        assert_eq!(gravity(&case, true, &ground), Severity::II);
    }
}
