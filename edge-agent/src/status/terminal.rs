//! `edge-agent status`: asks the running agent and shows it on a terminal.

use super::{
    page::StatusConfig,
    view::{DeviceView, LinkView, Status},
    words::{Words, ago},
};
use crate::http::client::{self, Url};
use contract::Timestamp;
use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};
use tokio::time::timeout;

/// How long the agent may take.
const LIMIT: Duration = Duration::from_secs(5);
const BYTES_MAX: usize = 16 << 20;

/// Asks the agent that runs with this configuration; in words why not.
pub async fn ask(config: &StatusConfig) -> Result<Status, String> {
    let host = match config.listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let url = Url {
        is_tls: false,
        host: host.to_string(),
        port: config.listen.port(),
        path: "/status.json".into(),
    };
    let bearer = config.token.as_ref().map(|token| format!("Bearer {token}"));
    let asking = client::get(&url, None, bearer.as_deref(), BYTES_MAX);
    let (status, body) = match timeout(LIMIT, asking).await {
        Ok(answer) => answer.map_err(|error| crate::chain(&error))?,
        Err(_) => return Err(format!("no answer within {LIMIT:?}")),
    };
    if !status.is_success() {
        return Err(format!(
            "{}: {status}",
            String::from_utf8_lossy(&body).trim()
        ));
    }
    serde_json::from_slice(&body).map_err(|error| format!("this is not an edge agent: {error}"))
}

/// The text for a terminal.
pub fn text(status: &Status, is_chinese: bool) -> String {
    let pick = |words: Words| if is_chinese { words.zh } else { words.en };
    let say = |zh: &'static str, en: &'static str| if is_chinese { zh } else { en };
    let age = |at: Timestamp| pick(ago(at, status.now));
    let link = |is_up: bool, since: Timestamp, error: &Option<String>| match is_up {
        true => format!("{} {}", say("正常", "works, for"), age(since)),
        false => format!(
            "{} {}: {}",
            say("不通", "does not work, for"),
            age(since),
            error.as_deref().unwrap_or("")
        ),
    };
    let mut out = String::new();
    let mut line = |text: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{text}");
    };
    line(format!(
        "{} / {}  {} {}",
        status.site,
        status.agent,
        say("已运行", "runs for"),
        age(status.started_at)
    ));
    for need in &status.needs {
        line(format!("! {}", pick(need.clone())));
    }
    if status.needs.is_empty() {
        line(say("一切正常", "all is well").to_owned());
    }
    let gateway = &status.gateway;
    line(format!(
        "{} {}: {}",
        say("网关", "gateway"),
        gateway.address,
        link(gateway.is_up, gateway.since, &gateway.error)
    ));
    line(match (gateway.receipt_through, gateway.receipt_at) {
        (Some(through), Some(at)) => format!(
            "  {} {through}, {} {}",
            say("最近回执：至", "last receipt: through"),
            age(at),
            say("前", "ago")
        ),
        _ => format!(
            "  {}",
            say("启动以来尚无回执", "no receipt since the start")
        ),
    });
    let runs = status.configuration.runs;
    line(match runs {
        0 => say("配置: 盒子自己的文件", "configuration: the box's own file").to_owned(),
        _ => format!(
            "{} {runs}",
            say(
                "配置: 网关发的，版本",
                "configuration: of the gateway, version"
            )
        ),
    });
    let buffer = &status.buffer;
    let oldest = buffer.oldest_at.map(|at| {
        format!(
            ", {} {}",
            say("最早一条的时间距今", "the oldest is from"),
            age(at)
        )
    });
    line(format!(
        "{}: {} {}, {:.1} / {:.0} MiB{}",
        say("缓存", "buffer"),
        buffer.records_waiting,
        say("条待回执", "records wait"),
        buffer.bytes as f64 / f64::from(1 << 20),
        buffer.bytes_max as f64 / f64::from(1 << 20),
        oldest.unwrap_or_default()
    ));
    if let Some(footage) = &status.footage {
        let fill = &footage.fill;
        line(format!(
            "{}: {} {}, {} {}, {:.1} / {:.0} MiB, {} {}",
            say("打码画面", "masked pictures"),
            fill.wants,
            say("组待制作", "to be made"),
            fill.files,
            say("个文件待传", "files wait"),
            fill.bytes as f64 / f64::from(1 << 20),
            footage.bytes_max as f64 / f64::from(1 << 20),
            fill.originals,
            say("份密封的原始影像", "sealed originals"),
        ));
        if fill.refused > 0 || footage.let_go + footage.damaged > 0 {
            line(format!(
                "  {} {}, {} {}",
                fill.refused,
                say("个文件网关不接收", "not taken by the gateway"),
                footage.let_go + footage.damaged,
                say("个文件已丢失", "lost since the start"),
            ));
        }
        line(match footage.sending.last_at {
            Some(at) => format!(
                "  {} {} {}, {} {}",
                say("最近送达", "last one sent"),
                age(at),
                say("前", "ago"),
                footage.files_sent,
                say("个已送达", "sent since the start")
            ),
            None => format!("  {}", say("启动以来尚未送达", "none sent since the start")),
        });
    }
    for LinkView {
        name,
        is_up,
        since,
        error,
    } in &status.sources
    {
        line(format!("{name}: {}", link(*is_up, *since, error)));
    }
    for device in &status.devices {
        line(format!(
            "{}: {}",
            device.id,
            device_state(device, &age, is_chinese)
        ));
        for point in &device.points {
            let value = point
                .value
                .map_or("-".to_owned(), |value| value.to_string());
            let at = point.at.map_or("-".to_owned(), &age);
            let quality = point.quality.clone().map(&pick).unwrap_or_default();
            let (name, unit) = (&point.name, &point.unit);
            line(format!(
                "  {name:<20} {value:>12} {unit:<6} {at:>8}  {quality}"
            ));
        }
    }
    for refused in &status.refused {
        line(format!(
            "{} {}: {} × {} ({})",
            say("无法使用", "cannot be used, from"),
            refused.from,
            refused.count,
            pick(refused.reason.clone()),
            age(refused.at)
        ));
        line(format!("    {}: {}", refused.words, refused.sample));
    }
    out
}

fn device_state(
    device: &DeviceView,
    age: &impl Fn(Timestamp) -> String,
    is_chinese: bool,
) -> String {
    let say = |zh: &'static str, en: &'static str| if is_chinese { zh } else { en };
    match (device.is_answering, &device.reason) {
        (Some(true), _) => format!("{} {}", say("有读数", "answers, for"), age(device.since)),
        (Some(false), reason) => {
            let reason = reason.clone().map(|r| if is_chinese { r.zh } else { r.en });
            let reason = reason.unwrap_or_default();
            let silent = say("没有读数", "is silent, for");
            format!("{silent} {} ({reason})", age(device.since))
        }
        (None, _) => say("尚无读数", "no reading yet").to_owned(),
    }
}
