//! What needs a person, in Chinese and English. Pure.

use super::view::Status;
use contract::{Absence, Doubt, Timestamp, configuration::State, footage::NotTaken};
use serde::{Deserialize, Serialize};

/// A device may be silent for this many of its intervals, and at least for [`GRACE_MS`], before somebody must look.
const INTERVALS: i64 = 3;
const GRACE_MS: i64 = 30_000;
/// How long pictures may wait for the gateway before somebody must look.
const FOOTAGE_MS: i64 = 600_000;
/// How long the gateway may take for a receipt.
const RECEIPT_MS: i64 = 60_000;
/// For how long a refused message needs a person.
const REFUSED_MS: i64 = 600_000;

/// The same in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

fn both(zh: impl Into<String>, en: impl Into<String>) -> Words {
    Words {
        zh: zh.into(),
        en: en.into(),
    }
}

/// Why there is no value.
pub fn absence(absence: Absence) -> Words {
    match absence {
        Absence::NoAnswer => both("设备不应答", "no answer"),
        Absence::NoConnection => both("连不上设备", "no connection"),
        Absence::Refused => both("设备拒绝", "the device refuses"),
        Absence::Unreadable => both("读不懂应答", "unreadable"),
        Absence::Stopped => both("已申报停产", "plant stopped"),
        Absence::Unspecified => both("无数据", "no value"),
        Absence::NoSuchFunction => both(
            "设备不支持该功能码",
            "the device does not know this function",
        ),
        Absence::NoSuchRegister => both("设备没有该寄存器", "the device has no such register"),
        Absence::BadQuestion => both(
            "设备不接受该请求",
            "the device does not accept the question",
        ),
        Absence::DeviceFault => both("设备自报故障", "the device says that it is broken"),
        Absence::Busy => both("设备忙", "the device is busy"),
        Absence::NoPath => both(
            "网关到设备无通路",
            "the box before the device has no way to it",
        ),
        Absence::TargetSilent => both(
            "网关收不到设备应答",
            "the box before the device gets no answer",
        ),
        Absence::Unseen => both(
            "画面看不清，无法判断",
            "the picture shows too little to judge",
        ),
        Absence::NotLooked => both("画面分析没有运行", "nobody looked at the picture"),
    }
}

/// Why a value is doubted.
pub fn doubt(doubt: Doubt) -> Words {
    match doubt {
        Doubt::OutOfRange => both("超量程", "out of range"),
        Doubt::Calibration => both("校准中", "calibration"),
        Doubt::Maintenance => both("维护中", "maintenance"),
        Doubt::Fault => both("设备故障", "device fault"),
        Doubt::ManualEntry => both("人工录入", "typed in by hand"),
        Doubt::UntrustedClock => both("时钟不可信", "clock not trusted"),
        Doubt::Unspecified => both("存疑", "doubtful"),
        Doubt::OtherDevice => both("应答的是另一台设备", "another device answers"),
    }
}

/// Why something could not be used, from the word under which it is counted.
pub fn refusal(reason: &str) -> Words {
    let zh = match reason {
        "too long" => "太长",
        "not JSON" => "不是 JSON",
        "no time" => "没有时间",
        "not a time" => "时间看不懂",
        "impossible time" => "时间不可能，设备时钟未设置",
        "no known point" => "没有已配置的测点",
        "not a number" => "不是数字",
        "unknown device" => "设备未配置",
        "wrong device or token" => "设备或令牌不对",
        "too many" => "发得太多",
        "HTTP status" => "HTTP 状态表示失败",
        "no answer in HTTP" => "应答不是 HTTP",
        "not Sparkplug B" => "不是 Sparkplug B",
        "topic" => "主题不合规",
        "name not allowed" => "名称不合规",
        "messages missing" => "漏了消息",
        "data before birth" => "上线之前的数据",
        "metric not in the birth" => "上线时没有声明的指标",
        "too many nodes" | "too many devices" | "too many points" => "数量超限",
        other => other,
    };
    both(zh, reason)
}

