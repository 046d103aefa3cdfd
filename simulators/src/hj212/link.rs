//! The connection to the host: send, wait for the answer, repeat, answer what the host asks. Writes the truth.

use super::control::{Asked, Control, Served};
use super::faults::Fault;
use super::plan::{Intervals, Message, digits};
use super::wire::{Checked, Heard, Packet, hear};
use super::{Args, Clock};
use anyhow::Context;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// Messages kept for questions about the past.
const HISTORY: usize = 500;
/// Pause between attempts to connect.
const CONNECT_PAUSE: Duration = Duration::from_millis(200);

/// What became of a message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    /// Sends, repeats included.
    pub attempts: u32,
    /// Every packet was answered.
    pub is_answered: bool,
}

/// One attempt, as it is in the truth file.
#[derive(serde::Serialize)]
struct Attempt<'a> {
    sent_ms: i64,
    qn: &'a str,
    cn: &'a str,
    mn: &'a str,
    data_time: &'a str,
    part: Option<(u32, u32)>,
    attempt: u32,
    backfill: bool,
    faults: Vec<&'static str>,
    bytes: String,
    readings: &'a [(&'static str, &'static str, f64)],
}

impl<'a> Attempt<'a> {
    /// The first, without faults.
    fn of(packet: &'a Packet, message: &'a Message, bytes: &[u8]) -> Attempt<'a> {
        Attempt {
            sent_ms: jiff::Timestamp::now().as_millisecond(),
            qn: &packet.qn,
            cn: &packet.cn,
            mn: &packet.mn,
            data_time: &message.data_time,
            part: packet.part,
            attempt: 0,
            backfill: packet.is_backfill,
            faults: Vec::new(),
            bytes: String::from_utf8_lossy(bytes).into_owned(),
            readings: &message.truth,
        }
    }
}

/// The answer to an exchange, or that there was none.
#[derive(serde::Serialize)]
struct Outcome<'a> {
    qn: &'a str,
    answered: bool,
}

/// The logger's end of the connection.
pub struct Link {
    args: Args,
    clock: Clock,
    key: Option<[u8; 16]>,
    stream: Option<TcpStream>,
    tried: Option<Instant>,
    received: Vec<u8>,
    messages: u64,
    last_qn_ms: i64,
    /// How far its clock is ahead.
    ahead_ms: i64,
    intervals: Intervals,
    /// The request that was carried out last.
    served: Option<String>,
    truth: Option<File>,
    history: VecDeque<Message>,
}

impl Link {
    /// Not connected yet.
    pub fn new(args: Args, clock: Clock, intervals: Intervals) -> anyhow::Result<Self> {
        let key = args
            .key
            .as_deref()
            .map(|key| <[u8; 16]>::try_from(key.as_bytes()));
        let key = key.transpose().context("--key must have 16 characters")?;
        let open = |path| File::options().create(true).append(true).open(path);
        let truth = args
            .truth
            .as_ref()
            .map(open)
            .transpose()
            .context("cannot open the truth file")?;
        let ahead = args.fault.iter().find_map(|fault| match fault {
            Fault::Clock(s) => Some(s * 1000),
            _ => None,
        });
        Ok(Link {
            args,
            clock,
            key,
            stream: None,
            tried: None,
            received: Vec::new(),
            messages: 0,
            last_qn_ms: 0,
            ahead_ms: ahead.unwrap_or(0),
            intervals,
            served: None,
            truth,
            history: VecDeque::new(),
        })
    }

    /// Ends the connection.
    pub fn hang_up(&mut self) {
        self.stream = None;
        self.received.clear();
    }

    /// True if there is a connection; tries to make one now and then.
    pub async fn is_up(&mut self) -> bool {
        if self.stream.is_none() && self.tried.is_none_or(|at| at.elapsed() > CONNECT_PAUSE) {
            self.tried = Some(Instant::now());
            self.stream = TcpStream::connect(&self.args.connect).await.ok();
        }
        self.stream.is_some()
    }

