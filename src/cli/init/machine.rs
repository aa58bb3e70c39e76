//! What this machine says of itself: its time zone.

use std::{fs, path::Path};

/// The name of the machine's time zone, as systemd finds it: by the link `/etc/localtime`, else
/// `/etc/timezone`. `root`: where the system's files begin.
pub(super) fn timezone(root: &Path) -> Option<String> {
    let link = fs::read_link(root.join("etc/localtime")).ok();
    let named = link.and_then(|link| Some(link.to_str()?.split_once("zoneinfo/")?.1.to_owned()));
    let written = || fs::read_to_string(root.join("etc/timezone")).ok();
    let name = named.or_else(written)?;
    let name = name.lines().next().unwrap_or_default().trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_link_counts_more_than_the_file() {
        let root = tempfile::tempdir().unwrap();
        let etc = root.path().join("etc");
        fs::create_dir(&etc).unwrap();
        assert_eq!(timezone(root.path()), None);
        fs::write(etc.join("timezone"), "\n").unwrap();
        assert_eq!(timezone(root.path()), None);
        fs::write(etc.join("timezone"), "Europe/Berlin\n").unwrap();
        assert_eq!(timezone(root.path()).as_deref(), Some("Europe/Berlin"));
        symlink("../usr/share/zoneinfo/Asia/Shanghai", etc.join("localtime")).unwrap();
        assert_eq!(timezone(root.path()).as_deref(), Some("Asia/Shanghai"));
    }
}
