//! Orders to devices, and what became of them.

use crate::{control::Given, detect::rule::Text};
use contract::{
    Timestamp,
    control::{Action, Interval, Outcome, Period, Refusal},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// No word is expected any more so long after an order expired; one may still come.
const NO_WORD_MS: i64 = 30_000;

/// What to order, and why.
#[derive(Debug, Deserialize, ToSchema)]
pub struct GiveOrder {
    /// The device.
    pub device: String,
    /// What it is to do.
    pub action: ActionView,
    /// Why; for the history.
    pub reason: String,
}

/// What a device is to do (HJ 212-2017 Table 9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ActionView {
    /// Say what its clock shows.
    ReadClock,
    /// Set its clock to the gateway's time.
    SetClock,
    /// Send what it has of a stretch of time again.
    BackFill {
        /// Which data.
        data: PeriodView,
        /// From.
        from: i64,
        /// Until.
        to: i64,
    },
    /// Say how often it sends.
    ReadInterval {
        /// What.
        of: IntervalView,
    },
    /// Send every so often.
    SetInterval {
        /// What.
        of: IntervalView,
        /// Seconds (30 to 3600) of real-time data; minutes (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30) of minute data.
        every: u16,
    },
    /// Say the serial number of an analyser.
    ReadIdentity {
        /// Its factor code.
        factor: String,
    },
    /// Say an entry of the site information.
    ReadInformation {
        /// Factor code of the analyser.
        factor: String,
        /// Code of the entry.
        info: String,
    },
}

/// Data that a logger keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeriodView {
    /// Minute data.
    Minute,
    /// Hourly data.
    Hour,
    /// Daily data.
    Day,
}

/// What has an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalView {
    /// Real-time data, in seconds.
    RealTime,
    /// Minute data, in minutes.
    Minute,
}

/// How it stands with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// It is on its way to the agent.
    Sent,
    /// It could not be sent.
    NotSent,
    /// The agent asks the device.
    UnderWay,
    /// The device says that it was done.
    Done,
    /// The agent did not ask the device.
    Refused,
    /// The device will not do it.
    Rejected,
    /// The device could not do it.
    Failed,
    /// The device did not answer.
    NoAnswer,
    /// The device accepted and never said how it went.
    NoResult,
    /// The agent lost the device, or stopped, while it asked.
    Lost,
    /// The agent has not said a word of it.
    NoWord,
}

/// Something that a device said.
#[derive(Debug, Serialize, ToSchema)]
pub struct SaidView {
    /// Name of the field, as the protocol has it.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// An order that was given.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderView {
    /// Which.
    pub id: String,
    /// Whose device.
    pub agent: String,
    /// Which device.
    pub device: String,
    /// What it was to do.
    pub action: ActionView,
    /// The same in words.
    pub what: Text,
    /// Who gave it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub given_at: i64,
    /// Not to be begun after this.
    pub expires_at: i64,
    /// How it stands.
    pub state: OrderState,
    /// The same in words, with the reason.
    pub words: Text,
    /// When the gateway heard that.
    pub heard_at: Option<i64>,
    /// What the device said.
    pub said: Vec<SaidView>,
    /// Messages with data that came meanwhile and were new.
    pub messages: u32,
    /// Messages with data that came meanwhile and were known.
    pub known: u32,
}

impl From<ActionView> for Action {
    fn from(view: ActionView) -> Action {
        let at = Timestamp::from_millis;
        match view {
            ActionView::ReadClock => Action::ReadClock,
            ActionView::SetClock => Action::SetClock,
            ActionView::BackFill { data, from, to } => Action::BackFill {
                data: match data {
                    PeriodView::Minute => Period::Minute,
                    PeriodView::Hour => Period::Hour,
                    PeriodView::Day => Period::Day,
                },
                from: at(from),
                to: at(to),
            },
            ActionView::ReadInterval { of } => Action::ReadInterval { of: of.into() },
            ActionView::SetInterval { of, every } => Action::SetInterval {
                of: of.into(),
                every,
            },
            ActionView::ReadIdentity { factor } => Action::ReadIdentity { factor },
            ActionView::ReadInformation { factor, info } => {
                Action::ReadInformation { factor, info }
            }
        }
    }
}

impl From<IntervalView> for Interval {
    fn from(view: IntervalView) -> Interval {
        match view {
            IntervalView::RealTime => Interval::RealTime,
            IntervalView::Minute => Interval::Minute,
        }
    }
}

