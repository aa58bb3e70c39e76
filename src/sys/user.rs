//! Users and groups, and working as somebody else than root.
//!
//! A command that root runs touches files that belong to the service. Whatever it makes there has
//! to belong to the service too, or the service cannot open it at its next start. So root works as
//! the owner while it does so: [`act_as`] for a moment and in one thread, [`become_user`] for good.

use std::{
    ffi::{CStr, CString, c_char, c_int},
    io, mem,
    os::unix::fs::MetadataExt as _,
    path::Path,
    ptr,
};

use rustix::{
    process::{DumpableBehavior, getegid, geteuid, getgroups, set_dumpable_behavior},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

/// First and largest size of an entry of the user database, in bytes: a group names its members.
const ENTRY_BYTES: [usize; 2] = [1 << 10, 1 << 20];

/// First and largest number of groups of one user; the latter is the kernel's.
const GROUPS: [usize; 2] = [64, 65_536];

/// A user of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// Number of its first group, which files made by it get.
    pub gid: u32,
}

impl User {
    /// Who may do everything.
    pub const ROOT: Self = Self { uid: 0, gid: 0 };

    /// Whom this thread works as.
    #[must_use]
    pub fn current() -> Self {
        Self { uid: geteuid().as_raw(), gid: getegid().as_raw() }
    }

    /// Its name, or its number if the user database has no name for it.
    #[must_use]
    pub fn name(self) -> String {
        let found = account(Key::Number(self.uid)).ok().flatten();
        found.map_or_else(|| self.uid.to_string(), |found| found.name.to_string_lossy().into())
    }

    /// Its groups, the first one included. A user that the user database does not know has only
    /// that one.
    ///
    /// # Errors
    ///
    /// When the user database cannot be read.
    #[allow(unsafe_code)]
    pub fn groups(self) -> io::Result<Vec<u32>> {
        let Some(Account { name, .. }) = account(Key::Number(self.uid))? else {
            return Ok(vec![self.gid]);
        };
        let mut groups = vec![0; GROUPS[0]];
        loop {
            let mut count = c_int::try_from(groups.len()).map_err(io::Error::other)?;
            // SAFETY: the name ends with a zero; the call writes at most `count` numbers, and the
            // vector has as many, and then how many there are. All of it outlives the call.
            let done = unsafe {
                libc::getgrouplist(name.as_ptr(), self.gid, groups.as_mut_ptr(), &raw mut count)
            };
            let count = usize::try_from(count).map_err(io::Error::other)?;
            if done >= 0 {
                groups.truncate(count);
                return Ok(groups);
            }
            if groups.len() >= GROUPS[1] {
                return Err(io::Error::other(format!("too many groups of {}", self.name())));
            }
            groups.resize(count.clamp(groups.len() * 2, GROUPS[1]), 0);
        }
    }
}

/// The user of this name; `None` if there is none.
///
/// # Errors
///
/// When the user database cannot be read.
pub fn user_named(name: &str) -> io::Result<Option<User>> {
    let name = CString::new(name)?;
    Ok(account(Key::Name(&name))?.map(|account| account.user))
}

/// The user of this number, with its first group; `None` if the user database does not know it.
///
/// # Errors
///
/// When the user database cannot be read.
pub fn user_numbered(uid: u32) -> io::Result<Option<User>> {
    Ok(account(Key::Number(uid))?.map(|account| account.user))
}

/// Number of the group of this name; `None` if there is none.
///
/// # Errors
///
/// When the user database cannot be read.
#[allow(unsafe_code)]
pub fn group_named(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name)?;
    let mut gid = None;
    with_buffer(|buffer| {
        let mut found = ptr::null_mut();
        // SAFETY: zero is a value for all fields of `group`, numbers and pointers. The call gets a
        // name that ends with a zero, an entry, a buffer with its length and the place of the
        // result, all of which outlive it. It makes the result point to the entry, or to nothing.
        let (done, entry) = unsafe {
            let mut entry: libc::group = mem::zeroed();
            let (at, size) = (buffer.as_mut_ptr(), buffer.len());
            (libc::getgrnam_r(name.as_ptr(), &raw mut entry, at, size, &raw mut found), entry)
        };
        gid = (!found.is_null()).then_some(entry.gr_gid);
        done
    })?;
    Ok(gid)
}

