//! The shipped rules, one table each; late, future and missing readings.

use super::{MINUTE, START, Stage, block, check, lines, play, shipped};
use contract::Quality;
use gateway::detect::rule::Rule;

#[test]
fn a_freezer_may_defrost_for_half_an_hour_but_not_stand_open() {
    check(
        "F-01a",
        "freezer",
        "20 temperature=-18; 30 temperature=-5; 100 temperature=-18",
        &[],
    );
    check(
        "F-01a",
        "freezer",
        "20 temperature=-18; 45 temperature=-9; 100 temperature=-18",
        &["20..65 -9.00"],
    );
    check(
        "F-01b",
        "freezer",
        "20 temperature=-18; 45 temperature=-9; 100 temperature=-18",
        &[],
    );
    check(
        "F-01b",
        "freezer",
        "20 temperature=-18; 70 temperature=-9; 200 temperature=-18",
        &["20..90 -9.00"],
    );
}

#[test]
fn what_a_camera_sees_is_judged_from_the_day_on_which_people_were_told_and_its_health_always() {
    let mut rules = shipped();
    let black = rules.iter().find(|r| r.id == "V-11-black").unwrap().clone();
    rules.push(Rule {
        id: "sees".into(),
        point: "see.no_mask".into(),
        ..black
    });
    let story = "10 see.no_mask=0; 5 see.no_mask=1 health.black=1; 10 see.no_mask=0; 5 see.no_mask=1; 10 see.no_mask=0";
    let check = |since: Option<i64>, expected: &[&str]| {
        let mut stage = Stage::new("camera");
        let blocks = stage.blocks(story);
        stage.facts.sees_since = since.map(|ms| (Stage::place(), ms)).into_iter().collect();
        let signals = play(&mut stage.rules(rules.clone()), &blocks);
        assert_eq!(lines(&signals, "sees"), expected, "{since:?}");
        assert_eq!(lines(&signals, "V-11-black"), ["10..open 1.00"]);
    };
    check(Some(START), &["10..15 1.00", "25..30 1.00"]);
    check(Some(START + 20 * MINUTE), &["25..30 1.00"]);
    // In the middle of an episode: it begins there.
    check(Some(START + 12 * MINUTE), &["12..15 1.00", "25..30 1.00"]);
    check(None, &[]);
}

#[test]
fn a_suspect_reading_neither_opens_nor_feeds_an_episode() {
    check(
        "F-01a",
        "freezer",
        "20 temperature=-18; 90 temperature=-5!; 20 temperature=-18",
        &[],
    );
}

#[test]
fn a_second_violation_is_a_second_signal() {
    check(
        "F-02a",
        "cold_room",
        "10 temperature=4; 40 temperature=9; 90 temperature=4; 40 temperature=10; 90 temperature=4",
        &["10..50 9.00", "140..180 10.00"],
    );
}

#[test]
fn thirty_minutes_of_silence_are_a_gap_and_the_next_reading_ends_it() {
    check(
        "F-03",
        "cold_room",
        "10 temperature=4; 29 silent; 5 temperature=4",
        &[],
    );
    check(
        "F-03",
        "cold_room",
        "10 temperature=4; 50 silent; 5 temperature=4",
        &["9..60 51.00"],
    );
}

#[test]
fn fume_counts_only_while_the_fan_runs() {
    check("A-01", "fume_monitor", "60 fume=3 fan_current=0.1", &[]);
    check(
        "A-01",
        "fume_monitor",
        "30 fume=1 fan_current=8; 40 fume=3 fan_current=8; 60 fume=0.2 fan_current=0.1",
        &["36..71 3.00"],
    );
}

#[test]
fn a_fan_without_its_purifier_is_told_after_ten_minutes() {
    check(
        "A-04",
        "fume_monitor",
        "20 purifier_current=2.3 fan_current=8; 9 purifier_current=0 fan_current=8; 30 purifier_current=2.3 fan_current=8",
        &[],
    );
    check(
        "A-04",
        "fume_monitor",
        "20 purifier_current=2.3 fan_current=8; 15 purifier_current=0 fan_current=8; 30 purifier_current=2.3 fan_current=8",
        &["20..35 0.00"],
    );
    check(
        "A-04",
        "fume_monitor",
        "60 purifier_current=0 fan_current=0",
        &[],
    );
}

