//! How often somebody may come, by risk class. Configuration; the defaults are proposals.
//!
//! 国办发〔2024〕54号 demands a yearly cap for each business and merged visits and leaves the number to the place;
//! the founding policy (平卫信用办〔2021〕6号, 五(二)) demands fewer for the good, more for the bad, and strictness in
//! key domains (六(四)). The numbers follow the weights of the fact sheet: A 0.5, B 1, C 2, D 4.

use crate::risk::Class;
use contract::problems::Problems;
use serde::Deserialize;

/// A number of visits a year for each class.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(non_snake_case, reason = "the classes are called so")]
pub struct PerClass {
    /// Low.
    pub A: f64,
    /// Ordinary.
    pub B: f64,
    /// Raised.
    pub C: f64,
    /// High.
    pub D: f64,
}

impl PerClass {
    /// The number of a class.
    pub fn of(&self, class: Class) -> f64 {
        match class {
            Class::A => self.A,
            Class::B => self.B,
            Class::C => self.C,
            Class::D => self.D,
        }
    }
}

/// How often somebody may come.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Frequency {
    /// Visits a year that one department may make at one site.
    pub department_per_year: PerClass,
    /// Visits a year at one site by all departments; a joint visit is one.
    pub site_per_year: PerClass,
    /// Domains in which class A is visited as often as class B.
    pub key_domains: Vec<String>,
}

impl Default for Frequency {
    fn default() -> Self {
        let per_class = |[a, b, c, d]: [f64; 4]| PerClass {
            A: a,
            B: b,
            C: c,
            D: d,
        };
        Self {
            department_per_year: per_class([0.5, 1.0, 2.0, 4.0]),
            site_per_year: per_class([1.0, 2.0, 4.0, 8.0]),
            key_domains: ["food", "environment", "safety"]
                .map(str::to_owned)
                .to_vec(),
        }
    }
}

impl Frequency {
    /// Adds what is wrong with it: nobody is beyond visits, and a worse class is not visited less.
    pub fn check(&self, problems: &mut Problems) {
        for (key, n) in [
            ("department_per_year", self.department_per_year),
            ("site_per_year", self.site_per_year),
        ] {
            let steps = [n.A, n.B, n.C, n.D];
            if !(n.A > 0.0 && n.D <= 366.0 && steps.windows(2).all(|w| w[0] <= w[1])) {
                problems.add(
                    format!("inspection.{key}"),
                    format!("{steps:?} does not rise from above 0 to at most 366"),
                    "give A, B, C and D visits a year, a worse class at least as many",
                );
            }
        }
    }

    /// The class by which a site of these domains is visited.
    pub fn class(&self, class: Class, domains: &[String]) -> Class {
        let is_key = domains.iter().any(|d| self.key_domains.contains(d));
        if is_key { class.max(Class::B) } else { class }
    }

    /// Days that must pass between two visits of one department.
    pub fn interval_days(&self, class: Class) -> i64 {
        (365.0 / self.department_per_year.of(class)).round() as i64
    }

    /// Visits to a site in a year, at most.
    pub fn cap(&self, class: Class) -> usize {
        self.site_per_year.of(class).ceil() as usize
    }
}
