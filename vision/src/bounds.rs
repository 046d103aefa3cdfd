//! What the kernel gives the process, at most.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;

/// Bounds the memory that the process writes to (`RLIMIT_DATA`: heap, anonymous and private writable pages; not the
/// programs it has mapped), and forbids core dumps, which would hold pictures with faces. What goes beyond fails: Rust ends
/// the process, ONNX Runtime fails the run.
pub fn set(memory_max: u64) -> io::Result<()> {
    let both = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    setrlimit(Resource::Data, both(memory_max))?;
    Ok(setrlimit(Resource::Core, both(0))?)
}

/// Bytes used and bytes there are, if less than an eighth of them is left. Without a bound nothing is ever used up.
pub fn nearly_used_up() -> Option<(u64, u64)> {
    let most = getrlimit(Resource::Data).current?;
    let used = data(&std::fs::read_to_string("/proc/self/status").ok()?)?;
    (used > most / 8 * 7).then_some((used, most))
}

/// Bytes of data in a text of `/proc/PID/status` (proc(5), `VmData`).
fn data(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmData:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_of_this_process_is_read() {
        let own = std::fs::read_to_string("/proc/self/status").unwrap();
        assert!(data(&own).unwrap() > 1 << 16);
        assert_eq!(
            data("VmPeak:\t 9 kB\nVmData:\t    132 kB\n"),
            Some(132 << 10)
        );
        assert_eq!(data("VmPeak:\t 9 kB\n"), None);
    }
}
