#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

/// A manager that listens, and the line to it.
fn manager() -> (tempfile::TempDir, UnixDatagram, Manager) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let ear = UnixDatagram::bind(&path).unwrap();
    ear.set_nonblocking(true).unwrap();
    let manager = Manager::at(path.as_os_str()).unwrap();
    (dir, ear, manager)
}

/// What has been said since.
fn heard(ear: &UnixDatagram) -> Vec<String> {
    let mut messages = Vec::new();
    let mut message = [0; 4096];
    while let Ok(length) = ear.recv(&mut message) {
        messages.push(std::str::from_utf8(&message[..length]).unwrap().to_owned());
    }
    messages
}

#[test]
fn each_turn_of_the_service_is_one_message_with_a_status() {
    let (_dir, ear, manager) = manager();
    manager.status("restoring");
    manager.ready("all well");
    manager.alive();
    manager.stopping("stopping");
    let wanted = [
        "STATUS=restoring\n",
        "READY=1\nSTATUS=all well\n",
        "WATCHDOG=1\n",
        "STOPPING=1\nSTATUS=stopping\n",
    ];
    assert_eq!(heard(&ear), wanted);
    manager.reloading();
    let told = heard(&ear).concat();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!((lines[0], lines[2]), ("RELOADING=1", "STATUS=reading the config again"));
    let time: u64 = lines[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!(time > 0);
}

#[test]
fn the_same_status_is_said_once_and_fits_in_a_line() {
    let (_dir, ear, manager) = manager();
    manager.ready("1 pile");
    manager.status("1 pile");
    manager.status("2 piles\nREADY=1\r\n");
    assert_eq!(heard(&ear), ["READY=1\nSTATUS=1 pile\n", "STATUS=2 piles READY=1  \n"]);
    manager.status(&"桩".repeat(1000));
    let told = heard(&ear).concat();
    assert_eq!(told.len(), "STATUS=\n".len() + 399, "whole characters only");
}

#[test]
fn a_manager_that_does_not_read_holds_nobody_up_and_misses_no_turn() {
    let (_dir, ear, manager) = manager();
    // More than any socket holds.
    for _ in 0..10_000 {
        manager.alive();
    }
    manager.ready("first");
    for _ in 0..100 {
        manager.reloading();
        manager.ready("again");
    }
    manager.status("lost");
    manager.stopping("end");
    let before = heard(&ear);
    assert!(before.iter().all(|message| message == "WATCHDOG=1\n"), "{before:?}");
    // It reads again: what waited comes first, and what was lost is not believed to be said.
    manager.alive();
    let turns = ["READY=1\nSTATUS=again\n", "STOPPING=1\nSTATUS=end\n", "WATCHDOG=1\n"];
    assert_eq!(heard(&ear), turns);
    manager.status("lost");
    assert_eq!(heard(&ear), ["STATUS=lost\n"]);
}

#[test]
fn without_a_manager_or_with_one_that_is_gone_nothing_happens() {
    let (dir, ear, gone) = manager();
    drop((dir, ear));
    for manager in [Manager::default(), gone] {
        manager.ready("well");
        manager.alive();
        manager.status("still well");
        assert_eq!(manager.said().waiting.len(), 0);
    }
    assert!(Manager::at(OsStr::new(&"x".repeat(200))).is_err(), "no address");
    Manager::at(OsStr::new("@sitepilot-test")).unwrap().ready("well");
}
