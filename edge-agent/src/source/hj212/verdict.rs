//! What a host makes of a frame: whose it is, what is taken of it, what is answered. Pure.

use super::complaint::{Code, Complaints, complain};
use super::config::Door;
use super::control::{Answered, Manner};
use super::data::{Data, Item, Suffix};
use super::frame::Frame;
use super::join::Key;
use super::message::{Message, Text};
use super::reading::{self, Context, Measured};
use super::segment::Segment;
use super::station::Print;
use super::{moment, reply};
use crate::{record::Record, source::PointInfo};
use contract::{DeviceId, Doubt, PointName, Quality, Timestamp};
use ring::digest::{SHA256, digest};
use std::{collections::HashSet, net::IpAddr, time::Duration};

/// A record keeps times of its readings up to 24 days from its own.
const FAR_MS: i64 = 24 * 86_400_000;
/// Ends the name of a point that holds what came again with other values.
const RESENT: &str = "@resent";

/// What becomes of a frame.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing of it is taken and it is not answered.
    Refused(Refusal),
    /// It is to be stored, then answered.
    Taken(Box<Taken>),
    /// It answers a request.
    Answered(Answered),
}

/// Why nothing is taken of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Of which station, by its place in the configuration, if that is sure.
    pub station: Option<usize>,
    /// As a word.
    pub code: &'static str,
    /// In words.
    pub words: String,
    /// It is of a station that has no business on this connection.
    pub is_foreign: bool,
}

/// What is taken of a frame.
#[derive(Debug)]
pub struct Taken {
    /// Of which station, by its place in the configuration.
    pub station: usize,
    /// Command.
    pub cn: String,
    /// How the station speaks.
    pub manner: Option<Manner>,
    /// Names and values of what it says of itself: clock, intervals, serial number, site information.
    pub said: Vec<(String, String)>,
    /// Which frame.
    pub print: Print,
    /// Which packet of which split.
    pub split: Option<(Key, u32)>,
    /// DataTime, else QN, else the time of receipt.
    pub at: Timestamp,
    /// It is real-time data with a time of its own.
    pub is_real_time: bool,
    /// Something is in it that must be kept; not so with a heartbeat.
    pub is_kept: bool,
    /// What it says.
    pub measured: Vec<Measured>,
    /// What is answered once it is stored.
    pub reply: Option<String>,
    /// The frame as it came, from `##` through the check value.
    pub raw: Vec<u8>,
    /// What was tolerated.
    pub complaints: Complaints,
}

/// Judges a frame that came from `peer` at `received.0`; `received.1` says that the clock is trusted. `bound` is the only station that may use the connection, if one has
/// been heard on it and it is not shared.
pub fn judge(
    frame: &Frame<'_>,
    door: &Door,
    peer: IpAddr,
    bound: Option<usize>,
    (now, is_trusted): (Timestamp, bool),
) -> Verdict {
    let mut text = Text::open(frame, None);
    if !text.is_sealed && text.crc.is_right != Some(true) {
        return unreadable(&text, None);
    }
    let index = match whose(&text, door, peer, bound) {
        Ok(index) => index,
        Err(refusal) => return Verdict::Refused(refusal),
    };
    if text.is_sealed {
        text = Text::open(frame, door.stations[index].key.as_ref());
        if text.plain.is_none() || text.crc.is_right != Some(true) {
            return unreadable(&text, Some(index));
        }
    }
    let Message {
        segment,
        data,
        mut complaints,
    } = text.read();
    if let Some(answered) = answered(index, &segment, &data, frame.raw) {
        return Verdict::Answered(answered);
    }
    let is_answer = matches!(segment.cn, Some("9011" | "9012" | "9013" | "9014"));
    if is_answer || segment.cn.is_some_and(|cn| reply::is_request(cn, &data)) {
        let cn = segment.cn.unwrap_or_default();
        return Verdict::Refused(Refusal {
            station: Some(index),
            code: "not_for_a_host",
            words: format!("CN {cn} answers nothing that was asked, or is what a host asks"),
            is_foreign: false,
        });
    }
    let context = Context {
        received_at: is_trusted.then_some(now),
        is_length_wrong: text.is_length_wrong,
    };
    let measured = reading::said(&segment, &data, context, &mut complaints).measured;
    if let Some(expected) = &door.stations[index].st
        && segment.st != Some(expected)
    {
        let what = format!("`{}`, expected {expected}", segment.st.unwrap_or_default());
        complain(&mut complaints, Code::UnexpectedSt, "ST", what);
    }
    let data_time = data.field("DataTime").and_then(moment::read);
    let qn = segment.qn.and_then(moment::read);
    let is_empty = data.plain.is_empty() && data.items.is_empty();
    Verdict::Taken(Box::new(Taken {
        station: index,
        cn: segment.cn.unwrap_or_default().to_owned(),
        manner: Manner::of(&segment),
        said: said_of_itself(segment.cn, &data),
        print: print(&segment, data.field("DataTime")),
        split: split(&segment, data.field("DataTime")),
        at: data_time.or(qn).unwrap_or(now),
        is_real_time: segment.cn == Some("2011") && data_time.is_some(),
        is_kept: !(segment.cn == Some("9015") && is_empty),
        measured,
        reply: reply::due(&segment, &data).ok(),
        raw: frame.raw.to_vec(),
        complaints,
    }))
}