/// Whether this thread may do what only root may.
#[must_use]
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Whom a file or directory belongs to; of a link, whom its target belongs to.
///
/// # Errors
///
/// When it cannot be looked at.
pub fn owner_of(path: &Path) -> io::Result<User> {
    let found = path.metadata()?;
    Ok(User { uid: found.uid(), gid: found.gid() })
}

/// Does some work as a user: what this thread makes meanwhile belongs to it, and what it may not
/// read is refused. Other threads go on as they are, and threads that the work starts stay that
/// user. Whoever is that user already just does the work.
///
/// # Errors
///
/// When this thread may not become that user, which only root may; the work is not begun then.
pub fn act_as<R>(user: User, work: impl FnOnce() -> R) -> io::Result<R> {
    if user == User::current() {
        return Ok(work());
    }
    let _back = Disguise::put_on(user)?;
    Ok(work())
}

/// Does some work as the owner of a directory if root does it, else just so: nothing that root makes
/// there belongs to root then.
///
/// # Errors
///
/// When the owner cannot be told, or this thread may not become it; the work is not begun then.
pub fn act_as_owner_of<R>(path: &Path, work: impl FnOnce() -> R) -> io::Result<R> {
    if is_root() { act_as(owner_of(path)?, work) } else { Ok(work()) }
}

/// Does some work as the owner of the directory that a file is in if root does it, else just so. The
/// file itself says nothing of its owner: it may be a link to somebody else's.
///
/// # Errors
///
/// Those of [`act_as_owner_of`].
pub fn act_as_keeper_of<R>(file: &Path, work: impl FnOnce() -> R) -> io::Result<R> {
    let dir = file.parent().filter(|dir| *dir != Path::new("")).unwrap_or(Path::new("."));
    act_as_owner_of(dir, work)
}

/// Ends the work as another user, also when it panics.
struct Disguise {
    before: User,
    groups: Vec<rustix::fs::Gid>,
}

impl Disguise {
    fn put_on(user: User) -> io::Result<Self> {
        let groups: Vec<_> =
            known(user)?.groups()?.into_iter().map(rustix::fs::Gid::from_raw).collect();
        let disguise = Self { before: User::current(), groups: getgroups()? };
        // Groups first: without root's user number they cannot be changed. If one call fails, what
        // was done before it is undone.
        set_thread_groups(&groups)?;
        set_effective_group(user.gid)?;
        set_effective_user(user.uid)?;
        Ok(disguise)
    }
}

impl Drop for Disguise {
    fn drop(&mut self) {
        let back = set_effective_user(self.before.uid)
            .and_then(|()| set_effective_group(self.before.gid))
            .and_then(|()| Ok(set_thread_groups(&self.groups)?));
        back.expect("a thread may always return to the user it really is");
    }
}

fn set_effective_user(uid: u32) -> io::Result<()> {
    Ok(set_thread_res_uid(None, rustix::fs::Uid::from_raw(uid), None)?)
}

fn set_effective_group(gid: u32) -> io::Result<()> {
    Ok(set_thread_res_gid(None, rustix::fs::Gid::from_raw(gid), None)?)
}

/// Makes the whole program a user, with all its groups and without a way back. Whoever is that user
/// already stays as it is.
///
/// # Errors
///
/// When this program may not become that user, which only root may. It must not go on then: it may
/// have lost some rights already.
#[allow(unsafe_code)]
pub fn become_user(user: User) -> io::Result<()> {
    if user == User::current() {
        return Ok(());
    }
    let groups = known(user)?.groups()?;
    let done = |code: c_int| if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    // SAFETY: the first call reads as many numbers as the vector has, the others take numbers only.
    // Those of the C library change all threads of the program.
    unsafe {
        done(libc::setgroups(groups.len(), groups.as_ptr()))?;
        done(libc::setresgid(user.gid, user.gid, user.gid))?;
        done(libc::setresuid(user.uid, user.uid, user.uid))?;
    }
    // The kernel hides the figures of a program that has changed its user, also from itself.
    Ok(set_dumpable_behavior(DumpableBehavior::Dumpable)?)
}

/// Refuses the number that stands for "no change" and would leave root what it is.
fn known(user: User) -> io::Result<User> {
    if user.uid == u32::MAX || user.gid == u32::MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no number of a user"));
    }
    Ok(user)
}

/// What an entry of the user database is looked for by.
#[derive(Clone, Copy)]
enum Key<'a> {
    Name(&'a CStr),
    Number(u32),
}

/// An entry of the user database.
struct Account {
    name: CString,
    user: User,
}

