//! Files that have no end, or that nobody ever writes to, in the places of ours: every command says
//! so, and takes no more memory for it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Kilobytes of addresses that a command gets: an endless file would take them all.
const MEMORY_KB: u32 = 2_000_000;

fn limited(arguments: &[&str]) -> Command {
    let limited = format!("ulimit -v {MEMORY_KB} && exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limited, env!("CARGO_BIN_EXE_sitepilot")]).args(arguments);
    command
}

fn sitepilot(arguments: &[&str]) -> Output {
    limited(arguments).stdin(Stdio::null()).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_config_without_end_is_refused_by_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let pipe_file = dir.path().join("pipe");
    pipe(&pipe_file);
    let backup = dir.path().join("x.backup");
    let backup = backup.to_str().unwrap();
    for config in ["/dev/zero", pipe_file.to_str().unwrap()] {
        for command in [
            &["check"][..],
            &["run"],
            &["status"],
            &["orders", "summary"],
            &["meters", "scan", "--bus", "b"],
            &["backup", backup],
        ] {
            let output = sitepilot(&[&["--config", config], command].concat());
            let told = told(&output);
            assert_eq!(output.status.code(), Some(78), "{config} {command:?}: {told}");
            assert!(told.contains("is not a file"), "{config} {command:?}: {told}");
        }
        let output = sitepilot(&["--config", config, "doctor"]);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        assert!(String::from_utf8_lossy(&output.stdout).contains("is not a file"));
    }
}

#[test]
fn registry_and_secrets_without_end_are_faults() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path();
    let config = place.join("site.toml");
    fs::write(place.join("secret"), "secret").unwrap();
    let output = sitepilot(&[
        "--config",
        config.to_str().unwrap(),
        "init",
        "--no-input",
        "--code=3101150012",
        "--timezone=UTC",
        "--cloud-url=mqtt://localhost",
        "--data-dir",
        place.join("data").to_str().unwrap(),
        "--cloud-code-file",
        place.join("secret").to_str().unwrap(),
        "--cloud-password-file",
        place.join("secret").to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    fs::create_dir_all(place.join("data")).unwrap();
    let check = || sitepilot(&["--config", config.to_str().unwrap(), "check"]);
    assert_eq!(check().status.code(), Some(0), "{}", told(&check()));
    for name in ["data/piles.toml", "cloud.password"] {
        let path = place.join(name);
        let before = fs::read(&path).ok();
        let _ = fs::remove_file(&path);
        symlink("/dev/zero", &path).unwrap();
        let output = check();
        assert_eq!(output.status.code(), Some(78), "{name}: {}", told(&output));
        assert!(told(&output).contains("is not a file"), "{name}: {}", told(&output));
        fs::remove_file(&path).unwrap();
        before.into_iter().for_each(|text| fs::write(&path, text).unwrap());
    }
}

#[test]
fn a_line_without_end_directs_no_simulated_peer() {
    let dir = tempfile::tempdir().unwrap();
    let endless = dir.path().join("line");
    // As much as the limit, with no end of a line in it.
    let file = fs::File::create(&endless).unwrap();
    file.set_len(u64::from(MEMORY_KB) * 1024).unwrap();
    let profile = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/meters/acrel-adl400.toml");
    let link = dir.path().join("bus");
    let peer = ["sim", "meter", "--profile", profile, "--pty", link.to_str().unwrap()];
    let ended = limited(&[&peer[..], &["--seconds", "3"]].concat())
        .stdin(fs::File::open(&endless).unwrap())
        // It quotes what it does not understand.
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(ended.code(), Some(0), "{ended}");
}

#[test]
fn what_cannot_be_written_is_no_success_and_a_reader_that_has_seen_enough_is() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("none.toml");
    let doctor = ["--config", config.to_str().unwrap(), "doctor"];
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = limited(&doctor).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert_eq!(told(&output).matches("cannot write the output").count(), 1, "{}", told(&output));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = limited(&doctor).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
}