impl From<Interval> for IntervalView {
    fn from(of: Interval) -> IntervalView {
        match of {
            Interval::RealTime => IntervalView::RealTime,
            Interval::Minute => IntervalView::Minute,
        }
    }
}

impl From<&Action> for ActionView {
    fn from(action: &Action) -> ActionView {
        match action {
            Action::ReadClock => ActionView::ReadClock,
            Action::SetClock => ActionView::SetClock,
            Action::BackFill { data, from, to } => ActionView::BackFill {
                data: match data {
                    Period::Minute => PeriodView::Minute,
                    Period::Hour => PeriodView::Hour,
                    Period::Day => PeriodView::Day,
                },
                from: from.as_millis(),
                to: to.as_millis(),
            },
            Action::ReadInterval { of } => ActionView::ReadInterval { of: (*of).into() },
            Action::SetInterval { of, every } => ActionView::SetInterval {
                of: (*of).into(),
                every: *every,
            },
            Action::ReadIdentity { factor } => ActionView::ReadIdentity {
                factor: factor.clone(),
            },
            Action::ReadInformation { factor, info } => ActionView::ReadInformation {
                factor: factor.clone(),
                info: info.clone(),
            },
        }
    }
}

impl OrderView {
    /// The view of an order at `now`.
    pub fn of(given: Given, now: Timestamp) -> OrderView {
        let heard = given.heard.as_ref().map(|(_, outcome)| outcome);
        let (state, words) = match heard {
            _ if given.is_unsent => (
                OrderState::NotSent,
                Text::new("没有发出", "it could not be sent"),
            ),
            Some(outcome) => state(outcome),
            None if now.since(given.order.expires_at) > NO_WORD_MS => (
                OrderState::NoWord,
                Text::new(
                    "边缘代理没有回话，是否已执行不得而知",
                    "the agent has not said a word of it; whether it was done is not known",
                ),
            ),
            None => (
                OrderState::Sent,
                Text::new("已发往边缘代理", "on its way to the agent"),
            ),
        };
        let (said, messages, known) = match heard {
            Some(
                Outcome::Done {
                    said,
                    messages,
                    known,
                }
                | Outcome::NoResult {
                    said,
                    messages,
                    known,
                },
            ) => (said.as_slice(), *messages, *known),
            _ => (&[][..], 0, 0),
        };
        let view = |(name, value): &(String, String)| SaidView {
            name: name.clone(),
            value: value.clone(),
        };
        OrderView {
            said: said.iter().map(view).collect(),
            messages,
            known,
            state,
            words,
            what: what(&given.order.action),
            action: (&given.order.action).into(),
            heard_at: given.heard.as_ref().map(|(at, _)| at.as_millis()),
            id: given.order.id,
            agent: given.agent.to_string(),
            device: given.order.device.to_string(),
            by: given.by,
            reason: given.reason,
            given_at: given.given_at.as_millis(),
            expires_at: given.order.expires_at.as_millis(),
        }
    }
}

fn what(action: &Action) -> Text {
    let of = |of: &Interval| match of {
        Interval::RealTime => ("实时数据间隔", "real-time interval", "s"),
        Interval::Minute => ("分钟数据间隔", "minute interval", "min"),
    };
    match action {
        Action::ReadClock => Text::new("读取时钟", "read the clock"),
        Action::SetClock => Text::new("校准时钟", "set the clock"),
        Action::BackFill { data, .. } => {
            let (zh, en) = match data {
                Period::Minute => ("分钟", "minute"),
                Period::Hour => ("小时", "hourly"),
                Period::Day => ("日", "daily"),
            };
            Text::new(
                format!("补传{zh}数据"),
                format!("send {en} data of a stretch of time again"),
            )
        }
        Action::ReadInterval { of: which } => {
            let (zh, en, _) = of(which);
            Text::new(format!("读取{zh}"), format!("read the {en}"))
        }
        Action::SetInterval { of: which, every } => {
            let (zh, en, unit) = of(which);
            Text::new(
                format!("设置{zh}为 {every} {unit}"),
                format!("set the {en} to {every} {unit}"),
            )
        }
        Action::ReadIdentity { factor } => Text::new(
            format!("读取 {factor} 分析仪的唯一标识"),
            format!("read the serial number of the analyser of {factor}"),
        ),
        Action::ReadInformation { factor, info } => Text::new(
            format!("读取 {factor} 分析仪的现场信息 {info}"),
            format!("read site information {info} of the analyser of {factor}"),
        ),
    }
}

