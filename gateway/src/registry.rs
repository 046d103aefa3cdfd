//! Businesses, sites, agents, devices, points and inspection items: what is known before the first reading.
//!
//! One TOML file (`config/registry.toml` is an example). All problems are found in one run. A device that is
//! not allowed to give evidence (行政处罚法 Art. 41, 计量法 Art. 9) is "reference only", and why is said in words.

use crate::detect::rule::Text;
use contract::{AgentId, DeviceId, SiteId, Timestamp, problems::Problems, uscc::Uscc};
use serde::Deserialize;
use std::{collections::HashMap, path::Path};

/// The kind of device that takes pictures.
pub const CAMERA: &str = "camera";

/// A business 市场主体.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Business {
    /// Its code, as text; checked on loading.
    pub uscc: String,
    /// Its registered name.
    pub name: String,
}

/// A site 场所.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Its id; the Sparkplug group.
    pub id: SiteId,
    /// Its name.
    pub name: Text,
    /// Where it is.
    pub address: String,
    /// Code of its business.
    pub business: String,
    /// `food`, `environment`, `safety`.
    pub domains: Vec<String>,
}

/// An edge agent 边缘代理.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Its id; the common name of its certificate.
    pub id: AgentId,
    /// Where it is.
    pub site: SiteId,
    /// Argon2id hash of its password (`gateway agent-password`); without one it comes with its certificate only.
    #[serde(default)]
    pub password_hash: Option<String>,
}

/// A device 设备 with what allows it to give evidence.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Where it is.
    pub site: SiteId,
    /// Its id.
    pub id: DeviceId,
    /// Its name.
    pub name: Text,
    /// `freezer`, `stack_monitor`, …; rules apply to kinds.
    pub kind: String,
    /// Where exactly.
    #[serde(default)]
    pub location: String,
    /// What for, in a sentence; a camera needs one (公共安全视频图像信息系统管理条例 Art. 7, 9).
    #[serde(default)]
    pub purpose: String,
    /// Legal review on file.
    #[serde(default)]
    pub legal_review: String,
    /// Technical review on file.
    #[serde(default)]
    pub technical_review: String,
    /// Sign on site.
    #[serde(default)]
    pub sign: String,
    /// Day on which the location was published, `2026-01-15`.
    #[serde(default)]
    pub published: String,
    /// Number of the calibration certificate.
    #[serde(default)]
    pub certificate: String,
    /// Last day of its validity, `2027-06-30`.
    #[serde(default)]
    pub certificate_valid_to: String,
}

/// One thing a department has to check at a site 检查事项.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// Where.
    pub site: SiteId,
    /// Which department.
    pub department: Text,
    /// What to check.
    pub text: Text,
    /// By when, `2026-12-31`.
    pub due: String,
    /// Device whose readings already prove it while they are in order; empty if somebody must look.
    #[serde(default)]
    pub proved_by: String,
}

/// A visit that a department made. Several departments on one day are one visit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// Where.
    pub site: SiteId,
    /// Which department, by its Chinese name.
    pub department: String,
    /// When, `2026-03-01`.
    pub day: String,
}

/// A name for a point, for the screens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The point's name.
    pub point: String,
    /// Its label.
    pub label: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    business: Vec<Business>,
    site: Vec<Site>,
    agent: Vec<Agent>,
    device: Vec<Device>,
    item: Vec<Item>,
    visit: Vec<Made>,
    label: Vec<Label>,
}

/// The registry, checked.
#[derive(Debug, Default)]
pub struct Registry {
    /// Businesses by code.
    pub businesses: HashMap<String, Business>,
    /// Sites in the order of the file.
    pub sites: Vec<Site>,
    /// Agents.
    pub agents: Vec<Agent>,
    /// Devices.
    pub devices: Vec<Device>,
    /// Inspection items.
    pub items: Vec<Item>,
    /// Visits made.
    pub visits: Vec<Made>,
    labels: HashMap<String, Text>,
}

