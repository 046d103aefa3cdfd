//! The gateway's configuration: one TOML file, every problem in one run.
//!
//! Paths are relative to the file. Each module owns its part; this only puts the parts together.

use crate::{
    broker, detect, detect::rule::Rule, fleet, footage, ingest, inspection::frequency::Frequency,
    registry::Registry, series,
};
use contract::problems::Problems;
use serde::Deserialize;
use std::{
    collections::HashSet,
    net::SocketAddr,
    path::{Path, PathBuf},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: PathBuf,
    http: SocketAddr,
    registry: PathBuf,
    rules: PathBuf,
    #[serde(default = "in_earnest")]
    time_scale: f64,
    #[serde(default)]
    broker: broker::Config,
    #[serde(default)]
    fleet: fleet::Config,
    #[serde(default)]
    ingest: ingest::Config,
    #[serde(default)]
    series: series::Config,
    #[serde(default)]
    credit: Credit,
    #[serde(default)]
    model: Model,
    #[serde(default)]
    inspection: Frequency,
    #[serde(default)]
    footage: footage::Config,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Credit {
    platform: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Model {
    catalogue: Option<PathBuf>,
    name: String,
    runtime: Option<PathBuf>,
    points: Vec<String>,
    every_s: f64,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            catalogue: None,
            name: "forecaster".into(),
            runtime: None,
            points: Vec::new(),
            every_s: 60.0,
        }
    }
}

fn in_earnest() -> f64 {
    1.0
}

/// The configuration, checked.
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Where HTTP listens.
    pub http: SocketAddr,
    /// The registry.
    pub registry: Registry,
    /// The rules.
    pub rules: Vec<Rule>,
    /// 1 in earnest; training divides all times of rules by it.
    pub time_scale: f64,
    /// The broker's part.
    pub broker: broker::Config,
    /// The agents' part.
    pub fleet: fleet::Plan,
    /// Ingest's part.
    pub ingest: ingest::hub::Resolved,
    /// The broker that is not ours, if there is one.
    pub external: Option<ingest::external::Resolved>,
    /// The series' part.
    pub series: series::Plan,
    /// URL of the credit platform; entries wait in the outbox without one.
    pub platform: Option<String>,
    /// How often somebody may visit.
    pub inspection: Frequency,
    /// What is done with footage.
    pub footage: footage::Plan,
    /// The model, if points are bound to it.
    pub model: Option<ModelConfig>,
}

/// Which model scores which points.
pub struct ModelConfig {
    /// The catalogue file.
    pub catalogue: PathBuf,
    /// The model's name.
    pub name: String,
    /// The runtime library; looked for if `None`.
    pub runtime: Option<PathBuf>,
    /// Which points, and how often.
    pub binding: detect::onnx::Binding,
}

