//! An SQLite file system that hands everything on to the real one and records or counts what it
//! was asked to write, to sync and to delete.

#![allow(unsafe_code, reason = "SQLite calls a file system through C functions")]
#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    ptr,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::ffi;

/// Something that was done to a file.
#[derive(Debug, Clone)]
pub enum Change {
    Write {
        offset: usize,
        data: Vec<u8>,
    },
    Truncate {
        length: usize,
    },
    Sync,
    Delete,
    /// Not a change: the test says that it has come this far.
    Mark(usize),
}

/// A change and the file it was done to, by its path; empty for marks.
#[derive(Debug, Clone)]
pub struct Event {
    pub path: String,
    pub change: Change,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub syncs: u64,
    pub sync_ns: u64,
    pub log_bytes: u64,
    pub file_bytes: u64,
}

impl Counts {
    pub fn since(self, earlier: Self) -> Self {
        Self {
            syncs: self.syncs - earlier.syncs,
            sync_ns: self.sync_ns - earlier.sync_ns,
            log_bytes: self.log_bytes - earlier.log_bytes,
            file_bytes: self.file_bytes - earlier.file_bytes,
        }
    }

    pub fn bytes(self) -> u64 {
        self.log_bytes + self.file_bytes
    }
}

struct Shared {
    events: Option<Mutex<Vec<Event>>>,
    sync_delay_us: AtomicU64,
    syncs: AtomicU64,
    sync_ns: AtomicU64,
    log_bytes: AtomicU64,
    file_bytes: AtomicU64,
}

impl Shared {
    fn record(&self, path: &str, change: impl FnOnce() -> Change) {
        if let Some(events) = &self.events {
            let event = Event { path: path.to_owned(), change: change() };
            events.lock().expect("no test panics while it holds this").push(event);
        }
    }
}

/// A registered file system; it lives as long as the process.
pub struct Recorder {
    name: String,
    shared: &'static Shared,
}

static REGISTERED: AtomicU64 = AtomicU64::new(0);

impl Recorder {
    /// One that keeps every change.
    pub fn recording() -> Self {
        Self::register(Some(Mutex::default()))
    }

    /// One that only counts.
    pub fn counting() -> Self {
        Self::register(None)
    }

    fn register(events: Option<Mutex<Vec<Event>>>) -> Self {
        let name = format!("recorder-{}", REGISTERED.fetch_add(1, Ordering::Relaxed));
        let shared: &'static Shared = Box::leak(Box::new(Shared {
            events,
            sync_delay_us: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            sync_ns: AtomicU64::new(0),
            log_bytes: AtomicU64::new(0),
            file_bytes: AtomicU64::new(0),
        }));
        let c_name = CString::new(name.as_str()).expect("no zero in it");
        // SAFETY: the default file system exists once the library is initialised; the copy and its
        // name are leaked, so they outlive every connection.
        unsafe {
            assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK);
            let real = real();
            let own = Box::leak(Box::new(ptr::read(real)));
            own.szOsFile = size_of_own() + (*real).szOsFile;
            own.zName = c_name.into_raw();
            own.pNext = ptr::null_mut();
            own.pAppData = ptr::from_ref(shared).cast_mut().cast();
            own.xOpen = Some(open);
            own.xDelete = Some(delete);
            assert_eq!(ffi::sqlite3_vfs_register(own, 0), ffi::SQLITE_OK);
        }
        Self { name, shared }
    }

    /// The name to open connections with.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    pub fn counts(&self) -> Counts {
        Counts {
            syncs: self.shared.syncs.load(Ordering::Relaxed),
            sync_ns: self.shared.sync_ns.load(Ordering::Relaxed),
            log_bytes: self.shared.log_bytes.load(Ordering::Relaxed),
            file_bytes: self.shared.file_bytes.load(Ordering::Relaxed),
        }
    }

    /// Makes each sync take at least this much longer.
    pub fn slow_syncs(&self, delay: Duration) {
        let us = u64::try_from(delay.as_micros()).expect("short");
        self.shared.sync_delay_us.store(us, Ordering::Relaxed);
    }

    pub fn mark(&self, number: usize) {
        self.shared.record("", || Change::Mark(number));
    }

    /// What happened so far.
    pub fn events(&self) -> Vec<Event> {
        let events = self.shared.events.as_ref().expect("made to record");
        events.lock().expect("no test panics while it holds this").clone()
    }
}

/// The default file system.
unsafe fn real() -> *mut ffi::sqlite3_vfs {
    // SAFETY: a null name asks for the default one.
    unsafe { ffi::sqlite3_vfs_find(ptr::null()) }
}

/// What SQLite holds for an open file: ours, and right behind it the real one.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    shared: *const Shared,
    path: *mut String,
}

fn size_of_own() -> c_int {
    c_int::try_from(size_of::<File>()).expect("small")
}

