//! What a host answers (HJ 212-2017 Table 9 and Appendix C): the QN of what it answers, ST=91, its PW and MN.

use super::crc::crc212;
use super::data::Data;
use super::segment::{Segment, Version};

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 9011: a request was understood (QnRtn, Table 7).
    Request(u8),
    /// 9012: a request was carried out (ExeRtn, Table 6).
    Executed(u8),
    /// 9013: a notice or a heartbeat has come.
    Notice,
    /// 9014: data has come.
    Data,
}

/// A whole frame with its line end. `qn` of the frame that is answered; the version decides Flag: 0, 4 or 8.
pub fn answer(answer: Answer, qn: &str, segment: &Segment<'_>) -> String {
    let (cn, data) = match answer {
        Answer::Request(code) => ("9011", format!("QnRtn={code}")),
        Answer::Executed(code) => ("9012", format!("ExeRtn={code}")),
        Answer::Notice => ("9013", String::new()),
        Answer::Data => ("9014", String::new()),
    };
    let flag = match segment.version() {
        Version::V2005 => 0,
        Version::V2017 | Version::Unknown => 4,
        Version::V2025 => 8,
    };
    let mut text = format!("QN={qn};ST=91;CN={cn};");
    for (name, value) in [("PW", segment.pw), ("MN", segment.mn)] {
        if let Some(value) = value {
            text.push_str(&format!("{name}={value};"));
        }
    }
    text.push_str(&format!("Flag={flag};CP=&&{data}&&"));
    frame(&text)
}

/// A segment with its length, check value and line end.
pub(super) fn frame(segment: &str) -> String {
    let (length, crc) = (segment.len(), crc212(segment.as_bytes()));
    format!("##{length:04}{segment}{crc:04X}\r\n")
}

/// What a host answers to a frame whose check value and MN are right, or why nothing.
pub fn due(segment: &Segment<'_>, data: &Data<'_>) -> Result<String, &'static str> {
    let Some(cn) = segment.cn else {
        return Err("there is no CN");
    };
    if matches!(cn, "9011" | "9012" | "9013" | "9014") {
        return Err("it is an answer itself");
    }
    if is_request(cn, data) {
        return Err("it is what a host asks; only a device answers it");
    }
    if !segment.flag.is_some_and(|flag| flag.wants_answer()) {
        return Err("Flag does not ask for an answer");
    }
    let Some(qn) = segment.qn else {
        return Err("there is no QN to repeat");
    };
    let kind = match cn {
        "1013" | "9015" => Answer::Notice,
        _ => Answer::Data,
    };
    Ok(answer(kind, qn, segment))
}

/// True for what goes from host to device: commands that only a host has, and questions without data.
pub fn is_request(cn: &str, data: &Data<'_>) -> bool {
    let has = |name: &str| data.field(name).is_some();
    match cn {
        "1000" | "1002" | "1012" | "1062" | "1064" | "1072" | "2012" | "2022" => true,
        "3011" | "3012" | "3013" | "3014" | "3016" | "3021" => true,
        "1013" | "9015" => false,
        "1011" => !has("SystemTime"),
        "1061" => !has("RtdInterval"),
        "1063" => !has("MinInterval"),
        // History is asked for by a time, site information by a PolId and an InfoId.
        _ => {
            !has("DataTime")
                && data.items.is_empty()
                && (has("BeginTime") || has("InfoId") || has("PolId"))
                || data.plain.is_empty() && data.items.is_empty()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(head: &str, data: &str) -> Result<String, &'static str> {
        let text = format!("{head}CP=&&{data}&&");
        let segment = Segment::read(&text, &mut Vec::new());
        let data = Data::read(segment.data.unwrap(), &mut Vec::new());
        due(&segment, &data)
    }

    const MN: &str = "MN=010000A8900016F000169DC0";

    #[test]
    fn data_notices_and_heartbeats_are_answered_as_the_standard_prints() {
        let head = |cn: u16, flag: u8| {
            format!("QN=20260801090000001;ST=31;CN={cn};PW=123456;{MN};Flag={flag};")
        };
        let expected = |cn: u16, flag: u8| {
            let text =
                format!("QN=20260801090000001;ST=91;CN={cn};PW=123456;{MN};Flag={flag};CP=&&&&");
            Ok(format!(
                "##{:04}{text}{:04X}\r\n",
                text.len(),
                crc212(text.as_bytes())
            ))
        };
        let data = "DataTime=20260801090000;a21026-Rtd=1";
        assert_eq!(reply(&head(2011, 5), data), expected(9014, 4));
        assert_eq!(
            reply(&head(2011, 5), data).unwrap(),
            "##0087QN=20260801090000001;ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&&&3FC0\r\n"
        );
        assert_eq!(reply(&head(2011, 1), data), expected(9014, 0));
        assert_eq!(reply(&head(2011, 9), data), expected(9014, 8));
        assert_eq!(reply(&head(1013, 5), ""), expected(9013, 4));
        assert_eq!(reply(&head(9015, 9), ""), expected(9013, 8));
        assert_eq!(
            reply(&head(1011, 5), "SystemTime=20260801090000"),
            expected(9014, 4)
        );
    }

    #[test]
    fn what_asks_for_nothing_gets_nothing() {
        let head = |cn: u16, flag: u8| {
            format!("QN=20260801090000001;ST=31;CN={cn};PW=123456;{MN};Flag={flag};")
        };
        for (head, data) in [
            (head(2011, 4), "DataTime=20260801090000"),
            (head(9014, 5), ""),
            (
                head(2061, 5),
                "BeginTime=20260801080000;EndTime=20260801080000",
            ),
            (head(1011, 5), "PolId=w01018"),
            (head(3015, 5), ""),
            (head(3011, 5), "PolId=w01018"),
            (
                format!("ST=31;CN=2011;PW=123456;{MN};Flag=5;"),
                "DataTime=20260801090000",
            ),
        ] {
            assert!(reply(&head, data).is_err(), "{head}");
        }
    }
}