/// How long ago, in the words of both languages.
pub fn ago(at: Timestamp, now: Timestamp) -> Words {
    let s = now.since(at).max(0) / 1_000;
    match s {
        0..60 => both(format!("{s} 秒"), format!("{s} s")),
        60..3_600 => both(format!("{} 分钟", s / 60), format!("{} min", s / 60)),
        3_600..172_800 => both(format!("{} 小时", s / 3_600), format!("{} h", s / 3_600)),
        _ => both(format!("{} 天", s / 86_400), format!("{} days", s / 86_400)),
    }
}

/// What needs a person, gravest first. Empty: readings arrive and are stored.
pub fn needs(status: &Status) -> Vec<Words> {
    let mut needs = Vec::new();
    let now = status.now;
    lost(status, &mut needs);
    gateway(status, &mut needs);
    for source in status.sources.iter().filter(|source| !source.is_up) {
        if now.since(source.since) >= GRACE_MS {
            let error = source.error.as_deref().unwrap_or("");
            let since = ago(source.since, now);
            needs.push(both(
                format!("{} 已 {} 不通：{error}", source.name, since.zh),
                format!("{} has not worked for {}: {error}", source.name, since.en),
            ));
        }
    }
    footage(status, &mut needs);
    configuration(status, &mut needs);
    devices(status, &mut needs);
    for refused in &status.refused {
        if now.since(refused.at) < REFUSED_MS {
            let (from, count, reason) = (&refused.from, refused.count, &refused.reason);
            needs.push(both(
                format!("{from} 有 {count} 条无法使用（{}）：看样例", reason.zh),
                format!(
                    "{from} sent {count} that cannot be used ({}): look at the sample",
                    reason.en
                ),
            ));
        }
    }
    needs
}

fn lost(status: &Status, needs: &mut Vec<Words>) {
    let buffer = &status.buffer;
    if buffer.records_lost > 0 {
        let n = buffer.records_lost;
        needs.push(both(
            format!("启动以来丢失 {n} 条记录：请看日志，检查磁盘与缓存大小"),
            format!(
                "{n} records were lost since the start: see the log, look at disk and buffer size"
            ),
        ));
    }
    if buffer.bytes > buffer.bytes_max / 5 * 4 {
        needs.push(both(
            "缓存快满了：请恢复与网关的连接，或调大 buffer.bytes_max",
            "the buffer is nearly full: mend the connection to the gateway, or raise buffer.bytes_max",
        ));
    }
}

/// Pictures that do not get on.
fn footage(status: &Status, needs: &mut Vec<Words>) {
    let Some(footage) = &status.footage else {
        return;
    };
    if let Some((since, why)) = &footage.sending.error
        && status.now.since(*since) >= FOOTAGE_MS
    {
        let ago = ago(*since, status.now);
        needs.push(both(
            format!("打码画面已 {} 传不到网关：{why}", ago.zh),
            format!(
                "masked pictures have not reached the gateway for {}: {why}",
                ago.en
            ),
        ));
    }
    if footage.let_go > 0 {
        let n = footage.let_go;
        needs.push(both(
            format!("启动以来因存放处已满丢弃 {n} 个画面文件：请恢复与网关的连接，或调大 footage.bytes_max"),
            format!(
                "{n} files of pictures were let go of since the start, the spool being full: mend the connection to the gateway, or raise footage.bytes_max"
            ),
        ));
    }
    if let (n @ 1.., Some(why)) = (footage.fill.refused, footage.refused) {
        let why = not_taken(why);
        needs.push(both(
            format!("网关不接收 {n} 个画面文件，不再重传，重启后再试一次：{}", why.zh),
            format!(
                "the gateway does not take {n} files of pictures; they are tried once more after a restart: {}",
                why.en
            ),
        ));
    }
    if footage.damaged > 0 {
        let n = footage.damaged;
        needs.push(both(
            format!("启动以来有 {n} 个画面文件被磁盘改坏，已丢弃：请检查磁盘"),
            format!(
                "the disk changed {n} files of pictures since the start; they were let go of: check the disk"
            ),
        ));
    }
    if footage.given_up > 0 {
        let n = footage.given_up;
        needs.push(both(
            format!("启动以来有 {n} 次发现没有画面（来不及打码，或录像已被覆盖）：请看日志"),
            format!(
                "there are no pictures of {n} sightings since the start (masking came too late, or the ring had let go of them): see the log"
            ),
        ));
    }
}

