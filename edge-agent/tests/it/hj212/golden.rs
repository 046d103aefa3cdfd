//! Frames of every kind, made here, and what is said of them.

use super::{codes, crc, decode, frame, real_time};
use serde_json::{Value, json};

/// `point value quality` of every reading.
fn readings(line: &Value) -> Vec<String> {
    let one = |r: &Value| {
        format!(
            "{} {} {}",
            r["point"].as_str().unwrap(),
            r["value"],
            r["quality"]["kind"].as_str().unwrap()
        )
    };
    line["readings"]
        .as_array()
        .unwrap()
        .iter()
        .map(one)
        .collect()
}

#[track_caller]
fn one(bytes: &[u8]) -> Value {
    let lines = decode(bytes, None);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.into_iter().next().unwrap()
}

#[test]
fn a_frame_is_shown_with_all_that_it_says() {
    let line = one(b"##0171QN=20260102030405678;ST=31;CN=2061;PW=654321;MN=9F0000A8900016F000169DC1;Flag=5;CP=&&DataTime=20260102020000;a21026-Avg=17.25,a21026-ZsAvg=19.5,a21026-Flag=T;B02-Cou=900&&EDC1\r\n");
    assert_eq!(line["kind"], "frame");
    assert_eq!(
        line["crc"],
        json!({"said": "EDC1", "computed": "EDC1", "ok": true, "variant": "hj212"})
    );
    assert_eq!(
        line["length"],
        json!({"said": 171, "digits": 4, "actual": 171, "characters": 171})
    );
    assert_eq!(line["fields"]["ST_name"]["en"], "air pollution source");
    assert_eq!(
        line["fields"]["Flag_decoded"],
        json!({"answer": true, "split": false, "version": "2017"})
    );
    assert_eq!(line["data"], json!({"DataTime": "20260102020000"}));
    assert_eq!(line["items"][0]["values"]["Avg"], 17.25);
    assert_eq!(line["items"][0]["sent"]["Avg"], "17.25");
    assert_eq!(
        line["items"][0]["flag"]["meaning"]["en"],
        "above measuring range"
    );
    assert_eq!(line["items"][1]["code"], "a00000");
    assert_eq!(
        line["readings"][0],
        json!({
            "point": "a21026-Avg@hour",
            "time": "2026-01-02T02:00:00+08:00",
            "period": {"kind": "hour", "start": "2026-01-02T02:00:00+08:00", "end": "2026-01-02T03:00:00+08:00"},
            "value": 17.25,
            "unit": "mg/m³",
            "quality": {"kind": "suspect", "reason": "out_of_range"},
        })
    );
    assert_eq!(codes(&line), ["old_factor"]);
    assert_eq!(
        line["reply"]["text"],
        "##0087QN=20260102030405678;ST=91;CN=9014;PW=654321;MN=9F0000A8900016F000169DC1;Flag=4;CP=&&&&E681\r\n"
    );
}

#[test]
fn senders_of_2005_and_of_the_field_are_read() {
    let old = frame(
        "ST=32;CN=2011;PW=123456;MN=88888880000001;CP=&&DataTime=20260801090000123;B01-Rtd=36.9;011-Rtd=231.0,011-Flag=N;060-Rtd=1.5,060-Flag=D&&",
    );
    let line = one(old.as_bytes());
    assert_eq!(line["version"], "2005");
    assert_eq!(
        readings(&line),
        [
            "w00000 36.9 good",
            "w01018 231.0 good",
            "w21003 1.5 suspect"
        ]
    );
    assert_eq!(line["readings"][0]["time"], "2026-08-01T09:00:00.123+08:00");
    assert_eq!(
        codes(&line),
        ["mn_form", "old_factor", "old_factor", "old_factor"]
    );
    let without = real_time("DataTime=20260801090000;01018-Rtd=5");
    assert_eq!(codes(&one(without.as_bytes())), ["factor_without_letter"]);
}

#[test]
fn every_wrong_length_is_named_for_what_it_is() {
    let good = real_time("DataTime=20260801090000;a21026-Rtd=1");
    let segment = &good[6..good.len() - 6];
    let tail = &good[good.len() - 6..];
    for (head, code) in [
        (format!("##{}", segment.len()), "length_digits"),
        (format!("##0{:04}", segment.len()), "length_digits"),
        ("##".into(), "length_missing"),
        (format!("##{:04}", segment.len() + 6), "length_error"),
        (format!("##{:04}", segment.len() - 3), "length_error"),
    ] {
        let line = one(format!("{head}{segment}{tail}").as_bytes());
        assert_eq!(
            (line["verdict"].as_str(), codes(&line)),
            (Some("tolerated"), vec![code]),
            "{head}"
        );
    }
    let chinese = "QN=20260801090000001;ST=32;CN=3020;PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&DataTime=20260801090000;PolId=w01018;i11001-Info=//清洗;管路//&&";
    let counted = format!(
        "##{:04}{chinese}{:04X}\r\n",
        chinese.chars().count(),
        crc(chinese.as_bytes())
    );
    let line = one(counted.as_bytes());
    assert_eq!(codes(&line), ["length_in_characters"]);
    assert_eq!(line["remarks"][0]["text"], "清洗;管路");
}

