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
    for (pile, revision) in [("A", "1.10"), ("B", "1.0"), ("C", "1.10")] {
        let line = said.lines().find(|line| line.trim_start().starts_with(&format!("pile {pile}")));
        assert!(line.is_some_and(|line| line.contains(&format!("revision {revision},"))), "{said}");
    }
    assert!(said.contains("1 closed by the site with the last reading, 1 disputed"), "{said}");
    for far in ["cloud", "regulator"] {
        let line = said.lines().find(|line| line.trim_start().starts_with(far));
        let line = line.unwrap_or_else(|| panic!("no {far} in {said}"));
        assert!(line.contains("0 lost, 0 duplicated"), "{said}");
        assert!(!line.contains(" 0  orders there"), "{said}");
    }
    for outage in ["the link to the regulator breaks", "server hangs", "server is restarted"] {
        assert!(told.contains(outage), "{outage} in {told}");
    }
    assert!(told.contains("loses power in mid-order"), "{told}");
    assert!(told.contains("three meters hang on an RS-485 bus"), "{told}");
    for event in ["incomer is good", "pile-A-1 is good", "pile-A-2 is good", "pile-A-2 is stale"] {
        assert!(told.contains(&format!("meter {event}")), "{event} in {told}");
    }
    let metered = said.lines().find(|line| line.trim_start().starts_with("metered"));
    assert!(metered.is_some_and(|line| line.contains("0 do not agree")), "{said}");
}

#[test]
fn a_demo_too_short_for_its_story_is_wrong_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_sitepilot"))
        .args(["demo", "--seconds", "3"])
        .output()
        .expect("the demo runs");
    assert_eq!(output.status.code(), Some(64));
}
