//! The processes of a command: the one that was started, and all that it starts and leaves in its group.

use std::{fs, io};

/// A process that leads a group of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    leader: i32,
}

impl Group {
    /// The group that a process with this id leads. It has to be a child that was not waited for.
    pub(super) fn led_by(leader: u32) -> io::Result<Self> {
        let leader = i32::try_from(leader).map_err(io::Error::other)?;
        Ok(Self { leader })
    }

    /// Whether the leader has ended. It stays a child that was not waited for, so that no other process gets its id.
    #[expect(unsafe_code, reason = "the standard library cannot look at a child without taking its id from it")]
    pub(super) fn has_ended(self) -> io::Result<bool> {
        let id = libc::id_t::try_from(self.leader).map_err(io::Error::other)?;
        // SAFETY: the structure is plain numbers, of which zeros are valid, and is written by the call alone.
        unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            if libc::waitid(libc::P_PID, id, &raw mut info, options) != 0 {
                return Err(io::Error::last_os_error());
            }
            // Without an event, the call leaves the zeros.
            Ok(info.si_pid() == self.leader)
        }
    }

    /// Ends all processes of the group at once. Call it before the leader is waited for: its id then belongs to no other group.
    pub(super) fn end(self) {
        end(self.leader);
    }

    /// The id of the process that leads it.
    pub(super) fn leader(self) -> i32 {
        self.leader
    }

    /// Bytes that the processes of the group hold and that no file on a disk backs: anonymous and shared memory, and what of
    /// them was swapped out. Pages that they share count for each; mapped files, of which the system takes back what it needs,
    /// do not count.
    pub(super) fn memory(self) -> io::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(id) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else {
                continue;
            };
            // A process may end at any time, and is then gone.
            let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
            if group_in(&stat) != Some(self.leader) {
                continue;
            }
            let Ok(status) = fs::read_to_string(format!("/proc/{id}/status")) else { continue };
            bytes += unbacked_bytes(&status);
        }
        Ok(bytes)
    }
}

/// Ends all processes of the group with this leader at once.
#[expect(unsafe_code, reason = "the standard library sends no signal to a group")]
pub(super) fn end(leader: i32) {
    // SAFETY: a call with two numbers. A group without processes is an error that says nothing.
    unsafe {
        libc::kill(-leader, libc::SIGKILL);
    }
}

/// The group of a process, the fifth field of its `stat`. The second one, its name, may hold spaces and brackets.
fn group_in(stat: &str) -> Option<i32> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(2)?.parse().ok()
}

/// The memory in a process's `status` that no file on a disk backs. A process that has just ended has none of the lines.
fn unbacked_bytes(status: &str) -> u64 {
    let held = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let counts = ["RssAnon", "RssShmem", "VmSwap"].contains(&name);
        let kilobytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
        counts.then_some(kilobytes * 1024)
    };
    status.lines().filter_map(held).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_and_what_was_swapped_out_count_and_mapped_files_do_not() {
        let status = "Name:\tpython\nVmRSS:\t    1000 kB\nRssAnon:\t     100 kB\nRssFile:\t     880 kB\n\
                      RssShmem:\t      20 kB\nVmSwap:\t       3 kB\nThreads:\t7\n";
        assert_eq!(unbacked_bytes(status), 123 << 10);
        assert_eq!(unbacked_bytes("Name:\tsh\nState:\tZ (zombie)\n"), 0);
    }

    #[test]
    fn the_group_is_found_behind_any_name() {
        assert_eq!(group_in("12 (sh) S 1 10 9 0 -1"), Some(10));
        assert_eq!(group_in("12 (a) S 1) 7 (b) R 1 11 9 0 -1"), Some(11));
        assert_eq!(group_in("12"), None);
    }
}
