//! What departments have to check at one address becomes one visit. Pure.

use crate::{
    detect::rule::Text,
    registry::{Item, Registry, day_ms},
    risk::Class,
};
use contract::{SiteId, Timestamp};
use serde::Serialize;

/// One visit 联合检查.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Visit {
    /// Where.
    pub site: SiteId,
    /// The business's class.
    pub class: Class,
    /// Cases of the site that a person confirmed.
    pub findings: Vec<String>,
    /// What to check, merged over departments, the earliest due first.
    pub items: Vec<Planned>,
    /// Why it stands where it stands.
    pub why: Vec<Text>,
}

/// An item of a visit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Planned {
    /// The item.
    pub id: String,
    /// What to check.
    pub text: Text,
    /// Who has to.
    pub department: Text,
    /// By when.
    pub due: Timestamp,
    /// Since when readings prove it; `None` if somebody must look.
    pub proved_since: Option<Timestamp>,
}

/// What the plan is made from, site by site.
#[derive(Debug, Clone)]
pub struct SiteFacts {
    /// Where.
    pub site: SiteId,
    /// The business's class.
    pub class: Class,
    /// Cases of the site that a person confirmed.
    pub findings: Vec<String>,
    /// Devices whose readings came without an open signal, with since when.
    pub quiet_since: Vec<(String, Timestamp)>,
}

/// The plan: sites with findings first, then the higher class, then the earliest due.
pub fn plan(registry: &Registry, facts: &[SiteFacts]) -> Vec<Visit> {
    let mut visits: Vec<Visit> = facts.iter().filter_map(|f| visit(registry, f)).collect();
    visits.sort_by_key(|v| {
        let due = v.items.iter().map(|i| i.due).min();
        (
            std::cmp::Reverse(v.findings.len().min(1)),
            std::cmp::Reverse(v.class),
            due,
        )
    });
    visits
}

/// Visits that departments would make one by one.
pub fn separate(visits: &[Visit]) -> usize {
    let departments = |v: &Visit| {
        let mut names: Vec<&str> = v.items.iter().map(|i| i.department.zh.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    };
    visits.iter().map(departments).sum()
}

fn visit(registry: &Registry, facts: &SiteFacts) -> Option<Visit> {
    let planned = |item: &Item| Planned {
        id: item.id.clone(),
        text: item.text.clone(),
        department: item.department.clone(),
        due: Timestamp::from_millis(day_ms(&item.due).unwrap_or(i64::MAX)),
        proved_since: facts
            .quiet_since
            .iter()
            .find(|(device, _)| *device == item.proved_by)
            .map(|(_, since)| *since),
    };
    let mut items: Vec<Planned> = registry
        .items
        .iter()
        .filter(|i| i.site == facts.site)
        .map(planned)
        .collect();
    items.sort_by(|a, b| {
        (a.proved_since.is_some(), a.due, &a.id).cmp(&(b.proved_since.is_some(), b.due, &b.id))
    });
    if items.is_empty() && facts.findings.is_empty() {
        return None;
    }
    let mut why = Vec::new();
    if !facts.findings.is_empty() {
        let n = facts.findings.len();
        why.push(Text {
            zh: format!("{n} 项经人确认的认定待复查"),
            en: format!("{n} confirmed findings to look at again"),
        });
    }
    why.push(Text {
        zh: format!("风险等级 {:?}", facts.class),
        en: format!("Risk class {:?}", facts.class),
    });
    let proved = items.iter().filter(|i| i.proved_since.is_some()).count();
    if proved > 0 {
        why.push(Text {
            zh: format!("{proved} 项已由监测数据证明"),
            en: format!("{proved} items already proved by readings"),
        });
    }
    Some(Visit {
        site: facts.site.clone(),
        class: facts.class,
        findings: facts.findings.clone(),
        items,
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::problems::Problems;

    #[test]
    fn departments_at_one_address_make_one_visit_and_findings_come_first() {
        let mut problems = Problems::new();
        let text = include_str!("../../../config/registry.toml");
        let registry = Registry::parse("registry.toml", text, &mut problems);
        let facts: Vec<SiteFacts> = registry
            .sites
            .iter()
            .map(|s| SiteFacts {
                site: s.id.clone(),
                class: Class::A,
                findings: if s.id.as_str() == "workshop" {
                    vec!["1".into()]
                } else {
                    vec![]
                },
                quiet_since: vec![("cold-room".into(), Timestamp::from_millis(7))],
            })
            .collect();
        let visits = plan(&registry, &facts);
        assert_eq!(visits.len(), 3);
        assert_eq!(visits[0].site.as_str(), "workshop");
        let restaurant = visits
            .iter()
            .find(|v| v.site.as_str() == "restaurant")
            .unwrap();
        assert_eq!(
            restaurant.items.len(),
            4,
            "items of three departments in one visit"
        );
        assert!(
            restaurant.items.last().unwrap().proved_since.is_some(),
            "what is proved comes last"
        );
        assert!(separate(&visits) > visits.len());
    }
}
