//! A sealed file is opened by both custodians, with a program nobody here wrote, and by neither of them alone.

use crate::{Agent, config, failed, shipped};
use bytes::Bytes;
use contract::vision::{Said, What};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// False, with the reason printed, where age is not on this machine; under CI that is a failure.
fn has_age() -> bool {
    let there = Command::new("age").arg("--version").output().is_ok();
    if !there {
        let reason = "the program age is not there (Debian package age)";
        assert!(std::env::var_os("CI").is_none(), "{reason}");
        println!("not checked: {reason}");
    }
    there
}

/// A custodian: the file of the secret key, and the public key.
fn custodian(folder: &Path, name: &str) -> (PathBuf, String) {
    let file = folder.join(name);
    let made = Command::new("age-keygen")
        .arg("-o")
        .arg(&file)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let public = Command::new("age-keygen")
        .arg("-y")
        .arg(&file)
        .output()
        .unwrap();
    let key = String::from_utf8(public.stdout).unwrap().trim().to_owned();
    assert!(key.starts_with("age1"), "{key}");
    (file, key)
}

fn opened(key: &Path, sealed: &Path) -> Output {
    let mut age = Command::new("age");
    let age = age
        .arg("-d")
        .arg("-i")
        .arg(key)
        .arg(sealed)
        .stdin(Stdio::null());
    age.output().unwrap()
}

#[tokio::test]
async fn it_takes_both_custodians_to_open_what_was_sealed() {
    if !has_age() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let (first, first_key) = custodian(place, "first");
    let (second, second_key) = custodian(place, "second");
    // Several chunks of age, the last one not full.
    let original: Vec<u8> = (0..3_000_001_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let (from, to) = (place.join("original.ts"), place.join("original.age"));
    std::fs::write(&from, &original).unwrap();
    let agent = Agent::start(config(vec![shipped()]));
    let seal = async |from: &Path, custodians: [&String; 2]| {
        let what = What::Seal {
            from: from.to_owned(),
            to: to.clone(),
            custodians: custodians.map(String::clone),
        };
        agent.vision.ask(what, Bytes::new()).await.unwrap().0
    };
    let answer = seal(&from, [&first_key, &second_key]).await;
    let Said::Sealed { sha256, bytes } = answer.said else {
        panic!("{answer:?}")
    };
    let sealed = std::fs::read(&to).unwrap();
    assert_eq!(
        (bytes, sha256),
        (sealed.len() as u64, models::catalogue::sha256(&sealed))
    );
    assert!(!place.join("original.age.part").exists());
    // Neither alone: the first cannot open it, the second gets what only the first opens.
    assert!(!opened(&first, &to).status.success());
    let outer = opened(&second, &to);
    assert!(outer.status.success(), "{outer:?}");
    assert!(outer.stdout.starts_with(b"age-encryption.org/v1"));
    let inner = place.join("inner.age");
    std::fs::write(&inner, outer.stdout).unwrap();
    assert!(!opened(&second, &inner).status.success());
    let whole = opened(&first, &inner);
    assert!(whole.status.success() && whole.stdout == original);
    // What cannot be sealed is said, and what was sealed before stays.
    let not_a_key = "age1oops".to_owned();
    let missing = place.join("missing");
    for (from, custodians, part) in [
        (&from, [&first_key, &first_key], "two persons"),
        (&from, [&first_key, &not_a_key], "age-keygen"),
        (&missing, [&first_key, &second_key], "cannot read"),
    ] {
        let answer = seal(from, custodians).await;
        let (model, words) = failed(&answer);
        assert!(model.is_none() && words.contains(part), "{words}");
    }
    assert_eq!(std::fs::read(&to).unwrap(), sealed);
    agent.stop().await;
}