    /// Sends a message in as many packets as it takes, each until it is answered.
    pub async fn exchange(&mut self, message: &Message, is_late: bool) -> anyhow::Result<Sent> {
        self.messages += 1;
        let n = self.messages;
        let faults: Vec<Fault> = self
            .args
            .fault
            .iter()
            .copied()
            .filter(|f| f.acts(n))
            .collect();
        let count = message.items.len();
        let is_period = matches!(message.cn, "2051" | "2061" | "2031");
        let size = if is_period && self.args.split > 0 {
            self.args.split
        } else {
            count.max(1)
        };
        let pnum = count.div_ceil(size).max(1) as u32;
        let mut sent = Sent {
            attempts: 0,
            is_answered: true,
        };
        for pno in 1..=pnum {
            let first = (pno as usize - 1) * size;
            let data = message.data(first..count.min(first + size));
            let mut packet = self.packet(message.cn, data, is_late);
            if pnum > 1 {
                packet.part = Some((pnum, pno));
                packet.flag |= 2;
            }
            let answered = self
                .until_answered(&packet, message, &faults, &mut sent.attempts)
                .await?;
            sent.is_answered &= answered;
            if answered && faults.iter().any(|f| matches!(f, Fault::Conflict(_))) {
                let mut other = self.packet(message.cn, altered(&packet.data), is_late);
                (other.part, other.flag) = (packet.part, packet.flag);
                self.until_answered(&other, message, &faults, &mut sent.attempts)
                    .await?;
            }
            if !sent.is_answered {
                break;
            }
        }
        if sent.is_answered && message.cn != "9015" {
            self.keep(message.clone());
        }
        Ok(sent)
    }

    /// Keeps a message for questions about the past.
    pub fn keep(&mut self, message: Message) {
        self.history.push_back(message);
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }

    /// How often what is sent; the host may have changed it.
    pub fn intervals(&self) -> Intervals {
        self.intervals
    }

    fn packet(&mut self, cn: &str, data: String, is_late: bool) -> Packet {
        let now_ms = self.clock.now_ms() + self.ahead_ms;
        // Two exchanges never share a QN.
        self.last_qn_ms = now_ms.max(self.last_qn_ms + 1);
        let qn = format!(
            "{}{:03}",
            digits(self.last_qn_ms.div_euclid(1000)),
            self.last_qn_ms.rem_euclid(1000)
        );
        let bits = self.args.standard.bits();
        Packet {
            qn,
            st: if cn.starts_with('9') {
                "91".into()
            } else {
                self.args.st.clone()
            },
            cn: cn.to_owned(),
            pw: self.args.pw.clone(),
            mn: self.args.mn.clone(),
            flag: bits | 1,
            part: None,
            // RF is of 2025; older loggers say nothing.
            is_backfill: is_late && bits == 8,
            data,
        }
    }

    async fn until_answered(
        &mut self,
        packet: &Packet,
        message: &Message,
        faults: &[Fault],
        attempts: &mut u32,
    ) -> anyhow::Result<bool> {
        let mut is_answered = false;
        for attempt in 0..=self.args.retries {
            *attempts += 1;
            let bytes = self.bytes(packet, faults, attempt);
            let line = Attempt {
                attempt,
                faults: faults.iter().map(|f| f.name()).collect(),
                ..Attempt::of(packet, message, &bytes)
            };
            self.tell(&line)?;
            if !self.write(&bytes).await {
                break;
            }
            is_answered = self.answer_to(&packet.qn).await?;
            if is_answered || self.stream.is_none() {
                break;
            }
        }
        self.tell(&Outcome {
            qn: &packet.qn,
            answered: is_answered,
        })?;
        Ok(is_answered)
    }

    fn bytes(&self, packet: &Packet, faults: &[Fault], attempt: u32) -> Vec<u8> {
        let has = |is: fn(&Fault) -> bool| faults.iter().any(is);
        let mut packet = packet.clone();
        if attempt == 0 && has(|f| matches!(f, Fault::Mn(_))) {
            packet.mn = packet.mn.replace(['0', '1'], "F");
        }
        let checked = if has(|f| matches!(f, Fault::Modbus(_))) {
            Checked::Modbus
        } else if attempt == 0 && has(|f| matches!(f, Fault::Crc(_))) {
            Checked::Wrong
        } else {
            Checked::Right
        };
        let is_secret = packet.cn.starts_with('2') || packet.cn == "3020";
        let mut bytes = packet.encode(self.key.as_ref().filter(|_| is_secret), checked);
        if attempt == 0 && has(|f| matches!(f, Fault::Cut(_))) {
            bytes.truncate(bytes.len() * 2 / 3);
        }
        if has(|f| matches!(f, Fault::Garbage(_))) {
            bytes.splice(0..0, *b"\x00\xFFnoise#1\r\n");
        }
        bytes
    }

