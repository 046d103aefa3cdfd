//! Frames as JSON lines, for `edge-agent decode hj212`. Pure. One line a frame, one for each broken piece and each run
//! of garbage, in the order of the input. The shape is in docs/protocol/hj212.md.

use super::complaint::{Code, Complaint, complain};
use super::data::{Data, Item, number};
use super::factor::{self, Lookup};
use super::frame::{Ending, Event, Frame, Framer, Garbage, characters};
use super::message::{Message, Text};
use super::moment;
use super::names::{self, Name};
use super::reading::{self, Context, Measured};
use super::reply;
use super::segment::Segment;
use super::sm4::Key;
use contract::{Quality, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Reads bytes and tells one line for each thing found in them.
#[derive(Debug, Default)]
pub struct Reporter {
    framer: Framer,
    told: Told,
}

/// What [`Reporter`] does with events; apart from the framer, so that both can be borrowed.
#[derive(Debug, Default)]
struct Told {
    key: Option<Key>,
    received_at: Option<Timestamp>,
    /// A frame waits for its line end.
    held: Option<FrameLine>,
    counts: Counts,
}

/// How much of what was found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Frames whose check value is right.
    pub right: u64,
    /// Frames whose check value is wrong or unknown.
    pub refused: u64,
    /// Broken pieces.
    pub broken: u64,
    /// Runs of garbage.
    pub garbage: u64,
}

#[derive(Debug, Serialize)]
struct FrameLine {
    kind: &'static str,
    offset: u64,
    verdict: &'static str,
    raw: String,
    ending: Ending,
    length: LengthLine,
    crc: CrcLine,
    version: &'static str,
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<String>,
    fields: Value,
    data: Value,
    items: Vec<Value>,
    readings: Vec<Value>,
    remarks: Vec<Value>,
    reply: Value,
    complaints: Vec<Complaint>,
}

#[derive(Debug, Serialize)]
struct LengthLine {
    said: Option<usize>,
    digits: usize,
    actual: usize,
    characters: usize,
}

#[derive(Debug, Serialize)]
struct CrcLine {
    said: String,
    computed: Option<String>,
    ok: Option<bool>,
    variant: &'static str,
}

impl Reporter {
    /// With a key for encrypted data areas, and the time at which all of it is taken to be received.
    pub fn new(key: Option<Key>, received_at: Option<Timestamp>) -> Self {
        let told = Told {
            key,
            received_at,
            ..Told::default()
        };
        Self {
            framer: Framer::default(),
            told,
        }
    }

    /// Takes bytes.
    pub fn push(&mut self, bytes: &[u8], line: &mut impl FnMut(String)) {
        let told = &mut self.told;
        self.framer
            .push(bytes, &mut |event| told.event(event, line));
    }

    /// The input has ended.
    pub fn finish(&mut self, line: &mut impl FnMut(String)) -> Counts {
        let told = &mut self.told;
        self.framer.finish(&mut |event| told.event(event, line));
        told.counts
    }
}

impl Told {
    fn event(&mut self, event: Event<'_>, line: &mut impl FnMut(String)) {
        match event {
            Event::Frame(frame) => self.held = Some(self.frame(&frame)),
            Event::Ending { ending, .. } => {
                if let Some(mut held) = self.held.take() {
                    held.end(ending);
                    match held.verdict {
                        "refused" => self.counts.refused += 1,
                        _ => self.counts.right += 1,
                    }
                    line(as_text(&held));
                }
            }
            Event::Broken { offset, raw } => {
                self.counts.broken += 1;
                line(as_text(&broken(offset, raw)));
            }
            Event::Garbage(found) => {
                self.counts.garbage += 1;
                line(as_text(&garbage(&found)));
            }
        }
    }

