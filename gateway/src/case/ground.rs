//! The legal ground of a finding: which rule with its clause, or which inspection item, a person says was not met.
//! A machine proposes the rules that raised signals; only a person names one. Pure.

use crate::{
    detect::rule::{Rule, Severity, Text},
    registry::Registry,
};
use contract::{SiteId, Timestamp};
use serde::{Deserialize, Serialize};

/// What kind of ground it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroundKind {
    /// A rule with its standard and clause.
    Rule,
    /// An inspection item 检查事项.
    Item,
}

/// A ground by name, as a decision gives it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
pub struct GroundName {
    /// Rule or inspection item.
    pub kind: GroundKind,
    /// Its id.
    pub id: String,
}

/// A ground with what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Ground {
    /// Rule or inspection item.
    pub kind: GroundKind,
    /// Its id.
    pub id: String,
    /// What it says in one line; the title of the finding.
    pub text: Text,
    /// The standard and clause, or the department whose item it is.
    pub basis: Text,
    /// How grave, if it is a rule.
    pub severity: Option<Severity>,
    /// True if it raised a signal of the case.
    pub raised: bool,
}

impl Ground {
    /// True if this is the one that `name` names.
    pub fn is(&self, name: &GroundName) -> bool {
        self.kind == name.kind && self.id == name.id
    }
}

/// The grounds that a finding at `site` may have: rules in force at `at` for the kinds of device there, those that
/// `raised` a signal first, then the inspection items of the site.
pub fn choices(
    registry: &Registry,
    rules: &[Rule],
    site: &SiteId,
    at: Timestamp,
    raised: &[&str],
) -> Vec<Ground> {
    let kinds: Vec<&String> = registry
        .devices
        .iter()
        .filter(|d| d.site == *site)
        .map(|d| &d.kind)
        .collect();
    let applies = |rule: &&Rule| {
        let (from, until) = rule.force_ms();
        (from..until).contains(&at.as_millis()) && rule.devices.iter().any(|d| kinds.contains(&d))
    };
    let of_rule = |rule: &Rule| {
        let basis = format!("{} {}", rule.standard, rule.clause);
        Ground {
            kind: GroundKind::Rule,
            id: rule.id.clone(),
            text: rule.title.clone(),
            basis: Text::new(basis.trim(), basis.trim()),
            severity: Some(rule.severity),
            raised: raised.contains(&rule.id.as_str()),
        }
    };
    let mut grounds: Vec<Ground> = rules.iter().filter(applies).map(of_rule).collect();
    grounds.sort_by_key(|g| {
        (
            !g.raised,
            std::cmp::Reverse(g.severity.filter(|_| g.raised)),
        )
    });
    grounds.extend(
        registry
            .items
            .iter()
            .filter(|i| i.site == *site)
            .map(|i| Ground {
                kind: GroundKind::Item,
                id: i.id.clone(),
                text: i.text.clone(),
                basis: i.department.clone(),
                severity: None,
                raised: false,
            }),
    );
    grounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::problems::Problems;
    use std::path::Path;

    #[test]
    fn rules_for_the_devices_of_the_site_come_first_where_they_raised_a_signal_and_items_last() {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        let mut problems = Problems::new();
        let registry = Registry::load(&config.join("registry.toml"), &mut problems);
        let rules = crate::detect::rule::load(&config.join("rules"), &mut problems);
        let site = SiteId::new("restaurant").unwrap();
        let at = "2026-11-25T00:00:00Z".parse().unwrap();
        let grounds = choices(&registry, &rules, &site, at, &["F-03", "F-01b"]);
        let ids: Vec<&str> = grounds.iter().map(|g| g.id.as_str()).collect();
        assert_eq!(ids[..2], ["F-01b", "F-03"], "the gravest that raised one");
        assert!(ids.contains(&"F-02a") && ids.ends_with(&["M-1", "M-2", "E-1", "F-1"]));
        assert!(
            grounds.iter().all(|g| !g.basis.zh.is_empty()),
            "a ground without a basis is none"
        );
        let boiler = SiteId::new("boiler-plant").unwrap();
        let other = choices(&registry, &rules, &boiler, at, &[]);
        assert!(other.iter().all(|g| g.id != "F-01b" && g.id != "M-1"));
        let before = "2000-01-01T00:00:00Z".parse().unwrap();
        let old = choices(&registry, &rules, &site, before, &[]);
        assert!(old.iter().all(|g| g.kind == GroundKind::Item));
    }
}
