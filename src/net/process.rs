//! What the system says of this process, for whoever watches over it. It is asked only when
//! somebody wants to know, and two short reads are all that it takes.

use crate::metrics::Process;

/// What is known; on other systems than Linux, nothing.
pub(crate) fn measure() -> Process {
    Process { descriptors: descriptors(), resident_bytes: resident_bytes() }
}

/// Open descriptors. The size of this folder tells since Linux 6.2, and is 0 before; to count what
/// is in it would take too long where there are ten thousand.
fn descriptors() -> Option<u64> {
    let count = cfg!(target_os = "linux").then(|| std::fs::metadata("/proc/self/fd").ok())??;
    Some(count.len()).filter(|count| *count > 0)
}

/// Bytes of memory that it really has.
fn resident_bytes() -> Option<u64> {
    // In kB, unlike /proc/self/statm, which counts pages of a size that it does not tell.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