    fn frame(&self, frame: &Frame<'_>) -> FrameLine {
        let text = Text::open(frame, self.key.as_ref());
        let Message {
            segment,
            data,
            mut complaints,
        } = text.read();
        let context = Context {
            received_at: self.received_at,
            is_length_wrong: text.is_length_wrong,
        };
        let said = reading::said(&segment, &data, context, &mut complaints);
        let is_right = text.crc.is_right == Some(true);
        let is_read = is_right && (!text.is_sealed || text.plain.is_some());
        let show = |m: &Measured| measured(m);
        FrameLine {
            kind: "frame",
            offset: frame.offset,
            verdict: if is_read { "ok" } else { "refused" },
            raw: String::from_utf8_lossy(frame.raw).into_owned(),
            ending: Ending::None,
            length: LengthLine {
                said: frame.length_said,
                digits: frame.length_digits,
                actual: frame.segment.len(),
                characters: characters(frame.segment),
            },
            crc: CrcLine {
                said: format!("{:04X}", text.crc.said),
                computed: text.crc.computed.map(|crc| format!("{crc:04X}")),
                ok: text.crc.is_right,
                variant: text.crc.variant,
            },
            version: segment.version().as_str(),
            encrypted: text.is_sealed,
            fields: fields(&segment),
            data: plain(&data),
            items: data.items.iter().map(item).collect(),
            // What fails its check value is shown and never counted.
            readings: if is_read {
                said.measured.iter().map(show).collect()
            } else {
                Vec::new()
            },
            remarks: if is_read {
                said.remarks.iter().map(remark).collect()
            } else {
                Vec::new()
            },
            reply: answer(is_right, &text, &segment, &data),
            plaintext: text.plain.clone(),
            complaints,
        }
    }
}

impl FrameLine {
    fn end(&mut self, ending: Ending) {
        self.ending = ending;
        if matches!(ending, Ending::None | Ending::Cr) {
            let what = match ending {
                Ending::Cr => "CR without LF",
                _ => "no CR LF after the check value",
            };
            complain(&mut self.complaints, Code::MissingCrlf, "end", what);
        }
        if self.verdict == "ok" && !self.complaints.is_empty() {
            self.verdict = "tolerated";
        }
    }
}

fn as_text(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("all keys are strings")
}

fn fields(segment: &Segment<'_>) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("QN", json!(segment.qn));
    put("ST", json!(segment.st));
    put("ST_name", json!(segment.st.and_then(names::system)));
    put("CN", json!(segment.cn));
    put("CN_name", json!(segment.cn.and_then(names::command)));
    put("PW", json!(segment.pw));
    put("MN", json!(segment.mn));
    put("Flag", json!(segment.flag.map(|flag| flag.0)));
    let decoded = segment.flag.map(|flag| {
        json!({"answer": flag.wants_answer(), "split": flag.is_split(), "version": flag.version().as_str()})
    });
    put("Flag_decoded", json!(decoded));
    put("PNUM", json!(segment.pnum));
    put("PNO", json!(segment.pno));
    put("RF", json!(segment.is_backfill.then_some(1)));
    for (name, value) in &segment.other {
        fields.entry(*name).or_insert(json!(value));
    }
    Value::Object(fields)
}

fn plain(data: &Data<'_>) -> Value {
    let mut fields = Map::new();
    for (name, value) in &data.plain {
        fields.entry(*name).or_insert(json!(value));
    }
    let mut meaning = |field: &str, name: Option<Name>| {
        if let Some(name) = name {
            fields.insert(format!("{field}_name"), json!(name));
        }
    };
    meaning("QnRtn", data.field("QnRtn").and_then(names::request_answer));
    meaning(
        "ExeRtn",
        data.field("ExeRtn").and_then(names::execution_result),
    );
    Value::Object(fields)
}