unsafe fn inner(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: SQLite gives each file `szOsFile` bytes: ours and those of the real one.
    unsafe { file.cast::<u8>().add(size_of::<File>()).cast() }
}

unsafe fn methods(file: *mut ffi::sqlite3_file) -> &'static ffi::sqlite3_io_methods {
    // SAFETY: only called on files whose opening succeeded; their methods are static.
    unsafe { &*(*inner(file)).pMethods }
}

unsafe fn own<'a>(file: *mut ffi::sqlite3_file) -> (&'a Shared, &'a str) {
    // SAFETY: `shared` is leaked, `path` lives until `close`.
    unsafe {
        let file = &*file.cast::<File>();
        (&*file.shared, (*file.path).as_str())
    }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite's contract of xOpen; the real file system gets its own structure.
    unsafe {
        let real = real();
        let open = (*real).xOpen.expect("every file system opens");
        let result = open(real, name, inner(file), flags, out);
        let own = file.cast::<File>();
        (*own).base.pMethods = ptr::null();
        if result == ffi::SQLITE_OK {
            let path =
                if name.is_null() { "" } else { CStr::from_ptr(name).to_str().unwrap_or("") };
            (*own).shared = (*vfs).pAppData.cast();
            (*own).path = Box::into_raw(Box::new(path.to_owned()));
            (*own).base.pMethods = &raw const METHODS;
        }
        result
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite's contract of xDelete.
    unsafe {
        let shared = &*(*vfs).pAppData.cast::<Shared>();
        let path = CStr::from_ptr(name).to_str().unwrap_or("");
        shared.record(path, || Change::Delete);
        let real = real();
        (*real).xDelete.expect("every file system deletes")(real, name, sync)
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: closed once; the path was boxed when it was opened.
    unsafe {
        drop(Box::from_raw((*file.cast::<File>()).path));
        methods(file).xClose.expect("in version 1")(inner(file))
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite's contract of xWrite: `amount` bytes at `data`.
    unsafe {
        let (shared, path) = own(file);
        let length = usize::try_from(amount).expect("not negative");
        let count = if path.ends_with("-wal") { &shared.log_bytes } else { &shared.file_bytes };
        count.fetch_add(length as u64, Ordering::Relaxed);
        shared.record(path, || Change::Write {
            offset: usize::try_from(offset).expect("not negative"),
            data: std::slice::from_raw_parts(data.cast(), length).to_vec(),
        });
        methods(file).xWrite.expect("in version 1")(inner(file), data, amount, offset)
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite's contract of xTruncate.
    unsafe {
        let (shared, path) = own(file);
        let length = usize::try_from(size).expect("not negative");
        shared.record(path, || Change::Truncate { length });
        methods(file).xTruncate.expect("in version 1")(inner(file), size)
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite's contract of xSync.
    unsafe {
        let (shared, path) = own(file);
        shared.syncs.fetch_add(1, Ordering::Relaxed);
        #[expect(clippy::disallowed_methods, reason = "measures how long a sync takes")]
        let begun = std::time::Instant::now();
        let delay_us = shared.sync_delay_us.load(Ordering::Relaxed);
        if delay_us > 0 {
            std::thread::sleep(Duration::from_micros(delay_us));
        }
        let result = methods(file).xSync.expect("in version 1")(inner(file), flags);
        let ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        shared.sync_ns.fetch_add(ns, Ordering::Relaxed);
        shared.record(path, || Change::Sync);
        result
    }
}

macro_rules! forward {
    ($($own:ident => $real:ident ( $($arg:ident : $type:ty),* );)*) => {
        $(
            unsafe extern "C" fn $own(file: *mut ffi::sqlite3_file, $($arg: $type),*) -> c_int {
                // SAFETY: handed on as it came, to the file it is about.
                unsafe { methods(file).$real.expect("in version 2")(inner(file), $($arg),*) }
            }
        )*
    };
}

forward! {
    read => xRead(data: *mut c_void, amount: c_int, offset: ffi::sqlite3_int64);
    file_size => xFileSize(size: *mut ffi::sqlite3_int64);
    lock => xLock(level: c_int);
    unlock => xUnlock(level: c_int);
    check_reserved_lock => xCheckReservedLock(out: *mut c_int);
    file_control => xFileControl(op: c_int, arg: *mut c_void);
    sector_size => xSectorSize();
    device_characteristics => xDeviceCharacteristics();
    shm_map => xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void);
    shm_lock => xShmLock(offset: c_int, count: c_int, flags: c_int);
    shm_unmap => xShmUnmap(delete: c_int);
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: handed on as it came.
    unsafe { methods(file).xShmBarrier.expect("in version 2")(inner(file)) }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Version 2: no memory-mapped reading of the file itself, which could not be recorded.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};