/// 9011 or 9012 with its code.
fn answered(
    station: usize,
    segment: &Segment<'_>,
    data: &Data<'_>,
    raw: &[u8],
) -> Option<Answered> {
    let (is_result, name) = match segment.cn? {
        "9011" => (false, "QnRtn"),
        "9012" => (true, "ExeRtn"),
        _ => return None,
    };
    Some(Answered {
        station,
        qn: segment.qn?.to_owned(),
        is_result,
        code: data.field(name)?.parse().ok()?,
        raw: raw.to_vec(),
    })
}

/// What commands that ask a station for something are answered with.
fn said_of_itself(cn: Option<&str>, data: &Data<'_>) -> Vec<(String, String)> {
    if !matches!(cn, Some("1011" | "1061" | "1063" | "3019" | "3020")) {
        return Vec::new();
    }
    let plain = data.plain.iter();
    let plain = plain.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let of_item = |item: &Item<'_>| -> Vec<(String, String)> {
        let name = |suffix: &Suffix<'_>| format!("{}-{}", item.factor, suffix.as_str());
        let values = item.values.iter();
        values
            .map(|(suffix, value)| (name(suffix), (*value).to_owned()))
            .collect()
    };
    plain.chain(data.items.iter().flat_map(of_item)).collect()
}

fn unreadable(text: &Text<'_>, station: Option<usize>) -> Verdict {
    let fatal = [Code::EncryptedNoKey, Code::EncryptedForm, Code::CrcError];
    let all = text.read().complaints;
    let found = all.into_iter().find(|c| fatal.contains(&c.code));
    let (code, words) = found.map_or((Code::CrcError, String::new()), |c| (c.code, c.what));
    Verdict::Refused(Refusal {
        station,
        code: code.as_str(),
        words,
        is_foreign: false,
    })
}

/// MN and network together say whose a frame is. Both lie in plain text.
fn whose(
    text: &Text<'_>,
    door: &Door,
    peer: IpAddr,
    bound: Option<usize>,
) -> Result<usize, Refusal> {
    let foreign = |code, words| Refusal {
        station: None,
        code,
        words,
        is_foreign: true,
    };
    let Some(mn) = Segment::read(&text.wire, &mut Vec::new()).mn else {
        return Err(foreign("missing_mn", "nobody is named".to_owned()));
    };
    let Some(index) = door.stations.iter().position(|s| s.mn == mn) else {
        return Err(foreign("unknown_mn", format!("MN {mn} is not registered")));
    };
    if !door.stations[index].is_at(peer) {
        let words = format!("MN {mn} does not connect from {peer}");
        return Err(foreign("wrong_network", words));
    }
    if bound.is_some_and(|bound| bound != index) {
        let words = format!("MN {mn} on the connection of another station");
        return Err(foreign("second_mn", words));
    }
    Ok(index)
}

