//! Another model while the process runs: a shadow, a switch between two frames, and back when the new one fails.

use crate::{Agent, can_run, config, copied, frames, look, rgb, shipped};
use contract::vision::Said;
use edge_agent::vision::choice::{Change, Choice, Limits, Role};
use simulators::camera::plan::Place;
use std::path::Path;

/// The helmet classifier under another name and version, from other bytes, or damaged.
fn successor(folder: &Path, name: &str, is_damaged: bool) {
    let manifest = std::fs::read_to_string(shipped().join("vest.toml")).unwrap();
    let file = if is_damaged {
        "broken.onnx"
    } else {
        "vest-1.onnx"
    };
    let manifest = manifest
        .replace("name = \"vest\"", &format!("name = \"{name}\""))
        .replace("file = \"vest-1.onnx\"", &format!("file = \"{file}\""));
    std::fs::write(folder.join(format!("{name}.toml")), manifest).unwrap();
    let mut bytes = std::fs::read(shipped().join("vest-1.onnx")).unwrap();
    if is_damaged {
        bytes.truncate(bytes.len() / 2);
    }
    std::fs::write(folder.join(file), bytes).unwrap();
}

#[tokio::test]
async fn a_shadow_runs_beside_then_takes_over_and_a_broken_one_makes_way() {
    if !can_run() {
        return;
    }
    let folder = copied(&["simulated-persons", "vest"]);
    successor(folder.path(), "vest-next", false);
    successor(folder.path(), "vest-bad", true);
    let agent = Agent::start(config(vec![folder.path().into()]));
    let frames = frames(Place::Workshop, 12, 12);
    let look_with = async |choice: &mut Choice| {
        let (mut of_use, mut of_shadow, mut changes, mut answers) = (0, 0, Vec::new(), 0);
        for (picture, _) in &frames {
            let (pixels, body) = rgb(picture);
            let models: Vec<&str> = choice.models().collect();
            let what = look(pixels, &models, &[]);
            let answered = agent.vision.ask(what, body).await.map(|(answer, _)| answer);
            if let Ok(answer) = &answered
                && let Said::Seen(seen) = &answer.said
            {
                answers += 1;
                let verdicts = seen.persons.iter().flat_map(|person| &person.verdicts);
                for verdict in verdicts {
                    match choice.role(&verdict.model) {
                        Some(Role::InUse) => of_use += 1,
                        Some(Role::Shadow) => of_shadow += 1,
                        None => panic!("{verdict:?}"),
                    }
                }
            }
            changes.extend(choice.heard(&answered));
        }
        (of_use, of_shadow, changes, answers)
    };
    let mut shadowed = Choice::new("vest", Some("vest-next"), None, Limits::default());
    let (of_use, of_shadow, changes, answers) = look_with(&mut shadowed).await;
    assert!(of_use > 10 && of_use == of_shadow, "{of_use}, {of_shadow}");
    assert_eq!((answers, changes), (12, vec![]));
    let mut switched = Choice::new("vest-next", None, Some("vest"), Limits::default());
    let (same, none, changes, answers) = look_with(&mut switched).await;
    assert_eq!((same, none, changes, answers), (of_use, 0, vec![], 12));
    let mut broken = Choice::new("vest-bad", None, Some("vest"), Limits::default());
    let (_, _, changes, answers) = look_with(&mut broken).await;
    assert!(
        matches!(&changes[..], [Change::RolledBack { from, to, why }]
            if from == "vest-bad" && to == "vest" && why.contains("SHA-256")),
        "{changes:?}"
    );
    // Three frames were lost to it, no more, and the process is the same.
    assert_eq!(
        (answers, broken.in_use(), broken.rolled_back()),
        (9, "vest", Some("vest-bad"))
    );
    assert_eq!(agent.metrics.vision.started.get(), 1);
    agent.stop().await;
}