impl Registry {
    /// Reads the file. Problems are added; a file that cannot be read gives an empty registry.
    pub fn load(path: &Path, problems: &mut Problems) -> Registry {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&path.display().to_string(), &text, problems),
            Err(error) => {
                problems.add(
                    path.display(),
                    format!("it cannot be read: {error}"),
                    "correct `registry`",
                );
                Registry::default()
            }
        }
    }

    /// Reads a text; `place` names it in problems.
    pub fn parse(place: &str, text: &str, problems: &mut Problems) -> Registry {
        let file: File = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                problems.add(
                    place,
                    error.to_string().trim().replace('\n', " "),
                    "correct the file",
                );
                return Registry::default();
            }
        };
        let mut registry = Registry::default();
        for business in file.business {
            let at = format!("{place}: business {}", business.name);
            match Uscc::new(&business.uscc) {
                Ok(code) => drop(registry.businesses.insert(code.to_string(), business)),
                Err(error) => problems.add(at, error, "correct uscc"),
            }
        }
        for site in &file.site {
            if !registry.businesses.contains_key(&site.business) {
                let what = format!("business {:?} is not there", site.business);
                problems.add(
                    format!("{place}: site {}", site.id),
                    what,
                    "add it or correct its code",
                );
            }
        }
        let known = |site: &SiteId| file.site.iter().any(|s| s.id == *site);
        for device in &file.device {
            let at = format!("{place}: device {}", device.id);
            if !known(&device.site) {
                problems.add(
                    &at,
                    format!("site {} is not there", device.site),
                    "add it or correct it",
                );
            }
            for (key, day) in [
                ("published", &device.published),
                ("certificate_valid_to", &device.certificate_valid_to),
            ] {
                if !day.is_empty() && day_ms(day).is_none() {
                    problems.add(
                        &at,
                        format!("{key} {day:?} is not a day"),
                        "write it like 2027-06-30",
                    );
                }
            }
        }
        for agent in &file.agent {
            let at = format!("{place}: agent {}", agent.id);
            if !known(&agent.site) {
                problems.add(
                    &at,
                    format!("site {} is not there", agent.site),
                    "add it or correct it",
                );
            }
            if let Some(hash) = &agent.password_hash
                && argon2::PasswordHash::new(hash).is_err()
            {
                problems.add(
                    at,
                    "password_hash is not the hash of a password",
                    "take the line that `gateway agent-password` prints",
                );
            }
        }
        for item in &file.item {
            if !known(&item.site) || day_ms(&item.due).is_none() {
                problems.add(
                    format!("{place}: item {}", item.id),
                    "its site or due day is wrong",
                    "correct it",
                );
            }
        }
        for visit in &file.visit {
            if !known(&visit.site) || day_ms(&visit.day).is_none() {
                problems.add(
                    format!("{place}: visit {} {}", visit.site, visit.day),
                    "its site or day is wrong",
                    "correct it",
                );
            }
        }
        registry.sites = file.site;
        registry.agents = file.agent;
        registry.devices = file.device;
        registry.items = file.item;
        registry.visits = file.visit;
        registry.labels = file.label.into_iter().map(|l| (l.point, l.label)).collect();
        registry
    }

    /// A site.
    pub fn site(&self, id: &SiteId) -> Option<&Site> {
        self.sites.iter().find(|s| s.id == *id)
    }

    /// A device of a site.
    pub fn device(&self, site: &SiteId, id: &DeviceId) -> Option<&Device> {
        self.devices.iter().find(|d| d.site == *site && d.id == *id)
    }

    /// The business of a site.
    pub fn business_of(&self, site: &SiteId) -> Option<&Business> {
        self.businesses.get(&self.site(site)?.business)
    }

    /// The label of a point; its name if it has none.
    pub fn label(&self, point: &str) -> Text {
        self.labels.get(point).cloned().unwrap_or_else(|| Text {
            zh: point.to_owned(),
            en: point.to_owned(),
        })
    }

    /// What the rules need to know.
    pub fn facts(&self) -> crate::detect::engine::Facts {
        let kinds = self
            .devices
            .iter()
            .map(|d| ((d.site.clone(), d.id.clone()), d.kind.clone()))
            .collect();
        let cameras = self.devices.iter().filter(|d| d.is_camera());
        let sees_since = cameras
            .filter_map(|d| Some(((d.site.clone(), d.id.clone()), d.sees_since()?)))
            .collect();
        crate::detect::engine::Facts { kinds, sees_since }
    }
}

impl Device {
    /// True if it takes pictures.
    pub fn is_camera(&self) -> bool {
        self.kind == CAMERA
    }

