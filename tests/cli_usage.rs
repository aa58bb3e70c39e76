//! The binary from outside: usage, `check`, exit status.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

fn sitepilot(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sitepilot"));
    command.env_remove("SITEPILOT_CONFIG").args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn wrong_usage_is_64_and_help_is_0() {
    for args in [&[][..], &["frobnicate"], &["check", "--nonsense"], &["check", "extra"]] {
        let output = sitepilot(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
    let help = sitepilot(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8(help.stdout).unwrap().contains("check"));
}

#[test]
fn a_missing_config_is_78() {
    let output = sitepilot(&["check", "--config", "/nonexistent/site.toml"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).starts_with("/nonexistent/site.toml: cannot be read"));
}

/// The example as it is shipped, with its paths moved below `dir`.
fn example(dir: &Path) -> String {
    let text = fs::read_to_string("deploy/site.toml").unwrap();
    text.replace("/etc/sitepilot", dir.to_str().unwrap())
}

#[test]
fn check_accepts_the_shipped_example_once_its_secrets_exist() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("site.toml");
    let text = example(dir.path());
    fs::write(&config, &text).unwrap();
    let args = ["check", "--config", config.to_str().unwrap()];

    let before = sitepilot(&args);
    assert_eq!(before.status.code(), Some(78));
    let secrets: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once("_file = \""))
        .filter(|(key, _)| !key.contains([' ', '#']))
        .map(|(_, rest)| rest.split('"').next().unwrap())
        .collect();
    assert!(secrets.len() > 3);
    for secret in secrets {
        assert!(Path::new(secret).starts_with(dir.path()), "not to be written: {secret}");
        fs::create_dir_all(Path::new(secret).parent().unwrap()).unwrap();
        fs::write(secret, "secret\n").unwrap();
        fs::set_permissions(secret, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(stderr(&before).contains(secret), "{secret}");
    }

    let after = sitepilot(&args);
    assert_eq!(after.status.code(), Some(0), "{}", stderr(&after));
}

#[test]
fn check_takes_the_config_from_the_environment_and_tells_line_and_key() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("site.toml");
    fs::write(&config, "[site]\ncode = 7\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sitepilot"))
        .env("SITEPILOT_CONFIG", &config)
        .arg("check")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let wanted = format!("{}:2: site.code: has the wrong type", config.display());
    assert!(stderr(&output).contains(&wanted), "{}", stderr(&output));
}

#[test]
fn decode_shows_a_frame_and_refuses_what_is_none() {
    // HeartbeatReq, sequence 7: field 2 = 7, field 3 = 2.
    let output = sitepilot(&["decode", "--wire", "charger-1.10", "10:07 18 02"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("Heartbeat") && shown.contains('7'), "{shown}");
    assert_eq!(sitepilot(&["decode", "--wire", "charger-1.10", "xyz"]).status.code(), Some(64));
    assert_eq!(sitepilot(&["decode", "--wire", "charger-1.10", "ff"]).status.code(), Some(1));
    assert_eq!(sitepilot(&["decode", "--wire", "telex", "00"]).status.code(), Some(64));
}

#[test]
fn check_tells_faults_as_json_too() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("site.toml");
    fs::write(&config, "[site]\ncode = 7\n").unwrap();
    let output = sitepilot(&["check", "--json", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let faults = told["faults"].as_array().unwrap();
    let code = faults.iter().find(|fault| fault["key"] == "site.code").unwrap();
    assert_eq!(code["line"], 2);
    assert!(faults.iter().all(|fault| fault["text"].is_string()), "{told}");
}

#[test]
fn a_wrong_argument_is_told_with_what_is_right() {
    for (args, wanted) in [
        (["orders", "list", "--state", "done"], "authorised, charging, stopping"),
        (["orders", "list", "--pile", "12"], "pile code must have 16 characters, found 2"),
    ] {
        let output = sitepilot(&args);
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(stderr(&output).contains(wanted), "{}", stderr(&output));
    }
}