/// Why the gateway does not take pictures, and what to do.
fn not_taken(why: NotTaken) -> Words {
    match why {
        NotTaken::Manifest => both(
            "清单的签名或证书不被认可；请核对这台设备的证书",
            "signature or certificate of their manifest do not count; look whether this box has the right certificate",
        ),
        NotTaken::UnknownCamera => both(
            "摄像机没有在网关登记；请先登记",
            "the camera is not in the gateway's registry; enter it there",
        ),
        NotTaken::NotTold => both(
            "拍摄时这台摄像机还没有公示（用途、标志、位置、公布日期）；请在网关补齐登记",
            "people were not told of the camera when it filmed (purpose, sign, place, day of publication); complete its entry in the gateway's registry",
        ),
        NotTaken::NotApproved => both(
            "原始影像没有经两名复核员同意",
            "two reviewers have not approved the original",
        ),
    }
}

/// What the gateway wanted and does not run.
fn configuration(status: &Status, needs: &mut Vec<Words>) {
    let Some(newest) = &status.configuration.newest else {
        return;
    };
    let (zh, en) = match newest.state {
        State::Trial | State::Applied => return,
        State::Refused => ("不能用，已拒绝", "cannot be run"),
        State::RolledBack => ("试用失败，已退回", "was tried and given up"),
    };
    let (version, why) = (newest.version, newest.reasons.join("; "));
    needs.push(both(
        format!("网关的第 {version} 版配置{zh}：{why}"),
        format!("the gateway's configuration {version} {en}: {why}"),
    ));
}

fn gateway(status: &Status, needs: &mut Vec<Words>) {
    let (gateway, now) = (&status.gateway, status.now);
    let since = ago(gateway.since, now);
    if !gateway.is_up {
        if now.since(gateway.since) >= GRACE_MS {
            let error = gateway.error.as_deref().unwrap_or("");
            needs.push(both(
                format!(
                    "与网关 {} 断开 {}：{error}。读数在缓存中等待",
                    gateway.address, since.zh
                ),
                format!(
                    "no connection to the gateway {} for {}: {error}. Readings wait in the buffer",
                    gateway.address, since.en
                ),
            ));
        }
        return;
    }
    let last = gateway
        .receipt_at
        .unwrap_or(gateway.since)
        .max(gateway.since);
    if status.buffer.records_waiting > 0 && now.since(last) >= RECEIPT_MS {
        let since = ago(last, now);
        needs.push(both(
            format!("网关已 {} 没有回执：请查看网关", since.zh),
            format!(
                "the gateway has given no receipt for {}: look at the gateway",
                since.en
            ),
        ));
    }
}

