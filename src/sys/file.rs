//! Small files, whatever stands in their place.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

/// A name beside a file's: its own with this behind it.
#[must_use]
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Opens a file to read it. A pipe is not waited for, and no device is opened: that may do something.
///
/// # Errors
///
/// When it is no file, or cannot be opened.
pub fn open(path: &Path) -> io::Result<File> {
    // Looked at before and after: in between it may have become another one.
    must_be_file(&fs::metadata(path)?)?;
    let no_waiting = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(no_waiting).open(path)?;
    must_be_file(&file.metadata()?)?;
    Ok(file)
}

/// What is in a small file, and what the system knows of it. A pipe is not waited for, a device
/// without an end is not read, and no more than `max_bytes` are ever held in memory.
///
/// # Errors
///
/// When it is no file, is longer, or cannot be read.
pub fn read_small(path: &Path, max_bytes: u64) -> io::Result<(Vec<u8>, Metadata)> {
    let file = open(path)?;
    let meta = file.metadata()?;
    let too_long = || io::Error::other(format!("longer than {max_bytes} bytes"));
    if meta.len() > max_bytes {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile, and the kernel's own files tell no length.
    let read = file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read <= max_bytes) {
        Ok((bytes, meta))
    } else {
        Err(too_long())
    }
}

/// The text in a small file.
///
/// # Errors
///
/// Those of [`read_small`], and when it is no text.
pub fn read_small_text(path: &Path, max_bytes: u64) -> io::Result<String> {
    let (bytes, _) = read_small(path, max_bytes)?;
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "is not a text in UTF-8"))
}

fn must_be_file(meta: &Metadata) -> io::Result<()> {
    match meta {
        meta if meta.is_file() => Ok(()),
        meta if meta.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a file")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_small_file_is_read_up_to_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("small");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_small_text(&path, 5).unwrap(), "12345");
        assert_eq!(read_small(&path, 4).unwrap_err().to_string(), "longer than 4 bytes");
        // A file of the kernel says that it has no bytes.
        let told = read_small(Path::new("/proc/self/mountinfo"), 4).unwrap_err();
        assert_eq!(told.to_string(), "longer than 4 bytes");
        fs::write(&path, [0xff]).unwrap();
        assert!(read_small_text(&path, 5).unwrap_err().to_string().contains("UTF-8"));
        let missing = read_small(&dir.path().join("none"), 5).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_has_no_end_is_not_read_and_what_waits_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for path in [Path::new("/dev/zero"), &link, &pipe] {
            let told = read_small(path, 4096).unwrap_err();
            assert_eq!(told.to_string(), "is not a file", "{}", path.display());
        }
        let told = read_small(dir.path(), 4096).unwrap_err();
        assert_eq!(told.kind(), io::ErrorKind::IsADirectory);
    }
}