    /// What people had not been told of a camera at `at`: without all of it nothing that it sees is judged or kept. Empty
    /// for a camera of which everything was told.
    pub fn not_told(&self, at: Timestamp) -> Vec<Text> {
        let is_published = day_ms(&self.published).is_some_and(|day| day <= at.as_millis());
        let needs = [
            (
                !self.purpose.is_empty(),
                "没有写明用途（个人信息保护法第二十六条）",
                "Its purpose is not stated (个人信息保护法 Art. 26)",
            ),
            (
                !self.sign.is_empty(),
                "现场没有标志（行政处罚法第四十一条）",
                "No sign on site (行政处罚法 Art. 41)",
            ),
            (
                !self.location.is_empty(),
                "没有写明设置地点（行政处罚法第四十一条）",
                "Its location is not stated (行政处罚法 Art. 41)",
            ),
            (
                !self.published.is_empty(),
                "设置地点没有公布（行政处罚法第四十一条）",
                "Its location was not published (行政处罚法 Art. 41)",
            ),
            (
                self.published.is_empty() || is_published,
                "当时设置地点尚未公布（行政处罚法第四十一条）",
                "Its location was not published yet at that time (行政处罚法 Art. 41)",
            ),
        ];
        let missing = needs.into_iter().filter(|(is_there, ..)| !is_there);
        missing.map(|(_, zh, en)| Text::new(zh, en)).collect()
    }

    /// Since when what a camera sees may be judged, ms since 1970; nothing while something was not told.
    pub fn sees_since(&self) -> Option<i64> {
        let told = [&self.purpose, &self.sign, &self.location];
        day_ms(&self.published).filter(|_| told.iter().all(|text| !text.is_empty()))
    }

    /// Why its readings at `at` are reference only; empty if they may be evidence.
    pub fn obstacles(&self, at: Timestamp) -> Vec<Text> {
        let mut found = Vec::new();
        let mut need = |is_there: bool, zh: &str, en: &str| {
            if !is_there {
                found.push(Text {
                    zh: zh.into(),
                    en: en.into(),
                });
            }
        };
        need(
            !self.legal_review.is_empty(),
            "没有法制审核记录（行政处罚法第四十一条）",
            "No legal review on file (行政处罚法 Art. 41)",
        );
        need(
            !self.technical_review.is_empty(),
            "没有技术审核记录（行政处罚法第四十一条）",
            "No technical review on file (行政处罚法 Art. 41)",
        );
        need(
            !self.sign.is_empty(),
            "现场没有标志（行政处罚法第四十一条）",
            "No sign on site (行政处罚法 Art. 41)",
        );
        need(
            !self.published.is_empty(),
            "设置地点没有公布（行政处罚法第四十一条）",
            "Its location was not published (行政处罚法 Art. 41)",
        );
        if self.is_camera() {
            // A camera is no measuring instrument; nothing of it is calibrated.
            let before = self.not_told(at).into_iter();
            found.extend(
                before
                    .filter(|text| !found.contains(text))
                    .collect::<Vec<_>>(),
            );
            return found;
        }
        let is_valid = day_ms(&self.certificate_valid_to)
            .is_some_and(|last| at.as_millis() < last + 86_400_000);
        need(
            is_valid,
            "检定或校准不在有效期内（计量法第九条）",
            "Calibration is not in date (计量法 Art. 9)",
        );
        found
    }
}

/// Midnight in +08:00 of a day written `2026-12-31`, ms since 1970.
pub fn day_ms(day: &str) -> Option<i64> {
    let date: jiff::civil::Date = day.parse().ok()?;
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    date.to_zoned(zone)
        .ok()
        .map(|z| z.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_sound_and_its_devices_are_fit_while_their_certificates_last() {
        let mut problems = Problems::new();
        let registry = Registry::load(
            Path::new(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../config/registry.toml"
            )),
            &mut problems,
        );
        assert!(problems.is_empty(), "{problems}");
        let device = registry
            .devices
            .iter()
            .find(|d| d.id.as_str() == "cold-room")
            .unwrap();
        let at = |text: &str| text.parse().unwrap();
        assert!(device.obstacles(at("2026-11-24T00:00:00Z")).is_empty());
        assert_eq!(device.obstacles(at("2036-11-24T00:00:00Z")).len(), 1);
    }

    #[test]
    fn every_problem_is_named_in_one_run() {
        let mut problems = Problems::new();
        let text = r#"
            [[business]]
            uscc = "914403001922038217"
            name = "x"
            [[site]]
            id = "s"
            name = { zh = "甲", en = "A" }
            address = ""
            business = "1"
            domains = []
            [[agent]]
            id = "a"
            site = "other"
        "#;
        Registry::parse("registry.toml", text, &mut problems);
        assert_eq!(problems.len(), 3, "{problems}");
    }
}