#[allow(unsafe_code)]
fn account(key: Key<'_>) -> io::Result<Option<Account>> {
    let mut account = None;
    with_buffer(|buffer| {
        let (at, size) = (buffer.as_mut_ptr(), buffer.len());
        let mut found: *mut libc::passwd = ptr::null_mut();
        // SAFETY: zero is a value for all fields of `passwd`, numbers and pointers. The call gets
        // an entry, a buffer with its length and the place of the result, all of which outlive
        // it, and a name that ends with a zero. If the result points anywhere, then to the entry,
        // whose name lies in the buffer and ends with a zero; it is copied while both are there.
        unsafe {
            let mut entry: libc::passwd = mem::zeroed();
            let done = match key {
                Key::Name(name) => {
                    libc::getpwnam_r(name.as_ptr(), &raw mut entry, at, size, &raw mut found)
                }
                Key::Number(uid) => libc::getpwuid_r(uid, &raw mut entry, at, size, &raw mut found),
            };
            account = (!found.is_null()).then(|| Account {
                name: CStr::from_ptr(entry.pw_name).to_owned(),
                user: User { uid: entry.pw_uid, gid: entry.pw_gid },
            });
            done
        }
    })?;
    Ok(account)
}

/// Asks the user database with a buffer that grows until the entry fits. The call gives an error
/// number; that there is no such entry is none.
fn with_buffer(mut call: impl FnMut(&mut [c_char]) -> c_int) -> io::Result<()> {
    let [mut bytes, most] = ENTRY_BYTES;
    loop {
        match call(&mut vec![0; bytes]) {
            0 | libc::ENOENT | libc::ESRCH => return Ok(()),
            libc::EINTR => {}
            libc::ERANGE if bytes < most => bytes *= 2,
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn users_and_groups_are_found_by_name() {
        let root = User::ROOT;
        assert_eq!(user_named("root").unwrap(), Some(root));
        assert_eq!(user_numbered(0).unwrap(), Some(root));
        assert_eq!(root.name(), "root");
        assert_eq!(group_named("root").unwrap(), Some(0));
        assert_eq!(user_named("nobody-of-that-name").unwrap(), None);
        assert_eq!(group_named("nobody-of-that-name").unwrap(), None);
        assert!(user_named("root\0").is_err());
        assert!(root.groups().unwrap().contains(&0));
        let stranger = User { uid: 12_345_678, gid: 87_654 };
        assert_eq!(stranger.name(), "12345678");
        assert_eq!(stranger.groups().unwrap(), [87_654]);
    }

    #[test]
    fn whoever_works_as_itself_needs_no_rights() {
        assert_eq!(act_as(User::current(), || 7).unwrap(), 7);
        become_user(User::current()).unwrap();
        let nobody = User { uid: u32::MAX, gid: 1 };
        assert!(act_as(nobody, || ()).is_err());
        assert!(become_user(nobody).is_err());
    }

    #[test]
    fn root_works_as_another_for_a_moment_and_others_may_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("made");
        let (before, stranger) = (User::current(), User { uid: 12_345, gid: 54_321 });
        if !is_root() {
            assert!(act_as(stranger, || ()).is_err());
            return;
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let groups = getgroups().unwrap();
        let seen = act_as(stranger, || {
            fs::write(&file, "").unwrap();
            let elsewhere = std::thread::scope(|scope| scope.spawn(User::current).join().unwrap());
            (User::current(), elsewhere, fs::read("/etc/shadow").is_err())
        });
        assert_eq!(seen.unwrap(), (stranger, stranger, true));
        assert_eq!(owner_of(&file).unwrap(), stranger);
        assert_eq!((User::current(), getgroups().unwrap()), (before, groups));

        let panicked = std::panic::catch_unwind(|| act_as(stranger, || panic!("in mid-work")));
        assert!(panicked.is_err());
        assert_eq!(User::current(), before);
    }

    #[test]
    fn another_thread_goes_on_as_it_is() {
        if !is_root() {
            // The other half of the test is root's; that others may not is tested above.
            assert!(act_as(User::ROOT, || ()).is_err());
            return;
        }
        let (ask, asked) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let other = std::thread::spawn(move || {
            asked.recv().unwrap();
            tell.send(User::current()).unwrap();
        });
        let seen = act_as(User { uid: 12_345, gid: 54_321 }, || {
            ask.send(()).unwrap();
            told.recv().unwrap()
        });
        other.join().unwrap();
        assert_eq!(seen.unwrap(), User::current());
    }
}