fn item(item: &Item<'_>) -> Value {
    let lookup = factor::lookup(item.factor);
    let known = lookup.factor();
    let mut values = Map::new();
    let mut sent = Map::new();
    for (suffix, text) in &item.values {
        let is_number = !matches!(suffix.as_str(), "Flag" | "EFlag" | "SampleTime" | "SN");
        let value = number(text).filter(|_| is_number);
        values.insert(suffix.as_str().to_owned(), json!(value));
        sent.insert(suffix.as_str().to_owned(), json!(text));
    }
    let flag = item.value("Flag");
    // What is wrong with a flag has been said by the readings.
    let quality = flag.map_or(Quality::Good, |flag| {
        reading::quality(flag, item.factor, &mut Vec::new())
    });
    let state = item.value("RS").and_then(names::facility_state);
    let mut line = json!({
        "factor": item.factor,
        "code": known.map(|factor| factor.code),
        "name": known.map(|factor| factor.name),
        "unit": known.map(|factor| factor.unit),
        "mapped": lookup != Lookup::Unmapped || factor::is_facility(item.factor),
        "values": values,
        "sent": sent,
        "flag": flag.map(|flag| json!({"code": flag, "meaning": names::data_flag(&flag.to_ascii_uppercase())})),
        "quality": quality,
    });
    if let Some(subject) = item.subject {
        line["PolId"] = json!(subject);
    }
    if let Some(state) = state {
        line["state"] = json!(state);
    }
    line
}

fn measured(measured: &Measured) -> Value {
    let reading = &measured.reading;
    json!({
        "point": reading.point,
        "time": moment::show(reading.at),
        "period": measured.period.map(|period| json!({
            "kind": period.kind,
            "start": moment::show(period.start),
            "end": period.end.map(moment::show),
        })),
        "value": reading.value,
        "unit": measured.unit,
        "quality": reading.quality,
    })
}

fn remark(remark: &reading::Remark) -> Value {
    json!({"name": remark.name, "time": moment::show(remark.at), "text": remark.text})
}

fn answer(is_right: bool, text: &Text<'_>, segment: &Segment<'_>, data: &Data<'_>) -> Value {
    let due = match (is_right, text.is_sealed && text.plain.is_none()) {
        (_, true) => Err("it cannot be read without the key"),
        (false, _) => Err("the check value is wrong; the sender will repeat it"),
        _ => reply::due(segment, data),
    };
    match due {
        Ok(text) => json!({"text": text, "why": Value::Null}),
        Err(why) => json!({"text": Value::Null, "why": why}),
    }
}

fn broken(offset: u64, raw: &[u8]) -> Value {
    let text = String::from_utf8_lossy(raw);
    let body = text.trim_start_matches('#');
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    let segment = Segment::read(&body[digits..], &mut Vec::new());
    let said = body[..digits].parse::<usize>().ok();
    let trimmed = body.trim_end();
    let tail = trimmed.rfind("&&").map(|at| &trimmed[at + 2..]);
    let mut complaints = Vec::new();
    let there = trimmed.len() - digits;
    match tail {
        // The `&&` after `CP=` is no end.
        Some(tail) if tail.len() <= 6 && !tail.contains('=') && !trimmed.ends_with("CP=&&") => {
            let what = format!("after the last && comes {tail:?}, not four hexadecimal digits");
            complain(&mut complaints, Code::CrcMissing, "CRC", what);
        }
        _ => {
            let said = said.map_or("no length".to_owned(), |said| format!("length says {said}"));
            let what = format!(
                "{said}, {there} bytes follow, and no check value before the next frame or the end"
            );
            complain(&mut complaints, Code::Truncated, "frame", what);
        }
    }
    json!({
        "kind": "truncated",
        "offset": offset,
        "verdict": "refused",
        "raw": text,
        "bytes": raw.len(),
        "length": {"said": said, "actual": there},
        "fields": fields(&segment),
        "complaints": complaints,
    })
}

fn garbage(found: &Garbage) -> Value {
    let mut complaints = Vec::new();
    let what = format!("{} bytes belong to no frame", found.length);
    complain(&mut complaints, Code::Garbage, "between frames", what);
    json!({
        "kind": "garbage",
        "offset": found.offset,
        "bytes": found.length,
        "sample": String::from_utf8_lossy(&found.sample),
        "complaints": complaints,
    })
}
