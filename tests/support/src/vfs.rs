//! The VFS of SQLite under [`crate::disk`]: the system's own, asked for leave first.
#![allow(unsafe_code, reason = "SQLite takes a table of C functions")]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use rusqlite::ffi;

use crate::disk::{Shared, State, Verdict, lock};

static MOUNTED: Mutex<Vec<(PathBuf, Shared)>> = Mutex::new(Vec::new());
static REGISTER: Once = Once::new();

fn mounted() -> std::sync::MutexGuard<'static, Vec<(PathBuf, Shared)>> {
    MOUNTED.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn mount(folder: &Path, state: Shared) {
    REGISTER.call_once(register);
    mounted().push((folder.to_owned(), state));
}

pub(crate) fn unmount(folder: &Path) {
    mounted().retain(|(mounted, _)| mounted != folder);
}

fn state_of(path: &Path) -> Option<Shared> {
    mounted()
        .iter()
        .find(|(folder, _)| path.starts_with(folder))
        .map(|(_, state)| state.clone())
}

/// A file on a disk with rules.
struct Tracked {
    path: PathBuf,
    state: Shared,
}

/// What SQLite holds of an open file; the system's own structure follows it.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    tracked: *mut Tracked,
}

/// Where the system's structure begins: SQLite aligns ours to 8 bytes.
const INNER: usize = size_of::<File>().next_multiple_of(8);

// SAFETY of the functions below: SQLite calls them with a file that `open` filled and
// that `close` has not seen yet, and with buffers as long as it says.

unsafe fn inner(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    unsafe { file.cast::<u8>().add(INNER).cast() }
}

unsafe fn methods(file: *mut ffi::sqlite3_file) -> &'static ffi::sqlite3_io_methods {
    unsafe { &*(*inner(file)).pMethods }
}

unsafe fn tracked<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a Tracked> {
    unsafe { (*file.cast::<File>()).tracked.as_ref() }
}

/// Calls a method of the system's file.
macro_rules! below {
    ($file:ident, $method:ident $(, $argument:expr)*) => {
        match methods($file).$method {
            Some(method) => method(inner($file) $(, $argument)*),
            None => ffi::SQLITE_IOERR,
        }
    };
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe {
        let code = below!(file, xClose);
        let tracked = std::mem::replace(&mut (*file.cast::<File>()).tracked, std::ptr::null_mut());
        if !tracked.is_null() {
            let tracked = Box::from_raw(tracked);
            lock(&tracked.state).note_close();
        }
        code
    }
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    len: c_int,
    offset: i64,
) -> c_int {
    unsafe { below!(file, xRead, buffer, len, offset) }
}

unsafe fn size_of_file(file: *mut ffi::sqlite3_file) -> u64 {
    let mut size = 0;
    unsafe { below!(file, xFileSize, &raw mut size) };
    u64::try_from(size).unwrap_or(0)
}

