//! What a configuration means, for whoever wrote it. Pure.

use crate::{config::Config, source::Source};
use std::fmt::Write;

/// A page of readable text.
pub fn summary(config: &Config) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    line("The configuration is in order.".into());
    line(format!("site {}, agent {}", config.site, config.agent));
    line(format!(
        "gateway {}:{}, {:?}",
        config.gateway.host, config.gateway.port, config.gateway.identity
    ));
    match &config.status {
        Some(page) => line(format!("page http://{page:?}")),
        None => line("no page ([status] is not there)".into()),
    }
    for text in footage(config) {
        line(text);
    }
    if config.sources.is_empty() {
        line("no device yet".into());
    }
    for source in &config.sources {
        line(source.name());
        if let Source::Hj212(door) = source
            && !door.rights.is_empty()
        {
            let rights: Vec<&str> = door.rights.iter().map(|right| right.as_str()).collect();
            line(format!(
                "  an administrator at the gateway may order from its loggers: {}",
                rights.join(", ")
            ));
        }
        for device in source.devices() {
            let names: Vec<String> = device.points.iter().map(point).collect();
            let every = device.points.iter().filter_map(|p| p.every).max();
            line(format!(
                "  {}: {} points{}",
                device.id,
                names.len(),
                every.map_or(String::new(), |every| format!(", every {every:?}"))
            ));
            line(format!("    {}", names.join(", ")));
        }
    }
    let holds = config.holds();
    let readings_per_s = holds.map_or(0.0, |holds| holds.readings_per_s);
    line(format!("{readings_per_s:.2} readings a second"));
    if let Some(holds) = holds {
        line(format!(
            "buffer {}, {:.0} MiB: holds about {:.0} hours without the gateway at that rate (a message that a device sends adds its own length)",
            config.buffer.path.display(),
            config.buffer.bytes_max as f64 / f64::from(1 << 20),
            holds.hours
        ));
    }
    out
}

/// What becomes of pictures of what is seen.
fn footage(config: &Config) -> Vec<String> {
    let Some(footage) = &config.footage else {
        return vec!["no pictures are kept of what is seen ([footage] is not there)".into()];
    };
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let mut lines = vec![
        format!(
            "pictures of what is seen: from {:?} before to {:?} after, {} frames a second, masked by what {} find, to {}, {} bytes a second at most",
            footage.before,
            footage.after,
            footage.frames_per_s,
            footage.detectors.join(" and "),
            footage.url,
            footage.bytes_per_s
        ),
        format!(
            "  they wait in {}, {:.0} MiB at most",
            footage.spool.display(),
            mib(footage.bytes_max)
        ),
    ];
    lines.push(match &footage.custodians {
        None => "  no original is kept: footage.custodians does not name two persons who could open it together".into(),
        Some([one, two]) => format!(
            "  originals are sealed for {one} and {two}, who can open them only together, and kept for {} days, {:.0} MiB at most",
            footage.keep_originals.as_secs() / 86_400,
            mib(footage.originals_max)
        ),
    });
    let cameras = config.sources.iter().filter_map(|source| match source {
        Source::Camera(camera) => Some(camera),
        _ => None,
    });
    for camera in cameras {
        let missing = match (&camera.watch, &camera.ring) {
            (Some(_), Some(_)) => continue,
            (None, _) => "it is not looked at ([camera.look] is not there)",
            (_, None) => "it keeps nothing to cut them from ([camera.ring] is not there)",
        };
        lines.push(format!("  none of {}: {missing}", camera.id));
    }
    lines
}

fn point(point: &crate::source::PointInfo) -> String {
    match point.unit.as_str() {
        "" | "1" => point.name.to_string(),
        unit => format!("{} ({unit})", point.name),
    }
}
