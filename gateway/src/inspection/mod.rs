//! What departments have to check at one address becomes one visit, and nobody comes more often than the class
//! allows. Pure.

pub mod frequency; // how often somebody may come; configuration

use crate::{
    detect::rule::Text,
    registry::{Item, Registry, Site, day_ms},
    risk::Class,
};
use contract::{SiteId, Timestamp};
use frequency::Frequency;
use serde::Serialize;

const DAY_MS: i64 = 86_400_000;

/// One visit 联合检查.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Visit {
    /// Where.
    pub site: SiteId,
    /// The business's class.
    pub class: Class,
    /// Cases of the site that a person confirmed and nobody has looked at again.
    pub findings: Vec<String>,
    /// What to check, merged over departments, the earliest due first.
    pub items: Vec<Planned>,
    /// What has to wait, since its department was here not long ago.
    pub later: Vec<Planned>,
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
    /// Before this its department may not come again; `None` if it may.
    pub not_before: Option<Timestamp>,
}

/// A site to which nobody goes for now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waiting {
    /// Where.
    pub site: SiteId,
    /// The business's class.
    pub class: Class,
    /// Why nobody goes.
    pub why: Vec<Text>,
    /// From when somebody may; `None` if nothing has to be looked at.
    pub next: Option<Timestamp>,
}

/// Where to go, and where not.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    /// The visits, in order.
    pub visits: Vec<Visit>,
    /// The sites that wait.
    pub waiting: Vec<Waiting>,
}

/// What the plan is made from, site by site.
#[derive(Debug, Clone)]
pub struct SiteFacts {
    /// Where.
    pub site: SiteId,
    /// The business's class.
    pub class: Class,
    /// Cases of the site that a person confirmed and whose entry still stands, with when.
    pub findings: Vec<(String, Timestamp)>,
    /// Devices whose readings came without an open signal, with since when.
    pub quiet_since: Vec<(String, Timestamp)>,
}

/// The plan: sites with findings first, then the higher class, then the earliest due.
pub fn plan(registry: &Registry, facts: &[SiteFacts], often: &Frequency, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for facts in facts {
        let Some(site) = registry.site(&facts.site) else {
            continue;
        };
        match At::new(registry, site, facts, often, now).decide() {
            Some(Ok(visit)) => plan.visits.push(visit),
            Some(Err(waiting)) => plan.waiting.push(waiting),
            None => {}
        }
    }
    plan.visits.sort_by_key(|v| {
        let due = v.items.iter().map(|i| i.due).min();
        (
            std::cmp::Reverse(v.findings.len().min(1)),
            std::cmp::Reverse(v.class),
            due,
        )
    });
    plan.waiting.sort_by_key(|w| w.next);
    plan
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

/// One site, with what was counted.
struct At<'a> {
    facts: &'a SiteFacts,
    often: &'a Frequency,
    /// The class by which it is visited.
    class: Class,
    /// Cases nobody has looked at again.
    findings: Vec<String>,
    items: Vec<Planned>,
    later: Vec<Planned>,
    made_this_year: usize,
    next_year: Timestamp,
}

