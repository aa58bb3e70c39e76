//! What the fuzz targets in `fuzz/` run, and `cargo test` replays over their committed corpora.
//!
//! Each takes any bytes and panics where a promise is broken.

mod apdu;
mod ec;
mod jcpp;
mod peaq;

pub use crate::broker::fuzzing::{packet, session};
pub use apdu::apdu;
pub use ec::ec;
pub use jcpp::jcpp;
pub use peaq::peaq;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{collections::BTreeMap, fs, path::Path};

    type Target = fn(&[u8]);

    #[test]
    fn the_committed_corpora_hold() {
        let targets: BTreeMap<&str, Target> = BTreeMap::from([
            ("apdu", super::apdu as Target),
            ("ec", super::ec),
            ("jcpp", super::jcpp),
            ("packet", super::packet),
            ("peaq", super::peaq),
            ("session", super::session),
        ]);
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        let mut replayed = BTreeMap::new();
        for folder in fs::read_dir(corpora).unwrap() {
            let folder = folder.unwrap().path();
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let target = targets.get(name.as_str()).expect("every corpus has a target");
            for file in fs::read_dir(&folder).unwrap() {
                target(&fs::read(file.unwrap().path()).unwrap());
                *replayed.entry(name.clone()).or_insert(0_u32) += 1;
            }
        }
        println!("inputs replayed: {replayed:?}");
        assert_eq!(replayed.len(), targets.len());
        assert!(replayed.values().all(|count| *count >= 20), "{replayed:?}");
    }
}
