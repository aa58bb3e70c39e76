//! `doctor`, as somebody runs it whose site has trouble: with a controller that runs, one that
//! hangs, one that is stopped, and a config that is broken; and no secret ever leaves.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use serde_json::Value;

#[path = "support/bench.rs"]
mod bench;

use bench::{Bench, text};

/// What the files hold that the config of the bench names, and what was issued.
const SECRETS: [&str; 5] =
    ["pile secret", "SIMCODE", "cloud-secret \"7\"", "issued/by the cloud", "inline hunter2"];

/// Each of them takes another way into what is shown.
fn spread(bench: &Bench) {
    bench.secret("cloud", SECRETS[2]);
    let data = bench.dir.path().join("data");
    fs::create_dir_all(&data).unwrap();
    let issued = format!(
        "[uplink.cloud]\ndevice = \"D1\"\nusername = \"u\"\npassword = \"{}\"\n",
        SECRETS[3]
    );
    fs::write(data.join("uplinks.toml"), issued).unwrap();
    let quoted = serde_json::to_string(SECRETS[2]).unwrap();
    bench.append(&format!(
        "# once it was {}, then SIMCODE, and {quoted}\n# password = \"{}\"\n\
         # see mqtt://me:{}@example.com/?token=abcdef\n",
        SECRETS[0],
        SECRETS[4],
        SECRETS[3].replace('/', "%2F").replace(' ', "%20"),
    ));
}

/// The text; whatever happens, it is made and has no secret in it.
fn doctor(bench: &Bench) -> String {
    let output = bench.cli(&["doctor"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told = text(&output.stderr);
    assert!(told.contains("finding(s): "), "{told}");
    let document = text(&output.stdout);
    for secret in SECRETS.iter().copied().chain(["abcdef", "cloud-secret", "by%20the", "hunter2"]) {
        assert!(!document.contains(secret) && !told.contains(secret), "{secret}:\n{document}");
    }
    document
}

/// What stands below a heading.
fn section<'d>(document: &'d str, title: &str) -> &'d str {
    let (_, rest) = document.split_once(&format!("\n== {title}\n\n")).unwrap();
    rest.split("\n== ").next().unwrap()
}

/// Severity and text of the findings.
fn findings(bench: &Bench) -> Vec<(String, String)> {
    let document = bench.json(&["doctor"]);
    assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let all = document["findings"].as_array().unwrap().iter();
    all.map(|finding| (word(finding, "severity"), word(finding, "text"))).collect()
}

fn assert_found(found: &[(String, String)], severity: &str, words: &str) {
    let is_it = |(of, text): &&(String, String)| of == severity && text.contains(words);
    assert_eq!(found.iter().filter(is_it).count(), 1, "{severity}: {words}: {found:#?}");
}

/// Names, owners and modes of all that is there.
fn tree(dir: &Path) -> Vec<(String, u32, u32, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        found.push((entry.path().display().to_string(), meta.uid(), meta.gid(), meta.mode()));
        if meta.is_dir() {
            found.extend(tree(&entry.path()));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_site_is_looked_at_whatever_state_it_is_in() {
    let mut bench = Bench::new();
    spread(&bench);
    bench.start().await;
    let document = doctor(&bench);
    let status: Value = serde_json::from_str(section(&document, "STATUS")).unwrap();
    assert_eq!(status["site"]["code"], "3101150012");
    assert!(section(&document, "METRICS").contains("sitepilot_healthy{} 1"), "{document}");
    assert!(section(&document, "ORDERS").contains("not settled   0"), "{document}");
    let config = section(&document, "CONFIG");
    assert!(config.contains("once it was █████, then █████, and \"█████\""), "{config}");
    assert!(config.contains("# password = \"█████\""), "{config}");
    assert!(config.contains("mqtt://█████@example.com/?█████"), "{config}");
    assert!(config.contains("code = \"3101150012000001\""), "a code is no card: {config}");
    let files = section(&document, "FILES");
    assert!(files.contains("/data/ledger.db") && files.contains("/site.toml"), "{files}");
    let found = findings(&bench);
    assert_found(&found, "wrong", "the uplink cloud is offline");
    assert_found(&found, "note", "1 of 1 piles are not connected");
    assert!(found.iter().all(|(_, text)| !text.contains("controller")), "it runs: {found:?}");

    // It hangs: somebody takes the connection, and nobody answers.
    bench.signal("-STOP");
    let document = doctor(&bench);
    assert!(section(&document, "FINDINGS").contains("the controller does not answer: no answer"));
    assert!(section(&document, "STATUS").starts_with("cannot: no answer within"), "{document}");
    assert!(section(&document, "ORDERS").contains("not settled   0"), "its file can be read");
    bench.signal("-CONT");

    // It is stopped, and somebody else has its port.
    assert_eq!(bench.terminate(), Some(0), "{}", bench.log());
    let _holder = std::net::TcpListener::bind(("127.0.0.1", bench.doors)).unwrap();
    let before = tree(bench.dir.path());
    let document = doctor(&bench);
    assert!(section(&document, "ORDERS").contains("not settled   0"), "{document}");
    let found = findings(&bench);
    assert_found(&found, "severe", "the controller does not run");
    let port = bench.doors;
    assert_found(&found, "severe", &format!("port {port} (broker.listen) is taken: cli_doctor"));
    assert_eq!(tree(bench.dir.path()), before, "it leaves nothing behind");
}

#[test]
fn a_config_that_is_broken_tells_no_secret_either() {
    let bench = Bench::new();
    spread(&bench);
    // Not TOML at all; secrets in it itself, of which one never ends.
    bench.append("[[[\npassword = inline hunter2\npassword = \"\"\"inline hunter2");
    let document = doctor(&bench);
    let config = section(&document, "CONFIG");
    assert!(
        config.contains("password = █████") && config.contains("once it was █████"),
        "{config}"
    );
    assert!(section(&document, "TIME").contains("kept by NTP"), "the rest is there");
    let found = findings(&bench);
    assert!(found.iter().any(|(severity, text)| severity == "severe" && text.contains("TOML")));
    assert_found(&found, "severe", "the controller does not run");

    fs::remove_file(bench.config()).unwrap();
    fs::remove_dir_all(bench.dir.path().join("data")).unwrap();
    assert_found(&findings(&bench), "severe", "there is no config");
}

#[test]
fn it_goes_into_a_new_file_that_nobody_else_can_read() {
    let bench = Bench::new();
    let file = bench.dir.path().join("support.txt");
    let output = || bench.cli(&["doctor", "--output", file.to_str().unwrap()]);
    let first = output();
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    assert!(first.stdout.is_empty());
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.starts_with("sitepilot doctor "), "{written}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let second = output();
    assert_eq!(second.status.code(), Some(1));
    let told = text(&second.stderr);
    assert!(told.contains("there is such a file already") && told.contains("hint: "), "{told}");
    assert_eq!(fs::read_to_string(&file).unwrap(), written, "it is left alone");
    let nowhere = bench.dir.path().join("nowhere/support.txt");
    let third = bench.cli(&["doctor", "--output", nowhere.to_str().unwrap()]);
    assert_eq!(third.status.code(), Some(1));
    assert!(text(&third.stderr).contains("cannot write"));
}
