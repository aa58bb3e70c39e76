//! Places of the controller that hang on request: `stall.c`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The preloaded library and the directory it looks into.
pub struct Stalls {
    dir: tempfile::TempDir,
}

impl Stalls {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/notify/stall.c");
        let done = Command::new("cc")
            .args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-O1", "-o"])
            .arg(dir.path().join("stall.so"))
            .arg(source)
            .arg("-ldl")
            .status();
        assert!(done.expect("a C compiler is needed").success());
        Self { dir }
    }

    /// What a controller has to be started with.
    pub fn environment(&self, doors: u16) -> [(&'static str, String); 3] {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        [
            ("LD_PRELOAD", text(self.dir.path().join("stall.so"))),
            ("STALLS", text(self.dir.path().to_owned())),
            ("STALL_PORT", doors.to_string()),
        ]
    }

    /// From now on whoever comes by there hangs.
    pub fn begin(&self, name: &str) {
        let done = Command::new("mkfifo").arg(self.dir.path().join(name)).status().unwrap();
        assert!(done.success());
    }

    /// Until somebody hangs there.
    pub async fn until_hanging(&self, name: &str) {
        let mark = self.dir.path().join(format!("{name}.hangs"));
        for _ in 0..600 {
            if mark.exists() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nobody hangs at {name}");
    }

    /// Lets all go on.
    pub fn end(&self, name: &str) {
        let fifo = self.dir.path().join(name);
        // A writer wakes those who wait; while the file is gone nobody waits again.
        let writer = File::options().read(true).write(true).open(&fifo).unwrap();
        fs::remove_file(fifo).unwrap();
        drop(writer);
    }
}