#[test]
fn line_ends_of_text_files_and_none_are_read() {
    let good = real_time("DataTime=20260801090000;a21026-Rtd=1");
    let bare = good.trim_end();
    for (ending, shown, expected) in [
        ("\n", "lf", vec![]),
        ("", "none", vec!["missing_crlf"]),
        ("\r\n\r\n", "crlf", vec![]),
    ] {
        let lines = decode(format!("{bare}{ending}{bare}{ending}").as_bytes(), None);
        assert_eq!(lines.len(), 2);
        for line in &lines {
            assert_eq!(
                (line["ending"].as_str(), codes(line)),
                (Some(shown), expected.clone())
            );
        }
    }
}

#[test]
fn garbage_and_broken_frames_are_told_and_the_next_frame_is_read() {
    let good = real_time("DataTime=20260801090000;a21026-Rtd=1");
    for (before, kind, code) in [
        ("\u{0}noise # 12 ##", "garbage", "garbage"),
        (
            "##0140QN=20260801090000001;ST=31;CN=2011;PW",
            "truncated",
            "truncated",
        ),
        (
            "##0140QN=20260801090000001;ST=31;CN=2011;CP=&&a=1&&\r\n",
            "truncated",
            "crc_missing",
        ),
        (
            "##0140QN=20260801090000001;ST=31;CN=2011;CP=&&a=1&&ZZ11\r\n",
            "truncated",
            "crc_missing",
        ),
        ("##9999", "truncated", "truncated"),
        ("#", "garbage", "garbage"),
    ] {
        let lines = decode(format!("{before}{good}").as_bytes(), None);
        assert_eq!(lines.len(), 2, "{before}: {lines:#?}");
        assert_eq!(
            (lines[0]["kind"].as_str(), codes(&lines[0])),
            (Some(kind), vec![code]),
            "{before}"
        );
        assert_eq!(
            (lines[1]["verdict"].as_str(), lines[1]["offset"].as_u64()),
            (Some("ok"), Some(before.len() as u64))
        );
    }
    let cut = &good[..good.len() - 9];
    assert_eq!(codes(&decode(cut.as_bytes(), None)[0]), ["truncated"]);
}

#[test]
fn bytes_that_are_not_utf8_are_shown_as_far_as_they_can_be() {
    let mut segment = b"QN=20260801090000001;ST=32;CN=3020;PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&DataTime=20260801090000;i11001-Info=//".to_vec();
    segment.extend([0xC7, 0xE5, 0xCF, 0xB4]);
    segment.extend(b"//&&");
    let mut bytes = format!("##{:04}", segment.len()).into_bytes();
    bytes.extend(&segment);
    bytes.extend(format!("{:04X}\r\n", crc(&segment)).bytes());
    let line = one(&bytes);
    assert_eq!(
        (line["crc"]["ok"].as_bool(), codes(&line)),
        (Some(true), vec!["not_utf8"])
    );
}

#[test]
fn an_encrypted_frame_needs_its_key() {
    let packet = simulators::hj212::wire::Packet {
        qn: "20260801090000001".into(),
        st: "31".into(),
        cn: "2011".into(),
        pw: "123456".into(),
        mn: "010000A8900016F000169DC0".into(),
        flag: 9,
        part: None,
        is_backfill: false,
        data: "DataTime=20260801090000;a34013-Rtd=4.1,a34013-Flag=N".into(),
    };
    let key = "k3y-of-sixteen-b";
    let bytes = packet.encode(
        key.as_bytes().try_into().ok(),
        simulators::hj212::wire::Checked::Right,
    );
    let read = &decode(&bytes, Some(key))[0];
    assert_eq!(
        (readings(read), codes(read)),
        (vec!["a34013 4.1 good".to_owned()], vec![])
    );
    let closed = &decode(&bytes, None)[0];
    assert_eq!(
        (closed["verdict"].as_str(), closed["crc"]["ok"].clone()),
        (Some("refused"), Value::Null)
    );
    assert_eq!(
        (codes(closed), closed["fields"]["CN"].as_str()),
        (vec!["encrypted_no_key"], Some("2011"))
    );
    let wrong = &decode(&bytes, Some("0000000000000000"))[0];
    assert!(
        codes(wrong).contains(&"crc_error") && wrong["readings"] == json!([]),
        "{wrong:#}"
    );
}

#[test]
fn a_block_that_ends_within_a_character_is_read() {
    let key = "k3y-of-sixteen-b";
    for filler in 0..16 {
        let packet = simulators::hj212::wire::Packet {
            qn: "20260801090000001".into(),
            st: "32".into(),
            cn: "3020".into(),
            pw: "123456".into(),
            mn: "010000A8900016F000169DC0".into(),
            flag: 9,
            part: None,
            is_backfill: false,
            data: format!(
                "DataTime=20260801090000;i11001-Info=//{}清洗管路已完成//",
                "x".repeat(filler)
            ),
        };
        let right = simulators::hj212::wire::Checked::Right;
        let bytes = packet.encode(key.as_bytes().try_into().ok(), right);
        let line = &decode(&bytes, Some(key))[0];
        assert_eq!(
            (line["verdict"].as_str(), codes(line)),
            (Some("ok"), vec![]),
            "{filler}"
        );
        decode(&bytes, None);
    }
}

#[test]
fn the_document_explains_every_complaint() {
    let document = include_str!("../../../../docs/protocol/hj212.md");
    for code in edge_agent::source::hj212::complaint::Code::ALL {
        assert!(
            document.contains(&format!("| `{}` |", code.as_str())),
            "{}",
            code.as_str()
        );
    }
}