/// Reads and checks a file. What comes back is whole only if there is no problem.
pub fn load(path: &Path, problems: &mut Problems) -> Option<Config> {
    let place = path.display();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            problems.add(
                place,
                format!("it cannot be read: {error}"),
                "give the file's path with --config",
            );
            return None;
        }
    };
    let file: File = match toml::from_str(&text) {
        Ok(file) => file,
        Err(error) => {
            problems.add(
                place,
                error.to_string().trim().replace('\n', " "),
                "correct the key; see config/gateway.toml",
            );
            return None;
        }
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let at = |path: PathBuf| folder.join(path);
    if !(file.time_scale >= 1.0 && file.time_scale <= 1000.0) {
        problems.add(
            "time_scale",
            format!("{} is not between 1 and 1000", file.time_scale),
            "leave it out in earnest",
        );
    }
    if let Some(url) = &file.credit.platform
        && !(url.starts_with("http://") || url.starts_with("https://"))
    {
        problems.add(
            "credit.platform",
            format!("{url:?} is not a URL"),
            "write http://HOST:PORT or https://HOST",
        );
    }
    let data = at(file.data);
    let external = file.ingest.external.clone();
    let mut broker = file.broker;
    if broker.listen.is_none() && broker.listen_tls.is_none() && external.is_none() {
        problems.add(
            "broker",
            "readings have no way in: there is no listener and no external broker",
            "set listen_tls (or listen on the loopback), or [ingest.external]",
        );
    }
    let mut own_authority = None;
    match &mut broker.tls {
        Some(tls) => {
            for path in [&mut tls.certificate, &mut tls.key, &mut tls.client_ca] {
                *path = folder.join(&*path);
            }
        }
        // The gateway's own authority serves unless other files are named.
        None if broker.listen_tls.is_some() || file.footage.listen.is_some() => {
            let ca = crate::ca::CaFolder::new(&data.join("ca"));
            broker.tls = Some(broker::TlsFiles {
                certificate: ca.server_certificate(),
                key: ca.server_key(),
                client_ca: ca.authority(),
            });
            own_authority = Some(ca);
        }
        None => {}
    }
    if let Some(seen) = file
        .model
        .points
        .iter()
        .find(|p| p.starts_with(detect::SEES))
    {
        problems.add(
            "model.points",
            format!("{seen:?} is what a camera sees; only rules judge it"),
            "take it out",
        );
    }
    let model = (!file.model.points.is_empty()).then(|| ModelConfig {
        catalogue: file.model.catalogue.map_or_else(default_catalogue, at),
        name: file.model.name,
        runtime: file.model.runtime.map(at),
        binding: detect::onnx::Binding {
            points: file.model.points.into_iter().collect::<HashSet<_>>(),
            interval_ms: ((file.model.every_s * 1000.0 / file.time_scale) as i64).max(1),
        },
    });
    if let Some(model) = &model
        && let Err(error) = models::catalogue::load(&model.catalogue, &model.name)
    {
        let cause = std::error::Error::source(&error)
            .map(|e| format!(": {e}"))
            .unwrap_or_default();
        problems.add(
            "model",
            format!("{error}{cause}"),
            "correct model.catalogue and model.name",
        );
    }
    file.inspection.check(problems);
    let footage = file
        .footage
        .resolve(broker.tls.clone(), broker.expired_days_max, problems);
    Some(Config {
        footage,
        inspection: file.inspection,
        registry: Registry::load(&at(file.registry), problems),
        rules: detect::rule::load(&at(file.rules), problems),
        http: file.http,
        time_scale: file.time_scale,
        fleet: file
            .fleet
            .resolve(own_authority, broker.expired_days_max, problems),
        broker: broker.resolve(problems),
        ingest: file.ingest.resolve(problems),
        external: external.map(|external| external.resolve(folder, problems)),
        series: file.series.resolve(&data, problems),
        platform: file.credit.platform,
        model,
        data,
    })
}

/// The catalogue beside the program (an installed package), or of the checkout it was built from.
fn default_catalogue() -> PathBuf {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join("models/catalogue.toml")));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| {
        PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../models/catalogue.toml"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_sound() {
        let mut problems = Problems::new();
        let config = load(
            Path::new(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../config/gateway.toml"
            )),
            &mut problems,
        );
        assert!(problems.is_empty() && config.is_some(), "{problems}");
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        std::fs::write(
            &path,
            "data = \"d\"\nhttp = \"127.0.0.1:0\"\nregistry = \"r\"\nrules = \"r\"\ncolour = 1\n",
        )
        .unwrap();
        let mut problems = Problems::new();
        assert!(load(&path, &mut problems).is_none());
        assert!(problems.to_string().contains("colour"), "{problems}");
    }

    #[test]
    fn all_problems_of_all_parts_come_in_one_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        let text = "data = \"d\"\nhttp = \"127.0.0.1:0\"\nregistry = \"r\"\nrules = \"nowhere\"\ntime_scale = 0.5\n\
                    [credit]\nplatform = \"ftp\"\n[inspection]\nsite_per_year = { A = 0, B = 1, C = 1, D = 1 }\n\
                    [model]\npoints = [\"see.fire\"]\n[footage]\nbytes_max = 1\nkeep_days = 0\nprecision_min = 2.0\n";
        std::fs::write(&path, text).unwrap();
        let mut problems = Problems::new();
        load(&path, &mut problems);
        let found = problems.to_string();
        for part in [
            "time_scale",
            "credit.platform",
            "nowhere",
            "broker",
            "inspection.site_per_year",
            "model.points",
            "footage.bytes_max",
            "footage.keep_days",
            "footage.precision_min",
        ] {
            assert!(found.contains(part), "{part} is not in:\n{found}");
        }
    }
}
