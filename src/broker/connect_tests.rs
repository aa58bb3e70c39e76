use super::*;

/// Name, level, flags, a keep-alive of 5, the client id "c", and more.
fn body(level: u8, flags: u8, tail: &[u8]) -> Bytes {
    let mut bytes = vec![0, 4, b'M', b'Q', b'T', b'T', level, flags, 0, 5, 0, 1, b'c'];
    bytes.extend(tail);
    bytes.into()
}

fn refused(flags: u8, tail: &[u8]) -> Malformed {
    read(body(4, flags, tail)).expect_err("a malformed CONNECT was taken")
}

#[test]
fn absent_is_not_empty() {
    let login = |flags, tail: &[u8]| {
        let connect = read(body(4, flags, tail)).expect("valid");
        (connect.username, connect.password)
    };
    assert_eq!(login(0x02, &[]), (None, None));
    assert_eq!(login(0x82, &[0, 0]), (Some(String::new()), None));
    assert_eq!(login(0xc2, &[0, 0, 0, 0]), (Some(String::new()), Some(Bytes::new())));
}

#[test]
fn a_password_and_a_will_are_bytes() {
    let tail = [&[0, 1, b't', 0, 2, 0xff, 0][..], &[0, 1, b'u'], &[0, 2, 0xff, 0]].concat();
    let connect = read(body(4, 0xf4, &tail)).expect("valid");
    assert_eq!((connect.clean, connect.keep_alive), (false, 5));
    assert_eq!(connect.client_id, "c");
    let will = connect.will.expect("flags say so");
    assert_eq!((will.topic.as_str(), &*will.payload), ("t", &[0xff, 0][..]));
    assert_eq!((will.qos, will.retain), (2, true));
    assert_eq!(connect.password.as_deref(), Some(&[0xff, 0][..]));
}

#[test]
fn contradictions_are_refused() {
    for flags in [0x03, 0x42, 0x22, 0x0a, 0x1e] {
        assert_eq!(refused(flags, &[0; 20]), Malformed::ConnectFlags, "{flags:02x}");
    }
    assert_eq!(refused(0x02, b"tail"), Malformed::Fields);
    assert_eq!(refused(0x82, &[]), Malformed::Fields);
    assert_eq!(refused(0x82, &[0, 9, b'x']), Malformed::Fields);
    assert_eq!(refused(0x82, &[0, 1, 0xff]), Malformed::Utf8);
    assert_eq!(refused(0x82, &[0, 1, 0]), Malformed::Utf8);
    assert!(matches!(refused(0x06, &[0, 1, b'#', 0, 0]), Malformed::Topic(_)));
    assert_eq!(read(body(5, 0x02, &[])).expect_err("another version"), Malformed::Version);
    assert_eq!(read(Bytes::new()).expect_err("nothing"), Malformed::Fields);
}