    async fn write(&mut self, bytes: &[u8]) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let is_written = stream.write_all(bytes).await.is_ok();
        if !is_written {
            self.hang_up();
        }
        is_written
    }

    async fn answer_to(&mut self, qn: &str) -> anyhow::Result<bool> {
        let until = Instant::now() + Duration::from_secs_f64(self.args.timeout);
        while let Some(heard) = self.heard(until).await {
            let is_answer = matches!(heard.field("CN"), Some("9013" | "9014"));
            if is_answer && heard.is_right && heard.field("QN") == Some(qn) {
                return Ok(true);
            }
            self.serve(&heard).await?;
        }
        Ok(false)
    }

    /// Answers what the host asks, for a while.
    pub async fn listen(&mut self, length: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + length;
        if self.stream.is_none() {
            tokio::time::sleep_until(until).await;
        }
        while let Some(heard) = self.heard(until).await {
            self.serve(&heard).await?;
        }
        Ok(())
    }

    /// The next frame of the host; `None` when the time is over or the connection has ended.
    async fn heard(&mut self, until: Instant) -> Option<Heard> {
        loop {
            while self.received.contains(&b'\n') {
                if let Some(heard) = hear(&mut self.received) {
                    return Some(heard);
                }
            }
            let mut bytes = [0u8; 2048];
            let read = self.stream.as_mut()?.read(&mut bytes);
            match timeout_at(until, read).await {
                Err(_) => return None,
                Ok(Ok(count)) if count > 0 => self.received.extend(&bytes[..count]),
                Ok(_) => {
                    self.hang_up();
                    return None;
                }
            }
        }
    }

    async fn serve(&mut self, heard: &Heard) -> anyhow::Result<()> {
        let field = |name: &str| heard.field(name).unwrap_or_default();
        let (cn, qn) = (field("CN"), field("QN").to_owned());
        let is_answer = matches!(cn, "9011" | "9012" | "9013" | "9014");
        if !heard.is_right || is_answer || self.args.control == Control::Silent {
            return Ok(());
        }
        let asked = Asked::read(cn, |name| heard.field(name));
        let refusal = match &asked {
            _ if field("PW") != self.args.pw => Some(3),
            _ if field("MN") != self.args.mn => Some(4),
            None => Some(8),
            Some(_) if self.args.control == Control::Refuses => Some(2),
            Some(_) => None,
        };
        let code = refusal.unwrap_or(1);
        self.reply(&qn, "9011", format!("QnRtn={code}")).await?;
        let Some(asked) = asked.filter(|_| refusal.is_none()) else {
            return Ok(());
        };
        // A repeat of what was done already gets its answers and is not done again.
        if self.served.as_ref() != Some(&qn) {
            self.served = Some(qn.clone());
            let (served, data) = (cn, heard.text.as_str());
            self.tell(&Served { served, data })?;
            self.carry_out(&asked);
        }
        if self.args.control == Control::Stuck {
            return Ok(());
        }
        let messages = self.told(&asked);
        let is_empty = messages.is_empty() && asked.wants_data();
        for message in messages {
            let is_own = matches!(message.cn, "2011" | "2051" | "2061" | "2031" | "3020");
            let data = message.data(0..message.items.len());
            let mut packet = self.packet(message.cn, data, false);
            packet.flag &= !1;
            if !is_own {
                packet.qn.clone_from(&qn);
            }
            let bytes = packet.encode(None, Checked::Right);
            self.tell(&Attempt::of(&packet, &message, &bytes))?;
            self.write(&bytes).await;
        }
        let result = if is_empty { 100 } else { 1 };
        self.reply(&qn, "9012", format!("ExeRtn={result}")).await
    }

    fn carry_out(&mut self, asked: &Asked) {
        match asked {
            Asked::SetClock { second } => {
                self.ahead_ms = second * 1000 - self.clock.now_ms();
            }
            Asked::SetInterval { real_time_s } => self.intervals.real_time_s = *real_time_s,
            Asked::SetMinutes { minutes } => self.intervals.minute_s = minutes * 60,
            _ => {}
        }
    }

    /// What is said to it.
    fn told(&self, asked: &Asked) -> Vec<Message> {
        let now_s = (self.clock.now_ms() + self.ahead_ms) / 1000;
        let one = |cn, data_time: String, items| {
            let truth = Vec::new();
            vec![Message {
                cn,
                data_time,
                items,
                truth,
            }]
        };
        let field =
            |cn, name: &str, value: String| one(cn, String::new(), vec![format!("{name}={value}")]);
        match asked {
            Asked::Clock => field("1011", "SystemTime", digits(now_s)),
            Asked::Interval => field(
                "1061",
                "RtdInterval",
                self.intervals.real_time_s.to_string(),
            ),
            Asked::Minutes => {
                let minutes = self.intervals.minute_s / 60;
                field("1063", "MinInterval", minutes.to_string())
            }
            Asked::Identity { factor } => {
                let items = vec![
                    format!("PolId={factor}"),
                    format!("{factor}-SN=SIM{}", self.args.seed),
                ];
                one("3019", String::new(), items)
            }
            Asked::Information { factor, info } => {
                let last = self.history.iter().rfind(|m| m.cn == "3020");
                let name = format!("{info}-Info=");
                let known = last.and_then(|m| m.items.iter().find(|item| item.starts_with(&name)));
                known.map_or(Vec::new(), |item| {
                    let items = vec![format!("PolId={factor}"), item.clone()];
                    one("3020", digits(now_s), items)
                })
            }
            Asked::Data { cn, from, to } => {
                let is_asked =
                    |m: &&Message| m.cn == *cn && m.data_time >= *from && m.data_time <= *to;
                self.history.iter().filter(is_asked).cloned().collect()
            }
            Asked::SetClock { .. } | Asked::SetInterval { .. } | Asked::SetMinutes { .. } => {
                Vec::new()
            }
        }
    }

    async fn reply(&mut self, qn: &str, cn: &str, data: String) -> anyhow::Result<()> {
        let mut packet = self.packet(cn, data, false);
        packet.qn = qn.to_owned();
        packet.flag &= !1;
        self.write(&packet.encode(None, Checked::Right)).await;
        Ok(())
    }

    fn tell(&mut self, line: &impl serde::Serialize) -> anyhow::Result<()> {
        let Some(file) = &mut self.truth else {
            return Ok(());
        };
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        file.write_all(text.as_bytes())
            .context("cannot write the truth")
    }
}

