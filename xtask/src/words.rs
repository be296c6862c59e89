//! What must not stand in the repository: paths of the machine it was written on.

use std::process::Command;

use crate::House;

pub(crate) fn check(house: &House) -> Vec<String> {
    let words = forbidden(house);
    let mut faults = Vec::new();
    for file in &house.files {
        for (line, n) in file.text.lines().zip(1..) {
            faults.extend(words.iter().filter(|w| line.contains(w.as_str())).map(|w| format!("{}:{n}: names a path of this machine ({w})", file.path)));
        }
    }
    // Without git (a source archive) there are no messages to look at.
    if let Ok(log) = Command::new("git").args(["log", "--format=%h %B"]).current_dir(&house.root).output() {
        let log = String::from_utf8_lossy(&log.stdout).into_owned();
        for line in log.lines() {
            faults.extend(words.iter().filter(|w| line.contains(w.as_str())).map(|w| format!("a commit message names a path of this machine ({w}): {line}")));
        }
    }
    faults
}

/// Where this checkout lies, what lies beside it, and where people's homes are.
fn forbidden(house: &House) -> Vec<String> {
    let mut words = vec![concat!("/ro", "ot/").to_string(), concat!("/Use", "rs/").to_string()];
    words.push(house.root.display().to_string());
    let beside = house.root.parent().filter(|p| p.parent().is_some()).and_then(|p| std::fs::read_dir(p).ok());
    words.extend(beside.into_iter().flatten().flatten().map(|entry| entry.path().display().to_string()));
    words
}
