//! Secrets: read from files, or made.

use std::{fs::File, io::Read as _, path::Path};

use anyhow::{Context as _, bail};

use crate::service::{
    config::{MAX_SECRET_BYTES, Secret},
    roster::chance,
};

/// Characters that nobody takes for one another, and that a pile's keypad has; 5 bits each.
const SYMBOLS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Characters of what is typed into piles: 60 bits, of which the doors let nobody try many.
const TYPED: usize = 12;

/// The secret in a file.
pub(super) fn in_file(path: &Path) -> anyhow::Result<Secret> {
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let read = file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes);
    read.with_context(|| path.display().to_string())?;
    secret(bytes).with_context(|| path.display().to_string())
}

/// The secret that somebody has typed.
pub(super) fn typed(text: String) -> anyhow::Result<Secret> {
    secret(text.into_bytes())
}

fn secret(bytes: Vec<u8>) -> anyhow::Result<Secret> {
    if u64::try_from(bytes.len())? > MAX_SECRET_BYTES {
        bail!("longer than {MAX_SECRET_BYTES} bytes");
    }
    Ok(Secret::in_file(bytes)?)
}

/// A new secret that can be typed into a pile.
pub(super) fn new() -> anyhow::Result<Secret> {
    let chance = chance().context("the system gives no randomness")?;
    let symbols = chance.iter().take(TYPED).map(|byte| SYMBOLS[usize::from(byte & 31)]);
    Ok(Secret::new(symbols.map(char::from).collect()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn new_secrets_differ_and_can_be_typed() {
        let [one, two] = [new().unwrap(), new().unwrap()];
        assert_ne!(one, two);
        assert_eq!(one.expose().len(), TYPED);
        assert!(one.expose().bytes().all(|byte| SYMBOLS.contains(&byte)), "{}", one.expose());
        assert!(SYMBOLS.iter().all(|symbol| !b"01IO".contains(symbol)));
    }

    #[test]
    fn a_file_without_a_secret_is_told_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("code");
        let told = |path: &Path| format!("{:#}", in_file(path).unwrap_err());
        assert!(told(&path).contains("code: No such file"), "{}", told(&path));
        for (text, wanted) in
            [(&b"\n"[..], "code: is an empty file"), (b"\xff", "code: is not a text")]
        {
            std::fs::write(&path, text).unwrap();
            assert!(told(&path).ends_with(wanted), "{}", told(&path));
        }
        std::fs::write(&path, "x".repeat(5000)).unwrap();
        assert!(told(&path).ends_with("longer than 4096 bytes"), "{}", told(&path));
        std::fs::write(&path, " secret \nnot this\n").unwrap();
        assert_eq!(in_file(&path).unwrap().expose(), "secret");
    }
}