#[test]
fn a_boiler_is_judged_on_converted_means_of_valid_hours() {
    // 36 mg/m3 at 11 % oxygen is 63 mg/m3 at 3.5 %.
    check(
        "A-12-so2",
        "stack_monitor",
        "61 so2=36 o2=11; 10 so2=1 o2=4",
        &["0..open 63.00"],
    );
    // The same concentration at little oxygen is within the limit.
    check(
        "A-12-so2",
        "stack_monitor",
        "61 so2=36 o2=4; 10 so2=1 o2=4",
        &[],
    );
    // 44 valid minutes are no hour.
    check(
        "A-12-so2",
        "stack_monitor",
        "44 so2=36 o2=11; 16 so2=36! o2=11; 10 so2=1 o2=4",
        &[],
    );
    // Nothing burns.
    check(
        "A-12-so2",
        "stack_monitor",
        "61 so2=36 o2=20.4; 10 so2=1 o2=20.4",
        &[],
    );
}

#[test]
fn gas_is_told_at_the_third_sample() {
    check(
        "S-01a",
        "gas_detector",
        "10 combustible_gas=1; 2 combustible_gas=30; 10 combustible_gas=1",
        &[],
    );
    check(
        "S-01a",
        "gas_detector",
        "10 combustible_gas=1; 3 combustible_gas=30; 10 combustible_gas=1",
        &["10..13 30.00"],
    );
}

#[test]
fn a_cycling_store_that_goes_calm_is_a_lead_and_a_calm_one_is_not() {
    let cycle = "5 temperature=3; 5 temperature=4; 5 temperature=5; 5 temperature=4;".repeat(6);
    check(
        "T-19",
        "cold_room",
        &format!("{cycle} 100 temperature=0.2"),
        &["180..open 0.00"],
    );
    check("T-19", "cold_room", "300 temperature=2", &[]);
}

#[test]
fn a_constant_value_above_the_detection_limit_is_a_lead() {
    check(
        "T-01-so2",
        "stack_monitor",
        "5 so2=10; 40 so2=12; 5 so2=11",
        &["5..45 39.00"],
    );
    check("T-01-so2", "stack_monitor", "60 so2=1", &[]);
}

#[test]
fn the_clock_of_the_journal_and_not_of_the_machine_decides_about_silence() {
    // The gateway was down for two hours: nothing is held against the point.
    let stage = Stage::new("cold_room");
    let key = stage.key("temperature");
    let value = [(key, 4.0, Quality::Good)];
    let later = START + 120 * MINUTE;
    let blocks = vec![
        block(START, START, &value),
        block(later, later, &[]),
        block(later + MINUTE, later + MINUTE, &value),
    ];
    let mut rules = stage.rules(shipped());
    assert_eq!(lines(&play(&mut rules, &blocks), "F-03"), [] as [&str; 0]);
}

#[test]
fn history_that_overtakes_nothing_is_judged_and_a_clock_ahead_is_left() {
    let stage = Stage::new("freezer");
    let key = stage.key("temperature");
    let warm = [(key, -5.0, Quality::Good)];
    let cold = [(key, -18.0, Quality::Good)];
    let now = START + 300 * MINUTE;
    let mut blocks = vec![block(now, now, &cold)];
    for minute in 0..50 {
        blocks.push(block(now + minute * 1000, START + minute * MINUTE, &warm));
        blocks.push(block(now + minute * 1000, now + minute * 1000, &cold));
    }
    blocks.push(block(now + 60_000, now + 48 * 3_600_000, &warm));
    blocks.extend((1..15).map(|m| block(now + m * MINUTE, now + m * MINUTE, &cold)));
    let mut rules = stage.rules(shipped());
    let signals = play(&mut rules, &blocks);
    assert_eq!(lines(&signals, "F-01a"), ["0..49 -5.00"]);
    assert_eq!((rules.left().ahead, rules.left().late), (1, 0));
}