impl<'a> At<'a> {
    fn new(
        registry: &Registry,
        site: &Site,
        facts: &'a SiteFacts,
        often: &'a Frequency,
        now: Timestamp,
    ) -> Self {
        let class = often.class(facts.class, &site.domains);
        let made: Vec<(&str, i64)> = registry
            .visits
            .iter()
            .filter(|v| v.site == site.id)
            .filter_map(|v| Some((v.department.as_str(), day_ms(&v.day)?)))
            .filter(|(_, day)| *day <= now.as_millis())
            .collect();
        let (this_year, next_year) = year_of(now);
        let mut days: Vec<i64> = made.iter().map(|(_, day)| *day).collect();
        days.sort_unstable();
        days.dedup();
        let looked = days.last().map_or(i64::MIN, |day| day + DAY_MS);
        let interval = often.interval_days(class) * DAY_MS;
        let not_before = |item: &Item| {
            let of = made.iter().filter(|(who, _)| *who == item.department.zh);
            let last = of.map(|(_, day)| *day).max()?;
            let at = Timestamp::from_millis(last + interval);
            (at > now).then_some(at)
        };
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
            not_before: not_before(item),
        };
        let items = registry.items.iter().filter(|i| i.site == site.id);
        let mut items: Vec<Planned> = items.map(planned).collect();
        items.sort_by(|a, b| {
            (a.proved_since.is_some(), a.due, &a.id).cmp(&(b.proved_since.is_some(), b.due, &b.id))
        });
        let (later, items) = items.into_iter().partition(|i| i.not_before.is_some());
        let is_new = |(_, at): &&(String, Timestamp)| at.as_millis() >= looked;
        Self {
            facts,
            often,
            class,
            findings: facts
                .findings
                .iter()
                .filter(is_new)
                .map(|(id, _)| id.clone())
                .collect(),
            items,
            later,
            made_this_year: days.iter().filter(|day| **day >= this_year).count(),
            next_year: Timestamp::from_millis(next_year),
        }
    }

    /// Whether to go: for a finding always, for open items within the cap. `None` if there is nothing at all.
    fn decide(self) -> Option<Result<Visit, Waiting>> {
        if self.items.is_empty() && self.later.is_empty() && self.findings.is_empty() {
            return None;
        }
        let must_look = self.items.iter().any(|i| i.proved_since.is_none());
        let is_full = self.made_this_year >= self.often.cap(self.class);
        if self.findings.is_empty() && (!must_look || is_full) {
            return Some(Err(self.waiting(must_look)));
        }
        let mut why = Vec::new();
        if !self.findings.is_empty() {
            let n = self.findings.len();
            why.push(Text::new(
                format!("{n} 项经人确认的认定待复查，不受次数上限限制"),
                format!("{n} confirmed findings to look at again, beyond the cap"),
            ));
        }
        why.extend(self.allowance());
        let proved = self
            .items
            .iter()
            .filter(|i| i.proved_since.is_some())
            .count();
        if proved > 0 {
            why.push(Text::new(
                format!("{proved} 项已由监测数据证明"),
                format!("{proved} items already proved by readings"),
            ));
        }
        Some(Ok(Visit {
            site: self.facts.site.clone(),
            class: self.facts.class,
            findings: self.findings,
            items: self.items,
            later: self.later,
            why,
        }))
    }

    fn waiting(&self, must_look: bool) -> Waiting {
        let earliest = self.later.iter().filter_map(|i| i.not_before).min();
        let (why, next) = if must_look {
            let why = Text::new("今年的上门次数已满", "This year's visits are used up");
            (why, Some(self.next_year))
        } else if earliest.is_some() {
            let why = Text::new(
                "各部门不久前来过，未到下次检查时间",
                "Its departments were here not long ago; the next visit is not due",
            );
            (why, earliest)
        } else {
            let why = Text::new(
                "各项均由监测数据证明，不必上门",
                "Readings prove every item; nobody need go",
            );
            (why, None)
        };
        Waiting {
            site: self.facts.site.clone(),
            class: self.facts.class,
            why: std::iter::once(why).chain(self.allowance()).collect(),
            next,
        }
    }

    /// The class and what it allows, in words.
    fn allowance(&self) -> Vec<Text> {
        let (class, cap, made) = (self.class, self.often.cap(self.class), self.made_this_year);
        let days = self.often.interval_days(class);
        let mut words = vec![Text::new(
            format!("风险等级 {:?}", self.facts.class),
            format!("Risk class {:?}", self.facts.class),
        )];
        if class != self.facts.class {
            words.push(Text::new(
                format!("重点领域，频次按 {class:?} 级"),
                format!("A key domain, visited as class {class:?}"),
            ));
        }
        words.push(Text::new(
            format!("同一部门间隔不少于 {days} 天；全部部门合计一年最多 {cap} 次，今年已 {made} 次（国办发〔2024〕54号要求设上限，次数由本地配置）"),
            format!("One department at most every {days} days; all together at most {cap} visits a year, {made} made this year (国办发〔2024〕54号 demands a cap; the numbers are configured here)"),
        ));
        words
    }
}

