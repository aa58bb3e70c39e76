//! `sitepilot decode` from outside: the golden vectors of every wire, and what is none.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::Write as _,
    process::{Command, Output, Stdio},
};

fn decode(wire: &str, bytes: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sitepilot"));
    command.args(["decode", "--wire", wire, bytes]).output().unwrap()
}

fn decode_stdin(wire: &str, input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sitepilot"))
        .args(["decode", "--wire", wire, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that has read enough closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What is told on stderr, with the exit status.
fn refusal(output: &Output) -> (i32, String) {
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    (output.status.code().unwrap(), text(&output.stderr))
}

/// Blocks of `== name`, `source: ..`, `hex: ..`, then the text: the last two.
fn vectors(file: &str) -> Vec<(String, String)> {
    let file = fs::read_to_string(format!("tests/golden/{file}.txt")).unwrap();
    let block = |block: &str| {
        let mut lines = block.trim_end().lines().skip(2);
        let hex = lines.next().unwrap().strip_prefix("hex: ").unwrap().to_owned();
        (hex, lines.map(|line| format!("{line}\n")).collect())
    };
    file.split("== ").skip(1).map(block).collect()
}

#[test]
fn the_vectors_of_every_wire_read_as_their_text() {
    for wire in ["charger-1.0", "charger-1.10", "ec", "jcpp", "peaq"] {
        let vectors = vectors(wire);
        assert!(vectors.len() > 10, "{wire} is cut: {} vectors", vectors.len());
        for (hex, wanted) in vectors {
            let output = decode(wire, &hex);
            assert_eq!(text(&output.stdout), wanted, "{wire} {hex}\n{}", text(&output.stderr));
            assert_eq!(output.status.code(), Some(0));
        }
    }
}

#[test]
fn bytes_come_from_stdin_with_anything_between_them() {
    let output = decode_stdin("charger-1.10", b"10:07\n18 02\n");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("ID_HeartbeatReq 0x02 sequence 7"));
}

#[test]
fn frames_are_found_between_rubbish() {
    let output = decode("ec", "00 ff  45 43 00 02 00 65  00  45 43 00 02 00 65");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout).to_lowercase();
    assert_eq!(shown.matches("heartbeat").count(), 2, "{shown}");
}

#[test]
fn it_is_said_whether_an_event_or_a_state_was_taken() {
    // Event 25 with its data; then a state with an id and a status.
    let event = text(&decode("peaq", "08 19 9a 01 08 0a 02 53 50 12 02 50 4b").stdout);
    assert!(event.starts_with("peaq event AUTHORIZE_REQUEST 25\n"), "{event}");
    assert!(event.contains("consumer_public_key: \"PK\""), "{event}");
    let state = text(&decode("peaq", "0a 02 53 50 12 02 6f 6b").stdout);
    assert!(state.starts_with("peaq state of \"SP\"\n") && state.contains("\"ok\""), "{state}");
}

#[test]
fn what_is_no_hex_is_told_with_its_place() {
    let (status, told) = refusal(&decode("ec", "45 43 0g"));
    assert_eq!(status, 64);
    assert!(told.contains("at digit 5 found \"g\"") && told.contains("hint: "), "{told}");
    let (status, told) = refusal(&decode("ec", "45 4"));
    assert_eq!(status, 64);
    assert!(told.contains("half a byte") && told.contains("3 digits"), "{told}");
    let (status, told) = refusal(&decode_stdin("ec", b"EC\x00\x02\x00\xff"));
    assert_eq!(status, 64);
    assert!(told.contains("at byte 5") && told.contains("hint: "), "{told}");
    let (status, told) = refusal(&decode_stdin("ec", "45 ".repeat(1_500_000).as_bytes()));
    assert_eq!(status, 64);
    assert!(told.contains("more than 4194304 characters"), "{told}");
}

#[test]
fn what_is_no_message_is_told_with_its_place_and_a_hint() {
    // Field 2 = 7, then a field that ends before its length.
    let (status, told) = refusal(&decode("jcpp", "10 07 1a 05 61"));
    assert_eq!(status, 1);
    assert!(told.contains("at byte 2 of 5") && told.contains("hint: "), "{told}");
    let (status, told) = refusal(&decode("charger-1.10", "45 43 00 02 00 65"));
    assert_eq!(status, 1);
    assert!(told.contains("hint: --wire ec reads these bytes"), "{told}");
    let (hex, _) = vectors("charger-1.0").swap_remove(0);
    let (status, told) = refusal(&decode("charger-1.10", &hex));
    assert_eq!(status, 1);
    assert!(told.contains("hint: --wire charger-1.0 reads these bytes"), "{told}");
    let (status, told) = refusal(&decode("ec", "00 ff 12"));
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("hint: "), "{told}");
    // Cut, and by chance bytes of another wire.
    let (status, told) = refusal(&decode("ec", "45 43 00 02 00"));
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("5 bytes of one of 6") && !told.contains("reads these"), "{told}");
    let (hex, _) = vectors("jcpp").swap_remove(0);
    let (status, told) = refusal(&decode("peaq", &hex));
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("hint: --wire jcpp reads these bytes"), "{told}");
}

#[test]
fn no_bytes_are_no_frame_of_any_wire() {
    for wire in ["charger-1.10", "ec", "jcpp", "peaq"] {
        let (status, told) = refusal(&decode(wire, " "));
        assert_eq!(status, 64, "{told}");
        assert!(told.contains("no bytes") && told.contains("hint: "), "{told}");
    }
}
