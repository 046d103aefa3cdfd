use crate::{catalogue, engine, folder, words};
use models::{Availability, Engine, RuntimePath, ScoreError, SeriesState};
use serde_json::Value;
use std::path::PathBuf;

fn row(value: &Value) -> Vec<f32> {
    let row = value.as_array().expect("a row");
    row.iter()
        .map(|v| v.as_f64().map_or(f32::NAN, |v| v as f32))
        .collect()
}

#[test]
fn the_model_gives_its_golden_outputs() {
    let Some(mut engine) = engine() else { return };
    let text = std::fs::read_to_string(folder().join("files/forecaster-1.golden.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let (inputs, outputs) = (&golden["inputs"], &golden["outputs"]);
    let rows = inputs["fine"].as_array().unwrap().len();
    assert!(rows >= 3);
    for i in 0..rows {
        let forecast = engine
            .forecast_raw(&row(&inputs["fine"][i]), &row(&inputs["coarse"][i]))
            .unwrap()[0];
        for (name, got) in [
            ("loc", forecast.loc),
            ("scale", forecast.scale),
            ("median", forecast.median),
            ("spread", forecast.spread),
        ] {
            let expected = f64::from(row(&outputs[name][i])[0]);
            let near = 1e-3 * (expected.abs() + f64::from(row(&outputs["spread"][i])[0]));
            assert!(
                (got - expected).abs() <= near,
                "row {i}, {name}: {got}, golden {expected}"
            );
        }
    }
}

#[test]
fn a_damaged_model_file_is_refused_with_what_where_and_how_to_fix_it() {
    let there = tempfile::tempdir().unwrap();
    let copy = |name: &str| std::fs::copy(folder().join(name), there.path().join(name)).unwrap();
    std::fs::create_dir(there.path().join("files")).unwrap();
    copy("catalogue.toml");
    copy("files/forecaster-1.onnx");
    let file = there.path().join("files/forecaster-1.onnx");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let error = Engine::open(
        &there.path().join("catalogue.toml"),
        "forecaster",
        &RuntimePath(None),
    )
    .unwrap_err();
    let text = words(&error);
    for part in ["forecaster-1.onnx", "SHA-256", "put back the file"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn an_unknown_model_is_refused_with_the_known_ones() {
    let text = words(&Engine::open(&catalogue(), "oracle", &RuntimePath(None)).unwrap_err());
    assert!(
        text.contains("oracle") && text.contains("forecaster"),
        "{text}"
    );
}

#[test]
fn without_the_library_the_engine_opens_and_says_that_scoring_is_unavailable() {
    let nowhere = RuntimePath(Some(PathBuf::from("nowhere/libonnxruntime.so")));
    let mut engine = Engine::open(&catalogue(), "forecaster", &nowhere).unwrap();
    let Availability::Unavailable(reason) = engine.availability().clone() else {
        panic!("available without a library")
    };
    assert!(
        reason.contains("nowhere/libonnxruntime.so") && reason.contains("models/setup"),
        "{reason}"
    );
    let mut state = SeriesState::default();
    let due = (0..40)
        .filter_map(|i| state.push(i, Some(i as f64)))
        .next_back()
        .unwrap();
    assert!(matches!(
        engine.score(&mut [(&mut state, due)]),
        Err(ScoreError::Unavailable(_))
    ));
}

fn sample(series: usize, n: usize) -> Option<f64> {
    let wave = (n as f64 * (0.05 + 0.01 * series as f64)).sin();
    (n % 37 != 5).then_some(if n == 700 { wave + 12.0 } else { wave })
}

fn run(
    engine: &mut Engine,
    states: &mut [SeriesState],
    rows: std::ops::Range<usize>,
) -> Vec<models::Score> {
    let mut scores = Vec::new();
    for n in rows {
        let mut due: Vec<_> = states
            .iter_mut()
            .enumerate()
            .filter_map(|(i, state)| {
                state
                    .push(n as i64 * 1000, sample(i, n))
                    .map(|due| (state, due))
            })
            .collect();
        scores.extend(engine.score(&mut due).unwrap());
    }
    scores
}

#[test]
fn a_restart_in_mid_window_gives_the_same_scores_and_a_spike_is_a_signal() {
    let Some(mut engine) = engine() else { return };
    let whole = run(&mut engine, &mut vec![SeriesState::default(); 5], 0..900);
    let mut states = vec![SeriesState::default(); 5];
    let mut parts = run(&mut engine, &mut states, 0..643);
    let mut states: Vec<_> = states
        .iter()
        .map(|s| SeriesState::from_bytes(&s.to_bytes()).unwrap())
        .collect();
    parts.extend(run(&mut engine, &mut states, 643..900));
    assert_eq!(parts, whole);
    assert!(
        whole
            .iter()
            .any(|s| s.is_signal && s.expected_high < 2.0 && s.expected_low > -2.0)
    );
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let mut state = SeriesState::default();
    for i in 0..50 {
        state.push(i, Some(1.0));
    }
    let bytes = state.to_bytes();
    assert!(SeriesState::from_bytes(&bytes[..bytes.len() - 3]).is_err());
    assert!(SeriesState::from_bytes(&[9]).is_err());
    assert!(SeriesState::from_bytes(&[]).is_err());
}

#[test]
fn engines_that_start_at_once_share_the_one_environment() {
    let opened: Vec<_> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..8).map(|_| scope.spawn(engine)).collect();
        started.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let first = opened[0].is_some();
    assert!(opened.iter().all(|engine| engine.is_some() == first));
}