fn print(segment: &Segment<'_>, data_time: Option<&str>) -> Print {
    let content = hash(&[segment.data.unwrap_or_default()]);
    let number = |n: Option<u32>| n.map_or(String::new(), |n| n.to_string());
    let own = content.to_string();
    let time = data_time.or(segment.qn).unwrap_or(&own);
    let (st, cn) = (
        segment.st.unwrap_or_default(),
        segment.cn.unwrap_or_default(),
    );
    let frame = hash(&[st, cn, time, &number(segment.pnum), &number(segment.pno)]);
    Print { frame, content }
}

fn hash(parts: &[&str]) -> u64 {
    let whole = digest(&SHA256, parts.join("\n").as_bytes());
    let first = whole.as_ref()[..8].try_into();
    u64::from_le_bytes(first.expect("a hash is longer"))
}

fn split(segment: &Segment<'_>, data_time: Option<&str>) -> Option<(Key, u32)> {
    if !segment.flag?.is_split() {
        return None;
    }
    let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let key = Key {
        mn: owned(segment.mn),
        st: owned(segment.st),
        cn: owned(segment.cn),
        data_time: owned(data_time),
        pnum: segment.pnum?,
    };
    Some((key, segment.pno?))
}

impl Taken {
    /// It came before with other values: what it says goes to points of its own, doubted, so that neither takes the place
    /// of the other.
    pub fn set_beside(&mut self) {
        for measured in &mut self.measured {
            let reading = &mut measured.reading;
            match PointName::new(format!("{}{RESENT}", reading.point)) {
                Ok(point) => reading.point = point,
                Err(error) => {
                    let (place, what) = (reading.point.as_str(), error.to_string());
                    complain(&mut self.complaints, Code::PointName, place, what);
                }
            }
            if reading.quality.is_good() {
                reading.quality = Quality::Suspect(Doubt::Unspecified);
            }
        }
        self.measured
            .retain(|measured| measured.reading.point.as_str().ends_with(RESENT));
    }

    /// Its points; `every` is promised of real-time ones.
    pub fn points(&self, every: Option<Duration>) -> Vec<PointInfo> {
        let info = |measured: &Measured| PointInfo {
            name: measured.reading.point.clone(),
            unit: measured.unit.to_owned(),
            factor: measured.factor.map(str::to_owned),
            every: every.filter(|_| self.is_real_time && !is_resent(measured)),
        };
        self.measured.iter().map(info).collect()
    }

    /// What is stored: one record with the frame; more only for readings of times far from its own.
    pub fn records(&self, device: &DeviceId) -> Vec<Record> {
        let mut records = vec![Record {
            raw: self.raw.clone(),
            ..Record::of(device.clone(), self.at, Vec::new())
        }];
        let mut seen = HashSet::new();
        for measured in &self.measured {
            let reading = &measured.reading;
            // An old and a new code of one factor are one point; the first holds.
            if !seen.insert((&reading.point, reading.at)) {
                continue;
            }
            let is_near = |record: &&mut Record| reading.at.since(record.at).abs() <= FAR_MS;
            match records.iter_mut().find(is_near) {
                Some(record) => record.readings.push(reading.clone()),
                None => {
                    let far = vec![reading.clone()];
                    records.push(Record::of(device.clone(), reading.at, far));
                }
            }
        }
        records
    }

    /// The names of its points.
    pub fn names(&self) -> Vec<PointName> {
        let names = self.measured.iter().map(|m| m.reading.point.clone());
        names.collect()
    }
}

fn is_resent(measured: &Measured) -> bool {
    measured.reading.point.as_str().ends_with(RESENT)
}
