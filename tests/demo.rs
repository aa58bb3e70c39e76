//! The demo as a newcomer runs it.

#![allow(missing_docs)]

use std::process::Command;

#[test]
fn the_demo_ends_with_a_good_verdict() {
    let output = Command::new(env!("CARGO_BIN_EXE_sitepilot"))
        .args(["demo", "--seconds", "20", "--seed", "5"])
        .output()
        .expect("the demo runs");
    let (said, told) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{told}");
    assert!(said.starts_with("verdict: GOOD"), "{said}");
    assert!(said.contains("1 closed by the site with the last reading, 1 disputed"), "{said}");
    assert!(told.contains("loses power in mid-order"), "{told}");
}

#[test]
fn a_demo_too_short_for_its_story_is_wrong_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_sitepilot"))
        .args(["demo", "--seconds", "3"])
        .output()
        .expect("the demo runs");
    assert_eq!(output.status.code(), Some(64));
}