/// The first moment of the year of `now`, and of the next, in +08:00.
fn year_of(now: Timestamp) -> (i64, i64) {
    let local = jiff::Timestamp::from_millisecond(now.as_millis() + 8 * 3_600_000);
    let year = local.map_or(1970, |at| at.to_zoned(jiff::tz::TimeZone::UTC).year());
    let first = |year: i16| day_ms(&format!("{year:04}-01-01")).unwrap_or(i64::MIN);
    (first(year), first(year + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::problems::Problems;

    fn registry(visits: &str) -> Registry {
        let mut problems = Problems::new();
        let text = format!("{}{visits}", include_str!("../../../config/registry.toml"));
        let registry = Registry::parse("registry.toml", &text, &mut problems);
        assert!(problems.is_empty(), "{problems}");
        registry
    }

    fn visit(site: &str, department: &str, day: &str) -> String {
        format!("\n[[visit]]\nsite = {site:?}\ndepartment = {department:?}\nday = {day:?}\n")
    }

    fn at(day: &str) -> Timestamp {
        Timestamp::from_millis(day_ms(day).unwrap() + DAY_MS / 2)
    }

    /// The plan of the whole registry; the workshop has a finding of that day, the cold room is quiet.
    fn planned(registry: &Registry, class: Class, finding: Option<&str>) -> Plan {
        let of = |site: &Site| SiteFacts {
            site: site.id.clone(),
            class,
            findings: finding
                .filter(|_| site.id.as_str() == "workshop")
                .map(|day| ("1".to_owned(), at(day)))
                .into_iter()
                .collect(),
            quiet_since: vec![("cold-room".into(), Timestamp::from_millis(7))],
        };
        let facts: Vec<SiteFacts> = registry.sites.iter().map(of).collect();
        plan(registry, &facts, &Frequency::default(), at("2026-11-25"))
    }

    fn sites(plan: &Plan) -> Vec<&str> {
        plan.visits.iter().map(|v| v.site.as_str()).collect()
    }

    #[test]
    fn departments_at_one_address_make_one_visit_and_findings_come_first() {
        let plan = planned(&registry(""), Class::A, Some("2026-11-01"));
        assert_eq!((plan.visits.len(), plan.waiting.len()), (3, 0));
        assert_eq!(plan.visits[0].site.as_str(), "workshop");
        let is_restaurant = |v: &&Visit| v.site.as_str() == "restaurant";
        let restaurant = plan.visits.iter().find(is_restaurant).unwrap();
        assert_eq!(restaurant.items.len(), 4, "three departments in one visit");
        let last = restaurant.items.last().unwrap();
        assert!(last.proved_since.is_some(), "what is proved comes last");
        assert!(separate(&plan.visits) > plan.visits.len());
    }

    #[test]
    fn a_department_that_was_there_waits_by_class_and_the_others_still_go() {
        let made = visit("restaurant", "市场监管局", "2026-03-01");
        let registry = registry(&made);
        let plan = planned(&registry, Class::A, None);
        let is_restaurant = |v: &&Visit| v.site.as_str() == "restaurant";
        let restaurant = plan.visits.iter().find(is_restaurant).unwrap();
        let ids = |items: &[Planned]| items.iter().map(|i| i.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&restaurant.items), ["E-1", "F-1"]);
        assert_eq!(ids(&restaurant.later), ["M-2", "M-1"]);
        // A key domain: class A waits a year, as B does, and not two.
        let next = restaurant.later[0].not_before.unwrap();
        assert_eq!(next.as_millis(), day_ms("2027-03-01").unwrap());
        let plan = planned(&registry, Class::C, None);
        let restaurant = plan.visits.iter().find(is_restaurant).unwrap();
        assert!(
            restaurant.later.is_empty(),
            "class C is visited twice a year"
        );
    }

    #[test]
    fn a_full_year_holds_up_everything_but_a_finding_and_a_joint_visit_counts_once() {
        let joint = visit("workshop", "应急管理局", "2026-01-10")
            + &visit("workshop", "卫生健康委", "2026-01-10");
        let registry_of_one = registry(&joint);
        let plan = planned(&registry_of_one, Class::D, None);
        assert!(sites(&plan).contains(&"workshop"), "one visit of eight");
        // Class B: two a year, made by departments that have no item here.
        let full =
            visit("workshop", "甲局", "2026-05-01") + &visit("workshop", "乙局", "2026-06-01");
        let registry_full = registry(&full);
        let plan = planned(&registry_full, Class::B, None);
        assert!(!sites(&plan).contains(&"workshop"));
        let waiting = &plan.waiting[0];
        assert_eq!(
            waiting.next.unwrap().as_millis(),
            day_ms("2027-01-01").unwrap()
        );
        assert!(waiting.why[0].zh.contains("已满"));
        let plan = planned(&registry_full, Class::B, Some("2026-11-01"));
        assert!(
            sites(&plan).contains(&"workshop"),
            "a finding is looked at again"
        );
        let plan = planned(&registry_full, Class::B, Some("2026-05-20"));
        assert!(
            !sites(&plan).contains(&"workshop"),
            "that finding was looked at in June"
        );
    }

    #[test]
    fn where_readings_prove_everything_nobody_goes() {
        let mut registry = registry("");
        registry.items.retain(|i| i.id == "M-1");
        let plan = planned(&registry, Class::B, None);
        assert!(plan.visits.is_empty());
        assert_eq!((plan.waiting.len(), plan.waiting[0].next), (1, None));
    }

    #[test]
    fn the_year_is_that_of_the_site() {
        let newyear = "2026-12-31T16:00:00Z".parse().unwrap();
        assert_eq!(year_of(newyear).0, day_ms("2027-01-01").unwrap());
    }
}