/// What stands in a file from `offset` on, at most `len` bytes.
unsafe fn standing(file: *mut ffi::sqlite3_file, offset: u64, len: u64, size: u64) -> Vec<u8> {
    let mut old = vec![0; size.saturating_sub(offset).min(len) as usize];
    if !old.is_empty() {
        unsafe {
            below!(
                file,
                xRead,
                old.as_mut_ptr().cast(),
                old.len() as c_int,
                offset as i64
            )
        };
    }
    old
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    buffer: *const c_void,
    len: c_int,
    offset: i64,
) -> c_int {
    unsafe {
        let Some(tracked) = tracked(file) else {
            return below!(file, xWrite, buffer, len, offset);
        };
        let mut state = lock(&tracked.state);
        let (len, answer) = match state.on_write(len as usize) {
            Verdict::Done => (len as usize, ffi::SQLITE_OK),
            Verdict::Torn(len) => (len, ffi::SQLITE_IOERR_WRITE),
            Verdict::Full => return ffi::SQLITE_FULL,
            Verdict::Fails => return ffi::SQLITE_IOERR_WRITE,
        };
        let size = size_of_file(file);
        let old = standing(file, offset as u64, len as u64, size);
        let new = std::slice::from_raw_parts(buffer.cast::<u8>(), len);
        state.note_write(&tracked.path, offset as u64, old, new, size);
        let code = below!(file, xWrite, buffer, len as c_int, offset);
        if code == ffi::SQLITE_OK { answer } else { code }
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    unsafe {
        let Some(tracked) = tracked(file) else {
            return below!(file, xTruncate, size);
        };
        let mut state = lock(&tracked.state);
        match state.on_write(0) {
            Verdict::Done => {
                let before = size_of_file(file);
                let old = standing(file, size as u64, u64::MAX, before);
                state.note_truncation(&tracked.path, size as u64, old, before);
                below!(file, xTruncate, size)
            }
            Verdict::Full => ffi::SQLITE_FULL,
            _ => ffi::SQLITE_IOERR_TRUNCATE,
        }
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    unsafe {
        let Some(tracked) = tracked(file) else {
            return below!(file, xSync, flags);
        };
        let mut state = lock(&tracked.state);
        match state.on_sync() {
            // What the system's disk would do is nothing that a test waits for.
            Verdict::Done => {
                state.note_synced(&tracked.path);
                ffi::SQLITE_OK
            }
            _ => {
                state.note_sync_failed(&tracked.path);
                ffi::SQLITE_IOERR_FSYNC
            }
        }
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    unsafe { below!(file, xFileSize, size) }
}

unsafe extern "C" fn lock_file(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    unsafe { below!(file, xLock, level) }
}

unsafe extern "C" fn unlock_file(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    unsafe { below!(file, xUnlock, level) }
}

unsafe extern "C" fn check_lock(file: *mut ffi::sqlite3_file, held: *mut c_int) -> c_int {
    unsafe { below!(file, xCheckReservedLock, held) }
}

unsafe extern "C" fn control(
    file: *mut ffi::sqlite3_file,
    operation: c_int,
    argument: *mut c_void,
) -> c_int {
    unsafe { below!(file, xFileControl, operation, argument) }
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe { below!(file, xSectorSize) }
}

unsafe extern "C" fn characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe { below!(file, xDeviceCharacteristics) }
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    memory: *mut *mut c_void,
) -> c_int {
    unsafe { below!(file, xShmMap, page, size, extend, memory) }
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    offset: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    unsafe { below!(file, xShmLock, offset, count, flags) }
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    unsafe {
        if let Some(barrier) = methods(file).xShmBarrier {
            barrier(inner(file));
        }
    }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    unsafe { below!(file, xShmUnmap, delete) }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // 2: shared memory for WAL, no memory-mapped reads past the rules.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock_file),
    xUnlock: Some(unlock_file),
    xCheckReservedLock: Some(check_lock),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// The system's VFS, which SQLite keeps for the life of the process.
unsafe fn system(vfs: *mut ffi::sqlite3_vfs) -> *mut ffi::sqlite3_vfs {
    unsafe { (*vfs).pAppData.cast() }
}

unsafe fn path_of(name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    Some(PathBuf::from(OsStr::from_bytes(bytes)))
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    unsafe {
        let ours = file.cast::<File>();
        (*ours).base.pMethods = std::ptr::null();
        (*ours).tracked = std::ptr::null_mut();
        let system = system(vfs);
        let Some(open) = (*system).xOpen else {
            return ffi::SQLITE_CANTOPEN;
        };
        let code = open(system, name, inner(file), flags, out_flags);
        if (*inner(file)).pMethods.is_null() {
            return code;
        }
        (*ours).base.pMethods = &METHODS;
        if let Some(path) = path_of(name)
            && let Some(state) = state_of(&path)
        {
            lock(&state).note_open();
            (*ours).tracked = Box::into_raw(Box::new(Tracked { path, state }));
        }
        code
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    unsafe {
        let path = path_of(name);
        if let Some(path) = &path
            && let Some(state) = state_of(path)
        {
            let mut state = lock(&state);
            if State::on_delete(&mut state) != Verdict::Done {
                return ffi::SQLITE_IOERR_DELETE;
            }
            state.note_deleted(path);
        }
        let system = system(vfs);
        match (*system).xDelete {
            Some(delete) => delete(system, name, sync),
            None => ffi::SQLITE_IOERR_DELETE,
        }
    }
}

/// Puts the rules before the system's VFS, for all connections of this process.
fn register() {
    unsafe {
        // SAFETY: SQLite initializes itself here and returns its own static table.
        let system = ffi::sqlite3_vfs_find(std::ptr::null());
        assert!(!system.is_null(), "SQLite has a VFS");
        let mut vfs = *system;
        vfs.pNext = std::ptr::null_mut();
        vfs.zName = c"stunity-disk".as_ptr();
        vfs.pAppData = system.cast();
        vfs.szOsFile += INNER as c_int;
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        // The other functions of the system's VFS look at none of its data, which
        // is the same in the copy but for `pAppData`, used on opening only.
        let code = ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 1);
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes a VFS");
    }
}
