//! Domain records become what a page shows.

use super::{Inner, error::ApiError, view::*};
use crate::{
    case::{self, Case, Ground, decide, ground},
    detect::{
        Signal, Source,
        escalate::Escalated,
        rule::{Comparator, Measure, Rule, Text},
    },
    ingest::dictionary::PointKey,
    registry::{Device, Site, day_ms},
};
use contract::{Quality, SiteId, Timestamp};

/// Readings within this time make a site live; within ten times this, quiet.
const LIVE_MS: i64 = 30_000;

/// A quality as a word.
pub fn word(quality: Quality) -> String {
    let of = |reason: serde_json::Value| reason.as_str().unwrap_or("suspect").to_owned();
    match quality {
        Quality::Good => "good".into(),
        Quality::Suspect(contract::Doubt::Unspecified) => "suspect".into(),
        Quality::Missing(contract::Absence::Unspecified) => "missing".into(),
        Quality::Suspect(doubt) => of(serde_json::to_value(doubt).unwrap_or_default()),
        Quality::Missing(absence) => of(serde_json::to_value(absence).unwrap_or_default()),
    }
}

fn permitted(comparator: Comparator) -> String {
    match comparator {
        Comparator::Above => "le".into(),
        Comparator::Below => "ge".into(),
    }
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// What a model says of itself.
fn model_text() -> Text {
    Text {
        zh: "走势与该测点以往的规律不符。模型只提示，不作判断。".into(),
        en: "The course differs from what is usual for this point. A model points, it does not judge.".into(),
    }
}

impl Inner {
    /// The rule of a signal.
    pub fn rule_of(&self, signal: &Signal) -> Option<&Rule> {
        match &signal.source {
            Source::Rule { id, version } => self
                .rules
                .iter()
                .find(|r| r.id == *id && r.version == *version),
            Source::Model { .. } => None,
        }
    }

    /// The business of a site.
    pub fn business(&self, site: &SiteId) -> BusinessView {
        match self.registry.business_of(site) {
            Some(business) => BusinessView {
                uscc: business.uscc.clone(),
                name: business.name.clone(),
            },
            None => BusinessView {
                uscc: String::new(),
                name: String::new(),
            },
        }
    }

    /// Points of a site.
    pub fn points(
        &self,
        site: &SiteId,
    ) -> Vec<(PointKey, std::sync::Arc<crate::ingest::dictionary::Point>)> {
        let dictionary = self.ingest.dictionary();
        let all = (0..dictionary.len() as u32).map(PointKey);
        all.filter_map(|key| Some((key, dictionary.get(key)?)))
            .filter(|(_, p)| p.site == *site)
            .collect()
    }

    /// True if a signal was raised in shadow.
    pub fn is_shadow(&self, signal: &Signal) -> bool {
        let is_shadow = || case::precision::is_shadow(&self.records, &signal.id);
        crate::footage::is_seen(signal) && is_shadow().unwrap_or(false)
    }

    /// Signals with the severity that repetition makes of them; as their rules say, if that cannot be read.
    pub fn weighed(&self, mut signals: Vec<Signal>) -> Vec<Signal> {
        if let Err(error) = case::escalation::apply(&self.records, &mut signals) {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "it cannot be read what repetition makes of signals");
        }
        signals
    }

    fn escalated_view(&self, escalated: &Escalated) -> EscalatedView {
        let earlier = escalated.earlier.iter().map(|one| {
            let case = case::store::of_signal(&self.records, &one.signal);
            EarlierSignal {
                id: one.signal.clone(),
                opened_at: one.opened_at.as_millis(),
                case: case.ok().flatten().map(|case| case.id),
            }
        });
        EscalatedView {
            from: escalated.by.from,
            text: escalated.words(),
            earlier: earlier.collect(),
        }
    }

    /// A signal in one line.
    pub fn signal_line(&self, signal: &Signal, case: Option<String>) -> SignalLine {
        let rule = self.rule_of(signal);
        let (name, title) = match (&signal.source, rule) {
            (Source::Rule { id, .. }, Some(rule)) => (id.clone(), rule.title.clone()),
            (Source::Rule { id, version }, None) => {
                let text = format!("{id} v{version}");
                (
                    id.clone(),
                    Text {
                        zh: text.clone(),
                        en: text,
                    },
                )
            }
            (Source::Model { name, .. }, _) => (
                name.clone(),
                Text {
                    zh: "走势异常（模型提示）".into(),
                    en: "Unusual course (a model)".into(),
                },
            ),
        };
        SignalLine {
            id: signal.id.clone(),
            rule: name,
            title,
            severity: signal.severity,
            escalated: signal.escalated.as_ref().map(|e| self.escalated_view(e)),
            site: signal.site.to_string(),
            device: signal.device.to_string(),
            point: signal.point.to_string(),
            point_label: self.registry.label(signal.point.as_str()),
            opened_at: signal.opened_at.as_millis(),
            closed_at: signal.closed_at.map(Timestamp::as_millis),
            measured: Some(signal.peak),
            permitted: rule.map(|r| permitted(r.comparator)),
            limit: signal.limit.filter(|_| rule.is_some()),
            unit: signal.unit.clone(),
            shadow: case.is_none() && self.is_shadow(signal),
            case,
        }
    }

    /// A device with its fitness at `now`.
    pub fn device_line(&self, device: &Device, now: Timestamp) -> DeviceLine {
        let reasons = device.obstacles(now);
        DeviceLine {
            id: device.id.to_string(),
            name: device.name.clone(),
            kind: device.kind.clone(),
            location: device.location.clone(),
            fitness: FitnessView {
                fit: reasons.is_empty(),
                reasons,
                certificate: filled(&device.certificate),
                valid_to: day_ms(&device.certificate_valid_to).map(|ms| ms + 86_399_999),
                legal_review: filled(&device.legal_review),
                technical_review: filled(&device.technical_review),
                sign: filled(&device.sign),
                published_at: day_ms(&device.published),
            },
        }
    }

    /// Limits that apply to a point.
    pub fn limits(&self, kind: &str, point: &str, unit: &str) -> Vec<LimitView> {
        let applies = |r: &&Rule| {
            r.point == point
                && is_level(r)
                && (unit.is_empty() || r.unit == unit)
                && r.devices.iter().any(|d| d == kind)
        };
        self.rules.iter().filter(applies).map(limit_view).collect()
    }

    /// A site in one line.
    pub fn site_line(
        &self,
        site: &Site,
        last_ms: Option<i64>,
        open: BySeverity,
        now: Timestamp,
    ) -> SiteLine {
        let agents: Vec<_> = self
            .registry
            .agents
            .iter()
            .filter(|a| a.site == site.id)
            .collect();
        let known = self.ingest.agents();
        let is_online = |id: &contract::AgentId| {
            known
                .iter()
                .any(|(s, a, on)| *on && *s == site.id && a == id)
        };
        let agents_online = agents.iter().filter(|a| is_online(&a.id)).count();
        let status = match last_ms.map(|at| now.as_millis() - at) {
            None => "never",
            Some(age) if age <= LIVE_MS => "live",
            Some(age) if age <= 10 * LIVE_MS => "quiet",
            Some(_) => "offline",
        };
        SiteLine {
            id: site.id.to_string(),
            name: site.name.clone(),
            address: site.address.clone(),
            business: self.business(&site.id),
            domains: site.domains.clone(),
            status: status.into(),
            last_reading_at: last_ms,
            open,
            agents_online,
            agents: agents.len(),
        }
    }

    /// The signals of a case, the gravest first.
    pub fn signals_of(&self, case: &Case) -> Vec<Signal> {
        let of = case.signals.iter();
        let signals = of.filter_map(|id| self.signals.get(id).ok().flatten());
        decide::gravest_first(self.weighed(signals.collect()))
    }

    /// A case in one line.
    pub fn case_line(&self, case: &Case, signals: &[Signal]) -> CaseLine {
        let line = signals.first().map(|s| self.signal_line(s, None));
        let site = self.registry.site(&case.site);
        CaseLine {
            id: case.id.clone(),
            site: case.site.to_string(),
            site_name: site.map(|s| s.name.clone()).unwrap_or_default(),
            business: self.business(&case.site),
            severity: case.gravity(),
            state: case.state,
            title: line.as_ref().map(|l| l.title.clone()).unwrap_or_default(),
            rule: line.as_ref().map(|l| l.rule.clone()).unwrap_or_default(),
            opened_at: case.opened_at.as_millis(),
            ended_at: (!case.is_ongoing).then_some(case.last_at.as_millis()),
            due_at: decide::due_ms(signals),
            signal_count: case.signals.len(),
            measured: line.as_ref().and_then(|l| l.measured),
            permitted: line.as_ref().and_then(|l| l.permitted.clone()),
            limit: line.as_ref().and_then(|l| l.limit),
            unit: line.map(|l| l.unit).unwrap_or_default(),
            fit: self.blockers(case, signals).is_empty(),
        }
    }

    /// Why nothing can be confirmed by these signals of a case: none of their devices may give evidence.
    pub fn blockers(&self, case: &Case, signals: &[Signal]) -> Vec<Text> {
        let mut blockers = Vec::new();
        let devices = decide::devices(signals);
        for id in &devices {
            let Some(device) = self.registry.device(&case.site, id) else {
                blockers.push(Text::new(
                    format!("设备 {id} 未登记"),
                    format!("The device {id} is not registered"),
                ));
                continue;
            };
            let obstacles = device.obstacles(case.opened_at);
            if obstacles.is_empty() {
                return Vec::new();
            }
            let named = |o: Text| match devices.len() {
                1 => o,
                _ => Text::new(
                    format!("{}：{}", device.name.zh, o.zh),
                    format!("{}: {}", device.name.en, o.en),
                ),
            };
            blockers.extend(obstacles.into_iter().map(named));
        }
        if devices.is_empty() {
            blockers.push(Text::new(
                "信号已不在库中",
                "Its signals are no longer stored",
            ));
        }
        blockers
    }

    /// The registered devices of a case, the one of its gravest signal first.
    pub fn devices_of(&self, case: &Case, signals: &[Signal], now: Timestamp) -> Vec<DeviceLine> {
        let devices = decide::devices(signals).into_iter();
        let known = devices.filter_map(|id| self.registry.device(&case.site, id));
        known.map(|d| self.device_line(d, now)).collect()
    }

    /// The points of a case, that of its gravest signal first, with the limits that were exceeded.
    fn points_of(&self, signals: &[Signal]) -> Vec<CasePoint> {
        let mut points: Vec<CasePoint> = Vec::new();
        for signal in signals {
            let (device, point) = (signal.device.as_str(), signal.point.as_str());
            let known = points
                .iter()
                .position(|p| p.device == device && p.point == point);
            let index = known.unwrap_or_else(|| {
                let known = self.registry.device(&signal.site, &signal.device);
                points.push(CasePoint {
                    device: device.to_owned(),
                    device_name: known
                        .map_or_else(|| Text::new(device, device), |d| d.name.clone()),
                    point: point.to_owned(),
                    label: self.registry.label(point),
                    limits: Vec::new(),
                });
                points.len() - 1
            });
            let limits = &mut points[index].limits;
            let rule = self.rule_of(signal).filter(|r| is_level(r));
            if let Some(rule) = rule
                && !limits.iter().any(|l| l.rule == rule.id)
            {
                limits.push(limit_view(rule));
            }
        }
        points
    }

    /// What a confirmation of the case may name as its ground.
    pub fn grounds(&self, case: &Case, signals: &[Signal]) -> Vec<Ground> {
        let raised: Vec<&str> = signals
            .iter()
            .filter_map(|s| self.rule_of(s))
            .map(|r| r.id.as_str())
            .collect();
        ground::choices(
            &self.registry,
            &self.rules,
            &case.site,
            case.opened_at,
            &raised,
        )
    }

    /// A case with everything.
    pub fn case_page(&self, case: &Case, now: Timestamp) -> Result<CasePage, ApiError> {
        let signals = self.signals_of(case);
        let mut rules: Vec<RuleView> = Vec::new();
        let mut innocent: Vec<Text> = Vec::new();
        for signal in &signals {
            let view = match (&signal.source, self.rule_of(signal)) {
                (_, Some(rule)) => {
                    innocent.extend(
                        rule.innocent
                            .iter()
                            .filter(|i| !innocent.contains(i))
                            .cloned()
                            .collect::<Vec<_>>(),
                    );
                    rule_view(rule, self.time_scale)
                }
                (
                    Source::Model {
                        name,
                        version,
                        sha256,
                    },
                    _,
                ) => RuleView {
                    id: name.clone(),
                    version: version.to_string(),
                    text: model_text(),
                    standard: String::new(),
                    clause: String::new(),
                    averaging_s: None,
                    dwell_s: None,
                    model: Some(format!(
                        "{name} v{version} {}",
                        &sha256[..12.min(sha256.len())]
                    )),
                },
                (Source::Rule { .. }, None) => continue,
            };
            if !rules.iter().any(|r| r.id == view.id) {
                rules.push(view);
            }
        }
        let before = case::store::all(&self.records).map_err(ApiError::internal)?;
        let history = before
            .iter()
            .filter(|c| c.site == case.site && c.id != case.id)
            .take(10)
            .map(|c| Before {
                id: c.id.clone(),
                at: c.opened_at.as_millis(),
                state: c.state,
                title: self.case_line(c, &self.signals_of(c)).title,
                reason: c
                    .verdict
                    .as_ref()
                    .map(|v| v.reason.clone())
                    .unwrap_or_default(),
            })
            .collect();
        let margin = (3_600_000.0 / self.time_scale) as i64;
        let end = if case.is_ongoing {
            now.as_millis()
        } else {
            case.last_at.as_millis()
        };
        Ok(CasePage {
            line: self.case_line(case, &signals),
            now: now.as_millis(),
            devices: self.devices_of(case, &signals, now),
            points: self.points_of(&signals),
            rules,
            signals: signals
                .iter()
                .map(|s| self.signal_line(s, Some(case.id.clone())))
                .collect(),
            score: None,
            history,
            innocent,
            blockers: self.blockers(case, &signals),
            grounds: self.grounds(case, &signals),
            taken_by: case.taken.as_ref().map(|(by, _)| by.clone()),
            taken_at: case.taken.as_ref().map(|(_, at)| at.as_millis()),
            decision: case.verdict.as_ref().map(|v| DecisionView {
                decision: v.decision,
                by: v.by.clone(),
                at: v.at.as_millis(),
                reason: v.reason.clone(),
                ground: v.ground.clone(),
            }),
            evidence: case
                .evidence
                .as_ref()
                .zip(case.verdict.as_ref())
                .map(|(id, v)| EvidenceView {
                    id: id.clone(),
                    digest: id.clone(),
                    sealed_at: v.at.as_millis(),
                }),
            window_from: case.opened_at.as_millis() - margin,
            window_to: end + margin / 4,
        })
    }
}

/// True if the rule's limit is a level of the quantity that it looks at, and not a time or a spread.
fn is_level(rule: &Rule) -> bool {
    matches!(
        rule.measure,
        Measure::Instant | Measure::Mean | Measure::Block
    )
}

fn limit_view(rule: &Rule) -> LimitView {
    LimitView {
        rule: rule.id.clone(),
        permitted: permitted(rule.comparator),
        value: rule.limit,
        severity: rule.severity,
        text: rule.explanation.clone(),
        standard: rule.standard.clone(),
        clause: rule.clause.clone(),
    }
}

fn rule_view(rule: &Rule, time_scale: f64) -> RuleView {
    let seconds = |minutes: f64| (minutes > 0.0).then(|| minutes * 60.0 / time_scale);
    RuleView {
        id: rule.id.clone(),
        version: rule.version.to_string(),
        text: rule.explanation.clone(),
        standard: rule.standard.clone(),
        clause: rule.clause.clone(),
        averaging_s: seconds(rule.averaging_min),
        dwell_s: seconds(rule.dwell_min),
        model: None,
    }
}
