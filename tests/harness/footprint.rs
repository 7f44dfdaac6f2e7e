//! What the operating system knows of a process.

use std::fs;

/// Ticks of a second in `/proc/<pid>/stat`: the kernel's interface to programs, 100 on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of CPU that the process has used.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    // After the name, which stands in brackets and may hold spaces, begins field 3; utime and stime are 14 and 15.
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |field: usize| fields[field - 3].parse::<f64>().expect("a number");
    (ticks(14) + ticks(15)) / TICKS_PER_SECOND
}

/// Bytes of memory that the process holds.
pub(crate) fn resident_bytes(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .expect("VmRSS in kB");
    kib.trim().parse::<f64>().expect("a number") * 1024.0
}

/// Sockets that the process holds, its listeners among them.
pub(crate) fn sockets(pid: u32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("a running process");
    let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links
        .filter(|link| link.to_string_lossy().starts_with("socket:"))
        .count()
}

/// Descriptors that the process holds.
pub(crate) fn descriptors(pid: u32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("a running process");
    descriptors.count()
}

/// Connections of the server at this address that neither side has given up, those that wait to be accepted among them.
pub(crate) fn connections(address: std::net::SocketAddr) -> usize {
    const LIVE: [&str; 2] = ["01", "08"];
    let table = fs::read_to_string("/proc/net/tcp").expect("the kernel's table of sockets");
    let port = format!(":{:04X}", address.port());
    let live = table.lines().filter(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, state) = (fields.next(), fields.nth(1));
        local.is_some_and(|local| local.ends_with(&port))
            && state.is_some_and(|state| LIVE.contains(&state))
    });
    live.count()
}