fn devices(status: &Status, needs: &mut Vec<Words>) {
    for device in &status.devices {
        let every = device.every_ms.and_then(|ms| i64::try_from(ms).ok());
        let grace = (every.unwrap_or(0) * INTERVALS).max(GRACE_MS);
        if device.is_answering == Some(true) || status.now.since(device.since) < grace {
            continue;
        }
        let since = ago(device.since, status.now);
        let id = &device.id;
        needs.push(match &device.reason {
            Some(reason) => both(
                format!("{id} 已 {} 没有读数（{}）：检查电源、线路和地址", since.zh, reason.zh),
                format!(
                    "{id} has given no reading for {} ({}): look at its power, cable and address",
                    since.en, reason.en
                ),
            ),
            None => both(
                format!("{id} 启动以来没有读数：检查电源、线路和地址"),
                format!("{id} has given no reading since the start: look at its power, cable and address"),
            ),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::{BufferView, DeviceView, GatewayView, LinkView, RefusedView};
    use super::*;
    use crate::footage::FootageView;
    use contract::configuration::Outcome;

    fn well() -> Status {
        let now = Timestamp::from_millis(1_795_000_000_000);
        Status {
            version: "0".into(),
            site: "s".into(),
            agent: "a".into(),
            now,
            started_at: now.plus_millis(-3_600_000),
            needs: Vec::new(),
            configuration: Default::default(),
            gateway: GatewayView {
                address: "g:1".into(),
                is_up: true,
                since: now.plus_millis(-3_600_000),
                error: None,
                receipt_through: Some(9),
                receipt_at: Some(now.plus_millis(-900)),
            },
            buffer: BufferView {
                records_waiting: 2,
                bytes: 10,
                bytes_max: 1_000,
                oldest_at: Some(now),
                readings_stored: 5,
                records_lost: 0,
            },
            sources: vec![LinkView {
                name: "broker b:1".into(),
                is_up: true,
                since: now,
                error: None,
            }],
            devices: vec![DeviceView {
                id: "d".into(),
                is_answering: Some(true),
                since: now.plus_millis(-200_000),
                reason: None,
                every_ms: Some(60_000),
                points: Vec::new(),
            }],
            footage: Some(FootageView {
                fill: Default::default(),
                bytes_max: 1 << 30,
                sending: Default::default(),
                keeps_originals: true,
                cut: 3,
                frames_left_out: 0,
                files_sent: 9,
                given_up: 0,
                let_go: 0,
                damaged: 0,
                refused: None,
            }),
            refused: Vec::new(),
        }
    }

    fn pictures(status: &mut Status) -> &mut FootageView {
        status.footage.as_mut().unwrap()
    }

    #[test]
    fn nothing_is_said_while_all_is_well_and_each_trouble_says_what_to_do() {
        assert_eq!(needs(&well()), []);
        type Change = fn(&mut Status);
        let cases: [(&str, Change); 15] = [
            (
                "have not reached the gateway for 11 min: cannot connect",
                |s| {
                    let since = s.now.plus_millis(-660_000);
                    pictures(s).sending.error = Some((since, "cannot connect".into()));
                },
            ),
            ("4 files of pictures were let go of", |s| {
                pictures(s).let_go = 4
            }),
            ("does not take 7 files of pictures", |s| {
                pictures(s).fill.refused = 7;
                pictures(s).refused = Some(NotTaken::NotTold);
            }),
            ("changed 2 files of pictures", |s| pictures(s).damaged = 2),
            ("no pictures of 2 sightings", |s| pictures(s).given_up = 2),
            ("lost", |s| s.buffer.records_lost = 3),
            ("nearly full", |s| s.buffer.bytes = 900),
            ("no connection to the gateway", |s| {
                s.gateway.is_up = false;
                s.gateway.error = Some("refused".into());
            }),
            ("no receipt", |s| {
                s.gateway.receipt_at = Some(s.now.plus_millis(-60_000));
            }),
            ("no receipt", |s| s.gateway.receipt_at = None),
            ("broker b:1 has not worked", |s| {
                s.sources[0].is_up = false;
                s.sources[0].since = s.now.plus_millis(-31_000);
            }),
            ("d has given no reading for 3 min (no answer)", |s| {
                s.devices[0].is_answering = Some(false);
                s.devices[0].reason = Some(absence(Absence::NoAnswer));
            }),
            ("d has given no reading since the start", |s| {
                s.devices[0].is_answering = None;
            }),
            ("configuration 3 was tried and given up: no receipt", |s| {
                s.configuration.newest = Some(Outcome {
                    version: 3,
                    digest: String::new(),
                    state: State::RolledBack,
                    at: s.now,
                    reasons: vec!["no receipt".into()],
                });
            }),
            ("not JSON", |s| {
                s.refused.push(RefusedView {
                    from: "d".into(),
                    reason: refusal("not JSON"),
                    count: 4,
                    at: s.now,
                    words: "it is not JSON".into(),
                    sample: "{".into(),
                });
            }),
        ];
        for (expected, change) in cases {
            let mut status = well();
            change(&mut status);
            let needs = needs(&status);
            assert_eq!(needs.len(), 1, "{expected}: {needs:?}");
            assert!(needs[0].en.contains(expected), "{needs:?}");
            assert!(needs[0].zh.chars().any(|c| c > '\u{4e00}'));
        }
    }

    #[test]
    fn a_blip_needs_nobody() {
        let mut status = well();
        status.gateway.is_up = false;
        status.gateway.since = status.now.plus_millis(-5_000);
        status.devices[0].is_answering = Some(false);
        status.devices[0].since = status.now.plus_millis(-100_000);
        assert_eq!(needs(&status), []);
        status.buffer.records_waiting = 0;
        status.gateway.is_up = true;
        status.gateway.receipt_at = None;
        status.gateway.since = status.started_at;
        assert_eq!(needs(&status), []);
    }
}