fn state(outcome: &Outcome) -> (OrderState, Text) {
    match outcome {
        Outcome::UnderWay => (
            OrderState::UnderWay,
            Text::new("边缘代理正在执行", "the agent is asking the device"),
        ),
        Outcome::Done { .. } => (OrderState::Done, Text::new("执行成功", "done")),
        Outcome::Refused { why } => (OrderState::Refused, refused(*why)),
        Outcome::Rejected { code } => {
            let (zh, en) = rejected(*code);
            (
                OrderState::Rejected,
                Text::new(
                    format!("数采仪拒绝：{zh}（QnRtn={code}）"),
                    format!("the logger will not do it: {en} (QnRtn={code})"),
                ),
            )
        }
        Outcome::Failed { code } => {
            let (zh, en) = failed(*code);
            (
                OrderState::Failed,
                Text::new(
                    format!("执行失败：{zh}（ExeRtn={code}）"),
                    format!("the logger could not do it: {en} (ExeRtn={code})"),
                ),
            )
        }
        Outcome::NoAnswer { asked } => (
            OrderState::NoAnswer,
            Text::new(
                format!("请求 {asked} 次均无应答；数采仪是否收到不得而知"),
                format!("asked {asked} times, no answer; whether the logger heard is not known"),
            ),
        ),
        Outcome::NoResult { .. } => (
            OrderState::NoResult,
            Text::new(
                "数采仪已接受，但没有报告执行结果",
                "the logger accepted and never said how it went",
            ),
        ),
        Outcome::Lost => (
            OrderState::Lost,
            Text::new(
                "执行中连接断开或边缘代理停止，是否已执行不得而知",
                "the connection broke or the agent stopped meanwhile; whether it was done is not known",
            ),
        ),
    }
}

fn refused(why: Refusal) -> Text {
    let (zh, en) = match why {
        Refusal::NotAllowed => (
            "边缘代理的配置不允许（reverse_control），没有发给数采仪",
            "the agent's configuration does not allow it (reverse_control); the logger was not asked",
        ),
        Refusal::NoSuchDevice => (
            "边缘代理没有这台可以反控的设备",
            "the agent has no such device that can be asked",
        ),
        Refusal::NotConnected => (
            "数采仪现在没有连接，或还没有说过话",
            "the logger is not connected, or has not spoken yet",
        ),
        Refusal::Busy => (
            "上一条命令还在执行",
            "another order of this device is under way",
        ),
        Refusal::Expired => ("到达时已经过期", "it came too late"),
        Refusal::ClockUnknown => (
            "边缘代理还不知道网关的时间",
            "the agent does not know the gateway's time yet",
        ),
        Refusal::BadAction => ("边缘代理不认识这条命令", "the agent knows no such command"),
        Refusal::NotNoted => (
            "边缘代理无法写盘，为避免重复执行而没有发出",
            "the agent could not note it on its disk, and so did not begin",
        ),
    };
    Text::new(zh, en)
}

/// QnRtn, HJ 212-2017 Table 7.
fn rejected(code: u16) -> (&'static str, &'static str) {
    match code {
        2 => ("请求被拒绝", "rejected"),
        3 => ("PW 错误", "wrong PW"),
        4 => ("MN 错误", "wrong MN"),
        5 => ("ST 错误", "wrong ST"),
        6 => ("Flag 错误", "wrong Flag"),
        7 => ("QN 错误", "wrong QN"),
        8 => ("CN 错误", "it knows no such command"),
        9 => ("CRC 校验错误", "wrong check value"),
        _ => ("未知错误", "unknown error"),
    }
}

/// ExeRtn, HJ 212-2017 Table 6.
fn failed(code: u16) -> (&'static str, &'static str) {
    match code {
        2 => ("原因未知", "reason unknown"),
        3 => ("执行条件错误", "wrong condition"),
        4 => ("通讯超时", "time-out"),
        5 => ("系统繁忙", "busy"),
        6 => ("系统故障", "fault"),
        100 => ("没有数据", "no data"),
        _ => ("未知结果", "unknown result"),
    }
}
