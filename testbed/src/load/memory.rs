use std::fs;

/// The memory of a process, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// What it uses now.
    pub resident_bytes: u64,
    /// The most that it has used.
    pub peak_bytes: u64,
}

/// The memory of the process `pid`; `None` if it has ended, or if the system has no `/proc`.
pub fn memory_of(pid: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    Memory { resident_bytes: bytes(&status, "VmRSS:"), peak_bytes: bytes(&status, "VmHWM:") }
}

fn bytes(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!((bytes(status, "VmRSS:"), bytes(status, "VmHWM:")), (1 << 20, 2 << 20));
        assert_eq!(bytes("", "VmRSS:"), 0);
    }
}
