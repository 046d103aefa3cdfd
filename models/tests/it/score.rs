use crate::{engine, words};
use models::score::{self, Request};
use std::path::Path;

fn request(path: &Path, values: &[&str], train_rows: usize) -> Request {
    Request {
        csv: path.to_owned(),
        time: "time".to_owned(),
        values: values.iter().map(|v| (*v).to_owned()).collect(),
        train_rows,
    }
}

fn written(there: &tempfile::TempDir, text: &str) -> std::path::PathBuf {
    let path = there.path().join("readings.csv");
    std::fs::write(&path, text).unwrap();
    path
}

fn table(rows: usize, last: f64) -> String {
    let mut text = "time,a,b\n".to_owned();
    for i in 0..rows {
        let a = if i + 1 == rows {
            last
        } else {
            (i as f64 * 0.2).sin() + (i % 7) as f64 * 0.1
        };
        let a = if i % 50 == 17 {
            String::new()
        } else {
            a.to_string()
        };
        text += &format!(
            "{},{a},{}\n",
            1_795_521_600 + 60 * i,
            (i as f64 * 0.31).cos()
        );
    }
    text
}

fn scored(request: &Request) -> Option<String> {
    let mut out = Vec::new();
    score::run(request, &mut engine()?, &mut out).unwrap();
    Some(String::from_utf8(out).unwrap())
}

#[test]
fn a_score_does_not_depend_on_later_rows() {
    let there = tempfile::tempdir().unwrap();
    for values in [&["a"][..], &["a", "b"]] {
        let Some(long) = scored(&request(&written(&there, &table(700, 50.0)), values, 300)) else {
            return;
        };
        let Some(short) = scored(&request(&written(&there, &table(650, 0.3)), values, 300)) else {
            return;
        };
        let head = |text: &str| text.lines().take(650).collect::<Vec<_>>().join("\n");
        assert_eq!(head(&long), head(&short));
        assert_eq!(long.lines().count(), 701);
        assert!(long.starts_with("time,score,signal\n1795521600,"));
    }
}

#[test]
fn the_spike_at_the_end_is_a_signal_and_the_learning_rows_are_not() {
    let there = tempfile::tempdir().unwrap();
    let Some(text) = scored(&request(&written(&there, &table(700, 50.0)), &["a"], 300)) else {
        return;
    };
    assert!(text.trim_end().ends_with(",1"), "{text}");
    assert!(
        text.lines()
            .skip(1)
            .take(300)
            .all(|line| line.ends_with(",0"))
    );
}

/// Two channels that move together until row `broken`, from where the second one stands still for 100 rows.
fn pair(rows: usize, broken: usize) -> String {
    let mut text = "time,a,b\n".to_owned();
    for i in 0..rows {
        let a = (i as f64 * 0.37).sin() + (i as f64 * 12.9898).sin() * 0.3;
        let noise = ((i * i) as f64 * 0.7).sin() * 0.1;
        let b = if (broken..broken + 100).contains(&i) {
            0.0
        } else {
            2.0 * a + noise
        };
        text += &format!("{},{a},{b}\n", 1_795_521_600 + i);
    }
    text
}

#[test]
fn a_group_signals_a_broken_relation_after_short_and_long_learning_and_little_else() {
    let there = tempfile::tempdir().unwrap();
    for learned in [400, 5000] {
        let path = written(&there, &pair(learned + 1000, learned + 500));
        let Some(text) = scored(&request(&path, &["a", "b"], learned)) else {
            return;
        };
        let lines: Vec<_> = text.lines().skip(1).collect();
        let signals = |from: usize, to: usize| {
            let lines = &lines[learned + from..learned + to];
            lines.iter().filter(|line| line.ends_with(",1")).count()
        };
        assert!(
            lines[..learned]
                .iter()
                .all(|line| line.ends_with(",0.000000,0"))
        );
        assert!(signals(500, 600) >= 70, "{} of 100", signals(500, 600));
        assert!(signals(0, 500) <= 10, "{} of 500", signals(0, 500));
        assert!(signals(640, 1000) <= 10, "{} of 360", signals(640, 1000));
    }
}

#[test]
fn semicolons_and_missing_values_are_read() {
    let there = tempfile::tempdir().unwrap();
    let path = written(
        &there,
        "time; a ;b\n2026-11-24 12:00:00;1.5;\n26/11/24 12:01;NaN;2\n",
    );
    let rows = score::read(&request(&path, &["a", "b"], 0)).unwrap();
    assert_eq!(rows[0].values, [Some(1.5), None]);
    assert_eq!(rows[1].values, [None, Some(2.0)]);
    assert_eq!(rows[1].at_ms - rows[0].at_ms, 60_000);
}

#[track_caller]
fn refused(text: &str, values: &[&str], parts: &[&str]) {
    let there = tempfile::tempdir().unwrap();
    let error = score::read(&request(&written(&there, text), values, 0)).unwrap_err();
    let said = words(&error);
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

#[test]
fn errors_name_file_line_column_and_the_way_out() {
    refused(
        "time,a\n2026-11-24 12:00:00,1\nyesterday,2\n",
        &["a"],
        &[
            "readings.csv",
            "line 3",
            "\"time\"",
            "yesterday",
            "write 2026",
        ],
    );
    refused(
        "time,a\n2026-11-24 12:00:00,1,5\n",
        &["a"],
        &["readings.csv", "line: 2"],
    );
    refused(
        "time,a\n2026-11-24 12:00:00,high\n",
        &["a"],
        &[
            "readings.csv",
            "line 2",
            "\"a\"",
            "high",
            "leave the cell empty",
        ],
    );
    refused(
        "time,a\n2026-11-24 12:00:00,1\n",
        &["level"],
        &["readings.csv", "level", "time, a"],
    );
}