/// The same data with another first value.
fn altered(data: &str) -> String {
    ["-Rtd=", "-Avg=", "-Info="]
        .into_iter()
        .find(|suffix| data.contains(suffix))
        .map_or(data.to_owned(), |suffix| {
            data.replacen(suffix, &format!("{suffix}1"), 1)
        })
}

#[cfg(test)]
mod tests {
    use super::super::run;
    use clap::Parser;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: super::Args,
    }

    /// A host that forgets to answer every third frame it understands.
    async fn host(listener: TcpListener) {
        let mut n = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).split(b'\n');
            while let Ok(Some(line)) = lines.next_segment().await {
                n += 1;
                let line = String::from_utf8_lossy(&line).into_owned();
                if n % 3 == 0 {
                    continue;
                }
                let Some(at) = line.find("QN=") else { continue };
                let text = format!("{};ST=91;CN=9014;CP=&&&&", &line[at..at + 20]);
                let crc = super::super::wire::check_value(text.as_bytes());
                let frame = format!("##{:04}{text}{crc:04X}\r\n", text.len());
                if write.write_all(frame.as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    }

    #[tokio::test]
    async fn nothing_is_lost_to_an_outage_or_to_a_forgetful_host() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let host = tokio::spawn(host(listener));
        let folder = std::env::temp_dir().join(format!("sim-hj212-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let truth = folder.join("truth.jsonl");
        let _ = std::fs::remove_file(&truth);
        let line = format!(
            "sim --connect {address} --standard 2025 --speed 600 --seconds 1800 --interval 60 --minute 300 --split 2 \
             --outage 600:300 --timeout 0.1 --begin 2026-08-01T08:00:00+08:00 --truth {}",
            truth.display()
        );
        let args = Line::parse_from(line.split_whitespace()).args;
        let done = run(args).await.unwrap();
        host.abort();
        assert_eq!(done.lost, 0, "{done:?}");
        assert!(
            done.backfilled > 0 && done.attempts > done.answered,
            "{done:?}"
        );
        let text = std::fs::read_to_string(&truth).unwrap();
        assert!(text.contains("RF=1") && text.contains("PNUM=3;PNO=2"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
