//! A data logger that speaks HJ 212 to a host. Its own encoder: the product's codec is not used here.
//!
//! Promise: every message waits for its 9014 (heartbeats for 9013), is repeated after the time-out as often as said,
//! and is kept and sent again as back-fill if the host never answers; what was sent is in the truth file, attempt by
//! attempt. Requests of the host are answered: 1011, 1012, 1061 to 1064, 2011, 2051, 2061, 2031, 3019, 3020, and 9011 QnRtn=8
//! for all else; what was carried out is in the truth file too.

mod control; // what a host asks
mod faults; // what goes wrong, and how often
mod link; // the connection: send, wait, repeat, answer
pub mod plan; // what is to be said when
pub mod wire; // packets as bytes

pub use control::Control;
pub use faults::Fault;
use link::Link;
use plan::{Intervals, Message, Plan, Standard};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

/// Messages kept while the host is away; beyond it the oldest is lost, as in a logger.
const KEPT_MAX: usize = 10_000;

/// Arguments of `sim hj212`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The host.
    #[arg(long)]
    pub connect: String,
    /// Identity.
    #[arg(long, default_value = "010000A8900016F000169DC0")]
    pub mn: String,
    /// Password.
    #[arg(long, default_value = "123456")]
    pub pw: String,
    /// System code: 31 gas, 32 water.
    #[arg(long, default_value = "31")]
    pub st: String,
    /// Which standard.
    #[arg(long, value_enum, default_value = "2017")]
    pub standard: Standard,
    /// 16 characters: data areas of 2000 to 2999 and 3020 are encrypted with SM4 (2025).
    #[arg(long)]
    pub key: Option<String>,
    /// Seconds of the site in one second outside.
    #[arg(long, default_value_t = 1.0)]
    pub speed: f64,
    /// When it is at the site at the start, RFC 3339; now, if not said.
    #[arg(long)]
    pub begin: Option<jiff::Timestamp>,
    /// Ends after so many seconds of the site; 0: never.
    #[arg(long, default_value_t = 0)]
    pub seconds: i64,
    /// Seconds of the site between real-time values.
    #[arg(long, default_value_t = 30)]
    pub interval: i64,
    /// Seconds of the site of a period of minute data.
    #[arg(long, default_value_t = 600)]
    pub minute: i64,
    /// Seconds of the site between heartbeats (2025).
    #[arg(long, default_value_t = 60)]
    pub heartbeat: i64,
    /// The slope of the first analyser changes after so many seconds of the site, and 3020 says so; 0: never.
    #[arg(long, default_value_t = 0)]
    pub slope_change: i64,
    /// Period data goes in packets of so many factors; 0: in one.
    #[arg(long, default_value_t = 0)]
    pub split: usize,
    /// No connection from this second of the site for so many seconds: `FROM:FOR`.
    #[arg(long, value_parser = faults::outage)]
    pub outage: Option<(i64, i64)>,
    /// Every Nth message is wrong: `crc:N`, `modbus:N`, `garbage:N`, `cut:N`, `conflict:N`, `mn:N`; `clock:S` puts the
    /// clock S seconds ahead. May be given several times.
    #[arg(long)]
    pub fault: Vec<Fault>,
    /// How long an answer is waited for, in seconds outside (Table 1 of 2017: 10).
    #[arg(long, default_value_t = 10.0)]
    pub timeout: f64,
    /// How often a message is repeated (Table 1: 3).
    #[arg(long, default_value_t = 3)]
    pub retries: u32,
    /// Seed of the values.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// What becomes of requests of the host.
    #[arg(long, value_enum, default_value = "obeys")]
    pub control: Control,
    /// Minute data of the first so many seconds of the site is kept, and sent only when the host asks for it.
    #[arg(long, default_value_t = 0)]
    pub keep_back: i64,
    /// Appends what was sent, as JSON lines.
    #[arg(long)]
    pub truth: Option<PathBuf>,
}

/// What became of the messages.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Done {
    /// Messages the host answered.
    pub answered: u64,
    /// Sends, repeats included.
    pub attempts: u64,
    /// Messages sent later as back-fill.
    pub backfilled: u64,
    /// Messages that were never answered: lost at the end, or dropped for want of room.
    pub lost: u64,
}

/// Runs until `--seconds` are over.
pub async fn run(args: Args) -> anyhow::Result<Done> {
    anyhow::ensure!(args.speed > 0.0, "--speed must be above 0");
    anyhow::ensure!(
        args.interval > 0 && args.minute > 0,
        "--interval and --minute must be above 0"
    );
    let intervals = Intervals {
        real_time_s: args.interval,
        minute_s: args.minute,
        heartbeat_s: args.heartbeat,
        slope_change_s: args.slope_change,
    };
    let clock = Clock::new(&args);
    let begun = clock.begun_ms / 1000;
    let mut plan = Plan::new(args.standard, intervals, args.st != "32", args.seed, begun);
    let mut link = Link::new(args.clone(), clock, intervals)?;
    let mut waiting: VecDeque<(Message, bool)> = VecDeque::new();
    let mut done = Done::default();
    loop {
        let now = clock.now_ms() / 1000;
        let is_over = args.seconds > 0 && now >= begun + args.seconds;
        let now = if is_over { begun + args.seconds } else { now };
        let is_away = args
            .outage
            .is_some_and(|(from, length)| (from..from + length).contains(&(now - begun)));
        plan.set_intervals(link.intervals());
        for message in plan.due(now) {
            let is_kept_back = message.cn == "2051" && now < begun + args.keep_back;
            match is_kept_back {
                true => link.keep(message),
                false => waiting.push_back((message, false)),
            }
        }
        while waiting.len() > KEPT_MAX {
            waiting.pop_front();
            done.lost += 1;
        }
        if is_away {
            link.hang_up();
        }
        let is_connected = !is_away && link.is_up().await;
        // A heartbeat says "I am here now"; it is never sent later.
        if !is_connected {
            waiting.retain(|(message, _)| message.cn != "9015");
            waiting.iter_mut().for_each(|(_, is_late)| *is_late = true);
        }
        if is_connected && let Some((message, is_late)) = waiting.pop_front() {
            let sent = link.exchange(&message, is_late).await?;
            done.attempts += u64::from(sent.attempts);
            done.answered += u64::from(sent.is_answered);
            done.backfilled += u64::from(sent.is_answered && is_late);
            if !sent.is_answered && message.cn != "9015" {
                waiting.push_front((message, true));
                link.hang_up();
            }
            if !is_over || sent.is_answered {
                continue;
            }
        }
        if is_over {
            done.lost += waiting.len() as u64;
            return Ok(done);
        }
        link.listen(Duration::from_millis(20)).await?;
    }
}

/// The time of the site.
#[derive(Debug, Clone, Copy)]
struct Clock {
    begun_ms: i64,
    since: std::time::Instant,
    speed: f64,
}

impl Clock {
    fn new(args: &Args) -> Self {
        let begun_ms = args
            .begin
            .unwrap_or_else(jiff::Timestamp::now)
            .as_millisecond();
        Clock {
            begun_ms,
            since: std::time::Instant::now(),
            speed: args.speed,
        }
    }

    fn now_ms(&self) -> i64 {
        self.begun_ms + (self.since.elapsed().as_secs_f64() * 1000.0 * self.speed) as i64
    }
}
