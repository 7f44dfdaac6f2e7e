//! A server's data directory: space, rights, keys, and whether a server runs on it. The store is not opened.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock, statvfs};

use super::Check;

/// Bytes below which space is short: sled writes anew what it compacts.
const SHORT: u64 = 1 << 30;
/// Bytes below which the next writes may fail, which ends the server.
const OUT: u64 = 64 << 20;
/// Bytes of a mebibyte.
const MEBIBYTE: u64 = 1 << 20;
/// The rights of everybody in a file's mode; a group may have what Kubernetes mounts.
const EVERYBODY: u32 = 0o007;
/// The right to write among them.
const WRITE: u32 = 0o002;

/// Looks at a data directory.
pub(super) fn look(dir: &Path, checks: &mut Vec<Check>) {
    match dir.metadata() {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => {
            let found = format!("{} is no directory", dir.display());
            checks.push(Check::fail("data directory", found, "check the path"));
            return;
        }
        Err(error) => {
            let found = format!("{}: {error}", dir.display());
            checks.push(Check::fail("data directory", found, "check the path"));
            return;
        }
    }
    checks.extend(rights("data directory", dir));
    checks.push(space(dir));
    checks.extend(rights("store", &dir.join("store")));
    checks.extend(rights("operator token", &dir.join("operator.token")));
    let root_key = dir.join("root.key");
    if root_key.exists() {
        checks.extend(rights("root key", &root_key));
        checks.push(Check::warn(
            "root key",
            "it lies beside the data that it protects",
            "for production, keep it on another volume: root_key_file",
        ));
    }
    checks.push(server(&dir.join("store/lock")));
}

/// Who can get at it; nothing where it is not there.
fn rights(what: &'static str, path: &Path) -> Option<Check> {
    let shown = path.display();
    match path.metadata() {
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o777;
            let wanted = if metadata.is_dir() { 700 } else { 600 };
            Some(if mode & EVERYBODY == 0 {
                Check::ok(what, format!("{shown}, mode {mode:o}"))
            } else if metadata.is_dir() && mode & WRITE == 0 {
                let found = format!("everybody on this machine can see what there is in {shown}");
                Check::warn(what, found, format!("chmod {wanted} {shown}"))
            } else {
                let found = format!("everybody on this machine can get at {shown}");
                Check::fail(what, found, format!("chmod {wanted} {shown}"))
            })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => {
            let advice = "run this as the user that runs the server";
            Some(Check::fail(what, format!("{shown}: {error}"), advice))
        }
    }
}

fn space(dir: &Path) -> Check {
    let what = "space";
    let free = match statvfs(dir) {
        Ok(volume) => volume.f_bavail.saturating_mul(volume.f_frsize),
        Err(error) => {
            let advice = "run this as the user that runs the server";
            return Check::fail(what, error.to_string(), advice);
        }
    };
    let found = format!("{} MiB free", free / MEBIBYTE);
    match free {
        ..OUT => Check::fail(what, found, "make room: a server that can't write ends"),
        OUT..SHORT => Check::warn(what, found, "make room, or give the volume more"),
        _ => Check::ok(what, found),
    }
}

/// Whether a server holds the store. The lock is asked for as readers would share it, and given back at once.
fn server(lock: &Path) -> Check {
    let what = "server";
    let file = match File::open(lock) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Check::ok(what, "none has run on this directory yet");
        }
        Err(error) => {
            let advice = "run this as the user that runs the server";
            return Check::fail(what, format!("{}: {error}", lock.display()), advice);
        }
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            // Closing the file gives it back too.
            let _ = flock(&file, FlockOperation::Unlock);
            Check::ok(what, "none runs on this directory now")
        }
        Err(rustix::io::Errno::WOULDBLOCK) => Check::ok(what, "one runs on this directory"),
        Err(error) => Check::warn(what, error.to_string(), "the file system may know no locks"),
    }
}
