//! A backup on its way into a data directory.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{
    super::{
        Summary, Verdict,
        error::LedgerError,
        journal,
        note::{self, Note},
        open, salvage,
    },
    Draft, Item, discard, new_file,
};

/// A data directory on which no controller runs, for as long as this lives.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not used")] File);

impl Lock {
    /// Takes it.
    ///
    /// # Errors
    ///
    /// `Locked` if a controller runs there, `Full`, `Io`.
    pub fn take(dir: &Path) -> Result<Self, LedgerError> {
        open::lock(dir).map(Self)
    }
}

/// Where a backup is copied to before it is checked.
const NEW_FILE: &str = "ledger.restore.db";

/// Every member of the group may read a ledger, nobody else.
const MODE: u32 = 0o640;

/// A backup on its way into a data directory; what is not put in its seat is removed again.
#[derive(Debug)]
pub struct Seated {
    /// `None` only while it takes its seat.
    draft: Option<Draft>,
    dir: PathBuf,
}

/// What a restored ledger has replaced.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Where the former ledger is kept.
    pub aside: Option<PathBuf>,
    /// Journal rows of the former ledger beyond the restored one's.
    pub newer_rows: Option<u64>,
}

impl Seated {
    /// Copies a backup into a data directory.
    ///
    /// # Errors
    ///
    /// `Full`, `Io`, and `Corrupt` if it is no database.
    pub fn copy(mut backup: File, dir: &Path) -> Result<Self, LedgerError> {
        let path = dir.join(NEW_FILE);
        discard(&path)?;
        let mut seated = Self { draft: None, dir: dir.to_owned() };
        io::copy(&mut backup, &mut new_file(&path)?)?;
        seated.draft = Some(Draft::open(&path)?);
        Ok(seated)
    }

    fn draft(&mut self) -> &mut Draft {
        self.draft.as_mut().expect("only taking the seat takes it")
    }

    /// As [`Draft::check`].
    ///
    /// # Errors
    ///
    /// Those of [`Draft::check`].
    pub fn check(&mut self) -> Result<(Summary, Verdict), LedgerError> {
        self.draft().check()
    }

    /// As [`Draft::luggage`].
    ///
    /// # Errors
    ///
    /// Those of [`Draft::luggage`].
    pub fn luggage(&mut self) -> Result<Vec<Item>, LedgerError> {
        self.draft().luggage()
    }

    /// Makes it the ledger of the directory, without the other files. The former one is kept under
    /// another name. Cut off at any point, the next start of the controller finds the one or the
    /// other, whole.
    ///
    /// # Errors
    ///
    /// `Full`, `Io`.
    pub fn take_seat(mut self) -> Result<Replaced, LedgerError> {
        use std::os::unix::fs::PermissionsExt as _;
        let draft = self.draft.take().expect("only this takes it");
        draft.strip()?;
        let head = journal::head(&draft.conn)?;
        draft.close()?;
        let new = self.dir.join(NEW_FILE);
        fs::set_permissions(&new, fs::Permissions::from_mode(MODE))?;
        // From here on the start of a controller ends what is cut off.
        let whole = self.dir.join(salvage::NEW_FILE);
        discard(&whole)?;
        fs::rename(new, whole)?;
        File::open(&self.dir)?.sync_all()?;
        let aside = open::set_aside(&self.dir, "before-restore")?;
        salvage::finish(&self.dir)?;
        let noted = note::read(&self.dir).unwrap_or_default();
        note::write(&self.dir, &Note { boot: noted.boot, head })?;
        let newer = noted.head.n.checked_sub(head.n).filter(|rows| *rows > 0);
        Ok(Replaced { newer_rows: newer.filter(|_| aside.is_some()), aside })
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        drop(self.draft.take());
        // What cannot be removed is replaced by the next restore.
        let _ = discard(&self.dir.join(NEW_FILE));
    }
}
