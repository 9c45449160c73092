//! What differs from system to system about descriptors: how many there can be, how to tell that
//! they have run out, and how to keep one back for then.

use std::fs::File;
use std::io;

/// A file that is always there, to hold a descriptor with.
const NULL_DEVICE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

/// The limit of open descriptors, raised to `wanted` if the system allows it.
#[cfg(unix)]
pub(crate) fn limit(wanted: u64) -> u64 {
    let raised = rlimit::increase_nofile_limit(wanted);
    raised.or_else(|_| rlimit::Resource::NOFILE.get_soft()).unwrap_or(wanted)
}

/// Sockets are not files on this system, and have no such limit.
#[cfg(not(unix))]
pub(crate) fn limit(_wanted: u64) -> u64 {
    u64::MAX
}

/// A descriptor to give up when there is no other, if there is one to keep back.
pub(crate) fn spare() -> Option<File> {
    File::open(NULL_DEVICE).ok()
}

/// Whether descriptors or buffers have run out, for us or for the whole system.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    /// `ENFILE`, `EMFILE`, and `ENOMEM`, which have these numbers on every Unix.
    const UNIX: [i32; 3] = [23, 24, 12];
    /// `WSAEMFILE` and `WSAENOBUFS`.
    const WINDOWS: [i32; 2] = [10024, 10055];
    let shortage: &[i32] = if cfg!(windows) { &WINDOWS } else { &UNIX };
    error.raw_os_error().is_some_and(|code| shortage.contains(&code))
        || error.kind() == io::ErrorKind::OutOfMemory
}
